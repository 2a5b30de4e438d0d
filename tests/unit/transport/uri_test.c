/* SPDX-License-Identifier: MIT */
#include "transport/uri.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect_parts(const char *url, bool tls, const char *authority, const char *target,
                         const char *http_url, bool loopback)
{
    uri_parts p;
    troupe_reason reason = {{0}};
    cr_assert_eq(uri_parse(url, &p, &reason), TROUPE_OK, "%s: %s", url, reason.text);
    cr_expect_eq(p.tls, tls);
    cr_expect_eq(p.loopback, loopback, "%s", url);
    cr_expect_str_eq(p.authority, authority);
    cr_expect_str_eq(p.target, target);
    cr_expect_str_eq(p.http_url, http_url);
    uri_parts_fini(&p);
}

Test(uri, parse_good_urls_gives_their_parts)
{
    expect_parts("ws://127.0.0.1:9222/devtools/browser/a-b", false, "127.0.0.1:9222",
                 "/devtools/browser/a-b", "http://127.0.0.1:9222/devtools/browser/a-b", true);
    expect_parts("wss://example.com", true, "example.com", "/", "https://example.com", false);
    expect_parts("WSS://example.com:443/a?b=c&d", true, "example.com", "/a?b=c&d",
                 "https://example.com:443/a?b=c&d", false);
    expect_parts("ws://[::1]:80/x", false, "[::1]", "/x", "http://[::1]:80/x", true);
    expect_parts("http://app.localhost:8080", false, "app.localhost:8080", "/",
                 "http://app.localhost:8080", true);
}

Test(uri, parse_names_beyond_ascii_become_what_certificates_say)
{
    expect_parts("wss://b\u00fccher.example:9/\u00fc?a", true, "xn--bcher-kva.example:9",
                 "/\u00fc?a", "https://xn--bcher-kva.example:9/\u00fc?a", false);
    expect_parts("ws://xn--bcher-kva.example", false, "xn--bcher-kva.example", "/",
                 "http://xn--bcher-kva.example", false);
}

Test(uri, parse_addresses_with_a_zone_are_refused_in_words)
{
    uri_parts p;
    troupe_reason reason = {{0}};
    cr_expect_eq(uri_parse("wss://[fe80::1%25eth0]:9222/x", &p, &reason), TROUPE_EPARAMS);
    cr_expect_not_null(strstr(reason.text, "zone"), "%s", reason.text);
    cr_expect_eq(uri_parse("wss://b\xff.example/", &p, &reason), TROUPE_EPARAMS, "%s", reason.text);
}

Test(uri, parse_bad_urls_are_refused_without_echo)
{
    static const char *const bad[] = {
        "",
        "ftp://x/",
        "file:///etc/passwd",
        "ws//x",
        "ws://",
        "ws://x:99999/",
        "ws://x/a b",
        "ws://x/\r\nHost: y",
        "ws://user:secret@x/",
        "ws://x/#secret",
        "127.0.0.1:9222",
        "ws://x:0x/",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uri_parts p;
        troupe_reason reason = {{0}};
        cr_expect_eq(uri_parse(bad[i], &p, &reason), TROUPE_EPARAMS, "%s", bad[i]);
        cr_expect_null(strstr(reason.text, "secret"));
    }
    uri_parts p;
    cr_expect_eq(uri_parse(NULL, &p, NULL), TROUPE_EPARAMS);
}

Test(uri, loopback_hosts_are_told_from_others)
{
    static const char *const local[] = {"localhost", "LOCALHOST", "a.localhost", "127.0.0.1",
                                        "127.8.9.1", "::1",       "[::1]"};
    static const char *const other[] = {
        "localhost.example.com", "128.0.0.1",    "10.0.0.1", "::2", "[]", "",
        "127.0.0.1.example.com", "notlocalhost", "[::1"};
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        cr_expect(uri_host_is_loopback(local[i]), "%s", local[i]);
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        cr_expect_not(uri_host_is_loopback(other[i]), "%s", other[i]);
    }
}

/* --- WebSocket URLs ------------------------------------------------------------------------- */

Test(uri, websocket_check_takes_ws_and_wss)
{
    static const char *const good[] = {
        "ws://example.com",
        "wss://example.com/stream",
        "wss://example.com:8443/a?b=c",
        "WSS://[::1]:9/x",
        "ws://127.0.0.1:9222/devtools/browser/0",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        troupe_reason reason = {{0}};
        cr_expect_eq(websocket_uri_check(good[i], &reason), TROUPE_OK, "%s: %s", good[i],
                     reason.text);
    }
}

Test(uri, websocket_check_has_a_sentence_for_each_way_to_be_none)
{
    static const char *const bad[][2] = {
        {"http://example.com/stream", "scheme is http:"},
        {"https://example.com/stream", "scheme is https:"},
        {"ftp://example.com/stream", "scheme, ftp, is neither"},
        {"example.com/stream", "has no scheme"},
        {"wss:///stream", "names no host"},
        {"not-a-url", "this is no URL"},
        {"", "is empty"},
        {"wss://user:s3cret@example.com/", "contains a user or password"},
        {"wss://example.com/#s3cret", "contains a fragment"},
        {"wss://exa mple.com/?token=s3cret", "malformed"},
        {"wss://example.com:99999/?token=s3cret", "malformed"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        troupe_reason reason = {{0}};
        cr_expect_eq(websocket_uri_check(bad[i][0], &reason), TROUPE_EPARAMS, "%s", bad[i][0]);
        cr_expect_not_null(strstr(reason.text, bad[i][1]), "%s: %s", bad[i][0], reason.text);
        cr_expect_null(strstr(reason.text, "s3cret"), "%s", reason.text);
    }
    cr_expect_eq(websocket_uri_check(NULL, NULL), TROUPE_EPARAMS);
}

static void expect_built(const char *base, const char *session_id, const char *token,
                         const char *wanted)
{
    char *url = NULL;
    troupe_reason reason = {{0}};
    cr_assert_eq(websocket_uri_build(base, session_id, token, &url, &reason), TROUPE_OK, "%s: %s",
                 base, reason.text);
    cr_expect_str_eq(url, wanted);
    free(url);
}

Test(uri, websocket_build_makes_the_url_of_a_session)
{
    expect_built("https://example.com/stream", "s", "t",
                 "wss://example.com/stream?sessionId=s&token=t");
    expect_built("http://example.com/stream", "s", "t",
                 "ws://example.com/stream?sessionId=s&token=t");
    expect_built("example.com/stream", "s", "t", "wss://example.com/stream?sessionId=s&token=t");
    expect_built("wss://example.com/stream", "session@123", "token+456",
                 "wss://example.com/stream?sessionId=session%40123&token=token%2B456");
    expect_built("wss://example.com/stream?role=publish_subscribe", "s", "t",
                 "wss://example.com/stream?role=publish_subscribe&sessionId=s&token=t");
    expect_built("ws://h:1/?token=old&a=%20b&sessionId=old&tokens=kept&&c", "\xC3\xA4 b", "t/=&",
                 "ws://h:1/?a=%20b&tokens=kept&c&sessionId=%C3%A4%20b&token=t%2F%3D%26");
    expect_built("localhost:8080", "s", NULL, "wss://localhost:8080?sessionId=s");
    expect_built("wss://example.com/a?token=old", NULL, NULL, "wss://example.com/a");
    expect_built("wss://example.com?x", NULL, "t", "wss://example.com?x&token=t");
}

Test(uri, websocket_build_refuses_what_no_url_comes_of)
{
    static const char *const bad[][2] = {
        {"ftp://example.com/stream", "scheme, ftp,"},
        {"", "is empty"},
        {"wss:///stream", "names no host"},
        {"https://u:s3cret@example.com", "contains a user or password"},
        {"https://example.com/a#b", "contains a fragment"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *url = NULL;
        troupe_reason reason = {{0}};
        cr_expect_eq(websocket_uri_build(bad[i][0], "s", "s3cret", &url, &reason), TROUPE_EPARAMS,
                     "%s", bad[i][0]);
        cr_expect_null(url);
        cr_expect_not_null(strstr(reason.text, bad[i][1]), "%s: %s", bad[i][0], reason.text);
        cr_expect_null(strstr(reason.text, "s3cret"), "%s", reason.text);
    }
}
