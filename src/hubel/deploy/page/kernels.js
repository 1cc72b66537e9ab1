// The two loops that take nearly all the time, as a small WebAssembly module with vectors of four numbers, assembled
// here; and the same in plain JavaScript where a browser refuses it. Both work on one heap of numbers.
//
// gemm: C = A B + bias, within limits. A lies in groups of 4 rows, k after k. B is not there as such: its row k are the
// numbers at base + offsets[k], so that a convolution needs no copy of its windows. C is written in columns of 8.

const I32 = 0x7f, F32 = 0x7d, V128 = 0x7b;

/** Signed LEB128. @param {number} value */
function signed(value) {
  const bytes = [];
  for (;;) {
    const byte = value & 127;
    value >>= 7;
    if ((value === 0 && !(byte & 64)) || (value === -1 && byte & 64)) return [...bytes, byte];
    bytes.push(byte | 128);
  }
}

/** Unsigned LEB128. @param {number} value */
function unsigned(value) {
  const bytes = [];
  do {
    const byte = value & 127;
    value >>>= 7;
    bytes.push(value ? byte | 128 : byte);
  } while (value);
  return bytes;
}

const vector = (/** @type {number[][]} */ items) => [...unsigned(items.length), ...items.flat()];
const section = (/** @type {number} */ id, /** @type {number[]} */ body) => [id, ...unsigned(body.length), ...body];

// Instructions.
const get = (/** @type {number} */ n) => [0x20, ...unsigned(n)];
const set = (/** @type {number} */ n) => [0x21, ...unsigned(n)];
const int = (/** @type {number} */ n) => [0x41, ...signed(n)];
const simd = (/** @type {number} */ code, ...rest) => [0xfd, ...unsigned(code), ...rest];
const loadInt = (/** @type {number} */ at) => [0x28, 2, ...unsigned(at)];
const load = (/** @type {number} */ at) => simd(0x00, 0, ...unsigned(at));
const splatFrom = (/** @type {number} */ at) => simd(0x09, 2, ...unsigned(at));
const store = (/** @type {number} */ at) => simd(0x0b, 0, ...unsigned(at));
const SPLAT = simd(0x13), ADD = simd(0xe4), MUL = simd(0xe6), MAX = simd(0xe9), MIN = simd(0xe8);
const ADD_INT = [0x6a], SUB_INT = [0x6b], MUL_INT = [0x6c];
const step = (/** @type {number} */ n, /** @type {number[]} */ by) => [...get(n), ...by, ...ADD_INT, ...set(n)];
/** Do `body` while local `count`, at least 1 at first, is above 0, lowered by one each time. */
const repeat = (/** @type {number} */ count, /** @type {number[]} */ body) =>
  [0x03, 0x40, ...body, ...get(count), ...int(1), ...SUB_INT, 0x22, ...unsigned(count), 0x0d, 0, 0x0b];

/** sum += a b, in one rounding where the machine can. @param {boolean} fused */
const fma = (fused, sum, a, b) =>
  fused ? [...a, ...b, ...get(sum), ...simd(0x105), ...set(sum)] : [...get(sum), ...a, ...b, ...MUL, ...ADD, ...set(sum)];

/** gemm(a, bias, base, offsets, k, panel, c, ldc, groups, blocks, low, high): addresses and ldc in bytes. */
function gemm(fused) {
  const [a, bias, base, offsets, k, panel, c, ldc, groups, blocks, low, high] = Array.from({ length: 12 }, (_, n) => n);
  const [n, from, to, left, aAt, biasAt, cAt, row] = Array.from({ length: 8 }, (_, i) => 12 + i);
  const sums = Array.from({ length: 8 }, (_, i) => 20 + i), [b0, b1, lows, highs] = [28, 29, 30, 31];
  const pack = [
    ...get(offsets), ...set(from), ...get(panel), ...set(to), ...get(k), ...set(n),
    ...repeat(n, [
      ...get(to), ...get(base), ...get(from), ...loadInt(0), ...ADD_INT, 0x22, ...unsigned(row), ...load(0), ...store(0),
      ...get(to), ...get(row), ...load(16), ...store(16),
      ...step(from, int(4)), ...step(to, int(32)),
    ]),
  ];
  const begin = sums.flatMap((sum, i) => [...get(biasAt), ...splatFrom(4 * (i >> 1)), ...set(sum)]);
  const inner = repeat(n, [
    ...get(from), ...load(0), ...set(b0), ...get(from), ...load(16), ...set(b1),
    ...[0, 1, 2, 3].flatMap((r) => [
      ...get(aAt), ...splatFrom(4 * r), ...set(32),
      ...fma(fused, sums[2 * r], get(32), get(b0)), ...fma(fused, sums[2 * r + 1], get(32), get(b1)),
    ]),
    ...step(from, int(32)), ...step(aAt, int(16)),
  ]);
  const end = [
    ...get(cAt), ...set(row),
    ...[0, 1, 2, 3].flatMap((r) => [
      ...[0, 1].flatMap((half) => [
        ...get(row), ...get(sums[2 * r + half]), ...get(lows), ...MAX, ...get(highs), ...MIN, ...store(16 * half),
      ]),
      ...(r < 3 ? step(row, get(ldc)) : []),
    ]),
  ];
  const rows = [
    ...get(a), ...set(aAt), ...get(bias), ...set(biasAt), ...get(c), ...set(cAt), ...get(groups), ...set(left),
    ...repeat(left, [
      ...begin, ...get(panel), ...set(from), ...get(k), ...set(n), ...inner, ...end,
      ...step(biasAt, int(16)), ...step(cAt, [...get(ldc), ...int(4), ...MUL_INT]),
    ]),
  ];
  const body = [
    ...get(low), ...SPLAT, ...set(lows), ...get(high), ...SPLAT, ...set(highs),
    ...repeat(blocks, [...pack, ...rows, ...step(base, int(32)), ...step(c, int(32))]),
  ];
  const locals = vector([[...unsigned(8), I32], [...unsigned(13), V128]]);
  return [...locals, ...body, 0x0b];
}

/** depth(w, base, offsets, k, c, blocks, bias, low, high): one map filtered by one window. */
function depth(fused) {
  const [w, base, offsets, k, c, blocks, bias, low, high] = Array.from({ length: 9 }, (_, n) => n);
  const [n, from, at, row] = [9, 10, 11, 12], [s0, s1, lows, highs, factor] = [13, 14, 15, 16, 17];
  const body = [
    ...get(low), ...SPLAT, ...set(lows), ...get(high), ...SPLAT, ...set(highs),
    ...repeat(blocks, [
      ...get(bias), ...SPLAT, ...set(s0), ...get(bias), ...SPLAT, ...set(s1),
      ...get(offsets), ...set(from), ...get(w), ...set(at), ...get(k), ...set(n),
      ...repeat(n, [
        ...get(base), ...get(from), ...loadInt(0), ...ADD_INT, ...set(row), ...get(at), ...splatFrom(0), ...set(factor),
        ...fma(fused, s0, get(factor), [...get(row), ...load(0)]), ...fma(fused, s1, get(factor), [...get(row), ...load(16)]),
        ...step(from, int(4)), ...step(at, int(4)),
      ]),
      ...get(c), ...get(s0), ...get(lows), ...MAX, ...get(highs), ...MIN, ...store(0),
      ...get(c), ...get(s1), ...get(lows), ...MAX, ...get(highs), ...MIN, ...store(16),
      ...step(base, int(32)), ...step(c, int(32)),
    ]),
  ];
  return [...vector([[...unsigned(4), I32], [...unsigned(5), V128]]), ...body, 0x0b];
}

/** dot(w, x, k16, y, rows): y = w x, rows of w in steps of 16 numbers. */
function dot(fused) {
  const [w, x, k16, y, rows] = [0, 1, 2, 3, 4], [n, at] = [5, 6], sums = [7, 8, 9, 10];
  const body = repeat(rows, [
    ...sums.flatMap((sum) => [...[0x43, 0, 0, 0, 0], ...SPLAT, ...set(sum)]),
    ...get(x), ...set(at), ...get(k16), ...set(n),
    ...repeat(n, [
      ...sums.flatMap((sum, i) => fma(fused, sum, [...get(w), ...load(16 * i)], [...get(at), ...load(16 * i)])),
      ...step(w, int(64)), ...step(at, int(64)),
    ]),
    ...get(y), ...get(sums[0]), ...get(sums[1]), ...ADD, ...get(sums[2]), ...get(sums[3]), ...ADD, ...ADD, ...store(0),
    ...step(y, int(16)),
  ]);
  return [...vector([[...unsigned(2), I32], [...unsigned(4), V128]]), ...body, 0x0b];
}

/** The module as bytes; it takes its memory as m.h and gives gemm, depth and dot. @param {boolean} fused */
function assembled(fused) {
  const type = (/** @type {number[]} */ takes) => [0x60, ...vector(takes.map((t) => [t])), 0];
  const ints = (/** @type {number} */ n) => Array(n).fill(I32);
  const name = (/** @type {string} */ text) => vector([...text].map((letter) => [letter.charCodeAt(0)]));
  const code = (/** @type {number[]} */ body) => [...unsigned(body.length), ...body];
  return new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, vector([type([...ints(10), F32, F32]), type([...ints(6), F32, F32, F32]), type(ints(5))])),
    ...section(2, vector([[...name('m'), ...name('h'), 2, 0, 1]])),
    ...section(3, vector([[0], [1], [2]])),
    ...section(7, vector([[...name('gemm'), 0, 0], [...name('depth'), 0, 1], [...name('dot'), 0, 2]])),
    ...section(10, vector([code(gemm(fused)), code(depth(fused)), code(dot(fused))])),
  ]);
}

/** The same three in plain JavaScript. @param {Float32Array} heap @param {Int32Array} table */
function plain(heap, table) {
  return {
    gemm(a, bias, base, offsets, k, panel, c, ldc, groups, blocks, low, high) {
      [a, bias, base, offsets, panel, c, ldc] = [a, bias, base, offsets, panel, c, ldc].map((address) => address >> 2);
      for (let block = 0; block < blocks; block++, base += 8, c += 8) {
        for (let n = 0, to = panel; n < k; n++, to += 8) {
          const from = base + (table[offsets + n] >> 2);
          for (let i = 0; i < 8; i++) heap[to + i] = heap[from + i];
        }
        for (let group = 0, at = a; group < groups; group++, at += 4 * k) {
          for (let pair = 0; pair < 8; pair += 2) {
            let [p0, p1, p2, p3] = [heap[bias + 4 * group], heap[bias + 4 * group + 1], heap[bias + 4 * group + 2], heap[bias + 4 * group + 3]];
            let q0 = p0, q1 = p1, q2 = p2, q3 = p3;
            for (let n = 0, from = panel + pair, w = at; n < k; n++, from += 8, w += 4) {
              const x = heap[from], y = heap[from + 1];
              const w0 = heap[w], w1 = heap[w + 1], w2 = heap[w + 2], w3 = heap[w + 3];
              p0 += w0 * x; p1 += w1 * x; p2 += w2 * x; p3 += w3 * x;
              q0 += w0 * y; q1 += w1 * y; q2 += w2 * y; q3 += w3 * y;
            }
            let row = c + 4 * group * ldc + pair;
            heap[row] = Math.min(Math.max(p0, low), high); heap[row + 1] = Math.min(Math.max(q0, low), high); row += ldc;
            heap[row] = Math.min(Math.max(p1, low), high); heap[row + 1] = Math.min(Math.max(q1, low), high); row += ldc;
            heap[row] = Math.min(Math.max(p2, low), high); heap[row + 1] = Math.min(Math.max(q2, low), high); row += ldc;
            heap[row] = Math.min(Math.max(p3, low), high); heap[row + 1] = Math.min(Math.max(q3, low), high);
          }
        }
      }
    },
    depth(w, base, offsets, k, c, blocks, bias, low, high) {
      [w, base, offsets, c] = [w, base, offsets, c].map((address) => address >> 2);
      for (let i = 0; i < 8 * blocks; i++) {
        let sum = bias;
        for (let n = 0; n < k; n++) sum += heap[w + n] * heap[base + i + (table[offsets + n] >> 2)];
        heap[c + i] = Math.min(Math.max(sum, low), high);
      }
    },
    dot(w, x, k16, y, rows) {
      [w, x, y] = [w, x, y].map((address) => address >> 2);
      for (let row = 0; row < rows; row++, w += 16 * k16, y += 4) {
        let [p, q, r, s] = [0, 0, 0, 0];
        for (let n = 0; n < 16 * k16; n += 4) {
          p += heap[w + n] * heap[x + n]; q += heap[w + n + 1] * heap[x + n + 1];
          r += heap[w + n + 2] * heap[x + n + 2]; s += heap[w + n + 3] * heap[x + n + 3];
        }
        heap[y] = p; heap[y + 1] = q; heap[y + 2] = r; heap[y + 3] = s;
      }
    },
  };
}

/**
 * A heap of `numbers` float32 and the loops that work on it. `way` is "fused", "vectors" or "plain": the first that
 * the browser takes if not given.
 * @param {number} numbers
 * @param {string} [way]
 */
export function kernels(numbers, way) {
  if (way !== 'plain' && typeof WebAssembly === 'object') {
    try {
      const memory = new WebAssembly.Memory({ initial: Math.ceil(numbers / 16384) });
      for (const fused of way === 'vectors' ? [false] : [true, false]) {
        const bytes = assembled(fused);
        if (!WebAssembly.validate(bytes)) continue;
        const made = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: { h: memory } }).exports;
        const heap = new Float32Array(memory.buffer), table = new Int32Array(memory.buffer);
        return { heap, table, way: fused ? 'fused' : 'vectors', gemm: made.gemm, depth: made.depth, dot: made.dot };
      }
    } catch {
      // A page whose policy forbids WebAssembly, or too old a browser: slower, and as right.
    }
  }
  const heap = new Float32Array(numbers), table = new Int32Array(heap.buffer);
  return { heap, table, way: 'plain', ...plain(heap, table) };
}
