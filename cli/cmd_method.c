/* SPDX-License-Identifier: MIT */
/*
 * Commands that are one RPC method: their words and options are its params, by name and type of the
 * table of methods, and what it answers is printed as it is.
 */
#include "actors/bridge/methods.h"
#include "bytes.h"
#include "command.h"
#include "view.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int print_answer(cli *self, json_t *result)
{
    if (!self->quiet) {
        view_fields(result);
    }
    return CLI_OK;
}

static int print_history(cli *self, json_t *result)
{
    static const view_column columns[] = {{"ID", "id", VIEW_NUMBER},
                                          {"HERE", "here", VIEW_TEXT},
                                          {"TITLE", "title", VIEW_LONG},
                                          {"URL", "url", VIEW_URL}};
    json_t *entries = json_object_get(result, "entries");
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        bool here = json_is_true(json_object_get(entry, "current"));
        json_object_set_new(entry, "here", json_string(here ? "*" : ""));
    }
    view_options options = {.ids_only = self->quiet};
    view_rows(entries, columns, sizeof columns / sizeof columns[0], options);
    return CLI_OK;
}

static int print_injections(cli *self, json_t *result)
{
    static const view_column columns[] = {{"ID", "identifier", VIEW_TEXT},
                                          {"CODE", "code_preview", VIEW_LONG}};
    view_options options = {.ids_only = self->quiet};
    view_rows(json_object_get(result, "injections"), columns, 2, options);
    return CLI_OK;
}

static int print_clients(cli *self, json_t *result)
{
    static const view_column columns[] = {{"NAME", "name", VIEW_TEXT},
                                          {"FROM", "peer", VIEW_TEXT},
                                          {"FOR", "age_ms", VIEW_MS},
                                          {"REQUESTS", "requests", VIEW_NUMBER},
                                          {"EVENTS", "events", VIEW_NUMBER},
                                          {"SHED", "shed", VIEW_NUMBER},
                                          {"WAITING", "queued_bytes", VIEW_BYTES},
                                          {"TOPICS", "topics", VIEW_LONG}};
    view_options options = {.ids_only = self->quiet};
    view_rows(json_object_get(result, "clients"), columns, sizeof columns / sizeof columns[0],
              options);
    return CLI_OK;
}

static int print_inspecting(cli *self, json_t *result)
{
    if (!self->quiet) {
        json_object_set_new(
            result, "selections",
            json_integer((json_int_t)json_object_size(json_object_get(result, "selections"))));
        view_fields(result);
    }
    return CLI_OK;
}

static json_t *selection_rows(json_t *result)
{
    json_t *rows = json_array();
    const char *key;
    json_t *one;
    json_object_foreach(json_object_get(result, "selections"), key, one)
    {
        json_t *text = json_object_get(json_object_get(one, "preview"), "text");
        json_array_append_new(rows, json_pack("{s:s, s:O?, s:O?, s:O?}", "id", key, "target",
                                              json_object_get(one, "target"), "text", text,
                                              "selector", json_object_get(one, "selector")));
    }
    return rows;
}

static int print_selections(cli *self, json_t *result)
{
    static const view_column columns[] = {{"KEY", "id", VIEW_TEXT},
                                          {"TARGET", "target", VIEW_TEXT},
                                          {"TEXT", "text", VIEW_LONG},
                                          {"SELECTOR", "selector", VIEW_LONG}};
    view_options options = {.ids_only = self->quiet};
    view_rows(json_object_get(result, "rows"), columns, sizeof columns / sizeof columns[0],
              options);
    return CLI_OK;
}

static int print_elements(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"N", "index", VIEW_NUMBER},    {"TAG", "tag", VIEW_TEXT},   {"ID", "id", VIEW_TEXT},
        {"SEEN", "visible", VIEW_TEXT}, {"TEXT", "text", VIEW_LONG}, {"HREF", "href", VIEW_URL}};
    json_t *elements = json_object_get(result, "elements");
    size_t i;
    json_t *item;
    json_array_foreach(elements, i, item)
    {
        json_t *attributes = json_object_get(item, "attributes");
        json_t *href = json_object_get(attributes, "href");
        json_object_set(item, "id", json_object_get(attributes, "id"));
        json_object_set(item, "href", href != NULL ? href : json_object_get(attributes, "src"));
    }
    view_options options = {.ids_only = self->quiet};
    view_rows(elements, columns, sizeof columns / sizeof columns[0], options);
    return CLI_OK;
}

static int print_paused(cli *self, json_t *result)
{
    static const view_column columns[] = {{"ID", "id", VIEW_TEXT},
                                          {"STAGE", "stage", VIEW_TEXT},
                                          {"STATUS", "status", VIEW_STATUS},
                                          {"METHOD", "method", VIEW_TEXT},
                                          {"TYPE", "resource_type", VIEW_TEXT},
                                          {"URL", "url", VIEW_URL}};
    view_options options = {.ids_only = self->quiet};
    view_rows(json_object_get(result, "paused"), columns, sizeof columns / sizeof columns[0],
              options);
    return CLI_OK;
}

static int print_entry(cli *self, json_t *result)
{
    (void)self;
    view_fields(json_object_get(result, "entry"));
    return CLI_OK;
}

static json_t *filter_rows(json_t *result)
{
    json_t *rows = json_array();
    const char *name;
    json_t *group;
    json_object_foreach(result, name, group)
    {
        json_t *hide = json_object_get(group, "hide");
        json_array_append_new(rows, json_pack("{s:s, s:O?, s:O?, s:O?}", "name", name, "enabled",
                                              json_object_get(group, "enabled"), "types",
                                              json_object_get(hide, "types"), "urls",
                                              json_object_get(hide, "urls")));
    }
    return rows;
}

static int print_filters(cli *self, json_t *result)
{
    static const view_column columns[] = {{"NAME", "name", VIEW_TEXT},
                                          {"ON", "enabled", VIEW_TEXT},
                                          {"TYPES", "types", VIEW_LONG},
                                          {"URLS", "urls", VIEW_LONG}};
    view_options options = {.ids_only = self->quiet};
    view_rows(json_object_get(result, "rows"), columns, sizeof columns / sizeof columns[0],
              options);
    return CLI_OK;
}

/* To --output, else to standard output; on a terminal to a file named after what it is. */
static int print_picture(cli *self, json_t *result)
{
    char name[40];
    size_t len;
    const json_t *data = json_object_get(result, "data");
    const char *format = json_string_value(json_object_get(result, "format"));
    const char *path = args_string(&self->args, "output");
    unsigned char *bytes = bytes_of(json_string_value(data), json_string_length(data), true, &len);
    if (bytes == NULL || format == NULL) {
        cli_error("%s: the host's answer holds no picture", self->command->name);
        free(bytes);
        return CLI_FAILED;
    }
    if (path == NULL && isatty(STDOUT_FILENO)) {
        snprintf(name, sizeof name, "%s.%.8s", strcmp(format, "pdf") == 0 ? "page" : "screenshot",
                 format);
        path = name;
    }
    int status = bytes_write(path, bytes, len, "picture");
    if (status == CLI_OK && path != NULL && strcmp(path, "-") != 0) {
        cli_notice(self, "%s: %zu bytes", path, len);
    }
    free(bytes);
    return status;
}

/* Which method a command is. */
static const struct method_command {
    const char *command;
    const char *method;
    const char *words; /* params that its words are, in their order */
    int (*print)(cli *self, json_t *result);
} commands[] = {
    {"pair", "pair", "", print_answer},
    {"pressure", "pressure", "", print_answer},
    {"clients", "clients.list", "", print_clients},
    {"clients end", "clients.end", "name", print_answer},
    {"back", "back", "", print_answer},
    {"forward", "forward", "", print_answer},
    {"history", "history", "", print_history},
    {"activate", "activate", "target", print_answer},
    {"screenshot", "screenshot", "", print_picture},
    {"pdf", "pdf", "", print_picture},
    {"click", "click", "selector", print_answer},
    {"hover", "hover", "selector", print_answer},
    {"type", "type", "selector text", print_answer},
    {"press", "press", "key", print_answer},
    {"select", "select", "selector values", print_answer},
    {"scroll", "scroll", "selector", print_answer},
    {"upload", "upload", "selector files", print_answer},
    {"query", "query", "selector", print_elements},
    {"wait", "wait", "selector", print_answer},
    {"filters", "filters.status", "", print_filters},
    {"filters remove", "filters.remove", "name", print_answer},
    {"filters enable", "filters.enable", "name", print_answer},
    {"filters disable", "filters.disable", "name", print_answer},
    {"clear", "clear", "", print_answer},
    {"vacuum", "vacuum", "", print_answer},
    {"entry", "entry", "id fields", print_entry},
    {"fetch paused", "fetch.paused", "", print_paused},
    {"fetch resume", "fetch.resume", "id", print_answer},
    {"fetch fail", "fetch.fail", "id", print_answer},
    {"fetch fulfill", "fetch.fulfill", "id", print_answer},
    {"inspect", "browser.startInspect", "target", print_inspecting},
    {"inspect stop", "browser.stopInspect", "", print_inspecting},
    {"selections", "selections", "", print_selections},
    {"selections clear", "browser.clear", "", print_inspecting},
    {"inject", "inject", "code", print_answer},
    {"inject list", "inject_list", "", print_injections},
    {"inject remove", "inject_remove", "id", print_answer},
    {"bind", "bind", "name", print_answer},
    {"bind remove", "bind_remove", "name", print_answer},
};

/* Those whose results have their rows by name. */
static const struct {
    const char *command;
    json_t *(*rows)(json_t *result);
} by_name[] = {{"filters", filter_rows}, {"selections", selection_rows}};

static const method_param *param_of(const rpc_method *method, const char *name)
{
    for (const method_param *param = method->params; param->name != NULL; param++) {
        size_t i = 0;
        while (name[i] != '\0' && (name[i] == '-' ? '_' : name[i]) == param->name[i]) {
            i++;
        }
        if (name[i] == '\0' && param->name[i] == '\0') {
            return param;
        }
    }
    return NULL;
}

static bool fits(const json_t *value, unsigned types)
{
    return (json_is_integer(value) && (types & (PARAM_INTEGER | PARAM_NUMBER)) != 0) ||
           (json_is_real(value) && (types & PARAM_NUMBER) != 0) ||
           (json_is_boolean(value) && (types & PARAM_BOOLEAN) != 0) ||
           (json_is_array(value) && (types & PARAM_ARRAY) != 0) ||
           (json_is_object(value) && (types & PARAM_OBJECT) != 0);
}

/* Text as what the param takes: JSON where it is no string. */
static json_t *value_of(const method_param *param, const char *text)
{
    json_t *value = param->types != PARAM_STRING
                        ? json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL)
                        : NULL;
    if (value != NULL && fits(value, param->types)) {
        return value;
    }
    json_decref(value);
    return json_string(text); /* the host says what is wrong with it, if something is */
}

/* Given again, an option makes a list where the param takes one. */
static void add_param(json_t *params, const method_param *param, const char *text)
{
    json_t *value = value_of(param, text);
    json_t *before = json_object_get(params, param->name);
    if (before == NULL || (param->types & PARAM_ARRAY) == 0) {
        json_object_set_new(params, param->name, value);
    } else if (json_is_array(before)) {
        json_array_append_new(before, value);
    } else {
        json_object_set_new(params, param->name, json_pack("[O, o]", before, value));
    }
}

/* Words go to the params named, in their order; those that are left over to the last one. */
static void add_words(const cli *self, const rpc_method *method, const char *names, json_t *params)
{
    char name[32] = "";
    for (size_t i = 0; i < self->args.word_count; i++) {
        size_t len = strcspn(names, " ");
        if (len > 0) {
            snprintf(name, sizeof name, "%.*s", (int)len, names);
            names += len + (names[len] == ' ');
        }
        const method_param *param = param_of(method, name);
        if (param != NULL) {
            add_param(params, param, self->args.words[i]);
        }
    }
}

/* Options of all commands, such as --name, are no params. */
static bool is_own(const cli *self, const arg_option *option)
{
    const arg_option *own = self->command->options;
    return own != NULL && option >= own && option < own + self->command->option_count;
}

/* A duration is in milliseconds, and its param says so: --wait is wait_ms. */
static void add_option(const cli *self, const arg_given *given, const rpc_method *method,
                       json_t *params)
{
    char name[64];
    bool duration = given->option->kind == ARG_DURATION;
    snprintf(name, sizeof name, "%s%s", given->option->name, duration ? "_ms" : "");
    const method_param *param = is_own(self, given->option) ? param_of(method, name) : NULL;
    if (param != NULL && duration) {
        param_uint(params, param->name, self, given->option->name);
    } else if (param != NULL) {
        add_param(params, param, given->value);
    }
}

int run_method(cli *self)
{
    const struct method_command *row = commands;
    while (strcmp(row->command, self->command->name) != 0) {
        row++;
    }
    const rpc_method *method = method_find(row->method, strlen(row->method));
    json_t *params = json_object();
    add_words(self, method, row->words, params);
    for (size_t i = 0; i < self->args.given_count; i++) {
        add_option(self, &self->args.given[i], method, params);
    }
    for (size_t i = 0; i < sizeof by_name / sizeof *by_name; i++) {
        if (strcmp(row->command, by_name[i].command) == 0) {
            self->rows = by_name[i].rows;
        }
    }
    return cli_show(self, row->method, params, row->print);
}
