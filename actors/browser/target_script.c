/* SPDX-License-Identifier: MIT */
/*
 * What stays in a page: RPC inject, inject_remove, inject_list (code that runs in every new
 * document) and bind, bind_remove (functions of the page that tell the host; the store records
 * their calls as console lines).
 *
 * Chrome forgets both with the session, so they last as long as the target is connected.
 */
#include "actors/json_call.h"
#include "target_state.h"

#include <stdlib.h>
#include <string.h>

#define PREVIEW_BYTES  80
#define INJECTIONS_MAX 1000
#define BINDINGS_MAX   1000
#define BINDING_LENGTH 200

/* inject ------------------------------------------------------------------------------------ */

/* The beginning of the code, cut between characters. */
static json_t *preview_of(const char *code)
{
    size_t len = strlen(code);
    if (len <= PREVIEW_BYTES) {
        return json_string(code);
    }
    len = PREVIEW_BYTES;
    while (len > 0 && ((unsigned char)code[len] & 0xc0) == 0x80) {
        len--;
    }
    return json_sprintf("%.*s...", (int)len, code);
}

static void injected(target_request *task, json_t *result)
{
    target *state = task->owner;
    const char *id = json_string_value(json_object_get(result, "identifier"));
    json_t *preview = preview_of(json_string_value(json_object_get(task->params, "code")));
    json_t *made =
        json_pack("{s:s, s:o}", "identifier", id != NULL ? id : "", "code_preview", preview);
    json_array_append(state->injections, made);
    target_task_reply(task, made);
}

static void run_inject(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    if (target_need_string(state, caller, params, "code") == NULL) {
        return;
    }
    if (json_array_size(state->injections) >= INJECTIONS_MAX) {
        troupe_fault(state->self, caller, TROUPE_ELIMIT, NULL, "%s has %d injections already",
                     state->id, INJECTIONS_MAX);
        return;
    }
    if (state->injections == NULL) {
        state->injections = json_array();
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_call(task, "Page.addScriptToEvaluateOnNewDocument",
                         json_pack("{s:O, s:b}", "source", json_object_get(params, "code"),
                                   "runImmediately", target_flag_of(params, "now", false)),
                         injected);
    }
}

static size_t injection_find(const target *state, const char *id)
{
    size_t i;
    json_t *item;
    json_array_foreach(state->injections, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "identifier")), id) == 0) {
            return i;
        }
    }
    return (size_t)-1;
}

static void uninjected(target_request *task, json_t *result)
{
    (void)result;
    json_t *id = json_object_get(task->params, "id");
    size_t at = injection_find(task->owner, json_string_value(id));
    if (at != (size_t)-1) { /* else another call removed it meanwhile */
        json_array_remove(task->owner->injections, at);
    }
    target_task_reply(task, json_pack("{s:b, s:O}", "removed", true, "identifier", id));
}

static void run_inject_remove(target *state, troupe_caller caller, json_t *params,
                              uint32_t timeout_ms)
{
    const char *id = target_need_string(state, caller, params, "id");
    if (id == NULL) {
        return;
    }
    if (injection_find(state, id) == (size_t)-1) {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "%s has no injection %.100s",
                     state->id, id);
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_call(task, "Page.removeScriptToEvaluateOnNewDocument",
                         json_pack("{s:s}", "identifier", id), uninjected);
    }
}

static void run_inject_list(target *state, troupe_caller caller, json_t *params,
                            uint32_t timeout_ms)
{
    (void)params;
    (void)timeout_ms;
    json_t *list = state->injections != NULL ? json_incref(state->injections) : json_array();
    json_reply(state->self, caller,
               json_pack("{s:s, s:o}", "target", state->id, "injections", list));
}

/* bind -------------------------------------------------------------------------------------- */

static size_t binding_find(const target *state, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(state->bindings, i, item)
    {
        if (strcmp(json_string_value(item), name) == 0) {
            return i;
        }
    }
    return (size_t)-1;
}

static void bound(target_request *task, json_t *result)
{
    (void)result;
    target *state = task->owner;
    json_t *name = json_object_get(task->params, "name");
    if (binding_find(state, json_string_value(name)) == (size_t)-1) {
        json_array_append(state->bindings, name);
    }
    target_task_reply(task, json_pack("{s:b, s:O}", "bound", true, "name", name));
}

static const char *name_of_binding(target *state, troupe_caller caller, json_t *params)
{
    const char *name = target_need_string(state, caller, params, "name");
    if (name != NULL && (*name == '\0' || strlen(name) > BINDING_LENGTH)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`name` must have 1 to %d bytes",
                     BINDING_LENGTH);
        return NULL;
    }
    return name;
}

static void run_bind(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    const char *name = name_of_binding(state, caller, params);
    if (name == NULL) {
        return;
    }
    if (json_array_size(state->bindings) >= BINDINGS_MAX) {
        troupe_fault(state->self, caller, TROUPE_ELIMIT, NULL, "%s has %d bindings already",
                     state->id, BINDINGS_MAX);
        return;
    }
    if (state->bindings == NULL) {
        state->bindings = json_array();
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_call(task, "Runtime.addBinding", json_pack("{s:s}", "name", name), bound);
    }
}

static void unbound(target_request *task, json_t *result)
{
    (void)result;
    json_t *name = json_object_get(task->params, "name");
    size_t at = binding_find(task->owner, json_string_value(name));
    if (at != (size_t)-1) {
        json_array_remove(task->owner->bindings, at);
    }
    target_task_reply(task, json_pack("{s:b, s:O}", "removed", true, "name", name));
}

static void run_bind_remove(target *state, troupe_caller caller, json_t *params,
                            uint32_t timeout_ms)
{
    const char *name = name_of_binding(state, caller, params);
    if (name == NULL) {
        return;
    }
    if (binding_find(state, name) == (size_t)-1) {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "%s has no binding %.100s",
                     state->id, name);
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_call(task, "Runtime.removeBinding", json_pack("{s:s}", "name", name), unbound);
    }
}

void target_script_fini(target *state)
{
    json_decref(state->injections);
    json_decref(state->bindings);
}

const target_method_row target_methods_script[] = {
    {"inject", run_inject, true, false},
    {"inject_remove", run_inject_remove, true, false},
    {"inject_list", run_inject_list, false, false},
    {"bind", run_bind, true, false},
    {"bind_remove", run_bind_remove, true, false},
    {0},
};
