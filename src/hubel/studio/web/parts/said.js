// What went wrong, in words; and the command that does the same as a page.

import { el } from '../dom.js';

/** An error as a person reads it, with what to do. */
export const problem = (/** @type {any} */ error) => el('p', { className: 'problem', role: 'alert' }, [
  el('strong', { textContent: (error.message || String(error)).replace(/[^.?!…]$/, '$&.') }), error.hint ? ` ${error.hint}` : '']);

/** Put an error into a place, or take it away; returns whether there was one. */
export async function tried(/** @type {any} */ place, /** @type {() => Promise<any>} */ act) {
  place.replaceChildren();
  try {
    return await act();
  } catch (error) {
    place.append(problem(error));
    return undefined;
  }
}

/** The command that does the same, to copy. */
export function command(/** @type {string} */ text) {
  const code = el('code', { textContent: text }), button = el('button', { type: 'button', className: 'quiet', textContent: 'Copy' });
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection()?.selectAllChildren(code);
      button.textContent = 'Selected: copy it';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  const node = el('p', { className: 'command', 'aria-label': 'The command that does the same' }, [code, button]);
  node.say = (/** @type {string} */ said) => { code.textContent = said; };
  node.said = () => code.textContent;
  return node;
}

/** A word for a shell, in quotes where it needs them. */
export const quoted = (/** @type {string} */ word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

export const percent = (/** @type {any} */ share, digits = 1) => (typeof share === 'number' ? `${(100 * share).toFixed(digits)} %` : '');

export const seconds = (/** @type {any} */ count) => {
  if (typeof count !== 'number' || !Number.isFinite(count)) return '';
  if (count < 90) return `${count.toFixed(count < 10 ? 1 : 0)} s`;
  return count < 5400 ? `${Math.round(count / 60)} min` : `${(count / 3600).toFixed(1)} h`;
};

export const number = (/** @type {any} */ value) => {
  if (typeof value !== 'number') return String(value ?? '');
  const short = Number(value.toPrecision(4));
  return short && Math.abs(short) < 0.001 ? short.toExponential() : String(short);
};
