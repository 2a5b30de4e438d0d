/* SPDX-License-Identifier: MIT */
/**
 * What the bridge's tests share: a real system with stub actors under the owners' names, a real
 * HTTP server on an ephemeral port, and plain sockets as clients.
 */
#ifndef TROUPE_TESTS_BRIDGE_FIXTURE_H
#define TROUPE_TESTS_BRIDGE_FIXTURE_H

#include "actors/cast.h"

#include <jansson.h>
#include <stdbool.h>

/** Everything a test needs; opened with stage_open. */
typedef struct bridge_stage {
    troupe_host_options options;
    troupe_system *system;
    bridge *bridge;
    troupe_host_info addresses;
    troupe_guest *guest; /* of the test's thread */
    int stops;           /* how often stop_requested was called */
} bridge_stage;

/** Options for an ephemeral loopback port; tests change them before stage_open. */
void stage_options(bridge_stage *stage);

/**
 * Open the system, the stub actors and the bridge.
 *
 * The stubs answer a call with {"actor": their name, "verb": …, "params": …}, unless params say
 * otherwise by `code` (js) or `sql` (query.sql): "silent" is never answered, "fault" gets a fault
 * with data, "fault:TEXT" one of those words, "nil" a nil, "junk" something that is no JSON,
 * "big:N" a string of N bytes, "hold" is answered when a later call says "release".
 */
troupe_error stage_open(bridge_stage *stage, troupe_reason *reason);
void stage_close(bridge_stage *stage);

/** Have the stub store send `count` events of that topic to its subscribers; `pad` bytes each. */
void stage_emit(bridge_stage *stage, const char *topic, const char *target, int count, int pad);

/** An HTTP response. Freed with response_free. */
typedef struct response {
    int status; /* 0: the connection ended without one */
    char *head;
    char *body; /* NUL-terminated */
    size_t len;
} response;

/** Connect to a loopback port. */
int client_connect(uint16_t port);
bool client_send(int fd, const void *data, size_t len);
/** Read one response (by Content-Length). no_body: it answers a HEAD. */
response response_read(int fd, bool no_body);
void response_free(response *response);

/** Send raw request text on a connection of its own and read the response. */
response http_raw(uint16_t port, const char *request);
/** POST /rpc with JSON; headers: further header lines or "". */
response http_rpc(uint16_t port, const char *headers, const char *json);
/** POST /rpc on an open connection. */
bool rpc_send(int fd, const char *json, size_t len);

/** POST JSON and read the answer as a value (NULL if the body is empty). */
json_t *rpc_value(bridge_stage *stage, const char *json);

/** WebSocket client: handshake with extra header lines; -1 and the status if it is refused. */
int ws_connect(uint16_t port, const char *path, const char *headers, int *status);
/** One frame; masked unless told. first: first byte. */
bool ws_send_frame(int fd, uint8_t first, const void *data, size_t len, bool masked);
bool ws_send_text(int fd, const char *text);
/** Read one frame: its first byte (0 at the end of the stream), payload NUL-terminated in *data. */
uint8_t ws_read_frame(int fd, char **data, size_t *len);
/** Read text frames until one; its JSON. NULL at the end of the stream. */
json_t *ws_read_json(int fd);
/** Code of the close frame that comes next; 0 if the stream ends without one. */
int ws_read_close(int fd);

#endif
