// What can be taken away from a playground: Python, a layer list, a command, its address.

import { el } from '../dom.js';
import { asCommand, asPython, asYaml } from '../net/export.js';
import { tick } from './controls.js';
import { command } from './said.js';

const PARTS = { run: 'transport', settings: 'settings', data: 'points', features: 'features', net: 'net', output: 'output' };

export function away(/** @type {() => {state: any, train: any[]}} */ now, /** @type {(hide: string[]) => void} */ hide) {
  const python = el('textarea', { readOnly: true, spellcheck: false, 'aria-label': 'The same net in Python' }), yaml = el('textarea', { readOnly: true, 'aria-label': 'The layers as a list', rows: 2, style: { minHeight: '60px' } });
  const real = command(''), ticks = Object.entries(PARTS).map(([name, text]) => [name, tick(text, false, () => hide(ticks.filter(([, node]) => node.input.checked).map(([n]) => n)))]);
  const address = button => { navigator.clipboard?.writeText(location.href).then(() => { button.textContent = 'Copied'; }, () => { button.textContent = 'It is in the address line'; }); };
  const copy = el('button', { type: 'button', textContent: 'Copy the address' });
  copy.addEventListener('click', () => address(copy));
  const first = el('details', { ontoggle: () => fresh() }, [el('summary', { textContent: 'As Python' }), el('p', { textContent: 'Plain PyTorch, with the training points in it.' }), python]);
  const second = el('details', { ontoggle: () => fresh() }, [el('summary', { textContent: 'As YAML, and train it for real' }),
    el('p', { textContent: 'The same hidden layers as a layer list, for pictures. Save it as my-net.yaml, then:' }), yaml, real]);
  const third = el('details', { ontoggle: () => fresh() }, [el('summary', { textContent: 'As an address, for a lesson' }),
    el('p', { textContent: 'Everything here stands in the address of this page: keep it or send it. What is ticked is hidden.' }), el('p', { className: 'line' }, ticks.map(([, node]) => node)), copy]);
  function fresh() {
    const { state, train } = now();
    if (first.open) python.value = asPython(state, train);
    if (second.open) { yaml.value = asYaml(state.layers); real.say(asCommand(state)); }
    for (const [name, node] of ticks) node.put(state.hide.includes(name));
  }
  return { node: el('section', { className: 'away', 'aria-label': 'Take it away' }, [el('h2', { textContent: 'Take it away' }), first, second, third]), fresh };
}
