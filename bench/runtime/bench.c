/* SPDX-License-Identifier: MIT */
/* What the benchmarks of the runtime share. */
#include "bench.h"

#include "troupe/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void bench_expect(bool holds, const char *what)
{
    if (!holds)
        bench_fail(what);
}

void bench_ok(troupe_error error, const char *what)
{
    if (error == TROUPE_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, troupe_error_name(error));
    exit(1);
}

double bench_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* ---- systems and actors ---- */

bench_stage bench_open(const char *lane, uint32_t actors_max)
{
    const troupe_system_options options = {.lane = lane, .actors_max = actors_max};
    bench_stage stage = {.lane = lane};
    bench_ok(troupe_system_open(&options, &stage.system), lane);
    bench_ok(troupe_guest_create(stage.system, &stage.guest), "guest");
    return stage;
}

void bench_close(bench_stage *stage)
{
    troupe_guest_destroy(stage->guest);
    troupe_system_close(stage->system, BENCH_TIMEOUT_MS);
    *stage = (bench_stage){0};
}

troupe_address bench_spawn(const bench_stage *stage, const troupe_behaviour *behaviour, void *state)
{
    const troupe_spawn_options options = {.behaviour = behaviour, .state = state};
    troupe_address address;
    bench_ok(troupe_spawn(stage->system, &options, &address), behaviour->kind);
    return address;
}

void bench_tell(const bench_stage *stage, troupe_address to, const char *verb)
{
    const troupe_bytes nothing = {NULL, 0};
    bench_ok(troupe_guest_post(stage->guest, to, TROUPE_CAST, verb, NULL, nothing), verb);
}

void bench_ask_ahead(const bench_stage *stage, troupe_address to, const char *verb)
{
    const troupe_bytes nothing = {NULL, 0};
    uint64_t ref;
    bench_ok(troupe_guest_call_start(stage->guest, to, verb, NULL, nothing, BENCH_TIMEOUT_MS, NULL,
                                     &ref),
             verb);
    troupe_guest_flush(stage->guest);
}

uint64_t bench_answers(const bench_stage *stage)
{
    troupe_answer answer;
    uint64_t sum = 0;
    troupe_error error;
    while ((error = troupe_guest_wait(stage->guest, BENCH_TIMEOUT_MS, &answer)) == TROUPE_OK) {
        uint64_t number = 0;
        bench_ok(answer.error, "answer");
        bench_ok(troupe_unpack(answer.payload, "U?", &number), "answer");
        sum += number;
        troupe_answer_fini(&answer);
    }
    bench_expect(error == TROUPE_ENOTFOUND, "no answer in time");
    return sum;
}

uint64_t bench_ask(const bench_stage *stage, troupe_address to, const char *verb)
{
    bench_ask_ahead(stage, to, verb);
    return bench_answers(stage);
}

void bench_reply(troupe_actor *self, troupe_caller caller, uint64_t number)
{
    troupe_buffer payload = {0};
    bench_ok(troupe_pack(&payload, "U", number), "reply");
    troupe_reply(self, caller, troupe_buffer_bytes(&payload));
    troupe_buffer_fini(&payload);
}

troupe_bytes bench_payload(void)
{
    static const uint8_t bytes[BENCH_PAYLOAD_BYTES] = {0xc4, BENCH_PAYLOAD_BYTES - 2}; /* bin 8 */
    return (troupe_bytes){bytes, sizeof bytes};
}

/* ---- samples ---- */

void bench_samples_init(bench_samples *samples, size_t capacity)
{
    *samples = (bench_samples){.us = malloc(capacity * sizeof *samples->us), .capacity = capacity};
    bench_expect(samples->us != NULL, "out of memory");
    for (size_t i = 0; i < capacity; i++)
        samples->us[i] = -1; /* resident from now on */
}

void bench_sample(bench_samples *samples, double us)
{
    if (samples->count < samples->capacity)
        samples->us[samples->count++] = us;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

double bench_quantile(bench_samples *samples, unsigned per_mille)
{
    bench_expect(samples->count > 0, "no samples");
    qsort(samples->us, samples->count, sizeof *samples->us, by_value);
    return samples->us[(samples->count - 1) * per_mille / 1000];
}

void bench_samples_fini(bench_samples *samples)
{
    free(samples->us);
    *samples = (bench_samples){0};
}

/* ---- output ---- */

void bench_print(const char *scenario, const char *lane, const char *format, ...)
{
    va_list args;
    printf("{\"scenario\":\"%s\",\"who\":\"troupe %s\",", scenario, lane);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("}\n");
    fflush(stdout);
}

void bench_print_rate(const char *scenario, const char *lane, double count, double took_us)
{
    bench_print(scenario, lane, "\"per_s\":%.0f", count / took_us * 1e6);
}

void bench_print_times(const char *scenario, const char *lane, bench_samples *samples,
                       double took_us)
{
    bench_print(scenario, lane, "\"per_s\":%.0f,\"p50_us\":%.2f,\"p99_us\":%.2f",
                (double)samples->count / took_us * 1e6, bench_quantile(samples, 500),
                bench_quantile(samples, 990));
}

double bench_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    bench_expect(file != NULL, "/proc/self/smaps_rollup");
    char line[256];
    long kib = -1;
    while (kib < 0 && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Rss: %ld", &kib) != 1)
            kib = -1;
    }
    fclose(file);
    bench_expect(kib >= 0, "no Rss in /proc/self/smaps_rollup");
    return (double)kib * 1024;
}

/* ---- the program ---- */

static const bench_scenario *find(const char *name, const bench_scenario *scenarios, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    }
    return NULL;
}

static int usage(const char *program, const bench_scenario *scenarios, size_t count)
{
    fprintf(stderr, "usage: %s nng|ring [SCENARIO…]\nscenarios:", program);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int bench_main(int argc, char **argv, const bench_scenario *scenarios, size_t count)
{
    troupe_log_set_level(TROUPE_LOG_WARN);
    if (argc < 2)
        return usage(argv[0], scenarios, count);
    if (argc == 2) {
        for (size_t i = 0; i < count; i++)
            scenarios[i].run(argv[1]);
    }
    for (int i = 2; i < argc; i++) {
        const bench_scenario *scenario = find(argv[i], scenarios, count);
        if (scenario == NULL)
            return usage(argv[0], scenarios, count);
        scenario->run(argv[1]);
    }
    return 0;
}
