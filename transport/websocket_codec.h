/* SPDX-License-Identifier: MIT */
/** RFC 6455 frames and RFC 7692 compression, client side: fed with bytes, writes bytes, holds no
 * socket. */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_CODEC_H
#define TROUPE_TRANSPORT_WEBSOCKET_CODEC_H

#include "byte_queue.h"
#include "deflate.h"
#include "message_stream.h"
#include "utf8_check.h"
#include "websocket_frame.h"

#include <stdint.h>

#define WEBSOCKET_INPUT_BYTES ((size_t)32 << 10) /* read at once; a TLS record fits */
#define WEBSOCKET_DEFLATE_MIN ((size_t)1 << 10)  /* shorter messages are not worth compressing */

/** Codes of close frames (RFC 6455, section 7.4.1). */
typedef enum websocket_code {
    WEBSOCKET_CODE_NORMAL = 1000,
    WEBSOCKET_CODE_GOING_AWAY = 1001,
    WEBSOCKET_CODE_PROTOCOL = 1002,
    WEBSOCKET_CODE_NONE = 1005,     /* never sent: the close frame had no code */
    WEBSOCKET_CODE_ABNORMAL = 1006, /* never sent: there was no close frame */
    WEBSOCKET_CODE_BAD_DATA = 1007,
    WEBSOCKET_CODE_TOO_BIG = 1009,
    WEBSOCKET_CODE_INTERNAL = 1011,
} websocket_code;

/** Fields are private, but for `out` (bytes for the peer, consumed by who writes them), `binary`,
 * `messages`, `close_code`, and what is said to be set by the owner. */
typedef struct websocket_codec {
    byte_queue out;
    size_t message_max;
    bool unchecked_text; /* set by the owner: text is not checked to be UTF-8 */
    websocket_frame frame;
    /* the message in progress; between its frames control frames may stand */
    byte_queue message;
    uint64_t messages; /* delivered so far */
    bool in_message;
    bool binary;
    bool compressed;
    uint64_t compressed_bytes; /* of the message in progress */
    utf8_state utf8;
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    uint8_t control_len;
    /* a ping not answered yet: the latest one */
    bool ping;
    uint8_t ping_len;
    uint8_t ping_data[WEBSOCKET_CONTROL_MAX];
    uint8_t pong_len; /* the latest pong's payload */
    uint8_t pong_data[WEBSOCKET_CONTROL_MAX];
    bool close_sent;
    int close_code;     /* the peer's; 0 = none came, 1005 = it came without one */
    troupe_error ended; /* the first error of feed or received; nothing is taken after it */
    /* permessage-deflate, when it was agreed on */
    bool deflating;
    size_t deflate_min; /* set by the owner: messages from this length on are compressed */
    deflate_streams deflate;
    byte_queue packed; /* one outgoing message, compressed */
    uint8_t random[256];
    size_t random_left;
    bool direct; /* websocket_codec_room has shown the tail of `message` */
    char input[WEBSOCKET_INPUT_BYTES];
} websocket_codec;

/** Begin; message_max in bytes, either way, counted before compression. Freed with
 * websocket_codec_fini. */
troupe_error websocket_codec_init(websocket_codec *codec, size_t message_max) TROUPE_MUST_USE;
void websocket_codec_fini(websocket_codec *codec);

/** The handshake has agreed on permessage-deflate. Messages of WEBSOCKET_DEFLATE_MIN bytes and more
 * are compressed (codec->deflate_min; SIZE_MAX: none is). Before the first message. */
void websocket_codec_use_deflate(websocket_codec *codec, const deflate_params *params);

/**
 * Where the next bytes of the peer are to be read to: for a long message that is its own memory.
 *
 * @param room  receives how many bytes fit, at least 16 KiB
 * @return the place, until the next call; NULL without memory
 */
char *websocket_codec_room(websocket_codec *codec, size_t *room);

/**
 * `len` bytes of the peer stand where websocket_codec_room has said. `fn` is called for each
 * message that is complete. Pings are answered (when more than a few wait to be written: the
 * latest) and a close is answered, into `out`.
 *
 * @return TROUPE_OK; TROUPE_ECLOSED: a close frame came, its code and words in `reason`;
 *         TROUPE_EPROTOCOL, TROUPE_ELIMIT, TROUPE_ENOMEM: it is unusable, a close frame with the
 *         matching code is in `out`. After an error nothing is taken any more.
 */
troupe_error websocket_codec_received(websocket_codec *codec, size_t len, message_stream_fn fn,
                                      void *context, troupe_reason *reason) TROUPE_MUST_USE;

/** Both in one, for bytes that stand elsewhere; data is borrowed. */
troupe_error websocket_codec_feed(websocket_codec *codec, const char *data, size_t len,
                                  message_stream_fn fn, void *context,
                                  troupe_reason *reason) TROUPE_MUST_USE;

/** Append one masked frame, never fragmented, to `out`; text is taken to be UTF-8. TROUPE_OK;
 * TROUPE_ENOMEM. */
troupe_error websocket_codec_write(websocket_codec *codec, websocket_opcode opcode,
                                   const void *data, size_t len);

/** Append a close frame, once. 1005: without a code. */
void websocket_codec_close(websocket_codec *codec, int code);

/** Likewise with words: UTF-8, cut at a whole character to at most 123 bytes. NULL = none. */
void websocket_codec_close_with(websocket_codec *codec, int code, const char *words);

/** Whether a close frame may carry the code: 1000 to 1003, 1007 to 1014, 3000 to 4999. */
bool websocket_code_ok(int code);

/** Called now and then: gives back memory that was not used since. */
void websocket_codec_rest(websocket_codec *codec);

#endif
