/* SPDX-License-Identifier: MIT */
/* The edge of the system: external actors over real sockets, well-behaved ones by troupe/client.h,
 * others byte by byte. */
#include "actors/bridge/bridge.h"
#include "actors/bridge/external.h"
#include "actors/verbs.h"
#include "bridge_fixture.h"
#include "troupe/client.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONG_MS  20000
#define PROTOCOL "Sec-WebSocket-Protocol: troupe.envelope.v1\r\n"

static bridge_stage theatre;
static const troupe_bytes nothing;

static void open_stage(void)
{
    troupe_reason reason = {""};
    stage_options(&theatre);
    cr_assert_eq(stage_open(&theatre, &reason), TROUPE_OK, "%s", reason.text);
}

static void close_stage(void)
{
    stage_close(&theatre);
}

TestSuite(bridge_external, .init = open_stage, .fini = close_stage, .timeout = 120);

/* Raw peers --------------------------------------------------------------------------------- */

/* What the peer has read: envelopes of one message, one after the other. */
typedef struct peer {
    int fd;
    char *message;
    troupe_bytes rest;
} peer;

static peer peer_open(const char *headers)
{
    peer p = {.fd = ws_connect(theatre.addresses.port, "/ws", headers, NULL)};
    cr_assert_geq(p.fd, 0);
    return p;
}

static void peer_close(peer *p)
{
    free(p->message);
    close(p->fd);
}

/* The next envelope; false when the host has closed. Borrowed until the next. */
static bool peer_read(peer *p, troupe_envelope *out)
{
    size_t used;
    while (p->rest.len == 0) {
        free(p->message);
        uint8_t first = ws_read_frame(p->fd, &p->message, &p->rest.len);
        p->rest.data = (const uint8_t *)p->message;
        if (first == 0 || first == 0x88) {
            p->rest.len = 0;
            return false;
        }
        p->rest.len = first == 0x82 ? p->rest.len : 0;
    }
    cr_assert_eq(troupe_envelope_read(p->rest, out, &used), TROUPE_OK);
    p->rest.data += used;
    p->rest.len -= used;
    return true;
}

static void add(troupe_buffer *out, troupe_kind kind, const char *name, troupe_address to,
                uint64_t ref, const char *verb, troupe_bytes payload)
{
    troupe_envelope e = {.kind = kind,
                         .to = to,
                         .ref = ref,
                         .verb = verb,
                         .verb_len = strlen(verb),
                         .payload = payload};
    cr_assert_eq(troupe_envelope_write_edge(out, &e, name), TROUPE_OK);
}

/* Send one envelope as a message; payload by one key with text, NULL = nil. */
static void peer_send(const peer *p, troupe_kind kind, const char *name, troupe_address to,
                      uint64_t ref, const char *verb, const char *key, const char *text)
{
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    if (key != NULL) {
        troupe_pack(&payload, "{s:s}", key, text);
    }
    add(&out, kind, name, to, ref, verb, troupe_buffer_bytes(&payload));
    cr_assert(ws_send_frame(p->fd, 0x82, out.data, out.len, true));
    troupe_buffer_fini(&out);
    troupe_buffer_fini(&payload);
}

/* The address in the welcome, which comes next. */
static troupe_address welcomed(peer *p)
{
    troupe_envelope e;
    troupe_address address = 0;
    uint64_t bytes = 0;
    cr_assert(peer_read(p, &e));
    cr_assert(e.kind == TROUPE_EVENT && e.from == 0 && troupe_verb_is(&e, "welcome"));
    cr_assert_eq(troupe_unpack(e.payload, "{s:U,s:{s:U}}", "address", &address, "limits",
                               "message_bytes", &bytes),
                 TROUPE_OK);
    cr_assert_eq(bytes, 1u << 20);
    cr_assert_eq(e.to, address);
    return address;
}

/* The answer to the call with that ref comes next, with that error. */
static void answered(peer *p, uint64_t ref, troupe_error error)
{
    troupe_envelope e;
    troupe_fault_view fault = {.code = TROUPE_OK};
    cr_assert(peer_read(p, &e));
    cr_assert_eq(e.ref, ref);
    cr_assert(e.kind == TROUPE_REPLY || e.kind == TROUPE_FAULT);
    if (e.kind == TROUPE_FAULT) {
        troupe_fault_read(&e, &fault);
    }
    cr_assert_eq(fault.code, error, "%s", troupe_error_name(fault.code));
}

static void undelivered(peer *p, const char *error)
{
    troupe_envelope e;
    const char *name;
    size_t len;
    cr_assert(peer_read(p, &e));
    cr_assert(e.kind == TROUPE_EVENT && troupe_verb_is(&e, "undelivered"));
    cr_assert_eq(troupe_unpack(e.payload, "{s:s#}", "error", &name, &len), TROUPE_OK);
    cr_assert(len == strlen(error) && memcmp(name, error, len) == 0, "%.*s", (int)len, name);
}

static void closes_with(peer *p, int code)
{
    cr_assert_eq(ws_read_close(p->fd), code);
    peer_close(p);
}

/* A call from this thread, which is no actor. */
static troupe_error ask(troupe_address to, const char *verb, uint32_t timeout_ms)
{
    troupe_answer answer;
    troupe_error error =
        troupe_guest_call(theatre.guest, to, verb, NULL, nothing, timeout_ms, &answer);
    troupe_answer_fini(&answer);
    return error;
}

Test(bridge_external, subprotocol_decides_what_is_spoken)
{
    static const struct {
        const char *offer;
        const char *chosen;
        uint8_t refused; /* first byte of a frame that is not taken */
    } rows[] = {
        {"troupe.envelope.v1", "troupe.envelope.v1", 0x81},
        {"jsonrpc", "jsonrpc", 0x82},
        {"x, troupe.envelope.v1,jsonrpc", "troupe.envelope.v1", 0x81},
        {"jsonrpc, troupe.envelope.v1", "jsonrpc", 0x82},
        {"troupe.envelope.v2", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[512];
        int len = snprintf(request, sizeof request,
                           "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Protocol: %s\r\n\r\n",
                           rows[i].offer);
        int fd = client_connect(theatre.addresses.port);
        cr_assert(client_send(fd, request, (size_t)len));
        response answer = response_read(fd, false);
        cr_assert_eq(answer.status, 101);
        const char *chosen = strstr(answer.head, "Sec-WebSocket-Protocol: ");
        cr_assert((chosen == NULL) == (rows[i].chosen == NULL));
        cr_assert(chosen == NULL ||
                  strncmp(chosen + 24, rows[i].chosen, strlen(rows[i].chosen)) == 0);
        if (rows[i].refused != 0) {
            ws_send_frame(fd, rows[i].refused, "{}", 2, true);
            cr_assert_eq(ws_read_close(fd), 1003);
        }
        response_free(&answer);
        close(fd);
    }
}

Test(bridge_external, without_a_subprotocol_both_kinds_of_frames_are_taken)
{
    peer p = peer_open("");
    troupe_envelope e;
    cr_assert(ws_send_text(p.fd, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":1}"));
    json_t *answer = ws_read_json(p.fd); /* nothing binary before it */
    cr_assert_not_null(json_object_get(answer, "result"));
    json_decref(answer);
    peer_send(&p, TROUPE_CALL, NULL, 0, 1, "whereis", "name", NAME_STORE);
    (void)welcomed(&p);
    cr_assert(peer_read(&p, &e));
    troupe_address address;
    cr_assert_eq(troupe_unpack(e.payload, "U", &address), TROUPE_OK);
    cr_assert_eq(address, troupe_whereis(theatre.system, NAME_STORE));
    cr_assert(ws_send_text(p.fd, "{\"jsonrpc\":\"2.0\",\"method\":\"pages\",\"id\":2}"));
    answer = ws_read_json(p.fd);
    cr_assert_not_null(json_object_get(answer, "result"));
    json_decref(answer);
    peer_close(&p);
}

Test(bridge_external, calls_of_the_peer_end_once)
{
    peer p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    peer_send(&p, TROUPE_CALL, NAME_CONNECTIONS, 0, 7, "pages", NULL, NULL);
    troupe_envelope e;
    cr_assert(peer_read(&p, &e));
    const char *text;
    size_t len;
    cr_assert(e.kind == TROUPE_REPLY && e.ref == 7);
    cr_assert_eq(troupe_payload_json(e.payload, &text, &len), TROUPE_OK);
    json_t *value = json_loadb(text, len, 0, NULL);
    cr_assert_str_eq(json_string_value(json_object_get(value, "verb")), "pages");
    cr_assert_eq(json_integer_value(json_object_get(value, "timeout_ms")), 30000);
    json_decref(value);
    peer_send(&p, TROUPE_CALL, "nobody", 0, 8, "v", NULL, NULL);
    answered(&p, 8, TROUPE_ENOTFOUND);
    peer_send(&p, TROUPE_CALL, NULL, 0x7ffff0001, 9, "v", NULL, NULL);
    answered(&p, 9, TROUPE_EGONE);
    peer_send(&p, TROUPE_CALL, NULL, 0, 10, "dance", NULL, NULL);
    answered(&p, 10, TROUPE_EMETHOD);
    peer_send(&p, TROUPE_CALL, NULL, 0, 11, "whereis", NULL, NULL);
    answered(&p, 11, TROUPE_EPARAMS);
    peer_close(&p);
}

static void add_js(troupe_buffer *out, uint64_t ref, const char *code, uint32_t timeout_ms)
{
    char text[100];
    troupe_buffer payload = {0};
    int len = snprintf(text, sizeof text, "{\"code\":\"%s\"}", code);
    troupe_pack(&payload, "j#", text, (size_t)len);
    troupe_envelope e = {.kind = TROUPE_CALL,
                         .ref = ref,
                         .verb = "js",
                         .verb_len = 2,
                         .meta.timeout_ms = timeout_ms,
                         .payload = troupe_buffer_bytes(&payload)};
    cr_assert_eq(troupe_envelope_write_edge(out, &e, NAME_CONNECTIONS), TROUPE_OK);
    troupe_buffer_fini(&payload);
}

static void send_bundle(const peer *p, troupe_buffer *out)
{
    cr_assert(ws_send_frame(p->fd, 0x82, out->data, out->len, true));
    troupe_buffer_fini(out);
}

Test(bridge_external, silent_and_cancelled_calls_end_too)
{
    peer p = peer_open(PROTOCOL);
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    (void)welcomed(&p);
    add_js(&out, 1, "silent", 30);
    send_bundle(&p, &out);
    answered(&p, 1, TROUPE_ETIMEOUT);
    add_js(&out, 2, "fault", 0);
    send_bundle(&p, &out);
    answered(&p, 2, TROUPE_ECDP);
    add_js(&out, 3, "silent", 0);
    troupe_pack(&payload, "{s:U}", "ref", (uint64_t)99); /* nobody's */
    add(&out, TROUPE_CAST, NULL, 0, 0, "cancel", troupe_buffer_bytes(&payload));
    troupe_buffer_clear(&payload);
    troupe_pack(&payload, "{s:U}", "ref", (uint64_t)3);
    add(&out, TROUPE_CAST, NULL, 0, 0, "cancel", troupe_buffer_bytes(&payload));
    send_bundle(&p, &out);
    answered(&p, 3, TROUPE_ECANCELLED);
    add_js(&out, 3, "nil", 0); /* the ref is free again */
    send_bundle(&p, &out);
    answered(&p, 3, TROUPE_OK);
    troupe_buffer_fini(&payload);
    peer_close(&p);
}

/* One more than may be pending is busy; each of the others ends once. */
Test(bridge_external, pending_calls_are_limited)
{
    peer p = peer_open(PROTOCOL);
    troupe_buffer out = {0};
    unsigned seen[EXTERNAL_CALLS_MAX + 2] = {0};
    (void)welcomed(&p);
    for (uint64_t ref = 1; ref <= EXTERNAL_CALLS_MAX + 1; ref++) {
        add_js(&out, ref, "silent", 300);
    }
    send_bundle(&p, &out);
    for (size_t i = 0; i <= EXTERNAL_CALLS_MAX; i++) {
        troupe_envelope e;
        troupe_fault_view fault;
        cr_assert(peer_read(&p, &e));
        troupe_fault_read(&e, &fault);
        cr_assert_leq(e.ref, EXTERNAL_CALLS_MAX + 1);
        cr_assert_eq(fault.code, i == 0 ? TROUPE_EBUSY : TROUPE_ETIMEOUT);
        cr_assert_eq(++seen[e.ref], 1);
    }
    peer_send(&p, TROUPE_CALL, NULL, 0, 5, "whereis", "name", "x");
    answered(&p, 5, TROUPE_OK);
    peer_close(&p);
}

Test(bridge_external, names_are_those_of_actors)
{
    static const struct {
        const char *name;
        troupe_error error;
    } rows[] = {
        {"adder", TROUPE_OK},
        {"adder", TROUPE_ESTATE},
        {NAME_STORE, TROUPE_EFORBIDDEN},
        {"troupe", TROUPE_EFORBIDDEN},
        {"a/b", TROUPE_EPARAMS},
        {"client/9", TROUPE_EPARAMS},
        {"", TROUPE_EPARAMS},
        {"a b", TROUPE_EPARAMS},
        {".a", TROUPE_EPARAMS},
        {"a\n", TROUPE_EPARAMS},
        {"\xc3\xa4", TROUPE_EPARAMS},
        {"a.B_9-", TROUPE_OK},
    };
    peer p = peer_open(PROTOCOL);
    troupe_address address = welcomed(&p);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        peer_send(&p, TROUPE_CALL, NULL, 0, i + 1, "name", "name", rows[i].name);
        answered(&p, i + 1, rows[i].error);
    }
    cr_assert_eq(troupe_whereis(theatre.system, "adder"), address);
    for (uint64_t i = 3; i <= EXTERNAL_NAMES_MAX + 1; i++) { /* two are taken */
        char name[16];
        snprintf(name, sizeof name, "n%u", (unsigned)i);
        peer_send(&p, TROUPE_CALL, NULL, 0, i, "name", "name", name);
        answered(&p, i, i <= EXTERNAL_NAMES_MAX ? TROUPE_OK : TROUPE_ELIMIT);
    }
    peer_send(&p, TROUPE_CALL, NULL, 0, 1, "unname", "name", "a.B_9-");
    answered(&p, 1, TROUPE_OK);
    cr_assert_eq(troupe_whereis(theatre.system, "a.B_9-"), 0);
    peer_send(&p, TROUPE_CALL, NULL, 0, 2, "unname", "name", "a.B_9-");
    answered(&p, 2, TROUPE_ENOTFOUND);
    peer_send(&p, TROUPE_CALL, NULL, 0, 3, "unname", "name", "client/1");
    answered(&p, 3, TROUPE_ENOTFOUND);
    peer_send(&p, TROUPE_CALL, NULL, 0, 4, "unname", "name", NAME_STORE);
    answered(&p, 4, TROUPE_ENOTFOUND);
    peer_send(&p, TROUPE_CALL, NULL, 0, 5, "name", "name", "another"); /* there is room for one */
    answered(&p, 5, TROUPE_OK);
    peer_close(&p);
    cr_assert_eq(troupe_join(theatre.system, address, LONG_MS), TROUPE_OK);
    cr_assert_eq(troupe_whereis(theatre.system, "adder"), 0);
}

Test(bridge_external, calls_to_the_peer_end_once)
{
    peer p = peer_open(PROTOCOL);
    troupe_address address = welcomed(&p);
    troupe_envelope e;
    troupe_answer answer;
    uint64_t refs[3];
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(troupe_guest_call_start(theatre.guest, address, "add", NULL, nothing, LONG_MS,
                                             NULL, &refs[i]),
                     TROUPE_OK);
    }
    troupe_guest_flush(theatre.guest);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(peer_read(&p, &e));
        cr_assert(e.kind == TROUPE_CALL && e.ref == refs[i] && troupe_verb_is(&e, "add"));
        cr_assert_gt(e.meta.timeout_ms, 0);
    }
    peer_send(&p, TROUPE_REPLY, NULL, 0, 4242, "reply", NULL, NULL); /* nobody asked */
    peer_send(&p, TROUPE_REPLY, NULL, 0, refs[1], "reply", "sum", "3");
    peer_send(&p, TROUPE_REPLY, NULL, 0, refs[1], "reply", "sum", "4"); /* again */
    cr_assert_eq(troupe_guest_wait(theatre.guest, LONG_MS, &answer), TROUPE_OK);
    const char *sum;
    size_t len;
    cr_assert(answer.ref == refs[1] && answer.error == TROUPE_OK);
    cr_assert_eq(troupe_unpack(answer.payload, "{s:s#}", "sum", &sum, &len), TROUPE_OK);
    cr_assert(len == 1 && sum[0] == '3');
    troupe_answer_fini(&answer);
    peer_send(&p, TROUPE_FAULT, NULL, 0, refs[0], "fault", "code", "no number"); /* malformed */
    cr_assert_eq(troupe_guest_wait(theatre.guest, LONG_MS, &answer), TROUPE_OK);
    cr_assert(answer.ref == refs[0] && answer.error == TROUPE_EPROTOCOL);
    troupe_answer_fini(&answer);
    peer_close(&p); /* with one call unanswered */
    cr_assert_eq(troupe_guest_wait(theatre.guest, LONG_MS, &answer), TROUPE_OK);
    cr_assert(answer.ref == refs[2] && answer.error == TROUPE_ECLOSED);
    troupe_answer_fini(&answer);
    cr_assert_eq(ask(address, "add", LONG_MS), TROUPE_EGONE);
}

/* As many calls to the peer as it may leave unanswered; they are on their way. */
static void start_calls(troupe_address to, uint32_t timeout_ms)
{
    for (int i = 0; i < EXTERNAL_CALLS_MAX; i++) {
        cr_assert_eq(troupe_guest_call_start(theatre.guest, to, "add", NULL, nothing, timeout_ms,
                                             NULL, NULL),
                     TROUPE_OK);
    }
    troupe_guest_flush(theatre.guest);
}

Test(bridge_external, calls_to_the_peer_are_limited)
{
    peer p = peer_open(PROTOCOL);
    troupe_address address = welcomed(&p);
    troupe_envelope e;
    troupe_answer answer;
    start_calls(address, LONG_MS);
    for (int i = 0; i < EXTERNAL_CALLS_MAX; i++) {
        cr_assert(peer_read(&p, &e));
    }
    cr_assert_eq(ask(address, "add", LONG_MS), TROUPE_EBUSY);
    peer_send(&p, TROUPE_REPLY, NULL, 0, e.ref, "reply", NULL, NULL);
    cr_assert_eq(troupe_guest_wait(theatre.guest, LONG_MS, &answer), TROUPE_OK);
    cr_assert(answer.ref == e.ref && answer.error == TROUPE_OK);
    troupe_answer_fini(&answer);
    cr_assert_eq(ask(address, "add", 10), TROUPE_ETIMEOUT); /* there was room for it */
    cr_assert(peer_read(&p, &e));
    cr_assert(e.kind == TROUPE_CALL && e.meta.timeout_ms == 10);
    peer_close(&p);
}

/* A peer that never answers can be called again once its callers have given up. */
Test(bridge_external, calls_that_expired_are_forgotten)
{
    theatre.bridge->client_tick_ms = 20;
    peer p = peer_open(PROTOCOL);
    troupe_address address = welcomed(&p);
    troupe_answer answer;
    troupe_envelope e;
    start_calls(address, 100);
    for (int i = 0; i < EXTERNAL_CALLS_MAX; i++) {
        cr_assert_eq(troupe_guest_wait(theatre.guest, LONG_MS, &answer), TROUPE_OK);
        cr_assert_eq(answer.error, TROUPE_ETIMEOUT);
        troupe_answer_fini(&answer);
        cr_assert(peer_read(&p, &e));
    }
    troupe_error error;
    do {
        error = ask(address, "again", 200);
    } while (error == TROUPE_EBUSY);
    cr_assert_eq(error, TROUPE_ETIMEOUT);
    cr_assert(peer_read(&p, &e));
    cr_assert(troupe_verb_is(&e, "again"));
    peer_close(&p);
}

Test(bridge_external, what_cannot_be_delivered_comes_back)
{
    peer p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    peer_send(&p, TROUPE_CAST, "nobody", 0, 0, "hello", NULL, NULL);
    undelivered(&p, "NOT_FOUND");
    peer_send(&p, TROUPE_EVENT, NULL, 0x7ffff0001, 0, "hello", NULL, NULL);
    undelivered(&p, "GONE");
    peer_send(&p, TROUPE_CAST, NULL, 0, 0, "dance", NULL, NULL);
    undelivered(&p, "METHOD_NOT_FOUND");
    peer_send(&p, TROUPE_CAST, NULL, 0, 0, "cancel", "ref", "x");
    undelivered(&p, "INVALID_PARAMS");
    peer_close(&p);
}

/* An actor that waits inside its first envelope: what follows fills its mailbox. */
typedef struct sleeper {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool awake;
    unsigned received;
} sleeper;

static troupe_error sleeper_receive(troupe_actor *self, void *context, const troupe_envelope *e)
{
    (void)self;
    sleeper *s = context;
    pthread_mutex_lock(&s->mutex);
    s->received += e->kind == TROUPE_CAST;
    while (!s->awake) {
        pthread_cond_wait(&s->changed, &s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

Test(bridge_external, a_flood_meets_a_full_mailbox)
{
    enum { CASTS = 1000, ROOM = 10 };
    static const troupe_behaviour behaviour = {.kind = "sleeper", .receive = sleeper_receive};
    sleeper s = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};
    troupe_spawn_options options = {
        .behaviour = &behaviour, .state = &s, .name = "sleeper", .mailbox_envelopes = ROOM};
    troupe_address address;
    cr_assert_eq(troupe_spawn(theatre.system, &options, &address), TROUPE_OK);
    peer p = peer_open(PROTOCOL);
    troupe_buffer out = {0};
    (void)welcomed(&p);
    for (int i = 0; i < CASTS; i++) {
        add(&out, TROUPE_CAST, "sleeper", 0, 0, "hello", nothing);
    }
    add(&out, TROUPE_CALL, NULL, 0, 1, "whereis", nothing); /* answered behind them */
    send_bundle(&p, &out);
    unsigned back = 0;
    troupe_envelope e;
    cr_assert(peer_read(&p, &e));
    for (; e.kind == TROUPE_EVENT; back++) {
        cr_assert(troupe_verb_is(&e, "undelivered"));
        cr_assert(peer_read(&p, &e));
    }
    cr_assert_geq(back, CASTS - ROOM - 2);
    pthread_mutex_lock(&s.mutex);
    s.awake = true;
    pthread_cond_broadcast(&s.changed);
    pthread_mutex_unlock(&s.mutex);
    troupe_error error;
    do { /* its mailbox may still be full */
        error = ask(address, "done", LONG_MS);
    } while (error == TROUPE_EBUSY);
    cr_assert_eq(error, TROUPE_OK);
    pthread_mutex_lock(&s.mutex);
    cr_assert_eq(s.received + back, CASTS);
    pthread_mutex_unlock(&s.mutex);
    peer_close(&p);
    cr_assert_eq(troupe_stop(theatre.system, address, TROUPE_STOP_NOW), TROUPE_OK);
    cr_assert_eq(troupe_join(theatre.system, address, LONG_MS), TROUPE_OK);
}

static uint64_t monitor_ref(peer *p, troupe_address *address)
{
    troupe_envelope e;
    uint64_t ref = 0;
    cr_assert(peer_read(p, &e));
    cr_assert_eq(e.kind, TROUPE_REPLY);
    cr_assert_eq(troupe_unpack(e.payload, "{s:U,s:U}", "ref", &ref, "address", address), TROUPE_OK);
    return ref;
}

Test(bridge_external, monitors_tell_of_the_end)
{
    peer watcher = peer_open(PROTOCOL);
    peer watched = peer_open(PROTOCOL);
    troupe_envelope e;
    troupe_down down;
    troupe_address seen;
    (void)welcomed(&watcher);
    troupe_address address = welcomed(&watched);
    peer_send(&watched, TROUPE_CALL, NULL, 0, 1, "name", "name", "watched");
    answered(&watched, 1, TROUPE_OK);
    peer_send(&watcher, TROUPE_CALL, NULL, 0, 1, "monitor", "name", "nobody");
    answered(&watcher, 1, TROUPE_ENOTFOUND);
    peer_send(&watcher, TROUPE_CALL, NULL, 0, 2, "monitor", "name", "watched");
    uint64_t ref = monitor_ref(&watcher, &seen);
    cr_assert_eq(seen, address);
    shutdown(watched.fd, SHUT_RDWR); /* it dies without a word */
    cr_assert(peer_read(&watcher, &e));
    cr_assert_eq(troupe_down_read(&e, &down), TROUPE_OK);
    cr_assert(down.address == address && down.ref == ref && down.reason == TROUPE_ECLOSED);
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:U}", "address", address); /* gone already */
    add(&out, TROUPE_CALL, NULL, 0, 3, "monitor", troupe_buffer_bytes(&payload));
    send_bundle(&watcher, &out);
    ref = monitor_ref(&watcher, &seen);
    cr_assert(peer_read(&watcher, &e));
    cr_assert_eq(troupe_down_read(&e, &down), TROUPE_OK);
    cr_assert(down.ref == ref && down.reason == TROUPE_EGONE);
    troupe_buffer_fini(&payload);
    peer_close(&watched);
    peer_close(&watcher);
}

Test(bridge_external, monitors_are_limited_and_taken_back)
{
    peer p = peer_open(PROTOCOL);
    troupe_address seen;
    uint64_t ref = 0;
    (void)welcomed(&p);
    for (uint64_t i = 1; i <= EXTERNAL_MONITORS_MAX; i++) {
        peer_send(&p, TROUPE_CALL, NULL, 0, i, "monitor", "name", NAME_STORE);
        ref = monitor_ref(&p, &seen);
    }
    peer_send(&p, TROUPE_CALL, NULL, 0, 1, "monitor", "name", NAME_STORE);
    answered(&p, 1, TROUPE_ELIMIT);
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:U}", "ref", ref);
    add(&out, TROUPE_CALL, NULL, 0, 2, "demonitor", troupe_buffer_bytes(&payload));
    send_bundle(&p, &out);
    answered(&p, 2, TROUPE_OK);
    peer_send(&p, TROUPE_CALL, NULL, 0, 3, "monitor", "name", NAME_STORE);
    (void)monitor_ref(&p, &seen);
    troupe_buffer_fini(&payload);
    peer_close(&p);
}

static troupe_bytes deep_json(troupe_buffer *payload, size_t depth)
{
    char *text = malloc(depth);
    memset(text, '[', depth);
    troupe_pack(payload, "[j#]", text, depth);
    free(text);
    return troupe_buffer_bytes(payload);
}

Test(bridge_external, what_breaks_the_contract_ends_the_connection)
{
    troupe_buffer out = {0};
    troupe_buffer payload = {0};
    troupe_address seen;
    peer p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    ws_send_frame(p.fd, 0x82, "\x98\x01\x00", 3, true);
    closes_with(&p, 1007);

    p = peer_open(PROTOCOL); /* what stood before the flaw was done */
    (void)welcomed(&p);
    add(&out, TROUPE_CALL, NULL, 0, 1, "whereis", nothing);
    troupe_buffer_append(&out, "\xc1", 1);
    send_bundle(&p, &out);
    answered(&p, 1, TROUPE_EPARAMS);
    closes_with(&p, 1007);

    p = peer_open(PROTOCOL);
    seen = welcomed(&p);
    peer_send(&p, TROUPE_SIGNAL, NULL, seen, 0, "down", NULL, NULL);
    closes_with(&p, 1008);

    p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    peer_send(&p, TROUPE_CALL, NAME_STORE, 0, 0, "v", NULL, NULL);
    closes_with(&p, 1008);

    p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    add_js(&out, 5, "silent", 0);
    add_js(&out, 5, "silent", 0);
    send_bundle(&p, &out);
    closes_with(&p, 1008);

    p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    troupe_envelope e = {.kind = TROUPE_CAST, .verb = "v", .verb_len = 1};
    e.payload = deep_json(&payload, 100000);
    cr_assert_eq(troupe_envelope_write(&out, &e), TROUPE_OK);
    send_bundle(&p, &out);
    closes_with(&p, 1007);

    p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    char *large = calloc(1, (1u << 20) + 1);
    ws_send_frame(p.fd, 0x82, large, (1u << 20) + 1, true);
    free(large);
    closes_with(&p, 1009);
    troupe_buffer_fini(&payload);
}

/* Random bytes and mutated envelopes: the host goes on, each connection ends or is answered. */
Test(bridge_external, random_bytes_do_no_harm)
{
    const char *given = getenv("TROUPE_TEST_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 20251125;
    fprintf(stderr, "seed %u\n", seed);
    for (int round = 0; round < 200; round++) {
        troupe_buffer out = {0};
        peer p = peer_open(PROTOCOL);
        add_js(&out, 1, "nil", 0);
        add(&out, TROUPE_CAST, NULL, 0, 0, "cancel", nothing);
        add(&out, TROUPE_CALL, NULL, 0, 2, "monitor", nothing);
        for (int i = 0; i <= round % 5; i++) {
            out.data[(size_t)rand_r(&seed) % out.len] = (uint8_t)rand_r(&seed);
        }
        send_bundle(&p, &out);
        ws_send_frame(p.fd, 0x88, "\x03\xe8", 2, true);
        int code = ws_read_close(p.fd);
        cr_assert(code == 1000 || code == 1007 || code == 1008, "%d in round %d", code, round);
        peer_close(&p);
    }
    cr_assert_eq(ask(troupe_whereis(theatre.system, NAME_STORE), "v", LONG_MS), TROUPE_OK);
}

/* Events that find no room are dropped and told, calls are refused, and what is read is whole. */
Test(bridge_external, a_slow_peer_loses_events_and_is_told)
{
    enum { EVENTS = 400, BYTES = 64 << 10 };
    peer p = peer_open(PROTOCOL);
    troupe_address address = welcomed(&p);
    troupe_buffer payload = {0};
    char *filler = calloc(1, BYTES);
    troupe_pack(&payload, "x#", filler, (size_t)BYTES);
    for (int i = 0; i < EVENTS; i++) {
        troupe_error error;
        do { /* its mailbox is emptied all the time */
            error = troupe_guest_post(theatre.guest, address, TROUPE_EVENT, "tick", NULL,
                                      troupe_buffer_bytes(&payload));
        } while (error == TROUPE_EBUSY);
        cr_assert_eq(error, TROUPE_OK);
    }
    cr_assert_eq(ask(address, "add", LONG_MS), TROUPE_EBUSY); /* behind the events */
    uint64_t seen = 0;
    uint64_t dropped = 0;
    while (seen + dropped < EVENTS) {
        troupe_envelope e;
        uint64_t count = 0;
        cr_assert(peer_read(&p, &e));
        if (troupe_verb_is(&e, "gap")) {
            cr_assert_eq(troupe_unpack(e.payload, "{s:U}", "count", &count), TROUPE_OK);
            dropped += count;
        } else {
            cr_assert_eq(e.payload.len, payload.len);
            seen++;
        }
    }
    cr_assert_gt(dropped, 0);
    cr_assert_eq(seen + dropped, EVENTS);
    free(filler);
    troupe_buffer_fini(&payload);
    peer_close(&p);
}

Test(bridge_external, a_stopping_host_says_goodbye)
{
    peer p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    bridge_stop(theatre.bridge);
    theatre.bridge = NULL;
    closes_with(&p, 1001);
}

/* By name, over JSON-RPC --------------------------------------------------------------------- */

/* Ask over HTTP; the answer is compared as JSON text: result, or the error's name. */
static void rpc_gives(const char *method, const char *params, const char *wanted)
{
    char request[500];
    snprintf(request, sizeof request,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
    json_t *answer = rpc_value(&theatre, request);
    json_t *error = json_object_get(json_object_get(answer, "error"), "data");
    json_t *got =
        error != NULL ? json_object_get(error, "name") : json_object_get(answer, "result");
    char *text = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    cr_assert_str_eq(text, wanted);
    free(text);
    json_decref(answer);
}

Test(bridge_external, actors_are_called_by_name_over_rpc)
{
    rpc_gives("actor.call", "[\"target/p1:abc\",\"dance\",{\"a\":[1]}]",
              "{\"actor\":\"target/p1:abc\",\"params\":{\"a\":[1]},\"timeout_ms\":30000,"
              "\"verb\":\"dance\"}");
    rpc_gives("actor.call", "{\"name\":\"store\",\"verb\":\"v\",\"timeout_ms\":20000}",
              "{\"actor\":\"store\",\"params\":{},\"timeout_ms\":20000,\"verb\":\"v\"}");
    rpc_gives("actor.call", "[\"store\",\"js\",{\"code\":\"fault\"}]", "\"CDP_ERROR\"");
    rpc_gives("actor.call", "[\"store\",\"js\",{\"code\":\"junk\"}]", "\"no JSON\"");
    rpc_gives("actor.call", "[\"nobody\",\"v\"]", "\"NOT_FOUND\"");
    rpc_gives("actor.call", "[34359672833,\"v\"]", "\"GONE\"");
    rpc_gives("actor.call", "[0,\"v\"]", "\"NOT_FOUND\"");
    rpc_gives("actor.call", "[\"store\",\"\"]", "\"INVALID_PARAMS\"");
    rpc_gives("actor.call", "[\"store\",\"a\\nb\"]", "\"INVALID_PARAMS\"");
    rpc_gives("actor.call", "[\"store\"]", "\"INVALID_PARAMS\"");
    rpc_gives("actor.post", "[\"store\",\"v\",1]", "{\"posted\":true}");
    rpc_gives("actor.post", "[\"nobody\",\"v\"]", "\"NOT_FOUND\"");
}

/* The peer serves whoever calls; any MessagePack that JSON can say comes back as JSON. */
Test(bridge_external, a_peers_answer_becomes_json)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *json; /* NULL: cannot be said */
    } rows[] = {
        {"\xc0", 1, "null"},
        {"\x93\x01\xff\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 12, "[1,-1,1.5]"},
        {"\x82\xa1"
         "a\xc3\xa1"
         "b\xc4\x02hi",
         10, "{\"a\":true,\"b\":\"aGk=\"}"},
        {"\x91\xd5\x01{}", 5, "[{}]"},
        {"\xd5\x01[1", 4, NULL},           /* no JSON */
        {"\xd4\x02x", 3, NULL},            /* another ext */
        {"\x81\x01\x02", 3, NULL},         /* a key that is a number */
        {"\xa2\xc3\x28", 3, NULL},         /* no UTF-8 */
        {"\xca\x7f\x80\x00\x00", 5, NULL}, /* infinity */
        {"\x92\xc0\xa1\xff", 4, NULL},
    };
    peer p = peer_open(PROTOCOL);
    (void)welcomed(&p);
    peer_send(&p, TROUPE_CALL, NULL, 0, 1, "name", "name", "oracle");
    answered(&p, 1, TROUPE_OK);
    peer asker = peer_open("");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        troupe_envelope e;
        troupe_buffer out = {0};
        troupe_bytes payload = {(const uint8_t *)rows[i].bytes, rows[i].len};
        cr_assert(ws_send_text(asker.fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"actor.call\","
                                         "\"params\":[\"oracle\",\"ask\",{\"a\":1}]}"));
        cr_assert(peer_read(&p, &e));
        add(&out, TROUPE_REPLY, NULL, 0, e.ref, "reply", payload);
        send_bundle(&p, &out);
        json_t *answer = ws_read_json(asker.fd);
        char *text = json_dumps(json_object_get(answer, "result"),
                                JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
        cr_assert((text == NULL) == (rows[i].json == NULL), "row %zu", i);
        cr_assert(text == NULL || strcmp(text, rows[i].json) == 0, "row %zu: %s", i, text);
        free(text);
        json_decref(answer);
    }
    cr_assert(ws_send_text(asker.fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"actor.post\","
                                     "\"params\":[\"oracle\",\"note\"]}"));
    troupe_envelope e;
    cr_assert(peer_read(&p, &e));
    cr_assert(e.kind == TROUPE_CAST && troupe_verb_is(&e, "note"));
    peer_close(&asker);
    peer_close(&p);
}

/* By troupe/client.h, from a system of their own --------------------------------------------- */

/* An actor with a client. The mutex guards all that both threads touch. */
typedef struct guestactor {
    const char *name;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    troupe_client *client;
    troupe_address address; /* once joined */
    bool left;
    troupe_error left_error;
    unsigned answers;
    troupe_error answer_error;
    troupe_error undelivered;
    troupe_down down;
    uint64_t monitor;
} guestactor;

#define LOCKED(a, ...)                         \
    do {                                       \
        pthread_mutex_lock(&(a)->mutex);       \
        __VA_ARGS__;                           \
        pthread_cond_broadcast(&(a)->changed); \
        pthread_mutex_unlock(&(a)->mutex);     \
    } while (0)

#define AWAIT(a, condition)                                \
    do {                                                   \
        pthread_mutex_lock(&(a)->mutex);                   \
        while (!(condition)) {                             \
            pthread_cond_wait(&(a)->changed, &(a)->mutex); \
        }                                                  \
        pthread_mutex_unlock(&(a)->mutex);                 \
    } while (0)

static void client_answer(troupe_actor *self, void *context, troupe_error error,
                          const troupe_envelope *answer)
{
    (void)self;
    guestactor *a = context;
    uint64_t ref = 0;
    if (error == TROUPE_OK) {
        (void)!troupe_unpack(answer->payload, "{s:U}", "ref", &ref);
    }
    LOCKED(a, a->answers++; a->answer_error = error; a->monitor = ref);
}

static void client_joined(troupe_actor *self, void *context, troupe_address address)
{
    (void)self;
    guestactor *a = context;
    LOCKED(a, a->address = address);
}

static void client_receive(troupe_actor *self, void *context, const troupe_envelope *e)
{
    (void)self;
    guestactor *a = context;
    troupe_down down;
    if (troupe_verb_is(e, "large")) {
        static uint8_t large[(1 << 20) + 100] = {0xc6, 0x00, 0x10, 0x00, 0x5f}; /* bin 32 */
        troupe_bytes payload = {large, sizeof large};
        troupe_client_reply(a->client, troupe_caller_of(e), payload);
    } else if (e->kind == TROUPE_CALL) {
        troupe_client_reply(a->client, troupe_caller_of(e), e->payload);
    } else if (troupe_down_read(e, &down) == TROUPE_OK) {
        LOCKED(a, a->down = down);
    }
}

static void client_undelivered(troupe_actor *self, void *context, const troupe_undelivered *what)
{
    (void)self;
    guestactor *a = context;
    LOCKED(a, a->undelivered = what->error);
}

static void client_left(troupe_actor *self, void *context, troupe_error error, const char *reason)
{
    (void)self;
    (void)reason;
    guestactor *a = context;
    LOCKED(a, a->left = true; a->left_error = error);
}

static troupe_error actor_start(troupe_actor *self, void *context)
{
    guestactor *a = context;
    troupe_client_options options = {.url = theatre.addresses.url,
                                     .name = a->name,
                                     .context = a,
                                     .joined = client_joined,
                                     .receive = client_receive,
                                     .undelivered = client_undelivered,
                                     .left = client_left};
    return troupe_client_open(self, &options, &a->client, NULL);
}

static void must(troupe_error error)
{
    cr_assert_eq(error, TROUPE_OK, "%s", troupe_error_name(error));
}

/* What the test tells it to do, by verb. */
static troupe_error actor_receive(troupe_actor *self, void *context, const troupe_envelope *e)
{
    guestactor *a = context;
    uint64_t ref = 0;
    if (troupe_verb_is(e, "call")) {
        must(troupe_client_call(a->client, troupe_remote_named(NAME_CONNECTIONS), "pages", NULL,
                                nothing, LONG_MS, client_answer, a, NULL));
    } else if (troupe_verb_is(e, "call nobody")) {
        must(troupe_client_call(a->client, troupe_remote_named("nobody"), "pages", NULL, nothing,
                                LONG_MS, client_answer, a, NULL));
    } else if (troupe_verb_is(e, "call and cancel")) {
        must(troupe_client_call(a->client, troupe_remote_named(NAME_CONNECTIONS), "js", NULL,
                                e->payload, LONG_MS, client_answer, a, &ref));
        troupe_client_cancel(a->client, ref);
        troupe_client_cancel(a->client, ref);
    } else if (troupe_verb_is(e, "call silent")) {
        must(troupe_client_call(a->client, troupe_remote_named(NAME_CONNECTIONS), "js", NULL,
                                e->payload, e->meta.timeout_ms, client_answer, a, NULL));
    } else if (troupe_verb_is(e, "post nobody")) {
        must(troupe_client_post(a->client, troupe_remote_named("nobody"), TROUPE_CAST, "v", NULL,
                                nothing));
    } else if (troupe_verb_is(e, "monitor")) {
        must(troupe_client_monitor(a->client, troupe_remote_named("target/p1:abc"), client_answer,
                                   a));
    } else if (troupe_verb_is(e, "whereis")) {
        must(troupe_client_whereis(a->client, NAME_STORE, client_answer, a));
    } else if (troupe_verb_is(e, "fill")) {
        troupe_error error;
        unsigned posts = 0;
        static uint8_t large[100000] = {0xc6, 0x00, 0x01, 0x86, 0x9b};
        troupe_bytes payload = {large, sizeof large};
        do { /* all in one turn: nothing is sent meanwhile */
            error = troupe_client_post(a->client, troupe_remote_named(NAME_CONNECTIONS),
                                       TROUPE_CAST, "v", NULL, payload);
        } while (error == TROUPE_OK && ++posts < 1000);
        cr_assert(error == TROUPE_EBUSY && posts > 50, "%s after %u", troupe_error_name(error),
                  posts);
    } else if (troupe_verb_is(e, "malformed")) {
        troupe_bytes cut = {(const uint8_t *)"\x92\x01", 2};
        troupe_remote to = troupe_remote_named("x");
        static uint8_t large[(1 << 20) + 100] = {0xc6, 0x00, 0x10, 0x00, 0x5f};
        troupe_bytes over = {large, sizeof large};
        cr_assert_eq(troupe_client_post(a->client, to, TROUPE_CAST, "v", NULL, cut), TROUPE_EINVAL);
        cr_assert_eq(troupe_client_post(a->client, to, TROUPE_CALL, "v", NULL, nothing),
                     TROUPE_EINVAL);
        cr_assert_eq(troupe_client_post(a->client, to, TROUPE_CAST, "", NULL, nothing),
                     TROUPE_EINVAL);
        cr_assert_eq(troupe_client_post(a->client, to, TROUPE_CAST, "a\nb", NULL, nothing),
                     TROUPE_EINVAL);
        cr_assert_eq(
            troupe_client_post(a->client, troupe_remote_named(""), TROUPE_CAST, "v", NULL, nothing),
            TROUPE_EINVAL);
        cr_assert_eq(troupe_client_post(a->client, to, TROUPE_CAST, "v", NULL, over),
                     TROUPE_ELIMIT);
    }
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

static void actor_stop(troupe_actor *self, void *context, troupe_error reason)
{
    (void)self;
    (void)reason;
    guestactor *a = context;
    troupe_client_close(a->client);
    a->client = NULL;
}

static const troupe_behaviour actor_behaviour = {
    .kind = "guest", .start = actor_start, .receive = actor_receive, .stop = actor_stop};

/* The system of the actors outside. */
static troupe_system *abroad;
static troupe_guest *voice;

static troupe_address actor_open(guestactor *a, const char *name)
{
    memset(a, 0, sizeof *a);
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->changed, NULL);
    a->name = name;
    troupe_spawn_options options = {.behaviour = &actor_behaviour, .state = a};
    troupe_address address;
    must(troupe_spawn(abroad, &options, &address));
    return address;
}

/* silent_ms: also the deadline of the call that it is to make; 0 = a long one. */
static void tell(troupe_address actor, const char *verb, const char *json, uint32_t silent_ms)
{
    troupe_answer answer;
    troupe_buffer payload = {0};
    if (json != NULL) {
        troupe_pack(&payload, "j#", json, strlen(json));
    }
    must(troupe_guest_call(voice, actor, verb, NULL, troupe_buffer_bytes(&payload),
                           silent_ms != 0 ? silent_ms : LONG_MS, &answer));
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
}

static void actor_close(troupe_address actor)
{
    must(troupe_stop(abroad, actor, TROUPE_STOP_DRAIN));
    must(troupe_join(abroad, actor, LONG_MS));
}

static void open_both(void)
{
    open_stage();
    must(troupe_system_open(NULL, &abroad));
    must(troupe_guest_create(abroad, &voice));
}

static void close_both(void)
{
    troupe_guest_destroy(voice);
    troupe_system_close(abroad, LONG_MS);
    close_stage();
}

TestSuite(bridge_client, .init = open_both, .fini = close_both, .timeout = 120);

Test(bridge_client, an_actor_of_another_system_is_one_of_the_host)
{
    guestactor a;
    troupe_address actor = actor_open(&a, "echo");
    AWAIT(&a, a.address != 0 || a.left);
    cr_assert_eq(troupe_whereis(theatre.system, "echo"), a.address);
    cr_assert_eq(ask(a.address, "hello", LONG_MS), TROUPE_OK);
    cr_assert_eq(ask(a.address, "large", LONG_MS), TROUPE_ELIMIT);
    tell(actor, "call", NULL, 0);
    AWAIT(&a, a.answers == 1);
    cr_assert_eq(a.answer_error, TROUPE_OK);
    tell(actor, "call nobody", NULL, 0);
    AWAIT(&a, a.answers == 2);
    cr_assert_eq(a.answer_error, TROUPE_ENOTFOUND);
    tell(actor, "call and cancel", "{\"code\":\"silent\"}", 0);
    AWAIT(&a, a.answers == 3);
    cr_assert_eq(a.answer_error, TROUPE_ECANCELLED);
    tell(actor, "whereis", NULL, 0);
    AWAIT(&a, a.answers == 4);
    cr_assert_eq(a.answer_error, TROUPE_OK);
    tell(actor, "post nobody", NULL, 0);
    AWAIT(&a, a.undelivered != TROUPE_OK);
    cr_assert_eq(a.undelivered, TROUPE_ENOTFOUND);
    tell(actor, "malformed", NULL, 0);
    tell(actor, "fill", NULL, 0);
    tell(actor, "call", NULL, 0); /* room again, and the host still listens */
    AWAIT(&a, a.answers == 5);
    cr_assert_eq(a.answer_error, TROUPE_OK);
    actor_close(actor);
    cr_assert_eq(troupe_join(theatre.system, a.address, LONG_MS), TROUPE_OK);
    cr_assert_eq(troupe_whereis(theatre.system, "echo"), 0);
    cr_assert(!a.left);
    cr_assert_eq(a.answers, 5);
}

Test(bridge_client, deadlines_end_calls)
{
    guestactor a;
    troupe_address actor = actor_open(&a, NULL);
    AWAIT(&a, a.address != 0 || a.left);
    tell(actor, "call silent", "{\"code\":\"silent\"}", 500);
    AWAIT(&a, a.answers == 1);
    cr_assert_eq(a.answer_error, TROUPE_ETIMEOUT);
    actor_close(actor);
    cr_assert_eq(a.answers, 1);
}

Test(bridge_client, a_taken_name_keeps_it_out)
{
    guestactor a;
    guestactor b;
    troupe_address first = actor_open(&a, "one");
    AWAIT(&a, a.address != 0 || a.left);
    troupe_address second = actor_open(&b, "one");
    AWAIT(&b, b.address != 0 || b.left);
    cr_assert(b.left && b.left_error == TROUPE_ESTATE);
    actor_close(second);
    actor_close(first);
    must(troupe_join(theatre.system, a.address, LONG_MS));
    first = actor_open(&a, "one");
    AWAIT(&a, a.address != 0 || a.left);
    cr_assert(!a.left);
    actor_close(first);
}

Test(bridge_client, the_end_of_the_host_ends_all)
{
    guestactor a;
    troupe_address actor = actor_open(&a, NULL);
    AWAIT(&a, a.address != 0 || a.left);
    tell(actor, "monitor", NULL, 0);
    AWAIT(&a, a.answers == 1);
    uint64_t ref = a.monitor;
    troupe_address target = troupe_whereis(theatre.system, "target/p1:abc");
    must(troupe_stop(theatre.system, target, TROUPE_STOP_NOW));
    AWAIT(&a, a.down.address != 0);
    cr_assert(a.down.ref == ref && a.down.address == target && a.down.reason == TROUPE_OK);
    tell(actor, "call and cancel", "{\"code\":\"silent\"}", 0);
    AWAIT(&a, a.answers == 2);
    tell(actor, "call silent", "{\"code\":\"silent\"}", LONG_MS);
    bridge_stop(theatre.bridge);
    theatre.bridge = NULL;
    AWAIT(&a, a.left);
    cr_assert_eq(a.left_error, TROUPE_ECLOSED);
    cr_assert_eq(a.answers, 3);
    cr_assert_eq(a.answer_error, TROUPE_ECLOSED);
    actor_close(actor);
}
