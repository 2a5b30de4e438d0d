/* SPDX-License-Identifier: MIT */
/* RPC network, request, body and clear over a real store. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static recording rec;

static void open_fed(void)
{
    recording_options(&rec, true);
    recording_open(&rec);
    recording_target(&rec, "u1", "p1:abc123", "connected");
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
}

static void close_recording(void)
{
    recording_close(&rec);
}

TestSuite(network_service, .init = open_fed, .fini = close_recording, .timeout = 60);

static size_t count(const char *params)
{
    json_t *answer = recording_call(&rec, rec.network, "network", params);
    cr_expect_not_null(answer, "%s: %s", params, rec.message);
    size_t found = json_array_size(json_object_get(answer, "requests"));
    json_decref(answer);
    return found;
}

static void expect_params_error(const char *verb, const char *params, const char *member)
{
    cr_expect_null(recording_call(&rec, rec.network, verb, params), "%s", params);
    cr_expect_eq(rec.error, TROUPE_EPARAMS, "%s", params);
    cr_expect_eq(strncmp(rec.message, member, strlen(member)), 0, "%s: %s", params, rec.message);
}

Test(network_service, list_has_the_columns_newest_first)
{
    static const char *const columns[] = {"id",
                                          "request_id",
                                          "protocol",
                                          "method",
                                          "status",
                                          "url",
                                          "type",
                                          "size",
                                          "time_ms",
                                          "state",
                                          "pause_stage",
                                          "paused_id",
                                          "frames_sent",
                                          "frames_received",
                                          "started_datetime",
                                          "last_activity",
                                          "target",
                                          "body_status"};
    json_t *answer = recording_call(&rec, rec.network, "network", NULL);
    const json_t *rows = json_object_get(answer, "requests");
    const json_t *first = json_array_get(rows, 0);
    cr_expect_eq(json_array_size(rows), 26);
    cr_expect_eq(json_integer_value(json_object_get(first, "id")), 26);
    cr_expect_eq(json_object_size(first), 18);
    for (size_t i = 0; i < 18; i++) {
        cr_expect_not_null(json_object_get(first, columns[i]), "%s", columns[i]);
    }
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(answer, "targets"), 0)),
                     "p1:abc123");
    cr_expect_eq(json_array_size(json_object_get(answer, "warnings")), 0);
    json_decref(answer);
}

Test(network_service, filters_select)
{
    cr_expect_eq(count("{\"limit\":3}"), 3);
    cr_expect_eq(count("{\"status\":404}"), 2);
    cr_expect_eq(count("{\"method\":\"post\"}"), 2);
    cr_expect_eq(count("{\"resource_type\":\"document\"}"), 2);
    cr_expect_eq(count("{\"type\":\"Fetch\"}"), 14);
    cr_expect_eq(count("{\"state\":\"failed\"}"), 5);
    cr_expect_eq(count("{\"state\":\"closed\",\"method\":\"WS\"}"), 1);
    cr_expect_eq(count("{\"url\":\"*/r?\"}"), 0);
    cr_expect_eq(count("{\"url\":\"*/r1\"}"), 1);
    cr_expect_eq(count("{\"url\":\"*cached*\"}"), 2);
    cr_expect_eq(count("{\"url\":\"*?x=1*\"}"), 1);
    cr_expect_eq(count("{\"url\":\"http://127.0.0.1:45671/late\"}"), 1);
    cr_expect_eq(count("{\"search\":\"HTTPONLY\"}"), 1);
    cr_expect_eq(count("{\"search\":\"x-probe\"}"), 1);
    cr_expect_eq(count("{\"show_all\":true,\"url\":null,\"limit\":null}"), 26);
    cr_expect_eq(count("{\"target\":\"p1:abc123\"}"), 26);
    cr_expect_eq(count("{\"target\":[\"p1:abc123\",\"p9:none\"]}"), 26);
    cr_expect_eq(count("{\"target\":\"p9:none\"}"), 0);
    cr_expect_eq(count("{\"target\":\"*\"}"), 26);
    cr_expect_eq(count("{\"target\":[]}"), 0);
}

Test(network_service, order_and_limit_go_over_all_targets)
{
    recording_feed(&rec, "browser_events.tsv", "u2", "p2:abc123");
    json_t *answer = recording_call(&rec, rec.network, "network", "{\"limit\":30}");
    const json_t *rows = json_object_get(answer, "requests");
    cr_expect_eq(json_array_size(rows), 30);
    for (size_t i = 0; i < 30; i++) {
        cr_expect_eq(json_integer_value(json_object_get(json_array_get(rows, i), "id")),
                     52 - (json_int_t)i);
    }
    cr_expect_eq(json_array_size(json_object_get(answer, "targets")), 2);
    json_decref(answer);
    answer = recording_call(&rec, rec.network, "network", "{\"limit\":1,\"order\":\"asc\"}");
    rows = json_object_get(answer, "requests");
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(rows, 0), "id")), 1);
    json_decref(answer);
}

Test(network_service, filters_are_values_never_sql)
{
    static const char *const hostile[] = {"' OR 1=1 --",
                                          "x\\\" OR \\\"1\\\"=\\\"1",
                                          "%",
                                          "_%",
                                          "'; DROP TABLE request; --",
                                          "?",
                                          "[a-z]*",
                                          "\\u0000"};
    static const char *const members[] = {"method", "type", "url", "search", "target"};
    char params[200];
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        for (size_t j = 0; j < sizeof members / sizeof members[0]; j++) {
            snprintf(params, sizeof params, "{\"%s\":\"%s\"}", members[j], hostile[i]);
            json_t *answer = recording_call(&rec, rec.network, "network", params);
            size_t found = json_array_size(json_object_get(answer, "requests"));
            bool literal = strcmp(members[j], "search") == 0; /* "?" and "%" occur in headers */
            cr_expect(found == 0 || literal, "%s: %zu", params, found);
            json_decref(answer);
        }
    }
    cr_expect_eq(count("{}"), 26);
}

Test(network_service, wrong_params_are_named)
{
    expect_params_error("network", "{\"limit\":0}", "limit: ");
    expect_params_error("network", "{\"limit\":\"5\"}", "limit: ");
    expect_params_error("network", "{\"status\":\"200\"}", "status: ");
    expect_params_error("network", "{\"method\":5}", "method: ");
    expect_params_error("network", "{\"state\":\"asleep\"}", "state: one of pending");
    expect_params_error("network", "{\"order\":\"up\"}", "order: ");
    expect_params_error("network", "{\"target\":5}", "target: ");
    expect_params_error("network", "{\"target\":[5]}", "target: ");
    expect_params_error("network", "[1]", "params must be");
    expect_params_error("request", "{}", "id: ");
    expect_params_error("request", "{\"id\":\"1\"}", "id: ");
    expect_params_error("request", "{\"id\":1,\"fields\":\"all\"}", "fields: ");
    expect_params_error("body", "{\"id\":-1}", "id: ");
}

static json_t *entry_of(const char *params)
{
    json_t *answer = recording_call(&rec, rec.network, "request", params);
    cr_assert_not_null(answer, "%s: %s", params, rec.message);
    json_t *entry = json_incref(json_object_get(answer, "entry"));
    json_decref(answer);
    return entry;
}

/* The value at a path "a.b" as JSON text; freed with the next call. */
static const char *at(json_t *entry, const char *path)
{
    static char *text;
    char copy[100];
    json_t *value = entry;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *rest = copy, *key; (key = strsep(&rest, ".")) != NULL;) {
        value = json_object_get(value, key);
    }
    free(text);
    text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("absent");
    return text;
}

Test(network_service, request_shows_the_entry)
{
    json_t *entry = entry_of("{\"id\":8}");
    cr_expect_str_eq(at(entry, "request.method"), "\"POST\"");
    cr_expect_str_eq(at(entry, "request.postData"), "\"{\\\"a\\\":1}\"");
    cr_expect_str_eq(at(entry, "request.headers.X-Probe"), "\"yes\"");
    cr_expect_str_eq(at(entry, "response.status"), "200");
    cr_expect_str_eq(at(entry, "response.content.mimeType"), "\"application/json\"");
    cr_expect_str_eq(at(entry, "response.content.size"), "11");
    cr_expect_str_eq(at(entry, "response.httpVersion"), "\"http/1.1\"");
    cr_expect_str_eq(at(entry, "state"), "\"complete\"");
    cr_expect_str_eq(at(entry, "websocket"), "absent");
    static const char *const phases[] = {"send", "wait", "receive"};
    for (size_t i = 0; i < 3; i++) {
        const json_t *timings = json_object_get(entry, "timings");
        cr_expect_geq(json_number_value(json_object_get(timings, phases[i])), 0);
    }
    json_decref(entry);
    entry = entry_of("{\"id\":25}");
    cr_expect_str_eq(at(entry, "cors_error"), "\"MissingAllowOriginHeader\"");
    cr_expect_str_eq(at(entry, "error"), "\"net::ERR_FAILED\"");
    json_decref(entry);
}

Test(network_service, timings_add_up_to_the_time)
{
    json_t *entry = entry_of("{\"id\":1}");
    const json_t *timings = json_object_get(entry, "timings");
    static const char *const phases[] = {"blocked", "dns", "connect", "send", "wait", "receive"};
    double sum = 0;
    for (size_t i = 0; i < 6; i++) {
        double value = json_number_value(json_object_get(timings, phases[i]));
        sum += value > 0 ? value : 0;
    }
    double total = json_number_value(json_object_get(entry, "time"));
    cr_expect(sum <= total + 1.5 && sum >= total - 3, "%f of %f", sum, total);
    json_decref(entry);
}

Test(network_service, fields_select_parts)
{
    json_t *entry =
        entry_of("{\"id\":8,\"fields\":[\"REQUEST.method\",\"response.status\",\"time\","
                 "\"no.such\",5]}");
    cr_expect_str_eq(at(entry, "request"), "{\"method\":\"POST\"}");
    cr_expect_str_eq(at(entry, "response"), "{\"status\":200}");
    cr_expect_str_eq(at(entry, "id"), "8");
    cr_expect_eq(json_object_size(entry), 4);
    json_decref(entry);
    entry = entry_of("{\"id\":18,\"fields\":[\"websocket.*\",\"websocket.frames\"]}");
    cr_expect_str_eq(at(entry, "websocket.framesSent"), "2");
    const json_t *sent =
        json_object_get(json_object_get(json_object_get(entry, "websocket"), "frames"), "sent");
    cr_expect_eq(json_array_size(sent), 2);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(sent, 0), "payloadData")),
                     "hello");
    json_decref(entry);
    entry = entry_of("{\"id\":8,\"fields\":[\"*\"]}");
    cr_expect_str_eq(at(entry, "request.method"), "\"POST\"");
    json_decref(entry);
}

Test(network_service, unknown_request_is_not_found)
{
    cr_expect_null(recording_call(&rec, rec.network, "request", "{\"id\":4711}"));
    cr_expect_eq(rec.error, TROUPE_ENOTFOUND);
    cr_expect_str_eq(rec.message, "Request 4711 not found");
    cr_expect_null(
        recording_call(&rec, rec.network, "request", "{\"id\":1,\"target\":\"p9:none\"}"));
    cr_expect_eq(rec.error, TROUPE_ENOTFOUND);
    cr_expect_null(recording_call(&rec, rec.network, "nonsense", "{}"));
    cr_expect_eq(rec.error, TROUPE_EMETHOD);
}

/* Bodies -----------------------------------------------------------------------------------------
 */

static char request_id[64];

/* Record a body for that request. */
static void record_body(int id, bool base64, const char *body)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT request_id FROM request WHERE id=%d", id);
    snprintf(request_id, sizeof request_id, "%s", recording_value(&rec, sql));
    recording_body(&rec, request_id, true, base64, body, NULL);
}

Test(network_service, recorded_body_is_given)
{
    record_body(5, false, "{\"n\":1}");
    json_t *answer = recording_call(&rec, rec.network, "body", "{\"id\":5}");
    cr_expect_str_eq(json_string_value(json_object_get(answer, "body")), "{\"n\":1}");
    cr_expect(json_is_false(json_object_get(answer, "base64Encoded")));
    cr_expect_str_eq(json_string_value(json_object_get(answer, "mime")), "application/json");
    json_decref(answer);
    json_t *entry = entry_of("{\"id\":5,\"fields\":[\"response.content\"]}");
    cr_expect_str_eq(at(entry, "response.content.text"), "\"{\\\"n\\\":1}\"");
    json_decref(entry);
    cr_expect_eq(count("{}"), 26);
    expect_value(&rec, "SELECT body_status FROM har_summary WHERE id=5", "ok");
}

Test(network_service, recorded_bytes_are_given_as_base64)
{
    record_body(4, true, "/wD+");
    json_t *answer = recording_call(&rec, rec.network, "body", "{\"id\":4}");
    cr_expect_str_eq(json_string_value(json_object_get(answer, "body")), "/wD+");
    cr_expect(json_is_true(json_object_get(answer, "base64Encoded")));
    json_decref(answer);
    json_t *entry = entry_of("{\"id\":4,\"body\":true}");
    cr_expect_str_eq(at(entry, "response.content.encoding"), "\"base64\"");
    json_decref(entry);
    record_body(4, true, "aGVsbG8="); /* text after all */
    entry = entry_of("{\"id\":4,\"body\":true}");
    cr_expect_str_eq(at(entry, "response.content.text"), "\"hello\"");
    cr_expect_str_eq(at(entry, "response.content.encoding"), "absent");
    json_decref(entry);
}

static troupe_error target_receive(troupe_actor *self, void *state, const troupe_envelope *call)
{
    (void)state;
    const char *text;
    size_t len;
    if (call->kind == TROUPE_CALL && troupe_verb_is(call, VERB_TARGET_BODY) &&
        troupe_payload_json(call->payload, &text, &len) == TROUPE_OK &&
        memmem(text, len, request_id, strlen(request_id)) != NULL &&
        memmem(text, len, "D472A25C3287C90C72D4BA8600E787CA", 32) != NULL) {
        const char *body = "{\"body\":\"from the browser\",\"base64Encoded\":false}";
        troupe_reply_json(self, troupe_caller_of(call), body, strlen(body));
    } else {
        troupe_fault(self, troupe_caller_of(call), TROUPE_ECDP, NULL, "No resource");
    }
    return TROUPE_OK;
}

static const troupe_behaviour target_behaviour = {.kind = "target", .receive = target_receive};

Test(network_service, body_not_recorded_comes_from_the_target)
{
    troupe_spawn_options options = {.behaviour = &target_behaviour,
                                    .name = NAME_TARGET "p1:abc123"};
    cr_assert_eq(troupe_spawn(rec.system, &options, NULL), TROUPE_OK);
    snprintf(request_id, sizeof request_id, "%s",
             recording_value(&rec, "SELECT request_id FROM request WHERE id=5"));
    json_t *answer = recording_call(&rec, rec.network, "body", "{\"id\":5}");
    cr_expect_str_eq(json_string_value(json_object_get(answer, "body")), "from the browser");
    json_decref(answer);
    json_t *entry = entry_of("{\"id\":7,\"body\":true}"); /* the target has none */
    cr_expect_str_eq(at(entry, "response.content.error"), "\"No resource\"");
    json_decref(entry);
    cr_expect_null(recording_call(&rec, rec.network, "body", "{\"id\":7}"));
    cr_expect_eq(rec.error, TROUPE_ENOTFOUND);
}

Test(network_service, body_without_target_or_of_a_redirect_is_not_found)
{
    cr_expect_null(recording_call(&rec, rec.network, "body", "{\"id\":5}"));
    cr_expect_eq(rec.error, TROUPE_ENOTFOUND);
    cr_expect_not_null(strstr(rec.message, "p1:abc123 is not connected"), "%s", rec.message);
    cr_expect_null(recording_call(&rec, rec.network, "body", "{\"id\":9}"));
    cr_expect_str_eq(rec.message, "a redirect has no body");
}

/* Targets ----------------------------------------------------------------------------------------
 */

/* Connections that knows p1:abc123 as "p1:a", and tracks it. */
static troupe_error connections_receive(troupe_actor *self, void *state,
                                        const troupe_envelope *call)
{
    (void)state;
    const char *text = "";
    size_t len = 0;
    const char *known = "{\"targets\":[\"p1:abc123\"],\"warnings\":[\"p2 did not answer\"]}";
    if (call->kind != TROUPE_CALL) {
        return TROUPE_OK;
    }
    cr_expect_eq(troupe_payload_json(call->payload, &text, &len), TROUPE_OK);
    if (memmem(text, len, "null", 4) != NULL || memmem(text, len, "\"p1:a\"", 6) != NULL) {
        troupe_reply_json(self, troupe_caller_of(call), known, strlen(known));
    } else {
        troupe_fault(self, troupe_caller_of(call), TROUPE_ENOTFOUND, NULL, "no such target");
    }
    return TROUPE_OK;
}

static const troupe_behaviour connections_behaviour = {.kind = "connections",
                                                       .receive = connections_receive};

Test(network_service, targets_are_resolved_and_gone_ones_found_in_the_store)
{
    troupe_spawn_options options = {.behaviour = &connections_behaviour, .name = NAME_CONNECTIONS};
    cr_assert_eq(troupe_spawn(rec.system, &options, NULL), TROUPE_OK);
    recording_feed(&rec, "browser_events.tsv", "u2", "p2:abc123");
    recording_target(&rec, "u2", "p2:abc123", "gone");
    cr_expect_eq(count("{\"limit\":100}"), 26); /* the tracked one */
    cr_expect_eq(count("{\"limit\":100,\"target\":\"p1:a\"}"), 26);
    cr_expect_eq(count("{\"limit\":100,\"target\":\"*\"}"), 52);
    cr_expect_eq(count("{\"limit\":100,\"target\":\"p2:abc123\"}"), 26);
    cr_expect_null(recording_call(&rec, rec.network, "network", "{\"target\":\"p3:zzz\"}"));
    cr_expect_eq(rec.error, TROUPE_ENOTFOUND);
    cr_expect_str_eq(rec.message, "no such target");
    json_t *answer = recording_call(&rec, rec.network, "network", "{\"target\":\"p1:a\"}");
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(answer, "warnings"), 0)),
                     "p2 did not answer");
    json_decref(answer);
}

Test(network_service, without_a_query_actor_it_is_unavailable)
{
    cr_assert_eq(troupe_stop(rec.system, rec.query, TROUPE_STOP_DRAIN), TROUPE_OK);
    recording_join(&rec, rec.query);
    cr_expect_null(recording_call(&rec, rec.network, "network", "{}"));
    cr_expect_eq(rec.error, TROUPE_EUNAVAILABLE);
    cr_expect_null(recording_call(&rec, rec.console, "console", "{}"));
    cr_expect_eq(rec.error, TROUPE_EUNAVAILABLE);
}
