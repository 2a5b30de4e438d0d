/* SPDX-License-Identifier: MIT */
/* Browser processes: command line, posix_spawn of the keeper, what they print, how they end. */
#include "process.h"

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX          96
#define OUTPUT_CHUNKS_MAX 16 /* a full pipe: others get their turn */

extern char **environ;

static const char *const headless_names[] = {"chromium-headless-shell", "chrome-headless-shell",
                                             "headless_shell", NULL};
static const char *const full_names[] = {"chromium", "chromium-browser", "google-chrome-stable",
                                         "google-chrome", NULL};

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

static bool on_path(const char *name, char *path, size_t path_size)
{
    const char *list = getenv("PATH");
    list = list != NULL && *list != '\0' ? list : "/usr/local/bin:/usr/bin:/bin";
    while (*list != '\0') {
        size_t len = strcspn(list, ":");
        int written = snprintf(path, path_size, "%.*s/%s", (int)len, list, name);
        if (len > 0 && written > 0 && (size_t)written < path_size && is_program(path)) {
            return true;
        }
        list += len + (list[len] == ':');
    }
    return false;
}

static bool first_on_path(const char *const *names, char *path, size_t path_size)
{
    for (; *names != NULL; names++) {
        if (on_path(*names, path, path_size)) {
            return true;
        }
    }
    return false;
}

troupe_error process_find(const char *wanted, bool headed, char *path, size_t path_size,
                          troupe_reason *reason)
{
    if (wanted == NULL) {
        wanted = getenv("CHROMIUM");
    }
    if (wanted != NULL && *wanted != '\0') {
        bool a_path = strchr(wanted, '/') != NULL;
        if (a_path ? !is_program(wanted) : !on_path(wanted, path, path_size)) {
            return troupe_fail(reason, TROUPE_EUNAVAILABLE, "browser %s: %s", wanted,
                               a_path && access(wanted, F_OK) == 0 ? "not a program that may be run"
                                                                   : "no such program");
        }
        if (a_path && snprintf(path, path_size, "%s", wanted) >= (int)path_size) {
            return troupe_fail(reason, TROUPE_EUNAVAILABLE, "browser %.60s…: the path is too long",
                               wanted);
        }
        return TROUPE_OK;
    }
    if ((!headed && first_on_path(headless_names, path, path_size)) ||
        first_on_path(full_names, path, path_size)) {
        return TROUPE_OK;
    }
    return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                       "no Chromium found on PATH: install the package %s, or set [launcher] "
                       "executable",
                       headed ? "chromium" : "chromium-headless-shell");
}

/* The command line: pointers into itself, option strings and literals. */
typedef struct command {
    char *argv[ARGS_MAX];
    size_t count;
    char profile[400];
    char *extra; /* copy of the extra arguments, cut at spaces */
} command;

static void add(command *line, const char *argument)
{
    if (line->count < ARGS_MAX - 1) {
        line->argv[line->count++] = (char *)(uintptr_t)argument;
        line->argv[line->count] = NULL;
    }
}

static void add_browser_flags(command *line, const process_options *options)
{
    static const char *const flags[] = {"--disable-quic",
                                        "--no-first-run",
                                        "--disable-background-networking",
                                        "--disable-component-update",
                                        "--disable-sync",
                                        "--no-default-browser-check",
                                        "--disable-breakpad",
                                        "--password-store=basic",
                                        "--disable-default-apps",
                                        "--disable-background-timer-throttling",
                                        "--disable-backgrounding-occluded-windows",
                                        "--disable-renderer-backgrounding",
                                        "--disable-search-engine-choice-screen",
                                        NULL};
    for (const char *const *flag = flags; *flag != NULL; flag++) {
        add(line, *flag);
    }
    if (!options->headed) {
        add(line, "--headless");
        add(line, "--disable-gpu");
    }
    if (options->host->no_sandbox || geteuid() == 0) {
        add(line, "--no-sandbox");
    }
    add(line, options->port ? "--remote-debugging-port=0" : "--remote-debugging-pipe");
}

static void add_extra(command *line, const process_options *options)
{
    line->extra = options->host->extra_args != NULL ? strdup(options->host->extra_args) : NULL;
    char *rest = line->extra;
    for (char *word; rest != NULL && (word = strsep(&rest, " \t")) != NULL;) {
        if (*word != '\0') {
            add(line, word);
        }
    }
    if (strstr(options->executable, "headless") == NULL) {
        add(line, "about:blank"); /* a full browser opens a window anyway: an empty one */
    }
}

static void build_command(command *line, const process_options *options, const process *made)
{
    memset(line, 0, sizeof *line);
    add(line, options->host->keeper != NULL ? options->host->keeper : "/proc/self/exe");
    add(line, "--keeper");
    add(line, made->scratch);
    add(line, "0");
    add(line, "--");
    add(line, options->executable);
    snprintf(line->profile, sizeof line->profile, "--user-data-dir=%s", made->profile);
    add(line, line->profile);
    add_browser_flags(line, options);
    add_extra(line, options);
}

static troupe_error make_directories(process *made, const process_options *options,
                                     troupe_reason *reason)
{
    int written = snprintf(made->scratch, sizeof made->scratch, "%s/troupe-%s-XXXXXX",
                           options->host->runtime_dir, options->host->name);
    if (written < 0 || (size_t)written >= sizeof made->scratch || mkdtemp(made->scratch) == NULL) {
        made->scratch[0] = '\0';
        return troupe_fail(reason, TROUPE_EIO, "no temporary directory in %s: %s",
                           options->host->runtime_dir, strerror(errno));
    }
    if (options->profile != NULL) {
        written = snprintf(made->profile, sizeof made->profile, "%s", options->profile);
        if (written < 0 || (size_t)written >= sizeof made->profile) {
            made->profile[0] = '\0';
            return troupe_fail(reason, TROUPE_EPARAMS, "the profile's path is too long");
        }
        char stale[sizeof made->profile + 32]; /* the port of the browser that ran here before */
        snprintf(stale, sizeof stale, "%s/DevToolsActivePort", made->profile);
        (void)unlink(stale);
        return TROUPE_OK;
    }
    snprintf(made->profile, sizeof made->profile, "%s/profile", made->scratch);
    if (mkdir(made->profile, 0700) != 0) {
        return troupe_fail(reason, TROUPE_EIO, "%s: %s", made->profile, strerror(errno));
    }
    return TROUPE_OK;
}

/* A pipe whose descriptors stand above those that the keeper is born with. */
static bool high_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 10);
        close(low[i]);
    }
    return ends[0] >= 0 && ends[1] >= 0;
}

/* [0] host -> browser, [1] browser -> host, [2] host holds the keeper, [3] output. */
typedef int pipes[4][2];

static void close_pipes(pipes ends)
{
    for (int i = 0; i < 4; i++) {
        for (int side = 0; side < 2; side++) {
            if (ends[i][side] >= 0) {
                close(ends[i][side]);
                ends[i][side] = -1;
            }
        }
    }
}

static int spawn_keeper(pid_t *pid, char **argv, pipes ends)
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
    posix_spawn_file_actions_adddup2(&actions, ends[3][1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[3][1], 2);
    posix_spawn_file_actions_adddup2(&actions, ends[0][0], KEEPER_BROWSER_READ_FD);
    posix_spawn_file_actions_adddup2(&actions, ends[1][1], KEEPER_BROWSER_WRITE_FD);
    posix_spawn_file_actions_adddup2(&actions, ends[2][0], KEEPER_HOST_FD);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    /* A group of its own: a Ctrl-C on the host's terminal must not reach it. Not a session: the
     * kernel schedules sessions against each other, and the browser would lose to the host's many
     * threads. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int code = posix_spawn(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

static troupe_error spawn(process *made, const process_options *options, troupe_reason *reason)
{
    troupe_error error = TROUPE_OK;
    pipes ends = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    for (int i = 0; i < 4; i++) {
        if (!high_pipe(ends[i])) {
            close_pipes(ends);
            return troupe_fail(reason, TROUPE_EIO, "no pipe: %s", strerror(errno));
        }
    }
    command line;
    build_command(&line, options, made);
    int code = spawn_keeper(&made->pid, line.argv, ends);
    free(line.extra);
    if (code != 0) {
        close_pipes(ends);
        return troupe_fail(reason, TROUPE_EIO, "%s: %s", line.argv[0], strerror(code));
    }
    made->write_fd = ends[0][1];
    made->read_fd = ends[1][0];
    made->host_fd = ends[2][1];
    made->output_fd = ends[3][0];
    ends[0][1] = ends[1][0] = ends[2][1] = ends[3][0] = -1;
    close_pipes(ends);
    fcntl(made->output_fd, F_SETFL, O_NONBLOCK);
    made->pid_fd = (int)syscall(SYS_pidfd_open, made->pid, 0);
    if (made->pid_fd < 0) { /* its end would go unnoticed */
        error = troupe_fail(reason, TROUPE_EIO, "cannot watch the process: %s", strerror(errno));
        process_let_go(made);
        (void)process_reap(made);
    }
    return error;
}

troupe_error process_start(const process_options *options, process **out, troupe_reason *reason)
{
    process *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return TROUPE_ENOMEM;
    }
    made->pid_fd = made->host_fd = made->output_fd = made->read_fd = made->write_fd = -1;
    troupe_error error = make_directories(made, options, reason);
    if (error == TROUPE_OK) {
        error = spawn(made, options, reason);
    }
    if (error != TROUPE_OK) {
        if (made->scratch[0] != '\0') {
            keeper_remove_tree(made->scratch);
        }
        process_destroy(made);
        return error;
    }
    *out = made;
    return TROUPE_OK;
}

bool process_read_output(process *run)
{
    char chunk[4096];
    ssize_t got = 1;
    for (int i = 0; i < OUTPUT_CHUNKS_MAX && got > 0; i++) {
        got = read(run->output_fd, chunk, sizeof chunk);
        if (got <= 0) {
            break;
        }
        size_t room = sizeof run->tail - 1;
        size_t take = (size_t)got < room ? (size_t)got : room;
        size_t keep = run->tail_len + take > room ? room - take : run->tail_len;
        memmove(run->tail, run->tail + run->tail_len - keep, keep);
        memcpy(run->tail + keep, chunk + (size_t)got - take, take);
        run->tail_len = keep + take;
        run->tail[run->tail_len] = '\0';
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* The words go into JSON: what is not printable ASCII would not be valid there for sure. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

const char *process_last_words(const process *run)
{
    static _Thread_local char line[300];
    line[0] = '\0';
    const char *at = run->tail;
    while (*at != '\0') {
        size_t len = strcspn(at, "\n");
        /* Chromium's complaints about a missing desktop bus explain nothing. */
        if (len > 0 && memmem(at, len, "dbus", 4) == NULL) {
            snprintf(line, sizeof line, "%.*s", (int)len, at);
        }
        at += len + (at[len] == '\n');
    }
    make_printable(line);
    return line;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void process_let_go(process *run)
{
    close_fd(&run->host_fd);
}

int process_reap(process *run)
{
    int status = 0;
    while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close_fd(&run->pid_fd);
    if (WIFSIGNALED(status)) { /* the keeper itself: it could not clean up */
        run->orphaned = true;
        keeper_remove_tree(run->scratch);
        return 128 + WTERMSIG(status);
    }
    return WEXITSTATUS(status);
}

void process_destroy(process *run)
{
    if (run == NULL) {
        return;
    }
    close_fd(&run->host_fd);
    close_fd(&run->pid_fd);
    close_fd(&run->output_fd);
    close_fd(&run->read_fd);
    close_fd(&run->write_fd);
    free(run);
}
