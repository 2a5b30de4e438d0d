// SPDX-License-Identifier: MIT
// 50 clients at once change what is connected, tracked, inspected and shown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { footprint, startHost, until } from "./lib.mjs";
import { round, seedOf } from "./races.mjs";

test("50 clients at once: no double session, no wrong epoch, nothing left over", async (t) => {
  const seed = seedOf();
  t.diagnostic(`TROUPE_SEED=${seed}`);
  const host = await startHost(t, { args: ["--launch", "1"] });
  const { browser } = await host.launched();
  const pages = [];
  for (let i = 0; i < 5; i++)
    pages.push((await host.rpc("open", { url: `data:text/html,<title>${i}</title>` })).target);
  const first = await round(host, browser, pages, { clients: 50, count: 30, seed });
  const before = footprint(host.pid);
  const second = await round(host, browser, pages, { clients: 50, count: 30, seed: seed + 1 });
  t.diagnostic(`done ${first.done + second.done}, refused ${first.refused + second.refused}, ` +
               `of them for their epoch ${first.stale + second.stale}`);
  assert.ok(first.done > 0 && first.stale > 0);
  await until(() => footprint(host.pid).descriptors <= before.descriptors + 5, "descriptors are given back");
});
