// What a net of points and a net of pictures have in common behind the page: the messages that move it, and colours.

import { ramp } from './colours.js';

export class Playing {
  /** @param {(message: any, moved?: Transferable[]) => void} send */
  constructor(send) {
    this.send = send;
    this.running = false;
    this.colours = ramp(false);
    /** @type {any} */
    this.session = undefined;
    /** @type {any} */
    this.state = undefined;
  }

  /** Begin with a state; whoever extends this says how. */
  setup(/** @type {any} */ _message) { throw new Error('nothing to begin with'); }

  /** Send what is to be seen. */
  frame() { throw new Error('nothing to show'); }

  /** A message of one kind of net alone; false for one that is not known. */
  more(/** @type {any} */ _message) { return false; }

  /** One message of the page. */
  take(/** @type {any} */ message) {
    if (message.kind === 'setup') { this.setup(message); return; }
    const { session } = this;
    if (!session) return;
    const by = this.state.by ?? 'batch';
    switch (message.kind) {
      case 'play': this.running = true; break;
      case 'pause': this.running = false; session.keep(); this.frame(); break;
      case 'ask':
        for (let i = 0; i < (message.advance ?? 0) && !session.bad; i++) session.step(by);
        if (session.bad) this.running = false;
        this.frame();
        break;
      case 'step': session.step(message.by ?? by); session.keep(); this.frame(); break;
      case 'rewind': session.rewind(); this.frame(); break;
      case 'back': session.back(message.how); this.frame(); break;
      default: if (!this.more(message)) throw new Error(`nothing is known of ${message.kind}`);
    }
  }
}
