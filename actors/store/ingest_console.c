/* SPDX-License-Identifier: MIT */
/*
 * Console messages: Runtime.consoleAPICalled, Runtime.exceptionThrown, Log.entryAdded and
 * Runtime.bindingCalled into console.
 *
 * Lines and columns are counted from 1, as DevTools shows them (the protocol counts from 0). Chrome
 * repeats a worker's console lines as log entries of its page; where the worker's own session is
 * recorded too, the repetition is left out.
 */
#include "console_text.h"
#include "hop.h"

#include <stdlib.h>
#include <string.h>

typedef struct message {
    const char *level, *type, *source;
    json_span url, line, column, stack, request_id;
    json_span type_span;
    int64_t timestamp_us;
} message;

/* Make it fit for a TEXT column: SQLite's functions stop at NUL. */
static void replace_nul(troupe_buffer *text)
{
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] == '\0') {
            text->data[i] = ' ';
        }
    }
}

static void put_position(sqlite3_stmt *row, int at, json_span span)
{
    int64_t value = span_integer(span, -1);
    if (value >= 0) {
        sqlite3_bind_int64(row, at, value + 1);
    } else {
        sqlite3_bind_null(row, at);
    }
}

static void insert(recorder *rec, recorded_event *event, const message *note, troupe_buffer *text)
{
    sqlite3_stmt *row = recorder_statement(rec, SQL_CONSOLE);
    if (row == NULL || text->failed) {
        return;
    }
    replace_nul(text);
    int64_t id = ++rec->console_last;
    sqlite3_bind_int64(row, 1, id);
    put_bytes(row, 2, event->uid, event->uid_len);
    put_bytes(row, 3, event->target, event->target_len);
    put_bytes(row, 4, event->session, event->session_len);
    sqlite3_bind_int64(row, 5, event->id);
    sqlite3_bind_text(row, 6, note->level, -1, SQLITE_STATIC);
    put_text(rec, row, 7, note->type_span);
    put_bytes(row, 8, note->source, strlen(note->source));
    put_bytes(row, 9, (const char *)text->data, text->len);
    sqlite3_bind_int64(row, 10, note->timestamp_us != 0 ? note->timestamp_us : event->wall_us);
    put_text(rec, row, 11, note->url);
    put_position(row, 12, note->line);
    put_position(row, 13, note->column);
    put_text(rec, row, 14, note->request_id);
    put_json(row, 15, note->stack);
    if (recorder_run(rec, row)) {
        rec->counts.console++;
        rec->notify(rec->context, TOPIC_CONSOLE, id);
    }
}

/* Where the topmost frame of a stack stands. */
static void read_top_frame(json_span stack, message *note)
{
    json_field frames = {"callFrames", {NULL, 0}};
    json_fields(stack, &frames, 1);
    if (!json_is_list(frames.value)) {
        return;
    }
    json_span top = {frames.value.data + 1, frames.value.len - 1};
    json_field fields[] = {
        {"url", {NULL, 0}}, {"lineNumber", {NULL, 0}}, {"columnNumber", {NULL, 0}}};
    json_fields(top, fields, 3);
    note->url = fields[0].value;
    note->line = fields[1].value;
    note->column = fields[2].value;
}

static const char *level_of_type(json_span type)
{
    static const char *const table[][2] = {{"\"warning\"", "warning"},
                                           {"\"error\"", "error"},
                                           {"\"assert\"", "error"},
                                           {"\"info\"", "info"},
                                           {"\"debug\"", "debug"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (type.len == strlen(table[i][0]) && memcmp(type.data, table[i][0], type.len) == 0) {
            return table[i][1];
        }
    }
    return "log";
}

static bool span_is(json_span span, const char *word)
{
    size_t len = strlen(word);
    return json_is_text(span) && span.len == len + 2 && memcmp(span.data + 1, word, len) == 0;
}

/* Make the text of a part of the params, repaired first where a page sent broken Unicode. */
static bool append_document(troupe_buffer *text, json_span span,
                            bool (*append)(troupe_buffer *text, const char *json, size_t len))
{
    troupe_buffer clean = {0};
    json_clean_append(&clean, span.data != NULL ? span.data : "", span.len);
    bool made = !clean.failed && append(text, (const char *)clean.data, clean.len);
    troupe_buffer_fini(&clean);
    return made;
}

static void console_called(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"type", {NULL, 0}},
                           {"args", {NULL, 0}},
                           {"timestamp", {NULL, 0}},
                           {"stackTrace", {NULL, 0}}};
    json_fields(event->params, fields, 4);
    if (!json_is_list(fields[1].value) || span_is(fields[0].value, "endGroup")) {
        return; /* the end of a group prints nothing */
    }
    message note = {.level = level_of_type(fields[0].value),
                    .source = "console",
                    .type_span = fields[0].value,
                    .stack = fields[3].value,
                    .timestamp_us = span_us(fields[2].value, 1000)};
    read_top_frame(fields[3].value, &note);
    troupe_buffer text = {0};
    if (span_is(fields[0].value, "assert")) {
        (void)troupe_buffer_printf(&text, "Assertion failed: ");
    }
    if (append_document(&text, fields[1].value, console_args_append)) {
        insert(rec, event, &note, &text);
    }
    troupe_buffer_fini(&text);
}

static void exception_thrown(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"timestamp", {NULL, 0}}, {"exceptionDetails", {NULL, 0}}};
    json_fields(event->params, fields, 2);
    json_field detail[] = {{"url", {NULL, 0}},
                           {"lineNumber", {NULL, 0}},
                           {"columnNumber", {NULL, 0}},
                           {"stackTrace", {NULL, 0}}};
    json_fields(fields[1].value, detail, 4);
    message note = {.level = "error",
                    .source = "exception",
                    .stack = detail[3].value,
                    .timestamp_us = span_us(fields[0].value, 1000)};
    read_top_frame(detail[3].value, &note);
    if (!json_is_text(note.url)) {
        note.url = detail[0].value;
        note.line = detail[1].value;
        note.column = detail[2].value;
    }
    troupe_buffer text = {0};
    if (append_document(&text, fields[1].value, console_exception_append)) {
        insert(rec, event, &note, &text);
    }
    troupe_buffer_fini(&text);
}

static const char *level_of_entry(json_span level)
{
    static const char *const levels[] = {"error", "warning", "info"};
    for (size_t i = 0; i < 3; i++) {
        if (span_is(level, levels[i])) {
            return levels[i];
        }
    }
    return span_is(level, "verbose") ? "debug" : "log";
}

static uint64_t worker_hash(const recorded_event *event, json_span id)
{
    uint64_t hash = hash_bytes(HASH_START, event->uid, event->uid_len);
    return hash_bytes(hash, id.data, id.len) | 1; /* never 0 */
}

static bool worker_recorded(const recorder *rec, const recorded_event *event, json_span id)
{
    uint64_t hash = worker_hash(event, id);
    for (size_t i = 0; json_is_text(id) && i < RECORDER_WORKERS_MAX; i++) {
        if (rec->workers[i] == hash) {
            return true;
        }
    }
    return false;
}

static void entry_added(recorder *rec, recorded_event *event)
{
    json_field entry = {"entry", {NULL, 0}};
    json_fields(event->params, &entry, 1);
    json_field fields[] = {{"source", {NULL, 0}},     {"level", {NULL, 0}},
                           {"text", {NULL, 0}},       {"timestamp", {NULL, 0}},
                           {"url", {NULL, 0}},        {"lineNumber", {NULL, 0}},
                           {"stackTrace", {NULL, 0}}, {"networkRequestId", {NULL, 0}},
                           {"workerId", {NULL, 0}}};
    json_fields(entry.value, fields, 9);
    if (!json_is_text(fields[2].value) ||
        (span_is(fields[0].value, "worker") && worker_recorded(rec, event, fields[8].value))) {
        return;
    }
    troupe_buffer source = {0};
    troupe_buffer text = {0};
    (void)json_text_append(&source, fields[0].value);
    (void)troupe_buffer_append(&source, "", 1);
    (void)json_text_append(&text, fields[2].value);
    message note = {.level = level_of_entry(fields[1].value),
                    .source = source.failed ? "log" : (const char *)source.data,
                    .stack = fields[6].value,
                    .request_id = fields[7].value,
                    .timestamp_us = span_us(fields[3].value, 1000)};
    read_top_frame(fields[6].value, &note);
    if (!json_is_text(note.url)) {
        note.url = fields[4].value;
        note.line = fields[5].value;
    }
    insert(rec, event, &note, &text);
    troupe_buffer_fini(&source);
    troupe_buffer_fini(&text);
}

/* A function that was bound (RPC `bind`) was called. The event has no time of its own. */
static void binding_called(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"name", {NULL, 0}}, {"payload", {NULL, 0}}};
    json_fields(event->params, fields, 2);
    if (!json_is_text(fields[0].value)) {
        return;
    }
    message note = {.level = "info", .source = "binding"};
    troupe_buffer text = {0};
    (void)troupe_buffer_append(&text, "[", 1);
    (void)json_text_append(&text, fields[0].value);
    (void)troupe_buffer_append(&text, "] ", 2);
    (void)json_text_append(&text, fields[1].value);
    insert(rec, event, &note, &text);
    troupe_buffer_fini(&text);
}

void ingest_console(recorder *rec, recorded_event *event)
{
    if (event_is(event, "Runtime.consoleAPICalled")) {
        console_called(rec, event);
    } else if (event_is(event, "Runtime.exceptionThrown")) {
        exception_thrown(rec, event);
    } else if (event_is(event, "Log.entryAdded")) {
        entry_added(rec, event);
    } else if (event_is(event, "Runtime.bindingCalled")) {
        binding_called(rec, event);
    }
}

void ingest_worker(recorder *rec, recorded_event *event)
{
    if (!event_is(event, "Target.attachedToTarget")) {
        return;
    }
    json_field info = {"targetInfo", {NULL, 0}};
    json_fields(event->params, &info, 1);
    json_field fields[] = {{"targetId", {NULL, 0}}, {"type", {NULL, 0}}};
    json_fields(info.value, fields, 2);
    if (!span_is(fields[1].value, "worker") || !json_is_text(fields[0].value) ||
        worker_recorded(rec, event, fields[0].value)) {
        return;
    }
    rec->workers[rec->worker_next] = worker_hash(event, fields[0].value);
    rec->worker_next = (rec->worker_next + 1) % RECORDER_WORKERS_MAX;
}
