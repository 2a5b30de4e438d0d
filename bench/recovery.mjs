// SPDX-License-Identifier: MIT
// What becomes of a connected page and of a call to it when something breaks, and how long it takes
// until things work again: each fault is provoked for real, and the results are a Markdown table.
//
//   TROUPE=build/bin/troupe node bench/recovery.mjs [--stop SECONDS] [--only TEXT]
//
// --stop: how long a stopped browser stays stopped (60). --only: cases whose name has this in it.

import { once } from "node:events";
import net from "node:net";
import { parseArgs } from "node:util";

import { browserProcess, startBrowser, startHost, until } from "../tests/integration/lib.mjs";

const { values } = parseArgs({ options: { stop: { type: "string", default: "60" },
                                          only: { type: "string", default: "" } } });
const STOP_MS = Number(values.stop) * 1000;
const PATIENCE_MS = STOP_MS + 90000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ms = (number) => (number === undefined ? "–" : number < 10000 ? `${Math.round(number)} ms`
                                                                  : `${(number / 1000).toFixed(1)} s`);

/** A page on a host of its own, with a call to it that will not be answered by itself. */
async function stage(t, { attached = false, args = [], proxied = false } = {}) {
  const host = await startHost(t, { args: attached ? args : ["--launch", "1", ...args] });
  const at = { host, attached, t };
  if (attached) {
    at.chrome = await startBrowser(t);
    at.proxy = proxied ? await startProxy(t, at.chrome.port) : undefined;
    at.browser = (await host.rpc("ports.add", { port: at.proxy?.port ?? at.chrome.port, as: "far" })).browser;
  } else {
    at.browser = (await host.launched()).browser;
  }
  at.target = (await host.rpc("open", { url: "data:text/html,<title>page</title>", browser: at.browser })).target;
  at.pid = attached ? at.chrome.pid : browserProcess(host.profiles);
  return at;
}

async function startProxy(t, port) {
  const sockets = new Set();
  let open = true;
  const server = net.createServer((near) => {
    if (!open) {
      near.destroy();
      return;
    }
    const far = net.connect(port, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => to.destroy()).pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return { port: server.address().port,
           cut() { open = false; sockets.forEach((socket) => socket.destroy()); },
           mend() { open = true; } };
}

/** A call for a promise that is never settled, with the usual deadline: how it ended. */
function callThatWaits({ host, target }) {
  const params = { target, code: "new Promise(() => {})", await_promise: true };
  return fetch(`${host.url}/rpc`, { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "js", params }) })
    .then((response) => response.json())
    .then(({ error }) => error?.data.name ?? "answered", ({ message }) => message);
}

/** The state of the page as `targets` tells it, with what is said about it. */
async function look(at) {
  const { targets, warnings } = await at.host.rpc("targets");
  const record = targets.find(({ target }) => target === at.target);
  if (!record)
    return { state: "off the list" };
  const { state, reason, unresponsive } = record;
  return { state: unresponsive ? `${state}, unresponsive` : state, reason: reason ?? warnings[0] };
}

/** Provoke it, watch what is told, and wait until a page can be used again. */
async function run(name, options, provoke, again) {
  if (!name.includes(values.only))
    return;
  const cleanups = [];
  const t = { after: (action) => cleanups.push(action) };
  const row = { name };
  try {
    const at = await stage(t, options);
    const ended = callThatWaits(at);
    await at.host.rpc("js", { target: at.target, code: "1" }); // behind it: that one is under way
    const begin = performance.now();
    const since = () => performance.now() - begin;
    ended.then((how) => row.done || Object.assign(row, { how, callMs: since() }));
    await provoke(at, since);
    const told = await until(async () => {
      const now = await look(at);
      return !["connected", "disconnecting"].includes(now.state) && now;
    }, "the fault is told", PATIENCE_MS).catch(() => ({ state: "connected" }));
    Object.assign(row, { told: told.state, reason: told.reason, toldMs: since() });
    row.repaired = again ? await again(at, since) : 0;
    await until(async () => usable(at), "a page can be used again", PATIENCE_MS);
    row.againMs = since() - (row.repaired ?? 0);
    await Promise.race([ended, sleep(1000)]);
    row.done = true;
    row.same = (await look(at)).state === "connected" ? "the same id" : "a new page";
  } catch (error) {
    row.failure = error.message;
  } finally {
    for (const action of cleanups.reverse())
      await action();
  }
  print(row);
}

/** The page answers, or it is gone for good and another one can be opened. */
async function usable(at) {
  const { state } = await look(at);
  if (state === "off the list") {
    const browsers = (await at.host.rpc("browsers.list")).browsers;
    const up = browsers.find((each) => each.state === "up");
    return up && at.host.rpc("open", { url: "about:blank", browser: up.browser, timeout_ms: 5000 })
      .then(() => true, () => false);
  }
  return at.host.rpc("js", { target: at.target, code: "1", timeout_ms: 1000 }).then(() => true, () => false);
}

function print(row) {
  const what = row.failure ? `failed: ${row.failure}` : `${row.told}${row.reason ? ` (${row.reason})` : ""}`;
  console.log(`| ${[row.name, what, ms(row.toldMs), row.how ?? "goes on", ms(row.callMs), ms(row.againMs),
                    row.same ?? "–"].join(" | ")} |`);
}

const stopFor = (kill) => async (at, since) => {
  kill(at, "SIGSTOP");
  at.stopped = since();
};
const letGo = (kill) => async (at, since) => {
  await sleep(Math.max(0, STOP_MS - (since() - at.stopped)));
  kill(at, "SIGCONT");
  return since();
};
const killTree = (at, signal) => at.attached ? at.chrome.kill(signal) : process.kill(at.pid, signal);
const navigate = (url) => (at) => {
  at.host.rpc("navigate", { target: at.target, url, wait: "none", timeout_ms: 5000 }).catch(() => {});
};
const reload = async (at, since) => {
  const begin = since();
  await at.host.rpc("reload", { target: at.target });
  return begin;
};

console.log("| fault | page | told after | call under way | ended after | works again after | as |");
console.log("|---|---|---|---|---|---|---|");
await run("launched browser, `kill -9`", {}, (at) => process.kill(at.pid, "SIGKILL"));
await run("launched browser quits", {}, (at) => process.kill(at.pid, "SIGTERM"));
await run("attached browser quits, and is started again on its port", { attached: true },
          (at) => at.chrome.kill("SIGTERM"), async (at, since) => {
            await at.chrome.exited;
            await startBrowser(at.t, { at: at.chrome.port });
            return since();
          });
await run("attached browser's port taken over by another one", { attached: true, proxied: true },
          (at) => {
            at.proxy.cut();
            at.chrome.kill("SIGKILL");
          }, async (at, since) => {
            await at.chrome.exited;
            await startBrowser(at.t, { at: at.chrome.port });
            at.proxy.mend();
            return since();
          });
await run("connection cut for 1 s", { attached: true, proxied: true }, (at) => at.proxy.cut(),
          async (at, since) => {
            await sleep(1000);
            at.proxy.mend();
            return since();
          });
await run(`launched browser (pipe) stopped for ${values.stop} s`, {}, stopFor(killTree), letGo(killTree));
await run(`attached browser (WebSocket) stopped for ${values.stop} s`, { attached: true }, stopFor(killTree),
          letGo(killTree));
await run("renderer crash (`Page.crash`), then `reload`", {}, (at) => {
  at.host.rpc("cdp", { target: at.target, command: "Page.crash" }).catch(() => {});
}, reload);
await run("renderer crash (`chrome://crash`), then `reload`", {}, navigate("chrome://crash"), reload);
await run("page out of memory, then `reload`", { args: ["--extra-args", "--js-flags=--max-old-space-size=32"] },
          (at) => {
            at.host.rpc("js", { target: at.target, timeout_ms: 60000, code:
              "globalThis.all = []; for (;;) all.push(new Array(1000).fill(Math.random()))" }).catch(() => {});
          }, reload);
await run("endless loop, then `Runtime.terminateExecution`", { args: ["--unresponsive-after", "1s"] }, (at) => {
  at.host.rpc("js", { target: at.target, code: "while (true) {}", timeout_ms: 60000 }).catch(() => {});
}, async (at, since) => {
  const begin = since();
  await at.host.rpc("cdp", { target: at.target, command: "Runtime.terminateExecution" });
  return begin;
});
process.exit(0);
