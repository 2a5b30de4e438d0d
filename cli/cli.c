/* SPDX-License-Identifier: MIT */
/* From a command line to a command: dispatch, help, and what all commands share. */
#include "command.h"
#include "csv.h"
#include "rows.h"

#include "actors/json_call.h"
#include "autostart.h"
#include "suggest.h"
#include "term.h"
#include "troupe/version.h"
#include "view.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELP_WIDTH_MAX     100
#define FIELDS_MAX         32
#define FIELD_BYTES        128
#define DEFAULT_TIMEOUT_MS 60000

void cli_error(const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    char *clean = term_clean(text);
    fprintf(stderr, "troupe: %s\n", clean != NULL ? clean : text);
    free(clean);
}

void cli_notice(const cli *self, const char *format, ...)
{
    if (self->quiet) {
        return;
    }
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    cli_error("%s", text);
}

/* Help -------------------------------------------------------------------------------------------
 */

static size_t help_width(FILE *out)
{
    size_t width = term_width(out);
    return width == 0 || width > HELP_WIDTH_MAX ? HELP_WIDTH_MAX : width;
}

static void print_overview(FILE *out)
{
    static const char *const titles[GROUP_COUNT] = {"host", "browsers", "pages", "see", "act"};
    fprintf(out,
            "usage: troupe COMMAND [OPTIONS] [ARGUMENTS]\n\n"
            "Drives and records many browsers at once. `troupe COMMAND --help` explains one.\n");
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        fprintf(out, "\n%s\n", titles[group]);
        for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
            if (row->group == (command_group)group) {
                fprintf(out, "  %-16s%s\n", row->name, row->doc);
            }
        }
    }
    fprintf(out, "\nFirst steps: troupe serve --demo --launch 1 --follow\n"
                 "Exit status: 0 ok, 1 failed, 2 usage, 3 no host.\n");
}

/* The options of all commands; those that are settings too are explained there. */
static void print_common(FILE *out, const cli_command *command, size_t width)
{
    arg_option options[16];
    arg_set shown = *command_common_set();
    size_t count = 0;
    for (size_t i = 0; i < shown.count && count < 16; i++) {
        if (!command->takes_settings || !args_set_has(config_arg_set(), shown.options[i].name)) {
            options[count++] = shown.options[i];
        }
    }
    shown.options = options;
    shown.count = count;
    args_print_set(out, &shown, width);
}

static void print_help(FILE *out, const cli_command *command)
{
    size_t width = help_width(out);
    fprintf(out, "usage: troupe %s [OPTIONS]%s%s\n\n%s\n\n%s\n\n", command->name,
            *command->words != '\0' ? " " : "", command->words, command->doc, command->help);
    if (command->option_count > 0) {
        arg_set own = {"Options", command->options, command->option_count};
        args_print_set(out, &own, width);
        fputc('\n', out);
    }
    if (command->takes_settings) {
        args_print_set(out, config_arg_set(), width);
        fputc('\n', out);
    }
    print_common(out, command, width);
}

/* Finding the command ----------------------------------------------------------------------------
 */

static const cli_command *find_command(const char *name)
{
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static bool is_family(const char *word)
{
    size_t len = strlen(word);
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        if (strncmp(row->name, word, len) == 0 && row->name[len] == ' ') {
            return true;
        }
    }
    return false;
}

static int unknown_command(const char *name)
{
    suggest state;
    suggest_start(&state, name);
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        suggest_offer(&state, row->name);
    }
    const char *nearest = suggest_result(&state);
    if (nearest != NULL) {
        cli_error("unknown command '%s'; did you mean '%s'?", name, nearest);
    } else {
        cli_error("unknown command '%s'; `troupe help` lists all", name);
    }
    return CLI_USAGE;
}

/* The command whose name the words at *index begin with; moves *index behind it. NULL after
 * printing what was wrong. A family alone ("ports") means its list. */
static const cli_command *take_command(int argc, char **argv, int *index)
{
    char name[64];
    const char *word = argv[*index];
    const char *second = *index + 1 < argc && argv[*index + 1][0] != '-' ? argv[*index + 1] : NULL;
    snprintf(name, sizeof name, "%s %s", word, second != NULL ? second : "list");
    const cli_command *found = find_command(name);
    if (found != NULL && (second != NULL || find_command(word) == NULL)) {
        *index += second != NULL ? 2 : 1;
        return found;
    }
    found = find_command(word);
    if (found == NULL) {
        (void)unknown_command(is_family(word) ? name : word);
        return NULL;
    }
    *index += 1;
    return found;
}

/* Running ----------------------------------------------------------------------------------------
 */

static int usage_error(const cli_command *command, const char *text)
{
    cli_error("%s%s%s", command != NULL ? command->name : "", command != NULL ? ": " : "", text);
    return CLI_USAGE;
}

static int check_words(const cli *self)
{
    const cli_command *command = self->command;
    char text[256];
    if (self->args.word_count < command->words_min) {
        snprintf(text, sizeof text, "%.*s is missing (usage: troupe %s %s)",
                 (int)strcspn(command->words, " "), command->words, command->name, command->words);
        return usage_error(command, text);
    }
    if (self->args.word_count > command->words_max) {
        snprintf(text, sizeof text, "unexpected argument '%s'",
                 self->args.words[command->words_max]);
        return usage_error(command, text);
    }
    return CLI_OK;
}

static int load_settings(cli *self)
{
    troupe_reason reason = {""};
    troupe_error error = config_load(&self->config, &self->args, &reason);
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
        return CLI_USAGE;
    }
    for (size_t i = 0; i < self->config.warning_count; i++) {
        cli_notice(self, "warning: %s", self->config.warnings[i]);
    }
    return CLI_OK;
}

/* --output: standard output goes to a new file beside it. Its path, freed by settle_output. */
static char *divert(const char *path)
{
    char *made = NULL;
    if (asprintf(&made, "%s.XXXXXX", path) < 0) {
        cli_error("out of memory");
        return NULL;
    }
    int fd = mkostemp(made, O_CLOEXEC);
    mode_t mask = umask(0);
    (void)umask(mask);
    if (fd < 0 || fchmod(fd, 0666 & ~mask) != 0 || dup2(fd, STDOUT_FILENO) < 0) {
        cli_error("%s: %s", path, strerror(errno));
        if (fd >= 0) {
            (void)unlink(made);
            close(fd);
        }
        free(made);
        return NULL;
    }
    close(fd);
    return made;
}

/* It is whole: it takes the file's place. If not, nothing was written. */
static int settle_output(const char *path, char *made, int status)
{
    if (status == CLI_OK && rename(made, path) != 0) {
        cli_error("%s: %s", path, strerror(errno));
        status = CLI_FAILED;
    }
    if (status != CLI_OK) {
        (void)unlink(made);
    }
    free(made);
    return status;
}

static bool is_choosing(const cli *self)
{
    return args_string_in(&self->args, command_common_set(), "where") != NULL ||
           args_string_in(&self->args, command_common_set(), "fields") != NULL || self->csv;
}

static int run_command(cli *self)
{
    self->json = args_flag(&self->args, "json");
    self->csv = args_flag(&self->args, "csv");
    self->quiet = args_flag(&self->args, "quiet");
    int status = check_words(self);
    if (status == CLI_OK && self->json && self->csv) {
        cli_error("--json or --csv, not both");
        status = CLI_USAGE;
    }
    if (status == CLI_OK) {
        status = load_settings(self);
    }
    char *made = NULL; /* where standard output goes until it is whole */
    const char *output = args_string_in(&self->args, command_common_set(), "output");
    if (status == CLI_OK && output != NULL && strcmp(output, "-") != 0) {
        made = divert(output);
        status = made != NULL ? CLI_OK : CLI_FAILED;
    }
    if (status == CLI_OK) {
        status = self->command->run(self);
    }
    if (status == CLI_OK && is_choosing(self) && !self->chose) {
        cli_error("%s shows no list: --where, --fields and --csv are for lists",
                  self->command->name);
        status = CLI_USAGE;
    }
    config_fini(&self->config);
    rpc_client_fini(&self->client);
    if (fflush(stdout) != 0 && status == CLI_OK) {
        status = CLI_FAILED;
    }
    return made != NULL ? settle_output(output, made, status) : status;
}

static int parse_and_run(cli *self, int argc, char **argv, int index)
{
    const cli_command *command = self->command;
    troupe_reason reason = {""};
    /* A command's own options come first: its --url beats the one of the host. */
    arg_set sets[3] = {
        {"Options", command->options, command->option_count}, *command_common_set(), {"", NULL, 0}};
    if (command->takes_settings || command->starts_host) {
        sets[2] = *config_arg_set();
    }
    self->args.own = sets[0];
    if (args_parse(&self->args, sets, 3, argc, argv, &index, false, &reason) != TROUPE_OK) {
        return usage_error(command, reason.text);
    }
    if (args_flag(&self->args, "help")) {
        print_help(stdout, command);
        return CLI_OK;
    }
    return run_command(self);
}

/* What stands without a command: help, --version, options only. */
static int run_bare(const cli *self, int argc)
{
    const char *reference = args_string(&self->args, "print-reference");
    if (reference != NULL) {
        reference_print(stdout, reference);
    } else if (args_flag(&self->args, "version")) {
        printf("troupe %s\n", troupe_version());
    } else if (argc <= 1 || args_flag(&self->args, "help")) {
        print_overview(stdout);
    } else {
        return usage_error(NULL, "no command; `troupe help` lists all");
    }
    return CLI_OK;
}

static int run_help(int argc, char **argv, int index)
{
    if (index >= argc) {
        print_overview(stdout);
        return CLI_OK;
    }
    const cli_command *found = take_command(argc, argv, &index);
    if (found == NULL) {
        return CLI_USAGE;
    }
    print_help(stdout, found);
    return CLI_OK;
}

static int dispatch(cli *self, int argc, char **argv)
{
    static const arg_option bare[] = {
        {"version", 'V', ARG_FLAG, NULL, "print the version"},
        {"print-reference", 0, ARG_STRING, "WHAT", NULL},
    };
    arg_set sets[] = {*command_common_set(), {"", bare, sizeof bare / sizeof bare[0]}};
    troupe_reason reason = {""};
    int index = 1;
    if (args_parse(&self->args, sets, 2, argc, argv, &index, true, &reason) != TROUPE_OK) {
        return usage_error(NULL, reason.text);
    }
    if (index >= argc || args_flag(&self->args, "version")) {
        return run_bare(self, argc);
    }
    if (strcmp(argv[index], "help") == 0) {
        return run_help(argc, argv, index + 1);
    }
    self->command = take_command(argc, argv, &index);
    return self->command != NULL ? parse_and_run(self, argc, argv, index) : CLI_USAGE;
}

int cli_main(int argc, char **argv)
{
    term_init();
    (void)signal(SIGPIPE, SIG_IGN);
    cli self = {0};
    if (args_init(&self.args, argc) != TROUPE_OK) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    int status = dispatch(&self, argc, argv);
    args_fini(&self.args);
    return status;
}

/* Calls ------------------------------------------------------------------------------------------
 */

static troupe_error connect_local(cli *self, troupe_reason *reason)
{
    const troupe_host_options *options = &self->config.settings.host;
    troupe_error error =
        rpc_client_local(&self->client, options->state_dir, options->name, options->token, reason);
    if (error != TROUPE_ENOTFOUND || !self->command->starts_host) {
        return error;
    }
    cli_notice(self, "starting a host in the background (`troupe stop` ends it)");
    error = autostart(&self->config, &self->args, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    return rpc_client_local(&self->client, options->state_dir, options->name, options->token,
                            reason);
}

/* No browser, nobody connected: nothing is lost if it is started anew. */
static bool is_idle(cli *self)
{
    json_t *status = NULL;
    json_t *clients = NULL;
    rpc_failure failure = {0};
    bool idle =
        rpc_call(&self->client, "status", json_object(), &status, &failure) == TROUPE_OK &&
        rpc_call(&self->client, "clients.list", json_object(), &clients, &failure) == TROUPE_OK &&
        json_array_size(json_object_get(status, "browsers")) == 0 &&
        json_array_size(json_object_get(clients, "clients")) == 0;
    rpc_failure_fini(&failure);
    json_decref(status);
    json_decref(clients);
    return idle;
}

/* A host that was started by a command and has nothing to do, by an older version: end it and start
 * one of this version. False: it stays. */
static bool renew_host(cli *self)
{
    const troupe_host_options *options = &self->config.settings.host;
    host_state before = self->client.state;
    uint32_t timeout_ms = self->client.timeout_ms;
    json_t *result = NULL;
    rpc_failure failure = {0};
    troupe_reason reason = {""};
    if (!before.automatic || !is_idle(self)) {
        return false;
    }
    cli_notice(self, "the host is of an older version (%s) and idle: starting one of version %s",
               before.version, troupe_version());
    bool ended = rpc_call(&self->client, "stop", json_object(), &result, &failure) == TROUPE_OK &&
                 cli_await_end(before.pid, 0);
    rpc_failure_fini(&failure);
    json_decref(result);
    if (!ended) {
        return false;
    }
    rpc_client_fini(&self->client);
    troupe_error error = autostart(&self->config, &self->args, &reason);
    if (error == TROUPE_OK) {
        error = rpc_client_local(&self->client, options->state_dir, options->name, options->token,
                                 &reason);
    }
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
    }
    self->client.timeout_ms = timeout_ms;
    return error == TROUPE_OK;
}

static void compare_versions(cli *self)
{
    const char *theirs = self->client.state.version;
    int order = theirs[0] != '\0' ? troupe_version_compare(troupe_version(), theirs) : 0;
    if (order > 0 && self->command->run != run_stop && renew_host(self)) {
        return;
    }
    if (order > 0) {
        cli_notice(self, "warning: the host is older (%s) than this command (%s): restart it",
                   theirs, troupe_version());
    } else if (order < 0) {
        cli_notice(self, "warning: this command is older (%s) than the host (%s): upgrade it",
                   troupe_version(), theirs);
    }
}

int cli_connect(cli *self)
{
    if (self->connected) {
        return CLI_OK;
    }
    const char *url = args_string_in(&self->args, command_common_set(), "url");
    if (url == NULL) {
        url = getenv("TROUPE_URL");
    }
    troupe_reason reason = {""};
    troupe_error error;
    if (url != NULL && *url != '\0') {
        const char *ca_file = args_string_in(&self->args, command_common_set(), "host-ca-file");
        error = rpc_client_at(&self->client, url, self->config.settings.host.token, &reason);
        self->client.ca_file = ca_file != NULL ? ca_file : getenv("TROUPE_HOST_CA_FILE");
    } else {
        error = connect_local(self, &reason);
    }
    if (error == TROUPE_ENOTFOUND || error == TROUPE_EUNAVAILABLE) {
        cli_error("%s; `troupe serve` starts a host", reason.text);
        return CLI_NO_HOST;
    }
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
        return error == TROUPE_EPARAMS ? CLI_USAGE : CLI_FAILED;
    }
    uint32_t timeout_ms = args_uint(&self->args, "timeout", DEFAULT_TIMEOUT_MS);
    /* The host keeps the deadline; the connection waits a little longer for its answer. */
    self->client.timeout_ms = timeout_ms > UINT32_MAX - 5000 ? UINT32_MAX : timeout_ms + 5000;
    self->connected = true;
    compare_versions(self);
    return CLI_OK;
}

static void print_failure_json(const rpc_failure *failure)
{
    json_t *value =
        json_pack("{s:{s:s, s:s?, s:O*}}", "error", "name",
                  failure->name != NULL ? failure->name : troupe_error_name(failure->error),
                  "message", failure->message, "data", failure->data);
    cli_print_json(value);
    json_decref(value);
}

/* " at 3:14", from the data of a JavaScript exception. */
static void place_text(const json_t *data, char *out, size_t size)
{
    const json_t *line = json_object_get(data, "line");
    const json_t *column = json_object_get(data, "column");
    out[0] = '\0';
    if (json_is_integer(line) && json_is_integer(column)) {
        snprintf(out, size, " at %lld:%lld", (long long)json_integer_value(line),
                 (long long)json_integer_value(column));
    }
}

static int report_failure(const cli *self, const char *method, const rpc_failure *failure)
{
    char place[64];
    place_text(failure->data, place, sizeof place);
    const char *message = failure->message != NULL ? failure->message : "";
    const char *name = failure->name != NULL ? failure->name : troupe_error_name(failure->error);
    cli_error("%s: %s%s (%s)", method, message, place, name);
    if (self->json) {
        print_failure_json(failure);
    }
    return failure->name == NULL && failure->error == TROUPE_EUNAVAILABLE ? CLI_NO_HOST
                                                                          : CLI_FAILED;
}

int cli_call(cli *self, const char *method, json_t *params, json_t **result)
{
    int status = cli_connect(self);
    if (status != CLI_OK) {
        json_decref(params);
        return status;
    }
    if (args_string(&self->args, "timeout") != NULL) {
        param_uint(params, "timeout_ms", self, "timeout");
    }
    rpc_failure failure;
    if (rpc_call(&self->client, method, params, result, &failure) == TROUPE_OK) {
        return CLI_OK;
    }
    status = report_failure(self, method, &failure);
    rpc_failure_fini(&failure);
    return status;
}

/* One line each: a target that could not be asked must not go unnoticed. */
static void print_warnings(const cli *self, const json_t *result)
{
    size_t index;
    json_t *warning;
    json_array_foreach(json_object_get(result, "warnings"), index, warning)
    {
        const char *text = json_string_value(warning);
        char *dumped = text == NULL ? json_dumps(warning, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        cli_notice(self, "warning: %s", text != NULL ? text : dumped != NULL ? dumped : "?");
        free(dumped);
    }
}

int cli_show(cli *self, const char *method, json_t *params, int (*print)(cli *, json_t *))
{
    return cli_show_checked(self, method, params, print, NULL);
}

/* For the shell that runs this command: the result, in the file it names. */
static void keep_result(const json_t *result)
{
    const char *path = getenv("TROUPE_SHELL_RESULT");
    if (path != NULL && access(path, W_OK) == 0) {
        (void)json_dump_file(result, path, JSON_COMPACT | JSON_ENCODE_ANY);
    }
}

static int print_fields(const json_t *rows, const char *fields)
{
    view_column columns[FIELDS_MAX];
    char names[FIELDS_MAX][FIELD_BYTES];
    size_t count = 0;
    while (*fields != '\0' && count < FIELDS_MAX) {
        size_t len = strcspn(fields, ",");
        snprintf(names[count], FIELD_BYTES, "%.*s", (int)len, fields);
        columns[count] = (view_column){names[count], names[count], VIEW_LONG};
        count += len > 0;
        fields += len + (fields[len] == ',');
    }
    view_options options = {0};
    view_rows(rows, columns, count, options);
    return CLI_OK;
}

/* --where, --fields and --csv, of results that are lists. printed: one of them has shown it. */
static int choose(cli *self, json_t *result, bool *printed)
{
    const char *where = args_string_in(&self->args, command_common_set(), "where");
    const char *fields = args_string_in(&self->args, command_common_set(), "fields");
    const char *name = NULL;
    if (!is_choosing(self)) {
        return CLI_OK;
    }
    self->chose = true;
    bool is_table = json_is_array(json_object_get(result, "columns"));
    if (is_table && where == NULL && fields == NULL) {
        return CLI_OK; /* of SQL: it prints itself */
    }
    json_t *rows = rows_of(result, &name);
    troupe_reason reason = {""};
    if (rows == NULL) {
        cli_error("%s: what it shows is no list: --where, --fields and --csv are for lists",
                  self->command->name);
        return CLI_USAGE;
    }
    troupe_error error = where != NULL ? rows_where(rows, where, &reason) : TROUPE_OK;
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
        return CLI_USAGE;
    }
    if (fields != NULL) {
        rows_fields(rows, fields);
    }
    if (self->csv) {
        csv_rows(rows);
        *printed = true;
    } else if (fields != NULL && !self->json) {
        *printed = true;
        return print_fields(rows, fields);
    }
    return CLI_OK;
}

/* --target a,b means both; no id has a comma. */
static void split_targets(json_t *params)
{
    const char *text = json_string_value(json_object_get(params, "target"));
    if (text != NULL && strchr(text, ',') != NULL) {
        json_t *list = json_array();
        list_add(list, text);
        json_object_set_new(params, "target", list);
    }
}

int cli_show_checked(cli *self, const char *method, json_t *params, int (*print)(cli *, json_t *),
                     int (*check)(const json_t *result))
{
    json_t *result;
    split_targets(params);
    int status = cli_call(self, method, params, &result);
    return status == CLI_OK ? cli_present(self, result, print, check) : status;
}

/* What several targets answered: {results: [{target, result | error}]}. */
static int print_results(const cli *self, const json_t *results)
{
    static const view_column columns[] = {{"TARGET", "target", VIEW_TEXT},
                                          {"RESULT", "result", VIEW_LONG}};
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)results, i, one)
    {
        const char *why =
            json_string_value(json_object_get(json_object_get(one, "error"), "message"));
        if (why != NULL) {
            json_object_set_new(one, "result", json_sprintf("failed: %s", why));
        }
    }
    view_options options = {.ids_only = self->quiet};
    view_rows(results, columns, 2, options);
    return CLI_OK;
}

static bool one_failed(const json_t *results)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)results, i, one)
    {
        if (json_object_get(one, "error") != NULL) {
            return true;
        }
    }
    return false;
}

int cli_present(cli *self, json_t *result, int (*print)(cli *, json_t *),
                int (*check)(const json_t *result))
{
    keep_result(result);
    if (self->rows != NULL && (!self->json || is_choosing(self))) {
        json_t *rows = self->rows(result);
        json_decref(result);
        result = json_pack("{s:o}", "rows", rows);
    }
    bool printed = false;
    const json_t *results = json_object_get(result, "results"); /* several targets were asked */
    int status = choose(self, result, &printed);
    if (status == CLI_OK && self->json) {
        cli_print_json(result);
    } else if (status == CLI_OK) {
        print_warnings(self, result);
        status = printed || (print == NULL && results == NULL) ? CLI_OK
                 : results != NULL                             ? print_results(self, results)
                                                               : print(self, result);
    }
    if (status == CLI_OK && results != NULL) {
        status = one_failed(results) ? CLI_FAILED : CLI_OK;
    } else if (status == CLI_OK && check != NULL) {
        status = check(result);
    }
    json_decref(result);
    return status;
}

void cli_print_json(const json_t *value)
{
    size_t flags = isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT;
    char *text = json_write(value, flags | JSON_ENCODE_ANY);
    (void)puts(text != NULL ? text : "null");
    free(text);
}

void cli_print_text(const char *text, size_t len)
{
    bool guarded = isatty(STDOUT_FILENO);
    for (size_t i = 0; i < len; i++) {
        bool steers = iscntrl((unsigned char)text[i]) && text[i] != '\n' && text[i] != '\t';
        fputc(guarded && steers ? '?' : text[i], stdout);
    }
}

void param_string(json_t *params, const char *key, const char *value)
{
    if (value != NULL) {
        /* Not checked here: what is not UTF-8 is refused as a whole when it is written. */
        json_object_set_new_nocheck(params, key, json_string_nocheck(value));
    }
}

void param_uint(json_t *params, const char *key, const cli *self, const char *option)
{
    if (args_string(&self->args, option) != NULL) {
        json_object_set_new(params, key, json_integer(args_uint(&self->args, option, 0)));
    }
}

void param_flag(json_t *params, const char *key, const cli *self, const char *option)
{
    if (args_string(&self->args, option) != NULL) {
        json_object_set_new(params, key, json_boolean(args_flag(&self->args, option)));
    }
}

void list_add(json_t *list, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        if (len > 0) {
            json_array_append_new(list, json_stringn(text, len));
        }
        text += len + (text[len] == ',');
    }
}

static json_t *words_from(const cli *self, size_t first)
{
    json_t *list = json_array();
    for (size_t i = first; i < self->args.word_count; i++) {
        json_array_append_new(list, json_string_nocheck(self->args.words[i]));
    }
    return list;
}

json_t *word_list(const cli *self)
{
    return words_from(self, 0);
}

void param_words(json_t *params, const char *key, const cli *self, size_t first)
{
    size_t count = self->args.word_count;
    if (count == first + 1) {
        param_string(params, key, self->args.words[first]);
    } else if (count > first) {
        json_object_set_new(params, key, words_from(self, first));
    }
}
