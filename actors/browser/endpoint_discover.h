/* SPDX-License-Identifier: MIT */
/** Asking a debugging port for its browser's WebSocket. Inside of endpoint_connect.c. */
#ifndef TROUPE_ACTORS_BROWSER_ENDPOINT_DISCOVER_H
#define TROUPE_ACTORS_BROWSER_ENDPOINT_DISCOVER_H

#include "endpoint_connect.h"

/**
 * Ask /json/version.
 *
 * The answer's webSocketDebuggerUrl is taken for its path alone: which host, port and scheme it
 * names depends on where the browser believes to be (0.0.0.0, localhost of a container, the name of
 * a relay). The WebSocket is looked for where was asked, below the same prefix. Chrome answers no
 * names but localhost: then the address of the name is taken in its place.
 *
 * @param token  NULL = none
 * @param url    the WebSocket's URL; freed with free; may hold secrets
 * @return as endpoint_connect
 */
troupe_error endpoint_discover(const endpoint_options *options, const char *token, char **url,
                               troupe_reason *reason) TROUPE_MUST_USE;

/**
 * The same URL with the address of its host for the host's name.
 *
 * @param out  freed with free
 * @return TROUPE_OK; TROUPE_EUNAVAILABLE there is nothing to replace (an address already, a Unix
 *         socket, a proxy, TLS, whose certificate is for the name); as stream_connect
 */
troupe_error endpoint_by_address(const endpoint_options *options, const char *url, char **out,
                                 troupe_reason *reason) TROUPE_MUST_USE;

/** What a failure to reach something is, in a user's words. */
troupe_error endpoint_unreachable(troupe_error error, const char *why, troupe_reason *reason);

#endif
