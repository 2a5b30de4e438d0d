/* SPDX-License-Identifier: MIT */
/*
 * troupe.conf, through inih. Lines are cleaned before inih sees them, so that its surprises stay
 * outside: an indented line is not the continuation of the one before, ` #` begins a comment as `
 * ;` does, a long line is an error and not two lines.
 */
#include "config.h"

#include "suggest.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 1024

typedef struct conf_reading {
    cli_config *config;
    FILE *file;
    const char *path;
    unsigned line;      /* of what inih handles now: it reads no line ahead */
    troupe_error error; /* the first; nothing is read after it */
    bool holds_token;
    troupe_reason *reason;
} conf_reading;

static troupe_error fail_line(conf_reading *reading, const char *text)
{
    reading->error = troupe_fail(reading->reason, TROUPE_EPARAMS, "%s:%u: %s", reading->path,
                                 reading->line, text);
    return reading->error;
}

static void drop_comment(char *line)
{
    for (char *c = line; *c != '\0'; c++) {
        bool at_start = c == line || isspace((unsigned char)c[-1]);
        if (at_start && (*c == ';' || *c == '#')) {
            *c = '\0';
            return;
        }
    }
}

static void drop_indent(char *line)
{
    size_t blanks = strspn(line, " \t\v\f");
    memmove(line, line + blanks, strlen(line + blanks) + 1);
}

/* fgets for inih: one cleaned line a call. */
static char *read_line(char *out, int size, void *context)
{
    conf_reading *reading = context;
    if (reading->error != TROUPE_OK) {
        return NULL;
    }
    errno = 0;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len = getline(&line, &capacity, reading->file);
    reading->line++;
    if (len < 0) {
        if (ferror(reading->file)) {
            reading->error =
                troupe_fail(reading->reason, TROUPE_EIO, "%s: %s", reading->path, strerror(errno));
        }
        free(line);
        return NULL;
    }
    if (strlen(line) != (size_t)len) {
        (void)fail_line(reading, "a NUL byte is in this line");
    } else if (len >= size) {
        (void)fail_line(reading, "this line is too long");
    } else {
        drop_comment(line);
        drop_indent(line);
        snprintf(out, (size_t)size, "%s\n", line);
    }
    free(line);
    return reading->error == TROUPE_OK ? out : NULL;
}

static troupe_error unknown_key(conf_reading *reading, const char *section, const char *name)
{
    char word[128];
    snprintf(word, sizeof word, "%s%s%s", section, *section != '\0' ? "." : "", name);
    size_t count;
    const config_key *keys = config_keys(&count);
    char known[CONFIG_KEYS_MAX][64];
    suggest state;
    suggest_start(&state, word);
    for (size_t i = 0; i < count; i++) {
        snprintf(known[i], sizeof known[i], "%s%s%s", keys[i].section,
                 *keys[i].section != '\0' ? "." : "", keys[i].key);
        suggest_offer(&state, known[i]);
    }
    /* The right name in the wrong section is nearer than anything that is spelt alike. */
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].key, name) == 0) {
            state.best = known[i];
        }
    }
    const char *dot = strchr(state.best, '.');
    char place[80] = "above all sections";
    if (dot != NULL) {
        snprintf(place, sizeof place, "in [%.*s]", (int)(dot - state.best), state.best);
    }
    reading->error = troupe_fail(
        reading->reason, TROUPE_EPARAMS, "%s:%u: unknown key '%s'%s%s%s; nearest: %s %s",
        reading->path, reading->line, name, *section != '\0' ? " in [" : "", section,
        *section != '\0' ? "]" : "", dot != NULL ? dot + 1 : state.best, place);
    return reading->error;
}

static void trim(char *out, size_t size, const char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    snprintf(out, size, "%.*s", (int)len, text);
}

/* "value" -> value: quotes keep leading and trailing blanks, and a # or ; after a blank is not for
 * them (comments are dropped first). */
static void unquote(char *text)
{
    size_t len = strlen(text);
    if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
        memmove(text, text + 1, len - 2);
        text[len - 2] = '\0';
    }
}

/* For inih: 1 = go on. Errors stop the reader instead. */
static int handle_key(void *context, const char *section, const char *name, const char *value)
{
    conf_reading *reading = context;
    if (reading->error != TROUPE_OK) {
        return 1;
    }
    char section_name[64];
    char text[LINE_MAX_BYTES];
    trim(section_name, sizeof section_name, section);
    snprintf(text, sizeof text, "%s", value);
    unquote(text);
    const config_key *key = config_find(section_name, name);
    if (key == NULL) {
        (void)unknown_key(reading, section_name, name);
        return 1;
    }
    char where[CONFIG_SOURCE_MAX];
    snprintf(where, sizeof where, "%s:%u", reading->path, reading->line);
    reading->error = config_set(reading->config, key, text, where, reading->reason);
    reading->holds_token |= key->type == CONFIG_SECRET;
    return 1;
}

static void check_exposed(conf_reading *reading)
{
    struct stat status;
    if (reading->holds_token && fstat(fileno(reading->file), &status) == 0 &&
        (status.st_mode & 077) != 0) {
        config_warn(reading->config, "%s holds a token and can be read by others: chmod 600 it",
                    reading->path);
    }
}

troupe_error config_read_file(cli_config *config, const char *path, troupe_reason *reason)
{
    conf_reading reading = {.config = config, .path = path, .reason = reason};
    struct stat status;
    reading.file = fopen(path, "re");
    if (reading.file == NULL || fstat(fileno(reading.file), &status) != 0 ||
        (S_ISDIR(status.st_mode) && (errno = EISDIR) != 0)) {
        troupe_error error = troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(errno));
        if (reading.file != NULL) {
            fclose(reading.file);
        }
        return error;
    }
    ini_max_line = LINE_MAX_BYTES;
    int bad_line = ini_parse_stream(read_line, &reading, handle_key, &reading);
    if (reading.error == TROUPE_OK && bad_line > 0) {
        reading.line = (unsigned)bad_line;
        (void)fail_line(&reading, "neither [section] nor key = value");
    }
    check_exposed(&reading);
    fclose(reading.file);
    snprintf(config->file, sizeof config->file, "%s", path);
    return reading.error;
}
