// SPDX-License-Identifier: MIT
// What a Node program with Puppeteer answers: `status`, `js`, `network` over POST /rpc, as Troupe
// does, of one page of a Chromium that runs. node rpc.mjs CHROMIUM_PORT SITE_URL
import http from 'node:http';
import puppeteer from 'puppeteer-core';

const [chromium, site] = process.argv.slice(2);
const browser = await puppeteer.connect({browserURL: `http://127.0.0.1:${chromium}`});
const page = await browser.newPage();
const requests = new Map();
let last = 0;
page.on('request', request => requests.set(request, {id: ++last, method: request.method(),
  url: request.url(), type: request.resourceType(), state: 'pending'}));
page.on('response', response => Object.assign(requests.get(response.request()) ?? {},
  {status: response.status(), mime: response.headers()['content-type']}));
page.on('requestfinished', request => Object.assign(requests.get(request) ?? {}, {state: 'complete'}));
await page.goto(site, {waitUntil: 'load'});
const started = Date.now();

const methods = {
  status: async () => ({version: '1', uptime_s: (Date.now() - started) / 1000, pid: process.pid,
    browsers: [{product: await version, state: 'up'}], targets: {pages: 1, connected: 1},
    requests: requests.size, memory: process.memoryUsage.rss()}),
  js: async ({code}) => ({value: await page.evaluate(code), executed: true}),
  network: ({limit}) => ({requests: [...requests.values()].slice(-limit).reverse()}),
};
const version = browser.version();

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', async () => {
    let answer;
    try {
      const {id, method, params} = JSON.parse(Buffer.concat(parts).toString());
      answer = {jsonrpc: '2.0', id, result: await methods[method](params ?? {})};
    } catch (error) {
      answer = {jsonrpc: '2.0', id: null, error: {code: -32603, message: String(error)}};
    }
    const text = JSON.stringify(answer);
    response.writeHead(200, {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text)});
    response.end(text);
  });
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({port: server.address().port})));
