// SPDX-License-Identifier: MIT
// The CDP endpoint: unmodified Puppeteer, Playwright and chrome-remote-interface, several at once, and what Chrome
// itself answers to clients of no library.

import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { defer, startHost, until } from "./lib.mjs";
import { serve } from "./site.mjs";
import { Refused, WebSocketClient } from "./websocket.mjs";

const peers = path.join(path.dirname(fileURLToPath(import.meta.url)), "../peers/node_modules");
const skip = !fs.existsSync(path.join(peers, "puppeteer-core")) && "no peers";
const load = (name, file) => import(path.join(peers, name, file));

const PAGES = {
  "/": "<title>first</title><h1>hello</h1><button onclick=\"window.open('/popup')\">open</button>",
  "/popup": "<title>popup</title><script>document.title += ' ' + (window.early ?? 'late')</script>",
  "/told": "<title>told</title><script>console.log('from a driver')</script>",
  "/cookie": { body: "<title>cookie</title>", headers: { "set-cookie": "who=somebody" } },
};

async function hostWithSite(t, args = ["--launch", "1"]) {
  const site = await serve(t, PAGES);
  const host = await startHost(t, { args });
  if (args.includes("--launch"))
    await host.launched();
  return { host, site };
}

async function puppeteer(t, options) {
  const browser = await (await load("puppeteer-core", "lib/esm/puppeteer/puppeteer-core.js")).default.connect(options);
  defer(t, () => browser.disconnect());
  return browser;
}

async function playwright(t, url) {
  const browser = await (await load("playwright-core", "index.mjs")).chromium.connectOverCDP(url);
  defer(t, () => browser.close());
  return browser;
}

/** A CDP client of no library: ask(method, params, session) → the answer; messages in order. */
async function raw(t, url) {
  const socket = await WebSocketClient.open(url);
  const client = { socket, messages: [], closed: new Promise((resolve) => socket.on("close", resolve)) };
  let last = 0;
  socket.on("message", (text) => client.messages.push(JSON.parse(text)));
  client.send = (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message));
  client.answer = (id) => until(() => client.messages.find((message) => message.id === id), `answer ${id}`);
  client.ask = (method, params, sessionId) => {
    client.send({ id: ++last, method, params, sessionId });
    return client.answer(last);
  };
  client.event = (method) => until(() => client.messages.find((message) => message.method === method), method);
  defer(t, () => socket.close());
  return client;
}

const get = (url, options = {}) => new Promise((resolve, reject) => {
  const request = http.request(url, options, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (part) => (body += part));
    response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
  });
  request.on("error", reject).end();
});
const wsUrl = (host, at) => host.url.replace(/^http/, "ws") + at;

test("Puppeteer: pages, popups, contexts, interception; what is made lives on", { skip }, async (t) => {
  const { host, site } = await hostWithSite(t);
  const browser = await puppeteer(t, { browserURL: host.url });
  assert.match(await browser.version(), /Chrome\/\d+/);
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(() => { window.marked = true; });
  await page.goto(site.url);
  assert.deepEqual([await page.title(), await page.evaluate(() => window.marked)], ["first", true]);
  assert.ok((await page.screenshot()).length > 1000);
  const popup = new Promise((resolve) => page.once("popup", resolve));
  await page.click("button");
  assert.match((await popup).url(), /popup|about:blank/);

  await page.setRequestInterception(true);
  page.on("request", (request) => (request.url().endsWith("/made")
    ? request.respond({ body: "<title>made</title>", contentType: "text/html" }) : request.continue()));
  await page.goto(`${site.url}/made`);
  assert.equal(await page.title(), "made");

  const context = await browser.createBrowserContext();
  const other = await context.newPage();
  await other.goto(`${site.url}/cookie`);
  assert.equal(await other.evaluate(() => document.cookie), "who=somebody");
  assert.equal(await page.evaluate((url) => fetch(url).then(() => document.cookie), site.url), "");
  await context.close();

  await browser.disconnect();
  const again = await puppeteer(t, { browserWSEndpoint: wsUrl(host, "/devtools/browser/p1") });
  const titles = await Promise.all((await again.pages()).map((each) => each.title()));
  assert.ok(titles.includes("made"), `found again: ${titles}`);
});

test("Playwright: contexts, popups with their init scripts, routes; recorded as any page", { skip }, async (t) => {
  const { host, site } = await hostWithSite(t);
  const browser = await playwright(t, host.url);
  const context = await browser.newContext();
  await context.addInitScript(() => { window.early = "early"; });
  const page = await context.newPage();
  await page.goto(site.url);
  for (let i = 0; i < 5; i++) {
    const [popup] = await Promise.all([page.waitForEvent("popup"), page.click("button")]);
    await popup.waitForLoadState();
    assert.equal(await popup.title(), "popup early");
    await popup.close();
  }
  await page.route("**/made", (route) => route.fulfill({ body: "<title>made</title>", contentType: "text/html" }));
  await page.goto(`${site.url}/made`);
  assert.equal(await page.title(), "made");
  await page.goto(`${site.url}/told`);
  await until(async () => (await host.rpc("console", {})).messages.some(({ message }) => message === "from a driver"), "its console is recorded");
  const { requests } = await host.rpc("network", { url: "*/told" });
  assert.equal(requests.length, 1, "once: the driver's session is not recorded too");
  const session = await context.newCDPSession(page);
  assert.equal((await session.send("Runtime.evaluate", { expression: "6 * 7" })).result.value, 42);
});

test("chrome-remote-interface: list, new, activate, a page of its own, close", { skip }, async (t) => {
  const { host, site } = await hostWithSite(t);
  const { default: CDP } = await load("chrome-remote-interface", "index.js");
  const options = { port: new URL(host.url).port, local: true };
  assert.match((await CDP.Version(options)).Browser, /Chrome/);
  const target = await CDP.New({ ...options, url: `${site.url}/` });
  assert.equal(target.type, "page");
  await CDP.Activate({ ...options, id: target.id });
  const client = await CDP({ ...options, target });
  await client.Page.enable();
  client.Page.navigate({ url: `${site.url}/told` });
  await client.Page.loadEventFired();
  assert.equal((await client.Runtime.evaluate({ expression: "document.title" })).result.value, "told");
  assert.ok((await CDP.List(options)).some(({ id, webSocketDebuggerUrl }) => id === target.id && webSocketDebuggerUrl.endsWith(`/devtools/page/${id}`)));
  await client.close();
  await CDP.Close({ ...options, id: target.id });
  await until(async () => !(await CDP.List(options)).some(({ id }) => id === target.id), "gone from the list");
  await assert.rejects(CDP.Close({ ...options, id: target.id }), /No such target id/);
});

test("several at once: nobody gets another's answers, events or sessions", { skip }, async (t) => {
  const { host, site } = await hostWithSite(t);
  const [one, two, three] = await Promise.all([puppeteer(t, { browserURL: host.url }), puppeteer(t, { browserURL: host.url }), playwright(t, host.url)]);
  const [first, second] = [await raw(t, wsUrl(host, "/devtools/browser/p1")), await raw(t, wsUrl(host, "/devtools/browser/p1"))];
  const work = async (browser, name) => {
    const page = await browser.newPage();
    for (let i = 0; i < 20; i++) {
      await page.goto(`${site.url}/?${name}${i}`);
      assert.equal(await page.evaluate(() => location.search), `?${name}${i}`);
    }
    await page.close();
  };
  await Promise.all([work(one, "a"), work(two, "b"), work(three, "c")]);

  const { result: { targetId } } = await first.ask("Target.createTarget", { url: "about:blank" });
  const { result: { sessionId } } = await first.ask("Target.attachToTarget", { targetId, flatten: true });
  assert.deepEqual((await second.ask("Runtime.evaluate", { expression: "1" }, sessionId)).error, { code: -32001, message: "Session with given id not found." });
  assert.equal((await first.ask("Runtime.evaluate", { expression: "1 + 1" }, sessionId)).result.result.value, 2);
  assert.equal(first.messages.filter(({ method }) => method === "Target.attachedToTarget").length, 1);
  assert.equal(second.messages.filter(({ method }) => method !== undefined).length, 0, "no event of anybody else");

  await one.close(); // what it sends would end the browser for all
  assert.deepEqual((await second.ask("Browser.close")).result, {});
  await second.closed;
  assert.equal(second.socket.closeCode, 1000);
  assert.equal((await first.ask("Runtime.evaluate", { expression: "3" }, sessionId)).result.result.value, 3, "the browser lives");
  await work(three, "d");
});

test("what a driver leaves behind: its sessions and contexts end, its pages live on", async (t) => {
  const { host } = await hostWithSite(t);
  const [leaver, stayer] = [await raw(t, wsUrl(host, "/devtools/browser/p1")), await raw(t, wsUrl(host, "/devtools/browser"))];
  const { result: { browserContextId } } = await leaver.ask("Target.createBrowserContext", { disposeOnDetach: true });
  const { result: { targetId } } = await leaver.ask("Target.createTarget", { url: "about:blank" });
  const { result: { sessionId } } = await leaver.ask("Target.attachToTarget", { targetId, flatten: true });
  leaver.send({ id: 99, method: "Runtime.evaluate", params: { expression: "new Promise(() => 0)", awaitPromise: true }, sessionId });
  const contexts = async () => (await stayer.ask("Target.getBrowserContexts")).result.browserContextIds;
  assert.ok((await contexts()).includes(browserContextId));
  leaver.socket.close();
  await until(async () => !(await contexts()).includes(browserContextId), "its context is disposed of");
  const { result: { targetInfos } } = await stayer.ask("Target.getTargets");
  assert.ok(targetInfos.some((info) => info.targetId === targetId), "its page lives on");
});

test("messages of clients that break the rules are answered as Chrome does", async (t) => {
  const { host } = await hostWithSite(t);
  const client = await raw(t, wsUrl(host, "/devtools/browser/p1/extra"));
  const said = async (text, id) => {
    const before = client.messages.length;
    client.send(text);
    return until(() => client.messages.slice(before).find((message) => message.id === id), text);
  };
  assert.equal((await said("nonsense", undefined)).error.code, -32700);
  for (const text of ['{"method":"Browser.getVersion"}', '{"id":"1","method":"Browser.getVersion"}', '{"id":1.5,"method":"Browser.getVersion"}', '{"id":3000000000,"method":"Browser.getVersion"}'])
    assert.deepEqual((await said(text, undefined)).error, { code: -32600, message: "Message must have integer 'id' property" });
  assert.equal((await said('{"id":5}', 5)).error.code, -32600);
  assert.deepEqual((await said('{"id":6,"method":"No.such"}', 6)).error, { code: -32601, message: "'No.such' wasn't found" });
  assert.equal((await said('{"id":7,"method":"a b"}', 7)).error.code, -32601);
  assert.ok((await said('{"id":-8,"method":"Browser.getVersion","params":null,"sessionId":""}', -8)).result.product);
  assert.ok((await said('{"id":0,"method":"Browser.getVersion"}', 0)).result.product);
  assert.equal((await said('{"id":9,"method":"Target.attachToTarget","params":{"targetId":"nobody","flatten":true}}', 9)).error.code, -32602);
  assert.equal((await said('{"id":10,"method":"Target.setRemoteLocations","params":{"locations":[]}}', 10)).error.code, -32000);

  const { result: { targetId } } = await client.ask("Target.createTarget", { url: "about:blank" });
  const { result: { sessionId } } = await client.ask("Target.attachToTarget", { targetId, flatten: true });
  const large = await client.ask("Runtime.evaluate", { expression: "'x'.repeat(20e6)", returnByValue: true }, sessionId);
  assert.equal(large.result.result.value.length, 20e6);
  assert.equal(large.sessionId, sessionId);
  const back = await client.ask("Runtime.evaluate", { expression: `${JSON.stringify("y".repeat(8e6))}.length` }, sessionId);
  assert.equal(back.result.result.value, 8e6);
  client.send({ id: 77, method: "Runtime.evaluate", params: { expression: "new Promise(() => 0)", awaitPromise: true }, sessionId });
  await client.ask("Target.closeTarget", { targetId });
  assert.ok((await client.answer(77)).error, "what waits on a session that ends is answered");
});

test("a page by its own address: its session is the root, and ends with it", async (t) => {
  const { host, site } = await hostWithSite(t);
  const { target } = await host.rpc("open", { url: site.url });
  const { chrome_id: id } = (await host.rpc("targets.get")).targets.find((one) => one.target === target);
  const [one, two] = [await raw(t, wsUrl(host, `/devtools/page/${id}`)), await raw(t, wsUrl(host, `/b/p1/devtools/page/${id}`))];
  assert.equal((await one.ask("Runtime.evaluate", { expression: "document.title" })).result.result.value, "first");
  await one.ask("Runtime.enable");
  const created = await one.event("Runtime.executionContextCreated");
  assert.equal(created.sessionId, undefined);
  await two.ask("Runtime.evaluate", { expression: "window.shared = 5" });
  assert.equal((await one.ask("Runtime.evaluate", { expression: "window.shared" })).result.result.value, 5);
  assert.equal(two.messages.filter(({ method }) => method !== undefined).length, 0);
  await host.rpc("close", { target });
  await Promise.all([one.closed, two.closed]);
});

test("Chrome's discovery, word by word", async (t) => {
  const { host, site } = await hostWithSite(t, []);
  const version = await get(`${host.url}/json/version/`); // nobody runs: one is launched
  assert.equal(version.status, 200);
  assert.equal(version.headers["content-type"], "application/json; charset=UTF-8");
  const told = JSON.parse(version.body);
  assert.deepEqual(Object.keys(told), ["Browser", "File-Path-Style", "Protocol-Version", "User-Agent", "V8-Version", "WebKit-Version", "webSocketDebuggerUrl"]);
  assert.equal(told.webSocketDebuggerUrl, wsUrl(host, "/devtools/browser/p1"));
  assert.equal(JSON.parse((await get(`${host.url}/b/p1/json/version`)).body).webSocketDebuggerUrl, wsUrl(host, "/b/p1/devtools/browser/p1"));
  for (const at of ["/json/version", "/json/version?browser=p1", "/b/p1/json"])
    assert.equal((await get(host.url + at)).status, 200, at);
  for (const at of ["/json/version?browser=p9", "/b/p9/json/version", "/json/", "/json/nothing", "/json/versions", "/json/activate/none", "/json/close/none"])
    assert.equal((await get(host.url + at)).status, 404, at);
  assert.equal((await get(`${host.url}/json/close/none`)).body, "No such target id: none");

  const unsafe = await get(`${host.url}/json/new?${site.url}`);
  assert.deepEqual([unsafe.status, unsafe.body], [405, "Using unsafe HTTP verb GET to invoke /json/new. This action supports only PUT verb."]);
  const made = JSON.parse((await get(`${host.url}/json/new?${encodeURIComponent(`${site.url}/?a=b&c`)}`, { method: "PUT" })).body);
  await until(async () => JSON.parse((await get(`${host.url}/json/list`)).body).some(({ id, title, url }) => id === made.id && title === "first" && url.endsWith("?a=b&c")), "listed");
  assert.equal((await get(`${host.url}/json/activate/${made.id}`)).body, "Target activated");
  assert.equal((await get(`${host.url}/json/close/${made.id}`)).body, "Target is closing");

  const refused = async (at, status, headers) => assert.rejects(WebSocketClient.open(wsUrl(host, at), headers), (error) => error instanceof Refused && error.status === status || assert.fail(`${at}: ${error.status}`));
  await refused("/devtools/browser/p9", 404);
  await refused("/devtools/page/none", 500);
  await refused("/devtools/browser/p1", 403, { Origin: "http://evil.example" });
});

test("a browser that ends takes its drivers with it, and says so", async (t) => {
  const { host } = await hostWithSite(t);
  const client = await raw(t, wsUrl(host, "/devtools/browser/p1"));
  const { result: { targetId } } = await client.ask("Target.createTarget", { url: "about:blank" });
  const { result: { sessionId } } = await client.ask("Target.attachToTarget", { targetId, flatten: true });
  client.send({ id: 50, method: "Runtime.evaluate", params: { expression: "new Promise(() => 0)", awaitPromise: true }, sessionId });
  await client.ask("Browser.getVersion"); // so the browser has what was sent before
  await host.rpc("browsers.close", { browser: "p1" });
  await client.closed;
  assert.equal(client.socket.closeCode, 1001);
  assert.ok(client.messages.find(({ id }) => id === 50)?.error, "what it waited for is answered");
});
