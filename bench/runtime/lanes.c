/* SPDX-License-Identifier: MIT */
/*
 * The mechanisms below the envelopes, on both lanes: bundles through a bare mailbox, one small one
 * at a time and full ones, from one, four and sixteen senders; ping-pong of two mailboxes; and how
 * long a sender that was refused waits for the signal `room` once there is room.
 *
 * Unlike the other benchmarks this one looks behind the public headers.
 *
 *   bench_lanes
 */
#include "bench.h"

#include "runtime/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define SENDERS_MAX 16U
#define BOX         1024U /* bundles */
#define SMALL       64U
#define FULL        (64U * 1024U)
#define SMALL_COUNT 200000U
#define FULL_COUNT  20000U
#define ROUND_TRIPS 20000U
#define ROOM_ROUNDS 2000U
#define ROOM_BOX    32U /* envelopes; a box that small is counted exactly */

/* ---- a mailbox without an actor ---- */

static void no_orphan(void *context)
{
    (void)context;
    bench_fail("a bundle arrived where nobody lives");
}

static void open_box(mailbox *box, const lane_kind *kind)
{
    static unsigned number;
    char url[64];
    memset(box, 0, sizeof *box);
    snprintf(url, sizeof url, "inproc://bench-lanes/%u", number++);
    bench_ok(mailbox_init(box, kind, url, no_orphan, NULL), "mailbox");
    atomic_store(&box->envelopes_max, BOX);
    atomic_store(&box->bytes_max, MAILBOX_BYTES_MAX);
    atomic_store(&box->consumed, true);
}

/* All that is there, after sleeping for it if need be, as an actor does. */
static bundle *wait_for_bundles(mailbox *box)
{
    bundle *b;
    while ((b = mailbox_take(box)) == NULL) {
        struct pollfd polled = {.fd = box->eventfd, .events = POLLIN};
        if (mailbox_sleep(box))
            mailbox_awake(box, poll(&polled, 1, -1) > 0);
    }
    return b;
}

static void post_one(mailbox *box, lane_sender *sender, size_t len)
{
    while (!mailbox_credit_take(box, 1, len))
        sched_yield();
    bundle *b = mailbox_bundle_create(box, len);
    bench_expect(b != NULL, "out of memory");
    mailbox_post(box, sender, b);
}

static void done_with(mailbox *box, bundle *b)
{
    mailbox_credit_return(box, 1, b->len);
    mailbox_bundle_done(box, b);
}

/* ---- streams ---- */

typedef struct stream {
    mailbox *box;
    size_t len;
    uint32_t count;
} stream;

static void *send_stream(void *arg)
{
    const stream *s = arg;
    lane_sender *sender;
    bench_ok(s->box->kind->sender_create(&sender), "sender");
    for (uint32_t i = 0; i < s->count; i++)
        post_one(s->box, sender, s->len);
    s->box->kind->sender_destroy(sender);
    return NULL;
}

static void measure_stream(const lane_kind *kind, uint32_t senders, size_t len, uint32_t count)
{
    static mailbox box;
    pthread_t threads[SENDERS_MAX];
    char scenario[32];
    open_box(&box, kind);
    stream s = {&box, len, count / senders};
    double start = bench_now_us();
    for (uint32_t i = 0; i < senders; i++)
        bench_expect(pthread_create(&threads[i], NULL, send_stream, &s) == 0, "thread");
    for (uint32_t received = 0; received < count;) {
        for (bundle *b = wait_for_bundles(&box); b != NULL; received++) {
            bundle *next = b->next;
            bench_expect(b->len == len, "a bundle of another length");
            done_with(&box, b);
            b = next;
        }
    }
    double took = bench_now_us() - start;
    for (uint32_t i = 0; i < senders; i++)
        pthread_join(threads[i], NULL);
    snprintf(scenario, sizeof scenario, "lane %u-1 %s", senders, len == SMALL ? "64 B" : "64 KiB");
    bench_print_rate(scenario, kind->name, count, took);
    mailbox_fini(&box);
}

/* ---- ping-pong ---- */

static mailbox there;
static mailbox back;

static void pass_one(mailbox *from, mailbox *to, lane_sender *sender)
{
    done_with(from, wait_for_bundles(from));
    post_one(to, sender, SMALL);
}

static void *pong(void *arg)
{
    const lane_kind *kind = arg;
    lane_sender *sender;
    bench_ok(kind->sender_create(&sender), "sender");
    for (uint32_t i = 0; i < ROUND_TRIPS; i++)
        pass_one(&there, &back, sender);
    kind->sender_destroy(sender);
    return NULL;
}

static void measure_ping_pong(const lane_kind *kind)
{
    bench_samples samples;
    lane_sender *sender;
    pthread_t thread;
    bench_samples_init(&samples, ROUND_TRIPS);
    open_box(&there, kind);
    open_box(&back, kind);
    bench_ok(kind->sender_create(&sender), "sender");
    bench_expect(pthread_create(&thread, NULL, pong, (void *)(uintptr_t)kind) == 0, "thread");
    double start = bench_now_us();
    for (uint32_t i = 0; i < ROUND_TRIPS; i++) {
        double before = bench_now_us();
        post_one(&there, sender, SMALL);
        done_with(&back, wait_for_bundles(&back));
        bench_sample(&samples, bench_now_us() - before);
    }
    double took = bench_now_us() - start;
    pthread_join(thread, NULL);
    kind->sender_destroy(sender);
    bench_print_times("lane ping-pong", kind->name, &samples, took);
    mailbox_fini(&there);
    mailbox_fini(&back);
    bench_samples_fini(&samples);
}

/* ---- room ---- */

/* What the two share. `refused` and `room_at_us` are handed over by them, the rest is one's own. */
typedef struct crowd {
    atomic_bool refused; /* the sender's box is full: the receiver may go on */
    _Atomic double room_at_us;

    uint32_t handled; /* receiver */

    troupe_address to; /* sender */
    bench_samples samples;
    troupe_caller waits;
} crowd;

static void hold_until_refused(crowd *c)
{
    while (!atomic_exchange(&c->refused, false))
        sched_yield();
}

/* Holds the first envelope until the box is full, which an actor must not do outside benchmarks.
 * The box is half empty when half of it was handled. */
static troupe_error hold_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    crowd *c = state;
    if (e->kind == TROUPE_CALL) {
        bench_reply(self, troupe_caller_of(e), c->handled);
        c->handled = 0;
        return TROUPE_OK;
    }
    if (c->handled++ == 0)
        hold_until_refused(c);
    if (c->handled == ROOM_BOX / 2)
        atomic_store(&c->room_at_us, bench_now_us());
    return TROUPE_OK;
}

static const troupe_behaviour hold_behaviour = {.kind = "hold", .receive = hold_receive};

static void crowd_in(troupe_actor *self, crowd *c)
{
    const troupe_bytes nothing = {NULL, 0};
    troupe_error error;
    uint32_t posted = 0;
    while ((error = troupe_post(self, c->to, TROUPE_CAST, "item", NULL, nothing)) == TROUPE_OK)
        posted++;
    bench_expect(error == TROUPE_EBUSY && posted == ROOM_BOX, "the bound is not exact");
    bench_ok(troupe_await_room(self, c->to), "await room");
    atomic_store(&c->refused, true);
}

static void emptied(troupe_actor *self, void *context, troupe_error error,
                    const troupe_envelope *answer)
{
    crowd *c = context;
    uint64_t handled = 0;
    bench_ok(error, "emptied");
    bench_ok(troupe_unpack(answer->payload, "U", &handled), "emptied");
    bench_expect(handled == ROOM_BOX, "envelopes are missing");
    if (c->samples.count < c->samples.capacity)
        crowd_in(self, c);
    else
        bench_reply(self, c->waits, c->samples.count);
}

static troupe_error crowd_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    const troupe_bytes nothing = {NULL, 0};
    crowd *c = state;
    if (e->kind == TROUPE_CALL) {
        c->waits = troupe_caller_of(e);
        crowd_in(self, c);
        return TROUPE_OK;
    }
    bench_expect(e->kind == TROUPE_SIGNAL && troupe_verb_is(e, "room"), "not `room`");
    bench_sample(&c->samples, bench_now_us() - atomic_load(&c->room_at_us));
    return troupe_call(self, c->to, "emptied", NULL, nothing, BENCH_TIMEOUT_MS, emptied, c, NULL);
}

static const troupe_behaviour crowd_behaviour = {.kind = "crowd", .receive = crowd_receive};

static void measure_room(const lane_kind *kind)
{
    static crowd c;
    const troupe_spawn_options options = {
        .behaviour = &hold_behaviour, .state = &c, .mailbox_envelopes = ROOM_BOX};
    bench_stage stage = bench_open(kind->name, 0);
    c = (crowd){.handled = 0};
    bench_samples_init(&c.samples, ROOM_ROUNDS);
    bench_ok(troupe_spawn(stage.system, &options, &c.to), "hold");
    double start = bench_now_us();
    bench_ask(&stage, bench_spawn(&stage, &crowd_behaviour, &c), "go");
    bench_print_times("lane room", kind->name, &c.samples, bench_now_us() - start);
    bench_close(&stage);
    bench_samples_fini(&c.samples);
}

int main(void)
{
    const lane_kind *kinds[] = {&lane_nng, &lane_ring};
    const uint32_t senders[] = {1, 4, SENDERS_MAX};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 3; i++) {
            measure_stream(kinds[k], senders[i], SMALL, SMALL_COUNT);
            measure_stream(kinds[k], senders[i], FULL, FULL_COUNT);
        }
        measure_ping_pong(kinds[k]);
        measure_room(kinds[k]);
    }
    return 0;
}
