// Lesson: going down a surface by several rules at once.

import { el } from '../dom.js';
import { descend, RULES, SURFACES } from '../net/teach.js';
import { button, choice, slider, tick } from './controls.js';

const g = (/** @type {number} */ v) => (Number.isFinite(v) ? String(+v.toPrecision(4)).replace('-', '−') : 'left the numbers');
const FACTORS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30];

export function descents(/** @type {any} */ state, /** @type {() => void} */ kept) {
  const canvas = el('canvas', { className: 'surface', role: 'img', tabIndex: 0 }), body = el('tbody'), said = el('p', { className: 'sum' }), rules = el('p', { className: 'muted' });
  let start = SURFACES[state.surface].start, shown = 60, cross = null;
  const surface = choice('Surface', Object.fromEntries(Object.entries(SURFACES).map(([name, s]) => [name, s.title])), state.surface, (v) => { state.surface = v; start = SURFACES[v].start; base = null; kept(); draw(); });
  const factor = choice('Rate, times the usual', Object.fromEntries(FACTORS.map((f) => [String(f), String(f)])), state.factor, (v) => { state.factor = Number(v); kept(); draw(); });
  const steps = slider('Steps', { min: 0, max: 200 }, shown, (v) => { shown = v; draw(); });
  steps.input.addEventListener('input', () => { shown = Number(steps.input.value); draw(); });
  const on = Object.fromEntries(Object.keys(RULES).map((name) => [name, tick(RULES[name].title, true, () => draw())]));
  /** @type {ImageData | null} */
  let base = null;

  function ground() {
    const s = SURFACES[state.surface], n = 120, [x0, x1, y0, y1] = s.window, values = new Float64Array(n * n);
    for (let r = 0; r < n; r++) for (let c = 0; c < n; c++) values[r * n + c] = s.f(x0 + ((x1 - x0) * (c + 0.5)) / n, y1 - ((y1 - y0) * (r + 0.5)) / n);
    const low = Math.min(...values), image = new ImageData(n, n), logs = values.map((v) => Math.log1p(v - low)), top = Math.max(...logs), dark = matchMedia('(prefers-color-scheme: dark)').matches;
    for (let i = 0; i < n * n; i++) { const share = logs[i] / top, band = Math.floor(share * 14) % 2 ? 6 : 0, v = dark ? 34 + 120 * (1 - share) + band : 250 - 130 * (1 - share) - band; image.data.set([v * 0.92, v * 0.97, v, 255], 4 * i); }
    return image;
  }
  function draw() {
    const s = SURFACES[state.surface], [x0, x1, y0, y1] = s.window, w = canvas.clientWidth || 360, scale = devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(w * scale);
    base ??= ground();
    const c = canvas.getContext('2d'), small = el('canvas', { width: 120, height: 120 }), style = getComputedStyle(canvas);
    small.getContext('2d').putImageData(base, 0, 0);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.drawImage(small, 0, 0, w, w);
    const X = (/** @type {number} */ x) => ((x - x0) / (x1 - x0)) * w, Y = (/** @type {number} */ y) => ((y1 - y) / (y1 - y0)) * w, rows = [];
    for (const [name, rule] of Object.entries(RULES)) {
      if (!on[name].input.checked) continue;
      const rate = rule.rate * state.factor, path = descend(s, name, rate, shown, start), end = path[path.length - 1];
      c.strokeStyle = style.getPropertyValue(rule.colour);
      c.lineWidth = 2.2;
      c.setLineDash(rule.dash);
      c.beginPath();
      for (const p of path) c.lineTo(Math.max(-w, Math.min(2 * w, X(p.x))), Math.max(-w, Math.min(2 * w, Y(p.y))));
      c.stroke();
      c.setLineDash([]);
      c.fillStyle = c.strokeStyle;
      c.beginPath();
      c.arc(X(end.x), Y(end.y), 5, 0, 7);
      c.fill();
      rows.push([rule.title, g(rate), g(end.x), g(end.y), g(end.value), `${g(end.slope[0])}, ${g(end.slope[1])}`]);
    }
    const from = cross ?? start;
    c.strokeStyle = style.getPropertyValue('--ink');
    c.lineWidth = 2;
    c.strokeRect(X(from[0]) - 4, Y(from[1]) - 4, 8, 8);
    body.replaceChildren(...rows.map((row) => el('tr', {}, row.map((v, i) => el('td', { className: i ? 'number' : '', textContent: v })))));
    said.textContent = `f(x, y) = ${s.formula}; from (${g(start[0])}, ${g(start[1])}), after ${shown} steps`;
    rules.textContent = Object.values(RULES).map((r) => `${r.title}: ${r.rule}`).join(' · ');
    canvas.setAttribute('aria-label', `${s.title}: ${rows.map((r) => `${r[0]} ends at ${r[2]}, ${r[3]} with ${r[4]}`).join('; ')}. Arrows move the start.`);
  }
  canvas.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => { const b = canvas.getBoundingClientRect(), [x0, x1, y0, y1] = SURFACES[state.surface].window; start = [x0 + ((event.clientX - b.left) / b.width) * (x1 - x0), y1 - ((event.clientY - b.top) / b.height) * (y1 - y0)]; draw(); });
  canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key], [x0, x1, y0, y1] = SURFACES[state.surface].window;
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    start = [Math.max(x0, Math.min(x1, start[0] + (way[0] * (x1 - x0)) / 40)), Math.max(y0, Math.min(y1, start[1] + (way[1] * (y1 - y0)) / 40))];
    draw();
  });
  new ResizeObserver(draw).observe(canvas);
  return el('div', {}, [
    el('p', { textContent: 'Each rule walks down from the same start. Click where it should begin, change the rate, and see which arrives, which swings, and which runs away.' }),
    el('div', { className: 'settings' }, [surface, factor, steps]), el('p', { className: 'line' }, [...Object.values(on), button('One step more', () => { shown = Math.min(200, shown + 1); steps.put(shown); draw(); }), button('The usual start', () => { start = SURFACES[state.surface].start; draw(); })]),
    el('div', { className: 'sides' }, [canvas, el('div', { className: 'wide' }, [el('table', {}, [el('thead', {}, [el('tr', {}, ['rule', 'rate', 'x', 'y', 'f', 'slope'].map((t) => el('th', { textContent: t })))]), body])])]), said, rules]);
}
