/* SPDX-License-Identifier: MIT */
/*
 * Retention cuts at an event: rows of earlier events go, except those of requests that are kept. A
 * request is kept while one of its hops is open or has an event at or after the cut.
 */
#include "retention.h"

#include "search_index.h"

#include "troupe/log.h"

#include <stddef.h>
#include <stdint.h>

#define DAY_US      INT64_C(86400000000)
#define BYTES_BEGIN 95 /* hundredths of the limit: what comes while room is made must fit too */
#define BYTES_END   88
#define STEP_EVENTS 5000
#define STEP_TEXT   "5000"

static int64_t number(sqlite3 *db, const char *sql, int64_t argument)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
        if (sqlite3_bind_parameter_count(statement) > 0) {
            sqlite3_bind_int64(statement, 1, argument);
        }
        if (sqlite3_step(statement) == SQLITE_ROW) {
            value = sqlite3_column_int64(statement, 0);
        }
    }
    sqlite3_finalize(statement);
    return value;
}

retention_file retention_look(sqlite3 *db)
{
    int64_t page_bytes = number(db, "PRAGMA page_size", 0);
    return (retention_file){.bytes = number(db, "PRAGMA page_count", 0) * page_bytes,
                            .free_bytes = number(db, "PRAGMA freelist_count", 0) * page_bytes};
}

int64_t retention_bytes(sqlite3 *db)
{
    retention_file file = retention_look(db);
    return file.bytes - file.free_bytes;
}

/* The first event at or after that time, by bisection: ids grow with time. */
static int64_t event_at(sqlite3 *db, int64_t time_us)
{
    int64_t low = number(db, "SELECT COALESCE(min(id),0) FROM event", 0);
    int64_t high = number(db, "SELECT COALESCE(max(id),0)+1 FROM event", 0);
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t at =
            number(db, "SELECT wall_us FROM event WHERE id>=?1 ORDER BY id LIMIT 1", middle);
        if (at < time_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Deletions ---------------------------------------------------------------------------------
 *
 * ?1 is the first event that stays, ?2 the last request (its first hop) that is looked at: they
 * grow together, so that what one step looks at is about what it deletes. */

#define OPEN_STATES "('pending','loading','connecting','open')"

/* The row that is the first to stay: ids grow as their events' do, so nothing behind it is looked
 * at. */
#define BEFORE(table)                                                \
    "DELETE FROM " table " WHERE id<COALESCE((SELECT id FROM " table \
    " WHERE event>=?1 ORDER BY id LIMIT 1),(SELECT max(id)+1 FROM " table "))"

typedef struct deletion {
    const char *sql;
    size_t count; /* offset of what it lowers in recorder_counts; NONE */
} deletion;

#define NONE         SIZE_MAX
#define ARGUMENTS    2 /* of every statement at most */
#define COUNT(field) offsetof(recorder_counts, field)

static const deletion deletions[] = {
    {"CREATE TEMP TABLE IF NOT EXISTS doomed(id INTEGER PRIMARY KEY)", NONE},
    {"DELETE FROM temp.doomed", NONE},
    {"INSERT INTO temp.doomed SELECT r.id FROM request r WHERE r.id<=?2 AND r.chain=r.id"
     " AND r.last_event<?1 AND r.state NOT IN " OPEN_STATES
     " AND NOT EXISTS (SELECT 1 FROM request o WHERE o.request_id=r.request_id AND o.uid=r.uid"
     " AND o.chain=r.id AND (o.last_event>=?1 OR o.state IN " OPEN_STATES "))",
     NONE},
    {"INSERT OR IGNORE INTO temp.doomed SELECT o.id FROM temp.doomed d JOIN request r ON r.id=d.id"
     " JOIN request o ON o.request_id=r.request_id AND o.uid=r.uid AND o.chain=r.id",
     NONE},
    {"UPDATE counters SET search_gone=search_gone+(SELECT count(*) FROM temp.doomed"
     " WHERE id<=search_request)",
     NONE},
    {"DELETE FROM websocket_frame WHERE request IN temp.doomed", COUNT(frames)},
    {"DELETE FROM websocket WHERE request IN temp.doomed", NONE},
    {"DELETE FROM eventsource_message WHERE request IN temp.doomed", NONE},
    {"DELETE FROM body WHERE request IN temp.doomed", COUNT(bodies)},
    {"DELETE FROM response WHERE request IN temp.doomed", NONE},
    {"DELETE FROM request WHERE id IN temp.doomed", COUNT(requests)},
    {"DELETE FROM event WHERE id<?1 AND (request IS NULL OR NOT EXISTS"
     " (SELECT 1 FROM request r WHERE r.id=event.request))",
     COUNT(events)},
    {BEFORE("console"), COUNT(console)},
    {BEFORE("page"), NONE},
    {BEFORE("lifecycle"), NONE},
    {BEFORE("screenshot"), NONE},
    {BEFORE("dialog"), NONE},
    {BEFORE("download"), NONE},
    {BEFORE("gap"), COUNT(gaps)},
    {"DELETE FROM target WHERE state='gone' AND last_us<"
     "(SELECT COALESCE(min(wall_us),0) FROM event)",
     NONE},
    {"DELETE FROM temp.doomed", NONE},
};

static int run(sqlite3 *db, const char *sql, const int64_t *arguments)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        int count = sqlite3_bind_parameter_count(statement);
        for (int i = 0; i < count && i < ARGUMENTS; i++) {
            sqlite3_bind_int64(statement, i + 1, arguments[i]);
        }
        code = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

static int delete_rows(recorder *rec, recorder_counts *counts, int64_t cut, int64_t last_request)
{
    const int64_t arguments[ARGUMENTS] = {cut, last_request};
    int code = run(rec->db, "BEGIN IMMEDIATE", arguments);
    for (size_t i = 0; code == SQLITE_OK && i < sizeof deletions / sizeof *deletions; i++) {
        code = run(rec->db, deletions[i].sql, arguments);
        if (code == SQLITE_OK && deletions[i].count != NONE) {
            *(int64_t *)(void *)((char *)counts + deletions[i].count) -= sqlite3_changes(rec->db);
        }
    }
    if (code == SQLITE_OK) {
        code = search_index_trim(rec->db, cut == INT64_MAX);
    }
    return code == SQLITE_OK ? run(rec->db, "COMMIT", arguments) : code;
}

/* Delete what is before the event `cut`, of requests up to that one, in one transaction. */
static bool cut_before(recorder *rec, int64_t cut, int64_t last_request)
{
    recorder_counts counts = rec->counts;
    int code = delete_rows(rec, &counts, cut, last_request);
    if (code != SQLITE_OK) {
        troupe_log(TROUPE_LOG_WARN, "store", "retention-failed", NULL, "%s", sqlite3_errstr(code));
        if (!sqlite3_get_autocommit(rec->db)) {
            sqlite3_exec(rec->db, "ROLLBACK", NULL, NULL, NULL);
        }
        return false;
    }
    rec->counts = counts; /* written with the next commit */
    return true;
}

/* How far to go ----------------------------------------------------------------------------- */

/* Whether there is too much; once begun, until there is some room. */
static bool too_large(recorder *rec, uint64_t bytes_max)
{
    double used = (double)retention_bytes(rec->db);
    double limit = (double)bytes_max * (rec->cutting ? BYTES_END : BYTES_BEGIN) / 100;
    rec->cutting = bytes_max != 0 && used > limit;
    return rec->cutting;
}

/* The event before which the requests end that are too many; 0: none are. */
static int64_t too_many_before(const recorder *rec, uint32_t requests_max)
{
    int64_t excess = rec->counts.requests - (int64_t)requests_max;
    if (requests_max == 0 || excess <= 0) {
        return 0;
    }
    return 1 + number(rec->db, "SELECT last_event FROM request ORDER BY id LIMIT 1 OFFSET ?1-1",
                      excess);
}

bool retention_step(recorder *rec, const retention_limits *limits, int64_t now_us)
{
    int64_t first = number(rec->db, "SELECT COALESCE(min(id),0) FROM event", 0);
    int64_t from = first > rec->cut_at ? first : rec->cut_at;
    int64_t cut = 0;
    if (first == 0 || !recorder_commit(rec)) {
        return false;
    }
    if (too_large(rec, limits->bytes_max)) {
        cut = rec->event_last; /* but no further than is needed: it is looked at after each step */
    } else if (limits->days != 0) {
        cut = event_at(rec->db, now_us - (int64_t)limits->days * DAY_US);
    }
    int64_t crowded = too_many_before(rec, limits->requests_max);
    cut = crowded > cut ? crowded : cut;
    if (cut <= from) {
        rec->cutting = false; /* all that is left is open, or lately used */
        return false;
    }
    int64_t to = cut - from > STEP_EVENTS ? from + STEP_EVENTS : cut;
    int64_t last_request = number(
        rec->db, "SELECT COALESCE(max(request),0) FROM event WHERE id<?1 AND id>=?1-2*" STEP_TEXT,
        to);
    if (!cut_before(rec, to, last_request)) {
        return false;
    }
    rec->cut_at = to;
    return true;
}

troupe_error retention_purge(recorder *rec)
{
    if (!recorder_commit(rec) || !cut_before(rec, INT64_MAX, INT64_MAX)) {
        return TROUPE_ESTORAGE;
    }
    rec->requests_forgotten = true; /* entries in memory may have lost their rows */
    sqlite3_exec(rec->db, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
    return TROUPE_OK;
}

/* Giving room back -------------------------------------------------------------------------- */

#define VACUUM_STEP "PRAGMA incremental_vacuum(1000)" /* pages; some milliseconds */

troupe_error retention_vacuum_step(recorder *rec, bool *more)
{
    *more = false;
    int64_t before = recorder_commit(rec) ? number(rec->db, "PRAGMA freelist_count", 0) : -1;
    if (before < 0 || sqlite3_exec(rec->db, VACUUM_STEP, NULL, NULL, NULL) != SQLITE_OK) {
        return TROUPE_ESTORAGE;
    }
    int64_t left = number(rec->db, "PRAGMA freelist_count", 0);
    *more = left > 0 && left < before;
    if (!*more) { /* a reader may hold it up: then the next commits take it in */
        (void)sqlite3_wal_checkpoint_v2(rec->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    return TROUPE_OK;
}
