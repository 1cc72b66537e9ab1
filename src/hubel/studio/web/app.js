// The shell: which page is shown, what it is called, whether the studio still answers, and the list of keys.

import { get, keep, to } from './ask.js';
import { el, fill } from './dom.js';
import { clear, listed } from './keys.js';
import { problem } from './parts/said.js';
import { scrolled } from './parts/scrolled.js';
import { tour } from './parts/tour.js';

/** Page -> its name above, "" for one that other pages lead to. A page is a module pages/NAME.js with `title` and `async function show(main, parameters)`,
 * which may return a function that is called when another page is shown. */
const PAGES = {
  home: 'Home', data: 'Data', train: 'Train', runs: 'Runs', evaluate: 'Evaluate', explain: 'Explain',
  inspect: 'Inspect',
  playground: 'Playground', pictures: 'Small pictures', lessons: 'Lessons',
  ship: 'Try and ship',
  camera: '',
  build: '',
};
const LOOK = 1500;

const main = /** @type {any} */ (document.getElementById('main')), down = /** @type {any} */ (document.getElementById('down'));
const help = /** @type {any} */ (document.getElementById('keys'));
const menu = /** @type {any} */ (document.getElementById('menu')), pages = /** @type {any} */ (document.getElementById('pages'));
let shown = 0;
/** @type {(() => void) | undefined} */
let leave;

// The token came in the address and is a cookie by now: it leaves the address and the history.
if (location.search) history.replaceState(null, '', location.pathname + location.hash);

fill(pages, {}, Object.entries(PAGES).filter(([, title]) => title).map(([name, title]) => el('a', { href: to(name), textContent: title, dataset: { page: name } })));

async function show() {
  const mine = ++shown, [name, query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const page = Object.hasOwn(PAGES, name) ? name : 'home';
  if (page !== name) keep(page);
  leave?.();
  leave = undefined;
  clear();
  unfold(false);
  for (const link of document.querySelectorAll('#pages a'))
    if (/** @type {any} */ (link).dataset.page === page) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  const place = el('div', { className: `page ${page}` });
  try {
    const module = await import(`./pages/${page}.js`);
    if (mine !== shown) return;
    document.title = `${module.title}: hubel studio`;
    main.replaceChildren(place);
    const left = await module.show(place, new URLSearchParams(query));
    if (mine === shown) leave = left;
    else left?.();
  } catch (error) {
    if (mine !== shown) return;
    main.replaceChildren(place);
    place.append(problem(error));
  }
  document.documentElement.dataset.page = page;
}

/** Where there is no room for a line of pages, a button opens the list of them. */
function unfold(/** @type {boolean} */ open) {
  menu.setAttribute('aria-expanded', String(open));
  pages.classList.toggle('open', open);
}

/** Says within two seconds when nobody answers any more, and when somebody does again. */
async function look() {
  if (!document.hidden) {
    try {
      const about = await get('home/about');
      down.hidden = true;
      document.documentElement.dataset.warm = String(about.warm);
    } catch (/** @type {any} */ error) {
      down.hidden = false;
      down.textContent = error.status === 401 || error.status === 403
        ? 'This page is not known to the studio: open the address that the command hubel studio printed.'
        : 'The studio does not answer: it was stopped, or it is busy. Trainings go on without it; start it again with: hubel studio';
    }
  }
  setTimeout(look, LOOK);
}

function list() {
  const rows = [['?', 'these keys'], ['g h', 'first page'], ...listed()];
  help.replaceChildren(
    el('h2', { id: 'keys-title', textContent: 'Keys' }),
    el('table', {}, [el('tbody', {}, rows.map(([key, what]) => el('tr', {}, [
      el('th', { scope: 'row' }, [el('kbd', { textContent: key === ' ' ? 'Space' : key })]), el('td', { textContent: what })])))]),
    el('form', { method: 'dialog' }, [el('button', { textContent: 'Close' })]),
  );
  help.showModal();
}

let before = '';
addEventListener('keydown', (event) => {
  const typing = /** @type {Element} */ (event.target).closest?.('input, select, textarea, dialog');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '?') list();
  if (before === 'g' && event.key === 'h') location.hash = to('home');
  before = event.key;
});
menu.addEventListener('click', () => unfold(menu.getAttribute('aria-expanded') === 'false'));
document.getElementById('top')?.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || menu.getAttribute('aria-expanded') === 'false') return;
  unfold(false);
  menu.focus();
});
document.getElementById('help')?.addEventListener('click', list);
addEventListener('hashchange', async () => {
  await show();
  if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });  // keys go on where the page is
});
scrolled(main);
show();
look();
tour();
