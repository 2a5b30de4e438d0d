/* SPDX-License-Identifier: MIT */
/*
 * Guests: posting and calling from threads that are no actors.
 *
 * A call completes either on the guest's list (answered) or in its `ended` queue (deadline,
 * cancelled): the call's record decides which, once.
 */
#include "guest.h"
#include "clock.h"
#include "envelope.h"
#include "system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MAX 16384U
#define RETRY_NS  (10 * CLOCK_NS_PER_MS) /* when memory ran out under the outbox */

void guest_deliver(struct troupe_guest *guest, guest_answer *head, guest_answer *tail)
{
    pthread_mutex_lock(&guest->mutex);
    if (guest->list == NULL)
        guest->list = head;
    else
        guest->list_tail->next = head;
    guest->list_tail = tail;
    if (guest->waiting) /* under the mutex: the guest may be destroyed once it has the answer */
        pthread_cond_signal(&guest->arrived);
    pthread_mutex_unlock(&guest->mutex);
}

troupe_error troupe_guest_create(troupe_system *system, troupe_guest **out)
{
    troupe_guest *guest = calloc(1, sizeof *guest);
    if (guest == NULL)
        return TROUPE_ENOMEM;
    guest->system = system;
    if (turn_init(&guest->turn, system, &guest->tally) != TROUPE_OK) {
        free(guest);
        return TROUPE_ENOMEM;
    }
    pthread_mutex_init(&guest->mutex, NULL);
    condition_init(&guest->arrived);
    pthread_mutex_lock(&system->mutex);
    guest->next = system->guests;
    if (system->guests != NULL)
        system->guests->prev = guest;
    system->guests = guest;
    pthread_mutex_unlock(&system->mutex);
    *out = guest;
    return TROUPE_OK;
}

/* Forget what was answered; returns how many there were. */
static uint32_t drop_answers(troupe_guest *guest, guest_answer **list)
{
    uint32_t dropped = 0;
    while (*list != NULL) {
        guest_answer *a = *list;
        *list = a->next;
        call_close(&guest->system->calls, &guest->cache, &guest->calls, a->call);
        tally_add(&guest->tally.dead_letters, 1);
        guest_answer_free(a);
        dropped++;
    }
    return dropped;
}

/* End all calls; those that somebody is answering right now are waited for. */
static void drop_calls(troupe_guest *guest)
{
    drop_answers(guest, &guest->answers);
    call *next;
    for (call *c = guest->calls.first; c != NULL; c = next) {
        next = c->next;
        (void)call_end(c, TROUPE_ECANCELLED);
        if ((atomic_load(&c->word) & 3U) != CALL_ANSWERED)
            call_close(&guest->system->calls, &guest->cache, &guest->calls, c);
    }
    pthread_mutex_lock(&guest->mutex);
    for (;;) {
        drop_answers(guest, &guest->list);
        if (guest->calls.count == 0)
            break;
        guest->waiting = true;
        pthread_cond_wait(&guest->arrived, &guest->mutex);
        guest->waiting = false;
    }
    pthread_mutex_unlock(&guest->mutex);
}

static void delist(troupe_guest *guest)
{
    troupe_system *system = guest->system;
    pthread_mutex_lock(&system->mutex);
    if (guest->prev != NULL)
        guest->prev->next = guest->next;
    else
        system->guests = guest->next;
    if (guest->next != NULL)
        guest->next->prev = guest->prev;
    system_retire_locked(system, &guest->tally);
    pthread_mutex_unlock(&system->mutex);
}

void troupe_guest_destroy(troupe_guest *guest)
{
    if (guest == NULL)
        return;
    turn_fini(&guest->turn);
    drop_calls(guest);
    call_cache_fini(&guest->system->calls, &guest->cache);
    timers_fini(&guest->deadlines);
    delist(guest);
    pthread_cond_destroy(&guest->arrived);
    pthread_mutex_destroy(&guest->mutex);
    free(guest);
}

void troupe_answer_fini(troupe_answer *answer)
{
    guest_answer_free(answer->owner);
    memset(answer, 0, sizeof *answer);
}

troupe_error troupe_guest_post(troupe_guest *guest, troupe_address to, troupe_kind kind,
                               const char *verb, const troupe_meta *meta, troupe_bytes payload)
{
    if (kind != TROUPE_CAST && kind != TROUPE_EVENT)
        return TROUPE_EINVAL;
    troupe_envelope e = {
        .kind = kind, .to = to, .verb = verb, .verb_len = strlen(verb), .payload = payload};
    if (meta != NULL)
        e.meta = *meta;
    troupe_error error = turn_post(&guest->turn, &e);
    turn_flush(&guest->turn);
    return error;
}

static troupe_error start_call(troupe_guest *guest, const troupe_envelope *request,
                               uint32_t timeout_ms, void *context, call **out)
{
    if (timeout_ms == 0)
        return TROUPE_EINVAL;
    if (guest->calls.count >= CALLS_MAX) {
        tally_add(&guest->tally.refused, 1);
        return TROUPE_EBUSY;
    }
    if (!timers_reserve(&guest->deadlines, 1))
        return TROUPE_ENOMEM;
    call *c = call_open(&guest->system->calls, &guest->cache, &guest->calls);
    if (c == NULL)
        return TROUPE_ENOMEM;
    c->fn = NULL;
    c->context = context;
    c->guest = guest;
    c->timer.kind = TIMER_CALL;
    c->timer.due_ns = system_now_ns(guest->system) + timeout_ms * CLOCK_NS_PER_MS;
    atomic_store(&c->deadline_ns, c->timer.due_ns);
    troupe_envelope e = *request;
    e.ref = call_ref(c);
    e.meta.timeout_ms = timeout_ms;
    troupe_error error = turn_post(&guest->turn, &e);
    if (error != TROUPE_OK) {
        call_close(&guest->system->calls, &guest->cache, &guest->calls, c);
        return error;
    }
    timers_add(&guest->deadlines, &c->timer);
    *out = c;
    return TROUPE_OK;
}

static troupe_envelope request_of(troupe_address to, const char *verb, const troupe_meta *meta,
                                  troupe_bytes payload)
{
    troupe_envelope e = {
        .kind = TROUPE_CALL, .to = to, .verb = verb, .verb_len = strlen(verb), .payload = payload};
    if (meta != NULL)
        e.meta = *meta;
    return e;
}

troupe_error troupe_guest_call_start(troupe_guest *guest, troupe_address to, const char *verb,
                                     const troupe_meta *meta, troupe_bytes payload,
                                     uint32_t timeout_ms, void *context, uint64_t *ref)
{
    troupe_envelope e = request_of(to, verb, meta, payload);
    call *c;
    troupe_error error = start_call(guest, &e, timeout_ms, context, &c);
    if (error == TROUPE_OK && ref != NULL)
        *ref = call_ref(c);
    return error;
}

troupe_error troupe_guest_flush(troupe_guest *guest)
{
    return turn_flush(&guest->turn) ? TROUPE_OK : TROUPE_ENOMEM;
}

/* ---- completing ---- */

static void end_call(troupe_guest *guest, call *c, troupe_error error)
{
    timers_remove(&guest->deadlines, &c->timer);
    if (!call_end(c, error))
        return; /* answered: it comes on the list */
    c->next_ended = NULL;
    if (guest->ended == NULL)
        guest->ended = c;
    else
        guest->ended_tail->next_ended = c;
    guest->ended_tail = c;
}

void troupe_guest_cancel(troupe_guest *guest, uint64_t ref)
{
    for (call *c = guest->calls.first; c != NULL; c = c->next) {
        if (call_ref(c) == ref) {
            end_call(guest, c, TROUPE_ECANCELLED);
            return;
        }
    }
}

/* End the calls whose deadline has passed; the next deadline, UINT64_MAX if there is none. */
static uint64_t expire(troupe_guest *guest)
{
    timer *head;
    while ((head = timers_head(&guest->deadlines)) != NULL) {
        if (head->due_ns > system_now_ns(guest->system))
            return head->due_ns;
        call *c = (call *)(void *)((char *)head - offsetof(call, timer));
        end_call(guest, c, TROUPE_ETIMEOUT);
    }
    return UINT64_MAX;
}

static void local_failure(troupe_answer *out, troupe_error error)
{
    *out = (troupe_answer){.error = error};
    /* Not freed: `owner` says what is. */
    union {
        const char *text;
        char *message;
    } constant = {.text = troupe_error_text(error)};
    out->message = constant.message;
}

static void close_call(troupe_guest *guest, call *c, troupe_answer *out)
{
    out->ref = call_ref(c);
    out->context = c->context;
    timers_remove(&guest->deadlines, &c->timer);
    call_close(&guest->system->calls, &guest->cache, &guest->calls, c);
}

static void hand_out_answer(troupe_guest *guest, guest_answer *a, troupe_answer *out)
{
    *out = (troupe_answer){.error = a->error, .owner = a};
    if (a->error == TROUPE_OK) {
        out->payload.data = a->bytes;
        out->payload.len = a->len;
    } else {
        out->message = (char *)a->bytes;
        out->data = a->has_data ? (char *)a->bytes + a->len + 1 : NULL;
    }
    tally_add(&guest->tally.received, 1);
    close_call(guest, a->call, out);
}

static void hand_out_ended(troupe_guest *guest, call *c, troupe_answer *out)
{
    local_failure(out, c->error);
    close_call(guest, c, out);
}

/* Take what is on the list, waiting for it until the deadline. False: nothing came. */
static bool fetch(troupe_guest *guest, uint64_t until_ns)
{
    if (guest->turn.count > 0) { /* could not all be sent: try again soon */
        uint64_t soon = system_now_ns(guest->system) + RETRY_NS;
        until_ns = soon < until_ns ? soon : until_ns;
    }
    while (guest->system->deterministic != NULL && guest->list == NULL &&
           system_now_ns(guest->system) < until_ns && deterministic_drive(guest->system, until_ns))
        continue;
    struct timespec until = clock_timespec(until_ns);
    pthread_mutex_lock(&guest->mutex);
    guest->waiting = true;
    int error = guest->system->deterministic != NULL ? ETIMEDOUT : 0;
    while (guest->list == NULL && error == 0)
        error = pthread_cond_timedwait(&guest->arrived, &guest->mutex, &until);
    guest->waiting = false;
    guest_answer *list = guest->list;
    guest->list = NULL;
    pthread_mutex_unlock(&guest->mutex);

    guest_answer **tail = &guest->answers;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = list;
    return list != NULL;
}

/* Hand out one that has completed, without waiting. */
static bool hand_out(troupe_guest *guest, troupe_answer *out)
{
    if (guest->answers != NULL) {
        guest_answer *a = guest->answers;
        guest->answers = a->next;
        hand_out_answer(guest, a, out);
        return true;
    }
    if (guest->ended != NULL) {
        call *c = guest->ended;
        guest->ended = c->next_ended;
        hand_out_ended(guest, c, out);
        return true;
    }
    return false;
}

troupe_error troupe_guest_wait(troupe_guest *guest, uint32_t timeout_ms, troupe_answer *out)
{
    if (guest->calls.count == 0) {
        turn_flush(&guest->turn); /* calls that were cancelled may still be held back */
        return TROUPE_ENOTFOUND;
    }
    if (hand_out(guest, out))
        return TROUPE_OK;
    uint64_t until = system_now_ns(guest->system) + timeout_ms * CLOCK_NS_PER_MS;
    for (;;) {
        turn_flush(&guest->turn);
        uint64_t deadline = expire(guest);
        if (guest->ended == NULL)
            fetch(guest, deadline < until ? deadline : until);
        if (hand_out(guest, out))
            return TROUPE_OK;
        if (system_now_ns(guest->system) >= until)
            return TROUPE_ETIMEOUT;
    }
}

/* The answer of this very call, if it is among those fetched. */
static bool hand_out_call(troupe_guest *guest, call *c, troupe_answer *out)
{
    for (guest_answer **at = &guest->answers; *at != NULL; at = &(*at)->next) {
        guest_answer *a = *at;
        if (a->call == c) {
            *at = a->next;
            hand_out_answer(guest, a, out);
            return true;
        }
    }
    return false;
}

troupe_error troupe_guest_call(troupe_guest *guest, troupe_address to, const char *verb,
                               const troupe_meta *meta, troupe_bytes payload, uint32_t timeout_ms,
                               troupe_answer *out)
{
    troupe_envelope e = request_of(to, verb, meta, payload);
    call *c;
    troupe_error error = start_call(guest, &e, timeout_ms, NULL, &c);
    if (error != TROUPE_OK) {
        turn_flush(&guest->turn);
        local_failure(out, error);
        return error;
    }
    uint64_t deadline = c->timer.due_ns;
    timers_remove(&guest->deadlines, &c->timer); /* watched here */
    for (;;) {
        turn_flush(&guest->turn);
        bool came = fetch(guest, deadline);
        if (came && hand_out_call(guest, c, out))
            return out->error;
        if (system_now_ns(guest->system) < deadline)
            continue;
        if (call_end(c, TROUPE_ETIMEOUT)) {
            hand_out_ended(guest, c, out);
            return TROUPE_ETIMEOUT;
        }
        deadline = UINT64_MAX / 2; /* answered at the last moment: it is being delivered */
    }
}
