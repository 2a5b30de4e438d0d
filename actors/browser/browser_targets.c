/* SPDX-License-Identifier: MIT */
/*
 * The browser actor's targets: their actors, and what connections is told. What is posted to them
 * is in browser_hold.c.
 */
#include "browser_state.h"

#include "actors/verbs.h"
#include "target.h"

#include <stdio.h>
#include <stdlib.h>

/* To connections ---------------------------------------------------------------------------- */

static void tell(browser *state, const char *name, const char *verb, troupe_buffer *payload)
{
    troupe_error error = TROUPE_EUNAVAILABLE;
    troupe_address to = troupe_whereis(troupe_self_system(state->self), name);
    if (to != 0) {
        error = troupe_post(state->self, to, TROUPE_CAST, verb, NULL, troupe_buffer_bytes(payload));
    }
    if (error != TROUPE_OK && to != 0) {
        troupe_log(TROUPE_LOG_WARN, "browser", "notice-lost", state->id, "%s to %s: %s", verb, name,
                   troupe_error_text(error));
    }
    troupe_buffer_fini(payload);
}

void browser_tell_up(browser *state, const char *name)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:U,s:s,s:s,s:s,s:I}", "browser", state->id, "uid", state->uid,
                "address", troupe_self_address(state->self), "origin",
                state->launched ? "launched" : "attached", "product", state->product, "endpoint",
                state->url[0] != '\0' ? state->url : "pipe", "pid", (int64_t)state->pid);
    tell(state, name, VERB_BROWSER_UP, &payload);
}

static void tell_info(browser *state, const roster_target *target, json_span info)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:j#}", "browser", state->id, "uid", state->uid, "target",
                target->id, "info", info.data, info.len);
    tell(state, NAME_CONNECTIONS, VERB_TARGET_INFO, &payload);
}

static void tell_connecting(browser *state, const roster_target *target)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:i,s:s,s:U}", "target", target->id, "address", 0, "state",
                "connecting", "epoch", target->epoch);
    tell(state, NAME_CONNECTIONS, VERB_TARGET_STATE, &payload);
}

static void tell_ended(browser *state, const roster_target *target, troupe_error reason)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:U,s:s}", "target", target->id, "epoch", target->epoch, "reason",
                troupe_error_name(reason));
    tell(state, NAME_CONNECTIONS, VERB_TARGET_ENDED, &payload);
}

/* Targets ----------------------------------------------------------------------------------- */

bool browser_member_string(json_span object, const char *key, const char **text, size_t *len)
{
    json_span span;
    return json_path(object.data, object.len, key, &span) && json_plain_string(span, text, len);
}

/* The target that `info` (Chrome's TargetInfo) is about; added when it is new. NULL: not usable. */
static roster_target *note_target(browser *state, json_span info)
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
    roster_target *target = note_target(state, info);
    if (target != NULL) {
        tell_info(state, target, info);
    }
}

static void forget_destroyed(browser *state, roster_target *target)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s}", "browser", state->id, "target", target->id);
    tell(state, NAME_CONNECTIONS, VERB_TARGET_DESTROYED, &payload);
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
    troupe_error error = target_prepare(&spec, &options);
    if (error != TROUPE_OK) {
        return error;
    }
    options.monitor = troupe_self_address(state->self);
    troupe_flush(state->self); /* what was told about it comes before what it tells itself */
    troupe_address actor = 0;
    error = troupe_spawn(troupe_self_system(state->self), &options, &actor);
    if (error == TROUPE_OK) {
        roster_set_actor(&state->roster, target, actor);
    } else {
        free(options.state);
    }
    return error;
}

static void detach_session(browser *state, const char *session, size_t len)
{
    char params[CHROME_ID_MAX + 32];
    snprintf(params, sizeof params, "{\"sessionId\":\"%.*s\"}", (int)len, session);
    browser_send_own(state, "Target.detachFromTarget", params, browser_ignore_answer,
                     "Target.detachFromTarget");
}

/* A target of the browser itself was attached: it gets its actor. */
static void on_root_attached(browser *state, json_span info, const char *session, size_t len)
{
    roster_target *target = note_target(state, info);
    if (len >= sizeof target->session) {
        return; /* not Chrome's */
    }
    if (target == NULL || target->actor != 0) {
        detach_session(state, session, len);
        return;
    }
    tell_info(state, target, info);
    tell_connecting(state, target);
    snprintf(target->session, sizeof target->session, "%.*s", (int)len, session);
    troupe_error error = TROUPE_ENOMEM;
    if (roster_add_session(&state->roster, session, len, target)) {
        error = spawn_target(state, target);
    }
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "browser", "target-not-started", target->id, "%s",
                   troupe_error_text(error));
        roster_drop_sessions(&state->roster, target);
        target->session[0] = '\0';
        detach_session(state, session, len);
        tell_ended(state, target, error);
    }
}

/* Returns the target whose actor is to see this event too: the owner of the parent session. */
roster_target *browser_on_attached(browser *state, const cdp_message *event)
{
    json_span info;
    const char *session;
    size_t len;
    if (!browser_member_string(event->params, "sessionId", &session, &len) ||
        !json_member(event->params.data, event->params.len, "targetInfo", &info)) {
        return NULL;
    }
    if (event->session == NULL) {
        on_root_attached(state, info, session, len);
        return NULL;
    }
    roster_target *owner = roster_owner(&state->roster, event->session, event->session_len);
    if (owner != NULL) {
        roster_add_session(&state->roster, session, len, owner);
    }
    return owner;
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

/* A target actor ended: forget its sessions; let go of the page if Chrome still has it attached. */
void browser_on_target_down(browser *state, const troupe_down *down)
{
    roster_target *target = roster_find_actor(&state->roster, down->address);
    if (target == NULL) {
        return;
    }
    if (roster_owner(&state->roster, target->session, strlen(target->session)) != NULL) {
        detach_session(state, target->session, strlen(target->session));
    }
    roster_drop_sessions(&state->roster, target);
    roster_set_actor(&state->roster, target, 0);
    target->session[0] = '\0';
    target->epoch += 2 + target->reloads; /* the actor's own steps, and one for its end */
    target->reloads = 0;
    roster_let_go(&state->roster, target);
    if (target->destroyed) {
        forget_destroyed(state, target);
    } else {
        tell_ended(state, target, down->reason);
    }
    browser_hold_review(state);
}
