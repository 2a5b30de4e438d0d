/* SPDX-License-Identifier: MIT */
/* The recorder: transactions, statements, storage failures, the way of one event. */
#include "recorder.h"

#include "hop.h"
#include "retention.h"
#include "rows.h"
#include "troupe/log.h"

#include <string.h>
#include <time.h>

#define REQUESTS_MAX 4096
#define RETRY_NS     INT64_C(1000000000)

static const char *const statement_texts[] = {
#define RECORDER_SQL_TEXT(symbol, sql) sql,
    RECORDER_STATEMENTS(RECORDER_SQL_TEXT)
#undef RECORDER_SQL_TEXT
};

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Transactions and failures ----------------------------------------------------------------- */

void recorder_failed(recorder *rec, int code)
{
    if (rec->failure == 0) {
        troupe_log(TROUPE_LOG_ERROR, "store", "storage-failed", NULL,
                   "%s; events are counted, not recorded, until it works again",
                   sqlite3_errstr(code));
    }
    rec->failure = code;
    rec->retry_ns = monotonic_ns() + RETRY_NS;
    rec->lost_count += rec->uncommitted;
    rec->counts.dropped += rec->uncommitted;
    rec->uncommitted = 0;
    rec->in_transaction = false;
    if (!sqlite3_get_autocommit(rec->db)) {
        sqlite3_exec(rec->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* The first transaction after a failure tells how much is missing. */
static void record_loss(recorder *rec)
{
    sqlite3_stmt *statement = recorder_statement(rec, SQL_GAP);
    if (statement == NULL) {
        return;
    }
    sqlite3_bind_null(statement, 1);
    sqlite3_bind_null(statement, 2);
    sqlite3_bind_int64(statement, 3, rec->event_last);
    sqlite3_bind_int64(statement, 4, rec->lost_count);
    sqlite3_bind_int64(statement, 5, rec->lost_bytes);
    sqlite3_bind_text(statement, 6, sqlite3_errstr(rec->failure), -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 7, wall_us());
    sqlite3_bind_null(statement, 8);
    if (recorder_run(rec, statement)) {
        rec->counts.gaps++;
        rec->uncommitted++;
    }
}

static bool begin_now(recorder *rec)
{
    rec->in_transaction = true; /* so that the statement may run */
    sqlite3_stmt *statement = recorder_statement(rec, SQL_BEGIN);
    return recorder_run(rec, statement);
}

bool recorder_begin(recorder *rec)
{
    if (rec->in_transaction) {
        return true;
    }
    if (rec->failure == 0) {
        return begin_now(rec);
    }
    if (monotonic_ns() < rec->retry_ns || !begin_now(rec)) {
        return false;
    }
    record_loss(rec);
    return rec->in_transaction && recorder_commit(rec) && begin_now(rec);
}

/* What a failed transaction held is lost, but what came before it counts: called at each commit. */
static void write_counters(recorder *rec)
{
    sqlite3_stmt *statement = recorder_statement(rec, SQL_COUNTERS);
    if (statement == NULL) {
        return;
    }
    const recorder_counts *counts = &rec->counts;
    const int64_t values[] = {rec->event_last, rec->request_last, rec->console_last,
                              counts->events,  counts->requests,  counts->console,
                              counts->frames,  counts->bodies,    counts->gaps};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        sqlite3_bind_int64(statement, (int)i + 1, values[i]);
    }
    (void)recorder_run(rec, statement);
}

static void flush_dirty(recorder *rec)
{
    open_request *at = rec->requests.newest;
    while (at != NULL && rec->dirty_count > 0) {
        hop_flush(rec, at);
        at = at->older;
    }
    rec->dirty_count = 0;
}

bool recorder_commit(recorder *rec)
{
    if (!rec->in_transaction) {
        return rec->failure == 0;
    }
    flush_dirty(rec);
    write_counters(rec);
    if (!recorder_run(rec, recorder_statement(rec, SQL_COMMIT))) {
        return false;
    }
    rec->in_transaction = false;
    rec->uncommitted = 0;
    rec->counts.commits++;
    if (rec->failure != 0) {
        troupe_log(TROUPE_LOG_INFO, "store", "storage-recovered", NULL,
                   "recording again; %lld events were lost", (long long)rec->lost_count);
        rec->failure = 0;
        rec->lost_count = 0;
        rec->lost_bytes = 0;
    }
    return true;
}

/* Statements -------------------------------------------------------------------------------- */

sqlite3_stmt *recorder_statement(recorder *rec, recorder_sql sql)
{
    if (!rec->in_transaction) {
        return NULL;
    }
    if (rec->statements[sql] == NULL) {
        int code = sqlite3_prepare_v3(rec->db, statement_texts[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                      &rec->statements[sql], NULL);
        if (code != SQLITE_OK) {
            recorder_failed(rec, code);
            return NULL;
        }
    }
    return rec->statements[sql];
}

bool recorder_run(recorder *rec, sqlite3_stmt *statement)
{
    if (statement == NULL) {
        return false;
    }
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (code == SQLITE_DONE || code == SQLITE_ROW) {
        return true;
    }
    if ((code & 0xff) == SQLITE_CONSTRAINT || (code & 0xff) == SQLITE_TOOBIG) {
        troupe_log(TROUPE_LOG_DEBUG, "store", "row-refused", NULL, "%s", sqlite3_errstr(code));
        return false;
    }
    recorder_failed(rec, code);
    return false;
}

void put_text(recorder *rec, sqlite3_stmt *statement, int at, json_span span)
{
    const char *plain;
    size_t len;
    troupe_buffer_clear(&rec->text);
    if (statement == NULL) {
        return;
    }
    if (json_plain_string(span, &plain, &len) && memchr(plain, '\0', len) == NULL) {
        sqlite3_bind_text64(statement, at, plain, len, SQLITE_STATIC, SQLITE_UTF8);
    } else if (json_text_append(&rec->text, span) && !rec->text.failed) {
        sqlite3_bind_text64(statement, at, (const char *)rec->text.data, rec->text.len,
                            SQLITE_TRANSIENT, SQLITE_UTF8);
    } else {
        sqlite3_bind_null(statement, at);
    }
}

void put_bytes(sqlite3_stmt *statement, int at, const char *text, size_t len)
{
    sqlite3_bind_text64(statement, at, text != NULL ? text : "", len, SQLITE_STATIC, SQLITE_UTF8);
}

void put_json(sqlite3_stmt *statement, int at, json_span span)
{
    if (json_is_map(span) || json_is_list(span)) {
        put_bytes(statement, at, span.data, span.len);
    } else {
        sqlite3_bind_null(statement, at);
    }
}

void put_known(sqlite3_stmt *statement, int at, int64_t value)
{
    if (value != 0) {
        sqlite3_bind_int64(statement, at, value);
    } else {
        sqlite3_bind_null(statement, at);
    }
}

void put_integer(sqlite3_stmt *statement, int at, json_span span)
{
    double value;
    if (json_span_number(span, &value) && value > -9e15 && value < 9e15) {
        sqlite3_bind_int64(statement, at, (int64_t)value);
    } else {
        sqlite3_bind_null(statement, at);
    }
}

void put_boolean(sqlite3_stmt *statement, int at, json_span span)
{
    bool value;
    if (json_span_boolean(span, &value)) {
        sqlite3_bind_int(statement, at, value);
    } else {
        sqlite3_bind_null(statement, at);
    }
}

int64_t span_us(json_span span, double scale)
{
    double value;
    if (!json_span_number(span, &value) || !(value > 0) || !(value * (1e6 / scale) < 9e18)) {
        return 0;
    }
    return (int64_t)(value * (1e6 / scale) + 0.5);
}

int64_t span_integer(json_span span, int64_t otherwise)
{
    double value;
    bool usable = json_span_number(span, &value) && value > -9e15 && value < 9e15;
    return usable ? (int64_t)value : otherwise;
}

bool span_true(json_span span)
{
    bool value = false;
    return json_span_boolean(span, &value) && value;
}

/* Events ------------------------------------------------------------------------------------ */

bool event_is(const recorded_event *event, const char *method)
{
    return strlen(method) == event->method_len &&
           memcmp(method, event->method, event->method_len) == 0;
}

static bool method_begins(const recorded_event *event, const char *prefix)
{
    size_t len = strlen(prefix);
    return event->method_len > len && memcmp(event->method, prefix, len) == 0;
}

static void ingest(recorder *rec, recorded_event *event)
{
    if (method_begins(event, "Network.webSocket")) {
        ingest_websocket(rec, event);
    } else if (method_begins(event, "Network.")) {
        ingest_network(rec, event);
    } else if (method_begins(event, "Runtime.") || method_begins(event, "Log.")) {
        ingest_console(rec, event);
    } else if (method_begins(event, "Page.")) {
        ingest_page(rec, event);
    } else if (method_begins(event, "Target.")) {
        ingest_worker(rec, event);
    }
}

/* When the host heard of it. Told of the past, now: retention goes by ids that grow with time. */
static int64_t heard_us(const recorded_event *event)
{
    return event->mono_us != 0 ? event->wall_us : wall_us();
}

static void insert_event(recorder *rec, const recorded_event *event)
{
    sqlite3_stmt *statement = recorder_statement(rec, SQL_EVENT);
    if (statement == NULL) {
        return;
    }
    sqlite3_bind_int64(statement, 1, event->id);
    put_bytes(statement, 2, event->uid, event->uid_len);
    put_bytes(statement, 3, event->target, event->target_len);
    put_bytes(statement, 4, event->session, event->session_len);
    put_bytes(statement, 5, event->method, event->method_len);
    sqlite3_bind_int64(statement, 6, heard_us(event));
    sqlite3_bind_int64(statement, 7, event->mono_us);
    put_known(statement, 8, event->request);
    put_bytes(statement, 9, event->params.data, event->params.len);
    if (recorder_run(rec, statement)) {
        rec->counts.events++;
        rec->uncommitted++;
    }
}

void recorder_event(recorder *rec, recorded_event *event)
{
    event->request = 0;
    event->wants_body = event->wants_post_data = false;
    if (!recorder_begin(rec)) {
        rec->lost_count++;
        rec->lost_bytes += (int64_t)event->params.len;
        rec->counts.dropped++;
        return;
    }
    event->id = ++rec->event_last;
    if (rec->redaction != NULL) {
        troupe_buffer_clear(&rec->clean);
        redaction_params(rec->redaction, event->params, &rec->clean);
        event->params = rec->clean.failed
                            ? (json_span){"{}", 2}
                            : (json_span){(const char *)rec->clean.data, rec->clean.len};
    }
    if (json_is_map(event->params)) {
        ingest(rec, event);
    }
    if (rec->in_transaction) {
        insert_event(rec, event);
    } else {
        rec->lost_count++;
        rec->counts.dropped++;
    }
}

/* Open and close ---------------------------------------------------------------------------- */

static void forget(void *context, open_request *request)
{
    recorder *rec = context;
    hop_flush(rec, request);
    rec->requests_forgotten = true;
}

static int read_counters(recorder *rec)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(rec->db,
                                  "SELECT max(event_last,(SELECT COALESCE(max(id),0) FROM event)),"
                                  "max(request_last,(SELECT COALESCE(max(id),0) FROM request)),"
                                  "max(console_last,(SELECT COALESCE(max(id),0) FROM console)),"
                                  "events,requests,console,frames,bodies,gaps FROM counters",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t *const values[] = {&rec->event_last,    &rec->request_last,    &rec->console_last,
                                   &rec->counts.events, &rec->counts.requests, &rec->counts.console,
                                   &rec->counts.frames, &rec->counts.bodies,   &rec->counts.gaps};
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            *values[i] = sqlite3_column_int64(statement, (int)i);
        }
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

/* An earlier run may have ended in the middle of things. */
static int close_earlier_run(sqlite3 *db)
{
    return sqlite3_exec(db,
                        "BEGIN IMMEDIATE;"
                        "UPDATE request SET error=COALESCE(error,'host stopped'),state=CASE state"
                        " WHEN 'open' THEN 'closed' ELSE 'failed' END"
                        " WHERE state IN ('pending','loading','connecting','open');"
                        "DELETE FROM paused;"
                        "UPDATE download SET state='canceled' WHERE state='inProgress';"
                        "UPDATE target SET state='gone' WHERE state<>'gone';"
                        "UPDATE browser SET state='down',reason='host stopped' WHERE state<>'down';"
                        "COMMIT",
                        NULL, NULL, NULL);
}

troupe_error recorder_open(recorder *rec, sqlite3 *db, recorder_notify_fn notify, void *context,
                           troupe_reason *reason)
{
    memset(rec, 0, sizeof *rec);
    rec->db = db;
    rec->notify = notify;
    rec->context = context;
    int code = read_counters(rec);
    if (code == SQLITE_OK) {
        code = close_earlier_run(db);
    }
    if (code != SQLITE_OK) {
        if (!sqlite3_get_autocommit(db)) {
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        }
        return troupe_fail(reason, TROUPE_ESTORAGE, "store: %s", sqlite3_errstr(code));
    }
    rec->requests_forgotten = rec->counts.requests > 0;
    if (!open_requests_init(&rec->requests, REQUESTS_MAX, forget, rec)) {
        return troupe_fail(reason, TROUPE_ENOMEM, "store: out of memory");
    }
    return TROUPE_OK;
}

void recorder_close(recorder *rec)
{
    (void)recorder_commit(rec);
    for (size_t i = 0; i < RECORDER_SQL_COUNT; i++) {
        sqlite3_finalize(rec->statements[i]);
    }
    open_requests_fini(&rec->requests);
    troupe_buffer_fini(&rec->text);
    troupe_buffer_fini(&rec->clean);
    redaction_destroy(rec->redaction);
    sqlite3_close(rec->db);
    rec->db = NULL;
}

/* Reading back ------------------------------------------------------------------------------ */

bool recorder_row(recorder *rec, event_topic topic, int64_t id, troupe_buffer *out)
{
    recorder_sql sql = topic == TOPIC_CONSOLE ? SQL_ROW_CONSOLE : SQL_ROW_NETWORK;
    sqlite3_stmt *statement = recorder_statement(rec, sql);
    if (statement == NULL) {
        return false;
    }
    sqlite3_bind_int64(statement, 1, id);
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found) {
        rows_append_object(out, statement);
    }
    sqlite3_reset(statement);
    return found && !out->failed;
}

int64_t recorder_bytes(recorder *rec)
{
    return retention_bytes(rec->db);
}

troupe_error recorder_clear(recorder *rec, bool purge)
{
    if (!recorder_commit(rec)) {
        return TROUPE_ESTORAGE;
    }
    if (purge) {
        return retention_purge(rec);
    }
    int code = sqlite3_exec(rec->db,
                            "UPDATE counters SET request_cleared=request_last,"
                            "console_cleared=console_last",
                            NULL, NULL, NULL);
    return code == SQLITE_OK ? TROUPE_OK : TROUPE_ESTORAGE;
}
