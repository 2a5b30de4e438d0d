/* SPDX-License-Identifier: MIT */
/* A WebSocket from outside: made and destroyed, looked at, and used as a message stream. */
#include "websocket_state.h"

#include <stdlib.h>

static const message_stream_ops websocket_ops;

/* --- life ----------------------------------------------------------------------------------- */

troupe_error websocket_create(const websocket_options *options, websocket **out,
                              troupe_reason *reason)
{
    websocket *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return troupe_fail(reason, TROUPE_ENOMEM, "no memory for a WebSocket");
    }
    troupe_error error = websocket_settings_init(&w->settings, options, reason);
    uint32_t marks = options->queue_max_messages;
    if (error == TROUPE_OK && marks > 0) {
        w->marks = calloc(marks, sizeof(*w->marks));
        if (w->marks == NULL) {
            error = troupe_fail(reason, TROUPE_ENOMEM, "no memory for a WebSocket");
        }
    }
    if (error != TROUPE_OK) {
        websocket_settings_fini(&w->settings);
        free(w);
        return error;
    }
    w->base.ops = &websocket_ops;
    w->state = WEBSOCKET_DISCONNECTED;
    w->health.latency_ns = -1;
    *out = w;
    return TROUPE_OK;
}

void websocket_destroy(websocket *w)
{
    if (w == NULL) {
        return;
    }
    w->settings.options.on_state = NULL;
    w->settings.options.on_room = NULL;
    websocket_close(w, WEBSOCKET_CODE_NORMAL, NULL);
    if (w->state == WEBSOCKET_CLOSING) {
        websocket_write_queue(w);
    }
    websocket_drop_attempt(w);
    if (w->codec_open) {
        websocket_codec_fini(&w->codec);
    }
    stream_destroy(w->stream);
    websocket_settings_fini(&w->settings);
    free(w->marks);
    free(w);
}

/* --- looking -------------------------------------------------------------------------------- */

websocket_state websocket_state_of(const websocket *w)
{
    return w->state;
}

void websocket_info_of(const websocket *w, websocket_info *out)
{
    *out = (websocket_info){
        .state = w->state,
        .url = w->settings.shown_url,
        .error = w->error,
        .reason = w->error_reason.text,
        .closed = w->end_reason.text,
        .close_code = w->close_code,
        .retry_after_s = w->verdict.retry_after_s,
        .deflate = w->verdict.deflate,
        .protocol = w->verdict.protocol,
        .messages_in = w->messages_in,
        .messages_out = w->messages_out,
        .bytes_in = w->received,
        .bytes_out = w->written,
        .errors = w->errors,
        .pings = w->health.pings,
        .ping_ns = w->health.ping_ns,
        .latency_ns = w->health.latency_ns,
        .queued_bytes = w->codec_open ? byte_queue_len(&w->codec.out) : 0,
        .queued_messages = w->mark_count,
    };
}

/* --- as a message stream -------------------------------------------------------------------- */

static websocket *of(message_stream *s)
{
    return (websocket *)s;
}

static const websocket *of_const(const message_stream *s)
{
    return (const websocket *)s;
}

message_stream *websocket_stream(websocket *w)
{
    return &w->base;
}

websocket *websocket_of(message_stream *s)
{
    return s != NULL && s->ops == &websocket_ops ? of(s) : NULL;
}

static int stream_op_read_fd(const message_stream *s)
{
    const websocket *w = of_const(s);
    return w->stream != NULL ? stream_read_fd(w->stream) : -1;
}

static int stream_op_write_fd(const message_stream *s)
{
    const websocket *w = of_const(s);
    return w->stream != NULL ? stream_write_fd(w->stream) : -1;
}

static troupe_error stream_op_send(message_stream *s, const void *data, size_t len)
{
    return websocket_send_text(of(s), data, len);
}

troupe_error websocket_send_binary(message_stream *s, const void *data, size_t len)
{
    return websocket_send_bytes(of(s), data, len);
}

troupe_error websocket_ping(message_stream *s)
{
    websocket *w = of(s);
    return w->state == WEBSOCKET_CONNECTED
               ? websocket_codec_write(&w->codec, WEBSOCKET_PING, NULL, 0)
               : TROUPE_ECLOSED;
}

static troupe_error stream_op_flush(message_stream *s, troupe_reason *reason)
{
    return websocket_flush(of(s), reason);
}

static size_t stream_op_queued(const message_stream *s)
{
    const websocket *w = of_const(s);
    return w->codec_open ? byte_queue_len(&w->codec.out) : 0;
}

static troupe_error stream_op_receive(message_stream *s, message_stream_fn fn, void *context,
                                      troupe_reason *reason)
{
    return websocket_receive(of(s), fn, context, reason);
}

static bool stream_op_pending(const message_stream *s)
{
    const websocket *w = of_const(s);
    bool open = w->state == WEBSOCKET_CONNECTED || w->state == WEBSOCKET_CLOSING;
    return open && w->stream != NULL && stream_pending(w->stream);
}

static void stream_op_destroy(message_stream *s)
{
    websocket_destroy(of(s));
}

static const message_stream_ops websocket_ops = {
    .read_fd = stream_op_read_fd,
    .write_fd = stream_op_write_fd,
    .send = stream_op_send,
    .flush = stream_op_flush,
    .queued = stream_op_queued,
    .receive = stream_op_receive,
    .pending = stream_op_pending,
    .destroy = stream_op_destroy,
};

uint64_t websocket_received_bytes(const message_stream *s)
{
    return of_const(s)->received;
}

int websocket_close_code(const message_stream *s)
{
    return of_const(s)->codec.close_code;
}

bool websocket_message_is_binary(const message_stream *s)
{
    return of_const(s)->codec.binary;
}
