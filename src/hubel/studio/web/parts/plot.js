// Curves over one axis, with a place on it that can be moved.

import { el } from '../dom.js';

/** @param {() => {from: number, to: number, curves: {f: (x: number) => number, colour: string, dash?: number[]}[], at: number, label: string}} what */
export function plot(what, /** @type {(x: number) => void} */ moved) {
  const canvas = el('canvas', { className: 'plot', role: 'img', tabIndex: 0 });
  function draw() {
    const { from, to, curves, at, label } = what(), w = canvas.clientWidth, h = canvas.clientHeight, scale = devicePixelRatio || 1;
    canvas.setAttribute('aria-label', `${label}. Arrows move the place.`);
    if (!w) return;
    canvas.width = Math.round(w * scale);
    canvas.height = Math.round(h * scale);
    const c = canvas.getContext('2d'), style = getComputedStyle(canvas), n = 240, xs = Array.from({ length: n + 1 }, (_, i) => from + ((to - from) * i) / n);
    const all = curves.flatMap(({ f }) => xs.map(f)).filter(Number.isFinite), low = Math.max(-6, Math.min(-0.2, ...all)), high = Math.min(6, Math.max(1.1, ...all));
    const X = (/** @type {number} */ x) => 30 + ((x - from) / (to - from)) * (w - 38), Y = (/** @type {number} */ y) => h - 18 - ((y - low) / (high - low)) * (h - 26);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, w, h);
    c.font = '12px sans-serif';
    c.fillStyle = style.getPropertyValue('--muted');
    c.strokeStyle = style.getPropertyValue('--line');
    for (let y = Math.ceil(low); y <= high; y++) { c.beginPath(); c.moveTo(30, Y(y)); c.lineTo(w, Y(y)); c.stroke(); c.fillText(String(y), 8, Y(y) + 4); }
    for (let x = Math.ceil(from); x <= to; x++) { c.beginPath(); c.moveTo(X(x), 0); c.lineTo(X(x), h - 16); c.stroke(); c.fillText(String(x), X(x) - 3, h - 3); }
    c.save();
    c.beginPath();
    c.rect(30, 0, w - 30, h - 16);
    c.clip();
    for (const { f, colour, dash = [] } of curves) {
      c.strokeStyle = style.getPropertyValue(colour);
      c.lineWidth = 2.2;
      c.setLineDash(dash);
      c.beginPath();
      for (const x of xs) c.lineTo(X(x), Y(f(x)));
      c.stroke();
      c.setLineDash([]);
      c.fillStyle = style.getPropertyValue(colour);
      c.beginPath();
      c.arc(X(at), Y(f(at)), 5, 0, 7);
      c.fill();
    }
    c.restore();
  }
  const place = (/** @type {PointerEvent} */ event) => { const b = canvas.getBoundingClientRect(), { from, to } = what(); moved(Math.max(from, Math.min(to, from + ((event.clientX - b.left - 30) / (b.width - 38)) * (to - from)))); };
  canvas.addEventListener('pointerdown', place);
  canvas.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => { if (event.pointerType === 'mouse' || event.buttons) place(event); });
  canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key], { from, to, at } = what();
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    moved(Math.max(from, Math.min(to, at + (way * (to - from)) / 60)));
  });
  new ResizeObserver(draw).observe(canvas);
  return { node: canvas, draw };
}
