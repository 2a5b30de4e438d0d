// SPDX-License-Identifier: MIT
// Bodies are recorded as they come: text and binary, once each, within their limits, what was sent too.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./lib.mjs";
import { hostWithPage, serve } from "./site.mjs";

const TEXT = "the quick brown fox jumps over the lazy dog\n".repeat(200);
/* A picture of one pixel, and the same with much behind it. */
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const POSTER = Buffer.concat([PICTURE, Buffer.alloc(5000, 7)]);

function upload() {
  const form = new FormData();
  form.append("name", "value of the field");
  form.append("file", new Blob([new Uint8Array([0, 1, 2, 253, 254, 255])], { type: "application/x-bytes" }), "some.bin");
  return fetch("/upload", { method: "POST", body: form });
}

const PLAY = `
  ${upload.toString()}
  await Promise.all([
    ...["/text", "/same", "/large", "/empty", "/nothing"].map((path) => fetch(path).then((r) => r.text())),
    new Promise((resolve) => { const i = new Image(); i.onerror = i.onload = resolve; i.src = "/picture.png"; }),
    new Promise((resolve) => { const i = new Image(); i.onerror = i.onload = resolve; i.src = "/poster.png"; }),
    fetch("/say", { method: "POST", body: "ünïcode ✓" }).then((r) => r.text()),
    upload().then((r) => r.text()),
  ])`;

const PAGES = {
  "/": "<title>bodies</title>",
  "/second": "<title>second</title>",
  "/text": { body: TEXT, type: "text/plain" },
  "/same": { body: TEXT, type: "text/plain" },
  "/large": { body: "x".repeat(70000), type: "text/plain" },
  "/empty": { body: "", type: "text/plain" },
  "/nothing": { body: "", status: 204 },
  "/picture.png": { body: PICTURE, type: "image/png" },
  "/poster.png": { body: POSTER, type: "image/png" },
  "/say": "said",
  "/upload": "taken",
};

const args = ["--launch", "1", "--body-bytes-max", "64K", "--media-bytes-max", "4K"];

/** Rows by path, once every body that is to come is there. */
async function recorded(host) {
  let rows;
  await until(async () => {
    rows = await host.sql(`
      SELECT r.id, r.url, r.post_data, typeof(r.post_data) AS post_type, b.ok, b.error, b.base64, b.bytes,
             c.coding, c.id AS content
      FROM request r LEFT JOIN body b ON b.request = r.id LEFT JOIN content c ON c.id = b.content
      WHERE url LIKE 'http%' AND url NOT LIKE '%favicon%'`);
    return rows.every((row) => row.ok !== null || row.url.endsWith("/nothing"));
  }, "bodies are recorded").catch((error) => { throw new Error(`${error.message} ${JSON.stringify(rows)}`); });
  return Object.fromEntries(rows.map((row) => [new URL(row.url).pathname, row]));
}

test("bodies are recorded as they come", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES, "/", { args });
  await host.rpc("js", { target, code: `(async () => { ${PLAY} })()`, await_promise: true });
  const rows = await recorded(host);
  const body = async (path) => host.rpc("body", { id: rows[path].id });

  assert.equal((await body("/")).body, PAGES["/"]);
  assert.equal((await body("/text")).body, TEXT);
  assert.equal(rows["/text"].content, rows["/same"].content, "equal bodies are kept once");
  assert.equal(rows["/text"].coding, 1, "and compressed");
  assert.deepEqual(Buffer.from((await body("/picture.png")).body, "base64"), PICTURE);
  assert.equal(rows["/picture.png"].coding, 0);
  assert.equal(rows["/empty"].bytes, 0);
  assert.equal(rows["/nothing"].ok, null, "an answer without a body has none");
  assert.equal(rows["/large"].error, "larger than 65536 bytes");
  assert.equal(rows["/poster.png"].error, "larger than 4096 bytes");
  assert.equal(rows["/say"].post_data, "ünïcode ✓");
  await t.test("a multipart upload with a file", async () => {
    const [{ data }] = await host.sql("SELECT hex(post_data) AS data FROM request WHERE url LIKE '%/upload'");
    const sent = Buffer.from(data, "hex");
    assert.ok(sent.includes("value of the field"));
    assert.ok(sent.includes(Buffer.from([0, 1, 2, 253, 254, 255])));
    assert.ok(sent.includes('filename="some.bin"'));
  });
  await t.test("a body that is asked for is not fetched again once it is there", async () => {
    await host.rpc("close", { target });
    assert.equal((await body("/text")).body, TEXT);
  });
  await t.test("purging leaves no contents behind", async () => {
    await host.rpc("clear", { purge: true });
    assert.deepEqual(await host.sql("SELECT count(*) AS n FROM content"), [{ n: 0 }]);
  });
});

test("bodies of a page that goes elsewhere at once, on another site too", async (t) => {
  const other = await serve(t, { "/": "<title>other</title>" });
  const { host, target, site } = await hostWithPage(t, PAGES);
  for (let i = 0; i < 5; i++) {
    await host.rpc("navigate", { target, url: `${site.url}/second?${i}` });
    await host.rpc("navigate", { target, url: `${other.url.replace("127.0.0.1", "localhost")}/?${i}` });
  }
  await until(async () => (await host.sql(
    "SELECT count(*) AS n FROM request r JOIN body b ON b.request = r.id WHERE r.type = 'Document'"))[0].n >= 11,
              "all documents were asked for");
  // A renderer that gets no time to answer before it is left is not waited for; that is said then.
  const missing = await host.sql(`SELECT r.url, b.error FROM request r JOIN body b ON b.request = r.id
                                  WHERE r.type = 'Document' AND b.ok = 0`);
  assert.ok(missing.every(({ error }) => error === "No resource with given identifier found"), JSON.stringify(missing));
  assert.ok(missing.length < 6, JSON.stringify(missing));
});

test("only text, or none at all", async (t) => {
  for (const [which, wanted] of [["text", ["/text"]], ["none", []]]) {
    const { host, target } = await hostWithPage(t, PAGES, "/", { args: [...args, "--bodies", which] });
    await host.rpc("js", { target, await_promise: true, code:
      "Promise.all([fetch('/text'), fetch('/picture.png')].map((p) => p.then((r) => r.arrayBuffer())))" });
    const asked = await host.sql(`SELECT r.url, r.id FROM request r WHERE r.type = 'Fetch' ORDER BY r.url`);
    if (wanted.length > 0)
      await until(async () => (await host.sql("SELECT count(*) AS n FROM body"))[0].n >= 2, "text is there");
    const kept = await host.sql(`SELECT r.url FROM request r JOIN body b ON b.request = r.id WHERE type = 'Fetch'`);
    assert.deepEqual(kept.map((row) => new URL(row.url).pathname), wanted);
    assert.equal((await host.rpc("body", { id: asked.find((row) => row.url.endsWith("/text")).id })).body, TEXT,
                 "on demand");
  }
});
