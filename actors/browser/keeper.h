/* SPDX-License-Identifier: MIT */
/** What the launcher and the keeper agree on. */
#ifndef TROUPE_ACTORS_BROWSER_KEEPER_H
#define TROUPE_ACTORS_BROWSER_KEEPER_H

#include <stdbool.h>

#define KEEPER_BROWSER_READ_FD  3 /* the browser reads commands here */
#define KEEPER_BROWSER_WRITE_FD 4 /* and writes answers here */
#define KEEPER_HOST_FD          5 /* end of file: the host is gone or lets go */
#define KEEPER_SCRATCH_FD       6 /* holds the lock of the scratch directory */
#define KEEPER_PROFILE_FD       7 /* holds the lock of a persistent profile, or is closed */

/** Bytes on KEEPER_HOST_FD: end the browser, with grace; or at once, whatever `grace` says. */
#define KEEPER_LET_GO 'G'
#define KEEPER_FORCE  'K'

/** In the keeper's environment: TROUPE_ENV_NAME=VALUE sets NAME for the browser, TROUPE_UNSET_NAME=
 * takes it away. The browser sees no other TROUPE_… either: there may be a token in it. */
#define KEEPER_ENV_SET   "TROUPE_ENV_"
#define KEEPER_ENV_UNSET "TROUPE_UNSET_"

/* Exit statuses of the keeper's own; others are the browser's (128 + signal if one ended it). */
#define KEEPER_NOT_STARTED 127 /* the browser could not be started; stderr says why */
#define KEEPER_LEFTOVERS   126 /* something of the browser would not die */

/** Whether this program, started again, would be a keeper: its main called troupe_host_keeper_main.
 */
bool keeper_is_self(void);

#endif
