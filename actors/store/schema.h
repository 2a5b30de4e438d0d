/* SPDX-License-Identifier: MIT */
/**
 * The store's file and its tables: where it lies, how it is opened by the one writer and by
 * readers, schema version and migration. docs/store.md describes every column.
 */
#ifndef TROUPE_STORE_SCHEMA_H
#define TROUPE_STORE_SCHEMA_H

#include "troupe/host.h"

#include <sqlite3.h>

#define SCHEMA_VERSION     5
#define SCHEMA_APPLICATION 0x54525031 /* "TRP1": marks a file as a store */
#define SCHEMA_PATH_MAX    512

/** The tables of a new store, and the views, made anew whenever the version changes. */
extern const char *const schema_tables[]; /* statements, as are the others; NULL ends them */
extern const char *const schema_views[];
/** schema_migrations[n] leads the tables from version n+1 to n+2. */
extern const char *const schema_migrations[SCHEMA_VERSION - 1];

/** The path or URI that SQLite opens for these options: a file, or a shared in-memory database that
 * lives as long as one handle of this process. TROUPE_EPARAMS if it does not fit. */
troupe_error schema_path(const troupe_host_options *options, char *path, size_t path_size,
                         troupe_reason *reason) TROUPE_MUST_USE;

/** Whether a path made by schema_path is the in-memory database. */
bool schema_path_is_memory(const char *path);

/** Make the directory (0700) and the file (0600) if they are not there. A database in memory: does
 * nothing. TROUPE_ESTORAGE. */
troupe_error schema_make_file(const char *path, troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Keep other hosts out: an advisory lock on PATH.lock, held until the descriptor is closed.
 * @param out  -1 for a database in memory
 * @return TROUPE_OK; TROUPE_ESTORAGE: another host writes to this store, or it cannot be locked
 */
troupe_error schema_lock(const char *path, int *out, troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Open for writing; creates or migrates the tables. The file must exist (schema_make_file).
 * @return TROUPE_OK; TROUPE_ESTORAGE with the reason
 */
troupe_error schema_open_writer(const char *path, sqlite3 **out,
                                troupe_reason *reason) TROUPE_MUST_USE;

/** Open for reading only; writes through this handle are refused. */
troupe_error schema_open_reader(const char *path, sqlite3 **out,
                                troupe_reason *reason) TROUPE_MUST_USE;

/** Whether a file opened for reading is a store of this version; the reason says what it is else.
 * TROUPE_ESTORAGE. */
troupe_error schema_check(sqlite3 *db, const char *path, troupe_reason *reason) TROUPE_MUST_USE;

#endif
