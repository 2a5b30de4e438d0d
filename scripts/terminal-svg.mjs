// SPDX-License-Identifier: MIT
// Draws text as a terminal window, as SVG.
//   node scripts/terminal-svg.mjs TITLE < TEXT > docs/images/terminal.svg
//
// The text is what `troupe` printed. SGR colours (ESC [ … m: 0, 1, 2, 31 to 36) are kept; lines are cut at
// COLUMNS (110) and at ROWS (all).
import {readFileSync} from 'node:fs';

const title = process.argv[2] ?? '';
const columns = Number(process.env.COLUMNS ?? 110);
const rows = Number(process.env.ROWS ?? Infinity);
const cell = {width: 7.83, height: 18, size: 13}; // of a monospace character at 13 px
const pad = 16;
const bar = 34;
const ink = {0: '#d6deeb', 2: '#7f8ea3', 31: '#ff7b72', 32: '#7ee787', 33: '#f2cc60', 34: '#79c0ff',
  35: '#d2a8ff', 36: '#76e3ea'};

const escape = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

/** One line as runs of {text, colour, bold, column}; escapes take no room. */
function runs(line) {
  const found = [];
  let style = {colour: ink[0], bold: false};
  let column = 0;
  for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
    const codes = part.match(/^\x1b\[([0-9;]*)m$/);
    if (codes) {
      for (const code of (codes[1] || '0').split(';').map(Number)) {
        if (code === 0) style = {colour: ink[0], bold: false};
        else if (code === 1) style = {...style, bold: true};
        else if (ink[code]) style = {...style, colour: ink[code]};
      }
      continue;
    }
    const text = [...part].slice(0, Math.max(0, columns - column)).join('');
    if (text !== '') found.push({text, column, ...style});
    column += [...part].length;
  }
  return found;
}

const lines = readFileSync(0, 'utf8').replace(/\n+$/, '').split('\n').slice(0, rows).map(runs);
const width = Math.ceil(columns * cell.width + 2 * pad);
const height = bar + lines.length * cell.height + 2 * pad - 6;
const out = [];
out.push(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
  `viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">`);
out.push(`<rect width="${width}" height="${height}" rx="8" fill="#0f1720"/>`);
['#ff5f57', '#febc2e', '#28c840'].forEach((colour, i) =>
  out.push(`<circle cx="${18 + 20 * i}" cy="17" r="6" fill="${colour}"/>`));
out.push(`<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', ` +
  `'Liberation Mono', monospace" font-size="${cell.size}" xml:space="preserve">`);
out.push(`<text x="${width / 2}" y="21" fill="${ink[2]}" text-anchor="middle">${escape(title)}</text>`);
lines.forEach((line, row) => {
  const y = bar + pad + row * cell.height;
  for (const run of line) {
    const x = (pad + run.column * cell.width).toFixed(1);
    const length = ([...run.text].length * cell.width).toFixed(1);
    // textLength keeps the columns straight whatever monospace font there is.
    out.push(`<text x="${x}" y="${y}" fill="${run.colour}"${run.bold ? ' font-weight="bold"' : ''} ` +
      `textLength="${length}" lengthAdjust="spacingAndGlyphs" ` +
      `style="white-space:pre">${escape(run.text)}</text>`);
  }
});
out.push('</g>', '</svg>');
console.log(out.join('\n'));
