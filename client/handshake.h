/* SPDX-License-Identifier: MIT */
/* The opening handshake of RFC 6455, client side, as texts. No I/O, no library: the two old
 * algorithms it needs are a page, and libtroupe stays free of a crypto library. */
#ifndef CLIENT_HANDSHAKE_H
#define CLIENT_HANDSHAKE_H

#include "troupe/pack.h"

#define HANDSHAKE_PROTOCOL    "troupe.envelope.v1"
#define HANDSHAKE_KEY_SIZE    25 /* base64 of 16 bytes, and a NUL */
#define HANDSHAKE_ACCEPT_SIZE 29 /* base64 of a SHA-1, and a NUL */
#define HANDSHAKE_SHA1_SIZE   20

/* "ws://HOST[:PORT][/PATH]", taken apart. */
typedef struct handshake_url {
    char host[256]; /* without brackets */
    char port[6];
    char path[512]; /* with the query; "/ws" if there was none */
} handshake_url;

/* TROUPE_OK; TROUPE_EUNAVAILABLE (wss, https); TROUPE_EINVAL. */
troupe_error handshake_url_parse(const char *text, handshake_url *out,
                                 troupe_reason *reason) TROUPE_MUST_USE;

void handshake_sha1(const void *data, size_t len, uint8_t out[HANDSHAKE_SHA1_SIZE]);
/* Writes 4 characters for each 3 bytes begun, and a NUL. */
void handshake_base64(const uint8_t *data, size_t len, char *out);

/* A fresh random Sec-WebSocket-Key. TROUPE_OK; TROUPE_EIO. */
troupe_error handshake_key(char key[HANDSHAKE_KEY_SIZE]) TROUPE_MUST_USE;
/* The Sec-WebSocket-Accept that answers a key. */
void handshake_accept(const char *key, char accept[HANDSHAKE_ACCEPT_SIZE]);

/* Append the request. token: NULL = none; TROUPE_EINVAL if it has a control character or blank. */
troupe_error handshake_request(troupe_buffer *out, const handshake_url *url, const char *key,
                               const char *token, troupe_reason *reason) TROUPE_MUST_USE;

/* Judge the answer: its header block, NUL-terminated. TROUPE_OK; TROUPE_EUNAUTHORIZED (401, 403);
 * TROUPE_EBUSY (503); TROUPE_EPROTOCOL. */
troupe_error handshake_check(const char *answer, const char *key,
                             troupe_reason *reason) TROUPE_MUST_USE;

#endif
