// Build: a net as a list of blocks; after each change the studio's own reader says what every layer makes, or why not.

import { get, keep, post, to } from '../ask.js';
import { el } from '../dom.js';
import { keys } from '../keys.js';
import { at, moved, pathsOf, places, put, said, shifted, textOf, without } from '../net/blocks.js';
import { choice } from '../parts/controls.js';
import { command, problem, quoted, tried } from '../parts/said.js';
import { sheets } from '../parts/sheet.js';

export const title = 'Build a net';
const PAUSE = 200, KIND = 'application/x-hubel-layer', BEGIN = ['conv 16 3x3 padding=same', 'relu', 'maxpool 2', 'flatten', 'dense K'];

export const short = (/** @type {number} */ n) => (n >= 1e9 ? `${+(n / 1e9).toPrecision(3)} G` : n >= 1e6 ? `${+(n / 1e6).toPrecision(3)} M` : n >= 1e4 ? `${+(n / 1e3).toPrecision(3)} k` : n.toLocaleString('en'));

export async function show(/** @type {any} */ main, /** @type {URLSearchParams} */ parameters) {
  await sheets('controls.css', 'build.css');
  const [known, about, sets] = await Promise.all([get('build/words'), get('home/about'), get('home/sets')]);
  let layers = read(parameters.get('layers')) ?? BEGIN, chosen = /** @type {number[]} */ ([]), timer = 0, turn = 0, gone = false;
  /** @type {any} */ let found = null;
  const past = /** @type {string[]} */ ([]);
  const state = { data: parameters.get('data') ?? 'digits', shape: (parameters.get('shape') ?? '1x8x8').split('x').map(Number), classes: Number(parameters.get('classes') ?? 10), name: parameters.get('name') ?? 'my-net' };

  const field = (/** @type {string} */ id, /** @type {string} */ label, value, change, more = {}) => el('label', { for: id, className: 'line' }, [label, el('input', { id, value, size: 9, autocomplete: 'off', spellcheck: false, onchange: (/** @type {any} */ e) => change(e.target.value.trim()), ...more })]);
  const data = field('data', 'Pictures', state.data, (v) => { state.data = v; measure(); }, { list: 'sets', size: 14 });
  const shape = field('shape', 'Input', state.shape.join('x'), (v) => { state.shape = v.split(/[x×]/).map(Number); changed(); }, { title: 'channels x height x width' });
  const classes = field('classes', 'Classes', state.classes, (v) => { state.classes = Number(v); changed(); }, { size: 4 });
  const name = field('name', 'Called', state.name, (v) => { state.name = v; write(); });
  const begin = choice('Begin with', { '': '…', ...Object.fromEntries(Object.keys(known.starts).map((key) => [key, key])) }, '', (v) => { if (v) { change(known.starts[v]); begin.put(''); } });
  const words = el('div', { role: 'status' }), list = el('ol', { className: 'blocks', 'aria-label': 'Layers, from the picture to the answer' }), sum = el('p', { className: 'sum', 'aria-live': 'polite' });
  const unfit = el('div', { className: 'unfit', role: 'status' });
  const yaml = el('textarea', { id: 'yaml', spellcheck: false, rows: 10 }), python = el('textarea', { readOnly: true, spellcheck: false, rows: 14, 'aria-label': 'The net in PyTorch' });
  const train = el('button', { type: 'button', className: 'main', textContent: 'Train it', onclick: start }), same = command('');
  const typed = el('details', {}, [el('summary', { textContent: 'As YAML' }), el('label', { for: 'yaml', textContent: 'The list as a file for --model; what is typed here can be read back.' }), yaml,
    el('p', {}, [el('button', { type: 'button', textContent: 'Read it', onclick: understand })])]);

  main.append(
    el('h1', { textContent: 'Build a net' }),
    el('p', { className: 'muted', textContent: 'Press a word to put that layer behind the chosen one, or drag it to its place. Each layer can be typed: at once you see what it makes of the picture, what it learns, costs and sees.' }),
    el('div', { className: 'line' }, [data, el('datalist', { id: 'sets' }, [...sets.map((set) => set.source), ...about.named].map((value) => el('option', { value }))), shape, classes, begin]),
    words,
    el('div', { className: 'builder' }, [
      el('section', { className: 'words', 'aria-label': 'Words of a layer list' }, Object.entries(known.groups).map(([group, all], i) => el('details', { open: i < 3 }, [
        el('summary', { textContent: group }), el('div', {}, all.map((/** @type {any} */ word) => el('button', { type: 'button', className: 'quiet', draggable: true, textContent: word.word, title: `${word.usage}\n${word.about}`, onclick: () => add(word.first), ondragstart: (/** @type {DragEvent} */ event) => event.dataTransfer?.setData(KIND, JSON.stringify({ layer: word.first })) })))]))),
      el('section', { 'aria-label': 'The net' }, [el('div', { className: 'heads', 'aria-hidden': 'true' }, ['', 'makes', 'learns', 'multiplies', 'sees', ''].map((text) => el('span', { textContent: text }))), list, unfit, sum])]),
    el('div', { className: 'line' }, [name, train]), typed,
    el('details', {}, [el('summary', { textContent: 'As PyTorch' }), el('p', { textContent: 'Plain PyTorch: nothing of hubel is needed to run it.' }), python]), same);

  function read(/** @type {string | null} */ text) {
    try {
      const value = JSON.parse(text ?? 'null');
      return Array.isArray(value) && value.length ? value : null;
    } catch { return null; }
  }
  const write = () => keep('build', { data: state.data, shape: state.shape.join('x'), classes: state.classes, name: state.name === 'my-net' ? '' : state.name, layers: JSON.stringify(layers) });

  /** Another list; `place` is chosen then. */
  function change(/** @type {any[]} */ now, place = /** @type {number[]} */ ([])) {
    past.push(JSON.stringify(layers));
    if (past.length > 200) past.shift();
    layers = now;
    chosen = place;
    draw();
    changed();
  }
  function changed() {
    write();
    clearTimeout(timer);
    timer = window.setTimeout(ask, PAUSE);
  }
  function undo() {
    const before = past.pop();
    if (!before) return;
    layers = JSON.parse(before);
    chosen = [];
    draw();
    changed();
  }
  /** Behind the chosen layer; without one, before what ends the net. */
  function add(/** @type {any} */ layer) {
    const ends = layers.length - (['flatten', 'dense K'].includes(textOf(layers[layers.length - 1] ?? '')) ? 1 : 0);
    const flat = textOf(layers[ends - 1] ?? '') === 'flatten' ? ends - 1 : ends;
    const place = chosen.length ? [...chosen.slice(0, -1), chosen[chosen.length - 1] + 1] : [flat];
    change(put(layers, place, layer), place);
    list.querySelector(`[data-place="${place}"] input`)?.focus();
  }
  const go = (/** @type {{layers: any[], place: number[]}} */ to, /** @type {string} */ focus = 'input') => {
    if (to.layers === layers) return;
    change(to.layers, to.place);
    list.querySelector(`[data-place="${to.place}"] > .block ${focus}`)?.focus();
  };
  function remove(/** @type {number[]} */ place) {
    const order = places(layers), i = order.findIndex((each) => String(each) === String(place));
    change(without(layers, place));
    const next = places(layers)[Math.min(i, places(layers).length - 1)];
    if (next) list.querySelector(`[data-place="${next}"] input`)?.focus();
  }

  // ---- the blocks ----
  function draw() {
    list.replaceChildren(...chain(layers, []));
    mark();
  }
  /** @returns {any[]} */
  const chain = (/** @type {any[]} */ all, /** @type {number[]} */ above) => [...all.map((layer, i) => block(layer, [...above, i])), gap([...above, all.length])];
  /** The end of a list: something can be dropped there, or put there by key. */
  const gap = (/** @type {number[]} */ place) => target(el('li', { className: 'gap' }, [el('button', { type: 'button', className: 'quiet', textContent: '+', 'aria-label': place.length > 1 ? `Add a layer at the end of this path` : 'Add a layer at the end', onclick: () => { const layer = 'relu'; change(put(layers, place, layer), place); const input = list.querySelector(`[data-place="${place}"] input`); input?.focus(); input?.select(); } })]), place);

  function block(/** @type {any} */ layer, /** @type {number[]} */ place) {
    const text = textOf(layer), input = el('input', {
      value: text, 'aria-label': `Layer ${place.filter((_, i) => i % 2 === 0).map((n) => n + 1).join(', in it ')}`, spellcheck: false, autocomplete: 'off', list: 'layer-words',
      oninput: () => { layers = said(layers, place, input.value); changed(); },
      onfocus: () => { chosen = place; mark(); },
      onchange: () => past.push(JSON.stringify(said(layers, place, text))),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.altKey && event.key === 'ArrowUp') go(shifted(layers, place, -1));
        else if (event.altKey && event.key === 'ArrowDown') go(shifted(layers, place, 1));
        else if (event.altKey && (event.key === 'Delete' || event.key === 'Backspace')) remove(place);
        else if (event.key === 'Enter') { chosen = place; add('relu'); list.querySelector(`[data-place="${chosen}"] input`)?.select(); } else return;
        event.preventDefault();
      },
    });
    const small = (/** @type {string} */ sign, /** @type {string} */ what, act) => el('button', { type: 'button', className: `quiet ${what.split(' ')[0].toLowerCase()}`, textContent: sign, 'aria-label': `${what}: ${text}`, title: what, onclick: act });
    const cells = ['shape', 'params', 'macs', 'field'].map((kind) => el('span', { className: kind }));
    const node = el('li', { dataset: { place: String(place) } }, [
      el('div', { className: 'block', draggable: true, ondragstart: (/** @type {DragEvent} */ event) => { event.stopPropagation(); event.dataTransfer?.setData(KIND, JSON.stringify({ from: place })); } }, [
        el('span', { className: 'grip', 'aria-hidden': 'true', textContent: '⠿' }), input, ...cells,
        el('span', { className: 'acts' }, [small('↑', 'Up', () => go(shifted(layers, place, -1), '.up')), small('↓', 'Down', () => go(shifted(layers, place, 1), '.down')), small('✕', 'Remove', () => remove(place))])]),
      ...pathsOf(layer).map((path, k, all) => el('ol', { className: 'blocks', 'aria-label': all.length > 1 ? `Path ${k + 1} of ${text}` : `Inside ${text}` }, chain(path, [...place, k])))]);
    return target(node, place);
  }

  /** Something can be dropped before this place. @returns {any} */
  function target(/** @type {any} */ node, /** @type {number[]} */ place) {
    const over = (/** @type {DragEvent} */ event) => { if (event.dataTransfer?.types.includes(KIND)) { event.preventDefault(); event.stopPropagation(); node.classList.toggle('over', event.type === 'dragover'); } };
    node.addEventListener('dragover', over);
    node.addEventListener('dragleave', over);
    node.addEventListener('drop', (/** @type {DragEvent} */ event) => {
      over(event);
      const said = event.dataTransfer?.getData(KIND);
      if (!said) return;
      const { layer, from } = JSON.parse(said);
      if (from) go(moved(layers, from, place));
      else change(put(layers, place, layer), place);
    });
    return node;
  }

  // ---- what the reader says ----
  /** One question at a time counts: the last. */
  async function ask() {
    const mine = ++turn;
    try {
      const answer = await post('build/lay', { layers, shape: state.shape, classes: state.classes });
      if (gone || mine !== turn) return;
      words.replaceChildren();
      found = answer;
    } catch (error) {
      if (gone || mine !== turn) return;
      found = null;
      words.replaceChildren(problem(error));
    }
    tell();
  }

  function tell() {
    mark();
    train.disabled = !found || Boolean(found.unfit);
    if (!found) { sum.textContent = ''; unfit.replaceChildren(); return; }
    yaml.value = found.yaml;
    python.value = found.code || '# not a net yet: see what does not fit';
    sum.textContent = `${found.params.toLocaleString('en')} numbers to learn, ${short(found.macs)} multiply-adds a picture, ${short(found.values)} values on the way${found.unfit ? ', as far as it fits' : ''}.`;
    unfit.replaceChildren(...(found.unfit ? [problem({ message: found.unfit.reason, hint: found.unfit.hint }), found.unfit.mends.length ? el('p', { className: 'line' }, ['Mend it: ', ...found.unfit.mends.map((mend) => el('button', { type: 'button', textContent: mend.what, onclick: () => change(mend.layers) }))]) : null].filter(Boolean) : []));
    same.say(`hubel train ${quoted(state.data)} --model ${quoted(`${state.name}.yaml`)}`);
    document.documentElement.dataset.laid = String(Number(document.documentElement.dataset.laid ?? 0) + 1);
  }

  /** The numbers beside each block, which one is chosen, and which does not fit. */
  function mark() {
    const by = new Map((found?.layers ?? []).map((layer) => [String(layer.at), layer])), wrong = found?.unfit?.at.length ? String(found.unfit.at) : null;
    for (const node of list.querySelectorAll('li[data-place]')) {
      const told = by.get(node.dataset.place), block = node.firstElementChild, layer = at(layers, node.dataset.place.split(',').map(Number));
      const fits = told && layer !== undefined && told.text === textOf(layer);
      for (const [kind, value] of Object.entries({ shape: fits && told.shape ? told.shape.join('×') : '', params: fits && told.params ? short(told.params) : '', macs: fits && told.macs ? short(told.macs) : '', field: fits ? told.field : '' })) {
        const cell = block.querySelector(`.${kind}`);
        if (cell.textContent !== value) cell.textContent = value;
      }
      node.classList.toggle('wrong', node.dataset.place === wrong);
      block.querySelector('input').setAttribute('aria-invalid', String(node.dataset.place === wrong));
      block.classList.toggle('chosen', String(chosen) === node.dataset.place);
    }
  }

  async function measure() {
    write();
    const answer = await tried(words, () => get('build/sizes', { data: state.data }));
    if (!answer || gone) return;
    Object.assign(state, answer);
    shape.querySelector('input').value = state.shape.join('x');
    classes.querySelector('input').value = state.classes;
    changed();
  }
  async function understand() {
    const answer = await tried(words, () => post('build/lay', { text: yaml.value, shape: state.shape, classes: state.classes }));
    if (answer && !gone) change(answer.list);
  }
  async function start() {
    const kept = await tried(words, () => post('build/keep', { layers, shape: state.shape, classes: state.classes, name: state.name, data: state.data }));
    if (kept && !gone) location.hash = to('train', { data: state.data, model: kept.path });
  }

  main.append(el('datalist', { id: 'layer-words' }, Object.values(known.groups).flat().map((word) => el('option', { value: typeof word.first === 'string' ? word.first : word.word }))));
  keys({ u: ['undo', undo] });
  draw();
  if (parameters.get('shape')) await ask();
  else { await measure(); await ask(); }
  return () => { gone = true; clearTimeout(timer); };
}
