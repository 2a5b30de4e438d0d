/* SPDX-License-Identifier: MIT */
/* What connections answers about the set: members as users see them, pages, targets, status, and
 * what there is to warn of. */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "connections.h"
#include "runtime/text.h"
#include "troupe/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utlist.h>

#define TITLES_TIMEOUT_MS 2000 /* a browser that hangs does not hold the list back for longer */

/* Lists ------------------------------------------------------------------------------------- */

static void set_text(json_t *record, const char *name, const char *text)
{
    if (text != NULL) {
        json_object_set_new(record, name, json_string(text));
    }
}

/* How it fares, where there is something to say. */
static void set_health(json_t *record, const member *item)
{
    if (item->silent_us != 0) {
        json_object_set_new(record, "unresponsive",
                            json_pack("{s:I, s:I, s:I}", "since",
                                      (json_int_t)(item->silent_us / 1000), "for_ms",
                                      (json_int_t)((json_wall_us() - item->silent_us) / 1000),
                                      "calls", (json_int_t)item->waiting));
    }
    if (item->dialog != NULL) {
        json_object_set(record, "dialog", item->dialog);
    }
    if (item->inspecting) {
        json_object_set_new(record, "inspecting", json_true());
    }
    if (item->paused) {
        json_object_set_new(record, "paused", json_true());
    }
}

json_t *member_json(const connections *state, const member *item)
{
    json_t *record = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:I, s:s}", "target", item->id,
        "browser", item->browser, "type", item->type, "title", item->title, "url", item->url,
        "state", member_state_name(item->state), "connected", item->state == MEMBER_CONNECTED,
        "tracked", item->tracked, "watched", member_is_watched(state, item), "auto_attached",
        item->parent != NULL || item->followed, "epoch", (json_int_t)item->epoch, "chrome_id",
        item->chrome_id);
    char text[200];
    if (item->state == MEMBER_CRASHED && item->crash != NULL) {
        snprintf(text, sizeof text, "its renderer crashed (%s)", item->crash);
        set_text(record, "reason", text);
    } else {
        set_text(record, "reason", item->reason);
    }
    set_text(record, "parent", item->parent);
    set_text(record, "context", contexts_name(state, item));
    set_health(record, item);
    return record;
}

/* "p1:abc123 has not answered for 12 s: a dialog is open (alert: hello)" */
static json_t *silence_warning(const member *item)
{
    char text[TARGET_ID_MAX + 300];
    int used = 0;
    if (item->silent_us != 0) {
        used = snprintf(text, sizeof text, "%s has not answered for %lld s%s", item->id,
                        (long long)((json_wall_us() - item->silent_us) / 1000000),
                        item->dialog != NULL ? ": a dialog is open" : "");
    } else {
        used = snprintf(text, sizeof text, "%s %s", item->id,
                        item->dialog != NULL ? "has a dialog open" : "is paused by a debugger");
    }
    if (item->dialog != NULL) {
        char message[121];
        const char *whole = json_string_value(json_object_get(item->dialog, "message"));
        const char *type = json_string_value(json_object_get(item->dialog, "type"));
        snprintf(message, sizeof message, "%s", whole != NULL ? whole : "");
        text_repair(message);
        snprintf(text + used, sizeof text - (size_t)used, " (%s: %s)", type != NULL ? type : "",
                 message);
    }
    return json_string(text);
}

json_t *connections_warnings(const connections *state)
{
    json_t *list = json_array();
    for (const stage *each = state->stages; each != NULL; each = each->next) {
        if (each->silent) {
            char text[BROWSER_ID_MAX + 60];
            snprintf(text, sizeof text, "browser %s does not answer", each->id);
            json_array_append_new(list, json_string(text));
        }
    }
    for (const member *item = state->members; item != NULL; item = item->hh.next) {
        if (item->silent_us != 0 || item->dialog != NULL || item->paused) {
            json_array_append_new(list, silence_warning(item));
        }
    }
    return list;
}

static bool any_member(const member *item)
{
    (void)item;
    return true;
}

static bool is_page(const member *item)
{
    return strcmp(item->type, "page") == 0;
}

static bool is_connected(const member *item)
{
    return item->state == MEMBER_CONNECTED;
}

bool member_is_tracked(const member *item)
{
    return item->tracked;
}

json_t *members_json(const connections *state, member_filter filter, bool ids)
{
    json_t *list = json_array();
    for (const member *item = state->members; item != NULL; item = item->hh.next) {
        if (filter(item)) {
            json_array_append_new(list, ids ? json_string(item->id) : member_json(state, item));
        }
    }
    return list;
}

static void answer_pages(errand *item)
{
    connections *state = item->owner;
    json_t *warnings = connections_warnings(state);
    if (item->list != NULL) {
        json_array_extend(warnings, item->list);
    }
    json_reply(state->self, item->caller,
               json_pack("{s:o, s:I, s:o}", "pages", members_json(state, is_page, false), "epoch",
                         (json_int_t)state->epoch, "warnings", warnings));
    errand_free(item);
}

/* For this answer alone: it may be slow. That it is silent, it tells itself (browser.health). */
static void warn_of_titles(errand *item, const stage *browser)
{
    char text[BROWSER_ID_MAX + 60];
    if (browser->silent) {
        return; /* there is a warning of that already */
    }
    snprintf(text, sizeof text, "browser %s did not answer in time: titles may be old",
             browser->id);
    if (item->list == NULL) {
        item->list = json_array();
    }
    json_array_append_new(item->list, json_string(text));
}

/* One browser's part in `pages`. */
typedef struct question {
    errand *item;
    char browser[BROWSER_ID_MAX];
} question;

static void on_titles(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)self;
    question *asked = context;
    errand *item = asked->item;
    stage *browser = stage_find(item->owner, asked->browser);
    json_t *result = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    size_t index;
    json_t *info;
    if (browser != NULL && error == TROUPE_ETIMEOUT) {
        warn_of_titles(item, browser);
    }
    json_array_foreach(json_object_get(result, "targetInfos"), index, info)
    {
        const char *id = json_string_value(json_object_get(info, "targetId"));
        member *who = member_at(item->owner, asked->browser, id);
        if (who != NULL) {
            member_update(item->owner, who, info);
        }
    }
    json_decref(result);
    free(asked);
    if (--item->asked == 0) {
        answer_pages(item);
    }
}

static void ask_titles(errand *item, const stage *browser)
{
    question *asked = calloc(1, sizeof *asked);
    if (asked == NULL) {
        return;
    }
    asked->item = item;
    memcpy(asked->browser, browser->id, sizeof asked->browser);
    if (connections_command(item->owner, browser->address, "Target.getTargets", json_object(),
                            TITLES_TIMEOUT_MS, on_titles, asked) == TROUPE_OK) {
        item->asked++;
    } else {
        free(asked);
    }
}

/* Chrome does not tell when a page's code changes its title, so it is asked. */
void connections_pages(connections *state, const troupe_envelope *call, json_t *params)
{
    errand *item = errand_new(state, call, ERRAND_ANSWER, params);
    if (item == NULL) {
        return;
    }
    item->asked = 1;
    for (const stage *each = state->stages; each != NULL; each = each->next) {
        ask_titles(item, each);
    }
    if (--item->asked == 0) {
        answer_pages(item);
    }
}

void connections_answer_targets(connections *state, troupe_caller caller)
{
    json_reply(state->self, caller,
               json_pack("{s:o, s:o, s:o, s:O, s:I, s:o}", "tracked",
                         members_json(state, member_is_tracked, true), "connected",
                         members_json(state, is_connected, true), "targets",
                         members_json(state, any_member, false), "urls", state->patterns, "epoch",
                         (json_int_t)state->epoch, "warnings", connections_warnings(state)));
}

/* Status ------------------------------------------------------------------------------------ */

static json_t *stages_json(const connections *state)
{
    json_t *list = json_array();
    stage *item;
    DL_FOREACH(state->stages, item)
    {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "browser", item->id,
                                              "product", item->product, "origin",
                                              item->launched ? "launched" : "attached", "pid",
                                              (json_int_t)item->pid));
    }
    return list;
}

static void on_stats(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    errand *item = context;
    connections *state = item->owner;
    json_t *stats = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    json_reply(self, item->caller,
               json_pack("{s:s, s:s, s:i, s:I, s:I, s:o, s:i, s:o, s:o, s:o, s:o}", "name",
                         state->host->name, "version", troupe_version(), "pid", (int)getpid(),
                         "epoch", (json_int_t)state->epoch, "uptime_ms",
                         (json_int_t)((json_wall_us() - state->started_us) / 1000), "browsers",
                         stages_json(state), "targets", (int)HASH_COUNT(state->members),
                         "connected", members_json(state, is_connected, true), "tracked",
                         members_json(state, member_is_tracked, true), "store",
                         stats != NULL ? stats : json_null(), "warnings",
                         connections_warnings(state)));
    errand_free(item);
}

void connections_status(connections *state, const troupe_envelope *call, json_t *params)
{
    errand *item = errand_new(state, call, ERRAND_ANSWER, params);
    if (item == NULL) {
        return;
    }
    troupe_address store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
    if (json_call(state->self, store, VERB_STORE_STATS, NULL, item->timeout_ms, on_stats, item,
                  NULL) != TROUPE_OK) {
        on_stats(state->self, item, TROUPE_EGONE, NULL);
    }
}
