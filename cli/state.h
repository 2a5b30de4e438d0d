/* SPDX-License-Identifier: MIT */
/**
 * The state directory: NAME.json says where the host of that name is, NAME.lock is held by it as
 * long as it lives, so that a file left behind by a host that was killed is recognised.
 */
#ifndef TROUPE_CLI_STATE_H
#define TROUPE_CLI_STATE_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STATE_PATH_MAX 512

typedef struct host_state {
    char url[160];
    uint16_t port;
    pid_t pid;
    char version[32];
    char token_file[STATE_PATH_MAX]; /* "" = no token */
    int64_t started;                 /* seconds since 1970 */
    bool automatic;                  /* started by a command that needed a host */
} host_state;

/** DIR/NAME + suffix (".json", ".lock", ".log", ".token"). TROUPE_EPARAMS if it is too long. */
troupe_error state_path(const char *dir, const char *name, const char *suffix,
                        char out[STATE_PATH_MAX], troupe_reason *reason) TROUPE_MUST_USE;

/** Make the directory and what is above it (0700); refuse one that belongs to another user, and
 * close one that others may enter. */
troupe_error state_dir_make(const char *dir, troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Become the host of that name: hold its lock until the descriptor is closed or the process ends.
 *
 * @param out_fd  stored on TROUPE_OK; closed by the caller
 * @return TROUPE_OK; TROUPE_ESTATE: a host of that name lives; TROUPE_EIO
 */
troupe_error state_lock(const char *dir, const char *name, int *out_fd,
                        troupe_reason *reason) TROUPE_MUST_USE;

/** Whether a host of that name holds its lock now. */
bool state_locked(const char *dir, const char *name);

/** Write NAME.json: mode 0600, whole or not at all. */
troupe_error state_write(const char *dir, const char *name, const host_state *state,
                         troupe_reason *reason) TROUPE_MUST_USE;

/** Read NAME.json. TROUPE_ENOTFOUND: there is none; TROUPE_EPARSE: damaged; TROUPE_EIO. */
troupe_error state_read(const char *dir, const char *name, host_state *out,
                        troupe_reason *reason) TROUPE_MUST_USE;

/** As state_read, but TROUPE_ENOTFOUND too when the host that wrote it is no more. */
troupe_error state_find(const char *dir, const char *name, host_state *out,
                        troupe_reason *reason) TROUPE_MUST_USE;

/** Write a file of a secret: 0600, whole or not at all. */
troupe_error state_write_text(const char *path, const char *text,
                              troupe_reason *reason) TROUPE_MUST_USE;

/** Remove NAME.json; nothing happens if there is none. */
void state_remove(const char *dir, const char *name);

#endif
