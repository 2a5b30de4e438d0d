/* SPDX-License-Identifier: MIT */
/**
 * What a browser actor counts: of each CDP method how often, how long, how large, and how it ended.
 * A method's row is found in O(1); at most METRICS_METHODS have a row of their own, the rest share
 * the row "other". One owner, no locks.
 */
#ifndef TROUPE_ACTORS_BROWSER_BROWSER_METRICS_H
#define TROUPE_ACTORS_BROWSER_BROWSER_METRICS_H

#include "command_class.h"
#include "troupe/error.h"

#include <jansson.h>
#include <stdint.h>

#define METRICS_METHODS    512u
#define METRICS_METHOD_MAX 64 /* bytes of a name, with NUL; longer ones are "other" */
#define METRICS_BUCKETS    46 /* of a latency histogram */
#define METRICS_OTHER      0u /* the row of methods without a row */

/** Two buckets an octave: 16, 24, 32, 48 … µs, 67 s; the last holds what is beyond. */
typedef struct metrics_method {
    char name[METRICS_METHOD_MAX];
    uint8_t len;
    uint8_t class; /* a command_class */
    uint64_t sent;
    uint64_t answered; /* errors included */
    uint64_t errors;
    uint64_t timeouts;
    uint64_t bytes_out; /* of whole messages */
    uint64_t bytes_in;
    uint64_t latency_us; /* sum, from handing to the stream until the answer is read */
    uint64_t latency_max_us;
    uint64_t latencies[METRICS_BUCKETS];
} metrics_method;

typedef struct metrics_table {
    metrics_method *rows; /* count of them; METRICS_OTHER is always there */
    uint32_t count;
    uint32_t capacity;
    uint16_t *index; /* open addressing: row, 0 = free */
} metrics_table;

troupe_error metrics_init(metrics_table *table) TROUPE_MUST_USE;
void metrics_fini(metrics_table *table);

/** The row of a method: made if there is room, else METRICS_OTHER. Rows stay where they are by
 * number, not by address. */
uint32_t metrics_row(metrics_table *table, const char *method, size_t len);

/** The class of a method whose row that is. */
command_class metrics_class(const metrics_table *table, uint32_t row, const char *method,
                            size_t len);

/** Count an answer. */
void metrics_answered(metrics_method *row, uint64_t latency_ns, size_t bytes_in, int failed);

/** Where a latency belongs. */
unsigned metrics_bucket(uint64_t latency_us);
/** The largest latency of a bucket in µs; UINT64_MAX of the last. */
uint64_t metrics_bound_us(unsigned bucket);
/** The latency that the fraction (0 to 1) of all answers does not exceed, in µs: a bucket's bound,
 * or the longest there was. 0 without answers. */
uint64_t metrics_quantile_us(const metrics_method *row, double fraction);

/** All methods: {name: {sent, answered, errors, timeouts, bytes_out, bytes_in, latency_ms: {mean,
 * p50, p90, p99, max}, latency: [[le_us, count] …]}}: of latency the buckets that are not empty,
 * the last with le_us null. New reference. */
json_t *metrics_json(const metrics_table *table);

#endif
