// SPDX-License-Identifier: MIT
// What stands for the token in browsers: links that work once, cookies, tickets for paired origins.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Refused, WebSocketClient } from "./websocket.mjs";
import { defer, startHost } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const TOKEN = "a-token-for-tests";
const STATUS = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status" });
const json = { "Content-Type": "application/json" };

const withToken = (t, options = {}) => startHost(t, { args: ["--token", TOKEN, ...(options.args ?? [])] });

async function rpc(host, method, params = {}) {
  const answer = await host.request("POST", "/rpc", {
    headers: { ...json, Authorization: `Bearer ${TOKEN}` }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
  return JSON.parse(answer.text).result;
}

const ask = async (host, headers) => (await host.request("POST", "/rpc", { headers: { ...json, ...headers }, body: STATUS })).status;

test("a link works once, and becomes a cookie that stands for the token", async (t) => {
  const host = await withToken(t);
  assert.equal(await ask(host, {}), 401);
  const { path, expires_ms: ms } = await rpc(host, "dashboard.link");
  assert.ok(ms > 0 && path.length > 60);
  assert.equal((await host.request("HEAD", path)).status, 200, "a look does not use it up");
  const opened = await host.request("GET", path);
  assert.deepEqual([opened.status, opened.headers.location], [303, "/"]);
  const [cookie] = opened.headers["set-cookie"];
  assert.match(cookie, /^troupe=[0-9a-f]{64}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  assert.equal((await host.request("GET", path)).status, 404, "once");
  assert.equal((await host.request("GET", "/link/")).status, 404);

  const held = { Cookie: `other=1; ${cookie.split(";")[0]}` };
  assert.equal(await ask(host, held), 200);
  assert.equal(await ask(host, { ...held, Origin: host.url }), 200);
  assert.equal(await ask(host, { ...held, Origin: "http://evil.example" }), 403, "another page has no use of it");
  assert.equal(await ask(host, { Cookie: `troupe=${"0".repeat(64)}` }), 401);
  const socket = await WebSocketClient.open(`${host.url}/ws`, held);
  socket.close();
  assert.equal((await host.request("GET", "/", { headers: held })).status, 200);
});

test("a real browser goes through the link", async (t) => {
  const host = await withToken(t);
  const { host: driver, target } = await hostWithPage(t, { "/": "<title>page</title>" }, "/", { name: "driver" });
  const { stdout } = await host.command("dashboard", "--print");
  await driver.rpc("navigate", { target, url: stdout.trim() });
  const fetched = await driver.rpc("js", { target, await_promise: true, code: `
    (await fetch("/rpc", { method: "POST", headers: { "Content-Type": "application/json" }, body: '${STATUS}' })).status` });
  assert.equal(fetched.value, 200);
  assert.equal((await driver.rpc("js", { target, code: "document.cookie" })).value, "", "no script sees it");
  assert.equal((await driver.rpc("page", { target })).url, `${host.url}/`, "the code is in no address that is kept");
});

test("a page of another origin trades a code for a ticket of its own", async (t) => {
  for (const host of [await withToken(t), await startHost(t, { name: "open" })]) {
    const origin = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";
    const code = async () => JSON.parse((await host.command("pair", "--json")).stdout).code;
    const pair = (typed, from = origin) => host.request("POST", "/pair", {
      headers: { ...json, ...(from && { Origin: from }) }, body: JSON.stringify({ code: typed }) });
    const first = await code();
    assert.match(first, /^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/);
    assert.equal((await pair(first, null)).status, 400, "only pages pair");
    assert.equal((await pair(first, "null")).status, 400);
    assert.equal((await pair("AAAA-AAAA")).status, 403);
    const paired = await pair(first.toLowerCase().replace("-", " "));
    assert.equal(paired.status, 200, paired.text);
    const { ticket } = JSON.parse(paired.text);
    assert.equal((await pair(first)).status, 403, "once");

    const bearer = { Authorization: `Bearer ${ticket}` };
    assert.equal(await ask(host, { ...bearer, Origin: origin }), 200);
    assert.equal(await ask(host, { ...bearer, Origin: "https://evil.example" }), 403, "it is that origin's");
    const socket = await WebSocketClient.open(`${host.url}/ws?token=${ticket}`, { Origin: origin });
    socket.close();
    await assert.rejects(WebSocketClient.open(`${host.url}/ws?token=${ticket}`, { Origin: "https://evil.example" }), Refused);

    const second = await code();
    for (let i = 0; i < 10; i++)
      assert.equal((await pair(`2222-22${i}2`.slice(0, 9))).status, 403);
    assert.equal((await pair(second)).status, 403, "after ten wrong ones a code is void");
    for (const body of ["", "{}", "[]", '{"code": 1}', "x".repeat(2000)])
      assert.ok([400, 403].includes((await host.request("POST", "/pair", { headers: { ...json, Origin: origin }, body })).status));
    assert.doesNotMatch(host.stderr, new RegExp(ticket));
  }
});
