/* SPDX-License-Identifier: MIT */
/* The target's way to the store, for bodies, screenshots and pauses (events go there from the
 * browser actor). What the store has no room for is counted as a gap that is recorded as soon as
 * there is room again. */
#include "actors/board.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "target_state.h"

static troupe_error post_to_store(target *state, const char *verb, troupe_bytes payload)
{
    board_changed(state->host);
    if (state->store == 0) {
        state->store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
        if (state->store == 0) {
            return TROUPE_EGONE;
        }
    }
    troupe_error error = troupe_post(state->self, state->store, TROUPE_CAST, verb, NULL, payload);
    if (error == TROUPE_EGONE) {
        state->store = 0; /* looked up again next time */
    }
    return error;
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
    if (post_to_store(state, VERB_RECORD_GAP, troupe_buffer_bytes(&payload)) == TROUPE_OK) {
        state->gap_count = 0;
        state->gap_bytes = 0;
    }
    troupe_buffer_fini(&payload);
}

/* Post it, or count it as lost. */
static void record(target *state, const char *verb, troupe_buffer *payload)
{
    if (post_to_store(state, verb, troupe_buffer_bytes(payload)) != TROUPE_OK) {
        state->gap_count++;
        state->gap_bytes += payload->len;
    } else {
        record_gap(state);
    }
    troupe_buffer_fini(payload);
}

void target_record_body(target *state, const char *session, const char *request_id,
                        const char *body, size_t len, bool base64, const char *error)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:b,s:b,s:x#,s:s,s:I}", "uid", state->uid, "target",
                state->id, "session", session, "request_id", request_id, "ok", error == NULL,
                "base64", base64, "body", body, len, "error", error, "wall_us", json_wall_us());
    record(state, VERB_RECORD_BODY, &payload);
}

void target_record_screenshot(target *state, const char *format, const json_t *options,
                              json_span data)
{
    static const char *const told[] = {"full_page", "selector", "selection",      "clip",
                                       "scale",     "quality",  "omit_background"};
    json_t *kept = json_object();
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        json_object_set(kept, told[i], json_object_get(options, told[i]));
    }
    char *text = json_dumps(kept, JSON_COMPACT);
    const char *base64;
    size_t len;
    if (text != NULL && json_plain_string(data, &base64, &len)) {
        troupe_buffer payload = {0};
        troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:x#,s:I}", "uid", state->uid, "target", state->id,
                    "format", format, "options", text, "data", base64, len, "wall_us",
                    json_wall_us());
        record(state, VERB_RECORD_SCREENSHOT, &payload);
    }
    free(text);
    json_decref(kept);
}

void target_record_pause(target *state, const char *id, const char *request_id, const char *stage)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:I}", "uid", state->uid, "target", state->id, "id",
                id, "request_id", request_id, "stage", stage, "wall_us", json_wall_us());
    record(state, VERB_RECORD_PAUSE, &payload);
}

void target_record_fini(target *state)
{
    record_gap(state);
}
