// Lesson: a kernel on a picture of one's own.

import { el } from '../dom.js';
import { KERNELS, laid } from '../net/teach.js';
import { button, choice, numeric } from './controls.js';

const SIDE = 160;
const g = (/** @type {number} */ v) => String(+v.toPrecision(3)).replace('-', '−');

/** A picture that is always there: a bright disc, a square, lines, and a slope of grey. */
function example() {
  const out = new Float32Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      let v = 0.15 + (0.35 * x) / SIDE;
      if (Math.hypot(x - 50, y - 52) < 30) v = 0.95;
      if (x > 96 && x < 146 && y > 24 && y < 74) v = (x + y) % 16 < 8 ? 0.9 : 0.2;
      if (y > 100) v = Math.sin((x * x) / 700) > 0 ? 0.85 : 0.1;
      out[y * SIDE + x] = v;
    }
  return out;
}

export function kernels(/** @type {{kernel: string}} */ state, /** @type {() => void} */ kept) {
  let pixels = example(), w = SIDE, h = SIDE, at = [52, 22], rows = KERNELS[state.kernel].rows.map((row) => row.map((v) => v / (KERNELS[state.kernel].over ?? 1)));
  const given = el('canvas', { role: 'img', 'aria-label': 'The picture, in grey', tabIndex: 0 }), answer = el('canvas', { role: 'img', 'aria-label': 'What the kernel makes of it' }), mark = el('span', { className: 'mark' });
  const sum = el('p', { className: 'sum', role: 'status' }), grid = el('div', { className: 'kernel' }), note = el('p', { className: 'muted' });
  const which = choice('Kernel', { ...Object.fromEntries(Object.entries(KERNELS).map(([name, k]) => [name, k.title])), own: 'My own numbers' }, state.kernel, (v) => { if (v !== 'own') { state.kernel = v; rows = KERNELS[v].rows.map((row) => row.map((x) => x / (KERNELS[v].over ?? 1))); cells(); kept(); draw(); } });
  const file = el('input', { type: 'file', accept: 'image/*', id: 'lesson-file', onchange: () => file.files[0] && take(file.files[0]) });

  async function take(/** @type {Blob} */ blob) {
    try {
      const bitmap = await createImageBitmap(blob), scale = Math.min(1, 240 / Math.max(bitmap.width, bitmap.height));
      w = Math.max(3, Math.round(bitmap.width * scale));
      h = Math.max(3, Math.round(bitmap.height * scale));
      const canvas = el('canvas', { width: w, height: h }), c = canvas.getContext('2d', { willReadFrequently: true });
      c.drawImage(bitmap, 0, 0, w, h);
      const { data } = c.getImageData(0, 0, w, h);
      pixels = Float32Array.from({ length: w * h }, (_, i) => (0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) / 255);
      at = [Math.floor(h / 2), Math.floor(w / 2)];
      draw();
    } catch {
      sum.textContent = 'That is no picture that this browser can read: take a PNG or a JPEG.';
    }
  }
  const paint = (/** @type {any} */ canvas, /** @type {(i: number) => number} */ of) => {
    canvas.width = w;
    canvas.height = h;
    const image = new ImageData(w, h);
    for (let i = 0; i < w * h; i++) { const v = Math.round(255 * of(i)); image.data.set([v, v, v, 255], 4 * i); }
    canvas.getContext('2d').putImageData(image, 0, 0);
  };
  function cells() {
    grid.style.gridTemplateColumns = `repeat(${rows.length}, 76px)`;
    grid.replaceChildren(...rows.flatMap((row, i) => row.map((v, j) => numeric(`row ${i + 1}, ${j + 1}`, v, (now) => { rows[i][j] = now; which.put('own'); draw(); }))));
  }
  function draw() {
    const out = laid(pixels, w, h, rows), total = rows.flat().reduce((a, b) => a + b, 0), signed = Math.abs(total) < 1e-9;
    const scale = !signed && Math.abs(total) > 1.5 ? total : 1;
    paint(given, (i) => pixels[i]);
    paint(answer, (i) => Math.max(0, Math.min(1, signed ? out[i] / 2 + 0.5 : out[i] / scale)));
    note.textContent = signed ? 'The weights add up to 0: where the picture is even the answer is 0, shown as grey; black is negative, white positive.' : `The weights add up to ${g(total)}.`;
    written(out);
  }
  function written(out = laid(pixels, w, h, rows)) {
    const [y, x] = at, k = rows.length, before = Math.floor((k - 1) / 2), terms = [];
    for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) if (rows[i][j]) terms.push(`${g(pixels[Math.max(0, Math.min(h - 1, y + i - before)) * w + Math.max(0, Math.min(w - 1, x + j - before))])}·${rows[i][j] < 0 ? `(${g(rows[i][j])})` : g(rows[i][j])}`);
    sum.textContent = `At row ${y}, column ${x}: ${terms.join(' + ') || '0'} = ${g(out[y * w + x])}`;
    Object.assign(mark.style, { left: `${(100 * (x - before)) / w}%`, top: `${(100 * (y - before)) / h}%`, width: `${(100 * k) / w}%`, height: `${(100 * k) / h}%` });
  }
  given.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => { const b = given.getBoundingClientRect(); at = [Math.max(0, Math.min(h - 1, Math.floor(((event.clientY - b.top) / b.height) * h))), Math.max(0, Math.min(w - 1, Math.floor(((event.clientX - b.left) / b.width) * w)))]; written(); });
  given.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    at = [Math.max(0, Math.min(h - 1, at[0] + way[0])), Math.max(0, Math.min(w - 1, at[1] + way[1]))];
    written();
  });
  cells();
  draw();
  return el('div', {}, [
    el('p', { textContent: 'A kernel is laid over every pixel: each weight times the pixel below it, all added up. Move over the picture to see the sum.' }),
    el('div', { className: 'line' }, [which, el('div', { className: 'control' }, [el('label', { for: 'lesson-file', textContent: 'A picture of yours (it stays here)' }), file]), button('Turn the kernel by 90°', () => { const n = rows.length; rows = rows.map((_, i) => rows.map((_r, j) => rows[n - 1 - j][i])); which.put('own'); cells(); draw(); })]),
    el('div', { className: 'sides' }, [el('figure', {}, [el('figcaption', { textContent: 'the picture' }), el('div', { className: 'big' }, [given, mark])]), el('figure', {}, [el('figcaption', { textContent: 'the weights' }), grid]), el('figure', {}, [el('figcaption', { textContent: 'the answer' }), el('div', { className: 'big' }, [answer])])]), note, sum]);
}
