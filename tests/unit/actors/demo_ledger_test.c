/* SPDX-License-Identifier: MIT */
/* The ledger: every row once, in order, also from many threads. */
#include "actors/demo/ledger.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define THREADS 8
#define EACH    500

static size_t length_of(const json_t *rows, const char *key)
{
    return json_array_size(json_object_get(rows, key));
}

static json_int_t number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

Test(demo_ledger, rows_entered_are_told_in_order_of_arrival)
{
    ledger *book = ledger_create(10);
    uint64_t first = ledger_enter(book, LEDGER_REQUEST, "GET", "/a");
    uint64_t second = ledger_enter(book, LEDGER_REQUEST, "POST", "/b?n=1");
    ledger_finish(book, second, 200, 7);

    json_t *rows = ledger_rows(book, NULL);
    const json_t *requests = json_object_get(rows, "requests");
    cr_assert_eq(length_of(rows, "requests"), 2);
    cr_expect_eq(number(json_array_get(requests, 0), "n"), (json_int_t)first);
    cr_expect_eq(number(json_array_get(requests, 0), "status"), 0, "has not ended");
    cr_expect_eq(number(json_array_get(requests, 1), "status"), 200);
    cr_expect_eq(number(json_array_get(requests, 1), "bytes"), 7);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(requests, 1), "path")),
                     "/b?n=1");
    json_decref(rows);
    ledger_destroy(book);
}

Test(demo_ledger, rows_of_one_run_only_those_are_told)
{
    ledger *book = ledger_create(10);
    ledger_enter(book, LEDGER_REQUEST, "GET", "/a?n=1&run=x");
    ledger_enter(book, LEDGER_REQUEST, "GET", "/a?run=xy&n=1");
    ledger_enter(book, LEDGER_REQUEST, "GET", "/a?norun=x");
    ledger_enter(book, LEDGER_REQUEST, "GET", "/run=x");
    ledger_enter(book, LEDGER_REQUEST, "GET", "/b?run=x&n=2");

    json_t *rows = ledger_rows(book, "x");
    cr_expect_eq(length_of(rows, "requests"), 2);
    json_decref(rows);
    ledger_destroy(book);
}

Test(demo_ledger, websocket_counts_its_messages_apart)
{
    ledger *book = ledger_create(10);
    uint64_t row = ledger_enter(book, LEDGER_WEBSOCKET, "GET", "/echo");
    ledger_message(book, row);
    ledger_message(book, row);
    ledger_finish(book, row, 101, 0);

    json_t *rows = ledger_rows(book, NULL);
    const json_t *socket = json_array_get(json_object_get(rows, "websockets"), 0);
    cr_expect_eq(length_of(rows, "requests"), 0);
    cr_expect_eq(number(socket, "messages"), 2);
    cr_expect_eq(number(rows, "messages"), 2);
    cr_expect(json_is_false(json_object_get(socket, "open")));
    json_decref(rows);
    ledger_destroy(book);
}

Test(demo_ledger, numbers_from_before_a_reset_touch_nothing)
{
    ledger *book = ledger_create(10);
    uint64_t old = ledger_enter(book, LEDGER_REQUEST, "GET", "/old");
    ledger_reset(book);
    uint64_t fresh = ledger_enter(book, LEDGER_REQUEST, "GET", "/new");
    ledger_finish(book, old, 500, 1);
    ledger_finish(book, 0, 500, 1);
    ledger_finish(book, fresh + 1, 500, 1);
    ledger_message(book, old);

    json_t *rows = ledger_rows(book, NULL);
    cr_assert_eq(length_of(rows, "requests"), 1);
    cr_expect_gt(fresh, old);
    cr_expect_eq(number(json_array_get(json_object_get(rows, "requests"), 0), "status"), 0);
    json_decref(rows);
    ledger_destroy(book);
}

Test(demo_ledger, full_book_counts_what_it_lost)
{
    ledger *book = ledger_create(64);
    for (int i = 0; i < 70; i++)
        ledger_enter(book, LEDGER_REQUEST, "GET", "/");

    json_t *rows = ledger_rows(book, NULL);
    cr_expect_eq(length_of(rows, "requests"), 64);
    cr_expect_eq(number(rows, "lost"), 6);
    json_decref(rows);
    ledger_destroy(book);
}

static void *enter_many(void *context)
{
    for (int i = 0; i < EACH; i++)
        ledger_finish(context, ledger_enter(context, LEDGER_REQUEST, "GET", "/t"), 200, 1);
    return NULL;
}

Test(demo_ledger, many_threads_no_row_is_lost)
{
    pthread_t threads[THREADS];
    ledger *book = ledger_create(THREADS * EACH);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, enter_many, book), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    json_t *rows = ledger_rows(book, NULL);
    json_t *row;
    size_t i;
    cr_assert_eq(length_of(rows, "requests"), THREADS * EACH);
    json_array_foreach(json_object_get(rows, "requests"), i, row)
    {
        cr_expect_eq(number(row, "n"), (json_int_t)i + 1);
        cr_expect_eq(number(row, "status"), 200);
    }
    json_decref(rows);
    ledger_destroy(book);
}
