// SPDX-License-Identifier: MIT
// What one connection carries: limits, the rate, a browser that hangs, and the numbers about it.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { defer, startHost, until } from "./lib.mjs";

/** All processes below that one. */
function descendants(root) {
  const children = new Map();
  for (const name of fs.readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = fs.readFileSync(`/proc/${name}/stat`, "latin1");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (pid) => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(root);
}

async function browserOf(host, id = "p1") {
  return (await host.rpc("browsers.list")).browsers.find(({ browser }) => browser === id);
}

async function numbersOf(host, id = "p1") {
  return (await host.rpc("metrics")).browsers[id];
}

/** Name and labels to value. */
function samples(text) {
  return new Map(text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]));
}

test("commands beyond the limit in flight wait, and all are answered", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--commands-in-flight", "2"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  const client = await host.socket();
  defer(t, () => client.close());
  const calls = Array.from({ length: 60 }, (_, i) => client.call("js", { target, code: `${i} + 1` }));
  const values = (await Promise.all(calls)).map(({ value }) => value);
  assert.deepEqual(values, Array.from({ length: 60 }, (_, i) => i + 1));
  const numbers = await numbersOf(host);
  assert.ok(numbers.waits.in_flight > 0, JSON.stringify(numbers.waits));
  assert.equal(numbers.queued, 0);
  assert.equal(numbers.in_flight, 0);
  assert.equal(numbers.methods["Runtime.evaluate"].answered,
               numbers.methods["Runtime.evaluate"].sent);
  for (const counter of ["late", "unknown", "duplicate", "misrouted", "malformed", "timeouts"])
    assert.equal(numbers[counter], 0, counter);
});

test("the rate holds, and beyond the queue callers are told when to come again", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--commands-per-second", "20",
                                           "--commands-burst", "20", "--commands-queued", "4"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  const client = await host.socket();
  defer(t, () => client.close());
  const before = await numbersOf(host);
  const begun = performance.now();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, () => client.call("cdp",
                                                 { target, command: "Runtime.getHeapUsage" })));
  const refused = outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  const answered = outcomes.length - refused.length;
  assert.ok(refused.length > 0 && refused.every(({ wire }) => wire === "BUSY"),
            JSON.stringify(refused.map(({ wire }) => wire)));
  assert.ok(refused.every(({ data }) => data.retry_after_ms >= 10), JSON.stringify(refused[0].data));
  const seconds = (performance.now() - begun) / 1000;
  const sent = (await numbersOf(host)).sent - before.sent;
  assert.ok(sent >= answered && sent <= 20 + Math.ceil(20 * seconds), `${sent} in ${seconds} s`);
});

test("a browser that is stopped is told of, and is back when it goes on", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--probe-after", "300ms"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  const { pid } = await browserOf(host);
  const processes = descendants(pid);
  assert.ok(processes.length > 0);
  const go = () => {
    for (const each of processes) {
      try {
        process.kill(each, "SIGCONT");
      } catch {
        // It has ended.
      }
    }
  };
  defer(t, go);
  for (const each of processes)
    process.kill(each, "SIGSTOP");
  const waiting = host.rpc("js", { target, code: "1 + 1", timeout_ms: 20000 });
  const short = host.rpc("js", { target, code: "2 + 2", timeout_ms: 100 });
  await assert.rejects(short, ({ wire }) => wire === "TIMEOUT");
  await until(async () => (await browserOf(host)).state === "unresponsive", "it is unresponsive");
  assert.equal((await host.rpc("pages")).pages.length > 0, true, "the host goes on");
  const hung = await numbersOf(host);
  assert.equal(hung.responsive, false);
  assert.ok(hung.unresponsive_count >= 1);
  assert.ok(hung.silent_ms >= 300, `${hung.silent_ms}`);
  go();
  assert.equal((await waiting).value, 2);
  await until(async () => (await browserOf(host)).state === "up", "it is up again");
  await until(() => host.rpc("js", { target, code: "3 + 3" }).then(({ value }) => value === 6,
                                                                   () => false), "its page is, too");
  await until(async () => (await numbersOf(host)).late >= 1, "what came too late is counted");
});

test("GET /metrics has the browsers, their methods and a histogram", async (t) => {
  const host = await startHost(t, { args: ["--launch", "2"] });
  await host.launched();
  await until(async () => (await host.rpc("browsers.list")).browsers
    .every(({ state }) => state === "up"), "both are up");
  const { target } = await host.rpc("open", { url: "about:blank", browser: "p2" });
  for (let i = 0; i < 5; i++)
    await host.rpc("js", { target, code: "1 + 1" });
  const answer = await host.request("GET", "/metrics");
  assert.equal(answer.status, 200);
  const found = samples(answer.text);
  const labels = 'browser="p2",method="Runtime.evaluate"';
  assert.ok(found.get(`troupe_cdp_commands_total{${labels}}`) >= 5);
  assert.equal(found.get(`troupe_cdp_command_duration_seconds_bucket{${labels},le="+Inf"}`),
               found.get(`troupe_cdp_command_duration_seconds_count{${labels}}`));
  assert.equal(found.get('troupe_browser_responsive{browser="p1"}'), 1);
  assert.equal(found.get("troupe_browsers"), 2);
  assert.equal(found.get("troupe_metrics_warnings"), 0);
});
