// SPDX-License-Identifier: MIT
// The same rows in DuckDB, in this process: loaded from CSV files, kept in a file, with the same views.
//   node duckdb.mjs DIR FILE SECONDS < {queries: [{name, sql, values}]}
// Prints {loaded_ms, bytes}, then for each query {name, ms, ids}.
import {DuckDBInstance} from '@duckdb/node-api';
import {existsSync, readFileSync, statSync} from 'node:fs';

const [dir, file, seconds] = process.argv.slice(2);
const {queries} = JSON.parse(readFileSync(0, 'utf8'));
const say = object => console.log(JSON.stringify(object));
const now = () => performance.now();

const connection = await (await DuckDBInstance.create(file)).connect();
const began = now();
for (const name of ['request', 'response', 'websocket', 'body']) {
  const types = name === 'response' ? ", types={'raw_status': 'BIGINT'}" : ''; // a column without a value
  await connection.run(`CREATE TABLE "${name}" AS FROM read_csv('${dir}/${name}.csv', nullstr='\\N',
    header=true, quote='"', escape='"', sample_size=100000${types})`);
}
// What SQLite has as primary keys.
await connection.run('CREATE UNIQUE INDEX request_key ON request(id)');
for (const name of ['response', 'websocket', 'body'])
  await connection.run(`CREATE UNIQUE INDEX ${name}_key ON "${name}"(request)`);
const time = us => `strftime(make_timestamp(CAST(${us} AS BIGINT)), '%Y-%m-%dT%H:%M:%S.%gZ')`;
const joined = 'FROM request r LEFT JOIN response p ON p.request=r.id LEFT JOIN body b ON b.request=r.id';
await connection.run(`CREATE VIEW har_summary AS SELECT r.id, r.request_id, r.protocol, r.method,
  COALESCE(p.raw_status, p.status, 0) AS status, r.url, r.type, COALESCE(r.encoded_bytes, 0) AS size,
  r.time_us/1000.0 AS time_ms, r.state, NULL AS pause_stage, NULL AS paused_id, ${time('r.started_us')} AS started_datetime,
  ${time('r.last_us')} AS last_activity, r.target, CASE b.ok WHEN 1 THEN 'ok' WHEN 0 THEN 'err' END AS body_status
  ${joined}`);
await connection.run(`CREATE VIEW har_entry AS SELECT r.*, p.* EXCLUDE (request, url, protocol, headers_json,
  raw_headers_json), p.protocol AS http_version, p.headers_json AS response_headers_json, b.ok, b.error AS body_error,
  b.bytes AS body_bytes, ${time('r.started_us')} AS started_datetime ${joined}`);
await connection.run('CHECKPOINT');
say({loaded_ms: now() - began, bytes: existsSync(file) ? statSync(file).size : 0});

for (const {name, sql, values} of queries) {
  const statement = await connection.prepare(sql);
  const took = [];
  let rows;
  for (const until = now() + Number(seconds) * 1000; took.length < 3 || now() < until && took.length < 500;) {
    const start = now();
    statement.bind(values);
    rows = (await statement.runAndReadAll()).getRowObjectsJson();
    took.push(now() - start);
  }
  took.sort((a, b) => a - b);
  say({name, ms: took[took.length >> 1], ids: rows.map(row => Number(row.id ?? row.request))});
}
process.exit(0);
