/* SPDX-License-Identifier: MIT */
/* What a browser actor answers about itself. */
#include "browser_state.h"

#include "actors/json_call.h"
#include "transport/websocket.h"

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

typedef struct named_count {
    const char *name;
    uint64_t value;
} named_count;

static void add_counts(json_t *into, const named_count *counts, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        json_object_set_new(into, counts[i].name, number(counts[i].value));
    }
}

static json_t *counts_json(const browser *state)
{
    const browser_counts *all = &state->counts;
    const named_count counts[] = {
        {"sent", all->sent},
        {"answered", all->answered},
        {"errors", all->errors},
        {"timeouts", all->timeouts},
        {"abandoned", all->abandoned},
        {"busy", all->busy},
        {"late", all->late},
        {"duplicate", all->duplicate},
        {"unknown", all->unknown},
        {"misrouted", all->misrouted},
        {"malformed", all->malformed},
        {"rate_passed", all->rate_passed},
        {"messages_in", all->messages_in},
        {"bytes_in", all->bytes_in},
        {"bytes_out", all->bytes_out},
        {"events", all->events},
        {"events_shed", all->events_shed},
        {"probes", all->probes},
        {"unresponsive_count", all->unresponsive},
    };
    json_t *json = json_object();
    add_counts(json, counts, sizeof counts / sizeof *counts);
    return json;
}

/* What is so now, and was at most. */
static void add_gauges(json_t *into, const browser *state)
{
    const named_count counts[] = {
        {"in_flight", state->in_flight},
        {"in_flight_peak", state->counts.in_flight_peak},
        {"queued", state->queue.count},
        {"queued_peak", state->counts.queued_peak},
        {"queued_bytes", state->queue.bytes},
        {"unwritten_bytes", state->stream != NULL ? message_stream_queued(state->stream) : 0},
        {"targets", HASH_CNT(hh, state->roster.targets)},
        {"connected", HASH_CNT(by_actor, state->roster.actors)},
        {"sessions", HASH_CNT(hh, state->roster.sessions)},
    };
    add_counts(into, counts, sizeof counts / sizeof *counts);
}

static json_t *waits_json(const browser *state)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "in_flight", number(state->counts.waits_flight),
                     "rate", number(state->counts.waits_rate), "stream",
                     number(state->counts.waits_stream), "turn", number(state->counts.waits_turn));
}

static json_t *limits_json(const browser *state)
{
    const browser_limits *limits = &state->limits;
    return json_pack("{s:I, s:I, s:I, s:I}", "commands_in_flight",
                     (json_int_t)limits->commands_in_flight, "commands_queued",
                     (json_int_t)limits->commands_queued, "commands_per_second",
                     (json_int_t)limits->commands_per_second, "commands_burst",
                     (json_int_t)limits->commands_burst);
}

static uint64_t silent_ms(const browser *state)
{
    uint64_t now_ns = troupe_now_ns(state->self);
    bool owed = state->in_flight > 0 && now_ns > state->quiet_ns;
    return owed ? (now_ns - state->quiet_ns) / 1000000u : 0;
}

/* Of a WebSocket; null of a pipe. */
static json_t *websocket_json(const browser *state)
{
    const websocket *w = state->stream != NULL ? websocket_of(state->stream) : NULL;
    if (w == NULL) {
        return json_null();
    }
    websocket_info info;
    websocket_info_of(w, &info);
    json_t *latency = info.latency_ns >= 0 ? json_real((double)info.latency_ns / 1e6) : json_null();
    return json_pack("{s:o, s:I, s:b, s:I, s:I}", "ping_ms", latency, "pings",
                     (json_int_t)info.pings, "deflate", (int)info.deflate, "wire_bytes_in",
                     (json_int_t)info.bytes_in, "wire_bytes_out", (json_int_t)info.bytes_out);
}

void browser_on_metrics(browser *state, troupe_caller caller)
{
    json_t *all = counts_json(state);
    add_gauges(all, state);
    json_object_set_new(all, "browser", json_string(state->id));
    json_object_set_new(all, "uid", json_string(state->uid));
    json_object_set_new(all, "responsive", json_boolean(!state->unresponsive));
    json_object_set_new(all, "silent_ms", number(silent_ms(state)));
    json_object_set_new(all, "reading", json_boolean(!state->paused && !state->recording.waiting));
    json_object_set_new(all, "waits", waits_json(state));
    json_object_set_new(all, "limits", limits_json(state));
    json_object_set_new(all, "websocket", websocket_json(state));
    json_object_set_new(all, "methods", metrics_json(&state->metrics));
    json_reply(state->self, caller, all);
}
