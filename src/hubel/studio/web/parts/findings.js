// What the doctor says: each finding in words, with its numbers, the change that mends it, and the way to try that.

import { to } from '../ask.js';
import { el } from '../dom.js';
import { number, problem } from './said.js';

const SIGNS = { error: '✗', warning: '!', note: '·' };

/** A setting as the form of a training takes it. */
const text = (/** @type {any} */ value) => (Array.isArray(value) ? value.join(',') : typeof value === 'number' ? String(Number(value.toPrecision(6)))
  : value && typeof value === 'object' ? Object.entries(value).map(([name, part]) => `${name}=${Array.isArray(part) ? part.join(',') : part}`).join(' ') : String(value));

/** The address of the form with what was asked for, changed. */
export const again = (/** @type {Record<string, any>} */ asked, settings = {}) =>
  to('train', Object.fromEntries(Object.entries({ ...asked, ...settings }).filter(([name]) => name !== 'name' && name !== 'out').map(([name, value]) => [name, text(value)])));

/** One finding; `asked` is what the training was asked for. */
function drawn(/** @type {any} */ found, /** @type {Record<string, any>} */ asked) {
  const numbers = Object.entries(found.evidence ?? {}).map(([name, value]) => `${name} ${number(value)}`).join(', ');
  return el('li', { className: `finding ${found.severity}` }, [
    el('strong', { textContent: `${SIGNS[found.severity] ?? ''} ${found.severity}: ${found.title}` }), numbers && el('span', { className: 'muted', textContent: ` (${numbers})` }),
    el('p', {}, ['What to do: ', el('code', { textContent: found.mend }),
      ...(Object.keys(found.settings ?? {}).length ? [' ', el('a', { href: again(asked, found.settings), textContent: 'Train with it' })] : [])])]);
}

/**
 * A list that grows, and a button that asks for all that can be found; hidden findings are none.
 * @param {string} title
 * @param {string} button
 * @param {() => Promise<any>} ask a check-up, as the studio tells it
 * @param {() => Record<string, any>} asked what the training was or would be asked for
 * @param {(command: string) => void} say
 * @returns {any}
 */
export function findings(title, button, ask, asked, say) {
  const list = el('ul', { className: 'findings' }), words = el('p', { role: 'status' });
  const press = el('button', { type: 'button', textContent: button, onclick: look }), node = el('section', { 'aria-label': title }, [el('h2', { textContent: title }), list, el('div', { className: 'line' }, [press, words])]);
  /** @type {Map<string, any>} */
  let known = new Map();

  async function look() {
    press.disabled = true;
    words.textContent = 'Looking …';
    try {
      const found = await ask();
      node.clear();
      found.findings.forEach((/** @type {any} */ each) => node.add(each));
      words.textContent = `${found.sentence[0].toUpperCase()}${found.sentence.slice(1)}.`;
      say(found.command);
    } catch (error) {
      words.replaceChildren(...problem(error).childNodes);
    }
    press.disabled = false;
  }

  node.add = (/** @type {any} */ found) => {
    known.set(found.id, found);
    list.replaceChildren(...[...known.values()].map((each) => drawn(each, asked())));
  };
  node.clear = () => { known = new Map(); list.replaceChildren(); words.replaceChildren(); };
  return node;
}
