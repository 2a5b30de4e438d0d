/* SPDX-License-Identifier: MIT */
/* Which commands the browser actor sends, which wait, and in which order they go. */
#include "browser_peer.h"

#include "actors/verbs.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

TestSuite(commands, .init = peer_init, .fini = peer_fini, .timeout = 60);

/* In flight and waiting ------------------------------------------------------------------------ */

Test(commands, beyond_the_limit_wait_and_go_in_order)
{
    peer.limits.commands_in_flight = 4;
    peer_open();
    int64_t ids[6];
    char method[16];
    for (int i = 0; i < 10; i++) {
        snprintf(method, sizeof method, "A.m%d", i);
        peer_start(method, "S");
    }
    peer_settle();
    for (int i = 0; i < 4; i++) {
        snprintf(method, sizeof method, "A.m%d", i);
        ids[i] = peer_expect(method);
    }
    peer_quiet();
    cr_assert_eq(peer_metric("in_flight"), 4);
    cr_assert_eq(peer_metric("queued"), 6);
    cr_assert_eq(peer_metric("in_flight_peak"), 4);
    cr_assert_eq(peer_wait_of("in_flight"), 1);
    cr_assert_eq(peer_wait_of("turn"), 5);
    peer_answer_on(ids[2], "S"); /* whichever ends makes room */
    peer_finish(TROUPE_OK);
    ids[4] = peer_expect("A.m4");
    peer_quiet();
    peer_answer_on(ids[0], "S");
    peer_answer_on(ids[1], "S");
    peer_answer_on(ids[3], "S");
    peer_answer_on(ids[4], "S");
    for (int i = 5; i < 9; i++) {
        snprintf(method, sizeof method, "A.m%d", i);
        peer_answer_on(peer_expect(method), "S");
    }
    peer_answer_on(peer_expect("A.m9"), "S");
    for (int i = 0; i < 9; i++) {
        peer_finish(TROUPE_OK);
    }
    peer_settle();
    cr_assert_eq(peer_metric("in_flight"), 0);
    cr_assert_eq(peer_metric("queued"), 0);
    cr_assert_eq(peer_metric("queued_peak"), 6);
    cr_assert_eq(peer_metric("misrouted"), 0);
}

Test(commands, beyond_the_queue_are_busy_and_told_when_to_try_again)
{
    peer.limits.commands_in_flight = 1;
    peer.limits.commands_queued = 2;
    peer_open();
    for (int i = 0; i < 3; i++) {
        peer_start("A.m", "S");
    }
    peer_settle();
    peer_start("A.m", "T");
    troupe_answer got = {0};
    cr_assert_eq(troupe_guest_wait(peer.guest, WAIT_MS, &got), TROUPE_OK);
    cr_assert_eq(got.error, TROUPE_EBUSY);
    cr_assert_str_eq(got.data, "{\"retry_after_ms\":100}");
    troupe_answer_fini(&got);
    peer_start("Input.dispatchKeyEvent", "T"); /* has room of its own, in both limits */
    peer_settle();
    cr_assert_eq(peer_metric("busy"), 1);
    (void)peer_expect("A.m");
    peer_answer_on(peer_expect("Input.dispatchKeyEvent"), "T");
    peer_finish(TROUPE_OK);
}

Test(commands, of_a_session_are_not_overtaken_but_by_cancels)
{
    peer.limits.commands_in_flight = 1;
    peer_open();
    peer_start("A.first", "S");
    peer_start("Page.addScriptToEvaluateOnNewDocument", "S");
    peer_start("Runtime.runIfWaitingForDebugger", "S");
    peer_start("Input.dispatchMouseEvent", "S");
    int64_t first = peer_expect("A.first");
    peer_quiet();
    peer_start("Input.insertText", "T");
    peer_start("Fetch.continueRequest", "S");
    peer_start("Runtime.terminateExecution", "S");
    peer_settle();
    peer_answer_on(peer_expect("Input.insertText"), "T");
    peer_finish(TROUPE_OK);
    peer_answer_on(peer_expect("Fetch.continueRequest"), "S");
    peer_finish(TROUPE_OK);
    peer_answer_on(peer_expect("Runtime.terminateExecution"), "S");
    peer_finish(TROUPE_OK);
    peer_quiet();
    peer_answer_on(first, "S");
    peer_finish(TROUPE_OK);
    int64_t script = peer_expect("Page.addScriptToEvaluateOnNewDocument");
    /* What is urgent behind it needs no room of bulk's any more. */
    int64_t run = peer_expect("Runtime.runIfWaitingForDebugger");
    peer_answer_on(peer_expect("Input.dispatchMouseEvent"), "S");
    peer_answer_on(run, "S");
    peer_answer_on(script, "S");
    for (int i = 0; i < 3; i++) {
        peer_finish(TROUPE_OK);
    }
}

Test(commands, of_sessions_that_wait_go_by_turns)
{
    peer.limits.commands_in_flight = 1;
    peer_open();
    peer_start("A.first", "Z");
    for (int i = 0; i < 3; i++) {
        peer_start("A.greedy", "S");
    }
    peer_start("A.modest", "T");
    peer_start("A.own", NULL);
    peer_settle();
    static const char *const order[] = {"A.first", "A.greedy", "A.modest",
                                        "A.own",   "A.greedy", "A.greedy"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        peer_answer(peer_expect(order[i]));
        peer_finish(TROUPE_OK);
    }
}

Test(commands, larger_than_a_message_may_be_are_refused_for_good)
{
    peer.message_max = 2000;
    peer_open();
    char params[3000] = "{\"a\":\"";
    memset(params + 6, 'x', sizeof params - 8);
    memcpy(params + sizeof params - 2, "\"}", 2);
    peer_start_with("A.large", "S", params, sizeof params, WAIT_MS);
    peer_finish(TROUPE_ELIMIT);
    peer_start("A.small", "S");
    peer_answer_on(peer_expect("A.small"), "S");
    peer_finish(TROUPE_OK);
}

Test(commands, with_names_that_are_none_leave_no_trace)
{
    peer_open();
    peer_start("A.\"m", "S");
    peer_finish(TROUPE_EPARAMS);
    peer_start("A.m", "a b");
    peer_finish(TROUPE_EPARAMS);
    peer_settle();
    cr_assert_eq(peer_metric("in_flight"), 0);
    cr_assert_eq(json_object_size(json_object_get(peer.metrics, "methods")), 2);
}

/* Back-pressure -------------------------------------------------------------------------------- */

Test(commands, wait_while_the_peer_does_not_read_and_urgent_ones_go_between)
{
    peer_open();
    size_t len = 6u << 20;
    char *params = malloc(len);
    memset(params, ' ', len);
    params[0] = '{';
    params[len - 1] = '}';
    for (int i = 0; i < 6; i++) { /* three times what the stream's own queue holds */
        peer_start_with(i < 4 ? "A.large" : "A.other", i < 4 ? "S" : "T", params, len, WAIT_MS);
        peer_settle();
    }
    cr_assert_eq(peer_metric("queued"), 5);
    cr_assert_eq(peer_wait_of("stream"), 1);
    cr_assert_gt(peer_metric("unwritten_bytes"), 1 << 20);
    peer_start("Input.insertText", "U");
    peer_settle();
    static const char *const order[] = {"A.large", "Input.insertText", "A.large", "A.other",
                                        "A.large", "A.other",          "A.large"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        peer_answer(peer_expect(order[i]));
        peer_finish(TROUPE_OK);
    }
    peer_settle();
    cr_assert_eq(peer_metric("queued_bytes"), 0);
    cr_assert_eq(peer_metric("unwritten_bytes"), 0);
    free(params);
}

Test(commands, that_the_stream_has_no_room_for_wait_too)
{
    peer_open();
    size_t len = 9u << 20; /* two are more than the stream queues */
    char *params = malloc(len);
    memset(params, ' ', len);
    params[0] = '{';
    params[len - 1] = '}';
    peer_start_with("A.large", "S", params, len, WAIT_MS);
    peer_settle();
    peer_start_with("Fetch.fulfillRequest", "S", params, len,
                    WAIT_MS); /* no limit but the stream's */
    peer_settle();
    cr_assert_eq(peer_metric("queued"), 1);
    cr_assert_eq(peer_wait_of("stream"), 1);
    peer_answer_on(peer_expect("A.large"), "S");
    peer_answer_on(peer_expect("Fetch.fulfillRequest"), "S");
    peer_finish(TROUPE_OK);
    peer_finish(TROUPE_OK);
    free(params);
}

Test(commands, screenshot_that_finds_the_connection_lost_ends_once)
{
    peer_open();
    signal(SIGPIPE, SIG_IGN);
    size_t len = 6u << 20;
    char *params = malloc(len);
    memset(params, ' ', len);
    params[0] = '{';
    params[len - 1] = '}';
    peer_start("Page.captureScreenshot", "S");
    int64_t front = peer_expect("Target.activateTarget");
    peer_start("Page.captureScreenshot", "T"); /* waits for the first */
    peer_start_with("A.large", "S", params, len, WAIT_MS);
    peer_settle();
    cr_assert_gt(peer_metric("unwritten_bytes"), 1 << 20);
    cr_assert_eq(shutdown(peer.fd, SHUT_RD), 0); /* seen when it is written to */
    peer_answer(front);
    for (int i = 0; i < 3; i++) {
        peer_finish(TROUPE_ECLOSED);
    }
    free(params);
}

/* Rate ----------------------------------------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

Test(commands, go_at_the_rate_after_the_burst_and_urgent_ones_do_not_wait)
{
    peer.limits.commands_per_second = 20;
    peer.limits.commands_burst = 8;
    peer_open(); /* its own two are counted: six are left */
    double begun = now_ms();
    for (int i = 0; i < 10; i++) {
        peer_start("A.m", "S");
    }
    peer_settle();
    int64_t queued = peer_metric("queued");
    cr_assert(queued == 4 || now_ms() - begun > 40, "%lld", (long long)queued);
    peer_start("Input.insertText", "T");
    for (int i = 0; i < 6; i++) {
        peer_answer_on(peer_expect("A.m"), "S");
    }
    int seen = 0;
    for (int i = 0; i < 5; i++) {
        json_t *message = peer_hear();
        const char *method = json_string_value(json_object_get(message, "method"));
        bool input = strcmp(method, "Input.insertText") == 0;
        seen += input;
        peer_answer_on(json_integer_value(json_object_get(message, "id")), input ? "T" : "S");
        json_decref(message);
    }
    cr_assert_eq(seen, 1);
    cr_assert_geq(now_ms() - begun, 4 * 50.0, "four tokens, and one for what passed");
    for (int i = 0; i < 11; i++) {
        peer_finish(TROUPE_OK);
    }
    peer_settle();
    cr_assert_eq(peer_metric("rate_passed"), 1);
    cr_assert_eq(peer_wait_of("rate"), 1);
}

Test(commands, refused_under_a_rate_are_told_how_long)
{
    peer.limits.commands_per_second = 1;
    peer.limits.commands_burst = 2; /* the actor's own two take them */
    peer.limits.commands_queued = 3;
    peer_open();
    for (int i = 0; i < 4; i++) {
        peer_start("A.m", "S");
    }
    troupe_answer got = {0};
    cr_assert_eq(troupe_guest_wait(peer.guest, WAIT_MS, &got), TROUPE_OK);
    cr_assert_eq(got.error, TROUPE_EBUSY);
    int ms = 0;
    cr_assert_eq(sscanf(got.data, "{\"retry_after_ms\":%d}", &ms), 1);
    cr_assert(ms > 2000 && ms <= 4000, "%d", ms);
    troupe_answer_fini(&got);
}
