// Small pictures: shapes that are drawn by rule, own drawings, and how a net for them is written in an address.

import { ACTIVATIONS } from './activations.js';
import { Random } from './rand.js';

export const SHAPES = ['circle', 'square', 'triangle', 'cross', 'lines across', 'lines down'];
export const SIDE = 12;
export const MOST_DRAWN = 80;

/** How dark a shape makes a point (x, y), both from −1 to 1 around its middle: 1 on its line. */
const LINES = [
  (x, y) => near(Math.hypot(x, y) - 0.8), (x, y) => near(Math.max(Math.abs(x), Math.abs(y)) - 0.75),
  (x, y) => near(Math.max(-y - 0.7, Math.abs(x) * 1.25 + y * 0.62 - 0.42)), (x, y) => Math.max(near(x - y), near(x + y)) * (Math.hypot(x, y) < 1.1 ? 1 : 0),
  (x, y) => (Math.abs(x) < 0.95 ? Math.max(near(y - 0.65), near(y), near(y + 0.65)) : 0), (x, y) => (Math.abs(y) < 0.95 ? Math.max(near(x - 0.65), near(x), near(x + 0.65)) : 0),
];
const near = (/** @type {number} */ distance) => Math.max(0, 1 - Math.abs(distance) * 3.6);

/** One picture of a shape, SIDE × SIDE numbers from 0 to 1. */
export function drawn(/** @type {number} */ shape, /** @type {Random} */ random, noise = 0.1) {
  const out = new Float64Array(SIDE * SIDE), size = random.between(0.62, 1), dx = random.between(-0.18, 0.18), dy = random.between(-0.18, 0.18), turn = random.between(-0.18, 0.18);
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  for (let r = 0; r < SIDE; r++)
    for (let c = 0; c < SIDE; c++) {
      const x = ((c + 0.5) / SIDE) * 2 - 1 - dx, y = 1 - ((r + 0.5) / SIDE) * 2 - dy;
      const v = LINES[shape]((cos * x + sin * y) / size, (cos * y - sin * x) / size) + noise * random.normal();
      out[r * SIDE + c] = Math.max(0, Math.min(1, v));
    }
  return out;
}

/** Pictures of the first so many shapes, class after class in turn. */
export function shapes(/** @type {number} */ classes, count = 360, seed = 1) {
  const random = new Random(seed, 31);
  return Array.from({ length: count }, (_, i) => ({ pixels: drawn(i % classes, random), target: i % classes }));
}

/** A drawing and its neighbours, moved by one pixel: a few drawings are too few to learn from. */
export function moved(/** @type {Float64Array} */ pixels, side = SIDE) {
  const found = [];
  for (const dy of [0, -1, 1])
    for (const dx of [0, -1, 1]) {
      const out = new Float64Array(side * side);
      for (let r = 0; r < side; r++) for (let c = 0; c < side; c++) { const y = r - dy, x = c - dx; if (y >= 0 && y < side && x >= 0 && x < side) out[r * side + c] = pixels[y * side + x]; }
      found.push(out);
    }
  return found;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Drawings as letters: the class, then six pixels a letter. */
export const packDrawn = (/** @type {{pixels: ArrayLike<number>, target: number}[]} */ all) => all.map(({ pixels, target }) => {
  let text = String(target);
  for (let i = 0; i < SIDE * SIDE; i += 6) { let bits = 0; for (let k = 0; k < 6; k++) bits = bits * 2 + (pixels[i + k] > 0.5 ? 1 : 0); text += LETTERS[bits]; }
  return text;
}).join('');

export function unpackDrawn(/** @type {string} */ text) {
  const each = 1 + (SIDE * SIDE) / 6, found = [];
  for (let at = 0; at + each <= text.length && found.length < MOST_DRAWN; at += each) {
    const target = Number(text[at]), bits = [...text.slice(at + 1, at + each)].map((letter) => LETTERS.indexOf(letter));
    if (!(target >= 0 && target < 6) || bits.includes(-1)) return found;
    found.push({ target, pixels: Float64Array.from(bits.flatMap((b) => [5, 4, 3, 2, 1, 0].map((k) => (b >> k) & 1))) });
  }
  return found;
}

/** @typedef {{kind: 'conv'|'pool'|'dense', units: number, kernel: number, activation: string, padding: number}} Layer */

const KINDS = { c: 'conv', p: 'pool', d: 'dense' };

/** Layers in words: c6-3relu, p2, d16tanh; a convolution that keeps the size has an "S" behind its kernel. */
export const layerWords = (/** @type {Layer[]} */ all) => all.map((l) => (l.kind === 'pool' ? `p${l.units}` : l.kind === 'conv' ? `c${l.units}-${l.kernel}${l.padding ? 'S' : ''}${l.activation}` : `d${l.units}${l.activation}`)).join(',');

export function layersOf(/** @type {string} */ text) {
  const found = [];
  for (const word of text.split(',').slice(0, 6)) {
    const [, kind, units, , kernel, same, name] = /^([cpd])(\d{1,2})(-(\d)(S?))?([a-z]*)$/.exec(word) ?? [];
    if (!kind) continue;
    const k = Math.max(1, Math.min(7, Number(kernel ?? 3)));
    found.push({ kind: KINDS[kind], units: Math.max(kind === 'p' ? 2 : 1, Math.min(kind === 'p' ? 4 : kind === 'c' ? 16 : 64, Number(units))), kernel: k, padding: same ? Math.floor(k / 2) : 0, activation: Object.hasOwn(ACTIVATIONS, name) ? name : 'relu' });
  }
  return /** @type {Layer[]} */ (found);
}

/** Layers as blocks of a net. */
export const blocksOf = (/** @type {Layer[]} */ all) => all.map((l) => (l.kind === 'pool' ? { kind: 'pool', size: l.units } : l.kind === 'conv' ? { kind: 'conv', units: l.units, kernel: l.kernel, padding: l.padding, activation: l.activation } : { kind: 'dense', units: l.units, activation: l.activation }));
