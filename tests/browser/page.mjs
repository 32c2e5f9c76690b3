// The page in a real browser, before a real pipeline: it shows live video whose overlay belongs to the very
// frame, the workers and the slots; its buttons work; it finds back after the display was killed.
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';
import {readOnePart} from './barcode.mjs';
import {playsAnExport} from './export.mjs';
import {Pipeline, until} from './pipeline.mjs';
import {goesBackToLive, goesToFrames, openRecording, playsBothWays, survivesTheStorer} from './recorded.mjs';

const SHOTS = join(dirname(fileURLToPath(import.meta.url)), 'screenshots');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const canvas = 'figure[data-stream="cam1"] > canvas';
const cell = (worker, name) => `tr[data-worker="${worker}"] .${name}`;
const numberIn = async (page, selector) => Number(await page.locator(selector).textContent());

async function showsLiveVideo(page) {
  await page.waitForSelector(`${canvas}[data-seq]`);
  const look = () => page.evaluate((selector) => {
    const node = document.querySelector(selector);
    return {seq: Number(node.dataset.seq), frames: Number(node.dataset.frames), picture: node.toDataURL('image/png'),
      told: Number(node.closest('figure').querySelector('.seq').textContent)};
  }, canvas);
  const before = await look();
  assert.equal(before.told, before.seq, 'the text under the canvas is of the frame on it');
  await until('three more frames', async () => (await look()).frames >= before.frames + 3);
  const after = await look();
  assert.ok(after.seq > before.seq, 'numbers rise');
  assert.notEqual(after.picture, before.picture, 'the picture changes');
  // The number in the pixels counts the source's frames from 0, numbers count from 1.
  const {record, number} = await page.evaluate(readOnePart, 'cam1');
  assert.equal(record.seq, number + 1, 'record and pixels of a part are of one frame');
  assert.equal(record.stream, 'cam1');
  assert.ok(record.finished_us >= 0 && record.shown_us >= record.published_us, 'its stations are in order');
}

async function showsOverlay(page) {
  const facts = await page.locator('figure[data-stream="cam1"] figcaption').innerText();
  for (const word of ['frame', 'label', 'motion', 'shown after']) assert.match(facts, new RegExp(word));
  // The strip behind the stream's name and the frame's number is dark with white strokes in it.
  const strip = await page.evaluate((selector) => {
    const node = document.querySelector(selector);
    const {data} = node.getContext('2d').getImageData(0, 0, Math.round(node.width / 3), Math.round(node.height / 22));
    let white = 0;
    for (let i = 0; i < data.length; i += 4) white += data[i] > 240 && data[i + 1] > 240 && data[i + 2] > 240;
    return white;
  }, canvas);
  assert.ok(strip > 20, 'the overlay is drawn into the canvas');
}

// The views, on which processors draw: smaller here than the frames, and the page says the same of them.
async function showsViews(page) {
  const width = () => page.evaluate((selector) => document.querySelector(selector).width, canvas);
  const views = page.getByRole('button', {name: 'show views'});
  assert.equal(await width(), 640);
  await views.click();
  await until('the views', async () => (await width()) === 320);
  await showsLiveVideo(page);
  await views.click();
  await until('the frames again', async () => (await width()) === 640);
}

// What can show nothing but pictures shows these streams too.
async function worksAsPicture(page) {
  for (const path of ['/stream/cam1', '/stream/cam1?overlay=1']) {
    const width = await page.evaluate((source) => new Promise((resolve, reject) => {
      const picture = new Image();
      picture.onerror = () => reject(new Error(`${source} is no picture`));
      picture.src = source;
      const look = () => {
        if (!picture.naturalWidth) return requestAnimationFrame(look);
        resolve(picture.naturalWidth);
        picture.src = 'data:,';
        picture.onerror = null;
      };
      look();
    }), path);
    assert.ok(width > 0, path);
  }
}

async function showsWorkers(page) {
  const names = ['capture.cam1', 'processor.1', 'processor.2', 'storer', 'trainer', 'display'];
  for (const name of names) await page.waitForSelector(`tr[data-worker="${name}"]`);
  await until('all workers to be ready', async () =>
    (await page.locator('#workers .pill').allTextContents()).every((state) => state === 'ready'));
  assert.ok((await numberIn(page, cell('storer', 'pid'))) > 0);
}

async function showsSlotsAndTotals(page) {
  const slots = await page.locator('#slots .slot').count();
  assert.ok(slots >= 4, 'the slots are there');
  assert.ok(!(await page.locator('body').innerText()).includes('undefined'), 'the page has a word for everything');
  const number = async (id) => Number((await page.locator(id).textContent()).replace(/\D/g, ''));
  await until('stored frames', async () => (await number('#stored')) > 0);
  const before = await number('#captured');
  await until('the total to rise', async () => (await number('#captured')) > before);
}

async function killButtonWorks(page, pipeline) {
  const before = await numberIn(page, cell('processor.1', 'incarnation'));
  await page.getByRole('button', {name: 'kill processor.1', exact: true}).click();
  await until('the next incarnation of processor.1', async () =>
    (await numberIn(page, cell('processor.1', 'incarnation'))) > before);
  const worker = await pipeline.worker('processor.1');
  assert.equal(worker.incarnation, before + 1, 'the supervisor says the same');
  await page.waitForFunction((selector) => document.querySelector(selector).textContent.includes('SIGKILL'),
    cell('processor.1', 'exit'));
}

async function findsBack(page, pipeline) {
  await page.evaluate(() => {
    window.notices = [];
    const notice = document.getElementById('notice');
    new MutationObserver(() => notice.textContent && window.notices.push(notice.textContent))
      .observe(notice, {childList: true, characterData: true, subtree: true});
  });
  const frames = () => page.evaluate((selector) => Number(document.querySelector(selector).dataset.frames), canvas);
  const before = await pipeline.worker('display');
  process.kill(before.pid, 'SIGKILL');
  await page.waitForFunction(() => window.notices.length > 0);
  const seen = await frames();
  const killed = Date.now();
  await until('frames after the display was killed', async () => (await frames()) > seen);
  console.log(`video again ${Date.now() - killed} ms after the page lost it`);
  await until('the notice to go', async () => (await page.locator('#notice').isHidden()));
  const after = await until('the new display to be ready', async () => {
    const worker = await pipeline.worker('display');
    return worker?.state === 'ready' && worker;
  });
  assert.equal(after.incarnation, before.incarnation + 1);
  assert.notEqual(after.pid, before.pid);
}

async function looksRight(browser, url) {
  mkdirSync(SHOTS, {recursive: true});
  const views = [['light', 1280, 1000], ['dark', 1280, 1000], ['phone', 390, 844]];
  for (const [name, width, height] of views) {
    const page = await browser.newPage({viewport: {width, height}, colorScheme: name === 'dark' ? 'dark' : 'light'});
    await page.goto(url);
    await page.waitForSelector(`${canvas}[data-seq]`);
    await page.waitForSelector('tr[data-worker="display"]');
    await page.screenshot({path: join(SHOTS, `${name}.png`), fullPage: true});
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide for ${width} px`);
    await openRecording(page);
    await page.screenshot({path: join(SHOTS, `${name}-recorded.png`)});
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `the recorded view is ${wide} px too wide for ${width} px`);
    await page.close();
  }
  console.log(`screenshots: ${SHOTS}`);
}

async function run(browser, pipeline) {
  const url = await pipeline.up();
  const page = await browser.newPage();
  const errors = [];
  const requests = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(url);
  const steps = {showsLiveVideo, showsOverlay, showsViews, worksAsPicture, showsWorkers, showsSlotsAndTotals, killButtonWorks,
    goesToFrames, playsBothWays, survivesTheStorer, goesBackToLive, findsBack};
  for (const [name, step] of Object.entries(steps)) {
    await step(page, pipeline);
    console.log(`ok ${name}`);
  }
  await playsAnExport(browser, pipeline);
  console.log('ok playsAnExport');
  await looksRight(browser, url);
  assert.deepEqual(errors, [], 'no script failed');
  const foreign = requests.filter((request) => !request.startsWith(url) && !request.startsWith('data:'));
  assert.deepEqual(foreign, [], 'nothing was loaded from elsewhere');
}

const pipeline = new Pipeline();
let browser;
try {
  browser = await chromium.launch({executablePath: process.env.CHROMIUM, headless: true, args: FLAGS});
  await run(browser, pipeline);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser?.close();
  const end = await pipeline.down().catch((error) => ({code: error.message}));
  if (end && end.code !== 0) {
    console.error('the pipeline did not end well:', end);
    process.exitCode = 1;
  }
}
