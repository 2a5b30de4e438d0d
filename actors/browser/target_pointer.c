/* SPDX-License-Identifier: MIT */
/*
 * The mouse: RPC click, hover. One at a time in a page: a sequence of mouse events is never mixed
 * with another's.
 *
 *   look -> move there -> look again (what shows when the mouse is over it may cover it) ->
 *   press -> (delay) -> release, as often as `count` says
 *
 * A dialog that a click opens holds back Chrome's answer until it is closed; the caller is told of
 * it and does not wait.
 */
#include "actors/json_call.h"
#include "target_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 10
#define DELAY_MAX 60000

static void press(target_request *task, json_t *result);

static json_int_t modifiers_of(const target_request *task)
{
    static const char *const names[] = {"Alt", "Control", "Meta", "Shift"};
    json_int_t bits = 0;
    size_t i;
    json_t *item;
    json_array_foreach(target_task_param(task, "modifiers"), i, item)
    {
        for (int bit = 0; bit < 4; bit++) {
            bits |= strcmp(json_string_value(item), names[bit]) == 0 ? 1 << bit : 0;
        }
    }
    return bits;
}

static const char *button_of(const target_request *task)
{
    const char *button = json_string_value(target_task_param(task, "button"));
    return button != NULL ? button : "left";
}

static int button_bit(const char *button)
{
    return strcmp(button, "right") == 0 ? 2 : strcmp(button, "middle") == 0 ? 4 : 1;
}

static void mouse(target_request *task, const char *type, target_step_fn next)
{
    bool moves = strcmp(type, "mouseMoved") == 0;
    const char *button = button_of(task);
    target_task_call(task, "Input.dispatchMouseEvent",
                     json_pack("{s:s, s:f, s:f, s:s, s:i, s:i, s:I}", "type", type, "x", task->x,
                               "y", task->y, "button", moves ? "none" : button, "buttons",
                               strcmp(type, "mousePressed") == 0 ? button_bit(button) : 0,
                               "clickCount", moves ? 0 : (int)task->step + 1, "modifiers",
                               modifiers_of(task)),
                     next);
}

/* {selector, x, y, clicked | hovered: true, element, dialog?} */
static void answer(target_request *task)
{
    target *state = task->owner;
    json_t *value =
        json_pack("{s:O*, s:f, s:f, s:b, s:O*}", "selector", target_task_param(task, "selector"),
                  "x", task->x, "y", task->y, task->flag ? "hovered" : "clicked", true, "element",
                  json_object_get(task->kept, "found"));
    if (task->interrupted && state->dialog != NULL) {
        json_object_set_new(value, "dialog", json_text(state->dialog, strlen(state->dialog)));
    }
    target_task_reply(task, value);
}

/* A dialog opened while the button is down: let it go, whenever the page takes that. */
static void let_go(const target_request *task)
{
    target_tell_chrome(task->owner, target_session_of(task), "Input.dispatchMouseEvent",
                       json_pack("{s:s, s:f, s:f, s:s, s:i}", "type", "mouseReleased", "x", task->x,
                                 "y", task->y, "button", button_of(task), "clickCount",
                                 (int)task->step + 1));
}

static void released(target_request *task, json_t *result)
{
    (void)result;
    json_t *count = target_task_param(task, "count");
    if (!task->interrupted &&
        ++task->step < (unsigned)(count != NULL ? json_integer_value(count) : 1)) {
        press(task, NULL);
        return;
    }
    answer(task);
}

static void release(target_request *task, json_t *result)
{
    (void)result;
    mouse(task, "mouseReleased", released);
}

static void pressed(target_request *task, json_t *result)
{
    (void)result;
    json_t *delay = target_task_param(task, "delay_ms");
    if (task->interrupted) {
        let_go(task);
        answer(task);
    } else if (json_integer_value(delay) > 0) {
        target_task_pause(task, (uint32_t)json_integer_value(delay), release);
    } else {
        release(task, NULL);
    }
}

static void press(target_request *task, json_t *result)
{
    (void)result;
    mouse(task, "mousePressed", pressed);
}

static void take_place(target_request *task, json_t *found)
{
    task->x = json_number_value(json_object_get(found, "x"));
    task->y = json_number_value(json_object_get(found, "y"));
    json_object_set(task->kept, "found", json_object_get(found, "element"));
    task->step = 0;
}

static void found_again(target_request *task, json_t *found)
{
    double x = task->x;
    double y = task->y;
    take_place(task, found);
    if (fabs(x - task->x) > 0.5 || fabs(y - task->y) > 0.5) { /* the page moved it meanwhile */
        mouse(task, "mouseMoved", press);
        return;
    }
    press(task, NULL);
}

static void moved(target_request *task, json_t *result)
{
    (void)result;
    if (task->interrupted || task->flag || target_flag_of(task->params, "trial", false)) {
        answer(task);
    } else if (target_task_param(task, "selector") == NULL ||
               target_flag_of(task->params, "force", false)) {
        press(task, NULL);
    } else {
        target_look(task, target_look_options(task, task->flag ? "hover" : "click"), found_again);
    }
}

static void found(target_request *task, json_t *found_there)
{
    take_place(task, found_there);
    mouse(task, "mouseMoved", moved);
}

static void begin(target_request *task, json_t *result)
{
    (void)result;
    if (target_task_param(task, "selector") != NULL) {
        target_look(task, target_look_options(task, task->flag ? "hover" : "click"), found);
        return;
    }
    task->x = json_number_value(target_task_param(task, "x"));
    task->y = json_number_value(target_task_param(task, "y"));
    task->kept = json_object();
    mouse(task, "mouseMoved", moved);
}

static const char *flaw_of(json_t *params)
{
    json_t *count = json_object_get(params, "count");
    json_t *delay = json_object_get(params, "delay_ms");
    json_t *position = json_object_get(params, "position");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(params, "modifiers"), i, item)
    {
        const char *name = json_string_value(item);
        if (name == NULL || (strcmp(name, "Alt") != 0 && strcmp(name, "Control") != 0 &&
                             strcmp(name, "Meta") != 0 && strcmp(name, "Shift") != 0)) {
            return "`modifiers` are Alt, Control, Meta and Shift";
        }
    }
    if (json_object_get(params, "selector") == NULL &&
        (json_object_get(params, "x") == NULL || json_object_get(params, "y") == NULL)) {
        return "`selector` is needed, or `x` and `y`";
    }
    if (count != NULL && (json_integer_value(count) < 1 || json_integer_value(count) > COUNT_MAX)) {
        return "`count` must be 1 to 10";
    }
    if (delay != NULL && (json_integer_value(delay) < 0 || json_integer_value(delay) > DELAY_MAX)) {
        return "`delay_ms` must be 0 to 60000";
    }
    if (position != NULL && (!json_is_number(json_object_get(position, "x")) ||
                             !json_is_number(json_object_get(position, "y")))) {
        return "`position` is {x, y}";
    }
    return NULL;
}

static void run_pointer(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms,
                        bool hover)
{
    const char *flaw = flaw_of(params);
    if (flaw != NULL) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s", flaw);
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        task->flag = hover;
        target_task_take_turn(task, begin);
    }
}

static void run_click(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    run_pointer(state, caller, params, timeout_ms, false);
}

static void run_hover(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    run_pointer(state, caller, params, timeout_ms, true);
}

const target_method_row target_methods_pointer[] = {
    {"click", run_click, true, false},
    {"hover", run_hover, true, false},
    {0},
};
