/* SPDX-License-Identifier: MIT */
/* Connecting: by DevToolsActivePort for a browser we started, by its address for one we did not. */
#include "endpoint_connect.h"

#include "endpoint_claims.h"
#include "endpoint_discover.h"
#include "transport/clock.h"
#include "transport/websocket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

/* The second line of the port file has no end of line: its length tells whether it is whole. */
#define BROWSER_PATH "/devtools/browser/"
#define UUID_LEN     36

/* One of others answers in this time, or not at all: with the time for its /json/version, less than
 * a caller of ports.add waits. */
#define OTHERS_MAX_MS 15000u

#define ABORT_SLICE_MS 100 /* how soon an abort is noticed */

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
    int64_t deadline = monotonic_ms() + options->timeout_ms;
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
        int64_t left = deadline - monotonic_ms();
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

/* The WebSocket -----------------------------------------------------------------------------
 */

static troupe_error connect_url(const endpoint_options *options, const char *token, const char *url,
                                message_stream **out, troupe_reason *reason)
{
    static const browser_endpoint ours = {.proxy = NULL};
    const browser_endpoint *at = options->at != NULL ? options->at : &ours;
    bool late = options->at != NULL && options->timeout_ms > OTHERS_MAX_MS;
    websocket_options socket = {.url = url,
                                .bearer_token = token,
                                .headers = (const char *const *)at->headers,
                                .unix_path = at->unix_path,
                                .proxy = at->proxy,
                                .resolve = options->resolve,
                                .ca_file = at->ca_file,
                                .cert_file = at->cert_file,
                                .key_file = at->key_file,
                                .connect_timeout_ms = late ? OTHERS_MAX_MS : options->timeout_ms,
                                .abort = options->abort,
                                .abort_context = options->abort_context};
    troupe_reason why = {{0}};
    troupe_error error = websocket_connect(&socket, out, &why);
    return error == TROUPE_OK ? TROUPE_OK : endpoint_unreachable(error, why.text, reason);
}

/* An URL that was given as the WebSocket's. Chrome answers no names but localhost: with status 500.
 */
static troupe_error connect_direct(const endpoint_options *options, const char *token,
                                   const char *url, message_stream **out, troupe_reason *reason)
{
    char *numeric = NULL;
    troupe_reason why = {{0}};
    troupe_error error = connect_url(options, token, url, out, &why);
    if (error == TROUPE_EPROTOCOL && strstr(why.text, "status 500") != NULL &&
        endpoint_by_address(options, url, &numeric, NULL) == TROUPE_OK) {
        error = connect_url(options, token, numeric, out, &why);
        free(numeric);
    }
    return error == TROUPE_OK ? TROUPE_OK : troupe_fail(reason, error, "%s", why.text);
}

/* The WebSocket's URL (freed with free). */
static troupe_error find_url(const endpoint_options *options, const char *token, char **url,
                             troupe_reason *reason)
{
    char found[256];
    if (options->at != NULL && !options->at->direct) {
        return endpoint_discover(options, token, url, reason);
    }
    if (options->at == NULL) {
        troupe_error error = wait_port_file(options, found, sizeof found, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    *url = strdup(options->at != NULL ? options->at->url : found);
    return *url != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

static troupe_error connect_found(const endpoint_options *options, const char *token,
                                  const char *url, message_stream **out, troupe_reason *reason)
{
    troupe_error error = endpoint_claim(options->owner, options->id, url, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    bool direct = options->at != NULL && options->at->direct;
    error = direct ? connect_direct(options, token, url, out, reason)
                   : connect_url(options, token, url, out, reason);
    if (error != TROUPE_OK) {
        endpoint_release(options->owner, options->id);
    }
    return error;
}

troupe_error endpoint_connect(const endpoint_options *options, char *url, size_t url_size,
                              message_stream **out, troupe_reason *reason)
{
    char *token = NULL;
    char *found = NULL;
    troupe_error error = TROUPE_OK;
    if (options->at != NULL && options->at->token_file != NULL) {
        error = endpoint_read_token(options->at->token_file, &token, reason);
    }
    if (error == TROUPE_OK) {
        error = find_url(options, token, &found, reason);
    }
    if (error == TROUPE_OK) {
        snprintf(url, url_size, "%.*s", (int)strcspn(found, "?"), found);
        error = connect_found(options, token, found, out, reason);
    }
    if (token != NULL) {
        explicit_bzero(token, strlen(token));
    }
    free(token);
    free(found);
    return error == TROUPE_ENOMEM ? troupe_fail(reason, error, "no memory for the connection")
                                  : error;
}
