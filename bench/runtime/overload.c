/* SPDX-License-Identifier: MIT */
/*
 * Overload: 16 senders at full speed into an actor that takes 1 ms an envelope. Every sender must
 * be told that there is no room, memory must stay bounded, all that was accepted must arrive, and
 * two actors that have nothing to do with it play ping-pong before and meanwhile: what do they
 * feel?
 */
#include "scenarios.h"

#include <stdlib.h>
#include <time.h>

#define SENDERS    16U
#define SAMPLES    500000U /* at most */
#define ROUND_MS   1000U   /* of ping-pong, before and meanwhile */
#define BOX        1024U   /* envelopes in the slow actor's mailbox */
#define WORK_NS    1000000U
#define GROWTH_MAX (16.0 * 1024 * 1024)

/* ---- the slow actor: waits or computes for 1 ms ---- */

typedef struct slow {
    bool computes;
    uint64_t received;
} slow;

static void wait_ns(uint64_t ns)
{
    const struct timespec time = {.tv_nsec = (long)ns};
    nanosleep(&time, NULL);
}

static void compute_ns(uint64_t ns)
{
    double until = bench_now_us() + (double)ns / 1e3;
    while (bench_now_us() < until)
        continue;
}

static troupe_error slow_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)self;
    (void)e;
    slow *s = state;
    if (s->computes)
        compute_ns(WORK_NS);
    else
        wait_ns(WORK_NS);
    s->received++;
    return TROUPE_OK;
}

static const troupe_behaviour slow_behaviour = {.kind = "slow", .receive = slow_receive};

/* ---- senders ---- */

typedef struct sender {
    troupe_address to;
    bool stopped;
    uint64_t accepted;
    uint64_t refused;
} sender;

static void send_on(troupe_actor *self, void *context)
{
    sender *s = context;
    if (s->stopped)
        return;
    for (int i = 0; i < BENCH_BURST; i++) {
        troupe_error error = troupe_post(self, s->to, TROUPE_EVENT, "item", NULL, bench_payload());
        if (error == TROUPE_EBUSY) {
            s->refused++;
            bench_ok(troupe_await_room(self, s->to), "await room");
            return;
        }
        bench_ok(error, "post");
        s->accepted++;
    }
    bench_ok(troupe_timer_start(self, 0, 0, send_on, s, NULL), "timer");
}

static troupe_error sender_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    sender *s = state;
    if (e->kind == TROUPE_CALL) {
        s->stopped = true;
        bench_reply(self, troupe_caller_of(e), s->accepted);
        return TROUPE_OK;
    }
    send_on(self, s);
    return TROUPE_OK;
}

static const troupe_behaviour sender_behaviour = {.kind = "sender", .receive = sender_receive};

/* ---- two who have nothing to do with it ---- */

typedef struct pair {
    troupe_address to;
    double posted_us;
    double until_us;
    bench_samples samples;
    troupe_caller waits;
} pair;

static void ping(troupe_actor *self, pair *p)
{
    p->posted_us = bench_now_us();
    bench_ok(troupe_post(self, p->to, TROUPE_CAST, "ping", NULL, bench_payload()), "ping");
}

static troupe_error pinger_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    pair *p = state;
    double now = bench_now_us();
    if (e->kind == TROUPE_CALL) {
        p->waits = troupe_caller_of(e);
        p->until_us = now + ROUND_MS * 1e3;
    } else {
        bench_sample(&p->samples, now - p->posted_us);
    }
    if (now < p->until_us)
        ping(self, p);
    else
        bench_reply(self, p->waits, p->samples.count);
    return TROUPE_OK;
}

static const troupe_behaviour pinger_behaviour = {.kind = "pinger", .receive = pinger_receive};

static troupe_error ponger_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)state;
    bench_ok(troupe_post(self, e->from, TROUPE_CAST, "pong", NULL, e->payload), "pong");
    return TROUPE_OK;
}

static const troupe_behaviour ponger_behaviour = {.kind = "ponger", .receive = ponger_receive};

typedef struct latency {
    double p50_us;
    double p99_us;
} latency;

static latency play(const bench_stage *stage, pair *p, troupe_address pinger)
{
    p->samples.count = 0;
    bench_ask(stage, pinger, "go");
    return (latency){bench_quantile(&p->samples, 500), bench_quantile(&p->samples, 990)};
}

/* ---- the scenario ---- */

static void check_counters(const bench_stage *stage)
{
    troupe_system_counters count;
    troupe_system_count(stage->system, &count);
    bench_expect(count.sent == count.received + count.dead_letters, "counters do not balance");
    bench_expect(count.dead_letters == 0, "there are dead letters");
}

static void stop_and_join(const bench_stage *stage, troupe_address address)
{
    bench_ok(troupe_stop(stage->system, address, TROUPE_STOP_DRAIN), "stop");
    bench_ok(troupe_join(stage->system, address, BENCH_TIMEOUT_MS), "join");
}

static void run(const char *scenario, const char *lane, bool computes)
{
    slow worker = {.computes = computes};
    sender senders[SENDERS] = {{0}};
    troupe_address addresses[SENDERS];
    pair unrelated = {0};
    bench_stage stage = bench_open(lane, 0);
    bench_samples_init(&unrelated.samples, SAMPLES);
    const troupe_spawn_options options = {
        .behaviour = &slow_behaviour, .state = &worker, .mailbox_envelopes = BOX};
    troupe_address to;
    bench_ok(troupe_spawn(stage.system, &options, &to), "slow");
    unrelated.to = bench_spawn(&stage, &ponger_behaviour, NULL);
    troupe_address pinger = bench_spawn(&stage, &pinger_behaviour, &unrelated);
    latency before = play(&stage, &unrelated, pinger);

    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i].to = to;
        addresses[i] = bench_spawn(&stage, &sender_behaviour, &senders[i]);
        bench_tell(&stage, addresses[i], "go");
    }
    double resident = bench_resident_bytes();
    latency meanwhile = play(&stage, &unrelated, pinger);
    double grown = bench_resident_bytes() - resident;

    uint64_t accepted = 0;
    uint64_t refused = 0;
    uint64_t least_refused = UINT64_MAX;
    for (uint32_t i = 0; i < SENDERS; i++)
        accepted += bench_ask(&stage, addresses[i], "stop");
    for (uint32_t i = 0; i < SENDERS; i++)
        stop_and_join(&stage, addresses[i]);
    stop_and_join(&stage, to);
    for (uint32_t i = 0; i < SENDERS; i++) {
        refused += senders[i].refused;
        if (senders[i].refused < least_refused)
            least_refused = senders[i].refused;
    }
    bench_expect(worker.received == accepted, "accepted envelopes did not arrive");
    bench_expect(least_refused > 0, "a sender was never refused");
    bench_expect(grown < GROWTH_MAX, "memory grows");
    check_counters(&stage);
    bench_print(scenario, lane,
                "\"accepted\":%llu,\"refused\":%llu,\"least_refused\":%llu,\"grown_kib\":%.0f,"
                "\"quiet_p50_us\":%.1f,\"quiet_p99_us\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f",
                (unsigned long long)accepted, (unsigned long long)refused,
                (unsigned long long)least_refused, grown / 1024, before.p50_us, before.p99_us,
                meanwhile.p50_us, meanwhile.p99_us);
    bench_close(&stage);
    bench_samples_fini(&unrelated.samples);
}

void scenario_overload(const char *lane)
{
    run("overload", lane, false);
    run("overload busy", lane, true);
}
