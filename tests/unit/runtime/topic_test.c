/* SPDX-License-Identifier: MIT */
/* Topics: fan-out in order, slow subscribers by policy, gaps counted exactly, ends, calls. */
#include "job.h"

#include "troupe/topic.h"

TestSuite(topic, .init = stage_open, .fini = stage_close);

#define BURST 1000

/* ---- a listener: each event carries its number ---- */

typedef struct listener {
    part part;
    gate next; /* the number that comes next; what a gap counts is skipped */
    uint64_t received;
    uint64_t missed;
    unsigned gaps;
    bool ended;   /* said the last gap */
    bool blocked; /* waits at part.go when the first event comes */
    troupe_address address;
} listener;

static void listener_move(listener *l, uint64_t by)
{
    pthread_mutex_lock(&l->next.mutex);
    l->next.value += (unsigned)by;
    pthread_cond_broadcast(&l->next.changed);
    pthread_mutex_unlock(&l->next.mutex);
}

static troupe_error listen(troupe_actor *self, part *p, const troupe_envelope *e)
{
    listener *l = p->data;
    uint64_t number;
    (void)self;
    cr_assert(e->kind == TROUPE_EVENT && e->from == p->peer);
    if (troupe_verb_is(e, "gap")) {
        int ended;
        cr_assert(troupe_unpack(e->payload, "{s:U,s:b}", "count", &number, "ended", &ended) ==
                  TROUPE_OK);
        l->missed += number;
        l->gaps++;
        l->ended = ended != 0;
        listener_move(l, number);
        return TROUPE_OK;
    }
    if (l->blocked && l->received == 0) {
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    }
    cr_assert(troupe_unpack(e->payload, "U", &number) == TROUPE_OK);
    cr_assert(number == l->next.value, "%u comes after %u", (unsigned)number, l->next.value);
    l->received++;
    listener_move(l, 1);
    return TROUPE_OK;
}

static void listener_enter(listener *l, troupe_address owner, uint32_t mailbox)
{
    l->part = (part)PART_INIT(.receive = listen, .data = l, .peer = owner);
    l->next = (gate)GATE_INIT;
    l->address = enter_with(&l->part, (troupe_spawn_options){.mailbox_envelopes = mailbox});
}

/* ---- the owner ---- */

typedef struct teller {
    part part;
    troupe_topic_options options;
    troupe_topic *topic;
    uint64_t number; /* of the next event */
    unsigned count;  /* of events in a burst */
    troupe_topic_counters counters;
    troupe_subscriber_counters of_one;
    gate left;
    troupe_error left_reason;
} teller;

static void note_left(troupe_actor *self, void *context, troupe_address address,
                      troupe_error reason)
{
    teller *t = context;
    (void)self;
    cr_assert(address != 0);
    t->left_reason = reason;
    gate_raise(&t->left);
}

static troupe_error teller_start(troupe_actor *self, part *p)
{
    teller *t = p->data;
    t->options.left = note_left;
    t->options.context = t;
    return troupe_topic_create(self, &t->options, &t->topic);
}

static troupe_error teller_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    teller *t = p->data;
    if (e->kind == TROUPE_SIGNAL)
        (void)troupe_topic_signal(t->topic, e);
    else if (troupe_verb_is(e, "job"))
        job_do(self, t, e);
    else if (!troupe_topic_call(t->topic, e))
        troupe_fault(self, troupe_caller_of(e), TROUPE_EMETHOD, NULL, NULL);
    return TROUPE_OK;
}

static void teller_stop(troupe_actor *self, part *p, troupe_error reason)
{
    teller *t = p->data;
    (void)self;
    (void)reason;
    troupe_topic_destroy(t->topic);
}

static troupe_address teller_enter(teller *t)
{
    t->part = (part)PART_INIT(.start = teller_start, .receive = teller_receive, .stop = teller_stop,
                              .data = t);
    t->left = (gate)GATE_INIT;
    return enter(&t->part);
}

typedef struct subscribing {
    troupe_address address;
    troupe_subscription how;
} subscribing;

static void do_subscribe(void *owner, void *argument)
{
    teller *t = owner;
    const subscribing *s = argument;
    cr_assert(troupe_topic_subscribe(t->topic, s->address, &s->how) == TROUPE_OK);
}

static void subscribe(troupe_address owner, const listener *l, troupe_subscription how)
{
    subscribing s = {l->address, how};
    have(owner, do_subscribe, &s);
}

static void do_publish(void *owner, void *argument)
{
    teller *t = owner;
    for (unsigned i = 0; i < *(unsigned *)argument; i++) {
        troupe_buffer b = {0};
        cr_assert(troupe_pack(&b, "U", t->number++) == TROUPE_OK);
        cr_assert(troupe_topic_publish(t->topic, "number", NULL, troupe_buffer_bytes(&b)) ==
                  TROUPE_OK);
        troupe_buffer_fini(&b);
    }
}

static void publish(troupe_address owner, unsigned count)
{
    have(owner, do_publish, &count);
}

static void do_count(void *owner, void *argument)
{
    teller *t = owner;
    const listener *l = argument;
    troupe_topic_count(t->topic, &t->counters);
    memset(&t->of_one, 0, sizeof t->of_one);
    if (l != NULL)
        cr_assert(troupe_topic_subscriber(t->topic, l->address, &t->of_one) == TROUPE_OK);
    else
        cr_assert(troupe_topic_subscriber(t->topic, 77, &t->of_one) == TROUPE_ENOTFOUND);
}

/* All that was sent has arrived, died or was shed. */
static void expect_conservation(void)
{
    troupe_system_counters c = counters();
    cr_assert(c.sent == c.received + c.dead_letters + c.shed);
}

/* ---- everything arrives ---- */

Test(topic, each_subscriber_gets_each_event_in_order)
{
    teller t = {.topic = NULL};
    listener l[3] = {{.received = 0}};
    troupe_address address = teller_enter(&t);
    publish(address, 1); /* to nobody */
    for (int i = 0; i < 3; i++) {
        listener_enter(&l[i], address, 0);
        l[i].next.value = 1;
        subscribe(address, &l[i], (troupe_subscription){.prefix = NULL});
    }
    publish(address, BURST);
    for (int i = 0; i < 3; i++)
        gate_await(&l[i].next, BURST + 1);
    have(address, do_count, &l[1]);
    cr_assert(t.counters.subscribers == 3 && t.counters.published == BURST + 1);
    cr_assert(t.counters.delivered == 3 * BURST && t.counters.shed == 0 && t.counters.gaps == 0);
    cr_assert(t.of_one.delivered == BURST && t.of_one.shed == 0);
    leave(address);
    for (int i = 0; i < 3; i++) {
        leave(l[i].address);
        cr_assert(l[i].received == BURST && l[i].gaps == 0);
    }
    expect_conservation();
}

/* ---- slow subscribers ---- */

Test(topic, slow_one_is_shed_from_and_told_exactly_while_others_get_all)
{
    teller t = {.topic = NULL};
    listener fast = {.received = 0}, slow = {.blocked = true};
    troupe_address address = teller_enter(&t);
    listener_enter(&slow, address, 4);
    listener_enter(&fast, address, 0);
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_SHED});
    subscribe(address, &fast, (troupe_subscription){.slow = TROUPE_SLOW_SHED});
    publish(address, BURST);
    gate_await(&fast.next, BURST); /* while the other one hangs */
    gate_await(&slow.part.arrived, 1);
    have(address, do_count, &slow);
    uint64_t shed = t.of_one.shed;
    cr_assert(shed > 0 && shed >= BURST - 16 && t.of_one.missed == shed);
    cr_assert(t.of_one.delivered + shed == BURST && t.of_one.held == 0);
    cr_assert(counters().shed == shed);
    gate_raise(&slow.part.go);
    gate_await(&slow.next, BURST); /* the gap comes by itself */
    publish(address, 1);
    gate_await(&slow.next, BURST + 1);
    have(address, do_count, &slow);
    cr_assert(t.of_one.missed == 0 && t.counters.gaps == 1 && t.counters.shed == shed);
    leave(address);
    leave(slow.address);
    leave(fast.address);
    cr_assert(slow.missed == shed && slow.received == BURST + 1 - shed && slow.gaps == 1);
    cr_assert(!slow.ended && fast.received == BURST + 1 && fast.gaps == 0);
    expect_conservation();
}

Test(topic, held_events_come_in_order_before_live_ones)
{
    teller t = {.options = {.hold_bytes_max = 16U << 20}};
    listener slow = {.blocked = true};
    troupe_address address = teller_enter(&t);
    listener_enter(&slow, address, 4);
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_HOLD});
    publish(address, BURST);
    gate_await(&slow.part.arrived, 1);
    have(address, do_count, &slow);
    cr_assert(t.of_one.held > 0 && t.of_one.held_bytes > t.of_one.held);
    cr_assert(t.of_one.held + t.of_one.delivered == BURST);
    cr_assert(t.counters.held == t.of_one.held && t.counters.held_bytes == t.of_one.held_bytes);
    gate_raise(&slow.part.go);
    for (int i = 0; i < 20; i++) /* held and live ones meet */
        publish(address, BURST);
    gate_await(&slow.next, 21 * BURST);
    have(address, do_count, &slow);
    cr_assert(t.of_one.held == 0 && t.of_one.held_bytes == 0 && t.counters.held == 0);
    cr_assert(t.of_one.delivered == 21 * BURST && t.of_one.shed == 0);
    leave(address);
    leave(slow.address);
    cr_assert(slow.received == 21 * BURST && slow.gaps == 0);
    expect_conservation();
}

Test(topic, holding_is_bounded_and_the_rest_is_one_gap_behind_it)
{
    teller t = {.topic = NULL};
    listener slow = {.blocked = true};
    troupe_address address = teller_enter(&t);
    listener_enter(&slow, address, 4);
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_HOLD, .hold_bytes = 1000});
    publish(address, BURST);
    gate_await(&slow.part.arrived, 1);
    have(address, do_count, &slow);
    uint64_t shed = t.of_one.shed;
    cr_assert(t.of_one.held_bytes <= 1000 && t.of_one.held_bytes > 900);
    cr_assert(shed > 0 && t.of_one.delivered + t.of_one.held + shed == BURST);
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_HOLD});
    publish(address, 10); /* there is room to hold them now, but the gap is before them */
    shed += 10;
    gate_raise(&slow.part.go);
    gate_await(&slow.next, BURST + 10);
    publish(address, 1);
    gate_await(&slow.next, BURST + 11);
    leave(address);
    leave(slow.address);
    cr_assert(slow.gaps == 1 && slow.missed == shed && slow.received == BURST + 11 - shed);
    expect_conservation();
}

Test(topic, subscription_that_ends_when_slow_says_so_last)
{
    teller t = {.topic = NULL};
    listener slow = {.blocked = true};
    troupe_address address = teller_enter(&t);
    listener_enter(&slow, address, 4);
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_END});
    publish(address, BURST);
    gate_await(&slow.part.arrived, 1);
    have(address, do_count, &slow);
    uint64_t delivered = t.of_one.delivered;
    cr_assert(t.of_one.shed == 1 && delivered < BURST - 1); /* no longer subscribed since */
    cr_assert(t.left.value == 0);
    gate_raise(&slow.part.go);
    gate_await(&t.left, 1);
    cr_assert(t.left_reason == TROUPE_EBUSY);
    publish(address, BURST);
    have(address, do_count, NULL);
    cr_assert(t.counters.subscribers == 0 && t.counters.delivered == delivered);
    leave(address);
    leave(slow.address);
    cr_assert(slow.received == delivered && slow.missed == 1 && slow.gaps == 1 && slow.ended);
    expect_conservation();
}

Test(topic, subscribing_again_before_the_last_gap_goes_on)
{
    teller t = {.topic = NULL};
    listener slow = {.blocked = true};
    troupe_address address = teller_enter(&t);
    listener_enter(&slow, address, 4);
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_END});
    publish(address, 1);
    gate_await(&slow.part.arrived, 1);
    publish(address, 20);
    have(address, do_count, &slow);
    t.number = t.of_one.delivered + t.of_one.shed; /* what came later was for nobody */
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_SHED});
    publish(address, 2);
    gate_raise(&slow.part.go);
    gate_await(&slow.next, (unsigned)t.of_one.delivered + 3);
    publish(address, 1);
    gate_await(&slow.next, (unsigned)t.of_one.delivered + 4);
    cr_assert(t.left.value == 0);
    leave(address);
    leave(slow.address);
    cr_assert(slow.missed == 3 && slow.gaps == 1 && !slow.ended);
    expect_conservation();
}

/* ---- subscribers that end ---- */

Test(topic, subscriber_that_dies_full_leaves_and_everything_is_counted)
{
    for (troupe_slow policy = TROUPE_SLOW_SHED; policy <= TROUPE_SLOW_END; policy++) {
        teller t = {.topic = NULL};
        listener slow = {.blocked = true};
        troupe_address address = teller_enter(&t);
        listener_enter(&slow, address, 4);
        subscribe(address, &slow, (troupe_subscription){.slow = policy});
        publish(address, BURST);
        gate_await(&slow.part.arrived, 1);
        cr_assert(troupe_stop(stage, slow.address, TROUPE_STOP_NOW) == TROUPE_OK);
        gate_raise(&slow.part.go);
        cr_assert(troupe_join(stage, slow.address, LONG_MS) == TROUPE_OK);
        gate_await(&t.left, 1);
        have(address, do_count, NULL);
        cr_assert(t.counters.subscribers == 0 && t.counters.held == 0);
        cr_assert(t.counters.held_bytes == 0);
        if (policy == TROUPE_SLOW_END)
            cr_assert(t.counters.shed == 1);
        else
            cr_assert(t.counters.delivered + t.counters.shed == BURST);
        leave(address);
        expect_conservation();
    }
}

Test(topic, subscriber_that_is_gone_already_leaves_at_once)
{
    teller t = {.topic = NULL};
    listener gone = {.received = 0};
    troupe_address address = teller_enter(&t);
    listener_enter(&gone, address, 0);
    leave(gone.address);
    subscribe(address, &gone, (troupe_subscription){.slow = TROUPE_SLOW_HOLD});
    gate_await(&t.left, 1);
    cr_assert(t.left_reason == TROUPE_EGONE);
    have(address, do_count, NULL);
    cr_assert(t.counters.subscribers == 0);
    leave(address);
}

static void do_unsubscribe(void *owner, void *argument)
{
    teller *t = owner;
    const listener *l = argument;
    cr_assert(troupe_topic_unsubscribe(t->topic, l->address) == TROUPE_OK);
    cr_assert(troupe_topic_unsubscribe(t->topic, l->address) == TROUPE_ENOTFOUND);
}

Test(topic, held_events_of_one_that_unsubscribes_are_shed)
{
    teller t = {.topic = NULL};
    listener slow = {.blocked = true};
    troupe_address address = teller_enter(&t);
    listener_enter(&slow, address, 4);
    subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_HOLD});
    publish(address, BURST);
    gate_await(&slow.part.arrived, 1);
    have(address, do_unsubscribe, &slow);
    gate_raise(&slow.part.go);
    publish(address, 1);
    have(address, do_count, NULL);
    cr_assert(t.counters.held == 0 && t.counters.delivered + t.counters.shed == BURST);
    leave(address);
    leave(slow.address);
    cr_assert(slow.received == t.counters.delivered && slow.gaps == 0 && t.left.value == 0);
    expect_conservation();
}

/* ---- filters and contracts ---- */

static void do_check_contract(void *owner, void *argument)
{
    teller *t = owner;
    listener *l = argument;
    static const uint8_t two[] = {1, 2};
    char long_text[300];
    memset(long_text, 'p', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    troupe_subscription how = {.prefix = long_text};
    cr_assert(troupe_topic_subscribe(t->topic, l->address, &how) == TROUPE_EINVAL);
    how = (troupe_subscription){.slow = (troupe_slow)3};
    cr_assert(troupe_topic_subscribe(t->topic, l->address, &how) == TROUPE_EINVAL);
    cr_assert(troupe_topic_subscribe(t->topic, 0, NULL) == TROUPE_EINVAL);
    cr_assert(!troupe_topic_wanted(t->topic, "number"));
    how = (troupe_subscription){.prefix = "num"};
    cr_assert(troupe_topic_subscribe(t->topic, l->address, &how) == TROUPE_OK);
    cr_assert(troupe_topic_wanted(t->topic, "number") && troupe_topic_wanted(t->topic, "num"));
    cr_assert(!troupe_topic_wanted(t->topic, "nu") && !troupe_topic_wanted(t->topic, "other"));
    cr_assert(troupe_topic_publish(t->topic, "other", NULL, nothing) == TROUPE_OK);
    cr_assert(troupe_topic_publish(t->topic, "", NULL, nothing) == TROUPE_EINVAL);
    cr_assert(troupe_topic_publish(t->topic, long_text, NULL, nothing) == TROUPE_EINVAL);
    troupe_bytes malformed = {two, sizeof two};
    cr_assert(troupe_topic_publish(t->topic, "number", NULL, malformed) == TROUPE_EINVAL);
}

Test(topic, only_wanted_verbs_and_well_formed_events_are_sent)
{
    teller t = {.topic = NULL};
    listener l = {.received = 0};
    troupe_address address = teller_enter(&t);
    listener_enter(&l, address, 0);
    have(address, do_check_contract, &l);
    publish(address, 3);
    gate_await(&l.next, 3);
    have(address, do_count, &l);
    cr_assert(t.counters.published == 4 && t.counters.delivered == 3);
    leave(address);
    leave(l.address);
    cr_assert(l.received == 3);
}

/* ---- calls ---- */

typedef struct client {
    part part;
    troupe_buffer payload;
    const char *verb;
    gate answered;
    troupe_error error;
    uint64_t events;
    gate heard;
} client;

static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    client *c = context;
    (void)self;
    (void)answer;
    c->error = error;
    gate_raise(&c->answered);
}

static troupe_error client_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    client *c = p->data;
    if (e->kind == TROUPE_EVENT)
        gate_raise(&c->heard);
    else
        cr_assert(troupe_call(self, p->peer, c->verb, NULL, troupe_buffer_bytes(&c->payload),
                              LONG_MS, on_answer, c, NULL) == TROUPE_OK);
    return TROUPE_OK;
}

/* The client calls with `payload`, which is taken. */
static troupe_error client_call(client *c, const char *verb, troupe_buffer payload)
{
    c->verb = verb;
    c->payload = payload;
    unsigned before = c->answered.value;
    cast(c->part.self, "go");
    gate_await(&c->answered, before + 1);
    troupe_buffer_fini(&c->payload);
    return c->error;
}

static troupe_buffer packed(const char *key, const char *text)
{
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "{s:s}", key, text) == TROUPE_OK);
    return b;
}

Test(topic, actors_subscribe_themselves_by_calls)
{
    teller t = {.options = {.name = "news"}};
    troupe_address address = teller_enter(&t);
    client c = {.answered = GATE_INIT, .heard = GATE_INIT};
    c.part = (part)PART_INIT(.receive = client_receive, .data = &c, .peer = address);
    troupe_address client_address = enter(&c.part);
    c.part.self = client_address;
    troupe_buffer none = {0};
    cr_assert(ask(address, "subscribe", LONG_MS) == TROUPE_EPARAMS); /* a guest */
    cr_assert(client_call(&c, "unsubscribe", none) == TROUPE_ENOTFOUND);
    cr_assert(client_call(&c, "subscribe", packed("slow", "never")) == TROUPE_EPARAMS);
    cr_assert(client_call(&c, "subscribe", packed("topic", "olds")) == TROUPE_EMETHOD);
    troupe_buffer list = {0};
    cr_assert(troupe_pack(&list, "[s]", "news") == TROUPE_OK);
    cr_assert(client_call(&c, "subscribe", list) == TROUPE_EPARAMS);
    cr_assert(client_call(&c, "subscribe", packed("prefix", "other")) == TROUPE_OK);
    publish(address, 1);
    cr_assert(client_call(&c, "subscribe", packed("topic", "news")) == TROUPE_OK);
    publish(address, 2);
    gate_await(&c.heard, 2);
    troupe_buffer all = {0};
    cr_assert(troupe_pack(&all, "{s:s,s:s,s:U,s:s}", "topic", "news", "slow", "hold", "hold_bytes",
                          (uint64_t)100, "prefix", "num") == TROUPE_OK);
    cr_assert(client_call(&c, "subscribe", all) == TROUPE_OK);
    cr_assert(client_call(&c, "unsubscribe", none) == TROUPE_OK);
    publish(address, 1);
    cr_assert(ask(address, "anything", LONG_MS) == TROUPE_EMETHOD);
    leave(address);
    leave(client_address);
    cr_assert(c.heard.value == 2);
}

/* ---- packers of gaps that cannot ---- */

static troupe_error pack_malformed(void *context, uint64_t count, bool ended, troupe_buffer *out)
{
    (void)count;
    (void)ended;
    ++*(int *)context;
    return troupe_buffer_append(out, "\x81", 1); /* a map of one, without it */
}

static troupe_error pack_nothing(void *context, uint64_t count, bool ended, troupe_buffer *out)
{
    (void)count;
    (void)ended;
    (void)out;
    ++*(int *)context;
    return TROUPE_EINVAL;
}

static troupe_error packer_start(troupe_actor *self, part *p)
{
    teller *t = p->data;
    return troupe_topic_create(self, &t->options, &t->topic);
}

Test(topic, a_packer_that_cannot_is_asked_once)
{
    troupe_error (*const packers[])(void *, uint64_t, bool, troupe_buffer *) = {pack_malformed,
                                                                                pack_nothing};
    for (int i = 0; i < 2; i++) {
        int asked = 0;
        teller t = {.options = {.pack_gap = packers[i], .context = &asked}};
        listener slow = {.blocked = true};
        t.part = (part)PART_INIT(.start = packer_start, .receive = teller_receive,
                                 .stop = teller_stop, .data = &t);
        troupe_address address = enter(&t.part);
        listener_enter(&slow, address, 4);
        subscribe(address, &slow, (troupe_subscription){.slow = TROUPE_SLOW_SHED});
        publish(address, BURST);
        gate_await(&slow.part.arrived, 1);
        gate_raise(&slow.part.go);
        gate_await(&slow.next, BURST);
        leave(slow.address);
        leave(address);
        cr_assert(asked == 1 && slow.missed == BURST - slow.received && slow.gaps >= 1);
    }
    expect_conservation();
}

/* ---- two topics, one subscriber ---- */

typedef struct pair {
    part part;
    troupe_topic *topics[2];
} pair;

static troupe_error pack_named_gap(void *context, uint64_t count, bool ended, troupe_buffer *out)
{
    (void)ended;
    return troupe_pack(out, "{s:U,s:s}", "count", count, "topic", (const char *)context);
}

static troupe_error pair_start(troupe_actor *self, part *p)
{
    static char names[2][2] = {"x", "y"};
    pair *two = p->data;
    for (int i = 0; i < 2; i++) {
        troupe_topic_options options = {
            .name = names[i], .pack_gap = pack_named_gap, .context = names[i]};
        cr_assert(troupe_topic_create(self, &options, &two->topics[i]) == TROUPE_OK);
    }
    return TROUPE_OK;
}

static troupe_error pair_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    pair *two = p->data;
    if (e->kind == TROUPE_CALL) {
        job_do(self, two, e);
        return TROUPE_OK;
    }
    bool first = troupe_topic_signal(two->topics[0], e);
    bool second = troupe_topic_signal(two->topics[1], e);
    cr_assert(first || second);
    return TROUPE_OK;
}

static void pair_stop(troupe_actor *self, part *p, troupe_error reason)
{
    pair *two = p->data;
    (void)self;
    (void)reason;
    troupe_topic_destroy(two->topics[0]);
    troupe_topic_destroy(two->topics[1]);
}

static void do_publish_both(void *owner, void *argument)
{
    pair *two = owner;
    const troupe_address *to = argument;
    for (int i = 0; i < 2; i++)
        cr_assert(troupe_topic_subscribe(two->topics[i], *to, NULL) == TROUPE_OK);
    for (int i = 0; i < BURST; i++) {
        cr_assert(troupe_topic_publish(two->topics[0], "x", NULL, nothing) == TROUPE_OK);
        cr_assert(troupe_topic_publish(two->topics[1], "y", NULL, nothing) == TROUPE_OK);
    }
}

/* count[i]: heard or missed, of topic i */
typedef struct pair_listener {
    part part;
    gate count[2];
    unsigned gaps[2];
} pair_listener;

static troupe_error hear_both(troupe_actor *self, part *p, const troupe_envelope *e)
{
    pair_listener *l = p->data;
    (void)self;
    if (p->count++ == 0) {
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    }
    uint64_t count = 1;
    const char *topic = e->verb;
    if (troupe_verb_is(e, "gap")) {
        size_t len;
        cr_assert(troupe_unpack(e->payload, "{s:U,s:s#}", "count", &count, "topic", &topic, &len) ==
                  TROUPE_OK);
        l->gaps[topic[0] - 'x']++;
    }
    while (count-- > 0)
        gate_raise(&l->count[topic[0] - 'x']);
    return TROUPE_OK;
}

Test(topic, one_room_is_for_all_topics_of_an_owner)
{
    pair two = {.topics = {NULL, NULL}};
    two.part = (part)PART_INIT(.start = pair_start, .receive = pair_receive, .stop = pair_stop,
                               .data = &two);
    pair_listener l = {.count = {GATE_INIT, GATE_INIT}};
    l.part = (part)PART_INIT(.receive = hear_both, .data = &l);
    troupe_address owner = enter(&two.part);
    troupe_address to = enter_with(&l.part, (troupe_spawn_options){.mailbox_envelopes = 8});
    have(owner, do_publish_both, &to);
    gate_await(&l.part.arrived, 1);
    gate_raise(&l.part.go);
    gate_await(&l.count[0], BURST);
    gate_await(&l.count[1], BURST);
    leave(owner);
    leave(to);
    cr_assert(l.gaps[0] >= 1 && l.gaps[1] >= 1);
    cr_assert(l.count[0].value == BURST && l.count[1].value == BURST);
    expect_conservation();
}
