// SPDX-License-Identifier: MIT
// An actor outside the host, written after docs/envelope.md. It joins over WebSocket, takes the name
// "adder" and answers calls `add` [a, b]; it asks an actor of the host for something, watches
// another, and leaves when it is told to (cast `leave`) or the host does.
//
//   node --experimental-websocket examples/external-actor/actor.mjs ws://127.0.0.1:37650/ws
//
// Node 22 needs no flag; older ones without a WebSocket of their own use the package `ws`.

import { createRequire } from "node:module";

import { Json, decode, encode } from "./msgpack.mjs";

const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)("ws");
const [CAST, CALL, REPLY, FAULT, EVENT, SIGNAL] = [0, 1, 2, 3, 4, 5];
const EDGE = 0; // the host's own end of the connection, as a receiver

const url = process.argv[2] ?? "ws://127.0.0.1:37650/ws";
const name = process.argv[3] ?? "adder";
const socket = new WebSocket(url, ["troupe.envelope.v1"]);
socket.binaryType = "arraybuffer";

/* Sending: [version, kind, to, from, ref, verb, meta, payload] ------------------------------- */

function send(kind, to, ref, verb, payload = null, meta = null) {
  socket.send(encode([1, kind, to, 0, ref, verb, meta, payload]));
}

const pending = new Map(); // ref -> how to end the call
let lastRef = 0;

/** Call an actor by name or address; resolves with the reply's payload. */
function call(to, verb, payload, timeout_ms = 5000) {
  const ref = ++lastRef;
  send(CALL, to, ref, verb, payload, { timeout_ms });
  return new Promise((resolve, reject) => pending.set(ref, { resolve, reject }));
}

function answered({ kind, ref, payload }) {
  const waiting = pending.get(ref);
  pending.delete(ref);
  if (kind === REPLY)
    waiting?.resolve(payload);
  else
    waiting?.reject(new Error(`${payload.name}: ${payload.message}`));
}

/* Serving ------------------------------------------------------------------------------------ */

const fault = (code, name, message) => ({ code, name, message, data: null });

function serve({ verb, ref, from, payload }) {
  if (verb !== "add")
    send(FAULT, from, ref, "fault", fault(3, "METHOD_NOT_FOUND", `no such verb: ${verb}`));
  else if (!Array.isArray(payload) || !payload.every(Number.isFinite))
    send(FAULT, from, ref, "fault", fault(4, "INVALID_PARAMS", "add takes an array of numbers"));
  else
    send(REPLY, from, ref, "reply", payload.reduce((sum, each) => sum + each, 0));
}

/* What comes in ------------------------------------------------------------------------------ */

function receive(envelope) {
  const { kind, verb, payload } = envelope;
  if (kind === REPLY || kind === FAULT)
    answered(envelope);
  else if (kind === CALL)
    serve(envelope);
  else if (kind === CAST && verb === "leave")
    socket.close(1000);
  else if (kind === EVENT && verb === "welcome")
    joined(payload).catch((error) => { console.error(error.message); socket.close(1000); });
  else if (kind === SIGNAL && verb === "down")
    console.log("down:", payload.address, payload.reason);
  else
    console.log("received:", verb, JSON.stringify(payload));
}

async function joined({ address, version }) {
  console.log("joined: address", address, "of Troupe", version);
  await call(EDGE, "name", { name });
  const { ref } = await call(EDGE, "monitor", { name: "network" });
  console.log("monitor:", ref);
  const { requests } = await call("network", "network", new Json({ limit: 3 }));
  console.log("requests recorded:", requests.length);
  console.log("serving:", name);
}

socket.onmessage = ({ data }) => {
  for (const [, kind, , from, ref, verb, , payload] of decode(data))
    receive({ kind, from, ref, verb, payload });
};
socket.onerror = () => console.error("cannot reach", url);
socket.onclose = ({ code, reason }) => {
  for (const { reject } of pending.values())
    reject(new Error("the connection closed"));
  console.log("left:", code, reason);
  process.exitCode = code === 1000 ? 0 : 1;
};
