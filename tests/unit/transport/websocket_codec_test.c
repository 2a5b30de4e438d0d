/* SPDX-License-Identifier: MIT */
#include "collect.h"
#include "transport/websocket_codec.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODEC_MAX 1000

static websocket_codec codec;

static void open_codec(void)
{
    cr_assert_eq(websocket_codec_init(&codec, CODEC_MAX), TROUPE_OK);
}

static void close_codec(void)
{
    websocket_codec_fini(&codec);
}

TestSuite(websocket_codec, .init = open_codec, .fini = close_codec);

static troupe_error feed(const char *data, size_t len, collect *c, troupe_reason *reason)
{
    return websocket_codec_feed(&codec, data, len, collect_message, c, reason);
}

#define FEED(text, c, reason) feed("" text "", sizeof(text) - 1, c, reason)

/** Take the next frame written for the peer apart; the payload is unmasked in place. */
static size_t take_frame(uint8_t *first_byte, char *payload, size_t size)
{
    uint8_t *at = (uint8_t *)byte_queue_head(&codec.out);
    cr_assert_geq(byte_queue_len(&codec.out), 6);
    size_t len = at[1] & 0x7F;
    size_t header = 2;
    cr_assert(at[1] & 0x80, "client frames are masked");
    *first_byte = at[0];
    if (len == 126) {
        len = (size_t)at[2] << 8 | at[3];
        header = 4;
    } else if (len == 127) {
        len = 0;
        for (int i = 2; i < 10; i++) {
            len = len << 8 | at[i];
        }
        header = 10;
    }
    cr_assert_lt(len, size);
    for (size_t i = 0; i < len; i++) {
        payload[i] = (char)(at[header + 4 + i] ^ at[header + i % 4]);
    }
    payload[len] = '\0';
    byte_queue_consume(&codec.out, header + 4 + len);
    return len;
}

/** The close code written for the peer; 0 if the close frame is empty. */
static int take_close(void)
{
    char payload[200];
    uint8_t first = 0;
    size_t len = take_frame(&first, payload, sizeof(payload));
    cr_expect_eq(first, 0x88);
    return len == 0 ? 0 : (uint8_t)payload[0] << 8 | (uint8_t)payload[1];
}

/* Two messages, a fragmented one with a ping and a pong between its frames, an empty one, a binary
 * one of 126 bytes. */
static size_t conversation(char *out)
{
    static const char head[] = "\x81\x05hello\x81\x00\x01\x03"
                               "abc\x89\x02hi\x00\x02"
                               "de\x8a\x01x\x80\x01"
                               "f\x82\x7e\x00\x7e";
    memcpy(out, head, sizeof(head) - 1);
    memset(out + sizeof(head) - 1, 'b', 126);
    return sizeof(head) - 1 + 126;
}

static void expect_conversation(const collect *c)
{
    cr_assert_eq(c->count, 4);
    cr_expect_str_eq(c->data[0], "hello");
    cr_expect_eq(c->len[1], 0);
    cr_expect_str_eq(c->data[2], "abcdef");
    cr_expect_eq(c->len[3], 126);
    cr_expect(codec.binary);
}

Test(websocket_codec, feed_split_at_every_byte_delivers_each_message_once)
{
    char bytes[300];
    size_t len = conversation(bytes);
    for (size_t cut = 0; cut <= len; cut++) {
        collect c = {0};
        char payload[200];
        uint8_t first = 0;
        cr_assert_eq(feed(bytes, cut, &c, NULL), TROUPE_OK);
        cr_assert_eq(feed(bytes + cut, len - cut, &c, NULL), TROUPE_OK, "cut %zu", cut);
        expect_conversation(&c);
        cr_expect_eq(take_frame(&first, payload, sizeof(payload)), 2);
        cr_expect_eq(first, 0x8A);
        cr_expect_str_eq(payload, "hi");
        cr_expect_eq(byte_queue_len(&codec.out), 0);
        collect_fini(&c);
    }
}

Test(websocket_codec, feed_byte_by_byte_delivers_the_same)
{
    char bytes[300];
    size_t len = conversation(bytes);
    collect c = {0};
    for (size_t i = 0; i < len; i++) {
        cr_assert_eq(feed(bytes + i, 1, &c, NULL), TROUPE_OK);
    }
    expect_conversation(&c);
    collect_fini(&c);
}

static void expect_violation(const char *bytes, size_t len, troupe_error wanted, int close_code)
{
    collect c = {0};
    troupe_reason reason = {{0}};
    websocket_codec_fini(&codec);
    cr_assert_eq(websocket_codec_init(&codec, CODEC_MAX), TROUPE_OK);
    cr_expect_eq(feed(bytes, len, &c, &reason), wanted, "%s", reason.text);
    cr_expect_gt(strlen(reason.text), 0);
    cr_expect_eq(take_close(), close_code);
    collect_fini(&c);
}

#define VIOLATION(text) expect_violation("" text "", sizeof(text) - 1, TROUPE_EPROTOCOL, 1002)

Test(websocket_codec, feed_protocol_violations_are_refused)
{
    VIOLATION("\x81\x81\x01\x02\x03\x04x"); /* masked by the server */
    VIOLATION("\xc1\x01x");                 /* RSV1 */
    VIOLATION("\xa1\x01x");                 /* RSV2 */
    VIOLATION("\x91\x01x");                 /* RSV3 */
    VIOLATION("\x83\x01x");                 /* reserved opcodes */
    VIOLATION("\x8b\x01x");
    VIOLATION("\x80\x01x");             /* continuation of nothing */
    VIOLATION("\x01\x01x\x81\x01y");    /* new message inside a fragmented one */
    VIOLATION("\x09\x01x");             /* fragmented ping */
    VIOLATION("\x89\x7e\x00\x7e");      /* long ping */
    VIOLATION("\x81\x7e\x00\x05hello"); /* length not in its shortest form */
    VIOLATION("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00");
    VIOLATION("\x88\x01\x03");     /* close frames */
    VIOLATION("\x88\x02\x03\xed"); /* 1005 */
    VIOLATION("\x88\x02\x00\x01");
    VIOLATION("\x88\x02\x13\x88"); /* 5000 */
}

Test(websocket_codec, feed_too_long_messages_are_refused_by_their_header)
{
    expect_violation("\x81\x7e\x03\xe9x", 5, TROUPE_ELIMIT, 1009);
    expect_violation("\x81\x7f\x00\x00\x00\x40\x00\x00\x00\x00x", 11, TROUPE_ELIMIT, 1009);
    char bytes[1100] = "\x01\x7e\x03\xe8";
    memcpy(bytes + 4 + 1000, "\x80\x01x", 3);
    expect_violation(bytes, 4 + 1000 + 3, TROUPE_ELIMIT, 1009);
}

Test(websocket_codec, feed_message_of_exactly_the_limit_is_taken)
{
    collect c = {0};
    char bytes[1100] = "\x81\x7e\x03\xe8";
    cr_expect_eq(feed(bytes, 4 + 1000, &c, NULL), TROUPE_OK);
    cr_expect_eq(c.len[0], 1000);
    collect_fini(&c);
}

Test(websocket_codec, feed_close_reports_code_and_words_and_is_answered)
{
    collect c = {0};
    troupe_reason reason = {{0}};
    cr_expect_eq(FEED("\x81\x01x\x88\x08\x03\xe9"
                      "bye\x07\xc3\xa9",
                      &c, &reason),
                 TROUPE_ECLOSED);
    cr_expect_eq(c.count, 1);
    cr_expect_eq(codec.close_code, 1001);
    cr_expect_not_null(strstr(reason.text, "1001 bye???"), "%s", reason.text);
    cr_expect_eq(take_close(), 1001);
    websocket_codec_close(&codec, 1000);
    cr_expect_eq(byte_queue_len(&codec.out), 0, "a close frame is sent once");
    collect_fini(&c);
}

Test(websocket_codec, feed_close_without_code_is_answered_without)
{
    collect c = {0};
    cr_expect_eq(FEED("\x88\x00", &c, NULL), TROUPE_ECLOSED);
    cr_expect_eq(codec.close_code, 1005);
    cr_expect_eq(take_close(), 0);
}

Test(websocket_codec, feed_pings_are_answered_in_order_and_only_the_latest_when_many_wait)
{
    collect c = {0};
    char payload[200];
    uint8_t first = 0;
    cr_expect_eq(FEED("\x89\x01"
                      "a\x89\x00\x89\x01"
                      "c",
                      &c, NULL),
                 TROUPE_OK);
    cr_expect_eq(take_frame(&first, payload, sizeof(payload)), 1);
    cr_expect_str_eq(payload, "a");
    cr_expect_eq(take_frame(&first, payload, sizeof(payload)), 0);
    cr_expect_eq(take_frame(&first, payload, sizeof(payload)), 1);
    cr_expect_str_eq(payload, "c");
    cr_expect_eq(byte_queue_len(&codec.out), 0);
    static char pings[8 * 4096];
    for (size_t i = 0; i < sizeof(pings); i += 8) {
        memcpy(pings + i, "\x89\x06", 2);
        snprintf(pings + i + 2, 6, "%05zu", i / 8);
    }
    cr_expect_eq(feed(pings, sizeof(pings), &c, NULL), TROUPE_OK);
    cr_expect_lt(byte_queue_len(&codec.out), (16 << 10) + 100);
    while (byte_queue_len(&codec.out) > 0) {
        (void)take_frame(&first, payload, sizeof(payload));
    }
    cr_expect_str_eq(payload, "04095");
}

/* --- UTF-8 ---------------------------------------------------------------------------------- */

#define BAD_DATA(text) expect_violation("" text "", sizeof(text) - 1, TROUPE_EPROTOCOL, 1007)

Test(websocket_codec, feed_text_that_is_not_utf8_is_refused)
{
    BAD_DATA("\x81\x01\xff");
    BAD_DATA("\x81\x02\xc3(");
    BAD_DATA("\x81\x01\xc3");         /* ends inside a character */
    BAD_DATA("\x81\x03\xed\xa0\x80"); /* a surrogate */
    BAD_DATA("\x01\x01\xc3\x80\x01x");
    BAD_DATA("\x01\x01\xc3\x80\x00");
    BAD_DATA("\x01\x05\xff"); /* at once: neither frame nor message is whole */
    BAD_DATA("\x88\x03\x03\xe8\xff");
}

Test(websocket_codec, feed_character_cut_by_frames_is_whole)
{
    collect c = {0};
    cr_expect_eq(FEED("\x01\x01\xe2\x89\x00\x00\x01\x82\x80\x01\xac", &c, NULL), TROUPE_OK);
    cr_expect_str_eq(c.data[0], "\xe2\x82\xac");
    collect_fini(&c);
}

Test(websocket_codec, feed_binary_and_unchecked_text_may_be_anything)
{
    collect c = {0};
    cr_expect_eq(FEED("\x82\x01\xff", &c, NULL), TROUPE_OK);
    codec.unchecked_text = true;
    cr_expect_eq(FEED("\x81\x01\xff", &c, NULL), TROUPE_OK);
    cr_expect_eq(c.count, 2);
    collect_fini(&c);
}

/* --- long messages -------------------------------------------------------------------------- */

Test(websocket_codec, room_of_a_long_message_is_its_own_memory_and_grows_with_what_came)
{
    collect c = {0};
    size_t len = (size_t)200 << 20;
    size_t room = 0;
    websocket_codec_fini(&codec);
    cr_assert_eq(websocket_codec_init(&codec, (size_t)256 << 20), TROUPE_OK);
    char *place = websocket_codec_room(&codec, &room);
    memcpy(place, "\x82\x7f\x00\x00\x00\x00\x0c\x80\x00\x00", 10);
    cr_assert_eq(websocket_codec_received(&codec, 10, collect_message, &c, NULL), TROUPE_OK);
    size_t moves = 0;
    for (size_t at = 0; at < len;) {
        const char *before = codec.message.data;
        place = websocket_codec_room(&codec, &room);
        cr_assert(place >= codec.message.data && room >= 16384);
        moves += codec.message.data != before;
        cr_assert_leq(codec.message.capacity, 2 * at + (2 << 20), "taken ahead of the bytes");
        size_t n = room < len - at ? room : len - at;
        memset(place, 'x', n);
        cr_assert_eq(websocket_codec_received(&codec, n, collect_message, &c, NULL), TROUPE_OK);
        at += n;
    }
    cr_expect_lt(moves, 12);
    cr_expect_eq(c.count, 1);
    cr_expect_eq(c.len[0], len);
    cr_expect_leq(codec.message.capacity, 64 << 10, "given back");
    collect_fini(&c);
}

Test(websocket_codec, feed_long_messages_in_pieces_of_any_size_are_whole)
{
    static char bytes[400000];
    static const size_t steps[] = {1, 13, 4096, 32768, 32769, 100000, sizeof(bytes)};
    static char text[150000];
    size_t len = 0;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 26);
    }
    for (size_t i = 0; i < 2; i++) { /* two frames, a ping between, and a second message */
        memcpy(bytes + len, i == 0 ? "\x01\x7f" : "\x80\x7f", 2);
        memcpy(bytes + len + 2, "\x00\x00\x00\x00\x00\x02\x49\xf0", 8);
        memcpy(bytes + len + 10, text, sizeof(text));
        memcpy(bytes + len + 10 + sizeof(text), i == 0 ? "\x89\x01x" : "\x81\x01y", 3);
        len += 13 + sizeof(text);
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        collect c = {0};
        websocket_codec_fini(&codec);
        cr_assert_eq(websocket_codec_init(&codec, 2 * sizeof(text)), TROUPE_OK);
        for (size_t at = 0; at < len; at += steps[i]) {
            size_t n = len - at < steps[i] ? len - at : steps[i];
            cr_assert_eq(feed(bytes + at, n, &c, NULL), TROUPE_OK);
        }
        cr_assert_eq(c.count, 2);
        cr_expect_eq(c.len[0], 2 * sizeof(text));
        cr_expect_eq(memcmp(c.data[0], text, sizeof(text)), 0);
        cr_expect_eq(memcmp(c.data[0] + sizeof(text), text, sizeof(text)), 0);
        cr_expect_str_eq(c.data[1], "y");
        collect_fini(&c);
    }
}

Test(websocket_codec, feed_after_the_end_takes_nothing)
{
    collect c = {0};
    troupe_reason reason = {{0}};
    cr_expect_eq(FEED("\x88\x00\x81\x01x", &c, &reason), TROUPE_ECLOSED);
    cr_expect_eq(FEED("\x81\x01x", &c, &reason), TROUPE_ECLOSED);
    cr_expect_eq(c.count, 0);
}

/* --- permessage-deflate --------------------------------------------------------------------- */

static const deflate_params plain_params = {.server_bits = 15, .client_bits = 15};

static void open_deflating(const deflate_params *params)
{
    websocket_codec_fini(&codec);
    cr_assert_eq(websocket_codec_init(&codec, CODEC_MAX), TROUPE_OK);
    websocket_codec_use_deflate(&codec, params);
}

Test(websocket_codec, feed_compressed_messages_of_the_rfc_are_inflated)
{
    /* RFC 7692, section 7.2.3: one frame; two fragments; the same once more through the window;
     * a block that is not compressed; a final block; two blocks. */
    static const char *const bytes[] = {
        "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
        "\xc1\x05\xf2\x00\x11\x00\x00",
        "\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        "\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        "\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    };
    static const size_t lens[] = {9, 11, 7, 13, 10, 15};
    open_deflating(&plain_params);
    for (size_t step = 1; step <= 16; step += 5) {
        for (size_t i = 0; i < 6; i++) {
            collect c = {0};
            for (size_t at = 0; at < lens[i]; at += step) {
                size_t n = lens[i] - at < step ? lens[i] - at : step;
                cr_assert_eq(feed(bytes[i] + at, n, &c, NULL), TROUPE_OK, "%zu", i);
            }
            cr_assert_eq(c.count, 1);
            cr_expect_str_eq(c.data[0], "Hello", "%zu: %s", i, c.data[0]);
            collect_fini(&c);
        }
    }
}

Test(websocket_codec, feed_compressed_and_plain_messages_and_controls_mix)
{
    collect c = {0};
    open_deflating(&plain_params);
    cr_expect_eq(
        FEED("\x81\x02hi\xc1\x01\x00\xc1\x00\x41\x03\xf2\x48\xcd\x89\x00\x80\x04\xc9\xc9\x07"
             "\x00\x81\x02ho",
             &c, NULL),
        TROUPE_OK);
    cr_assert_eq(c.count, 5);
    cr_expect_str_eq(c.data[0], "hi");
    cr_expect_eq(c.len[1], 0);
    cr_expect_eq(c.len[2], 0);
    cr_expect_str_eq(c.data[3], "Hello");
    cr_expect_str_eq(c.data[4], "ho");
    collect_fini(&c);
}

static void expect_deflating_violation(const char *bytes, size_t len, troupe_error wanted, int code)
{
    collect c = {0};
    troupe_reason reason = {{0}};
    open_deflating(&plain_params);
    cr_expect_eq(feed(bytes, len, &c, &reason), wanted, "%s", reason.text);
    cr_expect_eq(take_close(), code);
    cr_expect_eq(c.count, 0);
    collect_fini(&c);
}

#define DEFLATE_VIOLATION(text, code) \
    expect_deflating_violation("" text "", sizeof(text) - 1, TROUPE_EPROTOCOL, code)

Test(websocket_codec, feed_bad_compression_is_refused)
{
    DEFLATE_VIOLATION("\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", 1002); /* RSV1 again */
    DEFLATE_VIOLATION("\xc9\x00", 1002);                                     /* on a ping */
    DEFLATE_VIOLATION("\xa1\x01x", 1002);                                    /* RSV2 */
    DEFLATE_VIOLATION("\xe1\x01x", 1002);
    DEFLATE_VIOLATION("\xc1\x05Hello", 1007);                        /* no deflate */
    DEFLATE_VIOLATION("\xc1\x05\xf2\x00\x11\x00\x00", 1007);         /* before the window */
    DEFLATE_VIOLATION("\xc1\x03\xf2\x48\xcd", 1007);                 /* ends inside a block */
    DEFLATE_VIOLATION("\xc1\x07\x00\x01\x00\xfe\xff\xff\x00", 1007); /* inflates to no UTF-8 */
}

/** A server's compressed frame of `len` zero bytes. */
static size_t bomb(char *bytes, size_t size, size_t len)
{
    z_stream z = {0};
    static char zeros[4096];
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (Bytef *)bytes + 10;
    z.avail_out = (uInt)(size - 10);
    for (size_t at = 0; at < len; at += z.avail_in) {
        z.next_in = (Bytef *)zeros;
        z.avail_in = (uInt)(len - at < sizeof(zeros) ? len - at : sizeof(zeros));
        at += z.avail_in;
        cr_assert_eq(deflate(&z, at == len ? Z_SYNC_FLUSH : Z_NO_FLUSH), Z_OK);
    }
    size_t n = size - 10 - z.avail_out - 4;
    deflateEnd(&z);
    uint8_t header[WEBSOCKET_HEADER_MAX];
    size_t header_len = websocket_frame_put(header, 0xC2, n);
    header[1] &= 0x7F;
    memmove(bytes + header_len, bytes + 10, n);
    memcpy(bytes, header, header_len);
    return header_len + n;
}

Test(websocket_codec, feed_bomb_is_refused_having_cost_the_limit_at_most)
{
    static char bytes[200000];
    size_t max = (size_t)1 << 20;
    for (size_t over = 0; over < 2; over++) {
        collect c = {0};
        websocket_codec_fini(&codec);
        cr_assert_eq(websocket_codec_init(&codec, max), TROUPE_OK);
        websocket_codec_use_deflate(&codec, &plain_params);
        size_t len = bomb(bytes, sizeof(bytes), over == 0 ? max : (size_t)100 << 20);
        cr_assert(over == 0 || len > 65536, "%zu", len);
        troupe_error error = TROUPE_OK;
        size_t most = 0;
        for (size_t at = 0; at < len && error == TROUPE_OK; at += 100) {
            error = feed(bytes + at, len - at < 100 ? len - at : 100, &c, NULL);
            most = codec.message.capacity > most ? codec.message.capacity : most;
        }
        cr_expect_eq(error, over == 0 ? TROUPE_OK : TROUPE_ELIMIT);
        cr_expect_leq(most, 2 * max);
        cr_expect_eq(c.count, 1 - over);
        collect_fini(&c);
    }
}

/** Inflate what was written for the peer. */
static void expect_written(z_stream *z, const char *text, size_t len, bool compressed)
{
    static char payload[200000];
    static char back[200000];
    uint8_t first = 0;
    size_t n = take_frame(&first, payload, sizeof(payload) - 4);
    cr_assert_eq(first, compressed ? 0xC1 : 0x81);
    if (compressed) {
        cr_expect_lt(n, len);
        memcpy(payload + n, "\x00\x00\xff\xff", 4);
        z->next_in = (Bytef *)payload;
        z->avail_in = (uInt)n + 4;
        z->next_out = (Bytef *)back;
        z->avail_out = sizeof(back);
        cr_assert_eq(inflate(z, Z_SYNC_FLUSH), Z_OK);
        n = sizeof(back) - z->avail_out;
    }
    cr_assert_eq(n, len);
    cr_assert_eq(memcmp(compressed ? back : payload, text, len), 0);
}

static void write_and_expect(z_stream *z, const char *text, size_t len, bool compressed)
{
    cr_assert_eq(websocket_codec_write(&codec, WEBSOCKET_TEXT, text, len), TROUPE_OK);
    expect_written(z, text, len, compressed);
}

Test(websocket_codec, write_compresses_what_gets_shorter_and_keeps_the_context_right)
{
    static char text[100000];
    static char noise[5000];
    z_stream z = {0};
    open_deflating(&plain_params);
    cr_assert_eq(inflateInit2(&z, -15), Z_OK);
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i / 7 % 20 + i % 3);
    }
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof(noise); i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (char)(seed >> 24);
    }
    write_and_expect(&z, text, WEBSOCKET_DEFLATE_MIN - 1, false);
    write_and_expect(&z, text, WEBSOCKET_DEFLATE_MIN, true);
    write_and_expect(&z, text, sizeof(text), true);
    write_and_expect(&z, noise, sizeof(noise), false); /* given up: must not be referred to */
    memcpy(text + 1000, noise, 500);
    write_and_expect(&z, text, 3000, true);
    websocket_codec_rest(&codec);
    cr_expect(codec.deflate.out_open, "it was used since");
    websocket_codec_rest(&codec);
    cr_expect_not(codec.deflate.out_open);
    write_and_expect(&z, text, 3000, true);
    inflateEnd(&z);
}

Test(websocket_codec, write_follows_what_was_agreed_on)
{
    static char text[40000];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 23 + i / 1000 % 3);
    }
    for (uint8_t bits = 8; bits <= 15; bits++) {
        deflate_params params = {.server_bits = 15, .client_bits = bits, .client_no_context = true};
        open_deflating(&params);
        for (size_t i = 0; i < 2; i++) { /* each message by itself, in a window of that size */
            z_stream z = {0};
            cr_assert_eq(inflateInit2(&z, -(int)bits), Z_OK);
            write_and_expect(&z, text, sizeof(text), bits > 8);
            inflateEnd(&z);
        }
    }
}

/* --- writing -------------------------------------------------------------------------------- */

Test(websocket_codec, write_each_length_class_reads_back)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 300000};
    static char payload[300001];
    static char back[300002];
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (char)(i * 7);
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint8_t first = 0;
        cr_assert_eq(websocket_codec_write(&codec, WEBSOCKET_TEXT, payload, lengths[i]), TROUPE_OK);
        cr_expect_eq(take_frame(&first, back, sizeof(back)), lengths[i]);
        cr_expect_eq(first, 0x81, "one final frame");
        cr_expect_eq(memcmp(back, payload, lengths[i]), 0);
    }
    cr_expect_eq(byte_queue_len(&codec.out), 0);
}

Test(websocket_codec, write_masks_differ)
{
    uint32_t masks[100];
    for (size_t i = 0; i < 100; i++) {
        cr_assert_eq(websocket_codec_write(&codec, WEBSOCKET_TEXT, "x", 1), TROUPE_OK);
        memcpy(&masks[i], byte_queue_head(&codec.out) + 2, 4);
        byte_queue_consume(&codec.out, 7);
    }
    size_t same = 0;
    for (size_t i = 1; i < 100; i++) {
        same += masks[i] == masks[0];
    }
    cr_expect_lt(same, 3);
}

Test(websocket_codec, close_with_words_cuts_them_at_a_character)
{
    char words[200];
    char payload[200];
    uint8_t first = 0;
    for (size_t i = 0; i < 66; i++) {
        memcpy(words + 3 * i, "\xe2\x82\xac", 4);
    }
    websocket_codec_close_with(&codec, 4000, words);
    cr_expect_eq(take_frame(&first, payload, sizeof(payload)), 2 + 123);
    cr_expect_eq(first, 0x88);
    cr_expect(utf8_ok(payload + 2, 123));
    websocket_codec_close_with(&codec, 1000, "again");
    cr_expect_eq(byte_queue_len(&codec.out), 0);
}
