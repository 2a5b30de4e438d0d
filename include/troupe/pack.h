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
#include "troupe/pack_check.h"

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

/* clang-format off */
/**
 * Append MessagePack by format: any number of values, each with the arguments named here.
 * Spaces, `,` and `:` are ignored.
 *
 *   format   arguments                what is written
 *   {…}                               map; keys and values alternate
 *   […]                               array
 *   s        const char *             str, NUL-terminated; NULL writes nil
 *   s#       const char *, size_t     str; NULL writes nil
 *   x#       const void *, size_t     bin
 *   j#       const char *, size_t     JSON text as ext type 1; NULL writes nil
 *   r#       const void *, size_t     MessagePack already packed, copied as it is; length 0 writes nil
 *   b        int                      bool
 *   i        int                      integer (bool, enumerations and what is shorter, too)
 *   I        int64_t                  integer
 *   U        uint64_t                 integer (size_t, where it has 64 bits)
 *   f        double                   float 64
 *   n                                 nil
 *
 *     troupe_pack(&payload, "{s:s, s:I, s:[ii]}", "name", name, "at", at_us, "size", 640, 480);
 *
 * Arguments are checked against the format (see "What is checked" below).
 *
 * @return TROUPE_OK; TROUPE_EINVAL for a malformed format, or arguments of other types (buffer then
 *         as before); TROUPE_ENOMEM (buffer->failed is set)
 */
TROUPE_API troupe_error (troupe_pack)(troupe_buffer *buffer, const char *format, ...);

/**
 * Read one value of MessagePack by format, without allocation; pointers that are stored point into
 * `data`. Spaces, `,` and `:` are ignored.
 *
 *   format   arguments                      what is accepted
 *   {s:v…}   const char *, those of v       map: the value of this key; keys may stand in any order,
 *                                           others are skipped
 *   {s?:v…}  const char *, those of v       the same, but the outputs are left untouched if the key is
 *                                           absent or its value nil
 *   [v…]     those of each v                array of at least as many elements; others are skipped
 *   s#       const char **, size_t *        str
 *   x#       const uint8_t **, size_t *     bin or str
 *   j#       const char **, size_t *        JSON text: ext type 1
 *   r#       const uint8_t **, size_t *     any value, as MessagePack
 *   b        int *                          bool
 *   i        int *                          integer that fits
 *   I        int64_t *                      integer that fits
 *   U        uint64_t *                     integer that fits
 *   f        double *                       float or integer
 *   n                                       any value, skipped
 *   v?       those of v                     (a letter's value) the same, or nil, which leaves the outputs
 *                                           untouched
 *
 *     troupe_unpack(payload, "{s:s#, s?:i}", "name", &name, &name_len, "width", &width);
 *
 * Pointers are stored through const char **, const uint8_t ** and const void ** alike.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS if the data has another shape (outputs then unspecified);
 *         TROUPE_EPROTOCOL if it is not MessagePack or too deep; TROUPE_EINVAL for a malformed format,
 *         or arguments of other types
 */
TROUPE_API TROUPE_MUST_USE troupe_error (troupe_unpack)(troupe_bytes data, const char *format, ...);
/* clang-format on */

/** Most arguments behind the format. */
#define TROUPE_PACK_ARGUMENTS_MAX (16 * TROUPE_TYPE_WORDS - 1)

/**
 * What is checked: with gcc and clang, C11 and C++11, the two names above are macros that compare
 * the number and types of the arguments with the format.
 *
 * Where the format is a literal of up to 128 characters and the compiler optimises (-O1 on; clang
 * may need -O2 for long ones), arguments that do not fit are an error of the compiler. Everywhere
 * else the call returns TROUPE_EINVAL before any argument is read.
 *
 * Types are taken as they are passed: what is shorter than int is an int, an enumeration is an int,
 * long and long long are told apart by size only. Signs of 64-bit integers and of sizes must agree.
 * In C an unsigned int cannot be told from an enumeration: `i` takes it, and reads values above
 * INT_MAX as negative; use U.
 *
 * Other compilers, and (troupe_pack)(…) with the name in brackets, get the functions themselves:
 * arguments of other types are undefined behaviour, as with printf.
 *
 * The two functions below are what the macros call. types: four bits an argument (pack_check.h),
 * TROUPE_TYPE_WORDS words; NULL: already checked.
 */
TROUPE_API troupe_error troupe_pack_typed(troupe_buffer *buffer, const uint64_t *types,
                                          const char *format, ...);
TROUPE_API troupe_error troupe_unpack_typed(troupe_bytes data, const uint64_t *types,
                                            const char *format, ...) TROUPE_MUST_USE;

#ifdef TROUPE_PACK_CHECKED
#define troupe_pack(buffer, ...) TROUPE_TYPED(troupe_pack_typed, false, buffer, __VA_ARGS__)
#define troupe_unpack(data, ...) \
    troupe_must_use(TROUPE_TYPED(troupe_unpack_typed, true, data, __VA_ARGS__))

/* A statement expression loses the attribute. */
TROUPE_MUST_USE TROUPE_INLINE troupe_error troupe_must_use(troupe_error error)
{
    return error;
}
#endif

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
