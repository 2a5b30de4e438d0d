/* SPDX-License-Identifier: MIT */
/*
 * Pipeline: reader -> squarer -> summer. Each is faster than the next, none overruns it.
 *
 * Shows: small mailboxes, TROUPE_EBUSY at the post, the signal `room`, and back-pressure that goes
 * through a stage: the squarer answers the reader's call only when the summer has taken the result,
 * so what waits in the squarer is at most what the reader has open.
 */
#include <troupe/actor.h>

#include <inttypes.h>
#include <stdio.h>

#define NUMBERS     5000 /* 1² + … + NUMBERS² is what comes out */
#define OPEN_MAX    16   /* calls that the reader keeps open */
#define SUMMER_BOX  4    /* envelopes in the summer's mailbox */
#define TIMEOUT_MS  60000
#define SLOW_ROUNDS 5000 /* how slow the summer is */

/* Summer: the slow end. Casts "add" U. ------------------------------------------------------ */

typedef struct summer {
    uint64_t sum;
    int added;
} summer;

static troupe_error summer_receive(troupe_actor *self, void *context,
                                   const troupe_envelope *envelope)
{
    summer *state = context;
    uint64_t number;
    if (troupe_unpack(envelope->payload, "U", &number) != TROUPE_OK)
        return TROUPE_EPROTOCOL;
    for (volatile int i = 0; i < SLOW_ROUNDS; i++) {
    }
    state->sum += number;
    if (++state->added == NUMBERS)
        troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static const troupe_behaviour summer_behaviour = {.kind = "summer", .receive = summer_receive};

/* Squarer: call "square" U -> nil once the summer has the result. --------------------------- */

typedef struct squarer {
    troupe_address summer;
    struct {
        uint64_t square;
        troupe_caller caller;
    } held[OPEN_MAX]; /* ring; the reader has no more open */
    unsigned first;
    unsigned count;
    int refused;
} squarer;

static troupe_error pass_on(troupe_actor *self, squarer *state)
{
    troupe_error error = TROUPE_OK;
    while (state->count > 0 && error == TROUPE_OK) {
        troupe_buffer payload = {0};
        troupe_pack(&payload, "U", state->held[state->first].square);
        error = troupe_post(self, state->summer, TROUPE_CAST, "add", NULL,
                            troupe_buffer_bytes(&payload));
        troupe_buffer_fini(&payload);
        if (error == TROUPE_OK) {
            troupe_bytes nil = {NULL, 0};
            troupe_reply(self, state->held[state->first].caller, nil);
            state->first = (state->first + 1) % OPEN_MAX;
            state->count--;
        }
    }
    if (error == TROUPE_EBUSY) { /* nothing was delivered: it stays in hand until there is room */
        state->refused++;
        error = troupe_await_room(self, state->summer);
    }
    return error;
}

static troupe_error squarer_receive(troupe_actor *self, void *context,
                                    const troupe_envelope *envelope)
{
    squarer *state = context;
    if (envelope->kind == TROUPE_SIGNAL)
        return troupe_verb_is(envelope, "room") ? pass_on(self, state) : TROUPE_OK;
    uint64_t number;
    if (troupe_unpack(envelope->payload, "U", &number) != TROUPE_OK || state->count == OPEN_MAX)
        return TROUPE_EPROTOCOL;
    unsigned last = (state->first + state->count++) % OPEN_MAX;
    state->held[last].square = number * number;
    state->held[last].caller = troupe_caller_of(envelope);
    return state->count == 1 ? pass_on(self, state) : TROUPE_OK; /* else room is awaited */
}

static const troupe_behaviour squarer_behaviour = {.kind = "squarer", .receive = squarer_receive};

/* Reader: calls with the numbers, OPEN_MAX at once. ----------------------------------------- */

typedef struct reader {
    troupe_address squarer;
    uint64_t next;
    unsigned open;
} reader;

static troupe_error read_on(troupe_actor *self, reader *state);

static void passed_on(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    reader *state = context;
    (void)answer;
    state->open--;
    if (error == TROUPE_OK)
        error = read_on(self, state);
    if (error != TROUPE_OK || (state->open == 0 && state->next > NUMBERS))
        troupe_exit(self, error);
}

static troupe_error read_on(troupe_actor *self, reader *state)
{
    while (state->open < OPEN_MAX && state->next <= NUMBERS) {
        troupe_buffer payload = {0};
        troupe_pack(&payload, "U", state->next);
        troupe_error error =
            troupe_call(self, state->squarer, "square", NULL, troupe_buffer_bytes(&payload),
                        TIMEOUT_MS, passed_on, state, NULL);
        troupe_buffer_fini(&payload);
        if (error != TROUPE_OK)
            return error;
        state->open++;
        state->next++;
    }
    return TROUPE_OK;
}

static troupe_error reader_start(troupe_actor *self, void *state)
{
    return read_on(self, state);
}

static troupe_error reader_receive(troupe_actor *self, void *state, const troupe_envelope *envelope)
{
    (void)self;
    (void)state;
    (void)envelope;
    return TROUPE_OK;
}

static const troupe_behaviour reader_behaviour = {
    .kind = "reader", .start = reader_start, .receive = reader_receive};

int main(void)
{
    troupe_system *system;
    if (troupe_system_open(NULL, &system) != TROUPE_OK)
        return 1;
    static summer summer_state;
    static squarer squarer_state;
    static reader reader_state = {.next = 1};
    troupe_address summer_address;
    troupe_spawn_options options = {
        .behaviour = &summer_behaviour, .state = &summer_state, .mailbox_envelopes = SUMMER_BOX};
    troupe_error error = troupe_spawn(system, &options, &summer_address);
    if (error == TROUPE_OK) {
        squarer_state.summer = summer_address;
        options = (troupe_spawn_options){.behaviour = &squarer_behaviour, .state = &squarer_state};
        error = troupe_spawn(system, &options, &reader_state.squarer);
    }
    if (error == TROUPE_OK) {
        options = (troupe_spawn_options){.behaviour = &reader_behaviour, .state = &reader_state};
        error = troupe_spawn(system, &options, NULL);
    }
    if (error == TROUPE_OK)
        error = troupe_join(system, summer_address, TIMEOUT_MS);
    troupe_system_close(system, 1000);
    printf("sum of %d squares: %" PRIu64 "; the squarer was refused %d times\n", summer_state.added,
           summer_state.sum, squarer_state.refused);
    uint64_t n = NUMBERS;
    bool right = summer_state.sum == n * (n + 1) * (2 * n + 1) / 6;
    return error == TROUPE_OK && right && squarer_state.refused > 0 ? 0 : 1;
}
