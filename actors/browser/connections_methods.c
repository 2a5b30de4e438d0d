/* SPDX-License-Identifier: MIT */
/*
 * The RPC methods of the set: who is there, tracked targets, which target is meant; those of one
 * target that name it by a prefix or not at all are resolved here and forwarded. What takes time is
 * an errand (connections_errands.c).
 */
#include "actors/board.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"
#include "runtime/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

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
member *connections_resolve(connections *state, troupe_caller caller, const char *text)
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

bool member_is_connected_page(const member *item)
{
    return item->state == MEMBER_CONNECTED && strcmp(item->type, "page") == 0;
}

/* When no target is named: the only connected page, or the only tracked one of them. */
static member *only_page(connections *state, troupe_caller caller)
{
    bool tracked = false;
    for (member *item = state->members; item != NULL; item = item->hh.next) {
        tracked |= item->tracked && member_is_connected_page(item);
    }
    member *found = NULL;
    json_t *candidates = json_array();
    for (member *item = state->members; item != NULL; item = item->hh.next) {
        if (member_is_connected_page(item) && (item->tracked || !tracked)) {
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
               json_pack("{s:o}", tracked ? "tracked" : "connected", candidates),
               count == 0 ? "no page is connected" : "`target` is needed: %zu pages are %s", count,
               tracked ? "tracked" : "connected");
    return NULL;
}

/* The member that params.target names; the fault is answered otherwise. */
member *connections_named(connections *state, troupe_caller caller, json_t *params, bool required)
{
    json_t *target = json_object_get(params, "target");
    if (json_is_string(target)) {
        return connections_resolve(state, caller, json_string_value(target));
    }
    if (required || (target != NULL && !json_is_null(target))) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`target` must be a string");
        return NULL;
    }
    return only_page(state, caller);
}

bool connections_all_named(connections *state, troupe_caller caller, const json_t *target,
                           member **found, size_t *count)
{
    *count = json_is_array(target) ? json_array_size(target) : 1;
    if (*count > CONNECTIONS_NAMED_MAX) {
        troupe_fault(state->self, caller, TROUPE_ELIMIT, NULL, "at most %d targets at once",
                     CONNECTIONS_NAMED_MAX);
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        const json_t *one = json_is_array(target) ? json_array_get(target, i) : target;
        if (!json_is_string(one)) {
            troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                         "`target` must be a string or a list of strings");
            return false;
        }
        found[i] = connections_resolve(state, caller, json_string_value(one));
        if (found[i] == NULL) {
            return false;
        }
    }
    return true;
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
    connections_answer_targets(state, caller);
}

static void run_targets(connections *state, const troupe_envelope *call, json_t *params)
{
    json_t *list = json_object_get(params, "targets");
    if (list == NULL) {
        connections_answer_targets(state, troupe_caller_of(call));
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
    connections_answer_targets(state, troupe_caller_of(call));
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
        ids = members_json(state, member_is_tracked, true);
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
                who = id != NULL ? connections_resolve(state, caller, id) : NULL;
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
                text_repair(note);
                json_array_append_new(warnings, json_string(note));
            }
            json_array_append_new(ids, json_string(who != NULL ? who->id : id));
        }
    }
    json_reply(state->self, caller, json_pack("{s:o, s:o}", "targets", ids, "warnings", warnings));
}

static void run_epoch(connections *state, const troupe_envelope *call, json_t *params)
{
    (void)params;
    json_reply(state->self, troupe_caller_of(call),
               json_pack("{s:I}", "epoch", (json_int_t)state->epoch));
}

/* Dispatch ---------------------------------------------------------------------------------- */

typedef struct method_row {
    const char *name;
    void (*run)(connections *state, const troupe_envelope *call, json_t *params);
    bool mutating; /* a stale host epoch is refused */
} method_row;

static const method_row methods[] = {
    {"status", connections_status, false},
    {"pages", connections_pages, false},
    {"connect", connections_connect, true},
    {"disconnect", connections_disconnect, true},
    {"open", connections_open, true},
    {"close", connections_close, true},
    {"activate", connections_activate, true},
    {"watch", connections_watch, true},
    {"unwatch", connections_unwatch, true},
    {"ports.list", connections_ports_list, false},
    {"ports.remove", connections_ports_remove, true},
    {"contexts.create", contexts_create, true},
    {"contexts.dispose", contexts_dispose, true},
    {"contexts.list", contexts_list, false},
    {"targets", run_targets, true},
    {"targets.set", run_targets_set, true},
    {"targets.get", run_targets_get, false},
    {"targets.clear", run_targets_clear, true},
    {VERB_TARGETS_RESOLVE, run_resolve, false},
    {VERB_HOST_EPOCH, run_epoch, false},
};

static void fault_not_connected(connections *state, troupe_caller caller, const member *who)
{
    const char *why = who->reason != NULL ? who->reason : "";
    json_fault(state->self, caller, TROUPE_ENOTCONNECTED,
               json_pack("{s:s, s:s, s:[s], s:s*}", "target", who->id, "current_state",
                         member_state_name(who->state), "required_states", "connected", "reason",
                         who->reason),
               "%s is not connected (it is %s%s%s)", who->id, member_state_name(who->state),
               *why != '\0' ? ": " : "", why);
}

void connections_name_part(json_t *params, const member *part)
{
    json_object_set_new(params, "session", json_string(part->session));
    json_object_set_new(params, "part", json_string(part->id));
}

/* A part of another target: its actor is told which session is meant. Its epoch is checked here,
 * where it is kept. */
static troupe_error forward_part(connections *state, const troupe_envelope *call, json_t *params,
                                 const member *who, const member *whole)
{
    json_t *epoch = json_object_get(params, "target_epoch");
    if (json_is_integer(epoch) && (uint64_t)json_integer_value(epoch) != who->epoch) {
        json_fault(state->self, troupe_caller_of(call), TROUPE_EEPOCH,
                   json_pack("{s:s, s:O, s:I}", "target", who->id, "request_epoch", epoch,
                             "current_epoch", (json_int_t)who->epoch),
                   "%s is at epoch %" PRIu64, who->id, who->epoch);
        return TROUPE_OK;
    }
    json_object_del(params, "target_epoch");
    connections_name_part(params, who);
    troupe_buffer payload = {0};
    troupe_envelope changed = *call;
    troupe_error error = json_pack_payload(&payload, params);
    if (error == TROUPE_OK) {
        changed.payload = troupe_buffer_bytes(&payload);
        error = troupe_forward(state->self, &changed, whole->address);
    }
    troupe_buffer_fini(&payload);
    return error;
}

/* Anything else is a method of one target. */
static void forward(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    member *who = connections_named(state, caller, params, false);
    if (who == NULL) {
        return;
    }
    const member *whole = who->parent != NULL ? member_find(state, who->parent) : NULL;
    troupe_error error = TROUPE_EGONE;
    if (whole != NULL && whole->address != 0 && who->state == MEMBER_CONNECTED) {
        error = forward_part(state, call, params, who, whole);
    } else if (who->address != 0) {
        error = troupe_forward(state->self, call, who->address);
    }
    if (error == TROUPE_EGONE) {
        fault_not_connected(state, caller, who);
    } else if (error != TROUPE_OK && error != TROUPE_ECANCELLED) {
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
    if (found == NULL && connections_means_several(params)) {
        connections_each(state, call, params);
    } else if (found == NULL) {
        forward(state, call, params);
    } else if (!found->mutating || epoch_fits(state, call, params)) {
        if (found->mutating) {
            board_changed(state->host);
        }
        found->run(state, call, params);
    }
    json_decref(params);
}
