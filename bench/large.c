/* SPDX-License-Identifier: MIT */
/*
 * Large results through the host: one call at a time, by a guest. Prints one JSON line a size.
 *
 *   bench_large peer PORT|pipe        Peer.answer of bench_peer, from the browser actor
 *   bench_large chromium PORT|pipe    Runtime.evaluate of a long string, by RPC `cdp` of a target
 *   BENCH_LANE: the lane (nng)
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define TIMES_MAX 64

typedef struct subject {
    troupe_address to;
    const char *verb;
    bool chromium;
} subject;

static bench_host bench;
static const char *transport;

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void pack_request(const subject *what, size_t size, troupe_buffer *out)
{
    char params[200];
    if (what->chromium) {
        int len = snprintf(params, sizeof params,
                           "{\"command\":\"Runtime.evaluate\",\"params\":{\"expression\":"
                           "\"'x'.repeat(%zu)\",\"returnByValue\":true}}",
                           size);
        (void)troupe_pack(out, "j#", params, (size_t)len);
    } else {
        int len = snprintf(params, sizeof params, "{\"size\":%zu,\"kind\":\"string\"}", size);
        (void)troupe_pack(out, "[s,n,j#]", "Peer.answer", params, (size_t)len);
    }
}

static double ask(const subject *what, size_t size)
{
    troupe_buffer payload = {0};
    troupe_answer answer = {0};
    pack_request(what, size, &payload);
    double start = bench_now_us();
    if (troupe_guest_call(bench.guest, what->to, what->verb, NULL, troupe_buffer_bytes(&payload),
                          BENCH_TIMEOUT_MS, &answer) != TROUPE_OK)
        bench_fail(what->verb, &answer);
    double took = bench_now_us() - start;
    if (answer.payload.len < size - 64)
        bench_fail("the answer is short", NULL);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return took;
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void measure(const subject *what, size_t mib, int times)
{
    double took[TIMES_MAX];
    size_t size = mib << 20;
    (void)ask(what, size);
    double cpu = cpu_us();
    for (int i = 0; i < times; i++)
        took[i] = ask(what, size);
    cpu = cpu_us() - cpu;
    qsort(took, (size_t)times, sizeof *took, by_value);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"client\":\"troupe %s\",\"mib\":%zu,\"ms\":%.2f,\"cpu_ms\":%.2f,\"peak_mib\":%.0f}\n",
           transport, mib, took[times / 2] / 1e3, cpu / times / 1e3,
           (double)usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    bench_init(&bench, argc, argv);
    if (argc != 3) {
        fprintf(stderr, "usage: bench_large peer|chromium PORT|pipe\n");
        return 2;
    }
    bool pipe = strcmp(argv[2], "pipe") == 0;
    transport = pipe ? "pipe" : "ws";
    bench_host_start(&bench);
    char *id = pipe ? bench_launch(&bench) : bench_attach(&bench, argv[2]);
    char name[300];
    subject what = {.chromium = strcmp(argv[1], "chromium") == 0};
    if (what.chromium) {
        json_t *page =
            bench_call_json(&bench, NAME_CONNECTIONS, "open",
                            json_pack("{s:s, s:s}", "url", "about:blank", "browser", id));
        snprintf(name, sizeof name, NAME_TARGET "%s",
                 json_string_value(json_object_get(page, "target")));
        json_decref(page);
    } else {
        snprintf(name, sizeof name, NAME_BROWSER "%s", id);
    }
    what.verb = what.chromium ? "cdp" : "browser.command";
    what.to = troupe_whereis(bench.system, name);
    measure(&what, 1, 40);
    measure(&what, 16, 10);
    measure(&what, 64, 6);
    free(id);
    bench_host_stop(&bench);
    return 0;
}
