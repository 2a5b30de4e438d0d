/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a small process between the host and one browser (hidden mode of the troupe binary).
 *
 *   troupe --keeper SCRATCH_DIR [KEY=VALUE…] -- PROGRAM ARGS…
 *
 * Keys: nice=N; data=BYTES (limit of a process's data, RLIMIT_DATA); cgroup=DIR (the browser is put
 * there; removed at the end); grace=MS (SIGTERM and so much time before SIGKILL when the host lets
 * go).
 *
 * Descriptors it is born with: see keeper.h. It starts the browser in a process group of its own,
 * with TMPDIR inside SCRATCH_DIR. When the browser ends, or the host lets go of the pipe (also by
 * being killed), it kills the group and every process that descends from it, those too that left
 * group and session (it is a subreaper: orphans come to it) but for other hosts and what is theirs
 * (see proc.h), waits until all are reaped, deletes
 * SCRATCH_DIR, and exits with the browser's status.
 *
 * One thread, no nng: it may fork.
 */
#include "keeper.h"

#include "actors/cast.h"
#include "cgroup.h"
#include "proc.h"
#include "transport/clock.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_MS                                                                      \
    10000 /* what does not die within this (in the kernel's hands) is left, and told \
           */

#define LOOK_AGAIN_MS 20
#define QUIET_LOOKS   5  /* a look may miss one that is forked meanwhile */
#define CGROUP_LOOKS  40 /* of 5 ms */

extern char **environ;

typedef struct keeper {
    const char *scratch;
    const char *cgroup; /* NULL = none */
    int nice;
    unsigned long long data_bytes; /* 0 = no limit */
    int grace_ms;
    char **argv;   /* of the browser */
    int signal_fd; /* SIGCHLD */
    pid_t browser;
    int status; /* of the browser, when it has ended */
    bool ended;
} keeper;

/* Options ----------------------------------------------------------------------------------- */

static bool take_option(keeper *self, const char *word)
{
    if (strncmp(word, "nice=", 5) == 0) {
        self->nice = atoi(word + 5);
    } else if (strncmp(word, "data=", 5) == 0) {
        self->data_bytes = strtoull(word + 5, NULL, 10);
    } else if (strncmp(word, "cgroup=", 7) == 0) {
        self->cgroup = word + 7;
    } else if (strncmp(word, "grace=", 6) == 0) {
        self->grace_ms = atoi(word + 6);
    } else {
        return false;
    }
    return true;
}

static bool take_options(keeper *self, int argc, char **argv)
{
    if (argc < 5) {
        return false;
    }
    self->scratch = argv[2];
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            self->argv = argv + i + 1;
            return i + 1 < argc;
        }
        if (!take_option(self, argv[i])) {
            return false;
        }
    }
    return false;
}

/* Whether that is a scratch directory of ours, and the one whose lock the host handed over: nothing
 * else is ever deleted, whatever the arguments say. */
static bool holds_scratch(const keeper *self)
{
    struct stat held;
    struct stat named;
    const char *slash = strrchr(self->scratch, '/');
    return slash != NULL && strncmp(slash + 1, "troupe-", 7) == 0 &&
           fstat(KEEPER_SCRATCH_FD, &held) == 0 && lstat(self->scratch, &named) == 0 &&
           S_ISDIR(named.st_mode) && named.st_uid == geteuid() && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

/* The browser ------------------------------------------------------------------------------- */

/* The first variable whose name begins with TROUPE_. */
static char *own_variable(void)
{
    for (char **each = environ; *each != NULL; each++) {
        if (strncmp(*each, "TROUPE_", 7) == 0) {
            return *each;
        }
    }
    return NULL;
}

static void set_environment(const keeper *self)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/tmp", self->scratch);
    mkdir(path, 0700);
    setenv("TMPDIR", path, 1);
    snprintf(path, sizeof path, "%s/crash", self->scratch);
    setenv("BREAKPAD_DUMP_LOCATION", path, 1); /* else reports pile up in the home directory */
    for (char *each; (each = own_variable()) != NULL;) {
        char *name = strdup(each);
        char *value = name != NULL ? strchr(name, '=') : NULL;
        if (value == NULL) {
            free(name);
            return;
        }
        *value++ = '\0';
        unsetenv(name);
        if (strncmp(name, KEEPER_ENV_SET, strlen(KEEPER_ENV_SET)) == 0) {
            setenv(name + strlen(KEEPER_ENV_SET), value, 1);
        } else if (strncmp(name, KEEPER_ENV_UNSET, strlen(KEEPER_ENV_UNSET)) == 0) {
            unsetenv(name + strlen(KEEPER_ENV_UNSET));
        }
        free(name);
    }
}

static void set_limits(const keeper *self)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none); /* a browser's core is as large as its address space */
    if (self->nice != 0 && setpriority(PRIO_PROCESS, 0, self->nice) != 0) {
        fprintf(stderr, "nice %d: %s\n", self->nice, strerror(errno));
    }
    if (self->data_bytes != 0) {
        struct rlimit data = {(rlim_t)self->data_bytes, (rlim_t)self->data_bytes};
        if (setrlimit(RLIMIT_DATA, &data) != 0) {
            fprintf(stderr, "limit of %llu bytes: %s\n", self->data_bytes, strerror(errno));
        }
    }
    if (self->cgroup != NULL && !cgroup_enter(self->cgroup)) {
        fprintf(stderr, "control group %s: %s\n", self->cgroup, strerror(errno));
    }
}

static void start_browser(keeper *self, const sigset_t *mask)
{
    pid_t parent = getpid();
    self->browser = fork();
    if (self->browser != 0) {
        return;
    }
    /* If the keeper itself is killed. Safe here: its one thread is the browser's parent. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(KEEPER_NOT_STARTED);
    }
    setpgid(0, 0);
    set_environment(self);
    set_limits(self);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(self->argv[0], self->argv);
    fprintf(stderr, "%s: %s\n", self->argv[0], strerror(errno));
    _exit(KEEPER_NOT_STARTED);
}

/* Reap what has ended, but not the browser: until its group is killed its number is to stay in use.
 */
static void reap_others(keeper *self)
{
    siginfo_t info = {0};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        if (info.si_pid == self->browser) {
            self->ended = true;
            return;
        }
        waitpid(info.si_pid, NULL, WNOHANG);
        info.si_pid = 0;
    }
    info.si_pid = 0;
    self->ended = waitid(P_PID, (id_t)self->browser, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                  info.si_pid == self->browser;
}

static void drain_signals(const keeper *self)
{
    struct signalfd_siginfo info;
    while (read(self->signal_fd, &info, sizeof info) > 0) {
    }
}

/* Waits until the browser ended or the host let go. *force: the host wants it at once. */
static void await_end(keeper *self, bool *force)
{
    struct pollfd fds[2] = {{.fd = self->signal_fd, .events = POLLIN},
                            {.fd = KEEPER_HOST_FD, .events = POLLIN}};
    while (!self->ended) {
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            drain_signals(self);
            reap_others(self);
        }
        char byte = 0;
        if (fds[1].revents != 0 && !self->ended) {
            ssize_t got = read(KEEPER_HOST_FD, &byte, 1);
            *force = got == 1 && byte == KEEPER_FORCE;
            reap_others(self); /* perhaps the host lets go because the browser ended */
            return;            /* end of file is as good as KEEPER_LET_GO */
        }
    }
}

/* Give the browser time to write its profile. The host may lose patience. */
static void ask_to_end(keeper *self)
{
    int64_t deadline = monotonic_ms() + self->grace_ms;
    kill(-self->browser, SIGTERM);
    struct pollfd fds[2] = {{.fd = self->signal_fd, .events = POLLIN},
                            {.fd = KEEPER_HOST_FD, .events = POLLIN}};
    nfds_t count = 2;
    for (int64_t left; !self->ended && (left = deadline - monotonic_ms()) > 0;) {
        if (poll(fds, count, (int)left) <= 0) {
            continue;
        }
        drain_signals(self);
        reap_others(self);
        char byte = 0;
        if (count == 2 && fds[1].revents != 0) {
            ssize_t got = read(KEEPER_HOST_FD, &byte, 1);
            if (got == 1 && byte == KEEPER_FORCE) {
                return;
            }
            count = got == 1 ? 2 : 1; /* end of file: no more to hear */
        }
    }
}

/* Kills the group, every descendant, and reaps all. False: some would not die. */
static bool kill_all(keeper *self)
{
    int64_t deadline = monotonic_ms() + KILL_MS;
    int quiet = 0;
    kill(-self->browser, SIGKILL);
    for (;;) {
        if (self->cgroup != NULL) {
            (void)cgroup_kill(self->cgroup);
        }
        bool only_apart;
        (void)proc_kill_descendants(self->scratch, &only_apart);
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid == self->browser) {
                self->status = status;
            }
        }
        int64_t left = deadline - monotonic_ms();
        quiet = pid == 0 && only_apart ? quiet + 1 : 0;
        if ((pid < 0 && errno == ECHILD) || quiet == QUIET_LOOKS) {
            return true;
        }
        if (left <= 0) {
            return false;
        }
        struct pollfd signals = {.fd = self->signal_fd, .events = POLLIN};
        if (poll(&signals, 1, left < LOOK_AGAIN_MS ? (int)left : LOOK_AGAIN_MS) > 0) {
            drain_signals(self);
        }
    }
}

/* True: it is gone. */
static bool remove_scratch(const keeper *self)
{
    struct stat info;
    return holds_scratch(self) ? tree_remove(self->scratch)
                               : lstat(self->scratch, &info) != 0 && errno == ENOENT;
}

static int exit_code(const keeper *self, bool clean)
{
    if (!clean) {
        return KEEPER_LEFTOVERS;
    }
    return WIFSIGNALED(self->status) ? 128 + WTERMSIG(self->status) : WEXITSTATUS(self->status);
}

/* Only what the host means for it stays open; nothing of that reaches the browser but 3 and 4. */
static void tidy_descriptors(keeper *self)
{
    for (int fd = KEEPER_HOST_FD; fd <= KEEPER_PROFILE_FD; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    (void)syscall(SYS_close_range, KEEPER_PROFILE_FD + 1, ~0U, 0);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    self->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

int keeper_main(int argc, char **argv)
{
    keeper self = {.cgroup = NULL};
    if (!take_options(&self, argc, argv)) {
        fprintf(stderr, "troupe --keeper is for the host's own use\n");
        return 2;
    }
    if (!holds_scratch(&self)) {
        fprintf(stderr,
                "troupe --keeper is for the host's own use: %s is no directory of a browser"
                " that was handed over\n",
                self.scratch);
        return 2;
    }
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    tidy_descriptors(&self);
    start_browser(&self, &none);
    close(KEEPER_BROWSER_READ_FD);
    close(KEEPER_BROWSER_WRITE_FD);
    bool clean = true;
    if (self.browser > 0) {
        bool force = false;
        setpgid(self.browser, self.browser); /* whoever of the two is first */
        await_end(&self, &force);
        if (!self.ended && !force && self.grace_ms > 0) {
            ask_to_end(&self);
        }
        clean = kill_all(&self);
    } else {
        fprintf(stderr, "no process for %s: %s\n", self.argv[0], strerror(errno));
        self.status = KEEPER_NOT_STARTED << 8;
    }
    if (self.cgroup != NULL && !cgroup_end(self.cgroup, CGROUP_LOOKS)) {
        fprintf(stderr, "control group %s: %s\n", self.cgroup, strerror(errno));
        clean = false;
    }
    clean = remove_scratch(&self) && clean;
    return exit_code(&self, clean);
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
