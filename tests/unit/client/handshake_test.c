/* SPDX-License-Identifier: MIT */
/* SHA-1 and base64 against their standards' vectors, the handshake against RFC 6455's example. */
#include "client/handshake.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void check_sha1(const void *data, size_t len, const char *hex)
{
    uint8_t digest[HANDSHAKE_SHA1_SIZE];
    char text[2 * HANDSHAKE_SHA1_SIZE + 1];
    handshake_sha1(data, len, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    cr_assert_str_eq(text, hex);
}

/* FIPS 180-4 (its examples), and lengths around the padding's edges. */
Test(handshake, sha1_vectors_hold)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check_sha1("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check_sha1("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    check_sha1(two_blocks, sizeof two_blocks - 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    check_sha1(million, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    check_sha1(million, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    check_sha1(million, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    free(million);
}

/* RFC 4648, section 10. */
Test(handshake, base64_vectors_hold)
{
    static const char *const rows[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t len = 0; len <= 6; len++) {
        char out[9];
        handshake_base64((const uint8_t *)"foobar", len, out);
        cr_assert_str_eq(out, rows[len]);
    }
}

Test(handshake, accept_is_that_of_the_rfc)
{
    char accept[HANDSHAKE_ACCEPT_SIZE];
    handshake_accept(KEY, accept);
    cr_assert_str_eq(accept, ACCEPT);
}

Test(handshake, urls_are_taken_apart)
{
    static const struct {
        const char *text;
        const char *host;
        const char *port;
        const char *path;
    } rows[] = {
        {"ws://127.0.0.1:37650/ws", "127.0.0.1", "37650", "/ws"},
        {"http://localhost:37650", "localhost", "37650", "/ws"},
        {"http://localhost:37650/", "localhost", "37650", "/ws"},
        {"WS://h", "h", "80", "/ws"},
        {"ws://[::1]:8/a/b?c=d", "::1", "8", "/a/b?c=d"},
        {"ws://[::1]", "::1", "80", "/ws"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        handshake_url url;
        cr_assert_eq(handshake_url_parse(rows[i].text, &url, NULL), TROUPE_OK, "%s", rows[i].text);
        cr_assert_str_eq(url.host, rows[i].host);
        cr_assert_str_eq(url.port, rows[i].port);
        cr_assert_str_eq(url.path, rows[i].path);
    }
}

Test(handshake, other_urls_are_refused)
{
    static const char *const rows[] = {
        "",          "127.0.0.1:1",    "ws://",      "ws://:1/ws",      "ws://h:/ws", "ws://h:x",
        "ws://h:1x", "ws://h:123456",  "ws://h/a b", "ws://h/\r\nX: y", "ws://h#f",   "ws://h/a#f",
        "ws://[::1", "ws://[::1]x:80", "ftp://h/",   "ws://h?q=1"};
    handshake_url url;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        troupe_reason reason = {""};
        cr_assert_eq(handshake_url_parse(rows[i], &url, &reason), TROUPE_EINVAL, "%s", rows[i]);
        cr_assert_neq(reason.text[0], '\0');
    }
    cr_assert_eq(handshake_url_parse("wss://h/ws", &url, NULL), TROUPE_EUNAVAILABLE);
    cr_assert_eq(handshake_url_parse("https://h", &url, NULL), TROUPE_EUNAVAILABLE);
}

Test(handshake, token_cannot_smuggle_headers)
{
    troupe_buffer out = {0};
    handshake_url url = {"h", "1", "/ws"};
    cr_assert_eq(handshake_request(&out, &url, KEY, "a\r\nX: y", NULL), TROUPE_EINVAL);
    cr_assert_eq(handshake_request(&out, &url, KEY, "secret", NULL), TROUPE_OK);
    troupe_buffer_append(&out, "", 1);
    cr_assert_not_null(strstr((char *)out.data, "\r\nAuthorization: Bearer secret\r\n"));
    cr_assert_not_null(strstr((char *)out.data, "\r\nHost: h:1\r\n"));
    troupe_buffer_fini(&out);
}

Test(handshake, answers_are_judged)
{
#define OK_101       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"
#define UP           OK_101 "Connection: upgrade\r\n"
#define WITH(header) OK_101 header "\r\n" OURS "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n"
#define OURS         "Sec-WebSocket-Protocol: troupe.envelope.v1\r\n"
    static const struct {
        const char *answer;
        troupe_error error;
    } rows[] = {
        {UP OURS "Sec-WebSocket-Accept:  " ACCEPT " \r\n\r\n", TROUPE_OK},
        {WITH("Connection: keep-alive, Upgrade"), TROUPE_OK},
        {WITH("Connection:Upgrade ,keep-alive"), TROUPE_OK},
        {WITH("connection: ,, \tUPGRADE\t,"), TROUPE_OK},
        {WITH("Connection: keep-alive\r\nX: y\r\nConnection: upgrade"), TROUPE_OK},
        {WITH("Connection: keep-alive"), TROUPE_EPROTOCOL},
        {WITH("Connection: keep-alive, upgrades"), TROUPE_EPROTOCOL},
        {WITH("Connection: no upgrade"), TROUPE_EPROTOCOL},
        {WITH("Connection:"), TROUPE_EPROTOCOL},
        {WITH("Connections: upgrade"), TROUPE_EPROTOCOL},
        {UP OURS "\r\n", TROUPE_EPROTOCOL},
        {UP OURS "Sec-WebSocket-Accept: x3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", TROUPE_EPROTOCOL},
        {UP "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", TROUPE_EPROTOCOL},
        {UP "Sec-WebSocket-Protocol: jsonrpc\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
         TROUPE_EPROTOCOL},
        {"HTTP/1.1 401 Unauthorized\r\n\r\n", TROUPE_EUNAUTHORIZED},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", TROUPE_EUNAUTHORIZED},
        {"HTTP/1.1 503 Busy\r\n\r\n", TROUPE_EBUSY},
        {"HTTP/1.1 200 OK\r\n\r\n", TROUPE_EPROTOCOL},
        {"HTTP/1.1 1011\r\n\r\n", TROUPE_EPROTOCOL},
        {"SSH-2.0-OpenSSH\r\n\r\n", TROUPE_EPROTOCOL},
        {"\r\n\r\n", TROUPE_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        troupe_reason reason = {""};
        troupe_error error = handshake_check(rows[i].answer, KEY, &reason);
        cr_assert_eq(error, rows[i].error, "%s: %s", rows[i].answer, troupe_error_name(error));
    }
}
