/* SPDX-License-Identifier: MIT */
/*
 * CDP commands through the host's C call path: a guest calls the browser actor (Browser.getVersion)
 * or a target actor (js), one by one and many in flight. Prints one JSON line a measure.
 *
 *   bench_commands attach PORT [LANE]   on a browser (or bench_peer) that listens there
 *   bench_commands pipe [LANE]          on one that the host launches
 *   BENCH_COUNT: how many with 100 in flight (40000)
 */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "troupe/host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ONE_COUNT  3000
#define IN_FLIGHT  100
#define TIMEOUT_MS 30000

typedef struct subject {
    troupe_address to;
    const char *verb;
    troupe_buffer payload;
    const char *name;
} subject;

static const char *transport;
static int many_count = 40000;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void fail(const char *what, const troupe_answer *answer)
{
    fprintf(stderr, "bench_commands: %s: %s\n", what,
            answer != NULL && answer->message != NULL ? answer->message : "failed");
    exit(1);
}

static json_t *call_json(troupe_guest *guest, troupe_address to, const char *verb, json_t *params)
{
    troupe_buffer payload = {0};
    troupe_answer answer = {0};
    if (json_pack_payload(&payload, params) != TROUPE_OK) {
        fail(verb, NULL);
    }
    json_decref(params);
    if (troupe_guest_call(guest, to, verb, NULL, troupe_buffer_bytes(&payload), TIMEOUT_MS,
                          &answer) != TROUPE_OK) {
        fail(verb, &answer);
    }
    json_t *result = json_payload(answer.payload);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return result;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void one_by_one(troupe_guest *guest, const subject *what)
{
    static double took[ONE_COUNT];
    double start = now_us();
    for (int i = 0; i < ONE_COUNT; i++) {
        double before = now_us();
        troupe_answer answer = {0};
        if (troupe_guest_call(guest, what->to, what->verb, NULL,
                              troupe_buffer_bytes(&what->payload), TIMEOUT_MS,
                              &answer) != TROUPE_OK) {
            fail(what->name, &answer);
        }
        troupe_answer_fini(&answer);
        took[i] = now_us() - before;
    }
    double whole = now_us() - start;
    qsort(took, ONE_COUNT, sizeof *took, by_value);
    printf("{\"client\":\"troupe %s\",\"method\":\"%s\",\"mode\":\"one\",\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"per_s\":%.0f}\n",
           transport, what->name, took[ONE_COUNT / 2], took[ONE_COUNT * 99 / 100],
           ONE_COUNT / whole * 1e6);
}

static void start_calls(troupe_guest *guest, const subject *what, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t ref;
        if (troupe_guest_call_start(guest, what->to, what->verb, NULL,
                                    troupe_buffer_bytes(&what->payload), TIMEOUT_MS, NULL,
                                    &ref) != TROUPE_OK) {
            fail(what->name, NULL);
        }
    }
}

static void many(troupe_guest *guest, const subject *what)
{
    int started = IN_FLIGHT;
    int done = 0;
    double start = now_us();
    start_calls(guest, what, started);
    while (done < many_count) {
        troupe_answer answer = {0};
        int got = 0;
        uint32_t wait_ms = TIMEOUT_MS;
        while (troupe_guest_wait(guest, wait_ms, &answer) == TROUPE_OK) {
            if (answer.error != TROUPE_OK) {
                fail(what->name, &answer);
            }
            troupe_answer_fini(&answer);
            got++;
            wait_ms = 0;
        }
        if (got == 0) {
            fail(what->name, NULL);
        }
        done += got;
        int more = many_count - started < got ? many_count - started : got;
        start_calls(guest, what, more);
        started += more;
    }
    double whole = now_us() - start;
    printf("{\"client\":\"troupe %s\",\"method\":\"%s\",\"mode\":\"many\",\"per_s\":%.0f}\n",
           transport, what->name, many_count / whole * 1e6);
}

static void measure(troupe_guest *guest, const subject *what)
{
    one_by_one(guest, what);
    many(guest, what);
}

/* The browser's id once it is there. */
static char *make_browser(troupe_guest *guest, troupe_system *system, const char *port)
{
    troupe_address launcher = troupe_whereis(system, NAME_LAUNCHER);
    json_t *made;
    const char *id;
    if (port != NULL) {
        made = call_json(guest, launcher, "ports.add", json_pack("{s:i}", "port", atoi(port)));
        id = json_string_value(json_object_get(made, "browser"));
    } else {
        made = call_json(guest, launcher, "browsers.launch", json_object());
        id = json_string_value(
            json_object_get(json_array_get(json_object_get(made, "browsers"), 0), "browser"));
    }
    char *copy = id != NULL ? strdup(id) : NULL;
    json_decref(made);
    return copy;
}

static void run(troupe_host *started, const char *port)
{
    troupe_system *system = troupe_host_system(started);
    troupe_guest *guest;
    if (troupe_guest_create(system, &guest) != TROUPE_OK) {
        fail("guest", NULL);
    }
    char *browser = make_browser(guest, system, port);
    json_t *page = call_json(guest, troupe_whereis(system, NAME_CONNECTIONS), "open",
                             json_pack("{s:s, s:s}", "url", "about:blank", "browser", browser));
    char name[300];
    snprintf(name, sizeof name, NAME_BROWSER "%s", browser);
    subject version = {troupe_whereis(system, name), "browser.command", {0}, "Browser.getVersion"};
    (void)troupe_pack(&version.payload, "[s,n,n]", "Browser.getVersion");
    snprintf(name, sizeof name, NAME_TARGET "%s",
             json_string_value(json_object_get(page, "target")));
    subject script = {troupe_whereis(system, name), "js", {0}, "Runtime.evaluate"};
    const char *code = "{\"code\":\"1+1\",\"persist\":true}";
    (void)troupe_pack(&script.payload, "j#", code, strlen(code));
    measure(guest, &version);
    measure(guest, &script);
    json_decref(call_json(guest, troupe_whereis(system, NAME_CONNECTIONS), "close",
                          json_pack("{s:O}", "target", json_object_get(page, "target"))));
    troupe_buffer_fini(&version.payload);
    troupe_buffer_fini(&script.payload);
    json_decref(page);
    free(browser);
    troupe_guest_destroy(guest);
}

int main(int argc, char **argv)
{
    troupe_host_keeper_main(argc, argv);
    if (argc < 2 || (strcmp(argv[1], "attach") == 0 && argc < 3)) {
        fprintf(stderr, "usage: bench_commands attach PORT [LANE] | pipe [LANE]\n");
        return 2;
    }
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    troupe_host_options options;
    troupe_host_options_default(&options);
    options.store = ":memory:";
    options.listen = "127.0.0.1:0";
    bool attach = strcmp(argv[1], "attach") == 0 && argc > 2;
    const char *port = attach ? argv[2] : NULL;
    const char *lane = argc > 2 + attach ? argv[2 + attach] : NULL;
    if (lane != NULL)
        options.mailbox = lane;
    const char *count = getenv("BENCH_COUNT");
    if (count != NULL)
        many_count = atoi(count) > IN_FLIGHT ? atoi(count) : IN_FLIGHT;
    char name[32];
    snprintf(name, sizeof name, "%s%s%s", attach ? "ws" : "pipe", lane != NULL ? " " : "",
             lane != NULL ? lane : "");
    transport = name;
    troupe_reason reason = {{0}};
    troupe_host *started;
    troupe_log_set_level(TROUPE_LOG_WARN);
    if (troupe_host_start(&options, &started, &reason) != TROUPE_OK) {
        fprintf(stderr, "bench_commands: %s\n", reason.text);
        return 1;
    }
    run(started, port);
    troupe_host_stop(started);
    return 0;
}
