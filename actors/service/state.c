/* SPDX-License-Identifier: MIT */
/*
 * The actor `state`: the snapshot that GET /events shows, as JSON merge patches with a revision.
 *
 * It is put together from what connections and the services say. While nobody looks, it asks
 * nobody. While somebody does, the store tells when something happened, and after a pause, in which
 * more may happen, the snapshot is made anew and compared with the last one. Each change is one
 * patch; the last ones are kept, so that a client that lost its connection goes on where it was.
 */
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/json_patch.h"
#include "actors/verbs.h"
#include "troupe/topic.h"
#include "troupe/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#define PAUSE_MS    50 /* between something that happened and the look at it */
#define ASK_MS      5000
#define PATCHES_MAX 500 /* kept */
#define NOTICES_MAX 100
#define ERRORS_MAX  100
#define TOPIC       "state"

/* A subscriber whose first answer waits for the snapshot. */
typedef struct newcomer {
    struct newcomer *next;
    troupe_caller caller;
    troupe_address address;
    json_int_t since; /* revision it has; -1 = none */
} newcomer;

typedef struct state {
    troupe_actor *self;
    char instance[37]; /* tells a host from the one before it */
    json_int_t revision;
    json_t *snapshot; /* NULL = none yet */
    json_t *parts;    /* what services said: key -> value */
    json_t *notices;  /* [{type, message, clear_on?, since}] */
    json_t *errors;   /* target or "global" -> {message, timestamp} */
    json_t *patches;  /* the last ones; that of `revision` last */
    troupe_topic *topic;
    newcomer *newcomers;
    size_t subscribers;
    troupe_address store; /* 0 = it does not tell us */
    uint64_t timer;       /* of the next look; 0 = none */
    bool asking;
    bool again;     /* something happened meanwhile */
    json_t *status; /* of the look under way */
} state;

static void look_soon(state *me);

/* The snapshot ------------------------------------------------------------------------------ */

static json_t *copy_of(const json_t *object, const char *key)
{
    return json_incref(json_object_get(object, key));
}

/* Of each row these members (up to NULL), of those rows where `only` is true (NULL: all). */
static json_t *pick(const json_t *rows, const char *only, const char *const *members)
{
    json_t *list = json_array();
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        if (only == NULL || json_is_true(json_object_get(row, only))) {
            json_t *one = json_object();
            for (size_t m = 0; members[m] != NULL; m++) {
                json_object_set(one, members[m], json_object_get(row, members[m]));
            }
            json_array_append_new(list, one);
        }
    }
    return list;
}

static json_t *connections_of(const json_t *pages)
{
    static const char *const members[] = {"target",  "title",         "url",     "type",
                                          "state",   "epoch",         "browser", "tracked",
                                          "watched", "auto_attached", NULL};
    return pick(pages, "connected", members);
}

/* Without what changes by itself, as ages do. */
static json_t *browsers_of(const json_t *browsers)
{
    static const char *const members[] = {"browser", "state", "origin", "product", NULL};
    return pick(browsers, NULL, members);
}

static json_t *make(state *me, const json_t *targets)
{
    const json_t *status = me->status;
    json_t *browsers = browsers_of(json_object_get(status, "browsers"));
    json_t *store = json_object_get(status, "store");
    json_t *connections = connections_of(json_object_get(targets, "targets"));
    bool connected = json_array_size(connections) > 0;
    json_t *made = json_pack(
        "{s:s, s:s, s:b, s:O?, s:O?, s:o, s:o, s:O?, s:{s:b, s:I}, s:{s:O?}, s:O, s:O}",
        "connectionState", connected ? "connected" : "disconnected", "daemon_version",
        troupe_version(), "connected", connected, "epoch", json_object_get(status, "epoch"),
        "tracked_targets", json_object_get(targets, "tracked"), "connections", connections,
        "browsers", browsers, "targets", json_object_get(status, "targets"), "chrome", "available",
        json_array_size(browsers) > 0, "browsers", (json_int_t)json_array_size(browsers), "events",
        "total", json_object_get(store, "events"), "notices", me->notices, "errors", me->errors);
    json_t *watched = json_array();
    size_t i;
    json_t *page;
    json_array_foreach(json_object_get(targets, "targets"), i, page)
    {
        if (json_is_true(json_object_get(page, "watched"))) {
            json_array_append(watched, json_object_get(page, "target"));
        }
    }
    json_object_set_new(made, "watched_targets", watched);
    json_object_set_new(made, "watched_urls", copy_of(targets, "urls"));
    json_object_update(made, me->parts);
    json_t *clean = json_deep_copy(made); /* what services hold is not changed */
    json_decref(made);
    json_patch_clean(clean);
    return clean;
}

/* Telling ----------------------------------------------------------------------------------- */

static void publish(state *me, json_t *patch)
{
    troupe_buffer payload = {0};
    json_t *event = json_pack("{s:I, s:O}", "revision", me->revision, "patch", patch);
    if (json_pack_payload(&payload, event) == TROUPE_OK) {
        (void)!troupe_topic_publish(me->topic, TOPIC, NULL, troupe_buffer_bytes(&payload));
    }
    troupe_buffer_fini(&payload);
    json_decref(event);
}

static void take(state *me, json_t *made)
{
    json_t *patch = json_patch_diff(me->snapshot, made);
    bool first = me->snapshot == NULL;
    if (!first && json_object_size(patch) > 0) {
        me->revision++;
        json_array_append(me->patches, patch);
        if (json_array_size(me->patches) > PATCHES_MAX) {
            json_array_remove(me->patches, 0);
        }
        publish(me, patch);
    }
    json_decref(patch);
    json_decref(me->snapshot);
    me->snapshot = made;
}

/* {instance, revision, patches | state}: what leads the subscriber to the present. */
static json_t *welcome(const state *me, json_int_t since)
{
    json_int_t kept = (json_int_t)json_array_size(me->patches);
    json_t *answer = json_pack("{s:s, s:I}", "instance", me->instance, "revision", me->revision);
    if (since < me->revision - kept || since > me->revision || since < 0) {
        json_object_set(answer, "state", me->snapshot);
        return answer;
    }
    json_t *missed = json_array();
    for (json_int_t i = kept - (me->revision - since); i < kept; i++) {
        json_array_append(missed, json_array_get(me->patches, (size_t)i));
    }
    json_object_set_new(answer, "patches", missed);
    return answer;
}

static void let_in(state *me)
{
    while (me->newcomers != NULL) {
        troupe_subscriber_counters counters;
        newcomer *item = me->newcomers;
        me->newcomers = item->next;
        bool known = troupe_topic_subscriber(me->topic, item->address, &counters) == TROUPE_OK;
        troupe_error error =
            item->address != 0 ? troupe_topic_subscribe(me->topic, item->address, NULL) : TROUPE_OK;
        if (error == TROUPE_OK) {
            me->subscribers += item->address != 0 && !known;
            json_reply(me->self, item->caller, welcome(me, item->since));
        } else {
            troupe_fault(me->self, item->caller, error, NULL, NULL);
        }
        free(item);
    }
}

/* Looking ----------------------------------------------------------------------------------- */

static void looked(state *me)
{
    json_decref(me->status);
    me->status = NULL;
    me->asking = false;
    if (me->snapshot != NULL) {
        let_in(me);
    }
    if (me->again || me->newcomers != NULL) {
        me->again = false;
        look_soon(me);
    }
}

static void on_targets(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    state *me = context;
    (void)self;
    json_t *targets = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    if (targets != NULL) {
        take(me, make(me, targets));
    }
    json_decref(targets);
    looked(me);
}

static void ask(state *me, const char *verb, json_t *params, troupe_answer_fn fn)
{
    troupe_address to = troupe_whereis(troupe_self_system(me->self), NAME_CONNECTIONS);
    if (json_call(me->self, to, verb, params, ASK_MS, fn, me, NULL) != TROUPE_OK) {
        me->again = true; /* it is being restarted */
        looked(me);
    }
}

/* Chrome tells of new titles only when asked: now the records have them. */
static void on_pages(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    (void)self;
    (void)error;
    (void)answer;
    ask(context, "targets.get", json_object(), on_targets);
}

static void on_status(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    state *me = context;
    (void)self;
    me->status = error == TROUPE_OK ? json_payload(answer->payload) : NULL;
    if (me->status == NULL) {
        me->again = true;
        looked(me);
        return;
    }
    ask(me, "pages", json_object(), on_pages);
}

static void look(troupe_actor *self, void *context)
{
    state *me = context;
    (void)self;
    me->timer = 0;
    if (me->asking) {
        me->again = true;
        return;
    }
    me->asking = true;
    ask(me, "status", json_object(), on_status);
}

/* Changes are told at most so often. */
static void look_soon(state *me)
{
    bool anybody = me->subscribers > 0 || me->newcomers != NULL;
    if (anybody && me->timer == 0 &&
        troupe_timer_start(me->self, PAUSE_MS, 0, look, me, &me->timer) != TROUPE_OK) {
        me->timer = 0;
        look(me->self, me);
    }
}

static void on_told(troupe_actor *self, void *context, troupe_error error,
                    const troupe_envelope *answer)
{
    state *me = context;
    (void)self;
    (void)answer;
    if (error != TROUPE_OK) {
        me->store = 0;
    }
    look_soon(me); /* at what happened before it began to tell */
}

/* The store tells what happens while somebody looks. */
static void tell_store(state *me, const char *verb)
{
    troupe_buffer payload = {0};
    (void)troupe_pack(&payload, "{s:[s,s,s,s]}", "topics", "network", "console", "target",
                      "browser");
    if (troupe_call(me->self, me->store, verb, NULL, troupe_buffer_bytes(&payload), ASK_MS, on_told,
                    me, NULL) != TROUPE_OK) {
        me->store = 0;
    }
    troupe_buffer_fini(&payload);
}

static void follow(state *me)
{
    troupe_address store = troupe_whereis(troupe_self_system(me->self), NAME_STORE);
    if (me->store == 0 && store != 0 && troupe_monitor(me->self, store, NULL) == TROUPE_OK) {
        me->store = store;
        tell_store(me, VERB_STORE_SUBSCRIBE);
    }
}

static void on_left(troupe_actor *self, void *context, troupe_address address, troupe_error reason)
{
    state *me = context;
    (void)self;
    (void)address;
    (void)reason;
    if (me->subscribers > 0 && --me->subscribers == 0 && me->store != 0) {
        tell_store(me, VERB_STORE_UNSUBSCRIBE);
        me->store = 0;
    }
}

/* Calls and casts --------------------------------------------------------------------------- */

static void on_subscribe(state *me, const troupe_envelope *call, json_t *params, bool stay)
{
    newcomer *item = calloc(1, sizeof *item);
    if (item == NULL) {
        troupe_fault(me->self, troupe_caller_of(call), TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    const char *instance = json_string_value(json_object_get(params, "instance"));
    json_t *since = json_object_get(params, "since");
    bool ours = instance != NULL && strcmp(instance, me->instance) == 0;
    item->caller = troupe_caller_of(call);
    item->address = stay ? call->from : 0;
    item->since = ours && json_is_integer(since) ? json_integer_value(since) : -1;
    newcomer **at = &me->newcomers;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = item;
    follow(me);
    look(me->self, me); /* what is kept may be old */
}

static size_t notice_find(const state *me, const char *type)
{
    size_t i;
    json_t *notice;
    json_array_foreach(me->notices, i, notice)
    {
        if (type != NULL && strcmp(json_string_value(json_object_get(notice, "type")), type) == 0) {
            return i;
        }
    }
    return (size_t)-1;
}

/* One of each type; the newest stands last. */
static void put_notice(state *me, json_t *said)
{
    const char *type = json_string_value(json_object_get(said, "type"));
    size_t at = notice_find(me, type);
    if (type == NULL || !json_is_string(json_object_get(said, "message"))) {
        return;
    }
    if (at != (size_t)-1) {
        json_array_remove(me->notices, at);
    } else if (json_array_size(me->notices) >= NOTICES_MAX) {
        json_array_remove(me->notices, 0);
    }
    json_t *notice = json_copy(said);
    json_object_set_new(notice, "since", json_integer((json_int_t)(json_wall_us() / 1000)));
    json_array_append_new(me->notices, notice);
}

static bool drop_notice(state *me, const char *type)
{
    size_t at = notice_find(me, type);
    return at != (size_t)-1 && json_array_remove(me->notices, at) == 0;
}

static void put_error(state *me, json_t *said)
{
    const char *target = json_string_value(json_object_get(said, "target"));
    if (json_object_size(me->errors) >= ERRORS_MAX) { /* the oldest one makes room */
        json_object_del(me->errors, json_object_iter_key(json_object_iter(me->errors)));
    }
    json_object_set_new(me->errors, target != NULL ? target : "global",
                        json_pack("{s:O?, s:I}", "message", json_object_get(said, "message"),
                                  "timestamp", (json_int_t)(json_wall_us() / 1000)));
}

static void on_cast(state *me, const troupe_envelope *cast)
{
    json_t *said = json_payload(cast->payload);
    const char *key = json_string_value(json_object_get(said, "key"));
    if (troupe_verb_is(cast, VERB_STATE_SET) && key != NULL) {
        json_object_set(me->parts, key, json_object_get(said, "value"));
    } else if (troupe_verb_is(cast, VERB_NOTICE_PUT)) {
        put_notice(me, said);
    } else if (troupe_verb_is(cast, VERB_NOTICE_DROP)) {
        (void)drop_notice(me, json_string_value(json_object_get(said, "type")));
    } else if (troupe_verb_is(cast, VERB_ERROR_PUT)) {
        put_error(me, said);
    }
    json_decref(said);
    look_soon(me);
}

static void dismiss_notices(state *me, troupe_caller caller, json_t *params)
{
    const char *type = json_string_value(json_object_get(params, "type"));
    json_int_t before = (json_int_t)json_array_size(me->notices);
    if (type == NULL) {
        json_array_clear(me->notices);
    } else if (notice_find(me, type) != (size_t)-1) {
        json_array_remove(me->notices, notice_find(me, type));
    } else {
        troupe_fault(me->self, caller, TROUPE_ENOTFOUND, NULL, "no notice of type %.100s", type);
        return;
    }
    json_reply(me->self, caller,
               json_pack("{s:b, s:I}", "success", true, "dismissed",
                         before - (json_int_t)json_array_size(me->notices)));
    look_soon(me);
}

static void on_call(state *me, const troupe_envelope *call)
{
    troupe_reason reason = {{0}};
    troupe_caller caller = troupe_caller_of(call);
    json_t *params = json_params(call, &reason);
    if (params == NULL) {
        troupe_fault(me->self, caller, TROUPE_EPARAMS, NULL, "%s", reason.text);
    } else if (troupe_verb_is(call, VERB_STATE_SUBSCRIBE)) {
        on_subscribe(me, call, params, true);
    } else if (troupe_verb_is(call, "state")) {
        on_subscribe(me, call, params, false);
    } else if (troupe_verb_is(call, "notices.list")) {
        json_reply(me->self, caller, json_pack("{s:O}", "notices", me->notices));
    } else if (troupe_verb_is(call, "notices.dismiss")) {
        dismiss_notices(me, caller, params);
    } else if (troupe_verb_is(call, "errors.dismiss")) {
        json_object_clear(me->errors);
        json_reply(me->self, caller, json_pack("{s:b}", "success", true));
        look_soon(me);
    } else {
        troupe_fault(me->self, caller, TROUPE_EMETHOD, NULL, NULL);
    }
    json_decref(params);
}

/* The actor --------------------------------------------------------------------------------- */

static troupe_error state_start(troupe_actor *self, void *context)
{
    state *me = context;
    troupe_topic_options options = {.left = on_left, .context = me};
    me->self = self;
    return troupe_topic_create(self, &options, &me->topic);
}

static troupe_error state_receive(troupe_actor *self, void *context,
                                  const troupe_envelope *envelope)
{
    state *me = context;
    troupe_down down;
    (void)self;
    switch (envelope->kind) {
    case TROUPE_EVENT:
        look_soon(me);
        break;
    case TROUPE_CAST:
        on_cast(me, envelope);
        break;
    case TROUPE_CALL:
        on_call(me, envelope);
        break;
    case TROUPE_SIGNAL:
        if (!troupe_topic_signal(me->topic, envelope) &&
            troupe_down_read(envelope, &down) == TROUPE_OK && down.address == me->store) {
            me->store = 0;
            if (me->subscribers > 0) {
                follow(me);
            }
        }
        break;
    default:
        break;
    }
    return TROUPE_OK;
}

static void state_stop(troupe_actor *self, void *context, troupe_error reason)
{
    state *me = context;
    (void)self;
    (void)reason;
    while (me->newcomers != NULL) {
        newcomer *next = me->newcomers->next;
        free(me->newcomers);
        me->newcomers = next;
    }
    troupe_topic_destroy(me->topic);
    json_decref(me->snapshot);
    json_decref(me->parts);
    json_decref(me->notices);
    json_decref(me->errors);
    json_decref(me->patches);
    json_decref(me->status);
    free(me);
}

static const troupe_behaviour state_behaviour = {
    .kind = "state", .start = state_start, .receive = state_receive, .stop = state_stop};

troupe_error state_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    uuid_t id;
    state *me = calloc(1, sizeof *me);
    if (me == NULL) {
        return TROUPE_ENOMEM;
    }
    uuid_generate(id);
    uuid_unparse_lower(id, me->instance);
    me->instance[8] = '\0'; /* enough to tell two apart */
    me->parts = json_object();
    me->notices = json_array();
    me->errors = json_object();
    me->patches = json_array();
    *out = (troupe_spawn_options){.behaviour = &state_behaviour, .state = me, .name = NAME_STATE};
    return TROUPE_OK;
}
