/* SPDX-License-Identifier: MIT */
/*
 * The store's tables and views. docs/store.md says what every column holds.
 *
 * Times: *_us are microseconds since 1970, *_mono_us microseconds on the browser's (request,
 * response, websocket) or the host's (event) monotonic clock. *_json columns hold JSON text.
 */
#include "schema.h"

/* clang-format off */

/* Words of requests and of bodies; search_index.h says how they are filled. */
#define SEARCH_TABLES \
    "CREATE VIRTUAL TABLE search_request USING fts5(url,headers,content=''," \
    "tokenize=\"unicode61 tokenchars '_'\");" \
    "CREATE VIRTUAL TABLE search_body USING fts5(body,content=''," \
    "tokenize=\"unicode61 tokenchars '_'\");" \
    "CREATE TABLE search_later(request INTEGER PRIMARY KEY);"

/* What Page.* events tell beside navigations. */
#define PAGE_TABLES \
    "CREATE TABLE dialog(" \
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, event INTEGER," \
    " type TEXT, url TEXT, frame_id TEXT, message TEXT, default_prompt TEXT, opened_us INTEGER," \
    " closed_us INTEGER, accepted INTEGER, user_input TEXT);" \
    "CREATE TABLE download(" \
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, event INTEGER," \
    " guid TEXT NOT NULL, frame_id TEXT, url TEXT, filename TEXT," \
    " state TEXT NOT NULL DEFAULT 'inProgress', total_bytes INTEGER," \
    " received_bytes INTEGER NOT NULL DEFAULT 0, started_us INTEGER, last_us INTEGER," \
    " UNIQUE(guid,uid));"

/* How pages came along, what was photographed of them, what is paused. */
#define LIFECYCLE_TABLES \
    "CREATE TABLE paused(" \
    " id TEXT PRIMARY KEY, uid TEXT NOT NULL, target TEXT NOT NULL, request_id TEXT NOT NULL," \
    " stage TEXT NOT NULL, wall_us INTEGER) WITHOUT ROWID;" \
    "CREATE INDEX paused_request ON paused(request_id,uid,target);" \
    "CREATE TABLE lifecycle(" \
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, event INTEGER," \
    " frame_id TEXT, loader_id TEXT, name TEXT NOT NULL, mono_us INTEGER, wall_us INTEGER);" \
    "CREATE TABLE screenshot(" \
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, event INTEGER, format TEXT NOT NULL," \
    " bytes INTEGER, options_json TEXT, wall_us INTEGER, error TEXT, content INTEGER);" \
    "CREATE INDEX screenshot_of_content ON screenshot(content) WHERE content IS NOT NULL;" \
    CONTENT_TRIGGER("body") CONTENT_TRIGGER("screenshot")

/* What nobody refers to any more goes. */
#define CONTENT_TRIGGER(table) \
    "CREATE TRIGGER " table "_gone AFTER DELETE ON " table " WHEN old.content IS NOT NULL BEGIN" \
    " DELETE FROM content WHERE id=old.content" \
    " AND NOT EXISTS(SELECT 1 FROM body WHERE content=old.content)" \
    " AND NOT EXISTS(SELECT 1 FROM screenshot WHERE content=old.content);" \
    "END;"

const char *const schema_tables[] = {
    SEARCH_TABLES,
    PAGE_TABLES,

    "CREATE TABLE counters("
    " one INTEGER PRIMARY KEY CHECK(one=1), event_last INTEGER NOT NULL DEFAULT 0,"
    " request_last INTEGER NOT NULL DEFAULT 0, console_last INTEGER NOT NULL DEFAULT 0,"
    " request_cleared INTEGER NOT NULL DEFAULT 0, console_cleared INTEGER NOT NULL DEFAULT 0,"
    " events INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,"
    " console INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0,"
    " bodies INTEGER NOT NULL DEFAULT 0, gaps INTEGER NOT NULL DEFAULT 0,"
    " search_request INTEGER NOT NULL DEFAULT 0, search_body INTEGER NOT NULL DEFAULT 0,"
    " search_rows INTEGER NOT NULL DEFAULT 0, search_gone INTEGER NOT NULL DEFAULT 0);"
    "INSERT INTO counters(one) VALUES(1);",

    "CREATE TABLE browser("
    " uid TEXT PRIMARY KEY, browser TEXT, origin TEXT, state TEXT, product TEXT, pid INTEGER,"
    " endpoint TEXT, reason TEXT, first_us INTEGER, last_us INTEGER) WITHOUT ROWID;",

    "CREATE TABLE target("
    " uid TEXT NOT NULL, target TEXT NOT NULL, chrome_id TEXT, type TEXT, url TEXT, title TEXT,"
    " state TEXT, epoch INTEGER, first_us INTEGER, last_us INTEGER,"
    " PRIMARY KEY(uid,target)) WITHOUT ROWID;",

    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, method TEXT NOT NULL,"
    " wall_us INTEGER NOT NULL, mono_us INTEGER NOT NULL, request INTEGER, params TEXT);",

    "CREATE TABLE request("
    " id INTEGER PRIMARY KEY, chain INTEGER NOT NULL, hop INTEGER NOT NULL, uid TEXT NOT NULL,"
    " target TEXT NOT NULL, session TEXT, request_id TEXT NOT NULL, protocol TEXT NOT NULL,"
    " method TEXT, url TEXT, type TEXT, document_url TEXT, frame_id TEXT, loader_id TEXT,"
    " initiator TEXT, priority TEXT, started_us INTEGER, started_mono_us INTEGER, time_us INTEGER,"
    " last_us INTEGER, last_event INTEGER, state TEXT NOT NULL, error TEXT, canceled INTEGER,"
    " blocked_reason TEXT, cors_error TEXT, from_cache INTEGER NOT NULL DEFAULT 0,"
    " encoded_bytes INTEGER, decoded_bytes INTEGER, has_post_data INTEGER, post_data TEXT,"
    " headers_json TEXT, raw_headers_json TEXT, initiator_json TEXT);"
    "CREATE INDEX request_by_id ON request(request_id,uid);"
    "CREATE INDEX request_open ON request(uid,target)"
    " WHERE state IN ('pending','loading','connecting','open');",

    "CREATE TABLE response("
    " request INTEGER PRIMARY KEY, status INTEGER, status_text TEXT, raw_status INTEGER,"
    " url TEXT, protocol TEXT, mime_type TEXT, charset TEXT, remote_address TEXT,"
    " remote_port INTEGER, connection_id INTEGER, connection_reused INTEGER,"
    " from_disk_cache INTEGER, from_service_worker INTEGER, from_prefetch INTEGER,"
    " security_state TEXT, received_mono_us INTEGER, headers_json TEXT, raw_headers_json TEXT,"
    " raw_headers_text TEXT, timing_json TEXT);",

    "CREATE TABLE content("
    " id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, bytes INTEGER NOT NULL,"
    " coding INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE body("
    " request INTEGER PRIMARY KEY, ok INTEGER NOT NULL, base64 INTEGER NOT NULL, bytes INTEGER,"
    " error TEXT, wall_us INTEGER, content INTEGER);"
    "CREATE INDEX body_of_content ON body(content) WHERE content IS NOT NULL;"
    LIFECYCLE_TABLES,

    "CREATE TABLE websocket("
    " request INTEGER PRIMARY KEY, frames_sent INTEGER NOT NULL DEFAULT 0,"
    " frames_received INTEGER NOT NULL DEFAULT 0, bytes_sent INTEGER NOT NULL DEFAULT 0,"
    " bytes_received INTEGER NOT NULL DEFAULT 0, opened_mono_us INTEGER, closed_mono_us INTEGER);"
    "CREATE TABLE websocket_frame("
    " id INTEGER PRIMARY KEY, request INTEGER NOT NULL, direction TEXT NOT NULL, opcode INTEGER,"
    " masked INTEGER, bytes INTEGER NOT NULL, mono_us INTEGER, wall_us INTEGER, payload TEXT);"
    "CREATE INDEX websocket_frame_request ON websocket_frame(request);",

    "CREATE TABLE eventsource_message("
    " id INTEGER PRIMARY KEY, request INTEGER NOT NULL, name TEXT, event_id TEXT, data TEXT,"
    " mono_us INTEGER, wall_us INTEGER);"
    "CREATE INDEX eventsource_message_request ON eventsource_message(request);",

    "CREATE TABLE console("
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, event INTEGER,"
    " level TEXT NOT NULL, type TEXT, source TEXT NOT NULL, message TEXT NOT NULL,"
    " timestamp_us INTEGER NOT NULL, url TEXT, line INTEGER, column INTEGER, request_id TEXT,"
    " stack_json TEXT);",

    "CREATE TABLE page("
    " id INTEGER PRIMARY KEY, uid TEXT NOT NULL, target TEXT, session TEXT, event INTEGER,"
    " frame_id TEXT, loader_id TEXT, url TEXT, mime_type TEXT, navigated_us INTEGER,"
    " content_us INTEGER, load_us INTEGER);",

    "CREATE TABLE gap("
    " id INTEGER PRIMARY KEY, uid TEXT, target TEXT, event INTEGER, count INTEGER NOT NULL,"
    " bytes INTEGER, reason TEXT, wall_us INTEGER, from_us INTEGER);",
    NULL,
};

#define ISO_TIME(us) "strftime('%Y-%m-%dT%H:%M:%fZ'," us "/1000000.0,'unixepoch')"

/* Of a request that somebody is asked about: where it stands, and what it is called there. */
#define STATE "CASE WHEN u.id IS NULL THEN r.state ELSE 'paused' END AS state,"
#define PAUSE " u.stage AS pause_stage, u.id AS paused_id,"
#define JOIN_PAUSED \
    " LEFT JOIN paused u ON u.request_id=r.request_id AND u.uid=r.uid AND u.target=r.target" \
    " AND r.state NOT IN ('complete','failed')"

const char *const schema_views[] = {
    "DROP VIEW IF EXISTS har_summary; DROP VIEW IF EXISTS har_entry;"
    "DROP VIEW IF EXISTS console_summary; DROP VIEW IF EXISTS body_content;"
    "DROP VIEW IF EXISTS screenshot_content;",

    "CREATE VIEW har_summary AS SELECT r.id AS id, r.request_id AS request_id,"
    " r.protocol AS protocol, r.method AS method, COALESCE(p.raw_status,p.status,0) AS status,"
    " r.url AS url, r.type AS type,"
    " CASE r.protocol WHEN 'websocket' THEN COALESCE(w.bytes_sent+w.bytes_received,0)"
    "  ELSE COALESCE(r.encoded_bytes,0) END AS size,"
    " r.time_us/1000.0 AS time_ms, " STATE PAUSE
    " w.frames_sent AS frames_sent, w.frames_received AS frames_received,"
    " " ISO_TIME("r.started_us") " AS started_datetime,"
    " " ISO_TIME("r.last_us") " AS last_activity,"
    " r.target AS target,"
    " CASE b.ok WHEN 1 THEN 'ok' WHEN 0 THEN 'err' END AS body_status"
    " FROM request r LEFT JOIN response p ON p.request=r.id"
    " LEFT JOIN websocket w ON w.request=r.id LEFT JOIN body b ON b.request=r.id" JOIN_PAUSED ";",

    "CREATE VIEW har_entry AS SELECT r.id AS id, r.request_id AS request_id, r.hop AS hop,"
    " r.chain AS chain, r.uid AS uid, r.target AS target, r.session AS session,"
    " r.protocol AS protocol, r.type AS type, r.method AS method, r.url AS url,"
    " COALESCE(p.raw_status,p.status,0) AS status, p.status_text AS status_text,"
    " CASE r.protocol WHEN 'websocket' THEN COALESCE(w.bytes_sent+w.bytes_received,0)"
    "  ELSE COALESCE(r.encoded_bytes,0) END AS size,"
    " r.decoded_bytes AS decoded_bytes, r.encoded_bytes AS encoded_bytes,"
    " r.time_us/1000.0 AS time_ms, " STATE " r.error AS error, r.canceled AS canceled,"
    " r.blocked_reason AS blocked_reason, r.cors_error AS cors_error," PAUSE
    " r.from_cache AS from_cache,"
    " p.from_disk_cache AS from_disk_cache, p.from_service_worker AS from_service_worker,"
    " p.from_prefetch AS from_prefetch, p.mime_type AS mime_type, p.charset AS charset,"
    " p.protocol AS http_version, p.remote_address AS remote_address,"
    " p.remote_port AS remote_port, p.connection_id AS connection_id,"
    " p.security_state AS security_state, r.document_url AS document_url,"
    " r.frame_id AS frame_id, r.loader_id AS loader_id, r.initiator AS initiator,"
    " r.priority AS priority, r.post_data AS post_data,"
    " typeof(r.post_data)='blob' AS post_data_base64, r.has_post_data AS has_post_data,"
    " " ISO_TIME("r.started_us") " AS started_datetime,"
    " " ISO_TIME("r.last_us") " AS last_activity,"
    " r.started_us AS started_us, r.started_mono_us AS started_mono_us,"
    " p.received_mono_us AS received_mono_us,"
    " COALESCE(r.raw_headers_json,r.headers_json) AS request_headers_json,"
    " r.raw_headers_json IS NOT NULL AS request_headers_raw,"
    " COALESCE(p.raw_headers_json,p.headers_json) AS response_headers_json,"
    " p.raw_headers_text AS response_headers_text,"
    " r.initiator_json AS initiator_json, p.timing_json AS timing_json,"
    " w.frames_sent AS frames_sent, w.frames_received AS frames_received,"
    " w.bytes_sent+w.bytes_received AS ws_total_bytes,"
    " CASE b.ok WHEN 1 THEN 'ok' WHEN 0 THEN 'err' END AS body_status,"
    " b.error AS body_error, b.bytes AS body_bytes"
    " FROM request r LEFT JOIN response p ON p.request=r.id"
    " LEFT JOIN websocket w ON w.request=r.id LEFT JOIN body b ON b.request=r.id" JOIN_PAUSED ";",

    "CREATE VIEW console_summary AS SELECT id, level, source, message,"
    " timestamp_us/1000.0 AS timestamp, target, url, line, \"column\" FROM console;",

    "CREATE VIEW body_content AS SELECT b.request AS request, b.base64 AS base64,"
    " b.bytes AS bytes, unpacked(c.data,c.coding,c.bytes,b.base64) AS content"
    " FROM body b JOIN content c ON c.id=b.content;",

    "CREATE VIEW screenshot_content AS SELECT s.id AS id, s.format AS format, s.bytes AS bytes,"
    " unpacked(c.data,c.coding,c.bytes,1) AS content"
    " FROM screenshot s JOIN content c ON c.id=s.content;",
    NULL,
};

const char *const schema_migrations[] = {
    "ALTER TABLE gap ADD COLUMN from_us INTEGER;",

    /* Bodies that are equal are kept once. Digests of old ones are made up: they stay alone. */
    "CREATE TABLE content("
    " id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, bytes INTEGER NOT NULL,"
    " coding INTEGER NOT NULL, data BLOB NOT NULL);"
    "INSERT INTO content SELECT request,randomblob(32),length(CAST(content AS BLOB)),0,"
    " CAST(content AS BLOB) FROM body WHERE content IS NOT NULL;"
    "DROP VIEW har_summary; DROP VIEW har_entry;"
    "ALTER TABLE body DROP COLUMN content;"
    "ALTER TABLE body ADD COLUMN content INTEGER;"
    "UPDATE body SET content=request WHERE request IN (SELECT id FROM content);"
    "CREATE INDEX body_of_content ON body(content) WHERE content IS NOT NULL;"
    "CREATE TRIGGER body_gone AFTER DELETE ON body WHEN old.content IS NOT NULL BEGIN"
    " DELETE FROM content WHERE id=old.content"
    " AND NOT EXISTS(SELECT 1 FROM body WHERE content=old.content);"
    "END;"
    "CREATE TABLE eventsource_message("
    " id INTEGER PRIMARY KEY, request INTEGER NOT NULL, name TEXT, event_id TEXT, data TEXT,"
    " mono_us INTEGER, wall_us INTEGER);"
    "CREATE INDEX eventsource_message_request ON eventsource_message(request);",

    SEARCH_TABLES
    PAGE_TABLES
    "ALTER TABLE counters ADD COLUMN search_request INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE counters ADD COLUMN search_body INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE counters ADD COLUMN search_rows INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE counters ADD COLUMN search_gone INTEGER NOT NULL DEFAULT 0;",

    "DROP TRIGGER body_gone; DROP VIEW har_summary; DROP VIEW har_entry;"
    "ALTER TABLE request DROP COLUMN pause_stage; ALTER TABLE request DROP COLUMN paused_id;"
    LIFECYCLE_TABLES,
};
