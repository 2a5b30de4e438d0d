/* SPDX-License-Identifier: MIT */
/* Page.* events: navigations of main frames, the lifecycle of all, dialogs, downloads. */
#include "recorder.h"

/* A statement with uid, target and session, which all of these begin with; NULL: storage fails. */
static sqlite3_stmt *of_target(recorder *rec, const recorded_event *event, recorder_sql sql)
{
    sqlite3_stmt *row = recorder_statement(rec, sql);
    if (row != NULL) {
        put_bytes(row, 1, event->uid, event->uid_len);
        put_bytes(row, 2, event->target, event->target_len);
        put_bytes(row, 3, event->session, event->session_len);
    }
    return row;
}

/* The same for a new row, which begins with the event too. */
static sqlite3_stmt *new_row(recorder *rec, const recorded_event *event, recorder_sql sql)
{
    sqlite3_stmt *row = of_target(rec, event, sql);
    if (row != NULL) {
        sqlite3_bind_int64(row, 4, event->id);
    }
    return row;
}

static void navigated(recorder *rec, recorded_event *event)
{
    json_field frame = {"frame", {NULL, 0}};
    json_fields(event->params, &frame, 1);
    json_field fields[] = {{"id", {NULL, 0}},  {"parentId", {NULL, 0}}, {"loaderId", {NULL, 0}},
                           {"url", {NULL, 0}}, {"mimeType", {NULL, 0}}, {"urlFragment", {NULL, 0}}};
    json_fields(frame.value, fields, 6);
    if (json_is_text(fields[1].value) || !json_is_text(fields[3].value)) {
        return; /* a frame inside the page */
    }
    sqlite3_stmt *row = new_row(rec, event, SQL_PAGE);
    if (row == NULL) {
        return;
    }
    put_text(rec, row, 5, fields[0].value);
    put_text(rec, row, 6, fields[2].value);
    put_text(rec, row, 7, fields[3].value);
    put_text(rec, row, 8, fields[4].value);
    sqlite3_bind_int64(row, 9, event->wall_us);
    (void)recorder_run(rec, row);
}

static void milestone(recorder *rec, recorded_event *event, recorder_sql sql)
{
    sqlite3_stmt *row = of_target(rec, event, sql);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 4, event->wall_us);
    (void)recorder_run(rec, row);
}

static void lifecycle(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"frameId", {NULL, 0}},
                           {"loaderId", {NULL, 0}},
                           {"name", {NULL, 0}},
                           {"timestamp", {NULL, 0}}};
    json_fields(event->params, fields, 4);
    sqlite3_stmt *row = json_is_text(fields[2].value) ? new_row(rec, event, SQL_LIFECYCLE) : NULL;
    if (row == NULL) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        put_text(rec, row, 5 + i, fields[i].value);
    }
    put_known(row, 8, span_us(fields[3].value, 1));
    sqlite3_bind_int64(row, 9, event->wall_us);
    (void)recorder_run(rec, row);
}

static void dialog_opened(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"type", {NULL, 0}},
                           {"url", {NULL, 0}},
                           {"frameId", {NULL, 0}},
                           {"message", {NULL, 0}},
                           {"defaultPrompt", {NULL, 0}}};
    json_fields(event->params, fields, 5);
    sqlite3_stmt *row = new_row(rec, event, SQL_DIALOG);
    if (row == NULL) {
        return;
    }
    for (int i = 0; i < 5; i++) {
        put_text(rec, row, 5 + i, fields[i].value);
    }
    sqlite3_bind_int64(row, 10, event->wall_us);
    (void)recorder_run(rec, row);
}

static void dialog_closed(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"result", {NULL, 0}}, {"userInput", {NULL, 0}}};
    json_fields(event->params, fields, 2);
    sqlite3_stmt *row = of_target(rec, event, SQL_DIALOG_CLOSED);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 4, event->wall_us);
    put_boolean(row, 5, fields[0].value);
    put_text(rec, row, 6, fields[1].value);
    (void)recorder_run(rec, row);
}

static void download_begun(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"guid", {NULL, 0}},
                           {"frameId", {NULL, 0}},
                           {"url", {NULL, 0}},
                           {"suggestedFilename", {NULL, 0}}};
    json_fields(event->params, fields, 4);
    sqlite3_stmt *row = json_is_text(fields[0].value) ? new_row(rec, event, SQL_DOWNLOAD) : NULL;
    if (row == NULL) {
        return;
    }
    for (int i = 0; i < 4; i++) {
        put_text(rec, row, 5 + i, fields[i].value);
    }
    sqlite3_bind_int64(row, 9, event->wall_us);
    (void)recorder_run(rec, row);
}

static void download_progress(recorder *rec, recorded_event *event)
{
    json_field fields[] = {{"guid", {NULL, 0}},
                           {"state", {NULL, 0}},
                           {"totalBytes", {NULL, 0}},
                           {"receivedBytes", {NULL, 0}}};
    json_fields(event->params, fields, 4);
    sqlite3_stmt *row = recorder_statement(rec, SQL_DOWNLOAD_PROGRESS);
    if (row == NULL) {
        return;
    }
    put_bytes(row, 1, event->uid, event->uid_len);
    put_text(rec, row, 2, fields[0].value);
    put_text(rec, row, 3, fields[1].value);
    put_known(row, 4, span_integer(fields[2].value, 0));
    sqlite3_bind_int64(row, 5, span_integer(fields[3].value, 0));
    sqlite3_bind_int64(row, 6, event->wall_us);
    (void)recorder_run(rec, row);
}

static void content_loaded(recorder *rec, recorded_event *event)
{
    milestone(rec, event, SQL_PAGE_CONTENT);
}

static void loaded(recorder *rec, recorded_event *event)
{
    milestone(rec, event, SQL_PAGE_LOAD);
}

void ingest_page(recorder *rec, recorded_event *event)
{
    static const struct {
        const char *method;
        void (*take)(recorder *rec, recorded_event *event);
    } table[] = {
        {"Page.frameNavigated", navigated},
        {"Page.domContentEventFired", content_loaded},
        {"Page.loadEventFired", loaded},
        {"Page.lifecycleEvent", lifecycle},
        {"Page.javascriptDialogOpening", dialog_opened},
        {"Page.javascriptDialogClosed", dialog_closed},
        {"Page.downloadWillBegin", download_begun},
        {"Page.downloadProgress", download_progress},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (event_is(event, table[i].method)) {
            table[i].take(rec, event);
            return;
        }
    }
}
