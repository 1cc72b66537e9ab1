// The engine in a worker.

import { engine } from './engine.js';

const ours = engine((message, moved = []) => /** @type {any} */ (self).postMessage(message, moved));
self.onmessage = ({ data }) => ours.take(data);
