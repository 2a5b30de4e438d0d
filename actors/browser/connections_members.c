/* SPDX-License-Identifier: MIT */
/*
 * The members of the set: targets as their browsers and actors tell of them.
 *
 *   available -> connecting -> connected -> disconnecting -> available
 *   connected <-> suspended (a service worker was stopped), connected <-> crashed
 *   any -> gone (the connection is lost) -> available (the same run is back)
 *
 * A frame or worker that another target's actor owns is `connected` as its part, without an actor
 * of its own.
 */
#include "actors/board.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"

#include <stdio.h>
#include <stdlib.h>

static void record_target(connections *state, const member *item)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:U,s:I}", "uid", item->uid, "target",
                item->id, "chrome_id", item->chrome_id, "type", item->type, "url", item->url,
                "title", item->title, "state", member_state_name(item->state), "epoch", item->epoch,
                "wall_us", json_wall_us());
    connections_record(state, VERB_RECORD_TARGET, &payload);
}

/* It is connected again: what happened meanwhile is in no record. */
static void record_gap(connections *state, member *item)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:i,s:i,s:s,s:I,s:I}", "uid", item->uid, "target", item->id,
                "count", 0, "bytes", 0, "reason", "connection lost", "from_us", item->lost_us,
                "wall_us", json_wall_us());
    connections_record(state, VERB_RECORD_GAP, &payload);
    item->lost_us = 0;
}

const char *member_state_name(member_state state)
{
    static const char *const names[] = {"available", "connecting", "connected", "disconnecting",
                                        "suspended", "crashed",    "gone"};
    return names[state];
}

member *member_find(connections *state, const char *id)
{
    member *item;
    HASH_FIND_STR(state->members, id, item);
    return item;
}

static void write_place(char *place, size_t size, const char *browser, const char *chrome_id)
{
    snprintf(place, size, "%s/%s", browser, chrome_id);
}

member *member_at(connections *state, const char *browser, const char *chrome_id)
{
    char place[BROWSER_ID_MAX + CHROME_ID_MAX];
    member *item;
    if (chrome_id == NULL || strlen(chrome_id) >= CHROME_ID_MAX) {
        return NULL;
    }
    write_place(place, sizeof place, browser, chrome_id);
    HASH_FIND(hh_place, state->places, place, (unsigned)strlen(place), item);
    return item;
}

void member_set_text(char **to, const char *text)
{
    free(*to);
    *to = text != NULL && *text != '\0' ? strdup(text) : NULL;
}

/* What was told of how it fares; a new state makes it obsolete. */
static void forget_health(member *item)
{
    item->silent_us = 0;
    item->waiting = 0;
    item->paused = false;
    json_decref(item->dialog);
    item->dialog = NULL;
}

void member_set_state(connections *state, member *item, member_state next, const char *reason)
{
    if (item->state == next) {
        return;
    }
    bool counted = (item->state == MEMBER_CONNECTED || next == MEMBER_CONNECTED) &&
                   item->parent == NULL; /* parts come and go with their page */
    board_changed(state->host);
    item->state = next;
    member_set_text(&item->reason, reason);
    if (next == MEMBER_AVAILABLE || next == MEMBER_GONE || next == MEMBER_CRASHED ||
        next == MEMBER_SUSPENDED) {
        forget_health(item);
    }
    if (next == MEMBER_CONNECTED) {
        item->restore = false;
        member_set_text(&item->crash, NULL);
    }
    if (counted) {
        connections_changed(state);
    }
    record_target(state, item);
    if (next == MEMBER_CONNECTED && item->lost_us != 0) {
        record_gap(state, item);
    }
}

void member_free(member *item)
{
    free(item->url);
    free(item->title);
    free(item->opener);
    free(item->context);
    free(item->parent);
    free(item->session);
    free(item->reason);
    free(item->crash);
    json_decref(item->dialog);
    free(item);
}

void member_remove(connections *state, member *item)
{
    if (item->state != MEMBER_GONE) {
        item->state = MEMBER_GONE;
        record_target(state, item);
    }
    connections_settle(state, item, TROUPE_EGONE);
    HASH_DEL(state->members, item);
    if (item->place[0] != '\0') {
        HASH_DELETE(hh_place, state->places, item);
    }
    member_free(item);
}

void member_lose(connections *state, member *item, const char *reason)
{
    bool recorded = item->state == MEMBER_CONNECTED || item->state == MEMBER_SUSPENDED ||
                    item->state == MEMBER_CRASHED;
    item->restore |= recorded && item->parent == NULL;
    if (recorded && item->lost_us == 0) {
        item->lost_us = json_wall_us();
    }
    item->address = 0;
    item->epoch += 2; /* beyond what its actor had reached and did not come to tell */
    member_set_text(&item->parent, NULL);
    member_set_text(&item->session, NULL);
    member_set_state(state, item, MEMBER_GONE, reason);
    connections_settle(state, item, TROUPE_EGONE);
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

bool member_update(connections *state, member *item, const json_t *info)
{
    bool changed = replace(&item->url, json_object_get(info, "url"));
    changed |= replace(&item->title, json_object_get(info, "title"));
    if (changed) {
        record_target(state, item);
    }
    return changed;
}

static member *member_add(connections *state, const char *id)
{
    member *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return NULL;
    }
    connections_copy(item->id, sizeof item->id, id, strlen(id));
    item->url = strdup("");
    item->title = strdup("");
    HASH_ADD_STR(state->members, id, item);
    connections_recall(state, item);
    return item;
}

bool member_id_is_of(const char *id, const char *browser)
{
    size_t len = strlen(browser);
    return strncmp(id, browser, len) == 0 && id[len] == ':';
}

/* Notices ---------------------------------------------------------------------------------------
 */

static stage *stage_of_run(connections *state, const char *uid, size_t len)
{
    stage *item;
    HASH_FIND(hh, state->by_uid, uid, (unsigned)len, item);
    return item;
}

static void note_place(connections *state, member *item, const char *chrome_id)
{
    if (item->place[0] != '\0' || chrome_id == NULL || strlen(chrome_id) >= CHROME_ID_MAX) {
        return;
    }
    connections_copy(item->chrome_id, sizeof item->chrome_id, chrome_id, strlen(chrome_id));
    write_place(item->place, sizeof item->place, item->browser, chrome_id);
    HASH_ADD(hh_place, state->places, place, (unsigned)strlen(item->place), item);
}

static void take_info(connections *state, member *item, const json_t *info)
{
    const char *type = json_string_value(json_object_get(info, "type"));
    type = type != NULL ? type : "";
    connections_copy(item->type, sizeof item->type, type, strlen(type));
    note_place(state, item, json_string_value(json_object_get(info, "targetId")));
    member_set_text(&item->opener, json_string_value(json_object_get(info, "openerId")));
    member_set_text(&item->context, json_string_value(json_object_get(info, "browserContextId")));
}

/* The run it belongs to is back, or its renderer after a crash that nobody was connected for. */
static void revive(connections *state, member *item)
{
    bool back = item->state == MEMBER_GONE;
    bool alive = item->state == MEMBER_CRASHED && item->address == 0 && item->parent == NULL;
    if (back || alive) {
        member_set_state(state, item, MEMBER_AVAILABLE, NULL);
    }
    if (back && item->restore && strcmp(state->host->attach, "all") != 0) {
        (void)connections_attach(state, item);
    }
}

/* The browser actor asks Chrome to attach these (browser_notices.c). */
static bool attached_at_birth(const stage *browser, const member *item)
{
    return browser->attaches &&
           (strcmp(item->type, "page") == 0 || strcmp(item->type, "service_worker") == 0 ||
            strcmp(item->type, "shared_worker") == 0);
}

void members_on_info(connections *state, const troupe_envelope *notice)
{
    const char *browser, *uid, *id, *info;
    size_t browser_len, uid_len, id_len, info_len;
    int held = 0;
    if (troupe_unpack(notice->payload, "{s:s#,s:s#,s:s#,s?:b,s:j#}", "browser", &browser,
                      &browser_len, "uid", &uid, &uid_len, "target", &id, &id_len, "held", &held,
                      "info", &info, &info_len) != TROUPE_OK) {
        return;
    }
    const stage *run = stage_of_run(state, uid, uid_len);
    if (run == NULL) {
        return; /* the end of its browser overtook it */
    }
    char key[TARGET_ID_MAX];
    connections_copy(key, sizeof key, id, id_len);
    member *item = member_find(state, key);
    bool added = item == NULL;
    item = added ? member_add(state, key) : item;
    json_t *chrome = json_text(info, info_len);
    if (item != NULL) {
        connections_copy(item->browser, sizeof item->browser, browser, browser_len);
        connections_copy(item->uid, sizeof item->uid, uid, uid_len);
        take_info(state, item, chrome);
        bool changed = member_update(state, item, chrome);
        if (!changed && added) {
            record_target(state, item);
        }
        bool back = item->state == MEMBER_GONE;
        item->at_birth |= (added || back) && (held || attached_at_birth(run, item));
        revive(state, item);
        if (added || changed || back) {
            connections_consider(state, item);
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
    connections_copy(key, sizeof key, id, len);
    return member_find(state, key);
}

void members_on_destroyed(connections *state, const troupe_envelope *notice)
{
    member *item = member_of(state, notice);
    if (item == NULL || item->state == MEMBER_GONE) {
        return;
    }
    bool counted = (item->state == MEMBER_CONNECTED && item->parent == NULL) || item->tracked;
    member_remove(state, item);
    if (counted) {
        connections_changed(state);
    }
}

void members_on_crashed(connections *state, const troupe_envelope *notice)
{
    const char *why;
    size_t len;
    char text[64];
    member *item = member_of(state, notice);
    if (item == NULL || troupe_unpack(notice->payload, "{s:s#}", "why", &why, &len) != TROUPE_OK) {
        return;
    }
    connections_copy(text, sizeof text, why, len);
    member_set_text(&item->crash, text);
    if (item->state == MEMBER_AVAILABLE) { /* else its actor tells */
        member_set_state(state, item, MEMBER_CRASHED, "its renderer crashed");
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

void members_on_part(connections *state, const troupe_envelope *notice)
{
    const char *parent, *session, *name;
    size_t parent_len, session_len, name_len;
    uint64_t epoch;
    char text[TARGET_ID_MAX];
    member *item = member_of(state, notice);
    if (item == NULL || item->address != 0 || item->state == MEMBER_GONE ||
        troupe_unpack(notice->payload, "{s:s#,s:s#,s:s#,s:U}", "parent", &parent, &parent_len,
                      "session", &session, &session_len, "state", &name, &name_len, "epoch",
                      &epoch) != TROUPE_OK) {
        return;
    }
    connections_copy(text, sizeof text, parent, parent_len);
    bool is_part = *text != '\0';
    if (is_part) {
        item->epoch = epoch;
        member_set_text(&item->parent, text);
        connections_copy(text, sizeof text, session, session_len);
        member_set_text(&item->session, text);
    }
    member_set_state(state, item, state_by_name(name, name_len), NULL);
    if (is_part) {
        connections_settle(state, item, TROUPE_OK);
        return;
    }
    member_set_text(&item->parent, NULL);
    member_set_text(&item->session, NULL);
    connections_settle(state, item, TROUPE_ECLOSED);
}

void members_on_state(connections *state, const troupe_envelope *notice)
{
    const char *name;
    const char *reason = NULL;
    size_t len;
    size_t reason_len = 0;
    int inspecting = 0;
    uint64_t address;
    uint64_t epoch;
    member *item = member_of(state, notice);
    if (item == NULL ||
        troupe_unpack(notice->payload, "{s:U,s:s#,s:U,s?:s#,s?:b}", "address", &address, "state",
                      &name, &len, "epoch", &epoch, "reason", &reason, &reason_len, "inspecting",
                      &inspecting) != TROUPE_OK ||
        item->state == MEMBER_GONE || epoch < item->epoch) {
        return; /* of an earlier connection */
    }
    char text[300];
    connections_copy(text, sizeof text, reason != NULL ? reason : "", reason_len);
    member_state next = state_by_name(name, len);
    bool leaving = item->state == MEMBER_DISCONNECTING && item->address == address;
    item->address = address;
    item->epoch = epoch;
    item->inspecting = inspecting != 0;
    item->at_birth = false;
    if (leaving && next != MEMBER_DISCONNECTING) {
        return; /* said before it heard that it is to let go */
    }
    member_set_state(state, item, next, next == MEMBER_CONNECTED ? NULL : text);
    if (next == MEMBER_CONNECTED || next == MEMBER_CRASHED || next == MEMBER_SUSPENDED) {
        connections_settle(state, item, TROUPE_OK);
        connections_reconsider(state, item);
    }
}

void members_on_health(connections *state, const troupe_envelope *notice)
{
    int64_t since;
    uint64_t waiting;
    int paused;
    const char *dialog = NULL;
    size_t dialog_len = 0;
    member *item = member_of(state, notice);
    if (item == NULL ||
        troupe_unpack(notice->payload, "{s:I,s:U,s:b,s?:j#}", "silent_us", &since, "waiting",
                      &waiting, "paused", &paused, "dialog", &dialog, &dialog_len) != TROUPE_OK) {
        return;
    }
    forget_health(item);
    item->silent_us = since;
    item->waiting = waiting;
    item->paused = paused != 0;
    if (dialog != NULL) {
        item->dialog = json_text(dialog, dialog_len);
    }
}

void members_on_ended(connections *state, const troupe_envelope *notice)
{
    const char *reason;
    size_t len;
    uint64_t epoch;
    member *item = member_of(state, notice);
    if (item == NULL || item->state == MEMBER_GONE ||
        troupe_unpack(notice->payload, "{s:U,s:s#}", "epoch", &epoch, "reason", &reason, &len) !=
            TROUPE_OK ||
        epoch < item->epoch) {
        return;
    }
    item->address = 0;
    item->epoch = epoch;
    item->by_watch = item->unwatched = item->at_birth = item->inspecting = false;
    char name[32];
    connections_copy(name, sizeof name, reason, len);
    troupe_error error = troupe_error_by_name(name);
    char *why = item->state == MEMBER_DISCONNECTING && item->reason != NULL
                    ? strdup(item->reason)
                    : NULL; /* what the actor said is more than its exit's code */
    member_set_state(state, item, MEMBER_AVAILABLE,
                     why != NULL          ? why
                     : error != TROUPE_OK ? troupe_error_text(error)
                                          : NULL);
    free(why);
    connections_settle(state, item, error == TROUPE_OK ? TROUPE_ECLOSED : error);
}
