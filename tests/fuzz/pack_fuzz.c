/* SPDX-License-Identifier: MIT */
/*
 * Formats: the input is one. Where its letters need no argument it is packed, and must give what
 * msgpack-c reads; with one argument of each kind offered it is checked, and must be refused or
 * consistent. As a format of troupe_unpack it reads what was packed.
 */
#include "fuzz.h"

#include "troupe/pack.h"

#include <msgpack.h>

static void check_packed(const troupe_buffer *buffer)
{
    size_t at = 0;
    while (at < buffer->len) {
        troupe_bytes rest = {buffer->data + at, buffer->len - at};
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        size_t end = 0;
        int result = msgpack_unpack_next(&unpacked, (const char *)rest.data, rest.len, &end);
        msgpack_unpacked_destroy(&unpacked);
        if (result == MSGPACK_UNPACK_NOMEM_ERROR)
            return; /* deeper than msgpack-c reads: a format may nest more than the walker takes */
        CHECK(result == MSGPACK_UNPACK_SUCCESS && end > 0);
        size_t len;
        CHECK(troupe_pack_walk(rest, &len) != TROUPE_OK || len == end);
        at += end;
    }
}

#define TRY(format, ...)                                                      \
    do {                                                                      \
        troupe_buffer b = {0};                                                \
        troupe_error error = troupe_pack(&b, format, __VA_ARGS__);            \
        CHECK(error == TROUPE_OK || (error == TROUPE_EINVAL && b.len == 0));  \
        check_packed(&b);                                                     \
        (void)!troupe_unpack(troupe_buffer_bytes(&b), format, "a", &integer); \
        troupe_buffer_fini(&b);                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char format[256];
    int integer;
    if (size >= sizeof format)
        return 0;
    memcpy(format, data, size);
    format[size] = '\0';
    /* Each is a set of arguments; a format that wants others is refused by its types. */
    troupe_buffer b = {0};
    troupe_error error = troupe_pack(&b, format);
    CHECK(error == TROUPE_OK || (error == TROUPE_EINVAL && b.len == 0));
    check_packed(&b);
    (void)!troupe_unpack(troupe_buffer_bytes(&b), format);
    troupe_buffer_fini(&b);
    TRY(format, 1);
    TRY(format, "text");
    TRY(format, "text", 1);
    TRY(format, "text", (size_t)4);
    TRY(format, "a", (int64_t)-1, "b", (uint64_t)1);
    TRY(format, "a", "b", "c", "d");
    TRY(format, "a", "bytes", (size_t)5, "c", 1.5, "d", -40000);
    TRY(format, (const char *)NULL, (size_t)0, "x", (size_t)1);
    return 0;
}
