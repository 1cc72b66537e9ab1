// Pictures of a split that were asked for: a heading that says which, the first of them, and more on request.

import { keep } from '../ask.js';
import { el } from '../dom.js';

const SHOWN = 48;

/** `choose` exchanges the pictures for those that fit, in `order`; `measured` is the run and its split; `parts` stand on the page. */
export function gallery(/** @type {Record<string, any>} */ measured, /** @type {any} */ samples, /** @type {(a: number, b: number) => number} */ order, /** @type {(i: number) => HTMLElement} */ tile) {
  const pictures = el('div', { className: 'grid' }), words = el('h3', { id: 'pictures-title', tabIndex: -1 }), more = el('button', { type: 'button', textContent: 'More', onclick: add });
  let rows = /** @type {number[]} */ ([]), shown = 0;

  function choose(/** @type {string} */ text, /** @type {(i: number) => boolean} */ fits, /** @type {Record<string, any>} */ address, jump = true) {
    rows = [...samples.id.keys()].filter(fits).sort(order);
    words.textContent = `${text}: ${rows.length.toLocaleString('en')} of ${samples.id.length.toLocaleString('en')}`;
    pictures.replaceChildren();
    shown = 0;
    add();
    keep('evaluate', { ...measured, ...address });
    if (jump) { words.scrollIntoView({ block: 'start' }); words.focus({ preventScroll: true }); }
  }

  function add() {
    for (const i of rows.slice(shown, shown + SHOWN)) pictures.append(tile(i));
    shown += SHOWN;
    more.hidden = shown >= rows.length;
  }

  return { choose, parts: [words, pictures, more] };
}
