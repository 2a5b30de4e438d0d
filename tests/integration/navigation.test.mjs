// SPDX-License-Identifier: MIT
// back, forward, history: what they answer, that they wait, and every error they document.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hostWithPage } from "./site.mjs";

const PAGES = {
  "/": "<title>first</title>",
  "/two": "<title>second</title><p id=a>",
  "/three": "<title>third</title>",
};

test("back and forward go through the history and wait for the document", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  for (const path of ["/two", "/three"])
    await host.rpc("navigate", { target, url: site.url + path });
  const title = async () => (await host.rpc("page", { target })).title;

  const back = await host.rpc("back", { target });
  assert.equal(back.navigated, true);
  assert.equal(back.url, site.url + "/two");
  assert.equal(await title(), "second");
  assert.equal((await host.rpc("back", { target })).title, "first");
  assert.equal(await title(), "first");
  assert.deepEqual(await host.rpc("forward", { target }),
                   { navigated: true, title: "second", url: site.url + "/two", index: back.index,
                     total: back.total });
  assert.equal(await title(), "second");

  const { entries, current_index: index } = await host.rpc("history", { target });
  assert.deepEqual(entries.slice(-3).map(({ title: name, current }) => [name, current]),
                   [["first", false], ["second", true], ["third", false]]);
  assert.equal(entries[index].current, true);
});

test("moves within a document are part of the history", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES, "/two");
  await host.rpc("js", { target, code: "location.hash = 'a'" });
  const { url } = await host.rpc("back", { target });
  assert.equal(url, site.url + "/two");
  assert.equal((await host.rpc("js", { target, code: "location.hash" })).value, "");
  await host.rpc("forward", { target, wait: "none" });
});

test("at the ends nothing moves, and it is said", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  let answer;
  do
    answer = await host.rpc("back", { target });
  while (answer.navigated);
  assert.deepEqual(answer, { navigated: false, reason: "Already at first entry" });
  do
    answer = await host.rpc("forward", { target });
  while (answer.navigated);
  assert.deepEqual(answer, { navigated: false, reason: "Already at last entry" });
});

test("a document that never loads is waited for until the deadline", async (t) => {
  const { host, site, target } = await hostWithPage(t, { ...PAGES, "/never": (request, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    if (request.url.includes("second-time"))
      return response.end("<p>");
    response.write("<title>never</title><p>"); // and no end
  } });
  await host.rpc("navigate", { target, url: site.url + "/never", wait: "none" });
  await host.rpc("navigate", { target, url: site.url + "/three" });
  await assert.rejects(host.rpc("back", { target, timeout_ms: 1500 }), { code: -32005 });
  assert.equal((await host.rpc("pages")).pages.find((page) => page.target === target).state,
               "connected");
});

test("errors", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  for (const method of ["back", "forward", "history"]) {
    await assert.rejects(host.rpc(method, { target: "p9:123456" }), { code: -32011 }, method);
    await assert.rejects(host.rpc(method, { target: 7 }), { code: -32602 }, method);
    await assert.rejects(host.rpc(method, { target, wait: "soon" }), { code: -32602 }, method);
  }
  const { pages } = await host.rpc("pages");
  const { epoch } = pages.find((page) => page.target === target);
  for (const method of ["back", "forward"])
    await assert.rejects(host.rpc(method, { target, target_epoch: epoch - 1 }), { code: -32003 });
  await host.rpc("disconnect", { target });
  for (const method of ["back", "forward", "history"])
    await assert.rejects(host.rpc(method, { target }), ({ code }) => [-32001, -32002].includes(code),
                         method);
  await assert.rejects(host.rpc("back"), { code: -32001 });
});

test("the commands", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  await host.rpc("navigate", { target, url: site.url + "/two" });
  const back = await host.command("back", "--target", target, "--json");
  assert.equal(JSON.parse(back.stdout).title, "first");
  const { stdout } = await host.command("history");
  assert.match(stdout, /\* +first/);
  assert.equal((await host.command("forward", "--wait", "none")).code, 0);
  assert.equal((await host.command("activate", target)).code, 0);
});
