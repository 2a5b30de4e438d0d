/* SPDX-License-Identifier: MIT */
#include "websocket_stepped.h"

#include "peer_client.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MS ((int64_t)1000000)

static unsigned failures;

static void complain(const char *name, const char *what, const websocket *w, const outcome *o)
{
    websocket_info info;
    websocket_info_of(w, &info);
    failures++;
    fprintf(stderr, "%s, step by step: not so: %s\n  %s; %s: %s; %lu messages, close code %d\n",
            name, what, websocket_state_name(info.state), troupe_error_name(o->error),
            o->reason.text, o->messages, info.close_code);
}

static void expect(bool holds, const char *name, const char *what, const websocket *w,
                   const outcome *o)
{
    if (!holds) {
        complain(name, what, w, o);
    }
}

static void count(void *context, char *data, size_t len)
{
    outcome *o = context;
    (void)data;
    o->messages++;
    o->bytes += len;
}

/* False: nothing came. */
static bool wait(const websocket *w)
{
    websocket_wait what;
    websocket_wait_for(w, &what);
    return what.deadline_ns == 0 || poll(what.fds, what.count, CLIENT_WAIT_MS) != 0;
}

/* Until it ends, or it is connected and has got so many messages. */
static void step(websocket *w, unsigned long messages, outcome *o)
{
    for (;;) {
        o->error = websocket_step(w, count, o, &o->reason);
        bool enough = websocket_state_of(w) == WEBSOCKET_CONNECTED && o->messages >= messages;
        if (o->error != TROUPE_OK || enough) {
            return;
        }
        if (!wait(w)) {
            o->error = troupe_fail(&o->reason, TROUPE_EINTERNAL, "the test hangs here");
            return;
        }
    }
}

websocket_state websocket_script_end(const websocket_script *script)
{
    bool normal = script->error == TROUPE_ECLOSED &&
                  (script->code == 0 || script->code == 1000 || script->code == 1001);
    return script->reason == NULL ? WEBSOCKET_CONNECTED
           : normal               ? WEBSOCKET_CLOSED
                                  : WEBSOCKET_ERROR;
}

static void expect_end(websocket *w, const websocket_script *script, const outcome *o)
{
    websocket_info info;
    outcome again = {0};
    websocket_info_of(w, &info);
    expect(o->error == script->error, script->name, troupe_error_name(script->error), w, o);
    expect(info.state == websocket_script_end(script), script->name,
           websocket_state_name(websocket_script_end(script)), w, o);
    expect(o->messages == script->messages, script->name, "the count of messages", w, o);
    expect(info.errors == (info.state == WEBSOCKET_ERROR), script->name, "errors are counted", w,
           o);
    if (info.state == WEBSOCKET_CONNECTED) {
        return;
    }
    if (info.state == WEBSOCKET_ERROR) {
        expect(info.error == script->error && strcmp(info.reason, o->reason.text) == 0,
               script->name, "the error stays readable", w, o);
    }
    again.error = websocket_step(w, count, &again, &again.reason);
    expect(again.error == o->error && strcmp(again.reason.text, o->reason.text) == 0, script->name,
           "the next step says the same", w, &again);
}

bool websocket_stepped(peer *p, const websocket_script *script, bool deflate)
{
    static const peer_script hi = {.bytes = "\x81\x02hi", .len = 4, .cut = PEER_WHOLE};
    char url[64];
    unsigned before = failures;
    outcome o = {0};
    websocket *w = NULL;
    websocket_options options = client_options(p, url);
    peer_script play = script->play;
    options.message_max = SCRIPT_MESSAGE_MAX;
    options.deflate = deflate ? WEBSOCKET_DEFLATE_ON : WEBSOCKET_DEFLATE_OFF;
    if (websocket_create(&options, &w, &o.reason) != TROUPE_OK) {
        fprintf(stderr, "%s\n", o.reason.text);
        return false;
    }
    play.cut = PEER_WHOLE;
    peer_play(p, &play);
    (void)!websocket_open(w, &o.reason);
    bool handshake = script->reason != NULL && script->code == NO_CLOSE && script->play.len == 0;
    step(w, script->reason == NULL || handshake ? script->messages : CLIENT_UNTIL_THE_END, &o);
    expect_end(w, script, &o);
    websocket_close(w, 1000, NULL);
    if (websocket_state_of(w) == WEBSOCKET_CLOSING) {
        shutdown(p->fd, SHUT_WR); /* the peer only reads: it would not answer */
        step(w, CLIENT_UNTIL_THE_END, &o);
    }
    peer_join(p);
    expect(p->seen.close_code == script->code, script->name, "the close code", w, &o);
    memset(&o, 0, sizeof o);
    peer_play(p, &hi);
    (void)!websocket_open(w, &o.reason);
    step(w, 1, &o);
    expect(o.error == TROUPE_OK && o.messages == 1, script->name, "it can be opened again", w, &o);
    websocket_destroy(w);
    peer_join(p);
    return failures == before;
}

/* Time -------------------------------------------------------------------------------------- */

/* One connection on the test's clock, which stands still but for `later`; the server's end is the
 * test's own. */
typedef struct quiet {
    const char *name;
    peer p;
    peer_script script;
    websocket *w;
    int64_t now_ns;
    outcome o;
} quiet;

static int64_t clock_of(void *context)
{
    return ((const quiet *)context)->now_ns;
}

static void later(quiet *q, int64_t ms)
{
    q->now_ns += ms * MS;
    q->o.error = websocket_step(q->w, count, &q->o, &q->o.reason);
}

static void say(const quiet *q, const char *bytes, size_t len)
{
    (void)!send(q->p.fd, bytes, len, MSG_NOSIGNAL);
    while (q->w != NULL && websocket_state_of(q->w) == WEBSOCKET_CONNECTED) {
        websocket_wait what;
        websocket_wait_for(q->w, &what);
        if (poll(what.fds, what.count, CLIENT_WAIT_MS) != 0) {
            return;
        }
    }
}

/* The first byte of the next frame that the client sends. */
static int hear(const quiet *q)
{
    uint8_t head[6] = {0};
    uint8_t payload[125];
    if (recv(q->p.fd, head, sizeof head, MSG_WAITALL) != sizeof head) {
        return -1;
    }
    size_t len = head[1] & 0x7Fu;
    if (len > 0) {
        (void)!recv(q->p.fd, payload, len, MSG_WAITALL);
    }
    return head[0];
}

static void quiet_open(quiet *q, const char *name, const char *answer)
{
    char url[64];
    memset(q, 0, sizeof *q);
    q->script = (peer_script){.answer = answer, .end = PEER_HANDS_OVER, .cut = PEER_WHOLE};
    q->name = name;
    q->now_ns = 1000000 * MS;
    peer_open(&q->p);
    websocket_options options = client_options(&q->p, url);
    options.clock = clock_of;
    options.clock_context = q;
    if (websocket_create(&options, &q->w, &q->o.reason) != TROUPE_OK) {
        fprintf(stderr, "%s\n", q->o.reason.text);
        _exit(1);
    }
    peer_play(&q->p, &q->script);
    (void)!websocket_open(q->w, &q->o.reason);
    if (answer == NULL) {
        struct timeval limit = {CLIENT_WAIT_MS / 1000, 0};
        step(q->w, 0, &q->o);
        peer_join(&q->p);
        (void)setsockopt(q->p.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
}

static void quiet_close(quiet *q)
{
    websocket_destroy(q->w);
    close(q->p.fd);
    peer_close(&q->p);
}

static void expect_state(const quiet *q, websocket_state state, const char *what)
{
    expect(websocket_state_of(q->w) == state, q->name, what, q->w, &q->o);
}

static void no_pong(void)
{
    quiet q;
    quiet_open(&q, "no pong", NULL);
    later(&q, 29999);
    expect_state(&q, WEBSOCKET_CONNECTED, "nothing happens for 30 s");
    later(&q, 1);
    expect(hear(&q) == 0x89, q.name, "a ping after 30 s", q.w, &q.o);
    later(&q, 9999);
    expect_state(&q, WEBSOCKET_CONNECTED, "10 s to answer");
    later(&q, 1);
    expect_state(&q, WEBSOCKET_ERROR, "an error then");
    expect(q.o.error == TROUPE_ETIMEOUT, q.name, "TIMEOUT", q.w, &q.o);
    quiet_close(&q);
}

static void a_pong(void)
{
    quiet q;
    quiet_open(&q, "a pong", NULL);
    for (int i = 0; i < 3; i++) {
        later(&q, 30000);
        expect(hear(&q) == 0x89, q.name, "a ping after 30 s", q.w, &q.o);
        say(&q, "\x8a\x00", 2);
        later(&q, 5);
        later(&q, 9995);
        expect_state(&q, WEBSOCKET_CONNECTED, "an answered ping");
    }
    quiet_close(&q);
}

/* One byte of a frame that never ends: slow, but alive. */
static void a_byte(void)
{
    static const char message[] = "\x81\x7e\x01\x00 and so on";
    quiet q;
    quiet_open(&q, "a byte", NULL);
    for (size_t i = 0; i + 1 < sizeof message; i++) {
        later(&q, 30000);
        expect(hear(&q) == 0x89, q.name, "a ping after 30 s", q.w, &q.o);
        later(&q, 9000);
        say(&q, message + i, 1);
        later(&q, 999);
        expect_state(&q, WEBSOCKET_CONNECTED, "a byte shows that it lives");
        later(&q, 1);
        expect_state(&q, WEBSOCKET_CONNECTED, "10 s after the ping");
    }
    quiet_close(&q);
}

static void no_answer_to_the_close(void)
{
    quiet q;
    quiet_open(&q, "no answer to the close", NULL);
    websocket_close(q.w, 1000, "enough");
    later(&q, 0);
    expect(hear(&q) == 0x88, q.name, "a close frame", q.w, &q.o);
    later(&q, 4999);
    expect_state(&q, WEBSOCKET_CLOSING, "5 s to answer");
    later(&q, 1);
    expect_state(&q, WEBSOCKET_CLOSED, "closed then");
    quiet_close(&q);
}

static void no_answer_to_the_request(void)
{
    quiet q;
    quiet_open(&q, "no answer to the request", "");
    while (q.p.seen.request[0] == '\0' && websocket_state_of(q.w) == WEBSOCKET_CONNECTING) {
        later(&q, 0);
    }
    peer_join(&q.p);
    later(&q, 29999);
    expect_state(&q, WEBSOCKET_CONNECTING, "30 s to answer");
    later(&q, 1);
    expect_state(&q, WEBSOCKET_ERROR, "an error then");
    expect(q.o.error == TROUPE_ETIMEOUT, q.name, "TIMEOUT", q.w, &q.o);
    quiet_close(&q);
}

unsigned websocket_silence(void)
{
    failures = 0;
    no_pong();
    a_pong();
    a_byte();
    no_answer_to_the_close();
    no_answer_to_the_request();
    return failures;
}
