// SPDX-License-Identifier: MIT
// Filters hide, are kept, and lose nothing; network waits for what matches.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { scratch, startHost, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = {
  "/": "<title>page</title><script src=/a.js></script><img src=/b%5B1%5D.png>",
  "/a.js": { body: "1", type: "text/javascript" },
  "/b%5B1%5D.png": { body: "", type: "image/png" },
  "/slow": (request, response) => setTimeout(() => response.end("slow"), 700),
};

const paths = (rows, site) => rows.map(({ url }) => url.replace(site.url, "")).sort();

test("network hides what enabled groups name, and only that", async (t) => {
  const { host, site } = await hostWithPage(t, PAGES);
  const list = async (params = {}) => paths((await host.rpc("network", params)).requests, site);
  const all = await list();
  assert.deepEqual(all, ["/", "/a.js", "/b%5B1%5D.png"]);
  assert.deepEqual(await host.rpc("filters.add", { name: "scripts", hide: { types: ["script"] } }),
                   { added: true, name: "scripts" });
  assert.deepEqual(await list(), ["/", "/b%5B1%5D.png"]);
  assert.deepEqual(await list({ show_all: true }), all);
  await host.rpc("filters.add", { name: "pictures", hide: { urls: ["*/b%5B?%5D.png", "*.png"] } });
  assert.deepEqual(await list(), ["/"]);
  assert.deepEqual(await host.rpc("filters.disable", { name: "scripts" }), { enabled: ["pictures"] });
  assert.deepEqual(await list(), ["/", "/a.js"]);
  assert.deepEqual((await host.rpc("filters.enableAll")).enabled.sort(), ["pictures", "scripts"]);
  assert.deepEqual((await host.rpc("filters.disableAll")).enabled, []);
  assert.deepEqual(await list(), all);
  await host.rpc("filters.add", { name: "literal", hide: { urls: ["*?.js", "*[ab].js"] } });
  assert.deepEqual(await list(), all, "? and [ stand for themselves");
  assert.equal((await host.rpc("filters.remove", { name: "literal" })).removed, true);
  assert.equal((await host.rpc("filters.remove", { name: "literal" })).removed, false);
});

test("groups, and which are enabled, outlive the host; a bad file is set aside", async (t) => {
  const dir = scratch(t);
  const first = await startHost(t, { dir });
  await first.rpc("filters.add", { name: "a", hide: { types: ["Image"] } });
  await first.rpc("filters.add", { name: "b", hide: { urls: ["*x*"] } });
  await first.rpc("filters.disable", { name: "b" });
  const kept = await first.rpc("filters.status");
  await first.stop("SIGKILL");
  const second = await startHost(t, { dir });
  assert.deepEqual(await second.rpc("filters.status"), kept);
  assert.deepEqual([kept.a.enabled, kept.b.enabled], [true, false]);
  await second.stop();
  const file = path.join(dir, "state/troupe/test.filters.json");
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  fs.writeFileSync(file, '{"groups": 7');
  const third = await startHost(t, { dir });
  assert.deepEqual(await third.rpc("filters.status"), {});
  assert.equal(fs.readFileSync(`${file}.bad`, "utf8"), '{"groups": 7');
  assert.match(third.stderr, /file-unreadable/);
});

test("errors", async (t) => {
  const host = await startHost(t);
  const fails = (method, params, code) => assert.rejects(host.rpc(method, params), { code },
                                                         `${method} ${JSON.stringify(params)}`);
  await fails("filters.add", { name: "", hide: { types: ["a"] } }, -32602);
  await fails("filters.add", { name: "a", hide: {} }, -32602);
  await fails("filters.add", { name: "a", hide: { types: "Image" } }, -32602);
  await fails("filters.add", { name: "a", hide: { types: [1] } }, -32602);
  await fails("filters.add", { name: "a", hide: { kinds: ["a"] } }, -32602);
  await fails("filters.add", { name: "a" }, -32602);
  await fails("filters.enable", { name: "none" }, -32602);
  await fails("filters.disable", { name: "none" }, -32602);
  assert.deepEqual(await host.rpc("filters.status"), {});
  await fails("entry", { id: 12345 }, -32011);
  await fails("entry", { id: 0 }, -32602);
  await fails("network", { wait: 61 }, -32602);
});

test("a file that cannot be written is told, and nothing changes", async (t) => {
  const host = await startHost(t);
  fs.mkdirSync(path.join(host.dir, "state/troupe/test.filters.json.new"));
  await assert.rejects(host.rpc("filters.add", { name: "a", hide: { types: ["Image"] } }), { code: -32016 });
  assert.deepEqual(await host.rpc("filters.status"), {});
});

test("network waits for what matches, not for anything", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const asked = Date.now();
  const waits = host.rpc("network", { url: "*/slow", wait: 20 });
  await host.rpc("js", { target, code: `fetch("/a.js"); fetch("/slow"); 1` });
  const { requests } = await waits;
  assert.deepEqual(paths(requests, site), ["/slow"]);
  assert.ok(Date.now() - asked < 19000);
  assert.equal((await host.rpc("network", { url: "*/a.js", wait: 20 })).requests.length > 0, true, "there already");
  const none = await host.rpc("network", { url: "*/never", wait: 1 });
  assert.deepEqual(none.requests, []);
  assert.ok(Date.now() - asked > 1000);
  const command = await host.command("network", "--match", "*/slow", "--wait", "5", "--json");
  assert.equal(JSON.parse(command.stdout).requests.length, 1);
});

test("a console message in detail, and clear", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  await host.rpc("js", { target, code: "function deep() { console.error('oh', 1) } deep()" });
  const { messages } = await host.rpc("console", { level: "error" });
  const { id } = messages.find(({ message }) => message === "oh 1");
  const { entry, resolution } = await host.rpc("entry", { id });
  assert.equal(resolution, undefined);
  assert.deepEqual(Object.keys(entry).sort(), ["id", "level", "message", "source", "timestamp"]);
  const full = (await host.rpc("entry", { id, fields: "*" })).entry;
  assert.equal(full.type, "error");
  assert.equal(full.stack.callFrames[0].functionName, "deep");
  assert.equal(full.target_state, undefined);
  const { requests: [request] } = await host.rpc("network", { limit: 1 });
  assert.equal((await host.rpc("request", { id: request.id })).resolution, undefined);
  await host.rpc("disconnect", { target });
  const stashed = { via: "stashed", target, state: "available" };
  await until(async () => (await host.rpc("entry", { id })).resolution?.state === "available", "told as detached");
  assert.deepEqual((await host.rpc("entry", { id })).resolution, stashed);
  assert.deepEqual((await host.rpc("request", { id: request.id })).resolution, stashed);
  await host.rpc("connect", { target });
  assert.match((await host.command("entry", String(id), "*")).stdout, /oh 1/);
  assert.equal((await host.command("filters", "add", "js", "--type", "Script")).code, 0);
  assert.match((await host.command("filters")).stdout, /js +yes/);
  assert.equal((await host.command("filters", "remove", "js")).code, 0);
  assert.equal((await host.command("clear")).code, 0);
  assert.deepEqual((await host.rpc("console")).messages, []);
});
