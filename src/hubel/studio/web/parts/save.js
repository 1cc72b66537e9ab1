// "Save this view": what a page shows as a PNG, with the address and the command that make it again written under it.
// Everything is painted where the browser has laid it out: nothing is laid out anew, and nothing leaves the page.

import { el } from '../dom.js';

const MOST = 12000, MARGIN = 16, LINE = 19;

/** A button that saves `node`; `say` gives the command that does the same, "" where there is none. */
export function saver(/** @type {string} */ name, /** @type {any} */ node, say = () => '') {
  const button = el('button', { type: 'button', className: 'quiet', textContent: 'Save this view', title: 'A PNG of what is shown, with the address and the command that make it' });
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      const picture = await painted(node, [document.title, location.href, say()].filter(Boolean));
      const blob = await new Promise((done) => picture.toBlob(done, 'image/png')), address = URL.createObjectURL(/** @type {Blob} */ (blob));
      el('a', { href: address, download: `hubel-${name}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
      document.documentElement.dataset.saved = `${picture.width}x${picture.height}`;
    } finally { button.disabled = false; }
  });
  return el('p', { className: 'line', dataset: { unsaved: '1' } }, [button]);
}

/** A canvas with what `node` shows, and lines of text under it. @returns {Promise<any>} */
export async function painted(/** @type {any} */ node, /** @type {string[]} */ lines = []) {
  const frame = node.getBoundingClientRect(), scale = Math.min(2, MOST / Math.max(frame.width, frame.height, 1));
  const canvas = document.createElement('canvas'), pen = /** @type {any} */ (canvas.getContext('2d')), style = getComputedStyle(document.body);
  const font = '13px ui-monospace, Menlo, Consolas, monospace';
  pen.font = font;
  const foot = lines.flatMap((line) => wrapped(pen, line, frame.width));
  canvas.width = Math.ceil((frame.width + 2 * MARGIN) * scale);
  canvas.height = Math.ceil((frame.height + 3 * MARGIN + foot.length * LINE) * scale);
  pen.scale(scale, scale);
  pen.fillStyle = style.backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.translate(MARGIN - frame.left, MARGIN - frame.top);
  await paint(pen, node);
  pen.font = font;
  pen.fillStyle = style.color;
  pen.textBaseline = 'alphabetic';
  for (const [i, line] of foot.entries()) pen.fillText(line, frame.left, frame.bottom + MARGIN + (i + 1) * LINE - 5);
  return canvas;
}

/** A text in lines that are not too wide. */
function wrapped(/** @type {any} */ pen, /** @type {string} */ text, /** @type {number} */ wide) {
  const each = Math.max(10, Math.floor(wide / pen.measureText('0').width)), lines = [];
  for (let i = 0; i < text.length; i += each) lines.push(text.slice(i, i + each));
  return lines;
}

const FORM = 'input, select, textarea, meter, progress';
/** Controls that have no box of their own. */
const PLAIN = 'input[type=range], input[type=checkbox], input[type=radio], meter, progress';

async function paint(/** @type {any} */ pen, /** @type {any} */ node) {
  const style = getComputedStyle(node), box = node.getBoundingClientRect();
  if (!node.checkVisibility() || style.visibility === 'hidden' || style.opacity === '0' || node.dataset?.unsaved) return;
  pen.save();
  pen.globalAlpha *= Number(style.opacity);
  if (!node.matches(PLAIN)) frame(pen, style, box);
  if (node.localName === 'summary') marker(pen, node, style, box);
  if (style.overflow !== 'visible') { pen.beginPath(); pen.rect(box.left, box.top, box.width, box.height); pen.clip(); }
  if (node.matches('canvas, img, video')) picture(pen, node, style, box);
  else if (node.localName === 'svg') await drawing(pen, node, box);
  else if (node.matches(FORM)) control(pen, node, style, box);
  else
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) words(pen, child, style);
      else if (child.nodeType === Node.ELEMENT_NODE) await paint(pen, child);
    }
  pen.restore();
}

/** Background and border. */
function frame(/** @type {any} */ pen, /** @type {CSSStyleDeclaration} */ style, /** @type {DOMRect} */ box) {
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.width / 2, box.height / 2);
  pen.beginPath();
  pen.roundRect(box.left, box.top, box.width, box.height, radius);
  pen.fillStyle = style.backgroundColor;
  pen.fill();
  const sides = ['Top', 'Right', 'Bottom', 'Left'].map((side) => (style[`border${side}Style`] === 'none' ? 0 : parseFloat(style[`border${side}Width`])));
  pen.strokeStyle = style.borderTopColor;
  if (sides[0] && sides.every((wide) => wide === sides[0])) {
    pen.lineWidth = sides[0];
    pen.setLineDash(style.borderTopStyle === 'dashed' ? [4, 3] : []);
    pen.beginPath();
    pen.roundRect(box.left + sides[0] / 2, box.top + sides[0] / 2, Math.max(0, box.width - sides[0]), Math.max(0, box.height - sides[0]), radius);
    pen.stroke();
    pen.setLineDash([]);
    return;
  }
  const rects = [[box.left, box.top, box.width, sides[0]], [box.right - sides[1], box.top, sides[1], box.height], [box.left, box.bottom - sides[2], box.width, sides[2]], [box.left, box.top, sides[3], box.height]];
  for (const [i, rect] of rects.entries())
    if (sides[i]) { pen.fillStyle = style[`border${['Top', 'Right', 'Bottom', 'Left'][i]}Color`]; pen.fillRect(...rect); }
}

function picture(/** @type {any} */ pen, /** @type {any} */ node, /** @type {CSSStyleDeclaration} */ style, /** @type {DOMRect} */ box) {
  const wide = node.naturalWidth ?? node.videoWidth ?? node.width, high = node.naturalHeight ?? node.videoHeight ?? node.height;
  if (!wide || !high || !box.width || !box.height) return;
  const fit = style.objectFit === 'contain' ? Math.min(box.width / wide, box.height / high) : 0;
  const w = fit ? wide * fit : box.width, h = fit ? high * fit : box.height;
  pen.imageSmoothingEnabled = style.imageRendering !== 'pixelated';
  pen.drawImage(node, box.left + (box.width - w) / 2, box.top + (box.height - h) / 2, w, h);
}

const LOOKS = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linecap', 'opacity', 'font-size', 'font-family', 'font-weight', 'text-anchor', 'dominant-baseline', 'display', 'visibility'];

/** A drawing in SVG, with what the style sheets make of it written into it. */
async function drawing(/** @type {any} */ pen, /** @type {any} */ node, /** @type {DOMRect} */ box) {
  if (!box.width || !box.height) return;
  const copy = node.cloneNode(true), from = [node, ...node.querySelectorAll('*')], into = [copy, ...copy.querySelectorAll('*')];
  for (const [i, each] of from.entries()) {
    const style = getComputedStyle(each);
    for (const name of LOOKS) into[i].setAttribute(name, style.getPropertyValue(name));
  }
  copy.setAttribute('width', box.width);
  copy.setAttribute('height', box.height);
  const image = new Image(), text = new TextEncoder().encode(new XMLSerializer().serializeToString(copy));
  let letters = '';
  for (const byte of text) letters += String.fromCharCode(byte);
  image.src = `data:image/svg+xml;base64,${btoa(letters)}`;
  try {
    await image.decode();
    pen.drawImage(image, box.left, box.top, box.width, box.height);
  } catch { /* a drawing that cannot be read is left out */ }
}

/** Native controls: the browser does not say how it paints them, so they are drawn plainly. */
function control(/** @type {any} */ pen, /** @type {any} */ node, /** @type {CSSStyleDeclaration} */ style, /** @type {DOMRect} */ box) {
  const middle = box.top + box.height / 2, accent = getComputedStyle(document.documentElement).getPropertyValue('--blue') || '#0072b2';
  pen.strokeStyle = pen.fillStyle = style.color;
  pen.lineWidth = 1;
  if (node.type === 'checkbox' || node.type === 'radio') {
    pen.strokeRect(box.left + 3, box.top + 3, box.width - 6, box.height - 6);
    pen.fillStyle = accent;
    if (node.checked) pen.fillRect(box.left + 6, box.top + 6, box.width - 12, box.height - 12);
  } else if (node.type === 'range' || node.localName === 'meter' || node.localName === 'progress') {
    const low = Number(node.min ?? 0) || 0, high = Number(node.max) || 1, share = Math.max(0, Math.min(1, (Number(node.value) - low) / (high - low || 1)));
    pen.fillRect(box.left, middle - 1, box.width, 2);
    pen.fillStyle = accent;
    if (node.type === 'range') { pen.beginPath(); pen.arc(box.left + 7 + share * Math.max(0, box.width - 14), middle, 7, 0, 7); pen.fill(); } else pen.fillRect(box.left, middle - 4, share * box.width, 8);
  } else if (node.type !== 'file') {
    pen.beginPath();
    pen.rect(box.left, box.top, box.width, box.height);
    pen.clip();
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const high = parseFloat(style.lineHeight) || 1.4 * parseFloat(style.fontSize), text = node.localName === 'select' ? node.selectedOptions[0]?.text ?? '' : node.value;
    const many = node.localName === 'textarea', begin = many ? box.top + parseFloat(style.paddingTop) + high / 2 - node.scrollTop : middle;
    pen.textBaseline = 'middle';
    for (const [i, line] of (many ? text.split('\n') : [text]).entries()) pen.fillText(line, box.left + parseFloat(style.paddingLeft), begin + i * high);
  }
}

/** The triangle of something that opens. */
function marker(/** @type {any} */ pen, /** @type {any} */ node, /** @type {CSSStyleDeclaration} */ style, /** @type {DOMRect} */ box) {
  pen.font = `${style.fontSize} ${style.fontFamily}`;
  pen.fillStyle = style.color;
  pen.textBaseline = 'middle';
  pen.fillText(node.parentElement?.open ? '▾' : '▸', box.left + 2, box.top + Math.min(box.height, 1.5 * parseFloat(style.fontSize)) / 2);
}

/** A text, word by word, where each stands. */
function words(/** @type {any} */ pen, /** @type {any} */ node, /** @type {CSSStyleDeclaration} */ style) {
  const range = document.createRange();
  pen.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  pen.fillStyle = style.color;
  pen.textBaseline = 'alphabetic';
  const part = (/** @type {number} */ from, /** @type {number} */ to) => {
    range.setStart(node, from);
    range.setEnd(node, to);
    const rects = range.getClientRects();
    if (rects.length > 1 && to - from > 1) { for (let i = from; i < to; i++) part(i, i + 1); return; }
    if (!rects.length || !rects[0].width) return;
    const text = node.data.slice(from, to), size = pen.measureText(text), rect = rects[0];
    pen.fillText(text, rect.left, rect.top + (rect.height - size.fontBoundingBoxAscent - size.fontBoundingBoxDescent) / 2 + size.fontBoundingBoxAscent);
  };
  for (const found of node.data.matchAll(/\S+/g)) part(found.index, found.index + found[0].length);
}
