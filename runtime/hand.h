/* SPDX-License-Identifier: MIT */
/*
 * What an actor shows of what it does, for inspect and for the watchdog. Written by the actor,
 * read by anyone. The callback is counted before its verb is written, word by word: who has read a
 * word of it finds it counted, and looks again (hand_read).
 */
#ifndef RUNTIME_HAND_H
#define RUNTIME_HAND_H

#include "actor.h"
#include "system.h"

#define CLOCK_EVERY  8     /* envelopes, while they are fast */
#define HAND_FAST_NS 2000U /* below, a look at the clock for each would be a burden */

/* What was gathered took so long altogether. */
void hand_account(handling *h, uint64_t ns);
void hand_describe(const troupe_actor *actor, troupe_actor_info *out);

/* A callback begins; text: the verb of an envelope, or the callback's name in brackets. Most often
 * it is shown already. */
static inline void hand_take(troupe_actor *self, const char *text, size_t len)
{
    in_hand *hand = &self->in_hand;
    tally_add(&hand->callback, 1);
    len = len < sizeof hand->text ? len : sizeof hand->text - 1;
    if (len != hand->len || memcmp(hand->text, text, len) != 0) {
        memset(hand->text, 0, sizeof hand->text);
        memcpy(hand->text, text, len);
        hand->len = len;
        for (size_t i = 0; i < ACTOR_VERB_WORDS; i++) {
            uint64_t word;
            memcpy(&word, hand->text + i * sizeof word, sizeof word);
            atomic_store_explicit(&hand->verb[i], word, memory_order_release);
        }
    }
    atomic_store_explicit(&hand->since_ns, self->now_ns, memory_order_relaxed);
}

static inline void hand_take_callback(troupe_actor *self, const char *name)
{
    hand_take(self, name, strlen(name));
}

/* The clock is read: what was handled since the last time took that long. */
static inline void hand_clock(troupe_actor *self)
{
    handling *h = &self->handling;
    uint64_t now = system_now_ns(self->system);
    if (h->gathered > 0)
        hand_account(h, now - h->since_ns);
    h->since_ns = now;
    self->now_ns = now;
}

/* An envelope was handled; `hand_clock` measures it, alone or with a few more. */
static inline void hand_handled(troupe_actor *self)
{
    self->handling.gathered++;
}

/* Whether handling is so slow that each envelope is worth a look at the clock. */
static inline bool hand_is_slow(const troupe_actor *self)
{
    return self->handling.fast < CLOCK_EVERY;
}

/* A callback that is measured alone has returned. */
static inline void hand_done(troupe_actor *self)
{
    hand_handled(self);
    hand_clock(self);
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
 * is. Returns since when; 0: nothing. Of an actor that takes up one callback after the other the
 * verb may be a later one's; of one that stays in it, it is the callback's own. */
uint64_t hand_read(const troupe_actor *actor, char *verb, uint64_t *callback);

#endif
