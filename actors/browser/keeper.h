/* SPDX-License-Identifier: MIT */
/** What the launcher and the keeper agree on. */
#ifndef TROUPE_ACTORS_BROWSER_KEEPER_H
#define TROUPE_ACTORS_BROWSER_KEEPER_H

#include <stdbool.h>

#define KEEPER_BROWSER_READ_FD  3 /* the browser reads commands here */
#define KEEPER_BROWSER_WRITE_FD 4 /* and writes answers here */
#define KEEPER_HOST_FD          5 /* end of file: the host is gone or lets go */

/** Delete the directory; tries again when something was written meanwhile by a process just killed.
 */
void keeper_remove_tree(const char *path);

/** Whether this program, started again, would be a keeper: its main called troupe_host_keeper_main.
 */
bool keeper_is_self(void);

#endif
