/* SPDX-License-Identifier: MIT */
/*
 * Bodies for the record: the store says which, Chrome is asked for a few at a time, and what it
 * says goes to the store. They wait behind the commands of clients; those for which there is no
 * place are recorded as missing.
 */
#include "browser_state.h"

#include "actors/json_call.h"
#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define AT_ONCE    16
#define WAITING    16384 /* beyond that they are not asked for */
#define TIMEOUT_MS 10000

/* One that waits or is asked for. */
struct browser_body {
    struct browser_body *prev;
    struct browser_body *next;
    bool post_data; /* what the request sent, not what it received */
    const char *target;
    const char *session;
    const char *request_id;
    char texts[];
};

static const char *put(char **at, const char *text, size_t len)
{
    char *start = *at;
    memcpy(start, text, len);
    start[len] = '\0';
    *at += len + 1;
    return start;
}

/* answer: Chrome's result, or NULL and why there is none. */
static void record(browser *state, const struct browser_body *item, const char *answer, size_t len,
                   const char *error)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:b,s:j#,s:s,s:I,s:b}", "uid", state->uid, "target",
                item->target, "session", item->session, "request_id", item->request_id, "ok",
                (int)(answer != NULL), "answer", answer, len, "error", error, "wall_us",
                json_wall_us(), "post_data", (int)item->post_data);
    browser_record_cast(state, VERB_RECORD_BODY, troupe_buffer_bytes(&payload));
    troupe_buffer_fini(&payload);
}

static void ask_next(browser *state);

static void on_answer(browser *state, void *context, troupe_error error, const char *text,
                      size_t len)
{
    struct browser_body *item = context;
    state->bodies.under_way--;
    if (error == TROUPE_OK) {
        record(state, item, text, len, NULL);
    } else {
        char why[200];
        snprintf(why, sizeof why, "%.*s", (int)len, text);
        record(state, item, NULL, 0, why);
    }
    free(item);
    if (error != TROUPE_ECLOSED) {
        ask_next(state);
    }
}

static void ask_next(browser *state)
{
    while (state->bodies.waiting != NULL && state->bodies.under_way < AT_ONCE) {
        struct browser_body *item = state->bodies.waiting;
        DL_DELETE(state->bodies.waiting, item);
        state->bodies.count--;
        const char *method =
            item->post_data ? "Network.getRequestPostData" : "Network.getResponseBody";
        json_t *params = json_pack("{s:s}", "requestId", item->request_id);
        char *dumped = params != NULL ? json_dumps(params, JSON_COMPACT) : NULL;
        troupe_error error = dumped != NULL
                                 ? browser_send_behind(state, item->session, method, dumped,
                                                       TIMEOUT_MS, on_answer, item)
                                 : TROUPE_ENOMEM;
        free(dumped);
        json_decref(params);
        if (error == TROUPE_OK) {
            state->bodies.under_way++;
        } else {
            record(state, item, NULL, 0, troupe_error_text(error));
            free(item);
        }
    }
}

typedef struct text {
    const char *data;
    size_t len;
} text;

static void want(browser *state, text target, text session, text request_id, bool post_data)
{
    struct browser_body *item =
        state->bodies.count < WAITING
            ? malloc(sizeof *item + target.len + session.len + request_id.len + 3)
            : NULL;
    if (item == NULL) {
        state->bodies.missed++;
        return;
    }
    char *at = item->texts;
    item->post_data = post_data;
    item->target = put(&at, target.data, target.len);
    item->session = put(&at, session.data, session.len);
    item->request_id = put(&at, request_id.data, request_id.len);
    DL_APPEND(state->bodies.waiting, item);
    state->bodies.count++;
}

void browser_on_body(browser *state, const troupe_envelope *cast)
{
    text target, session, request_id;
    int body = 0;
    int post_data = 0;
    if (troupe_unpack(cast->payload, "{s:s#,s:s#,s:s#,s:b,s:b}", "target", &target.data,
                      &target.len, "session", &session.data, &session.len, "request_id",
                      &request_id.data, &request_id.len, "body", &body, "post_data",
                      &post_data) != TROUPE_OK) {
        return;
    }
    if (post_data) {
        want(state, target, session, request_id, true);
    }
    if (body) {
        want(state, target, session, request_id, false);
    }
    ask_next(state);
}

void browser_bodies_fini(browser *state)
{
    while (state->bodies.waiting != NULL) {
        struct browser_body *item = state->bodies.waiting;
        DL_DELETE(state->bodies.waiting, item);
        record(state, item, NULL, 0, "connection closed");
        free(item);
    }
}
