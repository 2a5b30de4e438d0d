/* SPDX-License-Identifier: MIT */
/*
 * The health of a WebSocket to a browser that is not ours: a ping now and then, and an end with
 * TROUPE_ETIMEOUT when nothing comes after it in time, so that a connection whose other end is gone
 * without a word (a pulled cable, a frozen machine) is made anew. A browser of our own needs
 * none: its keeper tells when it dies, and browser_probe.c when it is silent; ending the connection
 * of one that is merely stopped would end the browser.
 */
#include "browser_state.h"

#include "transport/websocket.h"

static void arm(browser *state);

static void on_due(troupe_actor *self, void *context)
{
    browser *state = context;
    (void)self;
    state->health_timer = 0;
    if (state->stream == NULL || state->lost) {
        return;
    }
    (void)websocket_tick(websocket_of(state->stream), NULL);
    browser_flush(state); /* a ping that did not go at once; the end of a silent connection */
    if (!state->lost) {
        arm(state);
    }
}

static void arm(browser *state)
{
    websocket_wait wait;
    websocket_wait_for(websocket_of(state->stream), &wait);
    if (wait.deadline_ns == 0 || wait.deadline_ns == INT64_MAX) {
        wait.deadline_ns = (int64_t)troupe_now_ns(state->self) + INT64_C(1000000000);
    }
    if (troupe_timer_at(state->self, (uint64_t)wait.deadline_ns, on_due, state,
                        &state->health_timer) != TROUPE_OK) {
        state->health_timer = 0;
        troupe_log(TROUPE_LOG_WARN, "browser", "no-pings", state->id, "no memory for a timer");
    }
}

void browser_health_start(browser *state)
{
    uint32_t interval_ms = state->host->ping_interval_ms;
    websocket *socket = websocket_of(state->stream);
    if (socket != NULL && !state->launched && interval_ms != 0) {
        websocket_set_pings(socket, interval_ms, state->host->ping_timeout_ms);
        arm(state);
    }
}
