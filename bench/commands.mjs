// SPDX-License-Identifier: MIT
// CDP commands: Troupe's C call path beside a bare `ws` client and puppeteer-core, in turns, on one
// Chromium (the pipe rows on one that the host launches). Prints medians over the rounds and ratios.
//   node bench/commands.mjs BENCH_BINARY [ROUNDS]
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [binary, rounds = '5'] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
const chromium = spawn(process.env.CHROMIUM ?? 'chromium-headless-shell', ['--headless',
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--remote-debugging-port=0', `--user-data-dir=${profile}`], {stdio: ['ignore', 'ignore', 'pipe']});
const port = await new Promise((resolve, reject) => {
  let text = '';
  chromium.on('exit', () => reject(new Error('Chromium did not start')));
  chromium.stderr.on('data', data => {
    text += data;
    const found = text.match(/DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/);
    if (found) resolve(found[1]);
  });
});

// The program on PATH may be a script around the browser. (No session of its own for it: the kernel
// would schedule it against the clients as a group, which is another measure.)
function killTree(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const child of children.filter(Boolean)) killTree(child);
  try { process.kill(Number(pid), 'SIGKILL'); } catch { /* gone already */ }
}

const clients = {
  'troupe ws': [binary, 'attach', port],
  ws: [process.execPath, join(here, 'peers/ws.mjs'), port],
  puppeteer: [process.execPath, join(here, 'peers/puppeteer.mjs'), port],
  'troupe pipe': [binary, 'pipe'],
  'troupe ws ring': [binary, 'attach', port, 'ring'],
  'troupe pipe ring': [binary, 'pipe', 'ring'],
};
const samples = new Map();
for (let round = 0; round < Number(rounds); round++) {
  for (const [client, [command, ...args]] of Object.entries(clients)) {
    const child = spawn(command, args, {stdio: ['ignore', 'pipe', 'inherit']});
    let text = '';
    child.stdout.on('data', data => { text += data; });
    const [status] = await once(child, 'close');
    if (status !== 0) { console.error(`${client} failed`); process.exitCode = 1; continue; }
    for (const line of text.split('\n').filter(text => text.startsWith('{'))) {
      const row = JSON.parse(line);
      const key = `${row.method}|${row.mode}|${row.client}`;
      samples.set(key, [...(samples.get(key) ?? []), row]);
    }
  }
}
chromium.removeAllListeners('exit');
const gone = once(chromium, 'exit');
killTree(chromium.pid);
await gone;
rmSync(profile, {recursive: true, force: true, maxRetries: 5});

const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const figure = (key, field) => median((samples.get(key) ?? []).map(row => row[field]));
const cpu = readFileSync('/proc/cpuinfo', 'utf8').match(/model name\s*: (.*)/)?.[1] ?? 'unknown CPU';
console.log(`CDP commands, medians of ${rounds} rounds in turns, ${cpu}`);
for (const method of ['Browser.getVersion', 'Runtime.evaluate']) {
  console.log(`\n${method}`);
  console.log('client            one by one p50   p99        100 in flight   x ws    x puppeteer');
  for (const client of Object.keys(clients)) {
    const many = figure(`${method}|many|${client}`, 'per_s');
    console.log(client.padEnd(17),
      `${figure(`${method}|one|${client}`, 'p50_us')?.toFixed(0)} us`.padStart(10),
      `${figure(`${method}|one|${client}`, 'p99_us')?.toFixed(0)} us`.padStart(11),
      `${many}/s`.padStart(16),
      (many / figure(`${method}|many|ws`, 'per_s')).toFixed(2).padStart(9),
      (many / figure(`${method}|many|puppeteer`, 'per_s')).toFixed(2).padStart(9));
  }
}
