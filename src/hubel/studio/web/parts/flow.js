// A graph that flows to the right: nodes that can be pressed, each with its maps, and the lines between them.

import { el, svg } from '../dom.js';
import { paintStrip } from './tiles.js';

const WIDE = 132, HIGH = 128, GAP = 34;

/** @param {{name: string, lines: string[], at: number[], sources: number[], tile: any, start: number}[]} nodes
 *  @param {(i: number) => void} choose */
export function flow(/** @type {string} */ label, nodes, /** @type {Uint8Array} */ bytes, chosen, choose) {
  const columns = Math.max(0, ...nodes.map((n) => n.at[0])) + 1, rows = Math.max(0, ...nodes.map((n) => n.at[1])) + 1;
  const x = (/** @type {any} */ n) => n.at[0] * (WIDE + GAP) + 4, y = (/** @type {any} */ n) => n.at[1] * (HIGH + 14) + 22;
  const edges = svg('svg', { width: columns * (WIDE + GAP), height: rows * (HIGH + 14) + 26, 'aria-hidden': 'true' });
  for (const node of nodes)
    for (const source of node.sources) {
      const from = nodes[source], far = node.at[0] - from.at[0] > 1, x1 = x(from) + WIDE, x2 = x(node), y1 = y(from) + HIGH / 2, y2 = y(node) + HIGH / 2;
      // What skips columns goes above them all, so that it is seen.
      const d = far ? `M${x1} ${y1 - 20}C${x1 + 26} ${y(from) - 30} ${x2 - 26} ${y(node) - 30} ${x2} ${y2 - 20}` : `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`;
      edges.append(svg('path', { d, class: far ? 'skip' : '' }));
    }
  const buttons = nodes.map((node, i) => {
    const canvas = el('canvas', { 'aria-hidden': 'true' });
    if (node.tile.count) paintStrip(canvas, bytes, node.start, node.tile);
    return el('button', { type: 'button', className: 'node', title: [node.name, ...node.lines].join('\n'), 'aria-pressed': String(i === chosen), style: { left: `${x(node)}px`, top: `${y(node)}px`, width: `${WIDE}px`, height: `${HIGH}px` }, onclick: () => {
      for (const each of buttons) each.setAttribute('aria-pressed', String(each === buttons[i]));
      choose(i);
    } }, [canvas, el('strong', { textContent: node.name }), ...node.lines.map((line) => el('span', { textContent: line }))]);
  });
  const inner = el('div', { className: 'inner', style: { width: `${columns * (WIDE + GAP)}px`, height: `${rows * (HIGH + 14) + 26}px` } }, [edges, ...buttons]);
  return el('div', { className: 'flow', role: 'group', tabIndex: 0, 'aria-label': label }, [inner]);
}
