/* SPDX-License-Identifier: MIT */
/*
 * Streams: one-way, 16-to-1 and 1-to-16. A source posts a burst a turn and goes on in its next
 * turn; where there is no room, when there is.
 */
#include "scenarios.h"

#define ENVELOPES 2000000U
#define MANY      16U

typedef struct sink {
    uint32_t expected;
    uint32_t received;
    troupe_caller waits;
} sink;

static void answer_when_done(troupe_actor *self, sink *s)
{
    if (s->received == s->expected && s->waits.ref != 0)
        bench_reply(self, s->waits, s->received);
}

static troupe_error sink_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    sink *s = state;
    if (e->kind == TROUPE_CALL)
        s->waits = troupe_caller_of(e);
    else
        s->received++;
    answer_when_done(self, s);
    return TROUPE_OK;
}

static const troupe_behaviour sink_behaviour = {.kind = "sink", .receive = sink_receive};

typedef struct source {
    const troupe_address *to;
    uint32_t destinations;
    uint32_t posted;
    uint32_t count;
} source;

static void stream(troupe_actor *self, void *context)
{
    source *s = context;
    for (int i = 0; i < BENCH_BURST && s->posted < s->count; i++) {
        troupe_address to = s->to[s->posted % s->destinations];
        troupe_error error = troupe_post(self, to, TROUPE_EVENT, "item", NULL, bench_payload());
        if (error == TROUPE_EBUSY) {
            bench_ok(troupe_await_room(self, to), "await room");
            return;
        }
        bench_ok(error, "post");
        s->posted++;
    }
    if (s->posted < s->count)
        bench_ok(troupe_timer_start(self, 0, 0, stream, s, NULL), "timer");
}

/* `go`, or `room` where there was none. */
static troupe_error source_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)e;
    stream(self, state);
    return TROUPE_OK;
}

static const troupe_behaviour source_behaviour = {.kind = "source", .receive = source_receive};

static void run(const char *scenario, const char *lane, uint32_t source_count, uint32_t sink_count)
{
    sink sinks[MANY];
    source sources[MANY];
    troupe_address sink_addresses[MANY];
    troupe_address source_addresses[MANY];
    bench_stage stage = bench_open(lane, 0);
    for (uint32_t i = 0; i < sink_count; i++) {
        sinks[i] = (sink){.expected = ENVELOPES / sink_count};
        sink_addresses[i] = bench_spawn(&stage, &sink_behaviour, &sinks[i]);
        bench_ask_ahead(&stage, sink_addresses[i], "wait");
    }
    for (uint32_t i = 0; i < source_count; i++) {
        sources[i] = (source){
            .to = sink_addresses, .destinations = sink_count, .count = ENVELOPES / source_count};
        source_addresses[i] = bench_spawn(&stage, &source_behaviour, &sources[i]);
    }
    double start = bench_now_us();
    for (uint32_t i = 0; i < source_count; i++)
        bench_tell(&stage, source_addresses[i], "go");
    uint64_t received = bench_answers(&stage);
    double took = bench_now_us() - start;
    bench_expect(received == ENVELOPES, "envelopes are missing");
    bench_print_rate(scenario, lane, ENVELOPES, took);
    bench_close(&stage);
}

void scenario_one_way(const char *lane)
{
    run("one-way", lane, 1, 1);
}

void scenario_fan_in(const char *lane)
{
    run("fan-in", lane, MANY, 1);
}

void scenario_fan_out(const char *lane)
{
    run("fan-out", lane, 1, MANY);
}
