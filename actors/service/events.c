/* SPDX-License-Identifier: MIT */
/*
 * The actor `events`: RPC events.wait. It has the store tell of those topics that somebody waits
 * for, and of no others.
 */
#include "actors/cast.h"
#include "actors/glob.h"
#include "actors/json_call.h"
#include "actors/topics.h"
#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define WAITERS_MAX  1000
#define TIMEOUT_MS   30000
#define SUBSCRIBE_MS 5000
#define MARGIN_MS    50 /* to answer before the caller gives up */

typedef struct waiter {
    struct waiter *prev;
    struct waiter *next;
    struct events *owner;
    troupe_caller caller;
    unsigned topics;
    json_t *targets; /* list; NULL = all */
    json_t *methods;
    json_t *where;
    uint64_t timer;
} waiter;

typedef struct events {
    troupe_actor *self;
    waiter *waiters;
    size_t count;
    unsigned subscribed;
    troupe_address store;
} events;

/* Subscriptions ----------------------------------------------------------------------------- */

static unsigned needed(const events *state)
{
    unsigned topics = 0;
    for (const waiter *at = state->waiters; at != NULL; at = at->next) {
        topics |= at->topics;
    }
    return topics;
}

static void on_subscribed(troupe_actor *self, void *context, troupe_error error,
                          const troupe_envelope *answer)
{
    events *state = context;
    (void)self;
    (void)answer;
    if (error != TROUPE_OK) {
        state->subscribed = 0; /* the next who waits tries again */
    }
}

static void tell_store(events *state, const char *verb, unsigned topics)
{
    troupe_buffer payload = {0};
    topics_pack(&payload, topics);
    if (troupe_call(state->self, state->store, verb, NULL, troupe_buffer_bytes(&payload),
                    SUBSCRIBE_MS, on_subscribed, state, NULL) != TROUPE_OK) {
        state->subscribed = 0;
    }
    troupe_buffer_fini(&payload);
}

static void follow_needs(events *state)
{
    unsigned wanted = needed(state);
    troupe_address store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
    if (store != state->store) {
        state->store = store;
        state->subscribed = 0;
        if (store != 0) {
            (void)!troupe_monitor(state->self, store, NULL);
        }
    }
    unsigned more = wanted & ~state->subscribed;
    unsigned fewer = state->subscribed & ~wanted;
    state->subscribed = wanted;
    if (store != 0 && more != 0) {
        tell_store(state, VERB_STORE_SUBSCRIBE, more);
    }
    if (store != 0 && fewer != 0) {
        tell_store(state, VERB_STORE_UNSUBSCRIBE, fewer);
    }
}

/* Waiters ----------------------------------------------------------------------------------- */

static void forget(waiter *item)
{
    events *state = item->owner;
    troupe_timer_cancel(state->self, item->timer);
    DL_DELETE(state->waiters, item);
    state->count--;
    json_decref(item->targets);
    json_decref(item->methods);
    json_decref(item->where);
    free(item);
}

static void on_time_over(troupe_actor *self, void *context)
{
    waiter *item = context;
    events *state = item->owner;
    item->timer = 0;
    troupe_fault(self, item->caller, TROUPE_ETIMEOUT, NULL, "no such event came");
    forget(item);
    follow_needs(state);
}

static json_t *list_of(json_t *given)
{
    return json_is_string(given) ? json_pack("[O]", given) : json_incref(given);
}

static void begin(events *state, const troupe_envelope *call, json_t *params)
{
    troupe_caller caller = troupe_caller_of(call);
    json_t *methods = json_object_get(params, "methods");
    json_t *given = json_object_get(params, "topics");
    const char *wrong = NULL;
    unsigned topics = 0;
    bool sound = given == NULL || topics_read(given, &topics, &wrong);
    topics |= methods != NULL ? 1u << TOPIC_CDP : 0;
    if (!sound || topics == 0) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`topics` (" TOPIC_WORDS ") or `methods` are needed");
        return;
    }
    if (state->count >= WAITERS_MAX) {
        troupe_fault(state->self, caller, TROUPE_ELIMIT, NULL, "%d wait already", WAITERS_MAX);
        return;
    }
    waiter *item = calloc(1, sizeof *item);
    uint32_t timeout_ms = call->meta.timeout_ms != 0 ? call->meta.timeout_ms : TIMEOUT_MS;
    timeout_ms = timeout_ms > 2 * MARGIN_MS ? timeout_ms - MARGIN_MS : timeout_ms;
    if (item == NULL || troupe_timer_start(state->self, timeout_ms, 0, on_time_over, item,
                                           &item->timer) != TROUPE_OK) {
        free(item);
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    item->owner = state;
    item->caller = caller;
    item->topics = topics;
    item->targets = list_of(json_object_get(params, "targets"));
    item->methods = list_of(methods);
    item->where = json_incref(json_object_get(params, "where"));
    DL_APPEND(state->waiters, item);
    state->count++;
    follow_needs(state);
}

/* Events ------------------------------------------------------------------------------------ */

static bool matches_one(json_t *list, const char *value, bool prefixes)
{
    size_t i;
    json_t *item;
    if (list == NULL) {
        return true;
    }
    json_array_foreach(list, i, item)
    {
        const char *one = json_string_value(item);
        if (one != NULL && value != NULL &&
            (glob_matches(one, value) || (prefixes && strncmp(one, value, strlen(one)) == 0))) {
            return true;
        }
    }
    return false;
}

/* Texts are patterns; all else is compared. "a.b" is a member of a member. */
static bool is_so(json_t *data, const char *path, json_t *wanted)
{
    char name[100];
    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        data = json_object_get(data, name);
        path += len + (path[len] == '.');
    }
    if (json_is_string(wanted) && json_is_string(data)) {
        return glob_matches(json_string_value(wanted), json_string_value(data));
    }
    return json_equal(wanted, data) != 0;
}

static bool fits(const waiter *item, event_topic topic, json_t *data)
{
    const char *path;
    json_t *wanted;
    if ((item->topics & (1u << topic)) == 0 ||
        !matches_one(item->targets, json_string_value(json_object_get(data, "target")), true) ||
        (topic == TOPIC_CDP &&
         !matches_one(item->methods, json_string_value(json_object_get(data, "method")), false))) {
        return false;
    }
    json_object_foreach(item->where, path, wanted)
    {
        if (!is_so(data, path, wanted)) {
            return false;
        }
    }
    return true;
}

static void on_event(events *state, const troupe_envelope *event)
{
    event_topic topic = topic_find(event->verb, event->verb_len);
    json_t *data =
        topic < TOPIC_COUNT && state->waiters != NULL ? json_payload(event->payload) : NULL;
    bool any = false;
    waiter *item;
    waiter *next;
    DL_FOREACH_SAFE(state->waiters, item, next)
    {
        if (data != NULL && fits(item, topic, data)) {
            json_reply(state->self, item->caller,
                       json_pack("{s:s, s:O}", "topic", topic_names[topic], "data", data));
            forget(item);
            any = true;
        }
    }
    json_decref(data);
    if (any) {
        follow_needs(state);
    }
}

/* The actor --------------------------------------------------------------------------------- */

static troupe_error events_start(troupe_actor *self, void *context)
{
    events *state = context;
    state->self = self;
    return TROUPE_OK;
}

static troupe_error events_receive(troupe_actor *self, void *context,
                                   const troupe_envelope *envelope)
{
    events *state = context;
    troupe_down down;
    if (envelope->kind == TROUPE_EVENT) {
        on_event(state, envelope);
    } else if (envelope->kind == TROUPE_SIGNAL) {
        if (troupe_down_read(envelope, &down) == TROUPE_OK && down.address == state->store) {
            state->store = 0;
            follow_needs(state);
        }
    } else if (envelope->kind == TROUPE_CALL && troupe_verb_is(envelope, "events.wait")) {
        troupe_reason reason = {{0}};
        json_t *params = json_params(envelope, &reason);
        if (params == NULL) {
            troupe_fault(self, troupe_caller_of(envelope), TROUPE_EPARAMS, NULL, "%s", reason.text);
        } else {
            begin(state, envelope, params);
            json_decref(params);
        }
    } else if (envelope->kind == TROUPE_CALL) {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void events_stop(troupe_actor *self, void *context, troupe_error reason)
{
    events *state = context;
    (void)self;
    (void)reason;
    while (state->waiters != NULL) {
        forget(state->waiters);
    }
    free(state);
}

static const troupe_behaviour events_behaviour = {
    .kind = "events", .start = events_start, .receive = events_receive, .stop = events_stop};

troupe_error events_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    events *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    *out =
        (troupe_spawn_options){.behaviour = &events_behaviour, .state = state, .name = NAME_EVENTS};
    return TROUPE_OK;
}
