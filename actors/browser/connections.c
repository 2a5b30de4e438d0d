/* SPDX-License-Identifier: MIT */
/*
 * Connections: the set of browsers and targets as users see it, its epoch, and what changes it.
 *
 * Owns the host epoch (+1 whenever a target is connected or disconnected, or the tracked set
 * changes) and each target's state as last told by its actor. `connect` and `disconnect` are
 * decided here, one at a time, so they are atomic and idempotent: whoever asks while one is under
 * way waits for it.
 */
#include "connections.h"
#include "actors/board.h"
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define LIST_TIMEOUT_MS 5000

/* The store --------------------------------------------------------------------------------- */

void connections_record(connections *state, const char *verb, troupe_buffer *payload)
{
    board_changed(state->host);
    troupe_address store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
    if (store != 0 && troupe_post(state->self, store, TROUPE_CAST, verb, NULL,
                                  troupe_buffer_bytes(payload)) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "connections", "record-lost", NULL, "%s", verb);
    }
    troupe_buffer_fini(payload);
}

static void record_browser(connections *state, const stage *item, const char *how,
                           const char *reason)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:s,s:I}", "uid", item->uid, "browser",
                item->id, "origin", item->launched ? "launched" : "attached", "state", how,
                "product", item->product, "pid", item->pid, "endpoint", item->endpoint, "reason",
                reason, "wall_us", json_wall_us());
    connections_record(state, VERB_RECORD_BROWSER, &payload);
}

/* Browsers ---------------------------------------------------------------------------------- */

stage *stage_find(connections *state, const char *id)
{
    stage *item;
    DL_FOREACH(state->stages, item)
    {
        if (strcmp(item->id, id) == 0) {
            return item;
        }
    }
    return NULL;
}

void connections_changed(connections *state)
{
    board_changed(state->host);
    state->epoch++;
}

void connections_copy(char *to, size_t size, const char *text, size_t len)
{
    len = len < size ? len : size - 1;
    memcpy(to, text, len);
    to[len] = '\0';
}

/* Members of a browser that are gone: all (run NULL), or those that are not of this run. */
static void remove_gone(connections *state, const char *browser, const char *run)
{
    member *each;
    member *next;
    HASH_ITER(hh, state->members, each, next)
    {
        if (each->state == MEMBER_GONE && strcmp(each->browser, browser) == 0 &&
            (run == NULL || strcmp(each->uid, run) != 0)) {
            member_remove(state, each);
            connections_changed(state);
        }
    }
}

/* What is known of this run from an earlier connection to it. */
static json_t *known_json(const connections *state, const char *uid)
{
    json_t *list = json_array();
    for (const member *each = state->members; each != NULL; each = each->hh.next) {
        if (strcmp(each->uid, uid) == 0 && each->state == MEMBER_GONE) {
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:I}", "chrome_id", each->chrome_id, "id",
                                            each->id, "epoch", (json_int_t)each->epoch));
        }
    }
    return json_pack("{s:o}", "targets", list);
}

/* Notices from browsers and targets
 * ---------------------------------------------------------------- */

static stage *read_up(const troupe_envelope *notice)
{
    const char *id, *uid, *origin, *product, *endpoint;
    size_t id_len, uid_len, origin_len, product_len, endpoint_len;
    uint64_t address;
    int64_t pid;
    int attaches = 0;
    stage *item = NULL;
    if (troupe_unpack(notice->payload, "{s:s#,s:s#,s:U,s:s#,s:s#,s:s#,s:I,s?:b}", "browser", &id,
                      &id_len, "uid", &uid, &uid_len, "address", &address, "origin", &origin,
                      &origin_len, "product", &product, &product_len, "endpoint", &endpoint,
                      &endpoint_len, "pid", &pid, "attach", &attaches) == TROUPE_OK) {
        item = calloc(1, sizeof *item);
    }
    if (item != NULL) {
        connections_copy(item->id, sizeof item->id, id, id_len);
        connections_copy(item->uid, sizeof item->uid, uid, uid_len);
        connections_copy(item->product, sizeof item->product, product, product_len);
        connections_copy(item->endpoint, sizeof item->endpoint, endpoint, endpoint_len);
        item->launched = origin_len == 8 && memcmp(origin, "launched", 8) == 0;
        item->address = address;
        item->pid = pid;
        item->attaches = attaches != 0;
    }
    return item;
}

/* The connection is lost. An attached browser may come back, as the same run even. */
static void stage_down(connections *state, stage *item, bool may_return, const char *why)
{
    char reason[120];
    snprintf(reason, sizeof reason, "connection lost%s%s", *why != '\0' ? ": " : "", why);
    member *each;
    member *next;
    HASH_ITER(hh, state->members, each, next)
    {
        if (strcmp(each->uid, item->uid) != 0) {
            continue;
        }
        if (may_return) {
            member_lose(state, each, reason);
        } else {
            member_remove(state, each);
        }
    }
    if (!may_return) {
        contexts_forget(state, item->id, NULL);
    }
    record_browser(state, item, "down", why);
    DL_DELETE(state->stages, item);
    HASH_DEL(state->by_uid, item);
    free(item);
    connections_changed(state);
}

static void on_browser_up(connections *state, const troupe_envelope *call)
{
    troupe_caller caller = troupe_caller_of(call);
    stage *item = read_up(call);
    stage *same = NULL;
    if (item == NULL) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, NULL);
        return;
    }
    HASH_FIND_STR(state->by_uid, item->uid, same);
    if (same != NULL && same->address == item->address) { /* it was asked to report */
        json_reply(state->self, caller, known_json(state, item->uid));
        free(item);
        return;
    }
    if (same != NULL) { /* the end of the connection before is still on its way */
        stage_down(state, same, true, "connected again");
    }
    remove_gone(state, item->id, item->uid);
    contexts_forget(state, item->id, item->uid);
    json_reply(state->self, caller, known_json(state, item->uid));
    DL_APPEND(state->stages, item);
    HASH_ADD_STR(state->by_uid, uid, item);
    record_browser(state, item, "up", NULL);
    if (troupe_monitor(state->self, item->address, NULL) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "connections", "not-monitored", item->id, "out of memory");
    }
    connections_changed(state);
}

/* All its targets were told: who did not come back will not. */
static void on_browser_settled(connections *state, const troupe_envelope *notice)
{
    const char *uid;
    size_t len;
    stage *item = NULL;
    if (troupe_unpack(notice->payload, "{s:s#}", "uid", &uid, &len) == TROUPE_OK) {
        HASH_FIND(hh, state->by_uid, uid, (unsigned)len, item);
    }
    if (item != NULL && !item->settled) {
        item->settled = true;
        connections_forget_kept(state, item->id);
        remove_gone(state, item->id, NULL);
        connections_browser_up(state, item);
    }
}

static void on_browser_down(connections *state, const troupe_down *down)
{
    stage *item;
    DL_SEARCH_SCALAR(state->stages, item, address, down->address);
    if (item != NULL) {
        stage_down(state, item, !item->launched && down->reason != TROUPE_OK,
                   down->reason == TROUPE_ECLOSED ? "" : troupe_error_text(down->reason));
    }
}

static void on_browser_failed(connections *state, const troupe_envelope *notice)
{
    (void)notice;
    connections_browser_failed(state);
}

/* It owes answers and says nothing, or speaks again. */
static void on_browser_health(connections *state, const troupe_envelope *notice)
{
    uint64_t address;
    int responsive;
    stage *item = NULL;
    if (troupe_unpack(notice->payload, "{s:U,s:b}", "address", &address, "responsive",
                      &responsive) == TROUPE_OK) {
        DL_SEARCH_SCALAR(state->stages, item, address, address);
    }
    if (item != NULL) {
        item->silent = responsive == 0;
    }
}

/* It is off the launcher's list. */
static void on_browser_removed(connections *state, const troupe_envelope *notice)
{
    const char *id;
    size_t len;
    char name[BROWSER_ID_MAX];
    if (troupe_unpack(notice->payload, "{s:s#}", "browser", &id, &len) == TROUPE_OK) {
        connections_copy(name, sizeof name, id, len);
        remove_gone(state, name, NULL);
        contexts_forget(state, name, NULL);
    }
}

/* Started anew beside browsers that are up: they tell everything again. */
static void on_browsers_listed(troupe_actor *self, void *context, troupe_error error,
                               const troupe_envelope *answer)
{
    (void)context;
    json_t *result = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    size_t index;
    json_t *one;
    json_array_foreach(json_object_get(result, "browsers"), index, one)
    {
        const char *id = json_string_value(json_object_get(one, "browser"));
        char name[sizeof NAME_BROWSER + BROWSER_ID_MAX];
        troupe_bytes nil = {NULL, 0};
        snprintf(name, sizeof name, "%s%s", NAME_BROWSER, id != NULL ? id : "");
        troupe_address to = troupe_whereis(troupe_self_system(self), name);
        if (to != 0 &&
            troupe_post(self, to, TROUPE_CAST, VERB_BROWSER_REPORT, NULL, nil) != TROUPE_OK) {
            troupe_log(TROUPE_LOG_WARN, "connections", "not-asked", id, "%s", VERB_BROWSER_REPORT);
        }
    }
    json_decref(result);
}

static void ask_browsers(connections *state)
{
    troupe_address launcher = troupe_whereis(troupe_self_system(state->self), NAME_LAUNCHER);
    if (launcher != 0 && json_call(state->self, launcher, "browsers.list", NULL, LIST_TIMEOUT_MS,
                                   on_browsers_listed, state, NULL) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "connections", "not-asked", NULL, "browsers.list");
    }
}

/* The actor
 * ----------------------------------------------------------------------------------------- */

static const struct {
    const char *verb;
    void (*take)(connections *state, const troupe_envelope *notice);
} notices[] = {
    {VERB_TARGET_INFO, members_on_info},       {VERB_TARGET_STATE, members_on_state},
    {VERB_TARGET_PART, members_on_part},       {VERB_TARGET_DESTROYED, members_on_destroyed},
    {VERB_TARGET_ENDED, members_on_ended},     {VERB_TARGET_HEALTH, members_on_health},
    {VERB_TARGET_CRASHED, members_on_crashed}, {VERB_BROWSER_SETTLED, on_browser_settled},
    {VERB_BROWSER_FAILED, on_browser_failed},  {VERB_BROWSER_REMOVED, on_browser_removed},
    {VERB_BROWSER_HEALTH, on_browser_health},
};

static troupe_error connections_receive(troupe_actor *self, void *context,
                                        const troupe_envelope *envelope)
{
    connections *state = context;
    troupe_down down;
    (void)self;
    if (envelope->kind != TROUPE_CALL || troupe_verb_is(envelope, VERB_BROWSER_UP)) {
        board_changed(state->host);
    }
    if (envelope->kind == TROUPE_SIGNAL) {
        if (troupe_down_read(envelope, &down) == TROUPE_OK) {
            on_browser_down(state, &down);
        }
        return TROUPE_OK;
    }
    for (size_t i = 0; envelope->kind == TROUPE_CAST && i < sizeof notices / sizeof *notices; i++) {
        if (troupe_verb_is(envelope, notices[i].verb)) {
            notices[i].take(state, envelope);
            return TROUPE_OK;
        }
    }
    if (envelope->kind == TROUPE_CALL && troupe_verb_is(envelope, VERB_BROWSER_UP)) {
        on_browser_up(state, envelope);
        return TROUPE_OK;
    }
    connections_method(state, envelope);
    return TROUPE_OK;
}

static troupe_error connections_start(troupe_actor *self, void *context)
{
    connections *state = context;
    state->self = self;
    state->started_us = json_wall_us();
    if (!connections_restore(state)) {
        return TROUPE_ENOMEM;
    }
    ask_browsers(state);
    return TROUPE_OK;
}

static void connections_stop(troupe_actor *self, void *context, troupe_error reason)
{
    connections *state = context;
    (void)self;
    (void)reason;
    member *item;
    member *next;
    connections_errands_fini(state);
    connections_keep(state);
    HASH_CLEAR(hh_place, state->places);
    HASH_ITER(hh, state->members, item, next)
    {
        HASH_DEL(state->members, item);
        member_free(item);
    }
    HASH_CLEAR(hh, state->by_uid);
    stage *browser;
    stage *following;
    DL_FOREACH_SAFE(state->stages, browser, following)
    {
        free(browser);
    }
    contexts_forget(state, NULL, NULL);
    json_decref(state->patterns);
    json_decref(state->kept);
    free(state);
}

static const troupe_behaviour behaviour = {.kind = "connections",
                                           .start = connections_start,
                                           .receive = connections_receive,
                                           .stop = connections_stop};

troupe_error connections_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    connections *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    state->host = context;
    *out = (troupe_spawn_options){.behaviour = &behaviour,
                                  .state = state,
                                  .name = NAME_CONNECTIONS,
                                  .mailbox_envelopes = 65536,
                                  .mailbox_bytes = 32u << 20};
    return TROUPE_OK;
}
