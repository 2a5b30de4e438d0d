/* SPDX-License-Identifier: MIT */
/*
 * Retention cuts at an event: rows of earlier events go, except those of requests that are kept. A
 * request is kept while one of its hops is open or has an event at or after the cut.
 */
#include "retention.h"

#include "troupe/log.h"

#include <stdio.h>

#define DAY_US       INT64_C(86400000000)
#define BYTES_TARGET 9 /* tenths of the limit that are left after a cut by bytes */

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

int64_t retention_bytes(sqlite3 *db)
{
    int64_t pages = number(db, "PRAGMA page_count", 0) - number(db, "PRAGMA freelist_count", 0);
    return pages * number(db, "PRAGMA page_size", 0);
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

static int64_t cut_by_bytes(sqlite3 *db, uint64_t bytes_max)
{
    double used = (double)retention_bytes(db);
    double limit = (double)bytes_max;
    if (bytes_max == 0 || used <= limit) {
        return 0;
    }
    int64_t first = number(db, "SELECT COALESCE(min(id),0) FROM event", 0);
    int64_t last = number(db, "SELECT COALESCE(max(id),0) FROM event", 0);
    double share = (used - limit * BYTES_TARGET / 10) / used;
    return first + 1 + (int64_t)(share * (double)(last - first));
}

/* The same deletions for each cut; %lld is the first event that stays. */
static const char *const deletions[] = {
    "CREATE TEMP TABLE IF NOT EXISTS doomed(id INTEGER PRIMARY KEY)",
    "DELETE FROM temp.doomed",
    "INSERT INTO temp.doomed SELECT id FROM request WHERE chain IN (SELECT chain FROM request"
    " GROUP BY chain HAVING max(last_event)<?1"
    " AND sum(state IN ('pending','loading','connecting','open'))=0)",
    "DELETE FROM websocket_frame WHERE request IN temp.doomed",
    "DELETE FROM websocket WHERE request IN temp.doomed",
    "DELETE FROM eventsource_message WHERE request IN temp.doomed",
    "DELETE FROM body WHERE request IN temp.doomed",
    "DELETE FROM response WHERE request IN temp.doomed",
    "DELETE FROM request WHERE id IN temp.doomed",
    "DELETE FROM event WHERE id<?1 AND (request IS NULL OR NOT EXISTS"
    " (SELECT 1 FROM request r WHERE r.id=event.request))",
    "DELETE FROM console WHERE event<?1",
    "DELETE FROM page WHERE event<?1",
    "DELETE FROM gap WHERE event<?1",
    "DELETE FROM target WHERE state='gone' AND last_us<"
    "(SELECT COALESCE(min(wall_us),0) FROM event)",
    "DELETE FROM temp.doomed",
    "UPDATE counters SET events=(SELECT count(*) FROM event)," /* counted anew: few passes */
    "requests=(SELECT count(*) FROM request),console=(SELECT count(*) FROM console),"
    "frames=(SELECT count(*) FROM websocket_frame),bodies=(SELECT count(*) FROM body),"
    "gaps=(SELECT count(*) FROM gap)",
};

static int run(sqlite3 *db, const char *sql, int64_t cut)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        if (sqlite3_bind_parameter_count(statement) > 0) {
            sqlite3_bind_int64(statement, 1, cut);
        }
        code = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

static void recount(recorder *rec)
{
    recorder_counts *counts = &rec->counts;
    counts->events = number(rec->db, "SELECT events FROM counters", 0);
    counts->requests = number(rec->db, "SELECT requests FROM counters", 0);
    counts->console = number(rec->db, "SELECT console FROM counters", 0);
    counts->frames = number(rec->db, "SELECT frames FROM counters", 0);
    counts->bodies = number(rec->db, "SELECT bodies FROM counters", 0);
    counts->gaps = number(rec->db, "SELECT gaps FROM counters", 0);
}

/* Delete everything before the event `cut`, in one transaction. */
static bool cut_before(recorder *rec, int64_t cut)
{
    if (!recorder_commit(rec)) {
        return false;
    }
    int code = run(rec->db, "BEGIN IMMEDIATE", 0);
    for (size_t i = 0; code == SQLITE_OK && i < sizeof deletions / sizeof deletions[0]; i++) {
        code = run(rec->db, deletions[i], cut);
    }
    if (code == SQLITE_OK) {
        code = run(rec->db, "COMMIT", 0);
    }
    if (code != SQLITE_OK) {
        troupe_log(TROUPE_LOG_WARN, "store", "retention-failed", NULL, "%s", sqlite3_errstr(code));
        if (!sqlite3_get_autocommit(rec->db)) {
            sqlite3_exec(rec->db, "ROLLBACK", NULL, NULL, NULL);
        }
        return false;
    }
    recount(rec);
    return true;
}

bool retention_run(recorder *rec, const retention_limits *limits, int64_t now_us)
{
    int64_t cut = 0;
    if (!recorder_commit(rec)) {
        return false;
    }
    if (limits->days != 0) {
        cut = event_at(rec->db, now_us - (int64_t)limits->days * DAY_US);
    }
    int64_t by_bytes = cut_by_bytes(rec->db, limits->bytes_max);
    cut = by_bytes > cut ? by_bytes : cut;
    int64_t first = number(rec->db, "SELECT COALESCE(min(id),0) FROM event", 0);
    return cut > first && first != 0 && cut_before(rec, cut);
}

troupe_error retention_purge(recorder *rec)
{
    if (!cut_before(rec, INT64_MAX)) {
        return TROUPE_ESTORAGE;
    }
    rec->requests_forgotten = true; /* entries in memory may have lost their rows */
    sqlite3_exec(rec->db, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
    return TROUPE_OK;
}
