// The recorded view of the page: any frame by number and time, step, play both ways at any speed, and a storer that
// is killed meanwhile.
import assert from 'node:assert/strict';
import {numberIn} from './barcode.mjs';
import {until} from './pipeline.mjs';

const figure = 'figure[data-stream="cam1"]';
const canvas = `${figure} > canvas`;

const look = (page) => page.evaluate((selector) => {
  const node = document.querySelector(selector);
  const view = node.closest('figure');
  return {seq: Number(node.dataset.seq), run: node.dataset.run, wall: node.dataset.wall / 1e6, storer: Number(node.dataset.storer),
    mode: view.dataset.mode, playing: Number(view.dataset.playing), told: view.querySelector('.told').textContent};
}, canvas);

const shown = (page, what, condition) => until(what, async () => {
  const now = await look(page);
  return condition(now) && now;
});

export async function openRecording(page) {
  await page.locator(`${figure} .recording`).click();
  const now = await shown(page, 'a recorded frame', ({mode, run, seq}) => mode === 'recorded' && run && seq > 0);
  await page.waitForSelector(`${figure} .timeline[data-spans]:not([data-spans="0"])`);
  return now;
}

// The frame that the page's server gives for a number, by the number in its pixels, which counts from 0.
async function pixelsOf(page, {run, seq}) {
  return page.evaluate(numberIn, `/recorded/cam1/frame?run=${run}&seq=${seq}`);
}

export async function goesToFrames(page) {
  await until('enough frames in the recording', async () => (await page.evaluate(async () =>
    (await fetch('/recorded/cam1/frame?seq=60')).status)) === 200);
  await openRecording(page);
  const press = (key) => page.keyboard.press(key);
  await press('Home');
  const first = await shown(page, 'the first frame', ({seq}) => seq === 1);
  assert.equal(await pixelsOf(page, first), 0, 'pixels and number are of one frame');
  await press('.');
  await shown(page, 'the second', ({seq}) => seq === 2);
  await press('.');
  await shown(page, 'the third', ({seq}) => seq === 3);
  await press(',');
  await shown(page, 'the second again', ({seq}) => seq === 2);
  await page.getByLabel('number of the frame to go to').fill('40');
  await press('Enter');
  const there = await shown(page, 'frame 40', ({seq}) => seq === 40);
  assert.equal(await pixelsOf(page, there), 39);
  await page.locator(`${figure} .timeline`).click({position: {x: 60, y: 25}});
  const pointed = await shown(page, 'where the timeline was pointed at', ({seq}) => seq !== 40);
  const facts = await page.locator(`${figure} figcaption`).innerText();
  assert.match(facts, /stored after/);
  assert.match(facts, new RegExp(`frame ${pointed.seq}\\b`));
  assert.doesNotMatch(facts, /shown after/);
}

export async function playsBothWays(page) {
  const press = (key) => page.keyboard.press(key);
  await page.locator(`${figure} .timeline`).focus();
  await press('Home');
  await shown(page, 'the first frame', ({seq}) => seq === 1);
  await press(' ');
  await shown(page, 'it to play', ({seq, playing}) => playing === 1 && seq > 10);
  await press(' ');
  const {seq} = await shown(page, 'it to stand still', ({playing}) => playing === 0);
  await press('.'); // the one that is next to where it stands: nothing has gone on meanwhile
  const stepped = await shown(page, 'one step', (now) => now.seq > seq);
  assert.ok(stepped.seq <= seq + 2, `from ${seq} by one step to ${stepped.seq}`);
  await page.locator(`${figure} .backward`).click();
  await shown(page, 'it to play backwards', (now) => now.seq < stepped.seq - 5); // perhaps it has arrived by now
  await shown(page, 'it to arrive at the beginning', (now) => now.playing === 0 && now.seq === 1);
  await page.locator(`${figure} .timeline`).focus();
  for (let i = 0; i < 4; i++) await press(']');
  assert.equal(await page.locator(`${figure} .speed`).inputValue(), '16');
  await press(' ');
  await shown(page, 'it to catch up with the newest frame', ({told}) => told.includes('newest'));
  await press(' ');
}

// What it showed, in order: nothing comes twice, nothing goes back.
export async function survivesTheStorer(page, pipeline) {
  await page.evaluate((selector) => {
    const node = document.querySelector(selector);
    window.seen = [];
    window.told = [];
    new MutationObserver(() => window.seen.push(Number(node.dataset.seq))).observe(node, {attributeFilter: ['data-seq']});
    const told = node.closest('figure').querySelector('.told');
    new MutationObserver(() => window.told.push(told.textContent)).observe(told, {childList: true});
  }, canvas);
  await page.keyboard.press('Home');
  await shown(page, 'the first frame', ({seq}) => seq === 1);
  await page.locator(`${figure} .speed`).selectOption('0.5');
  await page.locator(`${figure} .forward`).click();
  const before = await shown(page, 'it to play', ({seq}) => seq > 5);
  process.kill((await pipeline.worker('storer')).pid, 'SIGKILL');
  const after = await shown(page, 'frames of the next storer', ({storer, seq}) => storer > before.storer && seq > before.seq + 5);
  assert.equal(after.playing, 1);
  const {seen, told} = await page.evaluate(() => ({seen: window.seen, told: window.told}));
  const played = seen.slice(seen.lastIndexOf(1));
  assert.ok(played.every((seq, i) => i === 0 || seq > played[i - 1]), `in order: ${played}`);
  assert.ok(told.some((text) => /storer was replaced; playback went on at frame \d+/.test(text)),
    `told: ${JSON.stringify(told)}; seen: ${played}`);
}

export async function goesBackToLive(page) {
  await page.locator(`${figure} .recording`).click();
  const {seq} = await shown(page, 'the live video', ({mode}) => mode === 'live');
  await shown(page, 'live frames', (now) => now.seq > seq + 3);
  await shown(page, 'the newest ones', (now) => now.seq > 60);
  assert.equal(await page.locator(`${figure} .player`).isHidden(), true);
  assert.match(await page.locator(`${figure} figcaption`).innerText(), /shown after/);
}
