/* SPDX-License-Identifier: MIT */
#include "transport/websocket_handshake.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The example of RFC 6455, section 1.3. */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define OK_101  "HTTP/1.1 101 Switching Protocols\r\n"
#define GOOD    OK_101 UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define TOKEN   "s3cret"
#define NOW     ((time_t)1445412470) /* Wed, 21 Oct 2015 07:27:50 GMT */

static const websocket_ask nothing = {0};

static websocket_verdict verdict;
static troupe_reason reason;

/** Feed the answer in pieces, then judge it, whole or not. */
static troupe_error judge_in(const char *text, size_t step, const websocket_ask *ask)
{
    static websocket_answer answer;
    memset(&answer, 0, sizeof(answer));
    memset(&verdict, 0, sizeof(verdict));
    reason.text[0] = '\0';
    size_t len = strlen(text);
    bool done = false;
    for (size_t at = 0; at < len && !done;) {
        size_t used = 0;
        size_t n = len - at < step ? len - at : step;
        troupe_error error = websocket_answer_take(&answer, text + at, n, &used, &done, &reason);
        if (error != TROUPE_OK) {
            return error;
        }
        cr_assert_leq(used, n);
        at += used;
        if (used < n) {
            break;
        }
    }
    cr_assert(websocket_answer_has_head(&answer), "%s", text);
    return websocket_answer_judge(&answer, KEY, ask, NOW, &verdict, &reason);
}

static troupe_error judge(const char *text, const websocket_ask *ask)
{
    troupe_error whole = judge_in(text, SIZE_MAX, ask);
    cr_expect_eq(judge_in(text, 1, ask), whole, "%s", text);
    return whole;
}

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

Test(websocket_handshake, judge_good_answers_are_accepted)
{
    static const char *const good[] = {
        GOOD "\r\n",
        OK_101 "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT
               "\r\n\r\n",
        OK_101 "upgrade:WEBSOCKET \r\nCONNECTION: keep-alive, upgrade\r\n"
               "sec-websocket-accept:\t" ACCEPT " \r\n\r\n",
        OK_101 "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        GOOD "Sec-WebSocket-Extensions:\r\nSec-WebSocket-Protocol: \r\n\r\n",
        "HTTP/1.1 101\r\n" UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_expect_eq(judge(good[i], &nothing), TROUPE_OK, "%zu %s", i, reason.text);
        cr_expect_eq(verdict.status, 101);
        cr_expect_str_eq(verdict.protocol, "");
        cr_expect_not(verdict.deflate);
    }
}

Test(websocket_handshake, take_leaves_what_stands_behind_the_header)
{
    static websocket_answer answer;
    size_t used = 0;
    bool done = false;
    static const char text[] = GOOD "\r\n\x81\x02hi";
    cr_expect_eq(websocket_answer_take(&answer, text, sizeof(text) - 1, &used, &done, &reason),
                 TROUPE_OK);
    cr_expect(done);
    cr_expect_eq(used, sizeof(text) - 1 - 4);
}

Test(websocket_handshake, judge_bad_headers_are_refused)
{
    static const char *const bad[] = {
        OK_101 "\r\n",
        OK_101 UPGRADE "\r\n",
        OK_101 UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
        OK_101 UPGRADE "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n\r\n",
        OK_101 UPGRADE "X-Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        GOOD "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        OK_101 "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        OK_101 "Connection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        OK_101 "Upgrade: websockets\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT
               "\r\n\r\n",
        OK_101 "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: " ACCEPT
               "\r\n\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        GOOD "Sec-WebSocket-Protocol: chat\r\n\r\n",
        GOOD " folded: header\r\n\r\n",
        GOOD "Name : value\r\n\r\n",
        GOOD "no colon\r\n\r\n",
        GOOD ": no name\r\n\r\n",
        GOOD "Name: \x01\r\n\r\n",
        "HTTP/1.1 1011 x\r\n\r\n",
        "HTTP/2 101 x\r\n\r\n",
        "HTTP/1.0 101 x\r\n" UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(judge(bad[i], &nothing), TROUPE_EPROTOCOL, "%zu %s", i, bad[i]);
        cr_expect_gt(strlen(reason.text), 0);
    }
}

Test(websocket_handshake, take_endless_headers_are_refused)
{
    static char text[40000];
    snprintf(text, sizeof(text), OK_101 "X: ");
    memset(text + strlen(text), 'x', 30000);
    static websocket_answer answer;
    size_t used = 0;
    bool done = false;
    cr_expect_eq(websocket_answer_take(&answer, text, 30000, &used, &done, &reason),
                 TROUPE_EPROTOCOL);
    cr_expect_not_null(strstr(reason.text, "too long"), "%s", reason.text);
    size_t len = (size_t)snprintf(text, sizeof(text), OK_101);
    for (int i = 0; i < 101; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X: y\r\n");
    }
    snprintf(text + len, sizeof(text) - len, "\r\n");
    cr_expect_eq(judge(text, &nothing), TROUPE_EPROTOCOL);
    cr_expect_not_null(strstr(reason.text, "too long"), "%s", reason.text);
}

static void expect_refused(const char *text, troupe_error wanted, const char *words)
{
    websocket_ask ask = {.bearer_token = TOKEN};
    cr_expect_eq(judge(text, &ask), wanted, "%s", text);
    cr_expect_not_null(strstr(reason.text, words), "%s", reason.text);
    cr_expect_null(strstr(reason.text, TOKEN));
}

Test(websocket_handshake, judge_status_decides_the_error)
{
    expect_refused("HTTP/1.1 401 Unauthorized\r\n\r\n", TROUPE_EUNAUTHORIZED, "401");
    expect_refused("HTTP/1.1 403\r\n\r\n", TROUPE_EUNAUTHORIZED, "403");
    expect_refused("HTTP/1.1 407 Proxy\r\n\r\n", TROUPE_EUNAUTHORIZED, "407");
    expect_refused("HTTP/1.1 404 Not Found\r\n\r\n", TROUPE_EPROTOCOL, "404");
    expect_refused("HTTP/1.1 200 OK\r\n\r\n", TROUPE_EPROTOCOL, "200");
    expect_refused("HTTP/1.0 403 Forbidden\r\n\r\n", TROUPE_EUNAUTHORIZED, "403");
    expect_refused("HTTP/1.1 429 Slow\r\n\r\n", TROUPE_EBUSY, "429");
    expect_refused("HTTP/1.1 503 Not now\r\n\r\n", TROUPE_EUNAVAILABLE, "503");
}

Test(websocket_handshake, judge_retry_after_is_kept)
{
    expect_refused("HTTP/1.1 503 x\r\nRetry-After: 120\r\n\r\n", TROUPE_EUNAVAILABLE, "120 s");
    cr_expect_eq(verdict.retry_after_s, 120);
    expect_refused("HTTP/1.1 429 x\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n",
                   TROUPE_EBUSY, "10 s");
    cr_expect_eq(verdict.retry_after_s, 10);
    expect_refused("HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\n\r\n",
                   TROUPE_EUNAVAILABLE, "503");
    cr_expect_eq(verdict.retry_after_s, WEBSOCKET_RETRY_MAX_S);
    expect_refused("HTTP/1.1 503 x\r\nRetry-After: soon\r\n\r\n", TROUPE_EUNAVAILABLE, "503");
    cr_expect_eq(verdict.retry_after_s, 0);
    expect_refused("HTTP/1.1 404 x\r\nRetry-After: 5\r\n\r\n", TROUPE_EPROTOCOL, "404");
    cr_expect_eq(verdict.retry_after_s, 0);
}

Test(websocket_handshake, judge_redirects_name_the_place_without_its_query)
{
    expect_refused("HTTP/1.1 302 Found\r\nLocation: wss://other.test/a\x7f?x=1\r\n\r\n",
                   TROUPE_EPROTOCOL, "malformed");
    expect_refused("HTTP/1.1 302 Found\r\nLocation: wss://other.test/a?x=1\r\n\r\n",
                   TROUPE_EPROTOCOL, "(status 302) to wss://other.test/a, which");
    expect_refused("HTTP/1.1 308 x\r\n\r\n", TROUPE_EPROTOCOL, "to nowhere");
    expect_refused("HTTP/1.1 307 x\r\nLocation: /" TOKEN "/x\r\n\r\n", TROUPE_EPROTOCOL,
                   "our token");
}

Test(websocket_handshake, judge_refusal_quotes_the_first_line_of_its_body)
{
    expect_refused("HTTP/1.1 404 x\r\nContent-Length: 30\r\n\r\n\r\n  No such target id: 7\r\nmore",
                   TROUPE_EPROTOCOL, "404: \"No such target id: 7\"");
    expect_refused("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n0\r\n\r\n",
                   TROUPE_EPROTOCOL, "500: \"sorry\"");
    expect_refused("HTTP/1.1 401 x\r\nContent-Length: 19\r\n\r\nwrong token: " TOKEN,
                   TROUPE_EUNAUTHORIZED, "401");
    expect_refused("HTTP/1.1 400 x\r\nContent-Length: 9\r\n\r\n\x1b[31mred\n", TROUPE_EPROTOCOL,
                   "\"?[31mred");
    expect_refused("HTTP/1.1 400 x\r\nContent-Length: 100\r\n\r\n", TROUPE_EPROTOCOL, "400");
}

Test(websocket_handshake, judge_extension_and_subprotocol_that_were_asked_for)
{
    static const char *const protocols[] = {"a.v2", "a.v1"};
    static const deflate_offer offer = {0};
    websocket_ask ask = {.protocols = protocols, .protocol_count = 2, .deflate = &offer};
    cr_expect_eq(judge(GOOD "Sec-WebSocket-Protocol: a.v1\r\nSec-WebSocket-Extensions: "
                            "permessage-deflate; client_max_window_bits=11\r\n\r\n",
                       &ask),
                 TROUPE_OK, "%s", reason.text);
    cr_expect_str_eq(verdict.protocol, "a.v1");
    cr_expect(verdict.deflate);
    cr_expect_eq(verdict.params.client_bits, 11);
    cr_expect_eq(judge(GOOD "Sec-WebSocket-Protocol: a.v2\r\n\r\n", &ask), TROUPE_OK);
    cr_expect_not(verdict.deflate);
    static const char *const bad[] = {
        GOOD "\r\n",
        GOOD "Sec-WebSocket-Protocol: A.V1\r\n\r\n",
        GOOD "Sec-WebSocket-Protocol: a.v1, a.v2\r\n\r\n",
        GOOD "Sec-WebSocket-Protocol: a.v1\r\nSec-WebSocket-Protocol: a.v1\r\n\r\n",
        GOOD "Sec-WebSocket-Protocol: a.v1\r\nSec-WebSocket-Extensions: x\r\n\r\n",
        GOOD "Sec-WebSocket-Protocol: a.v1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
             "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(judge(bad[i], &ask), TROUPE_EPROTOCOL, "%zu %s", i, bad[i]);
        cr_expect_not(verdict.deflate);
    }
}

Test(websocket_handshake, ask_that_would_smuggle_a_line_is_refused)
{
    static const char *const headers[] = {
        "",
        "Name",
        "Name : x",
        " Name: x",
        ": x",
        "Na\nme: x",
        "Name: x\r\nY: z",
        "Name: x\nY: z",
        "Name: \x7f",
        "Name: \xff",
        "Host: x",
        "connection: x",
        "UPGRADE: h2c",
        "Content-Length: 5",
        "te: x",
        "Transfer-Encoding: chunked",
        "sec-websocket-key: x",
        "Sec-WebSocket-Extensions: x",
        "authorization: Basic x",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        const char *list[] = {"Fine: 1", headers[i], NULL};
        websocket_ask ask = {.headers = list, .bearer_token = TOKEN};
        cr_expect_eq(websocket_ask_check(&ask, &reason), TROUPE_EPARAMS, "%s", headers[i]);
    }
    static const char *const tokens[] = {"", "a b", "a\r\nX: y", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        websocket_ask ask = {.bearer_token = tokens[i]};
        cr_expect_eq(websocket_ask_check(&ask, &reason), TROUPE_EPARAMS, "%s", tokens[i]);
    }
    static const char *const protocols[][2] = {{"a", "a"}, {"a", "b c"}, {"a", ""}, {"a", "b,c"}};
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        websocket_ask ask = {.protocols = protocols[i], .protocol_count = 2};
        cr_expect_eq(websocket_ask_check(&ask, &reason), TROUPE_EPARAMS, "%s", protocols[i][1]);
    }
    static const char *const fine[] = {"Origin: https://a.test", "Authorization: Basic x",
                                       "X-Name:\tv\xc3\xa9", "Cookie: a=b; c=d", NULL};
    websocket_ask ask = {.headers = fine};
    cr_expect_eq(websocket_ask_check(&ask, &reason), TROUPE_OK, "%s", reason.text);
}

Test(websocket_handshake, request_says_what_is_asked_for_and_no_origin)
{
    uri_parts uri;
    static const char *const headers[] = {"X-One: 1", "X-Two: 2", NULL};
    static const char *const protocols[] = {"a.v2", "a.v1"};
    static const deflate_offer offer = {0};
    websocket_ask ask = {.bearer_token = "t0ken",
                         .headers = headers,
                         .protocols = protocols,
                         .protocol_count = 2,
                         .deflate = &offer};
    cr_assert_eq(uri_parse("ws://127.0.0.1:9222/devtools/x?y=1", &uri, NULL), TROUPE_OK);
    char *plain = websocket_handshake_request(&uri, KEY, &nothing);
    char *full = websocket_handshake_request(&uri, KEY, &ask);
    cr_expect_str_eq(plain, "GET /devtools/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:9222\r\n"
                            "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n");
    cr_expect_not_null(strstr(full, "\r\nAuthorization: Bearer t0ken\r\n"));
    cr_expect_not_null(strstr(full, "\r\nX-One: 1\r\nX-Two: 2\r\n"));
    cr_expect_not_null(strstr(full, "\r\nSec-WebSocket-Protocol: a.v2, a.v1\r\n"));
    cr_expect_not_null(strstr(
        full, "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"));
    cr_expect_null(strstr(full, "Origin"));
    cr_expect_str_eq(full + strlen(full) - 4, "\r\n\r\n");
    free(plain);
    free(full);
    uri_parts_fini(&uri);
}
