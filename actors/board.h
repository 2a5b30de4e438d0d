/* SPDX-License-Identifier: MIT */
/**
 * What actors of one host leave for each other beside messages.
 *
 * A number that moves whenever something changed that RPC `status` shows. The bridge keeps its last
 * answer as long as the number stands still: asking costs no message then.
 *
 * Whoever owns what is shown moves it before the change can be seen by others.
 */
#ifndef TROUPE_ACTORS_BOARD_H
#define TROUPE_ACTORS_BOARD_H

#include "troupe/host.h"

#include <jansson.h>
#include <stdatomic.h>

typedef struct host_board {
    atomic_ullong changes;
    json_t *_Atomic connections; /* what one that ended leaves to the next (connections_kept.c) */
} host_board;

/** Thread: any. Without a board (options that no host runs with) nothing happens. */
static inline void board_changed(const troupe_host_options *host)
{
    host_board *board = host->board;
    if (board != NULL) {
        atomic_fetch_add(&board->changes, 1);
    }
}

/** 0: there is no board. */
static inline unsigned long long board_changes(const troupe_host_options *host)
{
    host_board *board = host->board;
    return board != NULL ? atomic_load(&board->changes) : 0;
}

#endif
