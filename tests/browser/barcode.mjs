// Runs inside the page: takes one part of a live stream and reads the frame number out of its pixels
// (workers/media/barcode.h), to be held against the record that came with it.
export async function readOnePart(stream) {
  const response = await fetch(`/live/${stream}`);
  const reader = response.body.getReader();
  let held = new Uint8Array(0);
  let head, end, size;
  do {
    const {value} = await reader.read();
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    head = new TextDecoder('latin1').decode(held);
    end = head.indexOf('\r\n\r\n') + 4;
    size = Number(/Content-Length: (\d+)/.exec(head)?.[1]);
  } while (end < 4 || held.length < end + size);
  reader.cancel();
  const record = JSON.parse(/X-Frame: (.*)\r\n/.exec(head)[1]);
  const picture = await createImageBitmap(new Blob([held.slice(end, end + size)], {type: 'image/jpeg'}));
  const {width, height} = picture;
  const pen = new OffscreenCanvas(width, height).getContext('2d');
  pen.drawImage(picture, 0, 0);
  const pixels = pen.getImageData(0, 0, width, height).data;
  let number = 0n;
  for (let bit = 0; bit < 48; bit++) {
    // The middle of the cell; green stands for its luma.
    const x = Math.floor((((bit % 24) + 0.5) * width) / 24);
    const y = Math.floor(((22 + Math.floor(bit / 24) + 0.5) * height) / 24);
    number = (number << 1n) | (pixels[(y * width + x) * 4 + 1] > 128 ? 1n : 0n);
  }
  return {record, number: Number(number >> 8n)};
}

// The same of a picture by itself.
export async function numberIn(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  const picture = await createImageBitmap(await response.blob());
  const {width, height} = picture;
  const pen = new OffscreenCanvas(width, height).getContext('2d');
  pen.drawImage(picture, 0, 0);
  const pixels = pen.getImageData(0, 0, width, height).data;
  let number = 0n;
  for (let bit = 0; bit < 48; bit++) {
    const x = Math.floor((((bit % 24) + 0.5) * width) / 24);
    const y = Math.floor(((22 + Math.floor(bit / 24) + 0.5) * height) / 24);
    number = (number << 1n) | (pixels[(y * width + x) * 4 + 1] > 128 ? 1n : 0n);
  }
  return Number(number >> 8n);
}
