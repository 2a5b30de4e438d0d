/* SPDX-License-Identifier: MIT */
/**
 * Scratch directories: RUNTIME_DIR/troupe-NAME-XXXXXX, one for each browser that runs, with its
 * temporary files and, if it is temporary, its profile.
 *
 * Whoever keeps the browser holds a lock (flock) on the directory itself. The lock ends with the
 * process, however it ends; so a directory without a lock is an orphan, and whoever takes the lock
 * may delete it. That holds between hosts that run at the same time, of the same name even.
 */
#ifndef TROUPE_ACTORS_BROWSER_SCRATCH_H
#define TROUPE_ACTORS_BROWSER_SCRATCH_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SCRATCH_PATH_MAX 256

/** Make one, locked. *lock_fd: its lock, closed by the caller once the keeper has it too.
 * TROUPE_EIO: the reason names the directory. */
troupe_error scratch_create(const char *runtime_dir, const char *name, char *path, int *lock_fd,
                            troupe_reason *reason) TROUPE_MUST_USE;

/** What is left of browsers that nobody keeps. */
typedef struct scratch_leftovers {
    size_t directories;
    size_t processes;
    size_t failed; /* scratch_sweep: directories that stay, or their control groups do */
} scratch_leftovers;

/** Write down that the browser's control group, named as the directory, is made in PARENT: for the
 * sweep, if it is orphaned. */
bool scratch_note_cgroup(const char *path, const char *parent);

/** Look for orphans of hosts of that name; nothing is changed. Thread: any. */
scratch_leftovers scratch_look(const char *runtime_dir, const char *name);

/**
 * Kill and delete orphans of hosts of that name: directories that are ours (owner), are no link and
 * whose lock is free, the processes that belong to them, and their control groups.
 *
 * @param stop  asked between two directories; NULL = never
 * @return what was removed. What could not be removed is found by scratch_look
 */
scratch_leftovers scratch_sweep(const char *runtime_dir, const char *name,
                                bool (*stop)(void *context), void *context);

#endif
