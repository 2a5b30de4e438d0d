/* SPDX-License-Identifier: MIT */
/* systemd's protocol of sd_notify(3): one datagram of lines. */
#include "notify.h"

#include "troupe/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The path, or, with a leading @, the abstract name. False: it is neither. */
static bool address_of(const char *path, struct sockaddr_un *out, socklen_t *len)
{
    size_t path_len = strlen(path);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((path[0] != '/' && path[0] != '@') || path_len >= sizeof out->sun_path) {
        return false;
    }
    memcpy(out->sun_path, path, path_len);
    if (path[0] == '@') {
        out->sun_path[0] = '\0';
    }
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len);
    return true;
}

void notify_send(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    socklen_t to_len;
    char text[512];
    if (path == NULL || path[0] == '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int fd = -1;
    bool valid = address_of(path, &to, &to_len);
    bool sent = false;
    if (valid && len > 0 && (size_t)len < sizeof text) {
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sent = fd >= 0 &&
               sendto(fd, text, (size_t)len, MSG_NOSIGNAL, (struct sockaddr *)&to, to_len) == len;
    }
    if (!sent) {
        troupe_log(TROUPE_LOG_WARN, "serve", "not-notified", path, "%s",
                   valid ? strerror(errno) : "NOTIFY_SOCKET is no path");
    }
    if (fd >= 0) {
        close(fd);
    }
}

uint32_t notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        return 0;
    }
    unsigned long long value = strtoull(usec, NULL, 10) / 2000;
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}
