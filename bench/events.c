/* SPDX-License-Identifier: MIT */
/*
 * Events recorded a second, beside a bare loop of inserts. Prints one JSON line.
 *
 *   bench_events record FILE REQUESTS BODIES   a host records what a peer plays into that new file;
 *                                              BODIES: all or none
 *   bench_events retain FILE REQUESTS MIB      the same, in twenty batches, with that bound
 *   bench_events insert FILE NEW_FILE          the rows of that file, read into memory, are put
 * into a new one of the same schema: one prepared insert for each table, 2,000 rows a transaction
 *
 *   CHROMIUM: bench_peer
 *   BENCH_LANE: the lane (nng)
 */
#include "host.h"

#include "actors/store/schema.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define EVENTS_OF_ONE 6
#define TRANSACTION   2000

static bench_host bench;

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* --- recording ------------------------------------------------------------------------------- */

static json_t *call_empty(const char *name, const char *verb)
{
    troupe_buffer nil = {0};
    (void)troupe_pack(&nil, "n");
    return bench_call(&bench, troupe_whereis(bench.system, name), verb, &nil);
}

static long long stat_of(const char *name)
{
    json_t *stats = call_empty(NAME_STORE, VERB_STORE_STATS);
    long long value = json_integer_value(json_object_get(stats, name));
    json_decref(stats);
    return value;
}

static long long first_of(const char *sql)
{
    json_t *result =
        bench_call_json(&bench, NAME_QUERY, "query.sql", json_pack("{s:s}", "sql", sql));
    json_t *row = json_array_get(json_object_get(result, "rows"), 0);
    long long value = json_integer_value(json_array_get(row, 0));
    json_decref(result);
    return value;
}

static void await(const char *name, long long count)
{
    for (int tries = 0; stat_of(name) + first_of("SELECT coalesce(sum(count),0) FROM gap") < count;
         tries++) {
        struct timespec pause = {0, 20000000};
        if (tries > 3000)
            bench_fail("not recorded in a minute", NULL);
        nanosleep(&pause, NULL);
    }
}

static void play(const char *browser, long long requests)
{
    char name[300];
    char params[64];
    troupe_buffer payload = {0};
    snprintf(name, sizeof name, NAME_BROWSER "%s", browser);
    snprintf(params, sizeof params, "{\"count\":%lld}", requests);
    (void)troupe_pack(&payload, "[s,n,j#]", "Peer.network", params, strlen(params));
    json_decref(
        bench_call(&bench, troupe_whereis(bench.system, name), "browser.command", &payload));
}

/* A host that records into that file, and a peer with one page; the browser's id, to be freed. */
static char *start_host(const char *file)
{
    bench.store = file;
    bench_host_start(&bench);
    char *browser = bench_launch(&bench);
    json_decref(bench_call_json(&bench, NAME_CONNECTIONS, "open",
                                json_pack("{s:s}", "url", "about:blank")));
    return browser;
}

static void record(const char *file, long long requests, const char *bodies)
{
    bench.bodies = bodies;
    char *browser = start_host(file);
    json_decref(call_empty(NAME_STORE, VERB_STORE_SYNC));
    long long before = stat_of("events");
    double cpu = cpu_us();
    double start = bench_now_us();
    play(browser, requests);
    await("events", before + requests * EVENTS_OF_ONE);
    json_decref(call_empty(NAME_STORE, VERB_STORE_SYNC));
    double wall = bench_now_us() - start;
    if (strcmp(bodies, "none") != 0)
        await("bodies", requests);
    double with_bodies = bench_now_us() - start;
    double n = (double)(requests * EVENTS_OF_ONE);
    printf("{\"measure\":\"record\",\"bodies\":\"%s\",\"lane\":\"%s\",\"events\":%.0f,\"wall_ms\":%"
           ".0f,"
           "\"per_s\":%.0f,\"cpu_us\":%.2f,\"with_bodies_ms\":%.0f,\"lost\":%lld,\"requests\":%lld,"
           "\"complete\":%lld,\"mib\":%.1f}\n",
           bodies, bench.lane, n, wall / 1e3, n / wall * 1e6, (cpu_us() - cpu) / n,
           with_bodies / 1e3, first_of("SELECT coalesce(sum(count),0) FROM gap"),
           first_of("SELECT count(*) FROM request"),
           first_of("SELECT count(*) FROM request WHERE state='complete'"),
           (double)stat_of("bytes") / 1048576);
    free(browser);
    bench_host_stop(&bench);
}

/* --- within bounds --------------------------------------------------------------------------- */

#define RETAIN_BATCHES 20

/* Rows that are not whole. */
static long long broken(void)
{
    return first_of(
        "SELECT (SELECT count(*) FROM response WHERE request NOT IN (SELECT id FROM request))"
        "+(SELECT count(*) FROM request WHERE chain NOT IN (SELECT id FROM request))"
        "+(SELECT count(*) FROM event WHERE request NOT IN (SELECT id FROM request))"
        "+(SELECT count(*) FROM (SELECT r.id FROM request r LEFT JOIN event e"
        " ON e.request=r.chain WHERE r.id%97=0 GROUP BY r.id HAVING count(e.id)<>6))");
}

/* Many times the bound is played; the store stays below it, and lists are answered meanwhile. */
static void retain(const char *file, long long requests, uint64_t bytes_max)
{
    double slowest_us = 0;
    double largest = 0;
    bench.store_bytes_max = bytes_max;
    char *browser = start_host(file);
    double start = bench_now_us();
    for (int i = 0; i < RETAIN_BATCHES; i++) {
        play(browser, requests / RETAIN_BATCHES);
        double asked = bench_now_us();
        json_decref(
            bench_call_json(&bench, NAME_NETWORK, "network", json_pack("{s:i}", "limit", 50)));
        double took = bench_now_us() - asked;
        double bytes = (double)stat_of("bytes");
        slowest_us = took > slowest_us ? took : slowest_us;
        largest = bytes > largest ? bytes : largest;
    }
    double wall = bench_now_us() - start;
    printf("{\"measure\":\"retain\",\"events\":%lld,\"per_s\":%.0f,\"bound_mib\":%.0f,"
           "\"largest_mib\":%.1f,\"slowest_list_ms\":%.1f,\"lost\":%lld,\"broken\":%lld,"
           "\"requests_left\":%lld}\n",
           requests * EVENTS_OF_ONE, (double)(requests * EVENTS_OF_ONE) / wall * 1e6,
           (double)bytes_max / 1048576, largest / 1048576, slowest_us / 1e3,
           first_of("SELECT coalesce(sum(count),0) FROM gap"), broken(),
           first_of("SELECT count(*) FROM request"));
    free(browser);
    bench_host_stop(&bench);
}

/* --- inserting ------------------------------------------------------------------------------- */

typedef struct table {
    const char *name;
    int columns;
    size_t count;
    sqlite3_value **values; /* columns of rows, one after the other */
} table;

static void need(int code, sqlite3 *db)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

static void read_table(sqlite3 *db, table *into)
{
    char sql[80];
    sqlite3_stmt *rows;
    snprintf(sql, sizeof sql, "SELECT * FROM %s", into->name);
    need(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), db);
    into->columns = sqlite3_column_count(rows);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        if ((into->count & (into->count - 1)) == 0) {
            size_t room = into->count == 0 ? 1 : into->count * 2;
            into->values =
                realloc(into->values, room * (size_t)into->columns * sizeof *into->values);
            if (into->values == NULL)
                abort();
        }
        for (int i = 0; i < into->columns; i++)
            into->values[into->count * (size_t)into->columns + (size_t)i] =
                sqlite3_value_dup(sqlite3_column_value(rows, i));
        into->count++;
    }
    sqlite3_finalize(rows);
}

static sqlite3_stmt *insert_into(sqlite3 *db, const table *from)
{
    char sql[256];
    sqlite3_stmt *statement;
    int n = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES(?", from->name);
    for (int i = 1; i < from->columns; i++)
        n += snprintf(sql + n, sizeof sql - (size_t)n, ",?");
    snprintf(sql + n, sizeof sql - (size_t)n, ")");
    need(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), db);
    return statement;
}

static void insert_row(sqlite3 *db, sqlite3_stmt *statement, const table *from, size_t row)
{
    for (int i = 0; i < from->columns; i++)
        sqlite3_bind_value(statement, i + 1, from->values[row * (size_t)from->columns + (size_t)i]);
    need(sqlite3_step(statement), db);
    sqlite3_reset(statement);
}

static void insert(const char *from_file, const char *to_file)
{
    table tables[] = {{.name = "event"}, {.name = "request"}, {.name = "response"}};
    sqlite3_stmt *statements[3];
    sqlite3 *from;
    sqlite3 *to;
    troupe_reason reason = {""};
    if (schema_open_reader(from_file, &from, &reason) != TROUPE_OK ||
        schema_make_file(to_file, &reason) != TROUPE_OK ||
        schema_open_writer(to_file, &to, &reason) != TROUPE_OK) {
        fprintf(stderr, "%s\n", reason.text);
        exit(1);
    }
    for (size_t i = 0; i < 3; i++) {
        read_table(from, &tables[i]);
        statements[i] = insert_into(to, &tables[i]);
    }
    size_t next[3] = {0};
    size_t rows = 0;
    double start = bench_now_us();
    while (next[0] < tables[0].count) {
        need(sqlite3_exec(to, "BEGIN IMMEDIATE", NULL, NULL, NULL), to);
        for (size_t n = 0; n < TRANSACTION && next[0] < tables[0].count; n++, rows++)
            insert_row(to, statements[0], &tables[0], next[0]++);
        for (size_t i = 1; i < 3; i++) { /* their share */
            size_t until = tables[i].count * next[0] / tables[0].count;
            for (; next[i] < until; rows++)
                insert_row(to, statements[i], &tables[i], next[i]++);
        }
        need(sqlite3_exec(to, "COMMIT", NULL, NULL, NULL), to);
    }
    double wall = bench_now_us() - start;
    printf("{\"measure\":\"insert\",\"events\":%zu,\"rows\":%zu,\"wall_ms\":%.0f,\"per_s\":%.0f}\n",
           tables[0].count, rows, wall / 1e3, (double)tables[0].count / wall * 1e6);
}

int main(int argc, char **argv)
{
    bench_init(&bench, argc, argv);
    if (argc == 5 && strcmp(argv[1], "record") == 0) {
        record(argv[2], atoll(argv[3]), argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "retain") == 0) {
        retain(argv[2], atoll(argv[3]), (uint64_t)atoll(argv[4]) << 20);
    } else if (argc == 4 && strcmp(argv[1], "insert") == 0) {
        insert(argv[2], argv[3]);
    } else {
        fprintf(stderr, "usage: bench_events record FILE REQUESTS BODIES | retain FILE REQUESTS MIB"
                        " | insert FILE NEW_FILE\n");
        return 2;
    }
    return 0;
}
