/* SPDX-License-Identifier: MIT */
#include "collect.h"
#include "transport/websocket_codec.h"

#include <criterion/criterion.h>
#include <stdint.h>

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
    cr_expect_eq(FEED("\x81\x01x\x88\x07\x03\xe9"
                      "bye\x07\xff",
                      &c, &reason),
                 TROUPE_ECLOSED);
    cr_expect_eq(c.count, 1);
    cr_expect_eq(codec.close_code, 1001);
    cr_expect_not_null(strstr(reason.text, "1001 bye??"));
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

Test(websocket_codec, feed_many_pings_are_answered_once)
{
    collect c = {0};
    char payload[200];
    uint8_t first = 0;
    cr_expect_eq(FEED("\x89\x01"
                      "a\x89\x01"
                      "b\x89\x01"
                      "c",
                      &c, NULL),
                 TROUPE_OK);
    cr_expect_eq(take_frame(&first, payload, sizeof(payload)), 1);
    cr_expect_str_eq(payload, "c");
    cr_expect_eq(byte_queue_len(&codec.out), 0);
}

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
        cr_assert_eq(websocket_codec_write(&codec, WSLAY_TEXT_FRAME, payload, lengths[i]),
                     TROUPE_OK);
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
        cr_assert_eq(websocket_codec_write(&codec, WSLAY_TEXT_FRAME, "x", 1), TROUPE_OK);
        memcpy(&masks[i], byte_queue_head(&codec.out) + 2, 4);
        byte_queue_consume(&codec.out, 7);
    }
    size_t same = 0;
    for (size_t i = 1; i < 100; i++) {
        same += masks[i] == masks[0];
    }
    cr_expect_lt(same, 3);
}
