/* SPDX-License-Identifier: MIT */
/*
 * fjthrput: 10,000 messages to each of 60 actors. fjcreate: 40,000 actors, one message each; an
 * actor is a thread here, so at most LIVE of them at a time.
 */
#include "programs.h"

#include <math.h>

#define WORKERS  60U
#define MESSAGES 10000U
#define CREATED  40000U
#define LIVE     1000U

static const troupe_bytes nothing = {NULL, 0};

/* Savina's: enough that it is not nothing. */
static double compute(double theta)
{
    double sine = sin(theta);
    return sine * sine;
}

/* ---- fjthrput ---- */

typedef struct worker {
    uint32_t received;
    double result;
    troupe_caller waits;
} worker;

static troupe_error worker_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    worker *w = state;
    if (e->kind == TROUPE_CALL) {
        w->waits = troupe_caller_of(e);
        return TROUPE_OK;
    }
    w->result += compute(37.2);
    if (++w->received == MESSAGES)
        bench_reply(self, w->waits, w->received);
    return TROUPE_OK;
}

static const troupe_behaviour worker_behaviour = {.kind = "worker", .receive = worker_receive};

typedef struct master {
    troupe_address workers[WORKERS];
    uint32_t posted;
} master;

static void distribute(troupe_actor *self, void *context)
{
    master *m = context;
    for (int i = 0; i < BENCH_BURST && m->posted < WORKERS * MESSAGES; i++) {
        troupe_address to = m->workers[m->posted % WORKERS];
        troupe_error error = troupe_post(self, to, TROUPE_CAST, "work", NULL, nothing);
        if (error == TROUPE_EBUSY) {
            bench_ok(troupe_await_room(self, to), "await room");
            return;
        }
        bench_ok(error, "work");
        m->posted++;
    }
    if (m->posted < WORKERS * MESSAGES)
        bench_ok(troupe_timer_start(self, 0, 0, distribute, m, NULL), "timer");
}

static troupe_error master_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)e;
    distribute(self, state);
    return TROUPE_OK;
}

static const troupe_behaviour master_behaviour = {.kind = "master", .receive = master_receive};

void savina_fjthrput(const char *lane)
{
    static worker workers[WORKERS];
    master m = {.posted = 0};
    bench_stage stage = bench_open(lane, 0);
    double start = bench_now_us();
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (worker){0};
        m.workers[i] = bench_spawn(&stage, &worker_behaviour, &workers[i]);
        bench_ask_ahead(&stage, m.workers[i], "wait");
    }
    bench_tell(&stage, bench_spawn(&stage, &master_behaviour, &m), "go");
    bench_expect(bench_answers(&stage) == (uint64_t)WORKERS * MESSAGES,
                 "fjthrput: messages are missing");
    savina_print("fjthrput", lane, bench_now_us() - start, "");
    bench_close(&stage);
}

/* ---- fjcreate ---- */

static troupe_error child_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)e;
    double *result = state;
    *result = compute(37.2);
    troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static const troupe_behaviour child_behaviour = {.kind = "child", .receive = child_receive};

typedef struct forker {
    double results[CREATED];
    uint32_t created;
    uint32_t ended;
    troupe_caller waits;
} forker;

static void fork_one(troupe_actor *self, forker *f)
{
    const troupe_spawn_options options = {.behaviour = &child_behaviour,
                                          .state = &f->results[f->created],
                                          .monitor = troupe_self_address(self)};
    troupe_address child;
    bench_ok(troupe_spawn(troupe_self_system(self), &options, &child), "spawn");
    f->created++;
    savina_cast(self, child, "work", nothing);
}

static troupe_error forker_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    forker *f = state;
    if (e->kind == TROUPE_CALL)
        f->waits = troupe_caller_of(e);
    else
        f->ended++; /* `down` */
    while (f->created < CREATED && f->created - f->ended < LIVE)
        fork_one(self, f);
    if (f->ended == CREATED)
        bench_reply(self, f->waits, f->ended);
    return TROUPE_OK;
}

static const troupe_behaviour forker_behaviour = {.kind = "forker", .receive = forker_receive};

void savina_fjcreate(const char *lane)
{
    static forker f;
    f = (forker){.created = 0};
    bench_stage stage = bench_open(lane, 2 * LIVE);
    double start = bench_now_us();
    troupe_address address = bench_spawn(&stage, &forker_behaviour, &f);
    bench_expect(bench_ask(&stage, address, "go") == CREATED, "fjcreate: actors are missing");
    double took = bench_now_us() - start;
    for (uint32_t i = 0; i < CREATED; i++)
        bench_expect(f.results[i] > 0, "fjcreate: a result is missing");
    savina_print("fjcreate", lane, took, ",\"live_max\":1000");
    bench_close(&stage);
}
