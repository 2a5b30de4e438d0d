// SPDX-License-Identifier: MIT
// The play: one act after the other, so that what is recorded has an order that a test can check.
// When all of it has happened, the title of the page is "done".

const { bill } = stage;
const url = stage.url.bind(stage);

function once(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}

async function fetchJson() {
  const planets = await (await fetch(url("/planets.json"))).json();
  console.log("fetched", planets[2]);
  bill("JSON by fetch", `${planets.length} planets`);
}

async function xhrJson() {
  const request = new XMLHttpRequest();
  request.open("GET", url("/stars.json"));
  request.responseType = "json";
  const loaded = once(request, "load");
  request.send();
  await loaded;
  bill("JSON by XMLHttpRequest", `${request.response.length} stars`);
}

async function redirects() {
  const response = await fetch(url("/hop/1"));
  bill("Two redirects", (await response.text()).trim());
}

async function missing() {
  const response = await fetch(url("/nobody"));
  console.warn("nobody is there:", response.status);
  bill("Something that is not there", await response.text(), true);
}

async function post() {
  const response = await fetch(url("/post"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ line: "To be, or not to be", act: 3, scene: 1 }),
  });
  const { line } = await response.json();
  bill("A POST, echoed", line);
}

async function broken() {
  const failure = await fetch(url("/broken")).then((r) => r.arrayBuffer()).catch((e) => e);
  console.error("a response broke off:", failure.name);
  bill("A response that breaks off", failure.message, true);
}

async function aborted() {
  const control = new AbortController();
  const response = await fetch(url("/stream"), { signal: control.signal });
  control.abort();
  const failure = await response.arrayBuffer().catch((e) => e);
  bill("A stream given up", failure.message, true);
}

async function encore() {
  const script = document.createElement("script");
  const loaded = once(script, "load");
  script.src = url("/encore.js");
  document.head.append(script);
  await loaded;
}

async function websocket() {
  const socket = new WebSocket(url(`ws://${location.host}/echo`));
  await once(socket, "open");
  const echoes = [];
  for (const word of ["one", "two", "three"]) {
    const answer = once(socket, "message");
    socket.send(word);
    echoes.push((await answer).data);
  }
  const closed = once(socket, "close");
  socket.close(1000, "the end");
  await closed;
  console.log("the socket said", { echoes });
  bill("A WebSocket", `echoed ${echoes.join(", ")}`);
}

async function mishaps() {
  const thrown = once(window, "error");
  setTimeout(() => { throw new Error("the villain forgot his lines"); });
  await thrown;
  const rejected = once(window, "unhandledrejection");
  Promise.reject(new Error("the prompter has left"));
  await rejected;
  await new Promise((resolve) => setTimeout(resolve)); // it is reported after that event
  bill("An error and a rejection", "nobody caught them", true);
}

if (document.readyState !== "complete")
  await once(window, "load");
for (const act of [fetchJson, xhrJson, redirects, missing, post, broken, aborted, encore, websocket,
                   mishaps])
  await act();
console.info("curtain down");
document.getElementById("verdict").textContent = "The play is over. See: troupe network, troupe console";
document.title = "done";
