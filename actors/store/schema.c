/* SPDX-License-Identifier: MIT */
/* The store's file and its tables. */
#include "schema.h"

#include "content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_PREFIX   "file:troupe-"
#define BUSY_TIMEOUT_MS 2000

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

static int execute(sqlite3 *db, const char *const *statements)
{
    int rc = SQLITE_OK;
    for (; *statements != NULL && rc == SQLITE_OK; statements++) {
        rc = sqlite3_exec(db, *statements, NULL, NULL, NULL);
    }
    return rc;
}

static int create_tables(sqlite3 *db)
{
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             SCHEMA_APPLICATION, SCHEMA_VERSION);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = execute(db, schema_tables);
    }
    if (rc == SQLITE_OK) {
        rc = execute(db, schema_views);
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
        if (rc == SQLITE_OK) {
            rc = sqlite3_exec(db, schema_migrations[at - 1], NULL, NULL, NULL);
        }
        if (rc == SQLITE_OK && at + 1 == SCHEMA_VERSION) {
            rc = execute(db, schema_views);
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
        rc = content_register(db);
    }
    if (rc == SQLITE_OK) {
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
    const char *pragmas =
        schema_path_is_memory(path)
            ? "PRAGMA query_only=1; PRAGMA temp_store=MEMORY; PRAGMA read_uncommitted=1;"
            : "PRAGMA query_only=1; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-512; PRAGMA "
              "mmap_size=0;";
    return open_handle(path, SQLITE_OPEN_READONLY, pragmas, out, reason);
}

troupe_error schema_check(sqlite3 *db, const char *path, troupe_reason *reason)
{
    int64_t version = 0;
    int64_t application = 0;
    if (pragma_integer(db, "PRAGMA user_version", &version) != SQLITE_OK ||
        pragma_integer(db, "PRAGMA application_id", &application) != SQLITE_OK) {
        return fail_db(reason, path, db);
    }
    if (application != SCHEMA_APPLICATION) {
        return troupe_fail(reason, TROUPE_ESTORAGE, "%s: not a troupe store", path);
    }
    if (version != SCHEMA_VERSION) {
        return troupe_fail(reason, TROUPE_ESTORAGE,
                           "%s: schema version %lld, not %d: `troupe serve --store` brings it up",
                           path, (long long)version, SCHEMA_VERSION);
    }
    return TROUPE_OK;
}
