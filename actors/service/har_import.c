/* SPDX-License-Identifier: MIT */
/*
 * RPC `har.import`: what har_events.h makes of the HAR is posted to the store, so much at a time
 * that browsers' events find room in between. Nothing is written before the whole HAR has been
 * read.
 */
#include "har_import.h"

#include "har_events.h"

#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uuid/uuid.h>

#define AT_ONCE   64 /* posts, then the store is waited for */
#define AGAIN_MS  20 /* when it has no room */
#define NAME_SIZE 128

/* What item->entry holds: {browser, product, told, at, targets, requests, bodies}. */

static const char *browser_of(const lookup *item)
{
    return json_string_value(json_object_get(item->entry, "browser"));
}

static troupe_error post(troupe_actor *self, troupe_kind kind, const char *verb,
                         troupe_buffer *payload)
{
    troupe_address store = troupe_whereis(troupe_self_system(self), NAME_STORE);
    troupe_error error =
        payload->failed ? TROUPE_ENOMEM
        : store == 0    ? TROUPE_EGONE
                        : troupe_post(self, store, kind, verb, NULL, troupe_buffer_bytes(payload));
    troupe_buffer_fini(payload);
    return error;
}

/* A page's session, and what Chrome would call it: BROWSER.PAGE, of letters that CDP allows. */
static void name_session(const char *target, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s", target);
    char *colon = strchr(out, ':');
    if (colon != NULL) {
        *colon = '.';
    }
}

static troupe_error post_browser(troupe_actor *self, const lookup *item, const char *state)
{
    troupe_buffer payload = {0};
    const char *product = json_string_value(json_object_get(item->entry, "product"));
    (void)troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:s,s:I}", "uid", browser_of(item),
                      "browser", browser_of(item), "origin", "imported", "state", state, "product",
                      product, "pid", (int64_t)0, "endpoint", "har", "reason", "imported",
                      "wall_us", json_wall_us());
    return post(self, TROUPE_CAST, VERB_RECORD_BROWSER, &payload);
}

static troupe_error post_targets(troupe_actor *self, const lookup *item, const char *state)
{
    const char *id;
    json_t *url;
    troupe_error error = TROUPE_OK;
    json_object_foreach(json_object_get(item->entry, "targets"), id, url)
    {
        troupe_buffer payload = {0};
        const char *address = json_string_value(url);
        char chrome_id[NAME_SIZE];
        name_session(id, chrome_id);
        (void)troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:U,s:I}", "uid",
                          browser_of(item), "target", id, "chrome_id", chrome_id, "type", "page",
                          "url", address, "title", "", "state", state, "epoch", (uint64_t)1,
                          "wall_us", json_wall_us());
        troupe_error posted = post(self, TROUPE_CAST, VERB_RECORD_TARGET, &payload);
        error = error == TROUPE_OK ? posted : error;
    }
    return error;
}

static troupe_error post_body(troupe_actor *self, const lookup *item, const json_t *told)
{
    troupe_buffer payload = {0};
    const json_t *body = json_object_get(told, "body");
    const char *target = json_string_value(json_object_get(told, "target"));
    const char *id = json_string_value(json_object_get(told, "request_id"));
    char session[NAME_SIZE];
    name_session(target, session);
    const char *lacks = json_string_value(json_object_get(told, "error"));
    int64_t wall_us = json_integer_value(json_object_get(told, "wall_us"));
    if (lacks != NULL) {
        (void)troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:b,s:s,s:I}", "uid", browser_of(item),
                          "target", target, "session", session, "request_id", id, "ok", 0, "error",
                          lacks, "wall_us", wall_us);
    } else {
        (void)troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:b,s:b,s:x#,s:I,s:b}", "uid",
                          browser_of(item), "target", target, "session", session, "request_id", id,
                          "ok", 1, "base64", json_is_true(json_object_get(told, "base64")), "body",
                          json_string_value(body), json_string_length(body), "wall_us", wall_us,
                          "post_data", json_is_true(json_object_get(told, "post_data")));
    }
    return post(self, TROUPE_CAST, VERB_RECORD_BODY, &payload);
}

static troupe_error post_event(troupe_actor *self, const lookup *item, const json_t *told)
{
    troupe_buffer payload = {0};
    int64_t wall_us = json_integer_value(json_object_get(told, "wall_us"));
    char *params = json_dumps(json_object_get(told, "params"), JSON_COMPACT);
    if (params == NULL) {
        return TROUPE_ENOMEM;
    }
    const char *target = json_string_value(json_object_get(told, "target"));
    char session[NAME_SIZE];
    name_session(target, session);
    (void)troupe_pack(&payload, "[s,s,s,I,I,j#]", browser_of(item), target, session, wall_us,
                      (int64_t)0, params, strlen(params));
    free(params);
    return post(self, TROUPE_EVENT, json_string_value(json_object_get(told, "method")), &payload);
}

/* Telling ----------------------------------------------------------------------------------- */

static void go_on(troupe_actor *self, lookup *item);

static void done(troupe_actor *self, lookup *item, const json_t *nothing)
{
    (void)nothing;
    json_t *ids = json_array();
    const char *id;
    json_t *url;
    json_object_foreach(json_object_get(item->entry, "targets"), id, url)
    {
        json_array_append_new(ids, json_string(id));
    }
    lookup_reply(self, item,
                 json_pack("{s:O,s:o,s:O,s:O,s:O}", "browser",
                           json_object_get(item->entry, "browser"), "targets", ids, "requests",
                           json_object_get(item->entry, "requests"), "bodies",
                           json_object_get(item->entry, "bodies"), "warnings", item->warnings));
}

static void wait_for_store(troupe_actor *self, lookup *item, lookup_answer_fn then)
{
    troupe_address store = troupe_whereis(troupe_self_system(self), NAME_STORE);
    if (store == 0) {
        lookup_fault(self, item, TROUPE_EUNAVAILABLE, "the store is not there");
    } else {
        lookup_call(self, item, store, VERB_STORE_SYNC, NULL, then);
    }
}

static void on_stored(troupe_actor *self, lookup *item, const json_t *nothing)
{
    (void)nothing;
    go_on(self, item);
}

static void on_room(troupe_actor *self, void *context)
{
    go_on(self, context);
}

/* The steps: the browser, its pages, what is told, and their end. */
static troupe_error post_step(troupe_actor *self, const lookup *item, size_t at, size_t count)
{
    const json_t *told = at >= 2 && at < count + 2
                             ? json_array_get(json_object_get(item->entry, "told"), at - 2)
                             : NULL;
    if (told != NULL) {
        return json_object_get(told, "body") != NULL ? post_body(self, item, told)
                                                     : post_event(self, item, told);
    }
    return at == 0           ? post_browser(self, item, "up")
           : at == 1         ? post_targets(self, item, "connected")
           : at == count + 2 ? post_targets(self, item, "gone")
                             : post_browser(self, item, "down");
}

static void go_on(troupe_actor *self, lookup *item)
{
    size_t at = (size_t)json_integer_value(json_object_get(item->entry, "at"));
    size_t count = json_array_size(json_object_get(item->entry, "told"));
    troupe_error error = TROUPE_OK;
    uint64_t timer;
    for (size_t n = 0; n < AT_ONCE && at < count + 4; n++, at++) {
        error = post_step(self, item, at, count);
        if (error != TROUPE_OK) {
            break;
        }
    }
    json_object_set_new(item->entry, "at", json_integer((json_int_t)at));
    if (error == TROUPE_EBUSY) {
        error = troupe_timer_start(self, AGAIN_MS, 0, on_room, item, &timer);
        if (error == TROUPE_OK) {
            return;
        }
    }
    if (error != TROUPE_OK) {
        lookup_fault(self, item, error, "recorded are the first %zu of %zu events", at, count);
    } else {
        wait_for_store(self, item, at < count + 4 ? on_stored : done);
    }
}

/* Beginning --------------------------------------------------------------------------------- */

static json_int_t count_bodies(const json_t *told)
{
    size_t i;
    json_t *one;
    json_int_t bodies = 0;
    json_array_foreach(told, i, one)
    {
        bodies += json_object_get(one, "body") != NULL && json_object_get(one, "error") == NULL &&
                  !json_is_true(json_object_get(one, "post_data"));
    }
    return bodies;
}

static uint32_t random_number(void)
{
    uuid_t uuid;
    uint32_t number;
    uuid_generate_random(uuid);
    memcpy(&number, uuid, sizeof number);
    return number;
}

static bool is_name(const char *text)
{
    return strncmp(text, "har-", 4) == 0 && strlen(text) == 12 &&
           strspn(text + 4, "0123456789abcdef") == 8;
}

void har_import(troupe_actor *self, lookup *item)
{
    char name[16];
    const char *into = NULL;
    troupe_reason reason = {{0}};
    const json_t *har = json_object_get(item->params, "har");
    if (!lookup_param_string(self, item, "into", &into)) {
        return;
    }
    if (into != NULL && !is_name(into)) {
        lookup_fault(self, item, TROUPE_EPARAMS, "`into` is the `browser` of an import before");
        return;
    }
    snprintf(name, sizeof name, "har-%08x", (unsigned)random_number());
    har_events events = {.browser = into != NULL ? into : name, .piece = random_number()};
    troupe_error error = har_events_read(har, &events, &reason);
    if (error == TROUPE_OK) {
        item->entry =
            json_pack("{s:s,s:s,s:O,s:i,s:O,s:I,s:I}", "browser", events.browser, "product",
                      events.product, "told", events.told, "at", 0, "targets", events.targets,
                      "requests", (json_int_t)events.entries, "bodies", count_bodies(events.told));
    }
    har_events_fini(&events);
    if (error != TROUPE_OK) {
        lookup_fault(self, item, error, "%s", reason.text);
    } else if (item->entry == NULL) {
        lookup_fault(self, item, TROUPE_ENOMEM, "out of memory");
    } else {
        go_on(self, item);
    }
}
