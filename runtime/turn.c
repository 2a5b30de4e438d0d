/* SPDX-License-Identifier: MIT */
/* Outbox, bundles, answers. */
#include "turn.h"
#include "call.h"
#include "envelope.h"
#include "guest.h"
#include "large.h"
#include "system.h"
#include "wire.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_KEEP  (8U * 1024U)
#define RETRY_MS      10
#define OUTLETS_FIRST 4
#define ADVANCE_PART  64 /* of a mailbox that one sender may hold in advance */

/* Where an envelope may be written: behind what was gathered, or a bundle of its own. */
typedef struct place {
    slot *to;
    outlet *outlet;
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

void turn_finish(turn *t)
{
    while (!turn_flush(t))
        poll(NULL, 0, RETRY_MS);
}

void turn_fini(turn *t)
{
    turn_finish(t);
    t->system->kind->sender_destroy(t->sender);
    for (unsigned i = 0; i < t->capacity; i++)
        troupe_buffer_fini(&t->outlets[i].scratch);
    free(t->outlets);
    t->outlets = NULL;
    t->capacity = 0;
    troupe_buffer_fini(&t->fault);
    troupe_buffer_fini(&t->report);
    troupe_buffer_fini(&t->copy);
}

static void send_bundle(turn *t, slot *s, bundle *b)
{
    tally_add(&t->tally->messages, 1);
    mailbox_post(&s->box, t->sender, b);
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

/* A consumer that drains waits until no credit is out; one that does not is not disturbed. */
static void give_credit_back(turn *t, slot *s, uint64_t envelopes, uint64_t bytes)
{
    mailbox_credit_return(&s->box, envelopes, bytes);
    if (atomic_load(&s->open) == 0)
        rouse(t, s);
    else
        room_announce(t->system, s);
}

/* What was taken in advance and not used. */
static void return_advance(turn *t, outlet *o)
{
    if (o->advance == 0 && o->advance_bytes == 0)
        return;
    give_credit_back(t, o->to, o->advance, o->advance_bytes);
    o->advance = 0;
    o->advance_bytes = 0;
}

/* Send what is gathered there. */
static bool send_outlet(turn *t, outlet *o)
{
    if (o->scratch.len > 0) {
        bundle *b = mailbox_bundle_create(&o->to->box, o->scratch.len);
        if (b == NULL)
            return false;
        memcpy(b->data, o->scratch.data, o->scratch.len);
        o->scratch.len = 0;
        send_bundle(t, o->to, b);
    }
    o->gathered = 0;
    return_advance(t, o);
    return true;
}

static outlet *find_outlet(turn *t, const slot *s);

/* Before anything leaves for `to` (NULL: for a guest): what is to leave before all else. */
static bool precede(turn *t, const slot *to)
{
    if (t->first == NULL || t->first == to)
        return true;
    outlet *o = find_outlet(t, t->first);
    return o == NULL || o->scratch.len == 0 || send_outlet(t, o);
}

static bool flush_outlet(turn *t, outlet *o)
{
    return precede(t, o->to) && send_outlet(t, o);
}

static uint8_t *hint_of(turn *t, const slot *s)
{
    return &t->hints[s->index % TURN_DESTINATIONS];
}

/* The outlet to that slot; NULL: there is none. */
static outlet *find_outlet(turn *t, const slot *s)
{
    unsigned hint = *hint_of(t, s);
    if (hint < t->count && t->outlets[hint].to == s)
        return &t->outlets[hint];
    for (unsigned i = 0; i < t->count; i++) {
        if (t->outlets[i].to == s)
            return &t->outlets[i];
    }
    return NULL;
}

/* Outlets are made when they are needed: most actors post to few. */
static bool grow_outlets(turn *t)
{
    unsigned capacity = t->capacity == 0 ? OUTLETS_FIRST : 2 * t->capacity;
    if (capacity > TURN_DESTINATIONS)
        return false;
    outlet *outlets = realloc(t->outlets, capacity * sizeof *outlets);
    if (outlets == NULL)
        return false;
    memset(outlets + t->capacity, 0, (capacity - t->capacity) * sizeof *outlets);
    t->outlets = outlets;
    t->capacity = capacity;
    return true;
}

/* The outlet to that slot, made if there is none; NULL: out of memory. */
static outlet *take_outlet(turn *t, slot *s)
{
    outlet *o = find_outlet(t, s);
    if (o != NULL)
        return o;
    if (t->count < t->capacity || grow_outlets(t)) {
        o = &t->outlets[t->count++];
    } else if (t->capacity > 0) {
        o = &t->outlets[t->next_victim++ % t->capacity];
        if (!flush_outlet(t, o))
            return NULL;
    } else {
        return NULL;
    }
    o->to = s;
    *hint_of(t, s) = (uint8_t)(o - t->outlets);
    return o;
}

/* Find room for an envelope; all that can fail fails here. */
static troupe_error prepare(turn *t, slot *s, outlet *o, size_t size, place *out)
{
    *out = (place){.to = s, .outlet = o, .size = size};
    if (size > TURN_BUNDLE_MAX) {
        if (!precede(t, s) || (o->scratch.len > 0 && !send_outlet(t, o)))
            return TROUPE_ENOMEM;
        out->alone = t->system->kind->bundle_create(size);
        out->at = out->alone != NULL ? out->alone->data : NULL;
        return out->alone != NULL ? TROUPE_OK : TROUPE_ENOMEM;
    }
    if (o->scratch.len + size > TURN_BUNDLE_MAX && !flush_outlet(t, o))
        return TROUPE_ENOMEM;
    if (troupe_buffer_reserve(&o->scratch, size) != TROUPE_OK) {
        o->scratch.failed = false; /* nothing was cut: try again next time */
        return TROUPE_ENOMEM;
    }
    t->large |= o->scratch.capacity > SCRATCH_KEEP || t->count > OUTLETS_FIRST;
    out->at = o->scratch.data + o->scratch.len;
    return TROUPE_OK;
}

static void commit(turn *t, const place *p)
{
    tally_add(&t->tally->sent, 1);
    tally_add(&t->tally->bytes_sent, p->size);
    if (p->alone != NULL)
        send_bundle(t, p->to, p->alone);
    else
        p->outlet->scratch.len += p->size;
    p->outlet->gathered++;
}

static void abandon(turn *t, const place *p)
{
    if (p->alone != NULL)
        t->system->kind->bundle_destroy(p->alone);
}

static bool payload_valid(troupe_bytes payload)
{
    return payload.len == 0 || wire_value_len(payload) == payload.len;
}

/*
 * Credit for one envelope: from what was taken in advance, else with as many more as this turn has
 * already gathered, up to a small part of the mailbox, else alone.
 */
static bool take_credit(turn *t, outlet *o, size_t size)
{
    mailbox *box = &o->to->box;
    if (o->advance > 0 && o->advance_bytes >= size) {
        o->advance--;
        o->advance_bytes -= size;
        return true;
    }
    return_advance(t, o);
    uint64_t part = atomic_load_explicit(&box->envelopes_max, memory_order_relaxed) / ADVANCE_PART;
    uint64_t bytes_part =
        atomic_load_explicit(&box->bytes_max, memory_order_relaxed) / ADVANCE_PART;
    uint64_t more = o->gathered < part ? o->gathered : part;
    if (more > 0 && more * size <= bytes_part &&
        mailbox_credit_take(box, 1 + more, (1 + more) * size)) {
        o->advance += (uint32_t)more;
        o->advance_bytes += more * size;
        return true;
    }
    return mailbox_credit_take(box, 1, size);
}

static troupe_error refuse(turn *t, outlet *o, troupe_address to, size_t size)
{
    tally_add(&t->tally->refused, 1);
    mailbox_refuse(&o->to->box);
    t->refused_by = to;
    t->refused_bytes = size;
    flush_outlet(t, o); /* what holds the credit may be here */
    return TROUPE_EBUSY;
}

/* Its receiver accepts nothing any more. */
static troupe_error close_outlet(turn *t, outlet *o, size_t size)
{
    return_advance(t, o);
    give_credit_back(t, o->to, 1, size);
    return TROUPE_EGONE;
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
    outlet *o = take_outlet(t, s);
    if (o == NULL)
        return TROUPE_ENOMEM;
    if (!take_credit(t, o, size))
        return refuse(t, o, envelope->to, size);
    if (atomic_load(&s->open) !=
        envelope->to) /* it began to drain before it could see the credit */
        return close_outlet(t, o, size);
    place p;
    troupe_error error = prepare(t, s, o, size, &p);
    if (error != TROUPE_OK) {
        give_credit_back(t, s, 1, size);
        return error;
    }
    envelope_encode(p.at, envelope);
    commit(t, &p);
    tap_note(t, envelope, "out");
    return TROUPE_OK;
}

static void drop_late(turn *t)
{
    tally_add(&t->tally->late_replies, 1);
}

/* Hand the answers that were claimed for one guest over. */
static void deliver_answers(turn *t)
{
    (void)precede(t, NULL); /* without memory order is lost, but nothing else */
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
            guest_answer_free(a);
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

/* The envelope of an answer; borrows from the turn and the text. TROUPE_ENOMEM. */
static troupe_error build_answer(turn *t, troupe_caller caller, const answer_text *text,
                                 troupe_envelope *out)
{
    bool fault = text->code != TROUPE_OK;
    *out = (troupe_envelope){.kind = fault ? TROUPE_FAULT : TROUPE_REPLY,
                             .to = caller.from,
                             .ref = caller.ref,
                             .verb = fault ? "fault" : "reply",
                             .verb_len = 5,
                             .payload = text->payload};
    return fault ? build_fault(t, text, &out->payload) : TROUPE_OK;
}

static size_t pieces_len(const answer_text *text)
{
    size_t len = 0;
    for (size_t i = 0; i < text->piece_count; i++)
        len += text->pieces[i].len;
    return len;
}

static uint8_t *put_pieces(uint8_t *at, const answer_text *text)
{
    for (size_t i = 0; i < text->piece_count; i++) {
        if (text->pieces[i].len > 0)
            memcpy(at, text->pieces[i].data, text->pieces[i].len);
        at += text->pieces[i].len;
    }
    return at;
}

/* An answer to a guest is never an envelope, except for whoever taps. */
static void tap_guest_answer(turn *t, uint64_t ref, const answer_text *text)
{
    troupe_caller caller = {0, ref};
    troupe_envelope e;
    if (text->piece_count == 0 && tap_on(t) && build_answer(t, caller, text, &e) == TROUPE_OK)
        tap_copy(t, &e, "out");
}

static guest_answer *allocate_answer(size_t size)
{
    size_t capacity = 0;
    guest_answer *a;
    if (size < LARGE_BYTES) {
        large_rest();
        a = malloc(size);
    } else {
        a = large_take(size, &capacity);
    }
    if (a != NULL)
        a->capacity = capacity;
    return a;
}

void guest_answer_free(guest_answer *answer)
{
    if (answer != NULL && answer->capacity > 0)
        large_give(answer, answer->capacity);
    else
        free(answer);
}

static troupe_error answer_guest(turn *t, uint64_t ref, const answer_text *text)
{
    const char *message = text->message != NULL ? text->message : troupe_error_text(text->code);
    size_t data_len = text->data != NULL ? strlen(text->data) : 0;
    bool fault = text->code != TROUPE_OK;
    size_t head_len = fault ? strlen(message) : text->payload.len;
    size_t len = head_len + (fault ? 0 : pieces_len(text));
    guest_answer *a = allocate_answer(sizeof *a + len + data_len + 2);
    if (a == NULL)
        return TROUPE_ENOMEM;
    *a = (guest_answer){.ref = ref,
                        .error = text->code,
                        .len = len,
                        .data_len = data_len,
                        .capacity = a->capacity,
                        .has_data = fault && text->data != NULL};
    if (head_len > 0)
        memcpy(a->bytes, fault ? (const void *)message : text->payload.data, head_len);
    if (!fault)
        (void)put_pieces(a->bytes + head_len, text);
    a->bytes[len] = '\0';
    if (a->has_data)
        memcpy(a->bytes + len + 1, text->data, data_len + 1);
    if (t->answers == NULL)
        t->answers = a;
    else
        t->answers_tail->next = a;
    t->answers_tail = a;
    tally_add(&t->tally->bytes_sent, len + data_len);
    tap_guest_answer(t, ref, text);
    if (++t->answer_count >= TURN_ANSWERS)
        deliver_answers(t);
    return TROUPE_OK;
}

static troupe_error answer_actor(turn *t, troupe_caller caller, const answer_text *text)
{
    slot *s = system_slot(t->system, caller.from);
    if (s == NULL)
        return TROUPE_OK;
    troupe_envelope e;
    if (build_answer(t, caller, text, &e) != TROUPE_OK)
        return TROUPE_ENOMEM;
    outlet *o = take_outlet(t, s);
    if (o == NULL)
        return TROUPE_ENOMEM;
    place p;
    troupe_error error = prepare(t, s, o, envelope_size(&e) + pieces_len(text), &p);
    if (error != TROUPE_OK)
        return error;
    if (call_answer(&t->system->calls, caller.ref) == NULL) {
        abandon(t, &p);
        drop_late(t);
        return TROUPE_OK;
    }
    (void)put_pieces(envelope_encode(p.at, &e), text);
    commit(t, &p);
    if (text->piece_count == 0)
        tap_note(t, &e, "out");
    return TROUPE_OK;
}

troupe_error turn_answer(turn *t, troupe_caller caller, const answer_text *text)
{
    answer_text refused = {.code = TROUPE_OK};
    if (text->code == TROUPE_OK && text->payload.len + pieces_len(text) > TURN_ENVELOPE_MAX)
        refused.code = TROUPE_ELIMIT;
    else if (text->code == TROUPE_OK && text->piece_count == 0 && !payload_valid(text->payload))
        refused.code = TROUPE_EINTERNAL;
    if (refused.code != TROUPE_OK)
        text = &refused;
    return caller.from == 0 ? answer_guest(t, caller.ref, text) : answer_actor(t, caller, text);
}

void turn_dead_letter(turn *t, const troupe_envelope *envelope, bool left)
{
    tally_add(&t->tally->dead_letters, 1);
    if (left)
        tally_add(&t->tally->dead_left, 1);
    dead_letter_note(t, envelope, left);
    if (envelope->kind != TROUPE_CALL)
        return;
    troupe_caller caller = {envelope->from, envelope->ref};
    answer_text fault = {.code = TROUPE_EGONE};
    if (turn_answer(t, caller, &fault) != TROUPE_OK)
        troupe_log(TROUPE_LOG_ERROR, "mailbox", "out-of-memory", NULL,
                   "a call to a dead actor will end by its deadline");
}

void turn_dispose(turn *t, slot *s, bundle *b, size_t offset, troupe_address leaving)
{
    while (offset < b->len) {
        troupe_bytes rest = {b->data + offset, b->len - offset};
        troupe_envelope e;
        size_t used;
        if (troupe_envelope_read(rest, &e, &used) != TROUPE_OK) {
            assert(false); /* it was encoded by us */
            break;
        }
        if (!envelope_is_answer(&e))
            mailbox_credit_return(&s->box, 1, used);
        turn_dead_letter(t, &e, e.to == leaving);
        offset += used;
    }
    t->system->kind->bundle_destroy(b);
    rouse(t, s);
}

bool turn_flush(turn *t)
{
    bool all = true;
    for (unsigned i = 0; i < t->count; i++)
        all = flush_outlet(t, &t->outlets[i]) && all;
    if (all)
        t->count = 0;
    if (t->answers != NULL)
        deliver_answers(t);
    return all;
}

void turn_trim(turn *t)
{
    for (unsigned i = 0; i < t->capacity; i++) {
        troupe_buffer *scratch = &t->outlets[i].scratch;
        if (scratch->len == 0 && (i >= OUTLETS_FIRST || scratch->capacity > SCRATCH_KEEP))
            troupe_buffer_fini(scratch);
    }
    t->large = false;
}
