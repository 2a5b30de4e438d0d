/* SPDX-License-Identifier: MIT */
/**
 * The commands a browser has not answered yet: by id in O(1), by deadline through a heap; nothing
 * is ever searched for. One owner, no locks.
 *
 * Ids count up from 1 to 2^31 - 1 (Chrome reads them as int) and start again; the row of an id is
 * its low bits. A row remembers how its last command ended, so that a late or second answer is
 * told from one to a command that was never sent.
 */
#ifndef TROUPE_ACTORS_BROWSER_PENDING_H
#define TROUPE_ACTORS_BROWSER_PENDING_H

#include "troupe/actor.h"

#define PENDING_MAX    (1u << 16)
#define PENDING_ID_MAX INT32_MAX

typedef struct browser browser;
struct command;
struct driver_call;

/**
 * How a command of the browser actor's own ended; called exactly once for each that was accepted.
 *
 * @param error  TROUPE_OK: text is the result, JSON. Else text says in words what went wrong:
 *               TROUPE_ECDP the browser's error; TROUPE_ETIMEOUT its deadline; TROUPE_ECLOSED the
 *               connection, or the browser actor itself, has ended, and nothing can be sent
 * @param text   borrowed; `len` bytes, not NUL-terminated
 */
typedef void (*pending_fn)(browser *state, void *context, troupe_error error, const char *text,
                           size_t len);

/** How the command of an id ended. */
typedef enum pending_end {
    PENDING_NEVER,     /* there was none: the id is unknown */
    PENDING_ANSWERED,  /* by the browser */
    PENDING_EXPIRED,   /* by its deadline */
    PENDING_ABANDONED, /* its caller gave it up */
    PENDING_LONG_GONE, /* somehow, so long ago that it was forgotten */
} pending_end;

/** Who waits for the answer to one command. */
typedef struct pending {
    int64_t id;                 /* 0 = free */
    uint64_t deadline_ns;       /* after which nobody waits any more */
    uint64_t sent_ns;           /* when it was handed to the stream */
    troupe_caller caller;       /* a call to answer, if own is NULL */
    pending_fn own;             /* the browser actor's own command */
    void *context;              /* of own */
    struct driver_call *driver; /* a driver's, if not NULL: neither of the two */
    uint64_t session;       /* key of the session it went to (session_key); 0 = the browser's own */
    struct command *queued; /* while it waits to be sent */
    uint32_t method;        /* index in the metrics */
    uint32_t capture;       /* number of the screenshot it is (capture.h); 0 = none */
    uint32_t place;         /* in the heap + 1 */
    int64_t gone;           /* id of the command that was here before; 0 = none */
    pending_end gone_how;
} pending;

typedef struct pending_due {
    uint64_t deadline_ns;
    int64_t id;
} pending_due;

typedef struct pending_table {
    pending *rows;     /* capacity of them; row of an id: id & (capacity - 1) */
    pending_due *heap; /* capacity places, count in use: the earliest deadline first */
    size_t capacity;
    size_t count;
    int64_t next_id;
    bool wrapped; /* ids have started again: every one was sent once */
} pending_table;

troupe_error pending_init(pending_table *table) TROUPE_MUST_USE;
void pending_fini(pending_table *table);

/**
 * Take an id for a command.
 *
 * @param out  the row to fill in, valid until the next call of pending_add; id and deadline are set
 * @return TROUPE_OK; TROUPE_EBUSY: PENDING_MAX are pending; TROUPE_ENOMEM
 */
troupe_error pending_add(pending_table *table, uint64_t deadline_ns, pending **out) TROUPE_MUST_USE;

/** The row of that id; NULL: it is not pending. */
pending *pending_find(const pending_table *table, int64_t id);

/** End the command with that id: copied out, its row is free. how: remembered. false: not pending.
 */
bool pending_take(pending_table *table, int64_t id, pending_end how, pending *out);

/** End the command with the earliest deadline if that is at or before now_ns; as pending_take. */
bool pending_take_due(pending_table *table, uint64_t now_ns, pending_end how, pending *out);

/** The earliest deadline; UINT64_MAX if nothing is pending. */
uint64_t pending_deadline_ns(const pending_table *table);

/** How the command of an id has ended; PENDING_NEVER also while it is pending. */
pending_end pending_fate(const pending_table *table, int64_t id);

#endif
