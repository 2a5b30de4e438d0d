/* SPDX-License-Identifier: MIT */
/*
 * Opens pages at the start of a host, one after the other.
 *
 * AWAITING (asking for browsers until one is up, or the time is over) -> OPENING (a call `open` is
 * on its way) -> ended after the last page.
 */
#include "opener.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "troupe/log.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MS        150 /* only while the first browser starts */
#define OPEN_TIMEOUT_MS 60000

typedef struct opener {
    char **urls;
    size_t count;
    size_t next;
    bool await_browser;
    uint64_t deadline_ns;
} opener;

static void opener_free(opener *state)
{
    for (size_t i = 0; i < state->count; i++) {
        free(state->urls[i]);
    }
    free(state->urls);
    free(state);
}

static void open_next(troupe_actor *self, opener *state);

static void report(const char *url, troupe_error error, const troupe_envelope *answer)
{
    troupe_fault_view fault = {0};
    if (answer != NULL) {
        troupe_fault_read(answer, &fault);
    }
    if (fault.message_len > 0) {
        troupe_log(TROUPE_LOG_WARN, "opener", "open-failed", NULL, "%s: %.*s", url,
                   (int)fault.message_len, fault.message);
    } else {
        troupe_log(TROUPE_LOG_WARN, "opener", "open-failed", NULL, "%s: %s", url,
                   troupe_error_text(error));
    }
}

static void opened(troupe_actor *self, void *context, troupe_error error,
                   const troupe_envelope *answer)
{
    opener *state = context;
    if (error != TROUPE_OK) {
        report(state->urls[state->next], error, answer);
    }
    state->next++;
    open_next(self, state);
}

static void open_next(troupe_actor *self, opener *state)
{
    if (state->next == state->count) {
        troupe_exit(self, TROUPE_OK);
        return;
    }
    troupe_address connections = troupe_whereis(troupe_self_system(self), NAME_CONNECTIONS);
    json_t *params = json_pack("{s:s}", "url", state->urls[state->next]);
    troupe_error error =
        json_call(self, connections, "open", params, OPEN_TIMEOUT_MS, opened, state, NULL);
    if (error != TROUPE_OK) {
        report(state->urls[state->next], error, NULL);
        troupe_exit(self, error);
    }
}

static bool browser_is_up(const troupe_envelope *answer)
{
    json_t *result = json_payload(answer->payload);
    size_t index;
    json_t *row;
    bool up = false;
    json_array_foreach(json_object_get(result, "browsers"), index, row)
    {
        const char *state = json_string_value(json_object_get(row, "state"));
        up = up || (state != NULL && strcmp(state, "up") == 0);
    }
    json_decref(result);
    return up;
}

static void ask_browsers(troupe_actor *self, void *context);

static void browsers_told(troupe_actor *self, void *context, troupe_error error,
                          const troupe_envelope *answer)
{
    opener *state = context;
    bool up = error == TROUPE_OK && browser_is_up(answer);
    if (up || troupe_now_ns(self) >= state->deadline_ns ||
        troupe_timer_start(self, RETRY_MS, 0, ask_browsers, state, NULL) != TROUPE_OK) {
        open_next(self, state);
    }
}

static void ask_browsers(troupe_actor *self, void *context)
{
    opener *state = context;
    troupe_address launcher = troupe_whereis(troupe_self_system(self), NAME_LAUNCHER);
    if (json_call(self, launcher, "browsers.list", json_object(), OPEN_TIMEOUT_MS, browsers_told,
                  state, NULL) != TROUPE_OK) {
        open_next(self, state);
    }
}

static troupe_error opener_begin(troupe_actor *self, void *context)
{
    opener *state = context;
    state->deadline_ns += troupe_now_ns(self);
    if (state->await_browser) {
        ask_browsers(self, state);
    } else {
        open_next(self, state);
    }
    return TROUPE_OK;
}

static troupe_error opener_receive(troupe_actor *self, void *state, const troupe_envelope *envelope)
{
    (void)self;
    (void)state;
    (void)envelope;
    return TROUPE_OK;
}

static void opener_end(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    opener_free(state);
}

static opener *opener_create(const opener_options *options)
{
    opener *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return NULL;
    }
    state->await_browser = options->await_browser;
    state->deadline_ns = (uint64_t)options->timeout_ms * 1000000;
    state->urls = calloc(options->url_count, sizeof *state->urls);
    for (size_t i = 0; state->urls != NULL && i < options->url_count; i++) {
        state->urls[i] = strdup(options->urls[i]);
        if (state->urls[i] == NULL) {
            break;
        }
        state->count++;
    }
    if (state->count != options->url_count) {
        opener_free(state);
        return NULL;
    }
    return state;
}

troupe_error opener_start(troupe_system *system, const opener_options *options)
{
    static const troupe_behaviour behaviour = {
        .kind = "opener",
        .start = opener_begin,
        .receive = opener_receive,
        .stop = opener_end,
    };
    opener *state = opener_create(options);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_spawn_options spawn = {.behaviour = &behaviour, .state = state, .name = "opener"};
    troupe_error error = troupe_spawn(system, &spawn, NULL);
    if (error != TROUPE_OK) {
        opener_free(state);
    }
    return error;
}
