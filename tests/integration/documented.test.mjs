// SPDX-License-Identifier: MIT
// The errors that docs/rpc.md documents of methods of a target come when what they say is so.

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./lib.mjs";
import { hostWithPage } from "./site.mjs";

// Something of the right kind for each param that some method needs.
const SAMPLES = { url: "about:blank", code: "1", command: "Browser.getVersion", selector: "#field", text: "a", key: "a",
                  values: ["a"], files: [import.meta.filename], name: "f", id: "1", action: "start", from: "p1" };
// Named by these instead of a target; what they name is tested where they are.
const OTHERWISE = /^(fetch\.(resume|fail|fulfill)|clients\.end|browsers\.|ports\.|contexts\.dispose|actor\.|channel\.|notices\.)/;

const PAGE = "<title>page</title><input id=field><select id=many><option>a</select>";

function paramsOf(method, more) {
  const { properties, required = [] } = method.params;
  const sample = (name) => (properties[name].type === "integer" ? 1 : SAMPLES[name]);
  const params = { ...Object.fromEntries(required.map((name) => [name, sample(name)])), ...more };
  for (const name of Object.keys(params))
    assert.ok(name in properties && params[name] !== undefined, `${method.name} has ${name}, and there is a sample of it`);
  return params;
}

const failure = (promise) => promise.then((result) => ({ result }), (error) => error);

test("each says NOT_FOUND, NOT_CONNECTED, INVALID_STATE, STALE_EPOCH when it is so", async (t) => {
  const { host, site, target } = await hostWithPage(t, { "/": PAGE });
  const { methods } = await host.rpc("rpc.describe");
  const { target: free } = await host.rpc("open", { url: `${site.url}/?free` });
  await host.rpc("disconnect", { target: free });
  const { target: crashed } = await host.rpc("open", { url: `${site.url}/?crashed` });
  await host.rpc("cdp", { target: crashed, command: "Page.crash" }).catch(() => {});
  await until(async () => (await host.rpc("targets")).targets.find((one) => one.target === crashed).state === "crashed", "it crashed");
  const situations = {
    NOT_FOUND: () => ({ target: "ffffff" }),
    NOT_CONNECTED: () => ({ target: free }),
    INVALID_STATE: ({ states }) => !states.includes("crashed") && { target: crashed },
    STALE_EPOCH: ({ owner, mutates }) => owner === "target" && mutates && { target, target_epoch: 0 },
  };
  const seen = {};
  for (const method of methods) {
    if (!("target" in method.params.properties) || method.websocket || OTHERWISE.test(method.name))
      continue;
    for (const error of method.errors) {
      const situation = situations[error]?.(method);
      if (!situation || (method.owner !== "target" && error !== "NOT_FOUND"))
        continue;
      const came = await failure(host.rpc(method.name, paramsOf(method, situation)));
      assert.equal(came.data?.name, error, `${method.name}: ${came.message ?? JSON.stringify(came.result)}`);
      seen[error] = (seen[error] ?? 0) + 1;
    }
  }
  t.diagnostic(JSON.stringify(seen));
  assert.ok(Object.keys(situations).every((error) => seen[error] >= 10), JSON.stringify(seen));
});

test("whatever is left out that is needed, or of the wrong type, is INVALID_PARAMS and names it", async (t) => {
  const { host } = await hostWithPage(t, { "/": PAGE });
  const { methods } = await host.rpc("rpc.describe");
  for (const method of methods.filter(({ websocket }) => !websocket)) {
    const { properties, required = [] } = method.params;
    for (const name of required) {
      const any = { integer: 1, number: 1, boolean: true, array: [], object: {}, string: "a" };
      const params = Object.fromEntries(required.filter((other) => other !== name)
        .map((other) => [other, any[[properties[other].type].flat()[0]]]));
      const came = await failure(host.rpc(method.name, params));
      assert.equal(came.code, -32602, `${method.name} without ${name}: ${JSON.stringify(came.result)}`);
      assert.ok(came.message.includes(name), `${method.name} without ${name}: ${came.message}`);
    }
    const wrong = Object.keys(properties).find((name) => properties[name].type === "boolean");
    if (wrong !== undefined && required.length === 0) {
      const came = await failure(host.rpc(method.name, { [wrong]: "text" }));
      assert.equal(came.code, -32602, `${method.name} with ${wrong} as text: ${JSON.stringify(came.result)}`);
      assert.ok(came.message.includes(wrong), `${method.name} with ${wrong} as text: ${came.message}`);
    }
  }
  assert.equal((await host.rpc("status")).name, "test", "a `stop` that was refused stops nothing");
});
