// The playground behind the page: a state becomes a session, messages come in, frames go out. Runs in a worker, or in node.

import { activation } from './activations.js';
import { mix, paint, ramp } from './colours.js';
import { classOf, shares } from './losses.js';
import { Playing } from './playing.js';
import { FEATURES, gridRows, made, rows, split } from './points.js';
import { Session } from './session.js';
import { decode, describe, encode } from './state.js';
import { traced, unitLine, lossLine } from './trace.js';

export const UNIT = 30;
export const PLAYING = 50;
export const STILL = 100;

export class Play extends Playing {
  /** @param {(message: any, moved?: Transferable[]) => void} send */
  constructor(send) {
    super(send);
    this.dark = false;
    /** @type {Map<string, Float64Array>} */
    this.grids = new Map();
  }

  /** Begin with a state: points, split, net. */
  setup(/** @type {any} */ message) {
    const state = message.state ?? decode(message.words);
    this.state = state;
    this.dark = Boolean(message.dark);
    this.colours = ramp(this.dark);
    this.running = false;
    const all = state.data === 'own' ? state.points : made(state.data, state.classes, state.noise, state.seed);
    const parts = split(all, state.data === 'own' && all.length < 20 ? 100 : state.train, state.seed);
    const part = (/** @type {any[]} */ some) => ({ x: rows(some, state.features), targets: Float64Array.from(some, (p) => p.target) });
    this.points = parts;
    this.session = new Session(describe(state), part(parts.train), part(parts.test), state.batch);
    this.send({ kind: 'ready', train: parts.train, test: parts.test, words: encode(state), dense: this.session.net.layers.filter((layer) => layer.kind === 'dense').map((layer) => ({ at: layer.at, inputs: layer.inputs, units: layer.to[0] })) });
    this.frame();
  }

  grid(/** @type {number} */ side) {
    const key = `${side} ${this.state.features}`;
    let found = this.grids.get(key);
    if (!found) {
      if (this.grids.size > 12) this.grids.clear();
      found = gridRows(side, this.state.features);
      this.grids.set(key, found);
    }
    return found;
  }

  /** What there is to be seen now. */
  frame() {
    const { session, state } = this, { net } = session;
    if (this.running) session.keep();
    const small = session.maps(this.grid(UNIT), UNIT * UNIT), area = UNIT * UNIT, hidden = state.layers.length;
    const units = new Uint32Array(state.layers.reduce((/** @type {number} */ sum, /** @type {any} */ l) => sum + l.units, 0) * area);
    let at = 0;
    const scales = [];
    for (let block = 0; block < hidden; block++) {
      const bounded = activation(state.layers[block].activation).bounded && !state.layers[block].dropout;
      for (let u = 0; u < state.layers[block].units; u++, at += area) {
        let most = bounded ? 1 : 1e-6;
        if (!bounded) for (let i = 0; i < area; i++) { const v = Math.abs(small[block][u * area + i]); if (v > most) most = v; }
        scales.push(most);
        paint(small[block], u * area, area, most, this.colours, units, at);
      }
    }
    const side = this.running ? PLAYING : STILL, shown = this.big && this.big.block < hidden && this.big.unit < state.layers[this.big.block].units ? this.big : null;
    const out = this.output(side, shown);
    const numbers = session.measured(), weights = net.weights.slice();
    this.send({
      kind: 'frame', epoch: session.epoch, samples: session.samples, steps: net.steps, at: session.at, n: session.n, ...numbers, weights, scales,
      units: units.buffer, out: out.buffer, side, shown, bad: session.bad, running: this.running, undoable: session.kept.length > 1 || session.changed,
    }, [units.buffer, out.buffer, weights.buffer]);
  }

  /** The output (or one unit) over the square. */
  output(/** @type {number} */ side, /** @type {any} */ shown) {
    const { session, state } = this, { net } = session, n = side * side, into = new Uint32Array(n), grid = this.grid(side);
    if (shown) {
      const maps = session.maps(grid, n)[shown.block], from = shown.unit * n;
      let most = 1e-6;
      for (let i = 0; i < n; i++) most = Math.max(most, Math.abs(maps[from + i]));
      paint(maps, from, n, activation(state.layers[shown.block].activation).bounded ? 1 : most, this.colours, into, 0);
      return into;
    }
    const out = session.outputs(grid, n), K = net.outputs;
    if (K === 1) paint(out, 0, n, 1, this.colours, into, 0, state.sharp);
    else {
      const share = new Float64Array(K);
      if (K === 2 && !state.sharp) {
        const signed = new Float64Array(n);
        for (let i = 0; i < n; i++) { shares(net.loss, net.classes, out, i * K, K, share); signed[i] = share[1] - share[0]; }
        paint(signed, 0, n, 1, this.colours, into, 0);
      } else for (let i = 0; i < n; i++) into[i] = mix(shares(net.loss, net.classes, out, i * K, K, share), K, this.dark, state.sharp);
    }
    return into;
  }

  /** What the net says of one place, written out unit by unit. */
  probe(/** @type {{x: number, y: number, target?: number}} */ place) {
    const { session, state } = this, { net } = session, x = rows([place], state.features), names = state.features.map((/** @type {string} */ f) => FEATURES[f].title);
    const out = Array.from(net.forward(x, 1).subarray(0, net.outputs)), lines = [];
    for (let block = 0; block < net.ends.length; block++)
      for (let unit = 0; unit < net.layers[net.ends[block]].outputs; unit++) lines.push(unitLine(net, block, unit, names));
    const share = net.classes ? Array.from(shares(net.loss, net.classes, out, 0, net.outputs, new Float64Array(Math.max(2, net.outputs)))).slice(0, net.classes) : [];
    const loss = place.target === undefined ? null : lossLine(net, out, place.target);
    return { kind: 'probed', place, lines, out, share, answer: net.classes ? classOf(out, 0, net.outputs) : out[0], loss };
  }

  /** A message that only points know. */
  more(/** @type {any} */ message) {
    const { session } = this;
    switch (message.kind) {
      case 'trace': {
        if (session.bad || !session.n) { this.frame(); break; }
        const names = this.state.features.map((/** @type {string} */ f) => FEATURES[f].title);
        const which = session.order[session.at], told = traced(session, message.by === 'sample' ? 'sample' : 'batch', names);
        this.send({ kind: 'traced', ...told, point: this.points?.train[which] });
        session.keep();
        this.frame();
        break;
      }
      case 'weight':
        session.keep();
        session.net.weights[message.at] = message.value;
        if (session.bad && !session.net.firstBad()) session.bad = null;
        this.frame();
        break;
      case 'live': {
        Object.assign(this.state, message.settings);
        const { rate, momentum, l1, l2 } = describe(this.state);
        Object.assign(session.net, { rate, momentum, l1, l2 });
        session.batch = this.state.batch;
        if (message.dark !== undefined) { this.dark = message.dark; this.colours = ramp(this.dark); }
        this.frame();
        break;
      }
      case 'big': this.big = message.unit; this.frame(); break;
      case 'probe': this.send(this.probe(message.place)); break;
      default: return false;
    }
    return true;
  }
}
