/* SPDX-License-Identifier: MIT */
/* Commands about browsers and ports. */
#include "command.h"
#include "live.h"
#include "value.h"
#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAUNCH_COUNT_MOST 64 /* more is the host's to refuse */
#define LAUNCH_WAIT_MS    60000
#define LAUNCH_EACH_MS    5000

static const view_column browser_columns[] = {
    {"BROWSER", "browser", VIEW_TEXT},     {"STATE", "state", VIEW_STATE},
    {"ORIGIN", "origin", VIEW_TEXT},       {"PID", "pid", VIEW_NUMBER},
    {"TARGETS", "targets", VIEW_NUMBER},   {"UP", "uptime_ms", VIEW_MS},
    {"RESTARTS", "restarts", VIEW_NUMBER}, {"PRODUCT", "product", VIEW_LONG},
    {"ENDPOINT", "endpoint", VIEW_URL},    {"REASON", "reason", VIEW_LONG},
};
static const view_column memory_columns[] = {
    {"BROWSER", "browser", VIEW_TEXT},
    {"STATE", "state", VIEW_STATE},
    {"PID", "pid", VIEW_NUMBER},
    {"PROCESSES", "processes", VIEW_NUMBER},
    {"MEMORY", "memory_bytes", VIEW_BYTES},
    {"UP", "uptime_ms", VIEW_MS},
    {"EXECUTABLE", "executable", VIEW_URL},
    {"PROFILE", "profile", VIEW_URL},
};

static int print_browsers(cli *self, json_t *result)
{
    const json_t *list = json_object_get(result, "browsers");
    json_t *rows = json_is_array(list) ? json_incref((json_t *)list) : json_pack("[O]", result);
    view_options options = {.ids_only = self->quiet};
    bool memory = self->command->run == run_browsers && args_flag(&self->args, "memory");
    if (memory) {
        view_rows(rows, memory_columns, sizeof memory_columns / sizeof *memory_columns, options);
    } else {
        view_rows(rows, browser_columns, sizeof browser_columns / sizeof *browser_columns, options);
    }
    json_decref(rows);
    return CLI_OK;
}

static int print_logs(cli *self, json_t *result)
{
    (void)self;
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(result, "logs"), index, row)
    {
        const char *text = json_string_value(json_object_get(row, "output"));
        printf("%s%s %s%s%s\n", index > 0 ? "\n" : "",
               json_string_value(json_object_get(row, "browser")),
               json_is_true(json_object_get(row, "running")) ? "(runs)" : "(ended): ",
               json_is_true(json_object_get(row, "running"))
                   ? ""
                   : json_string_value(json_object_get(row, "reason")),
               text != NULL && *text != '\0' ? "" : ", printed nothing");
        if (text != NULL) {
            cli_print_text(text, strlen(text));
        }
    }
    return CLI_OK;
}

/* Only the one that was named. */
static json_t *only(json_t *result, const char *id)
{
    json_t *kept = json_array();
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(result, "browsers"), index, row)
    {
        const char *browser = json_string_value(json_object_get(row, "browser"));
        if (browser != NULL && strcmp(browser, id) == 0) {
            json_array_append(kept, row);
        }
    }
    return json_pack("{s:o}", "browsers", kept);
}

static int show_one(cli *self, json_t *params, const char *id)
{
    json_t *result = NULL;
    int status = cli_call(self, "browsers.list", params, &result);
    if (status != CLI_OK) {
        return status;
    }
    json_t *found = only(result, id);
    json_decref(result);
    if (json_array_size(json_object_get(found, "browsers")) == 0) {
        cli_error("browsers: no browser %s", id);
        status = CLI_FAILED;
    } else if (self->json) {
        cli_print_json(found);
    } else {
        status = print_browsers(self, found);
    }
    json_decref(found);
    return status;
}

int run_browsers(cli *self)
{
    const char *id = args_word(&self->args, 0);
    json_t *params = json_object();
    if (args_flag(&self->args, "log")) {
        param_string(params, "browser", id);
        return cli_show(self, "browsers.log", params, print_logs);
    }
    param_flag(params, "memory", self, "memory");
    return id != NULL ? show_one(self, params, id)
                      : cli_show(self, "browsers.list", params, print_browsers);
}

/* A path, made absolute: the host stands elsewhere. Names without a slash stay as they are. */
static void param_path(json_t *params, const char *key, const char *value)
{
    char here[4096];
    if (value == NULL || value[0] == '/' || strchr(value, '/') == NULL ||
        getcwd(here, sizeof here) == NULL) {
        param_string(params, key, value);
        return;
    }
    const char *rest = strncmp(value, "./", 2) == 0 ? value + 2 : value;
    json_object_set_new(params, key, json_sprintf("%s/%s", here, rest));
}

/* --env and --extension, as often as they were given; the words behind --. */
static void launch_lists(cli *self, json_t *params)
{
    json_t *env = json_object();
    json_t *extensions = json_array();
    json_t *args = json_array();
    for (size_t i = 0; i < self->args.given_count; i++) {
        const char *option = self->args.given[i].option->name;
        const char *value = self->args.given[i].value;
        if (strcmp(option, "env") == 0) {
            size_t len = strcspn(value, "=");
            char *name = strndup(value, len);
            json_object_set_new(env, name != NULL ? name : "",
                                value[len] == '=' ? json_string(value + len + 1) : json_null());
            free(name);
        } else if (strcmp(option, "extension") == 0) {
            char *path = realpath(value, NULL);
            json_array_append_new(extensions, json_string(path != NULL ? path : value));
            free(path);
        }
    }
    for (const char *word; (word = args_word(&self->args, json_array_size(args))) != NULL;) {
        json_array_append_new(args, json_string(word));
    }
    json_t *lists[] = {env, extensions, args};
    static const char *const keys[] = {"env", "extensions", "args"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (json_object_size(lists[i]) + json_array_size(lists[i]) > 0) {
            json_object_set(params, keys[i], lists[i]);
        }
        json_decref(lists[i]);
    }
}

/* Some did not start: the exit status tells, and a line for each. */
static int check_launched(const json_t *result)
{
    const json_t *failed = json_object_get(result, "failed");
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)failed, index, row)
    {
        cli_error("browser %s did not start: %s",
                  json_string_value(json_object_get(row, "browser")),
                  json_string_value(json_object_get(row, "reason")));
    }
    return json_array_size(failed) > 0 ? CLI_FAILED : CLI_OK;
}

static void launch_port(cli *self, json_t *params)
{
    uint64_t number;
    const char *port = args_string(&self->args, "port");
    if (port != NULL) {
        json_object_set_new(params, "port",
                            value_uint(port, &number) ? json_integer((json_int_t)number)
                                                      : json_true());
    }
}

/* Several start a few at a time: the more there are, the longer the last may take. */
static int allow_time(cli *self, json_t *params)
{
    uint32_t count = args_uint(&self->args, "count", 1);
    int status = cli_connect(self);
    if (status == CLI_OK && args_string(&self->args, "timeout") == NULL &&
        count <= LAUNCH_COUNT_MOST) {
        uint32_t wait_ms = LAUNCH_WAIT_MS + count * LAUNCH_EACH_MS;
        json_object_set_new(params, "timeout_ms", json_integer(wait_ms));
        self->client.timeout_ms = wait_ms + 5000;
    }
    return status;
}

/* Launching many, on a terminal: how many are up, while they start. */
typedef struct launching {
    json_t *params;
    uint32_t count;
    uint32_t up;
    json_t *result;
} launching;

#define BAR_WIDTH 30

static void show_progress(const launching *state)
{
    uint32_t filled = state->count > 0 ? state->up * BAR_WIDTH / state->count : 0;
    fprintf(stderr, "\r%.*s%.*s %u of %u up", (int)filled, "##############################",
            (int)(BAR_WIDTH - filled), "..............................", state->up, state->count);
    fflush(stderr);
}

static void on_browser(live *self, const char *topic, const json_t *data)
{
    launching *state = self->context;
    const char *how = json_string_value(json_object_get(data, "state"));
    if (strcmp(topic, "browser") == 0 && how != NULL && strcmp(how, "up") == 0 &&
        state->up < state->count) {
        state->up++;
        show_progress(state);
    }
}

static void on_launched(live *self, const json_t *result, const json_t *error)
{
    launching *state = self->context;
    if (error == NULL) {
        /* The answer may come before the last event does. */
        state->up = (uint32_t)json_array_size(json_object_get(result, "browsers"));
        show_progress(state);
    }
    fputs("\r\033[K", stderr);
    state->result = json_incref((json_t *)(uintptr_t)result);
    live_end(self, error != NULL ? live_fault("browsers.launch", error) : CLI_OK);
}

static void on_watched(live *self, const json_t *result, const json_t *error)
{
    launching *state = self->context;
    (void)result;
    (void)error; /* then it is launched without being watched */
    show_progress(state);
    live_call(self, "browsers.launch", json_incref(state->params), on_launched);
}

static void begin_launching(live *self)
{
    live_call(self, "events.subscribe", json_pack("{s:[s]}", "topics", "browser"), on_watched);
}

static int launch_with_progress(cli *self, json_t *params, uint32_t count)
{
    launching state = {.params = params, .count = count};
    live watching = {.cli = self, .on_event = on_browser, .context = &state};
    int status = live_run(&watching, begin_launching, 0);
    json_decref(params);
    if (status != CLI_OK || state.result == NULL) {
        json_decref(state.result);
        return status != CLI_OK ? status : CLI_FAILED;
    }
    return cli_present(self, state.result, print_browsers, check_launched);
}

int run_launch(cli *self)
{
    if (args_string(&self->args, "port") != NULL && args_flag(&self->args, "pipe")) {
        cli_error("launch: --pipe and --port exclude each other");
        return CLI_USAGE;
    }
    json_t *params = json_object();
    param_flag(params, "headed", self, "headed");
    param_flag(params, "full", self, "full");
    param_uint(params, "count", self, "count");
    param_path(params, "profile", args_string(&self->args, "profile"));
    param_path(params, "executable", args_string(&self->args, "executable"));
    param_string(params, "name", args_string(&self->args, "as"));
    param_string(params, "window_size", args_string(&self->args, "window-size"));
    param_string(params, "proxy", args_string(&self->args, "proxy"));
    param_string(params, "proxy_bypass", args_string(&self->args, "proxy-bypass"));
    param_string(params, "user_agent", args_string(&self->args, "user-agent"));
    param_string(params, "memory_limit", args_string(&self->args, "memory-limit"));
    param_uint(params, "nice", self, "nice");
    param_uint(params, "start_timeout_ms", self, "start-timeout");
    launch_port(self, params);
    launch_lists(self, params);
    int status = allow_time(self, params);
    if (status != CLI_OK) {
        json_decref(params);
        return status;
    }
    uint32_t count = args_uint(&self->args, "count", 1);
    if (count > 1 && !self->quiet && isatty(STDERR_FILENO)) {
        return launch_with_progress(self, params, count);
    }
    return cli_show_checked(self, "browsers.launch", params, print_browsers, check_launched);
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
    if (!is_target) {
        param_flag(params, "force", self, "force");
    }
    return cli_show(self, is_target ? "close" : "browsers.close", params, print_closed);
}

static int check_reachable(const json_t *result)
{
    const char *status = json_string_value(json_object_get(result, "status"));
    return status != NULL && strcmp(status, "registered") != 0 ? CLI_FAILED : CLI_OK;
}

/* A file of ours, by a path that the host understands too: it has another working directory. */
static bool param_file(cli *self, json_t *params, const char *key, const char *option)
{
    const char *given = args_string_in(&self->args, &self->args.own, option);
    if (given == NULL) {
        return true;
    }
    char *path = realpath(given, NULL);
    if (path == NULL) {
        cli_error("%s: --%s %s: %s", self->command->name, option, given, strerror(errno));
        return false;
    }
    param_string(params, key, path);
    free(path);
    return true;
}

/* Each --header 'Name: value'; the host judges the rest. */
static bool param_headers(cli *self, json_t *params)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < self->args.given_count; i++) {
        const arg_given *given = &self->args.given[i];
        if (strcmp(given->option->name, "header") != 0) {
            continue;
        }
        const char *colon = strchr(given->value, ':');
        if (colon == NULL || colon == given->value) {
            cli_error("%s: --header must be 'NAME: VALUE'", self->command->name);
            json_decref(headers);
            return false;
        }
        json_t *value = json_string(colon + 1 + strspn(colon + 1, " \t"));
        (void)json_object_setn_new(headers, given->value, (size_t)(colon - given->value), value);
    }
    if (json_object_size(headers) > 0) {
        json_object_set(params, "headers", headers);
    }
    json_decref(headers);
    return true;
}

static bool attach_params(cli *self, json_t *params)
{
    param_string(params, "as", args_string(&self->args, "as"));
    param_string(params, "proxy", args_string_in(&self->args, &self->args.own, "proxy"));
    return param_file(self, params, "token_file", "token-file") &&
           param_file(self, params, "ca_file", "ca-file") &&
           param_file(self, params, "cert_file", "cert-file") &&
           param_file(self, params, "key_file", "key-file") && param_headers(self, params);
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
    if (!attach_params(self, params)) {
        json_decref(params);
        return CLI_USAGE;
    }
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
        {"PORT", "port", VIEW_NUMBER},      {"STATUS", "status", VIEW_STATE},
        {"BROWSER", "browser", VIEW_TEXT},  {"TARGETS", "target_count", VIEW_NUMBER},
        {"ENDPOINT", "endpoint", VIEW_URL}, {"ATTEMPTS", "attempts", VIEW_NUMBER},
        {"REASON", "reason", VIEW_LONG},
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
