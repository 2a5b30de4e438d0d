/* SPDX-License-Identifier: MIT */
/* What the tests of supervision share: children of one letter that write a journal of their lives.
 *
 * A child named "b" writes 'b' when its start succeeds, '!' when it fails, 'B' when it ends.
 */
#ifndef TEST_TROOP_H
#define TEST_TROOP_H

#include "stage.h"

#include "troupe/supervisor.h"

#define TROOP_MAX      5
#define HOUR_MS        3600000U
#define JOURNAL_LENGTH 64

static pthread_mutex_t journal_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t journal_changed = PTHREAD_COND_INITIALIZER;
static char journal[JOURNAL_LENGTH];

static inline void journal_write(char letter)
{
    pthread_mutex_lock(&journal_mutex);
    size_t len = strlen(journal);
    if (len + 1 < sizeof journal)
        journal[len] = letter;
    pthread_cond_broadcast(&journal_changed);
    pthread_mutex_unlock(&journal_mutex);
}

/* Wait until the journal has that length; a copy of it. */
static inline void journal_await_length(size_t len, char copy[JOURNAL_LENGTH])
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONG_MS / 1000;
    int error = 0;
    pthread_mutex_lock(&journal_mutex);
    while (strlen(journal) < len && error == 0)
        error = pthread_cond_timedwait(&journal_changed, &journal_mutex, &until);
    memcpy(copy, journal, JOURNAL_LENGTH);
    pthread_mutex_unlock(&journal_mutex);
}

/* Wait until it has this length, and say exactly this. */
static inline void journal_await(const char *expected)
{
    char now[JOURNAL_LENGTH];
    journal_await_length(strlen(expected), now);
    cr_assert_str_eq(now, expected);
}

/* One child over all its lives. */
typedef struct player {
    char name[2];
    unsigned fail_starts; /* so many starts fail */
    bool hold_start;      /* `start` waits at `go` */
    bool hold_stop;       /* `stop` does */
    bool stubborn;        /* `closing` never agrees */
    gate arrived;         /* where it waits */
    gate go;
} player;

static inline void player_wait(player *p)
{
    gate_raise(&p->arrived);
    gate_await(&p->go, 1);
}

static inline troupe_error player_start(troupe_actor *self, void *state)
{
    player *p = state;
    (void)self;
    if (p->hold_start)
        player_wait(p);
    if (p->fail_starts > 0) {
        p->fail_starts--;
        journal_write('!');
        return TROUPE_EIO;
    }
    journal_write(p->name[0]);
    return TROUPE_OK;
}

static inline troupe_error player_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)state;
    if (troupe_verb_is(e, "fail"))
        return TROUPE_EIO;
    if (troupe_verb_is(e, "exit"))
        troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static inline bool player_closing(troupe_actor *self, void *state)
{
    const player *p = state;
    (void)self;
    return !p->stubborn;
}

static inline void player_stop(troupe_actor *self, void *state, troupe_error reason)
{
    player *p = state;
    (void)self;
    (void)reason;
    if (p->hold_stop)
        player_wait(p);
    journal_write((char)(p->name[0] - 'a' + 'A'));
}

static const troupe_behaviour player_behaviour = {.kind = "player",
                                                  .start = player_start,
                                                  .receive = player_receive,
                                                  .closing = player_closing,
                                                  .stop = player_stop};

static inline troupe_error player_prepare(troupe_actor *self, void *context,
                                          troupe_spawn_options *out)
{
    player *p = context;
    (void)self;
    out->behaviour = &player_behaviour;
    out->state = p;
    out->name = p->name;
    return TROUPE_OK;
}

static inline void player_discard(void *context, void *state)
{
    (void)context;
    (void)state;
}

/* Players "a", "b"… under a supervisor, permanent, restarted soon. */
typedef struct troop {
    player players[TROOP_MAX];
    troupe_child children[TROOP_MAX];
    troupe_supervisor_spec spec;
} troop;

static inline void troop_init(troop *t, size_t count, troupe_strategy strategy)
{
    memset(t, 0, sizeof *t);
    memset(journal, 0, sizeof journal);
    for (size_t i = 0; i < count; i++) {
        t->players[i] = (player){.arrived = GATE_INIT, .go = GATE_INIT};
        t->players[i].name[0] = (char)('a' + i);
        t->children[i] = (troupe_child){.name = t->players[i].name,
                                        .prepare = player_prepare,
                                        .discard = player_discard,
                                        .context = &t->players[i],
                                        .restart = TROUPE_PERMANENT,
                                        .backoff_min_ms = 1,
                                        .backoff_max_ms = 2};
    }
    t->spec = (troupe_supervisor_spec){
        .name = "troop", .strategy = strategy, .children = t->children, .count = count};
}

static inline troupe_address troop_spawn(const troop *t)
{
    troupe_address address;
    cr_assert(troupe_supervisor_spawn(stage, &t->spec, &address) == TROUPE_OK);
    return address;
}

/* Cast to the player of that name; its life was seen in the journal. */
static inline void tell(const char *name, const char *verb)
{
    cast(troupe_whereis(stage, name), verb);
}

#endif
