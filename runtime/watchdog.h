/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: reports actors that stay in one callback for long.
 *
 * A thread of its own looks at all actors, four times in each `stuck_ms`, and only while some actor
 * is awake. `watching` says that it does. No actor escapes it: who wakes up says so and then looks
 * at `watching`; the watchdog clears `watching` and then looks who is awake, before it sleeps; both
 * in the one order of sequentially consistent atomics.
 */
#ifndef RUNTIME_WATCHDOG_H
#define RUNTIME_WATCHDOG_H

#include "subscribe.h"

#include <pthread.h>

struct stuck;

/* What the watchdog knows of an actor; its thread's. */
typedef struct watched {
    uint64_t callback;   /* the one it was seen in */
    uint64_t since_ns;   /* first seen in it; 0 = in none */
    uint64_t due_ns;     /* when to report it */
    struct stuck *stuck; /* once reported */
} watched;

typedef struct watchdog {
    atomic_bool watching; /* true for ever if there is no watchdog */
    uint64_t stuck_ns;    /* fixed; 0 = no watchdog */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool finish; /* mutex */
    subscribers subscribers;
    tally tally;
    turn turn; /* its thread's, as the rest */
    struct stuck *reported;
} watchdog;

/* stuck_ns 0: none. TROUPE_ELIMIT, TROUPE_ENOMEM. */
troupe_error watchdog_start(struct troupe_system *system, uint64_t stuck_ns);
/* After all actors are joined. */
void watchdog_stop(struct troupe_system *system);

/* Somebody woke up while nobody watched. Any thread. */
void watchdog_arm(struct troupe_system *system);

#endif
