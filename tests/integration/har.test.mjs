// SPDX-License-Identifier: MIT
// HAR: 67 situations, each compared with what the server saw and with Playwright's HAR of the same visit.
// Whatever differs is in one of the two tables below, with its reason; docs/har.md shows them.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { startHost, troupe } from "./lib.mjs";
import { hostWithPage, serve } from "./site.mjs";
import { codeOf, serveSituations, settled, SITUATIONS } from "./situations.mjs";

const peers = path.resolve(import.meta.dirname, "../peers/node_modules");
const CHROMIUM = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find((file) => fs.existsSync(file));

/** [what differs from the server, why]. */
const SERVER = [
  ["GET /fresh: here 200 200, there 200", "the second answer came from the browser's cache (`_fromCache`)"],
  ["GET /no-cors: body", "CORS refused it: the browser lets nobody have the body"],
  ["GET /round: here 302×20 0, there 302×21", "Chrome gives up at the 21st, whose answer it does not tell"],
  ["GET /never: here 0, there -", "given up before an answer: `_error` says so"],
  ["GET /never?xhr: here 0, there -", "timed out before an answer: `_error` says so"],
  ["GET /shared.js: here 200 200, there 200", "the page's request, and again in the worker it began"],
  ["GET /shared.js: body", "Chrome tells its end to the worker, which knows no body of it"],
  ["GET /from-shared: headers", "Chrome tells no raw headers of shared workers: those the worker set are here"],
  ["GET /from-worker: body", "a worker that ends at once may take it along"],
  ["GET /worker.js: body", "a worker that ends at once may take it along"],
  ["GET /prefetched: body", "fetched for later: Chrome gives its body to nobody"],
  ["GET /dropped: here 0, there - -", "Chrome tries again where a kept connection broke, and tells of one request"],
  ["GET /short: body", "broken off: Chrome gives no part of a body"],
  ["GET /large: body", "larger than `[recorder] body_bytes_max`, as its comment says"],
  ["GET /sw.js: headers", "Chrome tells no headers of the script of a service worker"],
  ["GET /through-worker: here 200 200, there 200", "the page's request, and the one the service worker made for it"],
  ["GET /through-worker: body", "of the two, Chrome has the body in the page's; which is first is chance"],
  ["GET /through-worker: headers", "the page's request never went out: it has no raw headers"],
  ["PUT /no-preflight: here 0, there", "the preflight was refused: it was never sent"],
  ["GET data:: here 200, there", "no server is asked"],
  ["GET blob:: here 200, there", "no server is asked"],
  ["GET /nobody: here 0, there", "nobody listens there"],
  ["GET /by-worker: here 200, there", "answered by the service worker"],
];

/** [what differs from Playwright's HAR, why]. */
const PLAYWRIGHT = [
  ["GET /tagged: here 200 304, there 200 200", "the status on the wire; Playwright has what the page saw"],
  ["OPTIONS /cors-put: here 200, there", "preflights are requests too"],
  ["OPTIONS /no-preflight: here 403, there", "preflights are requests too"],
  ["GET /no-cors: here 200, there -1", "the server's status is known, though the page may not see it"],
  ["GET /refused: here 403, there -1", "the status that refused the WebSocket"],
  ["GET /shared.js: here 200 200, there -1", "shared workers are recorded"],
  ["GET /from-shared: here 200, there", "shared workers are recorded"],
  ["GET data:: here 200, there", "data URLs are requests too"],
  ["GET /round: here 302×20 0, there 302×20 -1", "0 is what HAR readers know as no answer"],
  ["PUT /no-preflight: here 0, there -1", "0 is what HAR readers know as no answer"],
  ["GET /never: here 0, there -1", "the same"],
  ["GET /never?xhr: here 0, there -1", "the same"],
  ["GET /nobody: here 0, there -1", "the same"],
  ["GET /dropped: here 0, there -1", "the same"],
  ["GET blob:: text", "text, because it is; Playwright has base64"],
  ["GET /from-worker: text", "a worker that ends at once may take it along, here or there"],
  ["GET /worker.js: text", "it may have ended too soon for Playwright"],
  ["GET /prefetched: text", "Playwright takes an empty answer for the body"],
  ["POST /ended?307: sent", "a body that is sent again after a redirect is sent"],
  ["POST /ended?308: sent", "a body that is sent again after a redirect is sent"],
  ["POST /upload: sent", "multipart bodies with files are recorded, as base64"],
];

/** May or may not be there, as the worker has it. */
const OPTIONAL = new Set(["GET /worker.js: body", "GET /through-worker: body", "GET /through-worker: headers", "GET /worker.js: text", "GET /prefetched: text",
                          "GET /from-worker: body", "GET /from-worker: text", "GET /dropped: here 0, there - -"]);

function pathOf(url) {
  const { protocol, pathname, search } = new URL(url);
  return ["data:", "blob:"].includes(protocol) ? protocol : pathname + search;
}

function byKey(list, keyOf) {
  const groups = new Map();
  for (const one of list)
    groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

const cli = (host, ...args) => troupe(host.dir, [...args, "--name", host.name]);
const entryKey = (entry) => `${entry.request.method} ${pathOf(entry.request.url)}`;
const bytesOf = ({ text = "", encoding }) => Buffer.from(text, encoding === "base64" ? "base64" : "utf8");
const sha = (bytes) => crypto.createHash("sha1").update(bytes).digest("hex");

/** Lines of what differs in groups that have the same key; `compare(a, b)` names what of two does. */
function differences(ours, theirs, compare) {
  const lines = new Set();
  const statuses = (list) => list.map(({ status, response }) => (response ? response.status : status) ?? "-").join(" ")
    .replace(/(\d+)( \1){3,}/g, (run) => `${run.split(" ")[0]}×${run.split(" ").length}`);
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    const here = ours.get(key) ?? [];
    const there = theirs.get(key) ?? [];
    if (statuses(here) !== statuses(there))
      lines.add(`${key}: here ${statuses(here)}, there ${statuses(there)}`.trim());
    for (let i = 0; i < Math.min(here.length, there.length); i++)
      for (const what of compare(here[i], there[i]))
        lines.add(`${key}: ${what}`);
  }
  return [...lines];
}

/** What an entry has otherwise than the server. */
function* againstServer({ request, response }, seen) {
  if (response.status !== seen.status)
    return;
  const kept = response.content;
  if (seen.bytes !== null && response.bodySize !== seen.bytes && response.status !== 101 && kept.text !== undefined)
    yield "bytes";
  const encoded = response.headers.some(({ name }) => /^content-encoding$/i.test(name));
  if (seen.bytes > 0 && (kept.text === undefined || (seen.sha && !encoded && sha(bytesOf(kept)) !== seen.sha)))
    yield "body";
  const sent = bytesOf({ text: request.postData?.text, encoding: request.postData?._encoding });
  if (!sent.equals(seen.body))
    yield "sent";
  const names = new Set(request.headers.map(({ name }) => name.toLowerCase()));
  if (!Object.keys(seen.headers).every((name) => names.has(name)))
    yield "headers";
}

function* againstPlaywright(ours, theirs) {
  if ((ours.response.content.text ?? "") !== (theirs.response.content.text ?? ""))
    yield "text";
  if ((ours.request.postData?.text ?? "") !== (theirs.request.postData?.text ?? ""))
    yield "sent";
  if (ours.response.statusText !== theirs.response.statusText && theirs.response.status > 0 && ours.response.status !== 304)
    yield "statusText";
}

function check(lines, table) {
  const known = new Set(table.map(([what]) => what));
  assert.deepEqual(lines.filter((line) => !known.has(line)), [], "differences without a reason");
  assert.deepEqual([...known].filter((line) => !lines.includes(line) && !OPTIONAL.has(line)), [], "reasons without a difference");
  const docs = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/har.md"), "utf8");
  for (const [what, why] of table)
    assert.ok(docs.includes(`| ${what.replace(": here", " | here").replace(/: (?=\w+$)/, " | ")} | ${why} |`),
              `docs/har.md has: | ${what} | ${why} |`);
}

/** Entries in their order without what an import names anew,. */
function imported(entries, lasting) {
  const one = ({ _troupe, pageref, ...entry }) => ({ ...entry, page: pageref !== undefined, hop: _troupe.hop, state: _troupe.state,
    response: { ...entry.response, ...(entry.response.status === 304 && { headersSize: -1 }) } }); // its first line is not in a HAR
  const order = (a, b) => a.startedDateTime.localeCompare(b.startedDateTime) || a.request.url.localeCompare(b.request.url)
    || a.request.method.localeCompare(b.request.method) || a.response.status - b.response.status;
  return entries.filter(({ _troupe }) => !lasting.has(_troupe.request_id)).map(one).sort(order);
}

test("67 situations: what the server saw, what Playwright has, what readers of HAR take", async (t) => {
  const site = await serveSituations(t);
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: site.url });
  for (const [name, code] of SITUATIONS)
    await t.test(name, () => host.rpc("js", { target, code: codeOf(code, site), await_promise: true }));
  await settled(host);
  const file = path.join(host.dir, "visit.har");
  assert.equal((await cli(host, "har", "--output", file)).code, 0);
  const har = JSON.parse(fs.readFileSync(file, "utf8"));
  const ours = byKey(har.log.entries, entryKey);

  await t.test("beside the server", () => {
    check(differences(ours, byKey(site.seen, ({ method, path: at }) => `${method} ${at}`), againstServer), SERVER);
  });
  await t.test("messages of WebSocket and EventSource", () => {
    const [socket] = ours.get("GET /echo");
    assert.deepEqual(socket._webSocketMessages.map(({ type, opcode, data }) => [type, opcode, data]),
                     [["send", 1, "text"], ["receive", 1, "text"], ["send", 2, "AP8="], ["receive", 2, "AP8="]]);
    const [events] = ours.get("GET /events");
    assert.deepEqual(events._eventSourceMessages.map(({ eventName, eventId, data }) => [eventName, eventId, data]),
                     [1, 2, 3].map((i) => ["line", String(i), `line ${i}`]));
  });
  await t.test("cookies, queries, forms", () => {
    const [first, second] = ours.get("GET /cookies");
    assert.deepEqual(first.response.cookies, [{ name: "role", value: "Hamlet", path: "/", httpOnly: true, sameSite: "Lax" },
                                              { name: "act", value: "3" }]);
    assert.deepEqual(second.request.cookies, [{ name: "role", value: "Hamlet" }, { name: "act", value: "3" }]);
    assert.deepEqual(ours.get("GET /json?a=1&b=two%20words")[0].request.queryString,
                     [{ name: "a", value: "1" }, { name: "b", value: "two words" }]);
    assert.deepEqual(ours.get("POST /form")[0].request.postData.params,
                     [{ name: "name", value: "Ophelia" }, { name: "line", value: "a & b" }]);
  });
  await t.test("every entry of the page names its page", () => {
    const [page] = har.log.pages;
    assert.ok(page.pageTimings.onLoad > 0);
    assert.ok(har.log.entries.filter((entry) => entry._troupe.target === target).every((entry) => entry.pageref === page.id));
  });
  await t.test("the schema of HAR 1.2", { skip: !fs.existsSync(peers) && "no peers" }, async () => {
    const { har: validate } = (await import(`${peers}/har-validator/lib/promise.js`)).default;
    await validate(har).catch((error) => assert.fail(JSON.stringify(error.errors?.slice(0, 5) ?? error.message)));
  });
  await t.test("by address, the same", async () => {
    const answer = await fetch(`${host.url}/har/*`);
    assert.equal(answer.status, 200);
    const other = await answer.json();
    assert.deepEqual(other.log.entries, har.log.entries);
    assert.deepEqual(other.log.pages, har.log.pages);

    const { hostname, port } = new URL(host.url); // a client of HTTP/1.0 gets no chunks: all until the end
    const socket = net.connect(Number(port), hostname);
    socket.write(`GET /har/* HTTP/1.0\r\nHost: ${hostname}:${port}\r\n\r\n`);
    let old = "";
    for await (const part of socket.setEncoding("utf8"))
      old += part;
    const [head, ...body] = old.split("\r\n\r\n");
    assert.doesNotMatch(head, /transfer-encoding/i);
    assert.match(head, /connection: close/i);
    assert.deepEqual(JSON.parse(body.join("\r\n\r\n")).log.entries, har.log.entries);
  });
  await t.test("imported, the same", async () => {
    const done = await cli(host, "har", "import", file, "--json");
    assert.equal(done.code, 0, done.stderr);
    const { browser, requests, targets } = JSON.parse(done.stdout);
    assert.equal(requests, har.log.entries.length);
    const again = path.join(host.dir, "again.har");
    assert.equal((await cli(host, "har", "--browser", browser, "--output", again)).code, 0);
    const { log } = JSON.parse(fs.readFileSync(again, "utf8"));
    const lasting = new Set(har.log.entries.filter(({ _troupe }) => /pending|loading|connecting|open/.test(_troupe.state))
      .map(({ _troupe }) => _troupe.request_id)); // its browser is gone: they have failed
    const [there, here] = [imported(log.entries, lasting), imported(har.log.entries, lasting)];
    here.forEach((entry, i) => assert.deepEqual(there[i], entry));
    assert.equal(there.length, here.length);
    assert.deepEqual(log.pages.map(({ id, ...page }) => page), har.log.pages.map(({ id, ...page }) => page));
    assert.ok(log.entries.every(({ _troupe }) => targets.includes(_troupe.target)));
  });
  await t.test("beside Playwright", { skip: !fs.existsSync(peers) && "no peers" }, async () => {
    const theirs = byKey(await playwrightVisit(t, path.join(host.dir, "theirs.har")), entryKey);
    const hidden = (key) => /^GET \/(sw\.js|through-worker)$/.test(key); // counted otherwise from run to run
    const same = (groups) => new Map([...groups].filter(([key]) => !hidden(key)));
    check(differences(same(ours), same(theirs), againstPlaywright), PLAYWRIGHT);

    // Theirs, imported: what they have is in the record.
    const done = await cli(host, "har", "import", path.join(host.dir, "theirs.har"), "--json");
    assert.equal(done.code, 0, done.stderr);
    const { browser } = JSON.parse(done.stdout);
    const again = path.join(host.dir, "theirs-again.har");
    assert.equal((await cli(host, "har", "--browser", browser, "--output", again)).code, 0);
    const entries = (list) => list.map(({ request, response: { status, content: { text = "", encoding } }, startedDateTime }) =>
      [request.method, request.url.split("#")[0], Math.max(status, 0), bytesOf({ text, encoding }).toString("base64"), startedDateTime].join(" ")).sort();
    assert.deepEqual(entries(JSON.parse(fs.readFileSync(again, "utf8")).log.entries), entries([...theirs.values()].flat()));
  });
});

test("what is no HAR is refused, and leaves nothing behind", async (t) => {
  const host = await startHost(t);
  const entry = { startedDateTime: "2026-01-31T12:00:00.250+01:00", time: 20, request: { method: "GET", url: "http://a.example/", headers: [] },
                  response: { status: 200, statusText: "OK", headers: [], content: { size: 2, mimeType: "text/plain", text: "hi" } } };
  const without = (name) => ({ ...entry, [name]: undefined });
  const give = (entries, more = {}) => host.rpc("har.import", { har: { log: { entries } }, ...more });
  const trailing = path.join(host.dir, "trailing.har");
  fs.writeFileSync(trailing, `${JSON.stringify({ log: { entries: [entry] } })}\n} `);
  const { code, stderr } = await cli(host, "har", "import", trailing);
  assert.equal(code, 1);
  assert.match(stderr, /trailing\.har: line 2, column 1: end of file expected near '\}'/);
  await assert.rejects(host.rpc("har.import", {}), { wire: "INVALID_PARAMS" });
  await assert.rejects(host.rpc("har.import", { har: { log: {} } }), /no log\.entries/);
  await assert.rejects(give([entry, without("request")]), /entries\[1\] has no request\.url/);
  await assert.rejects(give([without("response")]), /entries\[0\] has no response/);
  await assert.rejects(give([{ ...entry, startedDateTime: "yesterday" }]), /startedDateTime/);
  await assert.rejects(give([entry], { into: "p1" }), /into/);
  assert.deepEqual(await host.sql("SELECT uid FROM browser UNION SELECT uid FROM request"), []);

  const { browser, targets } = await give([entry]);
  assert.equal((await give([{ ...entry, time: -1, response: { status: -1 } }], { into: browser })).browser, browser);
  const { requests } = await host.rpc("network", { target: targets[0], order: "asc" });
  assert.deepEqual(requests.map(({ status, state, started_datetime }) => [status, state, started_datetime]),
                   [[200, "complete", "2026-01-31T11:00:00.250Z"], [0, "failed", "2026-01-31T11:00:00.250Z"]]);
  assert.equal((await host.rpc("body", { id: requests[0].id })).body, "hi");

  const file = path.join(host.dir, "not.har");
  fs.writeFileSync(file, '{"log":\n {"entries": [}}');
  assert.match((await cli(host, "har", "import", file)).stderr, /not\.har: line 2, column/);
  fs.writeFileSync(file, "{}");
  assert.match((await cli(host, "har", "import", file)).stderr, /not a HAR: no log\.entries/);
  const missing = await cli(host, "har", "import", path.join(host.dir, "none.har"));
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /No such file/);
});

async function playwrightVisit(t, file) {
  const { chromium } = await import(`${peers}/playwright-core/index.mjs`);
  const site = await serveSituations(t);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
  try {
    const context = await browser.newContext({ recordHar: { path: file, content: "embed" } });
    const page = await context.newPage();
    await page.goto(site.url);
    for (const [, code] of SITUATIONS)
      await page.evaluate(codeOf(code, site));
    await context.close();
  } finally {
    await browser.close();
  }
  return JSON.parse(fs.readFileSync(file, "utf8")).log.entries;
}

test("10,000 small requests: none missing, none twice", async (t) => {
  const { host, site, target } = await hostWithPage(t, { "/": "<title>many</title>", ...Object.fromEntries(
    Array.from({ length: 10000 }, (_, i) => [`/small/${i}`, `number ${i}`])) });
  for (let from = 0; from < 10000; from += 1000) {
    await host.rpc("js", { target, await_promise: true, code: `(async () => {
      let next = ${from};
      const one = async () => { while (next < ${from + 1000}) await fetch("/small/" + next++).then((r) => r.text()); };
      await Promise.all(Array.from({ length: 32 }, one));
    })()` });
  }
  await settled(host);
  const file = path.join(host.dir, "many.har");
  assert.equal((await cli(host, "har", target, "--url", "*/small/*", "--output", file)).code, 0);
  const { log } = JSON.parse(fs.readFileSync(file, "utf8"));
  assert.equal(log.entries.length, 10000);
  const wrong = log.entries.filter(({ request, response }) =>
    response.content.text !== `number ${request.url.split("/").at(-1)}`);
  assert.deepEqual(wrong.slice(0, 3).map(({ request, response }) => [request.url, response]), []);
  assert.equal(new Set(log.entries.map(({ request }) => request.url)).size, 10000);
  assert.equal(site.asked.filter((line) => line.includes("/small/")).length, 10000);
  assert.deepEqual(await host.sql("SELECT * FROM gap"), []);
});

test("what is asked for, in pieces, and what is refused", async (t) => {
  const { host, target, site } = await hostWithPage(t, { "/": "<title>one</title>", "/a": "a", "/b": { body: "b", status: 404 } });
  const other = await serve(t, { "/": "<title>two</title>" });
  const second = await host.rpc("open", { url: other.url });
  await host.rpc("js", { target, await_promise: true, code: "Promise.all(['/a', '/b', '/a?2'].map((p) => fetch(p).then((r) => r.text())))" });
  await settled(host);
  const urls = (har) => har.log.entries.map(({ request }) => request.url.replace(site.url, "").replace(other.url, "two"));
  const get = async (params) => host.rpc("har", { target, ...params });

  const whole = urls(await get({}));
  const pieces = [];
  for (let after = 0; after !== null;) {
    const piece = await get({ after, limit: 2 });
    assert.ok(piece.log.entries.length <= 2);
    pieces.push(...urls(piece));
    after = piece.next;
  }
  assert.deepEqual(pieces, whole);
  assert.deepEqual(urls(await get({ status: 404, resource_type: "Fetch" })), ["/b"]);
  assert.deepEqual(urls(await get({ url: "*/a*" })).sort(), ["/a", "/a?2"]);
  assert.deepEqual(urls(await get({ until: 1000 })), []);
  assert.deepEqual(urls(await get({ since: Date.now() + 3600000 })), []);
  assert.deepEqual(urls(await get({ browser: "p9" })), []);
  assert.deepEqual(urls(await host.rpc("har", { target: "*", resource_type: "Document" })), ["/", "two/"]);
  assert.ok((await get({ bodies: false })).log.entries.every(({ response }) => response.content.text === undefined));
  await host.rpc("close", { target });
  assert.deepEqual(urls(await get({})), whole, "of a page that is closed");

  await assert.rejects(get({ limit: 0 }), /limit/);
  await assert.rejects(get({ status: "x" }), /status/);
  await assert.rejects(host.rpc("har", { target: "nobody" }), { wire: "NOT_FOUND" });
  assert.equal((await fetch(`${host.url}/har/nobody`)).status, 404);
  assert.equal((await fetch(`${host.url}/har/*?limit=x`)).status, 400);
  assert.equal((await fetch(`${host.url}/har/${second.target}?url=nothing`).then((r) => r.json())).log.entries.length, 0);
  const refused = await cli(host, "har", "nobody", "--output", path.join(host.dir, "no.har"));
  assert.equal(refused.code, 1);
  assert.deepEqual(fs.readdirSync(host.dir).filter((name) => name.startsWith("no.har")), []);
});
