/* SPDX-License-Identifier: MIT */
#include "transport/backoff.h"

#include <criterion/criterion.h>

#define MS INT64_C(1000000)

static uint64_t bits; /* what the random source gives */

static uint64_t give_bits(void *context)
{
    (void)context;
    return bits;
}

static backoff make(backoff_options options)
{
    backoff b;
    options.random = give_bits;
    backoff_init(&b, &options);
    return b;
}

static uint32_t delay_of(backoff *b, uint32_t retry_after_s, int64_t now_ns)
{
    uint32_t delay = 0;
    cr_assert(backoff_failed(b, TROUPE_EUNAVAILABLE, retry_after_s, now_ns, &delay));
    return delay;
}

Test(backoff, bounds_double_from_1_to_30_seconds_and_delays_fill_them)
{
    static const uint32_t bounds[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (int high = 0; high < 2; high++) {
        backoff b = make((backoff_options){.attempts = BACKOFF_ENDLESS});
        bits = high == 1 ? UINT64_MAX : 0;
        for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
            cr_expect_eq(delay_of(&b, 0, 0), high == 1 ? bounds[i] : 1);
        }
    }
}

Test(backoff, delays_of_the_systems_random_source_are_spread_over_the_bound)
{
    unsigned tenths[10] = {0};
    backoff_options options = {.first_ms = 1000, .max_ms = 1000, .attempts = BACKOFF_ENDLESS};
    backoff b;
    backoff_init(&b, &options);
    for (int i = 0; i < 10000; i++) {
        uint32_t delay = delay_of(&b, 0, 0);
        cr_assert(delay >= 1 && delay <= 1000);
        tenths[(delay - 1) / 100]++;
    }
    for (int i = 0; i < 10; i++) {
        cr_expect(tenths[i] > 800 && tenths[i] < 1200, "%u", tenths[i]);
    }
}

Test(backoff, three_attempts_to_open_and_no_end_after_that)
{
    uint32_t delay = 0;
    backoff b = make((backoff_options){0});
    (void)delay_of(&b, 0, 0);
    (void)delay_of(&b, 0, 0);
    cr_expect_not(backoff_failed(&b, TROUPE_EUNAVAILABLE, 0, 0, &delay));
    b = make((backoff_options){0});
    (void)delay_of(&b, 0, 0);
    backoff_up(&b, 1);
    for (int i = 0; i < 1000; i++) {
        (void)delay_of(&b, 0, 2);
    }
}

Test(backoff, attempts_after_an_established_one_can_be_limited)
{
    uint32_t delay = 0;
    backoff b = make((backoff_options){.reattempts = 2});
    backoff_up(&b, 1);
    (void)delay_of(&b, 0, 2); /* the loss itself */
    (void)delay_of(&b, 0, 3);
    cr_expect_not(backoff_failed(&b, TROUPE_EUNAVAILABLE, 0, 4, &delay));
}

Test(backoff, errors_that_trying_again_does_not_help_end_it)
{
    static const troupe_error errors[] = {TROUPE_OK, TROUPE_EUNAUTHORIZED, TROUPE_EFORBIDDEN,
                                          TROUPE_EPARAMS, TROUPE_ECANCELLED};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        uint32_t delay = 0;
        backoff b = make((backoff_options){0});
        backoff_up(&b, 1);
        cr_expect_not(backoff_failed(&b, errors[i], 0, 2, &delay));
    }
}

Test(backoff, retry_after_is_waited_for_and_the_jitter_comes_on_top)
{
    backoff b = make((backoff_options){.attempts = BACKOFF_ENDLESS});
    bits = UINT64_MAX;
    cr_expect_eq(delay_of(&b, 120, 0), 121000);
    cr_expect_eq(delay_of(&b, UINT32_MAX, 0), UINT32_MAX);
}

Test(backoff, bounds_start_anew_only_after_a_connection_that_lived)
{
    backoff b = make((backoff_options){0});
    bits = UINT64_MAX;
    backoff_up(&b, 1);
    cr_expect_eq(delay_of(&b, 0, 2), 1000);
    backoff_up(&b, 1000 * MS);
    cr_expect_eq(delay_of(&b, 0, 1000 * MS + 60000 * MS - 1), 2000, "it did not live long");
    cr_expect_eq(delay_of(&b, 0, 100000 * MS), 4000, "nor did an attempt that failed");
    backoff_up(&b, 200000 * MS);
    cr_expect_eq(delay_of(&b, 0, 200000 * MS + 60000 * MS), 1000);
}
