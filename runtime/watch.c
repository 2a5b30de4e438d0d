/* SPDX-License-Identifier: MIT */
/*
 * The wait of an actor: one poll over its eventfd, its timerfd and the descriptors it watches.
 *
 * The timerfd is set only when the earliest timer is earlier than what it is set to: a timer that
 * was cancelled costs at most one needless wake-up.
 */
#include "actor.h"
#include "clock.h"
#include "hand.h"
#include "system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define OWN_FDS        2
#define RETRY_MS       10 /* when memory ran out under the outbox */
#define FIRST_CAPACITY 4
#define TRIM_MS        100 /* a sleep this long is a rest: buffers of the last burst are freed */

static troupe_error grow(watches *w)
{
    size_t capacity = w->capacity == 0 ? FIRST_CAPACITY : 2 * w->capacity;
    struct pollfd *polled = realloc(w->polled, (capacity + OWN_FDS) * sizeof *polled);
    if (polled == NULL)
        return TROUPE_ENOMEM;
    w->polled = polled;
    watch *items = realloc(w->items, capacity * sizeof *items);
    if (items == NULL)
        return TROUPE_ENOMEM;
    w->items = items;
    w->capacity = capacity;
    return TROUPE_OK;
}

troupe_error watch_init(troupe_actor *self)
{
    watches *w = &self->watches;
    if (grow(w) != TROUPE_OK)
        return TROUPE_ENOMEM;
    w->polled[0] = (struct pollfd){.fd = self->slot->box.eventfd, .events = POLLIN};
    w->polled[1] = (struct pollfd){.fd = self->slot->timerfd, .events = POLLIN};
    return TROUPE_OK;
}

void watch_fini(troupe_actor *self)
{
    free(self->watches.polled);
    free(self->watches.items);
    memset(&self->watches, 0, sizeof self->watches);
}

/* The index of a watched descriptor, or count. */
static size_t find(const watches *w, int fd)
{
    size_t i = 0;
    while (i < w->count && (w->items[i].fn == NULL || w->items[i].fd != fd))
        i++;
    return i;
}

/* Negative descriptors are not polled at all. */
static void set_events(watches *w, size_t i, short events)
{
    w->items[i].events = events;
    w->polled[OWN_FDS + i].fd = events != 0 ? w->items[i].fd : -1;
    w->polled[OWN_FDS + i].events = events;
}

troupe_error troupe_watch(troupe_actor *self, int fd, short events, troupe_watch_fn fn,
                          void *context)
{
    watches *w = &self->watches;
    if (fd < 0 || fn == NULL)
        return TROUPE_EINVAL;
    if (self->system->deterministic != NULL)
        return TROUPE_EUNAVAILABLE;
    if (find(w, fd) < w->count)
        return TROUPE_ESTATE;
    if (w->count == w->capacity && grow(w) != TROUPE_OK)
        return TROUPE_ENOMEM;
    size_t i = w->count++;
    w->items[i] = (watch){.fn = fn, .context = context, .fd = fd};
    w->polled[OWN_FDS + i].revents = 0;
    set_events(w, i, events);
    return TROUPE_OK;
}

void troupe_watch_events(troupe_actor *self, int fd, short events)
{
    size_t i = find(&self->watches, fd);
    if (i < self->watches.count)
        set_events(&self->watches, i, events);
}

static void remove_gaps(watches *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->items[i].fn == NULL)
            continue;
        w->items[kept] = w->items[i];
        w->polled[OWN_FDS + kept] = w->polled[OWN_FDS + i];
        kept++;
    }
    w->count = kept;
    w->gaps = false;
}

void troupe_unwatch(troupe_actor *self, int fd)
{
    watches *w = &self->watches;
    size_t i = find(w, fd);
    if (i == w->count)
        return;
    w->items[i].fn = NULL;
    w->polled[OWN_FDS + i].fd = -1;
    w->gaps = true;
    if (!w->dispatching)
        remove_gaps(w);
}

/* Callbacks may watch and unwatch: arrays may move, items stay at their index until the end. */
static void dispatch(troupe_actor *self)
{
    watches *w = &self->watches;
    size_t polled = w->count;
    w->dispatching = true;
    for (size_t i = 0; i < polled && !self->ending; i++) {
        short ready = w->polled[OWN_FDS + i].revents;
        watch item = w->items[i];
        ready &= (short)(item.events | POLLERR | POLLHUP | POLLNVAL);
        if (ready != 0 && item.fn != NULL && item.events != 0) {
            hand_take_callback(self, "(watch)");
            item.fn(self, item.context, item.fd, ready);
            hand_done(self);
        }
    }
    hand_idle(self);
    w->dispatching = false;
    if (w->gaps)
        remove_gaps(w);
}

static void drain_timerfd(troupe_actor *self)
{
    uint64_t expirations;
    if (read(self->slot->timerfd, &expirations, sizeof expirations) > 0)
        self->armed_ns = 0;
}

/* After a poll that found something. */
static void handle_ready(troupe_actor *self)
{
    struct pollfd *polled = self->watches.polled;
    if (polled[1].fd >= 0 && polled[1].revents != 0)
        drain_timerfd(self);
    hand_clock(self);
    if (self->watches.count > 0)
        dispatch(self);
}

static bool ensure_timerfd(troupe_actor *self)
{
    if (self->slot->timerfd < 0) {
        self->slot->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        self->watches.polled[1].fd = self->slot->timerfd;
    }
    return self->slot->timerfd >= 0;
}

/* Arrange to be woken for the earliest timer: the time-out for poll (-1: none is needed). */
static int arm(troupe_actor *self)
{
    const timer *head = timers_head(&self->timers);
    if (head == NULL)
        return -1;
    if (head->due_ns <= clock_now_ns())
        return 0;
    if (self->armed_ns != 0 && self->armed_ns <= head->due_ns)
        return -1;
    struct itimerspec at = {.it_value = clock_timespec(head->due_ns)};
    if (!ensure_timerfd(self) ||
        timerfd_settime(self->slot->timerfd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        return RETRY_MS; /* out of descriptors: late timers are better than none */
    self->armed_ns = head->due_ns;
    return -1;
}

static bool keeps_memory(const troupe_actor *self)
{
    return self->turn.large || mailbox_keeps_spare(&self->slot->box);
}

static void let_memory_go(troupe_actor *self)
{
    turn_trim(&self->turn);
    mailbox_drop_spare(&self->slot->box);
}

void watch_check(troupe_actor *self)
{
    watches *w = &self->watches;
    if (w->count > 0 && poll(w->polled, OWN_FDS + w->count, 0) > 0)
        handle_ready(self);
}

void watch_wait(troupe_actor *self)
{
    watches *w = &self->watches;
    int timeout = arm(self);
    if (self->turn.count > 0 && timeout < 0)
        timeout = RETRY_MS;
    bool trim = timeout < 0 && keeps_memory(self);
    if (trim)
        timeout = TRIM_MS;
    if (timeout == 0 || !mailbox_sleep(&self->slot->box)) {
        watch_check(self);
        return;
    }
    if (self->draining && mailbox_quiet(&self->slot->box)) { /* since the loop looked */
        mailbox_awake(&self->slot->box, false);
        return;
    }
    hand_asleep(self);
    int ready = poll(w->polled, OWN_FDS + w->count, timeout);
    hand_awake(self);
    mailbox_awake(&self->slot->box, ready > 0 && w->polled[0].revents != 0);
    if (ready > 0)
        handle_ready(self);
    else if (trim)
        let_memory_go(self);
}
