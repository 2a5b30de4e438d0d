/* SPDX-License-Identifier: MIT */
/*
 * The system behind troupe/system.h.
 *
 * `mutex` guards the lists of actors, guests and free slots and the sums of those that are gone;
 * `reaper_mutex` the reaper's work; `links_mutex` makes both halves of a link one. Order: system or
 * links, then a mailbox; a guest, then the call table; else none is held while another lock is
 * taken.
 */
#ifndef RUNTIME_SYSTEM_H
#define RUNTIME_SYSTEM_H

#include "call.h"
#include "clock.h"
#include "deterministic.h"
#include "names.h"
#include "subscribe.h"
#include "turn.h"
#include "watchdog.h"

#include "troupe/log.h"

/* Who waits for an actor to be joined; on its own stack. */
typedef struct joiner {
    struct joiner *next;
    troupe_address address; /* 0: any */
} joiner;

struct troupe_system {
    char name[32];
    const lane_kind *kind;
    deterministic *deterministic; /* NULL: threads and the real clock */
    uint32_t actors_max;
    size_t stack_bytes;
    _Atomic(slot *) *slots;          /* by index, 1 to actors_max */
    struct troupe_system *next_open; /* the process's list of open systems */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* an actor that somebody waits for was joined */
    bool closing;           /* mutex, as all up to `retired` */
    joiner *joiners;
    slot *free_slots;
    uint32_t slots_used;
    struct troupe_actor *actors; /* from spawn until joined */
    struct troupe_guest *guests;
    troupe_system_counters retired; /* of threads that are gone */

    names names;
    call_table calls;
    pthread_mutex_t links_mutex;
    atomic_uint_fast64_t next_ref; /* of monitors and links */
    atomic_uint_fast64_t dead_letters;
    subscribers dead_letter_subscribers;
    watchdog watchdog;

    pthread_t reaper;
    turn reaper_turn; /* reaper's thread */
    tally reaper_tally;
    pthread_mutex_t reaper_mutex;
    pthread_cond_t reaper_work;
    struct troupe_actor *dead; /* reaper_mutex: threads to join */
    slot *orphaned;            /* reaper_mutex: slots with bundles and no actor */
    bool finish;               /* reaper_mutex */
};

/* troupe_system_open with another lane. d: NULL, or taken on TROUPE_OK. */
troupe_error system_open(const troupe_system_options *options, const lane_kind *kind,
                         deterministic *d, struct troupe_system **out);

/* The time that actors, guests and deadlines go by. */
static inline uint64_t system_now_ns(const struct troupe_system *system)
{
    return system->deterministic != NULL ? system->deterministic->now_ns : clock_now_ns();
}

/* The slot of an address; NULL: never used. Not for address 0. */
static inline slot *system_slot(struct troupe_system *system, troupe_address address)
{
    uint32_t index = address_index(address);
    return index == 0 || index > system->actors_max ? NULL : atomic_load(&system->slots[index]);
}

static inline bool system_lives(struct troupe_system *system, troupe_address address)
{
    slot *s = system_slot(system, address);
    return s != NULL && slot_holds(s, address);
}

/* A free slot with a new generation, counted as used. TROUPE_ELIMIT, TROUPE_ECLOSED, TROUPE_ENOMEM.
 */
troupe_error system_slot_take(struct troupe_system *system, slot **out);
void system_slot_give(struct troupe_system *system, slot *s);

/* A condition whose time-outs are monotonic. */
void condition_init(pthread_cond_t *condition);

/* Add a thread's counters to those of the gone. With the mutex held. */
void system_retire_locked(struct troupe_system *system, const tally *t);
/* Take an actor off the list, its counters with those of the gone. With the mutex held. */
void system_delist_locked(struct troupe_system *system, struct troupe_actor *actor);
/* The actor at that address was joined: wake who waits for it. With the mutex held. */
void system_tell_joiners_locked(struct troupe_system *system, troupe_address address);

/* The reaper. */
troupe_error reaper_start(struct troupe_system *system);
/* All actors are joined: deliver and dispose of what is left, then end. */
void reaper_finish(struct troupe_system *system);
/* The actor's thread is about to return. */
void reaper_bury(struct troupe_system *system, struct troupe_actor *actor);
/* In deterministic mode, which has no reaper's thread. */
bool reaper_has_work(struct troupe_system *system);
void reaper_step(struct troupe_system *system);
/* A bundle arrived in a slot where nobody lives. */
void reaper_orphan(void *slot_context);

#endif
