/* SPDX-License-Identifier: MIT */
/*
 * A long record for bench/store.mjs, without the browsing: a store file of the host's own schema.
 *
 *   bench_store make FILE REQUESTS   so many requests with their responses, of 20 pages; every
 * tenth with a body of its own (2 KB of JSON) bench_store dump FILE DIR        the same rows as
 * CSV, a file for each table (bodies unpacked); NULL is \N
 */
#include "actors/store/schema.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define BODY_EVERY 10
#define BODY_WORDS 220

static void need(int code, sqlite3 *db)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

/* clang-format off */

/* ?1: how many. What differs from row to row comes from the row's number alone. */
#define NUMBERS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<?1) "
#define STATUS  "CASE WHEN i%997=0 THEN 500 WHEN i%53=0 THEN 404 WHEN i%31=0 THEN 304 ELSE 200 END"
#define TYPE    "CASE i%10 WHEN 0 THEN 'XHR' WHEN 1 THEN 'Document' WHEN 2 THEN 'Stylesheet'" \
                " WHEN 3 THEN 'Fetch' WHEN 4 THEN 'Font' WHEN 5 THEN 'Script' WHEN 6 THEN 'Script'" \
                " ELSE 'Image' END"
#define URL     "'http://shop'||(i%7)||'.example/'||CASE i%10 WHEN 0 THEN 'api/orders/' WHEN 3 THEN" \
                " 'api/items/' ELSE 'static/' END||i||CASE WHEN i%10 IN (5,6) THEN '.js' ELSE '' END"

static const char *const fill[] = {
    NUMBERS
    "INSERT INTO request SELECT i,i,0,'00000000-0000-4000-8000-000000000001','9222:p'||(i%20),"
    "'S'||(i%20),'1000.'||i,'http',CASE WHEN i%23=0 THEN 'POST' ELSE 'GET' END," URL "," TYPE ","
    "'http://shop'||(i%7)||'.example/','F'||(i%20),'L'||(i/100),'parser','Medium',"
    "1700000000000000+i*1000,1000000+i*1000,3000+i%50000,1700000000003000+i*1000,i*6,'complete',"
    "NULL,NULL,NULL,NULL,0,500+i%90000,1200+i%200000,i%23=0,"
    "CASE WHEN i%23=0 THEN 'order='||i||'&count=3' END,"
    "'{\"Accept\":\"*/*\",\"User-Agent\":\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\","
    "\"Referer\":\"http://shop'||(i%7)||'.example/\",\"X-Trace\":\"trace'||(i*7919%1000003)||'\"}',"
    "NULL,'{\"type\":\"parser\",\"url\":\"http://shop'||(i%7)||'.example/\",\"lineNumber\":'||(i%900)||'}'"
    " FROM n",

    NUMBERS
    "INSERT INTO response SELECT i," STATUS ",'OK',NULL," URL ",'http/1.1',CASE WHEN i%10=0 THEN"
    " 'application/json' ELSE 'text/html' END,'utf-8','192.0.2.'||(i%250),80,i%600,1,0,0,0,"
    "'insecure',1002000+i*1000,"
    "'{\"Content-Type\":\"text/html; charset=utf-8\",\"Server\":\"nginx\",\"Cache-Control\":"
    "\"no-cache\",\"ETag\":\"w'||(i*31%1000003)||'\",\"Vary\":\"Accept-Encoding\"}',NULL,NULL,"
    "'{\"requestTime\":'||(1000+i)||'.25,\"dnsStart\":-1,\"connectStart\":-1,\"sendStart\":0.4,"
    "\"sendEnd\":0.5,\"receiveHeadersEnd\":'||(2+i%50)||'.5}' FROM n",

    "INSERT INTO browser VALUES('00000000-0000-4000-8000-000000000001','9222','launched','gone',"
    "'Chrome/140',1,NULL,NULL,1700000000000000,1700000000000000)",
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<19) "
    "INSERT INTO target SELECT '00000000-0000-4000-8000-000000000001','9222:p'||i,'C'||i,'page',"
    "'http://shop.example/','shop','gone',1,1700000000000000,1700000000000000 FROM n",
    "UPDATE counters SET request_last=?1,requests=?1,bodies=?1/10",
};

static const struct { const char *name, *sql; } dumped[] = {
    {"request", "SELECT * FROM request"},
    {"response", "SELECT * FROM response"},
    {"websocket", "SELECT * FROM websocket"},
    {"body", "SELECT b.*,c.content AS text FROM body b LEFT JOIN body_content c USING(request)"},
};

/* clang-format on */

static sqlite3 *open_store(const char *file, bool writer)
{
    sqlite3 *db;
    troupe_reason reason = {""};
    troupe_error error = writer ? schema_make_file(file, &reason) : TROUPE_OK;
    if (error == TROUPE_OK)
        error = writer ? schema_open_writer(file, &db, &reason)
                       : schema_open_reader(file, &db, &reason);
    if (error != TROUPE_OK) {
        fprintf(stderr, "%s\n", reason.text);
        exit(1);
    }
    return db;
}

static size_t body_of(long long id, char *out, size_t size)
{
    static const char *const words[] = {"apple",  "pear",  "plum",   "quince", "cherry", "peach",
                                        "orange", "lemon", "damson", "medlar", "sloe"};
    size_t len = (size_t)snprintf(out, size, "{\"id\":%lld,\"mark\":\"order%lld\",\"words\":\"", id,
                                  id * 7919 % 1000003);
    unsigned state = (unsigned)id;
    for (int i = 0; i < BODY_WORDS; i++) {
        state = state * 1664525u + 1013904223u;
        len +=
            (size_t)snprintf(out + len, size - len, "%s%u ", words[(state >> 8) % 11], state >> 24);
    }
    return len + (size_t)snprintf(out + len, size - len, "\"}");
}

static void make_bodies(sqlite3 *db, long long requests)
{
    sqlite3_stmt *content;
    sqlite3_stmt *body;
    char text[8192];
    unsigned char packed[8192];
    need(sqlite3_prepare_v2(db, "INSERT INTO content VALUES(?,?,?,1,?)", -1, &content, NULL), db);
    need(sqlite3_prepare_v2(db, "INSERT INTO body VALUES(?1,1,0,?2,NULL,?3,?1)", -1, &body, NULL),
         db);
    for (long long id = BODY_EVERY; id <= requests; id += BODY_EVERY) {
        char digest[32] = {0};
        size_t len = body_of(id, text, sizeof text);
        uLongf room = sizeof packed;
        if (compress2(packed, &room, (const Bytef *)text, (uLong)len, 1) != Z_OK)
            abort();
        memcpy(digest, &id, sizeof id);
        sqlite3_bind_int64(content, 1, id);
        sqlite3_bind_blob(content, 2, digest, sizeof digest, SQLITE_STATIC);
        sqlite3_bind_int64(content, 3, (sqlite3_int64)len);
        sqlite3_bind_blob(content, 4, packed, (int)room, SQLITE_STATIC);
        need(sqlite3_step(content), db);
        sqlite3_reset(content);
        sqlite3_bind_int64(body, 1, id);
        sqlite3_bind_int64(body, 2, (sqlite3_int64)len);
        sqlite3_bind_int64(body, 3, 1700000000003000 + id * 1000);
        need(sqlite3_step(body), db);
        sqlite3_reset(body);
    }
    sqlite3_finalize(content);
    sqlite3_finalize(body);
}

static void make(const char *file, long long requests)
{
    sqlite3 *db = open_store(file, true);
    need(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), db);
    for (size_t i = 0; i < sizeof fill / sizeof fill[0]; i++) {
        sqlite3_stmt *statement;
        need(sqlite3_prepare_v2(db, fill[i], -1, &statement, NULL), db);
        if (sqlite3_bind_parameter_count(statement) > 0)
            need(sqlite3_bind_int64(statement, 1, requests), db);
        need(sqlite3_step(statement), db);
        sqlite3_finalize(statement);
    }
    make_bodies(db, requests);
    need(sqlite3_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), db);
    sqlite3_close(db);
}

static void put_value(FILE *out, sqlite3_stmt *rows, int column)
{
    if (sqlite3_column_type(rows, column) == SQLITE_NULL) {
        fputs("\\N", out);
        return;
    }
    bool quoted = sqlite3_column_type(rows, column) == SQLITE_TEXT;
    if (quoted)
        fputc('"', out);
    for (const unsigned char *at = sqlite3_column_text(rows, column); *at != '\0'; at++) {
        if (*at == '"')
            fputc('"', out);
        fputc(*at, out);
    }
    if (quoted)
        fputc('"', out);
}

static void dump_table(sqlite3 *db, const char *sql, FILE *out)
{
    sqlite3_stmt *rows;
    need(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), db);
    int columns = sqlite3_column_count(rows);
    for (int i = 0; i < columns; i++)
        fprintf(out, "%s%s", i > 0 ? "," : "", sqlite3_column_name(rows, i));
    fputc('\n', out);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            if (i > 0)
                fputc(',', out);
            put_value(out, rows, i);
        }
        fputc('\n', out);
    }
    sqlite3_finalize(rows);
}

static void dump(const char *file, const char *dir)
{
    sqlite3 *db = open_store(file, false);
    for (size_t i = 0; i < sizeof dumped / sizeof dumped[0]; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.csv", dir, dumped[i].name);
        FILE *out = fopen(path, "w");
        if (out == NULL) {
            perror(path);
            exit(1);
        }
        dump_table(db, dumped[i].sql, out);
        if (fclose(out) != 0) {
            perror(path);
            exit(1);
        }
    }
    sqlite3_close(db);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "make") == 0) {
        make(argv[2], atoll(argv[3]));
    } else if (argc == 4 && strcmp(argv[1], "dump") == 0) {
        dump(argv[2], argv[3]);
    } else {
        fprintf(stderr, "usage: bench_store make FILE REQUESTS | dump FILE DIR\n");
        return 2;
    }
    return 0;
}
