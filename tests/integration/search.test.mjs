// SPDX-License-Identifier: MIT
// Full-text search over URLs, headers and bodies: what is found, what is not, while recording goes on.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = {
  "/": "<title>home</title><p>nothing of note",
  "/api/orders?user_id=4711": { body: JSON.stringify({ customer: "Grüße aus Köln", total: "99.50 EUR" }), type: "application/json" },
  "/api/orders": { body: JSON.stringify({ customer: "Grüße aus Köln", total: "99.50 EUR" }), type: "application/json" },
  "/copy": { body: "zebra crossing ahead", type: "text/plain" },
  "/again": { body: "zebra crossing ahead", type: "text/plain" },
  "/zebra.js": { body: "let it = 'be';", type: "text/javascript" },
  "/said": { body: "thanks", type: "text/plain" },
};

async function play(host, target, code) {
  await host.rpc("js", { target, code: `(async () => { ${code} })()`, await_promise: true });
}

/** Bodies come behind their requests. */
const bodies = (host, count) => until(async () => (await host.sql("SELECT count(*) AS n FROM body"))[0].n >= count,
                                      `${count} bodies`);

test("words are found in URLs, headers and bodies", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES, "/", { args: ["--launch", "1"] });
  await play(host, target, `
    await fetch("/api/orders?user_id=4711").then((r) => r.text());
    for (const path of ["/copy", "/again", "/zebra.js"])
      await fetch(path, { headers: { "x-flavour": "vanilla-bean" } }).then((r) => r.text());
    await fetch("/said", { method: "POST", body: "the giraffe said hello" }).then((r) => r.text());`);
  await bodies(host, 6);
  const find = async (text, more = {}) => (await host.rpc("network", { text, order: "asc", ...more })).requests
    .map((row) => new URL(row.url).pathname).filter((path) => path !== "/favicon.ico");

  assert.deepEqual(await find("zebra"), ["/copy", "/again", "/zebra.js"]);
  assert.deepEqual(await find("body:zebra"), ["/copy", "/again"]);
  assert.deepEqual(await find("url:zebra"), ["/zebra.js"]);
  assert.deepEqual(await find("zebra -url:zebra"), ["/copy", "/again"]);
  assert.deepEqual(await find('"crossing ahead"'), ["/copy", "/again"]);
  assert.deepEqual(await find('"ahead crossing"'), []);
  assert.deepEqual(await find("cross* vanilla url:again"), ["/again"], "each word somewhere, not all in one place");
  assert.deepEqual(await find("header:vanilla-bean"), ["/copy", "/again", "/zebra.js"]);
  assert.deepEqual(await find("url:vanilla"), []);
  assert.deepEqual(await find("koln grüße"), ["/api/orders"], "accents and case do not matter");
  assert.deepEqual(await find("user_id"), ["/api/orders"]);
  assert.deepEqual(await find("4711 99.50"), ["/api/orders"]);
  assert.deepEqual(await find("giraffe"), ["/said"], "what was sent");
  assert.deepEqual(await find("zebra", { limit: 2, status: 200 }), ["/copy", "/again"]);
  assert.deepEqual(await find("zebra", { status: 404 }), []);
  assert.deepEqual(await find("elephant"), []);

  // What comes later is found as well; a HAR is of the same requests; users' own SQL may look too.
  await play(host, target, `await fetch("/copy?elephant").then((r) => r.text())`);
  assert.deepEqual(await find("elephant"), ["/copy"]);
  const { log } = await host.rpc("har", { text: "body:zebra url:again" });
  assert.deepEqual(log.entries.map((entry) => new URL(entry.request.url).pathname), ["/again"]);
  assert.equal((await host.sql("SELECT count(*) AS n FROM search_body WHERE search_body MATCH 'zebra'"))[0].n, 1,
               "equal bodies are looked at once");

  // Bad input.
  for (const [text, why] of [["", /no words/], ["  ", /no words/], ["-- zebra", /no letter or digit in/], ['"zebra', /quote is not closed/],
                             ["url:", /no letter or digit/], [Array(20).fill("a").join(" "), /more than 16 words/]])
    await assert.rejects(host.rpc("network", { text }), { message: why }, text);
  assert.deepEqual(await find('ze"bra"'), [], "quotes and operators are words, not syntax");
  assert.deepEqual(await find("zebra) OR (a"), []);
  assert.deepEqual(await find("zebra AND crossing"), [], "AND is a word");

  // Deleted is not found, and row ids that come again do not find old texts.
  await host.rpc("clear", { purge: true });
  assert.deepEqual(await find("zebra"), []);
  await play(host, target, `await fetch("/said?now").then((r) => r.text())`);
  await bodies(host, 1);
  assert.deepEqual(await find("zebra"), []);
  assert.deepEqual(await find("thanks"), ["/said"]);
  assert.deepEqual(await host.sql("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
});

test("a request under way is found when it has ended", async (t) => {
  let finish;
  const pages = {
    "/": "<title>home</title>",
    "/slow": (request, response) => { response.setHeader("content-type", "text/plain"); response.write("begin "); finish = () => response.end("narwhal"); },
  };
  const { host, target } = await hostWithPage(t, pages, "/", { args: ["--launch", "1"] });
  await play(host, target, `globalThis.slow = fetch("/slow").then((r) => r.text()); await 0`);
  await until(() => finish !== undefined, "the server was asked");
  const find = async (text) => (await host.rpc("network", { text })).requests.map((row) => new URL(row.url).pathname);
  assert.deepEqual(await find("url:slow"), []);
  finish();
  await play(host, target, `await globalThis.slow`);
  await until(async () => (await find("narwhal")).length === 1, "its body is found");
  assert.deepEqual(await find("url:slow narwhal"), ["/slow"]);
});
