// SPDX-License-Identifier: MIT
// What all acts share: the query that every request carries, and the playbill they appear on.
// A classic script in the head: it runs, and logs, before anything else.
"use strict";

const stage = {
  query: new URL(document.currentScript.src).search,

  /** The address of something on this site, with the query of this page. */
  url(path) {
    return path + this.query;
  },

  /** Put a line on the playbill. */
  bill(title, text, failed = false) {
    const line = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = title;
    line.append(name, text);
    line.classList.toggle("failed", failed);
    document.getElementById("playbill").append(line);
  },
};

console.info("curtain up on page %s", new URLSearchParams(stage.query).get("n"));
