// SPDX-License-Identifier: MIT
// A bare CDP client on the `ws` package: node ws.mjs PORT
import WebSocket from 'ws';
import {measure} from './measure.mjs';

const version = await (await fetch(`http://127.0.0.1:${process.argv[2]}/json/version`)).json();
const socket = new WebSocket(version.webSocketDebuggerUrl, {perMessageDeflate: false,
  maxPayload: 256 << 20});
await new Promise((resolve, reject) => { socket.on('open', resolve); socket.on('error', reject); });
const pending = new Map();
let id = 0;
socket.on('message', data => {
  const message = JSON.parse(data);
  const entry = pending.get(message.id);
  if (entry) { pending.delete(message.id); entry(message.result); }
});
const send = (method, params, sessionId) => new Promise(resolve => {
  pending.set(++id, resolve);
  socket.send(JSON.stringify({id, method, params, sessionId}));
});
const {targetId} = await send('Target.createTarget', {url: 'about:blank'});
const {sessionId} = await send('Target.attachToTarget', {targetId, flatten: true});
await measure('ws', 'Browser.getVersion', () => send('Browser.getVersion'));
await measure('ws', 'Runtime.evaluate',
  () => send('Runtime.evaluate', {expression: '1+1', returnByValue: true}, sessionId));
await send('Target.closeTarget', {targetId});
socket.close();
