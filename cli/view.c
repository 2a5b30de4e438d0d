/* SPDX-License-Identifier: MIT */
/* JSON results as tables and lists of fields. */
#include "view.h"

#include "actors/json_call.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS_MAX 32

char *view_dump(const json_t *value)
{
    if (json_is_string(value)) {
        return strdup(json_string_value(value));
    }
    return json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

const json_t *view_member(const json_t *row, const char *key)
{
    while (*key != '\0') {
        char name[64];
        size_t len = strcspn(key, "|");
        snprintf(name, sizeof name, "%.*s", (int)len, key);
        const json_t *value = json_object_get(row, name);
        if (value != NULL && !json_is_null(value)) {
            return value;
        }
        key += key[len] == '|' ? len + 1 : len;
    }
    return NULL;
}

/* "2026-01-31T12:00:00.123Z" to milliseconds since 1970; false if it is none. */
static bool iso_ms(const char *text, double *out)
{
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL) {
        return false;
    }
    double fraction = *rest == '.' ? strtod(rest, NULL) : 0;
    *out = (double)timegm(&parts) * 1000 + fraction * 1000;
    return true;
}

static bool time_ms(const json_t *value, double *out)
{
    if (json_is_string(value)) {
        return iso_ms(json_string_value(value), out);
    }
    double number = json_number_value(value);
    *out = number > 1e14 ? number / 1000 : number > 1e11 ? number : number * 1000;
    return true;
}

static void time_text(const json_t *value, char *out, size_t size)
{
    double ms;
    if (!time_ms(value, &ms) || ms < 0) {
        snprintf(out, size, "%s", json_is_string(value) ? json_string_value(value) : "");
        return;
    }
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char clock[32];
    localtime_r(&seconds, &parts);
    strftime(clock, sizeof clock, "%H:%M:%S", &parts);
    snprintf(out, size, "%s.%03d", clock, (int)(ms - (double)seconds * 1000) % 1000);
}

void view_text(const json_t *value, view_kind kind, char *out, size_t size)
{
    out[0] = '\0';
    if (value == NULL || json_is_null(value)) {
        return;
    }
    if (kind == VIEW_BYTES && json_is_number(value)) {
        human_bytes(json_number_value(value), out, size);
    } else if (kind == VIEW_MS && json_is_number(value)) {
        human_ms(json_number_value(value), out, size);
    } else if (kind == VIEW_TIME) {
        time_text(value, out, size);
    } else if (kind == VIEW_STATUS && json_integer_value(value) == 0) {
        out[0] = '\0'; /* no answer came */
    } else if (json_is_boolean(value)) {
        snprintf(out, size, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_array(value)) {
        snprintf(out, size, "%zu", json_array_size(value));
    } else if (json_is_real(value)) {
        snprintf(out, size, "%.6g", json_real_value(value));
    } else {
        char *text = view_dump(value);
        snprintf(out, size, "%s", text != NULL ? text : "");
        free(text);
    }
}

typedef struct word_colour {
    const char *word;
    term_colour colour;
} word_colour;

static term_colour colour_of_word(const json_t *value, const word_colour *words)
{
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && words[i].word != NULL; i++) {
        if (strcmp(words[i].word, text) == 0) {
            return words[i].colour;
        }
    }
    return TERM_PLAIN;
}

static term_colour colour_of_status(json_int_t status)
{
    if (status >= 400) {
        return TERM_RED;
    }
    if (status >= 300) {
        return TERM_YELLOW;
    }
    return status >= 200 ? TERM_GREEN : TERM_PLAIN;
}

term_colour view_colour(const json_t *value, view_kind kind)
{
    static const word_colour states[] = {{"connected", TERM_GREEN},
                                         {"up", TERM_GREEN},
                                         {"open", TERM_GREEN},
                                         {"unresponsive", TERM_RED},
                                         {"failed", TERM_RED},
                                         {"crashed", TERM_RED},
                                         {"down", TERM_RED},
                                         {"gone", TERM_DIM},
                                         {"available", TERM_DIM},
                                         {"connecting", TERM_YELLOW},
                                         {"pending", TERM_YELLOW},
                                         {"suspended", TERM_YELLOW},
                                         {"disconnecting", TERM_YELLOW},
                                         {"starting", TERM_YELLOW},
                                         {NULL, TERM_PLAIN}};
    static const word_colour levels[] = {{"error", TERM_RED},     {"assert", TERM_RED},
                                         {"exception", TERM_RED}, {"warning", TERM_YELLOW},
                                         {"warn", TERM_YELLOW},   {"debug", TERM_DIM},
                                         {"verbose", TERM_DIM},   {NULL, TERM_PLAIN}};
    switch (kind) {
    case VIEW_STATUS:
        return colour_of_status(json_integer_value(value));
    case VIEW_STATE:
        return colour_of_word(value, states);
    case VIEW_LEVEL:
        return colour_of_word(value, levels);
    case VIEW_TIME:
        return TERM_DIM;
    default:
        return TERM_PLAIN;
    }
}

static table_column column_of(const view_column *column)
{
    bool right =
        column->kind == VIEW_NUMBER || column->kind == VIEW_BYTES || column->kind == VIEW_MS;
    term_cut cut = column->kind == VIEW_URL    ? TERM_MIDDLE
                   : column->kind == VIEW_LONG ? TERM_END
                                               : TERM_KEEP;
    table_column made = {column->title, right, cut};
    return made;
}

static void add_cell(table *out, const json_t *row, const view_column *column)
{
    const json_t *value = view_member(row, column->key);
    if (json_is_string(value) && column->kind != VIEW_TIME) {
        table_add(out, json_string_value(value), view_colour(value, column->kind));
        return;
    }
    char text[512];
    view_text(value, column->kind, text, sizeof text);
    table_add(out, text, view_colour(value, column->kind));
}

void view_rows(const json_t *rows, const view_column *columns, size_t count, view_options options)
{
    table_column shown[COLUMNS_MAX];
    count = options.ids_only ? 1 : count < COLUMNS_MAX ? count : COLUMNS_MAX;
    for (size_t i = 0; i < count; i++) {
        shown[i] = column_of(&columns[i]);
    }
    table *made = table_create(shown, count);
    size_t row_count = json_array_size(rows);
    for (size_t i = 0; made != NULL && i < row_count; i++) {
        const json_t *row = json_array_get(rows, options.reversed ? row_count - 1 - i : i);
        for (size_t column = 0; column < count; column++) {
            add_cell(made, row, &columns[column]);
        }
    }
    table_style style = {term_width(stdout), term_colours(stdout), !options.ids_only, options.drop};
    if (made != NULL) {
        table_print(made, stdout, &style);
    }
    table_destroy(made);
}

/* Names say what a number is: the units are part of them. */
static view_kind kind_of_name(const char *name, const json_t *value)
{
    size_t len = strlen(name);
    if (!json_is_number(value)) {
        return strcmp(name, "state") == 0 ? VIEW_STATE : VIEW_TEXT;
    }
    if ((len >= 3 && strcmp(name + len - 3, "_ms") == 0) || strcmp(name, "time") == 0) {
        return VIEW_MS;
    }
    bool bytes = (len >= 5 && strcmp(name + len - 5, "bytes") == 0) || strcmp(name, "size") == 0;
    return bytes ? VIEW_BYTES : VIEW_NUMBER;
}

static void add_fields(table *out, const json_t *object, const char *prefix)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        char name[128];
        snprintf(name, sizeof name, "%s%s%s", prefix, *prefix != '\0' ? "." : "", key);
        if (json_is_object(value)) {
            add_fields(out, value, name);
            continue;
        }
        char text[1024];
        view_kind kind = kind_of_name(key, value);
        view_text(value, kind, text, sizeof text);
        if (text[0] != '\0') {
            table_add(out, name, TERM_DIM);
            table_add(out, text, view_colour(value, kind));
        }
    }
}

void view_fields(const json_t *object)
{
    static const table_column columns[] = {{"", false, TERM_KEEP}, {"", false, TERM_KEEP}};
    table *made = table_create(columns, 2);
    if (made != NULL) {
        add_fields(made, object, "");
        table_style style = {0, term_colours(stdout), false, NULL};
        table_print(made, stdout, &style);
    }
    table_destroy(made);
}
