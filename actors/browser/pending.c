/* SPDX-License-Identifier: MIT */
/* Pending commands: ids count up, so the row of an id is its low bits. An id whose row is taken by
 * an old command is skipped; the table grows when it is half full, up to its maximum. */
#include "pending.h"

#include <stdlib.h>

#define PENDING_START 64

troupe_error pending_init(pending_table *table)
{
    table->rows = calloc(PENDING_START, sizeof *table->rows);
    table->capacity = PENDING_START;
    table->count = 0;
    table->next_id = 1;
    return table->rows != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

void pending_fini(pending_table *table)
{
    free(table->rows);
    table->rows = NULL;
    table->capacity = 0;
}

static pending *row_of(const pending_table *table, int64_t id)
{
    return &table->rows[(size_t)id & (table->capacity - 1)];
}

static troupe_error grow(pending_table *table)
{
    pending_table bigger = *table;
    bigger.capacity = table->capacity * 2;
    bigger.rows = calloc(bigger.capacity, sizeof *bigger.rows);
    if (bigger.rows == NULL) {
        return TROUPE_ENOMEM;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->rows[i].id != 0) {
            *row_of(&bigger, table->rows[i].id) = table->rows[i];
        }
    }
    free(table->rows);
    *table = bigger;
    return TROUPE_OK;
}

troupe_error pending_add(pending_table *table, uint64_t now_ns, pending **out)
{
    if (table->count * 2 >= table->capacity && table->capacity < PENDING_MAX) {
        troupe_error error = grow(table);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    for (size_t tries = 0; tries < table->capacity; tries++) {
        pending *row = row_of(table, table->next_id);
        int64_t id = table->next_id++;
        if (row->id != 0 && (row->own != NULL || row->deadline_ns > now_ns)) {
            continue;
        }
        if (row->id != 0) {
            table->count--; /* its caller gave up: an answer after all counts as late */
        }
        *row = (pending){.id = id};
        table->count++;
        *out = row;
        return TROUPE_OK;
    }
    return TROUPE_EBUSY;
}

bool pending_take(pending_table *table, int64_t id, pending *out)
{
    pending *row = row_of(table, id);
    if (id <= 0 || row->id != id) {
        return false;
    }
    *out = *row;
    row->id = 0;
    table->count--;
    return true;
}
