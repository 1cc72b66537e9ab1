// Try and ship: pictures and the camera answered at once; right or wrong becomes data; the run as one file.

import { get, post } from '../ask.js';
import { el } from '../dom.js';
import { figures, told } from '../parts/answer.js';
import { runs } from '../parts/choose.js';
import { marks } from '../parts/marks.js';
import { camera, drop } from '../parts/pictures.js';
import { command, problem, tried } from '../parts/said.js';

export const title = 'Try and ship';
const KEPT = 24, SMALL = 96;

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
    if (about.untried) {
      place.replaceChildren(el('p', {}, ['Pictures cannot be tried with it. ']), refusal(about.untried), ship(run, about));
      return;
    }
    const said = command(about.predict), answers = el('ol', { className: 'answers', 'aria-live': 'polite' }), words = el('div'), live = el('div', { className: 'live', hidden: true });
    const film = camera(), button = el('button', { type: 'button', textContent: 'Camera', 'aria-pressed': 'false' }), pick = drop(take);
    button.addEventListener('click', shoot);
    leaving.push(() => film.stop(), pick.leave);
    place.replaceChildren(
      el('p', { textContent: `${about.net} ${knows(about)}; it sees ${about.input.slice(1).join(' × ')} pixels${about.input[0] === 1 ? ' in grey' : ''}.` }),
      about.marks ? '' : el('p', { className: 'muted', textContent: 'No ✓ and ✗ here: they keep a picture under its class or with its labels, and this run says neither of a whole picture. Add pictures to its data by hand.' }),
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
      const image = el('img', { alt: name, src: URL.createObjectURL(blob), onload: () => image.classList.toggle('pixels', image.naturalWidth <= SMALL) }), beside = el('div');
      leaving.push(() => URL.revokeObjectURL(image.src));
      const near = found.distances && el('p', {}, [el('button', { type: 'button', textContent: 'Nearest pictures', onclick: () => nearest(beside, blob) })]);
      return [image, ...figures(found), el('div', {}, [el('p', { className: 'muted', textContent: `${name}, ${found.milliseconds} ms` }), told(found, about), near, beside, ...marks(run, about, found, blob)])];
    }

    /** The pictures it learnt from that lie nearest to this one. */
    async function nearest(/** @type {any} */ beside, /** @type {Blob} */ blob) {
      beside.replaceChildren(el('p', { role: 'status', textContent: 'Looking …' }));
      const found = await tried(beside, () => post('explain/near', blob, { run }));
      if (!found) return;
      const [mine] = found.lists;
      beside.replaceChildren(el('div', { className: 'grid' }, mine.pictures.map((/** @type {string} */ src, /** @type {number} */ i) => el('figure', { className: 'tile' }, [
        el('img', { className: 'pixels', alt: `${mine.names[i]}: ${mine.labels[i]}`, title: mine.names[i], src }), el('figcaption', { textContent: `${mine.labels[i]}, ${mine.distances[i].toFixed(2)}` })]))));
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
          place.replaceChildren(el('div', { className: 'line top' }, figures(found)), told(found, about));
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

const refusal = (/** @type {any} */ why) => problem({ message: why.reason, hint: why.hint });

/** What a run answers with, in words. */
function knows(/** @type {any} */ about) {
  const names = `${about.classes.slice(0, 10).join(', ')}${about.classes.length > 10 ? ' …' : ''}`;
  if (about.marks === 'several') return `knows ${about.classes.length} labels, of which several may be there: ${names}`;
  if (!about.classes.length || about.title) return `${about.title ? 'was trained for' : 'answers with'} ${about.says}${names && about.says.includes('class') ? `: ${names}` : ''}`;
  return `knows ${about.classes.length} classes: ${names}`;
}

const FORMS = { page: 'page: one HTML file with the net in it', onnx: 'onnx: a file for any runtime', program: 'program: for PyTorch' };

/** The run as a file, with the proof that it answers alike; where it is refused, why. */
function ship(/** @type {string} */ run, /** @type {any} */ about) {
  const possible = about.forms.filter((/** @type {any} */ each) => !each.refused), refused = about.forms.filter((/** @type {any} */ each) => each.refused);
  const reasons = [...new Map(refused.map((/** @type {any} */ each) => [each.refused.reason, each.refused])).values()];
  const parts = [el('h2', { textContent: 'Ship' }), ...(possible.length ? written() : []), ...reasons.map(refusal)];
  if (!about.untried) parts.push(el('p', {}, ['Or answer others over HTTP: ', el('code', { textContent: about.serve })]));
  return el('section', {}, parts);

  function written() {
    const form = el('select', { id: 'form' }, about.forms.map((/** @type {any} */ each) => el('option', { value: each.name, disabled: !!each.refused, textContent: FORMS[each.name] ?? each.name })));
    const whole = el('input', { type: 'checkbox' }), why = el('span', { className: 'muted', id: 'whole-why' }), words = el('pre', { hidden: true }), button = el('button', { textContent: 'Write it' });
    form.value = possible[0].name;
    const said = command('');
    const say = () => {
      const refused = about.forms.find((/** @type {any} */ each) => each.name === form.value).whole;
      whole.disabled = !!refused;
      if (refused) whole.checked = false;
      why.textContent = refused ? `${refused.reason}.` : '';
      said.say(about.export[form.value] + (whole.checked ? ' --int8' : ''));
    };
    form.addEventListener('change', say);
    whole.addEventListener('change', say);
    say();
    return [
      el('p', { textContent: 'Before it is written, the file and the net are asked about the same pictures; where they differ, nothing is written.' }),
      el('form', { className: 'line', onsubmit: write }, [el('label', { for: 'form', textContent: 'As' }), form, el('label', {}, [whole, ' 8-bit numbers']), button]), el('p', {}, [why]), words, said];

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
}
