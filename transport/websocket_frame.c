/* SPDX-License-Identifier: MIT */
/* Frames of RFC 6455 (section 5.2), client side. */
#include "websocket_frame.h"

#include <string.h>

#define BITS_RSV    0x70
#define BIT_MASK    0x80
#define BITS_OPCODE 0x0F
#define BIT_CONTROL 0x08

/* --- headers of the server's ---------------------------------------------------------------- */

/** The first byte: does such a frame belong here? NULL: yes. */
static const char *judge_first(uint8_t byte, bool in_message, bool compression)
{
    uint8_t reserved = byte & BITS_RSV;
    uint8_t opcode = byte & BITS_OPCODE;
    bool starts = opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY;
    if (reserved != 0 && !(reserved == WEBSOCKET_RSV1 && compression && starts)) {
        return "a reserved bit is set";
    }
    if (opcode > WEBSOCKET_PONG || (opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE)) {
        return "an unknown opcode";
    }
    if ((opcode & BIT_CONTROL) != 0) {
        return (byte & WEBSOCKET_FIN) == 0 ? "a fragmented control frame" : NULL;
    }
    if (starts == in_message) {
        return starts ? "a new message inside a fragmented one" : "a continuation of nothing";
    }
    return NULL;
}

/** The second byte: mask and short length. NULL: fine. */
static const char *judge_second(uint8_t first, uint8_t byte)
{
    if ((byte & BIT_MASK) != 0) {
        return "the server masked a frame";
    }
    if ((first & BIT_CONTROL) != 0 && byte > WEBSOCKET_CONTROL_MAX) {
        return "a control frame longer than 125 bytes";
    }
    return NULL;
}

static size_t length_bytes(uint8_t second)
{
    return second < 126 ? 0 : second == 126 ? 2 : 8;
}

/** The whole header's length field. NULL: fine. */
static const char *judge_length(websocket_frame *frame)
{
    size_t extra = length_bytes(frame->header[1]);
    uint64_t len = frame->header[1];
    if (extra > 0) {
        len = 0;
        for (size_t i = 0; i < extra; i++) {
            len = len << 8 | frame->header[2 + i];
        }
        if (len >> 63 != 0) {
            return "a length with its highest bit set";
        }
        if (len < (extra == 2 ? 126U : 65536U)) {
            return "a length that is not in its shortest form";
        }
    }
    frame->left = len;
    return NULL;
}

const char *websocket_frame_take(websocket_frame *frame, uint8_t byte, bool in_message,
                                 bool compression)
{
    const char *wrong = NULL;
    frame->header[frame->header_len++] = byte;
    if (frame->header_len == 1) {
        return judge_first(byte, in_message, compression);
    }
    if (frame->header_len == 2) {
        wrong = judge_second(frame->header[0], byte);
    }
    if (wrong == NULL && frame->header_len == 2 + length_bytes(frame->header[1])) {
        wrong = judge_length(frame);
        frame->begun = true;
        frame->fin = (frame->header[0] & WEBSOCKET_FIN) != 0;
        frame->rsv1 = (frame->header[0] & WEBSOCKET_RSV1) != 0;
        frame->opcode = frame->header[0] & BITS_OPCODE;
    }
    return wrong;
}

/* --- frames to the server ------------------------------------------------------------------- */

size_t websocket_frame_put(uint8_t header[WEBSOCKET_HEADER_MAX], uint8_t first, size_t len)
{
    size_t extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    header[0] = first;
    header[1] = (uint8_t)(BIT_MASK | (extra == 0 ? len : extra == 2 ? 126 : 127));
    for (size_t i = 0; i < extra; i++) {
        header[2 + i] = (uint8_t)(len >> 8 * (extra - 1 - i));
    }
    return 2 + extra;
}

void websocket_frame_mask(char *to, const char *from, size_t len, const uint8_t mask[4])
{
    uint64_t words[4];
    uint64_t wide = 0;
    size_t at = 0;
    memcpy(&wide, mask, 4);
    memcpy((char *)&wide + 4, mask, 4);
    for (; len - at >= sizeof(words); at += sizeof(words)) {
        memcpy(words, from + at, sizeof(words));
        for (size_t i = 0; i < 4; i++) {
            words[i] ^= wide;
        }
        memcpy(to + at, words, sizeof(words));
    }
    for (; at < len; at++) {
        to[at] = (char)(from[at] ^ mask[at % 4]);
    }
}
