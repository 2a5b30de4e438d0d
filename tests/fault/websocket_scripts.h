/* SPDX-License-Identifier: MIT */
/** What a WebSocket server can do to its client, and how it ends: the tables of websocket_fault.c.
 * docs/websocket-cases.md is printed from them. */
#ifndef TEST_WEBSOCKET_SCRIPTS_H
#define TEST_WEBSOCKET_SCRIPTS_H

#include "peer.h"
#include "troupe/error.h"

#define SCRIPT_MESSAGE_MAX 1000 /* the client's limit, for all scripts */
#define NO_CLOSE           (-1) /* the client sends no close frame */

typedef struct websocket_script {
    const char *name; /* what the server does */
    peer_script play; /* without its cut */
    troupe_error error;
    const char *reason; /* a POSIX extended regular expression without case; NULL: no error */
    int code;           /* of the client's close frame; 0: an empty one; NO_CLOSE */
    unsigned messages;  /* delivered before the end */
    const char *pong;   /* what the client's last pong holds; NULL: it sends none */
} websocket_script;

/* The server's answer to the request is at fault, or is a good one in an unusual form. */
extern const websocket_script handshake_scripts[];
extern const size_t handshake_script_count;

/* The frames are; those without an error are conversations that must come through. */
extern const websocket_script frame_scripts[];
extern const size_t frame_script_count;

/* Both with permessage-deflate offered. */
extern const websocket_script agreement_scripts[];
extern const size_t agreement_script_count;
extern const websocket_script deflate_scripts[];
extern const size_t deflate_script_count;

#endif
