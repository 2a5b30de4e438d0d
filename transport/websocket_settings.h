/* SPDX-License-Identifier: MIT */
/** The options of a WebSocket, checked, copied, and with their defaults. Inside of websocket.c. */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_SETTINGS_H
#define TROUPE_TRANSPORT_WEBSOCKET_SETTINGS_H

#include "stream_connect.h"
#include "websocket.h"

typedef struct websocket_settings {
    websocket_options options; /* every string in it is one of `strings` */
    uri_parts uri;
    char *shown_url; /* without the query: it may hold a token */
    bool offer_deflate;
    char **strings;
    size_t string_count;
} websocket_settings;

/** As websocket_create. Freed with websocket_settings_fini in any case. */
troupe_error websocket_settings_init(websocket_settings *settings, const websocket_options *options,
                                     troupe_reason *reason) TROUPE_MUST_USE;
void websocket_settings_fini(websocket_settings *settings);

/** What the handshake asks for; borrows from the settings. */
websocket_ask websocket_settings_ask(const websocket_settings *settings);

/** Where to connect to; borrows likewise. */
stream_connect_options websocket_settings_connect(const websocket_settings *settings);

#endif
