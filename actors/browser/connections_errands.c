/* SPDX-License-Identifier: MIT */
/*
 * Errands of connections: calls that are answered later. Connect, disconnect, close and activate;
 * to open a page has a file of its own (connections_open.c).
 */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"
#include "misfortune.h"
#include "runtime/text.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define ATTACH_TIMEOUT_MS 15000
#define CLOSE_WAIT_MS     3000 /* for the end of a page that Chrome has agreed to close */

/* Errands ----------------------------------------------------------------------------------- */

errand *errand_new(connections *state, const troupe_envelope *call, errand_kind kind,
                   json_t *params)
{
    errand *item = calloc(1, sizeof *item);
    if (item == NULL) {
        troupe_fault(state->self, troupe_caller_of(call), TROUPE_ENOMEM, NULL, NULL);
        return NULL;
    }
    item->owner = state;
    item->caller = troupe_caller_of(call);
    item->kind = kind;
    item->params = json_incref(params);
    item->timeout_ms = call->meta.timeout_ms != 0 ? call->meta.timeout_ms : 30000;
    item->deadline_ns = troupe_now_ns(state->self) + (uint64_t)item->timeout_ms * 1000000u;
    DL_APPEND(state->errands, item);
    return item;
}

/* It no longer waits for anything. */
static void stop_waiting(errand *item)
{
    const char *id;
    json_t *value;
    json_object_foreach(item->waiting, id, value)
    {
        member *who = member_find(item->owner, id);
        if (who != NULL) {
            who->awaited--;
        }
    }
    member *who = item->awaits ? member_find(item->owner, item->target) : NULL;
    if (who != NULL) {
        who->awaited--;
    }
}

void errand_wait_for(errand *item, member *who)
{
    if (json_object_get(item->waiting, who->id) == NULL) {
        json_object_set_new(item->waiting, who->id, json_true());
        who->awaited++;
    }
}

void errand_waited_for(errand *item, member *who)
{
    if (json_object_get(item->waiting, who->id) != NULL) {
        json_object_del(item->waiting, who->id);
        who->awaited--;
    }
}

/* The errand's target is that member, and it waits for it. */
static void aim(errand *item, member *who)
{
    if (!item->awaits) {
        memcpy(item->target, who->id, sizeof item->target);
        item->awaits = true;
        who->awaited++;
    }
}

void errand_free(errand *item)
{
    troupe_timer_cancel(item->owner->self, item->timer);
    stop_waiting(item);
    DL_DELETE(item->owner->errands, item);
    json_decref(item->params);
    json_decref(item->list);
    json_decref(item->waiting);
    json_decref(item->ids);
    free(item);
}

void errand_fault(errand *item, troupe_error error, const char *why)
{
    troupe_fault(item->owner->self, item->caller, error, NULL, "%s", why);
    errand_free(item);
}

void connections_errands_fini(connections *state)
{
    while (state->errands != NULL) {
        errand_free(state->errands);
    }
}

/* Commands to a browser --------------------------------------------------------------------- */

troupe_error connections_command(connections *state, troupe_address browser, const char *method,
                                 json_t *params, uint32_t timeout_ms, troupe_answer_fn fn,
                                 void *context)
{
    char *text = json_dumps(params, JSON_COMPACT);
    json_decref(params);
    troupe_buffer payload = {0};
    troupe_error error = text == NULL
                             ? TROUPE_ENOMEM
                             : troupe_pack(&payload, "[s,n,j#]", method, text, strlen(text));
    if (error == TROUPE_OK) {
        error = troupe_call(state->self, browser, VERB_BROWSER_COMMAND, NULL,
                            troupe_buffer_bytes(&payload), timeout_ms, fn, context, NULL);
    }
    troupe_buffer_fini(&payload);
    free(text);
    return error;
}

static troupe_address browser_of(connections *state, const member *item)
{
    stage *browser = stage_find(state, item->browser);
    return browser != NULL ? browser->address : 0;
}

/* Connect ----------------------------------------------------------------------------------- */

static void answer_connected(errand *item, const member *who, bool already)
{
    json_t *result = member_json(item->owner, who);
    if (already) {
        json_object_set_new(result, "already_connected", json_true());
    }
    json_reply(item->owner->self, item->caller, result);
    errand_free(item);
}

/* Chrome refused to attach; when it agrees, the target's actor tells (connections_settle). */
static void on_attach(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)self;
    errand *item = context; /* an ERRAND_ANSWER of its own: callers may have gone meanwhile */
    connections *state = item->owner;
    if (error != TROUPE_OK) {
        troupe_fault_view fault = {.message = ""};
        if (answer != NULL) {
            troupe_fault_read(answer, &fault);
        }
        troupe_log(TROUPE_LOG_WARN, "connections", "attach-failed", item->target, "%.*s",
                   (int)fault.message_len, fault.message);
        misfortune_tell(state->self, item->target, "not attached: %.*s", (int)fault.message_len,
                        fault.message);
        member *who = member_find(state, item->target);
        if (who != NULL && who->state == MEMBER_CONNECTING && who->address == 0) {
            char why[200];
            snprintf(why, sizeof why, "not attached: %.*s", (int)fault.message_len, fault.message);
            text_repair(why);
            member_set_state(state, who, MEMBER_AVAILABLE,
                             answer != NULL ? why : troupe_error_text(error));
            connections_settle(state, who, error);
        }
    }
    errand_free(item);
}

/* TROUPE_OK: on_attach or the target's actor will tell how it went. */
static troupe_error begin_attach(connections *state, member *who)
{
    static const troupe_envelope nobody = {.kind = TROUPE_CAST};
    errand *item = errand_new(state, &nobody, ERRAND_ANSWER, NULL);
    if (item == NULL) {
        return TROUPE_ENOMEM;
    }
    memcpy(item->target, who->id, sizeof item->target);
    troupe_error error =
        connections_command(state, browser_of(state, who), "Target.attachToTarget",
                            json_pack("{s:s, s:b}", "targetId", who->chrome_id, "flatten", true),
                            ATTACH_TIMEOUT_MS, on_attach, item);
    if (error != TROUPE_OK) {
        errand_free(item);
        return error;
    }
    who->state = MEMBER_CONNECTING;
    who->address = 0;
    return TROUPE_OK;
}

troupe_error connections_attach(connections *state, member *who)
{
    troupe_error error = begin_attach(state, who);
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "connections", "attach-failed", who->id, "%s",
                   troupe_error_text(error));
    }
    return error;
}

static void not_connected(errand *item, const member *who, troupe_error error)
{
    char why[TARGET_ID_MAX + 300];
    snprintf(why, sizeof why, "%s could not be connected: %s", who->id,
             who->reason != NULL ? who->reason : troupe_error_text(error));
    errand_fault(item, error == TROUPE_EGONE ? TROUPE_EGONE : TROUPE_ENOTCONNECTED, why);
}

bool member_is_free(const member *who)
{
    bool crashed = who->state == MEMBER_CRASHED && who->address == 0; /* nobody was connected */
    return who->state == MEMBER_AVAILABLE || (crashed && who->parent == NULL);
}

/* Has the errand wait for the member to be connected; begins what is needed for that. */
void errand_await(errand *item, member *who)
{
    aim(item, who);
    if (who->state == MEMBER_DISCONNECTING) {
        item->retry = true;
    } else if (who->state == MEMBER_GONE) {
        not_connected(item, who, TROUPE_EGONE);
    } else if (member_is_free(who)) {
        troupe_error error = begin_attach(item->owner, who);
        if (error != TROUPE_OK) {
            not_connected(item, who, error);
        }
    }
}

bool member_is_attached(const member *who)
{
    return who->state == MEMBER_CONNECTED || who->state == MEMBER_SUSPENDED ||
           (who->state == MEMBER_CRASHED && (who->address != 0 || who->parent != NULL));
}

void connections_connect(connections *state, const troupe_envelope *call, json_t *params)
{
    if (connections_means_several(params)) {
        connections_connect_several(state, call, params);
        return;
    }
    member *who = connections_named(state, troupe_caller_of(call), params, true);
    errand *item = who != NULL ? errand_new(state, call, ERRAND_CONNECT, params) : NULL;
    if (item == NULL) {
        return;
    }
    if (member_is_attached(who)) {
        answer_connected(item, who, true);
        return;
    }
    errand_await(item, who);
}

static void settle_connect(errand *item, member *who, troupe_error error)
{
    if (error == TROUPE_OK && who->state == MEMBER_DISCONNECTING) {
        item->retry = true; /* who came between wanted it let go */
    } else if (error == TROUPE_OK && item->kind == ERRAND_OPEN) {
        errand_navigate(item, who);
    } else if (error == TROUPE_OK) {
        answer_connected(item, who, false);
    } else if (item->retry && error != TROUPE_EGONE) {
        item->retry = false;
        errand_await(item, who); /* another errand may have begun already */
    } else {
        not_connected(item, who, error);
    }
}

void errand_ignore(troupe_actor *self, void *context, troupe_error error,
                   const troupe_envelope *answer)
{
    (void)self;
    (void)context;
    (void)error;
    (void)answer;
}

bool connections_detach(connections *state, member *who)
{
    if (!member_is_attached(who) || who->parent != NULL) {
        return false;
    }
    who->state = MEMBER_DISCONNECTING;
    connections_changed(state);
    troupe_bytes nil = {NULL, 0};
    troupe_error error = troupe_call(state->self, who->address, VERB_TARGET_DETACH, NULL, nil,
                                     ATTACH_TIMEOUT_MS, errand_ignore, NULL, NULL);
    if (error == TROUPE_EBUSY || error == TROUPE_ENOMEM) {
        (void)troupe_stop(troupe_self_system(state->self), who->address, TROUPE_STOP_NOW);
    }
    return true;
}

static void settle_disconnect(errand *item, member *who, troupe_error error)
{
    if (json_object_get(item->waiting, who->id) == NULL) {
        return;
    }
    if (error == TROUPE_OK) { /* it was being connected: now it can be let go */
        (void)connections_detach(item->owner, who);
        return;
    }
    errand_waited_for(item, who);
    json_array_append_new(item->list, json_string(who->id));
    if (json_object_size(item->waiting) == 0) {
        json_reply(item->owner->self, item->caller, json_pack("{s:O}", "disconnected", item->list));
        errand_free(item);
    }
}

static void answer_done(errand *item)
{
    json_reply(item->owner->self, item->caller,
               json_pack("{s:s, s:b}", "target", item->target, "done", true));
    errand_free(item);
}

void connections_settle(connections *state, member *who, troupe_error error)
{
    errand *item;
    errand *next;
    if (who->awaited == 0) {
        return;
    }
    DL_FOREACH_SAFE(state->errands, item, next)
    {
        if (item->kind == ERRAND_SEVERAL) {
            errand_settle_several(item, who, error);
        } else if (item->kind == ERRAND_DISCONNECT) {
            settle_disconnect(item, who, error);
        } else if (item->kind == ERRAND_CLOSE && error == TROUPE_EGONE &&
                   strcmp(item->target, who->id) == 0) {
            answer_done(item);
        } else if ((item->kind == ERRAND_CONNECT || item->kind == ERRAND_OPEN) &&
                   strcmp(item->target, who->id) == 0) {
            settle_connect(item, who, error);
        }
    }
}

/* Disconnect -------------------------------------------------------------------------------- */

/* For a disconnect: it waits for this member to be let go, first for it to be connected if that is
 * under way. */
static void let_go(connections *state, errand *item, member *who)
{
    who->restore = false;
    if (who->state == MEMBER_AVAILABLE || who->state == MEMBER_GONE || who->parent != NULL ||
        (who->state == MEMBER_CRASHED && who->address == 0)) {
        return;
    }
    errand_wait_for(item, who);
    if (who->state != MEMBER_CONNECTING) {
        (void)connections_detach(state, who);
    }
}

/* The members that `target` names: a string, a list, "*", or nothing: all. false: fault answered.
 */
static bool let_go_named(connections *state, errand *item, json_t *target)
{
    const char *text = json_string_value(target);
    if (target == NULL || json_is_null(target) || (text != NULL && strcmp(text, "*") == 0)) {
        for (member *who = state->members; who != NULL; who = who->hh.next) {
            let_go(state, item, who);
        }
        return true;
    }
    member *found[CONNECTIONS_NAMED_MAX];
    size_t count;
    if (!connections_all_named(state, item->caller, target, found, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (found[i]->parent != NULL) {
            troupe_fault(state->self, item->caller, TROUPE_ESTATE, NULL,
                         "%s is a part of %s: disconnect that one", found[i]->id, found[i]->parent);
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        let_go(state, item, found[i]);
    }
    return true;
}

void connections_disconnect(connections *state, const troupe_envelope *call, json_t *params)
{
    errand *item = errand_new(state, call, ERRAND_DISCONNECT, params);
    if (item == NULL) {
        return;
    }
    item->list = json_array();
    item->waiting = json_object();
    if (!let_go_named(state, item, json_object_get(params, "target"))) {
        errand_free(item);
    } else if (json_object_size(item->waiting) == 0) {
        json_reply(state->self, item->caller, json_pack("{s:[]}", "disconnected"));
        errand_free(item);
    }
}

/* Close, activate --------------------------------------------------------------------------- */

static void on_activated(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *answer)
{
    errand *item = context;
    if (error == TROUPE_OK) {
        answer_done(item);
        return;
    }
    json_fault_forward(self, item->caller, error, answer);
    errand_free(item);
}

static void on_close_slow(troupe_actor *self, void *context)
{
    (void)self;
    errand *item = context;
    item->timer = 0;
    answer_done(item);
}

/* Chrome agreed; the page ends a little later, or asks its user first (beforeunload). */
static void on_closed(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    errand *item = context;
    member *who = member_find(item->owner, item->target);
    if (error == TROUPE_OK && who != NULL &&
        troupe_timer_start(self, CLOSE_WAIT_MS, 0, on_close_slow, item, &item->timer) ==
            TROUPE_OK) {
        item->kind = ERRAND_CLOSE;
        aim(item, who);
    } else {
        on_activated(self, item, error, answer);
    }
}

static void run_on_browser(connections *state, const troupe_envelope *call, json_t *params,
                           const char *method, troupe_answer_fn fn)
{
    member *who = connections_named(state, troupe_caller_of(call), params, true);
    errand *item = who != NULL ? errand_new(state, call, ERRAND_ANSWER, params) : NULL;
    if (item == NULL) {
        return;
    }
    memcpy(item->target, who->id, sizeof item->target);
    troupe_error error = connections_command(state, browser_of(state, who), method,
                                             json_pack("{s:s}", "targetId", who->chrome_id),
                                             item->timeout_ms, fn, item);
    if (error != TROUPE_OK) {
        errand_fault(item, error, troupe_error_text(error));
    }
}

void connections_close(connections *state, const troupe_envelope *call, json_t *params)
{
    run_on_browser(state, call, params, "Target.closeTarget", on_closed);
}

void connections_activate(connections *state, const troupe_envelope *call, json_t *params)
{
    run_on_browser(state, call, params, "Target.activateTarget", on_activated);
}
