/* SPDX-License-Identifier: MIT */
/*
 * The peer that a C programmer writes first: a bounded queue of messages, a mutex, two condition
 * variables, a thread for each end. Signals only whoever waits.
 *
 *   bench_queue [SCENARIO…]
 */
#include "peer.h"

#define CAPACITY 4096U /* as an actor's mailbox */
#define WHO      "C queue"

typedef struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    pthread_cond_t emptied;
    unsigned consumers_waiting;
    unsigned producers_waiting;
    unsigned head;
    unsigned count;
    message slots[CAPACITY];
} queue;

static queue *queue_create(void)
{
    queue *q = calloc(1, sizeof *q);
    peer_expect(q != NULL, "out of memory");
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->filled, NULL);
    pthread_cond_init(&q->emptied, NULL);
    return q;
}

static void queue_destroy(queue *q)
{
    pthread_mutex_destroy(&q->mutex);
    pthread_cond_destroy(&q->filled);
    pthread_cond_destroy(&q->emptied);
    free(q);
}

static void queue_push(queue *q, const message *m)
{
    pthread_mutex_lock(&q->mutex);
    while (q->count == CAPACITY) {
        q->producers_waiting++;
        pthread_cond_wait(&q->emptied, &q->mutex);
        q->producers_waiting--;
    }
    q->slots[(q->head + q->count++) % CAPACITY] = *m;
    int wake = q->consumers_waiting > 0;
    pthread_mutex_unlock(&q->mutex);
    if (wake)
        pthread_cond_signal(&q->filled);
}

static message queue_pop(queue *q)
{
    pthread_mutex_lock(&q->mutex);
    while (q->count == 0) {
        q->consumers_waiting++;
        pthread_cond_wait(&q->filled, &q->mutex);
        q->consumers_waiting--;
    }
    message m = q->slots[q->head];
    q->head = (q->head + 1) % CAPACITY;
    q->count--;
    int wake = q->producers_waiting > 0 && q->count <= CAPACITY / 2;
    pthread_mutex_unlock(&q->mutex);
    if (wake)
        pthread_cond_broadcast(&q->emptied);
    return m;
}

/* ---- streams ---- */

typedef struct end {
    queue **queues;
    unsigned queue_count;
    unsigned messages;
} end;

static void *produce(void *arg)
{
    end *e = arg;
    message m = {{1}};
    for (unsigned i = 0; i < e->messages; i++)
        queue_push(e->queues[i % e->queue_count], &m);
    return NULL;
}

static void *consume(void *arg)
{
    end *e = arg;
    unsigned sum = 0;
    for (unsigned i = 0; i < e->messages; i++)
        sum += queue_pop(e->queues[0]).bytes[0];
    peer_expect(sum == e->messages, "messages are missing");
    return NULL;
}

static void stream(const char *scenario, unsigned producers, unsigned consumers)
{
    queue *queues[PEER_MANY];
    pthread_t threads[2 * PEER_MANY];
    end sinks[PEER_MANY];
    end source = {queues, consumers, PEER_MESSAGES / producers};
    unsigned started = 0;
    for (unsigned i = 0; i < consumers; i++) {
        queues[i] = queue_create();
        sinks[i] = (end){&queues[i], 1, PEER_MESSAGES / consumers};
        threads[started++] = peer_thread(consume, &sinks[i]);
    }
    double start = peer_now_us();
    for (unsigned i = 0; i < producers; i++)
        threads[started++] = peer_thread(produce, &source);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    peer_print_rate(WHO, scenario, PEER_MESSAGES, peer_now_us() - start);
    for (unsigned i = 0; i < consumers; i++)
        queue_destroy(queues[i]);
}

/* ---- round trips ---- */

typedef struct hop {
    queue *in;
    queue *out;
    unsigned count;
} hop;

static void *pass_on(void *arg)
{
    hop *h = arg;
    for (unsigned i = 0; i < h->count; i++) {
        message m = queue_pop(h->in);
        queue_push(h->out, &m);
    }
    return NULL;
}

static void ping_pong(void)
{
    static double us[PEER_ROUND_TRIPS];
    hop ponger = {queue_create(), queue_create(), PEER_ROUND_TRIPS + PEER_WARM_UP};
    pthread_t thread = peer_thread(pass_on, &ponger);
    message m = {{0}};
    for (unsigned i = 0; i < ponger.count; i++) {
        double before = peer_now_us();
        queue_push(ponger.in, &m);
        m = queue_pop(ponger.out);
        if (i >= PEER_WARM_UP)
            us[i - PEER_WARM_UP] = peer_now_us() - before;
    }
    pthread_join(thread, NULL);
    peer_print_times(WHO, "ping-pong", us, PEER_ROUND_TRIPS);
    queue_destroy(ponger.in);
    queue_destroy(ponger.out);
}

static void ring(void)
{
    static hop hops[PEER_RING];
    static pthread_t threads[PEER_RING];
    queue *first = queue_create();
    queue *in = first;
    for (unsigned i = 0; i < PEER_RING; i++) {
        hops[i] = (hop){in, i + 1 < PEER_RING ? queue_create() : first, PEER_HOPS / PEER_RING};
        in = hops[i].out;
        threads[i] = peer_thread(pass_on, &hops[i]);
    }
    const message token = {{0}};
    double start = peer_now_us();
    queue_push(first, &token);
    for (unsigned i = 0; i < PEER_RING; i++)
        pthread_join(threads[i], NULL);
    peer_print_rate(WHO, "ring", PEER_HOPS, peer_now_us() - start);
    for (unsigned i = 0; i < PEER_RING; i++)
        queue_destroy(hops[i].in);
}

/* ---- threads ---- */

static void *nothing(void *arg)
{
    return arg;
}

#define ONE_BY_ONE 5000U
#define BATCHES    50U
#define BATCH      100U

static void spawn(void)
{
    double start = peer_now_us();
    for (unsigned i = 0; i < ONE_BY_ONE; i++)
        pthread_join(peer_thread(nothing, NULL), NULL);
    peer_print_rate("pthread", "spawn", ONE_BY_ONE, peer_now_us() - start);
    start = peer_now_us();
    for (unsigned i = 0; i < BATCHES; i++) {
        pthread_t threads[BATCH];
        for (unsigned k = 0; k < BATCH; k++)
            threads[k] = peer_thread(nothing, NULL);
        for (unsigned k = 0; k < BATCH; k++)
            pthread_join(threads[k], NULL);
    }
    peer_print_rate("pthread", "spawn 100", BATCHES * BATCH, peer_now_us() - start);
}

static void run(const char *scenario)
{
    if (strcmp(scenario, "one-way") == 0)
        stream(scenario, 1, 1);
    else if (strcmp(scenario, "fan-in") == 0)
        stream(scenario, PEER_MANY, 1);
    else if (strcmp(scenario, "fan-out") == 0)
        stream(scenario, 1, PEER_MANY);
    else if (strcmp(scenario, "ping-pong") == 0)
        ping_pong();
    else if (strcmp(scenario, "ring") == 0)
        ring();
    else if (strcmp(scenario, "spawn") == 0)
        spawn();
    else
        peer_expect(0, "no such scenario");
}

int main(int argc, char **argv)
{
    static const char *all[] = {"one-way", "fan-in", "fan-out", "ping-pong", "ring", "spawn"};
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    for (size_t i = 0; argc == 1 && i < sizeof all / sizeof all[0]; i++)
        run(all[i]);
    return 0;
}
