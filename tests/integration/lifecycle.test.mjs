// SPDX-License-Identifier: MIT
// However a host ends, it leaves no process and no temporary profile.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { isAlive, processesWith, startHost, troupe, until } from "./lib.mjs";

async function hostAtWork(t, options) {
  const host = await startHost(t, { args: ["--launch", "2"], ...options });
  await until(async () => (await host.rpc("browsers.list")).browsers
    .filter(({ state }) => state === "up").length === 2, "two browsers are up");
  await host.rpc("open", { url: "about:blank" });
  const family = processesWith(host.profiles);
  assert.ok(family.length >= 2, "its browsers are found by their profile");
  assert.ok(fs.readdirSync(host.profiles).length >= 2, "their profiles are where we look");
  return host;
}

async function nothingIsLeft(host) {
  await until(() => processesWith(host.profiles).every((pid) => !isAlive(pid)),
              "no process is left");
  await until(() => fs.readdirSync(host.profiles).length === 0, "no profile is left");
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  test(`${signal} ends the host with all it started`, async (t) => {
    const host = await hostAtWork(t);
    assert.deepEqual(await host.stop(signal), { code: 0, signal: null });
    assert.deepEqual(processesWith(host.profiles), [], "gone before the host ended");
    assert.deepEqual(fs.readdirSync(host.profiles), []);
    assert.ok(!fs.existsSync(host.stateFile), "the state file is gone");
  });
}

test("`troupe stop` ends the host", async (t) => {
  const host = await hostAtWork(t);
  const { code } = await host.command("stop");
  assert.equal(code, 0);
  assert.deepEqual(await host.exited, { code: 0, signal: null });
  assert.deepEqual(processesWith(host.profiles), []);
});

test("kill -9 of the host leaves no process and no profile", async (t) => {
  const host = await hostAtWork(t);
  assert.deepEqual(await host.stop("SIGKILL"), { code: null, signal: "SIGKILL" });
  await nothingIsLeft(host);
});

test("after kill -9, the state file that is left is not taken for a host", async (t) => {
  const host = await startHost(t);
  await host.stop("SIGKILL");
  assert.ok(fs.existsSync(host.stateFile));
  const { code, stderr } = await host.command("status");
  assert.equal(code, 3);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
  const again = await startHost(t, { dir: host.dir });
  assert.equal((await again.command("status")).code, 0);
});

test("what was committed before kill -9 is there afterwards", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  await host.rpc("js", { target, code: 'console.log("remember me")' });
  await host.rpc("console"); // commits what came before
  await host.stop("SIGKILL");
  const again = await startHost(t, { dir: host.dir });
  const rows = await again.sql("SELECT message FROM console WHERE message = 'remember me'");
  assert.equal(rows.length, 1);
});

test("a signal while the browser is being launched is obeyed", async (t) => {
  const host = await startHost(t, { args: ["--launch", "3"] });
  assert.equal((await host.stop("SIGTERM")).code, 0);
  await nothingIsLeft(host);
});

test("a browser that is closed leaves no process and no profile", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  const { browser, pid } = await host.launched();
  await host.rpc("browsers.close", { browser });
  await nothingIsLeft(host);
  assert.ok(!isAlive(pid));
  const { code } = await troupe(host.dir, ["status", "--name", host.name]);
  assert.equal(code, 0);
});
