/* SPDX-License-Identifier: MIT */
/*
 * The actor behind `serve --follow`. It never waits for the terminal: when nobody reads (Ctrl-S, a
 * full pipe), lines are counted instead of written, and the count is told later.
 */
#include "printer.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "troupe/log.h"
#include "view.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUBSCRIBE_TIMEOUT_MS 10000
#define NARROW               110 /* lines shorter than this have no room for type, size and ms */

typedef struct printer {
    size_t width;
    bool colours;
    unsigned long unprinted;
} printer;

/* Lines ------------------------------------------------------------------------------------------
 */

typedef struct line {
    char *text;
    size_t len;
    FILE *out;
    size_t used; /* columns */
    bool colours;
} line;

static bool line_open(line *self, bool colours)
{
    memset(self, 0, sizeof *self);
    self->colours = colours;
    self->out = open_memstream(&self->text, &self->len);
    return self->out != NULL;
}

static char *line_close(line *self)
{
    if (fclose(self->out) != 0) {
        free(self->text);
        return NULL;
    }
    return self->text;
}

/* One cell, padded to `width` columns (0 = as long as it is), and a gap behind it. */
static void put(line *self, const char *text, size_t width, bool right, term_colour colour)
{
    char *clean = term_clean(text);
    const char *shown = clean != NULL ? clean : "";
    size_t used = term_text_width(shown);
    int blanks = used < width ? (int)(width - used) : 0;
    bool coloured = self->colours && colour != TERM_PLAIN;
    fprintf(self->out, "%*s%s%s%s%*s", right ? blanks : 0, "", coloured ? term_code(colour) : "",
            shown, coloured ? TERM_RESET : "", right ? 0 : blanks, "");
    fputs("  ", self->out);
    self->used += used + (size_t)blanks + 2;
    free(clean);
}

/* The last cell: takes what is left of the line. */
static void put_last(line *self, const char *text, size_t width, term_cut cut, term_colour colour)
{
    char *clean = term_clean(text);
    size_t room = width == 0 ? 0 : width > self->used + 10 ? width - self->used : 10;
    char *fitted = clean != NULL ? term_fit(clean, room, cut) : NULL;
    bool coloured = self->colours && colour != TERM_PLAIN;
    fprintf(self->out, "%s%s%s", coloured ? term_code(colour) : "", fitted != NULL ? fitted : "",
            coloured ? TERM_RESET : "");
    free(fitted);
    free(clean);
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(view_member(event, key));
    return text != NULL ? text : "";
}

static void put_value(line *self, const json_t *event, const char *key, view_kind kind,
                      size_t width, bool right)
{
    char text[64];
    const json_t *value = view_member(event, key);
    view_text(value, kind, text, sizeof text);
    put(self, text, width, right, view_colour(value, kind));
}

static void network_line(line *self, const json_t *event, size_t width)
{
    const char *state = text_of(event, "state");
    bool failed = strcmp(state, "failed") == 0;
    put(self, text_of(event, "method"), 6, false, TERM_BOLD);
    bool socket = strcmp(text_of(event, "method"), "WS") == 0;
    if (failed) {
        put(self, "failed", 6, false, TERM_RED);
    } else if (!socket && json_integer_value(view_member(event, "status")) > 0) {
        put_value(self, event, "status", VIEW_STATUS, 6, false);
    } else {
        put(self, state, 6, false, view_colour(view_member(event, "state"), VIEW_STATE));
    }
    if (width == 0 || width >= NARROW) {
        put(self, text_of(event, "type"), 10, false, TERM_DIM);
        put_value(self, event, "size", VIEW_BYTES, 8, true);
    }
    put_value(self, event, "time_ms", VIEW_MS, 7, true);
    const char *reason = text_of(event, "error_text|error");
    if (failed && *reason != '\0') {
        put(self, reason, 0, false, TERM_RED);
    }
    put_last(self, text_of(event, "url"), width, TERM_MIDDLE, TERM_PLAIN);
}

static void console_line(line *self, const json_t *event, size_t width)
{
    const json_t *level = view_member(event, "level");
    put(self, text_of(event, "level"), 7, false, view_colour(level, VIEW_LEVEL));
    const char *url = text_of(event, "url");
    const char *file = strrchr(url, '/');
    const json_t *number = view_member(event, "line");
    char place[200] = "";
    if (*url != '\0' && json_is_integer(number)) {
        snprintf(place, sizeof place, "%s:%lld", file != NULL && file[1] != '\0' ? file + 1 : url,
                 (long long)json_integer_value(number));
        put(self, place, 0, false, TERM_DIM);
    }
    put_last(self, text_of(event, "message|text"), width, TERM_END, view_colour(level, VIEW_LEVEL));
}

static void target_line(line *self, const json_t *event, size_t width)
{
    const json_t *state = view_member(event, "state");
    put(self, text_of(event, "type"), 7, false, TERM_BLUE);
    put(self, text_of(event, "state"), 13, false, view_colour(state, VIEW_STATE));
    const char *title = text_of(event, "title");
    if (*title != '\0' && strcmp(title, text_of(event, "url")) != 0) {
        put(self, title, 0, false, TERM_PLAIN);
    }
    put_last(self, text_of(event, "url"), width, TERM_MIDDLE, TERM_DIM);
}

static void browser_line(line *self, const json_t *event, size_t width)
{
    const json_t *state = view_member(event, "state");
    put(self, text_of(event, "browser"), 7, false, TERM_CYAN);
    put(self, text_of(event, "state"), 13, false, view_colour(state, VIEW_STATE));
    put_last(self, text_of(event, "reason|product"), width, TERM_END, TERM_DIM);
}

static void cdp_line(line *self, const json_t *event, size_t width)
{
    char *params = json_dumps(json_object_get(event, "params"), JSON_COMPACT);
    put(self, text_of(event, "method"), 0, false, TERM_BOLD);
    put_last(self, params != NULL ? params : "", width, TERM_END, TERM_DIM);
    free(params);
}

static void gap_line(line *self, const json_t *event, size_t width)
{
    char text[128];
    snprintf(text, sizeof text, "%lld %s events were not shown",
             (long long)json_integer_value(view_member(event, "count")), text_of(event, "topic"));
    put_last(self, text, width, TERM_END, TERM_YELLOW);
}

char *printer_line(const char *topic, const json_t *event, const char *clock, size_t width,
                   bool colours)
{
    static const struct {
        const char *topic;
        void (*print)(line *self, const json_t *event, size_t width);
    } topics[] = {{"network", network_line}, {"console", console_line}, {"target", target_line},
                  {"browser", browser_line}, {"cdp", cdp_line},         {"gap", gap_line}};
    line made;
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        if (strcmp(topic, topics[i].topic) == 0 && line_open(&made, colours)) {
            char time_of_day[16];
            bool narrow = width > 0 && width < NARROW;
            snprintf(time_of_day, sizeof time_of_day, "%.*s", narrow ? 8 : 15, clock);
            put(&made, time_of_day, 0, false, TERM_DIM);
            put(&made, text_of(event, "target"), 9, false, TERM_CYAN);
            topics[i].print(&made, event, width);
            return line_close(&made);
        }
    }
    return NULL;
}

/* The actor --------------------------------------------------------------------------------------
 */

static bool somebody_reads(void)
{
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLOUT) != 0;
}

void printer_clock(char *out, size_t size)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    snprintf(out, size, "%02d:%02d:%02d.%03d", parts.tm_hour, parts.tm_min, parts.tm_sec,
             (int)(now.tv_nsec / 1000000) % 1000);
}

/* Steps on the way to being connected are of no interest to who looks on. */
static bool worth_a_line(const char *topic, const json_t *event)
{
    const char *state = text_of(event, "state");
    return strcmp(topic, "target") != 0 ||
           (strcmp(state, "available") != 0 && strcmp(state, "connecting") != 0 &&
            strcmp(state, "disconnecting") != 0);
}

static void print_event(printer *self, const char *topic, const json_t *event)
{
    if (!worth_a_line(topic, event)) {
        return;
    }
    if (!somebody_reads()) {
        self->unprinted++;
        return;
    }
    if (self->unprinted > 0) {
        printf("… %lu lines were not printed\n", self->unprinted);
        self->unprinted = 0;
    }
    char clock[32];
    printer_clock(clock, sizeof clock);
    char *text = printer_line(topic, event, clock, self->width, self->colours);
    if (text != NULL) {
        printf("%s\n", text);
        fflush(stdout);
    }
    free(text);
}

static void subscribed(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    (void)context;
    (void)answer;
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "printer", "follow-failed", NULL, "%s",
                   troupe_error_text(error));
        troupe_exit(self, error);
    }
}

static troupe_error printer_begin(troupe_actor *self, void *state)
{
    printer *printing = state;
    printing->width = term_width(stdout);
    printing->colours = term_colours(stdout);
    troupe_buffer params = {0};
    troupe_error error =
        troupe_pack(&params, "{s:[s,s,s]}", "topics", "network", "console", "target");
    if (error == TROUPE_OK) {
        error = troupe_call(self, troupe_whereis(troupe_self_system(self), NAME_STORE),
                            VERB_STORE_SUBSCRIBE, NULL, troupe_buffer_bytes(&params),
                            SUBSCRIBE_TIMEOUT_MS, subscribed, printing, NULL);
    }
    troupe_buffer_fini(&params);
    return error;
}

static troupe_error printer_receive(troupe_actor *self, void *state,
                                    const troupe_envelope *envelope)
{
    (void)self;
    if (envelope->kind != TROUPE_EVENT) {
        return TROUPE_OK;
    }
    json_t *event = json_payload(envelope->payload);
    char topic[32];
    snprintf(topic, sizeof topic, "%.*s", (int)envelope->verb_len, envelope->verb);
    if (json_is_object(event)) {
        print_event(state, topic, event);
    }
    json_decref(event);
    return TROUPE_OK;
}

static void printer_end(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    free(state);
}

troupe_error printer_start(troupe_system *system, troupe_address *out)
{
    static const troupe_behaviour behaviour = {
        .kind = "printer",
        .start = printer_begin,
        .receive = printer_receive,
        .stop = printer_end,
    };
    printer *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_spawn_options options = {.behaviour = &behaviour, .state = state, .name = "printer"};
    troupe_error error = troupe_spawn(system, &options, out);
    if (error != TROUPE_OK) {
        free(state);
    }
    return error;
}
