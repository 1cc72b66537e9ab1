// Slow motion: one update in four phases, with its numbers.

import { el } from '../dom.js';

export const PHASES = ['Forward', 'Loss', 'Gradient', 'Update'];
const MOST = 60;
const number = (/** @type {number} */ v) => (Number.isFinite(v) ? String(+v.toPrecision(4)).replaceAll('-', '−') : String(v));

export function slow() {
  const boxes = PHASES.map((title, i) => el('li', {}, [el('h3', { textContent: `${i + 1}. ${title}` }), el('p', { className: 'muted' }), el('ol', {})]));
  const node = el('section', { className: 'slow', hidden: true, 'aria-label': 'One update in numbers' }, [
    el('h2', { textContent: 'One update in numbers' }), el('ol', { className: 'phases' }, boxes)]);

  function put(/** @type {number} */ i, /** @type {string} */ about, /** @type {string[]} */ lines) {
    boxes[i].children[1].textContent = about;
    const shown = lines.slice(0, MOST).map((text) => el('li', { textContent: text }));
    if (lines.length > MOST) shown.push(el('li', { className: 'muted', textContent: `and ${lines.length - MOST} more` }));
    boxes[i].children[2].replaceChildren(...shown);
  }

  return {
    node,
    /** The numbers of one update, and how far it has gone: 0 … 3. */
    tell(/** @type {any} */ told, /** @type {(at: any) => string} */ nameOf, /** @type {boolean} */ values) {
      node.hidden = false;
      const where = told.point ? `(${number(told.point.x)}, ${number(told.point.y)})` : '';
      put(0, `The point ${where}, ${values ? `value ${number(told.target)}` : `class ${told.target + 1}`}${told.samples > 1 ? `, the first of ${told.samples} in the batch` : ''}, goes through the net.`,
        told.forward.map((/** @type {any} */ line) => line.text));
      put(1, told.samples > 1 ? `How wrong that is; the mean over the batch is ${number(told.loss.mean)}.` : 'How wrong that is.', [told.loss.text]);
      put(2, `How the loss changes with each weight${told.samples > 1 ? ', the mean over the batch' : ''}.`, told.updates.map((/** @type {any} */ u) => `∂loss/∂(${nameOf(u)}) = ${number(u.gradient)}`));
      put(3, told.rule, told.updates.map((/** @type {any} */ u) => `${nameOf(u)}: ${number(u.before)} → ${number(u.after)}`));
    },
    phase(/** @type {number} */ now) {
      for (const [i, box] of boxes.entries()) {
        box.classList.toggle('now', i === now);
        box.classList.toggle('later', i > now);
        if (i === now) box.setAttribute('aria-current', 'step');
        else box.removeAttribute('aria-current');
      }
    },
    hide() { node.hidden = true; },
  };
}
