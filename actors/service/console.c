/* SPDX-License-Identifier: MIT */
/* The actor `console`: RPC `console` lists recorded messages of all targets in one order, `entry`
 * tells all of one. */
#include "actors/cast.h"
#include "actors/verbs.h"
#include "har_entry.h"
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT     50
#define LIMIT_MAX 10000

static void listed(troupe_actor *self, lookup *item, const json_t *answer)
{
    json_t *rows = json_object_get(answer, "rows");
    json_t *targets = lookup_targets(item, rows);
    lookup_reply(self, item,
                 json_pack("{s:o,s:O,s:O}", "targets", targets, "messages", rows, "warnings",
                           item->warnings));
}

/* Only called with params that were checked before. */
static void list(troupe_actor *self, lookup *item)
{
    static const char *const levels[] = {"error", "warning", "info",    "log",
                                         "debug", "warn",    "verbose", NULL};
    static const char *const orders[] = {"desc", "asc", NULL};
    const char *level = NULL;
    const char *order = orders[0];
    int64_t limit = LIMIT;
    if (!lookup_param_integer(self, item, "limit", 1, LIMIT_MAX, &limit) ||
        !lookup_param_word(self, item, "level", levels, &level) ||
        !lookup_param_word(self, item, "order", orders, &order)) {
        return;
    }
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT * FROM console_summary"
                         " WHERE id>(SELECT console_cleared FROM counters)");
    if (level != NULL) {
        level = strcmp(level, "warn") == 0 ? "warning" : level;
        level = strcmp(level, "verbose") == 0 ? "debug" : level;
        lookup_sql_add(&sql, " AND level=?");
        lookup_sql_text(&sql, level, strlen(level));
    }
    lookup_sql_targets(&sql, item);
    lookup_sql_add(&sql,
                   order == orders[1] ? " ORDER BY id ASC LIMIT ?" : " ORDER BY id DESC LIMIT ?");
    lookup_sql_integer(&sql, limit);
    lookup_query(self, item, &sql, limit, listed);
}

/* entry ------------------------------------------------------------------------------------- */

static void found_entry(troupe_actor *self, lookup *item, const json_t *answer)
{
    json_t *row = json_array_get(json_object_get(answer, "rows"), 0);
    if (row == NULL) {
        lookup_fault(self, item, TROUPE_ENOTFOUND, "Message %lld not found",
                     (long long)json_integer_value(json_object_get(item->params, "id")));
        return;
    }
    json_t *resolution = har_entry_resolution(row);
    json_object_del(row, "target_state");
    json_t *entry = har_entry_select(row, json_object_get(item->params, "fields"));
    lookup_reply(self, item, json_pack("{s:o, s:o*}", "entry", entry, "resolution", resolution));
}

static void entry(troupe_actor *self, lookup *item)
{
    int64_t id = 0;
    const json_t *fields = json_object_get(item->params, "fields");
    if (!lookup_param_integer(self, item, "id", 1, INT64_MAX, &id)) {
        return;
    }
    if (json_is_string(fields)) {
        json_object_set_new(item->params, "fields", json_pack("[O]", fields));
    } else if (fields == NULL) { /* the minimal entry */
        json_object_set_new(
            item->params, "fields",
            json_pack("[s, s, s, s, s]", "id", "level", "message", "source", "timestamp"));
    }
    lookup_sql sql = {0};
    lookup_sql_add(
        &sql, "SELECT id, level, type, source, message, timestamp_us/1000.0 AS timestamp,"
              " target, url, line, \"column\", request_id, session, stack_json," TARGET_STATE_SQL(
                  "console") " FROM console"
                             " WHERE id=?");
    lookup_sql_integer(&sql, id);
    lookup_query(self, item, &sql, 1, found_entry);
}

/* The actor --------------------------------------------------------------------------------- */

static troupe_error console_receive(troupe_actor *self, void *state,
                                    const troupe_envelope *envelope)
{
    if (envelope->kind != TROUPE_CALL) {
        return TROUPE_OK;
    }
    bool one = troupe_verb_is(envelope, "entry");
    if (!one && !troupe_verb_is(envelope, "console")) {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
        return TROUPE_OK;
    }
    lookup *item = lookup_begin(state, self, envelope);
    if (item != NULL && one) {
        entry(self, item);
    } else if (item != NULL) {
        lookup_resolve(self, item, list);
    }
    return TROUPE_OK;
}

static void console_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    lookups_fini(state);
    free(state);
}

static const troupe_behaviour console_behaviour = {
    .kind = "console", .receive = console_receive, .stop = console_stop};

troupe_error console_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    lookups *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return TROUPE_ENOMEM;
    }
    *out =
        (troupe_spawn_options){.behaviour = &console_behaviour, .state = all, .name = NAME_CONSOLE};
    return TROUPE_OK;
}
