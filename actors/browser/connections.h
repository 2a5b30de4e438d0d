/* SPDX-License-Identifier: MIT */
/** What the two files of connections share: the set (connections.c), its methods
 * (connections_methods.c). */
#ifndef TROUPE_ACTORS_BROWSER_CONNECTIONS_H
#define TROUPE_ACTORS_BROWSER_CONNECTIONS_H

#include "browser.h"

#include <jansson.h>
#include <uthash.h>

typedef enum member_state {
    MEMBER_AVAILABLE,
    MEMBER_CONNECTING,
    MEMBER_CONNECTED,
    MEMBER_DISCONNECTING,
    MEMBER_CRASHED,
    MEMBER_GONE,
} member_state;

/** A target of some browser. */
typedef struct member {
    char id[TARGET_ID_MAX];
    char browser[BROWSER_ID_MAX];
    char uid[40];
    char chrome_id[CHROME_ID_MAX];
    char type[32];
    char *url;
    char *title;
    member_state state;
    uint64_t epoch;
    troupe_address address; /* its actor; 0 = none */
    bool tracked;
    UT_hash_handle hh;
} member;

/** A browser that is up. */
typedef struct stage {
    struct stage *prev;
    struct stage *next;
    char id[BROWSER_ID_MAX];
    char uid[40];
    char product[128];
    char endpoint[256];
    bool launched;
    int64_t pid;
    troupe_address address;
} stage;

typedef struct connections connections;

typedef enum errand_kind {
    ERRAND_CONNECT,
    ERRAND_DISCONNECT,
    ERRAND_OPEN,
    ERRAND_CLOSE,
    ERRAND_ANSWER, /* for an answer that is under way */
} errand_kind;

/** A call in work: it waits for members to be connected or let go, or for an answer. */
typedef struct errand {
    struct errand *prev;
    struct errand *next;
    connections *owner;
    troupe_caller caller;
    errand_kind kind;
    char target[TARGET_ID_MAX]; /* connect, open, close: for this member */
    json_t *params;             /* as they came */
    json_t *list;               /* disconnect: ids done */
    json_t *waiting;            /* disconnect: ids not yet done, as keys */
    bool retry;                 /* connect: begin when the disconnect under way has ended */
    uint32_t timeout_ms;
    uint64_t deadline_ns; /* when its caller no longer waits */
    uint64_t timer;       /* close: for how long the page may take; 0 = none */
} errand;

struct connections {
    troupe_actor *self;
    const host_options *host;
    member *members;
    stage *stages;
    errand *errands;
    uint64_t epoch;
    bool seeking; /* a browser for those who wait to open a page: asked for, or launched */
    int64_t started_us;
};

const char *member_state_name(member_state state);
member *member_find(connections *state, const char *id);
stage *stage_find(connections *state, const char *id);

/** The host epoch moves on. */
void connections_changed(connections *state);

/* In connections_methods.c: */

/** A member was connected (TROUPE_OK), or its actor ended, or it is gone: answer who waits for
 * that. */
void connections_settle(connections *state, member *item, troupe_error error);
/** A browser is there: for those who asked to open a page and found none. */
void connections_browser_up(connections *state, stage *item);
/** A browser will not come up: those who waited for it need another one. */
void connections_browser_failed(connections *state);
void connections_method(connections *state, const troupe_envelope *call);
void connections_methods_fini(connections *state);

#endif
