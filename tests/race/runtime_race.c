/* SPDX-License-Identifier: MIT */
/*
 * A stress of the whole runtime, as a plain program: Criterion does not run under ThreadSanitizer.
 *
 * A keeper actor spawns nodes and spawns another for each that dies. Guest threads post, call,
 * cancel, stop and kill at random; nodes answer, forward, ignore, answer late, call each other,
 * fill each other's small mailboxes, link and unlink, and die. An observer taps one after the other
 * and reads dead letters and the watchdog's reports. Checked: order of casts, each call completes
 * exactly once, each death is reported exactly once, none that was unlinked, and in the end sent =
 * received + dead letters.
 *
 * Usage: runtime_race [lane [operations for each guest [seed]]]
 */
#include "troupe/log.h"
#include "troupe/observe.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define NODES         12
#define GUESTS        4
#define NODES_MAX     3000
#define NODE_MAILBOX  48
#define SPAM          120
#define BATCH         20
#define GIVE_UP_AFTER 120 /* seconds: far more than the run needs; then it hangs, and says so */

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static troupe_system *stage;
static _Atomic(troupe_address) nodes[NODES];
static atomic_ulong calls_started;
static atomic_ulong calls_completed;
static atomic_ulong calls_abandoned; /* their caller ended first */
static atomic_ulong rooms_granted;
static atomic_ulong busy_seen;
static atomic_ulong links_seen;    /* ends of linked nodes that one who traps saw */
static atomic_ulong links_dropped; /* unlinked when the other was gone already */
static atomic_ulong letters_told;  /* reported to the observer, or missed by it */
static atomic_ulong copies_seen;
static atomic_ulong stuck_seen;
static troupe_address observer_address;
static atomic_ulong errors_seen[32];
static unsigned long operations = 3000;
static uint64_t seed;

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t random_seed(uint64_t salt)
{
    uint64_t state = (seed + salt) * 0x9e3779b97f4a7c15ULL | 1;
    random_next(&state);
    return state;
}

/* Some node, with luck one that lives. */
static troupe_address pick(uint64_t *random)
{
    troupe_address address = 0;
    for (int i = 0; i < 4 && address == 0; i++)
        address = atomic_load(&nodes[random_next(random) % NODES]);
    return address;
}

/* ---- nodes ---- */

typedef struct node {
    uint64_t random;
    struct question *questions; /* without an answer: freed by `stop` */
    uint64_t last[GUESTS];      /* sequence of each guest's casts */
    unsigned long started;      /* calls of this node */
    unsigned long completed;
    troupe_address spam_to;
    unsigned spam_left;
    bool room_awaited;
    int poke_fd;
    troupe_caller late[8];
    unsigned late_count;
    troupe_address linked;
    troupe_address dropped; /* whose end must not be seen any more */
} node;

typedef struct question {
    bool completed;
    node *asker;
    struct question *next; /* of those without an answer */
    struct question *prev;
} question;

static const troupe_bytes nothing;

static void poked(troupe_actor *self, void *context, int fd, short revents)
{
    uint64_t count;
    (void)self;
    (void)context;
    CHECK(revents & POLLIN);
    CHECK(read(fd, &count, sizeof count) == sizeof count);
}

static troupe_error node_start(troupe_actor *self, void *state)
{
    node *n = state;
    n->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(n->poke_fd >= 0);
    troupe_trap_links(self, random_next(&n->random) % 4 != 0);
    return troupe_watch(self, n->poke_fd, POLLIN, poked, n);
}

static void answered(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    question *q = context;
    (void)self;
    CHECK(!q->completed);
    CHECK(error != TROUPE_OK || answer != NULL);
    atomic_fetch_add(&errors_seen[error], 1);
    q->completed = true;
    q->asker->completed++;
    if (q->prev != NULL)
        q->prev->next = q->next;
    else
        q->asker->questions = q->next;
    if (q->next != NULL)
        q->next->prev = q->prev;
    atomic_fetch_add(&calls_completed, 1);
    free(q);
}

static void ask(troupe_actor *self, node *n)
{
    static const char *const verbs[] = {"echo", "ignore", "late", "forward"};
    question *q = calloc(1, sizeof *q);
    CHECK(q != NULL);
    q->asker = n;
    uint64_t ref;
    troupe_error error =
        troupe_call(self, pick(&n->random), verbs[random_next(&n->random) % 4], NULL, nothing,
                    1 + (uint32_t)(random_next(&n->random) % 5), answered, q, &ref);
    if (error != TROUPE_OK) {
        CHECK(error == TROUPE_EGONE || error == TROUPE_EBUSY);
        free(q);
        return;
    }
    n->started++;
    q->next = n->questions;
    if (q->next != NULL)
        q->next->prev = q;
    n->questions = q;
    atomic_fetch_add(&calls_started, 1);
    if (random_next(&n->random) % 4 == 0)
        troupe_cancel(self, ref);
}

static void spam_on(troupe_actor *self, node *n)
{
    while (n->spam_left > 0) {
        troupe_error error = troupe_post(self, n->spam_to, TROUPE_EVENT, "load", NULL, nothing);
        if (error == TROUPE_EBUSY) {
            atomic_fetch_add(&busy_seen, 1);
            CHECK(troupe_await_room(self, n->spam_to) == TROUPE_OK);
            n->room_awaited = true;
            return;
        }
        CHECK(error == TROUPE_OK || error == TROUPE_EGONE);
        n->spam_left = error == TROUPE_OK ? n->spam_left - 1 : 0;
    }
}

static void answer_late(troupe_actor *self, void *context)
{
    node *n = context;
    while (n->late_count > 0)
        troupe_reply(self, n->late[--n->late_count], nothing);
}

static void link_on(troupe_actor *self, node *n)
{
    troupe_address other = pick(&n->random);
    if (other == 0 || other == troupe_self_address(self) || other == n->dropped)
        return;
    CHECK(troupe_link(self, other) == TROUPE_OK);
    n->linked = other;
}

/* The end of one who was gone before may be on its way: after this it must not be seen. */
static void unlink_now(troupe_actor *self, node *n)
{
    bool gone = n->linked != 0 &&
                troupe_post(self, n->linked, TROUPE_EVENT, "load", NULL, nothing) == TROUPE_EGONE;
    troupe_unlink(self, n->linked);
    if (gone) {
        n->dropped = n->linked;
        atomic_fetch_add(&links_dropped, 1);
    }
    n->linked = 0;
}

static void link_ended(troupe_actor *self, node *n, const troupe_envelope *e)
{
    troupe_down end;
    CHECK(troupe_link_read(e, &end) == TROUPE_OK);
    CHECK(end.address != n->dropped);
    CHECK(troupe_post(self, end.address, TROUPE_EVENT, "load", NULL, nothing) == TROUPE_EGONE);
    atomic_fetch_add(&links_seen, 1);
}

static void check_order(node *n, const troupe_envelope *e)
{
    uint64_t guest;
    uint64_t sequence;
    CHECK(troupe_unpack(e->payload, "[UU]", &guest, &sequence) == TROUPE_OK);
    CHECK(guest < GUESTS);
    CHECK(sequence == n->last[guest] + 1);
    n->last[guest] = sequence;
}

static troupe_error node_call(troupe_actor *self, node *n, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "echo")) {
        troupe_reply(self, troupe_caller_of(e), e->payload);
        troupe_reply(self, troupe_caller_of(e), e->payload); /* the second is ignored */
    } else if (troupe_verb_is(e, "forward")) {
        troupe_error error = troupe_forward(self, e, pick(&n->random));
        if (error != TROUPE_OK)
            troupe_fault(self, troupe_caller_of(e), error, NULL, "nobody to forward to");
    } else if (troupe_verb_is(e, "late") && n->late_count < 8) {
        n->late[n->late_count++] = troupe_caller_of(e);
        return troupe_timer_start(self, 2, 0, answer_late, n, NULL);
    } else if (troupe_verb_is(e, "die")) {
        return TROUPE_EIO;
    }
    return TROUPE_OK; /* "ignore" */
}

static troupe_error node_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    node *n = state;
    const uint64_t one = 1;
    if (e->kind == TROUPE_CALL)
        return node_call(self, n, e);
    if (troupe_verb_is(e, "cast")) {
        check_order(n, e);
    } else if (troupe_verb_is(e, "ask")) {
        ask(self, n);
    } else if (troupe_verb_is(e, "poke")) {
        CHECK(write(n->poke_fd, &one, sizeof one) == sizeof one);
    } else if (troupe_verb_is(e, "bind")) {
        link_on(self, n);
    } else if (troupe_verb_is(e, "unbind")) {
        unlink_now(self, n);
    } else if (troupe_verb_is(e, "link")) {
        link_ended(self, n, e);
    } else if (troupe_verb_is(e, "spam") && n->spam_left == 0) {
        n->spam_to = pick(&n->random);
        n->spam_left = SPAM;
        spam_on(self, n);
    } else if (troupe_verb_is(e, "room")) {
        CHECK(n->room_awaited);
        n->room_awaited = false;
        atomic_fetch_add(&rooms_granted, 1);
        spam_on(self, n);
    }
    return TROUPE_OK;
}

static void node_stop(troupe_actor *self, void *state, troupe_error reason)
{
    node *n = state;
    (void)reason;
    CHECK(n->completed <= n->started);
    atomic_fetch_add(&calls_abandoned, n->started - n->completed);
    troupe_unwatch(self, n->poke_fd);
    close(n->poke_fd);
    while (n->questions != NULL) {
        question *q = n->questions;
        n->questions = q->next;
        free(q);
    }
    free(n);
}

static const troupe_behaviour node_behaviour = {
    .kind = "node", .start = node_start, .receive = node_receive, .stop = node_stop};

/* ---- the keeper ---- */

typedef struct keeper {
    unsigned spawned;
    unsigned down;
    bool finishing;
    uint64_t random;
} keeper;

static troupe_error keep(troupe_actor *self, keeper *k, unsigned place)
{
    node *n = calloc(1, sizeof *n);
    CHECK(n != NULL);
    n->random = random_seed(1000 + k->spawned);
    troupe_spawn_options options = {.behaviour = &node_behaviour,
                                    .state = n,
                                    .monitor = troupe_self_address(self),
                                    .mailbox_envelopes = NODE_MAILBOX};
    char name[32];
    snprintf(name, sizeof name, "node/%u", place);
    options.name = name; /* free again, since `down` comes after names are released */
    troupe_address address;
    CHECK(troupe_spawn(stage, &options, &address) == TROUPE_OK);
    atomic_store(&nodes[place], address);
    k->spawned++;
    return TROUPE_OK;
}

static troupe_error keeper_start(troupe_actor *self, void *state)
{
    for (unsigned i = 0; i < NODES; i++)
        (void)keep(self, state, i);
    return TROUPE_OK;
}

static void node_down(troupe_actor *self, keeper *k, const troupe_envelope *e)
{
    troupe_down down;
    CHECK(troupe_down_read(e, &down) == TROUPE_OK);
    k->down++;
    unsigned place = 0;
    while (place < NODES && atomic_load(&nodes[place]) != down.address)
        place++;
    CHECK(place < NODES); /* each death is reported once */
    atomic_store(&nodes[place], 0);
    if (!k->finishing && k->spawned < NODES_MAX)
        (void)keep(self, k, place);
    if (k->finishing && k->down == k->spawned)
        troupe_exit(self, TROUPE_OK);
}

static void finish(troupe_actor *self, keeper *k)
{
    k->finishing = true;
    for (unsigned i = 0; i < NODES; i++) {
        troupe_stop_mode mode =
            random_next(&k->random) % 2 == 0 ? TROUPE_STOP_NOW : TROUPE_STOP_DRAIN;
        (void)troupe_stop(stage, atomic_load(&nodes[i]), mode);
    }
    if (k->down == k->spawned)
        troupe_exit(self, TROUPE_OK);
}

static troupe_error keeper_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "down"))
        node_down(self, state, e);
    else if (troupe_verb_is(e, "finish"))
        finish(self, state);
    else if (troupe_verb_is(e, "ready"))
        troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

static const troupe_behaviour keeper_behaviour = {
    .kind = "keeper", .start = keeper_start, .receive = keeper_receive};

/* ---- the observer ---- */

static troupe_error observer_start(troupe_actor *self, void *state)
{
    (void)state;
    CHECK(troupe_dead_letters_subscribe(self) == TROUPE_OK);
    return troupe_watchdog_subscribe(self);
}

static void tap_another(troupe_actor *self, uint64_t *random)
{
    troupe_address address = pick(random);
    bool on = random_next(random) % 4 != 0;
    troupe_error error = address != 0 ? troupe_tap(self, address, on) : TROUPE_EGONE;
    CHECK(error == TROUPE_OK || error == TROUPE_EGONE);
}

static troupe_error observer_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    uint64_t missed = 0;
    if (e->kind != TROUPE_EVENT) {
        tap_another(self, state);
        return TROUPE_OK;
    }
    CHECK(troupe_unpack(e->payload, "{s:U}", "missed", &missed) == TROUPE_OK);
    if (troupe_verb_is(e, "dead_letter"))
        atomic_fetch_add(&letters_told, 1 + missed);
    else if (troupe_verb_is(e, "tap"))
        atomic_fetch_add(&copies_seen, 1);
    else
        atomic_fetch_add(&stuck_seen, 1);
    return TROUPE_OK;
}

static const troupe_behaviour observer_behaviour = {
    .kind = "observer", .start = observer_start, .receive = observer_receive};

/* ---- guests ---- */

typedef struct driver {
    pthread_t thread;
    unsigned id;
    uint64_t random;
    troupe_guest *guest;
    troupe_address posted_to[NODES]; /* whom `sequence` is about */
    uint64_t sequence[NODES];
} driver;

static void check_answer(troupe_answer *answer)
{
    atomic_fetch_add(&calls_completed, 1);
    atomic_fetch_add(&errors_seen[answer->error], 1);
    CHECK(answer->error == TROUPE_OK || answer->message != NULL);
    troupe_answer_fini(answer);
}

static void post_cast(driver *d)
{
    unsigned place = (unsigned)(random_next(&d->random) % NODES);
    troupe_address to = atomic_load(&nodes[place]);
    if (to != d->posted_to[place]) {
        d->posted_to[place] = to;
        d->sequence[place] = 0;
    }
    troupe_buffer payload = {0};
    CHECK(troupe_pack(&payload, "[UU]", (uint64_t)d->id, d->sequence[place] + 1) == TROUPE_OK);
    if (troupe_guest_post(d->guest, to, TROUPE_CAST, "cast", NULL, troupe_buffer_bytes(&payload)) ==
        TROUPE_OK)
        d->sequence[place]++;
    troupe_buffer_fini(&payload);
}

static void post_order(driver *d)
{
    static const char *const verbs[] = {"ask",  "ask",  "ask",  "spam",
                                        "spam", "poke", "bind", "unbind"};
    troupe_error error = troupe_guest_post(d->guest, pick(&d->random), TROUPE_CAST,
                                           verbs[random_next(&d->random) % 8], NULL, nothing);
    CHECK(error == TROUPE_OK || error == TROUPE_EGONE || error == TROUPE_EBUSY);
}

static void call_once(driver *d)
{
    static const char *const verbs[] = {"echo", "echo", "late", "forward", "ignore"};
    troupe_answer answer;
    uint32_t timeout_ms = random_next(&d->random) % 4 == 0 ? 1 : 20;
    atomic_fetch_add(&calls_started, 1);
    (void)troupe_guest_call(d->guest, pick(&d->random), verbs[random_next(&d->random) % 5], NULL,
                            nothing, timeout_ms, &answer);
    check_answer(&answer);
}

static void call_batch(driver *d)
{
    static const char *const verbs[] = {"echo", "late", "forward", "ignore", "echo", "echo"};
    unsigned started = 0;
    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t ref;
        if (troupe_guest_call_start(d->guest, pick(&d->random), verbs[random_next(&d->random) % 6],
                                    NULL, nothing, 1 + (uint32_t)(random_next(&d->random) % 10), d,
                                    &ref) != TROUPE_OK)
            continue;
        started++;
        atomic_fetch_add(&calls_started, 1);
        if (random_next(&d->random) % 8 == 0)
            troupe_guest_cancel(d->guest, ref);
    }
    for (; started > 0; started--) {
        troupe_answer answer;
        CHECK(troupe_guest_wait(d->guest, GIVE_UP_AFTER * 1000, &answer) == TROUPE_OK);
        CHECK(answer.context == d);
        check_answer(&answer);
    }
    troupe_answer none;
    CHECK(troupe_guest_wait(d->guest, 1, &none) == TROUPE_ENOTFOUND);
}

static void count_living(void *context, const troupe_actor_info *info)
{
    CHECK(info->address != 0 && info->name[0] != '\0');
    (*(unsigned *)context)++;
}

/* A guest that is destroyed while its call is under way. */
static void leave_early(troupe_address address)
{
    troupe_guest *guest;
    CHECK(troupe_guest_create(stage, &guest) == TROUPE_OK);
    if (troupe_guest_call_start(guest, address, "late", NULL, nothing, 50, NULL, NULL) ==
        TROUPE_OK) {
        atomic_fetch_add(&calls_started, 1);
        atomic_fetch_add(&calls_abandoned, 1);
    }
    troupe_guest_flush(guest);
    troupe_guest_destroy(guest);
}

static void disturb(driver *d)
{
    unsigned living = 0;
    troupe_system_counters counters;
    troupe_address address = pick(&d->random);
    switch (random_next(&d->random) % 9) {
    case 0:
        (void)troupe_stop(stage, address, TROUPE_STOP_NOW);
        break;
    case 1:
        (void)troupe_stop(stage, address, TROUPE_STOP_DRAIN);
        CHECK(troupe_join(stage, address, GIVE_UP_AFTER * 1000) == TROUPE_OK);
        break;
    case 2:
        troupe_system_inspect(stage, count_living, &living);
        break;
    case 3:
        (void)troupe_whereis(stage, "node/3");
        break;
    case 4:
        leave_early(address);
        break;
    case 5: {
        troupe_answer answer;
        atomic_fetch_add(&calls_started, 1);
        (void)troupe_guest_call(d->guest, address, "die", NULL, nothing, 1000, &answer);
        check_answer(&answer);
        break;
    }
    case 6: {
        troupe_error error =
            troupe_guest_post(d->guest, observer_address, TROUPE_CAST, "tap", NULL, nothing);
        CHECK(error == TROUPE_OK || error == TROUPE_EBUSY);
        break;
    }
    default:
        troupe_system_count(stage, &counters);
    }
}

static void *drive(void *arg)
{
    driver *d = arg;
    CHECK(troupe_guest_create(stage, &d->guest) == TROUPE_OK);
    for (unsigned long i = 0; i < operations; i++) {
        uint64_t dice = random_next(&d->random) % 100;
        if (dice < 40)
            post_cast(d);
        else if (dice < 75)
            post_order(d);
        else if (dice < 90)
            call_once(d);
        else if (dice < 96)
            call_batch(d);
        else
            disturb(d);
    }
    troupe_guest_destroy(d->guest);
    return NULL;
}

/* ---- the whole ---- */

/* What is under way arrives, and who ended is joined, without our help: wait for it. */
static void check_conservation(void)
{
    time_t start = time(NULL);
    troupe_system_counters c;
    for (;;) {
        troupe_system_count(stage, &c);
        if (c.sent == c.received + c.dead_letters && c.actors_spawned == c.actors_ended)
            break;
        CHECK(time(NULL) - start < GIVE_UP_AFTER);
        sched_yield();
    }
    printf("sent %llu = received %llu + dead %llu; late %llu, refused %llu, bundles %llu\n",
           (unsigned long long)c.sent, (unsigned long long)c.received,
           (unsigned long long)c.dead_letters, (unsigned long long)c.late_replies,
           (unsigned long long)c.refused, (unsigned long long)c.messages);
    printf("actors %llu, ended %llu\n", (unsigned long long)c.actors_spawned,
           (unsigned long long)c.actors_ended);
    printf("observer: told of %lu dead letters, copies %lu, stuck and unstuck %lu\n",
           atomic_load(&letters_told), atomic_load(&copies_seen), atomic_load(&stuck_seen));
    CHECK(atomic_load(&letters_told) <= c.dead_letters);
}

static void run_guests(void)
{
    driver drivers[GUESTS];
    memset(drivers, 0, sizeof drivers);
    for (unsigned i = 0; i < GUESTS; i++) {
        drivers[i].id = i;
        drivers[i].random = random_seed(i);
        CHECK(pthread_create(&drivers[i].thread, NULL, drive, &drivers[i]) == 0);
    }
    for (unsigned i = 0; i < GUESTS; i++)
        pthread_join(drivers[i].thread, NULL);
}

/* The keeper answers when all nodes are there. */
static void await_nodes(troupe_address keeper_address)
{
    troupe_guest *guest;
    troupe_answer answer;
    CHECK(troupe_guest_create(stage, &guest) == TROUPE_OK);
    CHECK(troupe_guest_call(guest, keeper_address, "ready", NULL, nothing, GIVE_UP_AFTER * 1000,
                            &answer) == TROUPE_OK);
    troupe_answer_fini(&answer);
    troupe_guest_destroy(guest);
}

static void dismiss_observer(void)
{
    CHECK(troupe_stop(stage, observer_address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    CHECK(troupe_join(stage, observer_address, GIVE_UP_AFTER * 1000) == TROUPE_OK);
}

static void tell_to_finish(troupe_address keeper_address)
{
    troupe_guest *guest;
    CHECK(troupe_guest_create(stage, &guest) == TROUPE_OK);
    CHECK(troupe_guest_post(guest, keeper_address, TROUPE_CAST, "finish", NULL, nothing) ==
          TROUPE_OK);
    troupe_guest_destroy(guest);
    CHECK(troupe_join(stage, keeper_address, GIVE_UP_AFTER * 1000) == TROUPE_OK);
}

static void check_calls(void)
{
    unsigned long started = atomic_load(&calls_started);
    unsigned long completed = atomic_load(&calls_completed);
    unsigned long abandoned = atomic_load(&calls_abandoned);
    printf("calls: started %lu = completed %lu + abandoned %lu; busy %lu, room %lu\n", started,
           completed, abandoned, atomic_load(&busy_seen), atomic_load(&rooms_granted));
    for (int i = 0; i < 32; i++) {
        if (atomic_load(&errors_seen[i]) > 0)
            printf("  %s %lu\n", troupe_error_name((troupe_error)i), atomic_load(&errors_seen[i]));
    }
    printf("links: ends seen %lu, dropped %lu\n", atomic_load(&links_seen),
           atomic_load(&links_dropped));
    CHECK(started == completed + abandoned);
}

int main(int argc, char **argv)
{
    seed = (uint64_t)time(NULL);
    troupe_system_options options = {.name = "race", .actors_max = NODES + 8, .stuck_ms = 2};
    if (argc > 1)
        options.lane = argv[1];
    if (argc > 2)
        operations = strtoul(argv[2], NULL, 10);
    if (argc > 3)
        seed = strtoull(argv[3], NULL, 10);
    printf("seed %llu, %lu operations\n", (unsigned long long)seed, operations);
    fflush(stdout);
    troupe_log_set_level(TROUPE_LOG_ERROR); /* on a busy machine all are stuck at times */
    CHECK(troupe_system_open(&options, &stage) == TROUPE_OK);
    keeper k = {.random = random_seed(7)};
    const troupe_spawn_options spawn = {.behaviour = &keeper_behaviour, .state = &k};
    uint64_t observer_random = random_seed(8);
    const troupe_spawn_options observe = {.behaviour = &observer_behaviour,
                                          .state = &observer_random};
    troupe_address keeper_address;
    CHECK(troupe_spawn(stage, &observe, &observer_address) == TROUPE_OK);
    CHECK(troupe_spawn(stage, &spawn, &keeper_address) == TROUPE_OK);
    await_nodes(keeper_address);
    run_guests();
    tell_to_finish(keeper_address);
    dismiss_observer();
    check_calls();
    CHECK(k.down == k.spawned);
    check_conservation();
    troupe_system_close(stage, 1000);
    puts("ok");
    return 0;
}
