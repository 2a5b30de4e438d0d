// SPDX-License-Identifier: MIT
// The shell: from a pipe, and with real keys on a terminal of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { environment, troupe, TROUPE, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = { "/": "<title>shell page</title>" };

function piped(host, input, ...args) {
  return troupe(host.dir, ["shell", "--name", host.name, ...args], { input });
}

test("lines from a pipe run, each with the result of the one before", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  const { code, stdout, stderr } = await piped(host, `# a comment
js document.title
page --target ${target}
js "'$_.title'" --target $_.target
js '1 +
2'
network {"limit": 1}
rpc.describe {"method": "stop"}
_
`);
  assert.equal(code, 0, stderr);
  assert.ok(stdout.startsWith("shell page\n"), stdout);
  assert.match(stdout, /\n3\n/, "a line that is open goes on");
  assert.match(stdout, /"requests":/);
  assert.equal(JSON.parse(stdout.trim().split("\n").at(-1)).methods[0].name, "stop");
});

test("the first failure ends it, unless it is to go on", async (t) => {
  const { host } = await hostWithPage(t, PAGES);
  const first = await piped(host, "js 'throw new Error(\"no\")'\njs 1\n");
  assert.equal(first.code, 1);
  assert.doesNotMatch(first.stdout, /1/);
  const all = await piped(host, "nosuch\njs 'one'\njs $_.nothing\nexit\njs 2\n", "--keep-going");
  assert.match(all.stderr, /unknown command 'nosuch'/);
  assert.match(all.stderr, /no part/);
  assert.doesNotMatch(all.stdout, /2/);
  assert.equal((await piped(host, "js 'open\n")).code, 2);
  assert.deepEqual(fs.readdirSync(path.join(host.dir, "state/troupe"))
    .filter((name) => name.startsWith("shell-result")), []);
});

test("on a terminal: completion, history, Ctrl-C, Ctrl-D", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  const child = spawn("script", ["-qec", `exec ${TROUPE} shell --name ${host.name}`, "/dev/null"],
                      { env: { ...environment(host.dir), TERM: "xterm" }, stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text) => { shown += text; });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const see = (text) => until(() => shown.includes(text), `${JSON.stringify(text)} is shown in ${JSON.stringify(shown)}`);
  await see("Tab completes");
  // What is typed before it reads is lost: an empty line until it answers with another prompt.
  await until(() => child.stdin.write("\r") && shown.split("troupe> ").length > 3, "it reads");
  shown = "";
  child.stdin.write("filters.en\tA\t\r"); // a method
  await see('"enabled"');
  child.stdin.write(`page --tar\t ${target.slice(0, 5)}\t\r`); // an option, an id
  await see("shell page");
  child.stdin.write("js 'await new Promise(() => {})'\r");
  await until(async () => (await host.rpc("metrics")).browsers.p1.in_flight > 0, "it waits");
  shown = "";
  child.stdin.write("\x03");
  await see("troupe> ");
  child.stdin.write("js '6 * 7'\r");
  await see("42");
  // What comes between a command's end and the reading of keys is the terminal's: it may be lost
  // or leave a part of itself on the line. Ctrl-U empties the line, and keys are sent until taken.
  shown = "";
  await until(() => child.stdin.write("\x15\x1b[A\r") && shown.includes("42"), "the line before runs");
  child.stdin.on("error", () => {});
  await until(() => {
    child.stdin.write("\x15\x04");
    return child.exitCode !== null || child.signalCode !== null;
  }, "it ends");
  assert.equal(await exited, 0);
  const history = path.join(host.dir, "state/troupe/shell.history");
  assert.equal(fs.statSync(history).mode & 0o777, 0o600);
  assert.match(fs.readFileSync(history, "utf8"), /6(\\040| )\*/);
});
