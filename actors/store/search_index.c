/* SPDX-License-Identifier: MIT */
/*
 * The full-text index. `counters` says up to which request and which content it goes; requests that
 * were still under way then stand in `search_later` and are looked at again each time.
 */
#include "search_index.h"

#include "troupe/log.h"

#include <stddef.h>

#define STEP_ROWS "500"

#define UNDER_WAY "r.state IN ('pending','loading','connecting','open')"

/* What a request looks like in the index. */
#define REQUEST_TEXT                                                   \
    "r.id,r.url,COALESCE(r.raw_headers_json,r.headers_json,'')||' '||" \
    "COALESCE(p.raw_headers_json,p.headers_json,'') FROM request r"    \
    " LEFT JOIN response p ON p.request=r.id"

#define POST_TEXT "-r.id,r.post_data FROM request r"
#define HAS_POST  "typeof(r.post_data)='text'"

/* Requests of this step: those of `search_later` that have ended, and the next ones. */
static const char *const request_steps[] = {
    "CREATE TEMP TABLE IF NOT EXISTS searched(id INTEGER PRIMARY KEY)",
    "DELETE FROM temp.searched",
    "INSERT INTO temp.searched SELECT id FROM request WHERE id>(SELECT search_request FROM "
    "counters)"
    " ORDER BY id LIMIT " STEP_ROWS,
    "UPDATE counters SET search_request=max(search_request,"
    "COALESCE((SELECT max(id) FROM temp.searched),0))",
    "INSERT OR IGNORE INTO search_later SELECT r.id FROM temp.searched s JOIN request r ON "
    "r.id=s.id"
    " WHERE " UNDER_WAY,
    "DELETE FROM temp.searched WHERE id IN search_later",
    "INSERT INTO temp.searched SELECT l.request FROM search_later l LEFT JOIN request r"
    " ON r.id=l.request WHERE r.id IS NULL OR NOT " UNDER_WAY " LIMIT " STEP_ROWS,
    "DELETE FROM search_later WHERE request IN temp.searched",
    "INSERT INTO search_request(rowid,url,headers) SELECT " REQUEST_TEXT
    " WHERE r.id IN temp.searched",
    "INSERT INTO search_body(rowid,body) SELECT " POST_TEXT
    " WHERE r.id IN temp.searched AND " HAS_POST,
    "UPDATE counters SET search_rows=search_rows+(SELECT count(*) FROM temp.searched)",
};

/* One body at a time: it may be large. */
static const char *const body_steps[] = {
    "INSERT INTO search_body(rowid,body) SELECT b.content,b.body FROM (SELECT content,"
    "(SELECT content FROM body_content v WHERE v.request=o.request) AS body FROM body o"
    " WHERE o.base64=0 AND o.content=(SELECT min(id) FROM content"
    " WHERE id>(SELECT search_body FROM counters)) LIMIT 1) b",
    "UPDATE counters SET search_body=COALESCE((SELECT min(id) FROM content"
    " WHERE id>(SELECT search_body FROM counters)),search_body)",
};

#define COUNT(list)      (sizeof(list) / sizeof(list)[0])
#define BODIES_IN_A_STEP 20

static int run_all(sqlite3 *db, const char *const *statements, size_t count)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
        code = sqlite3_exec(db, statements[i], NULL, NULL, NULL);
    }
    return code;
}

static bool holds(sqlite3 *db, const char *condition, int *code)
{
    sqlite3_stmt *statement = NULL;
    bool yes = false;
    if (*code == SQLITE_OK) {
        *code = sqlite3_prepare_v2(db, condition, -1, &statement, NULL);
    }
    if (statement != NULL) {
        int step = sqlite3_step(statement);
        yes = step == SQLITE_ROW && sqlite3_column_int(statement, 0) != 0;
        *code = sqlite3_finalize(statement);
    }
    return yes;
}

static bool bodies_left(sqlite3 *db, int *code)
{
    return holds(db,
                 "SELECT EXISTS(SELECT 1 FROM content WHERE id>(SELECT search_body FROM counters))",
                 code);
}

static bool requests_left(sqlite3 *db, int *code)
{
    return holds(
        db,
        "SELECT EXISTS(SELECT 1 FROM request WHERE id>(SELECT search_request FROM counters))"
        " OR EXISTS(SELECT 1 FROM search_later l LEFT JOIN request r ON r.id=l.request"
        " WHERE r.id IS NULL OR NOT " UNDER_WAY ")",
        code);
}

static int index_some(sqlite3 *db)
{
    int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (requests_left(db, &code)) {
        code = run_all(db, request_steps, COUNT(request_steps));
    }
    for (int i = 0; i < BODIES_IN_A_STEP && bodies_left(db, &code); i++) {
        code = run_all(db, body_steps, COUNT(body_steps));
    }
    return code == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : code;
}

troupe_error search_index_step(recorder *rec, bool *more)
{
    *more = false;
    if (!recorder_commit(rec)) { /* what fails here costs no events */
        return TROUPE_ESTORAGE;
    }
    int code = index_some(rec->db);
    *more = requests_left(rec->db, &code) || bodies_left(rec->db, &code);
    if (code == SQLITE_OK) {
        return TROUPE_OK;
    }
    troupe_log(TROUPE_LOG_WARN, "store", "index-failed", NULL, "%s", sqlite3_errstr(code));
    if (!sqlite3_get_autocommit(rec->db)) {
        sqlite3_exec(rec->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return TROUPE_ESTORAGE;
}

int search_index_trim(sqlite3 *db, bool all)
{
    static const char *const emptied[] = {
        "INSERT INTO search_request(search_request) VALUES('delete-all')",
        "INSERT INTO search_body(search_body) VALUES('delete-all')",
        "DELETE FROM search_later",
        "UPDATE counters SET search_request=0,search_body=0,search_rows=0,search_gone=0",
    };
    int code = SQLITE_OK;
    bool stale =
        holds(db, "SELECT search_gone*2>search_rows AND search_rows>0 FROM counters", &code);
    return code == SQLITE_OK && (stale || all) ? run_all(db, emptied, COUNT(emptied)) : code;
}
