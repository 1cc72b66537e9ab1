// Losses: of one sample from the outputs of the net, and the gradient with respect to those outputs.
//
// Classes K ≥ 2. Cross-entropy has K outputs. The others judge each class by itself, +1 if it is the one and −1 if not;
// for two classes one output is enough. Values (regression) have one output.

import { fastTanh } from './activations.js';

/** @typedef {{name: string, title: string, formula: string, about: string, each: (o: number, t: number) => number,
 *   slope: (o: number, t: number) => number, softmax?: boolean, tanh?: boolean}} Loss */

/** @type {Record<string, Loss>} */
export const LOSSES = {
  'cross-entropy': {
    name: 'cross-entropy', title: 'Cross-entropy (softmax)', formula: '−ln p(class)', about: 'classes', softmax: true,
    each: () => NaN, slope: () => NaN,
  },
  squared: {
    name: 'squared', title: 'Squared error', formula: '½ (output − target)²', about: 'both', tanh: true,
    each: (o, t) => 0.5 * (o - t) * (o - t), slope: (o, t) => o - t,
  },
  hinge: {
    name: 'hinge', title: 'Hinge', formula: 'max(0, 1 − target · output)', about: 'classes',
    each: (o, t) => Math.max(0, 1 - t * o), slope: (o, t) => (1 - t * o > 0 ? -t : 0),
  },
  absolute: {
    name: 'absolute', title: 'Absolute error', formula: '|output − target|', about: 'values',
    each: (o, t) => Math.abs(o - t), slope: (o, t) => Math.sign(o - t),
  },
  huber: {
    name: 'huber', title: 'Huber', formula: '½ d² up to 1, then |d| − ½', about: 'values',
    each: (o, t) => { const d = Math.abs(o - t); return d < 1 ? 0.5 * d * d : d - 0.5; },
    slope: (o, t) => Math.max(-1, Math.min(1, o - t)),
  },
};

/** What a net must put out for a loss. `classes` 0: one value. */
export function head(/** @type {string} */ loss, /** @type {number} */ classes) {
  const kind = Object.hasOwn(LOSSES, loss) && LOSSES[loss];
  if (!kind) throw new Error(`no loss is called ${loss}: take one of ${Object.keys(LOSSES).join(', ')}`);
  if (kind.about !== 'both' && (kind.about === 'classes') !== classes > 0)
    throw new Error(`${kind.title} is a loss for ${kind.about}`);
  if (classes === 0) return { outputs: 1, activation: 'linear' };
  if (classes < 2) throw new Error(`a net tells at least 2 classes apart, got ${classes}`);
  if (kind.softmax) return { outputs: classes, activation: 'linear' };
  return { outputs: classes === 2 ? 1 : classes, activation: kind.tanh ? 'tanh' : 'linear' };
}

/** What output k of n should be, for losses that judge outputs one by one. */
export function aim(/** @type {number} */ target, k, n, classes) {
  if (classes === 0) return target;
  return (n === 1 ? target === 1 : target === k) ? 1 : -1;
}

/** The mean loss of B samples; `gradient` (B × n) is filled where it is given. */
export function lossOf(name, classes, out, /** @type {ArrayLike<number>} */ targets, B, n, gradient = null) {
  const kind = LOSSES[name];
  let total = 0;
  for (let b = 0; b < B; b++) {
    const at = b * n, target = targets[b];
    if (kind.softmax) {
      let top = -Infinity, sum = 0;
      for (let k = 0; k < n; k++) if (out[at + k] > top) top = out[at + k];
      for (let k = 0; k < n; k++) sum += Math.exp(out[at + k] - top);
      total += Math.log(sum) + top - out[at + target];
      if (gradient) for (let k = 0; k < n; k++) gradient[at + k] = (Math.exp(out[at + k] - top) / sum - (k === target ? 1 : 0)) / B;
      continue;
    }
    for (let k = 0; k < n; k++) {
      const t = aim(target, k, n, classes);
      total += kind.each(out[at + k], t);
      if (gradient) gradient[at + k] = kind.slope(out[at + k], t) / B;
    }
  }
  return total / B;
}

/** The class of a row of outputs. */
export function classOf(out, at, n) {
  if (n === 1) return out[at] > 0 ? 1 : 0;
  let best = 0;
  for (let k = 1; k < n; k++) if (out[at + k] > out[at + best]) best = k;
  return best;
}

/** Shares of the classes, for drawing: softmax, or outputs from −1 … 1 made to add up. */
export function shares(name, classes, out, at, n, into) {
  if (n === 1 && classes === 2) {
    const p = (Math.max(-1, Math.min(1, out[at])) + 1) / 2;
    into[0] = 1 - p;
    into[1] = p;
    return into;
  }
  let sum = 0, top = -Infinity;
  const soft = LOSSES[name].softmax;
  for (let k = 0; k < n; k++) if (out[at + k] > top) top = out[at + k];
  for (let k = 0; k < n; k++) {
    into[k] = soft ? Math.exp(out[at + k] - top) : Math.max(0, (Math.max(-1, Math.min(1, out[at + k])) + 1) / 2);
    sum += into[k];
  }
  for (let k = 0; k < n; k++) into[k] = sum > 0 ? into[k] / sum : 1 / n;
  return into;
}

export { fastTanh };
