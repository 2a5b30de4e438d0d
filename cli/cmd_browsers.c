/* SPDX-License-Identifier: MIT */
/* Commands about browsers and ports. */
#include "command.h"
#include "value.h"
#include "view.h"

#include <string.h>

static const view_column browser_columns[] = {
    {"BROWSER", "browser", VIEW_TEXT},   {"STATE", "state", VIEW_STATE},
    {"ORIGIN", "origin", VIEW_TEXT},     {"PID", "pid", VIEW_NUMBER},
    {"TARGETS", "targets", VIEW_NUMBER}, {"PRODUCT", "product", VIEW_LONG},
    {"ENDPOINT", "endpoint", VIEW_URL},
};

static int print_browsers(cli *self, json_t *result)
{
    const json_t *list = json_object_get(result, "browsers");
    json_t *rows = json_is_array(list) ? json_incref((json_t *)list) : json_pack("[O]", result);
    view_options options = {.ids_only = self->quiet};
    view_rows(rows, browser_columns, sizeof browser_columns / sizeof browser_columns[0], options);
    json_decref(rows);
    return CLI_OK;
}

int run_browsers(cli *self)
{
    return cli_show(self, "browsers.list", json_object(), print_browsers);
}

int run_launch(cli *self)
{
    json_t *params = json_object();
    param_flag(params, "headed", self, "headed");
    param_uint(params, "count", self, "count");
    param_string(params, "profile", args_string(&self->args, "profile"));
    param_string(params, "name", args_string(&self->args, "as"));
    if (args_flag(&self->args, "port") && args_flag(&self->args, "pipe")) {
        cli_error("launch: --pipe and --port exclude each other");
        json_decref(params);
        return CLI_USAGE;
    }
    param_flag(params, "port", self, "port");
    return cli_show(self, "browsers.launch", params, print_browsers);
}

static int print_closed(cli *self, json_t *result)
{
    if (!self->quiet) {
        view_fields(result);
    }
    return CLI_OK;
}

/* Target ids have a colon, browser ids have none. */
int run_close(cli *self)
{
    const char *id = args_word(&self->args, 0);
    bool is_target = strchr(id, ':') != NULL;
    json_t *params = json_object();
    param_string(params, is_target ? "target" : "browser", id);
    return cli_show(self, is_target ? "close" : "browsers.close", params, print_closed);
}

static int check_reachable(const json_t *result)
{
    const char *status = json_string_value(json_object_get(result, "status"));
    return status != NULL && strcmp(status, "unreachable") == 0 ? CLI_FAILED : CLI_OK;
}

/* A port, as a number; anything else (an URL) as it is. */
static int ports_call(cli *self, const char *method)
{
    uint64_t port;
    const char *word = args_word(&self->args, 0);
    json_t *params = json_object();
    if (value_uint(word, &port)) {
        if (port < 1 || port > UINT16_MAX) {
            cli_error("%s: '%s' is not a port (1 to 65535)", self->command->name, word);
            json_decref(params);
            return CLI_USAGE;
        }
        json_object_set_new(params, "port", json_integer((json_int_t)port));
    } else {
        param_string(params, "port", word);
    }
    param_string(params, "as", args_string(&self->args, "as"));
    return cli_show_checked(self, method, params, print_closed, check_reachable);
}

int run_ports_add(cli *self)
{
    return ports_call(self, "ports.add");
}

int run_ports_remove(cli *self)
{
    return ports_call(self, "ports.remove");
}

static int print_ports(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"PORT", "port", VIEW_NUMBER},
        {"STATUS", "status|state", VIEW_STATE},
        {"BROWSER", "browser", VIEW_TEXT},
        {"TARGETS", "target_count|targets", VIEW_NUMBER},
        {"CONNECTED", "connected_count|connected|watched_count", VIEW_NUMBER},
        {"PRODUCT", "product", VIEW_LONG},
        {"REASON", "warning|reason", VIEW_LONG},
    };
    const json_t *rows = json_is_array(result) ? result : json_object_get(result, "ports");
    view_options options = {.ids_only = self->quiet};
    view_rows(rows, columns, sizeof columns / sizeof columns[0], options);
    return CLI_OK;
}

int run_ports_list(cli *self)
{
    return cli_show(self, "ports.list", json_object(), print_ports);
}
