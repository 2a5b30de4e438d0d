// SPDX-License-Identifier: MIT
// Loads a page in turns in several browsers, by bare CDP: node pages.mjs URL ROUNDS PORT,TARGET,WATCHED…
// TARGET: the page's id; "" = a new one. WATCHED: "yes" = a process of its own has the page's network
// events sent to it and throws them away. Prints, a line a round, {loads}: milliseconds from Page.navigate to
// the load event, in the order of the browsers.
import {fork} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import WebSocket from 'ws';

async function page(where) {
  const [port, target, watched] = where.split(',');
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
  const watcher = watched === 'yes' ? fork(fileURLToPath(import.meta.url), ['watch', `${port},${targetId},`]) : null;
  if (watcher) await new Promise(resolve => watcher.once('message', resolve));
  const load = async url => {
    const done = new Promise(resolve => { loaded = resolve; });
    const start = performance.now();
    await send('Page.navigate', {url}, sessionId);
    await done;
    return performance.now() - start;
  };
  return {load, send: (method, params) => send(method, params, sessionId),
    close: () => { socket.close(); watcher?.kill(); }};
}

const [url, rounds, ...where] = process.argv.slice(2);
if (url === 'watch') {
  const watched = await page(rounds);
  await watched.send('Network.enable', {});
  process.send('watching');
} else {
  const pages = [];
  for (const one of where) pages.push(await page(one));
  for (let i = -5; i < Number(rounds); i++) { // five to warm up
    const took = [];
    for (let n = 0; n < pages.length; n++) {
      const at = (n + i + 5) % pages.length;
      took[at] = await pages[at].load(`${url}?n=${i}-${at}`);
    }
    if (i >= 0) console.log(JSON.stringify({loads: took}));
  }
  for (const one of pages) one.close();
}
