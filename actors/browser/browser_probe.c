/* SPDX-License-Identifier: MIT */
/*
 * Whether the browser still speaks. One that owes answers and says nothing at all for a while is
 * asked for its version; one that does not answer that either is called unresponsive, until it
 * says anything. It is not ended: who stopped it (a debugger, SIGSTOP, a machine that swaps) may
 * let it go on, and commands end by their deadlines all the while.
 *
 *     responsive -> (silent for probe_after_ms) probing -> (half as long again) unresponsive
 *     probing, unresponsive -> (anything comes) responsive
 */
#include "browser_state.h"

#include "actors/verbs.h"

static void on_probe_timer(troupe_actor *self, void *context);

/* Silence that we bring about ourselves does not count. */
static bool reads(const browser *state)
{
    return !state->paused && !state->recording.waiting;
}

static uint64_t silent_ms(const browser *state)
{
    uint64_t now_ns = troupe_now_ns(state->self);
    return now_ns > state->quiet_ns ? (now_ns - state->quiet_ns) / 1000000u : 0;
}

static void arm_at(browser *state, uint64_t due_ns)
{
    if (troupe_timer_at(state->self, due_ns, on_probe_timer, state, &state->probe_timer) !=
        TROUPE_OK) {
        state->probe_timer = 0; /* the next command tries again */
    }
}

static uint64_t due_ns(const browser *state)
{
    return state->quiet_ns + (uint64_t)state->host->probe_after_ms * 1000000u;
}

void browser_probe_arm(browser *state)
{
    if (state->in_flight == 1) {
        state->quiet_ns = troupe_now_ns(state->self); /* nothing was owed before */
    }
    if (state->probe_timer == 0 && !state->probing && !state->unresponsive &&
        state->host->probe_after_ms != 0) {
        arm_at(state, due_ns(state));
    }
}

static uint32_t probe_ms(const browser *state)
{
    return state->host->probe_after_ms / 2 + 1;
}

static void tell(browser *state, const char *name, const troupe_buffer *payload)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), name);
    if (to != 0 && troupe_post(state->self, to, TROUPE_CAST, VERB_BROWSER_HEALTH, NULL,
                               troupe_buffer_bytes(payload)) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "browser", "notice-lost", state->id, "%s", VERB_BROWSER_HEALTH);
    }
}

static void set_responsive(browser *state, bool responsive)
{
    uint64_t ms = silent_ms(state);
    state->unresponsive = !responsive;
    state->counts.unresponsive += !responsive;
    troupe_log(responsive ? TROUPE_LOG_INFO : TROUPE_LOG_WARN, "browser",
               responsive ? "responsive" : "unresponsive", state->id,
               responsive ? "it speaks again after %llu ms of silence"
                          : "it owes answers, and said nothing for %llu ms",
               (unsigned long long)ms);
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:U,s:b,s:U}", "browser", state->id, "address",
                troupe_self_address(state->self), "responsive", responsive, "silent_ms", ms);
    tell(state, NAME_LAUNCHER, &payload);
    tell(state, NAME_CONNECTIONS, &payload);
    troupe_buffer_fini(&payload);
}

void browser_probe_heard(browser *state)
{
    if (state->unresponsive) {
        set_responsive(state, true);
    }
    state->quiet_ns = (uint64_t)state->mono_us * 1000u;
}

static void on_probed(browser *state, void *context, troupe_error error, const char *text,
                      size_t len)
{
    (void)context;
    (void)text;
    (void)len;
    state->probing = false;
    if (error == TROUPE_ECLOSED) {
        return;
    }
    if (error == TROUPE_ETIMEOUT && reads(state) && silent_ms(state) >= probe_ms(state)) {
        set_responsive(state, false);
    } else if (state->in_flight > 0) {
        browser_probe_arm(state);
    }
}

static void on_probe_timer(troupe_actor *self, void *context)
{
    browser *state = context;
    state->probe_timer = 0;
    if (state->lost || state->in_flight == 0) {
        return; /* armed again by the next command */
    }
    if (!reads(state)) {
        state->quiet_ns = troupe_now_ns(self);
    }
    if (silent_ms(state) < state->host->probe_after_ms) {
        arm_at(state, due_ns(state));
        return;
    }
    state->probing = true; /* before its own sending arms the timer */
    troupe_error error =
        browser_send_own_in(state, "Browser.getVersion", NULL, probe_ms(state), on_probed, NULL);
    if (error == TROUPE_OK) {
        state->counts.probes++;
        return;
    }
    state->probing = false;
    if (!state->lost) { /* no room for it: what is owed ends in time, and makes some */
        arm_at(state, troupe_now_ns(self) + (uint64_t)probe_ms(state) * 1000000u);
    }
}
