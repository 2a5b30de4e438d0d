/* SPDX-License-Identifier: MIT */
/* Outbox, bundles, answers. */
#include "turn.h"
#include "call.h"
#include "envelope.h"
#include "guest.h"
#include "system.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_KEEP     (8U * 1024U)
#define RETRY_MS         10
#define DEAD_LETTER_LOGS 10 /* logged in full; then each time their count doubles */

/* Where an envelope may be written: behind what was gathered, or a bundle of its own. */
typedef struct place {
    slot *to;
    unsigned entry;
    bundle *alone;
    uint8_t *at;
    size_t size;
} place;

troupe_error turn_init(turn *t, struct troupe_system *system, struct tally *counters)
{
    t->system = system;
    t->tally = counters;
    return system->kind->sender_create(&t->sender);
}

void turn_fini(turn *t)
{
    while (!turn_flush(t))
        poll(NULL, 0,
             RETRY_MS); /* without memory there is nothing better to do than to wait for it */
    if (t->sender != NULL)
        t->system->kind->sender_destroy(t->sender);
    for (unsigned i = 0; i < TURN_DESTINATIONS; i++)
        troupe_buffer_fini(&t->scratch[i]);
    troupe_buffer_fini(&t->fault);
}

static void send_bundle(turn *t, slot *s, bundle *b)
{
    tally_add(&t->tally->messages, 1);
    mailbox_post(&s->box, t->sender, b);
}

static bool flush_entry(turn *t, unsigned i)
{
    troupe_buffer *scratch = &t->scratch[i];
    if (scratch->len == 0)
        return true;
    bundle *b = t->system->kind->bundle_create(scratch->len);
    if (b == NULL)
        return false;
    memcpy(b->data, scratch->data, scratch->len);
    scratch->len = 0;
    send_bundle(t, t->slots[i], b);
    return true;
}

/* The entry of that slot, or TURN_DESTINATIONS. */
static unsigned find_entry(const turn *t, const slot *s)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (t->slots[i] == s)
            return i;
    }
    return TURN_DESTINATIONS;
}

/* The entry of that slot, made if there is none; TURN_DESTINATIONS: out of memory. */
static unsigned take_entry(turn *t, slot *s)
{
    unsigned i = find_entry(t, s);
    if (i < TURN_DESTINATIONS)
        return i;
    if (t->count < TURN_DESTINATIONS) {
        i = t->count++;
    } else {
        i = t->next_victim++ % TURN_DESTINATIONS;
        if (!flush_entry(t, i))
            return TURN_DESTINATIONS;
    }
    t->slots[i] = s;
    return i;
}

/* Find room for an envelope; all that can fail fails here. */
static troupe_error prepare(turn *t, slot *s, size_t size, place *out)
{
    *out = (place){.to = s, .size = size};
    if (size > TURN_BUNDLE_MAX) {
        unsigned i = find_entry(t, s);
        if (i < TURN_DESTINATIONS && !flush_entry(t, i))
            return TROUPE_ENOMEM;
        out->alone = t->system->kind->bundle_create(size);
        out->at = out->alone != NULL ? out->alone->data : NULL;
        return out->alone != NULL ? TROUPE_OK : TROUPE_ENOMEM;
    }
    out->entry = take_entry(t, s);
    if (out->entry == TURN_DESTINATIONS)
        return TROUPE_ENOMEM;
    troupe_buffer *scratch = &t->scratch[out->entry];
    if (scratch->len + size > TURN_BUNDLE_MAX && !flush_entry(t, out->entry))
        return TROUPE_ENOMEM;
    if (troupe_buffer_reserve(scratch, size) != TROUPE_OK) {
        scratch->failed = false; /* nothing was cut: try again next time */
        return TROUPE_ENOMEM;
    }
    out->at = scratch->data + scratch->len;
    return TROUPE_OK;
}

static void commit(turn *t, const place *p)
{
    tally_add(&t->tally->sent, 1);
    if (p->alone != NULL)
        send_bundle(t, p->to, p->alone);
    else
        t->scratch[p->entry].len += p->size;
}

static void abandon(turn *t, const place *p)
{
    if (p->alone != NULL)
        t->system->kind->bundle_destroy(p->alone);
}

static bool payload_valid(troupe_bytes payload)
{
    size_t len;
    return payload.len == 0 || (troupe_pack_walk(payload, &len) == TROUPE_OK && len == payload.len);
}

/* Credit came back from elsewhere than the consumer, who may be waiting for the last of it. */
static void rouse(turn *t, slot *s)
{
    room_announce(t->system, s);
    pthread_mutex_lock(&s->box.mutex);
    bool wake = mailbox_rouse_locked(&s->box);
    pthread_mutex_unlock(&s->box.mutex);
    if (wake)
        mailbox_wake(&s->box);
}

troupe_error turn_post(turn *t, const troupe_envelope *envelope)
{
    slot *s = system_slot(t->system, envelope->to);
    if (s == NULL || envelope->to == 0 || atomic_load(&s->open) != envelope->to)
        return TROUPE_EGONE;
    if (!envelope_valid(envelope) || !payload_valid(envelope->payload))
        return TROUPE_EINVAL;
    size_t size = envelope_size(envelope);
    if (size > TURN_ENVELOPE_MAX)
        return TROUPE_ELIMIT;
    if (!mailbox_credit_take(&s->box, size)) {
        tally_add(&t->tally->refused, 1);
        t->refused_by = envelope->to;
        t->refused_bytes = size;
        turn_flush_slot(t, s); /* what holds the credit may be here */
        return TROUPE_EBUSY;
    }
    place p;
    troupe_error error = prepare(t, s, size, &p);
    if (error != TROUPE_OK) {
        mailbox_credit_return(&s->box, size);
        rouse(t, s);
        return error;
    }
    envelope_encode(p.at, envelope);
    commit(t, &p);
    return TROUPE_OK;
}

static void drop_late(turn *t)
{
    tally_add(&t->tally->late_replies, 1);
}

/* Hand the answers that were claimed for one guest over. */
static void deliver_answers(turn *t)
{
    guest_answer *next = t->answers;
    t->answers = NULL;
    t->answer_count = 0;
    struct troupe_guest *guest = NULL;
    guest_answer *head = NULL;
    guest_answer *tail = NULL;
    while (next != NULL) {
        guest_answer *a = next;
        next = a->next;
        a->next = NULL;
        a->call = call_answer(&t->system->calls, a->ref);
        if (a->call == NULL) {
            drop_late(t);
            free(a);
            continue;
        }
        tally_add(&t->tally->sent, 1);
        if (head != NULL && a->call->guest != guest) {
            guest_deliver(guest, head, tail);
            head = NULL;
        }
        guest = a->call->guest;
        if (head == NULL)
            head = a;
        else
            tail->next = a;
        tail = a;
    }
    if (head != NULL)
        guest_deliver(guest, head, tail);
}

static troupe_error answer_guest(turn *t, uint64_t ref, const answer_text *text)
{
    const char *message = text->message != NULL ? text->message : troupe_error_text(text->code);
    size_t data_len = text->data != NULL ? strlen(text->data) : 0;
    bool fault = text->code != TROUPE_OK;
    size_t len = fault ? strlen(message) : text->payload.len;
    guest_answer *a = malloc(sizeof *a + len + data_len + 2);
    if (a == NULL)
        return TROUPE_ENOMEM;
    *a = (guest_answer){.ref = ref,
                        .error = text->code,
                        .len = len,
                        .data_len = data_len,
                        .has_data = fault && text->data != NULL};
    if (len > 0)
        memcpy(a->bytes, fault ? (const void *)message : text->payload.data, len);
    a->bytes[len] = '\0';
    if (a->has_data)
        memcpy(a->bytes + len + 1, text->data, data_len + 1);
    if (t->answers == NULL)
        t->answers = a;
    else
        t->answers_tail->next = a;
    t->answers_tail = a;
    if (++t->answer_count >= TURN_ANSWERS)
        deliver_answers(t);
    return TROUPE_OK;
}

static troupe_error build_fault(turn *t, const answer_text *text, troupe_bytes *out)
{
    const char *message = text->message != NULL ? text->message : troupe_error_text(text->code);
    troupe_buffer_clear(&t->fault);
    troupe_error error =
        troupe_pack(&t->fault, "{s:i,s:s,s:s,s:j#}", "code", (int)text->code, "name",
                    troupe_error_name(text->code), "message", message, "data", text->data,
                    text->data != NULL ? strlen(text->data) : (size_t)0);
    *out = troupe_buffer_bytes(&t->fault);
    return error;
}

static troupe_error answer_actor(turn *t, troupe_caller caller, const answer_text *text)
{
    slot *s = system_slot(t->system, caller.from);
    if (s == NULL)
        return TROUPE_OK;
    bool fault = text->code != TROUPE_OK;
    troupe_envelope e = {.kind = fault ? TROUPE_FAULT : TROUPE_REPLY,
                         .to = caller.from,
                         .ref = caller.ref,
                         .verb = fault ? "fault" : "reply",
                         .verb_len = 5,
                         .payload = text->payload};
    if (fault && build_fault(t, text, &e.payload) != TROUPE_OK)
        return TROUPE_ENOMEM;
    place p;
    troupe_error error = prepare(t, s, envelope_size(&e), &p);
    if (error != TROUPE_OK)
        return error;
    if (call_answer(&t->system->calls, caller.ref) == NULL) {
        abandon(t, &p);
        drop_late(t);
        return TROUPE_OK;
    }
    envelope_encode(p.at, &e);
    commit(t, &p);
    return TROUPE_OK;
}

troupe_error turn_answer(turn *t, troupe_caller caller, const answer_text *text)
{
    answer_text refused = {.code = TROUPE_OK};
    if (text->code == TROUPE_OK && text->payload.len > TURN_ENVELOPE_MAX)
        refused.code = TROUPE_ELIMIT;
    else if (text->code == TROUPE_OK && !payload_valid(text->payload))
        refused.code = TROUPE_EINTERNAL;
    if (refused.code != TROUPE_OK)
        text = &refused;
    return caller.from == 0 ? answer_guest(t, caller.ref, text) : answer_actor(t, caller, text);
}

static void log_dead_letter(turn *t, const troupe_envelope *envelope)
{
    uint64_t nth = atomic_fetch_add(&t->system->dead_letters, 1) + 1;
    if ((nth > DEAD_LETTER_LOGS && (nth & (nth - 1)) != 0) || !troupe_log_enabled(TROUPE_LOG_DEBUG))
        return;
    troupe_log(TROUPE_LOG_DEBUG, "mailbox", "dead-letter", NULL,
               "number %llu: %.*s from %llu to %llu", (unsigned long long)nth,
               (int)envelope->verb_len, envelope->verb, (unsigned long long)envelope->from,
               (unsigned long long)envelope->to);
}

void turn_dead_letter(turn *t, const troupe_envelope *envelope, troupe_error code)
{
    tally_add(&t->tally->dead_letters, 1);
    log_dead_letter(t, envelope);
    if (envelope->kind != TROUPE_CALL)
        return;
    troupe_caller caller = {envelope->from, envelope->ref};
    answer_text fault = {.code = code};
    if (turn_answer(t, caller, &fault) != TROUPE_OK)
        troupe_log(TROUPE_LOG_ERROR, "mailbox", "out-of-memory", NULL,
                   "a call to a dead actor will end by its deadline");
}

void turn_dispose(turn *t, slot *s, bundle *b, size_t offset)
{
    while (offset < b->len) {
        troupe_bytes rest = {b->data + offset, b->len - offset};
        troupe_envelope e;
        size_t used;
        if (troupe_envelope_read(rest, &e, &used) != TROUPE_OK)
            break; /* cannot be: it was encoded by us */
        if (!envelope_is_answer(&e))
            mailbox_credit_return(&s->box, used);
        turn_dead_letter(t, &e, TROUPE_EGONE);
        offset += used;
    }
    t->system->kind->bundle_destroy(b);
    rouse(t, s);
}

bool turn_flush(turn *t)
{
    bool all = true;
    for (unsigned i = 0; i < t->count; i++)
        all = flush_entry(t, i) && all;
    if (all)
        t->count = 0;
    if (t->answers != NULL)
        deliver_answers(t);
    return all;
}

void turn_flush_slot(turn *t, const slot *s)
{
    unsigned i = find_entry(t, s);
    if (i < TURN_DESTINATIONS)
        flush_entry(t, i);
}

void turn_trim(turn *t)
{
    for (unsigned i = 0; i < TURN_DESTINATIONS; i++) {
        if (t->scratch[i].len == 0 && t->scratch[i].capacity > SCRATCH_KEEP)
            troupe_buffer_fini(&t->scratch[i]);
    }
}
