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
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "troupe/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utlist.h>

/* The store --------------------------------------------------------------------------------- */

static void post_record(connections *state, const char *verb, troupe_buffer *payload)
{
    troupe_address store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
    if (store != 0 && troupe_post(state->self, store, TROUPE_CAST, verb, NULL,
                                  troupe_buffer_bytes(payload)) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "connections", "record-lost", NULL, "%s", verb);
    }
    troupe_buffer_fini(payload);
}

static void record_target(connections *state, const member *item)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:U,s:I}", "uid", item->uid, "target",
                item->id, "chrome_id", item->chrome_id, "type", item->type, "url", item->url,
                "title", item->title, "state", member_state_name(item->state), "epoch", item->epoch,
                "wall_us", json_wall_us());
    post_record(state, VERB_RECORD_TARGET, &payload);
}

static void record_browser(connections *state, const stage *item, const char *how,
                           const char *reason)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:s,s:I}", "uid", item->uid, "browser",
                item->id, "origin", item->launched ? "launched" : "attached", "state", how,
                "product", item->product, "pid", item->pid, "endpoint", item->endpoint, "reason",
                reason, "wall_us", json_wall_us());
    post_record(state, VERB_RECORD_BROWSER, &payload);
}

/* Members ----------------------------------------------------------------------------------- */

const char *member_state_name(member_state state)
{
    static const char *const names[] = {"available",     "connecting", "connected",
                                        "disconnecting", "crashed",    "gone"};
    return names[state];
}

member *member_find(connections *state, const char *id)
{
    member *item;
    HASH_FIND_STR(state->members, id, item);
    return item;
}

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
    state->epoch++;
}

static void set_state(connections *state, member *item, member_state next)
{
    if (item->state == next) {
        return;
    }
    bool counted = item->state == MEMBER_CONNECTED || next == MEMBER_CONNECTED;
    item->state = next;
    if (counted) {
        connections_changed(state);
    }
    record_target(state, item);
}

static void member_remove(connections *state, member *item)
{
    item->state = MEMBER_GONE;
    record_target(state, item);
    connections_settle(state, item, TROUPE_EGONE);
    HASH_DEL(state->members, item);
    free(item->url);
    free(item->title);
    free(item);
}

static void copy(char *to, size_t size, const char *text, size_t len)
{
    len = len < size ? len : size - 1;
    memcpy(to, text, len);
    to[len] = '\0';
}

static bool replace(char **to, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL || (*to != NULL && strcmp(*to, text) == 0)) {
        return false;
    }
    free(*to);
    *to = strdup(text);
    return true;
}

static member *member_add(connections *state, const char *id, size_t len)
{
    member *item = len < TARGET_ID_MAX ? calloc(1, sizeof *item) : NULL;
    if (item == NULL) {
        return NULL;
    }
    copy(item->id, sizeof item->id, id, len);
    item->url = strdup("");
    item->title = strdup("");
    HASH_ADD_STR(state->members, id, item);
    return item;
}

/* Notices from browsers and targets
 * ---------------------------------------------------------------- */

static void on_browser_up(connections *state, const troupe_envelope *notice)
{
    const char *id, *uid, *origin, *product, *endpoint;
    size_t id_len, uid_len, origin_len, product_len, endpoint_len;
    uint64_t address;
    int64_t pid;
    if (troupe_unpack(notice->payload, "{s:s#,s:s#,s:U,s:s#,s:s#,s:s#,s:I}", "browser", &id,
                      &id_len, "uid", &uid, &uid_len, "address", &address, "origin", &origin,
                      &origin_len, "product", &product, &product_len, "endpoint", &endpoint,
                      &endpoint_len, "pid", &pid) != TROUPE_OK) {
        return;
    }
    stage *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return;
    }
    copy(item->id, sizeof item->id, id, id_len);
    copy(item->uid, sizeof item->uid, uid, uid_len);
    copy(item->product, sizeof item->product, product, product_len);
    copy(item->endpoint, sizeof item->endpoint, endpoint, endpoint_len);
    item->launched = origin_len == 8 && memcmp(origin, "launched", 8) == 0;
    item->address = address;
    item->pid = pid;
    DL_APPEND(state->stages, item);
    record_browser(state, item, "up", NULL);
    if (troupe_monitor(state->self, address, NULL) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "connections", "not-monitored", item->id, "out of memory");
    }
    connections_changed(state);
    connections_browser_up(state, item);
}

static void on_browser_down(connections *state, const troupe_down *down)
{
    stage *item;
    DL_SEARCH_SCALAR(state->stages, item, address, down->address);
    if (item == NULL) {
        return;
    }
    member *each;
    member *next;
    HASH_ITER(hh, state->members, each, next)
    {
        if (strcmp(each->uid, item->uid) == 0) {
            member_remove(state, each);
        }
    }
    record_browser(state, item, "down", troupe_error_text(down->reason));
    DL_DELETE(state->stages, item);
    free(item);
    connections_changed(state);
}

static bool stage_is_up(connections *state, const char *uid, size_t len)
{
    stage *item;
    DL_FOREACH(state->stages, item)
    {
        if (strlen(item->uid) == len && memcmp(item->uid, uid, len) == 0) {
            return true;
        }
    }
    return false;
}

static void on_browser_failed(connections *state, const troupe_envelope *notice)
{
    (void)notice;
    connections_browser_failed(state);
}

bool member_update(connections *state, member *item, const json_t *info)
{
    bool changed = replace(&item->url, json_object_get(info, "url"));
    changed |= replace(&item->title, json_object_get(info, "title"));
    if (changed) {
        record_target(state, item);
    }
    return changed;
}

static void on_info(connections *state, const troupe_envelope *notice)
{
    const char *browser, *uid, *id, *info;
    size_t browser_len, uid_len, id_len, info_len;
    if (troupe_unpack(notice->payload, "{s:s#,s:s#,s:s#,s:j#}", "browser", &browser, &browser_len,
                      "uid", &uid, &uid_len, "target", &id, &id_len, "info", &info,
                      &info_len) != TROUPE_OK ||
        !stage_is_up(state, uid, uid_len)) {
        return; /* the end of its browser overtook it */
    }
    json_t *chrome = json_text(info, info_len);
    char key[TARGET_ID_MAX];
    copy(key, sizeof key, id, id_len);
    member *item = member_find(state, key);
    bool added = item == NULL;
    if (added) {
        item = member_add(state, id, id_len);
    }
    if (item != NULL) {
        copy(item->browser, sizeof item->browser, browser, browser_len);
        copy(item->uid, sizeof item->uid, uid, uid_len);
        const char *type = json_string_value(json_object_get(chrome, "type"));
        const char *chrome_id = json_string_value(json_object_get(chrome, "targetId"));
        copy(item->type, sizeof item->type, type != NULL ? type : "",
             type != NULL ? strlen(type) : 0);
        copy(item->chrome_id, sizeof item->chrome_id, chrome_id != NULL ? chrome_id : "",
             chrome_id != NULL ? strlen(chrome_id) : 0);
        if (!member_update(state, item, chrome) && added) {
            record_target(state, item);
        }
    }
    json_decref(chrome);
}

/* The member a notice is about, by its "target". */
static member *member_of(connections *state, const troupe_envelope *notice)
{
    const char *id;
    size_t len;
    char key[TARGET_ID_MAX];
    if (troupe_unpack(notice->payload, "{s:s#}", "target", &id, &len) != TROUPE_OK) {
        return NULL;
    }
    copy(key, sizeof key, id, len);
    return member_find(state, key);
}

static void on_destroyed(connections *state, const troupe_envelope *notice)
{
    member *item = member_of(state, notice);
    if (item == NULL) {
        return;
    }
    bool counted = item->state == MEMBER_CONNECTED || item->tracked;
    member_remove(state, item);
    if (counted) {
        connections_changed(state);
    }
}

static member_state state_by_name(const char *name, size_t len)
{
    for (int i = 0; i <= MEMBER_GONE; i++) {
        if (strlen(member_state_name((member_state)i)) == len &&
            memcmp(member_state_name((member_state)i), name, len) == 0) {
            return (member_state)i;
        }
    }
    return MEMBER_AVAILABLE;
}

static void on_state(connections *state, const troupe_envelope *notice)
{
    const char *name;
    size_t len;
    uint64_t address;
    uint64_t epoch;
    member *item = member_of(state, notice);
    if (item == NULL || troupe_unpack(notice->payload, "{s:U,s:s#,s:U}", "address", &address,
                                      "state", &name, &len, "epoch", &epoch) != TROUPE_OK) {
        return;
    }
    item->address = address;
    item->epoch = epoch;
    set_state(state, item, state_by_name(name, len));
    if (item->state == MEMBER_CONNECTED || item->state == MEMBER_CRASHED) {
        connections_settle(state, item, TROUPE_OK);
    }
}

static void on_ended(connections *state, const troupe_envelope *notice)
{
    const char *reason;
    size_t len;
    uint64_t epoch;
    member *item = member_of(state, notice);
    if (item == NULL || troupe_unpack(notice->payload, "{s:U,s:s#}", "epoch", &epoch, "reason",
                                      &reason, &len) != TROUPE_OK) {
        return;
    }
    item->address = 0;
    item->epoch = epoch;
    set_state(state, item, MEMBER_AVAILABLE);
    char name[32];
    copy(name, sizeof name, reason, len);
    troupe_error error = troupe_error_by_name(name);
    connections_settle(state, item, error == TROUPE_OK ? TROUPE_ECLOSED : error);
}

/* The actor
 * ----------------------------------------------------------------------------------------- */

static const struct {
    const char *verb;
    void (*take)(connections *state, const troupe_envelope *notice);
} notices[] = {
    {VERB_BROWSER_UP, on_browser_up}, {VERB_BROWSER_FAILED, on_browser_failed},
    {VERB_TARGET_INFO, on_info},      {VERB_TARGET_DESTROYED, on_destroyed},
    {VERB_TARGET_STATE, on_state},    {VERB_TARGET_ENDED, on_ended},
};

static troupe_error connections_receive(troupe_actor *self, void *context,
                                        const troupe_envelope *envelope)
{
    connections *state = context;
    troupe_down down;
    (void)self;
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
    connections_method(state, envelope);
    return TROUPE_OK;
}

static troupe_error connections_start(troupe_actor *self, void *context)
{
    connections *state = context;
    state->self = self;
    state->started_us = json_wall_us();
    return TROUPE_OK;
}

static void connections_stop(troupe_actor *self, void *context, troupe_error reason)
{
    connections *state = context;
    (void)self;
    (void)reason;
    member *item;
    member *next;
    HASH_ITER(hh, state->members, item, next)
    {
        HASH_DEL(state->members, item);
        free(item->url);
        free(item->title);
        free(item);
    }
    stage *browser;
    stage *following;
    DL_FOREACH_SAFE(state->stages, browser, following)
    {
        free(browser);
    }
    connections_errands_fini(state);
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
