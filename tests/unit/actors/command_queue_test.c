/* SPDX-License-Identifier: MIT */
/* Which of the commands that wait is next. */
#include "actors/browser/command_queue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static command_queue queue;
static int64_t last_id;

static void close_queue(void)
{
    command_queue_fini(&queue);
    cr_assert_eq(queue.count, 0);
    cr_assert_eq(queue.bytes, 0);
    cr_assert_eq(queue.urgent, 0);
}

TestSuite(command_queue, .fini = close_queue, .timeout = 60);

static command *push_sized(uint64_t session, command_class class, size_t len)
{
    char *text = calloc(1, len);
    command *item;
    cr_assert_eq(command_queue_push(&queue, session, ++last_id, class, text, len, &item),
                 TROUPE_OK);
    free(text);
    return item;
}

static int64_t push(uint64_t session, command_class class)
{
    return push_sized(session, class, 10)->id;
}

/* The id of the next one, which is sent; 0: none. */
static int64_t pop(bool bulk)
{
    command *item = command_queue_next(&queue, bulk);
    int64_t id = item != NULL ? item->id : 0;
    if (item != NULL) {
        command_queue_remove(&queue, item, true);
    }
    return id;
}

static void expect(const int64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t id = pop(true);
        cr_assert_eq(id, ids[i], "place %zu: %lld, not %lld", i, (long long)id, (long long)ids[i]);
    }
    cr_assert_eq(pop(true), 0);
}

#define EXPECT(...) \
    expect((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

Test(command_queue, empty_has_nothing)
{
    cr_assert_null(command_queue_next(&queue, true));
    cr_assert_not(command_queue_has(&queue, 1));
}

Test(command_queue, one_session_keeps_its_order_urgent_ones_too)
{
    int64_t a = push(1, COMMAND_BULK);
    int64_t b = push(1, COMMAND_URGENT);
    int64_t c = push(1, COMMAND_BULK);
    int64_t d = push(1, COMMAND_URGENT);
    cr_assert_eq(pop(false), 0, "the urgent one does not overtake");
    EXPECT(a, b, c, d);
}

Test(command_queue, cancel_comes_before_everything)
{
    int64_t a = push(1, COMMAND_BULK);
    int64_t b = push(2, COMMAND_URGENT);
    int64_t c = push(1, COMMAND_CANCEL);
    int64_t d = push(2, COMMAND_CANCEL);
    cr_assert_eq(pop(false), c);
    EXPECT(d, b, a);
}

Test(command_queue, urgent_comes_before_bulk_of_other_sessions)
{
    int64_t a = push(1, COMMAND_BULK);
    int64_t b = push(2, COMMAND_BULK);
    int64_t c = push(3, COMMAND_URGENT);
    int64_t d = push(3, COMMAND_BULK);
    int64_t e = push(3, COMMAND_URGENT);
    cr_assert_eq(pop(false), c);
    cr_assert_eq(pop(false), 0);
    /* 3 is promoted for e's sake: by turns with the rest. */
    EXPECT(d, e, a, b);
}

Test(command_queue, sessions_take_turns)
{
    int64_t a[4], b[2];
    for (int i = 0; i < 4; i++) {
        a[i] = push(1, COMMAND_BULK);
    }
    for (int i = 0; i < 2; i++) {
        b[i] = push(2, COMMAND_BULK);
    }
    int64_t c = push(3, COMMAND_BULK);
    EXPECT(a[0], b[0], c, a[1], b[1], a[2], a[3]);
}

Test(command_queue, promoted_sessions_leave_every_other_turn_to_the_rest)
{
    int64_t a[3], b[3];
    for (int i = 0; i < 3; i++) {
        a[i] = push(1, COMMAND_BULK);
        b[i] = push(2, COMMAND_BULK);
    }
    int64_t urgent = push(1, COMMAND_URGENT);
    EXPECT(a[0], b[0], a[1], b[1], a[2], urgent, b[2]);
}

Test(command_queue, large_commands_let_others_pass)
{
    command *one = push_sized(1, COMMAND_BULK, 3 * (64u << 10));
    int64_t big = one->id;
    int64_t after = push(1, COMMAND_BULK);
    int64_t small[5];
    for (int i = 0; i < 5; i++) {
        small[i] = push(2, COMMAND_BULK);
    }
    EXPECT(big, small[0], small[1], small[2], small[3], after, small[4]);
}

Test(command_queue, huge_command_alone_waits_for_nobody)
{
    int64_t a = push_sized(1, COMMAND_BULK, 100u << 20)->id;
    int64_t b = push_sized(1, COMMAND_BULK, 100u << 20)->id;
    EXPECT(a, b);
}

Test(command_queue, what_is_taken_out_unsent_costs_no_turn)
{
    int64_t a = push(1, COMMAND_BULK);
    command *given_up = push_sized(1, COMMAND_URGENT, 5);
    int64_t b = push(2, COMMAND_BULK);
    int64_t c = push(1, COMMAND_BULK);
    cr_assert(command_queue_has(&queue, 1));
    command_queue_remove(&queue, given_up, false);
    cr_assert_eq(queue.urgent, 0);
    cr_assert_eq(queue.count, 3);
    cr_assert_eq(queue.bytes, 30);
    command *head = command_queue_next(&queue, true);
    cr_assert_eq(head->id, b, "1 went to the end of its new ring");
    command_queue_remove(&queue, head, false);
    cr_assert_not(command_queue_has(&queue, 2));
    EXPECT(a, c);
    cr_assert_not(command_queue_has(&queue, 1));
}

/* Against a model: every step keeps each session's order, and the classes' rule. */
typedef struct shadow {
    int64_t id;
    uint64_t session;
    command_class class;
    command *item;
} shadow;

static shadow model[4000];
static size_t model_count;

static void model_remove(size_t at)
{
    for (size_t i = at; i + 1 < model_count; i++) {
        model[i] = model[i + 1];
    }
    model_count--;
}

static void check_next(bool bulk)
{
    const command *next = command_queue_next(&queue, bulk);
    size_t at = model_count;
    bool cancels = false;
    bool urgent_heads = false;
    bool any_bulk_head = false;
    for (size_t i = 0; i < model_count; i++) {
        bool head = true;
        for (size_t j = 0; j < i && head; j++) {
            head = model[j].session != model[i].session || model[j].class == COMMAND_CANCEL;
        }
        cancels |= model[i].class == COMMAND_CANCEL;
        urgent_heads |= head && model[i].class == COMMAND_URGENT;
        any_bulk_head |= head && model[i].class == COMMAND_BULK;
        if (next != NULL && model[i].id == next->id) {
            at = i;
            cr_assert(head || model[i].class == COMMAND_CANCEL, "out of its session's order");
        }
    }
    if (next == NULL) {
        cr_assert(!cancels && !urgent_heads && (!bulk || !any_bulk_head));
        return;
    }
    cr_assert_lt(at, model_count);
    cr_assert(model[at].class == COMMAND_CANCEL || !cancels);
    cr_assert(model[at].class != COMMAND_BULK || (!urgent_heads && bulk));
}

Test(command_queue, random_steps_keep_the_rules)
{
    srand(99);
    for (int step = 0; step < 30000; step++) {
        int what = rand() % 10;
        if (what < 5 && model_count < 60) {
            uint64_t session = (uint64_t)(rand() % 7);
            command_class class = (command_class)(rand() % 3);
            size_t len = rand() % 10 == 0 ? 200000 : 20;
            command *item = push_sized(session, class, len);
            model[model_count++] = (shadow){item->id, session, class, item};
        } else if (what < 6 && model_count > 0) {
            size_t at = (size_t)rand() % model_count;
            command_queue_remove(&queue, model[at].item, false);
            model_remove(at);
        } else {
            bool bulk = rand() % 2 == 0;
            check_next(bulk);
            int64_t id = pop(bulk);
            for (size_t i = 0; i < model_count && id != 0; i++) {
                if (model[i].id == id) {
                    model_remove(i);
                    break;
                }
            }
        }
        size_t urgent = 0;
        for (size_t i = 0; i < model_count; i++) {
            urgent += model[i].class != COMMAND_BULK;
        }
        cr_assert_eq(queue.count, model_count);
        cr_assert_eq(queue.urgent, urgent);
    }
}

Test(command_queue, nobody_starves)
{
    for (uint64_t session = 1; session <= 50; session++) {
        for (int i = 0; i < 20; i++) {
            push(session, COMMAND_BULK);
        }
    }
    unsigned served[51] = {0};
    for (int i = 0; i < 500; i++) {
        command *item = command_queue_next(&queue, true);
        served[item->lane->session]++;
        push(item->lane->session, COMMAND_BULK); /* the greedy go on */
        command_queue_remove(&queue, item, true);
    }
    for (uint64_t session = 1; session <= 50; session++) {
        cr_assert_eq(served[session], 10);
    }
}

Test(command_class, names_and_wildcards_are_told_apart)
{
    static const struct {
        const char *method;
        command_class class;
    } cases[] = {
        {"Input.dispatchMouseEvent", COMMAND_URGENT},
        {"Input.insertText", COMMAND_URGENT},
        {"Input.", COMMAND_BULK},
        {"Inputs.x", COMMAND_BULK},
        {"Runtime.terminateExecution", COMMAND_CANCEL},
        {"Runtime.terminateExecutions", COMMAND_BULK},
        {"Runtime.terminate", COMMAND_BULK},
        {"Runtime.runIfWaitingForDebugger", COMMAND_URGENT},
        {"Fetch.continueRequest", COMMAND_CANCEL},
        {"Fetch.enable", COMMAND_BULK},
        {"Target.closeTarget", COMMAND_URGENT},
        {"Page.navigate", COMMAND_BULK},
        {"", COMMAND_BULK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(command_class_of(cases[i].method, strlen(cases[i].method)), cases[i].class,
                     "%s", cases[i].method);
    }
}
