/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include "transport/websocket_handshake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_BYTES    ((size_t)1 << 20) /* of what the client sends, the rest is only read */
#define CLIENT_FD_MAX 1024
#define ACCEPT_MARK   "{accept}"
#define SHORT_MARK    "{accept-}"

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* Sending ----------------------------------------------------------------------------------- */

/* Whether that descriptor is the client's end of the connection whose other end is at `port`. */
static bool is_client(int at, in_port_t port)
{
    struct sockaddr_in have = {0};
    socklen_t len = sizeof have;
    return getsockname(at, (struct sockaddr *)&have, &len) == 0 && have.sin_family == AF_INET &&
           have.sin_port == port;
}

int peer_find_client(int fd, int guess)
{
    struct sockaddr_in wanted = {0};
    socklen_t len = sizeof wanted;
    if (getpeername(fd, (struct sockaddr *)&wanted, &len) != 0) {
        return -1;
    }
    if (guess >= 0 && is_client(guess, wanted.sin_port)) {
        return guess;
    }
    for (int at = 3; at < CLIENT_FD_MAX; at++) {
        if (at != fd && is_client(at, wanted.sin_port)) {
            return at;
        }
    }
    return -1;
}

void peer_await_taken(int fd, uint64_t written)
{
    int client = -1;
    for (;;) {
        struct tcp_info info = {0};
        socklen_t len = sizeof info;
        int left = 0;
        client = peer_find_client(fd, client); /* it may get another number while it connects */
        if (client < 0) {
            return;
        }
        /* What was written may still be on its way: only then it counts as received. */
        if (getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
            ioctl(client, FIONREAD, &left) == 0 && info.tcpi_bytes_received >= written &&
            left == 0) {
            return;
        }
        sched_yield();
    }
}

/* Until the client has read everything, or has closed its end. */
static void await_taken(const peer *p)
{
    peer_await_taken(p->fd, p->written);
}

static bool send_all(peer *p, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false; /* the client has ended it */
        }
        data += n;
        len -= (size_t)n;
        p->written += (uint64_t)n;
    }
    return true;
}

/* Send, with the script's cut where it falls. */
static bool put(peer *p, const char *data, size_t len)
{
    size_t cut = p->script->cut;
    size_t each_max = p->script->each_max;
    while (len > 0) {
        size_t piece = len;
        if (cut == PEER_EACH && each_max > 0 && p->sent >= each_max) {
            cut = PEER_WHOLE;
        }
        if (cut == PEER_EACH) {
            piece = 1;
        } else if (cut > p->sent && cut - p->sent < len) {
            piece = cut - p->sent;
        }
        if (!send_all(p, data, piece)) {
            return false;
        }
        p->sent += piece;
        data += piece;
        len -= piece;
        if (cut == PEER_EACH || cut == p->sent) {
            await_taken(p);
        }
    }
    return true;
}

static bool put_spaces(peer *p, uint64_t count)
{
    static char spaces[1 << 16];
    memset(spaces, ' ', sizeof spaces);
    while (count > 0) {
        size_t piece = count < sizeof spaces ? (size_t)count : sizeof spaces;
        if (!send_all(p, spaces, piece)) {
            return false;
        }
        count -= piece;
    }
    return true;
}

/* The request and its answer ---------------------------------------------------------------- */

static bool read_request(peer *p)
{
    size_t len = 0;
    char *block = p->seen.request;
    while (len + 1 < sizeof p->seen.request && strstr(block, "\r\n\r\n") == NULL) {
        ssize_t n = recv(p->fd, block + len, 1, 0);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        block[len] = '\0';
    }
    return true;
}

/* Where the key's answer is to stand, how long its mark is, and how long it is itself. */
static const char *find_mark(const char *answer, size_t len, size_t *mark_len, size_t *value_len)
{
    const char *mark = len > 0 ? memmem(answer, len, ACCEPT_MARK, strlen(ACCEPT_MARK)) : NULL;
    *mark_len = strlen(ACCEPT_MARK);
    *value_len = WEBSOCKET_ACCEPT_SIZE - 1;
    if (mark == NULL && len > 0) {
        mark = memmem(answer, len, SHORT_MARK, strlen(SHORT_MARK));
        *mark_len = strlen(SHORT_MARK);
        *value_len = WEBSOCKET_ACCEPT_SIZE - 2;
    }
    return mark;
}

static const char *answer_of(const peer_script *script, size_t *len)
{
    const char *answer = script->answer != NULL ? script->answer : PEER_ANSWER;
    *len = script->answer_len != 0 ? script->answer_len : strlen(answer);
    return answer;
}

/* In one piece, unless it is cut. All marks are of one kind. */
static bool put_answer(peer *p)
{
    size_t left;
    size_t mark_len;
    size_t value_len;
    const char *at = answer_of(p->script, &left);
    char key[WEBSOCKET_KEY_SIZE] = "";
    char accept[WEBSOCKET_ACCEPT_SIZE] = "";
    const char *line = strstr(p->seen.request, "Sec-WebSocket-Key: ");
    if (line != NULL) {
        snprintf(key, sizeof key, "%s", line + strlen("Sec-WebSocket-Key: "));
    }
    CHECK(websocket_handshake_accept(key, accept) == TROUPE_OK);
    char *whole = malloc(4 * left + 1); /* a value is less than four times as long as its mark */
    size_t len = 0;
    CHECK(whole != NULL);
    for (const char *mark; (mark = find_mark(at, left, &mark_len, &value_len)) != NULL;) {
        size_t before = (size_t)(mark - at);
        memcpy(whole + len, at, before);
        memcpy(whole + len + before, accept, value_len);
        len += before + value_len;
        at = mark + mark_len;
        left -= before + mark_len;
    }
    memcpy(whole + len, at, left);
    bool ok = put(p, whole, len + left);
    free(whole);
    return ok;
}

size_t peer_answer_len(const peer_script *script)
{
    size_t left;
    size_t mark_len;
    size_t value_len;
    const char *at = answer_of(script, &left);
    size_t len = left;
    for (const char *mark; (mark = find_mark(at, left, &mark_len, &value_len)) != NULL;) {
        left -= (size_t)(mark - at) + mark_len;
        at = mark + mark_len;
        len += value_len - mark_len;
    }
    return len;
}

/* What came --------------------------------------------------------------------------------- */

static void keep(peer *p, const char *data, size_t len)
{
    if (p->in_len + len > KEEP_BYTES) {
        return;
    }
    if (p->in_len + len > p->in_capacity) {
        p->in_capacity = 2 * (p->in_len + len);
        p->in = realloc(p->in, p->in_capacity);
        CHECK(p->in != NULL);
    }
    memcpy(p->in + p->in_len, data, len);
    p->in_len += len;
}

static void read_to_the_end(peer *p)
{
    char data[65536];
    ssize_t n;
    while ((n = recv(p->fd, data, sizeof data, 0)) > 0 || (n < 0 && errno == EINTR)) {
        keep(p, data, n > 0 ? (size_t)n : 0);
    }
}

static void note_frame(peer_seen *seen, uint8_t first, const uint8_t *payload, size_t len)
{
    switch (first) {
    case 0x81:
        seen->texts++;
        break;
    case 0x82:
        seen->binaries++;
        break;
    case 0x88:
        seen->close_code = len < 2 ? 0 : payload[0] << 8 | payload[1];
        break;
    case 0x89:
        seen->pings++;
        break;
    case 0x8A:
        seen->pongs++;
        memcpy(seen->last_pong, payload, len);
        seen->last_pong[len] = '\0';
        break;
    default:
        seen->malformed = true;
    }
}

static void look_through(peer *p)
{
    uint8_t *at = (uint8_t *)p->in;
    size_t left = p->in_len;
    while (left >= 6) {
        size_t extra = (at[1] & 0x7F) == 126 ? 2 : (at[1] & 0x7F) == 127 ? 8 : 0;
        size_t len = extra == 0 ? at[1] & 0x7F : 0;
        if (left < 6 + extra) {
            break;
        }
        for (size_t i = 0; i < extra; i++) {
            len = len << 8 | at[2 + i];
        }
        if (len > left - 6 - extra) {
            break;
        }
        for (size_t i = 0; i < len; i++) {
            at[6 + extra + i] ^= at[2 + extra + i % 4];
        }
        p->seen.malformed |= (at[1] & 0x80) == 0 || p->seen.close_code != -1;
        note_frame(&p->seen, at[0], at + 6 + extra, len);
        at += 6 + extra + len;
        left -= 6 + extra + len;
    }
}

/* The script -------------------------------------------------------------------------------- */

static void reset(int fd)
{
    struct linger now = {1, 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
}

static void drip(peer *p)
{
    struct pollfd entry = {p->fd, POLLIN, 0};
    char c;
    for (;;) {
        if (poll(&entry, 1, 1) > 0 && recv(p->fd, &c, 1, 0) <= 0) {
            return;
        }
        if (!send_all(p, "x", 1)) {
            return;
        }
    }
}

static void await_leave(peer *p)
{
    pthread_mutex_lock(&p->mutex);
    while (!p->leave) {
        pthread_cond_wait(&p->changed, &p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
}

static void end(peer *p)
{
    const peer_script *script = p->script;
    if (script->no_reading) {
        await_leave(p);
    }
    switch (script->end) {
    case PEER_HALF_CLOSE:
        await_taken(p);
        shutdown(p->fd, SHUT_WR);
        read_to_the_end(p);
        break;
    case PEER_RESETS:
        await_taken(p);
        reset(p->fd);
        break;
    case PEER_REPEATS:
        while (send_all(p, script->bytes, script->len)) {
        }
        break;
    case PEER_DRIPS:
        drip(p);
        break;
    case PEER_CLOSES:
        await_taken(p);
        break;
    default:
        read_to_the_end(p);
    }
}

static void *play(void *context)
{
    peer *p = context;
    const peer_script *script = p->script;
    p->fd = accept(p->listener, NULL, NULL);
    if (p->fd < 0) {
        return NULL;
    }
    int yes = 1;
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* pieces leave at once */
    if (read_request(p)) {
        bool open = put_answer(p) && put(p, script->bytes, script->len) &&
                    put_spaces(p, script->zeros) && put(p, script->tail, script->tail_len);
        if (open && script->end != PEER_HANDS_OVER) {
            end(p);
        } else if (!open) {
            read_to_the_end(p);
        }
    }
    if (script->end != PEER_HANDS_OVER) {
        close(p->fd);
        look_through(p);
    }
    return NULL;
}

void peer_play(peer *p, const peer_script *script)
{
    p->script = script;
    p->fd = -1;
    p->sent = 0;
    p->written = 0;
    p->leave = false;
    p->in_len = 0;
    memset(&p->seen, 0, sizeof p->seen);
    p->seen.close_code = -1;
    CHECK(pthread_create(&p->thread, NULL, play, p) == 0);
}

void peer_join(peer *p)
{
    pthread_mutex_lock(&p->mutex);
    p->leave = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    CHECK(pthread_join(p->thread, NULL) == 0);
}

void peer_open(peer *p)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof name;
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(p->listener >= 0 && bind(p->listener, (struct sockaddr *)&name, len) == 0);
    CHECK(listen(p->listener, 8) == 0);
    CHECK(getsockname(p->listener, (struct sockaddr *)&name, &len) == 0);
    p->port = ntohs(name.sin_port);
}

void peer_close(peer *p)
{
    close(p->listener);
    free(p->in);
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->changed);
}
