/* SPDX-License-Identifier: MIT */
/*
 * The actor `inspect`: in which target elements are picked by hand, and what was picked.
 *
 * One target at a time; the targets set Chrome's mode. What was picked in a target is kept until
 * `browser.clear`, or until that target has another document or ends. A pick whose description is
 * under way when its like is cleared does not come back.
 */
#include "actors/cast.h"
#include "actors/verbs.h"
#include "lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIBE_MS    15000
#define SELECTIONS_MAX 200

typedef struct inspect inspect;

/** A node that was picked and is being described. */
typedef struct pick {
    struct pick *next;
    inspect *owner;
    char target[80];
    json_t *session; /* NULL = the target's own */
    bool dropped;    /* cleared meanwhile */
} pick;

/** A target that was told from. */
typedef struct seen {
    struct seen *next;
    char id[80];
    troupe_address address;
} seen;

struct inspect {
    lookups calls;       /* first: a lookup's `all` is this */
    char inspecting[80]; /* "" = none */
    seen *targets;       /* those that inspect or were picked in, monitored */
    json_t *selections;  /* key -> what INSPECT_DESCRIBE says, with target */
    json_int_t last_key;
    pick *picks;
    size_t pending;
};

static inspect *service_of(const lookup *item)
{
    return (inspect *)(void *)item->all;
}

/* Showing ----------------------------------------------------------------------------------- */

/* Of all targets, or of those the call names. Members for ourselves alone are left out. */
static json_t *shown(const inspect *state, const lookup *item)
{
    json_t *list = json_object();
    const char *key;
    json_t *one;
    json_object_foreach(state->selections, key, one)
    {
        size_t i;
        json_t *id;
        bool wanted = item == NULL || item->targets == NULL;
        json_array_foreach(item != NULL ? item->targets : NULL, i, id)
        {
            wanted = wanted || json_equal(id, json_object_get(one, "target"));
        }
        if (wanted) {
            json_t *copy = json_copy(one);
            json_object_del(copy, "session");
            json_object_set_new(list, key, copy);
        }
    }
    return list;
}

static json_t *snapshot(const inspect *state, const lookup *item)
{
    bool on = state->inspecting[0] != '\0';
    return json_pack("{s:b, s:o, s:o, s:I}", "inspect_active", on, "inspecting",
                     on ? json_string(state->inspecting) : json_null(), "selections",
                     shown(state, item), "pending_count", (json_int_t)state->pending);
}

static void tell_state(troupe_actor *self, const inspect *state)
{
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_STATE);
    if (to != 0) {
        (void)!json_post(self, to, TROUPE_CAST, VERB_STATE_SET,
                         json_pack("{s:s, s:o}", "key", "browser", "value", snapshot(state, NULL)));
    }
}

static void answer(troupe_actor *self, lookup *item)
{
    inspect *state = service_of(item);
    tell_state(self, state);
    lookup_reply(self, item, snapshot(state, NULL));
}

/* Targets ----------------------------------------------------------------------------------- */

static troupe_address target_address(troupe_actor *self, const char *id)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", NAME_TARGET, id);
    return troupe_whereis(troupe_self_system(self), name);
}

/* Be told when it ends. */
static bool follow(troupe_actor *self, inspect *state, const char *id, troupe_address address)
{
    for (const seen *at = state->targets; at != NULL; at = at->next) {
        if (at->address == address) {
            return true;
        }
    }
    seen *made = calloc(1, sizeof *made);
    if (made == NULL || troupe_monitor(self, address, NULL) != TROUPE_OK) {
        free(made);
        return false;
    }
    made->address = address;
    snprintf(made->id, sizeof made->id, "%s", id);
    made->next = state->targets;
    state->targets = made;
    return true;
}

/* target NULL: of all. */
static void forget(inspect *state, const char *target)
{
    const char *key;
    json_t *one;
    void *next;
    json_object_foreach_safe(state->selections, next, key, one)
    {
        if (target == NULL ||
            strcmp(json_string_value(json_object_get(one, "target")), target) == 0) {
            json_object_del(state->selections, key);
        }
    }
    for (pick *at = state->picks; at != NULL; at = at->next) {
        if (!at->dropped && (target == NULL || strcmp(at->target, target) == 0)) {
            at->dropped = true;
            state->pending--;
        }
    }
}

static void on_down(troupe_actor *self, inspect *state, const troupe_down *down)
{
    seen **at = &state->targets;
    while (*at != NULL && (*at)->address != down->address) {
        at = &(*at)->next;
    }
    seen *gone = *at;
    if (gone == NULL) {
        return;
    }
    *at = gone->next;
    if (strcmp(state->inspecting, gone->id) == 0) {
        state->inspecting[0] = '\0';
    }
    forget(state, gone->id);
    free(gone);
    tell_state(self, state);
}

/* Starting and stopping ----------------------------------------------------------------------- */

/* A target that no longer inspects, or never did: what was asked for is so. */
static void tell_off(troupe_actor *self, lookup *item, const char *id, lookup_answer_fn then)
{
    troupe_address address = target_address(self, id);
    item->tolerant = true;
    lookup_call(self, item, address, VERB_INSPECT_SET, json_pack("{s:b}", "on", false), then);
}

/* It was refused, or could not be done. */
static void not_started(troupe_actor *self, lookup *item)
{
    inspect *state = service_of(item);
    const char *id = json_string_value(json_array_get(item->targets, 0));
    if (strcmp(state->inspecting, id) == 0) {
        state->inspecting[0] = '\0';
    }
    tell_state(self, state);
}

static void started(troupe_actor *self, lookup *item, const json_t *said)
{
    const inspect *state = service_of(item);
    json_t *value = snapshot(state, NULL);
    json_object_set(value, "target_epoch", json_object_get(said, "target_epoch"));
    tell_state(self, state);
    lookup_reply(self, item, value);
}

static void start(troupe_actor *self, lookup *item)
{
    inspect *state = service_of(item);
    const char *id = json_string_value(json_array_get(item->targets, 0));
    troupe_address address = target_address(self, id);
    if (address == 0 || !follow(self, state, id, address)) {
        lookup_fault(self, item, TROUPE_ENOTCONNECTED, "%s is not connected", id);
        return;
    }
    if (strcmp(state->inspecting, id) != 0) {
        snprintf(state->inspecting, sizeof state->inspecting, "%s", id);
        item->failed = not_started;
    }
    json_t *params = json_pack("{s:b}", "on", true);
    json_t *epoch = json_object_get(item->params, "target_epoch");
    if (epoch != NULL) {
        json_object_set(params, "target_epoch", epoch);
    }
    lookup_call(self, item, address, VERB_INSPECT_SET, params, started);
}

static void start_after(troupe_actor *self, lookup *item, const json_t *nothing);

/* First the one before is off. Meanwhile another may have started: then that one. */
static void start_resolved(troupe_actor *self, lookup *item)
{
    inspect *state = service_of(item);
    if (json_array_size(item->targets) != 1) {
        lookup_fault(self, item, TROUPE_EPARAMS, "`target` names %zu targets; one can inspect",
                     json_array_size(item->targets));
        return;
    }
    const char *id = json_string_value(json_array_get(item->targets, 0));
    if (state->inspecting[0] != '\0' && strcmp(state->inspecting, id) != 0) {
        char before[sizeof state->inspecting];
        memcpy(before, state->inspecting, sizeof before);
        state->inspecting[0] = '\0';
        tell_off(self, item, before, start_after);
    } else {
        start(self, item);
    }
}

static void start_after(troupe_actor *self, lookup *item, const json_t *nothing)
{
    (void)nothing;
    start_resolved(self, item);
}

static void run_start(troupe_actor *self, lookup *item)
{
    if (!json_is_string(json_object_get(item->params, "target"))) {
        lookup_fault(self, item, TROUPE_EPARAMS, "`target` is needed: the page to inspect");
        return;
    }
    lookup_resolve(self, item, start_resolved);
}

static void stopped(troupe_actor *self, lookup *item, const json_t *nothing)
{
    (void)nothing;
    answer(self, item);
}

static void run_stop(troupe_actor *self, lookup *item)
{
    inspect *state = service_of(item);
    if (state->inspecting[0] == '\0') {
        answer(self, item);
        return;
    }
    char before[sizeof state->inspecting];
    memcpy(before, state->inspecting, sizeof before);
    state->inspecting[0] = '\0';
    tell_off(self, item, before, stopped);
}

static void run_browser(troupe_actor *self, lookup *item)
{
    static const char *const actions[] = {"start", "stop", NULL};
    const char *action = "start";
    if (!lookup_param_word(self, item, "action", actions, &action)) {
        return;
    }
    if (strcmp(action, "stop") == 0) {
        run_stop(self, item);
    } else {
        run_start(self, item);
    }
}

static void run_clear(troupe_actor *self, lookup *item)
{
    inspect *state = service_of(item);
    forget(state, NULL);
    state->last_key = 0;
    tell_state(self, state);
    lookup_reply(self, item,
                 json_pack("{s:b, s:o}", "success", true, "selections", shown(state, NULL)));
}

/* Selections -------------------------------------------------------------------------------- */

static void answer_selections(troupe_actor *self, lookup *item)
{
    lookup_reply(self, item, snapshot(service_of(item), item));
}

static void run_selections(troupe_actor *self, lookup *item)
{
    if (json_object_get(item->params, "target") == NULL) {
        answer_selections(self, item);
    } else {
        lookup_resolve(self, item, answer_selections);
    }
}

/* For a target: what its method is to act on. */
static void run_get(troupe_actor *self, lookup *item)
{
    const inspect *state = service_of(item);
    json_t *given = json_object_get(item->params, "key");
    const char *target = json_string_value(json_object_get(item->params, "target"));
    char key[32];
    snprintf(key, sizeof key, "%s", json_is_string(given) ? json_string_value(given) : "");
    if (json_is_integer(given)) {
        snprintf(key, sizeof key, "%lld", (long long)json_integer_value(given));
    }
    json_t *found = json_object_get(state->selections, key);
    const char *of = json_string_value(json_object_get(found, "target"));
    if (found == NULL) {
        lookup_fault(self, item, TROUPE_ENOTFOUND, "no selection %s", key);
    } else if (target == NULL || strcmp(of, target) != 0) {
        lookup_fault(self, item, TROUPE_EPARAMS, "selection %s is of %s", key, of);
    } else {
        lookup_reply(self, item, json_incref(found));
    }
}

static void pick_free(pick *item)
{
    pick **at = &item->owner->picks;
    while (*at != item) {
        at = &(*at)->next;
    }
    *at = item->next;
    json_decref(item->session);
    free(item);
}

static void keep(inspect *state, const pick *from, json_t *described)
{
    char key[24];
    json_object_set_new(described, "target", json_string(from->target));
    if (from->session != NULL) {
        json_object_set(described, "session", from->session);
    }
    if (json_object_size(state->selections) >= SELECTIONS_MAX) {
        json_object_del(state->selections,
                        json_object_iter_key(json_object_iter(state->selections)));
    }
    snprintf(key, sizeof key, "%lld", (long long)++state->last_key);
    json_object_set(state->selections, key, described);
}

static void log_failure(const pick *item, troupe_error error, const troupe_envelope *reply)
{
    troupe_fault_view fault = {.message = troupe_error_text(error)};
    fault.message_len = strlen(fault.message);
    if (reply != NULL) {
        troupe_fault_read(reply, &fault);
    }
    troupe_log(TROUPE_LOG_WARN, "inspect", "not-described", item->target, "%.*s",
               (int)fault.message_len, fault.message);
}

static void on_described(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *reply)
{
    pick *item = context;
    inspect *state = item->owner;
    state->pending -= !item->dropped;
    if (error != TROUPE_OK) {
        log_failure(item, error, reply);
    } else if (!item->dropped) {
        json_t *described = json_payload(reply->payload);
        if (json_is_object(described)) {
            keep(state, item, described);
        }
        json_decref(described);
    }
    pick_free(item);
    tell_state(self, state);
}

static void on_picked(troupe_actor *self, inspect *state, const char *id, json_t *said)
{
    troupe_address address = target_address(self, id);
    pick *made = address != 0 ? calloc(1, sizeof *made) : NULL;
    if (made == NULL) {
        return; /* it ended meanwhile */
    }
    made->owner = state;
    made->next = state->picks;
    state->picks = made;
    state->pending++;
    snprintf(made->target, sizeof made->target, "%s", id);
    made->session = json_incref(json_object_get(said, "session"));
    troupe_error error = json_call(self, address, VERB_INSPECT_DESCRIBE, json_incref(said),
                                   DESCRIBE_MS, on_described, made, NULL);
    if (error != TROUPE_OK) {
        on_described(self, made, error, NULL);
    }
}

static void on_cast(troupe_actor *self, inspect *state, const troupe_envelope *cast)
{
    json_t *said = json_payload(cast->payload);
    const char *id = json_string_value(json_object_get(said, "target"));
    if (id != NULL && troupe_verb_is(cast, VERB_INSPECT_PICKED)) {
        on_picked(self, state, id, said);
    } else if (id != NULL && troupe_verb_is(cast, VERB_INSPECT_CANCELLED)) {
        if (strcmp(state->inspecting, id) == 0) {
            state->inspecting[0] = '\0';
        }
    } else if (id != NULL && troupe_verb_is(cast, VERB_INSPECT_NAVIGATED)) {
        forget(state, id);
    }
    json_decref(said);
    tell_state(self, state);
}

/* The actor --------------------------------------------------------------------------------- */

static const lookup_method methods[] = {
    {"browser", run_browser},          {"browser.startInspect", run_start},
    {"browser.stopInspect", run_stop}, {"browser.clear", run_clear},
    {"selections", run_selections},    {VERB_SELECTION_GET, run_get},
};

static void on_call(troupe_actor *self, inspect *state, const troupe_envelope *call)
{
    if (!lookup_run(&state->calls, self, call, methods, sizeof methods / sizeof *methods)) {
        troupe_fault(self, troupe_caller_of(call), TROUPE_EMETHOD, NULL, NULL);
    }
}

static troupe_error inspect_receive(troupe_actor *self, void *context,
                                    const troupe_envelope *envelope)
{
    inspect *state = context;
    troupe_down down;
    if (envelope->kind == TROUPE_CALL) {
        on_call(self, state, envelope);
    } else if (envelope->kind == TROUPE_CAST) {
        on_cast(self, state, envelope);
    } else if (envelope->kind == TROUPE_SIGNAL && troupe_down_read(envelope, &down) == TROUPE_OK) {
        on_down(self, state, &down);
    }
    return TROUPE_OK;
}

static void inspect_stop(troupe_actor *self, void *context, troupe_error reason)
{
    inspect *state = context;
    (void)self;
    (void)reason;
    lookups_fini(&state->calls);
    while (state->picks != NULL) {
        pick_free(state->picks);
    }
    while (state->targets != NULL) {
        seen *next = state->targets->next;
        free(state->targets);
        state->targets = next;
    }
    json_decref(state->selections);
    free(state);
}

static const troupe_behaviour inspect_behaviour = {
    .kind = "inspect", .receive = inspect_receive, .stop = inspect_stop};

troupe_error inspect_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    inspect *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    state->selections = json_object();
    *out = (troupe_spawn_options){
        .behaviour = &inspect_behaviour, .state = state, .name = NAME_INSPECT};
    return TROUPE_OK;
}
