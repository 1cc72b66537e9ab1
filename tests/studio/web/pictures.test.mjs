// Small pictures and small convolutional nets without a page.

import assert from 'node:assert/strict';
import test from 'node:test';

const net = new URL('../../../src/hubel/studio/web/net/', import.meta.url);
const { Pictures } = await import(new URL('pictures.js', net));
const { layersOf, layerWords, moved, packDrawn, shapes, SIDE, unpackDrawn } = await import(new URL('shapes.js', net));
const { asYaml } = await import(new URL('export.js', net));
const { blocksOf } = await import(new URL('shapes.js', net));

/** A playground of pictures and the last message of each kind. */
function pictures(words = 'c6-3relu,p2,c8-3relu,d16relu', more = {}) {
  const last = {}, play = new Pictures((message) => { last[message.kind] = message; });
  play.take({ kind: 'setup', what: 'pictures', state: { data: 'shapes', classes: 4, layers: layersOf(words), optimiser: 'adam', rate: 0.003, batch: 12, seed: 1, start: 1, drawn: [], ...more } });
  return { play, last };
}

test('shapes are learnt by a small convolutional net, and the test pictures are told apart', () => {
  const { play, last } = pictures();
  for (let i = 0; i < 6; i++) play.take({ kind: 'step', by: 'epoch' });
  assert.ok(last.frame.test.accuracy > 0.9, String(last.frame.test.accuracy));
});

test('a frame has every kernel and every map of the picture that is shown', () => {
  const { last } = pictures();
  assert.deepEqual(last.frame.blocks.map((b) => [b.kind, b.count, b.h, b.w]), [['conv', 6, 10, 10], ['pool', 6, 5, 5], ['conv', 8, 3, 3], ['dense', 1, 1, 16], ['dense', 1, 1, 4]]);
  assert.deepEqual([last.frame.blocks[2].kernels.each, last.frame.blocks[2].kernels.buffer.byteLength], [6, 4 * 8 * 6 * 9]);
  assert.ok(Math.abs(last.frame.shares.reduce((a, b) => a + b) - 1) < 1e-12);
});

test('what is drawn is what the net is asked about', () => {
  const { play, last } = pictures();
  const before = last.frame.shares.slice();
  play.take({ kind: 'show', picture: new Float64Array(SIDE * SIDE).fill(1) });
  assert.notDeepEqual(last.frame.shares, before);
});

test('a few drawings of one\'s own are enough to learn them', () => {
  const [circle, square] = shapes(2, 2);
  const { play, last } = pictures('c4-3relu,p2,d8relu', { data: 'own', classes: 2, drawn: [circle, square] });
  assert.equal(last.ready.n, 18);
  for (let i = 0; i < 80; i++) play.take({ kind: 'step', by: 'epoch' });
  assert.equal(last.frame.train.accuracy, 1);
});

test('rewinding gives the same start', () => {
  const { play, last } = pictures();
  const begun = last.frame.train.loss;
  play.take({ kind: 'step', by: 'epoch' });
  play.take({ kind: 'rewind' });
  assert.equal(last.frame.train.loss, begun);
});

test('layers and drawings go into an address and come back', () => {
  const words = 'c6-3Srelu,p2,c8-5silu,d16tanh';
  assert.equal(layerWords(layersOf(words)), words);
  assert.equal(asYaml(blocksOf(layersOf(words))), 'layers: [conv 6 3x3 padding=1, relu, maxpool 2, conv 8 5x5, silu, flatten, dense 16, tanh, dense K]\n');
  const drawings = shapes(3, 6).map(({ pixels, target }) => ({ target, pixels: pixels.map((v) => (v > 0.5 ? 1 : 0)) }));
  assert.deepEqual(unpackDrawn(packDrawn(drawings)), drawings);
  for (const nonsense of ['9', '0<script>', 'x'.repeat(50)]) assert.deepEqual(unpackDrawn(nonsense), []);
  assert.deepEqual(layersOf('zzz,,c,x0'), []);
});

test('a layer that does not fit is named', () => {
  assert.throws(() => pictures('p4,p4,c3-5relu'), /layer [23]: .*does not fit/);
  assert.throws(() => pictures('d8relu,c3-3relu'), /layer 2: a convolution needs a picture/);
});

test('a drawing that is moved keeps its pixels', () => {
  const one = new Float64Array(SIDE * SIDE);
  one[5 * SIDE + 5] = 1;
  assert.deepEqual(moved(one).map((p) => p.indexOf(1)).sort((a, b) => a - b), [52, 53, 54, 64, 65, 66, 76, 77, 78]);
});
