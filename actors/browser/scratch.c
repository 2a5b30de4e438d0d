/* SPDX-License-Identifier: MIT */
/* Scratch directories of browsers. */
#include "scratch.h"

#include "cgroup.h"
#include "proc.h"
#include "tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREATE_ATTEMPTS 8
#define KILL_LOOKS      40 /* of 5 ms: what is killed is gone by then */
#define RANDOM_LEN      6
#define CGROUP_NOTE     "cgroup"

static int open_dir(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whether that descriptor is still what the path names. */
static bool is_there(int fd, const char *path)
{
    struct stat held;
    struct stat named;
    return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

troupe_error scratch_create(const char *runtime_dir, const char *name, char *path, int *lock_fd,
                            troupe_reason *reason)
{
    for (int attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
        int written = snprintf(path, SCRATCH_PATH_MAX, "%s/troupe-%s-XXXXXX", runtime_dir, name);
        if (written >= SCRATCH_PATH_MAX) {
            return troupe_fail(reason, TROUPE_EIO, "the path of the runtime directory is too long");
        }
        if (mkdtemp(path) == NULL) {
            return troupe_fail(reason, TROUPE_EIO, "no temporary directory in %s: %s", runtime_dir,
                               strerror(errno));
        }
        int fd = open_dir(path);
        /* Somebody else's sweep may have been quicker than our lock. */
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_there(fd, path) && tree_mark(fd)) {
            *lock_fd = fd;
            return TROUPE_OK;
        }
        int why = errno;
        if (fd >= 0) {
            close(fd);
        }
        (void)rmdir(path);
        if (fd < 0 || (why != EWOULDBLOCK && why != ENOENT)) {
            return troupe_fail(reason, TROUPE_EIO, "%s cannot be locked: %s", path, strerror(why));
        }
    }
    return troupe_fail(reason, TROUPE_EIO, "no temporary directory in %s stays", runtime_dir);
}

/* "troupe-NAME-" and six letters or digits: not those of a host whose name begins with ours. */
static bool is_scratch(const char *entry, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(entry, "troupe-", 7) != 0 || strncmp(entry + 7, name, len) != 0 ||
        entry[7 + len] != '-') {
        return false;
    }
    const char *rest = entry + 8 + len;
    for (size_t i = 0; i < RANDOM_LEN; i++) {
        if (!isalnum((unsigned char)rest[i])) {
            return false;
        }
    }
    return rest[RANDOM_LEN] == '\0';
}

/* Open and locked, if it is an orphan of ours; else -1. Its name alone does not make it ours: what
 * somebody else called so has no mark. */
static int take_orphan(const char *path)
{
    struct stat info;
    int fd = open_dir(path);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &info) != 0 || info.st_uid != geteuid() || !tree_is_marked(fd) ||
        flock(fd, LOCK_EX | LOCK_NB) != 0 || !is_there(fd, path)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Calls fn with the path of each orphan, which is locked meanwhile; false ends it. */
static void each_orphan(const char *runtime_dir, const char *name,
                        bool (*fn)(void *context, const char *path), void *context)
{
    DIR *dir = opendir(runtime_dir);
    bool more = dir != NULL;
    for (struct dirent *each; more && (each = readdir(dir)) != NULL;) {
        char path[SCRATCH_PATH_MAX];
        if (!is_scratch(each->d_name, name) ||
            snprintf(path, sizeof path, "%s/%s", runtime_dir, each->d_name) >= (int)sizeof path) {
            continue;
        }
        int fd = take_orphan(path);
        if (fd >= 0) {
            more = fn(context, path);
            close(fd);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static bool count_directory(void *context, const char *path)
{
    (void)path;
    scratch_leftovers *found = context;
    found->directories++;
    return true;
}

/* Whether the directory that a process has its TMPDIR in is kept by nobody: gone, or an orphan. */
static bool is_orphaned(pid_t pid, const char *runtime_dir, const char *name)
{
    char variable[32 * 1024];
    ssize_t len = proc_read(pid, "environ", variable, sizeof variable);
    if (len <= 0) {
        return false;
    }
    size_t dir_len = strlen(runtime_dir);
    for (char *at = variable; at < variable + len; at += strlen(at) + 1) {
        char *end = strncmp(at, "TMPDIR=", 7) == 0 ? strrchr(at, '/') : NULL;
        char *path = at + 7;
        if (end == NULL || strcmp(end, "/tmp") != 0 || strncmp(path, runtime_dir, dir_len) != 0 ||
            path[dir_len] != '/') {
            continue;
        }
        *end = '\0';
        if (!is_scratch(path + dir_len + 1, name)) {
            return false;
        }
        int lock = open_dir(path);
        bool orphan = lock < 0 || (tree_is_marked(lock) && flock(lock, LOCK_EX | LOCK_NB) == 0);
        if (lock >= 0) {
            close(lock);
        }
        return orphan;
    }
    return false;
}

scratch_leftovers scratch_look(const char *runtime_dir, const char *name)
{
    scratch_leftovers found = {0};
    each_orphan(runtime_dir, name, count_directory, &found);
    char prefix[SCRATCH_PATH_MAX];
    snprintf(prefix, sizeof prefix, "%s/troupe-%s-", runtime_dir, name);
    proc_table table = {0};
    if (proc_table_read(&table)) {
        for (size_t i = 0; i < table.count; i++) {
            found.processes += proc_belongs(table.entries[i].pid, prefix, true) &&
                               is_orphaned(table.entries[i].pid, runtime_dir, name);
        }
    }
    proc_table_fini(&table);
    return found;
}

bool scratch_note_cgroup(const char *path, const char *parent)
{
    char name[SCRATCH_PATH_MAX + 16];
    snprintf(name, sizeof name, "%s/%s", path, CGROUP_NOTE);
    FILE *file = fopen(name, "wxe");
    bool done = file != NULL && fputs(parent, file) >= 0;
    return file != NULL && fclose(file) == 0 && done;
}

/* Its control group is gone. Only one that is named as the directory is ever touched: the browser
 * could have written the note anew. */
static bool end_cgroup(const char *path)
{
    char parent[CGROUP_PATH_MAX] = "";
    char group[CGROUP_PATH_MAX + SCRATCH_PATH_MAX];
    char name[SCRATCH_PATH_MAX + 16];
    snprintf(name, sizeof name, "%s/%s", path, CGROUP_NOTE);
    int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, parent, sizeof parent - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (len <= 0) {
        return true; /* it has none */
    }
    int written = snprintf(group, sizeof group, "%s%s", parent, strrchr(path, '/'));
    return parent[0] == '/' && written < CGROUP_PATH_MAX && cgroup_end(group, KILL_LOOKS);
}

typedef struct sweep {
    scratch_leftovers done;
    bool (*stop)(void *context);
    void *context;
} sweep;

static bool sweep_one(void *context, const char *path)
{
    sweep *self = context;
    if (self->stop != NULL && self->stop(self->context)) {
        return false;
    }
    size_t killed = 0;
    size_t there = proc_kill_marked(path, KILL_LOOKS, &killed);
    self->done.processes += killed;
    bool gone = end_cgroup(path) && there == 0 && tree_remove(path);
    self->done.directories += gone;
    self->done.failed += !gone;
    return true;
}

scratch_leftovers scratch_sweep(const char *runtime_dir, const char *name,
                                bool (*stop)(void *context), void *context)
{
    sweep self = {.stop = stop, .context = context};
    each_orphan(runtime_dir, name, sweep_one, &self);
    return self.done;
}
