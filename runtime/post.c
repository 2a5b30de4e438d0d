/* SPDX-License-Identifier: MIT */
/* What an actor sends: posts, calls, answers, calls handed on. */
#include "actor.h"
#include "clock.h"
#include "envelope.h"
#include "system.h"
#include "text.h"
#include "wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

troupe_error troupe_post_n(troupe_actor *self, troupe_address to, troupe_kind kind,
                           const char *verb, size_t verb_len, const troupe_meta *meta,
                           troupe_bytes payload)
{
    if (kind != TROUPE_CAST && kind != TROUPE_EVENT)
        return TROUPE_EINVAL;
    troupe_envelope e = {.kind = kind,
                         .to = to,
                         .from = self->address,
                         .verb = verb,
                         .verb_len = verb_len,
                         .payload = payload};
    if (meta != NULL)
        e.meta = *meta;
    return turn_post(&self->turn, &e);
}

troupe_error troupe_post(troupe_actor *self, troupe_address to, troupe_kind kind, const char *verb,
                         const troupe_meta *meta, troupe_bytes payload)
{
    return troupe_post_n(self, to, kind, verb, strlen(verb), meta, payload);
}

void troupe_flush(troupe_actor *self)
{
    turn_flush(&self->turn);
}

void troupe_flush_first(troupe_actor *self, troupe_address to)
{
    self->turn.first = to != 0 ? system_slot(self->system, to) : NULL;
}

troupe_error troupe_call(troupe_actor *self, troupe_address to, const char *verb,
                         const troupe_meta *meta, troupe_bytes payload, uint32_t timeout_ms,
                         troupe_answer_fn fn, void *context, uint64_t *ref)
{
    if (fn == NULL || timeout_ms == 0)
        return TROUPE_EINVAL;
    if (self->calls.count >= self->slot->box.envelopes_max) {
        tally_add(&self->tally.refused, 1);
        return TROUPE_EBUSY; /* each may bring an answer, and answers take no credit */
    }
    if (!timers_reserve(&self->timers, 1))
        return TROUPE_ENOMEM;
    call *c = call_open(&self->system->calls, &self->cache, &self->calls);
    if (c == NULL)
        return TROUPE_ENOMEM;
    c->fn = fn;
    c->context = context;
    c->guest = NULL;
    c->timer.kind = TIMER_CALL;
    c->timer.due_ns = system_now_ns(self->system) + timeout_ms * CLOCK_NS_PER_MS;
    atomic_store(&c->deadline_ns, c->timer.due_ns);
    troupe_envelope e = {.kind = TROUPE_CALL,
                         .to = to,
                         .from = self->address,
                         .ref = call_ref(c),
                         .verb = verb,
                         .verb_len = strlen(verb),
                         .payload = payload};
    if (meta != NULL)
        e.meta = *meta;
    e.meta.timeout_ms = timeout_ms;
    troupe_error error = turn_post(&self->turn, &e);
    if (error != TROUPE_OK) {
        call_close(&self->system->calls, &self->cache, &self->calls, c);
        return error;
    }
    timers_add(&self->timers, &c->timer);
    if (ref != NULL)
        *ref = e.ref;
    return TROUPE_OK;
}

void troupe_cancel(troupe_actor *self, uint64_t ref)
{
    /* A ref of somebody else's call must not end it: look among our own. */
    for (call *c = self->calls.first; c != NULL; c = c->next) {
        if (call_ref(c) == ref) {
            actor_end_call(self, c, TROUPE_ECANCELLED);
            return;
        }
    }
}

/* The first answer counts: false if this call is not (or no longer) ours to answer. */
static bool take_open_call(troupe_actor *self, uint64_t ref)
{
    if (!map_remove(&self->open_calls, ref, NULL))
        return false;
    atomic_store_explicit(&self->calls_open, (unsigned)self->open_calls.count,
                          memory_order_relaxed);
    return true;
}

static void answer_call(troupe_actor *self, troupe_caller caller, const answer_text *text)
{
    if (map_find(&self->open_calls, caller.ref) == NULL)
        return;
    if (turn_answer(&self->turn, caller, text) == TROUPE_OK) {
        take_open_call(self, caller.ref);
        return;
    }
    troupe_log(TROUPE_LOG_ERROR, "actor", "out-of-memory", self->name,
               "a call could not be answered and will end by its deadline");
}

void troupe_reply(troupe_actor *self, troupe_caller caller, troupe_bytes payload)
{
    answer_text text = {.payload = payload};
    answer_call(self, caller, &text);
}

/* For whoever taps: an observer gets the answer in one piece. */
static void reply_packed(troupe_actor *self, troupe_caller caller, const troupe_bytes *head,
                         const answer_text *text)
{
    troupe_buffer *payload = &self->turn.fault;
    troupe_buffer_clear(payload);
    troupe_error error = troupe_buffer_append(payload, head->data, head->len);
    for (size_t i = 0; error == TROUPE_OK && i < text->piece_count; i++)
        error = troupe_buffer_append(payload, text->pieces[i].data, text->pieces[i].len);
    if (error != TROUPE_OK)
        troupe_fault(self, caller, TROUPE_ENOMEM, NULL, NULL);
    else
        troupe_reply(self, caller, troupe_buffer_bytes(payload));
}

void troupe_reply_json_pieces(troupe_actor *self, troupe_caller caller, const troupe_bytes *pieces,
                              size_t count)
{
    uint8_t head[WIRE_HEAD_MAX];
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += pieces[i].len;
    if (len > TURN_ENVELOPE_MAX) {
        troupe_fault(self, caller, TROUPE_ELIMIT, NULL, NULL);
        return;
    }
    troupe_bytes start = {head, (size_t)(wire_put_json_head(head, len) - head)};
    answer_text text = {.payload = start, .pieces = pieces, .piece_count = count};
    if (tap_on(&self->turn))
        reply_packed(self, caller, &start, &text);
    else
        answer_call(self, caller, &text);
}

void troupe_reply_json(troupe_actor *self, troupe_caller caller, const char *text, size_t len)
{
    troupe_bytes piece = {(const uint8_t *)text, len};
    if (text == NULL)
        troupe_reply(self, caller, (troupe_bytes){NULL, 0});
    else
        troupe_reply_json_pieces(self, caller, &piece, 1);
}

void troupe_fault(troupe_actor *self, troupe_caller caller, troupe_error code, const char *data,
                  const char *format, ...)
{
    char message[1024];
    answer_text text = {.code = code != TROUPE_OK ? code : TROUPE_EINTERNAL, .data = data};
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        if (vsnprintf(message, sizeof message, format, args) >= 0) {
            text_repair(message);
            text.message = message;
        }
        va_end(args);
    }
    answer_call(self, caller, &text);
}

bool troupe_caller_waits(const troupe_actor *self, troupe_caller caller)
{
    return map_find(&self->open_calls, caller.ref) != NULL &&
           call_pending(&self->system->calls, caller.ref);
}

troupe_error troupe_forward(troupe_actor *self, const troupe_envelope *request, troupe_address to)
{
    if (request->kind != TROUPE_CALL || map_find(&self->open_calls, request->ref) == NULL)
        return TROUPE_EINVAL;
    troupe_envelope e = *request;
    e.to = to;
    uint32_t remaining_ms =
        call_remaining_ms(&self->system->calls, e.ref, system_now_ns(self->system));
    if (remaining_ms == 0) { /* nobody waits for it any more */
        take_open_call(self, e.ref);
        tally_add(&self->tally.late_replies, 1); /* its answer would have been */
        return TROUPE_ECANCELLED;
    }
    e.meta.timeout_ms = remaining_ms;
    troupe_error error = turn_post(&self->turn, &e);
    if (error == TROUPE_OK)
        take_open_call(self, e.ref);
    return error;
}
