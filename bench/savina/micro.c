/* SPDX-License-Identifier: MIT */
/* count: one sends a million increments to another. pingpong. threadring: a token goes round. */
#include "programs.h"

#define COUNT        1000000U
#define PINGS        40000U
#define RING_MEMBERS 100U
#define RING_PASSES  100000U

static const troupe_bytes nothing = {NULL, 0};

/* ---- count ---- */

typedef struct producer {
    troupe_address counter;
    uint32_t posted;
    troupe_caller waits;
} producer;

static void counted(troupe_actor *self, void *context, troupe_error error,
                    const troupe_envelope *answer)
{
    producer *p = context;
    bench_ok(error, "get");
    bench_reply(self, p->waits, savina_uint(answer));
}

static void produce(troupe_actor *self, void *context)
{
    producer *p = context;
    troupe_error error = TROUPE_OK;
    for (int i = 0; i < BENCH_BURST && p->posted < COUNT && error == TROUPE_OK; i++) {
        error = troupe_post(self, p->counter, TROUPE_CAST, "increment", NULL, nothing);
        p->posted += error == TROUPE_OK;
    }
    if (error == TROUPE_OK && p->posted == COUNT)
        error =
            troupe_call(self, p->counter, "get", NULL, nothing, BENCH_TIMEOUT_MS, counted, p, NULL);
    else if (error == TROUPE_OK)
        error = troupe_timer_start(self, 0, 0, produce, p, NULL);
    if (error == TROUPE_EBUSY)
        error = troupe_await_room(self, p->counter);
    bench_ok(error, "produce");
}

static troupe_error producer_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    producer *p = state;
    if (e->kind == TROUPE_CALL)
        p->waits = troupe_caller_of(e);
    produce(self, p);
    return TROUPE_OK;
}

static const troupe_behaviour producer_behaviour = {.kind = "producer",
                                                    .receive = producer_receive};

static troupe_error counter_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    uint32_t *count = state;
    if (e->kind == TROUPE_CALL)
        bench_reply(self, troupe_caller_of(e), *count);
    else
        ++*count;
    return TROUPE_OK;
}

static const troupe_behaviour counter_behaviour = {.kind = "counter", .receive = counter_receive};

void savina_count(const char *lane)
{
    uint32_t count = 0;
    producer p = {0};
    bench_stage stage = bench_open(lane, 0);
    double start = bench_now_us();
    p.counter = bench_spawn(&stage, &counter_behaviour, &count);
    troupe_address address = bench_spawn(&stage, &producer_behaviour, &p);
    bench_expect(bench_ask(&stage, address, "go") == COUNT, "count: wrong count");
    savina_print("count", lane, bench_now_us() - start, "");
    bench_close(&stage);
}

/* ---- pingpong ---- */

typedef struct pinger {
    troupe_address to;
    uint32_t left;
    uint32_t pongs;
    troupe_caller waits;
} pinger;

static troupe_error pinger_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    pinger *p = state;
    if (e->kind == TROUPE_CALL)
        p->waits = troupe_caller_of(e);
    else
        p->pongs++;
    if (p->left == 0) {
        bench_reply(self, p->waits, p->pongs);
        return TROUPE_OK;
    }
    p->left--;
    savina_cast(self, p->to, "ping", nothing);
    return TROUPE_OK;
}

static const troupe_behaviour pinger_behaviour = {.kind = "pinger", .receive = pinger_receive};

static troupe_error ponger_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)state;
    savina_cast(self, e->from, "pong", nothing);
    return TROUPE_OK;
}

static const troupe_behaviour ponger_behaviour = {.kind = "ponger", .receive = ponger_receive};

void savina_pingpong(const char *lane)
{
    pinger p = {.left = PINGS};
    bench_stage stage = bench_open(lane, 0);
    double start = bench_now_us();
    p.to = bench_spawn(&stage, &ponger_behaviour, NULL);
    troupe_address address = bench_spawn(&stage, &pinger_behaviour, &p);
    bench_expect(bench_ask(&stage, address, "go") == PINGS, "pingpong: pongs are missing");
    savina_print("pingpong", lane, bench_now_us() - start, "");
    bench_close(&stage);
}

/* ---- threadring ---- */

typedef struct member {
    troupe_address next;
    uint64_t passes;
    troupe_address reporter;
} member;

static troupe_error member_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    member *m = state;
    uint64_t left = savina_uint(e);
    m->passes++;
    if (left > 0)
        savina_cast_uint(self, m->next, "token", left - 1);
    else
        savina_cast(self, m->reporter, "end", nothing);
    return TROUPE_OK;
}

static const troupe_behaviour member_behaviour = {.kind = "member", .receive = member_receive};

typedef struct reporter {
    troupe_address first;
    troupe_caller waits;
} reporter;

static troupe_error reporter_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    reporter *r = state;
    if (e->kind == TROUPE_CALL) {
        r->waits = troupe_caller_of(e);
        savina_cast_uint(self, r->first, "token", RING_PASSES);
    } else {
        bench_reply(self, r->waits, 1);
    }
    return TROUPE_OK;
}

static const troupe_behaviour reporter_behaviour = {.kind = "reporter",
                                                    .receive = reporter_receive};

void savina_threadring(const char *lane)
{
    static member members[RING_MEMBERS];
    troupe_address addresses[RING_MEMBERS];
    reporter r = {0};
    bench_stage stage = bench_open(lane, 0);
    double start = bench_now_us();
    troupe_address reports = bench_spawn(&stage, &reporter_behaviour, &r);
    for (uint32_t i = 0; i < RING_MEMBERS; i++) {
        members[i] = (member){.reporter = reports};
        addresses[i] = bench_spawn(&stage, &member_behaviour, &members[i]);
    }
    for (uint32_t i = 0; i < RING_MEMBERS; i++)
        members[i].next = addresses[(i + 1) % RING_MEMBERS];
    r.first = addresses[0];
    bench_ask(&stage, reports, "go");
    double took = bench_now_us() - start;
    bench_close(&stage);
    uint64_t passes = 0;
    for (uint32_t i = 0; i < RING_MEMBERS; i++)
        passes += members[i].passes;
    bench_expect(passes == RING_PASSES + 1, "threadring: passes are missing");
    savina_print("threadring", lane, took, "");
}
