/* SPDX-License-Identifier: MIT */
/* The demo site over a socket: what it answers, and that it counts exactly that. */
#include "actors/cast.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static demo_site *site;
static char url[64];
static char answer[128 * 1024];

static void open_site(void)
{
    troupe_reason reason;
    cr_assert_eq(demo_site_start(&site, url, sizeof url, &reason), TROUPE_OK);
}

static void close_site(void)
{
    demo_site_stop(site);
}

TestSuite(demo_site, .init = open_site, .fini = close_site);

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Send a whole request, read until the site closes; the status. */
static int exchange(const char *format, const char *authority)
{
    char request[1024];
    int fd = dial();
    size_t len = 0;
    int size = snprintf(request, sizeof request, format, authority);
    cr_assert_eq(write(fd, request, (size_t)size), size);
    for (ssize_t got = 1; got > 0 && len<sizeof answer - 1; len += got> 0 ? (size_t)got : 0)
        got = read(fd, answer + len, sizeof answer - 1 - len);
    answer[len] = '\0';
    close(fd);
    return len > 12 ? atoi(answer + 9) : 0;
}

/* "127.0.0.1:PORT" */
static const char *authority(void)
{
    static char text[32];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(url + 7, "/"), url + 7);
    return text;
}

static int get(const char *path)
{
    char format[512];
    snprintf(format, sizeof format, "GET %s HTTP/1.1\r\nHost: %%s\r\n\r\n", path);
    return exchange(format, authority());
}

static json_t *served(const char *path)
{
    cr_assert_eq(get(path), 200);
    json_t *rows = json_loads(strstr(answer, "\r\n\r\n"), 0, NULL);
    cr_assert_not_null(rows);
    return rows;
}

Test(demo_site, each_request_is_counted_with_its_status)
{
    static const struct {
        const char *path;
        int status;
    } EXPECTED[] = {{"/?n=2&run=a", 200},       {"/hop/1?run=a", 302},  {"/hop/2?run=a", 302},
                    {"/hop/3?run=a", 200},      {"/nobody?run=a", 404}, {"/broken?run=a", 200},
                    {"/curtain.png?run=a", 200}};
    size_t count = sizeof EXPECTED / sizeof *EXPECTED;
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(get(EXPECTED[i].path), EXPECTED[i].status, "%s", EXPECTED[i].path);
    get("/?run=other");

    json_t *rows = served("/served?run=a");
    json_t *requests = json_object_get(rows, "requests");
    cr_assert_eq(json_array_size(requests), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(requests, i);
        cr_expect_str_eq(json_string_value(json_object_get(row, "path")), EXPECTED[i].path);
        cr_expect_eq(json_integer_value(json_object_get(row, "status")), EXPECTED[i].status);
    }
    json_decref(rows);
}

Test(demo_site, a_redirect_keeps_the_query)
{
    get("/hop/1?n=4&run=b");
    cr_expect_not_null(strstr(answer, "\r\nLocation: /hop/2?n=4&run=b\r\n"));
}

Test(demo_site, a_broken_response_sends_less_than_it_announced)
{
    get("/broken");
    cr_expect_not_null(strstr(answer, "Content-Length: 65536\r\n"));
    cr_expect_eq(strlen(strstr(answer, "\r\n\r\n") + 4), 1000);
}

Test(demo_site, a_post_comes_back)
{
    int status =
        exchange("POST /post HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\n\r\nhello", authority());
    cr_expect_eq(status, 200);
    cr_expect_str_eq(strstr(answer, "\r\n\r\n") + 4, "hello");
}

Test(demo_site, a_reset_forgets_and_is_not_counted)
{
    get("/");
    cr_expect_eq(exchange("POST /served/reset HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n",
                          authority()),
                 200);
    json_t *rows = served("/served");
    cr_expect_eq(json_array_size(json_object_get(rows, "requests")), 0);
    json_decref(rows);
}

Test(demo_site, the_wrong_method_is_refused)
{
    cr_expect_eq(get("/post"), 405);
    cr_expect_eq(get("/served/reset"), 405);
}

Test(demo_site, another_host_name_is_refused_and_not_counted)
{
    cr_expect_eq(exchange("GET / HTTP/1.1\r\nHost: %s\r\n\r\n", "evil.example"), 403);
    json_t *rows = served("/served");
    cr_expect_eq(json_array_size(json_object_get(rows, "requests")), 0);
    json_decref(rows);
}

Test(demo_site, a_websocket_from_another_origin_is_refused)
{
    int status = exchange("GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
                          "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Origin: http://evil.example\r\n\r\n",
                          authority());
    cr_expect_neq(status, 101);
}

/* Masked with a key of zeros, so that the text stays readable. */
static const char FRAMES[] = "\x81\x83\0\0\0\0one\x89\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8";

Test(demo_site, a_websocket_echoes_and_counts)
{
    static const char REPLY[] = "\x81\x03one\x8a\x00\x88\x02\x03\xe8";
    char handshake[512];
    size_t len = 0;
    int fd = dial();
    int size = snprintf(handshake, sizeof handshake,
                        "GET /echo?run=w HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
                        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        authority());
    cr_assert_eq(write(fd, handshake, (size_t)size), size);
    cr_assert_eq(write(fd, FRAMES, sizeof FRAMES - 1), (ssize_t)sizeof FRAMES - 1);
    for (ssize_t got = 1; got > 0; len += got > 0 ? (size_t)got : 0)
        got = read(fd, answer + len, sizeof answer - len);
    close(fd);
    cr_assert_gt(len, sizeof REPLY - 1);
    cr_expect_eq(memcmp(answer, "HTTP/1.1 101", 12), 0);
    cr_expect_eq(memcmp(answer + len - (sizeof REPLY - 1), REPLY, sizeof REPLY - 1), 0);

    json_t *rows = served("/served?run=w");
    cr_expect_eq(json_integer_value(json_object_get(rows, "messages")), 1);
    json_decref(rows);
}
