/* SPDX-License-Identifier: MIT */
/** A WebSocket client as a message stream: libcurl connects, the frames are ours. */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_H
#define TROUPE_TRANSPORT_WEBSOCKET_H

#include "message_stream.h"

#include <stdint.h>

#define WEBSOCKET_MESSAGE_MAX (256u << 20)

typedef struct websocket_options {
    const char *url;             /* ws:// or wss:// */
    const char *bearer_token;    /* sent as Authorization: Bearer …; NULL = none; never logged */
    uint32_t connect_timeout_ms; /* the whole handshake; 0 = 30000 */
    size_t message_max;          /* longest message either way; 0 = WEBSOCKET_MESSAGE_MAX */
    const char *const *headers; /* further ones, "Name: value", NULL behind the last; NULL = none */
    /* As in stream_connect_options: */
    const char *unix_path;
    const char *proxy;
    const char *ca_file; /* PEM of the authorities to trust; NULL = the system's */
    const char *cert_file;
    const char *key_file;
    /** Asked now and then while connecting: true gives up with TROUPE_ECANCELLED. NULL = never. */
    bool (*abort)(void *context);
    void *abort_context;
} websocket_options;

/**
 * Connect: TCP, TLS, HTTP upgrade (Upgrade compared without case, Sec-WebSocket-Accept verified, no
 * Origin sent, TCP_NODELAY). Blocks: up to connect_timeout_ms.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS (URL); TROUPE_EUNAVAILABLE (nobody there); TROUPE_ETIMEOUT;
 *         TROUPE_EUNAUTHORIZED (401, 403); TROUPE_EPROTOCOL (another answer); TROUPE_ECANCELLED
 */
troupe_error websocket_connect(const websocket_options *options, message_stream **out,
                               troupe_reason *reason) TROUPE_MUST_USE;

/* message_stream_send queues a text message. Pings are answered inside receive. Call receive once
 * before the first poll: over TLS a message that came with the server's answer wakes no poll. */

/** Queue a binary message; as message_stream_send. */
troupe_error websocket_send_binary(message_stream *stream, const void *data, size_t len);

/** Queue a ping with an empty payload. */
troupe_error websocket_ping(message_stream *stream);

/** Inside the callback of receive: whether the message is binary (else it is text). */
bool websocket_message_is_binary(const message_stream *stream);

/** Bytes received so far, control frames included: any progress shows that the peer lives. */
uint64_t websocket_received_bytes(const message_stream *stream);

/** The code of the peer's close frame; 0 if none came, 1005 if it came without a code. */
int websocket_close_code(const message_stream *stream);

#endif
