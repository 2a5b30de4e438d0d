// SPDX-License-Identifier: MIT
// back, forward, history: what they answer, that they wait, and every error they document.

import assert from "node:assert/strict";
import { test } from "node:test";

import { troupe } from "./lib.mjs";
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

test("several pages at once: each answers, in order, and who cannot is told", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const other = (await host.rpc("open", { url: site.url + "/two" })).target;
  const both = [other, target];
  const moved = await host.rpc("navigate", { target: both, url: site.url + "/three" });
  assert.deepEqual(moved.results.map((one) => [one.target, one.result.url]), both.map((id) => [id, site.url + "/three"]));
  assert.deepEqual(moved.warnings, []);
  const titles = await host.rpc("js", { target: "*", code: "document.title" });
  assert.deepEqual(titles.results.map((one) => one.result.value).filter((title) => title === "third").length, 2);
  assert.ok(both.every((id) => titles.results.some((one) => one.target === id)));
  for (const method of ["back", "forward", "history", "page", "inject_list", "reload"])
    assert.deepEqual((await host.rpc(method, { target: both })).results.map((one) => [one.target, one.error]), both.map((id) => [id, undefined]), method);

  await host.rpc("disconnect", { target: other });
  const { results, warnings } = await host.rpc("js", { target: both, code: "nothing.at.all" });
  assert.deepEqual(results.map((one) => [one.target, one.error.name, one.error.code]),
                   [[other, "NOT_CONNECTED", -32001], [target, "JS_EXCEPTION", -32010]]);
  assert.match(results[1].error.message, /nothing is not defined/);
  assert.match(results[1].error.data.text, /nothing is not defined/);
  assert.deepEqual(warnings.map((text) => text.split(": ")[0]), both);

  const refused = (params, wire, why) => assert.rejects(host.rpc("reload", params), (error) => error.wire === wire && why.test(error.message) || assert.fail(error));
  await refused({ target: [] }, "INVALID_PARAMS", /empty list/);
  await refused({ target: [target, 3] }, "INVALID_PARAMS", /list of strings/);
  await refused({ target: [target, "p9:none"] }, "NOT_FOUND", /p9:none/);
  await refused({ target: both, target_epoch: 1 }, "INVALID_PARAMS", /target_epoch/);
  await refused({ target: Array(300).fill(target) }, "LIMIT", /256/);
  await assert.rejects(host.rpc("click", { target: both, selector: "p" }), { wire: "INVALID_PARAMS" });

  await host.rpc("connect", { target: other });
  const shown = await troupe(host.dir, ["js", "location.pathname", "--target", both.join(","), "--name", host.name]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, new RegExp(`${other}.*\\n.*${target}`));
  const failed = await troupe(host.dir, ["js", "nothing", "--target", "*", "--json", "--name", host.name]);
  assert.equal(failed.code, 1);
  assert.equal(JSON.parse(failed.stdout).results.length, titles.results.length);
});
