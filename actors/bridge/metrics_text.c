/* SPDX-License-Identifier: MIT */
/* Prometheus' text format: a family at a time, its samples together. */
#include "metrics_text.h"

#include "troupe/version.h"

#include <stdio.h>
#include <string.h>

/* A histogram's buckets here: 16 µs, four times as long each, 67 s. */
#define LE_FIRST_US 16
#define LE_COUNT    12

typedef struct family {
    const char *key; /* in its object; "a.b": member b of a */
    const char *name;
    const char *type;
    const char *help;
} family;

/* clang-format off */
static const family system_families[] = {
    {"actors_spawned", "troupe_actors_spawned_total", "counter", "Actors started."},
    {"actors_ended", "troupe_actors_ended_total", "counter", "Actors that have ended."},
    {"sent", "troupe_envelopes_sent_total", "counter", "Envelopes accepted by mailboxes."},
    {"received", "troupe_envelopes_received_total", "counter", "Envelopes handled by their receivers."},
    {"dead_letters", "troupe_dead_letters_total", "counter", "Envelopes whose receiver had ended."},
    {"shed", "troupe_events_shed_total", "counter", "Events dropped for subscribers that were too slow."},
    {"late_replies", "troupe_late_replies_total", "counter", "Answers to calls that had ended."},
    {"refused", "troupe_posts_refused_total", "counter", "Posts refused because a mailbox was full."},
};

static const family bridge_families[] = {
    {"requests", "troupe_http_requests_total", "counter", "HTTP requests."},
    {"refused", "troupe_http_refused_total", "counter", "HTTP requests refused by the access rules."},
    {"calls", "troupe_rpc_calls_total", "counter", "RPC calls that have ended."},
    {"failures", "troupe_rpc_failures_total", "counter", "RPC calls that ended with an error."},
    {"overload", "troupe_http_overload_total", "counter", "Requests and clients turned away for lack of room."},
    {"clients_accepted", "troupe_clients_accepted_total", "counter", "WebSocket clients accepted."},
    {"events", "troupe_client_events_total", "counter", "Events sent to clients."},
    {"events_shed", "troupe_client_events_shed_total", "counter", "Events not sent because a client was slow."},
    {"connections", "troupe_http_connections", "gauge", "HTTP connections that are open."},
};

static const family process_families[] = {
    {"rss_bytes", "process_resident_memory_bytes", "gauge", "Resident memory of the host."},
    {"threads", "process_threads", "gauge", "Threads of the host."},
    {"descriptors", "process_open_fds", "gauge", "Open descriptors of the host."},
    {"uptime_s", "troupe_uptime_seconds", "gauge", "Since the host was started."},
};

static const family browser_families[] = {
    {"responsive", "troupe_browser_responsive", "gauge", "1, or 0 if the browser owes answers and is silent."},
    {"in_flight", "troupe_browser_commands_in_flight", "gauge", "Commands sent and not answered."},
    {"in_flight_peak", "troupe_browser_commands_in_flight_peak", "gauge", "Most commands in flight at once."},
    {"queued", "troupe_browser_commands_queued", "gauge", "Commands that wait to be sent."},
    {"queued_peak", "troupe_browser_commands_queued_peak", "gauge", "Most commands that waited at once."},
    {"queued_bytes", "troupe_browser_commands_queued_bytes", "gauge", "Bytes of commands that wait to be sent."},
    {"unwritten_bytes", "troupe_browser_unwritten_bytes", "gauge", "Bytes the browser has not read yet."},
    {"targets", "troupe_browser_targets", "gauge", "Targets of the browser."},
    {"connected", "troupe_browser_targets_connected", "gauge", "Targets that are connected."},
    {"sessions", "troupe_browser_sessions", "gauge", "CDP sessions."},
    {"timeouts", "troupe_browser_timeouts_total", "counter", "Commands that nobody answered in time."},
    {"abandoned", "troupe_browser_abandoned_total", "counter", "Commands given up by their callers."},
    {"busy", "troupe_browser_busy_total", "counter", "Commands refused because too many wait."},
    {"late", "troupe_browser_late_answers_total", "counter", "Answers to commands that had ended."},
    {"duplicate", "troupe_browser_duplicate_answers_total", "counter", "Second answers to a command."},
    {"unknown", "troupe_browser_unknown_answers_total", "counter", "Answers to commands never sent."},
    {"misrouted", "troupe_browser_misrouted_answers_total", "counter", "Answers on another session."},
    {"malformed", "troupe_browser_malformed_messages_total", "counter", "Messages that could not be read."},
    {"rate_passed", "troupe_browser_rate_passed_total", "counter", "Urgent commands beyond the rate limit."},
    {"waits.in_flight", "troupe_browser_waits_in_flight_total", "counter", "Commands that waited for others to be answered."},
    {"waits.rate", "troupe_browser_waits_rate_total", "counter", "Commands that waited for the rate limit."},
    {"waits.stream", "troupe_browser_waits_stream_total", "counter", "Commands that waited for the browser to read."},
    {"waits.turn", "troupe_browser_waits_turn_total", "counter", "Commands that waited behind others."},
    {"messages_in", "troupe_browser_messages_received_total", "counter", "Messages from the browser."},
    {"bytes_in", "troupe_browser_received_bytes_total", "counter", "Bytes of messages from the browser."},
    {"bytes_out", "troupe_browser_sent_bytes_total", "counter", "Bytes of messages to the browser."},
    {"events", "troupe_browser_events_total", "counter", "Events from the browser."},
    {"events_shed", "troupe_browser_events_shed_total", "counter", "Events not passed on to a target that had no room."},
    {"probes", "troupe_browser_probes_total", "counter", "Times a silent browser was asked whether it is there."},
    {"unresponsive_count", "troupe_browser_unresponsive_total", "counter", "Times a browser became unresponsive."},
    {"websocket.ping_ms", "troupe_browser_ping_milliseconds", "gauge", "Of the last ping over a WebSocket."},
    {"reconnects", "troupe_browser_reconnects_total", "counter", "Connections after the first."},
};

static const family method_families[] = {
    {"sent", "troupe_cdp_commands_total", "counter", "CDP commands sent."},
    {"errors", "troupe_cdp_errors_total", "counter", "CDP commands the browser answered with an error."},
    {"timeouts", "troupe_cdp_timeouts_total", "counter", "CDP commands that nobody answered in time."},
    {"bytes_out", "troupe_cdp_sent_bytes_total", "counter", "Bytes of CDP commands."},
    {"bytes_in", "troupe_cdp_received_bytes_total", "counter", "Bytes of answers to CDP commands."},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void head(troupe_buffer *out, const char *name, const char *type, const char *help)
{
    troupe_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void label(troupe_buffer *out, const char *name, const char *value)
{
    troupe_buffer_printf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        const char *escaped = *value == '\\'   ? "\\\\"
                              : *value == '"'  ? "\\\""
                              : *value == '\n' ? "\\n"
                                               : NULL;
        if (escaped != NULL) {
            troupe_buffer_append(out, escaped, 2);
        } else {
            troupe_buffer_append(out, value, 1);
        }
    }
    troupe_buffer_append(out, "\"", 1);
}

static const json_t *member(const json_t *object, const char *path)
{
    const char *dot = strchr(path, '.');
    if (dot == NULL) {
        return json_object_get(object, path);
    }
    char first[32];
    size_t len = (size_t)(dot - path);
    if (len >= sizeof first) {
        return NULL;
    }
    memcpy(first, path, len);
    first[len] = '\0';
    return json_object_get(json_object_get(object, first), dot + 1);
}

static bool is_value(const json_t *value)
{
    return json_is_number(value) || json_is_boolean(value);
}

static void write_value(troupe_buffer *out, const json_t *value)
{
    if (json_is_real(value)) {
        troupe_buffer_printf(out, " %.9g\n", json_real_value(value));
    } else {
        long long number =
            json_is_boolean(value) ? json_is_true(value) : (long long)json_integer_value(value);
        troupe_buffer_printf(out, " %lld\n", number);
    }
}

static void plain_families(troupe_buffer *out, const json_t *object, const family *list,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = member(object, list[i].key);
        if (is_value(value)) {
            head(out, list[i].name, list[i].type, list[i].help);
            troupe_buffer_printf(out, "%s", list[i].name);
            write_value(out, value);
        }
    }
}

/* Browsers --------------------------------------------------------------------------------------
 */

static void browser_family(troupe_buffer *out, json_t *browsers, const family *what)
{
    const char *id;
    json_t *browser;
    bool begun = false;
    json_object_foreach(browsers, id, browser)
    {
        const json_t *value = member(browser, what->key);
        if (!is_value(value)) {
            continue;
        }
        if (!begun) {
            head(out, what->name, what->type, what->help);
        }
        begun = true;
        troupe_buffer_printf(out, "%s{", what->name);
        label(out, "browser", id);
        troupe_buffer_append(out, "}", 1);
        write_value(out, value);
    }
}

typedef void (*method_fn)(troupe_buffer *out, const char *browser, const char *method,
                          const json_t *row, const void *context);

static void each_method(troupe_buffer *out, json_t *browsers, method_fn fn, const void *context)
{
    const char *id;
    const char *method;
    json_t *browser;
    json_t *row;
    json_object_foreach(browsers, id, browser)
    {
        json_object_foreach(json_object_get(browser, "methods"), method, row)
        {
            fn(out, id, method, row, context);
        }
    }
}

static void open_sample(troupe_buffer *out, const char *name, const char *browser,
                        const char *method)
{
    troupe_buffer_printf(out, "%s{", name);
    label(out, "browser", browser);
    troupe_buffer_append(out, ",", 1);
    label(out, "method", method);
}

static void method_sample(troupe_buffer *out, const char *browser, const char *method,
                          const json_t *row, const void *context)
{
    const family *what = context;
    const json_t *value = json_object_get(row, what->key);
    if (is_value(value)) {
        open_sample(out, what->name, browser, method);
        troupe_buffer_append(out, "}", 1);
        write_value(out, value);
    }
}

#define DURATION "troupe_cdp_command_duration_seconds"

static json_int_t answered_within(const json_t *buckets, json_int_t bound_us)
{
    json_int_t sum = 0;
    size_t i;
    json_t *bucket;
    json_array_foreach(buckets, i, bucket)
    {
        const json_t *le = json_array_get(bucket, 0);
        if (json_is_integer(le) && json_integer_value(le) <= bound_us) {
            sum += json_integer_value(json_array_get(bucket, 1));
        }
    }
    return sum;
}

static void method_histogram(troupe_buffer *out, const char *browser, const char *method,
                             const json_t *row, const void *context)
{
    (void)context;
    const json_t *buckets = json_object_get(row, "latency");
    long long answered = (long long)json_integer_value(json_object_get(row, "answered"));
    json_int_t bound_us = LE_FIRST_US;
    for (int i = 0; i < LE_COUNT; i++, bound_us *= 4) {
        open_sample(out, DURATION "_bucket", browser, method);
        troupe_buffer_printf(out, ",le=\"%.6f\"} %lld\n", (double)bound_us / 1e6,
                             (long long)answered_within(buckets, bound_us));
    }
    open_sample(out, DURATION "_bucket", browser, method);
    troupe_buffer_printf(out, ",le=\"+Inf\"} %lld\n", answered);
    open_sample(out, DURATION "_sum", browser, method);
    const json_t *sum = json_object_get(json_object_get(row, "latency_ms"), "sum");
    troupe_buffer_printf(out, "} %.9g\n", json_number_value(sum) / 1e3);
    open_sample(out, DURATION "_count", browser, method);
    troupe_buffer_printf(out, "} %lld\n", answered);
}

static bool any_method(json_t *browsers)
{
    const char *id;
    json_t *browser;
    json_object_foreach(browsers, id, browser)
    {
        if (json_object_size(json_object_get(browser, "methods")) > 0) {
            return true;
        }
    }
    return false;
}

static void write_browsers(troupe_buffer *out, json_t *browsers)
{
    for (size_t i = 0; i < COUNT(browser_families); i++) {
        browser_family(out, browsers, &browser_families[i]);
    }
    if (!any_method(browsers)) {
        return;
    }
    for (size_t i = 0; i < COUNT(method_families); i++) {
        const family *what = &method_families[i];
        head(out, what->name, what->type, what->help);
        each_method(out, browsers, method_sample, what);
    }
    head(out, DURATION, "histogram", "From sending a CDP command until its answer was read.");
    each_method(out, browsers, method_histogram, NULL);
}

/* The launcher ----------------------------------------------------------------------------------
 */

static bool is_name(const char *text)
{
    return *text != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(text);
}

/* Whatever numbers it has, by their names; one level deeper, too. */
static void write_launcher(troupe_buffer *out, json_t *object, const char *prefix)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        char name[128];
        if (!is_name(key) ||
            (size_t)snprintf(name, sizeof name, "%s_%s", prefix, key) >= sizeof name) {
            continue;
        }
        if (is_value(value)) {
            head(out, name, "untyped", "Of the launcher (RPC metrics, launcher).");
            troupe_buffer_printf(out, "%s", name);
            write_value(out, value);
        } else if (json_is_object(value) && strcmp(prefix, "troupe_launcher") == 0) {
            write_launcher(out, value, name);
        }
    }
}

void metrics_text(const json_t *all, troupe_buffer *out)
{
    head(out, "troupe_info", "gauge", "The host's version.");
    troupe_buffer_append(out, "troupe_info{", 12);
    label(out, "version", troupe_version());
    troupe_buffer_append(out, "} 1\n", 4);
    plain_families(out, json_object_get(all, "process"), process_families, COUNT(process_families));
    plain_families(out, json_object_get(all, "system"), system_families, COUNT(system_families));
    plain_families(out, json_object_get(all, "bridge"), bridge_families, COUNT(bridge_families));
    write_launcher(out, json_object_get(all, "launcher"), "troupe_launcher");
    json_t *browsers = json_object_get(all, "browsers");
    head(out, "troupe_browsers", "gauge", "Browsers that answered.");
    troupe_buffer_printf(out, "troupe_browsers %zu\n", json_object_size(browsers));
    head(out, "troupe_metrics_warnings", "gauge", "Who was asked for numbers and did not answer.");
    troupe_buffer_printf(out, "troupe_metrics_warnings %zu\n",
                         json_array_size(json_object_get(all, "warnings")));
    write_browsers(out, browsers);
}
