/* SPDX-License-Identifier: MIT */
/**
 * What the demo site served: one row a request or WebSocket, in the order of arrival, so that a
 * recording can be compared with the truth. Thread-safe; knows nothing of HTTP.
 */
#ifndef TROUPE_ACTORS_DEMO_LEDGER_H
#define TROUPE_ACTORS_DEMO_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ledger ledger;

typedef enum ledger_kind {
    LEDGER_REQUEST,
    LEDGER_WEBSOCKET,
} ledger_kind;

/** An empty ledger of at most rows_max rows; NULL without memory. */
ledger *ledger_create(size_t rows_max);
void ledger_destroy(ledger *book);

/**
 * Enter what has just arrived.
 *
 * @param path  with its query string; borrowed
 * @return the row's number, counted from 1; 0 if there is no room (then it counts as lost)
 */
uint64_t ledger_enter(ledger *book, ledger_kind kind, const char *method, const char *path);

/** Note how the row ended. A number from before a reset, or 0, is ignored. */
void ledger_finish(ledger *book, uint64_t row, int status, uint64_t body_bytes);

/** Count one message that a WebSocket sent us. */
void ledger_message(ledger *book, uint64_t row);

/** Forget everything; numbers go on from where they were. */
void ledger_reset(ledger *book);

/**
 * The rows, as a new reference: {requests:[{n, method, path, status, bytes}…], websockets:[{n,
 * path, status, messages, open}…], messages, lost}. A row that has not ended has the status 0.
 *
 * @param run  only paths whose query has run=RUN; NULL = all
 * @return NULL without memory
 */
json_t *ledger_rows(ledger *book, const char *run);

#endif
