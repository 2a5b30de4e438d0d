// SPDX-License-Identifier: MIT
// Many clients connecting, disconnecting, tracking, inspecting and clearing at once, and what holds
// all the same. One round is a storm, then rest, then a comparison; used by the test and the soak.

import assert from "node:assert/strict";

import { until } from "./lib.mjs";

/** Numbers from a seed: the same seed, the same wishes (not the same order of their fulfilment). */
export function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6D2B79F5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export const seedOf = () => Number(process.env.TROUPE_SEED ?? Date.now() % 1e9);

const code = (...codes) => (error) => codes.includes(error.code);
const STALE = -32003;
const REFUSED = code(-32001, -32002, STALE, -32006, -32012, -32013); // what a race may lead to

/** What was seen of the host's set of targets: one value for each epoch, whoever asks. */
class Epochs {
  #seen = new Map();
  #taken = new Map();

  see({ epoch, tracked, connected }) {
    const value = JSON.stringify([[...tracked].sort(), [...connected].sort()]);
    const before = this.#seen.get(epoch);
    assert.ok(before === undefined || before === value, `epoch ${epoch} is ${before} and ${value}`);
    this.#seen.set(epoch, value);
  }

  /** A call that was bound to that epoch changed something: only one can. */
  take(epoch, what) {
    assert.equal(this.#taken.get(epoch), undefined, `two changes were made to epoch ${epoch}: ${what}`);
    this.#taken.set(epoch, what);
  }
}

/** One client: its wishes one after the other, each checked as far as one client can. */
async function client(call, pages, next, count, epochs) {
  let known = await call("targets");
  const learn = (answer) => {
    assert.ok(answer.epoch >= known.epoch, `epoch ${answer.epoch} after ${known.epoch}`);
    epochs.see(answer);
    known = answer;
    return answer;
  };
  const some = () => pages.filter(() => next(2) === 1);
  const one = () => pages[next(pages.length)];
  const bound = () => (next(2) === 1 ? { epoch: known.epoch } : {});
  const set = async (method, params, wanted) => {
    const guard = bound();
    const before = known;
    const answer = await call(method, { ...params, ...guard });
    assert.deepEqual([...answer.tracked].sort(), [...wanted].sort(), `${method} is what it says`);
    if (guard.epoch !== undefined && JSON.stringify([...before.tracked].sort()) !== JSON.stringify([...wanted].sort())) {
      assert.equal(answer.epoch, guard.epoch + 1, "nothing came between the check and the change");
      epochs.take(guard.epoch, `${method} ${wanted}`);
    }
    learn(answer);
  };
  const wishes = [
    async () => { const target = one(); assert.equal((await call("connect", { target, ...bound() })).target, target); },
    async () => { await call("connect", { target: some().concat(one()), ...bound() }); },
    async () => { const target = one(); assert.ok((await call("disconnect", { target, ...bound() })).disconnected.every((id) => id === target)); },
    async () => { const targets = some(); await set("targets.set", { targets }, targets); },
    async () => { await set("targets.clear", {}, []); },
    async () => { learn(await call("targets")); },
    async () => { await call("browser.startInspect", { target: one() }); },
    async () => { await call(["browser.stopInspect", "browser.clear", "clear"][next(3)]); },
    async () => { const target = one(); assert.equal((await call("js", { target, code: "6 * 7" })).value, 42); },
  ];
  const told = { done: 0, refused: 0, stale: 0 };
  for (let i = 0; i < count; i++) {
    try {
      await wishes[next(wishes.length)]();
      told.done++;
    } catch (error) {
      if (!REFUSED(error))
        throw error;
      told.refused++;
      if (error.code === STALE) {
        told.stale++;
        const { request_epoch: given, current_epoch: now } = error.data;
        assert.ok(now > given, `${now} is beyond ${given}`);
      }
    }
  }
  return told;
}

const metrics = (host, browser) =>
  host.rpc("actor.call", { name: `browser/${browser}`, verb: "browser.metrics" });

/** A storm, then: what each part of the host says of the targets is the same, and nothing is left over. */
export async function round(host, browser, pages, { clients, count, seed }) {
  const epochs = new Epochs();
  const sockets = [];
  const all = [];
  for (let i = 0; i < clients; i++) {
    const next = random(seed * 1000 + i);
    if (i % 2 === 0) {
      const socket = await host.socket();
      sockets.push(socket);
      all.push(client((method, params = {}) => socket.call(method, params), pages, next, count, epochs));
    } else {
      all.push(client((method, params = {}) => host.rpc(method, params), pages, next, count, epochs));
    }
  }
  const told = await Promise.all(all).finally(() => sockets.forEach((socket) => socket.close()));

  // At rest: every part agrees.
  await host.rpc("browser.stopInspect");
  const { targets, connected, epoch } = await host.rpc("targets");
  const mine = targets.filter(({ target }) => pages.includes(target));
  assert.equal(mine.length, pages.length, "every page is there, once");
  for (const { target, state, inspecting } of mine) {
    assert.ok(["connected", "available"].includes(state), `${target} is ${state}`);
    assert.equal(inspecting, undefined, `${target} inspects no more`);
  }
  const are = mine.filter((each) => each.connected).map(({ target }) => target);
  assert.deepEqual([...connected].sort(), [...are].sort());
  const { actors } = await host.rpc("actors.list");
  assert.deepEqual(actors.map(({ name }) => name).filter((name) => name?.startsWith("target/")).sort(),
                   are.map((target) => `target/${target}`).sort(), "an actor for each that is connected");
  const after = await until(async () => {
    const now = await metrics(host, browser);
    return now.connected === are.length && now.sessions === are.length && now;
  }, `${are.length} sessions`);
  assert.equal(after.sessions, are.length, "no session is left over");
  assert.equal((await host.rpc("targets")).epoch, epoch, "nothing moves any more");

  // A serial model from here on: what is asked for is so.
  const next = random(seed);
  for (let i = 0; i < 20; i++) {
    const target = pages[next(pages.length)];
    const wanted = pages.filter(() => next(2) === 1);
    const before = await host.rpc("targets");
    const { connected: was } = before.targets.find((each) => each.target === target);
    const change = next(2) === 1 ? "connect" : "disconnect";
    await host.rpc(change, { target, epoch: before.epoch });
    const then = await host.rpc("targets");
    assert.equal(then.targets.find((each) => each.target === target).connected, change === "connect");
    assert.equal(then.epoch > before.epoch, was !== (change === "connect"), "the epoch moves with a change, and only then");
    if (then.epoch > before.epoch)
      await assert.rejects(host.rpc("targets.set", { targets: wanted, epoch: before.epoch }), { code: STALE });
    const set = await host.rpc("targets.set", { targets: wanted, epoch: then.epoch });
    assert.deepEqual([...set.tracked].sort(), [...wanted].sort());
  }
  return told.reduce((sum, one) => ({ done: sum.done + one.done, refused: sum.refused + one.refused,
                                      stale: sum.stale + one.stale }));
}
