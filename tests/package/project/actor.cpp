// SPDX-License-Identifier: MIT
// The C API used from C++: an actor whose state is an object; a host, if there is a keeper for it.
//
//   actor [KEEPER]
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

bool echoes()
{
    static const troupe_behaviour echo = behaviour();
    troupe_system *system = nullptr;
    if (troupe_system_open(nullptr, &system) != TROUPE_OK)
        return false;
    auto state = std::make_unique<Echo>();
    troupe_spawn_options options{};
    options.behaviour = &echo;
    options.state = state.get();
    troupe_address address = 0;
    troupe_guest *guest = nullptr;
    std::string answer;
    if (troupe_spawn(system, &options, &address) == TROUPE_OK) {
        state.release(); // taken
        if (troupe_guest_create(system, &guest) == TROUPE_OK)
            answer = ask(guest, address, "bravo");
    }
    troupe_guest_destroy(guest);
    troupe_system_close(system, 1000);
    return answer == "bravo";
}

// A page is opened in a browser whose keeper is another program.
bool opens(troupe_system *system)
{
    const std::string params = R"({"url": "data:text/html,<p>hello"})";
    troupe_guest *guest = nullptr;
    if (troupe_guest_create(system, &guest) != TROUPE_OK)
        return false;
    troupe_buffer payload{};
    troupe_pack(&payload, "j#", params.data(), params.size());
    troupe_answer answer{};
    troupe_error error =
        troupe_guest_call(guest, troupe_whereis(system, "connections"), "open", nullptr,
                          troupe_buffer_bytes(&payload), 60000, &answer);
    if (error != TROUPE_OK)
        std::fprintf(stderr, "open: %s\n", answer.message);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    troupe_guest_destroy(guest);
    return error == TROUPE_OK;
}

// This program has no keeper in its main: without another one, a host is refused.
bool hosts(const char *keeper)
{
    troupe_host_options options{};
    troupe_host_options_default(&options);
    options.store = ":memory:";
    options.listen = "127.0.0.1:0";
    troupe_host *host = nullptr;
    troupe_reason reason{};
    if (troupe_host_start(&options, &host, &reason) != TROUPE_ESTATE)
        return false;
    options.keeper = keeper;
    if (troupe_host_start(&options, &host, &reason) != TROUPE_OK) {
        std::fprintf(stderr, "%s\n", reason.text);
        return false;
    }
    bool opened = opens(troupe_host_system(host));
    troupe_host_stop(host);
    return opened;
}

} // namespace

int main(int argc, char **argv)
{
    return echoes() && (argc < 2 || hosts(argv[1])) ? 0 : 1;
}
