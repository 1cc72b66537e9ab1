// Points in the square −6 … 6: data sets, own points, tables that are pasted, features.

import { formula } from './formula.js';
import { Random } from './rand.js';

export const SIDE = 6;
export const MOST_CLASSES = 6;
export const MOST_POINTS = 2000;

/** @typedef {{x: number, y: number, target: number}} Point */

const near = (/** @type {Random} */ random, noise) => random.between(-1, 1) * noise;

/** @type {Record<string, {title: string, about: 'classes'|'values', most?: number, count: number,
 *   make: (random: Random, count: number, classes: number, noise: number) => Point[]}>} */
export const DATA = {
  circle: {
    title: 'Circle', about: 'classes', count: 500,
    make: (random, count, classes, noise) => points(count, (i) => {
      const target = i % classes, width = 5 / (classes - 0.5), from = target === classes - 1 ? 0 : (classes - 1 - target) * width - width * 0.3;
      const r = target === classes - 1 ? random.between(0, width * 0.5) : random.between(from, from + width * 0.6);
      const angle = random.between(0, 2 * Math.PI);
      return { x: r * Math.sin(angle) + near(random, noise * 2), y: r * Math.cos(angle) + near(random, noise * 2), target };
    }),
  },
  xor: {
    title: 'XOR', about: 'classes', most: 4, count: 500,
    make: (random, count, classes, noise) => points(count, () => {
      const at = () => { const v = random.between(-5, 5); return v + (v > 0 ? 0.3 : -0.3); };
      const x = at(), y = at(), quarter = y >= 0 ? (x >= 0 ? 0 : 1) : x < 0 ? 2 : 3;
      return { x: x + near(random, noise * 2), y: y + near(random, noise * 2), target: classes === 2 ? (x * y >= 0 ? 1 : 0) : quarter % classes };
    }),
  },
  gauss: {
    title: 'Clouds', about: 'classes', count: 500,
    make: (random, count, classes, noise) => points(count, (i) => {
      const target = i % classes, spread = 0.7 + 1.3 * noise, angle = Math.PI / 4 + (2 * Math.PI * (target + 1)) / classes, r = classes > 3 ? 3.8 : 2.83;
      return { x: r * Math.cos(angle) + spread * random.normal(), y: r * Math.sin(angle) + spread * random.normal(), target };
    }),
  },
  spiral: {
    title: 'Spiral', about: 'classes', count: 500,
    make: (random, count, classes, noise) => points(count, (i) => {
      const target = i % classes, along = Math.floor(i / classes) / Math.ceil(count / classes);
      const turn = 1.75 * along * 2 * Math.PI + (2 * Math.PI * target) / classes, r = along * 5;
      return { x: r * Math.sin(turn) + near(random, noise), y: r * Math.cos(turn) + near(random, noise), target };
    }),
  },
  moons: {
    title: 'Moons', about: 'classes', most: 2, count: 500,
    make: (random, count, classes, noise) => points(count, (i) => {
      const target = i % 2, angle = random.between(0, Math.PI), sign = target ? 1 : -1;
      return {
        x: sign * (3 * Math.cos(angle) - 1.5) + near(random, noise + 0.4),
        y: sign * (3 * Math.sin(angle) - 0.9) + near(random, noise + 0.4), target,
      };
    }),
  },
  plane: {
    title: 'Plane', about: 'values', count: 1200,
    make: (random, count, classes, noise) => points(count, () => {
      const x = random.between(-6, 6), y = random.between(-6, 6);
      return { x, y, target: clamp((x + near(random, noise * 2) + y + near(random, noise * 2)) / 10) };
    }),
  },
  hills: {
    title: 'Hills', about: 'values', count: 1200,
    make: (random, count, classes, noise) => points(count, () => {
      const x = random.between(-6, 6), y = random.between(-6, 6), u = x + near(random, noise * 2), v = y + near(random, noise * 2);
      let target = 0;
      for (const [cx, cy, sign] of [[-4, 2.5, 1], [0, 2.5, -1], [4, 2.5, 1], [-4, -2.5, -1], [0, -2.5, 1], [4, -2.5, -1]]) {
        const here = sign * Math.max(0, 1 - Math.hypot(u - cx, v - cy) / 2);
        if (Math.abs(here) > Math.abs(target)) target = here;
      }
      return { x, y, target };
    }),
  },
  waves: {
    title: 'Waves', about: 'values', count: 1200,
    make: (random, count, classes, noise) => points(count, () => {
      const x = random.between(-6, 6), y = random.between(-6, 6);
      return { x, y, target: clamp(Math.sin(x + near(random, noise)) * Math.cos(0.6 * y + near(random, noise))) };
    }),
  },
};

const clamp = (/** @type {number} */ v) => Math.max(-1, Math.min(1, v));
const points = (/** @type {number} */ n, /** @type {(i: number) => Point} */ make) => Array.from({ length: n }, (_, i) => make(i));

/** The points of a data set. `noise` is 0 … 50 percent. */
export function made(name, /** @type {number} */ classes, noise, seed) {
  const set = Object.hasOwn(DATA, name) && DATA[name];
  if (!set) throw new Error(`no data set is called ${name}: take one of ${Object.keys(DATA).join(', ')}`);
  return set.make(new Random(seed, 1), set.count, Math.min(classes, set.most ?? MOST_CLASSES), noise / 50);
}

/** Points in an order of their own, the first share of them for training. */
export function split(/** @type {Point[]} */ all, /** @type {number} */ percent, seed) {
  const order = new Random(seed, 2).order(all.length), count = all.length < 2 ? all.length : Math.max(1, Math.round((all.length * percent) / 100));
  const mixed = Array.from(order, (i) => all[i]);
  return { train: mixed.slice(0, count), test: mixed.slice(count) };
}

/** @type {Record<string, {title: string, of: (x: number, y: number) => number, python: string}>} */
export const FEATURES = {
  x: { title: 'x₁', of: (x) => x, python: 'x1' },
  y: { title: 'x₂', of: (x, y) => y, python: 'x2' },
  xx: { title: 'x₁²', of: (x) => x * x, python: 'x1 ** 2' },
  yy: { title: 'x₂²', of: (x, y) => y * y, python: 'x2 ** 2' },
  xy: { title: 'x₁x₂', of: (x, y) => x * y, python: 'x1 * x2' },
  sx: { title: 'sin x₁', of: (x) => Math.sin(x), python: 'torch.sin(x1)' },
  sy: { title: 'sin x₂', of: (x, y) => Math.sin(y), python: 'torch.sin(x2)' },
};

/** Rows of features of points. */
export function rows(/** @type {{x: number, y: number}[]} */ all, /** @type {string[]} */ features) {
  const out = new Float64Array(all.length * features.length), how = features.map((name) => FEATURES[name].of);
  for (let i = 0, n = 0; i < all.length; i++) for (const of of how) out[n++] = of(all[i].x, all[i].y);
  return out;
}

/** Rows of features of a grid over the square, from the upper left, row after row. */
export function gridRows(/** @type {number} */ side, /** @type {string[]} */ features) {
  const all = [];
  for (let r = 0; r < side; r++)
    for (let c = 0; c < side; c++) all.push({ x: -SIDE + (2 * SIDE * (c + 0.5)) / side, y: SIDE - (2 * SIDE * (r + 0.5)) / side });
  return rows(all, features);
}

/** A table as points: two numbers and a class (or, for values, a third number) a line; a first line of names may be there.
 *  Numbers that lie outside the square are shrunk into it, all by the same rule, which is said. */
export function parseTable(/** @type {string} */ text, /** @type {'classes'|'values'} */ about = 'classes') {
  const found = [], notes = [], names = new Map();
  let wrong = 0, first = '';
  for (const [number, line] of text.split(/\r\n|\r|\n/).entries()) {
    if (!line.trim()) continue;
    const cells = (line.includes('\t') ? line.split('\t') : line.includes(';') ? line.replaceAll(',', '.').split(';') : line.includes(',') ? line.split(',') : line.trim().split(/\s+/)).map((c) => c.trim()).filter((c, i, all) => c !== '' || i < all.length - 1);
    const [x, y] = [Number(cells[0]), Number(cells[1])];
    const label = cells[2] ?? '';
    const bad = cells.length < 3 || cells[0] === '' || cells[1] === '' || !Number.isFinite(x) || !Number.isFinite(y) || label === '' || (about === 'values' && !Number.isFinite(Number(label)));
    if (bad) {
      if (found.length || number) { wrong++; first ||= `line ${number + 1}: ${line.trim().slice(0, 40)}`; }
      continue;
    }
    if (found.length >= MOST_POINTS) { notes.push(`only the first ${MOST_POINTS} points are taken`); break; }
    if (about === 'values') found.push({ x, y, target: Number(label) });
    else {
      if (!names.has(label)) names.set(label, names.size);
      found.push({ x, y, target: names.get(label) });
    }
  }
  if (wrong) notes.push(`${wrong} ${wrong === 1 ? 'line is' : 'lines are'} no point (${first}): write x, y, ${about === 'values' ? 'value' : 'class'}`);
  if (about === 'classes' && names.size > MOST_CLASSES) throw new Error(`there are ${names.size} classes; at most ${MOST_CLASSES} can be told apart here`);
  if (!found.length) throw new Error(`there is no point in it: write x, y, ${about === 'values' ? 'value' : 'class'} on each line, for example 1.5, −2, ${about === 'values' ? '0.7' : 'a'}`.replace('−', '-'));
  for (const axis of /** @type {const} */ (['x', 'y'])) {
    const all = found.map((p) => p[axis]), low = Math.min(...all), high = Math.max(...all);
    if (low >= -SIDE && high <= SIDE) continue;
    const middle = (low + high) / 2, scale = (high - low) / 2 / 5 || 1;
    for (const p of found) p[axis] = (p[axis] - middle) / scale;
    notes.push(`${axis === 'x' ? 'x₁' : 'x₂'} is (${axis} − ${+middle.toPrecision(4)}) / ${+scale.toPrecision(4)}`);
  }
  if (about === 'values') {
    const most = Math.max(...found.map((p) => Math.abs(p.target)));
    if (most > 1) {
      for (const p of found) p.target /= most;
      notes.push(`values are divided by ${+most.toPrecision(4)}`);
    }
  }
  return { points: found, names: [...names.keys()], notes };
}

/** Points with what a formula gives at them: its values, made to fit −1 … 1, or two classes, the second where it is above 0. */
export function pointsOf(/** @type {string} */ text, /** @type {'classes'|'values'} */ about, /** @type {number} */ seed, count = 400) {
  const of = formula(text), random = new Random(seed, 3);
  const all = points(count, () => { const x = random.between(-SIDE, SIDE), y = random.between(-SIDE, SIDE); return { x, y, target: of(x, y) }; });
  const found = all.filter((p) => Number.isFinite(p.target));
  if (!found.length) throw new Error('this is a number nowhere in the square');
  const most = Math.max(1, ...found.map((p) => Math.abs(p.target)));
  return found.map((p) => ({ ...p, target: about === 'values' ? p.target / most : Number(p.target > 0) }));
}

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
const two = (/** @type {number} */ v, low, high) => {
  const n = Math.round(((Math.max(low, Math.min(high, v)) - low) / (high - low)) * 1295);
  return DIGITS[Math.floor(n / 36)] + DIGITS[n % 36];
};
const back = (/** @type {string} */ text, low, high) => low + (Number.parseInt(text, 36) / 1295) * (high - low);

/** Own points in a few characters each, for an address. */
export function packPoints(/** @type {Point[]} */ all, /** @type {boolean} */ values) {
  return all.map((p) => two(p.x, -SIDE, SIDE) + two(p.y, -SIDE, SIDE) + (values ? two(p.target, -1, 1) : DIGITS[p.target])).join('');
}

export function unpackPoints(/** @type {string} */ text, /** @type {boolean} */ values) {
  const each = values ? 6 : 5, found = [];
  if (!/^[0-9a-z]*$/.test(text)) return [];
  for (let at = 0; at + each <= text.length && found.length < MOST_POINTS; at += each) {
    const target = values ? back(text.slice(at + 4, at + 6), -1, 1) : Math.min(MOST_CLASSES - 1, Number.parseInt(text[at + 4], 36));
    found.push({ x: back(text.slice(at, at + 2), -SIDE, SIDE), y: back(text.slice(at + 2, at + 4), -SIDE, SIDE), target });
  }
  return found;
}
