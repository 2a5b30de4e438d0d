/* SPDX-License-Identifier: MIT */
/* The mailbox. The consumer is woken only when it said that it sleeps: one eventfd write a nap. */
#include "mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ONE_ENVELOPE (1ULL << MAILBOX_BYTES_BITS)
#define BYTES_MASK   (ONE_ENVELOPE - 1)
#define SPARE_MIN    4096U         /* smaller ones are cheap to allocate */
#define SPARE_MAX    (64U * 1024U) /* larger ones are seldom */

static void close_eventfd(mailbox *box)
{
    if (box->eventfd >= 0)
        close(box->eventfd);
}

troupe_error mailbox_init(mailbox *box, const lane_kind *kind, const char *url,
                          mailbox_orphan_fn orphan, void *context)
{
    box->kind = kind;
    box->orphan = orphan;
    box->orphan_context = context;
    box->eventfd = kind->wakeless ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->eventfd < 0 && !kind->wakeless)
        return errno == EMFILE || errno == ENFILE ? TROUPE_ELIMIT : TROUPE_ENOMEM;
    pthread_mutex_init(&box->mutex, NULL);
    troupe_error error = kind->open(box, url, &box->lane);
    if (error != TROUPE_OK) {
        pthread_mutex_destroy(&box->mutex);
        close_eventfd(box);
    }
    return error;
}

void mailbox_fini(mailbox *box)
{
    box->kind->close(box->lane);
    mailbox_drop_spare(box);
    for (bundle *b = mailbox_take(box); b != NULL;) {
        bundle *next = b->next;
        box->kind->bundle_destroy(b);
        b = next;
    }
    pthread_mutex_destroy(&box->mutex);
    close_eventfd(box);
}

bool mailbox_credit_take(mailbox *box, uint64_t envelopes, uint64_t bytes)
{
    uint64_t envelopes_max = atomic_load_explicit(&box->envelopes_max, memory_order_relaxed);
    uint64_t bytes_max = atomic_load_explicit(&box->bytes_max, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&box->credit, memory_order_relaxed);
    do {
        bool fits = (used >> MAILBOX_BYTES_BITS) + envelopes <= envelopes_max &&
                    (used & BYTES_MASK) + bytes <= bytes_max;
        if (!fits && (used != 0 || envelopes > 1))
            return false;
    } while (!atomic_compare_exchange_weak(&box->credit, &used,
                                           used + envelopes * ONE_ENVELOPE + bytes));
    return true;
}

void mailbox_refuse(mailbox *box)
{
    atomic_fetch_add_explicit(&box->refused, 1, memory_order_relaxed);
}

void mailbox_credit_return(mailbox *box, uint64_t envelopes, uint64_t bytes)
{
    atomic_fetch_sub(&box->credit, envelopes * ONE_ENVELOPE + bytes);
}

bundle *mailbox_bundle_create(mailbox *box, size_t len)
{
    if (len < SPARE_MIN || len > SPARE_MAX)
        return box->kind->bundle_create(len);
    bundle *b = atomic_exchange(&box->spare, NULL);
    if (b != NULL && b->capacity >= len) {
        b->len = len;
        return b;
    }
    if (b != NULL)
        box->kind->bundle_destroy(b);
    return box->kind->bundle_create(len);
}

void mailbox_bundle_done(mailbox *box, bundle *b)
{
    if (b->capacity >= SPARE_MIN && b->capacity <= SPARE_MAX)
        b = atomic_exchange(&box->spare, b);
    if (b != NULL)
        box->kind->bundle_destroy(b);
}

void mailbox_drop_spare(mailbox *box)
{
    bundle *b = atomic_exchange(&box->spare, NULL);
    if (b != NULL)
        box->kind->bundle_destroy(b);
}

void mailbox_post(mailbox *box, lane_sender *sender, bundle *b)
{
    box->kind->send(box->lane, sender, b);
}

void mailbox_wake(mailbox *box)
{
    const uint64_t one = 1;
    while (write(box->eventfd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* Only a consumer that sleeps needs the eventfd, and only once. */
static bool must_wake(mailbox *box)
{
    return atomic_load(&box->sleeping) && atomic_exchange(&box->sleeping, false);
}

bool mailbox_rouse_locked(mailbox *box)
{
    atomic_store(&box->attention, true);
    return must_wake(box);
}

void mailbox_arrived(mailbox *box, bundle *b, atomic_uint_fast64_t *counter)
{
    bundle *last = atomic_load_explicit(&box->box, memory_order_relaxed);
    do {
        b->next = last;
    } while (!atomic_compare_exchange_weak(&box->box, &last, b));
    if (counter != NULL)
        atomic_fetch_add(counter, 1);
    if (must_wake(box))
        mailbox_wake(box);
    if (!atomic_load(&box->consumed))
        box->orphan(box->orphan_context);
}

bundle *mailbox_take(mailbox *box)
{
    if (atomic_load(&box->box) == NULL)
        return NULL;
    bundle *first = NULL;
    for (bundle *b = atomic_exchange(&box->box, NULL); b != NULL;) {
        bundle *earlier = b->next;
        b->next = first;
        first = b;
        b = earlier;
    }
    return first;
}

bool mailbox_sleep(mailbox *box)
{
    atomic_store(&box->sleeping, true);
    if (atomic_load(&box->box) == NULL && !atomic_load(&box->attention))
        return true;
    atomic_store(&box->sleeping, false);
    return false;
}

void mailbox_awake(mailbox *box, bool woken)
{
    if (woken) {
        uint64_t count;
        while (read(box->eventfd, &count, sizeof count) < 0 && errno == EINTR)
            continue;
    }
    atomic_store(&box->sleeping, false);
}

/* What is under way is looked at first: what is not under way any more is in the box. */
bool mailbox_drained(mailbox *box)
{
    return (box->kind->idle == NULL || box->kind->idle(box->lane)) &&
           atomic_load(&box->box) == NULL;
}

bool mailbox_quiet(mailbox *box)
{
    return atomic_load(&box->credit) == 0 && mailbox_drained(box);
}
