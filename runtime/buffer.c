/* SPDX-License-Identifier: MIT */
/* A growing byte buffer: doubles, never shrinks, remembers a failed allocation. */
#include "troupe/pack.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST_BYTES 256

void troupe_buffer_fini(troupe_buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

void troupe_buffer_clear(troupe_buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

static troupe_error fail(troupe_buffer *buffer)
{
    buffer->failed = true;
    return TROUPE_ENOMEM;
}

troupe_error troupe_buffer_reserve(troupe_buffer *buffer, size_t more)
{
    if (buffer->failed)
        return TROUPE_ENOMEM;
    if (more <= buffer->capacity - buffer->len)
        return TROUPE_OK;
    if (more > SIZE_MAX / 2 - buffer->len)
        return fail(buffer);
    size_t capacity = buffer->capacity < BUFFER_FIRST_BYTES ? BUFFER_FIRST_BYTES : buffer->capacity;
    while (capacity < buffer->len + more)
        capacity *= 2;
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL)
        return fail(buffer);
    buffer->data = data;
    buffer->capacity = capacity;
    return TROUPE_OK;
}

troupe_error troupe_buffer_append(troupe_buffer *buffer, const void *data, size_t len)
{
    if (troupe_buffer_reserve(buffer, len) != TROUPE_OK)
        return TROUPE_ENOMEM;
    if (len > 0)
        memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
    return TROUPE_OK;
}

troupe_error troupe_buffer_printf(troupe_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || troupe_buffer_reserve(buffer, (size_t)len + 1) != TROUPE_OK)
        return fail(buffer);
    va_start(args, format);
    vsnprintf((char *)buffer->data + buffer->len, (size_t)len + 1, format, args);
    va_end(args);
    buffer->len += (size_t)len;
    return TROUPE_OK;
}
