/* SPDX-License-Identifier: MIT */
/* Running SQL within bounds. */
#include "sql_guard.h"

#include "rows.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define PROGRESS_STEPS  1000 /* virtual machine steps between two looks at the clock */
#define VALUE_BYTES_MAX (64 * 1024 * 1024)
#define SQL_BYTES_MAX   (256 * 1024)
#define MEMORY_MAX      (256 * 1024 * 1024) /* of one statement: sorting, temporary tables, values */

int64_t sql_guard_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int progress(void *context)
{
    sql_guard *guard = context;
    if (sql_guard_now_ns() >= guard->deadline_ns ||
        (guard->give_up != NULL && guard->give_up(guard->context))) {
        guard->expired = true;
    }
    /* SQLite counts for all handles together; the others' share does not change much. */
    guard->greedy |= sqlite3_memory_used() - guard->memory > MEMORY_MAX;
    return guard->expired || guard->greedy;
}

static bool pragma_is_harmless(const char *name, const char *argument)
{
    static const char *const read_only[] = {"table_info", "table_xinfo", "table_list", "index_list",
                                            "index_info"};
    for (size_t i = 0; name != NULL && i < sizeof read_only / sizeof read_only[0]; i++) {
        if (strcasecmp(name, read_only[i]) == 0) {
            return true;
        }
    }
    /* FTS5 itself asks for data_version. */
    return name != NULL && argument == NULL &&
           (strcasecmp(name, "user_version") == 0 || strcasecmp(name, "integrity_check") == 0 ||
            strcasecmp(name, "data_version") == 0);
}

static int authorize(void *context, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    (void)context;
    (void)database;
    (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return second != NULL && strcasecmp(second, "load_extension") == 0 ? SQLITE_DENY
                                                                           : SQLITE_OK;
    case SQLITE_PRAGMA:
        return pragma_is_harmless(first, second) ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

/* Table-valued functions declare their columns when first used, which the authorizer would refuse.
 */
static void declare_functions(sqlite3 *db)
{
    static const char *const calls[] = {
        "json_each('[]')",         "json_tree('[]')",        "pragma_table_info('x')",
        "pragma_table_xinfo('x')", "pragma_table_list('x')", "pragma_index_list('x')",
        "pragma_index_info('x')",  "search_request",         "search_body"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT 1 FROM %s", calls[i]);
        sqlite3_exec(db, sql, NULL, NULL, NULL);
    }
}

void sql_guard_prepare(sql_guard *guard, sqlite3 *db)
{
    memset(guard, 0, sizeof *guard);
    guard->db = db;
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 200);
    sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 50);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 5000);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    declare_functions(db);
    sqlite3_progress_handler(db, PROGRESS_STEPS, progress, guard);
}

void sql_guard_restrict(sql_guard *guard, bool restricted)
{
    sqlite3_set_authorizer(guard->db, restricted ? authorize : NULL, NULL);
}

/* SQLite's code as one of ours; the reason in SQLite's words. */
static troupe_error fail(sql_guard *guard, int code, troupe_reason *reason)
{
    const char *text = sqlite3_errmsg(guard->db);
    if (guard->expired) {
        return troupe_fail(reason, TROUPE_ETIMEOUT, "the query did not end before its deadline");
    }
    if (guard->greedy) {
        return troupe_fail(reason, TROUPE_ELIMIT, "the query needs more than %d MiB of memory",
                           MEMORY_MAX >> 20);
    }
    switch (code & 0xff) {
    case SQLITE_AUTH:
        return troupe_fail(reason, TROUPE_EPARAMS, "sql: only reading is allowed (%s)", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return troupe_fail(reason, TROUPE_EBUSY, "the store is busy");
    case SQLITE_NOMEM:
        return troupe_fail(reason, TROUPE_ENOMEM, "out of memory");
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_FULL:
        return troupe_fail(reason, TROUPE_ESTORAGE, "the store failed: %s", text);
    default:
        return troupe_fail(reason, TROUPE_EPARAMS, "sql: %s", text);
    }
}

troupe_error sql_guard_compile(sql_guard *guard, const char *sql, size_t len, sqlite3_stmt **out,
                               troupe_reason *reason)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_stmt *second = NULL;
    const char *tail = NULL;
    if (len > SQL_BYTES_MAX || memchr(sql, '\0', len) != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS, "sql: the text is too long or contains NUL");
    }
    guard->expired = guard->greedy = false;
    guard->memory = sqlite3_memory_used();
    int code = sqlite3_prepare_v2(guard->db, sql, (int)len, &statement, &tail);
    if (code != SQLITE_OK) {
        return fail(guard, code, reason);
    }
    if (statement == NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS, "sql: there is no statement");
    }
    code = sqlite3_prepare_v2(guard->db, tail, (int)(len - (size_t)(tail - sql)), &second, NULL);
    bool more = code != SQLITE_OK || second != NULL;
    sqlite3_finalize(second);
    if (more || !sqlite3_stmt_readonly(statement)) {
        sqlite3_finalize(statement);
        return troupe_fail(reason, TROUPE_EPARAMS,
                           more ? "sql: more than one statement" : "sql: only reading is allowed");
    }
    *out = statement;
    return TROUPE_OK;
}

/* Append one row; false if it went beyond the bytes: taken back. */
static bool append_row(sqlite3_stmt *statement, const sql_limits *limits, bool first,
                       troupe_buffer *out, size_t start)
{
    size_t before = out->len;
    (void)troupe_buffer_append(out, ",", first ? 0 : 1);
    (limits->objects ? rows_append_object : rows_append_list)(out, statement);
    if (out->len - start > (first ? limits->bytes_one : limits->bytes)) {
        out->len = before;
        return false;
    }
    return true;
}

static int append_rows(sqlite3_stmt *statement, const sql_limits *limits, troupe_buffer *out,
                       int64_t *rows, bool *truncated)
{
    size_t start = out->len;
    int code;
    *rows = 0;
    *truncated = false;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (*rows >= limits->rows || !append_row(statement, limits, *rows == 0, out, start) ||
            out->failed) {
            *truncated = true;
            return SQLITE_DONE;
        }
        ++*rows;
    }
    return code;
}

troupe_error sql_guard_run(sql_guard *guard, sqlite3_stmt *statement, const sql_limits *limits,
                           troupe_buffer *out, troupe_reason *reason)
{
    int64_t rows;
    bool truncated;
    guard->expired = guard->greedy = false;
    (void)troupe_buffer_printf(out, "{\"columns\":");
    rows_append_columns(out, statement, limits->objects);
    (void)troupe_buffer_printf(out, ",\"rows\":[");
    int code = append_rows(statement, limits, out, &rows, &truncated);
    if (code != SQLITE_DONE) {
        return fail(guard, code, reason);
    }
    if (truncated && rows == 0 && limits->rows > 0 && !out->failed) {
        return troupe_fail(reason, TROUPE_ELIMIT, "one row is larger than %zu bytes",
                           limits->bytes_one);
    }
    (void)troupe_buffer_printf(out, "],\"truncated\":%s}", truncated ? "true" : "false");
    return out->failed ? troupe_fail(reason, TROUPE_ENOMEM, "out of memory") : TROUPE_OK;
}
