/* SPDX-License-Identifier: MIT */
/* Opening, closing, limits, inspection, and what a system leaves behind: nothing. */
#include "stage.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    cr_assert(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* ---- options ---- */

Test(system, bad_options_are_refused)
{
    troupe_system_options options = {.name = "with space"};
    cr_assert(stage_open_with(options) == TROUPE_EINVAL);
    options = (troupe_system_options){.name = "0123456789012345678901234567890123"};
    cr_assert(stage_open_with(options) == TROUPE_EINVAL);
    options = (troupe_system_options){.actors_max = 65536};
    cr_assert(stage_open_with(options) == TROUPE_EINVAL);
    options = (troupe_system_options){.stack_bytes = 100};
    cr_assert(stage_open_with(options) == TROUPE_EINVAL);
    options = (troupe_system_options){.lane = "pigeon"};
    cr_assert(stage_open_with(options) == TROUPE_EUNAVAILABLE);
}

Test(system, name_is_taken_while_it_is_open)
{
    troupe_system_options options = {.name = "twice", .lane = getenv("TROUPE_TEST_LANE")};
    troupe_system *second;
    cr_assert(stage_open_with(options) == TROUPE_OK);
    cr_assert(troupe_system_open(&options, &second) == TROUPE_EINVAL);
    troupe_system_close(stage, 1000);
    cr_assert(stage_open_with(options) == TROUPE_OK);
    troupe_system_close(stage, 1000);
}

Test(system, bad_spawns_are_refused)
{
    stage_open();
    const troupe_behaviour unnamed = {0};
    char name[80];
    memset(name, 'n', sizeof name);
    name[64] = '\0';
    troupe_spawn_options options = {0};
    cr_assert(troupe_spawn(stage, &options, NULL) == TROUPE_EINVAL);
    options.behaviour = &unnamed;
    cr_assert(troupe_spawn(stage, &options, NULL) == TROUPE_EINVAL);
    options.behaviour = &part_behaviour;
    options.name = name;
    cr_assert(troupe_spawn(stage, &options, NULL) == TROUPE_EINVAL);
    options.name = "";
    cr_assert(troupe_spawn(stage, &options, NULL) == TROUPE_EINVAL);
    stage_close();
}

Test(system, actors_are_limited_and_slots_reused)
{
    troupe_system_options options = {.actors_max = 2};
    cr_assert(stage_open_with(options) == TROUPE_OK);
    part p[2] = {PART_INIT(.receive = play_echo), PART_INIT(.receive = play_echo)};
    troupe_address first = enter(&p[0]);
    troupe_address second = enter(&p[1]);
    troupe_spawn_options third = {.behaviour = &part_behaviour, .state = &p[0]};
    cr_assert(troupe_spawn(stage, &third, NULL) == TROUPE_ELIMIT);
    leave(first);
    cr_assert(troupe_spawn(stage, &third, &first) == TROUPE_OK);
    leave(first);
    leave(second);
    troupe_system_close(stage, 1000);
}

/* ---- closing ---- */

static bool never(troupe_actor *self, part *p)
{
    (void)self;
    gate_raise(&p->arrived);
    return false;
}

Test(system, close_forces_those_that_refuse)
{
    cr_assert(stage_open_with((troupe_system_options){0}) == TROUPE_OK);
    part p[5];
    for (int i = 0; i < 5; i++) {
        p[i] = (part)PART_INIT(.closing = never);
        (void)enter(&p[i]);
    }
    troupe_system_close(stage, 50);
    for (int i = 0; i < 5; i++)
        cr_assert(p[i].arrived.value == 1);
}

static void forget_me(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)self;
    (void)answer;
    part *p = context;
    p->error = error;
}

static troupe_error call_and_wait(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    troupe_error error =
        troupe_call(self, p->peer, "never answered", NULL, nothing, LONG_MS, forget_me, p, NULL);
    cr_assert(error == TROUPE_OK || error == TROUPE_EGONE); /* it may have been stopped first */
    return TROUPE_OK;
}

Test(system, close_with_everything_in_flight_leaves_nothing)
{
    stage_open();
    part callee = PART_INIT();
    part caller = PART_INIT(.receive = call_and_wait);
    caller.peer = enter(&callee);
    troupe_address address = enter(&caller);
    for (int i = 0; i < 300; i++)
        cast(address, "go");
    for (int i = 0; i < 300; i++)
        cr_assert(troupe_guest_call_start(guest, caller.peer, "x", NULL, nothing, LONG_MS, NULL,
                                          NULL) == TROUPE_OK);
    stage_close();
}

static _Atomic unsigned stops;

static void note_order(troupe_actor *self, part *p, troupe_error reason)
{
    (void)self;
    (void)reason;
    p->count = atomic_fetch_add(&stops, 1) + 1;
}

static bool stop_child_first(troupe_actor *self, part *p)
{
    cr_assert(troupe_stop(troupe_self_system(self), p->peer, TROUPE_STOP_DRAIN) == TROUPE_OK);
    return false;
}

static troupe_error exit_when_child_is_down(troupe_actor *self, part *p, const troupe_envelope *e)
{
    troupe_down down;
    if (troupe_down_read(e, &down) == TROUPE_OK && down.address == p->peer)
        troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

Test(system, close_lets_parents_stop_their_children)
{
    cr_assert(stage_open_with((troupe_system_options){0}) == TROUPE_OK);
    part parent = PART_INIT(.closing = stop_child_first, .receive = exit_when_child_is_down,
                            .stop = note_order);
    part child = PART_INIT(.stop = note_order);
    troupe_spawn_options options = {.monitor = enter(&parent)};
    parent.peer = enter_with(&child, options);
    troupe_system_close(stage, LONG_MS);
    cr_assert(child.count == 1 && parent.count == 2);
}

static void run_small_system(void)
{
    stage_open();
    part p[20];
    for (int i = 0; i < 20; i++) {
        p[i] = (part)PART_INIT(.receive = play_echo);
        troupe_address address = enter(&p[i]);
        cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
        if (i % 2 == 0)
            leave(address);
    }
    stage_close();
}

Test(system, open_and_close_leave_no_descriptor_and_no_thread)
{
    run_small_system(); /* nng keeps its own threads and descriptors from the first use on */
    unsigned descriptors = count_entries("/proc/self/fd");
    unsigned threads = count_entries("/proc/self/task");
    for (int i = 0; i < 10; i++)
        run_small_system();
    cr_assert(count_entries("/proc/self/fd") == descriptors);
    cr_assert(count_entries("/proc/self/task") == threads);
}

/* ---- rest ---- */

static unsigned long switches_of(const char *task)
{
    char path[320];
    char line[128];
    unsigned long voluntary = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "voluntary_ctxt_switches: %lu", &voluntary);
    if (file != NULL)
        fclose(file);
    return voluntary;
}

/* Of all threads but this one. */
static unsigned long switches_of_others(void)
{
    char own[32];
    unsigned long sum = 0;
    snprintf(own, sizeof own, "%ld", (long)getpid());
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0)
            sum += switches_of(entry->d_name);
    }
    closedir(dir);
    return sum;
}

static void ring_never(troupe_actor *self, void *context)
{
    (void)self;
    (void)context;
}

static troupe_error set_far_timer(troupe_actor *self, part *p)
{
    (void)p;
    return troupe_timer_start(self, 3600000, 0, ring_never, NULL, NULL);
}

/* Time passes here, but nothing waits for it: whatever ticks would show. */
Test(system, at_rest_nothing_runs)
{
    stage_open();
    part p[20];
    for (int i = 0; i < 20; i++) {
        p[i] = (part)PART_INIT(.start = set_far_timer, .receive = play_echo);
        cr_assert(ask(enter(&p[i]), "x", LONG_MS) == TROUPE_OK);
    }
    unsigned long before;
    unsigned long after = switches_of_others();
    int quiet = 0;
    for (int round = 0; round < 50 && quiet < 3; round++) { /* until the last work has settled */
        struct timespec pause = {0, 200000000};
        before = after;
        nanosleep(&pause, NULL);
        after = switches_of_others();
        quiet = after == before ? quiet + 1 : 0;
    }
    cr_assert(quiet == 3);
    stage_close();
}

/* ---- inspection ---- */

typedef struct found {
    unsigned count;
    troupe_actor_info infos[8];
} found;

static void collect(void *context, const troupe_actor_info *info)
{
    found *f = context;
    if (f->count < 8)
        f->infos[f->count] = *info;
    f->count++;
}

Test(system, inspect_shows_what_is_in_hand)
{
    stage_open();
    part busy = PART_INIT(.receive = play_blocked);
    part idle = PART_INIT(.receive = play_echo);
    troupe_spawn_options named = {.name = "busy/one"};
    troupe_address busy_address = enter_with(&busy, named);
    troupe_address idle_address = enter(&idle);
    cr_assert(ask(idle_address, "x", LONG_MS) == TROUPE_OK);
    cast(busy_address, "a rather long verb that goes on and on and on and on, beyond 64 bytes");
    gate_await(&busy.arrived, 1);
    cast(busy_address, "next");
    found f = {0};
    troupe_system_inspect(stage, collect, &f);
    cr_assert(f.count == 2);
    cr_assert(f.infos[0].address == busy_address);
    cr_assert_str_eq(f.infos[0].name, "busy/one");
    cr_assert_str_eq(f.infos[0].kind, "part");
    cr_assert(strncmp(f.infos[0].verb, "a rather long verb", 18) == 0);
    cr_assert(strlen(f.infos[0].verb) == 63);
    cr_assert(f.infos[0].depth == 1 && f.infos[0].depth_bytes > 0 && f.infos[0].received == 1);
    cr_assert(f.infos[0].thread_id > 0);
    cr_assert_str_eq(f.infos[1].name, "part#2");
    cr_assert(f.infos[1].received == 1 && f.infos[1].calls_open == 0);
    gate_raise(&busy.go);
    leave(busy_address);
    stage_close();
}

Test(system, join_of_a_living_actor_times_out)
{
    stage_open();
    part p = PART_INIT(.receive = play_echo);
    troupe_address address = enter(&p);
    cr_assert(troupe_join(stage, address, 1) == TROUPE_ETIMEOUT);
    leave(address);
    cr_assert(troupe_join(stage, address, 1) == TROUPE_OK);
    cr_assert(troupe_join(stage, 12345, 1) == TROUPE_OK);
    cr_assert(troupe_stop(stage, 12345, TROUPE_STOP_NOW) == TROUPE_EGONE);
    stage_close();
}
