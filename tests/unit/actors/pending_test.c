/* SPDX-License-Identifier: MIT */
/* The table of commands that a browser has not answered yet. */
#include "actors/browser/pending.h"

#include <criterion/criterion.h>

static int64_t add(pending_table *table, uint64_t now_ns, uint64_t deadline_ns)
{
    pending *row;
    cr_assert_eq(pending_add(table, now_ns, &row), TROUPE_OK);
    row->caller.ref = (uint64_t)row->id;
    row->deadline_ns = deadline_ns;
    return row->id;
}

static void take(pending_table *table, int64_t id)
{
    pending row;
    cr_assert(pending_take(table, id, &row), "id %ld", (long)id);
    cr_assert_eq(row.id, id);
    cr_assert_eq(row.caller.ref, (uint64_t)id);
}

Test(pending, answers_in_any_order_find_their_command)
{
    pending_table table;
    cr_assert_eq(pending_init(&table), TROUPE_OK);
    int64_t ids[1000];
    for (int i = 0; i < 1000; i++) {
        ids[i] = add(&table, 0, 1);
        cr_assert(i == 0 || ids[i] > ids[i - 1]);
    }
    cr_assert_eq(table.count, 1000);
    for (int i = 0; i < 1000; i++) {
        take(&table, ids[(i * 7) % 1000]); /* 7 and 1000 share no factor: each once */
    }
    cr_assert_eq(table.count, 0);
    pending_fini(&table);
}

Test(pending, unknown_and_late_ids_find_nothing)
{
    pending_table table;
    pending row;
    cr_assert_eq(pending_init(&table), TROUPE_OK);
    int64_t id = add(&table, 0, 1);
    static const int64_t unknown[] = {0, -1, 64, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        cr_assert_not(pending_take(&table, unknown[i], &row));
    }
    take(&table, id);
    cr_assert_not(pending_take(&table, id, &row));
    pending_fini(&table);
}

Test(pending, full_table_refuses_until_one_is_answered)
{
    pending_table table;
    pending *row;
    cr_assert_eq(pending_init(&table), TROUPE_OK);
    int64_t first = add(&table, 0, 100);
    for (unsigned i = 1; i < PENDING_MAX; i++) {
        (void)add(&table, 0, 100);
    }
    cr_assert_eq(table.capacity, PENDING_MAX);
    cr_assert_eq(pending_add(&table, 50, &row), TROUPE_EBUSY);
    take(&table, first + 12345);
    (void)add(&table, 50, 100);
    cr_assert_eq(pending_add(&table, 50, &row), TROUPE_EBUSY);
    cr_assert_eq(table.count, PENDING_MAX);
    pending_fini(&table);
}

Test(pending, full_table_gives_up_commands_whose_deadline_passed)
{
    pending_table table;
    pending gone;
    cr_assert_eq(pending_init(&table), TROUPE_OK);
    int64_t first = add(&table, 0, 10);
    for (unsigned i = 1; i < PENDING_MAX; i++) {
        (void)add(&table, 0, 100);
    }
    int64_t next = add(&table, 50, 100);
    cr_assert_eq(table.count, PENDING_MAX);
    cr_assert_not(pending_take(&table, first, &gone));
    take(&table, next);
    pending_fini(&table);
}

Test(pending, command_never_answered_neither_blocks_nor_grows_the_table)
{
    pending_table table;
    cr_assert_eq(pending_init(&table), TROUPE_OK);
    int64_t stuck = add(&table, 0, UINT64_MAX);
    for (int i = 0; i < 100000; i++) {
        take(&table, add(&table, 0, 1));
    }
    cr_assert_leq(table.capacity, 64);
    take(&table, stuck);
    pending_fini(&table);
}
