// Right or wrong: what a picture is, and that it is kept so among the data of the run, for the next training.

import { post, to } from '../ask.js';
import { el } from '../dom.js';
import { problem } from './said.js';

/** ✓ and ✗ for one answer; a note where the run names nothing that a picture could be kept under. @returns {any[]} */
export function marks(/** @type {string} */ run, /** @type {any} */ about, /** @type {any} */ found, /** @type {Blob} */ blob) {
  if (!about.marks) return [];
  const told = el('div', { role: 'status' });
  return [...(about.marks === 'several' ? several() : one()), told];

  /** A class that it has: the one that was said, or another. */
  function one() {
    const said = found.label ?? found.labels[0];
    const other = el('select', { 'aria-label': 'What it is' }, [el('option', { value: '', textContent: 'it is …' }), ...about.classes.map((/** @type {string} */ each) => el('option', { value: each, textContent: each })), el('option', { value: '\n', textContent: 'another class …' })]);
    const right = said !== undefined && el('button', { type: 'button', textContent: '✓ Right', title: 'keep it for the next training', onclick: () => keep({ label: said }, said, [right, other]) });
    other.addEventListener('change', () => {
      const label = other.value === '\n' ? prompt('Its class') ?? '' : other.value;
      if (label) keep({ label }, label, [right, other]);
    });
    return [el('p', { className: 'line' }, [right, el('label', {}, ['✗ ', other])])];
  }

  /** The labels that it has, any number of them: those that were said, or those that are ticked. */
  function several() {
    const boxes = el('div', { className: 'line ticks' }, about.classes.map((/** @type {string} */ name) => tick(name, found.labels.includes(name))));
    const ticked = () => [...boxes.querySelectorAll('input:checked')].map((box) => box.value);
    const mine = (/** @type {string[]} */ names) => keep({ labels: JSON.stringify(names) }, names.join(', ') || 'none of its labels', all);
    const right = el('button', { type: 'button', textContent: '✓ Right', title: 'keep it with these labels for the next training', onclick: () => mine(about.classes.filter((/** @type {string} */ name) => found.labels.includes(name))) });
    const other = el('button', { type: 'button', className: 'quiet', textContent: 'another label …', onclick: () => {
      const name = (prompt('A label that it has') ?? '').trim();
      if (name) boxes.append(tick(name, true));
    } });
    const wrong = el('button', { type: 'button', textContent: 'Keep it so', onclick: () => mine(ticked()) });
    const all = [right, wrong, other];
    return [el('p', { className: 'line' }, [right]), el('details', {}, [el('summary', { textContent: '✗ It has others …' }), boxes, el('p', { className: 'line' }, [wrong, other])])];
  }

  async function keep(/** @type {Record<string, string>} */ said, /** @type {string} */ words, /** @type {any[]} */ pressed) {
    try {
      const kept = await post('ship/keep', blob, { run, ...said });
      told.replaceChildren(el('p', {}, [`Kept as ${words}: ${kept.file}. `, el('a', { href: to('train', { data: kept.source }), textContent: 'Train again with it' }), ' · ', el('a', { href: to('data', { source: kept.source, find: kept.name }), textContent: 'Change it or leave it out' })]),
        kept.table && el('p', { className: 'muted' }, [`The last line of ${kept.table} is now `, el('code', { textContent: kept.line }), `. The table as it was before the first one of today is kept beside it: ${kept.copy}.`]));
      for (const each of pressed) if (each) each.disabled = true;
    } catch (error) {
      told.replaceChildren(problem(error));
    }
  }
}

const tick = (/** @type {string} */ name, /** @type {boolean} */ checked) => el('label', {}, [el('input', { type: 'checkbox', value: name, checked }), ` ${name}`]);
