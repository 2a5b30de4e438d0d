/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket client as an actor.
 *
 * States: open -> closing (a close frame is queued or was received) -> the actor ends. Every frame
 * in and out passes wslay, which checks masks, opcodes, fragments, lengths and UTF-8.
 */
#include "client.h"

#include "external.h"
#include "feed.h"
#include "rpc.h"
#include "slots.h"
#include "troupe/log.h"

#include <wslay/wslay.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_BYTES_MAX (1u << 20)   /* one message from the peer */
#define CDP_BYTES_MAX     (100u << 20) /* one of a CDP client, as Chrome takes them */
#define TURN_BYTES_MAX    (256u << 10) /* read before others get their turn */
#define QUEUE_BYTES_SOFT  (4u << 20)   /* more: no reading, no events */
#define QUEUE_BYTES_HARD  (256u << 20) /* more: disconnected; one longer message may stand alone */
#define CALLS_MAX         1024         /* in flight; more: no reading */
#define PING_NS           20000000000u
#define SILENCE_NS        60000000000u
#define CDP_GOODBYE_NS    5000000000u
#define CDP_STALL_NS      120000000000u /* a script that stands in a debugger takes nothing */
#define LINGER_MS         1000 /* for the peer to take our close, and to end what it was sending */

typedef enum client_state {
    CLIENT_OPEN,
    CLIENT_CLOSING, /* close frames are written; ends when the peer does, or after LINGER_MS */
} client_state;

/* One message of the peer, until its answer is queued. */
typedef struct exchange {
    struct client *owner;
    struct exchange *next;
    struct exchange *previous;
    rpc_message message;
    size_t open; /* calls that have not ended */
} exchange;

typedef struct client {
    bridge *server;
    client_slot *slot;
    uint64_t number;
    troupe_actor *self; /* set by start */
    client_state state;
    client_protocol protocol;
    int fd;
    wslay_event_context_ptr ws;
    char greeting[256];
    exchange *exchanges;
    size_t calls_open;
    size_t read_budget; /* bytes this turn may still read */
    bool reading;
    bool reset;        /* hang up without sending what is queued */
    uint64_t heard_ns; /* last bytes from the peer */
    uint64_t pinged_ns;
    uint64_t moved_ns;  /* last bytes it took, or the queue began */
    uint64_t closed_ns; /* a close was queued for a CDP client; 0 = not */
    feed feed;          /* live events */
    external external;  /* the peer as an actor */
    cdp_peer cdp;       /* the peer as a driver of a browser */
} client;

/* Sending ----------------------------------------------------------------------------------- */

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags,
                       void *context)
{
    client *state = context;
    int options = MSG_DONTWAIT | MSG_NOSIGNAL | ((flags & WSLAY_MSG_MORE) != 0 ? MSG_MORE : 0);
    ssize_t sent;
    do {
        sent = send(state->fd, data, len, options);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        bool full = errno == EAGAIN || errno == EWOULDBLOCK;
        wslay_event_set_error(ws, full ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    state->moved_ns = bridge_now_ns();
    return sent;
}

static size_t queued(const client *state)
{
    return wslay_event_get_queued_msg_length(state->ws);
}

/* What those are told who monitor the peer. */
static troupe_error end_reason(const client *state)
{
    if (state->external.refused) {
        return TROUPE_EPROTOCOL;
    }
    bool goodbye = wslay_event_get_close_received(state->ws) != 0;
    return goodbye || !state->external.joined ? TROUPE_OK : TROUPE_ECLOSED;
}

/* The connection is of no use any more, or goodbye was said. */
static void client_end(client *state, const char *why)
{
    if (state->state == CLIENT_OPEN) {
        troupe_log(TROUPE_LOG_DEBUG, "bridge", "client-end", state->slot->name, "%s", why);
    }
    state->state = CLIENT_CLOSING;
    troupe_exit(state->self, end_reason(state));
}

/* What the peer still sends after our close is read and dropped: unread, it would turn the end of
 * the connection into a reset that may eat our close frame. */
static void on_rest(troupe_actor *self, void *context, int fd, short revents)
{
    (void)context;
    (void)revents;
    char scratch[16384];
    for (int i = 0; i < 64; i++) {
        ssize_t got = recv(fd, scratch, sizeof scratch, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            troupe_exit(self, TROUPE_OK);
            return;
        }
    }
}

static void on_lingered(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

/* Our close is written, the peer's has not come: give it time. */
static void client_linger(client *state)
{
    if (state->state != CLIENT_OPEN) {
        return;
    }
    state->state = CLIENT_CLOSING;
    state->reading = false;
    (void)shutdown(state->fd, SHUT_WR);
    troupe_unwatch(state->self, state->fd);
    if (troupe_watch(state->self, state->fd, POLLIN, on_rest, state) != TROUPE_OK ||
        troupe_timer_start(state->self, LINGER_MS, 0, on_lingered, state, NULL) != TROUPE_OK) {
        troupe_exit(state->self, TROUPE_OK);
    }
}

/* Whether what the peer says could be taken now. */
static bool has_use(const client *state)
{
    return queued(state) < QUEUE_BYTES_SOFT && state->calls_open < CALLS_MAX &&
           (state->protocol != CLIENT_CDP || cdp_peer_reads(&state->cdp) ||
            wslay_event_get_close_sent(state->ws) != 0); /* its close is waited for */
}

/* After anything was read or written: what to poll for now, and whether it is over. */
static void client_settle(client *state)
{
    bool want_write = wslay_event_want_write(state->ws) != 0;
    bool want_read = wslay_event_want_read(state->ws) != 0;
    atomic_store(&state->slot->queued_bytes, queued(state));
    if (state->state == CLIENT_CLOSING) {
        return;
    }
    if (!want_write && !want_read) {
        if (wslay_event_get_close_received(state->ws) != 0) {
            client_end(state, "closed");
        } else {
            client_linger(state);
        }
        return;
    }
    bool reading = want_read && has_use(state);
    if (reading && !state->reading) {
        state->heard_ns = bridge_now_ns();
    }
    state->reading = reading;
    troupe_watch_events(state->self, state->fd,
                        (short)((reading ? POLLIN : 0) | (want_write ? POLLOUT : 0)));
}

static void client_flush(client *state)
{
    if (wslay_event_send(state->ws) != 0) {
        client_end(state, "the peer is gone");
        return;
    }
    client_settle(state);
}

static void client_queue(client *state, uint8_t opcode, const void *data, size_t len)
{
    if (queued(state) > 0 && queued(state) + len > QUEUE_BYTES_HARD) {
        state->reset = true;
        client_end(state, "too much waits for it");
        return;
    }
    if (queued(state) == 0) {
        state->moved_ns = bridge_now_ns();
    }
    bool idle = wslay_event_want_write(state->ws) == 0;
    struct wslay_event_msg message = {opcode, data, len};
    int error = wslay_event_queue_msg(state->ws, &message);
    if (error == WSLAY_ERR_NOMEM) {
        client_end(state, "out of memory");
    } else if (error == 0 && idle) {
        client_flush(state);
    }
}

/* Requests ---------------------------------------------------------------------------------- */

static void exchange_free(exchange *work)
{
    client *state = work->owner;
    if (work->previous != NULL) {
        work->previous->next = work->next;
    } else {
        state->exchanges = work->next;
    }
    if (work->next != NULL) {
        work->next->previous = work->previous;
    }
    rpc_message_fini(&work->message);
    free(work);
}

static void exchange_answer(exchange *work)
{
    client *state = work->owner;
    const rpc_message *message = &work->message;
    troupe_buffer out = {0};
    if (!message->batch) {
        const troupe_buffer *answer = &message->calls[0].answer;
        if (answer->len > 0) {
            client_queue(state, WSLAY_TEXT_FRAME, answer->data, answer->len);
        }
    } else {
        rpc_message_write(message, &out);
        if (out.len > 0 && !out.failed) {
            client_queue(state, WSLAY_TEXT_FRAME, out.data, out.len);
        }
    }
    troupe_buffer_fini(&out);
    bool stop = message->stop;
    exchange_free(work);
    if (stop) {
        state->server->options->stop_requested(state->server->options->stop_context);
    }
}

/* One call of an exchange has ended. */
static void call_ended(client *state, rpc_call *call)
{
    exchange *work = call->owner;
    state->calls_open--;
    if (--work->open == 0) {
        exchange_answer(work);
    }
    client_settle(state);
}

static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)self;
    rpc_call *call = context;
    client *state = ((exchange *)call->owner)->owner;
    if (error == TROUPE_OK) {
        rpc_call_reply(state->server, call, answer->payload);
    } else {
        rpc_call_failed(state->server, call, error, answer);
    }
    call_ended(state, call);
}

static void start_call(client *state, rpc_call *call)
{
    troupe_error error;
    do {
        error = troupe_call(state->self, call->to, call->verb, &call->meta,
                            troupe_buffer_bytes(&call->payload), call->timeout_ms, on_answer, call,
                            NULL);
    } while (rpc_call_redirect(state->server, call, error));
    troupe_buffer_fini(&call->payload);
    if (error != TROUPE_OK) {
        rpc_call_unsent(state->server, call, error);
        return;
    }
    ((exchange *)call->owner)->open++;
    state->calls_open++;
}

/* Receiving --------------------------------------------------------------------------------- */

static void exchange_run(client *state, exchange *work)
{
    work->open = 1; /* held while calls are started: none may end the exchange early */
    state->calls_open++;
    for (size_t i = 0; i < work->message.count; i++) {
        rpc_call *call = &work->message.calls[i];
        call->owner = work;
        if (call->state == RPC_CALL) {
            start_call(state, call);
        } else if (call->state == RPC_POST) {
            rpc_call_posted(state->server, call,
                            troupe_post(state->self, call->to, TROUPE_CAST, call->verb, &call->meta,
                                        troupe_buffer_bytes(&call->payload)));
        } else if (call->state == RPC_CLIENT) {
            bool open = strcmp(call->method->name, "events.subscribe") == 0
                            ? feed_subscribe(&state->feed, call)
                            : feed_unsubscribe(&state->feed, call);
            work->open += open;
            state->calls_open += open;
        }
    }
    state->calls_open--;
    if (--work->open == 0) {
        exchange_answer(work);
    }
}

static void on_text(client *state, const char *text, size_t len)
{
    troupe_buffer fault = {0};
    exchange *work = calloc(1, sizeof *work);
    if (work == NULL) {
        client_end(state, "out of memory");
        return;
    }
    work->owner = state;
    atomic_fetch_add(&state->slot->requests, 1);
    if (rpc_message_read(state->server, state->slot->peer, text, len, true, &work->message,
                         &fault) != TROUPE_OK) {
        client_queue(state, WSLAY_TEXT_FRAME, fault.data, fault.len);
        rpc_message_fini(&work->message);
        free(work);
    } else {
        work->next = state->exchanges;
        if (work->next != NULL) {
            work->next->previous = work;
        }
        state->exchanges = work;
        exchange_run(state, work);
    }
    troupe_buffer_fini(&fault);
}

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *data, size_t len, int flags,
                       void *context)
{
    (void)flags;
    client *state = context;
    len = len < state->read_budget ? len : state->read_budget;
    ssize_t got = 0;
    if (len > 0) {
        do {
            got = recv(state->fd, data, len, MSG_DONTWAIT);
        } while (got < 0 && errno == EINTR);
    }
    if (len == 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))) {
        wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (got <= 0) {
        wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    state->read_budget -= (size_t)got;
    state->heard_ns = bridge_now_ns();
    return got;
}

/* The peer broke the rules: say so, and take nothing more from it. */
static void refuse(void *context, uint16_t code, const char *why)
{
    client *state = context;
    wslay_event_shutdown_read(state->ws);
    wslay_event_queue_close(state->ws, code, (const uint8_t *)why, strlen(why));
}

static void on_message(wslay_event_context_ptr ws,
                       const struct wslay_event_on_msg_recv_arg *message, void *context)
{
    (void)ws;
    client *state = context;
    if (message->opcode == WSLAY_TEXT_FRAME && state->protocol == CLIENT_CDP) {
        atomic_fetch_add(&state->slot->requests, 1);
        cdp_peer_message(&state->cdp, message->msg, message->msg_length);
    } else if (message->opcode == WSLAY_TEXT_FRAME && state->protocol != CLIENT_ENVELOPE) {
        on_text(state, (const char *)message->msg, message->msg_length);
    } else if (message->opcode == WSLAY_BINARY_FRAME && state->protocol != CLIENT_JSONRPC &&
               state->protocol != CLIENT_CDP) {
        external_message(&state->external, message->msg, message->msg_length);
    } else if (!wslay_is_ctrl_frame(message->opcode)) {
        refuse(state, WSLAY_CODE_UNSUPPORTED_DATA, "not in the subprotocol that was agreed on");
    }
    if (!has_use(state)) {
        state->read_budget = 0;
    }
}

static void on_ready(troupe_actor *self, void *context, int fd, short revents)
{
    (void)self;
    (void)fd;
    client *state = context;
    if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0 && state->reading) {
        state->read_budget = TURN_BYTES_MAX;
        if (wslay_event_recv(state->ws) != 0) {
            client_end(state, "the peer is gone");
            return;
        }
    } else if ((revents & (POLLHUP | POLLERR)) != 0) {
        client_end(state, "the peer is gone");
        return;
    }
    client_flush(state);
    feed_room(&state->feed);
}

/* Look after a peer that takes nothing, or says nothing. */
static void on_tick(troupe_actor *self, void *context)
{
    client *state = context;
    uint64_t now_ns = troupe_now_ns(self);
    external_tick(&state->external);
    bool cdp = state->protocol == CLIENT_CDP;
    uint64_t stall_ns = cdp ? CDP_STALL_NS : (uint64_t)state->server->client_stall_ms * 1000000u;
    if (wslay_event_want_write(state->ws) != 0 && now_ns > state->moved_ns + stall_ns) {
        troupe_log(TROUPE_LOG_WARN, "bridge", "client-slow", state->slot->name,
                   "took nothing for %u ms with %zu bytes waiting: disconnected",
                   (unsigned)(stall_ns / 1000000u), queued(state));
        state->reset = true;
        client_end(state, "slow");
    } else if (state->closed_ns != 0 && now_ns > state->closed_ns + CDP_GOODBYE_NS) {
        client_end(state, "it does not say goodbye");
    } else if (!cdp && state->reading && now_ns > state->heard_ns + SILENCE_NS) {
        client_end(state, "silent");
    } else if (state->reading && now_ns > state->heard_ns + PING_NS &&
               now_ns > state->pinged_ns + PING_NS) {
        struct wslay_event_msg ping = {WSLAY_PING, NULL, 0};
        state->pinged_ns = now_ns;
        (void)wslay_event_queue_msg(state->ws, &ping);
        client_flush(state);
    }
}

/* The actor --------------------------------------------------------------------------------- */

static bool has_room(void *context)
{
    return queued(context) < QUEUE_BYTES_SOFT;
}

static void feed_send(void *context, const void *text, size_t len)
{
    client_queue(context, WSLAY_TEXT_FRAME, text, len);
}

static bool is_idle(void *context)
{
    return queued(context) == 0;
}

/* It has been offered more than it takes for too long. */
static void feed_too_slow(void *context)
{
    client *state = context;
    static const char why[] = "too slow for its events";
    if (state->state == CLIENT_OPEN) {
        troupe_log(TROUPE_LOG_INFO, "bridge", "client-slow", state->slot->name, "closed with 1013");
        wslay_event_queue_close(state->ws, 1013, (const uint8_t *)why, sizeof why - 1);
        client_flush(state);
    }
}

static void feed_ended(void *context, rpc_call *call)
{
    call_ended(context, call);
}

static void feed_begin(client *state)
{
    state->feed = (feed){
        .self = state->self,
        .server = state->server,
        .slot = state->slot,
        .context = state,
        .room = has_room,
        .send = feed_send,
        .idle = is_idle,
        .too_slow = feed_too_slow,
        .ended = feed_ended,
    };
}

static void external_send(void *context, const void *bundle, size_t len)
{
    client_queue(context, WSLAY_BINARY_FRAME, bundle, len);
}

static void external_begin(client *state)
{
    state->external = (external){
        .self = state->self,
        .server = state->server,
        .slot = state->slot,
        .message_bytes = MESSAGE_BYTES_MAX,
        .context = state,
        .room = has_room,
        .send = external_send,
        .refuse = refuse,
    };
}

static void cdp_close(void *context, uint16_t code, const char *reason)
{
    client *state = context;
    if (state->state == CLIENT_OPEN) {
        state->closed_ns = bridge_now_ns();
        wslay_event_queue_close(state->ws, code, (const uint8_t *)reason, strlen(reason));
        client_flush(state);
    }
}

static void cdp_settle(void *context)
{
    client_settle(context);
}

static void cdp_send(void *context, const void *text, size_t len)
{
    client *state = context;
    atomic_fetch_add(&state->slot->events, 1);
    client_queue(state, WSLAY_TEXT_FRAME, text, len);
}

/* The kernel finds out about a peer that is gone: some clients answer no ping. */
static troupe_error cdp_begin(client *state)
{
    int on = 1;
    (void)setsockopt(state->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    state->reading = false; /* before the browser is open */
    troupe_watch_events(state->self, state->fd, 0);
    state->cdp.self = state->self;
    state->cdp.context = state;
    state->cdp.send = cdp_send;
    state->cdp.close = cdp_close;
    state->cdp.settle = cdp_settle;
    return cdp_peer_begin(&state->cdp);
}

static troupe_error client_begin(troupe_actor *self, void *context)
{
    client *state = context;
    struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_msg_recv_callback = on_message,
    };
    state->self = self;
    feed_begin(state);
    external_begin(state);
    state->heard_ns = state->moved_ns = bridge_now_ns();
    if (wslay_event_context_server_init(&state->ws, &callbacks, state) != 0) {
        return TROUPE_ENOMEM;
    }
    wslay_event_config_set_max_recv_msg_length(
        state->ws, state->protocol == CLIENT_CDP ? CDP_BYTES_MAX : MESSAGE_BYTES_MAX);
    size_t len = strlen(state->greeting);
    if (send(state->fd, state->greeting, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len) {
        return TROUPE_ECLOSED;
    }
    troupe_error error = troupe_watch(self, state->fd, POLLIN, on_ready, state);
    if (error != TROUPE_OK) {
        return error;
    }
    state->reading = true;
    if (state->protocol == CLIENT_CDP && (error = cdp_begin(state)) != TROUPE_OK) {
        return error;
    }
    if (state->protocol == CLIENT_ENVELOPE) {
        external_join(&state->external);
        external_turn(&state->external);
    }
    return troupe_timer_start(self, state->server->client_tick_ms, state->server->client_tick_ms,
                              on_tick, state, NULL);
}

static troupe_error client_receive(troupe_actor *self, void *context,
                                   const troupe_envelope *envelope)
{
    client *state = context;
    troupe_down down;
    bool of_feed =
        state->feed.topics != 0 && state->feed.store != 0 && envelope->from == state->feed.store;
    if (state->state == CLIENT_CLOSING) {
        if (envelope->kind == TROUPE_CALL) {
            troupe_fault(self, troupe_caller_of(envelope), TROUPE_ECLOSED, NULL, NULL);
        }
    } else if (state->protocol == CLIENT_CDP) {
        cdp_peer_receive(&state->cdp, envelope);
    } else if (envelope->kind == TROUPE_EVENT && (of_feed || !state->external.joined)) {
        feed_event(&state->feed, envelope);
    } else if (envelope->kind == TROUPE_SIGNAL && troupe_down_read(envelope, &down) == TROUPE_OK &&
               down.ref == state->feed.store_monitor) {
        feed_down(&state->feed, &down);
    } else if (state->external.joined) {
        external_receive(&state->external, envelope);
    } else if (envelope->kind == TROUPE_CALL) {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void client_turn(troupe_actor *self, void *context)
{
    (void)self;
    client *state = context;
    if (state->state == CLIENT_OPEN) {
        external_turn(&state->external);
    }
}

static bool client_closing(troupe_actor *self, void *context)
{
    (void)self;
    client *state = context;
    if (state->ws != NULL && state->state == CLIENT_OPEN) {
        external_turn(&state->external);
        state->state = CLIENT_CLOSING;
        (void)wslay_event_send(state->ws);
        wslay_event_queue_close(state->ws, WSLAY_CODE_GOING_AWAY, NULL, 0);
        (void)wslay_event_send(state->ws);
    }
    return true;
}

/* End of the connection. Unread bytes would turn the close into a reset that eats our last frames;
 * with `reset` that is what is wanted: the kernel keeps nothing for a peer that takes nothing. */
static void hang_up(int fd, bool reset)
{
    char scratch[4096];
    struct linger at_once = {1, 0};
    if (reset) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    } else {
        (void)shutdown(fd, SHUT_WR);
        for (int i = 0; i < 64 && recv(fd, scratch, sizeof scratch, MSG_DONTWAIT) > 0; i++) {
        }
    }
    close(fd);
}

static void client_free(client *state)
{
    while (state->exchanges != NULL) {
        exchange_free(state->exchanges);
    }
    if (state->ws != NULL) {
        wslay_event_context_free(state->ws);
    }
    feed_fini(&state->feed);
    external_fini(&state->external);
    cdp_peer_fini(&state->cdp);
    free(state);
}

static void client_stop(troupe_actor *self, void *context, troupe_error reason)
{
    (void)reason;
    client *state = context;
    troupe_unwatch(self, state->fd);
    hang_up(state->fd, state->reset);
    client_slot_free(state->server, state->slot);
    client_free(state);
}

static const troupe_behaviour client_behaviour = {
    .kind = "client",
    .start = client_begin,
    .receive = client_receive,
    .closing = client_closing,
    .turn = client_turn,
    .stop = client_stop,
};

troupe_error client_start(bridge *server, int fd, client_protocol protocol, const cdp_spec *cdp,
                          const char *greeting, const char *peer)
{
    client_slot *slot = client_slot_take(server, peer);
    if (slot == NULL) {
        return TROUPE_ELIMIT;
    }
    client *state = calloc(1, sizeof *state);
    if (state == NULL) {
        client_slot_free(server, slot);
        return TROUPE_ENOMEM;
    }
    *state = (client){
        .server = server, .slot = slot, .number = slot->number, .protocol = protocol, .fd = fd};
    snprintf(state->greeting, sizeof state->greeting, "%s", greeting);
    state->cdp.spec = cdp != NULL ? *cdp : (cdp_spec){{0}, {0}};
    troupe_error error = client_slot_start(server, slot, &client_behaviour, state);
    if (error != TROUPE_OK) {
        free(state);
    }
    return error;
}
