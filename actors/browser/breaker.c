/* SPDX-License-Identifier: MIT */
/* Circuit breakers. */
#include "breaker.h"

#include "troupe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <utlist.h>

#define NS_PER_MS UINT64_C(1000000)

struct breaker {
    breaker *prev;
    breaker *next;
    char *executable;
    char *profile; /* "" = temporary */
    breaker_state state;
    uint64_t failed_ns[BREAKER_FAILURES]; /* the latest, a ring; 0 = none */
    unsigned failures;                    /* in a row, all */
    uint64_t retry_ns;                    /* open: when it is half open */
    uint32_t pause_ms;                    /* the next pause at most */
    bool probing;                         /* half open: the probe is under way */
    char reason[400];
};

static const char *const state_names[] = {"closed", "open", "half_open"};

static void breaker_set_state(breaker *item, breaker_state next, const char *reason)
{
    if (item->state == next) {
        return;
    }
    troupe_log(next == BREAKER_OPEN ? TROUPE_LOG_ERROR : TROUPE_LOG_INFO, "launcher", "breaker",
               item->executable, "%s -> %s (%s)", state_names[item->state], state_names[next],
               reason);
    item->state = next;
    item->probing = false;
}

static breaker *find(const breakers *all, const char *executable, const char *profile)
{
    breaker *item;
    DL_FOREACH(all->first, item)
    {
        if (strcmp(item->executable, executable) == 0 &&
            strcmp(item->profile, profile != NULL ? profile : "") == 0) {
            return item;
        }
    }
    return NULL;
}

static void discard(breakers *all, breaker *item)
{
    DL_DELETE(all->first, item);
    free(item->executable);
    free(item->profile);
    free(item);
}

/* Those that are closed, and failed last a while ago, have nothing to tell any more. */
static void forget_old(breakers *all, uint64_t now_ns)
{
    breaker *item;
    breaker *next;
    DL_FOREACH_SAFE(all->first, item, next)
    {
        uint64_t last = item->failed_ns[(item->failures - 1) % BREAKER_FAILURES];
        if (item->state == BREAKER_CLOSED && now_ns - last > BREAKER_WINDOW_MS * NS_PER_MS) {
            discard(all, item);
        }
    }
}

static breaker *create(breakers *all, const char *executable, const char *profile, uint64_t now_ns)
{
    forget_old(all, now_ns);
    breaker *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return NULL;
    }
    item->executable = strdup(executable);
    item->profile = strdup(profile != NULL ? profile : "");
    item->pause_ms = BREAKER_PAUSE_MS;
    DL_APPEND(all->first, item);
    if (item->executable == NULL || item->profile == NULL) {
        discard(all, item);
        return NULL;
    }
    return item;
}

static uint64_t random_bits(const breakers *all)
{
    uint64_t bits = 0;
    if (all->random != NULL) {
        return all->random(all->context);
    }
    (void)!getrandom(&bits, sizeof bits, GRND_NONBLOCK);
    return bits;
}

/* A time in words, rounded up: "23 s". */
static unsigned long long seconds_until(uint64_t then_ns, uint64_t now_ns)
{
    return then_ns > now_ns ? (then_ns - now_ns + 999 * NS_PER_MS) / (1000 * NS_PER_MS) : 0;
}

troupe_error breaker_ask(breakers *all, const char *executable, const char *profile,
                         uint64_t now_ns, bool *probe, troupe_reason *reason)
{
    breaker *item = find(all, executable, profile);
    *probe = false;
    if (item == NULL || item->state == BREAKER_CLOSED) {
        return TROUPE_OK;
    }
    if (item->state == BREAKER_OPEN && now_ns >= item->retry_ns) {
        breaker_set_state(item, BREAKER_HALF_OPEN, "the pause is over");
    }
    if (item->state == BREAKER_HALF_OPEN && !item->probing) {
        item->probing = *probe = true;
        return TROUPE_OK;
    }
    const char *with = item->profile[0] != '\0' ? " with profile " : "";
    if (item->state == BREAKER_HALF_OPEN) {
        return troupe_fail(
            reason, TROUPE_EUNAVAILABLE,
            "%s%s%s failed %u times, and is being tried once more just now; last: %s", executable,
            with, item->profile, item->failures, item->reason);
    }
    return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                       "%s%s%s failed %u times, and will be tried again in %llu s; last: %s",
                       executable, with, item->profile, item->failures,
                       seconds_until(item->retry_ns, now_ns), item->reason);
}

/* All of the latest lie within the window. */
static bool is_too_much(const breaker *item, uint64_t now_ns)
{
    for (size_t i = 0; i < BREAKER_FAILURES; i++) {
        if (item->failed_ns[i] == 0 ||
            now_ns - item->failed_ns[i] > BREAKER_WINDOW_MS * NS_PER_MS) {
            return false;
        }
    }
    return true;
}

/* The pause is random in the upper half of its bound, which then doubles. */
static void open_it(breakers *all, breaker *item, uint64_t now_ns)
{
    uint32_t half = item->pause_ms / 2;
    uint64_t pause = half + 1 + random_bits(all) % half;
    item->retry_ns = now_ns + pause * NS_PER_MS;
    item->pause_ms =
        item->pause_ms > BREAKER_PAUSE_MAX_MS / 2 ? BREAKER_PAUSE_MAX_MS : 2 * item->pause_ms;
    breaker_set_state(item, BREAKER_OPEN, item->reason);
}

void breaker_failed(breakers *all, const char *executable, const char *profile, bool probe,
                    uint64_t now_ns, const char *why)
{
    breaker *item = find(all, executable, profile);
    item = item != NULL ? item : create(all, executable, profile, now_ns);
    if (item == NULL) {
        return; /* no memory: not counted */
    }
    item->failed_ns[item->failures++ % BREAKER_FAILURES] = now_ns > 0 ? now_ns : 1;
    snprintf(item->reason, sizeof item->reason, "%s", why);
    if ((item->state == BREAKER_HALF_OPEN && probe) ||
        (item->state == BREAKER_CLOSED && is_too_much(item, now_ns))) {
        open_it(all, item, now_ns);
    }
}

void breaker_succeeded(breakers *all, const char *executable, const char *profile, bool probe)
{
    breaker *item = find(all, executable, profile);
    if (item != NULL && (probe || item->state == BREAKER_CLOSED)) {
        breaker_set_state(item, BREAKER_CLOSED, "it works");
        discard(all, item);
    }
}

void breaker_abandoned(breakers *all, const char *executable, const char *profile)
{
    breaker *item = find(all, executable, profile);
    if (item != NULL) {
        item->probing = false;
    }
}

json_t *breakers_json(const breakers *all, uint64_t now_ns)
{
    json_t *list = json_array();
    breaker *item;
    DL_FOREACH(all->first, item)
    {
        uint64_t left = item->state == BREAKER_OPEN && item->retry_ns > now_ns
                            ? (item->retry_ns - now_ns) / NS_PER_MS
                            : 0;
        json_array_append_new(
            list, json_pack("{s:s, s:s?, s:s, s:i, s:I, s:s}", "executable", item->executable,
                            "profile", item->profile[0] != '\0' ? item->profile : NULL, "state",
                            state_names[item->state], "failures", (int)item->failures,
                            "retry_in_ms", (json_int_t)left, "reason", item->reason));
    }
    return list;
}

void breakers_fini(breakers *all)
{
    while (all->first != NULL) {
        discard(all, all->first);
    }
}
