// A small net in typed arrays: built from a description, trained by batches, seeded. No DOM.

import { Act, Convolution, Dense, Drop, Norm, Pool } from './layers.js';
import { classOf, head, lossOf } from './losses.js';
import { Random } from './rand.js';

/** @typedef {{kind?: 'dense'|'conv'|'pool', units?: number, activation?: string, norm?: boolean, dropout?: number,
 *   kernel?: number, padding?: number, stride?: number, size?: number, how?: string}} Block
 *  @typedef {{input: number[], blocks: Block[], classes: number, loss: string, seed?: number, optimiser?: string,
 *   rate?: number, momentum?: number, l1?: number, l2?: number}} Description */

export const OPTIMISERS = { sgd: 'SGD', momentum: 'Momentum', adam: 'Adam' };

export class Net {
  /** @param {Description} description */
  constructor(description) {
    const { input, blocks, classes, loss, seed = 1 } = description;
    this.classes = classes;
    this.loss = loss;
    this.seed = seed;
    this.optimiser = description.optimiser ?? 'sgd';
    if (!Object.hasOwn(OPTIMISERS, this.optimiser)) throw new Error(`no optimiser is called ${this.optimiser}`);
    this.rate = description.rate ?? 0.03;
    this.momentum = description.momentum ?? 0.9;
    this.l1 = description.l1 ?? 0;
    this.l2 = description.l2 ?? 0;
    this.input = input;
    /** @type {any[]} */
    this.layers = [];
    /** Index of the last layer of each block; the last one is the output's. @type {number[]} */
    this.ends = [];
    let shape = input;
    const add = (/** @type {any} */ layer) => { this.layers.push(layer); shape = layer.to; };
    for (const [i, block] of blocks.entries()) {
      try {
        if (block.kind === 'conv') add(new Convolution(shape, block.units, block.kernel ?? 3, block.padding ?? 0, block.stride ?? 1));
        else if (block.kind === 'pool') add(new Pool(shape, block.size ?? 2, block.how ?? 'max'));
        else add(new Dense(shape, block.units));
        if (block.kind !== 'pool') {
          if (block.norm) add(new Norm(shape));
          add(new Act(shape, block.activation ?? 'tanh'));
          if (block.dropout) add(new Drop(shape, block.dropout, seed, this.layers.length));
        }
      } catch (error) {
        throw new Error(`layer ${i + 1}: ${error.message}`);
      }
      this.ends.push(this.layers.length - 1);
    }
    const last = head(loss, classes);
    this.outputs = last.outputs;
    add(new Dense(shape, last.outputs));
    if (last.activation !== 'linear') add(new Act(shape, last.activation));
    this.ends.push(this.layers.length - 1);
    this.first = this.layers.findIndex((layer) => layer.count > 0);
    const count = this.layers.reduce((sum, layer) => sum + layer.count, 0);
    this.weights = new Float64Array(count);
    this.gradient = new Float64Array(count);
    this.moment = new Float64Array(count);
    this.square = new Float64Array(count);
    let at = 0;
    for (const layer of this.layers) { layer.bind(this.weights, this.gradient, at); at += layer.count; }
    this.room = 0;
    this.rewind();
  }

  /** Back to the start: the same weights as at first, nothing remembered. */
  rewind() {
    for (const [i, layer] of this.layers.entries()) {
      const after = this.layers.slice(i + 1).find((other) => other.kind === 'act');
      const gain = ['relu', 'leaky', 'elu', 'silu', 'gelu'].includes(after?.name) ? 'relu' : '';
      layer.start(new Random(this.seed, 100 + i), gain);
    }
    this.moment.fill(0);
    this.square.fill(0);
    this.steps = 0;
  }

  hold(/** @type {number} */ B) {
    if (B <= this.room) return;
    this.room = B;
    for (const layer of this.layers) layer.hold(B);
    this.slope = new Float64Array(B * this.outputs);
  }

  /** Outputs (B × outputs) of rows x; a view that the next call overwrites. */
  forward(x, B, training = false) {
    this.hold(B);
    let y = x;
    for (const layer of this.layers) y = layer.forward(y, B, training);
    return y;
  }

  /** What a block put out in the last forward pass. */
  outputOf(/** @type {number} */ block) {
    const layer = this.layers[this.ends[block]];
    return layer.kind === 'drop' && !layer.on ? this.layers[this.ends[block] - 1].y : layer.y;
  }

  /** Gradients of the mean loss of a batch, into `gradient`; the loss. */
  backward(x, targets, B) {
    for (const layer of this.layers) if (layer.kind === 'drop') layer.step = this.steps;
    const out = this.forward(x, B, true);
    const loss = lossOf(this.loss, this.classes, out, targets, B, this.outputs, this.slope);
    this.gradient.fill(0);
    let dy = this.slope;
    for (let i = this.layers.length - 1; i >= this.first; i--) dy = this.layers[i].backward(dy, B, i > this.first);
    if (this.l2)
      for (const layer of this.layers)
        for (let i = layer.at; i < layer.at + layer.weights; i++) this.gradient[i] += this.l2 * this.weights[i];
    return loss;
  }

  /** One update from the gradients that are there. */
  update() {
    const { weights: w, gradient: g, moment: m, square: v, rate } = this, n = w.length;
    this.steps++;
    if (this.optimiser === 'adam') {
      const a = rate / (1 - 0.9 ** this.steps), b = 1 - 0.999 ** this.steps;
      for (let i = 0; i < n; i++) {
        m[i] += 0.1 * (g[i] - m[i]);
        v[i] += 0.001 * (g[i] * g[i] - v[i]);
        w[i] -= (a * m[i]) / (Math.sqrt(v[i] / b) + 1e-8);
      }
    } else if (this.optimiser === 'momentum') {
      const mu = this.momentum;
      for (let i = 0; i < n; i++) { m[i] = mu * m[i] + g[i]; w[i] -= rate * m[i]; }
    } else for (let i = 0; i < n; i++) w[i] -= rate * g[i];
    if (this.l1) {  // shrunk towards 0 by a fixed amount, and not beyond: weights become exactly 0
      const by = rate * this.l1;
      for (const layer of this.layers)
        for (let i = layer.at; i < layer.at + layer.weights; i++) w[i] = Math.sign(w[i]) * Math.max(0, Math.abs(w[i]) - by);
    }
  }

  /** One update on a batch; its loss before the update. */
  step(x, targets, B) {
    const loss = this.backward(x, targets, B);
    this.update();
    return loss;
  }

  /** Mean loss and share of right answers (NaN for values) over many rows. */
  measure(x, targets, n) {
    const I = this.layers[0].inputs, most = 128;
    let loss = 0, right = 0;
    for (let at = 0; at < n; at += most) {
      const B = Math.min(most, n - at), out = this.forward(x.subarray(at * I, (at + B) * I), B);
      const some = targets.subarray(at, at + B);
      loss += B * lossOf(this.loss, this.classes, out, some, B, this.outputs);
      if (this.classes) for (let b = 0; b < B; b++) right += classOf(out, b * this.outputs, this.outputs) === some[b] ? 1 : 0;
    }
    return { loss: n ? loss / n : NaN, accuracy: n && this.classes ? right / n : NaN };
  }

  /** The first weight that is no number any more, or null: its block, unit and source. */
  firstBad() {
    const at = this.weights.findIndex((value) => !Number.isFinite(value));
    return at < 0 ? null : { ...this.placeOf(at), value: this.weights[at] };
  }

  /** Where a parameter stands: block (from 1), what it is, unit and source (from 1). */
  placeOf(/** @type {number} */ at) {
    const which = this.layers.findIndex((layer) => at >= layer.at && at < layer.at + layer.count);
    const layer = this.layers[which], own = at - layer.at, block = this.ends.findIndex((end) => which <= end) + 1;
    if (layer.kind === 'norm') {
      const shift = own >= layer.channels;
      return { at, block, what: shift ? 'shift' : 'scale', unit: (own % layer.channels) + 1, source: 0 };
    }
    if (own >= layer.weights) return { at, block, what: 'bias', unit: own - layer.weights + 1, source: 0 };
    const each = layer.weights / layer.to[0];
    return { at, block, what: 'weight', unit: Math.floor(own / each) + 1, source: (own % each) + 1 };
  }

  /** Everything that training changes, to go back to. */
  copy() {
    const norms = this.layers.filter((layer) => layer.kind === 'norm').map(({ mean, variance }) => [mean.slice(), variance.slice()]);
    return { weights: this.weights.slice(), moment: this.moment.slice(), square: this.square.slice(), steps: this.steps, norms };
  }

  restore(/** @type {any} */ copy) {
    this.weights.set(copy.weights);
    this.moment.set(copy.moment);
    this.square.set(copy.square);
    this.steps = copy.steps;
    for (const [i, layer] of this.layers.filter((other) => other.kind === 'norm').entries()) {
      layer.mean.set(copy.norms[i][0]);
      layer.variance.set(copy.norms[i][1]);
    }
  }
}
