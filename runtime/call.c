/* SPDX-License-Identifier: MIT */
/* The table of call records, in chunks that stay where they are. */
#include "call.h"
#include "clock.h"

#include <stdlib.h>

#define STATE_MASK   3ULL
#define INDEX_MASK   ((1ULL << CALL_INDEX_BITS) - 1)
#define CACHE_REFILL 16U
#define CACHE_MAX    64U

static uint64_t word_of(uint64_t ref, call_state state)
{
    return (ref >> CALL_INDEX_BITS) << 2 | state;
}

static void set_state(call *c, call_state state)
{
    uint64_t word = atomic_load(&c->word);
    atomic_store(&c->word, (word & ~STATE_MASK) | state);
}

uint64_t call_ref(const call *c)
{
    return (atomic_load_explicit(&c->word, memory_order_relaxed) >> 2) << CALL_INDEX_BITS |
           c->index;
}

void call_table_init(call_table *table)
{
    pthread_mutex_init(&table->mutex, NULL);
}

void call_table_fini(call_table *table)
{
    for (size_t i = 0; i < CALL_CHUNKS; i++)
        free(atomic_load(&table->chunks[i]));
    pthread_mutex_destroy(&table->mutex);
}

/* A record that was never used before; NULL: none left. */
static call *fresh_locked(call_table *table)
{
    if (table->used == CALL_CHUNK * CALL_CHUNKS)
        return NULL;
    _Atomic(call *) *chunk = &table->chunks[table->used / CALL_CHUNK];
    if (atomic_load(chunk) == NULL) {
        call *records = calloc(CALL_CHUNK, sizeof *records);
        if (records == NULL)
            return NULL;
        atomic_store(chunk, records);
    }
    call *c = &atomic_load(chunk)[table->used % CALL_CHUNK];
    c->index = table->used++;
    return c;
}

static void refill(call_table *table, call_cache *cache)
{
    pthread_mutex_lock(&table->mutex);
    while (cache->count < CACHE_REFILL) {
        call *c = table->free;
        if (c != NULL)
            table->free = c->next;
        else if ((c = fresh_locked(table)) == NULL)
            break;
        c->next = cache->free;
        cache->free = c;
        cache->count++;
    }
    pthread_mutex_unlock(&table->mutex);
}

static void give_back(call_table *table, call_cache *cache, unsigned keep)
{
    pthread_mutex_lock(&table->mutex);
    while (cache->count > keep) {
        call *c = cache->free;
        cache->free = c->next;
        c->next = table->free;
        table->free = c;
        cache->count--;
    }
    pthread_mutex_unlock(&table->mutex);
}

call *call_open(call_table *table, call_cache *cache, call_list *list)
{
    if (cache->count == 0)
        refill(table, cache);
    call *c = cache->free;
    if (c == NULL)
        return NULL;
    cache->free = c->next;
    cache->count--;
    c->prev = NULL;
    c->next = list->first;
    if (list->first != NULL)
        list->first->prev = c;
    list->first = c;
    list->count++;
    uint64_t generation = (atomic_load(&c->word) >> 2) + 1;
    generation &= (1ULL << (53 - CALL_INDEX_BITS)) - 1;
    atomic_store(&c->word, (generation == 0 ? 1 : generation) << 2 | CALL_PENDING);
    return c;
}

void call_close(call_table *table, call_cache *cache, call_list *list, call *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        list->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    list->count--;
    set_state(c, CALL_FREE);
    c->next = cache->free;
    cache->free = c;
    if (++cache->count > CACHE_MAX)
        give_back(table, cache, CACHE_REFILL);
}

void call_cache_fini(call_table *table, call_cache *cache)
{
    give_back(table, cache, 0);
}

static call *lookup(call_table *table, uint64_t ref)
{
    uint32_t index = (uint32_t)(ref & INDEX_MASK);
    call *chunk = atomic_load(&table->chunks[index / CALL_CHUNK]);
    return chunk != NULL ? &chunk[index % CALL_CHUNK] : NULL;
}

call *call_find(call_table *table, uint64_t ref)
{
    call *c = lookup(table, ref);
    if (c == NULL)
        return NULL;
    uint64_t word = atomic_load(&c->word);
    bool alive = word == word_of(ref, CALL_PENDING) || word == word_of(ref, CALL_ANSWERED);
    return alive ? c : NULL;
}

call *call_answer(call_table *table, uint64_t ref)
{
    call *c = lookup(table, ref);
    uint64_t expected = word_of(ref, CALL_PENDING);
    if (c == NULL ||
        !atomic_compare_exchange_strong(&c->word, &expected, word_of(ref, CALL_ANSWERED)))
        return NULL;
    return c;
}

bool call_end(call *c, troupe_error error)
{
    uint64_t ref = call_ref(c);
    uint64_t expected = word_of(ref, CALL_PENDING);
    if (!atomic_compare_exchange_strong(&c->word, &expected, word_of(ref, CALL_ENDED)))
        return false;
    c->error = error;
    return true;
}

bool call_pending(call_table *table, uint64_t ref)
{
    call *c = lookup(table, ref);
    return c != NULL && atomic_load(&c->word) == word_of(ref, CALL_PENDING);
}

bool call_end_own(call *c, troupe_error error)
{
    if (call_end(c, error))
        return true;
    uint64_t ref = call_ref(c);
    uint64_t expected = word_of(ref, CALL_ANSWERED);
    if (!atomic_compare_exchange_strong(&c->word, &expected, word_of(ref, CALL_ENDED)))
        return false;
    c->error = error;
    return true;
}

uint32_t call_remaining_ms(call_table *table, uint64_t ref, uint64_t now_ns)
{
    call *c = lookup(table, ref);
    if (c == NULL)
        return 0;
    uint64_t deadline = atomic_load(&c->deadline_ns);
    if (atomic_load(&c->word) != word_of(ref, CALL_PENDING))
        return 0; /* the record may be another call's by now, and its deadline too */
    return deadline > now_ns
               ? (uint32_t)((deadline - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS)
               : 1;
}
