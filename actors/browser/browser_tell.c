/* SPDX-License-Identifier: MIT */
/*
 * The browser actor's way to those who follow it: connections and the launcher. A notice for which
 * there is no room is kept, and all after it, until there is: who missed that a target ended or
 * came would never learn it.
 */
#include "browser_state.h"

#include "actors/verbs.h"

#include <stdlib.h>

/* Beyond this notices are lost: their receiver will not take any more. */
#define KEPT_BYTES_MAX ((size_t)32 << 20)

struct browser_notice {
    struct browser_notice *next;
    const char *name; /* whom it is for */
    const char *verb;
    size_t len;
    uint8_t payload[];
};

/* TROUPE_EBUSY: told by `room` when to try again. */
static troupe_error post(browser *state, const char *name, const char *verb, troupe_bytes payload)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), name);
    if (to == 0) {
        return TROUPE_OK; /* it asks for all of it when it is there */
    }
    troupe_error error = troupe_post(state->self, to, TROUPE_CAST, verb, NULL, payload);
    if (error != TROUPE_EBUSY) {
        return error;
    }
    error = troupe_await_room(state->self, to);
    return error == TROUPE_OK ? TROUPE_EBUSY : error;
}

static void log_lost(const browser *state, const char *name, const char *verb, troupe_error error)
{
    troupe_log(TROUPE_LOG_WARN, "browser", "notice-lost", state->id, "%s to %s: %s", verb, name,
               troupe_error_text(error));
}

static troupe_error keep(browser *state, const char *name, const char *verb, troupe_bytes payload)
{
    browser_notices *kept = &state->notices;
    size_t size = sizeof(struct browser_notice) + payload.len;
    struct browser_notice *item = kept->bytes + size <= KEPT_BYTES_MAX ? malloc(size) : NULL;
    if (item == NULL) {
        return TROUPE_EBUSY;
    }
    *item = (struct browser_notice){.name = name, .verb = verb, .len = payload.len};
    memcpy(item->payload, payload.data, payload.len);
    if (kept->last != NULL) {
        kept->last->next = item;
    } else {
        kept->first = item;
    }
    kept->last = item;
    kept->bytes += size;
    return TROUPE_OK;
}

static void drop_first(browser_notices *kept)
{
    struct browser_notice *item = kept->first;
    kept->first = item->next;
    kept->last = kept->first != NULL ? kept->last : NULL;
    kept->bytes -= sizeof *item + item->len;
    free(item);
}

void browser_tell(browser *state, const char *name, const char *verb, troupe_buffer *payload)
{
    troupe_bytes bytes = troupe_buffer_bytes(payload);
    troupe_error error = TROUPE_EBUSY;
    if (state->notices.first == NULL) {
        error = post(state, name, verb, bytes);
    }
    if (error == TROUPE_EBUSY) {
        error = keep(state, name, verb, bytes);
    }
    if (error != TROUPE_OK) {
        log_lost(state, name, verb, error);
    }
    troupe_buffer_fini(payload);
}

/* Theirs may have overtaken what was kept, and meant nothing then. */
static void have_targets_report(browser *state)
{
    const roster_target *each = state->roster.targets;
    troupe_bytes nil = {NULL, 0};
    for (; each != NULL; each = each->hh.next) {
        if (each->actor != 0 && troupe_post(state->self, each->actor, TROUPE_CAST,
                                            VERB_TARGET_REPORT, NULL, nil) != TROUPE_OK) {
            log_lost(state, each->id, VERB_TARGET_REPORT, TROUPE_EBUSY);
        }
    }
}

void browser_tell_room(browser *state)
{
    browser_notices *kept = &state->notices;
    if (kept->first == NULL) {
        return;
    }
    while (kept->first != NULL) {
        struct browser_notice *item = kept->first;
        troupe_bytes payload = {item->payload, item->len};
        troupe_error error = post(state, item->name, item->verb, payload);
        if (error == TROUPE_EBUSY) {
            return;
        }
        if (error != TROUPE_OK) {
            log_lost(state, item->name, item->verb, error);
        }
        drop_first(kept);
    }
    troupe_flush(state->self); /* first what was kept, then what the targets say */
    have_targets_report(state);
}

void browser_tell_fini(browser *state)
{
    while (state->notices.first != NULL) {
        drop_first(&state->notices);
    }
}
