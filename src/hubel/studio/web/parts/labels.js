// Evaluate, of a net that says several labels: how well each label is found, and the pictures behind each number.

import { at, to } from '../ask.js';
import { el } from '../dom.js';
import { silence, slices, strange } from './doubt.js';
import { gallery } from './gallery.js';
import { number, percent } from './said.js';

/** The table of labels, and below it the pictures: those with wrong labels at first. */
export function byLabel(/** @type {string} */ run, /** @type {any} */ about, /** @type {string} */ split, /** @type {any} */ found, /** @type {any[]} */ sets, /** @type {URLSearchParams} */ wanted, /** @type {(command: string) => void} */ say) {
  const { classes, samples } = found;
  const missed = (/** @type {number} */ i) => samples.there[i].filter((/** @type {number} */ k) => !samples.said[i].includes(k));
  const added = (/** @type {number} */ i) => samples.said[i].filter((/** @type {number} */ k) => !samples.there[i].includes(k));
  const wrong = (/** @type {number} */ i) => missed(i).length + added(i).length;
  /** @type {Record<string, [string, (i: number, k: number) => boolean]>} */
  const kinds = {
    missed: ['there, not said', (i, k) => missed(i).includes(k)],
    added: ['said, not there', (i, k) => added(i).includes(k)],
    right: ['there and said', (i, k) => samples.there[i].includes(k) && samples.said[i].includes(k)],
  };
  const { choose, parts } = gallery({ run, split }, samples, (a, b) => wrong(b) - wrong(a), tile);

  function tile(/** @type {number} */ i) {
    const name = samples.path[i] ?? `sample ${samples.id[i]}`, none = !samples.there[i].length && !samples.said[i].length;
    const text = [
      ...samples.there[i].filter((/** @type {number} */ k) => samples.said[i].includes(k)).map((/** @type {number} */ k) => `✓ ${classes[k]}`),
      ...missed(i).map((/** @type {number} */ k) => `✗ ${classes[k]} not said`), ...added(i).map((/** @type {number} */ k) => `✗ ${classes[k]} is not there`), ...(none ? ['✓ none'] : [])];
    return el(about.pictures ? 'a' : 'div', { className: `tile ${wrong(i) ? 'wrong' : 'right'}`, ...(about.pictures ? { href: to('explain', { run, sample: samples.id[i] }) } : {}), title: name }, [
      about.pictures && el('img', { className: 'pixels', loading: 'lazy', alt: `${name}: ${text.join(', ')}`, src: at('evaluate/picture', { run, id: samples.id[i] }) }),
      ...text.map((line) => el('span', { textContent: line }))]);
  }

  const one = (/** @type {number} */ k, /** @type {string} */ kind, jump = true) => choose(`${classes[k]}, ${kinds[kind][0]}`, (i) => kinds[kind][1](i, k), { label: k, kind }, jump);
  const unlike = (/** @type {number[]} */ familiar, /** @type {number} */ border) => choose(`Less familiar than ${border.toFixed(2)}`, (i) => familiar[i] < border, {}, false);
  const mistakes = (jump = true) => choose('Pictures with a wrong label, those with the most first', (i) => wrong(i) > 0, {}, jump);
  const cell = (/** @type {number} */ k, /** @type {string} */ kind) => {
    const many = [...samples.id.keys()].filter((i) => kinds[kind][1](i, k)).length;
    return el('td', { className: 'number' }, [many ? el('button', { type: 'button', className: 'quiet', textContent: String(many), 'aria-label': `${many} of ${classes[k]} ${kinds[kind][0]}`, onclick: () => one(k, kind) }) : '0']);
  };
  const heads = ['label', 'there and said', 'there, not said', 'said, not there', 'said from', 'average precision', 'right when said', 'found of it', 'F1'];
  const table = el('div', { className: 'wide' }, [el('table', {}, [
    el('caption', { className: 'muted', textContent: 'Press a number to see its pictures.' }),
    el('thead', {}, [el('tr', {}, heads.map((text, i) => el('th', { scope: 'col', className: i ? 'number' : '', textContent: text })))]),
    el('tbody', {}, classes.map((/** @type {string} */ name, /** @type {number} */ k) => {
      const [, precise, limit, right, recall, f1] = found.labels[k];
      return el('tr', {}, [el('th', { scope: 'row', textContent: name }), cell(k, 'right'), cell(k, 'missed'), cell(k, 'added'),
        el('td', { className: 'number', textContent: number(limit) }), ...[precise, right, recall, f1].map((share) => el('td', { className: 'number', textContent: percent(share) }))]);
    }))])]);

  const asked = Number(wanted.get('label') ?? NaN), kind = wanted.get('kind') ?? '';
  if (Number.isInteger(asked) && classes[asked] !== undefined && kinds[kind]) one(asked, kind, false);
  else mistakes(false);
  return [
    el('section', {}, [el('h2', { textContent: 'Label by label' }), el('p', { className: 'muted', textContent: found.fitted ? 'Each label is said from a probability of its own on, which was found on the validation split.' : 'Each label is said from a probability of 0.5 on.' }), table]),
    el('section', { 'aria-labelledby': 'pictures-title' }, [parts[0], el('p', { className: 'line' }, [el('button', { type: 'button', textContent: 'All with a wrong label', onclick: () => mistakes() }), el('button', { type: 'button', textContent: 'All pictures', onclick: () => choose('All pictures', () => true, {}) })]), ...parts.slice(1),
      found.left_out ? el('p', { className: 'muted', textContent: `and ${found.left_out.toLocaleString('en')} more that are not listed` }) : '']),
    el('section', {}, [el('h2', { textContent: 'When it may keep silent' }), el('p', { className: 'muted', textContent: 'An answer is all labels of a picture: it is right if every one of them is, and as probable as its labels together, their probabilities multiplied.' }), silence({ run, split }, samples, (i) => samples.right[i], say)]),
    el('section', {}, [el('h2', { textContent: 'What is strange to it' }), strange({ run, split }, sets, unlike, say)]),
    el('section', {}, [el('h2', { textContent: 'Group by group' }), el('p', { className: 'muted', textContent: 'All right: with every label right. False +: of the labels that are not there the share that is said; false −: of those that are there the share that is missed.' }), slices({ run, split }, about.by, say)]),
    el('section', {}, [el('h2', { textContent: 'What commands tell beside' }), el('p', {}, ['Spoilt pictures: ', el('code', { textContent: `hubel robust ${run}` }), '; labels that are probably wrong: ', el('code', { textContent: `hubel clean ${run}` }), '.'])]),
  ];
}
