// What a run says of a picture, whatever its task: drawn by what the answer has in it, as the page of hubel serve does.

import { el } from '../dom.js';
import { number, percent } from './said.js';

const UNLIKE = ' · unlike anything it was shown: do not believe it';
const FAR = 2; // as far as two points of the sphere can be from each other

/** Words and bars. `about` is what is told of the run: its classes, their colours, their thresholds. */
export function told(/** @type {any} */ found, /** @type {any} */ about) {
  if (found.shares) return areas(found, about);
  if (found.distances) return nearest(found);
  if (found.psnr !== undefined) return el('p', {}, [el('strong', { textContent: `off by ${percent(Math.sqrt(found.mse))} of the way from black to white` }), `, the root of the mean square: ${found.psnr.toFixed(2)} dB, mean squared error ${number(found.mse)}`]);
  if (found.probabilities && about.thresholds) return labels(found, about);
  if (found.probabilities) return classes(found);
  if (found.value !== undefined) return el('p', {}, [el('strong', { textContent: number(found.value) })]);
  return el('p', {}, [el('strong', { textContent: Object.entries(found).filter(([name, value]) => typeof value === 'number' && name !== 'milliseconds').map(([name, value]) => `${name} ${number(value)}`).join(', ') })]);
}

/** Pictures that belong to the answer, each with its words; none of most. */
export const figures = (/** @type {any} */ found) => found.figures.map((/** @type {any} */ each) => el('figure', {}, [
  el('img', { className: 'pixels', src: each.picture, alt: each.words }), el('figcaption', { className: 'muted', textContent: each.words })]));

const ordered = (/** @type {Record<string, number>} */ numbers, sign = -1) => Object.entries(numbers).sort((a, b) => sign * (a[1] - b[1]));

/** @param {{ name: string, share: number, told: string, said?: boolean, below?: boolean, limit?: number, colour?: string, title?: string }[]} rows */
const bars = (rows) => el('ul', { className: 'bars' }, rows.map((row) => el('li', { className: row.said ? 'said' : row.below ? 'below' : '' }, [
  el('span', { className: 'name', title: row.title ?? row.name }, [row.colour !== undefined && el('span', { className: 'patch', style: { background: row.colour } }), row.name]),
  el('span', { className: 'track', title: row.title ?? '' }, [
    el('span', { className: 'bar', style: { width: `${100 * Math.min(1, Math.max(0, row.share))}%`, ...(row.colour ? { background: row.colour } : {}) } }),
    row.limit !== undefined && el('span', { className: 'limit', style: { left: `${100 * row.limit}%` } })]),
  el('span', { className: 'share', textContent: row.told })])));

/** The most probable classes, and whether it knows such pictures at all. */
function classes(/** @type {any} */ found) {
  const unsure = found.plausible?.length > 1 ? `Plausible: ${found.plausible.join(', ')}` : '';
  return el('div', {}, [
    el('p', {}, [el('strong', { textContent: found.label ?? found.labels[0] }), found.known === false ? UNLIKE : '']),
    bars(ordered(found.probabilities).map(([name, share]) => ({ name, share, told: percent(share) }))),
    unsure && el('p', { className: 'muted', textContent: unsure })]);
}

/** Each label with the threshold from which on it is said; those that are said in words, too. */
function labels(/** @type {any} */ found, /** @type {any} */ about) {
  const limit = (/** @type {string} */ name) => about.thresholds[about.classes.indexOf(name)], rows = ordered(found.probabilities);
  return el('div', {}, [
    el('p', {}, [el('strong', { textContent: found.labels.length ? found.labels.join(', ') : 'none of its labels' }), found.known === false ? UNLIKE : '']),
    bars(rows.map(([name, share]) => {
      const said = found.labels.includes(name);
      return { name: `${said ? '✓ ' : ''}${name}`, share, told: percent(share), said, limit: limit(name), title: `${name}, said from ${percent(limit(name))} on` };
    })),
    el('p', { className: 'muted', textContent: `The mark on a bar is the probability from which on its label is said: ${rows.map(([name]) => `${name} ${percent(limit(name))}`).join(', ')}.` })]);
}

/** The share of each class that the picture has something of, in its colour; the first, the ground, is left clear. */
function areas(/** @type {any} */ found, /** @type {any} */ about) {
  const rows = ordered(found.shares).filter(([, share]) => share > 0), ground = about.classes[0];
  return el('div', {}, [
    el('p', {}, [el('strong', { textContent: rows.slice(0, 3).map(([name, share]) => `${name}: ${percent(share)}`).join(', ') }), ' of what the net sees']),
    bars(rows.map(([name, share]) => ({ name, share, told: percent(share), below: name === ground, colour: name === ground ? '' : about.colours?.[about.classes.indexOf(name)] ?? '' })))]);
}

/** How far it is from the middle of each class, the nearest first: the longer a bar, the nearer. */
function nearest(/** @type {any} */ found) {
  return el('div', {}, [
    el('p', {}, [el('strong', { textContent: `${found.near ? '' : 'nearest: '}${found.nearest}` }), ` at distance ${found.distance.toFixed(2)}${found.near ? '' : ' · no class is near: perhaps one that was never shown'}`]),
    bars(ordered(found.distances, 1).map(([name, far]) => ({ name, share: 1 - far / FAR, told: far.toFixed(2), said: found.labels.includes(name), below: !found.labels.includes(name) }))),
    el('p', { className: 'muted', textContent: 'Distances from the middle of each class; the longer a bar, the nearer.' })]);
}
