/* SPDX-License-Identifier: MIT */
/* clang-format off: shapes are laid out by hand */
/**
 * Names, verbs and payload shapes that cross the families of actors: the only thing they share.
 *
 * Shapes are written as in troupe/pack.h. "JSON" is ext type 1. A call whose verb is a JSON-RPC
 * method carries its params as a JSON object and is answered with its result as JSON;
 * meta.timeout_ms says how long the caller waits.
 */
#ifndef TROUPE_ACTORS_VERBS_H
#define TROUPE_ACTORS_VERBS_H

/* Names ------------------------------------------------------------------------------------- */

#define NAME_ROOT        "root"
#define NAME_LAUNCHER    "launcher"    /* browser processes and the browsers' supervisor; ports */
#define NAME_CONNECTIONS "connections" /* the set of targets; host epoch */
#define NAME_STORE       "store"
#define NAME_QUERY       "query/1"
#define NAME_SQL         "query/sql" /* users' own SQL: what takes long there holds up nobody else */
#define NAME_NETWORK     "network"
#define NAME_CONSOLE     "console"
#define NAME_EVENTS      "events"
#define NAME_FETCH       "fetch"
#define NAME_REPLAY      "replay"
#define NAME_INSPECT     "inspect" /* which target elements are picked in, and what was picked */
#define NAME_STATE       "state"   /* the snapshot that is shown, and its changes */
#define NAME_FILTERS     "filters"
#define NAME_BRIDGE      "bridge"
#define NAME_METRICS     "metrics"  /* of the bridge's family: gathers everybody's numbers */
#define NAME_TARGET      "target/"  /* + target id: an actor for each connected target */
#define NAME_BROWSER     "browser/" /* + browser id */

/* To the store: what happened ---------------------------------------------------------------------
 *
 * Any CDP event: kind EVENT, the verb is its method ("Network.requestWillBeSent"), payload
 *   [s browser_uid, s target, s session, I wall_us, I mono_us, j params]
 * browser_uid is unique to one run of one browser; target is the id users see ("p1:abc123");
 * session is Chrome's session id (a target may have several: its iframes and workers); wall_us is
 * when the host received it (microseconds since 1970), mono_us the same on CLOCK_MONOTONIC.
 */

/** cast {uid:s, browser:s, origin:s ("launched"|"attached"), state:s ("up"|"down"), product:s,
 *  pid:I (0 = not ours), endpoint:s ("pipe" or URL), reason:s?, wall_us:I} */
#define VERB_RECORD_BROWSER "record.browser"

/** cast {uid:s, target:s, chrome_id:s, type:s, url:s, title:s, state:s, epoch:U, wall_us:I}: sent
 * when any of these changed. state as INTERFACES section 3. */
#define VERB_RECORD_TARGET "record.target"

/** cast {uid:s, target:s?, count:U, bytes:U, reason:s, wall_us:I, from_us:I?}: something was not
 * recorded (from_us to wall_us, if it has a beginning) */
#define VERB_RECORD_GAP "record.gap"

/** cast {uid:s, target:s, session:s, request_id:s, ok:b, base64:b?, body:x#?, answer:j?, error:s?,
 * wall_us:I, post_data:b?}: the body of the last hop of that request, or with post_data what it
 * sent; body as Chrome gave it (base64 text if base64), or all that Chrome answered */
#define VERB_RECORD_BODY "record.body"

/** cast {uid:s, target:s, format:s, options:s (JSON text), data:x# (base64 text), wall_us:I}: a
 * screenshot that somebody took */
#define VERB_RECORD_SCREENSHOT "record.screenshot"

/** cast {uid:s, target:s, id:s, request_id:s, stage:s?, wall_us:I}: a request is paused for
 * somebody at that stage ("request", "response"), under that id; stage absent: it goes on */
#define VERB_RECORD_PAUSE "record.pause"

/* To the store: calls ----------------------------------------------------------------------- */

/** nil -> nil, after everything the store received before is committed and visible to readers. */
#define VERB_STORE_SYNC "store.sync"

/** {topics:[s…]} -> nil. The calling actor gets events until it ends: kind EVENT, the verb is the
 * topic, payload JSON:
 *    "network"  one hop ended (complete or failed), a WebSocket opened or closed: a row as RPC
 * `network` "console"  a row as RPC `console` "target"   {target, browser, type, url, title, state,
 * epoch} "browser"  {browser, origin, state: up | down, product, reason} "cdp"      any event as
 * Chrome sent it: {method, target, session, timestamp, params} "gap"      {count, topic}: events
 * were shed because the subscriber was slow */
#define VERB_STORE_SUBSCRIBE "store.subscribe"

/** {topics:[s…]} -> nil: the calling actor does not want these any more. */
#define VERB_STORE_UNSUBSCRIBE "store.unsubscribe"

/** nil -> JSON {path, events, requests, console, websocket_frames, bodies, gaps, bytes, committed}
 */
#define VERB_STORE_STATS "store.stats"

/** nil -> JSON {}, once the full-text index has what was recorded before. STORAGE. */
#define VERB_STORE_INDEX "store.index"

/** {purge:b} -> JSON {cleared:[…], purged:bool} */
#define VERB_STORE_CLEAR "store.clear"

/* To a query actor -------------------------------------------------------------------------- */

/** Trusted SQL of our own: {sql:s, args:[s|I|f|n …], limit:I, bytes:I} -> JSON {columns:[…],
 * rows:[{…}…], truncated:bool}; bytes: of the rows at most, 0 = 32 MiB. Syncs the store first (read
 * your writes). Columns whose name ends in "_json" hold JSON text and are passed as JSON values,
 * without that ending. */
#define VERB_QUERY_ROWS "query.rows"

/* RPC "query.sql" (JSON {sql, params?, limit?}) is answered by NAME_SQL, an actor of the same
 * kind. */

/* To connections ---------------------------------------------------------------------------- */

/** nil -> JSON {epoch}: the host's. */
#define VERB_HOST_EPOCH "host.epoch"

/** JSON {target: string | list | "*" | null} -> JSON {targets: [ids] | null (= all), warnings:
 * […]}: prefixes resolved; null means the tracked ones, or all. Faults: TROUPE_EPARAMS (ambiguous:
 * lists the matches), TROUPE_ENOTFOUND. */
#define VERB_TARGETS_RESOLVE "targets.resolve"

/* RPC methods answered by connections: status, pages, connect, disconnect, watch, unwatch, targets,
 * targets.set, targets.get, targets.clear, open, close, activate, contexts.create,
 * contexts.dispose, contexts.list; and every method of a target (js, navigate,
 * page, reload, cdp, body.get) with `target` as a prefix or left out: it resolves and forwards, for
 * a frame or worker to the actor of its page, with `session` and `part` (its id) added. */

/* To a target ------------------------------------------------------------------------------- */

/* RPC methods: js, navigate, reload, page, cdp. An exact id can be called directly by name. */

/** JSON {target, session, request_id} -> JSON {body, base64Encoded}; also records it. */
#define VERB_TARGET_BODY "body.get"

/* To state ---------------------------------------------------------------------------------- */

/** cast JSON {key, value}: what a part of the snapshot is now; value null: it is gone. */
#define VERB_STATE_SET "state.set"

/** cast JSON {type, message, clear_on?}: users are to know; one of each type. */
#define VERB_NOTICE_PUT "notice.put"

/** cast JSON {type}: that notice is over. */
#define VERB_NOTICE_DROP "notice.drop"

/** cast JSON {target?, message}: something failed that nobody had called for. */
#define VERB_ERROR_PUT "error.put"

/** JSON {instance?, since?} -> JSON {instance, revision, state | patches}. The calling actor then
 * gets each change until it ends: kind EVENT, verb "state", payload JSON {revision, patch} (RFC
 * 7396). With the instance and revision of before, it gets the patches it missed, if they are still
 * there. */
#define VERB_STATE_SUBSCRIBE "state.subscribe"
/* RPC "state" (the same, once), "notices.list", "notices.dismiss", "errors.dismiss" too. */

/* To filters -------------------------------------------------------------------------------- */

/** nil -> JSON {types: […], urls: […]}: what the enabled groups hide together. */
#define VERB_FILTERS_ACTIVE "filters.active"

/* Picking elements -------------------------------------------------------------------------- */

/** To a target: call JSON {on: bool, target_epoch?} -> JSON {target, inspecting, target_epoch}. */
#define VERB_INSPECT_SET "inspect.set"
/** To a target: call JSON {backend_node_id, session?, part?} -> JSON {outerHTML, selector, jsPath
 * (null: no script reaches it), xpath, fullXpath, styles, preview: {tag, id, classes, text}, box:
 * {x, y, width, height}, nodeId, backendNodeId}. */
#define VERB_INSPECT_DESCRIBE "inspect.describe"
/** To inspect, from a target: cast JSON {target, backend_node_id, session?}: a node was picked. */
#define VERB_INSPECT_PICKED "inspect.picked"
/** cast JSON {target}: the mode was ended in the page (Esc). */
#define VERB_INSPECT_CANCELLED "inspect.cancelled"
/** cast JSON {target}: its main frame has another document. */
#define VERB_INSPECT_NAVIGATED "inspect.navigated"
/** To inspect, from a target: call JSON {key, target} -> JSON the selection, if it is of that
 * target.
 */
#define VERB_SELECTION_GET "selection.get"

/* Fetch rules ------------------------------------------------------------------------------- */

/** To fetch, from a target that begins: call JSON {target, address} -> JSON the rules that are for
 * it, as VERB_FETCH_APPLY. */
#define VERB_FETCH_HELLO "fetch.hello"

/** To a target: call JSON {block: [glob], mock: [{url, status, headers: {}, body, base64}],
 * request: [glob], response: [glob], replay: {from, miss: "fail" | "pass"}?, capture: bool,
 * pause_timeout_ms} -> nil, when Chrome has them. All empty: none. A fault says why it could not.
 */
#define VERB_FETCH_APPLY "fetch.apply"

/** To fetch, from a target: cast JSON {target, id, stage, url, method, resource_type, status?,
 * error?, since (ms since 1970)}: a request is paused for somebody to decide. */
#define VERB_FETCH_PAUSED "fetch.paused.put"
/** cast JSON {target, id}: it is paused no longer. */
#define VERB_FETCH_ENDED "fetch.paused.end"
/** cast JSON {target, captured: n, mocked: n, blocked: n}: since the last one. */
#define VERB_FETCH_COUNTS "fetch.counts"

/** To replay, from a target: call JSON {from, target, method, url, post_data?} -> JSON {status,
 * status_text, headers, body, base64}, {fail: reason of Fetch.failRequest}, or {}: it is not in the
 * record. */
#define VERB_REPLAY_ANSWER "replay.answer"

/* To a target, forwarded by fetch: RPC fetch.resume, fetch.fail, fetch.fulfill, with `id`. */

/* To a browser ------------------------------------------------------------------------------ */

/** cast {target:s, session:s, request_id:s, body:b, post_data:b}: ask Chrome for what a complete
 * request received and sent, and post each as VERB_RECORD_BODY. */
#define VERB_BROWSER_BODY "browser.body"

/** nil -> JSON: what the connection carries and has carried, as docs/rpc.md `metrics` shows it. */
#define VERB_BROWSER_METRICS "browser.metrics"

/** To a browser: call [s method, s session?, j params?] -> JSON result. Faults: CDP_ERROR (data:
 * Chrome's error object), CLOSED (connection lost), TIMEOUT, BUSY (data: retry_after_ms), LIMIT
 * (larger than a message may be). */
#define VERB_BROWSER_COMMAND "browser.command"

/* Between a browser and the actor of a CDP client, its driver -----------------------------------
 */

/** To a browser: call {page:s?} -> nil: the caller drives it from now on, or only that target
 * (Chrome's id). NOT_FOUND, UNAVAILABLE. What it has in Chrome ends with its actor. */
#define VERB_DRIVER_OPEN "driver.open"
/** Both ways: cast x#: one CDP message as the client sent it, or as it is to get it. */
#define VERB_DRIVER_MESSAGE "driver.message"
/** To the driver: cast {code:i, reason:s}: close the WebSocket with that. */
#define VERB_DRIVER_CLOSE "driver.close"

/* To the launcher --------------------------------------------------------------------------- */

/** (and to connections) cast {browser:s, address:U, responsive:b, silent_ms:U}: that browser owes
 * answers and said nothing for so long, not to a probe either; or it speaks again. It is not ended
 * for that. */
#define VERB_BROWSER_HEALTH "browser.health"

/* RPC methods: browsers.list, browsers.launch, browsers.close, ports.add, ports.remove, ports.list.
 */

#endif
