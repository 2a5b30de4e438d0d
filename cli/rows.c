/* SPDX-License-Identifier: MIT */
/* Lists in results: rows chosen by an SQL expression, members chosen by name. */
#include "rows.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 500

json_t *rows_of(json_t *result, const char **name)
{
    const char *key;
    json_t *value;
    json_t *empty = NULL;
    json_object_foreach(result, key, value)
    {
        if (json_is_object(json_array_get(value, 0))) {
            *name = key;
            return value;
        }
        if (empty == NULL && json_is_array(value) && json_array_size(value) == 0 &&
            strcmp(key, "warnings") != 0) {
            *name = key;
            empty = value;
        }
    }
    return empty;
}

/* The table --------------------------------------------------------------------------------- */

json_t *rows_columns(const json_t *rows)
{
    json_t *columns = json_object();
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        const char *key;
        json_t *value;
        json_object_foreach(row, key, value)
        {
            if (json_object_get(columns, key) == NULL && json_object_size(columns) < COLUMNS_MAX) {
                json_object_set_new(columns, key,
                                    json_integer((json_int_t)json_object_size(columns)));
            }
        }
    }
    return columns;
}

static bool make_table(sqlite3 *db, const json_t *columns)
{
    sqlite3_str *sql = sqlite3_str_new(db);
    const char *key;
    json_t *number;
    sqlite3_str_appendall(sql, "CREATE TABLE rows(");
    json_object_foreach((json_t *)(uintptr_t)columns, key, number)
    {
        sqlite3_str_appendf(sql, "%s\"%w\"", json_integer_value(number) > 0 ? "," : "", key);
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    bool made = text != NULL && sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_free(text);
    return made;
}

static void bind_value(sqlite3_stmt *insert, int column, const json_t *value)
{
    if (json_is_string(value)) {
        sqlite3_bind_text(insert, column, json_string_value(value), (int)json_string_length(value),
                          SQLITE_TRANSIENT);
    } else if (json_is_integer(value) || json_is_boolean(value)) {
        sqlite3_bind_int64(insert, column,
                           json_is_integer(value) ? json_integer_value(value)
                                                  : json_is_true(value));
    } else if (json_is_real(value)) {
        sqlite3_bind_double(insert, column, json_real_value(value));
    } else if (json_is_object(value) || json_is_array(value)) {
        char *text = json_dumps(value, JSON_COMPACT);
        sqlite3_bind_text(insert, column, text, -1, SQLITE_TRANSIENT);
        free(text);
    }
}

static bool fill_table(sqlite3 *db, const json_t *rows, const json_t *columns)
{
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_stmt *insert = NULL;
    sqlite3_str_appendall(sql, "INSERT INTO rows VALUES(");
    for (size_t i = 0; i < json_object_size(columns); i++) {
        sqlite3_str_appendall(sql, i > 0 ? ",?" : "?");
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    bool ok = text != NULL && sqlite3_prepare_v2(db, text, -1, &insert, NULL) == SQLITE_OK;
    sqlite3_free(text);
    for (size_t i = 0; ok && i < json_array_size(rows); i++) {
        const char *key;
        json_t *value;
        json_object_foreach(json_array_get(rows, i), key, value)
        {
            const json_t *number = json_object_get(columns, key);
            if (number != NULL) {
                bind_value(insert, (int)json_integer_value(number) + 1, value);
            }
        }
        ok = sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK &&
             sqlite3_clear_bindings(insert) == SQLITE_OK;
    }
    sqlite3_finalize(insert);
    return ok;
}

/* Choosing ---------------------------------------------------------------------------------- */

/* An expression may look at the rows, nothing else. */
static int authorize(void *context, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    (void)context;
    (void)database;
    (void)trigger;
    bool safe =
        action == SQLITE_SELECT || action == SQLITE_RECURSIVE ||
        (action == SQLITE_READ && first != NULL && strcmp(first, "rows") == 0) ||
        (action == SQLITE_FUNCTION && second != NULL && strcmp(second, "load_extension") != 0);
    return safe ? SQLITE_OK : SQLITE_DENY;
}

static troupe_error say_wrong(sqlite3 *db, size_t before, const char *expression,
                              troupe_reason *reason)
{
    int offset = sqlite3_error_offset(db);
    if (offset >= (int)before) {
        return troupe_fail(reason, TROUPE_EPARAMS, "--where: %s (at %d of: %s)", sqlite3_errmsg(db),
                           offset - (int)before + 1, expression);
    }
    return troupe_fail(reason, TROUPE_EPARAMS, "--where: %s (in: %s)", sqlite3_errmsg(db),
                       expression);
}

/* Remove the rows whose number (from 1) does not come out. */
static troupe_error keep_chosen(sqlite3 *db, json_t *rows, const char *expression,
                                troupe_reason *reason)
{
    static const char before[] = "SELECT rowid FROM rows WHERE (";
    sqlite3_stmt *chosen = NULL;
    char *sql = sqlite3_mprintf("%s%s\n) ORDER BY rowid", before, expression);
    const char *rest = "";
    int result = sql != NULL ? sqlite3_prepare_v2(db, sql, -1, &chosen, &rest) : SQLITE_NOMEM;
    if (result == SQLITE_OK && rest[strspn(rest, " \t\n")] != '\0') {
        sqlite3_finalize(chosen);
        sqlite3_free(sql);
        return troupe_fail(reason, TROUPE_EPARAMS, "--where: one expression, no more: %s",
                           expression);
    }
    json_t *kept = json_array();
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(chosen);
        if (result == SQLITE_ROW) {
            json_array_append(kept,
                              json_array_get(rows, (size_t)sqlite3_column_int64(chosen, 0) - 1));
        }
    }
    troupe_error error =
        result == SQLITE_DONE ? TROUPE_OK : say_wrong(db, sizeof before - 1, expression, reason);
    if (error == TROUPE_OK) {
        json_array_clear(rows);
        json_array_extend(rows, kept);
    }
    json_decref(kept);
    sqlite3_finalize(chosen);
    sqlite3_free(sql);
    return error;
}

troupe_error rows_where(json_t *rows, const char *expression, troupe_reason *reason)
{
    sqlite3 *db = NULL;
    json_t *columns = rows_columns(rows);
    if (json_object_size(columns) == 0) {
        json_decref(columns);
        return TROUPE_OK; /* no rows */
    }
    troupe_error error = TROUPE_ENOMEM;
    if (sqlite3_open(":memory:", &db) == SQLITE_OK && make_table(db, columns) &&
        fill_table(db, rows, columns)) {
        sqlite3_set_authorizer(db, authorize, NULL);
        error = keep_chosen(db, rows, expression, reason);
    }
    sqlite3_close(db);
    json_decref(columns);
    return error;
}

/* Members ----------------------------------------------------------------------------------- */

/* "a.b.c" in a row. Borrowed; NULL: not there. */
static json_t *member_at(json_t *row, const char *path)
{
    json_t *whole = json_object_get(row, path);
    while (whole == NULL && *path != '\0' && row != NULL) {
        char name[128];
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        row = json_is_array(row) ? json_array_get(row, strtoul(name, NULL, 10))
                                 : json_object_get(row, name);
        path += len + (path[len] == '.');
        if (*path == '\0') {
            return row;
        }
    }
    return whole;
}

void rows_fields(json_t *rows, const char *fields)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        json_t *made = json_object();
        for (const char *at = fields; *at != '\0';) {
            char path[256];
            size_t len = strcspn(at, ",");
            snprintf(path, sizeof path, "%.*s", (int)len, at);
            json_t *value = member_at(row, path);
            if (path[0] != '\0') {
                json_object_set_new(made, path, value != NULL ? json_incref(value) : json_null());
            }
            at += len + (at[len] == ',');
        }
        json_array_set_new(rows, i, made);
    }
}
