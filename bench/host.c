/* SPDX-License-Identifier: MIT */
/* A host in this process. */
#include "host.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void bench_fail(const char *what, const troupe_answer *answer)
{
    fprintf(stderr, "%s: %s\n", what,
            answer != NULL && answer->message != NULL ? answer->message : "failed");
    exit(1);
}

void bench_init(bench_host *bench, int argc, char **argv)
{
    troupe_host_keeper_main(argc, argv);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *lane = getenv("BENCH_LANE");
    *bench = (bench_host){.lane = lane != NULL ? lane : "nng"};
}

void bench_host_start(bench_host *bench)
{
    troupe_host_options options;
    troupe_host_options_default(&options);
    options.store = bench->store != NULL ? bench->store : ":memory:";
    options.bodies = bench->bodies != NULL ? bench->bodies : "none";
    if (bench->store_bytes_max != 0)
        options.store_bytes_max = bench->store_bytes_max;
    options.listen = "127.0.0.1:0";
    options.mailbox = bench->lane;
    options.attach = "all";
    troupe_reason reason = {{0}};
    troupe_log_set_level(TROUPE_LOG_WARN);
    if (troupe_host_start(&options, &bench->host, &reason) != TROUPE_OK) {
        fprintf(stderr, "%s\n", reason.text);
        exit(1);
    }
    bench->system = troupe_host_system(bench->host);
    if (troupe_guest_create(bench->system, &bench->guest) != TROUPE_OK)
        bench_fail("guest", NULL);
}

void bench_host_stop(bench_host *bench)
{
    troupe_guest_destroy(bench->guest);
    troupe_host_stop(bench->host);
}

json_t *bench_call(bench_host *bench, troupe_address to, const char *verb, troupe_buffer *payload)
{
    troupe_answer answer = {0};
    if (troupe_guest_call(bench->guest, to, verb, NULL, troupe_buffer_bytes(payload),
                          BENCH_TIMEOUT_MS, &answer) != TROUPE_OK)
        bench_fail(verb, &answer);
    json_t *result = json_payload(answer.payload);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(payload);
    return result;
}

json_t *bench_call_json(bench_host *bench, const char *name, const char *method, json_t *params)
{
    troupe_buffer payload = {0};
    if (json_pack_payload(&payload, params) != TROUPE_OK)
        bench_fail(method, NULL);
    json_decref(params);
    return bench_call(bench, troupe_whereis(bench->system, name), method, &payload);
}

void bench_start_json(bench_host *bench, const char *name, const char *method, json_t *params)
{
    troupe_buffer payload = {0};
    if (json_pack_payload(&payload, params) != TROUPE_OK ||
        troupe_guest_call_start(bench->guest, troupe_whereis(bench->system, name), method, NULL,
                                troupe_buffer_bytes(&payload), BENCH_TIMEOUT_MS, NULL,
                                NULL) != TROUPE_OK)
        bench_fail(method, NULL);
    json_decref(params);
    troupe_buffer_fini(&payload);
    bench->started++;
}

void bench_await_one(bench_host *bench)
{
    troupe_answer answer = {0};
    if (troupe_guest_wait(bench->guest, BENCH_TIMEOUT_MS, &answer) != TROUPE_OK ||
        answer.error != TROUPE_OK)
        bench_fail("call", &answer);
    troupe_answer_fini(&answer);
    bench->started--;
}

void bench_await_all(bench_host *bench)
{
    while (bench->started > 0)
        bench_await_one(bench);
}

static char *copy_of(json_t *id)
{
    char *copy = json_is_string(id) ? strdup(json_string_value(id)) : NULL;
    if (copy == NULL)
        bench_fail("no browser", NULL);
    return copy;
}

char *bench_launch(bench_host *bench)
{
    json_t *made = bench_call_json(bench, NAME_LAUNCHER, "browsers.launch", json_object());
    char *id =
        copy_of(json_object_get(json_array_get(json_object_get(made, "browsers"), 0), "browser"));
    json_decref(made);
    return id;
}

char *bench_attach(bench_host *bench, const char *port)
{
    json_t *made =
        bench_call_json(bench, NAME_LAUNCHER, "ports.add", json_pack("{s:i}", "port", atoi(port)));
    char *id = copy_of(json_object_get(made, "browser"));
    json_decref(made);
    return id;
}
