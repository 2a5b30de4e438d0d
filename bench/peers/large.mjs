// SPDX-License-Identifier: MIT
// Large results in Node, one call at a time: node large.mjs peer|chromium PORT|pipe parse|bare
// parse: what arrives is JSON.parsed, as puppeteer does; bare: it is only received. The pipe is
// that of `CHROMIUM`, read as puppeteer reads it.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import WebSocket from 'ws';

const [subject, where, mode] = process.argv.slice(2);
const parse = mode === 'parse';
let answered;
let id = 0;
let send;
let close;

function receive(text) { // a Buffer or a string, one whole message
  if (parse) {
    const message = JSON.parse(text);
    if (message.id === id) answered(message.result);
  } else if (text.length > 1 << 19 || String(text).includes(`"id":${id}`)) {
    answered(text);
  }
}

if (where === 'pipe') {
  const profile = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  const child = spawn(process.env.CHROMIUM ?? 'chromium-headless-shell', ['--headless',
    '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', `--user-data-dir=${profile}`],
  {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
  let pending = [];
  child.stdio[4].on('data', data => {
    let start = 0;
    for (let end = data.indexOf(0); end >= 0; end = data.indexOf(0, start)) {
      pending.push(data.subarray(start, end));
      const message = Buffer.concat(pending);
      pending = [];
      start = end + 1;
      receive(parse ? message.toString() : message);
    }
    if (start < data.length) pending.push(data.subarray(start));
  });
  send = text => child.stdio[3].write(text + '\0');
  close = () => {
    child.on('exit', () => {
      rmSync(profile, {recursive: true, force: true, maxRetries: 5});
      process.exit(0);
    });
    child.stdio[3].write(JSON.stringify({id: 1 << 30, method: 'Browser.close'}) + '\0');
  };
} else {
  const version = await (await fetch(`http://127.0.0.1:${where}/json/version`)).json();
  const socket = new WebSocket(version.webSocketDebuggerUrl, {perMessageDeflate: false,
    maxPayload: 256 << 20});
  await new Promise((resolve, reject) => { socket.on('open', resolve); socket.on('error', reject); });
  socket.on('message', data => receive(parse ? data.toString() : data));
  send = text => socket.send(text);
  close = () => socket.close();
}

const call = (method, params, sessionId) => new Promise(resolve => {
  answered = resolve;
  send(JSON.stringify({id: ++id, method, params, sessionId}));
});
const result = async (...args) => {
  const answer = await call(...args);
  return parse ? answer : JSON.parse(answer).result;
};

let sessionId;
let targetId;
if (subject === 'chromium') {
  ({targetId} = await result('Target.createTarget', {url: 'about:blank'}));
  ({sessionId} = await result('Target.attachToTarget', {targetId, flatten: true}));
}
for (const [mib, times] of [[1, 40], [16, 10], [64, 6]]) {
  const size = mib << 20;
  const ask = () => subject === 'chromium'
    ? call('Runtime.evaluate', {expression: `'x'.repeat(${size})`, returnByValue: true}, sessionId)
    : call('Peer.answer', {size, kind: 'string'});
  await ask();
  const took = [];
  const cpu = process.cpuUsage();
  for (let i = 0; i < times; i++) {
    const start = process.hrtime.bigint();
    await ask();
    took.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  const used = process.cpuUsage(cpu);
  took.sort((a, b) => a - b);
  console.log(JSON.stringify({client: `${where === 'pipe' ? 'node pipe' : 'ws'} ${mode}`, mib,
    ms: took[times >> 1], cpu_ms: (used.user + used.system) / times / 1e3, peak_mib: Math.round(process.resourceUsage().maxRSS / 1024)}));
}
if (targetId) await call('Target.closeTarget', {targetId});
close();
