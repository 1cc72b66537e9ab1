// A net being trained on rows: order, steps, the way back, what is shown of it. No DOM, no worker: those stand around it.

import { Net } from './net.js';
import { Random } from './rand.js';

export class Session {
  /** @param {import('./net.js').Description} description
   *  @param {{x: Float64Array, targets: Float64Array}} train @param {{x: Float64Array, targets: Float64Array}} test */
  constructor(description, train, test, batch = 10) {
    this.net = new Net(description);
    this.train = train;
    this.test = test;
    this.batch = batch;
    this.each = this.net.layers[0].inputs;
    this.n = train.targets.length;
    this.bx = new Float64Array(this.each * Math.max(1, this.n));
    this.bt = new Float64Array(Math.max(1, this.n));
    this.first = this.net.copy();
    /** @type {any[]} */
    this.kept = [];
    this.clear();
  }

  clear() {
    this.epoch = 0;
    this.at = 0;
    this.samples = 0;
    this.bad = null;
    this.good = { ...this.net.copy(), epoch: 0, at: 0, samples: 0 };
    this.kept = [this.good];
    this.shuffle();
  }

  /** Back to the same start: the same weights, the same order of samples. */
  rewind() {
    this.net.restore(this.first);
    this.clear();
  }

  shuffle() {
    const order = new Random(this.net.seed, 1000 + this.epoch).order(this.n), { each, train } = this;
    for (let i = 0; i < this.n; i++) {
      const from = order[i] * each;
      for (let k = 0; k < each; k++) this.bx[i * each + k] = train.x[from + k];
      this.bt[i] = train.targets[order[i]];
    }
    this.order = order;
  }

  /** The rows that come next, at most `count` of them, up to the end of the epoch. */
  next(/** @type {number} */ count) {
    const B = Math.min(count, this.n - this.at), { at, each } = this;
    return { x: this.bx.subarray(at * each, (at + B) * each), targets: this.bt.subarray(at, at + B), B };
  }

  /** One update on so many samples; false where the numbers have left us. */
  update(/** @type {number} */ count) {
    if (!this.n || this.bad) return false;
    const { x, targets, B } = this.next(count), loss = this.net.step(x, targets, B);
    this.samples += B;
    this.at += B;
    if (this.at >= this.n) {
      this.at = 0;
      this.epoch++;
      this.shuffle();
    }
    if (!Number.isFinite(loss) || !Number.isFinite(this.net.weights[0])) return this.broken();
    return true;
  }

  broken() {
    this.bad = this.net.firstBad() ?? { at: -1, block: this.net.ends.length, what: 'loss', unit: 0, source: 0, value: NaN };
    return false;
  }

  /** By 'sample', 'batch' or 'epoch' (to its end). */
  step(/** @type {string} */ by) {
    if (by === 'sample') return this.update(1);
    if (by === 'batch') return this.update(this.batch);
    const { epoch } = this;
    while (this.n && this.epoch === epoch) if (!this.update(this.batch)) return false;
    return true;
  }

  /** Train until `over` says that the time is over; whole epochs are not waited for. */
  run(/** @type {() => boolean} */ over) {
    while (this.n && !this.bad) {
      for (let i = 0; i < 8; i++) if (!this.update(this.batch)) return;
      if (over()) return;
    }
  }

  /** Remember this state as the last good one; older ones stay for the way back, a few of them. */
  keep() {
    if (this.bad) return;
    if (this.net.firstBad()) { this.broken(); return; }
    if (!this.changed) return;
    this.good = { ...this.net.copy(), epoch: this.epoch, at: this.at, samples: this.samples };
    this.kept.push(this.good);
    if (this.kept.length > 40) this.kept = this.kept.filter((_, i) => i === 0 || i % 2 === 0 || i > 20);
  }

  /** Whether the weights are other than those that were kept last. */
  get changed() {
    const { weights } = this.kept[this.kept.length - 1], now = this.net.weights;
    for (let i = 0; i < now.length; i++) if (weights[i] !== now[i]) return true;
    return false;
  }

  /** To the state that was kept last, if this is another; else to the one before it ('good': never further). */
  back(how = 'good') {
    if (how !== 'good' && !this.changed && this.kept.length > 1) this.kept.pop();
    const to = this.kept[this.kept.length - 1];
    this.good = to;
    this.net.restore(to);
    Object.assign(this, { epoch: to.epoch, at: to.at, samples: to.samples, bad: null });
    this.shuffle();
  }

  measured() {
    return {
      train: this.net.measure(this.train.x, this.train.targets, this.n),
      test: this.net.measure(this.test.x, this.test.targets, this.test.targets.length),
    };
  }

  /** Outputs of every unit of every block on rows: a list of arrays by block, unit after unit. */
  maps(/** @type {Float64Array} */ x, /** @type {number} */ n) {
    const { net, each } = this, sizes = net.ends.map((end) => net.layers[end].outputs), most = 128;
    const found = sizes.map((units) => new Float32Array(units * n));
    for (let at = 0; at < n; at += most) {
      const B = Math.min(most, n - at);
      net.forward(x.subarray(at * each, (at + B) * each), B);
      for (const [block, units] of sizes.entries()) {
        const y = net.outputOf(block), into = found[block];
        for (let u = 0; u < units; u++) for (let b = 0; b < B; b++) into[u * n + at + b] = y[b * units + u];
      }
    }
    return found;
  }

  /** Outputs of the last block alone, sample after sample. */
  outputs(/** @type {Float64Array} */ x, /** @type {number} */ n) {
    const { net, each } = this, most = 128, found = new Float32Array(n * net.outputs);
    for (let at = 0; at < n; at += most) {
      const B = Math.min(most, n - at), out = net.forward(x.subarray(at * each, (at + B) * each), B);
      found.set(out.subarray(0, B * net.outputs), at * net.outputs);
    }
    return found;
  }
}
