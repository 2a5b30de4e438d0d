// SPDX-License-Identifier: MIT
// Mouse, keyboard, files on a page of awkward elements.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { awkwardPage, FRAME } from "./awkward.mjs";
import { until } from "./lib.mjs";
import { hostWithPage, serve } from "./site.mjs";

async function awkward(t) {
  const made = await hostWithPage(t, { "/": awkwardPage(), "/frame": FRAME });
  const { host, target } = made;
  const js = async (code) => (await host.rpc("js", { target, code, await_promise: true })).value;
  const events = async () => js("events.splice(0)");
  const click = (selector, more = {}) => host.rpc("click", { target, selector, wait_ms: 3000, ...more });
  return { ...made, js, events, click };
}

/** How it ends: "ok", or [the error's name, the check that failed]. */
async function ends(promise) {
  return promise.then(() => "ok", (error) => [error.data?.name, error.data?.check ?? null]);
}

test("elements that can be clicked are, where they are", async (t) => {
  const { click, events } = await awkward(t);
  for (const id of ["plain", "moving", "below", "nested", "zoomed", "rotated", "content", "parent",
                    "shadowed", "summary", "inside"]) {
    const answer = await click(`#${id}`);
    assert.equal(answer.clicked, true);
    assert.equal(answer.selector, `#${id}`);
    assert.ok((await events()).some((event) => event === `click ${id}`), id);
  }
  await click("#label");
  assert.ok((await events()).includes("click checkbox"), "a label passes it on");
  await click("#frame >> #framed");
  await until(async () => (await events()).includes("framed"), "in a frame that scrolls");
  await click("text=plain");
  assert.deepEqual(await events(), ["click plain"]);
  await click("//button[@id='plain']");
  assert.deepEqual(await events(), ["click plain"]);
  await click(".twin", { nth: 1 });
  assert.equal((await events()).length, 1);
});

test("what cannot be clicked is not, and why is said", async (t) => {
  const { click, events } = await awkward(t);
  const expected = {
    "#covered": ["INVALID_STATE", "covered"], "#disabled": ["INVALID_STATE", "disabled"],
    "#fieldset": ["INVALID_STATE", "disabled"], "#aria": ["INVALID_STATE", "disabled"],
    "#invisible": ["INVALID_STATE", "hidden"], "#none": ["INVALID_STATE", "hidden"],
    "#empty": ["INVALID_STATE", "hidden"], "#through": ["INVALID_STATE", "covered"],
    "#inert": ["INVALID_STATE", "covered"], "#missing": ["NOT_FOUND", "missing"],
    "((": ["INVALID_PARAMS", "invalid"], "#plain >> ": ["INVALID_PARAMS", "invalid"],
  };
  for (const [selector, end] of Object.entries(expected))
    assert.deepEqual(await ends(click(selector, { wait_ms: 400 })), end, selector);
  assert.deepEqual(await ends(click(".twin", { strict: true })), ["INVALID_PARAMS", "many"]);
  await assert.rejects(click("#covered", { wait_ms: 300 }), /#covered is covered by div#glass/);
  assert.deepEqual(await events(), []);
  assert.equal((await click("#covered", { force: true })).clicked, true);
  assert.deepEqual(await events(), ["click glass"], "force asks nothing");
});

test("what becomes fit meanwhile is waited for", async (t) => {
  const { click, events, js } = await awkward(t);
  await js("setTimeout(() => veil.remove(), 600)");
  await click("#uncovered");
  assert.deepEqual(await events(), ["click uncovered"]);
  await js("setTimeout(() => { disabled.disabled = false }, 400)");
  await click("#disabled");
  await js(`setTimeout(() => document.body.insertAdjacentHTML("beforeend",
    "<button id=late class=at style='left:500px;top:100px'>late</button>"), 500)`);
  await click("#late");
  await js(`setTimeout(() => { const old = plain; old.replaceWith(old.cloneNode(true)) }, 10)`);
  await click("#plain");
  assert.deepEqual(await events(), ["click disabled", "click late", "click plain"]);
});

test("buttons, counts, modifiers, positions, hover", async (t) => {
  const { host, target, click, events, js } = await awkward(t);
  await click("#plain", { count: 2 });
  assert.deepEqual(await events(), ["click plain", "click plain", "dblclick plain"]);
  await click("#plain", { button: "right" });
  assert.deepEqual(await events(), ["contextmenu plain"]);
  await js("plain.onclick = (e) => log([e.ctrlKey, e.shiftKey, e.offsetX, e.offsetY].join())");
  await click("#plain", { modifiers: ["Control", "Shift"], position: { x: 5, y: 7 }, delay_ms: 20 });
  assert.equal((await events())[1].replace(/\.\d+/g, ""), "true,true,5,7");
  await js("plain.onmouseenter = () => log('enter')");
  await host.rpc("hover", { target, selector: "#twin" });
  assert.equal((await host.rpc("hover", { target, selector: "#plain" })).hovered, true);
  assert.deepEqual(await events(), ["enter"]);
  await host.rpc("click", { target, x: 50, y: 115 - await js("scrollY") });
  assert.equal((await events())[0], "click plain");
  await click("#plain", { trial: true });
  assert.deepEqual(await events(), []);
});

test("a dialog that a click opens does not hold the caller", async (t) => {
  const { host, target, click, js } = await awkward(t);
  const { dialog } = await click("#alert");
  assert.equal(dialog.message, "stop");
  assert.deepEqual((await ends(click("#plain")))[0], "INVALID_STATE");
  await host.rpc("cdp", { target, command: "Page.handleJavaScriptDialog", params: { accept: true } });
  await until(async () => (await ends(click("#plain"))) === "ok", "it can be clicked again");
  assert.equal(await js("1 + 1"), 2);
});

test("text is typed as on a keyboard", async (t) => {
  const { host, target, js, events } = await awkward(t);
  const type = (selector, text, more = {}) => host.rpc("type", { target, selector, text, delay_ms: 0,
                                                                 wait_ms: 3000, ...more });
  assert.deepEqual(await type("#area", "Hello, World!\n2nd {{line}"),
                   { selector: "#area", typed: true, length: 24 });
  assert.equal(await js("area.value"), "Hello, World!\n2nd {line}");
  await type("#area", "{Control+a}{Delete}ü€😀", {});
  assert.equal(await js("area.value"), "ü€😀");
  await type("#text", "er");
  assert.equal(await js("text.value"), "older", "behind what is there");
  await type("#text", "new", { clear: true });
  assert.equal(await js("text.value"), "new");
  await type("#text", "{Home}_{End}_{ArrowLeft}{Backspace}X");
  assert.equal(await js("text.value"), "_neX_");
  await type("#edit", "er");
  assert.equal(await js("edit.textContent"), "richer");
  await type("#number", "12.5");
  assert.equal(await js("number.value"), "12.5");
  await type("#shadowtext", "deep");
  assert.equal(await js("document.getElementById('open').shadowRoot.getElementById('shadowtext').value"), "deep");
  await events();
  await type("#field", "query{Enter}");
  assert.ok((await events()).includes("submit query"));
  await host.rpc("press", { target, key: "Control+A", selector: "#field" });
  await host.rpc("press", { target, key: "x" });
  assert.equal(await js("field.value"), "x");
  await host.rpc("press", { target, key: "ArrowRight", selector: "#range", count: 3 });
  assert.equal(await js("range.value"), "53");
  await js("area.value = ''; area.onkeydown = (e) => log([e.key, e.code, e.keyCode, e.shiftKey].join())");
  await events();
  await type("#area", "a{Tab}");
  assert.deepEqual((await events()).filter((e) => /,/.test(e)), ["a,KeyA,65,false", "Tab,Tab,9,false"]);
});

test("what cannot be typed into is told", async (t) => {
  const { host, target } = await awkward(t);
  const type = (selector, text) => ends(host.rpc("type", { target, selector, text, wait_ms: 300 }));
  assert.deepEqual(await type("#readonly", "x"), ["INVALID_STATE", "readonly"]);
  assert.deepEqual(await type("#plain", "x"), ["INVALID_PARAMS", "wrong"]);
  assert.deepEqual(await type("#invisible", "x"), ["INVALID_STATE", "hidden"]);
  assert.deepEqual(await type("#gone", "x"), ["NOT_FOUND", "missing"]);
  await assert.rejects(host.rpc("type", { target, selector: "#text", text: "ab{Entr}" }),
                       /at byte 2 of the text: no key is called "Entr"/);
  for (const params of [{ selector: "#text" }, { selector: "#text", text: "a", delay_ms: -1 }])
    await assert.rejects(host.rpc("type", { target, ...params }), { code: -32602 });
  for (const params of [{}, { key: "Nokey" }, { key: "a", count: 0 }])
    await assert.rejects(host.rpc("press", { target, ...params }), { code: -32602 });
});

test("select, scroll, query, wait", async (t) => {
  const { host, target, js } = await awkward(t);
  const select = (selector, values, more) =>
    host.rpc("select", { target, selector, values, wait_ms: 300, ...more });
  await js("one.onchange = () => log('change')");
  assert.deepEqual((await select("#one", "Beta")).selected, ["b"]);
  assert.equal(await js("one.value + events.splice(0)"), "bchange");
  assert.deepEqual((await select("#many", ["x", { index: 2 }])).selected, ["x", "z"]);
  assert.deepEqual(await ends(select("#one", "nothing")), ["INVALID_STATE", "option"]);
  assert.deepEqual(await ends(select("#one", "c")), ["INVALID_STATE", "disabled"]);
  assert.deepEqual(await ends(select("#plain", "a")), ["INVALID_PARAMS", "wrong"]);
  await assert.rejects(select("#one", [7]), { code: -32602 });

  const scroll = (params) => host.rpc("scroll", { target, ...params });
  assert.equal((await scroll({ to: { x: 0, y: 1000 } })).y, 1000);
  assert.equal((await scroll({ by: { y: -100 } })).y, 900);
  await scroll({ selector: "#nested" });
  assert.ok(await js("scroller.scrollTop > 400"));
  assert.equal((await scroll({ selector: "#scroller", to: { x: 0, y: 10 } })).y, 10);
  await assert.rejects(scroll({}), { code: -32602 });
  await assert.rejects(scroll({ to: { y: "far" } }), { code: -32602 });

  const query = await host.rpc("query", { target, selector: "button", limit: 2 });
  assert.ok(query.total > 10);
  assert.equal(query.elements.length, 2);
  assert.equal(query.elements[0].attributes.id, "plain");
  assert.equal(query.elements[0].text, "plain");
  assert.equal(query.elements[0].visible, true);
  assert.equal((await host.rpc("query", { target, selector: "#nowhere" })).total, 0);
  await assert.rejects(host.rpc("query", { target, selector: "((" }), { code: -32602 });
  await assert.rejects(host.rpc("query", { target, selector: "a", limit: 0 }), { code: -32602 });

  await js(`setTimeout(() => { document.body.insertAdjacentHTML("beforeend", "<p id=soon>soon") }, 300)`);
  assert.equal((await host.rpc("wait", { target, selector: "#soon" })).element, "p#soon");
  await js("setTimeout(() => soon.remove(), 200)");
  await host.rpc("wait", { target, selector: "#soon", state: "detached" });
  await host.rpc("wait", { target, selector: "#invisible", state: "hidden" });
  assert.deepEqual(await host.rpc("wait", { target, state: "load" }), { waited: "load" });
  assert.deepEqual(await ends(host.rpc("wait", { target, selector: "#soon", wait_ms: 300 })),
                   ["TIMEOUT", "waiting"]);
  await assert.rejects(host.rpc("wait", { target }), { code: -32602 });
});

test("files are uploaded", async (t) => {
  const { host, target, js } = await awkward(t);
  const [one, two] = ["one.txt", "two.txt"].map((name) => path.join(host.dir, name));
  fs.writeFileSync(one, "first");
  fs.writeFileSync(two, "second");
  await host.rpc("upload", { target, selector: "#file", files: [one, two] });
  assert.equal(await js("Promise.all([...file.files].map((f) => f.text())).then(String)"), "first,second");
  await host.rpc("upload", { target, selector: "#single", files: one });
  assert.equal(await js("single.files[0].name"), "one.txt");
  const fails = (files, code) => assert.rejects(host.rpc("upload", { target, selector: "#single", files }),
                                                { code });
  await fails("relative.txt", -32602);
  await fails(path.join(host.dir, "missing"), -32011);
  await fails(host.dir, -32602);
  await fails([one, two], -32602);
  await assert.rejects(host.rpc("upload", { target, selector: "#plain", files: one }), { code: -32602 });
  await assert.rejects(host.rpc("upload", { target, selector: "#none-such", files: one, wait_ms: 200 }),
                       { code: -32011 });
});

test("a page that goes away ends what is under way", async (t) => {
  const { host, site, target, click } = await awkward(t);
  const waits = click("#nothing", { wait_ms: 20000 });
  const typing = host.rpc("type", { target, selector: "#text", text: "x".repeat(500), delay_ms: 100 });
  const behind = click("#plain", { wait_ms: 20000 });
  const all = Promise.all([waits, typing, behind].map(ends));
  await host.rpc("navigate", { target, url: site.url + "/frame" });
  await host.rpc("close", { target });
  for (const [name] of await all)
    assert.ok(["CLOSED", "GONE", "NOT_FOUND", "NOT_CONNECTED"].includes(name), name);
});

test("one at a time: the events of two callers are not mixed", async (t) => {
  const { host, target, js } = await awkward(t);
  await js("area.oninput = (e) => log(e.data)");
  await Promise.all(["aaaa", "bbbb", "cccc"].map((text) =>
    host.rpc("type", { target, selector: "#area", text, delay_ms: 5 })));
  assert.match(await js("area.value"), /^(aaaa|bbbb|cccc){3}$/);
});

test("a click that navigates is in the next document's way", async (t) => {
  const site = await serve(t, { "/": "<a id=go href=/two>go</a>", "/two": "<button id=here onclick='document.title=1'>" });
  const { host, target } = await hostWithPage(t, { "/": "" });
  await host.rpc("navigate", { target, url: site.url });
  await host.rpc("click", { target, selector: "#go" });
  await host.rpc("click", { target, selector: "#here" });
  assert.equal((await host.rpc("page", { target })).title, "1");
});

test("states and epochs are checked", async (t) => {
  const { host, target } = await awkward(t);
  const calls = { click: { selector: "a" }, hover: { selector: "a" }, type: { selector: "a", text: "b" },
                  press: { key: "a" }, select: { selector: "a", values: "b" }, scroll: { selector: "a" },
                  upload: { selector: "a", files: "/etc/hostname" } };
  for (const [method, params] of Object.entries(calls)) {
    await assert.rejects(host.rpc(method, { target, ...params, target_epoch: 0 }), { code: -32003 }, method);
    await assert.rejects(host.rpc(method, { ...params, target: "p7:abcdef" }), { code: -32011 }, method);
  }
  for (const params of [{}, { x: 1 }, { selector: "a", count: 11 }, { selector: "a", modifiers: ["Hyper"] },
                        { selector: "a", position: {} }, { selector: "a", button: "side" },
                        { selector: "a", delay_ms: -1 }])
    await assert.rejects(host.rpc("click", { target, ...params }), { code: -32602 }, JSON.stringify(params));
  await host.rpc("disconnect", { target });
  for (const [method, params] of Object.entries({ ...calls, query: { selector: "a" }, wait: { selector: "a" } }))
    await assert.rejects(host.rpc(method, { target, ...params }),
                         ({ code }) => [-32001, -32002].includes(code), method);
});

test("the commands", async (t) => {
  const { host, js } = await awkward(t);
  const troupe = async (...args) => {
    const { code, stdout, stderr } = await host.command(...args);
    return { code, stdout, stderr };
  };
  assert.equal((await troupe("click", "#plain", "--count", "2")).code, 0);
  assert.equal((await js("events.splice(0)")).length, 3);
  const bad = await troupe("click", "#covered", "--wait", "300ms");
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /covered by div#glass/);
  assert.equal((await troupe("type", "#area", "typed{Enter}", "--delay", "0ms")).code, 0);
  assert.equal((await troupe("press", "x", "-s", "#area", "--count", "3")).code, 0);
  assert.equal(await js("area.value"), "typed\nxxx");
  assert.equal((await troupe("select", "#many", "x", "z")).code, 0);
  assert.equal(await js("[...many.selectedOptions].map((o) => o.value).join()"), "x,z");
  assert.equal((await troupe("scroll", "--to", '{"y": 500}')).code, 0);
  assert.equal(await js("scrollY"), 500);
  const file = path.join(host.dir, "up.txt");
  fs.writeFileSync(file, "up");
  assert.equal((await troupe("upload", "#file", file)).code, 0);
  assert.equal((await troupe("hover", "#plain")).code, 0);
  assert.match((await troupe("query", "#plain")).stdout, /button +plain/);
  assert.equal((await troupe("wait", "#plain")).code, 0);
  assert.equal((await troupe("wait", "--state", "load")).code, 0);
  assert.equal((await troupe("wait", "#absent", "--timeout", "700ms")).code, 1);
});
