/* SPDX-License-Identifier: MIT */
#include "cdp_scenarios.h"

#include "troupe/error.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers ----------------------------------------------------------------------------------- */

static void in_reverse(cdp_peer *p)
{
    cdp_connect(p, true);
    start_calls(p, MANY);
    for (size_t n = MANY; n > 0; n--) {
        cdp_answer(p, n - 1);
    }
    for (size_t n = 0; n < MANY; n++) {
        expect_own_result(p, n);
    }
    cdp_disconnect(p);
}

static void twice(cdp_peer *p)
{
    cdp_connect(p, true);
    start_calls(p, MANY);
    for (size_t n = 0; n < MANY; n++) {
        cdp_answer(p, n);
        cdp_send(p, "{\"id\":%lld,\"result\":{\"second\":true}}", (long long)p->calls[n].id);
        cdp_send(p, "{\"id\":%lld,\"error\":{\"code\":1,\"message\":\"third\"}}",
                 (long long)p->calls[n].id);
    }
    for (size_t n = 0; n < MANY; n++) {
        expect_own_result(p, n);
    }
    EXPECT(cdp_count(p, "duplicate") == 2 * MANY);
    EXPECT(cdp_count(p, "late") == 0);
    cdp_disconnect(p);
}

static void to_nobody(cdp_peer *p)
{
    static const char *const ids[] = {"0",
                                      "-1",
                                      "987654321",
                                      "2147483647",
                                      "2147483648",
                                      "-2147483649",
                                      "9007199254740992",
                                      "9007199254740993",
                                      "9223372036854775807",
                                      "-9223372036854775808"};
    const size_t count = sizeof ids / sizeof ids[0];
    cdp_connect(p, true);
    start_calls(p, 2);
    for (size_t i = 0; i < count; i++) {
        cdp_send(p, "{\"id\":%s,\"result\":{}}", ids[i]);
        cdp_send(p, "{\"id\":%s,\"error\":{\"code\":-1,\"message\":\"m\"}}", ids[i]);
    }
    cdp_answer(p, 1);
    cdp_answer(p, 0);
    expect_own_result(p, 0);
    expect_own_result(p, 1);
    EXPECT(cdp_count(p, "unknown") == 2 * count);
    cdp_disconnect(p);
}

/* A command that still waits to be sent has an id already: who guesses it has answered nothing. */
static void before_it_was_asked(cdp_peer *p)
{
    uint32_t before = p->host.commands_in_flight;
    p->host.commands_in_flight = 1;
    cdp_connect(p, true);
    start_calls(p, 1);
    size_t waiting = cdp_call_post(p, 0);
    EXPECT(cdp_look(p, "queued") == 1);
    cdp_send(p, "{\"id\":%lld,\"result\":{\"guessed\":true}}", (long long)p->calls[0].id + 1);
    cdp_await_read(p);
    cdp_answer(p, 0);
    expect_own_result(p, 0);
    cdp_call_read(p, waiting);
    cdp_answer(p, waiting);
    expect_own_result(p, waiting);
    EXPECT(cdp_count(p, "unknown") == 1);
    cdp_disconnect(p);
    p->host.commands_in_flight = before;
}

/* An id that is no whole number in digits is no id: the message is passed over. */
static void odd_ids(cdp_peer *p)
{
    static const char *const ids[] = {"\"%lld\"",
                                      "%lld.0",
                                      "%lld.5",
                                      "%llde0",
                                      "[%lld]",
                                      "{\"id\":%lld}",
                                      "99999999999999999999%lld"};
    const size_t count = sizeof ids / sizeof ids[0];
    cdp_connect(p, true);
    start_calls(p, 1);
    for (size_t i = 0; i < count; i++) {
        char id[64];
        char text[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(id, sizeof id, ids[i], (long long)p->calls[0].id);
#pragma GCC diagnostic pop
        snprintf(text, sizeof text, "{\"id\":%s,\"result\":{\"wrong\":%zu}}", id, i);
        cdp_send_text(p, text, strlen(text));
    }
    cdp_send(p, "{\"id\":null,\"result\":{}}");
    cdp_send(p, "{\"id\":true,\"result\":{}}");
    cdp_send(p, "{\"result\":{}}");
    cdp_send(p, "{\"id\":\"1\",\"method\":\"Page.loaded\",\"params\":{}}");
    cdp_answer(p, 0);
    expect_own_result(p, 0);
    EXPECT(cdp_count(p, "malformed") == count + 4);
    EXPECT(cdp_count(p, "unknown") == 0);
    cdp_disconnect(p);
}

/* The actor's own deadline comes a moment after its caller's; a counter, no event: looked at. */
static void await_timeouts(cdp_peer *p, uint64_t count)
{
    while (cdp_count(p, "timeouts") < count) {
        poll(NULL, 0, 1);
    }
}

static void never(cdp_peer *p)
{
    cdp_connect(p, true);
    size_t late = cdp_call_start(p, SHORT_MS);
    size_t never_at_all = cdp_call_start(p, SHORT_MS);
    size_t in_time = cdp_call_start(p, 0);
    EXPECT_ENDED(p, late, TROUPE_ETIMEOUT, "");
    EXPECT_ENDED(p, never_at_all, TROUPE_ETIMEOUT, "");
    await_timeouts(p, 2);
    cdp_answer(p, late);
    cdp_answer(p, late);
    cdp_answer(p, in_time);
    expect_own_result(p, in_time);
    EXPECT(cdp_count(p, "late") + cdp_count(p, "duplicate") == 2);
    EXPECT(cdp_count(p, "late") >= 1);
    cdp_disconnect(p);
}

static void on_another_session(cdp_peer *p)
{
    cdp_connect(p, true);
    start_calls(p, 1);
    cdp_send(p, "{\"id\":%lld,\"result\":{\"n\":0},\"sessionId\":\"OTHER\"}",
             (long long)p->calls[0].id);
    expect_own_result(p, 0);
    EXPECT(cdp_count(p, "misrouted") == 1);
    cdp_disconnect(p);
}

/* Shapes ------------------------------------------------------------------------------------ */

typedef struct shape {
    const char *rest; /* of the answer, behind its id */
    troupe_error error;
    const char *words;
} shape;

static void shapes_of_errors(cdp_peer *p)
{
    static const shape shapes[] = {
        {"\"error\":{\"code\":-32000,\"message\":\"no\"}", TROUPE_ECDP, "no"},
        {"\"error\":{}", TROUPE_ECDP, "the browser answered with an error {}"},
        {"\"error\":{\"code\":\"x\",\"message\":7}", TROUPE_ECDP, "\"message\":7"},
        {"\"error\":{\"message\":null,\"data\":{\"a\":[1]}}", TROUPE_ECDP, "\"a\":[1]"},
        {"\"error\":{\"message\":\"a\\nb\\u0000c\"}", TROUPE_ECDP, "\\u0000"},
        {"\"error\":{\"code\":-1,\"message\":\"m\"},\"result\":{\"n\":1}", TROUPE_ECDP, "m"},
        {"\"result\":{\"n\":1},\"error\":{\"code\":-1,\"message\":\"m\"}", TROUPE_ECDP, "m"},
        {"\"error\":null,\"result\":{\"n\":1}", TROUPE_OK, "{\"n\":1}"},
        {"\"error\":null", TROUPE_OK, "{}"},
        {"\"result\":null", TROUPE_OK, "{}"},
        {"\"method\":\"A.b\",\"params\":{},\"result\":{\"n\":1}", TROUPE_OK, "{\"n\":1}"},
    };
    const size_t count = sizeof shapes / sizeof shapes[0];
    cdp_connect(p, true);
    start_calls(p, count);
    for (size_t n = 0; n < count; n++) {
        cdp_send(p, "{\"id\":%lld,%s}", (long long)p->calls[n].id, shapes[n].rest);
    }
    for (size_t n = 0; n < count; n++) {
        EXPECT_ENDED(p, n, shapes[n].error, shapes[n].words);
    }
    EXPECT(cdp_count(p, "errors") == 7);
    cdp_disconnect(p);
}

/* What stands in the place of an object and is none makes the message unreadable: its call ends by
 * its deadline. */
static void no_objects(cdp_peer *p)
{
    static const char *const rests[] = {"\"result\":[]",
                                        "\"result\":\"text\"",
                                        "\"result\":7",
                                        "\"error\":[]",
                                        "\"error\":\"no\"",
                                        "\"error\":true",
                                        "\"result\":{},\"sessionId\":7"};
    const size_t count = sizeof rests / sizeof rests[0];
    cdp_connect(p, true);
    for (size_t n = 0; n < count; n++) {
        (void)cdp_call_start(p, SHORT_MS);
        cdp_send(p, "{\"id\":%lld,%s}", (long long)p->calls[n].id, rests[n]);
    }
    for (size_t n = 0; n < count; n++) {
        EXPECT_ENDED(p, n, TROUPE_ETIMEOUT, "");
    }
    EXPECT(cdp_count(p, "malformed") == count);
    cdp_disconnect(p);
}

static void repeated_keys(cdp_peer *p)
{
    cdp_connect(p, true);
    start_calls(p, 3);
    /* The last one counts. */
    cdp_send(p, "{\"id\":%lld,\"id\":%lld,\"result\":{\"n\":1}}", (long long)p->calls[0].id,
             (long long)p->calls[1].id);
    cdp_send(p, "{\"id\":%lld,\"result\":{\"n\":9},\"result\":{\"n\":0}}",
             (long long)p->calls[0].id);
    cdp_send(p, "{\"id\":%lld,\"result\":{\"n\":2,\"n\":2}}", (long long)p->calls[2].id);
    expect_own_result(p, 1);
    expect_own_result(p, 0);
    EXPECT_ENDED(p, 2, TROUPE_OK, "{\"n\":2,\"n\":2}");
    cdp_disconnect(p);
}

static char *nested(const char *before, size_t depth, const char *behind)
{
    size_t a = strlen(before);
    size_t b = strlen(behind);
    char *text = malloc(a + 2 * depth + b + 1);
    if (text == NULL) {
        abort();
    }
    memcpy(text, before, a);
    memset(text + a, '[', depth);
    memset(text + a + depth, ']', depth);
    memcpy(text + a + 2 * depth, behind, b + 1);
    return text;
}

static void deep_nesting(cdp_peer *p)
{
    static const size_t depths[] = {100, 10000, 1000000};
    cdp_connect(p, true);
    for (size_t i = 0; i < 3; i++) {
        char before[64];
        size_t n = cdp_call_start(p, 0);
        char *event = nested("{\"method\":\"A.b\",\"params\":{\"x\":", depths[i], "}}");
        cdp_send_text(p, event, strlen(event));
        free(event);
        snprintf(before, sizeof before,
                 "{\"id\":%lld,\"result\":{\"x\":", (long long)p->calls[n].id);
        char *answer = nested(before, depths[i], "}}");
        cdp_send_text(p, answer, strlen(answer));
        free(answer);
        /* Passed on as it is: who parses it says no. */
        EXPECT_ENDED(p, n, TROUPE_OK, "{\"x\":[[[");
    }
    cdp_disconnect(p);
}

static void garbage(cdp_peer *p)
{
    static const char *const all[] = {"no JSON",
                                      "{",
                                      "}",
                                      "[]",
                                      "7",
                                      "\"text\"",
                                      "null",
                                      "{}",
                                      "{\"id\":1",
                                      "{\"method\":7}",
                                      "{\"method\":\"\"}",
                                      "{\"method\":\"A.b\",\"params\":[]}",
                                      "{\"id\":1,}",
                                      "{\"id\":1}{\"id\":1}",
                                      "\xff\xfe",
                                      "{\"id\" 1}",
                                      "{\"method\":\"A\\u002eb\"}"};
    const size_t count = sizeof all / sizeof all[0];
    unsigned skipped = 0;
    cdp_connect(p, true);
    start_calls(p, count);
    for (size_t n = 0; n < count; n++) {
        if (p->websocket && all[n][0] == '\xff') {
            skipped++; /* no text for a WebSocket */
        } else {
            cdp_send(p, "%s", all[n]);
        }
        cdp_answer(p, n);
    }
    for (size_t n = 0; n < count; n++) {
        expect_own_result(p, n);
    }
    EXPECT(cdp_count(p, "malformed") == count - skipped);
    cdp_disconnect(p);
}

/* Events ------------------------------------------------------------------------------------ */

static void unknown_sessions(cdp_peer *p)
{
    cdp_connect(p, true);
    start_calls(p, 1);
    cdp_send(p, "{\"method\":\"Page.loaded\",\"params\":{},\"sessionId\":\"NOBODY\"}");
    cdp_send(p, "{\"method\":\"Target.detachedFromTarget\",\"params\":{\"sessionId\":\"NOBODY\"}}");
    cdp_send(p, "{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":\"NOBODY\"}}");
    cdp_send(p, "{\"method\":\"Target.attachedToTarget\",\"sessionId\":\"NOBODY\",\"params\":{"
                "\"sessionId\":\"X\",\"targetInfo\":{\"targetId\":\"T\",\"type\":\"page\"}}}");
    cdp_answer(p, 0);
    expect_own_result(p, 0);
    cdp_disconnect(p);
}

static void flood(cdp_peer *p)
{
    static const char event[] = "{\"method\":\"Network.dataReceived\",\"params\":{\"requestId\":"
                                "\"1000.1\",\"dataLength\":65536},\"sessionId\":\"NOBODY\"}";
    byte_queue out = {0};
    cdp_connect(p, true);
    start_calls(p, MANY);
    for (size_t i = 0; i < 500; i++) {
        cdp_wrap(p, &out, event, sizeof event - 1);
    }
    for (size_t n = 0; n < MANY; n++) {
        cdp_send_raw(p, byte_queue_head(&out), byte_queue_len(&out));
        cdp_answer(p, MANY - 1 - n);
    }
    for (size_t n = 0; n < MANY; n++) {
        expect_own_result(p, n);
    }
    byte_queue_fini(&out);
    cdp_disconnect(p);
}

const cdp_scenario cdp_scenarios[] = {
    {"answers in reverse", in_reverse},
    {"answers twice", twice},
    {"answers to nobody", to_nobody},
    {"answers before it was asked", before_it_was_asked},
    {"ids of odd types", odd_ids},
    {"never answers", never},
    {"answers on another session", on_another_session},
    {"errors of odd shapes", shapes_of_errors},
    {"what is no object", no_objects},
    {"keys that stand twice", repeated_keys},
    {"deep nesting", deep_nesting},
    {"garbage between answers", garbage},
    {"events of unknown sessions", unknown_sessions},
    {"100,000 events between answers", flood},
};

const size_t cdp_scenario_count = sizeof cdp_scenarios / sizeof cdp_scenarios[0];
