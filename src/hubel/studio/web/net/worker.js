// A worker around a playground: trains for 12 ms at a time, and sends what is to be seen when the page has drawn the last.

import { Play } from './play.js';

const SLICE = 12;
const send = (/** @type {any} */ message, /** @type {Transferable[]} */ moved = []) => /** @type {any} */ (self).postMessage(message, moved);
/** @type {any} */
let play = null, wanted = false, looping = false;
const channel = new MessageChannel();

/** One slice of training, then the messages that came meanwhile, then the next. */
function slice() {
  looping = false;
  if (!play?.running || !play.session) return;
  const until = performance.now() + SLICE;
  play.session.run(() => performance.now() >= until);
  if (play.session.bad) { play.running = false; wanted = false; play.frame(); return; }
  if (wanted) { wanted = false; play.frame(); }
  go();
}

function go() {
  if (looping) return;
  looping = true;
  channel.port2.postMessage(0);
}
channel.port1.onmessage = slice;

self.onmessage = ({ data }) => {
  try {
    if (data.kind === 'setup') play ??= new Play(send);
    if (data.kind === 'ask' && !data.advance && play?.running) wanted = true;
    else play?.take(data);
    if (data.kind === 'play') go();
  } catch (error) {
    send({ kind: 'failed', why: String(error?.message ?? error) });
  }
};
