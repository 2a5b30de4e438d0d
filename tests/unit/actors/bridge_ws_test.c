/* SPDX-License-Identifier: MIT */
/* GET /ws over real sockets: handshake, frames, concurrency, events, slow and hostile peers. */
#include "actors/bridge/bridge.h"
#include "bridge_fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bridge_stage theatre;

static void open_stage(void)
{
    troupe_reason reason = {""};
    stage_options(&theatre);
    cr_assert_eq(stage_open(&theatre, &reason), TROUPE_OK, "%s", reason.text);
}

static void close_stage(void)
{
    stage_close(&theatre);
}

TestSuite(bridge_ws, .init = open_stage, .fini = close_stage, .timeout = 120);

static int connected(void)
{
    int fd = ws_connect(theatre.addresses.port, "/ws", "", NULL);
    cr_assert_geq(fd, 0);
    return fd;
}

/* Send a request and read its answer's result. */
static json_t *ask(int fd, const char *request)
{
    cr_assert(ws_send_text(fd, request));
    json_t *answer = ws_read_json(fd);
    cr_assert_not_null(answer, "%s", request);
    json_t *result = json_incref(json_object_get(answer, "result"));
    json_decref(answer);
    return result;
}

static const char *member(const json_t *value, const char *name)
{
    const char *text = json_string_value(json_object_get(value, name));
    return text != NULL ? text : "";
}

Test(bridge_ws, requests_are_answered)
{
    int fd = connected();
    json_t *result = ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}");
    cr_assert_str_eq(member(result, "actor"), "connections");
    json_decref(result);
    result = ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"clients.list\",\"id\":2}");
    json_t *row = json_array_get(json_object_get(result, "clients"), 0);
    cr_assert_str_eq(member(row, "name"), "client/1");
    json_decref(result);
    close(fd);
}

Test(bridge_ws, offered_subprotocol_is_accepted)
{
    int fd = client_connect(theatre.addresses.port);
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: other, jsonrpc\r\n\r\n";
    cr_assert(client_send(fd, request, sizeof request - 1));
    response answer = response_read(fd, false);
    cr_assert_eq(answer.status, 101);
    cr_assert_not_null(strstr(answer.head, "Sec-WebSocket-Protocol: jsonrpc\r\n"));
    response_free(&answer);
    close(fd);
}

Test(bridge_ws, bad_handshakes_are_refused)
{
    static const struct {
        const char *headers;
        int status;
    } rows[] = {
        {"", 426},
        {"Upgrade: websocket\r\nConnection: close\r\n", 426},
        {"Upgrade: h2c\r\nConnection: Upgrade\r\n", 426},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
         426},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", 400},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: short\r\n",
         400},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.example\r\n",
         403},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[512];
        snprintf(request, sizeof request, "GET /ws HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                 rows[i].headers);
        response answer = http_raw(theatre.addresses.port, request);
        cr_assert_eq(answer.status, rows[i].status, "%s: %d", rows[i].headers, answer.status);
        response_free(&answer);
    }
}

Test(bridge_ws, our_own_page_may_connect)
{
    char headers[80];
    snprintf(headers, sizeof headers, "Origin: http://127.0.0.1:%u\r\n",
             (unsigned)theatre.addresses.port);
    int fd = ws_connect(theatre.addresses.port, "/ws", headers, NULL);
    cr_assert_geq(fd, 0);
    close(fd);
}

Test(bridge_ws, answers_overtake_slow_calls)
{
    int fd = connected();
    cr_assert(ws_send_text(
        fd, "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"hold\"],\"id\":\"slow\"}"));
    json_t *result = ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":\"fast\"}");
    cr_assert_str_eq(member(result, "verb"), "pages");
    json_decref(result);
    cr_assert(ws_send_text(
        fd, "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"release\"],\"id\":\"r\"}"));
    for (int i = 0; i < 2; i++) {
        json_t *answer = ws_read_json(fd);
        if (strcmp(member(answer, "id"), "slow") == 0) {
            cr_assert_str_eq(member(answer, "result"), "released");
        } else {
            cr_assert_str_eq(member(answer, "id"), "r");
        }
        json_decref(answer);
    }
    close(fd);
}

Test(bridge_ws, two_thousand_in_flight_are_each_answered_once)
{
    enum { COUNT = 2000 };
    static bool seen[COUNT];
    int fd = connected();
    for (int i = 0; i < COUNT; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":%d}", i);
        cr_assert(ws_send_text(fd, text));
    }
    for (int i = 0; i < COUNT; i++) {
        json_t *answer = ws_read_json(fd);
        json_int_t id = json_integer_value(json_object_get(answer, "id"));
        cr_assert_not_null(json_object_get(answer, "result"));
        cr_assert_not(seen[id]);
        seen[id] = true;
        json_decref(answer);
    }
    close(fd);
}

Test(bridge_ws, batches_and_errors_as_over_http)
{
    int fd = connected();
    cr_assert(ws_send_text(
        fd, "[{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1},"
            "{\"jsonrpc\":\"2.0\",\"method\":\"status\"},7,"
            "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"fault\"],\"id\":2}]"));
    json_t *answer = ws_read_json(fd);
    cr_assert_eq(json_array_size(answer), 3);
    json_t *fault = json_object_get(json_array_get(answer, 2), "error");
    cr_assert_eq(json_integer_value(json_object_get(fault, "code")), -32009);
    cr_assert_str_eq(member(json_object_get(fault, "data"), "hint"), "x");
    json_decref(answer);
    cr_assert(ws_send_text(fd, "{nonsense"));
    answer = ws_read_json(fd);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
                 -32700);
    json_decref(answer);
    close(fd);
}

Test(bridge_ws, deep_nesting_does_not_overflow_the_small_stack)
{
    int fd = connected();
    size_t depth = 200000;
    char *text = malloc(depth + 1);
    memset(text, '[', depth);
    text[depth] = '\0';
    cr_assert(ws_send_text(fd, text));
    json_t *answer = ws_read_json(fd);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
                 -32008);
    json_decref(answer);
    /* As deep as is allowed. */
    static const char head[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"query.sql\",\"id\":1,\"params\":[\"x\",";
    size_t len = sizeof head - 1;
    memcpy(text, head, len);
    memset(text + len, '[', 126);
    memset(text + len + 126, ']', 126);
    memcpy(text + len + 252, "]}", 3);
    json_t *result = ask(fd, text);
    cr_assert_str_eq(member(result, "verb"), "query.sql");
    json_decref(result);
    free(text);
    close(fd);
}

Test(bridge_ws, fragments_are_put_together_and_pings_answered_between_them)
{
    int fd = connected();
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":\"\xc3\xa4\"}";
    size_t len = sizeof text - 1;
    char *data;
    size_t got;
    for (size_t i = 0; i < len; i++) {
        uint8_t first = (uint8_t)((i == len - 1 ? 0x80 : 0) | (i == 0 ? 1 : 0));
        cr_assert(ws_send_frame(fd, first, text + i, 1, true));
        if (i == 5) {
            cr_assert(ws_send_frame(fd, 0x89, "hello", 5, true));
        }
    }
    cr_assert_eq(ws_read_frame(fd, &data, &got), 0x8a);
    cr_assert_str_eq(data, "hello");
    free(data);
    json_t *answer = ws_read_json(fd);
    cr_assert_str_eq(member(answer, "id"), "\xc3\xa4");
    json_decref(answer);
    close(fd);
}

static void closes_with(int fd, int code)
{
    cr_assert_eq(ws_read_close(fd), code);
    close(fd);
}

Test(bridge_ws, broken_frames_close_the_connection_with_the_right_code)
{
    int fd = connected();
    ws_send_frame(fd, 0x81, "{}", 2, false); /* not masked */
    closes_with(fd, 1002);
    fd = connected();
    ws_send_frame(fd, 0x85, "{}", 2, true); /* reserved opcode */
    closes_with(fd, 1002);
    fd = connected();
    ws_send_frame(fd, 0xc1, "{}", 2, true); /* RSV1 without an extension */
    closes_with(fd, 1002);
    fd = connected();
    ws_send_frame(fd, 0x80, "{}", 2, true); /* continuation of nothing */
    closes_with(fd, 1002);
    fd = connected();
    ws_send_frame(fd, 0x81, "\xff\xfe", 2, true); /* no UTF-8 */
    closes_with(fd, 1007);
    fd = connected();
    ws_send_frame(fd, 0x82, "\x01", 1, true); /* no envelope */
    closes_with(fd, 1007);
    fd = connected();
    ws_send_frame(fd, 0x88, "\x03\xe8", 2, true); /* normal close */
    closes_with(fd, 1000);
}

Test(bridge_ws, declared_length_beyond_the_cap_is_refused_at_once)
{
    int fd = connected();
    static const uint8_t head[] = {0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff,
                                   0,    0,    1, 2, 3, 4, 5}; /* one byte of it */
    cr_assert(client_send(fd, head, sizeof head));
    closes_with(fd, 1009);
}

Test(bridge_ws, fragments_beyond_the_cap_are_refused)
{
    int fd = connected();
    char *chunk = calloc(1, 65536);
    memset(chunk, ' ', 65536);
    cr_assert(ws_send_frame(fd, 0x01, chunk, 65536, true));
    for (int i = 0; i < 16; i++) {
        (void)ws_send_frame(fd, 0x00, chunk, 65536, true);
    }
    free(chunk);
    closes_with(fd, 1009);
}

Test(bridge_ws, clients_beyond_the_maximum_get_503_and_places_come_back)
{
    int fds[8];
    int status = 0;
    for (int i = 0; i < 8; i++) {
        fds[i] = connected();
    }
    cr_assert_eq(ws_connect(theatre.addresses.port, "/ws", "", &status), -1);
    cr_assert_eq(status, 503);
    response health = http_raw(theatre.addresses.port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(health.status, 200);
    response_free(&health);
    ws_send_frame(fds[0], 0x88, "\x03\xe8", 2, true);
    cr_assert_eq(ws_read_close(fds[0]), 1000);
    char end;
    cr_assert_eq(recv(fds[0], &end, 1, 0), 0);
    close(fds[0]);
    /* The place is free a moment after the connection ended. */
    while ((fds[0] = ws_connect(theatre.addresses.port, "/ws", "", &status)) < 0) {
        cr_assert_eq(status, 503);
    }
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
}

Test(bridge_ws, half_a_frame_holds_nobody_up)
{
    int fds[7];
    static const uint8_t half[] = {0x81, 0xfe, 0x01, 0x00, 1, 2};
    for (int i = 0; i < 7; i++) {
        fds[i] = connected();
        cr_assert(client_send(fds[i], half, sizeof half));
    }
    int fd = connected();
    json_t *result = ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}");
    cr_assert_str_eq(member(result, "verb"), "pages");
    json_decref(result);
    response got =
        http_rpc(theatre.addresses.port, "", "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}");
    cr_assert_eq(got.status, 200);
    response_free(&got);
    close(fd);
    for (int i = 0; i < 7; i++) {
        close(fds[i]);
    }
}

Test(bridge_ws, events_arrive_as_notifications)
{
    int fd = connected();
    json_t *result =
        ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"events.subscribe\",\"params\":{\"topics\":"
                "[\"network\",\"console\"]},\"id\":1}");
    cr_assert_eq(json_array_size(json_object_get(result, "topics")), 2);
    json_decref(result);
    stage_emit(&theatre, "network", "p1:abc", 2, 10);
    for (int i = 0; i < 2; i++) {
        json_t *event = ws_read_json(fd);
        json_t *params = json_object_get(event, "params");
        cr_assert_str_eq(member(event, "method"), "event");
        cr_assert_null(json_object_get(event, "id"));
        cr_assert_str_eq(member(params, "topic"), "network");
        cr_assert_eq(json_integer_value(json_object_get(json_object_get(params, "data"), "n")), i);
        json_decref(event);
    }
    close(fd);
}

Test(bridge_ws, events_are_filtered_by_target_and_topic)
{
    int fd = connected();
    json_decref(ask(fd,
                    "{\"jsonrpc\":\"2.0\",\"method\":\"events.subscribe\",\"params\":{\"topics\":"
                    "\"console\",\"targets\":[\"p1:\"]},\"id\":1}"));
    stage_emit(&theatre, "network", "p1:abc", 1, 1);
    stage_emit(&theatre, "console", "p2:abc", 1, 1);
    stage_emit(&theatre, "console", "p1:def", 1, 1);
    json_t *event = ws_read_json(fd);
    cr_assert_str_eq(member(json_object_get(json_object_get(event, "params"), "data"), "target"),
                     "p1:def");
    json_decref(event);
    json_t *result = ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"events.unsubscribe\",\"id\":2}");
    cr_assert_eq(json_array_size(json_object_get(result, "topics")), 0);
    json_decref(result);
    stage_emit(&theatre, "console", "p1:def", 1, 1);
    /* Calls to the store pass it after the event: the answer is the next thing to come. */
    result = ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"events.subscribe\",\"params\":[\"target\"],"
                     "\"id\":3}");
    cr_assert_eq(json_array_size(json_object_get(result, "topics")), 1);
    json_decref(result);
    close(fd);
}

Test(bridge_ws, unknown_topics_are_refused)
{
    int fd = connected();
    cr_assert(ws_send_text(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"events.subscribe\",\"params\":"
                               "{\"topics\":[\"weather\"]},\"id\":1}"));
    json_t *answer = ws_read_json(fd);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
                 -32602);
    json_decref(answer);
    close(fd);
}

Test(bridge_ws, events_for_a_slow_client_are_shed_and_counted)
{
    enum { COUNT = 600, PAD = 32768 };
    int slow = connected();
    int quick = connected();
    json_decref(ask(slow, "{\"jsonrpc\":\"2.0\",\"method\":\"events.subscribe\",\"params\":"
                          "[[\"network\"]],\"id\":1}"));
    for (int round = 0; round < 20; round++) {
        stage_emit(&theatre, "network", "p1:a", COUNT / 20, PAD);
        /* Others are served all the while. */
        json_t *result = ask(quick, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}");
        cr_assert_str_eq(member(result, "verb"), "pages");
        json_decref(result);
    }
    stage_emit(&theatre, "console", "p1:a", 1, 1); /* behind them all */
    json_int_t arrived = 0;
    json_int_t missed = 0;
    while (arrived + missed < COUNT) {
        json_t *event = ws_read_json(slow);
        cr_assert_not_null(event, "%lld arrived, %lld missed", (long long)arrived,
                           (long long)missed);
        json_t *params = json_object_get(event, "params");
        if (strcmp(member(params, "topic"), "gap") == 0) {
            missed += json_integer_value(json_object_get(json_object_get(params, "data"), "count"));
        } else {
            arrived++;
        }
        json_decref(event);
    }
    cr_assert_eq(arrived + missed, COUNT);
    close(slow);
    close(quick);
}

Test(bridge_ws, big_results_arrive_whole)
{
    int fd = connected();
    json_t *result =
        ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"big:67108864\"],\"id\":1}");
    cr_assert_eq(json_string_length(result), 67108864);
    json_decref(result);
    close(fd);
}

Test(bridge_ws, a_peer_that_vanishes_leaves_its_calls_behind)
{
    for (int i = 0; i < 20; i++) {
        int fd = -1;
        int status;
        while ((fd = ws_connect(theatre.addresses.port, "/ws", "", &status)) < 0) {
            cr_assert_eq(status, 503);
        }
        cr_assert(ws_send_text(
            fd, "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"silent\"],\"id\":1}"));
        struct linger reset = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
}

Test(bridge_ws, a_peer_that_takes_nothing_is_disconnected)
{
    theatre.bridge->client_tick_ms = 50;
    theatre.bridge->client_stall_ms = 200;
    int fd = connected();
    cr_assert(ws_send_text(
        fd, "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"big:67108864\"],\"id\":1}"));
    struct pollfd poller = {.fd = fd};
    cr_assert_eq(poll(&poller, 1, 40000), 1);
    cr_assert(poller.revents & (POLLHUP | POLLERR));
    close(fd);
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

/* Connect, use and close once; returns when the host has let go of it. */
static void visit(void)
{
    int fd = connected();
    json_decref(ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}"));
    ws_send_frame(fd, 0x88, "\x03\xe8", 2, true);
    cr_assert_eq(ws_read_close(fd), 1000);
    close(fd);
    json_int_t left = 1;
    while (left > 0) {
        json_t *answer =
            rpc_value(&theatre, "{\"jsonrpc\":\"2.0\",\"method\":\"clients.list\",\"id\":1}");
        left = (json_int_t)json_array_size(
            json_object_get(json_object_get(answer, "result"), "clients"));
        json_decref(answer);
    }
}

Test(bridge_ws, a_hundred_visits_leave_no_descriptor_and_no_thread)
{
    for (int i = 0; i < 10; i++) {
        visit();
    }
    int descriptors = count_entries("/proc/self/fd");
    int threads = count_entries("/proc/self/task");
    for (int i = 0; i < 100; i++) {
        visit();
    }
    cr_assert_leq(count_entries("/proc/self/fd"), descriptors + 3);
    cr_assert_leq(count_entries("/proc/self/task"), threads + 1);
}

Test(bridge_ws, stopping_says_goodbye)
{
    int fd = connected();
    json_decref(ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}"));
    stage_close(&theatre);
    closes_with(fd, 1001);
    open_stage();
}

Test(bridge_ws, stop_is_answered_first)
{
    int fd = connected();
    json_t *result = ask(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"stop\",\"id\":1}");
    cr_assert(json_is_true(json_object_get(result, "stopping")));
    json_decref(result);
    stage_close(&theatre);
    cr_assert_eq(theatre.stops, 1);
    close(fd);
    open_stage();
}
