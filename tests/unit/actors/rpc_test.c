/* SPDX-License-Identifier: MIT */
/* JSON-RPC 2.0 over POST /rpc: the examples of the specification, and everything malformed. */
#include "bridge_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bridge_stage theatre;

static void open_stage(void)
{
    troupe_reason reason = {""};
    stage_options(&theatre);
    cr_assert_eq(stage_open(&theatre, &reason), TROUPE_OK, "%s", reason.text);
}

static void close_stage(void)
{
    stage_close(&theatre);
}

TestSuite(rpc, .init = open_stage, .fini = close_stage, .timeout = 60);

/* The answer, exactly as sent. */
static void gives(const char *request, int status, const char *expected)
{
    response got = http_rpc(theatre.addresses.port, "", request);
    cr_assert_eq(got.status, status, "%s: %d", request, got.status);
    cr_assert_str_eq(got.body, expected, "%s", request);
    response_free(&got);
}

/* A single error answer: code, name, id (as JSON text). */
static void fails(const char *request, int code, const char *name, const char *id)
{
    json_t *answer = rpc_value(&theatre, request);
    json_t *error = json_object_get(answer, "error");
    char *id_text = json_dumps(json_object_get(answer, "id"), JSON_ENCODE_ANY);
    cr_assert_eq(json_integer_value(json_object_get(error, "code")), code, "%.80s", request);
    cr_assert(json_string_length(json_object_get(error, "message")) > 0);
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(error, "data"), "name")),
                     name);
    cr_assert_str_eq(id_text, id, "%.80s", request);
    cr_assert_str_eq(json_string_value(json_object_get(answer, "jsonrpc")), "2.0");
    cr_assert_null(json_object_get(answer, "result"));
    free(id_text);
    json_decref(answer);
}

Test(rpc, call_by_name_and_by_position_reach_the_owner)
{
    gives("{\"jsonrpc\":\"2.0\",\"method\":\"query.sql\",\"params\":{\"sql\":\"x\"},\"id\":1}", 200,
          "{\"jsonrpc\":\"2.0\",\"result\":{\"actor\":\"query/"
          "sql\",\"verb\":\"query.sql\",\"params\":"
          "{\"sql\":\"x\"},\"timeout_ms\":30000},\"id\":1}");
    gives("{\"jsonrpc\":\"2.0\",\"method\":\"query.sql\",\"params\":[\"x\",[1,null]],\"id\":2}",
          200,
          "{\"jsonrpc\":\"2.0\",\"result\":{\"actor\":\"query/"
          "sql\",\"verb\":\"query.sql\",\"params\":"
          "{\"sql\":\"x\",\"params\":[1,null]},\"timeout_ms\":30000},\"id\":2}");
}

Test(rpc, ids_of_every_legal_type_come_back)
{
    static const char *const ids[] = {
        "1", "-7", "0", "1.5", "\"\"", "\"a\\u0000b\"", "null", "9007199254740993", "\"\xc3\xa4\""};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char request[160];
        char expected[160];
        snprintf(request, sizeof request,
                 "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"nil\"],\"id\":%s}", ids[i]);
        snprintf(expected, sizeof expected, "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":%s}",
                 ids[i]);
        gives(request, 200, expected);
    }
}

Test(rpc, notifications_are_not_answered)
{
    gives("{\"jsonrpc\":\"2.0\",\"method\":\"pages\"}", 204, "");
    gives("{\"jsonrpc\":\"2.0\",\"method\":\"foobar\"}", 204, "");
    gives("{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":{\"bad\":1}}", 204, "");
    gives(
        "[{\"jsonrpc\":\"2.0\",\"method\":\"pages\"},{\"jsonrpc\":\"2.0\",\"method\":\"status\"}]",
        204, "");
}

Test(rpc, specification_errors)
{
    fails("{\"jsonrpc\": \"2.0\", \"method\": \"foobar\", \"id\": \"1\"}", -32601,
          "METHOD_NOT_FOUND", "\"1\"");
    fails("{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"params\": \"bar\", \"baz]", -32700,
          "PARSE_ERROR", "null");
    fails("{\"jsonrpc\": \"2.0\", \"method\": 1, \"params\": \"bar\"}", -32600, "INVALID_REQUEST",
          "null");
    fails("[{\"jsonrpc\": \"2.0\", \"method\": \"sum\", \"params\": [1,2,4], \"id\": \"1\"},"
          "{\"jsonrpc\": \"2.0\", \"method\"]",
          -32700, "PARSE_ERROR", "null");
    fails("[]", -32600, "INVALID_REQUEST", "null");
}

Test(rpc, specification_batches_of_invalid_members)
{
    json_t *answer = rpc_value(&theatre, "[1]");
    cr_assert_eq(json_array_size(answer), 1);
    json_decref(answer);
    answer = rpc_value(&theatre, "[1,2,3]");
    cr_assert_eq(json_array_size(answer), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *row = json_array_get(answer, i);
        cr_assert_eq(json_integer_value(json_object_get(json_object_get(row, "error"), "code")),
                     -32600);
        cr_assert(json_is_null(json_object_get(row, "id")));
    }
    json_decref(answer);
}

Test(rpc, specification_mixed_batch_keeps_order)
{
    json_t *answer = rpc_value(
        &theatre,
        "[{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"nil\"],\"id\":\"1\"},"
        "{\"jsonrpc\":\"2.0\",\"method\":\"status\"},"
        "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":\"2\"},"
        "{\"foo\":\"boo\"},"
        "{\"jsonrpc\":\"2.0\",\"method\":\"foo.get\",\"params\":{\"name\":\"x\"},\"id\":\"5\"},"
        "{\"jsonrpc\":\"2.0\",\"method\":\"config\",\"id\":\"9\"}]");
    static const char *const ids[] = {"\"1\"", "\"2\"", "null", "\"5\"", "\"9\""};
    static const int codes[] = {0, 0, -32600, -32601, 0};
    cr_assert_eq(json_array_size(answer), 5);
    for (size_t i = 0; i < 5; i++) {
        json_t *row = json_array_get(answer, i);
        char *id = json_dumps(json_object_get(row, "id"), JSON_ENCODE_ANY);
        cr_assert_str_eq(id, ids[i]);
        cr_assert_eq(json_integer_value(json_object_get(json_object_get(row, "error"), "code")),
                     codes[i]);
        free(id);
    }
    json_decref(answer);
}

Test(rpc, malformed_requests_are_told_apart)
{
    fails("", -32700, "PARSE_ERROR", "null");
    fails("   ", -32700, "PARSE_ERROR", "null");
    fails("nonsense", -32700, "PARSE_ERROR", "null");
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"id\":\"\xff\"}", -32700, "PARSE_ERROR", "null");
    fails("\"text\"", -32600, "INVALID_REQUEST", "null");
    fails("{\"method\":\"status\",\"id\":4}", -32600, "INVALID_REQUEST", "4");
    fails("{\"jsonrpc\":\"1.0\",\"method\":\"status\",\"id\":4}", -32600, "INVALID_REQUEST", "4");
    fails("{\"jsonrpc\":2.0,\"method\":\"status\",\"id\":4}", -32600, "INVALID_REQUEST", "4");
    fails("{\"jsonrpc\":\"2.0\",\"id\":4}", -32600, "INVALID_REQUEST", "4");
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":[1]}", -32600, "INVALID_REQUEST",
          "null");
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":true}", -32600, "INVALID_REQUEST",
          "null");
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"params\":\"x\",\"id\":4}", -32600,
          "INVALID_REQUEST", "4");
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":{\"cod\":\"1\"},\"id\":4}", -32602,
          "INVALID_PARAMS", "4");
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"events.subscribe\",\"params\":[\"network\"],\"id\":4}",
          -32601, "METHOD_NOT_FOUND", "4");
}

Test(rpc, parse_errors_name_the_position)
{
    json_t *answer = rpc_value(&theatre, "{\"jsonrpc\":\n  oops");
    const char *message =
        json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
    cr_assert_not_null(strstr(message, "line 2"), "%s", message);
    json_decref(answer);
}

Test(rpc, deep_nesting_is_refused_before_it_is_parsed)
{
    size_t depth = 100000;
    char *text = malloc(depth + 1);
    memset(text, '[', depth);
    text[depth] = '\0';
    fails(text, -32008, "LIMIT", "null");
    free(text);
}

Test(rpc, batch_of_a_thousand_is_answered_and_one_more_refused)
{
    static const char one[] = "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1000000}";
    char *text = malloc(1001 * sizeof one + 3);
    for (int count = 1000; count <= 1001; count++) {
        char *at = text;
        *at++ = '[';
        for (int i = 0; i < count; i++) {
            at += sprintf(at, "%s{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":%d}",
                          i > 0 ? "," : "", i);
        }
        strcpy(at, "]");
        json_t *answer = rpc_value(&theatre, text);
        if (count == 1000) {
            cr_assert_eq(json_array_size(answer), 1000);
            for (size_t i = 0; i < 1000; i++) {
                json_t *row = json_array_get(answer, i);
                cr_assert_eq(json_integer_value(json_object_get(row, "id")), (json_int_t)i);
                cr_assert_not_null(json_object_get(row, "result"));
            }
        } else {
            cr_assert_str_eq(
                json_string_value(json_object_get(
                    json_object_get(json_object_get(answer, "error"), "data"), "name")),
                "LIMIT");
        }
        json_decref(answer);
    }
    free(text);
}

Test(rpc, batch_members_run_at_the_same_time)
{
    /* The first is answered only when the second arrives. */
    json_t *answer = rpc_value(
        &theatre, "[{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"hold\"],\"id\":1},"
                  "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"release\"],\"id\":2}]");
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(answer, 0), "result")),
                     "released");
    json_decref(answer);
}

Test(rpc, faults_carry_their_data)
{
    json_t *answer = rpc_value(
        &theatre, "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"fault\"],\"id\":1}");
    json_t *error = json_object_get(answer, "error");
    json_t *data = json_object_get(error, "data");
    cr_assert_eq(json_integer_value(json_object_get(error, "code")), -32009);
    cr_assert_str_eq(json_string_value(json_object_get(error, "message")), "the browser said no");
    cr_assert_str_eq(json_string_value(json_object_get(data, "name")), "CDP_ERROR");
    cr_assert_eq(json_integer_value(json_object_get(data, "cdp_code")), -32000);
    json_decref(answer);
}

/* Two bytes a character, and the place of the cut is odd or even. */
Test(rpc, faults_of_long_words_keep_code_name_and_data)
{
    for (int odd = 0; odd < 2; odd++) {
        char word[1300] = "";
        char request[1400];
        for (int i = 0; i < 600; i++) {
            memcpy(word + 2 * i, "\xc3\xa9", 3);
        }
        snprintf(request, sizeof request,
                 "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"fault:%s%s\"],\"id\":1}",
                 odd ? "x" : "", word);
        fails(request, -32010, "JS_EXCEPTION", "1");
        json_t *answer = rpc_value(&theatre, request);
        json_t *error = json_object_get(answer, "error");
        cr_expect_gt(json_string_length(json_object_get(error, "message")), 390);
        cr_expect_eq(json_string_length(json_object_get(json_object_get(error, "data"), "text")),
                     (size_t)(1206 + odd));
        json_decref(answer);
    }
}

Test(rpc, deadlines_end_calls)
{
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":{\"code\":\"silent\","
          "\"timeout_ms\":20},\"id\":1}",
          -32005, "TIMEOUT", "1");
}

Test(rpc, owners_that_answer_no_json_are_an_internal_error)
{
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"junk\"],\"id\":1}", -32603,
          "INTERNAL_ERROR", "1");
}

static void actor_is(const char *request, const char *actor)
{
    json_t *answer = rpc_value(&theatre, request);
    const char *got =
        json_string_value(json_object_get(json_object_get(answer, "result"), "actor"));
    cr_assert_not_null(got, "%s", request);
    cr_assert_str_eq(got, actor);
    json_decref(answer);
}

Test(rpc, target_methods_go_to_the_target_or_to_connections)
{
    actor_is("{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"1\",\"p1:abc\"],\"id\":1}",
             "target/p1:abc");
    actor_is("{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"1\",\"p1:a\"],\"id\":1}",
             "connections");
    actor_is("{\"jsonrpc\":\"2.0\",\"method\":\"page\",\"id\":1}", "connections");
    actor_is("{\"jsonrpc\":\"2.0\",\"method\":\"browsers.list\",\"id\":1}", "launcher");
    actor_is("{\"jsonrpc\":\"2.0\",\"method\":\"console\",\"id\":1}", "console");
    actor_is("{\"jsonrpc\":\"2.0\",\"method\":\"clear\",\"id\":1}", "network");
}

Test(rpc, missing_owner_is_unavailable)
{
    troupe_address console = troupe_whereis(theatre.system, "console");
    cr_assert_eq(troupe_stop(theatre.system, console, TROUPE_STOP_DRAIN), TROUPE_OK);
    cr_assert_eq(troupe_join(theatre.system, console, 5000), TROUPE_OK);
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"console\",\"id\":1}", -32015, "UNAVAILABLE", "1");
}

Test(rpc, epoch_beside_the_params_is_taken_into_them)
{
    gives(
        "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"epoch\":7,\"id\":1}", 200,
        "{\"jsonrpc\":\"2.0\",\"result\":{\"actor\":\"connections\",\"verb\":\"pages\",\"params\":"
        "{\"epoch\":7},\"timeout_ms\":30000},\"id\":1}");
}

Test(rpc, local_methods_answer)
{
    json_t *answer =
        rpc_value(&theatre, "[{\"jsonrpc\":\"2.0\",\"method\":\"actors.list\",\"id\":0},"
                            "{\"jsonrpc\":\"2.0\",\"method\":\"metrics\",\"id\":1},"
                            "{\"jsonrpc\":\"2.0\",\"method\":\"rpc.describe\",\"id\":2},"
                            "{\"jsonrpc\":\"2.0\",\"method\":\"config\",\"id\":3},"
                            "{\"jsonrpc\":\"2.0\",\"method\":\"clients.list\",\"id\":4}]");
    static const char *const members[] = {"actors", "process", "methods", "key", "clients"};
    for (size_t i = 0; i < 5; i++) {
        json_t *result = json_object_get(json_array_get(answer, i), "result");
        cr_assert_not_null(json_object_get(result, members[i]), "%s", members[i]);
    }
    const json_t *actors =
        json_object_get(json_object_get(json_array_get(answer, 0), "result"), "actors");
    const json_t *actor = json_array_get(actors, 0);
    static const char *const counted[] = {"received", "bytes_received", "bytes_sent",
                                          "restarts", "dead_letters",   "links",
                                          "monitors", "handled"};
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
        cr_assert(json_is_integer(json_object_get(actor, counted[i])), "%s", counted[i]);
    cr_assert(json_is_real(json_object_get(actor, "longest_ms")));
    cr_assert_eq(json_array_size(json_object_get(actor, "handled_times")), TROUPE_HANDLER_BUCKETS);
    json_decref(answer);
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"rpc.describe\",\"params\":[\"no\"],\"id\":1}", -32011,
          "NOT_FOUND", "1");
}

Test(rpc, stop_is_answered_before_it_is_asked_for)
{
    gives("{\"jsonrpc\":\"2.0\",\"method\":\"stop\",\"id\":1}", 200,
          "{\"jsonrpc\":\"2.0\",\"result\":{\"stopping\":true},\"id\":1}");
    /* Same worker, same connection or not: the server has handled the request when it is idle. */
    stage_close(&theatre);
    cr_assert_eq(theatre.stops, 1);
    open_stage();
    theatre.options.stop_requested = NULL;
    fails("{\"jsonrpc\":\"2.0\",\"method\":\"stop\",\"id\":1}", -32014, "FORBIDDEN", "1");
}

Test(rpc, big_results_arrive_whole)
{
    json_t *answer = rpc_value(
        &theatre, "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"big:67108864\"],\"id\":1}");
    cr_assert_eq(json_string_length(json_object_get(answer, "result")), 67108864);
    json_decref(answer);
}
