/* SPDX-License-Identifier: MIT */
/* A client against a scripted host: split bytes, garbage, early ends, and closing anywhere. */
#include "../runtime/stage.h"

#include "client/frames.h"
#include "client/handshake.h"
#include "troupe/client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(client, .init = stage_open, .fini = stage_close, .timeout = 120);

/* The scripted host ------------------------------------------------------------------------- */

#define HOST_BYTES 1000 /* the longest message that it takes */

static int listener;
static char url[64];

static void host_open(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(listener, (struct sockaddr *)&name, len) == 0 && listen(listener, 4) == 0);
    cr_assert(getsockname(listener, (struct sockaddr *)&name, &len) == 0);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/ws", (unsigned)ntohs(name.sin_port));
}

static void host_close(void)
{
    close(listener);
}

/* Take the connection and its request; the key is stored. */
static int host_accept(char key[HANDSHAKE_KEY_SIZE])
{
    char request[4096];
    size_t len = 0;
    int on = 1;
    struct timeval limit = {.tv_sec = LONG_MS / 1000};
    int fd = accept(listener, NULL, NULL);
    cr_assert(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    do {
        ssize_t got = recv(fd, request + len, sizeof request - 1 - len, 0);
        cr_assert(got > 0);
        len += (size_t)got;
        request[len] = '\0';
    } while (strstr(request, "\r\n\r\n") == NULL);
    const char *line = strstr(request, "Sec-WebSocket-Key: ");
    cr_assert(line != NULL && sscanf(line, "Sec-WebSocket-Key: %24s", key) == 1);
    return fd;
}

static void put(troupe_buffer *out, const char *text)
{
    troupe_buffer_append(out, text, strlen(text));
}

/* The answer that a host gives. */
static void put_accept(troupe_buffer *out, const char *key)
{
    char accept[HANDSHAKE_ACCEPT_SIZE];
    handshake_accept(key, accept);
    put(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Protocol: troupe.envelope.v1\r\nSec-WebSocket-Accept: ");
    put(out, accept);
    put(out, "\r\n\r\n");
}

static void put_envelope(troupe_buffer *out, troupe_kind kind, troupe_address from, uint64_t ref,
                         const char *verb, const troupe_buffer *payload)
{
    troupe_envelope e = {.kind = kind,
                         .to = 65537,
                         .from = from,
                         .ref = ref,
                         .verb = verb,
                         .verb_len = strlen(verb),
                         .payload = troupe_buffer_bytes(payload)};
    troupe_buffer bytes = {0};
    cr_assert_eq(troupe_envelope_write(&bytes, &e), TROUPE_OK);
    cr_assert(bytes.len < 126);
    uint8_t head[2] = {0x82, (uint8_t)bytes.len};
    troupe_buffer_append(out, head, 2);
    troupe_buffer_append(out, bytes.data, bytes.len);
    troupe_buffer_fini(&bytes);
}

static void put_welcome(troupe_buffer *out)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:U,s:{s:U}}", "address", (uint64_t)65537, "limits", "message_bytes",
                (uint64_t)HOST_BYTES);
    put_envelope(out, TROUPE_EVENT, 0, 0, "welcome", &payload);
    troupe_buffer_fini(&payload);
}

static void send_all(int fd, const troupe_buffer *out, size_t step)
{
    for (size_t at = 0; at < out->len;) {
        size_t len = out->len - at < step ? out->len - at : step;
        ssize_t sent = send(fd, out->data + at, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* the client has left */
        }
        at += (size_t)sent;
    }
}

/* One frame of the client, unmasked into `data` (HOST_BYTES); its first byte, 0 at the end. */
static uint8_t read_frame(int fd, uint8_t *data, size_t *len)
{
    uint8_t head[2];
    uint8_t more[2];
    uint8_t mask[4];
    if (recv(fd, head, 2, MSG_WAITALL) != 2) {
        return 0;
    }
    *len = head[1] & 0x7fu;
    if (*len == 126) {
        if (recv(fd, more, 2, MSG_WAITALL) != 2) {
            return 0;
        }
        *len = (size_t)more[0] << 8 | more[1];
    }
    cr_assert(*len <= HOST_BYTES);
    if (recv(fd, mask, 4, MSG_WAITALL) != 4 ||
        (*len > 0 && recv(fd, data, *len, MSG_WAITALL) != (ssize_t)*len)) {
        return 0;
    }
    for (size_t i = 0; i < *len; i++) {
        data[i] ^= mask[i % 4];
    }
    return head[0];
}

/* The next envelope of the client; false at the end. data: HOST_BYTES that it stands in. */
static bool read_envelope(int fd, uint8_t *data, troupe_envelope *out)
{
    size_t len;
    size_t used;
    const char *name;
    size_t name_len;
    uint8_t first;
    do {
        first = read_frame(fd, data, &len);
    } while (first != 0 && first != 0x82 && first != 0x88);
    if (first != 0x82) {
        return false;
    }
    troupe_bytes bytes = {data, len};
    cr_assert_eq(troupe_envelope_read_edge(bytes, out, &name, &name_len, &used), TROUPE_OK);
    return true;
}

/* The actor with a client ------------------------------------------------------------------- */

/* What happened to it; the gates order the accesses. */
typedef struct player {
    const char *name;
    uint32_t timeout_ms;
    bool close_when_joined;
    bool close_when_left;
    bool close_when_answered;
    const char *fault_data; /* calls are answered with a fault, and this */
    const char *fault_text;
    unsigned posts; /* for each call */
    troupe_client *client;
    troupe_error opened;
    gate joined;
    gate left;
    gate answered;
    gate received;
    troupe_error left_error;
    char left_reason[200];
    unsigned left_count;
    troupe_error answer_error;
    unsigned answers;
    char verb[64];
    size_t payload_len;
    troupe_error posted; /* what a post said in `receive` */
} player;

#define PLAYER_INIT(...)                                                                      \
    {                                                                                         \
        .joined = GATE_INIT, .left = GATE_INIT, .answered = GATE_INIT, .received = GATE_INIT, \
        __VA_ARGS__                                                                           \
    }

static void close_it(player *p)
{
    troupe_client_close(p->client);
    p->client = NULL;
}

static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)self;
    (void)answer;
    player *p = context;
    p->answer_error = error;
    p->answers++;
    if (p->close_when_answered) {
        close_it(p);
    }
    gate_raise(&p->answered);
}

static void on_joined(troupe_actor *self, void *context, troupe_address address)
{
    (void)self;
    player *p = context;
    cr_assert_eq(address, 65537);
    cr_assert_eq(troupe_client_address(p->client), 65537);
    cr_assert_eq(troupe_client_call(p->client, troupe_remote_named("x"), "ask", NULL, nothing,
                                    LONG_MS, on_answer, p, NULL),
                 TROUPE_OK);
    if (p->close_when_joined) {
        close_it(p);
    }
    gate_raise(&p->joined);
}

static void on_receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    (void)self;
    player *p = context;
    snprintf(p->verb, sizeof p->verb, "%.*s", (int)envelope->verb_len, envelope->verb);
    p->payload_len = envelope->payload.len;
    if (p->name != NULL) {
        p->posted = troupe_client_post(p->client, troupe_remote_named("x"), TROUPE_CAST, "v", NULL,
                                       nothing);
    }
    for (unsigned i = 0; i < p->posts; i++) {
        static const uint8_t bytes[100] = {0xc4, 98};
        cr_assert_eq(troupe_client_post(p->client, troupe_remote_named("x"), TROUPE_CAST, "v", NULL,
                                        (troupe_bytes){bytes, sizeof bytes}),
                     TROUPE_OK);
    }
    if (envelope->kind == TROUPE_CALL && p->fault_text != NULL) {
        troupe_client_fault(p->client, troupe_caller_of(envelope), TROUPE_EJS, p->fault_data, "%s",
                            p->fault_text);
    } else if (envelope->kind == TROUPE_CALL) {
        troupe_client_reply(p->client, troupe_caller_of(envelope), envelope->payload);
    }
    gate_raise(&p->received);
}

static void on_left(troupe_actor *self, void *context, troupe_error error, const char *reason)
{
    (void)self;
    player *p = context;
    p->left_error = error;
    p->left_count++;
    snprintf(p->left_reason, sizeof p->left_reason, "%s", reason);
    cr_assert_eq(
        troupe_client_post(p->client, troupe_remote_named("x"), TROUPE_CAST, "v", NULL, nothing),
        TROUPE_ECLOSED);
    if (p->close_when_left) {
        close_it(p);
    }
    gate_raise(&p->left);
}

static troupe_error play_start(troupe_actor *self, part *role)
{
    player *p = role->data;
    troupe_client_options options = {.url = url,
                                     .name = p->name,
                                     .timeout_ms = p->timeout_ms,
                                     .message_bytes = 5000,
                                     .context = p,
                                     .joined = on_joined,
                                     .receive = on_receive,
                                     .left = on_left};
    p->opened = troupe_client_open(self, &options, &p->client, NULL);
    cr_assert_eq(p->opened, TROUPE_OK);
    cr_assert_eq(
        troupe_client_post(p->client, troupe_remote_named("x"), TROUPE_CAST, "v", NULL, nothing),
        TROUPE_ENOTCONNECTED);
    return TROUPE_OK;
}

static void play_stop(troupe_actor *self, part *role, troupe_error reason)
{
    (void)self;
    (void)reason;
    close_it(role->data);
}

/* Whatever the host sends, its client leaves with that error, once, and nothing is lost. */
static void check_host(const troupe_buffer *sends, size_t step, bool answers, troupe_error error)
{
    char key[HANDSHAKE_KEY_SIZE];
    player p = PLAYER_INIT(.name = NULL);
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
    host_open();
    troupe_address actor = enter(&role);
    int fd = host_accept(key);
    troupe_buffer out = {0};
    if (answers) {
        put_accept(&out, key);
    }
    troupe_buffer_append(&out, sends->data, sends->len);
    send_all(fd, &out, step);
    shutdown(fd, SHUT_WR);
    gate_await(&p.left, 1);
    cr_assert_eq(p.left_error, error, "%s: %s", troupe_error_name(p.left_error), p.left_reason);
    cr_assert_neq(p.left_reason[0], '\0');
    leave(actor);
    cr_assert_eq(p.left_count, 1);
    cr_assert_eq(p.answers, p.joined.value);
    cr_assert(p.answers == 0 || p.answer_error == TROUPE_ECLOSED);
    close(fd);
    host_close();
    troupe_buffer_fini(&out);
}

Test(client, a_host_that_ends_early_is_left)
{
    static const struct {
        const char *bytes;
        troupe_error error;
    } rows[] = {
        {"", TROUPE_ECLOSED},
        {"HTTP/1.1 101 Swi", TROUPE_ECLOSED},
        {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", TROUPE_EUNAUTHORIZED},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", TROUPE_EBUSY},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", TROUPE_EPROTOCOL},
        {"220 mail.example ESMTP\r\n\r\n", TROUPE_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        troupe_buffer out = {0};
        put(&out, rows[i].bytes);
        check_host(&out, 4096, false, rows[i].error);
        troupe_buffer_fini(&out);
    }
}

Test(client, an_endless_answer_is_left)
{
    troupe_buffer out = {0};
    for (int i = 0; i < 2000; i++) {
        put(&out, "X-Header: value\r\n");
    }
    check_host(&out, 4096, false, TROUPE_EPROTOCOL);
    troupe_buffer_fini(&out);
}

Test(client, hostile_frames_are_left)
{
    static const struct {
        const char *bytes;
        size_t len;
        troupe_error error;
    } rows[] = {
        {"\x81\x02{}", 4, TROUPE_EPROTOCOL},
        {"\x82\x81mask_", 7, TROUPE_EPROTOCOL},
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, TROUPE_ELIMIT},
        {"\x82\x01\x01", 3, TROUPE_EPROTOCOL}, /* no envelope */
        {"\x82\x06\x98\x01\x00\xdd\xff\xff", 8, TROUPE_EPROTOCOL},
        {"\x88\x07\x03\xf0words", 9, TROUPE_EPROTOCOL}, /* 1008 */
        {"\x88\x02\x03\xe9", 4, TROUPE_ECLOSED},        /* 1001 */
        {"\x88\x00", 2, TROUPE_ECLOSED},
        {"", 0, TROUPE_ECLOSED},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        troupe_buffer out = {0};
        if (i % 2 == 0) {
            put_welcome(&out);
        }
        troupe_buffer_append(&out, rows[i / 2].bytes, rows[i / 2].len);
        check_host(&out, i % 3 == 0 ? 1 : 4096, true, rows[i / 2].error);
        troupe_buffer_fini(&out);
    }
}

Test(client, anything_before_the_welcome_is_left)
{
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    put_envelope(&out, TROUPE_CAST, 5, 0, "hello", &payload);
    check_host(&out, 4096, true, TROUPE_EPROTOCOL);
    troupe_buffer_clear(&out);
    put_envelope(&out, TROUPE_EVENT, 0, 0, "welcome", &payload); /* without an address */
    check_host(&out, 4096, true, TROUPE_EPROTOCOL);
    troupe_buffer_fini(&out);
}

/* A whole conversation, each byte for itself: joined, asked, answered, told. */
static void converse(size_t step)
{
    char key[HANDSHAKE_KEY_SIZE];
    uint8_t data[HOST_BYTES];
    troupe_envelope e;
    player p = PLAYER_INIT(.name = NULL);
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
    host_open();
    troupe_address actor = enter(&role);
    int fd = host_accept(key);
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    put_accept(&out, key);
    put_welcome(&out);
    send_all(fd, &out, step);
    cr_assert(read_envelope(fd, data, &e));
    cr_assert(e.kind == TROUPE_CALL && troupe_verb_is(&e, "ask") && e.ref != 0);
    cr_assert_eq(e.meta.timeout_ms, LONG_MS);
    troupe_buffer_clear(&out);
    put(&out, "\x89\x02hi");                                           /* ping */
    put_envelope(&out, TROUPE_REPLY, 9, e.ref + 1, "reply", &payload); /* to nobody's call */
    put_envelope(&out, TROUPE_REPLY, 9, e.ref, "reply", &payload);
    put_envelope(&out, TROUPE_REPLY, 9, e.ref, "reply", &payload); /* again */
    troupe_pack(&payload, "U", (uint64_t)7);
    put_envelope(&out, TROUPE_CALL, 9, 77, "serve", &payload);
    send_all(fd, &out, step);
    cr_assert(read_envelope(fd, data, &e)); /* a pong was passed over */
    cr_assert(e.kind == TROUPE_REPLY && e.ref == 77 && e.to == 9 && e.payload.len == 1);
    gate_await(&p.answered, 1);
    cr_assert_eq(p.answer_error, TROUPE_OK);
    leave(actor); /* `stop` closes: the host sees a close frame, and the end */
    size_t len;
    cr_assert_eq(read_frame(fd, data, &len), 0x88);
    cr_assert(len == 2 && data[0] == 0x03 && data[1] == 0xe8);
    cr_assert_eq(p.answers, 1);
    cr_assert_eq(p.left_count, 0);
    close(fd);
    host_close();
    troupe_buffer_fini(&out);
    troupe_buffer_fini(&payload);
}

Test(client, a_conversation_split_anywhere_is_the_same)
{
    converse(4096);
    converse(1);
    converse(7);
}

Test(client, posts_nothing_before_its_name_is_taken)
{
    char key[HANDSHAKE_KEY_SIZE];
    uint8_t data[HOST_BYTES];
    troupe_envelope e;
    player p = PLAYER_INIT(.name = "me");
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
    host_open();
    troupe_address actor = enter(&role);
    int fd = host_accept(key);
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    put_accept(&out, key);
    put_welcome(&out);
    send_all(fd, &out, 4096);
    cr_assert(read_envelope(fd, data, &e));
    cr_assert(e.kind == TROUPE_CALL && troupe_verb_is(&e, "name") && e.to == 0);
    uint64_t name_ref = e.ref;
    troupe_buffer_clear(&out);
    put_envelope(&out, TROUPE_CALL, 9, 77, "early", &payload);
    send_all(fd, &out, 4096);
    cr_assert(read_envelope(fd, data, &e)); /* a post would have come before */
    cr_assert(e.kind == TROUPE_REPLY && e.ref == 77);
    cr_assert_eq(p.joined.value, 0);
    cr_assert_eq(p.posted, TROUPE_ENOTCONNECTED);
    troupe_buffer_clear(&out);
    put_envelope(&out, TROUPE_REPLY, 0, name_ref, "reply", &payload);
    put_envelope(&out, TROUPE_CAST, 9, 0, "late", &payload);
    send_all(fd, &out, 4096);
    gate_await(&p.joined, 1);
    gate_await(&p.received, 2);
    cr_assert_eq(p.posted, TROUPE_OK);
    leave(actor);
    close(fd);
    host_close();
    troupe_buffer_fini(&out);
    troupe_buffer_fini(&payload);
}

/* The client has joined and asked, and is called; answers the host's end of the connection. */
static int call_client(part *role, troupe_address *actor)
{
    char key[HANDSHAKE_KEY_SIZE];
    uint8_t data[HOST_BYTES];
    troupe_envelope e;
    host_open();
    *actor = enter(role);
    int fd = host_accept(key);
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    put_accept(&out, key);
    put_welcome(&out);
    send_all(fd, &out, 4096);
    cr_assert(read_envelope(fd, data, &e));
    troupe_buffer_clear(&out);
    put_envelope(&out, TROUPE_CALL, 9, 77, "serve", &payload);
    send_all(fd, &out, 4096);
    troupe_buffer_fini(&out);
    return fd;
}

static void end_call(const player *p, troupe_address actor, int fd)
{
    leave(actor);
    cr_assert_eq(p->left_count, 0, "%s", p->left_reason);
    close(fd);
    host_close();
}

static void check_fault(const char *fault_data, const char *text, const char *expected)
{
    uint8_t data[HOST_BYTES];
    troupe_envelope e;
    troupe_fault_view fault;
    troupe_address actor;
    player p = PLAYER_INIT(.fault_data = fault_data, .fault_text = text);
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
    int fd = call_client(&role, &actor);
    cr_assert(read_envelope(fd, data, &e));
    cr_assert(e.kind == TROUPE_FAULT && e.ref == 77);
    troupe_fault_read(&e, &fault);
    cr_assert_eq(fault.code, TROUPE_EJS);
    cr_assert(fault.message_len == strlen(expected) &&
              memcmp(fault.message, expected, fault.message_len) == 0);
    end_call(&p, actor, fd);
}

Test(client, a_fault_that_the_host_would_not_take_goes_without_its_data)
{
    char large[2 * HOST_BYTES];
    char deep[400];
    char text[HOST_BYTES + 1] = "";
    memset(large, ' ', sizeof large);
    memcpy(large, "\"", 1);
    memcpy(large + sizeof large - 2, "\"", 2);
    memset(deep, '[', sizeof deep);
    memset(deep + 200, ']', sizeof deep - 200);
    deep[400 - 1] = '\0';
    deep[0] = ' ';
    memset(text, 'x', HOST_BYTES);
    check_fault("1", "no", "no");
    check_fault(large, "no", "no");
    check_fault(deep, "no", "no");
    check_fault("1", text, troupe_error_text(TROUPE_EJS));
}

Test(client, what_is_gathered_is_no_longer_than_the_host_takes)
{
    uint8_t data[HOST_BYTES];
    troupe_address actor;
    player p = PLAYER_INIT(.posts = 100);
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
    int fd = call_client(&role, &actor);
    unsigned messages = 0;
    for (unsigned envelopes = 0; envelopes < p.posts + 1; messages++) { /* the reply too */
        size_t len;
        cr_assert_eq(read_frame(fd, data, &len), 0x82);
        for (size_t at = 0; at < len; envelopes++) {
            troupe_envelope e;
            const char *name;
            size_t name_len;
            size_t used;
            cr_assert_eq(troupe_envelope_read_edge((troupe_bytes){data + at, len - at}, &e, &name,
                                                   &name_len, &used),
                         TROUPE_OK);
            at += used;
        }
    }
    cr_assert(messages > 10 && messages < 20); /* some are gathered */
    end_call(&p, actor, fd);
}

Test(client, may_be_closed_in_each_callback)
{
    for (int i = 0; i < 3; i++) {
        char key[HANDSHAKE_KEY_SIZE];
        uint8_t data[HOST_BYTES];
        troupe_envelope e;
        player p = PLAYER_INIT(.close_when_joined = i == 0, .close_when_answered = i == 1,
                               .close_when_left = i == 2);
        part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
        host_open();
        troupe_address actor = enter(&role);
        int fd = host_accept(key);
        troupe_buffer out = {0};
        troupe_buffer payload = {0};
        put_accept(&out, key);
        put_welcome(&out);
        send_all(fd, &out, 4096);
        cr_assert(read_envelope(fd, data, &e)); /* the call was queued before the close */
        troupe_buffer_clear(&out);
        put_envelope(&out, TROUPE_FAULT, 9, e.ref, "fault", &payload);
        put_envelope(&out, TROUPE_CAST, 9, 0, "more", &payload);
        send_all(fd, &out, 4096);
        if (i == 2) {
            shutdown(fd, SHUT_RDWR);
            gate_await(&p.left, 1);
        }
        gate_await(&p.answered, 1);
        cr_assert_eq(p.answer_error, i == 0 ? TROUPE_ECLOSED : TROUPE_EPROTOCOL);
        leave(actor);
        cr_assert_eq(p.answers, 1);
        cr_assert_eq(p.left_count, i == 2);
        close(fd);
        host_close();
        troupe_buffer_fini(&out);
    }
}

static void check_left_without_host(player *p, troupe_error error)
{
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = p);
    troupe_address actor = enter(&role);
    gate_await(&p->left, 1);
    cr_assert_eq(p->left_error, error, "%s: %s", troupe_error_name(p->left_error), p->left_reason);
    leave(actor);
}

Test(client, nobody_listening_is_an_io_error)
{
    player p = PLAYER_INIT(.name = NULL);
    host_open();
    host_close();
    check_left_without_host(&p, TROUPE_EIO);
}

Test(client, a_silent_host_is_left_in_time)
{
    player p = PLAYER_INIT(.timeout_ms = 50);
    host_open(); /* connections are made, and nobody takes them */
    check_left_without_host(&p, TROUPE_ETIMEOUT);
    host_close();
}

/* Looked up by an actor: "LOCALHOST" is no name that is known without asking. */
Test(client, names_are_looked_up)
{
    char key[HANDSHAKE_KEY_SIZE];
    char port[8];
    player p = PLAYER_INIT(.name = NULL);
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
    host_open();
    cr_assert_eq(sscanf(url, "ws://127.0.0.1:%7[0-9]", port), 1);
    snprintf(url, sizeof url, "ws://LOCALHOST:%s/ws", port);
    troupe_address actor = enter(&role);
    int fd = host_accept(key);
    troupe_buffer out = {0};
    put_accept(&out, key);
    put_welcome(&out);
    send_all(fd, &out, 4096);
    gate_await(&p.joined, 1);
    leave(actor);
    close(fd);
    host_close();
    troupe_buffer_fini(&out);
}

Test(client, a_lookup_may_outlive_the_client)
{
    player p = PLAYER_INIT(.name = NULL);
    part role = PART_INIT(.start = play_start, .stop = play_stop, .data = &p);
    snprintf(url, sizeof url, "ws://LOCALHOST:1/ws");
    leave(enter(&role));
    cr_assert_eq(p.left_count <= 1, true);
}

static troupe_error play_refused(troupe_actor *self, part *role)
{
    troupe_client *client = NULL;
    troupe_reason reason = {""};
    troupe_client_options options = {.url = "wss://example.com/ws"};
    cr_assert_eq(troupe_client_open(self, &options, &client, &reason), TROUPE_EUNAVAILABLE);
    cr_assert_not_null(strstr(reason.text, "TLS"));
    options.url = "nonsense";
    cr_assert_eq(troupe_client_open(self, &options, &client, &reason), TROUPE_EINVAL);
    options.url = NULL;
    cr_assert_eq(troupe_client_open(self, &options, &client, &reason), TROUPE_EINVAL);
    options.url = "ws://h/";
    options.token = "a b";
    cr_assert_eq(troupe_client_open(self, &options, &client, &reason), TROUPE_EINVAL);
    cr_assert_null(client);
    troupe_client_close(NULL);
    gate_raise(&role->arrived);
    return TROUPE_OK;
}

Test(client, malformed_options_are_refused)
{
    part role = PART_INIT(.start = play_refused);
    troupe_address actor = enter(&role);
    gate_await(&role.arrived, 1);
    leave(actor);
}
