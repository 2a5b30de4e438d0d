/* SPDX-License-Identifier: MIT */
/*
 * The demo site: a page that does everything a recorder has to see, on a loopback port of its own.
 *
 * It has its own civetweb context, whose worker threads know nothing of the actor system. Answers
 * are never kept alive: an idle connection would hold one of the few workers. The ledger counts
 * what was served; GET /served tells, POST /served/reset forgets.
 */
#include "actors/cast.h"
#include "actors/demo/ledger.h"
#include "actors/demo/page.h"

#include <civetweb.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LEDGER_ROWS     100000
#define WEBSOCKETS_MAX  12 /* each holds one worker; there are 16 */
#define ECHO_BYTES_MAX  65536
#define BROKEN_PROMISED 65536 /* what /broken announces … */
#define BROKEN_SENT     1000  /* … and what it sends */
#define STREAM_CHUNK    8192
#define STREAM_CHUNKS   4096

struct demo_site {
    struct mg_context *server;
    ledger *book;
    atomic_int websockets; /* open now */
    uint16_t port;         /* these two are fixed before the URL is given to anybody */
    char authority[32];    /* "127.0.0.1:PORT" */
};

/* One request on its way. */
typedef struct exchange {
    demo_site *site;
    struct mg_connection *connection;
    const struct mg_request_info *info;
    uint64_t row;   /* in the ledger */
    int status;     /* what was answered */
    uint64_t bytes; /* of body sent */
} exchange;

/* Answering --------------------------------------------------------------------------------- */

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 302:
        return "Found";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    default:
        return "Internal Server Error";
    }
}

static void send_head(exchange *ex, int status, const char *type, size_t length, const char *extra)
{
    ex->status = status;
    mg_printf(ex->connection,
              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
              "Cache-Control: no-store\r\nConnection: close\r\n%s\r\n",
              status, status_text(status), type, length, extra);
}

static void send_body(exchange *ex, const void *data, size_t len)
{
    int sent = len > 0 ? mg_write(ex->connection, data, len) : 0;
    if (sent > 0)
        ex->bytes += (uint64_t)sent;
}

static void answer(exchange *ex, int status, const char *type, const void *data, size_t len)
{
    send_head(ex, status, type, len, "");
    send_body(ex, data, len);
}

static void answer_text(exchange *ex, int status, const char *text)
{
    answer(ex, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void answer_json(exchange *ex, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_INDENT(1)) : NULL;
    if (text)
        answer(ex, 200, "application/json", text, strlen(text));
    else
        answer_text(ex, 500, "out of memory\n");
    free(text);
    json_decref(value);
}

/* Routes ------------------------------------------------------------------------------------ */

static void serve_file(exchange *ex, const page_file *file)
{
    page_query query;
    size_t len = file->len;
    char *filled = NULL;
    if (file->is_template) {
        page_query_read(ex->info->query_string, &query);
        filled = page_fill(file, &query, &len);
        if (!filled) {
            answer_text(ex, 500, "out of memory\n");
            return;
        }
    }
    answer(ex, 200, file->type, filled ? (const void *)filled : file->data, len);
    free(filled);
}

/* /hop/1 leads to /hop/2, that to /hop/3, which is there. */
static void serve_hop(exchange *ex)
{
    int hop = ex->info->local_uri[5] - '0';
    char location[1200];
    if (hop >= 3) {
        answer_text(ex, 200, "you have arrived\n");
        return;
    }
    const char *query = ex->info->query_string;
    int len = snprintf(location, sizeof location, "Location: /hop/%d%s%s\r\n", hop + 1,
                       query ? "?" : "", query ? query : "");
    if (len < 0 || (size_t)len >= sizeof location)
        answer_text(ex, 404, "that query is too long\n");
    else
        send_head(ex, 302, "text/plain", 0, location);
}

/* A response that ends before all that was announced has come. */
static void serve_broken(exchange *ex)
{
    char part[BROKEN_SENT];
    memset(part, '.', sizeof part);
    send_head(ex, 200, "application/octet-stream", BROKEN_PROMISED, "");
    send_body(ex, part, sizeof part);
}

/* More than anybody reads: the page gives up once it has begun. */
static void serve_stream(exchange *ex)
{
    char chunk[STREAM_CHUNK];
    memset(chunk, '~', sizeof chunk);
    send_head(ex, 200, "application/octet-stream", sizeof chunk * (size_t)STREAM_CHUNKS, "");
    for (int i = 0; i < STREAM_CHUNKS; i++) {
        uint64_t before = ex->bytes;
        send_body(ex, chunk, sizeof chunk);
        if (ex->bytes - before < sizeof chunk)
            return;
    }
}

/* Sends the body of the request back. */
static void serve_echo(exchange *ex)
{
    char *body = malloc(ECHO_BYTES_MAX);
    size_t len = 0;
    if (!body || ex->info->content_length > ECHO_BYTES_MAX) {
        answer_text(ex, body ? 413 : 500, "too large\n");
        free(body);
        return;
    }
    for (int got = 1; got > 0 && len<ECHO_BYTES_MAX; len += got> 0 ? (size_t)got : 0)
        got = mg_read(ex->connection, body + len, ECHO_BYTES_MAX - len);
    answer(ex, 200, "application/json", body, len);
    free(body);
}

static void serve_ledger(exchange *ex)
{
    page_query query;
    page_query_read(ex->info->query_string, &query);
    answer_json(ex, ledger_rows(ex->site->book, query.run[0] ? query.run : NULL));
}

static void serve_reset(exchange *ex)
{
    ledger_reset(ex->site->book);
    answer_json(ex, json_pack("{s:b}", "reset", 1));
}

typedef struct route {
    const char *path;
    const char *method;
    void (*serve)(exchange *ex);
    bool counted;
} route;

static const route ROUTES[] = {
    {"/hop/1", "GET", serve_hop, true},      {"/hop/2", "GET", serve_hop, true},
    {"/hop/3", "GET", serve_hop, true},      {"/broken", "GET", serve_broken, true},
    {"/stream", "GET", serve_stream, true},  {"/post", "POST", serve_echo, true},
    {"/served", "GET", serve_ledger, false}, {"/served/reset", "POST", serve_reset, false},
};

static const route *route_of(const char *path)
{
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++) {
        if (strcmp(ROUTES[i].path, path) == 0)
            return &ROUTES[i];
    }
    return NULL;
}

static void serve(exchange *ex, const route *way)
{
    const char *path = ex->info->local_uri;
    page_file file;
    if (way && strcmp(way->method, ex->info->request_method) != 0)
        answer_text(ex, 405, "not by that method\n");
    else if (way)
        way->serve(ex);
    else if (page_find(path, &file))
        serve_file(ex, &file);
    else
        answer_text(ex, 404, "nobody of that name in this play\n");
}

/* Requests ---------------------------------------------------------------------------------- */

/* Only under our own name: no page elsewhere reaches us by a name that it lets point here. */
static bool is_for_us(const demo_site *site, const struct mg_connection *connection)
{
    const char *name = mg_get_header(connection, "Host");
    return name && strcmp(name, site->authority) == 0;
}

static void path_with_query(const struct mg_request_info *info, char *out, size_t size)
{
    const char *query = info->query_string;
    snprintf(out, size, "%s%s%s", info->local_uri, query ? "?" : "", query ? query : "");
}

static int on_request(struct mg_connection *connection, void *context)
{
    exchange ex = {
        .site = context, .connection = connection, .info = mg_get_request_info(connection)};
    char path[2048];
    if (!is_for_us(ex.site, connection)) {
        answer_text(&ex, 403, "not under that name\n");
        return ex.status;
    }
    const route *way = route_of(ex.info->local_uri);
    if (!way || way->counted) {
        path_with_query(ex.info, path, sizeof path);
        ex.row = ledger_enter(ex.site->book, LEDGER_REQUEST, ex.info->request_method, path);
    }
    serve(&ex, way);
    ledger_finish(ex.site->book, ex.row, ex.status, ex.bytes);
    return ex.status;
}

/* The WebSocket at /echo -------------------------------------------------------------------- */

static uint64_t websocket_row(const struct mg_connection *connection)
{
    return (uint64_t)(uintptr_t)mg_get_user_connection_data(connection);
}

static int on_websocket_connect(const struct mg_connection *connection, void *context)
{
    demo_site *site = context;
    const char *origin = mg_get_header(connection, "Origin");
    char path[2048];
    if (!is_for_us(site, connection) || (origin && (strncmp(origin, "http://", 7) != 0 ||
                                                    strcmp(origin + 7, site->authority) != 0)))
        return 1;
    if (atomic_fetch_add(&site->websockets, 1) >= WEBSOCKETS_MAX) {
        atomic_fetch_sub(&site->websockets, 1);
        return 1;
    }
    path_with_query(mg_get_request_info(connection), path, sizeof path);
    uint64_t row = ledger_enter(site->book, LEDGER_WEBSOCKET, "GET", path);
    mg_set_user_connection_data(connection, (void *)(uintptr_t)row);
    return 0;
}

static int on_websocket_frame(struct mg_connection *connection, int bits, char *data, size_t len,
                              void *context)
{
    demo_site *site = context;
    int opcode = bits & 0x0f;
    bool is_whole = (bits & 0x80) != 0;
    if (opcode == MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE) {
        mg_websocket_write(connection, opcode, data, len);
        return 0;
    }
    if (opcode == MG_WEBSOCKET_OPCODE_PING)
        return mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_PONG, data, len) > 0;
    if (opcode == MG_WEBSOCKET_OPCODE_PONG)
        return 1;
    if (!is_whole || len > ECHO_BYTES_MAX)
        return 0;
    ledger_message(site->book, websocket_row(connection));
    return mg_websocket_write(connection, opcode, data, len) > 0;
}

static void on_websocket_close(const struct mg_connection *connection, void *context)
{
    demo_site *site = context;
    ledger_finish(site->book, websocket_row(connection), 101, 0);
    atomic_fetch_sub(&site->websockets, 1);
}

/* Start and stop ---------------------------------------------------------------------------- */

/* clang-format off */
static const char *const SERVER_OPTIONS[] = {
    "listening_ports", "127.0.0.1:0",
    "num_threads", "16",
    "connection_queue", "64",
    "tcp_nodelay", "1",
    "enable_keep_alive", "no",
    "enable_directory_listing", "no",
    "request_timeout_ms", "5000",
    "websocket_timeout_ms", "5000",
    NULL,
};
/* clang-format on */

static troupe_error start_server(demo_site *site, troupe_reason *reason)
{
    char text[200] = "";
    struct mg_callbacks callbacks = {0};
    struct mg_init_data init = {&callbacks, site, (const char **)SERVER_OPTIONS};
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
    site->server = mg_start2(&init, &error);
    if (!site->server)
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "demo site: %s", text);
    struct mg_server_port port;
    if (mg_get_server_ports(site->server, 1, &port) != 1)
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "demo site: no port");
    site->port = (uint16_t)port.port;
    snprintf(site->authority, sizeof site->authority, "127.0.0.1:%d", port.port);
    mg_set_websocket_handler(site->server, "/echo$", on_websocket_connect, NULL, on_websocket_frame,
                             on_websocket_close, site);
    mg_set_request_handler(site->server, "**", on_request, site);
    return TROUPE_OK;
}

troupe_error demo_site_start(demo_site **out, char *url, size_t url_size, troupe_reason *reason)
{
    demo_site *site = calloc(1, sizeof *site);
    if (!site)
        return troupe_fail(reason, TROUPE_ENOMEM, "demo site: out of memory");
    mg_init_library(0); /* counted; demo_site_stop gives it back */
    site->book = ledger_create(LEDGER_ROWS);
    troupe_error error = site->book
                             ? start_server(site, reason)
                             : troupe_fail(reason, TROUPE_ENOMEM, "demo site: out of memory");
    if (error) {
        demo_site_stop(site);
        return error;
    }
    snprintf(url, url_size, "http://%s/", site->authority);
    *out = site;
    return TROUPE_OK;
}

/* Shut every socket of our port, the listening one too: civetweb would notice only at the end of
 * its poll, after up to two seconds, that it is to stop. */
static void shut_sockets(uint16_t port)
{
    DIR *list = opendir("/proc/self/fd");
    for (struct dirent *entry; list && (entry = readdir(list)) != NULL;) {
        struct sockaddr_in address = {0};
        socklen_t size = sizeof address;
        int fd = atoi(entry->d_name);
        if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
            address.sin_family == AF_INET && ntohs(address.sin_port) == port)
            shutdown(fd, SHUT_RDWR);
    }
    if (list)
        closedir(list);
}

void demo_site_stop(demo_site *site)
{
    if (!site)
        return;
    if (site->server) {
        shut_sockets(site->port);
        mg_stop(site->server);
    }
    ledger_destroy(site->book);
    free(site);
    mg_exit_library();
}
