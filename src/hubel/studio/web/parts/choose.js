// Which run a page is about: the newest that has weights, or the one in the address.

import { get, keep, to } from '../ask.js';
import { el } from '../dom.js';

/** A select of the runs that can answer, and the one that is chosen; null where there is none yet. */
export async function runs(/** @type {string} */ page, /** @type {URLSearchParams} */ parameters, /** @type {(run: string) => void} */ chosen) {
  const found = (await get('runs/list')).runs.filter((/** @type {any} */ row) => row.weights);
  const wanted = parameters.get('run') ?? '';
  if (!found.length)
    return { run: '', place: el('p', {}, ['There is no trained run yet. ', el('a', { href: to('train', { data: 'digits' }), textContent: 'Train one on the digits' })]) };
  const run = found.some((/** @type {any} */ row) => row.run === wanted) ? wanted : found[0].run;
  const select = el('select', { id: 'run' }, found.map((/** @type {any} */ row) => el('option', { value: row.run, selected: row.run === run, textContent: `${row.run}: ${row.model} on ${row.data}` })));
  select.addEventListener('change', () => { keep(page, { run: select.value }); chosen(select.value); });
  keep(page, { ...Object.fromEntries(parameters), run });
  return { run, place: el('label', { for: 'run', className: 'line' }, ['Run ', select]) };
}
