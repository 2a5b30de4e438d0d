/* SPDX-License-Identifier: MIT */
/* A control group for one browser. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 5

static bool write_text(const char *dir, const char *name, const char *text)
{
    char path[CGROUP_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    size_t len = strlen(text);
    bool done = write(fd, text, len) == (ssize_t)len;
    close(fd);
    return done;
}

static bool has_word(const char *dir, const char *name, const char *word)
{
    char path[CGROUP_PATH_MAX + 64];
    char text[512] = "";
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "re");
    bool found = false;
    if (file != NULL && fgets(text, sizeof text, file) != NULL) {
        char *rest = text;
        for (char *each; !found && (each = strsep(&rest, " \n")) != NULL;) {
            found = strcmp(each, word) == 0;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* Where version 2, or version 1's memory controller, is mounted. */
static bool find_mount(const char *proc_mounts, bool version2, char *out, size_t size)
{
    FILE *file = fopen(proc_mounts, "re");
    char line[1024];
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char where[512];
        char type[32];
        char options[256];
        if (sscanf(line, "%*s %511s %31s %255s", where, type, options) != 3) {
            continue;
        }
        found = version2 ? strcmp(type, "cgroup2") == 0
                         : strcmp(type, "cgroup") == 0 && strstr(options, "memory") != NULL;
        if (found) {
            found = snprintf(out, size, "%s", where) < (int)size;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* The path of our own group below the mount: "0::/a/b", or "4:memory:/a/b". */
static bool find_own(const char *proc_cgroup, bool version2, char *out, size_t size)
{
    FILE *file = fopen(proc_cgroup, "re");
    char line[1024];
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        found = version2 ? strncmp(line, "0:", 2) == 0 && controllers[1] == '\0'
                         : strcmp(controllers + 1, "memory") == 0;
        if (found) {
            found = snprintf(out, size, "%s", strcmp(path, "/") == 0 ? "" : path) < (int)size;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static bool may_make(const char *dir)
{
    return access(dir, W_OK | X_OK) == 0;
}

/* Groups made in DIR have the controller, and a process of ours may be moved there. */
static bool is_fit(const char *dir)
{
    return may_make(dir) && has_word(dir, "cgroup.subtree_control", "memory");
}

static troupe_error find_v2(const char *mount, const char *own, char *dir, size_t size,
                            troupe_reason *reason)
{
    if (snprintf(dir, size, "%s%s", mount, own) >= (int)size) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                           "the path of the control group is too long");
    }
    if (is_fit(dir)) {
        return TROUPE_OK;
    }
    char *slash = strrchr(dir, '/');
    if (*own != '\0' && slash != NULL) {
        *slash = '\0';
        if (is_fit(dir)) {
            return TROUPE_OK;
        }
    }
    return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                       "no group that is delegated to us: neither %s%s nor the one above passes on "
                       "the memory controller (systemd: Delegate=memory and "
                       "DelegateSubgroup=host)",
                       mount, own);
}

troupe_error cgroup_find(const char *proc_cgroup, const char *proc_mounts, char *dir, size_t size,
                         troupe_reason *reason)
{
    proc_cgroup = proc_cgroup != NULL ? proc_cgroup : "/proc/self/cgroup";
    proc_mounts = proc_mounts != NULL ? proc_mounts : "/proc/self/mounts";
    char mount[CGROUP_PATH_MAX];
    char own[CGROUP_PATH_MAX];
    if (find_mount(proc_mounts, false, mount, sizeof mount) &&
        find_own(proc_cgroup, false, own, sizeof own)) {
        if (snprintf(dir, size, "%s%s", mount, own) < (int)size && may_make(dir)) {
            return TROUPE_OK;
        }
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "no group can be made in %s%s", mount, own);
    }
    if (find_mount(proc_mounts, true, mount, sizeof mount) &&
        find_own(proc_cgroup, true, own, sizeof own)) {
        return find_v2(mount, own, dir, size, reason);
    }
    return troupe_fail(reason, TROUPE_EUNAVAILABLE, "no control groups are mounted");
}

troupe_error cgroup_create(const char *dir, const char *name, uint64_t memory_bytes, char *path,
                           size_t size, troupe_reason *reason)
{
    char text[32];
    if (snprintf(path, size, "%s/%s", dir, name) >= (int)size) {
        return troupe_fail(reason, TROUPE_EIO, "the path of the control group is too long");
    }
    if (mkdir(path, 0755) != 0) {
        return troupe_fail(reason, TROUPE_EIO, "control group %s: %s", path, strerror(errno));
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)memory_bytes);
    if (!write_text(path, "memory.max", text) && !write_text(path, "memory.limit_in_bytes", text)) {
        troupe_error error =
            troupe_fail(reason, TROUPE_EIO, "control group %s: no memory limit can be set", path);
        (void)cgroup_remove(path);
        return error;
    }
    (void)write_text(path, "memory.swap.max", "0"); /* else the limit only moves to the disk */
    return TROUPE_OK;
}

bool cgroup_enter(const char *path)
{
    char name[CGROUP_PATH_MAX + 16];
    size_t len = strlen(path);
    if (len >= CGROUP_PATH_MAX) {
        return false;
    }
    memcpy(name, path, len);
    memcpy(name + len, "/cgroup.procs", sizeof "/cgroup.procs");
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool done = write(fd, "0", 1) == 1;
    close(fd);
    return done;
}

bool cgroup_kill(const char *path)
{
    return write_text(path, "cgroup.kill", "1");
}

bool cgroup_remove(const char *path)
{
    return rmdir(path) == 0 || errno == ENOENT;
}

/* For version 1, and kernels without cgroup.kill. */
static void kill_each(const char *path)
{
    char name[CGROUP_PATH_MAX + 64];
    snprintf(name, sizeof name, "%s/cgroup.procs", path);
    FILE *file = fopen(name, "re");
    for (long pid; file != NULL && fscanf(file, "%ld", &pid) == 1;) {
        if (pid > 1 && pid != (long)getpid()) {
            (void)kill((pid_t)pid, SIGKILL);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

bool cgroup_end(const char *path, unsigned attempts)
{
    for (unsigned i = 0; i < attempts; i++) {
        if (cgroup_remove(path)) {
            return true;
        }
        if (!cgroup_kill(path)) {
            kill_each(path);
        }
        struct timespec moment = {.tv_nsec = LOOK_MS * 1000000L};
        nanosleep(&moment, NULL);
    }
    return cgroup_remove(path);
}
