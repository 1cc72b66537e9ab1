// One update written out: what flows forward, the loss, the gradients, and what each weight becomes, in numbers.

import { ACTIVATIONS } from './activations.js';
import { aim, LOSSES } from './losses.js';

export const g = (/** @type {number} */ v) => (Number.isFinite(v) ? String(+v.toPrecision(4)).replaceAll('-', '−') : String(v));
/** A number as a factor: in parentheses where it is negative. */
const factor = (/** @type {number} */ v) => (v < 0 ? `(${g(v)})` : g(v));
const signed = (/** @type {number} */ v) => (v < 0 ? ` − ${g(-v)}` : ` + ${g(v)}`);

/** The names of what a block is fed with. */
const sources = (/** @type {any} */ net, /** @type {number} */ block, /** @type {string[]} */ features) =>
  block === 0 ? features : Array.from({ length: net.layers[net.ends[block - 1]].outputs }, (_, i) => `h${block}.${i + 1}`);

/** One unit of one block on the last row that went forward (row 0): its sum and its value, written out. */
export function unitLine(net, block, unit, features) {
  const first = block ? net.ends[block - 1] + 1 : 0, layers = net.layers.slice(first, net.ends[block] + 1);
  const dense = layers.find((/** @type {any} */ layer) => layer.kind === 'dense');
  const names = sources(net, block, features), I = dense.inputs, last = block === net.ends.length - 1;
  let text = '';
  for (let i = 0; i < I; i++) {
    const w = dense.w[unit * I + i];
    text += `${i ? (w < 0 ? ' − ' : ' + ') : w < 0 ? '−' : ''}${g(Math.abs(w))}·${factor(dense.x[i])}`;
  }
  text += `${signed(dense.w[dense.weights + unit])}`;
  const name = last ? `o${net.outputs > 1 ? unit + 1 : ''}` : `h${block + 1}.${unit + 1}`, z = dense.y[unit];
  let value = z, words = `${name} = ${text} = ${g(z)}`;
  for (const layer of layers) {
    if (layer === dense) continue;
    const y = layer.kind === 'drop' && !layer.on ? value : layer.y[unit];
    if (layer.kind === 'act' && layer.name !== 'linear') words += `; ${ACTIVATIONS[layer.name].title.toLowerCase()} → ${g(y)}`;
    else if (layer.kind === 'norm') words += `; normalised → ${g(y)}`;
    else if (layer.kind === 'drop' && layer.on) words += layer.mask[unit] ? `; kept, ×${g(layer.mask[unit])} → ${g(y)}` : '; dropped → 0';
    value = y;
  }
  return { block: block + 1, unit: unit + 1, value, text: words, terms: names.join(', ') };
}

/** The loss of one row of outputs, written out. */
export function lossLine(net, out, /** @type {number} */ target) {
  const kind = LOSSES[net.loss], n = net.outputs;
  if (kind.softmax) {
    const powers = Array.from({ length: n }, (_, k) => Math.exp(out[k] - Math.max(...out.slice(0, n)))), sum = powers.reduce((a, b) => a + b, 0);
    const p = powers[target] / sum;
    return { value: -Math.log(p), text: `p(class ${target + 1}) = ${g(powers[target])} / (${powers.map(g).join(' + ')}) = ${g(p)}; loss = −ln ${g(p)} = ${g(-Math.log(p))}` };
  }
  const parts = Array.from({ length: n }, (_, k) => { const t = aim(target, k, n, net.classes); return { t, o: out[k], value: kind.each(out[k], t) }; });
  const total = parts.reduce((sum, { value }) => sum + value, 0);
  const one = parts.map(({ t, o, value }) => `${kind.formula.replace('output', factor(o)).replace('target', factor(t))} = ${g(value)}`);
  return { value: total, text: `loss = ${one.join('; ')}${n > 1 ? `; together ${g(total)}` : ''}` };
}

/** One update of a session by 'sample' or 'batch', done and told. The lines are of the first sample of the batch. */
export function traced(/** @type {import('./session.js').Session} */ session, /** @type {string} */ by, /** @type {string[]} */ features) {
  const { net } = session, { x, targets, B } = session.next(by === 'sample' ? 1 : session.batch);
  const before = net.weights.slice(), row = Array.from(x.subarray(0, session.each)), target = targets[0];
  const loss = net.backward(x, targets, B);
  const forward = [];
  for (let block = 0; block < net.ends.length; block++)
    for (let unit = 0; unit < net.layers[net.ends[block]].outputs; unit++) forward.push(unitLine(net, block, unit, features));
  const out = net.outputOf(net.ends.length - 1), said = lossLine(net, Array.from(out.subarray(0, net.outputs)), target);
  const gradient = net.gradient.slice();
  session.update(by === 'sample' ? 1 : session.batch);
  const after = net.weights.slice();
  const updates = Array.from(before, (w, i) => ({ ...net.placeOf(i), before: w, gradient: gradient[i], after: after[i] }));
  return { samples: B, row, target, forward, loss: { ...said, mean: loss }, updates, rule: rule(net) };
}

/** How the optimiser makes a new weight. */
export function rule(/** @type {any} */ net) {
  const end = net.l1 ? `; then ${g(net.rate * net.l1)} nearer to 0` : '', more = net.l2 ? ` (with ${g(net.l2)}·weight)` : '';
  if (net.optimiser === 'adam') return `weight − ${g(net.rate)} · m / (√v + 10⁻⁸), m and v: running means of the gradient and its square${more}${end}`;
  if (net.optimiser === 'momentum') return `weight − ${g(net.rate)} · v, v ← ${g(net.momentum)}·v + gradient${more}${end}`;
  return `weight − ${g(net.rate)} · gradient${more}${end}`;
}
