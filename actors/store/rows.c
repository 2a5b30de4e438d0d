/* SPDX-License-Identifier: MIT */
/* Rows of SQLite as JSON text. */
#include "rows.h"

#include "json_text.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_ENDING "_json"

static void append_real(troupe_buffer *out, double value)
{
    char text[40];
    if (!isfinite(value)) {
        (void)troupe_buffer_append(out, "null", 4);
        return;
    }
    snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) {
        snprintf(text, sizeof text, "%.17g", value);
    }
    if (strpbrk(text, ".e") == NULL) {
        strcat(text, ".0");
    }
    (void)troupe_buffer_append(out, text, strlen(text));
}

static void append_blob(troupe_buffer *out, const void *data, size_t len)
{
    size_t coded = (len + 2) / 3 * 4;
    (void)troupe_buffer_append(out, "\"", 1);
    if (len > 0 && len <= INT32_MAX / 2 &&
        troupe_buffer_reserve(out, coded + 2) == TROUPE_OK) { /* EncodeBlock ends with a NUL */
        EVP_EncodeBlock(out->data + out->len, data, (int)len);
        out->len += coded;
    }
    (void)troupe_buffer_append(out, "\"", 1);
}

static void append_value(troupe_buffer *out, sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        (void)troupe_buffer_printf(out, "%lld", (long long)sqlite3_column_int64(statement, column));
        break;
    case SQLITE_FLOAT:
        append_real(out, sqlite3_column_double(statement, column));
        break;
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        json_quote_append(out, text != NULL ? text : "",
                          (size_t)sqlite3_column_bytes(statement, column));
        break;
    }
    case SQLITE_BLOB: {
        const void *blob = sqlite3_column_blob(statement, column);
        append_blob(out, blob, (size_t)sqlite3_column_bytes(statement, column));
        break;
    }
    default:
        (void)troupe_buffer_append(out, "null", 4);
    }
}

static void append_json(troupe_buffer *out, sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    size_t len = (size_t)sqlite3_column_bytes(statement, column);
    if (text != NULL && sqlite3_column_type(statement, column) == SQLITE_TEXT &&
        json_check(text, len, NULL) == TROUPE_OK) {
        json_clean_append(out, text, len);
    } else {
        append_value(out, statement, column);
    }
}

/* Length of the name without the ending; *json: whether it had it. */
static size_t short_name(const char *name, bool *json)
{
    size_t len = strlen(name);
    size_t ending = strlen(JSON_ENDING);
    *json = len > ending && strcmp(name + len - ending, JSON_ENDING) == 0;
    return *json ? len - ending : len;
}

void rows_append_object(troupe_buffer *out, sqlite3_stmt *statement)
{
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++) {
        bool json;
        const char *name = sqlite3_column_name(statement, i);
        name = name != NULL ? name : "";
        size_t len = short_name(name, &json);
        (void)troupe_buffer_append(out, i == 0 ? "{" : ",", 1);
        json_quote_append(out, name, len);
        (void)troupe_buffer_append(out, ":", 1);
        (json ? append_json : append_value)(out, statement, i);
    }
    (void)troupe_buffer_append(out, count == 0 ? "{}" : "}", count == 0 ? 2 : 1);
}

void rows_append_list(troupe_buffer *out, sqlite3_stmt *statement)
{
    int count = sqlite3_column_count(statement);
    (void)troupe_buffer_append(out, "[", 1);
    for (int i = 0; i < count; i++) {
        (void)troupe_buffer_append(out, ",", i == 0 ? 0 : 1);
        append_value(out, statement, i);
    }
    (void)troupe_buffer_append(out, "]", 1);
}

void rows_append_columns(troupe_buffer *out, sqlite3_stmt *statement, bool shorten)
{
    int count = sqlite3_column_count(statement);
    (void)troupe_buffer_append(out, "[", 1);
    for (int i = 0; i < count; i++) {
        bool json;
        const char *name = sqlite3_column_name(statement, i);
        name = name != NULL ? name : "";
        (void)troupe_buffer_append(out, ",", i == 0 ? 0 : 1);
        json_quote_append(out, name, shorten ? short_name(name, &json) : strlen(name));
    }
    (void)troupe_buffer_append(out, "]", 1);
}
