// SPDX-License-Identifier: MIT
// Round after round of tests/integration/races.mjs: see races.sh.

import assert from "node:assert/strict";
import fs from "node:fs";

import { footprint, startHost } from "../integration/lib.mjs";
import { round, seedOf } from "../integration/races.mjs";

const SECONDS = Number(process.env.SOAK_SECONDS ?? 600);
const GROWTH_MIB = 12; // of resident memory, from the first round to the last
const seed = seedOf();
console.log(`races: ${SECONDS} s, TROUPE_SEED=${seed}`);

const measure = (pid) => ({ ...footprint(pid),
  rss_mib: Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024 });

const deferred = [];
const t = { after: (action) => deferred.push(action) };
try {
  const host = await startHost(t, { args: ["--launch", "1"] });
  const { browser } = await host.launched();
  const pages = [];
  for (let i = 0; i < 5; i++)
    pages.push((await host.rpc("open", { url: `data:text/html,<title>${i}</title>` })).target);
  const end = Date.now() + SECONDS * 1000;
  const sum = { rounds: 0, done: 0, refused: 0, stale: 0 };
  let first;
  while (Date.now() < end) {
    const told = await round(host, browser, pages, { clients: 50, count: 100, seed: seed + sum.rounds });
    for (const [name, count] of Object.entries(told))
      sum[name] += count;
    sum.rounds++;
    first ??= measure(host.pid);
  }
  const last = measure(host.pid);
  console.log(JSON.stringify({ ...sum, first, last }));
  assert.ok(last.threads <= first.threads + 2, "no thread is left over");
  assert.ok(last.descriptors <= first.descriptors + 5, "no descriptor is left over");
  assert.ok(last.rss_mib - first.rss_mib < GROWTH_MIB, "memory does not grow");
} finally {
  for (const action of deferred.reverse())
    await action();
}
