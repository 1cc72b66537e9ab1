// Lessons: kernels on one's own picture, the arithmetic of windows, descent on surfaces, activations and losses as curves.

import { el } from '../dom.js';
import { ACTIVATIONS } from '../net/activations.js';
import { CURVES, KERNELS, RULES, SURFACES } from '../net/teach.js';
import { curves } from '../parts/lesson-curves.js';
import { descents } from '../parts/lesson-descent.js';
import { kernels } from '../parts/lesson-kernels.js';
import { windows } from '../parts/lesson-windows.js';
import { command } from '../parts/said.js';
import { sheets } from '../parts/sheet.js';

export const title = 'Lessons';

const LESSONS = { kernels: ['Kernels on your picture', kernels], windows: ['Windows: size and sum', windows], descent: ['Going down', descents], curves: ['Activations and losses', curves] };

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  await sheets('controls.css', 'inspect.css', 'lessons.css');
  const among = (/** @type {string} */ name, all, usually) => { const v = parameters.get(name); return v !== null && Object.hasOwn(all, v) ? v : usually; };
  const whole = (/** @type {string} */ name, low, high, usually) => { const v = Number(parameters.get(name) ?? NaN); return Number.isInteger(v) && v >= low && v <= high ? v : usually; };
  const state = {
    lesson: among('lesson', LESSONS, 'kernels'), kernel: among('kernel', KERNELS, 'edge-vertical'), kind: among('kind', { conv: 1, max: 1, mean: 1, transposed: 1 }, 'conv'),
    n: whole('n', 1, 9, 6), k: whole('k', 1, 5, 3), s: whole('s', 1, 4, 1), p: whole('p', 0, 3, 0), d: whole('d', 1, 3, 1), surface: among('surface', SURFACES, 'valley'), factor: Number(among('factor', { 0.01: 1, 0.03: 1, 0.1: 1, 0.3: 1, 1: 1, 3: 1, 10: 1, 30: 1 }, '1')),
    activation: among('activation', ACTIVATIONS, 'relu'), loss: among('loss', CURVES, 'squared'),
  };
  const usual = { kernel: 'edge-vertical', kind: 'conv', n: 6, k: 3, s: 1, p: 0, d: 1, surface: 'valley', factor: 1, activation: 'relu', loss: 'squared' };
  const place = el('section', { 'aria-live': 'off' }), same = command('');
  const tabs = Object.entries(LESSONS).map(([name, [words]]) => el('button', { type: 'button', textContent: words, onclick: () => { state.lesson = name; open(); } }));
  const kept = () => {
    const query = Object.entries(state).filter(([name, v]) => name === 'lesson' || v !== usual[name]).map(([name, v]) => `${name}=${v}`).join('&');
    history.replaceState(null, '', `#/lessons?${query}`);
    same.say({
      kernels: `hubel kernels picture.jpg --kernel ${state.kernel}`, curves: `hubel plot ${({ leaky: 'leaky-relu', linear: 'identity' })[state.activation] ?? state.activation}`, descent: `hubel descent ${state.surface} ${Object.keys(RULES).join(' ')}`,
      windows: state.kind === 'conv' ? `hubel step conv --input ${state.n}x${state.n} --stride ${state.s} --pad ${state.p}` : `hubel step pool --input ${state.n}x${state.n} --size ${state.k} --stride ${state.s} --pad ${state.p} --how ${state.kind === 'mean' ? 'avg' : 'max'}`,
    }[state.lesson]);
  };
  function open() {
    for (const [i, name] of Object.keys(LESSONS).entries()) tabs[i].setAttribute('aria-pressed', String(name === state.lesson));
    place.setAttribute('aria-label', LESSONS[state.lesson][0]);
    place.replaceChildren(LESSONS[state.lesson][1](state, kept));
    kept();
    document.documentElement.dataset.lesson = state.lesson;
  }
  main.append(el('h1', { textContent: 'Lessons' }), el('div', { className: 'tabs', role: 'group', 'aria-label': 'Lessons' }, tabs), place, same);
  open();
}
