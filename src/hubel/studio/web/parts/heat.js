// A map over its picture, painted here, so that it follows the sliders at once.

import { el } from '../dom.js';

const WIDE = 300;

/** @param {any} found as /api/explain/map says it @returns {any} a canvas with `paint(strength, least)` */
export function heat(found) {
  const { width, height, signed } = found, scale = Math.max(1, WIDE / width);
  const canvas = el('canvas', { role: 'img', 'aria-label': found.alt, width: Math.round(width * scale), height: Math.round(height * scale) });
  const values = Int8Array.from(atob(found.map), (c) => c.charCodeAt(0)), image = new Image(), over = document.createElement('canvas');
  over.width = width;
  over.height = height;
  let now = [0.85, 0];
  image.onload = () => canvas.paint(...now);
  image.src = found.picture;

  canvas.paint = (/** @type {number} */ strength, /** @type {number} */ least) => {
    now = [strength, least];
    const pen = canvas.getContext('2d'), small = over.getContext('2d'), data = small.createImageData(width, height);
    for (let i = 0; i < values.length; i++) {
      const v = values[i] / 127, a = Math.abs(v);
      const [r, g, b] = signed ? (v > 0 ? [213, 94, 0] : [0, 114, 178]) : [255 * Math.min(1, 0.55 + 0.6 * a), 255 * Math.max(0, 1.25 * a - 0.25), 255 * (0.45 - 0.45 * a)];
      data.data.set([r, g, b, a < least || (!signed && v < 0) ? 0 : 255 * strength * a ** 0.8], 4 * i);
    }
    small.putImageData(data, 0, 0);
    pen.imageSmoothingEnabled = width >= 64;
    pen.filter = 'grayscale(1)';
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    pen.filter = 'none';
    pen.drawImage(over, 0, 0, canvas.width, canvas.height);
  };
  return canvas;
}
