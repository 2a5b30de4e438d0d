/* SPDX-License-Identifier: MIT */
#include "transport/byte_queue.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(byte_queue, append_and_consume_random_pieces_keep_order)
{
    byte_queue q = {0};
    uint64_t state = 42;
    unsigned char next_in = 0;
    unsigned char next_out = 0;
    for (int i = 0; i < 20000; i++) {
        unsigned char piece[300];
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t in = (state >> 33) % sizeof(piece);
        size_t out = (state >> 45) % sizeof(piece);
        for (size_t k = 0; k < in; k++) {
            piece[k] = next_in++;
        }
        cr_assert(byte_queue_append(&q, piece, in));
        out = out < byte_queue_len(&q) ? out : byte_queue_len(&q);
        for (size_t k = 0; k < out; k++) {
            cr_assert_eq((unsigned char)byte_queue_head(&q)[k], next_out++);
        }
        byte_queue_consume(&q, out);
        if (i % 100 == 0) {
            byte_queue_rest(&q, 512);
        }
    }
    byte_queue_fini(&q);
}

Test(byte_queue, rest_gives_memory_back_and_keeps_what_is_queued)
{
    byte_queue q = {0};
    cr_assert(byte_queue_reserve(&q, 1 << 20));
    cr_assert(byte_queue_append(&q, "xxxabc", 6));
    byte_queue_consume(&q, 3);
    byte_queue_rest(&q, 4096);
    cr_expect_eq(q.capacity, 4096);
    cr_expect_eq(byte_queue_len(&q), 3);
    cr_expect_eq(memcmp(byte_queue_head(&q), "abc", 3), 0);
    byte_queue_consume(&q, 3);
    byte_queue_rest(&q, 1024);
    cr_expect_eq(q.capacity, 0);
    byte_queue_fini(&q);
}

Test(byte_queue, reserve_impossible_size_fails_and_changes_nothing)
{
    byte_queue q = {0};
    cr_assert(byte_queue_append(&q, "ab", 2));
    cr_expect_not(byte_queue_reserve(&q, SIZE_MAX - 1));
    cr_expect_not(byte_queue_reserve(&q, SIZE_MAX));
    cr_expect_eq(byte_queue_len(&q), 2);
    byte_queue_fini(&q);
}

/* From 4 MiB on memory is mapped: what is queued comes along when it grows and when it is given
 * back. */
Test(byte_queue, large_memory_keeps_what_is_queued)
{
    byte_queue q = {0};
    static char piece[700001];
    size_t total = 0;
    for (size_t i = 0; total < ((size_t)20 << 20); i++) {
        memset(piece, 'a' + (int)(i % 26), sizeof piece);
        cr_assert(byte_queue_append(&q, piece, sizeof piece));
        total += sizeof piece;
        if (i % 5 == 0) {
            byte_queue_consume(&q, 1);
            total--;
        }
    }
    size_t consumed = 0;
    while (byte_queue_len(&q) > 1000) {
        size_t place = byte_queue_len(&q) - 1;
        cr_assert_eq(byte_queue_head(&q)[place], piece[0]);
        byte_queue_consume(&q, place / 2 + 1);
        consumed += place / 2 + 1;
        byte_queue_rest(&q, 8192);
    }
    cr_expect_eq(q.capacity, 8192);
    cr_expect_eq(consumed + byte_queue_len(&q), total);
    for (size_t i = 0; i < byte_queue_len(&q); i++) {
        cr_assert_eq(byte_queue_head(&q)[i], piece[0]);
    }
    byte_queue_fini(&q);
}

Test(byte_queue, large_memory_is_used_again_by_the_next_queue)
{
    byte_queue first = {0};
    cr_assert(byte_queue_reserve(&first, 3 * BYTE_QUEUE_LARGE));
    char *memory = first.data;
    size_t capacity = first.capacity;
    byte_queue_fini(&first);

    byte_queue next = {0};
    cr_assert(byte_queue_append(&next, "abc", 3));
    cr_assert(byte_queue_reserve(&next, BYTE_QUEUE_LARGE));
    cr_expect_eq(next.data, memory);
    cr_expect_eq(next.capacity, capacity, "all of it");
    cr_expect_eq(memcmp(byte_queue_head(&next), "abc", 3), 0);

    byte_queue other = {0};
    cr_assert(byte_queue_reserve(&other, BYTE_QUEUE_LARGE));
    cr_expect_neq(other.data, memory, "it has one owner");
    byte_queue_fini(&other);
    byte_queue_fini(&next);
    byte_queue_drop_spare();
}

Test(byte_queue, spare_memory_that_is_too_small_grows)
{
    byte_queue small = {0};
    cr_assert(byte_queue_reserve(&small, BYTE_QUEUE_LARGE));
    byte_queue_fini(&small);
    byte_queue large = {0};
    cr_assert(byte_queue_reserve(&large, 4 * BYTE_QUEUE_LARGE));
    memset(large.data, 1, 4 * BYTE_QUEUE_LARGE);
    cr_expect_geq(large.capacity, 4 * BYTE_QUEUE_LARGE);
    byte_queue_fini(&large);
    byte_queue_drop_spare();
    byte_queue_drop_spare(); /* there is none */
}
