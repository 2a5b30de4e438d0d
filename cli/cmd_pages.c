/* SPDX-License-Identifier: MIT */
/* Commands about pages. */
#include "command.h"
#include "view.h"

#include <string.h>

static int print_pages(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"TARGET", "target", VIEW_TEXT}, {"STATE", "state", VIEW_STATE},
        {"TYPE", "type", VIEW_TEXT},     {"TITLE", "title", VIEW_LONG},
        {"URL", "url", VIEW_URL},
    };
    const json_t *rows = view_member(result, "pages|targets");
    view_options options = {.ids_only = self->quiet};
    view_rows(rows, columns, sizeof columns / sizeof columns[0], options);
    return CLI_OK;
}

int run_pages(cli *self)
{
    return cli_show(self, "pages", json_object(), print_pages);
}

/* "connected 9222:abc123  Title  http://…" for one answer, or for each of several. */
static int print_connected(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"TARGET", "target", VIEW_TEXT},
        {"STATE", "state", VIEW_STATE},
        {"TITLE", "title", VIEW_LONG},
        {"URL", "url", VIEW_URL},
    };
    const json_t *several = view_member(result, "targets|connected");
    json_t *rows = json_is_array(several) && json_is_object(json_array_get(several, 0))
                       ? json_incref((json_t *)several)
                       : json_pack("[O]", result);
    view_options options = {.ids_only = self->quiet};
    view_rows(rows, columns, sizeof columns / sizeof columns[0], options);
    json_decref(rows);
    return CLI_OK;
}

int run_connect(cli *self)
{
    json_t *params = json_object();
    param_words(params, "target", self, 0);
    return cli_show(self, "connect", params, print_connected);
}

/* A list of ids, one a line. */
static void print_ids(const json_t *list)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        const json_t *id = json_is_object(item) ? json_object_get(item, "target") : item;
        if (json_is_string(id)) {
            printf("%s\n", json_string_value(id));
        }
    }
}

static int print_disconnected(cli *self, json_t *result)
{
    const json_t *list = json_object_get(result, "disconnected");
    if (json_array_size(list) == 0) {
        cli_notice(self, "nothing was connected");
    }
    print_ids(list);
    return CLI_OK;
}

int run_disconnect(cli *self)
{
    json_t *params = json_object();
    param_words(params, "target", self, 0);
    return cli_show(self, "disconnect", params, print_disconnected);
}

static int print_targets(cli *self, json_t *result)
{
    const json_t *tracked = json_object_get(result, "tracked");
    const json_t *rows = json_object_get(result, "targets");
    if (json_is_object(json_array_get(rows, 0))) {
        (void)print_pages(self, result);
    }
    if (json_array_size(tracked) == 0) {
        cli_notice(self, "no target is tracked: commands without --target mean all of them");
    } else {
        cli_notice(self, "tracked:");
        print_ids(tracked);
    }
    return CLI_OK;
}

int run_targets(cli *self)
{
    return cli_show(self, "targets", json_object(), print_targets);
}

int run_targets_set(cli *self)
{
    return cli_show(self, "targets.set", json_pack("{s:o}", "targets", word_list(self)),
                    print_targets);
}

int run_targets_clear(cli *self)
{
    return cli_show(self, "targets.clear", json_object(), print_targets);
}

/* Chrome went there, but not as asked: the page shows an error. */
static int check_navigation(const json_t *result)
{
    const char *error = json_string_value(json_object_get(result, "error"));
    if (error == NULL) {
        return CLI_OK;
    }
    cli_error("%s: %s", json_string_value(json_object_get(result, "url")), error);
    return CLI_FAILED;
}

int run_open(cli *self)
{
    json_t *params = json_object();
    param_string(params, "url", args_word(&self->args, 0));
    param_string(params, "browser", args_string(&self->args, "browser"));
    param_string(params, "context", args_string(&self->args, "context"));
    return cli_show_checked(self, "open", params, print_connected, check_navigation);
}

static int print_done(cli *self, json_t *result)
{
    if (!self->quiet) {
        view_fields(result);
    }
    return CLI_OK;
}

int run_navigate(cli *self)
{
    json_t *params = json_object();
    param_string(params, "url", args_word(&self->args, 0));
    param_string(params, "target", args_string(&self->args, "target"));
    return cli_show_checked(self, "navigate", params, print_done, check_navigation);
}

int run_reload(cli *self)
{
    json_t *params = json_object();
    param_string(params, "target", args_string(&self->args, "target"));
    param_flag(params, "ignore_cache", self, "ignore-cache");
    return cli_show(self, "reload", params, print_done);
}

int run_page(cli *self)
{
    json_t *params = json_object();
    param_string(params, "target", args_string(&self->args, "target"));
    return cli_show(self, "page", params, print_done);
}
