// SPDX-License-Identifier: MIT
// The store's bounds: number and age of requests; room that was deleted is given back to the file system.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { test } from "node:test";

import { startHost, troupe, until } from "./lib.mjs";
import { serve } from "./site.mjs";

test("the file shrinks by what its bounds have deleted", async (t) => {
  const site = await serve(t, { "/": "<title>one", "/large": (request, response) => response.end(randomBytes(400000).toString("hex")) });
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: site.url });
  const load = (count) => host.rpc("js", { target, await_promise: true, code: `(async () => { for (let i = 0; i < ${count}; i++) await fetch("/large?" + i).then((r) => r.text()); })()` });
  await load(30);
  await until(async () => (await host.sql("SELECT count(*) AS n FROM body"))[0].n >= 31, "bodies");
  const { path: file } = (await host.rpc("status")).store;
  await host.stop();
  const large = fs.statSync(file).size;
  assert.ok(large > 8 << 20, `${large} bytes`);

  // Opened with a bound: most of it is deleted, and its pages lie empty.
  const second = await startHost(t, { name: "second", args: ["--launch", "1", "--store", file, "--store-bytes-max", "2MiB"] });
  await second.launched();
  const { target: page } = await second.rpc("open", { url: site.url });
  for (let kept = Infinity; kept > 8;) { // looked at every some events
    await second.rpc("js", { target: page, await_promise: true, code: `Promise.all(Array.from({ length: 400 }, () => fetch("/").then((r) => r.text())))` });
    [{ n: kept }] = await second.sql("SELECT count(*) AS n FROM body WHERE bytes > 100000");
  }
  const { bytes_before, bytes, freed } = await second.rpc("vacuum");
  assert.equal(bytes_before - bytes, freed);
  assert.ok(freed > 4 << 20 && bytes < large / 2, `${bytes_before} ${bytes}`);
  await until(() => fs.statSync(file).size <= bytes + (1 << 20), "the file is smaller");
  assert.deepEqual(await second.sql("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);

  // Nothing is left to give; recording goes on; two at once are one too many.
  const done = await troupe(second.dir, ["vacuum", "--json", "--name", second.name]);
  assert.equal(done.code, 0, done.stderr);
  assert.ok(JSON.parse(done.stdout).freed < 1 << 20);
  const before = (await second.sql("SELECT max(id) AS id FROM request"))[0].id;
  const [, ...answers] = await Promise.all([second.rpc("js", { target: page, await_promise: true, code: `fetch("/?after").then((r) => r.text())` }),
                                            ...[1, 2, 3].map(() => second.rpc("vacuum").then(() => "OK", (error) => error.wire))]);
  assert.ok(answers.every((answer) => ["OK", "BUSY"].includes(answer)), answers.join());
  await until(async () => (await second.sql("SELECT max(id) AS id FROM request"))[0].id > before, "recorded");
  assert.deepEqual(await second.sql("SELECT * FROM gap"), []);
});

/** So many requests that the bounds are looked at. */
const many = (host, target, count = 500) => host.rpc("js", { target, await_promise: true, code: `(async () => {
  for (let i = 0; i < ${count}; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => fetch("/?" + (i + k)).then((r) => r.text())));
})()` });

test("at most so many requests are kept, the newest, whole", async (t) => {
  const site = await serve(t, { "/": "<title>one" });
  const host = await startHost(t, { args: ["--launch", "1", "--store-requests-max", "200"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: site.url });
  await many(host, target, 1500);
  await until(async () => { // looked at after every 2,000 events
    await many(host, target, 50);
    const [{ n, halves }] = await host.sql(`SELECT count(*) AS n, (SELECT count(*) FROM response WHERE request NOT IN (SELECT id FROM request))
      + (SELECT count(*) FROM event WHERE request NOT IN (SELECT id FROM request)) AS halves FROM request`);
    assert.equal(halves, 0);
    return n < 700 && n >= 190; // what comes between two looks is about 350
  }, "most are gone");
  const rows = await host.sql("SELECT url FROM request WHERE url LIKE '%/?%' ORDER BY id DESC LIMIT 50");
  assert.equal(rows.length, 50);
});

test("what is imported is kept for as long as what was recorded when it was imported", async (t) => {
  const site = await serve(t, { "/": "<title>one" });
  const host = await startHost(t, { args: ["--launch", "1", "--store-keep", "1d"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: site.url });
  await many(host, target, 50);
  const old = (i) => ({ startedDateTime: "2020-02-02T12:00:00.000Z", time: 20, request: { method: "GET", url: `http://old.example/${i}`, headers: [] },
                        response: { status: 200, statusText: "OK", headers: [], content: { size: 3, mimeType: "text/plain", text: "old" } } });
  await host.rpc("har.import", { har: { log: { entries: Array.from({ length: 300 }, (_, i) => old(i)) } } });
  await many(host, target, 1000);
  const [{ imported, recorded, first }] = await host.sql(`SELECT count(iif(url LIKE 'http://old.example/%', 1, NULL)) AS imported,
    count(iif(url LIKE '%/?%', 1, NULL)) AS recorded, min(started_us) AS first FROM request`);
  assert.deepEqual([imported, recorded], [300, 1050]);
  assert.equal(first, Date.parse("2020-02-02T12:00:00Z") * 1000, "their own times are kept");
});
