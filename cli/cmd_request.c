/* SPDX-License-Identifier: MIT */
/* Commands about one recorded request. */
#include "bytes.h"
#include "command.h"
#include "value.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *id_params(const cli *self)
{
    uint64_t id;
    const char *word = args_word(&self->args, 0);
    json_t *params = json_object();
    if (value_uint(word, &id) && id <= INT64_MAX) {
        json_object_set_new(params, "id", json_integer((json_int_t)id));
    } else {
        param_string(params, "id", word);
    }
    param_string(params, "target", args_string(&self->args, "target"));
    return params;
}

/* Bodies -----------------------------------------------------------------------------------------
 */

static int print_body(cli *self, json_t *result)
{
    size_t len;
    const json_t *body = json_object_get(result, "body");
    unsigned char *bytes = bytes_of(json_string_value(body), json_string_length(body),
                                    json_is_true(json_object_get(result, "base64Encoded")), &len);
    if (bytes == NULL) {
        cli_error("body: the host's answer holds no body");
        return CLI_FAILED;
    }
    int status = bytes_write(args_string(&self->args, "output"), bytes, len, "body");
    free(bytes);
    return status;
}

int run_body(cli *self)
{
    json_t *params = id_params(self);
    json_t *codings = json_array();
    const char *decode = args_string(&self->args, "decode");
    if (decode != NULL) {
        list_add(codings, decode);
    }
    if (json_array_size(codings) > 0) {
        json_object_set(params, "decode", codings);
    }
    json_decref(codings);
    param_string(params, "path", args_string(&self->args, "path"));
    param_flag(params, "pretty", self, "pretty");
    if (args_flag(&self->args, "request")) {
        param_string(params, "part", "request");
    }
    return cli_show(self, "body", params, print_body);
}

/* One request ------------------------------------------------------------------------------------
 */

static void print_line(const char *name, const char *value)
{
    char *clean = term_clean(value);
    bool colours = term_colours(stdout);
    printf("%s%s%s: %s\n", colours ? term_code(TERM_CYAN) : "", name, colours ? TERM_RESET : "",
           clean != NULL ? clean : "");
    free(clean);
}

/* Headers as an object, or as HAR has them: a list of {name, value}. */
static void print_headers(const json_t *headers)
{
    const char *name;
    size_t index;
    json_t *value;
    json_object_foreach((json_t *)headers, name, value)
    {
        char *text = view_dump(value);
        print_line(name, text != NULL ? text : "");
        free(text);
    }
    json_array_foreach(headers, index, value)
    {
        const char *header = json_string_value(json_object_get(value, "name"));
        const char *text = json_string_value(json_object_get(value, "value"));
        if (header != NULL && text != NULL) {
            print_line(header, text);
        }
    }
}

static void print_title(const char *title)
{
    bool colours = term_colours(stdout);
    printf("\n%s%s%s\n", colours ? term_code(TERM_BOLD) : "", title, colours ? TERM_RESET : "");
}

static void print_post_data(const json_t *post)
{
    const json_t *text = json_is_object(post) ? json_object_get(post, "text") : post;
    if (json_is_string(text) && json_string_length(text) > 0) {
        print_title("Request body");
        cli_print_text(json_string_value(text), json_string_length(text));
        fputc('\n', stdout);
    }
}

/* "GET http://…", as the first line of a request. */
static void print_request_line(const json_t *entry, const json_t *request)
{
    const char *method = json_string_value(view_member(request, "method"));
    const char *url = json_string_value(view_member(request, "url"));
    if (method == NULL) {
        method = json_string_value(view_member(entry, "method"));
    }
    if (url == NULL) {
        url = json_string_value(view_member(entry, "url"));
    }
    char *clean = term_clean(url != NULL ? url : "");
    printf("%s %s\n", method != NULL ? method : "", clean != NULL ? clean : "");
    free(clean);
}

/* What is not a part with a section of its own, one a line. */
static void print_rest(const json_t *object)
{
    static const char *const sections[] = {"request",   "response", "headers",  "postData",
                                           "post_data", "timings",  "timing",   "method",
                                           "url",       "content",  "websocket"};
    json_t *rest = json_copy((json_t *)object);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        (void)json_object_del(rest, sections[i]);
    }
    view_fields(rest);
    json_decref(rest);
}

static void print_section(const char *title, const json_t *object)
{
    if (json_object_size(object) > 0) {
        print_title(title);
        view_fields(object);
    }
}

/* Milliseconds; -1 says that there was no such phase. */
static void print_timings(const json_t *timings)
{
    const char *name;
    json_t *value;
    if (json_object_size(timings) > 0) {
        print_title("Timings");
    }
    json_object_foreach((json_t *)timings, name, value)
    {
        char text[32];
        if (json_is_number(value) && json_number_value(value) >= 0) {
            view_text(value, VIEW_MS, text, sizeof text);
            print_line(name, text);
        }
    }
}

static int print_request(cli *self, json_t *result)
{
    (void)self;
    const json_t *entry = json_object_get(result, "entry");
    entry = json_is_object(entry) ? entry : result;
    const json_t *request = json_object_get(entry, "request");
    const json_t *response = json_object_get(entry, "response");
    print_request_line(entry, request);
    print_rest(entry);
    print_title("Request");
    print_headers(json_object_get(request, "headers"));
    print_post_data(view_member(request, "postData|post_data"));
    if (json_is_object(response)) {
        print_title("Response");
        print_rest(response);
        print_headers(json_object_get(response, "headers"));
        print_section("Content", json_object_get(response, "content"));
    }
    print_timings(view_member(entry, "timings|timing"));
    print_section("WebSocket", json_object_get(entry, "websocket"));
    return CLI_OK;
}

int run_request(cli *self)
{
    int status = cli_show(self, "request", id_params(self), print_request);
    if (status != CLI_OK || !args_flag(&self->args, "body")) {
        return status;
    }
    if (!self->json) {
        print_title("Response body");
    }
    status = cli_show(self, "body", id_params(self), print_body);
    if (!self->json && status == CLI_OK && !isatty(STDOUT_FILENO)) {
        fputc('\n', stdout); /* on a terminal it ends with one already */
    }
    return status;
}
