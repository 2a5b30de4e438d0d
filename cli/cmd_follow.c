/* SPDX-License-Identifier: MIT */
/* Commands that show what happens while it happens: `follow`, and `run` while its file runs. */
#include "live.h"
#include "printer.h"
#include "rows.h"
#include "term.h"
#include "view.h"

#include "actors/glob.h"
#include "actors/json_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* follow ------------------------------------------------------------------------------------ */

typedef struct following {
    uint32_t left; /* events still to be shown; 0 = no limit */
} following;

static void print_line(const json_t *value)
{
    char *text = json_write(value, JSON_COMPACT);
    (void)puts(text != NULL ? text : "null");
    free(text);
}

static void print_event(const cli *self, const char *topic, const json_t *data)
{
    if (self->json) {
        json_t *line = json_pack("{s:s, s:O}", "topic", topic, "data", data);
        print_line(line);
        json_decref(line);
        return;
    }
    char clock[32];
    printer_clock(clock, sizeof clock);
    char *text = printer_line(topic, data, clock, term_width(stdout), term_colours(stdout));
    if (text != NULL) {
        printf("%s\n", text);
    }
    free(text);
}

static void on_event(live *self, const char *topic, const json_t *data)
{
    following *state = self->context;
    print_event(self->cli, topic, data);
    bool over = state->left > 0 && --state->left == 0;
    if (fflush(stdout) != 0 || over) { /* or nobody reads any more */
        live_end(self, CLI_OK);
    }
}

static void on_subscribed(live *self, const json_t *result, const json_t *error)
{
    (void)result;
    if (error != NULL) {
        live_end(self, live_fault("events.subscribe", error));
    } else {
        cli_notice(self->cli, "following %s; Ctrl-C ends", self->cli->client.url);
    }
}

/* "a,b" as a list, and each further option of that name behind it. */
static json_t *list_of(const cli *self, const char *option)
{
    json_t *list = json_array();
    for (size_t i = 0; i < self->args.given_count; i++) {
        const char *text = self->args.given[i].value;
        if (strcmp(self->args.given[i].option->name, option) != 0) {
            continue;
        }
        list_add(list, text);
    }
    return list;
}

static void begin_follow(live *self)
{
    json_t *topics = list_of(self->cli, "topics");
    json_t *methods = list_of(self->cli, "methods");
    json_t *targets = list_of(self->cli, "target");
    json_t *params = json_object();
    if (json_array_size(methods) > 0) {
        json_object_set(params, "methods", methods);
    }
    if (json_array_size(targets) > 0) {
        json_object_set(params, "targets", targets);
    }
    if (json_array_size(topics) == 0 && json_array_size(methods) == 0) {
        json_array_append_new(topics, json_string("network"));
        json_array_append_new(topics, json_string("console"));
        json_array_append_new(topics, json_string("target"));
        json_array_append_new(topics, json_string("browser"));
    }
    if (json_array_size(topics) > 0) {
        json_object_set(params, "topics", topics);
    }
    json_decref(topics);
    json_decref(methods);
    json_decref(targets);
    live_call(self, "events.subscribe", params, on_subscribed);
}

int run_follow(cli *self)
{
    following state = {.left = args_uint(&self->args, "count", 0)};
    live connection = {.cli = self, .on_event = on_event, .context = &state};
    return live_run(&connection, begin_follow, args_uint(&self->args, "for", 0));
}

/* network --follow, console --follow ------------------------------------------------------------
 */

/* What follows of a list: rows as they come, of which these are wanted. */
typedef struct following_rows {
    const char *topic;
    const json_t *wanted; /* params of the list's method */
} following_rows;

static bool same_word(const json_t *wanted, const char *name, const json_t *row, const char *key)
{
    const char *word = json_string_value(json_object_get(wanted, name));
    const char *its = json_string_value(json_object_get(row, key));
    return word == NULL || (its != NULL && strcasecmp(word, its) == 0);
}

static bool is_wanted(const json_t *wanted, const json_t *row)
{
    const json_t *status = json_object_get(wanted, "status");
    const char *pattern = json_string_value(json_object_get(wanted, "url"));
    const char *url = json_string_value(json_object_get(row, "url"));
    return (status == NULL || json_equal(status, json_object_get(row, "status"))) &&
           (pattern == NULL || (url != NULL && glob_matches(pattern, url))) &&
           same_word(wanted, "method", row, "method") &&
           same_word(wanted, "resource_type", row, "type") &&
           same_word(wanted, "state", row, "state") && same_word(wanted, "level", row, "level");
}

/* The members that --fields names, one line. */
static void print_row_fields(const json_t *row)
{
    bool first = true;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)row, name, value)
    {
        char *text = json_is_null(value) ? NULL : view_dump(value);
        printf("%s%s", first ? "" : "  ", text != NULL ? text : "-");
        free(text);
        first = false;
    }
    fputc('\n', stdout);
}

static void print_row(const cli *self, const char *topic, const json_t *row, bool fields)
{
    if (self->json) {
        print_line(row);
    } else if (fields) {
        print_row_fields(row);
    } else {
        print_event(self, topic, row);
    }
}

static void on_row(live *self, const char *topic, const json_t *data)
{
    following_rows *state = self->context;
    const char *where = args_string(&self->cli->args, "where");
    const char *fields = args_string(&self->cli->args, "fields");
    troupe_reason reason = {{0}};
    if (strcmp(topic, state->topic) != 0 || !is_wanted(state->wanted, data)) {
        return;
    }
    json_t *rows = json_pack("[O]", data);
    troupe_error error = where != NULL ? rows_where(rows, where, &reason) : TROUPE_OK;
    if (error == TROUPE_OK && fields != NULL) {
        rows_fields(rows, fields);
    }
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text);
        live_end(self, CLI_USAGE);
    } else if (json_array_size(rows) > 0) {
        print_row(self->cli, topic, json_array_get(rows, 0), fields != NULL);
        if (fflush(stdout) != 0) { /* nobody reads any more */
            live_end(self, CLI_OK);
        }
    }
    json_decref(rows);
}

static void begin_rows(live *self)
{
    const following_rows *state = self->context;
    json_t *params = json_pack("{s:[s]}", "topics", state->topic);
    json_t *target = json_object_get(state->wanted, "target");
    if (target != NULL) {
        json_object_set_new(params, "targets", json_pack("[O]", target));
    }
    live_call(self, "events.subscribe", params, on_subscribed);
}

int follow_rows(cli *self, const char *topic, json_t *wanted)
{
    following_rows state = {.topic = topic, .wanted = wanted};
    live connection = {.cli = self, .on_event = on_row, .context = &state};
    int status = CLI_USAGE;
    self->chose = true;
    if (json_object_get(wanted, "text") != NULL || json_object_get(wanted, "search") != NULL ||
        self->csv) {
        cli_error("--follow shows what comes: --text, --search and --csv are for lists");
    } else {
        status = live_run(&connection, begin_rows, 0);
    }
    json_decref(wanted);
    return status;
}

/* run --------------------------------------------------------------------------------------- */

typedef struct running {
    char *code;
    char *target; /* NULL = not known yet */
    bool own;     /* a page of our own, to be closed */
    bool persist;
    json_t *result;  /* of the file; NULL: */
    json_t *failure; /* why there is none */
    int status;
} running;

/* As a program's own output: errors and warnings to standard error. */
static void on_console(live *self, const char *topic, const json_t *data)
{
    const char *level = json_string_value(json_object_get(data, "level"));
    const json_t *message = json_object_get(data, "message");
    (void)self;
    if (strcmp(topic, "console") != 0 || !json_is_string(message)) {
        return;
    }
    bool bad = level != NULL && (strcmp(level, "error") == 0 || strcmp(level, "warning") == 0 ||
                                 strcmp(level, "assert") == 0);
    FILE *out = bad ? stderr : stdout;
    fprintf(out, "%s\n", json_string_value(message));
    fflush(out);
}

static void on_closed(live *self, const json_t *result, const json_t *error)
{
    const running *state = self->context;
    (void)result;
    (void)error;
    live_end(self, state->status);
}

static void print_result(cli *self, const json_t *result)
{
    const char *type = json_string_value(json_object_get(result, "type"));
    if (self->json) {
        cli_print_json(result);
    } else if (type != NULL && strcmp(type, "undefined") != 0) {
        (void)cli_print_value(self, (json_t *)(uintptr_t)result);
    }
}

static void print_exception(const cli *self, const json_t *error)
{
    const json_t *data = json_object_get(error, "data");
    const json_t *line = json_object_get(data, "line");
    const char *text = json_string_value(json_object_get(data, "text"));
    if (text == NULL || !json_is_integer(line)) {
        (void)live_fault(self->command->name, error);
        return;
    }
    fprintf(stderr, "%s:%lld:%lld: %s\n", args_word(&self->args, 0),
            (long long)json_integer_value(line),
            (long long)json_integer_value(json_object_get(data, "column")), text);
}

/* Everything that was logged has come: it stands before this answer. */
static void on_drained(live *self, const json_t *result, const json_t *error)
{
    running *state = self->context;
    (void)result;
    (void)error;
    if (state->failure != NULL) {
        print_exception(self->cli, state->failure);
        state->status = CLI_FAILED;
    } else {
        print_result(self->cli, state->result);
    }
    fflush(stdout);
    if (state->own) {
        live_call(self, "close", json_pack("{s:s}", "target", state->target), on_closed);
    } else {
        live_end(self, state->status);
    }
}

static void on_ran(live *self, const json_t *result, const json_t *error)
{
    running *state = self->context;
    state->result = json_incref((json_t *)(uintptr_t)result);
    state->failure = json_incref((json_t *)(uintptr_t)error);
    live_call(self, "console", json_pack("{s:s, s:i}", "target", state->target, "limit", 1),
              on_drained);
}

static void on_listening(live *self, const json_t *result, const json_t *error)
{
    const running *state = self->context;
    (void)result;
    if (error != NULL) {
        live_end(self, live_fault("events.subscribe", error));
        return;
    }
    json_t *params = json_pack("{s:s, s:s, s:b, s:b}", "code", state->code, "target", state->target,
                               "await_promise", 1, "persist", (int)state->persist);
    uint32_t timeout_ms = args_uint(&self->cli->args, "timeout", 0);
    if (timeout_ms > 0) {
        json_object_set_new(params, "timeout_ms", json_integer(timeout_ms));
    }
    live_call(self, "js", params, on_ran);
}

static void listen(live *self)
{
    const running *state = self->context;
    live_call(self, "events.subscribe",
              json_pack("{s:[s], s:[s]}", "topics", "console", "targets", state->target),
              on_listening);
}

static void on_page(live *self, const json_t *result, const json_t *error)
{
    running *state = self->context;
    const char *target = json_string_value(json_object_get(result, "target"));
    if (target == NULL) {
        live_end(self, live_fault(state->own ? "open" : "page", error));
        return;
    }
    state->target = strdup(target);
    listen(self);
}

static void begin_run(live *self)
{
    running *state = self->context;
    const char *target = args_string(&self->cli->args, "target");
    const char *url = args_string(&self->cli->args, "open");
    state->own = target == NULL;
    if (state->own) {
        live_call(self, "open", json_pack("{s:s}", "url", url != NULL ? url : "about:blank"),
                  on_page);
    } else {
        live_call(self, "page", json_pack("{s:s}", "target", target), on_page);
    }
}

int run_run(cli *self)
{
    running state = {.persist = args_flag(&self->args, "persist")};
    live connection = {.cli = self, .on_event = on_console, .context = &state};
    state.code = cli_read_file(args_word(&self->args, 0));
    if (state.code == NULL) {
        return CLI_FAILED;
    }
    int status = live_run(&connection, begin_run, 0);
    json_decref(state.result);
    json_decref(state.failure);
    free(state.code);
    free(state.target);
    return status;
}
