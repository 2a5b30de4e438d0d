// SPDX-License-Identifier: MIT
// Pages of a test's own, served on loopback, and a host with one of them open.

import http from "node:http";

import { defer, startHost } from "./lib.mjs";

/**
 * Serve `pages`: {"/path": html text, {type, body, headers, status} or (request, response) => …}.
 * What is asked for is kept in `asked`: ["GET /path", …].
 */
export async function serve(t, pages) {
  const asked = [];
  const server = http.createServer((request, response) => {
    const path = request.url.split("?")[0];
    asked.push(`${request.method} ${request.url}`);
    const page = pages[path];
    if (typeof page === "function")
      return page(request, response);
    if (page === undefined) {
      response.writeHead(404, { "content-type": "text/plain" });
      return response.end("not here");
    }
    const { body = page, type = "text/html; charset=utf-8", headers = {}, status = 200 } =
      typeof page === "string" ? {} : page;
    response.writeHead(status, { "content-type": type, "cache-control": "no-store", ...headers });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  defer(t, () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections?.();
  }));
  return { url: `http://127.0.0.1:${server.address().port}`, port: server.address().port, asked,
           server };
}

/** A host with a browser and one page of that site open: {host, site, target}. */
export async function hostWithPage(t, pages, path = "/", options = {}) {
  const site = await serve(t, pages);
  const host = await startHost(t, { args: ["--launch", "1"], ...options });
  await host.launched();
  const { target } = await host.rpc("open", { url: site.url + path });
  return { host, site, target };
}
