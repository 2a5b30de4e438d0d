/* SPDX-License-Identifier: MIT */
/* What the runtime's tests share: a system, actors made of function pointers, and gates to wait at.
 */
#ifndef TEST_STAGE_H
#define TEST_STAGE_H

#include "troupe/actor.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONG_MS 20000U /* never reached, unless something hangs */

/* A count that threads raise and await. */
typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned value;
} gate;

#define GATE_INIT                                              \
    {                                                          \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 \
    }

static inline void gate_raise(gate *g)
{
    pthread_mutex_lock(&g->mutex);
    g->value++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

static inline void gate_await(gate *g, unsigned value)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONG_MS / 1000;
    int error = 0;
    pthread_mutex_lock(&g->mutex);
    while (g->value < value && error == 0)
        error = pthread_cond_timedwait(&g->changed, &g->mutex, &until);
    unsigned reached = g->value;
    pthread_mutex_unlock(&g->mutex);
    cr_assert(reached >= value, "stuck at %u of %u", reached, value);
}

/* An actor's part in a test: its callbacks, NULL where nothing happens. Storage is the test's. */
typedef struct part {
    troupe_error (*start)(troupe_actor *self, struct part *part);
    troupe_error (*receive)(troupe_actor *self, struct part *part, const troupe_envelope *envelope);
    bool (*closing)(troupe_actor *self, struct part *part);
    void (*stop)(troupe_actor *self, struct part *part, troupe_error reason);
    gate arrived; /* raised by the test's callbacks */
    gate go;      /* awaited by them */
    void *data;
    unsigned count;
    troupe_error error;
    troupe_address peer;
    troupe_address self;
} part;

#define PART_INIT(...)                                     \
    {                                                      \
        .arrived = GATE_INIT, .go = GATE_INIT, __VA_ARGS__ \
    }

static inline troupe_error part_start(troupe_actor *self, void *state)
{
    part *p = state;
    p->self = troupe_self_address(self);
    return p->start != NULL ? p->start(self, p) : TROUPE_OK;
}

static inline troupe_error part_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    part *p = state;
    return p->receive != NULL ? p->receive(self, p, e) : TROUPE_OK;
}

static inline bool part_closing(troupe_actor *self, void *state)
{
    part *p = state;
    return p->closing != NULL ? p->closing(self, p) : true;
}

static inline void part_stop(troupe_actor *self, void *state, troupe_error reason)
{
    part *p = state;
    if (p->stop != NULL)
        p->stop(self, p, reason);
}

static const troupe_behaviour part_behaviour = {.kind = "part",
                                                .start = part_start,
                                                .receive = part_receive,
                                                .closing = part_closing,
                                                .stop = part_stop};

static troupe_system *stage;
static troupe_guest *guest;
static const troupe_bytes nothing;

/* Open a system on the lane under test: TROUPE_TEST_LANE, or the default one. */
static inline troupe_error stage_open_with(troupe_system_options options)
{
    if (options.lane == NULL)
        options.lane = getenv("TROUPE_TEST_LANE");
    return troupe_system_open(&options, &stage);
}

static inline void stage_open(void)
{
    cr_assert(stage_open_with((troupe_system_options){0}) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
}

static inline void stage_close(void)
{
    troupe_guest_destroy(guest);
    troupe_system_close(stage, LONG_MS);
}

static inline troupe_address enter_with(part *p, troupe_spawn_options options)
{
    troupe_address address;
    options.behaviour = &part_behaviour;
    options.state = p;
    cr_assert(troupe_spawn(stage, &options, &address) == TROUPE_OK);
    return address;
}

static inline troupe_address enter(part *p)
{
    troupe_spawn_options options = {0};
    return enter_with(p, options);
}

static inline void cast(troupe_address to, const char *verb)
{
    troupe_error error = troupe_guest_post(guest, to, TROUPE_CAST, verb, NULL, nothing);
    cr_assert(error == TROUPE_OK, "%s", troupe_error_name(error));
}

static inline void cast_number(troupe_address to, const char *verb, uint64_t number)
{
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "U", number) == TROUPE_OK);
    cr_assert(troupe_guest_post(guest, to, TROUPE_CAST, verb, NULL, troupe_buffer_bytes(&b)) ==
              TROUPE_OK);
    troupe_buffer_fini(&b);
}

/* A call whose answer does not matter beyond its error. */
static inline troupe_error ask(troupe_address to, const char *verb, uint32_t timeout_ms)
{
    troupe_answer answer;
    troupe_error error = troupe_guest_call(guest, to, verb, NULL, nothing, timeout_ms, &answer);
    troupe_answer_fini(&answer);
    return error;
}

static inline void leave(troupe_address address)
{
    (void)troupe_stop(stage, address, TROUPE_STOP_DRAIN);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
}

static inline troupe_system_counters counters(void)
{
    troupe_system_counters c;
    troupe_system_count(stage, &c);
    return c;
}

/* Replies with what came. */
static inline troupe_error play_echo(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)p;
    troupe_reply(self, troupe_caller_of(e), e->payload);
    return TROUPE_OK;
}

/* Raises `arrived`, then waits at `go`: a mailbox fills behind it. Blocking is for tests only. */
static inline troupe_error play_blocked(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)e;
    p->count++;
    gate_raise(&p->arrived);
    if (p->count == 1)
        gate_await(&p->go, 1);
    return TROUPE_OK;
}

#endif
