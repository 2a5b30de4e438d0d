/* SPDX-License-Identifier: MIT */
/** Connecting to the WebSocket of a browser that listens somewhere. Blocks: for the browser actor's
 * start. */
#ifndef TROUPE_ACTORS_BROWSER_ENDPOINT_CONNECT_H
#define TROUPE_ACTORS_BROWSER_ENDPOINT_CONNECT_H

#include "endpoint.h"
#include "transport/message_stream.h"

#include <stdint.h>

typedef struct endpoint_options {
    const browser_endpoint *at; /* NULL = as the file in profile says */
    const char *profile;        /* where a starting browser writes DevToolsActivePort */
    int pid_fd;                 /* readable when that browser is gone; -1 = none */
    const void *owner;          /* who may hold a browser once only (a host); NULL = nobody cares */
    const char *id;             /* by this name */
    const char *resolve;        /* "HOST:PORT:ADDRESS", for tests; NULL = names are asked for */
    uint32_t timeout_ms;
    bool (*abort)(void *context);
    void *abort_context;
} endpoint_options;

/**
 * Discover the browser's WebSocket and connect. With an owner the browser is then held by it until
 * endpoint_release.
 *
 * @param url   receives the WebSocket's URL, without a query; also where it was tried in vain
 * @return as websocket_connect and http_send; TROUPE_ECLOSED the browser ended before it listened;
 *         TROUPE_EUNAUTHORIZED 401, 403, a client certificate; TROUPE_ESTATE the owner holds that
 *         browser already (reason says by which name); TROUPE_EPARAMS a bad file, or a page's
 *         WebSocket; TROUPE_EPROTOCOL it is something else than a browser (reason says what)
 */
troupe_error endpoint_connect(const endpoint_options *options, char *url, size_t url_size,
                              message_stream **out, troupe_reason *reason) TROUPE_MUST_USE;

/** The owner lets go of the browser that it holds by that name, if any. Thread: any. */
void endpoint_release(const void *owner, const char *id);

#endif
