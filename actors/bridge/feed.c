/* SPDX-License-Identifier: MIT */
/* The live events of one WebSocket client. */
#include "feed.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "runtime/text.h"

#include <stdio.h>
#include <string.h>

#define RESUBSCRIBE_MS   500
#define STORE_TIMEOUT_MS 5000

static const char *const topic_names[FEED_TOPICS] = {"network", "console", "target"};

void feed_fini(feed *state)
{
    json_decref(state->targets);
    state->targets = NULL;
}

static json_t *topic_list(unsigned topics)
{
    json_t *list = json_array();
    for (size_t i = 0; i < FEED_TOPICS; i++) {
        if ((topics & (1u << i)) != 0) {
            json_array_append_new(list, json_string(topic_names[i]));
        }
    }
    return list;
}

/* Bits of a string or list of strings. False and the word that is no topic. */
static bool topics_read(const json_t *value, unsigned *topics, const char **wrong)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    *topics = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        const char *word = json_string_value(item);
        size_t topic = 0;
        while (word != NULL && topic < FEED_TOPICS && strcmp(word, topic_names[topic]) != 0) {
            topic++;
        }
        if (word == NULL || topic == FEED_TOPICS) {
            *wrong = word != NULL ? word : "?";
            return false;
        }
        *topics |= 1u << topic;
    }
    return true;
}

static void show_topics(feed *state)
{
    char text[sizeof state->slot->topics] = "";
    for (size_t i = 0; i < FEED_TOPICS; i++) {
        if ((state->topics & (1u << i)) != 0) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? "," : "", topic_names[i]);
        }
    }
    pthread_mutex_lock(&state->server->lock);
    memcpy(state->slot->topics, text, sizeof text);
    pthread_mutex_unlock(&state->server->lock);
}

static void pack_topics(troupe_buffer *payload, unsigned topics)
{
    troupe_buffer names = {0};
    uint8_t count = 0;
    for (size_t i = 0; i < FEED_TOPICS; i++) {
        if ((topics & (1u << i)) != 0) {
            troupe_pack(&names, "s", topic_names[i]);
            count++;
        }
    }
    troupe_buffer list = {0};
    uint8_t head = (uint8_t)(0x90 | count); /* fixarray */
    troupe_buffer_append(&list, &head, 1);
    troupe_buffer_append(&list, names.data, names.len);
    troupe_pack(payload, "{s:r#}", "topics", list.data, list.len);
    troupe_buffer_fini(&list);
    troupe_buffer_fini(&names);
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
    pack_topics(&payload, state->topics);
    troupe_error error =
        troupe_call(state->self, store, VERB_STORE_SUBSCRIBE, NULL, troupe_buffer_bytes(&payload),
                    STORE_TIMEOUT_MS, fn, context, NULL);
    troupe_buffer_fini(&payload);
    return error;
}

static json_t *subscription(const feed *state)
{
    return json_pack("{s:o, s:O?}", "topics", topic_list(state->topics), "targets", state->targets);
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
        (void)topics_read(json_object_get(call->params, "topics"), &topics, &wrong);
        state->topics &= ~topics;
        show_topics(state);
        rpc_call_failed(state->server, call, error, answer);
    }
    state->ended(state->context, call);
}

static void take_targets(feed *state, json_t *targets)
{
    json_decref(state->targets);
    state->targets = json_is_string(targets) ? json_pack("[O]", targets) : json_incref(targets);
}

bool feed_subscribe(feed *state, rpc_call *call)
{
    unsigned topics;
    const char *wrong;
    char text[120];
    if (!topics_read(json_object_get(call->params, "topics"), &topics, &wrong)) {
        snprintf(text, sizeof text, "\"%.40s\" is no topic: network, console, target", wrong);
        text_repair(text);
        rpc_call_fault(state->server, call, TROUPE_EPARAMS, NULL, text);
        return false;
    }
    state->topics |= topics;
    take_targets(state, json_object_get(call->params, "targets"));
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
    unsigned topics = (1u << FEED_TOPICS) - 1;
    const char *wrong;
    const json_t *given = json_object_get(call->params, "topics");
    if (given != NULL && !topics_read(given, &topics, &wrong)) {
        rpc_call_fault(state->server, call, TROUPE_EPARAMS, NULL,
                       "topics are network, console, target");
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
    for (size_t i = 0; i < FEED_TOPICS; i++) {
        if (state->shed[i] > 0 && state->room(state->context)) {
            char text[80];
            int len = snprintf(text, sizeof text, "{\"count\":%llu,\"topic\":\"%s\"}",
                               (unsigned long long)state->shed[i], topic_names[i]);
            state->shed[i] = 0;
            send_event(state, "gap", text, (size_t)len);
        }
    }
}

/* Whether an event's target is among the wanted ones: an id or the beginning of one. */
static bool target_wanted(const feed *state, const char *text, size_t len)
{
    if (state->targets == NULL) {
        return true;
    }
    json_t *data = rpc_depth_within(text, len) ? json_loadb(text, len, JSON_ALLOW_NUL, NULL) : NULL;
    const char *target = json_string_value(json_object_get(data, "target"));
    bool wanted = false;
    size_t i;
    json_t *item;
    json_array_foreach(state->targets, i, item)
    {
        const char *prefix = json_string_value(item);
        wanted = wanted ||
                 (prefix != NULL && target != NULL && strncmp(prefix, target, strlen(prefix)) == 0);
    }
    json_decref(data);
    return wanted;
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
    size_t topic = 0;
    while (topic < FEED_TOPICS && !troupe_verb_is(event, topic_names[topic])) {
        topic++;
    }
    if (topic == FEED_TOPICS || (state->topics & (1u << topic)) == 0 ||
        !target_wanted(state, text, len)) {
        return;
    }
    if (!state->room(state->context)) {
        state->shed[topic]++;
        atomic_fetch_add(&state->slot->shed, 1);
        atomic_fetch_add(&state->server->counters.shed, 1);
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
