// SPDX-License-Identifier: MIT
// The scanner's speed as a table.
//   node bench/scan.mjs BINARIES [ROUNDS]
import {join} from 'node:path';
import {jsonLines, machine, table, text} from './bench.mjs';

const [binaries, rounds = '5'] = process.argv.slice(2);
const rows = await jsonLines(join(binaries, 'bench_scan'), [rounds]) ?? [];
console.log(`The scanner, GB/s of one thread's CPU time, medians of ${rounds}, ${machine()}`);
const subjects = ['cdp_scan', 'json_check', 'jansson', 'memchr', 'memcpy'];
table(['document', 'bytes', ...subjects, 'cdp_scan × jansson'], rows.map(row =>
  [row.document, text(row.bytes), ...subjects.map(subject => text(row[subject], 2)),
    text(row.cdp_scan / row.jansson)]));
