// A layer list as a tree that can be changed: layers are texts, or { text: inside } for layers that hold layers.
// A place is a number in the list; inside a layer it goes on with a path and a number there: [2, 0, 1].
// What the words mean is the studio's to say: nothing here knows a layer.

/** @typedef {string | Record<string, any>} Layer */

const copy = (/** @type {any} */ value) => JSON.parse(JSON.stringify(value));

/** What a layer says. */
export const textOf = (/** @type {any} */ layer) => (typeof layer === 'string' ? layer : layer && typeof layer === 'object' ? Object.keys(layer)[0] ?? '' : String(layer));

/** The lists that a layer holds: none for a plain one, several for branches. @returns {Layer[][]} */
export function pathsOf(/** @type {Layer} */ layer) {
  if (!layer || typeof layer !== 'object') return [];
  const inside = Object.values(layer)[0];
  if (!Array.isArray(inside)) return [[]];
  return textOf(layer).split(/\s+/)[0] === 'branches' ? inside.filter(Array.isArray) : [inside];
}

/** The list in which a place lies. @returns {Layer[]} */
function listAt(/** @type {Layer[]} */ layers, /** @type {number[]} */ place) {
  let list = layers;
  for (let i = 0; i + 2 < place.length; i += 2) list = pathsOf(list[place[i]])[place[i + 1]];
  return list;
}

/** The layer at a place; undefined where there is none. @returns {Layer | undefined} */
export const at = (/** @type {Layer[]} */ layers, /** @type {number[]} */ place) => listAt(layers, place)?.[place[place.length - 1]];

/** The list with a layer put in at a place; what stood there comes behind it. */
export function put(/** @type {Layer[]} */ layers, /** @type {number[]} */ place, /** @type {Layer} */ layer) {
  const made = copy(layers);
  listAt(made, place).splice(place[place.length - 1], 0, copy(layer));
  return made;
}

/** The list without the layer at a place. A path that is empty then stays, to be filled. */
export function without(/** @type {Layer[]} */ layers, /** @type {number[]} */ place) {
  const made = copy(layers);
  listAt(made, place).splice(place[place.length - 1], 1);
  return made;
}

/** The list with another text at a place; what the layer holds stays inside it. */
export function said(/** @type {Layer[]} */ layers, /** @type {number[]} */ place, /** @type {string} */ text) {
  const made = copy(layers), list = listAt(made, place), i = place[place.length - 1], old = list[i];
  list[i] = typeof old === 'string' ? text : { [text]: Object.values(old)[0] };
  return made;
}

/** Does `inner` lie inside the layer at `outer`, or is it that layer? */
export const within = (/** @type {number[]} */ inner, /** @type {number[]} */ outer) => inner.length >= outer.length && outer.every((n, i) => n === inner[i]);

/** The layer at `from` moved before what stands at `to`. @returns {{layers: Layer[], place: number[]}} with where it is now */
export function moved(/** @type {Layer[]} */ layers, /** @type {number[]} */ from, /** @type {number[]} */ to) {
  const layer = at(layers, from);
  if (layer === undefined || within(to, from)) return { layers, place: from };
  const last = from.length - 1, goal = [...to];
  // Taking it out moves what stands behind it in the same list, and all that lies inside that.
  if (to.length >= from.length && from.slice(0, last).every((n, i) => n === to[i]) && to[last] > from[last]) goal[last]--;
  return { layers: put(without(layers, from), goal, layer), place: goal };
}

/** The layer at a place one up or down within its list. @returns {{layers: Layer[], place: number[]}} */
export function shifted(/** @type {Layer[]} */ layers, /** @type {number[]} */ place, /** @type {-1 | 1} */ by) {
  const i = place[place.length - 1], list = listAt(layers, place);
  if (i + by < 0 || i + by >= list.length) return { layers, place };
  const made = copy(layers), own = listAt(made, place);
  [own[i], own[i + by]] = [own[i + by], own[i]];
  return { layers: made, place: [...place.slice(0, -1), i + by] };
}

/** Every place of a list in its order, what is inside a layer behind it. @returns {number[][]} */
export function places(/** @type {Layer[]} */ layers, /** @type {number[]} */ above = []) {
  return layers.flatMap((layer, i) => [[...above, i], ...pathsOf(layer).flatMap((path, k) => places(path, [...above, i, k]))]);
}
