// Data: what is there, what is wrong with it, and labels mended by keyboard; no file of the data is touched.

import { at, get, keep, to } from '../ask.js';
import { el } from '../dom.js';
import { keys } from '../keys.js';
import { grid } from '../parts/grid.js';
import { mend } from '../parts/mend.js';
import { command, problem, tried } from '../parts/said.js';

export const title = 'Data';
const BLOCK = 200;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  const about = await get('home/about'), sets = await get('home/sets');
  const source = el('input', { id: 'source', list: 'sources', value: parameters.get('source') ?? sets[0]?.source ?? 'digits', autocomplete: 'off', size: 28 });
  const place = el('div');
  main.append(
    el('h1', { textContent: 'Data' }),
    el('form', { className: 'line', onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); open(new URLSearchParams()); } }, [
      el('label', { for: 'source', textContent: 'Pictures' }), source, el('datalist', { id: 'sources' }, [...sets.map((set) => set.source), ...about.named].map((value) => el('option', { value }))), el('button', { textContent: 'Look' }),
      el('a', { href: to('camera'), textContent: 'Make a set with the camera' })]),
    place);
  let turn = 0;
  await open(parameters);
  return () => { turn++; };

  async function open(/** @type {URLSearchParams} */ wanted) {
    const mine = ++turn;
    place.replaceChildren(el('p', { className: 'muted', role: 'status', textContent: 'Reading every picture …' }));
    const words = el('div'), found = await tried(words, () => get('data/about', { source: source.value.trim() }));
    if (mine !== turn) return;
    place.replaceChildren(words);
    if (found) await drawn(found, wanted, () => mine === turn);
  }

  async function drawn(/** @type {any} */ found, /** @type {URLSearchParams} */ wanted, /** @type {() => boolean} */ here) {
    const { classes } = found, said = command(found.command), words = el('p', { role: 'status', 'aria-live': 'polite' });
    const pick = (/** @type {string} */ id, /** @type {string} */ text, options, value) => {
      const select = el('select', { id }, options.map(([each, shown]) => el('option', { value: each, textContent: shown, selected: String(each) === value })));
      return { select, label: el('label', { for: id, className: 'line' }, [text, select]) };
    };
    const which = pick('class', found.several ? 'Label' : 'Class', [['', 'all'], ...classes.map((name, k) => [k, name]), ...(found.several ? [[classes.length, 'no label']] : [])], wanted.get('class') ?? '');
    const split = pick('split', 'Split', [['', 'all'], ...Object.keys(found.counts).map((name) => [name, name])], wanted.get('split') ?? '');
    const find = el('input', { type: 'search', id: 'find', placeholder: 'part of a name', value: wanted.get('find') ?? '' });
    const sees = el('input', { type: 'checkbox', checked: wanted.get('as') === 'net' });
    const large = el('figure', { className: 'large', 'aria-live': 'polite' });
    /** @type {Map<number, any>} */
    const known = new Map();
    /** @type {Set<number>} */
    const asked = new Set();
    /** @type {Map<number, string>} what became of a sample here */
    const done = new Map();
    let total = 0, filters = {};
    const tiles = grid({ count: 0, label: 'Pictures', draw, chosen });

    const picture = (/** @type {any} */ row, side = 96) => at('data/tile', { source: found.source, at: found.at, id: row.id, as: sees.checked ? 'net' : '', side });
    const named = (/** @type {any} */ row) => done.get(row.id) ?? (found.several ? row.label.map((/** @type {number} */ k) => classes[k]).join(', ') || 'none' : classes.length ? classes[row.label] : row.label);

    const parts = [
      el('p', { className: 'lead', textContent: found.text }),
      counts(found), problems(found),
      el('h2', { textContent: 'Its pictures' }),
      el('div', { className: 'line' }, [which.label, split.label, el('label', { for: 'find', className: 'line' }, ['Named', find]), found.sight && el('label', {}, [sees, ` as a net sees them (${found.sight.slice(1).join(' × ')}${found.sight[0] === 1 ? ', grey' : ''})`])]),
    ];
    if (!found.sight) {
      place.append(...parts.slice(0, 3), el('p', { textContent: 'These are points, not pictures; the Playground shows them.' }), said);
      return;
    }
    const edits = found.fixed ? null : mend(found, tiles, known, done, words, said.say);
    place.append(...parts, edits ? edits.place : el('p', { className: 'muted', textContent: `${found.fixed}.` }), words, el('div', { className: 'browse' }, [tiles, large]), said);
    for (const each of [which.select, split.select, sees]) each.addEventListener('change', filter);
    find.addEventListener('input', filter);
    keys({ Enter: ['see it large', () => chosen(tiles.place)], j: ['next picture', () => tiles.choose(tiles.place + 1)], k: ['picture before', () => tiles.choose(tiles.place - 1)] });
    await filter();

    async function filter() {
      filters = { source: found.source, at: found.at, class: which.select.value, split: split.select.value, find: find.value.trim() };
      keep('data', { source: found.source, class: which.select.value, split: split.select.value, find: find.value.trim(), as: sees.checked ? 'net' : '' });
      known.clear();
      asked.clear();
      await block(0);
      tiles.scrollTop = 0;
      tiles.count(total);
      words.textContent = `${total.toLocaleString('en')} pictures`;
      if (total) tiles.choose(0, false);
      else large.replaceChildren();
    }

    async function block(/** @type {number} */ number) {
      if (asked.has(number)) return;
      asked.add(number);
      const mine = filters;
      try {
        const rows = await get('data/rows', { ...filters, from: number * BLOCK, count: BLOCK });
        if (mine !== filters || !here()) return;
        total = rows.total;
        rows.ids.forEach((id, i) => known.set(number * BLOCK + i, { id, label: rows.labels[i], name: rows.names[i], split: rows.splits[i] }));
        for (let i = number * BLOCK; i < Math.min(total, (number + 1) * BLOCK); i++) tiles.refresh(i);
      } catch (error) {
        asked.delete(number);
        place.append(problem(error));
      }
    }

    function draw(/** @type {number} */ i) {
      const row = known.get(i);
      if (!row) {
        block(Math.floor(i / BLOCK));
        return el('span', { className: 'muted', textContent: '…' });
      }
      return el('span', { className: `inner ${done.has(row.id) ? 'edited' : ''}` }, [el('img', { alt: row.name, src: picture(row), className: 'pixels', width: 96, height: 96 }), el('span', { textContent: String(named(row)) })]);
    }

    function chosen(/** @type {number} */ i) {
      const row = known.get(i);
      if (!row) return;
      large.replaceChildren(el('img', { alt: row.name, className: 'pixels', src: picture(row, 320) }), el('figcaption', {}, [`${row.name}: ${named(row)}`, row.split ? `, ${row.split}` : '']));
      edits?.follow(row);
    }
  }
}

function counts(/** @type {any} */ found) {
  const names = Object.keys(found.counts);
  if (!found.classes.length) return el('p', { textContent: names.map((name) => `${name} ${found.counts[name][0]}`).join(', ') });
  const shown = found.classes.slice(0, 60);
  return el('details', { open: shown.length <= 12 }, [el('summary', { textContent: `${found.classes.length} ${found.several ? 'labels' : 'classes'} by split` }), el('div', { className: 'wide' }, [el('table', {}, [
    el('thead', {}, [el('tr', {}, [found.several ? 'label' : 'class', ...names].map((text) => el('th', { scope: 'col', textContent: text })))]),
    el('tbody', {}, shown.map((name, k) => el('tr', {}, [el('th', { scope: 'row', textContent: name }), ...names.map((part) => el('td', { className: 'number', textContent: String(found.counts[part][k]) }))])))])]),
    found.classes.length > shown.length ? el('p', { className: 'muted', textContent: `and ${found.classes.length - shown.length} more` }) : '']);
}

function problems(/** @type {any} */ found) {
  const count = found.problems.length + found.more_problems;
  if (!count) return el('p', { textContent: 'Every file can be read; no copies, leaks or contradictions were found.' });
  return el('details', {}, [el('summary', { textContent: `${count} remarks: what is wrong with it` }), el('ul', {}, found.problems.map((each) => el('li', { textContent: `${each.path}: ${each.reason}${each.left_out ? ' (left out)' : ''}` }))),
    el('p', { className: 'muted' }, ['Twins, shortcuts and labels that are probably wrong: ', el('code', { textContent: found.clean })])]);
}
