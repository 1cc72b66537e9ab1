// Elements from tags, properties and children. Text stays text: names come from users' disks.

const ATTRIBUTES = new Set(['role', 'for', 'list', 'colspan', 'rowspan', 'scope']);
const MARKUP = new Set(['innerHTML', 'outerHTML', 'srcdoc']);
const SVG = 'http://www.w3.org/2000/svg', MATH = 'http://www.w3.org/1998/Math/MathML';

/**
 * A new element. Names with a dash, and a few more, are set as attributes; `on…` are listeners; others are properties.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {(Node | string | number | null | undefined | false)[]} [children]
 * @returns {any}
 */
export function el(tag, properties = {}, children = []) {
  return fill(document.createElement(tag), properties, children);
}

/** The same in SVG, where everything is an attribute. @returns {any} */
export function svg(/** @type {string} */ tag, attributes = {}, children = []) {
  return drawn(document.createElementNS(SVG, tag), attributes, children);
}

/** The same in MathML. @returns {any} */
export function math(/** @type {string} */ tag, attributes = {}, children = []) {
  return drawn(document.createElementNS(MATH, tag), attributes, children);
}

function drawn(/** @type {Element} */ node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  return append(node, children);
}

/** Set properties of an element and put children into it. @returns {any} */
export function fill(/** @type {any} */ node, properties = {}, children = []) {
  for (const [name, value] of Object.entries(properties)) {
    if (MARKUP.has(name)) throw new Error(`${name} is never set`);
    if (value === null || value === undefined) continue;
    if (name.startsWith('on') && typeof value === 'function') node.addEventListener(name.slice(2), value);
    else if (name === 'style' || name === 'dataset') Object.assign(node[name], value);
    else if (name.includes('-') || ATTRIBUTES.has(name)) node.setAttribute(name, String(value));
    else node[name] = value;
  }
  return append(node, children);
}

function append(/** @type {Element} */ node, children) {
  for (const child of children)
    if (child !== null && child !== undefined && child !== false) node.append(child instanceof Node ? child : String(child));
  return node;
}

/**
 * Children of `parent`, one for each item, updated in place: what has the same key stays the same element.
 * @template T
 * @param {any} parent
 * @param {Iterable<T>} items
 * @param {(item: T) => string | number} key
 * @param {(item: T, old?: any) => Element} draw gets the element of before, and may return it
 */
export function list(parent, items, key, draw) {
  const before = parent.kept ?? new Map(), now = new Map();
  for (const item of items) now.set(String(key(item)), draw(item, before.get(String(key(item)))));
  for (const [name, node] of before) if (now.get(name) !== node) node.remove();
  let place = parent.firstElementChild;
  for (const node of now.values()) {
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  parent.kept = now;
  return parent;
}
