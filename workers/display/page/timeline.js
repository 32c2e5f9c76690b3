// A stream's timeline: when it was recorded, what happened, and where the playhead stands. Draws, and tells where
// somebody points; times are in milliseconds since 1970.
'use strict';

const SHORTEST_MS = 5000; // range that can be shown
const TICKS_MS = [100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3, 7200e3,
  10800e3, 21600e3, 43200e3, 86400e3, 2 * 86400e3, 7 * 86400e3, 14 * 86400e3, 28 * 86400e3, 91 * 86400e3, 365 * 86400e3];
const TICK_PIXELS = 90; // at least, from one time to the next
const SCALE = 18; // heights, in pixels
const RECORDED = 16;
const LANE = 11;
// Kinds of events, each with a lane and a colour of page.css; what has no frames stands over all of them.
const LANES = ['motion', 'label', 'prediction'];
const MARKS = ['lost', 'died'];

const two = (n) => String(n).padStart(2, '0');

function clockText(ms, fraction = 3) {
  const at = new Date(ms);
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return fraction ? `${text}.${String(at.getMilliseconds()).padStart(3, '0').slice(0, fraction)}` : text;
}

function dayText(ms) {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function spanText(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60 ? `${seconds % 60} s` : ''}`.trim();
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
}

class Timeline {
  // `on.seek(ms, done)` while somebody drags and at the end of it; `on.range()` when another range is to be shown.
  constructor(name, on) {
    this.on = on;
    this.canvas = make('canvas', {class: 'timeline', role: 'slider', tabindex: 0, 'aria-label': `time in the recording of ${name}`});
    this.hint = make('output', {class: 'hint', hidden: ''});
    this.node = make('div', {class: 'timeline-frame'}, this.canvas, this.hint);
    this.data = {span: [], event: []};
    this.from = this.to = this.head = 0;
    this.dragged = false;
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  // ---- the range ----

  get length() {
    return this.to - this.from;
  }

  show(from, to) {
    const least = Math.max(0, SHORTEST_MS - (to - from)) / 2;
    this.from = from - least;
    this.to = to + least;
    this.canvas.setAttribute('aria-valuemin', Math.round(this.from));
    this.canvas.setAttribute('aria-valuemax', Math.round(this.to));
    this.draw();
    this.on.range();
  }

  // So much longer (or shorter), about the playhead if that is in sight.
  zoom(factor, about = this.inSight(this.head) ? this.head : (this.from + this.to) / 2) {
    const length = Math.min(Math.max(this.length * factor, SHORTEST_MS), 10 * 365 * 86400e3);
    const part = (about - this.from) / this.length;
    this.show(about - length * part, about + length * (1 - part));
  }

  inSight(ms) {
    return ms >= this.from && ms <= this.to;
  }

  setData(data) {
    const times = (row) => ({...row, begun: row.begun / 1e6, ended: row.ended / 1e6});
    this.data = {span: (data.span || []).map(times), event: (data.event || []).map(times)};
    this.canvas.dataset.spans = this.data.span.length;
    this.draw();
  }

  // Goes along when the playhead leaves the sight.
  setHead(ms) {
    this.head = ms;
    this.canvas.setAttribute('aria-valuenow', Math.round(ms));
    this.canvas.setAttribute('aria-valuetext', `${dayText(ms)} ${clockText(ms, 1)}`);
    if (!this.dragged && !this.inSight(ms)) {
      const part = ms > this.to ? 0.1 : 0.9;
      this.show(ms - this.length * part, ms + this.length * (1 - part));
    } else {
      this.draw();
    }
  }

  // ---- pointing ----

  timeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    return this.from + this.length * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  }

  listen() {
    const {canvas} = this;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      this.dragged = true;
      canvas.setPointerCapture(event.pointerId);
      this.point(event, false);
    });
    canvas.addEventListener('pointermove', (event) => (this.dragged ? this.point(event, false) : this.tell(event)));
    canvas.addEventListener('pointerup', (event) => {
      if (!this.dragged) return;
      this.dragged = false;
      this.point(event, true);
    });
    canvas.addEventListener('pointercancel', () => (this.dragged = false));
    canvas.addEventListener('pointerleave', () => (this.hint.hidden = true));
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        const by = this.length * (event.deltaX || event.deltaY) / 1000;
        this.show(this.from + by, this.to + by);
      } else {
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.timeAt(event));
      }
    }, {passive: false});
  }

  point(event, done) {
    const ms = this.timeAt(event);
    this.head = ms;
    this.draw();
    this.tell(event);
    this.on.seek(ms, done);
  }

  // What is under the pointer.
  tell(event) {
    const ms = this.timeAt(event);
    const near = this.length / this.canvas.clientWidth * 3;
    const here = (row) => ms >= row.begun - near && ms <= row.ended + near;
    const events = this.data.event.filter(here).map((row) => (row.kind === 'motion' || row.kind === 'label'
      || row.kind === 'prediction' ? `${row.what || row.kind}${row.what && row.kind === 'prediction' ? ` ${Math.round(row.best * 100)} %` : ''}`
      : `${row.kind}: ${row.what}`));
    const recorded = this.data.span.some(here) ? '' : 'not recorded';
    setText(this.hint, [clockText(ms, this.length < 60000 ? 2 : 0), recorded, ...new Set(events)].filter(Boolean).join(' · '));
    this.hint.hidden = false;
    const box = this.canvas.getBoundingClientRect();
    const half = this.hint.offsetWidth / 2;
    this.hint.style.left = `${Math.min(Math.max(event.clientX - box.left, half), Math.max(box.width - half, half))}px`;
  }

  // ---- drawing ----

  draw() {
    const {canvas} = this;
    const width = canvas.clientWidth, height = canvas.clientHeight, dots = devicePixelRatio || 1;
    if (!width || this.length <= 0) return;
    if (canvas.width !== Math.round(width * dots) || canvas.height !== Math.round(height * dots)) {
      canvas.width = Math.round(width * dots);
      canvas.height = Math.round(height * dots);
    }
    const pen = canvas.getContext('2d');
    const style = getComputedStyle(canvas);
    const look = {pen, width, height, colour: (name) => style.getPropertyValue(`--${name}`), x: (ms) => (ms - this.from) / this.length * width};
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `11px ${style.fontFamily}`;
    this.drawScale(look);
    this.drawRecorded(look);
    for (const event of this.data.event) this.drawEvent(look, event);
    this.drawHead(look);
  }

  drawScale({pen, width, height, colour, x}) {
    const least = this.length * TICK_PIXELS / width;
    const step = TICKS_MS.find((ms) => ms >= least) || TICKS_MS.at(-1);
    const zone = new Date(this.from).getTimezoneOffset() * 60000; // so that days begin at midnight here
    let day = '';
    pen.textBaseline = 'top';
    for (let at = Math.ceil((this.from - zone) / step) * step + zone; at <= this.to; at += step) {
      const today = dayText(at);
      const text = step >= 86400e3 || (today !== day && this.length > 12 * 3600e3) ? today
        : clockText(at, step < 1000 ? 1 : 0).slice(0, step % 60000 ? undefined : 5);
      day = today;
      pen.fillStyle = colour('line');
      pen.fillRect(Math.round(x(at)), 0, 1, height);
      pen.fillStyle = colour('soft');
      pen.fillText(text, x(at) + 4, 3);
    }
  }

  drawRecorded({pen, width, colour, x}) {
    pen.fillStyle = colour('free');
    pen.globalAlpha = 0.55;
    pen.fillRect(0, SCALE, width, RECORDED);
    pen.globalAlpha = 1;
    pen.fillStyle = colour('recorded');
    for (const span of this.data.span) {
      const left = x(span.begun);
      pen.fillRect(left, SCALE, Math.max(x(span.ended) - left, 1.5), RECORDED);
    }
  }

  drawEvent({pen, height, colour, x}, event) {
    const left = x(event.begun), wide = Math.max(x(event.ended) - left, 2);
    const lane = LANES.indexOf(event.kind);
    pen.fillStyle = colour(`event-${event.kind}`);
    if (lane < 0) { // a moment for all to see, with a flag at its top
      if (!MARKS.includes(event.kind)) return;
      pen.globalAlpha = 0.3;
      if (event.kind === 'lost') pen.fillRect(left, SCALE, wide, RECORDED);
      pen.globalAlpha = 1;
      pen.fillRect(left, SCALE - 3, 2, height - SCALE + 3);
      pen.fillRect(left, SCALE - 3, 6, 5);
      return;
    }
    const top = SCALE + RECORDED + 4 + lane * (LANE + 2);
    pen.fillRect(left, top, wide, LANE);
    pen.fillStyle = colour('ground'); // what begins while another goes on is told from it
    pen.fillRect(left - 1, top, 1, LANE);
    const begin = Math.max(left, 0) + 4;
    if (event.what && begin + pen.measureText(event.what).width + 4 < left + wide) {
      pen.fillStyle = colour('on-event');
      pen.textBaseline = 'middle';
      pen.fillText(event.what, begin, top + LANE / 2 + 0.5);
    }
  }

  drawHead({pen, height, colour, x}) {
    const at = x(this.head);
    pen.fillStyle = colour('ink');
    pen.fillRect(at - 1, 0, 2, height);
    pen.beginPath();
    pen.moveTo(at - 6, 0);
    pen.lineTo(at + 6, 0);
    pen.lineTo(at, 8);
    pen.fill();
  }
}
