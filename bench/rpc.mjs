// SPDX-License-Identifier: MIT
// POST /rpc: Troupe beside a Node server that does the same with Puppeteer, on the same Chromium.
//   node bench/rpc.mjs BINARIES [ROUNDS [SECONDS]]
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import {dirname, join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {Samples, goal, jsonLines, machine, startChromium, startTroupe, table, text} from './bench.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [binaries, rounds = '3', seconds = '2'] = process.argv.slice(2);
const CONNECTIONS = [1, 16, 64];
const ROWS = 50;

function startSite() {
  const pictures = Array.from({length: ROWS + 10}, (_, i) => `<img src=/${i}.svg>`).join('');
  const server = http.createServer((request, response) => {
    const picture = request.url.endsWith('.svg');
    response.writeHead(200, {'Content-Type': picture ? 'image/svg+xml' : 'text/html'});
    response.end(picture ? '<svg xmlns="http://www.w3.org/2000/svg"/>' : `<title>bench</title>${pictures}`);
  });
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(
    {url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close()})));
}

async function startNode(chromium, site) {
  const child = spawn(process.execPath, [join(here, 'peers/rpc.mjs'), chromium.port, site.url],
    {stdio: ['ignore', 'pipe', 'inherit']});
  const [line] = await once(createInterface(child.stdout), 'line');
  return {port: JSON.parse(line).port, pid: child.pid, stop: () => child.kill()};
}

const call = (method, params) => JSON.stringify({jsonrpc: '2.0', id: 1, method, params});
const CALLS = {
  status: () => call('status', {}),
  js: target => call('js', {code: '6 * 7', ...(target && {target})}),
  network: () => call('network', {limit: ROWS}),
};

const load = async (kind, port, path, body, connections) =>
  (await jsonLines(join(binaries, 'bench_rpc_load'),
    [kind, String(port), path, body, String(connections), seconds]))?.[0];

console.log(`POST /rpc, medians of ${rounds} rounds of ${seconds} s in turns, ${machine()}`);
const chromium = await startChromium();
const site = await startSite();
const troupe = await startTroupe(chromium, site.url);
const node = await startNode(chromium, site);
const {id: page} = await (await fetch(`http://127.0.0.1:${chromium.port}/json/new?about:blank`,
  {method: 'PUT'})).json();
// As each of the two asks for it: Troupe in REPL mode (repeated `let`, top-level `await`).
const evaluate = params => JSON.stringify({id: 1, method: 'Runtime.evaluate',
  params: {expression: '6 * 7', returnByValue: true, ...params}});
const RAW = {'raw': evaluate({}), 'raw repl': evaluate({replMode: true, timeout: 30000})};

const samples = new Samples();
const note = (key, row) => {
  if (row?.failed > 0) {
    console.error(`${key}: ${row.failed} of ${row.requests} failed`);
    process.exitCode = 1;
  }
  if (row) samples.note(key, row);
};
for (let round = 0; round < Number(rounds); round++) {
  for (const connections of CONNECTIONS) {
    for (const [name, message] of Object.entries(RAW))
      note(`${name}|js|${connections}`, await load('ws', chromium.port, `/devtools/page/${page}`, message, connections));
    for (const method of Object.keys(CALLS)) {
      note(`troupe|${method}|${connections}`, await load('http', troupe.port, '/rpc', CALLS[method](troupe.target), connections));
      note(`node|${method}|${connections}`, await load('http', node.port, '/rpc', CALLS[method](), connections));
    }
  }
}
const resident = pid =>
  text(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024, 1);
console.log(`\nresident memory: troupe ${resident(troupe.pid)} MiB, node ${resident(node.pid)} MiB`);
await Promise.all([troupe.stop(), node.stop()]);
site.stop();
await chromium.stop();

const cells = key => [text(samples.figure(key, 'per_second')), text(samples.figure(key, 'p50_us')),
  text(samples.figure(key, 'p99_us'))];
for (const method of Object.keys(CALLS)) {
  console.log(`\n${method}`);
  table(['connections', 'troupe /s', 'p50 us', 'p99 us', 'node /s', 'p50 us', 'p99 us', 'requests ratio', 'p99 ratio'],
    CONNECTIONS.map(count => {
      const [ours, theirs] = [`troupe|${method}|${count}`, `node|${method}|${count}`];
      return [count, ...cells(ours), ...cells(theirs),
        text(samples.figure(ours, 'per_second') / samples.figure(theirs, 'per_second'), 2),
        text(samples.figure(ours, 'p99_us') / samples.figure(theirs, 'p99_us'), 2)];
    }));
}
console.log('\nRuntime.evaluate straight to Chromium');
table(['', 'connections', '/s', 'p50 us', 'p99 us'], Object.keys(RAW).flatMap(name =>
  CONNECTIONS.map(count => [name, count, ...cells(`${name}|js|${count}`)])));
console.log();
for (const count of CONNECTIONS) {
  const figure = (who, field) => samples.figure(`${who}|status|${count}`, field);
  goal(`status, ${count} connections, requests of troupe / node`,
    figure('troupe', 'per_second') / figure('node', 'per_second'), {least: 1.5});
  goal(`status, ${count} connections, p99 of troupe / node`,
    figure('troupe', 'p99_us') / figure('node', 'p99_us'), {most: 0.5});
}
const own = (who, raw) => samples.figure(`${who}|js|1`, 'p50_us') - samples.figure(`${raw}|js|1`, 'p50_us');
goal('js, one by one, own time over a raw evaluate, troupe / node',
  own('troupe', 'raw repl') / own('node', 'raw'), {most: 0.33});
