// The calculations of the lessons: kernels on pictures, windows that slide, descent on surfaces, losses as curves. No DOM.

/** Kernels as they are laid over a picture, those of `hubel kernels`; `over` divides all. @type {Record<string, {title: string, rows: number[][], over?: number}>} */
export const KERNELS = {
  identity: { title: 'Identity', rows: [[0, 0, 0], [0, 1, 0], [0, 0, 0]] },
  'edge-vertical': { title: 'Vertical edge', rows: [[1, 0, -1], [1, 0, -1], [1, 0, -1]] },
  'edge-horizontal': { title: 'Horizontal edge', rows: [[1, 1, 1], [0, 0, 0], [-1, -1, -1]] },
  'edge-corners': { title: 'Edges, diagonal', rows: [[1, 0, -1], [0, 0, 0], [-1, 0, 1]] },
  'sobel-x': { title: 'Sobel, horizontal gradient', rows: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]] },
  'sobel-y': { title: 'Sobel, vertical gradient', rows: [[-1, -2, -1], [0, 0, 0], [1, 2, 1]] },
  laplacian: { title: 'Laplacian, 4 neighbours', rows: [[0, 1, 0], [1, -4, 1], [0, 1, 0]] },
  'laplacian-8': { title: 'Laplacian, 8 neighbours', rows: [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]] },
  sharpen: { title: 'Sharpen', rows: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]] },
  'box-blur': { title: 'Box blur', rows: [[1, 1, 1], [1, 1, 1], [1, 1, 1]], over: 9 },
  'gaussian-blur': { title: 'Gaussian blur', rows: [[1, 2, 1], [2, 4, 2], [1, 2, 1]], over: 16 },
  plus: { title: 'Plus sign', rows: [[0, 1, 0], [1, 1, 1], [0, 1, 0]] },
  emboss: { title: 'Emboss', rows: [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]] },
};

/** A kernel on a grey picture, row after row; the rim continues the border pixels. */
export function laid(/** @type {ArrayLike<number>} */ pixels, w, h, /** @type {number[][]} */ kernel) {
  const out = new Float32Array(w * h), k = kernel.length, before = Math.floor((k - 1) / 2);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let i = 0; i < k; i++) {
        const row = Math.max(0, Math.min(h - 1, y + i - before)) * w;
        for (let j = 0; j < k; j++) sum += kernel[i][j] * pixels[row + Math.max(0, Math.min(w - 1, x + j - before))];
      }
      out[y * w + x] = sum;
    }
  return out;
}

/** Output size of a convolution or a pooling along one axis, with its formula; `wrong` where it cannot be. */
export function windowSize(n, k, s = 1, p = 0, d = 1) {
  const reach = d * (k - 1) + 1, span = n + 2 * p - reach, formula = 'floor((n + 2p − d(k − 1) − 1) / s) + 1';
  if (span < 0) return { size: 0, unused: 0, formula, numbers: '', wrong: `A window of ${reach} pixels does not fit into an input of ${n} + 2·${p} pixels: take a larger input, a smaller kernel, less dilation, or more padding.` };
  const size = Math.floor(span / s) + 1, unused = span % s;
  return { size, unused, formula, numbers: `floor((${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}) + 1 = ${size}`, wrong: '' };
}

/** Output size of a transposed convolution. */
export function transposedSize(n, k, s = 1, p = 0, d = 1) {
  const size = (n - 1) * s - 2 * p + d * (k - 1) + 1, formula = '(n − 1)s − 2p + d(k − 1) + 1';
  return { size: Math.max(0, size), unused: 0, formula, numbers: `(${n} − 1)·${s} − 2·${p} + ${d}·(${k} − 1) + 1 = ${size}`, wrong: size < 1 ? `The output would have ${size} pixels: take less padding or a larger kernel.` : '' };
}

/** One output of a sliding window over an n × n input: its terms and its value. @param {number[][]} input @param {number[][]} kernel */
export function slid(kind, input, kernel, i, j, s = 1, p = 0, d = 1) {
  const n = input.length, k = kernel.length, terms = [];
  if (kind === 'transposed') {
    for (let a = 0; a < k; a++)
      for (let b = 0; b < k; b++) {
        const y = i + p - a * d, x = j + p - b * d;
        if (y % s || x % s || y < 0 || x < 0 || y / s >= n || x / s >= n) continue;
        terms.push({ row: y / s, column: x / s, value: input[y / s][x / s], weight: kernel[a][b], inside: true });
      }
    return { terms, value: terms.reduce((sum, t) => sum + t.value * t.weight, 0) };
  }
  for (let a = 0; a < k; a++)
    for (let b = 0; b < k; b++) {
      const row = i * s + a * d - p, column = j * s + b * d - p, inside = row >= 0 && column >= 0 && row < n && column < n;
      terms.push({ row, column, value: inside ? input[row][column] : 0, weight: kernel[a][b], inside });
    }
  if (kind === 'max') return { terms, value: Math.max(...terms.filter((t) => t.inside).map((t) => t.value)) };
  if (kind === 'mean') return { terms, value: terms.reduce((sum, t) => sum + t.value, 0) / (k * k) };
  return { terms, value: terms.reduce((sum, t) => sum + t.value * t.weight, 0) };
}

/** @typedef {{title: string, f: (x: number, y: number) => number, slope: (x: number, y: number) => number[], start: number[], window: number[], formula: string}} Surface */

/** Surfaces to go down on, those of `hubel descent`. @type {Record<string, Surface>} */
export const SURFACES = {
  bowl: { title: 'Bowl', formula: 'x² + y²', f: (x, y) => x * x + y * y, slope: (x, y) => [2 * x, 2 * y], start: [-1.5, 1], window: [-2, 2, -2, 2] },
  valley: { title: 'Long valley', formula: '(x² + 20 y²) / 2', f: (x, y) => (x * x + 20 * y * y) / 2, slope: (x, y) => [x, 20 * y], start: [-4, 1], window: [-5, 5, -2, 2] },
  rosenbrock: { title: 'Rosenbrock', formula: '(1 − x)² + 100 (y − x²)²', f: (x, y) => (1 - x) ** 2 + 100 * (y - x * x) ** 2, slope: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)], start: [-1.2, 1], window: [-2, 2, -1, 3] },
  beale: {
    title: 'Beale', formula: '(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²', f: (x, y) => (1.5 - x + x * y) ** 2 + (2.25 - x + x * y * y) ** 2 + (2.625 - x + x * y ** 3) ** 2, start: [1, 1.5], window: [-1, 4.5, -2, 2.5],
    slope: (x, y) => { const a = 1.5 - x + x * y, b = 2.25 - x + x * y * y, c = 2.625 - x + x * y ** 3; return [2 * (a * (y - 1) + b * (y * y - 1) + c * (y ** 3 - 1)), 2 * (a * x + b * 2 * x * y + c * 3 * x * y * y)]; },
  },
  himmelblau: { title: 'Himmelblau', formula: '(x² + y − 11)² + (x + y² − 7)²', f: (x, y) => (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2, slope: (x, y) => { const a = x * x + y - 11, b = x + y * y - 7; return [4 * x * a + 2 * b, 2 * a + 4 * y * b]; }, start: [0, -1], window: [-5, 5, -5, 5] },
  saddle: { title: 'Saddle', formula: 'x² − y² + y⁴/4', f: (x, y) => x * x - y * y + y ** 4 / 4, slope: (x, y) => [2 * x, -2 * y + y ** 3], start: [-1.5, 0.01], window: [-2, 2, -2, 2] },
  rastrigin: { title: 'Rastrigin', formula: '20 + x² − 10 cos 2πx + y² − 10 cos 2πy', f: (x, y) => 20 + x * x - 10 * Math.cos(2 * Math.PI * x) + y * y - 10 * Math.cos(2 * Math.PI * y), slope: (x, y) => [2 * x + 20 * Math.PI * Math.sin(2 * Math.PI * x), 2 * y + 20 * Math.PI * Math.sin(2 * Math.PI * y)], start: [-2.3, 1.7], window: [-3, 3, -3, 3] },
};

/** @type {Record<string, {title: string, rule: string, rate: number, colour: string, dash: number[]}>} */
export const RULES = {
  gd: { title: 'Gradient descent', rule: 'w ← w − rate · slope', rate: 0.01, colour: '--blue', dash: [] },
  momentum: { title: 'Momentum 0.9', rule: 'v ← 0.9 v + slope; w ← w − rate · v', rate: 0.01, colour: '--orange', dash: [7, 3] },
  rmsprop: { title: 'RMSprop', rule: 's ← 0.99 s + 0.01 slope²; w ← w − rate · slope / √s', rate: 0.02, colour: '--green', dash: [2, 3] },
  adam: { title: 'Adam', rule: 'means of slope and slope²; w ← w − rate · m / √v', rate: 0.1, colour: '--ink', dash: [9, 3, 2, 3] },
};

/** A path down a surface: places and values, until the steps or the numbers end. */
export function descend(/** @type {Surface} */ surface, /** @type {string} */ rule, /** @type {number} */ rate, steps = 100, start = surface.start) {
  let [x, y] = start;
  const path = [], m = [0, 0], v = [0, 0];
  for (let step = 0; step <= steps; step++) {
    const value = surface.f(x, y), slope = surface.slope(x, y);
    path.push({ x, y, value, slope });
    if (!Number.isFinite(value) || Math.abs(value) > 1e12) break;
    const move = slope.map((g, i) => {
      if (rule === 'gd') return rate * g;
      if (rule === 'momentum') { m[i] = 0.9 * m[i] + g; return rate * m[i]; }
      if (rule === 'rmsprop') { v[i] = 0.99 * v[i] + 0.01 * g * g; return (rate * g) / (Math.sqrt(v[i]) + 1e-8); }
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      return (rate * (m[i] / (1 - 0.9 ** (step + 1)))) / (Math.sqrt(v[i] / (1 - 0.999 ** (step + 1))) + 1e-8);
    });
    x -= move[0];
    y -= move[1];
  }
  return path;
}

/** Losses as curves of one number. @type {Record<string, {title: string, axis: string, from: number, to: number, f: (v: number) => number, slope: (v: number) => number, formula: string}>} */
export const CURVES = {
  squared: { title: 'Squared error', axis: 'output − target', from: -3, to: 3, f: (d) => 0.5 * d * d, slope: (d) => d, formula: '½ d²' },
  absolute: { title: 'Absolute error', axis: 'output − target', from: -3, to: 3, f: Math.abs, slope: Math.sign, formula: '|d|' },
  huber: { title: 'Huber', axis: 'output − target', from: -3, to: 3, f: (d) => (Math.abs(d) < 1 ? 0.5 * d * d : Math.abs(d) - 0.5), slope: (d) => Math.max(-1, Math.min(1, d)), formula: '½ d² up to 1, then |d| − ½' },
  hinge: { title: 'Hinge', axis: 'target · output', from: -3, to: 3, f: (m) => Math.max(0, 1 - m), slope: (m) => (m < 1 ? -1 : 0), formula: 'max(0, 1 − m)' },
  logistic: { title: 'Logistic', axis: 'target · output', from: -3, to: 3, f: (m) => Math.log1p(Math.exp(-m)), slope: (m) => -1 / (1 + Math.exp(m)), formula: 'ln(1 + e^−m)' },
  'cross-entropy': { title: 'Cross-entropy', axis: 'probability of the true class', from: 0.01, to: 1, f: (p) => -Math.log(p), slope: (p) => -1 / p, formula: '−ln p' },
};
