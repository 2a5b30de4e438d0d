/* SPDX-License-Identifier: MIT */
/* `troupe har`: recorded requests as a HAR file, which grows a piece at a time; `har import`: the
 * way back.
 */
#include "har_file.h"
#include "value.h"

#include "actors/json_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct har_file {
    FILE *out;
    const char *path; /* NULL: standard output */
    char *beside;     /* what is written until it is whole; NULL: the file itself */
    json_t *pages;    /* that came so far, by their id */
    size_t entries;
    bool begun;
} har_file;

static bool open_file(har_file *file, const char *path)
{
    file->out = stdout;
    file->path = path != NULL && strcmp(path, "-") != 0 ? path : NULL;
    if (file->path == NULL) {
        return true;
    }
    if (asprintf(&file->beside, "%s.%ld.part", path, (long)getpid()) < 0) {
        file->beside = NULL;
        errno = ENOMEM;
        return false;
    }
    file->out = fopen(file->beside, "we");
    return file->out != NULL;
}

/* Whole: it takes its name. Else nothing is left of it. */
static int close_file(har_file *file, int status)
{
    if (file->out == stdout) {
        return fflush(stdout) == 0 ? status : CLI_FAILED;
    }
    bool written = file->out != NULL && ferror(file->out) == 0;
    if (file->out != NULL) {
        written = fclose(file->out) == 0 && written;
    }
    if (status == CLI_OK && (!written || rename(file->beside, file->path) != 0)) {
        cli_error("%s: %s", file->path, strerror(errno));
        status = CLI_FAILED;
    }
    if (status != CLI_OK && file->beside != NULL) {
        (void)unlink(file->beside);
    }
    free(file->beside);
    return status;
}

static void dump(FILE *out, const json_t *value)
{
    char *text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
    fputs(text != NULL ? text : "null", out);
    free(text);
}

/* {"log": {version, creator, browser, "entries": [ */
static void begin(har_file *file, const json_t *log)
{
    const char *name;
    json_t *value;
    fputs("{\"log\":{", file->out);
    json_object_foreach((json_t *)log, name, value)
    {
        if (strcmp(name, "entries") != 0 && strcmp(name, "pages") != 0) {
            fprintf(file->out, "\"%s\":", name);
            dump(file->out, value);
            fputc(',', file->out);
        }
    }
    fputs("\"entries\":[", file->out);
    file->begun = true;
}

static void add_piece(har_file *file, const json_t *log)
{
    size_t i;
    json_t *value;
    if (!file->begun) {
        begin(file, log);
    }
    json_array_foreach(json_object_get(log, "entries"), i, value)
    {
        fputs(file->entries++ > 0 ? ",\n" : "\n", file->out);
        dump(file->out, value);
    }
    json_array_foreach(json_object_get(log, "pages"), i, value)
    {
        json_object_set(file->pages, json_string_value(json_object_get(value, "id")), value);
    }
}

static void end(har_file *file)
{
    const char *id;
    json_t *page;
    bool first = true;
    fputs("\n],\"pages\":[", file->out);
    json_object_foreach(file->pages, id, page)
    {
        fputs(first ? "\n" : ",\n", file->out);
        dump(file->out, page);
        first = false;
    }
    fputs("\n]}}\n", file->out);
}

static json_t *har_params(const cli *self)
{
    const cli_args *args = &self->args;
    const arg_set own = {"", self->command->options, self->command->option_count};
    const char *pattern = args_string_in(args, &own, "url");
    const char *since = args_string(args, "since");
    const char *target = args_word(args, 0);
    uint64_t ms = 0;
    json_t *params = json_object();
    param_string(params, "target", target != NULL ? target : args_string(args, "target"));
    param_string(params, "browser", args_string(args, "browser"));
    param_uint(params, "status", self, "status");
    param_string(params, "method", args_string(args, "method"));
    param_string(params, "resource_type", args_string(args, "type"));
    param_string(params, "url", pattern != NULL ? pattern : args_string(args, "match"));
    param_string(params, "state", args_string(args, "state"));
    param_string(params, "search", args_string(args, "search"));
    param_string(params, "text", args_string(args, "text"));
    if (since != NULL && value_duration(since, &ms)) {
        json_object_set_new(params, "since",
                            json_integer((json_int_t)time(NULL) * 1000 - (json_int_t)ms));
    }
    json_object_set_new(params, "bodies", json_boolean(!args_flag(args, "no-bodies")));
    return params;
}

/* On a terminal: how far it is. */
static void show_progress(const cli *self, const har_file *file, bool over)
{
    if (file->path != NULL && !self->quiet && isatty(STDERR_FILENO)) {
        fprintf(stderr, over ? "\r\033[K" : "\r%zu entries", file->entries);
    }
}

/* Piece by piece; each one begins where the one before ended. */
static int write_all(cli *self, har_file *file)
{
    json_t *params = har_params(self);
    bool more = params != NULL;
    int status = CLI_OK;
    while (more && status == CLI_OK) {
        size_t i;
        json_t *warning;
        json_t *result = NULL;
        status = cli_call(self, "har", json_copy(params), &result);
        if (status != CLI_OK) {
            break;
        }
        json_t *next = json_object_get(result, "next");
        add_piece(file, json_object_get(result, "log"));
        json_array_foreach(json_object_get(result, "warnings"), i, warning)
        {
            cli_notice(self, "%s", json_string_value(warning));
        }
        more = json_is_integer(next);
        if (more) {
            json_object_set(params, "after", next);
            show_progress(self, file, false);
        }
        json_decref(result);
    }
    show_progress(self, file, true);
    if (status == CLI_OK) {
        end(file);
    }
    json_decref(params);
    return status;
}

int run_har(cli *self)
{
    har_file file = {.pages = json_object()};
    const char *path = args_string(&self->args, "output");
    int status = cli_connect(self);
    if (status == CLI_OK && !open_file(&file, path)) {
        cli_error("%s: %s", path, strerror(errno));
        status = CLI_FAILED;
    }
    if (status == CLI_OK) {
        status = close_file(&file, write_all(self, &file));
    }
    if (status == CLI_OK && file.path != NULL) {
        cli_notice(self, "%s: %zu entries", file.path, file.entries);
    }
    json_decref(file.pages);
    return status;
}

/* The way back ----------------------------------------------------------------------------------
 */

static int print_import(cli *self, json_t *result)
{
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(result, "warnings"), i, warning)
    {
        cli_notice(self, "%s", json_string_value(warning));
    }
    printf("%s: %lld requests, %lld bodies\n",
           json_string_value(json_object_get(result, "browser")),
           (long long)json_integer_value(json_object_get(result, "requests")),
           (long long)json_integer_value(json_object_get(result, "bodies")));
    return CLI_OK;
}

int run_har_import(cli *self)
{
    json_t *result = NULL;
    json_t *har = har_file_read(args_word(&self->args, 0));
    int status = har != NULL ? cli_connect(self) : CLI_FAILED;
    if (status == CLI_OK) {
        status = har_file_import(self, har, &result);
    }
    json_decref(har);
    return status == CLI_OK ? cli_present(self, result, print_import, NULL) : status;
}
