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
#include "misfortune.h"
#include "runtime/text.h"
#include "transport/pipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utlist.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000
#define PARALLEL_MAX   16
#define NS_PER_MS      UINT64_C(1000000)

static const char *state_name(entry_state state)
{
    static const char *const names[] = {"starting", "up", "retrying", "closing", "refused"};
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
    recipe_unref(item->recipe);
    endpoint_unref(item->endpoint);
    free(item);
}

static void add_launched(json_t *row, const entry *item)
{
    const recipe *made = item->recipe;
    json_object_set_new(row, "executable", json_string(made->executable));
    json_object_set_new(row, "full", json_boolean(made->full));
    if (item->run != NULL && item->run->up_ns != 0) {
        uint64_t took = item->run->up_ns - item->run->start_ns;
        json_object_set_new(row, "start_ms", json_integer((json_int_t)(took / NS_PER_MS)));
    }
    json_object_set_new(row, "profile",
                        made->profile != NULL ? json_string(made->profile) : json_null());
    if (made->port_number != 0) {
        json_object_set_new(row, "port", json_integer(made->port_number));
    }
}

static const char *shown_state(const entry *item)
{
    bool mute = item->state == ENTRY_UP && item->unresponsive;
    return item->queued ? "queued" : mute ? "unresponsive" : state_name(item->state);
}

json_t *entry_json(const entry *item)
{
    uint64_t now = troupe_now_ns(item->owner->self);
    bool headed = item->recipe != NULL && item->recipe->headed;
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:s, s:I, s:i}", "browser", item->id,
                  "state", shown_state(item), "origin", item->launched ? "launched" : "attached",
                  "product", item->product, "endpoint", item->url, "uid", item->uid, "pid",
                  item->run != NULL ? (int)item->run->process->pid : 0, "headed", (int)headed,
                  "reason", item->state == ENTRY_UP ? "" : item->ended.text, "uptime_ms",
                  (json_int_t)(item->up_ns != 0 ? (now - item->up_ns) / NS_PER_MS : 0), "restarts",
                  item->starts > 0 ? (int)item->starts - 1 : 0);
    if (item->launched) {
        add_launched(row, item);
    }
    return row;
}

/* Browser actors ---------------------------------------------------------------------------- */

static troupe_error prepare_launched(entry *item, browser_spec *spec, troupe_reason *reason)
{
    launcher *state = item->owner;
    if (item->run != NULL) { /* the one before is still being cleaned up: this is a new run */
        run_let_go(item, NULL);
        item->run = NULL;
    }
    const recipe *wanted = item->recipe;
    bool probe;
    troupe_error error = breaker_ask(&state->breakers, wanted->executable, wanted->profile,
                                     troupe_now_ns(state->self), &probe, reason);
    if (error != TROUPE_OK) {
        state->counters.refused++;
        return error;
    }
    spec->limits = wanted->limits;
    error = run_start(state, item, probe, reason);
    if (error != TROUPE_OK) {
        if (probe) {
            breaker_abandoned(&state->breakers, wanted->executable, wanted->profile);
        }
        item->failure = error == TROUPE_ENOMEM ? error : TROUPE_EUNAVAILABLE;
        item->failure = error == TROUPE_ESTATE ? error : item->failure;
        return error;
    }
    process *made = item->run->process;
    spec->pid = made->pid;
    spec->profile = made->profile;
    if (wanted->port) {
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
                         .graceful = item->launched && item->recipe->profile != NULL,
                         .start_timeout_ms = item->launched ? item->recipe->timeout_ms : 0,
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
        run_let_go(item, item->ended.text);
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
    const char *what = item->launched ? item->recipe->executable : endpoint_text(item->endpoint);
    snprintf(text, sizeof text, "%.200s: %s", what != NULL ? what : item->id, why);
    text_repair(text);
    launcher_settle(state, item, text);
    tell_failed(state, item);
}

void entry_maybe_finish(entry *item)
{
    launcher *state = item->owner;
    if (!item->released || item->run != NULL || item->state == ENTRY_REFUSED) {
        return;
    }
    if (!item->seen_up) {
        give_up(state, item);
    }
    launcher_settle_closed(state, item->id);
    tell_removed(state, item);
    DL_DELETE(state->entries, item);
    entry_free(item);
    launcher_start_queued(state);
}

static void on_release(void *context)
{
    entry *item = context;
    item->released = true;
    run_let_go(item, item->ended.text);
    entry_maybe_finish(item);
}

/* Its actor ended, or could not be started. */
static void note_end(entry *item, troupe_error ended)
{
    if (item->ended.text[0] == '\0' && item->end != NULL) {
        (void)troupe_fail(&item->ended, ended, "%s", browser_end_text(item->end));
    }
    if (item->ended.text[0] == '\0') {
        snprintf(item->ended.text, sizeof item->ended.text, "%s", troupe_error_text(ended));
    }
    item->uid[0] = '\0';
    item->up_ns = 0;
}

/* It will have nothing of us: no further try, until it is added again. */
static void refuse_port(launcher *state, entry *item)
{
    char name[BROWSER_ID_MAX];
    char text[700];
    memcpy(name, item->id, sizeof name);
    snprintf(text, sizeof text, "%.200s: %s", endpoint_text(item->endpoint), item->last_error);
    text_repair(text);
    troupe_log(TROUPE_LOG_ERROR, "launcher", "browser-refused", name, "%s", text);
    item->state = ENTRY_REFUSED;
    launcher_settle(state, item, text);
    tell_failed(state, item);
    (void)troupe_supervisor_remove(state->supervisor, name, TROUPE_STOP_NOW);
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
    note_end(item, ended);
    if (item->state == ENTRY_CLOSING || state->closing) {
        item->state = ENTRY_CLOSING; /* on_release comes next */
        run_let_go(item, NULL);
        return;
    }
    run_let_go(item, item->ended.text);
    if (launcher_port_ended(item, ended, restart_in_ms)) {
        refuse_port(state, item);
    } else if (item->seen_up) {
        item->state = ENTRY_RETRYING;
        troupe_log(TROUPE_LOG_INFO, "launcher", "browser-lost", item->id, "%s; again in %u ms",
                   item->ended.text, restart_in_ms);
        misfortune_tell(state->self, NULL, "browser %s: %s", item->id, item->ended.text);
    } else {
        item->failed = true;
        item->state = ENTRY_CLOSING;
        (void)troupe_supervisor_remove(state->supervisor, name, TROUPE_STOP_NOW);
    }
}

/* Hands an entry of the list to the supervisor; on an error the entry is gone, or soon will be. */
static troupe_error begin(launcher *state, entry *item, troupe_reason *reason)
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
    troupe_error error = troupe_supervisor_add(state->supervisor, &child, false, NULL);
    if (error != TROUPE_OK) {
        if (item->ended.text[0] == '\0') {
            snprintf(item->ended.text, sizeof item->ended.text, "%s", troupe_error_text(error));
        }
        (void)troupe_fail(reason, error, "%s", item->ended.text);
        item->failed = true;
        item->state = ENTRY_CLOSING;
        on_release(item);
    }
    return error;
}

troupe_error entry_start(launcher *state, entry *item, troupe_reason *reason)
{
    item->owner = state;
    item->state = ENTRY_STARTING;
    DL_APPEND(state->entries, item);
    return begin(state, item, reason);
}

void entry_queue(launcher *state, entry *item)
{
    item->owner = state;
    item->state = ENTRY_STARTING;
    item->queued = true;
    DL_APPEND(state->entries, item);
}

void entry_withdraw(entry *item)
{
    item->queued = false;
    item->state = ENTRY_CLOSING;
    item->released = true;
    entry_maybe_finish(item);
}

unsigned launcher_parallel(const launcher *state)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned twice = processors > 0 ? 2 * (unsigned)processors : 2;
    unsigned wanted = state->host->launch_parallel;
    return wanted != 0 ? wanted : twice < PARALLEL_MAX ? twice : PARALLEL_MAX;
}

static unsigned starting_count(const launcher *state)
{
    unsigned count = 0;
    const entry *item;
    DL_FOREACH(state->entries, item)
    {
        count += item->launched && !item->queued && item->state == ENTRY_STARTING;
    }
    return count;
}

static entry *first_queued(const launcher *state)
{
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        if (item->queued) {
            return item;
        }
    }
    return NULL;
}

/* A start that fails at once ends in here again (entry_maybe_finish): the loop goes on instead. */
void launcher_start_queued(launcher *state)
{
    if (state->starting_queued || state->closing) {
        return;
    }
    state->starting_queued = true;
    entry *item;
    while (starting_count(state) < launcher_parallel(state) &&
           (item = first_queued(state)) != NULL) {
        troupe_reason reason = {{0}};
        item->queued = false;
        (void)begin(state, item, &reason); /* who waits for it was told */
    }
    state->starting_queued = false;
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
    text_repair(item->uid);
    text_repair(item->product);
    text_repair(item->url);
    item->state = ENTRY_UP;
    launcher_port_up(item);
    item->unresponsive = false;
    item->seen_up = true;
    item->up_ns = troupe_now_ns(state->self);
    run_up(item);
    troupe_log(TROUPE_LOG_INFO, "launcher", "browser-up", item->id, "%s", item->product);
    launcher_settle(state, item, NULL);
    launcher_start_queued(state);
}

static void on_swept(launcher *state, const troupe_envelope *envelope)
{
    uint64_t directories;
    uint64_t processes;
    if (troupe_unpack(envelope->payload, "{s:U,s:U}", "directories", &directories, "processes",
                      &processes) == TROUPE_OK) {
        state->counters.swept_directories += directories;
        state->counters.swept_processes += processes;
    }
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
    } else if (troupe_verb_is(envelope, VERB_LAUNCHER_SWEPT)) {
        on_swept(state, envelope);
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
    troupe_error error = troupe_supervisor_create(self, &options, &state->supervisor);
    if (error == TROUPE_OK) {
        launcher_start_sweep(state);
    }
    return error;
}

static void on_children_gone(troupe_actor *self, void *context)
{
    (void)self;
    launcher *state = context;
    state->children_gone = true;
    launcher_maybe_done(state);
}

void launcher_maybe_done(launcher *state)
{
    if (state->children_gone && state->running == NULL) {
        troupe_exit(state->self, TROUPE_OK);
    }
}

/* Ends when every browser actor and every process has ended. */
static bool launcher_closing(troupe_actor *self, void *context)
{
    launcher *state = context;
    (void)self;
    state->closing = true;
    for (entry *item; (item = first_queued(state)) != NULL;) {
        entry_withdraw(item);
    }
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
        recipe_unref(run->recipe);
        free(run);
    }
    ended_runs_free(state);
    breakers_fini(&state->breakers);
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
