/* SPDX-License-Identifier: MIT */
/* A supervisor's children: lists, indexes, states, limits. */
#include "child.h"
#include "clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_MIN_MS 100U
#define BACKOFF_MAX_MS 30000U
#define SHUTDOWN_MS    5000U

bool restart_limit_init(restart_limit *limit, uint32_t intensity, uint32_t period_ms)
{
    *limit = (restart_limit){.intensity = intensity, .period_ms = period_ms};
    if (intensity == 0)
        return true;
    limit->at_ns = calloc(intensity, sizeof *limit->at_ns);
    return limit->at_ns != NULL;
}

void restart_limit_fini(restart_limit *limit)
{
    free(limit->at_ns);
    limit->at_ns = NULL;
}

bool restart_limit_note(restart_limit *limit, uint64_t now_ns)
{
    if (limit->intensity == 0)
        return true;
    uint64_t *oldest = &limit->at_ns[limit->count % limit->intensity];
    bool full = limit->count >= limit->intensity;
    if (full && now_ns - *oldest <= limit->period_ms * CLOCK_NS_PER_MS)
        return false;
    *oldest = now_ns;
    limit->count++;
    return true;
}

void children_fini(children *all)
{
    map_fini(&all->by_name);
    map_fini(&all->by_address);
}

static char *name_create(children *all, const troupe_child *spec)
{
    if (!spec->dynamic)
        return strdup(spec->name);
    size_t size = strlen(spec->name) + sizeof "#18446744073709551615";
    char *name = malloc(size);
    if (name != NULL)
        snprintf(name, size, "%s#%llu", spec->name, (unsigned long long)++all->next_number);
    return name;
}

child *child_create(children *all, const troupe_child *spec, troupe_supervisor *supervisor)
{
    child *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->supervisor = supervisor;
    c->spec = *spec;
    c->spec.release = NULL; /* the context is the caller's until the child is kept */
    c->spec.name = name_create(all, spec);
    if (!restart_limit_init(&c->limit, spec->intensity, spec->period_ms) || c->spec.name == NULL) {
        child_free(c);
        return NULL;
    }
    if (c->spec.backoff_min_ms == 0)
        c->spec.backoff_min_ms = BACKOFF_MIN_MS;
    if (c->spec.backoff_max_ms == 0)
        c->spec.backoff_max_ms = BACKOFF_MAX_MS;
    if (c->spec.backoff_max_ms < c->spec.backoff_min_ms)
        c->spec.backoff_max_ms = c->spec.backoff_min_ms;
    if (c->spec.shutdown_ms == 0)
        c->spec.shutdown_ms = SHUTDOWN_MS;
    c->backoff_ms = c->spec.backoff_min_ms;
    return c;
}

void child_free(child *c)
{
    if (c->spec.release != NULL)
        c->spec.release(c->spec.context);
    union {
        const char *constant;
        char *ours;
    } name = {.constant = c->spec.name};
    free(name.ours);
    restart_limit_fini(&c->limit);
    free(c);
}

/* ---- by name ---- */

static uint64_t hash_of(const char *name)
{
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211ULL;
    return hash != 0 ? hash : 1; /* a map's key is not 0 */
}

static child *chain_of(const children *all, uint64_t hash)
{
    const map_entry *entry = map_find(&all->by_name, hash);
    return entry != NULL ? entry->value : NULL;
}

child *children_by_name(const children *all, const char *name)
{
    child *c = chain_of(all, hash_of(name));
    while (c != NULL && strcmp(c->spec.name, name) != 0)
        c = c->same_hash;
    return c;
}

static bool index_add(children *all, child *c)
{
    uint64_t hash = hash_of(c->spec.name);
    c->same_hash = chain_of(all, hash);
    return map_put(&all->by_name, hash, c);
}

static void index_remove(children *all, child *c)
{
    uint64_t hash = hash_of(c->spec.name);
    child *head = chain_of(all, hash);
    if (head == c && c->same_hash == NULL) {
        map_remove(&all->by_name, hash, NULL);
    } else if (head == c) {
        map_find(&all->by_name, hash)->value = c->same_hash;
    } else {
        while (head->same_hash != c)
            head = head->same_hash;
        head->same_hash = c->same_hash;
    }
}

/* ---- by address ---- */

child *children_by_address(const children *all, troupe_address address)
{
    const map_entry *entry = address != 0 ? map_find(&all->by_address, address) : NULL;
    return entry != NULL ? entry->value : NULL;
}

bool child_set_address(children *all, child *c, troupe_address address)
{
    if (address != 0 && !map_put(&all->by_address, address, c))
        return false;
    if (c->address != 0)
        map_remove(&all->by_address, c->address, NULL);
    c->address = address;
    return true;
}

/* ---- lists and states ---- */

static child_list *list_of(children *all, const child *c)
{
    return c->spec.dynamic ? &all->dynamic : &all->fixed;
}

static void append(child_list *list, child *c)
{
    c->prev = list->last;
    c->next = NULL;
    if (list->last != NULL)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

static void take_out(child_list *list, child *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        list->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        list->last = c->prev;
}

bool children_add(children *all, child *c)
{
    if (!index_add(all, c))
        return false;
    append(list_of(all, c), c);
    if (!c->spec.dynamic)
        all->count[c->state]++;
    return true;
}

void children_remove(children *all, child *c)
{
    child_set_address(all, c, 0);
    index_remove(all, c);
    take_out(list_of(all, c), c);
    if (!c->spec.dynamic)
        all->count[c->state]--;
}

void child_move_last(children *all, child *c)
{
    take_out(list_of(all, c), c);
    append(list_of(all, c), c);
}

#define BIT(state) (1U << (state))

void child_set_state(children *all, child *c, child_state next)
{
    static const unsigned legal[CHILD_STATES] = {
        [CHILD_PENDING] = BIT(CHILD_STARTING) | BIT(CHILD_WAITING),
        [CHILD_WAITING] = BIT(CHILD_PENDING),
        [CHILD_STARTING] =
            BIT(CHILD_RUNNING) | BIT(CHILD_WAITING) | BIT(CHILD_MARKED) | BIT(CHILD_STOPPING),
        [CHILD_RUNNING] = BIT(CHILD_WAITING) | BIT(CHILD_MARKED) | BIT(CHILD_STOPPING),
        [CHILD_MARKED] = BIT(CHILD_STOPPING) | BIT(CHILD_PENDING),
        [CHILD_STOPPING] = BIT(CHILD_PENDING),
    };
    assert((legal[c->state] & BIT(next)) != 0);
    (void)legal;
    if (!c->spec.dynamic) {
        all->count[c->state]--;
        all->count[next]++;
    }
    c->state = next;
}
