/* SPDX-License-Identifier: MIT */
/** The commands a browser has not answered yet, by id: O(1), no scan. One owner, no locks. */
#ifndef TROUPE_ACTORS_BROWSER_PENDING_H
#define TROUPE_ACTORS_BROWSER_PENDING_H

#include "troupe/actor.h"

#define PENDING_MAX (1u << 16)

typedef struct browser browser;
struct pending;

/** Called with the answer to a command of the browser actor's own: the result as JSON text, or NULL
 * and what went wrong. Not called when the connection is lost. */
typedef void (*pending_fn)(browser *state, void *context, const char *result, size_t result_len,
                           const char *error);

/** Who waits for the answer to one command. */
typedef struct pending {
    int64_t id;           /* 0 = free */
    troupe_caller caller; /* a call to answer, if own is NULL */
    pending_fn own;       /* the browser actor's own command */
    void *context;        /* of own */
    uint64_t deadline_ns; /* after which the caller no longer waits */
} pending;

typedef struct pending_table {
    pending *rows; /* id & (capacity - 1) */
    size_t capacity;
    size_t count;
    int64_t next_id;
} pending_table;

troupe_error pending_init(pending_table *table) TROUPE_MUST_USE;
void pending_fini(pending_table *table);

/**
 * Take an id for a command.
 *
 * Ids count up, but some may be left out.
 *
 * @param now_ns  rows whose deadline has passed may be given up for it
 * @param out     the row to fill in; its id is set
 * @return TROUPE_OK; TROUPE_EBUSY: PENDING_MAX are in flight; TROUPE_ENOMEM
 */
troupe_error pending_add(pending_table *table, uint64_t now_ns, pending **out) TROUPE_MUST_USE;

/** Remove and return the command with that id. false: unknown (late, or never sent). */
bool pending_take(pending_table *table, int64_t id, pending *out);

#endif
