/* SPDX-License-Identifier: MIT */
/* JSON-RPC 2.0: messages, routing, answers. */
#include "rpc.h"

#include "actors/board.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "local.h"
#include "named.h"
#include "runtime/json_depth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARSE_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)
#define DUMP_FLAGS  (JSON_COMPACT | JSON_ENCODE_ANY)

/* How often a waiting worker looks whether the host is stopping. */
#define STOP_CHECK_MS 200

/* Answers ----------------------------------------------------------------------------------- */

static void append(troupe_buffer *out, const char *text)
{
    troupe_buffer_append(out, text, strlen(text));
}

static void append_json(troupe_buffer *out, const json_t *value)
{
    char *text = value != NULL ? json_dumps(value, DUMP_FLAGS) : NULL;
    append(out, text != NULL ? text : "null");
    free(text);
}

/* {name, …}: the error's name and what the fault's data says besides. data: JSON text or NULL. */
static json_t *error_data(troupe_error code, const char *data)
{
    json_t *merged = json_pack("{s:s}", "name", troupe_error_name(code));
    bool fits = data != NULL && rpc_depth_within(data, strlen(data));
    json_t *more = fits ? json_loads(data, PARSE_FLAGS, NULL) : NULL;
    if (json_is_object(more)) {
        json_object_update_missing(merged, more);
    } else if (more != NULL) {
        json_object_set(merged, "data", more);
    }
    json_decref(more);
    return merged;
}

static json_t *error_object(troupe_error code, const char *data, const char *message)
{
    return json_pack("{s:i, s:s, s:o}", "code", troupe_error_rpc_code(code), "message", message,
                     "data", error_data(code, data));
}

static void write_error(troupe_buffer *out, const json_t *id, troupe_error code, const char *data,
                        const char *message)
{
    json_t *error = message != NULL ? error_object(code, data, message) : NULL;
    if (error == NULL) { /* no message, or one that is not UTF-8 */
        error = error_object(code, data, troupe_error_text(code));
    }
    append(out, "{\"jsonrpc\":\"2.0\",\"error\":");
    append_json(out, error);
    append(out, ",\"id\":");
    append_json(out, id);
    append(out, "}");
    json_decref(error);
}

static void write_result(troupe_buffer *out, const json_t *id, const char *text, size_t len)
{
    append(out, "{\"jsonrpc\":\"2.0\",\"result\":");
    troupe_buffer_append(out, text, len);
    append(out, ",\"id\":");
    append_json(out, id);
    append(out, "}");
}

static void call_done(bridge *server, rpc_call *call, troupe_error outcome)
{
    call->state = RPC_DONE;
    atomic_fetch_add(&server->counters.calls, 1);
    if (outcome != TROUPE_OK) {
        atomic_fetch_add(&server->counters.failures, 1);
    }
    if (troupe_log_enabled(TROUPE_LOG_DEBUG)) {
        double ms = (double)(bridge_now_ns() - call->started_ns) / 1e6;
        troupe_log(TROUPE_LOG_DEBUG, "bridge", "call",
                   call->method != NULL ? call->method->name : NULL, "%s after %.1f ms",
                   troupe_error_name(outcome), ms);
    }
}

void rpc_call_fault(bridge *server, rpc_call *call, troupe_error code, const char *data,
                    const char *message)
{
    if (!call->quiet) {
        troupe_buffer_clear(&call->answer);
        write_error(&call->answer, call->id, code, data, message);
    }
    call_done(server, call, code);
}

void rpc_call_failed(bridge *server, rpc_call *call, troupe_error error,
                     const troupe_envelope *answer)
{
    if (answer == NULL) {
        rpc_call_fault(server, call, error, NULL, NULL);
        return;
    }
    troupe_fault_view fault;
    troupe_fault_read(answer, &fault);
    char *message = strndup(fault.message != NULL ? fault.message : "", fault.message_len);
    char *data = fault.data != NULL ? strndup(fault.data, fault.data_len) : NULL;
    rpc_call_fault(server, call, error, data, message);
    free(message);
    free(data);
}

void rpc_call_reply(bridge *server, rpc_call *call, troupe_bytes payload)
{
    if (call->method->route == ROUTE_NAMED) {
        json_t *value = named_value(payload);
        if (value == NULL) {
            rpc_call_fault(server, call, TROUPE_EPROTOCOL, NULL,
                           "the answer cannot be said in JSON");
        } else {
            rpc_call_result(server, call, value);
        }
        return;
    }
    const char *text = "null";
    size_t len = 4;
    bool nil = payload.len == 0 || (payload.len == 1 && payload.data[0] == 0xc0);
    if (!nil && troupe_payload_json(payload, &text, &len) != TROUPE_OK) {
        rpc_call_fault(server, call, TROUPE_EINTERNAL, NULL, "the answer was not JSON");
        return;
    }
    if (call->changes != 0) {
        status_cache_put(&server->status, call->changes, bridge_now_ns(), text, len);
    }
    if (!call->quiet) {
        write_result(&call->answer, call->id, text, len);
    }
    call_done(server, call, TROUPE_OK);
}

void rpc_call_result(bridge *server, rpc_call *call, json_t *value)
{
    char *text = value != NULL ? json_dumps(value, DUMP_FLAGS) : NULL;
    json_decref(value);
    if (text == NULL) {
        rpc_call_fault(server, call, TROUPE_EINTERNAL, NULL, "the result could not be written");
        return;
    }
    if (!call->quiet) {
        write_result(&call->answer, call->id, text, strlen(text));
    }
    call_done(server, call, TROUPE_OK);
    free(text);
}

void rpc_call_posted(bridge *server, rpc_call *call, troupe_error error)
{
    troupe_buffer_fini(&call->payload);
    if (error == TROUPE_OK) {
        rpc_call_result(server, call, json_pack("{s:b}", "posted", 1));
    } else {
        rpc_call_unsent(server, call, error);
    }
}

bool rpc_call_redirect(const bridge *server, rpc_call *call, troupe_error error)
{
    if (error != TROUPE_EGONE || call->method->route != ROUTE_TARGET) {
        return false;
    }
    troupe_address gone = call->to;
    call->to = troupe_whereis(server->system, NAME_CONNECTIONS);
    return call->to != 0 && call->to != gone;
}

void rpc_call_unsent(bridge *server, rpc_call *call, troupe_error error)
{
    if (error == TROUPE_EBUSY) {
        rpc_call_fault(server, call, TROUPE_EBUSY, "{\"retry_after_ms\":100}", NULL);
        return;
    }
    if (error == TROUPE_EGONE && call->method->route != ROUTE_NAMED) {
        rpc_call_fault(server, call, TROUPE_EUNAVAILABLE, NULL,
                       "whoever answers this method is being restarted");
        return;
    }
    rpc_call_fault(server, call, error, NULL, NULL);
}

/* Requests ---------------------------------------------------------------------------------- */

/* Who answers: the target's own actor if it is named exactly, else the owner. 0 = nobody. */
static troupe_address find_owner(bridge *server, const rpc_method *method, const json_t *params)
{
    if (method->route == ROUTE_ACTOR) {
        return troupe_whereis(server->system, method->owner);
    }
    const char *target = json_string_value(json_object_get(params, "target"));
    char name[64];
    if (target != NULL && strlen(target) + strlen(NAME_TARGET) < sizeof name) {
        snprintf(name, sizeof name, "%s%s", NAME_TARGET, target);
        troupe_address address = troupe_whereis(server->system, name);
        if (address != 0) {
            return address;
        }
    }
    return troupe_whereis(server->system, NAME_CONNECTIONS);
}

static void call_local(bridge *server, rpc_call *call)
{
    json_t *result = NULL;
    troupe_reason reason = {""};
    troupe_error error = local_answer(server, call->method, call->params, &result, &reason);
    if (error != TROUPE_OK) {
        rpc_call_fault(server, call, error, NULL, reason.text[0] != '\0' ? reason.text : NULL);
        return;
    }
    call->stops = strcmp(call->method->name, "stop") == 0 &&
                  !json_is_true(json_object_get(call->params, "drain"));
    rpc_call_result(server, call, result);
}

static void call_prepare(bridge *server, rpc_call *call)
{
    const json_t *epoch = json_object_get(call->params, "epoch");
    call->meta.has_epoch = epoch != NULL;
    call->meta.epoch = epoch != NULL ? (uint64_t)json_integer_value(epoch) : 0;
    if (call->method->route == ROUTE_NAMED) {
        named_prepare(server, call);
        return;
    }
    call->verb = call->method->name;
    call->to = find_owner(server, call->method, call->params);
    if (call->to == 0) {
        rpc_call_fault(server, call, TROUPE_EUNAVAILABLE, NULL,
                       "whoever answers this method is not there at present");
        return;
    }
    if (json_pack_payload(&call->payload, call->params) != TROUPE_OK) {
        rpc_call_fault(server, call, TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    json_decref(call->params);
    call->params = NULL;
    call->state = RPC_CALL;
}

/* The seeds' clients send `epoch` beside the params. */
static void take_outer_epoch(const json_t *request, json_t *params)
{
    json_t *epoch = json_object_get(request, "epoch");
    if (json_is_integer(epoch) && json_object_get(params, "epoch") == NULL) {
        json_object_set(params, "epoch", epoch);
    }
}

/* `status` is answered here as long as nothing that it shows has changed. */
static bool answered_from_cache(bridge *server, rpc_call *call)
{
    if (call->method->owner == NULL || strcmp(call->method->name, "status") != 0) {
        return false;
    }
    troupe_buffer text = {0};
    call->changes = board_changes(server->options);
    bool kept =
        status_cache_get(&server->status, call->changes, bridge_now_ns(), &text) && !text.failed;
    if (kept && !call->quiet) {
        write_result(&call->answer, call->id, (const char *)text.data, text.len);
    }
    if (kept) {
        call_done(server, call, TROUPE_OK);
    }
    troupe_buffer_fini(&text);
    return kept;
}

static void call_route(bridge *server, rpc_call *call, const json_t *request)
{
    const json_t *params = json_object_get(request, "params");
    troupe_reason reason = {""};
    troupe_error error = method_params(call->method, params, &call->params, &reason);
    if (error != TROUPE_OK) {
        rpc_call_fault(server, call, error, NULL, reason.text[0] != '\0' ? reason.text : NULL);
        return;
    }
    if (call->method->begins && atomic_load(&server->draining)) {
        rpc_call_fault(server, call, TROUPE_EUNAVAILABLE, "{\"draining\":true}",
                       "the host is draining: nothing new begins");
        return;
    }
    take_outer_epoch(request, call->params);
    call->timeout_ms = method_timeout_ms(call->method, call->params);
    if (call->method->route == ROUTE_LOCAL) {
        call_local(server, call);
    } else if (call->method->route == ROUTE_CLIENT) {
        call->state = RPC_CLIENT;
    } else if (!answered_from_cache(server, call)) {
        call_prepare(server, call);
    }
}

/* Why it is no request object; NULL if it is one. */
static const char *request_flaw(const json_t *request)
{
    if (!json_is_object(request)) {
        return "a request must be an object";
    }
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    if (version == NULL || strcmp(version, "2.0") != 0) {
        return "\"jsonrpc\" must be \"2.0\"";
    }
    if (!json_is_string(json_object_get(request, "method"))) {
        return "\"method\" must be a string";
    }
    const json_t *params = json_object_get(request, "params");
    if (params != NULL && !json_is_object(params) && !json_is_array(params)) {
        return "\"params\" must be an object or an array";
    }
    const json_t *id = json_object_get(request, "id");
    if (id != NULL && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)) {
        return "\"id\" must be a string, a number or null";
    }
    return NULL;
}

static void call_read(bridge *server, const char *peer, rpc_call *call, const json_t *request,
                      bool websocket)
{
    call->started_ns = bridge_now_ns();
    json_t *id = json_object_get(request, "id");
    if (json_is_string(id) || json_is_number(id) || json_is_null(id)) {
        call->id = json_incref(id);
    }
    const char *flaw = request_flaw(request);
    if (flaw != NULL) {
        rpc_call_fault(server, call, TROUPE_EREQUEST, NULL, flaw);
        return;
    }
    call->quiet = call->id == NULL;
    uint32_t wait_ms = rate_gate_pass(&server->gate, peer, call->started_ns);
    if (wait_ms > 0) {
        char data[48];
        snprintf(data, sizeof data, "{\"retry_after_ms\":%u}", wait_ms);
        atomic_fetch_add(&server->counters.overload, 1);
        rpc_call_fault(server, call, TROUPE_EBUSY, data,
                       "more calls than [limits] calls_per_second allows");
        return;
    }
    json_t *name = json_object_get(request, "method");
    call->method = method_find(json_string_value(name), json_string_length(name));
    if (call->method == NULL) {
        rpc_call_fault(server, call, TROUPE_EMETHOD, NULL, NULL);
    } else if (call->method->route == ROUTE_CLIENT && !websocket) {
        rpc_call_fault(server, call, TROUPE_EMETHOD, NULL, "this method exists on GET /ws only");
    } else {
        call_route(server, call, request);
    }
}

/* Messages ---------------------------------------------------------------------------------- */

bool rpc_depth_within(const char *text, size_t len)
{
    return json_depth_within(text, len, RPC_DEPTH_MAX);
}

static troupe_error refuse(troupe_buffer *fault, troupe_error code, const char *message)
{
    write_error(fault, NULL, code, NULL, message);
    return code;
}

static troupe_error parse(const char *text, size_t len, json_t **out, troupe_buffer *fault)
{
    if (!rpc_depth_within(text, len)) {
        return refuse(fault, TROUPE_ELIMIT, "nested deeper than 128 levels");
    }
    json_error_t error;
    *out = json_loadb(text, len, PARSE_FLAGS, &error);
    if (*out == NULL) {
        troupe_reason reason;
        (void)troupe_fail(&reason, TROUPE_EPARSE, "%s (line %d, column %d, byte %d)", error.text,
                          error.line, error.column, error.position);
        return refuse(fault, TROUPE_EPARSE, reason.text);
    }
    return TROUPE_OK;
}

static troupe_error read_calls(bridge *server, const char *peer, const json_t *root, bool websocket,
                               rpc_message *out, troupe_buffer *fault)
{
    out->batch = json_is_array(root);
    out->count = out->batch ? json_array_size(root) : 1;
    if (out->count == 0) {
        return refuse(fault, TROUPE_EREQUEST, "an empty batch");
    }
    if (out->count > RPC_BATCH_MAX) {
        return refuse(fault, TROUPE_ELIMIT, "more than 1000 requests in one batch");
    }
    out->calls = calloc(out->count, sizeof *out->calls);
    if (out->calls == NULL) {
        return refuse(fault, TROUPE_ENOMEM, NULL);
    }
    for (size_t i = 0; i < out->count; i++) {
        call_read(server, peer, &out->calls[i], out->batch ? json_array_get(root, i) : root,
                  websocket);
        out->stop = out->stop || out->calls[i].stops;
    }
    return TROUPE_OK;
}

troupe_error rpc_message_read(bridge *server, const char *peer, const char *text, size_t len,
                              bool websocket, rpc_message *out, troupe_buffer *fault)
{
    json_t *root;
    memset(out, 0, sizeof *out);
    troupe_error error = parse(text, len, &root, fault);
    if (error != TROUPE_OK) {
        return error;
    }
    error = read_calls(server, peer, root, websocket, out, fault);
    json_decref(root);
    return error;
}

void rpc_message_write(const rpc_message *message, troupe_buffer *out)
{
    const char *separator = message->batch ? "[" : "";
    for (size_t i = 0; i < message->count; i++) {
        const rpc_call *call = &message->calls[i];
        if (call->answer.len > 0) {
            append(out, separator);
            troupe_buffer_append(out, call->answer.data, call->answer.len);
            separator = ",";
        }
    }
    if (message->batch && separator[0] == ',') {
        append(out, "]");
    }
}

void rpc_message_fini(rpc_message *message)
{
    for (size_t i = 0; i < message->count && message->calls != NULL; i++) {
        rpc_call *call = &message->calls[i];
        json_decref(call->id);
        json_decref(call->params);
        free(call->own_verb);
        troupe_buffer_fini(&call->payload);
        troupe_buffer_fini(&call->answer);
    }
    free(message->calls);
    memset(message, 0, sizeof *message);
}

/* Calls of an HTTP worker
 * -------------------------------------------------------------------------- */

typedef struct gathering {
    bridge *server;
    troupe_guest *guest;
    rpc_message *message;
    size_t open; /* calls in flight */
    bool cancelled;
} gathering;

/* The host is stopping: give up what is in flight, once. */
static void give_up(gathering *work)
{
    if (work->cancelled || !atomic_load(&work->server->stopping)) {
        return;
    }
    work->cancelled = true;
    for (size_t i = 0; i < work->message->count; i++) {
        rpc_call *call = &work->message->calls[i];
        if (call->state == RPC_CALL && call->owner != NULL) {
            troupe_guest_cancel(work->guest, *(uint64_t *)call->owner);
        }
    }
}

static void gather_one(gathering *work)
{
    troupe_answer answer;
    troupe_error error = troupe_guest_wait(work->guest, STOP_CHECK_MS, &answer);
    if (error == TROUPE_ENOTFOUND) {
        work->open = 0;
        return;
    }
    if (error != TROUPE_OK) {
        give_up(work);
        return;
    }
    rpc_call *call = answer.context;
    if (answer.error == TROUPE_OK) {
        rpc_call_reply(work->server, call, answer.payload);
    } else {
        rpc_call_fault(work->server, call, answer.error, answer.data, answer.message);
    }
    work->open--;
    troupe_answer_fini(&answer);
}

static void start_call(gathering *work, rpc_call *call, uint64_t *ref)
{
    for (;;) {
        troupe_error error = troupe_guest_call_start(work->guest, call->to, call->verb, &call->meta,
                                                     troupe_buffer_bytes(&call->payload),
                                                     call->timeout_ms, call, ref);
        if (error == TROUPE_EBUSY && work->open > 0) {
            gather_one(work); /* our own calls fill the mailbox: let one end first */
            continue;
        }
        if (rpc_call_redirect(work->server, call, error)) {
            continue;
        }
        if (error == TROUPE_OK) {
            call->owner = ref;
            work->open++;
        } else {
            rpc_call_unsent(work->server, call, error);
        }
        troupe_buffer_fini(&call->payload);
        return;
    }
}

static void run_calls(bridge *server, troupe_guest *guest, rpc_message *message)
{
    uint64_t *refs = calloc(message->count, sizeof *refs);
    gathering work = {server, guest, message, 0, false};
    for (size_t i = 0; i < message->count; i++) {
        rpc_call *call = &message->calls[i];
        if (call->state == RPC_POST) {
            rpc_call_posted(server, call,
                            troupe_guest_post(guest, call->to, TROUPE_CAST, call->verb, &call->meta,
                                              troupe_buffer_bytes(&call->payload)));
        }
        if (call->state != RPC_CALL) {
            continue;
        }
        if (refs == NULL) {
            rpc_call_fault(server, call, TROUPE_ENOMEM, NULL, NULL);
        } else {
            start_call(&work, call, &refs[i]);
        }
    }
    while (work.open > 0) {
        gather_one(&work);
    }
    for (size_t i = 0; i < message->count; i++) {
        if (message->calls[i].state != RPC_DONE) {
            rpc_call_fault(server, &message->calls[i], TROUPE_EINTERNAL, NULL, NULL);
        }
    }
    free(refs);
}

void rpc_serve(bridge *server, troupe_guest *guest, const char *peer, const char *text, size_t len,
               troupe_buffer *out, bool *stop)
{
    rpc_message message;
    if (rpc_message_read(server, peer, text, len, false, &message, out) == TROUPE_OK) {
        run_calls(server, guest, &message);
        rpc_message_write(&message, out);
        *stop = message.stop;
    }
    rpc_message_fini(&message);
}

json_t *rpc_ask(bridge *server, troupe_guest *guest, const char *peer, const char *method,
                json_t *params)
{
    json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method", method,
                                "params", params);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    troupe_buffer out = {0};
    bool stop = false;
    if (text != NULL) {
        rpc_serve(server, guest, peer, text, strlen(text), &out, &stop);
    }
    free(text);
    json_t *answer = out.failed ? NULL : json_loadb((const char *)out.data, out.len, 0, NULL);
    troupe_buffer_fini(&out);
    return answer;
}
