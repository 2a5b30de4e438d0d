// SPDX-License-Identifier: MIT
// What pages ask their users, what they download and how they come along is recorded.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = {
  "/": "<title>home</title><a id=get href=/report.csv download>get</a>",
  "/report.csv": { body: "a,b\n1,2\n".repeat(1000), type: "text/csv", headers: { "content-disposition": "attachment" } },
};

test("dialogs and how they were answered", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES, "/", { args: ["--launch", "1"] });
  const rows = () => host.sql("SELECT type, message, default_prompt, accepted, user_input, url, frame_id IS NOT NULL AS framed,"
    + " closed_us>=opened_us AS closed FROM dialog ORDER BY id");
  const answers = [[`alert("mind")`, { accept: true }], [`confirm("sure?")`, { accept: false }],
                   [`prompt("name?", "nobody")`, { accept: true, promptText: "Zoë" }]];
  for (const [i, [code, how]] of answers.entries()) {
    await host.rpc("js", { target, code: `setTimeout(() => ${code}, 0)` });
    await until(async () => (await rows()).length === i + 1, code);
    assert.equal((await rows())[i].closed, null, "not closed yet");
    await host.rpc("cdp", { target, command: "Page.handleJavaScriptDialog", params: how });
    await until(async () => (await rows())[i].closed === 1, `${code} closed`);
  }
  const found = await rows();
  assert.deepEqual(found.map(({ type, message, default_prompt, accepted, user_input }) =>
    [type, message, default_prompt, accepted, user_input]), [
    ["alert", "mind", "", 1, ""], ["confirm", "sure?", "", 0, ""], ["prompt", "name?", "nobody", 1, "Zoë"]]);
  assert.ok(found.every((row) => row.url.endsWith("/")), JSON.stringify(found));
});

test("downloads, finished and refused", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES, "/", { args: ["--launch", "1"] });
  const rows = () => host.sql("SELECT url, filename, state, total_bytes, received_bytes, last_us>=started_us AS told FROM download ORDER BY id");
  const directory = fs.mkdtempSync(`${host.dir}/downloads-`);
  for (const [i, [behavior, state]] of [["allow", "completed"], ["deny", "canceled"]].entries()) {
    await host.rpc("cdp", { target, command: "Page.setDownloadBehavior", params: { behavior, downloadPath: directory } });
    await host.rpc("js", { target, code: `document.querySelector("#get").click()` });
    await until(async () => (await rows())[i]?.state === state, `${behavior}: ${state}`)
      .catch(async (error) => { throw new Error(`${error.message} ${JSON.stringify(await rows())}`); });
  }
  const [done, denied] = await rows();
  assert.equal(done.filename, "report.csv");
  assert.match(done.url, /\/report\.csv$/);
  assert.equal(done.received_bytes, 8000);
  assert.equal(done.total_bytes, 8000);
  assert.equal(done.told, 1);
  assert.equal(denied.filename, "report.csv");
  assert.equal(fs.readFileSync(`${directory}/report.csv`).length, 8000);
});

test("a download whose browser ends is canceled", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<a id=get href=/endless download>get</a>", "/endless": (request, response) => {
    response.writeHead(200, { "content-type": "application/octet-stream", "content-disposition": "attachment; filename=endless.bin" });
    response.write(Buffer.alloc(100000));
  } });
  const state = async () => (await host.sql("SELECT state FROM download"))[0]?.state;
  const directory = fs.mkdtempSync(`${host.dir}/downloads-`);
  await host.rpc("cdp", { target, command: "Page.setDownloadBehavior", params: { behavior: "allow", downloadPath: directory } });
  await host.rpc("js", { target, code: `document.querySelector("#get").click()` });
  await until(async () => await state() === "inProgress", "it has begun");
  await host.rpc("browsers.close", { browser: "p1" });
  await until(async () => await state() === "canceled", "it has ended");
});

test("the lifecycle of a page and of its frames", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<title>home", "/framed": "<title>framed</title><p>text</p><iframe src=/inner></iframe>", "/inner": "<p>inner</p>" });
  await host.rpc("navigate", { target, url: await host.rpc("js", { target, code: "location.origin + '/framed'" }).then((r) => r.value) });
  const names = "SELECT p.url, (SELECT group_concat(name) FROM (SELECT name FROM lifecycle l WHERE l.loader_id = p.loader_id AND l.frame_id = p.frame_id ORDER BY mono_us)) AS names FROM page p";
  const told = await until(async () => {
    const rows = await host.sql(names);
    return rows.find((row) => row.url.endsWith("/framed") && /networkIdle/.test(row.names))?.names.split(",");
  }, "network idle");
  for (const name of ["init", "DOMContentLoaded", "load", "firstPaint", "firstContentfulPaint"])
    assert.ok(told.includes(name), `${name} in ${told}`);
  assert.ok(told.indexOf("init") < told.indexOf("DOMContentLoaded") && told.indexOf("DOMContentLoaded") < told.indexOf("load"));
  const [{ frames, ordered }] = await host.sql("SELECT count(DISTINCT frame_id) AS frames, min(mono_us>0 AND wall_us>0) AS ordered FROM lifecycle");
  assert.deepEqual([frames, ordered], [2, 1]);
});
