/* SPDX-License-Identifier: MIT */
/* The HTTP server: endpoints, who may, limits, addresses, stopping. */
#include "actors/bridge/bridge.h"
#include "bridge_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

TestSuite(bridge, .init = open_stage, .fini = close_stage, .timeout = 60);
TestSuite(bridge_bare, .timeout = 60);

#define PAGES "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}"
#define STOP  "{\"jsonrpc\":\"2.0\",\"method\":\"stop\",\"id\":1}"

static int status_of(const char *request)
{
    response got = http_raw(theatre.addresses.port, request);
    int status = got.status;
    response_free(&got);
    return status;
}

Test(bridge, endpoints_answer)
{
    cr_assert_eq(status_of("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    cr_assert_eq(status_of("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    cr_assert_eq(status_of("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    cr_assert_eq(status_of("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    cr_assert_eq(status_of("GET /rpcx HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
    cr_assert_eq(status_of("GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
    response health =
        http_raw(theatre.addresses.port, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    json_t *value = json_loads(health.body, 0, NULL);
    cr_assert_str_eq(json_string_value(json_object_get(value, "status")), "ok");
    cr_assert_eq(json_integer_value(json_object_get(value, "pid")), getpid());
    json_decref(value);
    response_free(&health);
}

Test(bridge, wrong_methods_name_the_right_one)
{
    response got = http_raw(theatre.addresses.port, "GET /rpc HTTP/1.1\r\nHost: localhost\r\n\r\n");
    cr_assert_eq(got.status, 405);
    cr_assert_not_null(strstr(got.head, "Allow: POST\r\n"));
    response_free(&got);
    got = http_raw(theatre.addresses.port, "DELETE /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    cr_assert_eq(got.status, 405);
    cr_assert_not_null(strstr(got.head, "Allow: GET, HEAD\r\n"));
    response_free(&got);
}

Test(bridge, every_answer_has_the_security_headers_and_no_cors)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        ("OPTIONS /rpc HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
         "Access-Control-Request-Method: POST\r\n\r\n"),
        "nonsense\r\n\r\n",
    };
    static const int statuses[] = {200, 404, 403, 403, 400};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        response got = http_raw(theatre.addresses.port, requests[i]);
        cr_assert_eq(got.status, statuses[i], "%s: %d", requests[i], got.status);
        cr_assert_not_null(strstr(got.head, "X-Content-Type-Options: nosniff\r\n"));
        cr_assert_not_null(strstr(got.head, "Cache-Control: no-store\r\n"));
        cr_assert_null(strcasestr(got.head, "Access-Control"));
        response_free(&got);
    }
}

Test(bridge, hostile_headers_are_refused_with_one_clear_line)
{
    static const struct {
        const char *headers;
        int status;
    } rows[] = {
        {"Host: evil.example\r\nContent-Type: application/json\r\n", 403},
        {"Content-Type: application/json\r\n", 403},
        {"Host: localhost\r\nHost: evil.example\r\nContent-Type: application/json\r\n", 400},
        {"Host: localhost\r\nContent-Type: application/json\r\nOrigin: http://evil.example\r\n",
         403},
        {"Host: localhost\r\nContent-Type: application/json\r\nOrigin: null\r\n", 403},
        {"Host: localhost\r\nContent-Type: text/plain\r\n", 415},
        {"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n", 415},
        {"Host: localhost\r\n", 415},
        {"Host: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
         400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[512];
        snprintf(request, sizeof request, "POST /rpc HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n%s",
                 rows[i].headers, strlen(PAGES), PAGES);
        response got = http_raw(theatre.addresses.port, request);
        cr_assert_eq(got.status, rows[i].status, "%s: %d", rows[i].headers, got.status);
        json_t *value = json_loads(got.body, 0, NULL);
        cr_assert(json_string_length(json_object_get(json_object_get(value, "error"), "message")) >
                  0);
        json_decref(value);
        response_free(&got);
    }
}

Test(bridge, token_in_the_query_is_for_websockets_only)
{
    stage_close(&theatre);
    stage_options(&theatre);
    theatre.options.token = "s3cret";
    cr_assert_eq(stage_open(&theatre, NULL), TROUPE_OK);
    uint16_t port = theatre.addresses.port;
    int status;
    response got = http_rpc(port, "", PAGES);
    cr_assert_eq(got.status, 401);
    cr_assert_not_null(strstr(got.head, "WWW-Authenticate: Bearer"));
    response_free(&got);
    got = http_rpc(port, "Authorization: Bearer s3cret\r\n", PAGES);
    cr_assert_eq(got.status, 200);
    response_free(&got);
    cr_assert_eq(status_of("GET /?token=s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n"), 401);
    cr_assert_eq(status_of("GET /healthz HTTP/1.1\r\nHost: anywhere\r\n\r\n"), 200);
    cr_assert_eq(ws_connect(port, "/ws", "", &status), -1);
    cr_assert_eq(status, 401);
    cr_assert_eq(ws_connect(port, "/ws?token=wrong", "", &status), -1);
    int fd = ws_connect(port, "/ws?x=1&token=s3cret", "", &status);
    cr_assert_geq(fd, 0);
    close(fd);
    fd = ws_connect(port, "/ws", "Authorization: Bearer s3cret\r\n", &status);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(ws_connect(port, "/ws?token=s3cret", "Origin: http://evil.example\r\n", &status),
                 -1);
    cr_assert_eq(status, 403);
}

/* In a child of another user: 0 if every attempt was refused. */
static int try_as_other_user(uint16_t port)
{
    if (setgid(65534) != 0 || setuid(65534) != 0) {
        return 1;
    }
    response got = http_rpc(port, "", PAGES);
    int status = 0;
    if (got.status != 403 || ws_connect(port, "/ws", "", &status) != -1 || status != 403) {
        return 2;
    }
    /* Gone before the server looks: a closed socket must not count as root's. */
    for (int i = 0; i < 50; i++) {
        int fd = client_connect(port);
        (void)rpc_send(fd, STOP, strlen(STOP));
        close(fd);
    }
    response open = http_raw(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return open.status == 200 ? 0 : 3;
}

Test(bridge, processes_of_other_users_are_refused)
{
    if (geteuid() != 0) {
        cr_skip("only root can become somebody else");
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(try_as_other_user(theatre.addresses.port));
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
    stage_close(&theatre);
    cr_assert_eq(theatre.stops, 0);
    open_stage();
}

Test(bridge, one_connection_carries_many_requests)
{
    int fd = client_connect(theatre.addresses.port);
    for (int i = 0; i < 100; i++) {
        cr_assert(rpc_send(fd, PAGES, strlen(PAGES)));
        response got = response_read(fd, false);
        cr_assert_eq(got.status, 200);
        response_free(&got);
    }
    close(fd);
}

Test(bridge, connection_header_tells_what_will_happen)
{
    static const struct {
        const char *request;
        const char *expected;
    } rows[] = {
        {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "Connection: keep-alive\r\n"},
        {"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "Connection: close\r\n"},
        {"GET /healthz HTTP/1.0\r\n\r\n", "Connection: close\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        response got = http_raw(theatre.addresses.port, rows[i].request);
        cr_assert_eq(got.status, 200);
        cr_assert_not_null(strstr(got.head, rows[i].expected), "%s", rows[i].request);
        response_free(&got);
    }
}

Test(bridge, refusals_keep_the_connection_in_step)
{
    int fd = client_connect(theatre.addresses.port);
    static const char bad[] = "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n";
    cr_assert(client_send(fd, bad, sizeof bad - 1));
    response got = response_read(fd, false);
    cr_assert_eq(got.status, 404);
    response_free(&got);
    cr_assert(rpc_send(fd, PAGES, strlen(PAGES)));
    got = response_read(fd, false);
    cr_assert_eq(got.status, 200);
    response_free(&got);
    close(fd);
}

Test(bridge, body_of_sixteen_mebibytes_passes_and_a_longer_one_does_not)
{
    size_t max = 16u << 20;
    char *text = malloc(max + 2);
    static const char head[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"query.sql\",\"id\":1,\"params\":[\"";
    memset(text, 'x', max + 1);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + max - 3, "\"]}", 3);
    int fd = client_connect(theatre.addresses.port);
    cr_assert(rpc_send(fd, text, max));
    response got = response_read(fd, false);
    cr_assert_eq(got.status, 200);
    response_free(&got);
    close(fd);
    fd = client_connect(theatre.addresses.port);
    (void)rpc_send(fd, text, max + 1); /* may be cut off while sending */
    got = response_read(fd, false);
    cr_assert_eq(got.status, 413);
    cr_assert_not_null(strstr(got.body, "LIMIT"));
    response_free(&got);
    close(fd);
    free(text);
}

Test(bridge, chunked_bodies_and_expectations_are_understood)
{
    char request[512];
    snprintf(request, sizeof request,
             "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
             strlen(PAGES), PAGES);
    cr_assert_eq(status_of(request), 200);
    int fd = client_connect(theatre.addresses.port);
    snprintf(request, sizeof request,
             "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
             strlen(PAGES));
    cr_assert(client_send(fd, request, strlen(request)));
    char line[26] = "";
    cr_assert_eq(recv(fd, line, 25, MSG_WAITALL), 25);
    cr_assert_str_eq(line, "HTTP/1.1 100 Continue\r\n\r\n");
    cr_assert(client_send(fd, PAGES, strlen(PAGES)));
    response got = response_read(fd, false);
    cr_assert_eq(got.status, 200);
    response_free(&got);
    close(fd);
}

Test(bridge, a_body_that_is_cut_off_harms_nobody)
{
    int fd = client_connect(theatre.addresses.port);
    static const char part[] = "POST /rpc HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    cr_assert(client_send(fd, part, sizeof part - 1));
    shutdown(fd, SHUT_WR);
    response got = response_read(fd, false);
    cr_assert_eq(got.status, 400);
    response_free(&got);
    close(fd);
}

static void *many_requests(void *context)
{
    size_t good = 0;
    (void)context;
    for (int i = 0; i < 50; i++) {
        response got = http_rpc(theatre.addresses.port, "", PAGES);
        good += got.status == 200;
        response_free(&got);
    }
    return (void *)good;
}

Test(bridge, many_clients_at_once)
{
    pthread_t threads[12];
    for (size_t i = 0; i < 12; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, many_requests, NULL), 0);
    }
    for (size_t i = 0; i < 12; i++) {
        void *good;
        pthread_join(threads[i], &good);
        cr_assert_eq((size_t)good, 50);
    }
}

/* How many calls the stub of that name has not answered, asked over a WebSocket. */
static json_int_t calls_open(int ws, const char *name)
{
    json_int_t count = -1;
    cr_assert(ws_send_text(ws, "{\"jsonrpc\":\"2.0\",\"method\":\"actors.list\",\"id\":1}"));
    json_t *answer = ws_read_json(ws);
    json_t *list = json_object_get(json_object_get(answer, "result"), "actors");
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0) {
            count = json_integer_value(json_object_get(row, "calls_open"));
        }
    }
    json_decref(answer);
    return count;
}

Test(bridge, health_is_answered_while_every_other_worker_waits)
{
    enum { WAITING = BRIDGE_WORKERS - BRIDGE_WORKERS_SPARE };
    static const char silent[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"js\",\"params\":[\"silent\"],\"id\":1}";
    int fds[WAITING];
    int ws = ws_connect(theatre.addresses.port, "/ws", "", NULL);
    for (int i = 0; i < WAITING; i++) {
        fds[i] = client_connect(theatre.addresses.port);
        cr_assert(rpc_send(fds[i], silent, sizeof silent - 1));
    }
    while (calls_open(ws, "connections") < WAITING) {
    }
    close(ws);
    response got = http_rpc(theatre.addresses.port, "", PAGES);
    cr_assert_eq(got.status, 503);
    cr_assert_not_null(strstr(got.head, "Retry-After: 1\r\n"));
    response_free(&got);
    cr_assert_eq(status_of("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    /* Stopping answers those that wait. */
    stage_close(&theatre);
    for (int i = 0; i < WAITING; i++) {
        got = response_read(fds[i], false);
        cr_assert_eq(got.status, 200);
        cr_assert_not_null(strstr(got.body, "CANCELLED"));
        response_free(&got);
        close(fds[i]);
    }
    open_stage();
}

/* Addresses
 * ---------------------------------------------------------------------------------------- */

static troupe_error starts_at(bridge_stage *stage, const char *listen, const char *token,
                              troupe_reason *reason)
{
    stage_options(stage);
    stage->options.listen = listen;
    stage->options.token = token;
    reason->text[0] = '\0';
    return stage_open(stage, reason);
}

Test(bridge_bare, busy_ports_are_named)
{
    bridge_stage first;
    bridge_stage second;
    troupe_reason reason;
    cr_assert_eq(starts_at(&first, "127.0.0.1:0", NULL, &reason), TROUPE_OK);
    char same[32];
    char digits[8];
    snprintf(same, sizeof same, "127.0.0.1:%u", (unsigned)first.addresses.port);
    snprintf(digits, sizeof digits, "%u", (unsigned)first.addresses.port);
    cr_assert_eq(starts_at(&second, same, NULL, &reason), TROUPE_EUNAVAILABLE);
    cr_assert_not_null(strstr(reason.text, digits), "%s", reason.text);
    stage_close(&second);
    stage_close(&first);
}

Test(bridge_bare, bad_addresses_are_told)
{
    static const struct {
        const char *listen;
        troupe_error error;
    } rows[] = {
        {"nonsense", TROUPE_EPARAMS},         {"127.0.0.1:x", TROUPE_EPARAMS},
        {"127.0.0.1:70000", TROUPE_EPARAMS},  {":80", TROUPE_EPARAMS},
        {"example.com:80", TROUPE_EPARAMS},   {"0.0.0.0:0", TROUPE_EFORBIDDEN},
        {"203.0.113.7:0", TROUPE_EFORBIDDEN}, {"[::1]:0", TROUPE_EUNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bridge_stage theatre_bad;
        troupe_reason reason;
        cr_assert_eq(starts_at(&theatre_bad, rows[i].listen, NULL, &reason), rows[i].error, "%s",
                     rows[i].listen);
        cr_assert(strlen(reason.text) > 0);
        stage_close(&theatre_bad);
    }
}

Test(bridge_bare, wildcard_with_a_token_is_reachable_by_any_host_name)
{
    bridge_stage open;
    troupe_reason reason;
    cr_assert_eq(starts_at(&open, "0.0.0.0:0", "t", &reason), TROUPE_OK, "%s", reason.text);
    cr_assert_eq(strncmp(open.addresses.url, "http://127.0.0.1:", 17), 0);
    char request[256];
    snprintf(request, sizeof request,
             "GET /health HTTP/1.1\r\nHost: build.example:%u\r\nAuthorization: Bearer t\r\n\r\n",
             (unsigned)open.addresses.port);
    response got = http_raw(open.addresses.port, request);
    cr_assert_eq(got.status, 200);
    response_free(&got);
    stage_close(&open);
}

Test(bridge_bare, localhost_and_the_default_range_work)
{
    bridge_stage named;
    bridge_stage automatic;
    troupe_reason reason;
    cr_assert_eq(starts_at(&named, "localhost:0", NULL, &reason), TROUPE_OK, "%s", reason.text);
    troupe_error error = starts_at(&automatic, NULL, NULL, &reason);
    if (error == TROUPE_OK) {
        cr_assert_geq(automatic.addresses.port, 37650);
        cr_assert_leq(automatic.addresses.port, 37659);
    } else { /* others on this machine have them all */
        cr_assert_not_null(strstr(reason.text, "37650 to 37659"));
    }
    stage_close(&automatic);
    stage_close(&named);
}

Test(bridge_bare, starting_and_stopping_again_and_again)
{
    for (int i = 0; i < 20; i++) {
        bridge_stage again;
        troupe_reason reason;
        cr_assert_eq(starts_at(&again, "127.0.0.1:0", NULL, &reason), TROUPE_OK);
        int idle = client_connect(again.addresses.port); /* keeps a worker waiting */
        response got = http_rpc(again.addresses.port, "", PAGES);
        cr_assert_eq(got.status, 200);
        response_free(&got);
        stage_close(&again);
        close(idle);
    }
}
