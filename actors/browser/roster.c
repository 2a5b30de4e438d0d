/* SPDX-License-Identifier: MIT */
/* Targets and sessions of one browser. */
#include "roster.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

roster_target *roster_find(const roster *list, const char *chrome_id, size_t len)
{
    roster_target *found;
    HASH_FIND(hh, list->targets, chrome_id, (unsigned)len, found);
    return found;
}

roster_target *roster_find_actor(const roster *list, troupe_address actor)
{
    roster_target *found;
    HASH_FIND(by_actor, list->actors, &actor, sizeof actor, found);
    return found;
}

void roster_set_actor(roster *list, roster_target *target, troupe_address actor)
{
    if (target->actor != 0) {
        HASH_DELETE(by_actor, list->actors, target);
    }
    target->actor = actor;
    if (actor != 0) {
        HASH_ADD(by_actor, list->actors, actor, sizeof target->actor, target);
    }
}

static bool id_taken(const roster *list, const char *id)
{
    for (roster_target *target = list->targets; target != NULL; target = target->hh.next) {
        if (strcmp(target->id, id) == 0) {
            return true;
        }
    }
    return false;
}

static bool assign_id(const roster *list, roster_target *target, const char *browser)
{
    size_t prefix = strlen(browser) + 1;
    size_t digits = strlen(target->chrome_id);
    if (prefix + digits >= sizeof target->id) {
        return false;
    }
    snprintf(target->id, sizeof target->id, "%.64s:%s", browser, target->chrome_id);
    for (char *at = target->id + prefix; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    char whole[TARGET_ID_MAX];
    memcpy(whole, target->id, sizeof whole);
    for (size_t len = digits < 6 ? digits : 6; len <= digits; len++) {
        snprintf(target->id, sizeof target->id, "%.*s", (int)(prefix + len), whole);
        if (!id_taken(list, target->id)) {
            return true;
        }
    }
    return false;
}

roster_target *roster_add(roster *list, const char *browser, const char *chrome_id, size_t len)
{
    roster_target *target = len < CHROME_ID_MAX ? calloc(1, sizeof *target) : NULL;
    if (target == NULL) {
        return NULL;
    }
    memcpy(target->chrome_id, chrome_id, len);
    if (!assign_id(list, target, browser)) {
        free(target);
        return NULL;
    }
    HASH_ADD_STR(list->targets, chrome_id, target);
    return target;
}

void roster_remove(roster *list, roster_target *target)
{
    roster_drop_sessions(list, target);
    roster_let_go(list, target);
    roster_set_actor(list, target, 0);
    HASH_DEL(list->targets, target);
    free(target);
}

roster_target *roster_owner(const roster *list, const char *session, size_t len)
{
    roster_session *found;
    HASH_FIND(hh, list->sessions, session, (unsigned)len, found);
    return found != NULL ? found->owner : NULL;
}

bool roster_add_session(roster *list, const char *session, size_t len, roster_target *owner)
{
    roster_session *made = len < sizeof made->id ? calloc(1, sizeof *made) : NULL;
    if (made == NULL) {
        return false;
    }
    roster_remove_session(list, session, len);
    memcpy(made->id, session, len);
    made->owner = owner;
    HASH_ADD_STR(list->sessions, id, made);
    return true;
}

static void drop(roster *list, roster_session *session)
{
    HASH_DEL(list->sessions, session);
    free(session);
}

void roster_remove_session(roster *list, const char *session, size_t len)
{
    roster_session *found;
    HASH_FIND(hh, list->sessions, session, (unsigned)len, found);
    if (found != NULL) {
        drop(list, found);
    }
}

void roster_drop_sessions(roster *list, roster_target *owner)
{
    roster_session *session;
    roster_session *next;
    HASH_ITER(hh, list->sessions, session, next)
    {
        if (session->owner == owner) {
            drop(list, session);
        }
    }
}

bool roster_hold(roster_target *target, troupe_caller caller, const char *verb, size_t verb_len,
                 troupe_bytes payload)
{
    held *item = malloc(sizeof *item + verb_len + payload.len);
    if (item == NULL) {
        return false;
    }
    *item = (held){.caller = caller, .verb_len = verb_len, .payload_len = payload.len};
    if (verb_len > 0) {
        memcpy(item->bytes, verb, verb_len);
    }
    if (payload.len > 0) {
        memcpy(item->bytes + verb_len, payload.data, payload.len);
    }
    if (target->last != NULL) {
        target->last->next = item;
    } else {
        target->first = item;
    }
    target->last = item;
    return true;
}

void roster_unhold(roster_target *target)
{
    held *item = target->first;
    target->first = item->next;
    if (target->first == NULL) {
        target->last = NULL;
    }
    free(item);
}

void roster_pause(roster *list, roster_target *target, uint64_t now_ns)
{
    if (target->hold_ns == 0) {
        target->hold_ns = now_ns != 0 ? now_ns : 1;
        DL_APPEND(list->holding, target);
    }
}

void roster_resume(roster *list, roster_target *target)
{
    if (target->hold_ns != 0) {
        target->hold_ns = 0;
        DL_DELETE(list->holding, target);
    }
}

void roster_let_go(roster *list, roster_target *target)
{
    while (target->first != NULL) {
        roster_unhold(target);
    }
    roster_resume(list, target);
    list->full_count -= target->full;
    target->full = target->shedding = false;
    target->gap_count = target->gap_bytes = 0;
    target->kept_bytes = 0;
}

void roster_fini(roster *list)
{
    roster_target *target;
    roster_target *next;
    HASH_ITER(hh, list->targets, target, next)
    {
        roster_remove(list, target);
    }
}
