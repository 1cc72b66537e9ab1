// Evaluate, beyond one number: when a net may keep silent, what is strange to it, and groups it is worse on.

import { get } from '../ask.js';
import { el } from '../dom.js';
import { chart } from './chart.js';
import { percent, tried } from './said.js';

const BINS = 20, BORDER = 0.05, PAUSE = 250;

/** A slider for the probability from which on it answers, and one for the share of wrong answers that is allowed; `right`: is the answer to a sample? */
export function silence(/** @type {any} */ asked, samples, /** @type {(i: number) => boolean} */ right, /** @type {(command: string) => void} */ say) {
  const count = samples.id.length;
  const from = el('input', { type: 'range', min: 0, max: 1, step: 0.001, value: 0, id: 'from' }), text = el('p', { 'aria-live': 'polite' });
  const most = el('input', { type: 'range', min: 0, max: 200, step: 1, value: 10, id: 'wrong' }), words = el('div', { 'aria-live': 'polite' }), share = el('output', { for: 'wrong', textContent: '1.0 %' });
  const order = [...samples.confidence.keys()].sort((a, b) => samples.confidence[b] - samples.confidence[a]);
  const x = [], y = [];
  let good = 0, timer = 0;
  order.forEach((i, n) => {
    good += right(i) ? 1 : 0;
    x.push((100 * (n + 1)) / count);
    y.push(good / (n + 1));
  });
  const picture = chart({ title: 'Accuracy among the answers that are given', across: '% answered', show: (value) => percent(value) });

  function draw() {
    const limit = Number(from.value), given = order.filter((i) => samples.confidence[i] >= limit), rightly = given.filter(right).length;
    text.textContent = given.length ? `Answering only where it is at least ${percent(limit)} sure: ${percent(given.length / count)} are answered, ${percent(rightly / given.length)} of them rightly; ${given.length - rightly} mistakes remain.` : `Nothing is answered at ${percent(limit)}.`;
    picture.draw([{ name: 'accuracy', x, y }], [{ x: (100 * given.length) / count, text: `from ${percent(limit)} on` }]);
  }

  async function wish() {
    share.textContent = percent(Number(most.value) / 1000);
    const found = await tried(words, () => get('evaluate/risk', { ...asked, wrong: most.value }));
    if (!found) return;
    words.replaceChildren(el('p', { textContent: found.sentence }));
    say(found.command);
    if (found.threshold === null) return;
    from.value = String(Math.floor(1000 * found.threshold) / 1000);
    draw();
  }
  from.addEventListener('input', draw);
  most.addEventListener('input', () => { share.textContent = percent(Number(most.value) / 1000); clearTimeout(timer); timer = window.setTimeout(wish, PAUSE); });
  draw();
  return el('div', {}, [
    el('p', { className: 'line' }, [el('label', { for: 'from', textContent: 'Answer only from this probability on' }), from]), text,
    el('p', { className: 'line' }, [el('label', { for: 'wrong', textContent: 'or: of the given answers may be wrong' }), most, share, el('span', { className: 'muted', textContent: '(the probability is then found on the validation pictures)' })]), words, picture]);
}

/**
 * How familiar each picture looks, the border below which it counts as strange, and other pictures beside.
 * @param {any} asked run and split
 * @param {any[]} sets what could be strange to it
 * @param {(familiarity: number[], border: number) => void} choose show the strange ones
 * @param {(command: string) => void} say
 */
export function strange(asked, sets, choose, say) {
  const words = el('div', { 'aria-live': 'polite' }), text = el('p', { 'aria-live': 'polite' }), picture = chart({ title: 'How familiar they look', across: 'familiarity', show: (value) => percent(value) });
  const border = el('input', { type: 'range', id: 'border', min: 0, max: 1, step: 0.01, value: BORDER }), look = el('button', { type: 'button', textContent: 'What looks strange to it' });
  const data = el('input', { id: 'strange-data', list: 'strange-list', size: 20, autocomplete: 'off' }), line = el('p', { className: 'line', hidden: true }, [el('label', { for: 'border', textContent: 'Strange is what is less familiar than' }), border]);
  picture.hidden = true;
  /** @type {number[]} */
  let familiar = [];

  function draw() {
    const limit = Number(border.value), few = familiar.filter((each) => each < limit).length, counts = Array(BINS).fill(0);
    for (const each of familiar) counts[Math.min(BINS - 1, Math.floor(each * BINS))]++;
    text.textContent = `${few} of ${familiar.length} (${percent(few / familiar.length)}) look less familiar than ${limit.toFixed(2)}. Familiarity is the share of validation pictures that looked stranger: hubel calls strange what is below ${BORDER}. They are shown under “The pictures”.`;
    picture.draw([{ name: 'of these pictures', x: counts.map((_, i) => (i + 0.5) / BINS), y: counts.map((each) => each / familiar.length), dots: true }], [{ x: limit, text: 'strange below' }]);
  }

  look.addEventListener('click', async () => {
    look.disabled = true;
    const found = await tried(words, () => get('evaluate/known', asked));
    look.disabled = false;
    if (!found) return;
    familiar = found.familiarity;
    if (!familiar.length) { words.replaceChildren(el('p', { textContent: 'It cannot tell what is strange: too few validation pictures were there when it was trained.' })); return; }
    picture.hidden = line.hidden = false;
    draw();
    choose(familiar, Number(border.value));
  });
  border.addEventListener('input', draw);
  border.addEventListener('change', () => choose(familiar, Number(border.value)));
  return el('div', {}, [
    el('p', { className: 'line' }, [look]), line, text, picture,
    el('form', { className: 'line', onsubmit: beside }, [el('label', { for: 'strange-data', textContent: 'Does it notice pictures of another kind?' }), data, el('datalist', { id: 'strange-list' }, sets.map((value) => el('option', { value }))), el('button', { textContent: 'Ask' })]), words]);

  async function beside(/** @type {Event} */ event) {
    event.preventDefault();
    words.replaceChildren(el('p', { className: 'muted', textContent: 'Looking …' }));
    const found = await tried(words, () => get('evaluate/strange', { ...asked, data: data.value.trim() }));
    if (!found) return;
    say(found.command);
    words.replaceChildren(el('dl', { className: 'facts' }, Object.entries(found.facts).flatMap(([name, value]) => [el('dt', { textContent: name }), el('dd', { textContent: String(value) })])));
  }
}

/** Groups of the pictures, the smallest first: by brightness, folder, or a column of the table. */
export function slices(/** @type {any} */ asked, /** @type {string[]} */ ways, /** @type {(command: string) => void} */ say) {
  const by = el('input', { id: 'by', list: 'by-list', value: ways[0] ?? '', size: 16, autocomplete: 'off' }), words = el('div', { 'aria-live': 'polite' });
  return el('div', {}, [
    el('form', { className: 'line', onsubmit: ask }, [el('label', { for: 'by', textContent: 'By' }), by, el('datalist', { id: 'by-list' }, ways.map((value) => el('option', { value }))), el('button', { textContent: 'Compare' }),
      el('span', { className: 'muted', textContent: `${ways.join(', ')}${ways.length ? ', ' : ''}or a column of the table` })]), words]);

  async function ask(/** @type {Event} */ event) {
    event.preventDefault();
    const found = await tried(words, () => get('evaluate/groups', { ...asked, by: by.value.trim() }));
    if (!found) return;
    say(found.command);
    words.replaceChildren(el('p', { textContent: found.sentence }), el('div', { className: 'wide' }, [el('table', {}, [
      el('thead', {}, [el('tr', {}, found.columns.map((/** @type {string} */ name, /** @type {number} */ i) => el('th', { scope: 'col', className: i ? 'number' : '', textContent: name })))]),
      el('tbody', {}, found.rows.map(([name, ...cells]) => el('tr', {}, [el('th', { scope: 'row', textContent: name }), ...cells.map((/** @type {string} */ cell) => el('td', { className: 'number', textContent: cell }))])))])]));
  }
}
