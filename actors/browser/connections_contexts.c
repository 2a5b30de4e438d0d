/* SPDX-License-Identifier: MIT */
/* Browser contexts that were made here: profiles of their own in a browser that runs, for the price
 * of a page. They live as long as their browser's run. */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define LATE_MS 60000 /* a context that Chrome makes this late is still disposed of */

static browser_context *find(const connections *state, const char *id)
{
    browser_context *item;
    DL_FOREACH(state->contexts, item)
    {
        if (strcmp(item->id, id) == 0) {
            return item;
        }
    }
    return NULL;
}

static void context_free(connections *state, browser_context *item)
{
    DL_DELETE(state->contexts, item);
    free(item->proxy);
    free(item);
}

void contexts_forget(connections *state, const char *browser, const char *run)
{
    browser_context *item;
    browser_context *next;
    DL_FOREACH_SAFE(state->contexts, item, next)
    {
        if ((browser == NULL || strcmp(item->browser, browser) == 0) &&
            (run == NULL || strcmp(item->uid, run) != 0)) {
            context_free(state, item);
        }
    }
}

const char *contexts_name(const connections *state, const member *item)
{
    const browser_context *each;
    DL_FOREACH(state->contexts, each)
    {
        if (item->context != NULL && strcmp(each->chrome_id, item->context) == 0 &&
            strcmp(each->browser, item->browser) == 0) {
            return each->id;
        }
    }
    return NULL;
}

browser_context *contexts_named(connections *state, troupe_caller caller, json_t *params,
                                bool *failed)
{
    json_t *given = json_object_get(params, "context");
    const char *id = json_string_value(given);
    *failed = false;
    if (given == NULL || json_is_null(given)) {
        return NULL;
    }
    browser_context *item = id != NULL ? find(state, id) : NULL;
    if (item == NULL || item->disposing || item->maker != NULL) {
        *failed = true;
        json_fault(state->self, caller, id != NULL ? TROUPE_ENOTFOUND : TROUPE_EPARAMS,
                   id != NULL ? json_pack("{s:s}", "context", id) : NULL,
                   id != NULL ? "no context %s" : "`context` must be a string", id);
        return NULL;
    }
    return item;
}

/* Create ----------------------------------------------------------------------------------------
 */

/* "p1/NAME", or "p1/c1", "p1/c2" … */
static bool choose_id(connections *state, const errand *item, char *id, size_t size)
{
    const char *name = json_string_value(json_object_get(item->params, "name"));
    if (name != NULL) {
        snprintf(id, size, "%s/%s", item->browser, name);
        return find(state, id) == NULL;
    }
    do {
        snprintf(id, size, "%s/c%u", item->browser, ++state->next_context);
    } while (find(state, id) != NULL);
    return true;
}

/* The context that it is to make; NULL: forgotten meanwhile, with its browser. */
static browser_context *reserved_by(const connections *state, const errand *item)
{
    browser_context *made;
    DL_SEARCH_SCALAR(state->contexts, made, maker, item);
    return made;
}

/* All that can fail here does so before Chrome makes anything. NULL after answering the fault, and
 * freeing the errand. */
static browser_context *reserve(errand *item, const stage *browser)
{
    connections *state = item->owner;
    const char *proxy = json_string_value(json_object_get(item->params, "proxy"));
    browser_context *made = calloc(1, sizeof *made);
    char *copy = made != NULL && proxy != NULL ? strdup(proxy) : NULL;
    if (made == NULL || (copy == NULL && proxy != NULL)) {
        free(made);
        errand_fault(item, TROUPE_ENOMEM, troupe_error_text(TROUPE_ENOMEM));
        return NULL;
    }
    if (!choose_id(state, item, made->id, sizeof made->id)) {
        char why[sizeof made->id + 40];
        snprintf(why, sizeof why, "there is a context %s already", made->id);
        free(copy);
        free(made);
        errand_fault(item, TROUPE_ESTATE, why);
        return NULL;
    }
    connections_copy(made->browser, sizeof made->browser, browser->id, strlen(browser->id));
    connections_copy(made->uid, sizeof made->uid, browser->uid, strlen(browser->uid));
    made->proxy = copy;
    made->maker = item;
    DL_APPEND(state->contexts, made);
    return made;
}

/* Chrome made it, but nobody is to have it. */
static void discard(errand *item, const char *chrome_id)
{
    connections *state = item->owner;
    const stage *browser = stage_find(state, item->browser);
    if (browser != NULL &&
        connections_command(state, browser->address, "Target.disposeBrowserContext",
                            json_pack("{s:s}", "browserContextId", chrome_id), LATE_MS,
                            errand_ignore, NULL) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "connections", "context-left", item->browser, "%s", chrome_id);
    }
}

/* NULL: made as reserved. */
static const char *take_context(errand *item, browser_context *made, const char *chrome_id)
{
    bool late = item->deadline_ns <= troupe_now_ns(item->owner->self);
    if (chrome_id == NULL) {
        return "the context was not made";
    }
    if (made == NULL || late || strlen(chrome_id) >= sizeof made->chrome_id) {
        discard(item, chrome_id);
        return made == NULL ? "the browser is gone"
               : late       ? "the context was made too late"
                            : "the context was not made";
    }
    connections_copy(made->chrome_id, sizeof made->chrome_id, chrome_id, strlen(chrome_id));
    made->maker = NULL;
    return NULL;
}

static void on_context(troupe_actor *self, void *data, troupe_error error,
                       const troupe_envelope *answer)
{
    errand *item = data;
    browser_context *made = reserved_by(item->owner, item);
    json_t *result = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    const char *chrome_id = json_string_value(json_object_get(result, "browserContextId"));
    const char *failure = error == TROUPE_OK ? take_context(item, made, chrome_id) : "";
    if (failure == NULL) {
        json_reply(self, item->caller,
                   json_pack("{s:s, s:s}", "context", made->id, "browser", made->browser));
        errand_free(item);
    } else {
        if (made != NULL) {
            context_free(item->owner, made);
        }
        if (error != TROUPE_OK) {
            json_fault_forward(self, item->caller, error, answer);
            errand_free(item);
        } else {
            errand_fault(item, made == NULL ? TROUPE_ECLOSED : TROUPE_ESTATE, failure);
        }
    }
    json_decref(result);
}

/* The answer is waited for longer than the caller does, so that nothing is left in Chrome. */
void contexts_create_on(errand *item, const stage *browser)
{
    connections *state = item->owner;
    connections_copy(item->browser, sizeof item->browser, browser->id, strlen(browser->id));
    browser_context *made = reserve(item, browser);
    if (made == NULL) {
        return;
    }
    json_t *params = json_pack("{s:s*}", "proxyServer", made->proxy);
    item->kind = ERRAND_ANSWER;
    troupe_error error = connections_command(state, browser->address, "Target.createBrowserContext",
                                             params, item->timeout_ms + LATE_MS, on_context, item);
    if (error != TROUPE_OK) {
        context_free(state, made);
        errand_fault(item, error, troupe_error_text(error));
    }
}

void contexts_create(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    const char *name = json_string_value(json_object_get(params, "name"));
    bool failed;
    if (name != NULL && !browser_name_is_fine(name)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`name` has 1 to %d of the characters A-Z a-z 0-9 . _ -", BROWSER_ID_MAX - 1);
        return;
    }
    const stage *browser = connections_browser_named(state, caller, params, &failed);
    errand *item = failed ? NULL : errand_new(state, call, ERRAND_CONTEXT, params);
    if (item != NULL) {
        errand_on_browser(item, browser);
    }
}

/* Dispose ----------------------------------------------------------------------------------------
 */

static void on_disposed(troupe_actor *self, void *data, troupe_error error,
                        const troupe_envelope *answer)
{
    errand *item = data;
    const char *id = json_string_value(json_object_get(item->params, "context"));
    browser_context *gone = find(item->owner, id);
    if (error == TROUPE_OK || error == TROUPE_ECDP) { /* Chrome knows it no more */
        if (gone != NULL) {
            context_free(item->owner, gone);
        }
        json_reply(self, item->caller, json_pack("{s:s, s:b}", "context", id, "disposed", true));
    } else {
        if (gone != NULL) {
            gone->disposing = false;
        }
        json_fault_forward(self, item->caller, error, answer);
    }
    errand_free(item);
}

void contexts_dispose(connections *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    bool failed;
    browser_context *item = contexts_named(state, caller, params, &failed);
    const stage *browser = item != NULL ? stage_find(state, item->browser) : NULL;
    if (failed) {
        return;
    }
    if (browser == NULL) {
        troupe_fault(state->self, caller, item == NULL ? TROUPE_EPARAMS : TROUPE_EUNAVAILABLE, NULL,
                     item == NULL ? "`context` must be a string"
                                  : "the connection to browser %s is lost",
                     item != NULL ? item->browser : "");
        return;
    }
    errand *work = errand_new(state, call, ERRAND_ANSWER, params);
    if (work == NULL) {
        return;
    }
    troupe_error error =
        connections_command(state, browser->address, "Target.disposeBrowserContext",
                            json_pack("{s:s}", "browserContextId", item->chrome_id),
                            work->timeout_ms, on_disposed, work);
    if (error != TROUPE_OK) {
        errand_fault(work, error, troupe_error_text(error));
        return;
    }
    item->disposing = true;
}

/* List ------------------------------------------------------------------------------------------
 */

void contexts_list(connections *state, const troupe_envelope *call, json_t *params)
{
    (void)params;
    json_t *list = json_array();
    const browser_context *item;
    DL_FOREACH(state->contexts, item)
    {
        if (item->maker != NULL) {
            continue;
        }
        json_t *pages = json_array();
        for (const member *each = state->members; each != NULL; each = each->hh.next) {
            const char *in = strcmp(each->type, "page") == 0 ? contexts_name(state, each) : NULL;
            if (in != NULL && strcmp(in, item->id) == 0) {
                json_array_append_new(pages, json_string(each->id));
            }
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s, s:o}", "context", item->id,
                                              "browser", item->browser, "proxy", item->proxy,
                                              "chrome_id", item->chrome_id, "pages", pages));
    }
    json_reply(state->self, troupe_caller_of(call), json_pack("{s:o}", "contexts", list));
}
