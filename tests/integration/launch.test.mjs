// SPDX-License-Identifier: MIT
// Launching: what may be asked for, how it fails, and that nothing of a browser outlives it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { browserProcess, defer, environment, footprint, isAlive, processesWith, scratch, startHost, troupe, TROUPE,
         until, within }
  from "./lib.mjs";

/** A script in a browser's place. */
function script(dir, name, body, mode = 0o755) {
  const file = path.join(dir, name);
  fs.writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode });
  fs.chmodSync(file, mode);
  return file;
}

function processesOf(text) {
  return processesWith(text).filter(isAlive);
}

/** The processes whose TMPDIR is below the directory, however far they have wandered. */
function marked(dir) {
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/environ`, "latin1").includes(`TMPDIR=${dir}/troupe-`);
    } catch {
      return false;
    }
  }).map(Number);
}

async function nothingIsLeft(host) {
  await until(() => processesOf(host.profiles).length === 0 && marked(host.profiles).length === 0,
              "no process is left");
  await until(() => fs.readdirSync(host.profiles).length === 0, "no directory is left");
}

/** The host itself proves it, and it adds up. */
async function booksAreStraight(host) {
  const metrics = await until(async () => {
    const now = await host.rpc("launcher.metrics");
    return now.launched === now.ended + now.running && now;
  }, "every process that ended is reaped");
  assert.deepEqual(metrics.leftovers, { processes: 0, directories: 0 });
  assert.equal(metrics.left_processes + metrics.left_directories, 0);
  assert.equal(metrics.ended, metrics.closed + metrics.failed + metrics.crashed);
  return metrics;
}

async function launch(host, params = {}) {
  const { browsers, failed } = await host.rpc("browsers.launch", params);
  assert.deepEqual(failed, []);
  return browsers[0];
}

const evaluate = async (host, target, code) => (await host.rpc("js", { target, code })).value;

test("what was asked for is what runs", async (t) => {
  const host = await startHost(t);
  const proxied = [];
  const proxy = http.createServer((request, response) => {
    proxied.push(request.url);
    response.setHeader("Content-Type", "text/html");
    response.end("<title>by the proxy</title>");
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  defer(t, () => proxy.close());
  const { browser, pid } = await launch(host, {
    window_size: "640x480", user_agent: "robot/1", args: ["--lang=de"], nice: 5,
    env: { WANTED: "a b", HOME: "/nonexistent" }, memory_limit: "1G",
    proxy: `127.0.0.1:${proxy.address().port}` });
  const { target } = await host.rpc("open", { url: "http://somewhere.test/", browser });
  assert.equal(await evaluate(host, target, "document.title"), "by the proxy");
  assert.ok(proxied.includes("http://somewhere.test/"));
  assert.equal(await evaluate(host, target, "navigator.userAgent"), "robot/1");
  assert.equal(await evaluate(host, target, "outerWidth + 'x' + outerHeight"), "640x480");
  const chrome = browserProcess(host.profiles);
  assert.ok(fs.readFileSync(`/proc/${chrome}/cmdline`, "latin1").split("\0").includes("--lang=de"));
  const environ = fs.readFileSync(`/proc/${chrome}/environ`, "latin1").split("\0");
  assert.ok(environ.includes("WANTED=a b") && environ.includes("HOME=/nonexistent"));
  assert.ok(!environ.some((each) => each.startsWith("TROUPE_")));
  assert.ok(environ.some((each) => each.startsWith(`TMPDIR=${host.profiles}/troupe-test-`)));
  // Chromium changes its main threads' (as root): what it did not touch tells.
  const nice = marked(host.profiles).map((each) => {
    const stat = fs.readFileSync(`/proc/${each}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
  assert.ok(nice.includes(5), `nice: ${nice}`);
  const limits = fs.readFileSync(`/proc/${chrome}/limits`, "latin1");
  const groups = fs.readFileSync(`/proc/${chrome}/cgroup`, "latin1");
  assert.ok(/Max data size +1073741824/.test(limits) || /troupe-test-/.test(groups), "memory limit");
  const [row] = (await host.rpc("browsers.list", { memory: true })).browsers;
  assert.equal(row.pid, pid);
  assert.ok(row.memory_bytes > 10e6 && row.processes > 3, JSON.stringify(row));
  await host.rpc("browsers.close", { browser });
  await nothingIsLeft(host);
  await booksAreStraight(host);
});

test("full Chromium, on request, with an extension", async (t) => {
  const host = await startHost(t);
  const extension = path.join(host.dir, "extension");
  fs.mkdirSync(extension);
  fs.writeFileSync(path.join(extension, "manifest.json"), JSON.stringify({
    manifest_version: 3, name: "mark", version: "1",
    content_scripts: [{ matches: ["http://*/*"], js: ["mark.js"], run_at: "document_start" }] }));
  fs.writeFileSync(path.join(extension, "mark.js"), "document.documentElement.dataset.marked = 'yes'");
  const site = http.createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<title>site</title>");
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  defer(t, () => site.close());
  const { browser, executable, product } = await launch(host, { extensions: [extension] });
  assert.doesNotMatch(executable, /headless/);
  assert.match(product, /^Chrome\//);
  const { target } = await host.rpc("open", { url: `http://127.0.0.1:${site.address().port}/`, browser });
  assert.equal(await evaluate(host, target, "document.documentElement.dataset.marked"), "yes");
  await assert.rejects(host.rpc("browsers.launch", { extensions: [extension],
                                                     executable: "chromium-headless-shell" }),
                       { wire: "INVALID_PARAMS", message: /neither windows nor extensions/ });
  await host.rpc("browsers.close", { browser });
  await nothingIsLeft(host); // crash handlers and all that left the session
});

test("a named profile stays, and is for one browser at a time", async (t) => {
  const host = await startHost(t);
  const remember = "document.cookie = 'kept=1; max-age=3600'";
  const site = http.createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
  await once(site, "listening");
  defer(t, () => site.close());
  const url = `http://127.0.0.1:${site.address().port}/`;
  const first = await launch(host, { profile: "work", full: true });
  assert.equal(first.profile, path.join(host.dir, "state/troupe/profiles/work"));
  const { target } = await host.rpc("open", { url, browser: first.browser });
  await evaluate(host, target, remember);
  await assert.rejects(host.rpc("browsers.launch", { profile: "work" }),
                       { wire: "INVALID_STATE", message: new RegExp(`in use by browser ${first.browser} of host test`) });
  await host.rpc("browsers.close", { browser: first.browser });
  const second = await launch(host, { profile: first.profile, full: true });
  const again = await host.rpc("open", { url, browser: second.browser });
  assert.match(await evaluate(host, again.target, "document.cookie"), /kept=1/);
  await host.stop("SIGKILL"); // the lock does not outlive the browser, nor does Chromium's own
  await nothingIsLeft(host);
  const next = await startHost(t, { dir: host.dir });
  const third = await launch(next, { profile: "work", full: true });
  const { target: there } = await next.rpc("open", { url, browser: third.browser });
  assert.match(await evaluate(next, there, "document.cookie"), /kept=1/);
  assert.ok(fs.existsSync(path.join(first.profile, ".troupe-lock")));
  await next.rpc("browsers.close", { browser: third.browser, force: true });
});

test("a fixed port, and one that is taken", async (t) => {
  const host = await startHost(t);
  const other = net.createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address();
  await assert.rejects(host.rpc("browsers.launch", { port }),
                       { wire: "UNAVAILABLE", message: new RegExp(`port ${port} .*something listens there`) });
  other.close();
  await once(other, "close");
  const { code, stdout, stderr } = await host.command("launch", "--port", String(port), "--json");
  assert.equal(code, 0, stderr);
  const [row] = JSON.parse(stdout).browsers;
  assert.equal(row.browser, String(port));
  assert.match(row.endpoint, new RegExp(`^ws://127.0.0.1:${port}/devtools/browser/`));
  await assert.rejects(host.rpc("browsers.launch", { port }), { wire: "INVALID_STATE" });
  await host.rpc("browsers.close", { browser: String(port) });
  await nothingIsLeft(host);
});

test("browsers that do not work fail the launch with their reason, and leave nothing", async (t) => {
  const host = await startHost(t);
  const before = footprint(host.pid);
  const cases = {
    "is missing": ["/nowhere/chrome", /no such program/],
    "may not be run": [script(host.dir, "plain", "", 0o644), /not a program that may be run/],
    "crashes": [script(host.dir, "crashes", "kill -SEGV $$"), /ended by signal 11/],
    "prints and hangs": [script(host.dir, "hangs", "echo hanging on; exec sleep 1000"),
                         /no answer within 700 ms; it said: hanging on/],
    "speaks garbage": [script(host.dir, "garbage", "printf 'garbage\\0' >&4; exec sleep 1000"),
                       /no answer within 700 ms|malformed/],
    "answers garbage and ends": [script(host.dir, "chatty", "head -c 100000 /dev/urandom >&4; exit 1"),
                                 /exited with status 1|closed|malformed/],
    "floods": [script(host.dir, "floods", "exec yes a line that is printed over and over"),
               /no answer within 700 ms; it said: a line/],
    "hides its children": [script(host.dir, "hides",
      "(setsid sh -c 'sleep 1000 & exec sleep 1000' &); setsid sleep 1000 & exec sleep 1000"),
                           /no answer within 700 ms/],
    "cannot write its profile": [script(host.dir, "full",
      "trap '' XFSZ; ulimit -f 0; exec chromium-headless-shell \"$@\""), null],
    "closes the pipe": [script(host.dir, "closes", "exec 3<&- 4>&-; exec sleep 1000"), /closed/],
    "ends at once": [script(host.dir, "quits", "echo first; echo the last word >&2; exit 3"),
                     /exited with status 3: the last word/],
  };
  for (const [what, [executable, reason]] of Object.entries(cases)) {
    await t.test(what, async () => {
      if (reason === null) { // it may do without: what counts is what is left
        const { browser } = (await host.rpc("browsers.launch", { executable }).catch(() => null))?.browsers[0] ?? {};
        if (browser)
          await host.rpc("browsers.close", { browser });
        return nothingIsLeft(host);
      }
      await assert.rejects(host.rpc("browsers.launch", { executable, start_timeout_ms: 700 }), (error) => {
        assert.equal(error.wire, "UNAVAILABLE");
        assert.match(error.message, reason);
        assert.ok(!error.message.includes("\n"), error.message);
        return true;
      });
      await nothingIsLeft(host);
    });
  }
  await booksAreStraight(host);
  const { logs } = await host.rpc("browsers.log", { failed: true });
  assert.ok(logs.some(({ output, reason }) => output === "first\nthe last word\n" && /status 3/.test(reason)));
  assert.ok(logs.every(({ output }) => output.length <= 65536));
  const browser = await launch(host);
  await host.rpc("browsers.close", { browser: browser.browser });
  await nothingIsLeft(host);
  await until(() => footprint(host.pid).descriptors <= before.descriptors + 4, "descriptors are back");
});

test("who keeps failing is not started for a while, and that is said", async (t) => {
  const host = await startHost(t);
  const marks = path.join(host.dir, "marks");
  const executable = script(host.dir, "broken", `echo x >> ${marks}; echo out of order >&2; exit 4`);
  for (let i = 0; i < 5; i++)
    await assert.rejects(host.rpc("browsers.launch", { executable }), /status 4: out of order/);
  await assert.rejects(host.rpc("browsers.launch", { executable }), (error) => {
    assert.equal(error.wire, "UNAVAILABLE");
    assert.match(error.message, /failed 5 times, and will be tried again in \d+ s; last: exited with status 4: out of order/);
    return true;
  });
  assert.equal(fs.readFileSync(marks, "latin1"), "x\n".repeat(5), "the sixth was not started");
  const { breakers, refused } = await host.rpc("launcher.metrics");
  assert.equal(refused, 1);
  assert.equal(breakers[0].state, "open");
  assert.ok(breakers[0].retry_in_ms > 0);
  const doctor = await host.command("doctor", "--json");
  assert.equal(doctor.code, 1, doctor.stderr);
  const { checks, ok } = JSON.parse(doctor.stdout);
  assert.equal(ok, false);
  assert.match(checks.find(({ check }) => check === "breaker").text, /broken: open after 5 failures/);
  assert.match(checks.find(({ check }) => check === "failed").text, /it printed: out of order/);
  const { browser } = await launch(host); // others are not concerned
  await host.rpc("browsers.close", { browser });
  await nothingIsLeft(host);
});

test("of several, those that start are answered beside those that do not", async (t) => {
  const host = await startHost(t);
  const count = path.join(host.dir, "count");
  // Each second one fails.
  const executable = script(host.dir, "moody", `
    if ! mkdir ${count} 2> /dev/null; then rmdir ${count}; echo not today >&2; exit 7; fi
    exec chromium-headless-shell "$@"`);
  const { browsers, failed } = await host.rpc("browsers.launch", { executable, count: 4 });
  assert.equal(browsers.length + failed.length, 4);
  assert.ok(browsers.length > 0 && failed.length > 0);
  for (const { reason } of failed)
    assert.match(reason, /status 7: not today/);
  for (const { browser } of browsers)
    await host.rpc("browsers.close", { browser });
  await nothingIsLeft(host);
  await booksAreStraight(host);
});

test("16 at once start a few at a time, and all come up", async (t) => {
  const host = await startHost(t);
  const answer = host.rpc("browsers.launch", { count: 16, timeout_ms: 60000 });
  const { parallel, starting, queued } = await until(async () => {
    const now = await host.rpc("launcher.metrics");
    return now.queued > 0 && now;
  }, "some wait for their turn");
  assert.ok(starting <= parallel && queued <= 16 - parallel);
  const { browsers, failed } = await answer;
  assert.equal(browsers.length, 16);
  assert.deepEqual(failed, []);
  for (const { browser } of browsers)
    await host.rpc("browsers.close", { browser });
  await nothingIsLeft(host);
  const metrics = await booksAreStraight(host);
  assert.equal(metrics.closed, 16);
});

test("kill -9 of the browser, of its keeper; a browser that is stopped: back, and nothing left", async (t) => {
  const host = await startHost(t);
  const { browser } = await launch(host);
  const up = (restarts) => until(async () => (await host.rpc("browsers.list")).browsers
    .find((row) => row.state === "up" && row.restarts === restarts), `it is up, restarted ${restarts} times`);
  await t.test("the browser", async () => {
    const old = browserProcess(host.profiles);
    process.kill(old, "SIGKILL");
    await up(1);
    await until(() => !isAlive(old) && fs.readdirSync(host.profiles).length === 1, "the old one is gone");
  });
  await t.test("the keeper", async () => {
    const { pid } = await up(1);
    const [directory] = fs.readdirSync(host.profiles);
    const old = processesOf(path.join(host.profiles, directory));
    process.kill(pid, "SIGKILL");
    await up(2);
    await until(() => old.every((each) => !isAlive(each)), "all the old ones are gone");
    await until(() => !fs.existsSync(path.join(host.profiles, directory)), "so is their directory");
    assert.equal((await host.rpc("launcher.metrics")).keepers_lost, 1);
  });
  await t.test("stopped, then closed", async () => {
    for (const pid of processesOf(host.profiles).filter((each) => each !== host.pid))
      process.kill(pid, "SIGSTOP");
    const { pid } = (await host.rpc("browsers.list")).browsers[0];
    process.kill(pid, "SIGCONT"); // the keeper is ours to go on
    await host.rpc("browsers.close", { browser });
    await nothingIsLeft(host);
  });
  const { crashed, closed } = await booksAreStraight(host);
  assert.deepEqual({ crashed, closed }, { crashed: 2, closed: 1 });
  const zombies = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state === "Z" && Number(parent) === host.pid;
    } catch {
      return false;
    }
  });
  assert.deepEqual(zombies, [], "the host leaves no zombie");
});

test("host and keepers killed at once: the next host sweeps what they left", async (t) => {
  const host = await startHost(t);
  const executable = script(host.dir, "stray", "(setsid sleep 1000 &); exec chromium-headless-shell \"$@\"");
  await host.rpc("browsers.launch", { count: 2, executable });
  const keepers = (await host.rpc("browsers.list")).browsers.map(({ pid }) => pid);
  host.child.kill("SIGSTOP");
  for (const pid of keepers)
    process.kill(pid, "SIGKILL");
  await host.stop("SIGKILL");
  await until(() => keepers.every((pid) => !isAlive(pid)), "the keepers are gone");
  assert.equal(fs.readdirSync(host.profiles).length, 2);
  assert.ok(marked(host.profiles).length >= 2, "strays are left");
  fs.mkdirSync(path.join(host.profiles, "troupe-other-abcdef"));
  const doctor = await host.command("doctor", "--json");
  const before = JSON.parse(doctor.stdout).checks.find(({ check }) => check === "leftovers");
  assert.equal(before.level, "warning");
  assert.match(before.text, /2 directories/);
  const next = await startHost(t, { dir: host.dir });
  const live = await launch(next);
  const swept = await until(async () => {
    const now = await next.rpc("launcher.metrics");
    return now.swept_directories === 2 && now;
  }, "it is swept");
  assert.ok(swept.swept_processes >= 2);
  assert.deepEqual(swept.leftovers, { processes: 0, directories: 0 });
  assert.ok(fs.existsSync(path.join(host.profiles, "troupe-other-abcdef")), "others' are left alone");
  assert.equal((await next.rpc("browsers.list")).browsers[0].state, "up", "so are live ones");
  await next.rpc("browsers.close", { browser: live.browser });
  fs.rmdirSync(path.join(host.profiles, "troupe-other-abcdef"));
  await nothingIsLeft(next);
});

test("two hosts at once do not sweep each other", async (t) => {
  const dir = scratch(t);
  const one = await startHost(t, { dir, name: "one" });
  await launch(one);
  const other = await startHost(t, { dir, name: "one-two" });
  await launch(other);
  for (const host of [one, other]) {
    const { leftovers, swept_directories } = await host.rpc("launcher.metrics");
    assert.deepEqual(leftovers, { processes: 0, directories: 0 });
    assert.equal(swept_directories, 0);
    assert.equal((await host.rpc("browsers.list")).browsers[0].state, "up");
  }
  await one.stop(); // each end looks at what both have left
  await other.stop();
});

test("6 browsers, launched, used and closed, three times: nothing grows", async (t) => {
  const host = await startHost(t);
  const round = async () => {
    const { browsers } = await host.rpc("browsers.launch", { count: 6 });
    await Promise.all(browsers.map(async ({ browser }) => {
      const { target } = await host.rpc("open", { url: "data:text/html,<title>t</title>", browser });
      assert.equal(await evaluate(host, target, "6 * 7"), 42);
      await host.rpc("close", { target });
      await host.rpc("browsers.close", { browser });
    }));
    await nothingIsLeft(host);
    return footprint(host.pid);
  };
  const first = await round();
  await round();
  await round();
  await until(() => {
    const now = footprint(host.pid);
    return now.descriptors <= first.descriptors && now.threads <= first.threads;
  }, "threads and descriptors are as after the first round");
  const metrics = await booksAreStraight(host);
  assert.equal(metrics.launched, 18);
  assert.equal(metrics.closed, 18);
});

test("what is wrong with a launch is said before anything is started", async (t) => {
  const host = await startHost(t);
  const cases = [
    [{ args: ["--remote-debugging-port=1"] }, /`args`.*the host controls the browser/],
    [{ window_size: "big" }, /`window_size` must be WIDTHxHEIGHT/],
    [{ env: { TMPDIR: "/" } }, /`env`: TMPDIR is the host's own/],
    [{ profile: "../../etc" }, /`profile`/],
    [{ memory_limit: "1M" }, /`memory_limit`/],
    [{ profile: "/proc/nothing/here" }, /`profile` .*No such file/],
    [{ count: 65 }, /`count` must be 1 to 64/],
    [{ count: 2, profile: "x" }, /`count`/],
    [{ count: 2, port: 9222 }, /`count`/],
  ];
  for (const [params, message] of cases)
    await assert.rejects(host.rpc("browsers.launch", params), { wire: "INVALID_PARAMS", message });
  assert.equal((await host.rpc("launcher.metrics")).launched, 0);
  for (const args of [["--window-size", "big"], ["--port", "70000"], ["--", "positional"]]) {
    const { code, stderr } = await troupe(host.dir, ["launch", "--name", host.name, ...args]);
    assert.ok(code === 1 || code === 2, `${args}: ${code}`);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
  await nothingIsLeft(host);
});

test("a runtime directory that went away fails launches, and they work again when it is back", async (t) => {
  const host = await startHost(t);
  fs.rmdirSync(host.profiles);
  await assert.rejects(host.rpc("browsers.launch"), { message: /no temporary directory in/ });
  fs.mkdirSync(host.profiles);
  const { browser } = await within(launch(host), "it launches");
  await host.rpc("browsers.close", { browser });
  await nothingIsLeft(host);
});

test("on a terminal, launching several shows how many are up", async (t) => {
  const host = await startHost(t);
  const child = spawn("script", ["-qec", `exec ${TROUPE} launch --count 3 --name ${host.name}`, "/dev/null"],
                      { env: { ...environment(host.dir), TERM: "xterm" }, stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text) => { shown += text; });
  const [code] = await once(child, "exit");
  assert.equal(code, 0, shown);
  for (const part of ["0 of 3 up", "3 of 3 up", "p1", "p2", "p3"])
    assert.ok(shown.includes(part), `${part} in ${JSON.stringify(shown)}`);
  const refused = spawn("script", ["-qec", `exec ${TROUPE} launch --count 5000 --name ${host.name}`, "/dev/null"],
                        { env: environment(host.dir), stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  refused.stdout.setEncoding("utf8").on("data", (text) => { said += text; });
  const [failed] = await once(refused, "exit");
  assert.notEqual(failed, 0);
  assert.match(said, /browsers.launch: /);
});
