// Evaluate: the report, alive. Every number leads to the pictures behind it.

import { at, get, to } from '../ask.js';
import { el } from '../dom.js';
import { chart } from '../parts/chart.js';
import { runs } from '../parts/choose.js';
import { silence, slices, strange } from '../parts/doubt.js';
import { gallery } from '../parts/gallery.js';
import { byLabel } from '../parts/labels.js';
import { rove } from '../parts/rove.js';
import { command, number, percent, problem } from '../parts/said.js';
import { saver } from '../parts/save.js';

export const title = 'Evaluate';
const LARGEST = 24;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  const place = el('div'), said = command('hubel evaluate RUN'), head = el('div', { className: 'line' });
  main.append(el('h1', { textContent: 'Evaluate' }), head, place, said, saver('evaluate', main, said.said));
  let mine = 0;
  const known = await Promise.all([get('home/sets'), get('home/about')]), sets = [...known[0].map((set) => set.source), ...known[1].named];
  const chosen = await runs('evaluate', parameters, (run) => open(run, new URLSearchParams()));
  head.append(chosen.place);
  if (chosen.run) await open(chosen.run, parameters);
  return () => { mine++; };

  async function open(/** @type {string} */ run, /** @type {URLSearchParams} */ wanted) {
    const turn = ++mine;
    place.replaceChildren(el('p', { role: 'status', className: 'muted', textContent: 'Reading the data of the run …' }));
    try {
      const about = await get('evaluate/about', { run });
      if (turn !== mine) return;
      const names = Object.keys(about.splits), split = names.includes(wanted.get('split') ?? '') ? wanted.get('split') : names.includes('test') ? 'test' : names[names.length - 1];
      place.replaceChildren(el('p', { role: 'status', className: 'muted', textContent: `Asking the net about ${about.splits[String(split)]} pictures …` }));
      const found = await get('evaluate/result', { run, split });
      if (turn !== mine) return;
      said.say(found.command);
      place.replaceChildren(...drawn(run, about, String(split), found, wanted).filter(Boolean));
    } catch (error) {
      if (turn === mine) place.replaceChildren(problem(error));
    }
  }

  function drawn(/** @type {string} */ run, about, /** @type {string} */ split, found, /** @type {URLSearchParams} */ wanted) {
    const select = el('select', { id: 'split' }, Object.entries(about.splits).map(([name, count]) => el('option', { value: name, selected: name === split, textContent: `${name} (${count})` })));
    select.addEventListener('change', () => open(run, new URLSearchParams({ split: select.value })));
    const top = [
      el('p', { className: 'lead', textContent: found.sentence }),
      about.added > 0 && el('p', {}, [`Its data have got ${about.added === 1 ? 'one picture' : `${about.added} pictures`} more since. What is measured here stays what it was. `, el('a', { href: to('train', { data: about.source }), textContent: 'Train again with all' })]),
      el('div', { className: 'line' }, [el('label', { for: 'split', textContent: 'Split' }), select]),
      el('dl', { className: 'tiles' }, found.rows.map(([name, value, interval]) => el('div', {}, [el('dt', { textContent: name }), el('dd', { textContent: value }), interval && el('dd', { className: 'muted', textContent: interval })])))];
    if (found.number) return top.filter(Boolean);
    if (found.several) return [...top.filter(Boolean), ...byLabel(run, about, split, found, sets, wanted, said.say)];
    const { samples, classes } = found;
    /** @type {number[] | null} */
    let familiar = null;
    let limit = 0;
    const { choose, parts: shown } = gallery({ run, split }, samples, (a, b) => samples.confidence[b] - samples.confidence[a], tile);

    function tile(/** @type {number} */ i) {
      const right = samples.label[i] === samples.predicted[i], name = samples.path[i] ?? `sample ${samples.id[i]}`;
      const text = right ? classes[samples.predicted[i]] : `${classes[samples.label[i]]} called ${classes[samples.predicted[i]]}`;
      return el(about.pictures ? 'a' : 'div', { className: `tile ${right ? 'right' : 'wrong'}`, ...(about.pictures ? { href: to('explain', { run, sample: samples.id[i] }) } : {}), title: name }, [
        about.pictures && el('img', { className: 'pixels', loading: 'lazy', alt: `${name}: ${text}`, src: at('evaluate/picture', { run, id: samples.id[i] }) }),
        el('span', { textContent: `${right ? '✓' : '✗'} ${text}` }), el('span', { className: 'muted', textContent: `${percent(samples.confidence[i])} sure${familiar ? `, ${familiar[i] < limit ? 'strange' : 'familiar'}` : ''}` })]);
    }

    const cell = (/** @type {number} */ label, /** @type {number} */ predicted, jump = true) =>
      choose(label === predicted ? `${classes[label]}, called so` : `${classes[label]}, called ${classes[predicted]}`, (i) => samples.label[i] === label && samples.predicted[i] === predicted, { label, predicted }, jump);
    const unlike = (/** @type {number[]} */ found, /** @type {number} */ border) => {
      familiar = found;
      limit = border;
      choose(`Less familiar than ${border.toFixed(2)}`, (i) => found[i] < border, {}, false);
    };
    const mistakes = (jump = true) => choose('All mistakes, the most confident first', (i) => samples.label[i] !== samples.predicted[i], {}, jump);

    const parts = [
      ...top,
      el('section', {}, [el('h2', { textContent: 'What is called what' }), confusion(found, cell)]),
      el('section', {}, [el('h2', { textContent: 'Class by class' }), perClass(found, (/** @type {number} */ k) => choose(`${classes[k]}, called something else`, (i) => samples.label[i] === k && samples.predicted[i] !== k, { label: k }))]),
      el('section', {}, [el('h2', { textContent: 'When it may keep silent' }), silence({ run, split }, samples, (i) => samples.label[i] === samples.predicted[i], said.say)]),
      el('section', {}, [el('h2', { textContent: 'What is strange to it' }), strange({ run, split }, sets, unlike, said.say)]),
      el('section', {}, [el('h2', { textContent: 'Group by group' }), slices({ run, split }, about.by, said.say)]),
      calibration(found),
      el('section', { 'aria-labelledby': 'pictures-title' }, [el('h2', { textContent: 'The pictures' }), el('p', { className: 'line' }, [
        el('button', { type: 'button', textContent: 'All mistakes', onclick: () => mistakes() })]), ...shown])];
    const label = Number(wanted.get('label') ?? NaN), predicted = Number(wanted.get('predicted') ?? NaN);
    if (label >= 0 && predicted >= 0 && label < classes.length && predicted < classes.length) cell(label, predicted, false);
    else mistakes(false);
    return parts;
  }
}

/** The confusion matrix: a button a cell; of many classes only the pairs that are confused. */
function confusion(/** @type {any} */ found, /** @type {(label: number, predicted: number) => void} */ cell) {
  const { classes, confusion: counts } = found, most = Math.max(1, ...counts.map((row, i) => Math.max(0, ...row.filter((_, j) => i !== j))));
  if (classes.length > LARGEST) {
    const pairs = counts.flatMap((row, i) => row.map((count, j) => [i, j, count])).filter(([i, j, count]) => i !== j && count).sort((a, b) => b[2] - a[2]).slice(0, 60);
    return el('ol', {}, pairs.map(([i, j, count]) => el('li', {}, [el('button', { type: 'button', className: 'quiet', textContent: `${classes[i]} called ${classes[j]}: ${count}`, onclick: () => cell(i, j) })])));
  }
  const shade = (/** @type {number} */ count, same) => Math.round((same ? 0.1 : 0.1 + 0.5 * (count / most)) * 100);
  return el('div', { className: 'wide' }, [rove(el('table', { className: 'confusion' }, [
    el('caption', { className: 'muted', textContent: 'Rows are what pictures are, columns what they are called. Press a number to see them; arrows go from one to the next.' }),
    el('thead', {}, [el('tr', {}, [el('td'), ...classes.map((name) => el('th', { scope: 'col' }, [el('span', { textContent: name })]))])]),
    el('tbody', {}, counts.map((row, i) => el('tr', {}, [el('th', { scope: 'row', textContent: classes[i] }), ...row.map((count, j) => el('td', {}, [
      count ? el('button', { type: 'button', className: i === j ? 'same' : 'other', textContent: String(count), 'aria-label': `${count} of ${classes[i]} called ${classes[j]}`,
        style: { backgroundColor: `color-mix(in srgb, var(${i === j ? '--blue' : '--orange'}) ${shade(count, i === j)}%, transparent)` }, onclick: () => cell(i, j) }) : ''])) ])))]))]);
}

function perClass(/** @type {any} */ found, /** @type {(k: number) => void} */ choose) {
  const t = found.per_class, order = [...found.classes.keys()].sort((a, b) => (t.f1[a] ?? 2) - (t.f1[b] ?? 2)).slice(0, 100);
  return el('div', { className: 'wide' }, [el('table', {}, [
    el('thead', {}, [el('tr', {}, ['class', 'found of it', 'right when said', 'F1', 'pictures', ''].map((text, i) => (text ? el('th', { scope: 'col', className: i ? 'number' : '', textContent: text }) : el('td'))))]),
    el('tbody', {}, order.map((k) => el('tr', {}, [
      el('th', { scope: 'row', textContent: found.classes[k] }), ...[t.recall[k], t.precision[k], t.f1[k]].map((share) => el('td', { className: 'number', textContent: percent(share) })),
      el('td', { className: 'number', textContent: number(t.support[k]) }), el('td', {}, [el('button', { type: 'button', className: 'quiet', textContent: 'mistakes', 'aria-label': `mistakes on ${found.classes[k]}`, onclick: () => choose(k) })])])))])]);
}

function calibration(/** @type {any} */ found) {
  const { confidence, accuracy, counts, ece } = found.calibration, picture = chart({ title: 'As sure as it is right?', across: 'probability it gave', show: (value) => percent(value) });
  const full = [...counts.keys()].filter((i) => counts[i] > 0 && accuracy[i] !== null);
  picture.draw([{ name: 'right', x: full.map((i) => confidence[i]), y: full.map((i) => accuracy[i]), dots: true }, { name: 'as it should be', x: [0, 1], y: [0, 1], colour: 3, dash: 1 }]);
  return el('section', {}, [el('h2', { textContent: 'Honest probabilities' }), el('p', { textContent: `Calibration error ${percent(ece, 2)}: how far probability and truth lie apart on average.` }), picture]);
}
