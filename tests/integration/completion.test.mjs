// SPDX-License-Identifier: MIT
// What Tab offers, in the shells that are installed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

import { scratch, TROUPE } from "./lib.mjs";

const FILES = path.resolve(import.meta.dirname, "../../completions");
const installed = (shell) => spawnSync(shell, ["-c", "exit 0"]).status === 0;

/** The lines that a script of that shell prints, with our program in its PATH. */
function lines(t, shell, script) {
  const dir = scratch(t);
  const { stdout, stderr, status } = spawnSync(shell, ["-c", script], { encoding: "utf8", cwd: dir, env: {
    ...process.env, HOME: dir, XDG_STATE_HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir, FILES, PATH: `${path.dirname(TROUPE)}:${process.env.PATH}` } });
  assert.equal(status, 0, stderr);
  return stdout.trim().split("\n");
}

const BASH = (...words) => `source "$FILES/troupe.bash"; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})
  COMP_CWORD=${words.length - 1}; _troupe; printf '%s\\n' "\${COMPREPLY[@]}"`;
const ZSH = (...words) => `compadd() { shift; print -rl -- "$@" }; autoload -Uz compinit; fpath=("$FILES" $fpath)
  words=(${words.map((word) => `'${word}'`).join(" ")}); CURRENT=${words.length}; source "$FILES/_troupe"`;
const FISH = (...words) => `source $FILES/troupe.fish; complete -C '${words.join(" ")}'`;

for (const [shell, script] of [["bash", BASH], ["zsh", ZSH], ["fish", FISH]]) {
  test(`${shell} offers commands and options`, { skip: !installed(shell) && `no ${shell} here` }, (t) => {
    const first = lines(t, shell, script("troupe", ""));
    for (const word of ["serve", "network", "inspect", "follow", "fetch"])
      assert.ok(first.some((line) => line.split("\t")[0] === word), `${word} in ${first}`);
    const options = lines(t, shell, script("troupe", "network", "--")).map((line) => line.split("\t")[0]);
    assert.ok(options.includes("--where") && options.includes("--status"), `${options}`);
    if (shell !== "bash")
      assert.ok(lines(t, shell, script("troupe", "fetch", "")).some((line) => line.startsWith("mock")));
  });
}
