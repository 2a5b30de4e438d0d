// SPDX-License-Identifier: MIT
// A host that is killed while it records, and what must be true of the record after that. Shared by
// crash.test.mjs and the soak.

import assert from "node:assert/strict";

import { until } from "./lib.mjs";

export const PAGES = {
  "/": `<title>busy</title><script>
    let n = 0;
    const again = () => fetch("/hop?" + n++).then((r) => r.text()).then(() => { console.log("line", n); again(); }, again);
    for (let i = 0; i < 8; i++) again();
    setInterval(() => fetch("/say", { method: "POST", body: "x".repeat(n % 500) }), 20);
  </script>`,
  "/hop": { status: 302, headers: { location: "/there" }, body: "" },
  "/there": { body: "there ".repeat(500), type: "text/plain" },
  "/say": "said",
};

export const seedOf = () => Number(process.env.TROUPE_SEED ?? Date.now() % 2 ** 31);

/** A generator of numbers from 0 to 1: a seed gives the same ones again. */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Queries that find what must not be there. */
const BROKEN = {
  "a response of no request": "SELECT request FROM response WHERE request NOT IN (SELECT id FROM request)",
  "a body of no request": "SELECT request FROM body WHERE request NOT IN (SELECT id FROM request)",
  "a body without its content": "SELECT request FROM body WHERE ok AND content NOT IN (SELECT id FROM content)",
  "a content of nothing": `SELECT id FROM content WHERE id NOT IN (SELECT content FROM body WHERE content IS NOT NULL
    UNION SELECT content FROM screenshot WHERE content IS NOT NULL)`,
  "a frame of no WebSocket": "SELECT id FROM websocket_frame WHERE request NOT IN (SELECT request FROM websocket)",
  "a message of no request": "SELECT id FROM eventsource_message WHERE request NOT IN (SELECT id FROM request)",
  "an event of a request that is not there": "SELECT id FROM event WHERE request NOT IN (SELECT id FROM request)",
  "a hop without the ones before": `SELECT r.id FROM request r WHERE r.hop > 0 AND NOT EXISTS
    (SELECT 1 FROM request p WHERE p.chain = r.chain AND p.hop = r.hop - 1)`,
  "a chain without its first hop": "SELECT id FROM request WHERE chain NOT IN (SELECT id FROM request)",
};

/** Nothing in the record contradicts the rest of it, and the file is whole. */
export async function checkRecord(host) {
  assert.deepEqual(await host.sql("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
  for (const [what, sql] of Object.entries(BROKEN))
    assert.deepEqual(await host.sql(`${sql} LIMIT 3`), [], what);
}

const HELD = `SELECT (SELECT count(*) FROM event) AS events, (SELECT min(id) FROM event) AS first, (SELECT max(id) FROM event) AS last,
  (SELECT count(*) FROM request) AS requests, (SELECT count(*) FROM console) AS lines`;

/**
 * Let it record some events beyond what it has, kill it, start another host over the same store.
 * start: () => host; since: the last event that the round before found, which nothing has cut yet. Whoever was told
 * of rows finds them again, unless it was time for them to go.
 */
export async function killRound(start, site, events, since) {
  const host = await start();
  await host.launched();
  const [before] = await host.sql(HELD);
  await host.rpc("open", { url: site.url });
  let told;
  await until(async () => {
    [told] = await host.sql(HELD); // answered after a commit
    return told.last - (before.last ?? 0) >= events;
  }, `${events} events are recorded`);
  host.child.kill("SIGKILL");
  await host.exited;
  const next = await start();
  const [found] = await next.sql(HELD);
  for (const what of ["last", "events", "requests", "lines"].slice(0, found.first > 1 ? 1 : 4))
    assert.ok(found[what] >= told[what], `${what}: told of ${told[what]}, found ${found[what]}`);
  const [{ held }] = await next.sql("SELECT count(*) AS held FROM event WHERE id > ?", [since]);
  assert.equal(held, found.last - since, "no event is missing in between");
  assert.deepEqual(await next.sql("SELECT id FROM request WHERE state IN ('pending', 'loading', 'connecting', 'open')"), []);
  await checkRecord(next);
  await next.stop();
  return { told, found };
}
