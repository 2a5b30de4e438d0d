// SPDX-License-Identifier: MIT
// What integration tests share: a host of their own, its RPC, a second browser, and what is left
// behind. Nothing waits for a fixed time; everything that waits has a deadline.

import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { WebSocketClient } from "./websocket.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const TROUPE = process.env.TROUPE ?? path.join(ROOT, "build/dev/bin/troupe");
export const BROWSER = process.env.TROUPE_TEST_BROWSER ?? "chromium-headless-shell";
/** How much slower than usual: a build with sanitizers takes its time. */
export const SLOW = Number(process.env.TROUPE_TEST_SLOW ?? 1);
const VERBOSE = Boolean(process.env.TROUPE_TEST_VERBOSE);
const DEADLINE_MS = 20000 * SLOW;

/** An error object of JSON-RPC, as an exception. */
export class RpcError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.code = code;
    this.data = data;
    this.wire = data?.name;
  }
}

/** The promise's value, or an error that says what did not happen in time. */
export function within(promise, what, ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** For what no event tells (other processes, /proc): ask again until the answer is truthy. */
export async function until(ask, what, ms = DEADLINE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer)
      return answer;
    if (Date.now() > end)
      throw new Error(`not within ${ms} ms: ${what}\n${told()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Resolves when the state file of that process is there; told by the directory, not asked for. */
function stateOf(file, pid) {
  return new Promise((resolve, reject) => {
    const watcher = fs.watch(path.dirname(file), look);
    watcher.on("error", reject);
    function look() {
      // It is written whole or not at all; one that a killed host left names another process.
      const state = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {};
      if (state.pid !== pid)
        return;
      watcher.close();
      resolve(state);
    }
    look();
  });
}

/** Ids of the processes that have the text in their command line, zombies left out. */
export function processesWith(text) {
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
    .filter((pid) => pid !== process.pid && commandLine(pid).includes(text));
}

function commandLine(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // it has ended
  }
}

/** The browser itself among the processes of a profile: not its keeper, a script around it or a helper. */
export function browserProcess(profile) {
  return processesWith(profile).find((pid) =>
    !/--type=|--keeper|^\/bin\/(ba|da)?sh\0/.test(commandLine(pid)));
}

export function isAlive(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
  } catch {
    return false;
  }
}

/** Threads and open descriptors of a process. */
export function footprint(pid) {
  return {
    threads: fs.readdirSync(`/proc/${pid}/task`).length,
    descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
  };
}

const deferred = new WeakMap();

/** Have something done when the test ends: what was asked for last comes first. */
export function defer(t, action) {
  if (!deferred.has(t)) {
    deferred.set(t, []);
    t.after(async () => {
      const failures = [];
      for (const each of deferred.get(t).reverse())
        await Promise.resolve().then(each).catch((error) => failures.push(error));
      if (failures.length > 0)
        throw failures[0];
    });
  }
  deferred.get(t).push(action);
}

/** A directory that is removed when the test ends. */
export function scratch(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "troupe-test-"));
  defer(t, () => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Environment of a host or command that keeps all its files in dir. */
export function environment(dir, more = {}) {
  const clean = Object.fromEntries(Object.entries(process.env)
    .filter(([name]) => !name.startsWith("TROUPE")));
  return { ...clean, HOME: dir, XDG_STATE_HOME: path.join(dir, "state"),
           XDG_CONFIG_HOME: path.join(dir, "config"), TMPDIR: path.join(dir, "tmp"), ...more };
}

/** Run `troupe ARGS…` to its end: {code, signal, stdout, stderr}. */
export async function troupe(dir, args, { env = {}, input = "", ms = DEADLINE_MS } = {}) {
  fs.mkdirSync(path.join(dir, "tmp"), { recursive: true });
  return run(TROUPE, args, { env: environment(dir, env), input, ms });
}

/** Run any command to its end. */
export async function run(command, args, { env = process.env, input = "", ms = DEADLINE_MS } = {}) {
  const child = spawn(command, args, { env, stdio: "pipe" });
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => { out[name] += text; });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  try {
    const [code, signal] = await within(once(child, "close"), `${command} ${args.join(" ")}`, ms);
    return { code, signal, ...out };
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${error.message}\n${out.stdout}${out.stderr}`);
  }
}

/** JSON-RPC over one WebSocket; notifications are collected and waited for. */
class RpcSocket {
  #socket;
  #last = 0;
  #pending = new Map();
  #listeners = new Set();
  arrivals = []; // ids in the order their answers came

  constructor(socket) {
    this.#socket = socket;
    this.closed = once(socket, "close");
    socket.on("message", (text) => this.#receive(JSON.parse(text)));
    socket.on("close", () => {
      for (const { reject } of this.#pending.values())
        reject(new Error("the WebSocket closed"));
    });
  }

  #receive(message) {
    if (message.id === undefined) {
      for (const listener of this.#listeners)
        listener(message);
      return;
    }
    const call = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    this.arrivals.push(message.id);
    if (message.error)
      call?.reject(new RpcError(message.error));
    else
      call?.resolve(message.result);
  }

  call(method, params) {
    const id = ++this.#last;
    return within(new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    }), `${method} over WebSocket`);
  }

  /** Have the listener called with each notification. */
  onNotification(listener) {
    this.#listeners.add(listener);
  }

  sendText(text) {
    this.#socket.send(text);
  }

  close() {
    this.#socket.close();
  }

  destroy() {
    this.#socket.destroy();
  }
}

const running = new Set();

/** What the hosts that run said last: why something was waited for in vain. */
function told() {
  return [...running].map(({ name, stderr }) => `host ${name}:\n${stderr.slice(-4000)}`).join("\n");
}

/** A running host. */
export class Host {
  constructor(child, dir, name) {
    Object.assign(this, { child, dir, name, pid: child.pid, stdout: "", stderr: "" });
    running.add(this);
    this.exited = once(child, "exit").then(([code, signal]) => {
      running.delete(this);
      return { code, signal };
    });
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8").on("data", (text) => {
        this[stream] += text;
        if (VERBOSE)
          process.stderr.write(text);
      });
    }
  }

  get stateFile() {
    return path.join(this.dir, "state/troupe", `${this.name}.json`);
  }

  get profiles() {
    return path.join(this.dir, "tmp");
  }

  /** A raw request: {status, headers, text}. */
  request(method, where, { headers = {}, body = "" } = {}) {
    return within(new Promise((resolve, reject) => {
      const request = http.request(this.url + where, { method, headers, agent: false }, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers,
                                           text: Buffer.concat(parts).toString() }));
      });
      request.on("error", reject);
      request.end(body);
    }), `${method} ${where}`);
  }

  /** POST any body to /rpc; what comes back, parsed. */
  async post(body) {
    const { text } = await this.request("POST", "/rpc",
                                        { headers: { "Content-Type": "application/json" }, body });
    return text === "" ? undefined : JSON.parse(text);
  }

  /** One call; an error object is thrown as RpcError. */
  async rpc(method, params = {}) {
    const answer = await this.post(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
    if (answer.error)
      throw new RpcError(answer.error);
    return answer.result;
  }

  async socket() {
    return new RpcSocket(await WebSocketClient.open(`${this.url}/ws`));
  }

  /** The rows of a query, as objects. */
  async sql(sql, params = []) {
    const { columns, rows } = await this.rpc("query.sql", { sql, params, limit: 10000 });
    return rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
  }

  /** The first browser that was launched, once it is up. */
  async launched() {
    return until(async () => (await this.rpc("browsers.list")).browsers
      .find((browser) => browser.state === "up"), "a launched browser is up");
  }

  async stop(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null)
      this.child.kill(signal);
    return within(this.exited, `the host ends after ${signal}`);
  }

  /** Run a command against this host. */
  command(...args) {
    return troupe(this.dir, [...args, "--name", this.name]);
  }
}

/**
 * Start `troupe serve` and wait for its state file. When the test ends the host is ended, and
 * nothing of it may be left.
 */
export async function startHost(t, { args = [], env = {}, dir = scratch(t), name = "test" } = {}) {
  fs.mkdirSync(path.join(dir, "state/troupe"), { recursive: true, mode: 0o700 });
  fs.mkdirSync(path.join(dir, "tmp"), { recursive: true });
  const child = spawn(TROUPE, ["serve", "--name", name, ...args],
                      { env: environment(dir, env), stdio: ["ignore", "pipe", "pipe"] });
  const host = new Host(child, dir, name);
  defer(t, () => endHost(host));
  const early = host.exited.then(({ code, signal }) => {
    throw new Error(`the host ended early (${code ?? signal}):\n${host.stderr}`);
  });
  early.catch(() => {}); // it will end some time
  const state = await within(Promise.race([stateOf(host.stateFile, child.pid), early]),
                             "the state file appears");
  Object.assign(host, { url: state.url, port: state.port });
  return host;
}

async function endHost(host) {
  await host.stop().catch(() => host.child.kill("SIGKILL"));
  await until(() => processesWith(host.profiles).length === 0, "no process is left")
    .catch((error) => {
      for (const pid of processesWith(host.profiles))
        process.kill(pid, "SIGKILL");
      throw error;
    });
}

/** The address of the demo site of a host that was started with --demo. */
export function demoSite(host) {
  return until(() => /demo site\s+(http:\/\/127\.0\.0\.1:\d+\/)/.exec(host.stdout)?.[1],
               "the host says where the demo site is");
}

/** A browser that we start, on a debugging port (a free one, or `at`): {port, pid, kill()}. */
export async function startBrowser(t, { at = 0 } = {}) {
  const profile = scratch(t);
  const child = spawn(BROWSER, [`--remote-debugging-port=${at}`, "--no-sandbox", "--headless",
                                "--no-first-run", `--user-data-dir=${profile}`, "about:blank"],
                      { stdio: ["ignore", "ignore", "pipe"], detached: true });
  const exited = once(child, "exit");
  // The command may be a script around the browser: what counts is the process group.
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // it has ended
    }
  };
  defer(t, async () => {
    kill("SIGKILL");
    await exited;
    await until(() => processesWith(profile).length === 0, "the second browser is gone");
  });
  let log = "";
  const port = await within(new Promise((resolve) => {
    child.stderr.setEncoding("utf8").on("data", (text) => {
      log += text;
      const found = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(log);
      if (found)
        resolve(Number(found[1]));
    });
  }), "the second browser listens");
  return { port, pid: child.pid, kill, exited };
}

/** JavaScript that waits until the demo page has done everything. */
export const PAGE_DONE = `await new Promise((resolve) => {
  const look = () => document.title === "done" && resolve(true);
  new MutationObserver(look).observe(document.documentElement,
                                     { childList: true, subtree: true, characterData: true });
  look();
})`;
