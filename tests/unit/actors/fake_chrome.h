/* SPDX-License-Identifier: MIT */
/**
 * A scripted Chrome at the other end of a socket pair, with the real browser, target and
 * connections actors before it, and a store that only notes what it is told.
 *
 * By itself Chrome answers every command with {}, except: attach and detach do what their names
 * say; "Fake.hold" is not answered (fake_answer does); "Fake.refuse" and every command of a session
 * or method named in `refuse` get an error {code: -32123, message: "no, thanks"}.
 */
#ifndef TROUPE_TESTS_FAKE_CHROME_H
#define TROUPE_TESTS_FAKE_CHROME_H

#include "actors/board.h"
#include "actors/cast.h"
#include "actors/verbs.h"

#include <jansson.h>
#include <pthread.h>

#define FAKE_WAIT_MS 20000 /* never reached, unless something hangs */

typedef struct fake {
    troupe_host_options options;
    host_board board;
    troupe_system *system;
    troupe_guest *guest;
    troupe_address browser, connections, store;
    uint32_t hold_ms;   /* browser_limits */
    const char *refuse; /* a method or session that gets errors; set before it matters */
    const char *mute;   /* a method or session whose commands are held; likewise */
    bool attach;        /* browser_spec */
    const char *page;   /* is there from the beginning; NULL = none */
    int fd;             /* Chrome's end */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows, and writing */
    pthread_cond_t changed;
    int64_t held_id;
    char held_session[64];
    char last_session[64]; /* that was made */
    unsigned held_count, attached, detached;
    json_t *infos; /* what Target.getTargets answers */
    char *lines;   /* what the store was told, a line each */
    size_t lines_len;
    unsigned next_event; /* Test.event: which number is expected, and how many came */
    bool in_order;
    bool store_held; /* its thread waits, until fake_hold_store(false) */
    uint64_t lost;   /* events that gaps told of */
} fake;

/** Start everything; returns when the browser is up. A target without room is waited for. */
void fake_open(fake *chrome);
/** The same; but a target without room is waited for as long as that. */
void fake_open_holding(fake *chrome, uint32_t hold_ms);
/** The same; but the browser actor has Chrome attach what comes (which the test does). */
void fake_open_attaching(fake *chrome);
/** The same with that actor in the place of connections, and a page there from the beginning; does
 * not wait for the browser. */
void fake_open_before(fake *chrome, const troupe_spawn_options *connections, const char *page);
void fake_close(fake *chrome);
/** End connections, start it anew, and have the browser report. */
void fake_restart_connections(fake *chrome);

/** Send one message. */
void fake_send(fake *chrome, const char *format, ...) TROUPE_PRINTF(2, 3);
/** Target.getTargets is to tell of that target too. */
void fake_info(fake *chrome, const char *chrome_id, const char *type);
/** A page with that id is there; returns when connections knows it. */
void fake_page(fake *chrome, const char *chrome_id);
/** Wait for the n-th command that is held (from 1). */
void fake_await_held(fake *chrome, unsigned count);
/** Answer the last one that is held. */
void fake_answer(fake *chrome, const char *result);
/** Wait until the store was told something that contains the text, or Chrome got a command: it is
 * noted as "> METHOD SESSION ID" (its session or "-", and its param sessionId). */
void fake_await_line(fake *chrome, const char *text);
/** Wait until that many Test.event came to the store. */
void fake_await_events(fake *chrome, unsigned count);
/** Have the store stand still, or go on. */
void fake_hold_store(fake *chrome, bool held);
/** Wait until that many Test.event came to the store or were told as lost. */
void fake_await_accounted(fake *chrome, unsigned count);
/** End the connection as a crash does. */
void fake_die(fake *chrome);

/** Call connections with JSON params. New reference; NULL: *error, and what it says in message. */
json_t *fake_call(fake *chrome, const char *verb, const char *params, troupe_error *error,
                  char *message, size_t message_size);
/** A browser.command as payload for troupe_guest_call_start. */
void fake_command(troupe_buffer *payload, const char *method);

#endif
