/* SPDX-License-Identifier: MIT */
/* Round trips: ping-pong of two actors, a guest's call, a token in a ring of 1,000 actors. */
#include "scenarios.h"

#define ROUND_TRIPS 20000U
#define WARM_UP     2000U
#define RING_ACTORS 1000U
#define RING_HOPS   50000U

/* ---- ping-pong ---- */

typedef struct pinger {
    troupe_address to;
    uint32_t done;
    double posted_us;
    bench_samples samples;
    troupe_caller waits;
} pinger;

static void ping(troupe_actor *self, pinger *p)
{
    p->posted_us = bench_now_us();
    bench_ok(troupe_post(self, p->to, TROUPE_CAST, "ping", NULL, bench_payload()), "ping");
}

static troupe_error pinger_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    pinger *p = state;
    if (e->kind == TROUPE_CALL) {
        p->waits = troupe_caller_of(e);
        ping(self, p);
        return TROUPE_OK;
    }
    if (++p->done > WARM_UP)
        bench_sample(&p->samples, bench_now_us() - p->posted_us);
    if (p->samples.count < ROUND_TRIPS)
        ping(self, p);
    else
        bench_reply(self, p->waits, p->done);
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

static double sum(const bench_samples *samples)
{
    double all = 0;
    for (size_t i = 0; i < samples->count; i++)
        all += samples->us[i];
    return all;
}

void scenario_ping_pong(const char *lane)
{
    pinger p = {0};
    bench_stage stage = bench_open(lane, 0);
    bench_samples_init(&p.samples, ROUND_TRIPS);
    p.to = bench_spawn(&stage, &ponger_behaviour, NULL);
    troupe_address address = bench_spawn(&stage, &pinger_behaviour, &p);
    uint64_t done = bench_ask(&stage, address, "go");
    bench_expect(done == ROUND_TRIPS + WARM_UP, "round trips are missing");
    bench_print_times("ping-pong", lane, &p.samples, sum(&p.samples));
    bench_close(&stage);
    bench_samples_fini(&p.samples);
}

/* ---- a guest's call ---- */

static troupe_error echo_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)state;
    troupe_reply(self, troupe_caller_of(e), e->payload);
    return TROUPE_OK;
}

static const troupe_behaviour echo_behaviour = {.kind = "echo", .receive = echo_receive};

void scenario_call(const char *lane)
{
    bench_samples samples;
    bench_stage stage = bench_open(lane, 0);
    bench_samples_init(&samples, ROUND_TRIPS);
    troupe_address to = bench_spawn(&stage, &echo_behaviour, NULL);
    for (uint32_t i = 0; i < ROUND_TRIPS + WARM_UP; i++) {
        troupe_answer answer;
        double before = bench_now_us();
        bench_ok(troupe_guest_call(stage.guest, to, "echo", NULL, bench_payload(), BENCH_TIMEOUT_MS,
                                   &answer),
                 "call");
        if (i >= WARM_UP)
            bench_sample(&samples, bench_now_us() - before);
        troupe_answer_fini(&answer);
    }
    bench_print_times("call", lane, &samples, sum(&samples));
    bench_close(&stage);
    bench_samples_fini(&samples);
}

/* ---- the ring ---- */

typedef struct member {
    troupe_address next;
    uint32_t *hops; /* of the one token: who holds it changes it */
    troupe_caller waits;
} member;

/* The token goes round until its hops are used up; the first member tells who waits. */
static troupe_error member_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    member *m = state;
    if (e->kind == TROUPE_CALL)
        m->waits = troupe_caller_of(e);
    else if (*m->hops == RING_HOPS && m->waits.ref != 0) {
        bench_reply(self, m->waits, *m->hops);
        return TROUPE_OK;
    } else if (*m->hops < RING_HOPS)
        ++*m->hops;
    bench_ok(troupe_post(self, m->next, TROUPE_CAST, "token", NULL, bench_payload()), "token");
    return TROUPE_OK;
}

static const troupe_behaviour member_behaviour = {.kind = "member", .receive = member_receive};

void scenario_ring(const char *lane)
{
    static member members[RING_ACTORS];
    troupe_address addresses[RING_ACTORS];
    uint32_t hops = 0;
    bench_stage stage = bench_open(lane, 0);
    for (uint32_t i = 0; i < RING_ACTORS; i++) {
        members[i] = (member){.hops = &hops};
        addresses[i] = bench_spawn(&stage, &member_behaviour, &members[i]);
    }
    for (uint32_t i = 0; i < RING_ACTORS; i++)
        members[i].next = addresses[(i + 1) % RING_ACTORS];
    double start = bench_now_us();
    bench_expect(bench_ask(&stage, addresses[0], "go") == RING_HOPS, "hops are missing");
    bench_print_rate("ring", lane, RING_HOPS, bench_now_us() - start);
    bench_close(&stage);
}
