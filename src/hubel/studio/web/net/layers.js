// The layers of a small net: forward and backward on batches, rows after one another in flat arrays of float64.
//
// A layer owns no weights: it is given views into the arrays of its net, so that optimisers, copies and checks are single
// loops. Pictures are C H W in a row.

import { activation } from './activations.js';
import { hashed } from './rand.js';

/** What all layers share: sizes, room for a batch, places of their weights. */
class Layer {
  constructor(/** @type {string} */ kind, /** @type {number[]} */ from, /** @type {number[]} */ to) {
    this.kind = kind;
    this.from = from;
    this.to = to;
    this.inputs = from.reduce((a, b) => a * b, 1);
    this.outputs = to.reduce((a, b) => a * b, 1);
    this.weights = 0;  // how many of the parameters are weights (first); the rest are biases and scales
    this.count = 0;
    this.room = 0;
  }

  /** Room for a batch of B. */
  hold(/** @type {number} */ B) {
    if (B <= this.room) return;
    this.room = B;
    this.y = new Float64Array(B * this.outputs);
    this.dx = new Float64Array(B * this.inputs);
  }

  /** Views of weights and gradients. */
  bind(/** @type {Float64Array} */ w, /** @type {Float64Array} */ g, /** @type {number} */ at) {
    this.at = at;
    this.w = w.subarray(at, at + this.count);
    this.g = g.subarray(at, at + this.count);
  }

  start() {}
}

export class Dense extends Layer {
  constructor(from, units) {
    super('dense', from, [units]);
    this.weights = this.inputs * units;
    this.count = this.weights + units;
  }

  start(random, gain) {
    const most = gain === 'relu' ? Math.sqrt(6 / this.inputs) : Math.sqrt(6 / (this.inputs + this.outputs));
    for (let i = 0; i < this.weights; i++) this.w[i] = random.between(-most, most);
    this.w.fill(0, this.weights);
  }

  forward(x, B) {
    const I = this.inputs, O = this.outputs, w = this.w, y = this.y, bias = this.weights;
    this.x = x;
    let b = 0;
    for (; b + 1 < B; b += 2) {  // two samples at once: each weight is read once for both
      const p = b * I, q = p + I;
      for (let o = 0, k = 0; o < O; o++) {
        let s = w[bias + o], t = s;
        for (let i = 0; i < I; i++, k++) { const v = w[k]; s += v * x[p + i]; t += v * x[q + i]; }
        y[b * O + o] = s;
        y[b * O + O + o] = t;
      }
    }
    for (; b < B; b++) {
      const p = b * I;
      for (let o = 0, k = 0; o < O; o++) {
        let s = w[bias + o];
        for (let i = 0; i < I; i++, k++) s += w[k] * x[p + i];
        y[b * O + o] = s;
      }
    }
    return y;
  }

  backward(dy, B, deeper) {
    const I = this.inputs, O = this.outputs, w = this.w, g = this.g, x = this.x, dx = this.dx, bias = this.weights;
    if (deeper) dx.fill(0, 0, B * I);
    for (let b = 0; b < B; b++) {
      const p = b * I;
      for (let o = 0, k = 0; o < O; o++) {
        const d = dy[b * O + o];
        if (d === 0) { k += I; continue; }
        g[bias + o] += d;
        if (deeper) for (let i = 0; i < I; i++, k++) { g[k] += d * x[p + i]; dx[p + i] += d * w[k]; }
        else for (let i = 0; i < I; i++, k++) g[k] += d * x[p + i];
      }
    }
    return dx;
  }
}

export class Convolution extends Layer {
  constructor(from, channels, kernel = 3, padding = 0, stride = 1) {
    const [C, H, W] = from;
    const side = (/** @type {number} */ n) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
    if (from.length !== 3) throw new Error('a convolution needs a picture; it stands behind a dense layer');
    if (side(H) < 1 || side(W) < 1) throw new Error(`a kernel of ${kernel} does not fit into ${H} × ${W}`);
    super('conv', from, [channels, side(H), side(W)]);
    Object.assign(this, { kernel, padding, stride, C, H, W });
    this.weights = channels * C * kernel * kernel;
    this.count = this.weights + channels;
  }

  start(random, gain) {
    const fan = this.C * this.kernel ** 2, out = this.to[0] * this.kernel ** 2;
    const most = gain === 'relu' ? Math.sqrt(6 / fan) : Math.sqrt(6 / (fan + out));
    for (let i = 0; i < this.weights; i++) this.w[i] = random.between(-most, most);
    this.w.fill(0, this.weights);
  }

  forward(x, B) {
    const { C, H, W, kernel: k, padding: p, stride: s, w, y } = this, [O, h, v] = this.to;
    this.x = x;
    for (let b = 0; b < B; b++)
      for (let o = 0; o < O; o++) {
        const bias = w[this.weights + o], out = (b * O + o) * h * v;
        y.fill(bias, out, out + h * v);
        for (let c = 0; c < C; c++)
          for (let r = 0; r < k; r++)
            for (let q = 0; q < k; q++) {
              const weight = w[((o * C + c) * k + r) * k + q], plane = (b * C + c) * H * W;
              for (let i = 0; i < h; i++) {
                const row = i * s + r - p;
                if (row < 0 || row >= H) continue;
                for (let j = 0; j < v; j++) {
                  const column = j * s + q - p;
                  if (column >= 0 && column < W) y[out + i * v + j] += weight * x[plane + row * W + column];
                }
              }
            }
      }
    return y;
  }

  backward(dy, B, deeper) {
    const { C, H, W, kernel: k, padding: p, stride: s, w, g, x, dx } = this, [O, h, v] = this.to;
    if (deeper) dx.fill(0, 0, B * this.inputs);
    for (let b = 0; b < B; b++)
      for (let o = 0; o < O; o++) {
        const out = (b * O + o) * h * v;
        let sum = 0;
        for (let n = 0; n < h * v; n++) sum += dy[out + n];
        g[this.weights + o] += sum;
        for (let c = 0; c < C; c++)
          for (let r = 0; r < k; r++)
            for (let q = 0; q < k; q++) {
              const at = ((o * C + c) * k + r) * k + q, weight = w[at], plane = (b * C + c) * H * W;
              let change = 0;
              for (let i = 0; i < h; i++) {
                const row = i * s + r - p;
                if (row < 0 || row >= H) continue;
                for (let j = 0; j < v; j++) {
                  const column = j * s + q - p;
                  if (column < 0 || column >= W) continue;
                  const d = dy[out + i * v + j], place = plane + row * W + column;
                  change += d * x[place];
                  if (deeper) dx[place] += d * weight;
                }
              }
              g[at] += change;
            }
      }
    return dx;
  }
}

export class Pool extends Layer {
  constructor(from, size = 2, how = 'max') {
    const [C, H, W] = from;
    if (from.length !== 3) throw new Error('pooling needs a picture; it stands behind a dense layer');
    if (H < size || W < size) throw new Error(`a pooling window of ${size} does not fit into ${H} × ${W}`);
    super('pool', from, [C, Math.floor(H / size), Math.floor(W / size)]);
    this.size = size;
    this.how = how;
  }

  hold(B) {
    if (B > this.room) this.from_ = new Int32Array(B * this.outputs);
    super.hold(B);
  }

  forward(x, B) {
    const [C, H, W] = this.from, [, h, w] = this.to, { size, y, from_: chosen } = this;
    for (let plane = 0, n = 0; plane < B * C; plane++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < w; j++, n++) {
          let best = -Infinity, sum = 0, where = -1;
          for (let r = 0; r < size; r++)
            for (let q = 0; q < size; q++) {
              const at = (plane * H + i * size + r) * W + j * size + q, value = x[at];
              sum += value;
              if (value > best || where < 0) { best = value; where = at; }
            }
          y[n] = this.how === 'max' ? best : sum / (size * size);
          chosen[n] = where;
        }
    return y;
  }

  backward(dy, B) {
    const [C, H, W] = this.from, [, h, w] = this.to, { size, dx, from_: chosen } = this;
    dx.fill(0, 0, B * this.inputs);
    if (this.how === 'max') {
      for (let n = 0; n < B * this.outputs; n++) dx[chosen[n]] += dy[n];
      return dx;
    }
    for (let plane = 0, n = 0; plane < B * C; plane++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < w; j++, n++)
          for (let r = 0; r < size; r++)
            for (let q = 0; q < size; q++) dx[(plane * H + i * size + r) * W + j * size + q] += dy[n] / (size * size);
    return dx;
  }
}

/** Batch normalisation by channel (pictures) or unit. A batch of one number a channel is normalised as in use. */
export class Norm extends Layer {
  constructor(from) {
    super('norm', from, from);
    this.channels = from[0];
    this.area = this.inputs / this.channels;
    this.count = 2 * this.channels;  // scale, then shift
    this.mean = new Float64Array(this.channels);
    this.variance = new Float64Array(this.channels).fill(1);
    this.factor = new Float64Array(this.channels);
  }

  hold(B) {
    if (B > this.room) this.normal = new Float64Array(B * this.inputs);
    super.hold(B);
  }

  start() {
    this.w.fill(1, 0, this.channels);
    this.w.fill(0, this.channels);
    this.mean.fill(0);
    this.variance.fill(1);
  }

  forward(x, B, training) {
    const { channels: C, area: A, w, y, normal, factor } = this, n = B * A;
    this.own = training && n > 1;
    for (let c = 0; c < C; c++) {
      let mean = this.mean[c], variance = this.variance[c];
      if (this.own) {
        mean = variance = 0;
        for (let b = 0; b < B; b++) for (let i = 0, at = (b * C + c) * A; i < A; i++) mean += x[at + i];
        mean /= n;
        for (let b = 0; b < B; b++) for (let i = 0, at = (b * C + c) * A; i < A; i++) variance += (x[at + i] - mean) ** 2;
        variance /= n;
        this.mean[c] += 0.1 * (mean - this.mean[c]);
        this.variance[c] += 0.1 * ((variance * n) / (n - 1) - this.variance[c]);
      }
      factor[c] = 1 / Math.sqrt(variance + 1e-5);
      for (let b = 0; b < B; b++)
        for (let i = 0, at = (b * C + c) * A; i < A; i++) {
          normal[at + i] = (x[at + i] - mean) * factor[c];
          y[at + i] = w[c] * normal[at + i] + w[C + c];
        }
    }
    return y;
  }

  backward(dy, B) {
    const { channels: C, area: A, w, g, dx, normal, factor } = this, n = B * A;
    for (let c = 0; c < C; c++) {
      let sum = 0, along = 0;
      for (let b = 0; b < B; b++)
        for (let i = 0, at = (b * C + c) * A; i < A; i++) { sum += dy[at + i]; along += dy[at + i] * normal[at + i]; }
      g[c] += along;
      g[C + c] += sum;
      const scale = w[c] * factor[c];
      for (let b = 0; b < B; b++)
        for (let i = 0, at = (b * C + c) * A; i < A; i++)
          dx[at + i] = scale * (this.own ? dy[at + i] - sum / n - (normal[at + i] * along) / n : dy[at + i]);
    }
    return dx;
  }
}

export class Act extends Layer {
  constructor(from, name) {
    super('act', from, from);
    this.name = name;
    this.kindOf = activation(name);
  }

  forward(x, B) {
    const n = B * this.outputs, y = this.y;
    this.x = x;
    if (this.name === 'tanh') {  // the three most used ones without a call for each number
      for (let i = 0; i < n; i++) { const z = x[i]; y[i] = z > 20 ? 1 : z < -20 ? -1 : 1 - 2 / (Math.exp(2 * z) + 1); }
    } else if (this.name === 'relu') {
      for (let i = 0; i < n; i++) { const z = x[i]; y[i] = z > 0 || z !== z ? z : 0; }
    } else if (this.name === 'sigmoid') {
      for (let i = 0; i < n; i++) y[i] = 1 / (1 + Math.exp(-x[i]));
    } else {
      const { value } = this.kindOf;
      for (let i = 0; i < n; i++) y[i] = value(x[i]);
    }
    return y;
  }

  backward(dy, B) {
    const n = B * this.outputs, { x, y, dx } = this;
    if (this.name === 'tanh') for (let i = 0; i < n; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
    else if (this.name === 'relu') for (let i = 0; i < n; i++) dx[i] = x[i] > 0 ? dy[i] : 0;
    else {
      const { slope } = this.kindOf;
      for (let i = 0; i < n; i++) dx[i] = dy[i] * slope(x[i], y[i]);
    }
    return dx;
  }
}

/** Drop-out: what is kept is divided by the share that is kept. What is dropped follows from seed, step and place. */
export class Drop extends Layer {
  constructor(from, share, seed, place) {
    super('drop', from, from);
    Object.assign(this, { share, seed, place, step: 0, on: false });
  }

  hold(B) {
    if (B > this.room) this.mask = new Float64Array(B * this.outputs);
    super.hold(B);
  }

  forward(x, B, training) {
    this.on = training && this.share > 0;
    if (!this.on) return x;
    const { mask, y } = this, keep = 1 / (1 - this.share), limit = this.share * 4294967296;
    const key = hashed(this.seed, this.place, this.step, 11);
    for (let i = 0; i < B * this.outputs; i++) {
      mask[i] = hashed(key, i) < limit ? 0 : keep;
      y[i] = x[i] * mask[i];
    }
    return y;
  }

  backward(dy, B) {
    if (!this.on) return dy;
    for (let i = 0; i < B * this.outputs; i++) this.dx[i] = dy[i] * this.mask[i];
    return this.dx;
  }
}
