// SPDX-License-Identifier: MIT
// Events to many clients: a page logs 1,000 messages a second, 200 clients get each. Troupe beside a
// Node program with Puppeteer and ws.  node bench/fanout.mjs BINARIES [ROUNDS [SECONDS]]
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {Samples, jsonLines, machine, startChromium, startTroupe, table, text} from './bench.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [binaries, rounds = '3', seconds = '4'] = process.argv.slice(2);
const CLIENTS = 200;
const PER_SECOND = 1000;

// Ten messages each 10 ms, with when each was logged.
const LOG = `clearInterval(globalThis.logging); globalThis.logging = setInterval(() => {
  for (let i = 0; i < 10; i++)
    console.log("at=" + Math.round((performance.timeOrigin + performance.now()) * 1000));
}, 10)`;
const STOP = 'clearInterval(globalThis.logging)';

const cpuSeconds = pid => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

async function startNode(chromium) {
  const child = spawn(process.execPath, [join(here, 'peers/fanout.mjs'), chromium.port],
    {stdio: ['ignore', 'pipe', 'inherit']});
  const [line] = await once(createInterface(child.stdout), 'line');
  const {port} = JSON.parse(line);
  const js = code => fetch(`http://127.0.0.1:${port}/js?${encodeURIComponent(code)}`);
  return {port, pid: child.pid, js, stop: () => child.kill()};
}

console.log(`${PER_SECOND} events/s to ${CLIENTS} clients, medians of ${rounds} rounds of ${seconds} s in turns, ${machine()}`);
const chromium = await startChromium();
const troupe = await startTroupe(chromium, 'about:blank');
troupe.js = code => troupe.rpc('js', {target: troupe.target, code});
const node = await startNode(chromium);
const subscribe = JSON.stringify({jsonrpc: '2.0', id: 1, method: 'events.subscribe', params: {topics: ['console']}});
const samples = new Samples();

async function measure(name, server, kind, path) {
  await server.js(LOG);
  const before = cpuSeconds(server.pid);
  const [row] = await jsonLines(join(binaries, 'bench_rpc_load'),
    [kind, String(server.port), path, subscribe, String(CLIENTS), seconds]);
  const cpu = (cpuSeconds(server.pid) - before) / Number(seconds);
  await server.js(STOP);
  samples.note(name, {...row, cpu, per_client: row.messages / CLIENTS / Number(seconds)});
}

for (let round = 0; round < Number(rounds); round++) {
  await measure('troupe /ws', troupe, 'listen', '/ws');
  await measure('node ws', node, 'listen', '/ws');
  await measure('troupe /events', troupe, 'sse', '/events');
  await measure('node SSE', node, 'sse', '/events');
}
await Promise.all([troupe.stop(), node.stop()]);
await chromium.stop();

const figure = (name, field, digits) => text(samples.figure(name, field), digits);
table(['', 'messages/s a client', 'CPU', 'delay p50 ms', 'p99 ms', 'clients lost'],
  ['troupe /ws', 'node ws', 'troupe /events', 'node SSE'].map(name => [name, figure(name, 'per_client'),
    `${text(samples.figure(name, 'cpu') * 100)} %`, text(samples.figure(name, 'p50_us') / 1000, 1),
    text(samples.figure(name, 'p99_us') / 1000, 1), figure(name, 'failed')]));
console.log(`\nGET /events carries changes of the state, several events in one: there is no delay of single events.`);
const cpu = name => samples.figure(name, 'cpu');
console.log(`CPU, troupe /ws / node ws: ${text(cpu('troupe /ws') / cpu('node ws'), 2)}; ` +
  `p99: ${text(samples.figure('troupe /ws', 'p99_us') / samples.figure('node ws', 'p99_us'), 2)}`);
