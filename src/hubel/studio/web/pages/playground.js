// Playground: small nets on points. Everything is computed in a worker of this page; nothing is asked of any server.

import { el } from '../dom.js';
import { keys } from '../keys.js';
import { ACTIVATIONS } from '../net/activations.js';
import { CLASSES, ramp } from '../net/colours.js';
import { LOSSES } from '../net/losses.js';
import { OPTIMISERS } from '../net/net.js';
import { DATA, MOST_CLASSES, MOST_POINTS, SIDE } from '../net/points.js';
import { decode, encode, LIVE, mended, PENALTIES, RATES, SPEEDS, STEPS, STRENGTHS } from '../net/state.js';
import { button, choice, darkness, slider, tick } from '../parts/controls.js';
import { lines } from '../parts/lines.js';
import { away } from '../parts/play-away.js';
import { dataSets, tables } from '../parts/play-data.js';
import { field, mark, rgb } from '../parts/play-field.js';
import { netView } from '../parts/play-net.js';
import { PHASES, slow } from '../parts/play-slow.js';
import { saver } from '../parts/save.js';
import { sheets } from '../parts/sheet.js';
import { work } from '../parts/work.js';

export const title = 'Playground';

const number = (/** @type {number} */ v) => (Number.isFinite(v) ? (Math.abs(v) < 0.0005 && v !== 0 ? v.toExponential(1) : v.toFixed(3)) : String(v));
const percent = (/** @type {number} */ v) => (Number.isFinite(v) ? `${(100 * v).toFixed(1)} %` : '');
const texts = (/** @type {any[]} */ all) => Object.fromEntries(all.map((v) => [String(v), String(v)]));
const PHASE = 1250;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  await sheets('controls.css', 'play.css');
  let state = decode(parameters), playing = false, gone = false, asked = false, spoken = 0, phase = -1, resume = false;
  /** @type {any} */ let frame = null, late = null, told = null, ready = null, place = null;
  /** @type {any[]} */ let past = [];
  let pen = 1;
  const ours = work((message) => heard(message)), { send } = ours;
  const shade = darkness((dark) => { send({ kind: 'live', settings: {}, dark }); draw.net(); sets.put(state, dark); });
  const page = document.documentElement;

  // ---- what is shown ----
  const play = button('Play', toggle, { className: 'main', 'aria-keyshortcuts': 'Space' });
  const counter = el('span', { className: 'counter', role: 'status', 'aria-live': 'off' }), said = el('p', { className: 'said muted', role: 'status' });
  const alarm = el('p', { className: 'alarm', role: 'alert', hidden: true });
  const speed = choice('Speed', SPEEDS, state.speed, (v) => change({ speed: v }));
  const by = choice('A step is', STEPS, state.by, (v) => change({ by: v }));
  const controls = {
    rate: choice('Learning rate', texts(RATES), state.rate, (v) => change({ rate: Number(v) })),
    activation: choice('Activation, all layers', { '': 'by layer', ...Object.fromEntries(Object.values(ACTIVATIONS).map((a) => [a.name, a.title])) }, '', (v) => v && change({ layers: state.layers.map((l) => ({ ...l, activation: v })) })),
    about: choice('Problem', { classes: 'Classes', values: 'Values (regression)' }, state.about, (v) => change({ about: v, data: state.data === 'own' ? 'own' : v === 'values' ? 'plane' : 'circle', points: [] })),
    classes: choice('Classes', texts(Array.from({ length: MOST_CLASSES - 1 }, (_, i) => i + 2)), state.classes, (v) => change({ classes: Number(v), loss: Number(v) > 2 ? 'cross-entropy' : state.loss, points: state.points.filter((p) => p.target < Number(v)) })),
    loss: choice('Loss', {}, state.loss, (v) => change({ loss: v })),
    optimiser: choice('Optimiser', OPTIMISERS, state.optimiser, (v) => change({ optimiser: v })),
    momentum: choice('Momentum', texts([0.5, 0.8, 0.9, 0.95, 0.99]), state.momentum, (v) => change({ momentum: Number(v) })),
    penalty: choice('Regularisation', PENALTIES, state.penalty, (v) => change({ penalty: v, strength: v === 'none' ? 0 : state.strength || 0.001 })),
    strength: choice('Its rate', texts(STRENGTHS), state.strength, (v) => change({ strength: Number(v) })),
  };
  const sliders = {
    train: slider('Share for training', { min: 10, max: 90, step: 10, unit: ' %' }, state.train, (v) => change({ train: v })),
    noise: slider('Noise', { min: 0, max: 50, step: 5 }, state.noise, (v) => change({ noise: v })),
    batch: slider('Batch', { min: 1, max: 30 }, state.batch, (v) => change({ batch: v })),
  };
  const ticks = {
    test: tick('Show the test points', state.test, (v) => change({ test: v })), sharp: tick('Only the answer, not how sure', state.sharp, (v) => change({ sharp: v })),
    away: tick('Go on in a hidden tab', state.away, (v) => change({ away: v })),
  };
  const sets = dataSets((name) => change({ data: name, ...(name === 'own' ? {} : { about: DATA[name].about }) }));
  const table = tables((points, about, classes) => change({ data: 'own', about, points, classes: about === 'classes' ? Math.max(2, classes) : state.classes, loss: classes > 2 && about === 'classes' ? 'cross-entropy' : state.loss }), () => state);
  const pens = el('div', { className: 'classes', role: 'group', 'aria-label': 'Class of the next point' });
  const square = field({
    hover: (at) => { place = at; if (at) send({ kind: 'probe', place: at }); },
    add: (x, y) => own([...state.points, { x, y, target: state.about === 'values' ? (pen ? 1 : -1) : pen }]),
    move: (i, x, y, done) => { const points = state.points.map((p, n) => (n === i ? { ...p, x, y } : p)); if (done) own(points); else { state.points = points; draw.points(points, []); } },
    remove: (i) => own(state.points.filter((_, n) => n !== i)),
    choose: (k) => { pen = k; draw.pens(); },
  });
  const net = netView({
    change: (patch) => change(patch), big: (unit) => send({ kind: 'big', unit }), weight: (at, value) => { send({ kind: 'weight', at, value }); again(); }, opened: () => again(),
  });
  const chart = lines('Loss', [{ name: 'training', colour: '--blue' }, { name: 'test', colour: '--orange', dash: [4, 3] }]);
  const numbers = { train: el('span'), test: el('span'), rightTrain: el('span'), rightTest: el('span') };
  const panel = slow(), taken = away(() => ({ state, train: ready?.train ?? [] }), (hide) => change({ hide }));
  const legend = el('div', { className: 'ramp' }), advice = el('p', { className: 'said' });

  main.append(
    el('h1', { textContent: 'Playground' }),
    el('p', { className: 'muted', textContent: 'A small net learns to tell points apart while you watch. Change anything: points, net, weights. Nothing leaves this page.' }),
    el('div', { className: 'bar', role: 'group', 'aria-label': 'Training', dataset: { part: 'run' } }, [
      play, button('Step', step), button('Rewind', rewind, { title: 'Back to the same weights' }), button('New weights', fresh), button('Undo', undo, { title: 'The state before' }), speed, by, counter]),
    el('div', { className: 'bar', role: 'group', 'aria-label': 'Settings', dataset: { part: 'settings' } }, Object.values(controls)),
    alarm,
    el('div', { className: 'board' }, [
      el('section', { className: 'left', 'aria-label': 'Data', dataset: { part: 'data' } }, [el('h2', { textContent: 'Points' }), sets.node, pens, advice, ...Object.values(sliders), el('p', { className: 'line' }, [
        button('New points', () => change({ seed: (state.seed + 1) % 1000000 })), button('Edit these', () => ready && change({ data: 'own', points: [...ready.train, ...ready.test].slice(0, MOST_POINTS) }))]), table.node]),
      el('section', { className: 'middle', 'aria-label': 'Net', dataset: { part: 'net' } }, [
        el('div', { className: 'line' }, [el('h2', { textContent: 'Net' }), button('− layer', net.layers.less, { className: 'quiet' }), button('+ layer', net.layers.more, { className: 'quiet' }), el('span', { className: 'muted', textContent: 'Solid blue: plus; dashed orange: minus. Click a link or a unit to change its weights.' })]), net.node, net.card]),
      el('section', { className: 'right', 'aria-label': 'Output', dataset: { part: 'output' } }, [
        el('h2', { textContent: 'Output' }), square.node, legend,
        el('div', { className: 'numbers' }, [
          el('span', {}, [el('i', { className: 'swatch train' }), 'Training loss']), numbers.train, numbers.rightTrain, el('span', {}, [el('i', { className: 'swatch test' }), 'Test loss']), numbers.test, numbers.rightTest]),
        chart.canvas, chart.table, ...Object.values(ticks), said]),
    ]),
    panel.node, taken.node, saver('playground', main),
  );

  const draw = {
    points(/** @type {any[]} */ train = ready?.train ?? [], test = ready?.test ?? []) { square.points({ train, test, showTest: state.test || state.data === 'own', values: state.about === 'values', own: state.data === 'own' }, state.points); },
    net() { if (ready) { net.build(state, ready.dense, ready.dense[ready.dense.length - 1].units, matchMedia('(prefers-color-scheme: dark)').matches); if (frame) net.frame(frame); } draw.legend(); },
    pens() {
      const kinds = state.about === 'values' ? ['−1', '+1'] : Array.from({ length: state.classes }, (_, i) => `class ${i + 1}`);
      pen = Math.min(pen, kinds.length - 1);
      pens.hidden = state.data !== 'own';
      pens.replaceChildren(...kinds.map((name, k) => { const canvas = el('canvas', { width: 32, height: 32, 'aria-hidden': 'true' }); const c = canvas.getContext('2d'); c.scale(2, 2); mark(c, k, 8, 8, 5, rgb(CLASSES[k]), '#fff'); return el('button', { type: 'button', 'aria-pressed': String(k === pen), onclick: () => { pen = k; draw.pens(); } }, [canvas, name]); }));
      advice.textContent = state.data !== 'own' ? '' : `${state.points.length} own points. Click into the square to add one, drag to move it, drag it out or click it with the right button to remove it. By keys: arrows, Enter, Delete, digits for the class.`;
    },
    legend() {
      const values = state.about === 'values', two = values || state.classes === 2;
      if (two) {
        const canvas = el('canvas', { width: 255, height: 1, role: 'img', 'aria-label': 'from orange to blue' });
        canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(ramp(shade.dark).buffer), 255, 1), 0, 0);
        legend.replaceChildren(...(values ? ['−1', canvas, '+1'] : ['● class 1', canvas, '■ class 2']));
      } else legend.replaceChildren(...['●', '■', '▲', '◆', '✚', '★'].slice(0, state.classes).map((sign, k) => el('span', {}, [el('span', { textContent: sign, style: { color: rgb(CLASSES[k]) } }), ` class ${k + 1}`])));
    },
    controls() {
      for (const name of ['rate', 'about', 'classes', 'optimiser', 'momentum', 'penalty', 'strength']) controls[name].put(state[name]);
      const same = new Set(state.layers.map((l) => l.activation));
      controls.activation.put(same.size === 1 ? [...same][0] : '');
      controls.loss.options(Object.fromEntries(Object.values(LOSSES).filter((l) => l.about === 'both' || l.about === state.about).map((l) => [l.name, l.title])));
      controls.loss.put(state.loss);
      controls.classes.hidden = state.about === 'values';
      controls.momentum.hidden = state.optimiser !== 'momentum';
      controls.strength.hidden = state.penalty === 'none';
      for (const name of ['train', 'noise', 'batch']) sliders[name].put(state[name]);
      sliders.noise.hidden = state.data === 'own';
      for (const name of ['test', 'sharp', 'away']) ticks[name].put(state[name]);
      speed.put(state.speed);
      by.put(state.by);
      sets.put(state, shade.dark);
      for (const part of main.querySelectorAll('[data-part]')) part.hidden = state.hide.includes(part.dataset.part);
      draw.pens();
    },
    frame() {
      square.paint(frame.out, frame.side);
      net.frame(frame);
      const epoch = String(frame.epoch).padStart(6, '0').replace(/(\d{3})$/, ',$1');
      counter.replaceChildren(epoch, el('small', { textContent: `epochs; ${frame.samples.toLocaleString('en')} points seen` }));
      for (const [which, right] of [['train', 'rightTrain'], ['test', 'rightTest']]) {
        numbers[which].textContent = Number.isFinite(frame[which].loss) ? number(frame[which].loss) : '–';
        numbers[right].textContent = Number.isFinite(frame[which].accuracy) ? `${percent(frame[which].accuracy)} right` : '';
      }
      chart.add([frame.epoch + frame.at / Math.max(1, frame.n), frame.train.loss, frame.test.loss]);
      if (performance.now() - spoken > 1000 || !playing) {
        spoken = performance.now();
        const words = `epoch ${frame.epoch}: training loss ${number(frame.train.loss)}, test loss ${number(frame.test.loss)}${state.about === 'classes' ? `, right ${percent(frame.train.accuracy)} and ${percent(frame.test.accuracy)}` : ''}`;
        chart.say(words);
        square.say(`${frame.shown ? `Unit h${frame.shown.block + 1}.${frame.shown.unit + 1}` : 'What the net says'} in the square from −6 to 6; ${words}`);
      }
      page.dataset.epoch = String(frame.epoch);
      page.dataset.frames = String(Number(page.dataset.frames ?? 0) + 1);
    },
  };

  // ---- what happens ----
  function change(/** @type {any} */ patch) {
    const live = Object.keys(patch).every((name) => LIVE.includes(name)), before = encode(state);
    state = mended({ ...state, ...patch });
    if (encode(state) !== before && !live) past.push(before);
    if (past.length > 100) past.shift();
    history.replaceState(null, '', `#/playground${encode(state) ? `?${encode(state)}` : ''}`);
    draw.controls();
    taken.fresh();
    if (live) {
      if ('speed' in patch && playing) { pause(); start(); }
      send({ kind: 'live', settings: Object.fromEntries(LIVE.map((name) => [name, state[name]])) });
      if ('test' in patch) draw.points();
    } else setup();
  }
  const own = (/** @type {any[]} */ points) => { if (points.length <= MOST_POINTS) change({ points: points.map((p) => ({ ...p, x: Math.max(-SIDE, Math.min(SIDE, p.x)), y: Math.max(-SIDE, Math.min(SIDE, p.y)) })) }); };
  function setup() {
    const on = playing;
    pause();
    chart.clear();
    panel.hide();
    phase = -1;
    told = late = null;
    send({ kind: 'setup', state, dark: shade.dark });
    if (on) start();
  }
  function undo() {
    if (frame?.undoable) { send({ kind: 'back', how: 'undo' }); return; }
    const words = past.pop();
    if (words === undefined) { said.textContent = 'There is nothing to undo.'; return; }
    state = decode(words);
    history.replaceState(null, '', `#/playground?${words}`);
    draw.controls();
    setup();
  }
  function rewind() { pause(); chart.clear(); phase = -1; late = null; panel.hide(); send({ kind: 'rewind' }); said.textContent = 'Back at the same start.'; }
  function fresh() { change({ start: (state.start + 1) % 1000000 }); }
  const again = () => send({ kind: 'probe', place: place ?? ready?.train[0] ?? { x: 1, y: 1 } });
  function toggle() { if (playing) pause(); else start(); }
  function start() {
    if (frame?.bad) return;
    if (state.data === 'own' && !state.points.length) { said.textContent = 'There are no points yet: click into the square.'; return; }
    playing = true;
    play.textContent = 'Pause';
    page.dataset.playing = '1';
    if (state.speed === 'slow') { forth(); return; }
    if (state.speed === 'full') send({ kind: 'play' });
    ask();
  }
  function pause() {
    const was = playing;
    playing = false;
    play.textContent = 'Play';
    delete page.dataset.playing;
    if (was) send({ kind: 'pause' });
  }
  function step() { pause(); if (state.speed === 'slow') forth(); else send({ kind: 'step', by: state.by }); }
  /** The next frame, once the last is drawn. */
  function ask() {
    if (!playing || gone || asked || state.speed === 'slow') return;
    asked = true;
    const next = () => { asked = false; if (playing && !gone) send({ kind: 'ask', advance: state.speed === 'full' ? 0 : 1 }); };
    if (state.speed === 'second') setTimeout(next, 1000);
    else requestAnimationFrame(next);
  }
  /** One phase further in slow motion. */
  function forth() {
    if (phase < 0 || phase >= PHASES.length - 1) { phase = -1; send({ kind: 'trace', by: state.by === 'sample' ? 'sample' : 'batch' }); return; }
    phase++;
    panel.phase(phase);
    if (phase === PHASES.length - 1 && late) { frame = late; late = null; draw.frame(); }
    if (playing) setTimeout(() => { if (playing && !gone && state.speed === 'slow') forth(); }, PHASE);
  }
  const nameOf = (/** @type {any} */ u) => {
    const last = u.block > state.layers.length, unit = last ? `o${ready.dense[ready.dense.length - 1].units > 1 ? u.unit : ''}` : `h${u.block}.${u.unit}`;
    if (u.what !== 'weight') return `${u.what} of ${unit}`;
    const from = u.block === 1 ? ({ x: 'x₁', y: 'x₂', xx: 'x₁²', yy: 'x₂²', xy: 'x₁x₂', sx: 'sin x₁', sy: 'sin x₂' })[state.features[u.source - 1]] : `h${u.block - 1}.${u.source}`;
    return `${from} → ${unit}`;
  };

  function heard(/** @type {any} */ data) {
    if (gone) return;
    if (data.kind === 'ready') { ready = data; draw.net(); draw.points(); taken.fresh(); page.dataset.ready = String(Number(page.dataset.ready ?? 0) + 1); return; }
    if (data.kind === 'failed') { pause(); alarm.hidden = false; alarm.replaceChildren(data.why); return; }
    if (data.kind === 'probed') {
      net.written(data);
      if (place) said.textContent = state.about === 'values' ? `At (${number(place.x)}, ${number(place.y)}): ${number(data.answer)}` : `At (${number(place.x)}, ${number(place.y)}): ${data.share.map((/** @type {number} */ p, /** @type {number} */ k) => `class ${k + 1} ${percent(p)}`).join(', ')}`;
      return;
    }
    if (data.kind === 'traced') { told = data; phase = 0; panel.tell(told, nameOf, state.about === 'values'); panel.phase(0); if (playing) setTimeout(() => { if (playing && !gone) forth(); }, PHASE); return; }
    if (told && phase >= 0 && phase < PHASES.length - 1 && state.speed === 'slow') { late = data; return; }
    frame = data;
    draw.frame();
    alarm.hidden = !frame.bad;
    if (frame.bad) {
      pause();
      alarm.replaceChildren(`The numbers ran away and the training stopped. The first that is no number any more: ${frame.bad.at < 0 ? 'the loss' : `${nameOf(frame.bad)} = ${frame.bad.value}`}. A smaller learning rate helps. `,
        button('Back to the last good weights', () => send({ kind: 'back', how: 'good' })), ' ', button('Rewind', rewind));
    } else ask();
  }
  const hidden = () => {
    if (document.hidden && playing && !state.away) { pause(); resume = true; } else if (!document.hidden && resume) { resume = false; start(); }
  };
  document.addEventListener('visibilitychange', hidden);

  keys({
    ' ': ['play or pause', toggle], '.': ['one step', step], r: ['rewind to the same start', rewind], n: ['new weights', fresh], u: ['undo', undo],
    '1…9': ['data set', (event) => { const name = [...Object.keys(DATA), 'own'][Number(event.key) - 1]; if (name) change({ data: name }); }],
  });
  draw.controls();
  setup();
  return () => { gone = true; ours.end(); shade.over(); document.removeEventListener('visibilitychange', hidden); delete page.dataset.playing; };
}
