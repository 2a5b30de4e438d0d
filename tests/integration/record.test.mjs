// SPDX-License-Identifier: MIT
// Recorded = served: every request of the demo page, every console message and exception, in order, on
// a launched browser (pipe) and on an attached one (port), several pages at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { demoSite, PAGE_DONE, startBrowser, startHost, within } from "./lib.mjs";

const PAGES = 3;

const TYPES = {
  "/": "Document", "/demo.css": "Stylesheet", "/stage.js": "Script", "/demo.js": "Script",
  "/encore.js": "Script", "/mask.svg": "Image", "/curtain.png": "Image", "/weave.svg": "Image",
  "/planets.json": "Fetch", "/stars.json": "XHR", "/hop/1": "Fetch", "/hop/2": "Fetch",
  "/hop/3": "Fetch", "/nobody": "Fetch", "/post": "Fetch", "/broken": "Fetch", "/stream": "Fetch",
};

/* What the play says, in its order: level, source and a part of the message. */
const LINES = [
  ["info", "console", "curtain up on page"],
  ["log", "console", "fetched"],
  ["error", "network", "404"],
  ["warning", "console", "nobody is there:"],
  ["error", "network", "ERR_CONTENT_LENGTH_MISMATCH"],
  ["error", "console", "a response broke off:"],
  ["log", "console", "encore"],
  ["log", "console", "the socket said"],
  ["error", "exception", "the villain forgot his lines"],
  ["error", "exception", "the prompter has left"],
  ["info", "console", "curtain down"],
];

function pathOf(url) {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** Open one page of the demo and wait until all of it has happened. */
async function play(host, site, browser, run, n) {
  const { target } = await host.rpc("open", { url: `${site}?n=${n}&run=${run}`, browser });
  await host.rpc("js", { target, code: PAGE_DONE, await_promise: true });
  const served = await (await fetch(`${site}served?run=${run}`)).json();
  return { target, run, served };
}

async function checkRequests(host, { target, run, served }) {
  const { requests } = await host.rpc("network", { target, limit: 1000, order: "asc", show_all: true });
  const http = requests.filter((row) => row.protocol !== "websocket");
  const key = ({ path, status }) => `${path} ${status}`;
  assert.deepEqual(http.map((row) => key({ path: pathOf(row.url), status: row.status })).sort(),
                   served.requests.map(key).sort(), `recorded = served for ${run}`);
  assert.equal(http.length, Object.keys(TYPES).length);
  for (const row of http) {
    const path = new URL(row.url).pathname;
    assert.equal(row.type, TYPES[path], `type of ${path}`);
    const fails = ["/broken", "/stream"].includes(path);
    assert.ok(row.size > 0 || fails, `size of ${path}: ${row.size}`);
    assert.ok(row.time_ms > 0, `time of ${path}: ${row.time_ms}`);
    assert.equal(row.target, target);
    assert.equal(row.method, path === "/post" ? "POST" : "GET");
    assert.equal(row.state, fails ? "failed" : "complete", path);
  }
  return requests;
}

function checkHops(requests) {
  const hops = requests.filter((row) => row.url.includes("/hop/"));
  assert.deepEqual(hops.map((row) => row.status), [302, 302, 200]);
  assert.equal(new Set(hops.map((row) => row.request_id)).size, 1, "one request, three rows");
}

async function checkFailures(host, { target }) {
  const rows = await host.sql(
    `SELECT url, error, canceled FROM request
     WHERE target = ?1 AND state = 'failed' AND protocol <> 'websocket' ORDER BY id`, [target]);
  assert.deepEqual(rows.map(({ url, error, canceled }) =>
    [new URL(url).pathname, error, Boolean(canceled)]),
                   [["/broken", "net::ERR_CONTENT_LENGTH_MISMATCH", false],
                    ["/stream", "net::ERR_ABORTED", true]]);
}

async function checkWebSocket(host, requests, { target, served }) {
  const sockets = requests.filter((row) => row.protocol === "websocket");
  assert.equal(sockets.length, served.websockets.length);
  assert.equal(sockets.length, 1);
  assert.equal(pathOf(sockets[0].url), served.websockets[0].path);
  assert.equal(sockets[0].status, 101);
  assert.equal(sockets[0].frames_sent, served.messages);
  assert.equal(sockets[0].frames_received, 3);
  const frames = await host.sql(
    `SELECT f.direction, f.payload FROM websocket_frame f JOIN request r ON r.id = f.request
     WHERE r.target = ?1 ORDER BY f.id`, [target]);
  assert.deepEqual(frames.map((frame) => frame.payload),
                   ["one", "one", "two", "two", "three", "three"]);
  assert.equal(new Set(frames.map((frame) => frame.direction)).size, 2);
}

async function checkConsole(host, { target }) {
  const { messages } = await host.rpc("console", { target, limit: 1000, order: "asc" });
  assert.equal(messages.length, LINES.length, JSON.stringify(messages, null, 1));
  messages.forEach((message, i) => {
    const [level, source, part] = LINES[i];
    assert.ok(message.message.includes(part), `${i}: "${message.message}" has "${part}"`);
    assert.equal(message.level, level, part);
    assert.equal(message.source, source, part);
  });
}

async function checkDetail(host, requests, { target }) {
  const planets = requests.find((row) => row.url.includes("/planets.json"));
  const { entry } = await host.rpc("request", { id: planets.id, target });
  assert.match(JSON.stringify(entry), /application\/json/);
  const body = await host.rpc("body", { id: planets.id, target });
  const text = body.base64Encoded ? Buffer.from(body.body, "base64").toString() : body.body;
  assert.equal(JSON.parse(text)[2].name, "Earth");
}

test("what a page does is recorded exactly, on pipe and on port, several at once", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--demo"] });
  const site = await demoSite(host);
  const { browser: onPipe } = await host.launched();
  const second = await startBrowser(t);
  const { browser: onPort } = await host.rpc("ports.add", { port: second.port });

  const plays = await Promise.all([onPipe, onPort].flatMap((browser) =>
    Array.from({ length: PAGES }, (_, i) => play(host, site, browser, `${browser}-${i}`, i + 1))));

  for (const each of plays) {
    await t.test(each.run, async () => {
      const requests = await checkRequests(host, each);
      checkHops(requests);
      await checkFailures(host, each);
      await checkWebSocket(host, requests, each);
      await checkConsole(host, each);
      await checkDetail(host, requests, each);
    });
  }
  await t.test("nothing was lost on the way", async () => {
    assert.deepEqual(await host.sql("SELECT * FROM gap"), []);
  });
  await t.test("each page is known by its browser and title", async () => {
    const { pages } = await host.rpc("pages");
    for (const { target } of plays) {
      const page = pages.find((each) => each.target === target);
      assert.equal(page.state, "connected");
      assert.equal((await host.rpc("page", { target })).title, "done");
    }
  });
});

test("what is recorded reaches a live subscriber in order", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--demo"] });
  const site = await demoSite(host);
  await host.launched();
  const socket = await host.socket();
  const seen = new Map(); // lines of each target, in the order of their arrival
  let told = () => {};
  socket.onNotification(({ params: { topic, data } }) => {
    if (topic === "console")
      seen.set(data.target, [...seen.get(data.target) ?? [], data.message]);
    told();
  });
  await socket.call("events.subscribe", { topics: ["console"] });
  const { target } = await play(host, site, undefined, "live", 1);
  await within(new Promise((resolve) => {
    told = () => (seen.get(target) ?? []).some((line) => line.includes("curtain down")) && resolve();
    told();
  }), "the last line arrives");
  assert.deepEqual(seen.get(target).map((line, i) => line.includes(LINES[i][2])), LINES.map(() => true));
  socket.close();
});
