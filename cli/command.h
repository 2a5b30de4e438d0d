/* SPDX-License-Identifier: MIT */
/**
 * The commands: one table says what each is called, takes, explains and runs.
 */
#ifndef TROUPE_CLI_COMMAND_H
#define TROUPE_CLI_COMMAND_H

#include "args.h"
#include "client.h"
#include "config.h"

#include <stdio.h>

enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NO_HOST = 3,
};

typedef struct cli cli;

typedef enum command_group {
    GROUP_HOST,
    GROUP_BROWSERS,
    GROUP_PAGES,
    GROUP_SEE,
    GROUP_ACT,
    GROUP_COUNT,
} command_group;

typedef struct cli_command {
    const char *name; /* one word, or two: "ports add" */
    command_group group;
    const char *words; /* in the usage: "URL…"; "" = none */
    size_t words_min;
    size_t words_max;
    const char *doc;  /* one line */
    const char *help; /* what it does, more exactly; ends with the examples */
    const arg_option *options;
    size_t option_count;
    bool starts_host;    /* starts a local host when none runs */
    bool takes_settings; /* every key of the configuration is an option */
    int (*run)(cli *self);
} cli_command;

/** The command after that one, NULL = the first; NULL after the last. Sorted by group. */
const cli_command *command_next(const cli_command *row);

/** Options that every command has. */
const arg_set *command_common_set(void);

/** What a running command knows. */
struct cli {
    const cli_command *command;
    cli_args args;
    cli_config config;
    rpc_client client;
    bool connected; /* client is ready */
    bool json;
    bool csv;
    bool quiet;
    bool chose;                      /* --where, --fields and --csv were looked at */
    json_t *(*rows)(json_t *result); /* makes a list of a result that has its rows by name; NULL */
};

/** Run a command line. Returns the exit status. */
int cli_main(int argc, char **argv);

/* For the commands' own files ---------------------------------------------------------------------
 */

/** One line to standard error: "troupe: …". */
void cli_error(const char *format, ...) TROUPE_PRINTF(1, 2);

/** One line to standard error unless --quiet. */
void cli_notice(const cli *self, const char *format, ...) TROUPE_PRINTF(2, 3);

/** Find the host (start one if the command does that). Returns CLI_OK, or the status after printing
 * what was wrong. */
int cli_connect(cli *self);

/**
 * Call the host; connects first. params: taken; NULL = none.
 *
 * @param result  stored on CLI_OK: new reference
 * @return CLI_OK, or the status after printing one line
 */
int cli_call(cli *self, const char *method, json_t *params, json_t **result);

/** Call, and hand the result to `print` (or print it as JSON with --json). print: may be NULL. */
int cli_show(cli *self, const char *method, json_t *params,
             int (*print)(cli *self, json_t *result));

/** As cli_show; `check` then looks at the result, printed either way, and says one line on stderr
 * if it amounts to a failure. @return its status */
int cli_show_checked(cli *self, const char *method, json_t *params, int (*print)(cli *, json_t *),
                     int (*check)(const json_t *result));
/** The second half of it: show a result (taken) that was got otherwise. */
int cli_present(cli *self, json_t *result, int (*print)(cli *, json_t *),
                int (*check)(const json_t *result));

/** Print JSON: indented for a terminal, else compact in one line. */
void cli_print_json(const json_t *value);

/** Print text that came from a page: as it is, but control characters only if this is no terminal.
 */
void cli_print_text(const char *text, size_t len);

/** Set a member unless value is NULL (string) or the option was not given. */
void param_string(json_t *params, const char *key, const char *value);
void param_uint(json_t *params, const char *key, const cli *self, const char *option);
void param_flag(json_t *params, const char *key, const cli *self, const char *option);
/** Append what stands between the commas of "a,b"; nothing for what is empty. */
void list_add(json_t *list, const char *text);
/** All words as a list. New reference. */
json_t *word_list(const cli *self);
/** The words from `first` on: one as a string, several as a list; nothing if there are none. */
void param_words(json_t *params, const char *key, const cli *self, size_t first);

#define OPTIONS(array) (array), sizeof(array) / sizeof(array)[0]

/* serve.c */
int run_serve(cli *self);
/* cmd_host.c */
int run_status(cli *self);
/** Wait until the process has ended, the usual time for a host and more_ms. False: it has not. */
bool cli_await_end(pid_t pid, uint32_t more_ms);
int run_stop(cli *self);
int run_drain(cli *self);
int run_dashboard(cli *self);
int run_config(cli *self);
int run_actors(cli *self);
int run_version(cli *self);
/* cmd_doctor.c */
int run_doctor(cli *self);
/* cmd_follow.c */
/** Rows of that topic as they come, of which the list's params want these (taken). */
int follow_rows(cli *self, const char *topic, json_t *wanted);
/* cmd_replay.c */
int run_replay(cli *self);
int run_replay_list(cli *self);
/* cmd_replay_serve.c */
int run_replay_serve(cli *self);
/* cmd_har.c */
int run_har(cli *self);
int run_har_import(cli *self);
/* cmd_browsers.c */
int run_browsers(cli *self);
int run_launch(cli *self);
int run_close(cli *self);
int run_ports_add(cli *self);
int run_ports_remove(cli *self);
int run_ports_list(cli *self);
/* cmd_pages.c */
int run_pages(cli *self);
int run_connect(cli *self);
int run_disconnect(cli *self);
int run_targets(cli *self);
int run_targets_set(cli *self);
int run_targets_clear(cli *self);
int run_open(cli *self);
int run_navigate(cli *self);
int run_reload(cli *self);
int run_page(cli *self);
/* cmd_targets.c */
int run_watch(cli *self);
int run_unwatch(cli *self);
int run_contexts_list(cli *self);
int run_contexts_create(cli *self);
int run_contexts_dispose(cli *self);
/* cmd_see.c */
int run_network(cli *self);
int run_console(cli *self);
int run_sql(cli *self);
/* cmd_request.c */
int run_request(cli *self);
int run_body(cli *self);
/* cmd_act.c */
/** All of a file of code, "-": standard input. NULL after printing what is wrong; freed by the
 * caller.
 */
char *cli_read_file(const char *path);
/** Print what JavaScript gave. Returns a cli_status. */
int cli_print_value(cli *self, json_t *result);
int run_js(cli *self);
int run_follow(cli *self);
int run_record(cli *self);
int run_run(cli *self);
int run_cdp(cli *self);
int run_call(cli *self);
int run_rpc(cli *self);
int run_post(cli *self);
/* cmd_fetch.c */
int run_fetch(cli *self);
int run_fetch_disable(cli *self);
int run_fetch_block(cli *self);
int run_filters_add(cli *self);
int run_fetch_mock(cli *self);
int run_fetch_capture(cli *self);
int run_fetch_pause(cli *self);
/* cmd_shell.c */
int run_shell(cli *self);
/* cmd_method.c: commands that are one RPC method */
int run_method(cli *self);
/* reference.c */
void reference_print(FILE *out, const char *which);

#endif
