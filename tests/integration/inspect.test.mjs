// SPDX-License-Identifier: MIT
// Elements picked by hand in a real page: what is told of them, and what may be done with them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = {
  "/": `<title>pick</title><style>#a\\:b { color: rgb(1, 2, 3) } button { margin: 5px }
      body { margin: 0 } body > * { display: block; height: 40px; width: 300px; margin: 0; box-sizing: border-box }</style>
    <p id="a:b" class="x y" style="opacity: 0.5">first words</p>
    <button onclick="this.textContent = 'pressed'">second</button>
    <div id="open"></div><div id="closed"></div>
    <iframe srcdoc="<body style='margin:0'><input id=field>" style="border: 0"></iframe>
    <script>
      document.querySelector("#open").attachShadow({ mode: "open" }).innerHTML = "<b style='display:block'>in the open</b>";
      document.querySelector("#closed").attachShadow({ mode: "closed" }).innerHTML = "<i style='display:block'>closed</i>";
    </script>`,
  "/other": "<title>other</title><h1>other</h1>",
};

async function pick(host, target, x, y) {
  const before = (await host.rpc("selections")).selections;
  for (const type of ["mouseMoved", "mousePressed", "mouseReleased"])
    await host.rpc("cdp", { target, command: "Input.dispatchMouseEvent",
                            params: { type, x, y, button: "left", clickCount: type === "mouseMoved" ? 0 : 1 } });
  return until(async () => {
    const { selections } = await host.rpc("selections");
    const key = Object.keys(selections).find((one) => !(one in before));
    return key && { key, ...selections[key] };
  }, "it is picked");
}

async function stateKey(host) {
  return (await host.rpc("state")).state.browser;
}

test("what is clicked while a page inspects is described, and not clicked", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  const before = (await host.rpc("targets.get")).targets.find((one) => one.target === target);
  const started = await host.rpc("browser.startInspect", { target });
  assert.equal(started.inspecting, target);
  const record = await until(async () => (await host.rpc("targets.get")).targets
    .find((one) => one.target === target && one.inspecting), "the record says so");
  assert.equal(record.state, "connected");
  assert.ok(record.epoch > before.epoch, "a change of its state");
  assert.equal(record.epoch, started.target_epoch);

  const first = await pick(host, target, 20, 20);
  assert.equal(first.key, "1");
  assert.equal(first.target, target);
  assert.equal(first.selector, "#a\\:b");
  assert.deepEqual(first.preview, { tag: "p", id: "a:b", classes: ["x", "y"], text: "first words" });
  assert.match(first.outerHTML, /^<p id="a:b"/);
  assert.match(first.styles, /color: rgb\(1, 2, 3\);/);
  assert.match(first.styles, /opacity: 0.5;/);
  assert.equal(first.xpath, '//*[@id="a:b"]');
  assert.equal(first.fullXpath, "/html/body/p");
  assert.ok(first.nodeId > 0 && first.backendNodeId > 0);
  assert.equal(first.session, undefined);
  const { value } = await host.rpc("js", { target, code: `${first.jsPath}.textContent` });
  assert.equal(value, "first words");

  await pick(host, target, 20, 60);
  assert.equal((await host.rpc("js", { target, code: "document.querySelector('button').textContent" })).value,
               "second", "the page did not get the click");
  const inShadow = await pick(host, target, 20, 90);
  assert.equal(inShadow.selector, "#open >> b");
  assert.equal((await host.rpc("js", { target, code: `${inShadow.jsPath}.textContent` })).value, "in the open");
  const closed = await pick(host, target, 20, 130);
  assert.equal(closed.jsPath, null, "no script of the page gets there");
  assert.equal(closed.preview.text, "closed");
  const inFrame = await pick(host, target, 20, 170);
  assert.equal(inFrame.selector, "iframe >> #field");

  await until(async () => Object.keys((await stateKey(host))?.selections ?? {}).length === 5, "the state shows them");
  assert.equal((await stateKey(host)).inspecting, target);
  assert.deepEqual(await host.rpc("selections", { target: [target] }), await host.rpc("selections"));

  const stopped = await host.rpc("browser.stopInspect");
  assert.equal(stopped.inspecting, null);
  assert.equal(Object.keys(stopped.selections).length, 5);
  assert.equal((await host.rpc("js", { target, code: "element.textContent", selection: closed.key })).value,
               "closed", "the element itself");
  await host.rpc("click", { target, selection: 2 });
  assert.equal((await host.rpc("js", { target, selection: "2", code: "element.textContent" })).value, "pressed");
  await host.rpc("type", { target, selection: inFrame.key, text: "typed", delay_ms: 0 });
  assert.equal((await host.rpc("js", { target, code: "element.value", selection: inFrame.key })).value, "typed");
  const picture = await host.rpc("screenshot", { target, selection: 1 });
  assert.equal(Buffer.from(picture.data, "base64").readUInt32BE(16), 300, "the width of that element");

  assert.deepEqual(await host.rpc("browser.clear"), { success: true, selections: {} });
  await assert.rejects(host.rpc("js", { target, code: "1", selection: 1 }), /no selection 1/);
});

test("selections are of one target, and end with its document", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const { target: other } = await host.rpc("open", { url: `${site.url}/other` });
  await host.rpc("browser", { target });
  await pick(host, target, 20, 20);
  await host.rpc("browser", { target: other });
  assert.equal((await host.rpc("selections")).inspecting, other);
  assert.equal((await host.rpc("targets.get")).targets.filter((one) => one.inspecting).length, 1);
  const second = await pick(host, other, 20, 40);
  assert.equal(second.preview.tag, "h1");
  assert.deepEqual(Object.keys((await host.rpc("selections", { target: other })).selections), [second.key]);
  await assert.rejects(host.rpc("js", { target, code: "1", selection: second.key }), /is of /);
  await assert.rejects(host.rpc("js", { target, code: "1", selection: 1, persist: true }), /persist/);

  await host.rpc("navigate", { target, url: `${site.url}/other` });
  await until(async () => !("1" in (await host.rpc("selections")).selections), "they go with the document");
  await host.rpc("disconnect", { target: other });
  await until(async () => (await host.rpc("selections")).inspecting === null, "an end of the target is one of the mode");
  assert.deepEqual((await host.rpc("selections")).selections, {});
  await assert.rejects(host.rpc("browser.startInspect", { target: other }), { code: -32001 });
  await host.rpc("browser.startInspect", { target }); // nobody is asked who is gone
  assert.equal((await host.rpc("browser", { target, action: "stop" })).inspecting, null);
  await assert.rejects(host.rpc("browser", { target, action: "look" }), { code: -32602 });
  await assert.rejects(host.rpc("browser.startInspect", { target: "p9:nothing" }), { code: -32001 });
  const { epoch } = (await host.rpc("targets.get")).targets.find((one) => one.target === target);
  await assert.rejects(host.rpc("browser.startInspect", { target, target_epoch: epoch - 1 }), { code: -32003 });
  assert.equal((await host.rpc("selections")).inspecting, null);
});

test("Esc in the page ends the mode; a crash does not", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  await host.rpc("browser.startInspect", { target });
  await pick(host, target, 20, 20);
  await host.rpc("cdp", { target, command: "Input.dispatchKeyEvent",
                          params: { type: "rawKeyDown", key: "Escape", code: "Escape", windowsVirtualKeyCode: 27 } });
  await until(async () => (await host.rpc("selections")).inspecting === null, "it ended");
  assert.equal((await host.rpc("targets.get")).targets.some((one) => one.inspecting), false);

  await host.rpc("browser.startInspect", { target });
  const state = async () => (await host.rpc("targets.get")).targets.find((one) => one.target === target).state;
  await host.rpc("cdp", { target, command: "Page.crash" }).catch(() => {});
  await until(async () => await state() === "crashed", "it crashed");
  await host.rpc("reload", { target });
  await until(async () => await state() === "connected", "it is back");
  await until(() => host.rpc("js", { target, code: "document.readyState" }).then(({ value }) => value === "complete"), "it is loaded");
  assert.equal((await pick(host, target, 20, 20)).preview.tag, "p");
});
