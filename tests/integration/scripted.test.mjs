// SPDX-License-Identifier: MIT
// A recorded browser in a browser's place: a host attached to it records the same as the first one did.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { defer, scratch, startHost, troupe, TROUPE, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";
import { WebSocketClient } from "./websocket.mjs";
import { codeOf, serveSituations, settled, SITUATIONS } from "./situations.mjs";

const COMPARED = {
  request: `SELECT chain - (SELECT min(id) FROM request) AS chain, hop, request_id, protocol, method, url, type, document_url, frame_id, loader_id, initiator, priority,
            iif(started_mono_us IS NULL, NULL, started_us) AS started_us, started_mono_us, time_us, state, error, canceled, blocked_reason, cors_error, from_cache, encoded_bytes, decoded_bytes,
            has_post_data, hex(post_data) AS post_data, headers_json, raw_headers_json, initiator_json FROM request ORDER BY id`,
  response: "SELECT p.*, NULL AS request FROM response p ORDER BY p.request",
  body: `SELECT r.request_id, r.hop, b.ok, b.base64, b.bytes, hex(c.content) AS content FROM body b JOIN request r ON r.id = b.request
         LEFT JOIN body_content c ON c.request = b.request ORDER BY b.request`,
  websocket_frame: "SELECT direction, opcode, masked, bytes, mono_us, payload FROM websocket_frame ORDER BY id",
  eventsource_message: "SELECT name, event_id, data, mono_us FROM eventsource_message ORDER BY id",
  console: "SELECT level, type, source, message, timestamp_us, url, line, column, stack_json FROM console ORDER BY id",
  page: "SELECT frame_id, loader_id, url, mime_type FROM page ORDER BY id",
};

async function tables(host) {
  const found = {};
  for (const [name, sql] of Object.entries(COMPARED))
    found[name] = await host.sql(sql);
  return found;
}

/** The port of a `troupe replay serve` of that store. */
async function serveRecord(t, store, args = []) {
  const child = spawn(TROUPE, ["replay", "serve", store, "--port", "0", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  const port = await new Promise((resolve, reject) => {
    child.stderr.on("data", (data) => {
      said += data;
      const found = said.match(/DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/);
      if (found)
        resolve(Number(found[1]));
    });
    child.on("exit", () => reject(new Error(said)));
  });
  child.removeAllListeners("exit");
  defer(t, async () => {
    const gone = once(child, "exit");
    child.kill();
    await gone;
  });
  return port;
}

test("67 situations: what a host records of the recorded browser", async (t) => {
  const site = await serveSituations(t);
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: site.url });
  for (const [, code] of SITUATIONS)
    await host.rpc("js", { target, code: codeOf(code, site), await_promise: true }).catch(() => {});
  await settled(host);
  const store = (await host.rpc("status")).store.path;
  const [page] = (await host.sql("SELECT chrome_id FROM target WHERE target = ?", [target]));
  const wanted = await tables(host);
  await host.stop();

  const port = await serveRecord(t, store);
  const second = await startHost(t, { name: "second", args: ["--attach", "all"] });
  await second.rpc("ports.add", { port });
  await compare(t, second, wanted);

  // In a browser's place: launched, over a pipe.
  const executable = path.join(host.dir, "recorded-browser");
  fs.writeFileSync(executable, `#!/bin/sh\nexec "${TROUPE}" replay serve "${store}" --pipe\n`, { mode: 0o755 });
  const third = await startHost(t, { name: "third", args: ["--launch", "1", "--executable", executable] });
  await compare(t, third, wanted);
  const { rows: [[product]] } = await third.rpc("query.sql", { sql: "SELECT product FROM browser" });
  assert.match(product, /Chrome\/\d/);

  // One page alone, as /devtools/page/ID; what would need a page that runs is refused.
  const { chrome_id: id } = page;
  const socket = await WebSocketClient.open(`ws://127.0.0.1:${port}/devtools/page/${id}`);
  defer(t, () => socket.close());
  const told = [];
  const answers = new Map();
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.id === undefined)
      told.push(message);
    else
      answers.set(message.id, message);
  });
  let number = 0;
  const send = async (method, params = {}, more = {}) => {
    const asked = ++number;
    socket.send(JSON.stringify({ id: asked, method, params, ...more }));
    return until(() => answers.get(asked), method);
  };
  assert.match((await send("Runtime.evaluate", { expression: "1" })).error.message, /Runtime\.evaluate is not in the record/);
  assert.equal((await send("Page.enable", {}, { sessionId: "nobody" })).error.code, -32001);
  await send("Network.enable");
  assert.deepEqual(told, [], "the page waits");
  assert.ok((await send("Page.navigate", { url: site.url })).result.frameId);
  await send("Network.disable");
  const requests = told.filter(({ method }) => method === "Network.requestWillBeSent");
  assert.ok(requests.length > 60);
  assert.ok(told.every(({ method, sessionId }) => method.startsWith("Network.") && sessionId === undefined), "only what was enabled");
  const { requestId } = requests[0].params;
  assert.match((await send("Network.getResponseBody", { requestId })).result.body, /<title>situations/);
  assert.match((await send("Network.getResponseBody", { requestId: "none" })).error.message, /No data found/);
  socket.send("{ not json");
  assert.equal((await send("Network.enable")).result !== undefined, true);
});

async function compare(t, host, wanted) {
  await until(async () => {
    const [{ n }] = await host.sql("SELECT (SELECT count(*) FROM request) || ' ' || (SELECT count(*) FROM body) AS n");
    return n === `${wanted.request.length} ${wanted.body.length}`;
  }, "all requests and bodies");
  const found = await tables(host);
  for (const name of Object.keys(COMPARED)) {
    await t.test(`${name}: the same`, () => {
      wanted[name].forEach((row, i) => assert.deepEqual(found[name][i], row));
      assert.equal(found[name].length, wanted[name].length);
    });
  }
}

test("what is no record is told before anybody connects", async (t) => {
  const dir = scratch(t);
  const serve = (...args) => troupe(dir, ["replay", "serve", ...args]);
  const text = path.join(dir, "text.db");
  fs.writeFileSync(text, "not a database at all, but long enough to look like one");
  for (const [args, wrong] of [[[text], /text\.db: (file is not a database|not a troupe store)/], [[path.join(dir, "none.db")], /none\.db: unable to open/],
                               [[text, "--port", "x"], /--port: x is no port/]]) {
    const done = await serve(...args);
    assert.notEqual(done.code, 0);
    assert.match(done.stderr, wrong);
  }
  const host = await startHost(t, { name: "empty" });
  const { path: store } = (await host.rpc("status")).store;
  assert.match((await serve(store)).stderr, /no browser is recorded/);
  assert.match((await serve(store, "--browser", "p7")).stderr, /it has no browser p7/);
});

test("pages of a HAR come as pages of a browser", async (t) => {
  const { host, site, target } = await hostWithPage(t, { "/": "<title>home</title><script>fetch('/data').then((r) => r.text())</script>", "/data": "some data" });
  await until(async () => (await host.sql("SELECT count(*) AS n FROM body"))[0].n >= 2, "bodies");
  const har = await host.rpc("har", { target, url: `${site.url}*` });
  const { browser } = await host.rpc("har.import", { har });
  const port = await serveRecord(t, (await host.rpc("status")).store.path, ["--browser", browser]);
  const second = await startHost(t, { name: "second", args: ["--attach", "all"] });
  await second.rpc("ports.add", { port });
  await until(async () => (await second.sql("SELECT count(*) AS n FROM body"))[0].n >= 2, "bodies");
  const { log } = await second.rpc("har", { target: "*" });
  const brief = (entries) => entries.map(({ request, response, time }) => [request.method, request.url, response.status, response.content.text, time]);
  assert.deepEqual(brief(log.entries.filter(({ request }) => !request.url.endsWith("favicon.ico"))), brief(har.log.entries.filter(({ request }) => !request.url.endsWith("favicon.ico"))));
});
