// A formula that is read is the function that it says, and whatever else is typed is refused with a reason.

import assert from 'node:assert/strict';
import test from 'node:test';

const net = new URL('../../../src/hubel/studio/web/net/', import.meta.url);
const { formula } = await import(new URL('formula.js', net));
const { pointsOf, SIDE } = await import(new URL('points.js', net));

const SAME = {
  '1 + 2 * 3': () => 7, '2^3^2': () => 512, '-2^2': () => -4, '2 ** -1': () => 0.5, '8 / 4 / 2': () => 1, '7 - 2 - 1': () => 4,
  'sin(x1) * cos(x2)': (x, y) => Math.sin(x) * Math.cos(y), 'x1^2 + x2^2 < 9': (x, y) => Number(x * x + y * y < 9),
  '(x + y) * (x - y)': (x, y) => (x + y) * (x - y), 'max(abs(x1), abs(x2)) - 3': (x, y) => Math.max(Math.abs(x), Math.abs(y)) - 3,
  'sin(r) / (1 + r)': (x, y) => Math.sin(Math.hypot(x, y)) / (1 + Math.hypot(x, y)), 'sin(3 * a)': (x, y) => Math.sin(3 * Math.atan2(y, x)),
  '1.5e1 − x₁ · x₂': (x, y) => 15 - x * y, '.5 - -.5 + pi - e': () => 1 + Math.PI - Math.E, 'x1 > x2 > 0': (x, y) => Number(Number(x > y) > 0),
};

test('formulas are what they say', () => {
  for (const [text, known] of Object.entries(SAME)) {
    const of = formula(text);
    for (const [x, y] of [[0.3, -1.7], [2, 5], [-4, 0.1]]) assert.ok(Math.abs(of(x, y) - known(x, y)) < 1e-12, `${text} at ${x}, ${y}: ${of(x, y)}`);
  }
});

test('what is no formula is refused with a reason', () => {
  for (const text of ['', '1 +', '(1', '1)', 'sin x', 'sin()', 'max(1)', 'alert(1)', 'x1.constructor', 'constructor', 'toString', '1..2', '"a"', '`x`', '2 3', '('.repeat(99), '-'.repeat(99) + '1'])
    assert.throws(() => formula(text), /formula|missing|end|deeply/, text);
});

test('points of a formula lie in the square, the same for the same seed', () => {
  const classes = pointsOf('r - 3', 'classes', 5), values = pointsOf('4 * x1', 'values', 5);
  assert.deepEqual(pointsOf('r - 3', 'classes', 5), classes);
  assert.notDeepEqual(pointsOf('r - 3', 'classes', 6), classes);
  for (const p of classes) assert.equal(p.target, Number(Math.hypot(p.x, p.y) > 3));
  for (const p of values) assert.ok(Math.abs(p.target - p.x / Math.max(...values.map((q) => Math.abs(q.x)))) < 1e-9);
  for (const p of [...classes, ...values]) assert.ok(Math.abs(p.x) <= SIDE && Math.abs(p.y) <= SIDE);
  assert.ok(pointsOf('sqrt(x1)', 'values', 1).every((p) => p.x >= 0), 'where it is no number there is no point');
  assert.throws(() => pointsOf('sqrt(-1)', 'values', 1), /nowhere/);
});
