// The worker of a page: holds the net, and answers one picture at a time.

import { inChannels, looks, normalised, placed, shares, shrunk } from './picture.js';
import { Net } from './run.js';

/** Base64 as bytes. @param {string} text */
export function bytesOf(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** What the net says of RGBA pixels. `shrink`: take means of squares of so many pixels first. */
export function answered(net, about, rgba, width, height, shrink = 1) {
  const p = about.preprocessing, small = shrunk(rgba, width, height, shrink);
  const seen = placed(inChannels(small.pixels, p.channels), small.width, small.height, p);
  let logits = null;
  for (const { picture, weight } of looks(normalised(seen, p), p, about.views)) {
    const found = net.run(picture);
    logits = (logits ?? new Float64Array(found.length)).map((sum, k) => sum + weight * found[k]);
  }
  return { probabilities: shares(logits, about.temperature), seen };
}

/** Listen to the page, in a worker. */
export function serve() {
  let net, about;
  self.onmessage = ({ data }) => {
    try {
      if (data.kind === 'start') {
        about = data.about;
        net = new Net(data.program, bytesOf(data.weights));
        self.postMessage({ kind: 'ready', way: net.way });
        return;
      }
      const started = performance.now();
      const { probabilities } = answered(net, about, data.pixels, data.width, data.height, data.shrink);
      self.postMessage({ kind: 'answer', id: data.id, probabilities, milliseconds: performance.now() - started });
    } catch (error) {
      self.postMessage({ kind: 'failed', id: data.id, why: String(error?.message ?? error) });
    }
  };
}
