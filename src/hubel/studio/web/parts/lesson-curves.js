// Lesson: activations and losses as curves, each with its slope.

import { el } from '../dom.js';
import { ACTIVATIONS } from '../net/activations.js';
import { CURVES } from '../net/teach.js';
import { choice } from './controls.js';
import { plot } from './plot.js';

const g = (/** @type {number} */ v) => String(+v.toPrecision(4)).replace('-', '−');

/** One chooser, its curve, its slope, and the numbers at a place. */
function one(/** @type {string} */ label, /** @type {Record<string, any>} */ among, /** @type {(name: string) => any} */ about, name, /** @type {(name: string) => void} */ kept) {
  let at = about(name).from * 0.25 + about(name).to * 0.75;
  const said = el('p', { className: 'sum', role: 'status' }), note = el('p', { className: 'muted' });
  const curve = plot(() => ({ ...about(name), at, curves: [{ f: about(name).f, colour: '--blue' }, { f: about(name).slope, colour: '--orange', dash: [5, 4] }], label: `${about(name).title}: ${said.textContent}` }), (x) => { at = x; draw(); });
  const draw = () => {
    const { f, slope, formula, axis, note: words } = about(name);
    said.textContent = `${axis} = ${g(at)}: value ${formula} = ${g(f(at))}; slope ${g(slope(at))}`;
    note.textContent = words ? `Beware: ${words}.` : '';
    curve.draw();
  };
  const select = choice(label, Object.fromEntries(Object.entries(among).map(([key, v]) => [key, v.title])), name, (v) => { name = v; at = Math.max(about(v).from, Math.min(about(v).to, at)); kept(v); draw(); });
  draw();
  return el('figure', {}, [select, curve.node, said, note]);
}

export function curves(/** @type {any} */ state, /** @type {() => void} */ kept) {
  const act = (/** @type {string} */ name) => { const a = ACTIVATIONS[name]; return { title: a.title, formula: a.formula, axis: 'z', from: -4, to: 4, f: a.value, slope: (/** @type {number} */ z) => a.slope(z, a.value(z)), note: a.note }; };
  return el('div', {}, [
    el('p', { textContent: 'Solid blue is the value, dashed orange its slope: what the gradient is multiplied by on its way back. Move over the curve.' }),
    el('div', { className: 'sides two' }, [one('Activation', ACTIVATIONS, act, state.activation, (v) => { state.activation = v; kept(); }), one('Loss', CURVES, (name) => CURVES[name], state.loss, (v) => { state.loss = v; kept(); })])]);
}
