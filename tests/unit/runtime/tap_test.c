/* SPDX-License-Identifier: MIT */
/* Taps: all that one actor receives and sends is shown, whole or cut, and nobody is held up. */
#include "stage.h"

#include "troupe/observe.h"

#define COPIES_MAX 64

typedef struct seen {
    bool in;
    troupe_kind kind;
    troupe_address to;
    troupe_address from;
    uint64_t ref;
    char verb[32];
    uint64_t size;
    uint64_t shown;
    uint64_t time_ns;
    uint64_t missed;
    uint64_t number; /* the payload, if it is one */
} seen;

/* Obeys "tap" and "untap" of its peer (the error is kept), "hold"; keeps the copies it gets. */
typedef struct observer {
    part part; /* first */
    seen copies[COPIES_MAX];
} observer;

static seen read_copy(const troupe_envelope *event)
{
    seen s = {0};
    const char *direction;
    size_t direction_len;
    troupe_bytes bytes;
    cr_assert(event->kind == TROUPE_EVENT && event->from == 0);
    cr_assert(troupe_unpack(event->payload, "{s:s#,s:U,s:U,s:x#,s:U}", "direction", &direction,
                            &direction_len, "time_ns", &s.time_ns, "size", &s.size, "envelope",
                            &bytes.data, &bytes.len, "missed", &s.missed) == TROUPE_OK);
    s.in = direction_len == 2;
    s.shown = bytes.len;
    cr_assert(strncmp(direction, s.in ? "in" : "out", direction_len) == 0);
    troupe_envelope e;
    size_t used;
    if (troupe_envelope_read(bytes, &e, &used) == TROUPE_OK) { /* not one that was cut */
        cr_assert(used == bytes.len && used == s.size && e.verb_len < sizeof s.verb);
        s.kind = e.kind;
        s.to = e.to;
        s.from = e.from;
        s.ref = e.ref;
        memcpy(s.verb, e.verb, e.verb_len);
        (void)!troupe_unpack(e.payload, "U", &s.number);
    }
    return s;
}

static troupe_error observe(troupe_actor *self, part *p, const troupe_envelope *e)
{
    observer *o = (observer *)(void *)p;
    if (troupe_verb_is(e, "tap") && e->kind == TROUPE_EVENT) {
        cr_assert(p->count < COPIES_MAX);
        o->copies[p->count++] = read_copy(e);
        gate_raise(&p->arrived);
    } else if (troupe_verb_is(e, "tap") || troupe_verb_is(e, "untap")) {
        p->error = troupe_tap(self, p->peer, troupe_verb_is(e, "tap"));
    } else if (troupe_verb_is(e, "hold")) {
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    }
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

#define OBSERVER                              \
    {                                         \
        .part = PART_INIT(.receive = observe) \
    }

static troupe_address enter_observer(observer *o, troupe_address peer, uint32_t mailbox_envelopes)
{
    troupe_spawn_options options = {.mailbox_envelopes = mailbox_envelopes};
    troupe_address address = enter_with(&o->part, options);
    o->part.peer = peer;
    cr_assert(ask(address, "tap", LONG_MS) == TROUPE_OK);
    return address;
}

static void expect(const seen *s, bool in, troupe_kind kind, const char *verb)
{
    cr_assert(s->in == in && s->kind == kind, "%s, kind %d, verb %s", s->in ? "in" : "out",
              (int)s->kind, s->verb);
    cr_assert_str_eq(s->verb, verb);
    cr_assert(s->time_ns > 0);
}

/* Asks its peer "number" and passes what it is told on to nobody. */
static void take_answer(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    part *p = context;
    (void)self;
    (void)answer;
    p->error = error;
    gate_raise(&p->arrived);
}

static troupe_error play_asking(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "ask"))
        return troupe_call(self, p->peer, "number", NULL, e->payload, LONG_MS, take_answer, p,
                           NULL);
    if (troupe_verb_is(e, "watch"))
        return troupe_monitor(self, p->peer, NULL);
    if (troupe_verb_is(e, "fault"))
        troupe_fault(self, troupe_caller_of(e), TROUPE_EFORBIDDEN, NULL, NULL);
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(tap, shows_casts_calls_answers_and_signals_both_ways)
{
    stage_open();
    part asked = PART_INIT(.receive = play_echo);
    part asking = PART_INIT(.receive = play_asking);
    troupe_address asked_address = enter(&asked);
    troupe_address asking_address = enter(&asking);
    asking.peer = asked_address;
    observer o = OBSERVER;
    troupe_address observer_address = enter_observer(&o, asking_address, 0);
    cast_number(asking_address, "ask", 7);
    gate_await(&asking.arrived, 1);
    cast(asking_address, "watch");
    leave(asked_address);
    gate_await(&asking.arrived, 2);
    cr_assert(ask(asking_address, "fault", LONG_MS) == TROUPE_EFORBIDDEN);
    gate_await(&o.part.arrived, 7);
    expect(&o.copies[0], true, TROUPE_CAST, "ask");
    expect(&o.copies[1], false, TROUPE_CALL, "number");
    expect(&o.copies[2], true, TROUPE_REPLY, "reply");
    expect(&o.copies[3], true, TROUPE_CAST, "watch");
    expect(&o.copies[4], true, TROUPE_SIGNAL, "down");
    expect(&o.copies[5], true, TROUPE_CALL, "fault");
    expect(&o.copies[6], false, TROUPE_FAULT, "fault");
    cr_assert(o.copies[0].number == 7 && o.copies[1].number == 7 && o.copies[2].number == 7);
    cr_assert(o.copies[1].to == asked_address && o.copies[1].from == asking_address);
    cr_assert(o.copies[2].ref == o.copies[1].ref && o.copies[2].ref != 0);
    cr_assert(o.copies[6].to == 0 && o.copies[6].ref == o.copies[5].ref);
    leave(asking_address);
    leave(observer_address);
    stage_close();
}

Test(tap, cuts_large_envelopes_and_says_how_large_they_were)
{
    enum { LARGE = 300000 };
    stage_open();
    part tapped = PART_INIT(.receive = play_echo);
    troupe_address tapped_address = enter(&tapped);
    observer o = OBSERVER;
    troupe_address observer_address = enter_observer(&o, tapped_address, 0);
    troupe_buffer b = {0};
    void *bytes = calloc(1, LARGE);
    cr_assert(troupe_pack(&b, "x#", bytes, (size_t)LARGE) == TROUPE_OK);
    cr_assert(troupe_guest_post(guest, tapped_address, TROUPE_CAST, "large", NULL,
                                troupe_buffer_bytes(&b)) == TROUPE_OK);
    gate_await(&o.part.arrived, 1);
    cr_assert(o.copies[0].shown == 4096 && o.copies[0].in);
    cr_assert(o.copies[0].size > LARGE && o.copies[0].size < LARGE + 100);
    free(bytes);
    troupe_buffer_fini(&b);
    leave(tapped_address);
    leave(observer_address);
    stage_close();
}

Test(tap, ends_when_asked_to)
{
    stage_open();
    part tapped = PART_INIT(.receive = play_echo);
    troupe_address tapped_address = enter(&tapped);
    observer o = OBSERVER;
    troupe_address observer_address = enter_observer(&o, tapped_address, 0);
    cr_assert(ask(tapped_address, "one", LONG_MS) == TROUPE_OK);
    gate_await(&o.part.arrived, 2);
    cr_assert(ask(observer_address, "untap", LONG_MS) == TROUPE_OK);
    cr_assert(o.part.error == TROUPE_OK);
    cr_assert(ask(tapped_address, "two", LONG_MS) == TROUPE_OK);
    leave(tapped_address);
    cr_assert(ask(observer_address, "all?", LONG_MS) == TROUPE_OK);
    cr_assert(o.part.count == 2);
    leave(observer_address);
    stage_close();
}

Test(tap, observer_without_room_holds_nobody_up_and_learns_what_it_missed)
{
    stage_open();
    part tapped = PART_INIT(.receive = play_echo);
    troupe_address tapped_address = enter(&tapped);
    observer o = OBSERVER;
    troupe_address observer_address = enter_observer(&o, tapped_address, 4);
    cast(observer_address, "hold");
    gate_await(&o.part.arrived, 1);
    for (unsigned i = 0; i < 10; i++)
        cr_assert(ask(tapped_address, "x", LONG_MS) == TROUPE_OK); /* two copies each */
    gate_raise(&o.part.go);
    gate_await(&o.part.arrived, 1 + 4);
    cast(tapped_address, "last");
    gate_await(&o.part.arrived, 1 + 5);
    cr_assert(o.copies[3].missed == 0);
    cr_assert(o.copies[4].missed == 16);
    cr_assert_str_eq(o.copies[4].verb, "last");
    leave(tapped_address);
    leave(observer_address);
    stage_close();
}

Test(tap, belongs_to_one_until_that_one_ends)
{
    stage_open();
    part tapped = PART_INIT(.receive = play_echo);
    troupe_address tapped_address = enter(&tapped);
    observer first = OBSERVER;
    observer second = OBSERVER;
    troupe_address first_address = enter_observer(&first, tapped_address, 0);
    troupe_address second_address = enter_observer(&second, tapped_address, 0);
    cr_assert(first.part.error == TROUPE_OK && second.part.error == TROUPE_ESTATE);
    cr_assert(ask(second_address, "untap", LONG_MS) == TROUPE_OK); /* not its to end */
    cast(tapped_address, "one");
    gate_await(&first.part.arrived, 1);
    leave(first_address);
    cr_assert(ask(second_address, "tap", LONG_MS) == TROUPE_OK);
    cr_assert(second.part.error == TROUPE_OK);
    cast(tapped_address, "two");
    gate_await(&second.part.arrived, 1);
    cr_assert_str_eq(second.copies[0].verb, "two");
    leave(tapped_address);
    leave(second_address);
    stage_close();
}

Test(tap, ends_with_the_tapped_and_is_not_the_next_ones)
{
    stage_open();
    part before = PART_INIT(.receive = play_echo);
    part after = PART_INIT(.receive = play_echo);
    troupe_address before_address = enter(&before);
    observer o = OBSERVER;
    troupe_address observer_address = enter_observer(&o, before_address, 0);
    leave(before_address);
    troupe_address after_address = enter(&after);
    cr_assert((after_address & 0xffff) == (before_address & 0xffff)); /* the same slot */
    cr_assert(ask(after_address, "x", LONG_MS) == TROUPE_OK);
    cr_assert(ask(observer_address, "tap", LONG_MS) == TROUPE_OK);
    cr_assert(o.part.error == TROUPE_EGONE && o.part.count == 0);
    leave(after_address);
    leave(observer_address);
    stage_close();
}

Test(tap, of_a_tap_does_not_run_in_circles)
{
    stage_open();
    observer first = OBSERVER;
    observer second = OBSERVER;
    troupe_spawn_options options = {0};
    troupe_address first_address = enter_with(&first.part, options);
    troupe_address second_address = enter_with(&second.part, options);
    first.part.peer = second_address;
    second.part.peer = first_address;
    cr_assert(ask(first_address, "tap", LONG_MS) == TROUPE_OK);
    cr_assert(ask(second_address, "tap", LONG_MS) == TROUPE_OK);
    cast(first_address, "hello");
    gate_await(&second.part.arrived, 1);
    cr_assert(ask(first_address, "all?", LONG_MS) == TROUPE_OK);
    gate_await(&second.part.arrived, 3); /* hello in, all? in and its answer out */
    cr_assert_str_eq(second.copies[0].verb, "hello");
    cr_assert_str_eq(second.copies[1].verb, "all?");
    leave(first_address);
    leave(second_address);
    stage_close();
}

Test(tap, of_oneself_shows_what_others_send)
{
    stage_open();
    observer o = OBSERVER;
    troupe_spawn_options options = {0};
    troupe_address address = enter_with(&o.part, options);
    o.part.peer = address;
    cr_assert(ask(address, "tap", LONG_MS) == TROUPE_OK);
    cast(address, "hello");
    gate_await(&o.part.arrived, 2); /* the answer to "tap" was sent with the tap on */
    expect(&o.copies[0], false, TROUPE_REPLY, "reply");
    expect(&o.copies[1], true, TROUPE_CAST, "hello");
    leave(address);
    stage_close();
}

Test(tap, copies_are_counted_like_all_envelopes)
{
    stage_open();
    part tapped = PART_INIT(.receive = play_echo);
    troupe_address tapped_address = enter(&tapped);
    observer o = OBSERVER;
    troupe_address observer_address = enter_observer(&o, tapped_address, 0);
    for (unsigned i = 0; i < 8; i++)
        cast(tapped_address, "x");
    gate_await(&o.part.arrived, 8);
    leave(tapped_address);
    leave(observer_address);
    troupe_system_counters c = counters();
    cr_assert(c.sent == c.received + c.dead_letters);
    stage_close();
}
