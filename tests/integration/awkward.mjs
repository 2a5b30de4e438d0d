// SPDX-License-Identifier: MIT
// A page of elements that are awkward to act on, and a frame within it.

const AWKWARD = `<!doctype html><meta charset=utf-8><title>awkward</title>
<style>
  body { margin: 0; height: 4000px; font: 14px sans-serif }
  #header { position: sticky; top: 0; height: 60px; background: #ddd; z-index: 5 }
  .at { position: absolute; width: 80px; height: 30px }
  #glass { position: absolute; left: 300px; top: 100px; width: 100px; height: 50px; z-index: 9 }
  #scroller { position: absolute; left: 10px; top: 200px; width: 150px; height: 80px; overflow: auto }
  @keyframes slide { from { transform: translateX(0) } to { transform: translateX(300px) } }
  #moving { animation: slide 400ms 3 alternate linear }
  #contents { display: contents }
</style>
<div id=header>header</div>
<button id=plain class=at style="left:10px;top:100px">plain</button>
<button id=moving class=at style="left:110px;top:300px">moving</button>
<button id=covered class=at style="left:305px;top:110px">covered</button><div id=glass></div>
<button id=uncovered class=at style="left:405px;top:110px">later free</button>
<div id=veil style="position:absolute;left:400px;top:100px;width:100px;height:50px;z-index:9"></div>
<button id=disabled class=at style="left:10px;top:350px" disabled>disabled</button>
<fieldset disabled style="position:absolute;top:340px;left:100px"><button id=fieldset>in fieldset</button></fieldset>
<button id=aria class=at style="left:10px;top:390px" aria-disabled=true>aria</button>
<button id=below class=at style="left:10px;top:3500px">far below</button>
<div id=scroller><div style="height:600px"></div><button id=nested>nested</button></div>
<button id=invisible class=at style="left:10px;top:430px;visibility:hidden">invisible</button>
<button id=none style="display:none">none</button>
<button id=empty style="position:absolute;width:0;height:0;padding:0;border:0;overflow:hidden"></button>
<button id=zoomed class=at style="left:7px;top:313px;zoom:1.5">zoomed</button>
<button id=rotated class=at style="left:250px;top:470px;transform:rotate(30deg) scale(1.2)">rotated</button>
<button id=through class=at style="left:10px;top:560px;pointer-events:none">through</button>
<label id=label class=at style="left:120px;top:560px">check <input id=checkbox type=checkbox></label>
<div inert><button id=inert class=at style="left:10px;top:600px">inert</button></div>
<details style="position:absolute;left:120px;top:600px"><summary id=summary>more</summary><button id=inside>inside</button></details>
<div id=contents><button id=content class=at style="left:10px;top:640px">content</button></div>
<button id=parent class=at style="left:120px;top:640px"><span style="display:block;width:100%;height:100%">child</span></button>
<div id=open class=at style="left:10px;top:680px"></div>
<iframe id=frame style="position:absolute;left:10px;top:720px;width:300px;height:120px;border:3px solid;padding:5px"
  src="/frame"></iframe>
<button id=twin class="at twin" style="left:10px;top:860px">twin 1</button>
<button class="at twin" style="left:110px;top:860px">twin 2</button>
<div style="position:absolute;top:900px">
  <input id=text value=old> <input id=readonly readonly value=fixed> <textarea id=area></textarea>
  <input id=number type=number> <input id=date type=date> <input id=range type=range>
  <div id=edit contenteditable>rich</div>
  <select id=one><option value=a>Alpha<option value=b>Beta<option value=c disabled>Gamma</select>
  <select id=many multiple><option>x<option>y<option>z</select>
  <input id=file type=file multiple style="display:none"> <input id=single type=file>
  <form id=form><input id=field name=q></form>
</div>
<button id=alert class=at style="left:10px;top:1100px" onclick="log('alert'); alert('stop')">alert</button>
<div id=closed class=at style="left:120px;top:680px"></div>
<p style="position:absolute;left:10px;top:1150px;width:90px;font:14px monospace">some words and
  <a id=wrapped href="#">a link that is broken</a></p>
<button id=tardy class=at style="left:10px;top:1260px" disabled>late</button>
<button id=leaving class=at style="left:110px;top:1260px">leaving</button>
<button id=jumping class=at style="left:210px;top:1260px">jumping</button>
<button id=faint class=at style="left:310px;top:1260px;opacity:0">faint</button>
<div style="position:absolute;left:10px;top:1300px;width:100px;height:40px;overflow:hidden">
  <button id=clipped style="margin-left:400px">clipped</button></div>
<iframe id=foreign style="position:absolute;left:340px;top:720px;width:300px;height:120px" src="FOREIGN/frame"></iframe>
<script>
  window.events = [];
  function log(what) { events.push(what) }
  for (const type of ["click", "dblclick", "contextmenu"])
    document.addEventListener(type, (e) => log(type + " " + (e.composedPath()[0].closest?.("[id]") ?? {}).id), true);
  document.getElementById("form").addEventListener("submit", (e) => { e.preventDefault(); log("submit " + field.value) });
  const root = document.getElementById("open").attachShadow({ mode: "open" });
  root.innerHTML = "<button id=shadowed>shadow</button><input id=shadowtext>";
  const closedRoot = document.getElementById("closed").attachShadow({ mode: "closed" });
  closedRoot.innerHTML = "<button id=sealed>closed</button>";
  closedRoot.firstChild.addEventListener("click", () => log("click sealed"));
  addEventListener("message", ({ data }) => log(data));
</script>`;

export const FRAME = "<!doctype html><body style='height:900px'><button id=framed style='margin-top:400px' " +
  "onclick='parent.postMessage(\"framed\", \"*\")'>framed</button>";

/** The page; foreign: an origin whose /frame is the frame of another site. */
export const awkwardPage = (foreign = "") => AWKWARD.replace("FOREIGN", foreign);
