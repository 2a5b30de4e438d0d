/* SPDX-License-Identifier: MIT */
/*
 * RPC `network`. One bound SQL statement covers all targets, with one order and one limit.
 *
 * With `wait`, a list that is empty is not answered: it is asked for again whenever a request has
 * ended (the store tells), until it is not empty or the time is over.
 */
#include "network_list.h"

#include "search_text.h"

#include "transport/json_scan.h"

#include "actors/verbs.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define LIMIT        50
#define LIMIT_MAX    10000
#define WAIT_MAX_S   60
#define GATHER_MS    20 /* requests end together: one look for all of them */
#define SUBSCRIBE_MS 5000

typedef struct network_waiter {
    struct network_waiter *prev;
    struct network_waiter *next;
    lookup *item;
    uint64_t until_ns;
    uint64_t timer; /* of its time; 0 = none */
    bool asking;    /* a question is under way */
    bool again;     /* something happened meanwhile */
} network_waiter;

typedef struct list_params {
    const char *method, *type, *url, *state, *search, *text, *order;
    int64_t limit, status, wait_s;
    bool show_all;
} list_params;

static const char *const orders[] = {"desc", "asc", NULL};

static bool check_text(troupe_actor *self, lookup *item, const char *text)
{
    troupe_reason reason;
    if (text == NULL || search_text_check(text, &reason) == TROUPE_OK) {
        return true;
    }
    lookup_fault(self, item, TROUPE_EPARAMS, "%s", reason.text);
    return false;
}

static bool read_list_params(troupe_actor *self, lookup *item, list_params *out)
{
    static const char *const states[] = {"pending",    "loading", "complete", "failed", "paused",
                                         "connecting", "open",    "closed",   NULL};
    *out = (list_params){.limit = LIMIT, .status = -1, .order = orders[0]};
    return lookup_param_integer(self, item, "limit", 1, LIMIT_MAX, &out->limit) &&
           lookup_param_integer(self, item, "status", 0, 999, &out->status) &&
           lookup_param_string(self, item, "method", &out->method) &&
           lookup_param_string(self, item, "resource_type", &out->type) &&
           lookup_param_string(self, item, "type", &out->type) &&
           lookup_param_string(self, item, "url", &out->url) &&
           lookup_param_string(self, item, "search", &out->search) &&
           lookup_param_string(self, item, "text", &out->text) &&
           check_text(self, item, out->text) &&
           lookup_param_word(self, item, "state", states, &out->state) &&
           lookup_param_word(self, item, "order", orders, &out->order) &&
           lookup_param_integer(self, item, "wait", 1, WAIT_MAX_S, &out->wait_s) &&
           lookup_param_boolean(self, item, "show_all", &out->show_all);
}

static void add_text(lookup_sql *sql, const char *clause, const char *value)
{
    if (value != NULL) {
        lookup_sql_add(sql, clause);
        lookup_sql_text(sql, value, strlen(value));
    }
}

/* Only `*` is a wildcard: SQLite's other ones become literal. */
static void add_glob(lookup_sql *sql, const char *clause, const char *pattern)
{
    if (pattern == NULL) {
        return;
    }
    troupe_buffer glob = {0};
    for (const char *at = pattern; *at != '\0'; at++) {
        if (*at == '?' || *at == '[') {
            (void)troupe_buffer_printf(&glob, "[%c]", *at);
        } else {
            (void)troupe_buffer_append(&glob, at, 1);
        }
    }
    lookup_sql_add(sql, clause);
    lookup_sql_text(sql, glob.data != NULL ? (const char *)glob.data : "", glob.len);
    troupe_buffer_fini(&glob);
}

static void add_search(lookup_sql *sql, const char *search)
{
    if (search == NULL) {
        return;
    }
    lookup_sql_add(sql, " AND EXISTS(SELECT 1 FROM har_entry e WHERE e.id=h.id AND"
                        " (instr(lower(e.request_headers_json),lower(?))>0 OR"
                        " instr(lower(e.response_headers_json),lower(?))>0))");
    lookup_sql_text(sql, search, strlen(search));
    lookup_sql_text(sql, search, strlen(search));
}

static void add_params(lookup_sql *sql, const list_params *params)
{
    if (params->status >= 0) {
        lookup_sql_add(sql, " AND status=?");
        lookup_sql_integer(sql, params->status);
    }
    add_text(sql, " AND upper(method)=upper(?)", params->method);
    add_text(sql, " AND lower(type)=lower(?)", params->type);
    add_text(sql, " AND state=?", params->state);
    add_glob(sql, " AND url GLOB ?", params->url);
    add_search(sql, params->search);
    if (params->text != NULL) {
        search_text_add(sql, params->text);
    }
}

bool network_list_filters(troupe_actor *self, lookup *item, lookup_sql *sql)
{
    list_params params;
    if (!read_list_params(self, item, &params)) {
        return false;
    }
    add_params(sql, &params);
    return true;
}

void network_list_indexed(troupe_actor *self, lookup *item, lookup_answer_fn indexed)
{
    troupe_address store = troupe_whereis(troupe_self_system(self), NAME_STORE);
    if (store == 0 || !json_is_string(json_object_get(item->params, "text"))) {
        indexed(self, item, NULL);
    } else {
        lookup_call(self, item, store, VERB_STORE_INDEX, NULL, indexed);
    }
}

static network *service_of(const lookup *item)
{
    return (network *)(void *)item->all;
}

static network_waiter *waiter_of(const lookup *item)
{
    network_waiter *at = service_of(item)->waiters;
    while (at != NULL && at->item != item) {
        at = at->next;
    }
    return at;
}

static void end_wait(troupe_actor *self, const lookup *item)
{
    network_waiter *waiter = waiter_of(item);
    if (waiter != NULL) {
        troupe_timer_cancel(self, waiter->timer);
        DL_DELETE(service_of(item)->waiters, waiter);
        free(waiter);
    }
}

/* The targets that occur in rows, once each, in their order. */
static json_t *targets_in(json_span rows)
{
    json_t *seen = json_object();
    json_t *list = json_array();
    const char *at = rows.data + 1; /* behind the bracket */
    const char *end = rows.data + rows.len;
    for (size_t len; at < end && (len = json_skip(at, (size_t)(end - at))) > 0;) {
        json_span target;
        const char *id;
        size_t id_len;
        if (json_member(at, len, "target", &target) && json_plain_string(target, &id, &id_len) &&
            json_object_getn(seen, id, id_len) == NULL) {
            json_object_setn_new(seen, id, id_len, json_true());
            json_array_append_new(list, json_stringn(id, id_len));
        }
        at += len;
        at += at < end && *at == ',';
    }
    json_decref(seen);
    return list;
}

static void append_json(troupe_buffer *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    (void)troupe_buffer_append(out, text != NULL ? text : "[]", text != NULL ? strlen(text) : 2);
    free(text);
}

/* The rows go on as they came: {targets, requests, warnings}. */
static void answer(troupe_actor *self, lookup *item, json_span rows)
{
    troupe_buffer out = {0};
    json_t *targets = item->targets != NULL ? json_incref(item->targets) : targets_in(rows);
    end_wait(self, item);
    (void)troupe_buffer_append(&out, "{\"targets\":", 11);
    append_json(&out, targets);
    (void)troupe_buffer_append(&out, ",\"requests\":", 12);
    (void)troupe_buffer_append(&out, rows.data, rows.len);
    (void)troupe_buffer_append(&out, ",\"warnings\":", 12);
    append_json(&out, item->warnings);
    (void)troupe_buffer_append(&out, "}", 1);
    json_decref(targets);
    lookup_reply_text(self, item, &out);
}

static void ask(troupe_actor *self, lookup *item);

static void listed(troupe_actor *self, lookup *item, const char *text, size_t len)
{
    json_span rows = {"[]", 2};
    network_waiter *waiter = waiter_of(item);
    if (text != NULL) {
        (void)json_member(text, len, "rows", &rows);
    }
    if (text == NULL) { /* only of those that wait: the others' faults are passed on */
        end_wait(self, item);
        lookup_fault(self, item, TROUPE_EUNAVAILABLE, "%s", item->error.text);
        return;
    }
    if (waiter == NULL || rows.len > 2 || troupe_now_ns(self) >= waiter->until_ns) {
        answer(self, item, rows);
        return;
    }
    waiter->asking = false;
    if (waiter->again) {
        ask(self, item);
    }
}

/* What enabled filters hide, NULL types not among it. item->entry: what they hide. */
static void add_filters(lookup_sql *sql, const json_t *active)
{
    size_t i;
    json_t *one;
    json_t *types = json_object_get(active, "types");
    if (json_array_size(types) > 0) {
        lookup_sql_add(sql, " AND (type IS NULL OR lower(type) NOT IN (");
        json_array_foreach(types, i, one)
        {
            lookup_sql_add(sql, i > 0 ? ",lower(?)" : "lower(?)");
            lookup_sql_text(sql, json_string_value(one), json_string_length(one));
        }
        lookup_sql_add(sql, "))");
    }
    json_array_foreach(json_object_get(active, "urls"), i, one)
    {
        add_glob(sql, " AND url NOT GLOB ?", json_string_value(one));
    }
}

static void ask_indexed(troupe_actor *self, lookup *item, const json_t *nothing)
{
    list_params params;
    (void)nothing;
    if (!read_list_params(self, item, &params)) {
        return;
    }
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT * FROM har_summary h"
                         " WHERE id>(SELECT request_cleared FROM counters)");
    add_params(&sql, &params);
    add_filters(&sql, item->entry);
    lookup_sql_targets(&sql, item);
    lookup_sql_add(&sql, params.order == orders[1] ? " ORDER BY id ASC LIMIT ?"
                                                   : " ORDER BY id DESC LIMIT ?");
    lookup_sql_integer(&sql, params.limit);
    lookup_query_text(self, item, &sql, params.limit, listed);
}

static void ask(troupe_actor *self, lookup *item)
{
    network_waiter *waiter = waiter_of(item);
    if (waiter != NULL) {
        waiter->asking = true;
        waiter->again = false;
        item->tolerant = true;
    }
    network_list_indexed(self, item, ask_indexed);
}

/* Waiting ----------------------------------------------------------------------------------- */

static void look(troupe_actor *self, void *context)
{
    network *state = context;
    state->look_timer = 0;
    network_waiter *waiter;
    network_waiter *next;
    DL_FOREACH_SAFE(state->waiters, waiter, next)
    {
        if (waiter->asking) {
            waiter->again = true;
        } else {
            ask(self, waiter->item);
        }
    }
}

void network_list_event(troupe_actor *self, network *state)
{
    if (state->waiters != NULL && state->look_timer == 0 &&
        troupe_timer_start(self, GATHER_MS, 0, look, state, &state->look_timer) != TROUPE_OK) {
        look(self, state);
    }
}

static void on_time_over(troupe_actor *self, void *context)
{
    network_waiter *waiter = context;
    waiter->timer = 0;
    if (waiter->asking) {
        waiter->again = true; /* once more: its answer is the last one */
    } else {
        ask(self, waiter->item);
    }
}

static void on_subscribed(troupe_actor *self, void *context, troupe_error error,
                          const troupe_envelope *answered)
{
    network *state = context;
    (void)answered;
    if (error != TROUPE_OK) {
        state->store = 0;
    }
    network_list_event(self, state);
}

/* Once; events come until the store ends. */
static void subscribe(troupe_actor *self, network *state)
{
    troupe_address store = troupe_whereis(troupe_self_system(self), NAME_STORE);
    if (store == 0 || store == state->store || troupe_monitor(self, store, NULL) != TROUPE_OK) {
        return;
    }
    troupe_buffer payload = {0};
    (void)troupe_pack(&payload, "{s:[s]}", "topics", "network");
    state->store = store;
    if (troupe_call(self, store, VERB_STORE_SUBSCRIBE, NULL, troupe_buffer_bytes(&payload),
                    SUBSCRIBE_MS, on_subscribed, state, NULL) != TROUPE_OK) {
        state->store = 0;
    }
    troupe_buffer_fini(&payload);
}

void network_list_signal(troupe_actor *self, network *state, const troupe_envelope *signal)
{
    troupe_down down;
    (void)self;
    if (troupe_down_read(signal, &down) == TROUPE_OK && down.address == state->store) {
        state->store = 0; /* the next who waits subscribes anew */
    }
}

static void begin_wait(troupe_actor *self, lookup *item, int64_t wait_s)
{
    network *state = service_of(item);
    network_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL) {
        lookup_fault(self, item, TROUPE_ENOMEM, "out of memory");
        return;
    }
    waiter->item = item;
    waiter->until_ns = troupe_now_ns(self) + (uint64_t)wait_s * 1000000000u;
    if (waiter->until_ns + 100000000u > item->deadline_ns) { /* answered before that */
        waiter->until_ns = item->deadline_ns > 100000000u ? item->deadline_ns - 100000000u : 0;
    }
    DL_APPEND(state->waiters, waiter);
    if (troupe_timer_at(self, waiter->until_ns, on_time_over, waiter, &waiter->timer) !=
        TROUPE_OK) {
        waiter->until_ns = 0;
    }
    subscribe(self, state);
    ask(self, item);
}

static void filters_known(troupe_actor *self, lookup *item, const json_t *active)
{
    list_params params;
    if (!read_list_params(self, item, &params)) {
        return;
    }
    item->entry = json_incref((json_t *)active);
    if (params.wait_s > 0) {
        begin_wait(self, item, params.wait_s);
    } else {
        ask(self, item);
    }
}

void network_list(troupe_actor *self, lookup *item)
{
    troupe_address filters = troupe_whereis(troupe_self_system(self), NAME_FILTERS);
    if (filters == 0 || json_is_true(json_object_get(item->params, "show_all"))) {
        filters_known(self, item, NULL);
        return;
    }
    item->tolerant = true;
    lookup_call(self, item, filters, VERB_FILTERS_ACTIVE, NULL, filters_known);
}

void network_list_fini(network *state)
{
    while (state->waiters != NULL) {
        network_waiter *waiter = state->waiters;
        DL_DELETE(state->waiters, waiter);
        free(waiter);
    }
}
