/* SPDX-License-Identifier: MIT */
/**
 * Commands that cannot be sent yet, and which of them is next. Fair among sessions, in order within
 * each; every step is O(1). No I/O, no clock. One owner, no locks.
 *
 * The next one is
 *   1. the oldest cancel (command_class.h), whatever waits before it;
 *   2. the oldest of a session whose oldest is urgent, session by session in turn;
 *   3. the oldest of a session, session by session in turn: by turns from those where something
 *      urgent waits behind it and from the others. A session whose command is large lets others
 *      pass as often as it has 64 KiB (64 times at most).
 */
#ifndef TROUPE_ACTORS_BROWSER_COMMAND_QUEUE_H
#define TROUPE_ACTORS_BROWSER_COMMAND_QUEUE_H

#include "command_class.h"
#include "troupe/error.h"

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

struct command_lane;

/** A command as it will be sent. */
typedef struct command {
    struct command *prev; /* in its lane, or among the cancels */
    struct command *next;
    struct command_lane *lane; /* NULL: among the cancels */
    int64_t id;
    command_class class;
    size_t len;
    char text[]; /* len bytes */
} command;

/** The commands of one session, oldest first. Exists while there are any. */
typedef struct command_lane {
    struct command_lane *prev; /* in its ring */
    struct command_lane *next;
    uint64_t session;
    command *first;
    size_t urgent; /* of them */
    unsigned ring;
    unsigned skip; /* turns it lets pass */
    UT_hash_handle hh;
} command_lane;

enum { RING_URGENT, RING_PROMOTED, RING_BULK, COMMAND_RINGS };

/** Zero-initialised is empty. */
typedef struct command_queue {
    command *cancels;
    command_lane *lanes; /* by session */
    command_lane *rings[COMMAND_RINGS];
    bool bulk_turn; /* the next of the two bulk rings */
    size_t count;
    size_t bytes;  /* of text */
    size_t urgent; /* of count: urgent and cancel */
} command_queue;

/** Forget everything. */
void command_queue_fini(command_queue *queue);

/**
 * Append a command to its session's.
 *
 * @param session  key of the session; 0 = the browser's own
 * @param text     copied
 * @param out      stored on TROUPE_OK; the queue's, until it is removed
 * @return TROUPE_OK; TROUPE_ENOMEM
 */
troupe_error command_queue_push(command_queue *queue, uint64_t session, int64_t id,
                                command_class class, const char *text, size_t len,
                                command **out) TROUPE_MUST_USE;

/** Whether commands of that session wait in order (cancels do not). */
bool command_queue_has(const command_queue *queue, uint64_t session);

/** The next one, left in the queue; bulk: whether it may be one of class COMMAND_BULK. NULL: none.
 */
command *command_queue_next(command_queue *queue, bool bulk);

/** Take out and free. sent: it was its session's turn, which is over; else the turn stays. */
void command_queue_remove(command_queue *queue, command *item, bool sent);

#endif
