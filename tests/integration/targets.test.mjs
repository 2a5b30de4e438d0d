// SPDX-License-Identifier: MIT
// Targets of every kind: what is told of them, what is connected with its page, that nothing stays
// paused, and that one which hangs is named and holds nobody up.

import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { defer, processesWith, scratch, startHost, until } from "./lib.mjs";

const SITE_ARGS = ["--extra-args", "--site-per-process"];
const QUICK = ["--unresponsive-after", "300ms", "--enable-timeout", "2s"];

/** A site on a loopback port that both names lead to, so that frames of one are foreign to the other. */
async function startSite(t) {
  const hits = new Map();
  const routes = {
    "/": "<title>home</title>",
    "/all": `<title>all</title><script>
      window.worker = new Worker("/worker.js"); new SharedWorker("/shared.js");</script>`,
    "/frame": `<title>frame</title><script>new Worker("/nested.js")</script>`,
    "/empty": "<title>empty</title>",
    "/worker.js": `new Worker("/nested.js"); onmessage = (e) => postMessage(e.data + 1)`,
    "/nested.js": "self.depth = 2",
    "/shared.js": "onconnect = () => {}",
    "/sw.js": `onactivate = (e) => e.waitUntil(clients.claim());
      onfetch = (e) => { if (e.request.url.endsWith("/ping")) e.respondWith(new Response("pong")) }`,
  };
  const server = http.createServer((request, response) => {
    hits.set(request.url, (hits.get(request.url) ?? 0) + 1);
    const body = routes[request.url.split("?")[0]];
    response.writeHead(body === undefined ? 404 : 200, {
      "Content-Type": request.url.includes(".js") ? "text/javascript" : "text/html" });
    response.end(body ?? "");
  }).listen(0);
  await once(server, "listening");
  defer(t, () => {
    server.closeAllConnections?.();
    server.close();
  });
  const { port } = server.address();
  return { home: `http://127.0.0.1:${port}`, foreign: `http://localhost:${port}`, hits };
}

const allTargets = async (host) => (await host.rpc("targets")).targets;
const counts = async (host, browser) => {
  const { targets, connected, sessions } = await host.rpc("actor.call", { name: `browser/${browser}`,
                                                                          verb: "browser.metrics" });
  return { targets, connected, sessions, parts: sessions - connected };
};
const js = async (host, target, code) =>
  (await host.rpc("js", { target, code, await_promise: true })).value;

/** The one target for which the question is answered with yes, once it is there. */
function find(host, ask, what) {
  return until(async () => (await allTargets(host)).find(ask), what);
}

const ADD_FRAME = (url) => `await new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.onload = resolve;
  frame.src = ${JSON.stringify(url)};
  document.body.append(frame);
})`;

test("frames and workers are connected with their page, down to nested ones", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...SITE_ARGS] });
  const { browser } = await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/all` });
  await js(host, target, ADD_FRAME(`${site.foreign}/frame`));

  const worker = await find(host, (each) => each.url.endsWith("/worker.js") && each.connected, "worker");
  const frame = await find(host, (each) => each.type === "iframe" && each.connected, "frame");
  const shared = await find(host, (each) => each.type === "shared_worker" && each.connected, "shared");
  const nested = await until(async () => {
    const list = (await allTargets(host)).filter(({ url, connected }) =>
      url.endsWith("/nested.js") && connected);
    return list.length === 2 && list;
  }, "a worker of the worker and one of the frame");
  for (const each of [worker, frame, ...nested]) {
    assert.equal(each.parent, target, each.url);
    assert.equal(each.auto_attached, true);
  }
  assert.equal(shared.parent, undefined, "a shared worker is a target of its own");

  await t.test("nothing of it is paused", async () => {
    assert.equal(await js(host, target, `new Promise((resolve) => {
      window.worker.onmessage = (e) => resolve(e.data);
      window.worker.postMessage(1);
    })`), 2);
    for (const { target } of nested)
      await until(async () => await js(host, target, "self.depth") === 2, "its script has run");
  });
  await t.test("each can be driven by its own id", async () => {
    assert.equal(await js(host, frame.target, "document.title"), "frame");
    assert.equal((await host.rpc("page", { target: frame.target })).type, "iframe");
    assert.equal((await host.rpc("cdp", { target: worker.target, command: "Runtime.evaluate",
      params: { expression: "typeof importScripts" } })).result.result.value, "function");
    await assert.rejects(host.rpc("js", { target: frame.target, code: "1", target_epoch: 77 }),
                         { code: -32003 });
    await assert.rejects(host.rpc("disconnect", { target: frame.target }), { code: -32002 });
    assert.equal((await host.rpc("connect", { target: frame.target })).already_connected, true);
  });
  await t.test("one that ends, with a call under way, ends that call", async () => {
    const pending = host.rpc("js", { target: frame.target, code: "new Promise(() => {})",
                                     await_promise: true });
    pending.catch(() => {});
    await js(host, target, `document.querySelector("iframe").remove()`);
    await assert.rejects(pending, ({ wire }) => ["CLOSED", "GONE"].includes(wire));
    await until(async () => !(await allTargets(host)).some(({ type }) => type === "iframe"),
                "the frame is gone");
  });
  await t.test("disconnecting the page lets go of them without an event for each", async () => {
    await host.rpc("disconnect", { target });
    const left = (await allTargets(host)).filter(({ parent }) => parent === target);
    assert.deepEqual(left, []);
    const still = (await allTargets(host)).find(({ url }) => url.endsWith("/worker.js"));
    assert.equal(still.state, "available");
    assert.equal((await counts(host, browser)).parts, 0);
    await host.rpc("connect", { target });
    await find(host, (each) => each.url.endsWith("/worker.js") && each.parent === target, "again");
  });
});

test("hundreds of frames and workers come and go, and nothing of them is left", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...SITE_ARGS] });
  const { browser } = await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/` });
  const before = await counts(host, browser);
  await js(host, target, `{
    for (let round = 0; round < 5; round++) {
      const workers = Array.from({ length: 30 }, () => new Worker("/nested.js"));
      const frames = Array.from({ length: 10 }, () => document.createElement("iframe"));
      await Promise.all(frames.map((frame) => new Promise((resolve) => {
        frame.onload = resolve;
        frame.src = ${JSON.stringify(site.foreign)} + "/frame";
        document.body.append(frame);
      })));
      workers.forEach((worker) => worker.terminate());
      frames.forEach((frame) => frame.remove());
    }
  }`);
  await until(async () => JSON.stringify(await counts(host, browser)) === JSON.stringify(before),
              "the roster is as before").catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify({ before, now: await counts(host, browser) })}`);
  });
  const here = (await allTargets(host)).filter(({ type }) => type !== "page");
  assert.deepEqual(here, []);
});

test("a service worker that is stopped is suspended, and goes on when it is needed", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/` });
  await js(host, target, `navigator.serviceWorker.register("/sw.js")
    .then(() => navigator.serviceWorker.ready).then(() => 1)`);
  const worker = await find(host, (each) => each.type === "service_worker" && each.connected, "worker");
  await host.rpc("cdp", { target, command: "ServiceWorker.enable" });
  await host.rpc("cdp", { target, command: "ServiceWorker.stopAllWorkers" });
  const stopped = await find(host, (each) => each.state === "suspended", "it is suspended");
  assert.equal(stopped.target, worker.target);
  assert.match(stopped.reason, /stopped/);
  await assert.rejects(host.rpc("js", { target: worker.target, code: "1" }), { code: -32002 });
  assert.equal(await js(host, target, `fetch("/ping").then((r) => r.text())`), "pong");
  const back = await find(host, (each) => each.target === worker.target && each.connected, "it is back");
  assert.ok(back.epoch > worker.epoch);
  await until(async () => await js(host, worker.target, "typeof clients") === "object", "it runs");
});

test("a crash, a reload, another process, a close: the state and epoch after each", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...SITE_ARGS] });
  await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/all` });
  const now = async () => (await allTargets(host)).find((each) => each.target === target);
  const first = await now();

  await host.rpc("navigate", { target, url: `${site.foreign}/empty` });
  assert.deepEqual([(await now()).state, (await now()).epoch], ["connected", first.epoch]);
  assert.equal(await js(host, target, "location.hostname"), "localhost");

  const pending = host.rpc("js", { target, code: "new Promise(() => {})", await_promise: true });
  pending.catch(() => {});
  host.rpc("cdp", { target, command: "Page.crash" }).catch(() => {});
  await assert.rejects(pending, { code: -32006 });
  const crashed = await until(async () => (await now()).state === "crashed" && now(), "crashed");
  await until(async () => /\(crashed\)/.test((await now()).reason), "and how");
  assert.equal(crashed.epoch, first.epoch);
  await assert.rejects(host.rpc("js", { target, code: "1" }), { code: -32002 });

  await host.rpc("reload", { target });
  await until(async () => (await now()).connected, "connected again");
  assert.equal((await now()).epoch, first.epoch + 1);
  assert.equal((await now()).reason, undefined);
  await until(async () => await js(host, target, "document.title") === "empty", "it has loaded");

  await host.rpc("disconnect", { target });
  assert.equal((await now()).state, "available");
  await host.rpc("connect", { target });
  assert.ok((await now()).epoch > first.epoch + 1);
  await host.rpc("close", { target });
  assert.equal(await now(), undefined);
});

/** Fields of /proc/PID/stat behind the name; none if it has ended. */
function statOf(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function descends(pid, from) {
  for (let at = pid; at > 1; at = Number(statOf(at)[1] ?? 0))
    if (at === from)
      return true;
  return false;
}

/** Which process renders the page: the one that works when the page does. */
async function rendererOf(host, target) {
  const worked = (pid) => Number(statOf(pid)[11] ?? 0);
  const pids = processesWith("--type=renderer").filter((pid) => descends(pid, host.pid));
  const before = new Map(pids.map((pid) => [pid, worked(pid)]));
  await host.rpc("js", { target, code: "for (const end = Date.now() + 300; Date.now() < end;);" });
  return pids.sort((a, b) => (worked(b) - before.get(b)) - (worked(a) - before.get(a)))[0];
}

/** Run what makes the page hang; the call that does it is not waited for. */
function hang(host, target, code) {
  const call = host.rpc("js", { target, code, timeout_ms: 60000 });
  call.catch(() => {});
  return call;
}

const silent = (host, target) => until(async () =>
  (await host.rpc("pages")).pages.find((each) => each.target === target && each.unresponsive),
                                       "it is known not to answer");
const answering = (host, target) => until(async () =>
  (await host.rpc("pages")).pages.find((each) => each.target === target && !each.unresponsive),
                                          "it is known to answer");

/** Calls that others make meanwhile; each must be quick. */
async function checkOthers(host, hung, site) {
  const begin = performance.now();
  await host.rpc("pages");
  await host.rpc("status");
  const { target } = await host.rpc("open", { url: `${site.home}/` });
  assert.equal(await js(host, target, "document.title"), "home");
  await host.rpc("disconnect", { target });
  await host.rpc("connect", { target });
  await host.rpc("close", { target });
  assert.ok(performance.now() - begin < 5000, "nobody else is held up");
  const { warnings } = await host.rpc("targets");
  assert.ok(warnings.some((text) => text.startsWith(`${hung} has not answered for`)), `${warnings}`);
}

test("a page in an endless loop is named, refuses a crowd, and comes back", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...QUICK] });
  await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/` });
  const loop = hang(host, target, "while (true) {}");
  const found = await silent(host, target);
  assert.ok(found.unresponsive.since > 0 && found.unresponsive.for_ms >= 300);
  await checkOthers(host, target, site);

  const socket = await host.socket();
  defer(t, () => socket.close());
  const crowd = await Promise.all(Array.from({ length: 20 }, () =>
    socket.call("js", { target, code: "1", timeout_ms: 1000 })
      .then(() => "OK", ({ wire, message }) => wire ?? message)));
  assert.ok(crowd.filter((wire) => wire === "BUSY").length >= 16, `${crowd}`);

  await host.rpc("cdp", { target, command: "Runtime.terminateExecution" });
  await assert.rejects(loop);
  await answering(host, target);
  assert.equal(await js(host, target, "1 + 1"), 2);
  assert.deepEqual((await host.rpc("pages")).warnings, []);
});

test("a page with an open dialog says so", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...QUICK] });
  await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/` });
  const call = hang(host, target, `confirm("really?")`);
  const found = await silent(host, target);
  assert.deepEqual(found.dialog, { type: "confirm", message: "really?", url: `${site.home}/` });
  const { warnings } = await host.rpc("status");
  assert.match(warnings[0], /a dialog is open \(confirm: really\?\)/);
  await host.rpc("cdp", { target, command: "Page.handleJavaScriptDialog", params: { accept: true } });
  assert.equal((await call).value, true);
  assert.equal((await answering(host, target)).dialog, undefined);
});

test("what pages say beyond ASCII is cut to whole characters", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...QUICK] });
  await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/` });
  for (const start of ["", "x"]) {
    const thrown = `${start}${"é".repeat(300)}`;
    await assert.rejects(host.rpc("js", { target, code: `throw new Error("${thrown}")` }), (error) => {
      assert.equal(error.code, -32010);
      assert.equal(error.wire, "JS_EXCEPTION");
      assert.match(error.message, /^Error: x?é{190,}$/);
      assert.ok(error.data.text.startsWith(`Error: ${thrown}`));
      return true;
    });
    const call = hang(host, target, `alert("${start}${"é".repeat(200)}")`);
    await silent(host, target);
    const { warnings } = await host.rpc("status");
    assert.match(warnings[0], /a dialog is open \(alert: x?é{59,60}\)$/);
    await host.rpc("cdp", { target, command: "Page.handleJavaScriptDialog", params: { accept: true } });
    await call;
    await answering(host, target);
  }
});

test("a page that a debugger holds says so", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...QUICK] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  await host.rpc("cdp", { target, command: "Debugger.enable" });
  const call = hang(host, target, "debugger; 7");
  await until(async () => (await host.rpc("pages")).pages[0].paused, "it is paused")
    .catch(() => assert.fail("not told"));
  await host.rpc("cdp", { target, command: "Debugger.resume" });
  assert.equal((await call).value, 7);
  await until(async () => !(await host.rpc("pages")).pages.some(({ paused }) => paused), "it goes on");
});

test("a renderer that is stopped holds up nobody, and its page can be closed", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...SITE_ARGS, ...QUICK] });
  await host.launched();
  const site = await startSite(t);
  const { target } = await host.rpc("open", { url: `${site.home}/` });
  const { target: victim } = await host.rpc("open", { url: `${site.foreign}/empty` });
  const renderer = await rendererOf(host, victim);
  defer(t, () => {
    try {
      process.kill(renderer, "SIGCONT");
    } catch {
      // it has ended
    }
  });
  process.kill(renderer, "SIGSTOP");
  hang(host, victim, "1");
  await silent(host, victim);
  assert.equal(await js(host, target, "1"), 1);
  await checkOthers(host, victim, site);

  await t.test("connecting to it fails in time, and says at what", async () => {
    await host.rpc("disconnect", { target: victim });
    await assert.rejects(host.rpc("connect", { target: victim }),
                         ({ wire, message }) => wire === "NOT_CONNECTED" &&
                           /\.enable: no answer within 2000 ms/.test(message));
    const page = (await host.rpc("pages")).pages.find((each) => each.target === victim);
    assert.equal(page.state, "available");
    assert.match(page.reason, /no answer within/);
  });
  const begin = performance.now();
  await host.rpc("close", { target: victim });
  assert.ok(performance.now() - begin < 5000);
  await until(async () => !(await host.rpc("pages")).pages.some((each) => each.target === victim),
              "it is closed");
});

test("a host ends in time with a page that hangs", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", ...QUICK] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  hang(host, target, "while (true) {}");
  await silent(host, target);
  const begin = performance.now();
  assert.equal((await host.stop()).code, 0);
  assert.ok(performance.now() - begin < 8000);
});

/** Open pages, and have each photographed, all at once and one by one, whichever is at the front. */
async function checkScreenshots(host, site, count) {
  const pages = [];
  for (let i = 0; i < count; i++)
    pages.push((await host.rpc("open", { url: `${site.home}/` })).target);
  const shoot = async (target) => {
    const { result } = await host.rpc("cdp", { target, command: "Page.captureScreenshot" });
    assert.equal(Buffer.from(result.data, "base64").subarray(1, 4).toString(), "PNG");
  };
  const begin = performance.now();
  for (const target of pages)
    await shoot(target);
  await Promise.all(pages.map(shoot));
  return { pages, ms: Math.round(performance.now() - begin) };
}

test("background pages are photographed without delay", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { ms } = await checkScreenshots(host, await startSite(t), 5);
  t.diagnostic(`10 screenshots in ${ms} ms`);
  assert.ok(ms < 10000);
});

const FULL = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((file) => fs.existsSync(file));

test("with full Chromium too: each in its turn at the front", { skip: !FULL && "no full Chromium" },
     async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--executable", FULL, ...QUICK] });
  await host.launched();
  const { pages, ms } = await checkScreenshots(host, await startSite(t), 6);
  t.diagnostic(`12 screenshots in ${ms} ms`);
  assert.ok(ms < 20000);

  await t.test("one that hangs does not keep the front", async () => {
    const [hung, other] = pages;
    hang(host, hung, "while (true) {}");
    host.rpc("cdp", { target: hung, command: "Page.captureScreenshot" }).catch(() => {});
    const { result } = await host.rpc("cdp", { target: other, command: "Page.captureScreenshot" });
    assert.ok(result.data.length > 0);
  });
});

test("an extension's service worker and its page", { skip: !FULL && "no full Chromium" }, async (t) => {
  const dir = path.join(scratch(t), "extension");
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, "manifest.json"), JSON.stringify({ manifest_version: 3, name: "test",
    version: "1", background: { service_worker: "worker.js" } }));
  fs.writeFileSync(path.join(dir, "worker.js"), "self.loaded = 42");
  fs.writeFileSync(path.join(dir, "page.html"), "<title>inside</title>");
  const host = await startHost(t, { args: ["--launch", "1", "--executable", FULL, "--extra-args",
    `--load-extension=${dir} --disable-features=DisableLoadExtensionCommandLineSwitch`] });
  await host.launched();
  const worker = await find(host, (each) => each.type === "service_worker" && each.connected &&
    each.url.startsWith("chrome-extension://"), "its worker");
  await until(async () => await js(host, worker.target, "self.loaded") === 42, "its script has run");
  const { target } = await host.rpc("open", { url: worker.url.replace("worker.js", "page.html") });
  assert.equal(await js(host, target, "document.title + chrome.runtime.getManifest().name"), "insidetest");
  assert.deepEqual((await allTargets(host)).filter(({ type }) => type === "tab"), []);
});
