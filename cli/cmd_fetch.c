/* SPDX-License-Identifier: MIT */
/* Commands that set fetch rules and filters. */
#include "command.h"
#include "value.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

static void add_row(json_t *rows, const char *scope, const char *kind, const char *pattern,
                    json_t *answer)
{
    json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:O*}", "target", scope, "rule", kind,
                                          "pattern", pattern, "answer", answer));
}

static void add_scope(json_t *rows, const char *scope, json_t *rules)
{
    static const char *const kinds[] = {"block", "request", "response"};
    const char *pattern;
    json_t *value;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t at;
        json_array_foreach(json_object_get(rules, kinds[i]), at, value)
        {
            add_row(rows, scope,
                    i == 0   ? "block"
                    : i == 1 ? "pause request"
                             : "pause response",
                    json_string_value(value), NULL);
        }
    }
    value = json_object_get(json_object_get(rules, "replay"), "from");
    if (value != NULL) {
        add_row(rows, scope, "replay", "*", value);
    }
    json_object_foreach(json_object_get(rules, "mock"), pattern, value)
    {
        char *text = view_dump(value);
        json_t *answer = text != NULL ? json_string(text) : NULL;
        add_row(rows, scope, "mock", pattern, answer);
        json_decref(answer);
        free(text);
    }
}

/* One rule a line. */
static int print_rules(cli *self, json_t *result)
{
    static const view_column columns[] = {{"TARGET", "target", VIEW_TEXT},
                                          {"RULE", "rule", VIEW_TEXT},
                                          {"PATTERN", "pattern", VIEW_URL},
                                          {"ANSWER", "answer", VIEW_LONG}};
    json_t *rows = json_array();
    const char *scope;
    json_t *rules;
    json_object_foreach(json_object_get(result, "rules"), scope, rules)
    {
        add_scope(rows, scope, rules);
    }
    if (json_is_true(json_object_get(result, "capture"))) {
        add_row(rows, "*", "capture", "*", NULL);
    }
    if (!self->quiet) {
        view_rows(rows, columns, sizeof columns / sizeof columns[0], (view_options){0});
    }
    json_decref(rows);
    return CLI_OK;
}

int run_fetch(cli *self)
{
    return cli_show(self, "fetch.rules", json_object(), print_rules);
}

int run_fetch_disable(cli *self)
{
    json_t *params = json_object();
    param_string(params, "target", args_string(&self->args, "target"));
    return cli_show(self, "fetch.disable", params, print_rules);
}

/* Of --target, else of all. */
static json_t *scope(const cli *self)
{
    const char *target = args_string(&self->args, "target");
    return json_pack("{s:s}", "target", target != NULL ? target : "*");
}

/* All that were given of an option that may be given again. */
static json_t *given_list(const cli *self, const char *name)
{
    json_t *list = json_array();
    for (size_t i = 0; i < self->args.given_count; i++) {
        if (strcmp(self->args.given[i].option->name, name) == 0) {
            json_array_append_new(list, json_string_nocheck(self->args.given[i].value));
        }
    }
    return list;
}

int run_filters_add(cli *self)
{
    return cli_show(self, "filters.add",
                    json_pack("{s:s, s:{s:o, s:o}}", "name", args_word(&self->args, 0), "hide",
                              "types", given_list(self, "type"), "urls", given_list(self, "match")),
                    NULL);
}

int run_fetch_block(cli *self)
{
    json_t *params = scope(self);
    json_object_set_new(params, "block", word_list(self));
    return cli_show(self, "fetch", params, print_rules);
}

/* The body is text; --status and --type make an object of it. */
int run_fetch_mock(cli *self)
{
    json_t *params = scope(self);
    json_t *answer = json_object();
    const char *type = args_string(&self->args, "type");
    param_string(answer, "body", args_word(&self->args, 1));
    param_uint(answer, "status", self, "status");
    if (type != NULL) {
        json_object_set_new(answer, "headers", json_pack("{s:s}", "content-type", type));
    }
    json_object_set_new(params, "mock", json_pack("{s:o}", args_word(&self->args, 0), answer));
    return cli_show(self, "fetch", params, print_rules);
}

int run_fetch_capture(cli *self)
{
    bool off = args_flag(&self->args, "off");
    return cli_show(self, "fetch", json_pack("{s:b}", "capture", !off), print_rules);
}

int run_fetch_pause(cli *self)
{
    json_t *params = scope(self);
    bool response = args_flag(&self->args, "response");
    json_object_set_new(params, response ? "response" : "request", json_true());
    if (self->args.word_count > 0) {
        json_object_set_new(params, "urls", word_list(self));
    }
    param_uint(params, "pause_timeout_ms", self, "for");
    return cli_show(self, "fetch.enable", params, print_rules);
}
