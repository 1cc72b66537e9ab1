// A line chart on a canvas: any number of points, marks where something happened, a text twin, a cross for hand and keys.

import { el } from '../dom.js';
import { number } from './said.js';

const HEIGHT = 230, LEFT = 58, BOTTOM = 26, TOP = 10, RIGHT = 10;
const COLOURS = ['--blue', '--orange', '--green', '--muted'];
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

/**
 * @typedef {{ name: string, x: number[], y: number[], faint?: boolean, colour?: number, dash?: number, dots?: boolean }} Series
 * @typedef {{ x: number, text: string }} Mark
 */

/** A figure; `draw(series, marks)` shows what is given. @returns {any} */
export function chart({ title = '', across = '', show = number, log = false } = {}) {
  const canvas = el('canvas', { role: 'img', tabIndex: 0 }), legend = el('p', { className: 'legend' }), read = el('p', { className: 'readout', 'aria-live': 'off' });
  const node = el('figure', { className: 'chart' }, [el('figcaption', {}, [el('strong', { textContent: title }), across && el('span', { className: 'muted', textContent: ` (by ${across})` })]), canvas, legend, read]);
  /** @type {{ series: Series[], marks: Mark[] }} */
  let now = { series: [], marks: [] };
  let place = NaN, waits = false, spread = [0, 1];
  node.log = log;

  node.draw = (/** @type {Series[]} */ series, /** @type {Mark[]} */ marks = []) => {
    now = { series, marks };
    if (!waits) {
      waits = true;
      requestAnimationFrame(() => { waits = false; paint(); });
    }
  };

  function paint() {
    const width = canvas.clientWidth || 300, ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(HEIGHT * ratio);
    const pen = canvas.getContext('2d'), style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name);
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width, HEIGHT);
    pen.font = '12px system-ui, sans-serif';
    const all = now.series.filter((each) => each.x.length);
    canvas.setAttribute('aria-label', twin());
    legend.replaceChildren(...all.map((each) => el('span', { className: `key d${each.dash ?? 0}`, style: { color: colour(COLOURS[(each.colour ?? 0) % 4]) } }, [
      el('span', { className: 'text', textContent: `${each.name} ${show(each.y[each.y.length - 1])}` })])));
    if (!all.length) return;
    const good = (/** @type {number} */ y) => Number.isFinite(y) && (!node.log || y > 0);
    let [low, high, left, right] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { x, y } of all)
      for (let i = 0; i < x.length; i++) {
        if (!good(y[i])) continue;
        if (y[i] < low) low = y[i];
        if (y[i] > high) high = y[i];
        if (x[i] < left) left = x[i];
        if (x[i] > right) right = x[i];
      }
    if (low > high) return;
    const f = node.log ? Math.log : (/** @type {number} */ y) => y;
    if (high === low) [low, high] = node.log ? [low / 2, high * 2] : [low - 0.5 * Math.abs(low || 1), high + 0.5 * Math.abs(high || 1)];
    if (right === left) right = left + 1;
    spread = [left, right];
    const w = width - LEFT - RIGHT, h = HEIGHT - TOP - BOTTOM;
    const px = (/** @type {number} */ x) => LEFT + ((x - left) / (right - left)) * w;
    const py = (/** @type {number} */ y) => TOP + (1 - (f(y) - f(low)) / (f(high) - f(low))) * h;
    pen.strokeStyle = colour('--line');
    pen.fillStyle = colour('--muted');
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    for (const y of node.log ? powers(low, high) : ticks(low, high, 5)) {
      line(pen, LEFT, py(y), LEFT + w, py(y));
      pen.fillText(show(y), LEFT - 6, py(y));
    }
    pen.textAlign = 'center';
    pen.textBaseline = 'top';
    for (const x of ticks(left, right, Math.max(2, Math.floor(w / 90)))) pen.fillText(number(x), px(x), HEIGHT - BOTTOM + 6);
    pen.strokeStyle = colour('--ink');
    pen.setLineDash([3, 3]);
    for (const mark of now.marks) if (mark.x >= left && mark.x <= right) line(pen, px(mark.x), TOP, px(mark.x), TOP + h);
    pen.setLineDash([]);
    for (const each of all) {
      pen.strokeStyle = pen.fillStyle = colour(COLOURS[(each.colour ?? 0) % 4]);
      pen.globalAlpha = each.faint ? 0.45 : 1;
      pen.lineWidth = each.faint ? 1 : 2;
      pen.setLineDash(DASHES[(each.dash ?? 0) % 4]);
      stroke(pen, each, px, py, good);
      pen.setLineDash([]);
      if ((each.dots && each.x.length <= 60) || each.x.length === 1) each.x.forEach((x, i) => { if (good(each.y[i])) { pen.beginPath(); pen.arc(px(x), py(each.y[i]), 3, 0, 7); pen.fill(); } });
      pen.globalAlpha = 1;
    }
    pen.lineWidth = 1;
    if (Number.isFinite(place)) {
      pen.strokeStyle = colour('--muted');
      line(pen, px(place), TOP, px(place), TOP + h);
    }
  }

  function twin() {
    const parts = now.series.filter((each) => each.x.length).map((each) => {
      const y = each.y.filter(Number.isFinite);
      return `${each.name}: ${each.x.length} points, first ${show(y[0])}, last ${show(y[y.length - 1])}, lowest ${show(Math.min(...tail(y)))}, highest ${show(Math.max(...tail(y)))}`;
    });
    return `${title}. ${parts.join('; ') || 'nothing yet'}${now.marks.length ? `. Marks: ${now.marks.map((mark) => mark.text).join('; ')}` : ''}`;
  }

  function look(/** @type {number} */ x) {
    place = Math.min(spread[1], Math.max(spread[0], x));
    const parts = now.series.filter((each) => each.x.length).map((each) => `${each.name} ${show(each.y[nearest(each.x, place)])}`);
    const marks = now.marks.filter((mark) => Math.abs(mark.x - place) < (spread[1] - spread[0]) / 60).map((mark) => mark.text);
    read.textContent = `${across} ${number(place)}: ${[...parts, ...marks].join(', ')}`;
    node.draw(now.series, now.marks);
  }

  canvas.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    look(spread[0] + ((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * (spread[1] - spread[0]));
  });
  canvas.addEventListener('pointerleave', () => { place = NaN; read.textContent = ''; node.draw(now.series, now.marks); });
  canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    read.setAttribute('aria-live', 'polite');
    look((Number.isFinite(place) ? place : spread[1]) + (step * (spread[1] - spread[0])) / 40);
  });
  new ResizeObserver(() => node.draw(now.series, now.marks)).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => node.draw(now.series, now.marks));
  return node;
}

const tail = (/** @type {number[]} */ y) => (y.length > 10000 ? y.slice(-10000) : y);

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

/** Where there are more points than columns, each column shows its lowest and highest: nothing is lost to the eye. */
function stroke(pen, { x, y }, px, py, good) {
  pen.beginPath();
  let column = -1, low = 0, high = 0, drawing = false;
  const dense = x.length > 2500;
  for (let i = 0; i < x.length; i++) {
    if (!good(y[i])) { drawing = false; continue; }
    const at = px(x[i]), up = py(y[i]);
    if (!dense || Math.round(at) !== column) {
      if (dense && drawing) { pen.lineTo(column, low); pen.lineTo(column, high); }
      column = Math.round(at);
      low = high = up;
      if (drawing) pen.lineTo(at, up);
      else pen.moveTo(at, up);
      drawing = true;
    } else {
      low = Math.min(low, up);
      high = Math.max(high, up);
    }
  }
  pen.stroke();
}

/** Round numbers between two, about so many. */
export function ticks(/** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const found = [];
  for (let i = Math.ceil(low / step); i <= Math.floor(high / step + 1e-9); i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

const powers = (/** @type {number} */ low, /** @type {number} */ high) => {
  const found = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
    for (const m of [1, 2, 5]) if (m * 10 ** p >= low && m * 10 ** p <= high) found.push(m * 10 ** p);
  return found;
};

function nearest(/** @type {number[]} */ x, /** @type {number} */ at) {
  let [low, high] = [0, x.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && Math.abs(x[low - 1] - at) < Math.abs(x[low] - at) ? low - 1 : low;
}

/** A running mean that begins without a bias; `share` from 0 (as it is) to just below 1. */
export function smooth(/** @type {number[]} */ y, /** @type {number} */ share) {
  let mean = 0, weight = 0;
  return y.map((value) => {
    if (!Number.isFinite(value)) return value;
    mean = share * mean + (1 - share) * value;
    weight = share * weight + (1 - share);
    return mean / weight;
  });
}
