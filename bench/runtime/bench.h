/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks of the runtime share: a system on the lane that was asked for, samples of
 * times, and the JSON lines that bench/runtime.mjs reads. Whatever fails ends the program.
 */
#ifndef BENCH_H
#define BENCH_H

#include "troupe/actor.h"

#define BENCH_PAYLOAD_BYTES 64  /* of MessagePack: what streams and ping-pongs carry */
#define BENCH_BURST         256 /* envelopes that a stream posts in one turn */
#define BENCH_TIMEOUT_MS    120000

/** A benchmark program: `lane` is "nng" or "ring". */
typedef struct bench_scenario {
    const char *name;
    void (*run)(const char *lane);
} bench_scenario;

/** usage: PROGRAM LANE [SCENARIO…]; without scenarios all of them, in order. */
int bench_main(int argc, char **argv, const bench_scenario *scenarios, size_t count);

_Noreturn void bench_fail(const char *what);
/** End the program unless that holds: a result that does not add up is no figure. */
void bench_expect(bool holds, const char *what);
void bench_ok(troupe_error error, const char *what);

double bench_now_us(void);

/** A system, and the main thread as its guest. */
typedef struct bench_stage {
    troupe_system *system;
    troupe_guest *guest;
    const char *lane;
} bench_stage;

bench_stage bench_open(const char *lane, uint32_t actors_max);
void bench_close(bench_stage *stage);
troupe_address bench_spawn(const bench_stage *stage, const troupe_behaviour *behaviour,
                           void *state);

/** Cast a verb: how the main thread starts a scenario. */
void bench_tell(const bench_stage *stage, troupe_address to, const char *verb);
/** Call a verb and wait for the reply, a uint or nil (0): how it learns that the scenario is over.
 */
uint64_t bench_ask(const bench_stage *stage, troupe_address to, const char *verb);

/** The same in two steps: ask now, so that no mailbox is full by then, and wait for all answers
 * later; the sum of what they say. */
void bench_ask_ahead(const bench_stage *stage, troupe_address to, const char *verb);
uint64_t bench_answers(const bench_stage *stage);

/** Reply with a uint. */
void bench_reply(troupe_actor *self, troupe_caller caller, uint64_t number);

/** One MessagePack bin value of BENCH_PAYLOAD_BYTES bytes in all. */
troupe_bytes bench_payload(void);

/** Samples in microseconds. */
typedef struct bench_samples {
    double *us;
    size_t count;
    size_t capacity;
} bench_samples;

void bench_samples_init(bench_samples *samples, size_t capacity);
/** Ignored when they are full. */
void bench_sample(bench_samples *samples, double us);
/** per_mille 500 = median. Sorts. */
double bench_quantile(bench_samples *samples, unsigned per_mille);
void bench_samples_fini(bench_samples *samples);

/** A line with who and scenario, then what format says: `"per_s":%.0f` and the like. */
void bench_print(const char *scenario, const char *lane, const char *format, ...)
    TROUPE_PRINTF(3, 4);
void bench_print_rate(const char *scenario, const char *lane, double count, double took_us);
void bench_print_times(const char *scenario, const char *lane, bench_samples *samples,
                       double took_us);

/** Resident bytes of this process. */
double bench_resident_bytes(void);

#endif
