/* SPDX-License-Identifier: MIT */
/* RFC 6455 frames, client side. wslay checks the shape of frames (lengths, control frames); what it
 * leaves to its user is checked here: RSV bits, masks from a server, order of fragments, limits.
 * Text is not checked to be UTF-8: whoever parses the JSON finds out. */
#include "websocket_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HEADER_MAX         14
#define KEEP_MESSAGE_BYTES ((size_t)16 << 10)
#define PONG_QUEUE_MAX     ((size_t)16 << 20)

/* --- wslay's callbacks ---------------------------------------------------------------------- */

static ssize_t take_output(const uint8_t *data, size_t len, int flags, void *context)
{
    websocket_codec *codec = context;
    (void)flags;
    return byte_queue_append(&codec->out, data, len) ? (ssize_t)len : -1;
}

static ssize_t give_input(uint8_t *buffer, size_t len, int flags, void *context)
{
    websocket_codec *codec = context;
    size_t n = len < codec->feed_len ? len : codec->feed_len;
    (void)flags;
    if (n == 0) {
        return -1; /* wslay: want more */
    }
    memcpy(buffer, codec->feed, n);
    codec->feed += n;
    codec->feed_len -= n;
    return (ssize_t)n;
}

static int give_mask(uint8_t *buffer, size_t len, void *context)
{
    websocket_codec *codec = context;
    if (codec->random_left < len) {
        if (getrandom(codec->random, sizeof(codec->random), 0) != (ssize_t)sizeof(codec->random)) {
            return -1;
        }
        codec->random_left = sizeof(codec->random);
    }
    codec->random_left -= len;
    memcpy(buffer, codec->random + codec->random_left, len);
    return 0;
}

/* --- writing -------------------------------------------------------------------------------- */

troupe_error websocket_codec_write(websocket_codec *codec, enum wslay_opcode opcode,
                                   const void *data, size_t len)
{
    struct wslay_frame_iocb frame = {
        .fin = 1,
        .opcode = (uint8_t)opcode,
        .payload_length = len,
        .mask = 1,
        .data = data,
        .data_length = len,
    };
    if (!byte_queue_reserve(&codec->out, len + HEADER_MAX)) {
        return TROUPE_ENOMEM;
    }
    /* The room is there, so that the frame cannot be written in part. */
    return wslay_frame_send(codec->frames, &frame) == (ssize_t)len ? TROUPE_OK : TROUPE_ENOMEM;
}

void websocket_codec_close(websocket_codec *codec, int code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    if (!codec->close_sent) {
        codec->close_sent = true;
        (void)websocket_codec_write(codec, WSLAY_CONNECTION_CLOSE, payload,
                                    code == WSLAY_CODE_NO_STATUS_RCVD ? 0 : sizeof(payload));
    }
}

/* --- reading -------------------------------------------------------------------------------- */

static troupe_error violation(websocket_codec *codec, troupe_reason *reason, const char *what)
{
    websocket_codec_close(codec, WSLAY_CODE_PROTOCOL_ERROR);
    return troupe_fail(reason, TROUPE_EPROTOCOL, "WebSocket: %s", what);
}

static troupe_error too_long(websocket_codec *codec, troupe_reason *reason)
{
    websocket_codec_close(codec, WSLAY_CODE_MESSAGE_TOO_BIG);
    return troupe_fail(reason, TROUPE_ELIMIT, "WebSocket: a message is longer than %zu bytes",
                       codec->message_max);
}

static troupe_error no_memory(websocket_codec *codec, troupe_reason *reason)
{
    websocket_codec_close(codec, WSLAY_CODE_INTERNAL_SERVER_ERROR);
    return troupe_fail(reason, TROUPE_ENOMEM, "WebSocket: no memory for a message");
}

/** The first bytes of a data frame: does it belong here, and is there room for it? */
static troupe_error begin_data(websocket_codec *codec, troupe_reason *reason)
{
    bool continued = codec->opcode == WSLAY_CONTINUATION_FRAME;
    if (continued != codec->in_message) {
        return violation(codec, reason,
                         continued ? "a continuation of nothing"
                                   : "a new message inside a fragmented one");
    }
    if (!continued) {
        codec->in_message = true;
        codec->binary = codec->opcode == WSLAY_BINARY_FRAME;
    }
    if (codec->frame_len > codec->message_max - byte_queue_len(&codec->message)) {
        return too_long(codec, reason);
    }
    return TROUPE_OK;
}

static troupe_error begin_frame(websocket_codec *codec, const struct wslay_frame_iocb *frame,
                                troupe_reason *reason)
{
    codec->in_frame = true;
    codec->opcode = frame->opcode;
    codec->fin = frame->fin != 0;
    codec->frame_len = frame->payload_length;
    codec->frame_got = 0;
    if (frame->rsv != WSLAY_RSV_NONE) {
        return violation(codec, reason, "a reserved bit is set");
    }
    if (frame->mask != 0) {
        return violation(codec, reason, "the server masked a frame");
    }
    switch (codec->opcode) {
    case WSLAY_CONTINUATION_FRAME:
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        return begin_data(codec, reason);
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG: /* wslay has checked: at most 125 bytes, not fragmented */
        return TROUPE_OK;
    default:
        return violation(codec, reason, "an unknown opcode");
    }
}

static bool close_code_ok(int code)
{
    bool known = code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
    return known || (code >= 3000 && code <= 4999);
}

/** The peer's words, safe in a log line. */
static void copy_words(char *out, const uint8_t *words, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = words[i] >= 0x20 && words[i] < 0x7F ? (char)words[i] : '?';
    }
    out[len] = '\0';
}

static troupe_error end_close(websocket_codec *codec, troupe_reason *reason)
{
    char words[WEBSOCKET_CONTROL_MAX + 1];
    size_t len = (size_t)codec->frame_len;
    codec->close_code = WSLAY_CODE_NO_STATUS_RCVD;
    if (len == 0) {
        websocket_codec_close(codec, WSLAY_CODE_NO_STATUS_RCVD);
        return troupe_fail(reason, TROUPE_ECLOSED, "the peer closed without a code");
    }
    int code = len < 2 ? 0 : codec->control[0] << 8 | codec->control[1];
    if (!close_code_ok(code)) {
        return violation(codec, reason, "a malformed close frame");
    }
    codec->close_code = code;
    copy_words(words, codec->control + 2, len - 2);
    websocket_codec_close(codec, code);
    return troupe_fail(reason, TROUPE_ECLOSED, "the peer closed: %d%s%s", code, len > 2 ? " " : "",
                       words);
}

static void end_message(websocket_codec *codec, message_stream_fn fn, void *context)
{
    static char nothing[1];
    size_t len = byte_queue_len(&codec->message);
    codec->in_message = false;
    codec->messages++;
    fn(context, len > 0 ? byte_queue_head(&codec->message) : nothing, len);
    byte_queue_consume(&codec->message, len);
    byte_queue_rest(&codec->message, KEEP_MESSAGE_BYTES);
}

static troupe_error end_frame(websocket_codec *codec, message_stream_fn fn, void *context,
                              troupe_reason *reason)
{
    codec->in_frame = false;
    switch (codec->opcode) {
    case WSLAY_CONNECTION_CLOSE:
        return end_close(codec, reason);
    case WSLAY_PING:
        codec->ping = true;
        codec->ping_len = (uint8_t)codec->frame_len;
        memcpy(codec->ping_data, codec->control, codec->ping_len);
        return TROUPE_OK;
    case WSLAY_PONG:
        return TROUPE_OK;
    default:
        if (codec->fin) {
            end_message(codec, fn, context);
        }
        return TROUPE_OK;
    }
}

static troupe_error take_payload(websocket_codec *codec, const struct wslay_frame_iocb *frame,
                                 troupe_reason *reason)
{
    if (wslay_is_ctrl_frame(codec->opcode)) {
        memcpy(codec->control + codec->frame_got, frame->data, frame->data_length);
    } else if (!byte_queue_append(&codec->message, frame->data, frame->data_length)) {
        return no_memory(codec, reason);
    }
    codec->frame_got += frame->data_length;
    return TROUPE_OK;
}

static troupe_error take_piece(websocket_codec *codec, const struct wslay_frame_iocb *frame,
                               message_stream_fn fn, void *context, troupe_reason *reason)
{
    troupe_error error = codec->in_frame ? TROUPE_OK : begin_frame(codec, frame, reason);
    if (error == TROUPE_OK && frame->data_length > 0) {
        error = take_payload(codec, frame, reason);
    }
    if (error == TROUPE_OK && codec->frame_got == codec->frame_len) {
        error = end_frame(codec, fn, context, reason);
    }
    return error;
}

static void answer_ping(websocket_codec *codec)
{
    bool room = byte_queue_len(&codec->out) < PONG_QUEUE_MAX; /* a peer may ping and never read */
    if (codec->ping && room && !codec->close_sent) {
        codec->ping = false;
        (void)websocket_codec_write(codec, WSLAY_PONG, codec->ping_data, codec->ping_len);
    }
}

troupe_error websocket_codec_feed(websocket_codec *codec, const char *data, size_t len,
                                  message_stream_fn fn, void *context, troupe_reason *reason)
{
    troupe_error error = TROUPE_OK;
    codec->feed = data;
    codec->feed_len = len;
    while (error == TROUPE_OK) {
        struct wslay_frame_iocb frame = {0};
        ssize_t n = wslay_frame_recv(codec->frames, &frame);
        if (n >= 0) {
            error = take_piece(codec, &frame, fn, context, reason);
        } else if (n == WSLAY_ERR_WANT_READ) {
            break;
        } else {
            error = violation(codec, reason, "a malformed frame");
        }
    }
    answer_ping(codec);
    return error;
}

/* --- life ----------------------------------------------------------------------------------- */

troupe_error websocket_codec_init(websocket_codec *codec, size_t message_max)
{
    struct wslay_frame_callbacks callbacks = {take_output, give_input, give_mask};
    memset(codec, 0, sizeof(*codec));
    codec->message_max = message_max;
    return wslay_frame_context_init(&codec->frames, &callbacks, codec) == 0 ? TROUPE_OK
                                                                            : TROUPE_ENOMEM;
}

void websocket_codec_fini(websocket_codec *codec)
{
    if (codec->frames != NULL) {
        wslay_frame_context_free(codec->frames);
    }
    byte_queue_fini(&codec->out);
    byte_queue_fini(&codec->message);
    codec->frames = NULL;
}
