/* SPDX-License-Identifier: MIT */
/*
 * troupe_unpack: reads MessagePack by format string, over data that the bounded walker has
 * accepted.
 *
 * A map's keys are looked up in the order of the format, so each lookup walks the map once more:
 * made for small maps with few keys, as payloads are.
 */
#include "wire.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#define UNPACK_NESTING_MAX 16

typedef struct unpacker {
    const char *format;
    unsigned depth; /* of brackets in the format */
    va_list args;
} unpacker;

static troupe_error read_value(unpacker *u, troupe_bytes *data);

static char peek(unpacker *u)
{
    while (*u->format == ' ' || *u->format == ',' || *u->format == ':')
        u->format++;
    return *u->format;
}

static bool take_char(unpacker *u, char c)
{
    if (*u->format != c)
        return false;
    u->format++;
    return true;
}

/* The data was walked before: skipping cannot fail. */
static void skip_data(troupe_bytes *data)
{
    size_t len = 0;
    if (troupe_pack_walk(*data, &len) == TROUPE_OK)
        *data = wire_behind(*data, len);
}

/* Pass over one value of the format, and over the arguments that belong to it. */
static troupe_error skip_format(unpacker *u)
{
    char letter = peek(u);
    if (letter == '\0' || strchr("{[sxjrbiIUfn", letter) == NULL)
        return TROUPE_EINVAL;
    u->format++;
    if (letter == '{' || letter == '[') {
        char close = letter == '{' ? '}' : ']';
        if (++u->depth > UNPACK_NESTING_MAX)
            return TROUPE_EINVAL;
        while (peek(u) != close) {
            if (letter == '{') {
                if (!take_char(u, 's'))
                    return TROUPE_EINVAL;
                take_char(u, '?');
                (void)va_arg(u->args, const char *);
            }
            troupe_error error = skip_format(u);
            if (error != TROUPE_OK)
                return error;
        }
        u->format++;
        u->depth--;
    } else if (letter != 'n') {
        (void)va_arg(u->args, void *);
        if (take_char(u, '#'))
            (void)va_arg(u->args, size_t *);
    }
    take_char(u, '?');
    return TROUPE_OK;
}

static troupe_error store_sized(unpacker *u, char letter, const wire_token *token,
                                const uint8_t *start)
{
    bool fits = false;
    if (letter == 's')
        fits = token->type == WIRE_TYPE_STR;
    else if (letter == 'x')
        fits = token->type == WIRE_TYPE_BIN || token->type == WIRE_TYPE_STR;
    else if (letter == 'j')
        fits = token->type == WIRE_TYPE_EXT && token->ext_type == TROUPE_EXT_JSON;
    else if (letter == 'r')
        fits = true;
    else
        return TROUPE_EINVAL;
    if (!fits)
        return TROUPE_EPARAMS;
    const uint8_t *at = letter == 'r' ? start : token->body;
    size_t size = letter == 'r' ? token->len : token->body_len;
    /* char, uint8_t and void: pointers to them have one representation, but not one type. */
    memcpy(va_arg(u->args, void *), &at, sizeof at);
    *va_arg(u->args, size_t *) = size;
    return TROUPE_OK;
}

static troupe_error store_double(unpacker *u, const wire_token *token)
{
    double value;
    if (token->type == WIRE_TYPE_FLOAT)
        memcpy(&value, &token->number, sizeof value);
    else if (token->type == WIRE_TYPE_UINT)
        value = (double)token->number;
    else if (token->type == WIRE_TYPE_INT)
        value = (double)(int64_t)token->number;
    else
        return TROUPE_EPARAMS;
    *va_arg(u->args, double *) = value;
    return TROUPE_OK;
}

static troupe_error store_integer(unpacker *u, char letter, const wire_token *token)
{
    bool negative = token->type == WIRE_TYPE_INT;
    if (!negative && token->type != WIRE_TYPE_UINT)
        return TROUPE_EPARAMS;
    if (letter == 'U') {
        if (negative)
            return TROUPE_EPARAMS;
        *va_arg(u->args, uint64_t *) = token->number;
        return TROUPE_OK;
    }
    if (!negative && token->number > INT64_MAX)
        return TROUPE_EPARAMS;
    int64_t value = (int64_t)token->number;
    if (letter == 'I') {
        *va_arg(u->args, int64_t *) = value;
        return TROUPE_OK;
    }
    if (value < INT_MIN || value > INT_MAX)
        return TROUPE_EPARAMS;
    *va_arg(u->args, int *) = (int)value;
    return TROUPE_OK;
}

static troupe_error store_scalar(unpacker *u, char letter, const wire_token *token)
{
    switch (letter) {
    case 'n':
        return TROUPE_OK;
    case 'b':
        if (token->type != WIRE_TYPE_BOOL)
            return TROUPE_EPARAMS;
        *va_arg(u->args, int *) = (int)token->number;
        return TROUPE_OK;
    case 'f':
        return store_double(u, token);
    case 'i':
    case 'I':
    case 'U':
        return store_integer(u, letter, token);
    default:
        return TROUPE_EINVAL;
    }
}

/* Find the key among `count` pairs; *value is left at its value. */
static bool find_key(troupe_bytes pairs, uint64_t count, const char *key, troupe_bytes *value)
{
    size_t key_len = strlen(key);
    for (uint64_t i = 0; i < count; i++) {
        wire_token token;
        if (!wire_read(pairs, &token))
            return false;
        bool same = token.type == WIRE_TYPE_STR && token.body_len == key_len &&
                    memcmp(token.body, key, key_len) == 0;
        skip_data(&pairs);
        if (same) {
            *value = pairs;
            return true;
        }
        skip_data(&pairs);
    }
    return false;
}

static troupe_error read_map(unpacker *u, troupe_bytes pairs, uint64_t count)
{
    while (peek(u) != '}') {
        if (!take_char(u, 's'))
            return TROUPE_EINVAL;
        bool optional = take_char(u, '?');
        const char *key = va_arg(u->args, const char *);
        troupe_bytes value;
        bool found = find_key(pairs, count, key, &value);
        if (!found && !optional)
            return TROUPE_EPARAMS;
        bool skip = !found || (optional && value.data[0] == WIRE_NIL);
        troupe_error error = skip ? skip_format(u) : read_value(u, &value);
        if (error != TROUPE_OK)
            return error;
    }
    return TROUPE_OK;
}

static troupe_error read_array(unpacker *u, troupe_bytes items, uint64_t count)
{
    for (; peek(u) != ']'; count--) {
        if (*u->format == '\0')
            return TROUPE_EINVAL;
        if (count == 0)
            return TROUPE_EPARAMS;
        troupe_error error = read_value(u, &items);
        if (error != TROUPE_OK)
            return error;
    }
    return TROUPE_OK;
}

static troupe_error read_container(unpacker *u, troupe_bytes data, const wire_token *token)
{
    bool map = *u->format++ == '{';
    if (token->type != (map ? WIRE_TYPE_MAP : WIRE_TYPE_ARRAY))
        return TROUPE_EPARAMS;
    if (++u->depth > UNPACK_NESTING_MAX)
        return TROUPE_EINVAL;
    troupe_bytes inside = wire_behind(data, token->len);
    troupe_error error =
        map ? read_map(u, inside, token->number) : read_array(u, inside, token->number);
    if (error != TROUPE_OK)
        return error;
    u->format++; /* the closing bracket */
    u->depth--;
    take_char(u, '?');
    return TROUPE_OK;
}

/* Does the value at the format's beginning accept nil (a `?` behind its letter)? */
static bool accepts_nil(const char *format)
{
    return format[1] == '?' || (format[1] == '#' && format[2] == '?');
}

/* Read one value by the format; *data moves behind it. */
static troupe_error read_value(unpacker *u, troupe_bytes *data)
{
    char letter = peek(u);
    wire_token token;
    if (letter == '\0')
        return TROUPE_EINVAL;
    if (!wire_read(*data, &token))
        return TROUPE_EPROTOCOL;
    troupe_bytes whole = *data;
    skip_data(data);
    if (letter == '{' || letter == '[')
        return read_container(u, whole, &token);
    if (token.type == WIRE_TYPE_NIL && accepts_nil(u->format))
        return skip_format(u);
    u->format++;
    troupe_error error;
    if (take_char(u, '#')) {
        token.len = whole.len - data->len; /* a raw value may be a container */
        error = store_sized(u, letter, &token, whole.data);
    } else {
        error = store_scalar(u, letter, &token);
    }
    take_char(u, '?');
    return error;
}

/* Both ways in: the caller has started u->args. */
static troupe_error unpack_all(unpacker *u, troupe_bytes data, const uint64_t *types)
{
    static const uint8_t nil = WIRE_NIL;
    if (types != NULL && !types_fit(true, u->format, types))
        return TROUPE_EINVAL;
    if (data.len == 0) {
        data.data = &nil;
        data.len = 1;
    }
    size_t len;
    if (troupe_pack_walk(data, &len) != TROUPE_OK)
        return TROUPE_EPROTOCOL;
    troupe_error error = read_value(u, &data);
    return error == TROUPE_OK && peek(u) != '\0' ? TROUPE_EINVAL : error;
}

troupe_error(troupe_unpack)(troupe_bytes data, const char *format, ...)
{
    unpacker u = {.format = format};
    va_start(u.args, format);
    troupe_error error = unpack_all(&u, data, NULL);
    va_end(u.args);
    return error;
}

troupe_error troupe_unpack_typed(troupe_bytes data, const uint64_t *types, const char *format, ...)
{
    unpacker u = {.format = format};
    va_start(u.args, format);
    troupe_error error = unpack_all(&u, data, types);
    va_end(u.args);
    return error;
}

troupe_error troupe_payload_json(troupe_bytes payload, const char **text, size_t *len)
{
    wire_token token;
    if (!wire_read(payload, &token) || token.type != WIRE_TYPE_EXT ||
        token.ext_type != TROUPE_EXT_JSON)
        return TROUPE_EPARAMS;
    *text = (const char *)token.body;
    *len = token.body_len;
    return TROUPE_OK;
}
