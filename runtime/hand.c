/* SPDX-License-Identifier: MIT */
/* What an actor does, as others see it: the callback in hand, and the histogram of the past. */
#include "hand.h"

/* The bucket of a time: bucket i ends with 4^i microseconds. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned bucket = 0;
    for (uint64_t us = ns > 0 ? (ns - 1) / 1000 : 0; us > 0 && bucket < TROUPE_HANDLER_BUCKETS - 1;
         us >>= 2)
        bucket++;
    return bucket;
}

static void add(handling *h, uint64_t ns, uint64_t count)
{
    tally_add(&h->buckets[bucket_of(ns)], count);
    if (ns > tally_read(&h->longest_ns))
        atomic_store_explicit(&h->longest_ns, ns, memory_order_relaxed);
}

/* A group that took long, after fast ones, most likely holds one slow among fast. */
void hand_account(handling *h, uint64_t ns)
{
    unsigned count = h->gathered;
    h->gathered = 0;
    tally_add(&h->count, count);
    tally_add(&h->total_ns, ns);
    if (ns <= count * HAND_FAST_NS) {
        add(h, count == 1 ? ns : ns / count, count);
        h->fast = h->fast < CLOCK_EVERY ? h->fast + count : h->fast;
    } else {
        add(h, ns, 1);
        if (count > 1)
            add(h, 0, count - 1);
        h->fast = 0;
    }
}

void hand_describe(const troupe_actor *actor, troupe_actor_info *out)
{
    const handling *h = &actor->handling;
    out->handled = tally_read(&h->count);
    out->handled_ns = tally_read(&h->total_ns);
    out->handled_longest_ns = tally_read(&h->longest_ns);
    for (unsigned i = 0; i < TROUPE_HANDLER_BUCKETS; i++)
        out->handled_times[i] = tally_read(&h->buckets[i]);
}

/* False: another callback began meanwhile, so the verb may be its. */
static bool read_once(const in_hand *hand, uint64_t words[ACTOR_VERB_WORDS], uint64_t *callback,
                      uint64_t *since_ns)
{
    *since_ns = atomic_load_explicit(&hand->since_ns, memory_order_relaxed);
    *callback = tally_read(&hand->callback);
    for (size_t i = 0; i < ACTOR_VERB_WORDS; i++)
        words[i] = atomic_load_explicit(&hand->verb[i], memory_order_acquire);
    return tally_read(&hand->callback) == *callback;
}

/* The second look of an actor that moves on tells at least that it does. */
uint64_t hand_read(const troupe_actor *actor, char *verb, uint64_t *callback)
{
    uint64_t words[ACTOR_VERB_WORDS];
    uint64_t since;
    if (!read_once(&actor->in_hand, words, callback, &since))
        (void)read_once(&actor->in_hand, words, callback, &since);
    memcpy(verb, words, sizeof words);
    verb[sizeof words - 1] = '\0';
    return since;
}
