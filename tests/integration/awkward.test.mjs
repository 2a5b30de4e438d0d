// SPDX-License-Identifier: MIT
// Awkward elements: what we do with each, and what Playwright does on the same page. docs/input.md has
// this table; where the two differ, a case says so.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { awkwardPage, FRAME } from "./awkward.mjs";
import { defer, startHost, until } from "./lib.mjs";
import { serve } from "./site.mjs";

// For what is to be refused; anything else has time enough.
const waitOf = ([, , wanted]) => (wanted.startsWith("refused") ? 900 : 15000);
const peers = path.resolve(import.meta.dirname, "../peers/node_modules/playwright-core/index.mjs");

// [element, what is done, what comes of it: an event or value, or "refused: why"; {prepare: code that
// runs before, playwright: what that does where it is another thing}]
const CASES = [
  ["#plain", "click", "click plain"],
  ["#moving", "click", "click moving"],
  ["#below", "click", "click below"],
  ["#nested", "click", "click nested"],
  ["#covered", "click", "refused: covered"],
  ["#uncovered", "click", "click uncovered", { prepare: "setTimeout(() => veil.remove(), 300)" }],
  ["#disabled", "click", "refused: disabled"],
  ["#fieldset", "click", "refused: disabled"],
  ["#aria", "click", "refused: disabled"],
  ["#tardy", "click", "click tardy", { prepare: "setTimeout(() => { tardy.disabled = false }, 300)" }],
  ["#leaving", "click", "refused: missing", { prepare: "leaving.remove()" }],
  ["#leaving", "click", "click leaving", { prepare: `const old = leaving; old.remove(); setTimeout(() => document.body.append(old), 300)` }],
  ["#jumping", "click", "click jumping", { prepare: `let n = 0; const timer = setInterval(() => {
    jumping.style.left = 210 + 20 * (++n % 5) + "px"; if (n > 20) clearInterval(timer); }, 16)` }],
  ["#faint", "click", "click faint"],
  ["#clipped", "click", "click clipped"],
  ["#invisible", "click", "refused: hidden"],
  ["#none", "click", "refused: hidden"],
  ["#empty", "click", "refused: hidden"],
  ["#zoomed", "click", "click zoomed"],
  ["#rotated", "click", "click rotated"],
  ["#through", "click", "refused: covered"],
  ["#inert", "click", "refused: covered"],
  ["#label", "click", "click checkbox"],
  ["#content", "click", "click content"],
  ["#parent", "click", "click parent"],
  ["#wrapped", "click", "click wrapped"],
  ["#shadowed", "click", "click shadowed"],
  ["#sealed", "click", "refused: missing"], // in a closed shadow root
  ["#frame >> #framed", "click", "framed"],
  ["#foreign >> #framed", "click", "framed"],
  ["#missing", "click", "refused: missing"],
  ["#text", "type", "typed"],
  ["#area", "type", "typed"],
  ["#edit", "type", "typed"],
  ["#shadowtext", "type", "typed"],
  ["#readonly", "type", "refused: readonly"],
  ["#plain", "type", "refused: wrong"],
  ["#number", "type", "42", { text: "42" }],
  ["#one", "select", "b", { values: ["b"] }],
  ["#one", "select", "refused: option", { values: ["nothing"] }],
  ["#one", "select", "refused: disabled", { values: ["c"] }],
  ["#many", "select", "x,z", { values: ["x", "z"] }],
  ["#plain", "select", "refused: wrong", { values: ["x"] }],
  ["#single", "upload", "one file"],
  ["#file", "upload", "one file"], // hidden
  ["#plain", "upload", "refused: wrong"],
];

const VALUE = `(selector) => { const at = (root) => root.querySelector(selector) ??
    [...root.querySelectorAll("*")].map((e) => e.shadowRoot && at(e.shadowRoot)).find(Boolean);
  const e = at(document); return e.localName === "select" ? [...e.selectedOptions].map((o) => o.value).join()
    : e.files ? (e.files.length === 1 ? "one file" : "none") : e.isContentEditable ? e.textContent : e.value }`;

/** Ours: the host, one page, one case after the other. */
async function ourSide(t, site) {
  const host = await startHost(t, { args: ["--launch", "1", "--extra-args", "--site-per-process"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  const js = async (code) => (await host.rpc("js", { target, code })).value;
  const foreign = () => until(async () => (await host.rpc("targets")).targets
    .find(({ type, url, connected }) => type === "iframe" && connected && url.endsWith("/frame")), "the frame of another site");
  return {
    load: () => host.rpc("navigate", { target, url: `${site.url}/`, wait: "load" }),
    js,
    async act(one, file) {
      const [selector, action, , more = {}] = one;
      const call = { target, selector, wait_ms: waitOf(one) };
      if (selector.startsWith("#foreign >> "))
        Object.assign(call, { target: (await foreign()).target, selector: selector.slice(12) });
      const params = { click: {}, type: { text: more.text ?? "typed", clear: true, delay_ms: 0 }, select: { values: more.values },
                       upload: { files: file } }[action];
      return host.rpc(action, { ...call, ...params }).then(() => null, ({ data, message }) => data?.check ?? message);
    },
  };
}

/** Playwright's. */
async function theirSide(t, site) {
  const { chromium } = await import(peers);
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell", args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--site-per-process", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"] });
  defer(t, () => browser.close());
  const page = await browser.newPage({ viewport: { width: 780, height: 585 } });
  return {
    version: browser.version(),
    load: () => page.goto(`${site.url}/`, { waitUntil: "load" }),
    js: (code) => page.evaluate(code),
    async act(one, file) {
      const [selector, action, , more = {}] = one;
      const options = { timeout: waitOf(one) };
      const [frame, inner] = selector.split(" >> ");
      const it = inner ? page.frameLocator(frame).locator(inner) : page.locator(selector);
      const acts = {
        click: () => it.click(options),
        type: async () => { await it.fill("", options); await it.pressSequentially(more.text ?? "typed", options); },
        select: () => it.selectOption(more.values, options),
        upload: () => it.setInputFiles(file, options),
      };
      return acts[action]().then(() => null, (error) => error.message);
    },
  };
}

/** What came of it: an event or value, or null. */
async function outcome(side, [selector, action]) {
  if (action !== "click")
    return side.js(`(${VALUE})(${JSON.stringify(selector)})`);
  return (await side.js("events.splice(0)")).filter((event) => event !== "alert").at(-1) ?? null;
}

async function run(side, one, file) {
  await side.load();
  if (one[3]?.prepare)
    await side.js(`{ ${one[3].prepare} }`);
  const failed = await side.act(one, file);
  if (failed !== null)
    return { refused: failed };
  if (one[2].startsWith("refused"))
    return { got: await outcome(side, one) };
  return { got: await until(async () => (await outcome(side, one)) || null, `${one[0]} does something`) };
}

test("each awkward element: as the table says, and as Playwright does", async (t) => {
  const other = await serve(t, { "/frame": FRAME });
  const site = await serve(t, { "/": awkwardPage(`http://localhost:${other.port}`), "/frame": FRAME });
  const compare = fs.existsSync(peers); // make test fetches it; without a network it cannot
  if (!compare)
    t.diagnostic("Playwright is not there: only our own outcomes are looked at");
  const [ours, theirs] = await Promise.all([ourSide(t, site), compare && theirSide(t, site)]);
  const file = path.resolve(import.meta.dirname, "lib.mjs");
  const table = [];
  for (const one of CASES) {
    const [selector, action, wanted] = one;
    const name = `${action} ${selector}${one[3]?.prepare ? ` after ${one[3].prepare.slice(0, 40)}` : ""}`;
    await t.test(name, async () => {
      const [we, they] = await Promise.all([run(ours, one, file), compare && run(theirs, one, file)]);
      const refused = wanted.startsWith("refused: ");
      if (refused)
        assert.equal(`refused: ${we.refused}`, wanted, JSON.stringify(we));
      else
        assert.equal(we.got, wanted, JSON.stringify(we));
      if (!compare)
        return;
      const same = Boolean(they.refused) === refused && (refused || they.got === wanted);
      const known = one[3]?.playwright;
      assert.equal(same, known === undefined, `Playwright: ${JSON.stringify(they).slice(0, 300)}`);
      table.push(`| \`${selector}\` | ${action} | ${wanted} | ${known ?? "the same"} |`);
    });
  }
  if (process.env.TROUPE_PRINT_TABLE)
    console.error(table.join("\n"));
  const documented = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/input.md"), "utf8");
  for (const line of table)
    assert.ok(documented.includes(line), `docs/input.md has: ${line}`);
});
