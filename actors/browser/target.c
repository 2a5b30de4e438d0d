/* SPDX-License-Identifier: MIT */
/*
 * The target actor's life: enables the domains of its sessions, follows its page by those events
 * that change something, and answers methods (target_methods.c). The browser actor records events.
 *
 *   connecting -> connected -> disconnecting -> (ends)
 *   connecting -> disconnecting (a domain could not be enabled) -> (ends)
 *   connected -> crashed -> connected (reloaded)    connected -> suspended -> connected
 */
#include "target.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "misfortune.h"
#include "runtime/text.h"
#include "target_state.h"
#include "transport/json_scan.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

const char *target_phase_name(target_phase phase)
{
    static const char *const names[] = {"connecting", "connected", "crashed", "suspended",
                                        "disconnecting"};
    return names[phase];
}

void target_tell(target *state, const char *verb, troupe_buffer *payload)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_CONNECTIONS);
    troupe_error error = to != 0 ? troupe_post(state->self, to, TROUPE_CAST, verb, NULL,
                                               troupe_buffer_bytes(payload))
                                 : TROUPE_OK;
    if (error == TROUPE_EBUSY) { /* told anew when there is room: what counts is what is so then */
        error = troupe_await_room(state->self, to);
    }
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "target", "notice-lost", state->id, "%s: %s", verb,
                   troupe_error_text(error));
    }
    troupe_buffer_fini(payload);
}

void target_tell_state(target *state)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:U,s:s,s:U,s:s,s:b}", "target", state->id, "address",
                troupe_self_address(state->self), "state", target_phase_name(state->phase), "epoch",
                state->epoch, "reason", state->reason, "inspecting", state->inspecting);
    target_tell(state, VERB_TARGET_STATE, &payload);
}

static void set_phase(target *state, target_phase next, const char *reason)
{
    static const bool legal[5][5] = {
        [TARGET_CONNECTING] = {[TARGET_CONNECTED] = true,
                               [TARGET_DISCONNECTING] = true,
                               [TARGET_CRASHED] = true,
                               [TARGET_SUSPENDED] = true},
        [TARGET_CONNECTED] =
            {[TARGET_CRASHED] = true, [TARGET_SUSPENDED] = true, [TARGET_DISCONNECTING] = true},
        [TARGET_CRASHED] = {[TARGET_CONNECTED] = true, [TARGET_DISCONNECTING] = true},
        [TARGET_SUSPENDED] = {[TARGET_CONNECTED] = true, [TARGET_DISCONNECTING] = true},
        [TARGET_DISCONNECTING] = {[TARGET_DISCONNECTING] = true},
    };
    if (!legal[state->phase][next]) {
        return;
    }
    troupe_log(TROUPE_LOG_DEBUG, "target", "state", state->id, "%s -> %s (%s)",
               target_phase_name(state->phase), target_phase_name(next), reason);
    state->phase = next;
    if (next == TARGET_CONNECTED) {
        state->epoch++;
    }
    snprintf(state->reason, sizeof state->reason, "%s", reason);
    target_tell_state(state);
}

target_request *target_request_new(target *state, troupe_caller caller)
{
    target_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        return NULL;
    }
    request->owner = state;
    request->caller = caller;
    DL_APPEND(state->requests, request);
    return request;
}

void target_request_free(target_request *request)
{
    DL_DELETE(request->owner->requests, request);
    troupe_timer_cancel(request->owner->self, request->timer);
    target_task_leave_turn(request);
    json_decref(request->params);
    json_decref(request->kept);
    free(request->text);
    free(request->session);
    free(request->part);
    free(request);
}

/* Enabling ---------------------------------------------------------------------------------- */

typedef struct enable_step {
    const char *method;
    const char *params;
    const char *types; /* of targets it is for, each between spaces */
} enable_step;

#define PAGES   " page iframe background_page webview other "
#define WORKERS " worker service_worker shared_worker "

/* The last one lets a target go on that Chrome holds back at birth. */
static const enable_step enable_steps[TARGET_ENABLE_STEPS] = {
    {"Page.enable", NULL, PAGES},
    {"Page.setLifecycleEventsEnabled", "{\"enabled\":true}", PAGES},
    {"Network.enable",
     "{\"maxTotalBufferSize\":50000000,\"maxResourceBufferSize\":10000000,"
     "\"maxPostDataSize\":65536}",
     PAGES WORKERS},
    {"Runtime.enable", NULL, PAGES WORKERS},
    {"Log.enable", NULL, PAGES},
    {"Inspector.enable", NULL, PAGES},
    {"Target.setAutoAttach",
     "{\"autoAttach\":true,\"waitForDebuggerOnStart\":true,\"flatten\":true,\"filter\":"
     "[{\"type\":\"iframe\"},{\"type\":\"worker\"}]}",
     PAGES WORKERS},
    {"Runtime.runIfWaitingForDebugger", NULL, PAGES WORKERS},
};

static void enabled_all(target *state)
{
    if (state->failure[0] == '\0') {
        set_phase(state, TARGET_CONNECTED, "all domains enabled");
        return;
    }
    troupe_log(TROUPE_LOG_WARN, "target", "not-connected", state->id, "%s", state->failure);
    misfortune_tell(state->self, state->id, "%s", state->failure);
    set_phase(state, TARGET_DISCONNECTING, state->failure);
    troupe_exit(state->self, TROUPE_ECDP); /* the browser detaches the session */
}

/* Whether Chrome's answer means "this kind of target has no such domain". */
static bool is_unknown_method(const troupe_envelope *answer)
{
    troupe_fault_view fault;
    troupe_fault_read(answer, &fault);
    return fault.code == TROUPE_ECDP && fault.data != NULL &&
           memmem(fault.data, fault.data_len, "-32601", 6) != NULL;
}

static void note_failure(target *state, const char *method, troupe_error error,
                         const troupe_envelope *answer)
{
    troupe_fault_view fault = {.message = ""};
    if (state->failure[0] != '\0') {
        return;
    }
    if (answer != NULL) {
        troupe_fault_read(answer, &fault);
    }
    if (error == TROUPE_ETIMEOUT) {
        snprintf(state->failure, sizeof state->failure, "%s: no answer within %u ms%s", method,
                 state->host->enable_timeout_ms,
                 state->dialog != NULL ? " (a dialog is open)" : "");
    } else {
        snprintf(state->failure, sizeof state->failure, "%s: %.*s", method,
                 answer != NULL ? (int)fault.message_len : (int)strlen(troupe_error_text(error)),
                 answer != NULL ? fault.message : troupe_error_text(error));
        text_repair(state->failure);
    }
}

static void on_enabled(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    (void)self;
    const target_enabling *item = context;
    target *state = item->owner;
    if (error != TROUPE_OK && (answer == NULL || !is_unknown_method(answer))) {
        note_failure(state, item->step->method, error, answer);
    }
    if (--state->enabling == 0 && state->phase == TARGET_CONNECTING) {
        enabled_all(state);
    }
}

static void on_part_enabled(troupe_actor *self, void *context, troupe_error error,
                            const troupe_envelope *answer)
{
    (void)self;
    target *state = context;
    if (error != TROUPE_OK && answer != NULL && !is_unknown_method(answer)) {
        /* A frame or worker that went away meanwhile; its page stays connected. */
        troupe_log(TROUPE_LOG_DEBUG, "target", "child-not-enabled", state->id, "%s",
                   troupe_error_name(error));
    }
}

static bool is_for(const enable_step *step, const char *type)
{
    char word[40];
    snprintf(word, sizeof word, " %s ", type);
    return strstr(step->types, word) != NULL;
}

static troupe_error send_step(target *state, const char *session, const enable_step *step,
                              troupe_answer_fn fn, void *context)
{
    return target_command(state, session, step->method, step->params,
                          step->params != NULL ? strlen(step->params) : 0,
                          state->host->enable_timeout_ms, fn, context, NULL);
}

static void begin_step(target *state, size_t number)
{
    const enable_step *step = &enable_steps[number];
    target_enabling *item = &state->enablings[number];
    *item = (target_enabling){.owner = state, .step = step};
    troupe_error error = send_step(state, state->session, step, on_enabled, item);
    if (error == TROUPE_OK) {
        state->enabling++;
    } else {
        note_failure(state, step->method, error, NULL);
    }
}

/* All at once, in one turn: the time it takes is one round trip, not their sum. */
void target_enable(target *state)
{
    bool any = false;
    for (size_t i = 0; i < sizeof enable_steps / sizeof *enable_steps; i++) {
        if (is_for(&enable_steps[i], state->type)) {
            begin_step(state, i);
            any = true;
        }
    }
    if (!any) {
        snprintf(state->failure, sizeof state->failure, "nothing to enable on a %s", state->type);
    }
    if (state->enabling == 0) {
        enabled_all(state);
    }
}

/* Its answers are waited for by nobody; the last step is what lets it go on. */
static void enable_again(target *state, const char *session, const char *type, bool and_go_on)
{
    size_t count = sizeof enable_steps / sizeof *enable_steps - (and_go_on ? 0 : 1);
    for (size_t i = 0; i < count; i++) {
        if (is_for(&enable_steps[i], type) &&
            send_step(state, session, &enable_steps[i], on_part_enabled, state) != TROUPE_OK) {
            troupe_log(TROUPE_LOG_WARN, "target", "child-not-enabled", state->id, "%s",
                       enable_steps[i].method);
        }
    }
}

void target_enable_part(target *state, const target_part *part)
{
    enable_again(state, part->session, part->type, false);
    target_fetch_part(state, part);
    target_inspect_part(state, part);
}

/* Events ------------------------------------------------------------------------------------ */

/* Of a part, or of the target itself. */
static void on_detached(target *state, const char *params, size_t params_len)
{
    json_span span;
    const char *session;
    size_t len;
    if (target_part_detached(state, params, params_len) ||
        !json_path(params, params_len, "sessionId", &span) ||
        !json_plain_string(span, &session, &len) || len != strlen(state->session) ||
        memcmp(session, state->session, len) != 0) {
        return;
    }
    set_phase(state, TARGET_DISCONNECTING,
              state->detached[0] != '\0' ? state->detached : "detached by the browser");
    troupe_exit(state->self, TROUPE_OK);
}

bool target_session_is(const target *state, const char *session, size_t len)
{
    return len == strlen(state->session) && memcmp(session, state->session, len) == 0;
}

/* Its renderer is gone, or, of a service worker, it was stopped: Chrome says the same. */
static void on_crash(target *state)
{
    bool suspended = strcmp(state->type, "service_worker") == 0;
    set_phase(state, suspended ? TARGET_SUSPENDED : TARGET_CRASHED,
              suspended ? "the service worker was stopped" : "its renderer crashed");
    target_calls_reset(state);
    target_give_up(state);
}

/* Chrome holds a service worker back that is started again; domains may be those of a renderer that
 * crashed before it had enabled them. */
static void on_back(target *state)
{
    bool enabled = state->enabling == 0;
    enable_again(state, state->session, state->type, true);
    target_inspect_back(state);
    if (enabled && (state->phase == TARGET_CRASHED || state->phase == TARGET_SUSPENDED)) {
        set_phase(state, TARGET_CONNECTED, "back");
    }
}

static void on_inspector(target *state, const troupe_envelope *event, const char *params,
                         size_t params_len)
{
    json_span span;
    const char *reason;
    size_t len;
    if (troupe_verb_is(event, "Inspector.targetCrashed")) {
        on_crash(state);
    } else if (troupe_verb_is(event, "Inspector.targetReloadedAfterCrash")) {
        on_back(state);
    } else if (troupe_verb_is(event, "Inspector.detached") &&
               json_path(params, params_len, "reason", &span) &&
               json_plain_string(span, &reason, &len)) {
        snprintf(state->detached, sizeof state->detached, "detached by the browser: %.*s", (int)len,
                 reason);
        text_repair(state->detached);
    }
}

/* The browser dropped events that this actor had no room for. They are recorded all the same. */
static void on_gap(target *state, const troupe_envelope *event)
{
    uint64_t count;
    uint64_t bytes;
    if (troupe_unpack(event->payload, "{s:U,s:U}", "count", &count, "bytes", &bytes) == TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "target", "events-missed", state->id,
                   "%llu events of %llu bytes: no room for them", (unsigned long long)count,
                   (unsigned long long)bytes);
    }
}

static void on_event(target *state, const troupe_envelope *event)
{
    const char *session;
    const char *params;
    size_t session_len;
    size_t params_len;
    if (troupe_unpack(event->payload, "[s#,j#]", &session, &session_len, &params, &params_len) !=
        TROUPE_OK) {
        return;
    }
    if (troupe_verb_is(event, "Target.attachedToTarget")) {
        target_part_attached(state, session, session_len, params, params_len);
    } else if (troupe_verb_is(event, "Target.detachedFromTarget")) {
        on_detached(state, params, params_len);
    } else if (event->verb_len > 15 && memcmp(event->verb, "Page.javascript", 15) == 0) {
        target_follow_health(state, event, params, params_len);
        if (troupe_verb_is(event, "Page.javascriptDialogOpening")) {
            target_task_dialog(state);
        }
    } else if (troupe_verb_is(event, "Fetch.requestPaused")) {
        target_fetch_paused(state, session, session_len, params, params_len);
    } else if (troupe_verb_is(event, "DOM.documentUpdated") ||
               (event->verb_len > 8 && memcmp(event->verb, "Overlay.", 8) == 0)) {
        target_follow_inspect(state, event, session, session_len, params, params_len);
    } else if (troupe_verb_is(event, "Page.screencastFrame")) {
        target_follow_screencast(state, params, params_len);
    } else if (target_session_is(state, session, session_len)) {
        if (event->verb_len > 5 && memcmp(event->verb, "Page.", 5) == 0) {
            target_follow_page(state, event, params, params_len);
        } else if (event->verb_len > 10 && memcmp(event->verb, "Inspector.", 10) == 0) {
            on_inspector(state, event, params, params_len);
        } else if (event->verb_len > 9 && memcmp(event->verb, "Debugger.", 9) == 0) {
            target_follow_health(state, event, params, params_len);
        }
    }
}

/* Ending ------------------------------------------------------------------------------------ */

static void on_detach_answered(troupe_actor *self, void *context, troupe_error error,
                               const troupe_envelope *answer)
{
    target_request *request = context;
    (void)error; /* also when it is gone already: what was asked for is so */
    (void)answer;
    troupe_bytes nil = {NULL, 0};
    troupe_reply(self, request->caller, nil);
    target_request_free(request);
    troupe_exit(self, TROUPE_OK);
}

static void on_detach(target *state, const troupe_envelope *call)
{
    target_request *request = target_request_new(state, troupe_caller_of(call));
    if (request == NULL) {
        return;
    }
    set_phase(state, TARGET_DISCONNECTING, "asked to");
    char params[CHROME_ID_MAX + 32];
    int len = snprintf(params, sizeof params, "{\"sessionId\":\"%s\"}", state->session);
    if (target_command(state, NULL, "Target.detachFromTarget", params, (size_t)len,
                       state->host->enable_timeout_ms, on_detach_answered, request,
                       NULL) != TROUPE_OK) {
        on_detach_answered(state->self, request, TROUPE_ECLOSED, NULL);
    }
}

static void report(target *state)
{
    target_tell_state(state);
    target_tell_health(state);
}

/* Nothing is left to own. Callers hear it in the same words whether this signal or the browser's
 * own answers come first. */
static void on_browser_gone(target *state)
{
    target_request *request;
    DL_FOREACH(state->requests, request)
    {
        troupe_fault(state->self, request->caller, TROUPE_ECLOSED, NULL,
                     "the connection to the browser of %s was lost", state->id);
        request->caller = (troupe_caller){0};
    }
    troupe_exit(state->self, TROUPE_ECLOSED);
}

static troupe_error target_receive(troupe_actor *self, void *context,
                                   const troupe_envelope *envelope)
{
    target *state = context;
    troupe_down down;
    if (envelope->kind == TROUPE_EVENT && troupe_verb_is(envelope, VERB_TARGET_GAP)) {
        on_gap(state, envelope);
    } else if (envelope->kind == TROUPE_EVENT) {
        on_event(state, envelope);
    } else if (envelope->kind == TROUPE_SIGNAL) {
        if (troupe_down_read(envelope, &down) == TROUPE_OK) {
            on_browser_gone(state);
        } else if (troupe_verb_is(envelope, "room")) { /* in connections (target_tell) */
            report(state);
        }
    } else if (troupe_verb_is(envelope, VERB_TARGET_DETACH)) {
        on_detach(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_TARGET_REPORT)) {
        report(state);
    } else if (troupe_verb_is(envelope, VERB_FETCH_APPLY)) {
        target_fetch_apply(state, envelope);
    } else if (!target_method(state, envelope)) {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL,
                     "a target has no method %.*s", (int)envelope->verb_len, envelope->verb);
    }
    return TROUPE_OK;
}

static troupe_error target_start(troupe_actor *self, void *context)
{
    target *state = context;
    state->self = self;
    troupe_error error = troupe_monitor(self, state->browser, NULL);
    if (error == TROUPE_OK && !target_fetch_hello(state)) {
        target_enable(state);
    }
    return error;
}

static void target_stop(troupe_actor *self, void *context, troupe_error reason)
{
    target *state = context;
    state->self = self;
    (void)reason;
    target_record_fini(state);
    target_request *request;
    target_request *next;
    DL_FOREACH(state->requests, request)
    {
        request->queued = false; /* nobody's turn comes any more */
    }
    DL_FOREACH_SAFE(state->requests, request, next)
    {
        target_request_free(request);
    }
    target_calls_fini(state);
    target_parts_fini(state);
    target_script_fini(state);
    target_fetch_fini(state);
    free(state);
}

static const troupe_behaviour behaviour = {
    .kind = "target", .start = target_start, .receive = target_receive, .stop = target_stop};

troupe_error target_prepare(const target_spec *spec, troupe_spawn_options *out)
{
    target *state = calloc(1, sizeof *state + sizeof NAME_TARGET + TARGET_ID_MAX);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    char *name = (char *)(state + 1);
    snprintf(name, sizeof NAME_TARGET + TARGET_ID_MAX, "%s%s", NAME_TARGET, spec->id);
    snprintf(state->id, sizeof state->id, "%s", spec->id);
    snprintf(state->chrome_id, sizeof state->chrome_id, "%s", spec->chrome_id);
    snprintf(state->uid, sizeof state->uid, "%s", spec->uid);
    snprintf(state->type, sizeof state->type, "%s", spec->type);
    snprintf(state->session, sizeof state->session, "%s", spec->session);
    state->host = spec->host;
    state->browser = spec->browser;
    state->epoch = spec->epoch;
    *out = (troupe_spawn_options){.behaviour = &behaviour,
                                  .state = state,
                                  .name = name,
                                  .mailbox_envelopes = 16384,
                                  .mailbox_bytes = 16u << 20};
    return TROUPE_OK;
}
