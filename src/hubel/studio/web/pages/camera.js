// Camera: a card for each class, a button that is held to record, and a net within a minute.

import { get, keep, post, to } from '../ask.js';
import { el, list } from '../dom.js';
import { camera } from '../parts/pictures.js';
import { command, problem, quoted } from '../parts/said.js';

export const title = 'Camera';
const PAUSE = 120, FEWEST = 8;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  const set = parameters.get('set') || 'camera', film = camera(), words = el('div'), cards = el('ul', { className: 'cards' });
  const start = el('button', { type: 'button', className: 'main', textContent: 'Start the camera', onclick: begin });
  const name = el('input', { id: 'name', autocomplete: 'off', placeholder: 'for example thumb up', size: 24 });
  const train = el('button', { type: 'button', className: 'main', textContent: 'Train', onclick: learn, disabled: true });
  const why = el('span', { role: 'status' });
  const said = command(`hubel train ${quoted(set)} --time 30s`);
  main.append(
    el('h1', { textContent: 'A set from the camera' }),
    el('p', { textContent: 'Make a card for each thing to tell apart, and one called “nothing” for the empty scene. Hold a card’s button, or the space bar on it, while you show the thing from many sides; change the place and the light between two goes.' }),
    el('p', { className: 'line' }, [start]), film.video, words,
    el('form', { className: 'line', onsubmit: add }, [el('label', { for: 'name', textContent: 'A new card' }), name, el('button', { textContent: 'Add' })]),
    cards, el('p', { className: 'line' }, [train, why]), el('p', {}, [el('span', { className: 'muted', textContent: 'Pictures of one go stay together: they are either learnt from or measured with, never both.' })]), said);
  /** @type {{ name: string, pictures: number }[]} */
  let known = [];
  /** @type {string[]} */
  const fresh = [];
  let recording = '', held = '', left = false;
  keep('camera', { set });

  async function refresh() {
    const found = await get('camera/cards', { set });
    if (left) return;
    known = [...found.classes, ...fresh.filter((each) => !found.classes.some((/** @type {any} */ card) => card.name === each)).map((each) => ({ name: each, pictures: 0 }))];
    said.say(`hubel train ${quoted(found.folder)} --time 30s`);
    draw();
  }

  function draw() {
    list(cards, known, (card) => card.name, (card, old) => {
      const node = old ?? make(card.name);
      node.count.textContent = `${card.pictures} pictures`;
      return node;
    });
    const full = known.filter((card) => card.pictures >= FEWEST).length;
    train.disabled = full < 2 || Boolean(recording);
    why.textContent = full < 2 ? `Two cards with ${FEWEST} pictures or more are needed; ${full === 1 ? 'one has' : 'none has'} them so far.` : '';
  }

  function make(/** @type {string} */ label) {
    const count = el('span', { className: 'state' }), hold = el('button', { type: 'button', className: 'hold', textContent: 'Hold to record', 'aria-pressed': 'false' });
    const back = el('button', { type: 'button', className: 'quiet', textContent: 'Undo the last go', onclick: () => post('camera/forget', { set, label }).then(refresh, (error) => words.replaceChildren(problem(error))) });
    const node = el('li', {}, [el('strong', { textContent: label }), count, el('p', { className: 'line' }, [hold, back])]);
    node.count = count;
    const stop = () => { held = ''; if (recording === label) recording = ''; hold.setAttribute('aria-pressed', 'false'); };
    hold.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
      if (event.isTrusted) hold.setPointerCapture(event.pointerId);  // the button moves when the camera's picture appears
      record(label, hold);
    });
    for (const kind of ['pointerup', 'pointerleave', 'pointercancel', 'blur', 'keyup']) hold.addEventListener(kind, stop);
    hold.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== ' ' && event.key !== 'Enter') return;
      event.preventDefault();
      if (!event.repeat) record(label, hold);
    });
    return node;
  }

  /** Frames of one burst, as long as the button is held. */
  async function record(/** @type {string} */ label, /** @type {any} */ hold) {
    if (recording) return;
    held = label;
    if (!film.on) await begin();
    if (!film.on || held !== label) return;  // let go meanwhile, to allow the camera for example
    recording = label;
    hold.setAttribute('aria-pressed', 'true');
    const burst = `burst${Date.now().toString(36)}`;
    while (recording === label && !left) {
      const blob = await film.frame();
      try {
        if (blob) await post('camera/record', blob, { set, label, burst });
        const card = known.find((each) => each.name === label);
        if (card) card.pictures++;
        draw();
      } catch (error) {
        recording = '';
        words.replaceChildren(problem(error));
      }
      await new Promise((done) => setTimeout(done, PAUSE));
    }
    hold.setAttribute('aria-pressed', 'false');
    await refresh();
  }

  async function begin() {
    if (film.on) {
      film.stop();
      start.textContent = 'Start the camera';
      return;
    }
    words.replaceChildren();
    try {
      await film.start();
      start.textContent = 'Stop the camera';
    } catch (/** @type {any} */ error) {
      film.stop();
      words.replaceChildren(el('p', { className: 'problem', role: 'alert', textContent: `The camera cannot be used: ${error.message}` }));
    }
  }

  function add(/** @type {Event} */ event) {
    event.preventDefault();
    const label = name.value.trim();
    if (!label || known.some((card) => card.name === label)) return;
    fresh.push(label);
    known.push({ name: label, pictures: 0 });
    name.value = '';
    draw();
  }

  async function learn() {
    train.disabled = true;
    words.replaceChildren(el('p', { role: 'status', textContent: 'Starting …' }));
    try {
      let job = await post('camera/train', { set });
      said.say(job.command);
      while (!left && !job.run && job.state === 'running') {
        await new Promise((done) => setTimeout(done, 200));
        job = (await get('home/jobs')).find((/** @type {any} */ each) => each.id === job.id) ?? job;
      }
      if (left) return;
      if (job.run) location.hash = to('train', { run: job.run });
      else words.replaceChildren(el('pre', { textContent: job.said }));
    } catch (error) {
      words.replaceChildren(problem(error));
    }
    draw();
  }

  await refresh();
  return () => { left = true; recording = ''; film.stop(); };
}
