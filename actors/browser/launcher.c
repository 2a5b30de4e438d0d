/* SPDX-License-Identifier: MIT */
/*
 * The launcher: starts, watches and reaps browser processes, and supervises the browser actors,
 * those of attached browsers too; so it owns the list of browsers and of ports.
 *
 * A browser that was up once is started (or connected to) again when it is lost, with back-off. One
 * that never came up is given up, and whoever asked for it is told why.
 */
#include "launcher.h"
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "transport/pipe.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utlist.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000

static const char *state_name(entry_state state)
{
    static const char *const names[] = {"starting", "up", "retrying", "closing"};
    return names[state];
}

entry *entry_find(launcher *state, const char *id)
{
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        if (strcmp(item->id, id) == 0) {
            return item;
        }
    }
    return NULL;
}

static void entry_free(entry *item)
{
    browser_end_unref(item->end);
    free(item->profile);
    free(item->endpoint);
    free(item->executable);
    free(item);
}

json_t *entry_json(const entry *item)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "browser", item->id, "state",
        item->state == ENTRY_UP && item->unresponsive ? "unresponsive" : state_name(item->state),
        "origin", item->launched ? "launched" : "attached", "product", item->product, "endpoint",
        item->url, "uid", item->uid, "pid", item->run != NULL ? (int)item->run->process->pid : 0,
        "headed", item->headed, "reason", item->state == ENTRY_UP ? "" : item->ended.text);
}

/* Waiters ----------------------------------------------------------------------------------- */

static bool waits_for(const waiter *item, const char *id)
{
    for (size_t i = 0; i < item->id_count; i++) {
        if (strcmp(item->ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

waiter *waiter_new(launcher *state, troupe_caller caller, waiter_kind kind)
{
    waiter *item = calloc(1, sizeof *item);
    if (item == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        return NULL;
    }
    item->caller = caller;
    item->kind = kind;
    item->browsers = json_array();
    DL_APPEND(state->waiters, item);
    return item;
}

void waiter_free(launcher *state, waiter *item)
{
    DL_DELETE(state->waiters, item);
    json_decref(item->browsers);
    free(item);
}

void waiter_add(waiter *item, const char *id)
{
    if (item->id_count < sizeof item->ids / sizeof *item->ids) {
        snprintf(item->ids[item->id_count++], BROWSER_ID_MAX, "%s", id);
    }
    item->expected++;
}

void launcher_answer_port(launcher *state, const waiter *wait, const entry *item,
                          const char *failure)
{
    json_t *result = json_pack("{s:s, s:s}", "browser", item->id, "status",
                               failure == NULL ? "registered" : "unreachable");
    if (item->port_number != 0) {
        json_object_set_new(result, "port", json_integer(item->port_number));
    }
    if (failure != NULL) {
        json_object_set_new(result, "warning", json_string(failure));
    }
    json_reply(state->self, wait->caller, result);
}

/* A browser came up, or will not (failure). */
static void settle(launcher *state, const entry *item, const char *failure)
{
    waiter *wait;
    waiter *next;
    DL_FOREACH_SAFE(state->waiters, wait, next)
    {
        if (wait->kind == WAIT_CLOSE || !waits_for(wait, item->id)) {
            continue;
        }
        if (wait->kind == WAIT_PORT) {
            launcher_answer_port(state, wait, item, failure);
            waiter_free(state, wait);
        } else if (failure != NULL) {
            troupe_fault(state->self, wait->caller, TROUPE_EUNAVAILABLE, NULL,
                         "browser %s did not start: %s", item->id, failure);
            waiter_free(state, wait);
        } else {
            json_array_append_new(wait->browsers, entry_json(item));
            if (json_array_size(wait->browsers) == wait->expected) {
                json_reply(state->self, wait->caller,
                           json_pack("{s:O}", "browsers", wait->browsers));
                waiter_free(state, wait);
            }
        }
    }
}

static void settle_closed(launcher *state, const char *id)
{
    waiter *wait;
    waiter *next;
    DL_FOREACH_SAFE(state->waiters, wait, next)
    {
        if (wait->kind == WAIT_CLOSE && waits_for(wait, id)) {
            json_reply(state->self, wait->caller,
                       json_pack("{s:b, s:s}", "closed", true, "browser", id));
            waiter_free(state, wait);
        }
    }
}

/* Processes --------------------------------------------------------------------------------- */

static void maybe_finish(entry *item);

static void maybe_done(launcher *state)
{
    if (state->children_gone && state->running == NULL) {
        troupe_exit(state->self, TROUPE_OK);
    }
}

static void on_output(troupe_actor *self, void *context, int fd, short revents)
{
    (void)revents;
    running *run = context;
    if (!process_read_output(run->process)) {
        troupe_unwatch(self, fd);
    }
}

static void describe_exit(char *out, size_t size, int code, const char *words)
{
    int used = code > 128 ? snprintf(out, size, "ended by signal %d", code - 128)
                          : snprintf(out, size, "exited with status %d", code);
    if (code != 0 && *words != '\0' && used > 0 && (size_t)used < size) {
        snprintf(out + used, size - (size_t)used, ": %s", words);
    }
}

/* The keeper ended: everything it kept is gone, its directory too. */
static void on_process_end(troupe_actor *self, void *context, int fd, short revents)
{
    (void)revents;
    running *run = context;
    launcher *state = run->owner;
    troupe_unwatch(self, fd);
    troupe_unwatch(self, run->process->output_fd);
    process_read_output(run->process);
    int code = process_reap(run->process);
    char text[400];
    describe_exit(text, sizeof text, code, process_last_words(run->process));
    entry *item = entry_find(state, run->browser);
    if (!run->expected) {
        troupe_log(TROUPE_LOG_WARN, "launcher", "browser-exited", run->browser, "%s", text);
    }
    if (item != NULL && item->run == run) {
        item->run = NULL;
        if (run->process->orphaned && !run->expected) {
            /* The browser died with it, but its helpers may hold the connection open: start anew.
             */
            (void)troupe_stop(troupe_self_system(state->self),
                              troupe_supervisor_find(state->supervisor, item->id), TROUPE_STOP_NOW);
        }
        snprintf(item->exit_text, sizeof item->exit_text, "%s", text);
        item->killed = code == 128 + SIGKILL && run->expected;
        if (item->killed) { /* our own doing: what it said may explain */
            snprintf(item->exit_text, sizeof item->exit_text, "%s",
                     process_last_words(run->process));
        }
    }
    process_destroy(run->process);
    DL_DELETE(state->running, run);
    free(run);
    if (item != NULL) {
        maybe_finish(item);
    }
    maybe_done(state);
}

static void let_go(entry *item)
{
    if (item->run != NULL) {
        item->run->expected = true;
        process_let_go(item->run->process);
    }
}

static troupe_error start_process(launcher *state, entry *item, troupe_reason *reason)
{
    process_options options = {.host = state->host,
                               .executable = item->executable,
                               .headed = item->headed,
                               .port = item->port,
                               .profile = item->profile};
    running *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = process_start(&options, &run->process, reason);
    if (error != TROUPE_OK) {
        free(run);
        return error;
    }
    run->owner = state;
    snprintf(run->browser, sizeof run->browser, "%s", item->id);
    error = troupe_watch(state->self, run->process->pid_fd, POLLIN, on_process_end, run);
    if (error == TROUPE_OK) {
        error = troupe_watch(state->self, run->process->output_fd, POLLIN, on_output, run);
    }
    if (error != TROUPE_OK) { /* its end would go unnoticed: waits for it, just this once */
        troupe_unwatch(state->self, run->process->pid_fd);
        process_let_go(run->process);
        (void)process_reap(run->process);
        process_destroy(run->process);
        free(run);
        return error;
    }
    DL_APPEND(state->running, run);
    item->run = run;
    return TROUPE_OK;
}

/* Browser actors ---------------------------------------------------------------------------- */

static troupe_error prepare_launched(entry *item, browser_spec *spec, troupe_reason *reason)
{
    launcher *state = item->owner;
    if (item->run != NULL) { /* the one before is still being cleaned up: this is a new run */
        let_go(item);
        item->run = NULL;
    }
    troupe_error error = start_process(state, item, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    process *made = item->run->process;
    spec->pid = made->pid;
    spec->profile = made->profile;
    if (item->port) {
        spec->pid_fd = made->pid_fd;
        return TROUPE_OK;
    }
    error = pipe_stream_create(made->read_fd, made->write_fd, 0, &spec->stream);
    if (error == TROUPE_OK) {
        made->read_fd = made->write_fd = -1;
    }
    return error;
}

static troupe_error prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    entry *item = context;
    const char *attach = item->owner->host->attach;
    browser_spec spec = {.host = item->owner->host,
                         .id = item->id,
                         .launched = item->launched,
                         .attach = strcmp(attach, "all") == 0 ||
                                   (item->launched && strcmp(attach, "none") != 0),
                         .graceful = item->launched && item->profile != NULL,
                         .endpoint = item->endpoint,
                         .pid_fd = -1};
    item->ended.text[0] = '\0';
    browser_end_unref(item->end);
    item->end = spec.end = browser_end_create();
    troupe_error error = spec.end != NULL ? TROUPE_OK : TROUPE_ENOMEM;
    if (error == TROUPE_OK && item->launched) {
        error = prepare_launched(item, &spec, &item->ended);
    }
    if (error == TROUPE_OK) {
        error = browser_prepare(&spec, out);
    }
    if (error != TROUPE_OK) {
        message_stream_destroy(spec.stream);
        let_go(item);
    }
    return error;
}

/* Those who wait for a page in it may have to look for another one. */
static void tell_failed(launcher *state, const entry *item)
{
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_CONNECTIONS);
    troupe_bytes nil = {NULL, 0};
    if (to != 0 &&
        troupe_post(state->self, to, TROUPE_CAST, VERB_BROWSER_FAILED, NULL, nil) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "launcher", "notice-lost", item->id, "%s", VERB_BROWSER_FAILED);
    }
}

/* Its targets will not come back. */
static void tell_removed(launcher *state, const entry *item)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s}", "browser", item->id);
    troupe_address to = troupe_whereis(troupe_self_system(state->self), NAME_CONNECTIONS);
    if (to != 0 && troupe_post(state->self, to, TROUPE_CAST, VERB_BROWSER_REMOVED, NULL,
                               troupe_buffer_bytes(&payload)) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "launcher", "notice-lost", item->id, "%s",
                   VERB_BROWSER_REMOVED);
    }
    troupe_buffer_fini(&payload);
}

/* It never came up: whoever waits for that is told why. */
static void give_up(launcher *state, const entry *item)
{
    char why[900] = "closed";
    if (item->failed) {
        bool both = item->killed && item->exit_text[0] != '\0';
        const char *first = item->exit_text[0] == '\0' || both ? item->ended.text : item->exit_text;
        snprintf(why, sizeof why, "%s%s%s", first, both ? "; it said: " : "",
                 both ? item->exit_text : "");
        troupe_log(TROUPE_LOG_ERROR, "launcher", "browser-not-started", item->id, "%s", why);
    }
    char text[1200];
    const char *what = item->launched ? item->executable : item->endpoint;
    snprintf(text, sizeof text, "%.200s: %s", what != NULL ? what : item->id, why);
    settle(state, item, text);
    tell_failed(state, item);
}

/* The last of an entry: the supervisor has let go of it, and its process is reaped. */
static void maybe_finish(entry *item)
{
    launcher *state = item->owner;
    if (!item->released || item->run != NULL) {
        return;
    }
    if (!item->seen_up) {
        give_up(state, item);
    }
    settle_closed(state, item->id);
    tell_removed(state, item);
    DL_DELETE(state->entries, item);
    entry_free(item);
}

static void on_release(void *context)
{
    entry *item = context;
    item->released = true;
    let_go(item);
    maybe_finish(item);
}

static void on_child(troupe_actor *self, void *context, const char *name, troupe_address started,
                     troupe_error ended, uint32_t restart_in_ms)
{
    (void)self;
    launcher *state = context;
    entry *item = entry_find(state, name);
    if (item == NULL || started != 0) {
        return;
    }
    let_go(item);
    if (item->ended.text[0] == '\0' && item->end != NULL) {
        (void)troupe_fail(&item->ended, ended, "%s", browser_end_text(item->end));
    }
    item->uid[0] = '\0';
    if (item->state == ENTRY_CLOSING || state->closing) {
        item->state = ENTRY_CLOSING; /* on_release comes next */
    } else if (item->seen_up) {
        item->state = ENTRY_RETRYING;
        troupe_log(TROUPE_LOG_INFO, "launcher", "browser-lost", item->id, "%s; again in %u ms",
                   item->ended.text, restart_in_ms);
    } else {
        if (item->ended.text[0] == '\0') {
            snprintf(item->ended.text, sizeof item->ended.text, "%s", troupe_error_text(ended));
        }
        item->failed = true;
        item->state = ENTRY_CLOSING;
        (void)troupe_supervisor_remove(state->supervisor, name, TROUPE_STOP_NOW);
    }
}

/* Hands the entry to the supervisor; on an error the entry is gone and the reason says why. */
troupe_error entry_start(launcher *state, entry *item, troupe_reason *reason)
{
    troupe_child child = {.name = item->id,
                          .prepare = prepare,
                          .discard = browser_discard,
                          .context = item,
                          .release = on_release,
                          .restart = TROUPE_PERMANENT,
                          .backoff_min_ms = BACKOFF_MIN_MS,
                          .backoff_max_ms = BACKOFF_MAX_MS,
                          .shutdown_ms = TROUPE_SHUTDOWN_UNLIMITED};
    item->owner = state;
    item->state = ENTRY_STARTING;
    DL_APPEND(state->entries, item);
    troupe_error error = troupe_supervisor_add(state->supervisor, &child, false, NULL);
    if (error != TROUPE_OK) {
        const char *why = item->ended.text[0] != '\0' ? item->ended.text : troupe_error_text(error);
        (void)troupe_fail(reason, error, "%s", why);
        item->state = ENTRY_CLOSING;
        on_release(item);
    }
    return error;
}

/* The actor --------------------------------------------------------------------------------- */

static void on_up(launcher *state, const troupe_envelope *envelope)
{
    const char *id;
    const char *uid;
    const char *product;
    const char *url;
    size_t id_len;
    size_t uid_len;
    size_t product_len;
    size_t url_len;
    uint64_t address;
    char name[BROWSER_ID_MAX];
    if (troupe_unpack(envelope->payload, "{s:s#,s:s#,s:s#,s:s#,s:U}", "browser", &id, &id_len,
                      "uid", &uid, &uid_len, "product", &product, &product_len, "endpoint", &url,
                      &url_len, "address", &address) != TROUPE_OK) {
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)id_len, id);
    entry *item = entry_find(state, name);
    if (item == NULL || item->state == ENTRY_CLOSING ||
        troupe_supervisor_find(state->supervisor, name) != address) {
        return; /* its end overtook the news */
    }
    snprintf(item->uid, sizeof item->uid, "%.*s", (int)uid_len, uid);
    snprintf(item->product, sizeof item->product, "%.*s", (int)product_len, product);
    snprintf(item->url, sizeof item->url, "%.*s", (int)url_len, url);
    item->state = ENTRY_UP;
    item->unresponsive = false;
    item->seen_up = true;
    troupe_log(TROUPE_LOG_INFO, "launcher", "browser-up", item->id, "%s", item->product);
    settle(state, item, NULL);
}

/* It owes answers and is silent, or speaks again: only said, nothing is done about it. */
static void on_health(launcher *state, const troupe_envelope *envelope)
{
    const char *id;
    size_t len;
    uint64_t address;
    int responsive;
    char name[BROWSER_ID_MAX];
    if (troupe_unpack(envelope->payload, "{s:s#,s:U,s:b}", "browser", &id, &len, "address",
                      &address, "responsive", &responsive) != TROUPE_OK) {
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, id);
    entry *item = entry_find(state, name);
    if (item != NULL && troupe_supervisor_find(state->supervisor, name) == address) {
        item->unresponsive = responsive == 0;
    }
}

static troupe_error launcher_receive(troupe_actor *self, void *context,
                                     const troupe_envelope *envelope)
{
    launcher *state = context;
    (void)self;
    if (envelope->kind == TROUPE_SIGNAL) {
        (void)troupe_supervisor_signal(state->supervisor, envelope);
    } else if (troupe_verb_is(envelope, VERB_BROWSER_UP)) {
        on_up(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_BROWSER_HEALTH)) {
        on_health(state, envelope);
    } else {
        launcher_method(state, envelope);
    }
    return TROUPE_OK;
}

static troupe_error launcher_start(troupe_actor *self, void *context)
{
    launcher *state = context;
    state->self = self;
    if (geteuid() == 0 && !state->host->no_sandbox) {
        troupe_log(TROUPE_LOG_WARN, "launcher", "no-sandbox", NULL,
                   "running as root: browsers are started without Chromium's sandbox");
    }
    troupe_supervisor_options options = {.event = on_child, .context = state};
    return troupe_supervisor_create(self, &options, &state->supervisor);
}

static void on_children_gone(troupe_actor *self, void *context)
{
    (void)self;
    launcher *state = context;
    state->children_gone = true;
    maybe_done(state);
}

/* Ends when every browser actor and every process has ended. */
static bool launcher_closing(troupe_actor *self, void *context)
{
    launcher *state = context;
    (void)self;
    state->closing = true;
    troupe_supervisor_stop(state->supervisor, on_children_gone, state);
    return state->children_gone && state->running == NULL;
}

static void launcher_stop(troupe_actor *self, void *context, troupe_error reason)
{
    launcher *state = context;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(state->supervisor);
    while (state->waiters != NULL) {
        waiter_free(state, state->waiters);
    }
    while (state->running != NULL) { /* only when stopped at once: their keepers clean up */
        running *run = state->running;
        DL_DELETE(state->running, run);
        process_destroy(run->process);
        free(run);
    }
    while (state->entries != NULL) {
        entry *item = state->entries;
        DL_DELETE(state->entries, item);
        entry_free(item);
    }
    free(state);
}

static const troupe_behaviour behaviour = {.kind = "launcher",
                                           .start = launcher_start,
                                           .receive = launcher_receive,
                                           .closing = launcher_closing,
                                           .stop = launcher_stop};

troupe_error launcher_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    launcher *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    state->host = context;
    *out = (troupe_spawn_options){.behaviour = &behaviour, .state = state, .name = NAME_LAUNCHER};
    return TROUPE_OK;
}
