/* SPDX-License-Identifier: MIT */
/* Commands that list what was recorded. */
#include "command.h"
#include "csv.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

/* A list that the host gives newest first is read newest last. */
static void print_oldest_first(const cli *self, const json_t *rows, const view_column *columns,
                               size_t count, const char *drop)
{
    view_options options = {.reversed = true, .ids_only = self->quiet, .drop = drop};
    view_rows(rows, columns, count, options);
}

static int print_network(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"ID", "id", VIEW_NUMBER},         {"TIME", "started_datetime", VIEW_TIME},
        {"TARGET", "target", VIEW_TEXT},   {"METHOD", "method", VIEW_TEXT},
        {"STATUS", "status", VIEW_STATUS}, {"TYPE", "type", VIEW_TEXT},
        {"SIZE", "size", VIEW_BYTES},      {"TOOK", "time_ms", VIEW_MS},
        {"STATE", "state", VIEW_STATE},    {"URL", "url", VIEW_URL},
    };
    print_oldest_first(self, json_object_get(result, "requests"), columns,
                       sizeof columns / sizeof columns[0], "TIME|TYPE|TARGET|STATE");
    return CLI_OK;
}

int run_network(cli *self)
{
    const cli_args *args = &self->args;
    json_t *params = json_object();
    param_uint(params, "limit", self, "limit");
    param_uint(params, "status", self, "status");
    param_string(params, "method", args_string(args, "method"));
    param_string(params, "resource_type", args_string(args, "type"));
    const arg_set own = {"", self->command->options, self->command->option_count};
    const char *pattern = args_string_in(args, &own, "url");
    param_string(params, "url", pattern != NULL ? pattern : args_string(args, "match"));
    param_string(params, "state", args_string(args, "state"));
    param_string(params, "search", args_string(args, "search"));
    param_string(params, "text", args_string(args, "text"));
    param_string(params, "target", args_string(args, "target"));
    param_flag(params, "show_all", self, "all");
    if (args_flag(args, "follow")) {
        return follow_rows(self, "network", params);
    }
    param_uint(params, "wait", self, "wait");
    return cli_show(self, "network", params, print_network);
}

static int print_console(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"ID", "id", VIEW_NUMBER},       {"TIME", "timestamp", VIEW_TIME},
        {"TARGET", "target", VIEW_TEXT}, {"LEVEL", "level", VIEW_LEVEL},
        {"SOURCE", "source", VIEW_TEXT}, {"MESSAGE", "message", VIEW_LONG},
        {"URL", "url", VIEW_URL},        {"LINE", "line", VIEW_NUMBER},
    };
    print_oldest_first(self, json_object_get(result, "messages"), columns,
                       sizeof columns / sizeof columns[0], "LINE|URL|SOURCE");
    return CLI_OK;
}

int run_console(cli *self)
{
    json_t *params = json_object();
    param_uint(params, "limit", self, "limit");
    param_string(params, "level", args_string(&self->args, "level"));
    param_string(params, "target", args_string(&self->args, "target"));
    if (args_flag(&self->args, "follow")) {
        return follow_rows(self, "console", params);
    }
    return cli_show(self, "console", params, print_console);
}

/* SQL --------------------------------------------------------------------------------------------
 */

#define SQL_COLUMNS_MAX 64

/* A cell of row: rows are lists in the order of the columns, or objects. */
static const json_t *sql_cell(const json_t *row, size_t column, const char *name)
{
    return json_is_array(row) ? json_array_get(row, column) : json_object_get(row, name);
}

static bool all_numbers(const json_t *rows, size_t column, const char *name)
{
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)rows, index, row)
    {
        const json_t *cell = sql_cell(row, column, name);
        if (cell != NULL && !json_is_null(cell) && !json_is_number(cell)) {
            return false;
        }
    }
    return json_array_size(rows) > 0;
}

static void add_sql_cell(table *out, const json_t *cell)
{
    if (cell == NULL || json_is_null(cell)) {
        table_add(out, "NULL", TERM_DIM);
        return;
    }
    char *text = json_is_real(cell) ? NULL : view_dump(cell);
    char number[40];
    snprintf(number, sizeof number, "%.12g", json_number_value(cell));
    table_add(out, json_is_real(cell) ? number : text != NULL ? text : "", TERM_PLAIN);
    free(text);
}

static int print_sql_table(cli *self, json_t *result)
{
    const json_t *columns = json_object_get(result, "columns");
    const json_t *rows = json_object_get(result, "rows");
    size_t count = json_array_size(columns);
    table_column shown[SQL_COLUMNS_MAX];
    count = count < SQL_COLUMNS_MAX ? count : SQL_COLUMNS_MAX;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(columns, i));
        shown[i].title = name != NULL ? name : "";
        shown[i].right = all_numbers(rows, i, shown[i].title);
        shown[i].cut = shown[i].right ? TERM_KEEP : TERM_MIDDLE;
    }
    table *made = count > 0 ? table_create(shown, count) : NULL;
    for (size_t i = 0; made != NULL && i < json_array_size(rows); i++) {
        for (size_t column = 0; column < count; column++) {
            add_sql_cell(made, sql_cell(json_array_get(rows, i), column, shown[column].title));
        }
    }
    table_style style = {term_width(stdout), term_colours(stdout), !self->quiet, NULL};
    if (made != NULL) {
        table_print(made, stdout, &style);
    }
    table_destroy(made);
    return CLI_OK;
}

static void print_sql_csv(const json_t *result)
{
    const json_t *columns = json_object_get(result, "columns");
    const json_t *rows = json_object_get(result, "rows");
    size_t count = json_array_size(columns);
    for (size_t row = 0; row <= json_array_size(rows); row++) {
        for (size_t i = 0; i < count; i++) {
            const json_t *name = json_array_get(columns, i);
            csv_value(row == 0
                          ? name
                          : sql_cell(json_array_get(rows, row - 1), i, json_string_value(name)),
                      i == 0);
        }
        csv_end_line();
    }
}

static int print_sql(cli *self, json_t *result)
{
    int status = CLI_OK;
    if (self->csv) {
        print_sql_csv(result);
    } else {
        status = print_sql_table(self, result);
    }
    if (json_is_true(json_object_get(result, "truncated"))) {
        cli_notice(self, "there are more rows: --limit N shows more");
    }
    return status;
}

int run_sql(cli *self)
{
    json_t *params = json_object();
    param_string(params, "sql", args_word(&self->args, 0));
    if (self->args.word_count > 1) {
        json_t *values = json_array();
        for (size_t i = 1; i < self->args.word_count; i++) {
            json_array_append_new(values, json_string_nocheck(self->args.words[i]));
        }
        json_object_set_new(params, "params", values);
    }
    param_uint(params, "limit", self, "limit");
    return cli_show(self, "query.sql", params, print_sql);
}
