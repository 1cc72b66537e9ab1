// The engine of a playground: in a worker, so that the page stays quick; in the page itself where no worker may be made.

import { engine } from '../net/engine.js';

const ADDRESS = new URL('../net/worker.js', import.meta.url).href;
/** @type {any} */
let policy;

/** Our worker's address as browsers want it that trust no text: the policy knows this one address. */
function address() {
  const types = /** @type {any} */ (globalThis).trustedTypes;
  if (!types) return ADDRESS;
  policy ??= types.createPolicy('hubel', { createScriptURL: () => ADDRESS });
  return policy.createScriptURL('');
}

/** @param {(message: any) => void} heard */
export function work(heard) {
  try {
    const worker = new Worker(address(), { type: 'module' });
    worker.onmessage = ({ data }) => heard(data);
    worker.onerror = () => heard({ kind: 'failed', why: 'This browser could not start the net: it needs modules in workers.' });
    return { send: (/** @type {any} */ message) => worker.postMessage(message), end: () => worker.terminate(), apart: true };
  } catch {
    const own = engine((message) => queueMicrotask(() => heard(message)));
    return { send: (/** @type {any} */ message) => queueMicrotask(() => own.take(structuredClone(message))), end: own.end, apart: false };
  }
}
