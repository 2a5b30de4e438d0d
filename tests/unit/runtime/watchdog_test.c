/* SPDX-License-Identifier: MIT */
/* The watchdog: who is reported as stuck, in what, how often, and that it rests when all rest. */
#include "stage.h"

#include "troupe/log.h"
#include "troupe/observe.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STUCK_MS    20U
#define REPORTS_MAX 64

static void watched_stage_open(uint32_t stuck_ms)
{
    cr_assert(stage_open_with((troupe_system_options){.stuck_ms = stuck_ms}) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
}

/* ---- who is told ---- */

typedef struct told {
    bool stuck; /* else unstuck */
    troupe_address address;
    char name[64];
    char verb[64];
    uint64_t ms;
    uint64_t missed;
} told;

/* Keeps the reports of what the test is about; others may be slow for want of a processor. */
typedef struct keeper {
    part part; /* first */
    const char *verb;
    told reports[REPORTS_MAX];
} keeper;

static void copy(char *out, size_t size, const char *text, size_t len)
{
    cr_assert(len < size);
    memcpy(out, text, len);
    out[len] = '\0';
}

static troupe_error keep(troupe_actor *self, part *p, const troupe_envelope *e)
{
    keeper *k = (keeper *)(void *)p;
    if (e->kind == TROUPE_EVENT) {
        const char *name;
        const char *verb;
        size_t name_len;
        size_t verb_len;
        cr_assert(p->count < REPORTS_MAX);
        told *t = &k->reports[p->count];
        t->stuck = troupe_verb_is(e, "stuck");
        cr_assert(t->stuck || troupe_verb_is(e, "unstuck"));
        cr_assert(troupe_unpack(e->payload, "{s:U,s:s#,s:s#,s:U,s:U}", "address", &t->address,
                                "name", &name, &name_len, "verb", &verb, &verb_len, "ms", &t->ms,
                                "missed", &t->missed) == TROUPE_OK);
        copy(t->name, sizeof t->name, name, name_len);
        copy(t->verb, sizeof t->verb, verb, verb_len);
        if (strcmp(t->verb, k->verb) == 0) {
            p->count++;
            gate_raise(&p->arrived);
        }
    } else if (troupe_verb_is(e, "off")) {
        troupe_watchdog_unsubscribe(self);
    }
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

static troupe_error keep_start(troupe_actor *self, part *p)
{
    (void)p;
    return troupe_watchdog_subscribe(self);
}

#define KEEPER(about)                                                            \
    {                                                                            \
        .part = PART_INIT(.start = keep_start, .receive = keep), .verb = (about) \
    }

static troupe_address enter_keeper(keeper *k)
{
    troupe_address address = enter(&k->part);
    cr_assert(ask(address, "there?", LONG_MS) == TROUPE_OK);
    return address;
}

/* ---- who gets stuck ---- */

/* Blocks in the one callback that it is told. */
typedef struct sloth {
    const char *where;
    troupe_address peer;
    int fd;
    gate arrived;
    gate go;
} sloth;

static void maybe_block(sloth *s, const char *here)
{
    if (strcmp(s->where, here) != 0)
        return;
    s->where = "done";
    gate_raise(&s->arrived);
    gate_await(&s->go, 1);
}

static void sloth_ring(troupe_actor *self, void *context)
{
    (void)self;
    maybe_block(context, "(timer)");
}

static void sloth_ready(troupe_actor *self, void *context, int fd, short revents)
{
    sloth *s = context;
    (void)revents;
    troupe_unwatch(self, fd);
    maybe_block(s, "(watch)");
}

static void sloth_answered(troupe_actor *self, void *context, troupe_error error,
                           const troupe_envelope *answer)
{
    (void)self;
    (void)error;
    (void)answer;
    maybe_block(context, "(answer)");
}

static troupe_error sloth_start(troupe_actor *self, void *state)
{
    sloth *s = state;
    maybe_block(s, "(start)");
    s->fd = eventfd(1, EFD_CLOEXEC);
    cr_assert(s->fd >= 0);
    cr_assert(troupe_watch(self, s->fd, 1 /* POLLIN */, sloth_ready, s) == TROUPE_OK);
    cr_assert(troupe_timer_start(self, 1, 0, sloth_ring, s, NULL) == TROUPE_OK);
    cr_assert(troupe_call(self, s->peer, "x", NULL, nothing, LONG_MS, sloth_answered, s, NULL) ==
              TROUPE_OK);
    return TROUPE_OK;
}

static troupe_error sloth_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)self;
    if (troupe_verb_is(e, "work"))
        maybe_block(state, "work");
    return TROUPE_OK;
}

static bool sloth_closing(troupe_actor *self, void *state)
{
    (void)self;
    maybe_block(state, "(closing)");
    return true;
}

static void sloth_turn(troupe_actor *self, void *state)
{
    (void)self;
    maybe_block(state, "(turn)");
}

static void sloth_stop(troupe_actor *self, void *state, troupe_error reason)
{
    sloth *s = state;
    (void)self;
    (void)reason;
    maybe_block(s, "(stop)");
    close(s->fd);
}

static const troupe_behaviour sloth_behaviour = {.kind = "sloth",
                                                 .start = sloth_start,
                                                 .receive = sloth_receive,
                                                 .closing = sloth_closing,
                                                 .turn = sloth_turn,
                                                 .stop = sloth_stop};

#define SLOTH(...)                                         \
    {                                                      \
        .arrived = GATE_INIT, .go = GATE_INIT, __VA_ARGS__ \
    }

static troupe_address enter_sloth(sloth *s, const char *name)
{
    const troupe_spawn_options options = {.behaviour = &sloth_behaviour, .state = s, .name = name};
    troupe_address address;
    cr_assert(troupe_spawn(stage, &options, &address) == TROUPE_OK);
    return address;
}

/* ---- the promises ---- */

Test(watchdog, stuck_in_a_message_is_reported_each_time_it_doubles_and_once_it_moves_on)
{
    watched_stage_open(STUCK_MS);
    part echo = PART_INIT(.receive = play_echo);
    keeper k = KEEPER("work");
    sloth s = SLOTH(.where = "work", .peer = enter(&echo));
    troupe_address keeper_address = enter_keeper(&k);
    troupe_address address = enter_sloth(&s, "sloth/1");
    cast(address, "work");
    gate_await(&k.part.arrived, 3);
    gate_raise(&s.go);
    leave(address);
    unsigned count = 3;
    do /* it may have doubled once more before it went on */
        gate_await(&k.part.arrived, ++count);
    while (k.reports[count - 1].stuck);
    cr_assert(ask(keeper_address, "all?", LONG_MS) == TROUPE_OK);
    cr_assert(k.part.count == count);
    for (unsigned i = 0; i < count; i++) {
        const told *t = &k.reports[i];
        cr_assert(t->stuck == (i + 1 < count));
        cr_assert(t->address == address && t->missed == 0);
        cr_assert_str_eq(t->name, "sloth/1");
        cr_assert_str_eq(t->verb, "work");
        cr_assert(t->ms >= STUCK_MS);
        if (i > 0 && t->stuck)
            cr_assert(t->ms >= (uint64_t)STUCK_MS << i);
    }
    leave(keeper_address);
    stage_close();
}

static void check_callback(const char *where)
{
    watched_stage_open(STUCK_MS);
    part echo = PART_INIT(.receive = play_echo);
    keeper k = KEEPER(where);
    sloth s = SLOTH(.where = where, .peer = enter(&echo));
    troupe_address keeper_address = enter_keeper(&k);
    troupe_address address = enter_sloth(&s, NULL);
    if (strcmp(where, "(closing)") == 0 || strcmp(where, "(stop)") == 0)
        (void)troupe_stop(stage, address, TROUPE_STOP_DRAIN);
    gate_await(&s.arrived, 1);
    gate_await(&k.part.arrived, 1);
    cr_assert(k.reports[0].stuck && k.reports[0].address == address);
    cr_assert_str_eq(k.reports[0].verb, where);
    gate_raise(&s.go);
    leave(address);
    unsigned count = 1;
    do /* also when it ended with it */
        gate_await(&k.part.arrived, ++count);
    while (k.reports[count - 1].stuck);
    leave(keeper_address);
    stage_close();
}

Test(watchdog, stuck_in_start_is_reported)
{
    check_callback("(start)");
}

Test(watchdog, stuck_in_a_timer_is_reported)
{
    check_callback("(timer)");
}

Test(watchdog, stuck_over_a_descriptor_is_reported)
{
    check_callback("(watch)");
}

Test(watchdog, stuck_over_an_answer_is_reported)
{
    check_callback("(answer)");
}

Test(watchdog, stuck_at_the_end_of_a_turn_is_reported)
{
    check_callback("(turn)");
}

Test(watchdog, stuck_in_closing_is_reported)
{
    check_callback("(closing)");
}

Test(watchdog, stuck_in_stop_is_reported)
{
    check_callback("(stop)");
}

/* Sends itself the next, until it has lasted for long. */
static troupe_error play_busy(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    uint64_t *until_ns = p->data;
    if (*until_ns == 0)
        *until_ns = troupe_now_ns(self) + 2500000000U;
    if (troupe_now_ns(self) < *until_ns)
        return troupe_post(self, troupe_self_address(self), TROUPE_CAST, "again", NULL, nothing);
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(watchdog, one_that_is_busy_and_moves_on_is_not_reported)
{
    watched_stage_open(1000);
    keeper k = KEEPER("again");
    uint64_t until_ns = 0;
    part busy = PART_INIT(.receive = play_busy, .data = &until_ns);
    troupe_address keeper_address = enter_keeper(&k);
    troupe_address address = enter(&busy);
    cast(address, "go");
    gate_await(&busy.arrived, 1);
    leave(address);
    cr_assert(ask(keeper_address, "all?", LONG_MS) == TROUPE_OK);
    cr_assert(k.part.count == 0);
    leave(keeper_address);
    stage_close();
}

/* Voluntary switches of the thread with that name; -1: there is none. */
static long switches_of(const char *thread)
{
    long switches = -1;
    DIR *dir = opendir("/proc/self/task");
    cr_assert(dir != NULL);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[300];
        char line[128];
        bool found = false;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *status = fopen(path, "r");
        if (status == NULL)
            continue;
        while (fgets(line, sizeof line, status) != NULL) {
            if (strncmp(line, "Name:", 5) == 0)
                found = strstr(line, thread) != NULL;
            if (found)
                (void)sscanf(line, "voluntary_ctxt_switches: %ld", &switches);
        }
        fclose(status);
    }
    closedir(dir);
    return switches;
}

/* Time passes here, but nothing waits for it: a watchdog that looks would show. */
static void await_rest(void)
{
    long before = -1;
    for (int round = 0; round < 100; round++) {
        const struct timespec many_looks = {0, STUCK_MS * 10 * 1000000};
        long now = switches_of("troupe:watchdog");
        if (now == before)
            return;
        before = now;
        nanosleep(&many_looks, NULL);
    }
    cr_assert(false, "the watchdog never rests");
}

Test(watchdog, rests_while_all_rest_and_wakes_with_them)
{
    watched_stage_open(STUCK_MS);
    part echo = PART_INIT(.receive = play_echo);
    keeper k = KEEPER("work");
    sloth s = SLOTH(.where = "work", .peer = enter(&echo));
    troupe_address keeper_address = enter_keeper(&k);
    troupe_address address = enter_sloth(&s, NULL);
    await_rest();
    cast(address, "work");
    gate_await(&k.part.arrived, 1);
    gate_raise(&s.go);
    await_rest();
    cr_assert(k.reports[k.part.count - 1].stuck == false);
    leave(address);
    leave(keeper_address);
    stage_close();
}

Test(watchdog, never_is_never)
{
    watched_stage_open(TROUPE_STUCK_NEVER);
    part echo = PART_INIT(.receive = play_echo);
    troupe_address address = enter(&echo);
    cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
    leave(address); /* the reaper, who joined it, has its name by now; a watchdog would too */
    cr_assert(switches_of("troupe:watchdog") == -1);
    cr_assert(switches_of("troupe:reaper") >= 0);
    stage_close();
}

static gate logged = GATE_INIT;

static void note_log(void *context, const troupe_log_record *record)
{
    (void)context;
    if (strcmp(record->event, "stuck") == 0 && record->level == TROUPE_LOG_WARN &&
        strcmp(record->subject, "sloth/2") == 0 && strstr(record->text, "work") != NULL)
        gate_raise(&logged);
}

Test(watchdog, logs_who_is_stuck_without_any_subscriber)
{
    troupe_log_set_sink(note_log, NULL);
    watched_stage_open(STUCK_MS);
    part echo = PART_INIT(.receive = play_echo);
    sloth s = SLOTH(.where = "work", .peer = enter(&echo));
    troupe_address address = enter_sloth(&s, "sloth/2");
    cast(address, "work");
    gate_await(&logged, 1);
    gate_raise(&s.go);
    leave(address);
    stage_close();
    troupe_log_set_sink(NULL, NULL);
}

Test(watchdog, unsubscribed_is_told_no_more)
{
    watched_stage_open(STUCK_MS);
    part echo = PART_INIT(.receive = play_echo);
    keeper off = KEEPER("work");
    keeper on = KEEPER("work");
    sloth s = SLOTH(.where = "work", .peer = enter(&echo));
    troupe_address off_address = enter_keeper(&off);
    troupe_address on_address = enter_keeper(&on);
    cr_assert(ask(off_address, "off", LONG_MS) == TROUPE_OK);
    troupe_address address = enter_sloth(&s, NULL);
    cast(address, "work");
    gate_await(&on.part.arrived, 2);
    gate_raise(&s.go);
    leave(address);
    cr_assert(ask(off_address, "all?", LONG_MS) == TROUPE_OK);
    cr_assert(off.part.count == 0);
    leave(off_address);
    leave(on_address);
    stage_close();
}

Test(watchdog, reports_during_a_close_that_waits)
{
    troupe_log_set_sink(note_log, NULL);
    watched_stage_open(STUCK_MS);
    part echo = PART_INIT(.receive = play_echo);
    sloth s = SLOTH(.where = "work", .peer = enter(&echo));
    troupe_address address = enter_sloth(&s, "sloth/2");
    cast(address, "work");
    gate_await(&s.arrived, 1);
    gate_await(&logged, 1);
    gate_raise(&s.go);
    stage_close(); /* the watchdog goes last, with what it knew */
    troupe_log_set_sink(NULL, NULL);
}
