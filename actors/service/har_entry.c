/* SPDX-License-Identifier: MIT */
/* One request in the shape of HAR. */
#include "har_entry.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Copy row[column] as object[key], unless it is null. */
static void copy(json_t *object, const char *key, const json_t *row, const char *column)
{
    json_t *value = json_object_get(row, column);
    if (value != NULL && !json_is_null(value)) {
        json_object_set(object, key, value);
    }
}

/* The same, but true or false from 0 or 1. */
static void copy_flag(json_t *object, const char *key, const json_t *row, const char *column)
{
    json_t *value = json_object_get(row, column);
    if (json_is_integer(value)) {
        json_object_set_new(object, key, json_integer_value(value) ? json_true() : json_false());
    }
}

static json_t *value_or_null(const json_t *row, const char *column)
{
    json_t *value = json_object_get(row, column);
    return value != NULL ? json_incref(value) : json_null();
}

/* Timings ----------------------------------------------------------------------------------- */

static double number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* Chrome's clock counts microseconds: digits beyond them are noise of the subtraction. */
static double rounded(double ms)
{
    return ms < 0 || ms > 1e12 ? ms : (double)(int64_t)(ms * 1000 + 0.5) / 1000;
}

/* to - from, or -1 where one of them did not happen. */
static double span(const json_t *timing, const char *from, const char *to)
{
    double start = number(timing, from, -1);
    double end = number(timing, to, -1);
    return start < 0 || end < start ? -1 : rounded(end - start);
}

/* The first thing that happened after the queue. */
static double first_step(const json_t *timing)
{
    static const char *const steps[] = {"dnsStart", "connectStart", "sslStart", "sendStart"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        double at = number(timing, steps[i], -1);
        if (at >= 0) {
            return at;
        }
    }
    return -1;
}

/* Chrome's timing counts from requestTime. */
json_t *har_entry_timings(const json_t *row)
{
    const json_t *timing = json_object_get(row, "timing");
    double total = number(row, "time_ms", -1);
    if (!json_is_object(timing)) {
        return json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "blocked", -1.0, "dns", -1.0, "connect",
                         -1.0, "ssl", -1.0, "send", 0.0, "wait", total < 0 ? -1.0 : total,
                         "receive", 0.0);
    }
    double started = number(row, "started_mono_us", 0) / 1000;
    double queued = started > 0 ? number(timing, "requestTime", 0) * 1000 - started : 0;
    double step = first_step(timing);
    double answered = number(timing, "receiveHeadersEnd", -1);
    double receive = total >= 0 && answered >= 0 ? total - queued - answered : -1;
    return json_pack(
        "{s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "blocked",
        step < 0 ? -1.0 : rounded((queued > 0 ? queued : 0) + step), "dns",
        span(timing, "dnsStart", "dnsEnd"), "connect", span(timing, "connectStart", "connectEnd"),
        "ssl", span(timing, "sslStart", "sslEnd"), "send", span(timing, "sendStart", "sendEnd"),
        "wait", span(timing, "sendEnd", "receiveHeadersEnd"), "receive",
        receive < 0 ? -1.0 : rounded(receive));
}

/* The entry --------------------------------------------------------------------------------- */

static json_t *request_part(const json_t *row)
{
    json_t *part = json_object();
    json_object_set_new(part, "method", value_or_null(row, "method"));
    json_object_set_new(part, "url", value_or_null(row, "url"));
    json_object_set_new(part, "headers", value_or_null(row, "request_headers"));
    copy(part, "postData", row, "post_data");
    copy_flag(part, "hasPostData", row, "has_post_data");
    copy(part, "documentURL", row, "document_url");
    copy(part, "priority", row, "priority");
    copy(part, "initiator", row, "initiator");
    return part;
}

static json_t *content_part(const json_t *row)
{
    json_t *part = json_object();
    json_object_set_new(part, "size", value_or_null(row, "decoded_bytes"));
    json_object_set_new(part, "mimeType", value_or_null(row, "mime_type"));
    copy(part, "charset", row, "charset");
    return part;
}

static json_t *response_part(const json_t *row)
{
    json_t *part = json_object();
    json_object_set_new(part, "status", value_or_null(row, "status"));
    json_object_set_new(part, "statusText", value_or_null(row, "status_text"));
    json_object_set_new(part, "headers", value_or_null(row, "response_headers"));
    json_object_set_new(part, "content", content_part(row));
    copy(part, "httpVersion", row, "http_version");
    copy(part, "size", row, "size");
    copy(part, "remoteAddress", row, "remote_address");
    copy(part, "remotePort", row, "remote_port");
    copy(part, "connection", row, "connection_id");
    copy(part, "securityState", row, "security_state");
    copy_flag(part, "fromCache", row, "from_cache");
    copy_flag(part, "fromDiskCache", row, "from_disk_cache");
    copy_flag(part, "fromServiceWorker", row, "from_service_worker");
    return part;
}

static json_t *websocket_part(const json_t *row)
{
    json_t *part = json_object();
    copy(part, "framesSent", row, "frames_sent");
    copy(part, "framesReceived", row, "frames_received");
    copy(part, "totalBytes", row, "ws_total_bytes");
    return part;
}

json_t *har_entry(const json_t *row)
{
    static const char *const plain[][2] = {{"id", "id"},
                                           {"request_id", "request_id"},
                                           {"hop", "hop"},
                                           {"target", "target"},
                                           {"protocol", "protocol"},
                                           {"type", "type"},
                                           {"state", "state"},
                                           {"startedDateTime", "started_datetime"},
                                           {"lastActivity", "last_activity"},
                                           {"error", "error"},
                                           {"blocked_reason", "blocked_reason"},
                                           {"cors_error", "cors_error"},
                                           {"pause_stage", "pause_stage"},
                                           {"paused_id", "paused_id"},
                                           {"body_status", "body_status"},
                                           {"body_error", "body_error"},
                                           {"frame_id", "frame_id"},
                                           {"loader_id", "loader_id"}};
    json_t *entry = json_object();
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        copy(entry, plain[i][0], row, plain[i][1]);
    }
    copy_flag(entry, "canceled", row, "canceled");
    json_object_set_new(entry, "time", value_or_null(row, "time_ms"));
    json_object_set_new(entry, "request", request_part(row));
    json_object_set_new(entry, "response", response_part(row));
    json_object_set_new(entry, "timings", har_entry_timings(row));
    if (json_is_integer(json_object_get(row, "frames_sent"))) {
        json_object_set_new(entry, "websocket", websocket_part(row));
    }
    return entry;
}

/* The body ---------------------------------------------------------------------------------- */

/* Base64 as a JSON string of the text it stands for; NULL if that is not UTF-8. */
static json_t *decoded_text(const char *body, size_t len)
{
    if (len % 4 != 0 || len > INT32_MAX / 2) {
        return NULL;
    }
    unsigned char *bytes = malloc(len / 4 * 3 + 1);
    int count = bytes != NULL ? EVP_DecodeBlock(bytes, (const unsigned char *)body, (int)len) : -1;
    json_t *text = NULL;
    if (count >= 0) {
        size_t padding = 0;
        while (padding < 2 && padding < len && body[len - 1 - padding] == '=') {
            padding++;
        }
        text = json_stringn((const char *)bytes, (size_t)count - padding);
    }
    free(bytes);
    return text;
}

void har_entry_body(json_t *entry, const char *body, size_t len, bool base64, const char *error)
{
    json_t *content = json_object_get(json_object_get(entry, "response"), "content");
    if (body == NULL) {
        json_object_set_new(content, "error", json_string(error != NULL ? error : "no body"));
        return;
    }
    json_t *text = base64 ? decoded_text(body, len) : NULL;
    if (text == NULL) {
        text = json_stringn(body, len);
        if (base64) {
            json_object_set_new(content, "encoding", json_string("base64"));
        }
    }
    json_object_set_new(content, "text", text != NULL ? text : json_null());
}

/* Selection --------------------------------------------------------------------------------- */

static const char *find_key(json_t *object, const char *name, size_t len)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (strlen(key) == len && strncasecmp(key, name, len) == 0) {
            return key;
        }
    }
    return NULL;
}

/* Copy what the path names from one object into another. */
static void select_path(json_t *out, json_t *from, const char *path)
{
    size_t len = strcspn(path, ".");
    const char *key = find_key(from, path, len);
    if (key == NULL) {
        return;
    }
    json_t *value = json_object_get(from, key);
    bool whole = path[len] == '\0' || strcmp(path + len, ".*") == 0;
    if (whole || !json_is_object(value)) {
        if (whole) {
            json_object_set(out, key, value);
        }
        return;
    }
    json_t *part = json_object_get(out, key);
    if (part == value) {
        return; /* all of it is selected already */
    }
    if (part == NULL) {
        part = json_object();
        json_object_set_new(out, key, part);
    }
    select_path(part, value, path + len + 1);
}

json_t *har_entry_select(json_t *entry, const json_t *fields)
{
    size_t i;
    const json_t *field;
    if (!json_is_array(fields) || json_array_size(fields) == 0 || har_entry_wants(fields, "*")) {
        return json_incref(entry);
    }
    json_t *out = json_object();
    json_object_set(out, "id", json_object_get(entry, "id"));
    json_array_foreach(fields, i, field)
    {
        if (json_is_string(field)) {
            select_path(out, entry, json_string_value(field));
        }
    }
    return out;
}

json_t *har_entry_resolution(const json_t *row)
{
    const char *state = json_string_value(json_object_get(row, "target_state"));
    if (state != NULL && strcmp(state, "connected") == 0) {
        return NULL;
    }
    return json_pack("{s:s, s:O?, s:s}", "via", "stashed", "target", json_object_get(row, "target"),
                     "state", state != NULL ? state : "gone");
}

bool har_entry_wants(const json_t *fields, const char *part)
{
    size_t i;
    const json_t *field;
    size_t len = strlen(part);
    json_array_foreach(fields, i, field)
    {
        const char *text = json_string_value(field);
        if (text != NULL && strncasecmp(text, part, len) == 0 &&
            (text[len] == '\0' || text[len] == '.')) {
            return true;
        }
    }
    return false;
}
