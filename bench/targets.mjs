// SPDX-License-Identifier: MIT
// Many targets on one host: memory for each and the cost of an event, from 1 to 1,000 on a scripted
// peer, on both lanes; 200 pages over 4 real browsers.
//   node bench/targets.mjs BINARIES [PAGES]
import {join} from 'node:path';
import {goal, jsonLines, machine, median, table, text} from './bench.mjs';

const [binaries, pages = '200'] = process.argv.slice(2);
const COUNTS = [1, 10, 100, 1000];
const LANES = ['nng', 'ring'];
const binary = join(binaries, 'bench_targets');

const rows = [];
for (const lane of LANES) {
  for (const count of COUNTS) { // a process each: what one leaves behind is not the next one's
    rows.push(...await jsonLines(binary, ['events', String(count)],
      {BENCH_LANE: lane, CHROMIUM: join(binaries, 'bench_peer')}) ?? []);
  }
}
const figures = (lane, targets, measure, field) => rows
  .filter(row => row.lane === lane && row.targets === targets && row.measure === measure)
  .map(row => row[field]);
const figure = (...what) => median(figures(...what));

console.log(`Targets on a scripted peer, ${machine()}`);
for (const lane of LANES) {
  console.log(`\n\`${lane}\``);
  table(['targets', 'memory each', 'after 600,000 events', 'threads each', 'to connect one',
    'CPU an event', 'browser', 'targets', 'store', 'other', 'events/s', 'lost'],
  COUNTS.map(count => [text(count), `${text(figure(lane, count, 'target', 'kib'))} KiB`,
    `${text(figure(lane, count, 'after', 'kib'))} KiB`,
    text(figure(lane, count, 'target', 'threads'), 2),
    `${text(figure(lane, count, 'target', 'connect_us'))} µs`,
    ...['cpu_us', 'browser_us', 'target_us', 'store_us', 'other_us'].map(field =>
      `${text(figure(lane, count, 'event', field), 2)} µs`),
    text(figure(lane, count, 'event', 'per_s')),
    text(Math.max(...figures(lane, count, 'event', 'missing')))]));
}

console.log(`\n${pages} pages over 4 browsers, 12 opened at a time:`);
const real = await jsonLines(binary, ['pages', '4', pages]) ?? [];
table(['pages', 'connected', 'time', 'host\'s memory a page', 'threads a page', 'host\'s memory'],
  real.map(row => [row.pages, row.connected, `${text(row.wall_ms / 1e3, 1)} s`,
    `${text(row.kib)} KiB`, text(row.threads, 2), `${text(row.rss_mib)} MiB`]));

console.log();
for (const lane of LANES) {
  goal(`${lane}: KiB a target, at 1,000`, figure(lane, 1000, 'target', 'kib'), {most: 96}, 0);
  goal(`${lane}: CPU an event, 1,000 targets / 10`, figure(lane, 1000, 'event', 'cpu_us') /
    figure(lane, 10, 'event', 'cpu_us'), {most: 1.5});
}
for (const row of real) goal('pages connected', row.connected, {least: Number(pages)}, 0);
