// SPDX-License-Identifier: MIT
// Secrets that are not to be written are nowhere in the record: not in its tables, not in its events, not in
// its file.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { startHost, troupe, until } from "./lib.mjs";
import { serve } from "./site.mjs";

const SECRET = "hush8d1f";

const PLAY = (secret) => `(async () => {
  const text = (...args) => fetch(...args).then((r) => r.text());
  await text("/in?access_token=${secret}1&page=2", { headers: { Authorization: "Bearer ${secret}2", "X-Mine": "${secret}3" } });
  await text("/form", { method: "POST", body: new URLSearchParams({ user: "ophelia", password: "${secret}4" }) });
  await text("/json", { method: "POST", body: JSON.stringify({ user: "hamlet", deep: [{ client_secret: "${secret}5" }] }) });
  const form = new FormData(); form.append("user", "horatio"); form.append("pin", "${secret}6");
  form.append("file", new Blob([new Uint8Array([0, 255])]), "x.bin");
  await text("/upload", { method: "POST", body: form });
  await text("/cookies"); await text("/cookies");
  await text("/moved");
  location.hash = "id_token=${secret}8&tab=1";
})()`;

const pages = (secret) => ({
  "/": "<title>secrets</title>", "/in": "in", "/form": "taken", "/json": "taken", "/upload": "taken",
  "/cookies": { body: "c", headers: { "set-cookie": [`sid=${secret}7; HttpOnly`, "theme=dark"] } },
  "/moved": { body: "", status: 302, headers: { location: `/in?sig=${secret}9&x=1` } },
});

/** The files of the store, as bytes. */
const stored = (host) => fs.readdirSync(path.join(host.dir, "state/troupe")).filter((name) => /\.db/.test(name))
  .map((name) => fs.readFileSync(path.join(host.dir, "state/troupe", name)).toString("latin1")).join("");

async function visit(t, args) {
  const site = await serve(t, pages(SECRET));
  const host = await startHost(t, { args: ["--launch", "1", ...args] });
  await host.launched();
  const { target } = await host.rpc("open", { url: `${site.url}/?token=${SECRET}0&q=1` });
  await host.rpc("js", { target, code: PLAY(SECRET), await_promise: true });
  await until(async () => (await host.sql("SELECT count(*) AS n FROM request WHERE url LIKE '%/upload' AND post_data IS NOT NULL"))[0].n === 1,
              "the upload is recorded");
  return { host, site };
}

test("nothing is left out unless it is wished", async (t) => {
  const { host } = await visit(t, []);
  assert.ok(stored(host).includes(SECRET));
  assert.equal((await host.rpc("status")).store.redact, null);
});

test("secrets are nowhere, the rest is", async (t) => {
  const { host, site } = await visit(t, ["--redact", "default, header:x-mine"]);
  assert.equal((await host.rpc("status")).store.redact, "default, header:x-mine");
  await host.sql("SELECT 1");
  const bytes = stored(host);
  const at = bytes.indexOf(SECRET);
  assert.equal(at, -1, bytes.slice(Math.max(0, at - 300), at + 60));

  const rows = await host.sql(`SELECT url, CAST(post_data AS TEXT) AS sent, request_headers_json AS headers,
                               response_headers_json AS answered FROM har_entry h ORDER BY id`);
  const of = (name) => rows.find(({ url }) => url.includes(name));
  assert.equal(of("/in?access").url, `${site.url}/in?access_token=[redacted]&page=2`);
  assert.equal(JSON.parse(of("/in?access").headers).Authorization ?? JSON.parse(of("/in?access").headers).authorization, "[redacted]");
  assert.equal(of("/form").sent, "user=ophelia&password=[redacted]");
  assert.deepEqual(JSON.parse(of("/json").sent), { user: "hamlet", deep: [{ client_secret: "[redacted]" }] });
  assert.match(of("/upload").sent, /horatio/);
  assert.match(of("/upload").sent, /name="pin"\r\n\r\n\[redacted\]\r\n/);
  assert.equal(of("/in?sig").url, `${site.url}/in?sig=[redacted]&x=1`);
  assert.ok(rows.some(({ answered }) => /\/in\?sig=\[redacted\]/.test(answered ?? "")), "Location");
  assert.equal(rows.length, 9);
});

test("cookies by name, and rules that cannot be read", async (t) => {
  const { host } = await visit(t, ["--redact", "cookie:s*,param:token"]);
  const [{ headers }] = await host.sql("SELECT request_headers_json AS headers FROM har_entry WHERE url LIKE '%/cookies' ORDER BY id DESC");
  assert.equal(JSON.parse(headers).Cookie, "sid=[redacted]; theme=dark");
  for (const [rules, why] of [["header:", /'header:'/], ["body:x", /'body:x'/], ["a:b:c", /a:b:c/]]) {
    const { code, stderr } = await troupe(host.dir, ["serve", "--name", "other", "--redact", rules]);
    assert.notEqual(code, 0);
    assert.match(stderr, why);
  }
});

test("a HAR with secrets is imported without them", async (t) => {
  const { host } = await visit(t, []);
  const har = await host.rpc("har", { target: "*" });
  assert.ok(JSON.stringify(har).includes(SECRET));
  const other = await startHost(t, { name: "other", args: ["--redact", "default, header:x-mine"] });
  const { requests } = await other.rpc("har.import", { har });
  assert.equal(requests, har.log.entries.length);
  await other.rpc("network", {});
  const bytes = stored(other);
  const at = bytes.indexOf(SECRET);
  assert.equal(at, -1, bytes.slice(at - 200, at + 50));
  assert.ok(bytes.includes("horatio"), "the rest is there");
});
