/* SPDX-License-Identifier: MIT */
/*
 * `troupe serve`: the host in the foreground.
 *
 * The main thread takes all signals (a signalfd; they are blocked everywhere else) and waits for
 * the end: a signal, or RPC `stop` (an eventfd). While the host stops, a second signal ends the
 * process at once; the browsers' keepers clean up behind it.
 */
#include "actors/verbs.h"
#include "command.h"
#include "log_gate.h"
#include "notify.h"
#include "opener.h"
#include "printer.h"
#include "term.h"
#include "troupe/version.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define WATCHDOG_WAIT_MS 5000

typedef struct server {
    cli *cli;
    const troupe_host_options *options; /* of the settings, completed by serve */
    troupe_host *host;
    int lock_fd;
    int signal_fd;
    int stop_fd;
    char *config_json;
    cli_config reloaded; /* by SIGHUP; the host borrows from it */
    bool has_reloaded;
    char token_file[STATE_PATH_MAX]; /* written by us; "" = none */
    const char *reason;              /* why it ends */
} server;

/* For the handler of a second signal: what must not stay behind. */
static char hurry_state_file[STATE_PATH_MAX];
static char hurry_token_file[STATE_PATH_MAX];

/* The process ------------------------------------------------------------------------------------
 */

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/* A small footprint: few arenas for many threads, and memory goes back to the system. */
static void tune_process(void)
{
    (void)mallopt(M_ARENA_MAX, 2);
    (void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    /* What a killed keeper leaves comes to us, and is reaped (reap_orphans). */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void on_second_signal(int number)
{
    static const char text[] = "troupe: stopping at once\n";
    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    (void)unlink(hurry_state_file);
    if (hurry_token_file[0] != '\0') {
        (void)unlink(hurry_token_file);
    }
    _exit(CLI_FAILED);
}

static void allow_hurry(void)
{
    struct sigaction action = {.sa_handler = on_second_signal};
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
}

/* Any thread. */
static void stop_requested(void *context)
{
    const server *self = context;
    (void)eventfd_write(self->stop_fd, 1);
}

static int open_waiting(server *self)
{
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGHUP);
    self->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    self->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->signal_fd < 0 || self->stop_fd < 0) {
        cli_error("serve: %s", strerror(errno));
        return CLI_FAILED;
    }
    return CLI_OK;
}

/* Before the host --------------------------------------------------------------------------------
 */

/* What a host that was killed has left behind. */
static void remove_leftovers(const troupe_host_options *options)
{
    char path[STATE_PATH_MAX];
    state_remove(options->state_dir, options->name);
    if (state_path(options->state_dir, options->name, ".token", path, NULL) == TROUPE_OK) {
        (void)unlink(path);
    }
}

/* Local commands find the token in a file; one that was given otherwise is written to the state
 * directory for them. */
static troupe_error provide_token(server *self, troupe_reason *reason)
{
    const settings *set = &self->cli->config.settings;
    if (set->host.token == NULL || self->cli->config.token != NULL) {
        return TROUPE_OK;
    }
    troupe_error error =
        state_path(set->host.state_dir, set->host.name, ".token", self->token_file, reason);
    if (error == TROUPE_OK) {
        error = state_write_text(self->token_file, set->host.token, reason);
    }
    if (error != TROUPE_OK) {
        self->token_file[0] = '\0';
        return error;
    }
    memcpy(hurry_token_file, self->token_file, sizeof hurry_token_file);
    return TROUPE_OK;
}

static int report(const troupe_reason *reason, troupe_error error)
{
    cli_error("%s", reason->text[0] != '\0' ? reason->text : troupe_error_text(error));
    return error == TROUPE_EPARAMS ? CLI_USAGE : CLI_FAILED;
}

static int take_name(server *self)
{
    troupe_reason reason = {""};
    const troupe_host_options *options = self->options;
    troupe_error error = state_dir_make(options->state_dir, &reason);
    if (error == TROUPE_OK) {
        error = state_lock(options->state_dir, options->name, &self->lock_fd, &reason);
    }
    host_state state;
    if (error == TROUPE_ESTATE &&
        state_read(options->state_dir, options->name, &state, NULL) == TROUPE_OK) {
        cli_error("%s at %s (pid %ld); another one needs another --name", reason.text, state.url,
                  (long)state.pid);
        return CLI_FAILED;
    }
    if (error == TROUPE_OK) {
        remove_leftovers(options);
        error = provide_token(self, &reason);
    }
    return error == TROUPE_OK ? CLI_OK : report(&reason, error);
}

static int prepare(server *self)
{
    settings *set = &self->cli->config.settings;
    troupe_log_level level;
    if (troupe_log_level_parse(set->log_level, &level) == TROUPE_OK) {
        troupe_log_set_level(level);
    }
    int status = open_waiting(self);
    if (status == CLI_OK) {
        status = take_name(self);
    }
    json_t *shown = config_json(&self->cli->config);
    self->config_json = json_dumps(shown, JSON_COMPACT);
    json_decref(shown);
    set->host.config_json = self->config_json;
    set->host.reap_orphans = true;
    set->host.stop_requested = stop_requested;
    set->host.stop_context = self;
    return status;
}

/* The host is there ------------------------------------------------------------------------------
 */

static troupe_error write_state(const server *self, troupe_reason *reason)
{
    const troupe_host_info *addresses = troupe_host_addresses(self->host);
    const settings *set = &self->cli->config.settings;
    host_state state = {.port = addresses->port, .pid = getpid(), .started = time(NULL)};
    snprintf(state.url, sizeof state.url, "%s", addresses->local_url);
    snprintf(state.version, sizeof state.version, "%s", troupe_version());
    state.automatic = args_flag(&self->cli->args, "automatic");
    if (self->token_file[0] != '\0') {
        memcpy(state.token_file, self->token_file, sizeof state.token_file);
    } else if (self->cli->config.token != NULL) {
        char *path = realpath(set->token_file, NULL);
        snprintf(state.token_file, sizeof state.token_file, "%s",
                 path != NULL ? path : set->token_file);
        free(path);
    }
    return state_write(set->host.state_dir, set->host.name, &state, reason);
}

static void print_fact(const char *name, const char *value)
{
    bool colours = term_colours(stdout);
    printf("  %s%-10s%s %s\n", colours ? term_code(TERM_DIM) : "", name, colours ? TERM_RESET : "",
           value);
}

static void print_addresses(const server *self)
{
    const troupe_host_info *addresses = troupe_host_addresses(self->host);
    const char *token =
        self->token_file[0] != '\0' ? self->token_file : self->cli->config.settings.token_file;
    char text[1200];
    printf("troupe %s, host '%s' (pid %ld)\n", troupe_version(), self->options->name,
           (long)getpid());
    snprintf(text, sizeof text, "%s/rpc", addresses->url);
    print_fact("RPC", text);
    snprintf(text, sizeof text, "ws%s/ws", addresses->url + strlen("http"));
    print_fact("WebSocket", text);
    print_fact("store", addresses->store);
    if (addresses->demo_url[0] != '\0') {
        print_fact("demo site", addresses->demo_url);
    }
    char authorization[STATE_PATH_MAX + 64] = "";
    if (self->options->token != NULL && token != NULL) {
        snprintf(authorization, sizeof authorization, " -H \"Authorization: Bearer $(cat '%s')\"",
                 token);
    }
    snprintf(text, sizeof text,
             "curl -s %s/rpc -H 'Content-Type: application/json'%s"
             " -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}'",
             addresses->url, authorization);
    print_fact("try", text);
}

static void announce(const server *self)
{
    const troupe_host_info *addresses = troupe_host_addresses(self->host);
    if (self->cli->json) {
        json_t *value =
            json_pack("{s:s, s:i, s:s, s:s, s:i, s:s, s:s?}", "name", self->options->name, "pid",
                      (int)getpid(), "version", troupe_version(), "url", addresses->url, "port",
                      (int)addresses->port, "store", addresses->store, "demo_url",
                      addresses->demo_url[0] != '\0' ? addresses->demo_url : NULL);
        cli_print_json(value);
        json_decref(value);
    } else if (!self->cli->quiet) {
        print_addresses(self);
    }
    fflush(stdout);
}

/* The pages asked for; the demo site's if there is one and none was asked for. */
static troupe_error start_opener(const server *self)
{
    const cli_args *args = &self->cli->args;
    const char **urls = calloc(args->given_count + 1, sizeof *urls);
    if (urls == NULL) {
        return TROUPE_ENOMEM;
    }
    opener_options options = {.urls = urls,
                              .await_browser = self->options->launch > 0,
                              .timeout_ms = self->options->launch_timeout_ms};
    for (size_t i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].option->name, "open") == 0) {
            urls[options.url_count++] = args->given[i].value;
        }
    }
    const char *demo_url = troupe_host_addresses(self->host)->demo_url;
    if (options.url_count == 0 && demo_url[0] != '\0') {
        urls[options.url_count++] = demo_url;
    }
    troupe_error error = TROUPE_OK;
    if (options.url_count > 0) {
        error = opener_start(troupe_host_system(self->host), &options);
    }
    free(urls);
    return error;
}

static int begin(server *self)
{
    troupe_reason reason = {""};
    troupe_error error = write_state(self, &reason);
    if (error == TROUPE_OK) {
        announce(self);
    }
    if (error == TROUPE_OK && args_flag(&self->cli->args, "follow")) {
        error = printer_start(troupe_host_system(self->host), NULL);
    }
    if (error == TROUPE_OK) {
        error = start_opener(self);
    }
    return error == TROUPE_OK ? CLI_OK : report(&reason, error);
}

/* Reloading --------------------------------------------------------------------------------------
 */

/* Those that take effect at once; any other needs a restart. */
static bool is_live(const char *key)
{
    static const char *const live[] = {"log_level", "token", "token_file", "allow_hosts",
                                       "allow_origins"};
    for (size_t i = 0; i < sizeof live / sizeof *live; i++) {
        if (strcmp(live[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static const cli_config *config_now(const server *self)
{
    return self->has_reloaded ? &self->reloaded : &self->cli->config;
}

/* Says what changed, and which of it has to wait. */
static void tell_changes(const server *self, const cli_config *fresh)
{
    size_t count;
    const config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        char before[CONFIG_SOURCE_MAX];
        char after[CONFIG_SOURCE_MAX];
        config_text(config_now(self), &keys[i], before, sizeof before);
        config_text(fresh, &keys[i], after, sizeof after);
        if (strcmp(before, after) != 0) {
            troupe_log(is_live(keys[i].key) ? TROUPE_LOG_INFO : TROUPE_LOG_WARN, "serve",
                       is_live(keys[i].key) ? "setting-changed" : "setting-waits", keys[i].key,
                       "%s -> %s%s", before, after,
                       is_live(keys[i].key) ? "" : ": takes effect when the host is restarted");
        }
    }
}

static troupe_error take_over(server *self, cli_config *fresh, troupe_reason *reason)
{
    troupe_log_level level;
    json_t *shown = config_json(fresh);
    char *text = json_dumps(shown, JSON_COMPACT);
    json_decref(shown);
    fresh->settings.host.config_json = text;
    troupe_error error = text == NULL
                             ? TROUPE_ENOMEM
                             : troupe_host_reload(self->host, &fresh->settings.host, reason);
    if (error != TROUPE_OK) {
        free(text);
        return error;
    }
    if (troupe_log_level_parse(fresh->settings.log_level, &level) == TROUPE_OK) {
        troupe_log_set_level(level);
    }
    tell_changes(self, fresh);
    if (self->has_reloaded) {
        config_fini(&self->reloaded);
    }
    self->reloaded = *fresh;
    self->has_reloaded = true;
    free(self->config_json);
    self->config_json = text;
    return TROUPE_OK;
}

/* SIGHUP. What is wrong with the settings is told, and those of before stay. */
static void reload(server *self)
{
    struct timespec now;
    troupe_reason reason = {""};
    cli_config fresh;
    clock_gettime(CLOCK_MONOTONIC, &now);
    notify_send("RELOADING=1\nMONOTONIC_USEC=%lld",
                (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    troupe_error error = config_load(&fresh, &self->cli->args, &reason);
    if (error == TROUPE_OK) {
        error = take_over(self, &fresh, &reason);
    }
    if (error == TROUPE_OK) {
        troupe_log(TROUPE_LOG_INFO, "serve", "reloaded", self->options->name, "%s",
                   self->reloaded.file[0] != '\0' ? self->reloaded.file : "no settings file");
    } else {
        troupe_log(TROUPE_LOG_ERROR, "serve", "not-reloaded", self->options->name,
                   "%s; the settings of before stay",
                   reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
        config_fini(&fresh);
    }
    notify_send("READY=1");
}

/* Whether the host is to end because of what the descriptors say. */
static bool take_signal(server *self)
{
    struct signalfd_siginfo info;
    while (read(self->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            reload(self);
            continue;
        }
        self->reason = info.ssi_signo == SIGINT ? "interrupted" : "terminated";
        return true;
    }
    return false;
}

/* Nothing is said if the host does not answer: the manager restarts it then. */
static void notify_alive(const server *self)
{
    troupe_system *system = troupe_host_system(self->host);
    troupe_guest *guest;
    troupe_answer answer = {0};
    troupe_bytes nil = {NULL, 0};
    troupe_error error = troupe_guest_create(system, &guest);
    if (error == TROUPE_OK) {
        error = troupe_guest_call(guest, troupe_whereis(system, NAME_CONNECTIONS), VERB_HOST_EPOCH,
                                  NULL, nil, WATCHDOG_WAIT_MS, &answer);
        troupe_answer_fini(&answer);
        troupe_guest_destroy(guest);
    }
    if (error == TROUPE_OK) {
        notify_send("WATCHDOG=1");
    } else {
        troupe_log(TROUPE_LOG_ERROR, "serve", "not-alive", NAME_CONNECTIONS, "%s",
                   troupe_error_text(error));
    }
}

static void wait_for_end(server *self)
{
    uint32_t watchdog_ms = notify_watchdog_ms();
    for (;;) {
        struct pollfd polled[] = {{self->signal_fd, POLLIN, 0}, {self->stop_fd, POLLIN, 0}};
        int ready = poll(polled, 2, watchdog_ms > 0 ? (int)watchdog_ms : -1);
        if (ready < 0 && errno != EINTR) {
            self->reason = "poll failed";
            return;
        }
        if (ready == 0) {
            notify_alive(self);
        }
        if (polled[1].revents != 0) {
            self->reason = "asked to stop";
            return;
        }
        if (polled[0].revents != 0 && take_signal(self)) {
            return;
        }
    }
}

static void finish(server *self)
{
    const troupe_host_options *options = self->options;
    if (state_path(options->state_dir, options->name, ".json", hurry_state_file, NULL) !=
        TROUPE_OK) {
        hurry_state_file[0] = '\0';
    }
    notify_send("STOPPING=1\nSTATUS=%s", self->reason != NULL ? self->reason : "not started");
    cli_notice(self->cli, "%s; stopping%s", self->reason != NULL ? self->reason : "not started",
               isatty(STDIN_FILENO) ? " (Ctrl-C hurries it)" : "");
    allow_hurry();
    troupe_host_stop(self->host);
    state_remove(options->state_dir, options->name);
}

static void close_all(server *self)
{
    if (self->token_file[0] != '\0') {
        (void)unlink(self->token_file);
    }
    int fds[] = {self->signal_fd, self->stop_fd, self->lock_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (self->has_reloaded) {
        config_fini(&self->reloaded);
    }
    free(self->config_json);
}

int run_serve(cli *self)
{
    block_signals();
    tune_process();
    server server_state = {.cli = self,
                           .options = &self->config.settings.host,
                           .lock_fd = -1,
                           .signal_fd = -1,
                           .stop_fd = -1};
    int status = prepare(&server_state);
    if (status == CLI_OK) {
        troupe_reason reason = {""};
        log_gate_close(strcmp(self->config.settings.log_format, "json") == 0);
        troupe_error error = troupe_host_start(server_state.options, &server_state.host, &reason);
        log_gate_open(error == TROUPE_OK);
        status = error == TROUPE_OK ? begin(&server_state) : report(&reason, error);
    }
    if (status == CLI_OK) {
        notify_send("READY=1\nMAINPID=%ld\nSTATUS=listening at %s", (long)getpid(),
                    troupe_host_addresses(server_state.host)->url);
        wait_for_end(&server_state);
    }
    if (server_state.host != NULL) {
        finish(&server_state);
    }
    log_gate_remove();
    close_all(&server_state);
    return status;
}
