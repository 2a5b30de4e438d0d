/* SPDX-License-Identifier: MIT */
/**
 * The recorder: turns what browsers do into rows. One writer handle, one thread, no actor: the
 * store actor feeds it envelopes' contents and decides when to commit.
 *
 * Every CDP event becomes a row of `event`; those that the ingest_* files know also keep the typed
 * tables up to date. When the database fails (disk full, I/O error) the open transaction is given
 * up, what it held and what follows is counted, and after a while recording is tried again: then
 * the loss becomes a row of `gap`. Nothing here blocks on other actors or ends the process.
 */
#ifndef TROUPE_STORE_RECORDER_H
#define TROUPE_STORE_RECORDER_H

#include "actors/topics.h"
#include "json_text.h"
#include "open_requests.h"
#include "redact.h"

#include <sqlite3.h>

/* The one list of the recorder's statements; X(symbol, SQL). They are prepared when first used. */
#define RECORDER_STATEMENTS(X)                                                                     \
    X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                \
    X(SQL_COMMIT, "COMMIT")                                                                        \
    X(SQL_COUNTERS,                                                                                \
      "UPDATE counters SET event_last=?1,request_last=?2,console_last=?3,events=?4,requests=?5,"   \
      "console=?6,frames=?7,bodies=?8,gaps=?9")                                                    \
    X(SQL_EVENT, "INSERT INTO event(id,uid,target,session,method,wall_us,mono_us,request,params)"  \
                 " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                            \
    X(SQL_HOP,                                                                                     \
      "INSERT INTO request(id,chain,hop,uid,target,session,request_id,protocol,method,url,type,"   \
      "document_url,frame_id,loader_id,initiator,priority,started_us,started_mono_us,last_us,"     \
      "last_event,state,has_post_data,post_data,headers_json,initiator_json)"                      \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,"    \
      "?23,?24,?25)")                                                                              \
    X(SQL_HOP_FIND,                                                                                \
      "SELECT r.id,r.chain,r.hop,r.state,r.protocol,r.started_us,r.started_mono_us,r.last_us,"     \
      "r.last_event,r.encoded_bytes,r.decoded_bytes,w.frames_sent,w.frames_received,w.bytes_sent," \
      "w.bytes_received FROM request r LEFT JOIN websocket w ON w.request=r.id"                    \
      " WHERE r.request_id=?1 AND r.target=?2 AND r.uid=?3 ORDER BY r.hop DESC LIMIT 1")           \
    X(SQL_HOP_STATE, "UPDATE request SET state=?2 WHERE id=?1")                                    \
    X(SQL_HOP_TYPE, "UPDATE request SET type=?2 WHERE id=?1")                                      \
    X(SQL_HOP_END,                                                                                 \
      "UPDATE request SET state=?2,time_us=?3,last_us=?4,last_event=?5,encoded_bytes=?6,"          \
      "decoded_bytes=?7,error=COALESCE(?8,error),canceled=?9,blocked_reason=?10,cors_error=?11,"   \
      "raw_headers_json=COALESCE(?12,raw_headers_json) WHERE id=?1")                               \
    X(SQL_HOP_COUNTS, "UPDATE request SET last_us=?2,last_event=?3,encoded_bytes=?4,"              \
                      "decoded_bytes=?5,state=?6 WHERE id=?1")                                     \
    X(SQL_HOP_CACHED, "UPDATE request SET from_cache=1 WHERE id=?1")                               \
    X(SQL_HOP_ERROR, "UPDATE request SET error=?2 WHERE id=?1")                                    \
    X(SQL_HOP_EXTRA, "UPDATE request SET raw_headers_json=?2 WHERE id=?1")                         \
    X(SQL_HOP_EXTRA_MOVE,                                                                          \
      "UPDATE request SET raw_headers_json=(SELECT raw_headers_json FROM request WHERE id=?2)"     \
      " WHERE id=?1")                                                                              \
    X(SQL_HANDSHAKE,                                                                               \
      "UPDATE request SET headers_json=?2,started_us=?3,started_mono_us=?4,last_us=?3"             \
      " WHERE id=?1")                                                                              \
    X(SQL_RESPONSE,                                                                                \
      "INSERT INTO response(request,status,status_text,url,protocol,mime_type,charset,"            \
      "remote_address,remote_port,connection_id,connection_reused,from_disk_cache,"                \
      "from_service_worker,from_prefetch,security_state,received_mono_us,headers_json,timing_json" \
      ",raw_status,raw_headers_json,raw_headers_text)"                                             \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21)"        \
      " ON CONFLICT(request) DO UPDATE SET status=?2,status_text=?3,url=?4,protocol=?5,"           \
      "mime_type=?6,charset=?7,remote_address=?8,remote_port=?9,connection_id=?10,"                \
      "connection_reused=?11,from_disk_cache=?12,from_service_worker=?13,from_prefetch=?14,"       \
      "security_state=?15,received_mono_us=?16,headers_json=?17,timing_json=?18,"                  \
      "raw_status=COALESCE(?19,raw_status),raw_headers_json=COALESCE(?20,raw_headers_json),"       \
      "raw_headers_text=COALESCE(?21,raw_headers_text)")                                           \
    X(SQL_RESPONSE_EXTRA,                                                                          \
      "INSERT INTO response(request,raw_status,raw_headers_json,raw_headers_text)"                 \
      " VALUES(?1,?2,?3,?4) ON CONFLICT(request) DO UPDATE SET raw_status=?2,"                     \
      "raw_headers_json=?3,raw_headers_text=?4")                                                   \
    X(SQL_BODY_DELETE, "DELETE FROM body WHERE request=?1")                                        \
    X(SQL_CONTENT_FIND, "SELECT id FROM content WHERE digest=?1")                                  \
    X(SQL_CONTENT, /* ids are not given again while the full-text index knows them */              \
      "INSERT INTO content(id,digest,bytes,coding,data) VALUES(1+max(COALESCE((SELECT max(id)"     \
      " FROM content),0),(SELECT search_body FROM counters)),?1,?2,?3,?4)")                        \
    X(SQL_BODY, "INSERT INTO body(request,ok,base64,bytes,error,wall_us,content)"                  \
                " SELECT ?1,?2,?3,?4,?5,?6,?7 WHERE EXISTS(SELECT 1 FROM request WHERE id=?1)")    \
    X(SQL_SOCKET, "INSERT INTO websocket(request) VALUES(?1)")                                     \
    X(SQL_SOCKET_OPEN, "UPDATE websocket SET opened_mono_us=?2 WHERE request=?1")                  \
    X(SQL_SOCKET_CLOSE, "UPDATE websocket SET closed_mono_us=?2 WHERE request=?1")                 \
    X(SQL_SOCKET_COUNTS,                                                                           \
      "UPDATE websocket SET frames_sent=?2,frames_received=?3,bytes_sent=?4,bytes_received=?5"     \
      " WHERE request=?1")                                                                         \
    X(SQL_FRAME,                                                                                   \
      "INSERT INTO websocket_frame(request,direction,opcode,masked,bytes,mono_us,wall_us,payload)" \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                                          \
    X(SQL_MESSAGE, "INSERT INTO eventsource_message(request,name,event_id,data,mono_us,wall_us)"   \
                   " VALUES(?1,?2,?3,?4,?5,?6)")                                                   \
    X(SQL_POST_DATA, "UPDATE request SET post_data=?2 WHERE id=?1")                                \
    X(SQL_CONSOLE,                                                                                 \
      "INSERT INTO console(id,uid,target,session,event,level,type,source,message,timestamp_us,"    \
      "url,line,column,request_id,stack_json)"                                                     \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)")                               \
    X(SQL_PAGE,                                                                                    \
      "INSERT INTO page(uid,target,session,event,frame_id,loader_id,url,mime_type,navigated_us)"   \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                                       \
    X(SQL_PAGE_CONTENT,                                                                            \
      "UPDATE page SET content_us=?4 WHERE id=(SELECT id FROM page WHERE session=?3 AND target=?2" \
      " AND uid=?1 ORDER BY id DESC LIMIT 1) AND content_us IS NULL")                              \
    X(SQL_PAGE_LOAD,                                                                               \
      "UPDATE page SET load_us=?4 WHERE id=(SELECT id FROM page WHERE session=?3 AND target=?2"    \
      " AND uid=?1 ORDER BY id DESC LIMIT 1) AND load_us IS NULL")                                 \
    X(SQL_LIFECYCLE,                                                                               \
      "INSERT INTO lifecycle(uid,target,session,event,frame_id,loader_id,name,mono_us,wall_us)"    \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                                       \
    X(SQL_PAUSED, "INSERT OR REPLACE INTO paused(id,uid,target,request_id,stage,wall_us)"          \
                  " VALUES(?1,?2,?3,?4,?5,?6)")                                                    \
    X(SQL_PAUSED_ENDS, "DELETE FROM paused WHERE id=?1 AND uid=?2")                                \
    X(SQL_PAUSED_LOST, "DELETE FROM paused WHERE uid=?1 AND (?2 IS NULL OR target=?2)")            \
    X(SQL_SCREENSHOT, "INSERT INTO screenshot(uid,target,event,format,bytes,options_json,wall_us," \
                      "error,content) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                         \
    X(SQL_DIALOG, "INSERT INTO dialog(uid,target,session,event,type,url,frame_id,message,"         \
                  "default_prompt,opened_us) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")              \
    X(SQL_DIALOG_CLOSED,                                                                           \
      "UPDATE dialog SET closed_us=?4,accepted=?5,user_input=?6 WHERE id=(SELECT id FROM dialog"   \
      " WHERE session=?3 AND target=?2 AND uid=?1 ORDER BY id DESC LIMIT 1) AND closed_us IS "     \
      "NULL")                                                                                      \
    X(SQL_DOWNLOAD, "INSERT OR IGNORE INTO download(uid,target,session,event,guid,frame_id,url,"   \
                    "filename,started_us) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                     \
    X(SQL_DOWNLOAD_PROGRESS,                                                                       \
      "UPDATE download SET state=?3,total_bytes=?4,received_bytes=?5,last_us=?6"                   \
      " WHERE guid=?2 AND uid=?1")                                                                 \
    X(SQL_BROWSER,                                                                                 \
      "INSERT INTO browser(uid,browser,origin,state,product,pid,endpoint,reason,first_us,last_us)" \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?9) ON CONFLICT(uid) DO UPDATE SET browser=?2,origin=?3" \
      ",state=?4,product=COALESCE(?5,product),pid=?6,endpoint=?7,reason=?8,last_us=?9")            \
    X(SQL_BROWSER_TARGETS,                                                                         \
      "UPDATE target SET state='gone',last_us=?2 WHERE uid=?1 AND state<>'gone'")                  \
    X(SQL_BROWSER_DOWNLOADS,                                                                       \
      "UPDATE download SET state='canceled',last_us=?2 WHERE uid=?1 AND state='inProgress'")       \
    X(SQL_TARGET,                                                                                  \
      "INSERT INTO target(uid,target,chrome_id,type,url,title,state,epoch,first_us,last_us)"       \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?9) ON CONFLICT(uid,target) DO UPDATE SET chrome_id=?3," \
      "type=?4,url=?5,title=?6,state=?7,epoch=?8,last_us=?9")                                      \
    X(SQL_GAP, "INSERT INTO gap(uid,target,event,count,bytes,reason,wall_us,from_us)"              \
               " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                                 \
    X(SQL_OPEN_TARGET, "SELECT id FROM request WHERE uid=?1 AND target=?2"                         \
                       " AND state IN ('pending','loading','connecting','open') ORDER BY id")      \
    X(SQL_OPEN_BROWSER, "SELECT id FROM request WHERE uid=?1"                                      \
                        " AND state IN ('pending','loading','connecting','open') ORDER BY id")     \
    X(SQL_LOST, "UPDATE request SET error=COALESCE(error,?2),"                                     \
                "state=CASE state WHEN 'open' THEN 'closed' ELSE 'failed' END WHERE id=?1")        \
    X(SQL_ROW_NETWORK, "SELECT * FROM har_summary WHERE id=?1")                                    \
    X(SQL_ROW_CONSOLE, "SELECT * FROM console_summary WHERE id=?1")

typedef enum recorder_sql {
#define RECORDER_SQL_ENUM(symbol, sql) symbol,
    RECORDER_STATEMENTS(RECORDER_SQL_ENUM)
#undef RECORDER_SQL_ENUM
        RECORDER_SQL_COUNT
} recorder_sql;

/** A row that subscribers want to know of: row of request or console. */
typedef void (*recorder_notify_fn)(void *context, event_topic topic, int64_t id);

typedef struct recorder_counts {
    int64_t events, requests, console, frames, bodies, gaps; /* rows that are there */
    int64_t commits;                                         /* since the start */
    int64_t dropped;                                         /* events lost to storage failures */
} recorder_counts;

/** Which bodies are asked for (the others only on demand), and which screenshots are kept. */
typedef struct recorder_bodies {
    int64_t text_bytes_max;  /* text, JSON, scripts, markup and what no type says; 0 = none */
    int64_t media_bytes_max; /* images, fonts, sound and films; 0 = none */
    int64_t screenshot_bytes_max;
} recorder_bodies;

/* Workers whose own session is recorded: their console lines come twice, see ingest_console.c. */
#define RECORDER_WORKERS_MAX 64

/* Browsers and targets that are gone: events that were on their way open nothing any more. */
#define RECORDER_LOST_MAX 64

typedef struct recorder {
    sqlite3 *db;
    sqlite3_stmt *statements[RECORDER_SQL_COUNT];
    open_requests requests;
    bool requests_forgotten; /* rows exist that `requests` does not know: look into the table */
    size_t dirty_count;
    recorder_bodies bodies; /* set by its owner */
    int64_t cut_at;         /* retention: the event up to which it has deleted */
    bool cutting;           /* it makes room */
    redaction *redaction;   /* so is this: what is never written; NULL = nothing. Owned */
    int64_t event_last, request_last, console_last;
    recorder_counts counts;
    bool in_transaction;
    uint32_t uncommitted; /* rows of events and records in the open transaction */
    int failure;          /* SQLite's code while recording is suspended; 0 = it works */
    int64_t retry_ns;     /* monotonic: not before */
    int64_t lost_count;   /* events not recorded since the failure */
    int64_t lost_bytes;
    uint64_t workers[RECORDER_WORKERS_MAX]; /* hashes of target ids; 0 = free */
    size_t worker_next;
    uint64_t lost[RECORDER_LOST_MAX]; /* hashes of what is gone; 0 = free */
    size_t lost_next;
    troupe_buffer text;  /* scratch of put_text */
    troupe_buffer clean; /* the event in hand without its secrets */
    recorder_notify_fn notify;
    void *context;
} recorder;

/** One CDP event; everything borrowed. */
typedef struct recorded_event {
    const char *uid, *target, *session, *method;
    size_t uid_len, target_len, session_len, method_len;
    int64_t wall_us, mono_us;
    json_span params;
    int64_t id;      /* its row; set by recorder_event */
    int64_t request; /* row of the first hop of the request it belongs to; 0 = none */

    /* Set by recorder_event, when a request is complete: */
    json_span request_id; /* of it */
    bool wants_body;      /* the response's body is to be asked for */
    bool wants_post_data; /* so is the request's */
} recorded_event;

/**
 * Open for recording into a database made by schema_open_writer. Requests left open by an earlier
 * run are marked failed.
 *
 * @param db  taken on TROUPE_OK
 * @return TROUPE_OK; TROUPE_ESTORAGE; TROUPE_ENOMEM
 */
troupe_error recorder_open(recorder *rec, sqlite3 *db, recorder_notify_fn notify, void *context,
                           troupe_reason *reason) TROUPE_MUST_USE;
/** Commit and close. */
void recorder_close(recorder *rec);

/** Record one event. Malformed params are kept as they are and change nothing else. */
void recorder_event(recorder *rec, recorded_event *event);

/** Records of verbs.h; payload as there. TROUPE_EPARAMS: malformed, ignored. */
troupe_error recorder_browser(recorder *rec, troupe_bytes payload) TROUPE_MUST_USE;
troupe_error recorder_target(recorder *rec, troupe_bytes payload) TROUPE_MUST_USE;
troupe_error recorder_gap(recorder *rec, troupe_bytes payload) TROUPE_MUST_USE;
troupe_error recorder_body(recorder *rec, troupe_bytes payload) TROUPE_MUST_USE;
troupe_error recorder_pause(recorder *rec, troupe_bytes payload) TROUPE_MUST_USE;
troupe_error recorder_screenshot(recorder *rec, troupe_bytes payload) TROUPE_MUST_USE;

/** Make everything recorded so far visible to readers. False while storage fails. */
bool recorder_commit(recorder *rec);

/** Append the row as JSON object, as the RPC methods return it. False if it is not there. */
bool recorder_row(recorder *rec, event_topic topic, int64_t id, troupe_buffer *out);

/** Hide what is there from lists (all but what is still open is deleted with purge). */
troupe_error recorder_clear(recorder *rec, bool purge) TROUPE_MUST_USE;

/** Bytes in use by the database. */
int64_t recorder_bytes(recorder *rec);

/* For the ingest_* files --------------------------------------------------------------------------
 */

/** Begin a transaction if none is open. False: storage fails, nothing may be written. */
bool recorder_begin(recorder *rec);

/** The statement, reset, to be bound; NULL if storage fails. */
sqlite3_stmt *recorder_statement(recorder *rec, recorder_sql sql);

/** Run a bound statement that returns no rows, and reset it. NULL is fine. False if it failed. */
bool recorder_run(recorder *rec, sqlite3_stmt *statement);

/** Deal with an error code of SQLite: give the transaction up, suspend recording. */
void recorder_failed(recorder *rec, int code);

/* Bind one parameter. Spans and bytes must live until the statement has run. */
void put_text(recorder *rec, sqlite3_stmt *statement, int at, json_span span);
void put_json(sqlite3_stmt *statement, int at, json_span span);
void put_integer(sqlite3_stmt *statement, int at, json_span span);
void put_boolean(sqlite3_stmt *statement, int at, json_span span);
void put_bytes(sqlite3_stmt *statement, int at, const char *text, size_t len);
void put_known(sqlite3_stmt *statement, int at, int64_t value); /* 0 = NULL */

/** Seconds (or milliseconds: scale 1000) as microseconds; 0 if absent or out of range. */
int64_t span_us(json_span span, double scale);
/** An integer member; `otherwise` if it is absent or no number. Fractions are cut. */
int64_t span_integer(json_span span, int64_t otherwise);
bool span_true(json_span span);

/* Ingest, by domain: each is given an event whose params are an object. */
void ingest_network(recorder *rec, recorded_event *event);
void ingest_websocket(recorder *rec, recorded_event *event);
void ingest_console(recorder *rec, recorded_event *event);
void ingest_page(recorder *rec, recorded_event *event);
void ingest_worker(recorder *rec, recorded_event *event);

bool event_is(const recorded_event *event, const char *method);

/** Mark what is still open for a target (NULL = for the browser) as lost, with that reason. */
void recorder_lose(recorder *rec, const char *uid, size_t uid_len, const char *target,
                   size_t target_len, const char *reason);

/** A hop has begun: if its browser or target is known to be gone, it is lost at once. */
void recorder_lose_late(recorder *rec, const recorded_event *event);

#endif
