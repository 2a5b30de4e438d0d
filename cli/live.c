/* SPDX-License-Identifier: MIT */
/* Commands that stay: calls over a WebSocket, and events in between. */
#include "live.h"

#include "transport/clock.h"
#include "transport/websocket.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void live_call(live *self, const char *method, json_t *params, live_answer_fn then)
{
    json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", ++self->id,
                                "method", method, "params", params);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    self->on_answer = then;
    if (text == NULL || websocket_send_text(self->socket, text, strlen(text)) != TROUPE_OK) {
        cli_error("%s could not be sent", method);
        live_end(self, CLI_FAILED);
    }
    free(text);
}

void live_end(live *self, int status)
{
    self->ended = true;
    self->status = status;
}

int live_fault(const char *method, const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    cli_error("%s: %s", method, message != NULL ? message : "failed");
    return CLI_FAILED;
}

static void on_message(void *context, char *data, size_t len)
{
    live *self = context;
    json_t *message = json_loadb(data, len, JSON_ALLOW_NUL, NULL);
    const json_t *params = json_object_get(message, "params");
    const char *topic = json_string_value(json_object_get(params, "topic"));
    live_answer_fn then = self->on_answer;
    if (self->ended) {
        json_decref(message);
        return;
    }
    if (topic != NULL) {
        self->on_event(self, topic, json_object_get(params, "data"));
    } else if (then != NULL && json_integer_value(json_object_get(message, "id")) == self->id) {
        self->on_answer = NULL;
        then(self, json_object_get(message, "result"), json_object_get(message, "error"));
    }
    json_decref(message);
}

/* Wait for the connection, its next duty, or the end of our time. */
static void await(const live *self)
{
    websocket_wait wait;
    websocket_wait_for(self->socket, &wait);
    int64_t until = wait.deadline_ns;
    if (self->until_ns != 0 && self->until_ns < until) {
        until = self->until_ns;
    }
    int64_t left_ms = until == INT64_MAX ? -1 : (until - monotonic_ns() + 999999) / 1000000;
    (void)poll(wait.fds, wait.count, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* Whether it is to come to its end now. */
static bool is_due(const live *self)
{
    return interrupted != 0 || (self->until_ns != 0 && monotonic_ns() >= self->until_ns);
}

static int go_on(live *self, void (*begin)(live *self))
{
    bool begun = false;
    troupe_reason reason = {""};
    while (!self->ended) {
        troupe_error error = websocket_step(self->socket, on_message, self, &reason);
        if (self->ended) {
            break;
        }
        if (error != TROUPE_OK) {
            cli_error("%s: %s", self->cli->client.url,
                      reason.text[0] != '\0' ? reason.text : "the host closed the connection");
            return CLI_FAILED;
        }
        if (!begun && websocket_state_of(self->socket) == WEBSOCKET_CONNECTED) {
            begun = true;
            begin(self);
            continue; /* what it queued is written by the next step */
        }
        if (!self->ending && is_due(self)) {
            if (self->on_end == NULL) {
                return CLI_OK;
            }
            self->ending = true;
            self->until_ns = 0;
            self->on_end(self);
            continue;
        }
        await(self);
    }
    return self->status;
}

int live_run(live *self, void (*begin)(live *self), uint32_t for_ms)
{
    int status = cli_connect(self->cli);
    if (status != CLI_OK) {
        return status;
    }
    char url[300];
    const char *http = self->cli->client.url; /* http://… or https://… */
    snprintf(url, sizeof url, "ws%s/ws", http + strlen("http"));
    websocket_options options = {
        .url = url, .bearer_token = self->cli->client.token, .ca_file = self->cli->client.ca_file};
    troupe_reason reason = {""};
    troupe_error error = websocket_create(&options, &self->socket, &reason);
    if (error == TROUPE_OK) {
        error = websocket_open(self->socket, &reason);
    }
    if (error != TROUPE_OK) {
        cli_error("%s: %s", url, reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
        websocket_destroy(self->socket);
        return CLI_FAILED;
    }
    if (self->on_end != NULL) {
        struct sigaction action = {.sa_handler = on_interrupt};
        (void)sigaction(SIGINT, &action, NULL);
        (void)sigaction(SIGTERM, &action, NULL);
    }
    self->until_ns = for_ms > 0 ? monotonic_ns() + (int64_t)for_ms * 1000000 : 0;
    status = go_on(self, begin);
    websocket_close(self->socket, 1000, NULL);
    websocket_destroy(self->socket);
    return status;
}
