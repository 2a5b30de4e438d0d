/* SPDX-License-Identifier: MIT */
/*
 * A client of a host, as a part of an actor. Everything here runs on the owner's thread.
 *
 * RESOLVING -> CONNECTING -> SHAKING -> GREETING -> NAMING -> JOINED -> LEFT; any of them may go to
 * LEFT, which is final. What is sent is gathered as one bundle, which becomes one WebSocket message
 * when the socket next takes something: the owner's turn is over then.
 */
#include "troupe/client.h"

#include "frames.h"
#include "handshake.h"
#include "resolve.h"
#include "runtime/map.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS      10000u
#define EDGE_TIMEOUT_MS 30000u /* of calls that the host's end answers */
#define QUEUE_BYTES     ((size_t)8 << 20)
#define MESSAGE_BYTES   ((size_t)64 << 20)
#define BUNDLE_BYTES    ((size_t)64 << 10)
#define READ_BYTES      ((size_t)64 << 10)
#define READS_A_TURN    8
#define ANSWER_BYTES    ((size_t)16 << 10) /* of the handshake */
#define CLOSE_NORMAL    1000
#define CLOSE_PROTOCOL  1002

typedef enum client_state {
    CLIENT_RESOLVING,  /* an actor looks the name up */
    CLIENT_CONNECTING, /* connect(2) is on its way */
    CLIENT_SHAKING,    /* the HTTP answer is awaited */
    CLIENT_GREETING,   /* the welcome is awaited */
    CLIENT_NAMING,     /* the name was asked for */
    CLIENT_JOINED,
    CLIENT_LEFT,
} client_state;

/* A call that has not ended. */
typedef struct remote_call {
    troupe_client *client;
    uint64_t ref;
    uint64_t timer;
    troupe_answer_fn fn;
    void *context;
} remote_call;

struct troupe_client {
    troupe_actor *self;
    troupe_client_options options; /* its strings are not kept but in the fields below */
    handshake_url url;
    char *token;
    char *name;
    client_state state;
    unsigned busy;     /* callbacks on the stack: it is not freed under them */
    bool closed;       /* by its owner */
    uint64_t deadline; /* timer until `joined` */
    resolved addresses;
    size_t address_next; /* to try */
    int fd;              /* of the lookup, then of the connection; -1: none */
    char key[HANDSHAKE_KEY_SIZE];
    frames frames;
    troupe_buffer bundle; /* envelopes that are no message yet */
    troupe_buffer out;    /* bytes for the socket, the first out_sent of them gone */
    size_t out_sent;
    troupe_address address; /* at the host */
    uint64_t host_bytes;    /* longest message that the host takes */
    uint64_t last_ref;
    map calls; /* ref -> remote_call */
};

static void leave(troupe_client *client, troupe_error error, const char *format, ...)
    TROUPE_PRINTF(3, 4);

/* Life -------------------------------------------------------------------------------------- */

static void client_free(troupe_client *client)
{
    frames_fini(&client->frames);
    troupe_buffer_fini(&client->bundle);
    troupe_buffer_fini(&client->out);
    map_fini(&client->calls);
    free(client->token);
    free(client->name);
    free(client);
}

static void enter(troupe_client *client)
{
    client->busy++;
}

static void release(troupe_client *client)
{
    if (--client->busy == 0 && client->closed) {
        client_free(client);
    }
}

static void hang_up(troupe_client *client)
{
    uint8_t scratch[4096];
    if (client->fd < 0) {
        return;
    }
    troupe_unwatch(client->self, client->fd);
    (void)shutdown(client->fd, SHUT_WR);
    /* What is unread would turn the end into a reset, and our last words with it. */
    for (int i = 0; i < 64 && recv(client->fd, scratch, sizeof scratch, MSG_DONTWAIT) > 0; i++) {
    }
    close(client->fd);
    client->fd = -1;
}

/* Forget the call, then tell how it ended: fn may do anything. */
static void call_end(remote_call *call, troupe_error error, const troupe_envelope *answer)
{
    troupe_client *client = call->client;
    remote_call ended = *call;
    map_remove(&client->calls, call->ref, NULL);
    troupe_timer_cancel(client->self, call->timer);
    free(call);
    ended.fn(client->self, ended.context, error, answer);
}

static void calls_end(troupe_client *client)
{
    map_entry entry;
    while (map_pop(&client->calls, &entry)) {
        remote_call *call = entry.value;
        call_end(call, TROUPE_ECLOSED, NULL);
    }
}

/* End the connection and all that hangs on it; no callback but those of calls. */
static void disconnect(troupe_client *client)
{
    client->state = CLIENT_LEFT;
    client->address = 0;
    troupe_timer_cancel(client->self, client->deadline);
    hang_up(client);
    calls_end(client);
}

static void leave(troupe_client *client, troupe_error error, const char *format, ...)
{
    char text[sizeof((troupe_reason *)NULL)->text];
    va_list args;
    if (client->state == CLIENT_LEFT) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    enter(client);
    disconnect(client);
    if (!client->closed && client->options.left != NULL) {
        client->options.left(client->self, client->options.context, error, text);
    }
    release(client);
}

/* Sending ----------------------------------------------------------------------------------- */

static size_t waiting(const troupe_client *client)
{
    return client->bundle.len + client->out.len - client->out_sent;
}

/* Poll for what is to be done now. */
static void watch(troupe_client *client)
{
    bool write = client->state == CLIENT_CONNECTING || waiting(client) > 0;
    troupe_watch_events(client->self, client->fd, (short)(POLLIN | (write ? POLLOUT : 0)));
}

/* Have on_ready called soon, whatever there is to send. */
static void watch_now(troupe_client *client)
{
    troupe_watch_events(client->self, client->fd, POLLIN | POLLOUT);
}

static troupe_error frame(troupe_client *client, frames_opcode opcode, troupe_bytes payload)
{
    return frames_write(&client->out, opcode, payload);
}

/* What was gathered becomes a message. */
static troupe_error seal(troupe_client *client)
{
    if (client->bundle.len == 0) {
        return TROUPE_OK;
    }
    troupe_error error = frame(client, FRAMES_BINARY, troupe_buffer_bytes(&client->bundle));
    troupe_buffer_clear(&client->bundle);
    return error;
}

/* A queue that is never empty must not grow by what is gone. */
static void compact(troupe_client *client)
{
    if (client->out_sent > client->out.len / 2) {
        client->out.len -= client->out_sent;
        memmove(client->out.data, client->out.data + client->out_sent, client->out.len);
        client->out_sent = 0;
    }
}

/* Write what the socket takes: TROUPE_OK, also if it takes no more now. */
static troupe_error write_out(troupe_client *client)
{
    while (client->out_sent < client->out.len) {
        ssize_t sent = send(client->fd, client->out.data + client->out_sent,
                            client->out.len - client->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            compact(client);
            return TROUPE_OK;
        }
        if (sent < 0 && errno != EINTR) {
            return TROUPE_ECLOSED;
        }
        client->out_sent += sent > 0 ? (size_t)sent : 0;
    }
    troupe_buffer_clear(&client->out);
    client->out_sent = 0;
    return TROUPE_OK;
}

static void flush(troupe_client *client)
{
    if (client->bundle.failed || client->out.failed) {
        leave(client, TROUPE_ENOMEM, "out of memory");
        return;
    }
    troupe_error error = seal(client);
    if (error == TROUPE_OK) {
        error = write_out(client);
    }
    if (error == TROUPE_OK) {
        watch(client);
    } else {
        leave(client, error, "the connection to %s:%s broke", client->url.host, client->url.port);
    }
}

/* Whether the host will take it: it ends the connection over what is no envelope. */
static bool acceptable(troupe_bytes bytes)
{
    troupe_envelope envelope;
    const char *name;
    size_t name_len;
    size_t used;
    return troupe_envelope_read_edge(bytes, &envelope, &name, &name_len, &used) == TROUPE_OK &&
           used == bytes.len;
}

/* How much is gathered for one message. */
static uint64_t bundle_bytes(const troupe_client *client)
{
    return client->host_bytes < BUNDLE_BYTES ? client->host_bytes : BUNDLE_BYTES;
}

/* Gather an envelope. bounded: refuse it when too much waits. */
static troupe_error put(troupe_client *client, const char *name, const troupe_envelope *envelope,
                        bool bounded)
{
    size_t before = client->bundle.len;
    size_t queued = waiting(client);
    if (bounded && queued > 0 && queued + envelope->payload.len > client->options.queue_bytes) {
        return TROUPE_EBUSY;
    }
    troupe_error error = troupe_envelope_write_edge(&client->bundle, envelope, name);
    if (error != TROUPE_OK) {
        return error;
    }
    troupe_bytes written = {client->bundle.data + before, client->bundle.len - before};
    bool fits = written.len <= client->host_bytes;
    if (!fits || !acceptable(written)) {
        client->bundle.len = before;
        return fits ? TROUPE_EINVAL : TROUPE_ELIMIT;
    }
    if (before > 0 && client->bundle.len > bundle_bytes(client)) { /* close it before this one */
        troupe_bytes gathered = {client->bundle.data, before};
        error = frame(client, FRAMES_BINARY, gathered);
        if (error != TROUPE_OK) {
            client->bundle.len = before;
            return error;
        }
        client->bundle.len -= before;
        memmove(client->bundle.data, client->bundle.data + before, client->bundle.len);
    }
    watch(client);
    return TROUPE_OK;
}

/* Whether envelopes can be sent now: to the host's end since its welcome, to others once joined. */
static troupe_error sendable(const troupe_client *client, bool edge)
{
    client_state since = edge ? CLIENT_NAMING : CLIENT_JOINED;
    return client->state == CLIENT_LEFT ? TROUPE_ECLOSED
           : client->state < since      ? TROUPE_ENOTCONNECTED
                                        : TROUPE_OK;
}

static troupe_error post(troupe_client *client, troupe_remote to, troupe_kind kind,
                         const char *verb, const troupe_meta *meta, troupe_bytes payload,
                         uint64_t ref)
{
    troupe_error error = sendable(client, to.address == 0 && to.name == NULL);
    if (error != TROUPE_OK) {
        return error;
    }
    troupe_envelope envelope = {
        .kind = kind,
        .to = to.address,
        .ref = ref,
        .verb = verb,
        .verb_len = strlen(verb),
        .payload = payload,
    };
    if (meta != NULL) {
        envelope.meta = *meta;
    }
    return put(client, to.name, &envelope, true);
}

/* Calls ------------------------------------------------------------------------------------- */

static void on_timeout(troupe_actor *self, void *context)
{
    (void)self;
    remote_call *call = context;
    troupe_client *client = call->client;
    enter(client);
    call_end(call, TROUPE_ETIMEOUT, NULL); /* the host's own deadline ends it there */
    release(client);
}

static troupe_error start_call(troupe_client *client, troupe_remote to, const char *verb,
                               const troupe_meta *meta, troupe_bytes payload, uint32_t timeout_ms,
                               troupe_answer_fn fn, void *context, uint64_t *ref)
{
    if (fn == NULL || timeout_ms == 0) {
        return TROUPE_EINVAL;
    }
    remote_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_meta with_timeout = meta != NULL ? *meta : (troupe_meta){0};
    with_timeout.timeout_ms = timeout_ms;
    *call =
        (remote_call){.client = client, .ref = ++client->last_ref, .fn = fn, .context = context};
    troupe_error error = map_put(&client->calls, call->ref, call) ? TROUPE_OK : TROUPE_ENOMEM;
    if (error == TROUPE_OK) {
        error = troupe_timer_start(client->self, timeout_ms, 0, on_timeout, call, &call->timer);
    }
    if (error == TROUPE_OK) {
        error = post(client, to, TROUPE_CALL, verb, &with_timeout, payload, call->ref);
    }
    if (error != TROUPE_OK) {
        map_remove(&client->calls, call->ref, NULL);
        troupe_timer_cancel(client->self, call->timer);
        free(call);
        return error;
    }
    if (ref != NULL) {
        *ref = call->ref;
    }
    return TROUPE_OK;
}

/* An answer to a call that has ended here is passed over. */
static void on_answer(troupe_client *client, const troupe_envelope *answer)
{
    const map_entry *entry = answer->ref != 0 ? map_find(&client->calls, answer->ref) : NULL;
    if (entry == NULL) {
        return;
    }
    remote_call *call = entry->value;
    troupe_error error = TROUPE_OK;
    if (answer->kind == TROUPE_FAULT) {
        troupe_fault_view fault;
        troupe_fault_read(answer, &fault);
        error = fault.code;
    }
    call_end(call, error, answer);
}

/* Receiving --------------------------------------------------------------------------------- */

static void now_joined(troupe_client *client)
{
    client->state = CLIENT_JOINED;
    troupe_timer_cancel(client->self, client->deadline);
    client->deadline = 0;
    if (client->options.joined != NULL) {
        client->options.joined(client->self, client->options.context, client->address);
    }
}

static void on_named(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    (void)self;
    troupe_client *client = context;
    troupe_fault_view fault = {0};
    if (error == TROUPE_OK) {
        now_joined(client);
        return;
    }
    if (answer != NULL) {
        troupe_fault_read(answer, &fault);
    }
    leave(client, error, "the name \"%s\": %.*s", client->name, (int)fault.message_len,
          fault.message != NULL ? fault.message : "");
}

static void on_welcome(troupe_client *client, const troupe_envelope *welcome)
{
    if (troupe_unpack(welcome->payload, "{s:U,s:{s:U}}", "address", &client->address, "limits",
                      "message_bytes", &client->host_bytes) != TROUPE_OK ||
        client->address == 0) {
        leave(client, TROUPE_EPROTOCOL, "the host's welcome cannot be read");
        return;
    }
    if (client->name == NULL) {
        now_joined(client);
        return;
    }
    client->state = CLIENT_NAMING;
    troupe_error error = troupe_client_name(client, client->name, on_named, client);
    if (error != TROUPE_OK) {
        leave(client, error, "the name \"%s\" could not be sent", client->name);
    }
}

static void on_undelivered(troupe_client *client, const troupe_envelope *event)
{
    troupe_undelivered what = {0};
    const char *error_name;
    size_t len;
    char text[64];
    if (client->options.undelivered == NULL) {
        return;
    }
    if (troupe_unpack(event->payload, "{s:s#,s:s#}", "verb", &what.verb, &what.verb_len, "error",
                      &error_name, &len) != TROUPE_OK ||
        len >= sizeof text) {
        leave(client, TROUPE_EPROTOCOL, "an `undelivered` of the host cannot be read");
        return;
    }
    if (troupe_unpack(event->payload, "{s:U}", "to", &what.address) != TROUPE_OK) {
        what.address = 0;
        (void)!troupe_unpack(event->payload, "{s:s#}", "to", &what.name, &what.name_len);
    }
    memcpy(text, error_name, len);
    text[len] = '\0';
    what.error = troupe_error_by_name(text);
    client->options.undelivered(client->self, client->options.context, &what);
}

static void on_envelope(troupe_client *client, const troupe_envelope *envelope)
{
    bool edge = envelope->kind == TROUPE_EVENT && envelope->from == 0;
    if (client->state == CLIENT_GREETING) {
        if (edge && troupe_verb_is(envelope, "welcome")) {
            on_welcome(client, envelope);
        } else {
            leave(client, TROUPE_EPROTOCOL, "the host did not begin with a welcome");
        }
    } else if (envelope->kind == TROUPE_REPLY || envelope->kind == TROUPE_FAULT) {
        on_answer(client, envelope);
    } else if (edge && troupe_verb_is(envelope, "undelivered")) {
        on_undelivered(client, envelope);
    } else if (client->options.receive != NULL) {
        client->options.receive(client->self, client->options.context, envelope);
    } else if (envelope->kind == TROUPE_CALL) {
        troupe_client_fault(client, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
}

static void on_message(troupe_client *client, troupe_bytes rest)
{
    while (rest.len > 0 && client->state != CLIENT_LEFT) {
        troupe_envelope envelope;
        size_t used;
        if (troupe_envelope_read(rest, &envelope, &used) != TROUPE_OK) {
            leave(client, TROUPE_EPROTOCOL, "the host sent something that is no envelope");
            return;
        }
        on_envelope(client, &envelope);
        rest.data += used;
        rest.len -= used;
    }
}

/* The host said goodbye: code and words. */
static void on_close(troupe_client *client, troupe_bytes payload)
{
    char words[128] = "";
    unsigned code = 0;
    if (payload.len >= 2) {
        code = (unsigned)payload.data[0] << 8 | payload.data[1];
    }
    for (size_t i = 2; i < payload.len && i < sizeof words; i++) {
        bool fine = payload.data[i] >= 0x20 && payload.data[i] != 0x7f;
        words[i - 2] = (char)(fine ? payload.data[i] : '?');
    }
    bool ours = code == CLOSE_PROTOCOL || (code >= 1007 && code <= 1009);
    leave(client, ours ? TROUPE_EPROTOCOL : TROUPE_ECLOSED, "the host closed: %u %s", code, words);
}

static void take_frames(troupe_client *client)
{
    while (client->state >= CLIENT_GREETING && client->state != CLIENT_LEFT) {
        troupe_bytes got = {NULL, 0};
        troupe_error error = TROUPE_OK;
        troupe_reason reason = {""};
        switch (frames_next(&client->frames, &got, &error, &reason)) {
        case FRAMES_GOT_NOTHING:
            return;
        case FRAMES_GOT_MESSAGE:
            on_message(client, got);
            break;
        case FRAMES_GOT_PING:
            if (waiting(client) < client->options.queue_bytes &&
                frame(client, FRAMES_PONG, got) != TROUPE_OK) {
                leave(client, TROUPE_ENOMEM, "out of memory");
            }
            break;
        case FRAMES_GOT_CLOSE:
            on_close(client, got);
            break;
        case FRAMES_BROKEN:
            leave(client, error, "%s", reason.text);
            break;
        }
    }
}

/* The HTTP answer, once all of it is there; what stands behind it are frames. */
static void take_answer(troupe_client *client)
{
    frames *in = &client->frames;
    const char *block = (const char *)in->in.data;
    const char *end = in->in.len > 0 ? memmem(block, in->in.len, "\r\n\r\n", 4) : NULL;
    if (end == NULL || memchr(block, '\0', (size_t)(end - block)) != NULL) {
        if (end != NULL || in->in.len > ANSWER_BYTES) {
            leave(client, TROUPE_EPROTOCOL, "the host does not speak HTTP/1.1");
        }
        return;
    }
    size_t len = (size_t)(end - block) + 4;
    char *answer = calloc(1, len + 1);
    troupe_reason reason = {"out of memory"};
    troupe_error error = TROUPE_ENOMEM;
    if (answer != NULL) {
        memcpy(answer, block, len);
        error = handshake_check(answer, client->key, &reason);
    }
    free(answer);
    if (error != TROUPE_OK) {
        leave(client, error, "%s", reason.text);
        return;
    }
    in->taken = len;
    client->state = CLIENT_GREETING;
}

static void take(troupe_client *client)
{
    if (client->state == CLIENT_SHAKING) {
        take_answer(client);
    }
    take_frames(client);
}

/* A turn's worth of what has come. */
static void read_in(troupe_client *client)
{
    for (int i = 0; i < READS_A_TURN && client->state != CLIENT_LEFT; i++) {
        uint8_t *room = frames_room(&client->frames, READ_BYTES);
        if (room == NULL) {
            leave(client, TROUPE_ENOMEM, "out of memory");
            return;
        }
        ssize_t got = recv(client->fd, room, READ_BYTES, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            leave(client, TROUPE_ECLOSED, "the connection to %s:%s ended", client->url.host,
                  client->url.port);
            return;
        }
        frames_filled(&client->frames, (size_t)got);
        take(client);
    }
}

/* Connecting -------------------------------------------------------------------------------- */

static void connect_next(troupe_client *client, int error);

static void on_connected(troupe_client *client)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        hang_up(client);
        connect_next(client, error);
        return;
    }
    client->state = CLIENT_SHAKING; /* the request is queued since the beginning */
}

static void on_ready(troupe_actor *self, void *context, int fd, short revents)
{
    (void)self;
    (void)fd;
    troupe_client *client = context;
    enter(client);
    if (client->state == CLIENT_CONNECTING) {
        on_connected(client);
    } else if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        read_in(client);
    }
    if (client->fd >= 0 && client->state >= CLIENT_SHAKING && client->state != CLIENT_LEFT) {
        flush(client);
    }
    release(client);
}

/* Notice a host that is gone without a word within a minute; send small things at once. */
static void socket_options(int fd)
{
    int on = 1;
    int idle_s = 20;
    int interval_s = 10;
    int probes = 3;
    unsigned unanswered_ms = 30000;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
}

/* Begin with one address: 0, or what is wrong as errno. */
static int connect_to(troupe_client *client, const struct sockaddr_storage *address)
{
    socklen_t len =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    socket_options(fd);
    if (connect(fd, (const struct sockaddr *)address, len) != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return error;
    }
    if (troupe_watch(client->self, fd, POLLOUT, on_ready, client) != TROUPE_OK) {
        close(fd);
        return ENOMEM;
    }
    client->fd = fd;
    return 0;
}

/* Try the addresses that are left. error: why the one before failed, as errno. */
static void connect_next(troupe_client *client, int error)
{
    client->state = CLIENT_CONNECTING;
    while (client->fd < 0 && client->address_next < client->addresses.count) {
        error = connect_to(client, &client->addresses.items[client->address_next++]);
    }
    if (client->fd < 0) {
        leave(client, TROUPE_EIO, "cannot connect to %s:%s: %s", client->url.host, client->url.port,
              strerror(error));
    }
}

static void on_resolved(troupe_actor *self, void *context, int fd, short revents)
{
    (void)self;
    (void)revents;
    troupe_client *client = context;
    enter(client);
    resolve_read(fd, &client->addresses);
    hang_up(client);
    if (client->addresses.count > 0) {
        connect_next(client, 0);
    } else {
        leave(client, TROUPE_EIO, "the address of %s could not be found", client->url.host);
    }
    release(client);
}

static void look_up(troupe_client *client)
{
    client->fd =
        resolve_start(troupe_self_system(client->self), client->url.host, client->url.port);
    if (client->fd < 0 ||
        troupe_watch(client->self, client->fd, POLLIN, on_resolved, client) != TROUPE_OK) {
        leave(client, TROUPE_ENOMEM, "the address of %s could not be looked up", client->url.host);
    }
}

static void on_deadline(troupe_actor *self, void *context)
{
    (void)self;
    troupe_client *client = context;
    leave(client, TROUPE_ETIMEOUT, "%s:%s did not let us join in time", client->url.host,
          client->url.port);
}

static void on_first(troupe_actor *self, void *context)
{
    (void)self;
    troupe_client *client = context;
    enter(client);
    client->deadline = 0;
    if (troupe_timer_start(client->self, client->options.timeout_ms, 0, on_deadline, client,
                           &client->deadline) != TROUPE_OK) {
        leave(client, TROUPE_ENOMEM, "out of memory");
    } else if (resolve_numeric(client->url.host, client->url.port, &client->addresses)) {
        connect_next(client, 0);
    } else {
        look_up(client);
    }
    release(client);
}

static bool copy_strings(troupe_client *client, const troupe_client_options *options)
{
    client->token = options->token != NULL ? strdup(options->token) : NULL;
    client->name = options->name != NULL ? strdup(options->name) : NULL;
    return (options->token == NULL) == (client->token == NULL) &&
           (options->name == NULL) == (client->name == NULL);
}

static troupe_error prepare(troupe_client *client, const troupe_client_options *options,
                            troupe_reason *reason)
{
    if (!copy_strings(client, options)) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = handshake_url_parse(options->url, &client->url, reason);
    if (error == TROUPE_OK) {
        error = handshake_key(client->key);
    }
    if (error == TROUPE_OK) {
        error = handshake_request(&client->out, &client->url, client->key, client->token, reason);
    }
    if (error == TROUPE_OK) { /* what follows may fail, and is told by `left`: not from within */
        error = troupe_timer_start(client->self, 0, 0, on_first, client, &client->deadline);
    }
    return error;
}

/* Public ------------------------------------------------------------------------------------ */

troupe_error troupe_client_open(troupe_actor *self, const troupe_client_options *options,
                                troupe_client **out, troupe_reason *reason)
{
    if (options->url == NULL) {
        return troupe_fail(reason, TROUPE_EINVAL, "no URL");
    }
    troupe_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return troupe_fail(reason, TROUPE_ENOMEM, "out of memory");
    }
    client->self = self;
    client->fd = -1;
    client->options = *options;
    client->options.url = client->options.token = client->options.name = NULL;
    if (options->timeout_ms == 0) {
        client->options.timeout_ms = TIMEOUT_MS;
    }
    if (options->queue_bytes == 0) {
        client->options.queue_bytes = QUEUE_BYTES;
    }
    client->frames.message_max =
        options->message_bytes != 0 ? options->message_bytes : MESSAGE_BYTES;
    troupe_error error = prepare(client, options, reason);
    if (error != TROUPE_OK) {
        client_free(client);
        return error;
    }
    *out = client;
    return TROUPE_OK;
}

void troupe_client_close(troupe_client *client)
{
    if (client == NULL || client->closed) {
        return;
    }
    enter(client);
    client->closed = true;
    if (client->state >= CLIENT_GREETING && client->state != CLIENT_LEFT) {
        static const uint8_t normal[] = {CLOSE_NORMAL >> 8, CLOSE_NORMAL & 0xff};
        troupe_bytes code = {normal, sizeof normal};
        if (seal(client) == TROUPE_OK && frame(client, FRAMES_CLOSE, code) == TROUPE_OK) {
            (void)write_out(client);
        }
    }
    disconnect(client);
    release(client);
}

troupe_address troupe_client_address(const troupe_client *client)
{
    return client->state >= CLIENT_JOINED ? client->address : 0;
}

troupe_error troupe_client_post(troupe_client *client, troupe_remote to, troupe_kind kind,
                                const char *verb, const troupe_meta *meta, troupe_bytes payload)
{
    if (kind != TROUPE_CAST && kind != TROUPE_EVENT) {
        return TROUPE_EINVAL;
    }
    return post(client, to, kind, verb, meta, payload, 0);
}

troupe_error troupe_client_call(troupe_client *client, troupe_remote to, const char *verb,
                                const troupe_meta *meta, troupe_bytes payload, uint32_t timeout_ms,
                                troupe_answer_fn fn, void *context, uint64_t *ref)
{
    return start_call(client, to, verb, meta, payload, timeout_ms, fn, context, ref);
}

/* A call or cast to the host's end, without an answer that anybody waits for. */
static void tell_edge(troupe_client *client, troupe_kind kind, const char *verb, uint64_t ref)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:U}", "ref", ref);
    troupe_envelope envelope = {
        .kind = kind,
        .ref = kind == TROUPE_CALL ? ++client->last_ref : 0,
        .verb = verb,
        .verb_len = strlen(verb),
        .payload = troupe_buffer_bytes(&payload),
    };
    if (sendable(client, true) == TROUPE_OK && !payload.failed) {
        (void)!put(client, NULL, &envelope, false);
    }
    troupe_buffer_fini(&payload);
}

void troupe_client_cancel(troupe_client *client, uint64_t ref)
{
    const map_entry *entry = ref != 0 ? map_find(&client->calls, ref) : NULL;
    if (entry == NULL) {
        return;
    }
    remote_call *call = entry->value;
    enter(client);
    tell_edge(client, TROUPE_CAST, "cancel", ref);
    call_end(call, TROUPE_ECANCELLED, NULL);
    release(client);
}

/* Queue an answer. TROUPE_OK also when nobody waits for it any more. */
static troupe_error answer(troupe_client *client, troupe_caller caller, troupe_kind kind,
                           troupe_bytes payload)
{
    if (caller.ref == 0 || sendable(client, true) != TROUPE_OK) {
        return TROUPE_OK;
    }
    const char *verb = kind == TROUPE_REPLY ? "reply" : "fault";
    troupe_envelope envelope = {
        .kind = kind,
        .to = caller.from,
        .ref = caller.ref,
        .verb = verb,
        .verb_len = strlen(verb),
        .payload = payload,
    };
    return put(client, NULL, &envelope, false);
}

void troupe_client_reply(troupe_client *client, troupe_caller caller, troupe_bytes payload)
{
    troupe_error error = answer(client, caller, TROUPE_REPLY, payload);
    if (error != TROUPE_OK) {
        troupe_client_fault(client, caller, error, NULL, NULL);
    }
}

static troupe_error answer_fault(troupe_client *client, troupe_caller caller, troupe_error code,
                                 const char *message, const char *data)
{
    troupe_buffer payload = {0};
    troupe_error error = troupe_pack(&payload, "{s:i,s:s,s:s,s:j#}", "code", (int)code, "name",
                                     troupe_error_name(code), "message", message, "data", data,
                                     data != NULL ? strlen(data) : 0);
    if (error == TROUPE_OK) {
        error = answer(client, caller, TROUPE_FAULT, troupe_buffer_bytes(&payload));
    }
    troupe_buffer_fini(&payload);
    return error;
}

/* The host takes no message that is so long, or so deep. */
static bool refused(troupe_error error)
{
    return error == TROUPE_ELIMIT || error == TROUPE_EINVAL;
}

void troupe_client_fault(troupe_client *client, troupe_caller caller, troupe_error code,
                         const char *data, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    if (format == NULL || vsnprintf(message, sizeof message, format, args) < 0) {
        snprintf(message, sizeof message, "%s", troupe_error_text(code));
    }
    va_end(args);
    code = code != TROUPE_OK ? code : TROUPE_EINTERNAL;
    troupe_error error = answer_fault(client, caller, code, message, data);
    if (refused(error) && data != NULL) {
        error = answer_fault(client, caller, code, message, NULL);
    }
    if (refused(error)) {
        error = answer_fault(client, caller, code, troupe_error_text(code), NULL);
    }
    if (error != TROUPE_OK && client->fd >= 0) {
        client->bundle.failed = true; /* the connection ends with this turn, and the call with it */
        watch_now(client);
    }
}

/* A call to the host's end with {key: value}. */
static troupe_error call_edge(troupe_client *client, const char *verb, const char *name,
                              troupe_address address, troupe_answer_fn fn, void *context)
{
    troupe_buffer payload = {0};
    if (name != NULL) {
        troupe_pack(&payload, "{s:s}", "name", name);
    } else {
        troupe_pack(&payload, "{s:U}", "address", address);
    }
    troupe_error error = TROUPE_ENOMEM;
    if (!payload.failed) {
        error = start_call(client, troupe_remote_at(0), verb, NULL, troupe_buffer_bytes(&payload),
                           EDGE_TIMEOUT_MS, fn, context, NULL);
    }
    troupe_buffer_fini(&payload);
    return error;
}

troupe_error troupe_client_name(troupe_client *client, const char *name, troupe_answer_fn fn,
                                void *context)
{
    return name != NULL ? call_edge(client, "name", name, 0, fn, context) : TROUPE_EINVAL;
}

troupe_error troupe_client_unname(troupe_client *client, const char *name, troupe_answer_fn fn,
                                  void *context)
{
    return name != NULL ? call_edge(client, "unname", name, 0, fn, context) : TROUPE_EINVAL;
}

troupe_error troupe_client_whereis(troupe_client *client, const char *name, troupe_answer_fn fn,
                                   void *context)
{
    return name != NULL ? call_edge(client, "whereis", name, 0, fn, context) : TROUPE_EINVAL;
}

troupe_error troupe_client_monitor(troupe_client *client, troupe_remote to, troupe_answer_fn fn,
                                   void *context)
{
    return call_edge(client, "monitor", to.name, to.address, fn, context);
}

void troupe_client_demonitor(troupe_client *client, uint64_t ref)
{
    tell_edge(client, TROUPE_CALL, "demonitor", ref);
}
