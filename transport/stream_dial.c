/* SPDX-License-Identifier: MIT */
/* Connections made by libcurl, always plain to the far end. The socket is then taken from libcurl
 * by dup; only behind a proxy that is itself spoken to over TLS it stays libcurl's. */
#include "stream_dial.h"

#include "clock.h"
#include "curl_session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RECORD_BYTES ((size_t)16 << 10)

struct stream_dial {
    const stream_connect_options *options;
    int epoll;
    int64_t due_ms;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *resolve;
    bool tls_proxy;
    char text[CURL_ERROR_SIZE];
};

/* --- a stream that stays libcurl's ---------------------------------------------------------- */

typedef struct dial_stream {
    stream base;
    stream_dial *dial;
    bool drained;
    /* What libcurl was last asked to write: after "again" it wants the very same bytes at the very
     * same place. */
    size_t record_len;
    size_t record_at;
    char record[RECORD_BYTES];
} dial_stream;

static troupe_error dial_read(stream *s, void *data, size_t size, size_t *n, troupe_reason *reason)
{
    dial_stream *d = (dial_stream *)s;
    CURLcode code = curl_easy_recv(d->dial->easy, data, size, n);
    d->drained = code != CURLE_OK;
    if (code == CURLE_OK && *n == 0) {
        return stream_fail(s, STREAM_END_CLEAN, TROUPE_ECLOSED, reason,
                           "the peer ended the connection");
    }
    if (code != CURLE_OK && code != CURLE_AGAIN) {
        *n = 0;
        return stream_fail(s, STREAM_END_RESET, TROUPE_ECLOSED, reason, "read: %s",
                           curl_easy_strerror(code));
    }
    return TROUPE_OK;
}

static troupe_error dial_write(stream *s, const void *data, size_t len, size_t *n,
                               troupe_reason *reason)
{
    dial_stream *d = (dial_stream *)s;
    if (d->record_at == d->record_len) {
        d->record_len = len < RECORD_BYTES ? len : RECORD_BYTES;
        d->record_at = 0;
        memcpy(d->record, data, d->record_len);
    }
    CURLcode code =
        curl_easy_send(d->dial->easy, d->record + d->record_at, d->record_len - d->record_at, n);
    if (code != CURLE_OK && code != CURLE_AGAIN) {
        *n = 0;
        return troupe_fail(reason, TROUPE_ECLOSED, "write: %s", curl_easy_strerror(code));
    }
    d->record_at += *n;
    return TROUPE_OK;
}

static troupe_error dial_shutdown(stream *s, troupe_reason *reason)
{
    (void)s;
    return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                       "a tunnel through a TLS proxy has no half close");
}

static bool dial_pending(const stream *s)
{
    return !((const dial_stream *)s)->drained;
}

static void dial_destroy(stream *s)
{
    dial_stream *d = (dial_stream *)s;
    stream_dial_end(d->dial);
    free(d);
}

static const stream_ops dial_ops = {
    .read = dial_read,
    .write = dial_write,
    .shutdown = dial_shutdown,
    .pending = dial_pending,
    .destroy = dial_destroy,
};

/* --- libcurl's waiting ---------------------------------------------------------------------- */

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    stream_dial *dial = context;
    (void)multi;
    dial->due_ms = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    const stream_dial *dial = context;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(dial->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    bool ok = epoll_ctl(dial->epoll, EPOLL_CTL_MOD, fd, &event) == 0 ||
              epoll_ctl(dial->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
    return ok ? 0 : -1;
}

/* --- settings ------------------------------------------------------------------------------- */

/** The first of these variables that says something; "" = none does. */
static const char *environment_text(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = names[i] == NULL ? NULL : getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return value;
        }
    }
    return "";
}

/** Whether that name is in no_proxy: "*", or a list of names that stand for what ends in them too.
 */
static bool is_excepted(const char *host)
{
    static const char *const names[] = {"no_proxy", "NO_PROXY"};
    static const char between[] = " \t,";
    const char *list = environment_text(names, 2);
    size_t host_len = strlen(host);
    host_len -= host_len > 0 && host[host_len - 1] == '.';
    if (strcmp(list, "*") == 0) {
        return true;
    }
    for (list += strspn(list, between); *list != '\0'; list += strspn(list, between)) {
        size_t len = strcspn(list, between);
        const char *name = list + (*list == '.');
        size_t name_len = len - (*list == '.');
        list += len;
        name_len -= name_len > 0 && name[name_len - 1] == '.';
        bool ends = name_len > 0 && name_len <= host_len &&
                    strncasecmp(host + host_len - name_len, name, name_len) == 0;
        if (ends && (name_len == host_len || host[host_len - name_len - 1] == '.')) {
            return true;
        }
    }
    return false;
}

/* libcurl would look by the URL's scheme, and it is given http for both. no_proxy it observes
 * itself as well, and for addresses alone. */
const char *stream_environment_proxy(const uri_parts *uri)
{
    const char *const names[] = {uri->tls ? "https_proxy" : "http_proxy",
                                 uri->tls ? "HTTPS_PROXY" : NULL, "all_proxy", "ALL_PROXY"};
    return uri->loopback || is_excepted(uri->host) ? "" : environment_text(names, 4);
}

static bool set_proxy(stream_dial *dial)
{
    const stream_connect_options *options = dial->options;
    const char *proxy = options->proxy;
    CURL *easy = dial->easy;
    if (proxy != NULL && proxy[0] != '\0') {
        curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* asked for: no exceptions */
    } else if (proxy == NULL) {
        proxy = stream_environment_proxy(options->uri);
    }
    dial->tls_proxy = strncasecmp(proxy, "https://", 8) == 0;
    if (dial->tls_proxy && options->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, options->ca_file);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    return curl_easy_setopt(easy, CURLOPT_PROXY, proxy) == CURLE_OK;
}

static bool set_address(stream_dial *dial)
{
    char *url = NULL;
    const uri_parts *uri = dial->options->uri;
    if (asprintf(&url, "http://%s:%u/", uri->host, uri->port) < 0) {
        return false;
    }
    CURLcode code = curl_easy_setopt(dial->easy, CURLOPT_URL, url);
    free(url);
    if (dial->options->resolve != NULL) {
        dial->resolve = curl_slist_append(NULL, dial->options->resolve);
        curl_easy_setopt(dial->easy, CURLOPT_RESOLVE, dial->resolve);
    }
    return code == CURLE_OK;
}

static bool set_up(stream_dial *dial)
{
    CURL *easy = dial->easy = curl_session_handle();
    CURLM *multi = dial->multi = curl_multi_init();
    if (easy == NULL || multi == NULL || !set_address(dial) || !set_proxy(dial)) {
        return false;
    }
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, dial->text);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never wait for the resolver's thread */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)dial->options->timeout_ms);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, dial);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, dial);
    return curl_multi_add_handle(multi, easy) == CURLM_OK;
}

troupe_error stream_dial_begin(const stream_connect_options *options, int epoll, stream_dial **out,
                               troupe_reason *reason)
{
    stream_dial *dial = calloc(1, sizeof(*dial));
    if (dial != NULL) {
        dial->options = options;
        dial->epoll = epoll;
        dial->due_ms = -1;
    }
    if (dial == NULL || !set_up(dial)) {
        stream_dial_end(dial);
        return troupe_fail(reason, TROUPE_ENOMEM, "no memory for the connection");
    }
    *out = dial;
    return TROUPE_OK;
}

int64_t stream_dial_due_ms(const stream_dial *dial)
{
    return dial->due_ms;
}

void stream_dial_end(stream_dial *dial)
{
    if (dial == NULL) {
        return;
    }
    if (dial->multi != NULL && dial->easy != NULL) {
        (void)curl_multi_remove_handle(dial->multi, dial->easy);
    }
    curl_easy_cleanup(dial->easy);
    (void)curl_multi_cleanup(dial->multi);
    curl_slist_free_all(dial->resolve);
    free(dial);
}

/* --- the end of it -------------------------------------------------------------------------- */

static troupe_error keep_tunnel(stream_dial *dial, curl_socket_t socket, stream **out)
{
    dial_stream *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return TROUPE_ENOMEM;
    }
    curl_multi_setopt(dial->multi, CURLMOPT_SOCKETFUNCTION, NULL); /* its epoll is to go */
    curl_multi_setopt(dial->multi, CURLMOPT_TIMERFUNCTION, NULL);
    d->base.ops = &dial_ops;
    d->base.read_fd = socket;
    d->base.write_fd = socket;
    snprintf(d->base.peer, sizeof(d->base.peer), "%.100s:%u", dial->options->uri->host,
             dial->options->uri->port);
    d->dial = dial;
    *out = &d->base;
    return TROUPE_OK;
}

static troupe_error take_socket(stream_dial *dial, stream **out, troupe_reason *reason)
{
    curl_socket_t socket = CURL_SOCKET_BAD;
    curl_easy_getinfo(dial->easy, CURLINFO_ACTIVESOCKET, &socket);
    if (socket == CURL_SOCKET_BAD) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "the connection ended at once");
    }
    if (dial->tls_proxy) {
        return keep_tunnel(dial, socket, out);
    }
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return troupe_fail(reason, TROUPE_EIO, "%s", strerror(errno));
    }
    troupe_error error = stream_create(fd, fd, out);
    if (error != TROUPE_OK) {
        close(fd);
        return troupe_fail(reason, error, "%s", troupe_error_text(error));
    }
    stream_dial_end(dial);
    return TROUPE_OK;
}

static troupe_error explain(const stream_dial *dial, CURLcode code, troupe_reason *reason)
{
    troupe_error error = curl_session_explain(dial->easy, code, dial->text, reason);
    return error == TROUPE_EPROTOCOL ? TROUPE_EUNAVAILABLE : error; /* a proxy's babble */
}

troupe_error stream_dial_step(stream_dial *dial, const struct epoll_event *ready, int count,
                              stream **out, troupe_reason *reason)
{
    int running = 0;
    int left = 0;
    *out = NULL;
    for (int i = 0; i < count; i++) {
        int what = ((ready[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                   ((ready[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                   ((ready[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
        (void)curl_multi_socket_action(dial->multi, ready[i].data.fd, what, &running);
    }
    if (dial->due_ms >= 0 && monotonic_ms() >= dial->due_ms) {
        dial->due_ms = -1;
        (void)curl_multi_socket_action(dial->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    const CURLMsg *message = curl_multi_info_read(dial->multi, &left);
    if (message == NULL || message->msg != CURLMSG_DONE) {
        return TROUPE_OK;
    }
    CURLcode code = message->data.result;
    return code == CURLE_OK ? take_socket(dial, out, reason) : explain(dial, code, reason);
}
