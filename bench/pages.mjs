// SPDX-License-Identifier: MIT
// How long a page takes to load: as it is, with its network events sent to a process that throws them away
// (what Chromium itself takes for telling), and recorded; in turns, in three browsers.
//   node bench/pages.mjs BINARIES [PAIRS]
import http from 'node:http';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {goal, jsonLines, machine, median, startChromium, startTroupe, table, text} from './bench.mjs';

const [, pairs = '50'] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const KINDS = {css: [10, 'text/css', 'p { color: black }\n'.repeat(60)],
  js: [30, 'text/javascript', 'globalThis.n = (globalThis.n ?? 0) + 1;\n'.repeat(50)],
  svg: [60, 'image/svg+xml', `<svg xmlns="http://www.w3.org/2000/svg">${'<path d="M0 0"/>'.repeat(50)}</svg>`]};

const tags = {css: at => `<link rel=stylesheet href=${at}>`, js: at => `<script src=${at}></script>`,
  svg: at => `<img src=${at}>`};
const site = http.createServer((request, response) => {
  const [path, query = ''] = request.url.split('?');
  const kind = KINDS[path.split('.')[1]];
  response.writeHead(200, {'content-type': kind?.[1] ?? 'text/html', 'cache-control': 'no-store'});
  response.end(kind?.[2] ?? `<title>page</title>${Object.entries(KINDS).map(([name, [count]]) =>
    Array.from({length: count}, (_, i) => tags[name](`/${i}.${name}?${query}`)).join('')).join('')}`);
});
await new Promise(resolve => site.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${site.address().port}/`;

// The middle of what resampling gives, 95 %.
function interval(values) {
  const medians = Array.from({length: 2000}, () =>
    median(values.map(() => values[Math.floor(Math.random() * values.length)]))).sort((a, b) => a - b);
  return [medians[50], medians[1949]];
}

console.log(`A page of 101 requests, ${pairs} pairs in turns, ${machine()}`);
const rows = [];
for (const bodies of ['all', 'none']) {
  const plain = await startChromium();
  const watched = await startChromium();
  const recorded = await startChromium();
  const troupe = await startTroupe(recorded, url, ['--bodies', bodies]);
  const {chrome_id: target} = (await troupe.rpc('query.sql',
    {sql: 'SELECT chrome_id FROM target WHERE target = ?', params: [troupe.target]})).rows
    .map(([chrome_id]) => ({chrome_id}))[0];
  const rounds = await jsonLines(process.execPath,
    [join(here, 'peers/pages.mjs'), url, pairs, `${plain.port},,`, `${watched.port},,yes`,
      `${recorded.port},${target},`]) ?? [];
  const took = rounds.map(round => round.loads);
  const ratios = took.map(([bare, , kept]) => kept / bare);
  const [bare, told, kept] = [0, 1, 2].map(n => median(took.map(round => round[n])));
  rows.push({bodies, bare, told, kept, ratio: median(ratios), interval: interval(ratios),
    beside: median(took.map(([, told, kept]) => kept / told))});
  await troupe.stop();
  await plain.stop();
  await watched.stop();
  await recorded.stop();
}
site.close();
site.closeAllConnections();
table(['', 'as it is', 'only told of', 'recorded', 'recorded / as it is', '95 %', 'recorded / told of'], rows.map(row => [
  row.bodies === 'all' ? 'with bodies' : 'without bodies', `${text(row.bare, 1)} ms`, `${text(row.told, 1)} ms`,
  `${text(row.kept, 1)} ms`, text(row.ratio, 3), `${text(row.interval[0], 3)} – ${text(row.interval[1], 3)}`,
  text(row.beside, 3)]));
console.log();
for (const row of rows) goal(`load time, bodies ${row.bodies}`, row.ratio, {most: 1.05}, 3);
