/* SPDX-License-Identifier: MIT */
/* The table of commands that a browser has not answered yet. */
#include "actors/browser/pending.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static pending_table table;

static void open_table(void)
{
    cr_assert_eq(pending_init(&table), TROUPE_OK);
}

static void close_table(void)
{
    pending_fini(&table);
}

TestSuite(pending, .init = open_table, .fini = close_table, .timeout = 60);

static int64_t add(uint64_t deadline_ns)
{
    pending *row;
    cr_assert_eq(pending_add(&table, deadline_ns, &row), TROUPE_OK);
    cr_assert_eq(row->deadline_ns, deadline_ns);
    row->caller.ref = (uint64_t)row->id;
    return row->id;
}

static void take(int64_t id)
{
    pending row;
    cr_assert(pending_take(&table, id, PENDING_ANSWERED, &row), "id %ld", (long)id);
    cr_assert_eq(row.id, id);
    cr_assert_eq(row.caller.ref, (uint64_t)id);
}

/* Each row knows its place, and no child is due before its parent. */
static void check_heap(void)
{
    size_t rows = 0;
    for (size_t i = 0; i < table.count; i++) {
        const pending *row = pending_find(&table, table.heap[i].id);
        cr_assert_not_null(row);
        cr_assert_eq(row->place, i + 1);
        cr_assert_eq(row->deadline_ns, table.heap[i].deadline_ns);
        cr_assert(i == 0 || table.heap[(i - 1) / 2].deadline_ns <= row->deadline_ns);
    }
    for (size_t i = 0; i < table.capacity; i++) {
        rows += table.rows[i].id != 0;
    }
    cr_assert_eq(rows, table.count);
}

Test(pending, answers_in_any_order_find_their_command)
{
    int64_t ids[1000];
    for (int i = 0; i < 1000; i++) {
        ids[i] = add((uint64_t)(i * 31) % 100);
        cr_assert(i == 0 || ids[i] > ids[i - 1]);
    }
    cr_assert_eq(table.count, 1000);
    check_heap();
    for (int i = 0; i < 1000; i++) {
        take(ids[(i * 7) % 1000]); /* 7 and 1000 share no factor: each once */
    }
    cr_assert_eq(table.count, 0);
    cr_assert_eq(pending_deadline_ns(&table), UINT64_MAX);
}

Test(pending, fate_tells_unknown_answered_expired_and_given_up)
{
    pending row;
    int64_t answered = add(10);
    int64_t expired = add(20);
    int64_t given_up = add(30);
    int64_t open = add(40);
    take(answered);
    cr_assert(pending_take_due(&table, 20, PENDING_EXPIRED, &row));
    cr_assert_eq(row.id, expired);
    cr_assert(pending_take(&table, given_up, PENDING_ABANDONED, &row));
    cr_assert_eq(pending_fate(&table, answered), PENDING_ANSWERED);
    cr_assert_eq(pending_fate(&table, expired), PENDING_EXPIRED);
    cr_assert_eq(pending_fate(&table, given_up), PENDING_ABANDONED);
    static const int64_t unknown[] = {0, -1, 5, 64, INT64_MAX, INT64_MIN, PENDING_ID_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        cr_assert_not(pending_take(&table, unknown[i], PENDING_ANSWERED, &row));
        cr_assert_eq(pending_fate(&table, unknown[i]), PENDING_NEVER, "%lld",
                     (long long)unknown[i]);
    }
    cr_assert_not(pending_take(&table, answered, PENDING_ANSWERED, &row));
    take(open);
}

Test(pending, fate_outlives_growth_and_is_forgotten_when_the_row_is_used_again)
{
    pending row;
    int64_t first = add(1);
    cr_assert(pending_take_due(&table, 1, PENDING_EXPIRED, &row));
    int64_t second = add(1);
    take(second);
    for (int i = 0; i < 200; i++) {
        (void)add(5);
    }
    cr_assert_gt(table.capacity, 256);
    check_heap();
    cr_assert_eq(pending_fate(&table, first), PENDING_EXPIRED);
    cr_assert_eq(pending_fate(&table, second), PENDING_ANSWERED);
    for (size_t i = 0; i < 2 * table.capacity; i++) {
        take(add(9));
    }
    cr_assert_eq(pending_fate(&table, first), PENDING_LONG_GONE);
    cr_assert_eq(pending_fate(&table, second), PENDING_LONG_GONE);
}

Test(pending, due_commands_come_in_the_order_of_their_deadlines)
{
    pending row;
    for (uint64_t i = 0; i < 1000; i++) {
        (void)add(i * 7919 % 1000 + 100);
    }
    cr_assert_eq(pending_deadline_ns(&table), 100);
    cr_assert_not(pending_take_due(&table, 99, PENDING_EXPIRED, &row));
    for (uint64_t due = 100; due < 1100; due++) {
        cr_assert_eq(pending_deadline_ns(&table), due);
        cr_assert(pending_take_due(&table, due, PENDING_EXPIRED, &row));
        cr_assert_eq(row.deadline_ns, due);
        cr_assert_not(pending_take_due(&table, due, PENDING_EXPIRED, &row));
    }
    cr_assert_eq(table.count, 0);
}

Test(pending, full_table_refuses_until_one_ends)
{
    pending *row;
    int64_t first = add(100);
    for (unsigned i = 1; i < PENDING_MAX; i++) {
        (void)add(100 + i % 7);
    }
    cr_assert_eq(table.capacity, PENDING_MAX);
    cr_assert_eq(pending_add(&table, 100, &row), TROUPE_EBUSY);
    take(first + 12345);
    (void)add(50);
    cr_assert_eq(pending_add(&table, 100, &row), TROUPE_EBUSY);
    cr_assert_eq(table.count, PENDING_MAX);
    pending gone;
    cr_assert(pending_take_due(&table, 50, PENDING_EXPIRED, &gone));
    (void)add(100);
    check_heap();
}

Test(pending, command_never_answered_neither_blocks_nor_grows_the_table)
{
    int64_t stuck = add(UINT64_MAX);
    for (int i = 0; i < 100000; i++) {
        take(add((uint64_t)i));
    }
    cr_assert_leq(table.capacity, 64);
    take(stuck);
}

Test(pending, ids_start_again_within_what_chrome_can_read)
{
    int64_t stuck = add(1);
    table.next_id = PENDING_ID_MAX - 1;
    cr_assert_eq(pending_fate(&table, PENDING_ID_MAX), PENDING_NEVER);
    int64_t last = add(2);
    cr_assert_eq(last, PENDING_ID_MAX - 1);
    cr_assert_eq(add(3), PENDING_ID_MAX);
    cr_assert_eq(add(4), 2, "1 is taken");
    cr_assert_eq(pending_fate(&table, PENDING_ID_MAX - 5), PENDING_LONG_GONE);
    cr_assert_eq(pending_fate(&table, (int64_t)PENDING_ID_MAX + 1), PENDING_NEVER);
    take(stuck);
    take(last);
    check_heap();
}

Test(pending, a_million_random_steps_keep_the_table_whole)
{
    static int64_t open[3000];
    size_t count = 0;
    uint64_t now_ns = 0;
    pending row;
    srand(4711);
    for (int step = 0; step < 1000000; step++) {
        int what = rand() % 100;
        if (what < 48 && count < 3000) {
            open[count++] = add(now_ns + (uint64_t)(rand() % 5000));
        } else if (what < 90 && count > 0) {
            size_t at = (size_t)rand() % count;
            bool there = pending_find(&table, open[at]) != NULL;
            cr_assert_eq(pending_take(&table, open[at], PENDING_ANSWERED, &row), there);
            cr_assert(there || pending_fate(&table, open[at]) != PENDING_NEVER);
            open[at] = open[--count];
        } else {
            now_ns += 10;
            while (pending_take_due(&table, now_ns, PENDING_EXPIRED, &row)) {
                cr_assert_leq(row.deadline_ns, now_ns);
                cr_assert_eq(pending_fate(&table, row.id), PENDING_EXPIRED);
            }
            cr_assert_gt(pending_deadline_ns(&table), now_ns);
        }
        if (step % 50000 == 0) {
            check_heap();
        }
    }
}
