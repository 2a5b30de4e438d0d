/* SPDX-License-Identifier: MIT */
/*
 * The RPC methods of the set: who is there, connect, disconnect, open, close, tracked targets; and
 * methods of one target that name it by a prefix or not at all: resolved here and forwarded.
 */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"
#include "troupe/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utlist.h>

#define ATTACH_TIMEOUT_MS 15000
#define LIST_TIMEOUT_MS   5000
#define CLOSE_WAIT_MS     3000 /* for the end of a page that Chrome has agreed to close */

#define NO_BROWSER "no browser is up, and none can be launched"

/* Errands ----------------------------------------------------------------------------------- */

static errand *errand_new(connections *state, const troupe_envelope *call, errand_kind kind,
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

static void errand_free(errand *item)
{
    troupe_timer_cancel(item->owner->self, item->timer);
    DL_DELETE(item->owner->errands, item);
    json_decref(item->params);
    json_decref(item->list);
    json_decref(item->waiting);
    free(item);
}

static void errand_fault(errand *item, troupe_error error, const char *why)
{
    troupe_fault(item->owner->self, item->caller, error, NULL, "%s", why);
    errand_free(item);
}

void connections_methods_fini(connections *state)
{
    while (state->errands != NULL) {
        errand_free(state->errands);
    }
}

/* Resolving --------------------------------------------------------------------------------- */

/* Whether `text` is a beginning of the id, or, without a colon, of the part behind its colon. */
static bool id_matches(const char *id, const char *text)
{
    size_t len = strlen(text);
    const char *brief = strchr(id, ':');
    return strncmp(id, text, len) == 0 ||
           (strchr(text, ':') == NULL && brief != NULL && strncasecmp(brief + 1, text, len) == 0);
}

/* An exact id beats any prefix. Answers the fault, and returns NULL, if there is not just one. */
static member *resolve(connections *state, troupe_caller caller, const char *text)
{
    member *found = member_find(state, text);
    if (found != NULL) {
        return found;
    }
    json_t *matches = json_array();
    for (member *item = state->members; item != NULL && *text != '\0'; item = item->hh.next) {
        if (id_matches(item->id, text)) {
            found = item;
            json_array_append_new(matches, json_string(item->id));
        }
    }
    size_t count = json_array_size(matches);
    if (count == 1) {
        json_decref(matches);
        return found;
    }
    json_fault(state->self, caller, count == 0 ? TROUPE_ENOTFOUND : TROUPE_EPARAMS,
               json_pack("{s:s, s:o}", "target", text, "matches", matches),
               count == 0 ? "no target %s" : "%s is the beginning of several targets", text);
    return NULL;
}

/* The only connected page, when no target is named. */
static member *only_page(connections *state, troupe_caller caller)
{
    member *found = NULL;
    json_t *candidates = json_array();
    for (member *item = state->members; item != NULL; item = item->hh.next) {
        if (item->state == MEMBER_CONNECTED && strcmp(item->type, "page") == 0) {
            found = item;
            json_array_append_new(candidates, json_string(item->id));
        }
    }
    size_t count = json_array_size(candidates);
    if (count == 1) {
        json_decref(candidates);
        return found;
    }
    json_fault(state->self, caller, count == 0 ? TROUPE_ENOTCONNECTED : TROUPE_EPARAMS,
               json_pack("{s:o}", "connected", candidates),
               count == 0 ? "no page is connected" : "`target` is needed: %zu pages are connected",
               count);
    return NULL;
}

/* The member that params.target names; the fault is answered otherwise. */
static member *named_member(connections *state, troupe_caller caller, json_t *params, bool required)
{
    json_t *target = json_object_get(params, "target");
    if (json_is_string(target)) {
        return resolve(state, caller, json_string_value(target));
    }
    if (required || (target != NULL && !json_is_null(target))) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`target` must be a string");
        return NULL;
    }
    return only_page(state, caller);
}

/* Lists ------------------------------------------------------------------------------------- */

static json_t *member_json(const member *item)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:s}", "target", item->id,
                     "browser", item->browser, "type", item->type, "title", item->title, "url",
                     item->url, "state", member_state_name(item->state), "connected",
                     item->state == MEMBER_CONNECTED, "tracked", item->tracked, "epoch",
                     (json_int_t)item->epoch, "chrome_id", item->chrome_id);
}

typedef bool (*member_filter)(const member *item);

static bool any_member(const member *item)
{
    (void)item;
    return true;
}

static bool is_page(const member *item)
{
    return strcmp(item->type, "page") == 0;
}

static bool is_connected(const member *item)
{
    return item->state == MEMBER_CONNECTED;
}

static bool is_tracked(const member *item)
{
    return item->tracked;
}

static json_t *members_json(const connections *state, member_filter filter, bool ids)
{
    json_t *list = json_array();
    for (const member *item = state->members; item != NULL; item = item->hh.next) {
        if (filter(item)) {
            json_array_append_new(list, ids ? json_string(item->id) : member_json(item));
        }
    }
    return list;
}

static void run_pages(connections *state, const troupe_envelope *call, json_t *params)
{
    (void)params;
    json_reply(state->self, troupe_caller_of(call),
               json_pack("{s:o, s:I}", "pages", members_json(state, is_page, false), "epoch",
                         (json_int_t)state->epoch));
}

static void answer_targets(connections *state, troupe_caller caller)
{
    json_reply(state->self, caller,
               json_pack("{s:o, s:o, s:o, s:I}", "tracked", members_json(state, is_tracked, true),
                         "connected", members_json(state, is_connected, true), "targets",
                         members_json(state, any_member, false), "epoch",
                         (json_int_t)state->epoch));
}

/* Status ------------------------------------------------------------------------------------ */

static json_t *stages_json(const connections *state)
{
    json_t *list = json_array();
    stage *item;
    DL_FOREACH(state->stages, item)
    {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "browser", item->id,
                                              "product", item->product, "origin",
                                              item->launched ? "launched" : "attached", "pid",
                                              (json_int_t)item->pid));
    }
    return list;
}

static void on_stats(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    errand *item = context;
    connections *state = item->owner;
    json_t *stats = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    json_reply(self, item->caller,
               json_pack("{s:s, s:s, s:i, s:I, s:I, s:o, s:i, s:o, s:o, s:o}", "name",
                         state->host->name, "version", troupe_version(), "pid", (int)getpid(),
                         "epoch", (json_int_t)state->epoch, "uptime_ms",
                         (json_int_t)((json_wall_us() - state->started_us) / 1000), "browsers",
                         stages_json(state), "targets", (int)HASH_COUNT(state->members),
                         "connected", members_json(state, is_connected, true), "tracked",
                         members_json(state, is_tracked, true), "store",
                         stats != NULL ? stats : json_null()));
    errand_free(item);
}

static void run_status(connections *state, const troupe_envelope *call, json_t *params)
{
    errand *item = errand_new(state, call, ERRAND_ANSWER, params);
    if (item == NULL) {
        return;
    }
    troupe_address store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
    if (json_call(state->self, store, VERB_STORE_STATS, NULL, item->timeout_ms, on_stats, item,
                  NULL) != TROUPE_OK) {
        on_stats(state->self, item, TROUPE_EGONE, NULL);
    }
}

/* Commands to a browser --------------------------------------------------------------------- */

static troupe_error command(connections *state, troupe_address browser, const char *method,
                            json_t *params, uint32_t timeout_ms, troupe_answer_fn fn, void *context)
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
    json_t *result = member_json(who);
    if (already) {
        json_object_set_new(result, "already_connected", json_true());
    }
    json_reply(item->owner->self, item->caller, result);
    errand_free(item);
}

static void open_navigate(errand *item, const member *who);

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
        member *who = member_find(state, item->target);
        if (who != NULL && who->state == MEMBER_CONNECTING && who->address == 0) {
            who->state = MEMBER_AVAILABLE;
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
        command(state, browser_of(state, who), "Target.attachToTarget",
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

static void not_connected(errand *item, const member *who, troupe_error error)
{
    char why[TARGET_ID_MAX + 100];
    snprintf(why, sizeof why, "%s could not be connected: %s", who->id, troupe_error_text(error));
    errand_fault(item, error == TROUPE_EGONE ? TROUPE_EGONE : TROUPE_ENOTCONNECTED, why);
}

/* Has the errand wait for the member to be connected; begins what is needed for that. */
static void await_connected(errand *item, member *who)
{
    memcpy(item->target, who->id, sizeof item->target);
    if (who->state == MEMBER_DISCONNECTING) {
        item->retry = true;
    } else if (who->state == MEMBER_AVAILABLE) {
        troupe_error error = begin_attach(item->owner, who);
        if (error != TROUPE_OK) {
            not_connected(item, who, error);
        }
    }
}

static void run_connect(connections *state, const troupe_envelope *call, json_t *params)
{
    member *who = named_member(state, troupe_caller_of(call), params, true);
    errand *item = who != NULL ? errand_new(state, call, ERRAND_CONNECT, params) : NULL;
    if (item == NULL) {
        return;
    }
    if (who->state == MEMBER_CONNECTED || who->state == MEMBER_CRASHED) {
        answer_connected(item, who, true);
        return;
    }
    await_connected(item, who);
}

static void settle_connect(errand *item, member *who, troupe_error error)
{
    if (error == TROUPE_OK && who->state == MEMBER_DISCONNECTING) {
        item->retry = true; /* who came between wanted it let go */
    } else if (error == TROUPE_OK && item->kind == ERRAND_OPEN) {
        open_navigate(item, who);
    } else if (error == TROUPE_OK) {
        answer_connected(item, who, false);
    } else if (item->retry && error != TROUPE_EGONE) {
        item->retry = false;
        await_connected(item, who); /* another errand may have begun already */
    } else {
        not_connected(item, who, error);
    }
}

static void on_let_go(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)self; /* its end is told by the browser (VERB_TARGET_ENDED), whatever it answered */
    (void)context;
    (void)error;
    (void)answer;
}

/* Has a member's actor let go of it, unless it is about to. */
static void begin_detach(connections *state, member *who)
{
    if (who->state != MEMBER_CONNECTED && who->state != MEMBER_CRASHED) {
        return;
    }
    who->state = MEMBER_DISCONNECTING;
    connections_changed(state);
    troupe_bytes nil = {NULL, 0};
    troupe_error error = troupe_call(state->self, who->address, VERB_TARGET_DETACH, NULL, nil,
                                     ATTACH_TIMEOUT_MS, on_let_go, NULL, NULL);
    if (error == TROUPE_EBUSY || error == TROUPE_ENOMEM) {
        (void)troupe_stop(troupe_self_system(state->self), who->address, TROUPE_STOP_NOW);
    }
}

static void settle_disconnect(errand *item, member *who, troupe_error error)
{
    if (json_object_get(item->waiting, who->id) == NULL) {
        return;
    }
    if (error == TROUPE_OK) { /* it was being connected: now it can be let go */
        begin_detach(item->owner, who);
        return;
    }
    json_object_del(item->waiting, who->id);
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
    DL_FOREACH_SAFE(state->errands, item, next)
    {
        if (item->kind == ERRAND_DISCONNECT) {
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
    if (who->state == MEMBER_AVAILABLE || who->state == MEMBER_GONE) {
        return;
    }
    json_object_set_new(item->waiting, who->id, json_true());
    if (who->state != MEMBER_CONNECTING) {
        begin_detach(state, who);
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
    member *found[256];
    size_t count = json_is_array(target) ? json_array_size(target) : 1;
    if (count > sizeof found / sizeof *found) {
        troupe_fault(state->self, item->caller, TROUPE_ELIMIT, NULL, "at most 256 targets at once");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_is_array(target) ? json_array_get(target, i) : target;
        if (!json_is_string(one)) {
            troupe_fault(state->self, item->caller, TROUPE_EPARAMS, NULL,
                         "`target` must be a string or a list of strings");
            return false;
        }
        found[i] = resolve(state, item->caller, json_string_value(one));
        if (found[i] == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        let_go(state, item, found[i]);
    }
    return true;
}

static void run_disconnect(connections *state, const troupe_envelope *call, json_t *params)
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

/* Open -------------------------------------------------------------------------------------- */

static void on_opened(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    errand *item = context;
    if (error != TROUPE_OK) {
        json_fault_forward(self, item->caller, error, answer);
        errand_free(item);
        return;
    }
    json_t *result = json_payload(answer->payload);
    member *who = member_find(item->owner, item->target);
    json_object_set_new(result, "target", json_string(item->target));
    json_object_set_new(result, "connected", json_boolean(who != NULL && is_connected(who)));
    if (who != NULL) {
        json_object_set_new(result, "browser", json_string(who->browser));
        json_object_set_new(result, "title", json_string(who->title));
    }
    json_reply(self, item->caller, result);
    errand_free(item);
}

/* The page is connected, so its first request will be recorded: go to the address. */
static void open_navigate(errand *item, const member *who)
{
    json_t *wait = json_object_get(item->params, "wait");
    json_t *params = json_pack("{s:O, s:O}", "url", json_object_get(item->params, "url"), "wait",
                               wait != NULL ? wait : json_null());
    item->kind = ERRAND_ANSWER;
    troupe_error error = json_call(item->owner->self, who->address, "navigate", params,
                                   item->timeout_ms, on_opened, item, NULL);
    if (error != TROUPE_OK) {
        errand_fault(item, error, troupe_error_text(error));
    }
}

static void on_created(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    errand *item = context;
    connections *state = item->owner;
    if (error != TROUPE_OK) {
        json_fault_forward(self, item->caller, error, answer);
        errand_free(item);
        return;
    }
    json_t *result = json_payload(answer->payload);
    const char *id = json_string_value(json_object_get(result, "targetId"));
    member *who = state->members;
    while (who != NULL && (id == NULL || strcmp(who->chrome_id, id) != 0)) {
        who = who->hh.next;
    }
    json_decref(result);
    if (who == NULL) {
        errand_fault(item, TROUPE_EGONE, "the page was gone as soon as it was made");
    } else if (who->state == MEMBER_CONNECTED || who->state == MEMBER_CRASHED) {
        memcpy(item->target, who->id, sizeof item->target);
        open_navigate(item, who);
    } else {
        item->kind = ERRAND_OPEN;
        await_connected(item, who);
    }
}

static void open_on(errand *item, const stage *browser)
{
    item->kind = ERRAND_ANSWER;
    troupe_error error =
        command(item->owner, browser->address, "Target.createTarget",
                json_pack("{s:s}", "url", "about:blank"), item->timeout_ms, on_created, item);
    if (error != TROUPE_OK) {
        errand_fault(item, error, troupe_error_text(error));
    }
}

static void on_launched(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    connections *state = context;
    errand *item;
    errand *next;
    state->seeking = false;
    if (error == TROUPE_OK) {
        return; /* connections_browser_up goes on */
    }
    DL_FOREACH_SAFE(state->errands, item, next)
    {
        if (item->kind == ERRAND_OPEN && item->target[0] == '\0') {
            json_fault_forward(self, item->caller, error, answer);
            errand_free(item);
        }
    }
}

static void launch_one(connections *state)
{
    troupe_address launcher = troupe_whereis(troupe_self_system(state->self), NAME_LAUNCHER);
    troupe_error error = json_call(state->self, launcher, "browsers.launch", json_object(), 60000,
                                   on_launched, state, NULL);
    if (error != TROUPE_OK) {
        on_launched(state->self, state, error, NULL);
    }
}

/* Nothing is up: wait for one that is starting, or start one. */
static void on_browsers_listed(troupe_actor *self, void *context, troupe_error error,
                               const troupe_envelope *answer)
{
    (void)self;
    connections *state = context;
    json_t *result = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    json_t *list = json_object_get(result, "browsers");
    bool coming = state->stages != NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *now = json_string_value(json_object_get(json_array_get(list, i), "state"));
        coming |= now != NULL && (strcmp(now, "starting") == 0 || strcmp(now, "up") == 0);
    }
    json_decref(result);
    if (coming) {
        state->seeking = false; /* told by browser.up, or by browser.failed */
    } else {
        launch_one(state);
    }
}

static bool waits_for_browser(const errand *item)
{
    return item->kind == ERRAND_OPEN && item->target[0] == '\0';
}

/* For those who wait to open a page: find out whether a browser is coming, one time for all. */
static troupe_error seek_browser(connections *state)
{
    if (state->seeking) {
        return TROUPE_OK;
    }
    troupe_address launcher = troupe_whereis(troupe_self_system(state->self), NAME_LAUNCHER);
    troupe_error error = json_call(state->self, launcher, "browsers.list", NULL, LIST_TIMEOUT_MS,
                                   on_browsers_listed, state, NULL);
    state->seeking = error == TROUPE_OK;
    return error;
}

void connections_browser_failed(connections *state)
{
    errand *item;
    errand *next;
    DL_FOREACH_SAFE(state->errands, item, next)
    {
        if (!waits_for_browser(item)) {
            continue;
        }
        if (item->deadline_ns <= troupe_now_ns(state->self)) {
            errand_fault(item, TROUPE_ETIMEOUT, "no browser came up in time");
        } else if (seek_browser(state) != TROUPE_OK) {
            errand_fault(item, TROUPE_EUNAVAILABLE, NO_BROWSER);
        }
    }
}

static void run_open(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    if (!json_is_string(json_object_get(params, "url"))) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`url` must be a string");
        return;
    }
    const char *id = json_string_value(json_object_get(params, "browser"));
    stage *browser = id != NULL ? stage_find(state, id) : state->stages;
    if (browser == NULL && id != NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "no browser %s is up", id);
        return;
    }
    errand *item = errand_new(state, call, ERRAND_OPEN, params);
    if (item == NULL) {
        return;
    }
    if (browser != NULL) {
        open_on(item, browser);
        return;
    }
    if (seek_browser(state) != TROUPE_OK) {
        errand_fault(item, TROUPE_EUNAVAILABLE, NO_BROWSER);
    }
}

void connections_browser_up(connections *state, stage *browser)
{
    errand *item;
    errand *next;
    DL_FOREACH_SAFE(state->errands, item, next)
    {
        if (!waits_for_browser(item)) {
            continue;
        }
        if (item->deadline_ns <= troupe_now_ns(state->self)) {
            errand_fault(item, TROUPE_ETIMEOUT, "no browser came up in time");
        } else {
            open_on(item, browser);
        }
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
    if (error == TROUPE_OK && member_find(item->owner, item->target) != NULL &&
        troupe_timer_start(self, CLOSE_WAIT_MS, 0, on_close_slow, item, &item->timer) ==
            TROUPE_OK) {
        item->kind = ERRAND_CLOSE;
    } else {
        on_activated(self, item, error, answer);
    }
}

static void run_on_browser(connections *state, const troupe_envelope *call, json_t *params,
                           const char *method, troupe_answer_fn fn)
{
    member *who = named_member(state, troupe_caller_of(call), params, true);
    errand *item = who != NULL ? errand_new(state, call, ERRAND_ANSWER, params) : NULL;
    if (item == NULL) {
        return;
    }
    memcpy(item->target, who->id, sizeof item->target);
    troupe_error error =
        command(state, browser_of(state, who), method,
                json_pack("{s:s}", "targetId", who->chrome_id), item->timeout_ms, fn, item);
    if (error != TROUPE_OK) {
        errand_fault(item, error, troupe_error_text(error));
    }
}

static void run_close(connections *state, const troupe_envelope *call, json_t *params)
{
    run_on_browser(state, call, params, "Target.closeTarget", on_closed);
}

static void run_activate(connections *state, const troupe_envelope *call, json_t *params)
{
    run_on_browser(state, call, params, "Target.activateTarget", on_activated);
}

/* Tracked targets --------------------------------------------------------------------------- */

static void set_tracked(connections *state, troupe_caller caller, json_t *list)
{
    json_t *unknown = json_array();
    size_t index;
    json_t *one;
    json_array_foreach(list, index, one)
    {
        if (!json_is_string(one) || member_find(state, json_string_value(one)) == NULL) {
            json_array_append(unknown, one);
        }
    }
    if (!json_is_array(list) || json_array_size(unknown) > 0) {
        char *text = json_dumps(unknown, JSON_COMPACT);
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s%s",
                     json_is_array(list) ? "Unknown targets: "
                                         : "`targets` must be a list of targets",
                     json_is_array(list) && text != NULL ? text : "");
        free(text);
        json_decref(unknown);
        return;
    }
    json_decref(unknown);
    for (member *item = state->members; item != NULL; item = item->hh.next) {
        item->tracked = false;
    }
    json_array_foreach(list, index, one)
    {
        member_find(state, json_string_value(one))->tracked = true;
    }
    connections_changed(state);
    answer_targets(state, caller);
}

static void run_targets(connections *state, const troupe_envelope *call, json_t *params)
{
    json_t *list = json_object_get(params, "targets");
    if (list == NULL) {
        answer_targets(state, troupe_caller_of(call));
    } else {
        set_tracked(state, troupe_caller_of(call), list);
    }
}

static void run_targets_set(connections *state, const troupe_envelope *call, json_t *params)
{
    set_tracked(state, troupe_caller_of(call), json_object_get(params, "targets"));
}

static void run_targets_get(connections *state, const troupe_envelope *call, json_t *params)
{
    (void)params;
    answer_targets(state, troupe_caller_of(call));
}

static void run_targets_clear(connections *state, const troupe_envelope *call, json_t *params)
{
    (void)params;
    json_t *none = json_array();
    set_tracked(state, troupe_caller_of(call), none);
    json_decref(none);
}

/* For services: which ids a `target` param means. Ids that are no more stay: they have a record. */
static void run_resolve(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    json_t *target = json_object_get(params, "target");
    const char *text = json_string_value(target);
    json_t *warnings = json_array();
    json_t *ids = NULL;
    if (target == NULL || json_is_null(target)) {
        ids = members_json(state, is_tracked, true);
        if (json_array_size(ids) == 0) {
            json_decref(ids);
            ids = json_null();
        }
    } else if (text != NULL && strcmp(text, "*") == 0) {
        ids = json_null();
    } else {
        ids = json_array();
        size_t count = json_is_array(target) ? json_array_size(target) : 1;
        for (size_t i = 0; i < count; i++) {
            json_t *one = json_is_array(target) ? json_array_get(target, i) : target;
            const char *id = json_string_value(one);
            member *who = id != NULL ? member_find(state, id) : NULL;
            bool whole = id != NULL && strchr(id, ':') != NULL && strlen(strchr(id, ':')) > 6;
            if (id == NULL || (who == NULL && !whole)) {
                who = id != NULL ? resolve(state, caller, id) : NULL;
                if (id == NULL) {
                    troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                                 "`target` must be a string or a list of strings");
                }
                if (who == NULL) {
                    json_decref(ids);
                    json_decref(warnings);
                    return;
                }
            }
            if (who == NULL) {
                char note[TARGET_ID_MAX + 40];
                snprintf(note, sizeof note, "%.150s is not there now", id);
                json_array_append_new(warnings, json_string(note));
            }
            json_array_append_new(ids, json_string(who != NULL ? who->id : id));
        }
    }
    json_reply(state->self, caller, json_pack("{s:o, s:o}", "targets", ids, "warnings", warnings));
}

/* Dispatch ---------------------------------------------------------------------------------- */

typedef struct method_row {
    const char *name;
    void (*run)(connections *state, const troupe_envelope *call, json_t *params);
    bool mutating; /* a stale host epoch is refused */
} method_row;

static const method_row methods[] = {
    {"status", run_status, false},
    {"pages", run_pages, false},
    {"connect", run_connect, true},
    {"disconnect", run_disconnect, true},
    {"open", run_open, true},
    {"close", run_close, true},
    {"activate", run_activate, true},
    {"targets", run_targets, true},
    {"targets.set", run_targets_set, true},
    {"targets.get", run_targets_get, false},
    {"targets.clear", run_targets_clear, true},
    {VERB_TARGETS_RESOLVE, run_resolve, false},
};

/* Anything else is a method of one target. */
static void forward(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    member *who = named_member(state, caller, params, false);
    if (who == NULL) {
        return;
    }
    troupe_error error = TROUPE_EGONE;
    if (who->address != 0) {
        error = troupe_forward(state->self, call, who->address);
    }
    if (error == TROUPE_EGONE) {
        json_fault(state->self, caller, TROUPE_ENOTCONNECTED,
                   json_pack("{s:s, s:s, s:[s]}", "target", who->id, "current_state",
                             member_state_name(who->state), "required_states", "connected"),
                   "%s is not connected (it is %s)", who->id, member_state_name(who->state));
    } else if (error != TROUPE_OK) {
        troupe_fault(state->self, caller, error, NULL, NULL);
    }
}

static bool epoch_fits(connections *state, const troupe_envelope *call, json_t *params)
{
    json_t *epoch = json_object_get(params, "epoch");
    if (!json_is_integer(epoch) || (uint64_t)json_integer_value(epoch) == state->epoch) {
        return true;
    }
    json_fault(
        state->self, troupe_caller_of(call), TROUPE_EEPOCH,
        json_pack("{s:O, s:I}", "request_epoch", epoch, "current_epoch", (json_int_t)state->epoch),
        "the host is at epoch %" PRIu64, state->epoch);
    return false;
}

void connections_method(connections *state, const troupe_envelope *call)
{
    troupe_reason reason = {{0}};
    json_t *params = json_params(call, &reason);
    if (params == NULL) {
        troupe_fault(state->self, troupe_caller_of(call), TROUPE_EPARAMS, NULL, "%s", reason.text);
        return;
    }
    const method_row *found = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods && found == NULL; i++) {
        found = troupe_verb_is(call, methods[i].name) ? &methods[i] : NULL;
    }
    if (found == NULL) {
        forward(state, call, params);
    } else if (!found->mutating || epoch_fits(state, call, params)) {
        found->run(state, call, params);
    }
    json_decref(params);
}
