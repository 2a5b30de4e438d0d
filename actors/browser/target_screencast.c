/* SPDX-License-Identifier: MIT */
/*
 * RPC screencast.start, screencast.stop: Chrome sends a picture whenever the page looks different.
 *
 * The pictures are events as Chrome sends them (Page.screencastFrame, topic cdp): any number of
 * clients may have them. Each is acknowledged here, so that the next one comes.
 */
#include "actors/json_call.h"
#include "target_state.h"

#define QUALITY_DEFAULT 80
#define SIDE_MAX        16384

static bool in_range(target *state, troupe_caller caller, json_t *params, const char *name,
                     json_int_t least, json_int_t most)
{
    const json_t *value = json_object_get(params, name);
    if (value != NULL && (json_integer_value(value) < least || json_integer_value(value) > most)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`%s` is %lld to %lld", name,
                     (long long)least, (long long)most);
        return false;
    }
    return true;
}

static void copy(json_t *to, const char *name, const target_request *task, const char *from)
{
    json_t *value = target_task_param(task, from);
    if (value != NULL) {
        json_object_set(to, name, value);
    }
}

static void answer(target_request *task, json_t *result)
{
    target *state = task->owner;
    (void)result;
    state->casting = task->flag;
    target_task_reply(
        task, json_pack("{s:s, s:b}", "target", state->id, "screencast", (int)state->casting));
}

static void run_start(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    if (!in_range(state, caller, params, "quality", 0, 100) ||
        !in_range(state, caller, params, "max_width", 1, SIDE_MAX) ||
        !in_range(state, caller, params, "max_height", 1, SIDE_MAX) ||
        !in_range(state, caller, params, "every_nth_frame", 1, 1000)) {
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task == NULL) {
        return;
    }
    const json_t *format = target_task_param(task, "format");
    json_t *wanted =
        json_pack("{s:s, s:i}", "format", format != NULL ? json_string_value(format) : "jpeg",
                  "quality", QUALITY_DEFAULT);
    copy(wanted, "quality", task, "quality");
    copy(wanted, "maxWidth", task, "max_width");
    copy(wanted, "maxHeight", task, "max_height");
    copy(wanted, "everyNthFrame", task, "every_nth_frame");
    task->flag = true;
    target_task_call(task, "Page.startScreencast", wanted, answer);
}

static void run_stop(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        task->flag = false;
        target_task_call(task, "Page.stopScreencast", NULL, answer);
    }
}

/* Somebody else's screencast, by the method `cdp`, is theirs to acknowledge. */
void target_follow_screencast(target *state, const char *params, size_t params_len)
{
    json_span span;
    int64_t number;
    if (state->casting && json_path(params, params_len, "sessionId", &span) &&
        json_span_integer(span, &number)) {
        target_tell_chrome(state, state->session, "Page.screencastFrameAck",
                           json_pack("{s:I}", "sessionId", (json_int_t)number));
    }
}

const target_method_row target_methods_screencast[] = {
    {"screencast.start", run_start, true, false},
    {"screencast.stop", run_stop, true, false},
    {0},
};
