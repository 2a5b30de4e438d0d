/* SPDX-License-Identifier: MIT */
/* An actor's timers: those it started, and the deadlines of its calls, in one heap. */
#include "actor.h"
#include "clock.h"
#include "hand.h"
#include "system.h"

#include <stdlib.h>

typedef struct user_timer {
    timer timer; /* first: the heap's pointer is this one */
    uint64_t id;
    uint64_t period_ns;
    troupe_timer_fn fn;
    void *context;
} user_timer;

static troupe_error start(troupe_actor *self, uint64_t due_ns, uint64_t period_ns,
                          troupe_timer_fn fn, void *context, uint64_t *id)
{
    if (fn == NULL)
        return TROUPE_EINVAL;
    user_timer *item = calloc(1, sizeof *item);
    if (item == NULL)
        return TROUPE_ENOMEM;
    item->id = ++self->next_timer;
    if (!timers_reserve(&self->timers, 1) || !map_put(&self->user_timers, item->id, item)) {
        free(item);
        return TROUPE_ENOMEM;
    }
    item->fn = fn;
    item->context = context;
    item->period_ns = period_ns;
    item->timer.kind = TIMER_USER;
    item->timer.due_ns = due_ns;
    timers_add(&self->timers, &item->timer);
    if (id != NULL)
        *id = item->id;
    return TROUPE_OK;
}

troupe_error troupe_timer_start(troupe_actor *self, uint32_t after_ms, uint32_t period_ms,
                                troupe_timer_fn fn, void *context, uint64_t *id)
{
    return start(self, system_now_ns(self->system) + after_ms * CLOCK_NS_PER_MS,
                 period_ms * CLOCK_NS_PER_MS, fn, context, id);
}

troupe_error troupe_timer_at(troupe_actor *self, uint64_t due_ns, troupe_timer_fn fn, void *context,
                             uint64_t *id)
{
    return start(self, due_ns, 0, fn, context, id);
}

void troupe_timer_cancel(troupe_actor *self, uint64_t id)
{
    void *found;
    if (!map_remove(&self->user_timers, id, &found))
        return;
    user_timer *item = found;
    timers_remove(&self->timers, &item->timer);
    free(item);
}

/* The callback may cancel this very timer: nothing of it is touched afterwards. */
static void run_user(troupe_actor *self, user_timer *item)
{
    troupe_timer_fn fn = item->fn;
    void *context = item->context;
    if (item->period_ns == 0) {
        map_remove(&self->user_timers, item->id, NULL);
        free(item);
    } else {
        item->timer.due_ns += item->period_ns;
        if (item->timer.due_ns <= self->now_ns) /* late by more than a period: skip, don't hurry */
            item->timer.due_ns = self->now_ns + item->period_ns;
        timers_add(&self->timers, &item->timer); /* its room is still there */
    }
    hand_take_callback(self, "(timer)");
    fn(self, context);
    hand_done(self);
}

static call *call_of(timer *item)
{
    return (call *)(void *)((char *)item - offsetof(call, timer));
}

/* Those that are started meanwhile wait for the next round. */
void alarm_run(troupe_actor *self)
{
    uint64_t before = self->timers.sequence;
    for (;;) {
        timer *head = timers_head(&self->timers);
        if (head == NULL || head->due_ns > self->now_ns || head->sequence >= before || self->ending)
            return;
        timers_remove(&self->timers, head);
        if (head->kind == TIMER_CALL)
            actor_end_call(self, call_of(head), TROUPE_ETIMEOUT);
        else
            run_user(self, (user_timer *)(void *)head);
    }
}

void alarm_clear(troupe_actor *self)
{
    map_entry entry;
    while (map_pop(&self->user_timers, &entry))
        free(entry.value);
    map_fini(&self->user_timers);
    timers_fini(&self->timers);
}
