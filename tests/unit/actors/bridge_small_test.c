/* SPDX-License-Identifier: MIT */
/* Small parts of the bridge: the rate of calls, the last status, tickets. */
#include "actors/bridge/rate_gate.h"
#include "actors/bridge/status_cache.h"
#include "actors/bridge/tickets.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

Test(rate_gate, each_address_has_a_bucket_and_ports_do_not_count)
{
    rate_gate gate;
    cr_assert(rate_gate_init(&gate, 10, 2));
    cr_expect_eq(rate_gate_pass(&gate, "10.0.0.1", SECOND), 0);
    cr_expect_eq(rate_gate_pass(&gate, "10.0.0.1:4711", SECOND), 0);
    cr_expect_eq(rate_gate_pass(&gate, "10.0.0.1:4712", SECOND), 100);
    cr_expect_eq(rate_gate_pass(&gate, "10.0.0.2", SECOND), 0, "another one is not slowed");
    cr_expect_eq(rate_gate_pass(&gate, "10.0.0.1", SECOND + SECOND / 10), 0);
    cr_expect_eq(rate_gate_pass(&gate, "10.0.0.1", SECOND + SECOND / 10 + 50000000), 50);
    rate_gate_fini(&gate);
}

Test(rate_gate, more_addresses_than_places_forget_the_oldest)
{
    rate_gate gate;
    char peer[32];
    cr_assert(rate_gate_init(&gate, 1, 1));
    cr_expect_eq(rate_gate_pass(&gate, "first", SECOND), 0);
    for (unsigned i = 0; i < RATE_GATE_PLACES; i++) {
        snprintf(peer, sizeof peer, "10.1.%u.%u", i / 256, i % 256);
        cr_expect_eq(rate_gate_pass(&gate, peer, SECOND + 1 + i), 0);
    }
    cr_expect_eq(rate_gate_pass(&gate, "first", SECOND + 1000), 0, "it begins anew");
    cr_expect_gt(rate_gate_pass(&gate, peer, SECOND + 1000), 0, "the last ones are remembered");
    rate_gate_fini(&gate);
}

Test(rate_gate, without_a_limit_everything_passes)
{
    rate_gate gate;
    cr_assert(rate_gate_init(&gate, 0, 0));
    for (int i = 0; i < 10000; i++) {
        cr_assert_eq(rate_gate_pass(&gate, "10.0.0.1", SECOND), 0);
    }
    rate_gate_fini(&gate);
}

static const char *status_of(status_cache *cache, unsigned long long changes, uint64_t now_ns)
{
    static char text[200];
    troupe_buffer out = {0};
    bool good = status_cache_get(cache, changes, now_ns, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.len, (const char *)out.data);
    troupe_buffer_fini(&out);
    return good ? text : NULL;
}

Test(status_cache, is_good_until_something_changes_and_its_uptime_goes_on)
{
    static const char text[] = "{\"name\":\"a\",\"uptime_ms\":1500,\"targets\":2,\"warnings\":[]}";
    status_cache cache;
    status_cache_init(&cache);
    cr_expect_null(status_of(&cache, 7, SECOND), "nothing is kept yet");
    status_cache_put(&cache, 7, SECOND, text, strlen(text));
    cr_expect_str_eq(status_of(&cache, 7, SECOND), text);
    cr_expect_str_eq(status_of(&cache, 7, 3 * SECOND),
                     "{\"name\":\"a\",\"uptime_ms\":3500,\"targets\":2,\"warnings\":[]}");
    cr_expect_null(status_of(&cache, 8, SECOND));
    cr_expect_null(status_of(&cache, 0, SECOND), "there is no board");
    status_cache_fini(&cache);
}

Test(status_cache, what_tells_of_time_that_passes_is_not_kept)
{
    static const char warned[] = "{\"uptime_ms\":1,\"warnings\":[\"p1 is silent for 3 s\"]}";
    static const char odd[] = "{\"warnings\":[]}";
    status_cache cache;
    status_cache_init(&cache);
    status_cache_put(&cache, 7, SECOND, warned, strlen(warned));
    status_cache_put(&cache, 7, SECOND, odd, strlen(odd));
    cr_expect_null(status_of(&cache, 7, SECOND));
    status_cache_fini(&cache);
}

Test(tickets, work_once_or_as_long_as_they_are_for_and_only_for_their_kind)
{
    tickets all;
    char link[TICKET_TEXT_MAX];
    char paired[TICKET_TEXT_MAX];
    char code[TICKET_TEXT_MAX];
    tickets_init(&all);
    cr_assert_gt(tickets_make(&all, TICKET_LINK, NULL, link), 0);
    cr_expect_not(tickets_take(&all, TICKET_CODE, link));
    cr_expect_not(tickets_has(&all, TICKET_SESSION, link, NULL));
    cr_expect(tickets_take(&all, TICKET_LINK, link));
    cr_expect_not(tickets_take(&all, TICKET_LINK, link), "once");
    cr_assert_gt(tickets_make(&all, TICKET_PAIRED, "https://one.example", paired), 0);
    cr_expect(tickets_has(&all, TICKET_PAIRED, paired, "https://one.example"));
    cr_expect_not(tickets_has(&all, TICKET_PAIRED, paired, "https://two.example"));
    cr_assert_gt(tickets_make(&all, TICKET_CODE, NULL, code), 0);
    code[4] = ' ';
    cr_expect(tickets_take(&all, TICKET_CODE, code), "a blank for the dash");
    tickets_fini(&all);
}

Test(tickets, many_sessions_do_not_displace_what_was_paired)
{
    tickets all;
    char paired[TICKET_TEXT_MAX];
    char text[TICKET_TEXT_MAX];
    char first[TICKET_TEXT_MAX];
    tickets_init(&all);
    (void)tickets_make(&all, TICKET_PAIRED, "https://one.example", paired);
    (void)tickets_make(&all, TICKET_SESSION, NULL, first);
    for (int i = 0; i < 2 * TICKETS_MAX; i++) {
        (void)tickets_make(&all, TICKET_SESSION, NULL, text);
    }
    cr_expect(tickets_has(&all, TICKET_PAIRED, paired, "https://one.example"));
    cr_expect(tickets_has(&all, TICKET_SESSION, text, NULL));
    cr_expect_not(tickets_has(&all, TICKET_SESSION, first, NULL), "the oldest made room");
    tickets_fini(&all);
}
