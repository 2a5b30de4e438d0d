// SPDX-License-Identifier: MIT
// What a Node program with Puppeteer does: console messages of a page to WebSockets and event
// streams. node fanout.mjs CHROMIUM_PORT
import http from 'node:http';
import puppeteer from 'puppeteer-core';
import {WebSocketServer} from 'ws';

const browser = await puppeteer.connect({browserURL: `http://127.0.0.1:${process.argv[2]}`});
const page = await browser.newPage();
const streams = new Set();
const server = http.createServer((request, response) => {
  if (request.url === '/events') {
    response.writeHead(200, {'Content-Type': 'text/event-stream'});
    streams.add(response);
    request.on('close', () => streams.delete(response));
  } else {
    page.evaluate(decodeURIComponent(request.url.slice(4))).then(() => response.end('{}'));
  }
});
const sockets = new WebSocketServer({server, path: '/ws', perMessageDeflate: false});
page.on('console', message => {
  const text = JSON.stringify({jsonrpc: '2.0', method: 'event', params: {topic: 'console', data: {
    message: message.text(), level: message.type(), timestamp: Date.now()}}});
  for (const socket of sockets.clients) socket.send(text);
  for (const stream of streams) stream.write(`data: ${text}\n\n`);
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({port: server.address().port})));
