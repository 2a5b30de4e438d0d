/* SPDX-License-Identifier: MIT */
/* Answers of the HTTP server. */
#include "http.h"

#include "peer.h"
#include "troupe/pack.h"

#include <jansson.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

/* A body that nobody will read is thrown away up to here, so that the answer is not lost in a
 * reset. */
#define DISCARD_BYTES_MAX (1u << 20)
#define DISCARD_MS        200
#define CHUNK_BYTES       (64u << 10)

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {204, "No Content"},
        {303, "See Other"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {426, "Upgrade Required"},
        {431, "Request Header Fields Too Large"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status) {
            return table[i].text;
        }
    }
    return "Error";
}

const char *http_header(const struct mg_connection *conn, const char *name, unsigned *count)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    const char *value = NULL;
    unsigned found = 0;
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, name) == 0) {
            value = found++ == 0 ? info->http_headers[i].value : value;
        }
    }
    if (count != NULL) {
        *count = found;
    }
    return value;
}

bool http_has_word(const char *value, const char *word)
{
    size_t len = strlen(word);
    while (value != NULL && *value != '\0') {
        value += strspn(value, ", \t");
        size_t found = strcspn(value, ", \t");
        if (found == len && strncasecmp(value, word, len) == 0) {
            return true;
        }
        value += found;
    }
    return false;
}

bool http_is_1_0(const struct mg_connection *conn)
{
    const char *version = mg_get_request_info(conn)->http_version;
    return version == NULL || strcmp(version, "1.1") != 0;
}

/* Whether civetweb will read another request from the connection. */
static bool kept_alive(const struct mg_connection *conn)
{
    const char *wish = http_header(conn, "Connection", NULL);
    return wish != NULL ? http_has_word(wish, "keep-alive") : !http_is_1_0(conn);
}

/* Write the reply; false if the connection is of no use afterwards. */
static bool write_reply(struct mg_connection *conn, const http_reply *reply)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    bool head = info->request_method != NULL && strcmp(info->request_method, "HEAD") == 0;
    troupe_buffer out = {0};
    troupe_buffer_printf(&out, "HTTP/1.1 %d %s\r\n", reply->status, status_text(reply->status));
    if (reply->type != NULL) {
        troupe_buffer_printf(&out, "Content-Type: %s\r\n", reply->type);
    }
    if (reply->status != 204) {
        troupe_buffer_printf(&out, "Content-Length: %zu\r\n", reply->len);
    }
    troupe_buffer_printf(&out,
                         "%sCache-Control: no-store\r\n"
                         "X-Content-Type-Options: nosniff\r\n"
                         "Connection: %s\r\n\r\n",
                         reply->headers != NULL ? reply->headers : "",
                         !reply->close && kept_alive(conn) ? "keep-alive" : "close");
    if (!head) {
        troupe_buffer_append(&out, reply->body, reply->len);
    }
    bool written = !out.failed && mg_write(conn, out.data, out.len) == (int)out.len;
    troupe_buffer_fini(&out);
    return written;
}

int http_send_reply(struct mg_connection *conn, const http_reply *reply)
{
    if (!write_reply(conn, reply) || reply->close) {
        mg_close_connection(conn);
    }
    return reply->status;
}

static bool body_unread(const struct mg_connection *conn)
{
    return mg_get_request_info(conn)->content_length > 0 ||
           http_header(conn, "Transfer-Encoding", NULL) != NULL;
}

/* Take what arrives of an unwanted body, for a short time. */
static void discard(struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    peer_ends ends = {info->remote_addr, (uint16_t)info->remote_port, NULL,
                      (uint16_t)info->server_port};
    int fd = peer_descriptor(&ends);
    char scratch[4096];
    size_t taken = 0;
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    (void)shutdown(fd, SHUT_WR);
    while (fd >= 0 && taken < DISCARD_BYTES_MAX && poll(&poller, 1, DISCARD_MS) > 0) {
        ssize_t got = recv(fd, scratch, sizeof scratch, MSG_DONTWAIT);
        if (got <= 0) {
            return;
        }
        taken += (size_t)got;
    }
}

int http_send_error(struct mg_connection *conn, int status, troupe_error code, const char *headers,
                    const char *message)
{
    json_t *error = json_pack("{s:{s:i, s:s, s:s}}", "error", "code", troupe_error_rpc_code(code),
                              "name", troupe_error_name(code), "message", message);
    char *text = json_dumps(error, JSON_COMPACT);
    json_decref(error);
    bool unread = body_unread(conn);
    http_reply reply = {
        .status = status,
        .type = "application/json",
        .headers = headers,
        .body = text,
        .len = text != NULL ? strlen(text) : 0,
        .close = unread,
    };
    if (!unread) {
        (void)http_send_reply(conn, &reply);
    } else {
        (void)write_reply(conn, &reply);
        discard(conn);
        mg_close_connection(conn);
    }
    free(text);
    return status;
}

/* Bodies of unknown length (chunked) are read until they end. */
static troupe_error read_chunks(struct mg_connection *conn, size_t max, troupe_buffer *body)
{
    for (;;) {
        if (troupe_buffer_reserve(body, CHUNK_BYTES) != TROUPE_OK) {
            return TROUPE_ENOMEM;
        }
        int got = mg_read(conn, body->data + body->len, CHUNK_BYTES);
        if (got < 0) {
            return TROUPE_ECLOSED;
        }
        if (got == 0) {
            return TROUPE_OK;
        }
        body->len += (size_t)got;
        if (body->len > max) {
            return TROUPE_ELIMIT;
        }
    }
}

static troupe_error read_sized(struct mg_connection *conn, size_t len, troupe_buffer *body)
{
    while (body->len < len) {
        size_t want = len - body->len < CHUNK_BYTES ? len - body->len : CHUNK_BYTES;
        if (troupe_buffer_reserve(body, want) != TROUPE_OK) {
            return TROUPE_ENOMEM;
        }
        int got = mg_read(conn, body->data + body->len, want);
        if (got <= 0) {
            return TROUPE_ECLOSED;
        }
        body->len += (size_t)got;
    }
    return TROUPE_OK;
}

troupe_error http_read_body(struct mg_connection *conn, size_t max, char **out, size_t *len)
{
    long long declared = mg_get_request_info(conn)->content_length;
    if (declared > (long long)max) {
        return TROUPE_ELIMIT;
    }
    const char *expect = http_header(conn, "Expect", NULL);
    if (expect != NULL && strcasecmp(expect, "100-continue") == 0) {
        (void)mg_printf(conn, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    troupe_buffer body = {0};
    troupe_error error =
        declared >= 0 ? read_sized(conn, (size_t)declared, &body) : read_chunks(conn, max, &body);
    if (error == TROUPE_OK) {
        error = troupe_buffer_append(&body, "", 1);
    }
    if (error != TROUPE_OK) {
        troupe_buffer_fini(&body);
        return error;
    }
    *len = body.len - 1;
    *out = (char *)body.data;
    return TROUPE_OK;
}
