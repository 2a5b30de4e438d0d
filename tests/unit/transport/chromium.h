/* SPDX-License-Identifier: MIT */
/** For tests against the real thing: one Chromium with a profile of its own. */
#ifndef TROUPE_TESTS_CHROMIUM_H
#define TROUPE_TESTS_CHROMIUM_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHROMIUM "chromium-headless-shell"

typedef struct chromium {
    pid_t pid; /* leader of its process group */
    char profile[64];
    char url[200]; /* of the browser's WebSocket; empty in pipe mode */
    int port;
    FILE *errors; /* its stderr: ends when every process of it has ended */
    int to;       /* in pipe mode: written to the browser */
    int from;
} chromium;

static inline int chromium_high(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    close(fd);
    return high;
}

static inline void chromium_pipe(int *reader, int *writer)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    *reader = chromium_high(fds[0]);
    *writer = chromium_high(fds[1]);
}

/** Start it on a port of its own, or (pipes) on descriptors 3 and 4. Skips the test if there is no
 * such program. */
static inline void chromium_start(chromium *c, bool pipes)
{
    extern char **environ;
    char profile[100];
    int child_in;
    int child_out;
    int errors;
    int child_errors;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    snprintf(c->profile, sizeof(c->profile), "/tmp/troupe-test-XXXXXX");
    cr_assert_not_null(mkdtemp(c->profile));
    snprintf(profile, sizeof(profile), "--user-data-dir=%s", c->profile);
    char *arguments[] = {CHROMIUM,
                         "--headless",
                         "--no-sandbox",
                         "--disable-gpu",
                         "--disable-quic",
                         "--no-first-run",
                         "--disable-background-networking",
                         "--disable-component-update",
                         "--disable-sync",
                         profile,
                         pipes ? "--remote-debugging-pipe" : "--remote-debugging-port=0",
                         NULL};
    chromium_pipe(&child_in, &c->to);
    chromium_pipe(&c->from, &child_out);
    chromium_pipe(&errors, &child_errors);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_errors, 2);
    if (pipes) {
        posix_spawn_file_actions_adddup2(&actions, child_in, 3);
        posix_spawn_file_actions_adddup2(&actions, child_out, 4);
    }
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int code = posix_spawnp(&c->pid, CHROMIUM, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(child_in);
    close(child_out);
    close(child_errors);
    if (code == ENOENT) {
        rmdir(c->profile);
        cr_skip_test("no " CHROMIUM);
    }
    cr_assert_eq(code, 0);
    c->errors = fdopen(errors, "r");
    c->url[0] = '\0';
    char line[500];
    while (!pipes && c->url[0] == '\0' && fgets(line, sizeof(line), c->errors) != NULL) {
        (void)sscanf(line, "DevTools listening on %199s", c->url);
    }
    if (!pipes) {
        cr_assert_eq(sscanf(c->url, "ws://127.0.0.1:%d/", &c->port), 1);
    }
}

static inline int chromium_remove(const char *path, const struct stat *info, int type,
                                  struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    (void)remove(path); /* one that is dying may still write: the next round finds it */
    return 0;
}

/** End it, with all its processes, and remove its profile. Closing `to` and `from` is the caller's
 * where a stream took them. */
static inline void chromium_stop(chromium *c)
{
    char buffer[1000];
    kill(-c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    while (fgets(buffer, sizeof(buffer), c->errors) != NULL) {
    }
    fclose(c->errors);
    while (access(c->profile, F_OK) == 0 &&
           nftw(c->profile, chromium_remove, 16, FTW_DEPTH | FTW_PHYS) == 0) {
    }
}

#endif
