// SPDX-License-Identifier: MIT
// No web page and no other user can drive the host (security from the first day).

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";

import { defer, run, startHost, until } from "./lib.mjs";
import { Refused, WebSocketClient } from "./websocket.mjs";

/** Another site on loopback; it knows which of its traps were sprung. */
async function startEvilSite(t) {
  const hits = [];
  const server = http.createServer((request, response) => {
    if (request.url.startsWith("/sprung"))
      hits.push(request.url);
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>evil</title><body>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  defer(t, () => {
    server.closeAllConnections?.();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, hits };
}

/** A call that springs a trap if it is executed. */
function trap(evil, how) {
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method: "open",
                          params: { url: `${evil.url}/sprung?${how}`, wait: "none" } });
}

/* What a page tries; each is an expression whose value is a promise of what became of it. */
function attacks(host, evil) {
  const body = (how) => JSON.stringify(trap(evil, how));
  const rpc = JSON.stringify(`${host.url}/rpc`);
  const socket = (where) => `new Promise((resolve) => {
    const ws = new WebSocket(${JSON.stringify(host.url.replace("http", "ws"))} + ${JSON.stringify(where)});
    ws.onopen = () => { ws.send(${body("ws")}); resolve("open"); };
    ws.onerror = () => resolve("refused");
  })`;
  const post = (how, type, mode) => `fetch(${rpc}, { method: "POST", mode: "${mode}",
    headers: { "Content-Type": "${type}" }, body: ${body(how)} })
    .then(async (r) => "status " + r.status + " " + r.type + " " + await r.text(), (e) => "refused")`;
  return {
    "simple POST, opaque": post("opaque", "text/plain", "no-cors"),
    "simple POST": post("simple", "text/plain", "cors"),
    "JSON POST": post("json", "application/json", "cors"),
    "JSON POST, opaque": post("json-opaque", "application/json", "no-cors"),
    "POST with credentials": `fetch(${rpc}, { method: "POST", credentials: "include",
      headers: { "Content-Type": "application/json" }, body: ${body("credentials")} })
      .then((r) => "status " + r.status, () => "refused")`,
    "beacon": `Promise.resolve(String(navigator.sendBeacon(${rpc},
      new Blob([${body("beacon")}], { type: "text/plain" }))))`,
    "form POST": `new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.name = "sink";
      document.body.append(frame);
      const form = document.createElement("form");
      Object.assign(form, { action: ${rpc}, method: "POST", enctype: "text/plain", target: "sink" });
      const input = document.createElement("input");
      input.name = ${body("form")}.slice(0, -1) + ',"x":"';
      input.value = '"}';
      form.append(input);
      document.body.append(form);
      frame.onload = () => resolve("loaded");
      form.submit();
    })`,
    "image": `new Promise((resolve) => {
      const image = new Image();
      image.onload = () => resolve("loaded");
      image.onerror = () => resolve("refused");
      image.src = ${rpc} + "?" + encodeURIComponent(${body("image")});
    })`,
    "script": `new Promise((resolve) => {
      const script = document.createElement("script");
      script.onload = () => resolve("loaded");
      script.onerror = () => resolve("refused");
      script.src = ${JSON.stringify(`${host.url}/health`)};
      document.head.append(script);
    })`,
    "WebSocket": socket("/ws"),
    "reading /health": `fetch(${JSON.stringify(`${host.url}/health`)})
      .then(async (r) => "read " + await r.text(), () => "refused")`,
  };
}

/** That the page may do what it likes and nothing of it was executed. */
async function checkNothingSprung(host, evil) {
  const { pages } = await host.rpc("pages");
  assert.deepEqual(pages.filter(({ url }) => url.includes("/sprung")), []);
  assert.deepEqual(evil.hits, []);
}

test("a page of another origin cannot drive the host", async (t) => {
  const host = await startHost(t, { args: ["--launch", "1"] });
  await host.launched();
  const evil = await startEvilSite(t);
  const { target } = await host.rpc("open", { url: `${evil.url}/` });
  for (const [name, code] of Object.entries(attacks(host, evil))) {
    await t.test(name, async (t) => {
      const { value } = await host.rpc("js", { target, code: `await ${code}`, await_promise: true });
      t.diagnostic(String(value).slice(0, 100));
      assert.doesNotMatch(String(value), /^(open|read)|jsonrpc|result/);
      await checkNothingSprung(host, evil);
    });
  }
  await t.test("refused with a status that says so", async () => {
    const { requests } = await host.rpc("network", { target, limit: 1000, show_all: true });
    const posts = requests.filter(({ url, method }) => url.includes("/rpc") && method === "POST");
    assert.ok(posts.length > 0);
    for (const { status } of posts)
      assert.ok(status === 0 || status >= 400, `status ${status}`);
  });
  await t.test("the trap works when the call is ours, and only then", async () => {
    await host.post(trap(evil, "ours"));
    await until(() => evil.hits.length > 0, "the trap is sprung");
    assert.deepEqual(evil.hits, ["/sprung?ours"]);
  });
});

test("a name that was rebound to loopback does not reach the host", async (t) => {
  const host = await startHost(t);
  const json = { "Content-Type": "application/json" };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status" });
  const port = new URL(host.url).port;
  for (const name of ["evil.example", `evil.example:${port}`, `127.0.0.1.evil.example:${port}`,
                      `localhost.evil.example:${port}`, `[::1].evil.example:${port}`])
    await t.test(`Host: ${name}`, async () => {
      const answer = await host.request("POST", "/rpc", { headers: { ...json, Host: name }, body });
      assert.ok(answer.status >= 400, `status ${answer.status}`);
      assert.doesNotMatch(answer.text, /"result"/);
    });
});

test("a request without a name is refused", async (t) => {
  const host = await startHost(t);
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status" });
  for (const line of ["Host: \r\n", "", "Host: evil.example\r\nHost: 127.0.0.1\r\n"]) {
    const socket = net.connect(host.port, "127.0.0.1");
    socket.end(`POST /rpc HTTP/1.1\r\n${line}Content-Type: application/json\r\nConnection: close\r\n` +
               `Content-Length: ${body.length}\r\n\r\n${body}`);
    let answer = "";
    for await (const part of socket.setEncoding("utf8"))
      answer += part;
    assert.match(answer, /^HTTP\/1\.1 4\d\d /, line);
    assert.doesNotMatch(answer, /"result"/);
  }
});

test("requests with the wrong Origin, type or method are refused", async (t) => {
  const host = await startHost(t);
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status" });
  const port = new URL(host.url).port;
  const json = { "Content-Type": "application/json" };
  const cases = {
    "another origin": { ...json, Origin: "http://evil.example" },
    "another port": { ...json, Origin: `http://127.0.0.1:${Number(port) + 1}` },
    "another scheme": { ...json, Origin: `https://127.0.0.1:${port}` },
    "no origin at all": { ...json, Origin: "null" },
    "a longer name": { ...json, Origin: `http://127.0.0.1:${port}.evil.example` },
    "an extension": { ...json, Origin: "chrome-extension://abcdefghijklmnop" },
    "no type": {},
    "plain text": { "Content-Type": "text/plain" },
    "a form": { "Content-Type": "application/x-www-form-urlencoded" },
    "almost JSON": { "Content-Type": "text/plain; x=application/json" },
  };
  for (const [name, headers] of Object.entries(cases)) {
    await t.test(name, async () => {
      const answer = await host.request("POST", "/rpc", { headers, body });
      assert.ok(answer.status >= 400, `status ${answer.status}`);
      assert.doesNotMatch(answer.text, /"result"/);
    });
  }
  await t.test("our own origin is served", async () => {
    const answer = await host.request("POST", "/rpc", { headers: { ...json, Origin: host.url }, body });
    assert.equal(answer.status, 200);
    assert.notEqual(answer.headers["access-control-allow-origin"], "*");
  });
  await t.test("JSON with a charset is served", async () => {
    const headers = { "Content-Type": "application/json; charset=utf-8" };
    assert.equal((await host.request("POST", "/rpc", { headers, body })).status, 200);
  });
  for (const origin of ["http://evil.example", "null", `http://127.0.0.1:${Number(port) + 1}`]) {
    await t.test(`WebSocket with Origin: ${origin}`, async () => {
      await assert.rejects(WebSocketClient.open(`${host.url}/ws`, { Origin: origin }), Refused);
    });
  }
  await t.test("a preflight gets no permission", async () => {
    const answer = await host.request("OPTIONS", "/rpc", { headers: {
      Origin: "http://evil.example", "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "content-type" } });
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
  });
});

test("a process of another user is refused", { skip: process.getuid() !== 0 && "needs root" }, async (t) => {
  const host = await startHost(t);
  const asNobody = (...args) => run("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups",
                                                "curl", "-s", "-w", "\n%{http_code}", ...args]);
  const call = ["-H", "Content-Type: application/json", "-d",
                JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status" }), `${host.url}/rpc`];
  const { stdout } = await asNobody(...call);
  assert.match(stdout, /\n40[13]$/);
  assert.doesNotMatch(stdout, /"result"/);
  const upgrade = await asNobody("--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
                                 "-H", "Sec-WebSocket-Version: 13", "-H",
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-m", "5",
                                 `${host.url}/ws`);
  assert.doesNotMatch(upgrade.stdout, /\n101$/);
  const { stdout: open } = await asNobody(`${host.url}/healthz`);
  assert.match(open, /\n200$/);
});

test("with a token, only who knows it is served", async (t) => {
  const token = "only-for-friends-0123456789";
  const host = await startHost(t, { env: { TROUPE_TOKEN: token } });
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status" });
  const ask = async (headers) => (await host.request("POST", "/rpc", {
    headers: { "Content-Type": "application/json", ...headers }, body })).status;
  assert.equal(await ask({}), 401);
  assert.equal(await ask({ Authorization: "Bearer wrong" }), 401);
  assert.equal(await ask({ Authorization: `Bearer ${token}x` }), 401);
  assert.equal(await ask({ Authorization: `Bearer ${token}` }), 200);
  await assert.rejects(WebSocketClient.open(`${host.url}/ws`), Refused);
  assert.doesNotMatch(host.stdout + host.stderr, new RegExp(token), "it is not logged");
});
