/* SPDX-License-Identifier: MIT */
/* troupe_pack: MessagePack by format string. */
#include "wire.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#define PACK_NESTING_MAX 64 /* of brackets in a format; a programming error beyond */

typedef struct packer {
    troupe_buffer *buffer;
    const char *format;
    va_list args;
} packer;

static void skip_spaces(const char **format)
{
    while (**format == ' ' || **format == ',' || **format == ':')
        (*format)++;
}

/* Values up to the closing bracket, not counting those inside inner brackets. */
static int count_values(const char *format, char close)
{
    int depth = 0;
    int count = 0;
    for (; *format != '\0'; format++) {
        if (depth == 0 && *format == close)
            return count;
        if (strchr(" ,:#", *format) != NULL)
            continue;
        if (*format == '}' || *format == ']') {
            if (depth-- == 0)
                return -1;
            continue;
        }
        if (depth == 0)
            count++;
        if (*format == '{' || *format == '[')
            depth++;
    }
    return -1;
}

bool types_fit(bool unpack, const char *format, const uint64_t *types)
{
    troupe_format_check c = {.types = {types[0], types[1], types[2]}, .unpack = unpack};
    for (const char *at = format; *at != '\0'; at++)
        c = troupe_format_step(c, at > format ? at[-1] : '\0', at[0], at[1]);
    return troupe_format_fits(c);
}

static troupe_error put(troupe_buffer *buffer, const uint8_t *head, const uint8_t *head_end,
                        const void *body, size_t body_len)
{
    size_t head_len = (size_t)(head_end - head);
    if (body_len > UINT32_MAX)
        return TROUPE_EINVAL;
    if (troupe_buffer_reserve(buffer, head_len + body_len) != TROUPE_OK)
        return TROUPE_ENOMEM;
    memcpy(buffer->data + buffer->len, head, head_len);
    if (body_len > 0)
        memcpy(buffer->data + buffer->len + head_len, body, body_len);
    buffer->len += head_len + body_len;
    return TROUPE_OK;
}

static troupe_error put_nil(troupe_buffer *buffer)
{
    const uint8_t nil = WIRE_NIL;
    return put(buffer, &nil, &nil + 1, NULL, 0);
}

static troupe_error put_int(troupe_buffer *buffer, int64_t value)
{
    uint8_t head[WIRE_HEAD_MAX];
    uint8_t *end;
    if (value >= 0) {
        end = wire_put_uint(head, (uint64_t)value);
    } else if (value >= -32) {
        head[0] = (uint8_t)value;
        end = head + 1;
    } else {
        unsigned power = value >= INT8_MIN    ? 0
                         : value >= INT16_MIN ? 1
                         : value >= INT32_MIN ? 2
                                              : 3;
        head[0] = (uint8_t)(0xd0 + power);
        end = wire_put_be(head + 1, (uint64_t)value, 1U << power);
    }
    return put(buffer, head, end, NULL, 0);
}

static troupe_error put_uint(troupe_buffer *buffer, uint64_t value)
{
    uint8_t head[WIRE_HEAD_MAX];
    return put(buffer, head, wire_put_uint(head, value), NULL, 0);
}

static troupe_error put_double(troupe_buffer *buffer, double value)
{
    uint8_t head[WIRE_HEAD_MAX] = {0xcb};
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put(buffer, head, wire_put_be(head + 1, bits, 8), NULL, 0);
}

static troupe_error put_str(troupe_buffer *buffer, const char *text, size_t len)
{
    if (text == NULL)
        return put_nil(buffer);
    if (len > UINT32_MAX)
        return TROUPE_EINVAL;
    if (troupe_buffer_reserve(buffer, wire_str_size(len)) != TROUPE_OK)
        return TROUPE_ENOMEM;
    wire_put_str(buffer->data + buffer->len, text, len);
    buffer->len += wire_str_size(len);
    return TROUPE_OK;
}

static troupe_error put_bin(troupe_buffer *buffer, const void *data, size_t len)
{
    uint8_t head[WIRE_HEAD_MAX];
    unsigned power = len <= 0xff ? 0 : len <= 0xffff ? 1 : 2;
    head[0] = (uint8_t)(0xc4 + power);
    return put(buffer, head, wire_put_be(head + 1, len, 1U << power), data, len);
}

uint8_t *wire_put_json_head(uint8_t *head, size_t len)
{
    uint8_t *end;
    if (len > 0 && len <= 16 && (len & (len - 1)) == 0) {
        head[0] = (uint8_t)(len == 1   ? 0xd4
                            : len == 2 ? 0xd5
                            : len == 4 ? 0xd6
                            : len == 8 ? 0xd7
                                       : 0xd8);
        end = head + 1;
    } else {
        unsigned power = len <= 0xff ? 0 : len <= 0xffff ? 1 : 2;
        head[0] = (uint8_t)(0xc7 + power);
        end = wire_put_be(head + 1, len, 1U << power);
    }
    *end++ = TROUPE_EXT_JSON;
    return end;
}

static troupe_error put_json(troupe_buffer *buffer, const char *text, size_t len)
{
    if (text == NULL)
        return put_nil(buffer);
    uint8_t head[WIRE_HEAD_MAX];
    return put(buffer, head, wire_put_json_head(head, len), text, len);
}

static troupe_error put_head(troupe_buffer *buffer, bool map, size_t count)
{
    uint8_t head[WIRE_HEAD_MAX];
    uint8_t *end = head + 1;
    if (count < 16) {
        head[0] = (uint8_t)((map ? 0x80 : 0x90) | count);
    } else {
        head[0] = map ? 0xde : 0xdc;
        end = wire_put_be(head + 1, count, 2);
    }
    return put(buffer, head, end, NULL, 0);
}

/* A letter that may stand without `#`, `s` included. */
static troupe_error pack_scalar(packer *p, char letter)
{
    const char *text;
    switch (letter) {
    case 's':
        text = va_arg(p->args, const char *);
        return put_str(p->buffer, text, text != NULL ? strlen(text) : 0);
    case 'b': {
        const uint8_t byte = va_arg(p->args, int) ? 0xc3 : 0xc2;
        return put(p->buffer, &byte, &byte + 1, NULL, 0);
    }
    case 'i':
        return put_int(p->buffer, va_arg(p->args, int));
    case 'I':
        return put_int(p->buffer, va_arg(p->args, int64_t));
    case 'U':
        return put_uint(p->buffer, va_arg(p->args, uint64_t));
    case 'f':
        return put_double(p->buffer, va_arg(p->args, double));
    case 'n':
        return put_nil(p->buffer);
    default:
        return TROUPE_EINVAL;
    }
}

/* A letter followed by `#`: pointer and length. */
static troupe_error pack_sized(packer *p, char letter)
{
    if (strchr("sxjr", letter) == NULL)
        return TROUPE_EINVAL;
    const void *data = va_arg(p->args, const void *);
    size_t len = va_arg(p->args, size_t);
    switch (letter) {
    case 's':
        return put_str(p->buffer, data, len);
    case 'x':
        return put_bin(p->buffer, data, len);
    case 'j':
        return put_json(p->buffer, data, len);
    default:
        return len == 0 ? put_nil(p->buffer) : troupe_buffer_append(p->buffer, data, len);
    }
}

static troupe_error pack_value(packer *p)
{
    char letter = *p->format++;
    if (letter == '{' || letter == '[') {
        int count = count_values(p->format, letter == '{' ? '}' : ']');
        if (count < 0 || count > UINT16_MAX || (letter == '{' && count % 2 != 0))
            return TROUPE_EINVAL;
        return put_head(p->buffer, letter == '{', (size_t)(letter == '{' ? count / 2 : count));
    }
    if (*p->format == '#') {
        p->format++;
        return pack_sized(p, letter);
    }
    return pack_scalar(p, letter);
}

/* Brackets are checked by a stack of the closers still due; containers need no other state. */
static troupe_error pack_format(packer *p)
{
    char due[PACK_NESTING_MAX];
    unsigned depth = 0;
    for (skip_spaces(&p->format); *p->format != '\0'; skip_spaces(&p->format)) {
        char letter = *p->format;
        if (depth > 0 && letter == due[depth - 1]) {
            depth--;
            p->format++;
            continue;
        }
        troupe_error error = pack_value(p);
        if (error != TROUPE_OK)
            return error;
        if (letter == '{' || letter == '[') {
            if (depth == PACK_NESTING_MAX)
                return TROUPE_EINVAL;
            due[depth++] = letter == '{' ? '}' : ']';
        }
    }
    return depth == 0 ? TROUPE_OK : TROUPE_EINVAL;
}

/* Both ways in: the caller has started p->args. */
static troupe_error pack_all(packer *p, const uint64_t *types)
{
    size_t before = p->buffer->len;
    if (types != NULL && !types_fit(false, p->format, types))
        return TROUPE_EINVAL;
    if (p->buffer->failed)
        return TROUPE_ENOMEM;
    troupe_error error = pack_format(p);
    if (error == TROUPE_EINVAL)
        p->buffer->len = before;
    return error;
}

troupe_error(troupe_pack)(troupe_buffer *buffer, const char *format, ...)
{
    packer p = {.buffer = buffer, .format = format};
    va_start(p.args, format);
    troupe_error error = pack_all(&p, NULL);
    va_end(p.args);
    return error;
}

troupe_error troupe_pack_typed(troupe_buffer *buffer, const uint64_t *types, const char *format,
                               ...)
{
    packer p = {.buffer = buffer, .format = format};
    va_start(p.args, format);
    troupe_error error = pack_all(&p, types);
    va_end(p.args);
    return error;
}
