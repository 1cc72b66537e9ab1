// Pictures from files, the clipboard, a drop, or a camera, as Blobs for the studio.

import { el } from '../dom.js';

const SIDE = 384;

/** Choose, drop or paste pictures; `take` gets the files. @returns {any} */
export function drop(/** @type {(files: File[]) => void} */ take, text = 'Choose pictures') {
  const input = el('input', { type: 'file', accept: 'image/*', multiple: true, className: 'hidden', 'aria-label': text });
  const node = el('div', { className: 'drop' }, [el('label', { className: 'button main' }, [text, input]), el('span', { className: 'muted', textContent: 'or drop them here, or paste one' })]);
  input.addEventListener('change', () => { take([...input.files]); input.value = ''; });
  const paste = (/** @type {any} */ event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  };
  const over = (/** @type {any} */ event) => {
    event.preventDefault();
    node.classList.toggle('over', event.type === 'dragover');
    const files = event.type === 'drop' ? [...event.dataTransfer.files] : [];
    if (files.length) take(files);
  };
  addEventListener('paste', paste);
  for (const kind of ['dragover', 'dragleave', 'drop']) addEventListener(kind, over);
  node.leave = () => {
    removeEventListener('paste', paste);
    for (const kind of ['dragover', 'dragleave', 'drop']) removeEventListener(kind, over);
  };
  return node;
}

/** A camera that is off until it is asked for. `frame()` gives the picture of now, a JPEG of at most 384 pixels. */
export function camera() {
  const video = el('video', { muted: true, playsInline: true, hidden: true, 'aria-label': 'What the camera sees' });
  const canvas = document.createElement('canvas');
  /** @type {MediaStream | null} */
  let stream = null;
  return {
    video,
    get on() { return stream !== null; },
    async start() {
      if (!navigator.mediaDevices?.getUserMedia) throw new Error('A camera may be used only at https:// or on this machine itself (localhost).');
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 640 } }, audio: false });
      video.hidden = false;
      video.srcObject = stream;
      await video.play();
    },
    stop() {
      for (const track of stream?.getTracks() ?? []) track.stop();
      stream = null;
      video.srcObject = null;
      video.hidden = true;
    },
    /** @returns {Promise<Blob | null>} */
    frame() {
      const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight, 1));
      canvas.width = Math.max(1, Math.round(video.videoWidth * scale));
      canvas.height = Math.max(1, Math.round(video.videoHeight * scale));
      canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
      return new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.92));
    },
  };
}
