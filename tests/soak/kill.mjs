// SPDX-License-Identifier: MIT
// Round after round of tests/integration/crash.mjs: see kill.sh.

import { killRound, numbers, PAGES, seedOf } from "../integration/crash.mjs";
import { scratch, startHost } from "../integration/lib.mjs";
import { serve } from "../integration/site.mjs";

const ROUNDS = Number(process.env.SOAK_ROUNDS ?? 200);
const seed = seedOf();
const random = numbers(seed);
console.log(`kill: ${ROUNDS} rounds, TROUPE_SEED=${seed}`);

const deferred = [];
const t = { after: (action) => deferred.push(action) };
const started = [];
try {
  const site = await serve(t, PAGES);
  const dir = scratch(t);
  const start = async () => {
    const host = await startHost({ after: (action) => started.push(action) },
                                 { dir, args: ["--launch", "1", "--store-bytes-max", "64M"] });
    return host;
  };
  let last = 0;
  for (let i = 1; i <= ROUNDS; i++) {
    const { found } = await killRound(start, site, 1 + Math.floor(random() * 3000), last);
    last = found.last;
    for (const action of started.splice(0))
      await action();
    if (i % 20 === 0)
      console.log(JSON.stringify({ rounds: i, events: last }));
  }
} finally {
  for (const action of [...started, ...deferred].reverse())
    await action();
}
