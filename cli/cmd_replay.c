/* SPDX-License-Identifier: MIT */
/* `troupe replay`: a page that is answered from a record. */
#include "har_file.h"
#include "view.h"

#include <string.h>
#include <sys/stat.h>

static bool is_file(const char *path)
{
    struct stat info;
    return strcmp(path, "-") == 0 || (stat(path, &info) == 0 && S_ISREG(info.st_mode));
}

/* A file goes into the record first. *from: new reference. */
static int find_source(cli *self, const char *word, json_t **from)
{
    size_t len = strlen(word);
    if (!is_file(word)) {
        if (strchr(word, '/') != NULL || (len > 4 && strcmp(word + len - 4, ".har") == 0)) {
            cli_error("%s: no such file", word);
            return CLI_FAILED;
        }
        *from = json_string(word);
        return CLI_OK;
    }
    json_t *result = NULL;
    json_t *har = har_file_read(word);
    int status = har != NULL ? har_file_import(self, har, &result) : CLI_FAILED;
    if (status == CLI_OK) {
        *from = json_incref(json_object_get(result, "browser"));
    }
    json_decref(result);
    json_decref(har);
    return status;
}

/* The page that is given, or a new one with nothing in it. *target: new reference. */
static int find_page(cli *self, json_t **target)
{
    const char *given = args_string(&self->args, "target");
    json_t *result = NULL;
    if (given != NULL) {
        *target = json_string(given);
        return CLI_OK;
    }
    json_t *params = json_pack("{s:s}", "url", "about:blank");
    param_string(params, "browser", args_string(&self->args, "browser"));
    int status = cli_call(self, "open", params, &result);
    if (status == CLI_OK) {
        *target = json_incref(json_object_get(result, "target"));
    }
    json_decref(result);
    return status;
}

static int print_replay(cli *self, json_t *result)
{
    (void)self;
    const json_t *missed = json_object_get(result, "missed");
    printf("%s shows %s: %lld requests answered",
           json_string_value(json_object_get(result, "target")),
           json_string_value(json_object_get(result, "url")),
           (long long)json_integer_value(json_object_get(result, "answered")));
    if (json_integer_value(missed) > 0) {
        printf(", %lld not in the record (`troupe replay list`)",
               (long long)json_integer_value(missed));
    }
    putchar('\n');
    return CLI_OK;
}

/* What replay.list says of that source. New reference; NULL: nothing. */
static json_t *counts_of(cli *self, const json_t *from)
{
    size_t i;
    json_t *one;
    json_t *list = NULL;
    json_t *found = NULL;
    if (cli_call(self, "replay.list", json_object(), &list) == CLI_OK) {
        json_array_foreach(json_object_get(list, "replays"), i, one)
        {
            if (json_equal(json_object_get(one, "from"), from)) {
                found = json_incref(one);
            }
        }
    }
    json_decref(list);
    return found;
}

static int go(cli *self, json_t *from, json_t *target)
{
    const char *url = args_word(&self->args, 1);
    json_t *begun = NULL;
    json_t *gone = NULL;
    int status = cli_call(self, "replay",
                          json_pack("{s:O,s:O,s:s}", "from", from, "target", target, "miss",
                                    args_flag(&self->args, "pass") ? "pass" : "fail"),
                          &begun);
    if (status != CLI_OK) {
        return status;
    }
    url = url != NULL ? url : json_string_value(json_object_get(begun, "url"));
    status =
        cli_call(self, "navigate", json_pack("{s:O,s:s}", "target", target, "url", url), &gone);
    if (status == CLI_OK) {
        json_t *result = counts_of(self, from);
        result = result != NULL ? result : json_object();
        json_object_set(result, "target", target);
        json_object_set_new(result, "url", json_string(url));
        status = cli_present(self, result, print_replay, NULL);
    }
    json_decref(gone);
    json_decref(begun);
    return status;
}

int run_replay(cli *self)
{
    json_t *from = NULL;
    json_t *target = NULL;
    int status = cli_connect(self);
    if (status == CLI_OK) {
        status = find_source(self, args_word(&self->args, 0), &from);
    }
    if (status == CLI_OK) {
        status = find_page(self, &target);
    }
    if (status == CLI_OK) {
        status = go(self, from, target);
    }
    json_decref(from);
    json_decref(target);
    return status;
}

/* A line for each request that was not in a record. */
static int print_list(cli *self, json_t *result)
{
    static const view_column columns[] = {{"FROM", "from", VIEW_TEXT},
                                          {"TARGET", "target", VIEW_TEXT},
                                          {"METHOD", "method", VIEW_TEXT},
                                          {"NOT IN THE RECORD", "url", VIEW_URL}};
    size_t i;
    size_t k;
    json_t *one;
    json_t *missed;
    json_t *rows = json_array();
    json_array_foreach(json_object_get(result, "replays"), i, one)
    {
        cli_notice(self, "%s: %lld requests, %lld answered, %lld not in the record",
                   json_string_value(json_object_get(one, "from")),
                   (long long)json_integer_value(json_object_get(one, "requests")),
                   (long long)json_integer_value(json_object_get(one, "answered")),
                   (long long)json_integer_value(json_object_get(one, "missed")));
        json_array_foreach(json_object_get(one, "misses"), k, missed)
        {
            json_object_set(missed, "from", json_object_get(one, "from"));
            json_array_append(rows, missed);
        }
    }
    if (json_array_size(rows) > 0) {
        view_rows(rows, columns, sizeof columns / sizeof columns[0], (view_options){0});
    }
    json_decref(rows);
    return CLI_OK;
}

int run_replay_list(cli *self)
{
    return cli_show(self, "replay.list", json_object(), print_list);
}
