/* SPDX-License-Identifier: MIT */
/* Tasks of a target: methods that take several commands, one after the other. */
#include "actors/json_call.h"
#include "target_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

target_request *target_task_start(target *state, troupe_caller caller, json_t *params,
                                  uint32_t timeout_ms)
{
    target_request *task = target_request_for(state, caller, params);
    if (task != NULL) {
        task->params = json_incref(params);
        task->timeout_ms = timeout_ms;
        task->deadline_ns = troupe_now_ns(state->self) + (uint64_t)timeout_ms * 1000000u;
    }
    return task;
}

uint32_t target_task_left_ms(const target_request *task)
{
    uint64_t now_ns = troupe_now_ns(task->owner->self);
    return now_ns < task->deadline_ns ? (uint32_t)((task->deadline_ns - now_ns) / 1000000u) : 0;
}

static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    target_request *task = context;
    json_span span;
    (void)self;
    task->ref = 0;
    if (task->interrupted || (task->soft && error == TROUPE_ECDP)) {
        task->go_on(task, NULL);
        return;
    }
    if (!target_result_of(task, error, answer, &span)) {
        return;
    }
    json_t *result = json_text(span.data, span.len);
    if (result == NULL) {
        target_task_fault(task, TROUPE_EPROTOCOL, NULL, "the browser's answer cannot be read");
        return;
    }
    task->go_on(task, result);
    json_decref(result);
}

void target_task_call_in(target_request *task, const char *session, const char *method,
                         json_t *params, target_step_fn next)
{
    uint32_t left_ms = target_task_left_ms(task);
    if (left_ms == 0) {
        json_decref(params);
        target_task_fault(task, TROUPE_ETIMEOUT, NULL, "%s: no time is left", method);
        return;
    }
    task->go_on = next;
    target_send_for(task, session, method, params != NULL ? params : json_object(), left_ms,
                    on_answer);
}

void target_task_call(target_request *task, const char *method, json_t *params, target_step_fn next)
{
    target_task_call_in(task, target_session_of(task), method, params, next);
}

/* Commands that nobody waits for ------------------------------------------------------------ */

static void on_told(troupe_actor *self, void *context, troupe_error error,
                    const troupe_envelope *answer)
{
    (void)self; /* what it was about may have ended meanwhile */
    (void)context;
    (void)error;
    (void)answer;
}

void target_tell_chrome(target *state, const char *session, const char *method, json_t *params)
{
    char *text = params != NULL ? json_dumps(params, JSON_COMPACT) : strdup("{}");
    json_decref(params);
    troupe_error error = text == NULL
                             ? TROUPE_ENOMEM
                             : target_command(state, session, method, text, strlen(text),
                                              state->host->command_timeout_ms, on_told, NULL, NULL);
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "target", "command-not-sent", state->id, "%s: %s", method,
                   troupe_error_text(error));
    }
    free(text);
}

/* Turns ------------------------------------------------------------------------------------- */

void target_task_take_turn(target_request *task, target_step_fn next)
{
    target *state = task->owner;
    if (state->at_input != NULL) {
        task->queued = true;
        task->go_on = next;
        return;
    }
    state->at_input = task;
    next(task, NULL);
}

/* The next one begins before this returns; it may be over then. */
void target_task_leave_turn(target_request *task)
{
    target *state = task->owner;
    if (state->at_input != task) {
        return;
    }
    state->at_input = NULL;
    for (target_request *next = state->requests; next != NULL; next = next->next) {
        if (next->queued) {
            next->queued = false;
            state->at_input = next;
            next->go_on(next, NULL);
            return;
        }
    }
}

void target_task_dialog(target *state)
{
    target_request *task = state->at_input;
    if (task != NULL && task->ref != 0) {
        task->interrupted = true;
        troupe_cancel(state->self, task->ref);
    }
}

/* Pauses ------------------------------------------------------------------------------------ */

static void on_pause_over(troupe_actor *self, void *context)
{
    target_request *task = context;
    (void)self;
    task->timer = 0;
    task->go_on(task, NULL);
}

void target_task_pause(target_request *task, uint32_t ms, target_step_fn next)
{
    task->go_on = next;
    if (troupe_timer_start(task->owner->self, ms, 0, on_pause_over, task, &task->timer) !=
        TROUPE_OK) {
        task->timer = 0;
        target_task_fault(task, TROUPE_ENOMEM, NULL, "out of memory");
    }
}

void target_task_reply(target_request *task, json_t *value)
{
    json_reply(task->owner->self, task->caller, value);
    target_request_free(task);
}

void target_task_fault(target_request *task, troupe_error code, json_t *data, const char *format,
                       ...)
{
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_fault(task->owner->self, task->caller, code, data, "%s", text);
    target_request_free(task);
}
