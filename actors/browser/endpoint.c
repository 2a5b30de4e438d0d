/* SPDX-License-Identifier: MIT */
/* Discovery: DevToolsActivePort of a browser we started, /json/version of one we did not. */
#include "endpoint.h"

#include "transport/http_client.h"
#include "transport/json_scan.h"
#include "transport/websocket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

/* The second line of the port file has no end of line: its length tells whether it is whole. */
#define BROWSER_PATH "/devtools/browser/"
#define UUID_LEN     36

#define ABORT_SLICE_MS 100 /* how soon an abort is noticed */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Two lines: the port, and the path of the browser's WebSocket. */
static bool read_port_file(const char *profile, char *url, size_t url_size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/DevToolsActivePort", profile);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    unsigned port;
    char tail[128];
    bool whole = fscanf(file, "%u\n%127s", &port, tail) == 2 && port > 0 && port < 65536 &&
                 strncmp(tail, BROWSER_PATH, strlen(BROWSER_PATH)) == 0 &&
                 strlen(tail) >= strlen(BROWSER_PATH) + UUID_LEN;
    fclose(file);
    return whole && snprintf(url, url_size, "ws://127.0.0.1:%u%s", port, tail) < (int)url_size;
}

static troupe_error wait_port_file(const endpoint_options *options, char *url, size_t url_size,
                                   troupe_reason *reason)
{
    int64_t deadline = now_ms() + options->timeout_ms;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch < 0 ||
        inotify_add_watch(watch, options->profile, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MODIFY) < 0) {
        troupe_error error = troupe_fail(reason, TROUPE_EIO, "cannot watch %s: %s",
                                         options->profile, strerror(errno));
        if (watch >= 0) {
            close(watch);
        }
        return error;
    }
    troupe_error error = TROUPE_OK;
    while (!read_port_file(options->profile, url, url_size)) {
        int64_t left = deadline - now_ms();
        struct pollfd fds[2] = {{.fd = watch, .events = POLLIN},
                                {.fd = options->pid_fd, .events = POLLIN}};
        if (left <= 0) {
            error = troupe_fail(reason, TROUPE_ETIMEOUT, "no debugging port after %u ms",
                                options->timeout_ms);
            break;
        }
        if (options->abort != NULL && options->abort(options->abort_context)) {
            error = troupe_fail(reason, TROUPE_ECANCELLED, "closed");
            break;
        }
        if (poll(fds, 2, left < ABORT_SLICE_MS ? (int)left : ABORT_SLICE_MS) > 0 &&
            fds[1].revents != 0) {
            error = troupe_fail(reason, TROUPE_ECLOSED, "it ended before it listened on a port");
            break;
        }
        char events[sizeof(struct inotify_event) + NAME_MAX + 1];
        while (read(watch, events, sizeof events) > 0) {
        }
    }
    close(watch);
    return error;
}

static troupe_error ask_version(const endpoint_options *options, char *url, size_t url_size,
                                troupe_reason *reason)
{
    char version[512];
    snprintf(version, sizeof version, "%s/json/version", options->endpoint);
    http_request request = {.url = version,
                            .timeout_ms = options->timeout_ms,
                            .response_max = 1u << 20,
                            .abort = options->abort,
                            .abort_context = options->abort_context};
    http_response response = {0};
    troupe_error error = http_send(&request, &response, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    json_span span;
    const char *text;
    size_t len;
    if (response.status != 200) {
        error = troupe_fail(reason, TROUPE_EPROTOCOL, "%s answered with status %d", version,
                            response.status);
    } else if (!json_member(response.body, response.body_len, "webSocketDebuggerUrl", &span) ||
               !json_plain_string(span, &text, &len) || len >= url_size) {
        error = troupe_fail(reason, TROUPE_EPROTOCOL,
                            "%s names no webSocketDebuggerUrl: no browser", version);
    } else {
        snprintf(url, url_size, "%.*s", (int)len, text);
    }
    http_response_fini(&response);
    return error;
}

troupe_error endpoint_connect(const endpoint_options *options, char *url, size_t url_size,
                              message_stream **out, troupe_reason *reason)
{
    troupe_error error = TROUPE_OK;
    if (options->endpoint == NULL) {
        error = wait_port_file(options, url, url_size, reason);
    } else if (strncmp(options->endpoint, "ws", 2) == 0) {
        snprintf(url, url_size, "%s", options->endpoint);
    } else {
        error = ask_version(options, url, url_size, reason);
    }
    if (error != TROUPE_OK) {
        return error;
    }
    websocket_options socket = {.url = url,
                                .connect_timeout_ms = options->timeout_ms,
                                .abort = options->abort,
                                .abort_context = options->abort_context};
    return websocket_connect(&socket, out, reason);
}
