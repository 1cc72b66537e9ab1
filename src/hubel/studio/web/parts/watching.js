// A run as it goes: curves, numbers, what happened, and the reins.

import { get, post, to } from '../ask.js';
import { el, fill, list } from '../dom.js';
import { keys } from '../keys.js';
import { chart, smooth } from './chart.js';
import { follow } from './events.js';
import { findings } from './findings.js';
import { command, number, percent, problem, quoted, seconds } from './said.js';

const CALM = 1000;
const SILENT = new Set(['step', 'pace', 'epoch', 'finished', 'vitals']);
const MOST_PARTS = 8;
const WHY = { epochs: 'all epochs are done', time: 'its time is over', target: 'the target is reached', patience: 'it got no better for a while', optimum: 'nothing is left to gain' };

/** Show one run until the page is left; returns what ends it. */
export async function watch(/** @type {any} */ main, /** @type {string} */ run) {
  const about = await get('train/state', { run });
  /** @type {any} */
  const now = { held: about.held, paused: false, finished: '', epoch: 0, step: 0, lost: false, lr: 0, points: [], rows: [], told: [], vitals: [] };
  const status = el('p', { className: 'status', role: 'status' }), words = el('div'), tiles = el('dl', { className: 'tiles' });
  const losses = chart({ title: 'Loss', across: 'epochs' }), shares = chart({ title: 'Accuracy', across: 'epochs', show: (value) => percent(value) });
  const inside = chart({ title: 'How much each part changes a step (share of its weights)', across: 'epochs', log: true }), within = el('details', {}, [el('summary', { textContent: 'Inside the net' }), inside]);
  const doctor = findings('What the doctor says', 'Look for what is wrong', () => get('doctor/run', { run }), () => about.asked ?? {}, (text) => said.say(text));
  const told = el('ol', { className: 'told' }), rows = el('tbody'), said = command(`hubel watch ${quoted(about.folder)}`);
  const even = el('input', { type: 'range', min: 0, max: 0.98, step: 0.02, value: 0.6, 'aria-label': 'Smoothing of the loss of each batch' });
  const log = el('input', { type: 'checkbox' });
  const count = el('input', { type: 'number', min: 1, max: 100000, value: 1, id: 'steps', 'aria-label': 'How many steps' });
  const rate = el('input', { id: 'rate', inputMode: 'decimal', size: 8, placeholder: number(about.recipe.lr) });
  const button = (/** @type {string} */ text, act, key = '') => el('button', { type: 'button', onclick: act, ...(key ? { title: `key ${key}` } : {}) }, [text]);
  const pause = button('Pause', () => order(now.paused ? 'resume' : 'pause'), 'Space'), step = button('Step', () => order('step', { steps: Number(count.value) || 1 }), '.');
  const save = button('Save', () => order('save')), stop = button('Stop', () => order('stop')), again = button('Go on', resume);
  const alter = el('form', { className: 'line', onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); order('set', { settings: { lr: rate.value.trim() } }); } }, [
    el('label', { for: 'rate', textContent: 'Learning rate' }), rate, el('button', { textContent: 'Take up' })]);
  main.append(
    el('h1', { textContent: run }), status,
    el('div', { className: 'line reins' }, [pause, step, count, save, stop, again]), alter, words, tiles,
    el('div', { className: 'charts' }, [losses, shares]),
    el('p', { className: 'line' }, [el('label', { className: 'line' }, ['Smoothing', even]), el('label', {}, [log, ' logarithmic loss'])]),
    within, doctor,
    el('section', {}, [el('h2', { textContent: 'What happened' }), told]),
    el('details', {}, [el('summary', { textContent: 'All epochs as a table' }), el('div', { className: 'wide' }, [el('table', {}, [
      el('thead', {}, [el('tr', {}, ['epoch', 'loss', 'validation loss', 'accuracy', 'validation accuracy', 'rate', 'pictures a second'].map((text) => el('th', { scope: 'col', textContent: text })))]), rows])])]),
    el('details', {}, [el('summary', { textContent: 'Why it is trained like this' }), el('div', { className: 'wide' }, [el('table', {}, [el('tbody', {}, Object.entries(about.recipe).filter(([, value]) => value !== null && value !== '' && JSON.stringify(value) !== '{}').map(([name, value]) =>
      el('tr', {}, [el('th', { scope: 'row', textContent: name }), el('td', { textContent: typeof value === 'object' ? JSON.stringify(value) : String(value) }), el('td', { className: 'muted', textContent: about.reasons[name] ?? (name in about.asked ? 'said' : '') })])))])])]),
    said,
  );
  losses.log = false;
  log.addEventListener('change', () => { losses.log = log.checked; draw(); });
  even.addEventListener('input', draw);
  keys({ ' ': ['pause or go on', () => pause.click()], '.': ['one step, then wait', () => step.click()], s: ['save now', () => save.click()] });

  async function order(/** @type {string} */ name, more = {}) {
    words.replaceChildren(el('p', { textContent: `${name} …`, role: 'status' }));
    try {
      const answer = await post('train/order', { run, command: name, ...more });
      words.replaceChildren(el('p', { textContent: answer.said, role: 'status' }));
      said.say(answer.as);
    } catch (error) {
      words.replaceChildren(problem(error));
    }
  }

  async function resume() {
    words.replaceChildren();
    try {
      const job = await post('train/resume', { run });
      said.say(job.command);
    } catch (error) {
      words.replaceChildren(problem(error));
    }
  }

  const steps = () => Math.max(about.steps, now.most ?? 0, 1);

  function take(/** @type {any} */ event) {
    const kind = event.event;
    if (kind === 'step' || kind === 'pace') {
      now.epoch = event.epoch;
      now.step = event.step;
      now.most = Math.max(now.most ?? 0, event.of ?? 0, event.step);
      now.points.push([event.epoch, event.step, event.loss ?? NaN]);
      if (event.lr) now.lr = event.lr;
      now.finished = '';
    } else if (kind === 'epoch') {
      now.rows.push(event);
      now.epoch = event.epoch;
      now.step = steps();
      now.lr = event.lr;
      now.finished = '';
    } else if (kind === 'finished') now.finished = event.reason;
    if (kind === 'paused' || kind === 'resumed') now.paused = kind === 'paused';
    if (kind === 'finding') doctor.add(event);
    if (kind === 'vitals') now.vitals.push(event);
    if (!SILENT.has(kind))
      now.told.push({ at: Math.max(0, (event.epoch ?? now.epoch) - 1 + (now.step % steps()) / steps()), text: event.told ?? event.title ?? event.reason ?? kind, kind, key: now.told.length });
  }

  let dirty = true, frame = 0, spoken = 0;
  function draw() {
    dirty = true;
    if (!frame) frame = requestAnimationFrame(paint);
  }

  function paint() {
    frame = 0;
    if (!dirty) return;
    dirty = false;
    const x = now.points.map(([epoch, step]) => epoch - 1 + step / steps()), y = now.points.map((point) => point[2]);
    const at = now.rows.map((row) => row.epoch), column = (/** @type {string} */ name) => now.rows.map((row) => row[name] ?? NaN);
    const marks = now.told.filter(({ kind }) => kind !== 'resumed').map(({ at: place, text }) => ({ x: place, text }));
    const share = Number(even.value);
    losses.draw([
      { name: 'each batch', x, y, faint: true, colour: 0 },
      { name: 'smoothed', x, y: smooth(y, share), colour: 0 },
      { name: 'validation', x: at, y: column('val_loss'), colour: 1, dash: 1, dots: true },
    ], marks);
    const score = ['accuracy', 'iou'].find((name) => now.rows.some((row) => `train_${name}` in row || `val_${name}` in row));
    shares.hidden = !score;
    shares.draw([
      { name: 'training', x: at, y: column(`train_${score}`), colour: 0, dots: true },
      { name: 'validation', x: at, y: column(`val_${score}`), colour: 1, dash: 1, dots: true },
    ].filter((each) => each.y.some(Number.isFinite)), marks);
    within.hidden = !now.vitals.length;
    const parts = Object.keys(now.vitals[now.vitals.length - 1]?.parts ?? {}).slice(0, MOST_PARTS), steppes = now.vitals.map((each) => each.step / steps());
    if (parts.length) inside.draw(parts.map((name, i) => ({ name: `${name}${silent(name)}`, x: steppes, y: now.vitals.map((each) => each.parts[name]?.update ?? NaN), colour: i, dash: i })), marks);
    const last = now.rows[now.rows.length - 1] ?? {}, total = about.recipe.epochs;
    const spent = last.seconds ?? NaN, left = now.held && total && now.rows.length ? ((total - now.rows.length) * spent) / now.rows.length : NaN;
    const best = Math.max(...column(`val_${score}`).filter(Number.isFinite));
    const facts = [
      ['epoch', total ? `${now.epoch} of ${total}` : String(now.epoch)], ['step', `${now.step} of ${steps()}`],
      ['loss', number(y[y.length - 1])], ['best validation', Number.isFinite(best) ? percent(best) : ''], ['rate', number(now.lr || about.recipe.lr)],
      ['pictures a second', last.images_per_second ? Math.round(last.images_per_second).toLocaleString('en') : ''],
      ['trained', seconds(spent)], ['left', now.held && !now.paused && Number.isFinite(left) ? `about ${seconds(left)}` : ''],
    ];
    fill(tiles).replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => el('div', {}, [el('dt', { textContent: name }), el('dd', { textContent: value })])));
    list(rows, now.rows, (row) => row.epoch, (row, old) => old ?? el('tr', {}, [
      row.epoch, row.train_loss, row.val_loss, row.train_accuracy, row.val_accuracy, row.lr, row.images_per_second].map((value) => el('td', { className: 'number', textContent: number(value) }))));
    told.replaceChildren(...now.told.slice(-12).map((each) => el('li', { textContent: `epoch ${number(each.at)}: ${each.text}` })));
    if (!now.told.length) told.replaceChildren(el('li', { className: 'muted', textContent: 'nothing out of the ordinary' }));
    const moment = Date.now();
    if (moment - spoken > CALM || status.dataset.state !== word()) {
      spoken = moment;
      status.dataset.state = word();
      status.replaceChildren(sentence(), now.finished && about.report ? ' ' : '');
    }
    for (const each of [pause, step, save, stop]) each.disabled = !now.held || now.lost;
    pause.firstChild.textContent = now.paused ? 'Go on' : 'Pause';
    alter.hidden = count.hidden = !now.held;
    again.hidden = now.held || now.lost;
    again.firstChild.textContent = now.finished ? 'Train longer …' : 'Go on with it';
    if (now.finished) again.hidden = true;
  }

  const silent = (/** @type {string} */ name) => {
    const share = now.vitals[now.vitals.length - 1].parts[name].silent;
    return share ? ` (${percent(share, 0)} of its units silent)` : '';
  };

  const word = () => (now.lost ? 'lost' : now.held ? (now.paused ? 'paused' : 'running') : now.finished ? 'finished' : 'stopped');

  function sentence() {
    const text = {
      lost: 'The studio does not answer; the training goes on without it, and nothing is lost.', paused: 'Paused. Its state is saved.',
      running: now.rows.length || now.points.length ? 'Training.' : 'Reading pictures …', finished: `Finished: ${WHY[now.finished] ?? now.finished}.`,
      stopped: 'Nothing trains here now: it was stopped or killed. What was saved is kept; “Go on with it” takes it up to the same bits.',
    }[word()];
    const test = about.summary?.test?.sentence;
    return el('span', {}, [text, now.finished && test ? ` ${test}` : '', ' ',
      ...(now.finished ? [el('a', { href: to('evaluate', { run }), textContent: 'Look at its answers' }), ' ', el('a', { href: to('ship', { run }), textContent: 'Try it' })] : [])]);
  }

  async function over() {
    const found = await get('train/state', { run }).catch(() => null);
    if (found) Object.assign(about, found);
    draw();
  }

  const close = follow(run, {
    lines: (lines) => { lines.forEach(take); draw(); },
    alive: (held) => { const was = now.held; now.held = held; if (!held) now.paused = false; if (was !== held) over(); draw(); },
    anew: () => { doctor.clear(); Object.assign(now, { points: [], rows: [], told: [], vitals: [], finished: '', paused: false, epoch: 0, step: 0 }); draw(); },
    lost: (lost) => { if (now.lost !== lost) { now.lost = lost; draw(); } },
  });
  draw();
  return () => { close(); cancelAnimationFrame(frame); };
}
