/* SPDX-License-Identifier: MIT */
/* Counters of one thread: it alone writes, anyone reads. Summed over the system when asked for. */
#ifndef RUNTIME_TALLY_H
#define RUNTIME_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct tally {
    atomic_uint_fast64_t sent;
    atomic_uint_fast64_t received;
    atomic_uint_fast64_t dead_letters;
    atomic_uint_fast64_t dead_left; /* of these, left in a mailbox */
    atomic_uint_fast64_t shed;
    atomic_uint_fast64_t late_replies;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t messages;
    atomic_uint_fast64_t bytes_sent; /* of envelopes */
    atomic_uint_fast64_t bytes_received;
} tally;

/* One writer, so load and store suffice; relaxed, because nothing is ordered by a counter. */
static inline void tally_add(atomic_uint_fast64_t *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

static inline uint64_t tally_read(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
