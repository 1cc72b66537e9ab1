// A square to draw into, pixel by pixel: by a finger, a mouse, or arrows and Space.

import { el } from '../dom.js';

export function pad(/** @type {number} */ side, /** @type {(pixels: Float64Array) => void} */ changed) {
  const canvas = el('canvas', { className: 'pad', width: side, height: side, tabIndex: 0, role: 'img', 'aria-label': `A square of ${side} by ${side} to draw into: arrows move, Space sets or clears` }), mark = el('span', { className: 'mark', hidden: true });
  let pixels = new Float64Array(side * side), pen = 1, on = false, cursor = [Math.floor(side / 2), Math.floor(side / 2)];
  const draw = () => {
    const image = new ImageData(side, side);
    for (let i = 0; i < side * side; i++) { const v = Math.round(255 * pixels[i]); image.data.set([v, v, v, 255], 4 * i); }
    canvas.width = canvas.height = side;
    canvas.getContext('2d').putImageData(image, 0, 0);
  };
  const set = (/** @type {number} */ r, /** @type {number} */ c, v) => {
    if (r < 0 || c < 0 || r >= side || c >= side || pixels[r * side + c] === v) return;
    pixels[r * side + c] = v;
    draw();
    changed(pixels);
  };
  const at = (/** @type {PointerEvent} */ event) => { const b = canvas.getBoundingClientRect(); return [Math.floor(((event.clientY - b.top) / b.height) * side), Math.floor(((event.clientX - b.left) / b.width) * side)]; };
  canvas.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => { const [r, c] = at(event); on = true; pen = pixels[r * side + c] > 0.5 ? 0 : 1; canvas.setPointerCapture(event.pointerId); set(r, c, pen); });
  canvas.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => { if (on) { const [r, c] = at(event); set(r, c, pen); } });
  for (const kind of ['pointerup', 'pointercancel']) canvas.addEventListener(kind, () => { on = false; });
  canvas.addEventListener('blur', () => { mark.hidden = true; });
  canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (way) cursor = [Math.max(0, Math.min(side - 1, cursor[0] + way[0])), Math.max(0, Math.min(side - 1, cursor[1] + way[1]))];
    else if (event.key === ' ') set(cursor[0], cursor[1], pixels[cursor[0] * side + cursor[1]] > 0.5 ? 0 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
    mark.hidden = false;
    Object.assign(mark.style, { left: `${(100 * cursor[1]) / side}%`, top: `${(100 * cursor[0]) / side}%`, width: `${100 / side}%`, height: `${100 / side}%` });
  });
  draw();
  return {
    node: el('div', { className: 'big' }, [canvas, mark]),
    get pixels() { return pixels; },
    put(/** @type {ArrayLike<number>} */ now, /** @type {number} */ size) { side = size; pixels = Float64Array.from(now); cursor = [Math.floor(side / 2), Math.floor(side / 2)]; draw(); },
  };
}
