/* SPDX-License-Identifier: MIT */
/*
 * Explores what binds actors together, in deterministic mode, one small play a seed: links that are
 * made, broken and pulled in every order, and a topic whose subscribers are slow, leave and end.
 *
 * Checked in each: who is linked to one that failed fails with the same reason, or is shown the
 * end once if it traps; a broken link has no effect, also when its end was on the way; every
 * subscriber hears the numbers that are published one after the other, or of a gap of exactly that
 * size, whatever its policy; sent = received + dead letters + shed.
 *
 * Usage: explore_bonds [seeds] [first seed]
 */
#include "play.h"

#include "troupe/topic.h"

#include <stdio.h>
#include <string.h>

#define LIVES      12
#define MAILBOX    5
#define OPERATIONS 80
#define STEP_US    100

typedef struct node {
    troupe_address address;
    bool alive;
    bool traps;
    bool linked[LIVES]; /* with whom */
    bool doomed;        /* linked to one that failed, and does not trap */
    unsigned owed;      /* ends of others that it is to be shown */
    uint64_t next;      /* number it will hear; 0 = has heard none */
} node;

/* One play. */
static struct {
    troupe_system *system;
    troupe_guest *guest;
    troupe_address herald;
    node nodes[LIVES];
    unsigned lives;
    uint64_t published;
} play;

/* What a whole run has met. */
static struct {
    unsigned long failed_with_another;
    unsigned long shown;
    unsigned long broken;
    unsigned long broken_late;
    unsigned long heard;
    unsigned long gaps;
    unsigned long missed;
} met;

static uint32_t dice(uint32_t sides)
{
    return troupe_deterministic_random(play.system, sides);
}

static node *find(troupe_address address)
{
    for (unsigned i = 0; i < play.lives; i++) {
        if (play.nodes[i].address == address)
            return &play.nodes[i];
    }
    return NULL;
}

static unsigned index_of(const node *n)
{
    return (unsigned)(n - play.nodes);
}

/* ---- nodes ---- */

static void bind(troupe_actor *self, node *n, node *other)
{
    if (n == other)
        return;
    CHECK(troupe_link(self, other->address) == TROUPE_OK);
    if (other->alive) {
        n->linked[index_of(other)] = true;
        other->linked[index_of(n)] = true;
    } else if (!n->linked[index_of(other)]) { /* as its end */
        n->owed += n->traps;
        n->doomed |= !n->traps;
    }
}

static void unbind(troupe_actor *self, node *n, node *other)
{
    if (n == other)
        return;
    troupe_unlink(self, other->address);
    if (n->linked[index_of(other)]) {
        met.broken++;
        n->owed -= n->traps && !other->alive; /* its end was on the way */
        met.broken_late += !other->alive;
    }
    n->linked[index_of(other)] = false;
    other->linked[index_of(n)] = false;
}

static void show_end(troupe_actor *self, node *n, const troupe_envelope *e)
{
    troupe_down end;
    CHECK(n->traps && troupe_link_read(e, &end) == TROUPE_OK);
    node *other = find(end.address);
    CHECK(other != NULL && !other->alive && n->owed > 0);
    n->owed--;
    n->linked[index_of(other)] = false;
    met.shown++;
    if (dice(2) == 0)
        unbind(self, n, &play.nodes[dice(play.lives)]);
}

static void hear(node *n, const troupe_envelope *e)
{
    uint64_t number;
    int ended = 0;
    if (troupe_verb_is(e, "gap")) {
        CHECK(troupe_unpack(e->payload, "{s:U,s:b}", "count", &number, "ended", &ended) == 0);
        met.gaps++;
        met.missed += number;
        if (n->next != 0)
            n->next = ended ? 0 : n->next + number;
        return;
    }
    CHECK(troupe_unpack(e->payload, "U", &number) == TROUPE_OK);
    CHECK(n->next == 0 || number == n->next);
    n->next = number + 1;
    met.heard++;
}

static troupe_error node_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    node *n = state;
    CHECK(n->alive);
    node *other = &play.nodes[dice(play.lives)];
    if (e->kind == TROUPE_SIGNAL)
        show_end(self, n, e);
    else if (e->kind == TROUPE_EVENT)
        hear(n, e);
    else if (troupe_verb_is(e, "bind"))
        bind(self, n, other);
    else if (troupe_verb_is(e, "unbind"))
        unbind(self, n, other);
    else if (troupe_verb_is(e, "fail"))
        return TROUPE_EIO;
    else if (troupe_verb_is(e, "exit"))
        troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static troupe_error node_start(troupe_actor *self, void *state)
{
    node *n = state;
    troupe_trap_links(self, n->traps);
    return TROUPE_OK;
}

static void node_stop(troupe_actor *self, void *state, troupe_error reason)
{
    node *n = state;
    (void)self;
    CHECK(n->alive);
    n->alive = false;
    met.failed_with_another += n->doomed && reason != TROUPE_OK;
    for (unsigned i = 0; i < play.lives; i++) {
        node *other = &play.nodes[i];
        if (!n->linked[i])
            continue;
        n->linked[i] = false;
        if (!other->alive)
            continue;
        other->owed += other->traps;
        other->doomed |= !other->traps && reason != TROUPE_OK;
    }
}

static const troupe_behaviour node_behaviour = {
    .kind = "node", .start = node_start, .receive = node_receive, .stop = node_stop};

static void enter(void)
{
    if (play.lives == LIVES)
        return;
    node *n = &play.nodes[play.lives++];
    n->alive = true;
    n->traps = dice(2) == 0;
    const troupe_spawn_options options = {
        .behaviour = &node_behaviour, .state = n, .mailbox_envelopes = MAILBOX};
    CHECK(troupe_spawn(play.system, &options, &n->address) == TROUPE_OK);
}

/* ---- the herald, who owns the topic ---- */

static troupe_error herald_start(troupe_actor *self, void *state)
{
    return troupe_topic_create(self, NULL, state);
}

static troupe_error herald_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    troupe_topic *topic = *(troupe_topic **)state;
    (void)self;
    if (e->kind == TROUPE_SIGNAL) {
        (void)troupe_topic_signal(topic, e);
    } else if (troupe_verb_is(e, "publish")) {
        troupe_buffer number = {0};
        CHECK(troupe_pack(&number, "U", ++play.published) == TROUPE_OK);
        CHECK(troupe_topic_publish(topic, "number", NULL, troupe_buffer_bytes(&number)) == 0);
        troupe_buffer_fini(&number);
    } else if (troupe_verb_is(e, "subscribe")) {
        node *n = &play.nodes[dice(play.lives)];
        troupe_subscription how = {.slow = (troupe_slow)dice(3), .hold_bytes = 1 + dice(400)};
        troupe_subscriber_counters before;
        if (troupe_topic_subscriber(topic, n->address, &before) != TROUPE_OK)
            CHECK(troupe_topic_subscribe(topic, n->address, &how) == TROUPE_OK);
    }
    return TROUPE_OK;
}

static void herald_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    troupe_topic_destroy(*(troupe_topic **)state);
}

static const troupe_behaviour herald_behaviour = {
    .kind = "herald", .start = herald_start, .receive = herald_receive, .stop = herald_stop};

/* ---- the play ---- */

static void tell(troupe_address to, const char *verb)
{
    troupe_error error = troupe_guest_post(play.guest, to, TROUPE_CAST, verb, NULL, nothing);
    CHECK(error == TROUPE_OK || error == TROUPE_EGONE || error == TROUPE_EBUSY);
}

/* At rest nobody who should have failed lives, and every end that is owed was shown. */
static void check_rest(void)
{
    troupe_deterministic_pass(play.system, 0);
    for (unsigned i = 0; i < play.lives; i++) {
        const node *n = &play.nodes[i];
        CHECK(!(n->alive && n->doomed));
        CHECK(!n->alive || n->owed == 0);
    }
    troupe_system_counters c;
    troupe_system_count(play.system, &c);
    CHECK(c.sent == c.received + c.dead_letters + c.shed);
}

static void act(void)
{
    static const char *const verbs[] = {"bind", "bind", "bind", "unbind", "unbind", "fail", "exit"};
    uint32_t what = dice(20);
    if (what < 2)
        enter();
    else if (what < 9)
        tell(play.nodes[dice(play.lives)].address, verbs[dice(7)]);
    else if (what < 15)
        tell(play.herald, "publish");
    else if (what < 16)
        tell(play.herald, "subscribe");
    else if (what < 17)
        (void)troupe_stop(play.system, play.nodes[dice(play.lives)].address, TROUPE_STOP_NOW);
    else if (what < 18)
        check_rest();
    else
        (void)troupe_deterministic_step(play.system);
}

static void perform(void)
{
    static const troupe_system_options options = {.name = "bonds", .actors_max = LIVES + 1};
    static troupe_topic *topic;
    memset(&play, 0, sizeof play);
    topic = NULL;
    CHECK(troupe_deterministic_open(&options, seed, STEP_US, &play.system) == TROUPE_OK);
    CHECK(troupe_guest_create(play.system, &play.guest) == TROUPE_OK);
    const troupe_spawn_options herald = {.behaviour = &herald_behaviour, .state = &topic};
    CHECK(troupe_spawn(play.system, &herald, &play.herald) == TROUPE_OK);
    for (int i = 0; i < 4; i++)
        enter();
    for (uint32_t left = dice(OPERATIONS); left > 0; left--)
        act();
    if (dice(2) == 0)
        check_rest();
    troupe_guest_destroy(play.guest);
    troupe_system_close(play.system, dice(5));
}

int main(int argc, char **argv)
{
    uint64_t seeds = play_seeds(argc, argv, perform);
    printf("failed with another %lu, ends shown %lu, links broken %lu (%lu late); heard %lu, "
           "gaps %lu of %lu\n",
           met.failed_with_another, met.shown, met.broken, met.broken_late, met.heard, met.gaps,
           met.missed);
    bool all = met.failed_with_another > 0 && met.shown > 0 && met.broken_late > 0 &&
               met.heard > 0 && met.gaps > 0;
    return play_verdict(seeds, all);
}
