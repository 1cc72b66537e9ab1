// The pages that need no studio behind them, from any server of files: playground.html#/playground, #/lessons, #/pictures.

import { el } from './dom.js';
import { clear, listed } from './keys.js';
import { scrolled } from './parts/scrolled.js';

const PAGES = new Set(['playground', 'pictures', 'lessons']);
const main = /** @type {any} */ (document.getElementById('main')), keys = /** @type {any} */ (document.getElementById('keys'));
let shown = 0;
/** @type {(() => void) | undefined} */
let leave;

async function show() {
  const mine = ++shown, [name, query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2), page = PAGES.has(name) ? name : 'playground';
  leave?.();
  leave = undefined;
  clear();
  const place = el('div', { className: `page ${page}` }), module = await import(`./pages/${page}.js`);
  if (mine !== shown) return;
  document.title = module.title;
  main.replaceChildren(place);
  leave = await module.show(place, new URLSearchParams(query));
  document.documentElement.dataset.page = page;
}

addEventListener('hashchange', show);
scrolled(main);
addEventListener('keydown', (event) => {
  if (event.key !== '?' || /** @type {Element} */ (event.target).closest?.('input, select, textarea, dialog')) return;
  keys.replaceChildren(el('h2', { id: 'keys-title', textContent: 'Keys' }), el('table', {}, [el('tbody', {}, listed().map(([key, what]) =>
    el('tr', {}, [el('th', { scope: 'row', textContent: key === ' ' ? 'Space' : key }), el('td', { textContent: what })])))]),
  el('form', { method: 'dialog' }, [el('button', { textContent: 'Close' })]));
  keys.showModal();
});
show();
