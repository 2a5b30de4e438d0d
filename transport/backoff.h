/* SPDX-License-Identifier: MIT */
/**
 * When to try again: exponential back-off with full jitter, and when not to. No clock and no
 * sleeping of its own: the caller says what happened and when.
 *
 * Owner: one thread at a time.
 */
#ifndef TROUPE_TRANSPORT_BACKOFF_H
#define TROUPE_TRANSPORT_BACKOFF_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_FIRST_MS   1000u
#define BACKOFF_MAX_MS     30000u
#define BACKOFF_HEALTHY_MS 60000u
#define BACKOFF_ATTEMPTS   3u
#define BACKOFF_ENDLESS    UINT32_MAX

/** Zero-initialised: the defaults. */
typedef struct backoff_options {
    uint32_t first_ms;   /* bound of the first delay, doubled by each; 0 = BACKOFF_FIRST_MS */
    uint32_t max_ms;     /* bound of all; 0 = BACKOFF_MAX_MS */
    uint32_t healthy_ms; /* a connection that lived so long starts the bounds anew; 0 =
                            BACKOFF_HEALTHY_MS */
    uint32_t attempts;   /* in a row, until the first success; 0 = BACKOFF_ATTEMPTS */
    uint32_t reattempts; /* in a row, after it; 0 = BACKOFF_ENDLESS */
    uint64_t (*random)(void *context); /* all 64 bits; NULL = the system's */
    void *random_context;
} backoff_options;

typedef struct backoff {
    backoff_options options;
    uint32_t bound_ms;   /* of the next delay */
    uint32_t failures;   /* in a row */
    bool was_up;         /* ever */
    int64_t up_since_ns; /* of the present connection; 0 = there is none */
} backoff;

void backoff_init(backoff *b, const backoff_options *options);

/** It is established. now_ns: monotonic. */
void backoff_up(backoff *b, int64_t now_ns);

/**
 * An attempt failed, or what was established was lost.
 *
 * The delay is anything from 1 ms to the present bound, on top of what the peer asked for.
 *
 * @param error          why; TROUPE_OK, TROUPE_EUNAUTHORIZED, TROUPE_EFORBIDDEN, TROUPE_EPARAMS,
 *                       TROUPE_ECANCELLED: trying again would not help, or is not wanted
 * @param retry_after_s  what the peer asked for; 0 = nothing
 * @param delay_ms       set on true
 * @return whether to try again
 */
bool backoff_failed(backoff *b, troupe_error error, uint32_t retry_after_s, int64_t now_ns,
                    uint32_t *delay_ms);

#endif
