/* SPDX-License-Identifier: MIT */
/* What the bridge's tests share. */
#include "bridge_fixture.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "troupe/log.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SUBSCRIBERS_MAX 8

typedef struct stub {
    const char *name;
    troupe_caller held;
    troupe_address subscribers[SUBSCRIBERS_MAX];
    size_t subscriber_count;
} stub;

static void answer_big(troupe_actor *self, troupe_caller caller, size_t len)
{
    char *text = malloc(len + 3);
    memset(text, 'x', len + 2);
    text[0] = '"';
    text[len + 1] = '"';
    troupe_reply_json(self, caller, text, len + 2);
    free(text);
}

static void answer_junk(troupe_actor *self, troupe_caller caller)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "s", "no JSON");
    troupe_reply(self, caller, troupe_buffer_bytes(&payload));
    troupe_buffer_fini(&payload);
}

static void answer_echo(troupe_actor *self, stub *state, const troupe_envelope *call,
                        json_t *params)
{
    json_t *value = json_pack("{s:s, s:s#, s:O, s:I}", "actor", state->name, "verb", call->verb,
                              (int)call->verb_len, "params", params, "timeout_ms",
                              (json_int_t)call->meta.timeout_ms);
    json_reply(self, troupe_caller_of(call), value);
}

static void stub_call(troupe_actor *self, stub *state, const troupe_envelope *call)
{
    troupe_caller caller = troupe_caller_of(call);
    json_t *params = json_params(call, NULL);
    const char *code = json_string_value(json_object_get(params, "code"));
    const char *sql = json_string_value(json_object_get(params, "sql"));
    const char *word = code != NULL ? code : sql != NULL ? sql : "";
    if (strcmp(word, "silent") == 0) {
    } else if (strcmp(word, "fault") == 0) {
        json_fault(self, caller, TROUPE_ECDP,
                   json_pack("{s:i, s:s}", "cdp_code", -32000, "hint", "x"), "the browser said %s",
                   "no");
    } else if (strncmp(word, "fault:", 6) == 0) {
        json_fault(self, caller, TROUPE_EJS, json_pack("{s:s}", "text", word), "%s", word + 6);
    } else if (strcmp(word, "nil") == 0) {
        troupe_reply(self, caller, (troupe_bytes){0});
    } else if (strcmp(word, "junk") == 0) {
        answer_junk(self, caller);
    } else if (strncmp(word, "big:", 4) == 0) {
        answer_big(self, caller, strtoul(word + 4, NULL, 10));
    } else if (strcmp(word, "hold") == 0) {
        state->held = caller;
    } else if (strcmp(word, "release") == 0) {
        troupe_reply_json(self, state->held, "\"released\"", 10);
        answer_echo(self, state, call, params);
    } else {
        answer_echo(self, state, call, params);
    }
    json_decref(params);
}

static void emit(troupe_actor *self, stub *state, const troupe_envelope *cast)
{
    const char *topic = NULL;
    const char *target = NULL;
    size_t topic_len;
    size_t target_len;
    int count = 0;
    int pad = 0;
    if (troupe_unpack(cast->payload, "[s#,s#,i,i]", &topic, &topic_len, &target, &target_len,
                      &count, &pad) != TROUPE_OK) {
        return;
    }
    char *filler = calloc(1, (size_t)pad + 1);
    memset(filler, 'y', (size_t)pad);
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)topic_len, topic);
        for (size_t s = 0; s < state->subscriber_count; s++) {
            json_t *row = json_pack("{s:s#, s:i, s:s}", "target", target, (int)target_len, "n", i,
                                    "pad", filler);
            (void)!json_post(self, state->subscribers[s], TROUPE_EVENT, name, row);
        }
    }
    free(filler);
}

static troupe_error stub_receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    stub *state = context;
    if (troupe_verb_is(envelope, VERB_STORE_SUBSCRIBE)) {
        size_t free_slot = state->subscriber_count;
        for (size_t i = 0; i < state->subscriber_count; i++) {
            free_slot = state->subscribers[i] == envelope->from ? SUBSCRIBERS_MAX : free_slot;
        }
        if (free_slot < SUBSCRIBERS_MAX) {
            state->subscribers[state->subscriber_count++] = envelope->from;
        }
        troupe_reply(self, troupe_caller_of(envelope), (troupe_bytes){0});
    } else if (troupe_verb_is(envelope, "emit")) {
        emit(self, state, envelope);
    } else if (envelope->kind == TROUPE_CALL) {
        stub_call(self, state, envelope);
    }
    return TROUPE_OK;
}

static void stub_stop(troupe_actor *self, void *context, troupe_error reason)
{
    (void)self;
    (void)reason;
    free(context);
}

static const troupe_behaviour stub_behaviour = {
    .kind = "stub", .receive = stub_receive, .stop = stub_stop};

static troupe_error stub_spawn(bridge_stage *stage, const char *name)
{
    stub *state = calloc(1, sizeof *state);
    state->name = name;
    troupe_spawn_options options = {.behaviour = &stub_behaviour, .state = state, .name = name};
    return troupe_spawn(stage->system, &options, NULL);
}

static void on_stop(void *context)
{
    __atomic_add_fetch(&((bridge_stage *)context)->stops, 1, __ATOMIC_SEQ_CST);
}

void stage_options(bridge_stage *stage)
{
    troupe_log_set_level(TROUPE_LOG_ERROR);
    memset(stage, 0, sizeof *stage);
    stage->options.listen = "127.0.0.1:0";
    stage->options.clients_max = 8;
    stage->options.stop_requested = on_stop;
    stage->options.stop_context = stage;
    stage->options.config_json = "{\"key\":\"value\"}";
}

troupe_error stage_open(bridge_stage *stage, troupe_reason *reason)
{
    static const char *const cast[] = {NAME_CONNECTIONS, NAME_LAUNCHER,  NAME_STORE,
                                       NAME_NETWORK,     NAME_CONSOLE,   NAME_QUERY,
                                       NAME_SQL,         "target/p1:abc"};
    troupe_error error = troupe_system_open(NULL, &stage->system);
    for (size_t i = 0; error == TROUPE_OK && i < sizeof cast / sizeof cast[0]; i++) {
        error = stub_spawn(stage, cast[i]);
    }
    if (error == TROUPE_OK) {
        error = troupe_guest_create(stage->system, &stage->guest);
    }
    if (error == TROUPE_OK) {
        error =
            bridge_start(&stage->options, stage->system, &stage->bridge, &stage->addresses, reason);
    }
    return error;
}

void stage_close(bridge_stage *stage)
{
    bridge_stop(stage->bridge);
    troupe_guest_destroy(stage->guest);
    if (stage->system != NULL) {
        troupe_system_close(stage->system, 1000);
    }
}

void stage_emit(bridge_stage *stage, const char *topic, const char *target, int count, int pad)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "[s,s,i,i]", topic, target, count, pad);
    (void)!troupe_guest_post(stage->guest, troupe_whereis(stage->system, NAME_STORE), TROUPE_CAST,
                             "emit", NULL, troupe_buffer_bytes(&payload));
    troupe_guest_flush(stage->guest);
    troupe_buffer_fini(&payload);
}

/* Sockets ----------------------------------------------------------------------------------------
 */

int client_connect(uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval limit = {.tv_sec = 20};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool client_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool read_exactly(int fd, void *data, size_t len)
{
    char *at = data;
    while (len > 0) {
        ssize_t got = recv(fd, at, len, 0);
        if (got <= 0) {
            return false;
        }
        at += got;
        len -= (size_t)got;
    }
    return true;
}

/* Everything up to the empty line. */
static char *read_head(int fd)
{
    char *head = calloc(1, 8192);
    size_t len = 0;
    while (len < 8191 && recv(fd, head + len, 1, 0) == 1) {
        len++;
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0) {
            break;
        }
    }
    return head;
}

response response_read(int fd, bool no_body)
{
    response out = {0};
    out.head = read_head(fd);
    while (strncmp(out.head, "HTTP/1.1 100", 12) == 0) {
        free(out.head);
        out.head = read_head(fd);
    }
    if (sscanf(out.head, "HTTP/1.1 %d", &out.status) != 1) {
        out.status = 0;
    }
    const char *length = strcasestr(out.head, "\r\nContent-Length:");
    out.len = length != NULL && !no_body ? strtoul(length + 17, NULL, 10) : 0;
    out.body = calloc(1, out.len + 1);
    if (!read_exactly(fd, out.body, out.len)) {
        out.status = 0;
    }
    return out;
}

void response_free(response *out)
{
    free(out->head);
    free(out->body);
    memset(out, 0, sizeof *out);
}

response http_raw(uint16_t port, const char *request)
{
    int fd = client_connect(port);
    (void)client_send(fd, request, strlen(request));
    response out = response_read(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    return out;
}

response http_rpc(uint16_t port, const char *headers, const char *json)
{
    size_t size = strlen(json) + strlen(headers) + 512;
    char *request = malloc(size);
    snprintf(request, size,
             "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
             "%sContent-Length: %zu\r\n\r\n%s",
             (unsigned)port, headers, strlen(json), json);
    response out = http_raw(port, request);
    free(request);
    return out;
}

bool rpc_send(int fd, const char *json, size_t len)
{
    char head[256];
    int head_len = snprintf(head, sizeof head,
                            "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                            "application/json; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                            len);
    return client_send(fd, head, (size_t)head_len) && client_send(fd, json, len);
}

json_t *rpc_value(bridge_stage *stage, const char *json)
{
    response answer = http_rpc(stage->addresses.port, "", json);
    json_t *value = json_loadb(answer.body, answer.len, JSON_DECODE_ANY, NULL);
    response_free(&answer);
    return value;
}

/* WebSocket
 * ---------------------------------------------------------------------------------------- */

int ws_connect(uint16_t port, const char *path, const char *headers, int *status)
{
    char request[1024];
    int fd = client_connect(port);
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: localhost:%u\r\nUpgrade: websocket\r\n"
                       "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                       path, (unsigned)port, headers);
    (void)client_send(fd, request, (size_t)len);
    response answer = response_read(fd, false);
    int got = answer.status;
    bool accepted =
        got == 101 &&
        strstr(answer.head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != NULL;
    if (status != NULL) {
        *status = got;
    }
    response_free(&answer);
    if (!accepted) {
        close(fd);
        return -1;
    }
    return fd;
}

bool ws_send_frame(int fd, uint8_t first, const void *data, size_t len, bool masked)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t *frame = malloc(len + 14);
    size_t used = 0;
    uint8_t bit = masked ? 0x80 : 0;
    frame[used++] = first;
    if (len < 126) {
        frame[used++] = (uint8_t)(bit | len);
    } else if (len < 65536) {
        frame[used++] = (uint8_t)(bit | 126);
        frame[used++] = (uint8_t)(len >> 8);
        frame[used++] = (uint8_t)len;
    } else {
        frame[used++] = (uint8_t)(bit | 127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            frame[used++] = (uint8_t)((uint64_t)len >> shift);
        }
    }
    if (masked) {
        memcpy(frame + used, mask, 4);
        used += 4;
    }
    for (size_t i = 0; i < len; i++) {
        frame[used + i] = (uint8_t)(((const uint8_t *)data)[i] ^ (masked ? mask[i % 4] : 0));
    }
    bool sent = client_send(fd, frame, used + len);
    free(frame);
    return sent;
}

bool ws_send_text(int fd, const char *text)
{
    return ws_send_frame(fd, 0x81, text, strlen(text), true);
}

uint8_t ws_read_frame(int fd, char **data, size_t *len)
{
    uint8_t head[2];
    uint8_t wide[8];
    *data = NULL;
    *len = 0;
    if (!read_exactly(fd, head, 2)) {
        return 0;
    }
    *len = head[1] & 0x7fu;
    size_t extra = *len == 126 ? 2 : *len == 127 ? 8 : 0;
    if (extra > 0) {
        if (!read_exactly(fd, wide, extra)) {
            return 0;
        }
        *len = 0;
        for (size_t i = 0; i < extra; i++) {
            *len = *len << 8 | wide[i];
        }
    }
    *data = calloc(1, *len + 1);
    return read_exactly(fd, *data, *len) ? head[0] : 0;
}

json_t *ws_read_json(int fd)
{
    for (;;) {
        char *data;
        size_t len;
        uint8_t first = ws_read_frame(fd, &data, &len);
        json_t *value = first == 0x81 ? json_loadb(data, len, JSON_DECODE_ANY, NULL) : NULL;
        free(data);
        if (value != NULL || first == 0 || first == 0x88) {
            return value;
        }
    }
}

int ws_read_close(int fd)
{
    for (;;) {
        char *data;
        size_t len;
        uint8_t first = ws_read_frame(fd, &data, &len);
        int code = first == 0x88 && len >= 2 ? (uint8_t)data[0] << 8 | (uint8_t)data[1] : 0;
        free(data);
        if (first == 0 || first == 0x88) {
            return code;
        }
    }
}
