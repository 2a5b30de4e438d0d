/* SPDX-License-Identifier: MIT */
/*
 * Many targets on one host. Prints one JSON line a measure.
 *
 *   bench_targets events COUNT…          so many targets on a peer: memory, cost of an event
 *   bench_targets pages BROWSERS PAGES   so many pages over real browsers
 *
 *   CHROMIUM: the browser; for `events` it is to be bench_peer
 *   BENCH_LANE: the lane (nng); BENCH_EVENTS: events a measure (200000)
 *
 * The cost of an event is the host's CPU time (all threads, from the scheduler's own account) from
 * the first to the last of a burst, until the store has committed it, divided by their number; the
 * share of each kind of actor is told apart by the names of threads.
 */
#include "host.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EVENT_BYTES 300
#define SETTLE_MS   20
#define ROUNDS      3
#define OPENING_MAX 12 /* pages that are opened at once */

static bench_host bench;
static int events = 200000;

/* --- what the host costs -------------------------------------------------------------------- */

typedef struct cost {
    double cpu_us;     /* all threads */
    double browser_us; /* the browser actor */
    double target_us;  /* target actors */
    double store_us;
    double other_us; /* nng's threads, when they are not named, are here */
} cost;

static bool read_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    bool ok = file != NULL && fgets(out, (int)size, file) != NULL;
    if (file != NULL)
        fclose(file);
    return ok;
}

static void add_thread(cost *sum, const char *tid)
{
    char path[300];
    char name[64];
    char account[128];
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    if (!read_line(path, name, sizeof name))
        return;
    snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", tid);
    if (!read_line(path, account, sizeof account))
        return;
    double us = strtod(account, NULL) / 1e3;
    sum->cpu_us += us;
    if (strncmp(name, "browser/", 8) == 0)
        sum->browser_us += us;
    else if (strncmp(name, "target/", 7) == 0)
        sum->target_us += us;
    else if (strncmp(name, "store", 5) == 0)
        sum->store_us += us;
    else
        sum->other_us += us;
}

static cost cost_now(void)
{
    cost sum = {0};
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] != '.')
            add_thread(&sum, task->d_name);
    }
    closedir(tasks);
    return sum;
}

static long status_field(const char *name)
{
    char line[256];
    long value = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name) + 1, NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    return value;
}

/* Resident memory without what the store keeps of :memory:, KiB. */
static long host_kib(void)
{
    return status_field("VmRSS:") - (long)(sqlite3_memory_used() / 1024);
}

static void pause_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* --- targets on a peer ---------------------------------------------------------------------- */

static json_t *browser_command(troupe_address browser, const char *method, json_t *params)
{
    char *text = json_dumps(params, JSON_COMPACT);
    troupe_buffer payload = {0};
    (void)troupe_pack(&payload, "[s,n,j#]", method, text, strlen(text));
    json_t *result = bench_call(&bench, browser, "browser.command", &payload);
    free(text);
    json_decref(params);
    return result;
}

/* How many targets are connected. */
static int connected(void)
{
    json_t *status = bench_call_json(&bench, NAME_CONNECTIONS, "status", json_object());
    int count = (int)json_array_size(json_object_get(status, "connected"));
    json_decref(status);
    return count;
}

static void await_connected(int count)
{
    for (int tries = 0; connected() < count; tries++) {
        if (tries > 3000)
            bench_fail("targets are not connected in a minute", NULL);
        pause_ms(SETTLE_MS);
    }
}

static void sync_store(void)
{
    troupe_buffer nil = {0};
    (void)troupe_pack(&nil, "n");
    json_decref(bench_call(&bench, troupe_whereis(bench.system, NAME_STORE), "store.sync", &nil));
}

static long long recorded(void)
{
    troupe_buffer nil = {0};
    (void)troupe_pack(&nil, "n");
    json_t *stats =
        bench_call(&bench, troupe_whereis(bench.system, NAME_STORE), "store.stats", &nil);
    long long count = json_integer_value(json_object_get(stats, "events"));
    json_decref(stats);
    return count;
}

/* Events that gaps tell of. */
static long long lost(void)
{
    json_t *result =
        bench_call_json(&bench, NAME_QUERY, "query.sql",
                        json_pack("{s:s}", "sql", "SELECT coalesce(sum(count), 0) FROM gap"));
    json_t *row = json_array_get(json_object_get(result, "rows"), 0);
    long long count = json_integer_value(json_array_get(row, 0));
    json_decref(result);
    return count;
}

/* Until each event of a burst was recorded, or told as lost. */
static void await_recorded(long long before_events, long long before_lost)
{
    for (int tries = 0; recorded() - before_events + lost() - before_lost < events; tries++) {
        if (tries > 1500)
            bench_fail("events are neither recorded nor told as lost", NULL);
        pause_ms(SETTLE_MS);
    }
}

static void measure_events(troupe_address browser, int targets)
{
    for (int round = 0; round < ROUNDS; round++) {
        long long before_events = recorded();
        long long before_lost = lost();
        cost before = cost_now();
        double start = bench_now_us();
        json_decref(browser_command(browser, "Peer.burst",
                                    json_pack("{s:i, s:i}", "count", events, "size", EVENT_BYTES)));
        await_recorded(before_events, before_lost);
        sync_store();
        double wall = bench_now_us() - start;
        cost after = cost_now();
        double n = events;
        printf("{\"measure\":\"event\",\"targets\":%d,\"lane\":\"%s\",\"cpu_us\":%.3f,"
               "\"browser_us\":%.3f,\"target_us\":%.3f,\"store_us\":%.3f,\"other_us\":%.3f,"
               "\"per_s\":%.0f,\"missing\":%lld}\n",
               targets, bench.lane, (after.cpu_us - before.cpu_us) / n,
               (after.browser_us - before.browser_us) / n, (after.target_us - before.target_us) / n,
               (after.store_us - before.store_us) / n, (after.other_us - before.other_us) / n,
               n / wall * 1e6, lost() - before_lost);
    }
}

static void measure_targets(int count)
{
    bench_host_start(&bench);
    char *id = bench_launch(&bench);
    char name[300];
    snprintf(name, sizeof name, NAME_BROWSER "%s", id);
    troupe_address browser = troupe_whereis(bench.system, name);
    long rss = host_kib();
    long threads = status_field("Threads:");
    double start = bench_now_us();
    cost before = cost_now();
    json_decref(browser_command(browser, "Peer.targets", json_pack("{s:i}", "count", count)));
    await_connected(count);
    double wall = bench_now_us() - start;
    cost after = cost_now();
    sync_store();
    pause_ms(500);
    printf("{\"measure\":\"target\",\"targets\":%d,\"lane\":\"%s\",\"kib\":%.1f,\"threads\":%.2f,"
           "\"rss_mib\":%.1f,\"connect_us\":%.0f,\"cpu_us\":%.0f}\n",
           count, bench.lane, (double)(host_kib() - rss) / count,
           (double)(status_field("Threads:") - threads) / count,
           (double)status_field("VmRSS:") / 1024, wall / count,
           (after.cpu_us - before.cpu_us) / count);
    measure_events(browser, count);
    printf("{\"measure\":\"after\",\"targets\":%d,\"lane\":\"%s\",\"kib\":%.1f}\n", count,
           bench.lane, (double)(host_kib() - rss) / count);
    free(id);
    bench_host_stop(&bench);
}

/* --- pages of real browsers ----------------------------------------------------------------- */

static void measure_pages(int browsers, int pages)
{
    bench_host_start(&bench);
    json_decref(bench_call_json(&bench, NAME_LAUNCHER, "browsers.launch",
                                json_pack("{s:i}", "count", browsers)));
    json_t *list = bench_call_json(&bench, NAME_LAUNCHER, "browsers.list", json_object());
    json_t *ids = json_object_get(list, "browsers");
    size_t up = json_array_size(ids);
    if (up < (size_t)browsers)
        bench_fail("not all browsers came up", NULL);
    int present = connected();
    long rss = status_field("VmRSS:");
    long threads = status_field("Threads:");
    double start = bench_now_us();
    for (int i = 0; i < pages; i++) {
        if (i >= OPENING_MAX)
            bench_await_one(&bench);
        json_t *at = json_array_get(ids, (size_t)i % up);
        bench_start_json(&bench, NAME_CONNECTIONS, "open",
                         json_pack("{s:s, s:O}", "url", "about:blank", "browser",
                                   json_object_get(at, "browser")));
    }
    bench_await_all(&bench);
    double wall = bench_now_us() - start;
    int there = connected() - present;
    pause_ms(500);
    printf("{\"measure\":\"pages\",\"browsers\":%d,\"pages\":%d,\"connected\":%d,\"lane\":\"%s\","
           "\"wall_ms\":%.0f,\"kib\":%.1f,\"threads\":%.2f,\"rss_mib\":%.1f}\n",
           browsers, pages, there, bench.lane, wall / 1e3,
           (double)(status_field("VmRSS:") - rss) / pages,
           (double)(status_field("Threads:") - threads) / pages,
           (double)status_field("VmRSS:") / 1024);
    json_decref(list);
    bench_host_stop(&bench);
}

int main(int argc, char **argv)
{
    bench_init(&bench, argc, argv);
    const char *count = getenv("BENCH_EVENTS");
    events = count != NULL && atoi(count) > 0 ? atoi(count) : events;
    if (argc == 4 && strcmp(argv[1], "pages") == 0) {
        measure_pages(atoi(argv[2]), atoi(argv[3]));
        return 0;
    }
    if (argc < 3 || strcmp(argv[1], "events") != 0) {
        fprintf(stderr, "usage: bench_targets events COUNT… | pages BROWSERS PAGES\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        measure_targets(atoi(argv[i]));
    return 0;
}
