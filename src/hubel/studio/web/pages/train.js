// Train: without a run the form of a new one, with a run that run as it goes.

import { get, keep, post, to } from '../ask.js';
import { el, fill } from '../dom.js';
import { form } from '../parts/fields.js';
import { findings } from '../parts/findings.js';
import { command, problem } from '../parts/said.js';
import { watch } from '../parts/watching.js';

export const title = 'Train';
const PAUSE = 500;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  if (parameters.get('run')) return watch(main, String(parameters.get('run')));
  return begin(main, parameters);
}

async function begin(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  main.append(el('h1', { textContent: 'Train' }), el('p', { className: 'muted', textContent: 'Loading …' }));
  const [about, sets, known] = await Promise.all([get('home/about'), get('home/sets'), get('train/form')]);
  const data = el('input', { id: 'data', list: 'data-list', value: parameters.get('data') || 'digits', autocomplete: 'off', size: 28 });
  const lists = { model: known.models, from_: [...known.runs, 'none'], teacher: known.runs };
  const fields = form(known.fields, lists, changed);
  const outlook = el('section', { className: 'card', 'aria-live': 'polite', 'aria-label': 'What would be done' }), said = command('hubel train');
  const words = el('div'), button = el('button', { className: 'main', textContent: 'Train' });
  const doctor = findings('Check it first', 'Ask the doctor (20 seconds at most)', () => post('doctor/before', { data: data.value.trim(), settings: fields.said() }), () => ({ data: data.value.trim(), ...fields.said() }), (text) => said.say(text));
  const given = Object.fromEntries([...parameters].filter(([name]) => name !== 'data'));
  fields.set(given);
  main.replaceChildren(
    el('h1', { textContent: 'Train a classifier' }),
    el('p', { textContent: 'Name the pictures and press Train: everything that is left open is chosen from them, and the reason stands beside it.' }),
    el('form', { className: 'training', onsubmit: start }, [
      el('div', { className: 'line' }, [el('label', { for: 'data', textContent: 'Pictures' }), data,
        el('datalist', { id: 'data-list' }, [...sets.map((set) => set.source), ...about.named].map((value) => el('option', { value }))), button]),
      words, outlook,
      el('p', {}, ['A net of your own: ', el('a', { href: to('build', parameters.get('data') ? { data: parameters.get('data') } : {}), textContent: 'build it of blocks' })]),
      fields.place]),
    doctor, said,
  );
  data.addEventListener('input', changed);
  let timer = 0, asking = false, again = false, left = false;

  function changed() {
    doctor.clear();
    keep('train', { data: data.value.trim(), ...fields.said() });
    clearTimeout(timer);
    timer = window.setTimeout(check, PAUSE);
  }

  /** What would be chosen. One question at a time; the last answer is for the last state of the form. */
  async function check() {
    if (asking) { again = true; return; }
    asking = true;
    outlook.setAttribute('aria-busy', 'true');
    do {
      again = false;
      try {
        const found = await post('train/check', { data: data.value.trim(), settings: fields.said() });
        if (left) return;
        fields.choose(found.recipe, found.reasons);
        said.say(found.command);
        outlook.replaceChildren(...drawn(found));
      } catch (error) {
        if (left) return;
        outlook.replaceChildren(problem(error));
      }
    } while (again);
    asking = false;
    outlook.setAttribute('aria-busy', 'false');
  }

  async function start(/** @type {Event} */ event) {
    event.preventDefault();
    button.disabled = true;
    words.replaceChildren(el('p', { role: 'status', textContent: 'Starting …' }));
    try {
      let job = await post('train/start', { data: data.value.trim(), settings: fields.said() });
      while (!left && !job.run && job.state === 'running') {
        await new Promise((done) => setTimeout(done, 150));
        job = (await get('home/jobs')).find((/** @type {any} */ each) => each.id === job.id) ?? job;
        const last = job.said.trim().split('\n').pop();
        words.firstElementChild.textContent = `Starting … ${last ?? ''}`;
      }
      if (left) return;
      if (job.run) location.hash = to('train', { run: job.run });
      else words.replaceChildren(el('p', { className: 'problem', role: 'alert' }, [el('strong', { textContent: 'It did not start.' })]), el('pre', { textContent: job.said }));
    } catch (error) {
      words.replaceChildren(problem(error));
    }
    button.disabled = false;
  }

  await check();
  return () => { left = true; clearTimeout(timer); };
}

/** What a training would be: pictures, net, problems. */
function drawn(/** @type {any} */ found) {
  const { samples, classes, net, unfit, recipe } = found, lines = [];
  const names = classes.length ? `${classes.length} classes: ${classes.slice(0, 8).join(', ')}${classes.length > 8 ? ' …' : ''}` : 'a number to predict';
  lines.push(el('p', { textContent: `${samples.train.toLocaleString('en')} pictures to learn from, ${samples.val.toLocaleString('en')} to choose by, ${samples.test.toLocaleString('en')} to measure with; ${names}${names.endsWith('…') ? '' : '.'}` }));
  if (unfit) lines.push(el('p', { className: 'problem' }, [el('strong', { textContent: `The net does not fit: ${unfit.reason}. ` }), unfit.hint]));
  if (net) {
    lines.push(el('p', { textContent: `${recipe.model} on ${net.input.join(' × ')}: ${net.params.toLocaleString('en')} parameters, ${short(net.macs)} multiply-adds a picture, ${recipe.epochs ?? '?'} epochs of batches of ${recipe.batch_size}.` }),
      el('details', {}, [el('summary', { textContent: `Its ${net.layers.length} layers` }), el('div', { className: 'wide' }, [el('table', {}, [
        el('thead', {}, [el('tr', {}, ['layer', 'kind', 'output', 'parameters', 'sees'].map((text) => el('th', { scope: 'col', textContent: text })))]),
        el('tbody', {}, net.layers.map((/** @type {any} */ row) => el('tr', {}, [row.name, row.kind, row.output.join(' × '), row.params.toLocaleString('en'), row.field].map((text) => el('td', { textContent: String(text) })))))])])]));
  }
  if (found.problems.length)
    lines.push(el('details', {}, [el('summary', { textContent: `${found.problems.length + found.more_problems} remarks on the pictures` }),
      fill(el('ul'), {}, found.problems.map((/** @type {any} */ each) => el('li', { textContent: `${each.path}: ${each.reason}${each.left_out ? ' (left out)' : ''}` })))]));
  return lines;
}

const short = (/** @type {number} */ count) => (count >= 1e9 ? `${(count / 1e9).toFixed(1)} G` : count >= 1e6 ? `${(count / 1e6).toFixed(1)} M` : count >= 1e3 ? `${(count / 1e3).toFixed(0)} k` : String(count));
