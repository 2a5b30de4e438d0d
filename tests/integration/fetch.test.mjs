// SPDX-License-Identifier: MIT
// Fetch rules: what is blocked or mocked never leaves the browser (the server counts), what is paused
// is decided by somebody or goes on.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./lib.mjs";
import { hostWithPage, serve } from "./site.mjs";

const PAGES = {
  "/": "<title>page</title>",
  "/api/data": { body: '{"real":true}', type: "application/json" },
  "/api/other": { body: "other", type: "text/plain" },
  "/moved": { status: 302, headers: { location: "/api/other" }, body: "" },
  "/with-parts": "<script src=/part.js></script><title>loaded</title>",
  "/part.js": { body: "window.part = 1", type: "text/javascript" },
};

async function page(t, options) {
  const made = await hostWithPage(t, PAGES, "/", options);
  const { host, site, target } = made;
  const get = (path, init = "{}") => host.rpc("js", { target, await_promise: true, code:
    `fetch("${site.url}${path}", ${init}).then(async (r) => [r.status, await r.text(), r.headers.get("x-by")],
      (e) => ["failed", String(e.message)])` }).then(({ value }) => value);
  const asked = (path) => site.asked.filter((line) => line.endsWith(path)).length;
  return { ...made, get, asked };
}

const paused = async (host, count = 1) => until(async () => {
  const { paused: list } = await host.rpc("fetch.paused");
  return list.length === count && list;
}, `${count} are paused`);

test("what is blocked does not leave, and block and mock are kept apart", async (t) => {
  const { host, target, get, asked } = await page(t);
  const set = await host.rpc("fetch", { target, block: ["*/api/other"] });
  assert.deepEqual(set.rules[target].block, ["*/api/other"]);
  assert.equal((await get("/api/other"))[0], "failed");
  assert.equal(asked("/api/other"), 0);
  assert.equal((await get("/api/data"))[0], 200);

  const both = await host.rpc("fetch", { rules: { target, mock: { "*/api/d?ta": { body: { mocked: 1 }, status: 418,
    headers: { "x-by": "troupe" } }, "*/plain": "text" } } });
  assert.deepEqual(both.rules[target].block, ["*/api/other"]);
  assert.deepEqual(await get("/api/data"), [418, '{"mocked":1}', "troupe"]);
  assert.deepEqual((await get("/plain")).slice(0, 2), [200, "text"]);
  assert.equal((await get("/api/other"))[0], "failed");
  assert.equal(asked("/api/data"), 1, "only the one before");
  assert.equal(asked("/plain"), 0);

  const status = await host.rpc("fetch");
  assert.deepEqual([status.mocked, status.blocked], [2, 2]);
  const { requests } = await host.rpc("network", { url: "*/api/other", limit: 5 });
  assert.ok(requests.every(({ state }) => state === "failed"));
  await host.rpc("fetch", { target });
  assert.equal((await get("/api/other"))[0], 200, "without rules");
});

test("rules for all are there before a page's first request", async (t) => {
  const { host, site, asked } = await page(t);
  await host.rpc("fetch.enable", { block: "*/part.js", mock: { "*/with-parts?mocked": { body: "<title>mocked</title>",
    headers: { "content-type": "text/html" } } } });
  const { target } = await host.rpc("open", { url: `${site.url}/with-parts` });
  assert.equal((await host.rpc("js", { target, code: "typeof part" })).value, "undefined");
  assert.equal(asked("/part.js"), 0);
  const other = await host.rpc("open", { url: `${site.url}/with-parts?mocked` });
  assert.equal((await host.rpc("page", { target: other.target })).title, "mocked");
  assert.equal(asked("?mocked"), 0);
  assert.equal((await host.rpc("fetch.disable")).enabled, false);
  await host.rpc("reload", { target });
  await until(() => asked("/part.js") === 1, "asked for again");
});

test("a mock wins over a block, a target's own rule over that of all", async (t) => {
  const { host, target, get } = await page(t);
  await host.rpc("fetch.enable", { block: ["*/api/*"], mock: { "*/api/data": "all" } });
  assert.equal((await get("/api/data"))[1], "all");
  await host.rpc("fetch", { target, mock: { "*/api/data": "own" } });
  assert.equal((await get("/api/data"))[1], "own");
  assert.equal((await get("/api/other"))[0], "failed");
});

test("paused requests are changed, failed, answered, resumed", async (t) => {
  const { host, target, get, asked } = await page(t);
  await host.rpc("fetch.enable", { request: true, urls: "*/api/*" });
  let answer = get("/api/data");
  let [one] = await paused(host);
  assert.equal(one.target, target);
  assert.deepEqual([one.stage, one.method, one.resource_type], ["request", "GET", "XHR"]);
  assert.equal(asked("/api/data"), 0);
  const listed = async (state) => (await host.rpc("network", { url: "*/api/data", state })).requests[0];
  const { state, pause_stage, paused_id, request_id } = await until(() => listed("paused"), "listed as paused");
  assert.deepEqual({ state, pause_stage, paused_id, request_id }, { state: "paused", pause_stage: "request", paused_id: one.id, request_id: one.request_id });
  const end = await host.rpc("fetch.resume", { id: one.id, wait_ms: 50 });
  assert.deepEqual(end, { id: one.id, resumed_from: "request", outcome: "unknown", remaining: 0 });
  assert.equal((await answer)[1], '{"real":true}');
  const done = await until(() => listed("complete"), "complete");
  assert.deepEqual([done.pause_stage, done.paused_id], [null, null]);

  answer = get("/api/data");
  [one] = await paused(host);
  await host.rpc("fetch.fail", { id: one.id, reason: "ConnectionRefused" });
  assert.equal((await answer)[0], "failed");

  answer = get("/api/data");
  [one] = await paused(host);
  await host.rpc("fetch.fulfill", { id: one.id, response_code: 201, body: "made", response_headers: { "x-by": "me" } });
  assert.deepEqual(await answer, [201, "made", "me"]);

  answer = get("/api/data");
  [one] = await paused(host);
  await host.rpc("fetch.resume", { id: one.id, wait_ms: 1, modifications: {
    url: one.url.replace("/data", "/other"), method: "POST", post_data: "x", headers: { "x-test": "1" } } });
  assert.equal((await answer)[1], "other");
  assert.equal(asked("/api/other"), 1);
});

test("responses are paused and changed; redirects are told", async (t) => {
  const { host, get } = await page(t);
  await host.rpc("fetch.enable", { response: true, urls: "*/api/*" });
  let answer = get("/api/data");
  let [one] = await paused(host);
  assert.deepEqual([one.stage, one.status], ["response", 200]);
  const { requests: [held] } = await host.rpc("network", { state: "paused", wait: 5 });
  assert.deepEqual([held.pause_stage, held.paused_id], ["response", one.id]);
  assert.equal((await host.rpc("fetch.resume", { id: one.id, wait_ms: 1 })).outcome, "complete");
  assert.equal((await answer)[1], '{"real":true}');
  answer = get("/api/data");
  [one] = await paused(host);
  await host.rpc("fetch.resume", { id: one.id, wait_ms: 1, modifications: { status: 202, headers: { "x-by": "y" } } });
  assert.deepEqual(await answer, [202, '{"real":true}', "y"]);
  answer = get("/api/data");
  [one] = await paused(host);
  await host.rpc("fetch.resume", { id: one.id, wait_ms: 1, modifications: { body: "replaced" } });
  assert.equal((await answer)[1], "replaced");

  await host.rpc("fetch.enable", { request: true, response: true, urls: ["*/moved", "*/api/other"] });
  answer = get("/moved");
  [one] = await paused(host);
  const first = await host.rpc("fetch.resume", { id: one.id, wait_ms: 5000 });
  assert.equal(first.outcome, "response");
  assert.equal(first.status, 302);
  [one] = await paused(host);
  const second = await host.rpc("fetch.resume", { id: one.id, wait_ms: 5000 });
  assert.equal(second.outcome, "redirect");
  [one] = await paused(host);
  assert.equal(second.redirect_id, one.id);
  await host.rpc("fetch.disable");
  assert.equal((await answer)[1], "other", "what was paused goes on when the rules end");
});

test("nothing is left hanging", async (t) => {
  const { host, site, target, get } = await page(t);
  await host.rpc("fetch.enable", { request: true, urls: "*/api/*", pause_timeout_ms: 300 });
  assert.equal((await get("/api/data"))[1], '{"real":true}', "goes on by itself");
  await host.rpc("fetch.enable", { request: true, urls: "*/api/*", pause_timeout_ms: 60000 });
  await host.rpc("js", { target, code: `window.all = Promise.all(Array.from({ length: 50 }, (_, i) =>
    fetch("${site.url}/api/data?" + i).then((r) => r.status)))` });
  await until(async () => (await host.rpc("fetch.paused")).paused.length >= 6, "as many as Chrome asks for at once are paused");
  assert.equal((await host.rpc("js", { target, code: "1 + 1" })).value, 2, "the page works meanwhile");
  await host.rpc("fetch.disable");
  const { value } = await host.rpc("js", { target, code: "all", await_promise: true });
  assert.deepEqual(new Set(value), new Set([200]));
  assert.deepEqual((await host.rpc("fetch.paused")).paused, []);

  await host.rpc("fetch.enable", { request: true, urls: "*/api/*" });
  const last = get("/api/data").catch(() => "ended");
  await paused(host);
  await host.rpc("close", { target });
  await last;
  await until(async () => (await host.rpc("fetch.paused")).paused.length === 0, "gone with its page");
  await until(async () => (await host.sql("SELECT count(*) AS n FROM paused"))[0].n === 0, "gone from the record too");
});

test("bodies are captured before the page gets them", async (t) => {
  const { host, target, get } = await page(t);
  assert.equal((await host.rpc("fetch", { capture: true })).capture, true);
  await get("/api/data");
  assert.ok((await host.rpc("fetch")).capture_count >= 1);
  const { requests } = await host.rpc("network", { url: "*/api/data", limit: 1 });
  await host.rpc("close", { target });
  const { body, base64Encoded } = await host.rpc("body", { id: requests[0].id });
  assert.equal(Buffer.from(body, base64Encoded ? "base64" : "utf8").toString(), '{"real":true}',
               "also when the page is gone");
  assert.equal((await host.rpc("fetch", { rules: { capture: false } })).capture, false);
});

test("errors", async (t) => {
  const { host, target } = await page(t);
  const fails = (method, params, code) => assert.rejects(host.rpc(method, params), { code },
                                                         `${method} ${JSON.stringify(params)}`);
  await fails("fetch", { block: ["*"] }, -32602);
  await fails("fetch", { target: "p9:abcdef", block: ["*"] }, -32011);
  await fails("fetch", { target, block: [""] }, -32602);
  await fails("fetch", { target, block: [7] }, -32602);
  await fails("fetch", { target, mock: { "*": 7 } }, -32602);
  await fails("fetch", { target, mock: { "*": { status: 99 } } }, -32602);
  await fails("fetch", { target, mock: { "*": { code: 200 } } }, -32602);
  await fails("fetch", { rules: { blok: [] } }, -32602);
  await fails("fetch", { capture: "yes" }, -32602);
  await fails("fetch.enable", { pause_timeout_ms: 0, request: true }, -32602);
  await fails("fetch.resume", { id: "nothing" }, -32011);
  await fails("fetch.resume", { id: `${target}/77` }, -32011);
  await fails("fetch.fail", { id: `${target}/77` }, -32011);
  await fails("fetch.fail", { id: `${target}/77`, reason: "Whatever" }, -32602);
  await fails("fetch.fulfill", { id: "p9:abcdef/1" }, -32011);
  await fails("fetch.paused", { target: "p9:abcdef" }, -32011);
  await fails("fetch.disable", { target: "p9:abcdef" }, -32011);
  assert.deepEqual((await host.rpc("fetch.rules")).rules, {}, "nothing of this was taken");
});

test("frames of another site and two callers", async (t) => {
  const other = await serve(t, { "/frame": "<script>fetch('/secret').catch(() => {})</script>in", "/secret": "s" });
  const { host, target, site } = await page(t);
  await Promise.all([host.rpc("fetch", { target, block: ["*/secret"] }),
                     host.rpc("fetch", { target, mock: { "*/api/data": "m" } })]);
  const { rules } = await host.rpc("fetch.rules");
  assert.deepEqual(Object.keys(rules[target]).sort(), ["block", "mock"]);
  const url = other.url.replace("127.0.0.1", "localhost");
  await host.rpc("js", { target, await_promise: true, code: `new Promise((resolve) => {
    const f = document.createElement("iframe"); f.onload = resolve; f.src = "${url}/frame"; document.body.append(f) })` });
  await until(() => other.asked.includes("GET /frame"), "the frame is there");
  await host.rpc("js", { target, await_promise: true, code: "new Promise((resolve) => setTimeout(resolve, 300))" });
  assert.ok(!other.asked.includes("GET /secret"), `${other.asked}`);
  assert.ok(site.asked.length > 0);
});

test("the commands", async (t) => {
  const { host, get } = await page(t);
  const ok = async (...args) => {
    const { code, stdout, stderr } = await host.command("fetch", ...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await ok("block", "*/api/other", "*/nothing");
  await ok("mock", "*/api/data", "{}", "--status", "203");
  assert.equal((await get("/api/other"))[0], "failed");
  assert.deepEqual((await get("/api/data")).slice(0, 2), [203, "{}"]);
  assert.match(await ok(), /api\/other/);
  await ok("disable");
  await ok("pause", "*/api/*", "--for", "30s");
  for (const [command, end] of [["resume", "other"], ["fail", "failed"], ["fulfill", "told"]]) {
    const answer = get("/api/other");
    const [{ id }] = await paused(host);
    assert.ok((await ok("paused")).includes(id));
    await ok(command, id, ...(command === "fulfill" ? ["--body", "told"] : []));
    assert.ok((await answer).includes(end), command);
  }
  await ok("capture");
  await ok("capture", "--off");
  assert.equal((await host.command("fetch", "resume", "p1:x/9")).code, 1);
});

test("what Chrome refuses leaves nothing hanging", async (t) => {
  const { host, target, get, asked } = await page(t);
  await host.rpc("fetch", { target, mock: { "*/api/data": { body: "x", status: 599 } } }); // no words for it
  assert.equal((await get("/api/data"))[0], "failed");
  assert.equal(asked("/api/data"), 0, "and it did not leave");
  await host.rpc("fetch", { target });
  await host.rpc("fetch.enable", { response: true, urls: "*/api/other" });
  const answer = get("/api/other");
  const [one] = await paused(host);
  await assert.rejects(host.rpc("fetch.resume", { id: one.id, modifications: { status: 599 } }), { code: -32009 });
  await assert.rejects(host.rpc("fetch.fulfill", { id: one.id, response_code: 599 }), { code: -32009 });
  assert.equal((await paused(host))[0].id, one.id, "it can still be decided");
  await host.rpc("fetch.resume", { id: one.id, wait_ms: 1 });
  assert.equal((await answer)[1], "other");
});
