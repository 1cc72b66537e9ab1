// Labelled native controls that can be told a value.

import { el } from '../dom.js';

let count = 0;

/** A select with its label; `node.put(value)` shows a value. @param {Record<string, string>} options value to text */
export function choice(/** @type {string} */ label, options, value, /** @type {(value: string) => void} */ change, more = {}) {
  const id = `choice-${++count}`;
  const select = el('select', { id, onchange: () => change(select.value) });
  const node = el('div', { className: 'control', ...more }, [el('label', { for: id, textContent: label }), select]);
  node.options = (/** @type {Record<string, string>} */ all) => {
    select.replaceChildren(...Object.entries(all).map(([key, text]) => el('option', { value: key, textContent: text })));
  };
  node.put = (/** @type {any} */ now) => {
    if (![...select.options].some((o) => o.value === String(now))) select.append(el('option', { value: String(now), textContent: String(now) }));
    select.value = String(now);
  };
  node.options(options);
  node.put(value);
  node.input = select;
  return node;
}

/** A slider with its label and the number it stands at. */
export function slider(/** @type {string} */ label, /** @type {{min: number, max: number, step?: number, unit?: string}} */ { min, max, step = 1, unit = '' }, value, /** @type {(value: number) => void} */ change, more = {}) {
  const id = `slider-${++count}`, said = el('output', { for: id });
  const input = el('input', { id, type: 'range', min, max, step, oninput: () => { say(); }, onchange: () => change(Number(input.value)) });
  const say = () => { said.textContent = `${input.value}${unit}`; };
  const node = el('div', { className: 'control slider', ...more }, [el('label', { for: id }, [`${label} `, said]), input]);
  node.put = (/** @type {number} */ now) => { input.value = String(now); say(); };
  node.put(value);
  node.input = input;
  return node;
}

/** A box to tick. */
export function tick(/** @type {string} */ label, value, /** @type {(value: boolean) => void} */ change) {
  const input = el('input', { type: 'checkbox', onchange: () => change(input.checked) });
  const node = el('label', { className: 'tick' }, [input, ` ${label}`]);
  node.put = (/** @type {boolean} */ now) => { input.checked = now; };
  node.put(value);
  node.input = input;
  return node;
}

/** A number that is typed; what is none is refused and the old one comes back. */
export function numeric(/** @type {string} */ label, value, /** @type {(value: number) => void} */ change) {
  const id = `number-${++count}`;
  const input = el('input', { id, type: 'text', inputMode: 'decimal', size: 9, onchange: () => {
    const typed = input.value.trim().replace(',', '.').replace('−', '-'), now = Number(typed);
    input.setAttribute('aria-invalid', String(typed === '' || !Number.isFinite(now)));
    if (typed !== '' && Number.isFinite(now)) change(now);
  } });
  const node = el('div', { className: 'control numeric' }, [el('label', { for: id, textContent: label }), input]);
  node.put = (/** @type {number} */ now) => {
    if (document.activeElement === input) return;
    input.value = Number.isFinite(now) ? String(+now.toPrecision(6)) : String(now);
    node.classList.toggle('bad', !Number.isFinite(now));
    input.removeAttribute('aria-invalid');
  };
  node.put(value);
  node.input = input;
  return node;
}

export const button = (/** @type {string} */ text, /** @type {() => void} */ act, more = {}) => el('button', { type: 'button', textContent: text, onclick: act, ...more });

/** Whether dark colours are wanted; `change` is called when that changes, until the function that comes back is called. */
export function darkness(/** @type {(dark: boolean) => void} */ change) {
  const asked = matchMedia('(prefers-color-scheme: dark)'), heard = () => change(asked.matches);
  asked.addEventListener('change', heard);
  return { get dark() { return asked.matches; }, over: () => asked.removeEventListener('change', heard) };
}
