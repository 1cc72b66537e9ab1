// A formula of x₁ and x₂ as a function, read here: nothing that is typed is ever run as code.

/** @type {Record<string, (...v: number[]) => number>} */
const FUNCTIONS = {
  sin: Math.sin, cos: Math.cos, tan: Math.tan, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, abs: Math.abs, sign: Math.sign,
  tanh: Math.tanh, floor: Math.floor, round: Math.round, min: Math.min, max: Math.max, atan2: Math.atan2, hypot: Math.hypot,
};
/** How many values each takes; one where it is not said. */
const TAKES = { min: 2, max: 2, atan2: 2, hypot: 2 };
/** @type {Record<string, (x: number, y: number) => number>} */
const NAMES = {
  x1: (x) => x, x2: (x, y) => y, x: (x) => x, y: (x, y) => y, r: (x, y) => Math.hypot(x, y), a: (x, y) => Math.atan2(y, x),
  pi: () => Math.PI, e: () => Math.E,
};
/** @type {Record<string, [number, (a: number, b: number) => number]>} operator to how tightly it binds, and what it does */
const PAIRS = {
  '<': [1, (a, b) => Number(a < b)], '>': [1, (a, b) => Number(a > b)], '+': [2, (a, b) => a + b], '-': [2, (a, b) => a - b],
  '*': [3, (a, b) => a * b], '/': [3, (a, b) => a / b], '^': [5, (a, b) => a ** b],
};
const SIGN = 4, DEEPEST = 60;

export const WORDS = `x1, x2, r (how far from the middle), a (the angle), ${Object.keys(FUNCTIONS).join(', ')}, + - * / ^ < >`;

/** @typedef {(x: number, y: number) => number} Of */

/** @returns {Of} throws an Error that says what is wrong, and where */
export function formula(/** @type {string} */ text) {
  const words = text.replaceAll('**', '^').replaceAll('−', '-').replaceAll('·', '*').replaceAll('₁', '1').replaceAll('₂', '2').match(/\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[A-Za-z]\w*|\S/g) ?? [];
  let at = 0, depth = 0;
  const wrong = (/** @type {string} */ what) => new Error(`${what}${at < words.length ? `, at “${words.slice(at, at + 4).join(' ')}”` : ', at the end'}; it may hold ${WORDS}`);
  const take = (/** @type {string} */ word) => { if (words[at] !== word) throw wrong(`“${word}” is missing`); at++; };

  /** @returns {Of} */
  function sum(/** @type {number} */ least) {
    if (++depth > DEEPEST) throw wrong('this is nested too deeply');
    let left = value();
    for (;;) {
      const [binds, does] = Object.hasOwn(PAIRS, words[at] ?? '') ? PAIRS[words[at]] : [0, null];
      if (!does || binds < least) break;
      at++;
      const first = left, right = sum(binds === 5 ? 5 : binds + 1);  // powers from the right: 2^3^2 is 2^9
      left = (x, y) => does(first(x, y), right(x, y));
    }
    depth--;
    return left;
  }
  /** @returns {Of} */
  function value() {
    const word = words[at++];
    if (word === undefined) { at--; throw wrong('something is missing'); }
    if (word === '-') { const of = sum(SIGN); return (x, y) => -of(x, y); }
    if (word === '+') return sum(SIGN);
    if (word === '(') { const of = sum(0); take(')'); return of; }
    if (/^[\d.]/.test(word) && Number.isFinite(Number(word))) { const number = Number(word); return () => number; }
    if (Object.hasOwn(FUNCTIONS, word)) {
      const does = FUNCTIONS[word], given = [];
      take('(');
      for (let i = 0; i < (TAKES[word] ?? 1); i++) { if (i) take(','); given.push(sum(0)); }
      take(')');
      return (x, y) => does(...given.map((of) => of(x, y)));
    }
    if (Object.hasOwn(NAMES, word)) return NAMES[word];
    at--;
    throw wrong(`“${word}” is no part of a formula`);
  }
  const found = sum(0);
  if (at < words.length) throw wrong('here it should end');
  return found;
}
