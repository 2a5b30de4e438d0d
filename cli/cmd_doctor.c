/* SPDX-License-Identifier: MIT */
/* `troupe doctor`: what a host needs on this machine. */
#include "command.h"
#include "value.h"
#include "view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PORT_FIRST    37650
#define PORT_LAST     37659
#define SHM_LEAST     (64u << 20)
#define STORAGE_LEAST (256u << 20)

/* One finding; level: "ok", "warning" or "error". */
static void add(json_t *list, const char *check, const char *level, const char *format, ...)
    TROUPE_PRINTF(4, 5);

static void add(json_t *list, const char *check, const char *level, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:s}", "check", check, "level", level, "text", text));
}

/* The program of that name in PATH. */
static bool find_program(const char *name, char *out, size_t size)
{
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        snprintf(out, size, "%.*s/%s", (int)len, path, name);
        if (len > 0 && access(out, X_OK) == 0) {
            return true;
        }
        path += len + (path[len] == ':' ? 1 : 0);
    }
    return false;
}

static void check_browser(const cli *self, json_t *list)
{
    static const char *const names[] = {"chromium-headless-shell", "chromium", "chromium-browser",
                                        "google-chrome", "google-chrome-stable"};
    const char *executable = self->config.settings.host.executable;
    char path[STATE_PATH_MAX];
    if (executable != NULL) {
        bool runs = strchr(executable, '/') != NULL ? access(executable, X_OK) == 0
                                                    : find_program(executable, path, sizeof path);
        add(list, "browser", runs ? "ok" : "error", "%s%s%s", executable, runs ? "" : ": ",
            runs ? "" : strerror(errno));
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (find_program(names[i], path, sizeof path)) {
            add(list, "browser", "ok", "%s", path);
            return;
        }
    }
    add(list, "browser", "error",
        "none found: install chromium-headless-shell or chromium, or set executable");
}

static void check_sandbox(const cli *self, json_t *list)
{
    if (geteuid() == 0) {
        add(list, "sandbox", "warning", "root: browsers run without their sandbox");
    } else if (self->config.settings.host.no_sandbox) {
        add(list, "sandbox", "warning", "switched off by no_sandbox");
    } else {
        add(list, "sandbox", "ok", "in use");
    }
}

static void check_space(json_t *list, const char *check, const char *path, uint64_t least)
{
    struct statvfs status;
    char room[32];
    if (statvfs(path, &status) != 0) {
        add(list, check, "warning", "%s: %s", path, strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t)status.f_bavail * status.f_frsize;
    human_bytes((double)bytes, room, sizeof room);
    bool writable = access(path, W_OK) == 0;
    add(list, check,
        !writable       ? "error"
        : bytes < least ? "warning"
                        : "ok",
        "%s: %s free%s", path, room, writable ? "" : ", not writable");
}

static void check_state_dir(const cli *self, json_t *list)
{
    troupe_reason reason;
    const char *dir = self->config.settings.host.state_dir;
    if (state_dir_make(dir, &reason) != TROUPE_OK) {
        add(list, "state", "error", "%s", reason.text);
        return;
    }
    check_space(list, "state", dir, STORAGE_LEAST);
}

static bool port_free(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    bool is_free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                   bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_free;
}

static void check_ports(json_t *list)
{
    unsigned free_count = 0;
    for (uint16_t port = PORT_FIRST; port <= PORT_LAST; port++) {
        free_count += port_free(port) ? 1 : 0;
    }
    add(list, "ports", free_count > 0 ? "ok" : "warning", "%u of %d-%d are free", free_count,
        PORT_FIRST, PORT_LAST);
}

static void check_running(const cli *self, json_t *list)
{
    const troupe_host_options *options = &self->config.settings.host;
    host_state state;
    if (state_find(options->state_dir, options->name, &state, NULL) == TROUPE_OK) {
        add(list, "host", "ok", "'%s' runs at %s (pid %ld)", options->name, state.url,
            (long)state.pid);
    } else {
        add(list, "host", "ok", "'%s' does not run", options->name);
    }
}

static void print_findings(const cli *self, const json_t *list)
{
    static const table_column columns[] = {
        {"CHECK", false, TERM_KEEP}, {"RESULT", false, TERM_KEEP}, {"", false, TERM_KEEP}};
    table *made = table_create(columns, 3);
    size_t index;
    json_t *row;
    json_array_foreach(list, index, row)
    {
        const char *level = json_string_value(json_object_get(row, "level"));
        term_colour colour = strcmp(level, "ok") == 0        ? TERM_GREEN
                             : strcmp(level, "warning") == 0 ? TERM_YELLOW
                                                             : TERM_RED;
        if (made != NULL && (!self->quiet || colour == TERM_RED)) {
            table_add(made, json_string_value(json_object_get(row, "check")), TERM_PLAIN);
            table_add(made, level, colour);
            table_add(made, json_string_value(json_object_get(row, "text")), TERM_PLAIN);
        }
    }
    table_style style = {0, term_colours(stdout), false, NULL};
    if (made != NULL) {
        table_print(made, stdout, &style);
    }
    table_destroy(made);
}

static bool any_error(const json_t *list)
{
    size_t index;
    json_t *row;
    json_array_foreach(list, index, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "level")), "error") == 0) {
            return true;
        }
    }
    return false;
}

int run_doctor(cli *self)
{
    json_t *list = json_array();
    const char *runtime = self->config.settings.host.runtime_dir;
    const char *tmp = getenv("TMPDIR");
    check_browser(self, list);
    check_sandbox(self, list);
    check_state_dir(self, list);
    check_space(list, "profiles",
                runtime != NULL ? runtime
                : tmp != NULL   ? tmp
                                : "/tmp",
                STORAGE_LEAST);
    check_space(list, "shm", "/dev/shm", SHM_LEAST);
    check_ports(list);
    check_running(self, list);
    if (self->json) {
        json_t *value = json_pack("{s:O, s:b}", "checks", list, "ok", !any_error(list));
        cli_print_json(value);
        json_decref(value);
    } else {
        print_findings(self, list);
    }
    int status = any_error(list) ? CLI_FAILED : CLI_OK;
    json_decref(list);
    return status;
}
