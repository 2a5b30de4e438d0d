// SPDX-License-Identifier: MIT
// Commands that stay: follow shows events as they come, run prints what its file logs.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { defer, environment, scratch, startHost, troupe, TROUPE, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = { "/": "<title>page</title>", "/asked": { body: "answer", type: "text/plain" } };

function following(t, host, ...args) {
  return staying(t, host, "follow", ...args);
}

function staying(t, host, ...args) {
  const child = spawn(TROUPE, [...args, "--name", host.name],
                      { env: environment(host.dir), stdio: ["ignore", "pipe", "pipe"] });
  defer(t, () => child.kill());
  const it = { child, stdout: "", stderr: "", exited: new Promise((resolve) => child.on("exit", resolve)) };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => { it[name] += text; });
  it.see = (what) => until(() => what.test(it.stdout) && it.stdout, `${what} in ${it.stdout} ${it.stderr}`);
  return it;
}

const ready = (it) => until(() => it.stderr.includes("following"), "it follows");

test("requests, messages, targets and browsers are lines as they come", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const all = following(t, host);
  const one = following(t, host, "--topics", "console", "--json", "--count", "2");
  await Promise.all([ready(all), ready(one)]);
  await host.rpc("js", { target, await_promise: true, code: `console.log("first"); console.error("second"); await fetch("/asked").then((r) => r.text())` });
  await all.see(/log +.*first\n[^]*error +.*second/);
  await all.see(new RegExp(`GET +200.*${site.url}/asked`));
  assert.doesNotMatch(all.stdout, /\x1b/, "no colours where there is no terminal");
  const { target: other } = await host.rpc("open", { url: `${site.url}/?other` });
  await all.see(/page +connected.*\?other/);
  await host.rpc("close", { target: other });
  await all.see(/page +gone/);
  await host.rpc("browsers.close", { browser: "p1" });
  await all.see(/p1 +down/);

  assert.equal(await one.exited, 0, "--count ends it");
  const events = one.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(events.map(({ topic, data }) => [topic, data.message]), [["console", "first"], ["console", "second"]]);
  await host.stop();
  assert.equal(await all.exited, 1, "the host's end is one of it, and no success");
  assert.match(all.stderr, /closed|ended|lost/);
});

test("by target, by Chrome's own methods, for a time; mistakes are told", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const { target: other } = await host.rpc("open", { url: `${site.url}/?other` });
  const cdp = following(t, host, "--methods", "Page.frameNavigated", "--target", other, "--count", "1", "--json");
  await ready(cdp);
  await host.rpc("reload", { target });
  await host.rpc("reload", { target: other });
  assert.equal(await cdp.exited, 0);
  const { data } = JSON.parse(cdp.stdout);
  assert.deepEqual([data.method, data.target], ["Page.frameNavigated", other]);
  assert.equal((await host.command("follow", "--for", "50ms")).code, 0);
  const wrong = await host.command("follow", "--topics", "nonsense");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /nonsense/);
  assert.equal((await troupe(scratch(t), ["follow"])).code, 3, "no host");
});

test("a file runs in a page of its own: its log, its value, its end", async (t) => {
  const dir = scratch(t);
  const { host, site, target } = await hostWithPage(t, PAGES);
  const file = (name, text) => { fs.writeFileSync(path.join(dir, name), text); return path.join(dir, name); };
  const good = file("good.js", `console.log("one"); console.error("two");
await new Promise((r) => setTimeout(r, 20));
for (let i = 0; i < 100; i++) console.log("line " + i);
({ at: location.pathname, answer: 6 * 7 })`);
  const { code, stdout, stderr } = await host.command("run", good, "--open", `${site.url}/asked`);
  assert.equal(code, 0, stderr);
  const lines = stdout.trim().split("\n");
  assert.deepEqual(lines, ["one", ...Array.from({ length: 100 }, (_, i) => `line ${i}`), '{"at":"/asked","answer":42}']);
  assert.equal(stderr, "two\n");
  assert.equal((await host.rpc("pages")).pages.length, 1, "its page is closed again");

  const bad = await host.command("run", file("bad.js", 'console.log("before");\n\n  throw new RangeError("too far")'));
  assert.equal(bad.code, 1);
  assert.equal(bad.stdout, "before\n");
  assert.match(bad.stderr, /bad\.js:3:\d+: RangeError: too far/);

  assert.equal((await host.command("run", file("title.js", "document.title"), "--target", target)).stdout, "page\n");
  assert.equal((await host.command("run", path.join(dir, "none.js"))).code, 1);
  assert.equal((await host.command("run", good, "--target", "p9:none")).code, 1);
  const slow = await host.command("run", file("slow.js", "for (;;) {}"), "--timeout", "300ms");
  assert.equal(slow.code, 1);
  assert.match(slow.stderr, /deadline/);
});

test("network --follow and console --follow: what comes, by the lists' filters", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const missing = staying(t, host, "network", "--follow", "--status", "404", "--json");
  const some = staying(t, host, "network", "-f", "--url", "*/asked*", "--where", "url LIKE '%?2'", "--fields", "status,url");
  const errors = staying(t, host, "console", "--follow", "--level", "error", "--target", target);
  await Promise.all([missing, some, errors].map(ready));
  await host.rpc("js", { target, await_promise: true, code: `(async () => {
    console.log("no"); console.error("yes");
    for (const path of ["/asked", "/asked?2", "/none", "/asked?3"]) await fetch(path).then((r) => r.text());
    console.error("last");
  })()` });
  await errors.see(/error +.*yes\n[^]*error +.*last/);
  assert.doesNotMatch(errors.stdout, /no\n/);
  await some.see(/\?2\n/);
  assert.equal(some.stdout, `200  ${site.url}/asked?2\n`);
  await missing.see(/\n/);
  const rows = missing.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(rows.filter(({ url }) => !url.endsWith("favicon.ico")).map(({ url, status }) => [url, status]), [[`${site.url}/none`, 404]]);
  for (const args of [["network", "--follow", "--text", "x"], ["network", "--follow", "--csv"]]) {
    const { code, stderr } = await host.command(...args);
    assert.equal(code, 2);
    assert.match(stderr, /--follow/);
  }
});
