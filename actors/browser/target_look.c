/* SPDX-License-Identifier: MIT */
/*
 * Looking for an element, and whether it can be acted on: web/injected/input.js in an isolated
 * world of the page, again and again until it can, or until the task's time is nearly over. Each
 * look is complete in itself, so a page that navigates in between is looked at anew.
 */
#include "actors/assets.h"
#include "actors/json_call.h"
#include "target_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT        "injected/input.js"
#define PAUSE_MS      50
#define PAUSE_LONG_MS 200
#define ATTEMPTS_FAST 10
#define MARGIN_MS     150 /* to answer why, before the caller gives up */
#define SELECTOR_MAX  10000

static void look(target_request *task, json_t *result);

static const char *selector_of(const target_request *task)
{
    return json_string_value(json_object_get(task->params, "selector"));
}

/* Why it is no use to look again; NULL if it may be. */
static const char *final_flaw(const char *status)
{
    static const char *const finals[][2] = {
        {"invalid", "is no selector"},
        {"foreign", "goes into a frame of another site; name that frame as `target`"},
        {"many", "matches several elements"},
        {"wrong", "is not"},
        {"failed", "could not be looked for"},
    };
    for (size_t i = 0; i < sizeof finals / sizeof *finals; i++) {
        if (strcmp(status, finals[i][0]) == 0) {
            return finals[i][1];
        }
    }
    return NULL;
}

static const char *flaw_text(const char *status)
{
    static const char *const flaws[][2] = {
        {"missing", "matches no element"},
        {"hidden", "is not visible"},
        {"disabled", "is disabled"},
        {"readonly", "cannot be edited"},
        {"moving", "does not stand still"},
        {"outside", "cannot be scrolled into view"},
        {"covered", "is covered by"},
        {"unfocused", "does not take the focus"},
        {"option", "has no such option:"},
        {"waiting", "is not"},
        {"navigating", "is in a document that is going away"},
    };
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        if (strcmp(status, flaws[i][0]) == 0) {
            return flaws[i][1];
        }
    }
    return status;
}

static troupe_error code_of(const char *status)
{
    if (strcmp(status, "missing") == 0) {
        return TROUPE_ENOTFOUND;
    }
    if (strcmp(status, "waiting") == 0) {
        return TROUPE_ETIMEOUT;
    }
    return strcmp(status, "invalid") == 0 || strcmp(status, "foreign") == 0 ||
                   strcmp(status, "many") == 0 || strcmp(status, "wrong") == 0
               ? TROUPE_EPARAMS
               : TROUPE_ESTATE;
}

static void give_up(target_request *task, json_t *found, const char *text)
{
    const char *status = json_string_value(json_object_get(found, "status"));
    const char *what = json_string_value(json_object_get(found, "what"));
    const char *selector = selector_of(task);
    json_t *data =
        json_pack("{s:s, s:s?, s:s, s:O*, s:s*}", "target", task->owner->id, "selector", selector,
                  "check", status, "element", json_object_get(found, "element"), "what", what);
    target_task_fault(task, code_of(status), data, "%.200s %s%s%.200s",
                      selector != NULL ? selector : "the page", text, what != NULL ? " " : "",
                      what != NULL ? what : "");
}

/* Not now; perhaps soon. found: what the script said, or NULL when it could not run. */
static void again(target_request *task, json_t *found)
{
    uint64_t now_ns = troupe_now_ns(task->owner->self);
    if (now_ns + (uint64_t)MARGIN_MS * 1000000u >= task->look_until_ns) {
        json_t *gone = json_pack("{s:s}", "status", "navigating");
        json_t *last = found != NULL ? found : gone;
        give_up(task, last, flaw_text(json_string_value(json_object_get(last, "status"))));
        json_decref(gone);
        return;
    }
    task->step++;
    target_task_pause(task, task->step < ATTEMPTS_FAST ? PAUSE_MS : PAUSE_LONG_MS, look);
}

static void looked(target_request *task, json_t *result)
{
    task->soft = false;
    if (task->interrupted) {
        target_task_fault(task, TROUPE_ESTATE, NULL, "a dialog opened: %s waits for it",
                          task->owner->id);
        return;
    }
    json_t *found = json_object_get(json_object_get(result, "result"), "value");
    const char *status = json_string_value(json_object_get(found, "status"));
    const char *final = status != NULL ? final_flaw(status) : NULL;
    if (status == NULL) { /* the document went away meanwhile */
        again(task, NULL);
    } else if (strcmp(status, "ok") == 0) {
        task->then(task, found);
    } else if (final != NULL) {
        give_up(task, found, final);
    } else {
        again(task, found);
    }
}

/* (the script)("selector", {options}): arguments are JSON, so nothing of them becomes code. */
static json_t *call_text(const target_request *task)
{
    const asset *script = asset_of(SCRIPT);
    json_t *selector = json_string(selector_of(task) != NULL ? selector_of(task) : "html");
    char *quoted = json_dumps(selector, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    char *options = json_dumps(task->kept, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(selector);
    json_t *text = quoted != NULL && options != NULL
                       ? json_sprintf("%.*s(%s, %s)", (int)script->len, (const char *)script->data,
                                      quoted, options)
                       : NULL;
    free(quoted);
    free(options);
    return text;
}

static void in_world(target_request *task, json_t *result)
{
    task->soft = false;
    json_t *context = json_object_get(result, "executionContextId");
    if (task->interrupted || context == NULL) {
        looked(task, NULL);
        return;
    }
    json_object_set_new(task->kept, "attempt", json_integer(task->step));
    task->soft = true;
    target_task_call(task, "Runtime.evaluate",
                     json_pack("{s:o, s:O, s:b, s:b}", "expression", call_text(task), "contextId",
                               context, "awaitPromise", true, "returnByValue", true),
                     looked);
}

static void look(target_request *task, json_t *result)
{
    (void)result;
    const target *state = task->owner;
    const target_part *part = task->part != NULL ? target_part_find(state, task->session) : NULL;
    task->soft = true;
    target_task_call(task, "Page.createIsolatedWorld",
                     json_pack("{s:s, s:s}", "frameId",
                               part != NULL                   ? part->chrome_id
                               : state->main_frame[0] != '\0' ? state->main_frame
                                                              : state->chrome_id,
                               "worldName", "troupe"),
                     in_world);
}

json_t *target_look_options(const target_request *task, const char *action)
{
    static const char *const passed[] = {"nth", "strict", "force", "position", "clear", "to", "by"};
    json_t *options = json_pack("{s:s}", "action", action);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        json_t *value = target_task_param(task, passed[i]);
        if (value != NULL) {
            json_object_set(options, passed[i], value);
        }
    }
    return options;
}

void target_look(target_request *task, json_t *options, target_step_fn then)
{
    const target *state = task->owner;
    json_t *wait = json_object_get(task->params, "wait_ms");
    uint64_t wait_ms = wait != NULL ? (uint64_t)json_integer_value(wait) : UINT32_MAX;
    const char *selector = selector_of(task);
    if (selector != NULL && strlen(selector) > SELECTOR_MAX) {
        json_decref(options);
        target_task_fault(task, TROUPE_ELIMIT, NULL, "`selector` may have %d bytes", SELECTOR_MAX);
        return;
    }
    if (state->dialog != NULL) {
        json_decref(options);
        target_task_fault(
            task, TROUPE_ESTATE,
            json_pack("{s:o}", "dialog", json_text(state->dialog, strlen(state->dialog))),
            "a dialog is open in %s: it answers nothing else before that", state->id);
        return;
    }
    json_decref(task->kept);
    task->kept = options;
    task->then = then;
    task->step = 0;
    task->look_until_ns = troupe_now_ns(state->self) + wait_ms * 1000000u;
    task->look_until_ns =
        task->look_until_ns < task->deadline_ns ? task->look_until_ns : task->deadline_ns;
    look(task, NULL);
}
