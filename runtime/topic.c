/* SPDX-License-Identifier: MIT */
/*
 * Topics. Everything here runs on the owner's thread.
 *
 * A subscriber is LIVE until a post finds its mailbox full. Then it is BEHIND: events are held, or
 * from the first one that is not, shed and counted, so that what it missed is one gap behind what
 * is held. `room` brings it up to date: held events, the gap, and it is LIVE again. With the policy
 * to end it is ENDED instead, and leaves when the last gap is sent. When there was no memory for
 * the wish for room, the topic is unsettled: the next event or signal tries again.
 */
#include "troupe/topic.h"
#include "actor.h"
#include "envelope.h"
#include "troupe/log.h"

#include <stdlib.h>
#include <string.h>

#define HOLD_BYTES_MAX (1U << 20) /* unless the owner says */

typedef enum subscriber_state {
    SUBSCRIBER_LIVE,
    SUBSCRIBER_BEHIND,
    SUBSCRIBER_ENDED,
} subscriber_state;

/* An event that waits for room, as it will be sent. */
typedef struct held_event {
    struct held_event *next;
    size_t len;
    uint8_t envelope[];
} held_event;

typedef struct listener {
    troupe_address address;
    uint64_t monitor;
    subscriber_state state;
    bool waiting; /* not live: `room` or `down` will come */
    troupe_slow slow;
    size_t hold_bytes_max;
    char *prefix; /* NULL: all verbs */
    size_t prefix_len;
    held_event *held;
    held_event *held_tail;
    troupe_subscriber_counters counters;
    struct listener *prev; /* in the order of subscribing */
    struct listener *next;
} listener;

struct troupe_topic {
    troupe_actor *owner;
    troupe_topic_options options;
    listener *first;
    listener *last;
    map by_address;
    troupe_topic_counters counters; /* but for `subscribers` */
    troupe_buffer gap;              /* a payload while it is packed */
    bool unsettled;                 /* somebody is not live and does not wait either */
};

static listener *find(const troupe_topic *t, troupe_address address)
{
    const map_entry *entry = address != 0 ? map_find(&t->by_address, address) : NULL;
    return entry != NULL ? entry->value : NULL;
}

static void shed(troupe_topic *t, listener *s, uint64_t count)
{
    s->counters.shed += count;
    s->counters.missed += count;
    t->counters.shed += count;
    actor_shed(t->owner, count);
}

/* ---- held events ---- */

static void drop_first_held(troupe_topic *t, listener *s)
{
    held_event *h = s->held;
    s->held = h->next;
    s->counters.held--;
    s->counters.held_bytes -= h->len;
    t->counters.held--;
    t->counters.held_bytes -= h->len;
    free(h);
}

/* False: it has to be shed. Nothing is held behind a gap. */
static bool hold(troupe_topic *t, listener *s, const troupe_envelope *event)
{
    size_t len = envelope_size(event);
    if (s->slow != TROUPE_SLOW_HOLD || s->counters.missed > 0 ||
        s->counters.held_bytes + len > s->hold_bytes_max)
        return false;
    held_event *h = malloc(sizeof *h + len);
    if (h == NULL)
        return false;
    h->next = NULL;
    h->len = len;
    envelope_encode(h->envelope, event);
    if (s->held == NULL)
        s->held = h;
    else
        s->held_tail->next = h;
    s->held_tail = h;
    s->counters.held++;
    s->counters.held_bytes += len;
    t->counters.held++;
    t->counters.held_bytes += len;
    return true;
}

/* ---- subscribers ---- */

static void subscriber_free(listener *s)
{
    free(s->prefix);
    free(s);
}

static void remove_subscriber(troupe_topic *t, listener *s)
{
    shed(t, s, s->counters.held);
    while (s->held != NULL)
        drop_first_held(t, s);
    troupe_demonitor(t->owner, s->monitor);
    map_remove(&t->by_address, s->address, NULL);
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        t->first = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    else
        t->last = s->prev;
    subscriber_free(s);
}

static void has_left(troupe_topic *t, listener *s, troupe_error reason)
{
    troupe_address address = s->address;
    remove_subscriber(t, s);
    if (t->options.left != NULL)
        t->options.left(t->owner, t->options.context, address, reason);
}

static troupe_error add_subscriber(troupe_topic *t, troupe_address address, listener **out)
{
    listener *s = calloc(1, sizeof *s);
    if (s == NULL)
        return TROUPE_ENOMEM;
    s->address = address;
    if (!map_put(&t->by_address, address, s)) {
        free(s);
        return TROUPE_ENOMEM;
    }
    troupe_error error = troupe_monitor(t->owner, address, &s->monitor);
    if (error != TROUPE_OK) {
        map_remove(&t->by_address, address, NULL);
        free(s);
        return error;
    }
    s->prev = t->last;
    if (t->last != NULL)
        t->last->next = s;
    else
        t->first = s;
    t->last = s;
    *out = s;
    return TROUPE_OK;
}

static bool wants(const listener *s, const char *verb, size_t verb_len)
{
    return s->state != SUBSCRIBER_ENDED && s->prefix_len <= verb_len &&
           (s->prefix_len == 0 || memcmp(s->prefix, verb, s->prefix_len) == 0);
}

/* ---- sending ---- */

static troupe_error post(troupe_topic *t, const listener *s, const troupe_envelope *event)
{
    return troupe_post_n(t->owner, s->address, TROUPE_EVENT, event->verb, event->verb_len,
                         &event->meta, event->payload);
}

/* One that is gone, or takes no more, has no room to wait for; its `down` is coming. */
static void await_room(troupe_topic *t, listener *s, troupe_error refused)
{
    s->waiting = refused == TROUPE_EGONE || troupe_await_room(t->owner, s->address) == TROUPE_OK;
    t->unsettled |= !s->waiting;
}

static troupe_error post_held(troupe_topic *t, listener *s)
{
    troupe_bytes bytes = {s->held->envelope, s->held->len};
    troupe_envelope event;
    size_t used;
    troupe_error error = troupe_envelope_read(bytes, &event, &used);
    return error == TROUPE_OK ? post(t, s, &event) : error;
}

/* TROUPE_ENOMEM: perhaps later. Any other error: never. */
static troupe_error ask_packer(troupe_topic *t, uint64_t missed, bool ended)
{
    size_t len;
    troupe_error error = t->options.pack_gap(t->options.context, missed, ended, &t->gap);
    if (t->gap.failed)
        return TROUPE_ENOMEM;
    if (error != TROUPE_OK || t->gap.len == 0)
        return error;
    return troupe_pack_walk(troupe_buffer_bytes(&t->gap), &len) == TROUPE_OK && len == t->gap.len
               ? TROUPE_OK
               : TROUPE_EINVAL;
}

static void clear_gap(troupe_topic *t)
{
    troupe_buffer_clear(&t->gap);
    t->gap.failed = false;
}

/* A packer that cannot do it would be asked again and again: it has been for the last time. */
static troupe_error pack_gap(troupe_topic *t, uint64_t missed, bool ended)
{
    clear_gap(t);
    if (t->options.pack_gap != NULL) {
        troupe_error error = ask_packer(t, missed, ended);
        if (error == TROUPE_OK || error == TROUPE_ENOMEM)
            return error;
        t->options.pack_gap = NULL;
        troupe_log(TROUPE_LOG_ERROR, "topic", "gap-malformed", troupe_self_name(t->owner),
                   "the payload of a gap: %s; it is {count, ended} from now on",
                   troupe_error_text(error));
        clear_gap(t);
    }
    return troupe_pack(&t->gap, "{s:U,s:b}", "count", missed, "ended", (int)ended);
}

static troupe_error post_gap(troupe_topic *t, const listener *s)
{
    troupe_error error = pack_gap(t, s->counters.missed, s->state == SUBSCRIBER_ENDED);
    if (error != TROUPE_OK)
        return error;
    return troupe_post(t->owner, s->address, TROUPE_EVENT, "gap", NULL,
                       troupe_buffer_bytes(&t->gap));
}

/* Send what it has not got; false: there is no room even for that. */
static bool catch_up(troupe_topic *t, listener *s)
{
    while (s->held != NULL) {
        troupe_error error = post_held(t, s);
        if (error != TROUPE_OK) {
            await_room(t, s, error);
            return false;
        }
        drop_first_held(t, s);
        s->counters.delivered++;
        t->counters.delivered++;
    }
    if (s->counters.missed > 0) {
        troupe_error error = post_gap(t, s);
        if (error != TROUPE_OK) {
            await_room(t, s, error);
            return false;
        }
        s->counters.missed = 0;
        t->counters.gaps++;
    }
    s->waiting = false;
    if (s->state == SUBSCRIBER_BEHIND)
        s->state = SUBSCRIBER_LIVE;
    return true;
}

/* Try again for those who wait for nothing. `left` may change who subscribes: then from the
 * start, and those who have left are fewer each time. */
static void settle(troupe_topic *t)
{
    listener *s = t->unsettled ? t->first : NULL;
    t->unsettled = false;
    while (s != NULL) {
        bool stuck = s->state != SUBSCRIBER_LIVE && !s->waiting;
        bool leaves = stuck && catch_up(t, s) && s->state == SUBSCRIBER_ENDED;
        if (leaves)
            has_left(t, s, TROUPE_EBUSY);
        s = leaves ? t->first : s->next;
    }
}

static void keep_back(troupe_topic *t, listener *s, const troupe_envelope *event)
{
    if (hold(t, s, event))
        return;
    shed(t, s, 1);
    if (s->slow == TROUPE_SLOW_END)
        s->state = SUBSCRIBER_ENDED;
}

static void offer(troupe_topic *t, listener *s, const troupe_envelope *event)
{
    if (s->state == SUBSCRIBER_LIVE) {
        troupe_error error = post(t, s, event);
        if (error == TROUPE_OK) {
            s->counters.delivered++;
            t->counters.delivered++;
            return;
        }
        s->state = SUBSCRIBER_BEHIND;
        await_room(t, s, error);
    }
    keep_back(t, s, event);
}

/* ---- what the owner calls ---- */

troupe_error troupe_topic_create(troupe_actor *self, const troupe_topic_options *options,
                                 troupe_topic **out)
{
    troupe_topic *t = calloc(1, sizeof *t);
    if (t == NULL)
        return TROUPE_ENOMEM;
    t->owner = self;
    if (options != NULL)
        t->options = *options;
    if (t->options.hold_bytes_max == 0)
        t->options.hold_bytes_max = HOLD_BYTES_MAX;
    *out = t;
    return TROUPE_OK;
}

void troupe_topic_destroy(troupe_topic *topic)
{
    if (topic == NULL)
        return;
    while (topic->first != NULL)
        remove_subscriber(topic, topic->first);
    map_fini(&topic->by_address);
    troupe_buffer_fini(&topic->gap);
    free(topic);
}

troupe_error troupe_topic_subscribe(troupe_topic *topic, troupe_address address,
                                    const troupe_subscription *how)
{
    static const troupe_subscription defaults;
    if (how == NULL)
        how = &defaults;
    size_t prefix_len = how->prefix != NULL ? strnlen(how->prefix, ENVELOPE_VERB_MAX + 1) : 0;
    if (address == 0 || prefix_len > ENVELOPE_VERB_MAX || (unsigned)how->slow > TROUPE_SLOW_END)
        return TROUPE_EINVAL;
    char *prefix = prefix_len > 0 ? strdup(how->prefix) : NULL;
    if (prefix_len > 0 && prefix == NULL)
        return TROUPE_ENOMEM;
    listener *s = find(topic, address);
    troupe_error error = s == NULL ? add_subscriber(topic, address, &s) : TROUPE_OK;
    if (error != TROUPE_OK) {
        free(prefix);
        return error;
    }
    free(s->prefix);
    s->prefix = prefix;
    s->prefix_len = prefix_len;
    s->slow = how->slow;
    s->hold_bytes_max = topic->options.hold_bytes_max;
    if (how->hold_bytes != 0 && how->hold_bytes < s->hold_bytes_max)
        s->hold_bytes_max = how->hold_bytes;
    if (s->state == SUBSCRIBER_ENDED)
        s->state = SUBSCRIBER_BEHIND; /* the gap comes first, and is not the last word */
    return TROUPE_OK;
}

troupe_error troupe_topic_unsubscribe(troupe_topic *topic, troupe_address address)
{
    listener *s = find(topic, address);
    if (s == NULL)
        return TROUPE_ENOTFOUND;
    remove_subscriber(topic, s);
    return TROUPE_OK;
}

troupe_error troupe_topic_publish(troupe_topic *topic, const char *verb, const troupe_meta *meta,
                                  troupe_bytes payload)
{
    troupe_envelope event = {.kind = TROUPE_EVENT,
                             .from = troupe_self_address(topic->owner),
                             .verb = verb,
                             .verb_len = strlen(verb),
                             .payload = payload};
    size_t len;
    if (meta != NULL)
        event.meta = *meta;
    if (!envelope_valid(&event) ||
        (payload.len > 0 && (troupe_pack_walk(payload, &len) != TROUPE_OK || len != payload.len)))
        return TROUPE_EINVAL;
    if (envelope_size(&event) > TURN_ENVELOPE_MAX)
        return TROUPE_ELIMIT;
    topic->counters.published++;
    settle(topic);
    for (listener *s = topic->first; s != NULL; s = s->next) {
        if (!wants(s, event.verb, event.verb_len))
            continue;
        event.to = s->address;
        offer(topic, s, &event);
    }
    return TROUPE_OK;
}

bool troupe_topic_wanted(const troupe_topic *topic, const char *verb)
{
    size_t verb_len = strlen(verb);
    const listener *s = topic->first;
    while (s != NULL && !wants(s, verb, verb_len))
        s = s->next;
    return s != NULL;
}

static bool take_signal(troupe_topic *topic, const troupe_envelope *signal)
{
    troupe_down down;
    troupe_address address;
    if (signal->kind != TROUPE_SIGNAL)
        return false;
    if (troupe_down_read(signal, &down) == TROUPE_OK) {
        listener *s = find(topic, down.address);
        if (s == NULL || s->monitor != down.ref)
            return false;
        has_left(topic, s, down.reason);
        return true;
    }
    if (!troupe_verb_is(signal, "room") ||
        troupe_unpack(signal->payload, "U", &address) != TROUPE_OK)
        return false;
    listener *s = find(topic, address);
    if (s == NULL)
        return false;
    if (s->state != SUBSCRIBER_LIVE && catch_up(topic, s) && s->state == SUBSCRIBER_ENDED)
        has_left(topic, s, TROUPE_EBUSY);
    return true;
}

bool troupe_topic_signal(troupe_topic *topic, const troupe_envelope *signal)
{
    bool taken = take_signal(topic, signal);
    settle(topic);
    return taken;
}

/* ---- calls ---- */

typedef struct wish {
    const char *topic;
    size_t topic_len;
    const char *slow;
    size_t slow_len;
    const char *prefix;
    size_t prefix_len;
    uint64_t hold_bytes;
} wish;

static bool read_wish(troupe_bytes payload, wish *w)
{
    memset(w, 0, sizeof *w);
    if (payload.len == 0 || payload.data[0] == 0xc0)
        return true; /* nil */
    return troupe_unpack(payload, "{s?:s#,s?:s#,s?:s#,s?:U}", "topic", &w->topic, &w->topic_len,
                         "slow", &w->slow, &w->slow_len, "prefix", &w->prefix, &w->prefix_len,
                         "hold_bytes", &w->hold_bytes) == TROUPE_OK;
}

static bool same(const char *word, const char *text, size_t len)
{
    return strlen(word) == len && memcmp(word, text, len) == 0;
}

static troupe_error subscribe_as_wished(troupe_topic *t, troupe_address from, const wish *w)
{
    static const char *const policies[] = {
        [TROUPE_SLOW_SHED] = "shed", [TROUPE_SLOW_HOLD] = "hold", [TROUPE_SLOW_END] = "end"};
    char prefix[ENVELOPE_VERB_MAX + 1];
    troupe_subscription how = {.hold_bytes = w->hold_bytes > SIZE_MAX ? SIZE_MAX : w->hold_bytes};
    if (w->prefix_len > ENVELOPE_VERB_MAX ||
        (w->prefix_len > 0 && memchr(w->prefix, 0, w->prefix_len)))
        return TROUPE_EPARAMS;
    if (w->slow != NULL) {
        unsigned i = 0;
        while (i <= TROUPE_SLOW_END && !same(policies[i], w->slow, w->slow_len))
            i++;
        if (i > TROUPE_SLOW_END)
            return TROUPE_EPARAMS;
        how.slow = (troupe_slow)i;
    }
    if (w->prefix_len > 0) {
        memcpy(prefix, w->prefix, w->prefix_len);
        prefix[w->prefix_len] = '\0';
        how.prefix = prefix;
    }
    return troupe_topic_subscribe(t, from, &how);
}

bool troupe_topic_call(troupe_topic *topic, const troupe_envelope *request)
{
    bool subscribe = troupe_verb_is(request, "subscribe");
    if (request->kind != TROUPE_CALL || (!subscribe && !troupe_verb_is(request, "unsubscribe")))
        return false;
    wish w;
    bool read = read_wish(request->payload, &w);
    if (w.topic != NULL &&
        (topic->options.name == NULL || !same(topic->options.name, w.topic, w.topic_len)))
        return false;
    troupe_error error = TROUPE_EPARAMS;
    if (read && request->from != 0)
        error = subscribe ? subscribe_as_wished(topic, request->from, &w)
                          : troupe_topic_unsubscribe(topic, request->from);
    if (error == TROUPE_OK)
        troupe_reply(topic->owner, troupe_caller_of(request), (troupe_bytes){NULL, 0});
    else
        troupe_fault(topic->owner, troupe_caller_of(request), error, NULL, NULL);
    return true;
}

/* ---- counters ---- */

void troupe_topic_count(const troupe_topic *topic, troupe_topic_counters *out)
{
    *out = topic->counters;
    out->subscribers = (uint32_t)topic->by_address.count;
}

troupe_error troupe_topic_subscriber(const troupe_topic *topic, troupe_address address,
                                     troupe_subscriber_counters *out)
{
    const listener *s = find(topic, address);
    if (s == NULL)
        return TROUPE_ENOTFOUND;
    *out = s->counters;
    return TROUPE_OK;
}
