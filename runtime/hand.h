/* SPDX-License-Identifier: MIT */
/*
 * What an actor shows of what it is doing, for inspect and for the watchdog. Written by the actor,
 * read by anyone: relaxed, because a reader who cares looks twice.
 */
#ifndef RUNTIME_HAND_H
#define RUNTIME_HAND_H

#include "actor.h"
#include "system.h"

/* A callback begins; text: the verb of an envelope, or the callback's name in brackets. */
static inline void hand_take(troupe_actor *self, const char *text, size_t len)
{
    in_hand *hand = &self->in_hand;
    uint64_t words[ACTOR_VERB_WORDS] = {0};
    len = len < sizeof words ? len : sizeof words - 1;
    memcpy(words, text, len);
    for (size_t i = 0; i <= len / sizeof words[0]; i++)
        atomic_store_explicit(&hand->verb[i], words[i], memory_order_relaxed);
    tally_add(&hand->callback, 1);
    atomic_store_explicit(&hand->since_ns, self->now_ns, memory_order_relaxed);
}

static inline void hand_take_callback(troupe_actor *self, const char *name)
{
    hand_take(self, name, strlen(name));
}

/* No callback is running. */
static inline void hand_idle(troupe_actor *self)
{
    atomic_store_explicit(&self->in_hand.since_ns, 0, memory_order_relaxed);
}

/* About to wait. */
static inline void hand_asleep(troupe_actor *self)
{
    hand_idle(self);
    atomic_store_explicit(&self->in_hand.awake, false, memory_order_release);
}

/* The wait is over. The partner of `awake` is the watchdog's `watching`. */
static inline void hand_awake(troupe_actor *self)
{
    atomic_store(&self->in_hand.awake, true);
    if (!atomic_load(&self->system->watchdog.watching))
        watchdog_arm(self->system);
}

/* What is in hand: the verb, NUL-terminated (ACTOR_VERB_WORDS * 8 bytes), and which callback this
 * is. Returns since when; 0: nothing. */
uint64_t hand_read(const troupe_actor *actor, char *verb, uint64_t *callback);

#endif
