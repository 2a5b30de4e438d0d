/* SPDX-License-Identifier: MIT */
/*
 * Wheel clock: a clock of three wheels that runs fast: its second lasts two milliseconds.
 *
 * Shows: a periodic timer that drives the wheels, a one-shot timer (the alarm), a timer that is
 * cancelled before it is due (the second alarm), the time of the turn.
 */
#include <troupe/actor.h>

#include <stdio.h>

#define SECOND_MS 2
#define TEETH     6 /* of each wheel: six seconds make a minute, six minutes an hour */
#define ALARM_MS  (50 * SECOND_MS)

typedef struct clock_state {
    int second;
    int minute;
    int hour;
    int ticks;
    uint64_t started_ns;
    uint64_t snooze;  /* the second alarm's timer */
    bool alarm_rang;  /* as it should */
    bool snooze_rang; /* as it should not */
} clock_state;

static void tick(troupe_actor *self, void *context)
{
    clock_state *state = context;
    (void)self;
    state->ticks++;
    state->second = (state->second + 1) % TEETH;
    if (state->second != 0)
        return;
    state->minute = (state->minute + 1) % TEETH;
    if (state->minute != 0)
        return;
    state->hour++;
    printf("hour %d\n", state->hour);
}

static void snooze(troupe_actor *self, void *context)
{
    clock_state *state = context;
    (void)self;
    state->snooze_rang = true;
}

static void alarm_rings(troupe_actor *self, void *context)
{
    clock_state *state = context;
    state->alarm_rang = true;
    printf("alarm at %d:%d:%d, after %d ticks and %.1f ms\n", state->hour, state->minute,
           state->second, state->ticks, (double)(troupe_now_ns(self) - state->started_ns) / 1e6);
    troupe_timer_cancel(self, state->snooze); /* awake: also if it is due in this very turn */
    troupe_exit(self, TROUPE_OK);             /* the periodic timer ends with its actor */
}

static troupe_error clock_start(troupe_actor *self, void *context)
{
    clock_state *state = context;
    state->started_ns = troupe_now_ns(self);
    troupe_error error = troupe_timer_start(self, SECOND_MS, SECOND_MS, tick, state, NULL);
    if (error == TROUPE_OK)
        error = troupe_timer_start(self, ALARM_MS, 0, alarm_rings, state, NULL);
    if (error == TROUPE_OK)
        error = troupe_timer_start(self, ALARM_MS + 1, 0, snooze, state, &state->snooze);
    return error;
}

static troupe_error clock_receive(troupe_actor *self, void *state, const troupe_envelope *envelope)
{
    (void)self;
    (void)state;
    (void)envelope;
    return TROUPE_OK;
}

static const troupe_behaviour clock_behaviour = {
    .kind = "clock", .start = clock_start, .receive = clock_receive};

int main(void)
{
    troupe_system *system;
    if (troupe_system_open(NULL, &system) != TROUPE_OK)
        return 1;
    clock_state state = {0};
    troupe_address clock_address;
    troupe_spawn_options options = {.behaviour = &clock_behaviour, .state = &state};
    troupe_error error = troupe_spawn(system, &options, &clock_address);
    if (error == TROUPE_OK)
        error = troupe_join(system, clock_address, 60000);
    troupe_system_close(system, 1000);
    return error == TROUPE_OK && state.alarm_rang && !state.snooze_rang && state.ticks > 0 ? 0 : 1;
}
