/* SPDX-License-Identifier: MIT */
/*
 * The browser actor: one connection, what comes over it, its life.
 *
 * Everything here runs on the actor's thread. Events are recorded (browser_record.c); those that
 * change something for a target go to its actor too. A target actor that has no room stops the
 * reading of the connection until it has; what was already read for it is held in order (roster.h),
 * answers to its calls included, so that an answer never overtakes the events before it.
 */
#include "browser_state.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "endpoint_connect.h"
#include "runtime/text.h"
#include "transport/byte_queue.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uuid/uuid.h>

#define GRACE_MS          3000
#define MAILBOX_ENVELOPES 65536 /* a thousand targets that appear at once enable their domains */
#define SPARE_KEPT_MS     2000
#define MALFORMED_SHOWN   48 /* bytes of a message that cannot be read, in the log */

/* Waiting ----------------------------------------------------------------------------------- */

static void on_read_on(troupe_actor *self, void *context);

static bool reads(const browser *state)
{
    return !state->paused && !state->recording.waiting;
}

/* What the stream has read already wakes no poll: it is taken in a later turn. */
static void read_on(browser *state)
{
    if (state->read_timer != 0 || !reads(state) || !message_stream_pending(state->stream)) {
        return;
    }
    if (troupe_timer_at(state->self, troupe_now_ns(state->self), on_read_on, state,
                        &state->read_timer) != TROUPE_OK) {
        state->read_timer = 0;
        troupe_log(TROUPE_LOG_ERROR, "browser", "out-of-memory", state->id,
                   "no timer to read on: what was read waits for more");
    }
}

/* Asks for POLLIN unless paused, for POLLOUT while something is queued. */
void browser_want_events(browser *state)
{
    int read_fd = message_stream_read_fd(state->stream);
    int write_fd = message_stream_write_fd(state->stream);
    short in = reads(state) ? POLLIN : 0;
    read_on(state);
    short out = state->write_wanted ? POLLOUT : 0;
    if (read_fd == write_fd) {
        troupe_watch_events(state->self, read_fd, (short)(in | out));
        return;
    }
    troupe_watch_events(state->self, read_fd, in);
    troupe_watch_events(state->self, write_fd, out);
}

/* Sending ----------------------------------------------------------------------------------- */

static void lost(browser *state, troupe_error error, const char *why);

void browser_flush(browser *state)
{
    state->flush_due = false;
    troupe_reason reason = {{0}};
    troupe_error error = message_stream_flush(state->stream, &reason);
    if (error != TROUPE_OK) {
        lost(state, error, reason.text);
        return;
    }
    bool wanted = message_stream_queued(state->stream) > 0;
    if (wanted != state->write_wanted) {
        state->write_wanted = wanted;
        browser_want_events(state);
    }
}

/* What waits is looked at when whatever it may have waited for has happened; what was sent in a
 * turn is written together. */
static void browser_turn(troupe_actor *self, void *context)
{
    (void)self;
    browser *state = context;
    capture_turn(state);
    if (state->queue.count > 0) {
        browser_pump(state);
    }
    if (state->flush_due && state->stream != NULL && !state->lost) {
        browser_flush(state);
    }
}

/* Receiving --------------------------------------------------------------------------------- */

static void pack_event(browser *state, const cdp_message *event)
{
    troupe_buffer_clear(&state->scratch);
    const char *params = event->params.data != NULL ? event->params.data : "{}";
    size_t len = event->params.data != NULL ? event->params.len : 2;
    troupe_pack(&state->scratch, "[s#,j#]", event->session != NULL ? event->session : "",
                event->session_len, params, len);
}

static bool begins(const cdp_message *event, const char *domain)
{
    size_t len = strlen(domain);
    return event->method_len > len && memcmp(event->method, domain, len) == 0;
}

/* Whether an event changes something for its target's actor. The many that do not are recorded, and
 * wake nobody: with a thousand targets that is most of what an event costs. */
static bool target_follows(const cdp_message *event)
{
    return !begins(event, "Network.") && !begins(event, "Log.") &&
           !cdp_is(event, "Runtime.consoleAPICalled") && !cdp_is(event, "Runtime.exceptionThrown");
}

static void on_event(browser *state, const cdp_message *event, const char *text, size_t len)
{
    roster_target *owner = NULL;
    if (browser_drivers_event(state, event, text, len)) {
        return;
    }
    if (cdp_is(event, "Target.attachedToTarget")) {
        owner = browser_on_attached(state, event);
    } else if (cdp_is(event, "Target.detachedFromTarget")) {
        owner = browser_on_detached(state, event);
    } else if (event->session != NULL) {
        owner = roster_owner(&state->roster, event->session, event->session_len);
        if (owner != NULL && begins(event, "Inspector.")) {
            browser_on_inspector(state, owner, event);
        }
    } else if (cdp_is(event, "Target.targetDestroyed")) {
        browser_on_target_destroyed(state, event);
    } else if (cdp_is(event, "Target.targetCrashed")) {
        browser_on_target_crashed(state, event);
    } else if (cdp_is(event, "Target.targetCreated") || cdp_is(event, "Target.targetInfoChanged")) {
        browser_on_target_info(state, event);
    }
    if (owner != NULL || event->session == NULL) {
        browser_record(state, owner, event);
    }
    if (owner != NULL && begins(event, "Network.")) {
        browser_bodies_event(state, owner, event);
    }
    if (owner != NULL && target_follows(event)) {
        pack_event(state, event);
        browser_post_event(state, owner, event->method, event->method_len,
                           troupe_buffer_bytes(&state->scratch));
    }
}

/* One message that cannot be read costs no other: it is counted and passed over. */
static void on_malformed(browser *state, const char *data, size_t len, const char *why)
{
    char head[MALFORMED_SHOWN + 1];
    size_t shown = len < MALFORMED_SHOWN ? len : MALFORMED_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        head[i] = (char)(data[i] >= ' ' && data[i] <= '~' ? data[i] : '.');
    }
    head[shown] = '\0';
    if (browser_worth_logging(++state->counts.malformed)) {
        troupe_log(TROUPE_LOG_WARN, "browser", "message-malformed", state->id,
                   "%s; %zu bytes, beginning with: %s (number %llu)", why, len, head,
                   (unsigned long long)state->counts.malformed);
    }
}

static void on_spare_due(troupe_actor *self, void *context)
{
    browser *state = context;
    (void)self;
    state->spare_timer = 0;
    byte_queue_drop_spare();
}

/* Large memory is kept for the next large message, but not for long. */
static void give_back_later(browser *state)
{
    if (state->spare_timer == 0 && troupe_timer_start(state->self, SPARE_KEPT_MS, 0, on_spare_due,
                                                      state, &state->spare_timer) != TROUPE_OK) {
        state->spare_timer = 0;
    }
}

static void on_message(void *context, char *data, size_t len)
{
    browser *state = context;
    cdp_message message;
    troupe_reason reason = {{0}};
    state->counts.messages_in++;
    state->counts.bytes_in += len;
    browser_probe_heard(state);
    if (len >= BYTE_QUEUE_LARGE) {
        give_back_later(state);
    }
    if (cdp_scan(data, len, &message, &reason) != TROUPE_OK) {
        on_malformed(state, data, len, reason.text);
        return;
    }
    if (message.has_id) {
        browser_on_answer(state, &message, len);
    } else {
        state->counts.events++;
        on_event(state, &message, data, len);
    }
}

static void receive(browser *state)
{
    state->wall_us = json_wall_us();
    state->mono_us = (int64_t)(troupe_now_ns(state->self) / 1000);
    troupe_reason reason = {{0}};
    troupe_error error = message_stream_receive(state->stream, on_message, state, &reason);
    if (error != TROUPE_OK) {
        lost(state, error, reason.text);
    } else if (!state->lost) {
        read_on(state);
    }
}

static void on_read_on(troupe_actor *self, void *context)
{
    browser *state = context;
    (void)self;
    state->read_timer = 0;
    if (state->stream != NULL && !state->lost && reads(state)) {
        receive(state);
    }
}

static void on_stream(troupe_actor *self, void *context, int fd, short revents)
{
    browser *state = context;
    (void)self;
    if (state->stream == NULL || state->lost) {
        return;
    }
    if (fd == message_stream_read_fd(state->stream) &&
        (revents & (POLLIN | POLLHUP | POLLERR)) != 0 && reads(state)) {
        receive(state);
    }
    if (!state->lost && fd == message_stream_write_fd(state->stream) &&
        (revents & (POLLOUT | POLLERR)) != 0) {
        browser_flush(state);
    }
}

/* Life -------------------------------------------------------------------------------------- */

static void close_stream(browser *state)
{
    if (state->stream != NULL) {
        int read_fd = message_stream_read_fd(state->stream);
        int write_fd = message_stream_write_fd(state->stream);
        troupe_unwatch(state->self, read_fd);
        if (write_fd != read_fd) {
            troupe_unwatch(state->self, write_fd);
        }
        message_stream_destroy(state->stream);
        state->stream = NULL;
    }
}

/* The connection is gone: everybody who waits is told why; the actor ends. Only the first reason
 * counts. */
static void lost(browser *state, troupe_error error, const char *why)
{
    if (state->lost) {
        return;
    }
    state->lost = true;
    troupe_log(TROUPE_LOG_INFO, "browser", "connection-lost", state->id, "%s", why);
    (void)troupe_fail(&state->end->reason, error, "%s", why);
    browser_end_commands(state, why);
    /* The stream is destroyed in `stop`: this may run inside its receive. */
    troupe_exit(state->self, error == TROUPE_OK ? TROUPE_ECLOSED : error);
}

static void on_start_timeout(troupe_actor *self, void *context)
{
    (void)self;
    browser *state = context;
    char why[80];
    snprintf(why, sizeof why, "no answer within %u ms", state->start_timeout_ms);
    lost(state, TROUPE_ETIMEOUT, why);
}

static void on_version(browser *state, void *context, troupe_error error, const char *text,
                       size_t len)
{
    (void)context;
    if (error == TROUPE_ECLOSED) {
        return;
    }
    const char *product = "unknown";
    size_t product_len = strlen(product);
    if (error == TROUPE_OK) {
        json_span span = {text, len};
        (void)browser_member_string(span, "product", &product, &product_len);
    }
    snprintf(state->product, sizeof state->product, "%.*s", (int)product_len, product);
    text_repair(state->product);
    browser_discover(state);
}

static bool asked_to_stop(void *context)
{
    return troupe_self_stopping(context);
}

static troupe_error connect_endpoint(browser *state)
{
    endpoint_options options = {.at = state->endpoint,
                                .profile = state->profile,
                                .pid_fd = state->pid_fd,
                                .owner = state->host,
                                .id = state->id,
                                .timeout_ms = state->start_timeout_ms,
                                .abort = asked_to_stop,
                                .abort_context = state->self};
    return endpoint_connect(&options, state->url, sizeof state->url, &state->stream,
                            &state->end->reason);
}

static troupe_error browser_start(troupe_actor *self, void *context)
{
    browser *state = context;
    state->self = self;
    rate_limit_init(&state->rate, state->limits.commands_per_second, state->limits.commands_burst,
                    troupe_now_ns(self));
    if (state->stream == NULL) {
        troupe_error error = connect_endpoint(state);
        if (error != TROUPE_OK) {
            return error;
        }
        browser_identify(state);
    }
    int read_fd = message_stream_read_fd(state->stream);
    int write_fd = message_stream_write_fd(state->stream);
    troupe_error error = troupe_watch(self, read_fd, POLLIN, on_stream, state);
    if (error == TROUPE_OK && write_fd != read_fd) {
        error = troupe_watch(self, write_fd, 0, on_stream, state);
    }
    if (error != TROUPE_OK) {
        return troupe_fail(&state->end->reason, error, "cannot watch the connection");
    }
    error = troupe_timer_start(self, state->start_timeout_ms, 0, on_start_timeout, state,
                               &state->start_timer);
    if (error != TROUPE_OK) {
        return troupe_fail(&state->end->reason, error, "%s", troupe_error_text(error));
    }
    read_on(state);
    browser_health_start(state);
    browser_send_own(state, "Browser.getVersion", NULL, on_version, NULL);
    return TROUPE_OK;
}

static void on_signal(browser *state, const troupe_envelope *signal)
{
    troupe_down down;
    if (troupe_down_read(signal, &down) == TROUPE_OK) {
        if (!browser_on_driver_down(state, &down)) {
            browser_on_target_down(state, &down);
        }
        return;
    }
    uint64_t actor;
    if (troupe_verb_is(signal, "room") &&
        troupe_unpack(signal->payload, "U", &actor) == TROUPE_OK) {
        browser_tell_room(state);
        if (!browser_record_room(state, actor) && !browser_on_driver_room(state, actor)) {
            browser_on_room(state, actor);
        }
    }
}

static troupe_error browser_receive(troupe_actor *self, void *context,
                                    const troupe_envelope *envelope)
{
    browser *state = context;
    if (envelope->kind == TROUPE_SIGNAL) {
        on_signal(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_BROWSER_COMMAND)) {
        browser_on_command(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_DRIVER_MESSAGE)) {
        browser_on_driver_message(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_DRIVER_OPEN)) {
        browser_on_driver_open(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_BROWSER_METRICS)) {
        browser_on_metrics(state, troupe_caller_of(envelope));
    } else if (troupe_verb_is(envelope, VERB_BROWSER_REPORT)) {
        browser_report(state);
    } else if (troupe_verb_is(envelope, VERB_BROWSER_BODY)) {
        browser_on_body(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_TARGET_STEP)) {
        browser_on_target_step(state, envelope);
    } else {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void grace_over(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool browser_closing(troupe_actor *self, void *context)
{
    browser *state = context;
    if (!state->graceful || state->stream == NULL ||
        troupe_timer_start(self, GRACE_MS, 0, grace_over, state, NULL) != TROUPE_OK) {
        state->lost = true;
        (void)troupe_fail(&state->end->reason, TROUPE_ECLOSED, "closed");
        browser_end_commands(state, "closed");
        return true;
    }
    browser_send_own(state, "Browser.close", NULL, browser_ignore_answer, "Browser.close");
    return false; /* its end of file ends us; or the timer */
}

static void browser_free(browser *state)
{
    message_stream_destroy(state->stream);
    if (state->pid_fd >= 0) {
        close(state->pid_fd);
    }
    browser_end_unref(state->end);
    endpoint_release(state->host, state->id);
    endpoint_unref(state->endpoint);
    browser_tell_fini(state);
    capture_fini(state);
    command_queue_fini(&state->queue);
    pending_fini(&state->pending);
    metrics_fini(&state->metrics);
    roster_fini(&state->roster);
    troupe_buffer_fini(&state->scratch);
    free(state);
}

static void browser_stop(troupe_actor *self, void *context, troupe_error reason)
{
    browser *state = context;
    (void)reason;
    state->self = self;
    close_stream(state);
    browser_end_commands(state, "closed");
    browser_bodies_fini(state);
    browser_drivers_fini(state);
    browser_record_fini(state);
    troupe_system *system = troupe_self_system(self);
    for (roster_target *target = state->roster.targets; target != NULL; target = target->hh.next) {
        if (target->actor != 0) {
            troupe_stop(system, target->actor, TROUPE_STOP_DRAIN);
        }
    }
    browser_free(state);
}

browser_end *browser_end_create(void)
{
    browser_end *end = calloc(1, sizeof *end);
    if (end != NULL) {
        atomic_init(&end->references, 1);
    }
    return end;
}

browser_end *browser_end_ref(browser_end *end)
{
    atomic_fetch_add(&end->references, 1);
    return end;
}

void browser_end_unref(browser_end *end)
{
    if (end != NULL && atomic_fetch_sub(&end->references, 1) == 1) {
        free(end);
    }
}

const char *browser_end_text(const browser_end *end)
{
    return end->reason.text;
}

bool browser_name_is_fine(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < BROWSER_ID_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

void browser_discard(void *context, void *state)
{
    (void)context;
    browser_free(state);
}

static const troupe_behaviour behaviour = {.kind = "browser",
                                           .start = browser_start,
                                           .receive = browser_receive,
                                           .closing = browser_closing,
                                           .turn = browser_turn,
                                           .stop = browser_stop};

troupe_error browser_prepare(const browser_spec *spec, troupe_spawn_options *out)
{
    browser *state = calloc(1, sizeof *state + sizeof NAME_BROWSER + BROWSER_ID_MAX);
    if (state == NULL || pending_init(&state->pending) != TROUPE_OK ||
        metrics_init(&state->metrics) != TROUPE_OK) {
        if (state != NULL) {
            pending_fini(&state->pending);
        }
        free(state);
        return TROUPE_ENOMEM;
    }
    char *name = (char *)(state + 1);
    snprintf(name, sizeof NAME_BROWSER + BROWSER_ID_MAX, "%s%s", NAME_BROWSER, spec->id);
    snprintf(state->id, sizeof state->id, "%s", spec->id);
    state->endpoint = endpoint_ref(spec->endpoint);
    snprintf(state->profile, sizeof state->profile, "%s",
             spec->profile != NULL ? spec->profile : "");
    uuid_t uuid;
    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, state->uid);
    state->host = spec->host;
    browser_limits_init(state, &spec->limits);
    state->launched = spec->launched;
    state->start_timeout_ms =
        spec->start_timeout_ms != 0 ? spec->start_timeout_ms : spec->host->launch_timeout_ms;
    state->attach = spec->attach;
    state->graceful = spec->graceful;
    state->pid = spec->pid;
    /* The launcher closes its own when the process is reaped, perhaps while we poll. */
    state->pid_fd = spec->pid_fd >= 0 ? fcntl(spec->pid_fd, F_DUPFD_CLOEXEC, 0) : -1;
    state->stream = spec->stream;
    state->end = browser_end_ref(spec->end);
    *out = (troupe_spawn_options){.behaviour = &behaviour,
                                  .state = state,
                                  .name = name,
                                  .mailbox_envelopes = MAILBOX_ENVELOPES};
    return TROUPE_OK;
}
