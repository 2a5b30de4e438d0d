/* SPDX-License-Identifier: MIT */
/*
 * Who asked for one of the system's streams of events. Joined and left by the subscribers' threads,
 * read by whichever thread has something to report; all atomic, nobody waits.
 */
#ifndef RUNTIME_SUBSCRIBE_H
#define RUNTIME_SUBSCRIBE_H

#include "turn.h"

#include "troupe/observe.h"

typedef struct subscriber {
    atomic_uint_fast64_t address; /* 0 = free */
    atomic_uint_fast64_t missed;  /* events that found no room since the last that did */
} subscriber;

typedef struct subscribers {
    subscriber list[TROUPE_SUBSCRIBERS_MAX];
} subscribers;

/* Twice is once; those who are gone make room. TROUPE_ELIMIT. */
troupe_error subscribers_join(subscribers *all, struct troupe_system *system,
                              troupe_address address);
void subscribers_leave(subscribers *all, troupe_address address);

static inline bool subscribers_any(const subscribers *all)
{
    for (unsigned i = 0; i < TROUPE_SUBSCRIBERS_MAX; i++) {
        if (atomic_load_explicit(&all->list[i].address, memory_order_relaxed) != 0)
            return true;
    }
    return false;
}

/* Write an event's payload, with what this subscriber missed. */
typedef troupe_error (*report_fn)(troupe_buffer *out, const void *what, uint64_t missed);

/* Post the event to all; sent when the turn is flushed. */
void subscribers_post(subscribers *all, turn *t, const char *verb, report_fn fn, const void *what);

/* Post one event of an observer, who must not disturb what the turn's owner does. The errors of
 * troupe_post. */
troupe_error report_post(turn *t, troupe_address to, const char *verb, report_fn fn,
                         const void *what, uint64_t missed);

/* Whether it is an event of that verb, from nobody. */
bool report_is(const troupe_envelope *envelope, const char *verb);

#endif
