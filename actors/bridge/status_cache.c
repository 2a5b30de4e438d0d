/* SPDX-License-Identifier: MIT */
/* The last answer of RPC `status`. */
#include "status_cache.h"

#include <stdlib.h>
#include <string.h>

#define UPTIME "\"uptime_ms\":"

void status_cache_init(status_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    pthread_mutex_init(&cache->lock, NULL);
}

void status_cache_fini(status_cache *cache)
{
    free(cache->before);
    free(cache->after);
    pthread_mutex_destroy(&cache->lock);
}

bool status_cache_get(status_cache *cache, unsigned long long changes, uint64_t now_ns,
                      troupe_buffer *out)
{
    pthread_mutex_lock(&cache->lock);
    bool good = changes != 0 && cache->before != NULL && cache->changes == changes;
    if (good) {
        uint64_t ms = cache->uptime_ms + (now_ns - cache->taken_ns) / 1000000u;
        troupe_buffer_printf(out, "%s%llu%s", cache->before, (unsigned long long)ms, cache->after);
    }
    pthread_mutex_unlock(&cache->lock);
    return good;
}

void status_cache_put(status_cache *cache, unsigned long long changes, uint64_t now_ns,
                      const char *text, size_t len)
{
    static const char quiet[] = "\"warnings\":[]";
    const char *uptime = memmem(text, len, UPTIME, strlen(UPTIME));
    if (changes == 0 || uptime == NULL || memmem(text, len, quiet, strlen(quiet)) == NULL) {
        return;
    }
    char *end;
    const char *number = uptime + strlen(UPTIME);
    char *copy = strndup(text, len);
    if (copy == NULL) {
        return;
    }
    pthread_mutex_lock(&cache->lock);
    free(cache->before);
    free(cache->after);
    cache->uptime_ms = strtoull(copy + (number - text), &end, 10);
    cache->after = strdup(end);
    copy[number - text] = '\0';
    cache->before = cache->after != NULL ? copy : NULL;
    cache->taken_ns = now_ns;
    cache->changes = changes;
    if (cache->before == NULL) {
        free(copy);
    }
    pthread_mutex_unlock(&cache->lock);
}
