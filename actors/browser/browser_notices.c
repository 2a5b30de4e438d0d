/* SPDX-License-Identifier: MIT */
/*
 * What the browser actor tells the launcher and connections: that it is up, and what becomes of its
 * targets. Entering the set of connections comes first: connections knows the ids and epochs that
 * targets had in an earlier connection to the same run of the browser.
 */
#include "browser_state.h"

#include "actors/json_call.h"
#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <uuid/uuid.h>

#define ENTER_TIMEOUT_MS 5000
#define ENTER_AGAIN_MS   100

/* One target ----------------------------------------------------------------------------------- */

void browser_tell_info(browser *state, const roster_target *target, json_span info)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:b,s:j#}", "browser", state->id, "uid", state->uid,
                "target", target->id, "held", (int)(target->actor != 0), "info", info.data,
                info.len);
    browser_tell(state, NAME_CONNECTIONS, VERB_TARGET_INFO, &payload);
}

void browser_tell_destroyed(browser *state, const roster_target *target)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s}", "browser", state->id, "target", target->id);
    browser_tell(state, NAME_CONNECTIONS, VERB_TARGET_DESTROYED, &payload);
}

void browser_tell_crashed(browser *state, const roster_target *target, const char *why, size_t len)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s#}", "target", target->id, "why", why, len);
    browser_tell(state, NAME_CONNECTIONS, VERB_TARGET_CRASHED, &payload);
}

void browser_tell_part(browser *state, const roster_target *target, const roster_target *parent,
                       const char *session, const char *how)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:U}", "target", target->id, "parent",
                parent != NULL ? parent->id : "", "session", session, "state", how, "epoch",
                target->epoch);
    browser_tell(state, NAME_CONNECTIONS, VERB_TARGET_PART, &payload);
}

void browser_tell_connecting(browser *state, const roster_target *target)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:i,s:s,s:U}", "target", target->id, "address", 0, "state",
                "connecting", "epoch", target->epoch);
    browser_tell(state, NAME_CONNECTIONS, VERB_TARGET_STATE, &payload);
}

void browser_tell_ended(browser *state, const roster_target *target, troupe_error reason)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:U,s:s}", "target", target->id, "epoch", target->epoch, "reason",
                troupe_error_name(reason));
    browser_tell(state, NAME_CONNECTIONS, VERB_TARGET_ENDED, &payload);
}

/* A session is about to be forgotten (roster.h): what it was of is on its own again. */
static void on_session_ended(void *context, roster_session *session)
{
    if (session->target != NULL && session->target->part == session) {
        browser_tell_part(context, session->target, NULL, "", "available");
    }
}

/* The browser ---------------------------------------------------------------------------------- */

static void pack_up(browser *state, troupe_buffer *payload)
{
    troupe_pack(payload, "{s:s,s:s,s:U,s:s,s:s,s:s,s:I,s:b}", "browser", state->id, "uid",
                state->uid, "address", troupe_self_address(state->self), "origin",
                state->launched ? "launched" : "attached", "product", state->product, "endpoint",
                state->url[0] != '\0' ? state->url : "pipe", "pid", (int64_t)state->pid, "attach",
                (int)state->attach);
}

static void tell_up(browser *state)
{
    troupe_buffer payload = {0};
    pack_up(state, &payload);
    browser_tell(state, NAME_LAUNCHER, VERB_BROWSER_UP, &payload);
}

static void tell_settled(browser *state)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s}", "browser", state->id, "uid", state->uid);
    browser_tell(state, NAME_CONNECTIONS, VERB_BROWSER_SETTLED, &payload);
}

/* Chrome's name of this run is the last part of its address: ws://HOST:PORT/devtools/browser/RUN.
 */
void browser_identify(browser *state)
{
    const char *run = strstr(state->url, "/devtools/browser/");
    char name[BROWSER_ID_MAX + 40];
    uuid_t uuid;
    if (run == NULL || uuid_parse(run + strlen("/devtools/browser/"), uuid) != 0) {
        return; /* it keeps the random one: another run for all we know */
    }
    int len = snprintf(name, sizeof name, "%s %s", state->id, run + strlen("/devtools/browser/"));
    uuid_generate_sha1(uuid, *uuid_get_template("url"), name, (size_t)len);
    uuid_unparse_lower(uuid, state->uid);
}

static void on_attach_ready(browser *state, void *context, troupe_error error, const char *text,
                            size_t len)
{
    (void)context;
    if (error != TROUPE_OK && error != TROUPE_ECLOSED) {
        troupe_log(TROUPE_LOG_WARN, "browser", "attach-refused", state->id, "%.*s", (int)len, text);
    }
}

/* Those that were there in an earlier connection, and are not any more. */
static void forget_missing(browser *state)
{
    roster_target *target;
    roster_target *next;
    HASH_ITER(hh, state->roster.targets, target, next)
    {
        if (target->type[0] == '\0' && target->actor == 0) { /* nobody told of it */
            roster_remove(&state->roster, target);
        }
    }
}

/* Its targets were announced before this answer: who asked for the browser sees them at once. */
static void on_discovered(browser *state, void *context, troupe_error error, const char *text,
                          size_t len)
{
    (void)context;
    if (error == TROUPE_ECLOSED) {
        return;
    }
    troupe_timer_cancel(state->self, state->start_timer);
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "browser", "discover-refused", state->id, "%.*s", (int)len,
                   text);
    }
    forget_missing(state);
    tell_settled(state);
    tell_up(state);
}

static void discover(browser *state)
{
    browser_send_own(state, "Target.setDiscoverTargets", "{\"discover\":true}", on_discovered,
                     NULL);
    if (state->attach) {
        /* Paused at birth until its actor has enabled the domains: nothing goes unrecorded. */
        browser_send_own(
            state, "Target.setAutoAttach",
            "{\"autoAttach\":true,\"waitForDebuggerOnStart\":true,\"flatten\":true,\"filter\":"
            "[{\"type\":\"page\"},{\"type\":\"service_worker\"},{\"type\":\"shared_worker\"}]}",
            on_attach_ready, NULL);
    }
}

/* Ids and epochs of an earlier connection go on. */
static void take_known(browser *state, const json_t *list)
{
    size_t index;
    json_t *one;
    json_array_foreach(list, index, one)
    {
        const char *chrome_id = json_string_value(json_object_get(one, "chrome_id"));
        const char *id = json_string_value(json_object_get(one, "id"));
        roster_target *target = NULL;
        if (chrome_id != NULL && id != NULL) {
            target = roster_add_known(&state->roster, id, chrome_id, strlen(chrome_id));
        }
        if (target != NULL) {
            target->epoch = (uint64_t)json_integer_value(json_object_get(one, "epoch"));
        }
    }
}

/* Connections is there but has no time: nothing it knows is known here, so nothing can begin. */
static bool ask_again(browser *state, troupe_error error, troupe_timer_fn fn)
{
    if (error != TROUPE_EBUSY && error != TROUPE_ETIMEOUT) {
        return false;
    }
    troupe_log(TROUPE_LOG_WARN, "browser", "not-entered", state->id, "%s; asking again",
               troupe_error_text(error));
    troupe_timer_cancel(state->self, state->start_timer); /* it is not the browser that is slow */
    state->start_timer = 0;
    return troupe_timer_start(state->self, ENTER_AGAIN_MS, 0, fn, state, NULL) == TROUPE_OK;
}

static void on_time_to_enter(troupe_actor *self, void *context)
{
    (void)self;
    browser_discover(context);
}

static void on_entered(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    browser *state = context;
    (void)self;
    if (state->lost || ask_again(state, error, on_time_to_enter)) {
        return;
    }
    if (error == TROUPE_OK) {
        json_t *result = json_payload(answer->payload);
        take_known(state, json_object_get(result, "targets"));
        json_decref(result);
    } else { /* it asks for a report when it is there */
        troupe_log(TROUPE_LOG_WARN, "browser", "not-entered", state->id, "%s",
                   troupe_error_text(error));
    }
    discover(state);
}

static troupe_error enter(browser *state, troupe_answer_fn fn)
{
    troupe_buffer payload = {0};
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_CONNECTIONS);
    pack_up(state, &payload);
    troupe_error error =
        to == 0 ? TROUPE_EGONE
                : troupe_call(state->self, to, VERB_BROWSER_UP, NULL, troupe_buffer_bytes(&payload),
                              ENTER_TIMEOUT_MS, fn, state, NULL);
    troupe_buffer_fini(&payload);
    return error;
}

void browser_discover(browser *state)
{
    if (state->lost) {
        return;
    }
    state->roster.ended = on_session_ended;
    state->roster.context = state;
    troupe_error error = enter(state, on_entered);
    if (error != TROUPE_OK) {
        on_entered(state->self, state, error, NULL);
    }
}

/* Again, to connections that was started anew ----------------------------------------------------
 */

static void report_target(browser *state, const roster_target *target)
{
    if (target->part != NULL) {
        browser_tell_part(state, target, target->part->owner, target->part->id, "connected");
    }
    troupe_bytes nil = {NULL, 0};
    if (target->actor != 0 && troupe_post(state->self, target->actor, TROUPE_CAST,
                                          VERB_TARGET_REPORT, NULL, nil) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "browser", "notice-lost", target->id, "%s", VERB_TARGET_REPORT);
    }
}

static void on_listed(browser *state, void *context, troupe_error error, const char *text,
                      size_t len)
{
    (void)context;
    json_t *answer = error == TROUPE_OK ? json_text(text, len) : NULL;
    size_t index;
    json_t *one;
    json_array_foreach(json_object_get(answer, "targetInfos"), index, one)
    {
        char *dumped = json_dumps(one, JSON_COMPACT);
        json_span info = {dumped, dumped != NULL ? strlen(dumped) : 0};
        roster_target *target = dumped != NULL ? browser_note_target(state, info) : NULL;
        if (target != NULL) {
            browser_tell_info(state, target, info);
            report_target(state, target);
        }
        free(dumped);
    }
    json_decref(answer);
    tell_settled(state);
}

static void on_time_to_report(troupe_actor *self, void *context)
{
    (void)self;
    browser_report(context);
}

static void on_entered_again(troupe_actor *self, void *context, troupe_error error,
                             const troupe_envelope *answer)
{
    browser *state = context;
    (void)self;
    (void)answer;
    if (error == TROUPE_OK && !state->lost) {
        browser_send_own(state, "Target.getTargets", NULL, on_listed, NULL);
    } else if (!state->lost && !ask_again(state, error, on_time_to_report)) {
        troupe_log(TROUPE_LOG_WARN, "browser", "not-entered", state->id, "again: %s",
                   troupe_error_text(error));
    }
}

void browser_report(browser *state)
{
    if (state->product[0] == '\0') {
        return; /* it enters by itself, when its browser has answered */
    }
    troupe_error error = enter(state, on_entered_again);
    if (error != TROUPE_OK) {
        on_entered_again(state->self, state, error, NULL);
    }
}
