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
