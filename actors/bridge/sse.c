/* SPDX-License-Identifier: MIT */
/*
 * An event stream as an actor.
 *
 *   begin -> (asked for the state) -> live -> the actor ends
 *
 * `out` is what is to be written. While more than QUEUE_MAX waits in it, changes are dropped and
 * `stale` is set; once it is empty the state is asked for anew.
 */
#include "sse.h"

#include "actors/json_call.h"
#include "actors/json_patch.h"
#include "actors/verbs.h"
#include "http.h"
#include "slots.h"
#include "troupe/log.h"
#include "ws.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX    (1u << 20)
#define KEEPALIVE_MS 15000
#define STALL_NS     60000000000u /* takes nothing for so long: ended */
#define ASK_MS       10000
#define RETRY_MS     500

typedef struct sse {
    bridge *server;
    client_slot *slot;
    troupe_actor *self;
    int fd;
    bool full; /* the whole state each time */
    bool subscribed;
    bool stale; /* changes were dropped: the state has to be asked for */
    bool asking;
    json_t *copy; /* full: the state so far */
    char instance[40];
    json_int_t revision; /* last one written; -1 = none */
    troupe_buffer out;
    size_t written; /* of out */
    uint64_t moved_ns;
} sse;

static const char greeting[] = "HTTP/1.1 200 OK\r\n"
                               "Content-Type: text/event-stream\r\n"
                               "Cache-Control: no-store\r\n"
                               "X-Content-Type-Options: nosniff\r\n"
                               "X-Accel-Buffering: no\r\n"
                               "Connection: close\r\n\r\n";

static void ask(sse *state);

/* Writing ----------------------------------------------------------------------------------- */

static size_t queued(const sse *state)
{
    return state->out.len - state->written;
}

static void flush(sse *state)
{
    while (queued(state) > 0) {
        ssize_t n = send(state->fd, state->out.data + state->written, queued(state),
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (n < 0) {
            troupe_exit(state->self, TROUPE_OK); /* the peer is gone */
            return;
        }
        state->written += (size_t)n;
        state->moved_ns = bridge_now_ns();
    }
    atomic_store(&state->slot->queued_bytes, queued(state));
    troupe_watch_events(state->self, state->fd,
                        (short)(POLLIN | (queued(state) > 0 ? POLLOUT : 0)));
    if (queued(state) == 0) {
        troupe_buffer_fini(&state->out);
        state->written = 0;
        if (state->stale && !state->asking) {
            state->stale = false;
            ask(state);
        }
    }
}

static void put(sse *state, const void *data, size_t len)
{
    if (queued(state) == 0) {
        state->moved_ns = bridge_now_ns();
    }
    if (troupe_buffer_append(&state->out, data, len) != TROUPE_OK) {
        troupe_exit(state->self, TROUPE_ENOMEM);
    }
}

/* One event; JSON text holds no line ends. */
static void put_event(sse *state, const char *name, json_t *value)
{
    char head[120];
    char *text = json_dumps(value, JSON_COMPACT);
    int len = snprintf(head, sizeof head,
                       "id: %s-%" JSON_INTEGER_FORMAT "\nevent: %s\ndata: ", state->instance,
                       state->revision, name);
    if (text != NULL) {
        put(state, head, (size_t)len);
        put(state, text, strlen(text));
        put(state, "\n\n", 2);
        atomic_fetch_add(&state->slot->events, 1);
        atomic_fetch_add(&state->server->counters.events, 1);
    }
    free(text);
}

/* The state --------------------------------------------------------------------------------- */

static void put_patch(sse *state, json_t *patch, json_int_t revision)
{
    state->revision = revision;
    if (state->full) {
        json_patch_apply(state->copy, patch);
        put_event(state, "state", state->copy);
    } else {
        put_event(state, "patch", patch);
    }
}

static void put_state(sse *state, json_t *whole, json_int_t revision)
{
    state->revision = revision;
    json_decref(state->copy);
    state->copy = state->full ? json_deep_copy(whole) : NULL;
    put_event(state, "state", whole);
}

static void on_retry(troupe_actor *self, void *context)
{
    (void)self;
    ask(context);
}

static void on_welcome(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    sse *state = context;
    state->asking = false;
    json_t *said = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    if (said == NULL) { /* it is being restarted */
        (void)!troupe_timer_start(self, RETRY_MS, 0, on_retry, state, NULL);
        return;
    }
    const char *instance = json_string_value(json_object_get(said, "instance"));
    json_t *whole = json_object_get(said, "state");
    json_t *patches = json_object_get(said, "patches");
    json_int_t revision = json_integer_value(json_object_get(said, "revision"));
    json_int_t first = revision - (json_int_t)json_array_size(patches);
    snprintf(state->instance, sizeof state->instance, "%s", instance != NULL ? instance : "");
    state->subscribed = true;
    if (whole != NULL) {
        put_state(state, whole, revision);
    }
    size_t i;
    json_t *patch;
    json_array_foreach(patches, i, patch)
    {
        put_patch(state, patch, first + (json_int_t)i + 1);
    }
    json_decref(said);
    flush(state);
}

static void ask(sse *state)
{
    troupe_address to = troupe_whereis(state->server->system, NAME_STATE);
    json_t *params = json_object();
    if (state->revision >= 0 && (!state->full || state->copy != NULL)) {
        json_object_set_new(params, "instance", json_string(state->instance));
        json_object_set_new(params, "since", json_integer(state->revision));
    }
    state->asking = true;
    if (to == 0 || (!state->subscribed && troupe_monitor(state->self, to, NULL) != TROUPE_OK)) {
        json_decref(params);
        on_welcome(state->self, state, TROUPE_EGONE, NULL);
    } else if (json_call(state->self, to, VERB_STATE_SUBSCRIBE, params, ASK_MS, on_welcome, state,
                         NULL) != TROUPE_OK) {
        on_welcome(state->self, state, TROUPE_EGONE, NULL);
    }
}

static void on_change(sse *state, const troupe_envelope *event)
{
    json_t *said = json_payload(event->payload);
    json_int_t revision = json_integer_value(json_object_get(said, "revision"));
    if (queued(state) > QUEUE_MAX || troupe_verb_is(event, "gap")) {
        atomic_fetch_add(&state->slot->shed, 1);
        state->stale = true;
    } else if (!state->stale && revision == state->revision + 1) {
        put_patch(state, json_object_get(said, "patch"), revision);
    } else if (!state->stale && revision > state->revision) {
        state->stale = true; /* something is missing */
    }
    json_decref(said);
    if (!state->asking) {
        flush(state);
    }
}

/* The actor --------------------------------------------------------------------------------- */

static void on_ready(troupe_actor *self, void *context, int fd, short revents)
{
    sse *state = context;
    char scratch[1024];
    if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        ssize_t n = recv(fd, scratch, sizeof scratch, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            troupe_exit(self, TROUPE_OK);
            return;
        }
    }
    flush(state);
}

static void on_keepalive(troupe_actor *self, void *context)
{
    sse *state = context;
    if (queued(state) > 0 && bridge_now_ns() - state->moved_ns > STALL_NS) {
        troupe_exit(self, TROUPE_OK);
    } else if (queued(state) == 0) {
        put(state, ": keepalive\n\n", 13);
        flush(state);
    }
}

static troupe_error sse_start(troupe_actor *self, void *context)
{
    sse *state = context;
    state->self = self;
    state->moved_ns = bridge_now_ns();
    put(state, greeting, sizeof greeting - 1);
    troupe_error error = troupe_watch(self, state->fd, POLLIN, on_ready, state);
    if (error == TROUPE_OK) {
        error = troupe_timer_start(self, KEEPALIVE_MS, KEEPALIVE_MS, on_keepalive, state, NULL);
    }
    if (error == TROUPE_OK) {
        ask(state);
        flush(state);
    }
    return error;
}

static troupe_error sse_receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    sse *state = context;
    troupe_down down;
    (void)self;
    if (envelope->kind == TROUPE_EVENT) {
        on_change(state, envelope);
    } else if (envelope->kind == TROUPE_SIGNAL && troupe_down_read(envelope, &down) == TROUPE_OK) {
        state->subscribed = false; /* the state actor: another one has another instance */
        if (!state->asking) {
            ask(state);
        }
    } else if (envelope->kind == TROUPE_CALL) {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void sse_free(sse *state)
{
    troupe_buffer_fini(&state->out);
    json_decref(state->copy);
    free(state);
}

static void sse_stop(troupe_actor *self, void *context, troupe_error reason)
{
    sse *state = context;
    (void)reason;
    troupe_unwatch(self, state->fd);
    (void)shutdown(state->fd, SHUT_WR);
    close(state->fd);
    client_slot_free(state->server, state->slot);
    sse_free(state);
}

static const troupe_behaviour behaviour = {
    .kind = "stream", .start = sse_start, .receive = sse_receive, .stop = sse_stop};

/* Serving ----------------------------------------------------------------------------------- */

/* "INSTANCE-REVISION" of a client that was here before. */
static void take_last_id(sse *state, const char *id)
{
    const char *dash = id != NULL ? strrchr(id, '-') : NULL;
    char *end;
    if (dash == NULL || dash == id || (size_t)(dash - id) >= sizeof state->instance) {
        return;
    }
    long long revision = strtoll(dash + 1, &end, 10);
    if (*end == '\0' && dash[1] != '\0' && revision >= 0 && !state->full) {
        snprintf(state->instance, sizeof state->instance, "%.*s", (int)(dash - id), id);
        state->revision = revision;
    }
}

static troupe_error spawn(bridge *server, sse *state, const char *peer)
{
    state->slot = client_slot_take(server, peer);
    if (state->slot == NULL) {
        return TROUPE_ELIMIT;
    }
    snprintf(state->slot->topics, sizeof state->slot->topics, "state");
    return client_slot_start(server, state->slot, &behaviour, state);
}

int sse_serve(bridge *server, struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    if (strcmp(info->request_method, "HEAD") == 0) {
        http_reply reply = {.status = 200, .type = "text/event-stream", .close = true};
        return http_send_reply(conn, &reply);
    }
    char full[8] = "";
    char peer[64];
    const char *query = info->query_string != NULL ? info->query_string : "";
    int theirs;
    sse *state = calloc(1, sizeof *state);
    int ours = state != NULL ? ws_descriptor(conn, &theirs) : -1;
    if (ours < 0) {
        free(state);
        return http_send_error(conn, 500, TROUPE_EIO, NULL, "the connection cannot be taken over");
    }
    (void)mg_get_var(query, strlen(query), "full", full, sizeof full);
    snprintf(peer, sizeof peer, "%s:%d", info->remote_addr, info->remote_port);
    *state = (sse){.server = server,
                   .fd = ours,
                   .revision = -1,
                   .full = strcmp(full, "1") == 0 || strcmp(full, "true") == 0};
    take_last_id(state, http_header(conn, "Last-Event-ID", NULL));
    troupe_error error = spawn(server, state, peer);
    if (error != TROUPE_OK) {
        close(ours);
        free(state);
        atomic_fetch_add(&server->counters.overload, error == TROUPE_ELIMIT);
        return http_send_error(conn, 503, error == TROUPE_ELIMIT ? TROUPE_EBUSY : error,
                               "Retry-After: 5\r\n",
                               error == TROUPE_ELIMIT ? "clients_max clients are connected"
                                                      : troupe_error_text(error));
    }
    if (!ws_put_dead_socket(theirs)) {
        mg_close_connection(conn); /* ends the client too */
    }
    return 200;
}
