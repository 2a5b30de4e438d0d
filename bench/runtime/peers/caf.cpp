// SPDX-License-Identifier: MIT
// The C++ Actor Framework, detached actors: a thread each, as Troupe's. Mailboxes are unbounded.
//
//   bench_caf [SCENARIO…]
#include "caf/all.hpp"

extern "C" {
#include "peer.h"
}

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

using namespace caf;

namespace {

using go = atom_constant<atom("go")>;
using done = atom_constant<atom("done")>;

const char *const who = "CAF";

struct payload {
    uint8_t bytes[PEER_BYTES];
};

template <class Inspector> typename Inspector::result_type inspect(Inspector &f, payload &p)
{
    return f(meta::type_name("payload"), p.bytes);
}

// ---- streams ----

behavior sink(event_based_actor *self, uint32_t expected, actor waits)
{
    auto received = std::make_shared<uint32_t>(0);
    return {[=](const payload &) {
        if (++*received == expected)
            self->send(waits, done::value, *received);
    }};
}

behavior source(event_based_actor *self, std::vector<actor> to, uint32_t count)
{
    return {[=](go) {
        payload p = {{1}};
        for (uint32_t i = 0; i < count; i++)
            self->send(to[i % to.size()], p);
        self->quit();
    }};
}

void stream(actor_system &system, const char *scenario, uint32_t sources, uint32_t sinks)
{
    scoped_actor self{system};
    std::vector<actor> to;
    std::vector<actor> from;
    for (uint32_t i = 0; i < sinks; i++)
        to.push_back(system.spawn<detached>(sink, PEER_MESSAGES / sinks, actor(self)));
    for (uint32_t i = 0; i < sources; i++)
        from.push_back(system.spawn<detached>(source, to, PEER_MESSAGES / sources));
    double start = peer_now_us();
    for (auto &a : from)
        self->send(a, go::value);
    uint32_t received = 0;
    for (uint32_t i = 0; i < sinks; i++)
        self->receive([&](done, uint32_t count) { received += count; });
    peer_print_rate(who, scenario, PEER_MESSAGES, peer_now_us() - start);
    peer_expect(received == PEER_MESSAGES, "messages are missing");
    for (auto &a : to)
        self->send_exit(a, exit_reason::user_shutdown);
}

// ---- round trips ----

behavior ponger(event_based_actor *self)
{
    return {[=](const payload &p) {
        self->send(actor_cast<actor>(self->current_sender()), p);
    }};
}

behavior pinger(event_based_actor *self, actor to, actor waits, double *us)
{
    auto count = std::make_shared<unsigned>(0);
    auto before = std::make_shared<double>(0);
    return {[=](go) {
                *before = peer_now_us();
                self->send(to, payload{});
            },
            [=](const payload &p) {
                unsigned i = (*count)++;
                if (i >= PEER_WARM_UP)
                    us[i - PEER_WARM_UP] = peer_now_us() - *before;
                *before = peer_now_us();
                if (i + 1 < PEER_WARM_UP + PEER_ROUND_TRIPS)
                    self->send(to, p);
                else
                    self->send(waits, done::value, i + 1);
            }};
}

void ping_pong(actor_system &system)
{
    static double us[PEER_ROUND_TRIPS];
    scoped_actor self{system};
    auto pong = system.spawn<detached>(ponger);
    auto ping = system.spawn<detached>(pinger, pong, actor(self), us);
    self->send(ping, go::value);
    self->receive([](done, unsigned) {});
    peer_print_times(who, "ping-pong", us, PEER_ROUND_TRIPS);
    self->send_exit(ping, exit_reason::user_shutdown);
    self->send_exit(pong, exit_reason::user_shutdown);
}

// The token carries the hops that are left and the 64 bytes.
behavior member(event_based_actor *self, actor waits)
{
    auto next = std::make_shared<actor>();
    return {[=](const actor &a) { *next = a; },
            [=](uint32_t left, const payload &p) {
                if (left > 0)
                    self->send(*next, left - 1, p);
                else
                    self->send(waits, done::value, left);
            }};
}

void ring(actor_system &system)
{
    scoped_actor self{system};
    std::vector<actor> members;
    for (unsigned i = 0; i < PEER_RING; i++)
        members.push_back(system.spawn<detached>(member, actor(self)));
    for (unsigned i = 0; i < PEER_RING; i++)
        self->send(members[i], members[(i + 1) % PEER_RING]);
    double start = peer_now_us();
    self->send(members[0], uint32_t{PEER_HOPS}, payload{});
    self->receive([](done, uint32_t) {});
    peer_print_rate(who, "ring", PEER_HOPS, peer_now_us() - start);
    for (auto &a : members)
        self->send_exit(a, exit_reason::user_shutdown);
}

// ---- spawn ----

behavior nothing(event_based_actor *)
{
    return {[](go) {}};
}

void spawn_one_by_one(actor_system &system)
{
    const unsigned count = 2000;
    scoped_actor self{system};
    double start = peer_now_us();
    for (unsigned i = 0; i < count; i++) {
        auto a = self->spawn<detached + monitored>(nothing);
        self->send_exit(a, exit_reason::user_shutdown);
        self->receive([](const down_msg &) {});
    }
    peer_print_rate(who, "spawn", count, peer_now_us() - start);
}

void spawn_batches(actor_system &system)
{
    const unsigned batches = 20;
    const unsigned batch = 100;
    scoped_actor self{system};
    double start = peer_now_us();
    for (unsigned i = 0; i < batches; i++) {
        std::vector<actor> all;
        for (unsigned k = 0; k < batch; k++)
            all.push_back(self->spawn<detached + monitored>(nothing));
        for (auto &a : all)
            self->send_exit(a, exit_reason::user_shutdown);
        for (unsigned k = 0; k < batch; k++)
            self->receive([](const down_msg &) {});
    }
    peer_print_rate(who, "spawn 100", batches * batch, peer_now_us() - start);
}

// ---- idle ----

double resident_kib()
{
    std::ifstream file("/proc/self/smaps_rollup");
    std::string word;
    while (file >> word && word != "Rss:")
        continue;
    double kib = -1;
    file >> kib;
    return kib;
}

// Each has answered once.
void idle(actor_system &system)
{
    const unsigned count = 10000;
    scoped_actor self{system};
    std::vector<actor> all;
    double before = resident_kib();
    double start = peer_now_us();
    for (unsigned i = 0; i < count; i++)
        all.push_back(system.spawn<detached>(ponger));
    double took = peer_now_us() - start;
    for (auto &a : all) {
        self->send(a, payload{});
        self->receive([](const payload &) {});
    }
    printf("{\"scenario\":\"idle\",\"who\":\"%s\",\"actors\":%u,\"kib\":%.1f,"
           "\"spawned_per_s\":%.0f}\n",
           who, count, (resident_kib() - before) / count, count / took * 1e6);
    fflush(stdout);
    for (auto &a : all)
        self->send_exit(a, exit_reason::user_shutdown);
}

void run(actor_system &system, const std::string &scenario)
{
    if (scenario == "one-way")
        stream(system, "one-way", 1, 1);
    else if (scenario == "fan-in")
        stream(system, "fan-in", PEER_MANY, 1);
    else if (scenario == "fan-out")
        stream(system, "fan-out", 1, PEER_MANY);
    else if (scenario == "ping-pong")
        ping_pong(system);
    else if (scenario == "ring")
        ring(system);
    else if (scenario == "spawn") {
        spawn_one_by_one(system);
        spawn_batches(system);
    } else if (scenario == "idle")
        idle(system);
    else
        peer_expect(0, "no such scenario");
}

} // namespace

int main(int argc, char **argv)
{
    actor_system_config config;
    config.add_message_type<payload>("payload");
    actor_system system{config};
    std::vector<std::string> all = {"one-way", "fan-in", "fan-out", "ping-pong", "ring", "spawn", "idle"};
    if (argc > 1)
        all.assign(argv + 1, argv + argc);
    for (auto &scenario : all)
        run(system, scenario);
    // Not by the system's end: CAF 0.17 stops its clock while many actors still tell it that they
    // ended, and then waits for them for ever.
    std::_Exit(0);
}
