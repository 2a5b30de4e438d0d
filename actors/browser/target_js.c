/* SPDX-License-Identifier: MIT */
/* The target's method `js`: evaluates code, awaits or fetches what it gives, tells what it throws.
 */
#include "actors/json_call.h"
#include "target_state.h"
#include "transport/json_scan.h"

#include <stdlib.h>

#define OBJECT_GROUP "troupe"
#define RUNAWAY_MS   250 /* a page that answers nothing for so long after a timeout is stopped */

/* exceptionDetails -> fault JS_EXCEPTION {text, line, column, url, stack}. */
static void answer_exception(target_request *request, json_span details)
{
    json_t *root = json_text(details.data, details.len);
    json_t *thrown = json_object_get(root, "exception");
    const char *text = json_string_value(json_object_get(thrown, "description"));
    json_t *value = json_object_get(thrown, "value");
    char *dumped = text == NULL && value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (text == NULL) {
        text = dumped != NULL ? dumped : json_string_value(json_object_get(root, "text"));
    }
    text = text != NULL ? text : "exception";
    /* Where it was thrown; without a stack (a syntax error), where Chrome says. Both count from 0.
     */
    json_t *frames = json_object_get(json_object_get(root, "stackTrace"), "callFrames");
    json_t *place = json_array_size(frames) > 0 ? json_array_get(frames, 0) : root;
    json_t *data = json_pack("{s:s, s:I, s:I, s:O?, s:O?}", "text", text, "line",
                             json_integer_value(json_object_get(place, "lineNumber")) + 1, "column",
                             json_integer_value(json_object_get(place, "columnNumber")) + 1, "url",
                             json_object_get(place, "url"), "stack", frames);
    json_fault(request->owner->self, request->caller, TROUPE_EJS, data, "%.*s",
               (int)strcspn(text, "\n"), text);
    free(dumped);
    json_decref(root);
}

static void append_member(troupe_buffer *out, json_span result, const char *path, const char *name)
{
    json_span span;
    if (json_path(result.data, result.len, path, &span)) {
        troupe_buffer_printf(out, ",\"%s\":", name);
        troupe_buffer_append(out, span.data, span.len);
    }
}

/* The value may be large: its text is passed through, not parsed. */
static void answer_value(target_request *request, json_span result)
{
    json_span span;
    troupe_buffer out = {0};
    troupe_buffer_append(&out, "{\"value\":", 9);
    if (request->flag && json_path(result.data, result.len, "result.value", &span)) {
        troupe_buffer_append(&out, span.data, span.len);
    } else {
        troupe_buffer_append(&out, "null", 4);
    }
    append_member(&out, result, "result.type", "type");
    append_member(&out, result, "result.subtype", "subtype");
    append_member(&out, result, "result.unserializableValue", "unserializable");
    if (!json_path(result.data, result.len, "result.value", &span)) {
        append_member(&out, result, "result.description", "description");
    }
    troupe_buffer_append(&out, ",\"executed\":true}", 17);
    if (out.failed) {
        troupe_fault(request->owner->self, request->caller, TROUPE_ENOMEM, NULL, NULL);
    } else {
        troupe_reply_json(request->owner->self, request->caller, (const char *)out.data, out.len);
    }
    troupe_buffer_fini(&out);
}

/* Code that its caller gave up ------------------------------------------------------------- */

static void on_runaway(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    target_request *request = context;
    (void)self;
    (void)answer;
    if (error == TROUPE_ETIMEOUT) {
        troupe_log(TROUPE_LOG_INFO, "target", "code-stopped", request->owner->id,
                   "it ran on after its deadline, and the page answered nothing");
        target_tell_chrome(request->owner, target_session_of(request), "Runtime.terminateExecution",
                           NULL);
    }
    target_request_free(request);
}

/* Chrome's own time limit stops what runs at once; what runs after an `await` only this does. A
 * page that answers is left alone. */
static void stop_runaway(target *state, const char *session)
{
    target_request *request = target_request_new(state, (troupe_caller){0});
    if (request == NULL) {
        return;
    }
    request->session = session != NULL ? strdup(session) : NULL;
    if (target_command(state, target_session_of(request), "Runtime.evaluate",
                       "{\"expression\":\"0\"}", 18, RUNAWAY_MS, on_runaway, request,
                       &request->ref) != TROUPE_OK) {
        target_request_free(request);
    }
}

/* Evaluating -------------------------------------------------------------------------------- */

static void on_evaluated(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *answer);

/* What REPL mode gave is an object: a promise is awaited, anything else fetched by value. */
static bool fetch_object(target_request *request, json_span result)
{
    json_span span;
    const char *text;
    size_t len;
    if (!request->as_object || !json_path(result.data, result.len, "result.objectId", &span) ||
        !json_plain_string(span, &text, &len)) {
        return false;
    }
    request->as_object = false; /* once */
    json_t *id = json_stringn(text, len);
    bool promise = json_path(result.data, result.len, "result.subtype", &span) && span.len == 9 &&
                   memcmp(span.data, "\"promise\"", 9) == 0;
    json_t *params =
        promise ? json_pack("{s:o, s:b}", "promiseObjectId", id, "returnByValue", request->flag)
                : json_pack("{s:o, s:s, s:b}", "objectId", id, "functionDeclaration",
                            "function() { return this; }", "returnByValue", request->flag);
    target_send_for(request, target_session_of(request),
                    promise ? "Runtime.awaitPromise" : "Runtime.callFunctionOn", params,
                    request->timeout_ms, on_evaluated);
    return true;
}

static void on_evaluated(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *answer)
{
    (void)self;
    target_request *request = context;
    json_span result;
    json_span span;
    if (error == TROUPE_ETIMEOUT) {
        stop_runaway(request->owner, request->session);
    }
    if (!target_result_of(request, error, answer, &result)) {
        return;
    }
    if (json_member(result.data, result.len, "exceptionDetails", &span)) {
        answer_exception(request, span);
    } else if (fetch_object(request, result)) {
        return;
    } else {
        answer_value(request, result);
    }
    if (request->holds_objects) {
        target_tell_chrome(request->owner, target_session_of(request), "Runtime.releaseObjectGroup",
                           json_pack("{s:s}", "objectGroup", OBJECT_GROUP));
    }
    target_request_free(request);
}

/*
 * Unless the code is to persist it runs in REPL mode (`await` and repeated `let` at the top level).
 * There Chrome awaits its own wrapper only, never the promise that the code returns: so with
 * `await_promise` the value is taken as an object first. Primitives, the usual case, are there at
 * once.
 */
static void evaluate(target_request *request, json_t *params, json_t *expression)
{
    bool repl = !target_flag_of(params, "persist", false);
    bool await = target_flag_of(params, "await_promise", false);
    bool by_value = request->flag && !(repl && await);
    request->as_object = repl && await;
    request->holds_objects = !by_value;
    json_t *command = json_pack("{s:o, s:b, s:b, s:b, s:I}", "expression", expression, "replMode",
                                repl, "awaitPromise", await, "returnByValue", by_value, "timeout",
                                (json_int_t)request->timeout_ms);
    if (!by_value) {
        json_object_set_new(command, "objectGroup", json_string(OBJECT_GROUP));
    }
    if (json_object_get(params, "selection") != NULL) {
        json_object_set_new(command, "includeCommandLineAPI", json_true()); /* for $0 */
    }
    target_send_for(request, target_session_of(request), "Runtime.evaluate", command,
                    request->timeout_ms, on_evaluated);
}

/* On the code's own first line, so that the lines of errors stay right. */
static void node_set(target_request *task, json_t *result)
{
    (void)result;
    task->timeout_ms = target_task_left_ms(task);
    const char *code = json_string_value(target_task_param(task, "code"));
    evaluate(task, task->params, json_sprintf("let element = $0; %s", code));
}

void target_run_js(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    const char *code = target_need_string(state, caller, params, "code");
    bool selected = json_object_get(params, "selection") != NULL;
    if (code == NULL) {
        return;
    }
    if (selected && target_flag_of(params, "persist", false)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`selection` and `persist` do not go together");
        return;
    }
    target_request *request = selected ? target_task_start(state, caller, params, timeout_ms)
                                       : target_request_for(state, caller, params);
    if (request == NULL) {
        return;
    }
    request->flag = target_flag_of(params, "return_value", true);
    request->timeout_ms = timeout_ms;
    if (selected) {
        target_inspect_node(request, node_set);
    } else {
        evaluate(request, params, json_incref(json_object_get(params, "code")));
    }
}
