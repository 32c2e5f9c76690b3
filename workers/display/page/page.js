// The page: one live canvas a stream, the totals, the slots and the workers. Everything on a canvas is drawn
// from one part of /live, so the overlay always belongs to the very frame beneath it.
'use strict';

const RETRY_MS = 250; // after a connection was lost
const SLOTS_MS = 250;
const WORKERS_MS = 1000;
const PHASES = ['FREE', 'FILLING', 'QUEUED', 'HELD', 'DONE', 'ASIDE'];
const LETTERS = {FREE: '', FILLING: 'F', QUEUED: 'Q', HELD: 'H', DONE: 'D', ASIDE: 'A'};

const byId = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const number = (value) => Number(value || 0).toLocaleString('en').replaceAll(',', '\u202f');
const bytes = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(1)} GB` : `${(n / 1e6).toFixed(1)} MB`);
const millis = (us) => (us < 10000 ? (us / 1000).toFixed(1) : Math.round(us / 1000)) + ' ms';

// ---- whether the display is there ----

const lost = new Set(); // what of the page has no connection now

function setLost(what, isLost) {
  if (isLost) lost.add(what);
  else lost.delete(what);
  const notice = byId('notice');
  const text = lost.size ? 'Connection lost, trying again …' : '';
  setText(notice, text);
  notice.hidden = !text;
}

// ---- multipart ----

// Reads the parts of a multipart response: calls part(headers, bytes) for each, as it arrives.
async function readParts(response, part) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder('latin1');
  let held = new Uint8Array(0);
  const more = async () => {
    const {done, value} = await reader.read();
    if (done) return false;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    return true;
  };
  for (;;) {
    const head = decoder.decode(held.subarray(0, 8192));
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) {
      if (!(await more())) return;
      continue;
    }
    const headers = new Map(head.slice(0, end).split('\r\n').filter((line) => line.includes(': '))
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]));
    const size = Number(headers.get('content-length'));
    const whole = end + 4 + size;
    while (held.length < whole) if (!(await more())) return;
    part(headers, held.slice(end + 4, whole));
    held = held.slice(whole);
  }
}

// ---- one stream ----

class Live {
  constructor(name) {
    this.name = name;
    this.canvas = make('canvas', {role: 'img', 'aria-label': `live video of ${name}`});
    this.pen = this.canvas.getContext('2d', {alpha: false});
    this.guess = make('span', {class: 'name'}, '–');
    this.meter = make('meter', {min: 0, max: 1, value: 0, 'aria-label': 'probability of the prediction'});
    this.percent = make('span', {class: 'percent'}, '');
    this.facts = {};
    const facts = make('div', {class: 'facts'});
    for (const [key, title] of [['seq', 'frame'], ['label', 'label'], ['motion', 'motion'],
      ['delay', 'shown after'], ['kept', 'stored after'], ['drops', 'dropped before'], ['mark', ''], ['state', '']]) {
      this.facts[key] = make('b', {class: key});
      facts.append(make('span', {class: title ? '' : 'mark'}, title ? `${title} ` : '', this.facts[key]));
    }
    this.bar = make('div', {class: 'bar'}, make('b', {}, name), make('span', {class: 'badge'}, 'recorded'));
    this.figure = make('figure', {'data-stream': name, 'data-mode': 'live'}, this.bar, this.canvas, make('figcaption', {},
      make('div', {class: 'guess'}, this.guess, this.meter, this.percent), facts));
    this.waiting = null; // the newest part that is not drawn yet
    this.drawing = false;
    this.frames = 0;
  }

  // What the supervisor says of the stream.
  setState({ended, recording, missing, away_since, away, gave_up}) {
    setText(this.facts.state, missing ? `no device: ${missing}` : gave_up ? `gave up: ${gave_up}`
      : Number(away_since) ? `camera lost${away ? ': ' : ''}${away}` : ended ? 'source has ended'
        : recording ? '' : 'not recorded');
  }

  setStale(stale) {
    this.figure.classList.toggle('stale', stale);
  }

  // In the recorded view what comes live is not drawn.
  setRecorded(recorded) {
    this.waiting = null;
    this.figure.dataset.mode = recorded ? 'recorded' : 'live';
    this.canvas.setAttribute('aria-label', `${recorded ? 'recorded' : 'live'} video of ${this.name}`);
  }

  get recorded() {
    return this.figure.dataset.mode === 'recorded';
  }

  // Decoding takes time: only the newest of what came meanwhile is drawn.
  take(record, jpeg) {
    if (this.recorded) return;
    this.waiting = {record, jpeg};
    if (!this.drawing) this.drawWaiting();
  }

  async drawWaiting() {
    this.drawing = true;
    while (this.waiting) {
      const {record, jpeg} = this.waiting;
      this.waiting = null;
      try {
        const picture = await createImageBitmap(new Blob([jpeg], {type: 'image/jpeg'}));
        if (!this.recorded) this.draw(picture, record);
        picture.close();
      } catch (error) {
        console.warn(`frame ${record.seq} of ${this.name} cannot be shown`, error);
      }
    }
    this.drawing = false;
  }

  draw(picture, record) {
    if (this.canvas.width !== picture.width || this.canvas.height !== picture.height) {
      this.canvas.width = picture.width;
      this.canvas.height = picture.height;
      this.canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
    }
    this.pen.drawImage(picture, 0, 0);
    this.drawOverlay(record);
    this.tell(record);
    this.frames++;
    this.canvas.dataset.seq = record.seq;
    this.canvas.dataset.frames = this.frames;
  }

  drawOverlay(record) {
    const {pen, canvas} = this;
    const size = Math.max(14, Math.round(canvas.height / 22));
    const band = (y, text, colour) => {
      pen.fillStyle = 'rgba(0, 0, 0, .55)';
      pen.fillRect(0, y, canvas.width, size * 1.6);
      pen.fillStyle = colour;
      pen.fillText(text, size * 0.5, y + size * 0.82);
    };
    pen.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
    pen.textBaseline = 'middle';
    band(0, `${record.stream}  #${record.seq}${record.label ? `  ${record.label}` : ''}`, '#fff');
    const bottom = canvas.height - size * 1.6;
    if (record.bypassed) {
      band(bottom, record.quarantined ? 'quarantined: not processed' : 'bypassed: not processed', '#ffc14d');
    } else if (record.prediction) {
      const right = !record.label || record.label === record.prediction;
      const colour = right ? '#5be08f' : '#ffc14d';
      band(bottom, `${record.prediction} ${Math.round(record.probability * 100)} %`, colour);
      pen.fillRect(0, bottom - 4, canvas.width * record.probability, 4);
    }
  }

  // The same in text: to be read aloud, copied and searched.
  tell(record) {
    const probability = record.bypassed ? 0 : record.probability;
    setText(this.guess, record.bypassed ? 'not processed' : record.prediction || 'no prediction yet');
    this.meter.value = probability;
    setText(this.percent, record.prediction ? `${Math.round(probability * 100)} %` : '');
    setText(this.facts.seq, record.seq);
    setText(this.facts.label, record.label || 'none');
    setText(this.facts.motion, record.bypassed ? '–' : `${(record.motion * 100).toFixed(1)} %`);
    this.facts.delay.parentNode.hidden = record.shown_us === undefined;
    this.facts.kept.parentNode.hidden = record.stored_us === undefined;
    setText(this.facts.delay, millis(record.shown_us));
    setText(this.facts.kept, millis(record.stored_us));
    setText(this.facts.drops, Object.values(record.drops_before).reduce((sum, n) => sum + n, 0));
    setText(this.facts.mark, record.quarantined ? 'quarantined' : record.bypassed ? 'bypassed' : '');
  }
}

const lives = new Map();

function liveOf(name) {
  if (!lives.has(name)) {
    if (!lives.size) byId('streams').replaceChildren();
    lives.set(name, new Live(name));
    byId('streams').append(lives.get(name).figure);
    new RecordedView(lives.get(name));
  }
  return lives.get(name);
}

function setLiveLost(isLost) {
  setLost('video', isLost);
  for (const live of lives.values()) live.setStale(isLost);
}

// Watches for ever, all streams over one connection. A response that ends (the display was killed) is asked for
// again at once. Nobody looks at a hidden page, so it does not watch.
async function watch() {
  let abort = new AbortController();
  const views = byId('views');
  document.addEventListener('visibilitychange', () => document.hidden && abort.abort());
  views.addEventListener('click', () => {
    views.ariaPressed = views.ariaPressed !== 'true';
    abort.abort();
  });
  for (;;) {
    if (document.hidden) {
      await sleep(RETRY_MS);
      continue;
    }
    abort = new AbortController();
    try {
      const response = await fetch(views.ariaPressed === 'true' ? '/live?view=1' : '/live', {signal: abort.signal});
      if (response.ok) {
        setLiveLost(false);
        await readParts(response, (headers, jpeg) => {
          const record = JSON.parse(headers.get('x-frame'));
          liveOf(record.stream).take(record, jpeg);
        });
      }
    } catch (error) {
      if (error.name === 'AbortError') continue;
    }
    setLiveLost(true);
    await sleep(RETRY_MS);
  }
}

// ---- slots ----

const pools = new Map(); // stream -> its row of boxes

function slotBoxes(stream) {
  if (!pools.has(stream)) {
    const boxes = make('div', {class: 'boxes', role: 'img', 'aria-label': `slots of ${stream}`});
    pools.set(stream, boxes);
    byId('slots').append(make('div', {class: 'pool'}, make('b', {}, stream), boxes));
  }
  return pools.get(stream);
}

// Recorded frames come through slots of their own: one at a time, so each use is shown for a moment.
const used = new Map(); // slot -> {uses, until}

function showPlayback(slots) {
  const boxes = slotBoxes('playback');
  for (const slot of slots) {
    const box = boxes.children[slot.slot] || boxes.appendChild(make('div', {class: 'slot'}));
    const last = used.get(slot.slot) || {uses: slot.uses, until: 0};
    if (slot.uses !== last.uses) Object.assign(last, {uses: slot.uses, until: performance.now() + 2 * SLOTS_MS});
    used.set(slot.slot, last);
    const busy = slot.phase !== 'FREE' || performance.now() < last.until;
    box.dataset.phase = busy ? 'PLAYED' : 'FREE';
    setText(box, busy ? 'P' : '');
    box.title = `playback slot ${slot.slot}: ${slot.phase}${slot.for ? ` for ${slot.for}` : ''}, used ${slot.uses} times`;
  }
}

function showSlots({slots, playback}) {
  const at = new Map();
  const count = Object.fromEntries(PHASES.map((phase) => [phase, 0]));
  const held = new Map();
  for (const slot of slots) {
    const boxes = slotBoxes(slot.stream);
    const i = at.get(slot.stream) || 0;
    at.set(slot.stream, i + 1);
    const box = boxes.children[i] || boxes.appendChild(make('div', {class: 'slot'}));
    box.dataset.phase = slot.phase;
    box.classList.toggle('bypassed', slot.marks.includes('bypassed'));
    setText(box, LETTERS[slot.phase]);
    box.title = `slot ${slot.slot}: ${slot.phase}${slot.worker ? ` by ${slot.worker}` : ''}, frame ${slot.seq}` +
      (slot.marks.length ? ` (${slot.marks.join(', ')})` : '');
    count[slot.phase]++;
    if (slot.worker) held.set(slot.worker, [...(held.get(slot.worker) || []), slot]);
  }
  showPlayback(playback || []);
  showLegend(count);
  setText(byId('holders'), held.size
    ? [...held].sort().map(([worker, its]) => `${worker} holds ${its.map((slot) => `slot ${slot.slot}` +
        (slot.phase === 'FILLING' ? '' : ` (frame ${slot.seq})`)).join(', ')}`).join(' · ')
    : 'Nobody holds a slot at this moment.');
}

function showLegend(count) {
  const legend = byId('legend');
  PHASES.forEach((phase, i) => {
    const item = legend.children[i] || legend.appendChild(make('li', {},
      make('span', {class: 'slot', 'data-phase': phase}, LETTERS[phase]), make('span')));
    setText(item.lastChild, `${phase.toLowerCase()} ${count[phase]}`);
  });
}

// ---- totals and workers ----

// What somebody broke, or was owed and did not take.
function lossesOf({name, slots_aside, written_off}) {
  const aside = slots_aside ? ` Set aside in ${name}, because somebody wrote over them: ${number(slots_aside)} slots.` : '';
  return aside + (written_off || []).map(({worker, count}) =>
    ` Frames of ${name} that ${worker} was owed and did not take: ${number(count)}.`).join('');
}

function showTotals(pipeline) {
  const streams = pipeline.stream || [];
  const sum = (key) => streams.reduce((total, stream) => total + Number(stream[key] || 0), 0);
  const drops = new Map();
  for (const stream of streams)
    for (const drop of stream.drop || [])
      drops.set(drop.reason, (drops.get(drop.reason) || 0) + Number(drop.count));
  const dropped = [...drops.values()].reduce((total, n) => total + n, 0);
  for (const stream of streams) liveOf(stream.name).setState(stream);
  for (const key of ['captured', 'stored', 'owed', 'bypassed', 'quarantined']) setText(byId(key), number(sum(key)));
  setText(byId('dropped'), number(dropped));
  byId('dropped').classList.toggle('bad', dropped > 0);
  byId('quarantined').classList.toggle('bad', sum('quarantined') > 0);
  byId('quarantined').title = pipeline.quarantine ? `troupe quarantine says why; ${pipeline.quarantine}` : '';
  setText(byId('restarts'), number(pipeline.restarts));
  setText(byId('model'), Number(pipeline.model_version) ? number(pipeline.model_version) : 'none yet');
  const limit = pipeline.limit ? ` Now ${pipeline.limit}.` : '';
  const lost = streams.map(lossesOf).join('');
  byId('drops').hidden = !dropped && !limit && !lost;
  setText(byId('drops'), `Dropped: ${[...drops].filter(([, n]) => n).map(([why, n]) => `${number(n)} because ${why}`)
    .join(', ') || 'none'}.${limit}${lost}`);
  setText(byId('pipeline'), pipeline.name || '');
  setText(byId('state'), pipeline.state || '');
  byId('state').dataset.state = pipeline.state || '';
  document.title = pipeline.name ? `${pipeline.name} – troupe` : 'troupe';
}

// Who does not run has said why with its last words, or waits for its device.
function exitOf(worker) {
  if (worker.missing) return `no device: ${worker.device}: ${worker.missing}`;
  return [worker.last_exit, worker.pid ? '' : worker.last_words].filter(Boolean).join(': ');
}

const CELLS = ['state', 'actions', 'pid', 'incarnation', 'restarts', 'fps', 'slots', 'cpu', 'rss', 'exit', 'program'];
const NUMBERS = new Set(['pid', 'incarnation', 'restarts', 'fps', 'slots', 'cpu', 'rss']);

async function command(worker, verb, button) {
  button.disabled = true;
  try {
    const response = await fetch(`/api/workers/${encodeURIComponent(worker)}/${verb}`,
      {method: 'POST', headers: {'X-Troupe': '1'}});
    setText(byId('done'), `${verb} ${worker}: ${(await response.text()).trim()}`);
  } catch {
    // A display that was asked to kill itself cannot answer any more.
    setText(byId('done'), `${verb} ${worker}: no answer`);
  }
  button.disabled = false;
  refreshWorkers();
}

function workerRow(name) {
  const row = make('tr', {'data-worker': name}, make('th', {scope: 'row'}, name));
  for (const cell of CELLS) row.append(make('td', {class: `${cell}${NUMBERS.has(cell) ? ' number' : ''}`}));
  const actions = row.querySelector('.actions');
  for (const verb of ['kill', 'restart']) {
    const button = make('button', {type: 'button', class: verb, 'aria-label': `${verb} ${name}`}, verb);
    button.addEventListener('click', () => command(name, verb, button));
    actions.append(button);
  }
  row.querySelector('.state').append(make('span', {class: 'pill'}));
  return row;
}

function showWorker(row, worker) {
  const program = worker.program || '';
  const pill = row.querySelector('.pill');
  setText(pill, worker.state);
  pill.dataset.state = worker.state;
  const values = {
    pid: worker.pid || '–', incarnation: worker.incarnation || 0, restarts: worker.restarts || 0,
    fps: Number(worker.frames_per_second || 0).toFixed(1), slots: worker.slots_held || 0,
    cpu: `${Number(worker.cpu_percent || 0).toFixed(1)} %`, rss: bytes(Number(worker.rss_bytes || 0)),
    exit: exitOf(worker), program: program.split('/').pop(),
  };
  for (const [cell, value] of Object.entries(values)) setText(row.querySelector(`.${cell}`), value);
  row.querySelector('.program').title = `${program}, version ${worker.version || 'unknown'}`;
  row.querySelector('.kill').disabled = !worker.pid;
}

function showWorkers(workers) {
  const body = byId('workers');
  const rows = new Map([...body.children].map((row) => [row.dataset.worker, row]));
  workers.forEach((worker, i) => {
    const row = rows.get(worker.name) || workerRow(worker.name);
    rows.delete(worker.name);
    showWorker(row, worker);
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] || null);
  });
  for (const row of rows.values()) row.remove();
}

async function refreshWorkers() {
  const response = await fetch('/api/workers');
  if (!response.ok) throw new Error(await response.text());
  const reply = await response.json();
  showWorkers(reply.worker || []);
  showTotals(reply.pipeline || {});
}

async function refreshSlots() {
  const state = await (await fetch('/api/slots')).json();
  showSlots(state);
  for (const slot of state.slots) liveOf(slot.stream);
}

// Runs `refresh` every so often while somebody looks; says when it cannot.
async function keep(what, refresh, every) {
  for (;;) {
    let wait = every;
    if (!document.hidden) {
      try {
        await refresh();
        setLost(what, false);
      } catch {
        setLost(what, true);
        wait = RETRY_MS;
      }
    }
    await sleep(wait);
  }
}

watch();
keep('slots', refreshSlots, SLOTS_MS);
keep('workers', refreshWorkers, WORKERS_MS);
