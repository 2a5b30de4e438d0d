/* SPDX-License-Identifier: MIT */
/* The store as an actor: subscribers, clearing, retention, restarts, its file, a full disk. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static recording rec;

static void prepare_file(void)
{
    recording_options(&rec, true);
}

static void close_recording(void)
{
    recording_close(&rec);
}

TestSuite(store_actor, .init = prepare_file, .fini = close_recording, .timeout = 60);

static void one_request(const char *id)
{
    char params[300];
    snprintf(params, sizeof params,
             "{\"requestId\":\"%s\",\"timestamp\":1,\"request\":{\"url\":\"http://x/%s\","
             "\"method\":\"GET\"}}",
             id, id);
    recording_event(&rec, "Network.requestWillBeSent", params);
    snprintf(params, sizeof params, "{\"requestId\":\"%s\",\"timestamp\":2}", id);
    recording_event(&rec, "Network.loadingFinished", params);
}

static void console_line(const char *text)
{
    char params[300];
    snprintf(params, sizeof params,
             "{\"type\":\"log\",\"args\":[{\"type\":\"string\",\"value\":\"%s\"}]}", text);
    recording_event(&rec, "Runtime.consoleAPICalled", params);
}

static void sync_store(void)
{
    json_decref(recording_call(&rec, rec.store, VERB_STORE_SYNC, NULL));
    cr_assert_eq(rec.error, TROUPE_OK, "%s", rec.message);
}

static int64_t stat_of(const char *key)
{
    json_t *stats = recording_call(&rec, rec.store, VERB_STORE_STATS, NULL);
    int64_t value = json_integer_value(json_object_get(stats, key));
    json_decref(stats);
    return value;
}

/* Subscribers ------------------------------------------------------------------------------------
 */

#define HEARD_MAX 2000

/* What a subscribing actor heard; shared with the test's thread under the lock. */
typedef struct listener {
    pthread_mutex_t lock;
    sem_t subscribed, heard, gate;
    bool gated; /* wait at the gate at the first event */
    char *texts[HEARD_MAX];
    char verbs[HEARD_MAX][16];
    int count;
} listener;

static listener ear;

static void subscribed(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    (void)self;
    (void)answer;
    listener *me = context;
    cr_expect_eq(error, TROUPE_OK);
    sem_post(&me->subscribed);
}

static troupe_error listener_start(troupe_actor *self, void *state)
{
    troupe_buffer topics = {0};
    troupe_pack(&topics, "{s:[s,s,s,s]}", "topics", "network", "console", "target", "gap");
    troupe_error error = troupe_call(self, troupe_whereis(troupe_self_system(self), NAME_STORE),
                                     VERB_STORE_SUBSCRIBE, NULL, troupe_buffer_bytes(&topics),
                                     10000, subscribed, state, NULL);
    troupe_buffer_fini(&topics);
    return error;
}

static troupe_error listener_receive(troupe_actor *self, void *state, const troupe_envelope *event)
{
    (void)self;
    listener *me = state;
    const char *text;
    size_t len;
    if (me->gated) {
        me->gated = false;
        sem_wait(&me->gate);
    }
    if (event->kind == TROUPE_EVENT && me->count < HEARD_MAX &&
        troupe_payload_json(event->payload, &text, &len) == TROUPE_OK) {
        pthread_mutex_lock(&me->lock);
        snprintf(me->verbs[me->count], sizeof me->verbs[0], "%.*s", (int)event->verb_len,
                 event->verb);
        me->texts[me->count++] = strndup(text, len);
        pthread_mutex_unlock(&me->lock);
        sem_post(&me->heard);
    }
    return TROUPE_OK;
}

static const troupe_behaviour listener_behaviour = {
    .kind = "listener", .start = listener_start, .receive = listener_receive};

static troupe_address listen_with(uint32_t mailbox, bool gated)
{
    troupe_address address = 0;
    pthread_mutex_init(&ear.lock, NULL);
    sem_init(&ear.subscribed, 0, 0);
    sem_init(&ear.heard, 0, 0);
    sem_init(&ear.gate, 0, 0);
    ear.gated = gated;
    troupe_spawn_options options = {
        .behaviour = &listener_behaviour, .state = &ear, .mailbox_envelopes = mailbox};
    cr_assert_eq(troupe_spawn(rec.system, &options, &address), TROUPE_OK);
    sem_wait(&ear.subscribed);
    return address;
}

/* Wait for one more event; false after 20 s. */
static bool hear(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    return sem_timedwait(&ear.heard, &until) == 0;
}

static json_t *heard(int index)
{
    pthread_mutex_lock(&ear.lock);
    json_t *value = index < ear.count ? json_loads(ear.texts[index], 0, NULL) : NULL;
    pthread_mutex_unlock(&ear.lock);
    return value;
}

static void forget_heard(void)
{
    for (int i = 0; i < ear.count; i++) {
        free(ear.texts[i]);
    }
}

Test(store_actor, subscriber_hears_rows_as_the_methods_return_them)
{
    recording_open(&rec);
    (void)listen_with(0, false);
    one_request("1");
    console_line("hello");
    recording_target(&rec, "u1", "p1:abc123", "connected");
    cr_assert(hear() && hear() && hear());
    json_t *listed = recording_call(&rec, rec.network, "network", "{}");
    json_t *row = heard(0);
    cr_expect_str_eq(ear.verbs[0], "network");
    cr_expect(json_equal(row, json_array_get(json_object_get(listed, "requests"), 0)));
    json_decref(row);
    json_decref(listed);
    listed = recording_call(&rec, rec.console, "console", "{}");
    row = heard(1);
    cr_expect_str_eq(ear.verbs[1], "console");
    cr_expect(json_equal(row, json_array_get(json_object_get(listed, "messages"), 0)));
    json_decref(row);
    json_decref(listed);
    row = heard(2);
    cr_expect_str_eq(ear.verbs[2], "target");
    cr_expect_str_eq(json_string_value(json_object_get(row, "browser")), "p1");
    cr_expect_str_eq(json_string_value(json_object_get(row, "title")), "a \"title\"");
    cr_expect_eq(json_integer_value(json_object_get(row, "epoch")), 3);
    json_decref(row);
    forget_heard();
}

Test(store_actor, subscriber_hears_each_hop_that_ends_and_sockets_twice)
{
    recording_open(&rec);
    (void)listen_with(0, false);
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    for (int i = 0; i < 26 + 1 + 26; i++) { /* hops, one socket that opened, console lines */
        cr_assert(hear(), "%d", i);
    }
    sync_store();
    cr_expect_neq(sem_trywait(&ear.heard), 0);
    forget_heard();
}

Test(store_actor, slow_subscriber_is_told_what_it_missed)
{
    recording_open(&rec);
    (void)listen_with(8, true);
    char text[32];
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "line %d", i);
        console_line(text);
    }
    sync_store(); /* the store never waited for it */
    expect_value(&rec, "SELECT count(*) FROM console", "500");
    sem_post(&ear.gate);
    int64_t lines = 0, missed = 0;
    for (int i = 0; lines + missed < 500; i++) {
        cr_assert(hear());
        json_t *value = heard(i);
        if (strcmp(ear.verbs[i], "gap") == 0) {
            cr_expect_str_eq(json_string_value(json_object_get(value, "topic")), "console");
            missed += json_integer_value(json_object_get(value, "count"));
        } else {
            lines++;
        }
        json_decref(value);
    }
    cr_expect_eq(lines + missed, 500);
    cr_expect_gt(missed, 0);
    console_line("after"); /* and then it hears again */
    cr_assert(hear());
    forget_heard();
}

Test(store_actor, subscriber_that_ended_is_forgotten)
{
    recording_open(&rec);
    troupe_address address = listen_with(0, false);
    cr_assert_eq(troupe_stop(rec.system, address, TROUPE_STOP_NOW), TROUPE_OK);
    recording_join(&rec, address);
    one_request("1");
    expect_value(&rec, "SELECT count(*) FROM request", "1");
}

/* Clearing ---------------------------------------------------------------------------------------
 */

static size_t listed(troupe_address to, const char *method, const char *key)
{
    json_t *answer = recording_call(&rec, to, method, "{}");
    size_t count = json_array_size(json_object_get(answer, key));
    json_decref(answer);
    return count;
}

Test(store_actor, clear_hides_from_lists_and_keeps)
{
    recording_open(&rec);
    one_request("1");
    console_line("old");
    json_t *answer = recording_call(&rec, rec.network, "clear", NULL);
    cr_expect(json_is_false(json_object_get(answer, "purged")));
    json_decref(answer);
    one_request("2");
    console_line("new");
    cr_expect_eq(listed(rec.network, "network", "requests"), 1);
    cr_expect_eq(listed(rec.console, "console", "messages"), 1);
    expect_value(&rec, "SELECT count(*) FROM har_summary", "2");
}

Test(store_actor, purge_deletes_all_but_what_is_open)
{
    recording_open(&rec);
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    recording_event(
        &rec, "Network.requestWillBeSent",
        "{\"requestId\":\"open\",\"timestamp\":1,\"request\":{\"url\":\"http://x/o\"}}");
    json_t *answer = recording_call(&rec, rec.network, "clear", "{\"purge\":true}");
    cr_expect(json_is_true(json_object_get(answer, "purged")));
    json_decref(answer);
    recording_event(&rec, "Network.loadingFinished", "{\"requestId\":\"open\",\"timestamp\":3}");
    expect_value(&rec, "SELECT group_concat(url||state||time_ms) FROM har_summary",
                 "http://x/ocomplete2000.0");
    expect_value(&rec,
                 "SELECT (SELECT count(*) FROM event)||(SELECT count(*) FROM response)||"
                 "(SELECT count(*) FROM websocket_frame)||(SELECT count(*) FROM console)||"
                 "(SELECT count(*) FROM page)",
                 "20000");
    cr_expect_eq(stat_of("events"), 2);
    recording_call(&rec, rec.network, "clear", "{\"purge\":1}");
    cr_expect_eq(rec.error, TROUPE_EPARAMS);
}

/* Retention --------------------------------------------------------------------------------------
 */

Test(store_actor, retention_removes_old_requests_whole_and_keeps_open_ones_whole)
{
    recording_open(&rec);
    rec.clock_us = INT64_C(1500000000000000); /* years ago */
    recording_event(
        &rec, "Network.requestWillBeSent",
        "{\"requestId\":\"long\",\"timestamp\":1,\"request\":{\"url\":\"http://x/l\"}}");
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", i);
        one_request(id);
        console_line("old");
    }
    rec.clock_us = (int64_t)time(NULL) * 1000000;
    recording_event(&rec, "Network.responseReceived",
                    "{\"requestId\":\"long\",\"timestamp\":2,\"response\":{\"status\":200}}");
    one_request("new");
    expect_value(&rec, "SELECT count(*) FROM request", "22");
    recording_stop(&rec);
    rec.options.store_days = 7;
    recording_open(&rec); /* runs it; what was open is ended by the restart, but lately used */
    expect_value(&rec, "SELECT group_concat(url,' ') FROM request", "http://x/l http://x/new");
    expect_value(&rec, "SELECT count(*) FROM event", "4");
    expect_value(&rec, "SELECT count(*) FROM console", "0");
    cr_expect_eq(stat_of("requests"), 2);
    cr_expect_eq(stat_of("events"), 4);
}

Test(store_actor, retention_keeps_the_bytes_in_bounds)
{
    rec.options.store_bytes_max = 4 * 1024 * 1024;
    recording_open(&rec);
    char uid[16];
    for (int i = 0; i < 250; i++) {
        snprintf(uid, sizeof uid, "u%d", i);
        recording_feed(&rec, "browser_events.tsv", uid, "p1:abc123");
    }
    recording_stop(&rec);
    recording_open(&rec);
    cr_expect_leq(stat_of("bytes"), 4 * 1024 * 1024);
    cr_expect_gt(stat_of("requests"), 0);
    expect_value(
        &rec, "SELECT count(*) FROM response WHERE request NOT IN (SELECT id FROM request)", "0");
    expect_value(&rec, "SELECT count(*) FROM request WHERE chain NOT IN (SELECT id FROM request)",
                 "0");
    expect_value(&rec,
                 "SELECT count(*) FROM request r WHERE NOT EXISTS"
                 " (SELECT 1 FROM event e WHERE e.request=r.chain)",
                 "0");
}

/* Full-text search -------------------------------------------------------------------------------
 */

static void found(const char *text, const char *url)
{
    char params[64];
    snprintf(params, sizeof params, "{\"text\":\"%s\"}", text);
    json_t *answer = recording_call(&rec, rec.network, "network", params);
    const json_t *rows = json_object_get(answer, "requests");
    cr_assert_eq(json_array_size(rows), 1, "%s", text);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(rows, 0), "url")), url);
    json_decref(answer);
}

Test(store_actor, the_text_index_is_made_anew_when_most_of_it_was_deleted)
{
    recording_open(&rec);
    rec.clock_us = INT64_C(1500000000000000);
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", i);
        one_request(id);
    }
    rec.clock_us = (int64_t)time(NULL) * 1000000;
    one_request("new");
    found("url:r7", "http://x/r7");
    expect_value(&rec, "SELECT search_rows FROM counters", "21");
    recording_stop(&rec);
    rec.options.store_days = 7;
    recording_open(&rec);
    expect_value(&rec, "SELECT search_rows FROM counters", "0");
    found("url:new", "http://x/new");
    expect_value(&rec, "SELECT search_rows FROM counters", "1");
    expect_value(&rec, "SELECT count(*) FROM search_request WHERE search_request MATCH 'r7'", "0");
}

Test(store_actor, a_file_of_before_the_text_index_is_searched_too)
{
    sqlite3 *db = NULL;
    recording_open(&rec);
    one_request("old");
    sync_store();
    recording_stop(&rec);
    cr_assert_eq(sqlite3_open(rec.file, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "DROP TABLE search_request; DROP TABLE search_body;"
                              "DROP TABLE search_later; DROP TABLE dialog; DROP TABLE download;"
                              "DROP TABLE lifecycle; DROP VIEW screenshot_content;"
                              "DROP TRIGGER body_gone; DROP TABLE screenshot;"
                              "DROP VIEW har_entry; DROP VIEW har_summary; DROP TABLE paused;"
                              "ALTER TABLE request ADD COLUMN pause_stage TEXT;"
                              "ALTER TABLE request ADD COLUMN paused_id TEXT;"
                              "CREATE VIEW har_summary AS SELECT 1;"
                              "CREATE VIEW har_entry AS SELECT 1;"
                              "CREATE TRIGGER body_gone AFTER DELETE ON body BEGIN SELECT 1; END;"
                              "ALTER TABLE counters DROP COLUMN search_request;"
                              "ALTER TABLE counters DROP COLUMN search_body;"
                              "ALTER TABLE counters DROP COLUMN search_rows;"
                              "ALTER TABLE counters DROP COLUMN search_gone;"
                              "PRAGMA user_version=3;",
                              NULL, NULL, NULL),
                 SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    recording_open(&rec);
    found("old", "http://x/old");
}

/* The file ---------------------------------------------------------------------------------------
 */

Test(store_actor, file_and_directory_are_private)
{
    struct stat info;
    char path[200];
    umask(0);
    recording_open(&rec);
    one_request("1");
    sync_store();
    cr_assert_eq(stat(rec.file, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s-wal", rec.file);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/state", rec.dir);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
}

Test(store_actor, everything_is_there_after_a_restart_and_what_was_open_has_failed)
{
    recording_open(&rec);
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    recording_browser(&rec, "u1", "p1", "up");
    recording_event(
        &rec, "Network.requestWillBeSent",
        "{\"requestId\":\"open\",\"timestamp\":1,\"request\":{\"url\":\"http://x/o\"}}");
    recording_stop(&rec);
    recording_open(&rec);
    one_request("after");
    expect_value(&rec, "SELECT count(*)||' '||max(id) FROM har_summary", "28 28");
    expect_value(&rec, "SELECT state||error FROM request WHERE id=27", "failedhost stopped");
    expect_value(&rec, "SELECT state FROM browser", "down");
    cr_expect_eq(stat_of("requests"), 28);
    cr_expect_eq(stat_of("console"), 26);
}

Test(store_actor, check_reports_what_is_wrong)
{
    char path[512];
    troupe_reason reason = {""};
    cr_expect_eq(store_check(&rec.options, path, sizeof path, &reason), TROUPE_OK, "%s",
                 reason.text);
    cr_expect_str_eq(path, rec.file);
    recording_open(&rec);
    cr_expect_eq(stat_of("requests"), 0); /* answered: the file is open, and locked */
    cr_expect_eq(store_check(&rec.options, path, sizeof path, &reason), TROUPE_ESTORAGE);
    cr_expect_not_null(strstr(reason.text, "another host"), "%s", reason.text);
    recording_stop(&rec);

    FILE *file = fopen(rec.file, "w");
    fputs("this is a text that is long enough to be no database, whoever looks at it", file);
    fclose(file);
    cr_expect_eq(store_check(&rec.options, path, sizeof path, &reason), TROUPE_ESTORAGE);
    cr_expect_not_null(strstr(reason.text, rec.file), "%s", reason.text);

    rec.options.store = rec.dir; /* a directory */
    cr_expect_eq(store_check(&rec.options, path, sizeof path, &reason), TROUPE_ESTORAGE);
    rec.options.store = "/proc/nowhere/x.db";
    cr_expect_eq(store_check(&rec.options, path, sizeof path, &reason), TROUPE_ESTORAGE);
    rec.options.store = ":memory:";
    cr_expect_eq(store_check(&rec.options, path, sizeof path, &reason), TROUPE_OK);
    cr_expect_str_eq(path, ":memory:");
    rec.options.store = rec.file;
}

Test(store_actor, store_that_cannot_open_ends_with_storage)
{
    rec.options.store = "/proc/nowhere/x.db";
    troupe_spawn_options options;
    troupe_address address;
    cr_assert_eq(troupe_system_open(NULL, &rec.system), TROUPE_OK);
    cr_assert_eq(troupe_guest_create(rec.system, &rec.guest), TROUPE_OK);
    cr_assert_eq(store_prepare(NULL, &rec.options, &options), TROUPE_OK);
    cr_assert_eq(troupe_spawn(rec.system, &options, &address), TROUPE_OK);
    recording_join(&rec, address);
}

Test(store_actor, disk_that_is_full_loses_counted_events_and_nothing_else)
{
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    recording_open(&rec);
    one_request("before");
    sync_store();
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 256 * 1024;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 30; i++) {
        recording_feed(&rec, "browser_events.tsv", "u2", "p1:abc123");
        sync_store(); /* answers all the same */
    }
    cr_expect_gt(stat_of("dropped"), 0);
    expect_value(&rec, "SELECT count(*) FROM request WHERE url='http://x/before'", "1");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; stat_of("gaps") == 0 && i < 2000000; i++) { /* until it tries again */
        recording_event(&rec, "Page.x", "{}");
    }
    one_request("after");
    expect_value(&rec, "SELECT count(*) FROM request WHERE url='http://x/after'", "1");
    expect_value(&rec, "SELECT count(*)||(sum(count)>0)||(reason IS NOT NULL) FROM gap", "111");
}

Test(store_actor, gaps_are_rows)
{
    recording_open(&rec);
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:U,s:U,s:s,s:I}", "uid", "u1", "count", (uint64_t)7, "bytes",
                (uint64_t)700, "reason", "slow", "wall_us", (int64_t)5);
    cr_assert_eq(troupe_guest_post(rec.guest, rec.store, TROUPE_CAST, VERB_RECORD_GAP, NULL,
                                   troupe_buffer_bytes(&payload)),
                 TROUPE_OK);
    troupe_buffer_fini(&payload);
    expect_value(&rec, "SELECT count||reason||bytes FROM gap", "7slow700");
    cr_expect_eq(stat_of("gaps"), 1);
}

Test(store_actor, rows_are_committed_without_being_asked_and_then_it_rests)
{
    recording_open(&rec);
    one_request("1");
    int64_t committed = 0;
    while (committed == 0) { /* its timer; the suite's time limit is the test */
        committed = stat_of("committed");
    }
    cr_expect_eq(committed, 1);
    cr_expect_eq(stat_of("requests"), 1);
}
