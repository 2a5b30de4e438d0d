/* SPDX-License-Identifier: MIT */
/** Directory trees: removed and measured, links never followed, other file systems never entered.
 */
#ifndef TROUPE_ACTORS_BROWSER_TREE_H
#define TROUPE_ACTORS_BROWSER_TREE_H

#include <stdbool.h>
#include <stdint.h>

/** Remove a directory and all in it, again if something was written meanwhile. True: it is gone (or
 * never was). */
bool tree_remove(const char *path);

/** What a tree takes on disk, in bytes; 0 if it is not there. */
uint64_t tree_bytes(const char *path);

#endif
