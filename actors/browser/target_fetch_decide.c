/* SPDX-License-Identifier: MIT */
/* What somebody decides about a paused request: RPC fetch.resume, fetch.fail, fetch.fulfill. */
#include "target_fetch.h"

#include "actors/json_call.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define OUTCOME_WAIT_MS 500

static paused *paused_of(const target *state, json_t *params)
{
    const char *id = json_string_value(json_object_get(params, "id"));
    const char *number = id != NULL ? strrchr(id, '/') : NULL;
    paused *item = state->fetch != NULL ? state->fetch->waiting : NULL;
    while (item != NULL && (number == NULL || item->number != strtoull(number + 1, NULL, 10))) {
        item = item->next;
    }
    return item;
}

/* NULL after answering that there is none. */
static paused *find(target *state, troupe_caller caller, json_t *params)
{
    paused *item = paused_of(state, params);
    if (item == NULL) {
        const char *id = json_string_value(json_object_get(params, "id"));
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "no paused request %.100s",
                     id != NULL ? id : "");
    }
    return item;
}

/* Chrome has taken the decision. Before that the request stays in the list, and keeps its deadline:
 * one that is refused leaves nothing hanging. */
static void taken(target_request *task)
{
    paused *item = paused_of(task->owner, task->params);
    if (item != NULL) { /* else its time was over meanwhile */
        fetch_forget(item);
    }
}

static void answer(target_request *task)
{
    json_object_set_new(task->kept, "remaining",
                        json_integer((json_int_t)task->owner->fetch->waiting_count));
    target_task_reply(task, json_incref(task->kept));
}

/* A resumed request whose outcome is waited for meets its next pause. */
void fetch_meet(target *state, json_t *event, bool response)
{
    const char *network_id = json_string_value(json_object_get(event, "networkId"));
    target_request *task;
    target_request *next;
    DL_FOREACH_SAFE(state->requests, task, next)
    {
        bool waits = task->timer != 0 && json_object_get(task->kept, "resumed_from") != NULL;
        if (!waits || task->text == NULL || network_id == NULL ||
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
            json_object_set_new(task->kept, "redirect_id", fetch_id(state, state->fetch->number));
        }
        answer(task);
    }
}

static void no_outcome(target_request *task, json_t *result)
{
    (void)result;
    bool response =
        strcmp(json_string_value(json_object_get(task->kept, "resumed_from")), "response") == 0;
    json_object_set_new(task->kept, "outcome", json_string(response ? "complete" : "unknown"));
    answer(task);
}

static void resumed(target_request *task, json_t *result)
{
    (void)result;
    json_t *wait = json_object_get(task->params, "wait_ms");
    json_int_t wait_ms = wait != NULL ? json_integer_value(wait) : OUTCOME_WAIT_MS;
    json_int_t left_ms = target_task_left_ms(task);
    wait_ms = wait_ms < 0 ? 0 : wait_ms < left_ms ? wait_ms : left_ms; /* nobody waits for longer */
    taken(task);
    target_task_pause(task, (uint32_t)wait_ms, no_outcome);
}

/* The command for a decision, with the changes that somebody wants. */
static json_t *continue_params(const paused *item, json_t *changes)
{
    static const char *const names[][2] = {
        {"url", "url"}, {"method", "method"}, {"status", "responseCode"}};
    json_t *params = json_pack("{s:s}", "requestId", item->id);
    json_t *headers = json_object_get(changes, "headers");
    json_t *data = json_object_get(changes, "post_data");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *value = json_object_get(changes, names[i][0]);
        if (value != NULL) {
            json_object_set(params, names[i][1], value);
        }
    }
    if (headers != NULL) {
        json_object_set_new(params, item->response ? "responseHeaders" : "headers",
                            fetch_headers(headers, NULL));
    }
    if (json_is_string(data)) {
        json_t *encoded = json_base64(json_string_value(data), json_string_length(data));
        json_object_set_new(params, "postData", encoded != NULL ? encoded : json_string(""));
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
    json_t *command =
        whole ? fetch_fulfil_params(item->id, changes) : continue_params(item, changes);
    task->kept = json_pack("{s:O, s:s}", "id", json_object_get(params, "id"), "resumed_from",
                           item->response ? "response" : "request");
    task->text = strdup(item->network_id);
    task->session = strdup(item->session);
    bool changed = json_object_get(command, "responseHeaders") != NULL ||
                   json_object_get(command, "responseCode") != NULL;
    target_task_call(task,
                     whole     ? "Fetch.fulfillRequest"
                     : changed ? "Fetch.continueResponse"
                               : "Fetch.continueRequest",
                     command, resumed);
}

static void decided(target_request *task, json_t *result)
{
    (void)result;
    taken(task);
    answer(task);
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
    decide(state, item, caller, params, "Fetch.fulfillRequest",
           fetch_fulfil_params(item->id, answer), timeout_ms);
    json_decref(answer);
}

const target_method_row target_methods_fetch[] = {
    {"fetch.resume", run_resume, false, false},
    {"fetch.fail", run_fail, false, false},
    {"fetch.fulfill", run_fulfill, false, false},
    {0},
};
