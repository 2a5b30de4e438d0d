/* SPDX-License-Identifier: MIT */
/*
 * The actor behind troupe/actor.h. All fields belong to its thread, but those that say otherwise.
 *
 * Life: spawned -> start -> running (-> draining) -> stop -> buried by its own thread -> joined and
 * freed by the reaper.
 */
#ifndef RUNTIME_ACTOR_H
#define RUNTIME_ACTOR_H

#include "call.h"
#include "map.h"
#include "names.h"
#include "turn.h"
#include "watchdog.h"

#include <poll.h>

#define ACTOR_VERB_WORDS 8

/* A watched descriptor; its pollfd has the same index, behind the two of the actor itself. */
typedef struct watch {
    troupe_watch_fn fn; /* NULL: unwatched during a round, removed behind it */
    void *context;
    int fd;
    short events;
} watch;

typedef struct watches {
    struct pollfd *polled; /* 0: eventfd, 1: timerfd, then the watched */
    watch *items;
    size_t count; /* of items */
    size_t capacity;
    bool dispatching;
    bool gaps; /* some fn is NULL */
} watches;

/* What inspect and the watchdog see of the callback that runs (hand.h); written by the actor, read
 * by anyone. */
typedef struct in_hand {
    atomic_bool awake;             /* not waiting for something to do */
    atomic_uint_fast64_t callback; /* how many there were, this one included */
    atomic_uint_fast64_t since_ns; /* 0 = idle */
    atomic_uint_fast64_t verb[ACTOR_VERB_WORDS];
    char text[ACTOR_VERB_WORDS * 8]; /* the same, for the actor to compare */
    size_t len;
} in_hand;

/* Time spent in callbacks: counters as of tally.h, and what the actor needs to keep them. */
typedef struct handling {
    atomic_uint_fast64_t count;
    atomic_uint_fast64_t total_ns;
    atomic_uint_fast64_t longest_ns;
    atomic_uint_fast64_t buckets[TROUPE_HANDLER_BUCKETS];
    uint64_t since_ns; /* when the clock was last read */
    unsigned gathered; /* handled since */
    unsigned fast;     /* in a row */
} handling;

struct troupe_actor {
    struct troupe_system *system;
    slot *slot;
    troupe_address address;
    const troupe_behaviour *behaviour;
    void *state;
    troupe_address parent; /* fixed: who monitors it since it was spawned */
    pthread_t thread;
    uint64_t spawned_ns;
    atomic_long thread_id;
    char name[NAME_MAX_LEN + 1]; /* system's mutex for writing, and for reading by others */
    bool named;

    struct troupe_actor *next; /* system's mutex; the list of all */
    struct troupe_actor *prev;
    struct troupe_actor *next_dead; /* reaper's mutex */

    tally tally;
    turn turn;
    in_hand in_hand;
    handling handling;
    watched watched;   /* the watchdog's */
    uint32_t restarts; /* fixed */
    atomic_uint depth_peak;
    atomic_uint calls_open;

    bundle *inbox; /* taken, not handled; the first from `offset` on */
    size_t offset;
    uint32_t spent; /* envelopes handled whose credit has not gone back yet */
    uint64_t spent_bytes;
    uint64_t now_ns;

    stop_level stop_seen;
    bool started; /* `start` was called */
    bool buried;  /* deterministic mode: waits to be joined */
    bool draining;
    bool ending;
    troupe_error reason;
    struct control_signal *start_signal; /* `started`; NULL: not asked for, or delivered */

    timers timers; /* users' timers and the deadlines of calls */
    map user_timers;
    uint64_t next_timer;
    uint64_t armed_ns; /* what the timerfd is set to; 0 = not */

    watches watches;

    map open_calls;  /* received, unanswered: ref -> from */
    size_t sweep_at; /* so many open calls, and those that have ended are dropped */
    call_list calls; /* made, not completed */
    call_cache cache;
    call *ended; /* ended here, continuation still to run */
    call *ended_tail;

    bool traps_links;
    map monitors;                       /* ref -> control_signal */
    map wishes;                         /* address -> control_signal */
    struct control_signal *held_wishes; /* until there are fewer calls pending */
    name_entry *names;
    troupe_buffer payload; /* of signals */
};

/* The thread of an actor: its whole life after troupe_spawn. */
void *actor_main(void *self);
/* Its last steps (life.c): from `stop` to the last `down`. */
void actor_end(troupe_actor *self);

/* Deterministic mode: whether a turn would do anything now, and one turn. */
bool actor_ready(const troupe_actor *self);
void actor_step(troupe_actor *self);

/* So many events were dropped for slow subscribers before any mailbox: counted as sent and shed. */
void actor_shed(troupe_actor *self, uint64_t count);

/* Run the continuation of a completed call and forget it. */
void actor_complete(troupe_actor *self, call *c, troupe_error error, const troupe_envelope *answer);
/* Continuations of the calls that ended here (deadline, cancelled). */
void actor_complete_ended(troupe_actor *self);
/* End a call here, if its answer is not on its way. */
void actor_end_call(troupe_actor *self, call *c, troupe_error error);

/* Timers (alarm.c). */
void alarm_run(troupe_actor *self);
void alarm_clear(troupe_actor *self);

/* Descriptors and the wait (watch.c). */
troupe_error watch_init(troupe_actor *self);
void watch_fini(troupe_actor *self);
/* Wait until there is something to do, and call the watchers of ready descriptors. */
void watch_wait(troupe_actor *self);
/* The same without waiting; for an actor that is busy. */
void watch_check(troupe_actor *self);

/* Monitors and wishes (monitor.c). */
void monitor_clear(troupe_actor *self);
/* Fewer calls are pending: wishes that waited for that are asked now. */
void monitor_release_wishes(troupe_actor *self);
/* A signal came: true if it is to be shown to the actor. */
bool monitor_settle(troupe_actor *self, control_signal *sig);

/* Links (link.c). `make` also by whoever spawns self, before its thread runs. */
troupe_error link_make(troupe_actor *self, troupe_address other);
void link_break(troupe_actor *self, troupe_address other);
/* A linked actor ended: end as well, or true if it is to be shown instead. */
bool link_settle(troupe_actor *self, const control_signal *sig);

#endif
