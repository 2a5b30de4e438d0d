/* SPDX-License-Identifier: MIT */
/* `troupe doctor`: the browsers that would be launched, and their sandbox. */
#include "actors/browser/finder.h"
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION_MS 10000

/* What `PROGRAM --version` prints; false if it does not run or takes too long. */
static bool ask_version(const char *program, char *out, size_t size)
{
    int ends[2];
    pid_t pid;
    size_t used = 0;
    out[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--version",
                    (char *)(uintptr_t) "--no-sandbox", NULL};
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(&pid, program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    struct pollfd fd = {.fd = ends[0], .events = POLLIN};
    while (failed == 0 && used < size - 1 && poll(&fd, 1, VERSION_MS) == 1) {
        ssize_t got = read(ends[0], out + used, size - 1 - used);
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
    }
    out[used] = '\0';
    out[strcspn(out, "\n")] = '\0';
    close(ends[0]);
    int status = 1;
    if (failed == 0) {
        kill(-pid, SIGKILL); /* it has said all it had to say, or never will */
        (void)waitpid(pid, &status, 0);
    }
    return used > 0;
}

static void check_found(const cli *self, json_t *list, const char *check, bool full)
{
    char path[FINDER_PATH_MAX];
    char version[160];
    troupe_reason reason = {""};
    finder_wish wish = {.configured = self->config.settings.host.executable, .full = full};
    if (finder_find(&wish, path, sizeof path, &reason) != TROUPE_OK) {
        const char *todo = full ? "install the package chromium if windows or extensions are wanted"
                                : "install the package chromium-headless-shell, or set [launcher] "
                                  "executable";
        doctor_add(list, check, full ? "ok" : "error", todo, "%s", full ? "none" : reason.text);
        return;
    }
    if (ask_version(path, version, sizeof version)) {
        doctor_add(list, check, "ok", NULL, "%s (%s)", path, version);
    } else {
        doctor_add(list, check, "error",
                   "run it by hand to see why; reinstall its package, or set [launcher] executable",
                   "%s does not tell its version", path);
    }
}

/* Whether a process of ours may make a user namespace: the sandbox is made of these. */
static bool may_unshare(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool has_setuid_helper(void)
{
    static const char *const places[] = {"/usr/lib/chromium/chrome-sandbox",
                                         "/opt/google/chrome/chrome-sandbox"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct stat info;
        if (stat(places[i], &info) == 0 && info.st_uid == 0 && (info.st_mode & S_ISUID) != 0) {
            return true;
        }
    }
    return false;
}

static void check_sandbox(const cli *self, json_t *list)
{
    if (geteuid() == 0) {
        doctor_add(list, "sandbox", "warning", "run the host as a normal user",
                   "root: browsers run without their sandbox");
    } else if (self->config.settings.host.no_sandbox) {
        doctor_add(list, "sandbox", "warning", "unset [launcher] no_sandbox",
                   "switched off by no_sandbox");
    } else if (may_unshare()) {
        doctor_add(list, "sandbox", "ok", NULL, "user namespaces are allowed");
    } else if (has_setuid_helper()) {
        doctor_add(list, "sandbox", "ok", NULL, "chrome-sandbox is set-user-id root");
    } else {
        doctor_add(list, "sandbox", "error",
                   "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
                   "kernel.apparmor_restrict_unprivileged_userns=0, or the container's seccomp "
                   "profile), install chromium-sandbox, or set [launcher] no_sandbox",
                   "user namespaces are not allowed: Chromium will not start");
    }
}

static void check_display(const cli *self, json_t *list)
{
    const char *x11 = getenv("DISPLAY");
    const char *wayland = getenv("WAYLAND_DISPLAY");
    bool some = (x11 != NULL && *x11 != '\0') || (wayland != NULL && *wayland != '\0');
    bool wanted = self->config.settings.host.headed;
    doctor_add(list, "display", some || !wanted ? "ok" : "error",
               some ? NULL : "for windows, start the host on a desktop, or below xvfb-run", "%s",
               some ? (x11 != NULL ? x11 : wayland) : "none: no windows");
}

void doctor_browser(const cli *self, json_t *list)
{
    check_found(self, list, "browser", self->config.settings.host.full);
    check_found(self, list, "full browser", true);
    check_sandbox(self, list);
    check_display(self, list);
}
