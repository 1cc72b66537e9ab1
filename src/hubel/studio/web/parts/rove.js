// A table of buttons is one stop of Tab; arrows go from one button to the next.

const WAYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** @returns {any} */
export function rove(/** @type {any} */ table) {
  const only = (/** @type {any} */ chosen) => { for (const each of table.querySelectorAll('button')) each.tabIndex = each === chosen ? 0 : -1; };
  only(table.querySelector('button'));
  table.addEventListener('focusin', (/** @type {any} */ event) => { if (event.target.tagName === 'BUTTON') only(event.target); });
  table.addEventListener('keydown', (/** @type {any} */ event) => {
    const way = WAYS[event.key], cell = event.target.closest('td');
    if (!way || !cell) return;
    event.preventDefault();
    event.stopPropagation();
    const [down, right] = way, row = cell.parentNode.rowIndex, column = cell.cellIndex;
    let best = null, least = Infinity;
    for (const each of table.querySelectorAll('button')) {  // the next one that way, the straightest of several
      const at = each.closest('td'), rows = at.parentNode.rowIndex - row, columns = at.cellIndex - column;
      const ahead = rows * down + columns * right, aside = Math.abs(rows * right) + Math.abs(columns * down);
      if (ahead > 0 && 1000 * ahead + aside < least) [best, least] = [each, 1000 * ahead + aside];
    }
    best?.focus();
  });
  return table;
}
