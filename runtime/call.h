/* SPDX-License-Identifier: MIT */
/*
 * Call records: one for each call that waits for its end. The word decides, by compare and swap,
 * who ends it: PENDING -> ANSWERED by whoever answers, PENDING -> ENDED by the caller (deadline,
 * cancelled), and ANSWERED -> ENDED by an actor whose answer has not come. So each call completes
 * exactly once, and an answer that comes later never enters a mailbox.
 *
 * A ref is generation << 20 | index of the record. Records are never freed before the system, so a
 * ref of any age may be looked up. All fields but `word` belong to the caller's thread; `guest` is
 * fixed before the ref is known to others and may be read by whoever won the word.
 */
#ifndef RUNTIME_CALL_H
#define RUNTIME_CALL_H

#include "timer.h"

#include "troupe/actor.h"

#include <pthread.h>
#include <stdatomic.h>

#define CALL_INDEX_BITS 20
#define CALL_CHUNK      1024U
#define CALL_CHUNKS     ((1U << CALL_INDEX_BITS) / CALL_CHUNK)

typedef enum call_state {
    CALL_FREE,
    CALL_PENDING,
    CALL_ANSWERED,
    CALL_ENDED,
} call_state;

typedef struct call {
    atomic_uint_fast64_t word; /* generation << 2 | call_state */
    uint32_t index;
    atomic_uint_fast64_t deadline_ns; /* monotonic; a hint for those who forward */
    timer timer;                      /* the deadline, in the caller's heap */
    struct call *next;                /* caller's list; free lists */
    struct call *prev;
    struct call *next_ended; /* caller's queue of those it ended itself */
    troupe_error error;      /* once ENDED */
    void *context;
    troupe_answer_fn fn;        /* an actor's call */
    struct troupe_guest *guest; /* a guest's call; NULL = an actor's */
} call;

typedef struct call_table {
    pthread_mutex_t mutex;
    _Atomic(call *) chunks[CALL_CHUNKS];
    uint32_t used; /* mutex: records handed out at least once */
    call *free;    /* mutex */
} call_table;

/* A caller's own store of free records, so that the table's mutex is taken seldom. */
typedef struct call_cache {
    call *free;
    unsigned count;
} call_cache;

/* A caller's calls that have not completed. */
typedef struct call_list {
    call *first;
    uint32_t count;
} call_list;

void call_table_init(call_table *table);
void call_table_fini(call_table *table);

/* A record, PENDING and in the list; NULL: out of memory or of records. */
call *call_open(call_table *table, call_cache *cache, call_list *list);
/* It has completed: out of the list, and free. Its ref is dead from now on. */
void call_close(call_table *table, call_cache *cache, call_list *list, call *c);
void call_cache_fini(call_table *table, call_cache *cache);

uint64_t call_ref(const call *c);

/* The caller's own record, if that ref is its and has not completed; else NULL. */
call *call_find(call_table *table, uint64_t ref);

/* Whoever answers: the record if this answer is the end of the call, else NULL. */
call *call_answer(call_table *table, uint64_t ref);

/* The caller: end it with this error. False: the answer is on its way. */
bool call_end(call *c, troupe_error error);
/* The same for an actor's own call, answered or not: an answer that was claimed may still be with
 * whoever made it, for as long as that one stays in its callback. False: it has ended. */
bool call_end_own(call *c, troupe_error error);

/* Whether that call still waits for its end. */
bool call_pending(call_table *table, uint64_t ref);

/* Milliseconds until the call's deadline, at least 1; 0 if it has ended. */
uint32_t call_remaining_ms(call_table *table, uint64_t ref, uint64_t now_ns);

#endif
