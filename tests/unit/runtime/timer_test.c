/* SPDX-License-Identifier: MIT */
/* The heap, the map, and an actor's timers and descriptors. */
#include "runtime/map.h"
#include "runtime/timer.h"
#include "stage.h"

#include <poll.h>
#include <unistd.h>

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

Test(heap, gives_back_in_order_whatever_is_taken_out)
{
    static timer items[500];
    timers t = {0};
    uint64_t random = 4711;
    for (int round = 0; round < 50; round++) {
        cr_assert(timers_reserve(&t, 500));
        for (int i = 0; i < 500; i++) {
            items[i] = (timer){.due_ns = random_next(&random) % 100};
            timers_add(&t, &items[i]);
        }
        for (int i = 0; i < 500; i += 3) {
            timers_remove(&t, &items[i]);
            timers_remove(&t, &items[i]);
        }
        timer *before = NULL;
        unsigned count = 0;
        for (timer *head; (head = timers_head(&t)) != NULL; before = head, count++) {
            if (before != NULL)
                cr_assert(before->due_ns < head->due_ns ||
                          (before->due_ns == head->due_ns && before->sequence < head->sequence));
            timers_remove(&t, head);
            cr_assert(head->place == 0);
        }
        cr_assert(count == 333);
    }
    timers_fini(&t);
}

Test(map, finds_what_is_there_and_nothing_else)
{
    map m = {0};
    static void *model[4096];
    uint64_t random = 99;
    size_t count = 0;
    for (int i = 0; i < 200000; i++) {
        uint64_t key = 1 + random_next(&random) % 4095;
        uint64_t spread = key << 20 | (key % 7); /* alike in their low bits, as refs are */
        void *value = &model[key];
        if (random_next(&random) % 2 == 0) {
            cr_assert(map_put(&m, spread, value));
            count += model[key] == NULL;
            model[key] = value;
        } else {
            void *removed = NULL;
            bool was = map_remove(&m, spread, &removed);
            cr_assert(was == (model[key] != NULL) && removed == model[key]);
            count -= was;
            model[key] = NULL;
        }
        cr_assert(m.count == count);
    }
    for (uint64_t key = 1; key < 4096; key++)
        cr_assert((map_find(&m, key << 20 | (key % 7)) != NULL) == (model[key] != NULL));
    map_entry entry;
    while (map_pop(&m, &entry))
        count--;
    cr_assert(count == 0 && map_find(&m, 0) == NULL);
    map_fini(&m);
}

/* Each pop a search of its own would take a day. */
Test(map, popping_all_of_a_million_looks_at_each_place_once)
{
    map m = {0};
    map_entry entry;
    uint64_t sum = 0;
    for (uint64_t key = 1; key <= 1000000; key++)
        cr_assert(map_put(&m, key << 20 | (key % 7), NULL));
    while (map_pop(&m, &entry))
        sum += entry.key >> 20;
    cr_assert(m.count == 0 && sum == 1000000ULL * 1000001 / 2);
    cr_assert(map_put(&m, 5, NULL) && map_pop(&m, &entry) && entry.key == 5);
    map_fini(&m);
}

TestSuite(timer, .init = stage_open, .fini = stage_close);

typedef struct alarms {
    char order[16];
    unsigned rings;
    uint64_t victim;
    uint64_t own;
    part *part;
} alarms;

static void ring_a(troupe_actor *self, void *context)
{
    alarms *a = context;
    strcat(a->order, "a");
    troupe_timer_cancel(self, a->victim);
    troupe_timer_cancel(self, 0);
}

static void ring_b(troupe_actor *self, void *context)
{
    (void)self;
    alarms *a = context;
    strcat(a->order, "b");
}

static void ring_last(troupe_actor *self, void *context)
{
    (void)self;
    alarms *a = context;
    strcat(a->order, "c");
    gate_raise(&a->part->arrived);
}

static troupe_error set_alarms(troupe_actor *self, part *p)
{
    alarms *a = p->data;
    a->part = p;
    cr_assert(troupe_timer_start(self, 20, 0, ring_last, a, NULL) == TROUPE_OK);
    cr_assert(troupe_timer_start(self, 1, 0, ring_a, a, NULL) == TROUPE_OK);
    cr_assert(troupe_timer_start(self, 1, 0, ring_b, a, NULL) == TROUPE_OK);
    cr_assert(troupe_timer_start(self, 1, 0, ring_b, a, &a->victim) == TROUPE_OK);
    cr_assert(a->victim != 0);
    cr_assert(troupe_timer_start(self, 1, 0, NULL, a, NULL) == TROUPE_EINVAL);
    return TROUPE_OK;
}

Test(timer, rings_in_order_and_not_after_cancel)
{
    alarms a = {0};
    part p = PART_INIT(.start = set_alarms, .data = &a);
    troupe_address address = enter(&p);
    gate_await(&p.arrived, 1);
    leave(address);
    cr_assert_str_eq(a.order, "abc");
}

static void ring_again(troupe_actor *self, void *context)
{
    alarms *a = context;
    if (++a->rings == 5) {
        troupe_timer_cancel(self, a->own);
        gate_raise(&a->part->arrived);
    }
}

static troupe_error set_periodic(troupe_actor *self, part *p)
{
    alarms *a = p->data;
    a->part = p;
    return troupe_timer_start(self, 0, 1, ring_again, a, &a->own);
}

Test(timer, periodic_rings_until_it_cancels_itself)
{
    alarms a = {0};
    part p = PART_INIT(.start = set_periodic, .data = &a);
    troupe_address address = enter(&p);
    gate_await(&p.arrived, 1);
    leave(address);
    cr_assert(a.rings == 5);
}

static troupe_error set_moments(troupe_actor *self, part *p)
{
    alarms *a = p->data;
    uint64_t now_ns = troupe_now_ns(self);
    a->part = p;
    cr_assert(troupe_timer_at(self, now_ns + 3000000, ring_last, a, NULL) == TROUPE_OK);
    cr_assert(troupe_timer_at(self, now_ns + 2000000, ring_b, a, &a->victim) == TROUPE_OK);
    cr_assert(troupe_timer_at(self, now_ns + 1000001, ring_b, a, NULL) == TROUPE_OK);
    cr_assert(troupe_timer_at(self, now_ns + 1000000, ring_a, a, NULL) == TROUPE_OK);
    cr_assert(troupe_timer_at(self, 0, ring_b, a, NULL) == TROUPE_OK); /* past: at once */
    cr_assert(troupe_timer_at(self, 0, NULL, a, NULL) == TROUPE_EINVAL);
    return TROUPE_OK;
}

Test(timer, moments_are_told_apart_by_nanoseconds)
{
    alarms a = {0};
    part p = PART_INIT(.start = set_moments, .data = &a);
    troupe_address address = enter(&p);
    gate_await(&p.arrived, 1);
    leave(address);
    cr_assert_str_eq(a.order, "babc");
}

static void restart(troupe_actor *self, void *context)
{
    part *p = context;
    p->count++;
    cr_assert(troupe_timer_start(self, 0, 0, restart, p, NULL) == TROUPE_OK);
}

static troupe_error start_restart(troupe_actor *self, part *p)
{
    restart(self, p);
    return TROUPE_OK;
}

Test(timer, one_that_restarts_itself_at_once_starves_nobody)
{
    part p = PART_INIT(.start = start_restart, .receive = play_echo);
    troupe_address address = enter(&p);
    for (int i = 0; i < 20; i++)
        cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
    leave(address);
    cr_assert(p.count > 1);
}

/* ---- descriptors ---- */

TestSuite(watch, .init = stage_open, .fini = stage_close);

typedef struct pipes {
    int ends[2][2];
    unsigned seen[2];
    part *part;
} pipes;

static void readable(troupe_actor *self, void *context, int fd, short revents)
{
    pipes *s = context;
    char byte;
    int which = fd == s->ends[1][0];
    cr_assert(revents & POLLIN);
    cr_assert(read(fd, &byte, 1) == 1);
    s->seen[which]++;
    if (byte == 'u') { /* takes the other one away, even if it is ready too */
        troupe_unwatch(self, s->ends[!which][0]);
        troupe_unwatch(self, s->ends[!which][0]);
    } else if (byte == 'q') {
        troupe_unwatch(self, fd);
    }
    gate_raise(&s->part->arrived);
}

static troupe_error watch_both(troupe_actor *self, part *p)
{
    pipes *s = p->data;
    s->part = p;
    for (int i = 0; i < 2; i++) {
        cr_assert(troupe_watch(self, s->ends[i][0], POLLIN, readable, s) == TROUPE_OK);
        cr_assert(troupe_watch(self, s->ends[i][0], POLLIN, readable, s) == TROUPE_ESTATE);
    }
    cr_assert(troupe_watch(self, -1, POLLIN, readable, s) == TROUPE_EINVAL);
    return TROUPE_OK;
}

static troupe_error set_events(troupe_actor *self, part *p, const troupe_envelope *e)
{
    pipes *s = p->data;
    troupe_watch_events(self, s->ends[0][0], troupe_verb_is(e, "on") ? POLLIN : 0);
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

static void open_pipes(pipes *s)
{
    for (int i = 0; i < 2; i++)
        cr_assert(pipe(s->ends[i]) == 0);
}

static void close_pipes(pipes *s)
{
    for (int i = 0; i < 4; i++)
        close(s->ends[i / 2][i % 2]);
}

Test(watch, ready_descriptors_are_told_until_unwatched)
{
    pipes s = {0};
    open_pipes(&s);
    part p = PART_INIT(.start = watch_both, .receive = set_events, .data = &s);
    troupe_address address = enter(&p);
    cr_assert(write(s.ends[0][1], "xx", 2) == 2);
    gate_await(&p.arrived, 2);
    cr_assert(write(s.ends[1][1], "q", 1) == 1);
    gate_await(&p.arrived, 3);
    cr_assert(write(s.ends[1][1], "x", 1) == 1); /* nobody looks any more */
    cr_assert(ask(address, "off", LONG_MS) == TROUPE_OK);
    cr_assert(write(s.ends[0][1], "x", 1) == 1);
    cr_assert(ask(address, "off", LONG_MS) == TROUPE_OK);
    cr_assert(s.seen[0] == 2 && s.seen[1] == 1);
    cr_assert(ask(address, "on", LONG_MS) == TROUPE_OK);
    gate_await(&p.arrived, 4);
    leave(address);
    cr_assert(s.seen[0] == 3 && s.seen[1] == 1);
    close_pipes(&s);
}

Test(watch, unwatched_in_the_same_round_is_not_called)
{
    pipes s = {0};
    open_pipes(&s);
    cr_assert(write(s.ends[0][1], "u", 1) == 1);
    cr_assert(write(s.ends[1][1], "u", 1) == 1);
    part p = PART_INIT(.start = watch_both, .receive = set_events, .data = &s);
    troupe_address address = enter(&p);
    gate_await(&p.arrived, 1);
    cr_assert(ask(address, "on", LONG_MS) == TROUPE_OK);
    leave(address);
    cr_assert(s.seen[0] == 1 && s.seen[1] == 0);
    close_pipes(&s);
}
