/* SPDX-License-Identifier: MIT */
/**
 * Keeping the store within its bounds: what is oldest goes, whole requests with all their rows,
 * never one that is still open, never half of one.
 */
#ifndef TROUPE_STORE_RETENTION_H
#define TROUPE_STORE_RETENTION_H

#include "recorder.h"

typedef struct retention_limits {
    uint64_t bytes_max;    /* 0 = no limit */
    uint32_t days;         /* 0 = for ever */
    uint32_t requests_max; /* rows; 0 = no limit */
} retention_limits;

/** Bytes in use (free pages of the file not counted). */
int64_t retention_bytes(sqlite3 *db);

/** Delete some of what is beyond the limits, in a transaction of some milliseconds; commits first.
 * now_us: wall clock. True: there may be more, call again when others have had their turn. */
bool retention_step(recorder *rec, const retention_limits *limits, int64_t now_us);

/** Delete everything but what is still open. TROUPE_ESTORAGE. */
troupe_error retention_purge(recorder *rec) TROUPE_MUST_USE;

/** What the file holds: its pages, and those of them that hold nothing. */
typedef struct retention_file {
    int64_t bytes, free_bytes;
} retention_file;
retention_file retention_look(sqlite3 *db);

/**
 * Give some of the file's empty pages back; commits first. The last step takes the write-ahead log
 * in.
 * @param more  set: there are further ones, call again when others have had their turn
 * @return TROUPE_OK; TROUPE_ESTORAGE
 */
troupe_error retention_vacuum_step(recorder *rec, bool *more) TROUPE_MUST_USE;

#endif
