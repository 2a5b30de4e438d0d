// SPDX-License-Identifier: MIT
// Users' SQL: whatever it is, it reads, it ends, and it costs nobody else anything.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { footprint, SLOW, startHost } from "./lib.mjs";

const NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";

const REFUSED = [
  "DELETE FROM event", "UPDATE counters SET events = 0", "INSERT INTO gap(count) VALUES (1)",
  "CREATE TABLE t(x)", "CREATE TEMP VIEW v AS SELECT 1", "DROP TABLE event", "ALTER TABLE event ADD COLUMN x",
  "ATTACH '/etc/passwd' AS p", "ATTACH ':memory:' AS m", "DETACH main", "VACUUM", "VACUUM INTO '/tmp/stolen'",
  "PRAGMA journal_mode = DELETE", "PRAGMA writable_schema = 1", "PRAGMA query_only = 0", "PRAGMA temp_store_directory = '/'",
  "PRAGMA user_version = 9", "SELECT * FROM pragma_database_list", "SELECT load_extension('/tmp/x.so')",
  "SELECT readfile('/etc/passwd')", "SELECT writefile('/tmp/x', 'x')", "SELECT fts3_tokenizer('x', x'00')",
  "BEGIN IMMEDIATE", "SAVEPOINT s", "REINDEX", "ANALYZE", "SELECT 1; DELETE FROM event",
  "WITH d AS (SELECT 1) DELETE FROM event", "EXPLAIN DELETE FROM event",
];

const GREEDY = {
  "sorts without end": `${NUMBERS} SELECT i FROM n ORDER BY i % 7, randomblob(1000)`,
  "gathers without end": `${NUMBERS} SELECT count(DISTINCT randomblob(1000)) FROM n`,
  "one text out of all": `${NUMBERS} SELECT length(group_concat(hex(randomblob(1000)))) FROM n`,
  "a value too large": "SELECT length(zeroblob(2000000000))",
  "values that double": "WITH RECURSIVE d(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM d) SELECT length(x) FROM d",
  "a row too large": "SELECT hex(zeroblob(20000000))",
};

const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

test("hostile SQL", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  await host.sql("SELECT 1");
  await host.rpc("network");
  const before = footprint(host.pid);

  for (const sql of REFUSED) {
    await t.test(sql, async () => {
      await assert.rejects(host.sql(sql), (error) => ["INVALID_PARAMS", "FORBIDDEN"].includes(error.wire), sql);
    });
  }
  for (const [what, sql] of Object.entries(GREEDY)) {
    await t.test(what, async () => {
      await assert.rejects(host.rpc("query.sql", { sql, timeout_ms: 5000 }),
                           (error) => ["LIMIT", "INVALID_PARAMS", "TIMEOUT"].includes(error.wire));
      assert.ok(SLOW > 1 || memory(host.pid) < 400, `${memory(host.pid)} MiB`); // sanitizers keep what was freed
    });
  }
  await t.test("an endless one ends at its deadline, and others are answered meanwhile", async () => {
    const endless = host.rpc("query.sql", { sql: `${NUMBERS} SELECT count(*) FROM n`, timeout_ms: 3000 });
    let ended = false;
    const over = assert.rejects(endless, { wire: "TIMEOUT" }).finally(() => { ended = true; });
    for (let i = 0; i < 20; i++)
      await host.rpc("network", { limit: 5 });
    assert.equal(ended, false, "the lists did not wait for it");
    await over;
  });
  await t.test("rows without end are cut, and said to be", async () => {
    const { rows, truncated } = await host.rpc("query.sql", { sql: `${NUMBERS} SELECT i FROM n` });
    assert.equal(rows.length, 1000);
    assert.equal(truncated, true);
  });
  await t.test("the host is as it was", async () => {
    assert.deepEqual(await host.sql("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
    assert.equal(footprint(host.pid).threads, before.threads);
    assert.ok(footprint(host.pid).descriptors <= before.descriptors + 1, `${footprint(host.pid).descriptors}, before ${before.descriptors}`);
    assert.ok(!fs.existsSync("/tmp/stolen"));
    assert.equal((await host.rpc("status")).browsers?.length ?? 1, 1);
  });
});
