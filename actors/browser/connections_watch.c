/* SPDX-License-Identifier: MIT */
/*
 * Watched targets: connected whenever they are there, by their id, by their address, or because a
 * watched page opened them. A watch lives as long as the host.
 */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#define PATTERNS_MAX    1000
#define PATTERN_LEN_MAX 1000

/* A part of the address, in which * and ? stand for anything. */
static bool url_matches(const char *url, const char *pattern)
{
    char glob[PATTERN_LEN_MAX + 3];
    if (strstr(url, pattern) != NULL) {
        return true;
    }
    snprintf(glob, sizeof glob, "*%s*", pattern);
    return strpbrk(pattern, "*?") != NULL && fnmatch(glob, url, FNM_NOESCAPE) == 0;
}

static bool by_address(const connections *state, const member *item)
{
    size_t index;
    json_t *one;
    json_array_foreach(state->patterns, index, one)
    {
        if (url_matches(item->url, json_string_value(one))) {
            return true;
        }
    }
    return false;
}

/* Connected with their page: a second session would record them twice. */
static bool comes_with_its_page(const member *item)
{
    return strcmp(item->type, "iframe") == 0 || strcmp(item->type, "worker") == 0;
}

bool member_is_watched(const connections *state, const member *item)
{
    return item->watched ||
           (!comes_with_its_page(item) && (item->followed || by_address(state, item)));
}

void connections_consider(connections *state, member *item)
{
    const member *opener = member_at(state, item->browser, item->opener);
    if (opener != NULL && member_is_watched(state, opener)) {
        item->followed = true;
    }
    if (item->state == MEMBER_AVAILABLE && item->parent == NULL && !item->at_birth &&
        member_is_watched(state, item)) {
        item->by_watch = true;
        (void)connections_attach(state, item);
    }
}

void connections_reconsider(connections *state, member *item)
{
    if (item->unwatched) {
        item->unwatched = item->by_watch = false;
        (void)connections_detach(state, item);
    }
}

/* Params ----------------------------------------------------------------------------------------
 */

static size_t count_of(json_t *list)
{
    return json_is_array(list) ? json_array_size(list) : list != NULL && !json_is_null(list);
}

static json_t *item_of(json_t *list, size_t index)
{
    return json_is_array(list) ? json_array_get(list, index) : list;
}

/* Members that the param names, as a list of ids; NULL after answering the fault. */
static json_t *read_targets(connections *state, troupe_caller caller, json_t *given,
                            const char *name)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < count_of(given); i++) {
        const char *text = json_string_value(item_of(given, i));
        member *who = text != NULL ? connections_resolve(state, caller, text) : NULL;
        if (text == NULL) {
            troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                         "`%s` must be an id, a prefix, or a list of them", name);
        }
        if (who == NULL) {
            json_decref(ids);
            return NULL;
        }
        json_array_append_new(ids, json_string(who->id));
    }
    return ids;
}

static bool urls_are_fine(connections *state, troupe_caller caller, json_t *given)
{
    for (size_t i = 0; i < count_of(given); i++) {
        size_t len = json_string_length(item_of(given, i));
        if (len == 0 || len > PATTERN_LEN_MAX) {
            troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                         "`urls` must be a part of an address, 1 to %d bytes (* and ? stand for "
                         "anything), or a list of them",
                         PATTERN_LEN_MAX);
            return false;
        }
    }
    return true;
}

static size_t place_of(const json_t *list, const char *text)
{
    size_t index;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)list, index, one)
    {
        if (strcmp(json_string_value(one), text) == 0) {
            return index;
        }
    }
    return SIZE_MAX;
}

static bool there_is_room(connections *state, troupe_caller caller, json_t *given)
{
    size_t count = json_array_size(state->patterns);
    for (size_t i = 0; i < count_of(given); i++) {
        count += place_of(state->patterns, json_string_value(item_of(given, i))) == SIZE_MAX;
    }
    if (count > PATTERNS_MAX) {
        troupe_fault(state->self, caller, TROUPE_ELIMIT, NULL, "at most %d addresses are watched",
                     PATTERNS_MAX);
        return false;
    }
    return true;
}

/* Answers ---------------------------------------------------------------------------------------
 */

static json_t *watching(const connections *state)
{
    json_t *targets = json_array();
    json_t *watched = json_array();
    for (const member *item = state->members; item != NULL; item = item->hh.next) {
        if (item->watched) {
            json_array_append_new(watched, json_string(item->id));
        }
        if (member_is_watched(state, item)) {
            json_array_append_new(targets, member_json(state, item));
        }
    }
    return json_pack("{s:{s:o, s:O}, s:o}", "watching", "targets", watched, "urls", state->patterns,
                     "targets", targets);
}

static void answer_watch(errand *item)
{
    json_t *result = watching(item->owner);
    json_object_set(result, "warnings", item->list);
    json_reply(item->owner->self, item->caller, result);
    errand_free(item);
}

void errand_several(errand *item)
{
    if (json_object_size(item->waiting) == 0) {
        item->finish(item);
    }
}

static void warn_not_connected(errand *item, const member *who, troupe_error error)
{
    char why[TARGET_ID_MAX + 300];
    snprintf(why, sizeof why, "%s could not be connected: %s", who->id,
             who->reason != NULL ? who->reason : troupe_error_text(error));
    json_array_append_new(item->list, json_string(why));
}

/* It is to be connected when it has been let go. */
static void wait_twice_for(errand *item, member *who)
{
    errand_wait_for(item, who);
    json_object_set_new(item->waiting, who->id, json_false());
}

void errand_settle_several(errand *item, member *who, troupe_error error)
{
    json_t *how = json_object_get(item->waiting, who->id);
    if (how == NULL) {
        return;
    }
    if (error == TROUPE_OK && item->ids != NULL && who->state == MEMBER_DISCONNECTING) {
        wait_twice_for(item, who); /* who came between wanted it let go */
        return;
    }
    if (error != TROUPE_OK && json_is_false(how) && member_is_free(who)) {
        json_object_set_new(item->waiting, who->id, json_true());
        error = connections_attach(item->owner, who);
    }
    if (who->state == MEMBER_CONNECTING) {
        return;
    }
    if (error != TROUPE_OK) {
        warn_not_connected(item, who, error);
    }
    errand_waited_for(item, who);
    errand_several(item);
}

static errand *several_new(connections *state, const troupe_envelope *call, json_t *params,
                           void (*finish)(errand *item))
{
    errand *item = errand_new(state, call, ERRAND_SEVERAL, params);
    if (item != NULL) {
        item->list = json_array();
        item->waiting = json_object();
        item->finish = finish;
    }
    return item;
}

/* Methods ---------------------------------------------------------------------------------------
 */

/* Returns whether anything is watched that was not. */
static bool add_watches(connections *state, json_t *ids, json_t *urls)
{
    bool changed = false;
    size_t index;
    json_t *one;
    json_array_foreach(ids, index, one)
    {
        member *who = member_find(state, json_string_value(one));
        changed |= !who->watched;
        who->watched = true;
    }
    for (size_t i = 0; i < count_of(urls); i++) {
        json_t *url = item_of(urls, i);
        if (place_of(state->patterns, json_string_value(url)) == SIZE_MAX) {
            json_array_append(state->patterns, url);
            changed = true;
        }
    }
    return changed;
}

void connections_watch(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    json_t *targets = json_object_get(params, "targets");
    json_t *urls = json_object_get(params, "urls");
    if (count_of(targets) + count_of(urls) == 0) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`targets` or `urls` is needed: what to watch");
        return;
    }
    bool fine = urls_are_fine(state, caller, urls) && there_is_room(state, caller, urls);
    json_t *ids = fine ? read_targets(state, caller, targets, "targets") : NULL;
    errand *item = ids != NULL ? several_new(state, call, params, answer_watch) : NULL;
    if (item == NULL) {
        json_decref(ids);
        return;
    }
    if (add_watches(state, ids, urls)) {
        connections_changed(state);
    }
    json_decref(ids);
    for (member *who = state->members; who != NULL; who = who->hh.next) {
        who->at_birth = false; /* it was not, or it would be connected */
        who->unwatched &= !member_is_watched(state, who);
        connections_consider(state, who);
        if (who->state == MEMBER_CONNECTING && member_is_watched(state, who)) {
            errand_wait_for(item, who);
        }
    }
    errand_several(item);
}

/* None named: everything. Returns whether anything is watched no longer. */
static bool drop_watches(connections *state, json_t *ids, json_t *urls, bool all)
{
    bool changed = false;
    for (member *who = state->members; who != NULL; who = who->hh.next) {
        if (all || place_of(ids, who->id) != SIZE_MAX) {
            changed |= who->watched || who->followed;
            who->watched = who->followed = false;
        }
    }
    if (all) {
        changed |= json_array_size(state->patterns) > 0;
        json_array_clear(state->patterns);
    }
    for (size_t i = 0; i < count_of(urls); i++) {
        size_t place = place_of(state->patterns, json_string_value(item_of(urls, i)));
        if (place != SIZE_MAX) {
            json_array_remove(state->patterns, place);
            changed = true;
        }
    }
    return changed;
}

void connections_unwatch(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    json_t *targets = json_object_get(params, "targets");
    json_t *urls = json_object_get(params, "urls");
    json_t *ids =
        urls_are_fine(state, caller, urls) ? read_targets(state, caller, targets, "targets") : NULL;
    if (ids == NULL) {
        return;
    }
    if (drop_watches(state, ids, urls, count_of(targets) + count_of(urls) == 0)) {
        connections_changed(state);
    }
    json_decref(ids);
    json_t *let_go = json_array();
    for (member *who = state->members; who != NULL; who = who->hh.next) {
        if (!who->by_watch || member_is_watched(state, who)) {
            continue;
        }
        who->restore = false;
        who->unwatched = who->state == MEMBER_CONNECTING;
        who->by_watch = who->unwatched;
        if (connections_detach(state, who)) {
            json_array_append_new(let_go, json_string(who->id));
        }
    }
    json_t *result = watching(state);
    json_object_set_new(result, "disconnected", let_go);
    json_reply(state->self, caller, result);
}

/* Several to connect to -------------------------------------------------------------------------
 */

static void answer_several(errand *item)
{
    json_t *connected = json_array();
    size_t index;
    json_t *one;
    json_array_foreach(item->ids, index, one)
    {
        const member *who = member_find(item->owner, json_string_value(one));
        if (who != NULL && who->state == MEMBER_CONNECTED) {
            json_array_append_new(connected, member_json(item->owner, who));
        }
    }
    json_reply(item->owner->self, item->caller,
               json_pack("{s:o, s:O}", "connected", connected, "warnings", item->list));
    errand_free(item);
}

static json_t *every_page(const connections *state)
{
    json_t *ids = json_array();
    for (const member *who = state->members; who != NULL; who = who->hh.next) {
        if (strcmp(who->type, "page") == 0) {
            json_array_append_new(ids, json_string(who->id));
        }
    }
    return ids;
}

void connections_connect_several(connections *state, const troupe_envelope *call, json_t *params)
{
    json_t *target = json_object_get(params, "target");
    json_t *ids = json_is_string(target)
                      ? every_page(state)
                      : read_targets(state, troupe_caller_of(call), target, "target");
    errand *item = ids != NULL ? several_new(state, call, params, answer_several) : NULL;
    if (item == NULL) {
        json_decref(ids);
        return;
    }
    item->ids = ids;
    size_t index;
    json_t *one;
    json_array_foreach(ids, index, one)
    {
        member *who = member_find(state, json_string_value(one));
        troupe_error error = TROUPE_EGONE;
        if (member_is_free(who)) {
            error = connections_attach(state, who);
        }
        if (who->state == MEMBER_CONNECTING) {
            errand_wait_for(item, who);
        } else if (who->state == MEMBER_DISCONNECTING) {
            wait_twice_for(item, who);
        } else if (!member_is_attached(who)) {
            warn_not_connected(item, who, error);
        }
    }
    errand_several(item);
}
