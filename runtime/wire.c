/* SPDX-License-Identifier: MIT */
/* MessagePack tokens and the bounded walker: no recursion, no allocation, no trust. */
#include "wire.h"

#include <string.h>

static bool take_number(troupe_bytes data, wire_type type, unsigned bytes, wire_token *out)
{
    if (data.len < 1 + bytes)
        return false;
    out->type = type;
    out->number = wire_get_be(data.data + 1, bytes);
    out->len = 1 + bytes;
    return true;
}

/* A body behind a head of `head` bytes. */
static bool take_body(troupe_bytes data, wire_type type, size_t head, uint64_t len, wire_token *out)
{
    if (len > data.len - head)
        return false;
    out->type = type;
    out->body = data.data + head;
    out->body_len = (size_t)len;
    out->len = head + (size_t)len;
    return true;
}

/* str, bin: the length stands in `bytes` bytes behind the first. */
static bool take_string(troupe_bytes data, wire_type type, unsigned bytes, wire_token *out)
{
    if (data.len < 1 + bytes)
        return false;
    return take_body(data, type, 1 + bytes, wire_get_be(data.data + 1, bytes), out);
}

/* ext: length, then the type, then the body. */
static bool take_ext(troupe_bytes data, unsigned bytes, uint64_t fixed_len, wire_token *out)
{
    if (data.len < 2 + bytes)
        return false;
    uint64_t len = bytes > 0 ? wire_get_be(data.data + 1, bytes) : fixed_len;
    out->ext_type = (int8_t)data.data[1 + bytes];
    return take_body(data, WIRE_TYPE_EXT, 2 + bytes, len, out);
}

static bool take_int(troupe_bytes data, unsigned bytes, wire_token *out)
{
    if (!take_number(data, WIRE_TYPE_UINT, bytes, out))
        return false;
    uint64_t sign = 1ULL << (8 * bytes - 1);
    if (out->number & sign) {
        out->type = WIRE_TYPE_INT;
        out->number = (out->number ^ sign) - sign; /* sign extension */
    }
    return true;
}

static bool take_float(troupe_bytes data, wire_token *out)
{
    if (!take_number(data, WIRE_TYPE_FLOAT, 4, out))
        return false;
    uint32_t bits = (uint32_t)out->number;
    float narrow;
    memcpy(&narrow, &bits, sizeof narrow);
    double wide = (double)narrow;
    memcpy(&out->number, &wide, sizeof wide);
    return true;
}

static bool take_scalar(wire_type type, uint64_t number, wire_token *out)
{
    out->type = type;
    out->number = number;
    out->len = 1;
    return true;
}

/* First bytes 0xc0 to 0xdf. */
static bool take_coded(troupe_bytes data, wire_token *out)
{
    unsigned code = data.data[0];
    switch (code) {
    case 0xc0:
        return take_scalar(WIRE_TYPE_NIL, 0, out);
    case 0xc2:
    case 0xc3:
        return take_scalar(WIRE_TYPE_BOOL, code & 1, out);
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return take_string(data, WIRE_TYPE_BIN, 1U << (code - 0xc4), out);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return take_ext(data, 1U << (code - 0xc7), 0, out);
    case 0xca:
        return take_float(data, out);
    case 0xcb:
        return take_number(data, WIRE_TYPE_FLOAT, 8, out);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return take_number(data, WIRE_TYPE_UINT, 1U << (code - 0xcc), out);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_int(data, 1U << (code - 0xd0), out);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return take_ext(data, 0, 1ULL << (code - 0xd4), out);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_string(data, WIRE_TYPE_STR, 1U << (code - 0xd9), out);
    case 0xdc:
    case 0xdd:
        return take_number(data, WIRE_TYPE_ARRAY, 2U << (code - 0xdc), out);
    case 0xde:
    case 0xdf:
        return take_number(data, WIRE_TYPE_MAP, 2U << (code - 0xde), out);
    default: /* 0xc1 */
        return false;
    }
}

bool wire_read_long(troupe_bytes data, wire_token *out)
{
    if (data.len == 0)
        return false;
    unsigned code = data.data[0];
    if (code < 0x80)
        return take_scalar(WIRE_TYPE_UINT, code, out);
    if (code < 0x90)
        return take_scalar(WIRE_TYPE_MAP, code & 0x0f, out);
    if (code < 0xa0)
        return take_scalar(WIRE_TYPE_ARRAY, code & 0x0f, out);
    if (code < 0xc0)
        return take_body(data, WIRE_TYPE_STR, 1, code & 0x1f, out);
    if (code >= 0xe0)
        return take_scalar(WIRE_TYPE_INT, (uint64_t)(int64_t)(int8_t)code, out);
    return take_coded(data, out);
}

static bool is_container(const wire_token *token)
{
    return token->type == WIRE_TYPE_ARRAY || token->type == WIRE_TYPE_MAP;
}

/* The values behind the head of a container; *len: of head and values. */
static troupe_error walk_container(troupe_bytes data, wire_token token, size_t *len)
{
    uint64_t missing[TROUPE_PACK_DEPTH_MAX]; /* values still to come, each level */
    unsigned depth = 0;
    troupe_bytes rest = wire_behind(data, token.len);
    for (;;) {
        if (is_container(&token)) {
            uint64_t values = token.type == WIRE_TYPE_MAP ? 2 * token.number : token.number;
            if (depth == TROUPE_PACK_DEPTH_MAX ||
                values > rest.len) /* each takes a byte at least */
                return TROUPE_EPROTOCOL;
            missing[depth++] = values;
        }
        while (missing[depth - 1] == 0) {
            if (--depth == 0) {
                *len = data.len - rest.len;
                return TROUPE_OK;
            }
        }
        missing[depth - 1]--;
        if (!wire_read(rest, &token))
            return TROUPE_EPROTOCOL;
        rest = wire_behind(rest, token.len);
    }
}

troupe_error troupe_pack_walk(troupe_bytes data, size_t *len)
{
    wire_token token;
    if (!wire_read(data, &token))
        return TROUPE_EPROTOCOL;
    if (is_container(&token))
        return walk_container(data, token, len);
    *len = token.len;
    return TROUPE_OK;
}
