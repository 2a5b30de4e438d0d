// SPDX-License-Identifier: MIT
// The commands, as a user types them: help, tables, JSON, exit status.

import assert from "node:assert/strict";
import { test } from "node:test";

import { demoSite, PAGE_DONE, scratch, startBrowser, startHost, troupe, TROUPE, run, until } from "./lib.mjs";

const COMMANDS = [
  "serve", "status", "pages", "open", "connect", "disconnect", "network", "console", "js", "navigate",
  "ports add", "ports list", "ports remove", "launch", "close", "sql", "actors", "config", "stop",
  "browsers", "request", "body", "cdp", "reload", "page", "targets",
];

function ok({ code, stdout, stderr }) {
  assert.equal(code, 0, stderr);
  return stdout;
}

test("each command explains itself with an example", async (t) => {
  const dir = scratch(t);
  for (const command of COMMANDS) {
    await t.test(command, async () => {
      const text = ok(await troupe(dir, [...command.split(" "), "--help"]));
      assert.match(text, /^usage: troupe /);
      assert.match(text, /troupe \S+/);
    });
  }
});

test("version and overview", async () => {
  assert.match(ok(await run(TROUPE, ["--version"])), /^troupe \d+\.\d+\.\d+\n$/);
  const overview = ok(await run(TROUPE, ["--help"]));
  for (const command of ["serve", "status", "pages", "network", "sql"])
    assert.match(overview, new RegExp(`\\b${command}\\b`));
});

test("config says what holds and where it comes from, without a host", async (t) => {
  const dir = scratch(t);
  const { settings } = JSON.parse(ok(await troupe(dir, ["config", "--json"], { env: { TROUPE_LAUNCH: "2" } })));
  const launch = settings.find(({ key }) => key === "launch");
  assert.equal(String(launch.value ?? launch.text), "2");
  assert.match(launch.source, /TROUPE_LAUNCH/);
});

test("a session with two browsers, by commands alone", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--demo"] });
  const site = await demoSite(host);
  await host.launched();
  const json = async (...args) => JSON.parse(ok(await host.command(...args, "--json")));
  const text = async (...args) => ok(await host.command(...args));

  await t.test("status", async () => {
    assert.ok(await json("status"));
    assert.match(await text("status"), new RegExp(host.url));
  });
  const opened = await json("open", `${site}?run=cli`);
  const { target } = opened;
  await t.test("js", async () => {
    assert.equal((await text("js", "--target", target, PAGE_DONE)).trim(), "true");
    assert.equal((await text("js", "--target", target, "document.title")).trim(), "done");
    assert.deepEqual((await json("js", "--target", target, "({ a: [1, 2] })")).value, { a: [1, 2] });
    const thrown = await host.command("js", "--target", target, "nosuchthing");
    assert.equal(thrown.code, 1);
    assert.match(thrown.stderr, /nosuchthing/);
  });
  await t.test("js with a result of 3 MiB", async () => {
    const { value } = await json("js", "--target", target, `"x".repeat(${3 << 20})`);
    assert.equal(value.length, 3 << 20);
  });
  await t.test("pages", async () => {
    assert.ok((await json("pages")).pages.some((page) => page.target === target));
    assert.match(await text("pages"), new RegExp(target));
  });
  await t.test("network, request, body", async () => {
    const { requests } = await json("network", "--target", target, "--limit", "100");
    assert.ok(requests.length >= 17);
    assert.match(await text("network", "--target", target), /planets\.json/);
    const planets = requests.find(({ url }) => url.includes("planets.json"));
    assert.match(await text("request", String(planets.id)), /planets\.json/);
    assert.match(await text("body", String(planets.id)), /"Earth"/);
  });
  await t.test("console", async () => {
    assert.match(await text("console", "--target", target), /curtain down/);
    assert.ok((await json("console", "--target", target, "--level", "error")).messages
      .every(({ level }) => level === "error"));
  });
  await t.test("sql", async () => {
    const { columns, rows } = await json("sql", "SELECT 6 * 7 AS answer");
    assert.deepEqual({ columns, rows }, { columns: ["answer"], rows: [[42]] });
    assert.match(await text("sql", "SELECT 6 * 7 AS answer"), /42/);
    assert.equal((await host.command("sql", "DROP TABLE request")).code, 1);
  });
  await t.test("navigate, reload, page, cdp", async () => {
    await text("navigate", "--target", target, "about:blank");
    assert.equal((await json("page", "--target", target)).url, "about:blank");
    await text("reload", "--target", target);
    assert.match(await text("cdp", "--target", target, "Browser.getVersion"), /Chrome|Chromium/);
  });
  await t.test("ports", async () => {
    const { port } = await startBrowser(t);
    await text("ports", "add", String(port));
    assert.match(await text("ports", "list"), new RegExp(port));
    assert.match(await text("browsers"), new RegExp(port));
    const page = await until(async () => (await json("pages")).pages
      .find(({ browser }) => browser === String(port)), "its page is known");
    await text("connect", page.target);
    assert.match(await text("disconnect", page.target), new RegExp(page.target));
    await text("ports", "remove", String(port));
    assert.doesNotMatch(await text("browsers"), new RegExp(port));
  });
  await t.test("launch and close", async () => {
    const { browsers } = await json("launch");
    const { browser } = browsers.at(-1);
    await text("close", browser);
    assert.ok(!(await json("browsers")).browsers.some((each) => each.browser === browser && each.state === "up"));
    await text("close", target);
    assert.ok(!(await json("pages")).pages.some((page) => page.target === target));
  });
  await t.test("actors, config", async () => {
    assert.match(await text("actors"), /store/);
    assert.ok((await json("config")).settings.length > 10);
  });
  await t.test("no colour, no control characters when piped", async () => {
    assert.doesNotMatch(await text("pages"), /\x1b/);
  });
  await t.test("stop", async () => {
    await text("stop");
    assert.equal((await host.exited).code, 0);
    assert.equal((await host.command("status")).code, 3);
  });
});
