// SPDX-License-Identifier: MIT
// Bad input: one clear line and the right exit status each, and the host runs on.

import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { scratch, startHost, troupe } from "./lib.mjs";

const NEVER = "await new Promise(() => {})";

/** The command failed with that status and said why in one line. */
function failed({ code, stdout, stderr }, status, pattern) {
  assert.equal(code, status, stderr);
  const lines = stderr.trimEnd().split("\n");
  assert.equal(lines.length, 1, `one line:\n${stderr}`);
  assert.match(lines[0], pattern);
  assert.equal(stdout, "");
}

async function runsOn(host) {
  assert.equal(host.child.exitCode, null);
  assert.ok(await host.rpc("status"));
}

test("wrong flags and commands are usage errors", async (t) => {
  const dir = scratch(t);
  const cases = [
    [["serve", "--lanch", "1"], /--lanch.*--launch/],
    [["serve", "--launch", "many"], /launch.*many/],
    [["serve", "--listen"], /listen/],
    [["serve", "--mailbox", "pigeon"], /pigeon/],
    [["nosuchcommand"], /nosuchcommand/],
    [["navigate"], /./],
    [["network", "--limit", "some"], /some/],
  ];
  for (const [args, pattern] of cases)
    await t.test(args.join(" "), async () => failed(await troupe(dir, args), 2, pattern));
});

test("without a host, commands say so with status 3", async (t) => {
  const dir = scratch(t);
  for (const args of [["status"], ["pages"], ["network"], ["stop"], ["js", "1"], ["sql", "SELECT 1"]])
    await t.test(args.join(" "), async () => failed(await troupe(dir, args), 3, /host|serve/));
});

test("a busy port is named", async (t) => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  failed(await troupe(scratch(t), ["serve", "--listen", `127.0.0.1:${port}`]), 1, new RegExp(port));
  server.close();
});

test("an address beyond loopback without a token is refused", async (t) => {
  failed(await troupe(scratch(t), ["serve", "--listen", "0.0.0.0:0"]), 1, /token/);
});

test("a second host of the same name is refused, and the first runs on", async (t) => {
  const host = await startHost(t);
  const { code, stderr } = await troupe(host.dir, ["serve", "--name", host.name]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(host.name));
  await runsOn(host);
});

test("a state directory that cannot be used is named", async (t) => {
  const dir = scratch(t);
  const file = path.join(dir, "in-the-way");
  fs.writeFileSync(file, "");
  failed(await troupe(dir, ["serve"], { env: { XDG_STATE_HOME: file } }), 1, /in-the-way/);
  failed(await troupe(dir, ["serve", "--state-dir", path.join(file, "below")]), 1, /in-the-way/);
  if (process.getuid() !== 0) {
    const locked = path.join(dir, "locked");
    fs.mkdirSync(locked, { mode: 0 });
    failed(await troupe(dir, ["serve"], { env: { XDG_STATE_HOME: locked } }), 1, /locked/);
  }
});

test("a store that is not a database is named", async (t) => {
  const dir = scratch(t);
  const file = path.join(dir, "letter.db");
  fs.writeFileSync(file, "Dear Sir or Madam, this is not a database. ".repeat(100));
  failed(await troupe(dir, ["serve", "--store", file]), 1, /letter\.db/);
});

test("a browser that is missing or does not run fails the launch, not the host", async (t) => {
  const dir = scratch(t);
  const script = (name, text, mode = 0o755) => {
    fs.writeFileSync(path.join(dir, name), text, { mode });
    return path.join(dir, name);
  };
  const cases = {
    missing: [path.join(dir, "nobody"), /nobody/],
    "not executable": [script("plain", "#!/bin/sh\n", 0o644), /plain/],
    "no program": [script("garbage", "\x7fELFgarbage"), /garbage/],
    "ends at once": [script("quitter", "#!/bin/sh\nexit 3\n"), /did not start.*quitter/],
    "never answers": [script("mute", "#!/bin/sh\nexec sleep 1000\n"), /did not start.*mute/],
  };
  for (const [what, [executable, reason]] of Object.entries(cases)) {
    await t.test(what, async (t) => {
      const host = await startHost(t, { args: ["--executable", executable,
                                               "--launch-timeout", "2s"] });
      await assert.rejects(host.rpc("browsers.launch"), ({ code, message }) => {
        assert.ok(code < 0);
        assert.match(message, reason);
        assert.ok(!message.includes("\n"), message);
        return true;
      });
      const launch = await host.command("launch");
      failed(launch, 1, reason);
      await runsOn(host);
    });
  }
});

test("malformed JSON-RPC is answered as the standard demands", async (t) => {
  const host = await startHost(t);
  const call = (method, params) => JSON.stringify({ jsonrpc: "2.0", id: 7, method, params });
  const cases = [
    ["{", -32700], ["", -32700], ["\0", -32700], ["[1,", -32700], ["nonsense", -32700],
    ["[]", -32600], ["1", -32600], ['"status"', -32600], ["{}", -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"status"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    [call("no.such.method"), -32601],
    [call("network", { limit: "ten" }), -32602], [call("network", { limt: 10 }), -32602],
    [call("open", {}), -32602], [call("status", 7), -32600],
    [call("js", { target: "p1:nobody", code: "1" }), -32011],
    [call("query.sql", { sql: "DELETE FROM request" }), -32602],
  ];
  for (const [body, code] of cases) {
    await t.test(body, async () => {
      const answer = await host.post(body);
      assert.equal(answer.error?.code, code, JSON.stringify(answer));
      assert.equal(answer.jsonrpc, "2.0");
      assert.ok(answer.error.message.length > 0);
    });
  }
  await t.test("a batch answers each member on its own", async () => {
    const answers = await host.post(`[1, ${call("status")}, {"jsonrpc":"2.0","method":"status"}]`);
    assert.deepEqual(answers.map(({ error }) => error?.code), [-32600, undefined]);
  });
  await t.test("nesting without end", async () => {
    const answer = await host.post("[".repeat(100000));
    assert.equal(answer.error?.code, -32008);
  });
  await t.test("over WebSocket too", async () => {
    const socket = await host.socket();
    socket.sendText("{");
    socket.sendText("[]");
    assert.ok(await socket.call("status"));
    socket.close();
  });
  await runsOn(host);
});

test("other paths and methods are refused", async (t) => {
  const host = await startHost(t);
  const json = { "Content-Type": "application/json" };
  assert.equal((await host.request("GET", "/nothing-here")).status, 404);
  assert.equal((await host.request("GET", "/rpc")).status, 405);
  assert.equal((await host.request("DELETE", "/rpc", { headers: json })).status, 405);
  assert.equal((await host.request("GET", "/healthz")).status, 200);
  assert.ok((await host.request("GET", "/../../../etc/passwd")).status >= 400);
  await runsOn(host);
});

test("unknown targets and browsers are named", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  await assert.rejects(host.rpc("connect", { target: "nobody" }), ({ message }) => /nobody/.test(message));
  await assert.rejects(host.rpc("close", { target: "nobody" }), ({ message }) => /nobody/.test(message));
  await assert.rejects(host.rpc("open", { url: "about:blank", browser: "nobody" }),
                       ({ message }) => /nobody/.test(message));
  await assert.rejects(host.rpc("browsers.close", { browser: "nobody" }),
                       ({ message }) => /nobody/.test(message));
  await assert.rejects(host.rpc("request", { id: 999999 }), ({ message }) => /999999/.test(message));
  failed(await host.command("js", "--target", "nobody", "1"), 1, /nobody/);
  await runsOn(host);
});

test("a port where no browser listens is told", async (t) => {
  const server = net.createServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nhello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const deaf = server.address().port;
  const host = await startHost(t);
  const closed = net.createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address();
  closed.close();
  for (const each of [port, deaf]) {
    const answer = await host.rpc("ports.add", { port: each }).catch((error) => error);
    assert.match(JSON.stringify(answer) + answer.message, /unreachable|refused|no browser|not a browser|UNAVAILABLE/i);
  }
  await runsOn(host);
  server.close();
});

test("a page that closes in mid-call ends the call", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  const pending = host.rpc("js", { target, code: NEVER, await_promise: true });
  pending.catch(() => {}); // it may end before `close` answers
  await host.rpc("js", { target, code: "1" });
  await host.rpc("close", { target });
  await assert.rejects(pending, ({ wire, message }) =>
    ["CLOSED", "GONE", "CDP_ERROR"].includes(wire) && !message.includes("\n"));
  const later = await host.rpc("js", { target, code: "1" }).catch((error) => error);
  assert.ok([-32011, -32012].includes(later.code), later.message);
  await runsOn(host);
});

test("a page that crashes in mid-call ends the call", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const { target } = await host.rpc("open", { url: "about:blank" });
  const pending = host.rpc("js", { target, code: NEVER, await_promise: true });
  pending.catch(() => {});
  await host.rpc("js", { target, code: "1" });
  await host.rpc("cdp", { target, command: "Page.crash", timeout_ms: 5000 }).catch(() => {});
  await assert.rejects(pending, ({ wire }) => ["CLOSED", "GONE", "CDP_ERROR", "INVALID_STATE"].includes(wire));
  await runsOn(host);
});
