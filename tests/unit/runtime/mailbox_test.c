/* SPDX-License-Identifier: MIT */
/* What every lane must do: these run once on each, which TROUPE_TEST_LANE names. */
#include "runtime/mailbox.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SENDERS  4
#define MESSAGES 5000

static mailbox box;
static _Atomic unsigned orphans;

static void note_orphan(void *context)
{
    (void)context;
    atomic_fetch_add(&orphans, 1);
}

static void box_open(void)
{
    memset(&box, 0, sizeof box);
    const lane_kind *kind = lane_find(getenv("TROUPE_TEST_LANE"));
    cr_assert(kind != NULL);
    cr_assert(mailbox_init(&box, kind, "inproc://troupe/mailbox-test/1", note_orphan, NULL) ==
              TROUPE_OK);
    atomic_store(&box.consumed, true);
    box.envelopes_max = 10;
    box.bytes_max = 1000;
}

/* Wait as a consumer does, until something is there. */
static bundle *box_await(void)
{
    struct pollfd polled = {.fd = box.eventfd, .events = POLLIN};
    for (;;) {
        bundle *b = mailbox_take(&box);
        if (b != NULL)
            return b;
        if (!mailbox_sleep(&box))
            continue;
        cr_assert(poll(&polled, 1, 20000) == 1, "no wake-up came");
        mailbox_awake(&box, true);
    }
}

typedef struct message {
    unsigned sender;
    unsigned number;
} message;

static bundle *message_create(unsigned sender, unsigned number)
{
    message m = {sender, number};
    bundle *b = box.kind->bundle_create(sizeof m);
    cr_assert(b != NULL && b->len == sizeof m);
    memcpy(b->data, &m, sizeof m);
    return b;
}

static void *send_all(void *arg)
{
    lane_sender *sender;
    unsigned id = *(unsigned *)arg;
    if (box.kind->sender_create(&sender) != TROUPE_OK)
        return NULL;
    for (unsigned i = 0; i < MESSAGES; i++)
        mailbox_post(&box, sender, message_create(id, i));
    box.kind->sender_destroy(sender);
    return NULL;
}

Test(mailbox, keeps_each_senders_order_and_loses_nothing)
{
    pthread_t threads[SENDERS];
    unsigned ids[SENDERS];
    unsigned next[SENDERS] = {0};
    box_open();
    for (unsigned i = 0; i < SENDERS; i++) {
        ids[i] = i;
        pthread_create(&threads[i], NULL, send_all, &ids[i]);
    }
    for (unsigned received = 0; received < SENDERS * MESSAGES;) {
        for (bundle *b = box_await(); b != NULL; received++) {
            message m;
            memcpy(&m, b->data, sizeof m);
            cr_assert(m.number == next[m.sender]++);
            bundle *following = b->next;
            box.kind->bundle_destroy(b);
            b = following;
        }
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    cr_assert(mailbox_drained(&box) && mailbox_quiet(&box));
    mailbox_fini(&box);
}

Test(mailbox, credit_is_granted_up_to_the_bounds)
{
    box_open();
    for (int i = 0; i < 10; i++)
        cr_assert(mailbox_credit_take(&box, 1, 50));
    cr_assert(!mailbox_credit_take(&box, 1, 50)); /* envelopes */
    cr_assert(mailbox_depth(&box) == 10 && mailbox_depth_bytes(&box) == 500);
    for (int i = 0; i < 9; i++)
        mailbox_credit_return(&box, 1, 50);
    cr_assert(mailbox_credit_take(&box, 1, 950));
    cr_assert(!mailbox_credit_take(&box, 1, 1)); /* bytes */
    mailbox_credit_return(&box, 1, 950);
    mailbox_credit_return(&box, 1, 50);
    cr_assert(mailbox_credit_take(&box, 1, 100000)); /* any size, when it is empty */
    cr_assert(!mailbox_credit_take(&box, 1, 1));
    cr_assert(!mailbox_quiet(&box));
    mailbox_credit_return(&box, 1, 100000);
    cr_assert(mailbox_quiet(&box));
    mailbox_fini(&box);
}

Test(mailbox, what_arrives_without_a_consumer_is_told)
{
    lane_sender *sender;
    box_open();
    box.consumed = false;
    cr_assert(box.kind->sender_create(&sender) == TROUPE_OK);
    mailbox_post(&box, sender, message_create(0, 0));
    bundle *b = box_await();
    box.kind->bundle_destroy(b);
    box.kind->sender_destroy(sender);
    mailbox_fini(&box); /* waits for the lane's threads */
    cr_assert(orphans == 1);
}

static void box_drop(bundle *b)
{
    while (b != NULL) {
        bundle *next = b->next;
        box.kind->bundle_destroy(b);
        b = next;
    }
}

Test(mailbox, large_bundles_arrive_whole)
{
    lane_sender *sender;
    const size_t len = 3U << 20;
    box_open();
    cr_assert(box.kind->sender_create(&sender) == TROUPE_OK);
    bundle *sent = box.kind->bundle_create(len);
    for (size_t i = 0; i < len; i++)
        sent->data[i] = (uint8_t)(i * 31 + i / 997);
    mailbox_post(&box, sender, sent);
    bundle *b = box_await();
    cr_assert(b->len == len);
    for (size_t i = 0; i < len; i++)
        cr_assert(b->data[i] == (uint8_t)(i * 31 + i / 997));
    box_drop(b);
    box.kind->sender_destroy(sender);
    mailbox_fini(&box);
}

Test(mailbox, rouse_wakes_a_sleeper_once)
{
    struct pollfd polled = {.events = POLLIN};
    box_open();
    polled.fd = box.eventfd;
    cr_assert(mailbox_sleep(&box));
    pthread_mutex_lock(&box.mutex);
    cr_assert(mailbox_rouse_locked(&box));
    cr_assert(!mailbox_rouse_locked(&box));
    pthread_mutex_unlock(&box.mutex);
    mailbox_wake(&box);
    cr_assert(poll(&polled, 1, 0) == 1);
    mailbox_awake(&box, true);
    cr_assert(poll(&polled, 1, 0) == 0);
    cr_assert(!mailbox_sleep(&box)); /* attention is still asked for */
    mailbox_fini(&box);
}

/* ---- the edge of sleep ---- */

#define EDGE_ROUNDS 300000U
#define EDGE_S      1 /* fewer rounds, where two threads seldom run at once */

static _Atomic unsigned edge_taken;
static _Atomic bool edge_over;

static void waver(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    for (volatile unsigned wait = *random % 256; wait > 0; wait--)
        continue;
}

/* A consumer that goes to sleep whenever it can, and then looks at nothing but its eventfd. */
static void *nap_and_take(void *arg)
{
    struct pollfd polled = {.fd = box.eventfd, .events = POLLIN};
    uint32_t random = 2463534242U;
    (void)arg;
    while (!atomic_load(&edge_over)) {
        bundle *b = mailbox_take(&box);
        if (b != NULL) {
            box_drop(b);
            atomic_fetch_add(&edge_taken, 1);
            waver(&random);
        } else if (mailbox_sleep(&box)) {
            while (poll(&polled, 1, 0) == 0 && !atomic_load(&edge_over))
                continue;
            mailbox_awake(&box, !atomic_load(&edge_over));
        }
    }
    return NULL;
}

/* It is taken: the consumer is about to sleep. False: it never was. */
static bool edge_await(unsigned count)
{
    time_t start = time(NULL);
    for (unsigned i = 1; atomic_load(&edge_taken) != count; i++) {
        if (i % 1000 == 0)
            sched_yield();
        if (i % 1000000 == 0 && time(NULL) - start > 20)
            return false;
    }
    return true;
}

Test(mailbox, what_arrives_at_the_edge_of_sleep_wakes)
{
    pthread_t consumer;
    uint32_t random = 123456789U;
    time_t start = time(NULL);
    bool woken = true;
    box_open();
    cr_assert(pthread_create(&consumer, NULL, nap_and_take, NULL) == 0);
    for (unsigned i = 0; i < EDGE_ROUNDS && woken && time(NULL) - start <= EDGE_S; i++) {
        bundle *next = message_create(0, i);
        woken = edge_await(i);
        waver(&random);
        mailbox_arrived(&box, next, NULL);
    }
    atomic_store(&edge_over, true);
    pthread_join(consumer, NULL);
    cr_assert(woken, "it slept on after %u", edge_taken);
    mailbox_fini(&box);
}
