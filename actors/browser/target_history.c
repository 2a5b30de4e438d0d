/* SPDX-License-Identifier: MIT */
/* The history of a page: RPC history, back, forward. */
#include "actors/json_call.h"
#include "target_state.h"

#include <stdlib.h>

static void answer_history(target_request *task, json_t *chrome)
{
    json_int_t current = json_integer_value(json_object_get(chrome, "currentIndex"));
    json_t *entries = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(chrome, "entries"), i, entry)
    {
        json_array_append_new(entries, json_pack("{s:O?, s:O?, s:O?, s:O?, s:b}", "id",
                                                 json_object_get(entry, "id"), "url",
                                                 json_object_get(entry, "url"), "title",
                                                 json_object_get(entry, "title"), "type",
                                                 json_object_get(entry, "transitionType"),
                                                 "current", (json_int_t)i == current));
    }
    target_task_reply(task, json_pack("{s:s, s:o, s:I}", "target", task->owner->id, "entries",
                                      entries, "current_index", current));
}

static void run_history(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_call(task, "Page.getNavigationHistory", NULL, answer_history);
    }
}

/* Chrome goes there; the answer stands in `text`. */
static void going(target_request *task, json_t *result)
{
    (void)result;
    target_answer_when_loaded(task);
}

static void go(target_request *task, json_t *chrome)
{
    json_t *entries = json_object_get(chrome, "entries");
    json_int_t to =
        json_integer_value(json_object_get(chrome, "currentIndex")) + (task->step == 0 ? -1 : 1);
    json_t *entry = to >= 0 ? json_array_get(entries, (size_t)to) : NULL;
    if (entry == NULL) {
        target_task_reply(task,
                          json_pack("{s:b, s:s}", "navigated", false, "reason",
                                    to < 0 ? "Already at first entry" : "Already at last entry"));
        return;
    }
    json_t *answer =
        json_pack("{s:b, s:O?, s:O?, s:I, s:I}", "navigated", true, "title",
                  json_object_get(entry, "title"), "url", json_object_get(entry, "url"), "index",
                  to, "total", (json_int_t)json_array_size(entries));
    task->text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    if (task->text == NULL) {
        target_task_fault(task, TROUPE_ENOMEM, NULL, "out of memory");
        return;
    }
    task->documents = task->owner->documents; /* what it brings may come before its answer */
    target_task_call(task, "Page.navigateToHistoryEntry",
                     json_pack("{s:O?}", "entryId", json_object_get(entry, "id")), going);
}

static void run_move(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms,
                     unsigned forward)
{
    bool load;
    if (!target_wait_mode(state, caller, params, &load)) {
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        task->step = forward;
        task->flag = load && task->part == NULL;
        target_task_call(task, "Page.getNavigationHistory", NULL, go);
    }
}

static void run_back(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    run_move(state, caller, params, timeout_ms, 0);
}

static void run_forward(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    run_move(state, caller, params, timeout_ms, 1);
}

const target_method_row target_methods_history[] = {
    {"history", run_history, false, false},
    {"back", run_back, true, false},
    {"forward", run_forward, true, false},
    {0},
};
