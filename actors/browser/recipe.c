/* SPDX-License-Identifier: MIT */
/* How a browser is to be launched. */
#include "recipe.h"

#include "finder.h"
#include "keeper.h"
#include "profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MEMORY_LEAST ((uint64_t)64 << 20)
#define SIDE_MAX     16384
#define TEXT_MAX     2000

/* What is being read, for the reasons. */
typedef struct reader {
    const troupe_host_options *host;
    const json_t *params;
    recipe *made;
    troupe_reason *reason;
} reader;

static troupe_error bad(const reader *self, const char *member, const char *what)
{
    return troupe_fail(self->reason, TROUPE_EPARAMS, "`%s` %s", member, what);
}

/* Texts ------------------------------------------------------------------------------------- */

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The member, else the setting; "" counts as not given. *out: a copy, or NULL. */
static troupe_error read_text(const reader *self, const char *member, const char *setting,
                              char **out)
{
    const json_t *given = json_object_get(self->params, member);
    const char *text = given != NULL ? json_string_value(given) : setting;
    if (given != NULL && text == NULL) {
        return bad(self, member, "must be a string");
    }
    if (text == NULL || *text == '\0') {
        return TROUPE_OK;
    }
    if (!is_printable(text) || strlen(text) > TEXT_MAX) {
        return bad(self, member,
                   "must be one line of at most 2000 bytes without control characters");
    }
    *out = strdup(text);
    return *out != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

static troupe_error read_proxy(const reader *self)
{
    recipe *made = self->made;
    troupe_error error = read_text(self, "proxy", self->host->proxy, &made->proxy);
    if (error == TROUPE_OK) {
        error = read_text(self, "proxy_bypass", self->host->proxy_bypass, &made->proxy_bypass);
    }
    if (error != TROUPE_OK || made->proxy == NULL) {
        return error == TROUPE_OK && made->proxy_bypass != NULL
                   ? bad(self, "proxy_bypass", "means nothing without `proxy`")
                   : error;
    }
    if (strchr(made->proxy, ' ') != NULL) {
        return bad(self, "proxy", "must not have blanks in it");
    }
    if (strchr(made->proxy, '@') != NULL) {
        return bad(self, "proxy",
                   "must not have a user name in it: Chromium ignores it there and asks the page's "
                   "client instead (Fetch.authRequired)");
    }
    return TROUPE_OK;
}

static bool parse_size(const char *text, unsigned *width, unsigned *height)
{
    char after;
    return sscanf(text, "%5u%*[x,]%5u%c", width, height, &after) == 2 && *width > 0 &&
           *height > 0 && *width <= SIDE_MAX && *height <= SIDE_MAX && text[0] != '-' &&
           strspn(text, "0123456789x,") == strlen(text);
}

static troupe_error read_window_size(const reader *self)
{
    char *text = NULL;
    troupe_error error = read_text(self, "window_size", self->host->window_size, &text);
    if (error == TROUPE_OK && text != NULL &&
        !parse_size(text, &self->made->width, &self->made->height)) {
        error = bad(self, "window_size", "must be WIDTHxHEIGHT, each 1 to 16384");
    }
    free(text);
    return error;
}

/* Numbers ----------------------------------------------------------------------------------- */

static troupe_error read_integer(const reader *self, const char *member, json_int_t least,
                                 json_int_t most, json_int_t setting, json_int_t *out)
{
    const json_t *given = json_object_get(self->params, member);
    *out = given != NULL ? json_integer_value(given) : setting;
    if ((given != NULL && !json_is_integer(given)) || *out < least || *out > most) {
        return troupe_fail(self->reason, TROUPE_EPARAMS, "`%s` must be a number from %lld to %lld",
                           member, (long long)least, (long long)most);
    }
    return TROUPE_OK;
}

/* "512M": powers of 1024. */
static bool parse_bytes(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    static const char units[] = "KMGT";
    unsigned shift = 0;
    if (end != text && *end != '\0') {
        const char *unit = strchr(units, *end & ~0x20);
        if (unit == NULL || end[1] != '\0') {
            return false;
        }
        shift = 10 * (unsigned)(unit - units + 1);
    }
    *out = (uint64_t)number << shift;
    return end != text && *text != '-' && errno == 0 && (*out >> shift) == number;
}

static troupe_error read_memory(const reader *self)
{
    const json_t *given = json_object_get(self->params, "memory_limit");
    uint64_t bytes = self->host->memory_limit;
    bool ok = true;
    if (json_is_string(given)) {
        ok = parse_bytes(json_string_value(given), &bytes);
    } else if (given != NULL) {
        ok = json_is_integer(given) && json_integer_value(given) >= 0;
        bytes = ok ? (uint64_t)json_integer_value(given) : 0;
    }
    if (!ok || (bytes != 0 && bytes < MEMORY_LEAST)) {
        return bad(self, "memory_limit",
                   "must be a number of bytes or a text such as 512M, at least 64M; 0 = no limit");
    }
    self->made->memory_bytes = bytes;
    return TROUPE_OK;
}

static troupe_error read_numbers(const reader *self)
{
    json_int_t value;
    recipe *made = self->made;
    troupe_error error = read_integer(self, "nice", -20, 19, self->host->nice, &value);
    if (error != TROUPE_OK) {
        return error;
    }
    made->nice = (int)value;
    if (made->nice < 0 && geteuid() != 0) {
        return bad(self, "nice", "below 0 is for root only");
    }
    error =
        read_integer(self, "start_timeout_ms", 1, 3600000, self->host->launch_timeout_ms, &value);
    made->timeout_ms = error == TROUPE_OK ? (uint32_t)value : 0;
    return error == TROUPE_OK ? read_memory(self) : error;
}

/* Of its connection; what is left out is as the host says. */
static troupe_error read_limits(const reader *self)
{
    static const struct {
        const char *member;
        json_int_t most;
        size_t offset;
    } rows[] = {
        {"commands_per_second", 1000000, offsetof(browser_limits, commands_per_second)},
        {"commands_burst", 1000000, offsetof(browser_limits, commands_burst)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_int_t value = 0;
        troupe_error error = read_integer(self, rows[i].member, 0, rows[i].most, 0, &value);
        if (error != TROUPE_OK) {
            return error;
        }
        *(uint32_t *)((char *)&self->made->limits + rows[i].offset) = (uint32_t)value;
    }
    const json_t *rate = json_object_get(self->params, "commands_per_second");
    if (rate != NULL && json_integer_value(rate) == 0) {
        self->made->limits.commands_per_second = BROWSER_NO_RATE;
    }
    return TROUPE_OK;
}

/* false | true | a number. */
static troupe_error read_port(const reader *self)
{
    const json_t *given = json_object_get(self->params, "port");
    if (given == NULL) {
        return TROUPE_OK;
    }
    json_int_t number = json_integer_value(given);
    if (!json_is_boolean(given) && (!json_is_integer(given) || number < 1 || number > 65535)) {
        return bad(self, "port", "must be true (any port), or a port from 1 to 65535");
    }
    self->made->port = json_is_integer(given) || json_is_true(given);
    self->made->port_number = (uint16_t)number;
    return TROUPE_OK;
}

/* Lists ------------------------------------------------------------------------------------- */

/* Whether the argument is that switch: "--NAME" or "--NAME=…"; `whole` = also "--NAME-…". */
static bool is_switch(const char *argument, const char *name, bool whole)
{
    size_t len = strlen(name);
    const char *at = argument + 2;
    return strncmp(at, name, len) == 0 &&
           (at[len] == '\0' || at[len] == '=' || (whole && at[len] == '-'));
}

/* where: "`args`" or the setting's name. */
static troupe_error add_argument(const reader *self, const char *where, const char *argument)
{
    static const struct {
        const char *name;
        bool whole;
        const char *why;
    } refused[] = {
        {"remote-debugging", true, "the host controls the browser (`port` asks for a port)"},
        {"user-data-dir", false, "`profile` decides that"},
        {"headless", false, "`headed` decides that"},
        {"no-startup-window", false, "the host needs a first page to be possible"},
        {"type", false, "it is for the browser's own helpers"},
    };
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0' || argument[2] == '=') {
        return troupe_fail(self->reason, TROUPE_EPARAMS,
                           "%s: \"%.80s\" is no switch: each begins with -- (pages are opened with "
                           "`open`)",
                           where, argument);
    }
    if (!is_printable(argument)) {
        return troupe_fail(self->reason, TROUPE_EPARAMS,
                           "%s: a switch must not have control characters in it", where);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (is_switch(argument, refused[i].name, refused[i].whole)) {
            return troupe_fail(self->reason, TROUPE_EPARAMS, "%s: %.80s is not to be given: %s",
                               where, argument, refused[i].why);
        }
    }
    words_add(&self->made->arguments, argument);
    return TROUPE_OK;
}

/* Those of the settings, cut at blanks, then those of the call: of two alike Chromium takes the
 * last. */
static troupe_error read_arguments(const reader *self)
{
    troupe_error error = TROUPE_OK;
    char *copy = strdup(self->host->extra_args != NULL ? self->host->extra_args : "");
    char *rest = copy;
    for (char *word; error == TROUPE_OK && rest != NULL && (word = strsep(&rest, " \t")) != NULL;) {
        if (*word != '\0') {
            error = add_argument(self, "[launcher] extra_args", word);
        }
    }
    free(copy);
    const json_t *list = json_object_get(self->params, "args");
    if (error == TROUPE_OK && list != NULL && !json_is_array(list)) {
        error = bad(self, "args", "must be a list of strings");
    }
    for (size_t i = 0; error == TROUPE_OK && i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        error = word != NULL ? add_argument(self, "`args`", word)
                             : bad(self, "args", "must be a list of strings");
    }
    return error;
}

static troupe_error add_extension(const reader *self, const char *dir)
{
    char manifest[PROFILE_PATH_MAX + 32];
    int len = snprintf(manifest, sizeof manifest, "%s/manifest.json", dir);
    if (dir[0] != '/' || strchr(dir, ',') != NULL || len >= (int)sizeof manifest) {
        return troupe_fail(self->reason, TROUPE_EPARAMS,
                           "`extensions`: %.80s: must be an absolute path without commas", dir);
    }
    if (access(manifest, R_OK) != 0) {
        return troupe_fail(self->reason, TROUPE_EPARAMS, "`extensions`: %s: %s", manifest,
                           strerror(errno));
    }
    words_add(&self->made->extensions, dir);
    return TROUPE_OK;
}

static troupe_error read_extensions(const reader *self)
{
    const json_t *list = json_object_get(self->params, "extensions");
    troupe_error error = TROUPE_OK;
    if (list == NULL) {
        char *copy = strdup(self->host->extensions != NULL ? self->host->extensions : "");
        char *rest = copy;
        for (char *dir; error == TROUPE_OK && rest != NULL && (dir = strsep(&rest, ":")) != NULL;) {
            error = *dir != '\0' ? add_extension(self, dir) : TROUPE_OK;
        }
        free(copy);
        return error;
    }
    if (!json_is_array(list)) {
        return bad(self, "extensions", "must be a list of directories");
    }
    for (size_t i = 0; error == TROUPE_OK && i < json_array_size(list); i++) {
        const char *dir = json_string_value(json_array_get(list, i));
        error = dir != NULL ? add_extension(self, dir)
                            : bad(self, "extensions", "must be a list of directories");
    }
    return error;
}

static troupe_error add_variable(const reader *self, const char *name, const json_t *value)
{
    size_t len = strlen(name);
    if (len == 0 || (name[0] >= '0' && name[0] <= '9') ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != len) {
        return troupe_fail(self->reason, TROUPE_EPARAMS,
                           "`env`: \"%.80s\" is no name of a variable", name);
    }
    if (strcmp(name, "TMPDIR") == 0 || strncmp(name, "TROUPE_", 7) == 0) {
        return troupe_fail(self->reason, TROUPE_EPARAMS,
                           "`env`: %.80s is the host's own to set (TMPDIR is where it finds and "
                           "deletes the browser's files)",
                           name);
    }
    if (json_is_null(value)) {
        words_addf(&self->made->environment, KEEPER_ENV_UNSET "%s=", name);
    } else if (json_is_string(value)) {
        words_addf(&self->made->environment, KEEPER_ENV_SET "%s=%s", name,
                   json_string_value(value));
    } else {
        return troupe_fail(self->reason, TROUPE_EPARAMS,
                           "`env`: %.80s must be a string, or null to take it away", name);
    }
    return TROUPE_OK;
}

static troupe_error read_environment(const reader *self)
{
    json_t *map = json_object_get(self->params, "env");
    const char *name;
    json_t *value;
    if (map != NULL && !json_is_object(map)) {
        return bad(self, "env", "must be an object of strings");
    }
    json_object_foreach(map, name, value)
    {
        troupe_error error = add_variable(self, name, value);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return TROUPE_OK;
}

/* The whole --------------------------------------------------------------------------------- */

static troupe_error read_flag(const reader *self, const char *member, bool setting, bool *out)
{
    const json_t *given = json_object_get(self->params, member);
    if (given != NULL && !json_is_boolean(given)) {
        return bad(self, member, "must be true or false");
    }
    *out = given != NULL ? json_is_true(given) : setting;
    return TROUPE_OK;
}

static troupe_error read_executable(const reader *self)
{
    recipe *made = self->made;
    char path[FINDER_PATH_MAX];
    char *wanted = NULL;
    troupe_error error = read_text(self, "executable", NULL, &wanted);
    if (error == TROUPE_OK && wanted != NULL && strchr(wanted, '/') != NULL && wanted[0] != '/') {
        error = bad(self, "executable", "must be an absolute path, or a name that PATH leads to");
    }
    if (error == TROUPE_OK) {
        finder_wish wish = {.executable = wanted,
                            .configured = self->host->executable,
                            .full = made->full || made->headed || made->extensions.count > 0};
        error = finder_find(&wish, path, sizeof path, self->reason);
    }
    free(wanted);
    if (error == TROUPE_OK) {
        made->executable = strdup(path);
        error = made->executable != NULL ? TROUPE_OK : TROUPE_ENOMEM;
    }
    return error;
}

static troupe_error read_profile(const reader *self)
{
    char path[PROFILE_PATH_MAX];
    char *wanted = NULL;
    troupe_error error = read_text(self, "profile", NULL, &wanted);
    if (error == TROUPE_OK && wanted != NULL) {
        error = profile_path(self->host->state_dir, wanted, path, sizeof path, self->reason);
        if (error == TROUPE_OK) {
            error = profile_make(self->host->state_dir, path, self->reason);
        }
        self->made->profile = error == TROUPE_OK ? strdup(path) : NULL;
    }
    free(wanted);
    return error;
}

static troupe_error read_all(const reader *self)
{
    recipe *made = self->made;
    static troupe_error (*const parts[])(const reader *self) = {
        read_limits,    read_port,        read_numbers,    read_window_size, read_proxy,
        read_arguments, read_environment, read_extensions, read_executable,  read_profile,
    };
    troupe_error error = read_flag(self, "headed", self->host->headed, &made->headed);
    if (error == TROUPE_OK) {
        error = read_flag(self, "full", self->host->full, &made->full);
    }
    if (error == TROUPE_OK) {
        error = read_text(self, "user_agent", self->host->user_agent, &made->user_agent);
    }
    for (size_t i = 0; error == TROUPE_OK && i < sizeof parts / sizeof *parts; i++) {
        error = parts[i](self);
    }
    bool failed = made->arguments.failed || made->extensions.failed || made->environment.failed;
    return error == TROUPE_OK && failed ? TROUPE_ENOMEM : error;
}

troupe_error recipe_read(const troupe_host_options *host, const json_t *params, recipe **out,
                         troupe_reason *reason)
{
    recipe *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return TROUPE_ENOMEM;
    }
    made->references = 1;
    made->no_sandbox = host->no_sandbox || geteuid() == 0;
    reader self = {host, params, made, reason};
    troupe_error error = read_all(&self);
    if (error != TROUPE_OK) {
        recipe_unref(made);
        return error;
    }
    *out = made;
    return TROUPE_OK;
}

recipe *recipe_ref(recipe *made)
{
    made->references++;
    return made;
}

void recipe_unref(recipe *made)
{
    if (made == NULL || --made->references > 0) {
        return;
    }
    free(made->executable);
    free(made->profile);
    free(made->proxy);
    free(made->proxy_bypass);
    free(made->user_agent);
    words_fini(&made->extensions);
    words_fini(&made->arguments);
    words_fini(&made->environment);
    free(made);
}
