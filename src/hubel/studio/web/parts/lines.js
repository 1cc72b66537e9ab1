// A small chart of a few lines that grow: one canvas, its numbers as text beside it. Old points are thinned out.

import { el } from '../dom.js';

const MOST = 600;

/** @param {{name: string, colour: string, dash?: number[]}[]} kinds colours are names of the theme: "--blue" */
export function lines(/** @type {string} */ title, kinds, more = {}) {
  const canvas = el('canvas', { className: 'lines', role: 'img', 'aria-label': title, ...more });
  const body = el('tbody'), table = el('details', { className: 'twin' }, [
    el('summary', { textContent: `${title} as numbers` }),
    el('table', {}, [el('thead', {}, [el('tr', {}, [el('td'), ...kinds.map(({ name }) => el('th', { scope: 'col', textContent: name }))])]), body])]);
  /** @type {number[][]} */
  let rows = [];
  let every = 1, seen = 0;

  function draw() {
    const w = canvas.clientWidth, h = canvas.clientHeight, scale = devicePixelRatio || 1;
    if (!w || !h) return;
    if (canvas.width !== Math.round(w * scale)) { canvas.width = Math.round(w * scale); canvas.height = Math.round(h * scale); }
    const c = canvas.getContext('2d'), style = getComputedStyle(canvas);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, w, h);
    const finite = rows.flatMap((row) => row.slice(1)).filter(Number.isFinite);
    if (rows.length < 2 || !finite.length) return;
    const top = Math.max(...finite), low = Math.min(0, ...finite), last = rows[rows.length - 1][0], first = rows[0][0];
    for (const [k, { colour, dash = [] }] of kinds.entries()) {
      c.strokeStyle = style.getPropertyValue(colour);
      c.lineWidth = 1.6;
      c.setLineDash(dash);
      c.beginPath();
      let pen = false;
      for (const row of rows) {
        if (!Number.isFinite(row[k + 1])) { pen = false; continue; }
        const x = ((row[0] - first) / (last - first || 1)) * (w - 2) + 1, y = h - 2 - ((row[k + 1] - low) / (top - low || 1)) * (h - 4);
        if (pen) c.lineTo(x, y);
        else c.moveTo(x, y);
        pen = true;
      }
      c.stroke();
    }
    c.setLineDash([]);
  }

  return {
    canvas, table,
    clear() { rows = []; every = 1; seen = 0; draw(); },
    /** @param {number[]} row where, then a number for each line */
    add(row) {
      if (rows.length && row[0] < rows[rows.length - 1][0]) rows = rows.filter((old) => old[0] < row[0]);
      if (rows.length && row[0] === rows[rows.length - 1][0]) rows.pop();
      if (seen++ % every === 0 || rows.length < 2) rows.push(row);
      else rows[rows.length - 1] = row;
      if (rows.length > MOST) { rows = rows.filter((_, i) => i % 2 === 0 || i === rows.length - 1); every *= 2; }
      draw();
    },
    /** Say the numbers; not at every frame. */
    say(/** @type {string} */ text) {
      canvas.setAttribute('aria-label', `${title}: ${text}`);
      if (!table.open) return;
      const step = Math.max(1, Math.floor(rows.length / 20));
      body.replaceChildren(...rows.filter((_, i) => i % step === 0 || i === rows.length - 1).map((row) =>
        el('tr', {}, row.map((v) => el('td', { className: 'number', textContent: Number.isFinite(v) ? String(+v.toPrecision(4)) : '–' })))));
    },
    draw,
  };
}
