/* SPDX-License-Identifier: MIT */
/* Fetch rules as data. */
#include "fetch_rules.h"

#include <string.h>

#define RULES_MAX 1000
#define GLOB_MAX  2000
#define BODY_MAX  (8u << 20)

/* Checking ---------------------------------------------------------------------------------- */

static troupe_error check_glob(const char *glob, const char *where, troupe_reason *reason)
{
    if (glob == NULL || *glob == '\0' || strlen(glob) > GLOB_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`%s`: a pattern has 1 to %d bytes, and * and ? in it", where, GLOB_MAX);
    }
    return TROUPE_OK;
}

static troupe_error check_list(const json_t *list, const char *where, troupe_reason *reason)
{
    size_t i;
    json_t *item;
    if (list != NULL && !json_is_array(list) && !json_is_string(list)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`%s` is a pattern, or a list of patterns",
                           where);
    }
    if (json_array_size(list) > RULES_MAX) {
        return troupe_fail(reason, TROUPE_ELIMIT, "`%s`: at most %d patterns", where, RULES_MAX);
    }
    troupe_error error =
        json_is_string(list) ? check_glob(json_string_value(list), where, reason) : TROUPE_OK;
    json_array_foreach(list, i, item)
    {
        error = error == TROUPE_OK ? check_glob(json_string_value(item), where, reason) : error;
    }
    return error;
}

static troupe_error check_answer(const char *glob, const json_t *answer, troupe_reason *reason)
{
    const char *name;
    json_t *value;
    if (json_is_string(answer)) {
        return TROUPE_OK;
    }
    if (!json_is_object(answer)) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`mock` of %.100s is the body, or {body, status, headers, base64}",
                           glob);
    }
    json_object_foreach((json_t *)answer, name, value)
    {
        bool known = strcmp(name, "body") == 0 || strcmp(name, "status") == 0 ||
                     strcmp(name, "headers") == 0 || strcmp(name, "base64") == 0;
        if (!known) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "`mock` of %.100s has no `%.40s`: body, status, headers, base64",
                               glob, name);
        }
    }
    json_t *status = json_object_get(answer, "status");
    json_int_t code = json_integer_value(status);
    if (status != NULL && (!json_is_integer(status) || code < 200 || code > 599)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`mock` of %.100s: `status` is 200 to 599",
                           glob);
    }
    json_t *headers = json_object_get(answer, "headers");
    if (headers != NULL && !json_is_object(headers)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`mock` of %.100s: `headers` is {name: value}",
                           glob);
    }
    if (json_string_length(json_object_get(answer, "body")) > BODY_MAX) {
        return troupe_fail(reason, TROUPE_ELIMIT, "`mock` of %.100s: the body is over 8 MiB", glob);
    }
    return TROUPE_OK;
}

static troupe_error check_mock(const json_t *mock, troupe_reason *reason)
{
    const char *glob;
    json_t *answer;
    if (mock != NULL && !json_is_object(mock)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`mock` is {pattern: answer}");
    }
    if (json_object_size(mock) > RULES_MAX) {
        return troupe_fail(reason, TROUPE_ELIMIT, "`mock`: at most %d patterns", RULES_MAX);
    }
    json_object_foreach((json_t *)mock, glob, answer)
    {
        troupe_error error = check_glob(glob, "mock", reason);
        error = error == TROUPE_OK ? check_answer(glob, answer, reason) : error;
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return TROUPE_OK;
}

troupe_error fetch_rules_check(const json_t *params, troupe_reason *reason)
{
    troupe_error error = check_list(json_object_get(params, "block"), "block", reason);
    error =
        error == TROUPE_OK ? check_list(json_object_get(params, "urls"), "urls", reason) : error;
    return error == TROUPE_OK ? check_mock(json_object_get(params, "mock"), reason) : error;
}

/* Setting ----------------------------------------------------------------------------------- */

static json_t *as_list(json_t *value)
{
    return json_is_string(value) ? json_pack("[O]", value) : json_incref(value);
}

void fetch_rules_set(json_t *rules, const char *scope, const json_t *params)
{
    json_t *block = json_object_get(params, "block");
    json_t *mock = json_object_get(params, "mock");
    json_t *urls = json_object_get(params, "urls");
    json_t *replay = json_object_get(params, "replay");
    json_t *all = json_pack("[s]", "*");
    json_t *own = json_object_get(rules, scope);
    bool pauses = false;
    own = own != NULL ? json_incref(own) : json_object();
    for (size_t i = 0; i < 2; i++) {
        const char *stage = i == 0 ? "request" : "response";
        json_t *on = json_object_get(params, stage);
        pauses = pauses || on != NULL;
        if (json_is_true(on)) {
            json_object_set_new(own, stage, urls != NULL ? as_list(urls) : json_incref(all));
        } else if (on != NULL) {
            json_object_del(own, stage);
        }
    }
    if (block != NULL) {
        json_object_set_new(own, "block", as_list(block));
    }
    if (mock != NULL) {
        json_object_set(own, "mock", mock);
    }
    if (replay != NULL) {
        json_object_set(own, "replay", replay);
    }
    if (block == NULL && mock == NULL && replay == NULL && !pauses) {
        json_object_del(rules, scope);
    } else {
        json_object_set(rules, scope, own);
    }
    json_decref(own);
    json_decref(all);
}

/* Merging ----------------------------------------------------------------------------------- */

static void extend(json_t *list, const json_t *more)
{
    if (more != NULL) {
        json_array_extend(list, (json_t *)more);
    }
}

static void extend_mocks(json_t *list, const json_t *mock)
{
    const char *glob;
    json_t *answer;
    json_object_foreach((json_t *)mock, glob, answer)
    {
        json_t *rule =
            json_is_string(answer) ? json_pack("{s:O}", "body", answer) : json_copy(answer);
        json_object_set_new(rule, "url", json_string(glob));
        json_array_append_new(list, rule);
    }
}

json_t *fetch_rules_of(const json_t *rules, const char *target, bool capture,
                       json_int_t pause_timeout_ms)
{
    static const char *const kinds[] = {"block", "request", "response"};
    const json_t *scopes[] = {json_object_get(rules, target), json_object_get(rules, "*")};
    json_t *merged =
        json_pack("{s:b, s:I}", "capture", capture, "pause_timeout_ms", pause_timeout_ms);
    for (size_t kind = 0; kind < 3; kind++) {
        json_t *list = json_array();
        extend(list, json_object_get(scopes[0], kinds[kind]));
        extend(list, json_object_get(scopes[1], kinds[kind]));
        json_object_set_new(merged, kinds[kind], list);
    }
    json_t *mocks = json_array();
    extend_mocks(mocks, json_object_get(scopes[0], "mock"));
    extend_mocks(mocks, json_object_get(scopes[1], "mock"));
    json_object_set_new(merged, "mock", mocks);
    json_t *replay = json_object_get(scopes[0], "replay");
    replay = replay != NULL ? replay : json_object_get(scopes[1], "replay");
    if (replay != NULL) {
        json_object_set(merged, "replay", replay);
    }
    return merged;
}
