/* SPDX-License-Identifier: MIT */
/* The scripted Chrome that browser_test.c uses. */
#include "fake_chrome.h"

#include "actors/browser/browser.h"
#include "transport/pipe.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Chrome ------------------------------------------------------------------------------------ */

/* Under the mutex: commands and the test's own events are written by two threads. */
static void send_locked(fake *chrome, const char *format, va_list args)
{
    char *text;
    int len = vasprintf(&text, format, args);
    for (int at = 0; at <= len;) { /* with its NUL */
        ssize_t sent = send(chrome->fd, text + at, (size_t)(len + 1 - at), MSG_NOSIGNAL);
        if (sent < 0) {
            break; /* the other end is closed */
        }
        at += (int)sent;
    }
    free(text);
}

void fake_send(fake *chrome, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&chrome->mutex);
    send_locked(chrome, format, args);
    pthread_mutex_unlock(&chrome->mutex);
    va_end(args);
}

/* Chrome's answers name the session of their command. */
static void reply(fake *chrome, int64_t id, const char *session, const char *outcome)
{
    if (session == NULL) {
        fake_send(chrome, "{\"id\":%lld,%s}", (long long)id, outcome);
    } else {
        fake_send(chrome, "{\"id\":%lld,%s,\"sessionId\":\"%s\"}", (long long)id, outcome, session);
    }
}

static void attach(fake *chrome, int64_t id, const char *target)
{
    pthread_mutex_lock(&chrome->mutex);
    snprintf(chrome->last_session, sizeof chrome->last_session, "S%u", ++chrome->attached);
    pthread_mutex_unlock(&chrome->mutex);
    fake_send(chrome,
              "{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":\"%s\","
              "\"targetInfo\":{\"targetId\":\"%s\",\"type\":\"page\",\"title\":\"t\","
              "\"url\":\"about:blank\"},\"waitingForDebugger\":false}}",
              chrome->last_session, target);
    fake_send(chrome, "{\"id\":%lld,\"result\":{\"sessionId\":\"%s\"}}", (long long)id,
              chrome->last_session);
}

static void detach(fake *chrome, int64_t id, const char *session)
{
    pthread_mutex_lock(&chrome->mutex);
    chrome->detached++;
    pthread_mutex_unlock(&chrome->mutex);
    fake_send(chrome,
              "{\"method\":\"Target.detachedFromTarget\",\"params\":{\"sessionId\":\"%s\"}}",
              session);
    fake_send(chrome, "{\"id\":%lld,\"result\":{}}", (long long)id);
}

/* What is there already comes before the answer. */
static void discover(fake *chrome, int64_t id)
{
    if (chrome->page != NULL) {
        fake_send(chrome,
                  "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{\"targetId\":"
                  "\"%s\",\"type\":\"page\",\"title\":\"t\",\"url\":\"about:blank\"}}}",
                  chrome->page);
    }
    fake_send(chrome, "{\"id\":%lld,\"result\":{}}", (long long)id);
}

static void hold(fake *chrome, int64_t id, const char *session)
{
    pthread_mutex_lock(&chrome->mutex);
    chrome->held_id = id;
    chrome->held_count++;
    snprintf(chrome->held_session, sizeof chrome->held_session, "%s", session);
    pthread_cond_broadcast(&chrome->changed);
    pthread_mutex_unlock(&chrome->mutex);
}

static void note(fake *chrome, const char *text)
{
    size_t len = strlen(text);
    chrome->lines = realloc(chrome->lines, chrome->lines_len + len + 2);
    memcpy(chrome->lines + chrome->lines_len, text, len);
    chrome->lines_len += len;
    strcpy(chrome->lines + chrome->lines_len++, "\n");
}

/* "> METHOD SESSION ID", so that tests can wait for a command. */
static void note_command(fake *chrome, const char *method, const char *session, json_t *params)
{
    char line[256];
    const char *id = json_string_value(json_object_get(params, "sessionId"));
    snprintf(line, sizeof line, "> %s %s %s", method, session != NULL ? session : "-",
             id != NULL ? id : "");
    pthread_mutex_lock(&chrome->mutex);
    note(chrome, line);
    pthread_cond_broadcast(&chrome->changed);
    pthread_mutex_unlock(&chrome->mutex);
}

static bool is_muted(const fake *chrome, const char *method, const char *session)
{
    return chrome->mute != NULL && (strcmp(method, chrome->mute) == 0 ||
                                    (session != NULL && strcmp(session, chrome->mute) == 0));
}

static void on_command(fake *chrome, json_t *command)
{
    const char *method = json_string_value(json_object_get(command, "method"));
    const char *session = json_string_value(json_object_get(command, "sessionId"));
    json_t *params = json_object_get(command, "params");
    json_int_t id = json_integer_value(json_object_get(command, "id"));
    const char *refuse = chrome->refuse != NULL ? chrome->refuse : "Fake.refuse";
    note_command(chrome, method, session, params);
    if (strcmp(method, refuse) == 0 || (session != NULL && strcmp(session, refuse) == 0)) {
        reply(chrome, id, session, "\"error\":{\"code\":-32123,\"message\":\"no, thanks\"}");
    } else if (is_muted(chrome, method, session)) {
        hold(chrome, id, session != NULL ? session : "");
    } else if (strcmp(method, "Browser.getVersion") == 0) {
        fake_send(chrome, "{\"id\":%lld,\"result\":{\"product\":\"Fake/1\"}}", (long long)id);
    } else if (strcmp(method, "Target.attachToTarget") == 0) {
        attach(chrome, id, json_string_value(json_object_get(params, "targetId")));
    } else if (strcmp(method, "Target.detachFromTarget") == 0) {
        detach(chrome, id, json_string_value(json_object_get(params, "sessionId")));
    } else if (strcmp(method, "Target.setDiscoverTargets") == 0) {
        discover(chrome, id);
    } else if (strcmp(method, "Target.getTargets") == 0) {
        pthread_mutex_lock(&chrome->mutex);
        char *infos = json_dumps(chrome->infos, JSON_COMPACT);
        pthread_mutex_unlock(&chrome->mutex);
        fake_send(chrome, "{\"id\":%lld,\"result\":{\"targetInfos\":%s}}", (long long)id, infos);
        free(infos);
    } else if (strcmp(method, "Fake.hold") == 0) {
        hold(chrome, id, session != NULL ? session : "");
    } else {
        reply(chrome, id, session, "\"result\":{}");
    }
}

static void *run(void *context)
{
    fake *chrome = context;
    char *text = NULL;
    size_t size = 0;
    int fd = dup(chrome->fd);
    FILE *in = fdopen(fd, "r");
    while (getdelim(&text, &size, '\0', in) > 0) {
        json_t *command = json_loads(text, 0, NULL);
        cr_assert_not_null(command, "%s", text);
        on_command(chrome, command);
        json_decref(command);
    }
    free(text);
    fclose(in);
    return NULL;
}

/* The store --------------------------------------------------------------------------------- */

static void note_event(fake *chrome, const troupe_envelope *event)
{
    const char *uid, *target, *session, *params;
    size_t uid_len, target_len, session_len, params_len;
    int64_t wall, mono;
    cr_assert_eq(troupe_unpack(event->payload, "[s#,s#,s#,I,I,j#]", &uid, &uid_len, &target,
                               &target_len, &session, &session_len, &wall, &mono, &params,
                               &params_len),
                 TROUPE_OK);
    if (troupe_verb_is(event, "Test.event")) {
        unsigned number = (unsigned)strtoul(params + strlen("{\"n\":"), NULL, 10);
        chrome->in_order &= number == chrome->next_event++;
        return;
    }
    char line[1024];
    snprintf(line, sizeof line, "%.*s %.*s %.*s %.*s", (int)event->verb_len, event->verb,
             (int)target_len, target, (int)session_len, session, (int)params_len, params);
    note(chrome, line);
}

static void note_record(fake *chrome, const troupe_envelope *cast)
{
    const char *name = "", *state = "";
    uint64_t lost = 0;
    size_t name_len = 0, state_len = 0;
    (void)!troupe_unpack(cast->payload, "{s?:s#,s?:s#}", "target", &name, &name_len, "state",
                         &state, &state_len);
    if (troupe_verb_is(cast, VERB_RECORD_GAP) &&
        troupe_unpack(cast->payload, "{s:U}", "count", &lost) == TROUPE_OK) {
        chrome->lost += lost;
    }
    char line[512];
    snprintf(line, sizeof line, "%.*s %.*s %.*s", (int)cast->verb_len, cast->verb, (int)name_len,
             name, (int)state_len, state);
    note(chrome, line);
}

static troupe_error store_receive(troupe_actor *self, void *context,
                                  const troupe_envelope *envelope)
{
    fake *chrome = context;
    (void)self;
    pthread_mutex_lock(&chrome->mutex);
    while (chrome->store_held) {
        pthread_cond_wait(&chrome->changed, &chrome->mutex);
    }
    if (envelope->kind == TROUPE_EVENT) {
        note_event(chrome, envelope);
    } else if (envelope->kind == TROUPE_CAST) {
        note_record(chrome, envelope);
    }
    pthread_cond_broadcast(&chrome->changed);
    pthread_mutex_unlock(&chrome->mutex);
    return TROUPE_OK;
}

static const troupe_behaviour store_behaviour = {.kind = "store", .receive = store_receive};

/* Waiting ----------------------------------------------------------------------------------- */

typedef bool (*condition)(fake *chrome, const void *wanted);

static void await(fake *chrome, condition holds, const void *wanted, const char *what)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAKE_WAIT_MS / 1000;
    int error = 0;
    pthread_mutex_lock(&chrome->mutex);
    while (!holds(chrome, wanted) && error == 0) {
        error = pthread_cond_timedwait(&chrome->changed, &chrome->mutex, &until);
    }
    bool held = holds(chrome, wanted);
    pthread_mutex_unlock(&chrome->mutex);
    cr_assert(held, "stuck waiting for %s; the store was told:\n%s", what,
              chrome->lines != NULL ? chrome->lines : "nothing");
}

static bool has_line(fake *chrome, const void *wanted)
{
    return chrome->lines != NULL && strstr(chrome->lines, wanted) != NULL;
}

void fake_await_line(fake *chrome, const char *text)
{
    await(chrome, has_line, text, text);
}

static bool has_events(fake *chrome, const void *wanted)
{
    return chrome->next_event >= *(const unsigned *)wanted;
}

void fake_await_events(fake *chrome, unsigned count)
{
    await(chrome, has_events, &count, "events");
}

static bool has_accounted(fake *chrome, const void *wanted)
{
    return chrome->next_event + chrome->lost >= *(const unsigned *)wanted;
}

void fake_await_accounted(fake *chrome, unsigned count)
{
    await(chrome, has_accounted, &count, "events that came or were told as lost");
}

void fake_hold_store(fake *chrome, bool held)
{
    pthread_mutex_lock(&chrome->mutex);
    chrome->store_held = held;
    pthread_cond_broadcast(&chrome->changed);
    pthread_mutex_unlock(&chrome->mutex);
}

static bool has_held(fake *chrome, const void *wanted)
{
    return chrome->held_count >= *(const unsigned *)wanted;
}

void fake_await_held(fake *chrome, unsigned count)
{
    await(chrome, has_held, &count, "a held command");
}

void fake_answer(fake *chrome, const char *result)
{
    fake_send(chrome, "{\"id\":%lld%s%s%s,\"result\":%s}", (long long)chrome->held_id,
              chrome->held_session[0] != '\0' ? ",\"sessionId\":\"" : "", chrome->held_session,
              chrome->held_session[0] != '\0' ? "\"" : "", result);
}

/* The stage --------------------------------------------------------------------------------- */

static troupe_address spawn(fake *chrome, const troupe_spawn_options *options)
{
    troupe_address address;
    cr_assert_eq(troupe_spawn(chrome->system, options, &address), TROUPE_OK);
    return address;
}

static void spawn_browser(fake *chrome, int fd)
{
    browser_end *end = browser_end_create();
    browser_spec spec = {.host = &chrome->options,
                         .id = "p1",
                         .launched = true,
                         .pid_fd = -1,
                         .attach = chrome->attach,
                         .end = end,
                         .limits = {.hold_ms = chrome->hold_ms}};
    troupe_spawn_options options;
    cr_assert_eq(pipe_stream_create(fd, fd, 0, &spec.stream), TROUPE_OK);
    cr_assert_eq(browser_prepare(&spec, &options), TROUPE_OK);
    chrome->browser = spawn(chrome, &options);
    browser_end_unref(end);
}

void fake_open(fake *chrome)
{
    fake_open_holding(chrome, FAKE_WAIT_MS);
}

/* connections NULL: the real one. */
static void open_with(fake *chrome, uint32_t hold_ms, bool attach,
                      const troupe_spawn_options *connections, const char *page)
{
    int ends[2];
    *chrome = (fake){.mutex = PTHREAD_MUTEX_INITIALIZER,
                     .changed = PTHREAD_COND_INITIALIZER,
                     .in_order = true,
                     .infos = json_array(),
                     .page = page,
                     .attach = attach,
                     .hold_ms = hold_ms};
    troupe_host_options_default(&chrome->options);
    chrome->options.attach = "none";
    chrome->options.board = &chrome->board;
    chrome->options.command_timeout_ms = FAKE_WAIT_MS;
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    chrome->fd = ends[0];
    cr_assert_eq(pthread_create(&chrome->thread, NULL, run, chrome), 0);
    cr_assert_eq(troupe_system_open(NULL, &chrome->system), TROUPE_OK);
    cr_assert_eq(troupe_guest_create(chrome->system, &chrome->guest), TROUPE_OK);
    troupe_spawn_options store = {.behaviour = &store_behaviour,
                                  .state = chrome,
                                  .name = NAME_STORE,
                                  .mailbox_envelopes = 16384,
                                  .mailbox_bytes = 64u << 20};
    chrome->store = spawn(chrome, &store);
    troupe_spawn_options real;
    if (connections == NULL) {
        cr_assert_eq(connections_prepare(NULL, &chrome->options, &real), TROUPE_OK);
    }
    chrome->connections = spawn(chrome, connections != NULL ? connections : &real);
    spawn_browser(chrome, ends[1]);
}

void fake_open_holding(fake *chrome, uint32_t hold_ms)
{
    open_with(chrome, hold_ms, false, NULL, NULL);
    fake_await_line(chrome, "record.browser  up");
}

void fake_open_attaching(fake *chrome)
{
    open_with(chrome, FAKE_WAIT_MS, true, NULL, NULL);
    fake_await_line(chrome, "record.browser  up");
}

void fake_open_before(fake *chrome, const troupe_spawn_options *connections, const char *page)
{
    open_with(chrome, FAKE_WAIT_MS, false, connections, page);
}

void fake_restart_connections(fake *chrome)
{
    troupe_spawn_options again;
    cr_assert_eq(troupe_stop(chrome->system, chrome->connections, TROUPE_STOP_NOW), TROUPE_OK);
    cr_assert_eq(troupe_join(chrome->system, chrome->connections, FAKE_WAIT_MS), TROUPE_OK);
    cr_assert_eq(connections_prepare(NULL, &chrome->options, &again), TROUPE_OK);
    chrome->connections = spawn(chrome, &again);
    troupe_bytes nil = {NULL, 0};
    cr_assert_eq(troupe_guest_post(chrome->guest, chrome->browser, TROUPE_CAST, VERB_BROWSER_REPORT,
                                   NULL, nil),
                 TROUPE_OK);
}

void fake_die(fake *chrome)
{
    shutdown(chrome->fd, SHUT_RDWR);
}

void fake_close(fake *chrome)
{
    troupe_guest_destroy(chrome->guest);
    troupe_system_close(chrome->system, FAKE_WAIT_MS);
    fake_die(chrome);
    pthread_join(chrome->thread, NULL);
    close(chrome->fd);
    free(chrome->lines);
    json_decref(chrome->infos);
    json_decref(chrome->board.connections);
}

void fake_info(fake *chrome, const char *chrome_id, const char *type)
{
    pthread_mutex_lock(&chrome->mutex);
    json_array_append_new(chrome->infos,
                          json_pack("{s:s, s:s, s:s, s:s}", "targetId", chrome_id, "type", type,
                                    "title", "t", "url", "about:blank"));
    pthread_mutex_unlock(&chrome->mutex);
}

void fake_page(fake *chrome, const char *chrome_id)
{
    fake_info(chrome, chrome_id, "page");
    fake_send(chrome,
              "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{\"targetId\":"
              "\"%s\",\"type\":\"page\",\"title\":\"t\",\"url\":\"about:blank\"}}}",
              chrome_id);
    char line[128];
    int len = snprintf(line, sizeof line, "record.target p1:%.6s", chrome_id);
    for (int i = 0; i < len; i++) {
        line[i] = (char)tolower((unsigned char)line[i]);
    }
    fake_await_line(chrome, line);
}

json_t *fake_call(fake *chrome, const char *verb, const char *params, troupe_error *error,
                  char *message, size_t message_size)
{
    troupe_buffer payload = {0};
    troupe_answer answer = {0};
    troupe_pack(&payload, "j#", params, strlen(params));
    *error = troupe_guest_call(chrome->guest, chrome->connections, verb, NULL,
                               troupe_buffer_bytes(&payload), FAKE_WAIT_MS, &answer);
    json_t *result = NULL;
    const char *text;
    size_t len;
    if (*error == TROUPE_OK && troupe_payload_json(answer.payload, &text, &len) == TROUPE_OK) {
        result = json_loadb(text, len, JSON_DECODE_ANY, NULL);
    }
    snprintf(message, message_size, "%s %s", answer.message != NULL ? answer.message : "",
             answer.data != NULL ? answer.data : "");
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return result;
}

void fake_command(troupe_buffer *payload, const char *method)
{
    troupe_buffer_clear(payload);
    cr_assert_eq(troupe_pack(payload, "[s,n,j#]", method, "{}", (size_t)2), TROUPE_OK);
}
