/* SPDX-License-Identifier: MIT */
/* The live events of one WebSocket client. */
#include "feed.h"

#include "actors/glob.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "runtime/text.h"
#include "transport/json_scan.h"

#include <stdio.h>
#include <string.h>

#define RESUBSCRIBE_MS   500
#define SLOW_NS          10000000000u /* shedding for so long ends the client */
#define METHODS_MAX      100
#define STORE_TIMEOUT_MS 5000

void feed_fini(feed *state)
{
    json_decref(state->targets);
    json_decref(state->methods);
    state->targets = NULL;
    state->methods = NULL;
}

static json_t *topic_list(unsigned topics)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if ((topics & (1u << i)) != 0) {
            json_array_append_new(list, json_string(topic_names[i]));
        }
    }
    return list;
}

static void show_topics(feed *state)
{
    char text[sizeof state->slot->topics] = "";
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if ((state->topics & (1u << i)) != 0) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? "," : "", topic_names[i]);
        }
    }
    pthread_mutex_lock(&state->server->lock);
    memcpy(state->slot->topics, text, sizeof text);
    pthread_mutex_unlock(&state->server->lock);
}

/* Ask the store for the wanted topics; fn is told how that went. */
static troupe_error store_subscribe(feed *state, troupe_answer_fn fn, void *context)
{
    troupe_address store = troupe_whereis(state->server->system, NAME_STORE);
    if (store == 0) {
        return TROUPE_EUNAVAILABLE;
    }
    if (store != state->store) {
        uint64_t monitor;
        troupe_error watched = troupe_monitor(state->self, store, &monitor);
        if (watched != TROUPE_OK) {
            return watched;
        }
        troupe_demonitor(state->self, state->store_monitor);
        state->store_monitor = monitor;
        state->store = store;
    }
    troupe_buffer payload = {0};
    topics_pack(&payload, state->topics);
    troupe_error error =
        troupe_call(state->self, store, VERB_STORE_SUBSCRIBE, NULL, troupe_buffer_bytes(&payload),
                    STORE_TIMEOUT_MS, fn, context, NULL);
    troupe_buffer_fini(&payload);
    return error;
}

static json_t *subscription(const feed *state)
{
    return json_pack("{s:o, s:O?, s:O*}", "topics", topic_list(state->topics), "targets",
                     state->targets, "methods", state->methods);
}

static void on_subscribed(troupe_actor *self, void *context, troupe_error error,
                          const troupe_envelope *answer)
{
    (void)self;
    rpc_call *call = context;
    feed *state = call->feed;
    if (error == TROUPE_OK) {
        rpc_call_result(state->server, call, subscription(state));
    } else {
        unsigned topics = 0;
        const char *wrong;
        json_t *given = json_object_get(call->params, "topics");
        if (given != NULL) {
            (void)topics_read(given, &topics, &wrong);
        }
        state->topics &= ~topics;
        show_topics(state);
        rpc_call_failed(state->server, call, error, answer);
    }
    state->ended(state->context, call);
}

static void take_list(json_t **list, json_t *given)
{
    json_decref(*list);
    *list = json_is_string(given) ? json_pack("[O]", given) : json_incref(given);
}

/* Topics are needed, unless methods say that it is about events of Chrome. */
static bool wanted_topics(feed *state, rpc_call *call, unsigned *topics)
{
    const char *wrong;
    char text[120];
    json_t *given = json_object_get(call->params, "topics");
    json_t *methods = json_object_get(call->params, "methods");
    *topics = methods != NULL ? 1u << TOPIC_CDP : 0;
    if (given == NULL && methods == NULL) {
        rpc_call_fault(state->server, call, TROUPE_EPARAMS, NULL,
                       "\"topics\" or \"methods\" are needed");
        return false;
    }
    if (json_array_size(methods) > METHODS_MAX) {
        rpc_call_fault(state->server, call, TROUPE_ELIMIT, NULL, "at most 100 methods");
        return false;
    }
    unsigned more = 0;
    if (given != NULL && !topics_read(given, &more, &wrong)) {
        snprintf(text, sizeof text, "\"%.40s\" is no topic: " TOPIC_WORDS, wrong);
        text_repair(text);
        rpc_call_fault(state->server, call, TROUPE_EPARAMS, NULL, text);
        return false;
    }
    *topics |= more;
    return true;
}

bool feed_subscribe(feed *state, rpc_call *call)
{
    unsigned topics;
    if (!wanted_topics(state, call, &topics)) {
        return false;
    }
    state->topics |= topics;
    take_list(&state->targets, json_object_get(call->params, "targets"));
    take_list(&state->methods, json_object_get(call->params, "methods"));
    show_topics(state);
    call->feed = state;
    troupe_error error = store_subscribe(state, on_subscribed, call);
    if (error != TROUPE_OK) {
        state->topics &= ~topics;
        show_topics(state);
        rpc_call_unsent(state->server, call, error);
        return false;
    }
    return true;
}

bool feed_unsubscribe(feed *state, rpc_call *call)
{
    unsigned topics = (1u << TOPIC_COUNT) - 1;
    const char *wrong;
    const json_t *given = json_object_get(call->params, "topics");
    if (given != NULL && !topics_read(given, &topics, &wrong)) {
        rpc_call_fault(state->server, call, TROUPE_EPARAMS, NULL, "topics are " TOPIC_WORDS);
        return false;
    }
    state->topics &= ~topics; /* the store goes on; what is not wanted is dropped here */
    show_topics(state);
    rpc_call_result(state->server, call, subscription(state));
    return false;
}

static void send_event(feed *state, const char *topic, const char *data, size_t len)
{
    troupe_buffer out = {0};
    troupe_buffer_printf(&out,
                         "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"topic\":\"%s\","
                         "\"data\":",
                         topic);
    troupe_buffer_append(&out, data, len);
    troupe_buffer_append(&out, "}}", 2);
    if (!out.failed) {
        state->send(state->context, out.data, out.len);
    }
    troupe_buffer_fini(&out);
    atomic_fetch_add(&state->slot->events, 1);
    atomic_fetch_add(&state->server->counters.events, 1);
}

void feed_room(feed *state)
{
    if (state->slow_ns != 0 && state->idle(state->context)) {
        state->slow_ns = 0; /* it has caught up */
    }
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if (state->shed[i] > 0 && state->room(state->context)) {
            char text[80];
            int len = snprintf(text, sizeof text, "{\"count\":%llu,\"topic\":\"%s\"}",
                               (unsigned long long)state->shed[i], topic_names[i]);
            state->shed[i] = 0;
            send_event(state, "gap", text, (size_t)len);
        }
    }
}

/* Whether a member is one of a list: as a pattern, or as the beginning of an id. */
static bool listed(const char *text, size_t len, const char *member, const json_t *list,
                   bool prefixes)
{
    json_span span;
    const char *found;
    size_t found_len;
    char value[200];
    if (list == NULL) {
        return true;
    }
    if (!json_member(text, len, member, &span) || !json_plain_string(span, &found, &found_len) ||
        found_len >= sizeof value) {
        return false;
    }
    memcpy(value, found, found_len);
    value[found_len] = '\0';
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *one = json_string_value(item);
        if (one != NULL &&
            (glob_matches(one, value) || (prefixes && strncmp(one, value, strlen(one)) == 0))) {
            return true;
        }
    }
    return false;
}

/* Events of browsers have no target, and are wanted whichever targets are. */
static bool event_wanted(const feed *state, event_topic topic, const char *text, size_t len)
{
    bool of_chrome = topic == TOPIC_CDP;
    return (topic == TOPIC_BROWSER || listed(text, len, "target", state->targets, true)) &&
           (!of_chrome || listed(text, len, "method", state->methods, false));
}

/* Shed once more: what does that too long is not waited for. */
static void shed(feed *state, size_t topic)
{
    uint64_t now_ns = bridge_now_ns();
    state->shed[topic]++;
    atomic_fetch_add(&state->slot->shed, 1);
    atomic_fetch_add(&state->server->counters.shed, 1);
    state->slow_ns = state->slow_ns != 0 ? state->slow_ns : now_ns;
    if (now_ns - state->slow_ns > SLOW_NS) {
        state->too_slow(state->context);
    }
}

void feed_event(feed *state, const troupe_envelope *event)
{
    const char *text;
    size_t len;
    if (troupe_payload_json(event->payload, &text, &len) != TROUPE_OK) {
        return;
    }
    if (troupe_verb_is(event, "gap")) {
        send_event(state, "gap", text, len);
        return;
    }
    event_topic topic = topic_find(event->verb, event->verb_len);
    if (topic == TOPIC_COUNT || (state->topics & (1u << topic)) == 0 ||
        !event_wanted(state, topic, text, len)) {
        return;
    }
    if (!state->room(state->context)) {
        shed(state, topic);
        return;
    }
    feed_room(state);
    send_event(state, topic_names[topic], text, len);
}

static void try_resubscribe(troupe_actor *self, void *context);

static void on_resubscribed(troupe_actor *self, void *context, troupe_error error,
                            const troupe_envelope *answer)
{
    (void)answer;
    feed *state = context;
    if (error != TROUPE_OK) {
        state->store = 0;
        (void)!troupe_timer_start(self, RESUBSCRIBE_MS, 0, try_resubscribe, state, NULL);
        return;
    }
    static const char gap[] = "{\"count\":null,\"reason\":\"the store was restarted\"}";
    send_event(state, "gap", gap, sizeof gap - 1);
}

static void try_resubscribe(troupe_actor *self, void *context)
{
    feed *state = context;
    if (state->topics != 0 && store_subscribe(state, on_resubscribed, state) != TROUPE_OK) {
        (void)!troupe_timer_start(self, RESUBSCRIBE_MS, 0, try_resubscribe, state, NULL);
    }
}

void feed_down(feed *state, const troupe_down *down)
{
    if (down->address == state->store) {
        state->store = 0;
        try_resubscribe(state->self, state);
    }
}
