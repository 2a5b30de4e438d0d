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
#define WAITING    65536 /* beyond that they are not asked for, and that is recorded */
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
        malloc(sizeof *item + target.len + session.len + request_id.len + 3);
    if (item == NULL) {
        return;
    }
    char *at = item->texts;
    item->post_data = post_data;
    item->target = put(&at, target.data, target.len);
    item->session = put(&at, session.data, session.len);
    item->request_id = put(&at, request_id.data, request_id.len);
    if (state->bodies.count < WAITING) {
        DL_APPEND(state->bodies.waiting, item);
        state->bodies.count++;
    } else {
        record(state, item, NULL, 0, "not asked for: too many others were");
        free(item);
    }
}

/* Documents ---------------------------------------------------------------------------------
 *
 * A page that goes elsewhere takes its document's body with it, and the store looks at what came
 * only by and by: so documents are not left to it. */

/* Take a key out of a list. False: it is not in it. */
static bool take_key(uint64_t *keys, uint64_t key)
{
    for (size_t i = 0; i < BROWSER_DOCUMENTS; i++) {
        if (keys[i] == key) {
            keys[i] = 0;
            return true;
        }
    }
    return false;
}

static void remember(uint64_t *keys, uint32_t *next, uint64_t key)
{
    keys[*next] = key;
    *next = (*next + 1) % BROWSER_DOCUMENTS;
}

static bool read_id(const cdp_message *event, text *id, uint64_t *key)
{
    json_span span;
    if (!json_member(event->params.data, event->params.len, "requestId", &span) ||
        !json_plain_string(span, &id->data, &id->len)) {
        return false;
    }
    *key = session_key(id->data, id->len);
    return true;
}

/* Its size as it came; the store sees to what it is unpacked. */
static bool fits(const browser *state, const cdp_message *event)
{
    json_span span;
    double bytes = 0;
    return json_member(event->params.data, event->params.len, "encodedDataLength", &span) &&
           json_span_number(span, &bytes) && bytes <= (double)state->host->body_bytes_max;
}

void browser_bodies_event(browser *state, const roster_target *target, const cdp_message *event)
{
    static const char document[] = "\"type\":\"Document\"";
    browser_bodies *bodies = &state->bodies;
    const char *which = state->host->bodies;
    text id;
    uint64_t key;
    if (event->params.data == NULL || (which != NULL && strcmp(which, "none") == 0)) {
        return;
    }
    if (cdp_is(event, "Network.responseReceived") &&
        memmem(event->params.data, event->params.len, document, sizeof document - 1) != NULL &&
        read_id(event, &id, &key)) {
        remember(bodies->documents, &bodies->next, key);
    } else if (cdp_is(event, "Network.loadingFinished") && read_id(event, &id, &key) &&
               take_key(bodies->documents, key) && fits(state, event)) {
        remember(bodies->asked, &bodies->asked_next, key);
        want(state, (text){target->id, strlen(target->id)},
             (text){event->session, event->session_len}, id, false);
        ask_next(state);
    }
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
    if (body && !take_key(state->bodies.asked, session_key(request_id.data, request_id.len))) {
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
