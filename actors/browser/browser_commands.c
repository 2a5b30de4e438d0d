/* SPDX-License-Identifier: MIT */
/*
 * The browser actor's commands: each gets an id, a row in the pending table and a deadline, and
 * ends exactly once: by the browser's answer, by its deadline, or with the connection.
 */
#include "browser_state.h"

#include <stdio.h>

/* Ends -------------------------------------------------------------------------------------- */

static void answer_own(browser *state, const pending *row, troupe_error error, const char *text,
                       size_t len)
{
    row->own(state, row->context, error, text, len);
}

static void fail_row(browser *state, const pending *row, troupe_error error, const char *why)
{
    if (row->own != NULL) {
        answer_own(state, row, error, why, strlen(why));
    } else {
        troupe_fault(state->self, row->caller, error, NULL, "browser %s: %s", state->id, why);
    }
}

/* The earliest deadline has come; its caller gave up by itself a moment ago. */
static void on_deadline(troupe_actor *self, void *context)
{
    browser *state = context;
    pending row;
    state->deadline_timer = 0;
    while (pending_take_due(&state->pending, troupe_now_ns(self), PENDING_EXPIRED, &row)) {
        state->counts.timeouts++;
        fail_row(state, &row, TROUPE_ETIMEOUT, "no answer in time");
    }
    browser_arm_deadline(state);
}

/* One timer, for the earliest deadline of all. When that command is answered the timer is left as
 * it is: it comes for nothing, and is set anew. */
void browser_arm_deadline(browser *state)
{
    uint64_t due_ns = pending_deadline_ns(&state->pending);
    if (due_ns == UINT64_MAX || (state->deadline_timer != 0 && state->deadline_ns <= due_ns)) {
        return;
    }
    troupe_timer_cancel(state->self, state->deadline_timer);
    state->deadline_timer = 0;
    state->deadline_ns = due_ns;
    if (troupe_timer_at(state->self, due_ns, on_deadline, state, &state->deadline_timer) !=
        TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "browser", "out-of-memory", state->id,
                   "no timer for the deadline of a command");
    }
}

void browser_end_commands(browser *state, const char *why)
{
    pending row;
    troupe_timer_cancel(state->self, state->deadline_timer);
    state->deadline_timer = 0;
    while (pending_take_due(&state->pending, UINT64_MAX, PENDING_ABANDONED, &row)) {
        fail_row(state, &row, TROUPE_ECLOSED, why);
    }
}

/* Sending ----------------------------------------------------------------------------------- */

typedef struct request {
    const char *method;
    size_t method_len;
    const char *session; /* NULL: the browser's own */
    size_t session_len;
    const char *params; /* JSON text or NULL */
    size_t params_len;
    uint64_t deadline_ns;
} request;

static troupe_error submit(browser *state, const request *what, pending **row)
{
    if (state->stream == NULL || state->lost) {
        return TROUPE_ECLOSED;
    }
    troupe_error error = pending_add(&state->pending, what->deadline_ns, row);
    if (error != TROUPE_OK) {
        return error;
    }
    (*row)->session = session_key(what->session, what->session_len);
    (*row)->sent_ns = troupe_now_ns(state->self);
    troupe_buffer_clear(&state->scratch);
    error = cdp_write_command(&state->scratch, (*row)->id, what->method, what->method_len,
                              what->session, what->session_len, what->params, what->params_len);
    if (error == TROUPE_OK) {
        error = message_stream_send(state->stream, state->scratch.data, state->scratch.len);
    }
    if (error != TROUPE_OK) {
        pending ignored;
        pending_take(&state->pending, (*row)->id, PENDING_ABANDONED, &ignored);
        return error;
    }
    state->flush_due = true;
    browser_arm_deadline(state);
    return TROUPE_OK;
}

static uint64_t deadline_in(const browser *state, uint32_t timeout_ms)
{
    return troupe_now_ns(state->self) + (uint64_t)timeout_ms * 1000000u;
}

void browser_send_own(browser *state, const char *method, const char *params, pending_fn fn,
                      void *context)
{
    request what = {.method = method,
                    .method_len = strlen(method),
                    .params = params,
                    .params_len = params != NULL ? strlen(params) : 0,
                    .deadline_ns = deadline_in(state, state->host->command_timeout_ms)};
    pending *row;
    troupe_error error = submit(state, &what, &row);
    if (error == TROUPE_OK) {
        row->own = fn;
        row->context = context;
    } else {
        troupe_log(TROUPE_LOG_WARN, "browser", "command-not-sent", state->id, "%s: %s", method,
                   troupe_error_text(error));
    }
}

void browser_ignore_answer(browser *state, void *context, troupe_error error, const char *text,
                           size_t len)
{
    if (error != TROUPE_OK && error != TROUPE_ECLOSED) {
        troupe_log(TROUPE_LOG_DEBUG, "browser", "command-failed", state->id, "%s: %.*s",
                   (const char *)context, (int)(len < 300 ? len : 300), text);
    }
}

void browser_on_command(browser *state, const troupe_envelope *call)
{
    request what = {0};
    pending *row;
    uint32_t timeout_ms =
        call->meta.timeout_ms != 0 ? call->meta.timeout_ms : state->host->command_timeout_ms;
    what.deadline_ns = deadline_in(state, timeout_ms);
    troupe_error error =
        troupe_unpack(call->payload, "[s#,s#?,j#?]", &what.method, &what.method_len, &what.session,
                      &what.session_len, &what.params, &what.params_len);
    if (error == TROUPE_OK) {
        error = submit(state, &what, &row);
    }
    if (error != TROUPE_OK) {
        troupe_fault(state->self, troupe_caller_of(call), error, NULL, "browser %s: %.*s: %s",
                     state->id, (int)what.method_len, what.method != NULL ? what.method : "",
                     troupe_error_text(error));
        return;
    }
    row->caller = troupe_caller_of(call);
}

/* Answers ----------------------------------------------------------------------------------- */

/* Chrome's error object {code, message, data?}. */
static void answer_error(browser *state, const pending *row, json_span error)
{
    if (row->own == NULL) {
        browser_fault_caller(state, row->caller, error);
        return;
    }
    const char *text = "the browser answered with an error";
    size_t len = strlen(text);
    (void)browser_member_string(error, "message", &text, &len);
    answer_own(state, row, TROUPE_ECDP, text, len);
}

/* An answer that nobody waits for: why not. */
static void count_stray(browser *state, int64_t id)
{
    pending_end fate = pending_fate(&state->pending, id);
    const char *what = "late";
    uint64_t count;
    if (fate == PENDING_NEVER) {
        what = "unknown";
        count = ++state->counts.unknown;
    } else if (fate == PENDING_ANSWERED) {
        what = "duplicate";
        count = ++state->counts.duplicate;
    } else {
        count = ++state->counts.late;
    }
    if (browser_worth_logging(count)) {
        troupe_log(fate == PENDING_NEVER || fate == PENDING_ANSWERED ? TROUPE_LOG_WARN
                                                                     : TROUPE_LOG_DEBUG,
                   "browser", "answer-dropped", state->id, "%s answer, id %lld (number %llu)", what,
                   (long long)id, (unsigned long long)count);
    }
}

/* The id decides whose answer it is. Chrome's errors about a session may come without it. */
static void check_session(browser *state, const pending *row, const cdp_message *answer)
{
    if (answer->session == NULL && (row->session == 0 || answer->error.data != NULL)) {
        return;
    }
    if (session_key(answer->session, answer->session_len) != row->session &&
        browser_worth_logging(++state->counts.misrouted)) {
        troupe_log(TROUPE_LOG_WARN, "browser", "answer-misrouted", state->id,
                   "id %lld came on session \"%.*s\" (number %llu)", (long long)answer->id,
                   (int)(answer->session_len < 64 ? answer->session_len : 64),
                   answer->session != NULL ? answer->session : "",
                   (unsigned long long)state->counts.misrouted);
    }
}

void browser_on_answer(browser *state, const cdp_message *answer)
{
    pending row;
    if (!pending_take(&state->pending, answer->id, PENDING_ANSWERED, &row)) {
        count_stray(state, answer->id);
        return;
    }
    check_session(state, &row, answer);
    if (answer->error.data != NULL) {
        state->counts.errors++;
        answer_error(state, &row, answer->error);
        return;
    }
    const char *result = answer->result.data != NULL ? answer->result.data : "{}";
    size_t len = answer->result.data != NULL ? answer->result.len : 2;
    if (row.own != NULL) {
        answer_own(state, &row, TROUPE_OK, result, len);
    } else {
        browser_answer_caller(state, row.caller, result, len);
    }
}
