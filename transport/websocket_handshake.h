/* SPDX-License-Identifier: MIT */
/** The opening handshake of RFC 6455, client side, as texts; no I/O. */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_HANDSHAKE_H
#define TROUPE_TRANSPORT_WEBSOCKET_HANDSHAKE_H

#include "uri.h"

#include <stddef.h>

#define WEBSOCKET_KEY_SIZE    25 /* base64 of 16 bytes, and a NUL */
#define WEBSOCKET_ACCEPT_SIZE 29 /* base64 of a SHA-1, and a NUL */

/** A fresh random Sec-WebSocket-Key. TROUPE_OK; TROUPE_EIO (no randomness). */
troupe_error websocket_handshake_key(char key[WEBSOCKET_KEY_SIZE]) TROUPE_MUST_USE;

/** The Sec-WebSocket-Accept that answers `key`. */
troupe_error websocket_handshake_accept(const char *key,
                                        char accept[WEBSOCKET_ACCEPT_SIZE]) TROUPE_MUST_USE;

/** The upgrade request; bearer_token NULL = none. NULL without memory; freed with free. */
char *websocket_handshake_request(const uri_parts *uri, const char *key, const char *bearer_token);

/**
 * Judge the server's answer: the header block with the empty line that ends it, NUL-terminated.
 *
 * @return TROUPE_OK: it speaks WebSocket; TROUPE_EUNAUTHORIZED (401, 403); TROUPE_EPROTOCOL
 * (another status, or an upgrade we did not ask for)
 */
troupe_error websocket_handshake_check(const char *answer, const char *key,
                                       troupe_reason *reason) TROUPE_MUST_USE;

#endif
