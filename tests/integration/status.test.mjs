// SPDX-License-Identifier: MIT
// `status` is answered without asking anybody while nothing changes, and is never old.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

test("each change shows in the next status", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<title>page</title>", "/asked": { body: "x", type: "text/plain" } });
  const socket = await host.socket();
  const statuses = async () => [await host.rpc("status"), await socket.call("status")];
  const each = async (check, what) => {
    for (const status of await statuses())
      assert.ok(check(status), `${what}: ${JSON.stringify(status)}`);
  };
  let last = await host.rpc("status");
  for (let i = 0; i < 30; i++) {
    const { target: made } = await host.rpc("open", { url: "about:blank" });
    await each(({ connected, epoch }) => connected.includes(made) && epoch > last.epoch, "opened");
    await host.rpc("disconnect", { target: made });
    await each(({ connected }) => !connected.includes(made), "let go");
    await host.rpc("targets.set", { targets: i % 2 ? [target] : [] });
    await each(({ tracked }) => tracked.length === i % 2, "tracked");
    await host.rpc("js", { target, await_promise: true, code: 'await fetch("/asked").then((r) => r.text())' });
    await host.rpc("network", { limit: 1 });
    await each(({ store }) => store.requests > last.store.requests && store.events > last.store.events, "recorded");
    last = await host.rpc("status");
    await host.rpc("close", { target: made });
  }
  const calls = async () => (await host.rpc("actors.list")).actors.find(({ name }) => name === "connections").received;
  await until(async () => { // once nothing happens any more
    const before = await calls();
    for (let i = 0; i < 10; i++)
      await host.rpc("status");
    return await calls() === before;
  }, "asking costs no message");
  const { uptime_ms: early } = await host.rpc("status");
  await until(async () => (await host.rpc("status")).uptime_ms > early, "time goes on all the same");
  await host.rpc("browsers.close", { browser: "p1" });
  await each(({ browsers }) => browsers.length === 0, "no browser");
});
