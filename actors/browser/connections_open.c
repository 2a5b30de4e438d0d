/* SPDX-License-Identifier: MIT */
/* The errand `open`: finds or launches a browser, makes a page, has it connected, and goes to the
 * address. */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"

#include <utlist.h>

#define LIST_TIMEOUT_MS 5000

#define NO_BROWSER "no browser is up, and none can be launched"

/* Chrome would not go there at all: the empty page is of no use to anybody. */
static void withdraw(errand *item)
{
    connections *state = item->owner;
    member *who = member_find(state, item->target);
    stage *browser = who != NULL ? stage_find(state, who->browser) : NULL;
    if (browser != NULL &&
        connections_command(state, browser->address, "Target.closeTarget",
                            json_pack("{s:s}", "targetId", who->chrome_id), item->timeout_ms,
                            errand_ignore, NULL) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_DEBUG, "connections", "page-left", item->target, "not closed");
    }
}

static void on_opened(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    errand *item = context;
    if (error != TROUPE_OK) {
        json_fault_forward(self, item->caller, error, answer);
        if (error == TROUPE_ECDP) {
            withdraw(item);
        }
        errand_free(item);
        return;
    }
    json_t *result = json_payload(answer->payload);
    member *who = member_find(item->owner, item->target);
    json_object_set_new(result, "target", json_string(item->target));
    json_object_set_new(result, "connected",
                        json_boolean(who != NULL && who->state == MEMBER_CONNECTED));
    if (who != NULL) {
        json_object_set_new(result, "browser", json_string(who->browser));
        json_object_set_new(result, "title", json_string(who->title));
    }
    json_reply(self, item->caller, result);
    errand_free(item);
}

/* The page is connected, so its first request will be recorded: go to the address. */
void errand_navigate(errand *item, const member *who)
{
    json_t *wait = json_object_get(item->params, "wait");
    json_t *params = json_pack("{s:O, s:O}", "url", json_object_get(item->params, "url"), "wait",
                               wait != NULL ? wait : json_null());
    item->kind = ERRAND_ANSWER;
    troupe_error error = json_call(item->owner->self, who->address, "navigate", params,
                                   item->timeout_ms, on_opened, item, NULL);
    if (error != TROUPE_OK) {
        errand_fault(item, error, troupe_error_text(error));
    }
}

static void on_created(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    errand *item = context;
    connections *state = item->owner;
    if (error != TROUPE_OK) {
        json_fault_forward(self, item->caller, error, answer);
        errand_free(item);
        return;
    }
    json_t *result = json_payload(answer->payload);
    const char *id = json_string_value(json_object_get(result, "targetId"));
    member *who = member_at(state, item->browser, id);
    json_decref(result);
    if (who == NULL) {
        errand_fault(item, TROUPE_EGONE, "the page was gone as soon as it was made");
    } else if (who->state == MEMBER_CONNECTED || who->state == MEMBER_CRASHED) {
        memcpy(item->target, who->id, sizeof item->target);
        errand_navigate(item, who);
    } else {
        item->kind = ERRAND_OPEN;
        errand_await(item, who);
    }
}

static void open_on(errand *item, const stage *browser)
{
    item->kind = ERRAND_ANSWER;
    connections_copy(item->browser, sizeof item->browser, browser->id, strlen(browser->id));
    bool failed;
    const browser_context *in = contexts_named(item->owner, item->caller, item->params, &failed);
    if (failed) {
        errand_free(item); /* disposed of meanwhile */
        return;
    }
    json_t *params = json_pack("{s:s, s:s*}", "url", "about:blank", "browserContextId",
                               in != NULL ? in->chrome_id : NULL);
    troupe_error error = connections_command(item->owner, browser->address, "Target.createTarget",
                                             params, item->timeout_ms, on_created, item);
    if (error != TROUPE_OK) {
        errand_fault(item, error, troupe_error_text(error));
    }
}

static bool waits_for_browser(const errand *item)
{
    return (item->kind == ERRAND_OPEN || item->kind == ERRAND_CONTEXT) && item->target[0] == '\0';
}

static void on_launched(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    connections *state = context;
    errand *item;
    errand *next;
    state->seeking = false;
    if (error == TROUPE_OK) {
        return; /* connections_browser_up goes on */
    }
    DL_FOREACH_SAFE(state->errands, item, next)
    {
        if (waits_for_browser(item)) {
            json_fault_forward(self, item->caller, error, answer);
            errand_free(item);
        }
    }
}

static void launch_one(connections *state)
{
    troupe_address launcher = troupe_whereis(troupe_self_system(state->self), NAME_LAUNCHER);
    troupe_error error = json_call(state->self, launcher, "browsers.launch", json_object(), 60000,
                                   on_launched, state, NULL);
    if (error != TROUPE_OK) {
        on_launched(state->self, state, error, NULL);
    }
}

/* Nothing is up: wait for one that is starting, or start one. */
static void on_browsers_listed(troupe_actor *self, void *context, troupe_error error,
                               const troupe_envelope *answer)
{
    (void)self;
    connections *state = context;
    json_t *result = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    json_t *list = json_object_get(result, "browsers");
    bool coming = state->stages != NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *now = json_string_value(json_object_get(json_array_get(list, i), "state"));
        coming |= now != NULL && (strcmp(now, "starting") == 0 || strcmp(now, "up") == 0);
    }
    json_decref(result);
    if (coming) {
        state->seeking = false; /* told by browser.up, or by browser.failed */
    } else {
        launch_one(state);
    }
}

/* For those who wait to open a page: find out whether a browser is coming, one time for all. One
 * that is here and not settled yet will be. */
static troupe_error seek_browser(connections *state)
{
    if (state->seeking || state->stages != NULL) {
        return TROUPE_OK;
    }
    troupe_address launcher = troupe_whereis(troupe_self_system(state->self), NAME_LAUNCHER);
    troupe_error error = json_call(state->self, launcher, "browsers.list", NULL, LIST_TIMEOUT_MS,
                                   on_browsers_listed, state, NULL);
    state->seeking = error == TROUPE_OK;
    return error;
}

static void begin_on(errand *item, const stage *browser)
{
    if (item->kind == ERRAND_CONTEXT) {
        contexts_create_on(item, browser);
    } else {
        open_on(item, browser);
    }
}

void errand_on_browser(errand *item, const stage *browser)
{
    if (browser != NULL) {
        begin_on(item, browser);
    } else if (seek_browser(item->owner) != TROUPE_OK) {
        errand_fault(item, TROUPE_EUNAVAILABLE, NO_BROWSER);
    }
}

/* Goes on with those who wait for a browser: on this one, or, without one, by seeking another. */
static void go_on(connections *state, const stage *browser)
{
    errand *item;
    errand *next;
    DL_FOREACH_SAFE(state->errands, item, next)
    {
        if (!waits_for_browser(item)) {
            continue;
        }
        if (item->deadline_ns <= troupe_now_ns(state->self)) {
            errand_fault(item, TROUPE_ETIMEOUT, "no browser came up in time");
        } else if (browser != NULL) {
            begin_on(item, browser);
        } else if (seek_browser(state) != TROUPE_OK) {
            errand_fault(item, TROUPE_EUNAVAILABLE, NO_BROWSER);
        }
    }
}

void connections_browser_failed(connections *state)
{
    go_on(state, NULL);
}

/* The browser that params.browser names; the first one that is settled if it names none, NULL if
 * there is none. *failed: after answering the fault. */
stage *connections_browser_named(connections *state, troupe_caller caller, json_t *params,
                                 bool *failed)
{
    json_t *given = json_object_get(params, "browser");
    const char *id = json_string_value(given);
    stage *found = state->stages;
    *failed = false;
    if (given == NULL || json_is_null(given)) {
        while (found != NULL && !found->settled) {
            found = found->next;
        }
        return found;
    }
    found = id != NULL ? stage_find(state, id) : NULL;
    if (found == NULL) {
        troupe_fault(state->self, caller, id != NULL ? TROUPE_ENOTFOUND : TROUPE_EPARAMS, NULL,
                     id != NULL ? "no browser %s is up" : "`browser` must be a string", id);
        *failed = true;
    }
    return found;
}

void connections_open(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    bool failed;
    if (!json_is_string(json_object_get(params, "url"))) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`url` must be a string");
        return;
    }
    stage *browser = connections_browser_named(state, caller, params, &failed);
    const browser_context *in = failed ? NULL : contexts_named(state, caller, params, &failed);
    if (failed) {
        return;
    }
    bool named = browser != NULL && json_is_string(json_object_get(params, "browser"));
    if (in != NULL && named && strcmp(in->browser, browser->id) != 0) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "context %s is not of browser %s",
                     in->id, browser->id);
        return;
    }
    if (in != NULL) {
        browser = stage_find(state, in->browser);
    }
    if (in != NULL && browser == NULL) {
        troupe_fault(state->self, caller, TROUPE_EUNAVAILABLE, NULL,
                     "the connection to browser %s is lost", in->browser);
        return;
    }
    errand *item = errand_new(state, call, ERRAND_OPEN, params);
    if (item != NULL) {
        errand_on_browser(item, browser);
    }
}

void connections_browser_up(connections *state, stage *browser)
{
    go_on(state, browser);
}
