/* SPDX-License-Identifier: MIT */
/* The mailbox. The consumer is woken only when it said that it sleeps: one eventfd write a nap. */
#include "mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ONE_ENVELOPE (1ULL << MAILBOX_BYTES_BITS)
#define BYTES_MASK   (ONE_ENVELOPE - 1)

troupe_error mailbox_init(mailbox *box, const lane_kind *kind, const char *url,
                          mailbox_orphan_fn orphan, void *context)
{
    box->kind = kind;
    box->orphan = orphan;
    box->orphan_context = context;
    box->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->eventfd < 0)
        return errno == EMFILE || errno == ENFILE ? TROUPE_ELIMIT : TROUPE_ENOMEM;
    pthread_mutex_init(&box->mutex, NULL);
    troupe_error error = kind->open(box, url, &box->lane);
    if (error != TROUPE_OK) {
        pthread_mutex_destroy(&box->mutex);
        close(box->eventfd);
    }
    return error;
}

void mailbox_fini(mailbox *box)
{
    box->kind->close(box->lane);
    for (bundle *b = mailbox_take(box); b != NULL;) {
        bundle *next = b->next;
        box->kind->bundle_destroy(b);
        b = next;
    }
    pthread_mutex_destroy(&box->mutex);
    close(box->eventfd);
}

bool mailbox_credit_take(mailbox *box, uint64_t bytes)
{
    uint64_t envelopes_max = atomic_load_explicit(&box->envelopes_max, memory_order_relaxed);
    uint64_t bytes_max = atomic_load_explicit(&box->bytes_max, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&box->credit, memory_order_relaxed);
    do {
        bool fits = (used >> MAILBOX_BYTES_BITS) < envelopes_max &&
                    (used & BYTES_MASK) + bytes <= bytes_max;
        if (used != 0 && !fits) {
            atomic_fetch_add_explicit(&box->refused, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&box->credit, &used, used + ONE_ENVELOPE + bytes));
    return true;
}

void mailbox_credit_return(mailbox *box, uint64_t bytes)
{
    atomic_fetch_sub(&box->credit, ONE_ENVELOPE + bytes);
}

void mailbox_post(mailbox *box, lane_sender *sender, bundle *b)
{
    atomic_fetch_add(&box->sent, 1);
    box->kind->send(box->lane, sender, b);
}

void mailbox_wake(mailbox *box)
{
    const uint64_t one = 1;
    while (write(box->eventfd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* Only a consumer that sleeps needs the eventfd. */
static bool must_wake_locked(mailbox *box)
{
    bool wake = box->sleeping;
    box->sleeping = false;
    return wake;
}

bool mailbox_rouse_locked(mailbox *box)
{
    atomic_store(&box->attention, true);
    return must_wake_locked(box);
}

void mailbox_arrived(mailbox *box, bundle *b)
{
    b->next = NULL;
    pthread_mutex_lock(&box->mutex);
    if (box->head == NULL)
        box->head = b;
    else
        box->tail->next = b;
    box->tail = b;
    box->arrived++;
    bool wake = must_wake_locked(box);
    bool orphan = !box->consumed;
    pthread_mutex_unlock(&box->mutex);
    if (wake)
        mailbox_wake(box);
    if (orphan)
        box->orphan(box->orphan_context);
}

bundle *mailbox_take_locked(mailbox *box)
{
    bundle *list = box->head;
    box->head = NULL;
    box->tail = NULL;
    return list;
}

bundle *mailbox_take(mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    bundle *list = mailbox_take_locked(box);
    pthread_mutex_unlock(&box->mutex);
    return list;
}

bool mailbox_sleep(mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    bool idle = box->head == NULL && !atomic_load(&box->attention);
    box->sleeping = idle;
    pthread_mutex_unlock(&box->mutex);
    return idle;
}

void mailbox_awake(mailbox *box, bool woken)
{
    if (woken) {
        uint64_t count;
        while (read(box->eventfd, &count, sizeof count) < 0 && errno == EINTR)
            continue;
    }
    pthread_mutex_lock(&box->mutex);
    box->sleeping = false;
    pthread_mutex_unlock(&box->mutex);
}

bool mailbox_drained(mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    bool drained = box->head == NULL && atomic_load(&box->sent) == box->arrived;
    pthread_mutex_unlock(&box->mutex);
    return drained;
}

bool mailbox_quiet(mailbox *box)
{
    return atomic_load(&box->credit) == 0 && mailbox_drained(box);
}
