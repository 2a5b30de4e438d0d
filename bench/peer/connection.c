/* SPDX-License-Identifier: MIT */
/* Messages over a pipe pair or a WebSocket, the server's side; no more of either than clients need.
 * Writing blocks: the peer has nothing else to do, and clients never wait for it to read. */
#include "peer.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_BYTES    ((size_t)256 << 10)
#define THROUGH_BYTES ((size_t)64 << 10) /* longer bodies are not copied */
#define FRAME_MAX     14
#define UPGRADE_GUID  "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

connection *connection_create(connection_kind kind, int in, int out)
{
    connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->kind = kind;
    c->in = in;
    c->out = out;
    return c;
}

void connection_destroy(connection *c)
{
    close(c->in);
    if (c->out != c->in)
        close(c->out);
    byte_queue_fini(&c->received);
    byte_queue_fini(&c->written);
    script_fini(c);
    free(c);
}

/* --- writing -------------------------------------------------------------------------------- */

static void write_all(connection *c, const char *data, size_t len)
{
    while (len > 0 && !c->closed) {
        ssize_t n = write(c->out, data, len);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = c->out, .events = POLLOUT};
            (void)poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            c->closed = true;
        }
    }
}

void connection_flush(connection *c)
{
    write_all(c, byte_queue_head(&c->written), byte_queue_len(&c->written));
    byte_queue_consume(&c->written, byte_queue_len(&c->written));
}

static void append(connection *c, const void *data, size_t len)
{
    if (!byte_queue_append(&c->written, data, len))
        abort();
}

static void append_frame_head(connection *c, unsigned opcode, size_t len)
{
    uint8_t head[FRAME_MAX] = {(uint8_t)(0x80U | opcode)};
    size_t n = 2;
    if (len < 126) {
        head[1] = (uint8_t)len;
    } else if (len < 65536) {
        head[1] = 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        n = 4;
    } else {
        head[1] = 127;
        for (unsigned i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)(len >> (56 - 8 * i));
        n = 10;
    }
    append(c, head, n);
}

void connection_send(connection *c, const char *head, size_t head_len, const char *body,
                     size_t body_len)
{
    if (c->kind == CONNECTION_WEBSOCKET)
        append_frame_head(c, 1, head_len + body_len);
    append(c, head, head_len);
    if (body_len > THROUGH_BYTES) {
        connection_flush(c);
        write_all(c, body, body_len);
    } else {
        append(c, body, body_len);
    }
    if (c->kind == CONNECTION_PIPE)
        append(c, "", 1);
    if (byte_queue_len(&c->written) > READ_BYTES)
        connection_flush(c);
}

/* --- HTTP ----------------------------------------------------------------------------------- */

static void answer_http(connection *c, const char *body)
{
    char text[1024];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       strlen(body), body);
    append(c, text, (size_t)len);
    connection_flush(c);
    c->closed = true;
}

/** The value of a header, at most size - 1 characters. */
static bool header_value(const char *request, const char *name, char *out, size_t size)
{
    const char *at = strcasestr(request, name);
    if (at == NULL)
        return false;
    at += strlen(name);
    at += strspn(at, ": ");
    size_t len = strcspn(at, "\r\n");
    if (len >= size)
        return false;
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}

static void upgrade(connection *c, const char *key)
{
    char text[256];
    unsigned char digest[SHA_DIGEST_LENGTH];
    char accept[32];
    int len = snprintf(text, sizeof text, "%s" UPGRADE_GUID, key);
    SHA1((const unsigned char *)text, (size_t)len, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
    len = snprintf(text, sizeof text,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
    append(c, text, (size_t)len);
    connection_flush(c);
    c->kind = CONNECTION_WEBSOCKET;
}

static void take_request(connection *c, char *request)
{
    char key[128];
    if (header_value(request, "\r\nSec-WebSocket-Key", key, sizeof key)) {
        upgrade(c, key);
        return;
    }
    char body[256];
    snprintf(body, sizeof body,
             "{\"Browser\":\"BenchPeer/1.0\",\"Protocol-Version\":\"1.3\","
             "\"webSocketDebuggerUrl\":\"ws://127.0.0.1:%d/devtools/browser/peer\"}",
             peer_port);
    answer_http(c, strstr(request, "/json/version") != NULL ? body : "[]");
}

static bool take_http(connection *c)
{
    char *start = byte_queue_head(&c->received);
    char *end = memmem(start, byte_queue_len(&c->received), "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    end[2] = '\0';
    take_request(c, start);
    byte_queue_consume(&c->received, (size_t)(end - start) + 4);
    return true;
}

/* --- reading -------------------------------------------------------------------------------- */

static bool take_nul(connection *c, connection_fn fn)
{
    char *start = byte_queue_head(&c->received);
    size_t len = byte_queue_len(&c->received);
    char *end = memchr(start + c->searched, 0, len - c->searched);
    if (end == NULL) {
        c->searched = len;
        return false;
    }
    c->searched = 0;
    fn(c, start, (size_t)(end - start));
    byte_queue_consume(&c->received, (size_t)(end - start) + 1);
    return true;
}

static void unmask(char *data, size_t len, const char mask[4])
{
    uint64_t wide;
    char twice[8];
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    memcpy(&wide, twice, 8);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    for (; i < len; i++)
        data[i] ^= mask[i % 4];
}

/* One frame; clients of CDP do not fragment. */
static bool take_frame(connection *c, connection_fn fn)
{
    const uint8_t *start = (const uint8_t *)byte_queue_head(&c->received);
    size_t have = byte_queue_len(&c->received);
    if (have < 2)
        return false;
    size_t len = start[1] & 0x7fU;
    size_t head = len == 126 ? 4 : len == 127 ? 10 : 2;
    if (have < head + 4)
        return false;
    if (head > 2) {
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | start[i];
    }
    if (have < head + 4 + len)
        return false;
    char *payload = byte_queue_head(&c->received) + head + 4;
    unsigned opcode = start[0] & 0xfU;
    unmask(payload, len, payload - 4);
    if (opcode == 8 || opcode == 9) {
        append_frame_head(c, opcode == 9 ? 10 : 8, len);
        append(c, payload, len);
        c->closed = opcode == 8;
    } else if (opcode == 1) {
        fn(c, payload, len);
    }
    byte_queue_consume(&c->received, head + 4 + len);
    return true;
}

static bool take(connection *c, connection_fn fn)
{
    switch (c->kind) {
    case CONNECTION_PIPE:
        return take_nul(c, fn);
    case CONNECTION_HTTP:
        return take_http(c);
    case CONNECTION_WEBSOCKET:
        return take_frame(c, fn);
    }
    return false;
}

bool connection_read(connection *c, connection_fn fn)
{
    if (!byte_queue_reserve(&c->received, READ_BYTES))
        abort();
    ssize_t n = read(c->in, c->received.data + c->received.tail, byte_queue_room(&c->received));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    c->received.tail += n > 0 ? (size_t)n : 0;
    while (!c->closed && byte_queue_len(&c->received) > 0 && take(c, fn))
        continue;
    connection_flush(c);
    return !c->closed;
}
