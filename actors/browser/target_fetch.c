/* SPDX-License-Identifier: MIT */
/*
 * Fetch rules in a target.
 *
 * They come from the actor `fetch`, at the start before anything of the page is let go, and
 * whenever they change. Chrome is asked to pause only what some rule is about.
 */
#include "target_fetch.h"

#include "actors/json_call.h"
#include "actors/verbs.h"

#include <stdlib.h>

#define HELLO_MS 2000

void fetch_tell_service(target *state, const char *verb, json_t *value)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_FETCH);
    json_object_set_new(value, "target", json_string(state->id));
    if (to == 0) {
        json_decref(value);
    } else {
        (void)!json_post(state->self, to, TROUPE_CAST, verb, value); /* shown, not relied on */
    }
}

/* Rules ------------------------------------------------------------------------------------- */

json_t *fetch_list(const target_fetch *fetch, const char *name)
{
    return json_object_get(fetch->rules, name);
}

static bool has_rules(const target_fetch *fetch)
{
    return fetch->rules != NULL &&
           (json_array_size(fetch_list(fetch, "block")) > 0 ||
            json_array_size(fetch_list(fetch, "mock")) > 0 ||
            json_array_size(fetch_list(fetch, "request")) > 0 ||
            json_array_size(fetch_list(fetch, "response")) > 0 ||
            fetch_list(fetch, "replay") != NULL || json_is_true(fetch_list(fetch, "capture")));
}

static void add_pattern(json_t *patterns, const char *url, const char *stage)
{
    json_array_append_new(patterns,
                          json_pack("{s:s, s:s}", "urlPattern", url, "requestStage", stage));
}

static void add_patterns(json_t *patterns, json_t *list, const char *stage)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        json_t *url = json_is_object(item) ? json_object_get(item, "url") : item;
        add_pattern(patterns, json_string_value(url), stage);
    }
}

static json_t *enable_params(const target_fetch *fetch)
{
    json_t *patterns = json_array();
    add_patterns(patterns, fetch_list(fetch, "block"), "Request");
    add_patterns(patterns, fetch_list(fetch, "mock"), "Request");
    add_patterns(patterns, fetch_list(fetch, "request"), "Request");
    add_patterns(patterns, fetch_list(fetch, "response"), "Response");
    if (fetch_list(fetch, "replay") != NULL) {
        add_pattern(patterns, "*", "Request");
    }
    if (json_is_true(fetch_list(fetch, "capture"))) {
        add_pattern(patterns, "*", "Response");
    }
    return json_pack("{s:o}", "patterns", patterns);
}

/* Applying ---------------------------------------------------------------------------------- */

static void on_applied(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    target_request *request = context;
    json_span result;
    if (target_result_of(request, error, answer, &result)) {
        troupe_bytes nil = {NULL, 0};
        troupe_reply(self, request->caller, nil);
        target_request_free(request);
    }
}

/* What is paused goes on with the domain. */
static void forget_all(target *state)
{
    while (state->fetch->waiting != NULL) {
        fetch_forget(state->fetch->waiting);
    }
}

static const char *fetch_method(const target_fetch *fetch)
{
    return has_rules(fetch) ? "Fetch.enable" : "Fetch.disable";
}

static bool take_rules(target *state, json_t *rules)
{
    if (state->fetch == NULL) {
        state->fetch = calloc(1, sizeof *state->fetch);
    }
    if (state->fetch == NULL) {
        return false;
    }
    json_decref(state->fetch->rules);
    state->fetch->rules = json_incref(rules);
    return true;
}

void target_fetch_apply(target *state, const troupe_envelope *call)
{
    troupe_reason reason = {{0}};
    json_t *rules = json_params(call, &reason);
    target_request *request =
        rules != NULL ? target_request_new(state, troupe_caller_of(call)) : NULL;
    if (request == NULL || !take_rules(state, rules)) {
        json_decref(rules);
        if (request != NULL) {
            target_task_fault(request, TROUPE_ENOMEM, NULL, "out of memory");
        }
        return;
    }
    json_decref(rules);
    const char *method = fetch_method(state->fetch);
    bool on = has_rules(state->fetch);
    if (!on) {
        forget_all(state);
    }
    for (target_part *part = state->parts; part != NULL; part = part->hh.next) {
        target_tell_chrome(state, part->session, method,
                           on ? enable_params(state->fetch) : json_object());
    }
    target_send_for(request, state->session, method,
                    on ? enable_params(state->fetch) : json_object(),
                    state->host->command_timeout_ms, on_applied);
}

void target_fetch_part(target *state, const target_part *part)
{
    if (state->fetch != NULL && has_rules(state->fetch)) {
        target_tell_chrome(state, part->session, "Fetch.enable", enable_params(state->fetch));
    }
}

/* Before anything else is sent, so that nothing of the page slips through. */
static void on_hello(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    target *state = context;
    (void)self;
    json_t *rules = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    if (json_is_object(rules) && take_rules(state, rules) && has_rules(state->fetch)) {
        target_tell_chrome(state, state->session, "Fetch.enable", enable_params(state->fetch));
    }
    json_decref(rules);
    target_enable(state);
}

bool target_fetch_hello(target *state)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_FETCH);
    return to != 0 && json_call(state->self, to, VERB_FETCH_HELLO,
                                json_pack("{s:s, s:I}", "target", state->id, "address",
                                          (json_int_t)troupe_self_address(state->self)),
                                HELLO_MS, on_hello, state, NULL) == TROUPE_OK;
}

void target_fetch_fini(target *state)
{
    target_fetch *fetch = state->fetch;
    if (fetch == NULL) {
        return;
    }
    fetch_paused_fini(fetch);
    json_decref(fetch->rules);
    free(fetch);
}
