// SPDX-License-Identifier: MIT
// Finds elements and looks whether they can be acted on. Evaluated in an isolated world of a page
// (which cannot tamper with it), anew for each look: nothing is kept between two looks.
//
// Selectors: CSS, which also matches inside open shadow roots; "text=…" (what the smallest element
// with that text holds), "xpath=…" or "//…". " >> " descends: into a frame of the same origin, a
// shadow root, or below an element.
(async (selector, o) => {
  const describe = (e) => {
    const name = e.localName + (e.id ? `#${e.id}` : "") +
      [...e.classList].slice(0, 3).map((c) => `.${c}`).join("");
    return name.slice(0, 100);
  };

  // Finding
  const roots = function* (root) {
    yield root;
    for (const e of root.querySelectorAll("*"))
      if (e.shadowRoot)
        yield* roots(e.shadowRoot);
  };
  const byCss = (root, css) => [...roots(root)].flatMap((r) => [...r.querySelectorAll(css)]);
  const byText = (root, text) => {
    const wanted = text.replace(/^["'](.*)["']$/, "$1").replace(/\s+/g, " ").trim().toLowerCase();
    const holds = (e) => (e.value && /^(button|submit|reset)$/.test(e.type) ? e.value : e.textContent)
      .replace(/\s+/g, " ").toLowerCase().includes(wanted);
    const found = byCss(root, "*").filter((e) => !/^(script|style|noscript|title|head|html)$/
      .test(e.localName) && holds(e));
    return found.filter((e) => !found.some((other) => other !== e && e.contains(other)));
  };
  const byXpath = (root, path) => {
    const document = root.ownerDocument ?? root;
    const found = document.evaluate(path, root, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
    return Array.from({ length: found.snapshotLength }, (_, i) => found.snapshotItem(i))
      .filter((node) => node.nodeType === 1);
  };
  const step = (root, part) =>
    part.startsWith("text=") ? byText(root, part.slice(5))
      : part.startsWith("xpath=") ? byXpath(root, part.slice(6))
        : part.startsWith("//") || part.startsWith("..") ? byXpath(root, part)
          : byCss(root, part.startsWith("css=") ? part.slice(4) : part);
  const inside = (e) => {
    if (e.localName !== "iframe" && e.localName !== "frame")
      return e.shadowRoot ?? e;
    if (e.contentDocument === null)
      throw { status: "foreign", what: describe(e) };
    return e.contentDocument;
  };
  const find = () => {
    const parts = selector.split(" >> ").map((part) => part.trim());
    let found = [document];
    for (const [i, part] of parts.entries()) {
      if (part === "")
        throw { status: "invalid", what: "an empty part" };
      try {
        found = [...new Set(found.flatMap((e) => step(i > 0 ? inside(e) : e, part)))];
      } catch (error) {
        throw error.status ? error : { status: "invalid", what: String(error.message ?? error) };
      }
    }
    return found;
  };

  // Looking
  const view = (e) => e.ownerDocument.defaultView;
  const boxes = (e) => view(e).getComputedStyle(e).display === "contents"
    ? [...e.children].flatMap(boxes) : [...e.getClientRects()].filter((r) => r.width > 0 && r.height > 0);
  const visible = (e) => view(e).getComputedStyle(e).visibility === "visible" && boxes(e).length > 0 &&
    (e.checkVisibility?.() ?? true);
  const parent = (e) => e.assignedSlot ?? e.parentElement ?? e.getRootNode().host;
  const closest = (e, test) => {
    for (; e; e = parent(e))
      if (test(e))
        return e;
    return null;
  };
  const enabled = (e) => !e.matches(":disabled") &&
    closest(e, (x) => x.getAttribute("aria-disabled") === "true") === null;
  const control = (e) => (e.localName === "label" && e.control ? e.control : e);
  const editable = (e) => enabled(e) && !e.readOnly && e.getAttribute("aria-readonly") !== "true";
  const box = (e) => {
    const r = e.getBoundingClientRect();
    return [r.x, r.y, r.width, r.height].join();
  };
  const frame = () => new Promise((resolve) => {
    requestAnimationFrame(resolve);
    setTimeout(resolve, 100); // pages in the background draw no frames
  });
  const stable = async (e) => {
    const before = box(e);
    await frame();
    const between = box(e);
    await frame();
    return before === between && between === box(e);
  };

  // The frames around an element, from the inside: what they add to its coordinates.
  const around = (e) => {
    const frames = [];
    for (let w = view(e); w !== window && w.frameElement; w = w.parent) {
      const f = w.frameElement;
      const style = view(f).getComputedStyle(f);
      const r = f.getBoundingClientRect();
      frames.push({ element: f, x: r.x + f.clientLeft + parseFloat(style.paddingLeft),
                    y: r.y + f.clientTop + parseFloat(style.paddingTop) });
    }
    return frames;
  };
  const topmost = (document, x, y) => {
    let e = document.elementFromPoint(x, y);
    for (let next; e?.shadowRoot && (next = e.shadowRoot.elementFromPoint(x, y)) && next !== e;)
      e = next;
    return e;
  };
  // What lies above that point of the element; null if the point is its own.
  const cover = (e, x, y) => {
    const own = (hit) => closest(hit, (a) => a === e) !== null ||
      (hit && closest(hit, (a) => a.localName === "label" && a.control === e) !== null) ||
      (view(e).getComputedStyle(e).display === "contents" && e.contains(hit));
    const hit = topmost(e.ownerDocument, x, y);
    if (!own(hit))
      return hit ?? e.ownerDocument.documentElement;
    let at = { x, y };
    for (const f of around(e)) {
      at = { x: at.x + f.x, y: at.y + f.y };
      const above = topmost(f.element.ownerDocument, at.x, at.y);
      if (above !== f.element)
        return above ?? f.element;
    }
    return null;
  };
  const point = (e) => {
    if (o.position) {
      const r = e.getBoundingClientRect();
      return { x: r.x + e.clientLeft + o.position.x, y: r.y + e.clientTop + o.position.y };
    }
    const { innerWidth, innerHeight } = view(e);
    for (const r of boxes(e)) { // the middle of what of it is seen
      const [left, top] = [Math.max(r.left, 0), Math.max(r.top, 0)];
      const [right, bottom] = [Math.min(r.right, innerWidth), Math.min(r.bottom, innerHeight)];
      if (right - left > 0 && bottom - top > 0)
        return { x: (left + right) / 2, y: (top + bottom) / 2 };
    }
    return null;
  };
  const scrolled = (e) => {
    // Other places at other attempts: a sticky header may cover one of them.
    const block = ["center", "end", "start", "nearest"][(o.attempt ?? 0) % 4];
    for (const x of [e, ...around(e).map((f) => f.element)])
      (boxes(x).length > 0 && view(x).getComputedStyle(x).display !== "contents" ? x : x.firstElementChild ?? x)
        .scrollIntoView({ block, inline: block, behavior: "instant" });
  };
  const place = (e) => {
    let at = point(e);
    const seen = at !== null && at.x >= 0 && at.y >= 0 && at.x < view(e).innerWidth &&
      at.y < view(e).innerHeight;
    if (!seen || cover(e, at.x, at.y) !== null || around(e).length > 0) {
      scrolled(e);
      at = point(e);
    }
    return at;
  };

  // The caret behind what is there, as after a click behind it.
  const toEnd = (e) => {
    if (e.isContentEditable) {
      view(e).getSelection().selectAllChildren(e);
      view(e).getSelection().collapseToEnd();
    } else if (typeof e.selectionStart === "number") { // null where a field has no caret: numbers, dates
      e.setSelectionRange(e.value.length, e.value.length);
    }
  };

  const fail = (status, e, what) => ({ status, element: e && describe(e), what });
  try {
    const found = find();
    if (o.action === "query")
      return { status: "ok", total: found.length, elements: found.slice(0, o.limit).map((e, i) => {
        const r = e.getBoundingClientRect();
        const attributes = Object.fromEntries([...e.attributes].slice(0, 50)
          .map(({ name, value }) => [name, value.slice(0, 1000)]));
        return { index: i, tag: e.localName, text: (e.innerText ?? e.textContent ?? "").trim().slice(0, 500),
                 attributes, visible: visible(e), enabled: enabled(e), value: e.value?.slice?.(0, 1000),
                 box: { x: r.x, y: r.y, width: r.width, height: r.height } };
      }) };
    if (o.action === "state") {
      const e = found[o.nth ?? 0];
      const is = { attached: Boolean(e), detached: !e, visible: Boolean(e) && visible(e),
                   hidden: !e || !visible(e) };
      return is[o.state] ? { status: "ok", element: e && describe(e) } : fail("waiting", e, o.state);
    }
    if (o.strict && found.length > 1)
      return fail("many", null, `${found.length}: ${found.slice(0, 5).map(describe).join(", ")}`);
    let e = found[o.nth ?? 0];
    if (!e)
      return fail("missing");
    if (o.action === "upload") {
      if (e.localName !== "input" || e.type !== "file")
        return fail("wrong", e, "a file input");
      return !e.multiple && o.files.length > 1 ? fail("wrong", e, "for several files") : fail("ok", e);
    }
    if (o.action === "focus" || o.action === "select" )
      e = control(e);
    if (!o.force) {
      if (!visible(e))
        return fail("hidden", e);
      if (o.action !== "scroll" && o.action !== "hover" && !enabled(e))
        return fail("disabled", e);
    }
    if (o.action === "scroll") {
      if (o.to || o.by) {
        const at = o.to ?? { x: e.scrollLeft + (o.by.x ?? 0), y: e.scrollTop + (o.by.y ?? 0) };
        e.scrollTo({ left: at.x, top: at.y, behavior: "instant" });
      } else {
        scrolled(e);
      }
      return { status: "ok", element: describe(e), x: e.scrollLeft, y: e.scrollTop };
    }
    if (o.action === "select") {
      if (e.localName !== "select")
        return fail("wrong", e, "a select");
      const wanted = (option) => o.values.some((v) => (typeof v === "object"
        ? (v.value === undefined || v.value === option.value) && (v.label === undefined || v.label === option.label) &&
          (v.index === undefined || v.index === option.index)
        : v === option.value || v === option.label));
      const chosen = [...e.options].filter(wanted);
      if (chosen.length < (e.multiple ? o.values.length : 1))
        return fail("option", e, JSON.stringify(o.values).slice(0, 200));
      if (chosen.some((option) => option.disabled))
        return fail("disabled", chosen[0]);
      const last = e.multiple ? chosen : chosen.slice(0, 1);
      for (const option of e.options)
        option.selected = last.includes(option);
      e.focus();
      for (const type of ["input", "change"])
        e.dispatchEvent(new Event(type, { bubbles: true, composed: type === "input" }));
      return { status: "ok", element: describe(e), selected: last.map((option) => option.value) };
    }
    if (o.action === "focus") {
      const fixed = /^(button|submit|reset|image|file|checkbox|radio|range|color|hidden)$/;
      const text = e.isContentEditable || e.localName === "textarea" ||
        (e.localName === "input" && !fixed.test(e.type));
      if (o.edit && !text)
        return fail("wrong", e, "an element that can be typed into");
      if (o.edit && !o.force && !editable(e))
        return fail("readonly", e);
      e.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
      const had = e.getRootNode().activeElement === e;
      view(e).focus();
      e.focus({ preventScroll: true });
      if (o.clear && e.isContentEditable)
        view(e).getSelection().selectAllChildren(e);
      else if (o.clear)
        e.select();
      else if (o.edit && !had)
        toEnd(e);
      const active = e.getRootNode().activeElement;
      if (!active || (active !== e && !active.contains(e)))
        return fail("unfocused", e);
      return { status: "ok", element: describe(e), empty: e.isContentEditable ? e.textContent === "" : e.value === "" };
    }
    const at = o.force ? (scrolled(e), point(e)) : (await stable(e)) ? place(e) : undefined;
    if (at === undefined)
      return fail("moving", e);
    if (at === null)
      return fail("outside", e);
    const covered = o.force ? null : cover(e, at.x, at.y);
    if (covered !== null)
      return fail("covered", e, describe(covered));
    let { x, y } = at;
    for (const f of around(e))
      [x, y] = [x + f.x, y + f.y];
    return { status: "ok", element: describe(e), x, y };
  } catch (error) {
    return error.status ? error : { status: "failed", what: String(error?.stack ?? error).slice(0, 500) };
  }
})
