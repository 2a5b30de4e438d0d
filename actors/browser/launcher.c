/* SPDX-License-Identifier: MIT */
/*
 * The launcher: starts, watches and reaps browser processes, and supervises the browser actors,
 * those of attached browsers too; so it owns the list of browsers and of ports.
 *
 * A browser that was up once is started (or connected to) again when it is lost, with back-off. One
 * that never came up is given up, and whoever asked for it is told why.
 */
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "browser.h"
#include "process.h"
#include "transport/pipe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utlist.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000

typedef struct launcher launcher;

/* A keeper and its browser until it was reaped. */
typedef struct running {
    struct running *prev;
    struct running *next;
    launcher *owner;
    process *process;
    char browser[BROWSER_ID_MAX];
    bool expected; /* its end was asked for */
} running;

typedef enum entry_state { ENTRY_STARTING, ENTRY_UP, ENTRY_RETRYING, ENTRY_CLOSING } entry_state;

/* A browser of the list. */
typedef struct entry {
    struct entry *prev;
    struct entry *next;
    launcher *owner;
    char id[BROWSER_ID_MAX];
    bool launched;
    bool headed;
    bool port;
    char *profile;  /* persistent one; NULL = temporary */
    char *endpoint; /* attached: where */
    char *executable;
    int port_number; /* as given to ports.add; 0 = none */
    entry_state state;
    bool seen_up;
    bool failed;   /* closing because it never came up */
    bool killed;   /* its process, by us: exit_text is only what it said */
    bool released; /* the supervisor has forgotten it: freed when its process is reaped */
    running *run;  /* its process now; NULL = none */
    char uid[40];
    char product[128];
    char url[256];
    browser_end *end;    /* of its actor now; NULL = none was made yet */
    troupe_reason ended; /* why its actor ended last */
    char exit_text[400]; /* how its process ended last */
} entry;

typedef enum waiter_kind { WAIT_LAUNCH, WAIT_PORT, WAIT_CLOSE } waiter_kind;

/* A call that waits for browsers to come up, or to be gone. */
typedef struct waiter {
    struct waiter *prev;
    struct waiter *next;
    troupe_caller caller;
    waiter_kind kind;
    size_t expected;
    json_t *browsers; /* done so far */
    char ids[16][BROWSER_ID_MAX];
    size_t id_count;
} waiter;

struct launcher {
    troupe_actor *self;
    const host_options *host;
    troupe_supervisor *supervisor;
    entry *entries;
    running *running;
    waiter *waiters;
    unsigned next_number;
    bool closing;
    bool children_gone;
};

static const char *state_name(entry_state state)
{
    static const char *const names[] = {"starting", "up", "retrying", "closing"};
    return names[state];
}

static entry *find_entry(launcher *state, const char *id)
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

static json_t *entry_json(const entry *item)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "browser", item->id, "state",
                     state_name(item->state), "origin", item->launched ? "launched" : "attached",
                     "product", item->product, "endpoint", item->url, "uid", item->uid, "pid",
                     item->run != NULL ? (int)item->run->process->pid : 0, "headed", item->headed,
                     "reason", item->state == ENTRY_UP ? "" : item->ended.text);
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

static waiter *waiter_new(launcher *state, troupe_caller caller, waiter_kind kind)
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

static void waiter_free(launcher *state, waiter *item)
{
    DL_DELETE(state->waiters, item);
    json_decref(item->browsers);
    free(item);
}

static void waiter_add(waiter *item, const char *id)
{
    if (item->id_count < sizeof item->ids / sizeof *item->ids) {
        snprintf(item->ids[item->id_count++], BROWSER_ID_MAX, "%s", id);
    }
    item->expected++;
}

static void answer_port(launcher *state, waiter *wait, const entry *item, const char *failure)
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
            answer_port(state, wait, item, failure);
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
    entry *item = find_entry(state, run->browser);
    if (!run->expected) {
        troupe_log(TROUPE_LOG_WARN, "launcher", "browser-exited", run->browser, "%s", text);
    }
    if (item != NULL && item->run == run) {
        item->run = NULL;
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
    entry *item = find_entry(state, name);
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
static troupe_error start_entry(launcher *state, entry *item, troupe_reason *reason)
{
    troupe_child child = {.name = item->id,
                          .prepare = prepare,
                          .discard = browser_discard,
                          .context = item,
                          .release = on_release,
                          .restart = TROUPE_PERMANENT,
                          .backoff_min_ms = BACKOFF_MIN_MS,
                          .backoff_max_ms = BACKOFF_MAX_MS};
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

/* RPC methods ------------------------------------------------------------------------------- */

static bool name_is_fine(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < BROWSER_ID_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* A fresh id, or the wanted one; TROUPE_EPARAMS and the reason if that cannot be. */
static troupe_error choose_id(launcher *state, const char *wanted, const char *prefix, char *id,
                              troupe_reason *reason)
{
    if (wanted != NULL) {
        if (!name_is_fine(wanted)) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "a browser's name has 1 to %d of the characters A-Z a-z 0-9 . _ -",
                               BROWSER_ID_MAX - 1);
        }
        if (find_entry(state, wanted) != NULL) {
            return troupe_fail(reason, TROUPE_ESTATE, "there is a browser %s already", wanted);
        }
        snprintf(id, BROWSER_ID_MAX, "%s", wanted);
        return TROUPE_OK;
    }
    do {
        snprintf(id, BROWSER_ID_MAX, "%s%u", prefix, ++state->next_number);
    } while (find_entry(state, id) != NULL);
    return TROUPE_OK;
}

static size_t entry_count(const launcher *state)
{
    size_t count = 0;
    entry *item;
    DL_COUNT(state->entries, item, count);
    return count;
}

static troupe_error launch_one(launcher *state, json_t *params, const char *executable,
                               waiter *wait, troupe_reason *reason)
{
    if (entry_count(state) >= state->host->browsers_max) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                           "there are %u browsers already ([limits] browsers)",
                           state->host->browsers_max);
    }
    entry *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return TROUPE_ENOMEM;
    }
    const char *profile = json_string_value(json_object_get(params, "profile"));
    troupe_error error =
        choose_id(state, json_string_value(json_object_get(params, "name")), "p", item->id, reason);
    if (error != TROUPE_OK) {
        free(item);
        return error;
    }
    json_t *headed = json_object_get(params, "headed");
    item->launched = true;
    item->headed = headed != NULL ? json_is_true(headed) : state->host->headed;
    item->port = json_is_true(json_object_get(params, "port"));
    item->executable = strdup(executable);
    item->profile = profile != NULL ? strdup(profile) : NULL;
    if (wait != NULL) {
        waiter_add(wait, item->id);
    }
    return start_entry(state, item, reason);
}

static void run_launch(launcher *state, troupe_caller caller, json_t *params)
{
    json_t *counted = json_object_get(params, "count");
    json_int_t count = json_is_integer(counted) ? json_integer_value(counted) : 1;
    const char *profile = json_string_value(json_object_get(params, "profile"));
    char executable[512];
    troupe_reason reason = {{0}};
    if (count < 1 || count > 16 ||
        (count > 1 && (profile != NULL || json_object_get(params, "name") != NULL))) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`count` must be 1 to 16, and 1 with `profile` or `name`");
        return;
    }
    if (profile != NULL && mkdir(profile, 0700) != 0 && errno != EEXIST) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`profile` %s: %s", profile,
                     strerror(errno));
        return;
    }
    json_t *headed = json_object_get(params, "headed");
    troupe_error error = process_find(state->host->executable,
                                      headed != NULL ? json_is_true(headed) : state->host->headed,
                                      executable, sizeof executable, &reason);
    waiter *wait = NULL;
    if (error == TROUPE_OK && caller.ref != 0) {
        wait = waiter_new(state, caller, WAIT_LAUNCH);
        if (wait == NULL) {
            return;
        }
    }
    for (json_int_t i = 0; i < count && error == TROUPE_OK; i++) {
        error = launch_one(state, params, executable, wait, &reason);
    }
    if (error != TROUPE_OK) {
        const char *why = reason.text[0] != '\0' ? reason.text : troupe_error_text(error);
        troupe_log(TROUPE_LOG_ERROR, "launcher", "launch-failed", NULL, "%s", why);
        troupe_fault(state->self, caller, error, NULL, "%s", why);
        if (wait != NULL) {
            waiter_free(state, wait);
        }
    }
}

/* 9222, "9222", "HOST:PORT", "ws://…": where to connect, and the port's number if it is loopback.
 */
static bool parse_port(json_t *port, char *endpoint, size_t size, int *number)
{
    *number = 0;
    const char *text = json_string_value(port);
    char *end = NULL;
    long value = json_is_integer(port) ? (long)json_integer_value(port)
                 : text != NULL        ? strtol(text, &end, 10)
                                       : 0;
    if (text == NULL || (end != NULL && end != text && *end == '\0')) {
        if (value < 1 || value > 65535) {
            return false;
        }
        *number = (int)value;
        snprintf(endpoint, size, "http://127.0.0.1:%ld", value);
        return true;
    }
    if (strncmp(text, "ws://", 5) == 0 || strncmp(text, "wss://", 6) == 0 ||
        strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
        snprintf(endpoint, size, "%s", text);
        return strlen(text) < size;
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || atoi(colon + 1) < 1 || atoi(colon + 1) > 65535) {
        return false;
    }
    if (strncmp(text, "127.0.0.1:", 10) == 0 || strncmp(text, "localhost:", 10) == 0) {
        *number = atoi(colon + 1);
    }
    return snprintf(endpoint, size, "http://%s", text) < (int)size;
}

/* The port is registered already: tell how it is, or will be. */
static void add_again(launcher *state, troupe_caller caller, const entry *present)
{
    waiter now = {.caller = caller};
    waiter *wait;
    switch (present->state) {
    case ENTRY_UP:
        answer_port(state, &now, present, NULL);
        return;
    case ENTRY_RETRYING:
        answer_port(state, &now, present, present->ended.text);
        return;
    case ENTRY_STARTING:
        wait = waiter_new(state, caller, WAIT_PORT);
        if (wait != NULL) {
            waiter_add(wait, present->id);
        }
        return;
    case ENTRY_CLOSING:
        troupe_fault(state->self, caller, TROUPE_ESTATE, NULL, "browser %s is being closed",
                     present->id);
        return;
    }
}

static void run_ports_add(launcher *state, troupe_caller caller, json_t *params)
{
    char endpoint[256];
    char number_text[16];
    int number;
    if (!parse_port(json_object_get(params, "port"), endpoint, sizeof endpoint, &number)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`port` must be a port (1 to 65535), \"HOST:PORT\" or a ws:// URL");
        return;
    }
    snprintf(number_text, sizeof number_text, "%d", number);
    const char *wanted = json_string_value(json_object_get(params, "as"));
    if (wanted == NULL && number != 0) {
        wanted = number_text;
    }
    entry *present = wanted != NULL ? find_entry(state, wanted) : NULL;
    if (present != NULL && !present->launched && strcmp(present->endpoint, endpoint) == 0) {
        add_again(state, caller, present);
        return;
    }
    troupe_reason reason = {{0}};
    entry *item = calloc(1, sizeof *item);
    waiter *wait = item != NULL ? waiter_new(state, caller, WAIT_PORT) : NULL;
    if (wait == NULL) {
        free(item);
        return;
    }
    troupe_error error = choose_id(state, wanted, "r", item->id, &reason);
    if (error == TROUPE_OK) {
        item->endpoint = strdup(endpoint);
        item->port_number = number;
        waiter_add(wait, item->id);
        error = start_entry(state, item, &reason);
    } else {
        free(item);
    }
    if (error != TROUPE_OK) {
        troupe_fault(state->self, caller, error, NULL, "%s", reason.text);
        waiter_free(state, wait);
    }
}

/* Ends a browser for good; the caller hears when its process is gone. */
static void close_entry(launcher *state, troupe_caller caller, entry *item)
{
    waiter *wait = waiter_new(state, caller, WAIT_CLOSE);
    if (wait == NULL) {
        return;
    }
    waiter_add(wait, item->id);
    item->state = ENTRY_CLOSING;
    char name[BROWSER_ID_MAX];
    memcpy(name, item->id, sizeof name); /* the entry may be gone while this runs */
    (void)troupe_supervisor_remove(state->supervisor, name, TROUPE_STOP_DRAIN);
}

static void run_close(launcher *state, troupe_caller caller, json_t *params)
{
    const char *id = json_string_value(json_object_get(params, "browser"));
    entry *item = id != NULL ? find_entry(state, id) : NULL;
    if (item == NULL) {
        troupe_fault(state->self, caller, id == NULL ? TROUPE_EPARAMS : TROUPE_ENOTFOUND, NULL,
                     id == NULL ? "`browser` must be a string" : "no browser %s", id);
        return;
    }
    close_entry(state, caller, item);
}

static void run_ports_remove(launcher *state, troupe_caller caller, json_t *params)
{
    char endpoint[256];
    int number;
    entry *item = NULL;
    if (parse_port(json_object_get(params, "port"), endpoint, sizeof endpoint, &number)) {
        DL_FOREACH(state->entries, item)
        {
            if (item->endpoint != NULL && strcmp(item->endpoint, endpoint) == 0) {
                break;
            }
        }
    }
    if (item == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "no such port is registered");
        return;
    }
    close_entry(state, caller, item);
}

static void run_list(launcher *state, troupe_caller caller, json_t *params)
{
    (void)params;
    json_t *list = json_array();
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        json_array_append_new(list, entry_json(item));
    }
    json_reply(state->self, caller, json_pack("{s:o}", "browsers", list));
}

static void run_ports_list(launcher *state, troupe_caller caller, json_t *params)
{
    (void)params;
    json_t *list = json_array();
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        if (!item->launched) {
            json_array_append_new(
                list, json_pack("{s:i, s:s, s:s, s:s}", "port", item->port_number, "browser",
                                item->id, "endpoint", item->endpoint, "status",
                                item->state == ENTRY_UP ? "active" : "unreachable"));
        }
    }
    json_reply(state->self, caller, json_pack("{s:o}", "ports", list));
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
    entry *item = find_entry(state, name);
    if (item == NULL || item->state == ENTRY_CLOSING ||
        troupe_supervisor_find(state->supervisor, name) != address) {
        return; /* its end overtook the news */
    }
    snprintf(item->uid, sizeof item->uid, "%.*s", (int)uid_len, uid);
    snprintf(item->product, sizeof item->product, "%.*s", (int)product_len, product);
    snprintf(item->url, sizeof item->url, "%.*s", (int)url_len, url);
    item->state = ENTRY_UP;
    item->seen_up = true;
    troupe_log(TROUPE_LOG_INFO, "launcher", "browser-up", item->id, "%s", item->product);
    settle(state, item, NULL);
}

static const struct {
    const char *name;
    void (*run)(launcher *state, troupe_caller caller, json_t *params);
} methods[] = {
    {"browsers.list", run_list},        {"browsers.launch", run_launch},
    {"browsers.close", run_close},      {"ports.add", run_ports_add},
    {"ports.remove", run_ports_remove}, {"ports.list", run_ports_list},
};

static void run_method(launcher *state, const troupe_envelope *call)
{
    troupe_caller caller = troupe_caller_of(call);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!troupe_verb_is(call, methods[i].name)) {
            continue;
        }
        troupe_reason reason = {{0}};
        json_t *params = json_params(call, &reason);
        if (params == NULL) {
            troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s", reason.text);
            return;
        }
        methods[i].run(state, caller, params);
        json_decref(params);
        return;
    }
    troupe_fault(state->self, caller, TROUPE_EMETHOD, NULL, NULL);
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
    } else {
        run_method(state, envelope);
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
    return troupe_supervisor_create(self, on_child, state, &state->supervisor);
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
