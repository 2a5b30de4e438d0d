/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing; removal shifts back, so lookups stay short for ever. */
#include "map.h"

#include <stdlib.h>

#define MAP_FIRST_CAPACITY 16

static size_t home(const map *m, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15ULL) >> 32) & (m->capacity - 1);
}

void map_fini(map *m)
{
    free(m->entries);
    m->entries = NULL;
    m->capacity = 0;
    m->count = 0;
}

/* The entry with that key, or the empty one where it belongs. There is always an empty one. */
static size_t probe(const map *m, uint64_t key)
{
    size_t at = home(m, key);
    while (m->entries[at].key != 0 && m->entries[at].key != key)
        at = (at + 1) & (m->capacity - 1);
    return at;
}

static bool grow(map *m)
{
    map bigger = {.capacity = m->capacity == 0 ? MAP_FIRST_CAPACITY : 2 * m->capacity};
    bigger.top = bigger.capacity;
    bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
    if (bigger.entries == NULL)
        return false;
    bigger.count = m->count;
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->entries[i].key != 0)
            bigger.entries[probe(&bigger, m->entries[i].key)] = m->entries[i];
    }
    free(m->entries);
    *m = bigger;
    return true;
}

bool map_put(map *m, uint64_t key, void *value)
{
    if (m->count >= m->capacity - m->capacity / 4 && !grow(m))
        return false;
    size_t at = probe(m, key);
    if (m->entries[at].key == 0)
        m->count++;
    m->entries[at].key = key;
    m->entries[at].value = value;
    if (at >= m->top)
        m->top = at + 1;
    return true;
}

map_entry *map_find(const map *m, uint64_t key)
{
    if (m->count == 0 || key == 0)
        return NULL;
    map_entry *entry = &m->entries[probe(m, key)];
    return entry->key == key ? entry : NULL;
}

/* Empty the place and move back whoever was pushed beyond it. */
static void close_gap(map *m, size_t gap)
{
    size_t mask = m->capacity - 1;
    for (size_t at = (gap + 1) & mask; m->entries[at].key != 0; at = (at + 1) & mask) {
        size_t wanted = home(m, m->entries[at].key);
        if (((at - wanted) & mask) >= ((at - gap) & mask)) {
            m->entries[gap] = m->entries[at];
            gap = at;
        }
    }
    m->entries[gap].key = 0;
}

bool map_remove(map *m, uint64_t key, void **value)
{
    map_entry *entry = map_find(m, key);
    if (entry == NULL)
        return false;
    if (value != NULL)
        *value = entry->value;
    close_gap(m, (size_t)(entry - m->entries));
    m->count--;
    return true;
}

/* Removing shifts entries back into places that were looked at: those are looked at again. */
void map_sweep(map *m, bool (*gone)(void *context, const map_entry *entry), void *context)
{
    for (size_t i = 0; i < m->capacity; i++) {
        while (m->entries[i].key != 0 && gone(context, &m->entries[i])) {
            close_gap(m, i);
            m->count--;
        }
    }
}

bool map_pop(map *m, map_entry *out)
{
    while (m->count > 0 && m->top > 0) {
        const map_entry *last = &m->entries[m->top - 1];
        if (last->key != 0) { /* its place may be taken by one from the beginning: look again */
            *out = *last;
            return map_remove(m, out->key, NULL);
        }
        m->top--;
    }
    return false;
}
