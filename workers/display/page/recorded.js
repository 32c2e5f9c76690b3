// The recorded view of a stream, in the place of its live video: any moment by time or number, forwards and back,
// at any speed, while everything else on the page goes on. Where it stands is (run, seq) of the frame it shows, so
// whoever answers next, a storer's or a display's successor, goes on from there.
'use strict';

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
const GAP_MS = 2000; // longer than this without frames is skipped
const LATE_MS = 150; // later than this, frames are left out
const CLOSEST_MS = 1000 / 40; // frames that would follow each other faster are not asked for one by one
const SILENCE_MS = 600; // with no answer for so long it says so
const NEWER_MS = 300; // at the end of the recording it looks for more
const TIMELINE_MS = 2000;
const FIRST_RANGE_MS = 10 * 60000;
const JUMP_MS = 5000;

const ICONS = {
  back: 'M11 2 3 8l8 6z', forward: 'M5 2l8 6-8 6z', pause: 'M3 2h4v12H3zM9 2h4v12H9z',
  before: 'M3 2h2.5v12H3zM13 2v12L6 8z', after: 'M10.5 2H13v12h-2.5zM3 2v12l7-6z',
};

function iconOf(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

function setIcon(button, name) {
  if (button.dataset.icon === name) return;
  button.dataset.icon = name;
  button.replaceChildren(iconOf(name));
}

// For input type=datetime-local, in the time of this place.
const localText = (ms) => `${dayText(ms)}T${clockText(ms)}`;

class RecordedView {
  constructor(live) {
    this.live = live;
    this.open = false;
    this.playing = 0; // 1 forwards, -1 backwards
    this.speed = 1;
    this.turn = 0; // whatever was begun in an earlier one is over
    this.record = null; // of the frame that is shown
    this.wanted = null; // where somebody drags to while a frame is on its way
    this.build();
  }

  // ---- controls ----

  button(name, title, act, icon) {
    const button = make('button', {type: 'button', class: name, title});
    button.setAttribute('aria-label', title);
    if (icon) setIcon(button, icon);
    else button.append(name);
    button.addEventListener('click', () => act());
    return button;
  }

  build() {
    const name = this.live.name;
    this.timeline = new Timeline(name, {
      seek: (ms, done) => this.drag(ms, done),
      range: () => this.rangeChanged(),
    });
    this.switch = this.button('recording', `show what was recorded of ${name}`, () => (this.open ? this.close() : this.enter()));
    this.time = make('input', {type: 'datetime-local', step: '0.001', 'aria-label': 'time to go to'});
    this.number = make('input', {type: 'number', min: 1, inputmode: 'numeric', 'aria-label': 'number of the frame to go to'});
    this.speedNode = make('select', {class: 'speed', title: 'speed ([ and ])', 'aria-label': 'speed'},
      ...SPEEDS.map((speed) => make('option', {value: speed}, `${speed}×`)));
    this.speedNode.value = 1;
    this.told = make('p', {class: 'told', role: 'status', 'aria-live': 'polite'});
    this.where = make('output', {class: 'where', 'aria-label': 'time of this frame'});
    this.backward = this.button('backward', 'play backwards', () => this.toggle(-1), 'back');
    this.forward = this.button('forward', 'play (space)', () => this.toggle(1), 'forward');
    const transport = make('div', {class: 'transport'},
      this.button('before', 'one frame back (,)', () => this.step(-1), 'before'), this.backward, this.forward,
      this.button('after', 'one frame on (.)', () => this.step(1), 'after'), this.speedNode);
    const places = make('form', {class: 'places'}, make('label', {}, 'at ', this.time), make('label', {}, 'frame ', this.number));
    const range = make('div', {class: 'range'}, this.button('−', 'a longer time', () => this.timeline.zoom(2)),
      this.button('+', 'a shorter time', () => this.timeline.zoom(0.5)),
      this.button('all', 'all there is', () => this.showAll()));
    this.node = make('div', {class: 'player', hidden: ''}, this.timeline.node,
      make('div', {class: 'controls'}, transport, this.where, range), make('div', {class: 'controls'}, places, this.told),
      this.legend());
    this.listen(places);
    this.live.figure.append(this.node);
    this.live.bar.append(this.switch);
  }

  // What the colours of the timeline mean, and the keys.
  legend() {
    const colours = ['recorded', ...LANES, ...MARKS].map((kind) =>
      make('li', {}, make('span', {class: `colour ${kind}`}), {lost: 'camera lost', died: 'a worker died'}[kind] || kind));
    const keys = make('li', {class: 'keys'}, 'space plays · , . step · ← → 5 s · [ ] speed · Home, End');
    return make('ul', {class: 'colours'}, ...colours, keys);
  }

  listen(places) {
    this.speedNode.addEventListener('change', () => this.setSpeed(Number(this.speedNode.value)));
    places.addEventListener('submit', (event) => event.preventDefault());
    this.time.addEventListener('change', () => {
      const ms = new Date(this.time.value).getTime();
      if (Number.isFinite(ms)) this.seek({at: ms});
    });
    this.number.addEventListener('change', () => {
      if (this.number.value) this.seek({seq: this.number.value, run: this.record?.run});
    });
    this.live.figure.addEventListener('keydown', (event) => this.key(event));
  }

  key(event) {
    const typed = event.target.closest('input, select, textarea');
    const act = {
      ' ': () => this.toggle(this.playing || 1), ',': () => this.step(-1), '.': () => this.step(1),
      ArrowLeft: () => this.jump(-JUMP_MS), ArrowRight: () => this.jump(JUMP_MS),
      '[': () => this.shift(-1), ']': () => this.shift(1), Home: () => this.seek({first: 1}), End: () => this.seek({last: 1}),
      Escape: () => this.close(),
    }[event.key];
    const onButton = event.key === ' ' && event.target.closest('button');
    if (!this.open || typed || onButton || !act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.speedNode.value = speed;
    if (this.playing) this.play(this.playing);
  }

  shift(by) {
    const at = SPEEDS.indexOf(this.speed) + by;
    if (SPEEDS[at]) this.setSpeed(SPEEDS[at]);
  }

  // ---- in and out ----

  async enter() {
    this.open = true;
    this.live.setRecorded(true);
    this.node.hidden = false;
    setText(this.switch, 'live');
    this.switch.title = 'back to the live video';
    this.timeline.canvas.focus({preventScroll: true});
    await this.seek({last: 1});
    if (!this.open || !this.record) return;
    const {first} = await this.loadTimeline(this.wall - 1000, this.wall) || {};
    const from = Math.max(this.wall - FIRST_RANGE_MS, first ? Number(first) / 1e6 : 0);
    this.timeline.show(from - (this.wall - from) * 0.03, this.wall + Math.max((this.wall - from) * 0.07, 2000));
    this.keepTimeline();
  }

  close() {
    this.pause();
    this.turn++;
    this.open = false;
    this.node.hidden = true;
    setText(this.switch, 'recording');
    this.switch.title = `show what was recorded of ${this.live.name}`;
    this.live.setRecorded(false);
    this.switch.focus({preventScroll: true});
  }

  get wall() {
    return this.record.captured_wall / 1e6;
  }

  tell(text, mild = true) {
    setText(this.told, text);
    this.told.classList.toggle('mild', mild);
  }

  // ---- asking ----

  // The frame that is asked for, {record, jpeg}; {end: why} when there is none, {damaged: why, record} when it cannot be
  // shown. While nobody answers it asks again and says so. Null: the turn is over.
  async ask(question, turn) {
    const words = new URLSearchParams();
    for (const [key, value] of Object.entries(question))
      if (value !== undefined) words.set(key, key === 'at' ? (Math.max(value, 0) / 1000).toFixed(6) : value);
    for (;;) {
      const silence = setTimeout(() => turn === this.turn && this.tell(this.waitText(), false), SILENCE_MS);
      try {
        const response = await fetch(`/recorded/${encodeURIComponent(this.live.name)}/frame?${words}`);
        if (turn !== this.turn) return null;
        const record = JSON.parse(response.headers.get('x-frame') || 'null');
        if (response.ok) return {record, jpeg: await response.arrayBuffer()};
        const why = (await response.text()).trim();
        if (response.status === 404 || response.status === 400) return {end: why};
        if (response.status === 500 && record) return {damaged: why, record};
        this.tell(`${why} Trying again …`, false);
      } catch {
        if (turn === this.turn) this.tell(this.waitText(), false);
      } finally {
        clearTimeout(silence);
      }
      if (turn !== this.turn) return null;
      this.waited = true;
      await sleep(RETRY_MS);
    }
  }

  waitText() {
    this.waited = true;
    return `Waiting for the recording${this.record ? ` at frame ${this.record.seq}` : ''}: who reads it may just be starting again …`;
  }

  // Whether the frame is on the canvas now.
  async show(got, turn) {
    try {
      const picture = await createImageBitmap(new Blob([got.jpeg], {type: 'image/jpeg'}));
      if (turn === this.turn) this.draw(picture, got.record);
      picture.close();
    } catch (error) {
      console.warn(`frame ${got.record.seq} of ${this.live.name} cannot be shown`, error);
    }
    return turn === this.turn;
  }

  draw(picture, record) {
    const before = this.record;
    this.record = record;
    this.live.draw(picture, record);
    if (before && before.storer !== record.storer)
      this.tell(`The storer was replaced; playback went on at frame ${record.seq}.`);
    else if (this.waited) this.tell(`Back again, at frame ${record.seq}.`);
    this.waited = false;
    if (!this.timeline.dragged) this.timeline.setHead(this.wall);
    setText(this.where, `${dayText(this.wall)} ${clockText(this.wall)}`);
    if (document.activeElement !== this.time) this.time.value = localText(this.wall);
    if (document.activeElement !== this.number) this.number.value = record.seq;
    Object.assign(this.live.canvas.dataset, {run: record.run, wall: record.captured_wall, storer: record.storer});
  }

  // ---- going somewhere ----

  begin() {
    this.tell('');
    return ++this.turn;
  }

  // Goes to a frame; what plays, plays on from there.
  async seek(question) {
    const {playing} = this;
    const turn = this.begin();
    const got = await this.ask(question, turn);
    if (!got) return;
    if (got.jpeg) await this.show(got, turn);
    else this.tell(got.end || got.damaged, false);
    if (playing && turn === this.turn) this.play(playing);
  }

  jump(by) {
    if (this.record) this.seek({at: this.wall + by});
  }

  async step(direction) {
    this.pause();
    const turn = this.begin();
    const got = this.record && await this.neighbour(this.record, direction, turn);
    if (got?.jpeg) await this.show(got, turn);
    else if (got) this.tell(got.end, false);
  }

  // The next frame in a direction; damaged ones are passed over.
  async neighbour(record, direction, turn) {
    let {run, seq} = record;
    for (;;) {
      const got = await this.ask({[direction > 0 ? 'after' : 'before']: seq, run}, turn);
      if (!got?.damaged) return got;
      this.tell(got.damaged, false);
      ({run, seq} = got.record);
    }
  }

  // While somebody drags: always the newest place, one question at a time.
  async drag(ms, done) {
    this.wanted = ms;
    if (this.dragging) return;
    this.dragging = true;
    const {playing} = this;
    this.playing = 0;
    const turn = this.begin();
    while (this.wanted !== null && turn === this.turn) {
      const at = this.wanted;
      this.wanted = null;
      const got = await this.ask({at}, turn);
      if (got?.jpeg) await this.show(got, turn);
      else if (got) this.tell(got.end || got.damaged, false);
      while (this.timeline.dragged && this.wanted === null && turn === this.turn) await sleep(15);
    }
    this.dragging = false;
    if (turn !== this.turn) return;
    if (this.record) this.timeline.setHead(this.wall);
    if (playing) this.play(playing);
    this.showPlaying();
    if (done) this.rangeChanged();
  }

  // ---- playing ----

  showPlaying() {
    setIcon(this.forward, this.playing > 0 ? 'pause' : 'forward');
    setIcon(this.backward, this.playing < 0 ? 'pause' : 'back');
    this.live.figure.dataset.playing = this.playing;
  }

  pause() {
    if (this.playing) this.turn++;
    this.playing = 0;
    this.showPlaying();
  }

  toggle(direction) {
    if (this.playing === direction) this.pause();
    else this.play(direction);
  }

  // The clock of the recording runs `speed` times as fast as ours from a frame on. Frames are shown when it says so;
  // those that it has passed already are left out.
  async play(direction) {
    if (!this.record) return;
    const turn = this.begin();
    this.playing = direction;
    this.showPlaying();
    let base = this.wall, origin = performance.now(), every = 1000 / 25, ahead = null;
    const clock = () => base + direction * this.speed * (performance.now() - origin);
    const restart = () => {
      base = this.wall;
      origin = performance.now();
    };
    while (turn === this.turn) {
      const crowded = every / this.speed < CLOSEST_MS;
      const late = direction * (clock() - this.wall) / this.speed > LATE_MS + every / this.speed;
      let got = null;
      if (crowded || late) {
        ahead = null;
        got = await this.ask({at: clock()}, turn);
        if (got?.jpeg && direction * (got.record.captured_wall - this.record.captured_wall) <= 0) got = null;
        if (got && !got.jpeg) got = null;
      }
      if (turn === this.turn && !got) got = await (ahead || this.neighbour(this.record, direction, turn));
      ahead = null;
      if (!got || turn !== this.turn) return;
      if (got.end) {
        if (!(await this.atTheEnd(direction, got.end, turn))) return;
        restart();
        continue;
      }
      const wall = got.record.captured_wall / 1e6, gap = direction * (wall - this.wall), frames = Math.abs(got.record.seq - this.record.seq);
      // Ahead of time: the next one is on its way while this one waits.
      if (!crowded && !late) ahead = this.neighbour(got.record, direction, turn);
      if (frames && gap < GAP_MS && got.record.run === this.record.run) every += (Math.max(gap, 0) / frames - every) / 8;
      const skipped = Math.abs(gap) > GAP_MS && !late;
      if (!skipped) await sleepUntil(origin + direction * (wall - base) / this.speed);
      if (turn !== this.turn || !(await this.show(got, turn))) return;
      if (skipped || gap < 0) restart();
      if (skipped) this.tell(`${spanText(Math.abs(gap))} without frames left out.`);
    }
  }

  // At the newest frame it waits for more, for recording goes on; at the first one it stops.
  async atTheEnd(direction, why, turn) {
    if (direction < 0) {
      this.pause();
      this.tell(why);
      return false;
    }
    this.tell('This is the newest frame; more come as they are recorded.');
    await sleep(NEWER_MS);
    return turn === this.turn;
  }

  // ---- the timeline ----

  async loadTimeline(from = this.timeline.from, to = this.timeline.to) {
    const seconds = (ms) => (Math.max(ms, 0) / 1000).toFixed(3);
    const response = await fetch(`/recorded/${encodeURIComponent(this.live.name)}/timeline?from=${seconds(from)}&to=${seconds(to)}`)
      .catch(() => null);
    return response?.ok ? response.json() : null;
  }

  rangeChanged() {
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.refreshTimeline(), 60);
  }

  async refreshTimeline() {
    if (!this.open || this.timeline.length <= 0) return;
    const {from, to} = this.timeline;
    const data = await this.loadTimeline();
    if (data && from === this.timeline.from && to === this.timeline.to) this.timeline.setData(data);
  }

  async showAll() {
    const data = await this.loadTimeline(0.001, 1);
    if (!data || !Number(data.first)) return;
    const from = Number(data.first) / 1e6, to = Number(data.last) / 1e6;
    this.timeline.show(from - (to - from) * 0.02, to + (to - from) * 0.02);
  }

  // Recording goes on, so there is more as long as the present is in sight.
  async keepTimeline() {
    const entered = this.entered = {};
    while (this.open && entered === this.entered) {
      await sleep(TIMELINE_MS);
      if (!document.hidden && this.timeline.to > Date.now() - 60000) await this.refreshTimeline();
    }
  }
}

const sleepUntil = (at) => {
  const wait = at - performance.now();
  return wait > 1 ? sleep(wait) : Promise.resolve();
};
