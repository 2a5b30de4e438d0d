/* SPDX-License-Identifier: MIT */
/** What one browser holds: its targets with the ids users see, and which actor owns which session.
 * One owner, no locks. */
#ifndef TROUPE_ACTORS_BROWSER_ROSTER_H
#define TROUPE_ACTORS_BROWSER_ROSTER_H

#include "browser.h"

#include <uthash.h>

/** Something for a target actor that had no room for it; kept in order. */
typedef struct held {
    struct held *next;
    troupe_caller caller; /* an answer to it, if ref is not 0 */
    bool gap;             /* stands for what was shed (browser_hold.c) */
    size_t verb_len;
    size_t payload_len;
    char bytes[]; /* verb, then payload */
} held;

typedef struct roster_session roster_session;

typedef struct roster_target {
    char chrome_id[CHROME_ID_MAX];
    char id[TARGET_ID_MAX]; /* "p1:abc123" */
    char type[32];
    char session[CHROME_ID_MAX]; /* its own; "" = not attached */
    troupe_address actor;        /* 0 = none; set by roster_set_actor */
    roster_session *part;        /* attached as a part of another target; NULL = it is not */
    uint64_t epoch;
    unsigned steps; /* since it was attached: its actor's epoch moved on (reloads, inspecting) */
    bool destroyed; /* in Chrome; forgotten when its actor has ended */
    held *first;    /* held back for the actor */
    held *last;
    uint64_t hold_ns;   /* since when it has reading paused; 0 = it has not */
    bool full;          /* something is held */
    bool shedding;      /* it had no room for too long: its data events are counted, not kept */
    uint64_t gap_count; /* of these */
    uint64_t gap_bytes;
    size_t kept_bytes;          /* of what was held all the same, since it sheds */
    struct roster_target *prev; /* among those that have reading paused */
    struct roster_target *next;
    UT_hash_handle hh;
    UT_hash_handle by_id;
    UT_hash_handle by_actor; /* while actor is not 0 */
} roster_target;

/** Sessions form trees: at the root that of a target with an actor, below it those of its frames
 * and workers, theirs below them. */
struct roster_session {
    char id[CHROME_ID_MAX];
    roster_target *owner;   /* whose actor handles it */
    roster_target *target;  /* what it is a session of; NULL = not known */
    roster_session *parent; /* NULL = attached by the browser itself */
    roster_session *children;
    roster_session *prev; /* among the parent's children */
    roster_session *next;
    bool paused; /* Chrome held it back at birth, until somebody has it go on */
    UT_hash_handle hh;
};

typedef struct roster {
    roster_target *targets;
    roster_target *ids;    /* the same by their id */
    roster_target *actors; /* the same that have an actor, by its address */
    roster_session *sessions;
    size_t full_count;      /* targets for which something is held */
    roster_target *holding; /* those that have reading paused, the longest first */
    /** Told of each session that is forgotten, before it is; NULL allowed. */
    void (*ended)(void *context, roster_session *session);
    void *context;
} roster;

roster_target *roster_find(const roster *list, const char *chrome_id, size_t len);
/** The target of that actor; NULL: none, or actor is 0. O(1). */
roster_target *roster_find_actor(const roster *list, troupe_address actor);
/** Note who handles the target from now on; 0 = nobody. */
void roster_set_actor(roster *list, roster_target *target, troupe_address actor);
/** Add a target; its id is BROWSER:short with as many hex digits (at least 6) as make it unique.
 * NULL: out of memory, or the id is too long. */
roster_target *roster_add(roster *list, const char *browser, const char *chrome_id, size_t len);
/** Add one that had an id before: in an earlier connection to the same browser. NULL: out of
 * memory, or one of the ids is taken or too long. */
roster_target *roster_add_known(roster *list, const char *id, const char *chrome_id, size_t len);
/** Forget a target, its sessions and what was held for it. */
void roster_remove(roster *list, roster_target *target);

roster_session *roster_find_session(const roster *list, const char *session, size_t len);
/** The target whose actor handles the session; NULL if nobody does. */
roster_target *roster_owner(const roster *list, const char *session, size_t len);
/** Note a session of `target` that `owner` handles. One of that id that is there already is
 * forgotten first. NULL: out of memory, or the id is too long. parent: NULL = the browser itself.
 */
roster_session *roster_add_session(roster *list, const char *session, size_t len,
                                   roster_target *owner, roster_target *target,
                                   roster_session *parent);
/** It is a part by that session from now on; one by which it was before is of no known target. */
void roster_set_part(roster_target *target, roster_session *session);
/** Forget a session and all below it: Chrome tells of the end of the first only. */
void roster_remove_session(roster *list, const char *session, size_t len);
/** Forget all sessions of a target's actor (it ended). */
void roster_drop_sessions(roster *list, roster_target *owner);

/** Keep something for later. false: out of memory. */
bool roster_hold(roster_target *target, troupe_caller caller, const char *verb, size_t verb_len,
                 troupe_bytes payload);
void roster_unhold(roster_target *target);
/** It has reading paused from now on, or no longer. Twice is once. */
void roster_pause(roster *list, roster_target *target, uint64_t now_ns);
void roster_resume(roster *list, roster_target *target);
/** Forget what is held for it, and that it had no room. */
void roster_let_go(roster *list, roster_target *target);

void roster_fini(roster *list);

#endif
