// SPDX-License-Identifier: MIT
// What no client can do to the host: 200 idle ones, slow ones, half ones, greedy ones.

import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { test } from "node:test";

import { defer, SLOW, startHost, until } from "./lib.mjs";

const residentMib = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

test("200 idle clients cost little, and the next one is told why not", async (t) => {
  const host = await startHost(t);
  const before = residentMib(host.pid);
  const clients = [];
  for (let i = 0; i < 200; i++)
    clients.push(await host.socket());
  assert.equal((await host.rpc("clients.list")).clients.length, 200);
  const grown = residentMib(host.pid) - before;
  t.diagnostic(`200 clients: ${grown.toFixed(1)} MiB`);
  if (SLOW === 1)
    assert.ok(grown <= 32, `${grown} MiB`);
  for (const where of ["/ws", "/events"]) {
    const refused = await host.request("GET", where, { headers: where === "/ws" && {
      Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" } });
    assert.equal(refused.status, 503);
    assert.match(JSON.parse(refused.text).error.message, /clients_max/);
  }
  await Promise.all(clients.map((client) => client.call("status")));
  clients.pop().close();
  await until(() => host.socket().then((again) => { again.close(); return true; }, () => false), "a place is free again");
  clients.forEach((client) => client.close());
});

/** Connections that send this and nothing more. */
async function linger(t, host, count, text) {
  const { port } = new URL(host.url);
  const list = [];
  for (let i = 0; i < count; i++) {
    const socket = net.connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    defer(t, () => socket.destroy());
    list.push(once(socket, "connect").then(() => { socket.write(text); return socket; }));
  }
  return Promise.all(list);
}

test("half requests hold nobody up for long, and are ended", async (t) => {
  const host = await startHost(t);
  const halves = await linger(t, host, 100, "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le");
  const gone = Promise.all(halves.map((socket) => once(socket.resume(), "close")));
  assert.equal((await host.request("GET", "/healthz")).status, 200, "more of them than there are workers");
  await gone;
  assert.equal((await host.rpc("status")).name, "test");
});

test("a body that does not come, and lengths that lie, cost nothing", async (t) => {
  const host = await startHost(t);
  await host.rpc("status");
  const before = residentMib(host.pid);
  const json = "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
  const lies = [`${json}Content-Length: 16777216\r\n\r\n{`, `${json}Content-Length: 99999999999999\r\n\r\n{`,
                `${json}Content-Length: -5\r\n\r\n{`, `${json}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n{`];
  for (const lie of lies)
    await linger(t, host, 5, lie);
  assert.equal((await host.rpc("status")).name, "test");
  const grown = residentMib(host.pid) - before;
  if (SLOW === 1)
    assert.ok(grown < 24, `${grown} MiB for bytes that were never sent`);
});

test("a WebSocket that announces a huge frame, or half a frame, pins and bloats nothing", async (t) => {
  const host = await startHost(t);
  const upgrade = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const before = residentMib(host.pid);
  const sockets = await linger(t, host, 100, upgrade);
  await Promise.all(sockets.map((socket) => once(socket, "data")));
  const huge = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0, 0, 1, 2, 3, 4, 5]);
  const half = Buffer.from([0x81, 0xfe, 0x10]);
  const closed = sockets.slice(0, 50).map((socket) => once(socket.resume(), "close"));
  sockets.forEach((socket, i) => socket.write(i < 50 ? huge : half));
  await Promise.all(closed); // refused by their announced length
  await until(async () => (await host.rpc("clients.list")).clients.length === 50, "half a frame is waited for");
  const calls = await Promise.all(Array.from({ length: 60 }, () => host.rpc("status")));
  assert.equal(calls.length, 60);
  if (SLOW === 1)
    assert.ok(residentMib(host.pid) - before < 32);
});

test("calls beyond the rate are told when to come again; other addresses are not slowed", async (t) => {
  const host = await startHost(t, { args: ["--calls-per-second", "1", "--calls-burst", "5"] });
  const batch = (count) => JSON.stringify(Array.from({ length: count }, (_, id) => ({ jsonrpc: "2.0", id, method: "clients" })));
  const answers = await host.post(batch(8));
  const refused = answers.filter(({ error }) => error);
  assert.equal(answers.length - refused.length, 5, "the burst");
  for (const { error } of refused) {
    assert.equal(error.code, -32004);
    assert.match(error.message, /calls_per_second/);
    assert.ok(error.data.retry_after_ms > 0 && error.data.retry_after_ms <= 1000);
  }
  const socket = await host.socket();
  const more = await Promise.allSettled(Array.from({ length: 20 }, () => socket.call("clients")));
  assert.ok(more.some(({ reason }) => reason?.code === -32004), "the same address");
  socket.close();
  assert.equal((await host.request("GET", "/healthz")).status, 200);
  await until(() => host.rpc("clients").then(() => true, () => false), "later it may again");
});
