/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a small process between the host and one browser (hidden mode of the troupe binary).
 *
 *   troupe --keeper SCRATCH_DIR NICE -- PROGRAM ARGS…
 *
 * Descriptors it is born with: 3 and 4, the browser's debugging pipe (perhaps /dev/null); 5, a pipe
 * that the host holds open. It starts the browser in a process group of its own, with TMPDIR inside
 * SCRATCH_DIR. When the browser ends, or the host lets go of the pipe (also by being killed), it
 * kills the group and every process that descends from it, deletes SCRATCH_DIR, and exits with the
 * browser's status (128 + signal if a signal ended it, 127 if it could not be started).
 *
 * One thread, no nng: it may fork.
 */
#include "keeper.h"
#include "actors/cast.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    (void)remove(path); /* what stays is tried again, or reported by its directory staying */
    return 0;
}

void keeper_remove_tree(const char *path)
{
    for (int attempt = 0; attempt < 3 && access(path, F_OK) == 0; attempt++) {
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* Kills each child of this process, and what re-parents to it (it is a subreaper), until none is
 * left. */
static void kill_descendants(pid_t group)
{
    if (group > 0) {
        kill(-group, SIGKILL);
    }
    for (;;) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
        FILE *file = fopen(path, "re");
        long child;
        while (file != NULL && fscanf(file, "%ld", &child) == 1) {
            kill((pid_t)child, SIGKILL);
        }
        if (file != NULL) {
            fclose(file);
        }
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) {
            return;
        }
    }
}

static pid_t start_browser(char **argv, const sigset_t *mask)
{
    pid_t keeper = getpid();
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    /* If the keeper itself is killed. Safe here: its one thread is the browser's parent. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) {
        _exit(127);
    }
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int status_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Waits until the browser ended (its code) or the host let go (-1). */
static int wait_end(pid_t browser, int host_fd, int signal_fd)
{
    struct pollfd fds[2] = {{.fd = signal_fd, .events = POLLIN}, {.fd = host_fd, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            struct signalfd_siginfo info;
            if (read(signal_fd, &info, sizeof info) < 0) {
                continue;
            }
            int status;
            pid_t pid;
            while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid == browser) {
                    return status_code(status);
                }
            }
        }
        char byte;
        if (fds[1].revents != 0 && read(host_fd, &byte, 1) <= 0) {
            int status; /* perhaps the host lets go because the browser ended */
            return waitpid(browser, &status, WNOHANG) == browser ? status_code(status) : -1;
        }
    }
}

int keeper_main(int argc, char **argv)
{
    if (argc < 6 || strcmp(argv[4], "--") != 0) {
        fprintf(stderr, "troupe --keeper is for the host's own use\n");
        return 2;
    }
    const char *scratch = argv[2];
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    sigemptyset(&before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fcntl(KEEPER_HOST_FD, F_SETFD, FD_CLOEXEC);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int signal_fd = signalfd(-1, &child, SFD_CLOEXEC);
    if (atoi(argv[3]) != 0) {
        setpriority(PRIO_PROCESS, 0, atoi(argv[3]));
    }
    char tmp[4096];
    snprintf(tmp, sizeof tmp, "%s/tmp", scratch);
    mkdir(tmp, 0700);
    setenv("TMPDIR", tmp, 1);
    pid_t browser = start_browser(argv + 5, &before);
    close(3);
    close(4);
    int code = browser > 0 ? wait_end(browser, KEEPER_HOST_FD, signal_fd) : 127;
    kill_descendants(browser);
    keeper_remove_tree(scratch);
    return code < 0 ? 128 + SIGKILL : code;
}

static bool keeper_main_called; /* set before any other thread is there */

bool keeper_is_self(void)
{
    return keeper_main_called;
}

void troupe_host_keeper_main(int argc, char **argv)
{
    keeper_main_called = true;
    if (argc > 1 && strcmp(argv[1], "--keeper") == 0) {
        exit(keeper_main(argc, argv));
    }
}
