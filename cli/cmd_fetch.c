/* SPDX-License-Identifier: MIT */
/* Commands that set fetch rules. */
#include "command.h"
#include "value.h"
#include "view.h"

#include <string.h>

static int print_rules(cli *self, json_t *result)
{
    if (!self->quiet) {
        view_fields(result);
    }
    return CLI_OK;
}

/* Of --target, else of all. */
static json_t *scope(const cli *self)
{
    const char *target = args_string(&self->args, "target");
    return json_pack("{s:s}", "target", target != NULL ? target : "*");
}

static json_t *words(const cli *self)
{
    json_t *list = json_array();
    for (size_t i = 0; i < self->args.word_count; i++) {
        json_array_append_new(list, json_string_nocheck(self->args.words[i]));
    }
    return list;
}

int run_fetch_block(cli *self)
{
    json_t *params = scope(self);
    json_object_set_new(params, "block", words(self));
    return cli_show(self, "fetch", params, print_rules);
}

/* The body is text; --status and --type make an object of it. */
int run_fetch_mock(cli *self)
{
    json_t *params = scope(self);
    json_t *answer = json_object();
    const char *type = args_string(&self->args, "type");
    param_string(answer, "body", args_word(&self->args, 1));
    param_uint(answer, "status", self, "status");
    if (type != NULL) {
        json_object_set_new(answer, "headers", json_pack("{s:s}", "content-type", type));
    }
    json_object_set_new(params, "mock", json_pack("{s:o}", args_word(&self->args, 0), answer));
    return cli_show(self, "fetch", params, print_rules);
}

int run_fetch_capture(cli *self)
{
    bool off = args_flag(&self->args, "off");
    return cli_show(self, "fetch", json_pack("{s:b}", "capture", !off), print_rules);
}

int run_fetch_pause(cli *self)
{
    json_t *params = scope(self);
    bool response = args_flag(&self->args, "response");
    json_object_set_new(params, response ? "response" : "request", json_true());
    if (self->args.word_count > 0) {
        json_object_set_new(params, "urls", words(self));
    }
    param_uint(params, "pause_timeout_ms", self, "for");
    return cli_show(self, "fetch.enable", params, print_rules);
}
