/* SPDX-License-Identifier: MIT */
/*
 * The browser actor's way to the store. Events go there straight, not by way of the target actors:
 * so they cost the same however many targets there are, and their order is that of the connection.
 *
 * When the store has no room, reading stops and what was read is kept, but for WAIT_MS at most:
 * then it is dropped, counted and recorded as a gap, since recording never stops a browser.
 */
#include "browser_state.h"

#include "actors/board.h"
#include "actors/json_call.h"
#include "actors/verbs.h"

#include <stdlib.h>

#define WAIT_MS 2000

struct browser_held {
    struct browser_held *next;
    troupe_kind kind;
    size_t verb_len;
    size_t payload_len;
    char bytes[]; /* verb, then payload */
};

static troupe_error post(browser *state, troupe_kind kind, const char *verb, size_t verb_len,
                         troupe_bytes payload)
{
    browser_recording *rec = &state->recording;
    board_changed(state->host);
    if (rec->store == 0) {
        rec->store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
        /* Whoever gets an answer finds recorded what came before it. */
        troupe_flush_first(state->self, rec->store);
    }
    troupe_error error = rec->store != 0 ? troupe_post_n(state->self, rec->store, kind, verb,
                                                         verb_len, NULL, payload)
                                         : TROUPE_EGONE;
    if (error == TROUPE_EGONE) {
        rec->store = 0; /* looked up again next time */
    }
    return error;
}

static void count_gap(browser_recording *rec, size_t bytes)
{
    rec->gap_count++;
    rec->gap_bytes += bytes;
}

static void record_gap(browser *state)
{
    browser_recording *rec = &state->recording;
    if (rec->gap_count == 0) {
        return;
    }
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:U,s:U,s:s,s:I}", "uid", state->uid, "count", rec->gap_count,
                "bytes", rec->gap_bytes, "reason", "store had no room", "wall_us", json_wall_us());
    if (post(state, TROUPE_CAST, VERB_RECORD_GAP, strlen(VERB_RECORD_GAP),
             troupe_buffer_bytes(&payload)) == TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "browser", "events-lost", state->id,
                   "the store had no room for %llu events", (unsigned long long)rec->gap_count);
        rec->gap_count = 0;
        rec->gap_bytes = 0;
    }
    troupe_buffer_fini(&payload);
}

static void unhold(browser_recording *rec)
{
    struct browser_held *item = rec->first;
    rec->first = item->next;
    if (rec->first == NULL) {
        rec->last = NULL;
    }
    free(item);
}

static void drop_held(browser_recording *rec)
{
    while (rec->first != NULL) {
        count_gap(rec, rec->first->payload_len);
        unhold(rec);
    }
}

static void go_on(browser *state)
{
    browser_recording *rec = &state->recording;
    troupe_timer_cancel(state->self, rec->timer);
    rec->timer = 0;
    if (rec->waiting) {
        rec->waiting = false;
        if (state->stream != NULL) {
            browser_want_events(state);
        }
    }
}

static void on_too_long(troupe_actor *self, void *context)
{
    (void)self;
    browser *state = context;
    browser_recording *rec = &state->recording;
    rec->timer = 0;
    /* Asked once more, for it may be another store by now. If nobody will tell of room, the next
     * event looks for itself. */
    rec->shedding = rec->store != 0 && troupe_await_room(state->self, rec->store) == TROUPE_OK;
    drop_held(rec);
    go_on(state);
}

/* Stop reading until there is room. False: nobody would tell when. */
static bool wait_for_room(browser *state)
{
    browser_recording *rec = &state->recording;
    if (troupe_await_room(state->self, rec->store) != TROUPE_OK ||
        troupe_timer_start(state->self, WAIT_MS, 0, on_too_long, state, &rec->timer) != TROUPE_OK) {
        return false;
    }
    rec->waiting = true;
    browser_want_events(state);
    return true;
}

static void hold(browser *state, troupe_kind kind, const char *verb, size_t verb_len,
                 troupe_bytes payload)
{
    browser_recording *rec = &state->recording;
    struct browser_held *item = NULL;
    if (!rec->shedding && (rec->waiting || wait_for_room(state))) {
        item = malloc(sizeof *item + verb_len + payload.len);
    }
    if (item == NULL) {
        count_gap(rec, payload.len);
        return;
    }
    *item = (struct browser_held){.kind = kind, .verb_len = verb_len, .payload_len = payload.len};
    memcpy(item->bytes, verb, verb_len);
    memcpy(item->bytes + verb_len, payload.data, payload.len);
    if (rec->last != NULL) {
        rec->last->next = item;
    } else {
        rec->first = item;
    }
    rec->last = item;
}

/* In order, whatever it is: behind what is held. */
static void post_or_hold(browser *state, troupe_kind kind, const char *verb, size_t verb_len,
                         troupe_bytes payload)
{
    browser_recording *rec = &state->recording;
    if (rec->first != NULL || rec->shedding) {
        hold(state, kind, verb, verb_len, payload);
        return;
    }
    troupe_error error = post(state, kind, verb, verb_len, payload);
    if (error == TROUPE_EBUSY) {
        hold(state, kind, verb, verb_len, payload);
    } else if (error != TROUPE_OK) {
        count_gap(rec, payload.len);
    } else if (rec->gap_count > 0) {
        record_gap(state);
    }
}

void browser_record(browser *state, const roster_target *target, const cdp_message *event)
{
    const char *params = event->params.data != NULL ? event->params.data : "{}";
    size_t len = event->params.data != NULL ? event->params.len : 2;
    troupe_buffer_clear(&state->scratch);
    troupe_pack(&state->scratch, "[s,s,s#,I,I,j#]", state->uid, target != NULL ? target->id : "",
                event->session != NULL ? event->session : "", event->session_len, state->wall_us,
                state->mono_us, params, len);
    post_or_hold(state, TROUPE_EVENT, event->method, event->method_len,
                 troupe_buffer_bytes(&state->scratch));
}

void browser_record_cast(browser *state, const char *verb, troupe_bytes payload)
{
    post_or_hold(state, TROUPE_CAST, verb, strlen(verb), payload);
}

bool browser_record_room(browser *state, troupe_address actor)
{
    browser_recording *rec = &state->recording;
    if (actor == 0 || actor != rec->store) {
        return false;
    }
    rec->shedding = false;
    while (rec->first != NULL) {
        struct browser_held *item = rec->first;
        troupe_bytes payload = {(const uint8_t *)item->bytes + item->verb_len, item->payload_len};
        troupe_error error = post(state, item->kind, item->bytes, item->verb_len, payload);
        if (error == TROUPE_EBUSY && troupe_await_room(state->self, rec->store) == TROUPE_OK) {
            return true; /* that store's room: perhaps it is not the one that was asked before */
        }
        if (error != TROUPE_OK) {
            count_gap(rec, item->payload_len);
        }
        unhold(rec);
    }
    record_gap(state);
    go_on(state);
    return true;
}

void browser_record_fini(browser *state)
{
    drop_held(&state->recording);
    record_gap(state);
}
