// Inspect: a net's graph with a picture's maps in it, and down to one number: stage, layer, channel, value, products.

import { get, keep, post } from '../ask.js';
import { el } from '../dom.js';
import { keys } from '../keys.js';
import { ramp } from '../net/colours.js';
import { button, choice, darkness } from '../parts/controls.js';
import { flow } from '../parts/flow.js';
import { command, percent, problem } from '../parts/said.js';
import { saver } from '../parts/save.js';
import { sheets } from '../parts/sheet.js';
import { paintPicture, paintTile, starts, tiles } from '../parts/tiles.js';

export const title = 'Inspect';

const g = (/** @type {any} */ v) => (v === null || v === undefined ? '' : Number.isFinite(v) ? String(+v.toPrecision(4)).replace('-', '−') : String(v));
const size = (/** @type {number[]} */ shape) => shape.join('×') || 'one number';
const MOST_CELLS = 12;

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  await sheets('controls.css', 'inspect.css');
  const state = {
    net: parameters.get('net') ?? '', data: parameters.get('data') || 'digits:0', other: parameters.get('other') ?? '', range: parameters.get('range') || 'unit',
    what: parameters.get('what') || 'values', target: parameters.get('target') ?? '', epoch: parameters.get('epoch') || 'best', past: parameters.get('past') ?? '', part: parameters.get('part') ?? '', channel: parameters.get('channel') ?? '', row: parameters.get('row') ?? '', column: parameters.get('column') ?? '',
  };
  let gone = false, turn = 0, found = null, busy = false, next = null;
  /** @type {any[]} */ let trail = [];
  const known = await get('inspect/nets');
  state.net ||= known.runs[0] ?? 'lenet5_modern';

  const options = Object.fromEntries([...known.runs.map((n) => [n, `run ${n}`]), ...known.zoo.map((n) => [n, n])]);
  const net = choice('Net', options, state.net, (v) => { Object.assign(state, { net: v, epoch: 'best', past: '', target: '' }); fresh(); });
  const box = (/** @type {string} */ id, /** @type {string} */ label, value, change) => el('div', { className: 'control' }, [el('label', { for: id, textContent: label }), el('input', { id, value, size: 16, spellcheck: false, onchange: (/** @type {any} */ e) => change(e.target.value.trim()) })]);
  const data = box('data', 'Picture', state.data, (v) => { state.data = v || 'digits:0'; fresh(true); });
  const other = box('other', 'Beside it (another picture)', state.other, (v) => { state.other = v; layer(); });
  const file = el('input', { type: 'file', accept: 'image/*', id: 'file', onchange: () => file.files[0] && drop(file.files[0]) });
  const range = choice('Colours', { unit: 'by unit', layer: 'by layer', net: 'by net' }, state.range, (v) => { state.range = v; fresh(true); });
  const what = choice('Shown', { values: 'values', gradient: 'gradients', both: 'both' }, state.what, (v) => { state.what = v; why.hidden = v === 'values'; layer(); });
  const why = choice('Gradients of', { '': 'the likeliest class' }, state.target, (v) => { state.target = v; layer(); }, { hidden: state.what === 'values' });
  // The slider stands for places in `times`: the epochs that the run kept, and the best weights.
  /** @type {string[]} */ let times = ['best'];
  const said = el('output', { for: 'epoch', textContent: state.epoch }), epoch = el('input', { id: 'epoch', type: 'range', min: 0, step: 1, oninput: () => { state.epoch = times[Number(epoch.value)] ?? 'best'; said.textContent = state.epoch; fresh(true); } });
  const past = choice('Beside it (another epoch)', { '': 'none' }, '', (v) => { state.past = v; layer(); });
  const time = el('div', { className: 'line', hidden: true }, [el('div', { className: 'control' }, [el('label', { for: 'epoch' }, ['Epoch ', said]), epoch]), past]);
  const words = el('div', { role: 'status' }), top = el('div', { className: 'top' }), graph = el('div'), stage = el('section', { 'aria-label': 'Stage' }), layers = el('section', { 'aria-label': 'Layer' }), channel = el('section', { 'aria-label': 'Channel' }), number = el('section', { 'aria-label': 'One number', 'aria-live': 'polite' });
  const same = command('');
  main.append(el('h1', { textContent: 'Inspect' }),
    el('p', { className: 'muted', textContent: 'What a net sees in a picture, from the whole graph down to one number and every product in it. Choose a stage, a layer, a map, a place.' }),
    el('div', { className: 'line' }, [net, data, button('‹', () => neighbour(-1), { 'aria-label': 'Picture before' }), button('›', () => neighbour(1), { 'aria-label': 'Next picture' }), el('div', { className: 'control' }, [el('label', { for: 'file', textContent: 'or a file of yours (drop it anywhere)' }), file]), other, range, what, why]), time,
    words, top, graph, stage, layers, el('div', { className: 'beside' }, [channel, number]), same, saver('inspect', main, same.said));

  const asked = (more = {}) => ({ net: state.net, data: state.data, epoch: state.epoch === 'best' ? '' : state.epoch, range: state.range, ...more });
  const write = () => keep('inspect', { ...state, epoch: state.epoch === 'best' ? '' : state.epoch, range: state.range === 'unit' ? '' : state.range, what: state.what === 'values' ? '' : state.what });
  const target = () => (state.target === '' ? found.best[0][0] : state.target);
  /** What stands side by side: one picture or two, one epoch or two, each as values, gradients or both. */
  function views() {
    const sides = [{ data: state.data, epoch: state.epoch }];
    if (state.other || state.past) sides.push({ data: state.other || state.data, epoch: state.past || state.epoch });
    const two = sides.length > 1 && state.past, kinds = state.what === 'both' ? ['values', 'gradient'] : [state.what];
    return sides.flatMap((side) => kinds.map((kind) => ({ label: `${side.data}${two ? `, epoch ${side.epoch}` : ''}${kind === 'gradient' ? ', gradients' : ''}`, kind, query: { data: side.data, epoch: side.epoch === 'best' ? '' : side.epoch, ...(kind === 'gradient' ? { what: kind, target: target() } : {}) } })));
  }
  /** Which epochs the run kept; without any there is no slider. */
  async function clock() {
    times = [...(await get('inspect/kept', { net: state.net })).epochs.map(String), 'best'];
    if (!times.includes(state.epoch)) state.epoch = 'best';
    if (state.past && !times.includes(state.past)) state.past = '';
    epoch.max = times.length - 1;
    epoch.value = times.indexOf(state.epoch);
    said.textContent = state.epoch;
    past.options({ '': 'none', ...Object.fromEntries(times.map((t) => [t, t])) });
    past.put(state.past);
    time.hidden = times.length < 2;
  }
  const failed = (/** @type {any} */ error) => { if (!gone) words.replaceChildren(problem(error)); };
  function neighbour(/** @type {number} */ by) {
    const [, name, at] = /^(.*?)(?::(\d+))?$/.exec(state.data) ?? [];
    state.data = `${name}:${Math.max(0, Number(at ?? 0) + by)}`;
    data.querySelector('input').value = state.data;
    fresh(true);
  }
  async function drop(/** @type {File} */ picture) {
    try {
      state.data = (await post('inspect/take', picture)).data;
      data.querySelector('input').value = state.data;
      await fresh(true);
    } catch (error) { failed(error); }
  }

  /** Everything anew; with `keepPlace` the same part stays open. */
  async function fresh(keepPlace = false) {
    const mine = ++turn;
    if (!keepPlace) Object.assign(state, { part: '', channel: '', row: '', column: '' });
    trail = [];
    words.replaceChildren();
    write();
    try {
      if (!keepPlace || times.length < 2) await clock();
      if (gone || mine !== turn) return;
      const [scene, drawn] = await Promise.all([get('inspect/scene', asked()), tiles('inspect/graph', asked())]);
      if (gone || mine !== turn) return;
      found = scene;
      why.options({ '': `the likeliest, ${scene.classes[scene.best[0][0]]}`, ...Object.fromEntries(scene.classes.map((name, k) => [k, name])) });
      why.put(state.target);
      const picture = el('canvas', { role: 'img', 'aria-label': `The picture ${state.data}` });
      paintPicture(picture, drawn.bytes, drawn.header.picture);
      top.replaceChildren(el('figure', {}, [picture, el('figcaption', { textContent: state.data })]),
        el('ol', { className: 'bars' }, scene.best.map(([k, share]) => el('li', {}, [el('meter', { value: share, min: 0, max: 1, 'aria-label': scene.classes[k] ?? k }), ` ${percent(share)} ${scene.classes[k] ?? k}${scene.label === k ? ' (it is)' : ''}`]))),
        el('p', { className: 'muted', textContent: scene.trained ? '' : 'Fresh weights: this net has learnt nothing yet. Train it, then look again.' }), legend());
      const begin = starts(drawn.header.tiles, drawn.header.picture[0] * drawn.header.picture[1] * drawn.header.picture[2]);
      const part = state.part === '' ? -1 : Number(state.part), open = scene.nodes.findIndex((n) => n.parts[0] <= part && part <= n.parts[1]);
      graph.replaceChildren(flow('The net: its stages', scene.nodes.map((n, i) => ({ name: n.name, lines: [size(n.shape), n.parts[1] > n.parts[0] ? `${n.parts[1] - n.parts[0] + 1} steps` : '1 step'], at: n.at, sources: n.sources, tile: drawn.header.tiles[i], start: begin[i] })), drawn.bytes, open, (i) => { state.part = ''; state.channel = ''; openStage(i); }));
      document.documentElement.dataset.scene = String(mine);
      for (const place of [stage, layers, channel, number]) place.replaceChildren();
      if (open >= 0) { await openStage(open); if (part < scene.parts.length) await layer(); }
    } catch (error) { failed(error); }
  }

  function legend() {
    const canvas = el('canvas', { width: 255, height: 1, role: 'img', 'aria-label': 'orange is negative, blue is positive' });
    canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(ramp(matchMedia('(prefers-color-scheme: dark)').matches).buffer), 255, 1), 0, 0);
    return el('span', { className: 'legend' }, ['−', canvas, '+', el('span', { className: 'muted', textContent: state.range === 'unit' ? 'each map by its own largest number' : state.range === 'layer' ? 'all maps of a layer alike' : 'all maps of the net alike' })]);
  }

  async function openStage(/** @type {number} */ i) {
    try {
      const [told, drawn] = await Promise.all([get('inspect/stage', asked({ stage: i })), tiles('inspect/strip', asked({ stage: i }))]);
      if (gone) return;
      for (const [k, node] of graph.querySelectorAll('button.node').entries()) node.setAttribute('aria-pressed', String(k === i));
      const begin = starts(drawn.header.tiles), now = told.parts.indexOf(Number(state.part || -1));
      stage.replaceChildren(el('h2', { textContent: `Stage ${found.nodes[i].name}` }), flow('The steps of this stage', told.parts.map((p, n) => ({ name: found.parts[p].name, lines: [found.parts[p].module || 'the net itself', size(found.parts[p].shape)], at: told.at[n], sources: told.sources[n], tile: drawn.header.tiles[n], start: begin[n] })), drawn.bytes, now, (n) => { Object.assign(state, { part: String(told.parts[n]), channel: '', row: '', column: '' }); trail = []; layer(); }));
      if (state.part === '') for (const place of [layers, channel, number]) place.replaceChildren();
    } catch (error) { failed(error); }
  }

  /** All maps of the open part, of one picture or two. */
  async function layer() {
    if (state.part === '' || !found) return;
    write();
    const part = found.parts[Number(state.part)];
    try {
      const now = views(), all = await Promise.all(now.map((view) => tiles('inspect/layer', asked({ ...view.query, part: state.part }))));
      if (gone) return;
      words.replaceChildren();
      layers.replaceChildren(el('h2', { textContent: `${part.module || 'The net itself'}: ${part.name}` }),
        el('p', { className: 'muted', textContent: `${part.kind}, ${size(part.shape)}${part.weight.length ? `; weights ${size(part.weight)}` : ''}${state.what === 'values' ? '' : `; gradients: how the answer for ${found.classes[target()]} changes with each number`}` }),
        el('div', { className: 'sides' }, all.map(({ header, bytes }, n) => {
          const thin = header.full[0] === 1;
          return el('figure', {}, [el('figcaption', { textContent: now[n].label }), el('div', { className: `maps${thin ? ' thin' : ''}` }, Array.from({ length: header.count }, (_, k) => {
            const canvas = el('canvas', { 'aria-hidden': 'true' });
            paintTile(canvas, bytes, 0, { ...header }, k);
            return el('button', { type: 'button', 'aria-pressed': String(String(k) === state.channel), 'aria-label': `Map ${k}, largest number ${g(header.scales[k])}`, title: `map ${k}: up to ${g(header.scales[k])}`, onclick: () => { Object.assign(state, { channel: String(k), row: '', column: '' }); openChannel(); } }, [canvas, header.count > 1 ? String(k) : '']);
          })), header.of > header.count ? el('p', { className: 'muted', textContent: `${header.count} of ${header.of} maps` }) : null]);
        })));
      if (state.channel !== '') await openChannel();
      else { channel.replaceChildren(); number.replaceChildren(); if (all[0].header.count === 1) { state.channel = '0'; await openChannel(); } }
    } catch (error) { failed(error); }
  }

  /** One map, large; its kernels beside it. */
  async function openChannel() {
    write();
    const part = found.parts[Number(state.part)], weighs = (part.name === 'conv2d' || part.name === 'linear') && part.weight.length;
    for (const [k, each] of layers.querySelectorAll('.maps button').entries()) each.setAttribute('aria-pressed', String(String(k % layers.querySelector('.maps').children.length) === state.channel));
    try {
      const now = views(), maps = await Promise.all(now.map((view) => tiles('inspect/layer', asked({ ...view.query, part: state.part, channel: state.channel }))));
      const kernels = weighs && part.shape.length !== 1 ? await tiles('inspect/kernels', asked({ part: state.part, channel: state.channel })) : null;
      if (gone) return;
      const figures = maps.map(({ header, bytes }, n) => {
        const canvas = el('canvas', { tabIndex: 0, role: 'img', 'aria-label': `Map ${state.channel} of ${now[n].label}, ${header.full.join(' by ')}; largest number ${g(header.scales[0])}. Arrows move the place.` }), mark = el('span', { className: 'mark', hidden: true });
        paintTile(canvas, bytes, 0, header, 0);
        const [h, w] = header.full;
        if (h === 1) canvas.style.height = '34px';
        const put = () => {
          if (state.row === '') return;
          mark.hidden = false;
          Object.assign(mark.style, { left: `${(100 * Number(state.column)) / w}%`, top: `${(100 * Number(state.row)) / h}%`, width: `${Math.max(3, 100 / w)}%`, height: `${Math.max(3, 100 / h)}%` });
        };
        const at = (/** @type {PointerEvent} */ event) => { const b = canvas.getBoundingClientRect(); return [Math.min(h - 1, Math.floor(((event.clientY - b.top) / b.height) * h)), Math.min(w - 1, Math.floor(((event.clientX - b.left) / b.width) * w))]; };
        const go = ([row, column]) => { state.row = String(Math.max(0, Math.min(h - 1, row))); state.column = String(Math.max(0, Math.min(w - 1, column))); for (const each of channel.querySelectorAll('.big')) each.put(); trail = []; value(); };
        canvas.addEventListener('pointermove', (event) => { const [r, c] = at(event); if (String(r) !== state.row || String(c) !== state.column) go([Math.max(0, r), Math.max(0, c)]); });
        canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
          const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
          if (!way) return;
          event.preventDefault();
          event.stopPropagation();
          go([Number(state.row || 0) + way[0], Number(state.column || 0) + way[1]]);
        });
        const big = el('div', { className: 'big' }, [canvas, mark]);
        big.put = put;
        put();
        return el('figure', {}, [el('figcaption', { textContent: `${now[n].label}: map ${state.channel}` }), big, el('p', { className: 'muted', textContent: `full colour: ±${g(header.scales[0])}` })]);
      });
      channel.replaceChildren(el('h2', { textContent: `Map ${state.channel}` }), el('div', { className: 'sides' }, [...figures, kernels && el('figure', {}, [
        el('figcaption', { textContent: `Its kernel: ${kernels.header.of} × ${kernels.header.full.join('×')}, a square for each map it reads` }),
        el('div', { className: 'maps' }, Array.from({ length: kernels.header.count }, (_, k) => { const canvas = el('canvas', { role: 'img', 'aria-label': `Kernel for map ${k}` }); paintTile(canvas, kernels.bytes, 0, kernels.header, k); return canvas; }))])]));
      if (found.trained && part.closing && part.module && (part.shape.length === 1 || part.shape.length === 3)) {
        const place = el('div', { className: 'maps' }), excites = button('What excites this unit most', async () => {
          excites.disabled = true;
          try {
            const { header, bytes } = await tiles('inspect/patches', asked({ part: state.part, unit: part.shape.length === 1 ? state.column : state.channel })), [c, h, w] = header.size;
            place.replaceChildren(...header.values.map((v, k) => { const canvas = el('canvas', { role: 'img', 'aria-label': `${header.names[k]}: ${g(v)}` }); paintPicture(canvas, bytes.subarray(k * c * h * w, (k + 1) * c * h * w), header.size); return el('figure', {}, [canvas, el('figcaption', { textContent: g(v), title: header.names[k] })]); }), el('p', { className: 'muted', textContent: `the strongest of ${header.looked} training pictures, cut out to what the unit sees` }));
          } catch (error) { failed(error); }
          excites.disabled = false;
        }, { className: 'quiet' });
        channel.append(el('div', { className: 'line' }, [excites]), place);
      }
      if (state.row === '') { const [h, w] = maps[0].header.full; state.row = String(Math.floor(h / 2)); state.column = String(Math.floor(w / 2)); for (const each of channel.querySelectorAll('.big')) each.put(); }
      await value();
    } catch (error) { failed(error); }
  }

  /** The number at the place, written out. One question at a time, the last one wins. */
  async function value() {
    next = { part: state.part, channel: state.channel, row: state.row, column: state.column };
    if (busy) return;
    busy = true;
    try {
      while (next && !gone) {
        const now = next;
        next = null;
        const all = views(), answers = await Promise.all(all.map((view) => get('inspect/value', asked({ ...view.query, ...now }))));
        if (!next && !gone) told(answers, all, Number(now.part));
      }
      write();
    } catch (error) { failed(error); } finally { busy = false; }
  }

  function told(/** @type {any[]} */ answers, /** @type {any[]} */ all, /** @type {number} */ part) {
    const first = answers[0];
    document.documentElement.dataset.value = String(first.value);
    number.replaceChildren(el('h2', { textContent: 'One number' }), way(part, first),
      ...answers.map((one, n) => {
        const gradient = all[n].kind === 'gradient';
        return el('div', { className: all[n].kind }, [
          answers.length > 1 ? el('h3', { textContent: all[n].label }) : null,
          el('p', { className: 'sum value', textContent: `${gradient ? 'gradient of ' : ''}${found.parts[part].name} at (${one.place.join(', ')}) = ${g(one.value)}` }),
          ...one.lines.map((line) => el('p', { className: 'sum', textContent: line })),
          el('p', { className: 'muted', textContent: one.apart ? `Added up here: ${one.result.toPrecision(7)}; torch: ${one.value.toPrecision(7)}.` : 'This operation is not taken apart.' }),
          // The ways lead through the first picture or epoch: what is opened is that one.
          ...(n === all.findIndex((view) => view.kind === all[n].kind) ? [gradient ? '' : grid(one), onward(one, gradient)] : [])]);
      }));
    same.say(first.command);
  }

  /** The way that was gone down, to go back up. */
  const way = (/** @type {number} */ part, /** @type {any} */ one) => el('p', { className: 'path' }, [...trail.map((step, i) => button(`${found.parts[step.part].module || found.parts[step.part].name} (${step.place.join(', ')})`, () => { trail = trail.slice(0, i); down(step.part, step.place, false); }, { className: 'quiet' })), trail.length ? '›' : '', `${found.parts[part].module || 'net'} ${found.parts[part].name} (${one.place.join(', ')})`]);

  /** The window with its weights, channel by channel. */
  function grid(/** @type {any} */ one) {
    if (one.window.length !== 3 || one.window[1] * one.window[2] > 121 || !one.terms.length) return '';
    const [c, h, w] = one.window, all = one.terms, each = h * w;
    if (all.length < each) return '';
    return el('details', { open: c * each <= 36 }, [el('summary', { textContent: `The window: ${c} × ${h} × ${w}` }), el('div', { className: 'sides' }, Array.from({ length: Math.min(c, MOST_CELLS) }, (_, k) => el('table', { className: 'window' }, [
      el('caption', { className: 'muted', textContent: `map ${all[k * each]?.[3]?.[0] ?? k}` }), el('tbody', {}, Array.from({ length: h }, (_r, r) => el('tr', {}, Array.from({ length: w }, (_c, q) => { const t = all[k * each + r * w + q]; return el('td', {}, t ? [g(t[0]), t[1] === null ? null : el('small', { textContent: `× ${g(t[1])}` })] : []); }))))]))),
    c > MOST_CELLS ? el('p', { className: 'muted', textContent: `and ${c - MOST_CELLS} more maps` }) : null]);
  }

  /** The numbers it was made of, or those it went into, the weightiest first: each can be opened in turn. */
  function onward(/** @type {any} */ one, /** @type {boolean} */ gradient) {
    const all = one.terms.filter((t) => t[2] !== null).sort((a, b) => Math.abs(b[0] * (b[1] ?? 1)) - Math.abs(a[0] * (a[1] ?? 1))).slice(0, 16);
    if (!all.length) return '';
    return el('div', {}, [el('h3', { textContent: gradient ? 'It matters through (towards the answer)' : 'Made of' }), el('div', { className: 'terms' }, all.map(([v, w, source, place]) => {
      const text = `${g(v)}${w === null ? '' : ` × ${g(w)}`}`;
      if (source < 0) return el('span', { className: 'legend', textContent: `picture (${place.join(', ')}): ${text}` });
      return button(`${found.parts[source].module || found.parts[source].name} (${place.join(', ')}): ${text}`, () => { trail.push({ part: Number(state.part), place: one.place }); down(source, place, true); }, { className: 'quiet', title: gradient ? 'How that gradient came about' : 'How that number came about' });
    }))]);
  }

  /** Open another number: its part, its map, its place. */
  async function down(/** @type {number} */ part, /** @type {number[]} */ place, keepTrail) {
    const shape = found.parts[part].shape, held = trail;
    let map = 0;
    for (let i = 0; i < shape.length - 2; i++) map = map * shape[i] + place[i];
    Object.assign(state, { part: String(part), channel: String(map), row: String(shape.length > 1 ? place[place.length - 2] : 0), column: String(place[place.length - 1] ?? 0) });
    const node = found.nodes.findIndex((n) => n.parts[0] <= part && part <= n.parts[1]);
    await openStage(node);
    trail = held;
    await layer();
    if (keepTrail) number.scrollIntoView({ block: 'nearest' });
  }

  const over = (/** @type {DragEvent} */ event) => event.preventDefault();
  const dropped = (/** @type {DragEvent} */ event) => { event.preventDefault(); const [picture] = event.dataTransfer?.files ?? []; if (picture) drop(picture); };
  document.addEventListener('dragover', over);
  document.addEventListener('drop', dropped);
  keys({ '[': ['picture before', () => neighbour(-1)], ']': ['next picture', () => neighbour(1)] });
  const shade = darkness(() => fresh(true));
  await fresh(state.part !== '');
  return () => { gone = true; shade.over(); document.removeEventListener('dragover', over); document.removeEventListener('drop', dropped); };
}
