/* SPDX-License-Identifier: MIT */
/* Bodies at rest. */
#include "content.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <zlib.h>

#define DIGEST_BYTES  32
#define COMPRESS_FROM 1024 /* smaller ones gain too little */
#define WORTH_TENTHS  9    /* kept compressed if it takes at most so much of the original */
#define UNPACKED_MAX  (64 * 1024 * 1024)
#define ZLIB_LEVEL    1

static int64_t find(recorder *rec, const unsigned char *digest)
{
    sqlite3_stmt *row = recorder_statement(rec, SQL_CONTENT_FIND);
    if (row == NULL) {
        return 0;
    }
    sqlite3_bind_blob(row, 1, digest, DIGEST_BYTES, SQLITE_STATIC);
    int64_t id = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_reset(row);
    return id;
}

/* Compressed, to be freed; NULL if that is not worth it. */
static unsigned char *compressed(const void *data, size_t len, size_t *out_len)
{
    uLongf room = (uLongf)(len / 10 * WORTH_TENTHS);
    unsigned char *out = len >= COMPRESS_FROM ? malloc(room) : NULL;
    if (out != NULL && compress2(out, &room, data, (uLong)len, ZLIB_LEVEL) != Z_OK) {
        free(out); /* Z_BUF_ERROR: it would not fit */
        out = NULL;
    }
    *out_len = (size_t)room;
    return out;
}

int64_t content_put(recorder *rec, const void *data, size_t len, bool text)
{
    unsigned char digest[DIGEST_BYTES];
    unsigned digest_len = sizeof digest;
    if (EVP_Digest(data, len, digest, &digest_len, EVP_sha256(), NULL) != 1) {
        return 0;
    }
    int64_t id = find(rec, digest);
    sqlite3_stmt *row = id == 0 ? recorder_statement(rec, SQL_CONTENT) : NULL;
    if (row == NULL) {
        return id;
    }
    size_t packed_len = 0;
    unsigned char *packed = text ? compressed(data, len, &packed_len) : NULL;
    sqlite3_bind_blob(row, 1, digest, DIGEST_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(row, 2, (int64_t)len);
    sqlite3_bind_int(row, 3, packed != NULL ? CONTENT_ZLIB : CONTENT_PLAIN);
    sqlite3_bind_blob64(row, 4, packed != NULL ? (const void *)packed : data,
                        packed != NULL ? packed_len : len, SQLITE_STATIC);
    id = recorder_run(rec, row) ? sqlite3_last_insert_rowid(rec->db) : 0;
    free(packed);
    return id;
}

/* The function ------------------------------------------------------------------------------ */

static void give(sqlite3_context *context, void *data, size_t len, bool binary,
                 sqlite3_destructor_type destroy)
{
    if (binary) {
        sqlite3_result_blob64(context, data, len, destroy);
    } else {
        sqlite3_result_text64(context, data, len, destroy, SQLITE_UTF8);
    }
}

static void unpacked(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const void *data = sqlite3_value_blob(values[0]);
    size_t len = (size_t)sqlite3_value_bytes(values[0]);
    int coding = sqlite3_value_int(values[1]);
    int64_t bytes = sqlite3_value_int64(values[2]);
    bool binary = sqlite3_value_int(values[3]) != 0;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL || bytes < 0 || bytes > UNPACKED_MAX) {
        return;
    }
    if (coding == CONTENT_PLAIN) {
        give(context, len > 0 ? (void *)data : "", len, binary, SQLITE_TRANSIENT);
        return;
    }
    uLongf room = (uLongf)bytes;
    unsigned char *out =
        coding == CONTENT_ZLIB ? sqlite3_malloc64((sqlite3_uint64)bytes + 1) : NULL;
    if (out == NULL || uncompress(out, &room, data, (uLong)len) != Z_OK || room != (uLongf)bytes) {
        sqlite3_free(out);
        return;
    }
    give(context, out, (size_t)bytes, binary, sqlite3_free);
}

int content_register(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "unpacked", 4,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                      unpacked, NULL, NULL, NULL);
}
