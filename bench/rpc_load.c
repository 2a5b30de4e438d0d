/* SPDX-License-Identifier: MIT */
/*
 * Requests to an HTTP server, or messages to a WebSocket, each connection one after the other, all
 * connections at once; and how long each answer took. Prints one line of JSON.
 *
 *   bench_rpc_load http PORT PATH BODY CONNECTIONS SECONDS
 *   bench_rpc_load ws   PORT PATH MESSAGE CONNECTIONS SECONDS
 *   bench_rpc_load listen PORT PATH MESSAGE CONNECTIONS SECONDS
 *   bench_rpc_load sse  PORT PATH "" CONNECTIONS SECONDS
 *
 * listen: WebSockets that send MESSAGE once and then only listen; sse: event streams. How long it
 * took from what an event says ("at=" and microseconds since 1970) until it was here is what is
 * measured.
 *
 * HTTP: POST with keep-alive; an answer with a status other than 200, or one that is an error, is
 * counted as failed. It must have a Content-Length.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define SAMPLES_MAX     (4u << 20)
#define BUFFER_BYTES    (1u << 20)

typedef struct connection {
    int fd;
    uint64_t sent_ns;
    char *in;
    size_t used;
} connection;

static struct {
    bool ws;
    bool listens;
    bool sse;
    uint16_t port;
    const char *path;
    const char *body;
    char *message; /* as it is sent */
    size_t message_len;
    connection list[CONNECTIONS_MAX];
    size_t count;
    float *samples; /* microseconds */
    size_t sample_count;
    uint64_t failed;
    uint64_t bytes;
    uint64_t messages; /* listen, sse */
} load;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_rpc_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Messages ---------------------------------------------------------------------------------- */

static void make_http(void)
{
    if (asprintf(&load.message,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
                 "Connection: keep-alive\r\nContent-Length: %zu\r\n\r\n%s",
                 load.path, load.port, strlen(load.body), load.body) < 0) {
        fail("message");
    }
    load.message_len = strlen(load.message);
}

/* One masked text frame; the mask is zero, so the text is there as it is. */
static void make_ws(void)
{
    size_t len = strlen(load.body);
    load.message = calloc(1, len + 16);
    size_t at = 0;
    load.message[at++] = (char)0x81;
    if (len < 126) {
        load.message[at++] = (char)(0x80 | len);
    } else {
        load.message[at++] = (char)(0x80 | 126);
        load.message[at++] = (char)(len >> 8);
        load.message[at++] = (char)len;
    }
    at += 4;
    memcpy(load.message + at, load.body, len);
    load.message_len = at + len;
}

/* Length of the answer that the bytes begin with; 0: not whole yet. */
static size_t http_answer(const char *in, size_t used, bool *ok)
{
    const char *end = memmem(in, used, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    const char *length = strcasestr(in, "\r\nContent-Length:");
    if (length == NULL || length > end) {
        errno = EPROTO;
        fail("an answer without Content-Length");
    }
    size_t head = (size_t)(end - in) + 4;
    size_t body = strtoul(length + 17, NULL, 10);
    if (used < head + body) {
        return 0;
    }
    *ok = strncmp(in + 9, "200", 3) == 0 &&
          memmem(in + head, body, "\"error\":{\"code\"", 16) == NULL;
    return head + body;
}

static size_t ws_answer(const char *in, size_t used, bool *ok)
{
    const unsigned char *bytes = (const unsigned char *)in;
    size_t head = 2;
    if (used < 2) {
        return 0;
    }
    uint64_t len = bytes[1] & 0x7f;
    if (len == 126) {
        head = 4;
        len = used >= 4 ? (uint64_t)bytes[2] << 8 | bytes[3] : 0;
    } else if (len == 127) {
        head = 10;
        len = 0;
        for (size_t i = 2; i < 10 && used >= 10; i++) {
            len = len << 8 | bytes[i];
        }
    }
    *ok = true;
    return used >= head && used >= head + len ? head + len : 0;
}

/* Events ------------------------------------------------------------------------------------ */

static void take_events(const char *in, size_t len)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double now_us = (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
    const char *end = in + len;
    for (const char *at = in; (at = memmem(at, (size_t)(end - at), "at=", 3)) != NULL; at += 3) {
        if (load.sample_count < SAMPLES_MAX) {
            load.samples[load.sample_count++] = (float)(now_us - strtod(at + 3, NULL));
        }
    }
}

/* Whole messages are looked through, what is left waits for the rest. */
static void listen_on(connection *item)
{
    ssize_t len = recv(item->fd, item->in + item->used, BUFFER_BYTES - 1 - item->used, 0);
    if (len <= 0) {
        item->sent_ns = 0; /* it was let go of */
        load.failed++;
        close(item->fd);
        return;
    }
    item->used += (size_t)len;
    load.bytes += (uint64_t)len;
    bool ok;
    size_t whole = 0;
    if (load.sse) {
        const char *end = memrchr(item->in, '\n', item->used);
        whole = end != NULL ? (size_t)(end - item->in) + 1 : 0;
        for (const char *at = item->in;
             (at = memmem(at, whole - (size_t)(at - item->in), "data:", 5)); at += 5) {
            load.messages++;
        }
    } else {
        size_t next;
        while ((next = ws_answer(item->in + whole, item->used - whole, &ok)) > 0) {
            whole += next;
            load.messages++;
        }
    }
    take_events(item->in, whole);
    item->used -= whole;
    memmove(item->in, item->in + whole, item->used);
}

/* Connections ------------------------------------------------------------------------------- */

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0) {
            fail("send");
        }
        data += sent;
        len -= (size_t)sent;
    }
}

static void upgrade(const connection *item)
{
    char text[2048];
    size_t used = 0;
    int len = snprintf(text, sizeof text,
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       load.path, load.port);
    send_all(item->fd, text, (size_t)len);
    while (used < sizeof text - 1 && (used < 4 || memcmp(text + used - 4, "\r\n\r\n", 4) != 0)) {
        if (read(item->fd, text + used, 1) != 1) {
            fail("upgrade");
        }
        used++;
    }
    if (strncmp(text, "HTTP/1.1 101", 12) != 0) {
        errno = EPROTO;
        fail("no WebSocket");
    }
}

static void open_one(connection *item)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load.port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    item->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (item->fd < 0 || connect(item->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        fail("connect");
    }
    setsockopt(item->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    item->in = malloc(BUFFER_BYTES);
    if (load.ws) {
        upgrade(item);
    }
    if (load.sse) {
        char text[512];
        int len = snprintf(text, sizeof text,
                           "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                           "Accept: text/event-stream\r\n\r\n",
                           load.path, load.port);
        send_all(item->fd, text, (size_t)len);
    }
}

static void ask(connection *item)
{
    item->sent_ns = now_ns();
    send_all(item->fd, load.message, load.message_len);
}

static void take_sample(const connection *item, bool ok)
{
    if (load.sample_count < SAMPLES_MAX) {
        load.samples[load.sample_count++] = (float)(now_ns() - item->sent_ns) / 1000.0f;
    }
    load.failed += !ok;
}

static void on_readable(connection *item, bool again)
{
    ssize_t len = recv(item->fd, item->in + item->used, BUFFER_BYTES - 1 - item->used, 0);
    if (len <= 0) {
        errno = len == 0 ? ECONNRESET : errno;
        fail("an answer did not come");
    }
    item->used += (size_t)len;
    load.bytes += (uint64_t)len;
    item->in[item->used] = '\0';
    bool ok = false;
    size_t whole =
        load.ws ? ws_answer(item->in, item->used, &ok) : http_answer(item->in, item->used, &ok);
    if (whole > 0) {
        item->used -= whole;
        memmove(item->in, item->in + whole, item->used);
        take_sample(item, ok);
        if (again) {
            ask(item);
        } else {
            item->sent_ns = 0;
        }
    }
}

static size_t open_answers(void)
{
    size_t count = 0;
    for (size_t i = 0; i < load.count; i++) {
        count += load.list[i].sent_ns != 0;
    }
    return count;
}

static double run(double seconds)
{
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[64];
    for (size_t i = 0; i < load.count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load.list[i]};
        open_one(&load.list[i]);
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, load.list[i].fd, &event);
    }
    uint64_t begin = now_ns();
    uint64_t end = begin + (uint64_t)(seconds * 1e9);
    for (size_t i = 0; i < load.count; i++) {
        if (!load.sse) {
            ask(&load.list[i]);
        }
    }
    while (load.listens ? now_ns() < end : open_answers() > 0) {
        int count = epoll_wait(poll_fd, events, 64, load.listens ? 100 : -1);
        for (int i = 0; i < count; i++) {
            if (load.listens) {
                listen_on(events[i].data.ptr);
            } else {
                on_readable(events[i].data.ptr, now_ns() < end);
            }
        }
    }
    return (double)(now_ns() - begin) / 1e9;
}

static int by_size(const void *left, const void *right)
{
    float a = *(const float *)left;
    float b = *(const float *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc != 7 || strstr("http ws listen sse", argv[1]) == NULL) {
        fprintf(stderr,
                "usage: bench_rpc_load http|ws|listen|sse PORT PATH BODY CONNECTIONS SECONDS\n");
        return 2;
    }
    load.sse = strcmp(argv[1], "sse") == 0;
    load.listens = load.sse || strcmp(argv[1], "listen") == 0;
    load.ws = strcmp(argv[1], "ws") == 0 || strcmp(argv[1], "listen") == 0;
    load.port = (uint16_t)atoi(argv[2]);
    load.path = argv[3];
    load.body = argv[4];
    load.count = strtoul(argv[5], NULL, 10);
    load.count = load.count > CONNECTIONS_MAX ? CONNECTIONS_MAX : load.count;
    load.samples = malloc(SAMPLES_MAX * sizeof *load.samples);
    if (load.ws) {
        make_ws();
    } else {
        make_http();
    }
    double seconds = run(strtod(argv[6], NULL));
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    qsort(load.samples, load.sample_count, sizeof *load.samples, by_size);
    size_t count = load.sample_count;
    if (count == 0) {
        load.samples[count++] = 0;
    }
    printf("{\"requests\":%zu,\"messages\":%llu,\"failed\":%llu,\"per_second\":%.1f,\"p50_us\":%."
           "1f,\"p99_us\":%.1f,"
           "\"max_us\":%.1f,\"bytes\":%llu,\"own_cpu_s\":%.3f}\n",
           count, (unsigned long long)load.messages, (unsigned long long)load.failed,
           (double)count / seconds, (double)load.samples[count / 2],
           (double)load.samples[count * 99 / 100], (double)load.samples[count - 1],
           (unsigned long long)load.bytes,
           (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return 0;
}
