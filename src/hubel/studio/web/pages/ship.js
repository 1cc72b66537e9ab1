// Try and ship: pictures and the camera answered at once; right or wrong becomes data; the run as one file.

import { get, post, to } from '../ask.js';
import { el } from '../dom.js';
import { runs } from '../parts/choose.js';
import { camera, drop } from '../parts/pictures.js';
import { command, percent, problem, tried } from '../parts/said.js';

export const title = 'Try and ship';
const KEPT = 24;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  const place = el('div'), head = el('div', { className: 'line' });
  /** @type {(() => void)[]} */
  let leaving = [];
  const leave = () => { for (const act of leaving) act(); leaving = []; };
  main.append(el('h1', { textContent: 'Try and ship' }), head, place);
  const chosen = await runs('ship', parameters, open);
  head.append(chosen.place);
  if (chosen.run) await open(chosen.run);
  return leave;

  async function open(/** @type {string} */ run) {
    leave();
    const about = await tried(place, () => get('ship/about', { run }));
    if (!about) return;
    const said = command(about.predict), answers = el('ol', { className: 'answers', 'aria-live': 'polite' }), words = el('div'), live = el('div', { className: 'live', hidden: true });
    const film = camera(), button = el('button', { type: 'button', textContent: 'Camera', 'aria-pressed': 'false' }), pick = drop(take);
    button.addEventListener('click', shoot);
    leaving.push(() => film.stop(), pick.leave);
    place.replaceChildren(
      el('p', { textContent: `${about.net} knows ${about.classes.length ? `${about.classes.length} ${about.several ? 'labels, of which several may be there' : 'classes'}: ${about.classes.slice(0, 10).join(', ')}${about.classes.length > 10 ? ' …' : ''}` : 'a number'}; it sees ${about.input.slice(1).join(' × ')} pixels${about.input[0] === 1 ? ' in grey' : ''}.` }),
      pick, el('p', { className: 'line' }, [button]), words, el('div', { className: 'line top' }, [film.video, live]), answers, said, ship(run, about));

    async function take(/** @type {File[]} */ files) {
      for (const file of files) {
        const item = el('li');
        answers.prepend(item);
        while (answers.children.length > KEPT) answers.lastElementChild.remove();
        try {
          const found = await post('ship/answer', file, { run });
          item.append(...drawn(found, file, file.name || 'picture'));
        } catch (/** @type {any} */ error) {
          item.append(el('p', { className: 'muted', textContent: file.name }), problem(error));
        }
      }
    }

    /** A picture with its answer, and what becomes of it. */
    function drawn(/** @type {any} */ found, /** @type {Blob} */ blob, /** @type {string} */ name) {
      const image = el('img', { alt: name, src: URL.createObjectURL(blob) }), told = el('p', { role: 'status' });
      leaving.push(() => URL.revokeObjectURL(image.src));
      const parts = [image, el('div', {}, [el('p', { className: 'muted', textContent: `${name}, ${found.milliseconds} ms` }), bars(found)])];
      if (about.several) parts[1].append(el('p', { className: 'muted', textContent: 'To learn from it: put it beside the table of the data, write a line with its labels there, and train again.' }));
      else if (about.classes.length) {
        const other = el('select', { 'aria-label': 'What it is' }, [el('option', { value: '', textContent: 'it is …' }), ...about.classes.map((/** @type {string} */ each) => el('option', { value: each, textContent: each })), el('option', { value: '\n', textContent: 'another class …' })]);
        const right = el('button', { type: 'button', textContent: '✓ Right', title: 'keep it for the next training', onclick: () => keep(found.label) });
        other.addEventListener('change', () => {
          const label = other.value === '\n' ? prompt('Its class') ?? '' : other.value;
          if (label) keep(label);
        });
        parts[1].append(el('p', { className: 'line' }, [right, el('label', {}, ['✗ ', other])]), told);
        async function keep(/** @type {string} */ label) {
          try {
            const kept = await post('ship/keep', blob, { run, label });
            told.replaceChildren(`Kept as ${label}: ${kept.file}. `, el('a', { href: to('train', { data: kept.source }), textContent: 'Train again with it' }));
            right.disabled = other.disabled = true;
          } catch (error) {
            told.replaceChildren(problem(error));
          }
        }
      }
      return parts;
    }

    async function shoot() {
      if (film.on) return stop();
      words.replaceChildren();
      try {
        await film.start();
      } catch (/** @type {any} */ error) {
        film.stop();
        words.replaceChildren(el('p', { className: 'problem', textContent: `The camera cannot be used: ${error.message}` }));
        return undefined;
      }
      button.setAttribute('aria-pressed', 'true');
      button.textContent = 'Stop the camera';
      live.hidden = false;
      let frames = 0, began = performance.now();
      const hold = el('button', { type: 'button', textContent: 'Keep this one' }), place = el('div'), pace = el('p', { className: 'muted' });
      live.replaceChildren(place, pace, hold);
      let last = null, item = null;
      hold.addEventListener('click', () => { if (last && item) answers.prepend(el('li', {}, drawn(item, last, 'camera'))); });
      while (film.on) {
        const blob = document.hidden ? null : await film.frame();
        if (!blob) { await new Promise((done) => setTimeout(done, 100)); continue; }
        try {
          const found = await post('ship/answer', blob, { run });
          if (!film.on) break;
          [last, item] = [blob, found];
          place.replaceChildren(bars(found));
          frames++;
          document.documentElement.dataset.frames = String(frames);
          if (performance.now() - began > 1000) {
            pace.textContent = `${(frames / ((performance.now() - began) / 1000)).toFixed(0)} pictures a second`;
            document.documentElement.dataset.pace = String(frames / ((performance.now() - began) / 1000));
            [frames, began] = [0, performance.now()];
          }
        } catch (error) {
          words.replaceChildren(problem(error));
          await new Promise((done) => setTimeout(done, 1000));
        }
      }
      return undefined;
    }

    function stop() {
      film.stop();
      live.hidden = true;
      button.setAttribute('aria-pressed', 'false');
      button.textContent = 'Camera';
    }
  }
}

const UNLIKE = ' · unlike anything it was shown: do not believe it';

/** The most probable classes as bars with their numbers, and whether it knows such pictures at all. */
function bars(/** @type {any} */ found) {
  if (!found.top.length) return el('p', {}, [el('strong', { textContent: found.label })]);
  if (found.labels) return labelBars(found);
  const unsure = found.plausible.length > 1 ? `Plausible: ${found.plausible.join(', ')}` : '';
  return el('div', {}, [
    el('p', {}, [el('strong', { textContent: found.label }), found.known === false ? UNLIKE : '']),
    el('ul', { className: 'bars' }, found.top.map(([label, share]) => el('li', {}, [
      el('span', { className: 'name', textContent: label, title: label }), el('span', { className: 'track' }, [el('span', { className: 'bar', style: { width: `${100 * share}%` } })]), el('span', { className: 'share', textContent: percent(share) })]))),
    unsure && el('p', { className: 'muted', textContent: unsure })]);
}

/** Each label as a bar with the threshold from which on it is said; those that are said first, in words too. */
function labelBars(/** @type {any} */ found) {
  return el('div', {}, [
    el('p', {}, [el('strong', { textContent: found.labels.length ? found.labels.join(', ') : 'none of its labels' }), found.known === false ? UNLIKE : '']),
    el('ul', { className: 'bars' }, found.top.map(([label, share], i) => {
      const said = found.labels.includes(label), from = `said from ${percent(found.limits[i])} on`;
      return el('li', { className: said ? 'said' : '' }, [
        el('span', { className: 'name', textContent: `${said ? '✓ ' : ''}${label}`, title: `${label}, ${from}` }),
        el('span', { className: 'track', title: from }, [el('span', { className: 'bar', style: { width: `${100 * share}%` } }), el('span', { className: 'limit', style: { left: `${100 * found.limits[i]}%` } })]),
        el('span', { className: 'share', textContent: percent(share) })]);
    })),
    el('p', { className: 'muted', textContent: `The mark on a bar is the probability from which on its label is said: ${found.top.map(([label], i) => `${label} ${percent(found.limits[i])}`).join(', ')}.` })]);
}

/** The run as a file, with the proof that it answers alike. */
function ship(/** @type {string} */ run, /** @type {any} */ about) {
  const form = el('select', { id: 'form' }, about.forms.map((/** @type {string} */ each) => el('option', { value: each, textContent: { page: 'page: one HTML file with the net in it', onnx: 'onnx: a file for any runtime', program: 'program: for PyTorch' }[each] ?? each })));
  const whole = el('input', { type: 'checkbox' }), words = el('pre', { hidden: true }), said = command(about.export[form.value]), button = el('button', { textContent: 'Write it' });
  const say = () => said.say(about.export[form.value] + (whole.checked ? ' --int8' : ''));
  form.addEventListener('change', say);
  whole.addEventListener('change', say);
  return el('section', {}, [
    el('h2', { textContent: 'Ship' }), el('p', { textContent: 'Before it is written, the file and the net are asked about the same pictures; where they differ, nothing is written.' }),
    el('form', { className: 'line', onsubmit: write }, [el('label', { for: 'form', textContent: 'As' }), form, el('label', {}, [whole, ' 8-bit numbers']), button]), words, said,
    el('p', {}, ['Or answer others over HTTP: ', el('code', { textContent: about.serve })])]);

  async function write(/** @type {Event} */ event) {
    event.preventDefault();
    button.disabled = true;
    words.hidden = false;
    words.textContent = 'Writing …';
    try {
      let job = await post('ship/export', { run, form: form.value, int8: whole.checked });
      said.say(job.command);
      while (job.state === 'running') {
        await new Promise((done) => setTimeout(done, 300));
        job = (await get('home/jobs')).find((/** @type {any} */ each) => each.id === job.id) ?? job;
        words.textContent = job.said.trim() || 'Writing …';
      }
      words.textContent = `${job.state === 'done' ? '' : 'Nothing was written.\n'}${job.said.trim()}`;
    } catch (/** @type {any} */ error) {
      words.textContent = `${error.message} ${error.hint ?? ''}`;
    }
    button.disabled = false;
  }
}
