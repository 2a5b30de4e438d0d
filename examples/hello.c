/* SPDX-License-Identifier: MIT */
/*
 * Hello: one actor, one question.
 *
 * Shows: opening a system, a behaviour with its private state, a call from a thread that is no
 * actor (a guest), payloads by format string, a fault, the orderly end.
 */
#include <troupe/actor.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct greeter {
    unsigned greeted; /* only the actor's own thread ever touches its state */
} greeter;

/* Call "greet" {name} -> {text, count}. */
static void greet(troupe_actor *self, greeter *state, const troupe_envelope *call)
{
    const char *name;
    size_t name_len;
    if (troupe_unpack(call->payload, "{s:s#}", "name", &name, &name_len) != TROUPE_OK) {
        troupe_fault(self, troupe_caller_of(call), TROUPE_EPARAMS, NULL, "greet whom?");
        return;
    }
    char text[100];
    int len =
        snprintf(text, sizeof text, "Hello, %.*s!", (int)(name_len < 80 ? name_len : 80), name);
    troupe_buffer answer = {0};
    troupe_pack(&answer, "{s:s#,s:i}", "text", text, (size_t)len, "count", (int)++state->greeted);
    troupe_reply(self, troupe_caller_of(call), troupe_buffer_bytes(&answer));
    troupe_buffer_fini(&answer);
}

static troupe_error greeter_receive(troupe_actor *self, void *state,
                                    const troupe_envelope *envelope)
{
    if (troupe_verb_is(envelope, "greet"))
        greet(self, state, envelope);
    else
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    return TROUPE_OK;
}

static void greeter_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    free(state);
}

static const troupe_behaviour greeter_behaviour = {
    .kind = "greeter", .receive = greeter_receive, .stop = greeter_stop};

static void ask(troupe_guest *guest, troupe_address to, const char *verb, const char *name)
{
    troupe_buffer question = {0};
    troupe_pack(&question, "{s:s}", "name", name);
    troupe_answer answer;
    troupe_error error =
        troupe_guest_call(guest, to, verb, NULL, troupe_buffer_bytes(&question), 1000, &answer);
    const char *text;
    size_t len;
    int count;
    if (error == TROUPE_OK)
        error = troupe_unpack(answer.payload, "{s:s#,s:i}", "text", &text, &len, "count", &count);
    if (error == TROUPE_OK)
        printf("%.*s (number %d)\n", (int)len, text, count);
    else
        printf("%s failed: %s\n", verb, answer.message);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&question);
}

int main(void)
{
    troupe_system *system;
    troupe_guest *guest = NULL;
    if (troupe_system_open(NULL, &system) != TROUPE_OK)
        return 1;
    troupe_spawn_options options = {
        .behaviour = &greeter_behaviour, .state = calloc(1, sizeof(greeter)), .name = "greeter"};
    troupe_error error =
        options.state == NULL ? TROUPE_ENOMEM : troupe_spawn(system, &options, NULL);
    if (error != TROUPE_OK)
        free(options.state); /* it was not taken */
    else
        error = troupe_guest_create(system, &guest);
    if (error == TROUPE_OK) {
        troupe_address address = troupe_whereis(system, "greeter");
        ask(guest, address, "greet", "world");
        ask(guest, address, "greet", "troupe");
        ask(guest, address, "insult", "world");
    }
    troupe_guest_destroy(guest);
    troupe_system_close(system, 1000);
    if (error != TROUPE_OK)
        fprintf(stderr, "hello: %s\n", troupe_error_text(error));
    return error != TROUPE_OK;
}
