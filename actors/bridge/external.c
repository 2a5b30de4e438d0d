/* SPDX-License-Identifier: MIT */
/* The edge of the system: envelopes of one WebSocket peer. */
#include "external.h"

#include "actors/verbs.h"
#include "methods.h"
#include "troupe/log.h"
#include "troupe/version.h"

#include <jansson.h>
#define HASH_NONFATAL_OOM 1 /* an entry that could not be added has no table */
#include <uthash.h>
#include <wslay/wslay.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUNDLE_BYTES       (64u << 10)
#define CALL_TIMEOUT_MS    30000u
#define NAME_BYTES_MAX     63
#define BUSY_RETRY         "{\"retry_after_ms\":100}"
#define NOBODY             ((troupe_address)0) /* in `to` and `from` of an envelope: the edge */
#define VIOLATION_TEXT_MAX 100

/* A call on its way through the edge, in one direction or the other. */
typedef struct external_call {
    uint64_t ref; /* key: of the peer for its own calls, of the host for calls to it */
    external *owner;
    uint64_t cancel;      /* the peer's call: what troupe_cancel takes */
    troupe_address from;  /* a call to the peer: the caller */
    uint64_t deadline_ns; /* a call to the peer: its caller waits no longer */
    UT_hash_handle hh;
} external_call;

static external_call *call_find(const external_calls *calls, uint64_t ref)
{
    external_call *found;
    HASH_FIND(hh, calls->table, &ref, sizeof ref, found);
    return found;
}

/* NULL without memory. */
static external_call *call_add(external *state, external_calls *calls, uint64_t ref)
{
    external_call *call = calloc(1, sizeof *call);
    if (call != NULL) {
        call->ref = ref;
        call->owner = state;
        HASH_ADD(hh, calls->table, ref, sizeof call->ref, call);
        if (call->hh.tbl == NULL) {
            free(call);
            return NULL;
        }
        calls->count++;
    }
    return call;
}

static void call_remove(external_calls *calls, external_call *call)
{
    HASH_DEL(calls->table, call);
    calls->count--;
    free(call);
}

/* To the peer ------------------------------------------------------------------------------- */

static void flush(external *state)
{
    if (state->bundle.len > 0) {
        state->send(state->context, state->bundle.data, state->bundle.len);
    }
    troupe_buffer_clear(&state->bundle);
}

/* Without memory the connection ends: a peer must not wait for what will never come. */
static void send_envelope(external *state, const troupe_envelope *envelope)
{
    if (state->bundle.len > 0 && state->bundle.len + envelope->payload.len > BUNDLE_BYTES) {
        flush(state);
    }
    if (troupe_envelope_write(&state->bundle, envelope) == TROUPE_ENOMEM) {
        troupe_exit(state->self, TROUPE_ENOMEM);
    }
}

/* A word of the edge itself: no actor's address is in `from`. */
static void send_own(external *state, troupe_kind kind, uint64_t ref, const char *verb,
                     const troupe_buffer *payload)
{
    if (payload->failed) {
        troupe_exit(state->self, TROUPE_ENOMEM);
        return;
    }
    troupe_envelope out = {
        .kind = kind,
        .to = troupe_self_address(state->self),
        .from = NOBODY,
        .ref = ref,
        .verb = verb,
        .verb_len = strlen(verb),
        .payload = troupe_buffer_bytes(payload),
    };
    send_envelope(state, &out);
}

static void send_fault(external *state, uint64_t ref, troupe_error code, const char *message)
{
    const char *data = code == TROUPE_EBUSY ? BUSY_RETRY : NULL;
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:i,s:s,s:s,s:j#}", "code", (int)code, "name", troupe_error_name(code),
                "message", message != NULL ? message : troupe_error_text(code), "data", data,
                data != NULL ? strlen(data) : 0);
    send_own(state, TROUPE_FAULT, ref, "fault", &payload);
    troupe_buffer_fini(&payload);
}

/* From the peer ----------------------------------------------------------------------------- */

/* One envelope of the peer. */
typedef struct arrival {
    troupe_envelope envelope;
    const char *name; /* `to`, if it is a name: name_len bytes */
    size_t name_len;
    troupe_address to; /* whom it is for; 0: the edge, or nobody has the name */
} arrival;

static void violation(external *state, uint16_t code, const char *why)
{
    state->refused = true;
    flush(state);
    state->refuse(state->context, code, why);
}

/* A cast or event was not delivered: the peer is told, as nobody else could. */
static void send_undelivered(external *state, const arrival *in, troupe_error error)
{
    const troupe_envelope *envelope = &in->envelope;
    troupe_buffer to = {0};
    troupe_buffer payload = {0};
    if (in->name != NULL) {
        troupe_pack(&to, "s#", in->name, in->name_len);
    } else {
        troupe_pack(&to, "U", envelope->to);
    }
    troupe_pack(&payload, "{s:r#,s:s#,s:s}", "to", to.data, to.len, "verb", envelope->verb,
                envelope->verb_len, "error", troupe_error_name(error));
    payload.failed = payload.failed || to.failed;
    send_own(state, TROUPE_EVENT, 0, "undelivered", &payload);
    troupe_buffer_fini(&payload);
    troupe_buffer_fini(&to);
}

static void on_post(external *state, const arrival *in)
{
    const troupe_envelope *envelope = &in->envelope;
    troupe_error error = TROUPE_ENOTFOUND;
    if (in->to != NOBODY) {
        error = troupe_post_n(state->self, in->to, envelope->kind, envelope->verb,
                              envelope->verb_len, &envelope->meta, envelope->payload);
    }
    if (error != TROUPE_OK) {
        send_undelivered(state, in, error);
    }
}

/* How a call of the peer ended. */
static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    external_call *call = context;
    external *state = call->owner;
    uint64_t ref = call->ref;
    call_remove(&state->out, call);
    if (answer == NULL) {
        send_fault(state, ref, error, NULL);
        return;
    }
    troupe_envelope out = *answer;
    out.to = troupe_self_address(self);
    out.ref = ref;
    send_envelope(state, &out);
}

static uint32_t timeout_of(const troupe_meta *meta)
{
    uint32_t timeout_ms = meta->timeout_ms != 0 ? meta->timeout_ms : CALL_TIMEOUT_MS;
    return timeout_ms < METHOD_TIMEOUT_MAX_MS ? timeout_ms : METHOD_TIMEOUT_MAX_MS;
}

/* Call an actor for the peer: TROUPE_OK, and the answer comes; or why it cannot be called. */
static troupe_error start_call(external *state, const arrival *in)
{
    const troupe_envelope *envelope = &in->envelope;
    char verb[256];
    if (in->to == NOBODY) {
        return TROUPE_ENOTFOUND;
    }
    if (state->out.count >= EXTERNAL_CALLS_MAX) {
        return TROUPE_EBUSY;
    }
    external_call *call = call_add(state, &state->out, envelope->ref);
    if (call == NULL) {
        return TROUPE_ENOMEM;
    }
    memcpy(verb, envelope->verb, envelope->verb_len);
    verb[envelope->verb_len] = '\0';
    troupe_error error = troupe_call(state->self, in->to, verb, &envelope->meta, envelope->payload,
                                     timeout_of(&envelope->meta), on_answer, call, &call->cancel);
    if (error != TROUPE_OK) {
        call_remove(&state->out, call);
    }
    return error;
}

/* A fault of the peer, as the caller is to see it. Its words go into JSON: text they must be. */
static void pass_fault(external *state, troupe_caller caller, const troupe_envelope *answer)
{
    troupe_fault_view fault;
    troupe_fault_read(answer, &fault);
    json_t *text = json_stringn(fault.message, fault.message_len);
    char *data = fault.data != NULL ? strndup(fault.data, fault.data_len) : NULL;
    troupe_fault(state->self, caller, fault.code, data, "%s",
                 text != NULL ? json_string_value(text) : troupe_error_text(fault.code));
    json_decref(text);
    free(data);
}

/* An answer of the peer to a call that it was sent. One that nobody waits for is passed over. */
static void on_peer_answer(external *state, const troupe_envelope *answer)
{
    external_call *call = call_find(&state->in, answer->ref);
    if (call == NULL) {
        return;
    }
    troupe_caller caller = {call->from, call->ref};
    call_remove(&state->in, call);
    if (answer->kind == TROUPE_REPLY) {
        troupe_reply(state->self, caller, answer->payload);
        return;
    }
    pass_fault(state, caller, answer);
}

/* What the edge itself answers -------------------------------------------------------------- */

/* Names of the peer's own: letters, digits, '.', '_', '-', beginning with a letter or digit. No
 * '/', so that "client/7", "target/…" and their like stay the host's. */
static bool name_valid(const char *name)
{
    static const char allowed[] =
        "._-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return strchr("._-", name[0]) == NULL && name[strspn(name, allowed)] == '\0';
}

/* Names of the cast are kept for it, also while one of it is being restarted. */
static bool name_kept(const char *name)
{
    static const char *const cast[] = {NAME_ROOT,    NAME_LAUNCHER, NAME_CONNECTIONS, NAME_STORE,
                                       NAME_NETWORK, NAME_CONSOLE,  NAME_BRIDGE,      "troupe"};
    for (size_t i = 0; i < sizeof cast / sizeof cast[0]; i++) {
        if (strcmp(cast[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static troupe_error unpack_name(const troupe_envelope *call, char name[NAME_BYTES_MAX + 1],
                                troupe_reason *reason)
{
    const char *text;
    size_t len;
    if (troupe_unpack(call->payload, "{s:s#}", "name", &text, &len) != TROUPE_OK) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the payload must be a map with \"name\"");
    }
    if (len < 1 || len > NAME_BYTES_MAX || memchr(text, '\0', len) != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS, "a name has 1 to 63 bytes");
    }
    memcpy(name, text, len);
    name[len] = '\0';
    return TROUPE_OK;
}

static troupe_error edge_name(external *state, const troupe_envelope *call, troupe_buffer *result,
                              troupe_reason *reason)
{
    char name[NAME_BYTES_MAX + 1] = "";
    (void)result;
    troupe_error error = unpack_name(call, name, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    if (!name_valid(name)) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "a name is made of letters, digits, '.', '_' and '-'");
    }
    if (name_kept(name)) {
        return troupe_fail(reason, TROUPE_EFORBIDDEN, "the host keeps the name \"%s\"", name);
    }
    if (state->names >= EXTERNAL_NAMES_MAX) {
        return troupe_fail(reason, TROUPE_ELIMIT, "a client may have %d names", EXTERNAL_NAMES_MAX);
    }
    error = troupe_name(state->self, name);
    if (error == TROUPE_ESTATE) {
        return troupe_fail(reason, error, "the name \"%s\" is taken", name);
    }
    state->names += error == TROUPE_OK;
    return error;
}

static troupe_error edge_unname(external *state, const troupe_envelope *call, troupe_buffer *result,
                                troupe_reason *reason)
{
    char name[NAME_BYTES_MAX + 1] = "";
    (void)result;
    troupe_error error = unpack_name(call, name, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    if (!name_valid(name) || troupe_unname(state->self, name) != TROUPE_OK) { /* "client/7" stays */
        return troupe_fail(reason, TROUPE_ENOTFOUND, "the name is not this client's");
    }
    state->names--;
    return TROUPE_OK;
}

static troupe_error edge_whereis(external *state, const troupe_envelope *call,
                                 troupe_buffer *result, troupe_reason *reason)
{
    char name[NAME_BYTES_MAX + 1] = "";
    troupe_error error = unpack_name(call, name, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    troupe_address address = troupe_whereis(state->server->system, name);
    troupe_pack(result, address != 0 ? "U" : "n", address);
    return TROUPE_OK;
}

static troupe_error edge_monitor(external *state, const troupe_envelope *call,
                                 troupe_buffer *result, troupe_reason *reason)
{
    char name[NAME_BYTES_MAX + 1] = "";
    troupe_address address = 0;
    uint64_t ref;
    if (troupe_unpack(call->payload, "{s:U}", "address", &address) != TROUPE_OK || address == 0 ||
        address >= (1ULL << 53)) {
        troupe_error error = unpack_name(call, name, NULL);
        if (error != TROUPE_OK) {
            return troupe_fail(reason, error,
                               "the payload must be a map with \"address\" or \"name\"");
        }
        address = troupe_whereis(state->server->system, name);
        if (address == 0) {
            return troupe_fail(reason, TROUPE_ENOTFOUND, "no actor is called \"%s\"", name);
        }
    }
    if (state->monitor_count >= EXTERNAL_MONITORS_MAX) {
        return troupe_fail(reason, TROUPE_ELIMIT, "a client may have %d monitors",
                           EXTERNAL_MONITORS_MAX);
    }
    troupe_error error = troupe_monitor(state->self, address, &ref);
    if (error == TROUPE_OK) {
        state->monitors[state->monitor_count++] = ref;
        troupe_pack(result, "{s:U,s:U}", "ref", ref, "address", address);
    }
    return error;
}

/* Whether it was one of the peer's monitors; it is none any more. */
static bool monitor_take(external *state, uint64_t ref)
{
    for (unsigned i = 0; i < state->monitor_count; i++) {
        if (state->monitors[i] == ref) {
            state->monitors[i] = state->monitors[--state->monitor_count];
            return true;
        }
    }
    return false;
}

static troupe_error edge_demonitor(external *state, const troupe_envelope *call,
                                   troupe_buffer *result, troupe_reason *reason)
{
    uint64_t ref;
    (void)result;
    if (troupe_unpack(call->payload, "{s:U}", "ref", &ref) != TROUPE_OK) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the payload must be a map with \"ref\"");
    }
    if (monitor_take(state, ref)) {
        troupe_demonitor(state->self, ref);
    }
    return TROUPE_OK;
}

static const struct {
    const char *verb;
    troupe_error (*answer)(external *state, const troupe_envelope *call, troupe_buffer *result,
                           troupe_reason *reason);
} edge_verbs[] = {
    {"name", edge_name},       {"unname", edge_unname},       {"whereis", edge_whereis},
    {"monitor", edge_monitor}, {"demonitor", edge_demonitor},
};

static void on_edge_call(external *state, const troupe_envelope *call)
{
    troupe_buffer result = {0};
    troupe_reason reason = {""};
    troupe_error error = TROUPE_EMETHOD;
    for (size_t i = 0; i < sizeof edge_verbs / sizeof edge_verbs[0]; i++) {
        if (troupe_verb_is(call, edge_verbs[i].verb)) {
            error = edge_verbs[i].answer(state, call, &result, &reason);
        }
    }
    if (error == TROUPE_OK) {
        send_own(state, TROUPE_REPLY, call->ref, "reply", &result);
    } else {
        send_fault(state, call->ref, error, reason.text[0] != '\0' ? reason.text : NULL);
    }
    troupe_buffer_fini(&result);
}

/* Casts to the edge: `cancel` {ref}. The call ends as all do, by its answer. */
static void on_edge_cast(external *state, const arrival *in)
{
    uint64_t ref;
    if (!troupe_verb_is(&in->envelope, "cancel")) {
        send_undelivered(state, in, TROUPE_EMETHOD);
        return;
    }
    if (troupe_unpack(in->envelope.payload, "{s:U}", "ref", &ref) != TROUPE_OK) {
        send_undelivered(state, in, TROUPE_EPARAMS);
        return;
    }
    const external_call *call = call_find(&state->out, ref);
    if (call != NULL) {
        troupe_cancel(state->self, call->cancel);
    }
}

/* Messages ---------------------------------------------------------------------------------- */

static void on_call(external *state, const arrival *in)
{
    const troupe_envelope *envelope = &in->envelope;
    if (envelope->ref == 0 || call_find(&state->out, envelope->ref) != NULL) {
        violation(state, WSLAY_CODE_POLICY_VIOLATION, "a call needs a ref that is not in use");
        return;
    }
    if (in->name == NULL && envelope->to == NOBODY) {
        on_edge_call(state, envelope);
        return;
    }
    troupe_error error = start_call(state, in);
    if (error != TROUPE_OK) {
        send_fault(state, envelope->ref, error, NULL);
    }
}

static void resolve(external *state, arrival *in)
{
    char name[NAME_BYTES_MAX + 1] = "";
    in->to = in->envelope.to;
    if (in->name != NULL) {
        memcpy(name, in->name, in->name_len);
        name[in->name_len] = '\0';
        in->to = troupe_whereis(state->server->system, name);
    }
}

static void on_envelope(external *state, arrival *in)
{
    bool edge = in->name == NULL && in->envelope.to == NOBODY;
    atomic_fetch_add(&state->slot->requests, 1);
    resolve(state, in);
    switch (in->envelope.kind) {
    case TROUPE_CAST:
    case TROUPE_EVENT:
        if (edge) {
            on_edge_cast(state, in);
        } else {
            on_post(state, in);
        }
        break;
    case TROUPE_CALL:
        on_call(state, in);
        break;
    case TROUPE_REPLY:
    case TROUPE_FAULT:
        on_peer_answer(state, &in->envelope);
        break;
    case TROUPE_SIGNAL:
        violation(state, WSLAY_CODE_POLICY_VIOLATION, "signals come from the runtime only");
        break;
    }
}

void external_message(external *state, const uint8_t *data, size_t len)
{
    char why[VIOLATION_TEXT_MAX];
    troupe_bytes rest = {data, len};
    external_join(state);
    while (rest.len > 0 && !state->refused) {
        arrival in = {0};
        size_t used;
        if (troupe_envelope_read_edge(rest, &in.envelope, &in.name, &in.name_len, &used) !=
            TROUPE_OK) {
            snprintf(why, sizeof why, "no envelope at byte %zu of the message", len - rest.len);
            violation(state, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, why);
            return;
        }
        on_envelope(state, &in);
        rest.data += used;
        rest.len -= used;
    }
}

void external_join(external *state)
{
    if (state->joined) {
        return;
    }
    state->joined = true;
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:U,s:s,s:s,s:{s:U,s:i,s:i,s:i,s:i}}", "address",
                troupe_self_address(state->self), "client", state->slot->name, "version",
                troupe_version(), "limits", "message_bytes", (uint64_t)state->message_bytes,
                "calls", EXTERNAL_CALLS_MAX, "names", EXTERNAL_NAMES_MAX, "monitors",
                EXTERNAL_MONITORS_MAX, "timeout_ms", (int)METHOD_TIMEOUT_MAX_MS);
    send_own(state, TROUPE_EVENT, 0, "welcome", &payload);
    troupe_buffer_fini(&payload);
}

/* For the peer ------------------------------------------------------------------------------ */

static void receive_call(external *state, const troupe_envelope *envelope)
{
    bool room = state->room(state->context) && state->in.count < EXTERNAL_CALLS_MAX;
    external_call *call = room ? call_add(state, &state->in, envelope->ref) : NULL;
    if (call == NULL) {
        troupe_fault(state->self, troupe_caller_of(envelope), room ? TROUPE_ENOMEM : TROUPE_EBUSY,
                     room ? NULL : BUSY_RETRY, NULL);
        return;
    }
    call->from = envelope->from;
    call->deadline_ns = bridge_now_ns() + (uint64_t)envelope->meta.timeout_ms * 1000000u;
    send_envelope(state, envelope);
}

/* What was dropped is told before what comes next. */
static void tell_gap(external *state)
{
    if (state->shed > 0 && state->room(state->context)) {
        troupe_buffer payload = {0};
        troupe_pack(&payload, "{s:U}", "count", state->shed);
        state->shed = 0;
        send_own(state, TROUPE_EVENT, 0, "gap", &payload);
        troupe_buffer_fini(&payload);
    }
}

static void receive_event(external *state, const troupe_envelope *envelope)
{
    if (!state->room(state->context)) {
        state->shed++;
        atomic_fetch_add(&state->slot->shed, 1);
        atomic_fetch_add(&state->server->counters.shed, 1);
        return;
    }
    tell_gap(state);
    send_envelope(state, envelope);
    atomic_fetch_add(&state->slot->events, 1);
    atomic_fetch_add(&state->server->counters.events, 1);
}

void external_receive(external *state, const troupe_envelope *envelope)
{
    troupe_down down;
    switch (envelope->kind) {
    case TROUPE_CALL:
        receive_call(state, envelope);
        break;
    case TROUPE_EVENT:
        receive_event(state, envelope);
        break;
    case TROUPE_SIGNAL:
        if (troupe_down_read(envelope, &down) == TROUPE_OK && monitor_take(state, down.ref)) {
            send_envelope(state, envelope);
        }
        break;
    default:
        send_envelope(state, envelope);
        break;
    }
}

void external_turn(external *state)
{
    tell_gap(state);
    flush(state);
}

void external_tick(external *state)
{
    external_call *call;
    external_call *next;
    uint64_t now_ns = bridge_now_ns();
    HASH_ITER(hh, state->in.table, call, next)
    {
        if (now_ns > call->deadline_ns) {
            troupe_caller caller = {call->from, call->ref};
            call_remove(&state->in, call);
            troupe_fault(state->self, caller, TROUPE_ETIMEOUT, NULL, NULL);
        }
    }
}

static void calls_free(external_calls *calls)
{
    external_call *call;
    external_call *next;
    HASH_ITER(hh, calls->table, call, next)
    {
        call_remove(calls, call);
    }
}

void external_fini(external *state)
{
    calls_free(&state->out);
    calls_free(&state->in);
    troupe_buffer_fini(&state->bundle);
}
