/* SPDX-License-Identifier: MIT */
/*
 * A mailbox: the box of bundles that arrived, the control lane beside it, the credit that bounds
 * both what is in the box and what is under way to it, and the one eventfd that wakes the consumer.
 *
 * A mailbox belongs to a slot for the system's whole life. The box is a stack that any thread
 * pushes to without a lock and that only its consumer (or, while nobody lives there, the reaper)
 * empties, all at once: nothing is ever popped singly, so there is no ABA. `mutex` guards the
 * control lane; it is never held while another lock is taken, nor across I/O. `credit` is one
 * atomic word, so that a post is granted or refused at once.
 *
 * Two pairs of sequentially consistent accesses make sure that nothing is overlooked:
 *   push, then read `sleeping` and `consumed`   |   set `sleeping`, then look into the box
 *                                               |   clear `consumed`, then empty the box
 */
#ifndef RUNTIME_MAILBOX_H
#define RUNTIME_MAILBOX_H

#include "lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct control_signal;

#define MAILBOX_BYTES_BITS 40 /* credit = envelopes << 40 | bytes */
#define MAILBOX_BYTES_MAX  (1ULL << (MAILBOX_BYTES_BITS - 1))
#define MAILBOX_COUNT_MAX  (1U << 20)
#define MAILBOX_LINE       64 /* what different threads write stands in different cache lines */

/* Whom to tell of a bundle that arrives while nobody consumes. */
typedef void (*mailbox_orphan_fn)(void *context);

typedef struct mailbox {
    _Alignas(MAILBOX_LINE) _Atomic(bundle *) box; /* the last that arrived first */
    _Atomic(bundle *) spare;                      /* one to be used again, or NULL */

    _Alignas(MAILBOX_LINE) atomic_uint_fast64_t credit; /* in use */
    atomic_uint_fast64_t refused;

    /* Written seldom. */
    _Alignas(MAILBOX_LINE) atomic_bool sleeping; /* the consumer waits for the eventfd */
    atomic_bool attention; /* something for the consumer besides data; a hint */
    atomic_bool consumed;  /* mutex for writing: somebody takes from it */
    atomic_uint_fast32_t
        envelopes_max; /* change with the consumer; a late poster may read old ones */
    atomic_uint_fast64_t bytes_max;
    int eventfd;
    const lane_kind *kind;
    lane *lane;
    mailbox_orphan_fn orphan;
    void *orphan_context;

    pthread_mutex_t mutex;
    struct control_signal
        *signals; /* mutex; the control lane: nodes that exist already, so it never fails */
    struct control_signal *signals_tail;
} mailbox;

troupe_error mailbox_init(mailbox *box, const lane_kind *kind, const char *url,
                          mailbox_orphan_fn orphan, void *context);
/* After every sender is gone and the lane has delivered all. */
void mailbox_fini(mailbox *box);

/* Take the credit of that many envelopes, which are that many bytes together; false: no room, and
 * nothing was taken. An envelope of any size fits into an empty box. */
bool mailbox_credit_take(mailbox *box, uint64_t envelopes, uint64_t bytes);
/* Note that somebody was refused. */
void mailbox_refuse(mailbox *box);
/* Give it back. */
void mailbox_credit_return(mailbox *box, uint64_t envelopes, uint64_t bytes);
static inline uint32_t mailbox_depth(const mailbox *box)
{
    return (uint32_t)(atomic_load(&box->credit) >> MAILBOX_BYTES_BITS);
}
static inline uint64_t mailbox_depth_bytes(const mailbox *box)
{
    return atomic_load(&box->credit) & ((1ULL << MAILBOX_BYTES_BITS) - 1);
}

/* A bundle to be posted here; NULL: out of memory. */
bundle *mailbox_bundle_create(mailbox *box, size_t len);
/* Its consumer has read it. Takes it; a large one is kept for the next sender: else each would be
 * allocated by one thread and freed by another, which costs more than what is in it. */
void mailbox_bundle_done(mailbox *box, bundle *b);
/* Whether one is kept, and letting it go: before a long sleep. */
static inline bool mailbox_keeps_spare(const mailbox *box)
{
    return atomic_load_explicit(&box->spare, memory_order_relaxed) != NULL;
}
void mailbox_drop_spare(mailbox *box);

/* Hand a bundle to the lane. Takes it. */
void mailbox_post(mailbox *box, lane_sender *sender, bundle *b);
/* The lane's side: the bundle is here. Takes it. Any thread. counter: of the lane, raised when the
 * bundle is in the box and before anybody is woken; NULL: none. */
void mailbox_arrived(mailbox *box, bundle *b, atomic_uint_fast64_t *counter);

/* All that arrived, in order; NULL if there is nothing. */
bundle *mailbox_take(mailbox *box);

/* Make the consumer look up: with the mutex held; true: call mailbox_wake after unlocking. */
bool mailbox_rouse_locked(mailbox *box);
void mailbox_wake(mailbox *box);

/* The consumer is about to sleep: false if there is something to do instead. */
bool mailbox_sleep(mailbox *box);
/* The consumer is awake again. woken: the eventfd was readable. */
void mailbox_awake(mailbox *box, bool woken);

/* Nothing in the box, nothing under way, nothing accepted and not yet sent. */
bool mailbox_quiet(mailbox *box);
/* Nothing in the box or under way, as far as senders have sent. */
bool mailbox_drained(mailbox *box);

#endif
