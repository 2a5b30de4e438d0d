/* SPDX-License-Identifier: MIT */
/*
 * The frames and workers of a target: Chrome holds each back at birth until its domains are enabled
 * and it is told to go on. Nothing may stay held back: the word to go on is sent whatever becomes
 * of the rest, and again if there was no room for it; if this actor ends first, the browser actor
 * sees to it.
 */
#include "target_state.h"

#include "actors/json_call.h"
#include "transport/json_scan.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define RESUME_AGAIN_MS 50
#define RESUME          "Runtime.runIfWaitingForDebugger"

target_part *target_part_find(const target *state, const char *session)
{
    target_part *found;
    HASH_FIND_STR(state->parts, session, found);
    return found;
}

static void part_free(target *state, target_part *part)
{
    while (part->children != NULL) {
        part_free(state, part->children);
    }
    target_calls_lose(state, part);
    if (part->parent != NULL) {
        DL_DELETE(part->parent->children, part);
    }
    HASH_DEL(state->parts, part);
    free(part);
}

/* Going on --------------------------------------------------------------------------------------
 */

/* The word to go on is under way, or to be sent again; in the target's list. */
typedef struct target_resumption {
    struct target_resumption *prev;
    struct target_resumption *next;
    target *owner;
    char session[CHROME_ID_MAX];
} resumption;

static void resumption_free(resumption *what)
{
    DL_DELETE(what->owner->resumptions, what);
    free(what);
}

static void resume(target *state, const char *session);

static void on_resume_again(troupe_actor *self, void *context)
{
    (void)self;
    resumption *what = context;
    if (target_part_find(what->owner, what->session) != NULL) {
        resume(what->owner, what->session);
    }
    resumption_free(what);
}

/* There was no room for it. */
static void resume_later(resumption *what)
{
    if (troupe_timer_start(what->owner->self, RESUME_AGAIN_MS, 0, on_resume_again, what, NULL) !=
        TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "target", "left-paused", what->owner->id, "out of memory");
        resumption_free(what);
    }
}

static void on_resumed(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    (void)self;
    (void)answer;
    if (error == TROUPE_EBUSY || error == TROUPE_ETIMEOUT) {
        resume_later(context); /* perhaps it was never sent; twice does no harm */
    } else {
        resumption_free(context); /* it goes on, or it is gone */
    }
}

static void resume(target *state, const char *session)
{
    resumption *what = calloc(1, sizeof *what);
    if (what == NULL) {
        troupe_log(TROUPE_LOG_ERROR, "target", "left-paused", state->id, "out of memory");
        return;
    }
    what->owner = state;
    snprintf(what->session, sizeof what->session, "%s", session);
    DL_APPEND(state->resumptions, what);
    troupe_error error = target_command(state, session, RESUME, NULL, 0,
                                        state->host->enable_timeout_ms, on_resumed, what, NULL);
    if (error == TROUPE_EBUSY || error == TROUPE_ENOMEM) {
        resume_later(what);
    } else if (error != TROUPE_OK) {
        resumption_free(what); /* the browser is gone */
    }
}

/* Coming and going ------------------------------------------------------------------------------
 */

static bool copy_member(const char *params, size_t params_len, const char *path, char *to,
                        size_t size)
{
    json_span span;
    const char *text;
    size_t len;
    if (!json_path(params, params_len, path, &span) || !json_plain_string(span, &text, &len) ||
        len >= size) {
        return false;
    }
    memcpy(to, text, len);
    to[len] = '\0';
    return true;
}

void target_part_attached(target *state, const char *above, size_t above_len, const char *params,
                          size_t params_len)
{
    char session[CHROME_ID_MAX];
    char parent[CHROME_ID_MAX];
    if (!copy_member(params, params_len, "sessionId", session, sizeof session) ||
        above_len >= sizeof parent) {
        return; /* not Chrome's */
    }
    memcpy(parent, above, above_len);
    parent[above_len] = '\0';
    target_part *part = target_part_find(state, session);
    if (part != NULL) {
        part_free(state, part);
    }
    part = calloc(1, sizeof *part);
    if (part != NULL) {
        memcpy(part->session, session, sizeof part->session);
        (void)copy_member(params, params_len, "targetInfo.targetId", part->chrome_id,
                          sizeof part->chrome_id);
        (void)copy_member(params, params_len, "targetInfo.type", part->type, sizeof part->type);
        part->parent = target_part_find(state, parent);
        if (part->parent != NULL) {
            DL_APPEND(part->parent->children, part);
        }
        HASH_ADD_STR(state->parts, session, part);
        target_enable_part(state, part);
    }
    resume(state, session);
}

bool target_part_detached(target *state, const char *params, size_t params_len)
{
    char session[CHROME_ID_MAX];
    target_part *part = copy_member(params, params_len, "sessionId", session, sizeof session)
                            ? target_part_find(state, session)
                            : NULL;
    if (part != NULL) {
        part_free(state, part);
    }
    return part != NULL;
}

void target_parts_fini(target *state)
{
    target_part *part;
    target_part *next;
    HASH_ITER(hh, state->parts, part, next)
    {
        HASH_DEL(state->parts, part);
        free(part);
    }
    while (state->resumptions != NULL) {
        resumption_free(state->resumptions);
    }
}
