/* SPDX-License-Identifier: MIT */
/** A host to be measured, in this process, and one guest that calls its actors. Whatever fails ends
 * the program. */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "troupe/host.h"

#define BENCH_TIMEOUT_MS 120000

typedef struct bench_host {
    troupe_host *host;
    troupe_system *system;
    troupe_guest *guest;
    const char *lane;
    const char *store;        /* ":memory:" unless set before bench_host_start */
    const char *bodies;       /* "none" unless set */
    uint64_t store_bytes_max; /* the default unless set */
    int started;              /* calls that are not answered */
} bench_host;

/** First in main: runs as a keeper if it is to, blocks signals; the lane from BENCH_LANE. */
void bench_init(bench_host *bench, int argc, char **argv);
/** A host that records. */
void bench_host_start(bench_host *bench);
void bench_host_stop(bench_host *bench);
/** Launch a browser; its id, to be freed. */
char *bench_launch(bench_host *bench);
/** Attach to a port; the browser's id, to be freed. */
char *bench_attach(bench_host *bench, const char *port);
/** Call and wait. payload: freed. The result as a value (NULL: nil), to be released. */
json_t *bench_call(bench_host *bench, troupe_address to, const char *verb, troupe_buffer *payload);
/** Likewise an RPC method. params: taken. */
json_t *bench_call_json(bench_host *bench, const char *name, const char *method, json_t *params);
/** Start an RPC method. params: taken. */
void bench_start_json(bench_host *bench, const char *name, const char *method, json_t *params);
/** Wait for one of those that were started; or for all. */
void bench_await_one(bench_host *bench);
void bench_await_all(bench_host *bench);
double bench_now_us(void);
void bench_fail(const char *what, const troupe_answer *answer);

#endif
