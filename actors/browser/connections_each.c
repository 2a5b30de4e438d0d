/* SPDX-License-Identifier: MIT */
/*
 * A method of one target, for several: `target` is a list of ids and prefixes, or "*": all
 * connected pages. Each target's actor is asked as if it alone were meant; one answer, in the order
 * of the targets, tells what each said.
 */
#include "actors/json_call.h"
#include "connections.h"

#include <stdlib.h>
#include <string.h>

/* A call for several. */
typedef struct round {
    connections *owner;
    troupe_caller caller;
    json_t *results; /* list of {target, result | error} */
    json_t *warnings;
    size_t open; /* answers that are still to come, and one while they are asked */
} round;

/* One target of it. */
typedef struct asked {
    round *all;
    size_t at; /* its place in `results` */
} asked;

bool connections_means_several(const json_t *params)
{
    const json_t *target = json_object_get(params, "target");
    const char *text = json_string_value(target);
    return json_is_array(target) || (text != NULL && strcmp(text, "*") == 0);
}

static void one_less(round *all)
{
    if (--all->open == 0) {
        json_reply(all->owner->self, all->caller,
                   json_pack("{s:o, s:o}", "results", all->results, "warnings", all->warnings));
        free(all);
    }
}

static void failed(round *all, size_t at, troupe_error error, const char *message, json_t *data)
{
    json_t *place = json_array_get(all->results, at);
    const char *target = json_string_value(json_object_get(place, "target"));
    json_object_set_new(place, "error",
                        json_pack("{s:i, s:s, s:s, s:o*}", "code", troupe_error_rpc_code(error),
                                  "name", troupe_error_name(error), "message", message, "data",
                                  data));
    json_array_append_new(all->warnings, json_sprintf("%s: %s", target, message));
}

static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    asked *item = context;
    round *all = item->all;
    (void)self;
    if (error == TROUPE_OK) {
        json_t *result = json_payload(answer->payload);
        json_object_set_new(json_array_get(all->results, item->at), "result",
                            result != NULL ? result : json_null());
    } else {
        troupe_fault_view fault = {.message = ""};
        if (answer != NULL) {
            troupe_fault_read(answer, &fault);
        }
        char *message = fault.message_len > 0 ? strndup(fault.message, fault.message_len) : NULL;
        failed(all, item->at, error, message != NULL ? message : troupe_error_text(error),
               fault.data != NULL ? json_text(fault.data, fault.data_len) : NULL);
        free(message);
    }
    free(item);
    one_less(all);
}

/* Whose actor owns the target's session: another's if the target is a part of that one. */
static const member *whole_of(connections *state, const member *who)
{
    return who->parent != NULL ? member_find(state, who->parent) : who;
}

static void ask(round *all, const troupe_envelope *call, const json_t *params, const member *who)
{
    connections *state = all->owner;
    const member *whole = whole_of(state, who);
    asked *item = calloc(1, sizeof *item);
    char *verb = strndup(call->verb, call->verb_len);
    json_t *own = json_copy((json_t *)(uintptr_t)params);
    troupe_error error = TROUPE_ENOMEM;
    json_array_append_new(all->results, json_pack("{s:s}", "target", who->id));
    json_object_set_new(own, "target", json_string(who->id));
    if (whole != NULL && whole != who) {
        connections_name_part(own, who);
    }
    if (item != NULL && verb != NULL) {
        *item = (asked){all, json_array_size(all->results) - 1};
        error = whole == NULL || whole->address == 0 || who->state != MEMBER_CONNECTED
                    ? TROUPE_ENOTCONNECTED
                    : json_call(state->self, whole->address, verb, json_incref(own),
                                call->meta.timeout_ms, on_answer, item, NULL);
    }
    if (error == TROUPE_OK) {
        all->open++;
    } else {
        failed(all, json_array_size(all->results) - 1, error,
               error == TROUPE_ENOTCONNECTED ? "not connected" : troupe_error_text(error), NULL);
        free(item);
    }
    json_decref(own);
    free(verb);
}

/* All connected pages, as far as there is room. */
static size_t every_page(connections *state, member **found)
{
    size_t count = 0;
    member *who = state->members;
    for (; who != NULL && count < CONNECTIONS_NAMED_MAX; who = who->hh.next) {
        if (member_is_connected_page(who)) {
            found[count++] = who;
        }
    }
    return count;
}

/* False: the fault was answered. */
static bool find_all(connections *state, troupe_caller caller, const json_t *target, member **found,
                     size_t *count)
{
    bool list = json_is_array(target);
    if (!list) {
        *count = every_page(state, found);
    } else if (!connections_all_named(state, caller, target, found, count)) {
        return false;
    }
    if (*count == 0) {
        troupe_fault(state->self, caller, list ? TROUPE_EPARAMS : TROUPE_ENOTCONNECTED, NULL,
                     list ? "`target` is an empty list" : "no page is connected");
    }
    return *count > 0;
}

void connections_each(connections *state, const troupe_envelope *call, const json_t *params)
{
    member *found[CONNECTIONS_NAMED_MAX];
    size_t count;
    troupe_caller caller = troupe_caller_of(call);
    if (json_object_get(params, "target_epoch") != NULL) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`target_epoch` is that of one target, and `target` names several");
        return;
    }
    if (!find_all(state, caller, json_object_get(params, "target"), found, &count)) {
        return;
    }
    round *all = calloc(1, sizeof *all);
    if (all == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    *all = (round){state, caller, json_array(), json_array(), 1};
    for (size_t i = 0; i < count; i++) {
        ask(all, call, params, found[i]);
    }
    one_less(all);
}
