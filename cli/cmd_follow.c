/* SPDX-License-Identifier: MIT */
/* Commands that show what happens while it happens: `follow`, and `run` while its file runs. */
#include "live.h"
#include "printer.h"
#include "term.h"

#include <stdlib.h>
#include <string.h>

/* follow ------------------------------------------------------------------------------------ */

typedef struct following {
    uint32_t left; /* events still to be shown; 0 = no limit */
} following;

static void print_event(const cli *self, const char *topic, const json_t *data)
{
    if (self->json) {
        json_t *line = json_pack("{s:s, s:O}", "topic", topic, "data", data);
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        fputc('\n', stdout);
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
        while (*text != '\0') {
            size_t len = strcspn(text, ",");
            if (len > 0) {
                json_array_append_new(list, json_stringn(text, len));
            }
            text += len + (text[len] == ',');
        }
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
