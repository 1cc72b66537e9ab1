// Home: what could be trained on, what runs now, what was trained.

import { get, post, to } from '../ask.js';
import { el, list } from '../dom.js';
import { command, percent, problem } from '../parts/said.js';

export const title = 'Home';

export async function show(/** @type {any} */ main) {
  const about = await get('home/about');
  const words = el('p', { className: 'problem', role: 'status' }), path = el('input', { id: 'path', placeholder: 'photos/', size: 32 });
  const runs = el('ul', { className: 'cards' }, [el('li', { className: 'muted', textContent: 'Loading what nets need …' })]);
  const jobs = el('ul', { className: 'cards' }), sets = el('ul', { className: 'cards' });
  main.append(
    el('h1', { textContent: 'From pictures to a classifier you understand' }),
    el('p', { textContent: `Everything here is on this machine: pictures below ${about.folders.join(', ')}, runs in ${about.runs}.` }),
    el('section', { 'aria-labelledby': 'jobs' }, [el('h2', { id: 'jobs', textContent: 'Now' }), jobs]),
    el('section', { 'aria-labelledby': 'sets' }, [
      el('h2', { id: 'sets', textContent: 'Pictures' }), sets,
      el('p', {}, ['Or ', el('a', { className: 'button', href: to('camera'), textContent: 'Make a set with the camera' }), ' of things to tell apart: a net within a minute.']),
      el('form', { className: 'line', onsubmit: named }, [
        el('label', { for: 'path', textContent: 'A folder or table by its path' }), path, el('button', { textContent: 'Open' })]),
      words]),
    el('section', { 'aria-labelledby': 'runs' }, [el('h2', { id: 'runs', textContent: 'Runs' }), runs]),
    command(`hubel studio ${about.folders.join(' ')}`),
  );

  async function named(/** @type {Event} */ event) {
    event.preventDefault();
    words.replaceChildren();
    try {
      const { source } = await get('home/look', { path: path.value.trim() });
      location.hash = to('data', { source });
    } catch (error) {
      words.replaceChildren(problem(error));
    }
  }

  async function fresh() {
    const found = await get('home/jobs').catch(() => null);
    if (!found) return;
    if (!found.length) jobs.replaceChildren(el('li', { textContent: 'Nothing has been started here yet.' }));
    else list(jobs, found.slice(0, 6), (job) => `${job.id} ${job.state} ${job.run}`, drawn);
  }

  function drawn(/** @type {any} */ job) {
    const lines = job.said.trim().split('\n').filter(Boolean);
    return el('li', { className: `job ${job.state}` }, [
      el('strong', { textContent: job.run || job.kind }), el('span', { className: 'state', textContent: job.state }),
      el('code', { textContent: job.command }),
      job.state === 'failed' && el('p', { className: 'problem', textContent: lines.slice(-2).join(' ') }),
      el('p', { className: 'line' }, [
        job.run && el('a', { href: to('train', { run: job.run }), textContent: 'Watch' }),
        job.state === 'running' && el('button', { type: 'button', className: 'quiet', textContent: 'End it', onclick: () => post('home/stop', { job: job.id }).then(fresh) })]),
    ]);
  }

  await fresh();
  const known = await get('home/sets');
  const digits = { source: 'digits', name: 'Try with digits', what: '1,797 handwritten digits, always there; a net in seconds' };
  list(sets, [digits, ...known], (set) => set.source, (set) => el('li', {}, [
    el('strong', { textContent: set.name }), el('span', { textContent: set.what }),
    el('p', { className: 'line' }, [
      el('a', { className: 'button', href: to('train', { data: set.source }), textContent: 'Train' }),
      el('a', { href: to('data', { source: set.source }), textContent: 'Look at it' })])]));
  let left = false;
  get('runs/list').then((found) => {
    if (left) return;
    if (!found.runs.length) runs.replaceChildren(el('li', { textContent: 'None yet: train one, it takes seconds on the digits.' }));
    else list(runs, (runs.replaceChildren(), found.runs.slice(0, 6)), (run) => run.run, (run) => el('li', {}, [
      el('strong', { textContent: run.run }), el('span', { className: 'state', textContent: `${run.model} on ${run.data}, ${run.held ? 'training' : run.status}${run.test_accuracy === null ? '' : `, test ${percent(run.test_accuracy)}`}` }),
      el('p', { className: 'line' }, [el('a', { href: to('train', { run: run.run }), textContent: 'Curves' }),
        ...(run.weights ? [['evaluate', 'Evaluate'], ['explain', 'Explain'], ['ship', 'Try']].map(([page, text]) => el('a', { href: to(page, { run: run.run }), textContent: text })) : [])])]));
    if (found.runs.length > 6) runs.after(el('p', {}, [el('a', { href: to('runs'), textContent: `All ${found.runs.length}` })]));
  }, (error) => runs.replaceChildren(el('li', {}, [problem(error)])));
  const timer = setInterval(fresh, 1000);
  return () => { left = true; clearInterval(timer); };
}
