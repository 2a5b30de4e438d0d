/* SPDX-License-Identifier: MIT */
#include "websocket_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHOWN_BYTES 64 /* of a payload in an event */
#define WRITE_BYTES ((size_t)256 << 10)

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* Events ------------------------------------------------------------------------------------ */

static bool printable(const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] < 0x20 || data[i] == 0x7F || data[i] == '|') {
            return false;
        }
    }
    return true;
}

static uint64_t digest(const unsigned char *data, size_t len)
{
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ data[i]) * 1099511628211u;
    }
    return sum;
}

char *stage_event(const char *kind, const void *payload, size_t len)
{
    char *text = NULL;
    int n;
    if (len == 0) {
        n = asprintf(&text, "%s", kind);
    } else if (len <= SHOWN_BYTES && printable(payload, len)) {
        n = asprintf(&text, "%s %.*s", kind, (int)len, (const char *)payload);
    } else {
        n = asprintf(&text, "%s of %zu bytes #%016llx", kind, len,
                     (unsigned long long)digest(payload, len));
    }
    CHECK(n > 0);
    return text;
}

void stage_note(stage *s, const char *text)
{
    size_t len = strlen(text);
    s->events = realloc(s->events, s->events_len + len + 2);
    CHECK(s->events != NULL);
    if (s->events_len > 0) {
        s->events[s->events_len++] = '|';
    }
    memcpy(s->events + s->events_len, text, len + 1);
    s->events_len += len;
    s->event_count++;
}

static void note_event(stage *s, const char *kind, const void *payload, size_t len)
{
    char *text = stage_event(kind, payload, len);
    stage_note(s, text);
    free(text);
}

/* The client -------------------------------------------------------------------------------- */

static void send_back(void *context, char *data, size_t len)
{
    stage *s = context;
    troupe_error error = websocket_message_is_binary(s->client)
                             ? websocket_send_binary(s->client, data, len)
                             : message_stream_send(s->client, data, len);
    if (error != TROUPE_OK) {
        stage_note(s, troupe_error_name(error));
    }
}

bool stage_is_open(const stage *s)
{
    return s->client != NULL;
}

static void client_turn(stage *s)
{
    if (s->client == NULL) {
        return;
    }
    s->error = message_stream_receive(s->client, send_back, s, &s->reason);
    if (s->error == TROUPE_OK) {
        s->error = message_stream_flush(s->client, &s->reason);
    }
    if (s->error != TROUPE_OK) {
        message_stream_destroy(s->client);
        s->client = NULL;
    }
}

/* The server -------------------------------------------------------------------------------- */

static void note_frame(stage *s, uint8_t first, const char *payload, size_t len)
{
    char code[32];
    const char *data = payload;
    if ((first & 0x40) != 0 && s->inflate != NULL) {
        first &= (uint8_t)~0x40u;
        if (!s->inflate(s->context, payload, len, &data, &len)) {
            stage_note(s, "not deflate");
            return;
        }
    }
    switch (first) {
    case 0x81:
        note_event(s, "text", data, len);
        break;
    case 0x82:
        note_event(s, "binary", data, len);
        break;
    case 0x8A:
        note_event(s, "pong", data, len);
        break;
    case 0x88:
        snprintf(code, sizeof code, "close %d",
                 len < 2 ? 0 : (uint8_t)data[0] << 8 | (uint8_t)data[1]);
        stage_note(s, code);
        s->close_sent = true;
        break;
    default:
        note_event(s, "a frame of another kind", &first, 1);
    }
}

/* Takes the frames that are whole. */
static void parse(stage *s)
{
    for (;;) {
        uint8_t *at = (uint8_t *)byte_queue_head(&s->in);
        size_t left = byte_queue_len(&s->in);
        size_t extra = left < 2 ? 0 : (at[1] & 0x7F) == 126 ? 2 : (at[1] & 0x7F) == 127 ? 8 : 0;
        if (left < 6 + extra) {
            return;
        }
        size_t len = extra == 0 ? at[1] & 0x7F : 0;
        for (size_t i = 0; i < extra; i++) {
            len = len << 8 | at[2 + i];
        }
        if (len > left - 6 - extra) {
            return;
        }
        uint8_t *payload = at + 6 + extra;
        for (size_t i = 0; i < len; i++) {
            payload[i] ^= payload[-4 + (int)(i % 4)];
        }
        if ((at[1] & 0x80) == 0) {
            stage_note(s, "not masked");
        }
        note_frame(s, at[0], (char *)payload, len);
        byte_queue_consume(&s->in, 6 + extra + len);
    }
}

static void server_reads(stage *s)
{
    while (!s->closed) {
        CHECK(byte_queue_reserve(&s->in, 65536));
        ssize_t n = recv(s->server.fd, s->in.data + s->in.tail, byte_queue_room(&s->in), 0);
        if (n > 0) {
            s->in.tail += (size_t)n;
            parse(s);
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        s->closed = true;
        if (!s->close_sent) {
            stage_note(s, "end");
        }
    }
}

/* At most `most` bytes. */
static void server_writes(stage *s, size_t most)
{
    size_t len = byte_queue_len(&s->out);
    while (len > 0 && most > 0) {
        ssize_t n =
            send(s->server.fd, byte_queue_head(&s->out), len < most ? len : most, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n < 0) { /* the client has ended it */
            byte_queue_fini(&s->out);
            return;
        }
        byte_queue_consume(&s->out, (size_t)n);
        s->sent += (uint64_t)n;
        most -= (size_t)n;
        len = byte_queue_len(&s->out);
    }
}

void stage_frame(stage *s, int first, const void *payload, size_t len)
{
    uint8_t head[10] = {(uint8_t)first, (uint8_t)(len < 126 ? len : len < 65536 ? 126 : 127)};
    size_t extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    for (size_t i = 0; i < extra; i++) {
        head[2 + i] = (uint8_t)(len >> 8 * (extra - 1 - i));
    }
    CHECK(byte_queue_append(&s->out, head, 2 + extra) && byte_queue_append(&s->out, payload, len));
}

/* Both ------------------------------------------------------------------------------------- */

static void wait(stage *s)
{
    struct pollfd fds[2] = {
        {s->server.fd, POLLIN, 0},
        {s->client != NULL ? message_stream_read_fd(s->client) : -1, POLLIN, 0},
    };
    if (byte_queue_len(&s->out) > 0) {
        fds[0].events |= POLLOUT;
    }
    if (s->client != NULL && message_stream_queued(s->client) > 0) {
        fds[1].events |= POLLOUT;
    }
    CHECK(poll(fds, 2, STAGE_WAIT_MS) != 0);
}

static bool client_is_behind(const stage *s)
{
    return s->client != NULL && websocket_received_bytes(s->client) < s->sent;
}

void stage_run(stage *s, size_t chop)
{
    while (s->client != NULL && (byte_queue_len(&s->out) > 0 || client_is_behind(s))) {
        if (chop == 0 || !client_is_behind(s)) {
            server_writes(s, chop == 0 ? WRITE_BYTES : chop);
        }
        if (client_is_behind(s)) {
            wait(s);
        }
        client_turn(s);
        server_reads(s);
    }
}

void stage_await(stage *s, unsigned events)
{
    while (!s->closed && s->event_count < events) {
        wait(s);
        client_turn(s);
        server_reads(s);
    }
}

void stage_finish(stage *s)
{
    stage_run(s, 0);
    while (!s->closed) {
        wait(s);
        client_turn(s);
        server_reads(s);
    }
}

/* Life -------------------------------------------------------------------------------------- */

void stage_init(stage *s)
{
    memset(s, 0, sizeof *s);
    peer_open(&s->server);
    s->server.fd = -1;
}

void stage_fini(stage *s)
{
    peer_close(&s->server);
}

bool stage_open(stage *s, const char *answer, const websocket_options *options)
{
    char url[64];
    const peer_script script = {.answer = answer, .end = PEER_HANDS_OVER, .cut = PEER_WHOLE};
    websocket_options all = *options;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", s->server.port);
    all.url = url;
    peer_play(&s->server, &script);
    s->error = websocket_connect(&all, &s->client, &s->reason);
    peer_join(&s->server);
    int flags = fcntl(s->server.fd, F_GETFL);
    CHECK(fcntl(s->server.fd, F_SETFL, flags | O_NONBLOCK) == 0);
    return s->error == TROUPE_OK;
}

void stage_close(stage *s)
{
    message_stream_destroy(s->client);
    close(s->server.fd);
    byte_queue_fini(&s->out);
    byte_queue_fini(&s->in);
    free(s->events);
    peer server = s->server;
    memset(s, 0, sizeof *s);
    s->server = server;
    s->server.fd = -1;
}
