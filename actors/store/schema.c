/* SPDX-License-Identifier: MIT */
/* The store's file and its tables. */
#include "schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_PREFIX   "file:troupe-"
#define BUSY_TIMEOUT_MS 2000

/* Version 1. Times: *_us are microseconds since 1970, *_mono_us microseconds on the browser's
 * (request, response, websocket) or the host's (event) monotonic clock. *_json columns hold JSON
 * text. */
static const char schema_tables[] =
    "CREATE TABLE counters("
    " one INTEGER PRIMARY KEY CHECK(one=1), event_last INTEGER NOT NULL DEFAULT 0,"
    " request_last INTEGER NOT NULL DEFAULT 0, console_last INTEGER NOT NULL DEFAULT 0,"
    " request_cleared INTEGER NOT NULL DEFAULT 0, console_cleared INTEGER NOT NULL DEFAULT 0,"
    " events INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,"
    " console INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0,"
    " bodies INTEGER NOT NULL DEFAULT 0, gaps INTEGER NOT NULL DEFAULT 0);"
    "INSERT INTO counters(one) VALUES(1);"
    "CREATE TABLE browser("
    " uid TEXT PRIMARY KEY, browser TEXT, origin TEXT, state TEXT, product TEXT, pid INTEGER,"
    " endpoint TEXT, reason TEXT, first_us INTEGER, last_us INTEGER) WITHOUT ROWID;"
    "CREATE TABLE target("
    " uid TEXT NOT NULL, target TEXT NOT NULL, chrome_id TEXT, type TEXT, url TEXT, title TEXT,"
    " state TEXT, epoch INTEGER, first_us INTEGER, last_us INTEGER,"
    " PRIMARY KEY(uid,target)) WITHOUT ROWID;"
    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, method TEXT NOT NULL,"
    " wall_us INTEGER NOT NULL, mono_us INTEGER NOT NULL, request INTEGER, params TEXT);"
    "CREATE TABLE request("
    " id INTEGER PRIMARY KEY, chain INTEGER NOT NULL, hop INTEGER NOT NULL, uid TEXT NOT NULL,"
    " target TEXT NOT NULL, session TEXT, request_id TEXT NOT NULL, protocol TEXT NOT NULL,"
    " method TEXT, url TEXT, type TEXT, document_url TEXT, frame_id TEXT, loader_id TEXT,"
    " initiator TEXT, priority TEXT, started_us INTEGER, started_mono_us INTEGER, time_us INTEGER,"
    " last_us INTEGER, last_event INTEGER, state TEXT NOT NULL, error TEXT, canceled INTEGER,"
    " blocked_reason TEXT, cors_error TEXT, from_cache INTEGER NOT NULL DEFAULT 0,"
    " encoded_bytes INTEGER, decoded_bytes INTEGER, pause_stage TEXT, paused_id TEXT,"
    " has_post_data INTEGER, post_data TEXT, headers_json TEXT, raw_headers_json TEXT,"
    " initiator_json TEXT);"
    "CREATE INDEX request_by_id ON request(request_id,uid);"
    "CREATE INDEX request_open ON request(uid,target)"
    " WHERE state IN ('pending','loading','connecting','open');"
    "CREATE TABLE response("
    " request INTEGER PRIMARY KEY, status INTEGER, status_text TEXT, raw_status INTEGER,"
    " url TEXT, protocol TEXT, mime_type TEXT, charset TEXT, remote_address TEXT,"
    " remote_port INTEGER, connection_id INTEGER, connection_reused INTEGER,"
    " from_disk_cache INTEGER, from_service_worker INTEGER, from_prefetch INTEGER,"
    " security_state TEXT, received_mono_us INTEGER, headers_json TEXT, raw_headers_json TEXT,"
    " raw_headers_text TEXT, timing_json TEXT);"
    "CREATE TABLE body("
    " request INTEGER PRIMARY KEY, ok INTEGER NOT NULL, base64 INTEGER NOT NULL, bytes INTEGER,"
    " error TEXT, wall_us INTEGER, content BLOB);"
    "CREATE TABLE websocket("
    " request INTEGER PRIMARY KEY, frames_sent INTEGER NOT NULL DEFAULT 0,"
    " frames_received INTEGER NOT NULL DEFAULT 0, bytes_sent INTEGER NOT NULL DEFAULT 0,"
    " bytes_received INTEGER NOT NULL DEFAULT 0, opened_mono_us INTEGER, closed_mono_us INTEGER);"
    "CREATE TABLE websocket_frame("
    " id INTEGER PRIMARY KEY, request INTEGER NOT NULL, direction TEXT NOT NULL, opcode INTEGER,"
    " masked INTEGER, bytes INTEGER NOT NULL, mono_us INTEGER, wall_us INTEGER, payload TEXT);"
    "CREATE INDEX websocket_frame_request ON websocket_frame(request);"
    "CREATE TABLE console("
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, event INTEGER,"
    " level TEXT NOT NULL, type TEXT, source TEXT NOT NULL, message TEXT NOT NULL,"
    " timestamp_us INTEGER NOT NULL, url TEXT, line INTEGER, column INTEGER, request_id TEXT,"
    " stack_json TEXT);"
    "CREATE TABLE page("
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, event INTEGER,"
    " frame_id TEXT, loader_id TEXT, url TEXT, mime_type TEXT, navigated_us INTEGER,"
    " content_us INTEGER, load_us INTEGER);"
    "CREATE TABLE gap("
    " id INTEGER PRIMARY KEY, uid TEXT, target TEXT, event INTEGER, count INTEGER NOT NULL,"
    " bytes INTEGER, reason TEXT, wall_us INTEGER, from_us INTEGER);";

#define ISO_TIME(us) "strftime('%Y-%m-%dT%H:%M:%fZ'," us "/1000000.0,'unixepoch')"
#define HOP_SIZE                                                                      \
    "CASE r.protocol WHEN 'websocket' THEN COALESCE(w.bytes_sent+w.bytes_received,0)" \
    " ELSE COALESCE(r.encoded_bytes,0) END"
#define HOP_JOINS                                            \
    " FROM request r LEFT JOIN response p ON p.request=r.id" \
    " LEFT JOIN websocket w ON w.request=r.id LEFT JOIN body b ON b.request=r.id"

static const char schema_views[] =
    "CREATE VIEW har_summary AS SELECT r.id AS id, r.request_id AS request_id,"
    " r.protocol AS protocol, r.method AS method, COALESCE(p.raw_status,p.status,0) AS status,"
    " r.url AS url, r.type AS type, " HOP_SIZE " AS size, r.time_us/1000.0 AS time_ms,"
    " r.state AS state, r.pause_stage AS pause_stage, r.paused_id AS paused_id,"
    " w.frames_sent AS frames_sent, w.frames_received AS frames_received,"
    " " ISO_TIME(
        "r.started_us") " AS started_datetime,"
                        " " ISO_TIME(
                            "r.last_us") " AS last_activity, r.target AS target,"
                                         " CASE b.ok WHEN 1 THEN 'ok' WHEN 0 THEN 'err' END AS "
                                         "body_status" HOP_JOINS ";"
                                         "CREATE VIEW har_entry AS SELECT r.id AS id, r.request_id "
                                         "AS request_id, r.hop AS hop,"
                                         " r.chain AS chain, r.uid AS uid, r.target AS target, "
                                         "r.session AS session,"
                                         " r.protocol AS protocol, r.type AS type, r.method AS "
                                         "method, r.url AS url,"
                                         " COALESCE(p.raw_status,p.status,0) AS status, "
                                         "p.status_text AS status_text,"
                                         " " HOP_SIZE " AS size, r.decoded_bytes AS decoded_bytes, "
                                         "r.encoded_bytes AS encoded_bytes,"
                                         " r.time_us/1000.0 AS time_ms, r.state AS state, r.error "
                                         "AS error, r.canceled AS canceled,"
                                         " r.blocked_reason AS blocked_reason, r.cors_error AS "
                                         "cors_error,"
                                         " r.pause_stage AS pause_stage, r.paused_id AS paused_id, "
                                         "r.from_cache AS from_cache,"
                                         " p.from_disk_cache AS from_disk_cache, "
                                         "p.from_service_worker AS from_service_worker,"
                                         " p.mime_type AS mime_type, p.charset AS charset, "
                                         "p.protocol AS http_version,"
                                         " p.remote_address AS remote_address, p.remote_port AS "
                                         "remote_port,"
                                         " p.connection_id AS connection_id, p.security_state AS "
                                         "security_state,"
                                         " r.document_url AS document_url, r.frame_id AS frame_id, "
                                         "r.loader_id AS loader_id,"
                                         " r.initiator AS initiator, r.priority AS priority, "
                                         "r.post_data AS post_data,"
                                         " r.has_post_data AS has_post_data,"
                                         " " ISO_TIME(
                                             "r.started_us") " AS started_datetime,"
                                                             " " ISO_TIME(
                                                                 "r.last_us") " AS last_activity,"
                                                                              " r.started_us AS "
                                                                              "started_us, "
                                                                              "r.started_mono_us "
                                                                              "AS started_mono_us,"
                                                                              " p.received_mono_us "
                                                                              "AS received_mono_us,"
                                                                              " COALESCE(r.raw_"
                                                                              "headers_json,r."
                                                                              "headers_json) AS "
                                                                              "request_headers_"
                                                                              "json,"
                                                                              " COALESCE(p.raw_"
                                                                              "headers_json,p."
                                                                              "headers_json) AS "
                                                                              "response_headers_"
                                                                              "json,"
                                                                              " r.initiator_json "
                                                                              "AS initiator_json, "
                                                                              "p.timing_json AS "
                                                                              "timing_json,"
                                                                              " w.frames_sent AS "
                                                                              "frames_sent, "
                                                                              "w.frames_received "
                                                                              "AS frames_received,"
                                                                              " w.bytes_sent+w."
                                                                              "bytes_received AS "
                                                                              "ws_total_bytes,"
                                                                              " CASE b.ok WHEN 1 "
                                                                              "THEN 'ok' WHEN 0 "
                                                                              "THEN 'err' END AS "
                                                                              "body_status, "
                                                                              "b.error AS "
                                                                              "body_error,"
                                                                              " b.bytes AS "
                                                                              "body_bytes" HOP_JOINS
                                                                              ";"
                                                                              "CREATE VIEW "
                                                                              "console_summary AS "
                                                                              "SELECT id, level, "
                                                                              "source, message,"
                                                                              " timestamp_us/"
                                                                              "1000.0 AS "
                                                                              "timestamp, target, "
                                                                              "url, line, "
                                                                              "\"column\" FROM "
                                                                              "console;";

/* migrations[n] leads from version n+1 to n+2. */
static const char *const migrations[] = {"ALTER TABLE gap ADD COLUMN from_us INTEGER;"};

static troupe_error fail_db(troupe_reason *reason, const char *path, sqlite3 *db)
{
    return troupe_fail(reason, TROUPE_ESTORAGE, "%s: %s", path,
                       db != NULL ? sqlite3_errmsg(db) : "out of memory");
}

troupe_error schema_path(const troupe_host_options *options, char *path, size_t path_size,
                         troupe_reason *reason)
{
    const char *file = options->store;
    int len;
    if (file != NULL && strcmp(file, ":memory:") == 0) {
        /* One database for each host of this process: its options tell hosts apart. */
        len = snprintf(path, path_size, MEMORY_PREFIX "%ld-%lx?mode=memory&cache=shared",
                       (long)getpid(), (unsigned long)(uintptr_t)options);
    } else if (file != NULL) {
        len = snprintf(path, path_size, "%s", file);
    } else {
        len = snprintf(path, path_size, "%s/%s.db", options->state_dir, options->name);
    }
    if (len <= 0 || (size_t)len >= path_size) {
        return troupe_fail(reason, TROUPE_EPARAMS, "store: the path is %s",
                           len <= 0 ? "empty" : "too long");
    }
    return TROUPE_OK;
}

bool schema_path_is_memory(const char *path)
{
    return strncmp(path, MEMORY_PREFIX, strlen(MEMORY_PREFIX)) == 0 &&
           strstr(path, "?mode=memory") != NULL;
}

/* Make the directories on the way to `path` that are missing. */
static troupe_error make_directories(const char *path, troupe_reason *reason)
{
    char dir[SCHEMA_PATH_MAX];
    if (strlen(path) >= sizeof dir) {
        return troupe_fail(reason, TROUPE_ESTORAGE, "store: the path is too long");
    }
    for (size_t i = 0; path[i] != '\0'; i++) {
        if (path[i] == '/' && i > 0) {
            dir[i] = '\0';
            if (mkdir(dir, 0700) != 0 && errno != EEXIST && errno != EISDIR) {
                return troupe_fail(reason, TROUPE_ESTORAGE, "%s: %s", dir, strerror(errno));
            }
        }
        dir[i] = path[i];
    }
    return TROUPE_OK;
}

troupe_error schema_make_file(const char *path, troupe_reason *reason)
{
    if (schema_path_is_memory(path)) {
        return TROUPE_OK;
    }
    troupe_error error = make_directories(path, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    struct stat info;
    if (stat(path, &info) == 0) {
        if (!S_ISREG(info.st_mode)) {
            return troupe_fail(reason, TROUPE_ESTORAGE, "%s: not a file", path);
        }
        if (access(path, R_OK | W_OK) != 0) {
            return troupe_fail(reason, TROUPE_ESTORAGE, "%s: %s", path, strerror(errno));
        }
        return TROUPE_OK; /* never opened here: closing it would drop SQLite's own locks */
    }
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return troupe_fail(reason, TROUPE_ESTORAGE, "%s: %s", path, strerror(errno));
    }
    close(fd);
    return TROUPE_OK;
}

troupe_error schema_lock(const char *path, int *out, troupe_reason *reason)
{
    char lock[SCHEMA_PATH_MAX + 8];
    *out = -1;
    if (schema_path_is_memory(path)) {
        return TROUPE_OK;
    }
    snprintf(lock, sizeof lock, "%s.lock", path);
    int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return troupe_fail(reason, TROUPE_ESTORAGE, "%s: %s", lock, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int why = errno;
        close(fd);
        return troupe_fail(reason, TROUPE_ESTORAGE, "%s: %s", path,
                           why == EWOULDBLOCK ? "another host writes to this store"
                                              : strerror(why));
    }
    *out = fd;
    return TROUPE_OK;
}

static int pragma_integer(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(statement);
    return rc;
}

static int create_tables(sqlite3 *db)
{
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             SCHEMA_APPLICATION, SCHEMA_VERSION);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, schema_tables, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, schema_views, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, mark, NULL, NULL, NULL);
    }
    return rc == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : rc;
}

/* Bring an older version up to this one, a step at a time, each step in its own transaction. */
static int migrate(sqlite3 *db, int64_t version)
{
    int rc = SQLITE_OK;
    for (int64_t at = version; rc == SQLITE_OK && at < SCHEMA_VERSION; at++) {
        char mark[64];
        snprintf(mark, sizeof mark, "PRAGMA user_version=%d;", (int)at + 1);
        rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (rc == SQLITE_OK && migrations[at - 1] != NULL) {
            rc = sqlite3_exec(db, migrations[at - 1], NULL, NULL, NULL);
        }
        if (rc == SQLITE_OK) {
            rc = sqlite3_exec(db, mark, NULL, NULL, NULL);
        }
        if (rc == SQLITE_OK) {
            rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
        }
    }
    return rc;
}

static troupe_error prepare_schema(sqlite3 *db, const char *path, troupe_reason *reason)
{
    int64_t version = 0;
    int64_t application = 0;
    int64_t tables = 0;
    if (pragma_integer(db, "PRAGMA user_version", &version) != SQLITE_OK ||
        pragma_integer(db, "PRAGMA application_id", &application) != SQLITE_OK ||
        pragma_integer(db, "SELECT count(*) FROM sqlite_master", &tables) != SQLITE_OK) {
        return fail_db(reason, path, db);
    }
    if (tables != 0 && application != SCHEMA_APPLICATION) {
        return troupe_fail(reason, TROUPE_ESTORAGE, "%s: a database, but not a troupe store", path);
    }
    if (version > SCHEMA_VERSION || (tables != 0 && version < 1)) {
        return troupe_fail(reason, TROUPE_ESTORAGE,
                           "%s: schema version %lld; this troupe knows up to %d", path,
                           (long long)version, SCHEMA_VERSION);
    }
    int rc = tables == 0 ? create_tables(db) : migrate(db, version);
    if (rc != SQLITE_OK) {
        troupe_error error = fail_db(reason, path, db);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return error;
    }
    return TROUPE_OK;
}

static troupe_error open_handle(const char *path, int flags, const char *pragmas, sqlite3 **out,
                                troupe_reason *reason)
{
    sqlite3 *db = NULL;
    if (schema_path_is_memory(path)) {
        flags |= SQLITE_OPEN_URI;
        flags &= ~SQLITE_OPEN_READONLY;
        flags |= SQLITE_OPEN_READWRITE;
    }
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(db, 1);
        sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
        rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        troupe_error error = fail_db(reason, path, db);
        sqlite3_close(db);
        return error;
    }
    *out = db;
    return TROUPE_OK;
}

troupe_error schema_open_writer(const char *path, sqlite3 **out, troupe_reason *reason)
{
    sqlite3 *db = NULL;
    troupe_error error = open_handle(path, SQLITE_OPEN_READWRITE,
                                     "PRAGMA auto_vacuum=INCREMENTAL;"
                                     "PRAGMA journal_mode=WAL;"
                                     "PRAGMA synchronous=NORMAL;"
                                     "PRAGMA cache_size=-1024;"
                                     "PRAGMA temp_store=MEMORY;"
                                     "PRAGMA mmap_size=0;"
                                     "PRAGMA journal_size_limit=8388608;",
                                     &db, reason);
    if (error == TROUPE_OK) {
        error = prepare_schema(db, path, reason);
    }
    if (error != TROUPE_OK) {
        sqlite3_close(db);
        return error;
    }
    *out = db;
    return TROUPE_OK;
}

troupe_error schema_open_reader(const char *path, sqlite3 **out, troupe_reason *reason)
{
    /* In a shared cache readers take table locks that would refuse the writer; read_uncommitted
     * reads without them. With a file (WAL) it has no effect. */
    const char *pragmas = schema_path_is_memory(path)
                              ? "PRAGMA query_only=1; PRAGMA read_uncommitted=1;"
                              : "PRAGMA query_only=1; PRAGMA cache_size=-512; PRAGMA mmap_size=0;";
    return open_handle(path, SQLITE_OPEN_READONLY, pragmas, out, reason);
}
