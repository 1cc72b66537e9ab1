// Maps that came as bytes: a header of JSON behind its length, then one byte a value (128 is zero, 0 is no number).

import { raw } from '../ask.js';
import { ramp } from '../net/colours.js';

/** @returns {Promise<{header: any, bytes: Uint8Array}>} */
export async function tiles(/** @type {string} */ path, parameters = {}, how = {}) {
  const buffer = await (await raw(path, parameters, how)).arrayBuffer(), length = new DataView(buffer).getUint32(0, true);
  return { header: JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), bytes: new Uint8Array(buffer, 4 + length) };
}

const tables = new Map();
const table = (/** @type {boolean} */ dark) => {
  if (!tables.has(dark)) tables.set(dark, Uint32Array.from([0xff808080, ...ramp(dark)]));
  return tables.get(dark);
};

/** Paint map `which` of a tile whose bytes begin at `from`. */
export function paintTile(/** @type {any} */ canvas, /** @type {Uint8Array} */ bytes, /** @type {number} */ from, /** @type {any} */ tile, /** @type {number} */ which) {
  const [h, w] = tile.size, at = from + which * h * w, colours = table(matchMedia('(prefers-color-scheme: dark)').matches), into = new Uint32Array(h * w);
  for (let i = 0; i < h * w; i++) into[i] = colours[bytes[at + i]];
  canvas.width = w;
  canvas.height = h;
  canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(into.buffer), w, h), 0, 0);
}

/** Several maps of a tile beside one another on one canvas. */
export function paintStrip(/** @type {any} */ canvas, /** @type {Uint8Array} */ bytes, /** @type {number} */ from, /** @type {any} */ tile, columns = 4, most = 12) {
  const [h, w] = tile.size, n = Math.min(most, tile.count), across = Math.min(columns, n), down = Math.ceil(n / across), wide = across * (w + 1) - 1, high = down * (h + 1) - 1;
  const colours = table(matchMedia('(prefers-color-scheme: dark)').matches), into = new Uint32Array(wide * high);
  for (let k = 0; k < n; k++)
    for (let r = 0; r < h; r++)
      for (let c = 0; c < w; c++) into[(Math.floor(k / across) * (h + 1) + r) * wide + (k % across) * (w + 1) + c] = colours[bytes[from + (k * h + r) * w + c]];
  canvas.width = wide;
  canvas.height = high;
  canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(into.buffer), wide, high), 0, 0);
}

/** A picture H W C of bytes. */
export function paintPicture(/** @type {any} */ canvas, /** @type {Uint8Array} */ bytes, /** @type {number[]} */ [channels, h, w]) {
  const rgba = new Uint8ClampedArray(4 * h * w).fill(255);
  for (let i = 0; i < h * w; i++) for (let k = 0; k < 3; k++) rgba[4 * i + k] = bytes[i * channels + Math.min(k, channels - 1)];
  canvas.width = w;
  canvas.height = h;
  canvas.getContext('2d').putImageData(new ImageData(rgba, w, h), 0, 0);
}

/** Where the bytes of each tile begin. */
export const starts = (/** @type {any[]} */ all, first = 0) => {
  let at = first;
  return all.map((tile) => { const here = at; at += tile.count * tile.size[0] * tile.size[1]; return here; });
};
