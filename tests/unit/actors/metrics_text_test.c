/* SPDX-License-Identifier: MIT */
/*
 * Prometheus text: read back by a parser that accepts what the format's description allows and
 * nothing else, and checks what a scraper relies on.
 */
#include "bridge_fixture.h"

#include "actors/bridge/metrics_text.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parser ----------------------------------------------------------------------------------- */

#define SAMPLES_MAX 4000

typedef struct sample {
    char name[128];
    char labels[256]; /* as written, without le */
    char le[32];      /* "" = none */
    double value;
    char family[128];
    char type[16];
} sample;

static sample samples[SAMPLES_MAX];
static size_t sample_count;

static const char *take_name(const char *at, char *out, size_t size, bool colons)
{
    size_t len = 0;
    cr_assert(isalpha((unsigned char)*at) || *at == '_' || (colons && *at == ':'), "%.40s", at);
    while (isalnum((unsigned char)at[len]) || at[len] == '_' || (colons && at[len] == ':')) {
        len++;
    }
    cr_assert_lt(len, size);
    memcpy(out, at, len);
    out[len] = '\0';
    return at + len;
}

/* A quoted value; only \\, \" and \n are escapes. */
static const char *take_quoted(const char *at, char *out, size_t size)
{
    size_t len = 0;
    cr_assert_eq(*at++, '"');
    while (*at != '"') {
        cr_assert(*at != '\0' && *at != '\n', "a label's value does not end");
        if (*at == '\\') {
            cr_assert(at[1] == '\\' || at[1] == '"' || at[1] == 'n', "%.20s", at);
            at++;
        }
        cr_assert_lt(len + 1, size);
        out[len++] = *at++;
    }
    out[len] = '\0';
    return at + 1;
}

static const char *take_labels(const char *at, sample *out)
{
    cr_assert_eq(*at++, '{');
    while (*at != '}') {
        char name[64];
        char value[200];
        at = take_quoted(strchr(take_name(at, name, sizeof name, false), '=') + 1, value,
                         sizeof value);
        if (strcmp(name, "le") == 0) {
            cr_assert_lt((size_t)snprintf(out->le, sizeof out->le, "%s", value), sizeof out->le);
        } else {
            size_t used = strlen(out->labels);
            cr_assert_null(strstr(out->labels, name), "label %s twice", name);
            cr_assert_lt((size_t)snprintf(out->labels + used, sizeof out->labels - used, "%s=%s;",
                                          name, value),
                         sizeof out->labels - used);
        }
        cr_assert(*at == ',' || *at == '}', "%.20s", at);
        at += *at == ',' && at[1] != '}';
    }
    return at + 1;
}

static bool in_family(const char *name, const char *family, const char *type)
{
    size_t len = strlen(family);
    if (strcmp(type, "histogram") == 0) {
        return strncmp(name, family, len) == 0 &&
               (strcmp(name + len, "_bucket") == 0 || strcmp(name + len, "_sum") == 0 ||
                strcmp(name + len, "_count") == 0);
    }
    return strcmp(name, family) == 0;
}

static void parse_sample(const char *line, const char *family, const char *type)
{
    cr_assert_lt(sample_count, SAMPLES_MAX);
    sample *made = &samples[sample_count++];
    memset(made, 0, sizeof *made);
    const char *at = take_name(line, made->name, sizeof made->name, true);
    if (*at == '{') {
        at = take_labels(at, made);
    }
    cr_assert_eq(*at, ' ', "%s", line);
    char *end;
    made->value = strtod(at + 1, &end);
    cr_assert(end != at + 1 && *end == '\0', "%s", line);
    cr_assert(in_family(made->name, family, type), "%s outside its family %s", made->name, family);
    snprintf(made->family, sizeof made->family, "%s", family);
    snprintf(made->type, sizeof made->type, "%s", type);
    for (size_t i = 0; i + 1 < sample_count; i++) {
        cr_assert(strcmp(samples[i].name, made->name) != 0 ||
                      strcmp(samples[i].labels, made->labels) != 0 ||
                      strcmp(samples[i].le, made->le) != 0,
                  "twice: %s", line);
    }
}

static void check_family(const char *family, const char *type)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "untyped"};
    bool known = false;
    size_t len = strlen(family);
    for (size_t i = 0; i < 4; i++) {
        known |= strcmp(types[i], type) == 0;
    }
    cr_assert(known, "type %s", type);
    bool total = len > 6 && strcmp(family + len - 6, "_total") == 0;
    cr_assert_eq(total, strcmp(type, "counter") == 0, "%s is a %s", family, type);
    for (size_t i = 0; i < sample_count; i++) {
        cr_assert_str_neq(samples[i].family, family, "family %s in two places", family);
    }
}

/* HELP, TYPE, samples; and again. */
static void parse(const char *text)
{
    char *copy = strdup(text);
    char family[128] = "";
    char type[16] = "";
    char *save;
    size_t len = strlen(copy);
    sample_count = 0;
    cr_assert(len > 0 && copy[len - 1] == '\n', "the last line ends too");
    cr_assert_null(strstr(copy, "\n\n"), "no empty lines");
    for (char *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            const char *at = take_name(line + 7, family, sizeof family, true);
            cr_assert(*at == ' ' && strlen(at) > 3, "%s", line);
            char again[128];
            line = strtok_r(NULL, "\n", &save);
            cr_assert(line != NULL && strncmp(line, "# TYPE ", 7) == 0, "TYPE follows HELP");
            at = take_name(line + 7, again, sizeof again, true);
            cr_assert_str_eq(again, family);
            cr_assert_eq(*at, ' ');
            cr_assert_lt((size_t)snprintf(type, sizeof type, "%s", at + 1), sizeof type);
            check_family(family, type);
        } else {
            cr_assert_neq(line[0], '#', "%s", line);
            parse_sample(line, family, type);
        }
    }
    free(copy);
}

static const sample *find(const char *name, const char *labels, const char *le)
{
    for (size_t i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, name) == 0 && strcmp(samples[i].labels, labels) == 0 &&
            strcmp(samples[i].le, le) == 0) {
            return &samples[i];
        }
    }
    return NULL;
}

static double value_of(const char *name, const char *labels)
{
    const sample *found = find(name, labels, "");
    cr_assert_not_null(found, "%s %s", name, labels);
    return found->value;
}

/* Buckets go up, in bounds and in counts, and the last one holds all. */
static void check_histograms(void)
{
    for (size_t i = 0; i < sample_count; i++) {
        const sample *one = &samples[i];
        if (one->le[0] == '\0') {
            cr_assert(strcmp(one->type, "histogram") != 0 || strstr(one->name, "_bucket") == NULL);
            continue;
        }
        cr_assert_str_eq(one->type, "histogram");
        bool last = strcmp(one->le, "+Inf") == 0;
        if (!last) {
            const sample *next = &samples[i + 1];
            cr_assert(strcmp(next->name, one->name) == 0 && strcmp(next->labels, one->labels) == 0);
            cr_assert_lt(strtod(one->le, NULL), strtod(next->le, NULL));
            cr_assert_leq(one->value, next->value);
            continue;
        }
        char name[160];
        snprintf(name, sizeof name, "%s_count", one->family);
        cr_assert_eq(value_of(name, one->labels), one->value);
        snprintf(name, sizeof name, "%s_sum", one->family);
        cr_assert_geq(value_of(name, one->labels), 0);
    }
}

/* From JSON -------------------------------------------------------------------------------------
 */

static void write_and_parse(const char *json)
{
    json_error_t error;
    json_t *all = json_loads(json, 0, &error);
    cr_assert_not_null(all, "%s", error.text);
    troupe_buffer out = {0};
    metrics_text(all, &out);
    troupe_buffer_append(&out, "", 1);
    parse((const char *)out.data);
    check_histograms();
    troupe_buffer_fini(&out);
    json_decref(all);
}

#define METHOD                                                                                   \
    "{\"sent\":9,\"answered\":8,\"errors\":2,\"timeouts\":1,\"bytes_out\":900,\"bytes_in\":800," \
    "\"latency_ms\":{\"sum\":1500.5},\"latency\":[[16,1],[24,2],[64,1],[96,1],[1024,2],[null,1]]}"

Test(metrics_text, nothing_is_still_a_text)
{
    write_and_parse("{}");
    cr_assert_eq(value_of("troupe_browsers", ""), 0);
}

Test(metrics_text, histogram_is_cumulative_and_in_seconds)
{
    write_and_parse("{\"browsers\":{\"p1\":{\"methods\":{\"A.b\":" METHOD "}}}}");
    static const struct {
        const char *le;
        double count;
    } buckets[] = {{"0.000016", 1}, {"0.000064", 4},  {"0.000256", 5},
                   {"0.001024", 7}, {"67.108864", 7}, {"+Inf", 8}};
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++) {
        const sample *found = find("troupe_cdp_command_duration_seconds_bucket",
                                   "browser=p1;method=A.b;", buckets[i].le);
        cr_assert_not_null(found, "%s", buckets[i].le);
        cr_assert_eq(found->value, buckets[i].count, "%s: %g", buckets[i].le, found->value);
    }
    cr_assert_float_eq(
        value_of("troupe_cdp_command_duration_seconds_sum", "browser=p1;method=A.b;"), 1.5005,
        1e-9);
    cr_assert_eq(value_of("troupe_cdp_commands_total", "browser=p1;method=A.b;"), 9);
    cr_assert_eq(value_of("troupe_cdp_timeouts_total", "browser=p1;method=A.b;"), 1);
}

Test(metrics_text, families_of_several_browsers_stand_together)
{
    write_and_parse(
        "{\"process\":{\"rss_bytes\":1234567890123,\"uptime_s\":1.5},\"system\":{\"sent\":3},"
        "\"launcher\":{\"running\":2,\"leftovers\":{\"processes\":0},\"Odd Name\":1,\"list\":[1]},"
        "\"warnings\":[\"browser x: gone\"],"
        "\"browsers\":{\"p1\":{\"in_flight\":1,\"responsive\":true,\"waits\":{\"rate\":7},"
        "\"methods\":{\"A.b\":" METHOD ",\"other\":" METHOD "}},"
        "\"p2\":{\"in_flight\":5,\"responsive\":false,\"methods\":{\"A.b\":" METHOD "}}}}");
    cr_assert_eq(value_of("troupe_browser_commands_in_flight", "browser=p1;"), 1);
    cr_assert_eq(value_of("troupe_browser_commands_in_flight", "browser=p2;"), 5);
    cr_assert_eq(value_of("troupe_browser_responsive", "browser=p2;"), 0);
    cr_assert_eq(value_of("troupe_browser_waits_rate_total", "browser=p1;"), 7);
    cr_assert_eq(value_of("process_resident_memory_bytes", ""), 1234567890123);
    cr_assert_eq(value_of("troupe_launcher_running", ""), 2);
    cr_assert_eq(value_of("troupe_launcher_leftovers_processes", ""), 0);
    cr_assert_eq(value_of("troupe_metrics_warnings", ""), 1);
    cr_assert_eq(value_of("troupe_cdp_commands_total", "browser=p1;method=other;"), 9);
}

Test(metrics_text, labels_are_escaped)
{
    write_and_parse("{\"browsers\":{\"a\\\"b\\\\c\\nd\":{\"in_flight\":4}}}");
    cr_assert_eq(value_of("troupe_browser_commands_in_flight", "browser=a\"b\\cnd;"), 4);
}

/* Over HTTP -------------------------------------------------------------------------------------
 */

static bridge_stage theatre;
static troupe_address browser;

#define GET_METRICS "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"

static troupe_error be_browser(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    (void)context;
    if (troupe_verb_is(envelope, "browser.metrics")) {
        const char *text = "{\"browser\":\"p1\",\"in_flight\":3,\"methods\":{\"A.b\":" METHOD "}}";
        troupe_reply_json(self, troupe_caller_of(envelope), text, strlen(text));
    }
    return TROUPE_OK;
}

static troupe_error be_silent(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    (void)self;
    (void)context;
    (void)envelope;
    return TROUPE_OK;
}

static void open_stage(void)
{
    static const troupe_behaviour behaviour = {.kind = "browser", .receive = be_browser};
    static const troupe_behaviour silent = {.kind = "browser", .receive = be_silent};
    troupe_spawn_options spawn = {.behaviour = &behaviour, .name = "browser/p1", .restarts = 2};
    troupe_reason reason = {""};
    cr_assert_eq(stage_open(&theatre, &reason), TROUPE_OK, "%s", reason.text);
    cr_assert_eq(troupe_spawn(theatre.system, &spawn, &browser), TROUPE_OK);
    spawn.behaviour = &silent;
    spawn.name = "browser/p2";
    cr_assert_eq(troupe_spawn(theatre.system, &spawn, &browser), TROUPE_OK);
}

TestSuite(metrics_http, .timeout = 60);

Test(metrics_http, rpc_has_every_browser_and_names_who_is_silent)
{
    stage_options(&theatre);
    open_stage();
    json_t *answer = rpc_value(&theatre, "{\"jsonrpc\":\"2.0\",\"method\":\"metrics\",\"id\":1}");
    json_t *result = json_object_get(answer, "result");
    json_t *p1 = json_object_get(json_object_get(result, "browsers"), "p1");
    cr_assert_eq(json_integer_value(json_object_get(p1, "in_flight")), 3);
    cr_assert_eq(json_integer_value(json_object_get(p1, "reconnects")), 2);
    json_t *warnings = json_object_get(result, "warnings");
    cr_assert_eq(json_array_size(warnings), 1);
    cr_assert_not_null(strstr(json_string_value(json_array_get(warnings, 0)), "browser p2: "), "%s",
                       json_string_value(json_array_get(warnings, 0)));
    cr_assert_not_null(json_object_get(result, "system"));
    cr_assert_not_null(json_object_get(result, "process"));
    json_decref(answer);
    stage_close(&theatre);
}

Test(metrics_http, text_is_what_a_scraper_reads)
{
    stage_options(&theatre);
    open_stage();
    response got = http_raw(theatre.addresses.port, GET_METRICS "\r\n");
    cr_assert_eq(got.status, 200);
    cr_assert_not_null(
        strstr(got.head, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    parse(got.body);
    check_histograms();
    cr_assert_eq(value_of("troupe_browser_commands_in_flight", "browser=p1;"), 3);
    cr_assert_eq(value_of("troupe_browser_reconnects_total", "browser=p1;"), 2);
    cr_assert_eq(value_of("troupe_metrics_warnings", ""), 1);
    cr_assert_gt(value_of("process_resident_memory_bytes", ""), 0);
    cr_assert_gt(value_of("troupe_envelopes_sent_total", ""), 0);
    response_free(&got);
    got = http_raw(theatre.addresses.port,
                   "POST /metrics HTTP/1.1\r\nHost: localhost\r\n"
                   "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n");
    cr_assert_eq(got.status, 405);
    response_free(&got);
    stage_close(&theatre);
}

Test(metrics_http, text_needs_the_token_unless_it_is_public)
{
    for (int public = 0; public < 2; public ++) {
        stage_options(&theatre);
        theatre.options.token = "secret-secret-secret";
        theatre.options.metrics_public = public != 0;
        troupe_reason reason = {""};
        cr_assert_eq(stage_open(&theatre, &reason), TROUPE_OK, "%s", reason.text);
        response got = http_raw(theatre.addresses.port, GET_METRICS "\r\n");
        cr_assert_eq(got.status, public ? 200 : 401);
        response_free(&got);
        got = http_raw(theatre.addresses.port,
                       GET_METRICS "Authorization: Bearer secret-secret-secret\r\n\r\n");
        cr_assert_eq(got.status, 200);
        response_free(&got);
        got = http_raw(theatre.addresses.port, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        cr_assert_eq(got.status, 401, "nothing else is public");
        response_free(&got);
        stage_close(&theatre);
    }
}
