/* SPDX-License-Identifier: MIT */
#include "cdp_peer.h"

#include "actors/browser/browser.h"
#include "actors/verbs.h"
#include "transport/pipe.h"
#include "transport/websocket.h"

#include <jansson.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* Bytes ------------------------------------------------------------------------------------- */

void cdp_send_raw(cdp_peer *p, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return; /* the actor has ended it: the test will see */
        }
        data += n;
        len -= (size_t)n;
        p->written += (uint64_t)n;
    }
}

void cdp_wrap(const cdp_peer *p, byte_queue *out, const char *text, size_t len)
{
    uint8_t head[10] = {0x81, (uint8_t)(len < 126 ? len : len < 65536 ? 126 : 127)};
    size_t extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    for (size_t i = 0; i < extra; i++) {
        head[2 + i] = (uint8_t)(len >> 8 * (extra - 1 - i));
    }
    CHECK(!p->websocket || byte_queue_append(out, head, 2 + extra));
    CHECK(byte_queue_append(out, text, len));
    CHECK(p->websocket || byte_queue_append(out, "", 1));
}

void cdp_send_text(cdp_peer *p, const char *text, size_t len)
{
    byte_queue out = {0};
    cdp_wrap(p, &out, text, len);
    cdp_send_raw(p, byte_queue_head(&out), byte_queue_len(&out));
    byte_queue_fini(&out);
}

void cdp_send(cdp_peer *p, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    CHECK(len >= 0);
    cdp_send_text(p, text, (size_t)len);
    free(text);
}

void cdp_await_read(const cdp_peer *p)
{
    int left = 1;
    if (p->websocket) {
        peer_await_taken(p->fd, p->written);
        return;
    }
    while (ioctl(p->client, FIONREAD, &left) == 0 && left > 0) {
        sched_yield();
    }
}

/* The next whole message at the head of p->in: where it begins and ends; false: it is not there. */
static bool find_message(cdp_peer *p, char **text, size_t *len, size_t *used)
{
    uint8_t *at = (uint8_t *)byte_queue_head(&p->in);
    size_t left = byte_queue_len(&p->in);
    if (!p->websocket) {
        uint8_t *nul = left > 0 ? memchr(at, 0, left) : NULL;
        *text = (char *)at;
        *len = nul != NULL ? (size_t)(nul - at) : 0;
        *used = *len + 1;
        return nul != NULL;
    }
    size_t extra = left < 2 ? 0 : (at[1] & 0x7F) == 126 ? 2 : (at[1] & 0x7F) == 127 ? 8 : 0;
    if (left < 6 + extra) {
        return false;
    }
    *len = extra == 0 ? at[1] & 0x7F : 0;
    for (size_t i = 0; i < extra; i++) {
        *len = *len << 8 | at[2 + i];
    }
    *used = 6 + extra + *len;
    if (left < *used) {
        return false;
    }
    *text = (char *)at + 6 + extra;
    for (size_t i = 0; i < *len; i++) {
        (*text)[i] = (char)((*text)[i] ^ at[2 + extra + i % 4]);
    }
    return true;
}

const char *cdp_next(cdp_peer *p)
{
    static char shown[65536];
    char *text;
    size_t len;
    size_t used;
    while (!find_message(p, &text, &len, &used)) {
        CHECK(byte_queue_reserve(&p->in, 65536));
        ssize_t n = recv(p->fd, p->in.data + p->in.tail, byte_queue_room(&p->in), 0);
        CHECK(n > 0);
        p->in.tail += (size_t)n;
    }
    CHECK(len < sizeof shown);
    memcpy(shown, text, len);
    shown[len] = '\0';
    byte_queue_consume(&p->in, used);
    return shown;
}

/* Connections ------------------------------------------------------------------------------- */

static message_stream *connect_pipe(cdp_peer *p)
{
    int ends[2];
    message_stream *stream;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    p->fd = ends[0];
    CHECK(pipe_stream_create(ends[1], ends[1], 0, &stream) == TROUPE_OK);
    return stream;
}

static message_stream *connect_websocket(cdp_peer *p)
{
    static const peer_script script = {.end = PEER_HANDS_OVER, .cut = PEER_WHOLE};
    char url[64];
    message_stream *stream;
    troupe_reason reason;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/devtools/browser/x", p->server.port);
    websocket_options options = {.url = url};
    peer_play(&p->server, &script);
    CHECK(websocket_connect(&options, &stream, &reason) == TROUPE_OK);
    peer_join(&p->server);
    p->fd = p->server.fd;
    p->written = p->server.written;
    return stream;
}

static int64_t id_of(const char *command, const char *method)
{
    CHECK(strstr(command, method) != NULL);
    const char *at = strstr(command, "\"id\":");
    CHECK(at != NULL);
    return strtoll(at + strlen("\"id\":"), NULL, 10);
}

static void greet(cdp_peer *p)
{
    int64_t id = id_of(cdp_next(p), "Browser.getVersion");
    cdp_send(p, "{\"id\":%lld,\"result\":{\"product\":\"Fake/1\"}}", (long long)id);
    id = id_of(cdp_next(p), "Target.setDiscoverTargets");
    cdp_send(p, "{\"id\":%lld,\"result\":{}}", (long long)id);
}

void cdp_connect(cdp_peer *p, bool greeted)
{
    struct timeval limit = {CDP_WAIT_MS / 1000, 0};
    browser_end *end = browser_end_create();
    browser_spec spec = {.host = &p->host, .id = "p1", .launched = true, .pid_fd = -1, .end = end};
    troupe_spawn_options options;
    spec.stream = p->websocket ? connect_websocket(p) : connect_pipe(p);
    p->client = message_stream_read_fd(spec.stream);
    CHECK(setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK(browser_prepare(&spec, &options) == TROUPE_OK);
    CHECK(troupe_spawn(p->system, &options, &p->browser) == TROUPE_OK);
    browser_end_unref(end);
    if (greeted) {
        greet(p);
    }
}

troupe_error cdp_await_end(cdp_peer *p)
{
    return troupe_join(p->system, p->browser, CDP_WAIT_MS);
}

void cdp_disconnect(cdp_peer *p)
{
    for (size_t n = 0; n < p->call_count; n++) {
        CHECK(p->calls[n].ends == 1);
        free(p->calls[n].text);
    }
    memset(p->calls, 0, sizeof p->calls);
    p->call_count = 0;
    close(p->fd);
    (void)cdp_await_end(p);
    byte_queue_fini(&p->in);
}

void cdp_open(cdp_peer *p, bool over_websocket)
{
    memset(p, 0, sizeof *p);
    p->websocket = over_websocket;
    troupe_host_options_default(&p->host);
    p->host.attach = "none";
    p->host.command_timeout_ms = CDP_WAIT_MS;
    p->host.probe_after_ms = 0; /* commands of its own would come between */
    p->host.commands_in_flight = 2 * CDP_CALLS_MAX;
    CHECK(troupe_system_open(NULL, &p->system) == TROUPE_OK);
    CHECK(troupe_guest_create(p->system, &p->guest) == TROUPE_OK);
    peer_open(&p->server);
}

void cdp_close(cdp_peer *p)
{
    troupe_guest_destroy(p->guest);
    troupe_system_close(p->system, CDP_WAIT_MS);
    peer_close(&p->server);
}

/* Calls ------------------------------------------------------------------------------------- */

size_t cdp_call_post(cdp_peer *p, uint32_t timeout_ms)
{
    size_t n = p->call_count++;
    char method[32];
    troupe_buffer payload = {0};
    CHECK(n < CDP_CALLS_MAX);
    snprintf(method, sizeof method, "Fake.%zu", n);
    CHECK(troupe_pack(&payload, "[s,n,n]", method) == TROUPE_OK);
    CHECK(troupe_guest_call_start(
              p->guest, p->browser, VERB_BROWSER_COMMAND, NULL, troupe_buffer_bytes(&payload),
              timeout_ms != 0 ? timeout_ms : CDP_WAIT_MS, &p->calls[n], NULL) == TROUPE_OK);
    CHECK(troupe_guest_flush(p->guest) == TROUPE_OK);
    troupe_buffer_fini(&payload);
    return n;
}

void cdp_call_read(cdp_peer *p, size_t n)
{
    char method[32];
    snprintf(method, sizeof method, "\"Fake.%zu\"", n);
    p->calls[n].id = id_of(cdp_next(p), method);
}

size_t cdp_call_start(cdp_peer *p, uint32_t timeout_ms)
{
    size_t n = cdp_call_post(p, timeout_ms);
    cdp_call_read(p, n);
    return n;
}

static char *words_of(const troupe_answer *answer)
{
    char *text = NULL;
    const char *json;
    size_t len;
    int n;
    if (answer->error == TROUPE_OK &&
        troupe_payload_json(answer->payload, &json, &len) == TROUPE_OK) {
        n = asprintf(&text, "%.*s", (int)len, json);
    } else {
        n = asprintf(&text, "%s %s", answer->message != NULL ? answer->message : "",
                     answer->data != NULL ? answer->data : "");
    }
    CHECK(n >= 0);
    return text;
}

const cdp_call *cdp_call_wait(cdp_peer *p, size_t n)
{
    cdp_call *wanted = &p->calls[n];
    while (!wanted->ended) {
        troupe_answer answer = {0};
        CHECK(troupe_guest_wait(p->guest, CDP_WAIT_MS, &answer) == TROUPE_OK);
        cdp_call *call = answer.context;
        call->ended = true;
        call->ends++;
        call->error = answer.error;
        p->timeouts += answer.error == TROUPE_ETIMEOUT;
        call->text = words_of(&answer);
        troupe_answer_fini(&answer);
    }
    return wanted;
}

void cdp_answer(cdp_peer *p, size_t n)
{
    cdp_send(p, "{\"id\":%lld,\"result\":{\"n\":%zu}}", (long long)p->calls[n].id, n);
}

/* Counters ---------------------------------------------------------------------------------- */

/* A command that is sent and answered: what was sent before has been handled. */
static void synchronise(cdp_peer *p)
{
    size_t n = cdp_call_start(p, 0);
    cdp_answer(p, n);
    CHECK(cdp_call_wait(p, n)->error == TROUPE_OK);
}

uint64_t cdp_look(cdp_peer *p, const char *name)
{
    troupe_answer answer = {0};
    const troupe_bytes nothing = {0};
    troupe_error error = troupe_guest_call(p->guest, p->browser, VERB_BROWSER_METRICS, NULL,
                                           nothing, CDP_WAIT_MS, &answer);
    const char *text;
    size_t len;
    CHECK(error == TROUPE_OK && troupe_payload_json(answer.payload, &text, &len) == TROUPE_OK);
    json_t *all = json_loadb(text, len, 0, NULL);
    const json_t *count = json_object_get(all, name);
    CHECK(json_is_integer(count));
    uint64_t value = (uint64_t)json_integer_value(count);
    json_decref(all);
    troupe_answer_fini(&answer);
    return value;
}

uint64_t cdp_count(cdp_peer *p, const char *name)
{
    synchronise(p);
    return cdp_look(p, name);
}

uint64_t cdp_replies_too_many(const cdp_peer *p)
{
    troupe_system_counters counters;
    troupe_system_count(p->system, &counters);
    return counters.late_replies > p->timeouts ? counters.late_replies - p->timeouts : 0;
}
