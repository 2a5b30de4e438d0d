/* SPDX-License-Identifier: MIT */
/** RFC 6455 frames, client side, over wslay: fed with bytes, writes bytes, holds no socket. */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_CODEC_H
#define TROUPE_TRANSPORT_WEBSOCKET_CODEC_H

#include "byte_queue.h"
#include "message_stream.h"

#include <stdint.h>
#include <wslay/wslay.h>

#define WEBSOCKET_CONTROL_MAX 125 /* payload of a control frame */

/** Fields are private but for `out`: bytes for the peer, consumed by who writes them. */
typedef struct websocket_codec {
    byte_queue out;
    wslay_frame_context_ptr frames;
    size_t message_max;
    const char *feed; /* what the present call of feed still holds */
    size_t feed_len;
    /* the message in progress; between its frames control frames may stand */
    byte_queue message;
    uint64_t messages; /* delivered so far */
    bool in_message;
    bool binary;
    /* the frame in progress */
    bool in_frame;
    uint8_t opcode;
    bool fin;
    uint64_t frame_len;
    uint64_t frame_got;
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    /* a ping not answered yet: the latest one */
    bool ping;
    uint8_t ping_len;
    uint8_t ping_data[WEBSOCKET_CONTROL_MAX];
    bool close_sent;
    int close_code; /* the peer's; 0 = none came, 1005 = it came without one */
    uint8_t random[256];
    size_t random_left;
} websocket_codec;

/** Begin; message_max in bytes, either way. Freed with websocket_codec_fini. Must not move. */
troupe_error websocket_codec_init(websocket_codec *codec, size_t message_max) TROUPE_MUST_USE;
void websocket_codec_fini(websocket_codec *codec);

/**
 * Take bytes from the peer; `fn` is called for each message that is complete. Pings are answered
 * (one pong a call, for the latest) and a close is answered, into `out`.
 *
 * @param data  borrowed
 * @return TROUPE_OK; TROUPE_ECLOSED: a close frame came, its code and words in `reason`;
 *         TROUPE_EPROTOCOL, TROUPE_ELIMIT, TROUPE_ENOMEM: it is unusable, a close frame with the
 *         matching code is in `out`
 */
troupe_error websocket_codec_feed(websocket_codec *codec, const char *data, size_t len,
                                  message_stream_fn fn, void *context,
                                  troupe_reason *reason) TROUPE_MUST_USE;

/** Append one masked frame, never fragmented, to `out`. TROUPE_OK; TROUPE_ENOMEM. */
troupe_error websocket_codec_write(websocket_codec *codec, enum wslay_opcode opcode,
                                   const void *data, size_t len);

/** Append a close frame, once. */
void websocket_codec_close(websocket_codec *codec, int code);

#endif
