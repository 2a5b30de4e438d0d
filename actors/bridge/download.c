/* SPDX-License-Identifier: MIT */
/*
 * Downloads: an RPC method whose result is bytes, by address. The call goes the way of all RPC
 * calls, so it is checked, counted and refused like them.
 */
#include "download.h"

#include "http.h"
#include "methods.h"
#include "rpc.h"

#include "actors/json_call.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES  64
#define VALUE_BYTES 4096

/* Asking ------------------------------------------------------------------------------------ */

static const method_param *param_of(const rpc_method *method, const char *name)
{
    for (const method_param *param = method->params; param->name != NULL; param++) {
        if (strcmp(param->name, name) == 0) {
            return param;
        }
    }
    return NULL;
}

/* Text as what the param takes. What does not fit is said by the check of the params. */
static json_t *value_of(const method_param *param, const char *text)
{
    json_t *value = param != NULL && (param->types & PARAM_STRING) == 0
                        ? json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL)
                        : NULL;
    return value != NULL ? value : json_string(text);
}

/* name=value&… of the query as params. False: it cannot be read. */
static bool add_query(json_t *params, const rpc_method *method, const char *query)
{
    while (query != NULL && *query != '\0') {
        char name[NAME_BYTES];
        char value[VALUE_BYTES];
        size_t len = strcspn(query, "&");
        size_t name_len = strcspn(query, "=&");
        size_t value_at = name_len < len ? name_len + 1 : name_len;
        if (mg_url_decode(query, (int)name_len, name, sizeof name, 1) < 0 ||
            mg_url_decode(query + value_at, (int)(len - value_at), value, sizeof value, 1) < 0) {
            return false;
        }
        if (name[0] != '\0' && strcmp(name, "token") != 0) {
            json_object_set_new(
                params, name,
                value_of(param_of(method, name), value_at > name_len ? value : "true"));
        }
        query += len + (query[len] == '&');
    }
    return true;
}

/* Sending ----------------------------------------------------------------------------------- */

static int status_of(troupe_error error)
{
    switch (error) {
    case TROUPE_EPARAMS:
        return 400;
    case TROUPE_ENOTFOUND:
    case TROUPE_EGONE:
        return 404;
    case TROUPE_ENOTCONNECTED:
    case TROUPE_ESTATE:
        return 409;
    case TROUPE_ELIMIT:
        return 413;
    case TROUPE_EBUSY:
    case TROUPE_EUNAVAILABLE:
        return 503;
    case TROUPE_ETIMEOUT:
        return 504;
    default:
        return 502;
    }
}

static int send_failure(struct mg_connection *conn, const json_t *failed)
{
    const json_t *data = json_object_get(failed, "data");
    const char *name = json_string_value(json_object_get(data, "name"));
    const char *message = json_string_value(json_object_get(failed, "message"));
    troupe_error error = name != NULL ? troupe_error_by_name(name) : TROUPE_EINTERNAL;
    return http_send_error(conn, status_of(error), error, NULL,
                           message != NULL ? message : troupe_error_text(error));
}

static unsigned char *decode(const char *text, size_t text_len, size_t *len)
{
    unsigned char *bytes = malloc(text_len / 4 * 3 + 4);
    int decoded = bytes != NULL && text_len % 4 == 0
                      ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)text_len)
                      : -1;
    if (decoded < 0) {
        free(bytes);
        return NULL;
    }
    *len = (size_t)decoded;
    for (size_t i = text_len; i > 0 && text[i - 1] == '='; i--) {
        (*len)--;
    }
    return bytes;
}

static const char *type_of(const char *format)
{
    static const char *const types[][2] = {{"png", "image/png"},
                                           {"jpeg", "image/jpeg"},
                                           {"webp", "image/webp"},
                                           {"pdf", "application/pdf"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (format != NULL && strcmp(types[i][0], format) == 0) {
            return types[i][1];
        }
    }
    return NULL;
}

/* What a page sent is never shown as ours: it is saved, or seen in a sandbox. */
#define BODY_HEADERS                      \
    "Content-Disposition: attachment\r\n" \
    "Content-Security-Policy: sandbox\r\n"

static int send_bytes(struct mg_connection *conn, const json_t *result)
{
    const json_t *picture = json_object_get(result, "data");
    const json_t *data = picture != NULL ? picture : json_object_get(result, "body");
    const char *type = type_of(json_string_value(json_object_get(result, "format")));
    bool base64 = picture != NULL || json_is_true(json_object_get(result, "base64Encoded"));
    const char *text = json_string_value(data);
    size_t len = json_string_length(data);
    unsigned char *bytes = text != NULL && base64 ? decode(text, len, &len) : NULL;
    if (text == NULL || (base64 && bytes == NULL)) {
        return http_send_error(conn, 502, TROUPE_EPROTOCOL, NULL, "what came holds no bytes");
    }
    http_reply reply = {.status = 200,
                        .type = type != NULL ? type : "application/octet-stream",
                        .headers = picture != NULL ? NULL : BODY_HEADERS,
                        .body = base64 ? (const void *)bytes : text,
                        .len = len};
    int status = http_send_reply(conn, &reply);
    free(bytes);
    return status;
}

static json_t *call(bridge *server, troupe_guest *guest, struct mg_connection *conn,
                    const char *method, json_t *params)
{
    return rpc_ask(server, guest, mg_get_request_info(conn)->remote_addr, method,
                   json_incref(params));
}

/* The params of an address: what it names, and its query. NULL: it was refused, *status says how.
 */
static json_t *address_params(struct mg_connection *conn, const rpc_method *row, const char *key,
                              const char *what, int *status)
{
    json_t *params = json_object();
    if (what[0] == '\0' || !add_query(params, row, mg_get_request_info(conn)->query_string)) {
        json_decref(params);
        *status = http_send_error(conn, 400, TROUPE_EPARAMS, NULL,
                                  what[0] == '\0' ? "the address names nothing"
                                                  : "the query cannot be read");
        return NULL;
    }
    json_object_set_new(params, key, value_of(param_of(row, key), what));
    return params;
}

int download_serve(bridge *server, troupe_guest *guest, struct mg_connection *conn,
                   const char *method, const char *what)
{
    int status = 0;
    const rpc_method *row = method_find(method, strlen(method));
    const char *key = strcmp(method, "body") == 0 ? "id" : "target";
    json_t *params = address_params(conn, row, key, what, &status);
    if (params == NULL) {
        return status;
    }
    json_t *answer = call(server, guest, conn, method, params);
    const json_t *result = json_object_get(answer, "result");
    status = result != NULL ? send_bytes(conn, result)
                            : send_failure(conn, json_object_get(answer, "error"));
    json_decref(answer);
    json_decref(params);
    return status;
}

/* HAR --------------------------------------------------------------------------------------- */

/* One HAR out of its pieces, sent in chunks; to a client of HTTP/1.0, which knows none, until the
 * connection ends. */
typedef struct har_stream {
    struct mg_connection *conn;
    json_t *pages; /* that came so far, by their id */
    size_t entries;
    bool chunked;
    bool broken; /* the client is gone */
} har_stream;

static void send_text(har_stream *har, const char *text, size_t len)
{
    if (!har->broken && len > 0) {
        har->broken = har->chunked ? mg_send_chunk(har->conn, text, (unsigned)len) < 0
                                   : mg_write(har->conn, text, len) != (int)len;
    }
}

static void append_value(troupe_buffer *out, const json_t *value)
{
    char *text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        out->failed = true;
    } else {
        (void)troupe_buffer_append(out, text, strlen(text));
    }
    free(text);
}

static void begin_har(har_stream *har, const json_t *log)
{
    const char *name;
    json_t *value;
    troupe_buffer out = {0};
    mg_printf(har->conn,
              "HTTP/1.1 200 OK\r\n"
              "Content-Type: application/json\r\n"
              "Content-Disposition: attachment; filename=\"troupe.har\"\r\n"
              "%s\r\n"
              "Cache-Control: no-store\r\n"
              "X-Content-Type-Options: nosniff\r\n\r\n",
              har->chunked ? "Transfer-Encoding: chunked" : "Connection: close");
    (void)troupe_buffer_printf(&out, "{\"log\":{");
    json_object_foreach((json_t *)log, name, value)
    {
        if (strcmp(name, "entries") != 0 && strcmp(name, "pages") != 0) {
            (void)troupe_buffer_printf(&out, "\"%s\":", name);
            append_value(&out, value);
            (void)troupe_buffer_append(&out, ",", 1);
        }
    }
    (void)troupe_buffer_printf(&out, "\"entries\":[");
    send_text(har, (const char *)out.data, out.len);
    troupe_buffer_fini(&out);
}

static void send_piece(har_stream *har, const json_t *log)
{
    size_t i;
    json_t *value;
    troupe_buffer out = {0};
    json_array_foreach(json_object_get(log, "entries"), i, value)
    {
        (void)troupe_buffer_append(&out, ",\n", har->entries++ > 0 ? 2 : 0);
        append_value(&out, value);
    }
    json_array_foreach(json_object_get(log, "pages"), i, value)
    {
        json_object_set(har->pages, json_string_value(json_object_get(value, "id")), value);
    }
    har->broken |= out.failed;
    send_text(har, (const char *)out.data, out.len);
    troupe_buffer_fini(&out);
}

static void end_har(har_stream *har)
{
    const char *id;
    json_t *page;
    size_t count = 0;
    troupe_buffer out = {0};
    (void)troupe_buffer_printf(&out, "],\"pages\":[");
    json_object_foreach(har->pages, id, page)
    {
        (void)troupe_buffer_append(&out, ",", count++ > 0 ? 1 : 0);
        append_value(&out, page);
    }
    (void)troupe_buffer_printf(&out, "]}}\n");
    har->broken |= out.failed;
    send_text(har, (const char *)out.data, out.len);
    troupe_buffer_fini(&out);
}

/* All of it; answer: the first piece, taken. What fails now cannot be said any more: the answer
 * stays unfinished, which every client notices. */
static void send_har(bridge *server, troupe_guest *guest, har_stream *har, json_t *params,
                     json_t *answer)
{
    const json_t *result = json_object_get(answer, "result");
    begin_har(har, json_object_get(result, "log"));
    for (bool more = true; more;) {
        json_t *next = json_object_get(result, "next");
        har->broken |= result == NULL;
        send_piece(har, json_object_get(result, "log"));
        more = json_is_integer(next) && !har->broken;
        if (more) {
            json_object_set(params, "after", next);
            json_decref(answer);
            answer = call(server, guest, har->conn, "har", params);
            result = json_object_get(answer, "result");
        }
    }
    json_decref(answer);
    if (!har->broken) {
        end_har(har);
    }
    if (!har->broken && har->chunked) {
        har->broken = mg_send_chunk(har->conn, "", 0) < 0;
    }
}

int download_har(bridge *server, troupe_guest *guest, struct mg_connection *conn, const char *what)
{
    int status = 0;
    json_t *params = address_params(conn, method_find("har", 3), "target",
                                    what[0] != '\0' ? what : "*", &status);
    if (params == NULL) {
        return status;
    }
    json_t *answer = call(server, guest, conn, "har", params);
    if (json_object_get(answer, "result") == NULL) {
        status = send_failure(conn, json_object_get(answer, "error"));
        json_decref(answer);
    } else {
        har_stream har = {.conn = conn, .pages = json_object(), .chunked = !http_is_1_0(conn)};
        send_har(server, guest, &har, params, answer);
        if (har.broken || !har.chunked) {
            mg_disable_connection_keep_alive(conn);
        }
        json_decref(har.pages);
        status = 200;
    }
    json_decref(params);
    return status;
}
