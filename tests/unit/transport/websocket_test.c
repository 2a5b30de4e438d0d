/* SPDX-License-Identifier: MIT */
#include "chromium.h"
#include "collect.h"
#include "server.h"
#include "transport/cdp.h"
#include "transport/websocket.h"

#include <criterion/criterion.h>

#define TOKEN "s3cret-t0ken"

static troupe_error connect_to(const server *s, message_stream **out, troupe_reason *reason)
{
    char url[100];
    bool tls = s->tls_context != NULL;
    snprintf(url, sizeof(url), "%s://127.0.0.1:%d/path?q=1", tls ? "wss" : "ws", s->port);
    websocket_options options = {
        .url = url,
        .bearer_token = TOKEN,
        .ca_file = tls ? s->ca_file : NULL,
    };
    return websocket_connect(&options, out, reason);
}

/* --- the handshake -------------------------------------------------------------------------- */

static void script_answer(server *s)
{
    server_read_request(s);
    (void)server_say(s, s->answer);
}

static void expect_refusal(const char *answer, troupe_error wanted)
{
    server s = {.answer = answer};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    server_start(&s, script_answer);
    cr_expect_eq(connect_to(&s, &stream, &reason), wanted, "%s: %s", answer, reason.text);
    cr_expect_gt(strlen(reason.text), 0);
    cr_expect_null(strstr(reason.text, TOKEN));
    cr_expect_null(stream);
    server_stop(&s);
    cr_expect_not_null(strstr(s.request, "GET /path?q=1 HTTP/1.1\r\n"));
    cr_expect_not_null(strstr(s.request, "\r\nAuthorization: Bearer " TOKEN "\r\n"));
}

Test(websocket, connect_other_answers_are_errors)
{
    expect_refusal("HTTP/1.1 401 Unauthorized\r\n\r\n", TROUPE_EUNAUTHORIZED);
    expect_refusal("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", TROUPE_EUNAUTHORIZED);
    expect_refusal("HTTP/1.1 404 Not Found\r\n\r\n", TROUPE_EPROTOCOL);
    expect_refusal("HTTP/1.1 200 OK\r\n\r\n<html>", TROUPE_EPROTOCOL);
    expect_refusal("HTTP/1.1 101 Switching Protocols\r\n\r\n", TROUPE_EPROTOCOL);
    expect_refusal("SSH-2.0-OpenSSH_9.2\r\n", TROUPE_EPROTOCOL);
    expect_refusal("", TROUPE_EPROTOCOL);
    expect_refusal("\r\n\r\n", TROUPE_EPROTOCOL);
}

static void script_endless_header(server *s)
{
    server_read_request(s);
    (void)server_say(s, "HTTP/1.1 101 Switching Protocols\r\nX: ");
    while (server_say(s, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")) {
    }
}

Test(websocket, connect_endless_header_is_refused)
{
    server s = {0};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    server_start(&s, script_endless_header);
    cr_expect_eq(connect_to(&s, &stream, &reason), TROUPE_EPROTOCOL);
    cr_expect_not_null(strstr(reason.text, "too long"), "%s", reason.text);
    server_stop(&s);
}

Test(websocket, connect_nobody_there_is_unavailable)
{
    server s = {0};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    int bound = server_bind(&s.port); /* bound, but not listening */
    cr_expect_eq(connect_to(&s, &stream, &reason), TROUPE_EUNAVAILABLE, "%s", reason.text);
    close(bound);
}

Test(websocket, connect_bad_options_are_refused)
{
    message_stream *stream = NULL;
    websocket_options bad_url = {.url = "ftp://127.0.0.1/"};
    websocket_options bad_token = {.url = "ws://127.0.0.1/", .bearer_token = "a\r\nX: y"};
    cr_expect_eq(websocket_connect(&bad_url, &stream, NULL), TROUPE_EPARAMS);
    cr_expect_eq(websocket_connect(&bad_token, &stream, NULL), TROUPE_EPARAMS);
}

static void script_silent(server *s)
{
    server_wait_for_end(s);
}

static bool give_up(void *context)
{
    int *asked = context;
    return ++*asked > 3;
}

Test(websocket, connect_silent_server_times_out_or_is_given_up)
{
    server s = {0};
    server t = {0};
    char url[100];
    message_stream *stream = NULL;
    int asked = 0;
    server_start(&s, script_silent);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", s.port);
    websocket_options limited = {.url = url, .connect_timeout_ms = 50};
    cr_expect_eq(websocket_connect(&limited, &stream, NULL), TROUPE_ETIMEOUT);
    server_stop(&s);
    server_start(&t, script_silent);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", t.port);
    websocket_options watched = {.url = url, .abort = give_up, .abort_context = &asked};
    cr_expect_eq(websocket_connect(&watched, &stream, NULL), TROUPE_ECANCELLED);
    server_stop(&t);
}

/* --- messages ------------------------------------------------------------------------------- */

/** Greets together with the answer to the upgrade, then sends back what comes, until a close. */
static void script_echo(server *s)
{
    server_upgrade(s, "\x81\x05hello", 7);
    for (;;) {
        uint8_t first = 0;
        size_t len = 0;
        char *data = server_read_frame(s, &first, &len);
        if (data == NULL) {
            return;
        }
        if (first == 0x88) {
            snprintf(s->seen, sizeof(s->seen), "close %d",
                     len == 2 ? (uint8_t)data[0] << 8 | (uint8_t)data[1] : 0);
        }
        bool ok = first != 0x88 && server_write_frame(s, first, data, len);
        free(data);
        if (!ok) {
            return;
        }
    }
}

static void exchange(server *s, size_t big_len)
{
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    collect c = {0};
    char *big = malloc(big_len);
    for (size_t i = 0; i < big_len; i++) {
        big[i] = (char)('a' + i % 23);
    }
    cr_assert_eq(connect_to(s, &stream, &reason), TROUPE_OK, "%s", reason.text);
    while (c.count == 0) { /* the greeting may stand in TLS's buffer: read first, then poll */
        cr_assert_eq(message_stream_receive(stream, collect_message, &c, &reason), TROUPE_OK);
    }
    cr_expect_str_eq(c.data[0], "hello");
    for (int i = 0; i < 20; i++) {
        char text[20];
        int n = snprintf(text, sizeof(text), "message %d", i);
        cr_assert_eq(message_stream_send(stream, text, (size_t)n), TROUPE_OK);
    }
    cr_assert_eq(collect_until(stream, &c, 21, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_str_eq(c.data[20], "message 19");
    cr_expect_not(websocket_message_is_binary(stream));
    cr_assert_eq(message_stream_send(stream, big, big_len), TROUPE_OK);
    cr_assert_eq(collect_until(stream, &c, 22, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect(c.len[21] == big_len && memcmp(c.data[21], big, big_len) == 0);
    cr_assert_eq(websocket_send_binary(stream, "\0\1", 2), TROUPE_OK);
    cr_assert_eq(collect_until(stream, &c, 23, &reason), TROUPE_OK);
    cr_expect(websocket_message_is_binary(stream) && c.len[22] == 2);
    cr_expect_geq(websocket_received_bytes(stream), big_len);
    message_stream_destroy(stream);
    collect_fini(&c);
    free(big);
}

Test(websocket, echo_of_64_mib_between_small_messages_is_whole)
{
    server s = {0};
    server_start(&s, script_echo);
    exchange(&s, (size_t)64 << 20);
    server_stop(&s);
    cr_expect_str_eq(s.seen, "close 1000");
    cr_expect_null(strstr(s.request, "Origin"));
}

#define FLOOD_BYTES ((size_t)4 << 20)

/** Sends without a pause, then waits. */
static void script_flood(server *s)
{
    static char data[3000]; /* a record each */
    server_upgrade(s, "", 0);
    for (size_t sent = 0; sent < FLOOD_BYTES; sent += sizeof(data)) {
        if (!server_write_frame(s, 0x82, data, sizeof(data))) {
            return;
        }
    }
    server_wait_for_end(s);
}

/** Takes its time, so that the peer is always ahead. */
static void count_bytes(void *context, char *data, size_t len)
{
    (void)data;
    poll(NULL, 0, 1);
    *(size_t *)context += len;
}

Test(websocket, flood_over_tls_is_taken_in_turns_and_what_is_left_is_told)
{
    server s = {0};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    size_t bytes = 0;
    size_t most = 0;
    server_start_tls(&s, script_flood);
    cr_assert_eq(connect_to(&s, &stream, &reason), TROUPE_OK, "%s", reason.text);
    while (bytes < FLOOD_BYTES) {
        struct pollfd entry = {message_stream_read_fd(stream), POLLIN, 0};
        if (!message_stream_pending(stream)) {
            cr_assert_eq(poll(&entry, 1, 20000), 1, "stuck after %zu bytes", bytes);
        }
        uint64_t before = websocket_received_bytes(stream);
        cr_assert_eq(message_stream_receive(stream, count_bytes, &bytes, &reason), TROUPE_OK, "%s",
                     reason.text);
        size_t taken = (size_t)(websocket_received_bytes(stream) - before);
        most = taken > most ? taken : most;
    }
    cr_expect_lt(most, (size_t)2 << 20);
    message_stream_destroy(stream);
    server_stop(&s);
}

Test(websocket, echo_over_tls_is_whole)
{
    server s = {0};
    server_start_tls(&s, script_echo);
    exchange(&s, (size_t)16 << 20);
    server_stop(&s);
    cr_expect_str_eq(s.seen, "close 1000");
}

Test(websocket, connect_untrusted_certificate_is_refused)
{
    server s = {0};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    char url[100];
    server_start_tls(&s, script_echo);
    snprintf(url, sizeof(url), "wss://127.0.0.1:%d/", s.port);
    websocket_options options = {.url = url};
    cr_expect_eq(websocket_connect(&options, &stream, &reason), TROUPE_EPROTOCOL, "%s",
                 reason.text);
    server_stop(&s);
}

static void script_ping(server *s)
{
    uint8_t first = 0;
    size_t len = 0;
    server_upgrade(s, "", 0);
    (void)server_write_frame(s, 0x89, "are you there", 13);
    char *data = server_read_frame(s, &first, &len);
    snprintf(s->seen, sizeof(s->seen), "%02x %s", first, data == NULL ? "" : data);
    free(data);
    (void)server_write_frame(s, 0x81, "thanks", 6);
    (void)server_write_frame(s, 0x88, "\x03\xe8so long", 9);
    server_wait_for_end(s);
}

Test(websocket, receive_ping_is_answered_and_close_is_reported)
{
    server s = {0};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    collect c = {0};
    server_start(&s, script_ping);
    cr_assert_eq(connect_to(&s, &stream, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(collect_until(stream, &c, 2, &reason), TROUPE_ECLOSED);
    cr_expect_eq(c.count, 1);
    cr_expect_not_null(strstr(reason.text, "1000 so long"), "%s", reason.text);
    cr_expect_eq(websocket_close_code(stream), 1000);
    cr_expect_eq(message_stream_send(stream, "x", 1), TROUPE_ECLOSED);
    cr_expect_eq(message_stream_receive(stream, collect_message, &c, &reason), TROUPE_ECLOSED);
    collect_fini(&c);
    message_stream_destroy(stream);
    server_stop(&s);
    cr_expect_str_eq(s.seen, "8a are you there");
}

static void script_drop(server *s)
{
    server_upgrade(s, "\x81\x03one\x81\x05tw", 9);
}

Test(websocket, receive_dropped_connection_delivers_first)
{
    server s = {0};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    collect c = {0};
    server_start(&s, script_drop);
    cr_assert_eq(connect_to(&s, &stream, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(collect_until(stream, &c, 2, &reason), TROUPE_ECLOSED);
    cr_expect_eq(c.count, 1);
    cr_expect_gt(strlen(reason.text), 0);
    cr_expect_eq(websocket_close_code(stream), 0);
    collect_fini(&c);
    message_stream_destroy(stream);
    server_stop(&s);
}

static void script_violation(server *s)
{
    uint8_t first = 0;
    size_t len = 0;
    server_upgrade(s, "\xc1\x01x", 3);
    char *data = server_read_frame(s, &first, &len);
    snprintf(s->seen, sizeof(s->seen), "%02x %d", first,
             len == 2 ? (uint8_t)data[0] << 8 | (uint8_t)data[1] : 0);
    free(data);
}

Test(websocket, receive_violation_closes_with_its_code)
{
    server s = {0};
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    collect c = {0};
    server_start(&s, script_violation);
    cr_assert_eq(connect_to(&s, &stream, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(collect_until(stream, &c, 1, &reason), TROUPE_EPROTOCOL);
    cr_expect_not_null(strstr(reason.text, "reserved bit"), "%s", reason.text);
    message_stream_destroy(stream);
    server_stop(&s);
    cr_expect_str_eq(s.seen, "88 1002");
}

Test(websocket, send_outside_the_limits_is_refused)
{
    server s = {0};
    message_stream *stream = NULL;
    char url[100];
    char data[101] = "";
    server_start(&s, script_echo);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", s.port);
    websocket_options options = {.url = url, .message_max = 100};
    cr_assert_eq(websocket_connect(&options, &stream, NULL), TROUPE_OK);
    cr_expect_eq(message_stream_send(stream, data, 101), TROUPE_ELIMIT);
    cr_expect_eq(message_stream_send(stream, data, 100), TROUPE_OK);
    cr_expect_eq(websocket_ping(stream), TROUPE_OK);
    cr_expect_eq(message_stream_queued(stream), 106 + 6);
    message_stream_destroy(stream);
    server_stop(&s);
}

/* --- Chromium ------------------------------------------------------------------------------- */

Test(websocket, chromium_answers_pipelined_commands_in_order)
{
    chromium browser;
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    troupe_buffer command = {0};
    collect c = {0};
    chromium_start(&browser, false);
    websocket_options options = {.url = browser.url};
    cr_assert_eq(websocket_connect(&options, &stream, &reason), TROUPE_OK, "%s", reason.text);
    for (int i = 0; i < 50; i++) {
        troupe_buffer_clear(&command);
        cr_assert_eq(cdp_write_command(&command, i + 1, "Browser.getVersion", 18, NULL, 0, NULL, 0),
                     TROUPE_OK);
        cr_assert_eq(message_stream_send(stream, command.data, command.len), TROUPE_OK);
    }
    cr_assert_eq(collect_until(stream, &c, 50, &reason), TROUPE_OK, "%s", reason.text);
    for (int i = 0; i < 50; i++) {
        cdp_message m;
        cr_assert_eq(cdp_scan(c.data[i], c.len[i], &m, NULL), TROUPE_OK);
        cr_expect(m.has_id && m.id == i + 1 && m.result.data != NULL);
    }
    collect_fini(&c);
    chromium_stop(&browser);
    cr_expect_eq(collect_until(stream, &c, 1, &reason), TROUPE_ECLOSED);
    troupe_buffer_fini(&command);
    message_stream_destroy(stream);
    close(browser.to);
    close(browser.from);
}

Test(websocket, chromium_takes_a_large_command_as_one_frame)
{
    chromium browser;
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    troupe_buffer command = {0};
    collect c = {0};
    size_t len = (size_t)5 << 20;
    char *params = malloc(len);
    chromium_start(&browser, false);
    websocket_options options = {.url = browser.url};
    cr_assert_eq(websocket_connect(&options, &stream, &reason), TROUPE_OK, "%s", reason.text);
    memset(params, 'x', len);
    memcpy(params, "{\"x\":\"", 6);
    memcpy(params + len - 2, "\"}", 2);
    cr_assert_eq(cdp_write_command(&command, 1, "Browser.getVersion", 18, NULL, 0, params, len),
                 TROUPE_OK);
    cr_assert_eq(message_stream_send(stream, command.data, command.len), TROUPE_OK);
    cr_assert_eq(collect_until(stream, &c, 1, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_not_null(strstr(c.data[0], "\"result\""));
    collect_fini(&c);
    free(params);
    troupe_buffer_fini(&command);
    message_stream_destroy(stream);
    chromium_stop(&browser);
    close(browser.to);
    close(browser.from);
}
