/* SPDX-License-Identifier: MIT */
/* `troupe record`: a page as it looks, into a film. */
#include "bytes.h"
#include "film.h"
#include "live.h"
#include "transport/clock.h"

#include <stdlib.h>
#include <string.h>

#define FPS_DEFAULT 10
#define FPS_MAX     60

typedef struct recording {
    const char *path;
    film *film;
    json_t *target; /* NULL: the one that is connected */
    double last;    /* the last picture's moment, as Chrome tells it */
    double came;    /* and when it was here (monotonic) */
    uint32_t fps;
    int status;
} recording;

static double now_seconds(void)
{
    return (double)monotonic_ns() / 1e9;
}

static void finish(live *self)
{
    recording *state = self->context;
    troupe_reason reason = {""};
    uint32_t pictures = film_pictures(state->film);
    double length = 0;
    if (pictures == 0) {
        cli_error("the page sent no picture");
        film_drop(state->film);
        state->status = CLI_FAILED;
    } else if (film_end(state->film, state->last + now_seconds() - state->came, &length, &reason) !=
               TROUPE_OK) {
        cli_error("%s", reason.text);
        state->status = CLI_FAILED;
    } else {
        cli_notice(self->cli, "%s: %u pictures, %.1f s", state->path, pictures, length);
    }
    state->film = NULL;
    live_end(self, state->status);
}

static void on_stopped(live *self, const json_t *result, const json_t *error)
{
    (void)result;
    (void)error;
    finish(self);
}

static void on_end(live *self)
{
    const recording *state = self->context;
    live_call(self, "screencast.stop",
              state->target != NULL ? json_pack("{s:O}", "target", state->target) : json_object(),
              on_stopped);
}

static void on_picture(live *self, const char *topic, const json_t *data)
{
    recording *state = self->context;
    const json_t *params = json_object_get(data, "params");
    const json_t *picture = json_object_get(params, "data");
    const json_t *moment = json_object_get(json_object_get(params, "metadata"), "timestamp");
    size_t len;
    if (strcmp(topic, "cdp") != 0 || !json_is_string(picture) || state->film == NULL) {
        return;
    }
    unsigned char *bytes =
        bytes_of(json_string_value(picture), json_string_length(picture), true, &len);
    state->last = json_number_value(moment);
    state->came = now_seconds();
    troupe_error error =
        bytes != NULL ? film_picture(state->film, bytes, len, state->last) : TROUPE_EPROTOCOL;
    free(bytes);
    if (error != TROUPE_OK && !self->ending) {
        cli_error("%s: %s", state->path, troupe_error_text(error));
        state->status = CLI_FAILED;
        self->ending = true;
        on_end(self);
    }
}

static void on_started(live *self, const json_t *result, const json_t *error)
{
    (void)result;
    if (error != NULL) {
        live_end(self, live_fault("screencast.start", error));
    } else if (!self->ending) {
        cli_notice(self->cli, "recording; Ctrl-C ends");
    }
}

static void on_subscribed(live *self, const json_t *result, const json_t *error)
{
    const recording *state = self->context;
    (void)result;
    if (error != NULL) {
        live_end(self, live_fault("events.subscribe", error));
        return;
    }
    json_t *params = json_object();
    if (state->target != NULL) {
        json_object_set(params, "target", state->target);
    }
    param_uint(params, "quality", self->cli, "quality");
    param_uint(params, "max_width", self->cli, "max-width");
    param_uint(params, "max_height", self->cli, "max-height");
    live_call(self, "screencast.start", params, on_started);
}

/* Which page: its own id, so that only its pictures come. */
static void on_page(live *self, const json_t *result, const json_t *error)
{
    recording *state = self->context;
    if (error != NULL) {
        live_end(self, live_fault("page", error));
        return;
    }
    state->target = json_incref(json_object_get(result, "target"));
    live_call(
        self, "events.subscribe",
        json_pack("{s:[s], s:[O]}", "methods", "Page.screencastFrame", "targets", state->target),
        on_subscribed);
}

static void begin(live *self)
{
    json_t *params = json_object();
    param_string(params, "target", args_string(&self->cli->args, "target"));
    live_call(self, "page", params, on_page);
}

int run_record(cli *self)
{
    recording state = {.path = args_word(&self->args, 0),
                       .fps = args_uint(&self->args, "fps", FPS_DEFAULT)};
    live connection = {.cli = self, .on_event = on_picture, .context = &state, .on_end = on_end};
    troupe_reason reason = {""};
    if (state.fps == 0 || state.fps > FPS_MAX) {
        cli_error("record: --fps is 1 to %d", FPS_MAX);
        return CLI_USAGE;
    }
    troupe_error error = film_begin(state.path, state.fps, &state.film, &reason);
    if (error != TROUPE_OK) {
        cli_error("%s", reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
        return CLI_FAILED;
    }
    int status = live_run(&connection, begin, args_uint(&self->args, "for", 0));
    film_drop(state.film);
    json_decref(state.target);
    return status;
}
