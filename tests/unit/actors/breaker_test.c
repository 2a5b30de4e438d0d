/* SPDX-License-Identifier: MIT */
/* Circuit breakers, with a clock of our own. */
#include "actors/browser/breaker.h"

#include <criterion/criterion.h>
#include <string.h>

#define MS UINT64_C(1000000)

static breakers all;
static uint64_t now;
static uint64_t bits;
static bool probe; /* what was said last */

static uint64_t chosen(void *context)
{
    (void)context;
    return bits;
}

static void enter(void)
{
    all = (breakers){.random = chosen};
    now = 1000 * MS;
    bits = 0;
    probe = false;
}

static void leave(void)
{
    breakers_fini(&all);
}

TestSuite(breaker, .init = enter, .fini = leave);

static troupe_error ask(const char *profile)
{
    troupe_reason reason = {{0}};
    troupe_error error = breaker_ask(&all, "/b", profile, now, &probe, &reason);
    cr_expect_eq(error != TROUPE_OK, reason.text[0] != '\0');
    return error;
}

static void fail_times(unsigned times, uint64_t apart_ms)
{
    for (unsigned i = 0; i < times; i++) {
        now += apart_ms * MS;
        breaker_failed(&all, "/b", NULL, probe, now, "it broke");
    }
}

static void says(const char *text)
{
    troupe_reason reason = {{0}};
    cr_assert_eq(breaker_ask(&all, "/b", NULL, now, &probe, &reason), TROUPE_EUNAVAILABLE);
    cr_expect_not_null(strstr(reason.text, text), "%s", reason.text);
}

Test(breaker, few_failures_change_nothing)
{
    fail_times(BREAKER_FAILURES - 1, 10);
    cr_expect_eq(ask(NULL), TROUPE_OK);
}

Test(breaker, many_failures_open_it_and_it_says_why_and_until_when)
{
    fail_times(BREAKER_FAILURES, 10);
    says("/b failed 5 times, and will be tried again in 6 s; last: it broke"); /* 5.001 s */
}

Test(breaker, failures_far_apart_do_not_open_it)
{
    fail_times(20, BREAKER_WINDOW_MS / (BREAKER_FAILURES - 1) + 1);
    cr_expect_eq(ask(NULL), TROUPE_OK);
}

Test(breaker, another_profile_or_executable_is_not_concerned)
{
    troupe_reason reason = {{0}};
    fail_times(BREAKER_FAILURES, 10);
    cr_expect_eq(ask("/profile"), TROUPE_OK);
    cr_expect_eq(breaker_ask(&all, "/c", NULL, now, &probe, &reason), TROUPE_OK);
    cr_expect_eq(ask(NULL), TROUPE_EUNAVAILABLE);
}

Test(breaker, after_the_pause_one_probe_passes)
{
    fail_times(BREAKER_FAILURES, 10);
    now += (BREAKER_PAUSE_MS / 2) * MS;
    cr_expect_eq(ask(NULL), TROUPE_EUNAVAILABLE);
    now += MS;
    cr_expect_eq(ask(NULL), TROUPE_OK);
    says("being tried once more just now");
}

Test(breaker, success_of_the_probe_closes_it)
{
    fail_times(BREAKER_FAILURES, 10);
    now += BREAKER_PAUSE_MS * MS;
    cr_expect_eq(ask(NULL), TROUPE_OK);
    breaker_succeeded(&all, "/b", NULL, true);
    cr_expect_eq(ask(NULL), TROUPE_OK);
    cr_expect_eq(ask(NULL), TROUPE_OK);
    fail_times(BREAKER_FAILURES - 1, 10);
    cr_expect_eq(ask(NULL), TROUPE_OK, "counted anew");
}

Test(breaker, failure_of_the_probe_opens_it_for_twice_as_long_up_to_a_limit)
{
    bits = UINT64_MAX; /* the longest of each pause: all of its bound, or a little less */
    fail_times(BREAKER_FAILURES, 10);
    uint64_t pause = BREAKER_PAUSE_MS;
    for (int i = 0; i < 8; i++) {
        uint64_t opened = now;
        while (ask(NULL) != TROUPE_OK) {
            now += 100 * MS;
        }
        cr_expect(now - opened > pause / 2 * MS && now - opened <= (pause + 100) * MS, "%d", i);
        fail_times(1, 0);
        pause = pause > BREAKER_PAUSE_MAX_MS / 2 ? BREAKER_PAUSE_MAX_MS : 2 * pause;
    }
}

Test(breaker, abandoned_probe_leaves_room_for_another)
{
    fail_times(BREAKER_FAILURES, 10);
    now += BREAKER_PAUSE_MS * MS;
    cr_expect_eq(ask(NULL), TROUPE_OK);
    breaker_abandoned(&all, "/b", NULL);
    cr_expect_eq(ask(NULL), TROUPE_OK);
}

Test(breaker, others_that_end_while_the_probe_is_under_way_do_not_count)
{
    fail_times(BREAKER_FAILURES, 10);
    cr_expect_not(probe);
    now += BREAKER_PAUSE_MS * MS;
    cr_expect_eq(ask(NULL), TROUPE_OK);
    cr_expect(probe);
    breaker_succeeded(&all, "/b", NULL, false);
    says("being tried once more just now");
    breaker_failed(&all, "/b", NULL, false, now, "it broke");
    says("being tried once more just now");
    breaker_succeeded(&all, "/b", NULL, true);
    cr_expect_eq(ask(NULL), TROUPE_OK);
    cr_expect_not(probe);
}

Test(breaker, success_of_an_old_one_does_not_close_it)
{
    fail_times(BREAKER_FAILURES, 10);
    breaker_succeeded(&all, "/b", NULL, false);
    cr_expect_eq(ask(NULL), TROUPE_EUNAVAILABLE);
}

Test(breaker, list_tells_all)
{
    fail_times(BREAKER_FAILURES, 10);
    json_t *list = breakers_json(&all, now);
    json_t *row = json_array_get(list, 0);
    cr_expect_str_eq(json_string_value(json_object_get(row, "state")), "open");
    cr_expect_str_eq(json_string_value(json_object_get(row, "executable")), "/b");
    cr_expect_str_eq(json_string_value(json_object_get(row, "reason")), "it broke");
    cr_expect_eq(json_integer_value(json_object_get(row, "failures")), BREAKER_FAILURES);
    cr_expect(json_integer_value(json_object_get(row, "retry_in_ms")) > 0);
    json_decref(list);
}

Test(breaker, executables_that_failed_long_ago_are_forgotten)
{
    char name[32];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "/b%d", i);
        now += BREAKER_WINDOW_MS * MS;
        breaker_failed(&all, name, NULL, false, now, "no");
    }
    json_t *list = breakers_json(&all, now);
    cr_expect_leq(json_array_size(list), 2);
    json_decref(list);
}
