// SPDX-License-Identifier: MIT
// Questions to a record of a million requests: to a host, over HTTP, and to DuckDB in the asking process, on
// the same rows. Both must find the same requests.
//   node bench/store.mjs BINARIES [REQUESTS]
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync, statSync} from 'node:fs';
import http from 'node:http';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {goal, jsonLines, machine, startHost, table, text} from './bench.mjs';

const [binaries, count = '1000000'] = process.argv.slice(2);
const REQUESTS = Number(count);
const SECONDS = 2; // of each question; at least three times
const here = dirname(fileURLToPath(import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
const store = join(dir, 'store.db');

const LAST = 'ORDER BY id DESC LIMIT 50';
const middle = Math.floor(REQUESTS / 20) * 10; // one with a body
const trace = `trace${middle * 7919 % 1000003}`;
const mark = `order${middle * 7919 % 1000003}`;
const either = 'FROM har_summary s WHERE EXISTS(SELECT 1 FROM request q LEFT JOIN response a ON a.request=q.id '
  + 'LEFT JOIN body b ON b.request=q.id WHERE q.id=s.id AND ';
const listed = answer => answer.requests.map(row => row.id);
const QUESTIONS = [
  {name: 'the last 50', goal: true, method: 'network', params: {limit: 50, show_all: true}, ids: listed,
    sql: `SELECT * FROM har_summary ${LAST}`},
  {name: 'the last 50 of one page', goal: true, method: 'network', params: {limit: 50, show_all: true, target: '9222:p3'}, ids: listed,
    sql: `SELECT * FROM har_summary WHERE target='9222:p3' ${LAST}`},
  {name: 'the last 50 of status 404', goal: true, method: 'network', params: {limit: 50, show_all: true, status: 404}, ids: listed,
    sql: `SELECT * FROM har_summary WHERE status=404 ${LAST}`},
  {name: 'the last 50 of `*/api/orders/*`', goal: true, method: 'network', params: {limit: 50, show_all: true, url: '*/api/orders/*'},
    ids: listed, sql: `SELECT * FROM har_summary WHERE url GLOB '*/api/orders/*' ${LAST}`},
  {name: 'one by a URL at the far end', method: 'network', params: {limit: 50, show_all: true, url: '*/static/1'}, ids: listed,
    sql: `SELECT * FROM har_summary WHERE url GLOB '*/static/1' ${LAST}`},
  {name: 'a word in a header', method: 'network', params: {limit: 50, show_all: true, text: `header:${trace}`}, ids: listed,
    sql: `SELECT * ${either} (contains(lower(q.headers_json),$1) OR contains(lower(a.headers_json),$1))) ${LAST}`,
    values: [trace]},
  {name: 'a word anywhere', method: 'network', params: {limit: 50, show_all: true, text: mark}, ids: listed,
    sql: `SELECT * ${either} (contains(lower(q.url),$1) OR contains(lower(q.headers_json),$1) `
      + `OR contains(lower(a.headers_json),$1) OR contains(lower(b.text),$1))) ${LAST}`, values: [mark]},
  {name: 'part of a header', method: 'network', params: {limit: 50, show_all: true, search: trace.slice(2)}, ids: listed,
    sql: `SELECT * ${either} (contains(lower(q.headers_json),$1) OR contains(lower(a.headers_json),$1))) ${LAST}`,
    values: [trace.slice(2)]},
  {name: 'one request in detail', goal: true, method: 'request', params: {id: middle}, ids: ({entry}) => [entry.id],
    sql: 'SELECT * FROM har_entry WHERE id=$1', values: [middle]},
  {name: 'its body', method: 'body', params: {id: middle}, ids: ({body}) => [JSON.parse(body).id],
    sql: 'SELECT request, text FROM body WHERE request=$1', values: [middle]},
  {name: 'requests counted by status', method: 'query.sql',
    params: {sql: 'SELECT status AS id, count(*) FROM response GROUP BY 1 ORDER BY 1'}, ids: ({rows}) => rows.map(row => row[0]),
    sql: 'SELECT status AS id, count(*) FROM response GROUP BY 1 ORDER BY 1'},
];

// As a client asks that keeps its connection: text in, text out, parsed.
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
function rpc(port, method, params) {
  return new Promise((resolve, reject) => {
    const request = http.request({port, host: '127.0.0.1', path: '/rpc', method: 'POST', agent,
      headers: {'content-type': 'application/json'}}, response => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', piece => { body += piece; });
      response.on('end', () => {
        const {result, error} = JSON.parse(body);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
    });
    request.on('error', reject);
    request.end(JSON.stringify({jsonrpc: '2.0', id: 1, method, params}));
  });
}

async function ask(port, {method, params, ids}) {
  const took = [];
  let answer;
  for (const until = performance.now() + SECONDS * 1000;
    took.length < 3 || performance.now() < until && took.length < 500;) {
    const start = performance.now();
    answer = await rpc(port, method, params);
    took.push(performance.now() - start);
  }
  took.sort((a, b) => a - b);
  return {ms: took[took.length >> 1], ids: ids(answer)};
}

async function run(command, args) {
  const [status] = await once(spawn(command, args, {stdio: 'inherit'}), 'close');
  if (status !== 0) throw new Error(`${command} ${args[0]} failed`);
}

async function duckdb() {
  const child = spawn(process.execPath, [join(here, 'peers/duckdb.mjs'), dir, join(dir, 'duck.db'), String(SECONDS)],
    {stdio: ['pipe', 'pipe', 'inherit']});
  child.stdin.end(JSON.stringify({queries: QUESTIONS.map(({name, sql, values = []}) => ({name, sql, values}))}));
  let out = '';
  child.stdout.on('data', data => { out += data; });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error('DuckDB failed');
  return out.trim().split('\n').map(line => JSON.parse(line));
}

const mib = bytes => `${text(bytes / 1048576)} MiB`;
try {
  await run(join(binaries, 'bench_store'), ['make', store, count]);
  await run(join(binaries, 'bench_store'), ['dump', store, dir]);
  const [loaded, ...theirs] = await duckdb();
  const host = await startHost(['--store', store, '--store-bytes-max', '0']);
  const before = statSync(store).size;
  const start = performance.now();
  // The first search makes the index; its calls may end before it is whole, and it goes on.
  for (let done = false; !done;)
    done = await rpc(host.port, 'network', {limit: 1, text: mark}).then(() => true, error => {
      if (!/in time|timeout|deadline/i.test(error.message)) throw error;
      return false;
    });
  const indexed = performance.now() - start;
  const ours = [];
  for (const question of QUESTIONS) ours.push(await ask(host.port, question));
  const size = statSync(store).size;
  await host.stop();

  console.log(`${text(REQUESTS)} requests, ${machine()}; DuckDB in the asking process, the host over HTTP`);
  console.log(`store ${mib(before)} (with its search index ${mib(size)}), DuckDB's file ${mib(loaded.bytes)}`);
  console.log(`the search index of the whole record: ${text(indexed / 1000, 1)} s, once, when somebody searches`);
  table(['', 'DuckDB', 'Troupe', 'Troupe / DuckDB', 'found'], QUESTIONS.map(({name}, i) => [name,
    `${text(theirs[i].ms, 2)} ms`, `${text(ours[i].ms, 2)} ms`, text(ours[i].ms / theirs[i].ms, 3), text(ours[i].ids.length)]));
  console.log();
  QUESTIONS.forEach((question, i) => {
    if (JSON.stringify(ours[i].ids) !== JSON.stringify(theirs[i].ids)) {
      console.log(`DIFFERENT  ${question.name}: ${ours[i].ids} and ${theirs[i].ids}`);
      process.exitCode = 1;
    }
    if (question.goal) goal(question.name, ours[i].ms / theirs[i].ms, {most: 1}, 3);
  });
} finally {
  agent.destroy();
  rmSync(dir, {recursive: true, force: true});
}
