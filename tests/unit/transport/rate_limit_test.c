/* SPDX-License-Identifier: MIT */
/* The token bucket, on a clock of the test's. */
#include "transport/rate_limit.h"

#include <criterion/criterion.h>

#define SECOND 1000000000u

static rate_limit limit;

/* Takes as many as there are. */
static unsigned drain(uint64_t now_ns)
{
    unsigned count = 0;
    while (count < 1u << 21 && rate_limit_take(&limit, now_ns)) {
        count++;
    }
    return count;
}

Test(rate_limit, zero_is_no_limit)
{
    rate_limit none = {0};
    rate_limit_init(&limit, 0, 7, 100);
    for (int i = 0; i < 1000; i++) {
        cr_assert(rate_limit_take(&limit, 100) && rate_limit_take(&none, 0));
        rate_limit_charge(&limit, 100);
    }
    cr_assert_eq(rate_limit_wait_ns(&limit, 100), 0);
}

Test(rate_limit, burst_comes_first_and_then_one_at_its_exact_moment)
{
    rate_limit_init(&limit, 3, 5, 1000); /* a token each 333,333,333 1/3 ns */
    cr_assert_eq(drain(1000), 5);
    uint64_t wait_ns = rate_limit_wait_ns(&limit, 1000);
    cr_assert_eq(wait_ns, 333333334);
    cr_assert_not(rate_limit_take(&limit, 1000 + wait_ns - 1));
    cr_assert_eq(rate_limit_wait_ns(&limit, 1000 + wait_ns - 1), 1);
    cr_assert(rate_limit_take(&limit, 1000 + wait_ns));
    cr_assert_not(rate_limit_take(&limit, 1000 + wait_ns));
}

Test(rate_limit, without_burst_a_second_is_one)
{
    rate_limit_init(&limit, 250, 0, 0);
    cr_assert_eq(drain(0), 250);
    cr_assert_eq(drain(SECOND), 250);
    cr_assert_eq(drain(SECOND + SECOND / 2), 125);
}

Test(rate_limit, obeying_the_wait_gives_the_rate_without_drift)
{
    static const uint32_t rates[] = {1, 3, 7, 999, 1000, 48611, 333333, RATE_LIMIT_MAX};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        uint64_t now_ns = 12345;
        rate_limit_init(&limit, rates[i], 1, now_ns);
        cr_assert(rate_limit_take(&limit, now_ns));
        for (uint64_t n = 1; n <= 100000; n++) {
            now_ns += rate_limit_wait_ns(&limit, now_ns);
            cr_assert(rate_limit_take(&limit, now_ns));
            cr_assert_eq(rate_limit_wait_ns(&limit, now_ns) > 0, true);
        }
        /* 100,000 tokens took 100,000 / rate seconds; a bucket of one token loses what its holder
         * comes late, which is less than a nanosecond a token. */
        uint64_t exact_ns = 100000ull * SECOND / rates[i];
        cr_assert_geq(now_ns - 12345, exact_ns);
        cr_assert_leq(now_ns - 12345, exact_ns + 100000, "%u a second: %llu", rates[i],
                      (unsigned long long)(now_ns - 12345 - exact_ns));
    }
}

Test(rate_limit, coming_late_is_made_up_for_by_a_burst)
{
    rate_limit_init(&limit, 5000, 8, 0); /* one each 200,000 ns, and its holder comes each ms */
    unsigned count = drain(0);
    for (uint64_t now_ns = SECOND / 1000; now_ns <= SECOND; now_ns += SECOND / 1000) {
        count += drain(now_ns);
    }
    cr_assert_eq(count, 8 + 5000);
}

Test(rate_limit, rest_fills_the_bucket_and_no_more_however_long)
{
    static const uint64_t rests[] = {SECOND, 3600ull * SECOND, UINT64_MAX / 2, UINT64_MAX - 1};
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        rate_limit_init(&limit, RATE_LIMIT_MAX, RATE_LIMIT_MAX, 1);
        cr_assert_eq(drain(1), RATE_LIMIT_MAX);
        cr_assert_eq(drain(1 + rests[i]), RATE_LIMIT_MAX);
        rate_limit_init(&limit, 2, 4, 1);
        cr_assert_eq(drain(1), 4);
        cr_assert_eq(drain(1 + rests[i]), rests[i] == SECOND ? 2 : 4);
    }
}

Test(rate_limit, time_that_goes_back_brings_nothing)
{
    rate_limit_init(&limit, 10, 1, SECOND);
    cr_assert(rate_limit_take(&limit, SECOND));
    cr_assert_not(rate_limit_take(&limit, 0));
    cr_assert_not(rate_limit_take(&limit, SECOND + SECOND / 10 - 1));
    cr_assert_not(rate_limit_take(&limit, SECOND / 2));
    cr_assert(rate_limit_take(&limit, SECOND + SECOND / 10), "what was reckoned is kept");
}

Test(rate_limit, what_is_charged_makes_others_wait_but_not_for_ever)
{
    rate_limit_init(&limit, 10, 2, 0);
    rate_limit_charge(&limit, 0);
    cr_assert(rate_limit_take(&limit, 0));
    rate_limit_charge(&limit, 0);
    cr_assert_eq(rate_limit_wait_ns(&limit, 0), 2 * SECOND / 10);
    for (int i = 0; i < 1000; i++) {
        rate_limit_charge(&limit, 0);
    }
    cr_assert_eq(rate_limit_wait_ns(&limit, 0), 3 * SECOND / 10, "a debt of one bucket");
    cr_assert(rate_limit_take(&limit, 3 * SECOND / 10));
}

Test(rate_limit, more_than_the_maximum_counts_as_the_maximum)
{
    rate_limit_init(&limit, UINT32_MAX, UINT32_MAX, 0);
    cr_assert_eq(drain(0), RATE_LIMIT_MAX);
    cr_assert_eq(rate_limit_wait_ns(&limit, 0), SECOND / RATE_LIMIT_MAX);
}
