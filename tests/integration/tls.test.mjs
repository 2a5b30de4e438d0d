// SPDX-License-Identifier: MIT
// https and wss at the front door; commands of this machine go in at the back.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import { test } from "node:test";
import tls from "node:tls";

import { scratch, startHost, troupe, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const TOKEN = "a-token-for-tests";
const STATUS = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status" });

/** A self-signed certificate for localhost and 127.0.0.1: {cert, key}, paths. */
function certificate(dir, name = "one") {
  const cert = path.join(dir, `${name}.crt`);
  const key = path.join(dir, `${name}.key`);
  const { status, stderr } = spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return { cert, key };
}

async function secured(t, args = []) {
  const dir = scratch(t);
  const files = certificate(dir);
  const host = await startHost(t, { dir, args: ["--token", TOKEN, "--tls-cert", files.cert, "--tls-key", files.key,
                                                "--listen", "127.0.0.1:0", ...args] });
  const url = await until(() => /listening (https:\S+):/.exec(host.stderr)?.[1], "it says where");
  return { host, dir, ca: fs.readFileSync(files.cert), url, ...files };
}

function request(url, ca, { method = "POST", body = STATUS, headers = {}, agent } = {}) {
  return new Promise((resolve, reject) => {
    const call = https.request(url, { method, ca, agent, headers: { "Content-Type": "application/json",
      Authorization: `Bearer ${TOKEN}`, ...headers } }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode, body: Buffer.concat(parts).toString() }));
    });
    call.on("error", reject);
    call.end(body);
  });
}

test("requests, large ones and many at once, go through TLS as they are", async (t) => {
  const { host, url, ca } = await secured(t);
  assert.equal(JSON.parse((await request(`${url}/rpc`, ca)).body).result.name, "test");
  await until(() => /WebSocket\s+wss:\S+\/ws\n/.test(host.stdout), "its WebSocket's address is told as wss");
  assert.equal((await request(`${url}/rpc`, ca, { headers: { Authorization: "Bearer wrong" } })).status, 401);
  const large = JSON.stringify({ jsonrpc: "2.0", id: "x".repeat(6 << 20), method: "clients" });
  assert.equal(JSON.parse((await request(`${url}/rpc`, ca, { body: large })).body).id.length, 6 << 20, "megabytes both ways");
  const agent = new https.Agent({ keepAlive: true, maxSockets: 8 });
  const many = await Promise.all(Array.from({ length: 200 }, () => request(`${url}/rpc`, ca, { agent })));
  assert.ok(many.every(({ status }) => status === 200));
  agent.destroy();
  await assert.rejects(request(`${url}/rpc`, undefined), /self.signed/, "who does not trust it is not fooled");
  assert.equal((await request(`${url}/rpc`, ca, { headers: { Origin: url } })).status, 200, "our own page");
  assert.equal((await request(`${url}/rpc`, ca, { headers: { Origin: url.replace("https", "http") } })).status, 403);
  await assert.rejects(fetch(url.replace("https", "http")), "plain HTTP is no TLS");
  assert.equal((await request(`${url}/healthz`, ca, { method: "GET", body: "" })).status, 200, "nobody is hurt");
  assert.equal((await host.command("status")).code, 0, "commands of this machine need no certificate");
});

test("commands reach it from elsewhere, live ones too", async (t) => {
  const { host, dir, url, cert } = await secured(t);
  const from = scratch(t);
  const run = (...args) => troupe(from, [...args, "--url", url, "--token", TOKEN]);
  assert.equal((await run("status", "--host-ca-file", cert)).code, 0);
  assert.equal((await run("follow", "--for", "50ms", "--host-ca-file", cert)).code, 0);
  const untrusted = await run("status");
  assert.equal(untrusted.code, 1, untrusted.stderr);
  assert.match(untrusted.stderr, /certificate/i);
  assert.ok(dir && host);
});

test("a browser's page and its WebSocket through https", async (t) => {
  const { url, host } = await secured(t);
  const { host: driver, target } = await hostWithPage(t, { "/": "<title>page</title>" }, "/", {
    name: "driver", args: ["--launch", "1", "--extra-args", "--ignore-certificate-errors"] });
  const { stdout } = await host.command("dashboard", "--print");
  await driver.rpc("navigate", { target, url: url + new URL(stdout.trim()).pathname });
  const { value } = await driver.rpc("js", { target, await_promise: true, code: `await new Promise((resolve, reject) => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws");
    socket.onopen = () => socket.send(${JSON.stringify(STATUS)});
    socket.onmessage = ({ data }) => resolve(JSON.parse(data).result.name);
    socket.onerror = () => reject(new Error("no WebSocket"));
  })` });
  assert.equal(value, "test");
});

test("half handshakes, garbage and sudden ends leave nothing behind", async (t) => {
  const { host, url, ca } = await secured(t);
  const port = Number(new URL(url).port);
  const descriptors = () => fs.readdirSync(`/proc/${host.pid}/fd`).length;
  await request(`${url}/rpc`, ca);
  const before = descriptors();
  const sockets = [];
  for (let i = 0; i < 60; i++) {
    const socket = (await import("node:net")).connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write([Buffer.from([22, 3, 1, 2]), crypto.randomBytes(500), Buffer.from("GET / HTTP/1.1\r\n\r\n")][i % 3]);
    sockets.push(socket);
  }
  const cut = tls.connect({ port, host: "127.0.0.1", ca, servername: "localhost" });
  await new Promise((resolve) => cut.on("secureConnect", resolve));
  cut.write("POST /rpc HTTP/1.1\r\nHost: x\r\n");
  cut.destroy();
  assert.equal((await request(`${url}/rpc`, ca)).status, 200, "others are served meanwhile");
  sockets.filter((_, i) => i % 2).forEach((socket) => socket.destroy());
  await until(() => descriptors() <= before + 2, "those that say nothing more are ended too");
});

test("what is wrong with the files is told", async (t) => {
  const dir = scratch(t);
  const { cert, key } = certificate(dir);
  const other = certificate(dir, "two");
  const serve = (...args) => troupe(dir, ["serve", "--name", "wrong", ...args]);
  const none = await serve("--tls-cert", cert, "--tls-key", key);
  assert.match(none.stderr, /needs a token/);
  for (const [args, said] of [[["--tls-cert", path.join(dir, "none.crt")], /none\.crt/], [["--tls-cert", cert], /key/i],
                              [["--tls-cert", cert, "--tls-key", other.key], /key/i], [["--tls-cert", key, "--tls-key", key], /\.key/]]) {
    const { code, stderr } = await serve("--token", TOKEN, ...args);
    assert.ok(code !== 0, args.join(" "));
    assert.match(stderr, said, args.join(" "));
  }
});
