/* SPDX-License-Identifier: MIT */
/* RFC 6455 frames and RFC 7692 compression, client side. A frame's first two bytes and its length
 * are judged as they come, before anything is allocated for it. A message that came whole in one
 * read is delivered where it stands; a long one is read straight into its own memory. */
#include "websocket_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEEP_MESSAGE_BYTES ((size_t)64 << 10)
#define DIRECT_STEP        ((size_t)1 << 20)  /* memory taken ahead of the bytes */
#define PONG_EACH_MAX      ((size_t)16 << 10) /* so much waits: from now on the latest ping only */
#define PONG_QUEUE_MAX     ((size_t)16 << 20) /* a peer may ping and never read */
#define WORDS_MAX          (WEBSOCKET_CONTROL_MAX - 2)

/* --- writing -------------------------------------------------------------------------------- */

static bool take_mask(websocket_codec *codec, uint8_t mask[4])
{
    if (codec->random_left < 4) {
        if (getrandom(codec->random, sizeof(codec->random), 0) != (ssize_t)sizeof(codec->random)) {
            return false;
        }
        codec->random_left = sizeof(codec->random);
    }
    codec->random_left -= 4;
    memcpy(mask, codec->random + codec->random_left, 4);
    return true;
}

static troupe_error write_frame(websocket_codec *codec, uint8_t first, const void *data, size_t len)
{
    uint8_t header[WEBSOCKET_HEADER_MAX];
    size_t header_len = websocket_frame_put(header, first, len);
    if (len > SIZE_MAX - WEBSOCKET_HEADER_MAX ||
        !byte_queue_reserve(&codec->out, len + WEBSOCKET_HEADER_MAX) ||
        !take_mask(codec, header + header_len)) {
        return TROUPE_ENOMEM;
    }
    char *to = codec->out.data + codec->out.tail;
    memcpy(to, header, header_len + 4);
    if (len > 0) {
        websocket_frame_mask(to + header_len + 4, data, len, header + header_len);
    }
    codec->out.tail += header_len + 4 + len;
    return TROUPE_OK;
}

troupe_error websocket_codec_write(websocket_codec *codec, websocket_opcode opcode,
                                   const void *data, size_t len)
{
    bool pack = codec->deflating && opcode < WEBSOCKET_CLOSE && len >= codec->deflate_min &&
                deflate_can_deflate(&codec->deflate);
    if (pack && deflate_deflate(&codec->deflate, data, len, &codec->packed) == TROUPE_OK &&
        byte_queue_len(&codec->packed) > 0) {
        size_t packed = byte_queue_len(&codec->packed);
        troupe_error error = write_frame(codec, (uint8_t)(WEBSOCKET_FIN | WEBSOCKET_RSV1 | opcode),
                                         byte_queue_head(&codec->packed), packed);
        byte_queue_consume(&codec->packed, packed);
        byte_queue_rest(&codec->packed, KEEP_MESSAGE_BYTES);
        return error;
    }
    return write_frame(codec, (uint8_t)(WEBSOCKET_FIN | opcode), data, len);
}

/** Cut so that no character is halved. */
static size_t cut_words(const char *words)
{
    size_t len = strnlen(words, WORDS_MAX + 1);
    if (len > WORDS_MAX) {
        len = WORDS_MAX;
        while (len > 0 && ((uint8_t)words[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    return utf8_ok(words, len) ? len : 0;
}

void websocket_codec_close_with(websocket_codec *codec, int code, const char *words)
{
    uint8_t payload[WEBSOCKET_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t len = words != NULL ? cut_words(words) : 0;
    if (codec->close_sent) {
        return;
    }
    codec->close_sent = true;
    memcpy(payload + 2, words != NULL ? words : "", len);
    (void)write_frame(codec, WEBSOCKET_FIN | WEBSOCKET_CLOSE, payload,
                      code == WEBSOCKET_CODE_NONE ? 0 : len + 2);
}

void websocket_codec_close(websocket_codec *codec, int code)
{
    websocket_codec_close_with(codec, code, NULL);
}

/* --- reading: what is refused --------------------------------------------------------------- */

static troupe_error violation(websocket_codec *codec, troupe_reason *reason, const char *what)
{
    websocket_codec_close(codec, WEBSOCKET_CODE_PROTOCOL);
    return troupe_fail(reason, TROUPE_EPROTOCOL, "WebSocket: %s", what);
}

static troupe_error bad_data(websocket_codec *codec, troupe_reason *reason, const char *what)
{
    websocket_codec_close(codec, WEBSOCKET_CODE_BAD_DATA);
    return troupe_fail(reason, TROUPE_EPROTOCOL, "WebSocket: %s", what);
}

static troupe_error too_long(websocket_codec *codec, troupe_reason *reason)
{
    websocket_codec_close(codec, WEBSOCKET_CODE_TOO_BIG);
    return troupe_fail(reason, TROUPE_ELIMIT, "WebSocket: a message is longer than %zu bytes",
                       codec->message_max);
}

static troupe_error no_memory(websocket_codec *codec, troupe_reason *reason)
{
    websocket_codec_close(codec, WEBSOCKET_CODE_INTERNAL);
    return troupe_fail(reason, TROUPE_ENOMEM, "WebSocket: no memory for a message");
}

/* --- reading: headers ----------------------------------------------------------------------- */

/** Longest payload of a message as it travels: deflate adds a little to what it cannot shorten. */
static uint64_t payload_max(const websocket_codec *codec)
{
    uint64_t max = codec->message_max;
    return codec->compressed ? max + max / 1024 + 64 : max;
}

static troupe_error begin_data(websocket_codec *codec, troupe_reason *reason)
{
    websocket_frame *frame = &codec->frame;
    if (frame->opcode != WEBSOCKET_CONTINUATION) {
        codec->in_message = true;
        codec->binary = frame->opcode == WEBSOCKET_BINARY;
        codec->compressed = frame->rsv1;
        codec->compressed_bytes = 0;
        codec->utf8 = 0;
    }
    uint64_t held = codec->compressed ? codec->compressed_bytes : byte_queue_len(&codec->message);
    uint64_t max = payload_max(codec);
    if (held > max || frame->left > max - held) {
        return too_long(codec, reason);
    }
    codec->compressed_bytes += codec->compressed ? frame->left : 0;
    return TROUPE_OK;
}

/** One byte of a header. */
static troupe_error take_header(websocket_codec *codec, uint8_t byte, troupe_reason *reason)
{
    websocket_frame *frame = &codec->frame;
    const char *wrong = websocket_frame_take(frame, byte, codec->in_message, codec->deflating);
    if (wrong != NULL) {
        return violation(codec, reason, wrong);
    }
    if (!frame->begun) {
        return TROUPE_OK;
    }
    codec->control_len = 0;
    return websocket_frame_is_control(frame) ? TROUPE_OK : begin_data(codec, reason);
}

/* --- reading: control frames ---------------------------------------------------------------- */

bool websocket_code_ok(int code)
{
    bool known = code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
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
    size_t len = codec->control_len;
    if (len == 0) {
        codec->close_code = WEBSOCKET_CODE_NONE;
        websocket_codec_close(codec, WEBSOCKET_CODE_NONE);
        return troupe_fail(reason, TROUPE_ECLOSED, "the peer closed without a code");
    }
    int code = len < 2 ? 0 : codec->control[0] << 8 | codec->control[1];
    if (!websocket_code_ok(code)) {
        return violation(codec, reason, "a malformed close frame");
    }
    if (!utf8_ok((const char *)codec->control + 2, len - 2)) {
        return bad_data(codec, reason, "a close frame whose words are not UTF-8");
    }
    codec->close_code = code;
    copy_words(words, codec->control + 2, len - 2);
    websocket_codec_close(codec, code);
    return troupe_fail(reason, TROUPE_ECLOSED, "the peer closed: %d%s%s", code, len > 2 ? " " : "",
                       words);
}

static void answer_ping(websocket_codec *codec, size_t queued_max)
{
    if (codec->ping && byte_queue_len(&codec->out) < queued_max && !codec->close_sent) {
        codec->ping = false;
        (void)write_frame(codec, WEBSOCKET_FIN | WEBSOCKET_PONG, codec->ping_data, codec->ping_len);
    }
}

static troupe_error end_control(websocket_codec *codec, troupe_reason *reason)
{
    switch (codec->frame.opcode) {
    case WEBSOCKET_CLOSE:
        return end_close(codec, reason);
    case WEBSOCKET_PING:
        codec->ping = true;
        codec->ping_len = codec->control_len;
        memcpy(codec->ping_data, codec->control, codec->control_len);
        answer_ping(codec, PONG_EACH_MAX);
        return TROUPE_OK;
    default:
        codec->pong_len = codec->control_len;
        memcpy(codec->pong_data, codec->control, codec->control_len);
        return TROUPE_OK;
    }
}

/* --- reading: messages ---------------------------------------------------------------------- */

/** The next bytes of a text, decompressed; nothing to check in a binary message. */
static troupe_error check_text(websocket_codec *codec, const char *data, size_t len, bool end,
                               troupe_reason *reason)
{
    bool text = !codec->binary && !codec->unchecked_text;
    if (text && (!utf8_check(&codec->utf8, data, len) || (end && !utf8_whole(codec->utf8)))) {
        return bad_data(codec, reason, "text that is not UTF-8");
    }
    return TROUPE_OK;
}

static troupe_error inflate_failed(websocket_codec *codec, troupe_error error,
                                   troupe_reason *reason)
{
    if (error == TROUPE_ELIMIT) {
        return too_long(codec, reason);
    }
    return error == TROUPE_ENOMEM
               ? no_memory(codec, reason)
               : bad_data(codec, reason, "a compressed message that cannot be decompressed");
}

/** `data` inflated behind the message, or what is still inside at its end (NULL). What came out is
 * checked even when it fails behind that: the first fault counts. */
static troupe_error inflate_piece(websocket_codec *codec, const char *data, size_t len,
                                  troupe_reason *reason)
{
    byte_queue *message = &codec->message;
    size_t before = byte_queue_len(message);
    troupe_error failed =
        data != NULL ? deflate_inflate(&codec->deflate, data, len, message, codec->message_max)
                     : deflate_inflate_end(&codec->deflate, message, codec->message_max);
    size_t more = byte_queue_len(message) - before;
    if (more > 0) {
        troupe_error error =
            check_text(codec, byte_queue_head(message) + before, more, false, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return failed == TROUPE_OK ? TROUPE_OK : inflate_failed(codec, failed, reason);
}

static troupe_error end_message(websocket_codec *codec, message_stream_fn fn, void *context,
                                troupe_reason *reason)
{
    static char nothing[1];
    troupe_error error = TROUPE_OK;
    /* Some write an empty message as an empty payload: nothing to inflate. */
    if (codec->compressed && codec->compressed_bytes > 0) {
        error = inflate_piece(codec, NULL, 0, reason);
    }
    if (error == TROUPE_OK) {
        error = check_text(codec, nothing, 0, true, reason);
    }
    if (error != TROUPE_OK) {
        return error;
    }
    size_t len = byte_queue_len(&codec->message);
    codec->in_message = false;
    codec->messages++;
    fn(context, len > 0 ? byte_queue_head(&codec->message) : nothing, len);
    byte_queue_consume(&codec->message, len);
    byte_queue_rest(&codec->message, KEEP_MESSAGE_BYTES);
    return TROUPE_OK;
}

static troupe_error end_frame(websocket_codec *codec, message_stream_fn fn, void *context,
                              troupe_reason *reason)
{
    websocket_frame_end(&codec->frame);
    if (websocket_frame_is_control(&codec->frame)) {
        return end_control(codec, reason);
    }
    return codec->frame.fin ? end_message(codec, fn, context, reason) : TROUPE_OK;
}

/** A message that stands whole in the input: delivered there. */
static troupe_error deliver_in_place(websocket_codec *codec, char *data, size_t len,
                                     message_stream_fn fn, void *context, troupe_reason *reason)
{
    troupe_error error = check_text(codec, data, len, true, reason);
    if (error == TROUPE_OK) {
        websocket_frame_end(&codec->frame);
        codec->in_message = false;
        codec->messages++;
        fn(context, data, len);
    }
    return error;
}

static bool stands_whole(const websocket_codec *codec, size_t len)
{
    const websocket_frame *frame = &codec->frame;
    return frame->fin && !websocket_frame_is_control(&codec->frame) && !codec->compressed &&
           frame->left <= len && frame->opcode != WEBSOCKET_CONTINUATION;
}

/** Bytes of a payload that do not make a whole message by themselves. */
static troupe_error take_payload(websocket_codec *codec, const char *data, size_t len,
                                 troupe_reason *reason)
{
    codec->frame.left -= len;
    if (websocket_frame_is_control(&codec->frame)) {
        memcpy(codec->control + codec->control_len, data, len);
        codec->control_len += (uint8_t)len;
        return TROUPE_OK;
    }
    if (codec->compressed) {
        return inflate_piece(codec, data, len, reason);
    }
    if (!byte_queue_append(&codec->message, data, len)) {
        return no_memory(codec, reason);
    }
    return check_text(codec, data, len, false, reason);
}

/** What of the input belongs to the frame whose header is whole; *taken receives how much. */
static troupe_error take_frame(websocket_codec *codec, char *data, size_t len, size_t *taken,
                               message_stream_fn fn, void *context, troupe_reason *reason)
{
    websocket_frame *frame = &codec->frame;
    size_t piece = frame->left < len ? (size_t)frame->left : len;
    *taken = piece;
    if (byte_queue_len(&codec->message) == 0 && stands_whole(codec, len)) {
        return deliver_in_place(codec, data, piece, fn, context, reason);
    }
    if (piece > 0) {
        troupe_error error = take_payload(codec, data, piece, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return frame->left == 0 ? end_frame(codec, fn, context, reason) : TROUPE_OK;
}

static troupe_error take_input(websocket_codec *codec, char *data, size_t len, message_stream_fn fn,
                               void *context, troupe_reason *reason)
{
    troupe_error error = TROUPE_OK;
    size_t at = 0;
    while (error == TROUPE_OK && at < len) {
        if (!codec->frame.begun) {
            error = take_header(codec, (uint8_t)data[at++], reason);
        }
        if (error == TROUPE_OK && codec->frame.begun) {
            size_t taken = 0;
            error = take_frame(codec, data + at, len - at, &taken, fn, context, reason);
            at += taken;
        }
    }
    return error;
}

/** Bytes of a long payload that were read into their message. */
static troupe_error take_direct(websocket_codec *codec, size_t len, message_stream_fn fn,
                                void *context, troupe_reason *reason)
{
    const char *data = codec->message.data + codec->message.tail;
    codec->message.tail += len;
    codec->frame.left -= len;
    troupe_error error = check_text(codec, data, len, false, reason);
    if (error == TROUPE_OK && codec->frame.left == 0) {
        error = end_frame(codec, fn, context, reason);
    }
    return error;
}

char *websocket_codec_room(websocket_codec *codec, size_t *room)
{
    const websocket_frame *frame = &codec->frame;
    codec->direct = frame->begun && !websocket_frame_is_control(&codec->frame) &&
                    !codec->compressed && frame->left >= WEBSOCKET_INPUT_BYTES &&
                    codec->ended == TROUPE_OK;
    if (!codec->direct) {
        *room = WEBSOCKET_INPUT_BYTES;
        return codec->input;
    }
    size_t want = frame->left < DIRECT_STEP ? (size_t)frame->left : DIRECT_STEP;
    if (!byte_queue_reserve(&codec->message, want)) {
        return NULL;
    }
    *room = want;
    return codec->message.data + codec->message.tail;
}

troupe_error websocket_codec_received(websocket_codec *codec, size_t len, message_stream_fn fn,
                                      void *context, troupe_reason *reason)
{
    if (codec->ended != TROUPE_OK) {
        return troupe_fail(reason, codec->ended, "WebSocket: it has ended");
    }
    codec->ended = codec->direct ? take_direct(codec, len, fn, context, reason)
                                 : take_input(codec, codec->input, len, fn, context, reason);
    answer_ping(codec, PONG_QUEUE_MAX);
    return codec->ended;
}

troupe_error websocket_codec_feed(websocket_codec *codec, const char *data, size_t len,
                                  message_stream_fn fn, void *context, troupe_reason *reason)
{
    troupe_error error = TROUPE_OK;
    for (size_t at = 0; error == TROUPE_OK && at < len;) {
        size_t room = 0;
        char *place = websocket_codec_room(codec, &room);
        if (place == NULL) {
            codec->ended = no_memory(codec, reason);
            return codec->ended;
        }
        size_t n = len - at < room ? len - at : room;
        memcpy(place, data + at, n);
        at += n;
        error = websocket_codec_received(codec, n, fn, context, reason);
    }
    return error;
}

/* --- life ----------------------------------------------------------------------------------- */

troupe_error websocket_codec_init(websocket_codec *codec, size_t message_max)
{
    memset(codec, 0, sizeof(*codec));
    codec->message_max = message_max;
    codec->deflate_min = WEBSOCKET_DEFLATE_MIN;
    return TROUPE_OK;
}

void websocket_codec_use_deflate(websocket_codec *codec, const deflate_params *params)
{
    codec->deflating = true;
    deflate_init(&codec->deflate, params);
}

void websocket_codec_rest(websocket_codec *codec)
{
    if (codec->deflating) {
        deflate_rest(&codec->deflate);
    }
}

void websocket_codec_fini(websocket_codec *codec)
{
    if (codec->deflating) {
        deflate_fini(&codec->deflate);
        codec->deflating = false;
    }
    byte_queue_fini(&codec->out);
    byte_queue_fini(&codec->message);
    byte_queue_fini(&codec->packed);
}
