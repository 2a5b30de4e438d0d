/* SPDX-License-Identifier: MIT */
/* A line of the shell as words. */
#include "shell_words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void shell_words_fini(shell_words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        free(words->word[i]);
    }
    memset(words, 0, sizeof *words);
}

/* The part of the last result that a path (".a[0].b") leads to; NULL = none. */
static const json_t *part_of(const json_t *value, const char *path)
{
    while (*path != '\0' && value != NULL) {
        char name[100];
        if (*path == '[') {
            char *end;
            unsigned long at = strtoul(path + 1, &end, 10);
            if (*end != ']') {
                return NULL;
            }
            value = json_array_get(value, at);
            path = end + 1;
        } else if (*path == '.') {
            size_t len = strcspn(path + 1, ".[");
            snprintf(name, sizeof name, "%.*s", (int)len, path + 1);
            value = json_object_get(value, name);
            path += len + 1;
        } else {
            return NULL;
        }
    }
    return value;
}

static char *text_of(const json_t *value)
{
    return json_is_string(value) ? strdup(json_string_value(value))
                                 : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* A finished word; taken. */
static troupe_error add_word(shell_words *out, char *word, bool literal, const json_t *last,
                             troupe_reason *reason)
{
    if (out->count == SHELL_WORDS_MAX) {
        free(word);
        return troupe_fail(reason, TROUPE_EPARAMS, "more than %d words", SHELL_WORDS_MAX);
    }
    bool named =
        word[0] == '$' && word[1] == '_' && (word[2] == '\0' || word[2] == '.' || word[2] == '[');
    if (!literal && named) {
        const json_t *part = part_of(last, word + 2);
        char *text = part != NULL ? text_of(part) : NULL;
        if (text == NULL) {
            troupe_error error =
                troupe_fail(reason, TROUPE_EPARAMS, "the last result has no part %.100s", word);
            free(word);
            return error;
        }
        free(word);
        word = text;
    }
    out->word[out->count++] = word;
    return TROUPE_OK;
}

/* One word from *at on, which is no blank; *literal: it was quoted. NULL: a quote is open. */
static char *take_word(const char **at, bool *literal)
{
    const char *from = *at;
    char *word = malloc(strlen(from) + 1);
    size_t len = 0;
    char quote = '\0';
    *literal = false;
    for (; word != NULL && *from != '\0' && (quote != '\0' || !isspace((unsigned char)*from));
         from++) {
        if (*from == '\\' && quote != '\'' && from[1] != '\0' &&
            (quote == '\0' || from[1] == '"' || from[1] == '\\')) {
            word[len++] = *++from;
        } else if (quote == '\0' && (*from == '\'' || *from == '"')) {
            quote = *from;
            *literal = *literal || quote == '\'';
        } else if (*from == quote && quote != '\0') {
            quote = '\0';
        } else {
            word[len++] = *from;
        }
    }
    if (word == NULL || quote != '\0') {
        free(word);
        return NULL;
    }
    word[len] = '\0';
    *at = from;
    return word;
}

troupe_error shell_split(const char *line, const json_t *last, shell_words *out,
                         troupe_reason *reason)
{
    memset(out, 0, sizeof *out);
    for (;;) {
        while (isspace((unsigned char)*line)) {
            line++;
        }
        if (*line == '\0' || *line == '#') {
            return TROUPE_OK;
        }
        bool literal;
        char *word = take_word(&line, &literal);
        troupe_error error = word != NULL ? add_word(out, word, literal, last, reason)
                                          : troupe_fail(reason, TROUPE_EPARAMS, "a quote is open");
        if (error != TROUPE_OK) {
            shell_words_fini(out);
            return error;
        }
    }
}

bool shell_open(const char *text)
{
    int depth = 0;
    char quote = '\0';
    for (; *text != '\0'; text++) {
        if (*text == '\\' && quote != '\'') {
            if (text[1] == '\0') {
                return true;
            }
            text++;
        } else if (quote != '\0') {
            quote = *text == quote ? '\0' : quote;
        } else if (*text == '\'' || *text == '"' || *text == '`') {
            quote = *text;
        } else if (strchr("([{", *text) != NULL) {
            depth++;
        } else if (strchr(")]}", *text) != NULL) {
            depth--;
        }
    }
    return quote != '\0' || depth > 0;
}
