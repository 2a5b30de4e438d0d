/* SPDX-License-Identifier: MIT */
/*
 * The actor `store`: the only writer of the database. It hands what comes in to the recorder and
 * decides when to commit: when enough is gathered, when somebody wants to read (store.sync), at the
 * latest COMMIT_MS after the first row. At rest it has no timer.
 */
#include "actors/board.h"
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "recorder.h"
#include "retention.h"
#include "schema.h"
#include "search_index.h"
#include "subscribers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMMIT_ROWS       2000
#define COMMIT_MS         100
#define RETENTION_EVENTS  2000 /* events between two looks at the limits */
#define RETENTION_MS      10   /* between two steps of making room */
#define INDEX_MS          1    /* between two steps of indexing */
#define INDEX_WAITERS     64
#define VACUUM_MS         2 /* between two steps of giving room back */
#define MAILBOX_ENVELOPES 32768
#define MAILBOX_BYTES     (64u * 1024 * 1024)

typedef struct store {
    const troupe_host_options *options;
    char path[SCHEMA_PATH_MAX];
    int lock; /* -1: in memory, or not open */
    bool open;
    bool told; /* users know that storage fails */
    recorder rec;
    subscribers subscribers;
    retention_limits limits;
    int64_t retention_event;                /* the next look at the limits */
    uint64_t retention_timer;               /* until the next step; 0 = none is to come */
    uint64_t timer;                         /* 0 = none: nothing is uncommitted */
    troupe_caller searchers[INDEX_WAITERS]; /* who waits for the full-text index */
    size_t searcher_count;
    troupe_caller vacuumer; /* who waits for room that is given back */
    bool vacuuming;
    int64_t vacuum_from; /* bytes of the file when it began */
} store;

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A row is new: subscribers get it as the RPC methods return it. */
static void notify(void *context, event_topic topic, int64_t id)
{
    store *me = context;
    if (!subscribers_want(&me->subscribers, topic)) {
        return;
    }
    troupe_buffer row = {0};
    if (recorder_row(&me->rec, topic, id, &row)) {
        subscribers_publish(&me->subscribers, topic, (const char *)row.data, row.len);
    }
    troupe_buffer_fini(&row);
}

/* Commits ----------------------------------------------------------------------------------- */

/* A step, and another one soon while there is more to delete: events come in between. */
static void on_retention(troupe_actor *self, void *context)
{
    store *me = context;
    me->retention_timer = 0;
    if (retention_step(&me->rec, &me->limits, wall_us()) &&
        troupe_timer_start(self, RETENTION_MS, 0, on_retention, me, &me->retention_timer) !=
            TROUPE_OK) {
        me->retention_timer = 0;
    }
    me->retention_event = me->rec.event_last + RETENTION_EVENTS;
}

static void look_at_limits(store *me, troupe_actor *self)
{
    const retention_limits *limits = &me->limits;
    bool limited = limits->bytes_max != 0 || limits->days != 0 || limits->requests_max != 0;
    if (limited && me->retention_timer == 0 && me->rec.event_last >= me->retention_event) {
        on_retention(self, me);
    }
}

static void commit_due(troupe_actor *self, void *context)
{
    board_changed(((store *)context)->options);
    store *me = context;
    me->timer = 0;
    if (recorder_commit(&me->rec)) {
        look_at_limits(me, self);
    }
}

/* After each envelope: commit a full batch, or see that it is committed in time. */
static void schedule_commit(store *me, troupe_actor *self)
{
    if (me->rec.uncommitted >= COMMIT_ROWS && recorder_commit(&me->rec)) {
        look_at_limits(me, self);
    }
    if (me->rec.in_transaction && me->timer == 0 &&
        troupe_timer_start(self, COMMIT_MS, 0, commit_due, me, &me->timer) != TROUPE_OK) {
        me->timer = 0;
        (void)recorder_commit(&me->rec);
    }
}

/* What is recorded -------------------------------------------------------------------------- */

static void append_member(troupe_buffer *json, const char *key, const char *text, size_t len)
{
    (void)troupe_buffer_printf(json, "%s\"%s\":", json->len > 1 ? "," : "", key);
    if (text != NULL) {
        json_quote_append(json, text, len);
    } else {
        (void)troupe_buffer_append(json, "null", 4);
    }
}

/* The event as it came, for those who want any. */
static void publish_cdp(store *me, const recorded_event *event)
{
    if (!subscribers_want(&me->subscribers, TOPIC_CDP)) {
        return;
    }
    troupe_buffer json = {0};
    (void)troupe_buffer_append(&json, "{", 1);
    append_member(&json, "method", event->method, event->method_len);
    append_member(&json, "target", event->target_len > 0 ? event->target : NULL, event->target_len);
    append_member(&json, "session", event->session_len > 0 ? event->session : NULL,
                  event->session_len);
    (void)troupe_buffer_printf(&json,
                               ",\"timestamp\":%.3f,\"params\":", (double)event->wall_us / 1000.0);
    json_clean_append(&json, event->params.data, event->params.len);
    (void)troupe_buffer_append(&json, "}", 1);
    if (!json.failed) {
        subscribers_publish(&me->subscribers, TOPIC_CDP, (const char *)json.data, json.len);
    }
    troupe_buffer_fini(&json);
}

/* Nobody could be asked: that is what is known of the body. */
static void record_missed(store *me, const recorded_event *event, const char *id, size_t id_len,
                          troupe_error why)
{
    troupe_buffer payload = {0};
    troupe_error error =
        troupe_pack(&payload, "{s:s#,s:s#,s:s#,s:s#,s:b,s:s,s:I}", "uid", event->uid,
                    event->uid_len, "target", event->target, event->target_len, "session",
                    event->session, event->session_len, "request_id", id, id_len, "ok", 0, "error",
                    why == TROUPE_EGONE ? "connection closed"
                                        : "not asked for: the browser's actor had no room",
                    "wall_us", event->wall_us);
    if (error == TROUPE_OK) {
        (void)!recorder_body(&me->rec, troupe_buffer_bytes(&payload));
    }
    troupe_buffer_fini(&payload);
}

/* From the browser actor that told of the request; it posts them back as VERB_RECORD_BODY. */
static void ask_for_bodies(store *me, troupe_actor *self, troupe_address browser,
                           const recorded_event *event)
{
    const char *id;
    size_t id_len;
    troupe_buffer payload = {0};
    if (!json_plain_string(event->request_id, &id, &id_len)) {
        return;
    }
    troupe_error error = troupe_pack(
        &payload, "{s:s#,s:s#,s:s#,s:b,s:b}", "target", event->target, event->target_len, "session",
        event->session, event->session_len, "request_id", id, id_len, "body",
        (int)event->wants_body, "post_data", (int)event->wants_post_data);
    if (error == TROUPE_OK) {
        error = troupe_post(self, browser, TROUPE_CAST, VERB_BROWSER_BODY, NULL,
                            troupe_buffer_bytes(&payload));
    }
    troupe_buffer_fini(&payload);
    if (error != TROUPE_OK && event->wants_body) {
        record_missed(me, event, id, id_len, error);
    }
}

static void receive_event(store *me, troupe_actor *self, const troupe_envelope *envelope)
{
    recorded_event event = {.method = envelope->verb, .method_len = envelope->verb_len};
    const char *params = NULL;
    size_t params_len = 0;
    event.target = event.session = "";
    troupe_error error =
        troupe_unpack(envelope->payload, "[s#,s#?,s#?,I,I,j#?]", &event.uid, &event.uid_len,
                      &event.target, &event.target_len, &event.session, &event.session_len,
                      &event.wall_us, &event.mono_us, &params, &params_len);
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "store", "malformed-event", NULL, "%.*s",
                   (int)envelope->verb_len, envelope->verb);
        return;
    }
    event.params = (json_span){params != NULL ? params : "{}", params != NULL ? params_len : 2};
    recorder_event(&me->rec, &event);
    publish_cdp(me, &event);
    if (event.wants_body || event.wants_post_data) {
        ask_for_bodies(me, self, envelope->from, &event);
    }
}

/* A target changed: subscribers get it from the record itself. */
static void publish_target(store *me, troupe_bytes payload)
{
    const char *target = NULL, *type = NULL, *url = NULL, *title = NULL, *state = NULL;
    size_t target_len = 0, type_len = 0, url_len = 0, title_len = 0, state_len = 0;
    uint64_t epoch = 0;
    if (!subscribers_want(&me->subscribers, TOPIC_TARGET) ||
        troupe_unpack(payload, "{s:s#,s?:s#,s?:s#,s?:s#,s?:s#,s?:U}", "target", &target,
                      &target_len, "type", &type, &type_len, "url", &url, &url_len, "title", &title,
                      &title_len, "state", &state, &state_len, "epoch", &epoch) != TROUPE_OK) {
        return;
    }
    troupe_buffer json = {0};
    const char *colon = memchr(target, ':', target_len);
    (void)troupe_buffer_append(&json, "{", 1);
    append_member(&json, "target", target, target_len);
    append_member(&json, "browser", target, colon != NULL ? (size_t)(colon - target) : target_len);
    append_member(&json, "type", type, type_len);
    append_member(&json, "url", url, url_len);
    append_member(&json, "title", title, title_len);
    append_member(&json, "state", state, state_len);
    (void)troupe_buffer_printf(&json, ",\"epoch\":%llu}", (unsigned long long)epoch);
    if (!json.failed) {
        subscribers_publish(&me->subscribers, TOPIC_TARGET, (const char *)json.data, json.len);
    }
    troupe_buffer_fini(&json);
}

/* A browser came or went. */
static void publish_browser(store *me, troupe_bytes payload)
{
    const char *browser = NULL, *origin = NULL, *state = NULL, *product = NULL, *reason = NULL;
    size_t browser_len = 0, origin_len = 0, state_len = 0, product_len = 0, reason_len = 0;
    if (!subscribers_want(&me->subscribers, TOPIC_BROWSER) ||
        troupe_unpack(payload, "{s:s#,s?:s#,s?:s#,s?:s#,s?:s#?}", "browser", &browser, &browser_len,
                      "origin", &origin, &origin_len, "state", &state, &state_len, "product",
                      &product, &product_len, "reason", &reason, &reason_len) != TROUPE_OK) {
        return;
    }
    troupe_buffer json = {0};
    (void)troupe_buffer_append(&json, "{", 1);
    append_member(&json, "browser", browser, browser_len);
    append_member(&json, "origin", origin, origin_len);
    append_member(&json, "state", state, state_len);
    append_member(&json, "product", product, product_len);
    append_member(&json, "reason", reason_len > 0 ? reason : NULL, reason_len);
    (void)troupe_buffer_append(&json, "}", 1);
    if (!json.failed) {
        subscribers_publish(&me->subscribers, TOPIC_BROWSER, (const char *)json.data, json.len);
    }
    troupe_buffer_fini(&json);
}

static void receive_record(store *me, const troupe_envelope *envelope)
{
    troupe_error error = TROUPE_EMETHOD;
    if (troupe_verb_is(envelope, VERB_RECORD_TARGET)) {
        error = recorder_target(&me->rec, envelope->payload);
        if (error == TROUPE_OK) {
            publish_target(me, envelope->payload);
        }
    } else if (troupe_verb_is(envelope, VERB_RECORD_BODY)) {
        error = recorder_body(&me->rec, envelope->payload);
    } else if (troupe_verb_is(envelope, VERB_RECORD_PAUSE)) {
        error = recorder_pause(&me->rec, envelope->payload);
    } else if (troupe_verb_is(envelope, VERB_RECORD_SCREENSHOT)) {
        error = recorder_screenshot(&me->rec, envelope->payload);
    } else if (troupe_verb_is(envelope, VERB_RECORD_BROWSER)) {
        error = recorder_browser(&me->rec, envelope->payload);
        if (error == TROUPE_OK) {
            publish_browser(me, envelope->payload);
        }
    } else if (troupe_verb_is(envelope, VERB_RECORD_GAP)) {
        error = recorder_gap(&me->rec, envelope->payload);
    }
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "store", "malformed-record", NULL, "%.*s: %s",
                   (int)envelope->verb_len, envelope->verb, troupe_error_text(error));
    }
}

/* Calls ------------------------------------------------------------------------------------- */

static void call_sync(store *me, troupe_actor *self, const troupe_envelope *call)
{
    bool committed = recorder_commit(&me->rec);
    troupe_timer_cancel(self, me->timer);
    me->timer = 0;
    /* While storage fails, what is there can still be read: a sync does not fail with it. */
    troupe_reply(self, troupe_caller_of(call), (troupe_bytes){NULL, 0});
    if (committed) {
        look_at_limits(me, self); /* who asks often commits before the others do */
    }
}

/* Reads {topics:[s…]}: the array as MessagePack, walked one value at a time. False: malformed. */
static bool read_topics(troupe_bytes payload, unsigned *topics)
{
    const uint8_t *list;
    size_t len;
    *topics = 0;
    if (troupe_unpack(payload, "{s:r#}", "topics", &list, &len) != TROUPE_OK || len == 0 ||
        (list[0] & 0xf0) != 0x90) {
        return false;
    }
    size_t count = list[0] & 0x0f;
    for (size_t i = 0, at = 1; i < count; i++) {
        const char *name;
        size_t name_len, used;
        troupe_bytes rest = {list + at, len - at};
        if (troupe_pack_walk(rest, &used) != TROUPE_OK ||
            troupe_unpack(rest, "s#", &name, &name_len) != TROUPE_OK) {
            return false;
        }
        event_topic topic = topic_find(name, name_len);
        *topics |= topic < TOPIC_COUNT ? 1u << topic : 0;
        at += used;
    }
    return true;
}

static void end_indexing(store *me, troupe_actor *self, troupe_error error)
{
    for (size_t i = 0; i < me->searcher_count; i++) {
        if (error == TROUPE_OK) {
            troupe_reply_json(self, me->searchers[i], "{}", 2);
        } else {
            troupe_fault(self, me->searchers[i], error, NULL, "the full-text index");
        }
    }
    me->searcher_count = 0;
}

/* A step, and the next one soon: events come in between. */
static void on_index(troupe_actor *self, void *context)
{
    store *me = context;
    bool more = false;
    uint64_t timer;
    troupe_error error = search_index_step(&me->rec, &more);
    if (error == TROUPE_OK && more) {
        error = troupe_timer_start(self, INDEX_MS, 0, on_index, me, &timer);
        if (error == TROUPE_OK) {
            return;
        }
    }
    end_indexing(me, self, error);
}

static void call_index(store *me, troupe_actor *self, const troupe_envelope *call)
{
    if (me->searcher_count == INDEX_WAITERS) {
        troupe_fault(self, troupe_caller_of(call), TROUPE_EBUSY, NULL,
                     "%d searches wait for the full-text index", INDEX_WAITERS);
        return;
    }
    me->searchers[me->searcher_count++] = troupe_caller_of(call);
    if (me->searcher_count == 1) {
        on_index(self, me);
    }
}

/* A step, and the next one soon. */
static void on_vacuum(troupe_actor *self, void *context)
{
    store *me = context;
    bool more = false;
    uint64_t timer;
    char json[160];
    troupe_error error = retention_vacuum_step(&me->rec, &more);
    if (error == TROUPE_OK && more) {
        error = troupe_timer_start(self, VACUUM_MS, 0, on_vacuum, me, &timer);
        if (error == TROUPE_OK) {
            return;
        }
    }
    me->vacuuming = false;
    if (error != TROUPE_OK) {
        troupe_fault(self, me->vacuumer, error, NULL, "giving room back");
        return;
    }
    retention_file now = retention_look(me->rec.db);
    int len = snprintf(json, sizeof json, "{\"bytes_before\":%lld,\"bytes\":%lld,\"freed\":%lld}",
                       (long long)me->vacuum_from, (long long)now.bytes,
                       (long long)(me->vacuum_from - now.bytes));
    troupe_reply_json(self, me->vacuumer, json, (size_t)len);
}

static void call_vacuum(store *me, troupe_actor *self, const troupe_envelope *call)
{
    if (me->vacuuming) {
        troupe_fault(self, troupe_caller_of(call), TROUPE_EBUSY, NULL,
                     "the store is giving room back already");
        return;
    }
    me->vacuuming = true;
    me->vacuumer = troupe_caller_of(call);
    me->vacuum_from = retention_look(me->rec.db).bytes;
    on_vacuum(self, me);
}

static void call_subscribe(store *me, troupe_actor *self, const troupe_envelope *call)
{
    unsigned topics;
    troupe_caller caller = troupe_caller_of(call);
    if (!read_topics(call->payload, &topics)) {
        troupe_fault(self, caller, TROUPE_EPARAMS, NULL, "topics must be a list of strings");
        return;
    }
    troupe_error error = subscribers_add(&me->subscribers, call->from, topics);
    if (error != TROUPE_OK) {
        troupe_fault(self, caller, error, NULL, NULL);
        return;
    }
    troupe_reply(self, caller, (troupe_bytes){NULL, 0});
}

static void call_unsubscribe(store *me, troupe_actor *self, const troupe_envelope *call)
{
    unsigned topics;
    troupe_caller caller = troupe_caller_of(call);
    if (!read_topics(call->payload, &topics)) {
        troupe_fault(self, caller, TROUPE_EPARAMS, NULL, "topics must be a list of strings");
        return;
    }
    subscribers_remove(&me->subscribers, call->from, topics);
    troupe_reply(self, caller, (troupe_bytes){NULL, 0});
}

static void call_stats(store *me, troupe_actor *self, const troupe_envelope *call)
{
    const recorder_counts *counts = &me->rec.counts;
    const char *path = schema_path_is_memory(me->path) ? ":memory:" : me->path;
    troupe_buffer json = {0};
    (void)troupe_buffer_append(&json, "{", 1);
    append_member(&json, "path", path, strlen(path));
    (void)troupe_buffer_printf(
        &json,
        ",\"events\":%lld,\"requests\":%lld,\"console\":%lld,\"websocket_frames\":%lld,"
        "\"bodies\":%lld,\"gaps\":%lld,\"dropped\":%lld,\"bytes\":%lld,\"committed\":%lld,"
        "\"redact\":",
        (long long)counts->events, (long long)counts->requests, (long long)counts->console,
        (long long)counts->frames, (long long)counts->bodies, (long long)counts->gaps,
        (long long)counts->dropped, (long long)recorder_bytes(&me->rec),
        (long long)counts->commits);
    if (me->rec.redaction != NULL) {
        json_quote_append(&json, me->options->redact, strlen(me->options->redact));
    } else {
        (void)troupe_buffer_append(&json, "null", 4);
    }
    (void)troupe_buffer_append(&json, "}", 1);
    if (json.failed) {
        troupe_fault(self, troupe_caller_of(call), TROUPE_ENOMEM, NULL, NULL);
    } else {
        troupe_reply_json(self, troupe_caller_of(call), (const char *)json.data, json.len);
    }
    troupe_buffer_fini(&json);
}

static void call_clear(store *me, troupe_actor *self, const troupe_envelope *call)
{
    int purge = 0;
    troupe_caller caller = troupe_caller_of(call);
    if (troupe_unpack(call->payload, "{s?:b}", "purge", &purge) != TROUPE_OK) {
        troupe_fault(self, caller, TROUPE_EPARAMS, NULL, "purge must be a boolean");
        return;
    }
    if (recorder_clear(&me->rec, purge != 0) != TROUPE_OK) {
        troupe_fault(self, caller, TROUPE_ESTORAGE, NULL, NULL);
        return;
    }
    const char *json = purge ? "{\"cleared\":[\"events\"],\"purged\":true}"
                             : "{\"cleared\":[\"events\"],\"purged\":false}";
    troupe_reply_json(self, caller, json, strlen(json));
}

static void receive_call(store *me, troupe_actor *self, const troupe_envelope *call)
{
    static const struct {
        const char *verb;
        void (*answer)(struct store *me, troupe_actor *self, const troupe_envelope *call);
    } table[] = {
        {VERB_STORE_SYNC, call_sync},
        {VERB_STORE_SUBSCRIBE, call_subscribe},
        {VERB_STORE_UNSUBSCRIBE, call_unsubscribe},
        {VERB_STORE_STATS, call_stats},
        {VERB_STORE_INDEX, call_index},
        {VERB_STORE_CLEAR, call_clear},
        {"vacuum", call_vacuum},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (troupe_verb_is(call, table[i].verb)) {
            table[i].answer(me, self, call);
            return;
        }
    }
    troupe_fault(self, troupe_caller_of(call), TROUPE_EMETHOD, NULL, "the store has no verb %.*s",
                 (int)call->verb_len, call->verb);
}

/* The actor --------------------------------------------------------------------------------- */

static void set_bodies(store *me)
{
    const troupe_host_options *options = me->options;
    me->rec.bodies.screenshot_bytes_max = options->screenshot_bytes_max;
    const char *which = options->bodies != NULL ? options->bodies : "all";
    if (strcmp(which, "none") != 0) {
        me->rec.bodies.text_bytes_max = options->body_bytes_max;
    }
    if (strcmp(which, "all") == 0) {
        me->rec.bodies.media_bytes_max = options->media_bytes_max;
    }
}

static troupe_error open_store(store *me, troupe_reason *reason)
{
    sqlite3 *db = NULL;
    troupe_error error = schema_make_file(me->path, reason);
    if (error == TROUPE_OK) {
        error = schema_lock(me->path, &me->lock, reason);
    }
    if (error == TROUPE_OK) {
        error = schema_open_writer(me->path, &db, reason);
    }
    if (error == TROUPE_OK) {
        error = recorder_open(&me->rec, db, notify, me, reason);
        if (error != TROUPE_OK) {
            sqlite3_close(db);
        }
    }
    me->open = error == TROUPE_OK;
    set_bodies(me);
    return error == TROUPE_OK ? redaction_create(me->options->redact, &me->rec.redaction, reason)
                              : error;
}

static troupe_error store_start(troupe_actor *self, void *state)
{
    store *me = state;
    troupe_reason reason;
    troupe_error error = subscribers_init(&me->subscribers, self);
    if (error != TROUPE_OK) {
        return error;
    }
    error = open_store(me, &reason);
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "store", "open-failed", NULL, "%s", reason.text);
        return error;
    }
    while (retention_step(&me->rec, &me->limits, wall_us())) { /* nobody waits yet */
    }
    me->retention_event = me->rec.event_last + RETENTION_EVENTS;
    return TROUPE_OK;
}

/* Users are told when storage fails, and when it works again. */
static void tell_storage(store *me, troupe_actor *self)
{
    bool failing = me->rec.failure != 0;
    troupe_address to =
        failing != me->told ? troupe_whereis(troupe_self_system(self), NAME_STATE) : 0;
    if (to == 0) {
        return;
    }
    char text[SCHEMA_PATH_MAX + 200];
    snprintf(text, sizeof text,
             "%s: %s. Pages go on; what they do is counted, and recorded again when that is over",
             schema_path_is_memory(me->path) ? "the store" : me->path,
             sqlite3_errstr(me->rec.failure));
    troupe_error error = failing
                             ? json_post(self, to, TROUPE_CAST, VERB_NOTICE_PUT,
                                         json_pack("{s:s,s:s}", "type", "storage", "message", text))
                             : json_post(self, to, TROUPE_CAST, VERB_NOTICE_DROP,
                                         json_pack("{s:s}", "type", "storage"));
    me->told = error == TROUPE_OK ? failing : me->told; /* else with the next envelope */
}

static troupe_error store_receive(troupe_actor *self, void *state, const troupe_envelope *envelope)
{
    store *me = state;
    if (envelope->kind != TROUPE_CALL || !troupe_verb_is(envelope, VERB_STORE_STATS)) {
        board_changed(me->options);
    }
    switch (envelope->kind) {
    case TROUPE_EVENT:
        receive_event(me, self, envelope);
        break;
    case TROUPE_CAST:
        receive_record(me, envelope);
        break;
    case TROUPE_CALL:
        receive_call(me, self, envelope);
        break;
    case TROUPE_SIGNAL:
        subscribers_signal(&me->subscribers, envelope);
        break;
    default:
        break;
    }
    schedule_commit(me, self);
    tell_storage(me, self);
    return TROUPE_OK;
}

static void store_stop(troupe_actor *self, void *state, troupe_error reason)
{
    store *me = state;
    (void)self;
    (void)reason;
    if (me->open) {
        recorder_close(&me->rec);
    }
    if (me->lock >= 0) {
        close(me->lock);
    }
    subscribers_fini(&me->subscribers);
    free(me);
}

static const troupe_behaviour store_behaviour = {
    .kind = "store", .start = store_start, .receive = store_receive, .stop = store_stop};

troupe_error store_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    const troupe_host_options *options = context;
    (void)self;
    store *me = calloc(1, sizeof *me);
    if (me == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = schema_path(options, me->path, sizeof me->path, NULL);
    if (error != TROUPE_OK) {
        free(me);
        return error;
    }
    me->options = options;
    me->lock = -1;
    me->limits = (retention_limits){.bytes_max = options->store_bytes_max,
                                    .days = options->store_days,
                                    .requests_max = options->requests_max};
    *out = (troupe_spawn_options){.behaviour = &store_behaviour,
                                  .state = me,
                                  .name = NAME_STORE,
                                  .mailbox_envelopes = MAILBOX_ENVELOPES,
                                  .mailbox_bytes = MAILBOX_BYTES};
    return TROUPE_OK;
}

static troupe_error check_redaction(const troupe_host_options *options, troupe_reason *reason)
{
    redaction *rules = NULL;
    troupe_error error = redaction_create(options->redact, &rules, reason);
    redaction_destroy(rules);
    return error;
}

troupe_error store_check(const troupe_host_options *options, char *path, size_t path_size,
                         troupe_reason *reason)
{
    char file[SCHEMA_PATH_MAX];
    sqlite3 *db = NULL;
    int lock = -1;
    troupe_error error = schema_path(options, file, sizeof file, reason);
    if (error == TROUPE_OK && schema_path_is_memory(file)) {
        snprintf(path, path_size, ":memory:");
        return check_redaction(options, reason);
    }
    if (error == TROUPE_OK) {
        error = schema_make_file(file, reason);
    }
    if (error == TROUPE_OK) {
        error = schema_lock(file, &lock, reason);
    }
    if (error == TROUPE_OK) {
        error = schema_open_writer(file, &db, reason);
    }
    sqlite3_close(db);
    if (lock >= 0) {
        close(lock);
    }
    if (error == TROUPE_OK) {
        error = check_redaction(options, reason);
    }
    if (error == TROUPE_OK) {
        snprintf(path, path_size, "%s", file);
    }
    return error;
}
