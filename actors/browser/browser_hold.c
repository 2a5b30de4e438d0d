/* SPDX-License-Identifier: MIT */
/*
 * The way to the target actors, and what happens when one has no room. Per target:
 *
 *     open -> (no room) holding -> (room: all is passed on) open
 *     holding -> (still none after hold_ms) shedding -> (room: all is passed on) open
 *
 * While one is holding, what comes for it is kept in order and the connection is not read: the
 * browser waits for its consumer. That must not last, for others wait too. So one that has no room
 * for too long is shed: its data events are dropped and counted, and the connection is read on.
 * Answers, and events by which the state of a target is followed, are kept and passed on in order;
 * where the first event was dropped stands one gap with the count.
 */
#include "browser_state.h"

#include "actors/verbs.h"

#include <stdlib.h>

/* Of events that are kept while it sheds. Beyond this nothing of it can be saved but answers. */
#define KEPT_BYTES_MAX ((size_t)32 << 20)

/* What a held answer is, in the place of an event's method. */
#define HELD_RESULT "result"
#define HELD_ERROR  "error"

static void pause_reading(browser *state, bool paused)
{
    if (state->paused != paused && state->stream != NULL) {
        state->paused = paused;
        browser_want_events(state);
    }
}

/* Shedding ------------------------------------------------------------------------------------ */

/* Events that others can do without: no state is followed by them, nothing waits for them. */
static bool is_data(const char *method, size_t len)
{
    static const char *const kept[] = {
        "Target.", "Inspector.", "Page.", "Fetch.", "Debugger.", "Runtime.executionContext",
    };
    static const char frame[] = "Page.screencastFrame";
    if (len == sizeof frame - 1 && memcmp(method, frame, len) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        size_t size = strlen(kept[i]);
        if (len >= size && memcmp(method, kept[i], size) == 0) {
            return false;
        }
    }
    return true;
}

static void count_shed(browser *state, roster_target *target, size_t bytes)
{
    target->gap_count++;
    target->gap_bytes += bytes;
    state->counts.events_shed++;
}

/* Drops its data events; the first one's place is the gap's. */
static void shed(browser *state, roster_target *target)
{
    held *last = NULL;
    held **link = &target->first;
    for (held *item = target->first, *next; item != NULL; item = next) {
        next = item->next;
        bool drop = item->caller.ref == 0 && is_data(item->bytes, item->verb_len);
        if (drop) {
            count_shed(state, target, item->payload_len);
            item->gap = target->gap_count == 1;
        }
        if (!drop || item->gap) {
            target->kept_bytes += drop ? 0 : item->payload_len;
            *link = last = item;
            link = &item->next;
        } else {
            free(item);
        }
    }
    *link = NULL;
    target->last = last;
    target->shedding = true;
    roster_resume(&state->roster, target);
    troupe_log(TROUPE_LOG_WARN, "browser", "events-shed", target->id,
               "no room for %u ms: its data events are dropped until there is",
               state->limits.hold_ms);
}

/* When the one that has reading paused for the longest is shed. */
static uint64_t due_ns(const browser *state)
{
    return state->roster.holding->hold_ns + (uint64_t)state->limits.hold_ms * 1000000u;
}

static void on_hold_timer(troupe_actor *self, void *context)
{
    browser *state = context;
    uint64_t now_ns = troupe_now_ns(self);
    state->hold_timer = 0;
    while (state->roster.holding != NULL && due_ns(state) <= now_ns) {
        shed(state, state->roster.holding);
    }
    browser_hold_review(state);
}

void browser_hold_review(browser *state)
{
    pause_reading(state, state->roster.holding != NULL);
    if (state->roster.holding == NULL || state->hold_timer != 0) {
        return; /* a timer that comes early is set again */
    }
    if (troupe_timer_at(state->self, due_ns(state), on_hold_timer, state, &state->hold_timer) !=
        TROUPE_OK) {
        state->hold_timer = 0;
        troupe_log(TROUPE_LOG_ERROR, "browser", "out-of-memory", state->id,
                   "no timer for a target without room");
    }
}

/* Holding ------------------------------------------------------------------------------------- */

/* Keeps what could not be posted. false: it cannot be kept. */
static bool keep(browser *state, roster_target *target, troupe_caller caller, const char *verb,
                 size_t verb_len, troupe_bytes payload)
{
    if (target->first == NULL && troupe_await_room(state->self, target->actor) != TROUPE_OK) {
        return false; /* nobody would tell when to go on */
    }
    if (!roster_hold(target, caller, verb, verb_len, payload)) {
        return false;
    }
    state->roster.full_count += !target->full;
    target->full = true;
    if (target->shedding) {
        target->kept_bytes += payload.len;
    } else {
        roster_pause(&state->roster, target, troupe_now_ns(state->self));
        browser_hold_review(state);
    }
    return true;
}

static void keep_event(browser *state, roster_target *target, const char *verb, size_t verb_len,
                       troupe_bytes payload)
{
    troupe_caller nobody = {0, 0};
    if (target->shedding && (is_data(verb, verb_len) || target->kept_bytes > KEPT_BYTES_MAX)) {
        count_shed(state, target, payload.len);
        if (target->gap_count > 1) {
            return;
        }
        if (roster_hold(target, nobody, verb, verb_len, (troupe_bytes){NULL, 0})) {
            target->last->gap = true;
            return;
        }
    } else if (keep(state, target, nobody, verb, verb_len, payload)) {
        return;
    }
    troupe_log(TROUPE_LOG_ERROR, "browser", "event-lost", target->id, "%.*s", (int)verb_len, verb);
}

void browser_post_event(browser *state, roster_target *target, const char *verb, size_t verb_len,
                        troupe_bytes payload)
{
    if (target->actor == 0) {
        return;
    }
    if (target->first != NULL) {
        keep_event(state, target, verb, verb_len, payload);
        return;
    }
    troupe_error error =
        troupe_post_n(state->self, target->actor, TROUPE_EVENT, verb, verb_len, NULL, payload);
    if (error == TROUPE_EBUSY) {
        keep_event(state, target, verb, verb_len, payload);
    }
}

static void send_answer(browser *state, troupe_caller caller, const char *what, json_span answer)
{
    if (strncmp(what, HELD_RESULT, strlen(HELD_RESULT)) == 0) {
        troupe_reply_json(state->self, caller, answer.data, answer.len);
        return;
    }
    const char *text = "the browser answered with an error";
    size_t len = strlen(text);
    (void)browser_member_string(answer, "message", &text, &len);
    char *data = strndup(answer.data, answer.len);
    troupe_fault(state->self, caller, TROUPE_ECDP, data, "%.*s", (int)len, text);
    free(data);
}

/* Answers now, or behind the events that are held for the caller. */
static void answer(browser *state, troupe_caller caller, const char *what, json_span answer)
{
    roster_target *target =
        state->roster.full_count > 0 ? roster_find_actor(&state->roster, caller.from) : NULL;
    troupe_bytes text = {(const uint8_t *)answer.data, answer.len};
    if (target == NULL || target->first == NULL ||
        !keep(state, target, caller, what, strlen(what), text)) {
        send_answer(state, caller, what, answer);
    }
}

void browser_answer_caller(browser *state, troupe_caller caller, const char *result, size_t len)
{
    json_span span = {result, len};
    answer(state, caller, HELD_RESULT, span);
}

void browser_fault_caller(browser *state, troupe_caller caller, json_span error)
{
    answer(state, caller, HELD_ERROR, error);
}

/* Passing on ---------------------------------------------------------------------------------- */

static troupe_error post_gap(browser *state, const roster_target *target)
{
    troupe_buffer payload = {0};
    troupe_error error =
        troupe_pack(&payload, "{s:U,s:U}", "count", target->gap_count, "bytes", target->gap_bytes);
    if (error == TROUPE_OK) {
        error = troupe_post(state->self, target->actor, TROUPE_EVENT, VERB_TARGET_GAP, NULL,
                            troupe_buffer_bytes(&payload));
    }
    troupe_buffer_fini(&payload);
    return error;
}

static troupe_error pass_on(browser *state, roster_target *target, const held *item)
{
    troupe_bytes payload = {(const uint8_t *)item->bytes + item->verb_len, item->payload_len};
    if (item->gap) {
        troupe_error error = post_gap(state, target);
        if (error != TROUPE_EBUSY) {
            target->gap_count = target->gap_bytes = 0; /* what is shed from now on is another gap */
        }
        return error;
    }
    if (item->caller.ref != 0) {
        json_span text = {(const char *)payload.data, payload.len};
        send_answer(state, item->caller, item->bytes, text);
        return TROUPE_OK;
    }
    return troupe_post_n(state->self, target->actor, TROUPE_EVENT, item->bytes, item->verb_len,
                         NULL, payload);
}

/* There is room again: pass on what was held, as far as it goes. */
void browser_on_room(browser *state, troupe_address actor)
{
    roster_target *target = roster_find_actor(&state->roster, actor);
    while (target != NULL && target->first != NULL) {
        if (pass_on(state, target, target->first) == TROUPE_EBUSY &&
            troupe_await_room(state->self, actor) == TROUPE_OK) {
            return;
        }
        roster_unhold(target);
    }
    if (target != NULL) {
        roster_let_go(&state->roster, target);
    }
    browser_hold_review(state);
}
