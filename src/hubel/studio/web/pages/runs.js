// Runs: all of them in a table; those that are ticked side by side.

import { get, keep, to } from '../ask.js';
import { el, list } from '../dom.js';
import { chart } from '../parts/chart.js';
import { command, number, percent, problem, seconds } from '../parts/said.js';

export const title = 'Runs';
const ACROSS = { epochs: 'epochs', steps: 'steps', samples: 'pictures', seconds: 'seconds' };
const METRICS = { val_loss: 'validation loss', val_accuracy: 'validation accuracy', val_map: 'validation mAP', val_iou: 'validation mean IoU', train_loss: 'loss', train_accuracy: 'accuracy', lr: 'learning rate', images_per_second: 'pictures a second' };
const MOST = 8;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  main.append(el('h1', { textContent: 'Runs' }), el('p', { className: 'muted', textContent: 'Loading …' }));
  let found = await get('runs/list');
  const ticked = new Set((parameters.get('runs') ?? '').split('|').filter((name) => found.runs.some((/** @type {any} */ row) => row.run === name)));
  const metric = choice('Metric', METRICS, parameters.get('metric') ?? 'val_accuracy'), across = choice('Across', ACROSS, parameters.get('across') ?? 'epochs');
  const body = el('tbody'), words = el('p', { className: 'muted' }), beside = el('section', { 'aria-label': 'Side by side', hidden: true });
  const filter = el('input', { type: 'search', id: 'filter', placeholder: 'name, data, net' });
  const picture = chart({ title: 'Side by side' }), differ = el('div'), luck = el('div'), said = command('hubel runs');
  beside.append(el('h2', { textContent: 'What differs' }), differ, el('h2', { textContent: 'Curves' }),
    el('div', { className: 'line' }, [metric.label, across.label]), picture, el('h2', { textContent: 'Is one better by more than luck?' }), luck);
  main.replaceChildren(
    el('h1', { textContent: 'Runs' }),
    found.runs.length ? el('p', { textContent: `Tick up to ${MOST} to see them side by side.` }) : el('p', {}, ['There are none yet. ', el('a', { href: to('train', { data: 'digits' }), textContent: 'Train one on the digits' })]),
    el('div', { className: 'line' }, [el('label', { for: 'filter', textContent: 'Show' }), filter]),
    el('div', { className: 'wide' }, [el('table', {}, [
      el('thead', {}, [el('tr', {}, ['', 'run', 'state', 'data', 'net', 'epochs', 'validation', 'test', 'time', ''].map((text) => (text ? el('th', { scope: 'col', textContent: text }) : el('td'))))]), body])]),
    words, beside, said);
  for (const [folder, why] of Object.entries(found.unreadable)) main.append(el('p', { className: 'problem' }, [el('strong', { textContent: folder }), ` cannot be read: ${why}`]));

  function row(/** @type {any} */ run) {
    const box = el('input', { type: 'checkbox', checked: ticked.has(run.run), 'aria-label': `${run.run} beside the others` });
    box.addEventListener('change', () => {
      if (box.checked && ticked.size >= MOST) box.checked = false;
      if (box.checked) ticked.add(run.run);
      else ticked.delete(run.run);
      compare();
    });
    const state = run.held ? 'training' : run.status;
    return el('tr', {}, [
      el('td', {}, [box]), el('th', { scope: 'row' }, [el('a', { href: to('train', { run: run.run }), textContent: run.run })]), el('td', { textContent: state }),
      el('td', { textContent: run.data }), el('td', { textContent: run.model }), el('td', { className: 'number', textContent: String(run.epochs) }),
      el('td', { className: 'number', textContent: percent(run.val_accuracy, 2) || number(run.val_loss ?? '') }), el('td', { className: 'number', textContent: percent(run.test_accuracy, 2) || (run.score ?? '') }),
      el('td', { className: 'number', textContent: seconds(run.seconds) }),
      el('td', {}, [run.weights && el('a', { href: to('evaluate', { run: run.run }), textContent: 'Evaluate' })])]);
  }

  function rows() {
    const want = filter.value.trim().toLowerCase();
    const fits = (/** @type {any} */ run) => `${run.run} ${run.data} ${run.model} ${run.status}`.toLowerCase().includes(want);
    list(body, found.runs.filter(fits), (run) => `${run.run} ${run.held} ${run.status} ${run.epochs}`, (run, old) => old ?? row(run));
  }

  let mine = 0;
  async function compare() {
    const turn = ++mine;
    keep('runs', { runs: [...ticked].join('|'), metric: metric.select.value, across: across.select.value });
    beside.hidden = !ticked.size;
    if (!ticked.size) return said.say('hubel runs');
    try {
      const runs = JSON.stringify([...ticked]);
      const [curves, answer] = await Promise.all([get('runs/curves', { runs }), get('runs/compare', { runs })]);
      if (turn !== mine) return undefined;
      words.replaceChildren();
      const has = (/** @type {string} */ name) => curves.some((/** @type {any} */ run) => run.columns[name]?.length);
      if (!has(metric.select.value)) metric.select.value = Object.keys(METRICS).find((name) => name.startsWith('val_') && name !== 'val_loss' && has(name)) ?? metric.select.value;
      drawn(curves);
      said.say(answer.command);
      const names = curves.map((/** @type {any} */ each) => each.run);
      const settings = answer.lines.filter((/** @type {any} */ line) => line[0].includes('.')), results = answer.lines.filter((/** @type {any} */ line) => !line[0].includes('.'));
      differ.replaceChildren(table(names, [...settings, ...results]));
      if (!settings.length && names.length > 1) differ.prepend(el('p', { textContent: 'Their recipes say the same.' }));
      luck.replaceChildren(...(answer.sentences ?? []).map((/** @type {string} */ text) => el('p', { textContent: text })));
      if (answer.unweighed) luck.append(el('p', { className: 'muted', textContent: `${answer.unweighed.reason}. ${answer.unweighed.hint}` }));
      if (answer.against) luck.append(el('p', { className: 'muted', textContent: `In ${answer.against.what}, how far the row is ahead of the column${answer.against.tested ? '; * p < 0.05 after the correction' : ''}.` }), table(answer.against.names, answer.against.rows));
      for (const each of answer.classes ?? []) luck.append(el('p', { className: 'muted', textContent: `The ${each.what} class by class; an interval is of its class alone.` }), table(each.names, each.rows));
      if (ticked.size === 1) luck.replaceChildren(el('p', { className: 'muted', textContent: 'Tick a second run to compare.' }));
    } catch (error) {
      words.replaceChildren(problem(error));
    }
    return undefined;
  }

  function drawn(/** @type {any[]} */ curves) {
    const name = metric.select.value, unit = across.select.value;
    picture.querySelector('strong').textContent = METRICS[name];
    const x = (/** @type {any} */ run) => (unit === 'seconds' ? run.columns.seconds ?? [] : (run.columns.epoch ?? []).map((/** @type {number} */ e) => e * (unit === 'steps' ? run.steps : unit === 'samples' ? run.samples : 1)));
    picture.draw(curves.map((run, i) => ({ name: run.run, x: x(run), y: run.columns[name] ?? [], colour: i, dash: i, dots: true })).filter((each) => each.y.length));
  }

  for (const each of [metric, across]) each.select.addEventListener('change', compare);
  filter.addEventListener('input', rows);
  rows();
  compare();
  const timer = setInterval(async () => {
    const now = document.hidden ? null : await get('runs/list').catch(() => null);
    if (now) { found = now; rows(); }
  }, 2000);
  return () => { mine++; clearInterval(timer); };
}

function choice(/** @type {string} */ text, /** @type {Record<string, string>} */ options, /** @type {string} */ value) {
  const select = el('select', {}, Object.entries(options).map(([name, shown]) => el('option', { value: name, textContent: shown, selected: name === value })));
  return { select, label: el('label', {}, [`${text} `, select]) };
}

const table = (/** @type {string[]} */ names, /** @type {any[]} */ lines) => el('div', { className: 'wide' }, [el('table', {}, [
  el('thead', {}, [el('tr', {}, [el('td'), ...names.map((name) => el('th', { scope: 'col', textContent: name }))])]),
  el('tbody', {}, lines.map(([head, cells]) => el('tr', {}, [el('th', { scope: 'row', textContent: head }), ...cells.map((/** @type {string} */ cell) => el('td', { textContent: cell }))])))])]);
