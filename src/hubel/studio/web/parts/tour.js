// Five steps on the first visit, on the digits; closed once, it stays closed. It never covers what it speaks of.

import { get, to } from '../ask.js';
import { el } from '../dom.js';

const COOKIE = 'hubel-tour';  // a cookie, since another start of the studio may have another port
/** What is said at each step, and where it is; steps after the first need a run on the digits. */
const STEPS = [
  ['Train a net', 'A net that reads handwritten digits takes a few seconds. Everything is chosen for you, with its reason; press Train.', () => to('train', { data: 'digits' })],
  ['Watch it learn', 'The loss falls while it learns. Pause it, take single steps, change its rate: what you do is written down, and the run can be made again to the same bits.', (/** @type {string} */ run) => to('train', { run })],
  ['Measure it', 'The test pictures were never learnt from. Press a number beside the diagonal to see what was confused.', (/** @type {string} */ run) => to('evaluate', { run })],
  ['Ask why', 'Maps show which pixels the answer hangs on; the marks say how far to trust them.', (/** @type {string} */ run) => to('explain', { run })],
  ['Try and ship it', 'Give it pictures or the camera, keep what it gets wrong for the next training, and write it as one file. Then come back with your own pictures.', (/** @type {string} */ run) => to('ship', { run })],
];

const closed = () => document.cookie.split('; ').includes(`${COOKIE}=closed`);

/** Show the tour where it belongs, unless it was closed. */
export function tour() {
  if (closed() || !navigator.cookieEnabled) return;
  let at = 0;
  const head = el('strong'), text = el('span'), go = el('a', { className: 'button main', textContent: 'Show me' }), next = el('button', { type: 'button', textContent: 'Next', onclick: () => step(at + 1) });
  const before = el('button', { type: 'button', textContent: 'Back', onclick: () => step(at - 1) }), shut = el('button', { type: 'button', className: 'quiet', textContent: 'Close for ever', onclick: close });
  const box = el('aside', { className: 'tour', 'aria-label': 'A tour in five steps' }, [el('p', { role: 'status' }, [head, ' ', text]), el('p', { className: 'line' }, [go, before, next, shut])]);
  document.getElementById('main')?.before(box);
  step(0);

  async function step(/** @type {number} */ i) {
    if (i >= STEPS.length) return close();
    at = Math.max(0, i);
    const [name, words, where] = /** @type {[string, string, (run: string) => string]} */ (STEPS[at]);
    const found = at ? (await get('runs/list').catch(() => ({ runs: [] }))).runs.find((/** @type {any} */ row) => row.data === 'digits') : null;
    head.textContent = `${at + 1} of ${STEPS.length}: ${name}.`;
    text.textContent = at && !found ? `${words} (First train a net on the digits: step 1.)` : words;
    go.href = at && !found ? STEPS[0][2]('') : where(found?.run ?? '');
    before.disabled = at === 0;
    next.textContent = at === STEPS.length - 1 ? 'Done' : 'Next';
    return undefined;
  }

  function close() {
    document.cookie = `${COOKIE}=closed; max-age=315360000; path=/; samesite=strict`;
    box.remove();
  }
}
