/* SPDX-License-Identifier: MIT */
/* One WebSocket, client side: states, messages, closing. Connecting is in websocket_opening.c,
 * pings are in websocket_health.c. */
#include "websocket_state.h"

#include "clock.h"
#include "troupe/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_BYTES     ((size_t)1 << 20)
#define KEEP_OUT_BYTES ((size_t)8 << 10)

/* --- states --------------------------------------------------------------------------------- */

#define TO(state) (1u << (state))

/** The legal moves; see websocket.h. */
static const unsigned legal[] = {
    [WEBSOCKET_DISCONNECTED] = TO(WEBSOCKET_CONNECTING) | TO(WEBSOCKET_CLOSED),
    [WEBSOCKET_CONNECTING] = TO(WEBSOCKET_CONNECTED) | TO(WEBSOCKET_ERROR) | TO(WEBSOCKET_CLOSED),
    [WEBSOCKET_CONNECTED] = TO(WEBSOCKET_CLOSING) | TO(WEBSOCKET_CLOSED) | TO(WEBSOCKET_ERROR),
    [WEBSOCKET_CLOSING] = TO(WEBSOCKET_CLOSED) | TO(WEBSOCKET_ERROR),
    [WEBSOCKET_CLOSED] = TO(WEBSOCKET_CONNECTING),
    [WEBSOCKET_ERROR] = TO(WEBSOCKET_CONNECTING) | TO(WEBSOCKET_CLOSED),
};

const char *websocket_state_name(websocket_state state)
{
    static const char *const names[] = {"disconnected", "connecting", "connected",
                                        "closing",      "closed",     "error"};
    return names[state];
}

int64_t websocket_now_ns(const websocket *w)
{
    const websocket_options *o = &w->settings.options;
    return o->clock != NULL ? o->clock(o->clock_context) : monotonic_ns();
}

/** What both ends have: nothing is written any more, and the peer sees the end of it. */
static void leave(websocket *w)
{
    websocket_drop_attempt(w);
    if (w->codec_open) {
        websocket_codec_fini(&w->codec);
        w->codec_open = false;
    }
    if (w->stream != NULL) {
        (void)stream_shutdown(w->stream, NULL);
    }
    w->mark_count = 0;
}

void websocket_set_state(websocket *w, websocket_state next, const char *why)
{
    websocket_state from = w->state;
    bool ok = (legal[from] & TO(next)) != 0;
    assert(ok);
    if (!ok) {
        troupe_log(TROUPE_LOG_ERROR, "websocket", "illegal-move", w->settings.uri.authority,
                   "%s -> %s", websocket_state_name(from), websocket_state_name(next));
        return;
    }
    w->state = next;
    troupe_log(TROUPE_LOG_DEBUG, "websocket", "state", w->settings.uri.authority, "%s -> %s%s%s%s",
               websocket_state_name(from), websocket_state_name(next), why[0] != '\0' ? " (" : "",
               why, why[0] != '\0' ? ")" : "");
    if (next == WEBSOCKET_CLOSED || next == WEBSOCKET_ERROR) {
        leave(w);
    }
    if (w->settings.options.on_state != NULL) {
        w->settings.options.on_state(w->settings.options.context, w, from, next, why);
    }
}

static void note_error(websocket *w, troupe_error error, const char *text)
{
    w->error = error;
    if (text != w->error_reason.text) {
        snprintf(w->error_reason.text, sizeof(w->error_reason.text), "%s", text);
    }
}

troupe_error websocket_fail(websocket *w, troupe_error error, const char *format, ...)
{
    troupe_reason reason;
    va_list args;
    va_start(args, format);
    vsnprintf(reason.text, sizeof(reason.text), format, args);
    va_end(args);
    note_error(w, error, reason.text);
    w->errors++;
    websocket_set_state(w, WEBSOCKET_ERROR, reason.text);
    return error;
}

void websocket_end(websocket *w, const char *why)
{
    snprintf(w->end_reason.text, sizeof(w->end_reason.text), "%s", why);
    websocket_set_state(w, WEBSOCKET_CLOSED, why);
}

static bool is_open(const websocket *w)
{
    return w->state == WEBSOCKET_CONNECTED || w->state == WEBSOCKET_CLOSING;
}

/** What calls answer in the present state. */
static troupe_error outcome(const websocket *w, troupe_reason *reason)
{
    switch (w->state) {
    case WEBSOCKET_DISCONNECTED:
        return troupe_fail(reason, TROUPE_ESTATE, "it was not opened");
    case WEBSOCKET_CLOSED:
        return troupe_fail(reason, TROUPE_ECLOSED, "%s", w->end_reason.text);
    case WEBSOCKET_ERROR:
        return troupe_fail(reason, w->error, "%s", w->error_reason.text);
    default:
        return TROUPE_OK;
    }
}

/* --- writing -------------------------------------------------------------------------------- */

/** Messages that the connection has taken leave the count. */
static void drop_marks(websocket *w)
{
    uint32_t size = w->settings.options.queue_max_messages;
    while (w->mark_count > 0 && w->marks[w->mark_first] <= w->written) {
        w->mark_first = (w->mark_first + 1) % size;
        w->mark_count--;
    }
}

static void tell_room(websocket *w)
{
    const websocket_options *o = &w->settings.options;
    if (w->refused && byte_queue_len(&w->codec.out) <= o->queue_max_bytes / 2 &&
        w->mark_count <= o->queue_max_messages / 2) {
        w->refused = false;
        if (o->on_room != NULL) {
            o->on_room(o->context, w);
        }
    }
}

/** Nothing can be written any more. What the peer sent is still delivered. It is no fault when only
 * our close frame did not go. */
static void lose_voice(websocket *w, troupe_error error, const char *text)
{
    bool closing = w->state == WEBSOCKET_CLOSING && w->written >= w->close_mark;
    byte_queue_fini(&w->codec.out);
    if (w->fault == TROUPE_OK && !closing) {
        w->fault = error;
        note_error(w, error, text);
    }
    if (w->state == WEBSOCKET_CONNECTED) {
        w->close_deadline_ns = websocket_now_ns(w) +
                               (int64_t)w->settings.options.close_timeout_ms * WEBSOCKET_NS_PER_MS;
        websocket_set_state(w, WEBSOCKET_CLOSING, text);
    }
}

void websocket_write_queue(websocket *w)
{
    byte_queue *out = &w->codec.out;
    troupe_reason reason = {{0}};
    while (byte_queue_len(out) > 0 && w->fault == TROUPE_OK) {
        size_t len = byte_queue_len(out);
        size_t n = 0;
        troupe_error error = stream_write(w->stream, byte_queue_head(out), len, &n, &reason);
        byte_queue_consume(out, n);
        w->written += n;
        if (error != TROUPE_OK) {
            lose_voice(w, error, reason.text);
            return;
        }
        if (n < len) {
            break;
        }
    }
    byte_queue_rest(out, KEEP_OUT_BYTES);
    drop_marks(w);
    tell_room(w);
}

static troupe_error queue_message(websocket *w, websocket_opcode opcode, const void *data,
                                  size_t len)
{
    const websocket_options *o = &w->settings.options;
    if (w->state != WEBSOCKET_CONNECTED) {
        bool before = w->state == WEBSOCKET_DISCONNECTED || w->state == WEBSOCKET_CONNECTING;
        return before ? TROUPE_ENOTCONNECTED : TROUPE_ECLOSED;
    }
    if (len > o->message_max) {
        return TROUPE_ELIMIT;
    }
    if (opcode == WEBSOCKET_TEXT && !utf8_ok(data, len)) {
        return TROUPE_EINVAL;
    }
    size_t queued = byte_queue_len(&w->codec.out);
    bool full = o->queue_max_messages > 0 && w->mark_count == o->queue_max_messages;
    if (full || (queued > 0 && queued + len > o->queue_max_bytes)) {
        w->refused = true;
        return TROUPE_EBUSY;
    }
    troupe_error error = websocket_codec_write(&w->codec, opcode, data, len);
    if (error != TROUPE_OK) {
        return error;
    }
    w->messages_out++;
    if (o->queue_max_messages > 0) {
        uint32_t at = (w->mark_first + w->mark_count) % o->queue_max_messages;
        w->marks[at] = w->written + byte_queue_len(&w->codec.out);
        w->mark_count++;
    }
    return TROUPE_OK;
}

troupe_error websocket_send_text(websocket *w, const void *data, size_t len)
{
    return queue_message(w, WEBSOCKET_TEXT, data, len);
}

troupe_error websocket_send_bytes(websocket *w, const void *data, size_t len)
{
    return queue_message(w, WEBSOCKET_BINARY, data, len);
}

void websocket_forget_queue(websocket *w)
{
    if (w->codec_open) {
        byte_queue_fini(&w->codec.out);
    }
}

void websocket_progress(const websocket *w, uint64_t *queued, uint64_t *taken)
{
    *taken = w->written - w->opened_at;
    *queued = *taken + (w->codec_open ? byte_queue_len(&w->codec.out) : 0);
}

/* --- the end -------------------------------------------------------------------------------- */

static bool is_normal(int code)
{
    return code == WEBSOCKET_CODE_NORMAL || code == WEBSOCKET_CODE_GOING_AWAY ||
           code == WEBSOCKET_CODE_NONE;
}

/** No close frame of the peer's will come any more. */
static void end_without_close(websocket *w, troupe_error error, const char *why)
{
    w->close_code = WEBSOCKET_CODE_ABNORMAL;
    if (w->fault != TROUPE_OK) {
        (void)websocket_fail(w, w->fault, "%s", w->error_reason.text);
    } else if (w->state == WEBSOCKET_CLOSING) {
        websocket_end(w, why);
    } else {
        (void)websocket_fail(w, error, "%s", why);
    }
}

/** The codec has ended it; its close frame goes if it goes at once. */
static void end_by_codec(websocket *w, troupe_error error, const char *why)
{
    bool was_closing = w->state == WEBSOCKET_CLOSING && w->fault == TROUPE_OK;
    w->close_code = w->codec.close_code;
    if (w->fault == TROUPE_OK && byte_queue_len(&w->codec.out) > 0) {
        size_t n = 0;
        (void)stream_write(w->stream, byte_queue_head(&w->codec.out), byte_queue_len(&w->codec.out),
                           &n, NULL);
        w->written += n;
    }
    if (error == TROUPE_ECLOSED && (was_closing || is_normal(w->close_code))) {
        websocket_end(w, why);
    } else {
        (void)websocket_fail(w, error, "%s", why);
    }
}

void websocket_close(websocket *w, int code, const char *words)
{
    switch (w->state) {
    case WEBSOCKET_CONNECTED:
        w->close_mark = w->written + byte_queue_len(&w->codec.out);
        websocket_codec_close_with(&w->codec, websocket_code_ok(code) ? code : 1000, words);
        w->close_deadline_ns = websocket_now_ns(w) +
                               (int64_t)w->settings.options.close_timeout_ms * WEBSOCKET_NS_PER_MS;
        websocket_set_state(w, WEBSOCKET_CLOSING, "closed by us");
        break;
    case WEBSOCKET_DISCONNECTED:
    case WEBSOCKET_CONNECTING:
    case WEBSOCKET_ERROR:
        websocket_end(w, "closed by us");
        break;
    default:
        break;
    }
}

/* --- reading -------------------------------------------------------------------------------- */

/** One read, fed to the codec. *more: there may be more to read at once. */
static void receive_some(websocket *w, message_stream_fn fn, void *context, size_t *total,
                         bool *more)
{
    troupe_reason reason = {{0}};
    size_t room = 0;
    size_t n = 0;
    char *place = websocket_codec_room(&w->codec, &room);
    *more = false;
    if (place == NULL) {
        websocket_codec_close(&w->codec, WEBSOCKET_CODE_INTERNAL);
        end_by_codec(w, TROUPE_ENOMEM, "no memory for a message");
        return;
    }
    troupe_error error = stream_read(w->stream, place, room, &n, &reason);
    if (error == TROUPE_ECLOSED) {
        bool clean = stream_ended(w->stream) == STREAM_END_CLEAN;
        char why[500];
        snprintf(why, sizeof(why), "the connection ended without a close frame%s%s",
                 clean ? "" : ": ", clean ? "" : reason.text);
        end_without_close(w, error, why);
        return;
    }
    if (error != TROUPE_OK) {
        end_without_close(w, error, reason.text);
        return;
    }
    if (n == 0) {
        return;
    }
    w->received += n;
    *total += n;
    error = websocket_codec_received(&w->codec, n, fn, context, &reason);
    if (error != TROUPE_OK) {
        end_by_codec(w, error, reason.text);
        return;
    }
    /* What TLS has decrypted wakes no poll: read until it has no more, but for the turn's limit;
     * of what is left after that wait_for and message_stream_pending tell. */
    *more = *total < TURN_BYTES && !w->paused && (n == room || stream_pending(w->stream));
}

static void receive_turn(websocket *w, message_stream_fn fn, void *context)
{
    uint64_t before = w->codec.messages;
    size_t queued = byte_queue_len(&w->codec.out);
    size_t total = 0;
    bool more = true;
    burst_before_read(&w->burst);
    while (more && is_open(w)) {
        receive_some(w, fn, context, &total, &more);
    }
    uint64_t count = w->codec.messages - before; /* the codec keeps its counts when it has ended */
    w->messages_in += count;
    burst_after_read(&w->burst, (size_t)count);
    if (!is_open(w)) {
        return;
    }
    websocket_health_heard(w);
    if (w->fault != TROUPE_OK) {
        byte_queue_fini(&w->codec.out);
    } else if (queued == 0 && byte_queue_len(&w->codec.out) > 0) {
        websocket_write_queue(w);
    }
}

troupe_error websocket_flush(websocket *w, troupe_reason *reason)
{
    if (is_open(w)) {
        websocket_write_queue(w);
    }
    return w->fault == TROUPE_OK ? outcome(w, reason)
                                 : troupe_fail(reason, w->fault, "%s", w->error_reason.text);
}

troupe_error websocket_receive(websocket *w, message_stream_fn fn, void *context,
                               troupe_reason *reason)
{
    if (is_open(w)) {
        receive_turn(w, fn, context);
    }
    return outcome(w, reason);
}

/* --- the owner's loop ----------------------------------------------------------------------- */

troupe_error websocket_tick(websocket *w, troupe_reason *reason)
{
    int64_t now = websocket_now_ns(w);
    if (w->state == WEBSOCKET_CLOSING && now >= w->close_deadline_ns) {
        char why[80];
        snprintf(why, sizeof(why), "the peer did not close within %u ms",
                 w->settings.options.close_timeout_ms);
        end_without_close(w, TROUPE_ETIMEOUT, why);
    } else if (w->state == WEBSOCKET_CONNECTED) {
        websocket_health_tick(w, now);
    }
    return outcome(w, reason);
}

troupe_error websocket_step(websocket *w, message_stream_fn fn, void *context,
                            troupe_reason *reason)
{
    if (w->state == WEBSOCKET_CONNECTING) {
        websocket_go_on(w);
        return outcome(w, reason);
    }
    if (is_open(w)) {
        websocket_write_queue(w);
        if (!w->paused) {
            receive_turn(w, fn, context);
        }
    }
    if (is_open(w)) {
        websocket_write_queue(w);
    }
    return websocket_tick(w, reason);
}

/** Poll both descriptors of the stream, as one entry if they are the same. */
static void wait_for_stream(const websocket *w, websocket_wait *out)
{
    int read_fd = stream_read_fd(w->stream);
    int write_fd = stream_write_fd(w->stream);
    bool writes = byte_queue_len(&w->codec.out) > 0 || stream_wants_write(w->stream);
    short in = w->paused && is_open(w) ? 0 : POLLIN;
    /* Not -1, it would be reported at its end whatever is asked for. */
    out->fds[0] = (struct pollfd){in != 0 ? read_fd : -1, in, 0};
    out->count = 1;
    if (writes && write_fd == read_fd) {
        out->fds[0] = (struct pollfd){read_fd, (short)(in | POLLOUT), 0};
    } else if (writes) {
        out->fds[1] = (struct pollfd){write_fd, POLLOUT, 0};
        out->count = 2;
    }
    if (in != 0 && stream_pending(w->stream)) {
        out->deadline_ns = 0;
    }
}

void websocket_wait_for(const websocket *w, websocket_wait *out)
{
    memset(out, 0, sizeof(*out));
    out->deadline_ns = INT64_MAX;
    switch (w->state) {
    case WEBSOCKET_CONNECTING:
        out->deadline_ns = w->connect_deadline_ns;
        break;
    case WEBSOCKET_CONNECTED:
        out->deadline_ns = websocket_health_due_ns(w);
        break;
    case WEBSOCKET_CLOSING:
        out->deadline_ns = w->close_deadline_ns;
        break;
    default:
        return;
    }
    if (w->attempt != NULL) {
        out->fds[0] = (struct pollfd){stream_connect_fd(w->attempt), POLLIN, 0};
        out->count = 1;
    } else if (w->stream != NULL) {
        wait_for_stream(w, out);
    }
}

void websocket_pause(websocket *w, bool paused)
{
    w->paused = paused;
}
