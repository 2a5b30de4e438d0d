/* SPDX-License-Identifier: MIT */
/* Pending commands: rows by the low bits of their id, and a binary heap of deadlines in which each
 * row knows its place. An id whose row is taken by an old command is skipped; the table grows when
 * it is half full, up to its maximum. */
#include "pending.h"

#include <stdlib.h>

#define PENDING_START 64

/* The table ----------------------------------------------------------------------------------- */

static troupe_error allot(pending_table *table, size_t capacity)
{
    table->rows = calloc(capacity, sizeof *table->rows);
    table->heap = calloc(capacity, sizeof *table->heap);
    table->capacity = capacity;
    if (table->rows == NULL || table->heap == NULL) {
        pending_fini(table);
        return TROUPE_ENOMEM;
    }
    return TROUPE_OK;
}

troupe_error pending_init(pending_table *table)
{
    *table = (pending_table){.next_id = 1};
    return allot(table, PENDING_START);
}

void pending_fini(pending_table *table)
{
    free(table->rows);
    free(table->heap);
    table->rows = NULL;
    table->heap = NULL;
    table->capacity = 0;
    table->count = 0;
}

static pending *row_of(const pending_table *table, int64_t id)
{
    return &table->rows[(size_t)id & (table->capacity - 1)];
}

pending *pending_find(const pending_table *table, int64_t id)
{
    if (id <= 0 || table->capacity == 0) {
        return NULL;
    }
    pending *row = row_of(table, id);
    return row->id == id ? row : NULL;
}

/* What free rows remember moves too: to the same low bits and one more. */
static troupe_error grow(pending_table *table)
{
    pending_table bigger = *table;
    troupe_error error = allot(&bigger, table->capacity * 2);
    if (error != TROUPE_OK) {
        return error;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        const pending *old = &table->rows[i];
        if (old->gone != 0) {
            row_of(&bigger, old->gone)->gone = old->gone;
            row_of(&bigger, old->gone)->gone_how = old->gone_how;
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        int64_t id = table->heap[i].id;
        pending *row = row_of(&bigger, id);
        int64_t gone = row->gone;
        pending_end how = row->gone_how;
        *row = *row_of(table, id);
        row->gone = gone;
        row->gone_how = how;
        bigger.heap[i] = table->heap[i];
    }
    bigger.count = table->count;
    pending_fini(table);
    *table = bigger;
    return TROUPE_OK;
}

/* The heap --------------------------------------------------------------------------------------
 */

static void put(pending_table *table, size_t at, pending_due due)
{
    table->heap[at] = due;
    row_of(table, due.id)->place = (uint32_t)at + 1;
}

static void sift_up(pending_table *table, size_t at, pending_due due)
{
    while (at > 0 && due.deadline_ns < table->heap[(at - 1) / 2].deadline_ns) {
        put(table, at, table->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(table, at, due);
}

static void sift_down(pending_table *table, size_t at, pending_due due)
{
    const pending_due *heap = table->heap;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < table->count && heap[child + 1].deadline_ns < heap[child].deadline_ns) {
            child++;
        }
        if (child >= table->count || heap[child].deadline_ns >= due.deadline_ns) {
            break;
        }
        put(table, at, heap[child]);
        at = child;
    }
    put(table, at, due);
}

/* Takes the place out of the heap; its row is the caller's business. */
static void heap_remove(pending_table *table, size_t at)
{
    pending_due last = table->heap[--table->count];
    if (at == table->count) {
        return;
    }
    if (at > 0 && last.deadline_ns < table->heap[(at - 1) / 2].deadline_ns) {
        sift_up(table, at, last);
    } else {
        sift_down(table, at, last);
    }
}

/* Commands --------------------------------------------------------------------------------------
 */

static int64_t count_id(pending_table *table)
{
    int64_t id = table->next_id;
    table->wrapped |= id == PENDING_ID_MAX;
    table->next_id = id == PENDING_ID_MAX ? 1 : id + 1;
    return id;
}

troupe_error pending_add(pending_table *table, uint64_t deadline_ns, pending **out)
{
    if (table->count >= PENDING_MAX) {
        return TROUPE_EBUSY;
    }
    if (table->count * 2 >= table->capacity && table->capacity < PENDING_MAX) {
        troupe_error error = grow(table);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    int64_t id = count_id(table);
    while (row_of(table, id)->id != 0) {
        id = count_id(table); /* some row is free */
    }
    pending *row = row_of(table, id);
    int64_t gone = row->gone;
    pending_end how = row->gone_how;
    *row = (pending){.id = id, .deadline_ns = deadline_ns, .gone = gone, .gone_how = how};
    pending_due due = {deadline_ns, id};
    sift_up(table, table->count++, due);
    *out = row;
    return TROUPE_OK;
}

bool pending_take(pending_table *table, int64_t id, pending_end how, pending *out)
{
    pending *row = pending_find(table, id);
    if (row == NULL) {
        return false;
    }
    *out = *row;
    heap_remove(table, row->place - 1);
    row->id = 0;
    row->gone = id;
    row->gone_how = how;
    return true;
}

bool pending_take_due(pending_table *table, uint64_t now_ns, pending_end how, pending *out)
{
    return table->count > 0 && table->heap[0].deadline_ns <= now_ns &&
           pending_take(table, table->heap[0].id, how, out);
}

uint64_t pending_deadline_ns(const pending_table *table)
{
    return table->count > 0 ? table->heap[0].deadline_ns : UINT64_MAX;
}

pending_end pending_fate(const pending_table *table, int64_t id)
{
    if (id <= 0 || id > PENDING_ID_MAX || table->capacity == 0 ||
        (!table->wrapped && id >= table->next_id)) {
        return PENDING_NEVER;
    }
    const pending *row = row_of(table, id);
    if (row->id == id) {
        return PENDING_NEVER;
    }
    return row->gone == id ? row->gone_how : PENDING_LONG_GONE;
}
