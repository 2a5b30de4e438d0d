// SPDX-License-Identifier: MIT
// Loads a page in turns in two browsers, by bare CDP: node pages.mjs PORT,TARGET PORT,TARGET URL PAIRS
// TARGET: the page's id; "" = a new one. Prints {first, second}: milliseconds from Page.navigate to the
// load event, a line a pair.
import WebSocket from 'ws';

async function page(where) {
  const [port, target] = where.split(',');
  const version = await (await fetch(`http://127.0.0.1:${port}/json/version`)).json();
  const socket = new WebSocket(version.webSocketDebuggerUrl, {perMessageDeflate: false});
  await new Promise((resolve, reject) => { socket.on('open', resolve); socket.on('error', reject); });
  const pending = new Map();
  let id = 0;
  let loaded = () => {};
  socket.on('message', data => {
    const message = JSON.parse(data);
    if (message.method === 'Page.loadEventFired') loaded();
    pending.get(message.id)?.(message.result);
    pending.delete(message.id);
  });
  const send = (method, params, sessionId) => new Promise(resolve => {
    pending.set(++id, resolve);
    socket.send(JSON.stringify({id, method, params, sessionId}));
  });
  const targetId = target || (await send('Target.createTarget', {url: 'about:blank'})).targetId;
  const {sessionId} = await send('Target.attachToTarget', {targetId, flatten: true});
  await send('Page.enable', {}, sessionId);
  await send('Page.bringToFront', {}, sessionId); // a page behind another one loads at leisure
  const load = async url => {
    const done = new Promise(resolve => { loaded = resolve; });
    const start = performance.now();
    await send('Page.navigate', {url}, sessionId);
    await done;
    return performance.now() - start;
  };
  return {load, close: () => socket.close()};
}

const [first, second, url, pairs] = process.argv.slice(2);
const both = [await page(first), await page(second)];
for (let i = -5; i < Number(pairs); i++) { // five to warm up
  const took = [];
  for (const n of i % 2 === 0 ? [0, 1] : [1, 0]) took[n] = await both[n].load(`${url}?n=${i}-${n}`);
  if (i >= 0) console.log(JSON.stringify({first: took[0], second: took[1]}));
}
for (const one of both) one.close();
