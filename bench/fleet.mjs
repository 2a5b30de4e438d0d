// SPDX-License-Identifier: MIT
// A fleet: N browsers are launched, used and closed, several rounds, by a host of its own. Prints
// Markdown: how long a launch takes, what the fleet needs at its peak, and what is left after each
// round: nothing is to be.
//
//   node bench/fleet.mjs [--browsers 50] [--rounds 3] [--parallel 0] [--full]
//
// TROUPE names the binary (default: build/bin/troupe).

import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const TROUPE = process.env.TROUPE ?? path.join(ROOT, "build/bin/troupe");
const { values: options } = parseArgs({ options: {
  browsers: { type: "string", default: "50" }, rounds: { type: "string", default: "3" },
  parallel: { type: "string", default: "0" }, full: { type: "boolean", default: false } } });
const BROWSERS = Number(options.browsers);
const ROUNDS = Number(options.rounds);
const AT_ONCE = 8; // clients that use the fleet

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "troupe-fleet-"));
const profiles = path.join(dir, "tmp");
fs.mkdirSync(profiles);
const host = spawn(TROUPE, ["serve", "--json", "--name", "fleet", "--launch-parallel",
                            options.parallel, "--browsers-max", String(BROWSERS)],
                   { env: { ...process.env, HOME: dir, XDG_STATE_HOME: path.join(dir, "state"), TMPDIR: profiles },
                     stdio: ["ignore", "pipe", "ignore"] });
const url = await new Promise((resolve, reject) => {
  let text = "";
  host.on("exit", () => reject(new Error("the host ended")));
  host.stdout.setEncoding("utf8").on("data", (part) => {
    text += part;
    const found = /"url": *"([^"]+)"/.exec(text);
    if (found)
      resolve(found[1]);
  });
});


function rpc(method, params = {}) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/rpc`, { method: "POST", agent: false,
      headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => { text += part; });
      response.on("end", () => {
        const { result, error } = JSON.parse(text);
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result);
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Work through a list, a few at a time. */
async function forEach(list, work) {
  const queue = [...list];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item; (item = queue.shift()) !== undefined;)
      await work(item);
  }));
}

function statusOf(pid, key) {
  const line = fs.readFileSync(`/proc/${pid}/status`, "latin1").split("\n").find((each) => each.startsWith(key));
  return Number(/\d+/.exec(line)?.[0] ?? 0);
}

/** Processes whose environment names our directory: browsers and all that came from them. */
function processes() {
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== host.pid).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/environ`, "latin1").includes(profiles);
    } catch {
      return false;
    }
  });
}

function zombies() {
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      const [state, parent] = fs.readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ");
      return state === "Z" && Number(parent) === host.pid;
    } catch {
      return false;
    }
  }).length;
}

function left() {
  return { processes: processes().length, zombies: zombies(), directories: fs.readdirSync(profiles).length,
           descriptors: fs.readdirSync(`/proc/${host.pid}/fd`).length, threads: statusOf(host.pid, "Threads"),
           rss: statusOf(host.pid, "VmRSS") / 1024 };
}

const percentile = (list, share) => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];
const ms = (number) => number.toFixed(0);
const rows = [];
const times = [];

async function round(number) {
  const begin = performance.now();
  let together = performance.now();
  const { browsers, failed } = await rpc("browsers.launch", { count: BROWSERS, timeout_ms: 300000, full: options.full });
  if (failed.length > 0)
    throw new Error(`${failed.length} did not start: ${failed[0].reason}`);
  together = performance.now() - together;
  const ids = browsers.map(({ browser }) => browser);
  const launches = browsers.map(({ start_ms }) => start_ms);
  const use = performance.now();
  await forEach(ids, async (browser) => {
    const { target } = await rpc("open", { browser, url: "data:text/html,<title>fleet</title>" });
    const { value } = await rpc("js", { target, code: "document.title" });
    if (value !== "fleet")
      throw new Error(`${browser}: ${value}`);
    await rpc("close", { target });
  });
  const used = performance.now() - use;
  const peak = (await rpc("browsers.list", { memory: true })).browsers;
  const memory = peak.reduce((sum, { memory_bytes }) => sum + memory_bytes, 0) / 2 ** 20;
  const count = peak.reduce((sum, each) => sum + each.processes, 0);
  const hostPeak = left();
  const closing = performance.now();
  await forEach(ids, (browser) => rpc("browsers.close", { browser }));
  const closed = performance.now() - closing;
  times.push(...launches);
  rows.push([number, ms(percentile(launches, 0.5)), ms(percentile(launches, 0.99)), (together / 1000).toFixed(1),
             (used / 1000).toFixed(1), (closed / 1000).toFixed(1), ms(memory), count, ms(hostPeak.rss),
             ((performance.now() - begin) / 1000).toFixed(1)]);
}

const table = (head, body) => [head, head.map(() => "---"), ...body].map((row) => `| ${row.join(" | ")} |`).join("\n");

try {
  const after = [["before", ...Object.values(left()).map((each) => Math.round(each * 10) / 10)]];
  for (let i = 1; i <= ROUNDS; i++) {
    await round(i);
    after.push([`round ${i}`, ...Object.values(left()).map((each) => Math.round(each * 10) / 10)]);
  }
  const metrics = await rpc("launcher.metrics");
  console.log(`${BROWSERS} browsers, ${ROUNDS} rounds, at most ${metrics.parallel} starting at once, ` +
              `${os.cpus().length} processors, load before: ${os.loadavg()[0].toFixed(1)}\n`);
  console.log(table(["round", "launch p50 ms", "p99 ms", "all up s", "all used s", "all closed s", "memory MiB", "processes",
                     "host RSS MiB", "round s"], rows));
  console.log(`\nA launch, from the start of its process: p50 ${ms(percentile(times, 0.5))} ms, ` +
              `p99 ${ms(percentile(times, 0.99))} ms.\n\nWhat is there after it:\n`);
  console.log(table(["", "processes", "zombies", "directories", "host's descriptors", "threads", "RSS MiB"], after));
  console.log(`\nThe launcher's own count: launched ${metrics.launched}, ended ${metrics.ended}, closed ${metrics.closed}, ` +
              `crashed ${metrics.crashed}, failed ${metrics.failed}; left over: ${metrics.leftovers.processes} processes, ` +
              `${metrics.leftovers.directories} directories.`);
} finally {
  host.removeAllListeners("exit");
  const ended = new Promise((resolve) => host.on("exit", resolve));
  host.kill("SIGTERM");
  await ended;
  fs.rmSync(dir, { recursive: true, force: true });
}
