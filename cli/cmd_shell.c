/* SPDX-License-Identifier: MIT */
/*
 * `troupe shell`: commands line by line, with history and completion.
 *
 * Each command runs as a process of its own, so Ctrl-C ends the command and not the shell. What the
 * host answered last is kept (a file that only the command and the shell know): it is $_. A word
 * that is no command but an RPC method calls it: `network {"limit": 3}`.
 */
#include "actors/bridge/methods.h"
#include "command.h"
#include "shell_words.h"
#include "troupe/version.h"

#include <editline/readline.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HISTORY_LINES 1000
#define LINE_MAX_LEN  (1u << 20)

extern char **environ;

typedef struct shell {
    cli *cli;
    bool terminal;
    char result_path[4096];
    char history_path[4096];
    json_t *last;  /* what the host answered last; NULL = nothing yet */
    char **common; /* options that go with every command: which host */
    size_t common_count;
} shell;

/* Completion -------------------------------------------------------------------------------- */

static shell *completing; /* libedit hands no context */

/* Candidates that begin with the text are kept; *list ends with NULL. */
static void offer(char ***list, size_t *count, const char *candidate, const char *text)
{
    if (strncmp(candidate, text, strlen(text)) != 0 || strchr(candidate, ' ') != NULL) {
        return;
    }
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*list)[i], candidate) == 0) {
            return;
        }
    }
    char **grown = realloc(*list, (*count + 2) * sizeof **list);
    if (grown != NULL) {
        *list = grown;
        grown[(*count)++] = strdup(candidate);
        grown[*count] = NULL;
    }
}

static void offer_commands(char ***list, size_t *count, const char *text)
{
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        char first[40];
        snprintf(first, sizeof first, "%.*s", (int)strcspn(row->name, " "), row->name);
        offer(list, count, first, text);
    }
    for (const rpc_method *row = method_next(NULL); row != NULL; row = method_next(row)) {
        offer(list, count, row->name, text);
    }
    offer(list, count, "exit", text);
}

/* The second word of commands that have two, options, ids of targets and browsers. */
static void offer_more(char ***list, size_t *count, const char *line, const char *text)
{
    size_t len = strcspn(line, " ");
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        if (strncmp(row->name, line, len) != 0 ||
            (row->name[len] != ' ' && row->name[len] != '\0')) {
            continue;
        }
        if (row->name[len] == ' ') {
            offer(list, count, row->name + len + 1, text);
        }
        for (size_t i = 0; i < row->option_count; i++) {
            char option[64];
            snprintf(option, sizeof option, "--%s", row->options[i].name);
            offer(list, count, option, text);
        }
    }
    json_t *result = NULL;
    rpc_failure failure = {0};
    if (text[0] != '-' && rpc_call(&completing->cli->client, "targets.get", json_object(), &result,
                                   &failure) == TROUPE_OK) {
        size_t i;
        json_t *one;
        json_array_foreach(json_object_get(result, "targets"), i, one)
        {
            offer(list, count, json_string_value(json_object_get(one, "target")), text);
            offer(list, count, json_string_value(json_object_get(one, "browser")), text);
        }
    }
    rpc_failure_fini(&failure);
    json_decref(result);
}

/* The longest beginning that all candidates share. */
static char *common_beginning(char **list, size_t count)
{
    size_t len = strlen(list[0]);
    for (size_t i = 1; i < count; i++) {
        size_t same = 0;
        while (same < len && list[i][same] == list[0][same]) {
            same++;
        }
        len = same;
    }
    return strndup(list[0], len);
}

/* As readline wants it: the common beginning, the candidates, NULL. NULL: names of files instead.
 */
static char **complete(const char *text, int start, int end)
{
    char **found = NULL;
    size_t count = 0;
    (void)end;
    if (start == 0) {
        offer_commands(&found, &count, text);
    } else {
        offer_more(&found, &count, rl_line_buffer, text);
    }
    char **list = count > 0 ? calloc(count + 2, sizeof *list) : NULL;
    if (list != NULL) {
        list[0] = common_beginning(found, count);
        memcpy(list + 1, found, count * sizeof *found);
    }
    free(found);
    return list;
}

/* Running ----------------------------------------------------------------------------------- */

static void read_result(shell *state)
{
    json_t *value = json_load_file(state->result_path, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (value != NULL) {
        json_decref(state->last);
        state->last = value;
        (void)truncate(state->result_path, 0);
    }
}

/* Run this program with these arguments. Returns its exit status; 130: it was interrupted. */
static int run_program(shell *state, char **argv)
{
    pid_t pid;
    int status = 0;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(&pid, "/proc/self/exe", NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        cli_error("%s", strerror(error));
        return CLI_FAILED;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    read_result(state);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 130;
}

static bool is_command(const char *word)
{
    size_t len = strlen(word);
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        if (strncmp(row->name, word, len) == 0 &&
            (row->name[len] == '\0' || row->name[len] == ' ')) {
            return true;
        }
    }
    return strcmp(word, "help") == 0 || word[0] == '-';
}

/* "METHOD {…}" or "METHOD […]": the params are the rest of the line as it stands. */
static bool split_method(const char *line, shell_words *out)
{
    line += strspn(line, " \t");
    size_t len = strcspn(line, " \t");
    const char *params = line + len + strspn(line + len, " \t");
    if ((*params != '{' && *params != '[') || method_find(line, len) == NULL) {
        return false;
    }
    *out = (shell_words){.word = {strdup("rpc"), strndup(line, len), strdup(params)}, .count = 3};
    return true;
}

/* WORD… with the options that say which host; a method that is no command is called by `rpc`. */
static int run_words(shell *state, const shell_words *words)
{
    char **argv = calloc(words->count + state->common_count + 3, sizeof *argv);
    size_t count = 0;
    if (argv == NULL) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    const char *first = words->word[0];
    argv[count++] = "troupe";
    for (size_t i = 0; i < state->common_count; i++) {
        argv[count++] = state->common[i];
    }
    if (!is_command(first) && method_find(first, strlen(first)) != NULL) {
        argv[count++] = "rpc";
    }
    for (size_t i = 0; i < words->count; i++) {
        argv[count++] = words->word[i];
    }
    int status = run_program(state, argv);
    free(argv);
    return status;
}

/* Lines ------------------------------------------------------------------------------------- */

static char *read_line(shell *state, const char *prompt)
{
    if (state->terminal) {
        return readline(prompt);
    }
    char *line = NULL;
    size_t size = 0;
    ssize_t len = getline(&line, &size, stdin);
    if (len < 0) {
        free(line);
        return NULL;
    }
    if (len > 0 && line[len - 1] == '\n') {
        line[len - 1] = '\0';
    }
    return line;
}

/* A line and those that belong to it. NULL at the end. */
static char *read_whole(shell *state)
{
    char *text = read_line(state, "troupe> ");
    while (text != NULL && shell_open(text) && strlen(text) < LINE_MAX_LEN) {
        char *more = read_line(state, "   ...> ");
        char *both = NULL;
        if (more == NULL || asprintf(&both, "%s\n%s", text, more) < 0) {
            free(more);
            break;
        }
        free(more);
        free(text);
        text = both;
    }
    return text;
}

/* Returns the status; *end: the line says exit. */
static int run_line(shell *state, const char *line, bool *end)
{
    shell_words words;
    troupe_reason reason = {""};
    if (!split_method(line, &words) &&
        shell_split(line, state->last, &words, &reason) != TROUPE_OK) {
        cli_error("%s", reason.text);
        return CLI_USAGE;
    }
    int status = CLI_OK;
    if (words.count == 1 &&
        (strcmp(words.word[0], "exit") == 0 || strcmp(words.word[0], "quit") == 0)) {
        *end = true;
    } else if (words.count == 1 && strcmp(words.word[0], "_") == 0) {
        cli_print_json(state->last != NULL ? state->last : json_null());
    } else if (words.count > 0 && strcmp(words.word[0], "shell") == 0) {
        cli_error("this is the shell");
        status = CLI_USAGE;
    } else if (words.count > 0) {
        status = run_words(state, &words);
    }
    shell_words_fini(&words);
    return status;
}

static int run_lines(shell *state)
{
    bool keep_going = state->terminal || args_flag(&state->cli->args, "keep-going");
    bool end = false;
    int status = CLI_OK;
    char *line;
    while (!end && (status == CLI_OK || keep_going) && (line = read_whole(state)) != NULL) {
        if (state->terminal && line[strspn(line, " \t")] != '\0') {
            add_history(line);
        }
        status = run_line(state, line, &end);
        free(line);
    }
    return keep_going && state->terminal ? CLI_OK : status;
}

/* Starting ---------------------------------------------------------------------------------- */

/* Which host this shell talks to, said to each command. */
static bool take_common(shell *state)
{
    const cli_args *args = &state->cli->args;
    state->common = calloc(args->given_count + 1, sizeof *state->common);
    for (size_t i = 0; state->common != NULL && i < args->given_count; i++) {
        const char *name = args->given[i].option->name;
        static const char *const passed[] = {"name",      "url",    "token-file", "token",
                                             "state-dir", "config", "timeout"};
        for (size_t p = 0; p < sizeof passed / sizeof *passed; p++) {
            if (strcmp(name, passed[p]) == 0 &&
                asprintf(&state->common[state->common_count], "--%s=%s", name,
                         args->given[i].value) >= 0) {
                state->common_count++;
            }
        }
    }
    return state->common != NULL;
}

static bool make_result_file(shell *state)
{
    snprintf(state->result_path, sizeof state->result_path, "%s/shell-result-XXXXXX",
             state->cli->config.settings.host.state_dir);
    int fd = mkostemp(state->result_path, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        cli_error("%s: %s", state->result_path, strerror(errno));
        return false;
    }
    close(fd);
    return setenv("TROUPE_SHELL_RESULT", state->result_path, 1) == 0;
}

static void begin_terminal(shell *state)
{
    const char *dir = state->cli->config.settings.host.state_dir;
    snprintf(state->history_path, sizeof state->history_path, "%s/shell.history", dir);
    completing = state;
    rl_readline_name = "troupe";
    rl_attempted_completion_function = complete;
    using_history();
    stifle_history(HISTORY_LINES);
    (void)read_history(state->history_path);
    printf("troupe %s at %s; Tab completes, $_ is the last result, Ctrl-D ends\n", troupe_version(),
           state->cli->client.url);
}

static void end_terminal(const shell *state)
{
    mode_t mask = umask(0077);
    (void)write_history(state->history_path);
    (void)umask(mask);
    (void)chmod(state->history_path, 0600);
}

int run_shell(cli *self)
{
    shell state = {.cli = self, .terminal = isatty(STDIN_FILENO) != 0};
    int status = cli_connect(self);
    if (status != CLI_OK || !take_common(&state) || !make_result_file(&state)) {
        return status != CLI_OK ? status : CLI_FAILED;
    }
    (void)signal(SIGINT, SIG_IGN); /* it is for the command that runs */
    if (state.terminal) {
        begin_terminal(&state);
    }
    status = run_lines(&state);
    if (state.terminal) {
        end_terminal(&state);
    }
    (void)unlink(state.result_path);
    for (size_t i = 0; i < state.common_count; i++) {
        free(state.common[i]);
    }
    free(state.common);
    json_decref(state.last);
    return status;
}
