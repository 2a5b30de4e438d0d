/* SPDX-License-Identifier: MIT */
/**
 * Command-line options by table: the same table parses them and prints their help.
 *
 * `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, `--switch`, `--no-switch`,
 * `--switch=false`; options and words may be mixed; `--` ends the options; `-` is a word.
 */
#ifndef TROUPE_CLI_ARGS_H
#define TROUPE_CLI_ARGS_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum arg_kind {
    ARG_FLAG,   /* is there or not */
    ARG_SWITCH, /* a flag that can also be denied: --no-NAME */
    ARG_STRING,
    ARG_UINT,     /* checked when parsed: at most UINT32_MAX */
    ARG_DURATION, /* checked when parsed; milliseconds, at most UINT32_MAX */
    ARG_OPTIONAL, /* a flag that may have a number: the next argument if it is one, or =NUMBER */
} arg_kind;

typedef struct arg_option {
    const char *name; /* long name, without dashes */
    char letter;      /* short name; 0 = none */
    arg_kind kind;
    const char *value; /* what the value is called in the help; NULL for flags */
    const char *doc;   /* one line; NULL = hidden */
} arg_option;

/** Options that are explained together. */
typedef struct arg_set {
    const char *title;
    const arg_option *options;
    size_t count;
} arg_set;

typedef struct arg_given {
    const arg_option *option;
    const char *value; /* borrowed from argv; "true" or "false" for flags and switches */
} arg_given;

/** What was on the command line. Zero-initialised is empty; freed with args_fini. */
typedef struct cli_args {
    arg_given *given;
    size_t given_count;
    const char **words;
    size_t word_count;
    arg_set own;     /* the command's own options, whose names settings may have too */
    size_t capacity; /* of both: nothing on a command line needs more than one entry an argument */
} cli_args;

/** Make room for a command line of `argc` arguments. */
troupe_error args_init(cli_args *out, int argc) TROUPE_MUST_USE;
void args_fini(cli_args *args);

/**
 * Parse argv[*index] and on; appends to what is in `args`.
 *
 * @param until_word  stop before the first word (options may stand before the command's name)
 * @param index       moved to the first argument that was not parsed
 * @return TROUPE_OK; TROUPE_EPARAMS with the reason (unknown option and the nearest, missing or bad
 *         value)
 */
troupe_error args_parse(cli_args *args, const arg_set *sets, size_t set_count, int argc,
                        char **argv, int *index, bool until_word,
                        troupe_reason *reason) TROUPE_MUST_USE;

/** The last value given for that option; NULL if it was not given. */
const char *args_string(const cli_args *args, const char *name);
/** The same, only for the option in that very set: several sets may have one of that name. */
const char *args_string_in(const cli_args *args, const arg_set *set, const char *name);
/** The last value given for that setting of the host, or for that option common to all commands: an
 * option of the command's own that has the same name is not meant. */
const char *args_setting(const cli_args *args, const char *name);
/** Whether a flag or switch was given (and not denied). */
bool args_flag(const cli_args *args, const char *name);
/** The number or milliseconds given, else `otherwise`. */
uint32_t args_uint(const cli_args *args, const char *name, uint32_t otherwise);
/** The word at that position, or NULL. */
const char *args_word(const cli_args *args, size_t position);

/** Whether an option of that name is in the set. */
bool args_set_has(const arg_set *set, const char *name);

/** Print the options of a set, wrapped to `width` columns. */
void args_print_set(FILE *out, const arg_set *set, size_t width);

#endif
