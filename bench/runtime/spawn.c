/* SPDX-License-Identifier: MIT */
/* Actors that come and go, and 10,000 that wait: how fast, and how much memory. */
#include "scenarios.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>

#define ONE_BY_ONE 5000U
#define BATCHES    50U
#define BATCH      100U
#define IDLE       10000U

static troupe_error echo_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)state;
    troupe_reply(self, troupe_caller_of(e), e->payload);
    return TROUPE_OK;
}

static const troupe_behaviour echo_behaviour = {.kind = "echo", .receive = echo_receive};

static void stop(const bench_stage *stage, troupe_address address)
{
    bench_ok(troupe_stop(stage->system, address, TROUPE_STOP_DRAIN), "stop");
}

static void join(const bench_stage *stage, troupe_address address)
{
    bench_ok(troupe_join(stage->system, address, BENCH_TIMEOUT_MS), "join");
}

void scenario_spawn(const char *lane)
{
    bench_stage stage = bench_open(lane, 0);
    double start = bench_now_us();
    for (uint32_t i = 0; i < ONE_BY_ONE; i++) {
        troupe_address address = bench_spawn(&stage, &echo_behaviour, NULL);
        stop(&stage, address);
        join(&stage, address);
    }
    bench_print_rate("spawn", lane, ONE_BY_ONE, bench_now_us() - start);
    start = bench_now_us();
    for (uint32_t i = 0; i < BATCHES; i++) {
        troupe_address addresses[BATCH];
        for (uint32_t k = 0; k < BATCH; k++)
            addresses[k] = bench_spawn(&stage, &echo_behaviour, NULL);
        for (uint32_t k = 0; k < BATCH; k++)
            stop(&stage, addresses[k]);
        for (uint32_t k = 0; k < BATCH; k++)
            join(&stage, addresses[k]);
    }
    bench_print_rate("spawn 100", lane, BATCHES * BATCH, bench_now_us() - start);
    bench_close(&stage);
}

/* ---- idle ---- */

/* An actor has a descriptor at least. */
static void allow_descriptors(rlim_t wanted)
{
    struct rlimit limit;
    bench_expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted; /* root may */
    bench_expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "RLIMIT_NOFILE is too low");
}

/* Resident KiB of the mappings of just that size: the stacks of the actors' threads. */
static double resident_kib_of_size(unsigned long size_bytes)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    bench_expect(file != NULL, "/proc/self/smaps");
    char line[512];
    bool counted = false;
    long sum = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long from;
        unsigned long to;
        long kib;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            counted = to - from == size_bytes;
        else if (counted && sscanf(line, "Rss: %ld", &kib) == 1)
            sum += kib;
    }
    fclose(file);
    return (double)sum;
}

static double allocated_kib(void)
{
    struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd) / 1024;
}

/* Each actor has answered one call, so that nothing about it is still to come. */
void scenario_idle(const char *lane)
{
    static troupe_address addresses[IDLE];
    allow_descriptors(IDLE + 1000);
    bench_stage stage = bench_open(lane, IDLE);
    double resident = bench_resident_bytes();
    double allocated = allocated_kib();
    double start = bench_now_us();
    for (uint32_t i = 0; i < IDLE; i++)
        addresses[i] = bench_spawn(&stage, &echo_behaviour, NULL);
    double took = bench_now_us() - start;
    for (uint32_t i = 0; i < IDLE; i++)
        (void)bench_ask(&stage, addresses[i], "echo");
    bench_print("idle", lane,
                "\"actors\":%u,\"kib\":%.1f,\"stack_kib\":%.1f,\"malloc_kib\":%.1f,"
                "\"spawned_per_s\":%.0f",
                IDLE, (bench_resident_bytes() - resident) / 1024 / IDLE,
                resident_kib_of_size(256U * 1024U) / IDLE, (allocated_kib() - allocated) / IDLE,
                IDLE / took * 1e6);
    bench_close(&stage);
}
