// SPDX-License-Identifier: MIT
// The same measures as bench/commands.c, for a client that offers send(): Promise.
const ONE = 3000, MANY = Number(process.env.BENCH_COUNT ?? 40000), IN_FLIGHT = 100;

export async function measure(client, method, send) {
  const took = new Float64Array(ONE);
  const start = process.hrtime.bigint();
  for (let i = 0; i < ONE; i++) {
    const before = process.hrtime.bigint();
    await send();
    took[i] = Number(process.hrtime.bigint() - before) / 1e3;
  }
  const whole = Number(process.hrtime.bigint() - start) / 1e9;
  took.sort();
  console.log(JSON.stringify({client, method, mode: 'one', p50_us: took[ONE / 2],
    p99_us: took[ONE * 0.99], per_s: Math.round(ONE / whole)}));

  let started = 0;
  const begin = process.hrtime.bigint();
  const lane = async () => { while (started < MANY) { started++; await send(); } };
  await Promise.all(Array.from({length: IN_FLIGHT}, lane));
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  console.log(JSON.stringify({client, method, mode: 'many', per_s: Math.round(MANY / seconds)}));
}
