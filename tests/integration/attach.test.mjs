// SPDX-License-Identifier: MIT
// Browsers that were not launched: attached by port, address, URL, Unix socket, through relays and
// proxies; lost, found again, refused. The browsers are real, what stands before them is Node.

import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { defer, run, scratch, startBrowser, startHost, until } from "./lib.mjs";

/** Listen; ends with the test, its connections too. */
async function listen(t, server, where = { port: 0, host: "127.0.0.1" }) {
  const sockets = new Set();
  for (const event of ["connection", "secureConnection"])
    server.on(event, (socket) => {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    });
  server.cut = () => sockets.forEach((socket) => socket.destroy());
  server.listen(where);
  await once(server, "listening");
  server.end = () => new Promise((resolve) => {
    server.close(resolve);
    server.cut();
  });
  defer(t, () => server.end());
  return server.address().port;
}

/** Bytes both ways, until either ends. */
function join(a, b) {
  a.pipe(b).pipe(a);
  for (const [one, other] of [[a, b], [b, a]])
    one.on("error", () => other.destroy()).on("close", () => other.destroy());
}

const tcpRelay = (port) => net.createServer((socket) => join(socket, net.connect(port, "127.0.0.1")));

/**
 * A relay of HTTP and WebSockets below /p, as stand before browsers in clusters: it wants a token,
 * says "localhost" to the browser, and passes its answers on as they are.
 */
function httpRelay(options, port, tokens) {
  const server = https.createServer(options);
  const refused = (request) => {
    server.asked.push(`${request.method} ${request.url}`);
    return !tokens.has(request.headers.authorization?.replace("Bearer ", ""));
  };
  server.asked = [];
  server.on("request", (request, response) => {
    if (refused(request) || !request.url.startsWith("/p/"))
      return response.writeHead(401).end();
    http.get({ host: "127.0.0.1", port, path: request.url.slice(2) }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    }).on("error", () => response.writeHead(502).end());
  });
  server.on("upgrade", (request, socket, head) => {
    if (refused(request))
      return socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    const browser = net.connect(port, "127.0.0.1", () => {
      const headers = { ...request.headers, host: "localhost", authorization: undefined };
      browser.write(`GET ${request.url.slice(2)} HTTP/1.1\r\n${Object.entries(headers)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
      browser.write(head);
      join(socket, browser);
    });
    browser.on("error", () => socket.destroy());
  });
  return server;
}

/** An authority and a certificate of it for 127.0.0.1, as files. */
async function certificates(t) {
  const dir = scratch(t);
  const at = (name) => path.join(dir, name);
  const openssl = (...args) => run("openssl", args).then(({ code, stderr }) =>
    assert.equal(code, 0, stderr));
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-days", "2"];
  await openssl(...request, "-subj", "/CN=authority", "-keyout", at("ca.key"), "-out", at("ca.pem"));
  await openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=relay", "-keyout", at("key.pem"), "-out", at("request.pem"));
  fs.writeFileSync(at("names"), "subjectAltName=IP:127.0.0.1\n");
  await openssl("x509", "-req", "-days", "2", "-in", at("request.pem"), "-CA", at("ca.pem"), "-CAkey",
                at("ca.key"), "-CAcreateserial", "-extfile", at("names"), "-out", at("cert.pem"));
  return { ca: at("ca.pem"), cert: fs.readFileSync(at("cert.pem")), key: fs.readFileSync(at("key.pem")) };
}

function secret(t, text) {
  const file = path.join(scratch(t), "token");
  fs.writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}

const port = async (host, browser) =>
  (await host.rpc("ports.list")).ports.find((each) => each.browser === browser);

const status = (host, browser, wanted) =>
  until(async () => {
    const row = await port(host, browser);
    return row?.status === wanted && row;
  }, `${browser} is ${wanted}`);

/** It is really there: a page is opened and answers. */
async function checkWorks(host, browser) {
  const { target } = await host.rpc("open", { url: "data:text/html,<title>here</title>", browser });
  const { value } = await host.rpc("js", { target, code: "6 * 7" });
  assert.equal(value, 42);
  return target;
}

/** Kill it, and wait until nobody listens on its port. */
async function kill(chrome) {
  chrome.kill("SIGKILL");
  await chrome.exited;
  await until(() => new Promise((resolve) => {
    const socket = net.connect(chrome.port, "127.0.0.1", () => resolve(socket.destroy() && false));
    socket.on("error", () => resolve(true));
  }), "its port is free");
}

async function webSocketOf(port) {
  const response = await fetch(`http://127.0.0.1:${port}/json/version`);
  return (await response.json()).webSocketDebuggerUrl;
}

test("by number, address and URL; the same one again", async (t) => {
  const host = await startHost(t);
  const chrome = await startBrowser(t);
  const added = await host.rpc("ports.add", { port: chrome.port });
  assert.deepEqual(added, { browser: String(chrome.port), status: "registered", port: chrome.port });
  await checkWorks(host, added.browser);
  for (const again of [String(chrome.port), `127.0.0.1:${chrome.port}`,
                       `http://127.0.0.1:${chrome.port}/`])
    assert.deepEqual(await host.rpc("ports.add", { port: again }), added);

  // The same browser by another address is told, and not attached twice.
  for (const other of [`localhost:${chrome.port}`, await webSocketOf(chrome.port)]) {
    const answer = await host.rpc("ports.add", { port: other });
    assert.equal(answer.status, "duplicate");
    assert.match(answer.warning, new RegExp(`there already as ${chrome.port}`));
  }
  const { ports } = await host.rpc("ports.list");
  assert.equal(ports.length, 1);
  const [{ since, target_count, watched_count, ...row }] = ports;
  assert.deepEqual(row, { browser: added.browser, port: chrome.port, status: "active", reason: "",
                          endpoint: `http://127.0.0.1:${chrome.port}`, attempts: 0, last_error: "" });
  assert.ok(Math.abs(Date.now() - since) < 60000);
  const its = (await host.rpc("targets.get")).targets.filter((one) => one.target.startsWith(`${added.browser}:`));
  assert.ok(its.length > 0);
  assert.deepEqual([target_count, watched_count], [its.length, 0]);
  await host.rpc("watch", { targets: [its[0].target] });
  assert.equal((await host.rpc("ports.list")).ports[0].watched_count, 1);
  await assert.rejects(host.rpc("ports.add", { port: chrome.port, as: "other" }), { wire: "INVALID_STATE" });

  const attached = (await host.rpc("targets.get")).connected.filter((id) => id.startsWith(`${added.browser}:`));
  assert.ok(attached.includes(its[0].target));

  // Let go of, it lives on; then by the WebSocket's own URL, and by a name.
  assert.deepEqual(await host.rpc("ports.remove", { port: `127.0.0.1:${chrome.port}` }),
                   { closed: true, browser: added.browser, removed: true, port: `127.0.0.1:${chrome.port}`, disconnected: attached });
  await assert.rejects(host.rpc("ports.remove", { port: chrome.port }), { wire: "NOT_FOUND" });
  const direct = await host.rpc("ports.add", { port: await webSocketOf(chrome.port), as: "lab" });
  assert.deepEqual(direct, { browser: "lab", status: "registered", port: chrome.port });
  await checkWorks(host, "lab");
  assert.equal((await host.rpc("ports.remove", { port: "lab" })).browser, "lab");
  const named = await host.rpc("ports.add", { port: `localhost:${chrome.port}` });
  assert.equal(named.browser, String(chrome.port));
  await checkWorks(host, named.browser);
});

test("what is no browser is told", async (t) => {
  const host = await startHost(t);
  const warned = async (port, params = {}) => {
    const { status, warning } = await host.rpc("ports.add", { port, ...params });
    assert.equal(status, "unreachable");
    return warning;
  };
  const web = http.createServer((request, response) =>
    request.url.startsWith("/json") ? response.writeHead(404).end() : response.end("<html>"));
  const page = http.createServer((request, response) => response.end("<!doctype html><p>hello"));
  const silent = net.createServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
  const ports = [];
  for (const server of [web, page, silent])
    ports.push(await listen(t, server));
  assert.match(await warned(ports[0]), /a web server is there, but no browser.*status 404/);
  assert.match(await warned(ports[1]), /a web server is there.*a page/);
  assert.match(await warned(ports[2]), new RegExp(`http://127.0.0.1:${ports[2]}: .`));
  assert.match(await warned(`https://127.0.0.1:${ports[1]}`), /TLS|SSL/);
  await silent.end();
  assert.match(await warned(ports[2]), /nobody can be reached there: Connection refused/);
  assert.match(await warned("unix:/no/such.sock"), /unix:\/no\/such.sock: nobody can be reached/);
  assert.match(await warned("no-such-host.invalid:9222", { proxy: "none" }), /no such name/);
  assert.match(await warned("browser.example:9222", { proxy: `http://127.0.0.1:${ports[0]}` }),
               /browser.example:9222: the proxy answered CONNECT with status \d+|CONNECT/);
  const chrome = await startBrowser(t);
  const bad = { page: `ws://127.0.0.1:${chrome.port}/devtools/page/ABC`, none: "x", zero: 0 };
  await assert.rejects(host.rpc("ports.add", { port: bad.page }), /WebSocket of a page/);
  await assert.rejects(host.rpc("ports.add", { port: bad.none }), /port \(1 to 65535\) is missing/);
  await assert.rejects(host.rpc("ports.add", { port: bad.zero }), /1 to 65535/);
  const unknown = await warned(`ws://127.0.0.1:${chrome.port}/devtools/browser/unknown`);
  assert.match(unknown, /status 404/);
  assert.deepEqual(await host.rpc("ports.list"), { ports: [] });
});

test("killed and started again on the same port, it is found again", async (t) => {
  const host = await startHost(t);
  const first = await startBrowser(t);
  const { browser } = await host.rpc("ports.add", { port: first.port });
  await checkWorks(host, browser);
  await kill(first);
  const lost = await until(async () => {
    const row = await port(host, browser);
    return row.attempts > 1 && row;
  }, "it is tried again");
  assert.equal(lost.status, "unreachable");
  assert.match(lost.reason, /Connection refused/);
  assert.equal(lost.last_error, lost.reason);
  assert.ok(lost.next_ms >= 0 && lost.next_ms <= 30000);
  const again = await host.rpc("ports.add", { port: first.port });
  assert.equal(again.status, "unreachable");
  await startBrowser(t, { at: first.port });
  const found = await status(host, browser, "active");
  assert.equal(found.attempts, 0);
  assert.equal(found.reason, "");
  assert.ok(found.since >= lost.since);
  await checkWorks(host, browser);
});

test("a port that another program took over is told, and left alone", async (t) => {
  const host = await startHost(t);
  const chrome = await startBrowser(t);
  const { browser } = await host.rpc("ports.add", { port: chrome.port });
  await kill(chrome);
  const asked = [];
  const web = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.setHeader("Content-Type", "text/html").end("<!doctype html>");
  });
  await listen(t, web, { port: chrome.port, host: "127.0.0.1" });
  await until(async () => /a web server is there/.test((await port(host, browser)).reason),
              "it is told who is there");
  assert.deepEqual([...new Set(asked)], ["GET /json/version"]);
  await web.end();
  await startBrowser(t, { at: chrome.port });
  await status(host, browser, "active");
  await checkWorks(host, browser);
});

test("over a Unix socket", async (t) => {
  const host = await startHost(t);
  const chrome = await startBrowser(t);
  const socket = path.join(scratch(t), "devtools.sock");
  await listen(t, tcpRelay(chrome.port), { path: socket });
  const added = await host.rpc("ports.add", { port: `unix:${socket}` });
  assert.deepEqual(added, { browser: "r1", status: "registered" });
  await checkWorks(host, "r1");
  assert.equal((await port(host, "r1")).endpoint, `unix:${socket}`);
  const same = await host.rpc("ports.add", { port: chrome.port });
  assert.match(same.warning, /there already as r1/);
});

test("through a relay over TLS that wants a token; one that is refused is not tried again", async (t) => {
  const host = await startHost(t);
  const chrome = await startBrowser(t);
  const files = await certificates(t);
  const tokens = new Set(["first"]);
  const relay = httpRelay(files, chrome.port, tokens);
  const address = `127.0.0.1:${await listen(t, relay)}`;
  const token_file = secret(t, "first");
  const params = { port: `https://${address}/p`, as: "far", token_file, ca_file: files.ca };

  const untrusted = await host.rpc("ports.add", { ...params, ca_file: undefined });
  assert.equal(untrusted.status, "unreachable");
  assert.match(untrusted.warning, /certificate/);
  const open = path.join(scratch(t), "open");
  fs.writeFileSync(open, "first", { mode: 0o644 });
  await assert.rejects(host.rpc("ports.add", { ...params, token_file: open }), /chmod 600/);
  assert.deepEqual(relay.asked, []);

  assert.equal((await host.rpc("ports.add", params)).status, "registered");
  await checkWorks(host, "far");
  assert.match(relay.asked.at(-1), /^GET \/p\/devtools\/browser\//);

  // The token is changed at both ends: the file is read anew.
  tokens.clear();
  tokens.add("second");
  fs.writeFileSync(token_file, "second");
  const before = relay.asked.length;
  relay.cut();
  await until(() => relay.asked.length > before, "it is tried again");
  await status(host, "far", "active");
  await checkWorks(host, "far");

  // Refused: it stays on the list, and is left alone until it is added again.
  tokens.clear();
  relay.cut();
  const refused = await status(host, "far", "unauthorized");
  assert.match(refused.reason, /status 401: the token is refused/);
  const count = relay.asked.length;
  const again = await host.rpc("ports.add", params);
  assert.equal(again.status, "unauthorized");
  assert.match(again.warning, /status 401/);
  assert.equal(relay.asked.length, count + 1, "only because it was added again");
  tokens.add("third");
  const { warning } = await host.rpc("ports.add", { ...params, token_file: secret(t, "third") });
  assert.equal(warning, undefined);
  await checkWorks(host, "far");

  // By the WebSocket's own URL. A token in the query is nowhere to be seen.
  await host.rpc("ports.remove", { port: "far" });
  const url = `wss://${address}/p${new URL(await webSocketOf(chrome.port)).pathname}?token=s3cret`;
  await host.rpc("ports.add", { ...params, port: url, token_file: secret(t, "third") });
  await checkWorks(host, "far");
  const shown = JSON.stringify([await host.rpc("ports.list"), await host.rpc("browsers.list"),
                                await host.rpc("status")]);
  for (const hidden of ["s3cret", "first", "second", "third"]) {
    assert.ok(!shown.includes(hidden), shown);
    assert.ok(!host.stderr.includes(hidden), host.stderr);
  }
  tokens.clear();
  relay.cut();
  await status(host, "far", "unauthorized");
  assert.deepEqual(await host.rpc("ports.remove", { port: "far" }), { closed: true, removed: true, browser: "far", port: "far", disconnected: [] });
  assert.deepEqual(await host.rpc("ports.list"), { ports: [] });
});

test("through a proxy", async (t) => {
  const host = await startHost(t);
  const chrome = await startBrowser(t);
  const seen = [];
  const proxy = http.createServer().on("connect", (request, socket) => {
    seen.push([request.url, request.headers["proxy-authorization"]]);
    if (request.headers["proxy-authorization"] !== `Basic ${btoa("me:s3cret")}`)
      return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    const browser = net.connect(chrome.port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      join(socket, browser);
    });
  });
  const at = await listen(t, proxy);
  const params = { port: "10.99.99.99:9222", as: "proxied" };
  const refused = await host.rpc("ports.add", { ...params, proxy: `http://127.0.0.1:${at}` });
  assert.equal(refused.status, "unauthorized");
  assert.match(refused.warning, /the proxy wants \(other\) credentials/);
  const added = await host.rpc("ports.add", { ...params, proxy: `http://me:s3cret@127.0.0.1:${at}` });
  assert.deepEqual(added, { browser: "proxied", status: "registered" });
  await checkWorks(host, "proxied");
  assert.ok(seen.every(([url]) => url === "10.99.99.99:9222"));
  assert.ok(!JSON.stringify(await host.rpc("ports.list")).includes("s3cret"));
  assert.ok(!host.stderr.includes("s3cret"));
});

test("over IPv6, and with a client certificate", async (t) => {
  const host = await startHost(t);
  const chrome = await startBrowser(t);
  if (os.networkInterfaces().lo?.some(({ address }) => address === "::1")) {
    const at = await listen(t, tcpRelay(chrome.port), { port: 0, host: "::1" });
    assert.equal((await host.rpc("ports.add", { port: `[::1]:${at}`, as: "six" })).status, "registered");
    await checkWorks(host, "six");
    await host.rpc("ports.remove", { port: "six" });
  }

  const files = await certificates(t);
  const relay = httpRelay({ ...files, ca: fs.readFileSync(files.ca), requestCert: true,
                            rejectUnauthorized: true }, chrome.port, new Set([undefined]));
  const params = { port: `https://127.0.0.1:${await listen(t, relay)}/p`, as: "tls", ca_file: files.ca };
  const without = await host.rpc("ports.add", params);
  assert.equal(without.status, "unauthorized");
  assert.match(without.warning, /client certificate/);
  const cert_file = path.join(scratch(t), "cert.pem");
  const key_file = path.join(scratch(t), "key.pem");
  fs.writeFileSync(cert_file, files.cert);
  fs.writeFileSync(key_file, files.key, { mode: 0o600 });
  const shown = await host.rpc("ports.add", { ...params, cert_file, key_file });
  assert.equal(shown.warning, undefined);
  await checkWorks(host, "tls");
});

test("by command", async (t) => {
  const host = await startHost(t);
  const chrome = await startBrowser(t);
  const files = await certificates(t);
  const relay = httpRelay(files, chrome.port, new Set(["first"]));
  const address = `https://127.0.0.1:${await listen(t, relay)}/p`;
  const add = ["ports", "add", address, "--as", "far", "--token-file", secret(t, "first")];
  const untrusted = await host.command(...add);
  assert.equal(untrusted.code, 1);
  assert.match(untrusted.stdout, /unreachable/);
  const added = await host.command(...add, "--ca-file", files.ca, "--header", "X-Team: blue",
                                   "--proxy", "none");
  assert.equal(added.code, 0, added.stderr);
  await checkWorks(host, "far");
  assert.match((await host.command("ports", "list")).stdout, /active +far +\d+ +https:\/\/127/);
  assert.equal((await host.command("ports", "remove", "far")).code, 0);
  const missing = await host.command("ports", "add", "9222", "--token-file", "/no/such");
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /--token-file \/no\/such: No such file/);
  const header = await host.command("ports", "add", "9222", "--header", "blue");
  assert.equal(header.code, 2);
});
