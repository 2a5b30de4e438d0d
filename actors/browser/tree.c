/* SPDX-License-Identifier: MIT */
/* Directory trees: removed and measured. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS  3
#define DEPTH_MAX 200 /* a descriptor each */

static DIR *enter(int at, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);
    if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0) {
        fd = openat(at, name, flags);
    }
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL && fd >= 0) {
        close(fd);
    }
    return dir;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* What stays is tried again, or reported by its directory staying. */
static void empty(DIR *dir, dev_t device, int depth) // NOLINT(misc-no-recursion): bounded
{
    int fd = dirfd(dir);
    for (struct dirent *each; (each = readdir(dir)) != NULL;) {
        struct stat info;
        if (is_dots(each->d_name) || (depth == 0 && strcmp(each->d_name, TREE_MARK) == 0) ||
            fstatat(fd, each->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (!S_ISDIR(info.st_mode)) {
            if (unlinkat(fd, each->d_name, 0) != 0 && errno == EACCES) {
                (void)fchmod(fd, 0700);
                (void)unlinkat(fd, each->d_name, 0);
            }
            continue;
        }
        DIR *inner = info.st_dev == device && depth < DEPTH_MAX ? enter(fd, each->d_name) : NULL;
        if (inner != NULL) {
            empty(inner, device, depth + 1);
            closedir(inner);
            (void)unlinkat(fd, each->d_name, AT_REMOVEDIR);
        }
    }
}

bool tree_mark(int dir_fd)
{
    int fd = openat(dir_fd, TREE_MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

bool tree_is_marked(int dir_fd)
{
    struct stat info;
    return fstatat(dir_fd, TREE_MARK, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
}

/* The emptied directory, and its mark. What was written meanwhile keeps both. */
static bool remove_emptied(const char *path, int fd)
{
    bool marked = tree_is_marked(fd);
    (void)unlinkat(fd, TREE_MARK, 0);
    if (rmdir(path) == 0) {
        return true;
    }
    if (marked) {
        (void)tree_mark(fd);
    }
    return false;
}

bool tree_remove(const char *path)
{
    struct stat info;
    for (int attempt = 0; attempt < ATTEMPTS && lstat(path, &info) == 0; attempt++) {
        DIR *dir = S_ISDIR(info.st_mode) ? enter(AT_FDCWD, path) : NULL;
        if (dir == NULL) {
            return false;
        }
        empty(dir, info.st_dev, 0);
        bool gone = remove_emptied(path, dirfd(dir));
        closedir(dir);
        if (gone) {
            return true;
        }
    }
    return lstat(path, &info) != 0 && errno == ENOENT;
}

static uint64_t measure(DIR *dir, dev_t device, int depth) // NOLINT(misc-no-recursion): bounded
{
    uint64_t sum = 0;
    int fd = dirfd(dir);
    for (struct dirent *each; (each = readdir(dir)) != NULL;) {
        struct stat info;
        if (is_dots(each->d_name) || fstatat(fd, each->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        sum += (uint64_t)info.st_blocks * 512;
        if (S_ISDIR(info.st_mode) && info.st_dev == device && depth < DEPTH_MAX) {
            int inner_fd =
                openat(fd, each->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            DIR *inner = inner_fd >= 0 ? fdopendir(inner_fd) : NULL;
            if (inner != NULL) {
                sum += measure(inner, device, depth + 1);
                closedir(inner);
            } else if (inner_fd >= 0) {
                close(inner_fd);
            }
        }
    }
    return sum;
}

uint64_t tree_bytes(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 && fstat(fd, &info) == 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return 0;
    }
    uint64_t sum = measure(dir, info.st_dev, 0);
    closedir(dir);
    return sum;
}
