// Colours of values and classes as numbers, for pictures that are painted away from the page.

/** Orange for minus, blue for plus; then green, purple, yellow, grey (Okabe and Ito, told apart by nearly all eyes). */
export const CLASSES = [[213, 94, 0], [0, 114, 178], [0, 158, 115], [170, 80, 140], [190, 150, 0], [110, 110, 110]];
const MIDDLE = { light: [246, 246, 244], dark: [28, 30, 33] };
const LEVELS = 255;
/** What is no number. */
const NOTHING = 0xff808080;

const packed = (/** @type {number[]} */ [r, g, b]) => (0xff000000 | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
const between = (/** @type {number[]} */ a, b, share) => a.map((v, i) => v + (b[i] - v) * share);

/** Colours of −1 … 1, as numbers that a Uint32Array over RGBA takes. */
export function ramp(/** @type {boolean} */ dark) {
  const middle = dark ? MIDDLE.dark : MIDDLE.light;
  return Uint32Array.from({ length: LEVELS }, (_, i) => {
    const v = (i / (LEVELS - 1)) * 2 - 1;
    return packed(between(middle, CLASSES[v < 0 ? 0 : 1], Math.abs(v) * 0.85));
  });
}

/** Greys from `low` to `high`, black to white. */
export const GREYS = Uint32Array.from({ length: LEVELS }, (_, i) => packed([i, i, i].map((v) => (v * 255) / (LEVELS - 1))));

/** Values as colours: −scale … scale along a ramp. */
export function paint(/** @type {ArrayLike<number>} */ values, from, n, scale, colours, /** @type {Uint32Array} */ into, at, sharp = false) {
  const half = (LEVELS - 1) / 2, k = half / (scale || 1);
  for (let i = 0; i < n; i++) {
    let v = values[from + i];
    if (sharp) v = v > 0 ? scale : -scale;
    const level = (v * k + half + 0.5) | 0;
    into[at + i] = v !== v ? NOTHING : colours[level < 0 ? 0 : level >= LEVELS ? LEVELS - 1 : level];
  }
}

/** Shares of classes as colours: the classes' own, mixed by their shares. */
export function mix(/** @type {ArrayLike<number>} */ share, n, dark, sharp = false) {
  const middle = dark ? MIDDLE.dark : MIDDLE.light;
  let top = 0;
  for (let k = 1; k < n; k++) if (share[k] > share[top]) top = k;
  const strong = sharp ? 0.75 : Math.max(0, ((share[top] - 1 / n) / (1 - 1 / n)) * 0.85);
  let [r, g, b] = [0, 0, 0];
  for (let k = 0; k < n; k++) {
    const w = sharp ? (k === top ? 1 : 0) : share[k] ** 2;
    r += w * CLASSES[k][0];
    g += w * CLASSES[k][1];
    b += w * CLASSES[k][2];
  }
  let sum = 0;
  for (let k = 0; k < n; k++) sum += sharp ? (k === top ? 1 : 0) : share[k] ** 2;
  return packed(between(middle, [r / sum, g / sum, b / sum], strong));
}
