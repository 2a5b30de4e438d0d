/* SPDX-License-Identifier: MIT */
/*
 * The actor `fetch`: the rules by which requests are blocked, mocked, paused and captured, for
 * targets or for all, those that are connected later too; and the list of what is paused.
 *
 * Rules are applied by the targets. One that cannot apply them is named in `warnings`; the rules
 * stand all the same, and are given to it when it connects anew. A target's own rules end with it.
 */
#include "actors/cast.h"
#include "actors/verbs.h"
#include "fetch_rules.h"
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_TIMEOUT_MS     60000
#define PAUSE_TIMEOUT_MAX_MS 600000

/* A target that runs. */
typedef struct fetch_target {
    struct fetch_target *next;
    char id[80];
    troupe_address address;
} fetch_target;

typedef struct fetch {
    lookups calls; /* first: a lookup's `all` is this */
    fetch_target *targets;
    json_t *rules;  /* fetch_rules.h */
    json_t *paused; /* id -> what VERB_FETCH_PAUSED said */
    bool capture;
    json_int_t pause_timeout_ms;
    json_int_t captured, mocked, blocked;
} fetch;

static fetch *service_of(const lookup *item)
{
    return (fetch *)(void *)item->all;
}

static const fetch_target *target_of(const fetch *state, const char *id, size_t len)
{
    const fetch_target *at = state->targets;
    while (at != NULL && (strlen(at->id) != len || memcmp(at->id, id, len) != 0)) {
        at = at->next;
    }
    return at;
}

/* Answering --------------------------------------------------------------------------------- */

static json_t *snapshot(const fetch *state)
{
    return json_pack("{s:b, s:b, s:I, s:I, s:I, s:O, s:I}", "capture", state->capture, "enabled",
                     state->capture || json_object_size(state->rules) > 0, "capture_count",
                     state->captured, "mocked", state->mocked, "blocked", state->blocked, "rules",
                     state->rules, "paused", (json_int_t)json_object_size(state->paused));
}

static void tell_state(troupe_actor *self, const fetch *state)
{
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_STATE);
    if (to != 0) {
        (void)!json_post(self, to, TROUPE_CAST, VERB_STATE_SET,
                         json_pack("{s:s, s:o}", "key", "fetch", "value", snapshot(state)));
    }
}

static void answer(troupe_actor *self, lookup *item)
{
    fetch *state = service_of(item);
    json_t *value = snapshot(state);
    json_object_set(value, "warnings", item->warnings);
    tell_state(self, state);
    lookup_reply(self, item, value);
}

/* Applying: one target after the other -------------------------------------------------------- */

static void apply_next(troupe_actor *self, lookup *item);

static bool concerns(const lookup *item, const char *id)
{
    size_t i;
    json_t *one;
    if (item->targets == NULL) {
        return true;
    }
    json_array_foreach(item->targets, i, one)
    {
        if (strcmp(json_string_value(one), id) == 0) {
            return true;
        }
    }
    return false;
}

/* item->entry: the ids to come. */
static void applied(troupe_actor *self, lookup *item, const json_t *nothing)
{
    (void)nothing;
    if (item->error.text[0] != '\0') {
        json_array_append_new(item->warnings,
                              json_sprintf("%s: %s",
                                           json_string_value(json_array_get(item->entry, 0)),
                                           item->error.text));
        item->error.text[0] = '\0';
    }
    json_array_remove(item->entry, 0);
    apply_next(self, item);
}

static void apply_next(troupe_actor *self, lookup *item)
{
    fetch *state = service_of(item);
    const char *id = json_string_value(json_array_get(item->entry, 0));
    if (id == NULL) {
        answer(self, item);
        return;
    }
    const fetch_target *found = target_of(state, id, strlen(id));
    if (found == NULL) { /* it ended meanwhile */
        json_array_remove(item->entry, 0);
        apply_next(self, item);
        return;
    }
    item->tolerant = true;
    lookup_call(self, item, found->address, VERB_FETCH_APPLY,
                fetch_rules_of(state->rules, id, state->capture, state->pause_timeout_ms), applied);
}

static void apply(troupe_actor *self, lookup *item)
{
    fetch *state = service_of(item);
    item->entry = json_array();
    for (const fetch_target *at = state->targets; at != NULL; at = at->next) {
        if (concerns(item, at->id)) {
            json_array_append_new(item->entry, json_string(at->id));
        }
    }
    apply_next(self, item);
}

/* Methods ----------------------------------------------------------------------------------- */

/* `rules`, as the older form has them, beside the other params. False after answering what is
 * wrong.
 */
static bool flatten(troupe_actor *self, lookup *item)
{
    static const char *const known[] = {"capture", "block",    "mock", "target",
                                        "request", "response", "urls"};
    const char *name;
    json_t *value;
    json_t *rules = json_object_get(item->params, "rules");
    json_object_foreach(rules, name, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], name) != 0) {
            i++;
        }
        if (i == sizeof known / sizeof *known) {
            lookup_fault(self, item, TROUPE_EPARAMS,
                         "`rules` has no `%.40s`: capture, block, mock, target", name);
            return false;
        }
    }
    if (rules != NULL) {
        json_incref(rules);
        json_object_del(item->params, "rules");
        json_object_update(item->params, rules);
        json_decref(rules);
    }
    return true;
}

static bool checked(troupe_actor *self, lookup *item)
{
    troupe_reason reason = {{0}};
    json_t *timeout = json_object_get(item->params, "pause_timeout_ms");
    json_t *capture = json_object_get(item->params, "capture");
    troupe_error error = fetch_rules_check(item->params, &reason);
    if (error == TROUPE_OK && timeout != NULL &&
        (json_integer_value(timeout) < 1 || json_integer_value(timeout) > PAUSE_TIMEOUT_MAX_MS)) {
        error = troupe_fail(&reason, TROUPE_EPARAMS, "`pause_timeout_ms` is 1 to %d",
                            PAUSE_TIMEOUT_MAX_MS);
    }
    if (error == TROUPE_OK && capture != NULL && !json_is_boolean(capture)) {
        error = troupe_fail(&reason, TROUPE_EPARAMS, "`capture` is true or false");
    }
    if (error != TROUPE_OK) {
        lookup_fault(self, item, error, "%s", reason.text);
    }
    return error == TROUPE_OK;
}

static bool is_for_all(const lookup *item)
{
    const json_t *target = json_object_get(item->params, "target");
    return target == NULL ||
           (json_is_string(target) && strcmp(json_string_value(target), "*") == 0);
}

/* Only connected targets have rules. False after answering which is none. */
static bool all_connected(troupe_actor *self, lookup *item)
{
    size_t i;
    json_t *one;
    json_array_foreach(item->targets, i, one)
    {
        const char *id = json_string_value(one);
        if (target_of(service_of(item), id, strlen(id)) == NULL) {
            lookup_fault(self, item, TROUPE_ENOTFOUND, "no connected target %.100s", id);
            return false;
        }
    }
    return true;
}

/* The targets are known: change the rules, and apply them. */
static void set_rules(troupe_actor *self, lookup *item)
{
    fetch *state = service_of(item);
    if (!all_connected(self, item)) {
        return;
    }
    size_t i;
    json_t *one;
    json_array_foreach(item->targets, i, one)
    {
        fetch_rules_set(state->rules, json_string_value(one), item->params);
    }
    if (item->targets == NULL && !json_is_true(json_object_get(item->params, "only_capture"))) {
        fetch_rules_set(state->rules, "*", item->params);
    }
    json_t *capture = json_object_get(item->params, "capture");
    if (capture != NULL) {
        state->capture = json_is_true(capture);
    }
    json_t *timeout = json_object_get(item->params, "pause_timeout_ms");
    if (timeout != NULL) {
        state->pause_timeout_ms = json_integer_value(timeout);
    }
    if (capture != NULL) { /* it is of the host */
        json_decref(item->targets);
        item->targets = NULL;
    }
    apply(self, item);
}

static bool names_rules(const json_t *params)
{
    static const char *const members[] = {"block", "mock", "request", "response", "replay"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (json_object_get(params, members[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void change(troupe_actor *self, lookup *item)
{
    if (!checked(self, item)) {
        return;
    }
    if (!names_rules(item->params) && json_object_get(item->params, "capture") != NULL) {
        json_object_set_new(item->params, "only_capture", json_true());
    }
    if (is_for_all(item)) {
        set_rules(self, item);
    } else {
        lookup_resolve(self, item, set_rules);
    }
}

static void run_fetch(troupe_actor *self, lookup *item)
{
    if (!flatten(self, item)) {
        return;
    }
    if (json_object_size(item->params) == 0) {
        answer(self, item);
    } else if (json_object_get(item->params, "target") == NULL && names_rules(item->params)) {
        lookup_fault(self, item, TROUPE_EPARAMS,
                     "`block` and `mock` need a `target` (\"*\": all of them)");
    } else {
        change(self, item);
    }
}

static void run_enable(troupe_actor *self, lookup *item)
{
    if (!flatten(self, item)) {
        return;
    }
    if (!names_rules(item->params) && json_object_get(item->params, "capture") == NULL) {
        json_object_set_new(item->params, "capture", json_true());
    }
    change(self, item);
}

static void disable_some(troupe_actor *self, lookup *item)
{
    fetch *state = service_of(item);
    size_t i;
    json_t *one;
    if (!all_connected(self, item)) {
        return;
    }
    json_array_foreach(item->targets, i, one)
    {
        json_object_del(state->rules, json_string_value(one));
    }
    apply(self, item);
}

static void run_disable(troupe_actor *self, lookup *item)
{
    fetch *state = service_of(item);
    if (!is_for_all(item)) {
        lookup_resolve(self, item, disable_some);
        return;
    }
    json_object_clear(state->rules);
    state->capture = false;
    apply(self, item);
}

static void run_rules(troupe_actor *self, lookup *item)
{
    lookup_reply(self, item, snapshot(service_of(item)));
}

static void answer_paused(troupe_actor *self, lookup *item)
{
    if (!all_connected(self, item)) {
        return;
    }
    json_t *list = json_array();
    const char *id;
    json_t *one;
    json_object_foreach(service_of(item)->paused, id, one)
    {
        if (concerns(item, json_string_value(json_object_get(one, "target")))) {
            json_array_append(list, one);
        }
    }
    lookup_reply(self, item, json_pack("{s:o, s:O}", "paused", list, "warnings", item->warnings));
}

static void run_paused(troupe_actor *self, lookup *item)
{
    if (is_for_all(item)) {
        answer_paused(self, item);
    } else {
        lookup_resolve(self, item, answer_paused);
    }
}

/* fetch.resume, fetch.fail, fetch.fulfill: the target that has it answers. */
static void hand_on(troupe_actor *self, fetch *state, const troupe_envelope *call)
{
    troupe_reason reason;
    json_t *params = json_params(call, &reason);
    const char *id = json_string_value(json_object_get(params, "id"));
    const char *slash = id != NULL ? strrchr(id, '/') : NULL;
    const fetch_target *found = slash != NULL ? target_of(state, id, (size_t)(slash - id)) : NULL;
    troupe_error error =
        found == NULL ? TROUPE_ENOTFOUND : troupe_forward(self, call, found->address);
    if (error != TROUPE_OK && error != TROUPE_ECANCELLED) {
        troupe_fault(self, troupe_caller_of(call), error == TROUPE_EGONE ? TROUPE_ENOTFOUND : error,
                     NULL, "no paused request %.100s", id != NULL ? id : "");
    }
    json_decref(params);
}

/* Targets ----------------------------------------------------------------------------------- */

static void on_hello(troupe_actor *self, fetch *state, const troupe_envelope *call)
{
    troupe_reason reason;
    json_t *params = json_params(call, &reason);
    const char *id = json_string_value(json_object_get(params, "target"));
    fetch_target *made = id != NULL ? calloc(1, sizeof *made) : NULL;
    if (made != NULL) {
        made->address = (troupe_address)json_integer_value(json_object_get(params, "address"));
        memccpy(made->id, id, '\0', sizeof made->id - 1);
        if (troupe_monitor(self, made->address, NULL) == TROUPE_OK) {
            made->next = state->targets;
            state->targets = made;
        } else {
            free(made);
        }
    }
    json_reply(self, troupe_caller_of(call),
               fetch_rules_of(state->rules, id != NULL ? id : "", state->capture,
                              state->pause_timeout_ms));
    json_decref(params);
}

static void on_down(troupe_actor *self, fetch *state, const troupe_down *down)
{
    fetch_target **at = &state->targets;
    while (*at != NULL && (*at)->address != down->address) {
        at = &(*at)->next;
    }
    fetch_target *gone = *at;
    if (gone == NULL) {
        return;
    }
    *at = gone->next;
    json_object_del(state->rules, gone->id);
    const char *id;
    json_t *one;
    void *next;
    json_object_foreach_safe(state->paused, next, id, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "target")), gone->id) == 0) {
            json_object_del(state->paused, id);
        }
    }
    free(gone);
    tell_state(self, state);
}

static void on_cast(troupe_actor *self, fetch *state, const troupe_envelope *cast)
{
    json_t *said = json_payload(cast->payload);
    const char *id = json_string_value(json_object_get(said, "id"));
    if (troupe_verb_is(cast, VERB_FETCH_PAUSED) && id != NULL) {
        json_object_set(state->paused, id, said);
    } else if (troupe_verb_is(cast, VERB_FETCH_ENDED) && id != NULL) {
        json_object_del(state->paused, id);
    } else if (troupe_verb_is(cast, VERB_FETCH_COUNTS)) {
        state->captured += json_integer_value(json_object_get(said, "captured"));
        state->mocked += json_integer_value(json_object_get(said, "mocked"));
        state->blocked += json_integer_value(json_object_get(said, "blocked"));
    }
    json_decref(said);
    tell_state(self, state);
}

/* The actor --------------------------------------------------------------------------------- */

static const lookup_method methods[] = {
    {"fetch", run_fetch},       {"fetch.enable", run_enable}, {"fetch.disable", run_disable},
    {"fetch.rules", run_rules}, {"fetch.paused", run_paused},
};

static void on_call(troupe_actor *self, fetch *state, const troupe_envelope *call)
{
    if (lookup_run(&state->calls, self, call, methods, sizeof methods / sizeof *methods)) {
        return;
    }
    if (troupe_verb_is(call, VERB_FETCH_HELLO)) {
        on_hello(self, state, call);
    } else if (troupe_verb_is(call, "fetch.resume") || troupe_verb_is(call, "fetch.fail") ||
               troupe_verb_is(call, "fetch.fulfill")) {
        hand_on(self, state, call);
    } else {
        troupe_fault(self, troupe_caller_of(call), TROUPE_EMETHOD, NULL, NULL);
    }
}

static troupe_error fetch_receive(troupe_actor *self, void *context,
                                  const troupe_envelope *envelope)
{
    fetch *state = context;
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

static void fetch_stop(troupe_actor *self, void *context, troupe_error reason)
{
    fetch *state = context;
    (void)self;
    (void)reason;
    lookups_fini(&state->calls);
    while (state->targets != NULL) {
        fetch_target *next = state->targets->next;
        free(state->targets);
        state->targets = next;
    }
    json_decref(state->rules);
    json_decref(state->paused);
    free(state);
}

static const troupe_behaviour fetch_behaviour = {
    .kind = "fetch", .receive = fetch_receive, .stop = fetch_stop};

troupe_error fetch_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    fetch *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    state->rules = json_object();
    state->paused = json_object();
    state->pause_timeout_ms = PAUSE_TIMEOUT_MS;
    *out =
        (troupe_spawn_options){.behaviour = &fetch_behaviour, .state = state, .name = NAME_FETCH};
    return TROUPE_OK;
}
