/* SPDX-License-Identifier: MIT */
/* The recording stage; its own check is that a recording opens and closes. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALL_MS 20000

void recording_options(recording *rec, bool in_file)
{
    memset(rec, 0, sizeof *rec);
    const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    snprintf(rec->dir, sizeof rec->dir, "%.90s/troupe-store-XXXXXX", base);
    cr_assert_not_null(mkdtemp(rec->dir));
    snprintf(rec->file, sizeof rec->file, "%s/state/test.db", rec->dir);
    rec->options.name = "test";
    rec->options.state_dir = rec->dir;
    rec->options.store = in_file ? rec->file : ":memory:";
    rec->clock_us = INT64_C(1700000000000000);
}

static troupe_address spawn(recording *rec,
                            troupe_error (*prepare)(troupe_actor *self, void *context,
                                                    troupe_spawn_options *out))
{
    troupe_spawn_options options;
    troupe_address address = 0;
    cr_assert_eq(prepare(NULL, &rec->options, &options), TROUPE_OK);
    cr_assert_eq(troupe_spawn(rec->system, &options, &address), TROUPE_OK);
    return address;
}

void recording_open(recording *rec)
{
    cr_assert_eq(troupe_system_open(NULL, &rec->system), TROUPE_OK);
    cr_assert_eq(troupe_guest_create(rec->system, &rec->guest), TROUPE_OK);
    rec->store = spawn(rec, store_prepare);
    rec->query = spawn(rec, query_prepare);
    rec->network = spawn(rec, network_prepare);
    rec->console = spawn(rec, console_prepare);
}

void recording_stop(recording *rec)
{
    troupe_guest_destroy(rec->guest);
    if (rec->system != NULL) {
        troupe_system_close(rec->system, 5000);
    }
    rec->guest = NULL;
    rec->system = NULL;
}

static void remove_files(const char *dir)
{
    char path[400];
    struct dirent *entry;
    DIR *list = opendir(dir);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    if (list != NULL) {
        closedir(list);
    }
    rmdir(dir);
}

void recording_close(recording *rec)
{
    char state[200];
    recording_stop(rec);
    snprintf(state, sizeof state, "%s/state", rec->dir);
    remove_files(state);
    remove_files(rec->dir);
}

static void post(recording *rec, troupe_kind kind, const char *verb, troupe_buffer *payload)
{
    troupe_error error;
    cr_assert(!payload->failed);
    do { /* a guest may wait for room; the store always makes some */
        error = troupe_guest_post(rec->guest, rec->store, kind, verb, NULL,
                                  troupe_buffer_bytes(payload));
        if (error == TROUPE_EBUSY) {
            json_decref(recording_call(rec, rec->store, VERB_STORE_STATS, NULL));
        }
    } while (error == TROUPE_EBUSY);
    cr_assert_eq(error, TROUPE_OK);
    troupe_buffer_fini(payload);
}

static void post_event(recording *rec, const char *uid, const char *target, const char *session,
                       const char *method, int64_t wall_us, int64_t mono_us, const char *params)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "[s,s,s,I,I,j#]", uid, target, session, wall_us, mono_us, params,
                strlen(params));
    post(rec, TROUPE_EVENT, method, &payload);
}

void recording_event_of(recording *rec, const char *uid, const char *target, const char *session,
                        const char *method, const char *params)
{
    rec->clock_us += 1000;
    post_event(rec, uid, target, session, method, rec->clock_us, rec->clock_us / 10, params);
}

void recording_event(recording *rec, const char *method, const char *params)
{
    recording_event_of(rec, "u1", "p1:abc123", "S1", method, params);
}

int recording_feed(recording *rec, const char *name, const char *uid, const char *target)
{
    char path[512];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof path, "%.*s/data/%s", (int)(slash - __FILE__), __FILE__, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int count = 0;
    while ((len = getline(&line, &size, file)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = line;
        const char *method = strsep(&rest, "\t");
        const char *session = strsep(&rest, "\t");
        int64_t wall_us = atoll(strsep(&rest, "\t"));
        int64_t mono_us = atoll(strsep(&rest, "\t"));
        post_event(rec, uid, target, session, method, wall_us, mono_us, rest);
        count++;
    }
    free(line);
    fclose(file);
    return count;
}

void recording_target(recording *rec, const char *uid, const char *target, const char *state)
{
    troupe_buffer payload = {0};
    rec->clock_us += 1000;
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:U,s:I}", "uid", uid, "target", target,
                "chrome_id", "ABC123DEF", "type", "page", "url", "http://127.0.0.1/", "title",
                "a \"title\"", "state", state, "epoch", (uint64_t)3, "wall_us", rec->clock_us);
    post(rec, TROUPE_CAST, VERB_RECORD_TARGET, &payload);
}

void recording_browser(recording *rec, const char *uid, const char *browser, const char *state)
{
    troupe_buffer payload = {0};
    rec->clock_us += 1000;
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:s,s:I}", "uid", uid, "browser", browser,
                "origin", "launched", "state", state, "product", "Chrome/156", "pid", (int64_t)42,
                "endpoint", "pipe", "reason", (const char *)NULL, "wall_us", rec->clock_us);
    post(rec, TROUPE_CAST, VERB_RECORD_BROWSER, &payload);
}

void recording_body(recording *rec, const char *request_id, bool ok, bool base64, const char *body,
                    const char *error)
{
    troupe_buffer payload = {0};
    rec->clock_us += 1000;
    troupe_pack(&payload, "{s:s,s:s,s:s,s:s,s:b,s:b,s:x#,s:s,s:I}", "uid", "u1", "target",
                "p1:abc123", "session", "S1", "request_id", request_id, "ok", (int)ok, "base64",
                (int)base64, "body", (const void *)body, strlen(body), "error", error, "wall_us",
                rec->clock_us);
    post(rec, TROUPE_CAST, VERB_RECORD_BODY, &payload);
}

json_t *recording_call_within(recording *rec, troupe_address to, const char *verb,
                              const char *params, uint32_t timeout_ms)
{
    troupe_buffer payload = {0};
    troupe_answer answer;
    const char *text;
    size_t len;
    json_t *value = NULL;
    if (params != NULL) {
        cr_assert_eq(troupe_pack(&payload, "j#", params, strlen(params)), TROUPE_OK);
    }
    rec->error = troupe_guest_call(rec->guest, to, verb, NULL, troupe_buffer_bytes(&payload),
                                   timeout_ms, &answer);
    snprintf(rec->message, sizeof rec->message, "%s", answer.message != NULL ? answer.message : "");
    if (rec->error == TROUPE_OK && troupe_payload_json(answer.payload, &text, &len) == TROUPE_OK) {
        json_error_t why;
        value = json_loadb(text, len, JSON_ALLOW_NUL, &why);
        cr_assert_not_null(value, "%s: %s in %.*s", verb, why.text, (int)(len < 300 ? len : 300),
                           text);
    }
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return value;
}

json_t *recording_call(recording *rec, troupe_address to, const char *verb, const char *params)
{
    return recording_call_within(rec, to, verb, params, CALL_MS);
}

json_t *recording_rows(recording *rec, const char *sql)
{
    json_t *params = json_pack("{s:s}", "sql", sql);
    char *text = json_dumps(params, 0);
    json_t *answer = recording_call(rec, rec->query, "query.sql", text);
    cr_assert_not_null(answer, "%s: %s", sql, rec->message);
    json_t *rows = json_incref(json_object_get(answer, "rows"));
    json_decref(answer);
    json_decref(params);
    free(text);
    return rows;
}

const char *recording_value(recording *rec, const char *sql)
{
    static char text[4096];
    json_t *rows = recording_rows(rec, sql);
    const json_t *value = json_array_get(json_array_get(rows, 0), 0);
    text[0] = '\0';
    if (json_is_string(value)) {
        snprintf(text, sizeof text, "%s", json_string_value(value));
    } else if (value != NULL) {
        char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        snprintf(text, sizeof text, "%s", dump);
        free(dump);
    }
    json_decref(rows);
    return text;
}

void recording_join(recording *rec, troupe_address address)
{
    cr_assert_eq(troupe_join(rec->system, address, CALL_MS), TROUPE_OK);
}

Test(store_fixture, recording_opens_and_closes, .timeout = 60)
{
    recording rec;
    recording_options(&rec, true);
    recording_open(&rec);
    json_t *stats = recording_call(&rec, rec.store, VERB_STORE_STATS, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(stats, "path")), rec.file);
    json_decref(stats);
    recording_close(&rec);
    cr_expect_neq(access(rec.dir, F_OK), 0);
}
