// All that a playground is, as plain data and as a line of an address. What is not in the line is as usual.

import { ACTIVATIONS } from './activations.js';
import { LOSSES } from './losses.js';
import { OPTIMISERS } from './net.js';
import { DATA, FEATURES, MOST_CLASSES, packPoints, unpackPoints } from './points.js';

/** @typedef {{units: number, activation: string, dropout: number, norm: boolean}} Hidden */
/** @typedef {{data: string, about: 'classes'|'values', classes: number, noise: number, train: number, batch: number,
 *   features: string[], layers: Hidden[], loss: string, optimiser: string, rate: number, momentum: number, penalty: string,
 *   strength: number, seed: number, start: number, by: string, speed: string, test: boolean, sharp: boolean, away: boolean,
 *   points: import('./points.js').Point[], hide: string[]}} State */

export const RATES = [0.00001, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
export const STRENGTHS = [0, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
export const SPEEDS = { slow: 'slow motion', second: '1 step a second', frame: '1 step a frame', full: 'as fast as it can' };
export const STEPS = { sample: 'one sample', batch: 'one batch', epoch: 'one epoch' };
export const PENALTIES = { none: 'none', l1: 'L1', l2: 'L2' };
export const MOST_LAYERS = 8;
export const MOST_UNITS = 16;

/** @returns {State} */
export const usual = () => ({
  data: 'circle', about: 'classes', classes: 2, noise: 0, train: 50, batch: 10, features: ['x', 'y'],
  layers: [4, 2].map((units) => ({ units, activation: 'tanh', dropout: 0, norm: false })),
  loss: 'squared', optimiser: 'sgd', rate: 0.03, momentum: 0.9, penalty: 'none', strength: 0, seed: 1, start: 1,
  by: 'epoch', speed: 'frame', test: false, sharp: false, away: false, points: [], hide: [],
});

const yes = (/** @type {boolean} */ v) => (v ? '1' : '0');
const whole = (/** @type {string} */ text, low, high, usually) => {
  const n = Number(text);
  return Number.isInteger(n) && n >= low && n <= high ? n : usually;
};
const real = (/** @type {string} */ text, low, high, usually) => {
  const n = Number(text);
  return text !== '' && Number.isFinite(n) && n >= low && n <= high ? n : usually;
};

/** A layer in a word: 8, 8relu, 8relu-d0.2-n. */
const layerWord = (/** @type {Hidden} */ l) => `${l.units}${l.activation}${l.dropout ? `-d${l.dropout}` : ''}${l.norm ? '-n' : ''}`;
function layerOf(/** @type {string} */ word) {
  const [, units, name, , drop, norm] = /^(\d+)([a-z]*)(-d([\d.]+))?(-n)?$/.exec(word) ?? [];
  if (!units) return null;
  return {
    units: whole(units, 1, MOST_UNITS, 4), activation: Object.hasOwn(ACTIVATIONS, name) ? name : 'tanh',
    dropout: real(drop ?? '', 0, 0.9, 0), norm: Boolean(norm),
  };
}

/** The state as name=value&…, only what is not as usual. */
export function encode(/** @type {State} */ state) {
  const plain = words(state), usually = words(usual());
  return Object.entries(plain).filter(([name, value]) => value !== usually[name])
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll('%2C', ',')}`).join('&');
}

/** @returns {Record<string, string>} */
function words(/** @type {State} */ s) {
  return {
    data: s.data, problem: s.about, classes: String(s.classes), noise: String(s.noise), train: String(s.train), batch: String(s.batch),
    features: s.features.join(','), net: s.layers.map(layerWord).join(','), loss: s.loss, optimiser: s.optimiser, rate: String(s.rate),
    momentum: String(s.momentum), penalty: s.penalty, strength: String(s.strength), seed: String(s.seed), start: String(s.start),
    by: s.by, speed: s.speed, test: yes(s.test), sharp: yes(s.sharp), away: yes(s.away),
    points: s.data === 'own' ? packPoints(s.points, s.about === 'values') : '', hide: s.hide.join(','),
  };
}

/** A state from name=value&…; what cannot be is as usual. @returns {State} */
export function decode(/** @type {string | URLSearchParams | Record<string, string> | undefined} */ given) {
  const read = given instanceof URLSearchParams ? given : new URLSearchParams(/** @type {any} */ (given ?? ''));
  const state = usual(), get = (/** @type {string} */ name) => read.get(name);
  const choose = (/** @type {string} */ name, among, into = name) => { const v = get(name); if (v !== null && Object.hasOwn(among, v)) state[into] = v; };
  choose('data', { ...DATA, own: 1 });
  choose('problem', { classes: 1, values: 1 }, 'about');
  if (state.data !== 'own') state.about = DATA[state.data].about;
  const count = (name, low, high) => { const v = get(name); if (v !== null) state[name] = whole(v, low, high, state[name]); };
  count('classes', 2, MOST_CLASSES);
  count('noise', 0, 50);
  count('train', 10, 90);
  count('batch', 1, 100);
  count('seed', 0, 999999);
  count('start', 0, 999999);
  const numbers = (name, low, high) => { const v = get(name); if (v !== null) state[name] = real(v, low, high, state[name]); };
  numbers('rate', 0, 1000);
  numbers('momentum', 0, 0.9999);
  numbers('strength', 0, 100);
  const features = get('features')?.split(',').filter((name) => Object.hasOwn(FEATURES, name));
  if (features?.length) state.features = Object.keys(FEATURES).filter((name) => features.includes(name));
  const net = get('net');
  if (net !== null) state.layers = /** @type {any} */ (net.split(',').map(layerOf).filter(Boolean).slice(0, MOST_LAYERS));
  choose('loss', LOSSES);
  choose('optimiser', OPTIMISERS);
  choose('penalty', PENALTIES);
  choose('by', STEPS);
  choose('speed', SPEEDS);
  for (const name of ['test', 'sharp', 'away']) if (get(name) !== null) state[name] = get(name) === '1';
  state.points = unpackPoints(get('points') ?? '', state.about === 'values');
  state.hide = (get('hide') ?? '').split(',').filter((name) => /^[a-z]+$/.test(name));
  return mended(state);
}

/** The same with what does not go together made to fit. */
export function mended(/** @type {State} */ state) {
  const set = DATA[state.data];
  if (set) {
    state.about = set.about;
    if (set.most) state.classes = Math.min(state.classes, set.most);
  }
  if (state.data === 'own' && state.about === 'classes') state.classes = Math.max(state.classes, ...state.points.map((p) => p.target + 1));
  const { about } = LOSSES[state.loss];
  if (about !== 'both' && about !== state.about) state.loss = 'squared';
  return state;
}

/** What a net of this state is, for net.js. */
export function describe(/** @type {State} */ s) {
  return {
    input: [s.features.length], blocks: s.layers.map((l) => ({ kind: /** @type {const} */ ('dense'), ...l })),
    classes: s.about === 'values' ? 0 : s.classes, loss: s.loss, seed: s.start, optimiser: s.optimiser, rate: s.rate, momentum: s.momentum,
    l1: s.penalty === 'l1' ? s.strength : 0, l2: s.penalty === 'l2' ? s.strength : 0,
  };
}

/** Settings that can be changed while a net is trained: all others begin a new one. */
export const LIVE = ['rate', 'momentum', 'penalty', 'strength', 'batch', 'by', 'speed', 'test', 'sharp', 'away', 'hide'];
