/* SPDX-License-Identifier: MIT */
/* Command-line options by table. */
#include "args.h"

#include "suggest.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>

#define HELP_INDENT 28

typedef struct arg_parser {
    cli_args *args;
    const arg_set *sets;
    size_t set_count;
    int argc;
    char **argv;
    int index;
    troupe_reason *reason;
} arg_parser;

troupe_error args_init(cli_args *out, int argc)
{
    size_t capacity = argc > 0 ? (size_t)argc : 1;
    /* A cluster of letters (-qj) is one argument with several options. */
    for (size_t i = 0; i < 16; i++) {
        capacity++;
    }
    out->given = calloc(capacity, sizeof *out->given);
    out->words = calloc(capacity, sizeof *out->words);
    out->capacity = capacity;
    out->given_count = out->word_count = 0;
    if (out->given == NULL || out->words == NULL) {
        args_fini(out);
        return TROUPE_ENOMEM;
    }
    return TROUPE_OK;
}

void args_fini(cli_args *args)
{
    free(args->given);
    free(args->words);
    memset(args, 0, sizeof *args);
}

static const arg_option *find_name(const arg_parser *parser, const char *name, size_t len)
{
    for (size_t i = 0; i < parser->set_count; i++) {
        for (size_t j = 0; j < parser->sets[i].count; j++) {
            const arg_option *option = &parser->sets[i].options[j];
            if (strlen(option->name) == len && memcmp(option->name, name, len) == 0) {
                return option;
            }
        }
    }
    return NULL;
}

static const arg_option *find_letter(const arg_parser *parser, char letter)
{
    for (size_t i = 0; i < parser->set_count; i++) {
        for (size_t j = 0; j < parser->sets[i].count; j++) {
            if (parser->sets[i].options[j].letter == letter) {
                return &parser->sets[i].options[j];
            }
        }
    }
    return NULL;
}

static bool is_flag(const arg_option *option)
{
    return option->kind == ARG_FLAG || option->kind == ARG_SWITCH;
}

static troupe_error check_value(const arg_parser *parser, const arg_option *option,
                                const char *value)
{
    uint64_t number;
    bool is_number =
        option->kind == ARG_UINT || (option->kind == ARG_OPTIONAL && strcmp(value, "true") != 0);
    if (is_number && (!value_uint(value, &number) || number > UINT32_MAX)) {
        return troupe_fail(parser->reason, TROUPE_EPARAMS, "--%s: '%s' is not a number",
                           option->name, value);
    }
    if (option->kind == ARG_DURATION && (!value_duration(value, &number) || number > UINT32_MAX)) {
        return troupe_fail(parser->reason, TROUPE_EPARAMS,
                           "--%s: '%s' is not a duration such as 500ms, 30s or 5m", option->name,
                           value);
    }
    return TROUPE_OK;
}

static troupe_error keep(arg_parser *parser, const arg_option *option, const char *value)
{
    if (parser->args->given_count == parser->args->capacity) {
        return troupe_fail(parser->reason, TROUPE_EPARAMS, "too many options");
    }
    troupe_error error = check_value(parser, option, value);
    if (error == TROUPE_OK) {
        arg_given given = {option, value};
        parser->args->given[parser->args->given_count++] = given;
    }
    return error;
}

/* The next argument as the value of an option. */
static troupe_error keep_next(arg_parser *parser, const arg_option *option)
{
    if (parser->index >= parser->argc) {
        return troupe_fail(parser->reason, TROUPE_EPARAMS, "--%s needs a value (%s)", option->name,
                           option->value);
    }
    return keep(parser, option, parser->argv[parser->index++]);
}

static troupe_error unknown_option(const arg_parser *parser, const char *name, size_t len)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), name);
    suggest state;
    suggest_start(&state, word);
    for (size_t i = 0; i < parser->set_count; i++) {
        for (size_t j = 0; j < parser->sets[i].count; j++) {
            if (parser->sets[i].options[j].doc != NULL) {
                suggest_offer(&state, parser->sets[i].options[j].name);
            }
        }
    }
    const char *nearest = suggest_result(&state);
    return troupe_fail(parser->reason, TROUPE_EPARAMS, "unknown option --%s%s%s%s", word,
                       nearest != NULL ? "; did you mean --" : "", nearest != NULL ? nearest : "",
                       nearest != NULL ? "?" : "");
}

static troupe_error parse_flag(arg_parser *parser, const arg_option *option, const char *equals)
{
    bool on = true;
    if (equals != NULL && !value_bool(equals + 1, &on)) {
        return troupe_fail(parser->reason, TROUPE_EPARAMS, "--%s: '%s' is neither true nor false",
                           option->name, equals + 1);
    }
    return keep(parser, option, on ? "true" : "false");
}

/* Its number, if one follows. */
static troupe_error keep_optional(arg_parser *parser, const arg_option *option)
{
    uint64_t number;
    const char *next = parser->index < parser->argc ? parser->argv[parser->index] : "";
    return value_uint(next, &number) ? keep_next(parser, option) : keep(parser, option, "true");
}

static troupe_error parse_long(arg_parser *parser, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    const arg_option *option = find_name(parser, text, len);
    if (option == NULL && len > 3 && strncmp(text, "no-", 3) == 0 && equals == NULL) {
        option = find_name(parser, text + 3, len - 3);
        if (option != NULL && option->kind == ARG_SWITCH) {
            return keep(parser, option, "false");
        }
        option = NULL;
    }
    if (option == NULL) {
        return unknown_option(parser, text, len);
    }
    if (is_flag(option)) {
        return parse_flag(parser, option, equals);
    }
    if (option->kind == ARG_OPTIONAL && equals == NULL) {
        return keep_optional(parser, option);
    }
    return equals != NULL ? keep(parser, option, equals + 1) : keep_next(parser, option);
}

static troupe_error parse_letters(arg_parser *parser, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const arg_option *option = find_letter(parser, *letters);
        if (option == NULL) {
            return troupe_fail(parser->reason, TROUPE_EPARAMS, "unknown option -%c", *letters);
        }
        if (!is_flag(option)) {
            return letters[1] != '\0' ? keep(parser, option, letters + 1)
                                      : keep_next(parser, option);
        }
        troupe_error error = keep(parser, option, "true");
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return TROUPE_OK;
}

static void keep_word(arg_parser *parser, const char *word)
{
    parser->args->words[parser->args->word_count++] = word;
}

/* One argument, and its value if it has one. */
static troupe_error parse_next(arg_parser *parser)
{
    const char *text = parser->argv[parser->index++];
    if (strcmp(text, "--") == 0) {
        while (parser->index < parser->argc) {
            keep_word(parser, parser->argv[parser->index++]);
        }
        return TROUPE_OK;
    }
    if (strncmp(text, "--", 2) == 0) {
        return parse_long(parser, text + 2);
    }
    if (text[0] == '-' && text[1] != '\0') {
        return parse_letters(parser, text + 1);
    }
    keep_word(parser, text);
    return TROUPE_OK;
}

troupe_error args_parse(cli_args *args, const arg_set *sets, size_t set_count, int argc,
                        char **argv, int *index, bool until_word, troupe_reason *reason)
{
    arg_parser parser = {args, sets, set_count, argc, argv, *index, reason};
    troupe_error error = TROUPE_OK;
    while (error == TROUPE_OK && parser.index < argc) {
        const char *text = argv[parser.index];
        if (until_word && (text[0] != '-' || text[1] == '\0')) {
            break;
        }
        error = parse_next(&parser);
    }
    *index = parser.index;
    return error;
}

const char *args_string(const cli_args *args, const char *name)
{
    for (size_t i = args->given_count; i > 0; i--) {
        if (strcmp(args->given[i - 1].option->name, name) == 0) {
            return args->given[i - 1].value;
        }
    }
    return NULL;
}

const char *args_string_in(const cli_args *args, const arg_set *set, const char *name)
{
    for (size_t i = args->given_count; i > 0; i--) {
        const arg_option *option = args->given[i - 1].option;
        if (option >= set->options && option < set->options + set->count &&
            strcmp(option->name, name) == 0) {
            return args->given[i - 1].value;
        }
    }
    return NULL;
}

const char *args_setting(const cli_args *args, const char *name)
{
    for (size_t i = args->given_count; i > 0; i--) {
        const arg_option *option = args->given[i - 1].option;
        bool own = option >= args->own.options && option < args->own.options + args->own.count;
        if (!own && strcmp(option->name, name) == 0) {
            return args->given[i - 1].value;
        }
    }
    return NULL;
}

bool args_flag(const cli_args *args, const char *name)
{
    const char *value = args_string(args, name);
    return value != NULL && strcmp(value, "true") == 0;
}

uint32_t args_uint(const cli_args *args, const char *name, uint32_t otherwise)
{
    uint64_t number;
    const char *value = args_string(args, name);
    if (value == NULL || (!value_uint(value, &number) && !value_duration(value, &number))) {
        return otherwise;
    }
    return (uint32_t)number;
}

const char *args_word(const cli_args *args, size_t position)
{
    return position < args->word_count ? args->words[position] : NULL;
}

bool args_set_has(const arg_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Print words from column `column`, going on at HELP_INDENT in each further line. */
static void print_wrapped(FILE *out, const char *text, size_t column, size_t width)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column + len > width && column > HELP_INDENT) {
            fprintf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        }
        fprintf(out, "%.*s", (int)len, text);
        text += len;
        column += len;
        if (*text == ' ') {
            fputc(' ', out);
            text++;
            column++;
        }
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const arg_option *option, size_t width)
{
    char left[96];
    char letter[8] = "    ";
    if (option->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    snprintf(left, sizeof left, "  %s--%s%s%s%s", letter, option->kind == ARG_SWITCH ? "[no-]" : "",
             option->name, option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
    size_t len = strlen(left);
    if (len + 2 > HELP_INDENT) {
        fprintf(out, "%s\n%*s", left, HELP_INDENT, "");
    } else {
        fprintf(out, "%-*s", HELP_INDENT, left);
    }
    print_wrapped(out, option->doc, HELP_INDENT, width);
}

void args_print_set(FILE *out, const arg_set *set, size_t width)
{
    fprintf(out, "%s:\n", set->title);
    for (size_t i = 0; i < set->count; i++) {
        if (set->options[i].doc != NULL) {
            print_option(out, &set->options[i], width);
        }
    }
}
