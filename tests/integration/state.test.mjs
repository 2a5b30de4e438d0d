// SPDX-License-Identifier: MIT
// The state as a stream: full first, then patches, resumed; and notices.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";

import { startHost, until, within } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

/** RFC 7396. */
function merge(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch))
    return patch;
  const out = target !== null && typeof target === "object" && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null)
      delete out[name];
    else
      out[name] = merge(out[name], value);
  }
  return out;
}

/** An event stream: {events: [{id, event, data}], state: put together, response, close()}. */
async function stream(t, host, path = "/events", headers = {}) {
  const made = { events: [], state: undefined };
  const request = http.get(host.url + path, { headers, agent: false });
  made.response = await within(new Promise((resolve, reject) => {
    request.on("response", resolve).on("error", reject);
  }), "the stream begins");
  let text = "";
  made.ended = new Promise((resolve) => made.response.on("close", resolve));
  made.response.on("error", () => {});
  made.response.setEncoding("utf8").on("data", (part) => {
    text += part;
    for (let at; (at = text.indexOf("\n\n")) >= 0; text = text.slice(at + 2)) {
      const lines = text.slice(0, at).split("\n").filter((line) => !line.startsWith(":"));
      if (lines.length === 0)
        continue;
      const one = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")),
                                                           line.slice(line.indexOf(":") + 2)]));
      one.data = JSON.parse(one.data);
      made.events.push(one);
      made.state = one.event === "state" ? one.data : merge(made.state, one.data);
    }
  });
  made.close = () => request.destroy();
  t.after(made.close);
  await until(() => made.events.length > 0, "something is told");
  return made;
}

const PAGES = { "/": "<title>first</title>", "/two": "<title>second</title>" };
const connected = ({ state }) => state.connections.map(({ title }) => title).sort();

test("the full state comes first, then patches that lead to each next one", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const one = await stream(t, host);
  assert.equal(one.response.headers["content-type"], "text/event-stream");
  assert.equal(one.events[0].event, "state");
  await until(() => connected(one)[0] === "first", "the page is there, with its title");
  assert.equal(one.state.connectionState, "connected");
  await host.rpc("open", { url: `${site.url}/two` });
  await until(() => connected(one).length === 2 && connected(one)[1] === "second", "the second page is told");
  await host.rpc("targets.set", { targets: [target] });
  await until(() => one.state.tracked_targets.length === 1, "tracked targets are told");
  assert.deepEqual((await host.rpc("targets.get")).tracked, [target]);
  await host.rpc("filters.add", { name: "a", hide: { types: ["Image"] } });
  await until(() => one.state.filters?.enabled?.[0] === "a", "filters are told");
  await host.rpc("fetch", { target, block: ["*/x"] });
  await until(() => one.state.fetch?.rules?.[target]?.block?.length === 1, "fetch rules are told");
  assert.ok(one.events.slice(1).every(({ event }) => event === "patch"));
  const revisions = one.events.map(({ id }) => Number(id.split("-").at(-1)));
  assert.deepEqual(revisions, revisions.map((_, i) => revisions[0] + i), "none is left out");
  const { state } = await host.rpc("state");
  assert.deepEqual(one.state.connections, state.connections);
});

test("a stream goes on where it was; without a known id it begins anew", async (t) => {
  const { host, site } = await hostWithPage(t, PAGES);
  const one = await stream(t, host, "/events/stream");
  const last = one.events.at(-1).id;
  one.close();
  await host.rpc("open", { url: `${site.url}/two` });
  const next = await stream(t, host, "/events", { "last-event-id": last });
  assert.equal(next.events[0].event, "patch");
  next.state = merge(one.state, next.state);
  await until(() => merge(one.state, next.events.reduce((all, { data }) => merge(all, data), {}))
    .connections.length === 2, "the change meanwhile is there");
  for (const id of ["nonsense", "00000000-3", `${last.split("-")[0]}-999999`, "", "-1"]) {
    const fresh = await stream(t, host, "/events", { "last-event-id": id });
    assert.equal(fresh.events[0].event, "state", id);
    fresh.close();
  }
});

test("full states on request, several clients agree, and nobody is left", async (t) => {
  const { host, site } = await hostWithPage(t, PAGES);
  const all = await Promise.all([stream(t, host, "/events?full=1"), stream(t, host), stream(t, host)]);
  await host.rpc("open", { url: `${site.url}/two` });
  for (const one of all)
    await until(() => connected(one).length === 2, "told to each");
  assert.ok(all[0].events.every(({ event }) => event === "state"));
  assert.deepEqual(all[0].state.connections.map(({ target }) => target),
                   all[1].state.connections.map(({ target }) => target));
  assert.equal((await host.rpc("clients.list")).clients.length, 3);
  for (const one of all)
    one.close();
  await until(async () => (await host.rpc("clients.list")).clients.length === 0, "all are gone");
});

test("a crash and its recovery are told", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  const one = await stream(t, host);
  const state = () => one.state.connections.find((page) => page.target === target)?.state;
  await host.rpc("cdp", { target, command: "Page.crash", timeout_ms: 3000 }).catch(() => {});
  await until(() => state() !== "connected", "it is told");
  await host.rpc("reload", { target });
  await until(() => state() === "connected", "and that it is back");
});

test("the rules of other endpoints hold, and the host's end ends streams", async (t) => {
  const host = await startHost(t);
  for (const [headers, status] of [[{ host: "evil.example" }, 403], [{ origin: "http://evil.example" }, 403]])
    assert.equal((await host.request("GET", "/events", { headers })).status, status);
  assert.equal((await host.request("POST", "/events", { headers: { "content-type": "application/json" } })).status, 405);
  const one = await stream(t, host);
  assert.deepEqual(connected(one), []);
  assert.deepEqual(await host.stop(), { code: 0, signal: null });
  await one.ended;
});

test("notices and errors are dismissed", async (t) => {
  const host = await startHost(t);
  await host.rpc("actor.post", { name: "state", verb: "notice.put", payload: { type: "a", message: "one" } });
  await host.rpc("actor.post", { name: "state", verb: "notice.put", payload: { type: "a", message: "two" } });
  await host.rpc("actor.post", { name: "state", verb: "notice.put", payload: { type: "b", message: "three" } });
  await host.rpc("actor.post", { name: "state", verb: "error.put", payload: { message: "broken" } });
  const { notices } = await host.rpc("notices.list");
  assert.deepEqual(notices.map(({ type, message }) => [type, message]), [["a", "two"], ["b", "three"]]);
  assert.equal((await host.rpc("state")).state.errors.global.message, "broken");
  assert.equal((await host.rpc("notices.dismiss", { type: "a" })).dismissed, 1);
  await assert.rejects(host.rpc("notices.dismiss", { type: "a" }), { code: -32011 });
  assert.equal((await host.rpc("notices.dismiss")).dismissed, 1);
  assert.deepEqual(await host.rpc("errors.dismiss"), { success: true });
  await until(async () => (await host.rpc("state")).state.errors.global === undefined, "no error is shown");
});

test("a browser that dies is an error of the host, until it is dismissed", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  const { pid } = await host.launched();
  process.kill(pid, "SIGKILL");
  const { message } = await until(async () => (await host.rpc("state")).state.errors.global, "it is shown");
  assert.match(message, /^browser p1: /);
  await host.rpc("errors.dismiss");
  assert.deepEqual((await host.rpc("state")).state.errors, {});
});
