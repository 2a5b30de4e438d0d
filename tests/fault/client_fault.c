/* SPDX-License-Identifier: MIT */
/*
 * A client that joins, calls, serves and leaves, over and over: each time another allocation of it
 * or of the runtime fails. However it goes, each call that was accepted ends once, `left` is told
 * at most once, and nothing is left allocated.
 *
 *   client_fault           all; each line of client/ that allocates must have failed
 *   client_fault HOST K    the K-th alone; HOST: 127.0.0.1 or LOCALHOST
 */
#define FAULT_ITSELF
#include "fault.h"

#include "client/frames.h"
#include "client/handshake.h"
#include "troupe/client.h"
#include "troupe/log.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANG_S 60
#define CALLS  4

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "%s:%d: not so: %s (at %lu, failed: %s)\n", __FILE__, __LINE__, \
                    #condition, k, fault_hit() != NULL ? fault_hit() : "nothing");          \
            _exit(1);                                                                       \
        }                                                                                   \
    } while (0)

static unsigned long k;
static int listener;
static unsigned port;
static char url[64];
static const troupe_bytes nothing;

/* The host: a thread with blocking sockets ------------------------------------------------- */

static void put_envelope(troupe_buffer *out, troupe_kind kind, uint64_t ref, const char *verb,
                         const troupe_buffer *payload)
{
    troupe_envelope e = {.kind = kind,
                         .to = 65537,
                         .ref = ref,
                         .verb = verb,
                         .verb_len = strlen(verb),
                         .payload = troupe_buffer_bytes(payload)};
    uint8_t bytes[128];
    troupe_buffer one = {.data = bytes, .capacity = sizeof bytes};
    CHECK(troupe_envelope_write(&one, &e) == TROUPE_OK);
    uint8_t head[2] = {0x82, (uint8_t)one.len};
    CHECK(one.len < 126 && out->capacity - out->len >= one.len + 2);
    memcpy(out->data + out->len, head, 2);
    memcpy(out->data + out->len + 2, bytes, one.len);
    out->len += one.len + 2;
}

static bool send_all(int fd, const void *data, size_t len)
{
    return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The handshake, the welcome, and a call for the client. */
static bool greet(int fd)
{
    char request[2048] = "";
    char key[HANDSHAKE_KEY_SIZE];
    char accept[HANDSHAKE_ACCEPT_SIZE];
    char answer[512];
    size_t len = 0;
    while (strstr(request, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, request + len, sizeof request - 1 - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        request[len] = '\0';
    }
    CHECK(sscanf(strstr(request, "Sec-WebSocket-Key: "), "Sec-WebSocket-Key: %24s", key) == 1);
    handshake_accept(key, accept);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Protocol: " HANDSHAKE_PROTOCOL
                     "\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    uint8_t welcome[64];
    uint8_t bytes[512];
    troupe_buffer payload = {.data = welcome, .capacity = sizeof welcome};
    troupe_buffer out = {.data = bytes, .capacity = sizeof bytes};
    troupe_pack(&payload, "{s:U,s:{s:U}}", "address", (uint64_t)65537, "limits", "message_bytes",
                (uint64_t)100000);
    put_envelope(&out, TROUPE_EVENT, 0, "welcome", &payload);
    put_envelope(&out, TROUPE_CALL, 77, "serve", &payload);
    return send_all(fd, answer, (size_t)n) && send_all(fd, out.data, out.len);
}

/* Answer each call of a bundle. */
static bool serve(int fd, troupe_bytes rest)
{
    uint8_t bytes[2048];
    troupe_buffer out = {.data = bytes, .capacity = sizeof bytes};
    troupe_buffer nil = {0};
    while (rest.len > 0) {
        troupe_envelope e;
        const char *name;
        size_t name_len;
        size_t used;
        CHECK(troupe_envelope_read_edge(rest, &e, &name, &name_len, &used) == TROUPE_OK);
        if (e.kind == TROUPE_CALL) {
            put_envelope(&out, TROUPE_REPLY, e.ref, "reply", &nil);
        }
        rest.data += used;
        rest.len -= used;
    }
    return send_all(fd, out.data, out.len);
}

/* Frames of the client until it leaves. */
static void converse(int fd)
{
    uint8_t head[4];
    static uint8_t data[65536];
    while (recv(fd, head, 2, MSG_WAITALL) == 2) {
        size_t len = head[1] & 0x7fu;
        uint8_t mask[4];
        if (len == 126) {
            CHECK(recv(fd, head + 2, 2, MSG_WAITALL) == 2);
            len = (size_t)head[2] << 8 | head[3];
        }
        if (recv(fd, mask, 4, MSG_WAITALL) != 4 ||
            (len > 0 && recv(fd, data, len, MSG_WAITALL) != (ssize_t)len)) {
            return;
        }
        for (size_t i = 0; i < len; i++) {
            data[i] ^= mask[i % 4];
        }
        troupe_bytes bundle = {data, len};
        if (head[0] != 0x82 || !serve(fd, bundle)) {
            return;
        }
    }
}

static void *host(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        if (greet(fd)) {
            converse(fd);
        }
        close(fd);
    }
}

/* The actor with the client ----------------------------------------------------------------- */

typedef struct player {
    troupe_client *client;
    int accepted; /* calls */
    int ended;
    int replied;
    int left;
} player;

static atomic_int joined_count;
static atomic_int replied_count;

/* Over when all calls have ended. */
static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)answer;
    player *p = context;
    p->replied += error == TROUPE_OK;
    if (++p->ended == p->accepted && p->left == 0) {
        troupe_exit(self, TROUPE_OK);
    }
}

static void on_joined(troupe_actor *self, void *context, troupe_address address)
{
    (void)address;
    player *p = context;
    uint64_t ref;
    atomic_fetch_add(&joined_count, 1);
    for (int i = 0; i < CALLS; i++) {
        p->accepted += troupe_client_call(p->client, troupe_remote_named("x"), "ask", NULL, nothing,
                                          HANG_S * 1000, on_answer, p, &ref) == TROUPE_OK;
    }
    p->accepted += troupe_client_monitor(p->client, troupe_remote_at(5), on_answer, p) == TROUPE_OK;
    (void)!troupe_client_post(p->client, troupe_remote_named("x"), TROUPE_CAST, "v", NULL, nothing);
    troupe_client_demonitor(p->client, 1);
    if (p->accepted == 0) {
        troupe_exit(self, TROUPE_ENOMEM);
    }
}

static void on_receive(troupe_actor *self, void *context, const troupe_envelope *e)
{
    (void)self;
    player *p = context;
    troupe_client_reply(p->client, troupe_caller_of(e), e->payload);
}

static void on_left(troupe_actor *self, void *context, troupe_error error, const char *reason)
{
    player *p = context;
    CHECK(error != TROUPE_OK && reason[0] != '\0');
    p->left++;
    troupe_exit(self, error);
}

static troupe_error play_start(troupe_actor *self, void *state)
{
    player *p = state;
    troupe_client_options options = {.url = url,
                                     .token = "t",
                                     .name = "one",
                                     .context = p,
                                     .joined = on_joined,
                                     .receive = on_receive,
                                     .left = on_left};
    return troupe_client_open(self, &options, &p->client, NULL);
}

static void play_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    player *p = state;
    troupe_client_close(p->client);
    CHECK(p->ended == p->accepted);
    CHECK(p->left <= 1);
    atomic_fetch_add(&replied_count, p->replied);
}

static troupe_error ignore(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)self;
    (void)state;
    (void)e;
    return TROUPE_OK;
}

static const troupe_behaviour behaviour = {
    .kind = "player", .start = play_start, .receive = ignore, .stop = play_stop};

/* The sweep --------------------------------------------------------------------------------- */

/* True: the k-th call was reached, and failed. */
static bool run(unsigned long at)
{
    long before = fault_outstanding();
    player p = {0};
    troupe_system *system;
    k = at;
    alarm(HANG_S);
    fault_arm(at);
    if (troupe_system_open(NULL, &system) == TROUPE_OK) {
        troupe_address address;
        troupe_spawn_options options = {.behaviour = &behaviour, .state = &p};
        if (troupe_spawn(system, &options, &address) == TROUPE_OK) {
            CHECK(troupe_join(system, address, HANG_S * 1000) == TROUPE_OK);
        }
        troupe_system_close(system, HANG_S * 1000);
    }
    CHECK(fault_outstanding() == before);
    return fault_hit() != NULL;
}

/* Each call on the way to a host of that name. */
static void sweep(const char *host_name)
{
    snprintf(url, sizeof url, "ws://%s:%u/ws", host_name, port);
    joined_count = 0;
    replied_count = 0;
    (void)run(0);
    CHECK(joined_count == 1 && replied_count == CALLS + 1);
    unsigned long calls = fault_count();
    unsigned long failed = 0;
    for (unsigned long at = 1; at <= calls; at++) {
        failed += run(at);
    }
    printf("%s: %lu runs, each with one failure; %d joined, %d replies\n", host_name, failed,
           joined_count, replied_count);
    CHECK(failed > calls / 2);
}

static void host_open(pthread_t *thread)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&name, len) == 0 && listen(listener, 8) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &len) == 0);
    port = ntohs(name.sin_port);
    CHECK(pthread_create(thread, NULL, host, NULL) == 0);
}

static void log_nothing(void *context, const troupe_log_record *record)
{
    (void)context;
    (void)record;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    troupe_log_set_sink(log_nothing, NULL);
    host_open(&thread);
    if (argc > 2) {
        snprintf(url, sizeof url, "ws://%s:%u/ws", argv[1], port);
        (void)run(strtoul(argv[2], NULL, 10));
    } else {
        sweep("127.0.0.1");
        sweep("LOCALHOST"); /* is looked up */
        CHECK(fault_never_failed(CLIENT_DIRECTORY) == 0);
    }
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    puts("ok");
    return 0;
}
