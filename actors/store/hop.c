/* SPDX-License-Identifier: MIT */
/* The life of one hop. */
#include "hop.h"

#include <string.h>

#define REQUEST_ID_MAX 512

static const char *const http_words[] = {"pending", "loading", "complete", "failed"};
static const char *const socket_words[] = {"connecting", "open", "closed", "failed"};

const char *hop_state_word(const open_request *request)
{
    return (request->websocket ? socket_words : http_words)[request->state];
}

static bool make_key(const recorded_event *event, json_span request_id, request_key *key)
{
    key->uid = event->uid;
    key->uid_len = event->uid_len;
    key->target = event->target;
    key->target_len = event->target_len;
    return json_plain_string(request_id, &key->request_id, &key->request_id_len) &&
           key->request_id_len > 0 && key->request_id_len <= REQUEST_ID_MAX;
}

static request_state state_of_word(const char *word)
{
    for (int state = REQUEST_PENDING; word != NULL && state <= REQUEST_FAILED; state++) {
        if (strcmp(word, http_words[state]) == 0 || strcmp(word, socket_words[state]) == 0) {
            return (request_state)state;
        }
    }
    return REQUEST_FAILED;
}

static void read_entry(open_request *request, sqlite3_stmt *row)
{
    request->id = sqlite3_column_int64(row, 0);
    request->chain = sqlite3_column_int64(row, 1);
    request->hop = sqlite3_column_int(row, 2);
    request->state = state_of_word((const char *)sqlite3_column_text(row, 3));
    const char *protocol = (const char *)sqlite3_column_text(row, 4);
    request->websocket = protocol != NULL && strcmp(protocol, "websocket") == 0;
    int64_t *const values[] = {&request->started_us,    &request->started_mono_us,
                               &request->last_us,       &request->last_event,
                               &request->encoded_bytes, &request->decoded_bytes,
                               &request->frames_sent,   &request->frames_received,
                               &request->bytes_sent,    &request->bytes_received};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        *values[i] = sqlite3_column_int64(row, (int)i + 5);
    }
    request->hop_ids[request->hop % HOPS_IN_REACH] = request->id;
    request->request_extra_hop = request->hop;
    request->response_extra_hop = request->hop;
}

/* Bring an entry back that had to leave the table. NULL if there is no such row. */
static open_request *recall(recorder *rec, const request_key *key)
{
    sqlite3_stmt *row = recorder_statement(rec, SQL_HOP_FIND);
    if (row == NULL) {
        return NULL;
    }
    put_bytes(row, 1, key->request_id, key->request_id_len);
    put_bytes(row, 2, key->target, key->target_len);
    put_bytes(row, 3, key->uid, key->uid_len);
    open_request *request = NULL;
    if (sqlite3_step(row) == SQLITE_ROW) {
        request = open_requests_add(&rec->requests, key);
        if (request != NULL) {
            read_entry(request, row);
        }
    }
    sqlite3_reset(row);
    return request;
}

static void note_event(recorder *rec, recorded_event *event, open_request *request)
{
    event->request = request->chain;
    request->last_event = event->id;
    if (!request->dirty) {
        request->dirty = true;
        rec->dirty_count++;
    }
}

static open_request *find(recorder *rec, recorded_event *event, const request_key *key)
{
    open_request *request = open_requests_find(&rec->requests, key);
    if (request == NULL && rec->requests_forgotten) {
        request = recall(rec, key);
    }
    if (request != NULL) {
        note_event(rec, event, request);
    }
    return request;
}

open_request *hop_find(recorder *rec, recorded_event *event, json_span request_id)
{
    request_key key;
    if (!make_key(event, request_id, &key)) {
        return NULL;
    }
    open_request *request = find(rec, event, &key);
    return request != NULL && request->id != 0 ? request : NULL;
}

open_request *hop_entry(recorder *rec, recorded_event *event, json_span request_id)
{
    request_key key;
    if (!make_key(event, request_id, &key)) {
        return NULL;
    }
    open_request *request = find(rec, event, &key);
    if (request == NULL) {
        request = open_requests_add(&rec->requests, &key);
        if (request != NULL) {
            request->hop = -1;
        }
    }
    return request;
}

/* Bind what a new row takes from the event and the entry. */
static void put_hop_place(sqlite3_stmt *row, const recorded_event *event,
                          const open_request *request)
{
    const char *request_id = request->key + request->uid_len + request->target_len;
    sqlite3_bind_int64(row, 1, request->id);
    sqlite3_bind_int64(row, 2, request->chain);
    sqlite3_bind_int(row, 3, request->hop);
    put_bytes(row, 4, event->uid, event->uid_len);
    put_bytes(row, 5, event->target, event->target_len);
    put_bytes(row, 6, event->session, event->session_len);
    put_bytes(row, 7, request_id, request->request_id_len);
    put_bytes(row, 8, request->websocket ? "websocket" : "http", request->websocket ? 9 : 4);
    put_known(row, 17, request->started_us);
    put_known(row, 18, request->started_mono_us);
    sqlite3_bind_int64(row, 19, request->last_us);
    sqlite3_bind_int64(row, 20, event->id);
    sqlite3_bind_text(row, 21, hop_state_word(request), -1, SQLITE_STATIC);
}

/* The whole URL: Chrome gives the fragment apart. */
static void put_url(recorder *rec, sqlite3_stmt *row, int at, const hop_start *start)
{
    put_text(rec, row, at, start->url);
    if (!json_is_text(start->fragment) || !json_is_text(start->url)) {
        return;
    }
    troupe_buffer_clear(&rec->text);
    (void)json_text_append(&rec->text, start->url);
    (void)json_text_append(&rec->text, start->fragment);
    if (!rec->text.failed) {
        sqlite3_bind_text64(row, at, (const char *)rec->text.data, rec->text.len, SQLITE_TRANSIENT,
                            SQLITE_UTF8);
    }
}

static void put_hop_start(recorder *rec, sqlite3_stmt *row, const open_request *request,
                          const hop_start *start)
{
    json_field initiator = {"type", {NULL, 0}};
    json_fields(start->initiator, &initiator, 1);
    put_text(rec, row, 9, start->method);
    put_url(rec, row, 10, start);
    put_text(rec, row, 11, start->type);
    put_text(rec, row, 12, start->document_url);
    put_text(rec, row, 13, start->frame_id);
    put_text(rec, row, 14, start->loader_id);
    put_text(rec, row, 15, initiator.value);
    put_text(rec, row, 16, start->priority);
    put_boolean(row, 22, start->has_post_data);
    put_text(rec, row, 23, start->post_data);
    put_json(row, 24, start->headers);
    put_json(row, 25, start->initiator);
    if (request->websocket) {
        put_bytes(row, 9, "WS", 2);
        put_bytes(row, 11, "WebSocket", 9);
    }
}

static bool json_begins(json_span text, const char *prefix)
{
    size_t len = strlen(prefix);
    return json_is_text(text) && text.len > len && memcmp(text.data + 1, prefix, len) == 0;
}

static uint64_t url_hash(json_span url)
{
    return hash_bytes(HASH_START, url.data != NULL ? url.data : "", url.len);
}

static void begin_entry(recorder *rec, const recorded_event *event, open_request *request,
                        const hop_start *start)
{
    extra_write(rec, request);
    request->previous_id = request->id;
    request->answered = false;
    request->type_hash = url_hash(start->type);
    request->id = ++rec->request_last;
    request->chain = request->chain != 0 ? request->chain : request->id;
    request->hop++;
    request->hop_ids[request->hop % HOPS_IN_REACH] = request->id;
    request->state = REQUEST_PENDING;
    request->started_us = start->wall_us != 0 ? start->wall_us : event->wall_us;
    request->started_mono_us = start->mono_us;
    request->last_us = request->started_us;
    request->encoded_bytes = request->decoded_bytes = 0;
    request->url_hash = url_hash(start->url);
    request->media = false;
    request->bodiless = json_begins(start->url, "data:");
    request->lacks_post_data = span_true(start->has_post_data) && !json_is_text(start->post_data);
}

bool hop_begin(recorder *rec, recorded_event *event, open_request *request, const hop_start *start)
{
    begin_entry(rec, event, request, start);
    sqlite3_stmt *row = recorder_statement(rec, SQL_HOP);
    if (row == NULL) {
        return false;
    }
    put_hop_place(row, event, request);
    put_hop_start(rec, row, request, start);
    if (!recorder_run(rec, row)) {
        return false;
    }
    rec->counts.requests++;
    note_event(rec, event, request);
    extra_begin(rec, request);
    recorder_lose_late(rec, event);
    return true;
}

static int64_t activity_us(const recorded_event *event, const open_request *request,
                           int64_t mono_us)
{
    if (mono_us == 0 || request->started_mono_us == 0 || mono_us < request->started_mono_us) {
        return event->wall_us;
    }
    return request->started_us + (mono_us - request->started_mono_us);
}

void hop_touch(const recorded_event *event, open_request *request, int64_t mono_us)
{
    int64_t at = activity_us(event, request, mono_us);
    if (at > request->last_us) {
        request->last_us = at;
    }
}

static void put_duration(sqlite3_stmt *row, int at, const open_request *request, int64_t mono_us)
{
    if (mono_us != 0 && request->started_mono_us != 0 && mono_us >= request->started_mono_us) {
        sqlite3_bind_int64(row, at, mono_us - request->started_mono_us);
    } else {
        sqlite3_bind_null(row, at);
    }
}

/* Its row says all that is known. */
static void clean(recorder *rec, open_request *request)
{
    if (request->dirty) {
        request->dirty = false;
        rec->dirty_count--;
    }
}

void hop_finish(recorder *rec, recorded_event *event, open_request *request, const hop_end *end)
{
    if (request->state >= end->state) {
        return; /* the same end through another session, or a worse one before */
    }
    request->state = end->state;
    if (end->encoded_bytes >= 0) {
        request->encoded_bytes = end->encoded_bytes;
    }
    hop_touch(event, request, end->mono_us);
    if (request->websocket) {
        hop_flush(rec, request);
    }
    if (request->answer_unwritten.params != NULL) {
        extra_write(rec, request); /* no response came for it */
    }
    sqlite3_stmt *row = recorder_statement(rec, SQL_HOP_END);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, request->id);
    sqlite3_bind_text(row, 2, hop_state_word(request), -1, SQLITE_STATIC);
    put_duration(row, 3, request, end->mono_us);
    sqlite3_bind_int64(row, 4, request->last_us);
    sqlite3_bind_int64(row, 5, event->id);
    sqlite3_bind_int64(row, 6, request->encoded_bytes);
    sqlite3_bind_int64(row, 7, request->decoded_bytes);
    put_text(rec, row, 8, end->error);
    put_boolean(row, 9, end->canceled);
    put_text(rec, row, 10, end->blocked_reason);
    put_text(rec, row, 11, end->cors_error);
    if (request->headers_unwritten.params != NULL) {
        put_bytes(row, 12, request->headers_unwritten.params, request->headers_unwritten.len);
    } else {
        sqlite3_bind_null(row, 12);
    }
    if (recorder_run(rec, row)) {
        extra_drop(&request->headers_unwritten);
        clean(rec, request);
        rec->notify(rec->context, TOPIC_NETWORK, request->id);
    }
}

void hop_flush(recorder *rec, open_request *request)
{
    if (!request->dirty) {
        return;
    }
    clean(rec, request);
    extra_write(rec, request);
    sqlite3_stmt *row = request->id != 0 ? recorder_statement(rec, SQL_HOP_COUNTS) : NULL;
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, request->id);
    sqlite3_bind_int64(row, 2, request->last_us);
    put_known(row, 3, request->last_event);
    sqlite3_bind_int64(row, 4, request->encoded_bytes);
    sqlite3_bind_int64(row, 5, request->decoded_bytes);
    sqlite3_bind_text(row, 6, hop_state_word(request), -1, SQLITE_STATIC);
    (void)recorder_run(rec, row);
    row = request->websocket ? recorder_statement(rec, SQL_SOCKET_COUNTS) : NULL;
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, request->id);
    sqlite3_bind_int64(row, 2, request->frames_sent);
    sqlite3_bind_int64(row, 3, request->frames_received);
    sqlite3_bind_int64(row, 4, request->bytes_sent);
    sqlite3_bind_int64(row, 5, request->bytes_received);
    (void)recorder_run(rec, row);
}

enum {
    RESPONSE_STATUS,
    RESPONSE_STATUS_TEXT,
    RESPONSE_URL,
    RESPONSE_PROTOCOL,
    RESPONSE_MIME,
    RESPONSE_CHARSET,
    RESPONSE_ADDRESS,
    RESPONSE_PORT,
    RESPONSE_CONNECTION,
    RESPONSE_REUSED,
    RESPONSE_DISK,
    RESPONSE_WORKER,
    RESPONSE_PREFETCH,
    RESPONSE_SECURITY,
    RESPONSE_HEADERS,
    RESPONSE_TIMING,
    RESPONSE_FIELDS
};

static const json_field response_fields[RESPONSE_FIELDS] = {
    {"status", {NULL, 0}},
    {"statusText", {NULL, 0}},
    {"url", {NULL, 0}},
    {"protocol", {NULL, 0}},
    {"mimeType", {NULL, 0}},
    {"charset", {NULL, 0}},
    {"remoteIPAddress", {NULL, 0}},
    {"remotePort", {NULL, 0}},
    {"connectionId", {NULL, 0}},
    {"connectionReused", {NULL, 0}},
    {"fromDiskCache", {NULL, 0}},
    {"fromServiceWorker", {NULL, 0}},
    {"fromPrefetchCache", {NULL, 0}},
    {"securityState", {NULL, 0}},
    {"headers", {NULL, 0}},
    {"timing", {NULL, 0}},
};

/* What kind of body follows, if one does. */
static void note_body(open_request *request, const json_field *fields)
{
    static const char *const media[] = {"image/", "font/", "audio/", "video/"};
    json_span mime = fields[RESPONSE_MIME].value;
    int64_t status = span_integer(fields[RESPONSE_STATUS].value, 0);
    request->media = false;
    for (size_t i = 0; i < sizeof media / sizeof *media; i++) {
        request->media |= json_begins(mime, media[i]);
    }
    request->media &= !json_begins(mime, "image/svg");
    request->bodiless |= json_begins(mime, "text/event-stream") || status == 204 || status == 205 ||
                         status == 304 || status < 200;
}

void hop_response(recorder *rec, open_request *request, json_span response, int64_t mono_us)
{
    json_field fields[RESPONSE_FIELDS];
    memcpy(fields, response_fields, sizeof fields);
    json_fields(response, fields, RESPONSE_FIELDS);
    note_body(request, fields);
    sqlite3_stmt *row = recorder_statement(rec, SQL_RESPONSE);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, request->id);
    put_integer(row, 2, fields[RESPONSE_STATUS].value);
    for (int i = RESPONSE_STATUS_TEXT; i <= RESPONSE_ADDRESS; i++) {
        put_text(rec, row, i + 2, fields[i].value);
    }
    put_integer(row, 9, fields[RESPONSE_PORT].value);
    put_integer(row, 10, fields[RESPONSE_CONNECTION].value);
    for (int i = RESPONSE_REUSED; i <= RESPONSE_PREFETCH; i++) {
        put_boolean(row, i + 2, fields[i].value);
    }
    put_text(rec, row, 15, fields[RESPONSE_SECURITY].value);
    put_known(row, 16, mono_us);
    put_json(row, 17, fields[RESPONSE_HEADERS].value);
    put_json(row, 18, fields[RESPONSE_TIMING].value);
    extra_put_answer(rec, request, row, 19);
    if (recorder_run(rec, row)) {
        request->answered = true;
        extra_drop(&request->answer_unwritten);
    }
}
