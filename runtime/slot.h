/* SPDX-License-Identifier: MIT */
/*
 * A slot: where actors live, one after the other. Owns the mailbox, which outlives them all.
 *
 * An address is generation << 16 | index. `address` and `stop` change under the mailbox's mutex and
 * may be read without it. `open` is set and cleared with `address`, and before that by the actor
 * alone, without the mutex, when it begins to drain.
 */
#ifndef RUNTIME_SLOT_H
#define RUNTIME_SLOT_H

#include "mailbox.h"

#include "troupe/envelope.h"

#define SLOT_INDEX_BITS     16
#define SLOT_INDEX_MAX      65535U
#define SLOT_GENERATION_MAX ((1ULL << (53 - SLOT_INDEX_BITS)) - 1)

typedef enum stop_level {
    STOP_NONE,
    STOP_LEVEL_DRAIN,
    STOP_LEVEL_NOW,
    STOP_LEVEL_FORCE, /* whatever `closing` said */
} stop_level;

typedef struct slot {
    mailbox box;
    struct troupe_system *system;
    uint32_t index;
    bool opened;                       /* the mailbox exists */
    uint64_t generation;               /* of whoever has taken it off the free list */
    atomic_uint_fast64_t address;      /* of the actor that lives here; 0 = nobody */
    atomic_uint_fast64_t open;         /* the same while it accepts posts, else 0 */
    atomic_int stop;                   /* stop_level asked for */
    struct control_signal *watchers;   /* box.mutex: who waits for its end or for room */
    atomic_uint wishes;                /* those that wait for room */
    atomic_uint_fast64_t dead_letters; /* of what its actor posted */
    atomic_uint_fast64_t tap;          /* who gets copies of its envelopes; 0 = nobody */
    int timerfd;                       /* -1 until needed; used by the actor's thread */
    struct slot *next_free;            /* system's mutex */
    struct slot *next_orphaned;        /* reaper's mutex */
    bool orphaned;                     /* reaper's mutex: queued for the reaper */
} slot;

static inline uint32_t address_index(troupe_address address)
{
    return (uint32_t)(address & SLOT_INDEX_MAX);
}

static inline bool slot_holds(const slot *s, troupe_address address)
{
    return address != 0 && atomic_load(&s->address) == address;
}

/* Ask the actor at that address to stop. TROUPE_EGONE if it is not there. */
troupe_error slot_stop(slot *s, troupe_address address, stop_level level);

#endif
