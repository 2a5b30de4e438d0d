/* SPDX-License-Identifier: MIT */
/**
 * A control group for one browser, to bound its memory as a whole. Version 2 (memory.max) and
 * version 1 (memory.limit_in_bytes) of the interface.
 */
#ifndef TROUPE_ACTORS_BROWSER_CGROUP_H
#define TROUPE_ACTORS_BROWSER_CGROUP_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_PATH_MAX 512

/**
 * Find the directory below which this process may make groups whose memory is bounded: the group it
 * is in, or the one above if it is alone in a leaf. Nothing is changed.
 *
 * @param proc_cgroup  NULL = /proc/self/cgroup; for tests
 * @param proc_mounts  NULL = /proc/self/mounts
 * @return TROUPE_OK and the directory; TROUPE_EUNAVAILABLE: the reason says what is in the way
 */
troupe_error cgroup_find(const char *proc_cgroup, const char *proc_mounts, char *dir, size_t size,
                         troupe_reason *reason) TROUPE_MUST_USE;

/** Make DIR/NAME and bound its memory. *path: stored on TROUPE_OK. On an error nothing is left. */
troupe_error cgroup_create(const char *dir, const char *name, uint64_t memory_bytes, char *path,
                           size_t size, troupe_reason *reason) TROUPE_MUST_USE;

/** Move the calling process into the group. Async-signal-safe. */
bool cgroup_enter(const char *path);

/** Kill all in it at once (version 2, Linux 5.14); false where that cannot be done. */
bool cgroup_kill(const char *path);

/** Remove the group; it must be empty. True: it is gone. */
bool cgroup_remove(const char *path);

/** Kill all in it and remove it: what was killed needs a moment until the group is empty, so it
 * is tried that often, with 5 ms between. True: it is gone. Blocks: as long as that. */
bool cgroup_end(const char *path, unsigned attempts);

#endif
