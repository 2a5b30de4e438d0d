// SPDX-License-Identifier: MIT
// Describes a node that somebody picked: `this`. Nothing in the page is changed.
(function () {
  let e = this;
  while (e && e.nodeType !== 1)
    e = e.parentNode ?? e.host;
  if (!e)
    return null;

  const unique = (root, css, of) => {
    const found = root.querySelectorAll(css);
    return found.length === 1 && found[0] === of;
  };
  const siblings = (x) => [...(x.parentNode?.children ?? [])].filter((s) => s.localName === x.localName);
  const step = (x) => {
    const same = siblings(x);
    const name = CSS.escape(x.localName);
    return same.length > 1 ? `${name}:nth-of-type(${same.indexOf(x) + 1})` : name;
  };
  // The shortest path that leads to the element alone, within its document or shadow root.
  const css = (x) => {
    const root = x.getRootNode();
    const steps = [];
    for (let at = x; at?.nodeType === 1; at = at.parentNode) {
      const id = at.id && `#${CSS.escape(at.id)}`;
      if (id && unique(root, id, at))
        return [id, ...steps].join(" > ");
      steps.unshift(step(at));
      if (unique(root, steps.join(" > "), x))
        return steps.join(" > ");
    }
    return steps.join(" > ");
  };

  // What leads from the page's document to the element: through shadow roots and frames.
  const ways = [];
  for (let x = e; x;) {
    const root = x.getRootNode();
    const frame = root.host ? null : x.ownerDocument.defaultView?.frameElement;
    ways.unshift({ css: css(x), into: root.host ? (root.mode === "open" ? "shadowRoot" : null) : "contentDocument" });
    x = root.host ?? frame;
  }
  const reachable = ways.slice(1).every(({ into }) => into !== null);
  const jsPath = "document" + ways.map(({ css, into }, i) =>
    `${i > 0 ? `.${into}` : ""}.querySelector(${JSON.stringify(css)})`).join("");

  const literal = (text) => !text.includes('"') ? `"${text}"` : !text.includes("'") ? `'${text}'`
    : `concat(${text.split('"').map((part) => `"${part}"`).join(", '\"', ")})`;
  const xpath = (x, short) => {
    const steps = [];
    for (let at = x; at?.nodeType === 1; at = at.parentNode) {
      if (short && at.id && unique(at.getRootNode(), `#${CSS.escape(at.id)}`, at))
        return [`//*[@id=${literal(at.id)}]`, ...steps].join("/");
      const same = siblings(at);
      steps.unshift(at.localName + (same.length > 1 ? `[${same.indexOf(at) + 1}]` : ""));
    }
    return `/${steps.join("/")}`;
  };

  // The properties that rules of the page set on it, as they came out.
  const declared = new Set(e.style ?? []);
  const collect = (rules) => {
    for (const rule of rules) {
      if (rule.selectorText !== undefined && e.matches(rule.selectorText))
        for (const name of rule.style)
          declared.add(name);
      if (rule.cssRules && (rule.media === undefined || matchMedia(rule.media.mediaText).matches))
        collect(rule.cssRules);
    }
  };
  const scope = e.getRootNode();
  for (const sheet of [...(scope.styleSheets ?? []), ...(scope.adoptedStyleSheets ?? [])]) {
    try {
      collect(sheet.cssRules);
    } catch { /* of another site: it may not be read */ }
  }
  const computed = e.ownerDocument.defaultView.getComputedStyle(e);
  const styles = [...declared].sort().map((name) => `${name}: ${computed.getPropertyValue(name)};`).join("\n");

  const { x, y, width, height } = e.getBoundingClientRect();
  return {
    outerHTML: e.outerHTML.slice(0, 100000),
    selector: ways.map(({ css }) => css).join(" >> "),
    jsPath: reachable ? jsPath : null,
    xpath: xpath(e, true),
    fullXpath: xpath(e, false),
    styles,
    preview: { tag: e.localName, id: e.id, classes: [...e.classList],
               text: (e.innerText ?? e.textContent ?? "").trim().slice(0, 100) },
    box: { x, y, width, height },
  };
})
