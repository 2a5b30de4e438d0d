/* SPDX-License-Identifier: MIT */
/** What `troupe doctor` looks at. Each check adds findings {check, level, text, todo?}; level:
 * "ok", "warning" (it works, but…), "error" (it does not). */
#ifndef TROUPE_CLI_DOCTOR_H
#define TROUPE_CLI_DOCTOR_H

#include "command.h"

/** Add a finding. todo: what to do about it, a sentence; NULL = nothing. */
void doctor_add(json_t *list, const char *check, const char *level, const char *todo,
                const char *format, ...) TROUPE_PRINTF(5, 6);

/** The browsers that would be launched, and what keeps them in (doctor_browser.c). */
void doctor_browser(const cli *self, json_t *list);
/** Directories, disks, memory, limits, ports (doctor_machine.c). */
void doctor_machine(const cli *self, json_t *list);
/** A host that runs: its browsers, breakers, what those that failed printed; orphans of one that
 * does not (doctor_host.c). */
void doctor_host(cli *self, json_t *list);

#endif
