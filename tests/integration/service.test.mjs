// SPDX-License-Identifier: MIT
// The host under a service manager: readiness, reloading, the watchdog, logs as JSON; and a host that an
// older version has started.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { defer, scratch, startHost, troupe, until } from "./lib.mjs";

// Prints each datagram that comes as a line of JSON.
const RECEIVER = `use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0); bind($s, sockaddr_un($ARGV[0])) or die;
  $| = 1; print "bound\\n"; while (defined recv($s, my $text, 4096, 0)) { $text =~ s/\\n/ /g; print "$text\\n" }`;

async function manager(t, dir) {
  const socket = path.join(dir, "notify");
  const child = spawn("perl", ["-e", RECEIVER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  defer(t, () => child.kill());
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part) => { text += part; });
  await until(() => text.startsWith("bound"), "it listens");
  return { socket, told: (what) => until(() => text.includes(what) && text, `${what} is told in ${text}`) };
}

test("READY, WATCHDOG, RELOADING and STOPPING are told", async (t) => {
  const dir = scratch(t);
  const { socket, told } = await manager(t, dir);
  const host = await startHost(t, { dir, env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "200000" } });
  assert.match(await told("READY=1"), new RegExp(`MAINPID=${host.pid} STATUS=listening at ${host.url}`));
  await told("WATCHDOG=1");
  host.child.kill("SIGHUP");
  assert.match(await told("RELOADING=1"), /MONOTONIC_USEC=\d+/);
  await until(() => host.stderr.includes("reloaded"), "it reloaded");
  await host.stop();
  assert.match(await told("STOPPING=1"), /STATUS=terminated/);
});

test("a socket that is not there costs a warning", async (t) => {
  const host = await startHost(t, { env: { NOTIFY_SOCKET: "nonsense" } });
  await until(() => host.stderr.includes("not-notified"), "it is told");
  await host.rpc("status");
});

test("SIGHUP takes over what can change, says what cannot, and keeps what was if there is a mistake", async (t) => {
  const dir = scratch(t);
  const conf = path.join(dir, "troupe.conf");
  const token = path.join(dir, "token");
  fs.writeFileSync(token, "the-first-token\n", { mode: 0o600 });
  const write = (text) => fs.writeFileSync(conf, text);
  write(`log_level = info\n[bridge]\ntoken_file = ${token}\n`);
  const host = await startHost(t, { dir, env: { TROUPE_CONFIG: conf } });
  const status = async (text) => (await host.request("POST", "/rpc", {
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${text}` },
    body: '{"jsonrpc":"2.0","id":1,"method":"config"}' })).status;
  assert.equal(await status("the-first-token"), 200);

  fs.writeFileSync(token, "the-second-token\n", { mode: 0o600 });
  write(`log_level = debug\n[bridge]\ntoken_file = ${token}\nclients_max = 7\n`);
  host.child.kill("SIGHUP");
  await until(() => host.stderr.includes("serve reloaded"), "it reloaded");
  assert.deepEqual([await status("the-first-token"), await status("the-second-token")], [401, 200]);
  assert.match(host.stderr, /setting-changed log_level: info -> debug/);
  assert.match(host.stderr, /setting-waits clients_max: .* restarted/);
  await until(() => host.stderr.includes(" debug "), "more is logged");
  assert.equal((await host.command("status")).code, 0, "commands read the token's file anew");
  assert.match((await host.command("config")).stdout, /clients_max +7/);

  write("[bridge]\nno_such_key = 1\n");
  host.child.kill("SIGHUP");
  await until(() => /not-reloaded.*troupe.conf:2.*no_such_key/.test(host.stderr), "the mistake is told");
  assert.equal(await status("the-second-token"), 200);
});

test("each log record is an object with --log-format json", async (t) => {
  const host = await startHost(t, { args: ["--log-format", "json"] });
  await until(() => host.stderr.includes("listening"), "it logs");
  const records = host.stderr.trim().split("\n").map((line) => JSON.parse(line));
  const { time, level, component, message, subject } = records.find(({ event }) => event === "listening");
  assert.deepEqual([level, component, subject], ["info", "bridge", host.url]);
  assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60000 && message.length > 0);
});

test("an idle host of an older version, started by a command, is started anew; others stay", async (t) => {
  const dir = scratch(t);
  const run = (...args) => troupe(dir, [...args, "--name", "old"]);
  const file = path.join(dir, "state/troupe/old.json");
  defer(t, () => run("stop"));
  assert.equal((await run("open", "about:blank")).code, 0);
  const change = (changes) => fs.writeFileSync(file, JSON.stringify({ ...state(), ...changes }), { mode: 0o600 });
  const state = () => JSON.parse(fs.readFileSync(file));
  const { pid } = state();
  change({ version: "0.0.9" });
  const busy = await run("status");
  assert.match(busy.stderr, /older \(0\.0\.9\).*restart it/);
  assert.equal(state().pid, pid, "it has a browser");
  const { browser } = JSON.parse((await run("browsers", "--json")).stdout).browsers[0];
  await run("close", browser);
  change({ version: "99.0.0" });
  assert.match((await run("status")).stderr, /upgrade/);
  change({ version: "0.0.10", automatic: false });
  await run("status");
  assert.equal(state().pid, pid, "somebody has started it");
  change({ version: "0.0.10", automatic: true });
  const idle = await run("status");
  assert.equal(idle.code, 0, idle.stderr);
  assert.match(idle.stderr, /older version \(0\.0\.10\) and idle/);
  assert.notEqual(state().pid, pid);
});
