/* SPDX-License-Identifier: MIT */
/*
 * The browser actor's targets: their actors and sessions. What is posted to them is in
 * browser_hold.c, what others are told of them in browser_notices.c.
 */
#include "browser_state.h"

#include "actors/verbs.h"
#include "target.h"

#include <stdio.h>
#include <stdlib.h>

bool browser_member_string(json_span object, const char *key, const char **text, size_t *len)
{
    json_span span;
    return json_path(object.data, object.len, key, &span) && json_plain_string(span, text, len);
}

/* The target that `info` (Chrome's TargetInfo) is about; added when it is new. NULL: not usable. */
roster_target *browser_note_target(browser *state, json_span info)
{
    const char *id;
    size_t len;
    if (!browser_member_string(info, "targetId", &id, &len)) {
        return NULL;
    }
    roster_target *target = roster_find(&state->roster, id, len);
    if (target == NULL) {
        target = roster_add(&state->roster, state->id, id, len);
    }
    const char *type;
    if (target != NULL && browser_member_string(info, "type", &type, &len)) {
        snprintf(target->type, sizeof target->type, "%.*s", (int)len, type);
    }
    return target;
}

void browser_on_target_info(browser *state, const cdp_message *event)
{
    json_span info;
    if (!json_member(event->params.data, event->params.len, "targetInfo", &info)) {
        return;
    }
    roster_target *target = browser_note_target(state, info);
    if (target != NULL) {
        browser_tell_info(state, target, info);
    }
}

static void forget_destroyed(browser *state, roster_target *target)
{
    browser_tell_destroyed(state, target);
    roster_remove(&state->roster, target);
}

void browser_on_target_destroyed(browser *state, const cdp_message *event)
{
    const char *id;
    size_t len;
    roster_target *target = NULL;
    if (browser_member_string(event->params, "targetId", &id, &len)) {
        target = roster_find(&state->roster, id, len);
    }
    if (target == NULL) {
        return;
    }
    if (target->actor != 0) {
        target->destroyed = true; /* removed when its actor has ended */
        troupe_stop(troupe_self_system(state->self), target->actor, TROUPE_STOP_DRAIN);
        return;
    }
    forget_destroyed(state, target);
}

/* Chrome's words for how it ended: "crashed", "oom", "killed" … */
void browser_on_target_crashed(browser *state, const cdp_message *event)
{
    const char *id, *status;
    size_t len, status_len;
    roster_target *target = NULL;
    if (browser_member_string(event->params, "targetId", &id, &len) &&
        browser_member_string(event->params, "status", &status, &status_len)) {
        target = roster_find(&state->roster, id, len);
    }
    if (target != NULL) {
        browser_tell_crashed(state, target, status, status_len);
    }
}

void browser_on_inspector(browser *state, roster_target *owner, const cdp_message *event)
{
    bool back = cdp_is(event, "Inspector.targetReloadedAfterCrash");
    if (!back && !cdp_is(event, "Inspector.targetCrashed")) {
        return;
    }
    roster_session *session =
        roster_find_session(&state->roster, event->session, event->session_len);
    if (session->parent == NULL) {
        owner->steps += back ? 1 : 0;
    } else if (session->target != NULL && session->target->part == session) {
        session->target->epoch += back ? 1 : 0;
        browser_tell_part(state, session->target, owner, session->id,
                          back ? "connected" : "crashed");
    }
}

static troupe_error spawn_target(browser *state, roster_target *target)
{
    target_spec spec = {.host = state->host,
                        .id = target->id,
                        .chrome_id = target->chrome_id,
                        .uid = state->uid,
                        .type = target->type,
                        .session = target->session,
                        .browser = troupe_self_address(state->self),
                        .epoch = target->epoch};
    troupe_spawn_options options = {0};
    troupe_address actor;
    troupe_error error = target_prepare(&spec, &options);
    if (error != TROUPE_OK) {
        return error;
    }
    options.monitor = troupe_self_address(state->self);
    troupe_flush(state->self); /* what was told about it comes before what it tells itself */
    error = troupe_spawn(troupe_self_system(state->self), &options, &actor);
    if (error == TROUPE_OK) {
        roster_set_actor(&state->roster, target, actor);
    } else {
        free(options.state);
    }
    return error;
}

/* parent NULL: of the browser itself. Chrome knows a session only where it was attached. */
static void detach_session(browser *state, const char *parent, const char *session)
{
    char params[CHROME_ID_MAX + 32];
    snprintf(params, sizeof params, "{\"sessionId\":\"%.*s\"}", CHROME_ID_MAX, session);
    browser_send_session(state, parent, "Target.detachFromTarget", params, browser_ignore_answer,
                         "Target.detachFromTarget");
}

static void resume_session(browser *state, const char *session)
{
    browser_send_session(state, session, "Runtime.runIfWaitingForDebugger", NULL,
                         browser_ignore_answer, "Runtime.runIfWaitingForDebugger");
}

/* Not wanted: it is to go on without us. */
static void refuse_session(browser *state, const char *parent, const char *session, bool paused)
{
    if (paused) {
        resume_session(state, session);
    }
    detach_session(state, parent, session);
}

/* What Chrome held back at birth goes on, whatever becomes of who was to see to it. */
static void resume_below(browser *state, const roster_session *session)
{
    if (session->paused) {
        resume_session(state, session->id);
    }
    for (const roster_session *each = session->children; each != NULL; each = each->next) {
        resume_below(state, each);
    }
}

typedef struct attachment {
    char session[CHROME_ID_MAX];
    json_span info;
    bool paused;
} attachment;

static bool read_attachment(const cdp_message *event, attachment *out)
{
    const char *session;
    size_t len;
    json_span paused;
    if (!browser_member_string(event->params, "sessionId", &session, &len) ||
        len >= sizeof out->session ||
        !json_member(event->params.data, event->params.len, "targetInfo", &out->info)) {
        return false; /* not Chrome's */
    }
    memcpy(out->session, session, len);
    out->session[len] = '\0';
    out->paused =
        json_member(event->params.data, event->params.len, "waitingForDebugger", &paused) &&
        paused.len == 4 && memcmp(paused.data, "true", 4) == 0;
    return true;
}

void browser_refuse_session(browser *state, const char *parent, const cdp_message *attached)
{
    attachment what;
    if (read_attachment(attached, &what)) {
        refuse_session(state, parent, what.session, what.paused);
    }
}

/* A target of the browser itself was attached: it gets its actor. */
static void on_root_attached(browser *state, const attachment *what)
{
    roster_target *target = browser_note_target(state, what->info);
    if (target == NULL || target->actor != 0 || target->part != NULL) {
        refuse_session(state, NULL, what->session, what->paused);
        return;
    }
    browser_tell_info(state, target, what->info);
    browser_tell_connecting(state, target);
    memcpy(target->session, what->session, sizeof target->session);
    troupe_error error = TROUPE_ENOMEM;
    roster_session *session = roster_add_session(&state->roster, what->session,
                                                 strlen(what->session), target, target, NULL);
    if (session != NULL) {
        session->paused = what->paused;
        error = spawn_target(state, target);
    }
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "browser", "target-not-started", target->id, "%s",
                   troupe_error_text(error));
        roster_drop_sessions(&state->roster, target);
        target->session[0] = '\0';
        refuse_session(state, NULL, what->session, what->paused);
        browser_tell_ended(state, target, error);
    }
}

/* A frame or worker of a connected target: its actor owns the session. */
static roster_target *on_part_attached(browser *state, const cdp_message *event,
                                       const attachment *what)
{
    roster_session *parent =
        roster_find_session(&state->roster, event->session, event->session_len);
    roster_target *target = parent != NULL ? browser_note_target(state, what->info) : NULL;
    roster_session *session = NULL;
    if (target != NULL && target->actor == 0) { /* connected by itself: seen already */
        session = roster_add_session(&state->roster, what->session, strlen(what->session),
                                     parent->owner, target, parent);
    }
    if (session == NULL) {
        char above[CHROME_ID_MAX];
        snprintf(above, sizeof above, "%.*s", (int)event->session_len, event->session);
        refuse_session(state, above, what->session, what->paused);
        return NULL;
    }
    session->paused = what->paused;
    roster_set_part(target, session);
    target->epoch++;
    browser_tell_info(state, target, what->info);
    browser_tell_part(state, target, parent->owner, session->id, "connected");
    return parent->owner;
}

/* Returns the target whose actor is to see this event too: the owner of the parent session. */
roster_target *browser_on_attached(browser *state, const cdp_message *event)
{
    attachment what;
    if (!read_attachment(event, &what)) {
        return NULL;
    }
    if (event->session != NULL) {
        return on_part_attached(state, event, &what);
    }
    on_root_attached(state, &what);
    return NULL;
}

roster_target *browser_on_detached(browser *state, const cdp_message *event)
{
    const char *session;
    size_t len;
    if (!browser_member_string(event->params, "sessionId", &session, &len)) {
        return NULL;
    }
    roster_target *owner = roster_owner(&state->roster, session, len);
    roster_remove_session(&state->roster, session, len);
    return owner;
}

void browser_on_target_step(browser *state, const troupe_envelope *call)
{
    roster_target *target = roster_find_actor(&state->roster, call->from);
    troupe_bytes nil = {NULL, 0};
    if (target != NULL) {
        target->steps++;
        troupe_reply(state->self, troupe_caller_of(call), nil);
    } else {
        troupe_fault(state->self, troupe_caller_of(call), TROUPE_EGONE, NULL, NULL);
    }
}

/* A target actor ended: forget its sessions; let go of the page if Chrome still has it attached. */
void browser_on_target_down(browser *state, const troupe_down *down)
{
    roster_target *target = roster_find_actor(&state->roster, down->address);
    if (target == NULL) {
        return;
    }
    const roster_session *session =
        roster_find_session(&state->roster, target->session, strlen(target->session));
    if (session != NULL && session->owner == target) {
        resume_below(state, session);
        detach_session(state, NULL, target->session);
    }
    roster_drop_sessions(&state->roster, target);
    roster_set_actor(&state->roster, target, 0);
    target->session[0] = '\0';
    target->epoch += 2 + target->steps; /* connected, its further steps, its end */
    target->steps = 0;
    roster_let_go(&state->roster, target);
    if (target->destroyed) {
        forget_destroyed(state, target);
    } else {
        browser_tell_ended(state, target, down->reason);
    }
    browser_hold_review(state);
}
