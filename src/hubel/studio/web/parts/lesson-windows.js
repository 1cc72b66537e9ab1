// Lesson: the arithmetic of windows: input, kernel, stride, padding, dilation; convolution, pooling, and the way back up.

import { el } from '../dom.js';
import { slid, transposedSize, windowSize } from '../net/teach.js';
import { button, choice, slider } from './controls.js';
import { Random } from '../net/rand.js';

const g = (/** @type {number} */ v) => String(+v.toPrecision(4)).replace('-', '−');
const KINDS = { conv: 'Convolution', max: 'Max pooling', mean: 'Mean pooling', transposed: 'Transposed convolution' };

export function windows(/** @type {any} */ state, /** @type {() => void} */ kept) {
  let at = 0, input = [], kernel = [];
  const random = (/** @type {number} */ n, low, high, purpose) => { const r = new Random(3, purpose); return Array.from({ length: n }, () => Array.from({ length: n }, () => Math.floor(r.between(low, high + 1)))); };
  const left = el('table', { className: 'window' }), middle = el('table', { className: 'window' }), right = el('table', { className: 'window' });
  const formula = el('p', { className: 'sum' }), numbers = el('p', { className: 'sum' }), warning = el('p', { className: 'alarm', role: 'status' }), sum = el('p', { className: 'sum', role: 'status' }), figure = el('figure', {}, [el('figcaption', { textContent: 'kernel' }), middle]);
  const set = (/** @type {string} */ name) => (/** @type {any} */ v) => { state[name] = v; at = 0; kept(); draw(); };
  const controls = [choice('Layer', KINDS, state.kind, set('kind')), slider('Input', { min: 1, max: 9 }, state.n, set('n')), slider('Kernel', { min: 1, max: 5 }, state.k, set('k')), slider('Stride', { min: 1, max: 4 }, state.s, set('s')), slider('Padding', { min: 0, max: 3 }, state.p, set('p')), slider('Dilation', { min: 1, max: 3 }, state.d, set('d'))];

  /** A table of numbers; `lit` are places to mark. */
  function fillTable(/** @type {any} */ table, /** @type {any[][]} */ rows, /** @type {Set<string>} */ lit, first = 0, choose = null) {
    table.replaceChildren(el('tbody', {}, rows.map((row, i) => el('tr', {}, row.map((v, j) => {
      const here = `${i + first},${j + first}`, text = v === null ? '' : g(v);
      return el('td', { className: `${lit.has(here) ? 'lit' : ''} ${v === null ? 'pad' : ''}` }, [choose ? el('button', { type: 'button', className: 'quiet', 'aria-pressed': String(lit.has(here)), 'aria-label': `Row ${i}, column ${j}: ${text}`, textContent: text, onclick: () => choose(i, j) }) : v === null ? '0' : text]);
    })))));
  }

  function draw() {
    const { kind, n, k, s, p } = state, pooling = kind === 'max' || kind === 'mean', d = state.d, back = kind === 'transposed';
    const size = back ? transposedSize(n, k, s, p, d) : windowSize(n, k, s, p, d);
    input = random(n, 0, 9, 40 + n);
    kernel = random(k, -2, 2, 60 + k);
    formula.textContent = size.formula;
    numbers.textContent = size.numbers;
    const tooMuch = pooling && p > k / 2 ? `Pooling takes a padding of at most half the kernel: ${Math.floor(k / 2)}.` : '';
    warning.textContent = tooMuch || size.wrong || (size.unused ? `Beware: the last ${size.unused} ${size.unused === 1 ? 'pixel' : 'pixels'} of the ${p ? 'padded input' : 'input'} ${size.unused === 1 ? 'is' : 'are'} never seen.` : '');
    warning.hidden = !warning.textContent;
    figure.hidden = pooling;
    if (size.wrong || tooMuch) { for (const table of [left, middle, right]) table.replaceChildren(); sum.textContent = ''; return; }
    at = Math.min(at, size.size ** 2 - 1);
    const [row, column] = [Math.floor(at / size.size), at % size.size], one = slid(kind, input, kernel, row, column, s, p, d), lit = new Set(one.terms.map((t) => `${t.row},${t.column}`));
    const rim = back ? 0 : p, padded = Array.from({ length: n + 2 * rim }, (_, i) => Array.from({ length: n + 2 * rim }, (_r, j) => input[i - rim]?.[j - rim] ?? null));
    fillTable(left, padded, lit, -rim);
    fillTable(middle, kernel, new Set());
    fillTable(right, Array.from({ length: size.size }, (_, i) => Array.from({ length: size.size }, (_r, j) => slid(kind, input, kernel, i, j, s, p, d).value)), new Set([`${row},${column}`]), 0, (/** @type {number} */ i, /** @type {number} */ j) => { at = i * size.size + j; draw(); });
    const f = (/** @type {number} */ v) => (v < 0 ? `(${g(v)})` : g(v));
    sum.textContent = `Row ${row}, column ${column}: ${kind === 'max' ? `max(${one.terms.filter((t) => t.inside).map((t) => g(t.value)).join(', ')})` : kind === 'mean' ? `(${one.terms.map((t) => g(t.value)).join(' + ')}) / ${k * k}` : one.terms.map((t) => `${g(t.value)}·${f(t.weight)}`).join(' + ') || 'no input reaches it'} = ${g(one.value)}`;
  }
  draw();
  return el('div', {}, [
    el('p', { textContent: 'A window slides over the input. How many places it has, and what it sees at each, follows from five numbers. Choose a number of the output.' }),
    el('div', { className: 'settings' }, controls), formula, numbers, warning,
    el('div', { className: 'sides' }, [el('figure', {}, [el('figcaption', { textContent: 'input, with its padding' }), left]), figure, el('figure', {}, [el('figcaption', { textContent: 'output' }), right])]), sum,
    el('p', { className: 'line' }, [button('‹ window before', () => { at = Math.max(0, at - 1); draw(); }), button('next window ›', () => { at++; draw(); })])]);
}
