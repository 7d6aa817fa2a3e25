// Structured values as CBOR (RFC 8949), written in the deterministic form of its section 4.2: shortest numbers,
// definite lengths, map keys sorted by their bytes. So equal values have equal bytes, whatever language wrote them.
//
// A whole number of JavaScript may stand for a whole number or for a fraction that happens to have none: the schema
// of the value decides. Whole numbers of 64 bits are read as `bigint` where a `number` could not hold them exactly.

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;
/** First size of the buffer, in bytes. It doubles. */
const BUFFER_BYTES = 256;

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes of a value that the schema accepts. */
export function encode(value, schema = true) {
  const out = new Output();
  put(out, value, schema, schema, "");
  return out.taken();
}

/** The value of bytes; fails in words if they are no CBOR. */
export function decode(bytes) {
  const input = new Input(bytes);
  const value = take(input);
  if (input.at !== bytes.length) throw new Error(`there are ${bytes.length - input.at} bytes after the value`);
  return value;
}

class Output {
  bytes = new Uint8Array(BUFFER_BYTES);
  at = 0;

  room(count) {
    if (this.at + count > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + count));
      larger.set(this.bytes.subarray(0, this.at));
      this.bytes = larger;
    }
    return this.bytes;
  }

  head(major, count) {
    const bytes = this.room(9);
    const top = major << 5;
    if (count < 24) {
      bytes[this.at++] = top | count;
    } else if (count < 0x100) {
      bytes[this.at++] = top | 24;
      bytes[this.at++] = count;
    } else if (count < 0x10000) {
      bytes[this.at++] = top | 25;
      bytes[this.at++] = count >> 8;
      bytes[this.at++] = count;
    } else if (count < 0x100000000) {
      bytes[this.at++] = top | 26;
      this.view().setUint32(this.at, count);
      this.at += 4;
    } else {
      bytes[this.at++] = top | 27;
      this.view().setBigUint64(this.at, BigInt(count));
      this.at += 8;
    }
  }

  view() {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset);
  }

  raw(bytes) {
    this.room(bytes.length).set(bytes, this.at);
    this.at += bytes.length;
  }

  taken() {
    return this.bytes.subarray(0, this.at);
  }
}

function put(out, value, schema, root, path) {
  switch (typeof value) {
    case "string":
      return putText(out, value);
    case "boolean":
      return out.head(7, value ? 21 : 20);
    case "number":
      return putNumber(out, value, schema, root);
    case "bigint":
      return putBigint(out, value, path);
    case "object":
      return value === null ? out.head(7, 22) : putObject(out, value, schema, root, path);
    default:
      throw new Error(`${place(path)} is ${value === undefined ? "undefined" : `a ${typeof value}`}, which is no value`);
  }
}

function putText(out, value) {
  const bytes = utf8.encode(value);
  out.head(3, bytes.length);
  out.raw(bytes);
}

function putNumber(out, value, schema, root) {
  if (Number.isSafeInteger(value) && !isFraction(resolve(schema, root))) {
    return value < 0 ? out.head(1, -1 - value) : out.head(0, value);
  }
  putFloat(out, value);
}

/** True if the schema says that a number without a fraction is one all the same. */
function isFraction(schema) {
  const type = schema?.type;
  return type === "number" || (Array.isArray(type) && type.includes("number") && !type.includes("integer"));
}

function putFloat(out, value) {
  out.room(9);
  const view = out.view();
  const half = toHalf(value);
  if (half !== undefined) {
    view.setUint8(out.at, 0xf9);
    view.setUint16(out.at + 1, half);
    out.at += 3;
  } else if (Math.fround(value) === value) {
    view.setUint8(out.at, 0xfa);
    view.setFloat32(out.at + 1, value);
    out.at += 5;
  } else {
    view.setUint8(out.at, 0xfb);
    view.setFloat64(out.at + 1, value);
    out.at += 9;
  }
}

/** The 16 bits of a number that fits into them exactly. All that is not a number is one. */
function toHalf(value) {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === 0) return sign;
  if (size === Infinity) return sign | 0x7c00;
  if (size > 65504 || size < 2 ** -24) return undefined;
  let exponent = Math.max(Math.floor(Math.log2(size)), -14);
  if (size < 2 ** exponent && exponent > -14) exponent -= 1;
  const mantissa = (size / 2 ** exponent) * 1024;
  if (!Number.isInteger(mantissa)) return undefined;
  // Below 2^-14 there is no leading one.
  return mantissa < 1024 ? sign | mantissa : sign | ((exponent + 15) << 10) | (mantissa - 1024);
}

function putBigint(out, value, path) {
  if (value < INT64_MIN || value > UINT64_MAX) {
    throw new Error(`${place(path)} is ${value}; whole numbers have 64 bits`);
  }
  const count = value < 0n ? -1n - value : value;
  if (count <= BigInt(Number.MAX_SAFE_INTEGER)) return out.head(value < 0n ? 1 : 0, Number(count));
  out.room(9)[out.at] = value < 0n ? 0x3b : 0x1b;
  out.view().setBigUint64(out.at + 1, count);
  out.at += 9;
}

function putObject(out, value, schema, root, path) {
  if (typeof value.toJSON === "function") return put(out, value.toJSON(), schema, root, path);
  if (value instanceof Uint8Array) {
    out.head(2, value.length);
    return out.raw(value);
  }
  schema = resolve(schema, root);
  if (Array.isArray(value)) {
    out.head(4, value.length);
    return value.forEach((item, index) => put(out, item, schema?.items, root, `${path}/${index}`));
  }
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const keyed = [];
  for (const [key, item] of entries) {
    if (item !== undefined) keyed.push({ name: String(key), key: utf8.encode(String(key)), item });
  }
  keyed.sort((a, b) => compare(a.key, b.key));
  out.head(5, keyed.length);
  keyed.forEach(({ name, key, item }, index) => {
    if (index > 0 && keyed[index - 1].name === name) throw new Error(`${place(path)} has the key \`${name}\` twice`);
    out.head(3, key.length);
    out.raw(key);
    put(out, item, property(schema, name), root, `${path}/${name}`);
  });
}

/** What the schema says of a key of an object. */
export function property(schema, name) {
  const properties = schema?.properties;
  if (properties && Object.hasOwn(properties, name)) return properties[name];
  const patterns = Object.entries(schema?.patternProperties ?? {});
  const found = patterns.find(([pattern]) => new RegExp(pattern, "u").test(name));
  return found ? found[1] : schema?.additionalProperties;
}

/** Follows references within the document. */
export function resolve(schema, root) {
  for (let hops = 0; typeof schema?.$ref === "string" && hops < 32; hops++) {
    const name = /^(?:#\/\$defs\/)?([^#/]+)$/.exec(schema.$ref)?.[1];
    schema = schema.$ref === "#" ? root : root?.$defs?.[name];
  }
  return schema;
}

/** Shorter keys first, then by bytes: their encoded form begins with the length. */
function compare(a, b) {
  if (a.length !== b.length) return a.length - b.length;
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at < 0 ? 0 : a[at] - b[at];
}

function place(path) {
  return path === "" ? "the value" : `\`${path}\``;
}

class Input {
  at = 0;

  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Goes on by so many bytes and gives where they begin. */
  skip(count) {
    const start = this.at;
    if (count > this.bytes.length - start) throw new Error("the bytes end in the middle of a value");
    this.at += count;
    return start;
  }

  /** The argument of a head: a number, or a bigint where a number is not exact. */
  argument(info) {
    if (info < 24) return info;
    if (info === 24) return this.view.getUint8(this.skip(1));
    if (info === 25) return this.view.getUint16(this.skip(2));
    if (info === 26) return this.view.getUint32(this.skip(4));
    if (info !== 27) throw new Error("a length is left open, which the deterministic form does not do");
    const wide = this.view.getBigUint64(this.skip(8));
    return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide;
  }
}

function take(input) {
  const head = input.view.getUint8(input.skip(1));
  const major = head >> 5;
  const info = head & 31;
  if (major === 7) return takeSimple(input, info);
  const count = input.argument(info);
  switch (major) {
    case 0:
      return count;
    case 1:
      return minus(count);
    case 2:
      return input.bytes.slice(input.skip(Number(count)), input.at);
    case 3:
      return text.decode(input.bytes.subarray(input.skip(Number(count)), input.at));
    case 4:
      return takeList(input, Number(count));
    case 5:
      return takeMap(input, Number(count));
    default:
      return takeTagged(input, Number(count));
  }
}

function minus(count) {
  const value = typeof count === "bigint" ? -1n - count : -1 - count;
  return Number.isSafeInteger(value) || typeof value === "bigint" ? value : -1n - BigInt(count);
}

function takeList(input, count) {
  const list = [];
  for (let index = 0; index < count; index++) list.push(take(input));
  return list;
}

function takeMap(input, count) {
  const map = {};
  for (let index = 0; index < count; index++) {
    const key = String(take(input));
    const value = take(input);
    // Assigning would set the prototype.
    if (key === "__proto__") Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    else map[key] = value;
  }
  return map;
}

function takeTagged(input, tag) {
  const value = take(input);
  if (tag !== 2 && tag !== 3) return value;
  const size = value.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return tag === 2 ? size : -1n - size;
}

function takeSimple(input, info) {
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
    case 23:
      return null;
    case 25:
      return fromHalf(input.view.getUint16(input.skip(2)));
    case 26:
      return input.view.getFloat32(input.skip(4));
    case 27:
      return input.view.getFloat64(input.skip(8));
    default:
      throw new Error(`simple value ${info} means nothing here`);
  }
}

function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
