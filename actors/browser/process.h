/* SPDX-License-Identifier: MIT */
/** One browser process with its keeper: found, started, let go, reaped. Owner: the launcher. */
#ifndef TROUPE_ACTORS_BROWSER_PROCESS_H
#define TROUPE_ACTORS_BROWSER_PROCESS_H

#include "troupe/host.h"

#include <sys/types.h>

typedef struct process_options {
    const troupe_host_options *host;
    const char *executable; /* as found by process_find */
    bool headed;
    bool port;           /* --remote-debugging-port=0 instead of the pipe */
    const char *profile; /* a persistent profile directory; NULL = a temporary one */
} process_options;

typedef struct process {
    pid_t pid;         /* of the keeper */
    int pid_fd;        /* readable when the keeper has ended; -1 after process_reap */
    int host_fd;       /* closing it has the keeper end the browser; -1 = let go */
    int output_fd;     /* stdout and stderr of keeper and browser, non-blocking */
    bool orphaned;     /* after process_reap: the keeper itself was killed */
    int read_fd;       /* the browser's answers; -1 once handed over, or with a port */
    int write_fd;      /* commands to the browser; likewise */
    char scratch[256]; /* its own directory, deleted by the keeper */
    char profile[320]; /* user data directory */
    char tail[1024];   /* last output, NUL-terminated */
    size_t tail_len;
} process;

/**
 * Find a browser to run: `wanted` (a path or a name on PATH) or the first that is installed:
 * chromium-headless-shell first, full browsers only when `headed`.
 *
 * @return TROUPE_OK and the path; TROUPE_EUNAVAILABLE: the reason says what to install
 */
troupe_error process_find(const char *wanted, bool headed, char *path, size_t path_size,
                          troupe_reason *reason) TROUPE_MUST_USE;

/** Start keeper and browser. Does not wait for either. TROUPE_EIO, TROUPE_ENOMEM. */
troupe_error process_start(const process_options *options, process **out,
                           troupe_reason *reason) TROUPE_MUST_USE;

/** Take in what the browser printed; false at end of file. */
bool process_read_output(process *run);

/** The last line worth showing of what it printed; "" if none. */
const char *process_last_words(const process *run);

/** Have the keeper kill the browser and clean up. Idempotent. */
void process_let_go(process *run);

/** After pid_fd became readable: collect the keeper's status (128 + signal, or exit code). */
int process_reap(process *run);

/** Closes what is open and frees. The keeper must have been reaped or let go. NULL is fine. */
void process_destroy(process *run);

#endif
