// The net of a playground: features, units with their maps, links with their weights, and a card for one unit.

import { el } from '../dom.js';
import { ACTIVATIONS } from '../net/activations.js';
import { UNIT } from '../net/play.js';
import { FEATURES, gridRows } from '../net/points.js';
import { paint, ramp } from '../net/colours.js';
import { MOST_LAYERS, MOST_UNITS } from '../net/state.js';
import { button, choice, numeric, tick } from './controls.js';
import { SHAPES } from './play-field.js';

const names = (/** @type {any} */ state, /** @type {number} */ column, outputs) =>
  column === 0 ? state.features.map((/** @type {string} */ f) => FEATURES[f].title)
    : column <= state.layers.length ? state.layers[column - 1].units && Array.from({ length: state.layers[column - 1].units }, (_, i) => `h${column}.${i + 1}`)
      : Array.from({ length: outputs }, (_, i) => (outputs > 1 ? `o${i + 1}` : 'o'));

const number = (/** @type {number} */ v) => (Number.isFinite(v) ? String(+v.toPrecision(4)).replace('-', '−') : String(v));

/** @param {{change: (patch: any, name?: string) => void, big: (unit: any) => void, weight: (at: number, value: number) => void, opened: () => void}} on */
export function netView(on) {
  const links = el('canvas', { className: 'links', 'aria-hidden': 'true' }), columns = el('div', { className: 'columns' });
  const label = el('div', { className: 'tip', hidden: true });
  const inner = el('div', { className: 'inner' }, [links, columns, label]);
  const scroll = el('div', { className: 'net', tabIndex: 0, role: 'group', 'aria-label': 'The net: features, layers, output' }, [inner]);
  const card = el('section', { className: 'card unit', hidden: true, 'aria-label': 'One unit' });
  /** @type {any} */
  let state = null, dense = [], weights = new Float64Array(0), ends = [], canvases = [], open = null, inputs = [], formula = null, bad = null, count = 0;
  /** @type {{x1: number, y1: number, x2: number, y2: number, at: number, column: number, from: number, to: number}[]} */
  let lines = [];

  function layerHead(/** @type {any} */ layer, /** @type {number} */ i) {
    const set = (/** @type {any} */ patch, name) => on.change({ layers: state.layers.map((/** @type {any} */ l, n) => (n === i ? { ...l, ...patch } : l)) }, name);
    const more = choice(`Activation of layer ${i + 1}`, Object.fromEntries(Object.values(ACTIVATIONS).map((a) => [a.name, a.title])), layer.activation, (v) => set({ activation: v }, `act${i}`));
    more.input.dataset.focus = `act${i}`;
    const drop = choice(`Drop-out of layer ${i + 1}`, Object.fromEntries([0, 0.1, 0.2, 0.3, 0.5, 0.7].map((v) => [v, v ? `drop ${v}` : 'no drop'])), layer.dropout, (v) => set({ dropout: Number(v) }, `drop${i}`));
    drop.input.dataset.focus = `drop${i}`;
    const norm = tick('norm', layer.norm, (v) => set({ norm: v }, `norm${i}`));
    norm.input.dataset.focus = `norm${i}`;
    norm.title = 'Batch normalisation before the activation';
    return el('div', { className: 'head' }, [
      el('span', { className: 'line' }, [
        button('−', () => set({ units: layer.units - 1 }, `less${i}`), { disabled: layer.units <= 1, className: 'round', 'aria-label': `One unit less in layer ${i + 1}`, dataset: { focus: `less${i}` } }),
        el('span', { textContent: String(layer.units), title: 'units' }),
        button('+', () => set({ units: layer.units + 1 }, `more${i}`), { disabled: layer.units >= MOST_UNITS, className: 'round', 'aria-label': `One unit more in layer ${i + 1}`, dataset: { focus: `more${i}` } })]),
      more, drop, norm]);
  }

  /** Everything new: after a change of features, layers or outputs. */
  function build(/** @type {any} */ now, /** @type {any} */ places, outputs, dark) {
    state = now;
    dense = places;
    canvases = [];
    ends = [];
    const colours = ramp(dark), grid = Object.keys(FEATURES);
    const features = el('div', { className: 'column', dataset: { part: 'features' } }, [
      el('div', { className: 'head' }, [el('span', { textContent: 'Features' })]),
      ...grid.map((name) => {
        const canvas = el('canvas', { width: UNIT, height: UNIT, 'aria-hidden': 'true' }), on_ = state.features.includes(name), into = new Uint32Array(UNIT * UNIT), rows = gridRows(UNIT, [name]);
        paint(rows, 0, rows.length, Math.max(...rows), colours, into, 0);
        canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(into.buffer), UNIT, UNIT), 0, 0);
        const node = el('button', { type: 'button', className: 'unit', 'aria-pressed': String(on_), dataset: { focus: `f${name}` }, title: `Feature ${FEATURES[name].title}: ${on_ ? 'used' : 'not used'}`, onclick: () => {
          const next = on_ ? state.features.filter((/** @type {string} */ f) => f !== name) : grid.filter((f) => f === name || state.features.includes(f));
          if (next.length) on.change({ features: next }, `f${name}`);
        } }, [canvas, el('span', { textContent: FEATURES[name].title })]);
        if (on_) (ends[0] ??= []).push(node);
        return node;
      })]);
    const hidden = state.layers.map((/** @type {any} */ layer, /** @type {number} */ i) => el('div', { className: 'column' }, [
      layerHead(layer, i),
      ...Array.from({ length: layer.units }, (_, u) => {
        const canvas = el('canvas', { width: UNIT, height: UNIT, 'aria-hidden': 'true' });
        canvases.push(canvas);
        const node = unitButton(i + 1, u, canvas);
        (ends[i + 1] ??= []).push(node);
        return node;
      })]));
    const last = state.layers.length + 1;
    const out = el('div', { className: 'column out' }, [el('div', { className: 'head' }, [el('span', { textContent: 'Output' })]),
      ...Array.from({ length: outputs }, (_, u) => { const node = unitButton(last, u, null); (ends[last] ??= []).push(node); return node; })]);
    const held = /** @type {any} */ (document.activeElement)?.dataset?.focus;
    columns.replaceChildren(features, ...hidden, out);
    if (held) columns.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus();
    if (open && !(ends[open.column]?.[open.unit])) shut();
    else if (open) show(open.column, open.unit, false);
    measure();
  }

  function unitButton(/** @type {number} */ column, /** @type {number} */ unit, /** @type {any} */ canvas) {
    const name = names(state, column, dense[dense.length - 1].units)[unit], big = column <= state.layers.length ? { block: column - 1, unit } : null;
    return el('button', {
      type: 'button', className: 'unit', dataset: { focus: `u${column}.${unit}` }, 'aria-label': `Unit ${name}: weights and sum`, title: `${name}: click for its weights`,
      onclick: () => { show(column, unit, true); on.opened(); },
      onpointerenter: () => on.big(big), onpointerleave: () => on.big(null), onfocus: () => on.big(big), onblur: () => on.big(null),
    }, canvas ? [canvas, el('span', { textContent: name })] : [el('span', { textContent: `${name} ${ends[column - 1] && state.about === 'classes' && state.classes > 2 ? SHAPES[unit] : ''}`.trim() })]);
  }

  /** Where the links run. */
  function measure() {
    const box = inner.getBoundingClientRect();
    if (!box.width) return;
    const scale = devicePixelRatio || 1;
    links.width = Math.round(columns.scrollWidth * scale);
    links.height = Math.round(columns.scrollHeight * scale);
    links.style.width = `${columns.scrollWidth}px`;
    links.style.height = `${columns.scrollHeight}px`;
    lines = [];
    for (const [column, layer] of dense.entries())
      for (let to = 0; to < layer.units; to++)
        for (let from = 0; from < layer.inputs; from++) {
          const a = ends[column]?.[from]?.getBoundingClientRect(), b = ends[column + 1]?.[to]?.getBoundingClientRect();
          if (!a || !b) continue;
          lines.push({ x1: a.right - box.left, y1: a.top + a.height / 2 - box.top, x2: b.left - box.left, y2: b.top + b.height / 2 - box.top, at: layer.at + to * layer.inputs + from, column, from, to });
        }
    drawLinks();
  }

  function drawLinks(lit = -1) {
    const c = links.getContext('2d'), scale = devicePixelRatio || 1, style = getComputedStyle(links);
    const plus = style.getPropertyValue('--blue'), minus = style.getPropertyValue('--orange');
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, links.width, links.height);
    for (const line of lines) {
      const w = weights[line.at], size = Math.min(5, Math.abs(w));
      if (!(size > 0.02) && line.at !== lit && Number.isFinite(w)) continue;
      const middle = (line.x1 + line.x2) / 2, wrong = !Number.isFinite(w);
      c.globalAlpha = line.at === lit || wrong ? 1 : 0.35 + 0.12 * size;
      c.strokeStyle = wrong ? '#d00' : w < 0 ? minus : plus;
      c.lineWidth = wrong ? 3 : 0.6 + 0.9 * size;
      c.setLineDash(w < 0 ? [5, 4] : []);
      c.beginPath();
      c.moveTo(line.x1, line.y1);
      c.bezierCurveTo(middle, line.y1, middle, line.y2, line.x2, line.y2);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  /** The link nearest to a place, within a few pixels. */
  function linkAt(/** @type {number} */ x, /** @type {number} */ y) {
    let best = null, least = 7;
    for (const line of lines) {
      if (x < line.x1 || x > line.x2) continue;
      for (let i = 0; i <= 16; i++) {
        const t = i / 16, s = 1 - t, middle = (line.x1 + line.x2) / 2;
        const px = s * s * s * line.x1 + 3 * s * t * middle + t * t * t * line.x2, py = (s * s * s + 3 * s * s * t) * line.y1 + (3 * s * t * t + t * t * t) * line.y2;
        const d = Math.hypot(px - x, py - y);
        if (d < least) { least = d; best = line; }
      }
    }
    return best;
  }
  inner.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    const box = inner.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const found = /** @type {Element} */ (event.target).closest('button, select, label') ? null : linkAt(x, y);
    label.hidden = !found;
    inner.style.cursor = found ? 'pointer' : '';
    drawLinks(found?.at);
    if (!found) return;
    label.textContent = `${names(state, found.column, 0)[found.from]} → ${names(state, found.column + 1, dense[dense.length - 1].units)[found.to]}: ${number(weights[found.at])} (click to change)`;
    label.style.left = `${Math.min(x + 10, Math.max(0, box.width - 170))}px`;
    label.style.top = `${y + 12}px`;
  });
  inner.addEventListener('pointerleave', () => { label.hidden = true; drawLinks(); });
  inner.addEventListener('click', (/** @type {MouseEvent} */ event) => {
    if (/** @type {Element} */ (event.target).closest('button, select, label, input')) return;
    const box = inner.getBoundingClientRect(), found = linkAt(event.clientX - box.left, event.clientY - box.top);
    if (!found) return;
    show(found.column + 1, found.to, true);
    inputs[found.from + 1].input.focus();
    inputs[found.from + 1].input.select();
    on.opened();
  });

  function shut() { open = null; card.hidden = true; }

  /** The card of one unit: its bias and weights to edit, its sum written out. */
  function show(/** @type {number} */ column, /** @type {number} */ unit, /** @type {boolean} */ fresh) {
    const layer = dense[column - 1], from = names(state, column - 1, layer.inputs), name = names(state, column, layer.units)[unit];
    open = { column, unit };
    inputs = [layer.at + layer.units * layer.inputs + unit, ...from.map((/** @type {string} */ _, /** @type {number} */ i) => layer.at + unit * layer.inputs + i)]
      .map((at, i) => Object.assign(numeric(i ? from[i - 1] : 'bias', weights[at], (v) => on.weight(at, v)), { at }));
    formula = el('p', { className: 'formula' });
    card.replaceChildren(el('div', { className: 'line' }, [el('h3', { textContent: `Unit ${name}: its weights` }), button('Close', shut, { className: 'quiet' })]),
      el('div', { className: 'weights' }, inputs), formula);
    card.hidden = false;
    if (fresh) card.scrollIntoView({ block: 'nearest' });
  }

  new ResizeObserver(measure).observe(columns);
  return {
    node: scroll, card, build,
    get open() { return open; },
    frame(/** @type {any} */ frame) {
      weights = frame.weights;
      bad = frame.bad;
      const area = 4 * UNIT * UNIT;
      for (const [i, canvas] of canvases.entries()) canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(frame.units, i * area, area), UNIT, UNIT), 0, 0);
      if (!frame.running || ++count % 4 === 0) drawLinks();  // dashes are dear, and weights move slowly
      for (const input of inputs) input.put(weights[input.at]);
      for (const [column, nodes] of ends.entries()) for (const [u, node] of (nodes ?? []).entries()) node.classList.toggle('bad', Boolean(bad) && column === bad.block && u + 1 === bad.unit);
    },
    /** The sum of the unit that is open, at a place. */
    written(/** @type {any} */ probed) {
      const found = open && probed.lines.find((/** @type {any} */ line) => line.block === open.column && line.unit === open.unit + 1);
      if (found && formula) formula.textContent = `At x₁ = ${number(probed.place.x)}, x₂ = ${number(probed.place.y)}: ${found.text}`;
    },
    layers: { more: () => state.layers.length < MOST_LAYERS && on.change({ layers: [...state.layers, { units: 2, activation: state.layers.at(-1)?.activation ?? 'tanh', dropout: 0, norm: false }] }),
      less: () => state.layers.length && on.change({ layers: state.layers.slice(0, -1) }) },
  };
}
