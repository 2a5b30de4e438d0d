/* SPDX-License-Identifier: MIT */
/* What the host itself reports: browsers, targets, gaps, bodies, screenshots, pauses. */
#include "content.h"
#include "recorder.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text_view {
    const char *data;
    size_t len;
} text_view;

static bool view_is(text_view view, const char *word)
{
    return view.len == strlen(word) && memcmp(view.data, word, view.len) == 0;
}

/* NULL data binds NULL. */
static void put_view(sqlite3_stmt *row, int at, text_view view)
{
    if (view.data != NULL) {
        put_bytes(row, at, view.data, view.len);
    } else {
        sqlite3_bind_null(row, at);
    }
}

static bool run_record(recorder *rec, sqlite3_stmt *row)
{
    if (!recorder_run(rec, row)) {
        return false;
    }
    rec->uncommitted++;
    return true;
}

/* What is lost ------------------------------------------------------------------------------ */

static open_request *next_of_target(open_request *at, const char *uid, size_t uid_len,
                                    const char *target, size_t target_len)
{
    while (at != NULL &&
           (at->uid_len != uid_len || memcmp(at->key, uid, uid_len) != 0 ||
            (target != NULL && (at->target_len != target_len ||
                                memcmp(at->key + uid_len, target, target_len) != 0)))) {
        at = at->older;
    }
    return at;
}

/* The entries in memory learn of it, and what they counted is written. */
static void lose_entries(recorder *rec, const char *uid, size_t uid_len, const char *target,
                         size_t target_len)
{
    open_request *at = rec->requests.newest;
    while ((at = next_of_target(at, uid, uid_len, target, target_len)) != NULL) {
        if (at->id != 0 && !open_request_ended(at)) {
            bool was_open = at->websocket && at->state == REQUEST_LOADING;
            at->state = was_open ? REQUEST_COMPLETE : REQUEST_FAILED;
        }
        at = at->older;
    }
}

/* The rows still open, at most `max`; how many. */
static size_t open_rows(recorder *rec, sqlite3_stmt *select, int64_t *ids, size_t max)
{
    size_t count = 0;
    int code = SQLITE_DONE;
    while (count < max && (code = sqlite3_step(select)) == SQLITE_ROW) {
        ids[count++] = sqlite3_column_int64(select, 0);
    }
    sqlite3_reset(select);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        recorder_failed(rec, code);
        return 0;
    }
    return count;
}

static void lose_row(recorder *rec, int64_t id, const char *reason)
{
    sqlite3_stmt *row = recorder_statement(rec, SQL_LOST);
    if (row == NULL) {
        return;
    }
    sqlite3_bind_int64(row, 1, id);
    sqlite3_bind_text(row, 2, reason, -1, SQLITE_STATIC);
    if (recorder_run(rec, row)) {
        rec->notify(rec->context, TOPIC_NETWORK, id);
    }
}

static void lose_paused(recorder *rec, const char *uid, size_t uid_len, const char *target,
                        size_t target_len)
{
    sqlite3_stmt *row = recorder_statement(rec, SQL_PAUSED_LOST);
    if (row != NULL) {
        put_bytes(row, 1, uid, uid_len);
        put_view(row, 2, (text_view){target, target_len});
        (void)recorder_run(rec, row);
    }
}

void recorder_lose(recorder *rec, const char *uid, size_t uid_len, const char *target,
                   size_t target_len, const char *reason)
{
    int64_t ids[64];
    size_t count;
    lose_entries(rec, uid, uid_len, target, target_len);
    lose_paused(rec, uid, uid_len, target, target_len);
    do {
        sqlite3_stmt *select =
            recorder_statement(rec, target != NULL ? SQL_OPEN_TARGET : SQL_OPEN_BROWSER);
        if (select == NULL) {
            return;
        }
        put_bytes(select, 1, uid, uid_len);
        if (target != NULL) {
            put_bytes(select, 2, target, target_len);
        }
        count = open_rows(rec, select, ids, sizeof ids / sizeof ids[0]);
        for (size_t i = 0; i < count; i++) {
            lose_row(rec, ids[i], reason);
        }
    } while (count == sizeof ids / sizeof ids[0] && rec->in_transaction);
}

static uint64_t lost_hash(const char *uid, size_t uid_len, const char *target, size_t target_len)
{
    uint64_t hash = hash_bytes(HASH_START, uid, uid_len);
    return hash_bytes(hash ^ 0x1f, target != NULL ? target : "", target_len) | 1; /* never 0 */
}

static bool is_lost(const recorder *rec, uint64_t hash)
{
    for (size_t i = 0; i < RECORDER_LOST_MAX; i++) {
        if (rec->lost[i] == hash) {
            return true;
        }
    }
    return false;
}

/* Note that something is gone, or back again. */
static void note_lost(recorder *rec, uint64_t hash, bool gone)
{
    for (size_t i = 0; i < RECORDER_LOST_MAX; i++) {
        if (rec->lost[i] == hash) {
            rec->lost[i] = 0;
        }
    }
    if (gone) {
        rec->lost[rec->lost_next] = hash;
        rec->lost_next = (rec->lost_next + 1) % RECORDER_LOST_MAX;
    }
}

void recorder_lose_late(recorder *rec, const recorded_event *event)
{
    bool browser = is_lost(rec, lost_hash(event->uid, event->uid_len, NULL, 0));
    if (browser ||
        is_lost(rec, lost_hash(event->uid, event->uid_len, event->target, event->target_len))) {
        recorder_lose(rec, event->uid, event->uid_len, event->target, event->target_len,
                      browser ? "browser closed" : "target closed");
    }
}

/* Records ----------------------------------------------------------------------------------- */

static void lose_browser(recorder *rec, text_view uid, int64_t wall_us)
{
    static const recorder_sql ends[] = {SQL_BROWSER_TARGETS, SQL_BROWSER_DOWNLOADS};
    recorder_lose(rec, uid.data, uid.len, NULL, 0, "browser closed");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        sqlite3_stmt *row = recorder_statement(rec, ends[i]);
        if (row != NULL) {
            put_view(row, 1, uid);
            sqlite3_bind_int64(row, 2, wall_us);
            (void)recorder_run(rec, row);
        }
    }
}

troupe_error recorder_browser(recorder *rec, troupe_bytes payload)
{
    text_view uid = {NULL, 0}, browser = {NULL, 0}, origin = {NULL, 0}, state = {NULL, 0};
    text_view product = {NULL, 0}, endpoint = {NULL, 0}, reason = {NULL, 0};
    int64_t pid = 0, wall_us = 0;
    troupe_error error = troupe_unpack(
        payload, "{s:s#,s:s#,s:s#,s:s#,s?:s#,s?:I,s?:s#,s?:s#,s:I}", "uid", &uid.data, &uid.len,
        "browser", &browser.data, &browser.len, "origin", &origin.data, &origin.len, "state",
        &state.data, &state.len, "product", &product.data, &product.len, "pid", &pid, "endpoint",
        &endpoint.data, &endpoint.len, "reason", &reason.data, &reason.len, "wall_us", &wall_us);
    if (error != TROUPE_OK) {
        return TROUPE_EPARAMS;
    }
    sqlite3_stmt *row = recorder_begin(rec) ? recorder_statement(rec, SQL_BROWSER) : NULL;
    if (row == NULL) {
        return TROUPE_OK;
    }
    const text_view columns[] = {uid, browser, origin, state, product};
    for (int i = 0; i < 5; i++) {
        put_view(row, i + 1, columns[i]);
    }
    sqlite3_bind_int64(row, 6, pid);
    put_view(row, 7, endpoint);
    put_view(row, 8, reason);
    sqlite3_bind_int64(row, 9, wall_us);
    (void)run_record(rec, row);
    note_lost(rec, lost_hash(uid.data, uid.len, NULL, 0), view_is(state, "down"));
    if (view_is(state, "down")) {
        lose_browser(rec, uid, wall_us);
    }
    return TROUPE_OK;
}

/* An address as it may be written. out: holds it. */
static text_view without_secrets(const recorder *rec, text_view view, troupe_buffer *out)
{
    if (rec->redaction == NULL || view.data == NULL) {
        return view;
    }
    redaction_url(rec->redaction, view.data, view.len, out);
    return out->failed ? (text_view){REDACTED, sizeof REDACTED - 1}
                       : (text_view){out->len > 0 ? (const char *)out->data : "", out->len};
}

troupe_error recorder_target(recorder *rec, troupe_bytes payload)
{
    text_view uid = {NULL, 0}, target = {NULL, 0}, chrome_id = {NULL, 0}, type = {NULL, 0};
    text_view url = {NULL, 0}, title = {NULL, 0}, state = {NULL, 0};
    uint64_t epoch = 0;
    int64_t wall_us = 0;
    troupe_error error = troupe_unpack(
        payload, "{s:s#,s:s#,s?:s#,s?:s#,s?:s#,s?:s#,s:s#,s?:U,s:I}", "uid", &uid.data, &uid.len,
        "target", &target.data, &target.len, "chrome_id", &chrome_id.data, &chrome_id.len, "type",
        &type.data, &type.len, "url", &url.data, &url.len, "title", &title.data, &title.len,
        "state", &state.data, &state.len, "epoch", &epoch, "wall_us", &wall_us);
    if (error != TROUPE_OK) {
        return TROUPE_EPARAMS;
    }
    sqlite3_stmt *row = recorder_begin(rec) ? recorder_statement(rec, SQL_TARGET) : NULL;
    if (row == NULL) {
        return TROUPE_OK;
    }
    troupe_buffer_clear(&rec->clean);
    troupe_buffer_clear(&rec->text);
    url = without_secrets(rec, url, &rec->clean);
    title =
        without_secrets(rec, title, &rec->text); /* before it has one, Chrome says its address */
    const text_view columns[] = {uid, target, chrome_id, type, url, title, state};
    for (int i = 0; i < 7; i++) {
        put_view(row, i + 1, columns[i]);
    }
    sqlite3_bind_int64(row, 8, (int64_t)epoch);
    sqlite3_bind_int64(row, 9, wall_us);
    (void)run_record(rec, row);
    note_lost(rec, lost_hash(uid.data, uid.len, target.data, target.len), view_is(state, "gone"));
    if (view_is(state, "gone") || view_is(state, "available") || view_is(state, "crashed")) {
        recorder_lose(rec, uid.data, uid.len, target.data, target.len,
                      view_is(state, "available") ? "target disconnected"
                      : view_is(state, "gone")    ? "target closed"
                                                  : "target crashed");
    }
    return TROUPE_OK;
}

troupe_error recorder_gap(recorder *rec, troupe_bytes payload)
{
    text_view uid = {NULL, 0}, target = {NULL, 0}, reason = {NULL, 0};
    uint64_t count = 0, bytes = 0;
    int64_t wall_us = 0, from_us = 0;
    troupe_error error = troupe_unpack(payload, "{s?:s#,s?:s#,s:U,s?:U,s?:s#,s?:I,s?:I}", "uid",
                                       &uid.data, &uid.len, "target", &target.data, &target.len,
                                       "count", &count, "bytes", &bytes, "reason", &reason.data,
                                       &reason.len, "wall_us", &wall_us, "from_us", &from_us);
    if (error != TROUPE_OK) {
        return TROUPE_EPARAMS;
    }
    sqlite3_stmt *row = recorder_begin(rec) ? recorder_statement(rec, SQL_GAP) : NULL;
    if (row == NULL) {
        return TROUPE_OK;
    }
    put_view(row, 1, uid);
    put_view(row, 2, target);
    sqlite3_bind_int64(row, 3, rec->event_last);
    sqlite3_bind_int64(row, 4, (int64_t)(count & INT64_MAX));
    sqlite3_bind_int64(row, 5, (int64_t)(bytes & INT64_MAX));
    put_view(row, 6, reason);
    sqlite3_bind_int64(row, 7, wall_us);
    if (from_us != 0) {
        sqlite3_bind_int64(row, 8, from_us);
    } else {
        sqlite3_bind_null(row, 8);
    }
    if (run_record(rec, row)) {
        rec->counts.gaps++;
    }
    return TROUPE_OK;
}

/* Bodies ------------------------------------------------------------------------------------ */

typedef struct body_record {
    text_view uid, target, session, request_id, error;
    const uint8_t *data;
    size_t len;
    int ok, base64, post_data;
    int64_t wall_us;
    char too_large[64]; /* error may point here */
} body_record;

/* Base64 text as bytes; false if it is none. Freed by the caller. */
static bool decode_base64(const uint8_t *text, size_t text_len, uint8_t **out, size_t *out_len)
{
    if (text_len % 4 != 0 || text_len > INT32_MAX) {
        return false;
    }
    uint8_t *bytes = malloc(text_len / 4 * 3 + 1);
    int len = bytes != NULL ? EVP_DecodeBlock(bytes, text, (int)text_len) : -1;
    if (len < 0) {
        free(bytes);
        return false;
    }
    size_t padding = 0;
    while (padding < 2 && text_len > padding && text[text_len - 1 - padding] == '=') {
        padding++;
    }
    *out = bytes;
    *out_len = (size_t)len - padding;
    return true;
}

/* A body that comes again replaces the one before. */
static void delete_body(recorder *rec, int64_t id)
{
    sqlite3_stmt *row = recorder_statement(rec, SQL_BODY_DELETE);
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, id);
        if (recorder_run(rec, row)) {
            rec->counts.bodies -= sqlite3_changes(rec->db);
        }
    }
}

/* The last hop's row; 0 if the request was never recorded. */
static int64_t last_hop(recorder *rec, text_view request_id, text_view target, text_view uid)
{
    sqlite3_stmt *row = recorder_statement(rec, SQL_HOP_FIND);
    int64_t id = 0;
    if (row != NULL) {
        put_view(row, 1, request_id);
        put_view(row, 2, target);
        put_view(row, 3, uid);
        id = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
        sqlite3_reset(row);
    }
    return id;
}

static void insert_body(recorder *rec, const body_record *body, int64_t id)
{
    uint8_t *decoded = NULL;
    size_t len = body->len;
    bool binary = body->ok && body->base64 && decode_base64(body->data, body->len, &decoded, &len);
    const void *data = binary ? decoded : body->data;
    int64_t content = body->ok ? content_put(rec, data != NULL ? data : "", len, !binary) : 0;
    sqlite3_stmt *row = recorder_statement(rec, SQL_BODY);
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, id);
        sqlite3_bind_int(row, 2, body->ok != 0);
        sqlite3_bind_int(row, 3, binary);
        sqlite3_bind_int64(row, 4, (int64_t)len);
        put_view(row, 5, body->error);
        sqlite3_bind_int64(row, 6, body->wall_us);
        put_known(row, 7, content);
        if (run_record(rec, row) && sqlite3_changes(rec->db) > 0) {
            rec->counts.bodies++;
        }
    }
    free(decoded);
}

/* What a request sent, where its first event did not tell. */
static void put_post_data(recorder *rec, const body_record *body, int64_t id)
{
    uint8_t *decoded = NULL;
    size_t len = body->len;
    bool binary = body->base64 && decode_base64(body->data, body->len, &decoded, &len);
    sqlite3_stmt *row = body->ok ? recorder_statement(rec, SQL_POST_DATA) : NULL;
    if (row != NULL) {
        sqlite3_bind_int64(row, 1, id);
        const void *data = binary ? decoded : body->data;
        if (rec->redaction != NULL) {
            troupe_buffer_clear(&rec->clean);
            redaction_sent(rec->redaction, data != NULL ? data : "", len, &rec->clean);
            data = rec->clean.failed ? NULL : rec->clean.data;
            len = rec->clean.failed ? 0 : rec->clean.len;
        }
        if (binary) {
            sqlite3_bind_blob64(row, 2, data != NULL ? data : "", len, SQLITE_STATIC);
        } else {
            put_bytes(row, 2, data, len);
        }
        (void)run_record(rec, row);
    }
    free(decoded);
}

/* Chrome's answer {body | postData, base64Encoded}. text: holds what had to be decoded. */
static void take_answer(body_record *body, json_span answer, troupe_buffer *text)
{
    json_field fields[] = {{body->post_data ? "postData" : "body", {NULL, 0}},
                           {"base64Encoded", {NULL, 0}}};
    const char *plain;
    json_fields(answer, fields, 2);
    body->base64 = span_true(fields[1].value);
    if (json_plain_string(fields[0].value, &plain, &body->len)) {
        body->data = (const uint8_t *)plain;
    } else if (json_text_append(text, fields[0].value) && !text->failed) {
        body->data = text->data;
        body->len = text->len;
    } else {
        static const char why[] = "the browser sent none";
        body->ok = 0;
        body->error = (text_view){why, sizeof why - 1};
    }
}

/* What was small on the wire may not be small any more. */
static void check_size(const recorder *rec, body_record *body)
{
    int64_t max = rec->bodies.text_bytes_max;
    if (body->ok && max > 0 && (int64_t)(body->base64 ? body->len / 4 * 3 : body->len) > max + 2) {
        snprintf(body->too_large, sizeof body->too_large, "larger than %lld bytes", (long long)max);
        body->ok = 0;
        body->error = (text_view){body->too_large, strlen(body->too_large)};
    }
}

static void put_body(recorder *rec, body_record *body)
{
    check_size(rec, body);
    int64_t id = recorder_begin(rec) ? last_hop(rec, body->request_id, body->target, body->uid) : 0;
    if (id != 0 && body->post_data) {
        put_post_data(rec, body, id);
    } else if (id != 0) {
        delete_body(rec, id);
        insert_body(rec, body, id);
    }
}

troupe_error recorder_body(recorder *rec, troupe_bytes payload)
{
    body_record body = {0};
    json_span answer = {NULL, 0};
    troupe_buffer text = {0};
    troupe_error error = troupe_unpack(
        payload, "{s:s#,s:s#,s?:s#,s:s#,s:b,s?:b,s?:x#,s?:s#,s?:I,s?:b,s?:j#}", "uid",
        &body.uid.data, &body.uid.len, "target", &body.target.data, &body.target.len, "session",
        &body.session.data, &body.session.len, "request_id", &body.request_id.data,
        &body.request_id.len, "ok", &body.ok, "base64", &body.base64, "body", &body.data, &body.len,
        "error", &body.error.data, &body.error.len, "wall_us", &body.wall_us, "post_data",
        &body.post_data, "answer", &answer.data, &answer.len);
    if (error != TROUPE_OK) {
        return TROUPE_EPARAMS;
    }
    if (answer.data != NULL) {
        take_answer(&body, answer, &text);
    }
    put_body(rec, &body);
    troupe_buffer_fini(&text);
    return TROUPE_OK;
}

/* Screenshots ------------------------------------------------------------------------------- */

/* Why a picture of that size is not kept; NULL: it is. */
static const char *unkept(const recorder *rec, size_t len)
{
    int64_t max = rec->bodies.screenshot_bytes_max;
    return max == 0                 ? "screenshots are not kept"
           : rec->redaction != NULL ? "a picture cannot be redacted"
           : (int64_t)len > max     ? "larger than screenshot_bytes_max"
                                    : NULL;
}

troupe_error recorder_screenshot(recorder *rec, troupe_bytes payload)
{
    text_view uid = {NULL, 0}, target = {NULL, 0}, format = {NULL, 0}, options = {NULL, 0};
    const uint8_t *data = NULL;
    uint8_t *picture = NULL;
    size_t len = 0;
    int64_t wall_us = 0;
    troupe_error error = troupe_unpack(payload, "{s:s#,s:s#,s:s#,s:s#,s:x#,s:I}", "uid", &uid.data,
                                       &uid.len, "target", &target.data, &target.len, "format",
                                       &format.data, &format.len, "options", &options.data,
                                       &options.len, "data", &data, &len, "wall_us", &wall_us);
    if (error != TROUPE_OK || !decode_base64(data, len, &picture, &len)) {
        return TROUPE_EPARAMS;
    }
    const char *why = unkept(rec, len);
    int64_t content =
        recorder_begin(rec) && why == NULL ? content_put(rec, picture, len, false) : 0;
    sqlite3_stmt *row = recorder_statement(rec, SQL_SCREENSHOT);
    if (row != NULL) {
        put_view(row, 1, uid);
        put_view(row, 2, target);
        sqlite3_bind_int64(row, 3, rec->event_last);
        put_view(row, 4, format);
        sqlite3_bind_int64(row, 5, (int64_t)len);
        put_view(row, 6, options);
        sqlite3_bind_int64(row, 7, wall_us);
        sqlite3_bind_text(row, 8, why, -1, SQLITE_STATIC);
        put_known(row, 9, content);
        (void)run_record(rec, row);
    }
    free(picture);
    return TROUPE_OK;
}

/* Paused requests --------------------------------------------------------------------------- */

troupe_error recorder_pause(recorder *rec, troupe_bytes payload)
{
    text_view uid = {NULL, 0}, target = {NULL, 0}, id = {NULL, 0}, request_id = {NULL, 0};
    text_view stage = {NULL, 0};
    int64_t wall_us = 0;
    troupe_error error = troupe_unpack(
        payload, "{s:s#,s:s#,s:s#,s:s#,s?:s#,s:I}", "uid", &uid.data, &uid.len, "target",
        &target.data, &target.len, "id", &id.data, &id.len, "request_id", &request_id.data,
        &request_id.len, "stage", &stage.data, &stage.len, "wall_us", &wall_us);
    if (error != TROUPE_OK) {
        return TROUPE_EPARAMS;
    }
    bool begins = stage.data != NULL;
    sqlite3_stmt *row =
        recorder_begin(rec) ? recorder_statement(rec, begins ? SQL_PAUSED : SQL_PAUSED_ENDS) : NULL;
    if (row == NULL) {
        return TROUPE_OK;
    }
    put_view(row, 1, id);
    put_view(row, 2, uid);
    if (begins) {
        put_view(row, 3, target);
        put_view(row, 4, request_id);
        put_view(row, 5, stage);
        sqlite3_bind_int64(row, 6, wall_us);
    }
    (void)run_record(rec, row);
    int64_t hop = last_hop(rec, request_id, target, uid);
    if (hop != 0) {
        rec->notify(rec->context, TOPIC_NETWORK, hop);
    }
    return TROUPE_OK;
}
