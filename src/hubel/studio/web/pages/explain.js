// Explain: why the net says what it says about one picture; several methods, any class, and how far to trust each.

import { get, keep, post } from '../ask.js';
import { el } from '../dom.js';
import { keys } from '../keys.js';
import { runs } from '../parts/choose.js';
import { choice, slider } from '../parts/controls.js';
import { heat } from '../parts/heat.js';
import { drop } from '../parts/pictures.js';
import { command, percent, problem, tried } from '../parts/said.js';
import { saver } from '../parts/save.js';
import { sheets } from '../parts/sheet.js';

export const title = 'Explain';

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  await sheets('controls.css');
  const place = el('div'), head = el('div', { className: 'line' });
  let turn = 0;
  /** @type {(() => void)[]} */
  let leaving = [];
  const leave = () => { turn++; for (const act of leaving) act(); leaving = []; };
  main.append(el('h1', { textContent: 'Explain' }), head, place);
  const chosen = await runs('explain', parameters, (run) => open(run, new URLSearchParams()));
  head.append(chosen.place);
  if (chosen.run) await open(chosen.run, parameters);
  return leave;

  async function open(/** @type {string} */ run, /** @type {URLSearchParams} */ wanted) {
    leave();
    place.replaceChildren(el('p', { className: 'muted', role: 'status', textContent: 'Reading the data of the run …' }));
    const words = el('div'), about = await tried(words, () => get('explain/about', { run }));
    place.replaceChildren(words);
    if (!about) return;
    const splits = Object.keys(about.samples), said = command(`hubel explain ${about.folder} PICTURE`);
    if (!splits.length) words.append(el('p', { className: 'muted', textContent: `${about.lost} Your own pictures can be explained all the same.` }));
    let split = splits.includes('test') ? 'test' : splits[0] ?? '';
    const start = Number(wanted.get('sample') ?? NaN);
    for (const name of splits) if (about.samples[name].includes(start)) split = name;
    const state = { sample: Number.isInteger(start) && start >= 0 ? start : about.samples[split]?.[0] ?? -1, target: wanted.get('target') ?? '', blob: /** @type {Blob | null} */ (null) };
    const ticked = new Set((wanted.get('methods') ?? '').split('|').filter(Boolean));
    if (!ticked.size) about.usual.slice(0, 4).forEach((/** @type {string} */ name) => ticked.add(name));

    const part = el('select', { id: 'split' }, splits.map((name) => el('option', { value: name, textContent: name, selected: name === split })));
    const before = el('button', { type: 'button', textContent: '← Before', onclick: () => step(-1) }), next = el('button', { type: 'button', textContent: 'Next →', onclick: () => step(1) });
    const pick = drop((files) => { state.blob = files[0]; fresh(); }, 'Your own picture');
    const target = el('select', { id: 'target' }, [el('option', { value: '', textContent: about.several ? 'the likeliest that it says' : 'what it says' }), ...about.classes.map((/** @type {string} */ name) => el('option', { value: name, textContent: name, selected: name === state.target }))]);
    const strength = el('input', { type: 'range', id: 'strength', min: 0, max: 1, step: 0.02, value: 0.85 }), least = el('input', { type: 'range', id: 'least', min: 0, max: 1, step: 0.02, value: 0 });
    const trust = el('input', { type: 'checkbox' }), answer = el('div', { className: 'card', 'aria-live': 'polite' }), maps = el('div', { className: 'maps' }), beside = el('div');
    const by = { method: 'pgd', eps: 4 }, done = el('div', { className: 'changed', 'aria-live': 'polite' });
    const strength255 = slider('At most, of 255', { min: 1, max: 64 }, by.eps, (v) => { by.eps = v; });
    const change = el('section', { 'aria-label': 'Change the picture' }, [el('h2', { textContent: 'Change it' }),
      el('p', { className: 'muted', textContent: about.several ? 'How little must change until the label chosen under Why (else the most probable) is said no more, or is? And what alone is enough for what is said of it?' : 'How little must change until the net says something else? And what alone is enough for what it says?' }),
      el('div', { className: 'line' }, [
        choice('What', { pgd: 'Attack in many steps (PGD)', fgsm: 'Attack in one step (FGSM)', flip: 'The smallest change that flips it (counterfactual)', keep: 'The patches that alone keep it' }, by.method, (v) => { by.method = v; strength255.hidden = v === 'flip' || v === 'keep'; }),
        strength255, el('button', { type: 'button', textContent: 'Change it', onclick: alter })]), done]);
    const methods = el('details', {}, [el('summary', { textContent: `Methods: ${about.methods.length} are there` }), el('div', { className: 'settings' }, about.methods.map((/** @type {any} */ method) => {
      const box = el('input', { type: 'checkbox', checked: ticked.has(method.name) });
      box.addEventListener('change', () => { if (box.checked) ticked.add(method.name); else ticked.delete(method.name); draw(); });
      return el('label', {}, [box, ` ${method.name}`, el('br'), el('span', { className: 'muted', textContent: `${method.question} (about ${method.passes} passes)` })]);
    }))]);
    leaving.push(pick.leave);
    place.replaceChildren(
      words,
      el('div', { className: 'line', hidden: !split }, [el('label', { for: 'split', className: 'line' }, ['From', part]), before, next]), pick, answer,
      el('div', { className: 'line' }, [
        el('label', { for: 'target', className: 'line' }, ['Why', target]), el('label', { for: 'strength', className: 'line' }, ['Map', strength]),
        el('label', { for: 'least', className: 'line' }, ['Only the strongest', least]), el('label', {}, [trust, ' check how far to trust each (slower)'])]),
      methods, maps, el('p', {}, [el('button', { type: 'button', textContent: 'The nearest pictures it learnt from', onclick: nearest })]), beside, change, said, saver('explain', main, said.said));
    part.addEventListener('change', () => { split = part.value; [state.sample, state.blob] = [about.samples[split][0], null]; fresh(); });
    target.addEventListener('change', () => { state.target = target.value; draw(); });
    trust.addEventListener('change', draw);
    const paint = () => { for (const canvas of maps.querySelectorAll('canvas')) canvas.paint(Number(strength.value), Number(least.value)); };
    for (const slider of [strength, least]) slider.addEventListener('input', paint);
    keys({ ArrowLeft: ['picture before', () => step(-1)], ArrowRight: ['next picture', () => step(1)] });
    const asking = () => [state.blob ?? {}, { run, ...(state.blob ? {} : { id: state.sample }) }];
    await fresh();

    function step(/** @type {number} */ by) {
      if (!split) return;
      const all = about.samples[split], i = all.indexOf(state.sample);
      [state.sample, state.blob] = [all[(i + by + all.length) % all.length], null];
      fresh();
    }

    async function fresh() {
      const mine = ++turn;
      beside.replaceChildren();
      done.replaceChildren();
      if (state.sample < 0 && !state.blob) return;
      const [body, query] = asking();
      try {
        const found = await post('explain/says', body, query);
        if (mine !== turn) return;
        const right = found.truth ? (found.truth === found.label ? ' ✓' : ` ✗ it is ${found.labels ? found.truth.replaceAll('|', ', ') : found.truth}`) : '';
        answer.replaceChildren(el('p', {}, [el('span', { className: 'muted', textContent: `${found.name}: ` }), el('strong', { textContent: found.labels ? found.labels.join(', ') || 'none of its labels' : found.label }), right, found.known === false ? ' · unlike anything it was shown' : '']),
          el('p', { textContent: found.top.slice(0, found.labels ? found.top.length : 5).map(([name, share], i) => `${name} ${percent(share)}${found.labels ? ` (from ${percent(found.limits[i])} on)` : ''}`).join(' · ') }));
      } catch (error) {
        if (mine === turn) answer.replaceChildren(problem(error));
        return;
      }
      await draw();
    }

    /** The methods one after the other, the quick ones first. */
    async function draw() {
      if (state.sample < 0 && !state.blob) return;
      const mine = ++turn;
      keep('explain', { run, sample: state.blob ? '' : state.sample, target: state.target, methods: [...ticked].join('|') });
      const cost = (/** @type {string} */ name) => about.methods.find((/** @type {any} */ each) => each.name === name)?.passes ?? 0;
      const order = [...ticked].sort((a, b) => cost(a) - cost(b));
      const places = order.map((name) => el('figure', {}, [el('figcaption', {}, [el('strong', { textContent: name }), ' …'])]));
      maps.replaceChildren(...places);
      const [body, query] = asking();
      for (const [i, method] of order.entries()) {
        try {
          const found = await post('explain/map', body, { ...query, method, target: state.target, trust: trust.checked ? 1 : 0 });
          if (mine !== turn) return;
          const canvas = heat(found), question = about.methods.find((/** @type {any} */ each) => each.name === method)?.question ?? '';
          places[i].replaceChildren(canvas, el('figcaption', {}, [
            el('strong', { textContent: method }), ` why ${found.target}${found.layer ? `, at ${found.layer}` : ''}, ${found.seconds.toFixed(2)} s. `, question, ' ',
            found.signed ? 'Orange speaks for it, blue against it.' : 'Bright is important.', found.note ? ` ${found.note}.` : '',
            found.trust && el('p', { className: found.trust.good ? 'good' : 'bad', textContent: `${found.trust.good ? '✓' : '✗'} ${found.trust.sentence}` })]));
          canvas.paint(Number(strength.value), Number(least.value));
          said.say(found.command);
        } catch (error) {
          if (mine !== turn) return;
          places[i].replaceChildren(el('figcaption', {}, [el('strong', { textContent: method }), problem(error)]));
        }
      }
      document.documentElement.dataset.maps = String(order.length);
    }

    async function alter() {
      done.replaceChildren(el('p', { role: 'status', textContent: 'Looking …' }));
      const [body, query] = asking();
      const found = await tried(done, () => post('explain/change', body, { ...query, ...by, ...(about.several ? { target: state.target } : {}) }));
      if (!found) return;
      said.say(found.command);
      const shown = (/** @type {string} */ src, /** @type {string} */ text) => el('figure', {}, [el('img', { className: 'pixels', style: { width: '100%' }, src, alt: text }), el('figcaption', { textContent: text })]);
      const figures = [shown(found.before, `before: ${found.labels[0]}`), shown(found.after, by.method === 'keep' ? `what keeps ${found.labels[1]}` : `after: ${found.labels[1]}`)];
      if (found.difference) {
        const canvas = heat(found.difference);
        canvas.paint(0.9, 0);
        figures.push(el('figure', {}, [canvas, el('figcaption', { textContent: `what was changed, made strong: orange is brighter, blue darker; ${found.difference.largest.toPrecision(2)} of 255 at most` })]));
      }
      done.replaceChildren(el('p', {}, [el('strong', { textContent: found.sentence })]), el('div', { className: 'maps' }, figures));
    }

    async function nearest() {
      beside.replaceChildren(el('p', { role: 'status', textContent: 'Looking …' }));
      const [body, query] = asking();
      const found = await tried(beside, () => post('explain/near', body, query));
      if (!found) return;
      said.say(found.command);
      beside.replaceChildren(...found.lists.map((/** @type {any} */ list) => el('section', {}, [el('h2', { textContent: `Nearest by ${list.by}` }), el('div', { className: 'grid' }, list.pictures.map((src, i) =>
        el('figure', { className: 'tile' }, [el('img', { className: 'pixels', alt: `${list.names[i]}: ${list.labels[i]}`, src }), el('figcaption', { textContent: list.labels[i] })])))])));
    }
  }
}
