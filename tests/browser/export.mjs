// An exported film in the browser's own player: it loads, knows its length, plays to its end, and at the time of each
// frame it shows that very frame. Made of what a pipeline has recorded while it goes on recording.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {createReadStream, readFileSync, statSync} from 'node:fs';
import {createServer} from 'node:http';
import {join} from 'node:path';

const FRAMES = 40;

// A server of one film, which answers for parts of it as players ask.
function serve(path) {
  const size = statSync(path).size;
  const server = createServer((request, response) => {
    if (request.url === '/') {
      response.writeHead(200, {'Content-Type': 'text/html'});
      response.end('<!doctype html><title>a film</title><video src="/film.mp4" muted></video>');
      return;
    }
    const [, first, last] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? 'bytes=0-');
    const end = last ? Number(last) : size - 1;
    response.writeHead(206, {'Content-Type': 'video/mp4', 'Accept-Ranges': 'bytes', 'Content-Length': end - first + 1,
      'Content-Range': `bytes ${first}-${end}/${size}`});
    createReadStream(path, {start: Number(first), end}).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

// Runs inside the page: plays the film from its beginning to its end.
function play() {
  const video = document.querySelector('video');
  return new Promise((resolve, reject) => {
    let advanced = 0, last = -1;
    video.onerror = () => reject(new Error(`the film cannot be played: ${video.error.message}`));
    video.ontimeupdate = () => {
      advanced += video.currentTime > last;
      last = video.currentTime;
    };
    video.onended = () => resolve({advanced, at: video.currentTime, duration: video.duration, width: video.videoWidth,
      height: video.videoHeight, lost: video.getVideoPlaybackQuality().corruptedVideoFrames});
    video.play().catch(reject);
  });
}

// Runs inside the page: the number in the pixels (workers/media/barcode.h) at each of these times, each of another frame.
async function numbersAt(times) {
  const video = document.querySelector('video');
  const pen = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext('2d', {willReadFrequently: true});
  const numbers = [];
  for (const time of times) {
    // Where it was sought is decoded before it is shown: the picture of before could still be there.
    const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    const sought = new Promise((resolve) => { video.onseeked = resolve; });
    video.currentTime = time;
    await Promise.all([shown, sought]);
    pen.drawImage(video, 0, 0);
    let number = 0n;
    for (let bit = 0; bit < 48; bit++) {
      const x = Math.floor((((bit % 24) + 0.5) * video.videoWidth) / 24);
      const y = Math.floor(((22 + Math.floor(bit / 24) + 0.5) * video.videoHeight) / 24);
      number = (number << 1n) | (pen.getImageData(x, y, 1, 1).data[1] > 128 ? 1n : 0n);
    }
    numbers.push(Number(number >> 8n));
  }
  return numbers;
}

export async function playsAnExport(browser, pipeline) {
  const troupe = (...args) => execFileSync(join(process.env.TROUPE_BIN, 'troupe'),
    ['export', '-n', pipeline.name, '--seq', `1-${FRAMES}`, ...args], {env: pipeline.env});
  const film = join(pipeline.folder, 'film.mp4'), table = join(pipeline.folder, 'film.csv');
  troupe(film);
  troupe(table);
  const [head, ...rows] = readFileSync(table, 'utf8').trim().split('\n').map((line) => line.split(','));
  const captured = rows.map((row) => BigInt(row[head.indexOf('captured')]));
  const times = captured.map((at) => Number(at - captured[0]) / 1e9);
  assert.equal(times.length, FRAMES);
  const server = await serve(film);
  const page = await browser.newPage();
  try {
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const seen = await page.evaluate(play);
    assert.deepEqual([seen.width, seen.height, seen.lost], [640, 480, 0]);
    assert.ok(seen.advanced > 2 && seen.at > times.at(-1) - 0.001, `it ends at ${seen.at} s, the last frame is at ${times.at(-1)}`);
    assert.ok(Math.abs(seen.duration - times.at(-1) * FRAMES / (FRAMES - 1)) < 0.01, `it lasts ${seen.duration} s`);
    // In the middle between a frame's time and the next one's.
    const middles = times.map((time, i) => (time + (times[i + 1] ?? seen.duration)) / 2).filter((_, i) => i % 3 === 0);
    assert.deepEqual(await page.evaluate(numbersAt, middles), middles.map((_, i) => i * 3));
  } finally {
    await page.close();
    server.close();
    server.closeAllConnections();
  }
}
