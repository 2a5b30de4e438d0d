/* SPDX-License-Identifier: MIT */
/* Comma-separated values on standard output. */
#include "csv.h"

#include "rows.h"

#include "actors/json_call.h"

#include <stdlib.h>
#include <string.h>

static bool needs_quotes(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(",\"\r\n", text[i]) != NULL) { /* a NUL too */
            return true;
        }
    }
    return len == 0;
}

/* Quoted where needed; empty text too, which is not the same as nothing. */
static void put_text(const char *text, size_t len)
{
    bool quoted = needs_quotes(text, len);
    fputs(quoted ? "\"" : "", stdout);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') {
            fputc('"', stdout);
        }
        fputc(text[i], stdout);
    }
    fputs(quoted ? "\"" : "", stdout);
}

void csv_value(const json_t *value, bool first)
{
    fputs(first ? "" : ",", stdout);
    if (json_is_string(value)) {
        put_text(json_string_value(value), json_string_length(value));
    } else if (value != NULL && !json_is_null(value)) {
        char *text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
        put_text(text != NULL ? text : "", text != NULL ? strlen(text) : 0);
        free(text);
    }
}

void csv_end_line(void)
{
    fputs("\r\n", stdout);
}

static void put_headings(const json_t *columns)
{
    bool first = true;
    const char *name;
    json_t *number;
    json_object_foreach((json_t *)columns, name, number)
    {
        fputs(first ? "" : ",", stdout);
        put_text(name, strlen(name));
        first = false;
    }
    csv_end_line();
}

void csv_rows(const json_t *rows)
{
    size_t i;
    json_t *row;
    json_t *columns = rows_columns(rows);
    if (json_array_size(rows) > 0) {
        put_headings(columns);
    }
    json_array_foreach(rows, i, row)
    {
        bool first = true;
        const char *name;
        json_t *number;
        json_object_foreach(columns, name, number)
        {
            csv_value(json_object_get(row, name), first);
            first = false;
        }
        csv_end_line();
    }
    json_decref(columns);
}
