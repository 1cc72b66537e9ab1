// Small pictures: a small convolutional net learns shapes, digits or your drawings, and its filters change before your eyes.

import { tiles } from '../parts/tiles.js';
import { el } from '../dom.js';
import { keys } from '../keys.js';
import { ACTIVATIONS } from '../net/activations.js';
import { asCommand, asYaml } from '../net/export.js';
import { OPTIMISERS } from '../net/net.js';
import { blocksOf, layersOf, layerWords, MOST_DRAWN, packDrawn, SHAPES, SIDE, unpackDrawn } from '../net/shapes.js';
import { button, choice, darkness } from '../parts/controls.js';
import { lines } from '../parts/lines.js';
import { pad } from '../parts/pad.js';
import { command } from '../parts/said.js';
import { sheets } from '../parts/sheet.js';
import { work } from '../parts/work.js';

export const title = 'Small pictures';

const number = (/** @type {number} */ v) => (Number.isFinite(v) ? v.toFixed(3) : '–');
const percent = (/** @type {number} */ v) => (Number.isFinite(v) ? `${(100 * v).toFixed(1)} %` : '');
const texts = (/** @type {any[]} */ all) => Object.fromEntries(all.map((v) => [String(v), String(v)]));
const USUAL = 'c6-3relu,p2,c8-3relu,d16relu';

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  await sheets('controls.css', 'play.css', 'inspect.css', 'pictures.css');
  const among = (/** @type {string} */ name, all, usually) => { const v = parameters.get(name); return v !== null && Object.hasOwn(all, v) ? v : usually; };
  const whole = (/** @type {string} */ name, low, high, usually) => { const v = Number(parameters.get(name) ?? NaN); return Number.isInteger(v) && v >= low && v <= high ? v : usually; };
  const state = {
    data: among('data', { shapes: 1, digits: 1, own: 1 }, 'shapes'), classes: whole('classes', 2, 6, 4), layers: layersOf(parameters.get('net') ?? USUAL), optimiser: among('optimiser', OPTIMISERS, 'adam'),
    rate: Number(among('rate', texts([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]), '0.003')), batch: whole('batch', 1, 60, 12), seed: 1, start: whole('start', 0, 999999, 1), drawn: unpackDrawn(parameters.get('drawn') ?? ''), speed: among('speed', { frame: 1, full: 1 }, 'frame'),
  };
  let playing = false, wanted = false, gone = false, frame = null, ready = null, asked = false, digits = null, spoken = 0, cells = [];
  const ours = work((message) => heard(message)), { send } = ours, page = document.documentElement;
  const shade = darkness((dark) => send({ kind: 'live', settings: {}, dark }));
  const names = () => (state.data === 'digits' ? Array.from({ length: 10 }, (_, i) => String(i)) : state.data === 'own' ? Array.from({ length: state.classes }, (_, i) => `class ${i + 1}`) : SHAPES.slice(0, state.classes));

  const play = button('Play', toggle, { className: 'main' }), counter = el('span', { className: 'counter' }), alarm = el('p', { className: 'alarm', role: 'alert', hidden: true });
  const data = choice('Pictures', { shapes: 'Shapes', digits: 'Digits, 8 × 8', own: 'My drawings' }, state.data, (v) => change({ data: v }));
  const classes = choice('Classes', texts([2, 3, 4, 5, 6]), state.classes, (v) => change({ classes: Number(v), drawn: state.drawn.filter((d) => d.target < Number(v)) }));
  const rate = choice('Learning rate', texts([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]), state.rate, (v) => change({ rate: Number(v) }, true));
  const optimiser = choice('Optimiser', OPTIMISERS, state.optimiser, (v) => change({ optimiser: v }));
  const batch = choice('Batch', texts([1, 4, 12, 24, 48]), state.batch, (v) => change({ batch: Number(v) }, true));
  const speed = choice('Speed', { frame: '1 batch a frame', full: 'as fast as it can' }, state.speed, (v) => { const on = playing; pause(); change({ speed: v }, true); if (on) start(); });
  const layers = el('ol', { className: 'layers' }), bars = el('ol', { className: 'bars' }), samples = el('div', { className: 'maps' }), blocks = el('div', { className: 'blocks' }), mine = el('div', { className: 'classes', role: 'group', 'aria-label': 'Add the drawing to a class' }), said = el('p', { className: 'said', role: 'status' });
  const chart = lines('Loss', [{ name: 'training', colour: '--blue' }, { name: 'test', colour: '--orange', dash: [4, 3] }]), numbers = el('p', { className: 'said' });
  const board = pad(SIDE, (pixels) => send({ kind: 'show', picture: pixels })), yaml = el('textarea', { readOnly: true, rows: 2, 'aria-label': 'The layers as a list', style: { minHeight: '60px' } }), real = command('');
  const away = el('details', {}, [el('summary', { textContent: 'As YAML, and train it for real' }), el('p', { textContent: 'Save it as my-net.yaml; hubel model my-net.yaml --code prints it as plain PyTorch.' }), yaml, real]);
  main.append(el('h1', { textContent: 'Small pictures' }), el('p', { className: 'muted', textContent: 'A small convolutional net learns while you watch its filters. Draw something, and see what each layer makes of it.' }),
    el('div', { className: 'bar', role: 'group', 'aria-label': 'Training' }, [play, button('Step', step), button('Rewind', rewind), button('New weights', () => change({ start: (state.start + 1) % 1000000 })), speed, counter]),
    el('div', { className: 'bar', role: 'group', 'aria-label': 'Settings' }, [data, classes, rate, optimiser, batch]), alarm,
    el('div', { className: 'board small' }, [
      el('section', { className: 'left', 'aria-label': 'Picture' }, [el('h2', { textContent: 'Draw here' }), board.node, el('p', { className: 'line' }, [button('Clear', () => { board.put(new Float64Array(ready.side ** 2), ready.side); send({ kind: 'show', picture: board.pixels }); })]), mine, said, el('h2', { textContent: 'What it says' }), bars, numbers, chart.canvas, chart.table, el('h2', { textContent: 'It learns from' }), samples]),
      el('section', { className: 'middle', 'aria-label': 'Net' }, [el('h2', { textContent: 'Layers' }), layers, el('p', { className: 'line' }, [button('+ convolution', () => add({ kind: 'conv', units: 6, kernel: 3, padding: 0, activation: 'relu' })), button('+ pooling', () => add({ kind: 'pool', units: 2, kernel: 2, padding: 0, activation: 'relu' })), button('+ dense', () => add({ kind: 'dense', units: 16, kernel: 1, padding: 0, activation: 'relu' }))]), blocks]),
    ]), away);

  const add = (/** @type {any} */ layer) => { if (state.layers.length < 6) change({ layers: [...state.layers, layer] }); };
  function change(/** @type {any} */ patch, live = false) {
    Object.assign(state, patch);
    const words = { data: state.data === 'shapes' ? '' : state.data, classes: state.classes === 4 ? '' : state.classes, net: layerWords(state.layers) === USUAL ? '' : layerWords(state.layers), optimiser: state.optimiser === 'adam' ? '' : state.optimiser, rate: state.rate === 0.003 ? '' : state.rate, batch: state.batch === 12 ? '' : state.batch, start: state.start === 1 ? '' : state.start, speed: state.speed === 'frame' ? '' : state.speed, drawn: packDrawn(state.drawn) };
    const query = Object.entries(words).filter(([, v]) => v !== '').map(([k, v]) => `${k}=${v}`).join('&');
    history.replaceState(null, '', `#/pictures${query ? `?${query}` : ''}`);
    if (live) send({ kind: 'live', settings: { rate: state.rate, batch: state.batch } });
    else setup();
  }

  async function setup() {
    const on = playing;
    pause();
    chart.clear();
    alarm.hidden = true;
    for (const [node, name] of /** @type {[any, string][]} */ ([[data, 'data'], [classes, 'classes'], [rate, 'rate'], [optimiser, 'optimiser'], [batch, 'batch'], [speed, 'speed']])) node.put(state[name]);
    classes.hidden = state.data === 'digits';
    controls();
    if (state.data === 'digits' && !digits) {
      try {
        const { header, bytes } = await tiles('inspect/digits');
        digits = header.targets.map((/** @type {number} */ target, /** @type {number} */ i) => ({ target, pixels: Float64Array.from(bytes.subarray(64 * i, 64 * i + 64), (v) => v / 16) }));
      } catch {
        alarm.hidden = false;
        alarm.textContent = 'The digits come from the studio, and no studio is behind this page: hubel studio. Shapes and drawings are always there.';
        return;
      }
    }
    if (gone) return;
    send({ kind: 'setup', what: 'pictures', state: { ...state }, digits: state.data === 'digits' ? digits : null, dark: shade.dark });
    if (on) start();
  }

  /** The layers as rows of controls, and what can be added to. */
  function controls() {
    const set = (/** @type {number} */ i, patch) => change({ layers: state.layers.map((l, n) => (n === i ? { ...l, ...patch } : l)) });
    layers.replaceChildren(...state.layers.map((l, i) => el('li', { className: 'line' }, [
      el('strong', { textContent: { conv: 'Convolution', pool: 'Pooling', dense: 'Dense' }[l.kind] }),
      choice(l.kind === 'pool' ? 'size' : l.kind === 'conv' ? 'filters' : 'units', texts(l.kind === 'pool' ? [2, 3, 4] : l.kind === 'conv' ? [1, 2, 3, 4, 6, 8, 12, 16] : [4, 8, 16, 32, 64]), l.units, (v) => set(i, { units: Number(v) })),
      l.kind === 'conv' && choice('kernel', texts([1, 3, 5, 7]), l.kernel, (v) => set(i, { kernel: Number(v), padding: l.padding ? Math.floor(Number(v) / 2) : 0 })),
      l.kind === 'conv' && choice('edges', { 0: 'cut', 1: 'padded' }, l.padding ? 1 : 0, (v) => set(i, { padding: v === '1' ? Math.floor(l.kernel / 2) : 0 })),
      l.kind !== 'pool' && choice('activation', Object.fromEntries(Object.values(ACTIVATIONS).map((a) => [a.name, a.title])), l.activation, (v) => set(i, { activation: v })),
      button('Remove', () => change({ layers: state.layers.filter((_, n) => n !== i) }), { className: 'quiet', 'aria-label': `Remove layer ${i + 1}` })])));
    mine.hidden = state.data === 'digits';
    mine.replaceChildren(...(state.data === 'own' ? names() : ['my drawings']).map((name, k) => button(state.data === 'own' ? `Add to ${name}` : 'Teach it drawings of mine', () => {
      if (state.data !== 'own') { change({ data: 'own', drawn: state.drawn }); return; }
      if (state.drawn.length >= MOST_DRAWN) { said.textContent = `${MOST_DRAWN} drawings are the most.`; return; }
      change({ drawn: [...state.drawn, { pixels: board.pixels.map((v) => (v > 0.5 ? 1 : 0)), target: k }] });
      board.put(new Float64Array(SIDE * SIDE), SIDE);
    }, { className: 'quiet' })));
    said.textContent = state.data === 'own' ? `${state.drawn.length} drawings${state.drawn.length ? '; each is also shown moved by a pixel' : ': draw one and add it to a class'}. They stand in the address.` : '';
    yaml.value = asYaml(blocksOf(state.layers));
    real.say(asCommand(state));
  }

  function heard(/** @type {any} */ message) {
    if (gone) return;
    if (message.kind === 'failed') { pause(); alarm.hidden = false; alarm.textContent = `${message.why}. Take a smaller kernel, less pooling, or padded edges.`; blocks.replaceChildren(); return; }
    if (message.kind === 'ready') {
      ready = message;
      const { side } = ready;
      samples.replaceChildren(...Array.from(ready.targets, (target, i) => {
        const pixels = ready.samples.slice(i * side * side, (i + 1) * side * side), canvas = el('canvas', { width: side, height: side, 'aria-hidden': 'true' }), image = new ImageData(side, side);
        pixels.forEach((/** @type {number} */ v, /** @type {number} */ p) => image.data.set([255 * v, 255 * v, 255 * v, 255], 4 * p));
        canvas.getContext('2d').putImageData(image, 0, 0);
        return el('button', { type: 'button', title: `Show it: ${names()[target]}`, 'aria-label': `Show a picture of ${names()[target]}`, onclick: () => { board.put(pixels, side); send({ kind: 'show', picture: pixels }); } }, [canvas]);
      }));
      if (board.pixels.length !== side * side || !board.pixels.some((v) => v > 0)) { const first = ready.samples.slice(0, side * side); board.put(first.length ? first : new Float64Array(side * side), side); }
      send({ kind: 'show', picture: board.pixels });
      build();
      return;
    }
    frame = message;
    draw();
    alarm.hidden = !frame.bad;
    if (frame.bad) { pause(); alarm.replaceChildren('The numbers ran away and the training stopped; a smaller learning rate helps. ', button('Back to the last good weights', () => send({ kind: 'back', how: 'good' }))); }
    else ask();
    if (wanted) start();
  }

  /** One section a layer, with a canvas for each kernel and each map. */
  function build() {
    cells = [];
    bars.replaceChildren(...names().map((name) => el('li', {}, [el('meter', { min: 0, max: 1, value: 0, 'aria-label': name }), ' ', el('span'), ` ${name}`])));
    blocks.replaceChildren();
  }

  function draw() {
    if (cells.length !== frame.blocks.length) {
      cells = frame.blocks.map((/** @type {any} */ block) => ({ kernels: block.kernels ? Array.from({ length: block.kernels.n }, () => el('canvas', { 'aria-hidden': 'true' })) : [], maps: Array.from({ length: block.shown }, () => el('canvas', { 'aria-hidden': 'true' })) }));
      blocks.replaceChildren(...frame.blocks.map((/** @type {any} */ block, /** @type {number} */ i) => el('section', { className: 'block', role: 'group', 'aria-label': `Layer ${i + 1}: ${block.kind}` }, [
        el('h3', { textContent: i === frame.blocks.length - 1 ? 'Output' : `${i + 1}. ${{ conv: 'Convolution', pool: 'Pooling', dense: 'Dense' }[block.kind]}` }), el('p', { className: 'muted', textContent: block.h > 1 ? `${block.count} × ${block.h} × ${block.w}` : `${block.w} numbers` }),
        el('div', { className: block.h > 1 ? 'pairs' : 'pairs thin' }, cells[i].maps.map((/** @type {any} */ map, /** @type {number} */ k) => el('span', {}, [cells[i].kernels[k] ?? null, map])))])));
    }
    for (const [i, block] of frame.blocks.entries()) {
      const area = block.h * block.w;
      for (const [k, canvas] of cells[i].maps.entries()) put(canvas, block.maps, k * area, block.w, block.h);
      if (!block.kernels) continue;
      const { side, each, buffer } = block.kernels, size = side * side;
      for (const [k, canvas] of cells[i].kernels.entries()) stack(canvas, buffer, k * each * size, side, each);
    }
    for (const [k, row] of [...bars.children].entries()) { row.firstChild.value = frame.shares[k] ?? 0; row.children[1].textContent = percent(frame.shares[k] ?? 0); }
    counter.replaceChildren(String(frame.epoch).padStart(4, '0'), el('small', { textContent: `epochs; ${frame.samples.toLocaleString('en')} pictures seen` }));
    chart.add([frame.epoch + frame.at / Math.max(1, frame.n), frame.train.loss, frame.test.loss]);
    numbers.textContent = `loss ${number(frame.train.loss)}, test ${number(frame.test.loss)}; right ${percent(frame.train.accuracy)}, test ${percent(frame.test.accuracy)}`;
    if (performance.now() - spoken > 1000 || !playing) { spoken = performance.now(); chart.say(numbers.textContent); }
    Object.assign(page.dataset, { epoch: String(frame.epoch), frames: String(Number(page.dataset.frames ?? 0) + 1), right: String(frame.test.accuracy) });
  }
  function put(/** @type {any} */ canvas, /** @type {ArrayBuffer} */ buffer, /** @type {number} */ from, w, h) {
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(buffer, 4 * from, 4 * w * h), w, h), 0, 0);
  }
  /** The kernels of one filter, one for each map it reads, beside one another. */
  function stack(/** @type {any} */ canvas, /** @type {ArrayBuffer} */ buffer, /** @type {number} */ from, side, each) {
    const across = Math.ceil(Math.sqrt(each)), w = across * (side + 1) - 1, h = Math.ceil(each / across) * (side + 1) - 1;
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const c = canvas.getContext('2d');
    for (let k = 0; k < each; k++) c.putImageData(new ImageData(new Uint8ClampedArray(buffer, 4 * (from + k * side * side), 4 * side * side), side, side), (k % across) * (side + 1), Math.floor(k / across) * (side + 1));
  }

  function toggle() { if (playing) pause(); else start(); }
  function start() {
    wanted = !frame || !ready; // then it begins with the first answer of the net
    if (wanted || frame.bad) return;
    if (!ready.n) { said.textContent = 'There is nothing to learn from yet.'; return; }
    playing = true;
    play.textContent = 'Pause';
    page.dataset.playing = '1';
    if (state.speed === 'full') send({ kind: 'play' });
    ask();
  }
  function pause() { const was = playing; playing = wanted = false; play.textContent = 'Play'; delete page.dataset.playing; if (was) send({ kind: 'pause' }); }
  function step() { pause(); send({ kind: 'step', by: 'batch' }); }
  function rewind() { pause(); chart.clear(); send({ kind: 'rewind' }); }
  function ask() {
    if (!playing || asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; if (playing && !gone) send({ kind: 'ask', advance: state.speed === 'full' ? 0 : 1 }); });
  }
  const hidden = () => { if (document.hidden) pause(); };
  document.addEventListener('visibilitychange', hidden);
  keys({ ' ': ['play or pause', toggle], '.': ['one batch', step], r: ['rewind to the same start', rewind] });
  await setup();
  return () => { gone = true; ours.end(); shade.over(); document.removeEventListener('visibilitychange', hidden); delete page.dataset.playing; };
}
