/* SPDX-License-Identifier: MIT */
/* A short list under a lock: one entry for each browser that is connected by an endpoint. */
#include "endpoint_claims.h"

#include "endpoint_connect.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#define BROWSER_PATH "/devtools/browser/"
#define GUID_MIN     16 /* a shorter one may be a name that many browsers share */
#define GUID_MAX     64

typedef struct claim {
    struct claim *prev;
    struct claim *next;
    const void *owner;
    char id[64];
    char guid[GUID_MAX + 1];
} claim;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static claim *claims; /* guarded by lock */

static bool guid_of(const char *url, char guid[GUID_MAX + 1])
{
    const char *path = strstr(url, BROWSER_PATH);
    const char *start = path == NULL ? "" : path + strlen(BROWSER_PATH);
    size_t len = strcspn(start, "/?");
    if (len < GUID_MIN || len > GUID_MAX) {
        return false;
    }
    memcpy(guid, start, len);
    guid[len] = '\0';
    return true;
}

static claim *find_id_locked(const void *owner, const char *id)
{
    claim *item;
    DL_FOREACH(claims, item)
    {
        if (item->owner == owner && strcmp(item->id, id) == 0) {
            break;
        }
    }
    return item;
}

static const claim *find_other_locked(const claim *wanted)
{
    const claim *item;
    DL_FOREACH(claims, item)
    {
        if (item->owner == wanted->owner && strcasecmp(item->guid, wanted->guid) == 0 &&
            strcmp(item->id, wanted->id) != 0) {
            break;
        }
    }
    return item;
}

troupe_error endpoint_claim(const void *owner, const char *id, const char *url,
                            troupe_reason *reason)
{
    char holder[sizeof claims->id] = "";
    claim *fresh = owner == NULL ? NULL : calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return owner == NULL ? TROUPE_OK : TROUPE_ENOMEM;
    }
    fresh->owner = owner;
    strncpy(fresh->id, id, sizeof fresh->id - 1);
    if (!guid_of(url, fresh->guid)) {
        free(fresh);
        return TROUPE_OK;
    }
    pthread_mutex_lock(&lock);
    const claim *other = find_other_locked(fresh);
    claim *before = find_id_locked(owner, fresh->id);
    if (other != NULL) {
        memcpy(holder, other->id, sizeof holder);
    } else if (before != NULL) {
        memcpy(before->guid, fresh->guid, sizeof before->guid);
    } else {
        DL_APPEND(claims, fresh);
        fresh = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(fresh);
    return holder[0] == '\0'
               ? TROUPE_OK
               : troupe_fail(reason, TROUPE_ESTATE,
                             "this is the browser that is there already as %s", holder);
}

void endpoint_release(const void *owner, const char *id)
{
    pthread_mutex_lock(&lock);
    claim *item = find_id_locked(owner, id);
    if (item != NULL) {
        DL_DELETE(claims, item);
    }
    pthread_mutex_unlock(&lock);
    free(item);
}
