// SPDX-License-Identifier: MIT
// Every method of the table is called by some test, and each refuses what it does not know.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { startHost } from "./lib.mjs";

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const tests = fs.readdirSync(here).filter((name) => name.endsWith(".test.mjs") && name !== "methods.test.mjs")
  .map((name) => fs.readFileSync(path.join(here, name), "utf8")).join("\n");

test("each method is called by an integration test", async (t) => {
  const host = await startHost(t);
  const { methods } = await host.rpc("rpc.describe");
  assert.ok(methods.length > 60);
  const missing = methods.map(({ name }) => name)
    .filter((name) => !new RegExp(`["'\`]${name.replaceAll(".", "\\.")}["'\`]|\\b${name.replaceAll(".", "\\.")}: \\{`).test(tests));
  assert.deepEqual(missing, []);
});

test("each method's schema is sound, and what it does not have is refused", async (t) => {
  const host = await startHost(t);
  const { methods, errors } = await host.rpc("rpc.describe");
  const names = new Set(errors.map(({ name }) => name));
  const socket = await host.socket();
  for (const { name, params, positions, states, errors: documented, websocket } of methods) {
    assert.equal(params.type, "object");
    assert.equal(params.additionalProperties, false);
    for (const required of params.required)
      assert.ok(params.properties[required], `${name}.${required}`);
    assert.deepEqual(positions, Object.keys(params.properties).slice(0, positions.length), name);
    for (const error of documented)
      assert.ok(names.has(error), `${name}: ${error}`);
    for (const state of states)
      assert.ok(["connected", "crashed", "suspended", "connecting"].includes(state), `${name}: ${state}`);
    if (name === "stop")
      continue;
    const call = websocket ? socket.call(name, { nosuchparam: 1 }) : host.rpc(name, { nosuchparam: 1 });
    await assert.rejects(call, (error) => error.code === -32602 && /nosuchparam/.test(error.message), name);
    const many = Array.from({ length: 30 }, () => 1);
    await assert.rejects(host.post(JSON.stringify({ jsonrpc: "2.0", id: 1, method: name, params: many }))
      .then(({ error }) => { throw Object.assign(new Error(error.message), error); }),
      ({ code }) => code === -32602 || (websocket && code === -32601), name);
  }
  socket.close();
});
