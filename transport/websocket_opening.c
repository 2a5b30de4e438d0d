/* SPDX-License-Identifier: MIT */
/* From an address to CONNECTED: the connection, then the handshake. */
#include "websocket_state.h"

#include <stdlib.h>
#include <string.h>

#define ABORT_SLICE_MS 100
#define BODY_WAIT_MS   1000 /* for the body of a refusal, which is only quoted */

void websocket_drop_attempt(websocket *w)
{
    stream_connect_end(w->attempt);
    w->attempt = NULL;
    free(w->answer);
    w->answer = NULL;
}

/* --- the handshake -------------------------------------------------------------------------- */

static troupe_error begin_handshake(websocket *w)
{
    websocket_ask ask = websocket_settings_ask(&w->settings);
    if (websocket_handshake_key(w->key) != TROUPE_OK) {
        return websocket_fail(w, TROUPE_EIO, "no randomness");
    }
    char *request = websocket_handshake_request(&w->settings.uri, w->key, &ask);
    w->answer = calloc(1, sizeof(*w->answer));
    bool ok = w->answer != NULL && request != NULL &&
              byte_queue_append(&w->codec.out, request, strlen(request));
    free(request);
    return ok ? TROUPE_OK : websocket_fail(w, TROUPE_ENOMEM, "no memory for the handshake");
}

static void judge_answer(websocket *w)
{
    websocket_ask ask = websocket_settings_ask(&w->settings);
    troupe_reason reason = {{0}};
    troupe_error error =
        websocket_answer_judge(w->answer, w->key, &ask, time(NULL), &w->verdict, &reason);
    if (error == TROUPE_OK && byte_queue_len(&w->codec.out) > 0) {
        error = troupe_fail(&reason, TROUPE_EPROTOCOL,
                            "the server answered the handshake before it was asked");
    }
    if (error != TROUPE_OK) {
        (void)websocket_fail(w, error, "%s", reason.text);
        return;
    }
    if (w->verdict.deflate) {
        websocket_codec_use_deflate(&w->codec, &w->verdict.params);
        w->codec.deflate_min = w->settings.options.deflate_min;
    }
    free(w->answer);
    w->answer = NULL;
    w->opened_at = w->written;
    websocket_health_start(w);
    websocket_set_state(w, WEBSOCKET_CONNECTED, "");
}

/** How many bytes can be read without reading past the empty line that ends the block: what follows
 * belongs to the frames, and must stay where a poll sees it. */
static size_t bytes_to_end(const websocket_answer *answer)
{
    static const char end[] = "\r\n\r\n";
    if (websocket_answer_has_head(answer)) {
        return WEBSOCKET_BODY_MAX;
    }
    for (size_t matched = 3; matched > 0; matched--) {
        if (answer->len >= matched &&
            memcmp(answer->text + answer->len - matched, end, matched) == 0) {
            return 4 - matched;
        }
    }
    return 4;
}

/** The connection ended, or time did, before the answer was whole. */
static void give_up_answer(websocket *w, troupe_error error, const char *why)
{
    if (w->answer != NULL && websocket_answer_has_head(w->answer)) {
        judge_answer(w); /* a refusal whose body did not come */
        return;
    }
    (void)websocket_fail(w, error, "%s", why);
}

static void shorten_wait(websocket *w)
{
    int64_t until_ns = websocket_now_ns(w) + (int64_t)BODY_WAIT_MS * WEBSOCKET_NS_PER_MS;
    if (until_ns < w->connect_deadline_ns) {
        w->connect_deadline_ns = until_ns;
    }
}

static void read_answer(websocket *w)
{
    while (w->state == WEBSOCKET_CONNECTING) {
        char data[WEBSOCKET_BODY_MAX];
        size_t n = 0;
        size_t used = 0;
        bool done = false;
        troupe_reason reason = {{0}};
        troupe_error error = stream_read(w->stream, data, bytes_to_end(w->answer), &n, &reason);
        if (error == TROUPE_ECLOSED) {
            give_up_answer(w, TROUPE_EPROTOCOL,
                           "the server ended the connection during the handshake");
            return;
        }
        if (error == TROUPE_OK && n == 0) {
            return;
        }
        if (error == TROUPE_OK) {
            error = websocket_answer_take(w->answer, data, n, &used, &done, &reason);
        }
        if (error != TROUPE_OK) {
            (void)websocket_fail(w, error, "%s", reason.text);
        } else if (done) {
            judge_answer(w);
        } else if (websocket_answer_has_head(w->answer)) {
            shorten_wait(w);
        }
    }
}

static void go_on_handshake(websocket *w)
{
    troupe_reason reason = {{0}};
    byte_queue *out = &w->codec.out;
    size_t n = 0;
    troupe_error error =
        stream_write(w->stream, byte_queue_head(out), byte_queue_len(out), &n, &reason);
    byte_queue_consume(out, n);
    w->written += n;
    /* A server may refuse before it has read the request: what it says counts. */
    read_answer(w);
    if (error != TROUPE_OK && w->state == WEBSOCKET_CONNECTING) {
        (void)websocket_fail(w, TROUPE_EUNAVAILABLE, "%s", reason.text);
    }
}

/* --- the connection ------------------------------------------------------------------------- */

static void go_on_connecting(websocket *w)
{
    troupe_reason reason = {{0}};
    troupe_error error = stream_connect_step(w->attempt, &w->stream, &reason);
    if (error != TROUPE_OK) {
        (void)websocket_fail(w, error, "%s", reason.text);
        return;
    }
    if (w->stream != NULL) {
        stream_connect_end(w->attempt);
        w->attempt = NULL;
        (void)begin_handshake(w);
    }
}

void websocket_go_on(websocket *w)
{
    if (w->attempt != NULL) {
        go_on_connecting(w);
    }
    if (w->state == WEBSOCKET_CONNECTING && w->stream != NULL) {
        go_on_handshake(w);
    }
    if (w->state == WEBSOCKET_CONNECTING && websocket_now_ns(w) >= w->connect_deadline_ns) {
        give_up_answer(w, TROUPE_ETIMEOUT, "the server did not answer in time");
    }
}

troupe_error websocket_open(websocket *w, troupe_reason *reason)
{
    const websocket_options *options = &w->settings.options;
    if (w->state == WEBSOCKET_CONNECTING || w->state == WEBSOCKET_CONNECTED ||
        w->state == WEBSOCKET_CLOSING) {
        return troupe_fail(reason, TROUPE_ESTATE, "it is %s", websocket_state_name(w->state));
    }
    stream_destroy(w->stream);
    w->stream = NULL;
    troupe_error error = websocket_codec_init(&w->codec, options->message_max);
    if (error != TROUPE_OK) {
        return troupe_fail(reason, error, "no memory for a WebSocket");
    }
    w->codec_open = true;
    w->fault = TROUPE_OK;
    w->close_code = 0;
    w->refused = false;
    w->mark_count = 0;
    memset(&w->verdict, 0, sizeof(w->verdict));
    memset(&w->burst, 0, sizeof(w->burst));
    w->connect_deadline_ns =
        websocket_now_ns(w) + (int64_t)options->connect_timeout_ms * WEBSOCKET_NS_PER_MS;
    websocket_set_state(w, WEBSOCKET_CONNECTING, "");
    troupe_reason why = {{0}};
    stream_connect_options connect = websocket_settings_connect(&w->settings);
    error = stream_connect_begin(&connect, &w->attempt, &why);
    return error == TROUPE_OK
               ? TROUPE_OK
               : troupe_fail(reason, websocket_fail(w, error, "%s", why.text), "%s", why.text);
}

/* --- all of it at once ---------------------------------------------------------------------- */

static void no_message(void *context, char *data, size_t len)
{
    (void)context;
    (void)data;
    (void)len;
}

static int poll_ms(const websocket *w, int64_t deadline_ns, bool slices)
{
    int64_t left = deadline_ns - websocket_now_ns(w);
    int64_t ms = left <= 0 ? 0 : left / WEBSOCKET_NS_PER_MS + 1;
    if (slices && ms > ABORT_SLICE_MS) {
        return ABORT_SLICE_MS;
    }
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static troupe_error wait_until_connected(websocket *w, const websocket_options *options,
                                         troupe_reason *reason)
{
    while (w->state == WEBSOCKET_CONNECTING) {
        websocket_wait wait;
        if (options->abort != NULL && options->abort(options->abort_context)) {
            return troupe_fail(reason, TROUPE_ECANCELLED, "given up while connecting");
        }
        websocket_wait_for(w, &wait);
        (void)poll(wait.fds, wait.count, poll_ms(w, wait.deadline_ns, options->abort != NULL));
        (void)websocket_step(w, no_message, NULL, NULL);
    }
    return w->state == WEBSOCKET_CONNECTED
               ? TROUPE_OK
               : troupe_fail(reason, w->error, "%s", w->error_reason.text);
}

troupe_error websocket_connect(const websocket_options *options, message_stream **out,
                               troupe_reason *reason)
{
    websocket *w = NULL;
    troupe_error error = websocket_create(options, &w, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    error = websocket_open(w, reason);
    if (error == TROUPE_OK) {
        error = wait_until_connected(w, options, reason);
    }
    if (error != TROUPE_OK) {
        websocket_destroy(w);
        return error;
    }
    *out = websocket_stream(w);
    return TROUPE_OK;
}
