/* SPDX-License-Identifier: MIT */
/**
 * Screenshots of background pages. A page in the background of a Chromium with windows draws no
 * frames, so a screenshot of it may never be taken: such a page is brought to the front first, one
 * at a time. chromium-headless-shell draws them all, and is left alone.
 */
#ifndef TROUPE_ACTORS_BROWSER_CAPTURE_H
#define TROUPE_ACTORS_BROWSER_CAPTURE_H

#include "troupe/actor.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct browser browser;

/** A screenshot that waits for the front. */
typedef struct capture {
    struct capture *prev;
    struct capture *next;
    troupe_caller caller;
    uint64_t deadline_ns;
    uint32_t number;
    size_t session_len;
    size_t params_len;
    char bytes[]; /* session, then params */
} capture;

typedef struct capture_queue {
    capture *waiting;
    size_t count;
    uint32_t last;   /* number given last */
    uint32_t taking; /* number of the one at the front; 0 = none */
    uint64_t timer;  /* until it has been there for too long */
    bool due;        /* the next one's turn has come: at the end of this turn */
} capture_queue;

/**
 * Take a command over if it is a screenshot that needs the front.
 *
 * @return whether it was taken over; then it is answered, or refused, from here
 */
bool capture_take(browser *state, troupe_caller caller, const char *method, size_t method_len,
                  const char *session, size_t session_len, const char *params, size_t params_len,
                  uint64_t deadline_ns);
/** The command of that number has ended, however. */
void capture_ended(browser *state, uint32_t number);
/** Begin with the next one, if its turn has come. */
void capture_turn(browser *state);
/** The connection is lost: whoever waits is told why. */
void capture_end(browser *state, const char *why);
void capture_fini(browser *state);

#endif
