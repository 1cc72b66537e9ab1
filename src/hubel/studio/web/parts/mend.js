// Data: labels mended by keyboard, a line of the log for each decision. One class a picture, or each of its labels by itself.

import { post } from '../ask.js';
import { el } from '../dom.js';
import { keys } from '../keys.js';
import { problem } from './said.js';

const NEW = '\n', BUTTONS = 10;

/**
 * The buttons and keys that mend what `tiles` has chosen; `follow` tells them of another choice.
 * @param {any} found the data @param {any} tiles @param {Map<number, any>} known rows by place
 * @param {Map<number, string>} done what became of a sample here @param {any} words @param {(command: string) => void} say
 */
export function mend(found, tiles, known, done, words, say) {
  const { classes } = found, first = classes.slice(0, BUTTONS), log = el('ol', { className: 'told' });
  /** @type {Map<number, Set<string>>} the labels of samples that were changed here, where there may be several */
  const now = new Map();
  /** @type {{ i: number, id: number, text: string | undefined, labels: Set<string> | undefined }[]} */
  const steps = [];
  const kind = found.several ? 'label' : 'class', decide = found.several ? turn : relabel;
  const buttons = first.map((/** @type {string} */ name, /** @type {number} */ k) => el('button', { type: 'button', onclick: () => decide(name) }, [el('kbd', { textContent: String((k + 1) % 10) }), ` ${name}`]));
  const option = (/** @type {string} */ value, text = value) => el('option', { value, textContent: text });
  const other = el('select', { 'aria-label': `Another ${kind}` }, [option('', found.several ? 'with or without …' : 'is …'), ...classes.map((/** @type {string} */ name) => option(name)), option(NEW, `a new ${kind} …`)]);
  other.addEventListener('change', () => {
    const name = other.value === NEW ? prompt(`Its ${kind}`) ?? '' : other.value;
    if (name) decide(name, other.value === NEW);
    other.value = '';
  });
  const digit = (/** @type {string} */ key) => first[key === '0' ? 9 : Number(key) - 1];
  const said = found.several ? 'with or without the label of that number' : 'it is the class of that number';
  keys({
    '1…9': [said, (event) => { const name = digit(event.key); if (name) decide(name); }],
    ...(first.length > 9 ? { 0: [found.several ? `with or without ${first[9]}` : `it is ${first[9]}`, () => decide(first[9])] } : {}),
    x: ['leave it out', exclude], u: ['take the last edit back', undo],
  });
  const place = el('div', {}, [
    el('div', { className: 'line', role: 'group', 'aria-label': found.several ? 'Labels of the chosen picture' : 'What the chosen picture is' }, [
      ...buttons, other, el('button', { type: 'button', onclick: exclude }, [el('kbd', { textContent: 'x' }), ' leave out']), el('button', { type: 'button', onclick: undo }, [el('kbd', { textContent: 'u' }), ' undo'])]),
    el('details', {}, [el('summary', { textContent: 'What was decided so far' }), log])]);
  return { place, follow };

  function labels(/** @type {any} */ row) {
    return now.get(row.id) ?? new Set(row.label.map((/** @type {number} */ k) => classes[k]));
  }

  function follow(/** @type {any} */ row) {
    if (found.several) buttons.forEach((/** @type {any} */ each, /** @type {number} */ k) => each.setAttribute('aria-pressed', String(labels(row).has(first[k]))));
  }

  async function act(/** @type {string} */ what, /** @type {string[]} */ list, more = {}) {
    try {
      const answer = await post('data/edit', { source: found.source, do: what, words: list, ...more });
      words.textContent = answer.sentence;
      say(answer.command);
      log.replaceChildren(...answer.log.map((each) => el('li', { textContent: `${each.text} (${each.state || 'undo'})` })));
      return answer.made.length > 0;  // else it is so already, and there is no step to take back
    } catch (/** @type {any} */ error) {
      words.replaceChildren(problem(error));
      return false;
    }
  }

  async function relabel(/** @type {string} */ name, fresh = false) {
    const i = tiles.place, row = known.get(i);
    if (row && (await act('relabel', [row.name, name], { new_class: fresh }))) mark(i, row, `→ ${name}`, i + 1);
  }

  async function turn(/** @type {string} */ name, fresh = false) {
    const i = tiles.place, row = known.get(i);
    if (!row) return;
    const has = new Set(labels(row)), there = has.has(name);
    if (!(await act(there ? 'unlabel' : 'label', [row.name, name], { new_class: fresh }))) return;
    if (there) has.delete(name);
    else has.add(name);
    if (fresh) other.lastChild.before(option(name));
    mark(i, row, [...classes.filter((/** @type {string} */ each) => has.has(each)), ...[...has].filter((each) => !classes.includes(each))].join(', ') || 'none', i, has);
  }

  async function exclude() {
    const i = tiles.place, row = known.get(i);
    if (row && (await act('exclude', [row.name]))) mark(i, row, 'left out', i + 1, now.get(row.id));
  }

  /** What became of a sample, and the one that is chosen next. */
  function mark(/** @type {number} */ i, /** @type {any} */ row, /** @type {string} */ text, /** @type {number} */ next, /** @type {Set<string> | undefined} */ has = undefined) {
    steps.push({ i, id: row.id, text: done.get(row.id), labels: now.get(row.id) });
    done.set(row.id, text);
    if (has) now.set(row.id, has);
    tiles.refresh(i);
    tiles.choose(next);
  }

  async function undo() {
    if (!(await act('undo', []))) return;
    const last = steps.pop();
    if (!last) return;
    const { i, id, text, labels: before } = last;
    if (text === undefined) done.delete(id);
    else done.set(id, text);
    if (before) now.set(id, before);
    else now.delete(id);
    tiles.refresh(i);
    tiles.choose(i);
  }
}
