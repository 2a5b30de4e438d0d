/* SPDX-License-Identifier: MIT */
/* Persistent profiles. */
#include "profile.h"

#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME     ".troupe-lock"
#define LOCK_TEXT_MAX 300

static bool is_plain_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= 64 && text[0] != '.' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

troupe_error profile_path(const char *state_dir, const char *profile, char *path, size_t size,
                          troupe_reason *reason)
{
    int written;
    if (profile[0] == '/') {
        written = snprintf(path, size, "%s", profile);
    } else if (is_plain_name(profile)) {
        written = snprintf(path, size, "%s/profiles/%s", state_dir, profile);
    } else {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`profile` %.80s: neither an absolute path nor a name of 1 to 64 of the "
                           "characters A-Z a-z 0-9 . _ -",
                           profile);
    }
    if (written < 0 || (size_t)written >= size || written >= PROFILE_PATH_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`profile` %.40s…: the path is too long",
                           profile);
    }
    return TROUPE_OK;
}

static bool make_dir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

troupe_error profile_make(const char *state_dir, const char *path, troupe_reason *reason)
{
    char parent[PROFILE_PATH_MAX + 16];
    int len = snprintf(parent, sizeof parent, "%s/profiles", state_dir);
    bool named = len > 0 && strncmp(path, parent, (size_t)len) == 0 && path[len] == '/';
    struct stat info;
    if ((named && !make_dir(parent)) || !make_dir(path) || stat(path, &info) != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`profile` %s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`profile` %s: not a directory", path);
    }
    if (access(path, R_OK | W_OK | X_OK) != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`profile` %s: %s", path, strerror(errno));
    }
    return TROUPE_OK;
}

static void machine_name(char *out, size_t size)
{
    if (gethostname(out, size) != 0) {
        snprintf(out, size, "unknown");
    }
    out[size - 1] = '\0';
}

/* Whether that process is a browser at work in that profile: its number may be another's by now. */
static bool uses_profile(pid_t pid, const char *path)
{
    char text[16384];
    char real[PATH_MAX];
    ssize_t len = proc_read(pid, "cmdline", text, sizeof text);
    if (len <= 0) {
        return kill(pid, 0) == 0 || errno == EPERM; /* not to be seen: be careful */
    }
    for (char *at = text; at < text + len; at += strlen(at) + 1) {
        char theirs[PATH_MAX];
        if (strncmp(at, "--user-data-dir=", 16) == 0) {
            return strcmp(at + 16, path) == 0 ||
                   (realpath(at + 16, theirs) != NULL && realpath(path, real) != NULL &&
                    strcmp(theirs, real) == 0);
        }
    }
    return strstr(text, "chrom") != NULL; /* the default profile, perhaps */
}

/* machine: where the holder of our own lock ran before, which has ended; "" = not known. */
static troupe_error check_singleton(const char *path, const char *machine, troupe_reason *reason)
{
    char link[PROFILE_PATH_MAX + 32];
    char text[256];
    snprintf(link, sizeof link, "%s/SingletonLock", path);
    ssize_t len = readlink(link, text, sizeof text - 1);
    if (len <= 0) {
        return TROUPE_OK;
    }
    text[len] = '\0';
    char *dash = strrchr(text, '-');
    pid_t pid = dash != NULL ? (pid_t)atol(dash + 1) : 0;
    if (dash != NULL) {
        *dash = '\0';
    }
    char here[128];
    machine_name(here, sizeof here);
    bool ours = *machine != '\0' && strcmp(text, machine) == 0;
    if (strcmp(text, here) == 0 && pid > 0 && uses_profile(pid, path)) {
        return troupe_fail(reason, TROUPE_ESTATE,
                           "profile %s is in use by process %ld, a browser that this host did not "
                           "launch",
                           path, (long)pid);
    }
    if (strcmp(text, here) != 0 && !ours) {
        return troupe_fail(reason, TROUPE_ESTATE,
                           "profile %s is in use by process %ld on %s; if that is gone, delete %s",
                           path, (long)pid, text, link);
    }
    static const char *const stale[] = {"SingletonLock", "SingletonSocket", "SingletonCookie"};
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) {
        snprintf(link, sizeof link, "%s/%s", path, stale[i]);
        (void)unlink(link);
    }
    return TROUPE_OK;
}

/* The lock's text: "MACHINE\nWHO\n". */
static void read_lock(int fd, char *machine, size_t machine_size, char *who, size_t who_size)
{
    char text[LOCK_TEXT_MAX];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    size_t first = strcspn(text, "\n");
    snprintf(machine, machine_size, "%.*s", (int)first, text);
    const char *rest = text[first] == '\n' ? text + first + 1 : "";
    snprintf(who, who_size, "%.*s", (int)strcspn(rest, "\n"), rest);
}

static void write_lock(int fd, const char *who)
{
    char machine[128];
    char text[LOCK_TEXT_MAX];
    machine_name(machine, sizeof machine);
    int len = snprintf(text, sizeof text, "%s\n%s\n", machine, who);
    if (ftruncate(fd, 0) != 0 || len < 0 ||
        pwrite(fd, text, len < LOCK_TEXT_MAX ? (size_t)len : LOCK_TEXT_MAX - 1, 0) < 0) {
        return; /* it only serves the message of others */
    }
}

troupe_error profile_lock(const char *path, const char *who, int *lock_fd, troupe_reason *reason)
{
    char name[PROFILE_PATH_MAX + 32];
    char machine[128];
    char holder[LOCK_TEXT_MAX];
    snprintf(name, sizeof name, "%s/%s", path, LOCK_NAME);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return troupe_fail(reason, TROUPE_EIO, "profile %s cannot be locked: %s", path,
                           strerror(errno));
    }
    bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0;
    int why = errno;
    read_lock(fd, machine, sizeof machine, holder, sizeof holder);
    troupe_error error;
    if (taken && why == EWOULDBLOCK) {
        error = troupe_fail(reason, TROUPE_ESTATE, "profile %s is in use by %s", path,
                            holder[0] != '\0' ? holder : "another browser");
    } else if (taken) {
        error =
            troupe_fail(reason, TROUPE_EIO, "profile %s cannot be locked: %s", path, strerror(why));
    } else {
        error = check_singleton(path, machine, reason);
    }
    if (error != TROUPE_OK) {
        close(fd);
        return error;
    }
    write_lock(fd, who);
    snprintf(name, sizeof name, "%s/DevToolsActivePort", path); /* of the one that ran before */
    (void)unlink(name);
    *lock_fd = fd;
    return TROUPE_OK;
}
