/* SPDX-License-Identifier: MIT */
/** One browser process with its keeper: started, let go, reaped. Owner: the launcher. */
#ifndef TROUPE_ACTORS_BROWSER_PROCESS_H
#define TROUPE_ACTORS_BROWSER_PROCESS_H

#include "output.h"
#include "profile.h"
#include "recipe.h"
#include "scratch.h"
#include "troupe/host.h"

#include <sys/types.h>

typedef struct process_options {
    const troupe_host_options *host;
    const recipe *recipe;
    const char *browser; /* its id: for the lock of a profile */
} process_options;

typedef struct process {
    pid_t pid;                      /* of the keeper */
    int pid_fd;                     /* readable when the keeper has ended; -1 after process_reap */
    int host_fd;                    /* holds the keeper: closing it has the browser ended */
    int output_fd;                  /* stdout and stderr of keeper and browser, non-blocking */
    int read_fd;                    /* the browser's answers; -1 once handed over, or with a port */
    int write_fd;                   /* commands to the browser; likewise */
    bool let_go;                    /* its end was asked for */
    bool orphaned;                  /* after process_reap: the keeper itself was killed */
    char scratch[SCRATCH_PATH_MAX]; /* its own directory, deleted by the keeper */
    char profile[PROFILE_PATH_MAX]; /* user data directory */
    char cgroup[SCRATCH_PATH_MAX + 2 * 128]; /* "" = none; removed by the keeper */
    output output;
    size_t left_processes;   /* after process_reap: what would not die */
    size_t left_directories; /* and stayed: the scratch directory, the control group */
} process;

/**
 * Start keeper and browser. Does not wait for either.
 *
 * @return TROUPE_OK; TROUPE_ESTATE: somebody else has the profile; TROUPE_EUNAVAILABLE: the port is
 *         taken; TROUPE_EIO, TROUPE_ENOMEM. The reason says which and who; nothing is left then
 */
troupe_error process_start(const process_options *options, process **out,
                           troupe_reason *reason) TROUPE_MUST_USE;

/** Take in what the browser printed; false at end of file. */
bool process_read_output(process *run);

/** Have the keeper end the browser and clean up: with the grace it was started with, or at once.
 * Idempotent; `force` counts also after a gentle one. */
void process_let_go(process *run, bool force);

/**
 * After pid_fd became readable: collect the keeper's status (128 + signal, or exit code). If the
 * keeper itself was killed, what it kept is killed and deleted here.
 */
int process_reap(process *run);

/** Closes what is open and frees. The keeper must have been reaped or let go. NULL is fine. */
void process_destroy(process *run);

#endif
