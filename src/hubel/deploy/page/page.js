// The face of an exported page: takes pictures from files, the clipboard or a camera, and shows what the net says.

const find = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const read = (/** @type {string} */ id) => JSON.parse(find(id).textContent);

/** A new element with properties and children; text stays text. */
function el(/** @type {string} */ tag, properties = {}, /** @type {(Node | string)[]} */ children = []) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** By how much hubel's reader shrinks a JPEG as it decodes it: 1 for other files and for progressive ones. */
export function jpegShrink(/** @type {Uint8Array} */ head, width, height, side) {
  if (head[0] !== 0xff || head[1] !== 0xd8) return 1;
  for (let at = 2; at + 9 < head.length && head[at] === 0xff; ) {
    const kind = head[at + 1];
    if (kind === 0xc2) return 1;
    if (kind === 0xc0 || kind === 0xc1) break;
    at += 2 + head[at + 2] * 256 + head[at + 3];
  }
  const fits = Math.floor(Math.min(width, height) / side);
  return fits < 2 ? 1 : fits < 4 ? 2 : fits < 8 ? 4 : 8;
}

const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(share > 0.9995 && share < 1 ? 2 : 1)} %`;
const MOST_PIXELS = 64e6;
const CANVAS_PIXELS = 16e6;  // more than this some phones do not draw
const SHOWN = 5;

/** Wire the page up. */
export function begin() {
  const about = read('about'), p = about.preprocessing;
  const canvas = find('picture'), status = find('status'), rows = find('rows'), video = find('video');
  const address = URL.createObjectURL(new Blob([find('worker').textContent], { type: 'text/javascript' }));
  const policy = /** @type {any} */ (window).trustedTypes?.createPolicy('hubel', { createScriptURL: (text) => text });
  const worker = new Worker(policy ? policy.createScriptURL(address) : address);
  /** @type {Map<number, (answer: any) => void>} */
  const waiting = new Map();
  let count = 0, live = 0;

  const say = (/** @type {string} */ text) => { status.textContent = text; };
  const ready = new Promise((resolve, reject) => {
    worker.onerror = () => { say('This browser could not start the net.'); reject(new Error('no worker')); };
    worker.onmessage = ({ data }) => {
      if (data.kind === 'ready') resolve(data);
      else if (data.kind === 'failed' && data.id === undefined) say(`The net could not be read: ${data.why}`);
      else { waiting.get(data.id)?.(data); waiting.delete(data.id); }
    };
  });
  worker.postMessage({ kind: 'start', about, program: read('program'), weights: find('weights').textContent });
  ready.then(({ way }) => {
    document.documentElement.dataset.way = way;
    say('Ready.');
  }, () => {});

  /** Pixels of anything that can be drawn, over white, to the net and back. */
  async function classify(source, width, height, shrink) {
    if (width * height > CANVAS_PIXELS) {
      const scale = Math.sqrt(CANVAS_PIXELS / (width * height));
      [width, height, shrink] = [Math.max(1, Math.floor(width * scale)), Math.max(1, Math.floor(height * scale)), 1];
    }
    const drawn = Object.assign(document.createElement('canvas'), { width, height });
    const context = drawn.getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('this browser has no canvas');
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(source, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height), id = ++count;
    await ready;
    const answer = await new Promise((resolve) => {
      waiting.set(id, resolve);
      worker.postMessage({ kind: 'picture', id, pixels: data, width, height, shrink }, [data.buffer]);
    });
    if (answer.kind === 'failed') throw new Error(answer.why);
    return { ...answer, drawn };
  }

  /** The picture, as large as there is room, and a bar for each of the most probable classes, or each label that is said. */
  function show(answer, name) {
    const side = Math.max(answer.drawn.width, answer.drawn.height), small = side < 128;
    const scale = small ? Math.floor(192 / side) : Math.min(1, 640 / side);
    canvas.width = Math.max(1, Math.round(answer.drawn.width * scale));
    canvas.height = Math.max(1, Math.round(answer.drawn.height * scale));
    const context = canvas.getContext('2d');
    context.imageSmoothingEnabled = !small;  // small ones are shown pixel by pixel
    context.drawImage(answer.drawn, 0, 0, canvas.width, canvas.height);
    const order = best(answer.probabilities), said = saidOf(answer.probabilities), limits = about.thresholds;
    canvas.setAttribute('aria-label', `${name}: ${namesOf(said)}`);
    rows.replaceChildren(...order.filter((k, rank) => rank < SHOWN || (limits && said.includes(k))).map((k) => {
      const share = answer.probabilities[k], from = limits ? `, said from ${percent(limits[k])} on` : '', bar = el('span', { className: 'bar' }), fill = el('span');
      fill.style.width = `${100 * share}%`;
      bar.append(fill);
      return el('li', { className: said.includes(k) ? 'said' : limits ? 'unsaid' : '' }, [el('span', { className: 'name', textContent: about.classes[k] }), bar, el('span', { className: 'share', textContent: percent(share) + from })]);
    }));
    find('note').textContent = remark(answer, order, said);
    find('note').classList.toggle('unknown', !answer.known);
    find('result').hidden = false;
  }

  /** What else should be known about an answer: that the picture is strange, or that other classes are as plausible. */
  function remark(answer, order, said) {
    if (!answer.known) return 'Not like the pictures it was measured with: it does not know this one, whatever it says.';
    if (about.thresholds && !said.length) return 'None of its labels: no probability reaches its threshold.';
    const others = about.limit ? order.slice(1).filter((k) => answer.probabilities[k] >= about.limit) : [];
    return others.length ? `It may also be ${others.map((k) => about.classes[k]).join(', ')}: in 95 of 100 cases the truth is among these.` : '';
  }

  const best = (/** @type {number[]} */ shares) => shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a] || a - b);

  /** What is said, by number: the most probable class, or, where several labels may hold, each that reaches its threshold. */
  function saidOf(/** @type {number[]} */ shares) {
    const order = best(shares), limits = about.thresholds;
    return limits ? order.filter((k) => shares[k] >= limits[k]) : order.slice(0, 1);
  }

  const namesOf = (/** @type {number[]} */ said) => said.map((k) => about.classes[k]).join(', ') || 'none';

  async function opened(/** @type {Blob} */ file) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
    } catch {
      throw new Error('no picture that this browser can read');
    }
    if (bitmap.width * bitmap.height > MOST_PIXELS) throw new Error(`more than ${MOST_PIXELS / 1e6} million pixels`);
    const head = new Uint8Array(await file.slice(0, 1 << 16).arrayBuffer());
    return { bitmap, shrink: jpegShrink(head, bitmap.width, bitmap.height, 2 * Math.max(p.width, p.height)) };
  }

  /** One picture after another; a table of all where there are several. */
  async function take(/** @type {File[]} */ files) {
    stop();
    const table = find('all'), lines = find('lines');
    lines.replaceChildren();
    table.hidden = files.length < 2;
    let done = 0, said = '';
    for (const file of files) {
      const name = file.name || 'the picture';
      try {
        const { bitmap, shrink } = await opened(file);
        const answer = await classify(bitmap, bitmap.width, bitmap.height, shrink);
        bitmap.close();
        show(answer, name);
        const found = saidOf(answer.probabilities), shares = found.map((k) => percent(answer.probabilities[k])).join(', ');
        lines.append(line(name, namesOf(found), shares, about.trust ? (answer.known ? 'yes' : 'no') : ''));
        said = `${name}: ${found.map((k) => `${about.classes[k]}, ${percent(answer.probabilities[k])}`).join('; ') || 'none'}${answer.known ? '' : ', but it does not know this picture'} (${Math.round(answer.milliseconds)} ms)`;
      } catch (error) {
        lines.append(line(name, `not read: ${error.message}`, '', ''));
        said = `${name} was not read: ${error.message}`;
      }
      done++;
      say(files.length > 1 ? `${done} of ${files.length} pictures. ${said}` : said);
    }
    document.documentElement.dataset.done = String(done);
  }

  const line = (/** @type {string[]} */ ...cells) => el('tr', {}, cells.map((text) => el('td', { textContent: text })));

  /** The camera: one frame at a time, the newest first, until it is stopped. */
  async function film() {
    if (live) return stop();
    if (!navigator.mediaDevices?.getUserMedia) return say('This browser gives no camera to a page opened like this.');
    const mine = ++count;
    live = mine;
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' }, audio: false });
      await video.play();
    } catch (error) {
      stop();
      return say(`No camera: ${error.message}`);
    }
    if (live !== mine) return stop();
    find('camera').textContent = 'Stop the camera';
    find('all').hidden = true;
    let frames = 0;
    while (live === mine) {
      if (video.videoWidth && !document.hidden) {
        try {
          const answer = await classify(video, video.videoWidth, video.videoHeight, 1);
          if (live !== mine) break;
          show(answer, 'camera');
          document.documentElement.dataset.frames = String(++frames);
          if (frames % 10 === 1) say(`Camera: ${namesOf(saidOf(answer.probabilities))} (${Math.round(answer.milliseconds)} ms a picture)`);
        } catch (error) {
          stop();
          return say(`The camera stopped: ${error.message}`);
        }
      }
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return undefined;
  }

  function stop() {
    live = 0;
    const stream = video.srcObject;
    if (stream) for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    find('camera').textContent = 'Use the camera';
  }

  find('file').addEventListener('change', ({ target }) => { take([...target.files]); });
  find('camera').addEventListener('click', film);
  addEventListener('paste', ({ clipboardData }) => {
    const files = [...(clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
  for (const kind of ['dragover', 'dragleave', 'drop'])
    addEventListener(kind, (/** @type {any} */ event) => {
      event.preventDefault();
      document.documentElement.classList.toggle('over', kind === 'dragover');
      const files = kind === 'drop' ? [...event.dataTransfer.files] : [];
      if (files.length) take(files);
    });
  if (about.thresholds) find('what').textContent = 'Labels';
  find('card').replaceChildren(...about.card.flatMap(([name, text]) => [el('dt', { textContent: name }), el('dd', { textContent: text })]));
}
