// What a step lends to an op. Each class calls the host's interface of its kind; the host knows which resource is meant
// by the op's own name for it.

import { Failure, Fault } from "./failure.js";

/** In the words of the contract. */
export const KINDS = ["http", "keyvalue", "blob", "sql", "config", "command"];

const utf8 = new TextEncoder();
/** Bytes of an object that are read at a time. */
const CHUNK_BYTES = 256 * 1024;
/** Bytes from the end of standard error that a failure repeats: the last lines say why. */
const STDERR_BYTES_MAX = 2048;

const bytesOf = (content) => (typeof content === "string" ? utf8.encode(content) : content);
const textOf = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

class Resource {
  #host;
  #name;

  constructor(host, name) {
    this.#host = host;
    this.#name = name;
  }

  /** One call; a fault becomes an error that says which resource it was. */
  call(method, ...args) {
    try {
      return this.#host[method](this.#name, ...args);
    } catch (error) {
      const fault = error?.payload ?? error;
      if (fault?.kind === undefined) throw error;
      throw new Fault(fault.kind, `resource \`${this.#name}\`: ${fault.message}`);
    }
  }

  get name() {
    return this.#name;
  }

  /** Pages until there are no more. */
  pages(method, list, prefix) {
    const all = [];
    for (let after; ; after = all.at(-1)) {
      const page = this.call(method, prefix, after);
      all.push(...page[list]);
      if (!page.more || page[list].length === 0) return all;
    }
  }
}

/** Bytes by key. */
class Keyvalue extends Resource {
  /** What is under the key; undefined if nothing is. */
  get(key) {
    return this.call("get", key);
  }

  /** The same as text. */
  getText(key) {
    const bytes = this.get(key);
    return bytes && textOf(bytes);
  }

  /** Puts bytes or text under the key, whatever was there. */
  set(key, value) {
    this.call("set", key, bytesOf(value));
  }

  remove(key) {
    this.call("remove", key);
  }

  /** All keys that begin so, sorted. */
  keys(prefix = "") {
    return this.pages("keys", "keys", prefix);
  }
}

/** Objects in a bucket or folder. */
class Blob extends Resource {
  /** The whole object; undefined if there is none. */
  read(path) {
    const size = this.size(path);
    if (size === undefined) return undefined;
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const chunk = this.readAt(path, at, CHUNK_BYTES);
      if (chunk === undefined || chunk.length === 0) throw new Error(`\`${path}\` became shorter while it was read`);
      bytes.set(chunk.subarray(0, size - at), at);
      at += chunk.length;
    }
    return bytes;
  }

  /** The whole object as text; undefined if there is none. */
  readText(path) {
    const bytes = this.read(path);
    return bytes && textOf(bytes);
  }

  /** At most `length` bytes from `offset`, at most 256 KiB; undefined if there is no such object. */
  readAt(path, offset, length) {
    return this.call("read", path, BigInt(offset), length);
  }

  /** Bytes in all; undefined if there is no such object. */
  size(path) {
    const size = this.call("size", path);
    return size === undefined ? undefined : Number(size);
  }

  /** Replaces the whole object, at once. */
  write(path, content) {
    this.call("write", path, bytesOf(content));
  }

  remove(path) {
    this.call("remove", path);
  }

  /** All paths that begin so, sorted. */
  list(prefix = "") {
    return this.pages("paths", "paths", prefix);
  }
}

/** Named texts, secrets among them. Do not log what you read here. */
class Settings extends Resource {
  /** The setting; undefined if there is none. */
  get(key) {
    return this.call("get", key);
  }

  /** The setting; fails if there is none. */
  require(key) {
    const value = this.get(key);
    if (value === undefined) throw new Failure(`resource \`${this.name}\` has no setting \`${key}\``, { permanent: true });
    return value;
  }
}

/** A database. Parameters are written `?` in SQLite and `$1` in PostgreSQL. */
class Sql extends Resource {
  /** All rows of one statement, an object by column each. */
  query(text, parameters = []) {
    const { columns, values } = this.call("query", { text, parameters: parameters.map(toSql) });
    return values.map((row) => Object.fromEntries(row.map((value, index) => [columns[index], fromSql(value)])));
  }

  /** One statement without rows; gives the number of rows that it touched. */
  execute(text, parameters = []) {
    return Number(this.call("execute", { text, parameters: parameters.map(toSql) }));
  }

  /** Several statements in one transaction, each `[text, parameters]`: all of them or none. */
  transact(statements) {
    const all = statements.map(([text, parameters = []]) => ({ text, parameters: parameters.map(toSql) }));
    return Number(this.call("transact", all));
  }
}

function toSql(value) {
  if (value === null || value === undefined) return { tag: "null" };
  switch (typeof value) {
    case "boolean":
      return { tag: "truth", val: value };
    case "bigint":
      return { tag: "integer", val: value };
    case "number":
      return Number.isSafeInteger(value) ? { tag: "integer", val: BigInt(value) } : { tag: "number", val: value };
    case "string":
      return { tag: "text", val: value };
    default:
      if (value instanceof Uint8Array) return { tag: "bytes", val: value };
      if (value instanceof Date) return { tag: "text", val: value.toISOString() };
      throw new TypeError("a parameter is null, truth, a number, text or bytes");
  }
}

function fromSql({ tag, val }) {
  if (tag === "null") return null;
  if (tag !== "integer") return val;
  return Number.isSafeInteger(Number(val)) ? Number(val) : val;
}

/** Requests to the base address of the resource; the host adds what they need beyond it, such as credentials. */
class Http extends Resource {
  /** Waits for the whole answer. A status of an error is an answer: `ok()` makes an error of it. */
  send({ method = "GET", path, headers = [], body = new Uint8Array(0) }) {
    const list = Array.isArray(headers) ? headers : Object.entries(headers);
    return new HttpResponse(this.call("send", { method, path, headers: list, body: bytesOf(body) }));
  }

  get(path) {
    return this.send({ path });
  }

  postJson(path, value) {
    const headers = [["content-type", "application/json"]];
    return this.send({ method: "POST", path, headers, body: JSON.stringify(value) });
  }
}

/** An answer. */
export class HttpResponse {
  constructor({ status, headers = [], body = "" }) {
    Object.assign(this, { status, headers, body: bytesOf(body) });
  }

  /** The first header of that name, whatever its case. */
  header(name) {
    return this.headers.find(([own]) => own.toLowerCase() === name.toLowerCase())?.[1];
  }

  /** Itself if its status is below 400. Trouble of the other side (408, 429, 500 and above) may be tried again. */
  ok() {
    if (this.status < 400) return this;
    const message = `the server answered with status ${this.status}`;
    const again = this.status === 408 || this.status === 429 || this.status >= 500;
    const seconds = Number(this.header("retry-after"));
    throw new Failure(message, again ? { retryAfter: seconds > 0 ? seconds * 1000 : undefined } : { permanent: true });
  }

  text() {
    return textOf(this.body);
  }

  json() {
    return JSON.parse(this.text());
  }
}

/** One program of the host, from its operator's list. */
class Command extends Resource {
  /** Runs it to its end. */
  run(args = [], stdin = "") {
    return new CommandOutcome(this.call("run", args.map(String), bytesOf(stdin)));
  }
}

/** How a program ended. `exitCode` is undefined if a signal ended it. */
export class CommandOutcome {
  constructor({ exitCode, stdout = "", stderr = "" }) {
    Object.assign(this, { exitCode, stdout: bytesOf(stdout), stderr: bytesOf(stderr) });
  }

  /** Itself if the program succeeded; else an error with the end of its standard error. */
  ok() {
    if (this.exitCode === 0) return this;
    const how = this.exitCode === undefined ? "was ended by a signal" : `ended with code ${this.exitCode}`;
    const last = new TextDecoder().decode(this.stderr.slice(-STDERR_BYTES_MAX)).trim();
    throw new Failure(`the program ${how}`, last === "" ? {} : { cause: last });
  }

  /** What it printed, as text. */
  text() {
    return textOf(this.stdout);
  }
}

const CLASSES = { http: Http, keyvalue: Keyvalue, blob: Blob, sql: Sql, config: Settings, command: Command };

export function resourceOf(kind, host, name) {
  return new CLASSES[kind](host, name);
}
