/* SPDX-License-Identifier: MIT */
/* Rows in an array that grows; an index of fixed size, half empty at the most. */
#include "browser_metrics.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_SIZE  2048u /* a power of two above 2 * METRICS_METHODS */
#define ROWS_START  16u
#define FIRST_SHIFT 4 /* the first bucket ends at 16 µs */

troupe_error metrics_init(metrics_table *table)
{
    *table = (metrics_table){.capacity = ROWS_START, .count = 1};
    table->rows = calloc(ROWS_START, sizeof *table->rows);
    table->index = calloc(INDEX_SIZE, sizeof *table->index);
    if (table->rows == NULL || table->index == NULL) {
        metrics_fini(table);
        return TROUPE_ENOMEM;
    }
    memcpy(table->rows[METRICS_OTHER].name, "other", sizeof "other");
    return TROUPE_OK;
}

void metrics_fini(metrics_table *table)
{
    free(table->rows);
    free(table->index);
    table->rows = NULL;
    table->index = NULL;
}

static uint32_t hash(const char *text, size_t len)
{
    uint64_t key = len;
    while (len > 0) {
        uint64_t word = 0;
        size_t take = len < sizeof word ? len : sizeof word;
        memcpy(&word, text, take);
        key = (key ^ word) * 0x9e3779b97f4a7c15u;
        text += take;
        len -= take;
    }
    return (uint32_t)(key >> 32);
}

/* 0: no room. */
static uint32_t add_row(metrics_table *table, const char *method, size_t len)
{
    if (table->count > METRICS_METHODS) {
        return METRICS_OTHER;
    }
    if (table->count == table->capacity) {
        metrics_method *more = realloc(table->rows, 2u * table->capacity * sizeof *more);
        if (more == NULL) {
            return METRICS_OTHER;
        }
        table->rows = more;
        table->capacity *= 2;
    }
    metrics_method *row = &table->rows[table->count];
    *row = (metrics_method){.len = (uint8_t)len, .class = (uint8_t)command_class_of(method, len)};
    memcpy(row->name, method, len);
    return table->count++;
}

uint32_t metrics_row(metrics_table *table, const char *method, size_t len)
{
    if (len >= METRICS_METHOD_MAX || len == 0) {
        return METRICS_OTHER;
    }
    uint32_t at = hash(method, len) & (INDEX_SIZE - 1);
    while (table->index[at] != 0) {
        const metrics_method *row = &table->rows[table->index[at]];
        if (row->len == len && memcmp(row->name, method, len) == 0) {
            return table->index[at];
        }
        at = (at + 1) & (INDEX_SIZE - 1);
    }
    uint32_t made = add_row(table, method, len);
    table->index[at] = (uint16_t)made;
    return made;
}

command_class metrics_class(const metrics_table *table, uint32_t row, const char *method,
                            size_t len)
{
    return row != METRICS_OTHER ? (command_class)table->rows[row].class
                                : command_class_of(method, len);
}

unsigned metrics_bucket(uint64_t latency_us)
{
    if (latency_us <= 1u << FIRST_SHIFT) {
        return 0;
    }
    unsigned octave = 63u - (unsigned)__builtin_clzll(latency_us - 1);
    unsigned half = (unsigned)((latency_us - 1) >> (octave - 1)) & 1u;
    unsigned bucket = 2 * (octave - FIRST_SHIFT) + 1 + half;
    return bucket < METRICS_BUCKETS ? bucket : METRICS_BUCKETS - 1;
}

uint64_t metrics_bound_us(unsigned bucket)
{
    if (bucket >= METRICS_BUCKETS - 1) {
        return UINT64_MAX;
    }
    return bucket % 2 == 0 ? (uint64_t)16 << (bucket / 2) : (uint64_t)24 << (bucket / 2);
}

void metrics_answered(metrics_method *row, uint64_t latency_ns, size_t bytes_in, int failed)
{
    uint64_t latency_us = latency_ns / 1000;
    row->answered++;
    row->errors += failed != 0;
    row->bytes_in += bytes_in;
    row->latency_us += latency_us;
    row->latencies[metrics_bucket(latency_us)]++;
    if (latency_us > row->latency_max_us) {
        row->latency_max_us = latency_us;
    }
}

uint64_t metrics_quantile_us(const metrics_method *row, double fraction)
{
    uint64_t wanted = (uint64_t)(fraction * (double)row->answered + 0.5);
    uint64_t seen = 0;
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        seen += row->latencies[i];
        if (seen >= wanted && seen > 0) {
            uint64_t bound = metrics_bound_us(i);
            return bound < row->latency_max_us ? bound : row->latency_max_us;
        }
    }
    return 0;
}

static double ms(uint64_t us)
{
    return (double)us / 1e3;
}

static json_t *histogram_json(const metrics_method *row)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        uint64_t bound = metrics_bound_us(i);
        if (row->latencies[i] > 0) {
            json_array_append_new(
                list, json_pack("[o, I]",
                                bound != UINT64_MAX ? json_integer((json_int_t)bound) : json_null(),
                                (json_int_t)row->latencies[i]));
        }
    }
    return list;
}

static json_t *method_json(const metrics_method *row)
{
    uint64_t mean = row->answered > 0 ? row->latency_us / row->answered : 0;
    json_t *latency =
        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "mean", ms(mean), "p50",
                  ms(metrics_quantile_us(row, 0.5)), "p90", ms(metrics_quantile_us(row, 0.9)),
                  "p99", ms(metrics_quantile_us(row, 0.99)), "max", ms(row->latency_max_us), "sum",
                  ms(row->latency_us));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "sent", (json_int_t)row->sent,
                     "answered", (json_int_t)row->answered, "errors", (json_int_t)row->errors,
                     "timeouts", (json_int_t)row->timeouts, "bytes_out", (json_int_t)row->bytes_out,
                     "bytes_in", (json_int_t)row->bytes_in, "latency_ms", latency, "latency",
                     histogram_json(row));
}

json_t *metrics_json(const metrics_table *table)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < table->count; i++) {
        const metrics_method *row = &table->rows[i];
        if (row->sent > 0 || row->timeouts > 0) {
            json_object_set_new(all, row->name, method_json(row));
        }
    }
    return all;
}
