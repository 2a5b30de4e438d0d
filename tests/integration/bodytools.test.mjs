// SPDX-License-Identifier: MIT
// Body tools: codings undone, JSON laid out and taken apart, what was sent; on bodies that a page really got.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";

import { troupe, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const DATA = { items: [{ id: 1, name: "Äpfel" }, { id: 2, name: "Birnen" }], total: 2 };
const binary = (body) => ({ body, type: "application/octet-stream" });

test("bodies are decoded, laid out, taken apart", async (t) => {
  const json = JSON.stringify(DATA);
  const { host, target } = await hostWithPage(t, {
    "/": "<title>tools",
    "/json": { body: json, type: "application/json" },
    "/gz": binary(zlib.gzipSync(json)),
    "/br": binary(zlib.brotliCompressSync(json)),
    "/nested": { body: zlib.deflateSync(zlib.gzipSync(json)).toString("base64"), type: "text/plain" },
    "/bomb": binary(zlib.gzipSync(Buffer.alloc(70 << 20))),
    "/bytes": binary(Buffer.from([0xff, 0x00, 0xfe])),
    "/broken": binary(zlib.gzipSync(json).subarray(0, 30)),
    "/sent": "thanks",
  });
  const paths = ["/json", "/gz", "/br", "/nested", "/bomb", "/bytes", "/broken"];
  await host.rpc("js", { target, await_promise: true, code: `(async () => {
    for (const path of ${JSON.stringify(paths)}) await fetch(path).then((r) => r.arrayBuffer());
    const packed = new Blob([${JSON.stringify(json)}]).stream().pipeThrough(new CompressionStream("gzip"));
    await fetch("/sent", { method: "POST", body: await new Response(packed).blob(), headers: { "content-type": "application/x-packed" } }).then((r) => r.text());
    await fetch("/sent?nothing").then((r) => r.text());
  })()` });
  await until(async () => (await host.sql("SELECT count(*) AS n FROM body"))[0].n >= paths.length + 2, "bodies");
  const id = async (at) => (await host.rpc("network", { url: `*${at}` })).requests[0].id;
  const ask = async (at, params = {}) => host.rpc("body", { id: await id(at), ...params });

  assert.deepEqual(await ask("/json", { pretty: true }), { body: JSON.stringify(DATA, null, 2), base64Encoded: false, mime: "application/json" });
  assert.equal((await ask("/json", { path: "$.items[*].name" })).body, '["Äpfel","Birnen"]');
  assert.equal((await ask("/json", { path: "$.items[-1]", pretty: true })).body, '{\n  "id": 2,\n  "name": "Birnen"\n}');
  assert.equal((await ask("/gz")).base64Encoded, true);
  assert.deepEqual(await ask("/gz", { decode: ["gzip"] }), { body: json, base64Encoded: false, mime: "application/octet-stream" });
  assert.equal((await ask("/br", { decode: "br", path: "$.total" })).body, "2");
  assert.equal((await ask("/nested", { decode: ["base64", "deflate", "gzip"] })).body, json);
  assert.deepEqual(await ask("/bytes", { decode: [] }), { body: "/wD+", base64Encoded: true, mime: "application/octet-stream" });
  assert.deepEqual(await ask("/sent", { part: "request", decode: ["gzip"] }), { body: json, base64Encoded: false, mime: "application/x-packed" });
  assert.equal((await ask("/sent", { part: "response" })).body, "thanks");

  const refused = async (at, params, wire, why) => assert.rejects(ask(at, params), (error) => error.wire === wire && why.test(error.message) || assert.fail(error));
  await refused("/bomb", { decode: ["gzip"] }, "LIMIT", /step 1: gzip: more than 67108864 bytes/);
  await refused("/broken", { decode: ["gzip"] }, "INVALID_PARAMS", /step 1: gzip at byte 30: cut off/);
  await refused("/json", { decode: ["gzip"] }, "INVALID_PARAMS", /step 1: gzip at byte/);
  await refused("/json", { decode: ["rar"] }, "INVALID_PARAMS", /`rar` is none of/);
  await refused("/json", { decode: [1] }, "INVALID_PARAMS", /decode/);
  await refused("/bytes", { pretty: true }, "INVALID_PARAMS", /not JSON: not UTF-8/);
  await refused("/json", { path: "items" }, "INVALID_PARAMS", /path, character 1/);
  await refused("/json", { path: "$.none" }, "NOT_FOUND", /nothing is at \$\.none/);
  await refused("/sent?nothing", { part: "request" }, "NOT_FOUND", /sent nothing/);
  await refused("/json", { part: "both" }, "INVALID_PARAMS", /part/);

  const cli = (...args) => troupe(host.dir, [...args, "--name", host.name]);
  const file = path.join(host.dir, "out.json");
  const done = await cli("body", String(await id("/br")), "--decode", "br", "--pretty", "--output", file);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(JSON.parse(fs.readFileSync(file, "utf8")), DATA);
  assert.equal((await cli("body", String(await id("/sent")), "--request", "--decode", "gzip", "--path", "$.items[0].name")).stdout.trim(), '"Äpfel"');
  const wrong = await cli("body", String(await id("/json")), "--path", "$.items[");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /path, character 9/);
});
