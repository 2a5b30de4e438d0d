/* SPDX-License-Identifier: MIT */
/*
 * A supervisor's children: what is known of each, in which order, found by name and by address.
 * Everything belongs to the owner's thread.
 */
#ifndef RUNTIME_CHILD_H
#define RUNTIME_CHILD_H

#include "map.h"

#include "troupe/supervisor.h"

typedef enum child_state {
    CHILD_PENDING,  /* no life; started when its turn comes */
    CHILD_WAITING,  /* no life; its back-off runs */
    CHILD_STARTING, /* spawned; `start` has not returned */
    CHILD_RUNNING,
    CHILD_MARKED,   /* alive; told to stop when those after it are down */
    CHILD_STOPPING, /* told to stop */
    CHILD_STATES,
} child_state;

/* The last restarts: whether one more is allowed. */
typedef struct restart_limit {
    uint32_t intensity; /* 0 = no limit */
    uint32_t period_ms;
    uint64_t *at_ns; /* ring of `intensity` */
    uint64_t count;  /* so far */
} restart_limit;

/* False: out of memory. */
bool restart_limit_init(restart_limit *limit, uint32_t intensity, uint32_t period_ms);
void restart_limit_fini(restart_limit *limit);
/* Note a restart; false: one too many within the period. */
bool restart_limit_note(restart_limit *limit, uint64_t now_ns);

typedef struct child {
    troupe_child spec; /* name is ours */
    child_state state;
    bool leaving;           /* while it stops: for good */
    troupe_address address; /* 0 without a life */
    uint64_t timer;         /* back-off, or the deadline for stopping */
    uint64_t started_ns;    /* 0 without a life */
    uint32_t backoff_ms;    /* the next bound */
    uint32_t lives;
    restart_limit limit;
    struct child *prev; /* in its list */
    struct child *next;
    struct child *same_hash; /* in the index by name */
    troupe_supervisor *supervisor;
} child;

typedef struct child_list {
    child *first;
    child *last;
} child_list;

/* Zero-initialised is valid and empty. */
typedef struct children {
    child_list fixed;             /* in the order of adding */
    child_list dynamic;           /* those that were told to stop last */
    unsigned count[CHILD_STATES]; /* of the fixed ones */
    uint64_t next_number;         /* of dynamic ones */
    map by_name;                  /* hash -> chain */
    map by_address;
} children;

/* All children are freed before. */
void children_fini(children *all);

/* A child with its defaults filled in, in no list; `release` is not its own yet. NULL: no memory.
 */
child *child_create(children *all, const troupe_child *spec, troupe_supervisor *supervisor);
/* One that is in no list; the timer is stopped by the caller. */
void child_free(child *c);

/* Into its list, at the end, and the index by name. False: out of memory. */
bool children_add(children *all, child *c);
void children_remove(children *all, child *c);

child *children_by_name(const children *all, const char *name);
child *children_by_address(const children *all, troupe_address address);

/* It lives there; 0: no more. False: out of memory. */
bool child_set_address(children *all, child *c, troupe_address address);
void child_set_state(children *all, child *c, child_state next);

/* It was told to stop: behind the dynamic ones that were not. */
void child_move_last(children *all, child *c);

static inline bool child_alive(const child *c)
{
    return c->state >= CHILD_STARTING;
}

#endif
