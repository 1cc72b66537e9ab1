// Small pictures and small convolutional nets behind the page: what Play is for points.

import { GREYS, paint, ramp } from './colours.js';
import { Playing } from './playing.js';
import { Random } from './rand.js';
import { Session } from './session.js';
import { blocksOf, moved, shapes, SIDE } from './shapes.js';

const SHOWN = 16;

export class Pictures extends Playing {
  /** `state`: data ('shapes', 'digits', 'own'), classes, layers, optimiser, rate, batch, seed, start, drawn; `digits`: pictures that the page fetched. */
  setup(/** @type {any} */ message) {
    const { state } = message;
    this.state = state;
    this.running = false;
    this.colours = ramp(Boolean(message.dark));
    const all = state.data === 'digits' ? message.digits ?? [] : state.data === 'own' ? state.drawn.flatMap((/** @type {any} */ d) => moved(d.pixels).map((pixels) => ({ pixels, target: d.target }))) : shapes(state.classes, 360, state.seed);
    const side = state.data === 'digits' ? 8 : SIDE, classes = state.data === 'digits' ? 10 : state.classes;
    const order = new Random(state.seed, 2).order(all.length), cut = state.data === 'own' ? all.length : Math.round(all.length * 0.75);
    const part = (/** @type {number[]} */ which) => {
      const x = new Float64Array(which.length * side * side);
      which.forEach((i, n) => x.set(all[i].pixels, n * side * side));
      return { x, targets: Float64Array.from(which, (i) => all[i].target) };
    };
    const train = part(Array.from(order.subarray(0, cut))), test = part(Array.from(order.subarray(cut)));
    this.side = side;
    this.session = new Session({ input: [1, side, side], blocks: /** @type {any} */ (blocksOf(state.layers)), classes, loss: 'cross-entropy', seed: state.start, optimiser: state.optimiser, rate: state.rate }, train, test, state.batch);
    if (!this.picture || this.picture.length !== side * side) this.picture = train.x.slice(0, side * side);
    if (!this.picture.length) this.picture = new Float64Array(side * side);
    this.send({ kind: 'ready', side, classes, count: this.session.net.weights.length, n: train.targets.length, samples: train.x.slice(0, 24 * side * side), targets: train.targets.slice(0, 24), shapes: this.session.net.ends.map((end) => this.session.net.layers[end].to) });
    this.frame();
  }

  /** Kernels, the picture's maps in every layer, and what the net says of it. */
  frame() {
    const { session } = this, { net } = session;
    if (this.running) session.keep();
    const numbers = session.measured();
    const out = Array.from(net.forward(this.picture, 1).subarray(0, net.outputs)), top = Math.max(...out), sum = out.reduce((total, v) => total + Math.exp(v - top), 0);
    const blocks = [], buffers = [];
    for (const [block, end] of net.ends.entries()) {
      const first = block ? net.ends[block - 1] + 1 : 0, own = net.layers.slice(first, end + 1), y = net.outputOf(block), shape = net.layers[end].to;
      const [count, h, w] = shape.length === 3 ? shape : [1, 1, shape[0]], shown = Math.min(SHOWN, count), maps = new Uint32Array(shown * h * w);
      let most = 1e-9;
      for (let i = 0; i < count * h * w; i++) most = Math.max(most, Math.abs(y[i]));
      paint(y, 0, shown * h * w, most, this.colours, maps, 0);
      const conv = own.find((/** @type {any} */ layer) => layer.kind === 'conv');
      let kernels = null;
      if (conv) {
        const size = conv.kernel ** 2, n = Math.min(SHOWN, conv.to[0]) * conv.C, pixels = new Uint32Array(n * size);
        let strong = 1e-9;
        for (let i = 0; i < conv.weights; i++) strong = Math.max(strong, Math.abs(conv.w[i]));
        paint(conv.w, 0, n * size, strong, this.colours, pixels, 0);
        kernels = { n: Math.min(SHOWN, conv.to[0]), each: conv.C, side: conv.kernel, buffer: pixels.buffer, strong };
        buffers.push(pixels.buffer);
      }
      blocks.push({ kind: own[0].kind, count, shown, h, w, most, maps: maps.buffer, kernels });
      buffers.push(maps.buffer);
    }
    const input = new Uint32Array(this.side ** 2);
    paint(this.picture.map((v) => v * 2 - 1), 0, input.length, 1, GREYS, input, 0);
    buffers.push(input.buffer);
    this.send({
      kind: 'frame', epoch: session.epoch, samples: session.samples, at: session.at, n: session.n, ...numbers, bad: session.bad, running: this.running,
      shares: out.map((v) => Math.exp(v - top) / sum), blocks, input: input.buffer,
    }, buffers);
  }

  /** A message that only pictures know. */
  more(/** @type {any} */ message) {
    if (message.kind === 'live') {
      Object.assign(this.state, message.settings);
      this.session.net.rate = this.state.rate;
      this.session.batch = this.state.batch;
      if (message.dark !== undefined) this.colours = ramp(message.dark);
    } else if (message.kind === 'show') this.picture = Float64Array.from(message.picture);
    else return false;
    this.frame();
    return true;
  }
}
