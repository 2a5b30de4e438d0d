/* SPDX-License-Identifier: MIT */
/* The parts of the man pages and completions that follow from the tables (troupe
 * --print-reference): what users read cannot drift from what the program does. */
#include "actors/bridge/methods.h"
#include "command.h"

#include <string.h>

/* Text for roff: backslashes, leading dots and quotes, dashes as typed. */
static void put_roff(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\'')) {
            fputs("\\&", out);
        }
        if (*text == '\\') {
            fputs("\\e", out);
        } else if (*text == '-') {
            fputs("\\-", out);
        } else if (strncmp(text, "\xe2\x80\xa6", 3) == 0) {
            fputs("\\[u2026]", out);
            text += 2;
        } else {
            fputc(*text, out);
        }
        line_start = *text == '\n';
    }
}

static void option_roff(FILE *out, const arg_option *option)
{
    if (option->doc == NULL) {
        return;
    }
    fputs(".TP\n.B ", out);
    if (option->letter != 0) {
        fprintf(out, "\\-%c, ", option->letter);
    }
    put_roff(out, option->kind == ARG_SWITCH ? "--[no-]" : "--");
    put_roff(out, option->name);
    if (option->value != NULL) {
        fprintf(out, " \\fI");
        put_roff(out, option->value);
        fprintf(out, "\\fR");
    }
    fputc('\n', out);
    put_roff(out, option->doc);
    fputc('\n', out);
}

static void command_roff(FILE *out, const cli_command *command)
{
    fputs(".SS troupe ", out);
    put_roff(out, command->name);
    fprintf(out, "%s", *command->words != '\0' ? " " : "");
    put_roff(out, command->words);
    fputc('\n', out);
    put_roff(out, command->doc);
    fputs(".\n.PP\n.nf\n", out);
    put_roff(out, command->help);
    fputs("\n.fi\n", out);
    for (size_t i = 0; i < command->option_count; i++) {
        option_roff(out, &command->options[i]);
    }
}

static void commands_roff(FILE *out)
{
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        command_roff(out, row);
    }
    fputs(".SH OPTIONS OF ALL COMMANDS\n", out);
    const arg_set *common = command_common_set();
    for (size_t i = 0; i < common->count; i++) {
        option_roff(out, &common->options[i]);
    }
}

static void key_roff(FILE *out, const cli_config *defaults, const config_key *key)
{
    char env[64];
    char text[256];
    config_env_name(key, env, sizeof env);
    config_text(defaults, key, text, sizeof text);
    fputs(".TP\n.B ", out);
    put_roff(out, key->key);
    fputc('\n', out);
    put_roff(out, key->doc);
    fputs(".\n", out);
    if (key->type == CONFIG_ENUM) {
        fputs("One of ", out);
        put_roff(out, key->choices);
        fputs(".\n", out);
    }
    fputs("Default: ", out);
    put_roff(out, text[0] != '\0' ? text : key->unset != NULL ? key->unset : "none");
    fprintf(out, ".\nVariable \\fB%s\\fR, flag \\fB", env);
    put_roff(out, "--");
    put_roff(out, key->flag);
    fputs("\\fR.\n", out);
}

static void keys_roff(FILE *out)
{
    cli_config defaults;
    memset(&defaults, 0, sizeof defaults);
    troupe_host_options_default(&defaults.settings.host);
    defaults.settings.log_level = "info";
    defaults.settings.host.state_dir = "$XDG_STATE_HOME/troupe or ~/.local/state/troupe";
    size_t count;
    const config_key *keys = config_keys(&count);
    const char *section = NULL;
    for (size_t i = 0; i < count; i++) {
        if (section == NULL || strcmp(section, keys[i].section) != 0) {
            section = keys[i].section;
            fprintf(out, ".SS %s%s%s\n", *section != '\0' ? "[" : "above all sections", section,
                    *section != '\0' ? "]" : "");
        }
        key_roff(out, &defaults, &keys[i]);
    }
}

static void set_words(FILE *out, const arg_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->options[i].doc != NULL) {
            fprintf(out, " --%s", set->options[i].name);
        }
    }
}

/* One line a command: "name<TAB>--option --option". */
static void completion_words(FILE *out)
{
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        arg_set own = {"", row->options, row->option_count};
        fprintf(out, "%s\t", row->name);
        set_words(out, &own);
        if (row->takes_settings) {
            set_words(out, config_arg_set());
        }
        set_words(out, command_common_set());
        fputc('\n', out);
    }
}

void reference_print(FILE *out, const char *which)
{
    if (strcmp(which, "commands") == 0) {
        commands_roff(out);
    } else if (strcmp(which, "keys") == 0) {
        keys_roff(out);
    } else if (strcmp(which, "methods") == 0) {
        methods_markdown(out);
    } else {
        completion_words(out);
    }
}
