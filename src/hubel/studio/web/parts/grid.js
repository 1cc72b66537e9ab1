// Any number of pictures in a grid: only what is seen is in the page, and one of them is chosen, by hand or by keys.

import { el } from '../dom.js';

const CELL = 112, GAP = 6, LABEL = 34;

/**
 * @param {{ count: number, draw: (index: number) => any, chosen: (index: number) => void, label: string }} about
 * @returns {any}
 */
export function grid({ count, draw, chosen, label }) {
  const inner = el('div', { className: 'tiles-inner' }), node = el('div', { className: 'tiles-window', tabIndex: 0, role: 'listbox', 'aria-label': label, 'aria-multiselectable': 'false' }, [inner]);
  /** @type {Map<number, any>} */
  const shown = new Map();
  let columns = 1, waits = false, place = 0;
  const height = CELL + LABEL + GAP;

  function layout() {
    columns = Math.max(1, Math.floor((node.clientWidth + GAP) / (CELL + GAP)));
    inner.style.height = `${Math.ceil(count / columns) * height}px`;
    for (const cell of shown.values()) cell.remove();
    shown.clear();
    paint();
  }

  function paint() {
    waits = false;
    const first = Math.max(0, Math.floor(node.scrollTop / height) - 1) * columns;
    const last = Math.min(count, Math.ceil((node.scrollTop + node.clientHeight) / height + 1) * columns);
    for (const [i, cell] of shown) if (i < first || i >= last) { cell.remove(); shown.delete(i); }
    for (let i = first; i < last; i++) if (!shown.has(i)) put(i);
  }

  function put(/** @type {number} */ i) {
    const cell = el('div', { className: 'cell', role: 'option', id: `cell-${i}`, 'aria-posinset': i + 1, 'aria-setsize': count, 'aria-selected': i === place, onclick: () => node.choose(i) }, [draw(i)]);
    cell.style.transform = `translate(${(i % columns) * (CELL + GAP)}px, ${Math.floor(i / columns) * height}px)`;
    shown.set(i, cell);
    inner.append(cell);
  }

  node.choose = (/** @type {number} */ i, focus = true) => {
    if (!count) return;
    const before = shown.get(place);
    place = Math.min(count - 1, Math.max(0, i));
    const top = Math.floor(place / columns) * height;
    if (top < node.scrollTop) node.scrollTop = top;
    if (top + height > node.scrollTop + node.clientHeight) node.scrollTop = top + height - node.clientHeight;
    paint();
    before?.setAttribute('aria-selected', 'false');
    shown.get(place)?.setAttribute('aria-selected', 'true');
    node.setAttribute('aria-activedescendant', `cell-${place}`);
    if (focus) node.focus({ preventScroll: true });
    chosen(place);
  };
  node.refresh = (/** @type {number} */ i) => {
    shown.get(i)?.remove();
    shown.delete(i);
    paint();
  };
  node.count = (/** @type {number} */ now) => { count = now; layout(); };
  Object.defineProperty(node, 'place', { get: () => place });
  node.addEventListener('scroll', () => { if (!waits) { waits = true; requestAnimationFrame(paint); } }, { passive: true });
  node.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const page = columns * Math.max(1, Math.floor(node.clientHeight / height));
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page, Home: -count, End: count }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    node.choose(place + step);
  });
  new ResizeObserver(layout).observe(node);
  return node;
}
