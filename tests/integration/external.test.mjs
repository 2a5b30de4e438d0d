// SPDX-License-Identifier: MIT
// Actors outside the host: the example, written after docs/envelope.md, and peers of our own on the
// same edge. They join, serve, call, watch and die.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Json, decode, encode } from "../../examples/external-actor/msgpack.mjs";
import { defer, isAlive, startHost, until, within } from "./lib.mjs";
import { WebSocketClient } from "./websocket.mjs";

const EXAMPLE = path.resolve(path.dirname(fileURLToPath(import.meta.url)),
                             "../../examples/external-actor/actor.mjs");
const [CAST, CALL, REPLY, FAULT, EVENT, SIGNAL] = [0, 1, 2, 3, 4, 5];

/** What a fault says, as an exception. */
class Fault extends Error {
  constructor({ name, message, data }) {
    super(`${name}: ${message}`);
    Object.assign(this, { name, data });
  }
}

/** An external actor: emits what is not an answer by its verb. */
class Peer extends EventEmitter {
  #last = 0;
  #pending = new Map();
  extra = []; // answers that nobody waited for

  static async open(host, protocol = "troupe.envelope.v1") {
    const peer = new Peer();
    peer.socket = await WebSocketClient.open(`${host.url}/ws`,
                                             protocol ? { "Sec-WebSocket-Protocol": protocol } : {});
    peer.closed = once(peer.socket, "close").then(() => peer.socket.closeCode);
    peer.socket.on("binary", (message) => decode(message).forEach((each) => peer.#receive(each)));
    if (protocol) {
      assert.equal(peer.socket.protocol, protocol);
      peer.welcome = (await peer.next("welcome")).payload;
    }
    return peer;
  }

  #receive([version, kind, to, from, ref, verb, meta, payload]) {
    assert.equal(version, 1);
    const waiting = kind === REPLY || kind === FAULT ? this.#pending.get(ref) : undefined;
    this.#pending.delete(ref);
    if (kind === REPLY)
      waiting ? waiting.resolve(payload) : this.extra.push(ref);
    else if (kind === FAULT)
      waiting ? waiting.reject(new Fault(payload)) : this.extra.push(ref);
    else
      this.emit(verb, { kind, to, from, ref, meta, payload });
  }

  next(verb) {
    return within(once(this, verb).then(([envelope]) => envelope), `an envelope "${verb}"`);
  }

  send(kind, to, ref, verb, payload = null, meta = null) {
    this.socket.sendBinary(encode([1, kind, to, 0, ref, verb, meta, payload]));
  }

  call(to, verb, payload, meta = null) {
    const ref = ++this.#last;
    const answer = new Promise((resolve, reject) => this.#pending.set(ref, { resolve, reject }));
    answer.catch(() => {}); // it is looked at later
    this.send(CALL, to, ref, verb, payload, meta);
    return within(answer, `an answer to ${verb}`);
  }
}

const fails = (promise, name) => assert.rejects(promise, (error) => {
  assert.equal(error.name, name, error.message);
  return true;
});

/** The example as a process: its lines are emitted as they come. */
async function startExample(t, host, name = "adder") {
  const flags = process.allowedNodeEnvironmentFlags.has("--experimental-websocket")
    ? ["--experimental-websocket"] : [];
  const child = spawn(process.execPath, [...flags, EXAMPLE, `${host.url.replace("http", "ws")}/ws`, name],
                      { env: { ...process.env, NODE_PATH: "/usr/share/nodejs" } });
  defer(t, () => child.kill("SIGKILL"));
  const example = { child, output: "", exited: once(child, "exit").then(([code]) => code) };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => { example.output += text; });
  await until(() => /^serving: /m.test(example.output) || !isAlive(child.pid), "the example serves");
  assert.match(example.output, /^serving: /m, example.output);
  return example;
}

test("the example joins, serves, asks, watches and leaves", async (t) => {
  const host = await startHost(t);
  const example = await startExample(t, host);
  assert.match(example.output, /^joined: address \d+ of Troupe \d/m);
  assert.match(example.output, /^requests recorded: 0$/m);

  const peer = await Peer.open(host);
  const { ref, address } = await peer.call(0, "monitor", { name: "adder" });
  assert.equal(await peer.call(0, "whereis", { name: "adder" }), address);
  assert.equal(await peer.call("adder", "add", [1, 2, 39]), 42);
  assert.equal(await peer.call(address, "add", [-1, 0.5]), -0.5);
  await fails(peer.call("adder", "add", "one"), "INVALID_PARAMS");
  await fails(peer.call("adder", "subtract", []), "METHOD_NOT_FOUND");
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => peer.call("adder", "add", [i, i])));
  assert.deepEqual(answers, Array.from({ length: 500 }, (_, i) => 2 * i));

  assert.equal(await host.rpc("actor.call", { name: "adder", verb: "add", payload: [3, 4] }), 7);
  const called = await host.command("call", String(address), "add", "[5, 6]");
  assert.deepEqual([called.code, called.stdout], [0, "11\n"], called.stderr);
  const wrong = await host.command("call", "adder", "subtract");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /no such verb: subtract/);

  const down = peer.next("down");
  const posted = await host.command("post", "adder", "leave");
  assert.deepEqual([posted.code, posted.stdout], [0, ""], posted.stderr);
  const { kind, payload } = await down;
  assert.equal(kind, SIGNAL);
  assert.deepEqual(payload, { address, reason: "OK", ref });
  assert.equal(await within(example.exited, "the example ends"), 0);
  assert.match(example.output, /^left: 1000/m);
  assert.equal(await peer.call(0, "whereis", { name: "adder" }), null);
  await fails(peer.call(address, "add", []), "GONE");
  await assert.rejects(host.rpc("actor.call", { name: "adder", verb: "add" }), { wire: "NOT_FOUND" });
  peer.send(CALL, "adder", 77, "leave"); // a ref that the peer did not keep
  await until(() => peer.extra.length === 1, "its fault");
  peer.socket.close();
});

test("a peer that is killed ends as any actor", async (t) => {
  const host = await startHost(t);
  const example = await startExample(t, host);
  const peer = await Peer.open(host);
  const { address } = await peer.call(0, "monitor", { name: "adder" });
  const down = peer.next("down");

  example.child.kill("SIGSTOP"); // it answers no more
  const failures = Array.from({ length: 20 }, () => fails(peer.call("adder", "add", [1]), "CLOSED"));
  await peer.call(0, "whereis", { name: "adder" }); // they are on their way
  example.child.kill("SIGKILL");
  await Promise.all(failures);
  assert.deepEqual((await down).payload.address, address);
  assert.equal(await peer.call(0, "whereis", { name: "adder" }), null);
  await peer.call(0, "name", { name: "adder" }); // free again
  assert.deepEqual(peer.extra, []);
  peer.socket.close();
});

test("names, and calls of the host's own actors", async (t) => {
  const host = await startHost(t);
  const [one, two] = [await Peer.open(host), await Peer.open(host)];
  assert.notEqual(one.welcome.address, two.welcome.address);
  assert.equal(one.welcome.limits.message_bytes, 1 << 20);
  await one.call(0, "name", { name: "mine" });
  await fails(two.call(0, "name", { name: "mine" }), "INVALID_STATE");
  await fails(two.call(0, "name", { name: "store" }), "FORBIDDEN");
  await fails(two.call(0, "name", { name: "target/p1:abc" }), "INVALID_PARAMS");
  await fails(two.call("nobody", "v"), "NOT_FOUND");

  const { clients } = await host.rpc("clients.list");
  assert.deepEqual(clients.map((each) => each.name).sort(), [one, two].map((each) => each.welcome.client).sort());
  assert.ok("warnings" in await one.call("network", "network", new Json({ limit: 1 })));
  await fails(one.call("network", "network", new Json({ limit: "many" })), "INVALID_PARAMS");
  await fails(one.call("network", "network", new Json([1])), "INVALID_PARAMS");

  const asked = two.next("question");
  const answer = one.call(two.welcome.address, "question", { a: 1 }, { timeout_ms: 5000, trace: "t-1" });
  const question = await asked;
  assert.equal(question.from, one.welcome.address);
  assert.equal(question.meta.trace, "t-1");
  assert.ok(question.meta.timeout_ms <= 5000);
  two.send(REPLY, 0, question.ref, "reply", [question.payload, 1.5, null, "ä"]);
  two.send(REPLY, 0, question.ref, "reply", "again");
  assert.deepEqual(await answer, [{ a: 1 }, 1.5, null, "ä"]);

  const said = two.next("said");
  one.send(EVENT, two.welcome.address, 0, "said", "hello");
  assert.deepEqual((await said).payload, "hello");
  const back = one.next("undelivered");
  one.send(CAST, "nobody", 0, "said", "hello");
  assert.deepEqual((await back).payload, { to: "nobody", verb: "said", error: "NOT_FOUND" });
  assert.deepEqual([...one.extra, ...two.extra], []);
  one.socket.close();
  assert.equal(await within(one.closed, "the close is answered"), 1000);
  two.socket.close();
});

test("deadlines, cancelling and limits", async (t) => {
  const host = await startHost(t);
  const [peer, silent] = [await Peer.open(host), await Peer.open(host)];
  const to = silent.welcome.address;
  await fails(peer.call(to, "wait", null, { timeout_ms: 50 }), "TIMEOUT");
  const given = peer.call(to, "wait"); // ref 2
  peer.send(CAST, 0, 0, "cancel", { ref: 2 });
  await fails(given, "CANCELLED");

  const limit = peer.welcome.limits.calls;
  const calls = Array.from({ length: limit + 10 }, () => peer.call(to, "wait", null, { timeout_ms: 1000 }));
  const ends = await Promise.allSettled(calls);
  const names = ends.map((each) => each.reason.name);
  // Two may still be open at `silent`: those that ended here.
  assert.ok(names.filter((name) => name === "BUSY").length >= 10, names.join());
  assert.ok(names.every((name) => name === "BUSY" || name === "TIMEOUT"), names.join());
  assert.deepEqual(peer.extra, []);
  peer.socket.destroy();
  silent.socket.destroy();
});

test("what breaks the contract ends the connection, and only that", async (t) => {
  const host = await startHost(t);
  const witness = await Peer.open(host);
  const send = (bytes) => (peer) => peer.socket.sendBinary(Buffer.from(bytes));
  const rows = [
    [send([0x01]), 1007],
    [send([0x98, 0x01]), 1007],
    [send(Buffer.alloc((1 << 20) + 1)), 1009],
    [(peer) => peer.send(SIGNAL, peer.welcome.address, 0, "down"), 1008],
    [(peer) => peer.send(CALL, "store", 0, "store.sync"), 1008],
    [(peer) => peer.send(CAST, "network", 0, "a\nb"), 1007],
    [(peer) => peer.send(CAST, "x".repeat(64), 0, "v"), 1007],
    [(peer) => peer.socket.send("{}"), 1003],
  ];
  for (const [provoke, code] of rows) {
    const peer = await Peer.open(host);
    provoke(peer);
    assert.equal(await within(peer.closed, `close code ${code}`), code);
  }
  const rpc = await Peer.open(host, null);
  rpc.socket.send('{"jsonrpc":"2.0","id":1,"method":"status"}');
  const [text] = await within(once(rpc.socket, "message"), "an answer in text");
  assert.ok(JSON.parse(text).result);
  rpc.socket.close();
  assert.ok(await witness.call("network", "network"));
  await until(async () => (await host.rpc("clients.list")).clients.length === 1, "only the witness is left");
  witness.socket.close();
});

test("a host that stops says goodbye", async (t) => {
  const host = await startHost(t);
  const example = await startExample(t, host);
  const peer = await Peer.open(host);
  await host.stop();
  assert.equal(await within(peer.closed, "the peer is told"), 1001);
  assert.equal(await within(example.exited, "the example ends"), 1);
  assert.match(example.output, /^left: 1001/m);
});
