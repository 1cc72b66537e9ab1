// The worker of a page: holds the net, and answers one picture at a time.

import { inChannels, looks, normalised, placed, shares, shrunk } from './picture.js';
import { familiarity } from './known.js';
import { constants, Net } from './run.js';

/** Base64 as bytes. @param {string} text */
export function bytesOf(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** What features look like to the net, as known.js wants it; null where it needs none. */
export function remembered(program, bytes) {
  if (!program.more?.length) return null;
  return { ...Object.fromEntries(constants(program.more, bytes)), outside: program.outside };
}

/** What the net says of RGBA pixels. `shrink`: take means of squares of so many pixels first. */
export function answered(net, about, seen, rgba, width, height, shrink = 1) {
  const p = about.preprocessing, small = shrunk(rgba, width, height, shrink);
  const fitted = placed(inChannels(small.pixels, p.channels), small.width, small.height, p);
  let logits = null;
  for (const { picture, weight } of looks(normalised(fitted, p), p, about.views)) {
    const found = net.run(picture);
    logits = (logits ?? new Float64Array(found.length)).map((sum, k) => sum + weight * found[k]);
  }
  const said = [...(logits ?? [])], own = said.slice(0, about.classes.length), { trust } = about;
  const share = trust ? familiarity(own, said.slice(own.length), trust, seen) : null;
  return { probabilities: shares(own, about.calibration, Boolean(about.thresholds)), familiarity: share, known: share === null || share >= trust.known };
}

/** Listen to the page, in a worker. */
export function serve() {
  let net, about, seen;
  self.onmessage = ({ data }) => {
    try {
      if (data.kind === 'start') {
        about = data.about;
        const bytes = bytesOf(data.weights);
        net = new Net(data.program, bytes);
        seen = remembered(data.program, bytes);
        self.postMessage({ kind: 'ready', way: net.way });
        return;
      }
      const started = performance.now();
      const found = answered(net, about, seen, data.pixels, data.width, data.height, data.shrink);
      self.postMessage({ kind: 'answer', id: data.id, ...found, milliseconds: performance.now() - started });
    } catch (error) {
      self.postMessage({ kind: 'failed', id: data.id, why: String(error?.message ?? error) });
    }
  };
}
