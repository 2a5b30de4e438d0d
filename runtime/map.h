/* SPDX-License-Identifier: MIT */
/* A hash map from nonzero 64-bit numbers to pointers: open addressing, no tombstones. One owner. */
#ifndef RUNTIME_MAP_H
#define RUNTIME_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct map_entry {
    uint64_t key; /* 0 = empty */
    void *value;
} map_entry;

/* Zero-initialised is valid and empty. */
typedef struct map {
    map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t top; /* no entry stands here or behind: so that popping all looks at each place once */
} map;

void map_fini(map *m);

/* Store or replace. False: out of memory, the map is as before. */
bool map_put(map *m, uint64_t key, void *value);

/* The entry, or NULL. Valid until the next put or remove. */
map_entry *map_find(const map *m, uint64_t key);

/* Remove; false if there was none. value: NULL allowed. */
bool map_remove(map *m, uint64_t key, void **value);

/* Remove the entries that `gone` says yes to. */
void map_sweep(map *m, bool (*gone)(void *context, const map_entry *entry), void *context);

/* Remove some entry; false if the map is empty. */
bool map_pop(map *m, map_entry *out);

#endif
