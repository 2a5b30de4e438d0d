// SPDX-License-Identifier: MIT
// JSON-RPC 2.0 to the letter, over POST and WebSocket: the standard's examples, every kind of id, and
// hundreds of requests that are none, after each of which the next one works.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startHost, until } from "./lib.mjs";

/** The same message over both: [[how, send(text) → text or ""], …]. */
async function ways(host) {
  const socket = await host.socket();
  const told = [];
  socket.onText = (text) => told.push(text);
  const overSocket = async (text) => {
    const { answer, marker } = await socketExchange(host, text);
    assert.equal(marker, "marker");
    return answer;
  };
  socket.close();
  return [["POST", async (text) => (await host.request("POST", "/rpc", {
    headers: { "content-type": "application/json" }, body: text })).text], ["WebSocket", overSocket]];
}

/** Send a text and then a marker over a WebSocket of its own: what came before the marker's answer. */
async function socketExchange(host, text) {
  const { WebSocketClient } = await import("./websocket.mjs");
  const socket = await WebSocketClient.open(`${host.url}/ws`);
  const got = [];
  socket.on("message", (message) => got.push(message.toString()));
  socket.send(text);
  socket.send('{"jsonrpc":"2.0","id":"marker","method":"clients.list"}');
  await until(() => got.some((message) => message.includes('"marker"')), "the marker is answered");
  socket.close();
  return { answer: got.filter((message) => !message.includes('"id":"marker"')).join(""), marker: "marker" };
}

const call = (fields) => JSON.stringify({ jsonrpc: "2.0", id: 1, method: "clients.list", ...fields });
const code = (text) => JSON.parse(text).error?.code;

test("the examples of the standard", async (t) => {
  const host = await startHost(t);
  for (const [how, send] of await ways(host)) {
    // Calls by position and by name.
    assert.equal(JSON.parse(await send(call({ method: "rpc.describe", params: ["stop"] }))).result.methods.length, 1, how);
    assert.equal(JSON.parse(await send(call({ method: "rpc.describe", params: { method: "stop" } }))).result.methods[0].name, "stop");
    // Notifications: no answer, also when there is no such method.
    assert.equal(await send('{"jsonrpc":"2.0","method":"clients.list"}'), "", how);
    assert.equal(await send('{"jsonrpc":"2.0","method":"foobar"}'), "", how);
    assert.equal(await send('{"jsonrpc":"2.0","method":"js","params":{"nothing":1}}'), "", how);
    // A method that does not exist.
    assert.deepEqual({ ...JSON.parse(await send('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}')), error: 0 },
                     { jsonrpc: "2.0", id: "1", error: 0 });
    assert.equal(code(await send('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}')), -32601);
    // Invalid JSON.
    assert.equal(code(await send('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]')), -32700);
    assert.equal(JSON.parse(await send('{"jsonrpc": "2.0", "method"')).id, null);
    // An invalid request object.
    assert.equal(code(await send('{"jsonrpc": "2.0", "method": 1, "params": "bar"}')), -32600);
    // Batches: invalid JSON, empty, invalid but not empty, mixed, only notifications.
    assert.equal(code(await send('[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]')), -32700);
    assert.equal(code(await send("[]")), -32600);
    assert.deepEqual(JSON.parse(await send("[1]")).map(({ error, id }) => [error.code, id]), [[-32600, null]]);
    assert.deepEqual(JSON.parse(await send("[1,2,3]")).map(({ error }) => error.code), [-32600, -32600, -32600]);
    const mixed = JSON.parse(await send(JSON.stringify([
      { jsonrpc: "2.0", method: "clients.list", id: "1" }, { jsonrpc: "2.0", method: "clients.list" },
      { foo: "boo" }, { jsonrpc: "2.0", method: "foo.get", params: { name: "myself" }, id: "5" },
      { jsonrpc: "2.0", method: "rpc.describe", id: "9" }])));
    assert.deepEqual(mixed.map(({ id, error }) => [id, error?.code]).sort(),
                     [["1", undefined], ["5", -32601], ["9", undefined], [null, -32600]].sort());
    assert.equal(await send(JSON.stringify([{ jsonrpc: "2.0", method: "clients.list" }, { jsonrpc: "2.0", method: "x" }])), "");
  }
  const none = await host.request("POST", "/rpc", { headers: { "content-type": "application/json" },
                                                    body: '{"jsonrpc":"2.0","method":"clients.list"}' });
  assert.equal(none.status, 204);
});

test("ids of every legal kind come back as they were", async (t) => {
  const host = await startHost(t);
  for (const [how, send] of await ways(host))
    for (const id of ['"a"', '""', "0", "-1", "1", "2147483648", "9007199254740993", "1.5", "-0.25", "null",
                      '"ü\\u0000\\n"', '"😀"', `"${"x".repeat(1000)}"`]) {
      const answer = await send(`{"jsonrpc":"2.0","id":${id},"method":"clients.list"}`);
      assert.deepEqual(JSON.parse(answer).id, JSON.parse(id), `${how} ${id}`);
      if (/^-?\d+$/.test(id))
        assert.ok(answer.includes(`"id":${id}`) || answer.includes(`"id": ${id}`), `${how}: ${id} exactly`);
    }
});

/** [text, the code it must get; null: no answer], some hundreds. */
function malformed() {
  const out = [];
  const whole = call({ params: {} });
  for (const text of [whole, `[${whole}]`])
    for (let cut = 1; cut < text.length; cut++)
      out.push([text.slice(0, cut), -32700]);
  for (const text of ["", " ", "nul", "tru", "{", "}", "[", "]", "[,]", "{,}", "{1:2}", "'a'", "{'a':1}", "01", "+1", ".5", "1.",
                      "NaN", "Infinity", '"\\x"', '"\t"', `${whole}x`, `${whole}${whole}`, `[${whole},]`, `[${whole}`, "\u0001", "/* */1",
                      '{"a":1,}', '"\\ud800"'])
    out.push([text, -32700]);
  for (const text of ["1", "true", "null", '"text"', "1.5", "{}", '{"a":1}'])
    out.push([text, -32600]);
  for (const version of [undefined, null, 2, 2.0, "2", "1.0", "2.00", "", {}, []])
    out.push([JSON.stringify({ jsonrpc: version, id: 1, method: "clients.list" }), -32600]);
  for (const method of [undefined, null, 1, true, [], {}])
    out.push([call({ method }), -32600]);
  for (const id of [true, false, [], {}, [1], { a: 1 }])
    out.push([call({ id }), -32600]);
  for (const params of [1, 0, "text", true, false, 1.5, null])
    out.push([call({ params }), params === null ? [-32600, undefined] : -32600]);
  for (const method of ["", "nothing", "status ", "Status", "rpc.", "rpc.nothing", "js;", "__proto__", "constructor", "a".repeat(5000)])
    out.push([call({ method }), -32601]);
  for (const params of [{ code: 1 }, { code: null }, {}, { code: [] }, { code: "1", extra: 1 }, { code: "1", target: 7 }, ["1", 2],
                        { code: "1", timeout_ms: 0 }, { code: "1", timeout_ms: 1e9 }, { code: "1", await_promise: "yes" },
                        { code: "1", epoch: "old" }])
    out.push([call({ method: "js", params }), -32602]);
  for (const depth of [129, 200, 5000])
    out.push([`${"[".repeat(depth)}${"]".repeat(depth)}`, -32008]);
  out.push([`[${Array.from({ length: 1001 }, () => 1).join()}]`, -32008]);
  out.push([JSON.stringify({ a: "x".repeat(100000) }), -32600]);
  for (let i = 0; i < 40; i++) { // one byte changed to what is none in JSON
    const at = (i * 7) % whole.length;
    if (whole[at] !== '"' && !/[a-z0-9.]/i.test(whole[at]))
      out.push([`${whole.slice(0, at)}\u0002${whole.slice(at + 1)}`, -32700]);
  }
  return out;
}

test("hundreds of malformed requests get their code, and the next one works", async (t) => {
  const host = await startHost(t);
  const all = malformed();
  assert.ok(all.length >= 200, `${all.length}`);
  for (const [how, send] of await ways(host)) {
    let tried = 0;
    for (const [text, expected] of all) {
      if (how === "WebSocket" && tried++ % 5 !== 0 && text.length > 3)
        continue; // a connection each: a fifth of them
      const answer = await send(text);
      const got = answer === "" ? null : code(answer);
      const wanted = Array.isArray(expected) ? expected : [expected];
      assert.ok(wanted.includes(got), `${how}: ${text.slice(0, 120)}: ${got}, not ${expected}`);
    }
    assert.ok(Array.isArray(JSON.parse(await send(call({}))).result.clients), how);
  }
});

test("an error says what was wrong, and where", async (t) => {
  const host = await startHost(t);
  const message = async (body) => (await host.post(body)).error.message;
  assert.match(await message('{"jsonrpc": "2.0",\n "id": 1,,}'), /line 2, column/);
  assert.match(await message(call({ method: "js", params: { cod: "1" } })), /"cod".*"code"/);
  assert.match(await message(call({ params: 7 })), /params/);
  assert.match(await message(call({ jsonrpc: "1.0" })), /"2\.0"/);
});

test("old clients' epoch beside the params is taken", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { epoch } = await host.rpc("pages");
  const answer = await host.post(JSON.stringify({ jsonrpc: "2.0", id: 1, epoch: epoch + 5, method: "targets.clear", params: {} }));
  assert.equal(answer.error.code, -32003);
  assert.equal(answer.error.data.current_epoch, epoch);
});
