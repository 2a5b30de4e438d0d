/* SPDX-License-Identifier: MIT */
/*
 * MessagePack tokens: the few writers and the one bounded reader that pack, envelope and walker
 * share. Writers take a place with enough room (wire_*_size says how much) and return the end.
 */
#ifndef RUNTIME_WIRE_H
#define RUNTIME_WIRE_H

#include "troupe/pack.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define WIRE_NIL      0xc0
#define WIRE_HEAD_MAX 9 /* longest head of any token */

static inline uint8_t *wire_put_be(uint8_t *at, uint64_t value, unsigned bytes)
{
    uint64_t big = htobe64(value << (64 - 8 * bytes)); /* 1 to 8 bytes: the rest stays behind */
    memcpy(at, &big, bytes);
    return at + bytes;
}

static inline uint64_t wire_get_be(const uint8_t *at, unsigned bytes)
{
    uint64_t big = 0;
    memcpy(&big, at, bytes);
    return be64toh(big) >> (64 - 8 * bytes);
}

static inline size_t wire_uint_size(uint64_t value)
{
    return value < 0x80 ? 1 : value <= 0xff ? 2 : value <= 0xffff ? 3 : value <= 0xffffffff ? 5 : 9;
}

static inline uint8_t *wire_put_uint(uint8_t *at, uint64_t value)
{
    if (value < 0x80) {
        *at = (uint8_t)value;
        return at + 1;
    }
    if (value > 0xffff && value <= 0xffffffff) { /* as addresses are */
        *at = 0xce;
        return wire_put_be(at + 1, value, 4);
    }
    unsigned power = value <= 0xff ? 0 : value <= 0xffff ? 1 : 3;
    *at = (uint8_t)(0xcc + power);
    return wire_put_be(at + 1, value, 1U << power);
}

static inline size_t wire_str_size(size_t len)
{
    return (len < 32 ? 1 : len <= 0xff ? 2 : len <= 0xffff ? 3 : 5) + len;
}

static inline uint8_t *wire_put_str(uint8_t *at, const char *text, size_t len)
{
    if (len < 32) {
        *at++ = (uint8_t)(0xa0 | len);
    } else {
        unsigned power = len <= 0xff ? 0 : len <= 0xffff ? 1 : 2;
        *at = (uint8_t)(0xd9 + power);
        at = wire_put_be(at + 1, len, 1U << power);
    }
    if (len > 0)
        memcpy(at, text, len);
    return at + len;
}

/* The head of JSON text (ext type 1) of that length; `head` has WIRE_HEAD_MAX bytes. The end. */
uint8_t *wire_put_json_head(uint8_t *head, size_t len);

typedef enum wire_type {
    WIRE_TYPE_NIL,
    WIRE_TYPE_BOOL,
    WIRE_TYPE_UINT,
    WIRE_TYPE_INT, /* negative */
    WIRE_TYPE_FLOAT,
    WIRE_TYPE_STR,
    WIRE_TYPE_BIN,
    WIRE_TYPE_EXT,
    WIRE_TYPE_ARRAY,
    WIRE_TYPE_MAP,
} wire_type;

/* One token: a scalar, a string with its bytes, or the head of a container. */
typedef struct wire_token {
    wire_type type;
    int8_t ext_type;
    uint64_t number;     /* bool, uint; int as two's complement; float as the bits of a double;
                            count of an array or map */
    const uint8_t *body; /* str, bin, ext */
    size_t body_len;
    size_t len; /* of the whole token, body included */
} wire_token;

/* wire_read for what has a body or a long number. */
bool wire_read_long(troupe_bytes data, wire_token *out);

/* Read the token at the beginning of `data`; false if it is cut or not MessagePack. Short numbers
 * and strings, which are most of what is read, are read here. */
static inline bool wire_read(troupe_bytes data, wire_token *out)
{
    if (data.len == 0)
        return false;
    unsigned code = data.data[0];
    if (code < 0x80) {
        out->type = WIRE_TYPE_UINT;
        out->number = code;
        out->len = 1;
        return true;
    }
    if (code == 0xce && data.len >= 5) {
        out->type = WIRE_TYPE_UINT;
        out->number = wire_get_be(data.data + 1, 4);
        out->len = 5;
        return true;
    }
    if ((code & 0xe0) == 0xa0 && data.len > (code & 0x1f)) {
        out->type = WIRE_TYPE_STR;
        out->body = data.data + 1;
        out->body_len = code & 0x1f;
        out->len = 1 + out->body_len;
        return true;
    }
    return wire_read_long(data, out);
}

/* Length of the value at the beginning of `data`, as troupe_pack_walk; the payloads that are most
 * often seen (nil, short bin, JSON) are measured here. 0: cut, or not MessagePack. */
static inline size_t wire_value_len(troupe_bytes data)
{
    size_t len = 0;
    if (data.len >= 4) {
        switch (data.data[0]) {
        case WIRE_NIL:
            return 1;
        case 0xc4: /* bin 8 */
            len = 2U + data.data[1];
            break;
        case 0xc7: /* ext 8 */
            len = 3U + data.data[1];
            break;
        case 0xc8: /* ext 16 */
            len = 4U + wire_get_be(data.data + 1, 2);
            break;
        default:
            break;
        }
        if (len > 0)
            return len <= data.len ? len : 0;
    }
    return troupe_pack_walk(data, &len) == TROUPE_OK ? len : 0;
}

static inline troupe_bytes wire_behind(troupe_bytes data, size_t len)
{
    troupe_bytes rest = {data.data + len, data.len - len};
    return rest;
}

/* Do arguments of these types (pack_check.h) fit the format, and is it well-formed? */
bool types_fit(bool unpack, const char *format, const uint64_t *types);

#endif
