/* SPDX-License-Identifier: MIT */
/* HAR 1.2 from recorded rows. */
#include "har_log.h"

#include "actors/headers.h"
#include "har_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static json_t *column(const json_t *row, const char *name)
{
    json_t *value = json_object_get(row, name);
    return json_is_null(value) ? NULL : value;
}

static const char *text_of(const json_t *row, const char *name)
{
    return json_string_value(column(row, name));
}

static json_int_t integer_of(const json_t *row, const char *name, json_int_t otherwise)
{
    const json_t *value = column(row, name);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static json_t *string(const char *text)
{
    return json_string(text != NULL ? text : "");
}

/* A string of `len` bytes; what cuts a character in two becomes "". */
static json_t *piece(const char *text, size_t len)
{
    json_t *value = json_stringn(text, len);
    return value != NULL ? value : json_string("");
}

/* The value's own, or nothing. */
static void copy(json_t *object, const char *key, const json_t *row, const char *name)
{
    json_t *value = column(row, name);
    if (value != NULL) {
        json_object_set(object, key, value);
    }
}

/* Headers ----------------------------------------------------------------------------------- */

/* The text of a header; NULL: none. */
static const char *header_of(const json_t *headers, const char *wanted)
{
    return json_string_value(headers_find(headers, wanted));
}

static json_t *header_list(const json_t *headers)
{
    const char *name;
    json_t *value;
    json_t *list = json_array();
    json_object_foreach((json_t *)headers, name, value)
    {
        const char *text;
        size_t len;
        for (const char *rest = json_string_value(value); headers_next(&rest, &text, &len);) {
            json_array_append_new(list,
                                  json_pack("{s:s,s:o}", "name", name, "value", piece(text, len)));
        }
    }
    return list;
}

/* Bytes of the header lines as HTTP/1 writes them, the empty line included. */
static json_int_t header_bytes(const json_t *headers)
{
    const char *name;
    json_t *value;
    json_int_t bytes = 2;
    json_object_foreach((json_t *)headers, name, value)
    {
        const char *text;
        size_t len;
        for (const char *rest = json_string_value(value); headers_next(&rest, &text, &len);) {
            bytes += (json_int_t)(strlen(name) + 2 + len + 2);
        }
    }
    return bytes;
}

/* Cookies ----------------------------------------------------------------------------------- */

static json_t *cookie(const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : 0;
    size_t value_at = equals != NULL ? name_len + 1 : 0;
    return json_pack("{s:o,s:o}", "name", piece(text, name_len), "value",
                     piece(text + value_at, len - value_at));
}

/* "a=1; b=2" */
static json_t *sent_cookies(const char *text)
{
    json_t *list = json_array();
    while (text != NULL && *text != '\0') {
        text += strspn(text, "; \n");
        size_t len = strcspn(text, ";\n");
        if (len > 0) {
            json_array_append_new(list, cookie(text, len));
        }
        text += len;
    }
    return list;
}

/* An attribute of Set-Cookie, as HAR names it. */
static void put_attribute(json_t *out, const char *text, size_t len)
{
    static const char *const named[][2] = {
        {"path", "path"}, {"domain", "domain"}, {"expires", "expires"}, {"samesite", "sameSite"}};
    size_t name_len = strcspn(text, "=");
    name_len = name_len < len ? name_len : len;
    if (name_len == 8 && strncasecmp(text, "httponly", 8) == 0) {
        json_object_set_new(out, "httpOnly", json_true());
    } else if (name_len == 6 && strncasecmp(text, "secure", 6) == 0) {
        json_object_set_new(out, "secure", json_true());
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (name_len < len && name_len == strlen(named[i][0]) &&
            strncasecmp(text, named[i][0], name_len) == 0) {
            json_object_set_new(out, named[i][1], piece(text + name_len + 1, len - name_len - 1));
        }
    }
}

static json_t *set_cookie(const char *text, size_t len)
{
    size_t at = strcspn(text, ";\n");
    at = at < len ? at : len;
    json_t *out = cookie(text, at);
    while (at < len) {
        at += strspn(text + at, "; ");
        size_t part = strcspn(text + at, ";\n");
        part = part < len - at ? part : len - at;
        put_attribute(out, text + at, part);
        at += part;
    }
    return out;
}

/* One line for each. */
static json_t *received_cookies(const char *text)
{
    json_t *list = json_array();
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "\n");
        json_array_append_new(list, set_cookie(text, len));
        text += len + (text[len] == '\n');
    }
    return list;
}

/* The request ------------------------------------------------------------------------------- */

static int hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *at = digit != '\0' ? strchr(digits, digit | 0x20) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* %XX and + undone; as it stands if that is no UTF-8. */
static json_t *decoded(const char *text, size_t len)
{
    char *out = malloc(len + 1);
    size_t size = 0;
    for (size_t i = 0; out != NULL && i < len; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0) {
            out[size++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[size++] = text[i] == '+' ? ' ' : text[i];
        }
    }
    json_t *value = out != NULL ? json_stringn(out, size) : NULL;
    free(out);
    return value != NULL ? value : piece(text, len);
}

/* "a=1&b=2" as [{name, value}]. */
static json_t *pairs(const char *text, size_t len)
{
    json_t *list = json_array();
    const char *end = text + len;
    while (text < end) {
        const char *stop = memchr(text, '&', (size_t)(end - text));
        stop = stop != NULL ? stop : end;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        const char *name_end = equals != NULL ? equals : stop;
        const char *value = equals != NULL ? equals + 1 : stop;
        if (stop > text) {
            json_array_append_new(list, json_pack("{s:o,s:o}", "name",
                                                  decoded(text, (size_t)(name_end - text)), "value",
                                                  decoded(value, (size_t)(stop - value))));
        }
        text = stop + 1;
    }
    return list;
}

static json_t *query_string(const char *url, size_t len)
{
    const char *mark = strncmp(url, "data:", 5) != 0 ? memchr(url, '?', len) : NULL;
    return mark != NULL ? pairs(mark + 1, len - (size_t)(mark + 1 - url)) : json_array();
}

static json_t *post_data(const json_t *row, const char *mime_type)
{
    const json_t *data = column(row, "post_data");
    bool base64 = integer_of(row, "post_data_base64", 0) != 0;
    if (!json_is_string(data)) {
        return NULL;
    }
    const char *text = json_string_value(data);
    size_t len = json_string_length(data);
    json_t *part = json_pack("{s:o,s:O}", "mimeType", string(mime_type), "text", data);
    if (base64) {
        json_object_set_new(part, "_encoding", json_string("base64"));
    }
    bool form =
        mime_type != NULL && strncasecmp(mime_type, "application/x-www-form-urlencoded", 33) == 0;
    json_object_set_new(part, "params", form && !base64 ? pairs(text, len) : json_array());
    return part;
}

/* Bytes of what was sent; -1: it is not known. */
static json_int_t sent_bytes(const json_t *row)
{
    const json_t *data = column(row, "post_data");
    if (!json_is_string(data)) {
        return integer_of(row, "has_post_data", 0) != 0 ? -1 : 0;
    }
    json_int_t len = (json_int_t)json_string_length(data);
    if (integer_of(row, "post_data_base64", 0) == 0) {
        return len;
    }
    const char *text = json_string_value(data);
    for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++) {
        len--;
    }
    return len * 3 / 4;
}

static bool is_websocket(const json_t *row)
{
    const char *protocol = text_of(row, "protocol");
    return protocol != NULL && strcmp(protocol, "websocket") == 0;
}

static const char *http_version(const json_t *row)
{
    static const char *const names[][2] = {{"http/1.1", "HTTP/1.1"},
                                           {"http/1.0", "HTTP/1.0"},
                                           {"http/0.9", "HTTP/0.9"},
                                           {"h2", "HTTP/2.0"},
                                           {"h3", "HTTP/3.0"}};
    const char *version = is_websocket(row) ? "http/1.1" : text_of(row, "http_version");
    for (size_t i = 0; version != NULL && i < sizeof names / sizeof *names; i++) {
        if (strcmp(version, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return version != NULL && *version != '\0' ? version : "unknown";
}

static bool is_http1(const json_t *row)
{
    return strncmp(http_version(row), "HTTP/1", 6) == 0;
}

/* The line "METHOD PATH HTTP/1.1" and the headers; -1: not known, or not so sent. */
static json_int_t request_header_bytes(const json_t *row, const char *url, size_t url_len)
{
    const char *scheme_end = strstr(url, "://");
    const char *method = text_of(row, "method");
    if (!is_http1(row) || integer_of(row, "request_headers_raw", 0) == 0 || scheme_end == NULL ||
        method == NULL) {
        return -1;
    }
    size_t host = (size_t)(scheme_end + 3 - url);
    size_t path = host + strcspn(url + host, "/?#");
    size_t path_len = path < url_len ? url_len - path : 1;
    return (json_int_t)(strlen(method) + 1 + path_len + 1 + 8 + 2) +
           header_bytes(column(row, "request_headers"));
}

/* Chrome tells of the script that begins a worker only when it is answered: it was a GET. */
static const char *method_of(const json_t *row)
{
    const char *method = text_of(row, "method");
    return is_websocket(row) || method == NULL ? "GET" : method;
}

static json_t *request_part(const json_t *row)
{
    const json_t *headers = column(row, "request_headers");
    const char *url = text_of(row, "url");
    url = url != NULL ? url : "";
    size_t url_len = strncmp(url, "data:", 5) != 0 ? strcspn(url, "#") : strlen(url);
    json_t *part =
        json_pack("{s:o,s:o,s:s,s:o,s:o,s:o,s:I,s:I}", "method", string(method_of(row)), "url",
                  piece(url, url_len), "httpVersion", http_version(row), "cookies",
                  sent_cookies(header_of(headers, "cookie")), "headers", header_list(headers),
                  "queryString", query_string(url, url_len), "headersSize",
                  request_header_bytes(row, url, url_len), "bodySize", sent_bytes(row));
    json_t *post = post_data(row, header_of(headers, "content-type"));
    if (post != NULL) {
        json_object_set_new(part, "postData", post);
    }
    return part;
}

/* The response ------------------------------------------------------------------------------ */

static bool is_cached(const json_t *row)
{
    return integer_of(row, "from_cache", 0) != 0 || integer_of(row, "from_disk_cache", 0) != 0 ||
           integer_of(row, "from_prefetch", 0) != 0;
}

/* Bytes of the response's header as it came; -1: not known. */
static json_int_t header_size(const json_t *row)
{
    const char *raw = text_of(row, "response_headers_text");
    return is_http1(row) && raw != NULL ? (json_int_t)strlen(raw) : -1;
}

/* What Chrome counted on the wire behind the header, the framing of chunks included; -1: unknown.
 */
static json_int_t counted_bytes(const json_t *row)
{
    json_int_t all = integer_of(row, "encoded_bytes", -1);
    json_int_t header = header_size(row);
    return all < 0 || header < 0 ? -1 : all > header ? all - header : 0;
}

/* Bytes of the body after decoding. Of what came from the cache, or was fetched for later, Chrome
 * reports no data. */
static json_int_t content_bytes(const json_t *row)
{
    const json_t *headers = column(row, "response_headers");
    json_int_t reported = integer_of(row, "decoded_bytes", 0);
    json_int_t kept = integer_of(row, "body_bytes", 0);
    if (reported > 0 || kept > 0 || is_cached(row) ||
        header_of(headers, "content-encoding") != NULL ||
        header_of(headers, "transfer-encoding") != NULL) {
        return reported > 0 ? reported : kept;
    }
    json_int_t counted = counted_bytes(row);
    return counted > 0 ? counted : 0;
}

/* Bytes of the response's body as it was sent; -1: not known. What Chrome counts on the wire has
 * the framing of chunks in it, and lacks what it reads twice, so it is asked only about what was
 * compressed. */
static json_int_t received_bytes(const json_t *row)
{
    const json_t *headers = column(row, "response_headers");
    if (is_cached(row) || is_websocket(row) || integer_of(row, "status", 0) == 304) {
        return 0;
    }
    bool plain = header_of(headers, "content-encoding") == NULL && json_is_object(headers);
    return plain ? content_bytes(row) : counted_bytes(row);
}

static json_t *content_part(const json_t *row, json_int_t wire_bytes)
{
    const json_t *body = column(row, "body_content");
    const char *mime = header_of(column(row, "response_headers"), "content-type");
    mime = mime != NULL ? mime : text_of(row, "mime_type");
    json_int_t size = content_bytes(row);
    json_t *part = json_pack("{s:I,s:o}", "size", size, "mimeType",
                             string(mime != NULL && *mime != '\0' ? mime : "x-unknown"));
    if (wire_bytes >= 0 && size > 0 && !is_cached(row)) {
        json_object_set_new(part, "compression", json_integer(size - wire_bytes));
    }
    if (json_is_string(body) && json_string_length(body) == 0 && size > 0) {
        json_object_set_new(part, "comment", json_string("the browser did not keep it"));
    } else if (json_is_string(body)) {
        json_object_set(part, "text", (json_t *)body);
        if (integer_of(row, "body_content_base64", 0) != 0) {
            json_object_set_new(part, "encoding", json_string("base64"));
        }
    } else if (text_of(row, "body_error") != NULL) {
        json_object_set_new(part, "comment", string(text_of(row, "body_error")));
    }
    return part;
}

static json_t *response_part(const json_t *row)
{
    const json_t *headers = column(row, "response_headers");
    json_int_t wire_bytes = received_bytes(row);
    json_int_t status = integer_of(row, "status", 0);
    const char *location = status >= 300 && status < 400 ? header_of(headers, "location") : NULL;
    json_t *part =
        json_pack("{s:I,s:o,s:s,s:o,s:o,s:o,s:o,s:I,s:I,s:I}", "status", status, "statusText",
                  string(text_of(row, "status_text")), "httpVersion", http_version(row), "cookies",
                  received_cookies(header_of(headers, "set-cookie")), "headers",
                  header_list(headers), "content", content_part(row, wire_bytes), "redirectURL",
                  string(location), "headersSize", header_size(row), "bodySize", wire_bytes,
                  "_transferSize", integer_of(row, "encoded_bytes", 0));
    copy(part, "_error", row, "error");
    copy(part, "_blockedReason", row, "blocked_reason");
    copy(part, "_corsError", row, "cors_error");
    return part;
}

/* The entry --------------------------------------------------------------------------------- */

/* HAR allows -1 for some phases only. */
static json_t *timings_part(const json_t *row)
{
    static const char *const needed[] = {"send", "wait", "receive"};
    json_t *timings = har_entry_timings(row);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (json_number_value(json_object_get(timings, needed[i])) < 0) {
            json_object_set_new(timings, needed[i], json_real(0));
        }
    }
    return timings;
}

/* Chrome's names for where an answer came from. */
static void put_source(json_t *entry, const json_t *row)
{
    if (integer_of(row, "from_service_worker", 0) != 0) {
        json_object_set_new(entry, "_fetchedViaServiceWorker", json_true());
    }
    if (integer_of(row, "from_cache", 0) != 0 || integer_of(row, "from_disk_cache", 0) != 0) {
        bool memory = integer_of(row, "from_cache", 0) != 0;
        json_object_set_new(entry, "_fromCache", json_string(memory ? "memory" : "disk"));
    }
    if (integer_of(row, "from_prefetch", 0) != 0) {
        json_object_set_new(entry, "_fromPrefetchCache", json_true());
    }
}

static void put_type(json_t *entry, const json_t *row)
{
    char type[40];
    const char *name = text_of(row, "type");
    size_t len = 0;
    for (; name != NULL && name[len] != '\0' && len + 1 < sizeof type; len++) {
        type[len] = (char)(name[len] >= 'A' && name[len] <= 'Z' ? name[len] + 32 : name[len]);
    }
    type[len] = '\0';
    json_object_set_new(entry, "_resourceType", json_string(len > 0 ? type : "other"));
}

static void put_address(json_t *entry, const json_t *row)
{
    const char *address = text_of(row, "remote_address");
    json_int_t connection = integer_of(row, "connection_id", 0);
    if (address != NULL && *address != '\0') {
        size_t from = address[0] == '[' ? 1 : 0;
        json_object_set_new(entry, "serverIPAddress",
                            piece(address + from, strcspn(address + from, "]")));
        copy(entry, "_serverPort", row, "remote_port");
    }
    if (connection != 0) {
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)connection);
        json_object_set_new(entry, "connection", json_string(number));
    }
}

json_t *har_log_entry(const json_t *row)
{
    const json_t *time = column(row, "time_ms");
    double time_ms = json_is_number(time) ? json_number_value(time) : 0;
    json_t *entry = json_pack("{s:o,s:f,s:o,s:o,s:{},s:o}", "startedDateTime",
                              string(text_of(row, "started_datetime")), "time",
                              time_ms > 0 ? time_ms : 0.0, "request", request_part(row), "response",
                              response_part(row), "cache", "timings", timings_part(row));
    if (entry == NULL) {
        return NULL;
    }
    put_address(entry, row);
    put_source(entry, row);
    put_type(entry, row);
    copy(entry, "_priority", row, "priority");
    copy(entry, "_initiator", row, "initiator");
    json_object_set_new(entry, "_troupe",
                        json_pack("{s:I,s:I,s:O*,s:O*,s:O*}", "id", integer_of(row, "id", 0), "hop",
                                  integer_of(row, "hop", 0), "target", column(row, "target"),
                                  "request_id", column(row, "request_id"), "state",
                                  column(row, "state")));
    return entry;
}

static json_t *list_of(json_t *entry, const char *name)
{
    json_t *list = json_object_get(entry, name);
    if (list == NULL) {
        list = json_array();
        json_object_set_new(entry, name, list);
    }
    return list;
}

void har_log_frame(json_t *entry, const json_t *row)
{
    const char *direction = text_of(row, "direction");
    bool sent = direction != NULL && strcmp(direction, "sent") == 0;
    json_array_append_new(list_of(entry, "_webSocketMessages"),
                          json_pack("{s:s,s:O*,s:O*,s:O*}", "type", sent ? "send" : "receive",
                                    "time", column(row, "time"), "opcode", column(row, "opcode"),
                                    "data", column(row, "payload")));
}

void har_log_message(json_t *entry, const json_t *row)
{
    json_array_append_new(list_of(entry, "_eventSourceMessages"),
                          json_pack("{s:O*,s:O*,s:O*,s:O*}", "time", column(row, "time"),
                                    "eventName", column(row, "name"), "eventId",
                                    column(row, "event_id"), "data", column(row, "data")));
}

/* Pages ------------------------------------------------------------------------------------- */

static void put_page_id(json_t *object, const char *key, const json_t *page)
{
    char id[40];
    snprintf(id, sizeof id, "page_%lld", (long long)integer_of(page, "id", 0));
    json_object_set_new(object, key, json_string(id));
}

/* Milliseconds from the page's beginning to a moment of it; -1: it did not come. */
static double moment(const json_t *row, const char *name)
{
    json_int_t at = integer_of(row, name, 0);
    json_int_t from = integer_of(row, "started_us", 0);
    return at > 0 && from > 0 && at >= from ? (double)(at - from) / 1000 : -1.0;
}

json_t *har_log_page(const json_t *row)
{
    json_t *page = json_pack("{s:o,s:o,s:{s:f,s:f}}", "startedDateTime",
                             string(text_of(row, "started_datetime")), "title",
                             string(text_of(row, "url")), "pageTimings", "onContentLoad",
                             moment(row, "content_us"), "onLoad", moment(row, "load_us"));
    put_page_id(page, "id", row);
    return page;
}

/* The document's own, by its loader; else the one that was there when it began. */
const json_t *har_log_page_of(json_t *entry, const json_t *row, const json_t *pages)
{
    size_t i;
    const json_t *page;
    const json_t *found = NULL;
    const char *target = text_of(row, "target");
    const char *loader = text_of(row, "loader_id");
    json_int_t started_us = integer_of(row, "started_us", 0);
    json_array_foreach(pages, i, page)
    {
        const char *its = text_of(page, "target");
        const char *its_loader = text_of(page, "loader_id");
        if (target == NULL || its == NULL || strcmp(its, target) != 0) {
            continue;
        }
        if (loader != NULL && its_loader != NULL && strcmp(loader, its_loader) == 0) {
            found = page;
            break;
        }
        if (found == NULL || integer_of(page, "navigated_us", 0) <= started_us) {
            found = page;
        }
    }
    if (found != NULL) {
        put_page_id(entry, "pageref", found);
    }
    return found;
}
