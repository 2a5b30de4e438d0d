/* SPDX-License-Identifier: MIT */
/* A chained hash table of names. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CHAINS 64

troupe_error names_init(names *n)
{
    n->chains = calloc(FIRST_CHAINS, sizeof *n->chains);
    if (n->chains == NULL)
        return TROUPE_ENOMEM;
    n->chain_count = FIRST_CHAINS;
    pthread_mutex_init(&n->mutex, NULL);
    return TROUPE_OK;
}

void names_fini(names *n)
{
    free(n->chains);
    pthread_mutex_destroy(&n->mutex);
}

static name_entry **chain_of(name_entry **chains, size_t count, const char *name)
{
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211ULL;
    return &chains[hash & (count - 1)];
}

static name_entry *find_locked(names *n, const char *name)
{
    name_entry *entry = *chain_of(n->chains, n->chain_count, name);
    while (entry != NULL && strcmp(entry->text, name) != 0)
        entry = entry->next;
    return entry;
}

/* Longer chains are slower, not wrong: going on without memory is fine. */
static void grow_locked(names *n)
{
    size_t count = 2 * n->chain_count;
    name_entry **chains = calloc(count, sizeof *chains);
    if (chains == NULL)
        return;
    for (size_t i = 0; i < n->chain_count; i++) {
        for (name_entry *entry = n->chains[i]; entry != NULL;) {
            name_entry *next = entry->next;
            name_entry **chain = chain_of(chains, count, entry->text);
            entry->next = *chain;
            *chain = entry;
            entry = next;
        }
    }
    free(n->chains);
    n->chains = chains;
    n->chain_count = count;
}

troupe_error names_add(names *n, const char *name, troupe_address address, name_entry **mine)
{
    size_t len = strnlen(name, NAME_MAX_LEN + 1);
    if (len == 0 || len > NAME_MAX_LEN)
        return TROUPE_EINVAL;
    name_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return TROUPE_ENOMEM;
    entry->address = address;
    memcpy(entry->text, name, len);
    pthread_mutex_lock(&n->mutex);
    bool taken = find_locked(n, name) != NULL;
    if (!taken) {
        if (n->count >= n->chain_count)
            grow_locked(n);
        name_entry **chain = chain_of(n->chains, n->chain_count, name);
        entry->next = *chain;
        *chain = entry;
        n->count++;
    }
    pthread_mutex_unlock(&n->mutex);
    if (taken) {
        free(entry);
        return TROUPE_ESTATE;
    }
    entry->mine = *mine;
    *mine = entry;
    return TROUPE_OK;
}

static void unchain_locked(names *n, const name_entry *entry)
{
    name_entry **at = chain_of(n->chains, n->chain_count, entry->text);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    n->count--;
}

bool names_remove(names *n, const char *name, name_entry **mine)
{
    while (*mine != NULL && strcmp((*mine)->text, name) != 0)
        mine = &(*mine)->mine;
    name_entry *entry = *mine;
    if (entry == NULL)
        return false;
    *mine = entry->mine;
    pthread_mutex_lock(&n->mutex);
    unchain_locked(n, entry);
    pthread_mutex_unlock(&n->mutex);
    free(entry);
    return true;
}

void names_release(names *n, name_entry **mine)
{
    pthread_mutex_lock(&n->mutex);
    for (const name_entry *entry = *mine; entry != NULL; entry = entry->mine)
        unchain_locked(n, entry);
    pthread_mutex_unlock(&n->mutex);
    while (*mine != NULL) {
        name_entry *entry = *mine;
        *mine = entry->mine;
        free(entry);
    }
}

troupe_address names_find(names *n, const char *name)
{
    pthread_mutex_lock(&n->mutex);
    name_entry *entry = find_locked(n, name);
    troupe_address address = entry != NULL ? entry->address : 0;
    pthread_mutex_unlock(&n->mutex);
    return address;
}
