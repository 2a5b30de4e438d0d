/* SPDX-License-Identifier: MIT */
/** Browser processes in tests: shell scripts in a browser's place, with a real keeper. */
#ifndef TROUPE_TESTS_PROCESS_FIXTURE_H
#define TROUPE_TESTS_PROCESS_FIXTURE_H

#include "actors/browser/process.h"

extern char fixture_dir[64];             /* fresh, removed with all in it */
extern troupe_host_options fixture_host; /* its runtime and state directories are in there */

/** For a TestSuite's init and fini. */
void fixture_enter(void);
void fixture_leave(void);

/** A path below the directory; valid until the third call after. */
const char *fixture_path(const char *name);
/** Write an executable script. body: what follows "#!/bin/sh". Returns its path. */
const char *fixture_script(const char *name, const char *body);
/** A recipe from the JSON text of params, for that executable. */
recipe *fixture_recipe(const char *executable, const char *params);
/** Start it. */
process *fixture_start(const char *executable, const char *params);
/** Wait until it printed that. */
void fixture_await(process *run, const char *text);
/** Wait until the keeper ended, reap, check that nothing is left, destroy; the status. */
int fixture_end(process *run);
/** What it printed. Freed by the caller. */
char *fixture_output(const process *run);
/** The number behind `key` in what it printed. */
long fixture_number(const process *run, const char *key);
/** Whether a process is there and no zombie. */
bool fixture_alive(long pid);
unsigned fixture_descriptors(void);

#endif
