// SPDX-License-Identifier: MIT
// A site for what requests can be: a page, and one piece of code for each situation. The server keeps
// what it saw and what it sent.

import crypto from "node:crypto";
import http from "node:http";
import zlib from "node:zlib";

import { defer, until } from "./lib.mjs";

const LARGE = 100 * 1024 * 1024;
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
                        "base64");
const TEXT = "all the world's a stage\n".repeat(400);
const CORS = { "access-control-allow-origin": "*", "access-control-allow-headers": "*",
               "access-control-allow-methods": "GET, PUT" };

const HELPERS = `
  const add = (tag, set, to = document.body) => new Promise((resolve) => {
    const node = document.createElement(tag);
    node.onload = node.onerror = () => resolve(node);
    for (const [name, value] of Object.entries(set))
      name in node && name !== "srcdoc" ? node[name] = value : node.setAttribute(name, value);
    to.append(node);
  });
  const text = (...args) => fetch(...args).then((r) => r.text());
  const tried = (...args) => text(...args).catch((e) => e.name);
  const message = (on) => new Promise((resolve) => { on.onmessage = (e) => resolve(e.data); });
`;

/** [name, code that is run in the page; `other` is another origin of the same server, nobody listens at
 * `closed`]. */
export const SITUATIONS = [
  ["301", "await text('/301')"],
  ["302", "await text('/302')"],
  ["303 after POST", "await text('/303', { method: 'POST', body: 'a' })"],
  ["307 after POST", "await text('/307', { method: 'POST', body: 'kept' })"],
  ["308 after POST", "await text('/308', { method: 'POST', body: 'kept too' })"],
  ["a chain of redirects", "await text('/chain/1')"],
  ["a redirect to another origin", "await text('/away')"],
  ["a redirect that goes round", "await tried('/round')"],
  ["meta refresh in a frame", "await new Promise((r) => { onmessage = r; add('iframe', { src: '/meta' }); })"],
  ["a script that navigates a frame", "await new Promise((r) => { onmessage = r; add('iframe', { src: '/moves' }); })"],
  ["fresh in the cache", "await text('/fresh'); await text('/fresh')"],
  ["not modified", "await text('/tagged'); await text('/tagged')"],
  ["never stored", "await text('/no-store'); await text('/no-store')"],
  ["a style sheet that imports", "await add('link', { rel: 'stylesheet', href: '/style.css' }, document.head)"],
  ["a script", "await add('script', { src: '/script.js' })"],
  ["a module that imports", "await add('script', { type: 'module', src: '/module.js' })"],
  ["a picture", "await add('img', { src: '/picture.png' })"],
  ["the same picture again", "await add('img', { src: '/picture.png' })"],
  ["a picture that is not there", "await add('img', { src: '/missing.png' })"],
  ["a font that is none", "await new FontFace('x', 'url(/font.woff2)').load().catch(() => {})"],
  ["prefetch", "await add('link', { rel: 'prefetch', href: '/prefetched' }, document.head)"],
  ["preload, then used", `await add('link', { rel: 'preload', as: 'script', href: '/preloaded.js' }, document.head);
     await add('script', { src: '/preloaded.js' })`],
  ["modulepreload", "await add('link', { rel: 'modulepreload', href: '/preloaded-module.js' }, document.head)"],
  ["fetch", "await text('/json?a=1&b=two%20words')"],
  ["XHR", "await new Promise((r) => { const x = new XMLHttpRequest(); x.onloadend = r; x.open('GET', '/xhr'); x.send(); })"],
  ["CORS, simple", "await text(other + '/cors')"],
  ["CORS, with a preflight", "await text(other + '/cors-put', { method: 'PUT', headers: { 'x-mine': '1' }, body: 'put' })"],
  ["CORS, refused", "await tried(other + '/no-cors')"],
  ["CORS, the preflight refused", "await tried(other + '/no-preflight', { method: 'PUT', body: 'never sent' })"],
  ["no-cors", "await fetch(other + '/opaque', { mode: 'no-cors' })"],
  ["refused by the page's policy", "await tried('http://blocked.test/')"],
  ["aborted", "const c = new AbortController(); const p = tried('/never', { signal: c.signal }); setTimeout(() => c.abort(), 100); await p"],
  ["timed out", `await new Promise((r) => { const x = new XMLHttpRequest(); x.ontimeout = r; x.open('GET', '/never?xhr');
     x.timeout = 100; x.send(); })`],
  ["a range", "await text('/range', { headers: { range: 'bytes=10-19' } })"],
  ["chunked", "await text('/chunked')"],
  ["gzip", "await text('/gzip')"],
  ["brotli", "await text('/brotli')"],
  ["a multipart upload", `const f = new FormData(); f.append('field', 'värde'); f.append('file', new Blob([new Uint8Array([0, 159, 255])]), 'x.bin');
     await text('/upload', { method: 'POST', body: f })`],
  ["a form", "await text('/form', { method: 'POST', body: new URLSearchParams({ name: 'Ophelia', line: 'a & b' }) })"],
  ["a form sent by a frame", `await new Promise((r) => { onmessage = r; add('iframe', { name: 'target' });
     const f = document.createElement('form'); f.method = 'post'; f.action = '/submitted'; f.target = 'target';
     f.innerHTML = '<input name=q value=1>'; document.body.append(f); f.submit(); })`],
  ["a beacon", "navigator.sendBeacon('/beacon', 'signal'); await text('/after-beacon')"],
  ["keepalive", "await text('/keepalive', { method: 'POST', body: 'k', keepalive: true })"],
  ["EventSource", `await new Promise((r) => { const s = new EventSource('/events'); let n = 0;
     s.addEventListener('line', () => { if (++n === 3) { s.close(); r(); } }); })`],
  ["a WebSocket", `const s = new WebSocket(location.origin.replace('http', 'ws') + '/echo'); await new Promise((r) => { s.onopen = r; });
     s.send('text'); await message(s); s.send(new Uint8Array([0, 255])); await message(s);
     await new Promise((r) => { s.onclose = r; s.close(1000); })`],
  ["a WebSocket that is refused", "await new Promise((r) => { new WebSocket(location.origin.replace('http', 'ws') + '/refused').onclose = r; })"],
  ["a worker, and what it fetches", "const w = new Worker('/worker.js'); await message(w)"],
  ["a shared worker", "const s = new SharedWorker('/shared.js'); await message(s.port)"],
  ["a frame of the same site", "await add('iframe', { src: '/frame' })"],
  ["a frame of another site", "await add('iframe', { src: other + '/frame' })"],
  ["a frame by srcdoc", "await add('iframe', { srcdoc: '<img src=/inner.png>' })"],
  ["a data URL", "await text('data:text/plain,hello')"],
  ["a blob URL", "await text(URL.createObjectURL(new Blob(['blob'])))"],
  ["404", "await text('/nothing-here')"],
  ["500", "await text('/500')"],
  ["204", "await text('/204')"],
  ["HEAD", "await fetch('/head', { method: 'HEAD' })"],
  ["nobody listens", "await tried(closed + '/nobody')"],
  ["the connection is dropped", "await tried('/dropped')"],
  ["shorter than announced", "await tried('/short')"],
  ["cookies", "await text('/cookies'); await text('/cookies')"],
  ["401", "await tried('/401', { credentials: 'omit' })"],
  ["a large download", `const r = (await fetch('/large')).body.getReader(); let n = 0;
     for (let p; !(p = await r.read()).done;) n += p.value.length; return n`],
  ["a service worker", `await navigator.serviceWorker.register('/sw.js'); await navigator.serviceWorker.ready;
     await new Promise((r) => navigator.serviceWorker.controller ? r() : navigator.serviceWorker.addEventListener('controllerchange', r))`],
  ["answered by the service worker", "await text('/by-worker')"],
  ["passed on by the service worker", "await text('/through-worker')"],
  ["no service worker any more", "for (const r of await navigator.serviceWorker.getRegistrations()) await r.unregister()"],
];

const page = (body) => `<!doctype html><meta charset=utf-8><title>situations</title>
<meta http-equiv="content-security-policy" content="connect-src 'self' http://127.0.0.1:* http://localhost:* ws: data: blob:">
<body>${body}<script>${HELPERS}</script>`;

const sent = (body, headers = {}, status = 200) => ({ body, headers, status });
const to = (location, status) => sent("", { location }, status);
const js = (body) => sent(body, { "content-type": "text/javascript" });
const html = (body) => sent(body, { "content-type": "text/html" });

const ANSWERS = {
  "/": html(page("")),
  "/301": to("/ended?301", 301), "/302": to("/ended?302", 302), "/303": to("/ended?303", 303),
  "/307": to("/ended?307", 307), "/308": to("/ended?308", 308),
  "/ended": sent("the end"),
  "/chain/1": to("/chain/2", 302), "/chain/2": to("/chain/3", 302), "/chain/3": to("/ended?chain", 302),
  "/round": to("/round", 302),
  "/meta": html("<meta http-equiv=refresh content='0;url=/arrived?meta'>"),
  "/moves": html("<script>location.href = '/arrived?moves'</script>"),
  "/arrived": html("<script>parent.postMessage(1)</script>"),
  "/fresh": sent("fresh", { "cache-control": "max-age=3600" }),
  "/no-store": sent("no", { "cache-control": "no-store" }),
  "/style.css": sent("@import url(/imported.css);", { "content-type": "text/css" }),
  "/imported.css": sent("body { color: black }", { "content-type": "text/css" }),
  "/script.js": js("window.ran = true"),
  "/module.js": js("import '/imported.js'"), "/imported.js": js("export {}"),
  "/picture.png": sent(PNG, { "content-type": "image/png", "cache-control": "max-age=3600" }),
  "/inner.png": sent(PNG, { "content-type": "image/png" }),
  "/font.woff2": sent("not a font", { "content-type": "font/woff2" }),
  "/prefetched": sent("prefetched"), "/preloaded.js": js("1"), "/preloaded-module.js": js("export {}"),
  "/json": sent('{"a":1}', { "content-type": "application/json" }), "/xhr": sent("xhr"),
  "/cors": sent("cors", CORS), "/no-cors": sent("not for you"), "/opaque": sent("opaque"),
  "/frame": html("<p>a frame"),
  "/500": sent("broken", {}, 500), "/204": sent("", {}, 204),
  "/head": sent(TEXT), "/after-beacon": sent("after"), "/keepalive": sent("kept"), "/beacon": sent("", {}, 204),
  "/upload": sent("taken"), "/form": sent("taken"), "/submitted": html("<script>parent.postMessage(1)</script>"),
  "/gzip": sent(zlib.gzipSync(TEXT), { "content-encoding": "gzip", "content-type": "text/plain" }),
  "/brotli": sent(zlib.brotliCompressSync(TEXT), { "content-encoding": "br", "content-type": "text/plain" }),
  "/worker.js": js("fetch('/from-worker').then((r) => r.text()).then(postMessage)"),
  "/from-worker": sent("worker"),
  "/shared.js": js("onconnect = (e) => fetch('/from-shared').then((r) => r.text()).then((t) => e.ports[0].postMessage(t))"),
  "/from-shared": sent("shared"),
  "/401": sent("who?", { "www-authenticate": "Basic realm=stage" }, 401),
  "/cookies": sent("cookies", { "set-cookie": ["role=Hamlet; Path=/; HttpOnly; SameSite=Lax", "act=3"] }),
  "/sw.js": js(`oninstall = () => skipWaiting(); onactivate = (e) => e.waitUntil(clients.claim());
    onfetch = (e) => { const path = new URL(e.request.url).pathname;
      if (path === "/by-worker") e.respondWith(new Response("by worker", { headers: { "x-by": "worker" } }));
      if (path === "/through-worker") e.respondWith(fetch(e.request)); }`),
  "/through-worker": sent("through"),
};

const SPECIAL = {
  "/away": (request, say, other) => say(to(`${other}/cors?away`, 302)),
  "/tagged": (request, say) => say(request.headers["if-none-match"] === '"1"'
    ? sent("", { etag: '"1"' }, 304) : sent("tagged", { etag: '"1"', "cache-control": "no-cache" })),
  "/cors-put": (request, say) => say(sent(request.method === "OPTIONS" ? "" : "put", CORS)),
  "/no-preflight": (request, say) => say(sent("", {}, 403)),
  "/range": (request, say) => say(sent(TEXT.slice(10, 20), { "content-range": `bytes 10-19/${TEXT.length}` }, 206)),
  "/never": () => {},
  "/dropped": (request) => request.socket.destroy(),
  "/chunked": (request, say, other, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    for (let i = 0; i < 5; i++)
      response.write(`piece ${i}\n`);
    say(null, 200, 40);
    response.end();
  },
  "/short": (request, say, other, response) => {
    response.writeHead(200, { "content-length": 100 });
    response.write("short");
    say(null, 200, 5);
    setTimeout(() => response.destroy(), 50);
  },
  "/events": (request, say, other, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    say(null, 200, null);
    for (let i = 1; i <= 3; i++)
      response.write(`id: ${i}\nevent: line\ndata: line ${i}\n\n`);
  },
  "/large": (request, say, other, response) => {
    response.writeHead(200, { "content-length": LARGE, "content-type": "application/octet-stream" });
    const part = Buffer.alloc(1024 * 1024, 97);
    let left = LARGE;
    const more = () => {
      while (left > 0 && (left -= part.length, response.write(part)));
      if (left <= 0)
        response.end();
    };
    say(null, 200, LARGE);
    response.on("drain", more);
    more();
  },
};

/* What a WebSocket says goes back to it; small messages are enough here. */
function echo(socket, key) {
  const accept = crypto.createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let got = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (data) => {
    got = Buffer.concat([got, data]);
    while (got.length >= 6 && got.length >= 6 + (got[1] & 0x7f)) {
      const len = got[1] & 0x7f;
      const payload = Buffer.from(got.subarray(6, 6 + len)).map((byte, i) => byte ^ got[2 + i % 4]);
      socket.write(Buffer.concat([Buffer.from([got[0], len]), payload]));
      if ((got[0] & 0x0f) === 8)
        return socket.end();
      got = got.subarray(6 + len);
    }
  });
}

/**
 * Serve it: {url, other, closed, seen}. seen: [{method, path (with query), status, bytes sent, sha of it, body:
 * Buffer received, headers}], in the order of arrival.
 */
export async function serveSituations(t) {
  const seen = [];
  const site = {};
  const server = http.createServer((request, response) => {
    const path = request.url.split("?")[0];
    const record = { method: request.method, path: request.url, status: null, bytes: null,
                     headers: request.headers, body: Buffer.alloc(0) };
    seen.push(record);
    request.on("data", (data) => { record.body = Buffer.concat([record.body, data]); });
    const say = (answer, status = answer.status, bytes = Buffer.byteLength(answer.body)) => {
      record.status = status;
      record.bytes = bytes;
      if (answer === null)
        return;
      record.sha = crypto.createHash("sha1").update(answer.body).digest("hex");
      const length = status === 204 || status === 304 ? {} : { "content-length": Buffer.byteLength(answer.body) };
      if (request.method === "HEAD")
        record.bytes = 0;
      response.writeHead(status, { "content-type": "text/plain", ...length, ...answer.headers });
      response.end(request.method === "HEAD" ? undefined : answer.body);
    };
    if (path.startsWith("/small/"))
      return say(sent(path));
    if (SPECIAL[path] !== undefined)
      return SPECIAL[path](request, say, site.other, response);
    return say(ANSWERS[path] ?? sent("not here", {}, 404));
  });
  server.on("upgrade", (request, socket) => {
    const accepted = request.url === "/echo";
    seen.push({ method: request.method, path: request.url, status: accepted ? 101 : 403, bytes: 0,
                headers: request.headers, body: Buffer.alloc(0) });
    if (accepted)
      echo(socket, request.headers["sec-websocket-key"]);
    else
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  });
  server.keepAliveTimeout = 60000;
  await new Promise((resolve) => server.listen(0, resolve));
  defer(t, () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  const { port } = server.address();
  const nobody = http.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => nobody.on("listening", resolve));
  const closed = `http://127.0.0.1:${nobody.address().port}`;
  await new Promise((resolve) => nobody.close(resolve));
  return Object.assign(site, { url: `http://127.0.0.1:${port}`, other: `http://localhost:${port}`, closed, seen, server });
}

/** The code of a situation as one expression that is a promise. */
export const codeOf = (code, { other, closed }) =>
  `(async () => { const other = ${JSON.stringify(other)}, closed = ${JSON.stringify(closed)}; ${code} })()`;

/** All that is to come has come: requests have ended, bodies were asked for. */
export async function settled(host) {
  let left;
  await until(async () => {
    left = await host.sql(`
      SELECT r.url, r.state FROM request r LEFT JOIN response p ON p.request = r.id LEFT JOIN body b ON b.request = r.id
      WHERE r.url NOT LIKE '%/shared.js' AND r.url NOT LIKE 'data:%' AND (r.state IN ('pending', 'loading')
        OR (r.state = 'complete' AND b.request IS NULL AND p.status = 200 AND p.mime_type <> 'text/event-stream'))`);
    return left.length === 0;
  }, "the record is complete").catch((error) => { throw new Error(`${error.message} ${JSON.stringify(left)}`); });
}
