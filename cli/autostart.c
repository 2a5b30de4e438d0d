/* SPDX-License-Identifier: MIT */
/* Start a local host in the background. */
#include "autostart.h"

#include "command.h"
#include "state.h"
#include "transport/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_MS 20000

static bool in_set(const arg_set *set, const arg_option *option)
{
    return option >= set->options && option < set->options + set->count;
}

/* Whether a setting of the host was given; a command's own option may have the same name. */
static bool is_setting(const arg_option *option)
{
    if (strcmp(option->name, "name") == 0 ||
        (!in_set(config_arg_set(), option) && !in_set(command_common_set(), option))) {
        return false;
    }
    size_t count;
    const config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].flag, option->name) == 0) {
            return true;
        }
    }
    return strcmp(option->name, "config") == 0;
}

static void free_argv(char **argv)
{
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
        free(argv[i]);
    }
    free(argv);
}

/* argv of the host: serve --automatic, and every setting that was given as a flag. Freed with
 * free_argv. */
static char **make_argv(const cli_config *config, const cli_args *args)
{
    char **argv = calloc(args->given_count + 6, sizeof *argv);
    if (argv == NULL) {
        return NULL;
    }
    size_t count = 0;
    bool ok = (argv[count++] = strdup("troupe")) != NULL;
    ok = ok && (argv[count++] = strdup("serve")) != NULL;
    ok = ok && (argv[count++] = strdup("--automatic")) != NULL;
    ok = ok && asprintf(&argv[count++], "--name=%s", config->settings.host.name) >= 0;
    for (size_t i = 0; ok && i < args->given_count; i++) {
        const arg_option *option = args->given[i].option;
        const char *value = args->given[i].value;
        if (strcmp(option->name, "token") == 0) {
            ok = setenv("TROUPE_TOKEN", value, 1) == 0; /* not for all to see */
        } else if (is_setting(option)) {
            ok = asprintf(&argv[count++], "--%s=%s", option->name, value) >= 0;
        }
    }
    if (!ok) {
        free_argv(argv);
        return NULL;
    }
    return argv;
}

static int spawn_detached(char *const *argv, const char *log, pid_t *out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(out, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static void drain(int fd)
{
    char events[4096] __attribute__((aligned(8)));
    while (read(fd, events, sizeof events) > 0) {
    }
}

/* Wait until the host has written its state file, or has ended. */
static troupe_error await_state(const cli_config *config, int watch, int child, pid_t pid,
                                troupe_reason *reason)
{
    const troupe_host_options *options = &config->settings.host;
    int64_t deadline = monotonic_ms() + START_TIMEOUT_MS;
    for (;;) {
        host_state state;
        if (state_find(options->state_dir, options->name, &state, NULL) == TROUPE_OK) {
            return TROUPE_OK;
        }
        struct pollfd polled[] = {{watch, POLLIN, 0}, {child, POLLIN, 0}};
        int64_t left = deadline - monotonic_ms();
        if (left <= 0) {
            return troupe_fail(reason, TROUPE_ETIMEOUT,
                               "the host started (pid %ld) but is not ready", (long)pid);
        }
        (void)poll(polled, 2, (int)left);
        drain(watch);
        if (polled[1].revents != 0) {
            return TROUPE_EUNAVAILABLE;
        }
    }
}

/* The last line of the log says why the host ended. */
static troupe_error report_end(const char *log, long start, troupe_reason *reason)
{
    char line[400] = "";
    char last[400] = "it said nothing";
    FILE *file = fopen(log, "re");
    if (file != NULL && fseek(file, start, SEEK_SET) == 0) {
        while (fgets(line, sizeof line, file) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            if (line[0] != '\0') {
                memcpy(last, line, sizeof last);
            }
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    const char *text = strncmp(last, "troupe: ", 8) == 0 ? last + 8 : last;
    return troupe_fail(reason, TROUPE_EUNAVAILABLE, "the host did not start: %s", text);
}

static troupe_error start_and_wait(const cli_config *config, const cli_args *args, int watch,
                                   troupe_reason *reason)
{
    char log[STATE_PATH_MAX];
    const troupe_host_options *options = &config->settings.host;
    troupe_error error = state_path(options->state_dir, options->name, ".log", log, reason);
    char **argv = error == TROUPE_OK ? make_argv(config, args) : NULL;
    if (argv == NULL) {
        return error != TROUPE_OK ? error : TROUPE_ENOMEM;
    }
    struct stat status;
    long start = stat(log, &status) == 0 ? (long)status.st_size : 0;
    pid_t pid = 0;
    int failed = spawn_detached(argv, log, &pid);
    free_argv(argv);
    if (failed != 0) {
        return troupe_fail(reason, TROUPE_EIO, "the host did not start: %s", strerror(failed));
    }
    int child = pidfd_open(pid, 0);
    error = await_state(config, watch, child, pid, reason);
    if (error == TROUPE_EUNAVAILABLE) {
        (void)waitpid(pid, NULL, 0);
        host_state state; /* somebody else may have started one at the same time */
        error = state_find(options->state_dir, options->name, &state, NULL) == TROUPE_OK
                    ? TROUPE_OK
                    : report_end(log, start, reason);
    }
    if (child >= 0) {
        close(child);
    }
    return error;
}

troupe_error autostart(const cli_config *config, const cli_args *args, troupe_reason *reason)
{
    const char *dir = config->settings.host.state_dir;
    troupe_error error = state_dir_make(dir, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, dir, IN_MOVED_TO) < 0) {
        error = troupe_fail(reason, TROUPE_EIO, "%s: %s", dir, strerror(errno));
    } else {
        error = start_and_wait(config, args, watch, reason);
    }
    if (watch >= 0) {
        close(watch);
    }
    return error;
}
