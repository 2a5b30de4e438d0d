/* SPDX-License-Identifier: MIT */
/* ports.list and ports.remove: the launcher has the ports, what is told of their targets is told
 * here. */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"

#include <string.h>

static bool is_of(const member *who, const json_t *port)
{
    const char *browser = json_string_value(json_object_get(port, "browser"));
    return browser != NULL && strcmp(who->browser, browser) == 0 && who->state != MEMBER_GONE;
}

static void count_targets(const connections *state, json_t *port)
{
    json_int_t count = 0;
    json_int_t watched = 0;
    for (const member *who = state->members; who != NULL; who = who->hh.next) {
        count += is_of(who, port);
        watched += is_of(who, port) && member_is_watched(state, who);
    }
    json_object_set_new(port, "target_count", json_integer(count));
    json_object_set_new(port, "watched_count", json_integer(watched));
}

/* What the launcher answered: new reference; NULL after passing its fault on. */
static json_t *result_of(errand *item, troupe_error error, const troupe_envelope *answer)
{
    json_t *result = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    if (result == NULL) {
        json_fault_forward(item->owner->self, item->caller,
                           error != TROUPE_OK ? error : TROUPE_EPROTOCOL,
                           error != TROUPE_OK ? answer : NULL);
    }
    return result;
}

static void on_listed(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    errand *item = context;
    json_t *result = result_of(item, error, answer);
    size_t i;
    json_t *port;
    json_array_foreach(json_object_get(result, "ports"), i, port)
    {
        count_targets(item->owner, port);
    }
    if (result != NULL) {
        json_reply(self, item->caller, result);
    }
    errand_free(item);
}

/* Of what was connected when it was asked for (item->list), what was of that browser. */
static json_t *disconnected(const errand *item, const char *browser)
{
    json_t *its = json_array();
    size_t i;
    json_t *id;
    json_array_foreach(item->list, i, id)
    {
        if (browser != NULL && member_id_is_of(json_string_value(id), browser)) {
            json_array_append(its, id);
        }
    }
    return its;
}

static void on_removed(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    errand *item = context;
    json_t *result = result_of(item, error, answer);
    if (result != NULL) {
        const char *browser = json_string_value(json_object_get(result, "browser"));
        json_object_set(result, "port", json_object_get(item->params, "port"));
        json_object_set(result, "removed", json_object_get(result, "closed"));
        json_object_set_new(result, "disconnected", disconnected(item, browser));
        json_reply(self, item->caller, result);
    }
    errand_free(item);
}

static errand *ask(connections *state, const troupe_envelope *call, json_t *params,
                   const char *method, troupe_answer_fn fn)
{
    troupe_address launcher = troupe_whereis(troupe_self_system(state->self), NAME_LAUNCHER);
    errand *item = errand_new(state, call, ERRAND_ANSWER, params);
    if (item == NULL) {
        return NULL;
    }
    troupe_error error = launcher == 0
                             ? TROUPE_EUNAVAILABLE
                             : json_call(state->self, launcher, method, json_incref(params),
                                         item->timeout_ms, fn, item, NULL);
    if (error != TROUPE_OK) {
        errand_fault(item, error, troupe_error_text(error));
        return NULL;
    }
    return item;
}

void connections_ports_list(connections *state, const troupe_envelope *call, json_t *params)
{
    (void)ask(state, call, params, "ports.list", on_listed);
}

void connections_ports_remove(connections *state, const troupe_envelope *call, json_t *params)
{
    errand *item = ask(state, call, params, "ports.remove", on_removed);
    if (item != NULL) {
        item->list = members_json(state, member_is_attached, true);
    }
}
