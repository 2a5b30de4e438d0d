// SPDX-License-Identifier: MIT
// Programs of the Savina suite with CAF, detached actors (a thread each), at their published sizes.
// Each checks its own result.
//
//   bench_savina_caf [PROGRAM…]
#include "caf/all.hpp"

extern "C" {
#include "../../runtime/peers/peer.h"
}

#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <vector>

using namespace caf;

namespace {

using go_atom = atom_constant<atom("go")>;
using get_atom = atom_constant<atom("get")>;
using inc_atom = atom_constant<atom("inc")>;
using ping_atom = atom_constant<atom("ping")>;
using pong_atom = atom_constant<atom("pong")>;
using work_atom = atom_constant<atom("work")>;
using done_atom = atom_constant<atom("done")>;
using meet_atom = atom_constant<atom("meet")>;
using change_atom = atom_constant<atom("change")>;
using leave_atom = atom_constant<atom("leave")>;
using met_atom = atom_constant<atom("met")>;
using make_atom = atom_constant<atom("make")>;
using item_atom = atom_constant<atom("item")>;
using avail_atom = atom_constant<atom("available")>;
using give_atom = atom_constant<atom("give")>;
using take_atom = atom_constant<atom("take")>;

actor sender_of(event_based_actor *self)
{
    return actor_cast<actor>(self->current_sender());
}

uint32_t random_number(uint64_t &state)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return uint32_t(state >> 33);
}

uint64_t sum_of_answers(scoped_actor &self, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        self->receive([&](done_atom, uint64_t n) { sum += n; });
    return sum;
}

void stop(scoped_actor &self, const std::vector<actor> &all)
{
    for (auto &a : all)
        self->send_exit(a, exit_reason::user_shutdown);
}

// ---- count ----

behavior counter(event_based_actor *self)
{
    auto count = std::make_shared<uint64_t>(0);
    return {[=](inc_atom) { ++*count; },
            [=](get_atom, const actor &who) { self->send(who, done_atom::value, *count); }};
}

behavior producer(event_based_actor *self, actor to, actor who)
{
    return {[=](go_atom) {
        for (int i = 0; i < 1000000; i++)
            self->send(to, inc_atom::value);
        self->send(to, get_atom::value, who);
    }};
}

void count(actor_system &system)
{
    scoped_actor self{system};
    auto to = system.spawn<detached>(counter);
    auto from = system.spawn<detached>(producer, to, actor(self));
    self->send(from, go_atom::value);
    peer_expect(sum_of_answers(self, 1) == 1000000, "count: wrong count");
    stop(self, {to, from});
}

// ---- pingpong ----

behavior ponger(event_based_actor *self)
{
    return {[=](ping_atom) { self->send(sender_of(self), pong_atom::value); }};
}

behavior pinger(event_based_actor *self, actor to, actor who)
{
    auto left = std::make_shared<uint64_t>(40000);
    auto pongs = std::make_shared<uint64_t>(0);
    auto ping = [=] {
        --*left;
        self->send(to, ping_atom::value);
    };
    return {[=](go_atom) { ping(); },
            [=](pong_atom) {
                ++*pongs;
                if (*left > 0)
                    ping();
                else
                    self->send(who, done_atom::value, *pongs);
            }};
}

void pingpong(actor_system &system)
{
    scoped_actor self{system};
    auto pong = system.spawn<detached>(ponger);
    auto ping = system.spawn<detached>(pinger, pong, actor(self));
    self->send(ping, go_atom::value);
    peer_expect(sum_of_answers(self, 1) == 40000, "pingpong: pongs are missing");
    stop(self, {ping, pong});
}

// ---- threadring ----

behavior member(event_based_actor *self, actor who)
{
    auto next = std::make_shared<actor>();
    auto passes = std::make_shared<uint64_t>(0);
    return {[=](const actor &a) { *next = a; },
            [=](uint32_t left) {
                ++*passes;
                if (left > 0)
                    self->send(*next, left - 1);
                else
                    self->send(who, done_atom::value, uint64_t{0});
            },
            [=](get_atom) { self->send(who, done_atom::value, *passes); }};
}

void threadring(actor_system &system)
{
    scoped_actor self{system};
    std::vector<actor> all;
    for (int i = 0; i < 100; i++)
        all.push_back(system.spawn<detached>(member, actor(self)));
    for (int i = 0; i < 100; i++)
        self->send(all[i], all[(i + 1) % 100]);
    self->send(all[0], uint32_t{100000});
    sum_of_answers(self, 1);
    for (auto &a : all)
        self->send(a, get_atom::value);
    peer_expect(sum_of_answers(self, 100) == 100001, "threadring: passes are missing");
    stop(self, all);
}

// ---- fjthrput, fjcreate ----

behavior worker(event_based_actor *self, uint64_t expected, actor who)
{
    auto received = std::make_shared<uint64_t>(0);
    auto result = std::make_shared<double>(0);
    return {[=](work_atom) {
        *result += std::sin(37.2) * std::sin(37.2);
        if (++*received == expected) {
            self->send(who, done_atom::value, *received);
            self->quit();
        }
    }};
}

void fjthrput(actor_system &system)
{
    scoped_actor self{system};
    std::vector<actor> all;
    for (int i = 0; i < 60; i++)
        all.push_back(system.spawn<detached>(worker, uint64_t{10000}, actor(self)));
    for (int i = 0; i < 10000; i++)
        for (auto &a : all)
            self->send(a, work_atom::value);
    peer_expect(sum_of_answers(self, 60) == 600000, "fjthrput: messages are missing");
}

void fjcreate(actor_system &system)
{
    const int live_max = 1000;
    scoped_actor self{system};
    uint64_t ended = 0;
    for (uint64_t i = 0; i < 40000; i++) {
        if (i - ended >= live_max)
            ended += sum_of_answers(self, 1);
        self->send(system.spawn<detached>(worker, uint64_t{1}, actor(self)), work_atom::value);
    }
    peer_expect(ended + sum_of_answers(self, 40000 - ended) == 40000,
                "fjcreate: actors are missing");
}

// ---- chameneos ----

int complement(int a, int b)
{
    return a == b ? a : 3 - a - b;
}

behavior creature(event_based_actor *self, actor mall, int initial)
{
    auto colour = std::make_shared<int>(initial);
    auto meetings = std::make_shared<uint64_t>(0);
    auto meet = [=] { self->send(mall, meet_atom::value, actor(self), *colour); };
    return {[=](go_atom) { meet(); },
            [=](meet_atom, const actor &other, int theirs) {
                ++*meetings;
                *colour = complement(*colour, theirs);
                self->send(other, change_atom::value, *colour);
                meet();
            },
            [=](change_atom, int mixed) {
                ++*meetings;
                *colour = mixed;
                meet();
            },
            [=](leave_atom) {
                self->send(mall, met_atom::value, *meetings);
                self->quit();
            }};
}

behavior mall(event_based_actor *self, actor who)
{
    struct state {
        actor waiting;
        int left = 200000;
        int faded = 0;
        uint64_t meetings = 0;
    };
    auto s = std::make_shared<state>();
    return {[=](meet_atom, const actor &comer, int colour) {
                if (s->left == 0) {
                    self->send(comer, leave_atom::value);
                } else if (!s->waiting) {
                    s->waiting = comer;
                } else {
                    s->left--;
                    self->send(s->waiting, meet_atom::value, comer, colour);
                    s->waiting = nullptr;
                }
            },
            [=](met_atom, uint64_t meetings) {
                s->meetings += meetings;
                if (++s->faded == 100)
                    self->send(who, done_atom::value, s->meetings);
            }};
}

void chameneos(actor_system &system)
{
    scoped_actor self{system};
    auto m = system.spawn<detached>(mall, actor(self));
    for (int i = 0; i < 100; i++)
        self->send(system.spawn<detached>(creature, m, i % 3), go_atom::value);
    peer_expect(sum_of_answers(self, 1) == 400000, "chameneos: meetings are missing");
    stop(self, {m});
}

// ---- big ----

behavior peer(event_based_actor *self, uint64_t seed, actor who)
{
    auto all = std::make_shared<std::vector<actor>>();
    auto random = std::make_shared<uint64_t>(seed);
    auto pongs = std::make_shared<uint64_t>(0);
    auto ping = [=] { self->send((*all)[random_number(*random) % 120], ping_atom::value); };
    return {[=](const std::vector<actor> &peers) {
                *all = peers;
                ping();
            },
            [=](ping_atom) { self->send(sender_of(self), pong_atom::value); },
            [=](pong_atom) {
                if (++*pongs < 20000)
                    ping();
                else
                    self->send(who, done_atom::value, *pongs);
            }};
}

void big(actor_system &system)
{
    scoped_actor self{system};
    std::vector<actor> all;
    for (uint64_t i = 0; i < 120; i++)
        all.push_back(system.spawn<detached>(peer, i, actor(self)));
    for (auto &a : all)
        self->send(a, all);
    peer_expect(sum_of_answers(self, 120) == 2400000, "big: pongs are missing");
    stop(self, all);
}

// ---- bndbuffer ----

// 100 logarithms of random numbers: a 25th of Savina's, so that messages count and not these.
double process(double term, uint64_t &random)
{
    for (int i = 0; i < 100; i++)
        term += std::log(double(random_number(random)) / 2147483648.0 + 0.01);
    return term;
}

behavior maker(event_based_actor *self, actor manager, uint64_t seed)
{
    auto random = std::make_shared<uint64_t>(seed);
    auto term = std::make_shared<double>(0);
    auto made = std::make_shared<uint64_t>(0);
    return {[=](make_atom) {
        if (*made == 1000) {
            self->send(manager, done_atom::value);
            self->quit();
            return;
        }
        *term = process(*term, *random);
        self->send(manager, item_atom::value, actor(self), ++*made);
    }};
}

behavior consumer(event_based_actor *self, actor manager, uint64_t seed)
{
    auto random = std::make_shared<uint64_t>(seed);
    auto term = std::make_shared<double>(0);
    return {[=](item_atom, uint64_t) {
        *term = process(*term, *random);
        self->send(manager, avail_atom::value, actor(self));
    }};
}

// Of the 50 places 40 are set apart for the items that producers have in hand.
behavior manager(event_based_actor *self, actor who)
{
    struct state {
        std::deque<uint64_t> items;
        std::deque<actor> makers;
        std::deque<actor> consumers;
        int finished = 0;
        uint64_t delivered = 0;
        uint64_t consumed = 0;
    };
    auto s = std::make_shared<state>();
    auto deliver = [=](const actor &to, uint64_t item) {
        s->delivered++;
        self->send(to, item_atom::value, item);
    };
    auto finish = [=] {
        if (s->finished == 40 && s->consumed == s->delivered && s->items.empty())
            self->send(who, done_atom::value, s->consumed);
    };
    return {[=](const actor &idle) { s->consumers.push_back(idle); },
            [=](item_atom, const actor &from, uint64_t item) {
                if (!s->consumers.empty()) {
                    deliver(s->consumers.front(), item);
                    s->consumers.pop_front();
                } else {
                    s->items.push_back(item);
                }
                peer_expect(s->items.size() <= 50, "bndbuffer: the buffer overflows");
                if (s->items.size() >= 10)
                    s->makers.push_back(from);
                else
                    self->send(from, make_atom::value);
            },
            [=](avail_atom, const actor &idle) {
                s->consumed++;
                if (s->items.empty()) {
                    s->consumers.push_back(idle);
                    finish();
                    return;
                }
                deliver(idle, s->items.front());
                s->items.pop_front();
                if (!s->makers.empty()) {
                    self->send(s->makers.front(), make_atom::value);
                    s->makers.pop_front();
                }
            },
            [=](done_atom) {
                s->finished++;
                finish();
            }};
}

void bndbuffer(actor_system &system)
{
    scoped_actor self{system};
    auto m = system.spawn<detached>(manager, actor(self));
    std::vector<actor> consumers;
    for (uint64_t i = 0; i < 40; i++) {
        consumers.push_back(system.spawn<detached>(consumer, m, i));
        self->send(m, consumers.back());
    }
    for (uint64_t i = 0; i < 40; i++)
        self->send(system.spawn<detached>(maker, m, 1000 + i), make_atom::value);
    peer_expect(sum_of_answers(self, 1) == 40000, "bndbuffer: items are missing");
    consumers.push_back(m);
    stop(self, consumers);
}

// ---- banking ----

// Who gives awaits the other's answer and looks at nothing else meanwhile.
behavior account(event_based_actor *self)
{
    auto balance = std::make_shared<int64_t>(1000000);
    return {[=](give_atom, const actor &teller, const actor &to, int64_t amount) {
                *balance -= amount;
                self->request(to, infinite, take_atom::value, amount).await([=](done_atom) {
                    self->send(teller, done_atom::value, uint64_t{1});
                });
            },
            [=](take_atom, int64_t amount) {
                *balance += amount;
                return done_atom::value;
            },
            [=](get_atom, const actor &teller) {
                self->send(teller, done_atom::value, uint64_t(*balance));
            }};
}

void banking(actor_system &system)
{
    scoped_actor self{system};
    std::vector<actor> all;
    for (int i = 0; i < 1000; i++)
        all.push_back(system.spawn<detached>(account));
    uint64_t random = 1;
    for (int i = 0; i < 50000; i++) {
        uint32_t from = random_number(random) % 800;
        uint32_t to = from + 1 + random_number(random) % (1000 - from - 1);
        self->send(all[from], give_atom::value, actor(self), all[to],
                   int64_t{1 + random_number(random) % 1000});
    }
    peer_expect(sum_of_answers(self, 50000) == 50000, "banking: transfers are missing");
    for (auto &a : all)
        self->send(a, get_atom::value, actor(self));
    peer_expect(sum_of_answers(self, 1000) == 1000000000, "banking: money is missing");
    stop(self, all);
}

} // namespace

int main(int argc, char **argv)
{
    const std::vector<std::pair<std::string, void (*)(actor_system &)>> programs = {
        {"count", count},         {"pingpong", pingpong}, {"threadring", threadring},
        {"fjthrput", fjthrput},   {"fjcreate", fjcreate}, {"chameneos", chameneos},
        {"big", big},             {"bndbuffer", bndbuffer}, {"banking", banking}};
    actor_system_config config;
    config.add_message_type<std::vector<actor>>("actors");
    actor_system system{config};
    for (auto &program : programs) {
        bool wanted = argc == 1;
        for (int i = 1; i < argc; i++)
            wanted = wanted || program.first == argv[i];
        if (!wanted)
            continue;
        double start = peer_now_us();
        program.second(system);
        printf("{\"scenario\":\"%s\",\"who\":\"CAF\",\"ms\":%.1f}\n", program.first.c_str(),
               (peer_now_us() - start) / 1e3);
        fflush(stdout);
    }
    // Not by the system's end: CAF 0.17 stops its clock while many actors still tell it that they
    // ended, and then waits for them for ever.
    std::_Exit(0);
}
