// SPDX-License-Identifier: MIT
// The C API used from C++: an actor whose state is an object.
#include <troupe/actor.h>
#include <troupe/host.h>

#include <cstdio>
#include <memory>
#include <string>

namespace {

struct Echo {
    std::string last;

    static troupe_error receive(troupe_actor *self, void *state, const troupe_envelope *envelope)
    {
        auto *echo = static_cast<Echo *>(state);
        const char *text = nullptr;
        size_t len = 0;
        if (troupe_unpack(envelope->payload, "s#", &text, &len) != TROUPE_OK) {
            troupe_fault(self, troupe_caller_of(envelope), TROUPE_EPARAMS, nullptr, nullptr);
            return TROUPE_OK;
        }
        echo->last.assign(text, len);
        troupe_reply(self, troupe_caller_of(envelope), envelope->payload);
        return TROUPE_OK;
    }

    static void stop(troupe_actor *, void *state, troupe_error)
    {
        delete static_cast<Echo *>(state);
    }
};

troupe_behaviour behaviour()
{
    troupe_behaviour made{};
    made.kind = "echo";
    made.receive = Echo::receive;
    made.stop = Echo::stop;
    return made;
}

std::string ask(troupe_guest *guest, troupe_address to, const std::string &question)
{
    troupe_buffer payload{};
    troupe_pack(&payload, "s#", question.data(), question.size());
    troupe_answer answer{};
    const char *text = "";
    size_t len = 0;
    if (troupe_guest_call(guest, to, "echo", nullptr, troupe_buffer_bytes(&payload), 10000,
                          &answer) != TROUPE_OK ||
        troupe_unpack(answer.payload, "s#", &text, &len) != TROUPE_OK)
        len = 0;
    std::string made(text, len);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return made;
}

} // namespace

int main()
{
    static const troupe_behaviour echo = behaviour();
    troupe_system *system = nullptr;
    if (troupe_system_open(nullptr, &system) != TROUPE_OK)
        return 1;
    auto state = std::make_unique<Echo>();
    troupe_spawn_options options{};
    options.behaviour = &echo;
    options.state = state.get();
    troupe_address address = 0;
    if (troupe_spawn(system, &options, &address) != TROUPE_OK)
        return 1;
    state.release(); // taken
    troupe_guest *guest = nullptr;
    if (troupe_guest_create(system, &guest) != TROUPE_OK)
        return 1;
    std::string answer = ask(guest, address, "bravo");
    troupe_guest_destroy(guest);
    troupe_system_close(system, 1000);

    // A host that would start itself over and over as its own keeper is refused.
    troupe_host_options host{};
    troupe_host_options_default(&host);
    host.store = ":memory:";
    troupe_host *started = nullptr;
    troupe_reason reason{};
    troupe_error error = troupe_host_start(&host, &started, &reason);
    std::printf("%s; %s\n", answer.c_str(), reason.text);
    return answer == "bravo" && error == TROUPE_ESTATE ? 0 : 1;
}
