/* SPDX-License-Identifier: MIT */
/* Methods that the bridge answers itself. */
#include "local.h"

#include "drain.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_DEADLINE_MS     60000
#define DRAIN_DEADLINE_MAX_MS 86400000

static void add_actor(void *context, const troupe_actor_info *info)
{
    json_t *times = json_array();
    for (unsigned i = 0; i < TROUPE_HANDLER_BUCKETS; i++) {
        json_array_append_new(times, json_integer((json_int_t)info->handled_times[i]));
    }
    json_t *row = json_pack(
        "{s:s, s:s, s:I, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I}", "name",
        info->name, "kind", info->kind, "address", (json_int_t)info->address, "verb", info->verb,
        "verb_ms", (double)info->verb_ns / 1e6, "depth", (json_int_t)info->depth, "depth_bytes",
        (json_int_t)info->depth_bytes, "depth_peak", (json_int_t)info->depth_peak, "received",
        (json_int_t)info->received, "sent", (json_int_t)info->sent, "busy", (json_int_t)info->busy,
        "calls_open", (json_int_t)info->calls_open, "age_ms", (double)info->age_ns / 1e6, "thread",
        (json_int_t)info->thread_id);
    json_t *more = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "bytes_received",
        (json_int_t)info->bytes_received, "bytes_sent", (json_int_t)info->bytes_sent,
        "dead_letters", (json_int_t)info->dead_letters, "links", (json_int_t)info->links,
        "monitors", (json_int_t)info->monitors, "restarts", (json_int_t)info->restarts, "handled",
        (json_int_t)info->handled, "handled_ms", (double)info->handled_ns / 1e6, "longest_ms",
        (double)info->handled_longest_ns / 1e6, "handled_times", times);
    json_object_update(row, more);
    json_decref(more);
    json_array_append_new(context, row);
}

static troupe_error actors_list(bridge *server, const json_t *params, json_t **result,
                                troupe_reason *reason)
{
    (void)params;
    (void)reason;
    json_t *list = json_array();
    troupe_system_inspect(server->system, add_actor, list);
    *result = json_pack("{s:o}", "actors", list);
    return TROUPE_OK;
}

/* A number of /proc/self/status in its own unit ("VmRSS:" in KiB); 0 if it is not there. */
static json_int_t status_number(const char *key)
{
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL) {
        return 0;
    }
    char line[256];
    long long number = 0;
    size_t len = strlen(key);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, key, len) == 0) {
            (void)sscanf(line + len, "%lld", &number);
            break;
        }
    }
    fclose(status);
    return number;
}

static json_int_t descriptor_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    json_int_t count = -1; /* not the directory's own */
    while (dir != NULL) {
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        count += entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

static json_int_t counted(atomic_ullong *counter)
{
    return (json_int_t)atomic_load(counter);
}

static json_t *bridge_metrics(bridge *server)
{
    bridge_counters *all = &server->counters;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "requests",
                     counted(&all->requests), "refused", counted(&all->refused), "calls",
                     counted(&all->calls), "failures", counted(&all->failures), "overload",
                     counted(&all->overload), "clients_accepted", counted(&all->clients), "events",
                     counted(&all->events), "events_shed", counted(&all->shed), "connections",
                     (json_int_t)atomic_load(&server->connections), "workers", BRIDGE_WORKERS);
}

json_t *local_metrics(bridge *server)
{
    troupe_system_counters all;
    troupe_system_count(server->system, &all);
    json_t *system = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "actors_spawned",
        (json_int_t)all.actors_spawned, "actors_ended", (json_int_t)all.actors_ended, "sent",
        (json_int_t)all.sent, "received", (json_int_t)all.received, "dead_letters",
        (json_int_t)all.dead_letters, "dead_left", (json_int_t)all.dead_left, "shed",
        (json_int_t)all.shed, "late_replies", (json_int_t)all.late_replies, "refused",
        (json_int_t)all.refused, "messages", (json_int_t)all.messages);
    json_t *process = json_pack("{s:I, s:I, s:I, s:I, s:f}", "pid", (json_int_t)getpid(),
                                "rss_bytes", status_number("VmRSS:") * 1024, "threads",
                                status_number("Threads:"), "descriptors", descriptor_count(),
                                "uptime_s", (double)(bridge_now_ns() - server->started_ns) / 1e9);
    return json_pack("{s:o, s:o, s:o}", "system", system, "bridge", bridge_metrics(server),
                     "process", process);
}

static troupe_error describe(bridge *server, const json_t *params, json_t **result,
                             troupe_reason *reason)
{
    (void)server;
    const char *name = json_string_value(json_object_get(params, "method"));
    *result = method_describe(name);
    if (*result == NULL) {
        return troupe_fail(reason, TROUPE_ENOTFOUND, "no method \"%.60s\"", name);
    }
    return TROUPE_OK;
}

static troupe_error config(bridge *server, const json_t *params, json_t **result,
                           troupe_reason *reason)
{
    (void)params;
    (void)reason;
    pthread_rwlock_rdlock(&server->auth_lock);
    const char *text = server->config_json;
    *result = json_loads(text != NULL ? text : "{}", JSON_DECODE_ANY, NULL);
    pthread_rwlock_unlock(&server->auth_lock);
    return TROUPE_OK;
}

static troupe_error stop(bridge *server, const json_t *params, json_t **result,
                         troupe_reason *reason)
{
    if (server->options->stop_requested == NULL) {
        return troupe_fail(reason, TROUPE_EFORBIDDEN,
                           "this host is part of a program that does not let itself be stopped");
    }
    if (json_is_true(json_object_get(params, "drain"))) {
        const json_t *limit = json_object_get(params, "deadline_ms");
        json_int_t ms = limit != NULL ? json_integer_value(limit) : DRAIN_DEADLINE_MS;
        if (ms < 0 || ms > DRAIN_DEADLINE_MAX_MS) {
            return troupe_fail(reason, TROUPE_EPARAMS, "`deadline_ms` is 0 to %d",
                               DRAIN_DEADLINE_MAX_MS);
        }
        drain_set(server, true, true);
        drain_deadline(server, (uint32_t)ms);
        *result = drain_json(server, 1);
        return TROUPE_OK;
    }
    *result = json_pack("{s:b}", "stopping", 1);
    return TROUPE_OK;
}

static troupe_error drain(bridge *server, const json_t *params, json_t **result,
                          troupe_reason *reason)
{
    const json_t *on = json_object_get(params, "on");
    (void)reason;
    drain_set(server, on == NULL || json_is_true(on), false);
    *result = drain_json(server, 1);
    return TROUPE_OK;
}

/* dashboard.link, pair: something that works once. */
static troupe_error make_ticket(bridge *server, ticket_kind kind, char text[TICKET_TEXT_MAX],
                                json_int_t *ms, troupe_reason *reason)
{
    *ms = (json_int_t)tickets_make(&server->tickets, kind, NULL, text);
    return *ms != 0 ? TROUPE_OK : troupe_fail(reason, TROUPE_EIO, "no random bytes");
}

static troupe_error make_link(bridge *server, const json_t *params, json_t **result,
                              troupe_reason *reason)
{
    char code[TICKET_TEXT_MAX];
    json_int_t ms;
    (void)params;
    troupe_error error = make_ticket(server, TICKET_LINK, code, &ms, reason);
    if (error == TROUPE_OK) {
        *result = json_pack("{s:o, s:I}", "path", json_sprintf("/link/%s", code), "expires_ms", ms);
    }
    return error;
}

static troupe_error make_code(bridge *server, const json_t *params, json_t **result,
                              troupe_reason *reason)
{
    char code[TICKET_TEXT_MAX];
    json_int_t ms;
    (void)params;
    troupe_error error = make_ticket(server, TICKET_CODE, code, &ms, reason);
    if (error == TROUPE_OK) {
        *result = json_pack("{s:s, s:I}", "code", code, "expires_ms", ms);
    }
    return error;
}

static troupe_error clients_end(bridge *server, const json_t *params, json_t **result,
                                troupe_reason *reason)
{
    const char *name = json_string_value(json_object_get(params, "name"));
    troupe_address address = 0;
    pthread_mutex_lock(&server->lock);
    for (uint32_t i = 0; i < server->clients_max; i++) {
        if (server->slots[i].number != 0 && strcmp(server->slots[i].name, name) == 0) {
            address = server->slots[i].address;
        }
    }
    pthread_mutex_unlock(&server->lock);
    if (address == 0 || troupe_stop(server->system, address, TROUPE_STOP_DRAIN) != TROUPE_OK) {
        return troupe_fail(reason, TROUPE_ENOTFOUND, "no client %.60s", name);
    }
    *result = json_pack("{s:s}", "ended", name);
    return TROUPE_OK;
}

static json_t *describe_slot(client_slot *slot, uint64_t now_ns)
{
    return json_pack("{s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:s}", "name", slot->name, "peer",
                     slot->peer, "age_ms", (double)(now_ns - slot->since_ns) / 1e6, "requests",
                     counted(&slot->requests), "events", counted(&slot->events), "shed",
                     counted(&slot->shed), "queued_bytes", counted(&slot->queued_bytes), "topics",
                     slot->topics);
}

static troupe_error clients_list(bridge *server, const json_t *params, json_t **result,
                                 troupe_reason *reason)
{
    (void)params;
    (void)reason;
    json_t *list = json_array();
    uint64_t now_ns = bridge_now_ns();
    pthread_mutex_lock(&server->lock);
    for (uint32_t i = 0; i < server->clients_max; i++) {
        if (server->slots[i].address != 0) {
            json_array_append_new(list, describe_slot(&server->slots[i], now_ns));
        }
    }
    pthread_mutex_unlock(&server->lock);
    *result = json_pack("{s:o, s:I}", "clients", list, "max", (json_int_t)server->clients_max);
    return TROUPE_OK;
}

static const struct {
    const char *name;
    troupe_error (*answer)(bridge *server, const json_t *params, json_t **result,
                           troupe_reason *reason);
} answers[] = {
    {"actors.list", actors_list},
    {"rpc.describe", describe},
    {"config", config},
    {"stop", stop},
    {"clients.list", clients_list},
    {"clients", clients_list},
    {"clients.end", clients_end},
    {"drain", drain},
    {"dashboard.link", make_link},
    {"pair", make_code},
};

troupe_error local_answer(bridge *server, const rpc_method *method, const json_t *params,
                          json_t **result, troupe_reason *reason)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (strcmp(answers[i].name, method->name) == 0) {
            troupe_error error = answers[i].answer(server, params, result, reason);
            return error == TROUPE_OK && *result == NULL ? TROUPE_ENOMEM : error;
        }
    }
    return TROUPE_EMETHOD;
}
