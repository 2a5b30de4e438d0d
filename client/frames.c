/* SPDX-License-Identifier: MIT */
/* RFC 6455, section 5. A frame is taken when all of it has come: its length is checked first. */
#include "frames.h"

#include <string.h>
#include <sys/random.h>

#define FIN         0x80
#define RESERVED    0x70
#define OPCODE      0x0f
#define MASKED      0x80
#define HEAD_MAX    14
#define CONTROL_MAX 125
#define MASK_BYTES  4

/* The frame at the head of what has come. */
typedef struct frame {
    uint8_t opcode;
    bool fin;
    size_t head_len;
    uint64_t len;
    const uint8_t *payload;
} frame;

void frames_fini(frames *state)
{
    troupe_buffer_fini(&state->in);
    troupe_buffer_fini(&state->message);
}

uint8_t *frames_room(frames *state, size_t len)
{
    if (state->taken > 0) {
        state->in.len -= state->taken;
        memmove(state->in.data, state->in.data + state->taken, state->in.len);
        state->taken = 0;
    }
    if (troupe_buffer_reserve(&state->in, len) != TROUPE_OK) {
        return NULL;
    }
    return state->in.data + state->in.len;
}

void frames_filled(frames *state, size_t len)
{
    state->in.len += len;
}

/* The head: false if it has not come as a whole. */
static bool head_read(troupe_bytes in, frame *out)
{
    if (in.len < 2) {
        return false;
    }
    uint8_t first = in.data[1] & (uint8_t)~MASKED;
    size_t more = first == 126 ? 2 : first == 127 ? 8 : 0;
    if (in.len < 2 + more) {
        return false;
    }
    out->opcode = in.data[0] & OPCODE;
    out->fin = (in.data[0] & FIN) != 0;
    out->head_len = 2 + more;
    out->len = more == 0 ? first : 0;
    for (size_t i = 0; i < more; i++) {
        out->len = out->len << 8 | in.data[2 + i];
    }
    out->payload = in.data + out->head_len;
    return true;
}

/* What is wrong with a head; NULL if nothing. */
static const char *head_flaw(const frames *state, troupe_bytes in, const frame *head)
{
    if ((in.data[0] & RESERVED) != 0) {
        return "a reserved bit is set";
    }
    if ((in.data[1] & MASKED) != 0) {
        return "the host masked a frame";
    }
    switch (head->opcode) {
    case FRAMES_CONTINUATION:
        return state->in_message ? NULL : "a continuation of nothing";
    case FRAMES_BINARY:
        return state->in_message ? "a new message inside a fragmented one" : NULL;
    case FRAMES_CLOSE:
    case FRAMES_PING:
    case FRAMES_PONG:
        return head->fin && head->len <= CONTROL_MAX ? NULL : "a malformed control frame";
    default:
        return "a frame that is not binary";
    }
}

static frames_result broken(troupe_error *error, troupe_error code, troupe_reason *reason,
                            const char *what)
{
    *error = troupe_fail(reason, code, "WebSocket: %s", what);
    return FRAMES_BROKEN;
}

/* A whole data frame: a message if it is the last of one. */
static frames_result take_data(frames *state, const frame *data, troupe_bytes *out,
                               troupe_error *error, troupe_reason *reason)
{
    if (data->fin && !state->in_message) {
        out->data = data->payload;
        out->len = (size_t)data->len;
        return FRAMES_GOT_MESSAGE;
    }
    state->in_message = !data->fin;
    if (troupe_buffer_append(&state->message, data->payload, (size_t)data->len) != TROUPE_OK) {
        return broken(error, TROUPE_ENOMEM, reason, "out of memory");
    }
    if (!data->fin) {
        return FRAMES_GOT_NOTHING;
    }
    state->message_given = true;
    *out = troupe_buffer_bytes(&state->message);
    return FRAMES_GOT_MESSAGE;
}

static frames_result take_frame(frames *state, const frame *whole, troupe_bytes *out,
                                troupe_error *error, troupe_reason *reason)
{
    out->data = whole->payload;
    out->len = (size_t)whole->len;
    switch (whole->opcode) {
    case FRAMES_CLOSE:
        return FRAMES_GOT_CLOSE;
    case FRAMES_PING:
        return FRAMES_GOT_PING;
    case FRAMES_PONG:
        return FRAMES_GOT_NOTHING;
    default:
        return take_data(state, whole, out, error, reason);
    }
}

frames_result frames_next(frames *state, troupe_bytes *out, troupe_error *error,
                          troupe_reason *reason)
{
    if (state->message_given) {
        state->message_given = false;
        troupe_buffer_fini(&state->message);
    }
    for (;;) {
        troupe_bytes in = {state->in.data + state->taken, state->in.len - state->taken};
        frame head;
        if (in.len == 0 || !head_read(in, &head)) {
            return FRAMES_GOT_NOTHING;
        }
        const char *flaw = head_flaw(state, in, &head);
        if (flaw != NULL) {
            return broken(error, TROUPE_EPROTOCOL, reason, flaw);
        }
        if (head.len > state->message_max - state->message.len) {
            return broken(error, TROUPE_ELIMIT, reason, "a message is longer than allowed");
        }
        if (head.len > in.len - head.head_len) {
            return FRAMES_GOT_NOTHING;
        }
        state->taken += head.head_len + (size_t)head.len;
        frames_result result = take_frame(state, &head, out, error, reason);
        if (result != FRAMES_GOT_NOTHING) {
            return result;
        }
    }
}

troupe_error frames_write(troupe_buffer *out, frames_opcode opcode, troupe_bytes payload)
{
    uint8_t mask[MASK_BYTES];
    if (getrandom(mask, sizeof mask, 0) != (ssize_t)sizeof mask) {
        return TROUPE_EIO;
    }
    if (troupe_buffer_reserve(out, HEAD_MAX + payload.len) != TROUPE_OK) {
        return TROUPE_ENOMEM;
    }
    uint8_t *at = out->data + out->len;
    unsigned more = payload.len < 126 ? 0 : payload.len <= 0xffff ? 2 : 8;
    *at++ = (uint8_t)(FIN | opcode);
    *at++ = (uint8_t)(MASKED | (more == 0 ? payload.len : more == 2 ? 126 : 127));
    for (unsigned i = 0; i < more; i++) {
        *at++ = (uint8_t)((uint64_t)payload.len >> (8 * (more - 1 - i)));
    }
    memcpy(at, mask, sizeof mask);
    at += sizeof mask;
    for (size_t i = 0; i < payload.len; i++) {
        at[i] = payload.data[i] ^ mask[i % MASK_BYTES];
    }
    out->len = (size_t)(at + payload.len - out->data);
    return TROUPE_OK;
}
