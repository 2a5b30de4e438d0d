/* SPDX-License-Identifier: MIT */
/* Deterministic mode: one seed one run, time that passes only here, blocking calls that drive. */
#include "stage.h"

#include "troupe/deterministic.h"

static void open_with(uint64_t seed, uint32_t step_us)
{
    cr_assert(troupe_deterministic_open(NULL, seed, step_us, &stage) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
}

static void note_time(troupe_actor *self, void *context)
{
    part *p = context;
    p->count++;
    *(uint64_t *)p->data = troupe_now_ns(self);
}

static troupe_error start_hour_timer(troupe_actor *self, part *p)
{
    return troupe_timer_start(self, 3600000, 0, note_time, p, NULL);
}

Test(deterministic, time_passes_only_when_it_is_let)
{
    uint64_t at = 0;
    part p = PART_INIT(.start = start_hour_timer, .data = &at);
    open_with(1, 0);
    uint64_t before = troupe_deterministic_now_ns(stage);
    enter(&p);
    troupe_deterministic_pass(stage, 3599999);
    cr_assert(p.count == 0);
    cr_assert(troupe_deterministic_now_ns(stage) == before + 3599999ULL * 1000000);
    troupe_deterministic_pass(stage, 1);
    cr_assert(p.count == 1 && at == before + 3600000ULL * 1000000);
    stage_close();
}

Test(deterministic, calls_join_and_close_drive_the_system)
{
    part p = PART_INIT(.receive = play_echo);
    open_with(2, 0);
    troupe_address address = enter(&p);
    cr_assert(ask(address, "x", 1000) == TROUPE_OK);
    leave(address);
    cr_assert(ask(address, "x", 1000) == TROUPE_EGONE);
    enter(&p);
    stage_close(); /* with somebody who still lives */
}

static troupe_error ignore(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)p;
    (void)e;
    return TROUPE_OK;
}

Test(deterministic, a_call_that_is_not_answered_ends_at_its_deadline)
{
    part p = PART_INIT(.receive = ignore);
    open_with(3, 0);
    uint64_t before = troupe_deterministic_now_ns(stage);
    cr_assert(ask(enter(&p), "x", 86400000) == TROUPE_ETIMEOUT); /* a day, at once */
    cr_assert(troupe_deterministic_now_ns(stage) == before + 86400000ULL * 1000000);
    stage_close();
}

static void on_ready(troupe_actor *self, void *context, int fd, short revents)
{
    (void)self;
    (void)context;
    (void)fd;
    (void)revents;
}

static troupe_error try_watch(troupe_actor *self, part *p)
{
    p->error = troupe_watch(self, 0, 1, on_ready, NULL);
    return TROUPE_OK;
}

Test(deterministic, descriptors_are_unavailable)
{
    part p = PART_INIT(.start = try_watch);
    open_with(4, 0);
    enter(&p);
    troupe_deterministic_pass(stage, 0);
    cr_assert(p.error == TROUPE_EUNAVAILABLE);
    stage_close();
}

/* Each forwards to the next with one hop less, and answers come back in whatever order. */
static troupe_error pass_on(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t hops;
    cr_assert(troupe_unpack(e->payload, "U", &hops) == TROUPE_OK);
    p->count++;
    if (hops == 0)
        return TROUPE_OK;
    troupe_buffer b = {0};
    (void)troupe_pack(&b, "U", hops - 1);
    for (int i = 0; i < 2; i++)
        cr_assert(troupe_post(self, p->peer, TROUPE_CAST, "hop", NULL, troupe_buffer_bytes(&b)) ==
                  TROUPE_OK);
    troupe_buffer_fini(&b);
    return TROUPE_OK;
}

static uint64_t digest_of(uint64_t seed)
{
    part a = PART_INIT(.receive = pass_on);
    part b = PART_INIT(.receive = pass_on);
    open_with(seed, 100);
    cr_assert(troupe_deterministic_seed(stage) == seed);
    a.peer = enter(&b);
    b.peer = enter(&a);
    cast_number(a.peer, "hop", 6);
    troupe_deterministic_pass(stage, 1);
    cr_assert(a.count + b.count == 127); /* 2^7 - 1 */
    uint64_t digest = troupe_deterministic_digest(stage);
    stage_close();
    return digest;
}

Test(deterministic, one_seed_is_one_run)
{
    uint64_t first = digest_of(7);
    cr_assert(digest_of(7) == first);
    unsigned different = 0;
    for (uint64_t seed = 8; seed < 28; seed++)
        different += digest_of(seed) != first;
    cr_assert(different == 20);
}

Test(deterministic, a_seed_is_made_up_and_told)
{
    open_with(0, 0);
    cr_assert(troupe_deterministic_seed(stage) != 0);
    stage_close();
    cr_assert(troupe_system_open(NULL, &stage) == TROUPE_OK);
    cr_assert(troupe_deterministic_seed(stage) == 0);
    troupe_system_close(stage, LONG_MS);
}
