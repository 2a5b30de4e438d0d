/* SPDX-License-Identifier: MIT */
/* What is counted for each actor: bytes, the time it takes, its lives; and what was shed. */
#include "stage.h"

#include "runtime/hand.h"

typedef struct wanted {
    troupe_address address;
    troupe_actor_info info;
} wanted;

static void note_info(void *context, const troupe_actor_info *info)
{
    wanted *w = context;
    if (info->address == w->address)
        w->info = *info;
}

static troupe_actor_info info_of(troupe_address address)
{
    wanted w = {.address = address};
    troupe_system_inspect(stage, note_info, &w);
    cr_assert(w.info.address == address);
    return w.info;
}

static uint64_t histogram_sum(const uint64_t *buckets)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < TROUPE_HANDLER_BUCKETS; i++)
        sum += buckets[i];
    return sum;
}

/* ---- bytes ---- */

static troupe_error play_relay(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (p->peer != 0)
        cr_assert(troupe_post(self, p->peer, TROUPE_CAST, "relayed", NULL, e->payload) ==
                  TROUPE_OK);
    else
        gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(metrics, bytes_are_those_of_the_envelopes)
{
    enum { SIZE = 100000 };
    stage_open();
    part relay = PART_INIT(.receive = play_relay);
    part sink = PART_INIT(.receive = play_relay);
    relay.peer = enter(&sink);
    troupe_address relay_address = enter(&relay);
    troupe_buffer b = {0};
    void *bytes = calloc(1, SIZE);
    cr_assert(troupe_pack(&b, "x#", bytes, (size_t)SIZE) == TROUPE_OK);
    troupe_envelope in = {.kind = TROUPE_CAST,
                          .to = relay_address,
                          .verb = "in",
                          .verb_len = 2,
                          .payload = troupe_buffer_bytes(&b)};
    troupe_envelope out = in;
    out.to = relay.peer;
    out.from = relay_address;
    out.verb = "relayed";
    out.verb_len = 7;
    troupe_buffer encoded_in = {0};
    troupe_buffer encoded_out = {0};
    cr_assert(troupe_envelope_write(&encoded_in, &in) == TROUPE_OK);
    cr_assert(troupe_envelope_write(&encoded_out, &out) == TROUPE_OK);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(troupe_guest_post(guest, relay_address, TROUPE_CAST, "in", NULL, in.payload) ==
                  TROUPE_OK);
    gate_await(&sink.arrived, 3);
    troupe_actor_info relay_info = info_of(relay_address);
    cr_assert(relay_info.bytes_received == 3 * encoded_in.len);
    cr_assert(relay_info.bytes_sent == 3 * encoded_out.len);
    cr_assert(info_of(relay.peer).bytes_received == 3 * encoded_out.len);
    cr_assert(info_of(relay.peer).bytes_sent == 0);
    free(bytes);
    troupe_buffer_fini(&b);
    troupe_buffer_fini(&encoded_in);
    troupe_buffer_fini(&encoded_out);
    leave(relay_address);
    leave(relay.peer);
    stage_close();
}

Test(metrics, answers_count_as_bytes)
{
    stage_open();
    part echo = PART_INIT(.receive = play_echo);
    troupe_address address = enter(&echo);
    cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
    troupe_buffer b = {0};
    troupe_answer answer;
    cr_assert(troupe_pack(&b, "x#", "0123456789", (size_t)10) == TROUPE_OK);
    cr_assert(troupe_guest_call(guest, address, "x", NULL, troupe_buffer_bytes(&b), LONG_MS,
                                &answer) == TROUPE_OK);
    troupe_answer_fini(&answer);
    cr_assert(info_of(address).bytes_sent == 1 + b.len); /* nil, and ours */
    troupe_buffer_fini(&b);
    leave(address);
    stage_close();
}

/* ---- the histogram ---- */

static handling accounted(void)
{
    return (handling){.fast = CLOCK_EVERY};
}

static void account(handling *h, unsigned count, uint64_t ns)
{
    h->gathered = count;
    hand_account(h, ns);
}

Test(metrics, buckets_end_with_powers_of_four_microseconds)
{
    static const struct {
        uint64_t ns;
        unsigned bucket;
    } cases[] = {
        {0, 0},       {1000, 0},        {1001, 1},        {4000, 1},
        {4001, 2},    {16000, 2},       {16001, 3},       {1024000, 5},
        {1024001, 6}, {4194304000, 11}, {4194304001, 12}, {UINT64_MAX / 2, 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        handling h = accounted();
        account(&h, 1, cases[i].ns);
        cr_assert(h.buckets[cases[i].bucket] == 1, "%llu ns", (unsigned long long)cases[i].ns);
        cr_assert(h.count == 1 && h.total_ns == cases[i].ns && h.longest_ns == cases[i].ns);
    }
}

Test(metrics, a_fast_group_counts_with_its_mean)
{
    handling h = accounted();
    account(&h, 8, 8 * 1500);
    cr_assert(h.count == 8 && h.total_ns == 12000 && h.longest_ns == 1500);
    cr_assert(h.buckets[1] == 8 && h.fast >= CLOCK_EVERY);
}

Test(metrics, a_slow_group_counts_as_one_slow_among_fast_and_ends_the_groups)
{
    handling h = accounted();
    account(&h, 8, 3000000);
    cr_assert(h.count == 8 && h.total_ns == 3000000 && h.longest_ns == 3000000);
    cr_assert(h.buckets[0] == 7 && h.buckets[6] == 1);
    cr_assert(h.fast == 0);
    for (unsigned i = 0; i < CLOCK_EVERY; i++) {
        cr_assert(h.fast < CLOCK_EVERY);
        account(&h, 1, 100);
    }
    cr_assert(h.fast >= CLOCK_EVERY);
    account(&h, 1, HAND_FAST_NS + 1);
    cr_assert(h.fast == 0);
}

/* Takes as long as it is told, in microseconds, by the clock. */
static troupe_error play_work(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t us = 0;
    struct timespec now;
    struct timespec begin;
    (void)p;
    (void)!troupe_unpack(e->payload, "U", &us);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((uint64_t)((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec) <
           us * 1000);
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

Test(metrics, slow_messages_are_measured_alone)
{
    stage_open();
    part worker = PART_INIT(.receive = play_work);
    troupe_address address = enter(&worker);
    for (unsigned i = 0; i < 5; i++)
        cast_number(address, "work", 20000);
    cr_assert(ask(address, "done?", LONG_MS) == TROUPE_OK);
    troupe_actor_info info = info_of(address);
    uint64_t slow = 0;
    for (unsigned i = 8; i < TROUPE_HANDLER_BUCKETS; i++) /* beyond 16.4 ms */
        slow += info.handled_times[i];
    cr_assert(slow >= 5);
    cr_assert(info.handled_ns >= 5 * 20000000ULL && info.handled_longest_ns >= 20000000);
    cr_assert(histogram_sum(info.handled_times) == info.handled);
    leave(address);
    stage_close();
}

Test(metrics, every_message_is_counted_once_however_fast)
{
    enum { MANY = 20000 };
    stage_open();
    part counter = PART_INIT(.receive = play_work);
    troupe_address address = enter(&counter);
    for (unsigned i = 0; i < MANY; i++) {
        cast(address, "x");
        if (i % 1000 == 0) /* the mailbox never fills */
            cr_assert(ask(address, "so far?", LONG_MS) == TROUPE_OK);
    }
    cr_assert(ask(address, "done?", LONG_MS) == TROUPE_OK);
    troupe_actor_info info = info_of(address);
    cr_assert(info.handled == info.received + 1); /* and `start` */
    cr_assert(histogram_sum(info.handled_times) == info.handled);
    cr_assert(info.handled_ns > 0);
    leave(address);
    stage_close();
}

static void work_long(troupe_actor *self, void *context)
{
    part *p = context;
    const troupe_bytes *payload = p->data;
    const troupe_envelope e = {.kind = TROUPE_CAST, .payload = *payload};
    (void)play_work(self, p, &e);
    gate_raise(&p->arrived);
}

static troupe_error start_timer(troupe_actor *self, part *p)
{
    return troupe_timer_start(self, 1, 0, work_long, p, NULL);
}

Test(metrics, timers_are_callbacks_too)
{
    stage_open();
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "U", (uint64_t)20000) == TROUPE_OK);
    troupe_bytes payload = troupe_buffer_bytes(&b);
    part sleeper = PART_INIT(.start = start_timer, .receive = play_echo, .data = &payload);
    troupe_address address = enter(&sleeper);
    gate_await(&sleeper.arrived, 1);
    cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
    troupe_actor_info info = info_of(address);
    cr_assert(info.handled >= 2 && info.handled_longest_ns >= 20000000);
    troupe_buffer_fini(&b);
    leave(address);
    stage_close();
}

/* ---- lives, and what was shed ---- */

Test(metrics, restarts_are_what_the_supervisor_said)
{
    stage_open();
    part p = PART_INIT(.receive = play_echo);
    troupe_spawn_options options = {.restarts = 17};
    troupe_address address = enter_with(&p, options);
    cr_assert(info_of(address).restarts == 17);
    leave(address);
    stage_close();
}

static troupe_error play_shedding(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)p;
    actor_shed(self, 5);
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

Test(metrics, what_is_shed_counts_as_sent)
{
    stage_open();
    part p = PART_INIT(.receive = play_shedding);
    troupe_address address = enter(&p);
    cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
    cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
    cr_assert(info_of(address).sent == 10 + 2);
    leave(address);
    troupe_system_counters c = counters();
    cr_assert(c.shed == 10);
    cr_assert(c.sent == c.received + c.dead_letters + c.shed);
    stage_close();
}
