/* SPDX-License-Identifier: MIT */
/* Work on an actor's thread, for tests of what an actor owns: a call that carries a function. */
#ifndef TEST_JOB_H
#define TEST_JOB_H

#include "stage.h"

typedef struct job {
    void (*run)(void *owner, void *argument);
    void *argument;
} job;

/* In the owner's `receive`: do the job of a call `job`. */
static inline void job_do(troupe_actor *self, void *owner, const troupe_envelope *call)
{
    uint64_t at;
    cr_assert(troupe_verb_is(call, "job"));
    cr_assert(troupe_unpack(call->payload, "U", &at) == TROUPE_OK);
    const job *j = (const job *)(uintptr_t)at;
    j->run(owner, j->argument);
    troupe_reply(self, troupe_caller_of(call), nothing);
}

/* Have it done, and wait until it is. */
static inline void have(troupe_address owner, void (*run)(void *owner, void *argument),
                        void *argument)
{
    job j = {run, argument};
    troupe_answer answer;
    troupe_buffer at = {0};
    cr_assert(troupe_pack(&at, "U", (uint64_t)(uintptr_t)&j) == TROUPE_OK);
    cr_assert(troupe_guest_call(guest, owner, "job", NULL, troupe_buffer_bytes(&at), LONG_MS,
                                &answer) == TROUPE_OK);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&at);
}

#endif
