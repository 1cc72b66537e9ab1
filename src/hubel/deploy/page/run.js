// Runs a net that is written down as operations (see program.py): one picture in, its logits out. No DOM, no request.

import { kernels } from './kernels.js';

const { PI, SQRT2, abs, exp, log1p, max, min, tanh } = Math;

/** The error function within 1.2e-7 (Numerical Recipes, erfc by Chebyshev). @param {number} x */
function erf(x) {
  const t = 1 / (1 + 0.5 * abs(x));
  const tail = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
    -1.26551223,
  ].reduce((sum, factor) => sum * t + factor, 0);
  const small = t * exp(-x * x + tail);
  return x >= 0 ? 1 - small : small - 1;
}

const sigmoid = (/** @type {number} */ x) => 1 / (1 + exp(-x));
const softplus = (/** @type {number} */ x) => (x > 20 ? x : log1p(exp(x)));

/** @type {Record<string, (x: number, a: number, b: number) => number>} */
const UNARY = {
  linear: (x, a, b) => x * a + b,
  clip: (x, a, b) => (x < a ? a : x > b ? b : x),
  leaky: (x, a) => (x >= 0 ? x : x * a),
  threshold: (x, a, b) => (x > a ? x : b),
  power: (x, a) => (a === 0.5 ? Math.sqrt(x) : a === -0.5 ? 1 / Math.sqrt(x) : x ** a),
  elu: (x, a) => (x > 0 ? x : a * Math.expm1(x)),
  sigmoid,
  tanh,
  softplus,
  silu: (x) => x / (1 + exp(-x)),
  mish: (x) => x * tanh(softplus(x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / SQRT2)),
  'gelu-tanh': (x) => 0.5 * x * (1 + tanh(Math.sqrt(2 / PI) * (x + 0.044715 * x * x * x))),
  hardsigmoid: (x) => min(1, max(0, x / 6 + 0.5)),
  hardswish: (x) => x * min(1, max(0, x / 6 + 0.5)),
  'log-sigmoid': (x) => -softplus(-x),
  exp,
  log: Math.log,
  abs,
  sin: Math.sin,
  cos: Math.cos,
  sign: Math.sign,
  floor: Math.floor,
};

/** @type {Record<string, (x: number, z: number) => number>} */
const BINARY = {
  add: (x, z) => x + z,
  sub: (x, z) => x - z,
  mul: (x, z) => x * z,
  div: (x, z) => x / z,
  max,
  min,
  prelu: (x, z) => (x > 0 ? x : x * z),
};

/** Stored arrays as float32, by the number or the name of each. */
export function constants(table, /** @type {Uint8Array} */ bytes) {
  const found = new Map();
  for (const { array, kind, count, at, rows, scale } of table) {
    const start = bytes.byteOffset + at;
    if (kind === 'f32') found.set(array, new Float32Array(bytes.buffer, start, count));
    else {
      const scales = new Float32Array(bytes.buffer, bytes.byteOffset + scale, rows), each = count / rows;
      const numbers = kind === 'i8' ? new Int8Array(bytes.buffer, start, count) : new Int16Array(bytes.buffer, start, count);
      found.set(array, Float32Array.from(numbers, (n, i) => n * scales[Math.floor(i / each)]));
    }
  }
  return found;
}

const up = (/** @type {number} */ n, /** @type {number} */ to) => Math.ceil(n / to) * to;

/** Rows of k numbers each, in groups of 4 rows, k after k; what is missing of the last group is 0. */
function grouped(values, first, rows, k) {
  const out = new Float32Array(up(rows, 4) * k);
  for (let row = 0; row < rows; row++)
    for (let n = 0; n < k; n++) out[(row >> 2) * 4 * k + 4 * n + (row & 3)] = values[first + row * k + n];
  return out;
}

/** How a convolution is computed: by one map (depth) or by groups, and what must lie ready for it. */
function planned(o, known) {
  const [c, h, w] = o.c, [m, oh, ow] = o.o, [kh, kw] = o.k, [sh, sw] = o.s, [ph, pw] = o.p, [dh, dw] = o.d;
  const each = c / o.g, rows = m / o.g, k = each * kh * kw;
  const direct = kh === 1 && kw === 1 && sh === 1 && sw === 1 && ph === 0 && pw === 0;
  // The padded maps lie as sh sw planes, each of the places that windows meet in one step: so every number of a window
  // is at a fixed distance from its first, whatever the stride.
  const wide = direct ? w : up(w + 2 * pw, sw) / sw, high = direct ? h : up(h + 2 * ph, sh) / sh;
  const plane = wide * high, map = plane * sh * sw;
  const columns = direct ? oh * ow : (oh - 1) * wide + ow, blocks = Math.ceil(columns / 8);
  const offsets = new Int32Array(k);
  for (let ch = 0, n = 0; ch < each; ch++)
    for (let y = 0; y < kh; y++)
      for (let x = 0; x < kw; x++, n++) {
        const row = y * dh, column = x * dw;
        offsets[n] = 4 * (ch * map + ((row % sh) * sw + (column % sw)) * plane + Math.floor(row / sh) * wide + Math.floor(column / sw));
      }
  const weights = known.get(o.w), bias = o.b === undefined ? new Float32Array(m) : known.get(o.b);
  const depth = rows < 3;  // one map or two a group: four rows at once would be mostly nothing
  const values = depth
    ? weights
    : Float32Array.from({ length: 0 });
  const parts = depth ? [values] : Array.from({ length: o.g }, (_, g) => grouped(weights, g * rows * k, rows, k));
  const biases = depth ? [bias] : Array.from({ length: o.g }, (_, g) => {
    const part = new Float32Array(up(rows, 4));
    part.set(bias.subarray(g * rows, (g + 1) * rows));
    return part;
  });
  // Straight into the result where columns and rows come out even; else aside, and copied.
  const even = direct && columns % 8 === 0 && (depth || rows % 4 === 0);
  return { each, rows, k, direct, wide, high, plane, map, columns, blocks, offsets, depth, even, parts, biases, ldc: even ? columns : blocks * 8,
    room: direct ? 0 : c * map + 2 * wide + 64, aside: even ? 0 : (depth ? 1 : up(rows, 4)) * blocks * 8 };
}

/** A net ready to answer. */
export class Net {
  /**
   * @param {any} program as program.py writes it
   * @param {Uint8Array} bytes its constants; they begin at a multiple of 4
   * @param {string} [way] "fused", "vectors" or "plain" loops; the fastest there are if not given
   */
  constructor(program, bytes, way) {
    const known = constants(program.constants, bytes);
    this.operations = program.operations;
    let at = 64;
    const room = (numbers) => { const begin = at; at += up(numbers, 8) + 8; return begin; };
    const base = room(program.total);
    /** @type {[number, Float32Array | Int32Array][]} */
    const filled = [];
    const place = (values) => { const begin = room(values.length); filled.push([begin, values]); return begin; };
    const swallowed = new Set();
    const plans = new Map();
    const scratch = { room: 0, aside: 0, panel: 0, rows: 0 };
    const need = (name, numbers) => { scratch[name] = max(scratch[name], numbers); };
    for (const o of this.operations) {
      if (o.op === 'conv') {
        const plan = planned(o, known);
        swallowed.add(o.w);
        if (o.b !== undefined) swallowed.add(o.b);
        need('room', plan.room); need('aside', plan.aside); need('panel', 8 * plan.k);
        plans.set(o, { ...plan, parts: plan.parts.map(place), biases: plan.biases.map(place), offsets: place(plan.offsets) });
      } else if (o.op === 'dense' && o.rows < 4) {
        const k = up(o.k, 16), padded = new Float32Array(o.m * k), weights = known.get(o.w);
        for (let row = 0; row < o.m; row++) padded.set(weights.subarray(row * o.k, (row + 1) * o.k), row * k);
        swallowed.add(o.w);
        need('room', k); need('aside', 4 * o.m);
        plans.set(o, { k, weights: place(padded) });
      } else if (o.op === 'dense') {
        const bias = new Float32Array(up(o.m, 4));
        if (o.b !== undefined) bias.set(known.get(o.b));
        swallowed.add(o.w);
        const columns = up(o.rows, 8), offsets = Int32Array.from({ length: o.k }, (_, n) => 4 * n * columns);
        need('room', o.k * columns); need('aside', up(o.m, 4) * columns); need('panel', 8 * o.k);
        plans.set(o, { columns, bias: place(bias), offsets: place(offsets), weights: place(grouped(known.get(o.w), 0, o.m, o.k)) });
      } else if (o.op === 'matmul') {
        const columns = up(o.m, 8), offsets = Int32Array.from({ length: o.k }, (_, n) => 4 * n * columns);
        need('room', o.k * columns); need('aside', up(o.r, 4) * columns); need('panel', 8 * o.k); need('rows', up(o.r, 4) * o.k);
        plans.set(o, { columns, offsets: place(offsets), bias: place(new Float32Array(up(o.r, 4))) });
      }
    }
    const used = new Set(this.operations.flatMap((o) => [
      o.x, o.z, ...(o.parts ?? []), ...(o.op === 'affine' ? [o.w, o.b] : []), ...(o.op === 'dense' && o.rows < 4 ? [o.b] : []),
    ]));
    this.begins = program.begins.map((begin, array) => {
      if (begin >= 0) return base + begin;
      return used.has(array) ? place(known.get(array)) : -1;
    });
    this.at = Object.fromEntries(Object.entries(scratch).map(([name, numbers]) => [name, room(numbers + 64)]));
    const made = kernels(at + 64, way);
    Object.assign(this, made);
    for (const [begin, values] of filled) (values instanceof Int32Array ? made.table : made.heap).set(values, begin);
    this.plans = plans;
    this.sizes = program.sizes;
    this.input = program.input;
    this.output = program.output;
  }

  /** Logits of a normalised picture C H W. @param {Float32Array} picture */
  run(picture) {
    if (picture.length !== this.sizes[this.input]) throw new Error(`${this.sizes[this.input]} numbers are needed, got ${picture.length}`);
    this.heap.set(picture, this.begins[this.input]);
    for (const o of this.operations) this[o.op](o);
    const begin = this.begins[this.output];
    return this.heap.slice(begin, begin + this.sizes[this.output]);
  }

  /** Milliseconds of each operation, for one picture. @param {Float32Array} picture */
  timed(picture) {
    this.run(picture);
    return this.operations.map((o) => {
      const started = performance.now();
      this[o.op](o);
      return performance.now() - started;
    });
  }

  /** x within the limits of an operation, in place. */
  limit(o) {
    if (!o.clip) return;
    const begin = this.begins[o.y], end = begin + this.sizes[o.y], heap = this.heap;
    const low = o.clip[0] ?? -Infinity, high = o.clip[1] ?? Infinity;
    for (let i = begin; i < end; i++) {
      const x = heap[i];
      heap[i] = x < low ? low : x > high ? high : x;
    }
  }

  conv(o) {
    const plan = this.plans.get(o), heap = this.heap;
    const [c, h, w] = o.c, [m, oh, ow] = o.o, [sh, sw] = o.s, [ph, pw] = o.p;
    const low = o.clip?.[0] ?? -Infinity, high = o.clip?.[1] ?? Infinity;
    let source = this.begins[o.x];
    if (!plan.direct) {
      const from = source, to = this.at.room, { wide, plane, map } = plan;
      heap.fill(0, to, to + plan.room);
      for (let ch = 0; ch < c; ch++)
        for (let y = 0; y < h; y++) {
          const row = y + ph, read = from + (ch * h + y) * w;
          const write = to + ch * map + (row % sh) * sw * plane + Math.floor(row / sh) * wide;
          if (sw === 1) for (let x = 0; x < w; x++) heap[write + pw + x] = heap[read + x];
          else
            for (let x = 0; x < w; x++) {
              const column = x + pw;
              heap[write + (column % sw) * plane + ((column / sw) | 0)] = heap[read + x];
            }
        }
      source = to;
    }
    const y = this.begins[o.y], aside = this.at.aside, count = oh * ow;
    const spread = (/** @type {number} */ first, /** @type {number} */ rows) => {
      for (let row = 0; row < rows; row++)
        for (let line = 0; line < (plan.direct ? 1 : oh); line++) {
          const length = plan.direct ? count : ow;
          const read = aside + row * plan.ldc + line * plan.wide, write = y + (first + row) * count + line * ow;
          if (length < 48) for (let x = 0; x < length; x++) heap[write + x] = heap[read + x];
          else heap.copyWithin(write, read, read + length);
        }
    };
    const size = plan.direct ? h * w : plan.map;
    if (plan.depth) {
      for (let row = 0; row < m; row++) {
        const group = Math.floor(row / plan.rows), target = plan.even ? y + row * count : aside;
        this.depth(4 * (plan.parts[0] + row * plan.k), 4 * (source + group * plan.each * size), 4 * plan.offsets, plan.k, 4 * target,
          plan.blocks, heap[plan.biases[0] + row], low, high);
        if (!plan.even) spread(row, 1);
      }
      return;
    }
    for (let g = 0; g < o.g; g++) {
      const target = plan.even ? y + g * plan.rows * count : aside;
      this.gemm(4 * plan.parts[g], 4 * plan.biases[g], 4 * (source + g * plan.each * size), 4 * plan.offsets, plan.k, 4 * this.at.panel,
        4 * target, 4 * plan.ldc, up(plan.rows, 4) / 4, plan.blocks, low, high);
      if (!plan.even) spread(g * plan.rows, plan.rows);
    }
  }

  dense(o) {
    const plan = this.plans.get(o), heap = this.heap, x = this.begins[o.x], y = this.begins[o.y];
    const { room, aside } = this.at;
    if (o.rows < 4) {
      const bias = o.b === undefined ? -1 : this.begins[o.b];
      for (let row = 0; row < o.rows; row++) {
        heap.copyWithin(room, x + row * o.k, x + (row + 1) * o.k);
        heap.fill(0, room + o.k, room + plan.k);
        this.dot(4 * plan.weights, 4 * room, plan.k / 16, 4 * aside, o.m);
        for (let m = 0; m < o.m; m++) {
          const at = aside + 4 * m;
          heap[y + row * o.m + m] = heap[at] + heap[at + 1] + heap[at + 2] + heap[at + 3] + (bias < 0 ? 0 : heap[bias + m]);
        }
      }
      this.limit(o);
      return;
    }
    const { columns } = plan;
    for (let row = 0; row < o.rows; row++) for (let n = 0; n < o.k; n++) heap[room + n * columns + row] = heap[x + row * o.k + n];
    this.gemm(4 * plan.weights, 4 * plan.bias, 4 * room, 4 * plan.offsets, o.k, 4 * this.at.panel, 4 * aside, 4 * columns, up(o.m, 4) / 4,
      columns / 8, o.clip?.[0] ?? -Infinity, o.clip?.[1] ?? Infinity);
    for (let row = 0; row < o.rows; row++) for (let m = 0; m < o.m; m++) heap[y + row * o.m + m] = heap[aside + m * columns + row];
  }

  matmul(o) {
    const plan = this.plans.get(o), heap = this.heap, { columns } = plan, { room, aside, rows } = this.at;
    for (let batch = 0; batch < o.n; batch++) {
      const x = this.begins[o.x] + batch * o.r * o.k, z = this.begins[o.z] + batch * o.k * o.m, y = this.begins[o.y] + batch * o.r * o.m;
      heap.set(grouped(heap, x, o.r, o.k), rows);
      for (let n = 0; n < o.k; n++) for (let m = 0; m < o.m; m++) heap[room + n * columns + m] = heap[z + n * o.m + m];
      this.gemm(4 * rows, 4 * plan.bias, 4 * room, 4 * plan.offsets, o.k, 4 * this.at.panel, 4 * aside, 4 * columns, up(o.r, 4) / 4,
        columns / 8, -Infinity, Infinity);
      for (let r = 0; r < o.r; r++) for (let m = 0; m < o.m; m++) heap[y + r * o.m + m] = heap[aside + r * columns + m];
    }
  }

  pool(o) {
    const heap = this.heap, [c, d, h, w] = o.c, [, od, oh, ow] = o.o, [kd, kh, kw] = o.k, [sd, sh, sw] = o.s, [pd, ph, pw] = o.p;
    const most = o.kind === 'max';
    let x = this.begins[o.x], y = this.begins[o.y];
    for (let ch = 0; ch < c; ch++, x += d * h * w)
      for (let z = 0; z < od; z++)
        for (let i = 0; i < oh; i++)
          for (let j = 0; j < ow; j++, y++) {
            const z0 = z * sd - pd, i0 = i * sh - ph, j0 = j * sw - pw;
            const z1 = min(z0 + kd, d), i1 = min(i0 + kh, h), j1 = min(j0 + kw, w);
            const zs = max(z0, 0), is = max(i0, 0), js = max(j0, 0);
            let found = most ? -Infinity : 0;
            for (let a = zs; a < z1; a++)
              for (let b = is; b < i1; b++)
                for (let at = x + (a * h + b) * w + js, end = x + (a * h + b) * w + j1; at < end; at++) {
                  const value = heap[at];
                  if (!most) found += value;
                  else if (value > found || value !== value) found = value;
                }
            if (!most) {
              // Windows that hang over the padding count only what lies within it.
              const rim = (min(z0 + kd, d + pd) - z0) * (min(i0 + kh, h + ph) - i0) * (min(j0 + kw, w + pw) - j0);
              found /= o.by ?? (o.rim ? rim : (z1 - zs) * (i1 - is) * (j1 - js));
            }
            heap[y] = found;
          }
  }

  reduce(o) {
    const heap = this.heap, x = this.begins[o.x], y = this.begins[o.y], { outer, n, inner, kind } = o;
    const start = kind === 'max' ? -Infinity : kind === 'min' ? Infinity : 0;
    for (let a = 0; a < outer; a++)
      for (let b = 0; b < inner; b++) {
        let found = start, at = x + a * n * inner + b;
        if (kind === 'max') for (let i = 0; i < n; i++, at += inner) found = max(found, heap[at]);
        else if (kind === 'min') for (let i = 0; i < n; i++, at += inner) found = min(found, heap[at]);
        else for (let i = 0; i < n; i++, at += inner) found += heap[at];
        heap[y + a * inner + b] = kind === 'mean' ? found / n : found;
      }
  }

  softmax(o) {
    const heap = this.heap, { outer, n, inner } = o;
    for (let a = 0; a < outer; a++)
      for (let b = 0; b < inner; b++) {
        const x = this.begins[o.x] + a * n * inner + b, y = this.begins[o.y] + a * n * inner + b;
        let top = -Infinity, sum = 0;
        for (let i = 0; i < n; i++) top = max(top, heap[x + i * inner]);
        for (let i = 0; i < n; i++) sum += exp(heap[x + i * inner] - top);
        const whole = Math.log(sum) + top;
        for (let i = 0; i < n; i++) {
          const value = heap[x + i * inner] - whole;
          heap[y + i * inner] = o.log ? value : exp(value);
        }
      }
  }

  norm(o) {
    const heap = this.heap, { rows, n } = o;
    for (let row = 0; row < rows; row++) {
      const x = this.begins[o.x] + row * n, y = this.begins[o.y] + row * n;
      let sum = 0, squares = 0;
      for (let i = 0; i < n; i++) sum += heap[x + i];
      const mean = sum / n;
      for (let i = 0; i < n; i++) squares += (heap[x + i] - mean) ** 2;
      const scale = 1 / Math.sqrt(squares / n + o.eps);
      for (let i = 0; i < n; i++) heap[y + i] = (heap[x + i] - mean) * scale;
    }
  }

  affine(o) {
    const heap = this.heap, { c, n } = o, w = this.begins[o.w], b = this.begins[o.b];
    const low = o.clip?.[0] ?? -Infinity, high = o.clip?.[1] ?? Infinity;
    for (let ch = 0, x = this.begins[o.x], y = this.begins[o.y]; ch < c; ch++) {
      const scale = heap[w + ch], shift = heap[b + ch];
      for (let i = 0; i < n; i++, x++, y++) {
        const value = heap[x] * scale + shift;
        heap[y] = value < low ? low : value > high ? high : value;
      }
    }
  }

  unary(o) {
    const heap = this.heap, x = this.begins[o.x], y = this.begins[o.y], f = UNARY[o.f];
    const a = o.u ?? -Infinity, b = o.v ?? (o.f === 'linear' ? 0 : Infinity);
    if (o.f === 'clip') for (let i = 0; i < o.n; i++) { const v = heap[x + i]; heap[y + i] = v < a ? a : v > b ? b : v; }
    else if (o.f === 'silu') for (let i = 0; i < o.n; i++) { const v = heap[x + i]; heap[y + i] = v / (1 + exp(-v)); }
    else for (let i = 0; i < o.n; i++) heap[y + i] = f(heap[x + i], a, b);
  }

  binary(o) {
    const heap = this.heap, x = this.begins[o.x], z = this.begins[o.z], y = this.begins[o.y], f = BINARY[o.f];
    const { dims, xs, zs } = o, last = dims.length - 1, n = last < 0 ? 1 : dims[last], whole = this.sizes[o.y];
    const same = this.sizes[o.x] === whole && this.sizes[o.z] === whole;
    if (same && o.f === 'add') for (let i = 0; i < whole; i++) heap[y + i] = heap[x + i] + heap[z + i];
    else if (same) for (let i = 0; i < whole; i++) heap[y + i] = f(heap[x + i], heap[z + i]);
    else {
      const place = Array(max(last, 0)).fill(0), dx = last < 0 ? 0 : xs[last], dz = last < 0 ? 0 : zs[last];
      for (let at = 0, p = x, q = z; at < whole; ) {
        if (o.f === 'mul') for (let i = 0; i < n; i++, at++) heap[y + at] = heap[p + i * dx] * heap[q + i * dz];
        else for (let i = 0; i < n; i++, at++) heap[y + at] = f(heap[p + i * dx], heap[q + i * dz]);
        for (let axis = last - 1; axis >= 0; axis--) {
          p += xs[axis]; q += zs[axis];
          if (++place[axis] < dims[axis]) break;
          p -= xs[axis] * dims[axis]; q -= zs[axis] * dims[axis];
          place[axis] = 0;
        }
      }
    }
    this.limit(o);
  }

  permute(o) {
    const steps = o.dims.map((_, axis) => o.dims.slice(axis + 1).reduce((all, side) => all * side, 1));
    this.walk(o, o.order.map((axis) => o.dims[axis]), o.order.map((axis) => Array.from({ length: o.dims[axis] }, (_, i) => i * steps[axis])));
  }

  take(o) {
    const steps = o.dims.map((_, axis) => o.dims.slice(axis + 1).reduce((all, side) => all * side, 1));
    const places = o.dims.map((side, axis) =>
      (o.index[axis] ?? Array.from({ length: side }, (_, i) => i)).map((place) => (place < 0 ? -Infinity : place * steps[axis])));
    this.walk(o, places.map((axis) => axis.length), places);
  }

  /** y from x, at the sums of the distances of each axis; below 0 it is `fill`. */
  walk(o, sides, distances) {
    const heap = this.heap, x = this.begins[o.x], y = this.begins[o.y], fill = o.fill ?? 0, whole = this.sizes[o.y];
    const last = sides.length - 1, row = distances[last], place = Array(last).fill(0);
    for (let at = 0; at < whole; ) {
      let from = x;
      for (let axis = 0; axis < last; axis++) from += distances[axis][place[axis]];
      if (from < 0) for (let i = 0; i < row.length; i++, at++) heap[y + at] = fill;
      else for (let i = 0; i < row.length; i++, at++) heap[y + at] = row[i] < 0 ? fill : heap[from + row[i]];
      for (let axis = last - 1; axis >= 0 && ++place[axis] === sides[axis]; axis--) place[axis] = 0;
    }
  }

  cat(o) {
    const heap = this.heap, each = o.sizes.reduce((all, size) => all + size, 0);
    let at = this.begins[o.y];
    o.parts.forEach((array, part) => {
      const size = o.sizes[part], x = this.begins[array];
      for (let outer = 0; outer < o.outer; outer++) heap.copyWithin(at + outer * each, x + outer * size, x + (outer + 1) * size);
      at += size;
    });
  }
}
