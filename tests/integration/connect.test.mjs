// SPDX-License-Identifier: MIT
// Connecting is quick and complete; disconnecting leaves nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { footprint, SLOW, startBrowser, startHost, until } from "./lib.mjs";

const CYCLES = 100;

/** Connect to and disconnect from the page; milliseconds each connecting took. */
async function cycle(host, target, count) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    await host.rpc("connect", { target });
    times.push(performance.now() - begin);
    await host.rpc("disconnect", { target });
  }
  return times.sort((a, b) => a - b);
}

async function checkCycles(t, host, target) {
  await host.rpc("disconnect", { target });
  await cycle(host, target, 10); // pools fill up
  const before = await settled(host);
  const times = await cycle(host, target, CYCLES);
  const after = await until(() => {
    const now = footprint(host.pid);
    return now.threads <= before.threads && now.descriptors <= before.descriptors && now;
  }, "threads and descriptors are as before").catch(() => footprint(host.pid));
  t.diagnostic(`connecting: median ${times[CYCLES / 2].toFixed(1)} ms, ` +
               `slowest ${times[CYCLES - 1].toFixed(1)} ms`);
  t.diagnostic(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  assert.ok(after.threads <= before.threads, "no thread is left");
  assert.ok(after.descriptors <= before.descriptors, "no descriptor is left");
  assert.ok(times[CYCLES / 2] < 500 * SLOW);
}

/** The footprint once it is the same in two looks in a row. */
async function settled(host) {
  let last = "";
  return until(() => {
    const now = footprint(host.pid);
    const same = JSON.stringify(now) === last;
    last = JSON.stringify(now);
    return same && now;
  }, "the footprint settles");
}

test("100 cycles on a launched browser leave no thread and no descriptor", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  await checkCycles(t, host, target);
});

test("100 cycles on an attached browser leave no thread and no descriptor", async (t) => {
  const host = await startHost(t);
  const { port } = await startBrowser(t);
  const { browser } = await host.rpc("ports.add", { port });
  const { target } = await host.rpc("open", { url: "about:blank", browser });
  await checkCycles(t, host, target);
});

test("once connected, every domain reports", async (t) => {
  const host = await startHost(t);
  const { port } = await startBrowser(t);
  const { browser } = await host.rpc("ports.add", { port });
  const { target } = await host.rpc("open", { url: "about:blank", browser });
  await host.rpc("disconnect", { target });
  await host.rpc("connect", { target });
  await host.rpc("js", { target, await_promise: true, code: `
    console.log("connected again");
    await fetch("data:text/plain,hello").then((r) => r.text())` });
  const { messages } = await host.rpc("console", { target });
  assert.ok(messages.some(({ message }) => message === "connected again"));
  const { requests } = await host.rpc("network", { target, show_all: true });
  assert.ok(requests.some(({ url }) => url.startsWith("data:text/plain")));
});

test("a connected page is driven and recorded; a disconnected one is not", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  const again = await host.rpc("connect", { target });
  assert.equal(again.already_connected, true);
  const { disconnected } = await host.rpc("disconnect", { target });
  assert.deepEqual(disconnected, [target]);
  await assert.rejects(host.rpc("js", { target, code: "1" }), { code: -32001 });
});

test("several pages are connected to at once", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const pages = [];
  for (let i = 0; i < 3; i++)
    pages.push((await host.rpc("open", { url: "about:blank" })).target);
  await host.rpc("disconnect");
  const some = await host.rpc("connect", { target: pages.slice(0, 2) });
  assert.deepEqual(some.connected.map(({ target }) => target), pages.slice(0, 2));
  const every = await host.rpc("connect", { target: "*" });
  assert.ok(pages.every((page) => every.connected.some(({ target }) => target === page)));
  assert.deepEqual(every.warnings, []);
  await assert.rejects(host.rpc("connect", { target: [pages[0], "ffffff"] }), { code: -32011 });
  await assert.rejects(host.rpc("connect", { target: [7] }), { code: -32602 });
});

test("an attached browser that goes away is told, and found again", async (t) => {
  const host = await startHost(t);
  const { port, kill } = await startBrowser(t);
  const { browser } = await host.rpc("ports.add", { port });
  const { target } = await host.rpc("open", { url: "about:blank", browser });
  const pending = host.rpc("js", { target, code: "await new Promise(() => {})", await_promise: true });
  await host.rpc("js", { target, code: "1" });
  kill("SIGKILL");
  await assert.rejects(pending, ({ wire }) => ["CLOSED", "GONE"].includes(wire));
  const { browsers } = await host.rpc("browsers.list");
  assert.notEqual(browsers.find((each) => each.browser === browser)?.state, "up");
});
