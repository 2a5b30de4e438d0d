/* SPDX-License-Identifier: MIT */
/**
 * Running SQL within bounds: a reader handle, a deadline, limits of rows and bytes, and for SQL of
 * users an authorizer that lets only reads through. Knows SQLite, not actors.
 */
#ifndef TROUPE_STORE_SQL_GUARD_H
#define TROUPE_STORE_SQL_GUARD_H

#include "troupe/pack.h"

#include <sqlite3.h>

/** Called now and then while SQL runs; true ends it. */
typedef bool (*sql_guard_give_up_fn)(void *context);

typedef struct sql_guard {
    sqlite3 *db;
    int64_t deadline_ns;          /* CLOCK_MONOTONIC */
    bool expired;                 /* the deadline or give_up ended the statement */
    sql_guard_give_up_fn give_up; /* NULL = none */
    void *context;
    sqlite3_int64 memory; /* in use by SQLite when the statement began */
    bool greedy;          /* it was ended because it took too much */
} sql_guard;

/** Set the bounds of a handle made by schema_open_reader: lengths, depths, no extensions. */
void sql_guard_prepare(sql_guard *guard, sqlite3 *db);

/** Let only reads through from now on (users' SQL), or everything (our own). */
void sql_guard_restrict(sql_guard *guard, bool restricted);

/**
 * Compile the one statement in `sql`.
 * @return TROUPE_OK: finalize it; TROUPE_EPARAMS with SQLite's words (none, several, refused,
 * wrong); TROUPE_ESTORAGE
 */
troupe_error sql_guard_compile(sql_guard *guard, const char *sql, size_t len, sqlite3_stmt **out,
                               troupe_reason *reason) TROUPE_MUST_USE;

typedef struct sql_limits {
    int64_t rows;
    size_t bytes;     /* of JSON text */
    size_t bytes_one; /* the same, if it is one row alone; at least `bytes` */
    bool objects;     /* rows as objects and "_json" columns as values; else lists */
} sql_limits;

/**
 * Run a compiled and bound statement; appends {"columns":[…],"rows":[…],"truncated":bool}.
 * @return TROUPE_OK; TROUPE_ETIMEOUT; TROUPE_EPARAMS (the statement failed on its data);
 *         TROUPE_EBUSY; TROUPE_ESTORAGE; TROUPE_ENOMEM; TROUPE_ELIMIT: one row beyond the bytes
 */
troupe_error sql_guard_run(sql_guard *guard, sqlite3_stmt *statement, const sql_limits *limits,
                           troupe_buffer *out, troupe_reason *reason) TROUPE_MUST_USE;

int64_t sql_guard_now_ns(void);

#endif
