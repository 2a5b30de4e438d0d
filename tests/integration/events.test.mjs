// SPDX-License-Identifier: MIT
// Live events: subscribed to over /ws, waited for over either; and that no answer overtakes what came
// before it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SLOW, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

/** A WebSocket that keeps the events it is sent: [{topic, data}, …]. */
async function listener(host) {
  const socket = await host.socket();
  socket.events = [];
  socket.onNotification(({ params }) => socket.events.push(params));
  return socket;
}

const PAGES = { "/": "<title>page</title>", "/data": { body: "{}", type: "application/json" } };

test("events as Chrome sends them, by pattern and target", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const other = await host.rpc("open", { url: site.url });
  const socket = await listener(host);
  const answer = await socket.call("events.subscribe", { methods: ["Page.frame*", "Network.responseReceived"],
                                                         targets: target });
  assert.deepEqual(answer, { topics: ["cdp"], targets: [target], methods: ["Page.frame*", "Network.responseReceived"] });
  await host.rpc("reload", { target: other.target });
  await host.rpc("js", { target, code: "fetch('/data').then((r) => r.status)", await_promise: true });
  await host.rpc("navigate", { target, url: site.url });
  const events = () => socket.events.filter(({ topic }) => topic === "cdp").map(({ data }) => data);
  await until(() => events().some(({ method }) => method === "Page.frameNavigated"), "the navigation is told");
  assert.ok(events().every((event) => event.target === target && /^(Page\.frame|Network\.responseR)/.test(event.method)));
  const response = events().find(({ method, params }) => method === "Network.responseReceived" &&
    params.response.url.endsWith("/data"));
  assert.equal(response.params.response.status, 200);
  await socket.call("events.unsubscribe", { topics: "cdp" });
  await assert.rejects(socket.call("events.subscribe", {}), { code: -32602 });
  await assert.rejects(socket.call("events.subscribe", { topics: "weather" }), { code: -32602 });
  socket.close();
});

test("browsers that come and go are told", async (t) => {
  const { host } = await hostWithPage(t, PAGES);
  const socket = await listener(host);
  await socket.call("events.subscribe", { topics: ["browser"] });
  const { browsers: [{ browser }] } = await host.rpc("browsers.launch", { count: 1 });
  const told = (state) => socket.events.some(({ topic, data }) => topic === "browser" &&
    data.browser === browser && data.state === state);
  await until(() => told("up"), "it is up");
  await host.rpc("browsers.close", { browser });
  await until(() => told("down"), "it is down");
  socket.close();
});

test("the next event that matches is waited for", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const wait = (params) => host.rpc("events.wait", { timeout_ms: 20000, ...params });
  const network = wait({ topics: "network", where: { url: "*/data", status: 200 } });
  const cdp = wait({ methods: "Page.loadEventFired", targets: target });
  const line = wait({ topics: ["console"], where: { message: "here" } });
  // Three calls, and the store's three answers to what the actor asked of it.
  await until(async () => (await host.rpc("actors.list")).actors
    .some(({ name, received }) => name === "events" && received >= 6), "they wait");
  await host.rpc("js", { target, await_promise: true, code: `console.log('not'); console.log('here');
    Promise.all(['/none', '/data'].map((path) => fetch(path).then((r) => r.text())))` });
  await host.rpc("reload", { target });
  assert.equal((await network).data.url, `${site.url}/data`);
  assert.deepEqual([(await cdp).topic, (await cdp).data.target], ["cdp", target]);
  assert.equal((await line).data.message, "here");
  await assert.rejects(wait({ methods: "Never.happens", timeout_ms: 400 }), { code: -32005 });
  await assert.rejects(wait({}), { code: -32602 });
  await assert.rejects(wait({ topics: "weather" }), { code: -32602 });
});

test("who waits and goes leaves nothing", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  const socket = await host.socket();
  const waits = socket.call("events.wait", { methods: "Never.happens", timeout_ms: 60000 }).catch(() => "gone");
  await host.rpc("js", { target, code: "console.log(1)" });
  socket.destroy();
  await waits;
  await until(async () => (await host.rpc("clients.list")).clients.length === 0, "the client is gone");
  assert.equal((await host.rpc("js", { target, code: "1" })).value, 1);
});

test("a result does not overtake the lines before it", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  for (let round = 0; round < (SLOW > 1 ? 5 : 20); round++) {
    await host.rpc("js", { target, code: `for (let i = 0; i < 1000; i++) console.log("${round}", i); 1` });
    const { messages } = await host.rpc("console", { limit: 1000 });
    assert.equal(messages.length, 1000);
    assert.equal(messages.filter(({ message }) => message.startsWith(`${round} `)).length, 1000, `round ${round}`);
  }
});
