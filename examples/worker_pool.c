/* SPDX-License-Identifier: MIT */
/*
 * Worker pool: a boss hands jobs to three supervised workers. One job breaks the worker that gets
 * it first; the worker is started again, and the job is given to somebody once more.
 *
 * Shows: a supervisor as a part of an actor, restarts, calls that complete when their receiver
 * dies (TROUPE_ECLOSED), children that are stopped before their parent.
 */
#include <troupe/supervisor.h>

#include <stdio.h>
#include <stdlib.h>

#define WORKERS    3
#define JOBS       20
#define BAD_JOB    7
#define TIMEOUT_MS 30000
#define NOBODY     (-1)

/* Worker: call "work" {job, attempt} -> i steps. An error ends it. --------------------------- */

/* Steps of the Collatz sequence from n down to 1. */
static int collatz_steps(uint64_t n)
{
    int steps = 0;
    for (; n > 1; steps++)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return steps;
}

static troupe_error worker_receive(troupe_actor *self, void *state, const troupe_envelope *envelope)
{
    (void)state;
    int job;
    int attempt;
    if (troupe_unpack(envelope->payload, "{s:i,s:i}", "job", &job, "attempt", &attempt) !=
        TROUPE_OK)
        return TROUPE_EPROTOCOL;
    if (job == BAD_JOB && attempt == 0)
        return TROUPE_EINTERNAL; /* the call is answered with a fault: TROUPE_ECLOSED */
    troupe_buffer answer = {0};
    troupe_pack(&answer, "i", collatz_steps((uint64_t)job + 1000));
    troupe_reply(self, troupe_caller_of(envelope), troupe_buffer_bytes(&answer));
    troupe_buffer_fini(&answer);
    return TROUPE_OK;
}

static const troupe_behaviour worker_behaviour = {.kind = "worker", .receive = worker_receive};

static troupe_error worker_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    out->behaviour = &worker_behaviour; /* a fresh state, if it had one, would be made here */
    return TROUPE_OK;
}

/* Boss ---------------------------------------------------------------------------------------- */

typedef struct boss boss;

typedef struct place { /* of one worker, whoever it is at present */
    boss *boss;
    char name[16];
    int job; /* in work, or NOBODY's */
} place;

struct boss {
    troupe_supervisor *supervisor;
    place places[WORKERS];
    int attempts[JOBS]; /* how often it was given to a worker */
    bool waiting[JOBS];
    int steps[JOBS];
    int done;
    int restarts;
};

static void hand_out(troupe_actor *self, boss *state);

static void leave(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static void job_ended(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    place *at = context;
    boss *state = at->boss;
    int job = at->job;
    at->job = NOBODY;
    if (error == TROUPE_OK)
        error = troupe_unpack(answer->payload, "i", &state->steps[job]);
    if (error == TROUPE_OK) {
        state->done++;
    } else {
        printf("job %d failed: %s\n", job, troupe_error_text(error));
        state->waiting[job] = true;
    }
    if (state->done < JOBS)
        hand_out(self, state);
    else
        troupe_supervisor_stop(state->supervisor, leave, state);
}

/* The worker in this place gets that job. TROUPE_EGONE: it has just died. */
static troupe_error give(troupe_actor *self, boss *state, place *at, int job)
{
    troupe_address worker = troupe_supervisor_find(state->supervisor, at->name);
    if (worker == 0)
        return TROUPE_EGONE; /* between two lives */
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:i,s:i}", "job", job, "attempt", state->attempts[job]);
    troupe_error error = troupe_call(self, worker, "work", NULL, troupe_buffer_bytes(&payload),
                                     TIMEOUT_MS, job_ended, at, NULL);
    troupe_buffer_fini(&payload);
    if (error == TROUPE_OK) {
        state->attempts[job]++;
        state->waiting[job] = false;
        at->job = job;
    }
    return error;
}

/* A job for everybody who is there and has none. */
static void hand_out(troupe_actor *self, boss *state)
{
    int job = 0;
    for (int i = 0; i < WORKERS; i++) {
        while (job < JOBS && !state->waiting[job])
            job++;
        if (job < JOBS && state->places[i].job == NOBODY)
            (void)give(self, state, &state->places[i], job); /* gone: worker_changed comes */
    }
}

static void worker_changed(troupe_actor *self, void *context, const char *name,
                           troupe_address started, troupe_error ended, uint32_t restart_in_ms)
{
    boss *state = context;
    if (started != 0) {
        hand_out(self, state);
    } else if (ended != TROUPE_OK) {
        state->restarts++;
        printf("%s ended: %s; again in %u ms\n", name, troupe_error_text(ended), restart_in_ms);
    }
}

static troupe_error boss_start(troupe_actor *self, void *context)
{
    boss *state = context;
    troupe_supervisor_options options = {.event = worker_changed, .context = state};
    troupe_error error = troupe_supervisor_create(self, &options, &state->supervisor);
    for (int i = 0; i < WORKERS && error == TROUPE_OK; i++) {
        place *at = &state->places[i];
        at->boss = state;
        at->job = NOBODY;
        snprintf(at->name, sizeof at->name, "worker %d", i + 1);
        troupe_child child = {.name = at->name,
                              .prepare = worker_prepare,
                              .restart = TROUPE_PERMANENT,
                              .backoff_min_ms = 5,
                              .intensity = 3, /* more restarts within a second: the boss fails */
                              .period_ms = 1000};
        error = troupe_supervisor_add(state->supervisor, &child, false, NULL);
    }
    for (int job = 0; job < JOBS; job++)
        state->waiting[job] = true;
    if (error == TROUPE_OK)
        hand_out(self, state);
    return error;
}

static troupe_error boss_receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    boss *state = context;
    (void)self;
    if (envelope->kind == TROUPE_SIGNAL)
        (void)troupe_supervisor_signal(state->supervisor, envelope);
    return TROUPE_OK;
}

/* Asked to stop: the children first. */
static bool boss_closing(troupe_actor *self, void *context)
{
    (void)self;
    boss *state = context;
    if (state->supervisor == NULL)
        return true;
    troupe_supervisor_stop(state->supervisor, leave, state);
    return false;
}

static void boss_stop(troupe_actor *self, void *context, troupe_error reason)
{
    boss *state = context;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(state->supervisor);
}

static const troupe_behaviour boss_behaviour = {.kind = "boss",
                                                .start = boss_start,
                                                .receive = boss_receive,
                                                .closing = boss_closing,
                                                .stop = boss_stop};

int main(void)
{
    troupe_system *system;
    if (troupe_system_open(NULL, &system) != TROUPE_OK)
        return 1;
    static boss state;
    troupe_address boss_address;
    troupe_spawn_options options = {.behaviour = &boss_behaviour, .state = &state};
    troupe_error error = troupe_spawn(system, &options, &boss_address);
    if (error == TROUPE_OK)
        error = troupe_join(system, boss_address, TIMEOUT_MS);
    troupe_system_close(system, 1000);
    int total = 0;
    for (int job = 0; job < JOBS; job++)
        total += state.steps[job];
    printf("%d jobs done, %d steps, %d restart\n", state.done, total, state.restarts);
    return error == TROUPE_OK && state.done == JOBS && state.restarts == 1 ? 0 : 1;
}
