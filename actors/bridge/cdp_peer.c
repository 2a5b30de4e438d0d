/* SPDX-License-Identifier: MIT */
/* A CDP client behind a WebSocket. */
#include "cdp_peer.h"

#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define OPEN_TIMEOUT_MS 30000
#define CODE_GOING_AWAY 1001
#define CODE_INTERNAL   1011

/* A message for the browser. */
struct cdp_waiting {
    struct cdp_waiting *prev;
    struct cdp_waiting *next;
    troupe_buffer payload;
};

static void on_open(troupe_actor *self, void *context, troupe_error error,
                    const troupe_envelope *answer)
{
    cdp_peer *peer = context;
    (void)self;
    if (error != TROUPE_OK) {
        troupe_fault_view fault = {.message = ""};
        char why[120];
        if (answer != NULL) {
            troupe_fault_read(answer, &fault);
        }
        snprintf(why, sizeof why, "%.*s", (int)(fault.message_len < 100 ? fault.message_len : 100),
                 fault.message_len > 0 ? fault.message : troupe_error_text(error));
        peer->close(peer->context, CODE_INTERNAL, why);
        return;
    }
    peer->open = true;
    peer->settle(peer->context);
}

troupe_address cdp_browser(troupe_system *system, const char *id)
{
    char name[sizeof NAME_BROWSER + CDP_BROWSER_MAX];
    snprintf(name, sizeof name, "%s%s", NAME_BROWSER, id);
    return troupe_whereis(system, name);
}

troupe_error cdp_peer_begin(cdp_peer *peer)
{
    troupe_buffer payload = {0};
    peer->browser = cdp_browser(troupe_self_system(peer->self), peer->spec.browser);
    if (peer->browser == 0) {
        return TROUPE_EGONE;
    }
    troupe_error error = troupe_monitor(peer->self, peer->browser, NULL);
    troupe_pack(&payload, "{s:s}", "page", peer->spec.page);
    if (error == TROUPE_OK) {
        error = troupe_call(peer->self, peer->browser, VERB_DRIVER_OPEN, NULL,
                            troupe_buffer_bytes(&payload), OPEN_TIMEOUT_MS, on_open, peer, NULL);
    }
    troupe_buffer_fini(&payload);
    return error;
}

static void drop_first(cdp_peer *peer)
{
    struct cdp_waiting *first = peer->waiting;
    DL_DELETE(peer->waiting, first);
    troupe_buffer_fini(&first->payload);
    free(first);
}

void cdp_peer_fini(cdp_peer *peer)
{
    while (peer->waiting != NULL) {
        drop_first(peer);
    }
}

bool cdp_peer_reads(const cdp_peer *peer)
{
    return peer->open && peer->waiting == NULL;
}

/* This signal has overtaken what the browser posted before its end: the close goes behind that. */
static void browser_gone(cdp_peer *peer)
{
    static const char why[] = "the browser is gone";
    troupe_buffer payload = {0};
    peer->browser = 0;
    peer->open = false;
    troupe_pack(&payload, "{s:i,s:s}", "code", CODE_GOING_AWAY, "reason", why);
    if (troupe_post(peer->self, troupe_self_address(peer->self), TROUPE_CAST, VERB_DRIVER_CLOSE,
                    NULL, troupe_buffer_bytes(&payload)) != TROUPE_OK) {
        peer->close(peer->context, CODE_GOING_AWAY, why);
    }
    troupe_buffer_fini(&payload);
}

/* Whether it was sent, or never will be. */
static bool post(cdp_peer *peer, troupe_buffer *payload)
{
    troupe_error error = troupe_post(peer->self, peer->browser, TROUPE_CAST, VERB_DRIVER_MESSAGE,
                                     NULL, troupe_buffer_bytes(payload));
    if (error == TROUPE_EBUSY && troupe_await_room(peer->self, peer->browser) == TROUPE_OK) {
        return false;
    }
    if (error != TROUPE_OK) {
        peer->close(peer->context, CODE_INTERNAL, troupe_error_text(error));
    }
    return true;
}

static void keep(cdp_peer *peer, troupe_buffer payload)
{
    struct cdp_waiting *item = malloc(sizeof *item);
    if (item == NULL) {
        troupe_buffer_fini(&payload);
        peer->close(peer->context, CODE_INTERNAL, "out of memory");
        return;
    }
    *item = (struct cdp_waiting){.payload = payload};
    DL_APPEND(peer->waiting, item);
    peer->settle(peer->context);
}

void cdp_peer_message(cdp_peer *peer, const void *text, size_t len)
{
    troupe_buffer payload = {0};
    if (!peer->open) {
        return; /* it is being closed */
    }
    troupe_pack(&payload, "x#", text, len);
    if (peer->waiting != NULL || !post(peer, &payload)) {
        keep(peer, payload);
    } else {
        troupe_buffer_fini(&payload);
    }
}

static void on_room(cdp_peer *peer)
{
    while (peer->waiting != NULL && post(peer, &peer->waiting->payload)) {
        drop_first(peer);
    }
    peer->settle(peer->context);
}

void cdp_peer_receive(cdp_peer *peer, const troupe_envelope *envelope)
{
    troupe_down down;
    const uint8_t *text;
    const char *reason;
    size_t len;
    int code;
    if (envelope->kind == TROUPE_SIGNAL && troupe_down_read(envelope, &down) == TROUPE_OK) {
        browser_gone(peer);
    } else if (envelope->kind == TROUPE_SIGNAL && troupe_verb_is(envelope, "room")) {
        on_room(peer);
    } else if (troupe_verb_is(envelope, VERB_DRIVER_MESSAGE) &&
               troupe_unpack(envelope->payload, "x#", &text, &len) == TROUPE_OK) {
        peer->send(peer->context, text, len);
    } else if (troupe_verb_is(envelope, VERB_DRIVER_CLOSE) &&
               troupe_unpack(envelope->payload, "{s:i,s:s#}", "code", &code, "reason", &reason,
                             &len) == TROUPE_OK) {
        char why[120];
        snprintf(why, sizeof why, "%.*s", (int)(len < 100 ? len : 100), reason);
        peer->close(peer->context, (uint16_t)code, why);
    } else if (envelope->kind == TROUPE_CALL) {
        troupe_fault(peer->self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
}
