/* SPDX-License-Identifier: MIT */
#include "runtime/large.h"

#include <criterion/criterion.h>
#include <string.h>

Test(large, block_given_back_is_taken_again)
{
    size_t first_capacity;
    size_t next_capacity;
    void *first = large_take(3 * LARGE_BYTES, &first_capacity);
    cr_assert_not_null(first);
    cr_expect_geq(first_capacity, 3 * LARGE_BYTES);
    memset(first, 1, first_capacity);
    large_give(first, first_capacity);

    void *next = large_take(LARGE_BYTES, &next_capacity);
    cr_expect_eq(next, first);
    cr_expect_eq(next_capacity, first_capacity);
    size_t capacity;
    void *other = large_take(LARGE_BYTES, &capacity);
    cr_expect_neq(other, next, "it has one owner");
    memset(other, 2, capacity);
    large_give(other, capacity);
    large_give(next, next_capacity);
}

Test(large, kept_block_that_is_too_small_is_replaced)
{
    size_t capacity;
    void *small = large_take(LARGE_BYTES, &capacity);
    cr_assert_not_null(small);
    large_give(small, capacity);
    void *block = large_take(2 * LARGE_BYTES, &capacity);
    cr_assert_not_null(block);
    cr_expect_geq(capacity, 2 * LARGE_BYTES);
    memset(block, 1, capacity);
    large_give(block, capacity);
    large_rest(); /* not yet */
}
