/* SPDX-License-Identifier: MIT */
/*
 * `troupe replay serve`: a recorded browser for any client of the DevTools protocol, over a pipe
 * pair or a port. Each client has its own way through the record.
 */
#include "command.h"
#include "value.h"

#include "actors/store/scripted.h"

#include <civetweb.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIPE_IN    3
#define PIPE_OUT   4
#define READ_BYTES ((size_t)64 << 10)
#define BROWSER_ID "recorded"

typedef struct recorded {
    const char *path;
    const char *browser;
    int port;
    struct mg_context *server;
} recorded;

/* The pipe ------------------------------------------------------------------------------------ */

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Messages end with a NUL. A client that has gone is noticed when the pipe is read. */
static void send_pipe(void *context, const char *text, size_t len)
{
    (void)context;
    (void)(write_all(PIPE_OUT, text, len) && write_all(PIPE_OUT, "", 1));
}

static void take_messages(scripted *script, troupe_buffer *received)
{
    const char *end;
    size_t at = 0;
    while (!scripted_ended(script) && at < received->len &&
           (end = memchr(received->data + at, 0, received->len - at)) != NULL) {
        size_t len = (size_t)(end - (const char *)received->data) - at;
        scripted_receive(script, (const char *)received->data + at, len);
        at += len + 1;
    }
    memmove(received->data, received->data + at, received->len - at);
    received->len -= at;
}

static int serve_pipe(const recorded *what)
{
    troupe_reason reason = {{0}};
    troupe_buffer received = {0};
    scripted *script = NULL;
    troupe_error error =
        scripted_open(what->path, what->browser, send_pipe, NULL, &script, &reason);
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text);
        return CLI_FAILED;
    }
    for (ssize_t n = 1; n != 0 && !scripted_ended(script);) {
        if (troupe_buffer_reserve(&received, READ_BYTES) != TROUPE_OK) {
            break;
        }
        n = read(PIPE_IN, received.data + received.len, READ_BYTES);
        if (n < 0 && errno != EINTR) {
            cli_error("descriptor %d: %s (a client starts this with pipes on 3 and 4)", PIPE_IN,
                      strerror(errno));
            break;
        }
        received.len += n > 0 ? (size_t)n : 0;
        take_messages(script, &received);
    }
    scripted_close(script);
    troupe_buffer_fini(&received);
    return CLI_OK;
}

/* The port ------------------------------------------------------------------------------------ */

static void send_websocket(void *context, const char *text, size_t len)
{
    (void)mg_websocket_write(context, MG_WEBSOCKET_OPCODE_TEXT, text, len);
}

static void send_nowhere(void *context, const char *text, size_t len)
{
    (void)context;
    (void)text;
    (void)len;
}

/* Only names of this machine: a page of some site must not reach it by a name of its own. */
static bool is_local(const struct mg_connection *connection)
{
    const char *host = mg_get_header(connection, "Host");
    size_t len = host != NULL ? strcspn(host, ":") : 0;
    return host != NULL && mg_get_header(connection, "Origin") == NULL &&
           ((len == 9 && strncmp(host, "127.0.0.1", 9) == 0) ||
            (len == 9 && strncmp(host, "localhost", 9) == 0));
}

static json_t *page_address(const recorded *what, const char *kind, const char *id)
{
    return json_sprintf("ws://127.0.0.1:%d/devtools/%s/%s", what->port, kind, id);
}

static json_t *pages_of(const recorded *what, scripted *script)
{
    size_t i;
    json_t *info;
    json_t *pages = json_array();
    json_t *targets = scripted_targets(script);
    json_array_foreach(targets, i, info)
    {
        json_t *id = json_object_get(info, "targetId");
        json_array_append_new(pages, json_pack("{s:O,s:O,s:O,s:O,s:o}", "id", id, "type",
                                               json_object_get(info, "type"), "title",
                                               json_object_get(info, "title"), "url",
                                               json_object_get(info, "url"), "webSocketDebuggerUrl",
                                               page_address(what, "page", json_string_value(id))));
    }
    json_decref(targets);
    return pages;
}

static json_t *discovery_of(const recorded *what, const char *path, scripted *script)
{
    if (strncmp(path, "/json/version", 13) != 0) {
        return pages_of(what, script);
    }
    json_t *version = scripted_version(script);
    json_object_set_new(version, "webSocketDebuggerUrl", page_address(what, "browser", BROWSER_ID));
    return version;
}

static int on_request(struct mg_connection *connection, void *context)
{
    const recorded *what = context;
    const char *path = mg_get_request_info(connection)->local_uri;
    troupe_reason reason = {{0}};
    scripted *script = NULL;
    bool known = strncmp(path, "/json", 5) == 0;
    if (!known || !is_local(connection)) {
        return mg_send_http_error(connection, known ? 403 : 404, "%s",
                                  known ? "not from here" : "/json/version, /json/list");
    }
    if (scripted_open(what->path, what->browser, send_nowhere, NULL, &script, &reason) !=
        TROUPE_OK) {
        return mg_send_http_error(connection, 500, "%s", reason.text);
    }
    json_t *body = discovery_of(what, path, script);
    char *text = json_dumps(body, JSON_INDENT(3));
    mg_send_http_ok(connection, "application/json; charset=UTF-8",
                    text != NULL ? (long long)strlen(text) : 0);
    if (text != NULL) {
        (void)mg_write(connection, text, strlen(text));
    }
    free(text);
    json_decref(body);
    scripted_close(script);
    return 200;
}

/* 0 accepts. */
static int on_connect(const struct mg_connection *connection, void *context)
{
    (void)context;
    return is_local(connection) ? 0 : 1;
}

static void on_ready(struct mg_connection *connection, void *context)
{
    const recorded *what = context;
    const char *page = strstr(mg_get_request_info(connection)->local_uri, "/page/");
    troupe_reason reason = {{0}};
    scripted *script = NULL;
    troupe_error error =
        scripted_open(what->path, what->browser, send_websocket, connection, &script, &reason);
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text);
    } else if (page != NULL && !scripted_attach(script, page + 6)) {
        cli_error("no page %s in the record", page + 6);
        scripted_close(script);
        script = NULL;
    }
    mg_set_user_connection_data(connection, script);
}

/* 0 ends the connection. */
static int on_message(struct mg_connection *connection, int bits, char *data, size_t len,
                      void *context)
{
    scripted *script = mg_get_user_connection_data(connection);
    int opcode = bits & 0xf;
    (void)context;
    if (script == NULL || opcode == MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE) {
        return 0;
    }
    if (opcode == MG_WEBSOCKET_OPCODE_PING) {
        return mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_PONG, data, len) > 0;
    }
    if (opcode == MG_WEBSOCKET_OPCODE_TEXT) {
        scripted_receive(script, data, len);
    }
    return scripted_ended(script) ? 0 : 1;
}

static void on_close(const struct mg_connection *connection, void *context)
{
    scripted *script = mg_get_user_connection_data(connection);
    (void)context;
    if (script != NULL) {
        scripted_close(script);
    }
}

static bool listen_on(recorded *what, const char *port, char *text, size_t text_size)
{
    const char *options[] = {"listening_ports",      port,       "num_threads", "8",
                             "websocket_timeout_ms", "86400000", NULL};
    struct mg_callbacks callbacks = {0};
    struct mg_init_data init = {&callbacks, what, options};
    struct mg_error_data error = {.text = text, .text_buffer_size = text_size};
    struct mg_server_port bound;
    what->server = mg_start2(&init, &error);
    if (what->server == NULL) {
        return false;
    }
    what->port = mg_get_server_ports(what->server, 1, &bound) == 1 ? bound.port : 0;
    mg_set_request_handler(what->server, "/json", on_request, what);
    mg_set_websocket_handler(what->server, "/devtools", on_connect, on_ready, on_message, on_close,
                             what);
    return true;
}

static int serve_port(recorded *what, uint64_t port)
{
    char address[64];
    char text[256] = "";
    sigset_t ends;
    int signal;
    snprintf(address, sizeof address, "127.0.0.1:%llu", (unsigned long long)port);
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before there are threads */
    mg_init_library(0);
    if (!listen_on(what, address, text, sizeof text)) {
        cli_error("%s: %s", address, text);
        mg_exit_library();
        return CLI_FAILED;
    }
    fprintf(stderr, "DevTools listening on ws://127.0.0.1:%d/devtools/browser/" BROWSER_ID "\n",
            what->port);
    (void)sigwait(&ends, &signal);
    mg_stop(what->server);
    mg_exit_library();
    return CLI_OK;
}

/* What is wrong with the file is said before anybody connects. */
static int check(const recorded *what)
{
    troupe_reason reason = {{0}};
    scripted *script = NULL;
    if (scripted_open(what->path, what->browser, send_nowhere, NULL, &script, &reason) !=
        TROUPE_OK) {
        cli_error("%s", reason.text);
        return CLI_FAILED;
    }
    scripted_close(script);
    return CLI_OK;
}

int run_replay_serve(cli *self)
{
    const char *port = args_string(&self->args, "port");
    uint64_t number = 0;
    recorded what = {.path = args_word(&self->args, 0),
                     .browser = args_string(&self->args, "browser")};
    if (port != NULL && (!value_uint(port, &number) || number > 65535)) {
        cli_error("--port: %s is no port", port);
        return CLI_USAGE;
    }
    int status = check(&what);
    if (status != CLI_OK) {
        return status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return args_flag(&self->args, "pipe") ? serve_pipe(&what) : serve_port(&what, number);
}
