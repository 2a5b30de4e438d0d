/* SPDX-License-Identifier: MIT */
/* What stands for the token where a browser cannot send it. */
#include "tickets.h"

#include "bridge.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define WRONG_MAX   10
#define ONCE_MS     120000u
#define SESSION_MS  43200000u
#define FOR_EVER_MS UINT32_MAX
#define CODE_CHARS  8

void tickets_init(tickets *all)
{
    memset(all, 0, sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
}

void tickets_fini(tickets *all)
{
    OPENSSL_cleanse(all->list, sizeof all->list);
    pthread_mutex_destroy(&all->lock);
}

/* A code is typed: no letters that look like others, blanks and dashes do not count. */
static bool make_text(ticket_kind kind, char out[TICKET_TEXT_MAX])
{
    static const char letters[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"; /* 32 of them */
    unsigned char bytes[32];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        return false;
    }
    if (kind == TICKET_CODE) {
        size_t at = 0;
        for (size_t i = 0; i < CODE_CHARS; i++) {
            if (i == CODE_CHARS / 2) {
                out[at++] = '-';
            }
            out[at++] = letters[bytes[i] & 31];
        }
        out[at] = '\0';
    } else {
        for (size_t i = 0; i < sizeof bytes; i++) {
            snprintf(out + 2 * i, 3, "%02x", bytes[i]);
        }
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

static void digest_of(ticket_kind kind, const char *text, unsigned char digest[32])
{
    char plain[TICKET_TEXT_MAX];
    size_t len = 0;
    for (; *text != '\0' && len < sizeof plain - 1; text++) {
        if (kind != TICKET_CODE) {
            plain[len++] = *text;
        } else if (*text != '-' && *text != ' ') {
            plain[len++] = (char)toupper((unsigned char)*text);
        }
    }
    SHA256((const unsigned char *)plain, len, digest);
    OPENSSL_cleanse(plain, sizeof plain);
}

static uint32_t life_of(ticket_kind kind)
{
    return kind == TICKET_SESSION ? SESSION_MS : kind == TICKET_PAIRED ? FOR_EVER_MS : ONCE_MS;
}

/* Those whose time is over are gone. Under the lock. */
static void expire(tickets *all)
{
    uint64_t now = bridge_now_ns();
    for (size_t i = 0; i < TICKETS_MAX; i++) {
        if (all->list[i].kind != TICKET_NONE && all->list[i].until_ns <= now) {
            all->list[i].kind = TICKET_NONE;
        }
    }
}

/* A free place, or that of the one that ends first, of its kind if there are some. Under the lock.
 */
static ticket *place_for(tickets *all, ticket_kind kind)
{
    ticket *same = NULL;
    ticket *any = NULL;
    for (size_t i = 0; i < TICKETS_MAX; i++) {
        ticket *at = &all->list[i];
        if (at->kind == TICKET_NONE) {
            return at;
        }
        any = any == NULL || at->until_ns < any->until_ns ? at : any;
        same = at->kind == kind && (same == NULL || at->until_ns < same->until_ns) ? at : same;
    }
    return same != NULL ? same : any;
}

uint32_t tickets_make(tickets *all, ticket_kind kind, const char *origin, char out[TICKET_TEXT_MAX])
{
    uint32_t life_ms = life_of(kind);
    if (!make_text(kind, out)) {
        return 0;
    }
    pthread_mutex_lock(&all->lock);
    expire(all);
    ticket *made = place_for(all, kind);
    *made = (ticket){.kind = kind, .until_ns = bridge_now_ns() + (uint64_t)life_ms * 1000000u};
    snprintf(made->origin, sizeof made->origin, "%s", origin != NULL ? origin : "");
    digest_of(kind, out, made->digest);
    pthread_mutex_unlock(&all->lock);
    return life_ms;
}

/* Every one is compared, in the same time. Under the lock. */
static ticket *find(tickets *all, ticket_kind kind, const char *text)
{
    unsigned char digest[32];
    ticket *found = NULL;
    digest_of(kind, text, digest);
    expire(all);
    for (size_t i = 0; i < TICKETS_MAX; i++) {
        ticket *at = &all->list[i];
        bool same = CRYPTO_memcmp(at->digest, digest, sizeof digest) == 0;
        found = same && at->kind == kind ? at : found;
    }
    return found;
}

static void void_codes(tickets *all)
{
    for (size_t i = 0; i < TICKETS_MAX; i++) {
        if (all->list[i].kind == TICKET_CODE) {
            all->list[i].kind = TICKET_NONE;
        }
    }
    all->wrong = 0;
}

bool tickets_take(tickets *all, ticket_kind kind, const char *text)
{
    pthread_mutex_lock(&all->lock);
    ticket *found = find(all, kind, text);
    if (found != NULL) {
        found->kind = TICKET_NONE;
        all->wrong = 0;
    } else if (kind == TICKET_CODE && ++all->wrong >= WRONG_MAX) {
        void_codes(all);
    }
    pthread_mutex_unlock(&all->lock);
    return found != NULL;
}

bool tickets_has(tickets *all, ticket_kind kind, const char *text, const char *origin)
{
    pthread_mutex_lock(&all->lock);
    const ticket *found = find(all, kind, text);
    bool has = found != NULL && (origin == NULL || strcasecmp(found->origin, origin) == 0);
    pthread_mutex_unlock(&all->lock);
    return has;
}
