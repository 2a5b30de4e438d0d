// SPDX-License-Identifier: MIT
// Large results: Troupe beside Node, on a scripted peer and on Chromium, over WebSocket and pipe.
//   node bench/large.mjs BINARIES [ROUNDS]
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {Samples, goal, jsonLines, machine, startChromium, startPeer, table, text}
  from './bench.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [binaries, rounds = '3'] = process.argv.slice(2);
const SIZES = [1, 16, 64];
const PEERS = {ws: ['ws parse', 'ws bare'], pipe: ['node pipe parse', 'node pipe bare']};

async function measure(subject, server, env) {
  const samples = new Samples();
  const node = (where, mode) =>
    [process.execPath, [join(here, 'peers/large.mjs'), subject, where, mode]];
  for (let round = 0; round < Number(rounds); round++) {
    for (const where of [server.port, 'pipe']) {
      for (const [command, args] of [[join(binaries, 'bench_large'), [subject, where]],
        node(where, 'parse'), node(where, 'bare')]) {
        for (const row of await jsonLines(command, args, env) ?? [])
          samples.note(`${row.client}|${row.mib}`, row);
      }
    }
  }
  await server.stop();
  const clients = Object.entries(PEERS).flatMap(([where, peers]) => [`troupe ${where}`, ...peers]);
  const cells = (client, field) =>
    SIZES.map(mib => text(samples.figure(`${client}|${mib}`, field), 2));
  console.log(`\n${subject}: ms for one result, and of that the client's own CPU time`);
  table(['client', ...SIZES.map(mib => `${mib} MiB`), ...SIZES.map(mib => `CPU, ${mib} MiB`),
    'peak memory'], clients.map(client => [client, ...cells(client, 'ms'),
    ...cells(client, 'cpu_ms'), `${text(samples.figure(`${client}|64`, 'peak_mib'))} MiB`]));
  console.log();
  for (const [where, peers] of Object.entries(PEERS)) {
    for (const peer of peers) {
      for (const mib of SIZES) {
        goal(`${subject}, ${mib} MiB, troupe ${where} / ${peer}`,
          samples.figure(`troupe ${where}|${mib}`, 'ms') / samples.figure(`${peer}|${mib}`, 'ms'),
          {most: 0.67});
      }
    }
  }
}

console.log(`Large results, medians of ${rounds} rounds in turns, ${machine()}`);
await measure('peer', await startPeer(binaries), {CHROMIUM: join(binaries, 'bench_peer')});
await measure('chromium', await startChromium(), {});
