/* SPDX-License-Identifier: MIT */
/**
 * MessagePack in one call: troupe_pack writes, troupe_unpack reads, both by a format string.
 *
 * Payloads that carry browser or RPC traffic hold JSON text as ext type 1 (TROUPE_EXT_JSON), passed
 * through untouched; everything else is plain MessagePack.
 */
#ifndef TROUPE_PACK_H
#define TROUPE_PACK_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_EXT_JSON 1

/** Deepest nesting that troupe_unpack and the walker accept. */
#define TROUPE_PACK_DEPTH_MAX 16

/** A growing byte buffer. Zero-initialised is valid and empty. Freed with troupe_buffer_fini. */
typedef struct troupe_buffer {
    uint8_t *data;
    size_t len;
    size_t capacity;
    bool failed; /* an allocation failed: later writes are ignored, contents are cut */
} troupe_buffer;

/** Borrowed bytes. data may be NULL when len is 0. */
typedef struct troupe_bytes {
    const uint8_t *data;
    size_t len;
} troupe_bytes;

TROUPE_API void troupe_buffer_fini(troupe_buffer *buffer);

/** Make it empty, keep the memory. */
TROUPE_API void troupe_buffer_clear(troupe_buffer *buffer);

/** Make room for `more` bytes after len. Returns TROUPE_ENOMEM and sets `failed` if there is none.
 */
TROUPE_API troupe_error troupe_buffer_reserve(troupe_buffer *buffer, size_t more);

/** Append bytes. As troupe_buffer_reserve. data: borrowed; NULL allowed when len is 0. */
TROUPE_API troupe_error troupe_buffer_append(troupe_buffer *buffer, const void *data, size_t len);

/** Append formatted text (without the NUL). */
TROUPE_API troupe_error troupe_buffer_printf(troupe_buffer *buffer, const char *format, ...)
    TROUPE_PRINTF(2, 3);

static inline troupe_bytes troupe_buffer_bytes(const troupe_buffer *buffer)
{
    troupe_bytes bytes = {buffer->data, buffer->len};
    return bytes;
}

/**
 * Append MessagePack by format. Spaces, `,` and `:` are ignored.
 *
 *   {…}  map, keys and values alternate      […]  array
 *   s    const char *, NUL-terminated; NULL writes nil
 *   s#   const char *, size_t                x#   const void *, size_t: bin
 *   j#   const char *, size_t: JSON text as ext type 1; NULL writes nil
 *   r#   const void *, size_t: MessagePack already packed, copied as it is; len 0 writes nil
 *   b    int as bool    i  int    I  int64_t    U  uint64_t    f  double    n  nil
 *
 * @return TROUPE_OK; TROUPE_EINVAL for a malformed format (buffer then as before);
 *         TROUPE_ENOMEM (buffer->failed is set)
 */
TROUPE_API troupe_error troupe_pack(troupe_buffer *buffer, const char *format, ...);

/**
 * Read MessagePack by format, without allocation; pointers stored point into `data`.
 *
 *   {key…}  map: each key is followed by its value's letter: "{s:s#,s:I,s?:b}" takes the key as
 *           const char * before the value's arguments. Keys may stand in any order, unknown keys
 * are skipped. `?` behind the key's `s` makes it optional: its outputs are left untouched when it
 * is absent or nil. [v…]    array: at least as many elements as named; further ones are skipped s#
 * const char **, size_t *   x#  const uint8_t **, size_t * (bin or str) j#  const char **, size_t *
 * (ext type 1)   r#  const uint8_t **, size_t * (any value, raw) b   int *    i  int *    I int64_t
 * *    U  uint64_t *    f  double * (accepts integers) n   skips one value A value letter followed
 * by `?` accepts nil and leaves its outputs untouched.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS if the data has another shape (outputs then unspecified);
 *         TROUPE_EPROTOCOL if it is not MessagePack or too deep; TROUPE_EINVAL for a bad format
 */
TROUPE_API troupe_error troupe_unpack(troupe_bytes data, const char *format, ...) TROUPE_MUST_USE;

/**
 * Length of the first MessagePack value in `data`, checked against all bounds: depth at most
 * TROUPE_PACK_DEPTH_MAX, every count and length within the bytes that are there.
 *
 * @return TROUPE_OK; TROUPE_EPROTOCOL
 */
TROUPE_API troupe_error troupe_pack_walk(troupe_bytes data, size_t *len) TROUPE_MUST_USE;

/** The JSON text of a payload that is ext type 1. TROUPE_EPARAMS if it is anything else. */
TROUPE_API troupe_error troupe_payload_json(troupe_bytes payload, const char **text,
                                            size_t *len) TROUPE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
