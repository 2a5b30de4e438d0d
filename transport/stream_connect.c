/* SPDX-License-Identifier: MIT */
/* Connecting without blocking. One epoll descriptor stands for everything an attempt waits for:
 * libcurl's sockets, ours during TLS, and a timer armed for whichever limit comes first. */
#include "stream_connect.h"

#include "clock.h"
#include "stream_dial.h"
#include "stream_tls.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ABORT_SLICE_MS 100
#define LOCAL_RETRY_MS 10 /* a Unix socket's queue is full: nothing tells when it is not */

typedef enum attempt_state {
    ATTEMPT_NAME,
    ATTEMPT_LOCAL,
    ATTEMPT_TLS,
    ATTEMPT_DONE,
    ATTEMPT_FAILED,
} attempt_state;

struct stream_attempt {
    stream_connect_options options;
    attempt_state state;
    troupe_error error; /* of FAILED */
    troupe_reason why;
    int epoll;
    int timer;
    int64_t deadline_ms; /* monotonic, as due_ms */
    int64_t due_ms;      /* the dial, or the next try, wants a step then; -1 = not by time */
    stream_dial *dial;
    stream *made;     /* connected, not yet handed out */
    uint32_t watched; /* events asked for of `made`; 0 = not in the epoll set */
    char where[300];  /* for reasons */
};

static troupe_error fail(stream_attempt *a, troupe_error error, const char *text,
                         troupe_reason *reason)
{
    a->state = ATTEMPT_FAILED;
    a->error = error;
    snprintf(a->why.text, sizeof(a->why.text), "%s", text);
    return troupe_fail(reason, error, "%s", text);
}

static troupe_error fail_at(stream_attempt *a, troupe_error error, const char *text,
                            troupe_reason *reason)
{
    char whole[800];
    snprintf(whole, sizeof(whole), "%s: %s", a->where, text);
    return fail(a, error, whole, reason);
}

static troupe_error fail_late(stream_attempt *a, troupe_reason *reason)
{
    char text[100];
    snprintf(text, sizeof(text), "%s within %u ms",
             a->state == ATTEMPT_TLS ? "TLS was not agreed on" : "no connection",
             a->options.timeout_ms);
    return fail_at(a, TROUPE_ETIMEOUT, text, reason);
}

/* --- waiting -------------------------------------------------------------------------------- */

static void arm(const stream_attempt *a)
{
    int64_t due = a->due_ms >= 0 && a->due_ms < a->deadline_ms ? a->due_ms : a->deadline_ms;
    struct itimerspec when = {.it_value = {due / 1000, due % 1000 * 1000000}};
    if (due <= 0) {
        when.it_value.tv_nsec = 1;
    }
    (void)timerfd_settime(a->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool watch_made(stream_attempt *a)
{
    uint32_t wanted = stream_wants_write(a->made) ? (uint32_t)EPOLLOUT : (uint32_t)EPOLLIN;
    struct epoll_event event = {.events = wanted, .data.fd = stream_read_fd(a->made)};
    if (wanted == a->watched) {
        return true;
    }
    a->watched = wanted;
    return epoll_ctl(a->epoll, EPOLL_CTL_MOD, stream_read_fd(a->made), &event) == 0 ||
           epoll_ctl(a->epoll, EPOLL_CTL_ADD, stream_read_fd(a->made), &event) == 0;
}

static void unwatch_made(stream_attempt *a)
{
    if (a->watched != 0) {
        (void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, stream_read_fd(a->made), NULL);
        a->watched = 0;
    }
}

/* --- the connection, by libcurl ------------------------------------------------------------- */

static troupe_error begin_name(stream_attempt *a, troupe_reason *reason)
{
    troupe_error error = stream_dial_begin(&a->options, a->epoll, &a->dial, reason);
    if (error == TROUPE_OK) {
        a->due_ms = stream_dial_due_ms(a->dial);
        arm(a);
    }
    return error;
}

/** ready: the events that the descriptors have, the timer's among them. */
static troupe_error step_name(stream_attempt *a, struct epoll_event *ready, int count, bool *done,
                              troupe_reason *reason)
{
    troupe_reason why = {{0}};
    int others = 0;
    for (int i = 0; i < count; i++) {
        if (ready[i].data.fd != a->timer) {
            ready[others++] = ready[i];
        }
    }
    troupe_error error = stream_dial_step(a->dial, ready, others, &a->made, &why);
    *done = a->made != NULL;
    if (*done) {
        a->dial = NULL; /* went into the stream */
    } else {
        a->due_ms = stream_dial_due_ms(a->dial);
    }
    if (error == TROUPE_ETIMEOUT) {
        return fail_late(a, reason);
    }
    return error == TROUPE_OK ? TROUPE_OK : fail_at(a, error, why.text, reason);
}

/* --- the connection, a Unix socket's -------------------------------------------------------- */

static troupe_error begin_local(stream_attempt *a, troupe_reason *reason)
{
    struct sockaddr_un address;
    size_t len = strlen(a->options.unix_path);
    if (len == 0 || len >= sizeof(address.sun_path)) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "the path of a Unix socket has 1 to %zu bytes: this has %zu",
                           sizeof(address.sun_path) - 1, len);
    }
    a->due_ms = monotonic_ms();
    arm(a);
    return TROUPE_OK;
}

static troupe_error step_local(stream_attempt *a, bool *done, troupe_reason *reason)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *done = false;
    if (a->due_ms < 0 || monotonic_ms() < a->due_ms) {
        return TROUPE_OK;
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", a->options.unix_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail_at(a, TROUPE_EIO, strerror(errno), reason);
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int code = errno;
        close(fd);
        if (code != EAGAIN && code != EINTR) {
            return fail_at(a, TROUPE_EUNAVAILABLE, strerror(code), reason);
        }
        a->due_ms = monotonic_ms() + LOCAL_RETRY_MS;
        arm(a);
        return TROUPE_OK;
    }
    *done = true;
    troupe_error error = stream_create(fd, fd, &a->made);
    if (error != TROUPE_OK) {
        close(fd);
        return fail_at(a, error, troupe_error_text(error), reason);
    }
    return TROUPE_OK;
}

/* --- TLS ------------------------------------------------------------------------------------ */

static troupe_error begin_tls(stream_attempt *a, troupe_reason *reason)
{
    stream_tls_options options = {.host = a->options.uri->host,
                                  .ca_file = a->options.ca_file,
                                  .cert_file = a->options.cert_file,
                                  .key_file = a->options.key_file};
    troupe_reason why = {{0}};
    stream *over = NULL;
    troupe_error error = stream_tls_create(a->made, &options, &over, &why);
    if (error != TROUPE_OK) {
        return fail(a, error, why.text, reason);
    }
    a->made = over;
    a->state = ATTEMPT_TLS;
    return TROUPE_OK;
}

static troupe_error step_tls(stream_attempt *a, troupe_reason *reason)
{
    bool done = false;
    troupe_reason why = {{0}};
    troupe_error error = stream_tls_handshake(a->made, &done, &why);
    if (error != TROUPE_OK) {
        return error == TROUPE_ECLOSED ? fail_at(a, TROUPE_EUNAVAILABLE, why.text, reason)
                                       : fail(a, error, why.text, reason);
    }
    if (done) {
        unwatch_made(a);
        a->state = ATTEMPT_DONE;
    } else if (!watch_made(a)) {
        return fail_at(a, TROUPE_EIO, strerror(errno), reason);
    }
    return TROUPE_OK;
}

/* --- the attempt ---------------------------------------------------------------------------- */

static bool open_descriptors(stream_attempt *a)
{
    a->epoll = epoll_create1(EPOLL_CLOEXEC);
    a->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = a->timer};
    return a->epoll >= 0 && a->timer >= 0 &&
           epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->timer, &event) == 0;
}

troupe_error stream_connect_begin(const stream_connect_options *options, stream_attempt **out,
                                  troupe_reason *reason)
{
    stream_attempt *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        (void)troupe_fail(reason, TROUPE_ENOMEM, "no memory for the connection");
        return TROUPE_ENOMEM;
    }
    a->options = *options;
    a->options.timeout_ms =
        options->timeout_ms == 0 ? STREAM_CONNECT_TIMEOUT_MS : options->timeout_ms;
    a->due_ms = -1;
    a->deadline_ms = monotonic_ms() + (int64_t)a->options.timeout_ms;
    bool local = options->unix_path != NULL;
    if (local) {
        snprintf(a->where, sizeof(a->where), "unix:%s", options->unix_path);
    } else {
        snprintf(a->where, sizeof(a->where), "%s:%u", options->uri->host, options->uri->port);
    }
    troupe_error error = open_descriptors(a)
                             ? TROUPE_OK
                             : troupe_fail(reason, TROUPE_EIO, "%s: %s", a->where, strerror(errno));
    if (error == TROUPE_OK) {
        a->state = local ? ATTEMPT_LOCAL : ATTEMPT_NAME;
        arm(a);
        error = local ? begin_local(a, reason) : begin_name(a, reason);
    }
    if (error != TROUPE_OK) {
        stream_connect_end(a);
        return error;
    }
    *out = a;
    return TROUPE_OK;
}

int stream_connect_fd(const stream_attempt *attempt)
{
    return attempt->epoll;
}

/** What can be done now. */
static troupe_error move(stream_attempt *a, struct epoll_event *ready, int count,
                         troupe_reason *reason)
{
    bool done = false;
    troupe_error error = TROUPE_OK;
    if (a->state == ATTEMPT_NAME) {
        error = step_name(a, ready, count, &done, reason);
    } else if (a->state == ATTEMPT_LOCAL) {
        error = step_local(a, &done, reason);
    }
    if (error == TROUPE_OK && done) {
        a->due_ms = -1;
        arm(a);
        if (a->options.uri->tls) {
            error = begin_tls(a, reason);
        } else {
            a->state = ATTEMPT_DONE;
        }
    }
    return error == TROUPE_OK && a->state == ATTEMPT_TLS ? step_tls(a, reason) : error;
}

troupe_error stream_connect_step(stream_attempt *attempt, stream **out, troupe_reason *reason)
{
    stream_attempt *a = attempt;
    struct epoll_event ready[8];
    uint64_t ticks = 0;
    *out = NULL;
    if (a->state == ATTEMPT_FAILED) {
        return troupe_fail(reason, a->error, "%s", a->why.text);
    }
    int count = epoll_wait(a->epoll, ready, 8, 0);
    (void)!read(a->timer, &ticks, sizeof(ticks));
    troupe_error error = move(a, ready, count, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    if (a->state == ATTEMPT_DONE) {
        *out = a->made;
        a->made = NULL;
        return TROUPE_OK;
    }
    if (monotonic_ms() >= a->deadline_ms) {
        return fail_late(a, reason);
    }
    arm(a);
    return TROUPE_OK;
}

void stream_connect_end(stream_attempt *attempt)
{
    stream_attempt *a = attempt;
    if (a == NULL) {
        return;
    }
    stream_dial_end(a->dial);
    stream_destroy(a->made);
    if (a->timer >= 0) {
        close(a->timer);
    }
    if (a->epoll >= 0) {
        close(a->epoll);
    }
    free(a);
}

troupe_error stream_connect(const stream_connect_options *options, stream **out,
                            troupe_reason *reason)
{
    stream_attempt *a = NULL;
    troupe_error error = stream_connect_begin(options, &a, reason);
    *out = NULL;
    while (error == TROUPE_OK && *out == NULL) {
        struct pollfd entry = {stream_connect_fd(a), POLLIN, 0};
        if (options->abort != NULL && options->abort(options->abort_context)) {
            error = troupe_fail(reason, TROUPE_ECANCELLED, "given up while connecting");
            break;
        }
        if (poll(&entry, 1, options->abort != NULL ? ABORT_SLICE_MS : -1) > 0) {
            error = stream_connect_step(a, out, reason);
        }
    }
    stream_connect_end(a);
    return error;
}
