/* SPDX-License-Identifier: MIT */
/* Dead letters: who is told of them, what they say, and that reporting them never runs wild. */
#include "stage.h"

#include "troupe/observe.h"

#include <sched.h>

typedef struct letter {
    uint64_t n;
    char kind[8];
    char verb[32];
    troupe_address to;
    troupe_address from;
    char reason[8];
    uint64_t bytes;
    uint64_t missed;
} letter;

static void copy(char *out, size_t size, const char *text, size_t len)
{
    cr_assert(len < size);
    memcpy(out, text, len);
    out[len] = '\0';
}

static letter read_letter(const troupe_envelope *e)
{
    letter l;
    const char *kind;
    const char *verb;
    const char *reason;
    size_t kind_len;
    size_t verb_len;
    size_t reason_len;
    cr_assert(e->kind == TROUPE_EVENT && e->from == 0);
    cr_assert(troupe_unpack(e->payload, "{s:U,s:s#,s:s#,s:U,s:U,s:s#,s:U,s:U}", "n", &l.n, "kind",
                            &kind, &kind_len, "verb", &verb, &verb_len, "to", &l.to, "from",
                            &l.from, "reason", &reason, &reason_len, "bytes", &l.bytes, "missed",
                            &l.missed) == TROUPE_OK);
    copy(l.kind, sizeof l.kind, kind, kind_len);
    copy(l.verb, sizeof l.verb, verb, verb_len);
    copy(l.reason, sizeof l.reason, reason, reason_len);
    return l;
}

#define LETTERS_MAX 64

/* Subscribes when it starts; keeps what it is told. "hold" blocks it, "off" and "on" are obeyed. */
typedef struct reader {
    part part; /* first */
    letter letters[LETTERS_MAX];
} reader;

static troupe_error read_start(troupe_actor *self, part *p)
{
    (void)p;
    cr_assert(troupe_dead_letters_subscribe(self) == TROUPE_OK);
    return troupe_dead_letters_subscribe(self); /* twice is once */
}

static troupe_error read_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    reader *r = (reader *)(void *)p;
    if (troupe_verb_is(e, "dead_letter")) {
        cr_assert(p->count < LETTERS_MAX);
        r->letters[p->count++] = read_letter(e);
        gate_raise(&p->arrived);
    } else if (troupe_verb_is(e, "hold")) {
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    } else if (troupe_verb_is(e, "off")) {
        troupe_dead_letters_unsubscribe(self);
    } else if (troupe_verb_is(e, "on")) {
        cr_assert(troupe_dead_letters_subscribe(self) == TROUPE_OK);
    }
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

#define READER                                                          \
    {                                                                   \
        .part = PART_INIT(.start = read_start, .receive = read_receive) \
    }

static troupe_address enter_reader(reader *r, uint32_t mailbox_envelopes)
{
    troupe_spawn_options options = {.mailbox_envelopes = mailbox_envelopes};
    troupe_address address = enter_with(&r->part, options);
    cr_assert(ask(address, "there?", LONG_MS) == TROUPE_OK);
    return address;
}

/* Sends "die" and then `count` casts in one bundle: what is behind "die" is left in the mailbox. */
static troupe_error play_poster(troupe_actor *self, part *p, const troupe_envelope *e)
{
    cr_assert(troupe_post(self, p->peer, TROUPE_CAST, "die", NULL, nothing) == TROUPE_OK);
    for (unsigned i = 0; i < p->count; i++)
        cr_assert(troupe_post(self, p->peer, TROUPE_CAST, "lost", NULL, nothing) == TROUPE_OK);
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

static troupe_error play_victim(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)p;
    cr_assert(troupe_verb_is(e, "die"));
    troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

/* Make so many dead letters; who wrote them and to whom. */
static part make_letters(unsigned count)
{
    part victim = PART_INIT(.receive = play_victim);
    part poster = PART_INIT(.receive = play_poster, .count = count);
    poster.peer = enter(&victim);
    troupe_address poster_address = enter(&poster);
    cr_assert(ask(poster_address, "post", LONG_MS) == TROUPE_OK);
    cr_assert(troupe_join(stage, poster.peer, LONG_MS) == TROUPE_OK);
    leave(poster_address);
    return poster;
}

static void await_dead_letters(uint64_t count)
{
    time_t start = time(NULL);
    while (counters().dead_letters < count && time(NULL) - start < LONG_MS / 1000)
        sched_yield();
    cr_assert(counters().dead_letters == count);
}

Test(dead_letter, left_in_a_mailbox_is_reported_with_what_it_was)
{
    stage_open();
    reader r = READER;
    troupe_address reader_address = enter_reader(&r, 0);
    part poster = make_letters(3);
    gate_await(&r.part.arrived, 3);
    for (unsigned i = 0; i < 3; i++) {
        const letter *l = &r.letters[i];
        cr_assert(l->n == i + 1 && l->missed == 0);
        cr_assert_str_eq(l->kind, "cast");
        cr_assert_str_eq(l->verb, "lost");
        cr_assert_str_eq(l->reason, "left");
        cr_assert(l->to == poster.peer && l->from == poster.self);
        cr_assert(l->bytes > 8 && l->bytes < 64);
    }
    cr_assert(counters().dead_letters == 3 && counters().dead_left == 3);
    leave(reader_address);
    stage_close();
}

/* Calls a blocked actor, whose end comes first; the sender is known and its count goes up. */
static void ignore_answer(troupe_actor *self, void *context, troupe_error error,
                          const troupe_envelope *answer)
{
    part *p = context;
    (void)self;
    (void)answer;
    p->error = error;
    gate_raise(&p->arrived);
}

static troupe_error play_caller(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    cr_assert(troupe_call(self, p->peer, "question", NULL, nothing, LONG_MS, ignore_answer, p,
                          NULL) == TROUPE_OK);
    troupe_flush(self);
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

static void note_dead_letters(void *context, const troupe_actor_info *info)
{
    part *p = context;
    if (info->address == p->self)
        p->count = (unsigned)info->dead_letters;
}

Test(dead_letter, of_a_call_names_its_caller_and_counts_for_it)
{
    stage_open();
    reader r = READER;
    part victim = PART_INIT(.receive = play_blocked);
    part caller = PART_INIT(.receive = play_caller);
    troupe_address reader_address = enter_reader(&r, 0);
    troupe_address victim_address = enter(&victim);
    troupe_address caller_address = enter(&caller);
    caller.peer = victim_address;
    cast(victim_address, "first");
    gate_await(&victim.arrived, 1);
    cast(caller_address, "call");
    gate_await(&caller.arrived, 1);
    cr_assert(troupe_stop(stage, victim_address, TROUPE_STOP_NOW) == TROUPE_OK);
    gate_raise(&victim.go);
    gate_await(&caller.arrived, 2);
    cr_assert(caller.error == TROUPE_EGONE);
    gate_await(&r.part.arrived, 1);
    cr_assert_str_eq(r.letters[0].kind, "call");
    cr_assert_str_eq(r.letters[0].verb, "question");
    cr_assert(r.letters[0].from == caller_address && r.letters[0].to == victim_address);
    troupe_system_inspect(stage, note_dead_letters, &caller);
    cr_assert(caller.count == 1);
    leave(caller_address);
    leave(reader_address);
    stage_close();
}

/* Accepts a post for a peer and sends it only when that one is gone. */
static troupe_error play_too_late(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    cr_assert(troupe_post(self, p->peer, TROUPE_EVENT, "late", NULL, nothing) == TROUPE_OK);
    gate_raise(&p->arrived);
    gate_await(&p->go, 1);
    return TROUPE_OK;
}

Test(dead_letter, that_arrives_after_the_end_is_reported_as_gone)
{
    stage_open();
    reader r = READER;
    part victim = PART_INIT(.receive = play_echo);
    part sender = PART_INIT(.receive = play_too_late);
    troupe_address reader_address = enter_reader(&r, 0);
    sender.peer = enter(&victim);
    troupe_address sender_address = enter(&sender);
    cast(sender_address, "go");
    gate_await(&sender.arrived, 1);
    cr_assert(troupe_stop(stage, sender.peer, TROUPE_STOP_NOW) == TROUPE_OK);
    cr_assert(troupe_join(stage, sender.peer, LONG_MS) == TROUPE_OK);
    gate_raise(&sender.go);
    gate_await(&r.part.arrived, 1);
    cr_assert_str_eq(r.letters[0].reason, "gone");
    cr_assert_str_eq(r.letters[0].kind, "event");
    cr_assert(r.letters[0].from == sender_address && r.letters[0].to == sender.peer);
    cr_assert(counters().dead_letters == 1 && counters().dead_left == 0);
    leave(sender_address);
    leave(reader_address);
    stage_close();
}

Test(dead_letter, subscriber_without_room_learns_how_many_it_missed)
{
    stage_open();
    reader r = READER;
    troupe_address reader_address = enter_reader(&r, 4);
    cast(reader_address, "hold");
    gate_await(&r.part.arrived, 1);
    make_letters(10); /* four fit */
    gate_raise(&r.part.go);
    gate_await(&r.part.arrived, 1 + 4);
    make_letters(1);
    gate_await(&r.part.arrived, 1 + 5);
    cr_assert(r.letters[0].missed == 0 && r.letters[3].n == 4);
    cr_assert(r.letters[4].missed == 6 && r.letters[4].n == 11);
    leave(reader_address);
    stage_close();
}

Test(dead_letter, reports_that_die_themselves_are_counted_and_not_reported)
{
    stage_open();
    reader first = READER;
    reader second = READER;
    troupe_address first_address = enter_reader(&first, 0);
    troupe_address second_address = enter_reader(&second, 0);
    cast(first_address, "hold");
    gate_await(&first.part.arrived, 1);
    make_letters(5);
    gate_await(&second.part.arrived, 5);
    cr_assert(troupe_stop(stage, first_address, TROUPE_STOP_NOW) == TROUPE_OK);
    gate_raise(&first.part.go);
    cr_assert(troupe_join(stage, first_address, LONG_MS) == TROUPE_OK);
    await_dead_letters(10); /* five reports were left with the first */
    make_letters(1);
    gate_await(&second.part.arrived, 6);
    cr_assert(ask(second_address, "all?", LONG_MS) == TROUPE_OK);
    cr_assert(second.part.count == 6);
    cr_assert(second.letters[5].n == 11 && second.letters[5].missed == 0);
    leave(second_address);
    stage_close();
}

Test(dead_letter, unsubscribed_is_told_no_more_and_may_subscribe_again)
{
    stage_open();
    reader r = READER;
    troupe_address reader_address = enter_reader(&r, 0);
    cr_assert(ask(reader_address, "off", LONG_MS) == TROUPE_OK);
    make_letters(2);
    cr_assert(ask(reader_address, "on", LONG_MS) == TROUPE_OK);
    make_letters(1);
    gate_await(&r.part.arrived, 1);
    cr_assert(ask(reader_address, "all?", LONG_MS) == TROUPE_OK);
    cr_assert(r.part.count == 1 && r.letters[0].n == 3);
    leave(reader_address);
    stage_close();
}

static troupe_error start_refused(troupe_actor *self, part *p)
{
    p->error = troupe_dead_letters_subscribe(self);
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(dead_letter, subscribers_are_bounded_and_the_dead_make_room)
{
    stage_open();
    reader readers[TROUPE_SUBSCRIBERS_MAX];
    troupe_address addresses[TROUPE_SUBSCRIBERS_MAX];
    for (unsigned i = 0; i < TROUPE_SUBSCRIBERS_MAX; i++) {
        readers[i] = (reader)READER;
        addresses[i] = enter_reader(&readers[i], 0);
    }
    part refused = PART_INIT(.start = start_refused);
    troupe_address refused_address = enter(&refused);
    gate_await(&refused.arrived, 1);
    cr_assert(refused.error == TROUPE_ELIMIT);
    leave(refused_address);
    leave(addresses[3]);
    part admitted = PART_INIT(.start = start_refused);
    troupe_address admitted_address = enter(&admitted);
    gate_await(&admitted.arrived, 1);
    cr_assert(admitted.error == TROUPE_OK);
    leave(admitted_address);
    make_letters(1); /* and they are forgotten where they are met */
    for (unsigned i = 0; i < TROUPE_SUBSCRIBERS_MAX; i++) {
        if (i != 3) {
            gate_await(&readers[i].part.arrived, 1);
            leave(addresses[i]);
        }
    }
    stage_close();
}

Test(dead_letter, counters_balance_with_reports)
{
    stage_open();
    reader r = READER;
    troupe_address reader_address = enter_reader(&r, 0);
    for (unsigned i = 0; i < 5; i++)
        make_letters(6);
    gate_await(&r.part.arrived, 30);
    leave(reader_address);
    troupe_system_counters c = counters();
    cr_assert(c.sent == c.received + c.dead_letters);
    cr_assert(c.dead_left == 30 && c.dead_letters == 30);
    stage_close();
}
