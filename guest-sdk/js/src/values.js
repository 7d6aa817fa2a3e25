// Large values: read and written piece by piece, so that an op can work on more than it can hold.

/** What the host likes best at a time, in bytes. */
export const CHUNK_BYTES = 256 * 1024;
/** A value up to here is returned with the completion. */
const INLINE_BYTES_MAX = 64 * 1024;

const utf8 = new TextEncoder();
const MESSAGES = {
  unknown: "there is no such input",
  unavailable: "the bytes cannot be read or stored now",
  limit: "the limit on output bytes or open handles is reached",
  finished: "the writer is finished",
};

/** A call on a stored value; its errors are made readable. */
function calling(doing, call) {
  try {
    return call();
  } catch (error) {
    const code = error?.payload ?? error;
    const wrapped = new Error(`cannot ${doing}: ${MESSAGES[code] ?? error?.message ?? code}`);
    // Another try would meet the same limit.
    if (code === "limit" || code === "finished") wrapped.permanent = true;
    throw wrapped;
  }
}

/** Reads one input from front to back or from anywhere. */
export class Reader {
  #source;
  #at = 0;

  /** Bytes in all. */
  size;
  /** The media type that the value has, such as `text/csv`. */
  mediaType;

  constructor(source, mediaType = "application/octet-stream") {
    this.#source = source;
    this.size = source.size;
    this.mediaType = mediaType;
  }

  /** Reads these bytes, or this text: for tests of ops that take a reader. */
  static from(content, mediaType) {
    return new Reader(inMemory(typeof content === "string" ? utf8.encode(content) : content), mediaType);
  }

  /** Exactly `length` bytes from `offset`; fewer only at the end. */
  readAt(offset, length) {
    const end = Math.min(this.size, offset + length);
    if (offset >= end) return new Uint8Array(0);
    const first = this.#source.read(offset, Math.min(end - offset, CHUNK_BYTES));
    if (first.length === end - offset) return first;
    const bytes = new Uint8Array(end - offset);
    bytes.set(first);
    for (let at = first.length; at < bytes.length; ) {
      const next = this.#source.read(offset + at, Math.min(bytes.length - at, CHUNK_BYTES));
      if (next.length === 0) throw new Error(`the value ends at ${offset + at} of ${this.size} bytes`);
      bytes.set(next, at);
      at += next.length;
    }
    return bytes;
  }

  /** The next bytes, at most `length`; none at the end. */
  read(length = CHUNK_BYTES) {
    const bytes = this.readAt(this.#at, length);
    this.#at += bytes.length;
    return bytes;
  }

  /** All bytes that are left. */
  bytes() {
    return this.read(this.size - this.#at);
  }

  /** All that is left, as text. */
  text() {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes());
  }

  /** Chunks of 256 KiB. */
  *[Symbol.iterator]() {
    for (let chunk = this.read(); chunk.length > 0; chunk = this.read()) yield chunk;
  }

  /** Lines of text, without their ends. */
  *lines() {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let rest = "";
    for (const chunk of this) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    }
    rest += decoder.decode();
    if (rest !== "") yield rest;
  }
}

export function inMemory(bytes) {
  return { size: bytes.length, read: (offset, length) => bytes.slice(offset, offset + length) };
}

/** The bytes of an input, wherever they are. */
export function sourceOf(content, host) {
  if (content.tag === "bytes") return inMemory(content.val);
  const stored = calling("open an input", () => host.open(content.val));
  const read = (offset, length) => calling("read an input", () => stored.read(BigInt(offset), length));
  return { size: Number(stored.size()), read };
}

/** A finished value that a `Writer` wrote; return it as an output. */
export class Stored {
  constructor(content) {
    this.content = content;
  }
}

/**
 * Writes one output from front to back; at most a chunk (256 KiB) of it is in memory. Nothing of it is seen by
 * others until it is finished, returned as an output, and the step is committed.
 */
export class Writer {
  #host;
  #buffer = new Uint8Array(CHUNK_BYTES);
  #used = 0;
  #stored;

  constructor(host) {
    this.#host = host;
  }

  /** Appends bytes or text. */
  write(content) {
    let bytes = typeof content === "string" ? utf8.encode(content) : content;
    while (bytes.length > 0) {
      const count = Math.min(bytes.length, CHUNK_BYTES - this.#used);
      this.#buffer.set(bytes.subarray(0, count), this.#used);
      this.#used += count;
      bytes = bytes.subarray(count);
      if (this.#used === CHUNK_BYTES) this.#send();
    }
  }

  /** Ends the value. */
  finish() {
    if (this.#stored === undefined && this.#used <= INLINE_BYTES_MAX) {
      return new Stored({ tag: "bytes", val: this.#buffer.slice(0, this.#used) });
    }
    if (this.#used > 0) this.#send();
    return new Stored({ tag: "stored", val: calling("finish an output", () => this.#stored.finish()) });
  }

  #send() {
    this.#stored ??= calling("start an output", () => this.#host.create());
    calling("write an output", () => this.#stored.write(this.#buffer.subarray(0, this.#used)));
    this.#used = 0;
  }
}

/** Bytes that are in memory already: with the completion if small, else in chunks. */
export function contentOf(bytes, host) {
  if (bytes.length <= INLINE_BYTES_MAX) return { tag: "bytes", val: bytes };
  const writer = new Writer(host);
  writer.write(bytes);
  return writer.finish().content;
}
