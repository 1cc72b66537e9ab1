// The square of a playground: what the net says everywhere, the points in it, and a cross for those who use keys.

import { el } from '../dom.js';
import { CLASSES } from '../net/colours.js';
import { SIDE } from '../net/points.js';

export const SHAPES = ['circle', 'square', 'triangle', 'diamond', 'plus', 'star'];
export const rgb = (/** @type {number[]} */ [r, g, b]) => `rgb(${r} ${g} ${b})`;

/** One mark: its form says the class as well as its colour. */
export function mark(c, /** @type {number} */ kind, x, y, r, fill, edge) {
  c.beginPath();
  if (kind === 0) c.arc(x, y, r, 0, 2 * Math.PI);
  else if (kind === 1) c.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else if (kind === 2) { c.moveTo(x, y - r * 1.2); c.lineTo(x + r * 1.1, y + r * 0.8); c.lineTo(x - r * 1.1, y + r * 0.8); c.closePath(); }
  else if (kind === 3) { c.moveTo(x, y - r * 1.3); c.lineTo(x + r * 1.3, y); c.lineTo(x, y + r * 1.3); c.lineTo(x - r * 1.3, y); c.closePath(); }
  else if (kind === 4) { const a = r * 0.45, b = r * 1.25; for (const [px, py] of [[-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a]]) c.lineTo(x + px, y + py); c.closePath(); }
  else { for (let i = 0; i < 10; i++) { const q = i % 2 ? r * 0.6 : r * 1.4, a = (i / 10) * 2 * Math.PI - Math.PI / 2; c.lineTo(x + q * Math.cos(a), y + q * Math.sin(a)); } c.closePath(); }
  c.fillStyle = fill;
  c.strokeStyle = edge;
  c.fill();
  c.stroke();
}

/** The colour of a point by its target. */
export function colourOf(/** @type {number} */ target, /** @type {boolean} */ values) {
  if (!values) return rgb(CLASSES[target]);
  const share = Math.min(1, Math.abs(target)), end = CLASSES[target < 0 ? 0 : 1];
  return rgb(end.map((v) => Math.round(235 + (v - 235) * share)));
}

/** @param {{hover: (place: {x: number, y: number} | null) => void, add: (x: number, y: number) => void,
 *  move: (i: number, x: number, y: number, done: boolean) => void, remove: (i: number) => void, choose: (k: number) => void}} on */
export function field(on) {
  const map = el('canvas', { className: 'map', width: 100, height: 100, 'aria-hidden': 'true' });
  const over = el('canvas', { className: 'over', tabIndex: 0, role: 'img', 'aria-label': 'What the net says in the square from −6 to 6' });
  const node = el('div', { className: 'field' }, [map, over]);
  /** @type {{train: any[], test: any[], showTest: boolean, values: boolean, own: boolean}} */
  let shown = { train: [], test: [], showTest: false, values: false, own: false };
  /** @type {any} */
  let cross = null, held = -1, edited = [];

  const place = (/** @type {PointerEvent} */ event) => {
    const box = over.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * 2 * SIDE - SIDE, y: SIDE - ((event.clientY - box.top) / box.height) * 2 * SIDE };
  };
  /** The own point at a place, or −1. */
  const at = (/** @type {{x: number, y: number}} */ p, reach = 0.35) => {
    let best = -1, least = reach;
    for (const [i, q] of edited.entries()) { const d = Math.hypot(p.x - q.x, p.y - q.y); if (d < least) { least = d; best = i; } }
    return best;
  };

  function draw() {
    const w = over.clientWidth, scale = devicePixelRatio || 1, side = Math.round(w * scale);
    if (!w) return;
    if (over.width !== side) over.width = over.height = side;
    const c = over.getContext('2d'), k = w / (2 * SIDE);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, w, w);
    c.lineWidth = 1;
    const many = shown.train.length > 700 ? 2.6 : 3.4;
    for (const [some, faint] of /** @type {[any[], boolean][]} */ ([[shown.showTest ? shown.test : [], true], [shown.train, false]]))
      for (const p of some) {
        if (Math.abs(p.x) > SIDE || Math.abs(p.y) > SIDE) continue;
        mark(c, shown.values ? (p.target < 0 ? 0 : 1) : p.target, (p.x + SIDE) * k, (SIDE - p.y) * k, many, colourOf(p.target, shown.values), faint ? 'rgb(0 0 0 / 85%)' : 'rgb(255 255 255 / 90%)');
      }
    if (cross) {
      const x = (cross.x + SIDE) * k, y = (SIDE - cross.y) * k;
      c.lineWidth = 3;
      for (const colour of ['#fff', '#000']) {
        c.strokeStyle = colour;
        c.beginPath();
        c.moveTo(x - 9, y); c.lineTo(x + 9, y); c.moveTo(x, y - 9); c.lineTo(x, y + 9);
        c.stroke();
        c.lineWidth = 1;
      }
    }
  }

  over.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    const p = place(event);
    if (held >= 0) on.move(held, p.x, p.y, false);
    else on.hover(p);
  });
  over.addEventListener('pointerleave', () => on.hover(null));
  over.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
    if (!shown.own || event.button !== 0) return;
    held = at(place(event));
    if (held >= 0) over.setPointerCapture(event.pointerId);
    else { const p = place(event); on.add(p.x, p.y); }
  });
  over.addEventListener('pointerup', (/** @type {PointerEvent} */ event) => {
    if (held < 0) return;
    const p = place(event);
    if (Math.abs(p.x) > SIDE || Math.abs(p.y) > SIDE) on.remove(held);
    else on.move(held, p.x, p.y, true);
    held = -1;
  });
  over.addEventListener('contextmenu', (/** @type {PointerEvent} */ event) => {
    const i = at(place(event));
    if (!shown.own || i < 0) return;
    event.preventDefault();
    on.remove(i);
  });
  over.addEventListener('blur', () => { cross = null; draw(); });
  over.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const step = event.shiftKey ? 1 : 0.25, way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way) {
      cross ??= { x: 0, y: 0 };
      cross = { x: Math.max(-SIDE, Math.min(SIDE, cross.x + way[0] * step)), y: Math.max(-SIDE, Math.min(SIDE, cross.y + way[1] * step)) };
      on.hover(cross);
      draw();
    } else if (event.key === 'Enter' && cross && shown.own) on.add(cross.x, cross.y);
    else if ((event.key === 'Delete' || event.key === 'Backspace') && cross && shown.own) { const i = at(cross, 0.8); if (i >= 0) on.remove(i); }
    else if (/^[1-6]$/.test(event.key) && shown.own) on.choose(Number(event.key) - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    node, over, draw,
    /** Points that are shown; `own` ones can be added to, dragged and taken away. */
    points(/** @type {any} */ now, own = []) { shown = now; edited = own; draw(); },
    paint(/** @type {ArrayBuffer} */ out, /** @type {number} */ side) {
      if (map.width !== side) map.width = map.height = side;
      map.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(out), side, side), 0, 0);
    },
    say(/** @type {string} */ text) { over.setAttribute('aria-label', text); },
  };
}
