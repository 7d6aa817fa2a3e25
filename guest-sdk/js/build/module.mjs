// The binary format of a core module, as far as a snapshot needs it: exports, globals, memory and data are rewritten,
// all other sections are kept as they are.

const SECTION = { memory: 5, global: 6, export: 7, start: 8, dataCount: 12, data: 11 };
const EXTERNAL_GLOBAL = 3;
const TYPES = { 0x7f: "i32", 0x7e: "i64" };
const CONST = { i32: 0x41, i64: 0x42 };
const END = 0x0b;
const PAGE_BYTES = 65536;
/** Zeroes between two pieces of memory that are worth a data segment more. Doubled until there are few enough. */
const GAP_BYTES = 64;
/** Cofferdam takes 10,000 in a library. */
const SEGMENTS_MAX = 8000;

/** The same module with its mutable globals exported, so that they can be read: `global 0`, `global 1`, … */
export function instrumented(bytes) {
  const all = sections(bytes);
  const { list } = globalsOf(all);
  return assemble(bytes, all, (section, body) => {
    if (section !== SECTION.export) return body;
    const entries = [...exportsOf(body), ...list.map((_, index) => [...text(`global ${index}`), EXTERNAL_GLOBAL, ...unsigned(index)])];
    return counted(entries);
  });
}

/** The module with this memory and these globals from the start, without the exports that led there. */
export function frozen(bytes, memory, globals, without) {
  const all = sections(bytes);
  const segments = segmentsOf(memory);
  return assemble(bytes, all, (section, body) => {
    switch (section) {
      case SECTION.memory:
        return Uint8Array.from([1, 0, ...unsigned(memory.length / PAGE_BYTES)]);
      case SECTION.global:
        return counted(globalsOf(all).list.map(({ type }, index) => [type.code, 1, CONST[type.name], ...signed(globals[index]), END]));
      case SECTION.export:
        return counted(exportsOf(body).filter((entry) => !without.includes(nameOf(entry))));
      case SECTION.dataCount:
        return Uint8Array.from(unsigned(segments.length));
      case SECTION.data:
        return dataOf(memory, segments);
      default:
        return body;
    }
  });
}

function sections(bytes) {
  const found = [];
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at];
    const [size, start] = readUnsigned(bytes, at + 1);
    if (id === SECTION.start) throw new Error("the engine has a start function, which a snapshot would run twice");
    found.push({ id, body: bytes.subarray(start, start + size) });
    at = start + size;
  }
  return found;
}

function assemble(bytes, all, change) {
  const parts = [bytes.subarray(0, 8)];
  for (const { id, body } of all) {
    const changed = change(id, body);
    parts.push(Uint8Array.from([id, ...unsigned(changed.length)]), changed);
  }
  return Buffer.concat(parts);
}

/** The engine's globals are mutable numbers, its stack pointer among them. */
function globalsOf(all) {
  const body = all.find(({ id }) => id === SECTION.global)?.body ?? [0];
  let [count, at] = readUnsigned(body, 0);
  const list = [];
  for (; count > 0; count--) {
    const code = body[at];
    const name = TYPES[code];
    if (name === undefined || body[at + 1] !== 1 || body[at + 2] !== CONST[name]) {
      throw new Error("the engine has a global that a snapshot cannot keep");
    }
    at += 3;
    while (body[at] & 0x80) at++;
    if (body[at + 1] !== END) throw new Error("the engine has a global that a snapshot cannot keep");
    at += 2;
    list.push({ type: { code, name } });
  }
  return { list };
}

function exportsOf(body) {
  let [count, at] = readUnsigned(body, 0);
  const entries = [];
  for (; count > 0; count--) {
    const start = at;
    const [length, name] = readUnsigned(body, at);
    [, at] = readUnsigned(body, name + length + 1);
    entries.push([...body.subarray(start, at)]);
  }
  return entries;
}

function nameOf(entry) {
  const [length, at] = readUnsigned(entry, 0);
  return Buffer.from(entry.slice(at, at + length)).toString();
}

/** Pieces of memory that are not zero. */
function segmentsOf(memory) {
  for (let gap = GAP_BYTES; ; gap *= 2) {
    const found = pieces(memory, gap);
    if (found.length <= SEGMENTS_MAX) return found;
  }
}

function pieces(memory, gap) {
  const found = [];
  const bits = new BigUint64Array(memory.buffer, memory.byteOffset, memory.length / 8);
  for (let word = 0; word < bits.length; word++) {
    if (bits[word] === 0n) continue;
    const start = word * 8;
    const last = found.at(-1);
    if (last && start - last.end < gap) last.end = start + 8;
    else found.push({ start, end: start + 8 });
  }
  return found;
}

function dataOf(memory, segments) {
  const parts = [Uint8Array.from(unsigned(segments.length))];
  for (const { start, end } of segments) {
    parts.push(Uint8Array.from([0, CONST.i32, ...signed(start), END, ...unsigned(end - start)]), memory.subarray(start, end));
  }
  return Buffer.concat(parts);
}

function counted(entries) {
  return Uint8Array.from([...unsigned(entries.length), ...entries.flat()]);
}

function text(value) {
  const bytes = Buffer.from(value);
  return [...unsigned(bytes.length), ...bytes];
}

function readUnsigned(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

/** LEB128, shortest form. */
function unsigned(value) {
  const bytes = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

function signed(given) {
  let value = BigInt(given);
  for (const bytes = []; ; ) {
    const byte = Number(value & 0x7fn);
    value >>= 7n;
    if ((value === 0n && byte < 64) || (value === -1n && byte >= 64)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}
