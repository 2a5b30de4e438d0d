/* SPDX-License-Identifier: MIT */
#include "transport/websocket_handshake.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The example of RFC 6455, section 1.3. */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static troupe_error check(const char *status_line, const char *headers, troupe_reason *reason)
{
    char text[1000];
    snprintf(text, sizeof(text), "%s\r\n%s\r\n", status_line, headers);
    return websocket_handshake_check(text, KEY, reason);
}

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define OK_101  "HTTP/1.1 101 Switching Protocols"

Test(websocket_handshake, accept_of_the_rfc_example_is_right)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    cr_assert_eq(websocket_handshake_accept(KEY, accept), TROUPE_OK);
    cr_expect_str_eq(accept, ACCEPT);
}

Test(websocket_handshake, key_is_24_characters_and_fresh)
{
    char a[WEBSOCKET_KEY_SIZE];
    char b[WEBSOCKET_KEY_SIZE];
    cr_assert_eq(websocket_handshake_key(a), TROUPE_OK);
    cr_assert_eq(websocket_handshake_key(b), TROUPE_OK);
    cr_expect_eq(strlen(a), 24);
    cr_expect_str_neq(a, b);
}

Test(websocket_handshake, check_good_answers_are_accepted)
{
    static const char *const good[] = {
        UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\n",
        "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n",
        "upgrade:WEBSOCKET \r\nCONNECTION: keep-alive, upgrade\r\nsec-websocket-accept:\t" ACCEPT
        " \r\n",
        UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions:\r\n",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        troupe_reason reason = {{0}};
        cr_expect_eq(check(OK_101, good[i], &reason), TROUPE_OK, "%zu %s", i, reason.text);
    }
}

Test(websocket_handshake, check_bad_headers_are_refused)
{
    static const char *const bad[] = {
        "",
        UPGRADE,
        UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n",
        UPGRADE "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n",
        UPGRADE "X-Sec-WebSocket-Accept: " ACCEPT "\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n",
        "Connection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n",
        "Upgrade: websockets\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n",
        "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: " ACCEPT "\r\n",
        UPGRADE "Sec-WebSocket-Accept: " ACCEPT
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: chat\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        troupe_reason reason = {{0}};
        cr_expect_eq(check(OK_101, bad[i], &reason), TROUPE_EPROTOCOL, "%s", bad[i]);
        cr_expect_gt(strlen(reason.text), 0);
    }
}

Test(websocket_handshake, check_status_decides_the_error)
{
    static const char headers[] = UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\n";
    troupe_reason reason = {{0}};
    cr_expect_eq(check("HTTP/1.1 401 Unauthorized", headers, &reason), TROUPE_EUNAUTHORIZED);
    cr_expect_not_null(strstr(reason.text, "401"));
    cr_expect_eq(check("HTTP/1.1 403", headers, &reason), TROUPE_EUNAUTHORIZED);
    cr_expect_eq(check("HTTP/1.1 404 Not Found", headers, &reason), TROUPE_EPROTOCOL);
    cr_expect_not_null(strstr(reason.text, "404"));
    cr_expect_eq(check("HTTP/1.1 200 OK", headers, &reason), TROUPE_EPROTOCOL);
    cr_expect_eq(check("HTTP/1.1 1011 x", headers, &reason), TROUPE_EPROTOCOL);
    cr_expect_eq(check("SSH-2.0-OpenSSH", "", &reason), TROUPE_EPROTOCOL);
    cr_expect_eq(check("", "", &reason), TROUPE_EPROTOCOL);
}

Test(websocket_handshake, request_has_host_and_no_origin)
{
    uri_parts uri;
    cr_assert_eq(uri_parse("ws://127.0.0.1:9222/devtools/x?y=1", &uri, NULL), TROUPE_OK);
    char *plain = websocket_handshake_request(&uri, KEY, NULL);
    char *token = websocket_handshake_request(&uri, KEY, "t0ken");
    cr_expect_not_null(strstr(plain, "GET /devtools/x?y=1 HTTP/1.1\r\n"));
    cr_expect_not_null(strstr(plain, "\r\nHost: 127.0.0.1:9222\r\n"));
    cr_expect_not_null(strstr(plain, "\r\nSec-WebSocket-Key: " KEY "\r\n"));
    cr_expect_not_null(strstr(plain, "\r\nSec-WebSocket-Version: 13\r\n"));
    cr_expect_null(strstr(plain, "Origin"));
    cr_expect_null(strstr(plain, "Authorization"));
    cr_expect_str_eq(plain + strlen(plain) - 4, "\r\n\r\n");
    cr_expect_not_null(strstr(token, "\r\nAuthorization: Bearer t0ken\r\n\r\n"));
    free(plain);
    free(token);
    uri_parts_fini(&uri);
}
