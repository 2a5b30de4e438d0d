// SPDX-License-Identifier: MIT
// Many commands on one connection: each with its own answer, none disturbed by another that is late,
// cancelled, huge or cut off by the end of the browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browserProcess, RpcError, SLOW, startHost, until } from "./lib.mjs";

const IN_FLIGHT = 100;
const NEVER = "await new Promise(() => {})";

async function hostWithPage(t) {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  return { host, target };
}

function numbers(count) {
  return Array.from({ length: count }, (_, i) => i);
}

test("100 commands in flight end out of order, each with its own answer", async (t) => {
  const { host, target } = await hostWithPage(t);
  const socket = await host.socket();
  const answers = await Promise.all(numbers(IN_FLIGHT).map((i) => socket.call("js", {
    target, await_promise: true,
    code: `await new Promise((resolve) => setTimeout(resolve, ${(IN_FLIGHT - i) * 4}, "answer ${i}"))`,
  })));
  assert.deepEqual(answers.map(({ value }) => value), numbers(IN_FLIGHT).map((i) => `answer ${i}`));
  assert.notDeepEqual(socket.arrivals, [...socket.arrivals].sort((a, b) => a - b), "out of order");
  socket.close();
});

test("a promise that is the value is waited for", async (t) => {
  const { host, target } = await hostWithPage(t);
  const js = async (code) => (await host.rpc("js", { target, code, await_promise: true })).value;
  assert.equal(await js("new Promise((resolve) => setTimeout(resolve, 50, 7))"), 7);
  assert.deepEqual(await js("Promise.resolve({ a: [1] })"), { a: [1] });
  assert.deepEqual(await js("({ b: 2 })"), { b: 2 });
  await assert.rejects(js("Promise.reject(new Error('no'))"), { code: -32010 });
});

test("100 browser commands in one batch", async (t) => {
  const { host, target } = await hostWithPage(t);
  const batch = numbers(IN_FLIGHT).map((id) => ({
    jsonrpc: "2.0", id, method: "cdp", params: { target, command: "Browser.getVersion" },
  }));
  const answers = await host.post(JSON.stringify(batch));
  assert.deepEqual(answers.map(({ id }) => id).sort((a, b) => a - b), numbers(IN_FLIGHT));
  for (const { result } of answers)
    assert.match(result.result.product, /Chrome|Chromium/);
});

test("a command that times out disturbs no other", async (t) => {
  const { host, target } = await hostWithPage(t);
  const socket = await host.socket();
  const others = numbers(IN_FLIGHT).map((i) => socket.call("js", {
    target, await_promise: true,
    code: `await new Promise((resolve) => setTimeout(resolve, 300, ${i}))`,
  }));
  await assert.rejects(socket.call("js", { target, code: NEVER, await_promise: true, timeout_ms: 50 }),
                       { code: -32005, wire: "TIMEOUT" });
  assert.deepEqual((await Promise.all(others)).map(({ value }) => value), numbers(IN_FLIGHT));
  assert.equal((await socket.call("js", { target, code: "6 * 7" })).value, 42);
  socket.close();
});

test("a client that goes away disturbs no other", async (t) => {
  const { host, target } = await hostWithPage(t);
  const [stays, goes] = [await host.socket(), await host.socket()];
  const lost = numbers(20).map(() => goes.call("js", { target, code: NEVER, await_promise: true }));
  lost.forEach((call) => call.catch(() => {}));
  const kept = numbers(20).map((i) => stays.call("js", {
    target, await_promise: true,
    code: `await new Promise((resolve) => setTimeout(resolve, 200, ${i}))`,
  }));
  goes.destroy();
  await goes.closed;
  assert.deepEqual((await Promise.all(kept)).map(({ value }) => value), numbers(20));
  stays.close();
});

test("a result of 64 MiB arrives whole", async (t) => {
  const { host, target } = await hostWithPage(t);
  const size = 64 * 1024 * 1024;
  const { value } = await host.rpc("js", { target, code: `"0123456789abcdef".repeat(${size / 16})`,
                                           timeout_ms: 60000 });
  assert.equal(value.length, size);
  assert.equal(value.slice(-16), "0123456789abcdef");
  assert.equal((await host.rpc("js", { target, code: "1 + 1" })).value, 2);
});

test("an exception of the page's code says where and what", async (t) => {
  const { host, target } = await hostWithPage(t);
  await assert.rejects(host.rpc("js", { target, code: "nosuchthing.at.all" }),
                       (error) => error.code === -32010 && /nosuchthing/.test(
                         error.message + JSON.stringify(error.data)));
  await assert.rejects(host.rpc("cdp", { target, command: "No.suchCommand" }), { code: -32009 });
});

test("an event of a method that nobody knows is kept", async (t) => {
  const { host, target } = await hostWithPage(t);
  await host.rpc("cdp", { target, command: "Animation.enable" });
  await host.rpc("js", { target, await_promise: true,
                         code: "await document.body.animate([{opacity: 0}, {opacity: 1}], 50).finished.then(() => 1)" });
  const [{ count }] = await host.sql(
    "SELECT count(*) AS count FROM event WHERE method = 'Animation.animationCreated' AND target = ?1",
    [target]);
  assert.ok(count >= 1);
});

test("killing the browser ends what is pending within a second, and it comes back", async (t) => {
  const { host, target } = await hostWithPage(t);
  const socket = await host.socket();
  const { browser, pid } = await host.launched();
  const pending = numbers(10).map(() => socket.call("js", { target, code: NEVER, await_promise: true }));
  await socket.call("js", { target, code: "1" }); // the ones before it are on their way
  const killed = Date.now();
  process.kill(browserProcess(host.profiles), "SIGKILL");
  for (const call of await Promise.allSettled(pending)) {
    assert.ok(call.reason instanceof RpcError, String(call.reason ?? call.value));
    assert.ok(["CLOSED", "GONE"].includes(call.reason.wire), call.reason.message);
  }
  const elapsed = Date.now() - killed;
  t.diagnostic(`pending calls ended ${elapsed} ms after the kill`);
  assert.ok(elapsed < 1000 * SLOW, `${elapsed} ms`);

  const back = await until(async () => (await socket.call("browsers.list")).browsers
    .find((each) => each.browser === browser && each.state === "up" && each.pid !== pid),
                           "the browser is back");
  t.diagnostic(`back ${Date.now() - killed} ms after the kill`);
  const { target: fresh } = await socket.call("open", { url: "about:blank", browser: back.browser });
  assert.equal((await socket.call("js", { target: fresh, code: "2 + 2" })).value, 4);
  socket.close();
});
