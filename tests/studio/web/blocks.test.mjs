// A layer list as a tree that is changed: what is put in, taken out and moved stands where it should.

import assert from 'node:assert/strict';
import test from 'node:test';

const { at, moved, pathsOf, places, put, said, shifted, textOf, without } = await import(new URL('../../../src/hubel/studio/web/net/blocks.js', import.meta.url));
const NET = ['a', { residual: ['b', { branches: [['c', 'd'], ['e']] }] }, 'f', { 'repeat 3': ['g'] }];
const flat = (layers) => places(layers).map((place) => textOf(at(layers, place)));

test('places are read as the list is', () => {
  assert.deepEqual(places(NET).map(String), ['0', '1', '1,0,0', '1,0,1', '1,0,1,0,0', '1,0,1,0,1', '1,0,1,1,0', '2', '3', '3,0,0']);
  assert.deepEqual(flat(NET), ['a', 'residual', 'b', 'branches', 'c', 'd', 'e', 'f', 'repeat 3', 'g']);
  assert.deepEqual(pathsOf(NET[3]), [['g']]);
  assert.deepEqual(pathsOf('a'), []);
});

test('putting in and taking out again leaves the list as it was, at every place', () => {
  const before = JSON.stringify(NET);
  for (const place of places(NET)) {
    const more = put(NET, place, 'new');
    assert.equal(at(more, place), 'new');
    assert.deepEqual(without(more, place), NET);
  }
  assert.equal(JSON.stringify(NET), before, 'the list itself is never changed');
});

test('another text keeps what is inside', () => {
  assert.deepEqual(at(said(NET, [3], 'repeat 5'), [3]), { 'repeat 5': ['g'] });
  assert.equal(at(said(NET, [1, 0, 1, 1, 0], 'x'), [1, 0, 1, 1, 0]), 'x');
});

test('whatever is moved anywhere is there afterwards, and nothing is lost', () => {
  const all = flat(NET).sort();
  for (const from of places(NET))
    for (const to of places(NET)) {
      const now = moved(NET, from, to);
      assert.deepEqual(at(now.layers, now.place), at(NET, from), `${from} to ${to}`);
      assert.deepEqual(flat(now.layers).sort(), all, `${from} to ${to}`);
      if (String(from) !== String(to) && now.layers !== NET) {
        const order = flat(now.layers), goal = textOf(at(NET, to)), inside = places([at(NET, from)]).length;
        assert.equal(order[order.indexOf(textOf(at(NET, from))) + inside], goal, `${from} stands before ${to}`);
      }
    }
});

test('whatever an address holds can be shown', () => {
  for (const odd of [null, 3, [], {}, { residual: 3 }, { branches: [3, ['a']] }, [['a']], true]) {
    assert.equal(typeof textOf(odd), 'string');
    for (const path of pathsOf(odd)) assert.ok(Array.isArray(path));
    places([odd, 'a']);
  }
});

test('nothing is moved into itself', () => {
  assert.equal(moved(NET, [1], [1, 0, 0]).layers, NET);
  assert.equal(moved(NET, [1], [1]).layers, NET);
});

test('up and down stay within the list they are in', () => {
  assert.deepEqual(shifted(NET, [2], -1), { layers: [NET[0], NET[2], NET[1], NET[3]], place: [1] });
  assert.deepEqual(shifted(NET, [1, 0, 1, 0, 0], 1).layers[1].residual[1].branches[0], ['d', 'c']);
  assert.equal(shifted(NET, [0], -1).layers, NET);
  assert.equal(shifted(NET, [3], 1).layers, NET);
});
