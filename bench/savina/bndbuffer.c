/* SPDX-License-Identifier: MIT */
/*
 * bndbuffer: 40 producers of 1,000 items, 40 consumers, one manager with a buffer of 50. A producer
 * makes an item when it is asked to; the manager asks as long as there is room.
 */
#include "programs.h"

#include <math.h>

#define PRODUCERS 40U
#define CONSUMERS 40U
#define ITEMS     1000U
#define BUFFER    50U
#define COST      1 /* Savina has 25: here messages shall count and not logarithms */

static const troupe_bytes nothing = {NULL, 0};

/* Savina's work on an item: cost times 100 logarithms of random numbers. */
static double process(double term, uint64_t *random)
{
    for (int i = 0; i < COST * 100; i++)
        term += log((double)savina_random(random) / 2147483648.0 + 0.01);
    return term;
}

typedef struct party {
    troupe_address manager;
    uint64_t random;
    uint32_t items;
    double term;
} party;

static troupe_error producer_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    party *p = state;
    (void)e; /* `produce` */
    if (p->items == ITEMS) {
        savina_cast(self, p->manager, "finished", nothing);
        return TROUPE_OK;
    }
    p->term = process(p->term, &p->random);
    savina_cast_uint(self, p->manager, "item", ++p->items);
    return TROUPE_OK;
}

static const troupe_behaviour producer_behaviour = {.kind = "producer",
                                                    .receive = producer_receive};

static troupe_error consumer_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)e; /* `item` */
    party *p = state;
    p->term = process(p->term, &p->random);
    p->items++;
    savina_cast(self, p->manager, "available", nothing);
    return TROUPE_OK;
}

static const troupe_behaviour consumer_behaviour = {.kind = "consumer",
                                                    .receive = consumer_receive};

/* A queue of numbers that never holds more than its size. */
typedef struct fifo {
    uint64_t values[PRODUCERS + CONSUMERS + BUFFER];
    uint32_t head;
    uint32_t count;
} fifo;

static void fifo_push(fifo *f, uint64_t value)
{
    const uint32_t size = sizeof f->values / sizeof f->values[0];
    bench_expect(f->count < size, "bndbuffer: the buffer is not bounded");
    f->values[(f->head + f->count++) % size] = value;
}

static uint64_t fifo_pop(fifo *f)
{
    uint64_t value = f->values[f->head];
    f->head = (f->head + 1) % (sizeof f->values / sizeof f->values[0]);
    f->count--;
    return value;
}

typedef struct manager {
    troupe_address producers[PRODUCERS];
    fifo items;
    fifo idle_producers;
    fifo idle_consumers;
    uint32_t finished;
    uint64_t delivered;
    uint64_t consumed;
    troupe_caller waits;
} manager;

static void deliver(troupe_actor *self, manager *m, troupe_address consumer, uint64_t item)
{
    m->delivered++;
    savina_cast_uint(self, consumer, "item", item);
}

/* Room for the items that other producers may have in hand is set apart. */
static void take_item(troupe_actor *self, manager *m, const troupe_envelope *e)
{
    if (m->idle_consumers.count > 0)
        deliver(self, m, fifo_pop(&m->idle_consumers), savina_uint(e));
    else
        fifo_push(&m->items, savina_uint(e));
    bench_expect(m->items.count <= BUFFER, "bndbuffer: the buffer overflows");
    if (m->items.count >= BUFFER - PRODUCERS)
        fifo_push(&m->idle_producers, e->from);
    else
        savina_cast(self, e->from, "produce", nothing);
}

static void serve_consumer(troupe_actor *self, manager *m, troupe_address consumer)
{
    m->consumed++;
    if (m->items.count == 0) {
        fifo_push(&m->idle_consumers, consumer);
        return;
    }
    deliver(self, m, consumer, fifo_pop(&m->items));
    if (m->idle_producers.count > 0)
        savina_cast(self, fifo_pop(&m->idle_producers), "produce", nothing);
}

static troupe_error manager_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    manager *m = state;
    if (e->kind == TROUPE_CALL) {
        m->waits = troupe_caller_of(e);
        for (uint32_t i = 0; i < PRODUCERS; i++)
            savina_cast(self, m->producers[i], "produce", nothing);
    } else if (troupe_verb_is(e, "item")) {
        take_item(self, m, e);
    } else if (troupe_verb_is(e, "available")) {
        serve_consumer(self, m, e->from);
    } else {
        m->finished++;
    }
    if (m->finished == PRODUCERS && m->consumed == m->delivered && m->items.count == 0)
        bench_reply(self, m->waits, m->consumed);
    return TROUPE_OK;
}

static const troupe_behaviour manager_behaviour = {.kind = "manager", .receive = manager_receive};

void savina_bndbuffer(const char *lane)
{
    static manager m;
    party producers[PRODUCERS];
    party consumers[CONSUMERS];
    bench_stage stage = bench_open(lane, 0);
    m = (manager){.finished = 0};
    double start = bench_now_us();
    troupe_address address = bench_spawn(&stage, &manager_behaviour, &m);
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        consumers[i] = (party){.manager = address, .random = i};
        fifo_push(&m.idle_consumers, bench_spawn(&stage, &consumer_behaviour, &consumers[i]));
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (party){.manager = address, .random = 1000 + i};
        m.producers[i] = bench_spawn(&stage, &producer_behaviour, &producers[i]);
    }
    bench_expect(bench_ask(&stage, address, "go") == (uint64_t)PRODUCERS * ITEMS,
                 "bndbuffer: items are missing");
    double took = bench_now_us() - start;
    bench_close(&stage);
    uint64_t consumed = 0;
    for (uint32_t i = 0; i < CONSUMERS; i++)
        consumed += consumers[i].items;
    bench_expect(consumed == (uint64_t)PRODUCERS * ITEMS, "bndbuffer: items were not consumed");
    savina_print("bndbuffer", lane, took, ",\"cost\":1");
}
