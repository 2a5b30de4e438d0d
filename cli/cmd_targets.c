/* SPDX-License-Identifier: MIT */
/* Commands about watched targets and browser contexts. */
#include "command.h"
#include "view.h"

#include <stdio.h>
#include <string.h>

/* The words are targets, each --url is a pattern. */
static json_t *watch_params(const cli *self)
{
    json_t *params = json_object();
    json_t *urls = json_array();
    param_words(params, "targets", self, 0);
    for (size_t i = 0; i < self->args.given_count; i++) {
        const char *name = self->args.given[i].option->name;
        if ((strcmp(name, "url") == 0 || strcmp(name, "match") == 0) &&
            self->args.given[i].value != NULL) {
            json_array_append_new(urls, json_string_nocheck(self->args.given[i].value));
        }
    }
    if (json_array_size(urls) > 0) {
        json_object_set(params, "urls", urls);
    }
    json_decref(urls);
    return params;
}

static int print_watching(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"TARGET", "target", VIEW_TEXT}, {"STATE", "state", VIEW_STATE},
        {"TYPE", "type", VIEW_TEXT},     {"TITLE", "title", VIEW_LONG},
        {"URL", "url", VIEW_URL},
    };
    const json_t *urls = json_object_get(json_object_get(result, "watching"), "urls");
    view_options options = {.ids_only = self->quiet};
    view_rows(json_object_get(result, "targets"), columns, sizeof columns / sizeof columns[0],
              options);
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)urls, index, item)
    {
        cli_notice(self, "watching addresses with %s", json_string_value(item));
    }
    return CLI_OK;
}

int run_watch(cli *self)
{
    json_t *params = watch_params(self);
    if (json_object_size(params) == 0) {
        json_decref(params);
        cli_error("watch: a TARGET or --url PATTERN is needed");
        return CLI_USAGE;
    }
    return cli_show(self, "watch", params, print_watching);
}

int run_unwatch(cli *self)
{
    return cli_show(self, "unwatch", watch_params(self), print_watching);
}

static int print_contexts(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"CONTEXT", "context", VIEW_TEXT},
        {"BROWSER", "browser", VIEW_TEXT},
        {"PROXY", "proxy", VIEW_TEXT},
        {"PAGES", "pages", VIEW_LONG},
    };
    view_options options = {.ids_only = self->quiet};
    view_rows(json_object_get(result, "contexts"), columns, sizeof columns / sizeof columns[0],
              options);
    return CLI_OK;
}

int run_contexts_list(cli *self)
{
    return cli_show(self, "contexts.list", json_object(), print_contexts);
}

static int print_context(cli *self, json_t *result)
{
    (void)self;
    printf("%s\n", json_string_value(json_object_get(result, "context")));
    return CLI_OK;
}

int run_contexts_create(cli *self)
{
    json_t *params = json_object();
    param_string(params, "browser", args_string(&self->args, "browser"));
    param_string(params, "proxy", args_string(&self->args, "proxy"));
    param_string(params, "name", args_string(&self->args, "as"));
    return cli_show(self, "contexts.create", params, print_context);
}

int run_contexts_dispose(cli *self)
{
    json_t *params = json_object();
    param_string(params, "context", args_word(&self->args, 0));
    return cli_show(self, "contexts.dispose", params, NULL);
}
