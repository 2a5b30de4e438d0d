/* SPDX-License-Identifier: MIT */
/* Commands about the host itself. */
#include "command.h"
#include "troupe/version.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 30000u
#define DRAIN_MS        60000u

static int print_status(cli *self, json_t *result)
{
    if (self->quiet) {
        return CLI_OK;
    }
    if (self->client.url[0] != '\0') {
        json_object_set_new(result, "url", json_string(self->client.url));
    }
    view_fields(result);
    return CLI_OK;
}

int run_status(cli *self)
{
    return cli_show(self, "status", json_object(), print_status);
}

/* Its descriptor becomes readable when a process ends. */
bool cli_await_end(pid_t pid, uint32_t more_ms)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        return errno == ESRCH;
    }
    struct pollfd polled = {fd, POLLIN, 0};
    int ready = poll(&polled, 1, (int)(STOP_TIMEOUT_MS + more_ms));
    close(fd);
    return ready > 0;
}

int run_stop(cli *self)
{
    json_t *result;
    json_t *params = json_object();
    uint32_t within_ms = 0;
    if (args_flag(&self->args, "drain")) {
        within_ms = args_uint(&self->args, "within", DRAIN_MS);
        json_object_set_new(params, "drain", json_true());
        json_object_set_new(params, "deadline_ms", json_integer(within_ms));
    }
    int status = cli_call(self, "stop", params, &result);
    if (status != CLI_OK) {
        return status;
    }
    pid_t pid = self->client.state.pid;
    if (pid > 0 && !cli_await_end(pid, within_ms)) {
        cli_error("stop: the host (pid %ld) is still ending after %u s", (long)pid,
                  (within_ms + STOP_TIMEOUT_MS) / 1000);
        status = CLI_FAILED;
    } else if (self->json) {
        cli_print_json(result);
    } else if (!self->quiet) {
        printf("stopped\n");
    }
    json_decref(result);
    return status;
}

static int print_drain(cli *self, json_t *result)
{
    if (!self->quiet) {
        view_fields(result);
    }
    return CLI_OK;
}

int run_drain(cli *self)
{
    bool off = args_flag(&self->args, "off");
    return cli_show(self, "drain", json_pack("{s:b}", "on", (int)!off), print_drain);
}

/* Detached from the terminal; whether it works is seen on the desktop. */
static void open_on_desktop(const char *url)
{
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    char *argv[] = {(char *)(uintptr_t) "xdg-open", (char *)(uintptr_t)url, NULL};
    (void)!posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
}

static int print_link(cli *self, json_t *result)
{
    char url[400];
    const char *path = json_string_value(json_object_get(result, "path"));
    bool desktop = getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL;
    snprintf(url, sizeof url, "%s%s", self->client.url, path != NULL ? path : "");
    printf("%s\n", url);
    if (desktop && !args_flag(&self->args, "print")) {
        open_on_desktop(url);
    }
    return CLI_OK;
}

int run_dashboard(cli *self)
{
    return cli_show(self, "dashboard.link", json_object(), print_link);
}

static int print_config(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"SECTION", "section", VIEW_TEXT},
        {"KEY", "key", VIEW_TEXT},
        {"VALUE", "text|unset", VIEW_LONG},
        {"SOURCE", "source", VIEW_URL},
    };
    /* What holds when nothing is set is said in words. */
    size_t index;
    json_t *row;
    json_t *rows = json_object_get(result, "settings");
    json_array_foreach(rows, index, row)
    {
        const char *text = json_string_value(json_object_get(row, "text"));
        if (text != NULL && *text == '\0') {
            json_object_set_new(row, "text", json_null());
        }
    }
    view_options options = {0};
    if (!self->quiet) {
        view_rows(rows, columns, sizeof columns / sizeof columns[0], options);
    }
    return CLI_OK;
}

/* The running host knows what it was started with; without one, this is what `serve` would use. */
int run_config(cli *self)
{
    troupe_reason reason;
    const troupe_host_options *options = &self->config.settings.host;
    host_state state;
    bool remote = args_string(&self->args, "url") != NULL;
    bool local = state_find(options->state_dir, options->name, &state, &reason) == TROUPE_OK;
    if ((remote || local) && !args_flag(&self->args, "local")) {
        return cli_show(self, "config", json_object(), print_config);
    }
    json_t *resolved = config_json(&self->config);
    int status = CLI_OK;
    if (self->json) {
        cli_print_json(resolved);
    } else {
        status = print_config(self, resolved);
    }
    json_decref(resolved);
    return status;
}

/* Actors -----------------------------------------------------------------------------------------
 */

static int print_actors(cli *self, json_t *result)
{
    static const view_column columns[] = {
        {"NAME", "name", VIEW_TEXT},
        {"KIND", "kind", VIEW_TEXT},
        {"DEPTH", "depth", VIEW_NUMBER},
        {"PEAK", "depth_peak", VIEW_NUMBER},
        {"RECEIVED", "received", VIEW_NUMBER},
        {"SENT", "sent", VIEW_NUMBER},
        {"BYTES IN", "bytes_received", VIEW_BYTES},
        {"BYTES OUT", "bytes_sent", VIEW_BYTES},
        {"BUSY", "busy", VIEW_NUMBER},
        {"LONGEST", "longest_ms", VIEW_MS},
        {"RESTARTS", "restarts", VIEW_NUMBER},
        {"IN HAND", "verb", VIEW_TEXT},
        {"FOR", "verb_ms", VIEW_MS},
        {"AGE", "age_ms", VIEW_MS},
        {"THREAD", "thread|thread_id", VIEW_NUMBER},
    };
    view_options options = {.ids_only = self->quiet,
                            .drop = "THREAD|KIND|BUSY|BYTES OUT|BYTES IN|AGE|SENT|RESTARTS"};
    view_rows(json_object_get(result, "actors"), columns, sizeof columns / sizeof columns[0],
              options);
    return CLI_OK;
}

/* Until interrupted: the table again each second, in place on a terminal. */
static int watch_actors(cli *self)
{
    for (;;) {
        if (isatty(STDOUT_FILENO) && !self->json) {
            fputs("\033[H\033[2J", stdout);
        }
        int status = cli_show(self, "actors.list", json_object(), print_actors);
        if (fflush(stdout) != 0 || status != CLI_OK) {
            return status;
        }
        (void)poll(NULL, 0, 1000);
    }
}

int run_actors(cli *self)
{
    if (args_flag(&self->args, "watch")) {
        return watch_actors(self);
    }
    return cli_show(self, "actors.list", json_object(), print_actors);
}

int run_version(cli *self)
{
    if (!self->json) {
        printf("troupe %s\n", troupe_version());
        return CLI_OK;
    }
    json_t *value = json_pack("{s:s}", "version", troupe_version());
    cli_print_json(value);
    json_decref(value);
    return CLI_OK;
}
