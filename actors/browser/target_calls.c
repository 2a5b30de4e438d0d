/* SPDX-License-Identifier: MIT */
/*
 * The target's commands that are under way, and what their silence says.
 *
 *   answers -> (a call waits for longer than [limits] unresponsive_after_ms, or ran out of time)
 *           -> probed -> (no answer to that either) silent -> (the probe is answered) answers
 *
 * While it is silent it takes a few calls, which may be answered when it is back, and what may free
 * it; the rest is told BUSY at once. A target that nobody waits for is not probed.
 */
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "target_state.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define SILENT_CALLS_MAX 4     /* that wait for a target which does not answer */
#define PROBE_WAIT_MS    2000  /* at most, before a probe counts as unanswered */
#define PROBE_LIFE_MS    60000 /* then another one is sent */

/* A command under way. */
struct target_call {
    target_call *prev;
    target_call *next;
    target *owner;
    troupe_answer_fn fn;
    void *context;
    const target_part *part; /* of whose session; NULL = of the main session, or none */
    bool main;               /* of the main session */
    bool lost;               /* its session ended: nobody will answer */
    uint64_t ref;
    uint64_t sent_ns;
};

/* Telling ---------------------------------------------------------------------------------------
 */

void target_tell_health(target *state)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:I,s:U,s:b,s:j#}", "target", state->id, "silent_us",
                state->silent_us, "waiting", (uint64_t)state->main_calls, "paused", state->paused,
                "dialog", state->dialog, state->dialog != NULL ? strlen(state->dialog) : (size_t)0);
    target_tell(state, VERB_TARGET_HEALTH, &payload);
}

static void set_silent(target *state, int64_t since_us)
{
    if ((state->silent_us != 0) == (since_us != 0)) {
        return;
    }
    troupe_log(TROUPE_LOG_INFO, "target", since_us != 0 ? "unresponsive" : "responsive", state->id,
               "%zu calls wait", state->main_calls);
    state->silent_us = since_us;
    target_tell_health(state);
}

/* Probing ---------------------------------------------------------------------------------------
 */

static troupe_error call_browser(target *state, const char *session, const char *method,
                                 const char *params, size_t params_len, uint32_t timeout_ms,
                                 troupe_answer_fn fn, void *context, uint64_t *ref)
{
    troupe_buffer payload = {0};
    troupe_error error =
        troupe_pack(&payload, "[s,s,j#]", method, session, params, params != NULL ? params_len : 0);
    if (error == TROUPE_OK) {
        error = troupe_call(state->self, state->browser, VERB_BROWSER_COMMAND, NULL,
                            troupe_buffer_bytes(&payload), timeout_ms, fn, context, ref);
    }
    troupe_buffer_fini(&payload);
    return error;
}

static const target_call *oldest(const target *state)
{
    const target_call *call = state->calls;
    while (call != NULL && !call->main) {
        call = call->next;
    }
    return call;
}

static uint64_t waited_ns(const target *state)
{
    const target_call *call = oldest(state);
    return call != NULL ? troupe_now_ns(state->self) - call->sent_ns : 0;
}

static void on_probe_unanswered(troupe_actor *self, void *context)
{
    (void)self;
    target *state = context;
    uint64_t waited_us = waited_ns(state) / 1000;
    state->verdict_timer = 0;
    set_silent(state, json_wall_us() - (int64_t)waited_us);
}

static void on_probed(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    target *state = context;
    state->probing = false;
    if (answer != NULL && (error == TROUPE_OK || error == TROUPE_ECDP)) {
        troupe_timer_cancel(self, state->verdict_timer);
        state->verdict_timer = 0;
        set_silent(state, 0);
    } /* else the next look sends another one */
}

static void probe(target *state)
{
    static const char params[] = "{\"expression\":\"0\",\"silent\":true,\"returnByValue\":true}";
    uint32_t wait_ms = state->host->unresponsive_after_ms;
    if (state->probing || (state->phase != TARGET_CONNECTED && state->phase != TARGET_CONNECTING)) {
        return;
    }
    state->probing =
        call_browser(state, state->session, "Runtime.evaluate", params, sizeof params - 1,
                     PROBE_LIFE_MS, on_probed, state, &state->probe_ref) == TROUPE_OK;
    if (state->probing && state->silent_us == 0 && state->verdict_timer == 0 &&
        troupe_timer_start(state->self, wait_ms < PROBE_WAIT_MS ? wait_ms : PROBE_WAIT_MS, 0,
                           on_probe_unanswered, state, &state->verdict_timer) != TROUPE_OK) {
        state->verdict_timer = 0; /* the next look tries again */
    }
}

/* Runs only while something is under way. */
static void on_look(troupe_actor *self, void *context)
{
    target *state = context;
    uint64_t limit_ns = (uint64_t)state->host->unresponsive_after_ms * 1000000u;
    uint64_t waited = waited_ns(state);
    state->look_timer = 0;
    if (oldest(state) == NULL && !state->probing && state->silent_us == 0) {
        return;
    }
    if (waited >= limit_ns || state->silent_us != 0) {
        probe(state);
    }
    uint32_t left_ms = (uint32_t)((waited < limit_ns ? limit_ns - waited : limit_ns) / 1000000u);
    if (troupe_timer_start(self, left_ms > 0 ? left_ms : 1, 0, on_look, state,
                           &state->look_timer) != TROUPE_OK) {
        state->look_timer = 0;
    }
}

void target_calls_reset(target *state)
{
    troupe_timer_cancel(state->self, state->verdict_timer);
    state->verdict_timer = 0;
    if (state->probing) {
        troupe_cancel(state->self, state->probe_ref);
    }
    state->silent_us = 0;
    state->paused = false;
    free(state->dialog);
    state->dialog = NULL;
}

/* Commands --------------------------------------------------------------------------------------
 */

static void call_free(target_call *call)
{
    DL_DELETE(call->owner->calls, call);
    call->owner->main_calls -= call->main ? 1 : 0;
    free(call);
}

static void on_call_answered(troupe_actor *self, void *context, troupe_error error,
                             const troupe_envelope *answer)
{
    target_call *call = context;
    target *state = call->owner;
    troupe_answer_fn fn = call->fn;
    void *its = call->context;
    bool lost = call->lost;
    bool late = call->main && error == TROUPE_ETIMEOUT && answer == NULL;
    call_free(call);
    if (late) {
        probe(state); /* whether it is slow or does not answer at all */
    }
    fn(self, its, lost ? TROUPE_ECLOSED : error, lost ? NULL : answer);
}

/* What may free a target that does not answer: Chrome itself sees to it, not the page. */
static bool is_urgent(const char *method)
{
    static const char *const urgent[] = {"Runtime.terminateExecution",
                                         "Page.handleJavaScriptDialog",
                                         "Page.close",
                                         "Page.crash",
                                         "Page.stopLoading",
                                         "Page.navigate",
                                         "Page.reload",
                                         "Debugger.resume",
                                         "Runtime.runIfWaitingForDebugger"};
    for (size_t i = 0; i < sizeof urgent / sizeof *urgent; i++) {
        if (strcmp(method, urgent[i]) == 0) {
            return true;
        }
    }
    return false;
}

troupe_error target_command(target *state, const char *session, const char *method,
                            const char *params, size_t params_len, uint32_t timeout_ms,
                            troupe_answer_fn fn, void *context, uint64_t *ref)
{
    bool main = session != NULL && strcmp(session, state->session) == 0;
    if (main && state->silent_us != 0 && state->main_calls >= SILENT_CALLS_MAX &&
        !is_urgent(method)) {
        return TROUPE_EBUSY;
    }
    target_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return TROUPE_ENOMEM;
    }
    *call = (target_call){.owner = state,
                          .fn = fn,
                          .context = context,
                          .part = main || session == NULL ? NULL : target_part_find(state, session),
                          .main = main,
                          .sent_ns = troupe_now_ns(state->self)};
    troupe_error error = call_browser(state, session, method, params, params_len, timeout_ms,
                                      on_call_answered, call, &call->ref);
    if (error != TROUPE_OK) {
        free(call);
        return error;
    }
    DL_APPEND(state->calls, call);
    state->main_calls += main ? 1 : 0;
    if (ref != NULL) {
        *ref = call->ref;
    }
    if (main && state->look_timer == 0 &&
        troupe_timer_start(state->self, state->host->unresponsive_after_ms, 0, on_look, state,
                           &state->look_timer) != TROUPE_OK) {
        state->look_timer = 0;
    }
    return TROUPE_OK;
}

void target_calls_lose(target *state, const target_part *part)
{
    for (target_call *call = state->calls; call != NULL; call = call->next) {
        if (part != NULL ? call->part == part : call->main) {
            call->lost = true;
            call->part = NULL;
            troupe_cancel(state->self, call->ref);
        }
    }
}

void target_calls_fini(target *state)
{
    while (state->calls != NULL) {
        call_free(state->calls);
    }
    free(state->dialog);
}

void target_fault_unsent(target *state, troupe_caller caller, const char *method,
                         troupe_error error)
{
    error =
        error == TROUPE_EGONE ? TROUPE_ECLOSED : error; /* the browser's actor: its connection */
    if (error != TROUPE_EBUSY || state->silent_us == 0) {
        troupe_fault(state->self, caller, error, NULL, "%s: %s", method, troupe_error_text(error));
        return;
    }
    int64_t silent_ms = (json_wall_us() - state->silent_us) / 1000;
    json_fault(state->self, caller, TROUPE_EBUSY,
               json_pack("{s:s, s:I, s:I, s:i}", "target", state->id, "unresponsive_ms",
                         (json_int_t)silent_ms, "waiting", (json_int_t)state->main_calls,
                         "retry_after_ms", (int)state->host->unresponsive_after_ms),
               "%s has not answered for %lld s%s, and %zu calls wait for it", state->id,
               (long long)(silent_ms / 1000), state->dialog != NULL ? " (a dialog is open)" : "",
               state->main_calls);
}

/* Events that say why it may not answer ---------------------------------------------------------
 */

void target_follow_health(target *state, const troupe_envelope *event, const char *params,
                          size_t params_len)
{
    if (troupe_verb_is(event, "Page.javascriptDialogOpening")) {
        json_t *chrome = json_text(params, params_len);
        json_t *dialog =
            json_pack("{s:O?, s:O?, s:O?}", "type", json_object_get(chrome, "type"), "message",
                      json_object_get(chrome, "message"), "url", json_object_get(chrome, "url"));
        free(state->dialog);
        state->dialog = dialog != NULL ? json_dumps(dialog, JSON_COMPACT) : NULL;
        json_decref(dialog);
        json_decref(chrome);
    } else if (troupe_verb_is(event, "Page.javascriptDialogClosed")) {
        free(state->dialog);
        state->dialog = NULL;
    } else if (troupe_verb_is(event, "Debugger.paused") ||
               troupe_verb_is(event, "Debugger.resumed")) {
        bool paused = troupe_verb_is(event, "Debugger.paused");
        if (paused == state->paused) {
            return;
        }
        state->paused = paused;
    } else {
        return;
    }
    target_tell_health(state);
}
