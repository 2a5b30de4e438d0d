/* SPDX-License-Identifier: MIT */
/*
 * banking: 50,000 transfers between 1,000 accounts. An account that gives waits until the other has
 * taken, and looks at nothing else meanwhile; money goes to accounts of a higher number alone, so
 * that no two wait for each other.
 *
 * The teller has IN_FLIGHT transfers under way at a time; Savina's has all, in mailboxes without
 * bounds.
 */
#include "programs.h"

#include <stdlib.h>

#define ACCOUNTS  1000U
#define TRANSFERS 50000U
#define IN_FLIGHT 2000U
#define BALANCE   1000000

/* What an account was asked: to give to another, or to take (`to` is 0). */
typedef struct wish {
    struct wish *next;
    troupe_address to;
    uint64_t amount;
    troupe_caller caller;
} wish;

typedef struct account {
    int64_t balance;
    wish *first; /* in hand while `giving` */
    wish *last;
    bool giving;
} account;

static void remember(account *a, const troupe_envelope *e)
{
    wish *w = calloc(1, sizeof *w);
    bench_expect(w != NULL, "out of memory");
    bench_ok(troupe_unpack(e->payload, "[U,U]", &w->to, &w->amount), "wish");
    w->caller = troupe_caller_of(e);
    if (a->first == NULL)
        a->first = w;
    else
        a->last->next = w;
    a->last = w;
}

static void fulfilled(troupe_actor *self, account *a)
{
    wish *w = a->first;
    bench_expect(w != NULL, "banking: an answer to nothing");
    bench_reply(self, w->caller, w->amount);
    a->first = w->next;
    free(w);
}

static void go_on(troupe_actor *self, account *a);

static void given(troupe_actor *self, void *context, troupe_error error,
                  const troupe_envelope *answer)
{
    (void)answer;
    account *a = context;
    bench_ok(error, "take");
    a->giving = false;
    fulfilled(self, a);
    go_on(self, a);
}

static void ask(troupe_actor *self, troupe_address whom, troupe_address to, uint64_t amount,
                troupe_answer_fn fn, void *context)
{
    troupe_buffer payload = {0};
    bench_ok(troupe_pack(&payload, "[U,U]", to, amount), "ask");
    bench_ok(troupe_call(self, whom, "wish", NULL, troupe_buffer_bytes(&payload), BENCH_TIMEOUT_MS,
                         fn, context, NULL),
             "ask");
    troupe_buffer_fini(&payload);
}

static void go_on(troupe_actor *self, account *a)
{
    while (a->first != NULL && !a->giving) {
        wish *w = a->first;
        if (w->to == 0) {
            a->balance += (int64_t)w->amount;
            fulfilled(self, a);
        } else {
            a->balance -= (int64_t)w->amount;
            a->giving = true;
            ask(self, w->to, 0, w->amount, given, a);
        }
    }
}

static troupe_error account_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    account *a = state;
    remember(a, e);
    go_on(self, a);
    return TROUPE_OK;
}

static const troupe_behaviour account_behaviour = {.kind = "account", .receive = account_receive};

typedef struct teller {
    troupe_address accounts[ACCOUNTS];
    uint64_t random;
    uint32_t begun;
    uint32_t done;
    troupe_caller waits;
} teller;

static void transferred(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer);

static void transfer(troupe_actor *self, teller *t)
{
    uint32_t from = savina_random(&t->random) % (ACCOUNTS / 10 * 8);
    uint32_t to = from + 1 + savina_random(&t->random) % (ACCOUNTS - from - 1);
    t->begun++;
    ask(self, t->accounts[from], t->accounts[to], 1 + savina_random(&t->random) % 1000, transferred,
        t);
}

static void transferred(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    (void)answer;
    teller *t = context;
    bench_ok(error, "give");
    if (t->begun < TRANSFERS)
        transfer(self, t);
    if (++t->done == TRANSFERS)
        bench_reply(self, t->waits, t->done);
}

static troupe_error teller_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    teller *t = state;
    t->waits = troupe_caller_of(e);
    while (t->begun < IN_FLIGHT)
        transfer(self, t);
    return TROUPE_OK;
}

static const troupe_behaviour teller_behaviour = {.kind = "teller", .receive = teller_receive};

void savina_banking(const char *lane)
{
    static account accounts[ACCOUNTS];
    static teller t;
    bench_stage stage = bench_open(lane, 0);
    t = (teller){.random = 1};
    double start = bench_now_us();
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (account){.balance = BALANCE};
        t.accounts[i] = bench_spawn(&stage, &account_behaviour, &accounts[i]);
    }
    troupe_address address = bench_spawn(&stage, &teller_behaviour, &t);
    bench_expect(bench_ask(&stage, address, "go") == TRANSFERS, "banking: transfers are missing");
    double took = bench_now_us() - start;
    bench_close(&stage);
    int64_t sum = 0;
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        sum += accounts[i].balance;
    bench_expect(sum == (int64_t)ACCOUNTS * BALANCE, "banking: money is missing");
    savina_print("banking", lane, took, ",\"in_flight\":2000");
}
