/* SPDX-License-Identifier: MIT */
/**
 * A CDP client behind a WebSocket: its messages go to the browser that it drives and come back from
 * there (actors/browser/browser_drivers.c). Part of a client (client.h), on its thread.
 */
#ifndef TROUPE_BRIDGE_CDP_PEER_H
#define TROUPE_BRIDGE_CDP_PEER_H

#include "troupe/actor.h"

#define CDP_BROWSER_MAX 33 /* ids of browsers and Chrome's of targets, with NUL */
#define CDP_TARGET_MAX  96

/** What it drives. */
typedef struct cdp_spec {
    char browser[CDP_BROWSER_MAX];
    char page[CDP_TARGET_MAX]; /* Chrome's id of the one target; "" = the browser */
} cdp_spec;

typedef struct cdp_peer {
    /* Set by the client: */
    troupe_actor *self;
    cdp_spec spec;
    void *context;
    void (*send)(void *context, const void *text, size_t len);
    void (*close)(void *context, uint16_t code, const char *reason);
    void (*settle)(void *context); /* whether it reads has changed */

    troupe_address browser; /* 0 = none any more */
    bool open;
    struct cdp_waiting *waiting; /* what the browser had no room for, in order */
} cdp_peer;

/** The actor of a browser; 0 = there is none. */
troupe_address cdp_browser(troupe_system *system, const char *id);

/** Begin to drive. TROUPE_EGONE: there is no such browser. */
troupe_error cdp_peer_begin(cdp_peer *peer) TROUPE_MUST_USE;
void cdp_peer_fini(cdp_peer *peer);

/** Whether the client is to be read: not before the browser is open, nor while it has no room. */
bool cdp_peer_reads(const cdp_peer *peer);
/** A message of the client. */
void cdp_peer_message(cdp_peer *peer, const void *text, size_t len);
/** An envelope for the client's actor. */
void cdp_peer_receive(cdp_peer *peer, const troupe_envelope *envelope);

#endif
