/* SPDX-License-Identifier: MIT */
/* RFC 6455 frames, client side: fed with bytes, gives messages; holds no socket. Only binary
 * messages are expected: anything else that carries data breaks the protocol. */
#ifndef CLIENT_FRAMES_H
#define CLIENT_FRAMES_H

#include "troupe/pack.h"

typedef enum frames_opcode {
    FRAMES_CONTINUATION = 0,
    FRAMES_BINARY = 2,
    FRAMES_CLOSE = 8,
    FRAMES_PING = 9,
    FRAMES_PONG = 10,
} frames_opcode;

typedef enum frames_result {
    FRAMES_GOT_NOTHING, /* more bytes are needed */
    FRAMES_GOT_MESSAGE,
    FRAMES_GOT_PING, /* to be answered with a pong of the same bytes */
    FRAMES_GOT_CLOSE,
    FRAMES_BROKEN, /* of no use any more; *error and the reason say why */
} frames_result;

/* Zero-initialised is valid but for message_max. */
typedef struct frames {
    size_t message_max;
    troupe_buffer in; /* what has come; the first `taken` bytes are done with */
    size_t taken;
    troupe_buffer message; /* fragments so far */
    bool in_message;
    bool message_given; /* `message` is what the last call gave */
} frames;

void frames_fini(frames *frames);

/* Where the next bytes go: room for `len`, NULL without memory. frames_filled says how many came.
 */
uint8_t *frames_room(frames *frames, size_t len);
void frames_filled(frames *frames, size_t len);

/* The next thing in what has come. out: valid until the next call. */
frames_result frames_next(frames *frames, troupe_bytes *out, troupe_error *error,
                          troupe_reason *reason);

/* Append one masked frame. TROUPE_OK; TROUPE_ENOMEM; TROUPE_EIO (no randomness). */
troupe_error frames_write(troupe_buffer *out, frames_opcode opcode,
                          troupe_bytes payload) TROUPE_MUST_USE;

#endif
