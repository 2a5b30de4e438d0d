/* SPDX-License-Identifier: MIT */
/*
 * Fetch rules in a target: what Chrome pauses for them, and what becomes of it.
 *
 * The rules come from the actor `fetch`, at the start before anything of the page is let go, and
 * whenever they change. Chrome is asked to pause only what some rule is about. At the request's
 * stage: mock > block > pause for somebody > go on; at the response's: pause > capture > go on.
 *
 * Whatever is paused for somebody has a deadline, and goes on then; Chrome lets everything go on
 * when the session or the domain ends.
 */
#include "actors/glob.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "target_state.h"
#include "transport/json_scan.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define HELLO_MS        2000
#define PAUSE_MS        60000
#define PAUSED_MAX      1000
#define OUTCOME_WAIT_MS 500

/* A request that waits for somebody. */
typedef struct paused {
    struct paused *prev;
    struct paused *next;
    target *owner;
    uint64_t number;
    char *id; /* Chrome's */
    char *session;
    char network_id[CHROME_ID_MAX];
    bool response;
    uint64_t timer;
} paused;

/* A body that is fetched while its response is paused. */
typedef struct capture_call {
    struct capture_call *prev;
    struct capture_call *next;
    target *owner;
    char *id;
    char *session;
    char network_id[CHROME_ID_MAX];
} capture_call;

typedef struct target_fetch {
    capture_call *captures;
    json_t *rules; /* as VERB_FETCH_APPLY; NULL = none */
    paused *waiting;
    size_t waiting_count;
    uint64_t number; /* given last */
    uint64_t blocked, mocked, captured;
} target_fetch;

static void on_nothing(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    (void)self; /* nobody waits for it; a request that ended meanwhile is refused */
    (void)context;
    (void)error;
    (void)answer;
}

/* Send a command that nobody waits for. params: taken. */
static void tell_chrome(target *state, const char *session, const char *method, json_t *params)
{
    char *text = json_dumps(params, JSON_COMPACT);
    json_decref(params);
    troupe_error error =
        text == NULL ? TROUPE_ENOMEM
                     : target_command(state, session, method, text, strlen(text),
                                      state->host->command_timeout_ms, on_nothing, NULL, NULL);
    if (error != TROUPE_OK) { /* Chrome lets it go when the session ends */
        troupe_log(TROUPE_LOG_WARN, "target", "fetch-not-answered", state->id, "%s: %s", method,
                   troupe_error_text(error));
    }
    free(text);
}

static void tell_service(target *state, const char *verb, json_t *value)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_FETCH);
    json_object_set_new(value, "target", json_string(state->id));
    if (to == 0) {
        json_decref(value);
    } else {
        (void)!json_post(state->self, to, TROUPE_CAST, verb, value); /* shown, not relied on */
    }
}

static void count(target *state, const char *what, uint64_t *counter)
{
    ++*counter;
    tell_service(state, VERB_FETCH_COUNTS, json_pack("{s:i}", what, 1));
}

/* Rules ------------------------------------------------------------------------------------- */

static json_t *list_of(const target_fetch *fetch, const char *name)
{
    return json_object_get(fetch->rules, name);
}

static bool has_rules(const target_fetch *fetch)
{
    return fetch->rules != NULL && (json_array_size(list_of(fetch, "block")) > 0 ||
                                    json_array_size(list_of(fetch, "mock")) > 0 ||
                                    json_array_size(list_of(fetch, "request")) > 0 ||
                                    json_array_size(list_of(fetch, "response")) > 0 ||
                                    json_is_true(list_of(fetch, "capture")));
}

static void add_pattern(json_t *patterns, const char *url, const char *stage)
{
    json_array_append_new(patterns,
                          json_pack("{s:s, s:s}", "urlPattern", url, "requestStage", stage));
}

static void add_patterns(json_t *patterns, json_t *list, const char *stage)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        json_t *url = json_is_object(item) ? json_object_get(item, "url") : item;
        add_pattern(patterns, json_string_value(url), stage);
    }
}

static json_t *enable_params(const target_fetch *fetch)
{
    json_t *patterns = json_array();
    add_patterns(patterns, list_of(fetch, "block"), "Request");
    add_patterns(patterns, list_of(fetch, "mock"), "Request");
    add_patterns(patterns, list_of(fetch, "request"), "Request");
    add_patterns(patterns, list_of(fetch, "response"), "Response");
    if (json_is_true(list_of(fetch, "capture"))) {
        add_pattern(patterns, "*", "Response");
    }
    return json_pack("{s:o}", "patterns", patterns);
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

static void forget(paused *item)
{
    target *state = item->owner;
    troupe_timer_cancel(state->self, item->timer);
    DL_DELETE(state->fetch->waiting, item);
    state->fetch->waiting_count--;
    tell_service(state, VERB_FETCH_ENDED,
                 json_pack("{s:o}", "id",
                           json_sprintf("%s/%llu", state->id, (unsigned long long)item->number)));
    free(item->id);
    free(item->session);
    free(item);
}

static void go_on(target *state, const char *session, const char *id)
{
    tell_chrome(state, session, "Fetch.continueRequest", json_pack("{s:s}", "requestId", id));
}

static void on_overdue(troupe_actor *self, void *context)
{
    paused *item = context;
    (void)self;
    item->timer = 0;
    troupe_log(TROUPE_LOG_INFO, "target", "paused-too-long", item->owner->id,
               "request %llu goes on: nobody decided", (unsigned long long)item->number);
    go_on(item->owner, item->session, item->id);
    forget(item);
}

static bool wait_for_somebody(target *state, const char *session, json_t *event, bool response)
{
    target_fetch *fetch = state->fetch;
    json_t *timeout = list_of(fetch, "pause_timeout_ms");
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
        free(item->id);
        free(item->session);
        free(item);
        return false;
    }
    DL_APPEND(fetch->waiting, item);
    fetch->waiting_count++;
    json_t *request = json_object_get(event, "request");
    tell_service(state, VERB_FETCH_PAUSED,
                 json_pack("{s:o, s:s, s:O?, s:O?, s:O?, s:O*, s:O*, s:s, s:I}", "id",
                           json_sprintf("%s/%llu", state->id, (unsigned long long)item->number),
                           "stage", response ? "response" : "request", "url",
                           json_object_get(request, "url"), "method",
                           json_object_get(request, "method"), "resource_type",
                           json_object_get(event, "resourceType"), "status",
                           json_object_get(event, "responseStatusCode"), "error",
                           json_object_get(event, "responseErrorReason"), "request_id",
                           item->network_id, "since", (json_int_t)(json_wall_us() / 1000)));
    return true;
}

/* A resumed request whose outcome is waited for meets its next pause. */
static void meet(target *state, json_t *event, bool response)
{
    const char *network_id = json_string_value(json_object_get(event, "networkId"));
    target_request *task;
    target_request *next;
    DL_FOREACH_SAFE(state->requests, task, next)
    {
        if (task->text == NULL || task->kept == NULL || network_id == NULL ||
            json_object_get(task->kept, "resumed_from") == NULL ||
            strcmp(task->text, network_id) != 0) {
            continue;
        }
        bool redirect = json_object_get(event, "redirectedRequestId") != NULL && !response;
        json_object_set_new(task->kept, "outcome",
                            json_string(response   ? "response"
                                        : redirect ? "redirect"
                                                   : "request"));
        json_t *status = json_object_get(event, "responseStatusCode");
        if (status != NULL) {
            json_object_set(task->kept, "status", status);
        }
        if (redirect) {
            json_object_set_new(
                task->kept, "redirect_id",
                json_sprintf("%s/%llu", state->id, (unsigned long long)state->fetch->number));
        }
        json_object_set_new(task->kept, "remaining",
                            json_integer((json_int_t)state->fetch->waiting_count));
        target_task_reply(task, json_incref(task->kept));
    }
}

/* What Chrome paused ------------------------------------------------------------------------ */

static json_t *header_list(json_t *headers, const char *type)
{
    json_t *list = json_array();
    const char *name;
    json_t *value;
    bool typed = false;
    json_object_foreach(headers, name, value)
    {
        typed = typed || strcasecmp(name, "content-type") == 0;
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "name", name, "value",
                                        json_is_string(value) ? json_string_value(value) : ""));
    }
    if (!typed && type != NULL) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", "content-type", "value", type));
    }
    return list;
}

/* Text as base64; NULL without memory. Freed by the caller. */
static char *base64_of(const char *text, size_t len)
{
    unsigned char *out = len < INT32_MAX / 2 ? malloc(len / 3 * 4 + 5) : NULL;
    if (out != NULL) {
        EVP_EncodeBlock(out, (const unsigned char *)text, (int)len);
    }
    return (char *)out;
}

/* Fetch.fulfillRequest of {status, headers, body, base64}. */
static json_t *fulfil_params(const char *id, json_t *answer)
{
    json_t *body = json_object_get(answer, "body");
    json_t *status = json_object_get(answer, "status");
    bool is_text = json_is_string(body);
    char *dumped =
        body != NULL && !is_text ? json_dumps(body, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    const char *text = is_text ? json_string_value(body) : dumped != NULL ? dumped : "";
    size_t len = is_text ? json_string_length(body) : strlen(text);
    bool encoded = is_text && json_is_true(json_object_get(answer, "base64"));
    char *made = encoded ? NULL : base64_of(text, len);
    json_t *params =
        json_pack("{s:s, s:I, s:o, s:s}", "requestId", id, "responseCode",
                  status != NULL ? json_integer_value(status) : (json_int_t)200, "responseHeaders",
                  header_list(json_object_get(answer, "headers"), "application/json"), "body",
                  encoded        ? text
                  : made != NULL ? made
                                 : "");
    free(dumped);
    free(made);
    return params;
}

static void at_request(target *state, const char *session, json_t *event, const char *id,
                       const char *url)
{
    target_fetch *fetch = state->fetch;
    json_t *mock = match(list_of(fetch, "mock"), url);
    if (mock != NULL) {
        count(state, "mocked", &fetch->mocked);
        tell_chrome(state, session, "Fetch.fulfillRequest", fulfil_params(id, mock));
    } else if (match(list_of(fetch, "block"), url) != NULL) {
        count(state, "blocked", &fetch->blocked);
        tell_chrome(state, session, "Fetch.failRequest",
                    json_pack("{s:s, s:s}", "requestId", id, "errorReason", "BlockedByClient"));
    } else if (match(list_of(fetch, "request"), url) == NULL ||
               !wait_for_somebody(state, session, event, false)) {
        go_on(state, session, id);
    }
}

static void capture_free(capture_call *item)
{
    free(item->id);
    free(item->session);
    free(item);
}

static void record(capture_call *item, json_t *chrome, const char *error)
{
    target *state = item->owner;
    json_t *body = json_object_get(chrome, "body");
    troupe_buffer payload = {0};
    bool fits = json_string_length(body) <= state->host->body_bytes_max;
    const char *why = error != NULL ? error : fits ? NULL : "larger than the limit";
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:b,s:b,s:x#,s:s,s:I}", "uid", state->uid, "target",
                state->id, "session", item->session, "request_id", item->network_id, "ok",
                why == NULL, "base64", json_is_true(json_object_get(chrome, "base64Encoded")),
                "body", why == NULL ? json_string_value(body) : NULL,
                why == NULL ? json_string_length(body) : (size_t)0, "error", why, "wall_us",
                json_wall_us());
    target_record_body(state, troupe_buffer_bytes(&payload));
    troupe_buffer_fini(&payload);
}

static void on_captured(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    capture_call *item = context;
    json_span result;
    (void)self;
    if (error == TROUPE_OK && answer != NULL &&
        troupe_payload_json(answer->payload, &result.data, &result.len) == TROUPE_OK) {
        json_t *chrome = json_text(result.data, result.len);
        count(item->owner, "captured", &item->owner->fetch->captured);
        record(item, chrome, NULL);
        json_decref(chrome);
    }
    go_on(item->owner, item->session, item->id);
    DL_DELETE(item->owner->fetch->captures, item);
    capture_free(item);
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
    capture_call *item = network_id != NULL ? calloc(1, sizeof *item) : NULL;
    if (item == NULL) {
        return false;
    }
    item->owner = state;
    item->id = strdup(id);
    item->session = strdup(session);
    snprintf(item->network_id, sizeof item->network_id, "%s", network_id);
    char params[CHROME_ID_MAX + 40];
    int len = snprintf(params, sizeof params, "{\"requestId\":\"%s\"}", id);
    if (item->id != NULL && item->session != NULL && len > 0 && (size_t)len < sizeof params &&
        target_command(state, session, "Fetch.getResponseBody", params, (size_t)len,
                       state->host->command_timeout_ms, on_captured, item, NULL) == TROUPE_OK) {
        DL_APPEND(state->fetch->captures, item);
        return true;
    }
    capture_free(item);
    return false;
}

static void at_response(target *state, const char *session, json_t *event, const char *id,
                        const char *url)
{
    target_fetch *fetch = state->fetch;
    if (match(list_of(fetch, "response"), url) != NULL &&
        wait_for_somebody(state, session, event, true)) {
        return;
    }
    if (!json_is_true(list_of(fetch, "capture")) || !capturable(event) ||
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
        meet(state, event, response);
    }
    json_decref(event);
}

/* Applying ---------------------------------------------------------------------------------- */

static void on_applied(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    target_request *request = context;
    json_span result;
    if (target_result_of(request, error, answer, &result)) {
        troupe_bytes nil = {NULL, 0};
        troupe_reply(self, request->caller, nil);
        target_request_free(request);
    }
}

/* What is paused goes on with the domain. */
static void forget_all(target *state)
{
    while (state->fetch->waiting != NULL) {
        forget(state->fetch->waiting);
    }
}

static const char *fetch_method(const target_fetch *fetch)
{
    return has_rules(fetch) ? "Fetch.enable" : "Fetch.disable";
}

static bool take_rules(target *state, json_t *rules)
{
    if (state->fetch == NULL) {
        state->fetch = calloc(1, sizeof *state->fetch);
    }
    if (state->fetch == NULL) {
        return false;
    }
    json_decref(state->fetch->rules);
    state->fetch->rules = json_incref(rules);
    return true;
}

void target_fetch_apply(target *state, const troupe_envelope *call)
{
    troupe_reason reason = {{0}};
    json_t *rules = json_params(call, &reason);
    target_request *request =
        rules != NULL ? target_request_new(state, troupe_caller_of(call)) : NULL;
    if (request == NULL || !take_rules(state, rules)) {
        json_decref(rules);
        if (request != NULL) {
            target_task_fault(request, TROUPE_ENOMEM, NULL, "out of memory");
        }
        return;
    }
    json_decref(rules);
    const char *method = fetch_method(state->fetch);
    bool on = has_rules(state->fetch);
    if (!on) {
        forget_all(state);
    }
    for (target_part *part = state->parts; part != NULL; part = part->hh.next) {
        tell_chrome(state, part->session, method, on ? enable_params(state->fetch) : json_object());
    }
    target_send_for(request, state->session, method,
                    on ? enable_params(state->fetch) : json_object(),
                    state->host->command_timeout_ms, on_applied);
}

void target_fetch_part(target *state, const target_part *part)
{
    if (state->fetch != NULL && has_rules(state->fetch)) {
        tell_chrome(state, part->session, "Fetch.enable", enable_params(state->fetch));
    }
}

/* Before anything else is sent, so that nothing of the page slips through. */
static void on_hello(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    target *state = context;
    (void)self;
    json_t *rules = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    if (json_is_object(rules) && take_rules(state, rules) && has_rules(state->fetch)) {
        tell_chrome(state, state->session, "Fetch.enable", enable_params(state->fetch));
    }
    json_decref(rules);
    target_enable(state);
}

bool target_fetch_hello(target *state)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_FETCH);
    return to != 0 && json_call(state->self, to, VERB_FETCH_HELLO,
                                json_pack("{s:s, s:I}", "target", state->id, "address",
                                          (json_int_t)troupe_self_address(state->self)),
                                HELLO_MS, on_hello, state, NULL) == TROUPE_OK;
}

void target_fetch_fini(target *state)
{
    target_fetch *fetch = state->fetch;
    if (fetch == NULL) {
        return;
    }
    while (fetch->waiting != NULL) {
        paused *item = fetch->waiting;
        DL_DELETE(fetch->waiting, item);
        free(item->id);
        free(item->session);
        free(item);
    }
    while (fetch->captures != NULL) {
        capture_call *item = fetch->captures;
        DL_DELETE(fetch->captures, item);
        capture_free(item);
    }
    json_decref(fetch->rules);
    free(fetch);
}

/* Deciding: RPC fetch.resume, fetch.fail, fetch.fulfill -------------------------------------- */

static paused *find(target *state, troupe_caller caller, json_t *params)
{
    const char *id = json_string_value(json_object_get(params, "id"));
    const char *number = id != NULL ? strrchr(id, '/') : NULL;
    paused *item = state->fetch != NULL ? state->fetch->waiting : NULL;
    while (item != NULL && (number == NULL || item->number != strtoull(number + 1, NULL, 10))) {
        item = item->next;
    }
    if (item == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "no paused request %.100s",
                     id != NULL ? id : "");
    }
    return item;
}

static void no_outcome(target_request *task, json_t *result)
{
    (void)result;
    bool response =
        strcmp(json_string_value(json_object_get(task->kept, "resumed_from")), "response") == 0;
    json_object_set_new(task->kept, "outcome", json_string(response ? "complete" : "unknown"));
    json_object_set_new(task->kept, "remaining",
                        json_integer((json_int_t)task->owner->fetch->waiting_count));
    target_task_reply(task, json_incref(task->kept));
}

static void resumed(target_request *task, json_t *result)
{
    (void)result;
    json_t *wait = json_object_get(task->params, "wait_ms");
    target_task_pause(task, wait != NULL ? (uint32_t)json_integer_value(wait) : OUTCOME_WAIT_MS,
                      no_outcome);
}

/* The command for a decision, with the changes that somebody wants. */
static json_t *continue_params(const paused *item, json_t *changes)
{
    static const char *const request_names[][2] = {{"url", "url"}, {"method", "method"}};
    json_t *params = json_pack("{s:s}", "requestId", item->id);
    json_t *headers = json_object_get(changes, "headers");
    json_t *data = json_object_get(changes, "post_data");
    for (size_t i = 0; i < 2; i++) {
        json_t *value = json_object_get(changes, request_names[i][0]);
        if (value != NULL) {
            json_object_set(params, request_names[i][1], value);
        }
    }
    if (headers != NULL) {
        json_object_set_new(params, item->response ? "responseHeaders" : "headers",
                            header_list(headers, NULL));
    }
    if (json_is_string(data)) {
        char *encoded = base64_of(json_string_value(data), json_string_length(data));
        json_object_set_new(params, "postData", json_string(encoded != NULL ? encoded : ""));
        free(encoded);
    }
    if (json_object_get(changes, "status") != NULL) {
        json_object_set(params, "responseCode", json_object_get(changes, "status"));
    }
    return params;
}

static const char *changes_flaw(const paused *item, json_t *changes)
{
    const char *name;
    json_t *value;
    json_object_foreach(changes, name, value)
    {
        bool request = strcmp(name, "url") == 0 || strcmp(name, "method") == 0 ||
                       strcmp(name, "post_data") == 0;
        bool response = strcmp(name, "status") == 0 || strcmp(name, "body") == 0;
        if (!request && !response && strcmp(name, "headers") != 0) {
            return "`modifications` are url, method, headers, post_data; of a response status, "
                   "headers, body";
        }
        if (request && item->response) {
            return "a response has no url, method or post_data to be changed";
        }
        if (response && !item->response) {
            return "a request has no status or body to be changed";
        }
    }
    return NULL;
}

static void run_resume(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    paused *item = find(state, caller, params);
    json_t *changes = json_object_get(params, "modifications");
    const char *flaw = item != NULL ? changes_flaw(item, changes) : NULL;
    if (flaw != NULL) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s", flaw);
    }
    target_request *task =
        item != NULL && flaw == NULL ? target_task_start(state, caller, params, timeout_ms) : NULL;
    if (task == NULL) {
        return;
    }
    bool whole = json_object_get(changes, "body") != NULL; /* another body: another answer */
    bool plain = item->response && json_object_size(changes) == 0;
    json_t *command = whole ? fulfil_params(item->id, changes) : continue_params(item, changes);
    task->kept = json_pack("{s:O, s:s}", "id", json_object_get(params, "id"), "resumed_from",
                           item->response ? "response" : "request");
    task->text = strdup(item->network_id);
    task->session = strdup(item->session);
    forget(item);
    target_task_call(task,
                     whole ? "Fetch.fulfillRequest"
                     : !plain && json_object_get(command, "responseHeaders") != NULL
                         ? "Fetch.continueResponse"
                     : json_object_get(command, "responseCode") != NULL ? "Fetch.continueResponse"
                                                                        : "Fetch.continueRequest",
                     command, resumed);
}

static void decided(target_request *task, json_t *result)
{
    (void)result;
    json_object_set_new(task->kept, "remaining",
                        json_integer((json_int_t)task->owner->fetch->waiting_count));
    target_task_reply(task, json_incref(task->kept));
}

static void decide(target *state, paused *item, troupe_caller caller, json_t *params,
                   const char *method, json_t *command, uint32_t timeout_ms)
{
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task == NULL) {
        json_decref(command);
        return;
    }
    task->kept = json_pack("{s:O, s:s}", "id", json_object_get(params, "id"), "outcome",
                           strcmp(method, "Fetch.failRequest") == 0 ? "failed" : "fulfilled");
    task->session = strdup(item->session);
    forget(item);
    target_task_call(task, method, command, decided);
}

static void run_fail(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    paused *item = find(state, caller, params);
    const char *why = json_string_value(json_object_get(params, "reason"));
    if (item != NULL) {
        decide(state, item, caller, params, "Fetch.failRequest",
               json_pack("{s:s, s:s}", "requestId", item->id, "errorReason",
                         why != NULL ? why : "BlockedByClient"),
               timeout_ms);
    }
}

static void run_fulfill(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    paused *item = find(state, caller, params);
    if (item == NULL) {
        return;
    }
    json_t *answer =
        json_pack("{s:O*, s:O*, s:O*, s:O*}", "status", json_object_get(params, "response_code"),
                  "headers", json_object_get(params, "response_headers"), "body",
                  json_object_get(params, "body"), "base64", json_object_get(params, "base64"));
    decide(state, item, caller, params, "Fetch.fulfillRequest", fulfil_params(item->id, answer),
           timeout_ms);
    json_decref(answer);
}

const target_method_row target_methods_fetch[] = {
    {"fetch.resume", run_resume, false, false},
    {"fetch.fail", run_fail, false, false},
    {"fetch.fulfill", run_fulfill, false, false},
    {0},
};
