/* SPDX-License-Identifier: MIT */
/* RFC 6455 frames: split at every byte, fragments, limits, and what a host must not send. */
#include "client/frames.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MAX 70000

static frames state;

static void begin(void)
{
    memset(&state, 0, sizeof state);
    state.message_max = MAX;
}

static void end(void)
{
    frames_fini(&state);
}

TestSuite(frames, .init = begin, .fini = end);

static void feed(const void *data, size_t len)
{
    uint8_t *room = frames_room(&state, len);
    cr_assert_not_null(room);
    memcpy(room, data, len);
    frames_filled(&state, len);
}

static frames_result next(troupe_bytes *out, troupe_error *error)
{
    troupe_reason reason = {""};
    frames_result result = frames_next(&state, out, error, &reason);
    cr_assert((result == FRAMES_BROKEN) == (reason.text[0] != '\0'));
    return result;
}

static void expect(frames_result wanted, const char *payload)
{
    troupe_bytes got = {NULL, 0};
    troupe_error error = TROUPE_OK;
    cr_assert_eq(next(&got, &error), wanted);
    cr_assert(got.len == strlen(payload) && memcmp(got.data, payload, got.len) == 0);
}

static void expect_nothing(void)
{
    troupe_bytes got;
    troupe_error error;
    cr_assert_eq(next(&got, &error), FRAMES_GOT_NOTHING);
}

/* A message, a ping between the fragments of another, an empty message, a close. */
static const char stream[] = "\x82\x03"
                             "abc"
                             "\x02\x02"
                             "de"
                             "\x89\x01"
                             "p"
                             "\x00\x01"
                             "f"
                             "\x8a\x00"
                             "\x80\x01"
                             "g"
                             "\x82\x00"
                             "\x88\x02\x03\xe8";

static void expect_stream(void)
{
    expect(FRAMES_GOT_MESSAGE, "abc");
    expect(FRAMES_GOT_PING, "p");
    expect(FRAMES_GOT_MESSAGE, "defg");
    expect(FRAMES_GOT_MESSAGE, "");
    expect(FRAMES_GOT_CLOSE, "\x03\xe8");
    expect_nothing();
}

Test(frames, all_at_once)
{
    feed(stream, sizeof stream - 1);
    expect_stream();
}

Test(frames, split_at_every_byte)
{
    char seen[64] = "";
    for (size_t i = 0; i < sizeof stream - 1; i++) {
        feed(stream + i, 1);
        troupe_bytes got = {NULL, 0};
        troupe_error error;
        frames_result result;
        while ((result = next(&got, &error)) != FRAMES_GOT_NOTHING) {
            cr_assert_neq(result, FRAMES_BROKEN);
            strncat(seen, result == FRAMES_GOT_CLOSE ? "close" : (const char *)got.data,
                    result == FRAMES_GOT_CLOSE ? 5 : got.len);
            strcat(seen, "|");
        }
    }
    cr_assert_str_eq(seen, "abc|p|defg||close|");
}

Test(frames, longer_lengths_are_read)
{
    static const size_t lengths[] = {125, 126, 65535, 65536, MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t len = lengths[i];
        uint8_t head[10] = {0x82, (uint8_t)(len < 126 ? len : len < 65536 ? 126 : 127)};
        size_t more = len < 126 ? 0 : len < 65536 ? 2 : 8;
        for (size_t b = 0; b < more; b++) {
            head[2 + b] = (uint8_t)((uint64_t)len >> (8 * (more - 1 - b)));
        }
        char *data = malloc(len);
        memset(data, 'x', len);
        feed(head, 2 + more);
        feed(data, len);
        free(data);
        troupe_bytes got;
        troupe_error error;
        cr_assert_eq(next(&got, &error), FRAMES_GOT_MESSAGE);
        cr_assert_eq(got.len, len);
    }
}

Test(frames, what_breaks_the_protocol_is_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
        troupe_error error;
    } rows[] = {
        {"\xc2\x01x", 3, TROUPE_EPROTOCOL},          /* reserved bit */
        {"\x82\x81mask_", 7, TROUPE_EPROTOCOL},      /* masked */
        {"\x81\x01x", 3, TROUPE_EPROTOCOL},          /* text */
        {"\x83\x01x", 3, TROUPE_EPROTOCOL},          /* unknown */
        {"\x8b\x00", 2, TROUPE_EPROTOCOL},           /* unknown control */
        {"\x80\x01x", 3, TROUPE_EPROTOCOL},          /* continuation of nothing */
        {"\x02\x01x\x82\x01y", 6, TROUPE_EPROTOCOL}, /* message in a message */
        {"\x09\x01x", 3, TROUPE_EPROTOCOL},          /* fragmented ping */
        {"\x89\x7e\x00\x80", 4, TROUPE_EPROTOCOL},   /* long ping */
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, TROUPE_ELIMIT},
        {"\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x71", 10, TROUPE_ELIMIT},          /* MAX + 1 */
        {"\x02\x01x\x80\x7f\x00\x00\x00\x00\x00\x01\x11\x70", 13, TROUPE_ELIMIT}, /* in sum */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        troupe_bytes got;
        troupe_error error = TROUPE_OK;
        begin();
        feed(rows[i].bytes, rows[i].len);
        cr_assert_eq(next(&got, &error), FRAMES_BROKEN, "row %zu", i);
        cr_assert_eq(error, rows[i].error, "row %zu", i);
        end();
    }
    begin();
}

/* A server's reader, by hand: unmasks and compares. */
static void check_written(size_t len)
{
    troupe_buffer out = {0};
    uint8_t *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    troupe_bytes payload = {data, len};
    cr_assert_eq(frames_write(&out, FRAMES_BINARY, payload), TROUPE_OK);
    size_t more = len < 126 ? 0 : len < 65536 ? 2 : 8;
    cr_assert_eq(out.len, 2 + more + 4 + len);
    cr_assert_eq(out.data[0], 0x82);
    uint64_t told = out.data[1] & 0x7fu;
    cr_assert(out.data[1] & 0x80);
    for (size_t i = 0; i < more; i++) {
        told = i == 0 ? out.data[2] : told << 8 | out.data[2 + i];
    }
    cr_assert_eq(told, len);
    const uint8_t *mask = out.data + 2 + more;
    for (size_t i = 0; i < len; i++) {
        cr_assert_eq(out.data[2 + more + 4 + i] ^ mask[i % 4], data[i]);
    }
    free(data);
    troupe_buffer_fini(&out);
}

Test(frames, written_frames_are_masked_and_whole)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        check_written(lengths[i]);
    }
}
