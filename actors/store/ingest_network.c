/* SPDX-License-Identifier: MIT */
/*
 * HTTP requests: Network.* events into request and response.
 *
 * Extra information (raw headers, true status) comes in events of its own, before or after the
 * event it belongs to, one for each hop that the browser sent over the network; hops served from a
 * cache have none, which hasExtraInfo and redirectHasExtraInfo say. So the next one that arrives
 * belongs to the first hop that neither had its own nor was declared to have none.
 */
#include "hop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EARLY_BYTES_MAX (256 * 1024)
#define EXTRA_LOST      (-1)

/* Extra information ------------------------------------------------------------------------- */

/* Keep the first that comes. False: it was not kept. */
static bool keep_early(early_extra *early, json_span params)
{
    if (early->params != NULL || params.len > EARLY_BYTES_MAX) {
        return false;
    }
    early->params = malloc(params.len);
    if (early->params != NULL) {
        memcpy(early->params, params.data, params.len);
        early->len = params.len;
    }
    return early->params != NULL;
}

static json_span early_span(const early_extra *early)
{
    return (json_span){early->params, early->len};
}

void extra_drop(early_extra *kept)
{
    free(kept->params);
    *kept = (early_extra){NULL, 0};
}

static void write_headers(recorder *rec, int64_t row, json_span headers)
{
    sqlite3_stmt *statement = recorder_statement(rec, SQL_HOP_EXTRA);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, row);
        put_json(statement, 2, headers);
        (void)recorder_run(rec, statement);
    }
}

/* Bind status, headers and header text of responseReceivedExtraInfo, from `at` on. */
static void put_answer(recorder *rec, sqlite3_stmt *statement, int at, json_span params)
{
    json_field fields[] = {
        {"statusCode", {NULL, 0}}, {"headers", {NULL, 0}}, {"headersText", {NULL, 0}}};
    json_fields(params, fields, 3);
    put_integer(statement, at, fields[0].value);
    put_json(statement, at + 1, fields[1].value);
    put_text(rec, statement, at + 2, fields[2].value);
}

static void write_answer(recorder *rec, int64_t row, json_span params)
{
    sqlite3_stmt *statement = recorder_statement(rec, SQL_RESPONSE_EXTRA);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, row);
        put_answer(rec, statement, 2, params);
        (void)recorder_run(rec, statement);
    }
}

void extra_put_answer(recorder *rec, const open_request *request, sqlite3_stmt *row, int at)
{
    put_answer(rec, row, at, early_span(&request->answer_unwritten));
}

/* What comes for a hop that is under way waits for the next write of its rows: it costs nothing
 * then. */
void extra_write(recorder *rec, open_request *request)
{
    if (request->headers_unwritten.params != NULL && request->id != 0) {
        write_headers(rec, request->id, early_span(&request->headers_unwritten));
    }
    if (request->answer_unwritten.params != NULL && request->id != 0) {
        write_answer(rec, request->id, early_span(&request->answer_unwritten));
    }
    extra_drop(&request->headers_unwritten);
    extra_drop(&request->answer_unwritten);
}

/* The row of the hop that extra information belongs to; 0: not begun yet; EXTRA_LOST: one that is
 * out of reach. Moves *next on. */
static int64_t extra_row(const open_request *request, int32_t *next)
{
    if (*next > request->hop) {
        return 0;
    }
    int32_t hop = (*next)++;
    int64_t row =
        request->hop - hop < HOPS_IN_REACH ? request->hop_ids[hop % HOPS_IN_REACH] : EXTRA_LOST;
    return row != 0 ? row : EXTRA_LOST;
}

void extra_of_request(recorder *rec, open_request *request, json_span params)
{
    int64_t row = extra_row(request, &request->request_extra_hop);
    if (row == 0) {
        keep_early(&request->request_early, params);
        return;
    }
    if (row == EXTRA_LOST) {
        return;
    }
    json_field headers = {"headers", {NULL, 0}};
    json_fields(params, &headers, 1);
    if (row == request->id && !open_request_ended(request) && json_is_map(headers.value) &&
        keep_early(&request->headers_unwritten, headers.value)) {
        return;
    }
    write_headers(rec, row, headers.value);
}

void extra_of_response(recorder *rec, open_request *request, json_span params)
{
    int64_t row = extra_row(request, &request->response_extra_hop);
    if (row == 0) {
        keep_early(&request->response_early, params);
        return;
    }
    if (row == EXTRA_LOST) {
        return;
    }
    if (row == request->id && !request->answered && !open_request_ended(request) &&
        keep_early(&request->answer_unwritten, params)) {
        return;
    }
    write_answer(rec, row, params);
}

/* Raw headers that came before the browser said that the hop before has none of its own. */
static void move_extra(recorder *rec, open_request *request)
{
    request->extra_misplaced = false;
    extra_write(rec, request);
    request->request_extra_hop = request->hop + 1;
    sqlite3_stmt *statement = recorder_statement(rec, SQL_HOP_EXTRA_MOVE);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, request->id);
        sqlite3_bind_int64(statement, 2, request->previous_id);
        (void)recorder_run(rec, statement);
    }
    statement = recorder_statement(rec, SQL_HOP_EXTRA);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, request->previous_id);
        sqlite3_bind_null(statement, 2);
        (void)recorder_run(rec, statement);
    }
}

void extra_begin(recorder *rec, open_request *request)
{
    if (request->extra_misplaced) {
        move_extra(rec, request);
    }
    early_extra early = request->request_early;
    request->request_early = (early_extra){NULL, 0};
    if (early.params != NULL) {
        extra_of_request(rec, request, early_span(&early));
        extra_drop(&early);
    }
    early = request->response_early;
    request->response_early = (early_extra){NULL, 0};
    if (early.params != NULL) {
        extra_of_response(rec, request, early_span(&early));
        extra_drop(&early);
    }
}

void extra_declared(open_request *request, json_span has_extra)
{
    bool value;
    if (!json_span_boolean(has_extra, &value) || value) {
        return;
    }
    if (request->request_extra_hop <= request->hop) {
        request->request_extra_hop = request->hop + 1;
    } else {
        request->extra_misplaced = request->request_early.params == NULL;
    }
    if (request->response_extra_hop <= request->hop) {
        request->response_extra_hop = request->hop + 1;
    }
}

static void extra_info(recorder *rec, recorded_event *event)
{
    json_field id = {"requestId", {NULL, 0}};
    json_fields(event->params, &id, 1);
    open_request *request = hop_entry(rec, event, id.value);
    if (request == NULL) {
        return;
    }
    if (event_is(event, "Network.requestWillBeSentExtraInfo")) {
        extra_of_request(rec, request, event->params);
    } else {
        extra_of_response(rec, request, event->params);
    }
}

/* Requests ---------------------------------------------------------------------------------- */

enum {
    SENT_ID,
    SENT_LOADER,
    SENT_DOCUMENT,
    SENT_REQUEST,
    SENT_TIME,
    SENT_WALL,
    SENT_INITIATOR,
    SENT_REDIRECT,
    SENT_REDIRECT_EXTRA,
    SENT_TYPE,
    SENT_FRAME,
    SENT_FIELDS
};

static void read_sent(json_span params, json_field *fields)
{
    static const char *const keys[SENT_FIELDS] = {
        "requestId", "loaderId",         "documentURL",          "request", "timestamp", "wallTime",
        "initiator", "redirectResponse", "redirectHasExtraInfo", "type",    "frameId"};
    for (int i = 0; i < SENT_FIELDS; i++) {
        fields[i].key = keys[i];
    }
    json_fields(params, fields, SENT_FIELDS);
}

static void read_start(const json_field *sent, hop_start *start)
{
    json_field request[] = {{"url", {NULL, 0}},
                            {"urlFragment", {NULL, 0}},
                            {"method", {NULL, 0}},
                            {"headers", {NULL, 0}},
                            {"postData", {NULL, 0}},
                            {"hasPostData", {NULL, 0}},
                            {"initialPriority", {NULL, 0}}};
    json_fields(sent[SENT_REQUEST].value, request, 7);
    *start = (hop_start){
        .request_id = sent[SENT_ID].value,
        .url = request[0].value,
        .fragment = request[1].value,
        .method = request[2].value,
        .headers = request[3].value,
        .post_data = request[4].value,
        .has_post_data = request[5].value,
        .priority = request[6].value,
        .type = sent[SENT_TYPE].value,
        .document_url = sent[SENT_DOCUMENT].value,
        .frame_id = sent[SENT_FRAME].value,
        .loader_id = sent[SENT_LOADER].value,
        .initiator = sent[SENT_INITIATOR].value,
        .wall_us = span_us(sent[SENT_WALL].value, 1),
        .mono_us = span_us(sent[SENT_TIME].value, 1),
    };
}

/* The answer that sent the browser on: the present hop ends with it. */
static void end_redirected(recorder *rec, recorded_event *event, open_request *request,
                           const json_field *sent)
{
    int64_t mono_us = span_us(sent[SENT_TIME].value, 1);
    json_field encoded = {"encodedDataLength", {NULL, 0}};
    json_fields(sent[SENT_REDIRECT].value, &encoded, 1);
    hop_response(rec, request, sent[SENT_REDIRECT].value, mono_us);
    extra_declared(request, sent[SENT_REDIRECT_EXTRA].value);
    hop_end end = {.state = REQUEST_COMPLETE,
                   .mono_us = mono_us,
                   .encoded_bytes = span_integer(encoded.value, -1)};
    hop_finish(rec, event, request, &end);
}

/* The same event again, or an older one, through another session of the target. */
static bool is_repeated(const open_request *request, const hop_start *start, bool redirected)
{
    int64_t present = request->started_mono_us;
    bool same = request->url_hash == hash_bytes(HASH_START, start->url.data, start->url.len);
    if (start->mono_us != 0 && start->mono_us < present) {
        return true;
    }
    return same && (present == start->mono_us || (!redirected && !open_request_ended(request)));
}

static void will_be_sent(recorder *rec, recorded_event *event)
{
    json_field sent[SENT_FIELDS];
    hop_start start;
    read_sent(event->params, sent);
    read_start(sent, &start);
    open_request *request =
        json_is_text(start.url) ? hop_entry(rec, event, sent[SENT_ID].value) : NULL;
    if (request == NULL || request->websocket) {
        return;
    }
    bool redirected = json_is_map(sent[SENT_REDIRECT].value);
    if (request->id != 0 && is_repeated(request, &start, redirected)) {
        return;
    }
    if (request->id != 0 && redirected) {
        end_redirected(rec, event, request, sent);
    } else if (request->id != 0) {
        hop_end end = {.state = REQUEST_COMPLETE, .mono_us = start.mono_us, .encoded_bytes = -1};
        hop_finish(rec, event, request, &end);
    }
    (void)hop_begin(rec, event, request, &start);
}

/* An answer to a request whose beginning was not seen (it was under way when recording began). */
static bool begin_unseen(recorder *rec, recorded_event *event, open_request *request,
                         const json_field *received)
{
    json_field url = {"url", {NULL, 0}};
    json_fields(received[2].value, &url, 1);
    if (!json_is_text(url.value)) {
        return false;
    }
    hop_start start = {.request_id = received[0].value,
                       .url = url.value,
                       .type = received[3].value,
                       .frame_id = received[5].value,
                       .loader_id = received[6].value,
                       .wall_us = event->wall_us};
    return hop_begin(rec, event, request, &start);
}

/* It was not fetched, and never will be. */
static void refuse_body(recorder *rec, const recorded_event *event, int64_t id, int64_t max)
{
    char why[64];
    sqlite3_stmt *row = recorder_statement(rec, SQL_BODY);
    snprintf(why, sizeof why, "larger than %lld bytes", (long long)max);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, id);
    sqlite3_bind_int(row, 2, 0);
    sqlite3_bind_int(row, 3, 0);
    sqlite3_bind_null(row, 4);
    sqlite3_bind_text(row, 5, why, -1, SQLITE_STATIC);
    sqlite3_bind_int64(row, 6, event->wall_us);
    sqlite3_bind_null(row, 7);
    if (recorder_run(rec, row) && sqlite3_changes(rec->db) > 0) {
        rec->counts.bodies++;
    }
}

/* What it sent is to be asked for, once it was sent. */
static void want_post_data(const recorder *rec, recorded_event *event, open_request *request,
                           json_span request_id)
{
    event->request_id = request_id;
    event->wants_post_data = request->lacks_post_data && rec->bodies.text_bytes_max > 0;
    request->lacks_post_data = false;
}

/* The request is complete: so is what it received. */
static void want_body(recorder *rec, recorded_event *event, const open_request *request,
                      json_span request_id)
{
    int64_t max = request->media ? rec->bodies.media_bytes_max : rec->bodies.text_bytes_max;
    if (max == 0 || request->bodiless) {
        return;
    }
    if (request->decoded_bytes > max) {
        refuse_body(rec, event, request->id, max);
        return;
    }
    event->request_id = request_id;
    event->wants_body = true;
}

static void response_received(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"requestId", {NULL, 0}},    {"timestamp", {NULL, 0}},
                           {"response", {NULL, 0}},     {"type", {NULL, 0}},
                           {"hasExtraInfo", {NULL, 0}}, {"frameId", {NULL, 0}},
                           {"loaderId", {NULL, 0}}};
    json_fields(event->params, fields, 7);
    open_request *request =
        json_is_map(fields[2].value) ? hop_entry(rec, event, fields[0].value) : NULL;
    if (request == NULL || (request->id == 0 && !begin_unseen(rec, event, request, fields))) {
        return;
    }
    int64_t mono_us = span_us(fields[1].value, 1);
    hop_response(rec, request, fields[2].value, mono_us);
    extra_declared(request, fields[4].value);
    hop_touch(event, request, mono_us);
    want_post_data(rec, event, request, fields[0].value);
    if (request->state != REQUEST_PENDING) {
        return;
    }
    request->state = REQUEST_LOADING; /* written with its next write, or at the commit */
    uint64_t type = json_is_text(fields[3].value)
                        ? hash_bytes(HASH_START, fields[3].value.data, fields[3].value.len)
                        : request->type_hash;
    sqlite3_stmt *row = type != request->type_hash ? recorder_statement(rec, SQL_HOP_TYPE) : NULL;
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, request->id);
        put_text(rec, row, 2, fields[3].value);
        (void)recorder_run(rec, row);
    }
}

static void data_received(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"requestId", {NULL, 0}},
                           {"timestamp", {NULL, 0}},
                           {"dataLength", {NULL, 0}},
                           {"encodedDataLength", {NULL, 0}}};
    json_fields(event->params, fields, 4);
    open_request *request = hop_find(rec, event, fields[0].value);
    if (request == NULL) {
        return;
    }
    hop_touch(event, request, span_us(fields[1].value, 1));
    int64_t decoded = span_integer(fields[2].value, 0);
    int64_t encoded = span_integer(fields[3].value, 0);
    request->decoded_bytes += decoded > 0 && request->decoded_bytes < INT64_MAX / 2 ? decoded : 0;
    if (!open_request_ended(request)) {
        request->encoded_bytes +=
            encoded > 0 && request->encoded_bytes < INT64_MAX / 2 ? encoded : 0;
    }
}

static void loading_finished(recorder *rec, recorded_event *event)
{
    json_field fields[] = {
        {"requestId", {NULL, 0}}, {"timestamp", {NULL, 0}}, {"encodedDataLength", {NULL, 0}}};
    json_fields(event->params, fields, 3);
    open_request *request = hop_find(rec, event, fields[0].value);
    if (request == NULL) {
        return;
    }
    hop_end end = {.state = REQUEST_COMPLETE,
                   .mono_us = span_us(fields[1].value, 1),
                   .encoded_bytes = span_integer(fields[2].value, -1)};
    bool ended = open_request_ended(request);
    hop_finish(rec, event, request, &end);
    if (!ended && !request->websocket) {
        want_post_data(rec, event, request, fields[0].value);
        want_body(rec, event, request, fields[0].value);
    }
}

static void loading_failed(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"requestId", {NULL, 0}},     {"timestamp", {NULL, 0}},
                           {"errorText", {NULL, 0}},     {"canceled", {NULL, 0}},
                           {"blockedReason", {NULL, 0}}, {"corsErrorStatus", {NULL, 0}}};
    json_fields(event->params, fields, 6);
    open_request *request = hop_find(rec, event, fields[0].value);
    if (request == NULL) {
        return;
    }
    json_field cors = {"corsError", {NULL, 0}};
    json_fields(fields[5].value, &cors, 1);
    hop_end end = {.state = REQUEST_FAILED,
                   .mono_us = span_us(fields[1].value, 1),
                   .encoded_bytes = -1,
                   .error = fields[2].value,
                   .canceled = fields[3].value,
                   .blocked_reason = fields[4].value,
                   .cors_error = cors.value};
    hop_finish(rec, event, request, &end);
    want_post_data(rec, event, request, fields[0].value);
}

static void served_from_cache(recorder *rec, recorded_event *event)
{
    json_field id = {"requestId", {NULL, 0}};
    json_fields(event->params, &id, 1);
    open_request *request = hop_find(rec, event, id.value);
    sqlite3_stmt *row = request != NULL ? recorder_statement(rec, SQL_HOP_CACHED) : NULL;
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, request->id);
        (void)recorder_run(rec, row);
    }
}

static void message_received(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"requestId", {NULL, 0}},
                           {"timestamp", {NULL, 0}},
                           {"eventName", {NULL, 0}},
                           {"eventId", {NULL, 0}},
                           {"data", {NULL, 0}}};
    json_fields(event->params, fields, 5);
    open_request *request = hop_find(rec, event, fields[0].value);
    int64_t mono_us = span_us(fields[1].value, 1);
    if (request == NULL) {
        return;
    }
    hop_touch(event, request, mono_us);
    sqlite3_stmt *row = recorder_statement(rec, SQL_MESSAGE);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, request->id);
    put_text(rec, row, 2, fields[2].value);
    put_text(rec, row, 3, fields[3].value);
    put_text(rec, row, 4, fields[4].value);
    put_known(row, 5, mono_us);
    sqlite3_bind_int64(row, 6, event->wall_us);
    (void)recorder_run(rec, row);
}

void ingest_network(recorder *rec, recorded_event *event)
{
    static const struct {
        const char *method;
        void (*ingest)(struct recorder *rec, recorded_event *event);
    } table[] = {
        {"Network.dataReceived", data_received},
        {"Network.requestWillBeSent", will_be_sent},
        {"Network.responseReceived", response_received},
        {"Network.loadingFinished", loading_finished},
        {"Network.requestWillBeSentExtraInfo", extra_info},
        {"Network.responseReceivedExtraInfo", extra_info},
        {"Network.loadingFailed", loading_failed},
        {"Network.requestServedFromCache", served_from_cache},
        {"Network.eventSourceMessageReceived", message_received},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (event_is(event, table[i].method)) {
            table[i].ingest(rec, event);
            return;
        }
    }
}
