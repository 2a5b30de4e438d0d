// SPDX-License-Identifier: MIT
// What the benchmarks in this folder share: a Chromium or a scripted peer to measure against, child
// processes that print JSON lines, medians, tables.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const CHROMIUM_FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
  '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--remote-debugging-port=0'];

// The program on PATH may be a script around the browser. (No session of its own for it: the kernel
// would schedule it against the clients as a group, which is another measure.)
function killTree(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    for (const child of children.filter(Boolean)) killTree(child);
    process.kill(Number(pid), 'SIGKILL');
  } catch { /* gone already */ }
}

// Starts a program that says where it listens: {port, pid, stop()}.
async function listening(command, args) {
  const child = spawn(command, args, {stdio: ['ignore', 'ignore', 'pipe']});
  const port = await new Promise((resolve, reject) => {
    let text = '';
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`${command} did not start: ${text}`)));
    child.stderr.on('data', data => {
      text += data;
      const found = text.match(/DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/);
      if (found) resolve(found[1]);
    });
  });
  child.removeAllListeners('exit');
  const stop = async () => {
    const gone = once(child, 'exit');
    killTree(child.pid);
    await gone;
  };
  return {port, pid: child.pid, stop};
}

export async function startChromium() {
  const profile = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  const started = await listening(process.env.CHROMIUM ?? 'chromium-headless-shell',
    [...CHROMIUM_FLAGS, `--user-data-dir=${profile}`]);
  const stop = async () => {
    await started.stop();
    spawnSync('pkill', ['-KILL', '-f', profile]); // children of threads are not in the list of children
    for (let tries = 0; existsSync(profile) && tries < 50; tries++) { // the last of them may still write
      try {
        rmSync(profile, {recursive: true, force: true});
      } catch {
        await new Promise(resolve => setTimeout(resolve, 100));
      }
    }
  };
  return {...started, stop};
}

export const startPeer = binaries => listening(join(binaries, 'bench_peer'), ['--port=0']);

// A host of its own: {port, pid, rpc, stop()}.
export async function startHost(args = []) {
  const state = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  const child = spawn(process.env.TROUPE, ['serve', '--name', 'bench', '--state-dir', state, ...args],
    {stdio: ['ignore', 'ignore', 'pipe']});
  let said = '';
  const port = await new Promise((resolve, reject) => {
    child.on('exit', (code, signal) => { console.error('troupe ended', code, signal, said); reject(new Error('troupe ended')); });
    child.stderr.on('data', data => {
      said += data;
      const found = said.match(/listening http:\/\/127\.0\.0\.1:(\d+)/);
      if (found) resolve(Number(found[1]));
    });
  });
  const rpc = async (method, params) => {
    const response = await fetch(`http://127.0.0.1:${port}/rpc`, {method: 'POST',
      headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({jsonrpc: '2.0', id: 1, method, params})});
    const {result, error} = await response.json();
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  const stop = async () => {
    child.removeAllListeners('exit');
    const gone = once(child, 'exit');
    child.kill();
    await gone;
    rmSync(state, {recursive: true, force: true});
  };
  return {port, pid: child.pid, rpc, stop};
}

// One on that Chromium, with one page: `target` too.
export async function startTroupe(chromium, url, args = []) {
  const host = await startHost(args);
  const {browser} = await host.rpc('ports.add', {port: Number(chromium.port)});
  const {target} = await host.rpc('open', {url, browser, wait: 'load'});
  return {...host, target};
}

// Runs a program to its end; the objects it printed, a line each. Null: it failed.
export async function jsonLines(command, args, env = {}) {
  const child = spawn(command, args,
    {stdio: ['ignore', 'pipe', 'inherit'], env: {...process.env, ...env}});
  let text = '';
  child.stdout.on('data', data => { text += data; });
  const [status] = await once(child, 'close');
  if (status !== 0) {
    console.error(`${command} ${args.join(' ')} failed`);
    process.exitCode = 1;
    return null;
  }
  return text.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line));
}

export const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

// Figures by key and field, medians over what was noted.
export class Samples {
  #rows = new Map();
  note(key, row) { this.#rows.set(key, [...(this.#rows.get(key) ?? []), row]); }
  has(key) { return this.#rows.has(key); }
  figure(key, field) { return median((this.#rows.get(key) ?? []).map(row => row[field])); }
}

export const machine = () =>
  readFileSync('/proc/cpuinfo', 'utf8').match(/model name\s*: (.*)/)?.[1] ?? 'unknown CPU';

// Figures as text: 123,456; 1.23; "-" if there is none.
export const text = (value, digits = 0) => value === undefined || Number.isNaN(value) ? '-'
  : value.toLocaleString('en-US', {minimumFractionDigits: digits, maximumFractionDigits: digits});

export function table(head, rows) {
  console.log(`\n| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|`);
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
}

// Says whether a goal was reached.
export function goal(what, reached, wanted, digits = 2) {
  const ok = wanted.most !== undefined ? reached <= wanted.most : reached >= wanted.least;
  const limit = wanted.most !== undefined ? `at most ${wanted.most}` : `at least ${wanted.least}`;
  console.log(`${ok ? 'reached' : 'MISSED '}  ${what}: ${text(reached, digits)} (${limit})`);
}
