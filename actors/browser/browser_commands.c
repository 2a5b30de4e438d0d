/* SPDX-License-Identifier: MIT */
/*
 * The browser actor's commands: each gets an id, a row in the pending table and a deadline, and
 * ends exactly once: by the browser's answer, by its deadline, because nobody waits for it any
 * more, or with the connection.
 *
 *     accepted -> in flight -> ended
 *     accepted -> waiting (command_queue) -> in flight -> ended, or ended while it waits
 *
 * A command waits when too many are in flight, when the rate limit says so, when the peer does not
 * read, and behind others that wait. Urgent ones and the actor's own have room of their own in each
 * limit, and pass the rate limit, which counts them.
 */
#include "browser_state.h"

#include <stdio.h>

#define QUEUE_BYTES_MAX   ((size_t)64 << 20) /* of commands that wait; one larger fits alone */
#define STREAM_BYTES_HIGH ((size_t)1 << 20)  /* unread by the peer: bulk waits */
#define LOOK_ROWS         8u                 /* looked at for an abandoned one at a time */
#define RETRY_MS_MIN      10u
#define RETRY_MS_MAX      60000u
#define HOLD_MS           250u
#define RETRY_MS          100u /* where nothing says how long it will take */

static uint32_t or_else(uint32_t given, uint32_t host)
{
    return given != 0 ? given : host;
}

void browser_limits_init(browser *state, const browser_limits *given)
{
    const troupe_host_options *host = state->host;
    browser_limits *limits = &state->limits;
    limits->commands_in_flight = or_else(given->commands_in_flight, host->commands_in_flight);
    limits->commands_queued = or_else(given->commands_queued, host->commands_queued);
    limits->commands_per_second = or_else(given->commands_per_second, host->commands_per_second);
    limits->commands_burst = or_else(given->commands_burst, host->commands_burst);
    limits->hold_ms = or_else(given->hold_ms, HOLD_MS);
    if (limits->commands_per_second == BROWSER_NO_RATE) {
        limits->commands_per_second = 0;
    }
}

/* What a class may use of a limit: urgent ones a part that bulk cannot fill. */
static uint32_t limit_of(uint32_t limit, command_class class)
{
    return class == COMMAND_BULK ? limit : limit + 16 + limit / 8;
}

/* Ends -------------------------------------------------------------------------------------- */

void browser_let_go(browser *state, const pending *row)
{
    if (row->queued != NULL) {
        command_queue_remove(&state->queue, row->queued, false);
    } else if (row->sent_ns != 0) {
        state->in_flight--;
    }
    capture_ended(state, row->capture);
}

static void fail_row(browser *state, const pending *row, troupe_error error, const char *why)
{
    if (row->own != NULL) {
        row->own(state, row->context, error, why, strlen(why));
    } else if (row->driver != NULL) {
        browser_driver_failed(state, row->driver, why);
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
        bool waited = row.queued != NULL;
        browser_let_go(state, &row);
        state->counts.timeouts++;
        state->metrics.rows[row.method].timeouts++;
        fail_row(state, &row, TROUPE_ETIMEOUT,
                 waited ? "not sent in time: too many commands before it" : "no answer in time");
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
    troupe_timer_cancel(state->self, state->rate_timer);
    state->deadline_timer = state->rate_timer = 0;
    capture_end(state, why);
    while (pending_take_due(&state->pending, UINT64_MAX, PENDING_ABANDONED, &row)) {
        browser_let_go(state, &row);
        fail_row(state, &row, TROUPE_ECLOSED, why);
    }
}

static void abandon(browser *state, int64_t id)
{
    pending row;
    if (pending_take(&state->pending, id, PENDING_ABANDONED, &row)) {
        browser_let_go(state, &row);
        state->counts.abandoned++;
        fail_row(state, &row, TROUPE_ECANCELLED, "given up"); /* heard by nobody */
    }
}

/* Too many are in flight: perhaps some are that nobody waits for. A few are looked at, other ones
 * each time. */
static void look_for_abandoned(browser *state)
{
    const pending_table *table = &state->pending;
    for (unsigned i = 0; i < LOOK_ROWS && table->count > 0; i++) {
        state->hand = (state->hand + 1) % (uint32_t)table->count;
        const pending *row = pending_find(table, table->heap[state->hand].id);
        if (row->own == NULL && row->driver == NULL && row->sent_ns != 0 &&
            !troupe_caller_waits(state->self, row->caller)) {
            abandon(state, row->id);
        }
    }
}

/* Whether it may be sent ---------------------------------------------------------------------- */

/* The peer does not read what was written already. */
static bool stream_presses(browser *state)
{
    if (message_stream_queued(state->stream) <= STREAM_BYTES_HIGH) {
        return false;
    }
    browser_flush(state);
    return state->lost || message_stream_queued(state->stream) > STREAM_BYTES_HIGH;
}

/* Whether something that waits comes before a new one of that class. */
static bool has_turn(const browser *state, command_class class, uint64_t session)
{
    const command_queue *queue = &state->queue;
    if (queue->count == 0) {
        return true;
    }
    if (class == COMMAND_CANCEL) {
        return queue->cancels == NULL;
    }
    return class == COMMAND_URGENT && queue->cancels == NULL && queue->rings[RING_URGENT] == NULL &&
           !command_queue_has(queue, session);
}

/* A new command may be sent at once; if not, why it waits is counted. Takes its token if so. */
static bool may_send(browser *state, command_class class, uint64_t session)
{
    browser_counts *counts = &state->counts;
    uint64_t now_ns = troupe_now_ns(state->self);
    if (!has_turn(state, class, session)) {
        counts->waits_turn++;
        return false;
    }
    if (state->in_flight >= limit_of(state->limits.commands_in_flight, class)) {
        look_for_abandoned(state);
    }
    if (state->in_flight >= limit_of(state->limits.commands_in_flight, class)) {
        counts->waits_flight++;
        return false;
    }
    if (class == COMMAND_BULK && stream_presses(state)) {
        counts->waits_stream++;
        return false;
    }
    if (class != COMMAND_BULK) {
        counts->rate_passed += rate_limit_wait_ns(&state->rate, now_ns) > 0;
        rate_limit_charge(&state->rate, now_ns);
    } else if (!rate_limit_take(&state->rate, now_ns)) {
        counts->waits_rate++;
        return false;
    }
    return true;
}

static bool has_room(const browser *state, command_class class, size_t len)
{
    const command_queue *queue = &state->queue;
    return queue->count < limit_of(state->limits.commands_queued, class) &&
           (queue->bytes + len <= QUEUE_BYTES_MAX || queue->count == 0);
}

/* When it may be worth trying again. */
static uint32_t retry_after_ms(browser *state)
{
    uint64_t wait_ns = rate_limit_wait_ns(&state->rate, troupe_now_ns(state->self));
    if (wait_ns == 0) {
        return RETRY_MS;
    }
    uint64_t ms = wait_ns / 1000000u + 1000u * state->queue.count / state->rate.per_second;
    ms = ms > RETRY_MS_MIN ? ms : RETRY_MS_MIN;
    return ms < RETRY_MS_MAX ? (uint32_t)ms : RETRY_MS_MAX;
}

/* Sending ------------------------------------------------------------------------------------- */

typedef struct request {
    const char *method;
    size_t method_len;
    const char *session; /* NULL: the browser's own */
    size_t session_len;
    const char *params; /* JSON text or NULL */
    size_t params_len;
    uint64_t deadline_ns;
    bool own;
} request;

/* It was handed to the stream. */
static void note_sent(browser *state, pending *row, size_t len)
{
    metrics_method *method = &state->metrics.rows[row->method];
    row->queued = NULL;
    row->sent_ns = troupe_now_ns(state->self);
    method->sent++;
    method->bytes_out += len;
    state->counts.sent++;
    state->counts.bytes_out += len;
    state->flush_due = true;
    if (++state->in_flight > state->counts.in_flight_peak) {
        state->counts.in_flight_peak = state->in_flight;
    }
    browser_probe_arm(state);
}

static troupe_error wait_for_turn(browser *state, pending *row, command_class class)
{
    if (!has_room(state, class, state->scratch.len)) {
        state->counts.busy++;
        return TROUPE_EBUSY;
    }
    troupe_error error =
        command_queue_push(&state->queue, row->session, row->id, class,
                           (const char *)state->scratch.data, state->scratch.len, &row->queued);
    if (error == TROUPE_OK && state->queue.count > state->counts.queued_peak) {
        state->counts.queued_peak = (uint32_t)state->queue.count;
    }
    return error;
}

/* The row is in the table; the command's text in the scratch. */
static troupe_error send_or_wait(browser *state, pending *row, command_class class)
{
    if (may_send(state, class, row->session)) {
        size_t len = state->scratch.len;
        troupe_error error = message_stream_send(state->stream, state->scratch.data, len);
        if (error == TROUPE_OK) {
            note_sent(state, row, len);
        }
        if (error != TROUPE_EBUSY) {
            return error;
        }
        state->counts.waits_stream++;
        state->flush_due = true;
    }
    return state->lost ? TROUPE_ECLOSED : wait_for_turn(state, row, class);
}

static troupe_error submit(browser *state, const request *what, pending **row)
{
    if (state->stream == NULL || state->lost) {
        return TROUPE_ECLOSED;
    }
    if (!has_room(state, COMMAND_CANCEL, what->params_len)) {
        state->counts.busy++;
        return TROUPE_EBUSY; /* whatever it is; and it costs nothing to say so */
    }
    troupe_error error = pending_add(&state->pending, what->deadline_ns, row);
    if (error != TROUPE_OK) {
        state->counts.busy += error == TROUPE_EBUSY;
        return error;
    }
    int64_t id = (*row)->id;
    troupe_buffer_clear(&state->scratch);
    error = cdp_write_command(&state->scratch, id, what->method, what->method_len, what->session,
                              what->session_len, what->params, what->params_len);
    if (error == TROUPE_OK) {
        uint32_t method = metrics_row(&state->metrics, what->method, what->method_len);
        (*row)->method = method;
        (*row)->session = session_key(what->session, what->session_len);
        error = send_or_wait(
            state, *row,
            what->own ? COMMAND_URGENT
                      : metrics_class(&state->metrics, method, what->method, what->method_len));
    }
    if (error != TROUPE_OK) {
        pending ignored; /* it is not there any more if the connection was lost meanwhile */
        (void)pending_take(&state->pending, id, PENDING_ABANDONED, &ignored);
        return error;
    }
    browser_arm_deadline(state);
    return TROUPE_OK;
}

static uint64_t deadline_in(const browser *state, uint32_t timeout_ms)
{
    return troupe_now_ns(state->self) + (uint64_t)timeout_ms * 1000000u;
}

static troupe_error send_own(browser *state, bool urgent, const char *session, const char *method,
                             const char *params, uint32_t timeout_ms, pending_fn fn, void *context)
{
    request what = {.method = method,
                    .method_len = strlen(method),
                    .session = session,
                    .session_len = session != NULL ? strlen(session) : 0,
                    .params = params,
                    .params_len = params != NULL ? strlen(params) : 0,
                    .deadline_ns = deadline_in(state, timeout_ms),
                    .own = urgent};
    pending *row;
    troupe_error error = submit(state, &what, &row);
    if (error == TROUPE_OK) {
        row->own = fn;
        row->context = context;
    } else {
        troupe_log(TROUPE_LOG_WARN, "browser", "command-not-sent", state->id, "%s: %s", method,
                   troupe_error_text(error));
    }
    return error;
}

troupe_error browser_send_own_in(browser *state, const char *method, const char *params,
                                 uint32_t timeout_ms, pending_fn fn, void *context)
{
    return send_own(state, true, NULL, method, params, timeout_ms, fn, context);
}

troupe_error browser_send_behind(browser *state, const char *session, const char *method,
                                 const char *params, uint32_t timeout_ms, pending_fn fn,
                                 void *context)
{
    return send_own(state, false, session, method, params, timeout_ms, fn, context);
}

void browser_send_session(browser *state, const char *session, const char *method,
                          const char *params, pending_fn fn, void *context)
{
    (void)send_own(state, true, session, method, params, state->host->command_timeout_ms, fn,
                   context);
}

void browser_send_own(browser *state, const char *method, const char *params, pending_fn fn,
                      void *context)
{
    (void)browser_send_own_in(state, method, params, state->host->command_timeout_ms, fn, context);
}

void browser_ignore_answer(browser *state, void *context, troupe_error error, const char *text,
                           size_t len)
{
    if (error != TROUPE_OK && error != TROUPE_ECLOSED) {
        troupe_log(TROUPE_LOG_DEBUG, "browser", "command-failed", state->id, "%s: %.*s",
                   (const char *)context, (int)(len < 300 ? len : 300), text);
    }
}

static void refuse(browser *state, troupe_caller caller, const request *what, troupe_error error)
{
    char data[48] = "";
    if (error == TROUPE_EBUSY) {
        snprintf(data, sizeof data, "{\"retry_after_ms\":%u}", retry_after_ms(state));
    }
    troupe_fault(state->self, caller, error, data[0] != '\0' ? data : NULL, "browser %s: %.*s: %s",
                 state->id, (int)(what->method_len < 64 ? what->method_len : 64),
                 what->method != NULL ? what->method : "", troupe_error_text(error));
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
    if (error == TROUPE_OK &&
        capture_take(state, troupe_caller_of(call), what.method, what.method_len, what.session,
                     what.session_len, what.params, what.params_len, what.deadline_ns)) {
        return;
    }
    if (error == TROUPE_OK) {
        error = submit(state, &what, &row);
    }
    if (error == TROUPE_OK) {
        row->caller = troupe_caller_of(call);
    } else {
        refuse(state, troupe_caller_of(call), &what, error);
    }
}

troupe_error browser_send_driver(browser *state, const char *method, size_t method_len,
                                 const char *session, const char *params, size_t params_len,
                                 driver_call *call)
{
    request what = {.method = method,
                    .method_len = method_len,
                    .session = session,
                    .session_len = strlen(session),
                    .params = params,
                    .params_len = params_len,
                    .deadline_ns = UINT64_MAX};
    pending *row;
    troupe_error error = submit(state, &what, &row);
    if (error == TROUPE_OK) {
        row->driver = call;
        call->row = row->id;
    }
    return error;
}

void browser_send_capture(browser *state, troupe_caller caller, const char *method,
                          const char *session, size_t session_len, const char *params,
                          size_t params_len, uint64_t deadline_ns, uint32_t number)
{
    request what = {.method = method,
                    .method_len = strlen(method),
                    .session = session,
                    .session_len = session_len,
                    .params = params,
                    .params_len = params_len,
                    .deadline_ns = deadline_ns};
    pending *row;
    troupe_error error = submit(state, &what, &row);
    if (error == TROUPE_OK) {
        row->caller = caller;
        row->capture = number;
    } else {
        refuse(state, caller, &what, error);
        capture_ended(state, number);
    }
}

/* What waits -------------------------------------------------------------------------------- */

static void on_rate(troupe_actor *self, void *context)
{
    browser *state = context;
    (void)self;
    state->rate_timer = 0; /* the turn's end pumps */
}

/* Bulk waits for the rate limit alone: a timer for the very moment. */
static void arm_rate(browser *state)
{
    const command_queue *queue = &state->queue;
    if (state->rate_timer != 0 || state->lost || queue->count == queue->urgent ||
        state->in_flight >= state->limits.commands_in_flight) {
        return;
    }
    uint64_t now_ns = troupe_now_ns(state->self);
    uint64_t wait_ns = rate_limit_wait_ns(&state->rate, now_ns);
    if (wait_ns > 0 && troupe_timer_at(state->self, now_ns + wait_ns, on_rate, state,
                                       &state->rate_timer) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "browser", "out-of-memory", state->id,
                   "no timer for the rate limit");
    }
}

/* false: the stream takes no more now, or is gone. */
static bool send_waiting(browser *state, command *item)
{
    pending *row = pending_find(&state->pending, item->id);
    command_class class = item->class;
    uint64_t now_ns = troupe_now_ns(state->self);
    if (row->own == NULL && row->driver == NULL && !troupe_caller_waits(state->self, row->caller)) {
        abandon(state, row->id);
        return true;
    }
    troupe_error error = message_stream_send(state->stream, item->text, item->len);
    if (error == TROUPE_EBUSY) {
        state->flush_due = true;
        return false;
    }
    size_t len = item->len;
    command_queue_remove(&state->queue, item, true);
    note_sent(state, row, len);
    if (class == COMMAND_BULK) {
        (void)rate_limit_take(&state->rate, now_ns);
    } else {
        state->counts.rate_passed += rate_limit_wait_ns(&state->rate, now_ns) > 0;
        rate_limit_charge(&state->rate, now_ns);
    }
    if (error != TROUPE_OK) {
        pending gone;
        (void)pending_take(&state->pending, row->id, PENDING_ABANDONED, &gone);
        browser_let_go(state, &gone);
        fail_row(state, &gone, error, troupe_error_text(error));
    }
    return true;
}

void browser_pump(browser *state)
{
    const browser_limits *limits = &state->limits;
    while (state->queue.count > 0 && !state->lost && state->stream != NULL &&
           state->in_flight < limit_of(limits->commands_in_flight, COMMAND_URGENT)) {
        bool bulk = state->in_flight < limits->commands_in_flight && !stream_presses(state) &&
                    rate_limit_wait_ns(&state->rate, troupe_now_ns(state->self)) == 0;
        command *item = command_queue_next(&state->queue, bulk);
        if (item == NULL || !send_waiting(state, item)) {
            break;
        }
    }
    arm_rate(state);
}
