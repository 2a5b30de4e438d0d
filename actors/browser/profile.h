/* SPDX-License-Identifier: MIT */
/** Persistent profiles: where a named one is, and who has it. */
#ifndef TROUPE_ACTORS_BROWSER_PROFILE_H
#define TROUPE_ACTORS_BROWSER_PROFILE_H

#include "troupe/error.h"

#include <stddef.h>
#include <sys/types.h>

#define PROFILE_PATH_MAX 300

/**
 * The directory of a profile: an absolute path as it is, a plain name under STATE_DIR/profiles.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS: neither, or too long
 */
troupe_error profile_path(const char *state_dir, const char *profile, char *path, size_t size,
                          troupe_reason *reason) TROUPE_MUST_USE;

/** Make the directory (0700), and STATE_DIR/profiles for a named one. TROUPE_EPARAMS: the reason
 * says what is in the way. */
troupe_error profile_make(const char *state_dir, const char *path,
                          troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Lock a profile for the browser about to be started, and remove what an earlier one left that
 * would keep it from starting.
 *
 * The lock (flock on PATH/.troupe-lock) ends with the last process that holds the descriptor. A
 * browser that somebody else started there is known by Chromium's own SingletonLock: it is obeyed
 * while its process lives, or when it may live on another machine.
 *
 * @param who      written into the lock for others to read: "host default, browser p1"
 * @param lock_fd  stored on TROUPE_OK: to be handed to the keeper and closed
 * @return TROUPE_OK; TROUPE_ESTATE: the reason names who has it; TROUPE_EIO
 */
troupe_error profile_lock(const char *path, const char *who, int *lock_fd,
                          troupe_reason *reason) TROUPE_MUST_USE;

#endif
