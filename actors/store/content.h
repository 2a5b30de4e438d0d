/* SPDX-License-Identifier: MIT */
/** Bodies at rest: equal ones once (by SHA-256), large text compressed. */
#ifndef TROUPE_STORE_CONTENT_H
#define TROUPE_STORE_CONTENT_H

#include "recorder.h"

/** How the column `data` holds what is stored. */
typedef enum content_coding {
    CONTENT_PLAIN = 0,
    CONTENT_ZLIB = 1, /* RFC 1950 */
} content_coding;

/**
 * Keep these bytes, or find them among what is kept.
 * @param text  worth an attempt to compress it
 * @return row of `content`; 0 if storage fails (recorder_failed was told)
 */
int64_t content_put(recorder *rec, const void *data, size_t len, bool text);

/** Register unpacked(data, coding, bytes, base64): a row of `content` as TEXT, or as BLOB if base64
 * is not 0; NULL if it is damaged. Returns SQLite's code. */
int content_register(sqlite3 *db);

#endif
