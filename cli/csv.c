/* SPDX-License-Identifier: MIT */
/* Comma-separated values on standard output. */
#include "csv.h"

#include "rows.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

/* Quoted where needed. */
static void put_text(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, stdout);
        return;
    }
    fputc('"', stdout);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            fputc('"', stdout);
        }
        fputc(*text, stdout);
    }
    fputc('"', stdout);
}

/* As short as tells it exactly. */
static void put_real(double value)
{
    char text[40];
    int digits = 14;
    do {
        snprintf(text, sizeof text, "%.*g", ++digits, value);
    } while (digits < 17 && strtod(text, NULL) != value);
    fputs(text, stdout);
}

void csv_value(const json_t *value, bool first)
{
    if (json_is_real(value)) {
        fputs(first ? "" : ",", stdout);
        put_real(json_real_value(value));
        return;
    }
    char *text = value != NULL && !json_is_null(value) ? view_dump(value) : NULL;
    fputs(first ? "" : ",", stdout);
    put_text(text != NULL ? text : "");
    free(text);
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
        put_text(name);
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
