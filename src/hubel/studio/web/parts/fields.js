// The recipe as inputs, from what the schema says of each setting.

import { el } from '../dom.js';

/** One setting: its input, what it is for, and, once it is known, what is chosen and why. @returns {any} */
export function setting(/** @type {any} */ field, lists = {}) {
  const id = `setting-${field.name}`, help = `${id}-help`, chosen = el('span', { className: 'chosen' });
  let input;
  if (field.kind === 'yes or no') input = el('select', { id }, [['', 'as chosen'], ['true', 'yes'], ['false', 'no']].map(([value, text]) => el('option', { value, textContent: text })));
  else if (field.choices.length && field.kind === 'word') input = el('select', { id }, ['', ...field.choices].map((word) => el('option', { value: word, textContent: word || 'as chosen' })));
  else {
    const list = lists[field.name] ?? (field.choices.length ? field.choices : null);
    input = el('input', { id, autocomplete: 'off', spellcheck: false, placeholder: field.shape, ...(list ? { list: `${id}-list` } : {}) });
    if (list) input = [input, el('datalist', { id: `${id}-list` }, list.map((value) => el('option', { value })))];
  }
  const [control, ...more] = Array.isArray(input) ? input : [input];
  control.setAttribute('aria-describedby', help);
  const node = el('div', { className: 'setting' }, [
    el('label', { for: id, textContent: field.name.replace(/_$/, '').replaceAll('_', ' ') }), control, ...more,
    el('span', { id: help, className: 'muted' }, [field.help, ' ', chosen])]);
  node.field = field;
  node.input = control;
  node.value = () => (field.kind === 'yes or no' ? (control.value === '' ? '' : control.value === 'true') : control.value.trim());
  node.choose = (/** @type {any} */ value, reason = '') => {
    const empty = value === null || value === undefined || value === '' || (typeof value === 'object' && !Object.keys(value).length);
    const text = empty ? '' : Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? Object.entries(value).map(([k, v]) => `${k}=${v}`).join(' ') : String(value);
    chosen.textContent = text && node.value() === '' ? `→ ${text}${reason ? `: ${reason}` : ''}` : '';
    if (control.tagName === 'INPUT') control.placeholder = text || field.shape;
  };
  return node;
}

/** All settings of a form: the simple ones, and the others by section on demand. */
export function form(/** @type {any[]} */ fields, lists, change) {
  const nodes = fields.map((field) => setting(field, lists)), simple = nodes.filter((node) => node.field.beginner);
  const titles = [...new Set(nodes.filter((node) => !node.field.beginner).map((node) => node.field.title))];
  const more = el('details', { className: 'more' }, [el('summary', { textContent: `All ${fields.length} settings` }), ...titles.map((title) => el('details', {}, [
    el('summary', { textContent: title }), el('div', { className: 'settings' }, nodes.filter((node) => !node.field.beginner && node.field.title === title))]))]);
  for (const node of nodes) node.input.addEventListener('input', change);
  const place = el('div', {}, [el('div', { className: 'settings' }, simple), more]);
  return {
    place,
    said: () => Object.fromEntries(nodes.map((node) => [node.field.name, node.value()]).filter(([, value]) => value !== '')),
    set: (/** @type {Record<string, any>} */ values) => {
      for (const node of nodes) if (values[node.field.name] !== undefined) node.input.value = String(values[node.field.name]);
    },
    choose: (recipe, reasons) => { for (const node of nodes) node.choose(recipe[node.field.name], reasons[node.field.name.replace(/_$/, '')] ?? reasons[node.field.name]); },
  };
}
