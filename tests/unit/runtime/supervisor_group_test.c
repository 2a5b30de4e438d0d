/* SPDX-License-Identifier: MIT */
/* Supervision of groups: strategies, order of starts and stops, deadlines, trouble in between. */
#include "troop.h"

#include "troupe/log.h"

#include <stdio.h>

TestSuite(supervisor_group, .init = stage_open, .fini = stage_close);

/* ---- what restarts whom ---- */

static void play_end_of_b(troupe_strategy strategy, troupe_restart restart, const char *verb,
                          const char *expected)
{
    troop t;
    troop_init(&t, 3, strategy);
    t.children[1].restart = restart;
    troupe_address address = troop_spawn(&t);
    journal_await("abc");
    tell("b", verb);
    char first[JOURNAL_LENGTH];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(expected, " "), expected);
    journal_await(first); /* then all are up again, or stay down */
    leave(address);
    snprintf(first + strlen(first), sizeof first - strlen(first), "%s", strchr(expected, ' ') + 1);
    journal_await(first);
}

Test(supervisor_group, restarts_follow_type_reason_and_strategy)
{
    static const char *const restarted[] = {
        [TROUPE_ONE_FOR_ONE] = "abcBb CBA",
        [TROUPE_ONE_FOR_ALL] = "abcBCAabc CBA",
        [TROUPE_REST_FOR_ONE] = "abcBCbc CBA",
    };
    static const char *const left[] = {
        [TROUPE_ONE_FOR_ONE] = "abcB CA",
        [TROUPE_ONE_FOR_ALL] = "abcB CA",
        [TROUPE_REST_FOR_ONE] = "abcB CA",
    };
    for (troupe_strategy s = TROUPE_ONE_FOR_ONE; s <= TROUPE_REST_FOR_ONE; s++) {
        play_end_of_b(s, TROUPE_PERMANENT, "fail", restarted[s]);
        play_end_of_b(s, TROUPE_PERMANENT, "exit", restarted[s]);
        play_end_of_b(s, TROUPE_TRANSIENT, "fail", restarted[s]);
        play_end_of_b(s, TROUPE_TRANSIENT, "exit", left[s]);
        play_end_of_b(s, TROUPE_TEMPORARY, "fail", left[s]);
        play_end_of_b(s, TROUPE_TEMPORARY, "exit", left[s]);
    }
}

Test(supervisor_group, temporary_child_does_not_come_back_with_its_group)
{
    troop t;
    troop_init(&t, 3, TROUPE_ONE_FOR_ALL);
    t.children[2].restart = TROUPE_TEMPORARY;
    troupe_address address = troop_spawn(&t);
    journal_await("abc");
    tell("a", "fail");
    journal_await("abcACBab");
    leave(address);
    journal_await("abcACBabBA");
}

Test(supervisor_group, child_is_told_how_often_it_was_restarted)
{
    troop t;
    troop_init(&t, 2, TROUPE_REST_FOR_ONE);
    troupe_address address = troop_spawn(&t);
    journal_await("ab");
    tell("b", "fail");
    journal_await("abBb");
    tell("a", "fail");
    journal_await("abBbABab");
    troupe_answer answer;
    cr_assert(troupe_guest_call(guest, address, "which", NULL, nothing, LONG_MS, &answer) == 0);
    uint64_t restarts[2];
    cr_assert(answer.payload.data[0] == 0xdd && answer.payload.data[4] == 2);
    cr_assert(troupe_unpack(answer.payload, "[{s:U}{s:U}]", "restarts", &restarts[0], "restarts",
                            &restarts[1]) == TROUPE_OK);
    cr_assert(restarts[0] == 1 && restarts[1] == 2);
    troupe_answer_fini(&answer);
    leave(address);
}

/* ---- the order of starts ---- */

static void expect_states(troupe_address address, const char *a, const char *b)
{
    troupe_answer answer;
    const char *state[2];
    size_t len[2];
    troupe_address at[2];
    cr_assert(troupe_guest_call(guest, address, "which", NULL, nothing, LONG_MS, &answer) == 0);
    cr_assert(troupe_unpack(answer.payload, "[{s:s#,s:U}{s:s#,s:U}]", "state", &state[0], &len[0],
                            "address", &at[0], "state", &state[1], &len[1], "address",
                            &at[1]) == TROUPE_OK);
    cr_assert(len[0] == strlen(a) && memcmp(state[0], a, len[0]) == 0, "%.*s", (int)len[0],
              state[0]);
    cr_assert(len[1] == strlen(b) && memcmp(state[1], b, len[1]) == 0, "%.*s", (int)len[1],
              state[1]);
    cr_assert(at[0] != 0 && (at[1] != 0) == (strcmp(b, "running") == 0));
    troupe_answer_fini(&answer);
}

Test(supervisor_group, child_starts_when_the_one_before_has_started)
{
    troop t;
    troop_init(&t, 2, TROUPE_ONE_FOR_ONE);
    t.players[0].hold_start = true;
    troupe_address address = troop_spawn(&t);
    gate_await(&t.players[0].arrived, 1);
    expect_states(address, "starting", "pending");
    gate_raise(&t.players[0].go);
    journal_await("ab");
    leave(address);
    cr_assert(ask(address, "which", LONG_MS) == TROUPE_EGONE);
}

Test(supervisor_group, failed_start_is_retried_before_the_next_child)
{
    for (troupe_strategy s = TROUPE_ONE_FOR_ONE; s <= TROUPE_REST_FOR_ONE; s++) {
        troop t;
        troop_init(&t, 3, s);
        t.players[1].fail_starts = 2;
        troupe_address address = troop_spawn(&t);
        journal_await(s == TROUPE_ONE_FOR_ALL ? "a!BAa!BAabc" : "a!B!Bbc");
        leave(address);
    }
}

Test(supervisor_group, stop_before_all_have_started_starts_no_more)
{
    troop t;
    troop_init(&t, 2, TROUPE_ONE_FOR_ONE);
    t.players[0].hold_start = true;
    troupe_address address = troop_spawn(&t);
    gate_await(&t.players[0].arrived, 1);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    cr_assert(ask(address, "which", LONG_MS) == TROUPE_OK); /* it has seen the stop before this */
    gate_raise(&t.players[0].go);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    journal_await("aA");
}

/* ---- trouble during a restart ---- */

Test(supervisor_group, end_of_another_during_a_restart_counts_once)
{
    troop t;
    troop_init(&t, 3, TROUPE_ONE_FOR_ALL);
    t.players[2].hold_stop = true;
    t.spec.intensity = 1;
    t.spec.period_ms = HOUR_MS;
    troupe_address address = troop_spawn(&t);
    journal_await("abc");
    tell("b", "fail");
    gate_await(&t.players[2].arrived, 1);
    tell("a", "fail");
    journal_await("abcBA");
    gate_raise(&t.players[2].go);
    journal_await("abcBACabc");
    leave(address);
    journal_await("abcBACabcCBA");
}

Test(supervisor_group, failed_start_during_a_restart_restarts_the_group_again)
{
    troop t;
    troop_init(&t, 3, TROUPE_ONE_FOR_ALL);
    troupe_address address = troop_spawn(&t);
    journal_await("abc");
    t.players[1].fail_starts = 1;
    tell("c", "fail");
    journal_await("abcCBAa!BAabc");
    leave(address);
}

Test(supervisor_group, stop_during_a_restart_ends_it)
{
    troop t;
    troop_init(&t, 3, TROUPE_ONE_FOR_ALL);
    t.players[2].hold_stop = true;
    troupe_address address = troop_spawn(&t);
    journal_await("abc");
    tell("b", "fail");
    gate_await(&t.players[2].arrived, 1);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    cr_assert(ask(address, "which", LONG_MS) == TROUPE_OK); /* it has seen the stop before this */
    gate_raise(&t.players[2].go);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    journal_await("abcBCA");
}

Test(supervisor_group, group_waits_for_the_back_off_and_a_stop_does_not)
{
    troop t;
    troop_init(&t, 2, TROUPE_ONE_FOR_ALL);
    t.children[1].backoff_min_ms = t.children[1].backoff_max_ms = HOUR_MS;
    troupe_address address = troop_spawn(&t);
    journal_await("ab");
    tell("b", "fail");
    journal_await("abBA");
    leave(address);
    journal_await("abBA"); /* nor did the first one start without the second */
}

/* ---- deadlines ---- */

static atomic_uint deadlines;

static void note_deadline(void *context, const troupe_log_record *record)
{
    (void)context;
    if (strcmp(record->event, "shutdown-deadline") == 0)
        atomic_fetch_add(&deadlines, 1);
}

Test(supervisor_group, child_that_does_not_stop_is_stopped_at_its_deadline)
{
    troupe_log_set_sink(note_deadline, NULL);
    troop t;
    troop_init(&t, 3, TROUPE_ONE_FOR_ALL);
    t.players[1].stubborn = true;
    t.children[1].shutdown_ms = 1;
    troupe_address address = troop_spawn(&t);
    journal_await("abc");
    tell("c", "fail");
    journal_await("abcCBAabc");
    cr_assert(atomic_load(&deadlines) == 1);
    leave(address);
    journal_await("abcCBAabcCBA");
    troupe_log_set_sink(NULL, NULL);
    cr_assert(atomic_load(&deadlines) == 2);
}

/* ---- intensity and escalation ---- */

static troupe_error note_down(troupe_actor *self, part *p, const troupe_envelope *e)
{
    troupe_down down;
    (void)self;
    cr_assert(troupe_down_read(e, &down) == TROUPE_OK);
    p->error = down.reason;
    p->peer = down.address;
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(supervisor_group, one_restart_too_many_stops_all_backwards_and_escalates)
{
    part watcher = PART_INIT(.receive = note_down);
    troupe_address watching = enter(&watcher);
    for (troupe_strategy s = TROUPE_ONE_FOR_ONE; s <= TROUPE_REST_FOR_ONE; s++) {
        troop t;
        troop_init(&t, 3, s);
        t.spec.intensity = 2;
        t.spec.period_ms = HOUR_MS;
        t.spec.monitor = watching;
        troupe_address address = troop_spawn(&t);
        journal_await("abc");
        tell("c", "fail");
        journal_await(s == TROUPE_ONE_FOR_ALL ? "abcCBAabc" : "abcCc");
        tell("c", "fail"); /* of whichever child: all count together */
        journal_await(s == TROUPE_ONE_FOR_ALL ? "abcCBAabcCBAabc" : "abcCcCc");
        tell("a", "fail");
        journal_await(s == TROUPE_ONE_FOR_ALL ? "abcCBAabcCBAabcACB" : "abcCcCcACB");
        gate_await(&watcher.arrived, (unsigned)s + 1);
        cr_assert(watcher.error == TROUPE_EUNAVAILABLE && watcher.peer == address);
    }
    leave(watching);
}

Test(supervisor_group, restarts_outside_the_period_do_not_add_up)
{
    troop t;
    troop_init(&t, 1, TROUPE_ONE_FOR_ONE);
    t.spec.intensity = 1;
    t.spec.period_ms = 0; /* over before the next turn */
    troupe_address address = troop_spawn(&t);
    journal_await("a");
    tell("a", "fail");
    journal_await("aAa");
    tell("a", "fail");
    journal_await("aAaAa");
    leave(address);
}

Test(supervisor_group, escalation_goes_up_level_by_level)
{
    part watcher = PART_INIT(.receive = note_down);
    troop t;
    troop_init(&t, 1, TROUPE_ONE_FOR_ONE);
    t.spec.intensity = 1;
    t.spec.period_ms = HOUR_MS;
    troupe_child middle = {.name = "middle",
                           .prepare = troupe_supervisor_prepare,
                           .context = &t.spec,
                           .restart = TROUPE_TRANSIENT,
                           .backoff_min_ms = 1,
                           .backoff_max_ms = 1,
                           .shutdown_ms = TROUPE_SHUTDOWN_UNLIMITED};
    troupe_supervisor_spec top = {.name = "top",
                                  .intensity = 1,
                                  .period_ms = HOUR_MS,
                                  .children = &middle,
                                  .count = 1,
                                  .monitor = enter(&watcher)};
    troupe_address address;
    cr_assert(troupe_supervisor_spawn(stage, &top, &address) == TROUPE_OK);
    journal_await("a");
    troupe_address first = troupe_whereis(stage, "troop");
    tell("a", "fail");
    journal_await("aAa");
    cr_assert(troupe_whereis(stage, "troop") == first);
    tell("a", "fail"); /* too many for the middle: it is restarted whole */
    journal_await("aAaAa");
    cr_assert(troupe_whereis(stage, "troop") != first);
    tell("a", "fail");
    journal_await("aAaAaAa");
    tell("a", "fail"); /* and now for the top */
    gate_await(&watcher.arrived, 1);
    cr_assert(watcher.error == TROUPE_EUNAVAILABLE && watcher.peer == address);
    journal_await("aAaAaAaA");
    cr_assert(troupe_whereis(stage, "troop") == 0 && troupe_whereis(stage, "top") == 0);
    leave(top.monitor);
}

Test(supervisor_group, tree_stops_from_the_leaves)
{
    troop t;
    troop_init(&t, 3, TROUPE_ONE_FOR_ONE);
    troupe_supervisor_spec lower = {
        .name = "lower", .children = &t.children[1], .count = 2, .strategy = TROUPE_ONE_FOR_ALL};
    troupe_child children[] = {t.children[0],
                               {.name = "lower",
                                .prepare = troupe_supervisor_prepare,
                                .context = &lower,
                                .shutdown_ms = TROUPE_SHUTDOWN_UNLIMITED}};
    t.spec.children = children;
    t.spec.count = 2;
    troupe_address address = troop_spawn(&t);
    journal_await("abc");
    leave(address);
    journal_await("abcCBA");
}

Test(supervisor_group, spec_that_cannot_be_ends_its_actor)
{
    part watcher = PART_INIT(.receive = note_down);
    troop t;
    troop_init(&t, 2, TROUPE_ONE_FOR_ONE);
    t.spec.monitor = enter(&watcher);
    t.children[1].name = t.children[0].name;
    troop_spawn(&t);
    gate_await(&watcher.arrived, 1);
    cr_assert(watcher.error == TROUPE_ESTATE);
    t.children[1].prepare = NULL;
    t.spec.count = 0;
    t.spec.name = NULL;
    t.spec.children = &t.children[1];
    t.spec.count = 1;
    troop_spawn(&t);
    gate_await(&watcher.arrived, 2);
    cr_assert(watcher.error == TROUPE_EINVAL);
    cr_assert(troupe_supervisor_spawn(stage, &(troupe_supervisor_spec){.name = ""}, NULL) ==
              TROUPE_EINVAL);
    leave(t.spec.monitor);
}
