/* SPDX-License-Identifier: MIT */
/*
 * The actor `replay`: pages' requests answered from the record, so that a page runs offline.
 *
 * RPC `replay` reads which requests a browser or a target made, and has the actor `fetch` give the
 * pages that are to be answered a rule. They ask here for each request (VERB_REPLAY_ANSWER). What
 * was asked for several times is answered in the recorded order, for each page anew; the last
 * answer stands for all that follow. Requests that sent something are told apart by what they sent.
 */
#include "actors/cast.h"
#include "actors/verbs.h"
#include "lookup.h"
#include "replay_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 100000
#define TOTAL_MAX    500000 /* of all sources: those nobody asked for longest leave */
#define PIECE_ROWS   10000
#define SENT_MAX     "65536" /* larger ones are not compared */
#define MISSES_MAX   100     /* shown */
#define BODY_BYTES   (64 * 1024 * 1024)

/* What is replayed. JSON throughout: {from, url, requests, by: {key: [row ids]}, at: {target: {key:
 * n}}, used, answered, missed, misses: [{method, url, target}]}. */
typedef struct replay {
    lookups calls; /* first: a lookup's `all` is this */
    json_t *sources;
    json_int_t clock; /* counts uses */
} replay;

static replay *service_of(const lookup *item)
{
    return (replay *)(void *)item->all;
}

static json_t *source_of(replay *state, const json_t *from)
{
    const char *name = json_string_value(from);
    json_t *source = name != NULL ? json_object_get(state->sources, name) : NULL;
    if (source != NULL) {
        json_object_set_new(source, "used", json_integer(++state->clock));
    }
    return source;
}

static json_int_t member(const json_t *source, const char *name)
{
    return json_integer_value(json_object_get(source, name));
}

/* Let go of what was not used for longest, until those requests have room. */
static void make_room(replay *state, size_t requests)
{
    json_int_t total;
    const char *oldest;
    do {
        const char *from;
        json_t *source;
        total = (json_int_t)requests;
        oldest = NULL;
        json_object_foreach(state->sources, from, source)
        {
            total += member(source, "requests");
            if (oldest == NULL ||
                member(source, "used") < member(json_object_get(state->sources, oldest), "used")) {
                oldest = from;
            }
        }
        if (total > TOTAL_MAX && oldest != NULL) {
            json_object_del(state->sources, oldest);
        }
    } while (total > TOTAL_MAX && oldest != NULL);
}

static void count(json_t *source, const char *name)
{
    json_object_set_new(source, name, json_integer(member(source, name) + 1));
}

/* "GET http://…", and what it sent: on a line of its own. Fragments are not sent. */
static char *key_of(const char *method, const char *url, const char *sent)
{
    char *key = NULL;
    int url_len = (int)strcspn(url, "#");
    if (asprintf(&key, "%s %.*s%s%s", method, url_len, url, sent != NULL ? "\n" : "",
                 sent != NULL ? sent : "") < 0) {
        return NULL;
    }
    return key;
}

/* Beginning --------------------------------------------------------------------------------- */

static void add_under(json_t *by, const char *method, const char *url, const char *sent, json_t *id)
{
    char *key = key_of(method, url, sent);
    json_t *list = key != NULL ? json_object_get(by, key) : NULL;
    if (key != NULL && list == NULL) {
        list = json_array();
        json_object_set_new(by, key, list);
    }
    json_array_append(list, id);
    free(key);
}

static json_t *make_source(const char *from, const json_t *rows)
{
    size_t i;
    json_t *row;
    json_t *url = NULL;
    json_t *by = json_object();
    json_array_foreach(rows, i, row)
    {
        const char *method = json_string_value(json_object_get(row, "method"));
        json_t *its = json_object_get(row, "url");
        const char *type = json_string_value(json_object_get(row, "type"));
        const char *sent = json_string_value(json_object_get(row, "sent"));
        json_t *id = json_object_get(row, "id");
        if (method == NULL || !json_is_string(its)) {
            continue;
        }
        add_under(by, method, json_string_value(its), NULL, id);
        if (sent != NULL) {
            add_under(by, method, json_string_value(its), sent, id);
        }
        if (url == NULL && type != NULL && strcmp(type, "Document") == 0) {
            url = its;
        }
    }
    if (url == NULL) { /* a HAR without types */
        url = json_object_get(json_array_get(rows, 0), "url");
    }
    return json_pack("{s:s,s:O?,s:I,s:o,s:{},s:i,s:i,s:i,s:[]}", "from", from, "url", url,
                     "requests", (json_int_t)json_array_size(rows), "by", by, "at", "used", 0,
                     "answered", 0, "missed", 0, "misses");
}

static json_t *shown(const json_t *source)
{
    return json_pack(
        "{s:O,s:O,s:O,s:O,s:O,s:O}", "from", json_object_get(source, "from"), "url",
        json_object_get(source, "url"), "requests", json_object_get(source, "requests"), "answered",
        json_object_get(source, "answered"), "missed", json_object_get(source, "missed"), "misses",
        json_object_get(source, "misses"));
}

static void begun(troupe_actor *self, lookup *item, const json_t *rules)
{
    const json_t *from = json_object_get(item->params, "from");
    json_t *answer = shown(source_of(service_of(item), from));
    json_object_set(answer, "warnings", json_object_get(rules, "warnings"));
    lookup_reply(self, item, answer);
}

static void give_rule(troupe_actor *self, lookup *item)
{
    const json_t *miss = json_object_get(item->params, "miss");
    troupe_address fetch = troupe_whereis(troupe_self_system(self), NAME_FETCH);
    if (fetch == 0) {
        lookup_fault(self, item, TROUPE_EUNAVAILABLE, "the actor of fetch rules is not there");
        return;
    }
    lookup_call(self, item, fetch, "fetch",
                json_pack("{s:O,s:{s:O,s:s}}", "target", json_object_get(item->params, "target"),
                          "replay", "from", json_object_get(item->params, "from"), "miss",
                          miss != NULL ? json_string_value(miss) : "fail"),
                begun);
}

static void ask_source(troupe_actor *self, lookup *item);

/* item->entry: the rows so far. An answer may not be all: it has a bound in bytes too. */
static void read_source(troupe_actor *self, lookup *item, const json_t *answer)
{
    const char *from = json_string_value(json_object_get(item->params, "from"));
    bool more = json_is_true(json_object_get(answer, "truncated"));
    json_array_extend(item->entry, json_object_get(answer, "rows"));
    size_t count = json_array_size(item->entry);
    if (count == 0) {
        lookup_fault(self, item, TROUPE_ENOTFOUND, "no requests of %.100s are recorded", from);
    } else if (count > REQUESTS_MAX) {
        lookup_fault(self, item, TROUPE_ELIMIT, "%.100s made more than %d requests", from,
                     REQUESTS_MAX);
    } else if (more) {
        ask_source(self, item);
    } else {
        json_object_del(service_of(item)->sources, from);
        make_room(service_of(item), count);
        json_object_set_new(service_of(item)->sources, from, make_source(from, item->entry));
        give_rule(self, item);
    }
}

static void ask_source(troupe_actor *self, lookup *item)
{
    const json_t *from = json_object_get(item->params, "from");
    size_t count = json_array_size(item->entry);
    const json_t *last = count > 0 ? json_array_get(item->entry, count - 1) : NULL;
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT id, method, url, type, CASE WHEN length(post_data)<" SENT_MAX
                         " THEN CAST(post_data AS TEXT) END AS sent FROM request"
                         " WHERE id>? AND protocol='http' AND state IN ('complete','failed')"
                         " AND (target=? OR uid=(SELECT uid FROM browser WHERE browser=? OR uid=?"
                         " ORDER BY first_us DESC LIMIT 1)) ORDER BY id");
    lookup_sql_integer(&sql, json_integer_value(json_object_get(last, "id")));
    for (int i = 0; i < 3; i++) {
        lookup_sql_text(&sql, json_string_value(from), json_string_length(from));
    }
    lookup_query(self, item, &sql, PIECE_ROWS, read_source);
}

static void run_replay(troupe_actor *self, lookup *item)
{
    static const char *const misses[] = {"fail", "pass", NULL};
    const char *from = NULL;
    const char *miss = NULL;
    if (!lookup_param_string(self, item, "from", &from) ||
        !lookup_param_word(self, item, "miss", misses, &miss)) {
        return;
    }
    item->entry = json_array();
    ask_source(self, item);
}

static void run_list(troupe_actor *self, lookup *item)
{
    json_t *list = json_array();
    const char *from;
    json_t *source;
    json_object_foreach(service_of(item)->sources, from, source)
    {
        json_array_append_new(list, shown(source));
    }
    lookup_reply(self, item, json_pack("{s:o}", "replays", list));
}

/* Answering --------------------------------------------------------------------------------- */

/* The row of the next answer to that key, for that page; NULL: it was never asked for. */
static json_t *next_row(json_t *source, const char *target, char *key)
{
    json_t *rows = key != NULL ? json_object_get(json_object_get(source, "by"), key) : NULL;
    json_t *at = json_object_get(source, "at");
    json_t *own = json_object_get(at, target);
    json_t *row = NULL;
    if (rows != NULL) {
        if (own == NULL) {
            own = json_object();
            json_object_set_new(at, target, own);
        }
        size_t n = (size_t)json_integer_value(json_object_get(own, key));
        size_t last = json_array_size(rows) - 1;
        row = json_array_get(rows, n < last ? n : last);
        json_object_set_new(own, key, json_integer((json_int_t)n + 1));
    }
    free(key);
    return row;
}

static json_t *find_row(json_t *source, const json_t *asked)
{
    const char *method = json_string_value(json_object_get(asked, "method"));
    const char *url = json_string_value(json_object_get(asked, "url"));
    const char *target = json_string_value(json_object_get(asked, "target"));
    const char *sent = json_string_value(json_object_get(asked, "post_data"));
    json_t *row = NULL;
    if (method == NULL || url == NULL || target == NULL) {
        return NULL;
    }
    if (sent != NULL) {
        row = next_row(source, target, key_of(method, url, sent));
    }
    return row != NULL ? row : next_row(source, target, key_of(method, url, NULL));
}

static void note_miss(json_t *source, const json_t *asked)
{
    json_t *misses = json_object_get(source, "misses");
    count(source, "missed");
    if (json_array_size(misses) < MISSES_MAX) {
        json_array_append_new(misses, json_pack("{s:O?,s:O?,s:O?}", "method",
                                                json_object_get(asked, "method"), "url",
                                                json_object_get(asked, "url"), "target",
                                                json_object_get(asked, "target")));
    }
}

static void found(troupe_actor *self, lookup *item, const json_t *answer)
{
    const json_t *row = json_array_get(json_object_get(answer, "rows"), 0);
    json_t *source = source_of(service_of(item), json_object_get(item->params, "from"));
    json_t *made = row != NULL ? replay_answer(row) : NULL;
    if (made == NULL) { /* retention has removed it */
        note_miss(source, item->params);
        made = json_object();
    } else {
        count(source, "answered");
    }
    lookup_reply(self, item, made);
}

static void run_answer(troupe_actor *self, lookup *item)
{
    json_t *source = source_of(service_of(item), json_object_get(item->params, "from"));
    json_t *id = source != NULL ? find_row(source, item->params) : NULL;
    if (id == NULL) {
        if (source != NULL) {
            note_miss(source, item->params);
        }
        lookup_reply(self, item, json_object());
        return;
    }
    lookup_sql sql = {0};
    lookup_sql_add(&sql, REPLAY_ANSWER_SQL);
    lookup_sql_integer(&sql, json_integer_value(id));
    lookup_query_within(self, item, &sql, 1, BODY_BYTES, found);
}

/* The actor --------------------------------------------------------------------------------- */

static const lookup_method methods[] = {
    {"replay", run_replay},
    {"replay.list", run_list},
    {VERB_REPLAY_ANSWER, run_answer},
};

static troupe_error replay_receive(troupe_actor *self, void *context,
                                   const troupe_envelope *envelope)
{
    replay *state = context;
    if (envelope->kind == TROUPE_CALL &&
        !lookup_run(&state->calls, self, envelope, methods, sizeof methods / sizeof *methods)) {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void replay_stop(troupe_actor *self, void *context, troupe_error reason)
{
    replay *state = context;
    (void)self;
    (void)reason;
    lookups_fini(&state->calls);
    json_decref(state->sources);
    free(state);
}

static const troupe_behaviour replay_behaviour = {
    .kind = "replay", .receive = replay_receive, .stop = replay_stop};

troupe_error replay_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    replay *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    state->sources = json_object();
    *out =
        (troupe_spawn_options){.behaviour = &replay_behaviour, .state = state, .name = NAME_REPLAY};
    return TROUPE_OK;
}
