/* SPDX-License-Identifier: MIT */
/* What a browser actor counts of each method. */
#include "actors/browser/browser_metrics.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static metrics_table table;

static void open_table(void)
{
    cr_assert_eq(metrics_init(&table), TROUPE_OK);
}

static void close_table(void)
{
    metrics_fini(&table);
}

TestSuite(metrics, .init = open_table, .fini = close_table);

static uint32_t row_of(const char *method)
{
    return metrics_row(&table, method, strlen(method));
}

Test(metrics, a_method_has_one_row_and_its_class)
{
    uint32_t input = row_of("Input.insertText");
    uint32_t page = row_of("Page.navigate");
    cr_assert(input != METRICS_OTHER && page != METRICS_OTHER && input != page);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(row_of("Input.insertText"), input);
        cr_assert_eq(row_of("Page.navigate"), page);
    }
    cr_assert_eq(metrics_class(&table, input, "", 0), COMMAND_URGENT);
    cr_assert_eq(metrics_class(&table, page, "", 0), COMMAND_BULK);
    cr_assert_eq(metrics_class(&table, METRICS_OTHER, "Browser.close", 13), COMMAND_CANCEL);
}

Test(metrics, methods_beyond_the_limit_share_a_row)
{
    char name[32];
    uint32_t rows[METRICS_METHODS];
    for (unsigned i = 0; i < METRICS_METHODS; i++) {
        snprintf(name, sizeof name, "Domain.method%u", i);
        rows[i] = row_of(name);
        cr_assert_neq(rows[i], METRICS_OTHER, "%u", i);
    }
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "Other.method%u", i);
        cr_assert_eq(row_of(name), METRICS_OTHER);
    }
    for (unsigned i = 0; i < METRICS_METHODS; i++) {
        snprintf(name, sizeof name, "Domain.method%u", i);
        cr_assert_eq(row_of(name), rows[i]);
        cr_assert_str_eq(table.rows[rows[i]].name, name);
    }
}

Test(metrics, names_too_long_or_empty_share_a_row)
{
    char name[METRICS_METHOD_MAX + 1];
    memset(name, 'A', sizeof name);
    cr_assert_eq(metrics_row(&table, name, METRICS_METHOD_MAX), METRICS_OTHER);
    cr_assert_neq(metrics_row(&table, name, METRICS_METHOD_MAX - 1), METRICS_OTHER);
    cr_assert_eq(metrics_row(&table, name, 0), METRICS_OTHER);
}

Test(metrics, each_latency_is_in_the_bucket_whose_bound_it_does_not_exceed)
{
    for (uint64_t us = 0; us < 300000000; us = us < 5000 ? us + 1 : us + us / 97) {
        unsigned bucket = metrics_bucket(us);
        cr_assert_lt(bucket, METRICS_BUCKETS);
        cr_assert_leq(us, metrics_bound_us(bucket), "%llu", (unsigned long long)us);
        cr_assert(bucket == 0 || us > metrics_bound_us(bucket - 1), "%llu", (unsigned long long)us);
    }
    cr_assert_eq(metrics_bound_us(0), 16);
    cr_assert_eq(metrics_bound_us(METRICS_BUCKETS - 2), (uint64_t)1 << 26);
    cr_assert_eq(metrics_bucket(UINT64_MAX), METRICS_BUCKETS - 1);
}

Test(metrics, quantiles_are_bounds_of_buckets_and_never_above_the_longest)
{
    metrics_method *row = &table.rows[row_of("A.b")];
    cr_assert_eq(metrics_quantile_us(row, 0.5), 0);
    for (int i = 0; i < 90; i++) {
        metrics_answered(row, 90000, 10, 0);
    }
    for (int i = 0; i < 10; i++) {
        metrics_answered(row, 50000000, 10, 1);
    }
    cr_assert_eq(metrics_quantile_us(row, 0.5), 96);
    cr_assert_eq(metrics_quantile_us(row, 0.9), 96);
    cr_assert_eq(metrics_quantile_us(row, 0.99), 50000);
    cr_assert_eq(row->latency_us, 90 * 90 + 10 * 50000);
    cr_assert_eq(row->errors, 10);
    cr_assert_eq(row->bytes_in, 1000);
}

Test(metrics, json_shows_methods_that_were_sent)
{
    metrics_method *row = &table.rows[row_of("A.b")];
    (void)row_of("Never.sent");
    row->sent = 3;
    metrics_answered(row, 20000, 7, 0);
    metrics_answered(row, 100000000000u, 7, 0);
    json_t *all = metrics_json(&table);
    cr_assert_eq(json_object_size(all), 1);
    json_t *method = json_object_get(all, "A.b");
    json_t *buckets = json_object_get(method, "latency");
    cr_assert_eq(json_array_size(buckets), 2);
    cr_assert_eq(json_integer_value(json_array_get(json_array_get(buckets, 0), 0)), 24);
    cr_assert(json_is_null(json_array_get(json_array_get(buckets, 1), 0)));
    cr_assert_eq(json_integer_value(json_object_get(method, "answered")), 2);
    cr_assert_float_eq(
        json_real_value(json_object_get(json_object_get(method, "latency_ms"), "max")), 1e5, 1e-6);
    json_decref(all);
}
