/* SPDX-License-Identifier: MIT */
/* Commands that act in a page. */
#include "command.h"
#include "value.h"
#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX (16u << 20)

/* All of a stream. NULL after printing what was wrong; freed by the caller. */
static char *read_all(FILE *file, const char *name)
{
    char *text = NULL;
    size_t len = 0;
    size_t got;
    char chunk[16384];
    FILE *out = open_memstream(&text, &len);
    size_t total = 0;
    while (out != NULL && total <= CODE_MAX && (got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        fwrite(chunk, 1, got, out);
        total += got;
    }
    bool ok = out != NULL && fclose(out) == 0 && !ferror(file);
    if (ok && total <= CODE_MAX && strlen(text) == len) {
        return text;
    }
    cli_error("%s: %s", name,
              !ok                ? strerror(errno)
              : total > CODE_MAX ? "longer than 16 MiB"
                                 : "a NUL byte is in the code");
    free(text);
    return NULL;
}

char *cli_read_file(const char *path)
{
    if (strcmp(path, "-") == 0) {
        return read_all(stdin, "standard input");
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        cli_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = read_all(file, path);
    fclose(file);
    return text;
}

/* The code: a word, `-` for standard input, or --file. */
static char *take_code(const cli *self)
{
    const char *path = args_string(&self->args, "file");
    const char *word = args_word(&self->args, 0);
    if ((path == NULL) == (word == NULL)) {
        cli_error("js: give CODE, or - for standard input, or --file FILE");
        return NULL;
    }
    if (word != NULL && strcmp(word, "-") != 0) {
        return strdup(word);
    }
    return cli_read_file(word != NULL ? word : path);
}

/* What JSON has no word for: NaN, 1n, undefined, functions. NULL if the value says it all. */
static const json_t *word_for(const json_t *result)
{
    const json_t *word = json_object_get(result, "unserializable");
    const json_t *type = json_object_get(result, "type");
    if (word == NULL && json_is_string(type) && strcmp(json_string_value(type), "object") != 0) {
        word = json_object_get(result, "description");
        word = word != NULL ? word : type; /* undefined */
    }
    return word;
}

int cli_print_value(cli *self, json_t *result)
{
    const json_t *value = json_object_get(result, "value");
    if (self->quiet || value == NULL) {
        return CLI_OK;
    }
    if (json_is_null(value) && word_for(result) != NULL) {
        value = word_for(result);
    }
    if (json_is_string(value)) {
        cli_print_text(json_string_value(value), json_string_length(value));
        fputc('\n', stdout);
    } else {
        cli_print_json(value);
    }
    return CLI_OK;
}

int run_js(cli *self)
{
    char *code = take_code(self);
    if (code == NULL) {
        bool both = args_word(&self->args, 0) != NULL && args_string(&self->args, "file") != NULL;
        bool none = args_word(&self->args, 0) == NULL && args_string(&self->args, "file") == NULL;
        return both || none ? CLI_USAGE : CLI_FAILED;
    }
    json_t *params = json_object();
    param_string(params, "code", code);
    free(code);
    param_string(params, "target", args_string(&self->args, "target"));
    const char *await = args_string(&self->args, "await");
    json_object_set_new(params, "await_promise",
                        json_boolean(await == NULL || strcmp(await, "true") == 0));
    param_flag(params, "persist", self, "persist");
    param_string(params, "selection", args_string(&self->args, "selection"));
    return cli_show(self, "js", params, cli_print_value);
}

static int print_result(cli *self, json_t *result)
{
    const json_t *value = json_object_get(result, "result");
    if (!self->quiet) {
        cli_print_json(value != NULL ? value : result);
    }
    return CLI_OK;
}

static int print_answer(cli *self, json_t *result)
{
    if (!self->quiet) {
        cli_print_json(result);
    }
    return CLI_OK;
}

/* NAME VERB [JSON] for an actor. print: NULL = nothing. */
static int run_actor(cli *self, const char *method, int (*print)(cli *, json_t *))
{
    uint64_t address;
    json_t *params = json_object();
    if (value_uint(args_word(&self->args, 0), &address) && address <= INT64_MAX) {
        json_object_set_new(params, "name", json_integer((json_int_t)address));
    } else {
        param_string(params, "name", args_word(&self->args, 0));
    }
    param_string(params, "verb", args_word(&self->args, 1));
    const char *text = args_word(&self->args, 2);
    if (text != NULL) {
        json_error_t where;
        json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
        if (value == NULL) {
            cli_error("%s: '%s' is not JSON: %s", self->command->name, text, where.text);
            json_decref(params);
            return CLI_USAGE;
        }
        json_object_set_new(params, "payload", value);
    }
    return cli_show(self, method, params, print);
}

static int print_json(cli *self, json_t *result)
{
    (void)self;
    cli_print_json(result);
    return CLI_OK;
}

/* Any method by its name. */
int run_rpc(cli *self)
{
    const char *text = args_word(&self->args, 1);
    json_t *params = json_loads(text != NULL ? text : "{}", JSON_REJECT_DUPLICATES, NULL);
    if (params == NULL) {
        cli_error("rpc: the params are not JSON, as an object or an array: %.100s",
                  text != NULL ? text : "");
        return CLI_USAGE;
    }
    return cli_show(self, args_word(&self->args, 0), params, print_json);
}

int run_call(cli *self)
{
    return run_actor(self, "actor.call", print_answer);
}

int run_post(cli *self)
{
    return run_actor(self, "actor.post", NULL);
}

int run_cdp(cli *self)
{
    json_t *params = json_object();
    param_string(params, "command", args_word(&self->args, 0));
    param_string(params, "target", args_string(&self->args, "target"));
    const char *text = args_word(&self->args, 1);
    if (text != NULL) {
        json_error_t where;
        json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &where);
        if (!json_is_object(value)) {
            cli_error("cdp: '%s' is not a JSON object%s%s", text, value == NULL ? ": " : "",
                      value == NULL ? where.text : "");
            json_decref(value);
            json_decref(params);
            return CLI_USAGE;
        }
        json_object_set_new(params, "params", value);
    }
    return cli_show(self, "cdp", params, print_result);
}
