// SPDX-License-Identifier: MIT
// Pictures of a page as it changes, to several clients, and into a file.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { environment, scratch, TROUPE, until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

const PAGES = { "/": `<title>moving</title><div id=box style="width:100px;height:100px;background:red"></div>
  <script>let n = 0; setInterval(() => { box.style.background = "hsl(" + (n += 20) + ",90%,50%)" }, 30)</script>` };

test("each change of the page is a picture for whoever wants them", async (t) => {
  const { host, target } = await hostWithPage(t, PAGES);
  const clients = [await host.socket(), await host.socket()];
  const frames = clients.map(() => []);
  clients.forEach((client, i) => client.onNotification(({ params }) => {
    if (params.data.method === "Page.screencastFrame")
      frames[i].push(params.data.params);
  }));
  for (const client of clients)
    await client.call("events.subscribe", { methods: ["Page.screencastFrame"], targets: [target] });
  assert.deepEqual(await host.rpc("screencast.start", { target, max_width: 320, max_height: 200, quality: 50 }),
                   { target, screencast: true });
  await until(() => frames.every((list) => list.length > 10), "pictures keep coming: each is acknowledged");
  for (const list of frames) {
    const bytes = Buffer.from(list[3].data, "base64");
    assert.equal(bytes.readUInt16BE(0), 0xffd8, "JPEG");
    assert.ok(list[3].metadata.timestamp > 0);
  }
  assert.equal((await host.rpc("screencast.stop", { target })).screencast, false);
  await until(async () => {
    const count = frames[0].length;
    await host.rpc("js", { target, await_promise: true, code: "new Promise((r) => setTimeout(r, 200))" });
    return frames[0].length === count;
  }, "no more come");
  for (const params of [{ quality: 101 }, { max_width: 0 }, { format: "gif" }])
    await assert.rejects(host.rpc("screencast.start", { target, ...params }), { code: -32602 });
  clients.forEach((client) => client.close());
});

test("record writes a film that can be played, also when it is interrupted", async (t) => {
  const { host } = await hostWithPage(t, PAGES);
  const dir = scratch(t);
  const film = path.join(dir, "film.avi");
  const { code, stderr } = await host.command("record", film, "--for", "1500ms", "--fps", "10");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /film\.avi: \d+ pictures, \d+\.\d s/);
  const bytes = fs.readFileSync(film);
  assert.equal(bytes.toString("latin1", 0, 4), "RIFF");
  assert.equal(bytes.readUInt32LE(4), bytes.length - 8);
  assert.equal(bytes.toString("latin1", 8, 12), "AVI ");
  const index = bytes.lastIndexOf("idx1");
  const entries = bytes.readUInt32LE(index + 4) / 16;
  assert.ok(entries >= 1, `${entries} frames`);
  const movi = bytes.indexOf("movi");
  for (let i = 0; i < entries; i++) {
    const at = movi + bytes.readUInt32LE(index + 8 + 16 * i + 8);
    const size = bytes.readUInt32LE(index + 8 + 16 * i + 12);
    assert.equal(bytes.toString("latin1", at, at + 4), "00dc");
    assert.equal(bytes.readUInt32LE(at + 4), size);
    if (size > 0)
      assert.equal(bytes.readUInt16BE(at + 8), 0xffd8);
  }
  if (spawnSync("ffprobe", ["-version"]).status === 0) {
    const probe = spawnSync("ffprobe", ["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", film], { encoding: "utf8" });
    assert.match(probe.stdout, /^mjpeg,\d+,\d+/);
  }

  const cut = path.join(dir, "cut.avi");
  const child = spawn(TROUPE, ["record", cut, "--name", host.name], { env: environment(host.dir), stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => { said += text; });
  await until(() => said.includes("Ctrl-C"), "it records");
  await until(() => fs.readdirSync(dir).some((name) => name.startsWith("cut.avi.") && fs.statSync(path.join(dir, name)).size > 20000), "it writes");
  child.kill("SIGINT");
  const [ended] = await new Promise((resolve) => child.on("exit", (...how) => resolve(how)));
  assert.equal(ended, 0);
  const whole = fs.readFileSync(cut);
  assert.equal(whole.readUInt32LE(4), whole.length - 8);
  assert.equal((await host.command("record", path.join(dir, "no/such/film.avi"), "--for", "100ms")).code, 1);
});
