// A zip's files by name, unpacked in the browser when asked for; nothing of it is trusted.

const MAX_FILES = 2000;
const MAX_UNPACKED_BYTES = 512 * 2 ** 20;
const END_SIGN = 0x06054b50;
const ENTRY_SIGN = 0x02014b50;
const FILE_SIGN = 0x04034b50;

// From the bytes of a zip to a Map of lower-case base names to functions that give their bytes.
export function openZip(buffer) {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  const first = Math.max(0, end - 65535);
  while (end >= first && view.getUint32(end, true) !== END_SIGN) end--;
  if (end < first) throw new Error('This is no zip, or it was cut short.');
  const count = view.getUint16(end + 10, true);
  if (count > MAX_FILES) throw new Error(`A level has few files; this zip has ${count}.`);
  const files = new Map();
  let at = view.getUint32(end + 16, true);
  let unpacked = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== ENTRY_SIGN) {
      throw new Error('The directory of this zip is damaged.');
    }
    const [method, packed, size] = [10, 20, 24].map((skip) =>
      skip === 10 ? view.getUint16(at + skip, true) : view.getUint32(at + skip, true),
    );
    const nameLength = view.getUint16(at + 28, true);
    const start = view.getUint32(at + 42, true);
    const name = new TextDecoder().decode(new Uint8Array(buffer, at + 46, nameLength));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    unpacked += size;
    if (unpacked > MAX_UNPACKED_BYTES) throw new Error('This zip unpacks to over 512 MB.');
    const base = name.split(/[\\/]/).pop().toLowerCase();
    if (base && !files.has(base)) {
      files.set(base, () => unpack(buffer, start, method, packed, size));
    }
  }
  return files;
}

async function unpack(buffer, start, method, packed, size) {
  const view = new DataView(buffer);
  if (start + 30 > buffer.byteLength || view.getUint32(start, true) !== FILE_SIGN) {
    throw new Error('A file of this zip is damaged.');
  }
  const skip = 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
  if (start + skip + packed > buffer.byteLength) throw new Error('This zip was cut short.');
  const data = new Uint8Array(buffer, start + skip, packed);
  if (method === 0) return data;
  if (method !== 8) throw new Error('This zip is packed or locked in a way that is not read here.');
  return inflate(data, 'deflate-raw', size);
}

// Unpacked bytes; more than `limit` of them are refused while they come.
export async function inflate(data, format, limit = MAX_UNPACKED_BYTES) {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream(format));
  const reader = stream.getReader();
  const parts = [];
  let total = 0;
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    total += step.value.length;
    if (total > limit) {
      await reader.cancel();
      throw new Error('A file of this zip is larger than it says.');
    }
    parts.push(step.value);
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
