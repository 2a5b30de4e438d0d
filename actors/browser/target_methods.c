/* SPDX-License-Identifier: MIT */
/*
 * The RPC methods of a target: js, cdp, navigate, reload, page, and body.get. Each checks state and
 * epoch here, where the work is done, and answers when Chrome has answered.
 */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "runtime/text.h"
#include "target_state.h"
#include "transport/json_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

/* Params ------------------------------------------------------------------------------------ */

/* A string member; NULL after answering INVALID_PARAMS. */
const char *target_need_string(target *state, troupe_caller caller, json_t *params, const char *key)
{
    json_t *value = json_object_get(params, key);
    if (!json_is_string(value)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`%s` must be a string", key);
        return NULL;
    }
    return json_string_value(value);
}

bool target_flag_of(json_t *params, const char *key, bool fallback)
{
    json_t *value = json_object_get(params, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

/* Sends a command for a request; answers the fault if it cannot be sent. params: taken. */
void target_send_for(target_request *request, const char *session, const char *method,
                     json_t *params, uint32_t timeout_ms, troupe_answer_fn fn)
{
    target *state = request->owner;
    char *text = json_dumps(params, JSON_COMPACT);
    json_decref(params);
    troupe_error error = TROUPE_ENOMEM;
    if (text != NULL) {
        error = target_command(state, session, method, text, strlen(text), timeout_ms, fn, request,
                               &request->ref);
    }
    free(text);
    if (error != TROUPE_OK) {
        target_fault_unsent(state, request->caller, method, error);
        target_request_free(request);
    }
}

/* The result of an answer as JSON text; false after passing the fault on and freeing the request.
 */
bool target_result_of(target_request *request, troupe_error error, const troupe_envelope *answer,
                      json_span *result)
{
    target *state = request->owner;
    if (error == TROUPE_OK &&
        troupe_payload_json(answer->payload, &result->data, &result->len) == TROUPE_OK) {
        return true;
    }
    if (error == TROUPE_ECLOSED && answer == NULL) { /* target_calls_lose */
        troupe_fault(state->self, request->caller, TROUPE_ECLOSED, NULL, "%s %s",
                     request->part != NULL ? request->part : state->id,
                     request->part != NULL              ? "is gone"
                     : state->phase == TARGET_SUSPENDED ? "was stopped"
                                                        : "crashed");
    } else {
        json_fault_forward(state->self, request->caller,
                           error == TROUPE_OK ? TROUPE_EINTERNAL : error, answer);
    }
    target_request_free(request);
    return false;
}

/* Which session ------------------------------------------------------------------------------- */

/* A request for a call that may be for a part of the target: `session` and `part`, which
 * connections adds. NULL after answering the fault. */
target_request *target_request_for(target *state, troupe_caller caller, json_t *params)
{
    const char *session = json_string_value(json_object_get(params, "session"));
    const char *part = json_string_value(json_object_get(params, "part"));
    if (session != NULL && target_part_find(state, session) == NULL) {
        troupe_fault(state->self, caller, TROUPE_EGONE, NULL, "%s is gone",
                     part != NULL ? part : "the session");
        return NULL;
    }
    target_request *request = target_request_new(state, caller);
    if (request == NULL || session == NULL) {
        return request;
    }
    request->session = strdup(session);
    request->part = strdup(part != NULL ? part : session);
    if (request->session == NULL || request->part == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        target_request_free(request);
        return NULL;
    }
    return request;
}

const char *target_session_of(const target_request *request)
{
    return request->session != NULL ? request->session : request->owner->session;
}

/* cdp --------------------------------------------------------------------------------------------
 */

static void on_cdp(troupe_actor *self, void *context, troupe_error error,
                   const troupe_envelope *answer)
{
    target_request *request = context;
    json_span result;
    if (!target_result_of(request, error, answer, &result)) {
        return;
    }
    const troupe_bytes pieces[] = {{(const uint8_t *)"{\"result\":", 10},
                                   {(const uint8_t *)result.data, result.len},
                                   {(const uint8_t *)"}", 1}};
    troupe_reply_json_pieces(self, request->caller, pieces, 3);
    target_request_free(request);
}

static void run_cdp(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    const char *command = target_need_string(state, caller, params, "command");
    if (command == NULL) {
        return;
    }
    json_t *given = json_object_get(params, "params");
    if (given != NULL && !json_is_object(given) && !json_is_null(given)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`params` must be an object");
        return;
    }
    target_request *request = target_request_for(state, caller, params);
    if (request == NULL) {
        return;
    }
    bool has = json_is_object(given);
    bool own = strncmp(command, "Browser.", 8) == 0; /* of the browser, whatever the target */
    target_send_for(request, own ? NULL : target_session_of(request), command,
                    has ? json_incref(given) : json_object(), timeout_ms, on_cdp);
}

/* Navigation -------------------------------------------------------------------------------- */

#define ANY_DOCUMENT "*" /* as the loader that a request waits for: whichever comes next */

/* Answers a navigation with the text prepared when Chrome accepted it. */
static void navigated(target_request *request)
{
    troupe_reply_json(request->owner->self, request->caller, request->text, strlen(request->text));
    target_request_free(request);
}

static void set_text(char *to, size_t size, json_span span)
{
    const char *text;
    size_t len;
    to[0] = '\0';
    if (json_plain_string(span, &text, &len) && len < size) {
        memcpy(to, text, len);
        to[len] = '\0';
    }
}

static bool span_is(json_span span, const char *word)
{
    const char *text;
    size_t len;
    return json_plain_string(span, &text, &len) && len == strlen(word) &&
           memcmp(text, word, len) == 0;
}

/* Those who waited for another document will not see it load; those who waited for any wait for
 * this one, unless there is nothing to load. */
static void meet_document(target *state)
{
    target_request *request;
    target_request *next;
    DL_FOREACH_SAFE(state->requests, request, next)
    {
        bool any = strcmp(request->loader, ANY_DOCUMENT) == 0;
        if (any && !state->loaded) {
            memcpy(request->loader, state->loader, sizeof request->loader);
        } else if (request->loader[0] != '\0' &&
                   (any || strcmp(request->loader, state->loader) != 0)) {
            navigated(request);
        }
    }
}

/* A document in the main frame: a new one, or one that was kept for going back. */
static void on_document(target *state, const char *params, size_t params_len)
{
    json_span span;
    if (json_path(params, params_len, "frame.parentId", &span) ||
        !json_path(params, params_len, "frame.loaderId", &span)) {
        return;
    }
    set_text(state->loader, sizeof state->loader, span);
    state->loaded =
        json_path(params, params_len, "type", &span) && span_is(span, "BackForwardCacheRestore");
    if (json_path(params, params_len, "frame.id", &span)) {
        set_text(state->main_frame, sizeof state->main_frame, span);
    }
    state->documents++;
    target_inspect_document(state);
    meet_document(state);
}

/* A move within the document of the main frame: nothing is loaded. */
static void on_move(target *state, const char *params, size_t params_len)
{
    json_span span;
    if (!json_path(params, params_len, "frameId", &span) ||
        !span_is(span, state->main_frame[0] != '\0' ? state->main_frame : state->chrome_id)) {
        return;
    }
    state->documents++;
    target_request *request;
    target_request *next;
    DL_FOREACH_SAFE(state->requests, request, next)
    {
        if (strcmp(request->loader, ANY_DOCUMENT) == 0) {
            navigated(request);
        }
    }
}

void target_answer_when_loaded(target_request *request)
{
    target *state = request->owner;
    bool came = state->documents != request->documents;
    if (!request->flag || (came && (state->loaded || state->loader[0] == '\0'))) {
        navigated(request);
    } else if (came) {
        memcpy(request->loader, state->loader, sizeof request->loader);
    } else {
        memcpy(request->loader, ANY_DOCUMENT, sizeof ANY_DOCUMENT);
    }
}

static void on_load(target *state)
{
    state->loaded = true;
    target_request *request;
    target_request *next;
    DL_FOREACH_SAFE(state->requests, request, next)
    {
        if (request->loader[0] != '\0' && strcmp(request->loader, ANY_DOCUMENT) != 0) {
            navigated(request);
        }
    }
}

void target_give_up(target *state)
{
    target_request *request;
    target_request *next;
    DL_FOREACH_SAFE(state->requests, request, next)
    {
        if (request->loader[0] != '\0') {
            troupe_fault(state->self, request->caller, TROUPE_ECLOSED, NULL, "%s crashed",
                         state->id);
            target_request_free(request);
        }
    }
    target_calls_lose(state, NULL); /* target_result_of answers */
}

void target_follow_page(target *state, const troupe_envelope *event, const char *params,
                        size_t params_len)
{
    if (troupe_verb_is(event, "Page.frameNavigated")) {
        on_document(state, params, params_len);
    } else if (troupe_verb_is(event, "Page.navigatedWithinDocument")) {
        on_move(state, params, params_len);
    } else if (troupe_verb_is(event, "Page.loadEventFired")) {
        on_load(state);
    }
}

/* What RPC `navigate` answers, from Chrome's answer and the URL asked for. */
static char *navigate_text(json_t *chrome, const char *url)
{
    json_t *text = json_pack("{s:s, s:O?, s:O?, s:O?}", "url", url, "frame_id",
                             json_object_get(chrome, "frameId"), "loader_id",
                             json_object_get(chrome, "loaderId"), "error",
                             json_object_get(chrome, "errorText"));
    char *dumped = json_dumps(text, JSON_COMPACT);
    json_decref(text);
    return dumped;
}

static void on_navigated(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *answer)
{
    target_request *request = context;
    target *state = request->owner;
    json_span result;
    if (!target_result_of(request, error, answer, &result)) {
        return;
    }
    json_t *chrome = json_text(result.data, result.len);
    char *url = request->text;
    request->text = navigate_text(chrome, url);
    free(url);
    const char *loader = json_string_value(json_object_get(chrome, "loaderId"));
    bool failed = json_object_get(chrome, "errorText") != NULL;
    if (request->text == NULL) {
        troupe_fault(self, request->caller, TROUPE_ENOMEM, NULL, NULL);
        target_request_free(request);
    } else if (!request->flag || failed || loader == NULL || strlen(loader) >= CHROME_ID_MAX ||
               (state->loaded && strcmp(loader, state->loader) == 0)) {
        navigated(request);
    } else {
        memcpy(request->loader, loader, strlen(loader) + 1);
    }
    json_decref(chrome);
}

bool target_wait_mode(target *state, troupe_caller caller, json_t *params, bool *load)
{
    json_t *wait = json_object_get(params, "wait");
    const char *mode = wait == NULL || json_is_null(wait) ? "load" : json_string_value(wait);
    if (mode == NULL || (strcmp(mode, "load") != 0 && strcmp(mode, "none") != 0)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`wait` must be \"load\" or \"none\"");
        return false;
    }
    *load = strcmp(mode, "load") == 0;
    return true;
}

static void run_navigate(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    bool load;
    const char *url = target_need_string(state, caller, params, "url");
    if (url == NULL || !target_wait_mode(state, caller, params, &load)) {
        return;
    }
    target_request *request = target_request_for(state, caller, params);
    if (request == NULL) {
        return;
    }
    request->flag = load && request->part == NULL; /* only the main frame's loads are followed */
    request->text = strdup(url);
    target_send_for(request, target_session_of(request), "Page.navigate",
                    json_pack("{s:s}", "url", url), timeout_ms, on_navigated);
}

static void on_reloaded(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    target_request *request = context;
    json_span result;
    if (target_result_of(request, error, answer, &result)) {
        json_reply(self, request->caller,
                   json_pack("{s:b, s:b}", "reloaded", true, "ignore_cache", request->flag));
        target_request_free(request);
    }
}

static void run_reload(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    target_request *request = target_request_for(state, caller, params);
    if (request == NULL) {
        return;
    }
    request->flag = target_flag_of(params, "ignore_cache", false);
    target_send_for(request, target_session_of(request), "Page.reload",
                    json_pack("{s:b}", "ignoreCache", request->flag), timeout_ms, on_reloaded);
}

static void on_page(troupe_actor *self, void *context, troupe_error error,
                    const troupe_envelope *answer)
{
    target_request *request = context;
    target *state = request->owner;
    json_span result;
    json_span value;
    if (!target_result_of(request, error, answer, &result)) {
        return;
    }
    json_t *page = NULL;
    if (json_path(result.data, result.len, "result.value", &value)) {
        page = json_text(value.data, value.len);
    }
    page = page != NULL ? page : json_object();
    const target_part *part =
        request->part != NULL ? target_part_find(state, request->session) : NULL;
    json_object_set_new(page, "id", json_string(part != NULL ? part->chrome_id : state->chrome_id));
    json_object_set_new(page, "target",
                        json_string(request->part != NULL ? request->part : state->id));
    json_object_set_new(page, "type", json_string(part != NULL ? part->type : state->type));
    json_object_set_new(page, "state", json_string(target_phase_name(state->phase)));
    json_object_set_new(page, "epoch", json_integer((json_int_t)state->epoch));
    json_reply(self, request->caller, page);
    target_request_free(request);
}

static void run_page(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    target_request *request = target_request_for(state, caller, params);
    if (request != NULL) {
        target_send_for(request, target_session_of(request), "Runtime.evaluate",
                        json_pack("{s:s, s:b}", "expression",
                                  "({url: String(globalThis.location?.href ?? ''), title: "
                                  "globalThis.document?.title || 'Untitled'})",
                                  "returnByValue", true),
                        timeout_ms, on_page);
    }
}

/* Bodies ------------------------------------------------------------------------------------ */

static void on_body(troupe_actor *self, void *context, troupe_error error,
                    const troupe_envelope *answer)
{
    target_request *request = context;
    if (error == TROUPE_ECDP && answer != NULL) {
        troupe_fault_view fault;
        troupe_fault_read(answer, &fault);
        char why[200];
        snprintf(why, sizeof why, "%.*s", (int)fault.message_len, fault.message);
        text_repair(why);
        target_record_body(request->owner, request->session, request->text, NULL, 0, false, why);
    }
    json_span result;
    if (!target_result_of(request, error, answer, &result)) {
        return;
    }
    json_t *chrome = json_text(result.data, result.len);
    json_t *body = json_object_get(chrome, "body");
    if (json_string_length(body) <= request->owner->host->body_bytes_max) {
        target_record_body(request->owner, request->session, request->text, json_string_value(body),
                           json_string_length(body),
                           json_is_true(json_object_get(chrome, "base64Encoded")), NULL);
    }
    json_decref(chrome);
    troupe_reply_json(self, request->caller, result.data, result.len);
    target_request_free(request);
}

static void run_body(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    const char *id = target_need_string(state, caller, params, "request_id");
    target_request *request = id != NULL ? target_request_new(state, caller) : NULL;
    if (request == NULL) {
        return;
    }
    const char *session = json_string_value(json_object_get(params, "session"));
    request->text = strdup(id);
    request->session = strdup(session != NULL && *session != '\0' ? session : state->session);
    if (request->text == NULL || request->session == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        target_request_free(request);
        return;
    }
    target_send_for(request, request->session, "Network.getResponseBody",
                    json_pack("{s:s}", "requestId", id), timeout_ms, on_body);
}

/* Dispatch ---------------------------------------------------------------------------------- */

const target_method_row target_methods_basic[] = {
    {"js", target_run_js, true, false},
    {"cdp", run_cdp, true, false},
    {"navigate", run_navigate, true, false},
    {"reload", run_reload, true, true},
    {"page", run_page, false, false},
    {VERB_TARGET_BODY, run_body, false, false},
    {0},
};

static const target_method_row *const tables[] = {
    target_methods_basic,      target_methods_history, target_methods_pictures,
    target_methods_script,     target_methods_pointer, target_methods_keys,
    target_methods_elements,   target_methods_fetch,   target_methods_inspect,
    target_methods_screencast,
};

static const target_method_row *row_of(const troupe_envelope *call)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const target_method_row *row = tables[i]; row->name != NULL; row++) {
            if (troupe_verb_is(call, row->name)) {
                return row;
            }
        }
    }
    return NULL;
}

static bool may_run(target *state, troupe_caller caller, const target_method_row *found,
                    json_t *params)
{
    if (state->phase != TARGET_CONNECTED &&
        !(state->phase == TARGET_CRASHED && found->on_crashed)) {
        json_fault(state->self, caller, TROUPE_ESTATE,
                   json_pack("{s:s, s:s, s:[s]}", "target", state->id, "current_state",
                             target_phase_name(state->phase), "required_states", "connected"),
                   "%s is %s, and `%s` needs it connected", state->id,
                   target_phase_name(state->phase), found->name);
        return false;
    }
    json_t *epoch = json_object_get(params, "target_epoch");
    if (found->mutating && json_is_integer(epoch) &&
        (uint64_t)json_integer_value(epoch) != state->epoch) {
        json_fault(state->self, caller, TROUPE_EEPOCH,
                   json_pack("{s:s, s:O, s:I}", "target", state->id, "request_epoch", epoch,
                             "current_epoch", (json_int_t)state->epoch),
                   "%s is at epoch %" PRIu64, state->id, state->epoch);
        return false;
    }
    return true;
}

void target_run(target *state, const target_method_row *row, troupe_caller caller, json_t *params,
                uint32_t timeout_ms)
{
    if (may_run(state, caller, row, params)) {
        row->run(state, caller, params, timeout_ms);
    }
}

bool target_method(target *state, const troupe_envelope *call)
{
    const target_method_row *found = row_of(call);
    if (found == NULL) {
        return false;
    }
    troupe_caller caller = troupe_caller_of(call);
    troupe_reason reason = {{0}};
    json_t *params = json_params(call, &reason);
    if (params == NULL) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s", reason.text);
        return true;
    }
    uint32_t timeout_ms =
        call->meta.timeout_ms != 0 ? call->meta.timeout_ms : state->host->command_timeout_ms;
    if (json_object_get(params, "selection") != NULL) {
        target_with_selection(state, found, caller, params, timeout_ms);
    } else {
        target_run(state, found, caller, params, timeout_ms);
    }
    json_decref(params);
    return true;
}
