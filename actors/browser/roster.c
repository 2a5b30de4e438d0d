/* SPDX-License-Identifier: MIT */
/* Targets and sessions of one browser. */
#include "roster.h"

#include <assert.h>
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
    roster_target *found;
    HASH_FIND(by_id, list->ids, id, (unsigned)strlen(id), found);
    return found != NULL;
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

static roster_target *new_target(const char *chrome_id, size_t len)
{
    roster_target *target = len < CHROME_ID_MAX ? calloc(1, sizeof *target) : NULL;
    if (target != NULL) {
        memcpy(target->chrome_id, chrome_id, len);
    }
    return target;
}

static void enter(roster *list, roster_target *target)
{
    HASH_ADD_STR(list->targets, chrome_id, target);
    HASH_ADD(by_id, list->ids, id, (unsigned)strlen(target->id), target);
}

roster_target *roster_add(roster *list, const char *browser, const char *chrome_id, size_t len)
{
    roster_target *target = new_target(chrome_id, len);
    if (target == NULL) {
        return NULL;
    }
    if (!assign_id(list, target, browser)) {
        free(target);
        return NULL;
    }
    enter(list, target);
    return target;
}

roster_target *roster_add_known(roster *list, const char *id, const char *chrome_id, size_t len)
{
    if (strlen(id) >= TARGET_ID_MAX || id_taken(list, id) ||
        roster_find(list, chrome_id, len) != NULL) {
        return NULL;
    }
    roster_target *target = new_target(chrome_id, len);
    if (target != NULL) {
        snprintf(target->id, sizeof target->id, "%s", id);
        enter(list, target);
    }
    return target;
}

void roster_remove(roster *list, roster_target *target)
{
    roster_drop_sessions(list, target);
    if (target->part != NULL) { /* its events are still somebody's until Chrome detaches it */
        target->part->target = NULL;
    }
    roster_let_go(list, target);
    roster_set_actor(list, target, 0);
    HASH_DELETE(by_id, list->ids, target);
    HASH_DEL(list->targets, target);
    free(target);
}

roster_session *roster_find_session(const roster *list, const char *session, size_t len)
{
    roster_session *found;
    HASH_FIND(hh, list->sessions, session, (unsigned)len, found);
    return found;
}

roster_target *roster_owner(const roster *list, const char *session, size_t len)
{
    roster_session *found = roster_find_session(list, session, len);
    return found != NULL ? found->owner : NULL;
}

/* The first of the subtree that has no children: what is to be forgotten first. */
static roster_session *leaf(roster_session *session)
{
    while (session->children != NULL) {
        session = session->children;
    }
    return session;
}

static void drop_one(roster *list, roster_session *session)
{
    if (list->ended != NULL) {
        list->ended(list->context, session);
    }
    if (session->target != NULL && session->target->part == session) {
        session->target->part = NULL;
    }
    if (session->parent != NULL) {
        DL_DELETE(session->parent->children, session);
    }
    assert(list->sessions != NULL); /* it is one of them */
    HASH_DEL(list->sessions, session);
    free(session);
}

static void drop(roster *list, roster_session *session)
{
    for (roster_session *at = leaf(session); at != session; at = leaf(session)) {
        drop_one(list, at);
    }
    drop_one(list, session);
}

roster_session *roster_add_session(roster *list, const char *session, size_t len,
                                   roster_target *owner, roster_target *target,
                                   roster_session *parent)
{
    roster_session *old = roster_find_session(list, session, len);
    for (const roster_session *above = parent; above != NULL && old != NULL;
         above = above->parent) {
        if (above == old) {
            return NULL; /* a session inside itself: not Chrome's */
        }
    }
    roster_session *made = len < sizeof made->id ? calloc(1, sizeof *made) : NULL;
    if (made == NULL) {
        return NULL;
    }
    if (old != NULL) {
        drop(list, old);
    }
    memcpy(made->id, session, len);
    made->owner = owner;
    made->target = target;
    made->parent = parent;
    if (parent != NULL) {
        DL_APPEND(parent->children, made);
    }
    HASH_ADD_STR(list->sessions, id, made);
    return made;
}

void roster_set_part(roster_target *target, roster_session *session)
{
    if (target->part != NULL) { /* it would not be told of the target's end */
        target->part->target = NULL;
    }
    target->part = session;
}

void roster_remove_session(roster *list, const char *session, size_t len)
{
    roster_session *found = roster_find_session(list, session, len);
    if (found != NULL) {
        drop(list, found);
    }
}

void roster_drop_sessions(roster *list, roster_target *owner)
{
    roster_session *root = roster_find_session(list, owner->session, strlen(owner->session));
    if (root != NULL && root->owner == owner) {
        drop(list, root);
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
    list->ended = NULL;
    while (list->sessions != NULL) {
        drop(list, list->sessions);
    }
    HASH_ITER(hh, list->targets, target, next)
    {
        roster_remove(list, target);
    }
}
