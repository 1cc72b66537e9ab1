// What a playground does without a page: seeds, steps, the way back, what breaks and how it is said.

import assert from 'node:assert/strict';
import test from 'node:test';

const net = new URL('../../../src/hubel/studio/web/net/', import.meta.url);
const { Play } = await import(new URL('play.js', net));
const { decode, encode, usual } = await import(new URL('state.js', net));
const { made, parseTable, split, DATA } = await import(new URL('points.js', net));

/** A playground and the last message of each kind. */
function playground(words = '', more = {}) {
  const last = {};
  const play = new Play((message) => { last[message.kind] = message; });
  play.take({ kind: 'setup', state: { ...decode(words), ...more } });
  return { play, last, step: (by) => play.take({ kind: 'step', by }) };
}
const same = (a, b) => assert.deepEqual(Array.from(a), Array.from(b));

test('the same seed gives the same start, the same order and the same end', () => {
  const [one, two] = [playground('net=8,8'), playground('net=8,8')];
  for (const each of [one, two]) for (let i = 0; i < 5; i++) each.step('epoch');
  same(one.last.frame.weights, two.last.frame.weights);
  assert.notDeepEqual(Array.from(playground('net=8,8&start=2').last.frame.weights), Array.from(playground('net=8,8').last.frame.weights));
});

test('rewinding goes back to the same weights, and the same training follows', () => {
  const { play, last, step } = playground('net=5relu-n-d0.3&optimiser=adam');
  const start = last.frame.weights.slice();
  for (let i = 0; i < 4; i++) step('epoch');
  const end = last.frame.weights.slice();
  play.take({ kind: 'rewind' });
  same(last.frame.weights, start);
  assert.equal(last.frame.epoch, 0);
  for (let i = 0; i < 4; i++) step('epoch');
  same(last.frame.weights, end);
});

test('a step is a sample, a batch or the rest of an epoch', () => {
  const { last, step } = playground('batch=10');
  step('sample');
  assert.equal(last.frame.samples, 1);
  step('batch');
  assert.equal(last.frame.samples, 11);
  step('epoch');
  assert.deepEqual([last.frame.samples, last.frame.epoch], [250, 1]);
});

test('every data set with classes is learnt by a fitting net', () => {
  for (const [words, least] of [['data=circle', 0.97], ['data=xor&net=8', 0.95], ['data=gauss', 0.97], ['data=moons&net=8,8&rate=0.1', 0.97],
    ['data=gauss&classes=6&loss=cross-entropy&net=12&noise=5', 0.9], ['data=circle&classes=4&loss=cross-entropy&net=12,12&rate=0.1', 0.9]]) {
    const { last, step } = playground(words);
    for (let i = 0; i < 120; i++) step('epoch');
    assert.ok(last.frame.train.accuracy >= least, `${words}: ${last.frame.train.accuracy}`);
  }
});

test('values are learnt too', () => {
  for (const data of ['plane', 'hills', 'waves']) {
    const { last, step } = playground(`data=${data}&net=8,8&optimiser=adam&rate=0.01`), before = last.frame.train.loss;
    for (let i = 0; i < 25; i++) step('epoch');
    assert.ok(last.frame.train.loss < before / 3, `${data}: ${before} to ${last.frame.train.loss}`);
  }
});

test('numbers that leave the finite ones stop it, the first bad weight is named, and there is a way back', () => {
  const { play, last } = playground('data=plane&rate=10&net=4relu');
  play.take({ kind: 'ask', advance: 200 });
  const { bad } = last.frame;
  assert.ok(bad && bad.block >= 1 && !Number.isFinite(bad.value), JSON.stringify(bad));
  const stopped = last.frame.samples;
  play.take({ kind: 'ask', advance: 5 });
  assert.equal(last.frame.samples, stopped);
  play.take({ kind: 'back', how: 'good' });
  assert.equal(last.frame.bad, null);
  assert.ok(last.frame.weights.every(Number.isFinite));
});

test('a weight can be given, and the written-out sum is what the net says', () => {
  const { play, last } = playground('net=2&features=x');
  play.take({ kind: 'weight', at: 0, value: 2 });
  play.take({ kind: 'weight', at: 2, value: -1 });
  play.take({ kind: 'probe', place: { x: 0.75, y: 3 } });
  const [first] = last.probed.lines;
  assert.equal(first.text, 'h1.1 = 2·0.75 − 1 = 0.5; tanh → 0.4621');
});

test('undoing takes back an edit, then the steps before it, one after another', () => {
  const { play, last, step } = playground();
  const states = [last.frame.weights.slice()];
  for (let i = 0; i < 3; i++) { step('batch'); states.push(last.frame.weights.slice()); }
  play.take({ kind: 'weight', at: 0, value: 4 });
  assert.equal(last.frame.weights[0], 4);
  for (const state of states.reverse()) {
    assert.ok(last.frame.undoable);
    play.take({ kind: 'back', how: 'undo' });
    same(last.frame.weights, state);
  }
  assert.ok(!last.frame.undoable);
});

test('one update written out holds the numbers of the update', () => {
  const { play, last } = playground('net=3relu&loss=cross-entropy&classes=3&data=gauss');
  const before = last.frame.weights.slice();
  play.take({ kind: 'trace', by: 'sample' });
  for (const { at, before: old, gradient, after } of last.traced.updates) {
    assert.equal(old, before[at]);
    assert.ok(Math.abs(after - (old - 0.03 * gradient)) < 1e-12);
  }
  assert.equal(last.traced.samples, 1);
  assert.match(last.traced.loss.text, /loss = −ln/);
});

test('the whole state goes into an address and comes back', () => {
  const state = decode('data=spiral&classes=3&noise=15&net=8relu-d0.2-n,4silu&loss=cross-entropy&optimiser=adam&rate=0.003&penalty=l2&strength=0.01&by=batch&speed=full&test=1&features=x,sx&seed=42&start=7&hide=data,loss');
  assert.deepEqual(decode(encode(state)), state);
  assert.equal(encode(usual()), '');
  const own = { ...usual(), data: 'own', classes: 3, points: [{ x: -1.5, y: 2, target: 0 }, { x: 6, y: -6, target: 2 }] };
  const back = decode(encode(own));
  for (const [i, p] of own.points.entries()) {
    assert.equal(back.points[i].target, p.target);
    assert.ok(Math.abs(back.points[i].x - p.x) < 0.01 && Math.abs(back.points[i].y - p.y) < 0.01);
  }
});

test('nonsense in an address is as usual', () => {
  for (const words of ['data=<img>', 'net=,,,', 'net=99x', 'rate=NaN', 'classes=1e9', 'features=nothing', 'points=%00%ff', 'loss=toString', 'batch=-1', 'data=__proto__', 'speed=constructor', 'net=3toString'])
    playground(words);
  assert.deepEqual(decode('rate=Infinity&batch=0&noise=x&data=hasOwnProperty'), usual());
});

test('a table is read with or without names, with commas, semicolons or tabs', () => {
  const { points, names, notes } = parseTable('x,y,class\n1,2,cat\n-1, 0.5, dog\n');
  assert.deepEqual([points, names, notes], [[{ x: 1, y: 2, target: 0 }, { x: -1, y: 0.5, target: 1 }], ['cat', 'dog'], []]);
  assert.equal(parseTable('1\t2\ta\n3\t4\tb').points.length, 2);
  assert.deepEqual(parseTable('1,5;2;a').points, [{ x: 1.5, y: 2, target: 0 }]);
  assert.deepEqual(parseTable('0 1 0.5', 'values').points, [{ x: 0, y: 1, target: 0.5 }]);
});

test('a table that is none says what a line must be; large numbers are shrunk and it is said', () => {
  assert.throws(() => parseTable('hello'), /write x, y, class on each line/);
  assert.throws(() => parseTable('1,2,a\n1,2,b\n1,2,c\n1,2,d\n1,2,e\n1,2,f\n1,2,g'), /at most 6/);
  const { points, notes } = parseTable('100,0,a\n300,1,b\nwrong\n');
  assert.deepEqual(points.map((p) => p.x), [-5, 5]);
  assert.equal(notes.length, 2);
});

test('points are split into parts that are seeded and leave none out', () => {
  for (const name of Object.keys(DATA)) {
    const all = made(name, 2, 20, 3), { train, test: rest } = split(all, 30, 3);
    assert.equal(train.length, Math.round(all.length * 0.3));
    assert.equal(train.length + rest.length, all.length);
    assert.ok(all.every((p) => Number.isFinite(p.x) && Number.isFinite(p.y)));
  }
});
