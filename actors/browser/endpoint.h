/* SPDX-License-Identifier: MIT */
/** Finding the WebSocket of a browser that listens on a port. Blocks: for the browser actor's
 * start. */
#ifndef TROUPE_ACTORS_BROWSER_ENDPOINT_H
#define TROUPE_ACTORS_BROWSER_ENDPOINT_H

#include "transport/message_stream.h"

#include <stdint.h>

typedef struct endpoint_options {
    const char *endpoint; /* "http://HOST:PORT" or "ws://…"; NULL = the file in profile */
    const char *profile;  /* where a starting browser writes DevToolsActivePort */
    int pid_fd;           /* readable when that browser is gone; -1 = none */
    uint32_t timeout_ms;
    bool (*abort)(void *context);
    void *abort_context;
} endpoint_options;

/**
 * Discover the browser's WebSocket and connect.
 *
 * @param url   receives the WebSocket's URL
 * @return as websocket_connect and http_send; TROUPE_ECLOSED the browser ended before it listened
 */
troupe_error endpoint_connect(const endpoint_options *options, char *url, size_t url_size,
                              message_stream **out, troupe_reason *reason) TROUPE_MUST_USE;

#endif
