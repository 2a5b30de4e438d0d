// SPDX-License-Identifier: MIT
// CDP commands: Troupe's C call path beside a bare `ws` client and puppeteer-core, in turns, on one
// Chromium and on a peer that answers at once (the pipe rows on one that the host launches). Prints
// medians over the rounds, ratios and the goals.
//   node bench/commands.mjs BINARIES [ROUNDS]
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {Samples, goal, jsonLines, machine, startChromium, startPeer, table, text}
  from './bench.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [binaries, rounds = '5'] = process.argv.slice(2);
const troupe = join(binaries, 'bench_commands');
const METHODS = ['Browser.getVersion', 'Runtime.evaluate'];
const COUNT = {Chromium: 40000, peer: 200000};
const SLOW_COUNT = 40000; // for Node's clients: theirs take long enough

const clientsOf = port => ({
  'troupe ws': [troupe, 'attach', port],
  ws: [process.execPath, join(here, 'peers/ws.mjs'), port],
  puppeteer: [process.execPath, join(here, 'peers/puppeteer.mjs'), port],
  'troupe pipe': [troupe, 'pipe'],
  'troupe ws ring': [troupe, 'attach', port, 'ring'],
  'troupe pipe ring': [troupe, 'pipe', 'ring'],
});

async function measure(name, server, env) {
  const samples = new Samples();
  const clients = clientsOf(server.port);
  for (let round = 0; round < Number(rounds); round++) {
    for (const [client, [command, ...args]] of Object.entries(clients)) {
      const count = client.startsWith('troupe') ? COUNT[name] : SLOW_COUNT;
      const lines = await jsonLines(command, args, {...env, BENCH_COUNT: String(count)});
      for (const row of lines ?? []) samples.note(`${row.method}|${row.mode}|${row.client}`, row);
    }
  }
  await server.stop();
  for (const method of METHODS) {
    const many = client => samples.figure(`${method}|many|${client}`, 'per_s');
    console.log(`\n${name}, \`${method}\``);
    table(['client', 'one by one, p50', 'p99', '100 in flight', '× `ws`', '× Puppeteer'],
      Object.keys(clients).map(client => [client,
        `${text(samples.figure(`${method}|one|${client}`, 'p50_us'))} µs`,
        `${text(samples.figure(`${method}|one|${client}`, 'p99_us'))} µs`,
        `${text(many(client))}/s`, text(many(client) / many('ws'), 2),
        text(many(client) / many('puppeteer'), 2)]));
  }
  return (client, beside, method = METHODS[0]) =>
    samples.figure(`${method}|many|${client}`, 'per_s') /
    samples.figure(`${method}|many|${beside}`, 'per_s');
}

console.log(`CDP commands, medians of ${rounds} rounds in turns, ${machine()}`);
await measure('Chromium', await startChromium(), {});
const ratio = await measure('peer', await startPeer(binaries),
  {CHROMIUM: join(binaries, 'bench_peer')});
console.log('\nGoals, `Browser.getVersion` against the peer:\n');
for (const client of ['troupe ws', 'troupe pipe']) {
  goal(`${client} × ws`, ratio(client, 'ws'), {least: 4});
  goal(`${client} × puppeteer`, ratio(client, 'puppeteer'), {least: 8});
}
