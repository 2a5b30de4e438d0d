/* SPDX-License-Identifier: MIT */
/**
 * What stands for the token where a browser cannot send it: a link that works once and becomes a
 * cookie; a code that a page of another origin trades for a ticket of its own.
 *
 * Only digests are kept. All of it ends with the host. Thread: any.
 */
#ifndef TROUPE_BRIDGE_TICKETS_H
#define TROUPE_BRIDGE_TICKETS_H

#include "troupe/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define TICKETS_MAX       64
#define TICKET_TEXT_MAX   72
#define TICKET_ORIGIN_MAX 200
#define TICKET_COOKIE     "troupe"

typedef enum ticket_kind {
    TICKET_NONE,
    TICKET_LINK,    /* once, within two minutes */
    TICKET_SESSION, /* a cookie: twelve hours */
    TICKET_CODE,    /* once, within two minutes, typed by hand */
    TICKET_PAIRED,  /* a token for one origin: until the host ends */
} ticket_kind;

typedef struct ticket {
    ticket_kind kind;
    unsigned char digest[32]; /* SHA-256 */
    char origin[TICKET_ORIGIN_MAX];
    uint64_t until_ns; /* as bridge_now_ns */
} ticket;

typedef struct tickets {
    pthread_mutex_t lock;
    ticket list[TICKETS_MAX]; /* guarded by lock */
    unsigned wrong;           /* codes in a row that were wrong; guarded by lock */
} tickets;

void tickets_init(tickets *all);
void tickets_fini(tickets *all);

/**
 * Make one. The oldest of its kind makes room if there is none.
 *
 * @param origin  of TICKET_PAIRED; else NULL
 * @param out     what is handed out; nothing else keeps it
 * @return its life in ms; 0: no random bytes
 */
uint32_t tickets_make(tickets *all, ticket_kind kind, const char *origin,
                      char out[TICKET_TEXT_MAX]);

/** Take one that works once. After ten wrong codes in a row those that are open are void. */
bool tickets_take(tickets *all, ticket_kind kind, const char *text);

/** Whether there is such a one; origin: that it must be for, NULL = any. */
bool tickets_has(tickets *all, ticket_kind kind, const char *text, const char *origin);

#endif
