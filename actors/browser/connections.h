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
    MEMBER_SUSPENDED,
    MEMBER_CRASHED,
    MEMBER_GONE, /* its browser's connection is lost: it may come back */
} member_state;

/** A target of some browser. Pointers to text are NULL while there is none. */
typedef struct member {
    char id[TARGET_ID_MAX];
    char browser[BROWSER_ID_MAX];
    char uid[40];
    char chrome_id[CHROME_ID_MAX];
    char place[BROWSER_ID_MAX + CHROME_ID_MAX]; /* BROWSER/CHROME_ID: the key of `places` */
    char type[32];
    char *url;
    char *title;
    char *opener;  /* Chrome's id of the page that opened it */
    char *context; /* Chrome's id of its browser context */
    char *parent;  /* id of the member whose actor owns its session: it is a part of that one */
    char *session; /* then: that session */
    char *reason;  /* why it is in this state, unless all is well */
    char *crash;   /* how its renderer ended, as Chrome says */
    json_t *dialog;
    int64_t silent_us; /* since when it does not answer (wall clock); 0 = it does */
    uint64_t waiting;  /* calls that wait for it to answer */
    bool paused;       /* a debugger holds it */
    bool inspecting;   /* elements are picked in it */
    member_state state;
    uint64_t epoch;
    troupe_address address; /* its actor; 0 = none */
    bool tracked;
    bool watched;    /* by its id */
    bool followed;   /* opened by one that is watched */
    bool by_watch;   /* connected because it is watched */
    bool unwatched;  /* no longer, while it was being connected: it is let go when it is */
    bool at_birth;   /* its browser attaches it by itself, or has: nobody else need */
    bool restore;    /* was connected when the connection was lost */
    int64_t lost_us; /* when that was; 0 = nothing is missing */
    size_t awaited;  /* errands that wait for it */
    UT_hash_handle hh;
    UT_hash_handle hh_place;
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
    bool attaches; /* by itself, what is there and what comes, at its birth */
    bool settled;  /* its targets were told */
    bool silent;   /* it owes answers and says nothing: told by browser.health */
    int64_t pid;
    troupe_address address;
    UT_hash_handle hh; /* by uid */
} stage;

/** A browser context that was made here, or is being made. */
typedef struct browser_context {
    struct browser_context *prev;
    struct browser_context *next;
    char id[2 * BROWSER_ID_MAX]; /* "p1/c1" */
    char browser[BROWSER_ID_MAX];
    char uid[40];
    char chrome_id[CHROME_ID_MAX];
    char *proxy;
    const struct errand *maker; /* its name is taken, Chrome has not made it yet; NULL = it has */
    bool disposing;
} browser_context;

typedef struct connections connections;

typedef enum errand_kind {
    ERRAND_CONNECT,
    ERRAND_DISCONNECT,
    ERRAND_OPEN,
    ERRAND_CLOSE,
    ERRAND_SEVERAL, /* for several members to be connected */
    ERRAND_CONTEXT,
    ERRAND_ANSWER, /* for an answer that is under way */
} errand_kind;

/** A call in work: it waits for members to be connected or let go, or for an answer. */
typedef struct errand {
    struct errand *prev;
    struct errand *next;
    connections *owner;
    troupe_caller caller;
    errand_kind kind;
    char target[TARGET_ID_MAX];          /* connect, open, close: for this member */
    char browser[BROWSER_ID_MAX];        /* open, context: on this one */
    json_t *params;                      /* as they came */
    json_t *list;                        /* disconnect: ids done; several, pages: warnings */
    json_t *waiting;                     /* disconnect, several: ids not yet done, as keys; false =
                                            first it is to be let go, then connected */
    json_t *ids;                         /* connect to several: which */
    void (*finish)(struct errand *item); /* several: answers, and frees */
    size_t asked;                        /* pages: browsers that have not answered */
    bool awaits;                         /* counted in its target's `awaited` */
    bool retry; /* connect: begin when the disconnect under way has ended */
    uint32_t timeout_ms;
    uint64_t deadline_ns; /* when its caller no longer waits */
    uint64_t timer;       /* close: for how long the page may take; 0 = none */
} errand;

struct connections {
    troupe_actor *self;
    const troupe_host_options *host;
    member *members; /* by id */
    member *places;  /* by browser and Chrome's id */
    stage *stages;   /* in the order they came up */
    stage *by_uid;
    browser_context *contexts;
    json_t *patterns; /* watched URLs: list of strings, no two the same */
    unsigned next_context;
    errand *errands;
    json_t *kept; /* of the one before this, what was not needed yet; NULL */
    uint64_t epoch;
    bool seeking; /* a browser for those who wait to open a page: asked for, or launched */
    int64_t started_us;
};

stage *stage_find(connections *state, const char *id);
/** The host epoch moves on. */
void connections_changed(connections *state);
/** Have the store note something. payload: finished. */
void connections_record(connections *state, const char *verb, troupe_buffer *payload);
/** Copy text of a message, cut to what fits. */
void connections_copy(char *to, size_t size, const char *text, size_t len);

/* In connections_members.c: */

const char *member_state_name(member_state state);
member *member_find(connections *state, const char *id);
/** By Chrome's id. */
member *member_at(connections *state, const char *browser, const char *chrome_id);
/** Take over URL and title from Chrome's TargetInfo; a change is recorded. Returns whether there
 * was one. */
bool member_update(connections *state, member *item, const json_t *info);
/** Change its state, and tell the store. reason: NULL = none is needed. */
void member_set_state(connections *state, member *item, member_state next, const char *reason);
/** Forget it; who waits for it is told. */
void member_remove(connections *state, member *item);
void member_free(member *item);
/** Its browser's connection is lost: it stays, as gone, for the case that this run comes back. */
void member_lose(connections *state, member *item, const char *reason);
/** Replace a text of a member; NULL or "" = none. */
void member_set_text(char **to, const char *text);
/** Whether the id of a target is of that browser: "p1:abc123" of "p1". */
bool member_id_is_of(const char *id, const char *browser);

void members_on_info(connections *state, const troupe_envelope *notice);
void members_on_destroyed(connections *state, const troupe_envelope *notice);
void members_on_crashed(connections *state, const troupe_envelope *notice);
void members_on_part(connections *state, const troupe_envelope *notice);
void members_on_state(connections *state, const troupe_envelope *notice);
void members_on_health(connections *state, const troupe_envelope *notice);
void members_on_ended(connections *state, const troupe_envelope *notice);

/* In connections_methods.c: */

void connections_method(connections *state, const troupe_envelope *call);
/** The member whose id is `text` or begins with it. NULL after answering the fault, if there is not
 * just one. */
member *connections_resolve(connections *state, troupe_caller caller, const char *text);
#define CONNECTIONS_NAMED_MAX 256
/** The members that `target`, a string or a list of them, names. found: CONNECTIONS_NAMED_MAX.
 * False after answering the fault. */
bool connections_all_named(connections *state, troupe_caller caller, const json_t *target,
                           member **found, size_t *count);
/** A member that is a page, and connected. */
bool member_is_connected_page(const member *item);
/** Params for the actor that owns the session of a part: they say which session is meant. */
void connections_name_part(json_t *params, const member *part);
/** The member that params.target names, the only connected page if it names none and need not.
 * NULL after answering the fault. */
member *connections_named(connections *state, troupe_caller caller, json_t *params, bool required);

/* In connections_kept.c: */

/** Leave what users said to whoever is started next; and take what was left, at the start (false
 * without memory). */
void connections_keep(const connections *state);
bool connections_restore(connections *state);
/** A member has come: what was kept of it holds again. */
void connections_recall(connections *state, member *item);
/** All targets of that browser have come: what was kept of others is not needed. */
void connections_forget_kept(connections *state, const char *browser);

/* In connections_each.c: */

/** Whether params.target is a list or "*". */
bool connections_means_several(const json_t *params);
/** Have each of them run the method; the call is answered {results: [{target, result | error}],
 * warnings}. */
void connections_each(connections *state, const troupe_envelope *call, const json_t *params);

/* In connections_ports.c: */

void connections_ports_list(connections *state, const troupe_envelope *call, json_t *params);
void connections_ports_remove(connections *state, const troupe_envelope *call, json_t *params);

/* In connections_lists.c: */

typedef bool (*member_filter)(const member *item);
bool member_is_tracked(const member *item);
/** Those that the filter lets through: their ids, or their records. */
json_t *members_json(const connections *state, member_filter filter, bool ids);
void connections_pages(connections *state, const troupe_envelope *call, json_t *params);
void connections_status(connections *state, const troupe_envelope *call, json_t *params);
/** Answer `targets`. */
void connections_answer_targets(connections *state, troupe_caller caller);
/** A member as users see it. */
json_t *member_json(const connections *state, const member *item);
/** Warnings about members that do not answer, and browsers: new reference. */
json_t *connections_warnings(const connections *state);

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
/** It can be attached: nobody has it, and its browser is there. */
bool member_is_free(const member *who);
/** It has an actor, of its own or that of the page it is a part of. */
bool member_is_attached(const member *who);
/** Attach to it; nobody waits. The reason of a failure is logged. TROUPE_OK: it is connecting. */
troupe_error connections_attach(connections *state, member *who);
/** The errand waits for this member too (its `waiting`), or no longer. */
void errand_wait_for(errand *item, member *who);
void errand_waited_for(errand *item, member *who);
/** Have a member's actor let go of it. false: it has none of its own, or is about to. */
bool connections_detach(connections *state, member *who);
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
/** Begin with a browser that is up, or wait for one to come up: open a page, make a context. */
void errand_on_browser(errand *item, const stage *browser);
/** The browser that params.browser names; without one the first, or NULL if there is none. *failed:
 * after answering the fault. */
stage *connections_browser_named(connections *state, troupe_caller caller, json_t *params,
                                 bool *failed);
/** A browser is there: for those who asked for one and found none. */
void connections_browser_up(connections *state, stage *item);
/** A browser will not come up: those who waited for it need another one. */
void connections_browser_failed(connections *state);

/* In connections_watch.c: */

void connections_watch(connections *state, const troupe_envelope *call, json_t *params);
void connections_unwatch(connections *state, const troupe_envelope *call, json_t *params);
/** Whether somebody wants it connected whenever it is there. */
bool member_is_watched(const connections *state, const member *item);
/** It is connected: let go of it if it is watched no longer since this began. */
void connections_reconsider(connections *state, member *item);
/** It appeared, came back, or has another address: connect it if it is watched. */
void connections_consider(connections *state, member *item);
/** Finish it if it waits for nobody (any more). */
void errand_several(errand *item);
/** A member that it waits for is connected, or will not be. */
void errand_settle_several(errand *item, member *who, troupe_error error);
/** RPC `connect` with a list, or "*": every page. */
void connections_connect_several(connections *state, const troupe_envelope *call, json_t *params);

/* In connections_contexts.c: */

void contexts_create(connections *state, const troupe_envelope *call, json_t *params);
void contexts_dispose(connections *state, const troupe_envelope *call, json_t *params);
void contexts_list(connections *state, const troupe_envelope *call, json_t *params);
/** The context that params.context names; NULL if none is named (*failed false), or after answering
 * the fault. */
browser_context *contexts_named(connections *state, troupe_caller caller, json_t *params,
                                bool *failed);
/** What users call that context of Chrome's; NULL = not made here. */
const char *contexts_name(const connections *state, const member *item);
/** Go on with contexts.create, on this browser. */
void contexts_create_on(errand *item, const stage *browser);
/** Forget those of a browser (NULL: all), but not those of this run (NULL: all). */
void contexts_forget(connections *state, const char *browser, const char *run);

#endif
