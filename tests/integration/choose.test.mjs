// SPDX-License-Identifier: MIT
// Lists: rows by an SQL expression, members by name, into a file whole or not at all.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { scratch } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = {
  "/": "<title>page</title><img src=/small.svg><img src=/none.svg><script src=/a.js></script>",
  "/small.svg": { body: "<svg xmlns='http://www.w3.org/2000/svg'/>", type: "image/svg+xml" },
  "/a.js": { body: "console.log('it\\'s', \"quoted\")", type: "text/javascript" },
};

test("--where chooses rows of any list; --fields their members", async (t) => {
  const { host, site, target } = await hostWithPage(t, PAGES);
  const list = async (...args) => JSON.parse((await host.command(...args, "--json")).stdout);
  const { requests } = await list("network", "--where", "status >= 400");
  assert.deepEqual(requests.map(({ url }) => url), [`${site.url}/none.svg`]);
  const some = await list("network", "--where", "url LIKE '%.svg' AND status = 200 OR method = 'POST'", "--fields", "url,status");
  assert.deepEqual(some.requests, [{ url: `${site.url}/small.svg`, status: 200 }]);
  assert.deepEqual((await list("console", "--where", "message LIKE '%it''s%'")).messages.length, 1);
  assert.deepEqual((await list("pages", "--where", "connected", "--fields", "target,nothing.at.all")).pages,
                   [{ target, "nothing.at.all": null }]);
  assert.equal((await list("pages", "--where", "0")).pages.length, 0);

  const table = (await host.command("network", "--fields", "status,url", "--where", "status = 404")).stdout;
  assert.match(table, /^status +url\n404 +http.*none\.svg\n$/);
  const elements = await list("query", "img", "--target", target, "--fields", "tag,box.width", "--where", "json_extract(box, '$.x') >= 0");
  assert.deepEqual(Object.keys(elements.elements[0]), ["tag", "box.width"]);
});

test("what is wrong with an expression is told with its place, and it can only look", async (t) => {
  const { host } = await hostWithPage(t, PAGES);
  for (const [where, said] of [["status >", /--where: .*/], ["statu = 1", /no such column: statu \(at 1/],
                               ["1); DROP TABLE rows; --", /--where/], ["load_extension('x')", /not authorized|no such/],
                               ["(SELECT count(*) FROM sqlite_master)", /prohibited|not authorized/], ["status = 200 AND (", /--where/]]) {
    const { code, stderr, stdout } = await host.command("network", "--where", where);
    assert.equal(code, 2, `${where}: ${stdout}`);
    assert.match(stderr, said, where);
    assert.equal(stdout, "");
  }
  const none = await host.command("version", "--where", "1");
  assert.equal(none.code, 2);
  assert.match(none.stderr, /no list/);
});

test("--output writes a file whole, or not at all", async (t) => {
  const { host } = await hostWithPage(t, PAGES);
  const dir = scratch(t);
  const file = path.join(dir, "list.json");
  const { code, stdout } = await host.command("network", "--json", "--output", file);
  assert.deepEqual([code, stdout], [0, ""]);
  assert.ok(JSON.parse(fs.readFileSync(file)).requests.length > 2);
  const before = fs.readFileSync(file, "utf8");
  assert.equal((await host.command("network", "--where", "nonsense", "--output", file)).code, 2);
  assert.equal(fs.readFileSync(file, "utf8"), before, "what was there stays");
  assert.deepEqual(fs.readdirSync(dir), ["list.json"], "nothing is left beside it");
  for (const bad of [dir, path.join(dir, "no/such/dir/file")]) {
    const failed = await host.command("status", "--output", bad);
    assert.equal(failed.code, 1);
    assert.ok(failed.stderr.includes(bad), failed.stderr);
  }
  assert.match((await host.command("status", "--output", "-")).stdout, /version/);
});

/** Lines and fields as RFC 4180 has them. */
function readCsv(text) {
  const lines = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(,|\r\n|$)/g)) {
    if (end === "" && quoted === undefined && plain === "")
      break;
    lines.at(-1).push(quoted !== undefined ? quoted.replaceAll('""', '"') : plain);
    if (end === "\r\n")
      lines.push([]);
  }
  return lines.filter((line) => line.length > 0);
}

test("--csv: any list as --json has it", async (t) => {
  const { host } = await hostWithPage(t, PAGES);
  for (const command of [["network", "--where", "url NOT LIKE '%favicon%'"], ["console"], ["pages"], ["browsers"], ["targets"], ["ports", "list"], ["actors", "--fields", "name,state"]]) {
    const [kind] = Object.values(JSON.parse((await host.command(...command, "--json")).stdout)).filter((value) => typeof value?.[0] === "object");
    const { code, stdout } = await host.command(...command, "--csv");
    assert.equal(code, 0);
    const [heads = [], ...lines] = readCsv(stdout);
    assert.equal(lines.length, kind?.length ?? 0, command.join(" "));
    if (["actors", "browsers"].includes(command[0])) // counts go on
      continue;
    const text = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
    lines.forEach((line, i) => assert.deepEqual(line, heads.map((name) => text(kind[i][name])), command.join(" ")));
  }
  assert.match((await host.command("console", "--csv", "--fields", "message")).stdout, /^message\r\nit's quoted\r\n/);
  assert.equal((await host.command("pages", "--csv", "--where", "0")).stdout, "");
  assert.equal((await host.command("sql", "SELECT 'a,b' AS x, NULL AS y, 'c\"d' AS z", "--csv")).stdout, 'x,y,z\r\n"a,b",,"c""d"\r\n');
  assert.equal((await host.command("sql", "SELECT '' AS x, NULL AS y, 'a' || char(0) || 'b' AS z", "--csv")).stdout, 'x,y,z\r\n"",,"a\0b"\r\n');
  assert.equal((await host.command("sql", "SELECT 1 AS one, 2 AS two WHERE 0", "--csv")).stdout, "one,two\r\n");
  await host.rpc("filters.add", { name: "ads", hide: { types: ["Image"], urls: ["*/ads/*", "*,*"] } });
  assert.equal((await host.command("filters", "--csv")).stdout, 'name,enabled,types,urls\r\nads,true,"[""Image""]","[""*/ads/*"",""*,*""]"\r\n');
  assert.equal((await host.command("filters", "--fields", "name", "--where", "enabled")).stdout.trim().split(/\s+/).join(" "), "name ads");
  assert.deepEqual(JSON.parse((await host.command("filters", "--json")).stdout).ads.hide.types, ["Image"]);
  assert.equal((await host.command("selections", "--csv")).stdout, "");
  const checks = readCsv((await host.command("doctor", "--csv", "--fields", "level,check")).stdout);
  assert.deepEqual(checks[0], ["level", "check"]);
  assert.ok(checks.length > 3);
  for (const [args, said] of [[["network", "--csv", "--json"], /--json or --csv/], [["version", "--csv"], /no list/]]) {
    const { code, stderr } = await host.command(...args);
    assert.equal(code, 2);
    assert.match(stderr, said);
  }
});
