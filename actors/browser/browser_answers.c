/* SPDX-License-Identifier: MIT */
/* Messages with an id: whose answer each is, and those that nobody waits for. */
#include "browser_state.h"

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
    row->own(state, row->context, TROUPE_ECDP, text, len);
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
        bool odd = fate == PENDING_NEVER || fate == PENDING_ANSWERED;
        troupe_log(odd ? TROUPE_LOG_WARN : TROUPE_LOG_DEBUG, "browser", "answer-dropped", state->id,
                   "%s answer, id %lld (number %llu)", what, (long long)id,
                   (unsigned long long)count);
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

void browser_on_answer(browser *state, const cdp_message *answer, size_t len)
{
    pending *found = pending_find(&state->pending, answer->id);
    if (found == NULL || found->sent_ns == 0) { /* nothing was sent under that id yet */
        count_stray(state, answer->id);
        return;
    }
    pending row;
    (void)pending_take(&state->pending, answer->id, PENDING_ANSWERED, &row);
    browser_let_go(state, &row);
    bool failed = answer->error.data != NULL;
    state->counts.answered++;
    state->counts.errors += failed;
    uint64_t now_ns = (uint64_t)state->mono_us * 1000u;
    metrics_answered(&state->metrics.rows[row.method],
                     now_ns > row.sent_ns ? now_ns - row.sent_ns : 0, len, failed);
    check_session(state, &row, answer);
    if (row.driver != NULL) {
        browser_driver_answer(state, row.driver, answer);
        return;
    }
    if (failed) {
        answer_error(state, &row, answer->error);
        return;
    }
    const char *result = answer->result.data != NULL ? answer->result.data : "{}";
    size_t result_len = answer->result.data != NULL ? answer->result.len : 2;
    if (row.own != NULL) {
        row.own(state, row.context, TROUPE_OK, result, result_len);
    } else {
        browser_answer_caller(state, row.caller, result, result_len);
    }
}
