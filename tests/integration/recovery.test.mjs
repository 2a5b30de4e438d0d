// SPDX-License-Identifier: MIT
// Connections that break: what is gone says why, and what comes back is as it was.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";

import { browserProcess, defer, startBrowser, startHost, until } from "./lib.mjs";

/** A loopback port that leads to another one, until it is cut. */
async function startProxy(t, port) {
  const pairs = new Set();
  let open = true;
  const server = net.createServer((near) => {
    if (!open) {
      near.destroy();
      return;
    }
    const far = net.connect(port, "127.0.0.1");
    pairs.add(near).add(far);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on("error", () => {}).on("close", () => {
        pairs.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  defer(t, () => {
    pairs.forEach((socket) => socket.destroy());
    server.close();
  });
  return {
    port: server.address().port,
    cut() {
      open = false;
      pairs.forEach((socket) => socket.destroy());
    },
    mend() {
      open = true;
    },
  };
}

const all = async (host) => (await host.rpc("targets")).targets;
const record = async (host, target) => (await all(host)).find((each) => each.target === target);
const inState = (host, target, state) => until(async () => {
  const now = await record(host, target);
  return now?.state === state && now;
}, `${target} is ${state}`);

test("a connection that is cut and mended: same ids, higher epochs, and the gap is recorded", async (t) => {
  const host = await startHost(t);
  const { port } = await startBrowser(t);
  const proxy = await startProxy(t, port);
  const { browser } = await host.rpc("ports.add", { port: proxy.port, as: "far" });
  const { target } = await host.rpc("open", { url: "data:text/html,<title>one</title>", browser });
  const { target: idle } = await host.rpc("open", { url: "data:text/html,<title>two</title>", browser });
  await host.rpc("disconnect", { target: idle });
  const before = await record(host, target);
  const pending = host.rpc("js", { target, code: "new Promise(() => {})", await_promise: true });
  pending.catch(() => {});
  await host.rpc("js", { target, code: "window.mark = 7" });

  const begin = Date.now();
  proxy.cut();
  await assert.rejects(pending, { code: -32006 });
  const gone = await inState(host, target, "gone");
  assert.match(gone.reason, /connection lost/);
  await assert.rejects(host.rpc("js", { target, code: "1" }), { code: -32001 });
  await assert.rejects(host.rpc("connect", { target }), { code: -32012 });

  proxy.mend();
  const back = await inState(host, target, "connected");
  assert.ok(back.epoch > before.epoch);
  assert.equal((await inState(host, idle, "available")).title, "two");
  assert.equal((await host.rpc("js", { target, code: "window.mark" })).value, 7);
  assert.deepEqual((await all(host)).filter(({ state }) => state === "gone"), []);
  await assert.rejects(host.rpc("js", { target, code: "1", target_epoch: before.epoch }), { code: -32003 });

  const gaps = await host.sql("SELECT target, reason, from_us, wall_us FROM gap");
  assert.deepEqual(gaps.map((gap) => [gap.target, gap.reason]), [[target, "connection lost"]]);
  assert.ok(gaps[0].from_us >= begin * 1000 && gaps[0].wall_us > gaps[0].from_us);
});

test("a page that was closed meanwhile does not come back", async (t) => {
  const host = await startHost(t);
  const other = await startHost(t, { name: "other" });
  const { port } = await startBrowser(t);
  const proxy = await startProxy(t, port);
  await host.rpc("ports.add", { port: proxy.port, as: "far" });
  await other.rpc("ports.add", { port, as: "near" });
  const { target } = await host.rpc("open", { url: "data:text/html,<title>one</title>" });
  const { target: stays } = await host.rpc("open", { url: "data:text/html,<title>two</title>" });
  proxy.cut();
  await inState(host, target, "gone");
  const { chrome_id } = await record(host, target);
  const twin = (await all(other)).find((each) => each.chrome_id === chrome_id);
  await other.rpc("close", { target: twin.target });
  proxy.mend();
  await inState(host, stays, "connected");
  await until(async () => await record(host, target) === undefined, "it is off the list");
});

test("a browser that was killed and another one on its port: nothing of the first is left", async (t) => {
  const host = await startHost(t);
  const first = await startBrowser(t);
  const proxy = await startProxy(t, first.port);
  await host.rpc("ports.add", { port: proxy.port, as: "far" });
  const { target } = await host.rpc("open", { url: "data:text/html,<title>one</title>" });
  await host.rpc("watch", { urls: "data:text/html,<title>watched*" });
  const { uid } = (await host.rpc("browsers.list")).browsers[0];
  first.kill("SIGKILL");
  await inState(host, target, "gone");
  proxy.cut();
  const second = await startBrowser(t, { at: first.port });
  proxy.mend();
  await until(async () => await record(host, target) === undefined, "the first one's page is forgotten");
  const now = await host.launched();
  assert.notEqual(now.uid, uid);
  assert.ok(second.port === first.port);
  const { target: fresh } = await host.rpc("open", { url: "data:text/html,<title>watched</title>" });
  assert.equal((await record(host, fresh)).watched, true);
});

test("a port that is removed while its browser is lost takes its targets along", async (t) => {
  const host = await startHost(t);
  const { port } = await startBrowser(t);
  const proxy = await startProxy(t, port);
  await host.rpc("ports.add", { port: proxy.port, as: "far" });
  const { target } = await host.rpc("open", { url: "about:blank" });
  proxy.cut();
  await inState(host, target, "gone");
  await host.rpc("browsers.close", { browser: "far" });
  await until(async () => (await all(host)).length === 0, "nothing is listed");
});

test("watched pages are connected wherever they appear, in a restarted browser too", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1", "--attach", "none"] });
  const { browser } = await host.launched();
  const first = await host.rpc("watch", { urls: ["<title>watched*", "*exact?page*"] });
  assert.deepEqual(first.watching.urls, ["<title>watched*", "*exact?page*"]);
  const { epoch } = await host.rpc("targets");
  await host.rpc("watch", { urls: "<title>watched*" });
  assert.equal((await host.rpc("targets")).epoch, epoch, "watching again changes nothing");
  await assert.rejects(host.rpc("watch"), { code: -32602 });
  await assert.rejects(host.rpc("watch", { targets: "ffffff" }), { code: -32011 });
  await assert.rejects(host.rpc("watch", { urls: "x", epoch: epoch + 5 }), { code: -32003 });

  const { target } = await host.rpc("open", { url: "data:text/html,<title>other</title>" });
  await host.rpc("disconnect", { target });
  await host.rpc("watch", { targets: target });
  assert.equal((await record(host, target)).state, "connected", "watch answers when it is");

  await t.test("what a watched page opens is watched too", async () => {
    await host.rpc("js", { target, code: `void open("about:blank")` });
    const popup = await until(async () => (await all(host)).find((each) =>
      each.auto_attached && each.type === "page" && each.connected), "the popup");
    assert.equal(popup.watched, true);
  });
  await t.test("unwatch lets go of what was connected for it", async () => {
    const result = await host.rpc("unwatch", { targets: target });
    assert.deepEqual(result.disconnected, [target]);
    await inState(host, target, "available");
    assert.deepEqual(result.watching.targets, []);
  });
  await t.test("after a crash of the browser", async () => {
    process.kill(browserProcess(host.profiles), "SIGKILL");
    await until(async () => (await all(host)).every((each) => each.target !== target), "all are gone");
    await host.launched();
    const { port } = await startSite(t);
    const { target: opener } = await host.rpc("open", { url: `http://127.0.0.1:${port}/` });
    await host.rpc("js", { target: opener, code: `void open("/exact?page")` });
    const page = await until(async () => (await all(host)).find(({ url, connected }) =>
      url.endsWith("/exact?page") && connected), "it is connected by itself");
    assert.deepEqual([page.watched, page.auto_attached], [true, false]);
    const everything = await host.rpc("unwatch");
    assert.deepEqual(everything.watching, { targets: [], urls: [] });
  });
});

test("browser contexts are apart from one another, and end with their pages", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  const { browser } = await host.launched();
  const one = await host.rpc("contexts.create");
  assert.deepEqual(one, { context: `${browser}/c1`, browser });
  const two = await host.rpc("contexts.create", { browser, name: "shop" });
  assert.equal(two.context, `${browser}/shop`);
  await assert.rejects(host.rpc("contexts.create", { name: "shop" }), { code: -32002 });
  await assert.rejects(host.rpc("contexts.create", { browser: "p99" }), { code: -32011 });
  await assert.rejects(host.rpc("contexts.create", { name: "a/b" }), { code: -32602 });
  await assert.rejects(host.rpc("open", { url: "about:blank", context: "p1/none" }),
                       ({ code, message }) => code === -32011 && message.includes("p1/none"));
  await assert.rejects(host.rpc("contexts.dispose", { context: "p1/none" }), { code: -32011 });

  const { port } = await startSite(t);
  const open = async ({ context }) =>
    (await host.rpc("open", { url: `http://127.0.0.1:${port}/`, context })).target;
  const [a, b] = [await open(one), await open(two)];
  await host.rpc("js", { target: a, code: `document.cookie = "who=a"` });
  assert.equal((await host.rpc("js", { target: b, code: "document.cookie" })).value, "");
  assert.equal((await record(host, a)).context, one.context);
  const { contexts } = await host.rpc("contexts.list");
  assert.deepEqual(contexts.map(({ context, pages }) => [context, pages]),
                   [[one.context, [a]], [two.context, [b]]]);

  await host.rpc("contexts.dispose", { context: one.context });
  await until(async () => await record(host, a) === undefined, "its page is closed");
  assert.equal((await record(host, b)).connected, true);
  await assert.rejects(host.rpc("open", { url: "about:blank", context: one.context }), { code: -32011 });

  process.kill(browserProcess(host.profiles), "SIGKILL");
  await until(async () => (await host.rpc("contexts.list")).contexts.length === 0,
              "the others end with their browser");
});

async function startSite(t) {
  const { createServer } = await import("node:http");
  const server = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<title>site</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  defer(t, () => {
    server.closeAllConnections?.();
    server.close();
  });
  return { port: server.address().port };
}
