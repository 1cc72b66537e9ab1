// Data sets of the playground as small pictures, a table that is pasted, a formula that is typed.

import { el } from '../dom.js';
import { WORDS } from '../net/formula.js';
import { DATA, made, parseTable, pointsOf, SIDE } from '../net/points.js';
import { button } from './controls.js';
import { colourOf, mark } from './play-field.js';

/** Buttons for all data sets, and for own points. */
export function dataSets(/** @type {(name: string) => void} */ choose) {
  const buttons = Object.fromEntries([...Object.keys(DATA), 'own'].map((name, i) => {
    const canvas = el('canvas', { width: 80, height: 80, 'aria-hidden': 'true' });
    return [name, el('button', { type: 'button', title: `Key ${i + 1}`, onclick: () => choose(name), dataset: { set: name } }, [canvas, DATA[name]?.title ?? 'Own points'])];
  }));
  let shown = '';
  return {
    node: el('div', { className: 'sets', role: 'group', 'aria-label': 'Data set' }, Object.values(buttons)),
    put(/** @type {any} */ state, dark = false) {
      for (const [name, node] of Object.entries(buttons)) node.setAttribute('aria-pressed', String(name === state.data));
      const now = `${state.classes} ${state.noise} ${state.points.length} ${dark}`;
      if (now === shown) return;
      shown = now;
      for (const [name, node] of Object.entries(buttons)) {
        const c = node.firstChild.getContext('2d'), some = name === 'own' ? state.points : made(name, state.classes, state.noise, 1), values = (DATA[name]?.about ?? state.about) === 'values';
        c.clearRect(0, 0, 80, 80);
        if (name === 'own' && !some.length) { c.font = '44px sans-serif'; c.fillStyle = getComputedStyle(node).color; c.fillText('+', 27, 55); }
        for (const p of some.slice(0, 300)) mark(c, values ? 0 : p.target, ((p.x + SIDE) / 2 / SIDE) * 80, ((SIDE - p.y) / 2 / SIDE) * 80, 2.2, colourOf(p.target, values), 'transparent');
      }
    },
  };
}

/** A place to paste a table. @param {(points: any[], about: string, classes: number) => void} take */
export function tables(take, /** @type {() => any} */ state) {
  const area = el('textarea', { id: 'table', rows: 5, placeholder: '1.5, -2, a\n-0.3, 4, b', spellcheck: false }), said = el('p', { className: 'said', role: 'status' });
  const use = () => {
    try {
      const { about } = state(), found = parseTable(area.value, about);
      take(found.points, about, found.names.length);
      said.textContent = [`${found.points.length} points${found.names.length ? `: ${found.names.map((n, i) => `class ${i + 1} is ${n}`).join(', ')}` : ''}.`, ...found.notes].join(' ');
    } catch (/** @type {any} */ error) {
      said.textContent = error.message;
    }
  };
  const line = el('input', { id: 'formula', size: 18, placeholder: 'sin(x1) * x2', spellcheck: false, autocomplete: 'off', title: `A formula may hold ${WORDS}` });
  const draw = (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const { about, seed } = state(), found = pointsOf(line.value, about, seed);
      take(found, about, 2);
      told.textContent = `${found.length} points${about === 'values' ? ' with its values' : ', of class 2 where it is above 0'}.`;
    } catch (/** @type {any} */ error) {
      told.textContent = error.message;
    }
  };
  const told = el('p', { className: 'said', role: 'status' });
  const typed = el('details', {}, [el('summary', { textContent: 'Type a formula' }), el('form', { className: 'line', onsubmit: draw }, [el('label', { for: 'formula', textContent: 'of x1 and x2' }), line, el('button', { textContent: 'Draw its points' })]), told]);
  return {
    node: el('div', {}, [typed, el('details', {}, [el('summary', { textContent: 'Paste a table' }), el('label', { for: 'table', textContent: 'x, y and class (or value) on each line' }), area,
      el('p', { className: 'line' }, [button('Use these points', use, { id: 'use-table' })]), said])]),
  };
}
