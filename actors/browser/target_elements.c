/* SPDX-License-Identifier: MIT */
/* Elements: RPC query, wait, select, scroll, upload. */
#include "actors/json_call.h"
#include "target_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUERY_LIMIT     50
#define QUERY_LIMIT_MAX 1000
#define FILES_MAX       100

/* One value, or a list of them, as a list. New reference. */
static json_t *as_list(json_t *value)
{
    return json_is_array(value) ? json_incref(value) : json_pack("[O]", value);
}

/* What the script said, without its word that all is well. */
static void answer_found(target_request *task, json_t *found)
{
    json_t *value = json_copy(found);
    json_object_del(value, "status");
    if (target_task_param(task, "selector") != NULL) {
        json_object_set(value, "selector", target_task_param(task, "selector"));
    }
    target_task_reply(task, value);
}

/* query ------------------------------------------------------------------------------------- */

static void run_query(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    json_t *given = json_object_get(params, "limit");
    json_int_t limit = given != NULL ? json_integer_value(given) : QUERY_LIMIT;
    if (limit < 1 || limit > QUERY_LIMIT_MAX) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`limit` must be 1 to %d",
                     QUERY_LIMIT_MAX);
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        json_t *options = target_look_options(task, "query");
        json_object_set_new(options, "limit", json_integer(limit));
        target_look(task, options, answer_found);
    }
}

/* wait -------------------------------------------------------------------------------------- */

/* Until the document that is there has loaded. Its state is asked for: the event may have come
 * before the target was connected. */
static void document_state(target_request *task, json_t *result)
{
    json_t *state = json_object_get(json_object_get(result, "result"), "value");
    task->text = strdup("{\"waited\":\"load\"}");
    if (task->text == NULL) {
        target_task_fault(task, TROUPE_ENOMEM, NULL, "out of memory");
        return;
    }
    const char *word = json_string_value(state);
    task->flag = word == NULL || strcmp(word, "complete") != 0;
    task->documents = task->owner->documents - (task->owner->loader[0] != '\0' ? 1 : 0);
    target_answer_when_loaded(task);
}

static void run_wait(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    const char *wanted = json_string_value(json_object_get(params, "state"));
    bool selector = json_object_get(params, "selector") != NULL;
    bool load = wanted != NULL && strcmp(wanted, "load") == 0;
    if (load == selector) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     load ? "`state` load is of the page, not of a selector"
                          : "`selector` is needed, or `state` load");
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task == NULL) {
        return;
    }
    if (load) {
        target_task_call(task, "Runtime.evaluate",
                         json_pack("{s:s}", "expression", "document.readyState"), document_state);
        return;
    }
    json_t *options = target_look_options(task, "state");
    json_object_set_new(options, "state", json_string(wanted != NULL ? wanted : "visible"));
    target_look(task, options, answer_found);
}

/* select ------------------------------------------------------------------------------------ */

static void begin_select(target_request *task, json_t *result)
{
    (void)result;
    json_t *options = target_look_options(task, "select");
    json_object_set_new(options, "values", as_list(target_task_param(task, "values")));
    target_look(task, options, answer_found);
}

static void run_select(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    if (target_need_string(state, caller, params, "selector") == NULL) {
        return;
    }
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(params, "values"), i, item)
    {
        if (!json_is_string(item) && !json_is_object(item)) {
            troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                         "`values` are texts, or {value, label, index}");
            return;
        }
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_take_turn(task, begin_select);
    }
}

/* scroll ------------------------------------------------------------------------------------ */

static bool is_place(json_t *value)
{
    return value == NULL ||
           ((json_object_get(value, "x") == NULL || json_is_number(json_object_get(value, "x"))) &&
            (json_object_get(value, "y") == NULL || json_is_number(json_object_get(value, "y"))));
}

static void run_scroll(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    json_t *to = json_object_get(params, "to");
    json_t *by = json_object_get(params, "by");
    if ((to != NULL && by != NULL) || !is_place(to) || !is_place(by) ||
        (to == NULL && by == NULL && json_object_get(params, "selector") == NULL)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`selector` to scroll it into view, or one of `to` and `by`: {x, y}");
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_look(task, target_look_options(task, "scroll"), answer_found);
    }
}

/* upload ------------------------------------------------------------------------------------ */

static void uploaded(target_request *task, json_t *result)
{
    (void)result;
    target_task_reply(task, json_pack("{s:O, s:O}", "selector", target_task_param(task, "selector"),
                                      "files", json_object_get(task->kept, "files")));
}

static void on_input_element(target_request *task, json_t *result)
{
    json_t *object = json_object_get(json_object_get(result, "result"), "objectId");
    if (object == NULL) {
        target_task_fault(task, TROUPE_ESTATE, NULL, "the element went away");
        return;
    }
    target_task_call(
        task, "DOM.setFileInputFiles",
        json_pack("{s:O, s:O}", "files", json_object_get(task->kept, "files"), "objectId", object),
        uploaded);
}

/* The element once more, as an object that Chrome can be told of. CSS only. */
static void on_upload_found(target_request *task, json_t *found)
{
    (void)found;
    json_t *quoted = target_task_param(task, "selector");
    char *selector = json_dumps(quoted, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    json_t *nth = target_task_param(task, "nth");
    json_t *code =
        json_sprintf("document.querySelectorAll(%s)[%lld]", selector != NULL ? selector : "\"\"",
                     (long long)json_integer_value(nth));
    free(selector);
    target_task_call(task, "Runtime.evaluate",
                     json_pack("{s:o, s:s}", "expression", code, "objectGroup", "troupe"),
                     on_input_element);
}

static void begin_upload(target_request *task, json_t *result)
{
    (void)result;
    json_t *options = target_look_options(task, "upload");
    json_object_set_new(options, "files", as_list(target_task_param(task, "files")));
    json_object_set_new(options, "force", json_true()); /* file inputs are often hidden */
    target_look(task, options, on_upload_found);
}

/* Only regular files, named absolutely, that the host itself may read. */
static bool may_upload(target *state, troupe_caller caller, json_t *file)
{
    struct stat info;
    const char *path = json_string_value(file);
    if (path == NULL || path[0] != '/') {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`files` are absolute paths on the host's machine");
        return false;
    }
    if (stat(path, &info) != 0 || access(path, R_OK) != 0) {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "%.300s: %s", path,
                     strerror(errno));
        return false;
    }
    if (!S_ISREG(info.st_mode)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%.300s is no regular file", path);
        return false;
    }
    return true;
}

static void run_upload(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    if (target_need_string(state, caller, params, "selector") == NULL) {
        return;
    }
    json_t *files = json_object_get(params, "files");
    if (json_array_size(files) > FILES_MAX) {
        troupe_fault(state->self, caller, TROUPE_ELIMIT, NULL, "at most %d files", FILES_MAX);
        return;
    }
    for (size_t i = 0; i < (json_is_array(files) ? json_array_size(files) : 1); i++) {
        if (!may_upload(state, caller, json_is_array(files) ? json_array_get(files, i) : files)) {
            return;
        }
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_take_turn(task, begin_upload);
    }
}

const target_method_row target_methods_elements[] = {
    {"query", run_query, false, false},  {"wait", run_wait, false, false},
    {"select", run_select, true, false}, {"scroll", run_scroll, true, false},
    {"upload", run_upload, true, false}, {0},
};
