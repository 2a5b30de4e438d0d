// SPDX-License-Identifier: MIT
// inject and bind: what stays in a page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hostWithPage } from "./site.mjs";

const PAGES = { "/": "<script>window.seen = window.mark ?? 'none'</script>", "/two": "<p>" };

test("injected code runs in every new document, before its scripts, until it is removed", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const js = async (code) => (await host.rpc("js", { target, code })).value;
  const long = `window.mark = "set"; // ${"ü".repeat(60)}`;
  const made = await host.rpc("inject", { target, code: long });
  assert.match(made.code_preview, /^window\.mark.*ü\.\.\.$/);
  assert.equal(await js("window.seen"), "none");
  await host.rpc("navigate", { target, url: site.url });
  assert.equal(await js("window.seen"), "set");
  await host.rpc("inject", { target, code: "window.soon = 1", now: true });
  assert.equal(await js("window.soon"), 1);
  const { injections } = await host.rpc("inject_list", { target });
  assert.equal(injections.length, 2);
  assert.deepEqual(injections[0], made);
  assert.deepEqual(await host.rpc("inject_remove", { target, id: made.identifier }),
                   { removed: true, identifier: made.identifier });
  await host.rpc("navigate", { target, url: site.url });
  assert.equal(await js("window.seen"), "none");
  await assert.rejects(host.rpc("inject_remove", { target, id: made.identifier }), { code: -32011 });
});

test("calls of a bound function are console messages, in order and in the same time", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  assert.deepEqual(await host.rpc("bind", { target, name: "tell" }), { bound: true, name: "tell" });
  await host.rpc("js", { target, code: "console.log('before'); tell('it \"is\" ü'); console.log('after')" });
  const { messages } = await host.rpc("console", { target, order: "asc" });
  assert.deepEqual(messages.map(({ source, level, message }) => [source, level, message]),
                   [["console", "log", "before"], ["binding", "info", "[tell] it \"is\" ü"],
                    ["console", "log", "after"]]);
  const times = messages.map(({ timestamp }) => timestamp);
  assert.ok(Math.abs(times[1] - times[0]) < Math.abs(times[0]) / 1000, "one unit");
  await host.rpc("navigate", { target, url: site.url + "/two" });
  await host.rpc("js", { target, code: "tell('again')" });
  await host.rpc("bind_remove", { target, name: "tell" });
  await host.rpc("js", { target, code: "typeof tell === 'function' && tell('unheard')" });
  const last = (await host.rpc("console", { target, limit: 1 })).messages[0];
  assert.equal(last.message, "[tell] again");
});

test("errors", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  const fails = (method, params, code) => assert.rejects(host.rpc(method, params), { code },
                                                         `${method} ${JSON.stringify(params)}`);
  await fails("inject", { target }, -32602);
  await fails("inject", { code: "1", target: "p8:123456" }, -32011);
  await fails("inject_remove", { target, id: "77" }, -32011);
  await fails("inject_list", { target: "p8:123456" }, -32011);
  await fails("bind", { target, name: "" }, -32602);
  await fails("bind", { target, name: "x".repeat(300) }, -32602);
  await fails("bind_remove", { target, name: "unknown" }, -32011);
  await fails("bind", { target, name: "f", target_epoch: 0 }, -32003);
  await host.rpc("disconnect", { target });
  for (const [method, params] of [["inject", { code: "1" }], ["inject_list", {}],
                                  ["inject_remove", { id: "1" }], ["bind", { name: "f" }],
                                  ["bind_remove", { name: "f" }]])
    await assert.rejects(host.rpc(method, { target, ...params }),
                         ({ code }) => [-32001, -32002].includes(code), method);
});

test("code that runs on after its deadline is stopped, at once or after an await", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  for (const code of ["for (;;) {}", "await new Promise((r) => setTimeout(r)); for (;;) {}",
                      "new Promise((r) => setTimeout(() => { for (;;) {} }))"]) {
    await assert.rejects(host.rpc("js", { target, code, await_promise: true, timeout_ms: 300 }), { code: -32005 });
    assert.equal((await host.rpc("js", { target, code: "6 * 7" })).value, 42);
  }
});

test("the commands", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const inject = await host.command("inject", "window.mark = 'cli'", "--json");
  const id = JSON.parse(inject.stdout).identifier;
  await host.rpc("navigate", { target, url: site.url });
  assert.equal((await host.command("js", "window.seen")).stdout.trim(), "cli");
  assert.match((await host.command("inject", "list")).stdout, /window\.mark/);
  assert.equal((await host.command("inject", "remove", id)).code, 0);
  assert.equal((await host.command("bind", "tell")).code, 0);
  await host.command("js", "tell('me')");
  assert.match((await host.command("console")).stdout, /\[tell\] me/);
  assert.equal((await host.command("bind", "remove", "tell")).code, 0);
});
