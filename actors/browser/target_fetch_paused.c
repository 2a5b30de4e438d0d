/* SPDX-License-Identifier: MIT */
/*
 * What Chrome paused for fetch rules, and what becomes of it. At the request's stage: mock > block
 * > pause for somebody > replay > go on; at the response's: pause > capture > go on.
 *
 * Whatever is paused for somebody has a deadline, and goes on then; Chrome lets everything go on
 * when the session or the domain ends.
 */
#include "target_fetch.h"

#include "actors/glob.h"
#include "actors/headers.h"
#include "actors/json_call.h"
#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define PAUSE_MS   60000
#define PAUSED_MAX 1000
#define REPLAY_MS  30000

static void count(target *state, const char *what)
{
    fetch_tell_service(state, VERB_FETCH_COUNTS, json_pack("{s:i}", what, 1));
}

/* The rule of a list that is about that address; NULL = none. */
static json_t *match(json_t *list, const char *url)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        json_t *glob = json_is_object(item) ? json_object_get(item, "url") : item;
        if (glob_matches(json_string_value(glob), url)) {
            return item;
        }
    }
    return NULL;
}

/* Paused for somebody ----------------------------------------------------------------------- */

static void paused_free(paused *item)
{
    free(item->id);
    free(item->session);
    free(item);
}

json_t *fetch_id(const target *state, uint64_t number)
{
    return json_sprintf("%s/%llu", state->id, (unsigned long long)number);
}

static void go_on(target *state, const char *session, const char *id)
{
    target_tell_chrome(state, session, "Fetch.continueRequest",
                       json_pack("{s:s}", "requestId", id));
}

/* stage NULL: it goes on. */
static void tell_record(const paused *item, const char *stage)
{
    json_t *id = fetch_id(item->owner, item->number);
    target_record_pause(item->owner, json_string_value(id), item->network_id, stage);
    json_decref(id);
}

void fetch_forget(paused *item)
{
    target *state = item->owner;
    troupe_timer_cancel(state->self, item->timer);
    DL_DELETE(state->fetch->waiting, item);
    state->fetch->waiting_count--;
    tell_record(item, NULL);
    fetch_tell_service(state, VERB_FETCH_ENDED,
                       json_pack("{s:o}", "id", fetch_id(state, item->number)));
    paused_free(item);
}

void fetch_paused_fini(target_fetch *fetch)
{
    while (fetch->waiting != NULL) {
        paused *item = fetch->waiting;
        DL_DELETE(fetch->waiting, item);
        paused_free(item);
    }
    while (fetch->held != NULL) {
        held *item = fetch->held;
        DL_DELETE(fetch->held, item);
        free(item);
    }
}

static void on_overdue(troupe_actor *self, void *context)
{
    paused *item = context;
    (void)self;
    item->timer = 0;
    troupe_log(TROUPE_LOG_INFO, "target", "paused-too-long", item->owner->id,
               "request %llu goes on: nobody decided", (unsigned long long)item->number);
    go_on(item->owner, item->session, item->id);
    fetch_forget(item);
}

static bool wait_for_somebody(target *state, const char *session, json_t *event, bool response)
{
    target_fetch *fetch = state->fetch;
    json_t *timeout = fetch_list(fetch, "pause_timeout_ms");
    const char *network_id = json_string_value(json_object_get(event, "networkId"));
    paused *item = fetch->waiting_count < PAUSED_MAX ? calloc(1, sizeof *item) : NULL;
    if (item == NULL) {
        return false;
    }
    item->owner = state;
    item->number = ++fetch->number;
    item->response = response;
    item->id = strdup(json_string_value(json_object_get(event, "requestId")));
    item->session = strdup(session);
    snprintf(item->network_id, sizeof item->network_id, "%s", network_id != NULL ? network_id : "");
    uint32_t wait_ms = timeout != NULL ? (uint32_t)json_integer_value(timeout) : PAUSE_MS;
    if (item->id == NULL || item->session == NULL ||
        troupe_timer_start(state->self, wait_ms, 0, on_overdue, item, &item->timer) != TROUPE_OK) {
        paused_free(item);
        return false;
    }
    DL_APPEND(fetch->waiting, item);
    fetch->waiting_count++;
    tell_record(item, response ? "response" : "request");
    json_t *request = json_object_get(event, "request");
    fetch_tell_service(
        state, VERB_FETCH_PAUSED,
        json_pack("{s:o, s:s, s:O?, s:O?, s:O?, s:O*, s:O*, s:s, s:I}", "id",
                  fetch_id(state, item->number), "stage", response ? "response" : "request", "url",
                  json_object_get(request, "url"), "method", json_object_get(request, "method"),
                  "resource_type", json_object_get(event, "resourceType"), "status",
                  json_object_get(event, "responseStatusCode"), "error",
                  json_object_get(event, "responseErrorReason"), "request_id", item->network_id,
                  "since", (json_int_t)(json_wall_us() / 1000)));
    return true;
}

/* What Chrome paused ------------------------------------------------------------------------ */

json_t *fetch_headers(json_t *headers, const char *type)
{
    json_t *list = json_array();
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
    {
        const char *rest = json_is_string(value) ? json_string_value(value) : "";
        const char *text;
        size_t len;
        while (headers_next(&rest, &text, &len)) {
            json_array_append_new(list, json_pack("{s:s, s:s%}", "name", name, "value", text, len));
        }
    }
    if (type != NULL && headers_find(headers, "content-type") == NULL) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", "content-type", "value", type));
    }
    return list;
}

/* Fetch.fulfillRequest of {status, headers, body, base64}. */
json_t *fetch_fulfil_params(const char *id, json_t *answer)
{
    json_t *body = json_object_get(answer, "body");
    json_t *status = json_object_get(answer, "status");
    const char *phrase = json_string_value(json_object_get(answer, "status_text"));
    bool is_text = json_is_string(body);
    char *dumped =
        body != NULL && !is_text ? json_write(body, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    const char *text = is_text ? json_string_value(body) : dumped != NULL ? dumped : "";
    size_t len = is_text ? json_string_length(body) : strlen(text);
    bool encoded = is_text && json_is_true(json_object_get(answer, "base64"));
    json_t *coded = encoded ? json_incref(body) : json_base64(text, len);
    json_t *params =
        json_pack("{s:s, s:I, s:o, s:o}", "requestId", id, "responseCode",
                  status != NULL ? json_integer_value(status) : (json_int_t)200, "responseHeaders",
                  fetch_headers(json_object_get(answer, "headers"), "application/json"), "body",
                  coded != NULL ? coded : json_string(""));
    if (phrase != NULL && *phrase != '\0') {
        json_object_set_new(params, "responsePhrase", json_string(phrase));
    }
    free(dumped);
    return params;
}

static held *held_new(target *state, const char *session, const char *id, const char *network_id)
{
    held *item = calloc(1, sizeof *item);
    if (item != NULL) {
        item->owner = state;
        snprintf(item->id, sizeof item->id, "%s", id);
        snprintf(item->session, sizeof item->session, "%s", session);
        snprintf(item->network_id, sizeof item->network_id, "%s", network_id);
        DL_APPEND(state->fetch->held, item);
    }
    return item;
}

static void held_free(held *item)
{
    DL_DELETE(item->owner->fetch->held, item);
    free(item);
}

/* A command about a paused request, whose answer decides what becomes of it. False: it could not be
 * sent. params: taken. */
static bool hold(target *state, const char *session, const char *id, const char *network_id,
                 const char *method, json_t *params, troupe_answer_fn fn)
{
    held *item = held_new(state, session, id, network_id);
    char *text = item != NULL ? json_dumps(params, JSON_COMPACT) : NULL;
    json_decref(params);
    bool sent = text != NULL &&
                target_command(state, session, method, text, strlen(text),
                               state->host->command_timeout_ms, fn, item, NULL) == TROUPE_OK;
    free(text);
    if (!sent && item != NULL) {
        held_free(item);
    }
    return sent;
}

static void fail(target *state, const char *session, const char *id, const char *reason)
{
    target_tell_chrome(state, session, "Fetch.failRequest",
                       json_pack("{s:s, s:s}", "requestId", id, "errorReason", reason));
}

/* A mock that Chrome does not take (a status it has no words for) must not leave the page waiting,
 * nor the request leave the browser. */
static void on_mocked(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    held *item = context;
    (void)self;
    if (error == TROUPE_ECDP && answer != NULL) {
        troupe_fault_view fault;
        troupe_fault_read(answer, &fault);
        troupe_log(TROUPE_LOG_WARN, "target", "mock-refused", item->owner->id, "%.*s",
                   (int)fault.message_len, fault.message);
        fail(item->owner, item->session, item->id, "Failed");
    }
    held_free(item);
}

static void answer_mock(target *state, const char *session, const char *id, json_t *mock)
{
    if (!hold(state, session, id, "", "Fetch.fulfillRequest", fetch_fulfil_params(id, mock),
              on_mocked)) {
        fail(state, session, id, "Failed");
    }
}

/* Not in the record. */
static void miss(target *state, const char *session, const char *id)
{
    const json_t *replay = fetch_list(state->fetch, "replay");
    const char *then = json_string_value(json_object_get(replay, "miss"));
    if (replay == NULL || (then != NULL && strcmp(then, "pass") == 0)) {
        go_on(state, session, id);
    } else {
        fail(state, session, id, "InternetDisconnected");
    }
}

/* {status, …} as a mock's, {fail: reason}, or {}: it is not in the record. */
static void on_replayed(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    held *item = context;
    (void)self;
    json_t *recorded = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    const char *reason = json_string_value(json_object_get(recorded, "fail"));
    if (reason != NULL) {
        fail(item->owner, item->session, item->id, reason);
    } else if (json_object_get(recorded, "status") != NULL) {
        answer_mock(item->owner, item->session, item->id, recorded);
    } else {
        miss(item->owner, item->session, item->id);
    }
    json_decref(recorded);
    held_free(item);
}

static bool ask_replay(target *state, const char *session, json_t *event, const char *id)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_REPLAY);
    json_t *request = json_object_get(event, "request");
    held *item = to != 0 ? held_new(state, session, id, "") : NULL;
    if (item == NULL) {
        return false;
    }
    json_t *params = json_pack("{s:O?,s:s,s:O?,s:O?,s:O*}", "from",
                               json_object_get(fetch_list(state->fetch, "replay"), "from"),
                               "target", state->id, "method", json_object_get(request, "method"),
                               "url", json_object_get(request, "url"), "post_data",
                               json_object_get(request, "postData"));
    if (json_call(state->self, to, VERB_REPLAY_ANSWER, params, REPLAY_MS, on_replayed, item,
                  NULL) != TROUPE_OK) {
        held_free(item);
        return false;
    }
    return true;
}

static void at_request(target *state, const char *session, json_t *event, const char *id,
                       const char *url)
{
    target_fetch *fetch = state->fetch;
    json_t *mock = match(fetch_list(fetch, "mock"), url);
    if (mock != NULL) {
        count(state, "mocked");
        answer_mock(state, session, id, mock);
    } else if (match(fetch_list(fetch, "block"), url) != NULL) {
        count(state, "blocked");
        fail(state, session, id, "BlockedByClient");
    } else if (match(fetch_list(fetch, "request"), url) != NULL &&
               wait_for_somebody(state, session, event, false)) {
        return;
    } else if (fetch_list(fetch, "replay") == NULL) {
        go_on(state, session, id);
    } else if (!ask_replay(state, session, event, id)) {
        miss(state, session, id);
    }
}

/* A body that was had, and whether it is too large to be kept. */
static void record(const held *item, json_t *chrome)
{
    target *state = item->owner;
    json_t *body = json_object_get(chrome, "body");
    bool fits = json_string_length(body) <= state->host->body_bytes_max;
    target_record_body(state, item->session, item->network_id,
                       fits ? json_string_value(body) : NULL, fits ? json_string_length(body) : 0,
                       json_is_true(json_object_get(chrome, "base64Encoded")),
                       fits ? NULL : "larger than the limit");
}

static void on_captured(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    held *item = context;
    json_span result;
    (void)self;
    if (error == TROUPE_OK && answer != NULL &&
        troupe_payload_json(answer->payload, &result.data, &result.len) == TROUPE_OK) {
        json_t *chrome = json_text(result.data, result.len);
        count(item->owner, "captured");
        record(item, chrome);
        json_decref(chrome);
    }
    go_on(item->owner, item->session, item->id);
    held_free(item);
}

/* Bodies that never end, and those of redirects, are left alone. */
static bool capturable(json_t *event)
{
    json_int_t status = json_integer_value(json_object_get(event, "responseStatusCode"));
    size_t i;
    json_t *header;
    json_array_foreach(json_object_get(event, "responseHeaders"), i, header)
    {
        const char *name = json_string_value(json_object_get(header, "name"));
        const char *value = json_string_value(json_object_get(header, "value"));
        if (name != NULL && value != NULL && strcasecmp(name, "content-type") == 0 &&
            strncasecmp(value, "text/event-stream", 17) == 0) {
            return false;
        }
    }
    return status != 0 && !(status >= 300 && status < 400) && status != 204;
}

static bool capture(target *state, const char *session, json_t *event, const char *id)
{
    const char *network_id = json_string_value(json_object_get(event, "networkId"));
    return network_id != NULL && hold(state, session, id, network_id, "Fetch.getResponseBody",
                                      json_pack("{s:s}", "requestId", id), on_captured);
}

static void at_response(target *state, const char *session, json_t *event, const char *id,
                        const char *url)
{
    target_fetch *fetch = state->fetch;
    if (match(fetch_list(fetch, "response"), url) != NULL &&
        wait_for_somebody(state, session, event, true)) {
        return;
    }
    if (!json_is_true(fetch_list(fetch, "capture")) || !capturable(event) ||
        !capture(state, session, event, id)) {
        go_on(state, session, id);
    }
}

void target_fetch_paused(target *state, const char *session, size_t session_len, const char *params,
                         size_t params_len)
{
    char name[CHROME_ID_MAX];
    json_t *event = json_text(params, params_len);
    const char *id = json_string_value(json_object_get(event, "requestId"));
    const char *url = json_string_value(json_object_get(json_object_get(event, "request"), "url"));
    if (session_len >= sizeof name || id == NULL || strlen(id) >= CHROME_ID_MAX) {
        json_decref(event); /* Chrome's ids are shorter */
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)session_len, session);
    bool response = json_object_get(event, "responseStatusCode") != NULL ||
                    json_object_get(event, "responseErrorReason") != NULL;
    if (state->fetch == NULL || url == NULL) {
        go_on(state, name, id);
    } else if (response) {
        at_response(state, name, event, id, url);
    } else {
        at_request(state, name, event, id, url);
    }
    if (state->fetch != NULL) {
        fetch_meet(state, event, response);
    }
    json_decref(event);
}
