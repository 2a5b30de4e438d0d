// SPDX-License-Identifier: MIT
// A host under changing connections: see connections.sh. What happens is drawn from SEED; after each
// round everything is closed, and what is left is compared with what was left after the first.
import assert from "node:assert/strict";
import fs from "node:fs";

import { browserProcess, footprint, processesWith, startBrowser, startHost, until }
  from "../integration/lib.mjs";
import { Refused } from "../integration/websocket.mjs";

const SECONDS = Number(process.env.SOAK_SECONDS ?? 600);
const SEED = Number(process.env.SEED ?? Math.floor(Date.now() / 1000));
const ROUND_MS = Math.min(60000, SECONDS * 1000 / 4);
const BROWSERS_MAX = 3;
const PAGES_MAX = 6;
const GROWTH_MIB = 12; // of resident memory, from the first round to the last
console.log(`connections: ${SECONDS} s, SEED=${SEED}`);

let drawn = BigInt(SEED) + 88172645463325252n;
function draw(count) {
  drawn ^= drawn << 13n & 0xffffffffffffffffn;
  drawn ^= drawn >> 7n;
  drawn ^= drawn << 17n & 0xffffffffffffffffn;
  return Number(drawn % BigInt(count));
}
const pick = (list) => list[draw(list.length || 1)];

const deferred = [];
const t = { after: (action) => deferred.push(action) };
const host = await startHost(t, { args: ["--store", ":memory:", "--launch", "0"] });
const second = await startBrowser(t); // the one that ports are added to
const done = {};
const failed = {};
const sockets = new Set();

const BUSY = -32004; // more requests at once than the bridge takes

/** For questions of our own: asked again while the host is busy. */
const ask = (method, params) => until(() => host.rpc(method, params).catch((error) => {
  if (error.code !== BUSY)
    throw error;
}), `${method} is answered`);

const browsers = async () => (await ask("browsers.list")).browsers
  .filter((browser) => browser.state === "up");
const pages = async () => (await ask("pages")).pages
  .filter((page) => page.state === "connected");
const launched = async () => (await browsers()).filter((browser) => browser.pid > 0);

const residentKib = () => Number(/VmRSS:\s+(\d+)/
  .exec(fs.readFileSync(`/proc/${host.pid}/status`, "latin1"))[1]);

const actions = {
  async launch() {
    if ((await launched()).length < BROWSERS_MAX)
      await host.rpc("browsers.launch");
  },
  async closeBrowser() {
    const all = await launched();
    if (all.length > 0)
      await host.rpc("browsers.close", { browser: pick(all).browser });
  },
  async killBrowser() { // it comes back, or is given up
    const profiles = fs.readdirSync(host.profiles);
    const pid = profiles.length > 0 ? browserProcess(`${host.profiles}/${pick(profiles)}`) : undefined;
    if (pid !== undefined)
      process.kill(pid, "SIGKILL");
  },
  async addPort() {
    await host.rpc("ports.add", { port: second.port });
  },
  async removePort() {
    await host.rpc("ports.remove", { port: second.port });
  },
  async open() {
    if ((await browsers()).length > 0 && (await pages()).length < PAGES_MAX)
      await host.rpc("open", { url: `data:text/html,<title>${draw(1000)}</title><script>console.log(1)</script>` });
  },
  async closePage() {
    const all = await pages();
    if (all.length > 0)
      await host.rpc("close", { target: pick(all).target });
  },
  async run() {
    const all = await pages();
    if (all.length === 0)
      return;
    const target = pick(all).target;
    await Promise.all(Array.from({ length: 20 }, (_, i) =>
      host.rpc("js", { target, code: `${i} + 1` })));
  },
  async crashPage() {
    const all = await pages();
    if (all.length > 0)
      await host.rpc("cdp", { target: pick(all).target, command: "Page.crash", timeout_ms: 1000 });
  },
  async clientComes() {
    const socket = await host.socket();
    sockets.add(socket);
    await socket.call("events.subscribe", { topics: ["network", "console", "target"] });
  },
  async clientGoes() { // in the middle of its calls, half of them without a word
    const socket = pick([...sockets]);
    if (socket === undefined)
      return;
    sockets.delete(socket);
    for (let i = 0; i < 10; i++)
      socket.call("pages").catch(() => {});
    if (draw(2) === 0)
      socket.destroy();
    else
      socket.close();
  },
  async asksForNobody() {
    await host.rpc("js", { target: "nobody:000000", code: "1" });
  },
};

async function act() {
  const name = pick(Object.keys(actions));
  done[name] = (done[name] ?? 0) + 1;
  await actions[name]().catch((error) => { // much may fail; the host may not
    const why = `${name}: ${error.wire ?? error.code ?? error.message}`;
    failed[why] = (failed[why] ?? 0) + 1;
    if (error.code === undefined && !(error instanceof Refused))
      throw error;
  });
}

// Commands of the browsers that are there: each is answered, or under way, or has an end.
async function checkBrowsers() {
  const { browsers: all } = await ask("metrics");
  for (const [id, m] of Object.entries(all)) {
    const ended = m.answered + m.timeouts + m.abandoned;
    assert.ok(Math.abs(m.sent - ended - m.in_flight) <= m.abandoned + 1,
              `${id}: ${m.sent} sent, ${ended} ended, ${m.in_flight} in flight`);
    assert.equal(m.unknown, 0, `${id}: answers to nobody`);
    assert.equal(m.misrouted, 0, `${id}: misrouted`);
    assert.equal(m.malformed, 0, `${id}: malformed`);
  }
}

async function closeAll() {
  for (const socket of sockets)
    socket.destroy();
  sockets.clear();
  await host.rpc("ports.remove", { port: second.port }).catch(() => {});
  await until(async () => {
    for (const { browser } of (await ask("browsers.list")).browsers)
      await host.rpc("browsers.close", { browser }).catch(() => {});
    return (await ask("browsers.list")).browsers.length === 0;
  }, "all browsers are closed");
  await host.rpc("clear", { purge: true }).catch(() => {});
  await until(() => processesWith(host.profiles).length === 0, "no process is left");
  await until(() => fs.readdirSync(host.profiles).length === 0, "no profile is left");
  await until(async () => (await ask("clients.list")).clients.length === 0, "no client is left");
}

async function left() {
  const { actors } = await ask("actors.list");
  const counts = footprint(host.pid);
  const m = await ask("launcher.metrics");
  assert.equal(m.leftovers.processes, 0, "processes left over");
  assert.equal(m.leftovers.directories, 0, "directories left over");
  assert.equal(m.running, 0);
  assert.equal(m.launched, m.ended + m.running, "browsers that were launched and have not ended");
  return { ...counts, mib: residentKib() / 1024, actors: actors.length, launched: m.launched };
}

let failure;
const rounds = [];
try {
  const end = Date.now() + SECONDS * 1000;
  while (Date.now() < end) {
    const roundEnd = Math.min(Date.now() + ROUND_MS, end);
    while (Date.now() < roundEnd) {
      await Promise.all([act(), act(), act()]);
      if (draw(20) === 0)
        await checkBrowsers();
    }
    await closeAll();
    rounds.push(await left());
    console.log(JSON.stringify(rounds.at(-1)));
  }
  const [first, last] = [rounds[0], rounds.at(-1)];
  // An actor's slot keeps its one or two descriptors for the next: as many as ever lived at once.
  assert.ok(last.descriptors <= first.descriptors + 32, "descriptors grow");
  assert.ok(last.threads <= first.threads + 8, "threads grow");
  assert.ok(last.mib <= first.mib + GROWTH_MIB, "memory grows");
  assert.equal(last.actors, first.actors, "actors are left");
} catch (error) {
  failure = error;
}
console.log(JSON.stringify({ done, failed }));
if (failure)
  console.error(`SEED=${SEED}`, failure, host.stderr.split("\n").slice(-40).join("\n"));
for (const action of deferred.reverse())
  await action().catch((error) => { failure ??= error; console.error(error); });
process.exit(failure ? 1 : 0);
