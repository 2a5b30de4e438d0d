// SPDX-License-Identifier: MIT
// A recorded visit is replayed after its server has gone: from the host's own record, and from a HAR in another host.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";

import { startHost, troupe, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAYAAACddGYaAAAAD0lEQVR42mNk+M9QzwAGAAQGAQFmgdE8AAAAAElFTkSuQmCC", "base64");
const cli = (host, ...args) => troupe(host.dir, [...args, "--name", host.name]);

/** A page that shows what it gets; `n` counts what the server is asked for. */
function pages() {
  let n = 0;
  const json = (value) => ({ body: JSON.stringify(value), type: "application/json" });
  const send = (response, body, headers = {}, status = 200) => {
    response.writeHead(status, { "content-type": "text/plain", ...headers });
    response.end(body);
  };
  return {
    "/": `<!doctype html><title>before</title><link rel=stylesheet href=/style.css><body><img src=/pixel.png><script src=/app.js></script>`,
    "/style.css": { body: "body { color: rgb(1, 2, 3) }", type: "text/css" },
    "/pixel.png": { body: PIXEL, type: "image/png" },
    "/app.js": { type: "text/javascript", body: `
      const text = (...args) => fetch(...args).then((r) => r.text(), (e) => e.name);
      const post = (body) => text("/say", { method: "POST", body });
      (async () => {
        window.got = [await text("/json"), await text("/moved"), await text("/count"), await text("/count"), await post("apple"), await post("pear"),
                      await text("/packed"), (await fetch("/missing")).status, await text("/cookie").then(() => document.cookie), await text("/broken")];
        document.title = "done";
      })();` },
    "/json": json({ who: "Grüße" }),
    "/moved": (request, response) => send(response, "", { location: "/json" }, 302),
    "/count": (request, response) => send(response, `count ${++n}`),
    "/say": (request, response) => {
      let body = "";
      request.on("data", (data) => { body += data; }).on("end", () => send(response, `you said ${body}`));
    },
    "/packed": (request, response) => send(response, zlib.gzipSync("a packed text"), { "content-encoding": "gzip" }),
    "/cookie": (request, response) => send(response, "ok", { "set-cookie": ["act=3", "scene=2"] }),
    "/broken": (request) => request.socket.destroy(),
  };
}

const WANTED = (count) => ['{"who":"Grüße"}', '{"who":"Grüße"}', `count ${count}`, `count ${count + 1}`, "you said apple", "you said pear",
                           "a packed text", 404, "act=3; scene=2", "TypeError"];

async function seen(host, target) {
  await host.rpc("wait", { target, state: "load" });
  return until(async () => {
    const { value } = await host.rpc("js", { target, code: `document.title === "done" ? { got: window.got,
      colour: getComputedStyle(document.body).color, width: document.querySelector("img").naturalWidth } : null` });
    return value;
  }, "the page is done");
}

async function recorded(t) {
  const { host, site, target } = await hostWithPage(t, pages());
  const first = await seen(host, target);
  assert.deepEqual(first, { got: WANTED(1), colour: "rgb(1, 2, 3)", width: 3 });
  await until(async () => (await host.sql("SELECT count(*) AS n FROM request WHERE state IN ('pending', 'loading') OR"
    + " (state = 'complete' AND url NOT LIKE '%favicon%' AND id NOT IN (SELECT request FROM body) AND id IN (SELECT request FROM response WHERE status = 200))"))[0].n === 0, "all bodies");
  await host.rpc("js", { target, code: "document.cookie = 'act=; max-age=0'; document.cookie = 'scene=; max-age=0'" });
  site.server.close();
  site.server.closeAllConnections();
  return { host, site, target };
}

test("a page runs from the record, its server gone", async (t) => {
  const { host, site, target } = await recorded(t);
  const { target: fresh } = await host.rpc("open", { url: "about:blank" });
  const begun = await host.rpc("replay", { from: target, target: fresh });
  assert.equal(begun.url, `${site.url}/`);
  await host.rpc("navigate", { target: fresh, url: begun.url });
  assert.deepEqual(await seen(host, fresh), { got: WANTED(1), colour: "rgb(1, 2, 3)", width: 3 });

  // What comes again goes on with the last answer; what is not in the record fails as if offline.
  const ask = (where) => host.rpc("js", { target: fresh, await_promise: true, code: `fetch(${JSON.stringify(where)}).then((r) => r.text(), (e) => e.name)` });
  assert.equal((await ask("/count")).value, "count 2");
  assert.equal((await ask("/elsewhere?x=1")).value, "TypeError");
  const [{ answered, missed, misses }] = (await host.rpc("replay.list")).replays;
  assert.ok(answered >= 14, `${answered} answered`);
  const missing = misses.filter(({ url }) => !url.endsWith("/favicon.ico"));
  assert.deepEqual(missing, [{ method: "GET", url: `${site.url}/elsewhere?x=1`, target: fresh }]);
  assert.equal(missed, misses.length);
  const { rows: [[error]] } = await host.rpc("query.sql", { sql: "SELECT error FROM request WHERE url LIKE '%/elsewhere%'" });
  assert.equal(error, "net::ERR_INTERNET_DISCONNECTED");

  // Mocks come first; the rules' end is the replay's.
  await host.rpc("fetch", { target: fresh, mock: { "*/count": "mocked" } });
  assert.equal((await ask("/count")).value, "mocked");
  assert.equal((await host.rpc("fetch.rules")).rules[fresh].replay.from, target);
  await host.rpc("fetch.disable", { target: fresh });
  assert.equal((await ask("/json")).value, "TypeError");
});

test("a HAR is replayed by one command, in another host", async (t) => {
  const { host, site, target } = await recorded(t);
  const file = path.join(host.dir, "visit.har");
  assert.equal((await cli(host, "har", target, "--output", file)).code, 0);
  const other = await startHost(t, { args: ["--launch", "1"], name: "other" });
  await other.launched();
  const done = await cli(other, "replay", file, "--json");
  assert.equal(done.code, 0, done.stderr);
  const shown = JSON.parse(done.stdout);
  assert.equal(shown.url, `${site.url}/`);
  assert.deepEqual(await seen(other, shown.target), { got: WANTED(1), colour: "rgb(1, 2, 3)", width: 3 });

  // For all pages, with misses passed on: what is there is served from the record, the rest by the network.
  const { browser } = await other.rpc("har.import", { har: JSON.parse(fs.readFileSync(file, "utf8")) });
  const { host: third, site: live } = await hostWithPage(t, { "/": "<title>live", "/live": "alive" }, "/", { name: "third" });
  assert.ok(browser.startsWith("har-"));
  const { browser: from } = await third.rpc("har.import", { har: JSON.parse(fs.readFileSync(file, "utf8")) });
  await third.rpc("replay", { from, target: "*", miss: "pass" });
  const { target: page } = await third.rpc("open", { url: `${site.url}/` });
  assert.deepEqual((await seen(third, page)).got, WANTED(1));
  const { target: second } = await third.rpc("open", { url: `${live.url}/live` });
  assert.equal((await third.rpc("js", { target: second, code: "document.body.textContent" })).value, "alive");

  const listed = await cli(other, "replay", "list");
  assert.match(listed.stderr + listed.stdout, /har-[0-9a-f]{8}: \d+ requests, \d+ answered/);
});

test("what cannot be replayed is told", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<title>one" });
  await assert.rejects(host.rpc("replay", { from: "nobody", target }), { wire: "NOT_FOUND" });
  await assert.rejects(host.rpc("replay", { from: target }), { wire: "INVALID_PARAMS" });
  await assert.rejects(host.rpc("replay", { from: target, target: "p9:none" }), { wire: "NOT_FOUND" });
  await assert.rejects(host.rpc("replay", { from: target, target, miss: "maybe" }), /miss/);
  const missing = await cli(host, "replay", "visit.har");
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /visit\.har: no such file/);
  const bad = path.join(host.dir, "bad.har");
  fs.writeFileSync(bad, "not json");
  assert.match((await cli(host, "replay", bad)).stderr, /bad\.har: line 1/);
  assert.equal((await host.rpc("js", { target, code: "document.title" })).value, "one");
});

test("the record of many requests is read whole", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<title>one" });
  const entry = (i) => ({ startedDateTime: "2026-01-31T12:00:00Z", time: 1, request: { method: "GET", url: `http://many.example/${i}`, headers: [] },
                          response: { status: 200, statusText: "OK", headers: [{ name: "access-control-allow-origin", value: "*" }],
                                      content: { size: 5, mimeType: "text/plain", text: `number ${i}` } } });
  let browser;
  for (let from = 0; from < 12000; from += 4000)
    ({ browser } = await host.rpc("har.import", { into: browser, har: { log: { entries: Array.from({ length: 4000 }, (_, i) => entry(from + i)) } } }));
  assert.equal((await host.rpc("replay", { from: browser, target })).requests, 12000);
  const got = await host.rpc("js", { target, await_promise: true, code: "Promise.all([0, 5000, 11999].map((i) => fetch('http://many.example/' + i).then((r) => r.text())))" });
  assert.deepEqual(got.value, ["number 0", "number 5000", "number 11999"]);
});
