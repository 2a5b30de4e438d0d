/* SPDX-License-Identifier: MIT */
/** One frame of RFC 6455, client side: headers both ways, masks. */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_FRAME_H
#define TROUPE_TRANSPORT_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_CONTROL_MAX 125 /* payload of a control frame */
#define WEBSOCKET_HEADER_MAX  14  /* of a frame to the server, its mask included */

#define WEBSOCKET_FIN  0x80 /* of a header's first byte */
#define WEBSOCKET_RSV1 0x40 /* the message is compressed (RFC 7692) */

typedef enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
} websocket_opcode;

/** A frame of the server's in progress. Zero-initialised: its first byte is awaited. */
typedef struct websocket_frame {
    uint8_t header[10]; /* a server's has no mask */
    uint8_t header_len; /* bytes of it that are there */
    bool begun;         /* the header is whole */
    bool fin;
    bool rsv1;
    uint8_t opcode;
    uint64_t left; /* bytes of the payload still to come */
} websocket_frame;

/**
 * Take the next byte of a server's header; not once it has begun.
 *
 * @param in_message   between the frames of a fragmented message
 * @param compression  RSV1 may be set on the first frame of a message
 * @return NULL; or which rule it breaks, as soon as that shows
 */
const char *websocket_frame_take(websocket_frame *frame, uint8_t byte, bool in_message,
                                 bool compression);

static inline bool websocket_frame_is_control(const websocket_frame *frame)
{
    return (frame->opcode & 8) != 0;
}

/** The frame's payload is whole: await the next one. */
static inline void websocket_frame_end(websocket_frame *frame)
{
    frame->begun = false;
    frame->header_len = 0;
}

/** Write a header for `len` bytes, without the mask's four bytes that follow it; `first` is its
 * first byte. Returns its length. */
size_t websocket_frame_put(uint8_t header[WEBSOCKET_HEADER_MAX], uint8_t first, size_t len);

/** Copy and mask. `to` may stand before `from` in the same memory. */
void websocket_frame_mask(char *to, const char *from, size_t len, const uint8_t mask[4]);

#endif
