/* SPDX-License-Identifier: MIT */
/*
 * Ping-pong: two actors post to each other until one has had enough.
 *
 * Shows: casts both ways, an address in a payload's place (`from`), a monitor that tells one actor
 * that the other has ended, joining an actor, the counters of the system.
 */
#include <troupe/actor.h>

#include <stdio.h>

#define ROUNDS 5000

/* Pong: returns every ball; ends when the player it plays with has left. */
typedef struct pong {
    troupe_address player; /* 0 until the first ball */
} pong;

static troupe_error pong_receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    pong *state = context;
    troupe_down down;
    if (envelope->kind == TROUPE_SIGNAL) {
        if (troupe_down_read(envelope, &down) == TROUPE_OK) {
            printf("pong: the player left (%s)\n", troupe_error_name(down.reason));
            troupe_exit(self, TROUPE_OK);
        }
        return TROUPE_OK;
    }
    if (state->player == 0) {
        state->player = envelope->from;
        troupe_error error = troupe_monitor(self, state->player, NULL);
        if (error != TROUPE_OK)
            return error;
    }
    return troupe_post(self, envelope->from, TROUPE_CAST, "pong", NULL, envelope->payload);
}

static const troupe_behaviour pong_behaviour = {.kind = "pong", .receive = pong_receive};

/* Ping: serves, counts the returns, leaves after ROUNDS. */
typedef struct ping {
    troupe_address opponent;
    int rounds;
} ping;

static troupe_error serve(troupe_actor *self, const ping *state)
{
    troupe_buffer ball = {0};
    troupe_pack(&ball, "i", state->rounds);
    troupe_error error =
        troupe_post(self, state->opponent, TROUPE_CAST, "ping", NULL, troupe_buffer_bytes(&ball));
    troupe_buffer_fini(&ball);
    return error;
}

static troupe_error ping_start(troupe_actor *self, void *state)
{
    return serve(self, state);
}

static troupe_error ping_receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    ping *state = context;
    int ball;
    if (troupe_unpack(envelope->payload, "i", &ball) != TROUPE_OK || ball != state->rounds)
        return TROUPE_EPROTOCOL; /* an error ends the actor with that reason */
    if (++state->rounds < ROUNDS)
        return serve(self, state);
    troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static const troupe_behaviour ping_behaviour = {
    .kind = "ping", .start = ping_start, .receive = ping_receive};

int main(void)
{
    troupe_system *system;
    if (troupe_system_open(NULL, &system) != TROUPE_OK)
        return 1;
    pong pong_state = {0}; /* neither behaviour has a `stop`: these outlive the actors */
    ping ping_state = {0};
    troupe_address pong_address = 0;
    troupe_spawn_options pong_options = {.behaviour = &pong_behaviour, .state = &pong_state};
    troupe_error error = troupe_spawn(system, &pong_options, &pong_address);
    if (error == TROUPE_OK) {
        ping_state.opponent = pong_address;
        troupe_spawn_options options = {.behaviour = &ping_behaviour, .state = &ping_state};
        error = troupe_spawn(system, &options, NULL);
    }
    if (error == TROUPE_OK)
        error = troupe_join(system, pong_address, 60000);
    troupe_system_counters counters;
    troupe_system_count(system, &counters);
    troupe_system_close(system, 1000);
    printf("%d rounds, %llu envelopes\n", ping_state.rounds, (unsigned long long)counters.sent);
    return error == TROUPE_OK && ping_state.rounds == ROUNDS ? 0 : 1;
}
