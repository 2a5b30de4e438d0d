// SPDX-License-Identifier: MIT
// Screenshots and PDFs: the pixels are looked at.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";

import { hostWithPage } from "./site.mjs";

const PAGE = `<!doctype html><title>colours</title>
<style>body { margin: 0; height: 3000px; background: #00f }
  #box { position: absolute; left: 40px; top: 1500px; width: 100px; height: 50px; background: #f00 }
  #none { display: none }</style>
<div id=box class="a b"></div><div id=none></div>`;

/** An 8-bit PNG as {width, height, at(x, y) → [r, g, b, a]}. */
function png(data) {
  const bytes = Buffer.from(data, "base64");
  assert.equal(bytes.subarray(1, 4).toString(), "PNG");
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const channels = { 2: 3, 6: 4 }[bytes[25]];
  const parts = [];
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    if (bytes.toString("latin1", at + 4, at + 8) === "IDAT")
      parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const raw = zlib.inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const out = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const left = x >= channels ? out[y * stride + x - channels] : 0;
      const up = y > 0 ? out[(y - 1) * stride + x] : 0;
      const corner = x >= channels && y > 0 ? out[(y - 1) * stride + x - channels] : 0;
      const near = left + up - corner;
      const [a, b, c] = [left, up, corner].map((value) => Math.abs(near - value));
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      out[y * stride + x] = raw[y * (stride + 1) + 1 + x] +
        [0, left, up, (left + up) >> 1, paeth][filter];
    }
  }
  return { width, height, at: (x, y) => [...out.subarray(y * stride + x * channels,
                                                         y * stride + x * channels + channels)] };
}

const BLUE = [0, 0, 255];
const RED = [255, 0, 0];

test("what is seen, all of it, one element, a part", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": PAGE });
  const take = async (params) => png((await host.rpc("screenshot", { target, ...params })).data);
  const seen = await take({});
  assert.deepEqual(seen.at(10, 10).slice(0, 3), BLUE);
  assert.ok(seen.height < 3000);

  const whole = await take({ full_page: true });
  assert.equal(whole.height, 3000);
  assert.deepEqual(whole.at(41, 1501).slice(0, 3), RED);
  assert.deepEqual(whole.at(41, 1499).slice(0, 3), BLUE);

  const box = await take({ selector: "#box" });
  assert.deepEqual([box.width, box.height], [100, 50]);
  for (const [x, y] of [[0, 0], [99, 49]])
    assert.deepEqual(box.at(x, y).slice(0, 3), RED);
  await host.rpc("js", { target, code: "scrollTo(0, 900)" });
  assert.deepEqual((await take({ selector: ".a.b" })).at(50, 25).slice(0, 3), RED, "also scrolled");

  const part = await take({ clip: { x: 0, y: 1500, width: 80, height: 20 }, scale: 2 });
  assert.deepEqual([part.width, part.height], [160, 40]);
  assert.deepEqual(part.at(10, 10).slice(0, 3), BLUE);
  assert.deepEqual(part.at(100, 10).slice(0, 3), RED);
});

test("without the background of the browser", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<p>nothing behind" });
  const take = async (params) => png((await host.rpc("screenshot", { target, ...params })).data);
  const clear = await take({ omit_background: true });
  assert.equal(clear.at(300, 300)[3], 0);
  assert.deepEqual((await take({})).at(300, 300).slice(0, 3), [255, 255, 255], "as before after it");
});

test("formats", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": PAGE });
  const head = async (params) => {
    const { data, format } = await host.rpc("screenshot", { target, ...params });
    assert.equal(format, params.format);
    return Buffer.from(data, "base64");
  };
  assert.equal((await head({ format: "jpeg", quality: 40 })).readUInt16BE(0), 0xffd8);
  assert.equal((await head({ format: "webp" })).toString("latin1", 8, 12), "WEBP");
  const [coarse, fine] = [await head({ format: "jpeg", quality: 1 }),
                          await head({ format: "jpeg", quality: 100 })];
  assert.ok(coarse.length < fine.length);
});

test("errors of screenshot", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": PAGE });
  const fails = (params, code) => assert.rejects(host.rpc("screenshot", { target, ...params }),
                                                 { code }, JSON.stringify(params));
  await fails({ selector: "#nothing" }, -32011);
  await fails({ selector: "#none" }, -32002);
  await fails({ selector: "((" }, -32602);
  await fails({ quality: 50 }, -32602);
  await fails({ format: "jpeg", quality: 101 }, -32602);
  await fails({ format: "gif" }, -32602);
  await fails({ scale: 0 }, -32602);
  await fails({ clip: { x: 0, y: 0, width: 10 } }, -32602);
  await fails({ clip: { x: 0, y: 0, width: 0, height: 10 } }, -32002);
  await fails({ clip: { x: 0, y: 0, width: 5000, height: 10 }, scale: 8 }, -32008);
  await fails({ full_page: true, selector: "#box" }, -32602);
  await fails({ target: "p7:abcdef" }, -32011);
  await host.rpc("screenshot", { target });
  await host.rpc("disconnect", { target });
  await assert.rejects(host.rpc("screenshot", { target }),
                       ({ code }) => [-32001, -32002].includes(code));
});

test("a picture of a page that goes away is refused, not waited for", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": PAGE });
  const many = Array.from({ length: 8 }, () => host.rpc("screenshot", { target, full_page: true })
    .then(() => "taken", ({ code }) => code));
  await host.rpc("close", { target });
  for (const end of await Promise.all(many))
    assert.ok(["taken", -32006, -32009, -32011, -32012, -32002, -32001].includes(end), `${end}`);
});

test("PDF", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": "<p style='page-break-after: always'>1<p>2" });
  const print = async (params) => {
    const { data, format } = await host.rpc("pdf", { target, ...params });
    assert.equal(format, "pdf");
    return Buffer.from(data, "base64").toString("latin1");
  };
  const pages = (text) => (text.match(/\/Type\s*\/Page\b(?!s)/g) ?? []).length;
  const both = await print({});
  assert.match(both, /^%PDF-/);
  assert.equal(pages(both), 2);
  assert.equal(pages(await print({ pages: "2" })), 1);
  const box = /\/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]/.exec(
    await print({ paper: "a4", landscape: true }));
  assert.ok(Number(box[1]) > Number(box[2]));
  await assert.rejects(host.rpc("pdf", { target, paper: "a9" }), { code: -32602 });
  await assert.rejects(host.rpc("pdf", { target, scale: 9 }), { code: -32009 });
  await assert.rejects(host.rpc("pdf", { target: "p7:abcdef" }), { code: -32011 });
});

test("the commands write files", async (t) => {
  const { host } = await hostWithPage(t, { "/": PAGE });
  const file = path.join(host.dir, "shot.png");
  const { code, stderr } = await host.command("screenshot", "--output", file, "--full-page");
  assert.equal(code, 0, stderr);
  assert.equal(png(fs.readFileSync(file).toString("base64")).height, 3000);
  const pdf = path.join(host.dir, "page.pdf");
  assert.equal((await host.command("pdf", "-o", pdf, "--scale", "0.5")).code, 0);
  assert.match(fs.readFileSync(pdf, "latin1"), /^%PDF-/);
  const bad = await host.command("screenshot", "--selector", "#nothing", "-o", file);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /NOT_FOUND/);
  assert.equal((await host.command("screenshot", "-o", "/nowhere/at/all.png")).code, 1);
});

test("screenshots are kept in the record, equal ones once, as far as they may be", async (t) => {
  const { host, target } = await hostWithPage(t, { "/": PAGE }, "/", { args: ["--launch", "1", "--screenshot-bytes-max", "8000"] });
  const rows = () => host.sql("SELECT id, format, bytes, options_json, error, content, wall_us>0 AS dated, event>0 AS placed FROM screenshot ORDER BY id");
  const seen = await host.rpc("screenshot", { target });
  await host.rpc("screenshot", { target });
  const box = await host.rpc("screenshot", { target, selector: "#box", format: "jpeg", quality: 50 });
  await host.rpc("screenshot", { target, full_page: true, scale: 4 });
  const [first, again, part, large] = await rows();
  assert.equal(first.bytes, Buffer.from(seen.data, "base64").length);
  assert.deepEqual([first.format, first.options_json, first.error, first.dated, first.placed], ["png", "{}", null, 1, 1]);
  assert.equal(again.content, first.content, "equal ones are kept once");
  assert.deepEqual([part.format, JSON.parse(part.options_json)], ["jpeg", { selector: "#box", quality: 50 }]);
  assert.deepEqual([large.content, large.error], [null, "larger than screenshot_bytes_max"]);
  const kept = await host.sql("SELECT content FROM screenshot_content ORDER BY id");
  assert.deepEqual(kept.map((row) => row.content), [seen.data, seen.data, box.data]);
  assert.deepEqual(await host.sql("SELECT count(*) AS n FROM content WHERE id NOT IN (SELECT content FROM body WHERE content IS NOT NULL)"), [{ n: 2 }]);
  await host.rpc("clear", { purge: true });
  assert.deepEqual(await host.sql("SELECT count(*) AS n FROM screenshot UNION ALL SELECT count(*) FROM content"), [{ n: 0 }, { n: 0 }]);
});

test("no picture is kept where secrets are hidden, none where none is wanted", async (t) => {
  for (const [args, why] of [[["--redact", "default"], "a picture cannot be redacted"], [["--screenshot-bytes-max", "0"], "screenshots are not kept"]]) {
    const { host, target } = await hostWithPage(t, { "/": PAGE }, "/", { args: ["--launch", "1", ...args] });
    await host.rpc("screenshot", { target });
    assert.deepEqual(await host.sql("SELECT error, content FROM screenshot"), [{ error: why, content: null }]);
  }
});
