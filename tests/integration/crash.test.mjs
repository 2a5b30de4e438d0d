// SPDX-License-Identifier: MIT
// The record when the host is killed, and when its disk is full.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { checkRecord, killRound, numbers, PAGES, seedOf } from "./crash.mjs";
import { defer, scratch, startHost, until } from "./lib.mjs";
import { serve } from "./site.mjs";

const ROUNDS = 10;
const seed = seedOf();

test("killed at random while it records: the file is whole, and what was told of is there", async (t) => {
  t.diagnostic(`TROUPE_SEED=${seed}`);
  const site = await serve(t, PAGES);
  const dir = scratch(t);
  const random = numbers(seed);
  let last = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const events = 1 + Math.floor(random() * 3000);
    await t.test(`after ${events} events`, async () => {
      ({ found: { last } } = await killRound(() => startHost(t, { dir, args: ["--launch", "1"] }), site, events, last));
    });
  }
});

/** A file system of that size; null: this user may not mount one. */
function smallDisk(t, size) {
  const at = fs.mkdtempSync("/tmp/troupe-test-disk-");
  defer(t, () => fs.rmSync(at, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0700`, "tmpfs", at], { stdio: "ignore" });
  } catch {
    return null;
  }
  defer(t, () => execFileSync("umount", ["-l", at]));
  return at;
}

test("a full disk: said, the pages go on, recording comes back, and what is missing is on record", async (t) => {
  const disk = smallDisk(t, "3m");
  if (disk === null)
    return t.skip("tmpfs cannot be mounted by this user");
  const site = await serve(t, PAGES);
  const host = await startHost(t, { args: ["--launch", "1", "--store", path.join(disk, "store.db")] });
  await host.launched();
  const { target } = await host.rpc("open", { url: site.url });
  await until(() => /storage-failed/.test(host.stderr), "the log says it");
  const { notices } = await host.rpc("notices.list");
  assert.ok(notices.some(({ message }) => /full/.test(message)), JSON.stringify(notices));

  const before = (await host.rpc("js", { target, code: "n" })).value;
  await until(async () => (await host.rpc("js", { target, code: "n" })).value > before + 20, "the page goes on");
  assert.ok((await host.sql("SELECT count(*) AS n FROM event"))[0].n > 0, "what is there can be read");

  execFileSync("mount", ["-o", "remount,size=200m", disk]);
  await until(() => /storage-recovered/.test(host.stderr), "it records again");
  const [gap] = await host.sql("SELECT count, reason FROM gap WHERE reason LIKE '%full%'");
  assert.ok(gap.count > 0);
  const [{ n }] = await host.sql("SELECT count(*) AS n FROM event");
  await until(async () => (await host.sql("SELECT count(*) AS n FROM event"))[0].n > n, "new events are there");
  await checkRecord(host);
  await until(async () => (await host.rpc("notices.list")).notices.every(({ message }) => !/full/.test(message)),
              "the notice is gone");
});
