// From decoded pixels to what a net sees, as hubel does it in Python: Pillow's resampling bit for bit, then the run's
// fit, its channels, its mean and deviation. No DOM.

const { abs, ceil, floor, fround, max, min, PI, round, sin, trunc } = Math;

const sinc = (/** @type {number} */ x) => (x === 0 ? 1 : sin(PI * x) / (PI * x));

/** Pillow's filters: what a pixel at distance x counts, and how far they reach. */
const FILTERS = {
  bilinear: { reach: 1, weight: (x) => max(0, 1 - abs(x)) },
  bicubic: {
    reach: 2,
    weight: (x) => {
      const a = -0.5;
      x = abs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
  lanczos: { reach: 3, weight: (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

const BITS = 22;  // of a weight's fraction, as in Pillow

/** For each new pixel the first old one that counts, and the weights as whole numbers. */
function weights(side, from, to, out, filter) {
  const scale = fround(fround(to) - fround(from)) / out, wide = max(1, scale), reach = filter.reach * wide;
  const first = new Int32Array(out), count = new Int32Array(out), most = ceil(reach) * 2 + 1;
  const values = new Int32Array(out * most);
  for (let i = 0; i < out; i++) {
    const centre = fround(from) + (i + 0.5) * scale;
    const low = max(0, trunc(centre - reach + 0.5)), high = min(side, trunc(centre + reach + 0.5));
    const row = [];
    let sum = 0;
    for (let x = low; x < high; x++) {
      const value = filter.weight((x - centre + 0.5) * (1 / wide));
      row.push(value);
      sum += value;
    }
    first[i] = low;
    count[i] = high - low;
    row.forEach((value, k) => {
      const share = sum !== 0 ? value / sum : value;
      values[i * most + k] = trunc((share < 0 ? -0.5 : 0.5) + share * (1 << BITS));
    });
  }
  return { first, count, most, values };
}

/** One pass along one axis: `lines` lines that begin `line` apart, pixels `step` apart. */
function pass(source, target, plan, lines, line, step, newLine, newStep, channels) {
  const { first, count, most, values } = plan, out = first.length;
  for (let i = 0; i < out; i++) {
    const begin = first[i] * step, n = count[i], at = i * most;
    for (let row = 0; row < lines; row++)
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (BITS - 1), from = begin + row * line + c;
        for (let k = 0; k < n; k++, from += step) sum += source[from] * values[at + k];
        target[i * newStep + row * newLine + c] = sum >> BITS;  // the array cuts off below 0 and above 255
      }
  }
}

/**
 * The part `box` (left, top, right, bottom) of pixels H W C in another size: Pillow's `resize`. Bytes are rounded between
 * its two passes, so their order can be seen: `downFirst` as Pillow's newer releases have it, where heights shrink most.
 * @param {Uint8Array | Uint8ClampedArray} pixels
 */
export function resized(pixels, width, height, channels, newWidth, newHeight, how, downFirst = false, box = [0, 0, width, height]) {
  const [left, top, right, bottom] = box.map(fround);
  const whole = left === 0 && top === 0 && right === width && bottom === height;
  if (whole && newWidth === width && newHeight === height) return Uint8ClampedArray.from(pixels);
  if (how === 'nearest') return nearest(pixels, width, height, channels, newWidth, newHeight, [left, top, right, bottom]);
  const filter = FILTERS[how];
  if (!filter) throw new Error(`no filter ${how}`);
  let source = pixels, wide = width, high = height;
  const across = () => {
    if (newWidth === width && left === 0 && right === newWidth) return;
    const target = new Uint8ClampedArray(newWidth * high * channels), plan = weights(width, left, right, newWidth, filter);
    pass(source, target, plan, high, width * channels, channels, newWidth * channels, channels, channels);
    source = target;
    wide = newWidth;
  };
  const down = () => {
    if (newHeight === height && top === 0 && bottom === newHeight) return;
    const target = new Uint8ClampedArray(wide * newHeight * channels), plan = weights(height, top, bottom, newHeight, filter);
    pass(source, target, plan, wide, channels, wide * channels, channels, wide * channels, channels);
    source = target;
    high = newHeight;
  };
  const tall = height > newHeight && height - newHeight > 2 * (width - newWidth);
  for (const turn of downFirst && tall ? [down, across] : [across, down]) turn();
  return source === pixels ? Uint8ClampedArray.from(pixels) : /** @type {Uint8ClampedArray} */ (source);
}

function nearest(pixels, width, height, channels, newWidth, newHeight, [left, top, right, bottom]) {
  const places = (from, to, out, side) => {
    const scale = (to - from) / out, found = new Int32Array(out);
    for (let i = 0, x = from + scale * 0.5; i < out; i++, x += scale) found[i] = max(0, min(side - 1, floor(x)));
    return found;
  };
  const columns = places(left, right, newWidth, width), rows = places(top, bottom, newHeight, height);
  const target = new Uint8ClampedArray(newWidth * newHeight * channels);
  for (let y = 0, at = 0; y < newHeight; y++)
    for (let x = 0; x < newWidth; x++)
      for (let c = 0; c < channels; c++, at++) target[at] = pixels[(rows[y] * width + columns[x]) * channels + c];
  return target;
}

/** Halves to the even neighbour, as Python rounds. */
export function even(/** @type {number} */ x) {
  const down = floor(x);
  return x - down === 0.5 ? down + (down & 1) : round(x);
}

/** Pixels of any size brought to that of the net, by its rule: Preprocessing of hubel. Gives H W C. */
export function placed(pixels, width, height, p) {
  const channels = p.channels, share = p.crop_share ?? 1, how = p.interpolation;
  if (width === p.width && height === p.height && share === 1) return Uint8ClampedArray.from(pixels);
  if (p.fit === 'squash') return resized(pixels, width, height, channels, p.width, p.height, how, p.down_first);
  if (p.fit === 'crop') {
    const scale = share * min(width / p.width, height / p.height);
    const left = max(0, (width - p.width * scale) / 2), top = max(0, (height - p.height * scale) / 2);
    const right = min(width, left + p.width * scale), bottom = min(height, top + p.height * scale);
    return resized(pixels, width, height, channels, p.width, p.height, how, p.down_first, [left, top, right, bottom]);
  }
  const scale = min(p.width / width, p.height / height);
  const w = max(1, even(width * scale)), h = max(1, even(height * scale));
  const inner = resized(pixels, width, height, channels, w, h, how, p.down_first);
  const target = new Uint8ClampedArray(p.width * p.height * channels).fill(128);
  const left = floor((p.width - w) / 2), top = floor((p.height - h) / 2);
  for (let y = 0; y < h; y++)
    target.set(inner.subarray(y * w * channels, (y + 1) * w * channels), ((top + y) * p.width + left) * channels);
  return target;
}

/** RGBA as the net's channels: alpha over white, grey as Pillow weighs it. @param {Uint8ClampedArray} rgba */
export function inChannels(rgba, channels) {
  const count = rgba.length / 4, out = new Uint8ClampedArray(count * channels);
  for (let i = 0, at = 0; i < count; i++) {
    let r = rgba[4 * i], g = rgba[4 * i + 1], b = rgba[4 * i + 2];
    const alpha = rgba[4 * i + 3];
    if (alpha < 255) [r, g, b] = [r, g, b].map((value) => round((value * alpha + 255 * (255 - alpha)) / 255));
    if (channels === 1) out[at++] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else { out[at++] = r; out[at++] = g; out[at++] = b; }
  }
  return out;
}

/** Means of squares of `by` pixels a side: what a JPEG decoder that reads at a fraction gives, nearly. */
export function shrunk(rgba, width, height, by) {
  if (by === 1) return { pixels: rgba, width, height };
  const w = ceil(width / by), h = ceil(height / by), out = new Uint8ClampedArray(4 * w * h);
  for (let y = 0, at = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let c = 0; c < 4; c++, at++) {
        let sum = 0, count = 0;
        for (let i = y * by; i < min(height, (y + 1) * by); i++)
          for (let j = x * by; j < min(width, (x + 1) * by); j++, count++) sum += rgba[4 * (i * width + j) + c];
        out[at] = round(sum / count);
      }
  return { pixels: out, width: w, height: h };
}

/** H W C bytes as C H W numbers with the run's mean 0 and deviation 1. */
export function normalised(pixels, p) {
  const area = p.width * p.height, out = new Float32Array(area * p.channels);
  for (let c = 0; c < p.channels; c++) {
    const std = p.std[c] ?? 1, scale = fround(1 / 255 / std), shift = fround(-(p.mean[c] ?? 0) / std);
    for (let i = 0; i < area; i++) out[c * area + i] = fround(pixels[i * p.channels + c] * scale) + shift;
  }
  return out;
}

/** The picture C H W moved by dy and dx, the rim reflected (or repeated, where a side is 1). */
function moved(picture, p, dy, dx, mirror) {
  const { height, width, channels } = p, out = new Float32Array(picture.length), reflect = min(height, width) > 1;
  const place = (/** @type {number} */ i, /** @type {number} */ n) =>
    i >= 0 && i < n ? i : reflect ? (i < 0 ? -i : 2 * (n - 1) - i) : max(0, min(n - 1, i));
  for (let c = 0, at = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++, at++) {
        const column = mirror ? width - 1 - x : x;
        out[at] = picture[(c * height + place(y + dy, height)) * width + place(column + dx, width)];
      }
  return out;
}

/** Each view of a picture with its weight (hubel.inference.with_views). */
export function looks(picture, p, views) {
  const dy = max(1, even(p.height / 32)), dx = max(1, even(p.width / 32));
  const places = views.endsWith('shift') ? [[0, 0, 1 / 2], [-dy, -dx, 1 / 4], [dy, dx, 1 / 4]] : [[0, 0, 1]];
  const sides = views.startsWith('mirror') ? [false, true] : [false];
  return places.flatMap(([y, x, weight]) => sides.map((mirror) => ({
    picture: y || x || mirror ? moved(picture, p, y, x, mirror) : picture, weight: weight / sides.length,
  })));
}

/** Logits made honest (hubel.metrics.calibrators). @param {ArrayLike<number>} logits */
export function honest(logits, { temperature, scales, shifts, knots: [from, to] }) {
  if (scales.length) return Array.from(logits, (value, k) => value * scales[k] + shifts[k]);
  const scaled = Array.from(logits, (value) => value / temperature);
  if (!from.length) return scaled;
  return softmax(scaled).map((share) => {
    let j = 1;
    while (j < from.length - 1 && from[j] < share) j++;
    const along = max(0, (share - from[j - 1]) / (from[j] - from[j - 1]));
    return Math.log(to[j - 1] + along * (to[j] - to[j - 1]));
  });
}

/** Probabilities of logits that are made honest first: of each label its own where `several` may hold. @param {ArrayLike<number>} logits */
export const shares = (logits, calibration, several = false) => (several ? honest(logits, calibration).map(sigmoid) : softmax(honest(logits, calibration)));

const sigmoid = (/** @type {number} */ value) => 1 / (1 + Math.exp(-value));

function softmax(/** @type {number[]} */ values) {
  const top = max(...values);
  const powers = values.map((value) => Math.exp(value - top)), sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
}
