// SPDX-License-Identifier: MIT
// Events recorded a second: a scripted peer plays requests as Chromium tells of them, as fast as they
// are read; beside it a bare loop of SQLite inserts of the same rows into the same schema.
//   node bench/events.mjs BINARIES [ROUNDS]
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {goal, jsonLines, machine, median, table, text} from './bench.mjs';

const [binaries, rounds = '3'] = process.argv.slice(2);
const REQUESTS = Number(process.env.BENCH_REQUESTS ?? 50000);
const binary = join(binaries, 'bench_events');
const dir = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
const env = {CHROMIUM: join(binaries, 'bench_peer')};
const BOUND_MIB = 256;
const measured = {none: [], all: [], insert: [], retain: []};
try {
  for (let i = 0; i < Number(rounds); i++) {
    for (const bodies of ['none', 'all']) {
      const file = join(dir, `${bodies}-${i}.db`);
      measured[bodies].push(...await jsonLines(binary, ['record', file, String(REQUESTS), bodies], env));
    }
    measured.insert.push(...await jsonLines(binary, ['insert', join(dir, `none-${i}.db`), join(dir, `copy-${i}.db`)]));
    for (const name of ['none', 'all', 'copy'])
      for (const end of ['', '-wal', '-shm', '.lock']) rmSync(join(dir, `${name}-${i}.db${end}`), {force: true});
  }
  measured.retain.push(...await jsonLines(binary,
    ['retain', join(dir, 'bound.db'), String(8 * REQUESTS), String(BOUND_MIB)], env));
} finally {
  rmSync(dir, {recursive: true, force: true});
}
const of = (name, field) => median(measured[name].map(row => row[field]));
console.log(`${REQUESTS} requests, six events each, medians of ${rounds} rounds, ${machine()}`);
table(['', 'events/s', 'CPU an event', 'lost', 'requests', 'complete'], [
  ['recorded', text(of('none', 'per_s')), `${text(of('none', 'cpu_us'), 1)} µs`, text(of('none', 'lost')),
    text(of('none', 'requests')), text(of('none', 'complete'))],
  ['recorded, with bodies', text(of('all', 'per_s')), `${text(of('all', 'cpu_us'), 1)} µs`, text(of('all', 'lost')),
    text(of('all', 'requests')), text(of('all', 'complete'))],
  ['bare inserts of the same rows', text(of('insert', 'per_s')), '', '', '', ''],
]);
console.log(`\nWithin ${BOUND_MIB} MiB, ${8 * REQUESTS} requests in twenty batches, a list of 50 asked for behind each:`);
table(['events', 'events/s', 'largest store', 'slowest list', 'lost', 'halves', 'requests left'],
  measured.retain.map(row => [text(row.events), text(row.per_s), `${text(row.largest_mib, 1)} MiB`,
    `${text(row.slowest_list_ms)} ms`, text(row.lost), text(row.broken), text(row.requests_left)]));
console.log();
goal('recorded / bare inserts', of('none', 'per_s') / of('insert', 'per_s'), {least: 0.6});
goal('lost', Math.max(...Object.values(measured).flat().map(row => row.lost ?? 0)), {most: 0}, 0);
goal('largest store / its bound', Math.max(...measured.retain.map(row => row.largest_mib)) / BOUND_MIB, {most: 1});
goal('requests that are not whole', Math.max(...measured.retain.map(row => row.broken)), {most: 0}, 0);
