/* SPDX-License-Identifier: MIT */
/* The browser actor's way to a store that has no room, and is another one then. */
#include "browser_peer.h"

#include "actors/verbs.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define EVENTS 20

/* A store of few places that stands still in its first envelope. */
typedef struct slow_store {
    unsigned stage; /* 1: stands still; 2: may give its name up; 3: has; 4: may go on */
    bool ends;      /* and then it ends */
    bool last;      /* Test.last has come */
} slow_store;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void set_stage_locked(slow_store *store, unsigned stage)
{
    store->stage = stage;
    pthread_cond_broadcast(&changed);
}

static void await_stage_locked(const slow_store *store, unsigned stage)
{
    while (store->stage < stage) {
        pthread_cond_wait(&changed, &mutex);
    }
}

static void set_stage(slow_store *store, unsigned stage)
{
    pthread_mutex_lock(&mutex);
    set_stage_locked(store, stage);
    pthread_mutex_unlock(&mutex);
}

static void await_stage(const slow_store *store, unsigned stage)
{
    pthread_mutex_lock(&mutex);
    await_stage_locked(store, stage);
    pthread_mutex_unlock(&mutex);
}

static bool has_last(const slow_store *store)
{
    pthread_mutex_lock(&mutex);
    bool last = store->last;
    pthread_mutex_unlock(&mutex);
    return last;
}

static troupe_error take(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    slow_store *store = context;
    pthread_mutex_lock(&mutex);
    if (store->stage == 0) {
        set_stage_locked(store, 1);
        if (store->ends) {
            await_stage_locked(store, 2);
            cr_assert_eq(troupe_unname(self, NAME_STORE), TROUPE_OK);
            set_stage_locked(store, 3);
        }
        await_stage_locked(store, 4);
    }
    store->last |= troupe_verb_is(envelope, "Test.last");
    pthread_mutex_unlock(&mutex);
    return store->ends ? TROUPE_EINTERNAL : TROUPE_OK;
}

static const troupe_behaviour behaviour = {.kind = "store", .receive = take};

static void open_store(slow_store *store)
{
    troupe_spawn_options spawn = {
        .behaviour = &behaviour, .state = store, .name = NAME_STORE, .mailbox_envelopes = 2};
    cr_assert_eq(troupe_spawn(peer.system, &spawn, NULL), TROUPE_OK);
}

/* In one piece, so that all are read before the lack of room is seen. */
static void say_events(void)
{
    char text[EVENTS * 60];
    size_t len = 0;
    for (int i = 0; i < EVENTS; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "{\"method\":\"Test.event\",\"params\":{}}") +
               1;
    }
    cr_assert_eq(send(peer.fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

Test(browser_record, goes_on_when_the_next_store_has_no_room_either, .init = peer_init,
     .fini = peer_fini, .timeout = 60)
{
    static slow_store first = {.ends = true};
    static slow_store second;
    open_store(&first);
    peer_open();
    say_events();
    await_stage(&first, 1);
    peer_await("events", EVENTS);
    set_stage(&first, 2);
    await_stage(&first, 3);
    open_store(&second);
    set_stage(&first, 4);
    await_stage(&second, 1); /* more than it takes was posted to it */
    set_stage(&second, 4);
    for (int i = 0; i < WAIT_MS / 2 && !has_last(&second); i++) {
        peer_say("{\"method\":\"Test.last\",\"params\":{}}");
        poll(NULL, 0, 1);
    }
    cr_assert(has_last(&second));
}
