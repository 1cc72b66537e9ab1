// What stands around a playground: trains for 12 ms at a time, and sends what is to be seen when the page has drawn the
// last. It runs in a worker, or in the page itself where no worker may be made.

import { Pictures } from './pictures.js';
import { Play } from './play.js';

const SLICE = 12;

/** Messages in, messages out. @param {(message: any, moved?: Transferable[]) => void} send */
export function engine(send) {
  /** @type {any} */
  let play = null, wanted = false, looping = false, over = false;
  const channel = new MessageChannel();

  /** One slice of training, then the messages that came meanwhile, then the next. */
  channel.port1.onmessage = () => {
    looping = false;
    if (over || !play?.running || !play.session) return;
    const until = performance.now() + SLICE;
    play.session.run(() => performance.now() >= until);
    if (play.session.bad) { play.running = false; wanted = false; play.frame(); return; }
    if (wanted) { wanted = false; play.frame(); }
    go();
  };
  function go() {
    if (looping) return;
    looping = true;
    channel.port2.postMessage(0);
  }

  return {
    take(/** @type {any} */ data) {
      if (over) return;
      try {
        if (data.kind === 'setup') play ??= data.what === 'pictures' ? new Pictures(send) : new Play(send);
        if (data.kind === 'ask' && !data.advance && play?.running) wanted = true;
        else play?.take(data);
        if (data.kind === 'play') go();
      } catch (/** @type {any} */ error) {
        send({ kind: 'failed', why: String(error?.message ?? error) });
      }
    },
    end() { over = true; channel.port1.close(); },
  };
}
