/* SPDX-License-Identifier: MIT */
/**
 * The browser actor alone before a peer that the test itself plays: it reads what was written and
 * answers when it likes. Set what is wanted in `peer` between peer_init and peer_open.
 */
#ifndef TROUPE_TESTS_BROWSER_PEER_H
#define TROUPE_TESTS_BROWSER_PEER_H

#include "actors/browser/browser.h"

#include <jansson.h>

#define WAIT_MS 20000 /* never reached, unless something hangs */

typedef struct browser_peer {
    troupe_host_options options;
    browser_limits limits;
    size_t message_max; /* of the stream; 0 = its own */
    bool mute;          /* Target.setDiscoverTargets is not answered */
    troupe_system *system;
    troupe_guest *guest;
    troupe_address actor;
    int fd;          /* the peer's end */
    json_t *metrics; /* the last answer of browser.metrics */
} browser_peer;

extern browser_peer peer;

/** System and guest; options at their defaults. */
void peer_init(void);
void peer_fini(void);
/** The actor; its first commands are answered. */
void peer_open(void);

/** Send one message. */
void peer_say(const char *text);
bool peer_readable(int timeout_ms);
/** The next message; new reference. */
json_t *peer_hear(void);
/** The next message is that method's; its id. */
int64_t peer_expect(const char *method);
/** Answer with {}, on a session or on none. */
void peer_answer(int64_t id);
void peer_answer_on(int64_t id, const char *session);

/** Call browser.command; session NULL: the browser's own. */
uint64_t peer_start(const char *method, const char *session);
uint64_t peer_start_with(const char *method, const char *session, const char *params, size_t len,
                         uint32_t timeout_ms);
/** The next call that ends ends so. */
void peer_finish(troupe_error wanted);

/** Ask for the metrics. When they are there, all that was asked before was handled, and what could
 * be written is written. */
void peer_settle(void);
/** A number of them; one of `waits`. */
int64_t peer_metric(const char *name);
int64_t peer_wait_of(const char *name);
/** For what the peer says, and for deadlines, which come when they come: until it is so. */
void peer_await(const char *name, int64_t wanted);
/** Settle; nothing is written. */
void peer_quiet(void);

#endif
