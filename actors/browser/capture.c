/* SPDX-License-Identifier: MIT */
/*
 * waiting -> (nobody is at the front) activated -> captured (or: in the front for too long) -> the
 * next one.
 */
#include "browser_state.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define CAPTURES_MAX 256
#define FRONT_MS     3000 /* then the next one begins: a page that hangs holds nobody up */

static const char method_name[] = "Page.captureScreenshot";

static bool draws_everything(const browser *state)
{
    return strncmp(state->product, "HeadlessChrome/", 15) == 0;
}

static void leave_front(browser *state)
{
    capture_queue *queue = &state->captures;
    troupe_timer_cancel(state->self, queue->timer);
    queue->timer = 0;
    queue->taking = 0;
    queue->due = true;
}

static void on_front_over(troupe_actor *self, void *context)
{
    (void)self;
    browser *state = context;
    state->captures.timer = 0;
    leave_front(state);
}

static capture *take_first(browser *state)
{
    capture *item = state->captures.waiting;
    DL_DELETE(state->captures.waiting, item);
    state->captures.count--;
    return item;
}

static void remove_first(browser *state)
{
    free(take_first(state));
}

static capture *at_front(const browser *state)
{
    capture *item = state->captures.waiting;
    return item != NULL && item->number == state->captures.taking ? item : NULL;
}

/* It is at the front, or could not be brought there: the screenshot will tell. */
static void on_activated(browser *state, void *context, troupe_error error, const char *text,
                         size_t len)
{
    (void)context;
    (void)text;
    (void)len;
    capture *item = at_front(state);
    if (item == NULL || error == TROUPE_ECLOSED) {
        return;
    }
    (void)take_first(state); /* sending may end the connection, and with it all that wait */
    browser_send_capture(state, item->caller, method_name, item->bytes, item->session_len,
                         item->params_len > 0 ? item->bytes + item->session_len : NULL,
                         item->params_len, item->deadline_ns, item->number);
    free(item);
}

/* The page whose window is to show it; NULL: none is known. */
static const roster_target *page_of(const browser *state, const capture *item)
{
    return roster_owner(&state->roster, item->bytes, item->session_len);
}

static void start_next(browser *state)
{
    capture_queue *queue = &state->captures;
    while (queue->waiting != NULL && !troupe_caller_waits(state->self, queue->waiting->caller)) {
        remove_first(state);
    }
    capture *item = queue->waiting;
    if (item == NULL) {
        return;
    }
    queue->taking = item->number;
    if (troupe_timer_start(state->self, FRONT_MS, 0, on_front_over, state, &queue->timer) !=
        TROUPE_OK) {
        queue->timer = 0;
    }
    const roster_target *page = page_of(state, item);
    char params[CHROME_ID_MAX + 32];
    snprintf(params, sizeof params, "{\"targetId\":\"%s\"}", page != NULL ? page->chrome_id : "");
    (void)browser_send_own_in(state, "Target.activateTarget", params, FRONT_MS, on_activated, NULL);
}

bool capture_take(browser *state, troupe_caller caller, const char *method, size_t method_len,
                  const char *session, size_t session_len, const char *params, size_t params_len,
                  uint64_t deadline_ns)
{
    capture_queue *queue = &state->captures;
    if (method_len != sizeof method_name - 1 || memcmp(method, method_name, method_len) != 0 ||
        session == NULL || draws_everything(state) || queue->count >= CAPTURES_MAX) {
        return false;
    }
    capture *item = malloc(sizeof *item + session_len + params_len);
    if (item == NULL) {
        return false;
    }
    queue->last = queue->last == UINT32_MAX ? 1 : queue->last + 1;
    *item = (capture){.caller = caller,
                      .deadline_ns = deadline_ns,
                      .number = queue->last,
                      .session_len = session_len,
                      .params_len = params != NULL ? params_len : 0};
    memcpy(item->bytes, session, session_len);
    if (item->params_len > 0) {
        memcpy(item->bytes + session_len, params, params_len);
    }
    DL_APPEND(queue->waiting, item);
    queue->count++;
    queue->due |= queue->taking == 0;
    return true;
}

void capture_ended(browser *state, uint32_t number)
{
    if (number != 0 && number == state->captures.taking) {
        leave_front(state);
    }
}

void capture_turn(browser *state)
{
    capture_queue *queue = &state->captures;
    if (queue->due && queue->taking == 0 && !state->lost) {
        queue->due = false;
        start_next(state);
    }
}

void capture_end(browser *state, const char *why)
{
    troupe_timer_cancel(state->self, state->captures.timer);
    state->captures.timer = 0;
    while (state->captures.waiting != NULL) {
        troupe_fault(state->self, state->captures.waiting->caller, TROUPE_ECLOSED, NULL,
                     "browser %s: %s", state->id, why);
        remove_first(state);
    }
}

void capture_fini(browser *state)
{
    while (state->captures.waiting != NULL) {
        remove_first(state);
    }
}
