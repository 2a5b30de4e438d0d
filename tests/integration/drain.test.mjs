// SPDX-License-Identifier: MIT
// What a host says of its room, how it is drained, who is connected; downloads by address.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startHost, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";
import { WebSocketClient } from "./websocket.mjs";

const DRAINING = /draining/;

test("a drained host begins nothing new, and goes on with what is there", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<title>page</title>" });
  const socket = await host.socket();
  const { draining, stopping, clients } = await host.rpc("drain");
  assert.deepEqual([draining, stopping, clients], [true, false, 1]);
  await until(async () => (await host.rpc("drain")).calls === 0, "its own call is not counted");
  const { status, text } = await host.request("GET", "/readyz");
  assert.deepEqual([status, text], [503, "draining\n"]);
  assert.equal(JSON.parse((await host.request("GET", "/health")).text).status, "draining");
  for (const [method, params] of [["browsers.launch", {}], ["open", { url: "about:blank" }],
                                  ["connect", { target }], ["watch", { targets: target }],
                                  ["ports.add", { port: 9 }], ["contexts.create", {}]])
    await assert.rejects(host.rpc(method, params), { code: -32015, message: DRAINING });
  await assert.rejects(host.socket(), /503/);
  await assert.rejects(WebSocketClient.open(host.url.replace("http", "ws") + "/devtools/browser/p1"), /503/);
  assert.equal((await host.request("GET", "/events")).status, 503);
  assert.equal((await host.rpc("pressure")).reason, "draining");
  assert.equal((await host.request("GET", "/pressure")).status, 503);
  assert.equal((await socket.call("js", { target, code: "6 * 7" })).value, 42);

  assert.equal((await host.rpc("drain", { on: false })).draining, false);
  assert.equal((await host.request("GET", "/readyz")).status, 200);
  await host.rpc("open", { url: "about:blank" });
  socket.close();
});

test("stop --drain ends when the last call and the last client are gone", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<title>page</title>" });
  const socket = await host.socket();
  const call = host.rpc("js", { target, code: "await new Promise((r) => { globalThis.done = r })", await_promise: true });
  await until(async () => (await host.rpc("metrics")).browsers.p1.in_flight > 0, "it waits");
  const { stopping, clients } = await host.rpc("stop", { drain: true });
  assert.deepEqual([stopping, clients], [true, 1]);
  assert.equal((await host.request("GET", "/healthz")).status, 200, "it is still there");
  await host.rpc("js", { target, code: "done('well')" });
  assert.equal((await call).value, "well", "the call ends as ever");
  assert.equal((await host.request("GET", "/healthz")).status, 200, "a client is connected");
  socket.close();
  assert.deepEqual(await host.exited, { code: 0, signal: null });
});

test("its deadline ends it all the same; the command waits for the end", async (t) => {
  const host = await startHost(t);
  const socket = await host.socket();
  await assert.rejects(host.rpc("stop", { drain: true, deadline_ms: -1 }), { code: -32602 });
  const { code, stdout } = await host.command("stop", "--drain", "--within", "200ms");
  assert.deepEqual([code, stdout], [0, "stopped\n"]);
  await host.exited;
  await socket.closed;
});

test("clients are listed and ended", async (t) => {
  const host = await startHost(t);
  const socket = await host.socket();
  await socket.call("events.subscribe", { topics: ["network"] });
  const { clients: [client] } = await host.rpc("clients");
  assert.equal(client.topics, "network");
  assert.ok(client.requests >= 1);
  assert.match((await host.command("clients")).stdout, /client\/1/);
  assert.equal((await host.command("clients", "end", client.name)).code, 0);
  await socket.closed;
  await until(async () => (await host.rpc("clients.list")).clients.length === 0, "it is gone");
  await assert.rejects(host.rpc("clients.end", { name: client.name }), { code: -32011 });
});

test("pressure is what the tables say", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--browsers-max", "1"] });
  await host.launched();
  const { isAvailable, reason, running, maxConcurrent, cpu, memory, queued } = await host.rpc("pressure");
  assert.deepEqual([isAvailable, running, maxConcurrent, queued], [false, 1, 1, 0]);
  assert.match(reason, /browsers_max/);
  assert.ok(cpu >= 0 && cpu <= 100 && memory > 0 && memory <= 100);
  await assert.rejects(host.rpc("browsers.launch"));
  await until(async () => (await host.rpc("pressure")).recentlyRejected >= 1, "the launcher tells"); // busy, it is left out
  assert.match((await host.command("pressure")).stdout, /running +1/);
  await host.rpc("browsers.close", { browser: "p1" });
  await until(async () => (await host.rpc("pressure")).isAvailable, "there is room again");
});

test("pictures and bodies by address", async (t) => {
  const { host, target } = await hostWithPage(t, {
    "/": "<title>page</title><div id=box style='width:30px;height:20px'></div><script src=/a.js></script>",
    "/a.js": { body: "/* <b>body</b> */", type: "text/javascript" } });
  const get = async (where) => {
    const response = await fetch(host.url + where);
    return { status: response.status, type: response.headers.get("content-type"), headers: response.headers,
             bytes: Buffer.from(await response.arrayBuffer()) };
  };
  const picture = await get(`/screenshot/${target}`);
  assert.deepEqual([picture.status, picture.type], [200, "image/png"]);
  assert.equal(picture.bytes.toString("latin1", 1, 4), "PNG");
  const box = await get(`/screenshot/${target}?selector=%23box&format=jpeg&quality=50`);
  assert.deepEqual([box.type, box.bytes.readUInt16BE(0)], ["image/jpeg", 0xffd8]);
  const pdf = await get(`/pdf/${target}?paper=a4`);
  assert.deepEqual([pdf.type, pdf.bytes.toString("latin1", 0, 4)], ["application/pdf", "%PDF"]);
  const { requests } = await host.rpc("network", { show_all: true });
  const { id } = requests.find(({ url }) => url.endsWith("/a.js"));
  const body = await get(`/body/${id}`);
  assert.equal(body.bytes.toString(), "/* <b>body</b> */");
  assert.equal(body.type, "application/octet-stream");
  assert.match(body.headers.get("content-disposition"), /attachment/);
  assert.match(body.headers.get("content-security-policy"), /sandbox/);
  for (const [where, status] of [["/screenshot/p9:abc", 404], ["/body/999999", 404], ["/body/none", 400],
                                 [`/screenshot/${target}?format=gif`, 400], [`/screenshot/${target}?nosuch=1`, 400],
                                 ["/screenshot/", 400], ["/screenshots/x", 404]]) {
    const answer = await get(where);
    assert.equal(answer.status, status, `${where}: ${answer.bytes}`);
    assert.ok(JSON.parse(answer.bytes).error.message);
  }
  const { epoch, pid } = JSON.parse((await get("/health")).bytes);
  assert.equal(epoch, (await host.rpc("status")).epoch);
  assert.equal(pid, host.pid);
});
