/* SPDX-License-Identifier: MIT */
/**
 * Circuit breakers: whoever keeps failing to start is not started for a while. One for each
 * executable and profile.
 *
 *   closed     launches pass. BREAKER_FAILURES within BREAKER_WINDOW_MS open it
 *   open       launches fail at once, with the last reason; after a pause (it doubles with each
 *              time that the probe fails, and is random within its upper half) it is half open
 *   half open  one launch passes, the probe; others fail at once meanwhile. Its success closes the
 *              breaker, its failure opens it again
 *
 * A failure: a browser that did not come up, or that ended by itself within BREAKER_STABLE_MS of
 * coming up. A success: one that was up for longer, or that was closed by us.
 */
#ifndef TROUPE_ACTORS_BROWSER_BREAKER_H
#define TROUPE_ACTORS_BROWSER_BREAKER_H

#include "troupe/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES     5
#define BREAKER_WINDOW_MS    60000
#define BREAKER_PAUSE_MS     10000
#define BREAKER_PAUSE_MAX_MS 300000
#define BREAKER_STABLE_MS    5000

typedef enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN } breaker_state;

typedef struct breaker breaker;

/** All of them; zero-initialised is empty. Owner: the launcher. */
typedef struct breakers {
    breaker *first;
    uint64_t (*random)(void *context); /* NULL = the system's; for tests */
    void *context;
} breakers;

/**
 * Whether a browser of that executable and profile may be started now. In half open the caller that
 * gets TROUPE_OK is the probe and must report how it went, and that it was the probe: while it is
 * under way, only its end counts.
 *
 * @param profile  NULL = a temporary one
 * @param now_ns   monotonic
 * @param probe    stored always
 * @return TROUPE_OK; TROUPE_EUNAVAILABLE: the reason tells what failed last, and when it will be
 *         tried again
 */
troupe_error breaker_ask(breakers *all, const char *executable, const char *profile,
                         uint64_t now_ns, bool *probe, troupe_reason *reason) TROUPE_MUST_USE;

/** It did not come up, or ended too soon. why: one line, copied. */
void breaker_failed(breakers *all, const char *executable, const char *profile, bool probe,
                    uint64_t now_ns, const char *why);
/** It was worth starting: told as soon as that is known, not when it ends. */
void breaker_succeeded(breakers *all, const char *executable, const char *profile, bool probe);
/** A probe that ended without saying anything about the browser: closed meanwhile, or never
 * started. */
void breaker_abandoned(breakers *all, const char *executable, const char *profile);

/** Those that have something to tell: [{executable, profile, state, failures, retry_in_ms,
 * reason}]. New reference. */
json_t *breakers_json(const breakers *all, uint64_t now_ns);

void breakers_fini(breakers *all);

#endif
