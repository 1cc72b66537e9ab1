// The events of a run as they are written: from the byte where the page was, however often the line is cut.

/**
 * Follow a run until `close()`; the stream is given back while the page is hidden, since a browser has six for a host.
 * @param {string} run
 * @param {{ lines: (lines: any[]) => void, alive: (held: boolean) => void, anew: () => void, lost?: (lost: boolean) => void }} hear
 */
export function follow(run, hear) {
  let seen = 0, timer = 0, closed = false;
  /** @type {EventSource | null} */
  let source = null;

  function open() {
    clearTimeout(timer);
    if (closed || source || document.hidden) return;
    const mine = new EventSource(`/api/events?run=${encodeURIComponent(run)}&after=${seen}`);
    source = mine;
    mine.onopen = () => hear.lost?.(false);
    mine.addEventListener('lines', (event) => {
      seen = Number(event.lastEventId) || seen;
      hear.lines(JSON.parse(event.data));
    });
    mine.addEventListener('anew', () => { seen = 0; hear.anew(); });
    mine.addEventListener('alive', (event) => hear.alive(JSON.parse(event.data)));
    mine.onerror = () => {
      hear.lost?.(true);
      mine.close();
      if (source === mine) source = null;
      timer = window.setTimeout(open, 1000);
    };
  }

  function shown() {
    if (!document.hidden) return open();
    source?.close();
    source = null;
    return undefined;
  }

  document.addEventListener('visibilitychange', shown);
  open();
  return () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
    document.removeEventListener('visibilitychange', shown);
  };
}
