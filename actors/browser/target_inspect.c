/* SPDX-License-Identifier: MIT */
/*
 * Picking elements by hand: Chrome's inspect mode, and what is told of a node that was picked.
 *
 * The actor `inspect` says which target inspects and keeps what was picked. The mode is set in the
 * page and in its frames of other sites. It ends with the session, with the renderer, by Esc.
 */
#include "actors/assets.h"
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "target_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT       "injected/inspect.js"
#define OBJECT_GROUP "troupe-inspect"

static void tell_service(const target *state, const char *verb, json_t *value)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_INSPECT);
    json_object_set_new(value, "target", json_string(state->id));
    if (to == 0) {
        json_decref(value);
    } else {
        (void)!json_post(state->self, to, TROUPE_CAST, verb, value); /* shown, not relied on */
    }
}

/* The mode ---------------------------------------------------------------------------------- */

static json_t *mode_params(bool on)
{
    return json_pack("{s:s, s:{s:b, s:b, s:{s:i, s:i, s:i, s:f}, s:{s:i, s:i, s:i, s:f}}}", "mode",
                     on ? "searchForNode" : "none", "highlightConfig", "showInfo", true,
                     "showStyles", true, "contentColor", "r", 111, "g", 168, "b", 220, "a", 0.66,
                     "marginColor", "r", 246, "g", 178, "b", 107, "a", 0.66);
}

/* Chrome gives its nodes numbers from then on. */
static void ask_for_document(target *state, const char *session)
{
    target_tell_chrome(state, session, "DOM.getDocument", json_pack("{s:i}", "depth", 0));
}

/* What setInspectMode needs, in one go: Chrome takes them in order. */
static void prepare(target *state, const char *session)
{
    target_tell_chrome(state, session, "DOM.enable", NULL);
    ask_for_document(state, session);
    target_tell_chrome(state, session, "Overlay.enable", NULL);
}

void target_inspect_part(target *state, const target_part *part)
{
    if (state->inspecting) {
        prepare(state, part->session);
        target_tell_chrome(state, part->session, "Overlay.setInspectMode", mode_params(true));
    }
}

static void answer_mode(target_request *task)
{
    const target *state = task->owner;
    target_task_reply(task, json_pack("{s:s, s:b, s:I}", "target", state->id, "inspecting",
                                      state->inspecting, "target_epoch", (json_int_t)state->epoch));
}

static void on_stepped(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    target_request *task = context;
    (void)self;
    (void)answer;
    if (error == TROUPE_OK) { /* else the flag is told all the same */
        task->owner->epoch++;
    }
    target_tell_state(task->owner);
    answer_mode(task);
}

/* The epoch moves when the browser has counted along: it gives the next actor one that is higher
 * than all before. */
static void set_inspecting(target_request *task, bool on)
{
    target *state = task->owner;
    troupe_bytes nil = {NULL, 0};
    if (state->inspecting == on) {
        answer_mode(task);
        return;
    }
    state->inspecting = on;
    troupe_error error = troupe_call(state->self, state->browser, VERB_TARGET_STEP, NULL, nil,
                                     state->host->command_timeout_ms, on_stepped, task, &task->ref);
    if (error != TROUPE_OK) {
        on_stepped(state->self, task, error, NULL);
    }
}

static void mode_set(target_request *task, json_t *result)
{
    (void)result;
    set_inspecting(task, task->flag);
}

/* Esc in the page. */
static void mode_cancelled(target *state)
{
    target_request *task = target_request_new(state, (troupe_caller){0});
    if (task != NULL) {
        set_inspecting(task, false);
    }
}

static void run_set(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task == NULL) {
        return;
    }
    task->flag = target_flag_of(params, "on", true);
    if (task->flag) {
        prepare(state, state->session);
    }
    for (target_part *part = state->parts; part != NULL; part = part->hh.next) {
        if (task->flag) {
            prepare(state, part->session);
        }
        target_tell_chrome(state, part->session, "Overlay.setInspectMode", mode_params(task->flag));
    }
    target_task_call_in(task, state->session, "Overlay.setInspectMode", mode_params(task->flag),
                        mode_set);
}

/* It was on before the renderer crashed: the new one knows nothing of it. */
void target_inspect_back(target *state)
{
    if (state->inspecting) {
        prepare(state, state->session);
        target_tell_chrome(state, state->session, "Overlay.setInspectMode", mode_params(true));
    }
}

/* What was picked --------------------------------------------------------------------------- */

static void described(target_request *task, json_t *result)
{
    target *state = task->owner;
    json_t *value = json_object_get(json_object_get(result, "result"), "value");
    target_tell_chrome(state, target_session_of(task), "Runtime.releaseObjectGroup",
                       json_pack("{s:s}", "objectGroup", OBJECT_GROUP));
    if (!json_is_object(value)) {
        json_t *thrown = json_object_get(json_object_get(result, "exceptionDetails"), "exception");
        const char *text = json_string_value(json_object_get(thrown, "description"));
        target_task_fault(task, TROUPE_ECDP, NULL, "%s: the node could not be described: %.200s",
                          state->id, text != NULL ? text : "it is in no element");
        return;
    }
    json_object_set(value, "backendNodeId", target_task_param(task, "backend_node_id"));
    json_object_set(value, "nodeId", task->kept);
    target_task_reply(task, json_incref(value));
}

static void resolved(target_request *task, json_t *result)
{
    const asset *script = asset_of(SCRIPT);
    json_t *id = json_object_get(json_object_get(result, "object"), "objectId");
    target_task_call(task, "Runtime.callFunctionOn",
                     json_pack("{s:O, s:s#, s:b}", "objectId", id, "functionDeclaration",
                               (const char *)script->data, script->len, "returnByValue", true),
                     described);
}

static json_t *picked_node(const target_request *task)
{
    return target_task_param(task, "backend_node_id");
}

static void numbered(target_request *task, json_t *result)
{
    task->kept = json_incref(json_array_get(json_object_get(result, "nodeIds"), 0));
    target_task_call(
        task, "DOM.resolveNode",
        json_pack("{s:O, s:s}", "backendNodeId", picked_node(task), "objectGroup", OBJECT_GROUP),
        resolved);
}

static void run_describe(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_call(task, "DOM.pushNodesByBackendIdsToFrontend",
                         json_pack("{s:[O]}", "backendNodeIds", picked_node(task)), numbered);
    }
}

/* Selections in other methods --------------------------------------------------------------- */

/* The selection, or what a selector finds below it. */
static json_t *descend(json_t *selection, const json_t *selector)
{
    return selector == NULL ? json_incref(selection)
                            : json_sprintf("%s >> %s", json_string_value(selection),
                                           json_string_value(selector));
}

static void on_selection(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *answer)
{
    target_request *task = context;
    target *state = task->owner;
    task->ref = 0;
    if (error != TROUPE_OK) {
        json_fault_forward(self, task->caller, error, answer);
        target_request_free(task);
        return;
    }
    json_t *found = json_payload(answer->payload);
    json_t *params = json_incref(task->params);
    json_object_set_new(
        params, "selector",
        descend(json_object_get(found, "selector"), json_object_get(params, "selector")));
    json_object_set(params, "backend_node_id", json_object_get(found, "backendNodeId"));
    if (json_object_get(found, "session") != NULL) {
        json_object_set(params, "session", json_object_get(found, "session"));
    }
    const target_method_row *row = task->row;
    troupe_caller caller = task->caller;
    uint32_t left_ms = target_task_left_ms(task);
    target_request_free(task);
    target_run(state, row, caller, params, left_ms > 0 ? left_ms : 1);
    json_decref(params);
    json_decref(found);
}

void target_with_selection(target *state, const target_method_row *row, troupe_caller caller,
                           json_t *params, uint32_t timeout_ms)
{
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task == NULL) {
        return;
    }
    task->row = row;
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_INSPECT);
    json_t *question =
        json_pack("{s:O, s:s}", "key", target_task_param(task, "selection"), "target", state->id);
    troupe_error error = TROUPE_EUNAVAILABLE;
    if (to != 0) {
        error = json_call(state->self, to, VERB_SELECTION_GET, question, timeout_ms, on_selection,
                          task, &task->ref);
    } else {
        json_decref(question);
    }
    if (error != TROUPE_OK) {
        target_task_fault(task, error, NULL, "the selections cannot be asked for: %s",
                          troupe_error_text(error));
    }
}

static void node_known(target_request *task, json_t *result)
{
    json_t *id = json_array_get(json_object_get(result, "nodeIds"), 0);
    target_task_call(task, "DOM.setInspectedNode", json_pack("{s:O}", "nodeId", id), task->then);
}

void target_inspect_node(target_request *task, target_step_fn then)
{
    target_tell_chrome(task->owner, target_session_of(task), "DOM.enable", NULL);
    ask_for_document(task->owner, target_session_of(task));
    task->then = then;
    target_task_call(task, "DOM.pushNodesByBackendIdsToFrontend",
                     json_pack("{s:[O]}", "backendNodeIds", picked_node(task)), node_known);
}

/* Events ------------------------------------------------------------------------------------ */

static void on_node(const target *state, const char *session, size_t session_len,
                    const char *params, size_t params_len)
{
    json_t *said = json_text(params, params_len);
    json_t *node = json_object_get(said, "backendNodeId");
    if (json_is_integer(node)) {
        json_t *picked = json_pack("{s:O}", "backend_node_id", node);
        if (!target_session_is(state, session, session_len)) { /* of a part */
            json_object_set_new(picked, "session", json_stringn(session, session_len));
        }
        tell_service(state, VERB_INSPECT_PICKED, picked);
    }
    json_decref(said);
}

/* Its numbers are void with the document that had them. */
static void on_document_updated(target *state, const char *session, size_t session_len)
{
    char name[CHROME_ID_MAX];
    if (state->inspecting && session_len < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)session_len, session);
        ask_for_document(state, name);
    }
}

void target_follow_inspect(target *state, const troupe_envelope *event, const char *session,
                           size_t session_len, const char *params, size_t params_len)
{
    if (troupe_verb_is(event, "Overlay.inspectNodeRequested")) {
        on_node(state, session, session_len, params, params_len);
    } else if (troupe_verb_is(event, "DOM.documentUpdated")) {
        on_document_updated(state, session, session_len);
    } else if (troupe_verb_is(event, "Overlay.inspectModeCanceled") && state->inspecting) {
        mode_cancelled(state);
        tell_service(state, VERB_INSPECT_CANCELLED, json_object());
    }
}

void target_inspect_document(target *state)
{
    tell_service(state, VERB_INSPECT_NAVIGATED, json_object());
}

const target_method_row target_methods_inspect[] = {
    {VERB_INSPECT_SET, run_set, true, false},
    {VERB_INSPECT_DESCRIBE, run_describe, false, false},
    {0},
};
