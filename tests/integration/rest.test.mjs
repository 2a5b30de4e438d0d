// SPDX-License-Identifier: MIT
// A host at rest: how much memory it takes, and that nothing in it polls.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { SLOW, startHost, until } from "./lib.mjs";

const WATCH_MS = 3000;

function rssBytes(pid) {
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

/** How often each thread has given up the processor, by "name/tid"; and ticks of CPU used by all. */
function activity(pid) {
  const switches = new Map();
  for (const tid of fs.readdirSync(`/proc/${pid}/task`)) {
    const status = fs.readFileSync(`/proc/${pid}/task/${tid}/status`, "utf8");
    const name = /Name:\s+(.*)/.exec(status)[1];
    switches.set(`${name}/${tid}`, Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)[1]));
  }
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { switches, ticks: Number(fields[11]) + Number(fields[12]) };
}

test("at rest with a connected page: little memory, no work", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  await host.rpc("js", { target, code: "1 + 1" });
  await until(async () => (await host.sql("SELECT count(*) AS n FROM lifecycle WHERE name = 'networkIdle'"))[0].n > 0, "the page is at rest");

  // The thing measured is time. A page goes on settling for a while; who polls is awake in every window.
  let woken, ticks, busy, after;
  for (let i = 0; i < 5 && busy?.length !== 0; i++) {
    const before = activity(host.pid);
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    after = activity(host.pid);
    ticks = after.ticks - before.ticks;
    woken = [...after.switches].map(([name, count]) => [name, count - (before.switches.get(name) ?? 0)])
      .filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
    busy = woken.filter(([name, count]) => !/^(civetweb|troupe-web)/.test(name) && count > WATCH_MS / 1000);
  }

  const rss = rssBytes(host.pid);
  t.diagnostic(`resident ${(rss / 1048576).toFixed(1)} MiB, ${after.switches.size} threads, ` +
               `${ticks} ticks of CPU in ${WATCH_MS} ms`);
  t.diagnostic(`woken in ${WATCH_MS} ms: ${JSON.stringify(woken)}`);
  if (SLOW === 1)
    assert.ok(rss <= 20 * 1048576, `resident ${rss} bytes`);
  assert.ok(ticks <= 3 * SLOW, `${ticks} ticks`);
  assert.deepEqual(busy, [], "nobody polls");
});
