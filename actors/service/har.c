/* SPDX-License-Identifier: MIT */
/*
 * RPC `har`: entries from the record, with their bodies, frames and pages. A record may be larger
 * than memory, so an answer is a whole HAR of at most `limit` entries and PIECE_BYTES of rows; its
 * `next` is where the one after it begins.
 *
 * The steps: entries, frames of WebSockets among them, messages of EventSources, pages, browser.
 */
#include "har.h"

#include "har_log.h"
#include "network_list.h"

#include "troupe/version.h"

#include <stdio.h>
#include <string.h>

#define LIMIT       500
#define LIMIT_MAX   5000
#define PIECE_BYTES (4 * 1024 * 1024)
#define BODY_BYTES  "16777216" /* larger ones are to be had by `body` alone */
#define FRAMES_MAX  50000
#define PAGES_MAX   10000

/* What item->entry gathers: {entries, by_id: {row id: entry}, rows, next, pages}. */

static json_t *gathered(const lookup *item, const char *name)
{
    return json_object_get(item->entry, name);
}

static json_t *entry_of(const lookup *item, json_int_t id)
{
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)id);
    return json_object_get(gathered(item, "by_id"), key);
}

/* Done -------------------------------------------------------------------------------------- */

static json_t *creator(void)
{
    return json_pack("{s:s,s:s}", "name", "Troupe", "version", troupe_version());
}

/* "HeadlessChrome/140.0.1" as {name, version}; NULL: it is not known. */
static json_t *browser_part(const json_t *row)
{
    const char *product = json_string_value(json_object_get(row, "product"));
    size_t len = product != NULL ? strcspn(product, "/") : 0;
    if (len == 0) {
        return NULL;
    }
    return json_pack("{s:s%,s:s}", "name", product, len, "version",
                     product[len] == '/' ? product + len + 1 : "");
}

static void browser_came(troupe_actor *self, lookup *item, const json_t *answer)
{
    json_t *browser = browser_part(json_array_get(json_object_get(answer, "rows"), 0));
    json_t *log =
        json_pack("{s:s,s:o,s:o*,s:O,s:O}", "version", "1.2", "creator", creator(), "browser",
                  browser, "pages", gathered(item, "pages"), "entries", gathered(item, "entries"));
    lookup_reply(self, item,
                 json_pack("{s:o,s:O,s:O}", "log", log, "next", gathered(item, "next"), "warnings",
                           item->warnings));
}

static void ask_browser(troupe_actor *self, lookup *item)
{
    lookup_sql sql = {0};
    const json_t *row = json_array_get(gathered(item, "rows"), 0);
    const json_t *uid = json_object_get(row, "uid");
    lookup_sql_add(&sql, "SELECT product FROM browser WHERE uid=?");
    lookup_sql_text(&sql, json_string_value(uid), json_string_length(uid));
    lookup_query(self, item, &sql, 1, browser_came);
}

/* Pages ------------------------------------------------------------------------------------- */

static void pages_came(troupe_actor *self, lookup *item, const json_t *answer)
{
    size_t i;
    json_t *row;
    const json_t *rows = json_object_get(answer, "rows");
    json_t *pages = gathered(item, "pages");
    json_t *used = json_object();
    json_array_foreach(gathered(item, "rows"), i, row)
    {
        const json_t *page =
            har_log_page_of(json_array_get(gathered(item, "entries"), i), row, rows);
        json_t *made = page != NULL ? har_log_page(page) : NULL;
        const char *id = json_string_value(json_object_get(made, "id"));
        if (id != NULL && json_object_get(used, id) == NULL) {
            json_object_set_new(used, id, json_true());
            json_array_append(pages, made);
        }
        json_decref(made);
    }
    json_decref(used);
    if (json_array_size(gathered(item, "rows")) > 0) {
        ask_browser(self, item);
    } else {
        browser_came(self, item, NULL);
    }
}

/* Those of all targets that have entries here. */
static void ask_pages(troupe_actor *self, lookup *item)
{
    size_t i;
    json_t *row;
    lookup_sql sql = {0};
    json_t *seen = json_object();
    lookup_sql_add(&sql, "SELECT p.*, COALESCE((SELECT min(r.started_us) FROM request r"
                         " WHERE r.request_id=p.loader_id AND r.uid=p.uid),p.navigated_us)"
                         " AS started_us, strftime('%Y-%m-%dT%H:%M:%fZ',COALESCE((SELECT"
                         " min(r.started_us) FROM request r WHERE r.request_id=p.loader_id AND"
                         " r.uid=p.uid),p.navigated_us)/1000000.0,'unixepoch') AS started_datetime"
                         " FROM page p WHERE p.target IN (NULL");
    json_array_foreach(gathered(item, "rows"), i, row)
    {
        json_t *target = json_object_get(row, "target");
        const char *id = json_string_value(target);
        if (id != NULL && json_object_get(seen, id) == NULL) {
            json_object_set_new(seen, id, json_true());
            lookup_sql_add(&sql, ",?");
            lookup_sql_text(&sql, id, json_string_length(target));
        }
    }
    json_decref(seen);
    lookup_sql_add(&sql, ") ORDER BY p.id");
    lookup_query(self, item, &sql, PAGES_MAX, pages_came);
}

/* Frames and messages ----------------------------------------------------------------------- */

/* " WHERE request IN (…)": those of the rows for which `fits` holds. False: there is none. */
static bool add_requests(lookup_sql *sql, const lookup *item, bool (*fits)(const json_t *row))
{
    size_t i;
    json_t *row;
    bool any = false;
    json_array_foreach(gathered(item, "rows"), i, row)
    {
        if (fits(row)) {
            lookup_sql_add(sql, any ? ",?" : " WHERE request IN (?");
            lookup_sql_integer(sql, json_integer_value(json_object_get(row, "id")));
            any = true;
        }
    }
    lookup_sql_add(sql, ") ORDER BY id");
    return any;
}

static void add_rows(const lookup *item, const json_t *answer,
                     void (*add)(json_t *entry, const json_t *row))
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(answer, "rows"), i, row)
    {
        json_t *entry = entry_of(item, json_integer_value(json_object_get(row, "request")));
        if (entry != NULL) {
            add(entry, row);
        }
    }
    if (json_is_true(json_object_get(answer, "truncated"))) {
        json_array_append_new(item->warnings, json_string("not all messages are here: too many"));
    }
}

static void messages_came(troupe_actor *self, lookup *item, const json_t *answer)
{
    add_rows(item, answer, har_log_message);
    ask_pages(self, item);
}

static bool is_eventsource(const json_t *row)
{
    const char *type = json_string_value(json_object_get(row, "type"));
    return type != NULL && strcmp(type, "EventSource") == 0;
}

static void ask_messages(troupe_actor *self, lookup *item)
{
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT request, name, event_id, data, wall_us/1000000.0 AS time"
                         " FROM eventsource_message");
    if (add_requests(&sql, item, is_eventsource)) {
        lookup_query(self, item, &sql, FRAMES_MAX, messages_came);
    } else {
        lookup_sql_drop(&sql);
        ask_pages(self, item);
    }
}

static void frames_came(troupe_actor *self, lookup *item, const json_t *answer)
{
    add_rows(item, answer, har_log_frame);
    ask_messages(self, item);
}

static bool has_frames(const json_t *row)
{
    return json_is_integer(json_object_get(row, "frames_sent"));
}

static void ask_frames(troupe_actor *self, lookup *item)
{
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT request, direction, opcode, payload, wall_us/1000000.0 AS time"
                         " FROM websocket_frame");
    if (add_requests(&sql, item, has_frames)) {
        lookup_query(self, item, &sql, FRAMES_MAX, frames_came);
    } else {
        lookup_sql_drop(&sql);
        ask_messages(self, item);
    }
}

/* Entries ----------------------------------------------------------------------------------- */

static void entries_came(troupe_actor *self, lookup *item, const json_t *answer)
{
    size_t i;
    json_t *row;
    json_t *rows = json_object_get(answer, "rows");
    int64_t limit = LIMIT;
    if (!lookup_param_integer(self, item, "limit", 1, LIMIT_MAX, &limit)) {
        return;
    }
    bool more = json_is_true(json_object_get(answer, "truncated")) ||
                (int64_t)json_array_size(rows) > limit;
    if ((int64_t)json_array_size(rows) > limit) {
        json_array_remove(rows, json_array_size(rows) - 1);
    }
    item->entry =
        json_pack("{s:[],s:{},s:O,s:n,s:[]}", "entries", "by_id", "rows", rows, "next", "pages");
    json_array_foreach(rows, i, row)
    {
        char key[32];
        json_t *id = json_object_get(row, "id");
        json_t *entry = har_log_entry(row);
        snprintf(key, sizeof key, "%lld", (long long)json_integer_value(id));
        json_object_del(row, "body_content"); /* large, and in the entry now */
        json_object_set(gathered(item, "by_id"), key, entry);
        json_array_append_new(gathered(item, "entries"), entry);
        if (more) {
            json_object_set(item->entry, "next", id);
        }
    }
    ask_frames(self, item);
}

static bool add_range(troupe_actor *self, lookup *item, lookup_sql *sql)
{
    int64_t since = -1;
    int64_t until = -1;
    const char *browser = NULL;
    if (!lookup_param_integer(self, item, "since", 0, INT64_MAX / 1000, &since) ||
        !lookup_param_integer(self, item, "until", 0, INT64_MAX / 1000, &until) ||
        !lookup_param_string(self, item, "browser", &browser)) {
        return false;
    }
    if (since >= 0) {
        lookup_sql_add(sql, " AND h.started_us>=?");
        lookup_sql_integer(sql, since * 1000);
    }
    if (until >= 0) {
        lookup_sql_add(sql, " AND h.started_us<?");
        lookup_sql_integer(sql, until * 1000);
    }
    if (browser != NULL) {
        lookup_sql_add(sql, " AND h.uid IN (SELECT uid FROM browser WHERE browser=?)");
        lookup_sql_text(sql, browser, strlen(browser));
    }
    return true;
}

static void export_indexed(troupe_actor *self, lookup *item, const json_t *nothing)
{
    (void)nothing;
    int64_t after = 0;
    int64_t limit = LIMIT;
    bool bodies = true;
    lookup_sql sql = {0};
    if (!lookup_param_integer(self, item, "after", 0, INT64_MAX, &after) ||
        !lookup_param_integer(self, item, "limit", 1, LIMIT_MAX, &limit) ||
        !lookup_param_boolean(self, item, "bodies", &bodies)) {
        return;
    }
    lookup_sql_add(&sql, bodies ? "SELECT h.*, CASE WHEN h.body_bytes<=" BODY_BYTES
                                  " THEN b.content END AS body_content, b.base64 AS "
                                  "body_content_base64 FROM har_entry h"
                                  " LEFT JOIN body_content b ON b.request=h.id"
                                : "SELECT h.* FROM har_entry h");
    lookup_sql_add(&sql, " WHERE h.id>max(?,(SELECT request_cleared FROM counters))");
    lookup_sql_integer(&sql, after);
    if (!add_range(self, item, &sql) || !network_list_filters(self, item, &sql)) {
        lookup_sql_drop(&sql);
        return;
    }
    lookup_sql_targets(&sql, item);
    lookup_sql_add(&sql, " ORDER BY h.id LIMIT ?");
    lookup_sql_integer(&sql, limit + 1);
    lookup_query_within(self, item, &sql, limit + 1, PIECE_BYTES, entries_came);
}

void har_export(troupe_actor *self, lookup *item)
{
    network_list_indexed(self, item, export_indexed);
}
