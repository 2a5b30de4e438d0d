// SPDX-License-Identifier: MIT
// The actor runtime on both lanes beside its peers, in turns: streams, round trips, actors that come
// and go, memory, overload; then Savina. Prints medians over the rounds, ratios and the goals.
//   node bench/runtime.mjs BIN_FOLDER [ROUNDS] [SCENARIO…]
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

const [bin, rounds = '3', ...only] = process.argv.slice(2);
const lanes = ['nng', 'ring'];
const erlang = (module, name) => ['erl', '-noshell', '-pa', bin, '-run', module, 'main', name];
const program = (file, ...args) => [join(bin, file), ...args];
const ours = (file, name) => lanes.map(lane => program(file, lane, name));

// What runs for each scenario. Every program prints a JSON line for each figure, and fails if its own
// result does not add up.
const runtime = {
  'one-way': ['queue', 'pair', 'caf', 'erlang'],
  'fan-in': ['queue', 'caf', 'erlang'],
  'fan-out': ['queue', 'caf', 'erlang'],
  'ping-pong': ['queue', 'pair', 'caf', 'erlang'],
  call: [],
  ring: ['queue', 'caf', 'erlang'],
  spawn: ['queue', 'caf', 'erlang'],
  idle: ['caf', 'erlang'],
  overload: [],
  lanes: [],
};
// Memory and counts hardly change from round to round: the first one does.
const inFirstRound = ['idle', 'overload', 'lanes'];
const savina = ['count', 'pingpong', 'threadring', 'fjthrput', 'fjcreate', 'chameneos', 'big',
  'bndbuffer', 'banking'];
const peers = {
  queue: name => program('bench_queue', name),
  pair: name => program('bench_pair', name),
  caf: name => program('bench_caf', name),
  erlang: name => erlang('bench', name),
};
const caf = existsSync(join(bin, 'bench_caf'));
const erl = existsSync(join(bin, 'bench.beam'));
if (!caf || !erl) console.error('runtime.mjs: CAF or Erlang is missing (packages.txt, group bench)');

function commandsOf(name) {
  if (name === 'lanes') return [program('bench_lanes')];
  const all = ours('bench_runtime', name);
  for (const peer of runtime[name]) {
    if ((peer === 'caf' && !caf) || (peer === 'erlang' && !erl)) continue;
    all.push(peers[peer](name));
  }
  return all;
}

function savinaCommandsOf(name) {
  const all = ours('bench_savina', name);
  if (caf) all.push(program('bench_savina_caf', name));
  if (erl) all.push(erlang('savina', name));
  return all;
}

const LIMIT_MS = 300000; // for one program
const samples = new Map();
async function run([command, ...args]) {
  const child = spawn(command, args, {stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS,
    killSignal: 'SIGKILL'});
  let text = '';
  child.stdout.on('data', data => { text += data; });
  const [status] = await once(child, 'close');
  if (status !== 0) {
    console.error(`failed: ${command} ${args.join(' ')}`);
    process.exitCode = 1;
    return;
  }
  for (const line of text.split('\n').filter(text => text.startsWith('{'))) {
    const row = JSON.parse(line);
    if (!samples.has(row.scenario)) samples.set(row.scenario, new Map());
    const of = samples.get(row.scenario);
    of.set(row.who, [...(of.get(row.who) ?? []), row]);
  }
}

const wanted = name => only.length === 0 || only.includes(name);
const startedAt = Date.now();
for (let round = 0; round < Number(rounds); round++) {
  for (const name of Object.keys(runtime).filter(wanted)) {
    if (round > 0 && inFirstRound.includes(name)) continue;
    for (const command of commandsOf(name)) await run(command);
  }
}
const savinaRounds = Math.max(1, Math.floor(Number(rounds) / 3)); // they take long
for (let round = 0; round < savinaRounds; round++) {
  for (const name of savina.filter(wanted)) {
    for (const command of savinaCommandsOf(name)) await run(command);
  }
}

const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
function figure(scenario, who, field) {
  const values = (samples.get(scenario)?.get(who) ?? []).map(row => row[field]);
  return values.length > 0 && values[0] !== undefined ? median(values) : undefined;
}
const short = value => value === undefined ? ''
  : value >= 1e6 ? `${(value / 1e6).toFixed(2)} M`
    : value >= 1e4 ? `${(value / 1e3).toFixed(1)} k` : value >= 100 ? value.toFixed(0) : value.toFixed(1);
const factor = value => value === undefined || Number.isNaN(value) ? '' : value.toFixed(2);

function table(scenario, columns) {
  const of = samples.get(scenario);
  if (of === undefined) return;
  const all = [...of.keys()];
  const others = all.filter(who => !who.startsWith('troupe'));
  const main = columns[0];
  const ratio = (who, peer) => figure(scenario, who, main) / figure(scenario, peer, main);
  console.log(`\n${scenario}`);
  console.log(''.padEnd(16), ...columns.map(name => name.padStart(13)),
    ...others.map(who => `× ${who}`.padStart(12)));
  for (const who of all) {
    console.log(who.padEnd(16), ...columns.map(name => short(figure(scenario, who, name)).padStart(13)),
      ...others.map(peer => factor(ratio(who, peer)).padStart(12)));
  }
}

const cpu = readFileSync('/proc/cpuinfo', 'utf8').match(/model name\s*: (.*)/)?.[1] ?? 'unknown CPU';
console.log(`The runtime, medians of ${rounds} rounds in turns (Savina: ${savinaRounds}), ${cpu}`);
for (const name of ['one-way', 'fan-in', 'fan-out', 'ring', 'spawn', 'spawn 100']) table(name, ['per_s']);
for (const name of ['ping-pong', 'call']) table(name, ['p50_us', 'p99_us', 'per_s']);
table('idle', ['kib', 'stack_kib', 'malloc_kib', 'spawned_per_s']);
for (const name of ['overload', 'overload busy']) {
  table(name, ['quiet_p50_us', 'quiet_p99_us', 'p50_us', 'p99_us', 'accepted', 'refused', 'grown_kib']);
}
for (const name of samples.keys()) {
  if (name.startsWith('lane ')) table(name, ['per_s', 'p50_us', 'p99_us']);
}
for (const name of savina) table(name, ['ms']);

// ---- goals ----

const goals = [];
function goal(text, scenario, lane, peer, field, holds) {
  const mine = figure(scenario, `troupe ${lane}`, field);
  const theirs = peer === undefined ? 1 : figure(scenario, peer, field);
  if (mine === undefined || theirs === undefined) return;
  goals.push([`${scenario}, ${lane}: ${text}`, mine / theirs, holds(mine / theirs)]);
}
const least = bound => value => value >= bound;
const most = bound => value => value <= bound;
for (const scenario of ['one-way', 'fan-in']) {
  for (const lane of lanes) {
    for (const peer of ['CAF', 'Erlang']) goal(`at least 1.0 × ${peer}`, scenario, lane, peer, 'per_s', least(1));
  }
  goal('at least 0.8 × C queue', scenario, 'ring', 'C queue', 'per_s', least(0.8));
}
goal('at most 1.25 × nng PAIR0', 'ping-pong', 'nng', 'nng PAIR0', 'p50_us', most(1.25));
goal('at most 1.5 × C queue', 'ping-pong', 'ring', 'C queue', 'p50_us', most(1.5));
for (const lane of lanes) {
  goal('at least 0.5 × pthread', 'spawn', lane, 'pthread', 'per_s', least(0.5));
  goal('at least 0.5 × pthread', 'spawn 100', lane, 'pthread', 'per_s', least(0.5));
  goal('at most 64 KiB', 'idle', lane, undefined, 'kib', most(64));
}
if (goals.length > 0) console.log('\ngoals');
for (const [text, value, holds] of goals) {
  console.log(`${text.padEnd(44)} ${factor(value).padStart(8)}  ${holds ? 'reached' : 'missed'}`);
}
console.log(`\n${((Date.now() - startedAt) / 1000).toFixed(0)} s`);
