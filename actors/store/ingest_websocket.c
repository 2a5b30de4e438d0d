/* SPDX-License-Identifier: MIT */
/* WebSockets: Network.webSocket* events into request, response, websocket and websocket_frame. */
#include "hop.h"

#include <stdlib.h>
#include <string.h>

static void created(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"requestId", {NULL, 0}}, {"url", {NULL, 0}}, {"initiator", {NULL, 0}}};
    json_fields(event->params, fields, 3);
    open_request *request =
        json_is_text(fields[1].value) ? hop_entry(rec, event, fields[0].value) : NULL;
    if (request == NULL || request->id != 0) {
        return;
    }
    request->websocket = true;
    hop_start start = {
        .request_id = fields[0].value, .url = fields[1].value, .initiator = fields[2].value};
    sqlite3_stmt *row =
        hop_begin(rec, event, request, &start) ? recorder_statement(rec, SQL_SOCKET) : NULL;
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, request->id);
        (void)recorder_run(rec, row);
    }
}

static void handshake_sent(recorder *rec, recorded_event *event, open_request *request,
                           json_field *fields)
{
    json_field headers = {"headers", {NULL, 0}};
    json_fields(fields[2].value, &headers, 1);
    int64_t wall_us = span_us(fields[4].value, 1);
    request->started_us = wall_us != 0 ? wall_us : event->wall_us;
    request->started_mono_us = span_us(fields[1].value, 1);
    request->last_us = request->started_us;
    sqlite3_stmt *row = recorder_statement(rec, SQL_HANDSHAKE);
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, request->id);
        put_json(row, 2, headers.value);
        sqlite3_bind_int64(row, 3, request->started_us);
        put_known(row, 4, request->started_mono_us);
        (void)recorder_run(rec, row);
    }
}

static void set_time(recorder *rec, recorder_sql sql, int64_t id, int64_t mono_us)
{
    sqlite3_stmt *row = recorder_statement(rec, sql);
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, id);
        put_known(row, 2, mono_us);
        (void)recorder_run(rec, row);
    }
}

static void opened(recorder *rec, recorded_event *event, open_request *request, json_field *fields)
{
    int64_t mono_us = span_us(fields[1].value, 1);
    hop_response(rec, request, fields[3].value, mono_us);
    hop_touch(event, request, mono_us);
    if (request->state != REQUEST_PENDING) {
        return;
    }
    request->state = REQUEST_LOADING;
    set_time(rec, SQL_SOCKET_OPEN, request->id, mono_us);
    sqlite3_stmt *row = recorder_statement(rec, SQL_HOP_STATE);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, request->id);
    sqlite3_bind_text(row, 2, hop_state_word(request), -1, SQLITE_STATIC);
    if (recorder_run(rec, row)) {
        rec->notify(rec->context, TOPIC_NETWORK, request->id);
    }
}

/* Bytes of a frame: of the text as UTF-8, or of what base64 text stands for. */
static int64_t payload_bytes(json_span payload, int64_t opcode)
{
    const char *text;
    size_t len;
    if (!json_is_text(payload)) {
        return 0;
    }
    if (!json_plain_string(payload, &text, &len)) {
        troupe_buffer decoded = {0};
        (void)json_text_append(&decoded, payload);
        len = decoded.len;
        troupe_buffer_fini(&decoded);
        return (int64_t)len;
    }
    if (opcode == 1 || len % 4 != 0) {
        return (int64_t)len;
    }
    size_t padding = 0;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=') {
        padding++;
    }
    return (int64_t)(len / 4 * 3 - padding);
}

static void frame(recorder *rec, recorded_event *event, open_request *request, json_field *fields,
                  bool sent)
{
    json_field data[] = {{"opcode", {NULL, 0}}, {"mask", {NULL, 0}}, {"payloadData", {NULL, 0}}};
    json_fields(fields[3].value, data, 3);
    int64_t opcode = span_integer(data[0].value, 0);
    int64_t bytes = payload_bytes(data[2].value, opcode);
    int64_t mono_us = span_us(fields[1].value, 1);
    hop_touch(event, request, mono_us);
    *(sent ? &request->frames_sent : &request->frames_received) += 1;
    *(sent ? &request->bytes_sent : &request->bytes_received) += bytes;
    sqlite3_stmt *row = recorder_statement(rec, SQL_FRAME);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, request->id);
    put_bytes(row, 2, sent ? "sent" : "received", sent ? 4 : 8);
    sqlite3_bind_int64(row, 3, opcode);
    put_boolean(row, 4, data[1].value);
    sqlite3_bind_int64(row, 5, bytes);
    put_known(row, 6, mono_us);
    sqlite3_bind_int64(row, 7, request->last_us);
    put_text(rec, row, 8, data[2].value);
    if (recorder_run(rec, row)) {
        rec->counts.frames++;
    }
}

/* A handshake that was refused is told in words alone: "…: Unexpected response code: 403". */
static void refused(recorder *rec, const open_request *request, json_span message)
{
    static const char mark[] = "Unexpected response code: ";
    const char *at =
        message.data != NULL ? memmem(message.data, message.len, mark, sizeof mark - 1) : NULL;
    int status = at != NULL ? atoi(at + sizeof mark - 1) : 0; /* ends at the quote */
    sqlite3_stmt *row =
        status >= 100 && status <= 999 ? recorder_statement(rec, SQL_RESPONSE_EXTRA) : NULL;
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, request->id);
        sqlite3_bind_int(row, 2, status);
        sqlite3_bind_null(row, 3);
        sqlite3_bind_null(row, 4);
        (void)recorder_run(rec, row);
    }
}

static void frame_error(recorder *rec, open_request *request, json_field *fields)
{
    if (request->state == REQUEST_PENDING) {
        refused(rec, request, fields[5].value);
    }
    sqlite3_stmt *row = recorder_statement(rec, SQL_HOP_ERROR);
    if (row != NULL && json_is_text(fields[5].value)) {
        sqlite3_bind_int64(row, 1, request->id);
        put_text(rec, row, 2, fields[5].value);
        (void)recorder_run(rec, row);
    }
}

static void closed(recorder *rec, recorded_event *event, open_request *request, json_field *fields)
{
    int64_t mono_us = span_us(fields[1].value, 1);
    set_time(rec, SQL_SOCKET_CLOSE, request->id, mono_us);
    /* A socket that never opened has failed. */
    hop_end end = {.state = request->state == REQUEST_PENDING ? REQUEST_FAILED : REQUEST_COMPLETE,
                   .mono_us = mono_us,
                   .encoded_bytes = -1};
    hop_finish(rec, event, request, &end);
}

void ingest_websocket(recorder *rec, recorded_event *event)
{
    if (event_is(event, "Network.webSocketCreated")) {
        created(rec, event);
        return;
    }
    json_field fields[] = {{"requestId", {NULL, 0}}, {"timestamp", {NULL, 0}},
                           {"request", {NULL, 0}},   {"response", {NULL, 0}},
                           {"wallTime", {NULL, 0}},  {"errorMessage", {NULL, 0}}};
    json_fields(event->params, fields, 6);
    open_request *request = hop_find(rec, event, fields[0].value);
    if (request == NULL || !request->websocket) {
        return;
    }
    if (event_is(event, "Network.webSocketFrameReceived")) {
        frame(rec, event, request, fields, false);
    } else if (event_is(event, "Network.webSocketFrameSent")) {
        frame(rec, event, request, fields, true);
    } else if (event_is(event, "Network.webSocketWillSendHandshakeRequest")) {
        handshake_sent(rec, event, request, fields);
    } else if (event_is(event, "Network.webSocketHandshakeResponseReceived")) {
        opened(rec, event, request, fields);
    } else if (event_is(event, "Network.webSocketFrameError")) {
        frame_error(rec, request, fields);
    } else if (event_is(event, "Network.webSocketClosed")) {
        closed(rec, event, request, fields);
    }
}
