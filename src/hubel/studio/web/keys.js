// Keys of the page that is shown: one table, listed under "?", silent while somebody types.

/** @type {Map<string, { what: string, act: (event: KeyboardEvent) => void, shown: string }>} */
const table = new Map();

/**
 * Keys of a page, until the next page is shown: { ' ': ['play or pause', act] }. "1…9" gives all digits to one act.
 * @param {Record<string, [string, (event: KeyboardEvent) => void]>} keys
 */
export function keys(keys) {
  for (const [key, [what, act]] of Object.entries(keys))
    for (const each of key === '1…9' ? '123456789' : [key]) table.set(each, { what, act, shown: key });
}

/** Forget the keys of the page. */
export const clear = () => table.clear();

/** (keys as shown, what they do) of the page. */
export const listed = () => [...new Map([...table.values()].map(({ shown, what }) => [shown, what]))];

const TYPING = 'input:not([type=range]):not([type=checkbox]):not([type=radio]):not([type=button]), select, textarea, [contenteditable]';

addEventListener('keydown', (event) => {
  const target = /** @type {Element} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest?.(TYPING) || target.closest?.('dialog')) return;
  if ((event.key === ' ' || event.key === 'Enter') && target.closest?.('button, a, summary, [role=button], input')) return;
  if (event.key.startsWith('Arrow') && target.closest?.('input, [role=slider], [role=grid]')) return;
  const found = table.get(event.key);
  if (!found) return;
  event.preventDefault();
  found.act(event);
});
