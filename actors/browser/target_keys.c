/* SPDX-License-Identifier: MIT */
/*
 * The keyboard: RPC type, press. The element is focused first; then each character is a key pressed
 * and released, as a US keyboard has it, or, where that has none, text inserted as an input method
 * does.
 */
#include "actors/json_call.h"
#include "keyboard.h"
#include "target_state.h"

#include <stdlib.h>
#include <string.h>

#define DELAY_MS   50
#define DELAY_MAX  10000
#define TEXT_BYTES 100000
#define COUNT_MAX  1000

static void next_stroke(target_request *task, json_t *result);

static uint32_t delay_of(const target_request *task, uint32_t fallback)
{
    json_t *delay = target_task_param(task, "delay_ms");
    return delay != NULL ? (uint32_t)json_integer_value(delay) : fallback;
}

/* One stroke -------------------------------------------------------------------------------- */

static json_t *key_event(const key_stroke *key, const char *type)
{
    json_t *event = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "type", type, "key", key->key,
                              "code", key->code, "windowsVirtualKeyCode", key->key_code,
                              "modifiers", (int)key->modifiers, "location", key->location);
    if (strcmp(type, "keyDown") == 0) {
        json_object_set_new(event, "text", json_string(key->text));
        json_object_set_new(event, "unmodifiedText", json_string(key->text));
    }
    return event;
}

/* `step` counts strokes, `place` is behind the last one in the text. */
static void after_stroke(target_request *task, json_t *result)
{
    (void)result;
    task->step++;
    if (task->interrupted) {
        next_stroke(task, NULL);
        return;
    }
    uint32_t delay_ms = delay_of(task, task->flag ? 0 : DELAY_MS);
    if (delay_ms > 0) {
        target_task_pause(task, delay_ms, next_stroke);
    } else {
        next_stroke(task, NULL);
    }
}

static bool stroke_at(const target_request *task, size_t *at, key_stroke *key)
{
    troupe_reason reason;
    const char *text = json_string_value(target_task_param(task, task->flag ? "key" : "text"));
    if (task->flag) {
        *at = strlen(text);
        return keyboard_combination(text, strlen(text), key, &reason) == TROUPE_OK;
    }
    return text[*at] != '\0' && keyboard_next(text, at, key, &reason) == TROUPE_OK;
}

static void key_up(target_request *task, json_t *result)
{
    (void)result;
    key_stroke key;
    size_t at = task->place;
    if (task->interrupted || !stroke_at(task, &at, &key)) {
        after_stroke(task, NULL);
        return;
    }
    task->place = at;
    target_task_call(task, "Input.dispatchKeyEvent", key_event(&key, "keyUp"), after_stroke);
}

static void inserted(target_request *task, json_t *result)
{
    (void)result;
    key_stroke key;
    size_t at = task->place;
    (void)stroke_at(task, &at, &key);
    task->place = at;
    after_stroke(task, NULL);
}

static void answer(target_request *task)
{
    target *state = task->owner;
    json_t *value =
        task->flag ? json_pack("{s:O*, s:O, s:b}", "selector", target_task_param(task, "selector"),
                               "key", target_task_param(task, "key"), "pressed", true)
                   : json_pack("{s:O*, s:b, s:I}", "selector", target_task_param(task, "selector"),
                               "typed", true, "length", (json_int_t)task->step);
    if (task->interrupted && state->dialog != NULL) {
        json_object_set_new(value, "dialog", json_text(state->dialog, strlen(state->dialog)));
    }
    target_task_reply(task, value);
}

static bool is_over(const target_request *task)
{
    if (task->interrupted) {
        return true;
    }
    if (!task->flag) {
        return json_string_value(target_task_param(task, "text"))[task->place] == '\0';
    }
    json_t *count = target_task_param(task, "count");
    return task->step >= (unsigned)(count != NULL ? json_integer_value(count) : 1);
}

static void next_stroke(target_request *task, json_t *result)
{
    (void)result;
    key_stroke key;
    size_t at = task->place;
    if (is_over(task) || !stroke_at(task, &at, &key)) {
        answer(task);
    } else if (key.code[0] == '\0') {
        target_task_call(task, "Input.insertText", json_pack("{s:s}", "text", key.text), inserted);
    } else {
        target_task_call(task, "Input.dispatchKeyEvent",
                         key_event(&key, key.text[0] != '\0' ? "keyDown" : "rawKeyDown"), key_up);
    }
}

/* Before the first stroke ------------------------------------------------------------------- */

static void start_strokes(target_request *task, json_t *result)
{
    (void)result;
    task->step = 0;
    task->place = 0;
    next_stroke(task, NULL);
}

static void cleared_up(target_request *task, json_t *result)
{
    (void)result;
    static const key_stroke erase = {.key = "Delete", .code = "Delete", .key_code = 46};
    target_task_call(task, "Input.dispatchKeyEvent", key_event(&erase, "keyUp"), start_strokes);
}

/* What was there is selected: it is deleted as a user would. */
static void focused(target_request *task, json_t *found)
{
    static const key_stroke erase = {.key = "Delete", .code = "Delete", .key_code = 46};
    if (target_flag_of(task->params, "clear", false) &&
        !json_is_true(json_object_get(found, "empty"))) {
        target_task_call(task, "Input.dispatchKeyEvent", key_event(&erase, "rawKeyDown"),
                         cleared_up);
        return;
    }
    start_strokes(task, NULL);
}

static void begin(target_request *task, json_t *result)
{
    (void)result;
    if (target_task_param(task, "selector") == NULL) {
        start_strokes(task, NULL);
        return;
    }
    json_t *options = target_look_options(task, "focus");
    json_object_set_new(options, "edit", json_boolean(!task->flag));
    target_look(task, options, focused);
}

/* Params ------------------------------------------------------------------------------------ */

static bool text_reads(target *state, troupe_caller caller, const char *text)
{
    troupe_reason reason;
    key_stroke key;
    if (strlen(text) > TEXT_BYTES) {
        troupe_fault(state->self, caller, TROUPE_ELIMIT, NULL, "`text` may have %d bytes",
                     TEXT_BYTES);
        return false;
    }
    for (size_t at = 0; text[at] != '\0';) {
        if (keyboard_next(text, &at, &key, &reason) != TROUPE_OK) {
            troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`text`: %s", reason.text);
            return false;
        }
    }
    return true;
}

static bool in_range(target *state, troupe_caller caller, json_t *params, const char *name,
                     json_int_t min, json_int_t max)
{
    json_t *value = json_object_get(params, name);
    if (value != NULL && (json_integer_value(value) < min || json_integer_value(value) > max)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`%s` must be %lld to %lld", name,
                     (long long)min, (long long)max);
        return false;
    }
    return true;
}

static void run_type(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    const char *text = target_need_string(state, caller, params, "text");
    if (text == NULL || target_need_string(state, caller, params, "selector") == NULL ||
        !text_reads(state, caller, text) ||
        !in_range(state, caller, params, "delay_ms", 0, DELAY_MAX)) {
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_task_take_turn(task, begin);
    }
}

static void run_press(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    troupe_reason reason;
    key_stroke key;
    const char *name = target_need_string(state, caller, params, "key");
    if (name == NULL || !in_range(state, caller, params, "delay_ms", 0, DELAY_MAX) ||
        !in_range(state, caller, params, "count", 1, COUNT_MAX)) {
        return;
    }
    if (keyboard_combination(name, strlen(name), &key, &reason) != TROUPE_OK) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`key`: %s", reason.text);
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        task->flag = true;
        target_task_take_turn(task, begin);
    }
}

const target_method_row target_methods_keys[] = {
    {"type", run_type, true, false},
    {"press", run_press, true, false},
    {0},
};
