/* SPDX-License-Identifier: MIT */
/* The target's way to the store: in order, held back while the store has no room, and beyond a
 * limit counted as a gap that is recorded as soon as there is room again. */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "target_state.h"

#include <stdlib.h>

#define HELD_BYTES_MAX (8u << 20)

static troupe_error post_to_store(target *state, troupe_kind kind, const char *verb,
                                  size_t verb_len, troupe_bytes payload)
{
    if (state->store == 0) {
        state->store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
        if (state->store == 0) {
            return TROUPE_EGONE;
        }
    }
    troupe_error error =
        troupe_post_n(state->self, state->store, kind, verb, verb_len, NULL, payload);
    if (error == TROUPE_EGONE) {
        state->store = 0; /* looked up again next time */
    }
    return error;
}

static void count_gap(target *state, size_t bytes)
{
    state->gap_count++;
    state->gap_bytes += bytes;
}

static void hold(target *state, troupe_kind kind, const char *verb, size_t verb_len,
                 troupe_bytes payload)
{
    target_held *item = NULL;
    bool wait =
        state->held_first != NULL || troupe_await_room(state->self, state->store) == TROUPE_OK;
    if (wait && kind == TROUPE_EVENT && state->held_bytes + payload.len <= HELD_BYTES_MAX) {
        item = malloc(sizeof *item + verb_len + payload.len);
    }
    if (item == NULL) {
        count_gap(state, payload.len);
        return;
    }
    *item = (target_held){.verb_len = verb_len, .payload_len = payload.len};
    memcpy(item->bytes, verb, verb_len);
    memcpy(item->bytes + verb_len, payload.data, payload.len);
    if (state->held_last != NULL) {
        state->held_last->next = item;
    } else {
        state->held_first = item;
    }
    state->held_last = item;
    state->held_bytes += payload.len;
}

static void record_gap(target *state)
{
    if (state->gap_count == 0) {
        return;
    }
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:U,s:U,s:s,s:I}", "uid", state->uid, "target", state->id,
                "count", state->gap_count, "bytes", state->gap_bytes, "reason", "store had no room",
                "wall_us", json_wall_us());
    if (post_to_store(state, TROUPE_CAST, VERB_RECORD_GAP, strlen(VERB_RECORD_GAP),
                      troupe_buffer_bytes(&payload)) == TROUPE_OK) {
        state->gap_count = 0;
        state->gap_bytes = 0;
    }
    troupe_buffer_fini(&payload);
}

void target_record(target *state, troupe_kind kind, const char *verb, size_t verb_len,
                   troupe_bytes payload)
{
    if (state->held_first != NULL) {
        hold(state, kind, verb, verb_len, payload);
        return;
    }
    troupe_error error = post_to_store(state, kind, verb, verb_len, payload);
    if (error == TROUPE_EBUSY) {
        hold(state, kind, verb, verb_len, payload);
    } else if (error != TROUPE_OK) {
        count_gap(state, payload.len);
    } else if (state->gap_count > 0) {
        record_gap(state);
    }
}

void target_record_room(target *state)
{
    while (state->held_first != NULL) {
        target_held *item = state->held_first;
        troupe_bytes payload = {(const uint8_t *)item->bytes + item->verb_len, item->payload_len};
        troupe_error error =
            post_to_store(state, TROUPE_EVENT, item->bytes, item->verb_len, payload);
        if (error == TROUPE_EBUSY && troupe_await_room(state->self, state->store) == TROUPE_OK) {
            return;
        }
        if (error != TROUPE_OK) {
            count_gap(state, item->payload_len);
        }
        state->held_bytes -= item->payload_len;
        state->held_first = item->next;
        free(item);
    }
    state->held_last = NULL;
    record_gap(state);
}

void target_record_fini(target *state)
{
    while (state->held_first != NULL) {
        target_held *item = state->held_first;
        count_gap(state, item->payload_len);
        state->held_first = item->next;
        free(item);
    }
    record_gap(state);
}
