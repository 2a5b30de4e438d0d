/* SPDX-License-Identifier: MIT */
/* Navigations of main frames: Page.* events into page. */
#include "recorder.h"

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
    sqlite3_stmt *row = recorder_statement(rec, SQL_PAGE);
    if (row == NULL) {
        return;
    }
    put_bytes(row, 1, event->uid, event->uid_len);
    put_bytes(row, 2, event->target, event->target_len);
    put_bytes(row, 3, event->session, event->session_len);
    sqlite3_bind_int64(row, 4, event->id);
    put_text(rec, row, 5, fields[0].value);
    put_text(rec, row, 6, fields[2].value);
    put_text(rec, row, 7, fields[3].value);
    put_text(rec, row, 8, fields[4].value);
    sqlite3_bind_int64(row, 9, event->wall_us);
    (void)recorder_run(rec, row);
}

static void milestone(recorder *rec, recorded_event *event, recorder_sql sql)
{
    sqlite3_stmt *row = recorder_statement(rec, sql);
    if (row == NULL) {
        return;
    }
    put_bytes(row, 1, event->uid, event->uid_len);
    put_bytes(row, 2, event->target, event->target_len);
    put_bytes(row, 3, event->session, event->session_len);
    sqlite3_bind_int64(row, 4, event->wall_us);
    (void)recorder_run(rec, row);
}

void ingest_page(recorder *rec, recorded_event *event)
{
    if (event_is(event, "Page.frameNavigated")) {
        navigated(rec, event);
    } else if (event_is(event, "Page.domContentEventFired")) {
        milestone(rec, event, SQL_PAGE_CONTENT);
    } else if (event_is(event, "Page.loadEventFired")) {
        milestone(rec, event, SQL_PAGE_LOAD);
    }
}
