/* SPDX-License-Identifier: MIT */
/* The state directory: who is the host of a name, and where. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

troupe_error state_path(const char *dir, const char *name, const char *suffix,
                        char out[STATE_PATH_MAX], troupe_reason *reason)
{
    int len = snprintf(out, STATE_PATH_MAX, "%s/%s%s", dir, name, suffix);
    if (len < 0 || len >= STATE_PATH_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the state directory's path is too long");
    }
    return TROUPE_OK;
}

/* Every directory above `path`, then itself. */
static int make_all(const char *path)
{
    char copy[STATE_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
            return -1;
        }
        *slash = '/';
    }
    return mkdir(copy, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

troupe_error state_dir_make(const char *dir, troupe_reason *reason)
{
    struct stat status;
    if (strlen(dir) >= STATE_PATH_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the state directory's path is too long");
    }
    if (make_all(dir) != 0 || stat(dir, &status) != 0) {
        return troupe_fail(reason, TROUPE_EIO, "state directory %s: %s", dir, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return troupe_fail(reason, TROUPE_EIO, "state directory %s: not a directory", dir);
    }
    if (status.st_uid != geteuid()) {
        return troupe_fail(reason, TROUPE_EFORBIDDEN, "state directory %s: belongs to another user",
                           dir);
    }
    if ((status.st_mode & 077) != 0 && chmod(dir, 0700) != 0) {
        return troupe_fail(reason, TROUPE_EIO, "state directory %s: %s", dir, strerror(errno));
    }
    if (access(dir, W_OK | X_OK) != 0) {
        return troupe_fail(reason, TROUPE_EIO, "state directory %s: %s", dir, strerror(errno));
    }
    return TROUPE_OK;
}

static struct flock whole_file(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    return lock;
}

troupe_error state_lock(const char *dir, const char *name, int *out_fd, troupe_reason *reason)
{
    char path[STATE_PATH_MAX];
    troupe_error error = state_path(dir, name, ".lock", path, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(errno));
    }
    /* Of the open file, not of the process: others can ask for it without taking it. */
    struct flock lock = whole_file(F_WRLCK);
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        int reported = errno;
        close(fd);
        if (reported == EAGAIN || reported == EACCES) {
            return troupe_fail(reason, TROUPE_ESTATE, "a host named '%s' is already running", name);
        }
        return troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(reported));
    }
    *out_fd = fd;
    return TROUPE_OK;
}

bool state_locked(const char *dir, const char *name)
{
    char path[STATE_PATH_MAX];
    if (state_path(dir, name, ".lock", path, NULL) != TROUPE_OK) {
        return false;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return false;
    }
    struct flock lock = whole_file(F_WRLCK);
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}

static bool write_whole(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, text, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        text += written;
        len -= (size_t)written;
    }
    return true;
}

troupe_error state_write_text(const char *path, const char *text, troupe_reason *reason)
{
    char draft[STATE_PATH_MAX + 16];
    snprintf(draft, sizeof draft, "%s.%ld", path, (long)getpid());
    (void)unlink(draft);
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(errno));
    }
    bool ok = write_whole(fd, text, strlen(text)) && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    if (!ok || rename(draft, path) != 0) {
        int reported = errno;
        (void)unlink(draft);
        return troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(reported));
    }
    return TROUPE_OK;
}

troupe_error state_write(const char *dir, const char *name, const host_state *state,
                         troupe_reason *reason)
{
    char path[STATE_PATH_MAX];
    troupe_error error = state_path(dir, name, ".json", path, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    json_t *value =
        json_pack("{s:s, s:i, s:I, s:s, s:s?, s:I, s:b}", "url", state->url, "port",
                  (int)state->port, "pid", (json_int_t)state->pid, "version", state->version,
                  "token_file", state->token_file[0] != '\0' ? state->token_file : NULL, "started",
                  (json_int_t)state->started, "automatic", (int)state->automatic);
    char *text = value != NULL ? json_dumps(value, JSON_INDENT(2)) : NULL;
    json_decref(value);
    error = text != NULL ? state_write_text(path, text, reason) : TROUPE_ENOMEM;
    free(text);
    return error;
}

static void copy_text(char *out, size_t size, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text != NULL ? text : "");
}

static bool take_members(const json_t *value, host_state *out)
{
    memset(out, 0, sizeof *out);
    copy_text(out->url, sizeof out->url, value, "url");
    copy_text(out->version, sizeof out->version, value, "version");
    copy_text(out->token_file, sizeof out->token_file, value, "token_file");
    json_int_t port = json_integer_value(json_object_get(value, "port"));
    json_int_t pid = json_integer_value(json_object_get(value, "pid"));
    out->started = json_integer_value(json_object_get(value, "started"));
    out->automatic = json_is_true(json_object_get(value, "automatic"));
    out->port = (uint16_t)port;
    out->pid = (pid_t)pid;
    return out->url[0] != '\0' && port > 0 && port <= UINT16_MAX && pid > 0 && pid <= INT32_MAX;
}

troupe_error state_read(const char *dir, const char *name, host_state *out, troupe_reason *reason)
{
    char path[STATE_PATH_MAX];
    troupe_error error = state_path(dir, name, ".json", path, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == ENOENT || errno == ENOTDIR
                   ? troupe_fail(reason, TROUPE_ENOTFOUND, "no host named '%s' is running", name)
                   : troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(errno));
    }
    json_t *value = json_loadf(file, 0, NULL);
    fclose(file);
    bool ok = json_is_object(value) && take_members(value, out);
    json_decref(value);
    return ok ? TROUPE_OK : troupe_fail(reason, TROUPE_EPARSE, "%s is damaged", path);
}

troupe_error state_find(const char *dir, const char *name, host_state *out, troupe_reason *reason)
{
    troupe_error error = state_read(dir, name, out, reason);
    if (error == TROUPE_EPARSE && !state_locked(dir, name)) {
        error = TROUPE_ENOTFOUND;
    }
    if (error == TROUPE_OK &&
        (!state_locked(dir, name) || (kill(out->pid, 0) != 0 && errno == ESRCH))) {
        error = TROUPE_ENOTFOUND;
    }
    if (error == TROUPE_ENOTFOUND) {
        return troupe_fail(reason, error, "no host named '%s' is running", name);
    }
    return error;
}

void state_remove(const char *dir, const char *name)
{
    char path[STATE_PATH_MAX];
    if (state_path(dir, name, ".json", path, NULL) == TROUPE_OK) {
        (void)unlink(path);
    }
}
