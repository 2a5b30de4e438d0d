/* SPDX-License-Identifier: MIT */
/* The launcher's processes: started, listened to, reaped, counted; what the last ones said. */
#include "actors/json_call.h"
#include "launcher.h"
#include "proc.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utlist.h>

#define ENDED_MAX 8

/* Chromium's complaint when it cannot listen on its port; it runs on, out of reach. */
#define PORT_REFUSED "Cannot start http server for devtools"

/* The latest that ended ---------------------------------------------------------------------- */

static void ended_free(launcher *state, ended_run *item)
{
    DL_DELETE(state->ended, item);
    free(item->executable);
    free(item->output);
    free(item);
}

void ended_runs_free(launcher *state)
{
    while (state->ended != NULL) {
        ended_free(state, state->ended);
    }
}

/* Those that failed stay longest: the oldest that did not goes first. */
static void keep_few(launcher *state)
{
    ended_run *item;
    int count;
    DL_COUNT(state->ended, item, count);
    if (count <= ENDED_MAX) {
        return;
    }
    DL_FOREACH(state->ended, item)
    {
        if (!item->failed && item->next != NULL) {
            break;
        }
    }
    ended_free(state, item != NULL ? item : state->ended);
}

static void remember(launcher *state, const running *run, const char *reason, bool failed)
{
    ended_run *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return;
    }
    snprintf(item->browser, sizeof item->browser, "%s", run->browser);
    snprintf(item->reason, sizeof item->reason, "%s", reason);
    item->executable = strdup(run->recipe->executable);
    item->output = output_text(&run->process->output);
    item->failed = failed;
    item->wall_us = json_wall_us();
    DL_APPEND(state->ended, item);
    keep_few(state);
}

/* How it ended ------------------------------------------------------------------------------- */

static void describe_exit(char *out, size_t size, int code, const char *said)
{
    int used = code > 128 ? snprintf(out, size, "ended by signal %d", code - 128)
                          : snprintf(out, size, "exited with status %d", code);
    if (code != 0 && *said != '\0' && used > 0 && (size_t)used < size) {
        snprintf(out + used, size - (size_t)used, ": %s", said);
    }
}

/* Whether it was any good, for the breaker: see breaker.h. */
static void judge(launcher *state, const running *run, int code, const char *text)
{
    const char *executable = run->recipe->executable;
    const char *profile = run->recipe->profile;
    if (run->stable) {
        return; /* told when it became so */
    }
    if (run->up_ns != 0 && run->asked) {
        breaker_succeeded(&state->breakers, executable, profile, run->probe);
    } else if (!run->asked && (run->up_ns == 0 || code != 128 + SIGKILL)) {
        breaker_failed(&state->breakers, executable, profile, run->probe,
                       troupe_now_ns(state->self), text);
    } else if (run->probe) {
        breaker_abandoned(&state->breakers, executable, profile); /* it says nothing about it */
    }
}

/* It was up for BREAKER_STABLE_MS, and is. */
static void on_stable(troupe_actor *self, void *context)
{
    (void)self;
    running *run = context;
    run->timer = 0;
    run->stable = true;
    breaker_succeeded(&run->owner->breakers, run->recipe->executable, run->recipe->profile,
                      run->probe);
}

static void count_end(launcher *state, const running *run, int code)
{
    launcher_counters *counters = &state->counters;
    counters->ended++;
    counters->killed += code == 128 + SIGKILL;
    counters->keepers_lost += run->process->orphaned;
    counters->left_processes += run->process->left_processes;
    counters->left_directories += run->process->left_directories;
    if (run->asked) {
        counters->closed++;
    } else if (run->up_ns == 0) {
        counters->failed++;
    } else {
        counters->crashed++;
    }
}

static void tell_entry(launcher *state, entry *item, const running *run, int code, const char *text,
                       const char *said)
{
    item->run = NULL;
    if (run->process->orphaned && !run->let_go) {
        /* Its helpers may have held the connection open: start anew. */
        (void)troupe_stop(troupe_self_system(state->self),
                          troupe_supervisor_find(state->supervisor, item->id), TROUPE_STOP_NOW);
    }
    item->killed = code == 128 + SIGKILL && run->let_go;
    /* Our own doing: what it said may explain. */
    snprintf(item->exit_text, sizeof item->exit_text, "%s", item->killed ? said : text);
}

static bool is_keeper(const launcher *state, pid_t pid)
{
    const running *run;
    DL_FOREACH(state->running, run)
    {
        if (run->process->pid == pid) {
            return true;
        }
    }
    return false;
}

/* Zombies that came to this process because their keeper was killed. */
static void reap_orphans(launcher *state)
{
    proc_table table = {0};
    if (state->host->reap_orphans && state->counters.keepers_lost > 0 && proc_table_read(&table)) {
        for (size_t i = 0; i < table.count; i++) {
            const proc_entry *process_now = &table.entries[i];
            if (process_now->state == 'Z' && process_now->parent == getpid() &&
                !is_keeper(state, process_now->pid)) {
                (void)waitpid(process_now->pid, NULL, WNOHANG);
            }
        }
    }
    proc_table_fini(&table);
}

/* The keeper ended: everything it kept is gone, its directory too. */
static void on_process_end(troupe_actor *self, void *context, int fd, short revents)
{
    (void)revents;
    running *run = context;
    launcher *state = run->owner;
    troupe_unwatch(self, fd);
    troupe_unwatch(self, run->process->output_fd);
    (void)process_read_output(run->process); /* a pipe holds no more than one reading takes */
    int code = process_reap(run->process);
    char said[300];
    char text[400];
    troupe_timer_cancel(self, run->timer);
    output_last_words(&run->process->output, said, sizeof said);
    describe_exit(text, sizeof text, code, said);
    count_end(state, run, code);
    /* Killed by us: why we did. Else it ended by itself, whatever we noticed first. */
    const char *reason = code == 128 + SIGKILL && run->why[0] != '\0' ? run->why : text;
    judge(state, run, code, reason);
    remember(state, run, reason, !run->asked);
    if (!run->let_go) {
        troupe_log(TROUPE_LOG_WARN, "launcher", "browser-exited", run->browser, "%s", text);
    }
    if (run->process->left_processes + run->process->left_directories > 0) {
        troupe_log(TROUPE_LOG_ERROR, "launcher", "leftovers", run->browser,
                   "%zu processes and %zu directories (%s) are left", run->process->left_processes,
                   run->process->left_directories, run->process->scratch);
    }
    entry *item = entry_find(state, run->browser);
    if (item != NULL && item->run == run) {
        tell_entry(state, item, run, code, text, said);
    }
    process_destroy(run->process);
    recipe_unref(run->recipe);
    DL_DELETE(state->running, run);
    free(run);
    reap_orphans(state);
    if (item != NULL) {
        entry_maybe_finish(item);
    }
    launcher_maybe_done(state);
}

/* Its life ----------------------------------------------------------------------------------- */

static void look_for_port_refused(running *run)
{
    char said[300];
    output_last_words(&run->process->output, said, sizeof said);
    if (run->recipe->port && run->up_ns == 0 && strstr(said, PORT_REFUSED) != NULL) {
        snprintf(run->why, sizeof run->why, "port %u cannot be had: %.200s",
                 run->recipe->port_number, said);
        process_let_go(run->process, true);
    }
}

static void on_output(troupe_actor *self, void *context, int fd, short revents)
{
    (void)revents;
    running *run = context;
    if (!process_read_output(run->process)) {
        troupe_unwatch(self, fd);
    }
    if (run->recipe->port && run->up_ns == 0) {
        look_for_port_refused(run);
    }
}

void run_up(entry *item)
{
    running *run = item->run;
    if (run == NULL || run->up_ns != 0) {
        return;
    }
    run->up_ns = item->up_ns;
    if (troupe_timer_start(run->owner->self, BREAKER_STABLE_MS, 0, on_stable, run, &run->timer) !=
        TROUPE_OK) {
        on_stable(run->owner->self, run); /* rather too soon than never */
    }
}

void run_let_go(entry *item, const char *why)
{
    running *run = item->run;
    if (run == NULL) {
        return;
    }
    if (!run->let_go && run->up_ns == 0 && why != NULL && run->why[0] == '\0') {
        snprintf(run->why, sizeof run->why, "%s", why);
    }
    run->let_go = true;
    run->asked =
        run->asked || item->owner->closing || (item->state == ENTRY_CLOSING && !item->failed);
    process_let_go(run->process, item->force);
}

static void run_free(running *run)
{
    process_destroy(run->process);
    recipe_unref(run->recipe);
    free(run);
}

troupe_error run_start(launcher *state, entry *item, bool probe, troupe_reason *reason)
{
    process_options options = {.host = state->host, .recipe = item->recipe, .browser = item->id};
    running *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return TROUPE_ENOMEM;
    }
    run->owner = state;
    run->probe = probe;
    run->recipe = recipe_ref(item->recipe);
    run->start_ns = troupe_now_ns(state->self);
    snprintf(run->browser, sizeof run->browser, "%s", item->id);
    troupe_error error = process_start(&options, &run->process, reason);
    if (error != TROUPE_OK) {
        run_free(run);
        return error;
    }
    error = troupe_watch(state->self, run->process->pid_fd, POLLIN, on_process_end, run);
    if (error == TROUPE_OK) {
        error = troupe_watch(state->self, run->process->output_fd, POLLIN, on_output, run);
    }
    if (error != TROUPE_OK) { /* its end would go unnoticed: waits for it, just this once */
        troupe_unwatch(state->self, run->process->pid_fd);
        process_let_go(run->process, true);
        (void)process_reap(run->process);
        run_free(run);
        return error;
    }
    DL_APPEND(state->running, run);
    item->run = run;
    state->counters.launched++;
    state->counters.restarted += item->starts > 0;
    item->starts++;
    return TROUPE_OK;
}
