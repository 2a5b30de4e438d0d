/* SPDX-License-Identifier: MIT */
/** What the files of connections share: the set (connections.c), its methods, its errands. */
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
    size_t asked;               /* pages: browsers that have not answered */
    bool retry;                 /* connect: begin when the disconnect under way has ended */
    uint32_t timeout_ms;
    uint64_t deadline_ns; /* when its caller no longer waits */
    uint64_t timer;       /* close: for how long the page may take; 0 = none */
} errand;

struct connections {
    troupe_actor *self;
    const troupe_host_options *host;
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

/** Take over URL and title from Chrome's TargetInfo; a change is recorded. Returns whether there
 * was one. */
bool member_update(connections *state, member *item, const json_t *info);

/** The host epoch moves on. */
void connections_changed(connections *state);

/* In connections_methods.c: */

void connections_method(connections *state, const troupe_envelope *call);
/** The member whose id is `text` or begins with it. NULL after answering the fault, if there is not
 * just one. */
member *connections_resolve(connections *state, troupe_caller caller, const char *text);
/** The member that params.target names, the only connected page if it names none and need not.
 * NULL after answering the fault. */
member *connections_named(connections *state, troupe_caller caller, json_t *params, bool required);
/** A member as users see it. */
json_t *member_json(const member *item);

/* In connections_errands.c: */

/** An errand for a call; NULL after answering the fault for lack of memory. params: shared. */
errand *errand_new(connections *state, const troupe_envelope *call, errand_kind kind,
                   json_t *params);
void errand_free(errand *item);
/** Answer with a fault, and free. */
void errand_fault(errand *item, troupe_error error, const char *why);
/** Have the errand wait for the member to be connected; begins what is needed for that. It may be
 * answered and freed at once. */
void errand_await(errand *item, member *who);
/** For calls whose outcome is told another way (by the browser, when a target ends). */
void errand_ignore(troupe_actor *self, void *context, troupe_error error,
                   const troupe_envelope *answer);
/** Call a browser. params: taken. As troupe_call. */
troupe_error connections_command(connections *state, troupe_address browser, const char *method,
                                 json_t *params, uint32_t timeout_ms, troupe_answer_fn fn,
                                 void *context) TROUPE_MUST_USE;
/** A member was connected or crashed (TROUPE_OK), or its actor ended, or it is gone: answer who
 * waits for that. */
void connections_settle(connections *state, member *item, troupe_error error);
void connections_connect(connections *state, const troupe_envelope *call, json_t *params);
void connections_disconnect(connections *state, const troupe_envelope *call, json_t *params);
void connections_close(connections *state, const troupe_envelope *call, json_t *params);
void connections_activate(connections *state, const troupe_envelope *call, json_t *params);
void connections_errands_fini(connections *state);

/* In connections_open.c: */

void connections_open(connections *state, const troupe_envelope *call, json_t *params);
/** The page that was opened is connected: go to the address. The errand may be freed. */
void errand_navigate(errand *item, const member *who);
/** A browser is there: for those who asked to open a page and found none. */
void connections_browser_up(connections *state, stage *item);
/** A browser will not come up: those who waited for it need another one. */
void connections_browser_failed(connections *state);

#endif
