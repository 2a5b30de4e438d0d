/* SPDX-License-Identifier: MIT */
/** Directory trees: removed and measured, links never followed, other file systems never entered.
 */
#ifndef TROUPE_ACTORS_BROWSER_TREE_H
#define TROUPE_ACTORS_BROWSER_TREE_H

#include <stdbool.h>
#include <stdint.h>

/** A file of that name in the directory itself goes last, and stays as long as the directory does:
 * it says whose it is. */
#define TREE_MARK ".troupe-scratch"

/** Remove a directory and all in it, again if something was written meanwhile. True: it is gone (or
 * never was). */
bool tree_remove(const char *path);

/** Put the mark into a directory. False: errno says why not. */
bool tree_mark(int dir_fd);
bool tree_is_marked(int dir_fd);

/** What a tree takes on disk, in bytes; 0 if it is not there. */
uint64_t tree_bytes(const char *path);

#endif
